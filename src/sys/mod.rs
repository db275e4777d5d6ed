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
#[cfg(any(test, panic = "immediate-abort"))]
pub mod trap;
#[cfg(all(target_env = "musl", panic = "abort"))]
mod unwind;

use std::io;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("weft is for 64-bit processors: its filter of system calls knows x86_64, aarch64 and riscv64");

/// Turns the kernel's `-1` into the error it left in `errno`.
fn check(value: libc::c_long) -> io::Result<usize> {
    usize::try_from(value).map_err(|_| io::Error::last_os_error())
}
