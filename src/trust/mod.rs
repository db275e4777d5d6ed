//! Who signed a skill: Ed25519 keys, the signed statement, whom this machine trusts. Knows nothing of a skill's files
//! but their content hash.

pub mod key;
pub mod statement;

pub use key::{PublicKey, SecretKey, Signature};
pub use statement::Statement;
