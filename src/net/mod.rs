//! The one way weft speaks HTTP to the outside: addresses, TLS roots, proxies, timeouts, redirects, retry, size limits.
//! Knows nothing of skills, registries or policies.
//!
//! `client` is what the hub uses; `agent` is the part that `egress` shares with it.

mod agent;
mod client;
pub mod date;
mod proxy;
mod retry;
mod roots;
pub mod url;

pub use agent::{Options, agent};
pub use client::{Client, Method, Request, Response};
pub use retry::{MAX_WAIT, Retry};
pub use url::Url;

use crate::words;
use std::fmt;

/// What went wrong, by what can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The address, a variable or a certificate file is wrong: trying again changes nothing.
    Input,
    /// No connection, or it broke before the answer was complete.
    Broken,
    /// Nothing came in time.
    Timeout,
    /// The other side is not who it should be, or does not speak TLS.
    Tls,
    /// The answer is not acceptable: too large, a redirect that leads where it must not, not HTTP.
    Answer,
}

/// A request that got no usable answer. Reads as a sentence: what, where, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetError {
    pub kind: Kind,
    pub what: String,
    /// The address, variable or file.
    pub at: String,
    /// May be empty.
    pub fix: String,
}

impl NetError {
    pub fn new(
        kind: Kind,
        what: impl Into<String>,
        at: impl Into<String>,
        fix: impl Into<String>,
    ) -> NetError {
        NetError { kind, what: what.into(), at: at.into(), fix: fix.into() }
    }
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        words::phrase(f, &self.what, &self.at, &self.fix)
    }
}

impl std::error::Error for NetError {}
