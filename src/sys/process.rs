//! Processes: clone into namespaces, exec, wait, signals by process descriptor.

use super::check;
use super::fs::own;
use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

/// A process number.
pub type Pid = i32;

/// Which namespaces a clone gets.
pub const ALL_NAMESPACES: u64 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u64;

/// A network of its own.
pub const NEW_NET: u64 = libc::CLONE_NEWNET as u64;

/// Both sides of a clone.
#[derive(Debug)]
pub enum Side {
    /// In the new process.
    Child,
    /// In the old one.
    Parent(Child),
}

/// A child, by number and by descriptor (which cannot come to mean another process).
#[derive(Debug)]
pub struct Child {
    /// Its number as this process sees it.
    pub pid: Pid,
    /// Its descriptor.
    pub fd: OwnedFd,
}

/// `clone3(2)` without shared memory: a fork, into new namespaces where `flags` says so. weft has one thread when it calls this;
/// the child may therefore allocate.
pub fn clone(flags: u64) -> io::Result<Side> {
    let mut pidfd: RawFd = -1;
    // SAFETY: clone_args is plain integers, for which all zeroes are valid.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags | libc::CLONE_PIDFD as u64;
    args.pidfd = &raw mut pidfd as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: without CLONE_VM the child has its own copy of memory and stack, as after fork(2); args outlives the call.
    let cloned = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>()) };
    let pid = match check(cloned) {
        // Filters around containers cannot read the flags of clone3 and refuse it altogether.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
            let flags = args.flags | args.exit_signal;
            elder_clone(flags, &mut pidfd)?
        }
        pid => pid?,
    };
    if pid == 0 {
        return Ok(Side::Child);
    }
    Ok(Side::Parent(Child { pid: pid as Pid, fd: own(pidfd as usize) }))
}

/// `clone(2)` without a stack of its own, as above.
fn elder_clone(flags: u64, pidfd: &mut RawFd) -> io::Result<usize> {
    let (none, at) = (std::ptr::null_mut::<libc::c_int>(), std::ptr::from_mut(pidfd));
    // SAFETY: without CLONE_VM the child has its own copy of memory and goes on with the same stack; flags, stack and the place
    // for the descriptor are the first three arguments on every architecture we name in `seccomp`.
    check(unsafe { libc::syscall(libc::SYS_clone, flags, none, at, none, none) })
}

/// How a process ended, or that it stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It returned this code.
    Exited(i32),
    /// This signal ended it.
    Killed(i32),
    /// This signal stopped it; it can go on.
    Stopped(i32),
}

impl Status {
    /// The code a shell would show.
    pub fn code(self) -> i32 {
        match self {
            Self::Exited(code) => code,
            Self::Killed(signal) | Self::Stopped(signal) => 128 + signal,
        }
    }
}

/// `waitpid(2)`. `pid` −1 is any child. `block` false returns `None` when nothing changed. Stops are reported as well.
pub fn wait(pid: Pid, block: bool) -> io::Result<Option<(Pid, Status)>> {
    let mut raw = 0;
    let flags = libc::WUNTRACED | libc::__WALL | if block { 0 } else { libc::WNOHANG };
    loop {
        // SAFETY: raw is a valid place to write to.
        match check(unsafe { libc::waitpid(pid, &raw mut raw, flags) }.into()) {
            Ok(0) => return Ok(None),
            Ok(found) => {
                let status = if libc::WIFEXITED(raw) {
                    Status::Exited(libc::WEXITSTATUS(raw))
                } else if libc::WIFSTOPPED(raw) {
                    Status::Stopped(libc::WSTOPSIG(raw))
                } else {
                    Status::Killed(libc::WTERMSIG(raw))
                };
                return Ok(Some((found as Pid, status)));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Sends a signal to the process behind a descriptor.
pub fn signal(process: impl AsFd, signal: i32) -> io::Result<()> {
    // SAFETY: the descriptor is open for the call; no siginfo is passed.
    check(unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_fd().as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    })
    .map(drop)
}

/// Sends a signal by number: only for processes this one has not waited for yet, whose number cannot have been given away.
pub fn kill(pid: Pid, signal: i32) -> io::Result<()> {
    // SAFETY: integers only.
    check(unsafe { libc::kill(pid, signal) }.into()).map(drop)
}

/// Effective user and group.
pub fn ids() -> (u32, u32) {
    // SAFETY: neither call can fail or touches memory.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

/// This process.
pub fn pid() -> Pid {
    // SAFETY: cannot fail, touches no memory.
    unsafe { libc::getpid() }
}

/// The parent of this process.
pub fn parent() -> Pid {
    // SAFETY: cannot fail, touches no memory.
    unsafe { libc::getppid() }
}

/// Leaves the session, the terminal and the process group of whoever started this process.
pub fn new_session() -> io::Result<()> {
    // SAFETY: integers only.
    check(unsafe { libc::setsid() }.into()).map(drop)
}

/// Sets the bits that new files do not get; gives the ones before.
pub fn umask(bits: u32) -> u32 {
    // SAFETY: cannot fail, touches no memory.
    unsafe { libc::umask(bits as libc::mode_t) }
}

/// Becomes another program; returns only to say why it could not.
pub fn exec(program: &CStr, args: &[CString], env: &[CString]) -> io::Result<Infallible> {
    let pointers = |list: &[CString]| -> Vec<*const libc::c_char> {
        list.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (args, env) = (pointers(args), pointers(env));
    // SAFETY: both arrays are null-terminated lists of NUL-terminated strings that outlive the call.
    unsafe { libc::execve(program.as_ptr(), args.as_ptr(), env.as_ptr()) };
    Err(io::Error::last_os_error())
}

/// Ends at once: no destructors, no buffers, as a forked child must.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: does not return.
    unsafe { libc::_exit(code) }
}

/// Moves this process into a new network namespace (unshare(2)).
pub fn new_network() -> io::Result<()> {
    // SAFETY: integers only.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) }.into()).map(drop)
}

/// Moves this process into the network namespace of the process behind a descriptor (setns(2); Linux 5.8).
pub fn join_network(process: impl AsFd) -> io::Result<()> {
    // SAFETY: the descriptor is open for the call.
    check(unsafe { libc::setns(process.as_fd().as_raw_fd(), libc::CLONE_NEWNET) }.into()).map(drop)
}

/// Brings up the loopback interface of this network namespace.
pub fn loopback_up() -> io::Result<()> {
    // SAFETY: integers only.
    let socket =
        own(check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0).into() })?);
    // SAFETY: ifreq is plain data, for which all zeroes are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: request is an ifreq with a NUL-terminated name and outlives the call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) }.into())
        .map(drop)
}
