//! From entries of audit logs to uses.

use crate::audit::{Action, AuditError, LOOKED_AT, OBSERVED, SandboxAuditEntry, entries};
use crate::cli::error::Failure;
use crate::policy::commands::SearchPath;
use crate::policy::find::Finder;
use crate::policy::learn::{MOST, TooMany, Uses, Verb};
use crate::policy::{Policy, endpoint};
use crate::scan::names;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// What logs tell.
pub struct Told {
    pub uses: Uses,
    /// `2 runs of git and make`.
    pub from: String,
    pub notes: Vec<String>,
}

/// Names come from a log as [`names::escape`] wrote them; none for one that was cut or never came from there.
pub fn path_of(target: &str) -> Option<PathBuf> {
    let path = PathBuf::from(OsString::from_vec(names::unescape(target)?));
    let plain = path.is_absolute()
        && path
            .components()
            .all(|part| matches!(part, std::path::Component::RootDir | std::path::Component::Normal(_)));
    let clean = !path.as_os_str().as_encoded_bytes().contains(&0);
    (plain && clean).then_some(path)
}

/// The reader of one or more logs.
struct Reader<'p> {
    uses: Uses,
    search: SearchPath,
    /// Run, and the program that it was of.
    runs: BTreeMap<String, String>,
    incomplete: BTreeSet<String>,
    count: u64,
    failed: Option<TooMany>,
    base: &'p Policy,
}

/// Of one run, by its id.
pub fn of_run(log: &Path, run: &str, base: &Policy) -> Result<Told, Failure> {
    let mut reader = Reader::new(base);
    let unreadable = entries(log, |entry| {
        if entry.run == run {
            reader.take(&entry);
        }
    });
    // Lines of other runs are not what was asked about.
    unreadable.map_err(|error| failure(&error))?;
    reader.told(0)
}

/// Of every run in these logs.
pub fn of_logs(logs: &[PathBuf], base: &Policy) -> Result<Told, Failure> {
    let mut reader = Reader::new(base);
    let mut unreadable = 0;
    for log in logs {
        let before = reader.count;
        let bad = entries(log, |entry| reader.take(&entry)).map_err(|error| failure(&error))?;
        if reader.count == before {
            return Err(no_entries(log, bad));
        }
        unreadable += bad;
    }
    reader.told(unreadable)
}

/// Nothing in it can be read.
pub fn no_entries(log: &Path, bad: u64) -> Failure {
    let what = match bad {
        0 => "the log is empty".to_owned(),
        bad => format!("not an audit log: none of its {bad} lines can be read"),
    };
    Failure::usage(what, names::escape(log.as_os_str().as_encoded_bytes()), "name a log that weft wrote")
}

pub fn failure(error: &AuditError) -> Failure {
    Failure::file("cannot read the log", &error.path, &error.source)
}

