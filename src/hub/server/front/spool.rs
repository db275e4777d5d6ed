//! The folder where bodies lie while they are looked at: one file each, for nobody else to read, hashed while it is written and
//! removed unless somebody renames it away. Whether a body is wanted is not asked here.

use super::super::http::Spooled;
use crate::digest::Hasher;
use crate::skill::Problem;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// What our files begin with; others in the folder are left alone.
const PREFIX: &str = "up-";

#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    next: AtomicU64,
}

impl Spool {
    /// Makes the folder and removes what an earlier process left in it. Only one process may use a folder at a time.
    pub fn open(folder: PathBuf) -> Result<Spool, Problem> {
        let bad = |what: &str, error: &io::Error| Problem::file(what, &folder, error);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(|error| bad("cannot make the folder for uploads", &error))?;
        let entries =
            fs::read_dir(&folder).map_err(|error| bad("cannot read the folder for uploads", &error))?;
        for entry in entries.flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
                // One that stays takes room and means nothing.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(Spool { folder, next: AtomicU64::new(0) })
    }

    /// A new file.
    pub fn start(&self) -> io::Result<Writing> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!("{PREFIX}{}-{number}", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Writing { file, path: Some(path), hasher: Hasher::default(), length: 0 })
    }
}

/// A file that is being written; dropped, it is removed.
pub struct Writing {
    file: File,
    path: Option<PathBuf>,
    hasher: Hasher,
    length: u64,
}

impl Writing {
    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// It is whole.
    pub fn finish(mut self) -> Spooled {
        let path = self.path.take().unwrap_or_default();
        Spooled { path, length: self.length, sha256: std::mem::take(&mut self.hasher).finish() }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}
