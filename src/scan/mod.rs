//! The scanner: files in, findings out.

pub mod checks;
pub mod combine;
pub mod context;
pub mod doc;
pub mod finding;
pub mod decode;
pub mod lang;
pub mod segment;
