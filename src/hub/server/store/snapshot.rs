//! What was computed from the log, kept so that a start need not compute it again. Opaque bytes that count only for the log
//! they were made from; losing them costs time alone.
//!
//! The file: `weft-snapshot-1 SIZE ROOT\n`, the bytes, and the SHA-256 of all of that.

use super::Store;
use crate::digest::{Hasher, Sha256};
use crate::files::write_lightly;
use crate::skill::Problem;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Take, Write};
use std::path::PathBuf;

const HEADER: &str = "weft-snapshot-1";
/// Longer than any first line.
const LONGEST_HEADER: u64 = 128;

/// A snapshot that belongs to this log: its bytes, to be read once.
pub struct Snapshot {
    /// How many events it covers: what follows is to be read from the log.
    pub size: u64,
    body: Take<BufReader<File>>,
}

impl Snapshot {
    /// How many bytes are still to be read.
    pub fn length(&self) -> u64 {
        self.body.limit()
    }
}

impl Read for Snapshot {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.body.read(buffer)
    }
}

/// Writes through, and hashes.
struct Hashing<'a> {
    out: &'a mut dyn Write,
    hasher: Hasher,
}

impl Write for Hashing<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let wrote = self.out.write(buffer)?;
        self.hasher.update(buffer.get(..wrote).unwrap_or_default());
        Ok(wrote)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Store {
    fn snapshot_file(&self) -> PathBuf {
        self.dir.join("snapshot")
    }

    /// Keeps what was computed from the first `size` events.
    pub fn save_snapshot(
        &self,
        size: u64,
        body: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Problem> {
        let path = self.snapshot_file();
        let root = self.root_at(size).ok_or_else(|| {
            Problem::new("a snapshot of more events than there are", path.display().to_string(), "")
        })?;
        let write = |out: &mut dyn Write| {
            let mut out = Hashing { out, hasher: Hasher::default() };
            writeln!(out, "{HEADER} {size} {root}")?;
            body(&mut out)?;
            let Hashing { out, hasher } = out;
            out.write_all(hasher.finish().as_bytes())
        };
        write_lightly(&path, write).map_err(|error| Problem::file("cannot write the snapshot", &path, &error))
    }

    /// The snapshot, if there is one that is whole and was made from this log as it is now. The file is read twice: once to
    /// see that.
    pub fn load_snapshot(&self) -> Option<Snapshot> {
        let file = File::open(self.snapshot_file()).ok()?;
        let length = file.metadata().ok()?.len().checked_sub(32)?;
        let mut reader = BufReader::with_capacity(256 << 10, file);
        let mut whole = reader.by_ref().take(length);
        let (hash, _) = Sha256::of_reader(&mut whole, u64::MAX).ok()?;
        let mut last = [0; 32];
        reader.read_exact(&mut last).ok()?;
        (Sha256::from_bytes(last) == hash).then_some(())?;
        let mut file = reader.into_inner();
        io::Seek::rewind(&mut file).ok()?;
        let mut reader = BufReader::with_capacity(256 << 10, file);
        let mut header = String::new();
        reader.by_ref().take(LONGEST_HEADER).read_line(&mut header).ok()?;
        let mut words = header.strip_suffix('\n')?.split(' ');
        (words.next() == Some(HEADER)).then_some(())?;
        let size: u64 = words.next()?.parse().ok()?;
        let root = Sha256::parse(words.next()?)?;
        let body = reader.take(length.checked_sub(header.len() as u64)?);
        (self.root_at(size) == Some(root)).then_some(Snapshot { size, body })
    }
}
