//! Holds a registry to its log: that it only ever grows, and that what is installed is in it. A registry that shows no log,
//! and never did, is taken as it is.
//!
//! The answers are described where they are made, in `server::store::answers`.

use super::model::{below, number, word};
use super::{Ask, Dialect, Hub, exported, layout};
use crate::clock;
use crate::digest::Sha256;
use crate::json::{self, Node};
use crate::net::Url;
use crate::skill::Problem;
use crate::trust::book::{self, Book};
use crate::trust::log::{self, LogFault, Remembered};
use crate::trust::merkle;
use crate::trust::note::{self, SignedCheckpoint, Verifier};
use std::path::Path;

/// A path through a tree has no more hashes than this.
const LONGEST_PATH: usize = 128;

/// A version that is to be found in the log.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Where the registry says it is; none if it says nothing.
    pub index: Option<u64>,
    pub version: &'a str,
    /// What the registry, or the lock, says of its content.
    pub content_hash: Option<Sha256>,
}

/// What came of a look at the log.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// The content hash that the log has for the version.
    pub content_hash: Option<Sha256>,
    /// Worth telling, and no reason to stop.
    pub remarks: Vec<String>,
    /// To be remembered in place of what was.
    pub now: Option<Remembered>,
}

/// Where a registry that was put back from a backup is let in again.
fn way_out(hub: &Hub) -> String {
    format!("ask who runs it; if it was put back from a backup: weft skill trust forget-log {}", hub.origin())
}

impl Hub {
    /// Where the registry answers questions about its log.
    pub(super) fn log_url(&self, path: &str) -> Url {
        let root = self.base.path().trim_end_matches('/');
        let root = match self.dialect {
            Dialect::Contract => root.strip_suffix("/api/weft").unwrap_or(root),
            Dialect::ClawHub | Dialect::Exported => root,
        };
        self.base.with_path(&format!("{root}/api/v1/log/{path}"))
    }

    fn ask_log(&self, path: &str) -> Result<Node, Problem> {
        self.ask_json(Ask { keep: None, ..Ask::get(self.log_url(path)) })
    }

    fn ask_checkpoint(&self) -> Result<Node, Problem> {
        match self.dialect {
            Dialect::Exported => {
                let url = below(&self.base, &layout::checkpoint());
                self.ask_json(Ask { keep: None, ..Ask::get(url) })
            }
            _ => self.ask_log("checkpoint"),
        }
    }

    /// The proof that the log only grew between two sizes.
    fn ask_growth(&self, from: u64, to: u64) -> Result<Vec<Sha256>, Problem> {
        let none = || self.log_denied("a proof about the log is none");
        match self.dialect {
            Dialect::Exported => self.prove_by_tiles(to, &|subtrees| merkle::consistency(from, to, subtrees)),
            _ => hashes(&self.ask_log(&format!("consistency?from={from}&to={to}"))?).ok_or_else(none),
        }
    }

    /// An event, and the proof that it is in the log of that size; none where it is not shown.
    fn ask_entry(&self, index: u64, size: u64) -> Result<Option<(String, Vec<Sha256>)>, Problem> {
        if self.dialect == Dialect::Exported {
            let line = exported::event(self, index)?;
            let path = self.prove_by_tiles(size, &|subtrees| merkle::inclusion(index, size, subtrees))?;
            return Ok(Some((line, path)));
        }
        let answer = self.ask_log(&format!("proof?index={index}&size={size}"))?;
        Ok(word(&answer, "event").zip(hashes(&answer)))
    }

    /// A proof that is put together here, from the tiles of a registry that is files.
    fn prove_by_tiles(
        &self,
        size: u64,
        make: &dyn Fn(merkle::Subtrees) -> Option<Vec<Sha256>>,
    ) -> Result<Vec<Sha256>, Problem> {
        let tiles = exported::Tiles::new(self, size);
        make(&|level, index| tiles.subtree(level, index)).ok_or_else(|| {
            tiles.failed.into_inner().unwrap_or_else(|| self.log_denied("a proof about the log is none"))
        })
    }

    fn log_denied(&self, what: impl Into<String>) -> Problem {
        Problem::denied(what, self.registry.clone(), "nothing was installed; ask who runs this registry")
    }

