//! What `inject` is in a build without a TLS client: nothing. A policy that needs it is refused before anything runs.

use super::http::Plain;
use std::net::{SocketAddr, TcpStream};
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

/// Never made.
#[expect(dead_code, reason = "has the parts of the one that works")]
pub struct Job {
    pub client: TcpStream,
    pub request: Plain,
    pub inbox: Vec<u8>,
    pub host: String,
    pub address: SocketAddr,
    pub header: String,
    pub secret: Secret,
    pub left: u64,
    pub agents: Agents,
}

/// Nothing came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    pub sent: u64,
    pub received: u64,
    pub error: Option<String>,
}

impl Job {
    pub fn run(self) -> Outcome {
        Outcome::default()
    }
}
