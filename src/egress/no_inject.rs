//! What `inject` is in a build without a TLS client: nothing. A policy that needs it is refused before anything runs.

use super::job::{Job, Outcome};
use std::sync::Arc;

pub const AT_ONCE: usize = 1;
pub const STACK: usize = 0;

/// There is none.
#[derive(Debug, Clone)]
pub struct Secret;

impl Secret {
    pub fn from_env(_: &str, _: &str) -> Option<Self> {
        None
    }
}

/// None are kept.
pub type Agents = Arc<()>;

impl Job {
    pub fn run(self) -> Outcome {
        Outcome::default()
    }
}
