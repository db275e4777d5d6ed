//! A server as a process: signals that end or reload it, and what a service manager is told (`sd_notify(3)`). Serves nothing.

use super::front::Stopper;
use crate::sys::{signal, socket, stream};
use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::thread;
use std::time::{Duration, Instant};

const SIGNALS: [i32; 3] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP];

/// Whom to tell how it goes; nobody where nobody asked.
pub struct Manager(Option<(UnixDatagram, SocketAddr)>);

impl Manager {
    /// As `NOTIFY_SOCKET` says: a path, or a name behind `@`.
    pub fn from_env() -> Manager {
        Manager(env::var_os("NOTIFY_SOCKET").and_then(|name| Manager::at(&name)))
    }

    fn at(name: &OsStr) -> Option<(UnixDatagram, SocketAddr)> {
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(name),
        };
        Some((UnixDatagram::unbound().ok()?, address.ok()?))
    }

    /// `READY=1` and the like. A manager that is gone is no reason to do anything else.
    pub fn tell(&self, what: &str) {
        if let Some((socket, address)) = &self.0 {
            let _ = socket.send_to_addr(what.as_bytes(), address);
        }
    }
}

/// How often the manager wants to hear that all is well: half of `WATCHDOG_USEC`, if that is meant for this process.
fn watchdog() -> Option<Duration> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let meant = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    number("WATCHDOG_USEC")
        .filter(|micros| meant && *micros > 0)
        .map(|micros| Duration::from_micros(micros / 2))
}

/// The signals, from now on not fatal but waiting to be read. To be called before there are other threads.
pub fn catch() -> io::Result<OwnedFd> {
    signal::block(&SIGNALS)?;
    signal::descriptor_of(&SIGNALS)
}

/// What happens on signals.
pub struct Acts {
    /// The end begins.
    pub ending: Box<dyn Fn() + Send>,
    /// Reads the configuration again.
    pub reload: Box<dyn FnMut() + Send>,
}

/// Watches over a front on a thread of its own: `SIGTERM` and `SIGINT` end it gracefully, the second time at once, `SIGHUP`
/// reloads. The service manager hears of all of it, and that the loops turn.
pub fn watch(signals: OwnedFd, stopper: Stopper, manager: Manager, mut acts: Acts) -> io::Result<()> {
    let every = watchdog();
    let run = move || {
        let (mut beats, mut beaten) = (Vec::new(), Instant::now());
        let mut told = false;
        loop {
            if socket::wait_any([Some(signals.as_fd())], every).is_err() {
                return;
            }
            while let Ok(Some(received)) = signal::next(&signals) {
                match received.signal {
                    libc::SIGHUP => {
                        let micros = stream::monotonic_micros();
                        manager.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
                        (acts.reload)();
                        manager.tell("READY=1");
                    }
                    _ if told => stopper.now(),
                    _ => {
                        told = true;
                        (acts.ending)();
                        manager.tell("STOPPING=1");
                        stopper.stop();
                    }
                }
            }
            // A loop turns at least twice a second; one that does not hangs, and the manager is to notice.
            let now = stopper.beats();
            if now.iter().zip(&beats).all(|(now, before)| now != before) {
                (beats, beaten) = (now, Instant::now());
            }
            if every.is_some() && beaten.elapsed() < Duration::from_secs(5) {
                manager.tell("WATCHDOG=1");
            }
        }
    };
    thread::Builder::new().name("signals".into()).spawn(run).map(drop)
}
