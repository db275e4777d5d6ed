//! The `weft` binary: hands what was typed to `weft::cli` and its answer to the shell.

use std::process::ExitCode;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: weft::sys::allocator::Allocator = weft::sys::allocator::Allocator::new();

fn main() -> ExitCode {
    weft::cli::main(std::env::args_os().skip(1))
}
