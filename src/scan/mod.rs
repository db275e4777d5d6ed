//! The scanner: files in, findings out.

pub mod doc;
pub mod finding;
