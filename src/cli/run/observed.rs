//! What an observed run asks for, as entries of the log: which of it is worth one, and what the policy says to it.

use crate::audit::{Action, LOOKED_AT};
use crate::policy::host::{self, Host};
use crate::policy::{Decision, NetworkMode, Policy, decide, find};
use crate::sandbox::observe::What;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// An entry to be.
pub struct Entry {
    pub action: Action,
    /// The path as it was asked for, `${TMPDIR}`'s folder for what is in there, or `address:port`.
    pub target: Target,
    pub decision: Decision,
    /// Not opened, only looked at.
    pub looked: bool,
}

/// What an entry is about.
pub enum Target {
    Path(PathBuf),
    Address(SocketAddr),
}

/// None: it says nothing about the policy.
pub fn entry(policy: &Policy, what: &What) -> Option<Entry> {
    match what {
        What::Read(path) => file(policy, Action::Read, path, false),
        What::Look(path) => file(policy, Action::Read, path, true),
        What::Write(path) => file(policy, Action::Write, path, false),
        What::Connect(to) => connect(policy, *to),
    }
}

fn file(policy: &Policy, action: Action, path: &Path, looked: bool) -> Option<Entry> {
    let decide = if action == Action::Write { decide::write } else { decide::read };
    let entry = |target: &Path, mut decision: Decision| {
        if looked {
            decision.reason = LOOKED_AT.into();
        }
        Some(Entry { action, target: Target::Path(target.to_owned()), decision, looked })
    };
    // What is in the run's own folder is new in each run; its names say nothing.
    let tmpdir = &policy.places.tmpdir;
    let private = policy.filesystem.read_rule(path).is_none_or(|rule| rule.private);
    if path.starts_with(tmpdir) && private {
        let decision = decide(policy, path);
        let own = path == tmpdir && action == Action::Read;
        return if own && !decision.allowed { None } else { entry(tmpdir, decision) };
    }
    let real = find::real(path).unwrap_or_else(|_| path.to_owned());
    let meta = fs::symlink_metadata(&real).ok();
    if action == Action::Read && meta.is_none() {
        // Programs try many names; one that is nowhere is no use of anything.
        return None;
    }
    let decision = match decide::denied(policy, path) {
        Some(denied) => denied,
        None => decide(policy, &real),
    };
    // A folder on the way to a place of the policy is there inside, whatever the policy says of it.
    if looked && !decision.allowed && meta.is_some_and(|meta| meta.is_dir()) && on_the_way(policy, &real) {
        return None;
    }
    entry(path, decision)
}

fn on_the_way(policy: &Policy, path: &Path) -> bool {
    let files = &policy.filesystem;
    let mut rules = files.read.iter().chain(files.write.iter()).chain(files.exec.iter());
    rules.any(|rule| rule.path.starts_with(path)) || policy.places.workspace.starts_with(path)
}

/// A connection that did not go to the egress, which tells of its own: only names and named addresses lead out of a network of
/// the run's own.
fn connect(policy: &Policy, to: SocketAddr) -> Option<Entry> {
    let mut decision = decide::network(policy, &Host::Ip(host::plain(to.ip())), to.port());
    let shared = matches!(policy.network.mode, NetworkMode::Unrestricted(_));
    if decision.allowed && !shared {
        return None;
    }
    if to.ip().is_loopback() && !shared {
        decision.reason = "nobody inside listens there, and this machine's own ports are outside".into();
    }
    Some(Entry { action: Action::Connect, target: Target::Address(to), decision, looked: false })
}
