//! Giving up privileges for good: capabilities, the bounding set, securebits, `no_new_privs`.

use super::check;
use std::io;

fn prctl(option: libc::c_int, a: libc::c_ulong, b: libc::c_ulong) -> io::Result<usize> {
    // SAFETY: the options used in this file take integers only.
    check(unsafe { libc::prctl(option, a, b, 0, 0) }.into())
}

/// Empties the bounding set and locks the securebits: user 0 is a user like any other from here on, and no exec gives a capability.
/// Needs `CAP_SETPCAP`.
pub fn forbid_for_good() -> io::Result<()> {
    for capability in 0..64 {
        match prctl(libc::PR_CAPBSET_DROP, capability, 0) {
            Ok(_) => {}
            // Past the last capability this kernel knows.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            Err(error) => return Err(error),
        }
    }
    // NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE with their locks, and KEEP_CAPS locked off.
    const LOCKED_DOWN: libc::c_ulong = 0b1110_1111;
    prctl(libc::PR_SET_SECUREBITS, LOCKED_DOWN, 0).map(drop)
}

/// Drops every capability of this process: effective, permitted, inheritable, ambient.
pub fn drop_all() -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header { version: VERSION_3, pid: 0 };
    let none = [0u32; 6];
    // SAFETY: the header is of version 3, for which the data is two times three 32-bit words.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) })?;
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as _, 0).map(drop)
}

/// No exec from here on gives more privileges than the process has.
pub fn no_new_privs() -> io::Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0).map(drop)
}

/// Whether other processes of the same user may look into this one (`/proc/PID/mem`, `environ`, ptrace).
pub fn set_dumpable(on: bool) -> io::Result<()> {
    prctl(libc::PR_SET_DUMPABLE, on.into(), 0).map(drop)
}

/// The kernel kills this process when its parent ends.
pub fn die_with_parent() -> io::Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as _, 0).map(drop)
}

/// Orphans below this process become its children, so that it can end them.
pub fn adopt_orphans() -> io::Result<()> {
    prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0).map(drop)
}
