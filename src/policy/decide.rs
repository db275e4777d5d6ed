//! Yes or no, and why. Pure: what a policy says about a question, with no look at the machine.
//!
//! A deny beats an allow; what is not allowed is denied. Every enforcement and every explanation asks here.

use super::Origin;
use std::borrow::Cow;

/// An answer that cannot be overlooked.
#[must_use = "a decision that nobody looks at protects nothing"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub allowed: bool,
    /// The line of the policy that decided; none where no line says anything, which denies.
    pub rule: Option<Origin>,
    pub reason: Cow<'static, str>,
}
