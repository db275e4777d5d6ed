//! The process that waits for an answer: its memory, its folders and descriptors. Everything read from here may change the moment
//! after; it is used once, for what is then done by the keeper itself.

use crate::sandbox::programs;
use crate::sys::fs::{CWD, handle};
use crate::sys::memory::read_memory;
use crate::sys::seccomp::{Call, still_waits};
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// An error number for the caller.
pub type Errno = i32;

/// The number of an error.
pub fn errno(error: io::Error) -> Errno {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// A call and who made it.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// Where the call came from.
    pub listener: BorrowedFd<'a>,
    /// The call.
    pub call: Call,
}

impl Caller<'_> {
    /// An argument that is a 32-bit number.
    pub fn int(&self, at: usize) -> i32 {
        self.call.args[at] as i32
    }

    /// A path or another string.
    pub fn text(&self, at: usize) -> Result<Vec<u8>, Errno> {
        programs::text(self.call.pid, self.call.args[at]).ok_or(libc::EFAULT)
    }

    /// The same, for the kernel.
    pub fn c_text(&self, at: usize) -> Result<CString, Errno> {
        CString::new(self.text(at)?).map_err(|_| libc::EINVAL)
    }

    /// Memory at an address.
    pub fn bytes(&self, address: u64, length: usize) -> Result<Vec<u8>, Errno> {
        let mut buffer = vec![0; length];
        match read_memory(self.call.pid, address, &mut buffer) {
            Ok(read) if read == length => Ok(buffer),
            _ => Err(libc::EFAULT),
        }
    }

    /// Numbers of 64 bits at an address.
    pub fn numbers<const N: usize>(&self, address: u64) -> Result<[i64; N], Errno> {
        let bytes = self.bytes(address, 8 * N)?;
        let mut numbers = [0; N];
        for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(8)) {
            *number = i64::from_ne_bytes(bytes.try_into().map_err(|_| libc::EFAULT)?);
        }
        Ok(numbers)
    }

    /// A handle to where a relative path starts, or to an open file.
    pub fn base(&self, dir: i32) -> Result<OwnedFd, Errno> {
        let path = match dir {
            libc::AT_FDCWD => format!("/proc/{}/cwd", self.call.pid),
            fd if fd >= 0 => format!("/proc/{}/fd/{fd}", self.call.pid),
            _ => return Err(libc::EBADF),
        };
        let path = CString::new(path).map_err(|_| libc::EINVAL)?;
        let base = handle(CWD, &path, 0).map_err(|error| match errno(error) {
            libc::ENOENT => libc::EBADF,
            other => other,
        })?;
        // Only now is it sure that the number meant the caller.
        if still_waits(self.listener, self.call.id) { Ok(base) } else { Err(libc::EINTR) }
    }

    /// A field of `/proc/PID/status`.
    fn status(&self, name: &str) -> Option<String> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.call.pid)).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        still_waits(self.listener, self.call.id).then(|| line.trim().to_owned())
    }

    /// The process of the calling thread.
    pub fn process(&self) -> Result<i32, Errno> {
        self.status("Tgid").and_then(|text| text.parse().ok()).ok_or(libc::EPERM)
    }

    /// Bits that its new files do not get.
    pub fn umask(&self) -> Result<u32, Errno> {
        self.status("Umask").and_then(|text| u32::from_str_radix(&text, 8).ok()).ok_or(libc::EPERM)
    }

    /// The flags of one of its descriptors.
    pub fn descriptor_flags(&self, fd: i32) -> Result<i32, Errno> {
        let path = format!("/proc/{}/fdinfo/{fd}", self.call.pid);
        let text = fs::read_to_string(path).map_err(|_| libc::EBADF)?;
        let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
        flags.and_then(|text| i32::from_str_radix(text.trim(), 8).ok()).ok_or(libc::EPERM)
    }

    /// The terminal of its session, if it is one that can be named.
    pub fn terminal(&self) -> Option<CString> {
        let text = fs::read(format!("/proc/{}/stat", self.call.pid)).ok()?;
        let end = text.iter().rposition(|byte| *byte == b')')?;
        let rest = std::str::from_utf8(text.get(end + 1..)?).ok()?;
        let number: u32 = rest.split_ascii_whitespace().nth(4)?.parse::<i32>().ok()? as u32;
        let (major, minor) = (number >> 8 & 0xfff, number & 0xff | number >> 12 & 0xfff00);
        let path = match major {
            136..=143 => format!("/dev/pts/{}", (major - 136) * 256 + minor),
            4 if minor < 64 => format!("/dev/tty{minor}"),
            4 => format!("/dev/ttyS{}", minor - 64),
            _ => return None,
        };
        CString::new(path).ok()
    }
}
