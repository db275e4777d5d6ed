//! The built-in rules: a table that `build.rs` generates from `rules/*.toml`.

use super::*;

include!(concat!(env!("OUT_DIR"), "/rules.rs"));

impl RuleSet {
    /// weft's own rules.
    pub fn builtin() -> RuleSet {
        RuleSet { rules: RULES.iter().collect(), combos: COMBOS.iter().collect() }
    }
}
