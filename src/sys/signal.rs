//! Signals as data: blocked, then read from a descriptor, so that no handler ever runs.

use super::check;
use super::fs::own;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// A set of blocked signals to go back to.
#[derive(Clone, Copy)]
pub struct Mask(libc::sigset_t);

/// What arrived, and from whom.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    /// Which signal.
    pub signal: i32,
    /// The kernel made it (a key on the terminal, a child that ended), not a process.
    pub from_kernel: bool,
    /// The sender as this process sees it; 0 for one outside this PID namespace.
    pub sender: i32,
}

/// Blocks every signal that can be blocked and that is not the consequence of an error in this very thread.
pub fn block_all() -> io::Result<Mask> {
    let mut set = empty();
    // SAFETY: set is a valid signal set throughout.
    unsafe {
        libc::sigfillset(&raw mut set);
        for fault in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT, libc::SIGTRAP] {
            libc::sigdelset(&raw mut set, fault);
        }
    }
    let mut old = empty();
    // SAFETY: both sets are valid.
    check(unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const set, &raw mut old) }.into())?;
    Ok(Mask(old))
}

/// Blocks these signals, in this thread and in those it starts from now on.
pub fn block(signals: &[i32]) -> io::Result<()> {
    let set = of(signals);
    // SAFETY: the set is valid; no old one is asked for.
    check(unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) }.into())
        .map(drop)
}

/// Goes back to an earlier mask.
pub fn restore(mask: &Mask) -> io::Result<()> {
    // SAFETY: the mask is a valid set; no old one is asked for.
    check(unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const mask.0, std::ptr::null_mut()) }.into())
        .map(drop)
}

/// Rust starts programs with SIGPIPE ignored; a program started by weft expects the default.
pub fn default_sigpipe() {
    // SAFETY: SIG_DFL is always valid for SIGPIPE.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// A descriptor that becomes readable when a blocked signal arrives.
pub fn descriptor() -> io::Result<OwnedFd> {
    let mut set = empty();
    // SAFETY: set is a valid signal set.
    unsafe { libc::sigfillset(&raw mut set) };
    // SAFETY: as above; a new descriptor is asked for.
    let fd =
        check(unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) }.into())?;
    Ok(own(fd))
}

/// A descriptor that becomes readable when one of these signals arrives, which must be blocked.
pub fn descriptor_of(signals: &[i32]) -> io::Result<OwnedFd> {
    let set = of(signals);
    // SAFETY: set is a valid signal set; a new descriptor is asked for.
    let fd =
        check(unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) }.into())?;
    Ok(own(fd))
}

/// The next signal on the descriptor, if there is one.
pub fn next(descriptor: impl AsFd) -> io::Result<Option<Received>> {
    // SAFETY: signalfd_siginfo is plain integers, for which all zeroes are valid.
    let mut info: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer and size describe info.
    let got = check(unsafe {
        libc::read(
            descriptor.as_fd().as_raw_fd(),
            (&raw mut info).cast(),
            size_of::<libc::signalfd_siginfo>(),
        )
    } as _);
    match got {
        Ok(_) => Ok(Some(Received {
            signal: info.ssi_signo as i32,
            from_kernel: info.ssi_code > 0,
            sender: info.ssi_pid as i32,
        })),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Stops this process as a key on the terminal would, until someone continues it.
pub fn stop_self() {
    // SAFETY: integers only.
    unsafe { libc::kill(libc::getpid(), libc::SIGSTOP) };
}

fn of(signals: &[i32]) -> libc::sigset_t {
    let mut set = empty();
    for signal in signals {
        // SAFETY: set is a valid signal set; a number that is no signal is refused.
        unsafe { libc::sigaddset(&raw mut set, *signal) };
    }
    set
}

fn empty() -> libc::sigset_t {
    // SAFETY: sigset_t is plain integers, and sigemptyset initialises it whatever was there.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        set
    }
}
