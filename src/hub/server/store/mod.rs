//! What a hub keeps: contents (`blobs`) and what happened (`log`), on plain files that a person can read. Knows no HTTP and
//! almost no skills: an event is a line of JSON.
//!
//! `docs/hub-store.md` says what each file is and what is promised about it. In short: what was acknowledged is on the
//! disk; what is on the disk and was signed is never changed, or that is noticed; everything else can be computed again.

pub mod admin;
mod adopt;
pub mod answers;
pub mod backup;
pub mod blobs;
pub mod counters;
mod group;
mod lines;
mod log;
mod scan;
mod sign;
pub mod snapshot;
mod tar;
mod tree;
pub mod verify;

pub use adopt::Adoption;
pub use blobs::Blobs;
pub use counters::{Counters, Counts};
pub use sign::Checkpoint;

use crate::digest::Sha256;
use crate::files::write_atomic;
use crate::json::{self, Node, Writer};
use crate::skill::Problem;
use crate::trust::note::Verifier;
use crate::trust::{SecretKey, keyfile};
use log::Log;
use sign::Signer;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// An event is no longer than this, in bytes.
pub const LONGEST_LINE: u32 = 4 << 20;
/// The place of every so many-th event is remembered.
const MARK: u64 = 256;
/// The secret key of the log, below the folder of the store.
const KEY: &str = "keys/log.key";
const SCHEMA: &str = "weft.hub-store/1";
/// What to do about damage.
const REPAIR: &str = "`weft hub verify` says what is damaged; restore it from a backup";
/// How often the lock is tried, and how long is waited between.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);
/// Hex digits of a salt.
const SALT: usize = 32;

/// Where an event is in the log: the bytes of its line, without the end of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub offset: u64,
    pub length: u32,
}

/// What a store says of itself.
pub struct Description {
    /// What its checkpoints are checked with.
    pub verifier: Verifier,
    /// Whose log it follows, where that is another hub's.
    pub replica_of: Option<String>,
}

impl Description {
    fn signer(self) -> Signer {
        match self.replica_of {
            Some(_) => Signer::of_replica(self.verifier),
            None => Signer::without_key(self.verifier),
        }
    }
}

/// An event that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its number, from 0: its leaf in the tree.
    pub index: u64,
    pub span: Span,
}

/// What opening a store has to tell its operator.
#[derive(Clone, Debug, Default)]
pub struct Opened {
    /// How many events there are.
    pub events: u64,
    /// Bytes at the end of the log that were never acknowledged, and were cut off.
    pub cut: u64,
    /// What was found and put right, in sentences.
    pub remarks: Vec<String>,
}

/// The store of a hub, open.
pub struct Store {
    dir: PathBuf,
    log: Log,
    blobs: Blobs,
    counters: Counters,
    replica_of: Option<String>,
    /// Held as long as the store is open for writing.
    _lock: Option<File>,
}

impl Store {
    /// Makes a new store in an empty folder, under a name that is drawn from its key.
    pub fn create(dir: &Path) -> Result<(), Problem> {
        Store::create_named(dir, None).map(drop)
    }

    /// As [`create`](Store::create), under a name for the log: best the URL of the hub without `https://`. Gives what
    /// clients check its checkpoints with.
    pub fn create_named(dir: &Path, name: Option<&str>) -> Result<Verifier, Problem> {
        let shown = dir.display().to_string();
        let failed = |error: io::Error| Problem::file("cannot make the store", dir, &error);
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        if fs::read_dir(dir).map_err(failed)?.next().is_some() {
            return Err(Problem::new(
                "the folder is not empty",
                shown,
                "name one that is empty or not there",
            ));
        }
        let key = SecretKey::generate()
            .ok_or_else(|| Problem::new("the system gives no random numbers", "", ""))?;
        let own = format!("weft-hub/{}", &Sha256::of(key.public().as_bytes()).to_string()[..16]);
        let verifier = Verifier::new(name.unwrap_or(&own), *key.public()).ok_or_else(|| {
            let fix = "up to 200 characters without spaces and +, as in hub.example/log";
            Problem::new("not a name for a log", name.unwrap_or_default(), fix)
        })?;
        folders(dir).map_err(failed)?;
        keyfile::create(&dir.join(KEY), &key, None)?;
        let signer = Signer::open(dir, verifier.clone())?;
        log::create(&dir.join("log"), &signer)?;
        // Last: a folder without it is no store.
        write_description(dir, &verifier, None)
            .and_then(|()| crate::files::sync_folder(dir))
            .map_err(failed)?;
        Ok(verifier)
    }

    /// Makes an empty store that will follow another hub's log, beginning with a checkpoint of an empty one.
    pub fn create_replica(dir: &Path, description: &Description) -> Result<(), Problem> {
        let failed = |error: io::Error| Problem::file("cannot make the store", dir, &error);
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        if fs::read_dir(dir).map_err(failed)?.next().is_some() {
            let fix = "name one that is empty or not there";
            return Err(Problem::new("the folder is not empty", dir.display().to_string(), fix));
        }
        folders(dir).map_err(failed)?;
        log::create_empty(&dir.join("log"))?;
        let Description { verifier, replica_of } = description;
        write_description(dir, verifier, replica_of.as_deref())
            .and_then(|()| crate::files::sync_folder(dir))
            .map_err(failed)
    }

