//! Holds a command to a policy by the kernel. Knows no TOML and no colours: it takes a `policy::Policy` and gives a plan,
//! and from a plan a run.
//!
//! `probe` says what this kernel can do; `plan` turns a policy and a probe into a list of steps, or into an error that names the
//! policy line and the missing feature; `launch` carries the steps out and obeys them.

pub mod bare;
pub mod denials;
pub mod env;
pub mod errata;
pub mod fallback;
pub mod landlock;
pub mod launch;
pub mod limits;
pub mod lines;
pub mod mounts;
mod network;
pub mod observe;
mod outlet;
pub mod pid1;
mod placeholders;
pub mod plan;
pub mod probe;
pub mod programs;
pub mod questions;
mod root;
pub mod seccomp;
#[cfg(feature = "wasm")]
pub mod wasm;
