//! Memory of another process that this one may trace (process_vm_readv(2), proc_pid_mem(5)).

use super::check;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set once the calls were refused. Some filters around containers (Docker's until version 23) refuse them and allow the file that does
/// the same; both ask the same permission of the kernel.
static BY_FILE: AtomicBool = AtomicBool::new(false);

/// Copies memory of another process; short when the rest is not readable.
pub fn read_memory(pid: i32, address: u64, buffer: &mut [u8]) -> io::Result<usize> {
    if !BY_FILE.load(Ordering::Relaxed) {
        let local = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: buffer.len() };
        // SAFETY: the local vector describes `buffer`; the remote one is only an address in the other process.
        let result = unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
        match check(result as _) {
            Err(error) if is_refusal(&error) => {}
            result => return result,
        }
    }
    let read = File::open(format!("/proc/{pid}/mem"))?.read_at(buffer, address)?;
    BY_FILE.store(true, Ordering::Relaxed);
    Ok(read)
}

/// Writes memory of another process; an error when not all of it can be. Memory that its owner maps read-only is no border: the owner
/// can change that itself, and of a file only its private copy is ever written.
pub fn write_memory(pid: i32, address: u64, bytes: &[u8]) -> io::Result<()> {
    if !BY_FILE.load(Ordering::Relaxed) {
        let local = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: bytes.len() };
        // SAFETY: the local vector describes `bytes`, which is only read; the remote one is only an address in the other process.
        let result = unsafe { libc::process_vm_writev(pid, &raw const local, 1, &raw const remote, 1, 0) };
        match check(result as _) {
            Ok(wrote) if wrote == bytes.len() => return Ok(()),
            Ok(_) => return Err(io::Error::from_raw_os_error(libc::EFAULT)),
            Err(error) if is_refusal(&error) => {}
            Err(error) => return Err(error),
        }
    }
    OpenOptions::new().write(true).open(format!("/proc/{pid}/mem"))?.write_all_at(bytes, address)
}

/// Whether a call does not exist for this process, which says nothing about the memory.
fn is_refusal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOSYS))
}
