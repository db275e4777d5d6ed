//! Files and descriptors: opening without following symlinks, making entries below a descriptor, closing what was inherited.

use super::check;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// `openat2`: resolve no symlink in any component.
pub const NO_SYMLINKS: u64 = libc::RESOLVE_NO_SYMLINKS;
/// `openat2`: stay below the starting folder.
pub const BENEATH: u64 = libc::RESOLVE_BENEATH;

/// The current working folder, as a starting point for the `*at` family.
pub const CWD: BorrowedFd<'static> = {
    // SAFETY: AT_FDCWD is not a descriptor that could be closed; the kernel gives it its meaning in every *at call.
    unsafe { BorrowedFd::borrow_raw(libc::AT_FDCWD) }
};

/// A path as the kernel takes it; a NUL byte inside is an error, not a cut.
pub fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

/// `openat2(2)` with `O_CLOEXEC`.
pub fn openat2(dir: impl AsFd, path: &CStr, flags: i32, mode: u32, resolve: u64) -> io::Result<OwnedFd> {
    // SAFETY: open_how is plain integers, for which all zeroes are valid.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (flags | libc::O_CLOEXEC) as u64;
    how.mode = mode.into();
    how.resolve = resolve;
    // SAFETY: path is NUL-terminated, how lives across the call, and its size is passed.
    let fd = check(unsafe {
        libc::syscall(
            libc::SYS_openat2,
            dir.as_fd().as_raw_fd(),
            path.as_ptr(),
            &raw const how,
            size_of::<libc::open_how>(),
        )
    })?;
    Ok(own(fd))
}

/// A handle to a path (`O_PATH`): no permission to read or write, only to name it again.
pub fn handle(dir: impl AsFd, path: &CStr, resolve: u64) -> io::Result<OwnedFd> {
    openat2(dir, path, libc::O_PATH, 0, resolve)
}

/// Has the kernel begin to write what is in the page cache of a file (`sync_file_range(2)`), and does not wait: many files
/// that were begun are on the disk, after an `fsync` each, at little more than the price of one. Only a hint: whether it all
/// got there, the `fsync` tells.
pub fn begin_writing(fd: impl AsFd) {
    // SAFETY: no memory is involved, and the descriptor is open for the call.
    unsafe {
        libc::sync_file_range(fd.as_fd().as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE);
    }
}

/// What kind of file a descriptor names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// It is a folder.
    pub dir: bool,
    /// It is a symbolic link.
    pub link: bool,
    /// It is a regular file.
    pub file: bool,
    /// It is a character device.
    pub device: bool,
    /// It is a pipe, with a name or without.
    pub fifo: bool,
    /// It is a socket.
    pub socket: bool,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Identity: device and inode.
    pub id: (u64, u64),
    /// Number of names.
    pub links: u64,
}

/// `fstat(2)` of a descriptor.
pub fn fstat(fd: impl AsFd) -> io::Result<Stat> {
    // SAFETY: stat is plain integers, for which all zeroes are valid.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open for the call and stat is a valid place to write to.
    check(unsafe { libc::fstat(fd.as_fd().as_raw_fd(), &raw mut stat) }.into())?;
    let kind = stat.st_mode & libc::S_IFMT;
    Ok(Stat {
        dir: kind == libc::S_IFDIR,
        link: kind == libc::S_IFLNK,
        file: kind == libc::S_IFREG,
        device: kind == libc::S_IFCHR,
        fifo: kind == libc::S_IFIFO,
        socket: kind == libc::S_IFSOCK,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        id: (stat.st_dev, stat.st_ino),
        links: stat.st_nlink as u64,
    })
}

/// `mkdirat(2)`; an entry that exists already is fine.
pub fn mkdirat(dir: impl AsFd, path: &CStr, mode: u32) -> io::Result<()> {
    // SAFETY: path is NUL-terminated and the descriptor open for the call.
    match check(unsafe { libc::mkdirat(dir.as_fd().as_raw_fd(), path.as_ptr(), mode) }.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EEXIST) => Err(error),
        _ => Ok(()),
    }
}

