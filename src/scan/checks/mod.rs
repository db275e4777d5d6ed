//! Checks: what a regex cannot say, in code. Each raises a rule declared with `check = true` in `rules/`, so that its
//! severity, message and remediation stand where all others stand.

mod encoded;
mod flow;
mod hosts;
mod installer;
mod invisible;
mod marks;
mod owner;
mod secrets;
mod statements;
mod tools;
mod typosquat;

use super::doc::{Doc, Hit};
use crate::rules::{Matcher, Rule, RuleSet};
use std::collections::HashMap;
use std::ops::Range;

/// The check rules of a rule set, by name.
pub struct Checks {
    by_name: HashMap<&'static str, &'static Rule>,
}

impl Checks {
    pub fn new(rules: &RuleSet) -> Checks {
        let by_name =
            rules.rules.iter().filter(|r| r.matcher == Matcher::Check).map(|r| (r.name, *r)).collect();
        Checks { by_name }
    }

    /// The rule of a check, or `None` where the rule set leaves it out.
    pub fn rule(&self, name: &str) -> Option<&'static Rule> {
        self.by_name.get(name).copied()
    }

    /// Runs every check that needs only one file.
    pub fn run(&self, doc: &Doc, hits: &mut Vec<Hit>) {
        let mut raise = |name: &str, range: Range<usize>, note: Option<String>| {
            if let Some(rule) = self.rule(name) {
                hits.push(Hit { rule, layer: None, range, note });
            }
        };
        flow::check(doc, &mut raise);
        encoded::check(doc, &mut raise);
        installer::check(doc, &mut raise);
        invisible::check(doc, &mut raise);
        owner::check(doc, &mut raise);
        tools::check(doc, &mut raise);
        typosquat::check(doc, &mut raise);
    }
}

/// The words without which no check that follows code has anything to do.
pub(super) fn clues() -> impl Iterator<Item = super::spot::Word> {
    flow::clues()
}

/// What a check calls for each thing it finds: rule name, where, and what to say beyond the rule's message.
pub(super) type Raise<'a> = dyn FnMut(&str, Range<usize>, Option<String>) + 'a;
