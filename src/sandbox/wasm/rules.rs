//! What the policy says about a file that a WebAssembly program asks for, by its real path. Pure.

use crate::policy::path::{PathRule, PathRules};
use crate::policy::{DenyPath, Policy, decide};
use crate::sandbox::fallback::rules::{Change, Rules as Names};
use std::path::{Path, PathBuf};

/// The policy with the private folder where it is on the host.
pub struct Rules {
    policy: Policy,
    names: Names,
    /// The private folder as the policy names it, and where it is.
    tmpdir: PathBuf,
    scratch: PathBuf,
}

impl Rules {
    /// `scratch` is the private folder: a place on the host, or the policy's own where mounts put it there.
    pub fn of(policy: &Policy, scratch: &Path) -> Rules {
        let tmpdir = policy.places.tmpdir.clone();
        let mut policy = policy.clone();
        let files = &mut policy.filesystem;
        for rules in [&mut files.read, &mut files.write, &mut files.exec] {
            let moved = rules.iter().map(|rule| match rule.private {
                true => PathRule { path: put(&rule.path, &tmpdir, scratch), ..rule.clone() },
                false => rule.clone(),
            });
            *rules = PathRules::new(moved.collect());
        }
        for deny in files.deny.iter_mut().chain(&mut files.protected) {
            if deny.path.starts_with(&tmpdir) {
                *deny = DenyPath { written: put(&deny.path, &tmpdir, scratch), ..deny.clone() };
            }
        }
        policy.places.tmpdir = scratch.to_owned();
        Rules { names: Names::of(&policy, scratch), policy, tmpdir, scratch: scratch.to_owned() }
    }

    /// May the file be read, or the folder listed?
    pub fn read(&self, path: &Path) -> bool {
        decide::read(&self.policy, path).allowed
    }

    /// May the file be changed?
    pub fn write(&self, path: &Path) -> bool {
        decide::write(&self.policy, path).allowed
    }

    /// May the name at the path change so?
    pub fn change(&self, path: &Path, change: Change) -> bool {
        self.write(path) && self.names.change(path, change)
    }

    /// Whether the path may be walked through: it may be read, or something below it is named.
    pub fn leads(&self, path: &Path) -> bool {
        let files = &self.policy.filesystem;
        let covered = files.read_rule(path).is_some() || {
            let below = |rules: &PathRules| rules.iter().any(|rule| rule.path.starts_with(path));
            below(&files.read) || below(&files.write)
        };
        covered && decide::denied(&self.policy, path).is_none()
    }

    /// Whether anything at or below the folder may be written.
    pub fn writes_below(&self, folder: &Path) -> bool {
        let files = &self.policy.filesystem;
        files.write_rule(folder).is_some() || files.write.iter().any(|rule| rule.path.starts_with(folder))
    }

    /// The path as the policy names it.
    pub fn shown(&self, path: &Path) -> PathBuf {
        put(path, &self.scratch, &self.tmpdir)
    }
}

/// The path with one folder above it exchanged for another.
fn put(path: &Path, from: &Path, to: &Path) -> PathBuf {
    match path.strip_prefix(from) {
        Ok(rest) if rest.as_os_str().is_empty() => to.to_owned(),
        Ok(rest) => to.join(rest),
        Err(_) => path.to_owned(),
    }
}
