//! What a hostile process would try, one harmless call each, for `weft doctor` and live policy tests: Ok means that it worked.
//! Everything runs in a child of its own, which it may ruin.

use super::check;
use super::fs::{c_path, own};
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

/// What [`in_child`] gives for a child that a signal ended.
pub const KILLED: u8 = 255;

/// Runs `act` in a child and gives what it returned. By fork(2), which works where `clone3` does not exist.
pub fn in_child(act: &dyn Fn() -> u8) -> u8 {
    // SAFETY: this process has one thread, so that the child may allocate; it leaves by _exit.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => KILLED,
        0 => super::process::exit_now(act().into()),
        pid => match super::process::wait(pid, true) {
            Ok(Some((_, super::process::Status::Exited(code)))) => u8::try_from(code).unwrap_or(KILLED),
            _ => KILLED,
        },
    }
}

/// A result as a byte: 0, or the error number.
pub fn byte(result: io::Result<()>) -> u8 {
    match result {
        Ok(()) => 0,
        Err(error) => error.raw_os_error().and_then(|n| u8::try_from(n).ok()).unwrap_or(libc::EIO as u8),
    }
}

fn call(number: libc::c_long, args: [libc::c_ulong; 5]) -> io::Result<usize> {
    let [a, b, c, d, e] = args;
    // SAFETY: private to this file; every caller passes integers, null, or pointers that outlive the call.
    check(unsafe { libc::syscall(number, a, b, c, d, e) })
}

fn address<T: ?Sized>(of: &T) -> libc::c_ulong {
    std::ptr::from_ref(of).cast::<u8>() as libc::c_ulong
}

/// `ptrace(PTRACE_TRACEME)`.
pub fn ptrace() -> io::Result<()> {
    call(libc::SYS_ptrace, [0; 5]).map(drop)
}

/// Reads the memory of another process.
pub fn read_process(pid: i32) -> io::Result<()> {
    let mut buffer = [0u8; 8];
    // Any mapped address will do: the stack of a process of the same program is at a like one.
    let here = address(&buffer);
    match super::memory::read_memory(pid, here, &mut buffer) {
        // Nothing there, but the look was allowed.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EFAULT | libc::EIO)) => Ok(()),
        done => done.map(drop),
    }
}

/// Takes a descriptor out of another process.
pub fn steal_descriptor(pid: i32) -> io::Result<()> {
    let process = own(call(libc::SYS_pidfd_open, [pid as _, 0, 0, 0, 0])?);
    call(libc::SYS_pidfd_getfd, [process.as_raw_fd() as _, 0, 0, 0, 0]).map(|fd| drop(own(fd)))
}

/// A new user namespace.
pub fn user_namespace() -> io::Result<()> {
    call(libc::SYS_unshare, [libc::CLONE_NEWUSER as _, 0, 0, 0, 0]).map(drop)
}

/// A new user namespace by `clone`.
pub fn clone_namespace() -> io::Result<()> {
    let pid = call(libc::SYS_clone, [(libc::CLONE_NEWUSER | libc::SIGCHLD) as _, 0, 0, 0, 0])?;
    if pid == 0 {
        super::process::exit_now(0);
    }
    super::process::wait(pid as i32, true).map(drop)
}

/// A tmpfs over `at`, in a mount namespace of its own if there can be one; without `anywhere`, only then.
pub fn mount(at: &CStr, anywhere: bool) -> io::Result<()> {
    let own_namespace = call(libc::SYS_unshare, [libc::CLONE_NEWNS as _, 0, 0, 0, 0])
        .or_else(|_| call(libc::SYS_unshare, [(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) as _, 0, 0, 0, 0]));
    if !anywhere {
        own_namespace?;
        super::mount::make_private()?;
    }
    let kind = c"tmpfs".as_ptr() as libc::c_ulong;
    call(libc::SYS_mount, [kind, at.as_ptr() as _, kind, 0, 0]).map(drop)
}

/// `chroot` to where the process is.
pub fn chroot() -> io::Result<()> {
    call(libc::SYS_chroot, [c".".as_ptr() as _, 0, 0, 0, 0]).map(drop)
}

/// An io_uring, through which calls pass by every filter.
pub fn io_uring() -> io::Result<()> {
    let params = [0u64; 32];
    call(libc::SYS_io_uring_setup, [1, address(&params), 0, 0, 0]).map(|fd| drop(own(fd)))
}

/// A BPF map.
pub fn bpf() -> io::Result<()> {
    let attributes: [u32; 32] = {
        let mut all = [0; 32];
        // An array of one entry with keys and values of four bytes.
        all[..4].copy_from_slice(&[2, 4, 4, 1]);
        all
    };
    call(libc::SYS_bpf, [0, address(&attributes), size_of_val(&attributes) as _, 0, 0])
        .map(|fd| drop(own(fd)))
}

/// A performance counter of this process.
pub fn perf_event() -> io::Result<()> {
    // Software, context switches, the size of the first version of the structure.
    let mut attributes = [0u64; 16];
    attributes[0] = 1 | 64 << 32;
    attributes[1] = 3;
    // Bit 5 and 6: without the kernel, without a hypervisor.
    attributes[5] = 0x60;
    call(libc::SYS_perf_event_open, [address(&attributes), 0, u64::MAX as _, u64::MAX as _, 0])
        .map(|fd| drop(own(fd)))
}

/// Page faults handled by the process itself.
pub fn userfaultfd() -> io::Result<()> {
    // UFFD_USER_MODE_ONLY
    call(libc::SYS_userfaultfd, [1, 0, 0, 0, 0]).map(|fd| drop(own(fd)))
}

