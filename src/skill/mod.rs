//! A skill as a thing that is checked, packed, unpacked, installed: manifest, canonical hash, package, what is on disk.
//! Knows no network; who signed is `trust`'s, what the text says is `scan`'s.

#[cfg(feature = "client")]
pub mod collect;
#[cfg(feature = "client")]
mod durable;
#[cfg(feature = "client")]
mod fault;
#[cfg(feature = "client")]
pub mod install;
#[cfg(feature = "client")]
mod journal;
#[cfg(feature = "client")]
pub mod manifest;
pub mod nfc;
#[cfg(feature = "client")]
pub mod pack;
pub mod path;
#[cfg(feature = "client")]
mod problem;
#[cfg(feature = "client")]
pub mod record;
#[cfg(feature = "client")]
pub mod store;
pub mod tree;
#[cfg(feature = "client")]
pub mod unpack;
#[cfg(feature = "client")]
pub mod version;
#[cfg(feature = "client")]
pub mod yaml;

#[cfg(feature = "client")]
pub use problem::Problem;
