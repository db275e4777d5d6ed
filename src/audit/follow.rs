//! Reads a log that others write: what is there, and then what is added. Not whether the chain is whole; `verify` does that.

use super::file::LINE;
use super::{AuditError, SandboxAuditEntry};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A place in a log.
#[derive(Debug)]
pub struct Follow {
    path: PathBuf,
    file: File,
    at: u64,
    /// The line that is not at its end yet.
    part: Vec<u8>,
}

impl Follow {
    /// From the beginning, or from what is added from now on.
    pub fn open(path: &Path, all: bool) -> Result<Follow, AuditError> {
        let fail = |source| AuditError { path: path.to_owned(), doing: "read", source };
        let file = File::open(path).map_err(fail)?;
        let meta = file.metadata().map_err(fail)?;
        if !meta.is_file() {
            return Err(fail(std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                "it is not a regular file",
            )));
        }
        let at = if all { 0 } else { meta.len() };
        Ok(Follow { path: path.to_owned(), file, at, part: Vec::new() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Hands over what has come since the last time, and says how many lines were no entries.
    pub fn entries(&mut self, each: &mut dyn FnMut(SandboxAuditEntry)) -> Result<u64, AuditError> {
        let path = &self.path;
        let fail = |source| AuditError { path: path.clone(), doing: "read", source };
        let length = self.file.metadata().map_err(fail)?.len();
        if length < self.at {
            // It was cut: what is written from now on counts.
            self.at = length;
            self.part.clear();
        }
        self.file.seek(SeekFrom::Start(self.at)).map_err(fail)?;
        let mut buffer = [0; 64 * 1024];
        let mut unreadable = 0;
        loop {
            let count = self.file.read(&mut buffer).map_err(fail)?;
            if count == 0 {
                return Ok(unreadable);
            }
            self.at += count as u64;
            let mut rest = &buffer[..count];
            while let Some(length) = memchr::memchr(b'\n', rest) {
                self.part.extend_from_slice(&rest[..length]);
                rest = &rest[length + 1..];
                let text = std::str::from_utf8(&self.part).ok();
                match text.map(SandboxAuditEntry::parse) {
                    Some(Ok(found)) => each(found.entry),
                    _ => unreadable += 1,
                }
                self.part.clear();
            }
            self.part.extend_from_slice(rest);
            // No line of weft's is so long; its beginning is no entry either.
            if self.part.len() as u64 > LINE {
                self.part.truncate(1);
            }
        }
    }
}
