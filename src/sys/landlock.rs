//! Landlock's three system calls and its rights.

use super::check;
use super::fs::own;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Rights on files.
pub mod fs {
    #![allow(missing_docs)]
    pub const EXECUTE: u64 = 1 << 0;
    pub const WRITE_FILE: u64 = 1 << 1;
    pub const READ_FILE: u64 = 1 << 2;
    pub const READ_DIR: u64 = 1 << 3;
    pub const REMOVE_DIR: u64 = 1 << 4;
    pub const REMOVE_FILE: u64 = 1 << 5;
    pub const MAKE_CHAR: u64 = 1 << 6;
    pub const MAKE_DIR: u64 = 1 << 7;
    pub const MAKE_REG: u64 = 1 << 8;
    pub const MAKE_SOCK: u64 = 1 << 9;
    pub const MAKE_FIFO: u64 = 1 << 10;
    pub const MAKE_BLOCK: u64 = 1 << 11;
    pub const MAKE_SYM: u64 = 1 << 12;
    /// ABI 2.
    pub const REFER: u64 = 1 << 13;
    /// ABI 3.
    pub const TRUNCATE: u64 = 1 << 14;
    /// ABI 5.
    pub const IOCTL_DEV: u64 = 1 << 15;
}
/// Rights on TCP ports (ABI 4).
pub mod net {
    #![allow(missing_docs)]
    pub const BIND_TCP: u64 = 1 << 0;
    pub const CONNECT_TCP: u64 = 1 << 1;
}
/// What a process may not reach outside its domain (ABI 6).
pub mod scope {
    #![allow(missing_docs)]
    pub const ABSTRACT_UNIX_SOCKET: u64 = 1 << 0;
    pub const SIGNAL: u64 = 1 << 1;
}

#[repr(C)]
#[derive(Default)]
struct RulesetAttr {
    fs: u64,
    net: u64,
    scoped: u64,
}

/// The kernel's Landlock ABI, 0 without Landlock.
pub fn abi() -> u32 {
    query(1)
}

/// The errata the kernel has fixed, as a bit set; 0 also when it cannot say.
pub fn errata() -> u32 {
    query(2)
}

fn query(flags: u32) -> u32 {
    // SAFETY: with a query flag the kernel takes neither structure nor size.
    let answer = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<RulesetAttr>(), 0usize, flags)
    };
    check(answer).map_or(0, |value| value as u32)
}

/// A ruleset being filled.
#[derive(Debug)]
pub struct Ruleset(OwnedFd);

impl Ruleset {
    /// A ruleset that denies the given rights until rules grant them back.
    pub fn new(fs: u64, net: u64, scoped: u64) -> io::Result<Self> {
        let attr = RulesetAttr { fs, net, scoped };
        // An older kernel takes a shorter structure, and only zeroes may be cut off.
        let size = if scoped != 0 {
            24
        } else if net != 0 {
            16
        } else {
            8
        };
        // SAFETY: attr outlives the call and is at least `size` bytes long.
        let fd = check(unsafe {
            libc::syscall(libc::SYS_landlock_create_ruleset, &raw const attr, size as usize, 0)
        })?;
        Ok(Self(own(fd)))
    }

    /// Grants rights below an open file or folder.
    pub fn allow_path(&self, at: impl AsFd, rights: u64) -> io::Result<()> {
        const PATH_BENEATH: u32 = 1;
        #[repr(C, packed)]
        struct PathBeneath {
            rights: u64,
            parent: i32,
        }
        let rule = PathBeneath { rights, parent: at.as_fd().as_raw_fd() };
        // SAFETY: rule has the packed layout of landlock_path_beneath_attr and outlives the call.
        check(unsafe {
            libc::syscall(libc::SYS_landlock_add_rule, self.0.as_raw_fd(), PATH_BENEATH, &raw const rule, 0)
        })
        .map(drop)
    }

    /// Grants rights on a TCP port.
    pub fn allow_port(&self, port: u16, rights: u64) -> io::Result<()> {
        const NET_PORT: u32 = 2;
        #[repr(C)]
        struct NetPort {
            rights: u64,
            port: u64,
        }
        let rule = NetPort { rights, port: port.into() };
        // SAFETY: rule has the layout of landlock_net_port_attr and outlives the call.
        check(unsafe {
            libc::syscall(libc::SYS_landlock_add_rule, self.0.as_raw_fd(), NET_PORT, &raw const rule, 0)
        })
        .map(drop)
    }

    /// Applies the ruleset to this thread and everything it starts. Needs `no_new_privs`. With `record` (ABI 7) the kernel's audit log
    /// gets what is refused to programs that are started later, too.
    pub fn restrict_self(self, record: bool) -> io::Result<()> {
        const LOG_NEW_EXEC_ON: u32 = 1 << 1;
        let flags = if record { LOG_NEW_EXEC_ON } else { 0 };
        // SAFETY: integers only.
        check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, self.0.as_raw_fd(), flags) }).map(drop)
    }
}
