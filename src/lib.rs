//! weft: makes AI-agent skills and tools safe to get and safe to run.
//!
//! The library exists for the binary, the benches and the fuzzers; its API promises nothing between versions. As WebAssembly it is
//! the pure part alone, behind the calls of `sys/wasm.rs`.
//! Data passes through the rooms in one direction: `cli` → `scan` → `rules`.

#[cfg(not(target_family = "wasm"))]
pub mod agents;
#[cfg(not(target_family = "wasm"))]
pub mod audit;
pub mod base64;
#[cfg(not(target_family = "wasm"))]
pub mod cli;
#[cfg(not(target_family = "wasm"))]
pub mod clock;
pub mod decimal;
pub mod digest;
#[cfg(not(target_family = "wasm"))]
pub mod egress;
#[cfg(any(feature = "client", target_family = "wasm"))]
pub mod embed;
pub mod fields;
#[cfg(not(target_family = "wasm"))]
pub mod files;
#[cfg(feature = "client")]
pub mod hub;
pub mod json;
#[cfg(not(target_family = "wasm"))]
pub mod monitor;
#[cfg(feature = "net")]
pub mod net;
pub mod policy;
pub mod rules;
#[cfg(not(target_family = "wasm"))]
pub mod sandbox;
pub mod scan;
#[cfg(any(feature = "client", target_family = "wasm"))]
pub mod skill;
pub mod sort;
#[cfg(not(target_family = "wasm"))]
pub mod sys;
#[cfg(target_family = "wasm")]
#[path = "sys/wasm.rs"]
pub mod sys;
#[cfg(feature = "client")]
pub mod trust;
pub mod words;
