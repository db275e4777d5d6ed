//! `weft hub serve`: a registry of one's own. Three parts, none of which knows the inside of another: `front` speaks HTTP
//! and knows no skills; `store` keeps bytes and events and knows no HTTP; the rest answers requests from what is kept.

pub mod front;
pub mod http;
