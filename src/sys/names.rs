//! Names and metadata of files, by descriptor: what the fallback level does in place of a process that may not do it itself.
//! A handle (`O_PATH`) that was checked is used again through `/proc/self/fd`, so that it cannot come to mean another file.

use super::check;
use super::fs::own;
use std::ffi::{CStr, CString, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The path of an open file in `/proc`, which names the file and not its name.
fn magic(fd: impl AsFd) -> CString {
    CString::new(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())).unwrap_or_default()
}

/// `openat(2)` with `O_CLOEXEC`.
pub fn open_at(dir: impl AsFd, path: &CStr, flags: i32, mode: u32) -> io::Result<OwnedFd> {
    // SAFETY: path is NUL-terminated and the descriptor open for the call.
    let fd = check(
        unsafe { libc::openat(dir.as_fd().as_raw_fd(), path.as_ptr(), flags | libc::O_CLOEXEC, mode) }.into(),
    )?;
    Ok(own(fd))
}

/// Opens the file behind a handle. Flags about making or not following mean nothing here and must not be given.
pub fn reopen(handle: impl AsFd, flags: i32, mode: u32) -> io::Result<OwnedFd> {
    open_at(super::fs::CWD, &magic(handle), flags, mode)
}

/// The text of the symlink a handle names.
pub fn link_text(handle: impl AsFd) -> io::Result<Vec<u8>> {
    read_link(handle, c"")
}

/// Where the file behind a descriptor is now, as the kernel tells it: a path, or `pipe:[1]` and the like.
pub fn real_path(fd: impl AsFd) -> io::Result<PathBuf> {
    read_link(super::fs::CWD, &magic(fd)).map(|bytes| OsString::from_vec(bytes).into())
}

fn read_link(dir: impl AsFd, path: &CStr) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0u8; libc::PATH_MAX as usize];
    // SAFETY: path is NUL-terminated; the pointer and length describe the buffer.
    let length = check(unsafe {
        libc::readlinkat(dir.as_fd().as_raw_fd(), path.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len())
    } as _)?;
    if length == buffer.len() {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    buffer.truncate(length);
    Ok(buffer)
}

/// `mkdirat(2)`.
pub fn make_dir(dir: impl AsFd, name: &CStr, mode: u32) -> io::Result<()> {
    // SAFETY: name is NUL-terminated and the descriptor open for the call.
    check(unsafe { libc::mkdirat(dir.as_fd().as_raw_fd(), name.as_ptr(), mode) }.into()).map(drop)
}

/// `mknodat(2)`.
pub fn make_node(dir: impl AsFd, name: &CStr, mode: u32, device: u64) -> io::Result<()> {
    // SAFETY: as above.
    check(unsafe { libc::mknodat(dir.as_fd().as_raw_fd(), name.as_ptr(), mode, device) }.into()).map(drop)
}

/// `symlinkat(2)`.
pub fn make_link(target: &CStr, dir: impl AsFd, name: &CStr) -> io::Result<()> {
    // SAFETY: both strings are NUL-terminated and the descriptor open for the call.
    check(unsafe { libc::symlinkat(target.as_ptr(), dir.as_fd().as_raw_fd(), name.as_ptr()) }.into())
        .map(drop)
}

/// `linkat(2)` from a handle.
pub fn hard_link(handle: impl AsFd, dir: impl AsFd, name: &CStr) -> io::Result<()> {
    let from = magic(handle);
    let (at, dir) = (libc::AT_FDCWD, dir.as_fd().as_raw_fd());
    // SAFETY: both strings are NUL-terminated and the descriptors open for the call.
    let done = unsafe { libc::linkat(at, from.as_ptr(), dir, name.as_ptr(), libc::AT_SYMLINK_FOLLOW) };
    check(done.into()).map(drop)
}

/// `unlinkat(2)`; `dir_too` removes an empty folder instead.
pub fn remove(dir: impl AsFd, name: &CStr, folder: bool) -> io::Result<()> {
    let flags = if folder { libc::AT_REMOVEDIR } else { 0 };
    // SAFETY: name is NUL-terminated and the descriptor open for the call.
    check(unsafe { libc::unlinkat(dir.as_fd().as_raw_fd(), name.as_ptr(), flags) }.into()).map(drop)
}

/// `renameat2(2)`.
pub fn rename(from: impl AsFd, old: &CStr, to: impl AsFd, new: &CStr, flags: u32) -> io::Result<()> {
    // SAFETY: both names are NUL-terminated and both descriptors open for the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            from.as_fd().as_raw_fd(),
            old.as_ptr(),
            to.as_fd().as_raw_fd(),
            new.as_ptr(),
            flags,
        )
    })
    .map(drop)
}

