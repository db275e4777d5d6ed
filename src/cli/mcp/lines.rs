//! Lines of a stream, each of a bounded length. One that is longer is passed over to its end, without being kept.

use crate::agents::message;
use std::io::{self, Read};

/// A message, and a byte to see that it is too long.
const MOST: usize = message::MOST + 1;

pub enum Line<'l> {
    /// Without its end.
    Whole(&'l [u8]),
    TooLong,
}

/// What stands for a line that is too long: it is refused for its length.
pub fn too_long() -> Vec<u8> {
    vec![b' '; MOST]
}

pub struct Lines<R> {
    from: R,
    buffer: Vec<u8>,
    /// Where the next line begins, and up to where there is no newline.
    start: usize,
    seen: usize,
    /// The line that began is too long already.
    skipping: bool,
}

impl<R: Read> Lines<R> {
    pub fn new(from: R) -> Lines<R> {
        Lines { from, buffer: Vec::new(), start: 0, seen: 0, skipping: false }
    }

    /// None at the end. A last line without a newline counts.
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            if let Some(length) = memchr::memchr(b'\n', &self.buffer[self.seen..]) {
                let (start, end) = (self.start, self.seen + length);
                (self.start, self.seen) = (end + 1, end + 1);
                if std::mem::take(&mut self.skipping) || end - start > MOST {
                    return Ok(Some(Line::TooLong));
                }
                return Ok(Some(Line::Whole(&self.buffer[start..end])));
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            if self.buffer.len() > MOST {
                self.skipping = true;
                self.buffer.clear();
            }
            self.seen = self.buffer.len();
            let old = self.buffer.len();
            self.buffer.resize(old + 64 * 1024, 0);
            let read = self.from.read(&mut self.buffer[old..]);
            let count = match &read {
                Ok(count) => *count,
                Err(_) => 0,
            };
            self.buffer.truncate(old + count);
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(0) if self.skipping => {
                    self.skipping = false;
                    return Ok(Some(Line::TooLong));
                }
                Ok(0) if self.buffer.is_empty() => return Ok(None),
                Ok(0) => {
                    let end = self.buffer.len();
                    (self.start, self.seen) = (end, end);
                    return Ok(Some(Line::Whole(&self.buffer[..end])));
                }
                Ok(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn all(text: &[u8], step: usize) -> Vec<Option<Vec<u8>>> {
        let mut lines = Lines::new(Slow(text, step));
        let mut out = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            out.push(match line {
                Line::Whole(line) => Some(line.to_vec()),
                Line::TooLong => None,
            });
        }
        out
    }

    #[test]
    fn lines_come_whole_or_not_at_all() {
        let long = vec![b'x'; MOST + 10];
        for step in [1, 3, 1000, 1 << 20] {
            let some = |text: &[u8]| Some(text.to_vec());
            assert_eq!(all(b"a\n\nbc\nd", step), [some(b"a"), some(b""), some(b"bc"), some(b"d")]);
            assert_eq!(all(b"", step), []);
            if step > 100 {
                let mut text = b"a\n".to_vec();
                text.extend(&long);
                text.extend(b"\nb\n");
                assert_eq!(all(&text, step), [some(b"a"), None, some(b"b")]);
                assert_eq!(all(&long, step), [None]);
            }
        }
    }
}
