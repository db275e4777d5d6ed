//! A request that weft makes by TLS in place of somebody inside, most often to add a secret, and what came of it. Doing it is `inject`'s.

use super::http::Plain;
use super::inject::{Agents, Secret};
use std::net::{SocketAddr, TcpStream};

/// One request.
#[cfg_attr(
    not(feature = "net"),
    expect(dead_code, reason = "such a build refuses the policies that need it")
)]
pub struct Job {
    pub client: TcpStream,
    pub request: Plain,
    /// Bytes of the body that are here already.
    pub inbox: Vec<u8>,
    /// With the port, if it is not 443.
    pub host: String,
    /// The address that was checked.
    pub address: SocketAddr,
    /// The header that is added, with the secret.
    pub added: Option<(String, Secret)>,
    /// Bytes that may go out.
    pub left: u64,
    pub agents: Agents,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    pub sent: u64,
    pub received: u64,
    /// Why there was no answer.
    pub error: Option<String>,
}
