//! The scanner: files in, findings out.

pub mod archive;
pub mod combine;
pub mod context;
pub mod doc;
pub mod finding;
pub mod magic;
pub mod names;
pub mod padding;
pub mod strings;
pub mod text;
