//! Reads the whole log once: what is in it, whether it is what was signed, and where it ends. Never changes the log.

use super::lines::{At, Lines};
use super::sign::{Checkpoint, Signer};
use super::tree::{Tree, WIDTH, count};
use super::{MARK, REPAIR, is_event};
use crate::digest::Sha256;
use crate::skill::Problem;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Hashes are written anew so many at a time.
const CHUNK: usize = 4096;

/// What a log is found to be.
pub struct Scan {
    /// Of the lines that count.
    pub tree: Tree,
    /// Where they end; what lies behind is torn.
    pub end: u64,
    /// Offset of each [`MARK`]-th event.
    pub marks: Vec<u64>,
    /// So many hashes in the file were wrong or missing.
    pub mended: u64,
}

/// Reads the log and the file of its hashes, which is put right where `mend` says so. `signed` is the largest checkpoint: what it covers has to be there as it was.
/// `stop` ends the log at a size, for who must not see more.
///
/// # Errors
/// Where something is damaged that was signed.
pub fn scan(
    log: &File,
    path: &Path,
    hashes: &File,
    mend: bool,
    (signer, signed): (&Signer, &Checkpoint),
    stop: Option<u64>,
) -> Result<Scan, Problem> {
    let failed = |error: io::Error| Problem::file("cannot read the log", path, &error);
    let length = log.metadata().map_err(failed)?.len();
    let mut tree = Tree::new(hashes.try_clone().map_err(failed)?, 0);
    let mut known = Known::new(hashes, mend);
    let (mut end, mut marks) = (0, Vec::new());
    let mut lines = Lines::new(log, 0, length);
    let stop = stop.unwrap_or(u64::MAX);
    while tree.size() < stop
        && let Some(line) = lines.next().map_err(failed)?
    {
        // What is covered is held against the root; what is not must at least be an event.
        let covered = tree.size() < signed.size;
        if !line.whole || !covered && !is_event(line.bytes) {
            break;
        }
        if tree.size().is_multiple_of(MARK) {
            marks.push(end);
        }
        tree.replay(signer.leaf(line.bytes), &mut |hash| known.next(hash));
        end += line.bytes.len() as u64 + 1;
        if tree.size() == signed.size && tree.root() != signed.root {
            let what = format!(
                "the log is damaged: its first {} events are not those that were signed",
                signed.size
            );
            return Err(Problem::new(what, path.display().to_string(), REPAIR));
        }
    }
    if tree.size() < signed.size {
        let what = format!("the log is damaged: {} of {} signed events are there", tree.size(), signed.size);
        return Err(Problem::new(what, path.display().to_string(), REPAIR));
    }
    known.write();
    let mended = count(tree.size()) - known.right;
    tree.continues(known.good, known.pending);
    Ok(Scan { tree, end, marks, mended })
}

/// Holds hashes, as they are computed, against those in the file, and may mend it.
struct Known<'a> {
    reader: io::BufReader<At<'a>>,
    /// Where what is wrong is written anew; none only looks.
    mend: Option<&'a File>,
    /// So many in the file are right.
    good: u64,
    /// So many were right before any was mended.
    right: u64,
    /// What follows and is not in the file.
    pending: Vec<Sha256>,
}

impl<'a> Known<'a> {
    fn new(file: &'a File, mend: bool) -> Known<'a> {
        let reader = io::BufReader::with_capacity(64 << 10, At { file, offset: 0, end: u64::MAX });
        Known { reader, mend: mend.then_some(file), good: 0, right: 0, pending: Vec::new() }
    }

    fn next(&mut self, hash: Sha256) {
        let mut bytes = [0; WIDTH as usize];
        let intact = self.right == self.good && self.pending.is_empty();
        // A file that cannot be read is one that is written anew.
        if intact && self.reader.read_exact(&mut bytes).is_ok() && bytes == *hash.as_bytes() {
            (self.good, self.right) = (self.good + 1, self.right + 1);
            return;
        }
        self.pending.push(hash);
        if self.pending.len() >= CHUNK {
            self.write();
        }
    }

    /// Where that fails, what was to be written is kept: it is needed, not the file.
    fn write(&mut self) {
        let Some(file) = self.mend else { return };
        let bytes: Vec<u8> = self.pending.iter().flat_map(|hash| *hash.as_bytes()).collect();
        match file.write_all_at(&bytes, self.good * WIDTH) {
            Ok(()) => {
                self.good += self.pending.len() as u64;
                self.pending.clear();
            }
            Err(_) => self.mend = None,
        }
    }
}
