//! The scanner: files in, findings out.

pub mod combine;
pub mod doc;
pub mod finding;
