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
pub mod open;
pub mod padding;
pub mod read;
pub mod segment;
pub mod strings;
pub mod text;
pub mod walk;
pub mod window;
