//! What a change of a policy lets through that was held before, and what it holds that was let through. Pure: compares two
//! resolved policies ([`super::load_whole`]); not two texts, so that a folder named instead of its parent is narrower and
//! a rule that another one covers is nothing.

mod files;
mod names;
mod network;
mod others;

use super::lint::{self, Level, Lint};
use super::path::wildcard;
use super::vars::Places;
use super::{Origin, Policy};
use crate::sort;
use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// The new policy allows what the old one did not.
    Wider,
    /// Neither holds more nor less by itself: another name, another place for the log.
    Changed,
    /// The new policy no longer allows it.
    Narrower,
}

impl Direction {
    pub const fn as_str(self) -> &'static str {
        match self {
            Direction::Wider => "wider",
            Direction::Changed => "changed",
            Direction::Narrower => "narrower",
        }
    }
}

/// How much harm what became possible could do. Says nothing about what became narrower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    Low,
    Medium,
    High,
}

impl Risk {
    pub const fn as_str(self) -> &'static str {
        match self {
            Risk::Low => "low",
            Risk::Medium => "medium",
            Risk::High => "high",
        }
    }
}

/// One thing that is different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub direction: Direction,
    pub risk: Risk,
    /// The key of the rule that makes the difference.
    pub key: &'static str,
    /// As a sentence without its end: `~/.ssh can be read`.
    pub what: String,
    /// The line of the old policy that decided before, if one did.
    pub old: Option<Origin>,
    /// The line of the new policy that decides now, if one does.
    pub new: Option<Origin>,
    /// The warning of the lint that the new line earns and the old policy did not.
    pub lint: Option<Lint>,
}

/// Larger policies are not compared: the time goes with the product of their entries.
pub const ENTRIES: usize = 10_000;

/// A policy has more entries than can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

/// Everything that is different, what is wider first, the riskiest first. `old` and `new` are compared as [`super::load_whole`]
/// gives them.
pub fn diff(old: &Policy, new: &Policy) -> Result<Vec<Change>, TooLarge> {
    if entries(old) > ENTRIES || entries(new) > ENTRIES {
        return Err(TooLarge);
    }
    let (old, new) = (without_own(old), without_own(new));
    let mut found = Found { all: Vec::new() };
    others::sandbox(&old, &new, &mut found);
    files::compare(&old, &new, &mut found);
    network::compare(&old, &new, &mut found);
    others::process(&old, &new, &mut found);
    names::compare(&old, &new, &mut found);
    others::rest(&old, &new, &mut found);
    let mut all = found.all;
    warn(&old, &new, &mut all);
    sort::by(&mut all, |a, b| (a.direction, b.risk).cmp(&(b.direction, a.risk)));
    Ok(all)
}

fn entries(policy: &Policy) -> usize {
    let files = &policy.filesystem;
    let network = &policy.network;
    let process = &policy.process;
    files.read.len()
        + files.write.len()
        + files.exec.len()
        + files.deny.len()
        + files.deny_globs.len()
        + files.protected.len()
        + files.patterns.len()
        + network.allow.iter().map(|rule| rule.ports.iter().count()).sum::<usize>()
        + network.deny.len()
        + network.listen.len()
        + policy.inject.len()
        + process.allow.as_ref().map_or(0, Vec::len)
        + process.deny.len()
        + policy.env.allow.len()
        + policy.env.deny.len()
        + policy.env.set.len()
        + policy.tools.allow.len()
        + policy.tools.deny.len()
        + policy.tools.arguments.len()
        + policy.tests.len()
}

/// That each policy protects its own files and its log is no difference between them.
fn without_own(policy: &Policy) -> Policy {
    let mut policy = policy.clone();
    policy.filesystem.protected.retain(|rule| rule.origin.line > 0);
    policy.filesystem.deny.retain(|rule| rule.origin.key != "audit.file");
    policy
}

struct Found {
    all: Vec<Change>,
}

impl Found {
    fn add(
        &mut self,
        direction: Direction,
        risk: Risk,
        key: &'static str,
        what: String,
        old: Option<&Origin>,
        new: Option<&Origin>,
    ) {
        let (old, new) = (old.cloned(), new.cloned());
        self.all.push(Change { direction, risk, key, what, old, new, lint: None });
    }

    fn wider(&mut self, risk: Risk, key: &'static str, what: String, new: Option<&Origin>) {
        self.add(Direction::Wider, risk, key, what, None, new);
    }

    fn narrower(&mut self, key: &'static str, what: String, old: Option<&Origin>) {
        self.add(Direction::Narrower, Risk::Low, key, what, old, None);
    }
}

/// What the lint warns of now and did not before raises the risk of the change on that line.
fn warn(old: &Policy, new: &Policy, all: &mut [Change]) {
    let before = lint::lint(old);
    let known = |finding: &lint::Finding| {
        before.iter().any(|old| old.lint.id == finding.lint.id && old.message == finding.message)
    };
    // An entry that never allows anything is worth a look, and no risk.
    let warnings = lint::lint(new).into_iter().filter(|finding| {
        finding.lint.level >= Level::Warning && finding.lint.id != "PL-010" && !known(finding)
    });
    for finding in warnings {
        for change in all.iter_mut().filter(|change| {
            change.direction == Direction::Wider && change.new.as_ref() == Some(&finding.origin)
        }) {
            change.risk = Risk::High;
            change.lint.get_or_insert(finding.lint);
        }
    }
}

/// Whether everything that `narrow` stands for, `wide` stands for too. A `*` of `narrow` can only be met by one of `wide`.
fn subsumes(wide: &str, narrow: &str) -> bool {
    wildcard(wide.as_bytes(), narrow.as_bytes())
}

/// The path with the workspace and the home folder as a policy writes them.
fn shown(path: &Path, places: &Places) -> String {
    for (place, name) in [(&places.workspace, "${WORKSPACE}"), (&places.home, "~")] {
        if let Ok(rest) = path.strip_prefix(place) {
            let rest = crate::scan::names::escape(rest.as_os_str().as_encoded_bytes());
            return if rest.is_empty() { name.to_owned() } else { format!("{name}/{rest}") };
        }
    }
    crate::scan::names::escape(path.as_os_str().as_encoded_bytes())
}
