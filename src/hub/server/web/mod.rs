//! The registry's pages, made on the server: no script runs in them, and nothing in them comes from elsewhere.

pub mod html;
pub mod markdown;
