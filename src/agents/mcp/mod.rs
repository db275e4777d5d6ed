//! MCP (<https://modelcontextprotocol.io/specification>) between a client and a server over standard input and output, held to a
//! policy: which tools, resources and prompts there are, what may be called with what, and what a server may ask of its
//! client. Pure: messages in, messages out; who reads and writes is `cli::mcp`.

pub mod accepted;
pub mod filter;
pub mod http;
pub mod review;
pub mod rpc;

pub use accepted::Accepted;
pub use filter::{Filter, Out};
pub use review::{Finding, Review, Status};
