//! Which program a process inside is about to start, read from the process while its call waits. For the log only: the memory
//! it is read from may change before the kernel reads it again, so that nothing may be decided by it.

use crate::sys::memory::read_memory;
use crate::sys::seccomp::Call;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// `execveat(2)`: start what the descriptor names.
const AT_EMPTY_PATH: u64 = 0x1000;
/// `execveat(2)`: only ask whether it could be started.
const AT_EXECVE_CHECK: u64 = 0x10000;
/// Longer is no path.
const PATH_MAX: usize = 4096;

/// The absolute path of an `execve(2)` or `execveat(2)` as the process names it, links not followed. None where weft may
/// not look, and for a call that only asks.
pub fn asked_for(call: &Call) -> Option<PathBuf> {
    let at = i64::from(call.number) == libc::SYS_execveat;
    let (flags, path) = if at { (call.args[4], call.args[1]) } else { (0, call.args[0]) };
    if flags & AT_EXECVE_CHECK != 0 {
        return None;
    }
    let path = PathBuf::from(OsString::from_vec(text(call.pid, path)?));
    if path.is_absolute() {
        return Some(path);
    }
    let process = PathBuf::from(format!("/proc/{}", call.pid));
    let folder = call.args[0] as i32;
    let base = match at && folder != libc::AT_FDCWD {
        true => fs::read_link(process.join(format!("fd/{folder}"))),
        false => fs::read_link(process.join("cwd")),
    };
    if path.as_os_str().is_empty() {
        return if flags & AT_EMPTY_PATH != 0 { base.ok() } else { None };
    }
    Some(base.ok()?.join(path))
}

/// A string of the process, up to its NUL. Reads to the end of the page first: the next may not be there.
pub(super) fn text(pid: i32, mut address: u64) -> Option<Vec<u8>> {
    const PAGE: u64 = 4096;
    let mut all = Vec::new();
    let mut buffer = [0; PAGE as usize];
    while all.len() < PATH_MAX {
        let length = (PAGE - address % PAGE) as usize;
        let read = read_memory(pid, address, &mut buffer[..length]).ok().filter(|read| *read > 0)?;
        if let Some(end) = buffer[..read].iter().position(|byte| *byte == 0) {
            all.extend_from_slice(&buffer[..end]);
            return Some(all);
        }
        all.extend_from_slice(&buffer[..read]);
        address = address.checked_add(read as u64)?;
    }
    None
}
