//! Hand-written matchers: for what a regex says slowly or not at all. Each is named in a rule file (`matcher = "…"`).

use std::ops::Range;

/// Finds matches in one line or cell, given the rule's literals, and hands each to `push`, leftmost and not overlapping.
pub type Native = fn(line: &str, literals: &[&'static str], push: &mut dyn FnMut(Range<usize>));

/// The matcher of a name, if there is one.
pub fn find(name: &str) -> Option<Native> {
    MATCHERS.iter().find(|(n, _)| *n == name).map(|(_, matcher)| *matcher)
}

/// All matchers by name.
pub const MATCHERS: [(&str, Native); 0] = [];
