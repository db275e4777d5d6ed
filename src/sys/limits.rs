//! `setrlimit(2)`.

use super::check;
use std::io;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Processes and threads of the user in this user namespace.
    Processes,
    /// Private writable memory of one process.
    Data,
    /// Seconds of CPU time of one process.
    CpuTime,
    /// Bytes of one file.
    FileSize,
    /// Descriptors of one process.
    OpenFiles,
    /// Bytes of a core dump.
    Core,
}

/// Sets the hard and the soft limit, never above the hard limit that is there.
pub fn set(resource: Resource, value: u64) -> io::Result<()> {
    let which = match resource {
        Resource::Processes => libc::RLIMIT_NPROC,
        Resource::Data => libc::RLIMIT_DATA,
        Resource::CpuTime => libc::RLIMIT_CPU,
        Resource::FileSize => libc::RLIMIT_FSIZE,
        Resource::OpenFiles => libc::RLIMIT_NOFILE,
        Resource::Core => libc::RLIMIT_CORE,
    };
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: limit is a valid place to write to.
    check(unsafe { libc::getrlimit(which, &raw mut limit) }.into())?;
    let soft = limit.rlim_max.min(value);
    // One second between the signal that says so and the one that ends it.
    let grace = u64::from(resource == Resource::CpuTime);
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: limit.rlim_max.min(value.saturating_add(grace)) };
    // SAFETY: limit outlives the call.
    check(unsafe { libc::setrlimit(which, &raw const limit) }.into()).map(drop)
}
