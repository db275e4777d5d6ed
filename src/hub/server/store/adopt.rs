//! How a replica takes in what another hub's log has more: lines are written behind the end of what counts, and count when a
//! checkpoint of that hub covers just them. Until then nobody sees them, and a start cuts them off.

use super::log::Log;
use super::sign::stand_in;
use super::{LONGEST_LINE, MARK, is_event, is_salted};
use crate::digest::Sha256;
use crate::skill::Problem;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Written at a time.
const CHUNK: usize = 4 << 20;

/// Lines that are on their way in. Dropping it leaves the log as it was.
pub struct Adoption<'a> {
    log: &'a Log,
    /// Where the next line goes, without what is in `bytes`.
    written: u64,
    bytes: Vec<u8>,
    /// Where each line begins, and its leaf.
    lines: Vec<(u64, Sha256)>,
}

impl Log {
    /// Begins. Only a replica does, and only one at a time: whoever follows is one thread.
    pub fn adopt(&self) -> Result<Adoption<'_>, Problem> {
        if !self.signer.is_replica() {
            let at = self.path.display().to_string();
            return Err(Problem::new("this log is a hub's own and follows none", at, ""));
        }
        if let Some(broken) = self.broken() {
            return Err(broken.clone());
        }
        Ok(Adoption { log: self, written: self.end(), bytes: Vec::new(), lines: Vec::new() })
    }
}

impl Adoption<'_> {
    /// How many events there would be.
    pub fn size(&self) -> u64 {
        self.log.size() + self.lines.len() as u64
    }

    /// An event whose line is shown.
    pub fn event(&mut self, line: &str) -> Result<(), Problem> {
        if line.len() > LONGEST_LINE as usize || !is_event(line.as_bytes()) || is_salted(line) {
            let at = format!("event {}", self.size());
            return Err(Problem::denied("the hub shows an event that is none", at, "ask who runs it"));
        }
        self.line(line)
    }

    /// An event of which the leaf is all that is shown.
    pub fn leaf(&mut self, leaf: &Sha256) -> Result<(), Problem> {
        self.line(&stand_in(leaf))
    }

    fn line(&mut self, line: &str) -> Result<(), Problem> {
        let at = self.written + self.bytes.len() as u64;
        self.lines.push((at, self.log.signer.leaf(line.as_bytes())));
        self.bytes.extend_from_slice(line.as_bytes());
        self.bytes.push(b'\n');
        if self.bytes.len() >= CHUNK { self.write() } else { Ok(()) }
    }

    fn failed(&self, error: &io::Error) -> Problem {
        Problem::file("cannot write to the log", &self.log.path, error)
    }

    fn write(&mut self) -> Result<(), Problem> {
        self.log.file.write_all_at(&self.bytes, self.written).map_err(|error| self.failed(&error))?;
        self.written += self.bytes.len() as u64;
        self.bytes.clear();
        Ok(())
    }

    /// From now on they count, if the note is a checkpoint of the log's key over all that was here and just these lines.
    ///
    /// # Errors
    /// Denied where it is not: the hub shows another log than before, or other events than it signed.
    pub fn finish(mut self, note: String) -> Result<(), Problem> {
        let log = self.log;
        let denied = |what: &str| {
            Problem::denied(what, log.path.display().to_string(), "ask who runs the hub that is followed")
        };
        let checkpoint =
            log.signer.check(note).ok_or_else(|| denied("the checkpoint is not signed by the log's key"))?;
        if checkpoint.size != self.size() {
            return Err(denied("the checkpoint is over another number of events"));
        }
        let leaves: Vec<Sha256> = self.lines.iter().map(|(_, leaf)| *leaf).collect();
        let root = log.state().tree.root_with(&leaves).map_err(|error| self.failed(&error))?;
        if root != checkpoint.root {
            return Err(denied("the hub's events are not those that it signed: its log was changed"));
        }
        self.write()?;
        log.file.sync_data().map_err(|error| self.failed(&error))?;
        {
            let mut state = log.state_mut();
            for (at, leaf) in &self.lines {
                if state.tree.size().is_multiple_of(MARK) {
                    state.marks.push(*at);
                }
                state.tree.push(*leaf);
            }
            state.end = self.written;
            state.checkpoint = Arc::new(checkpoint);
        }
        self.lines.clear();
        log.write_hashes();
        log.write_checkpoint(true).map_err(|error| self.failed(&error))
    }
}

impl Drop for Adoption<'_> {
    fn drop(&mut self) {
        // What does not count, goes; where that fails, the next start does it.
        let end = self.log.end();
        if self.written > end {
            let _ = self.log.file.set_len(end);
        }
    }
}