/// The session keyring.
pub fn keyring() -> io::Result<()> {
    // KEYCTL_GET_KEYRING_ID of the session keyring, made if missing.
    call(libc::SYS_keyctl, [0, -3i64 as _, 0, 0, 0]).map(drop)
}

/// A file by its handle, past every path.
pub fn open_by_handle() -> io::Result<()> {
    let mut handle = [0u8; 8 + 128];
    handle[..4].copy_from_slice(&128u32.to_ne_bytes());
    let mut mount = 0i32;
    call(
        libc::SYS_name_to_handle_at,
        [libc::AT_FDCWD as _, c"/".as_ptr() as _, handle.as_mut_ptr() as _, &raw mut mount as _, 0],
    )?;
    let root = std::fs::File::open("/")?;
    call(libc::SYS_open_by_handle_at, [root.as_raw_fd() as _, address(&handle), 0, 0, 0])
        .map(|fd| drop(own(fd)))
}

/// Addresses that are the same every time.
pub fn personality() -> io::Result<()> {
    const ADDR_NO_RANDOMIZE: libc::c_ulong = 0x0004_0000;
    call(libc::SYS_personality, [ADDR_NO_RANDOMIZE, 0, 0, 0, 0]).map(drop)
}

/// The name of the machine, set to what it is.
pub fn hostname() -> io::Result<()> {
    let name = std::fs::read("/proc/sys/kernel/hostname")?;
    let name = name.trim_ascii_end();
    call(libc::SYS_sethostname, [address(name), name.len() as _, 0, 0, 0]).map(drop)
}

/// A letter typed into the terminal, for whoever reads it after this run.
pub fn type_into_terminal() -> io::Result<()> {
    let terminal = std::fs::File::open("/dev/tty")?;
    call(libc::SYS_ioctl, [terminal.as_raw_fd() as _, libc::TIOCSTI as _, address(&b' '), 0, 0]).map(drop)
}

/// The numbers of x32 calls, which filters forget.
#[cfg(target_arch = "x86_64")]
pub fn x32() -> io::Result<()> {
    call(libc::SYS_getpid | 0x4000_0000, [0; 5]).map(drop)
}

/// There is no such thing here.
#[cfg(not(target_arch = "x86_64"))]
pub fn x32() -> io::Result<()> {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}

/// A call by the gate of 32-bit programs.
#[cfg(target_arch = "x86_64")]
pub fn i386() -> io::Result<()> {
    let got: i32;
    // SAFETY: getpid (20) touches no memory; where the gate is closed the child dies of it, and nobody else.
    unsafe { std::arch::asm!("int 0x80", inlateout("eax") 20 => got, options(nostack)) };
    if got < 0 { Err(io::Error::from_raw_os_error(-got)) } else { Ok(()) }
}

/// There is no such thing here.
#[cfg(not(target_arch = "x86_64"))]
pub fn i386() -> io::Result<()> {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}

/// A socket of any kind.
pub fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<()> {
    call(libc::SYS_socket, [family as _, kind as _, protocol as _, 0, 0]).map(|fd| drop(own(fd)))
}

/// Signal 0: whether the process could be signalled.
pub fn signal(pid: i32) -> io::Result<()> {
    super::process::kill(pid, 0)
}

/// A program in memory, executed from there.
pub fn memfd(program: &[u8]) -> io::Result<()> {
    let fd = own(call(libc::SYS_memfd_create, [c"x".as_ptr() as _, 0, 0, 0, 0])?);
    let mut file = std::fs::File::from(fd);
    io::Write::write_all(&mut file, program)?;
    may_execute_fd(&file.into())
}

const AT_EMPTY_PATH: libc::c_ulong = 0x1000;
const AT_EXECVE_CHECK: libc::c_ulong = 0x10000;

fn may_execute_fd(fd: &OwnedFd) -> io::Result<()> {
    exec(fd.as_raw_fd(), c"", AT_EMPTY_PATH)
}

/// Whether a file could be executed. Its program does not run.
pub fn may_execute(path: &Path) -> io::Result<()> {
    exec(libc::AT_FDCWD, &c_path(path)?, 0)
}

fn exec(dir: i32, path: &CStr, flags: libc::c_ulong) -> io::Result<()> {
    let nothing: [*const u8; 2] = [path.as_ptr().cast(), std::ptr::null()];
    let args = |flags| [dir as _, path.as_ptr() as _, address(&nothing), address(&nothing[1]), flags];
    match call(libc::SYS_execveat, args(flags | AT_EXECVE_CHECK)) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
        done => return done.map(drop),
    }
    // Kernels before 6.14 cannot be asked. There a child with no room for any program gets as far as the kernel lets it: it is
    // killed after the permission was found, before the first instruction.
    let code = in_child(&|| {
        let room = libc::rlimit { rlim_cur: 65_536, rlim_max: 65_536 };
        // SAFETY: room is a valid rlimit for the call.
        unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const room) };
        byte(call(libc::SYS_execveat, args(flags)).map(drop))
    });
    match code {
        KILLED => Ok(()),
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno.into())),
    }
}

/// Capabilities that are left, of any set.
pub fn capabilities() -> io::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    // What may be gained says nothing where no exec gains anything; a plain user cannot empty that set.
    let gains_nothing =
        status.lines().any(|line| line.strip_prefix("NoNewPrivs:").is_some_and(|on| on.trim() == "1"));
    let left = |line: &str| {
        line.starts_with("Cap")
            && !(gains_nothing && line.starts_with("CapBnd:"))
            && line.split_whitespace().nth(1).is_some_and(|set| set.bytes().any(|b| b != b'0'))
    };
    if status.lines().any(left) { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EPERM)) }
}
