//! The mount API of Linux 5.2 and later: trees by descriptor, so that a path is resolved once and cannot be swapped afterwards.

use super::check;
use super::fs::own;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Attributes of a mount, as `mount_setattr(2)` takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attr(pub u64);

impl Attr {
    /// Nothing can be written.
    pub const READ_ONLY: Self = Self(libc::MOUNT_ATTR_RDONLY);
    /// Set-user-ID bits and file capabilities mean nothing.
    pub const NO_SUID: Self = Self(libc::MOUNT_ATTR_NOSUID);
    /// Device files cannot be opened.
    pub const NO_DEV: Self = Self(libc::MOUNT_ATTR_NODEV);
    /// Nothing can be executed or mapped executable.
    pub const NO_EXEC: Self = Self(libc::MOUNT_ATTR_NOEXEC);

    /// Both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Every bit of `other` is set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A detached copy of the tree at an open handle, with everything mounted below it.
pub fn clone_tree(at: impl AsFd) -> io::Result<OwnedFd> {
    let flags =
        libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | (libc::AT_RECURSIVE | libc::AT_EMPTY_PATH) as u32;
    open_tree(at, c"", flags)
}

/// A detached copy of the tree at a path below `dir`, with everything mounted below it; no symlink is followed at the end.
pub fn clone_tree_at(dir: impl AsFd, path: &CStr) -> io::Result<OwnedFd> {
    let flags = libc::OPEN_TREE_CLONE
        | libc::OPEN_TREE_CLOEXEC
        | (libc::AT_RECURSIVE | libc::AT_SYMLINK_NOFOLLOW) as u32;
    open_tree(dir, path, flags)
}

fn open_tree(dir: impl AsFd, path: &CStr, flags: u32) -> io::Result<OwnedFd> {
    // SAFETY: path is NUL-terminated and the descriptor open for the call.
    let fd =
        check(unsafe { libc::syscall(libc::SYS_open_tree, dir.as_fd().as_raw_fd(), path.as_ptr(), flags) })?;
    Ok(own(fd))
}

/// Sets attributes on a mount, and with `below` on everything mounted below it.
pub fn set_attr(tree: impl AsFd, attr: Attr, below: bool) -> io::Result<()> {
    let flags = libc::AT_EMPTY_PATH | if below { libc::AT_RECURSIVE } else { 0 };
    #[repr(C)]
    struct MountAttr {
        set: u64,
        clear: u64,
        propagation: u64,
        userns: u64,
    }
    let args = MountAttr { set: attr.0, clear: 0, propagation: 0, userns: 0 };
    // SAFETY: args is a mount_attr of the first published size, which is passed along.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const args,
            size_of::<MountAttr>(),
        )
    })
    .map(drop)
}

/// Attaches a tree, detached or attached elsewhere so far, at `path` below `dir` (`path` may be empty: on `dir` itself). A symlink at the end is not followed.
pub fn attach(tree: impl AsFd, dir: impl AsFd, path: &CStr) -> io::Result<()> {
    const F_EMPTY_PATH: u32 = 0x4;
    const T_EMPTY_PATH: u32 = 0x40;
    let flags = if path.is_empty() { F_EMPTY_PATH | T_EMPTY_PATH } else { F_EMPTY_PATH };
    // SAFETY: both paths are NUL-terminated and both descriptors open for the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_fd().as_raw_fd(),
            c"".as_ptr(),
            dir.as_fd().as_raw_fd(),
            path.as_ptr(),
            flags,
        )
    })
    .map(drop)
}

/// A new file system of the given type, mounted nowhere yet.
pub fn new_fs(kind: &CStr, options: &[(&CStr, &CStr)], attr: Attr) -> io::Result<OwnedFd> {
    const FSOPEN_CLOEXEC: u32 = 1;
    const FSMOUNT_CLOEXEC: u32 = 1;
    const SET_FLAG: u32 = 0;
    const SET_STRING: u32 = 1;
    const CMD_CREATE: u32 = 6;
    // SAFETY: kind is NUL-terminated.
    let fs = own(check(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) })?);
    let config = |command: u32, key: *const libc::c_char, value: *const libc::c_char| {
        // SAFETY: key and value are NUL-terminated or null where the command takes none.
        check(unsafe { libc::syscall(libc::SYS_fsconfig, fs.as_raw_fd(), command, key, value, 0) })
    };
    for (key, value) in options {
        if value.is_empty() {
            config(SET_FLAG, key.as_ptr(), std::ptr::null())?;
        } else {
            config(SET_STRING, key.as_ptr(), value.as_ptr())?;
        }
    }
    config(CMD_CREATE, std::ptr::null(), std::ptr::null())?;
    // SAFETY: the descriptor is a configured file system context.
    let mount = check(unsafe { libc::syscall(libc::SYS_fsmount, fs.as_raw_fd(), FSMOUNT_CLOEXEC, attr.0) })?;
    Ok(own(mount))
}

/// Cuts this mount namespace off from mount events of the outside.
pub fn make_private() -> io::Result<()> {
    // SAFETY: the strings are NUL-terminated; source, type and data are ignored for a propagation change.
    let done = unsafe {
        libc::mount(
            std::ptr::null(),
            c"/".as_ptr(),
            std::ptr::null(),
            libc::MS_REC | libc::MS_PRIVATE,
            std::ptr::null(),
        )
    };
    check(done.into()).map(drop)
}

/// Makes the working folder (a mount) the root and lets go of the old one for good. Nothing may lie over the old one.
pub fn pivot_to_cwd() -> io::Result<()> {
    // SAFETY: the strings are NUL-terminated.
    check(unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) })?;
    // The old root lies over the new one at "." now, and goes with all that is mounted in it.
    // SAFETY: as above.
    check(unsafe { libc::umount2(c".".as_ptr(), libc::MNT_DETACH) }.into())?;
    super::fs::chdir(c"/")
}
