//! seccomp filters, and the listener that answers calls a filter hands over.

use super::check;
use super::fs::own;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// One instruction of classic BPF, as the kernel takes it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Jump distance when true.
    pub yes: u8,
    /// Jump distance when false.
    pub no: u8,
    /// Operand.
    pub k: u32,
}

/// Installs a filter on this thread; with `listen`, returns the descriptor on which calls are handed over.
/// Needs `no_new_privs`.
pub fn install(program: &[Instruction], listen: bool) -> io::Result<Option<OwnedFd>> {
    #[repr(C)]
    struct Program {
        len: libc::c_ushort,
        filter: *const Instruction,
    }
    const SET_MODE_FILTER: libc::c_uint = 1;
    const NEW_LISTENER: libc::c_uint = 1 << 3;
    let len = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))?;
    let args = Program { len, filter: program.as_ptr() };
    // A call that was taken up is not cut short by a signal and made again: it may have been done already (Linux 5.19).
    const WAIT_KILLABLE: libc::c_uint = 1 << 5;
    let flags = if listen { NEW_LISTENER | WAIT_KILLABLE } else { 0 };
    // SAFETY: Instruction has the layout of sock_filter; args and the program outlive the call.
    let fd = check(unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, flags, &raw const args) })?;
    Ok(listen.then(|| own(fd)))
}

/// Whether the kernel knows an action (`SECCOMP_GET_ACTION_AVAIL`).
pub fn knows_action(action: u32) -> bool {
    const GET_ACTION_AVAIL: libc::c_uint = 2;
    // SAFETY: the kernel reads one 32-bit word that outlives the call.
    check(unsafe { libc::syscall(libc::SYS_seccomp, GET_ACTION_AVAIL, 0, &raw const action) }).is_ok()
}

/// Whether this process is under a filter already, as in a container.
pub fn filtered() -> bool {
    // SAFETY: the option takes no further argument.
    unsafe { libc::prctl(libc::PR_GET_SECCOMP) != 0 }
}

/// A call that waits for an answer.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// Names this call in the answer.
    pub id: u64,
    /// The caller, as this process sees it (a thread number).
    pub pid: i32,
    /// System call number.
    pub number: i32,
    /// Its six arguments.
    pub args: [u64; 6],
}

#[repr(C)]
struct RawCall {
    id: u64,
    pid: u32,
    flags: u32,
    number: i32,
    arch: u32,
    ip: u64,
    args: [u64; 6],
}

#[repr(C)]
struct RawAnswer {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

// _IOWR('!', 0, 80), _IOWR('!', 1, 24), _IOW('!', 2, 8), _IOW('!', 3, 24)
const NOTIF_RECV: libc::c_ulong = 0xc050_2100;
const NOTIF_SEND: libc::c_ulong = 0xc018_2101;
const NOTIF_ID_VALID: libc::c_ulong = 0x4008_2102;
const NOTIF_ADDFD: libc::c_ulong = 0x4018_2103;

/// The next call; `None` when its caller is gone already.
pub fn receive(listener: impl AsFd) -> io::Result<Option<Call>> {
    // SAFETY: plain integers, and the kernel wants them zero.
    let mut raw: RawCall = unsafe { std::mem::zeroed() };
    // SAFETY: raw has the layout of seccomp_notif and outlives the call.
    match check(unsafe { libc::ioctl(listener.as_fd().as_raw_fd(), NOTIF_RECV as _, &raw mut raw) }.into()) {
        Ok(_) => Ok(Some(Call { id: raw.id, pid: raw.pid as i32, number: raw.number, args: raw.args })),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the caller gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// This return value.
    Value(i64),
    /// −1 and this error.
    Error(i32),
    /// The call runs as if nothing had happened. Never a decision: the caller's memory may change after it was read.
    Continue,
}

/// Answers a call. A caller that is gone is not an error.
pub fn answer(listener: impl AsFd, id: u64, answer: Answer) -> io::Result<()> {
    const FLAG_CONTINUE: u32 = 1;
    let raw = match answer {
        Answer::Value(value) => RawAnswer { id, value, error: 0, flags: 0 },
        Answer::Error(error) => RawAnswer { id, value: 0, error: -error, flags: 0 },
        Answer::Continue => RawAnswer { id, value: 0, error: 0, flags: FLAG_CONTINUE },
    };
    // SAFETY: raw has the layout of seccomp_notif_resp and outlives the call.
    let sent = unsafe { libc::ioctl(listener.as_fd().as_raw_fd(), NOTIF_SEND as _, &raw const raw) };
    match check(sent.into()) {
        Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(error),
        _ => Ok(()),
    }
}

/// Whether the caller still waits, so that its number still means it.
pub fn still_waits(listener: impl AsFd, id: u64) -> bool {
    // SAFETY: the kernel reads one 64-bit word that outlives the call.
    check(unsafe { libc::ioctl(listener.as_fd().as_raw_fd(), NOTIF_ID_VALID as _, &raw const id) }.into())
        .is_ok()
}

/// Puts a descriptor of ours in place of the caller's descriptor `at`.
pub fn replace_fd(
    listener: impl AsFd,
    id: u64,
    fd: BorrowedFd<'_>,
    at: u32,
    cloexec: bool,
) -> io::Result<()> {
    const SET_FD: u32 = 1;
    add_fd(listener, id, fd, SET_FD, at, cloexec)
}

/// Gives the caller a new descriptor for a file of ours, as the result of its call.
pub fn answer_fd(listener: impl AsFd, id: u64, fd: BorrowedFd<'_>, cloexec: bool) -> io::Result<()> {
    const SEND: u32 = 2;
    add_fd(listener, id, fd, SEND, 0, cloexec)
}

/// Wakes the listener's process on the processor of the caller, which halves the wait (Linux 6.6; older kernels do without).
pub fn wake_beside(listener: impl AsFd) {
    const NOTIF_SET_FLAGS: libc::c_ulong = 0x4008_2104;
    const SYNC_WAKE_UP: libc::c_ulong = 1;
    // SAFETY: integers only.
    unsafe { libc::ioctl(listener.as_fd().as_raw_fd(), NOTIF_SET_FLAGS as _, SYNC_WAKE_UP) };
}

fn add_fd(
    listener: impl AsFd,
    id: u64,
    fd: BorrowedFd<'_>,
    flags: u32,
    target: u32,
    cloexec: bool,
) -> io::Result<()> {
    #[repr(C)]
    struct AddFd {
        id: u64,
        flags: u32,
        source: u32,
        target: u32,
        target_flags: u32,
    }
    let target_flags = if cloexec { libc::O_CLOEXEC as u32 } else { 0 };
    let args = AddFd { id, flags, source: fd.as_raw_fd() as u32, target, target_flags };
    // SAFETY: args has the layout of seccomp_notif_addfd and outlives the call.
    check(unsafe { libc::ioctl(listener.as_fd().as_raw_fd(), NOTIF_ADDFD as _, &raw const args) }.into())
        .map(drop)
}