/// Permission bits of the file behind a handle.
pub fn set_mode(handle: impl AsFd, mode: u32) -> io::Result<()> {
    // SAFETY: the path is NUL-terminated and outlives the call.
    check(unsafe { libc::fchmodat(libc::AT_FDCWD, magic(handle).as_ptr(), mode, 0) }.into()).map(drop)
}

/// Owner and group of what a handle names; a value of all ones leaves it.
pub fn set_owner(handle: impl AsFd, uid: u32, gid: u32) -> io::Result<()> {
    let fd = handle.as_fd().as_raw_fd();
    // SAFETY: the path is NUL-terminated and the descriptor open for the call.
    check(unsafe { libc::fchownat(fd, c"".as_ptr(), uid, gid, libc::AT_EMPTY_PATH) }.into()).map(drop)
}

/// Times of what a handle names: seconds and nanoseconds of access and change as `utimensat(2)` takes them; none is now.
pub fn set_times(handle: impl AsFd, times: Option<[(i64, i64); 2]>) -> io::Result<()> {
    let times = times.map(|times| times.map(|(s, ns)| libc::timespec { tv_sec: s as _, tv_nsec: ns as _ }));
    let pointer = times.as_ref().map_or(std::ptr::null(), |times| times.as_ptr());
    let fd = handle.as_fd().as_raw_fd();
    // SAFETY: the path is NUL-terminated; the times outlive the call or are null.
    check(unsafe { libc::utimensat(fd, c"".as_ptr(), pointer, libc::AT_EMPTY_PATH) }.into()).map(drop)
}

/// An extended attribute of the file behind a handle.
pub fn set_attribute(handle: impl AsFd, name: &CStr, value: &[u8], flags: i32) -> io::Result<()> {
    let path = magic(handle);
    // SAFETY: both strings are NUL-terminated; the pointer and length describe the value.
    check(
        unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), flags) }
            .into(),
    )
    .map(drop)
}

/// Takes an extended attribute away.
pub fn remove_attribute(handle: impl AsFd, name: &CStr) -> io::Result<()> {
    // SAFETY: both strings are NUL-terminated and outlive the call.
    check(unsafe { libc::removexattr(magic(handle).as_ptr(), name.as_ptr()) }.into()).map(drop)
}

/// `ftruncate(2)`.
pub fn set_length(file: impl AsFd, length: i64) -> io::Result<()> {
    // SAFETY: integers only.
    check(unsafe { libc::ftruncate(file.as_fd().as_raw_fd(), length) }.into()).map(drop)
}

/// Turns `O_NONBLOCK` of an open file on or off.
pub fn set_nonblocking(file: impl AsFd, on: bool) -> io::Result<()> {
    let fd = file.as_fd().as_raw_fd();
    // SAFETY: integers only.
    let flags = check(unsafe { libc::fcntl(fd, libc::F_GETFL) }.into())? as i32;
    let flags = if on { flags | libc::O_NONBLOCK } else { flags & !libc::O_NONBLOCK };
    // SAFETY: integers only.
    check(unsafe { libc::fcntl(fd, libc::F_SETFL, flags) }.into()).map(drop)
}

/// `struct stat` of what a handle names, as the kernel writes it.
pub fn stat_bytes(handle: impl AsFd) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0u8; size_of::<libc::stat>()];
    let fd = handle.as_fd().as_raw_fd();
    // SAFETY: the path is NUL-terminated; the buffer has the size of the structure, and the kernel asks for no alignment.
    check(unsafe { libc::syscall(STAT, fd, c"".as_ptr(), bytes.as_mut_ptr(), libc::AT_EMPTY_PATH) })?;
    Ok(bytes)
}

const STAT: libc::c_long = libc::SYS_newfstatat;

/// `struct statx` of what a handle names, as the kernel writes it. `sync` are the `AT_STATX_*` flags.
pub fn statx_bytes(handle: impl AsFd, sync: i32, mask: u32) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0u8; size_of::<libc::statx>()];
    let fd = handle.as_fd().as_raw_fd();
    let flags = sync | libc::AT_EMPTY_PATH;
    // SAFETY: as above.
    check(unsafe { libc::syscall(libc::SYS_statx, fd, c"".as_ptr(), flags, mask, bytes.as_mut_ptr()) })?;
    Ok(bytes)
}

/// `faccessat2(2)` on what a handle names, for the effective user.
pub fn may(handle: impl AsFd, mode: i32) -> io::Result<()> {
    let fd = handle.as_fd().as_raw_fd();
    // SAFETY: the path is NUL-terminated and the descriptor open for the call.
    check(unsafe {
        libc::syscall(libc::SYS_faccessat2, fd, c"".as_ptr(), mode, libc::AT_EMPTY_PATH | libc::AT_EACCESS)
    })
    .map(drop)
}
