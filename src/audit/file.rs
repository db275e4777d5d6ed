//! The append-only file: each line carries the SHA-256 of the line before, so that a change in the middle shows.
//! Not protection from whoever may write the file: it stands outside every sandbox for that.

use super::{AuditError, SandboxAuditEntry};
use crate::digest::to_hex;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What the first line carries.
pub const EMPTY_CHAIN: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// More than any line that weft writes: six bounded fields, each byte escaped.
pub(super) const LINE: u64 = 256 * 1024;

/// A log file that this process appends to. Several processes may, at once: each append holds the file's lock.
#[derive(Debug)]
pub struct AuditFile {
    path: PathBuf,
    file: File,
    /// The state of the chain when the file had this length.
    length: u64,
    seq: u64,
    last: String,
}

impl AuditFile {
    /// Opens or makes the file (mode 0600, folders 0700), and finds the end of the chain.
    pub fn open(path: &Path) -> Result<AuditFile, AuditError> {
        let fail = |doing, source| AuditError { path: path.to_owned(), doing, source };
        let file = open(path).map_err(|error| fail("open", error))?;
        let mut audit =
            AuditFile { path: path.to_owned(), file, length: 0, seq: 0, last: EMPTY_CHAIN.to_owned() };
        audit.file.lock().map_err(|error| fail("lock", error))?;
        let caught_up = audit.catch_up();
        let unlocked = audit.file.unlock();
        caught_up.map_err(|error| fail("read", error))?;
        unlocked.map_err(|error| fail("unlock", error))?;
        Ok(audit)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds one line. When it fails the file is as it was before, as far as the file system lets it.
    pub fn append(&mut self, entry: &SandboxAuditEntry) -> Result<(), AuditError> {
        let written = self.file.lock().and_then(|()| {
            let written = self.append_locked(entry);
            let unlocked = self.file.unlock();
            written.and(unlocked)
        });
        written.map_err(|source| AuditError { path: self.path.clone(), doing: "write to", source })
    }

    fn append_locked(&mut self, entry: &SandboxAuditEntry) -> io::Result<()> {
        self.catch_up()?;
        let line = entry.line(self.seq + 1, &self.last);
        if let Err(error) = self.file.write_all(&line) {
            // Half a line would hide the next one: take it back. If even that fails, `catch_up` closes the torn line.
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += line.len() as u64;
        self.seq += 1;
        self.last = line_hash(line.trim_ascii_end());
        Ok(())
    }

    pub fn sync(&self) -> Result<(), AuditError> {
        self.file.sync_data().map_err(|source| AuditError { path: self.path.clone(), doing: "sync", source })
    }

    /// The last bytes of the file and where they begin.
    fn tail(&mut self, length: u64, most: u64) -> io::Result<(u64, Vec<u8>)> {
        let start = length.saturating_sub(most);
        self.file.seek(SeekFrom::Start(start))?;
        // Room for all of it, or it would be read in small pieces.
        let mut tail = Vec::with_capacity(usize::try_from(length - start).unwrap_or_default() + 1);
        (&self.file).take(length - start).read_to_end(&mut tail)?;
        Ok((start, tail))
    }

    /// Reads the last line if another process has written since, and ends a line that was torn by a crash.
    fn catch_up(&mut self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if length == self.length {
            return Ok(());
        }
        if length < self.length {
            // Somebody cut the log. Going on from what was last written makes the chain show it.
            self.length = length;
            return Ok(());
        }
        // Most lines are short; only for a long one the whole of what a line may be is read.
        let (mut start, mut tail) = self.tail(length, 4096)?;
        let whole = |tail: &[u8]| tail.iter().rev().skip(1).any(|byte| *byte == b'\n');
        if start > 0 && !whole(&tail) {
            (start, tail) = self.tail(length, LINE)?;
        }
        let mut length = start + tail.len() as u64;
        if tail.last().is_some_and(|byte| *byte != b'\n') {
            self.file.write_all(b"\n")?;
            tail.push(b'\n');
            length += 1;
        }
        tail.pop();
        let (seq, last) = match tail.iter().rposition(|byte| *byte == b'\n') {
            _ if tail.is_empty() => (0, EMPTY_CHAIN.to_owned()),
            Some(before) => chain_end(&tail[before + 1..]),
            None => chain_end(&tail),
        };
        (self.length, self.seq, self.last) = (length, seq, last);
        Ok(())
    }
}

/// A last line that cannot be read still has a hash to go on from; `verify` shows where it broke.
fn chain_end(line: &[u8]) -> (u64, String) {
    let seq = std::str::from_utf8(line)
        .ok()
        .and_then(|line| SandboxAuditEntry::parse(line).ok())
        .map_or(0, |chained| chained.seq);
    (seq, line_hash(line))
}

pub(super) fn line_hash(line: &[u8]) -> String {
    to_hex(&Sha256::digest(line))
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        make_folders(folder)?;
    }
    // A link, a FIFO or a device in its place would send the evidence elsewhere or block.
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    Ok(file)
}

fn make_folders(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
