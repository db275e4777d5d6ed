//! The network of the inside. Making one takes the kernel as long as everything else that is made of the inside, and nothing of
//! that needs it: a process of its own makes it meanwhile, and the first process joins.

use super::plan::Plan;
use crate::egress;
use crate::sys::process::{self, Child, Side};
use crate::sys::socket;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// What an error says of what was being done: the first means that there is no such namespace for this user.
const NAMESPACE: &str = "create namespaces";
const SET_UP: &str = "set up the network";

/// What failed.
pub(super) type Failed = (&'static str, io::Error);

/// A network that is being made.
#[derive(Debug)]
pub(super) struct Network {
    maker: Child,
    done: OwnedFd,
}

impl Network {
    /// Begins. In the first process of new namespaces, while it has their capabilities. `egress` is where listeners go.
    pub fn begin(plan: &Plan, egress: Option<&OwnedFd>) -> Result<Network, Failed> {
        let at = |error| (SET_UP, error);
        let (ours, theirs) = socket::pair().map_err(at)?;
        match process::clone(0).map_err(at)? {
            Side::Parent(maker) => Ok(Network { maker, done: ours }),
            Side::Child => {
                drop(ours);
                let sent = socket::send(&theirs, &report(make(plan, egress)), None);
                // Until it was joined the network lasts only as long as somebody is in it.
                let _ = socket::wait_any([Some(theirs.as_fd())], None);
                process::exit_now(i32::from(sent.is_err()))
            }
        }
    }

    /// Waits for it, and moves this process there. What made it is about to end.
    pub fn join(self) -> Result<Maker, Failed> {
        let at = |error| (SET_UP, error);
        let mut buffer = [0; REPORT];
        socket::wait_any([Some(self.done.as_fd())], None::<Duration>).map_err(at)?;
        match socket::receive(&self.done, &mut buffer).map_err(at)? {
            Some((length @ 1.., _)) => made(&buffer[..length])?,
            _ => return Err(at(io::Error::other("the process that makes it was ended"))),
        }
        process::join_network(&self.maker.fd).map_err(|error| (NAMESPACE, error))?;
        Ok(Maker(self.maker))
    }
}

/// Sets up the network that this process was made with.
pub(super) fn here(plan: &Plan, egress: Option<&OwnedFd>) -> Result<(), Failed> {
    set_up(plan, egress).map_err(|fault| match fault {
        Fault::Namespace(errno) => (NAMESPACE, io::Error::from_raw_os_error(errno)),
        Fault::Other(text) => (SET_UP, io::Error::other(text)),
    })
}

/// The process that made a network.
#[derive(Debug)]
pub(super) struct Maker(Child);

impl Maker {
    /// Waits for its end: when the command starts, nobody but the first process is there.
    pub fn leave(self) -> Result<(), Failed> {
        process::wait(self.0.pid, true).map(drop).map_err(|error| (SET_UP, error))
    }
}

/// Why there is no network.
enum Fault {
    /// The kernel's error number.
    Namespace(i32),
    Other(String),
}

fn make(plan: &Plan, egress: Option<&OwnedFd>) -> Result<(), Fault> {
    process::new_network().map_err(|error| Fault::Namespace(error.raw_os_error().unwrap_or(0)))?;
    set_up(plan, egress)
}

fn set_up(plan: &Plan, egress: Option<&OwnedFd>) -> Result<(), Fault> {
    process::loopback_up().map_err(|error| Fault::Other(format!("bring up the loopback: {error}")))?;
    match (&plan.egress, egress) {
        (Some(settings), Some(egress)) => egress::inside::open(settings, egress)
            .map_err(|(what, error)| Fault::Other(format!("{what}: {error}"))),
        _ => Ok(()),
    }
}

/// As many bytes as a report has at most.
const REPORT: usize = 512;

fn report(made: Result<(), Fault>) -> Vec<u8> {
    match made {
        Ok(()) => vec![b'+'],
        Err(Fault::Namespace(errno)) => [&b"-"[..], &errno.to_ne_bytes()].concat(),
        Err(Fault::Other(mut text)) => {
            text.truncate(text.floor_char_boundary(REPORT - 1));
            [b"!", text.as_bytes()].concat()
        }
    }
}

fn made(report: &[u8]) -> Result<(), Failed> {
    match report.split_first() {
        Some((b'+', [])) => Ok(()),
        Some((b'-', errno)) => {
            let errno = errno.try_into().map_or(0, i32::from_ne_bytes);
            Err((NAMESPACE, io::Error::from_raw_os_error(errno)))
        }
        Some((_, text)) => Err((SET_UP, io::Error::other(String::from_utf8_lossy(text).into_owned()))),
        None => Err((SET_UP, io::Error::other("nothing was said"))),
    }
}
