//! The kernel, in safe words: the only place in weft where `unsafe` is written.
//!
//! Each function is one system call (or a short fixed sequence) named as in the manual pages. Nothing here knows a policy.
//! `libc` gives the numbers and structures; most of what a sandbox needs (`clone3`, `mount_setattr`, Landlock, seccomp
//! listeners) has no wrapper in any safe crate we could use, so a second way of calling the kernel would only add a reader's load.
#![allow(unsafe_code)]

#[cfg(target_env = "musl")]
pub mod allocator;
pub mod attempt;
pub mod audit;
pub mod caps;
pub mod fs;
#[cfg(feature = "wasm")]
pub mod guest;
pub mod landlock;
pub mod limits;
pub mod memory;
pub mod mount;
pub mod names;
pub mod net;
pub mod numbers;
pub mod process;
pub mod seccomp;
pub mod signal;
pub mod socket;
pub mod stream;
pub mod terminal;

use std::io;

/// Turns the kernel's `-1` into the error it left in `errno`.
fn check(value: libc::c_long) -> io::Result<usize> {
    usize::try_from(value).map_err(|_| io::Error::last_os_error())
}