impl<'p> Reader<'p> {
    fn new(base: &'p Policy) -> Reader<'p> {
        let path = base.env.set.get("PATH").map(|set| set.value.as_str());
        Reader {
            uses: Uses::default(),
            search: SearchPath::new(path, &mut Finder::default()),
            runs: BTreeMap::new(),
            incomplete: BTreeSet::new(),
            count: 0,
            failed: None,
            base,
        }
    }

    fn take(&mut self, entry: &SandboxAuditEntry) {
        self.count += 1;
        if let Err(failed) = self.try_take(entry) {
            self.failed = Some(failed);
        }
    }

    fn try_take(&mut self, entry: &SandboxAuditEntry) -> Result<(), TooMany> {
        if self.failed.is_some() {
            return Ok(());
        }
        let target = entry.target.as_str();
        let by = entry.by.as_deref().and_then(path_of);
        match entry.action {
            Action::Start => {
                let word = target.split(' ').next().unwrap_or_default();
                let name = word.rsplit('/').next().unwrap_or_default().to_owned();
                if self.runs.len() < MOST {
                    self.runs.insert(entry.run.clone(), name);
                }
                Ok(())
            }
            Action::Read | Action::Write | Action::Exec => self.file(entry, by),
            Action::Connect => match endpoint(target) {
                Ok((host, port)) => {
                    let inside = !entry.allowed && entry.reason.contains("no rule names that address");
                    self.uses.host(&host, Some(port), by, inside)
                }
                // The proxy was asked something that names no host.
                Err(_) => Ok(()),
            },
            Action::Resolve => self.uses.host(target, None, by, false),
            Action::Listen if !entry.allowed => self.uses.odd(
                &format!("listen {}", plain(target)),
                "ports for the outside are named by hand: network.listen",
            ),
            Action::Env if !entry.allowed => self.uses.variable(target),
            Action::Tool if !entry.allowed => {
                self.uses.odd(&format!("tool {}", plain(target)), "tools are named by hand: [tools] allow")
            }
            Action::Syscall => {
                let name = target.split('(').next().unwrap_or_default();
                let why = "the system call profile refuses it; a wider one is not proposed";
                self.uses.odd(&format!("system call {}", plain(name)), why)
            }
            Action::Limit if target == OBSERVED && self.incomplete.len() < MOST => {
                self.incomplete.insert(entry.run.clone());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn file(&mut self, entry: &SandboxAuditEntry, by: Option<PathBuf>) -> Result<(), TooMany> {
        let verb = match entry.action {
            Action::Write => Verb::Write,
            Action::Exec => Verb::Exec,
            _ if entry.reason == LOOKED_AT => Verb::Look,
            _ => Verb::Read,
        };
        let target = entry.target.as_str();
        if let Some(path) = path_of(target) {
            return self.uses.file(verb, path, by);
        }
        // A name, as `weft check exec` takes it.
        if verb == Verb::Exec
            && !target.contains('/')
            && let Some(path) = self.search.first(target)
        {
            return self.uses.file(verb, path, by);
        }
        let relative = names::unescape(target).filter(|bytes| !bytes.is_empty() && !bytes.contains(&0));
        if verb != Verb::Exec
            && let Some(bytes) = relative
            && let path = self.base.places.workspace.join(OsString::from_vec(bytes))
            && path_of(&names::escape(path.as_os_str().as_encoded_bytes())).is_some()
        {
            return self.uses.file(verb, path, by);
        }
        self.uses.odd(&format!("{} {}", entry.action.as_str(), plain(target)), "it is no plain path")
    }

    fn told(self, unreadable: u64) -> Result<Told, Failure> {
        if self.failed.is_some() {
            let what = format!("there are more than {MOST} different things to learn from");
            return Err(Failure::usage(what, "", "name fewer logs, or learn from one run"));
        }
        let mut programs: Vec<&String> = self.runs.values().filter(|name| !name.is_empty()).collect();
        crate::sort::plain(&mut programs);
        programs.dedup();
        let of: Vec<String> = programs.iter().take(5).map(|name| plain(name)).collect();
        let runs = match self.runs.len() {
            1 => "1 run".to_owned(),
            many => format!("{many} runs"),
        };
        let from = if of.is_empty() { runs } else { format!("{runs} of {}", of.join(", ")) };
        let mut notes = Vec::new();
        if unreadable > 0 {
            notes.push(format!("{unreadable} lines of the logs cannot be read and were passed over"));
        }
        if !self.incomplete.is_empty() {
            notes.push(
                "there was more to write down than a log holds: the policy may lack something".to_owned(),
            );
        }
        if self.uses.is_empty() {
            notes.push("nothing was asked for that a policy decides about".to_owned());
        }
        Ok(Told { uses: self.uses, from, notes })
    }
}

/// Text of a log, on one line and not too long.
fn plain(text: &str) -> String {
    const MOST: usize = 200;
    let text = crate::scan::report::visible::visible(text).into_owned();
    match text.len() > MOST {
        true => format!("{}…", &text[..text.floor_char_boundary(MOST)]),
        false => text,
    }
}
