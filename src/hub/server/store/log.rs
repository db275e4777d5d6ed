//! The log of events: one line each, only ever appended to, durable before anybody is told so, and a Merkle tree over it
//! that is signed after each batch.
//!
//! Whoever appends puts its lines into the batch that is being gathered. The first who finds nobody writing takes the
//! batch, writes and syncs it for all in it, and meanwhile the next one gathers: one sync serves all who wait.

use super::group::Group;
use super::lines::Lines;
use super::scan::{Scan, scan};
use super::sign::{self, Checkpoint, Found, Signer};
use super::tree::Tree;
use super::{Appended, LONGEST_LINE, MARK, REPAIR, Span, is_event, is_salted};
use crate::clock;
use crate::digest::Sha256;
use crate::files::sync_folder;
use crate::skill::Problem;
use crate::trust::merkle;
use crate::words;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{
    Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};

/// A batch is closed beyond so many bytes; who comes later waits for the next.
const LARGEST_BATCH: usize = 16 << 20;
/// A checkpoint is kept for good once in so many seconds, if there is a new one.
const KEEP_EVERY: u64 = 24 * 3600;
/// An old checkpoint is signed anew after so many seconds, so that clients see that it is still the latest.
const RENEW_AFTER: u64 = 12 * 3600;
/// What was cut off is kept beside the log up to this size.
const LARGEST_CUT: u64 = 64 << 20;

pub struct Log {
    pub(super) file: File,
    pub(super) path: PathBuf,
    folder: PathBuf,
    hashes: File,
    group: Option<Group>,
    pub(super) signer: Signer,
    state: RwLock<State>,
    queue: Mutex<Queue>,
    done: Condvar,
    /// Why nothing is appended any more.
    broken: OnceLock<Problem>,
}

/// What everybody sees: all of it on the disk.
pub(super) struct State {
    pub(super) tree: Tree,
    /// Where the next line goes.
    pub(super) end: u64,
    pub(super) marks: Vec<u64>,
    pub(super) checkpoint: Arc<Checkpoint>,
    /// When one was kept for good.
    kept: u64,
}

#[derive(Default)]
struct Queue {
    batch: Batch,
    /// Somebody is writing.
    writing: bool,
}

/// Lines that are written and synced together.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    lengths: Vec<u32>,
    /// It holds lines of which all count or none.
    grouped: bool,
    outcome: Arc<OnceLock<Result<Start, Problem>>>,
}

/// Where a batch begins in the log.
#[derive(Clone, Copy)]
struct Start {
    index: u64,
    offset: u64,
}

/// What opening a log has to tell.
#[derive(Debug, Default)]
pub struct Told {
    /// Bytes that were cut off the end.
    pub cut: u64,
    pub remarks: Vec<String>,
}

fn events(folder: &Path) -> PathBuf {
    folder.join("events.jsonl")
}

/// Makes an empty log and signs that it is empty.
pub fn create(folder: &Path, signer: &Signer) -> Result<(), Problem> {
    let path = events(folder);
    let make =
        |path: &Path| OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.sync_all();
    let failed = |error: io::Error| Problem::file("cannot make the log", &path, &error);
    make(&path).and_then(|()| make(&folder.join("hashes"))).map_err(failed)?;
    let empty = signer.sign(0, merkle::empty()).ok_or_else(|| cannot_sign(folder))?;
    sign::write_latest(folder, &empty, true)
        .and_then(|()| sign::keep(folder, &empty))
        .and_then(|()| sync_folder(folder))
        .map_err(failed)
}

fn cannot_sign(folder: &Path) -> Problem {
    Problem::new("the key of the log is missing", folder.display().to_string(), "restore it from a backup")
}

/// Makes the log of a replica, which nobody has signed anything of yet.
pub fn create_empty(folder: &Path) -> Result<(), Problem> {
    let path = events(folder);
    let make =
        |path: &Path| OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.sync_all();
    make(&path)
        .and_then(|()| make(&folder.join("hashes")))
        .and_then(|()| sync_folder(folder))
        .map_err(|error| Problem::file("cannot make the log", &path, &error))
}

