//! Numbers of system calls: those of libc, and those it does not know for every processor and C library.

pub use libc::*;

/// Missing for musl on arm64. One number on all of Linux (6.6): calls are numbered alike since 5.1.
#[allow(non_upper_case_globals)]
pub const SYS_fchmodat2: c_long = 452;
