//! The `weft` binary: hands what was typed to `weft::cli` and its answer to the shell.

use std::process::ExitCode;

fn main() -> ExitCode {
    weft::cli::main(std::env::args_os().skip(1))
}
