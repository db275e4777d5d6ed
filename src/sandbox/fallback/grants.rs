//! Landlock's part of the fallback level: what may be executed, and the folders of the run's own. Everything else is opened by the
//! keeper, to which these rules do not apply, so that nothing is granted here that is not needed.

use super::Fallback;
use super::rules::{Access, Rules};
use crate::sandbox::landlock::{CHANGE, Landlock, READ, handled};
use crate::sandbox::probe::Probe;
use crate::sys::landlock::{fs as right, net, scope};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Executing needs reading.
const RUN: u64 = right::READ_FILE | right::EXECUTE;

/// The rules for the command.
pub fn of(fallback: &Fallback, probe: &Probe) -> Landlock {
    let abi = probe.landlock;
    let mut grants = Grants(BTreeMap::new());
    let rules = &fallback.rules;
    match rules.commands() {
        None => {
            for rule in rules.executable() {
                // Not there yet, and empty at the start.
                match rule.path == fallback.scratch {
                    true => grants.add(&rule.path, true, RUN),
                    false => grants.run(rules, &rule.path),
                }
            }
        }
        Some(commands) => {
            for command in commands.iter().filter_map(|path| fs::canonicalize(path).ok()) {
                if rules.runs(&command) {
                    grants.run(rules, &command);
                }
            }
        }
    }
    for loader in probe.loaders.iter().filter(|loader| rules.access(loader) != Access::None) {
        grants.add(loader, false, RUN);
    }
    grants.add(&fallback.scratch, true, READ | CHANGE);
    let handled = handled(abi);
    let listed = grants.0.into_iter().map(|(path, (dir, rights))| (path, dir, rights & handled));
    Landlock {
        abi,
        handled,
        net: if abi >= 4 && !fallback.inet { net::BIND_TCP | net::CONNECT_TCP } else { 0 },
        scoped: if abi >= 6 { scope::ABSTRACT_UNIX_SOCKET | scope::SIGNAL } else { 0 },
        grants: listed.collect(),
    }
}

struct Grants(BTreeMap<PathBuf, (bool, u64)>);

impl Grants {
    fn add(&mut self, path: &Path, dir: bool, rights: u64) {
        self.0.entry(path.to_owned()).or_insert((dir, 0)).1 |= rights;
    }

    /// Grants execution of what is at and below a path and may be executed. A rule covers all that is below, so a folder with
    /// something denied in it is left out and its entries are named one by one. Where the command can write that cannot be
    /// done, for new entries come; `Fallback::of` refuses where it matters.
    fn run(&mut self, rules: &Rules, top: &Path) {
        let mut todo = vec![top.to_owned()];
        while let Some(path) = todo.pop() {
            let Ok(meta) = fs::symlink_metadata(&path) else { continue };
            if meta.is_symlink() || rules.access(&path) == Access::None {
                continue;
            }
            if meta.is_dir() && !rules.writable(&path) && rules.denies_below(&path) {
                todo.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
            } else if meta.is_dir() || rules.runs(&path) {
                self.add(&path, meta.is_dir(), RUN);
            }
        }
    }
}