    /// Looks at the log for a version, and at what the log has become since it was seen last. Nothing is asked of a registry
    /// that says nothing of a log and never showed one.
    ///
    /// # Errors
    /// Denied where the log was taken back or rewritten, or does not have the version as it came.
    pub fn check_log(&self, book: &Book, entry: Option<Entry>) -> Result<Checked, Problem> {
        let origin = self.origin();
        let before = book.log(&origin);
        let index = entry.and_then(|entry| entry.index);
        let mut checked = Checked::default();
        if before.is_none() && index.is_none() {
            return Ok(checked);
        }
        if self.offline {
            checked.remarks.push("its log was not looked at: there is no network".into());
            return Ok(checked);
        }
        let (signed, now) = self.follow_log(before)?;
        let clock = clock::now().as_secs();
        if signed.time.is_none() {
            checked
                .remarks
                .push("the registry's checkpoint does not say when it was signed: it may be old".into());
        }
        if log::is_stale(&signed, clock) {
            checked.remarks.push("the registry shows a state that is older than seven days".into());
        }
        if log::is_future(&signed, clock) {
            checked
                .remarks
                .push("the registry's log is signed in the future: is the clock here right?".into());
        }
        if let Some(entry) = entry {
            checked.content_hash = Some(self.look_up(entry, &signed)?);
        }
        checked.now = Some(now);
        Ok(checked)
    }

    /// The latest checkpoint, if it may follow the one that was seen before.
    fn follow_log(&self, before: Option<&Remembered>) -> Result<(SignedCheckpoint, Remembered), Problem> {
        let answer = match self.ask_checkpoint() {
            Err(problem) if problem.what.contains("(404") => {
                return Err(self.log_denied("the registry does not show its log any more"));
            }
            answer => answer?,
        };
        let (Some(text), Some(key)) = (word(&answer, "checkpoint"), word(&answer, "key")) else {
            return Err(self.log_denied("the registry's answer is no checkpoint of a log"));
        };
        let Some(shown) = Verifier::parse(&key) else {
            return Err(self.log_denied("the registry shows a key of its log that is none"));
        };
        let fault = |fault: LogFault| Problem::denied(fault.as_str(), self.registry.clone(), way_out(self));
        if before.is_some_and(|before| before.verifier != shown) {
            return Err(fault(LogFault::Key));
        }
        let signed = note::verify(&text, &shown)
            .map_err(|bad| self.log_denied(format!("the registry's checkpoint: {}", bad.as_str())))?;
        let clock = clock::now().as_secs();
        let Some(before) = before else {
            let note::Checkpoint { size, root, .. } = signed.checkpoint;
            let time = signed.time.unwrap_or(clock);
            return Ok((signed, Remembered { verifier: shown, size, root, time }));
        };
        let proof = match log::needs_proof(before, &signed).map_err(fault)? {
            false => Vec::new(),
            true => self.ask_growth(before.size, signed.checkpoint.size)?,
        };
        let now = log::follow(before, &signed, &proof, clock).map_err(fault)?;
        Ok((signed, now))
    }

    /// The content hash of a version, as the log has it.
    fn look_up(&self, entry: Entry, signed: &SignedCheckpoint) -> Result<Sha256, Problem> {
        let note::Checkpoint { size, root, .. } = &signed.checkpoint;
        let Some(index) = entry.index.filter(|index| index < size) else {
            return Err(self.log_denied(format!("{} is not in the registry's log", entry.version)));
        };
        let no = |what: &str| self.log_denied(format!("{}: {what}", entry.version));
        let Some((event, path)) = self.ask_entry(index, *size)? else {
            return Err(no("the registry does not prove that it is in its log"));
        };
        if !merkle::includes(&merkle::leaf(event.as_bytes()), index, *size, root, &path) {
            return Err(no("the registry's proof that it is in its log is wrong"));
        }
        let logged = json::parse(&event).ok().filter(|node| word(node, "type").as_deref() == Some("publish"));
        let release = logged.as_ref().and_then(|node| node.get("release"));
        let version = release.and_then(|release| word(release, "version"));
        let hash = release.and_then(|release| Sha256::parse(&word(release, "content_hash")?));
        let Some(hash) = hash.filter(|_| version.as_deref() == Some(entry.version)) else {
            return Err(no("the registry's log has something else at its place"));
        };
        if entry.content_hash.is_some_and(|other| other != hash) {
            return Err(no("the registry's log has other content for it"));
        }
        Ok(hash)
    }

    /// Notes how far the log has come, so that it cannot go back from there.
    pub fn remember_log(&self, path: &Path, checked: &Checked) -> Result<(), Problem> {
        let Some(now) = &checked.now else { return Ok(()) };
        book::change(path, |book| {
            let origin = self.origin();
            // Another command may have come further meanwhile.
            let further = book.log(&origin).is_some_and(|other| other.size > now.size);
            if !further {
                book.set_log(&origin, now.clone());
            }
            Ok(())
        })
    }
}

fn hashes(node: &Node) -> Option<Vec<Sha256>> {
    let list = node.get("hashes")?.as_array()?;
    let one = |node: &Node| Sha256::parse(node.as_str()?);
    if list.len() > LONGEST_PATH { None } else { list.iter().map(one).collect() }
}

/// Where a version is in the log, as its description says: `{"weft":{"log":{"index":N}}}`.
pub fn index(node: &Node) -> Option<u64> {
    number(node.get("weft")?.get("log")?, "index")
}
