//! Where agents decide: tool calls of hooks, of MCP clients and of other programs, each answered by what the policy says.
//! Everything read here comes from a model or from a stranger's server: bounded, and refused where it is not plain.
//! Not how anything is enforced: whoever asks has to obey.

pub mod call;
pub mod hook;
pub mod mcp;
pub mod message;
pub mod query;
pub mod shell;

pub use call::Call;
