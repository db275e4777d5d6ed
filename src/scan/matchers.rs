//! Hand-written matchers: for what a regex says slowly or not at all. Each is named in a rule file (`matcher = "…"`).

mod address;
mod secret;

use std::ops::Range;

/// Finds matches in one line or cell, given the rule's literals, and hands each to `push`, leftmost and not overlapping.
/// Every match must contain one of the literals.
pub type Native = fn(line: &str, literals: &[&'static str], push: &mut dyn FnMut(Range<usize>));

/// The matcher of a name, if there is one.
pub fn find(name: &str) -> Option<Native> {
    MATCHERS.iter().find(|(n, _)| *n == name).map(|(_, matcher)| *matcher)
}

/// All matchers by name.
pub const MATCHERS: [(&str, Native); 7] = [
    ("aws-secret", secret::aws),
    ("password-literal", secret::password),
    ("private-key", secret::private_key),
    ("provider-secret", secret::provider),
    ("public-ip-url", address::public_ip_url),
    ("secret-assignment", secret::assignment),
    ("seed-phrase", secret::seed_phrase),
];
