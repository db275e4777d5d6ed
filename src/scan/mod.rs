//! The scanner: paths in, findings out. [`pipeline`] puts the steps together; each has a file of its own.
//!
//! [`walk`] → [`read`] → [`text`] (decode) → [`segment`] and [`decode`] (layers) → [`engine`] and [`checks`] (hits) →
//! [`context`] (what a hit means where it stands) → [`combine`] (what hits mean together) → [`finding::Report`].
//! What users filter afterwards (persona, severity, baseline, changed lines) is the command's business.

pub mod archive;
pub mod baseline;
pub mod checks;
pub mod clues;
pub mod combine;
mod common;
pub mod context;
pub mod decode;
pub mod diff;
pub mod doc;
pub mod engine;
pub mod examine;
pub mod finding;
pub mod glob;
pub mod group;
pub mod ignore;
pub mod lang;
pub mod magic;
pub mod matchers;
pub mod names;
pub mod open;
pub mod padding;
pub mod pipeline;
pub mod program;
pub mod read;
pub mod report;
pub mod roots;
pub mod segment;
pub mod spot;
pub mod strings;
pub mod text;
pub mod trigrams;
pub mod walk;
pub mod window;
pub mod work;

pub use pipeline::{ScanRequest, prepare, scan, scan_given};
