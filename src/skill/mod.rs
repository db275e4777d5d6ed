//! A skill as a thing that is checked, packed, unpacked, installed: manifest, canonical hash, package, what is on disk.
//! Knows no network; who signed is `trust`'s, what the text says is `scan`'s.

pub mod collect;
mod fault;
pub mod install;
mod journal;
pub mod manifest;
pub mod nfc;
pub mod pack;
pub mod path;
mod problem;
pub mod record;
pub mod store;
pub mod tree;
pub mod unpack;
pub mod version;
pub mod yaml;

pub use problem::Problem;
