//! JSON, in and out: a streaming writer and a reader that says where a mistake is. Not a serialisation framework.
//!
//! Both treat their input as hostile: the writer escapes whatever a terminal or a viewer could misread, the reader
//! bounds its depth and never panics.

mod read;
mod write;

pub use read::{Node, ParseError, Value, parse};
pub use write::Writer;