/// The state that a replica begins with: of an empty log everything follows.
fn nothing_yet() -> Checkpoint {
    Checkpoint { size: 0, root: merkle::empty(), time: 0, note: String::new() }
}

/// The largest checkpoint; without one nobody knows what the log was.
fn largest(found: &Found, folder: &Path, signer: &Signer) -> Result<Checkpoint, Problem> {
    let none = found.good.is_empty();
    if none && signer.is_replica() && fs::metadata(events(folder)).is_ok_and(|meta| meta.len() == 0) {
        return Ok(nothing_yet());
    }
    found.good.last().cloned().ok_or_else(|| {
        let what = "the log has no checkpoint that holds: nothing says what belongs in it";
        Problem::new(what, folder.display().to_string(), REPAIR)
    })
}

impl Log {
    /// Opens it for writing, which only one process may do. What is torn at the end goes.
    pub fn open(folder: PathBuf, signer: Signer) -> Result<(Log, Told), Problem> {
        let path = events(&folder);
        let failed = |error: io::Error| Problem::file("cannot open the log", &path, &error);
        let open = |path: &Path, create| {
            OpenOptions::new().read(true).write(true).create(create).truncate(false).mode(0o600).open(path)
        };
        let file = open(&path, false).map_err(failed)?;
        let hashes = open(&folder.join("hashes"), true).map_err(failed)?;
        let found = sign::find(&folder, &signer)?;
        let signed = largest(&found, &folder, &signer)?;
        let mut told = Told::default();
        for bad in found.bad.iter().filter(|_| signed.time > 0) {
            told.remarks.push(format!("a checkpoint is damaged or missing: {}", bad.display()));
        }
        let mut group = Group::open(&folder).map_err(failed)?;
        // A replica has nothing of its own: what its hub has not signed goes.
        let stop = signer.is_replica().then_some(signed.size);
        let mut read = scan(&file, &path, &hashes, true, (&signer, &signed), stop)?;
        if let Some(half) = group.half(&file, read.end).map_err(failed)? {
            // Lines of which all count or none, and not all are there. They are behind what was signed.
            let stop = size_at(&file, half).map_err(failed)?;
            if stop >= signed.size {
                read = scan(&file, &path, &hashes, true, (&signer, &signed), Some(stop))?;
            }
        }
        told.cut = cut_tail(&file, &folder, read.end, &mut told.remarks).map_err(failed)?;
        group.clear();
        if read.mended > 0 {
            told.remarks.push(format!("{} hashes of the log's tree were computed anew", read.mended));
        }
        let _ = hashes.set_len(super::tree::count(read.tree.size()) * super::tree::WIDTH);
        let root = read.tree.root();
        let checkpoint = match signer.is_replica() {
            true => signed,
            false => signer.sign(read.tree.size(), root).ok_or_else(|| cannot_sign(&folder))?,
        };
        let mut log = Log::with(file, folder, hashes, signer, read, checkpoint, found.kept);
        log.group = Some(group);
        if !log.signer.is_replica()
            && let Err(error) = log.write_checkpoint(true)
        {
            // A full disk must not keep anybody from reading.
            told.remarks.push(format!("the log's checkpoint cannot be written: {}", words::reason(&error)));
        }
        Ok((log, told))
    }

    /// Opens it for reading while another process may be writing. `all` shows what is not signed yet too: right only
    /// where nobody writes.
    pub fn open_read_only(folder: PathBuf, signer: Signer, all: bool) -> Result<(Log, Told), Problem> {
        let path = events(&folder);
        let failed = |error: io::Error| Problem::file("cannot open the log", &path, &error);
        // Before the log: what they cover is in it.
        let found = sign::find(&folder, &signer)?;
        let signed = largest(&found, &folder, &signer)?;
        let file = File::open(&path).map_err(failed)?;
        let hashes = match File::open(folder.join("hashes")) {
            Ok(hashes) => hashes,
            // All hashes are computed, as none can be read here.
            Err(_) => File::open("/dev/null").map_err(failed)?,
        };
        let mut told = Told::default();
        told.remarks
            .extend(found.bad.iter().map(|bad| format!("a checkpoint does not hold: {}", bad.display())));
        let stop = if all && !signer.is_replica() { None } else { Some(signed.size) };
        let read = scan(&file, &path, &hashes, false, (&signer, &signed), stop)?;
        Ok((Log::with(file, folder, hashes, signer, read, signed, found.kept), told))
    }

