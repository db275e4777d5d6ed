//! Files of weft that other users of this machine could read or write: logs, keys, tokens, policies.

use super::agents::Agent;
use super::finding::{Area, Findings, Kind, shown};
use super::logs::Log;
use crate::policy::vars::Places;
use crate::rules::Severity;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const READABLE: Kind = ("SA-060", "open-to-readers", Area::Files, Severity::Medium);
const KEY: Kind = ("SA-061", "key-open-to-readers", Area::Files, Severity::High);
const WRITABLE: Kind = ("SA-062", "open-to-writers", Area::Files, Severity::High);

/// What a file must keep from others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// Its contents say what agents do.
    Log,
    /// Whoever reads it is its owner.
    Key,
    /// Whoever writes it decides.
    Policy,
}

/// Files and the mode that they should have.
pub fn look(places: &Places, agents: &[Agent], logs: &[Log], findings: &mut Findings) -> Vec<(PathBuf, u32)> {
    let mut all: Vec<(PathBuf, Keep)> = Vec::new();
    for log in logs {
        all.push((log.path.clone(), Keep::Log));
    }
    let folder = places.state.join("weft/audit");
    all.push((folder, Keep::Log));
    #[cfg(feature = "client")]
    {
        if let Ok(folder) = crate::trust::keyfile::folder() {
            let keys = folder.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
            all.extend(keys.filter(|path| path.is_file()).map(|path| (path, Keep::Key)));
        }
        if let Ok(path) = crate::trust::book::path() {
            all.push((path, Keep::Policy));
        }
        if let Ok(path) = crate::hub::config::path() {
            all.push((path, Keep::Key));
        }
    }
    for known in agents.iter().flat_map(|agent| &agent.policies) {
        let Ok(policy) = &known.loaded else { continue };
        all.extend(policy.sources.iter().filter_map(|source| Some((source.path.clone()?, Keep::Policy))));
    }
    let mut open = Vec::new();
    for (path, keep) in all {
        if open.iter().any(|(known, _)| *known == path) {
            continue;
        }
        if let Some(mode) = judge(&path, keep, &places.home, findings) {
            open.push((path, mode));
        }
    }
    open
}

fn judge(path: &Path, keep: Keep, home: &Path, findings: &mut Findings) -> Option<u32> {
    // Links belong to whoever made them; what they lead to is looked at under its own name.
    let meta = fs::symlink_metadata(path).ok().filter(|meta| meta.is_file() || meta.is_dir())?;
    let mode = meta.mode() & 0o7777;
    // A group of the owner's own, as many systems make one for each user, is nobody else.
    let others = if meta.gid() == meta.uid() { 0o007 } else { 0o077 };
    let at = shown(path, home);
    let fix = |wanted: u32| format!("chmod {wanted:o} {at}");
    if mode & others & 0o022 != 0 {
        let wanted = if keep == Keep::Policy { mode & !0o022 } else { mode & !0o077 };
        let who = if mode & 0o002 != 0 { "every user" } else { "its group" };
        let what = format!("{who} can write it (mode {mode:o})");
        findings.add(WRITABLE, None, at.clone(), what, fix(wanted));
        return Some(wanted);
    }
    if keep == Keep::Policy || mode & others == 0 {
        return None;
    }
    let wanted = mode & !0o077;
    let what = format!("others can read it (mode {mode:o})");
    findings.add(if keep == Keep::Key { KEY } else { READABLE }, None, at.clone(), what, fix(wanted));
    Some(wanted)
}
