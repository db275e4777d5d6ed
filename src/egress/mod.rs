//! The only way out of a sandbox: who inside wants to talk to whom outside, by name, and whether the policy lets it. Knows
//! nothing of how the sandbox is built; what may be reached says `policy::decide`.
//!
//! Inside there are listeners that `inside` makes: a resolver (`dns`), a proxy that speaks HTTP (`http`) and SOCKS (`socks`), and
//! one listener for every port that the policy names, for programs that know of no proxy. The resolver answers with
//! addresses of its own (`names`), so that whoever connects to one has said which name is meant. All listeners belong to weft
//! outside, where one thread (`server`) decides, has names resolved (`resolve`), checks each address, dials it, checks which
//! host a TLS client means (`sni`), and from then on moves bytes in the kernel (`relay`).

mod conn;
pub mod dns;
mod elsewhere;
pub mod http;
#[cfg(feature = "net")]
mod inject;
#[cfg(not(feature = "net"))]
#[path = "no_inject.rs"]
mod inject;
pub mod inside;
mod job;
pub mod names;
mod relay;
mod resolve;
mod server;
pub mod settings;
pub mod sni;
pub mod socks;
mod stages;

use crate::audit::Action;
use crate::policy::{Decision, Origin};
use server::Server;
pub use settings::Settings;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Something that the log should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub kind: Kind,
    /// Connect, Listen, or Resolve.
    pub action: Action,
    /// `host:port`, or the name that was asked for.
    pub target: String,
    /// Where it went in the end.
    pub address: Option<SocketAddr>,
    pub rule: Option<Origin>,
    pub reason: String,
    /// Bytes from the inside to the outside, and back.
    pub sent: u64,
    pub received: u64,
    pub lasted: Duration,
}

/// What an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Connected; the same connection is told again at its end.
    Opened,
    /// It is over, or it never came about for a reason that is not the policy's.
    Closed,
    /// The policy does not let it.
    Refused,
    /// So many events were not told one by one: `sent` of them.
    Untold,
}

impl Event {
    fn denied(action: Action, target: String, decision: &Decision) -> Self {
        Self {
            kind: Kind::Refused,
            action,
            target,
            address: None,
            rule: decision.rule.clone(),
            reason: decision.reason.clone().into_owned(),
            sent: 0,
            received: 0,
            lasted: Duration::ZERO,
        }
    }
}

/// What both sides of the thread see.
#[derive(Debug, Default)]
struct Shared {
    events: Mutex<VecDeque<Event>>,
    over: AtomicBool,
}

/// The running egress.
#[derive(Debug)]
pub struct Egress {
    shared: Arc<Shared>,
    /// Readable when there are events.
    news: UnixStream,
    wake: UnixStream,
    thread: Option<thread::JoinHandle<()>>,
}

impl Egress {
    /// Starts the thread. `inside` is the socket on which [`inside::open`] sends its listeners and [`inside::answer`] listens;
    /// `inbound` are listeners on the host's loopback whose connections go to the same port inside.
    pub fn start(settings: Settings, inside: OwnedFd, inbound: Vec<TcpListener>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (news, tell) = pair()?;
        let (wake, woken) = pair()?;
        let server =
            Server::new(settings, inside, inbound, shared.clone(), tell, (wake.try_clone()?, woken))?;
        let thread = thread::Builder::new().stack_size(256 * 1024).spawn(move || server.run())?;
        Ok(Self { shared, news, wake, thread: Some(thread) })
    }

    /// Becomes readable when there are events to [`take`](Self::take).
    pub fn news(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }

    /// The events since the last time.
    pub fn take(&mut self) -> VecDeque<Event> {
        let mut seen = [0; 64];
        while matches!(self.news.read(&mut seen), Ok(count) if count == seen.len()) {}
        std::mem::take(&mut self.shared.events.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends every connection; gives what is left to tell.
    pub fn stop(&mut self) -> VecDeque<Event> {
        self.shared.over.store(true, Ordering::SeqCst);
        // A full pipe wakes as well.
        let _ = self.wake.write(&[1]);
        if let Some(thread) = self.thread.take() {
            // With `panic = "abort"` it cannot have failed.
            let _ = thread.join();
        }
        self.take()
    }
}

impl Drop for Egress {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Two ends, neither of which ever waits.
fn pair() -> io::Result<(UnixStream, UnixStream)> {
    let (a, b) = UnixStream::pair()?;
    a.set_nonblocking(true)?;
    b.set_nonblocking(true)?;
    Ok((a, b))
}