    /// Opens a store for the one process that writes to it.
    ///
    /// # Errors
    /// Where another process has it, and where something is damaged that was signed.
    pub fn open(dir: &Path) -> Result<(Store, Opened), Problem> {
        let description = read_description(dir)?;
        let lock = lock(dir)?;
        let replica_of = description.replica_of.clone();
        let signer = match &replica_of {
            Some(_) => description.signer(),
            None => Signer::open(dir, description.verifier)?,
        };
        let spool = dir.join("spool");
        let clean = empty(&spool, |_| true)
            .and_then(|()| empty(&dir.join("log"), is_unfinished))
            .and_then(|()| empty(&dir.join("log/checkpoints"), is_unfinished))
            .and_then(|()| empty(dir, is_unfinished));
        clean.map_err(|error| Problem::file("cannot clean up the store", dir, &error))?;
        let (log, told) = Log::open(dir.join("log"), signer)?;
        let opened = Opened { events: log.size(), cut: told.cut, remarks: told.remarks };
        Ok((Store::with(dir, log, Some(lock), replica_of)?, opened))
    }

    /// Opens a store for reading, whoever has it: all that its last signed checkpoint covers, or all of it where no other
    /// process is writing.
    pub fn open_read_only(dir: &Path) -> Result<(Store, Opened), Problem> {
        let description = read_description(dir)?;
        let replica_of = description.replica_of.clone();
        let idle = is_idle(dir);
        let (log, told) = Log::open_read_only(dir.join("log"), description.signer(), idle)?;
        let opened = Opened { events: log.size(), cut: 0, remarks: told.remarks };
        Ok((Store::with(dir, log, None, replica_of)?, opened))
    }

    fn with(dir: &Path, log: Log, lock: Option<File>, replica_of: Option<String>) -> Result<Store, Problem> {
        let blobs = Blobs::new(dir.join("blobs"), dir.join("spool"));
        let counters = Counters::open(dir, lock.is_some())?;
        Ok(Store { dir: dir.to_owned(), log, blobs, counters, replica_of, _lock: lock })
    }

    /// The hub that this store follows; none where it is a hub's own.
    pub fn replica_of(&self) -> Option<&str> {
        self.replica_of.as_deref()
    }

    /// May this line be shown to everybody? In a replica those that may not be are not there: others stand for them.
    pub fn is_public(&self, line: &str) -> bool {
        !is_salted(line) && (self.replica_of.is_none() || sign::stands_for(line.as_bytes()).is_none())
    }

    /// Takes in what another hub's log has more, if that follows from what is here; only in a replica.
    pub fn adopt(&self) -> Result<Adoption<'_>, Problem> {
        self.log.adopt()
    }

    /// The folder of the store.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// For what is not whole yet, on the same file system as the blobs. Emptied at start.
    pub fn spool(&self) -> PathBuf {
        self.dir.join("spool")
    }

    pub const fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// Downloads and installs. Whoever serves calls [`Counters::flush`] twice a minute.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Keeps an event; it is on the disk when this returns. `private` must be said of just those whose line ends in
    /// `"salt":"…"}` with 32 random hex digits: they are shown to nobody, only their leaf is.
    ///
    /// # Errors
    /// [`Problem::full`] where the disk is full: nothing was changed, and reading goes on.
    pub fn append(&self, line: &str, private: bool) -> Result<Appended, Problem> {
        let appended = self.append_all(&[(line, private)])?;
        appended.first().copied().ok_or_else(|| Problem::new("an event was not kept", "", ""))
    }

    /// Several events at once: all are kept or none, over a crash too.
    pub fn append_all(&self, lines: &[(&str, bool)]) -> Result<Vec<Appended>, Problem> {
        self.log.append(lines)
    }

    /// The line of an event.
    pub fn read(&self, span: Span) -> Result<String, Problem> {
        self.log.read(span)
    }

    /// Shows the events from an index on, in order.
    pub fn events(
        &self,
        from: u64,
        visit: &mut dyn FnMut(u64, Span, &str) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        self.log.events(from, visit)
    }

    /// How many events there are.
    pub fn size(&self) -> u64 {
        self.log.size()
    }

    /// The latest checkpoint. It covers everything that was acknowledged.
    pub fn checkpoint(&self) -> Arc<Checkpoint> {
        self.log.checkpoint()
    }

    /// What clients check checkpoints with: `name+hash+base64` when written out.
    pub fn verifier(&self) -> &Verifier {
        &self.log.signer().verifier
    }

    /// The proof that an event is in the tree of that size (RFC 9162, 2.1.3); `None` where it is not.
    pub fn inclusion(&self, index: u64, size: u64) -> Option<Vec<Sha256>> {
        self.log.inclusion(index, size)
    }

    /// The proof that the tree of one size is the beginning of that of another (2.1.4); `None` where there are no such two.
    pub fn consistency(&self, from: u64, to: u64) -> Option<Vec<Sha256>> {
        self.log.consistency(from, to)
    }

    /// The leaf of an event.
    pub fn leaf(&self, index: u64) -> Option<Sha256> {
        self.log.leaf(index)
    }

    /// The hash of the `index`-th subtree of those with 2^level leaves; `None` where it is not whole.
    pub fn subtree(&self, level: u32, index: u64) -> Option<Sha256> {
        self.log.subtree(level, index)
    }

    /// The root as it was at that size.
    pub fn root_at(&self, size: u64) -> Option<Sha256> {
        self.log.root_at(size)
    }

    /// Why nothing can be kept any more, if so: the disk failed in a way that leaves nobody sure what is on it.
    pub fn broken(&self) -> Option<&Problem> {
        self.log.broken()
    }
}

