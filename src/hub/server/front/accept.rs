//! Listening and letting in: how many connections there may be, of all and of one address, and what happens when it is full.
//! Reads nothing from them.

use super::answer;
use super::forwarded;
use super::metrics::Metrics;
use super::post::{Message, Newcomer, Post};
use super::{Listen, Shared, state};
use crate::policy::host::plain;
use crate::skill::Problem;
use crate::sys::net::{self, Poll, when};
use crate::sys::stream;
use std::fs::{self, Permissions};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

const WAKE: u64 = u64::MAX;
/// Connections that wait to be let in; the kernel has a bound of its own (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;
/// So many are let in before another listener has its turn.
const AT_ONCE: usize = 64;
/// How long nobody is let in when descriptors or memory ran out, unless a connection ends before, in milliseconds.
const PAUSE: i32 = 100;

/// A socket that listens.
pub struct Listener {
    socket: OwnedFd,
    address: Option<SocketAddr>,
    /// Removed at the end.
    path: Option<PathBuf>,
}

impl Listener {
    pub fn bind(listen: Listen) -> Result<Listener, Problem> {
        match listen {
            Listen::Tcp(address) => tcp(address).map_err(|error| {
                let fix = match error.kind() {
                    io::ErrorKind::AddrInUse => "another program listens there: choose another port",
                    io::ErrorKind::PermissionDenied => "ports below 1024 are for root: choose a higher one",
                    io::ErrorKind::AddrNotAvailable => "this machine does not have that address",
                    _ => "",
                };
                let reason = crate::words::reason(&error);
                Problem::new(format!("cannot listen: {reason}"), address.to_string(), fix)
            }),
            Listen::Unix(path) => unix(&path).map_err(|error| Problem::file("cannot listen", &path, &error)),
            Listen::Inherited(socket) => {
                // A copy, for its address alone.
                let address = socket.try_clone().and_then(|copy| TcpListener::from(copy).local_addr());
                Ok(Listener { socket, address: address.ok(), path: None })
            }
        }
    }

    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }
}

fn tcp(address: SocketAddr) -> io::Result<Listener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    net::set_backlog(&listener, BACKLOG)?;
    let address = listener.local_addr()?;
    Ok(Listener { socket: listener.into(), address: Some(address), path: None })
}

fn unix(path: &Path) -> io::Result<Listener> {
    let listener = match UnixListener::bind(path) {
        // Left by a process that was killed; one that lives answers.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => match UnixStream::connect(path) {
            Err(dead) if dead.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path)?;
                UnixListener::bind(path)?
            }
            _ => return Err(error),
        },
        bound => bound?,
    };
    // A proxy of another user reaches it through the group.
    fs::set_permissions(path, Permissions::from_mode(0o660))?;
    listener.set_nonblocking(true)?;
    net::set_backlog(&listener, BACKLOG)?;
    Ok(Listener { socket: listener.into(), address: None, path: Some(path.to_owned()) })
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}

/// Lets connections in and deals them out.
pub struct Accept {
    shared: Arc<Shared>,
    poll: Poll,
    listeners: Vec<Listener>,
    paused: bool,
}

impl Accept {
    pub fn new(shared: Arc<Shared>, listeners: Vec<Listener>) -> io::Result<Accept> {
        let poll = Poll::new()?;
        poll.add(&shared.control.waker, WAKE, when::IN)?;
        for (number, listener) in listeners.iter().enumerate() {
            poll.add(listener, number as u64, when::IN)?;
        }
        Ok(Accept { shared, poll, listeners, paused: false })
    }

    /// Until the front is told to stop. Who waits to be let in then still is; then nobody listens any more.
    pub fn run(mut self) -> io::Result<()> {
        let mut found = Vec::new();
        while self.shared.control.state() == state::RUNNING {
            self.poll.wait(&mut found, if self.paused { PAUSE } else { -1 })?;
            if self.paused {
                self.pause(false)?;
            }
            for (token, _) in &found {
                match *token {
                    WAKE => self.shared.control.waker.calm(),
                    number => self.accept(number as usize)?,
                }
            }
        }
        if self.shared.control.state() == state::STOPPING {
            for number in 0..self.listeners.len() {
                self.accept(number)?;
            }
        }
        Ok(())
    }

    fn accept(&mut self, number: usize) -> io::Result<()> {
        for _ in 0..AT_ONCE {
            let Some(listener) = self.listeners.get(number).filter(|_| !self.paused) else { return Ok(()) };
            if self.shared.metrics.open() >= self.shared.settings.limits.connections as u64 {
                Metrics::add(&self.shared.metrics.full, 1);
                return self.make_room();
            }
            match stream::accept(listener) {
                Ok((socket, peer)) => self.admit(socket, peer.map(|peer| peer.ip())),
                Err(error) => match error.raw_os_error() {
                    Some(libc::EAGAIN) => return Ok(()),
                    Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS) => {
                        Metrics::add(&self.shared.metrics.full, 1);
                        return self.make_room();
                    }
                    // The listener itself is broken; the others are the business of a connection that failed (accept(2)).
                    Some(libc::EBADF | libc::EINVAL | libc::ENOTSOCK | libc::EOPNOTSUPP) => {
                        return Err(error);
                    }
                    _ => {}
                },
            }
        }
        Ok(())
    }

    /// Ends an idle connection and lets nobody in until one has ended.
    fn make_room(&mut self) -> io::Result<()> {
        let posts = &self.shared.control.posts;
        self.shared.control.full.store(true, Ordering::SeqCst);
        let idle = |post: &&Arc<Post>| post.idle.load(Ordering::Relaxed);
        if let Some(post) = posts.iter().max_by_key(idle).filter(|post| idle(post) > 0) {
            post.send(Message::Evict);
        }
        self.pause(true)
    }

    fn pause(&mut self, pause: bool) -> io::Result<()> {
        self.paused = pause;
        for (number, listener) in self.listeners.iter().enumerate() {
            self.poll.change(listener, number as u64, if pause { 0 } else { when::IN })?;
        }
        Ok(())
    }

    fn admit(&self, socket: OwnedFd, from: Option<IpAddr>) {
        let shared = &self.shared;
        let trusted = shared.settings.proxies.trusts(from);
        let counted = from.filter(|_| !trusted).map(forwarded::counted);
        if let Some(address) = counted {
            let mut addresses = shared.addresses.lock().unwrap_or_else(PoisonError::into_inner);
            let count = addresses.entry(address).or_insert(0);
            if *count >= shared.settings.limits.per_address {
                drop(addresses);
                Metrics::add(&shared.metrics.turned_away, 1);
                // Who does not read it sees that the connection has ended.
                let _ = stream::send(&socket, &answer::turned_away(), &[], false);
                return;
            }
            *count += 1;
        }
        Metrics::add(&shared.metrics.accepted, 1);
        let (peer, tcp) = (from.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), plain), from.is_some());
        let mut least: Option<&Arc<Post>> = None;
        for post in &shared.control.posts {
            if least.is_none_or(|least| post.is_less_busy(least)) {
                least = Some(post);
            }
        }
        if let Some(post) = least {
            post.connections.fetch_add(1, Ordering::SeqCst);
            post.send(Message::New(Newcomer { socket, peer, tcp, trusted, counted }));
        }
    }
}
