//! The calls that a WebAssembly program asks of weft and that the standard library has no word for: clocks, readiness of several files,
//! random bytes, entries of a folder by descriptor.

use super::check;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

/// A clock of `clock_gettime(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Since 1970.
    Real,
    /// Since some moment; never goes back.
    Monotonic,
    /// CPU time of this process.
    Process,
    /// CPU time of this thread.
    Thread,
}

impl Clock {
    fn id(self) -> libc::clockid_t {
        match self {
            Self::Real => libc::CLOCK_REALTIME,
            Self::Monotonic => libc::CLOCK_MONOTONIC,
            Self::Process => libc::CLOCK_PROCESS_CPUTIME_ID,
            Self::Thread => libc::CLOCK_THREAD_CPUTIME_ID,
        }
    }

    /// `clock_gettime(2)`, nanoseconds; 0 for a time before the clock's beginning.
    pub fn now(self) -> io::Result<u64> {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: time is a valid place to write to.
        check(unsafe { libc::clock_gettime(self.id(), &raw mut time) }.into())?;
        Ok(nanoseconds(&time))
    }

    /// `clock_getres(2)`, nanoseconds.
    pub fn resolution(self) -> io::Result<u64> {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: time is a valid place to write to.
        check(unsafe { libc::clock_getres(self.id(), &raw mut time) }.into())?;
        Ok(nanoseconds(&time))
    }
}

fn nanoseconds(time: &libc::timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// What is waited for at a descriptor, and what came.
#[derive(Debug, Clone, Copy)]
pub struct Awaited<'a> {
    /// The descriptor.
    pub fd: BorrowedFd<'a>,
    /// Wait until it can be written, not until it can be read.
    pub write: bool,
    /// It can.
    pub ready: bool,
    /// The other end is gone.
    pub closed: bool,
}

/// `ppoll(2)`; a signal in between is no error. `None` waits without end.
pub fn wait(all: &mut [Awaited<'_>], timeout: Option<Duration>) -> io::Result<()> {
    let mut polls: Vec<libc::pollfd> = all
        .iter()
        .map(|one| libc::pollfd {
            fd: one.fd.as_raw_fd(),
            events: if one.write { libc::POLLOUT } else { libc::POLLIN },
            revents: 0,
        })
        .collect();
    let spec = timeout.map(|t| libc::timespec {
        tv_sec: t.as_secs().min(i64::MAX as u64) as _,
        tv_nsec: t.subsec_nanos() as _,
    });
    let spec = spec.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: polls and the timeout outlive the call; the signal mask stays as it is.
    let done =
        check(unsafe { libc::ppoll(polls.as_mut_ptr(), polls.len() as _, spec, std::ptr::null()) }.into());
    match done {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
        _ => {}
    }
    for (one, poll) in all.iter_mut().zip(&polls) {
        one.closed = poll.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0;
        one.ready = poll.revents != 0;
    }
    Ok(())
}

/// `getrandom(2)`, until the buffer is full.
pub fn random(mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        // By number: the standard library asks for the function weakly, and a static binary then has none of that name.
        // SAFETY: the pointer and length describe the buffer.
        match check(unsafe { libc::syscall(libc::SYS_getrandom, buffer.as_mut_ptr(), buffer.len(), 0) }) {
            Ok(count) => buffer = buffer.get_mut(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// `getdents64(2)`: entries of a folder as the kernel writes them; 0 at the end.
pub fn entries(folder: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    let fd = folder.as_fd().as_raw_fd();
    // SAFETY: the pointer and length describe the buffer.
    check(unsafe { libc::syscall(libc::SYS_getdents64, fd, buffer.as_mut_ptr(), buffer.len()) })
}

/// `fallocate(2)` without flags: room for this many bytes from an offset on, the file grown to it.
pub fn allocate(file: &File, offset: i64, length: i64) -> io::Result<()> {
    // SAFETY: integers only.
    check(unsafe { libc::fallocate(file.as_raw_fd(), 0, offset, length) }.into()).map(drop)
}

/// `fcntl(F_SETFL)`: whether writes go to the end, and whether reads and writes wait.
pub fn set_status(file: impl AsFd, append: bool, nonblocking: bool) -> io::Result<()> {
    let fd = file.as_fd().as_raw_fd();
    // SAFETY: integers only.
    let flags = check(unsafe { libc::fcntl(fd, libc::F_GETFL) }.into())? as i32;
    let mut flags = flags & !(libc::O_APPEND | libc::O_NONBLOCK);
    flags |= if append { libc::O_APPEND } else { 0 };
    flags |= if nonblocking { libc::O_NONBLOCK } else { 0 };
    // SAFETY: integers only.
    check(unsafe { libc::fcntl(fd, libc::F_SETFL, flags) }.into()).map(drop)
}

/// Whether a file belongs to `/proc`, wherever that is mounted.
pub fn is_proc(file: impl AsFd) -> io::Result<bool> {
    const PROC_SUPER_MAGIC: u64 = 0x9fa0;
    // SAFETY: statfs is plain integers, for which all zeroes are valid.
    let mut stat: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open for the call and stat is a valid place to write to.
    check(unsafe { libc::fstatfs(file.as_fd().as_raw_fd(), &raw mut stat) }.into())?;
    Ok(stat.f_type as u64 == PROC_SUPER_MAGIC)
}

/// Gives the processor to whoever waits for it.
pub fn give_way() {
    // SAFETY: cannot fail, touches no memory.
    unsafe { libc::sched_yield() };
}

/// Ends this process by a signal, as if it had been sent; returns where the signal is ignored or blocked.
pub fn die_of(signal: i32) {
    // SAFETY: integers only; the default action is asked for.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::kill(libc::getpid(), signal);
    }
}