/// Is it an object of JSON on one line? Control characters would end it, or fool whoever looks at it.
fn is_event(line: &[u8]) -> bool {
    let framed = line.first() == Some(&b'{') && line.last() == Some(&b'}') && line.iter().all(|b| *b >= 0x20);
    framed && std::str::from_utf8(line).is_ok_and(|text| json::parse(text).is_ok())
}

/// Does the line of an event end in a salt, so that its leaf tells nothing of it? Only such lines are private.
///
/// Nothing inside a text can look like it: the quotes there have a backslash.
pub fn is_salted(line: &str) -> bool {
    let salt = line.strip_suffix("\"}").and_then(|rest| rest.split_at_checked(rest.len().checked_sub(SALT)?));
    salt.is_some_and(|(before, digits)| {
        (before.ends_with(",\"salt\":\"") || before == "{\"salt\":\"")
            && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn description(dir: &Path) -> PathBuf {
    dir.join("store.json")
}

fn folders(dir: &Path) -> io::Result<()> {
    let all = ["blobs", "keys", "log", "spool"];
    all.iter().try_for_each(|folder| DirBuilder::new().mode(0o700).create(dir.join(folder)))
}

fn write_description(dir: &Path, verifier: &Verifier, replica_of: Option<&str>) -> io::Result<()> {
    write_atomic(&description(dir), |out| {
        Writer::new(out).object_lines(|w| {
            w.field("schema", SCHEMA)?;
            w.field("log", &verifier.to_string())?;
            replica_of.map_or(Ok(()), |url| w.field("replica_of", url))
        })?;
        out.write_all(b"\n")
    })
}

/// Is it a store, and whose log is in it?
pub fn read_description(dir: &Path) -> Result<Description, Problem> {
    let path = description(dir);
    let mut text = String::new();
    match File::open(&path).and_then(|file| file.take(4096).read_to_string(&mut text)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let fix = "`weft hub init --data DIR` makes one";
            return Err(Problem::new("there is no store of a hub", dir.display().to_string(), fix));
        }
        Err(error) => return Err(Problem::file("cannot read", &path, &error)),
    }
    let root = json::parse(&text).ok();
    let word = |key: &str| root.as_ref().and_then(|root| root.get(key)).and_then(Node::as_str);
    let verifier = word("log").filter(|_| word("schema") == Some(SCHEMA)).and_then(Verifier::parse);
    let replica_of = word("replica_of").map(str::to_owned);
    verifier.map(|verifier| Description { verifier, replica_of }).ok_or_else(|| {
        let fix = "a newer weft may know it; else restore it from a backup";
        Problem::new("not a store that this weft knows", path.display().to_string(), fix)
    })
}

fn lock_file(dir: &Path) -> io::Result<File> {
    let path = dir.join("lock");
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Takes the store for this process. The kernel lets it go when the process ends, however it ends.
fn lock(dir: &Path) -> Result<File, Problem> {
    let failed = |error: io::Error| Problem::file("cannot lock the store", dir, &error);
    let mut file = lock_file(dir).map_err(failed)?;
    for attempt in 0.. {
        match file.try_lock() {
            Ok(()) => break,
            // A command that only reads may be looking whether somebody writes, which takes it a moment.
            Err(TryLockError::WouldBlock) if attempt < ATTEMPTS => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = (&file).take(20).read_to_string(&mut holder);
                let holder = holder.trim();
                let who = if holder.is_empty() { String::new() } else { format!(" (process {holder})") };
                return Err(Problem::new(
                    format!("another weft has this store{who}"),
                    dir.display().to_string(),
                    "stop it first, or use the commands that ask it",
                ));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    // For whoever comes later and wants to know; nothing depends on it.
    let _ = file.set_len(0).and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()));
    Ok(file)
}

/// Has no process the store open for writing at this moment?
pub fn is_idle(dir: &Path) -> bool {
    // Without a file to lock, or without permission to, nobody is known to write.
    File::open(dir.join("lock")).map_or(true, |file| file.try_lock_shared().is_ok())
}

fn is_unfinished(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".tmp")
}

/// Removes the files of these names from a folder: what an earlier process did not finish.
fn empty(folder: &Path, these: impl Fn(&str) -> bool) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_file() && entry.file_name().to_str().is_none_or(&these) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
