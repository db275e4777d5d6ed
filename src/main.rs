//! The `weft` binary: hands what was typed to `weft::cli` and its answer to the shell.

use std::process::ExitCode;

/// musl's own allocator asks the kernel for nearly every page, and gives it back at once.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    weft::cli::main(std::env::args_os().skip(1))
}
