//! Paths in a policy: rules that cover a file or everything below a folder, and globs. Not where paths come from.

use super::Origin;
use crate::sort;
use std::path::{Component, Path, PathBuf};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    File,
    Dir,
    /// A device, a socket, a FIFO.
    Other,
}

/// Which file it was when the policy was resolved, so that a swap in between can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    pub dev: u64,
    pub ino: u64,
}

/// One `read`, `write` or `exec` entry after globs were expanded. Covers the path and everything below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRule {
    /// As the policy says, variables and globs replaced, symlinks not followed: `/lib64`.
    pub written: PathBuf,
    /// Absolute, without symlinks: `/usr/lib64`.
    pub path: PathBuf,
    pub kind: Kind,
    /// None where `private`.
    pub id: Option<FileId>,
    /// Stands in the run's own temporary folder (`${TMPDIR}`): `path` is what the process sees; nothing of the host's
    /// folder of that name is meant.
    pub private: bool,
    pub origin: Origin,
}

/// Rules of one key, sorted by path, one for each path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathRules(Vec<PathRule>);

/// Paths here have one spelling, so that their bytes can be compared; taking them apart costs ten times as much.
pub fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

/// The bytes of an absolute path and of each folder above it, the root last.
pub fn lineage(path: &Path) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(bytes(path)), |path| {
        let at = path.iter().rposition(|byte| *byte == b'/')?;
        (*path != b"/").then(|| &path[..at.max(1)])
    })
}

/// Whether an absolute path is a folder or below it.
pub fn within(path: &Path, folder: &Path) -> bool {
    let rest = bytes(path).strip_prefix(bytes(folder));
    rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/' || bytes(folder) == b"/")
}

impl PathRules {
    /// Sorts; of several rules for one path the first in the policy stays.
    pub fn new(mut rules: Vec<PathRule>) -> PathRules {
        sort::by(&mut rules, |a, b| bytes(&a.path).cmp(bytes(&b.path)));
        rules.dedup_by(|b, a| bytes(&a.path) == bytes(&b.path));
        PathRules(rules)
    }

    /// The rules that are kept, without sorting again.
    pub fn filtered(&self, keep: impl Fn(&PathRule) -> bool) -> PathRules {
        PathRules(self.0.iter().filter(|rule| keep(rule)).cloned().collect())
    }

    pub fn iter(&self) -> std::slice::Iter<'_, PathRule> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The rule that covers the path most closely.
    pub fn covering(&self, path: &Path) -> Option<&PathRule> {
        lineage(path).find_map(|above| self.at(above))
    }

    /// The same, for a file of the host: rules about the run's own temporary folder say nothing about it.
    pub fn covering_on_host(&self, path: &Path) -> Option<&PathRule> {
        lineage(path).find_map(|above| self.at(above).filter(|rule| !rule.private))
    }

    fn at(&self, path: &[u8]) -> Option<&PathRule> {
        let at = self.0.binary_search_by(|rule| bytes(&rule.path).cmp(path)).ok()?;
        self.0.get(at)
    }
}

/// An absolute path with `*` in it. `*` stands for any run of characters within one name, a leading dot included;
/// `**` as a whole name stands for any number of folders, none included. Every other character stands for itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Glob {
    text: String,
}

impl Glob {
    /// None when the text holds no `*`. A `**` at the end says nothing, as rules cover what is below anyway.
    pub fn new(text: &str) -> Option<Glob> {
        if !text.contains('*') {
            return None;
        }
        let text = text.trim_end_matches("/**");
        text.contains('*').then(|| Glob { text: text.to_owned() })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names between slashes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.text.split('/').filter(|name| !name.is_empty())
    }

    /// The folder above the first name with a `*`.
    pub fn root(&self) -> PathBuf {
        let mut root = PathBuf::from("/");
        root.extend(self.names().take_while(|name| !name.contains('*')));
        root
    }

    /// Whether the pattern is the path or one of the folders above it.
    pub fn covers(&self, path: &Path) -> bool {
        self.walk(path).0
    }

    /// Whether the pattern is, or could come to be, something below the path.
    pub fn reaches(&self, path: &Path) -> bool {
        self.walk(path).1
    }

    fn walk(&self, path: &Path) -> (bool, bool) {
        let names: Vec<&str> = self.names().collect();
        let path: Vec<&[u8]> = path
            .components()
            .filter_map(|part| match part {
                Component::Normal(name) => Some(name.as_encoded_bytes()),
                _ => None,
            })
            .collect();
        walk(&names, &path)
    }
}

/// Whether the pattern was complete somewhere on the path, and whether it is still alive at its end. States of the
/// pattern are walked once for each name of the path, so time is the product of the two lengths.
fn walk(pattern: &[&str], path: &[&[u8]]) -> (bool, bool) {
    let mut states = vec![false; pattern.len() + 1];
    let skip = |states: &mut Vec<bool>| {
        for at in 0..pattern.len() {
            if states[at] && pattern[at] == "**" {
                states[at + 1] = true;
            }
        }
    };
    states[0] = true;
    skip(&mut states);
    for name in path {
        if states[pattern.len()] {
            return (true, true);
        }
        let mut next = vec![false; pattern.len() + 1];
        for at in 0..pattern.len() {
            if !states[at] {
                continue;
            }
            if pattern[at] == "**" {
                next[at] = true;
            } else if wildcard(pattern[at].as_bytes(), name) {
                next[at + 1] = true;
            }
        }
        skip(&mut next);
        states = next;
    }
    (states[pattern.len()], states.contains(&true))
}

/// Whether `text` is `pattern` with each `*` replaced by some run of bytes. Linear memory, no recursion.
pub fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to come back to: after the last star, and how much of the text it had swallowed.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p + 1, t));
            p += 1;
        } else if p < pattern.len() && pattern[p] == text[t] {
            p += 1;
            t += 1;
        } else if let Some((after, swallowed)) = star {
            star = Some((after, swallowed + 1));
            p = after;
            t = swallowed + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}
