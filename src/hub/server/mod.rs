//! `weft hub serve`: a registry of one's own. Three parts, none of which knows the inside of another: `front` speaks HTTP
//! and knows no skills; `store` keeps bytes and events and knows no HTTP; the rest answers requests from what is kept.

pub mod event;
pub mod http;
pub mod state;
pub mod web;

/// Until the store is merged.
pub mod store {
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Span {
        pub offset: u64,
        pub length: u32,
    }
}