    fn with(
        file: File,
        folder: PathBuf,
        hashes: File,
        signer: Signer,
        read: Scan,
        checkpoint: Checkpoint,
        kept: u64,
    ) -> Log {
        let Scan { tree, end, marks, .. } = read;
        let state = State { tree, end, marks, checkpoint: Arc::new(checkpoint), kept };
        Log {
            file,
            path: events(&folder),
            folder,
            hashes,
            group: None,
            signer,
            state: RwLock::new(state),
            queue: Mutex::default(),
            done: Condvar::new(),
            broken: OnceLock::new(),
        }
    }

    pub(super) fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub const fn signer(&self) -> &Signer {
        &self.signer
    }

    pub fn size(&self) -> u64 {
        self.state().tree.size()
    }

    /// Where the log ends, in bytes.
    pub fn end(&self) -> u64 {
        self.state().end
    }

    pub fn broken(&self) -> Option<&Problem> {
        self.broken.get()
    }

    /// The latest one. Never covers anything that is not on the disk.
    pub fn checkpoint(&self) -> Arc<Checkpoint> {
        let latest = Arc::clone(&self.state().checkpoint);
        if latest.time + RENEW_AFTER > clock::now().as_secs() {
            return latest;
        }
        let mut state = self.state_mut();
        // In memory alone: on the disk it is written with the next event, or at the next start.
        match self.signer.sign(state.tree.size(), state.tree.root()) {
            Some(checkpoint) => {
                state.checkpoint = Arc::new(checkpoint);
                Arc::clone(&state.checkpoint)
            }
            None => latest,
        }
    }

    pub fn leaf(&self, index: u64) -> Option<Sha256> {
        self.state().tree.leaf(index).ok()
    }

    /// The hash of a whole subtree.
    pub fn subtree(&self, level: u32, index: u64) -> Option<Sha256> {
        self.state().tree.subtree(level, index)
    }

    pub fn root_at(&self, size: u64) -> Option<Sha256> {
        self.state().tree.root_at(size)
    }

    pub fn inclusion(&self, index: u64, size: u64) -> Option<Vec<Sha256>> {
        self.state().tree.inclusion(index, size)
    }

    pub fn consistency(&self, from: u64, to: u64) -> Option<Vec<Sha256>> {
        self.state().tree.consistency(from, to)
    }

    /// One line, without its end.
    pub fn read(&self, span: Span) -> Result<String, Problem> {
        let wrong = |what: &str| Problem::new(what, self.path.display().to_string(), REPAIR);
        let end = span.offset.checked_add(u64::from(span.length));
        if span.length > LONGEST_LINE || end.is_none_or(|end| end >= self.end()) {
            return Err(wrong("no event is at that place of the log"));
        }
        let mut bytes = vec![0; span.length as usize];
        self.file
            .read_exact_at(&mut bytes, span.offset)
            .map_err(|error| Problem::file("cannot read the log", &self.path, &error))?;
        String::from_utf8(bytes).map_err(|_| wrong("an event is not UTF-8"))
    }

    /// Shows every event from an index on, in order, up to the last one that there was when this began.
    pub fn events(
        &self,
        from: u64,
        visit: &mut dyn FnMut(u64, Span, &str) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        self.some_events(from, u64::MAX, &mut |index, span, line| visit(index, span, line).map(|()| true))
    }

