//! Reads a file of lines from an offset on, by position, so that others may read and append at the same time.

use super::LONGEST_LINE;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;

/// A file, read from a place of its own up to another.
pub struct At<'a> {
    pub file: &'a File,
    pub offset: u64,
    pub end: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(self.end.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let length = buffer.len().min(rest);
        let got = self.file.read_at(&mut buffer[..length], self.offset)?;
        self.offset += got as u64;
        Ok(got)
    }
}

/// The lines of a file between two offsets.
pub struct Lines<'a> {
    reader: BufReader<At<'a>>,
    offset: u64,
    line: Vec<u8>,
}

/// A line without its end.
pub struct Line<'l> {
    pub offset: u64,
    pub bytes: &'l [u8],
    /// It has an end, and is not longer than a line may be.
    pub whole: bool,
}

impl<'a> Lines<'a> {
    pub fn new(file: &'a File, offset: u64, end: u64) -> Lines<'a> {
        let reader = BufReader::with_capacity(256 << 10, At { file, offset, end });
        Lines { reader, offset, line: Vec::new() }
    }

    /// The next line; behind one that is not whole there is nothing to be made of the rest.
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut reader = self.reader.by_ref().take(u64::from(LONGEST_LINE) + 1);
        let got = reader.read_until(b'\n', &mut self.line)?;
        if got == 0 {
            return Ok(None);
        }
        let offset = self.offset;
        self.offset += got as u64;
        let whole = self.line.ends_with(b"\n");
        Ok(Some(Line { offset, bytes: self.line.strip_suffix(b"\n").unwrap_or(&self.line), whole }))
    }
}
