//! weft: makes AI-agent skills and tools safe to get and safe to run.
//!
//! The library exists for the binary, the benches and the fuzzers; its API promises nothing between versions.
//! Data passes through the rooms in one direction: `cli` → `scan` → `rules`.

pub mod agents;
pub mod audit;
#[cfg(feature = "client")]
pub mod base64;
pub mod cli;
pub mod clock;
pub mod decimal;
pub mod digest;
pub mod egress;
pub mod fields;
pub mod files;
#[cfg(feature = "client")]
pub mod hub;
pub mod json;
pub mod monitor;
#[cfg(feature = "net")]
pub mod net;
pub mod policy;
pub mod rules;
pub mod sandbox;
pub mod scan;
#[cfg(feature = "client")]
pub mod skill;
pub mod sort;
pub mod sys;
#[cfg(feature = "client")]
pub mod trust;
pub mod words;
