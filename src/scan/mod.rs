//! The scanner: files in, findings out.

pub mod archive;
pub mod checks;
pub mod combine;
pub mod context;
pub mod doc;
pub mod finding;
pub mod lang;
pub mod magic;
pub mod names;
pub mod padding;
pub mod segment;
pub mod strings;
pub mod text;