/// An empty regular file below `dir`; one that exists already is fine.
pub fn touchat(dir: impl AsFd, path: &CStr, mode: u32) -> io::Result<()> {
    // SAFETY: path is NUL-terminated and the descriptor open for the call.
    let made = unsafe { libc::mknodat(dir.as_fd().as_raw_fd(), path.as_ptr(), libc::S_IFREG | mode, 0) };
    match check(made.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EEXIST) => Err(error),
        _ => Ok(()),
    }
}

/// `symlinkat(2)`; an entry that exists already is fine.
pub fn symlinkat(target: &CStr, dir: impl AsFd, path: &CStr) -> io::Result<()> {
    // SAFETY: both strings are NUL-terminated and the descriptor open for the call.
    match check(unsafe { libc::symlinkat(target.as_ptr(), dir.as_fd().as_raw_fd(), path.as_ptr()) }.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EEXIST) => Err(error),
        _ => Ok(()),
    }
}

/// `renameat2(2)`: exchange the two names in one step.
pub const EXCHANGE: u32 = libc::RENAME_EXCHANGE;
/// `renameat2(2)`: fail with `EEXIST` where the new name is taken.
pub const NO_REPLACE: u32 = libc::RENAME_NOREPLACE;

/// `renameat2(2)`. Links at either name are moved, not followed.
pub fn renameat2(from: &Path, to: &Path, flags: u32) -> io::Result<()> {
    let (from, to) = (c_path(from)?, c_path(to)?);
    // SAFETY: both strings are NUL-terminated and live across the call.
    let moved = unsafe {
        libc::syscall(libc::SYS_renameat2, libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), flags)
    };
    check(moved).map(drop)
}

/// Opens an existing file for writing and writes all of `data` in one call, as `/proc` files want it.
pub fn write_file(path: &CStr, data: &[u8]) -> io::Result<()> {
    let fd = openat2(CWD, path, libc::O_WRONLY, 0, 0)?;
    // SAFETY: the pointer and length describe `data`, which outlives the call.
    let wrote = check(unsafe { libc::write(fd.as_raw_fd(), data.as_ptr().cast(), data.len()) } as _)?;
    if wrote == data.len() { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EIO)) }
}

/// Marks every descriptor from 3 on close-on-exec, so that only the terminal reaches the program; the keeper of `keep`
/// stays usable until then.
pub fn close_above_2_on_exec() -> io::Result<()> {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    // SAFETY: only flags change; no descriptor that Rust owns is closed.
    check(unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, CLOSE_RANGE_CLOEXEC) }).map(drop)
}

/// Descriptors above 2 that this process was started with, found before any of our own is opened.
pub fn close_inherited() -> io::Result<()> {
    // SAFETY: called first thing, before Rust owns any descriptor above 2; what is closed belongs to nobody in this process.
    check(unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) }).map(drop)
}

/// Changes the working folder to an open one.
pub fn fchdir(fd: impl AsFd) -> io::Result<()> {
    // SAFETY: the descriptor is open for the call.
    check(unsafe { libc::fchdir(fd.as_fd().as_raw_fd()) }.into()).map(drop)
}

/// Changes the working folder.
pub fn chdir(path: &CStr) -> io::Result<()> {
    // SAFETY: path is NUL-terminated.
    check(unsafe { libc::chdir(path.as_ptr()) }.into()).map(drop)
}

/// Whether this user may write there, as `access(2)` sees it.
pub fn may_write(path: &CStr) -> bool {
    // SAFETY: path is NUL-terminated.
    check(unsafe { libc::access(path.as_ptr(), libc::W_OK) }.into()).is_ok()
}

/// Takes ownership of a descriptor the kernel just returned.
pub(super) fn own(fd: usize) -> OwnedFd {
    // SAFETY: only called with a fresh descriptor number straight from the kernel, which nobody else owns.
    unsafe { OwnedFd::from_raw_fd(fd as RawFd) }
}
