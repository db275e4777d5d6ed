//! Rules: what they are ([`model`]), how they are written ([`schema`]), the built-in ones, and those a user brings.

use crate::fields;

mod builtin;
pub mod file;
pub mod links;
mod model;
pub mod schema;

pub use builtin::{Literal, literals, pattern_of, program_of};
pub use model::*;