    /// As [`events`](Log::events), to below another index and until the visitor has enough.
    pub fn some_events(
        &self,
        from: u64,
        until: u64,
        visit: &mut dyn FnMut(u64, Span, &str) -> Result<bool, Problem>,
    ) -> Result<(), Problem> {
        let (until, end, mark) = {
            let state = self.state();
            let mark = usize::try_from(from / MARK).ok().and_then(|at| state.marks.get(at)).copied();
            (until.min(state.tree.size()), state.end, mark)
        };
        let Some(mark) = mark.filter(|_| from < until) else { return Ok(()) };
        let failed = |error: io::Error| Problem::file("cannot read the log", &self.path, &error);
        let wrong = |what: &str| Problem::new(what, self.path.display().to_string(), REPAIR);
        let mut lines = Lines::new(&self.file, mark, end);
        for index in from / MARK * MARK..until {
            let line = lines.next().map_err(failed)?.filter(|line| line.whole);
            let Some(line) = line else { return Err(wrong("the log ends before its last event")) };
            if index < from {
                continue;
            }
            let text = std::str::from_utf8(line.bytes).map_err(|_| wrong("an event is not UTF-8"))?;
            if !visit(index, Span { offset: line.offset, length: text.len() as u32 }, text)? {
                break;
            }
        }
        Ok(())
    }

