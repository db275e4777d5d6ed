//! The level without namespaces: for kernels, containers and users that are not given any. Nothing can be hidden here, so
//! everything is asked for: seccomp hands each call that opens, names or changes a file to a process of weft's own, the keeper,
//! which finds the file itself, decides by `rules`, and does it itself. Landlock is the wall behind it, and decides what is executed.
//!
//! `rules` is pure; `grants` are Landlock's; `calls` says which calls are handed over; `keeper` is the process; `walk` finds files;
//! `files`, `meta`, `looks` and `sockets` do what was asked; `family` knows which processes are inside. A call is never sent on after a look
//! at memory of its caller, which may change.

mod caller;
pub mod calls;
pub mod family;
mod files;
pub mod grants;
pub mod keeper;
mod looks;
mod meta;
pub mod outside;
pub mod rules;
mod sockets;
mod walk;

use super::plan::Refusal;
use super::probe::Probe;
use crate::egress::Settings;
use crate::policy::path::Kind;
use crate::policy::{NetworkMode, Origin, Policy};
use rules::Rules;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What the keeper needs of a plan.
#[derive(Debug, Clone)]
pub struct Fallback {
    /// Why there are no namespaces.
    pub why: String,
    /// A folder of the run's own, made at the start and removed at the end: `TMPDIR`.
    pub scratch: PathBuf,
    /// What may be done with which file.
    pub rules: Rules,
    /// Processes and threads inside, where neither a cgroup nor the kernel counts them.
    pub most: Option<u64>,
    /// The network is the host's. Otherwise there is none, not even a loopback.
    pub inet: bool,
    /// TCP to the hosts that the policy names goes through the keeper to weft's egress.
    pub egress: Option<Settings>,
    /// Files about names: where the host's are, and what is opened instead.
    pub own: Vec<(PathBuf, PathBuf, String)>,
}

/// Landlock with scopes for signals and abstract sockets.
const SCOPES: u32 = 6;
/// So many files of a denied folder are looked at.
const LOOKED_AT: usize = 10_000;

impl Fallback {
    /// What the policy comes to at this level, or the line it cannot hold.
    pub fn of(
        policy: &Policy,
        probe: &Probe,
        why: &str,
        itself: impl Fn(&'static str) -> Origin,
        unenforced: &mut Vec<(Origin, String)>,
    ) -> Result<Self, Refusal> {
        if !probe.listener {
            return Err(Refusal::new(
                itself("sandbox.type"),
                format!("{why}, and seccomp here cannot hand calls over (SECCOMP_RET_USER_NOTIF)"),
                "allow user namespaces for this user, or boot a newer kernel",
            ));
        }
        for (key, what) in [
            ("process.signals", "processes outside can be sent signals"),
            ("network.unix", "abstract Unix sockets of the host can be reached"),
        ] {
            if probe.landlock >= SCOPES {
                break;
            }
            let text = format!(
                "{what}: without namespaces ({why}) Landlock ABI {SCOPES} is needed, {} is here",
                probe.landlock
            );
            if !policy.sandbox.tolerates(key) {
                return Err(Refusal::new(
                    itself(key),
                    text,
                    &format!("boot Linux 6.12 or newer, or list \"{key}\" in sandbox.best_effort"),
                ));
            }
            unenforced.push((itself(key), text));
        }
        let scratch = probe.scratch.clone();
        let rules = Rules::of(policy, &scratch);
        for deny in policy.filesystem.deny.iter().filter(|deny| deny.creatable.is_some()) {
            // Where what is written may be executed, Landlock grants execution to whole folders.
            if policy.filesystem.exec_rule(&deny.path).is_none() || policy.process.allow.is_some() {
                continue;
            }
            if let Some(program) = program_at(&deny.path, deny.kind) {
                let text = format!(
                    "{} can be executed: without namespaces ({why}) a program below a folder that may be written and executed cannot be left out",
                    program.display()
                );
                if !policy.sandbox.tolerates("filesystem.deny") {
                    return Err(Refusal::new(
                        deny.origin.clone(),
                        text,
                        "move it, take its executable bit away, or list \"filesystem.deny\" in sandbox.best_effort",
                    ));
                }
                unenforced.push((deny.origin.clone(), text));
            }
        }
        Ok(Self {
            why: why.to_owned(),
            scratch,
            rules,
            most: None,
            inet: matches!(policy.network.mode, NetworkMode::Unrestricted(_)),
            egress: None,
            own: Vec::new(),
        })
    }

    /// Takes the way out that the policy asks for.
    pub fn go_out(&mut self, settings: &Settings) {
        for (number, (path, text)) in Settings::files().into_iter().enumerate() {
            // There are no datagrams, so names are asked for by TCP.
            let text = text.replace("options ", "options use-vc ");
            if let Ok(real) = fs::canonicalize(path) {
                self.own.push((real, self.scratch.join(format!(".own{number}")), text));
            }
        }
        self.egress = Some(settings.clone());
    }

    /// What stands for `/dev/shm` inside.
    pub fn shm(&self) -> PathBuf {
        shm(&self.scratch)
    }
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "namespaces  none: {}", self.why)?;
        writeln!(
            f,
            "keeper      opens, looks at, names and changes files in place of the command, by their real path"
        )?;
        writeln!(f, "            adopts orphans, counts processes, ends everything inside when weft ends")?;
        writeln!(f, "            not hidden: which process numbers exist, and which folders (chdir)")?;
        writeln!(f, "private     {} (TMPDIR), with /dev/shm; nothing of /tmp", self.scratch.display())
    }
}

fn shm(scratch: &Path) -> PathBuf {
    scratch.join(".shm")
}

/// A file at or below a denied path that could be executed.
fn program_at(path: &Path, kind: Option<Kind>) -> Option<PathBuf> {
    let runs = |path: &Path| {
        fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    match kind? {
        Kind::Dir => {}
        _ => return runs(path).then(|| path.to_owned()),
    }
    let mut todo = vec![path.to_owned()];
    let mut seen = 0;
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            seen += 1;
            let path = entry.path();
            if seen > LOOKED_AT || runs(&path) {
                return Some(path);
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                todo.push(path);
            }
        }
    }
    None
}
