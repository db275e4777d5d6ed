//! Runs a WebAssembly program (WASI preview 1) that can do what its policy says and nothing else: every file, folder, variable and
//! connection it asks for is asked of `policy::decide` first. Not to be confused with weft's scanner as a WebAssembly module (`embed`).
//!
//! `plan` says what the program will have; `run` interprets it, in a process of its own: alone (`type = "wasm"`) or behind the kernel's
//! walls as well (`combined`; `walls` are those of a kernel without namespaces). `link` is the table of calls; `files`, `paths`, `misc` and `http` carry them out; `walk` finds files, `rules` decides
//! about them, `table` keeps descriptors, `limits` counts.

mod errno;
mod files;
mod http;
mod limits;
mod link;
mod memory;
mod misc;
mod paths;
pub mod plan;
mod rules;
mod run;
mod table;
mod walk;
pub(super) mod walls;
mod world;

pub use limits::MODULE;
pub use link::calls;
pub use run::{Outcome, run, try_module};
