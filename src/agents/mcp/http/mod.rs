//! MCP over Streamable HTTP, the client's side: what goes into a request, and what is taken from an answer. Everything that comes from
//! a server has a bound, and what could be read in two ways is an error. No sockets here; who has them is `cli::mcp::carrier`.

pub mod answer;
pub mod events;
pub mod session;

pub use answer::Answer;
pub use events::Events;
pub use session::Session;