    /// Appends lines, all or none. Durable when it returns.
    pub fn append(&self, lines: &[(&str, bool)]) -> Result<Vec<Appended>, Problem> {
        for (line, private) in lines {
            self.check(line, *private)?;
        }
        if lines.is_empty() {
            return Ok(Vec::new());
        }
        let mut queue = self.queue();
        while queue.batch.bytes.len() >= LARGEST_BATCH {
            queue = self.done.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        let batch = &mut queue.batch;
        let (first, skip) = (batch.lengths.len(), batch.bytes.len());
        for (line, _) in lines {
            batch.bytes.extend_from_slice(line.as_bytes());
            batch.bytes.push(b'\n');
            // No longer than a line may be.
            batch.lengths.push(line.len() as u32);
        }
        batch.grouped |= lines.len() > 1;
        let outcome = Arc::clone(&batch.outcome);
        while outcome.get().is_none() {
            if queue.writing {
                queue = self.done.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            queue.writing = true;
            let batch = std::mem::take(&mut queue.batch);
            drop(queue);
            let result = self.commit(&batch);
            queue = self.queue();
            queue.writing = false;
            let _ = batch.outcome.set(result);
            self.done.notify_all();
        }
        drop(queue);
        let start = match outcome.get() {
            Some(Ok(start)) => *start,
            Some(Err(problem)) => return Err(problem.clone()),
            None => {
                return Err(Problem::new("an event was not written", self.path.display().to_string(), ""));
            }
        };
        let mut offset = start.offset + skip as u64;
        let mut index = start.index + first as u64;
        let one = |(line, _): &(&str, bool)| {
            let appended = Appended { index, span: Span { offset, length: line.len() as u32 } };
            offset += line.len() as u64 + 1;
            index += 1;
            appended
        };
        Ok(lines.iter().map(one).collect())
    }

    /// What is no event must never get in: nothing gets it out again.
    fn check(&self, line: &str, private: bool) -> Result<(), Problem> {
        let no =
            |what: &str| Err(Problem::new(what, "an event that was to be kept", "this is a mistake in weft"));
        if line.len() > LONGEST_LINE as usize {
            return no("too long");
        }
        if !is_event(line.as_bytes()) {
            return no("not an object of JSON on one line");
        }
        if self.signer.is_replica() {
            let what = "this is a replica: nothing is decided here";
            return Err(Problem::new(
                what,
                self.path.display().to_string(),
                "do it at the hub that it follows",
            ));
        }
        if is_salted(line) != private {
            return no("a private event, and only that, ends in its salt");
        }
        Ok(())
    }

    /// Writes a batch to the disk and makes it visible. Called by one at a time.
    fn commit(&self, batch: &Batch) -> Result<Start, Problem> {
        if let Some(broken) = self.broken.get() {
            return Err(broken.clone());
        }
        let (index, offset) = {
            let state = self.state();
            (state.tree.size(), state.end)
        };
        let Some(group) = &self.group else {
            return Err(Problem::new(
                "the log is open for reading only",
                self.path.display().to_string(),
                "",
            ));
        };
        let first = batch.lengths.first().map_or(0, |length| *length as usize);
        if batch.grouped {
            let failed = |error| Problem::file("cannot write to the log", &self.path, &error);
            let line = batch.bytes.get(..first).unwrap_or_default();
            group.announce(offset, batch.bytes.len() as u64, line).map_err(failed)?;
        }
        if let Err(error) = self.file.write_all_at(&batch.bytes, offset) {
            return Err(self.take_back(offset, &error, false));
        }
        if let Err(error) = self.file.sync_data() {
            return Err(self.take_back(offset, &error, true));
        }
        let mut leaves = Vec::with_capacity(batch.lengths.len());
        let mut at = 0;
        for length in &batch.lengths {
            let end = at + *length as usize;
            leaves.push((offset + at as u64, self.signer.leaf(batch.bytes.get(at..end).unwrap_or_default())));
            at = end + 1;
        }
        {
            let mut state = self.state_mut();
            for (at, leaf) in leaves {
                if state.tree.size().is_multiple_of(MARK) {
                    state.marks.push(at);
                }
                state.tree.push(leaf);
            }
            state.end = offset + batch.bytes.len() as u64;
            if let Some(checkpoint) = self.signer.sign(state.tree.size(), state.tree.root()) {
                state.checkpoint = Arc::new(checkpoint);
            }
        }
        self.write_hashes();
        let _ = self.write_checkpoint(false);
        Ok(Start { index, offset })
    }

    /// What follows from the log. That it cannot be written harms nobody: it is found out and made again.
    pub(super) fn write_hashes(&self) {
        let (offset, bytes) = self.state().tree.unwritten();
        if self.hashes.write_all_at(&bytes, offset).is_ok() {
            self.state_mut().tree.wrote(bytes.len());
        }
    }

    pub(super) fn write_checkpoint(&self, sync: bool) -> io::Result<()> {
        let (checkpoint, kept) = {
            let state = self.state();
            (Arc::clone(&state.checkpoint), state.kept)
        };
        sign::write_latest(&self.folder, &checkpoint, sync)?;
        if kept + KEEP_EVERY <= checkpoint.time {
            sign::keep(&self.folder, &checkpoint)?;
            self.state_mut().kept = checkpoint.time;
        }
        Ok(())
    }

    /// Cuts off what was written of a batch that failed. Where that cannot be done, or nobody knows what the disk has
    /// (a failed sync may have thrown pages away), nothing is appended any more.
    fn take_back(&self, end: u64, error: &io::Error, by_sync: bool) -> Problem {
        let problem = Problem::file("cannot write to the log", &self.path, error);
        let cut = self.file.set_len(end).and_then(|()| self.file.sync_data());
        if let Some(group) = &self.group {
            group.clear();
        }
        if cut.is_ok() && (problem.full || !by_sync) {
            return problem;
        }
        let what = format!("the log takes nothing any more: {}", words::reason(error));
        let fix = "look at the disk, then start again: what was acknowledged is there";
        let _ = self.broken.set(Problem::new(what, self.path.display().to_string(), fix));
        problem
    }
}

/// How many lines end at or before an offset.
fn size_at(file: &File, offset: u64) -> io::Result<u64> {
    let mut lines = Lines::new(file, 0, offset);
    let mut size = 0;
    while lines.next()?.is_some() {
        size += 1;
    }
    Ok(size)
}

/// Cuts off what lies behind the last event, and keeps it beside the log in case somebody wants to know.
fn cut_tail(file: &File, folder: &Path, end: u64, remarks: &mut Vec<String>) -> io::Result<u64> {
    let torn = file.metadata()?.len().saturating_sub(end);
    if torn == 0 {
        return Ok(0);
    }
    let mut bytes = vec![0; torn.min(LARGEST_CUT) as usize];
    file.read_exact_at(&mut bytes, end)?;
    let mut aside = String::new();
    if bytes.iter().any(|byte| *byte != 0) {
        let path = folder.join(format!("torn-{end}-{}", clock::now().as_secs()));
        if fs::write(&path, &bytes).is_ok() {
            aside = format!("; they are in {}", path.display());
        }
    }
    file.set_len(end)?;
    file.sync_all()?;
    remarks.push(format!(
        "the last {torn} bytes of the log were no event that was acknowledged, and were cut off{aside}"
    ));
    Ok(torn)
}
