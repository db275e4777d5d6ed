//! The scanner: files in, findings out.

pub mod archive;
pub mod checks;
pub mod combine;
pub mod context;
pub mod doc;
pub mod engine;
pub mod finding;
pub mod decode;
pub mod lang;
pub mod magic;
pub mod matchers;
pub mod names;
pub mod open;
pub mod padding;
pub mod prefilter;
pub mod read;
pub mod segment;
pub mod strings;
pub mod text;
pub mod walk;
pub mod window;
