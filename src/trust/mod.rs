//! Who signed a skill: Ed25519 keys, the signed statement, whom this machine trusts. Knows nothing of a skill's files
//! but their content hash.

pub mod book;
pub mod judge;
pub mod key;
pub mod keyfile;
pub mod letter;
pub mod log;
pub mod merkle;
pub mod note;
pub mod statement;

pub use book::Book;
pub use judge::{Allowed, Claim, Verdict, judge};
pub use key::{PublicKey, SecretKey, Signature};
pub use letter::{Revocation, Rotation};
pub use statement::Statement;
