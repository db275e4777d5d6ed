//! A file too large to hold, as a row of overlapping windows of text. Memory stays bounded; nothing between two windows
//! is missed that fits in the overlap.

use super::finding::SkipReason;
use super::text::{Decoder, TextNote};
use std::io::{ErrorKind, Read};
use std::ops::Range;

/// How much text a window shows, overlap included.
const WINDOW: usize = 2 << 20;
/// How much of it the next window shows again: half in front of what is its own, half behind.
const OVERLAP: usize = 64 << 10;
/// How much is read at a time.
const CHUNK: usize = 256 << 10;

/// A stretch of a large text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    pub text: String,
    /// What starts in here belongs to this window; what starts before or behind is context, and belongs to another.
    pub own: Range<usize>,
    /// Where `text` starts in the whole decoded text.
    pub offset: u64,
    /// Lines before `text`; its first line may be the rest of one.
    pub lines_before: u64,
}

/// Reads a file as windows. Ends with an error if there was more than the limit, or reading failed.
#[derive(Debug)]
pub struct Windows<R> {
    reader: R,
    decoder: Option<Decoder>,
    /// Bytes that may still be read.
    left: u64,
    text: String,
    /// Where in `text` the part begins that no window owned yet.
    fresh: usize,
    offset: u64,
    lines_before: u64,
    ended: bool,
    failed: Option<SkipReason>,
    done: bool,
}

impl<R: Read> Windows<R> {
    /// At most `limit` bytes of the file are looked at.
    pub fn new(reader: R, limit: u64) -> Windows<R> {
        Windows {
            reader,
            decoder: None,
            left: limit,
            text: String::new(),
            fresh: 0,
            offset: 0,
            lines_before: 0,
            ended: false,
            failed: None,
            done: false,
        }
    }

    /// If the file is not text: its kind by magic number, or `Some(None)` where that is unknown. Known after the first
    /// window.
    pub fn binary(&self) -> Option<Option<&'static str>> {
        self.decoder.as_ref().and_then(Decoder::binary)
    }

    /// The encoding, and what was odd about it in all windows so far.
    pub fn encoding(&self) -> (&'static str, Vec<TextNote>) {
        self.decoder.as_ref().map_or(("utf-8", Vec::new()), |d| (d.name(), d.notes()))
    }

    /// Reads until a window is full or the file ends.
    fn fill(&mut self) {
        let mut chunk = vec![0; CHUNK];
        while !self.ended && self.text.len() < WINDOW {
            let want = usize::try_from(self.left).unwrap_or(CHUNK).min(CHUNK);
            let got = self.read_chunk(&mut chunk, want);
            self.left -= got as u64;
            if got < want && self.failed.is_none() {
                self.ended = true;
            } else if self.left == 0 {
                self.ended = true;
                // One byte more tells a file of exactly the limit from a larger one.
                if self.failed.is_none() && self.read_chunk(&mut [0], 1) > 0 {
                    self.failed = Some(SkipReason::TooLarge);
                }
            }
            let bytes = &chunk[..got];
            self.decoder.get_or_insert_with(|| Decoder::new(bytes)).push(bytes, self.ended, &mut self.text);
        }
    }

    /// Fills `chunk[..want]` as far as the file goes. A failed read ends the file and is remembered.
    fn read_chunk(&mut self, chunk: &mut [u8], want: usize) -> usize {
        let mut got = 0;
        while got < want {
            match self.reader.read(&mut chunk[got..want]) {
                Ok(0) => break,
                Ok(n) => got += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    self.failed = Some(SkipReason::ReadError);
                    self.ended = true;
                    break;
                }
            }
        }
        got
    }
}

impl<R: Read> Iterator for Windows<R> {
    type Item = Result<Window, SkipReason>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return self.failed.take().map(Err);
        }
        self.fill();
        self.done = self.ended && self.text.len() <= WINDOW;
        let (own_end, next_start) = if self.done {
            (self.text.len(), self.text.len())
        } else {
            let end = cut(&self.text, WINDOW.min(self.text.len()) - OVERLAP / 2);
            (end, cut(&self.text, end - OVERLAP / 2))
        };
        // Text past the window is carried over, so that a window never grows.
        let shown =
            if self.done { own_end } else { floor(&self.text, (own_end + OVERLAP / 2).min(self.text.len())) };
        let rest = self.text[next_start..].to_owned();
        let mut text = std::mem::replace(&mut self.text, rest);
        text.truncate(shown);
        let window =
            Window { own: self.fresh..own_end, offset: self.offset, lines_before: self.lines_before, text };
        let passed = &window.text.as_bytes()[..next_start];
        self.fresh = own_end - next_start;
        self.offset += next_start as u64;
        self.lines_before += memchr::memchr_iter(b'\n', passed).count() as u64;
        Some(Ok(window))
    }
}

/// The last line start at or a little before `at`, or the last character boundary.
fn cut(text: &str, at: usize) -> usize {
    let from = floor(text, at.saturating_sub(OVERLAP / 4));
    let at = floor(text, at);
    memchr::memrchr(b'\n', &text.as_bytes()[from..at]).map_or(at, |i| from + i + 1)
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that gives a few bytes at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let n = out.len().min(self.0.len()).min(10_007);
            out[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn check(text: &str, bytes: &[u8]) {
        let mut own = String::new();
        let mut count = 0;
        for window in Windows::new(Slow(bytes), u64::MAX) {
            let window = window.unwrap();
            assert!(window.text.len() <= WINDOW);
            let start = usize::try_from(window.offset).unwrap();
            assert_eq!(&text[start..start + window.text.len()], window.text);
            assert_eq!(text[..start].matches('\n').count() as u64, window.lines_before);
            assert!(count == 0 || window.own.start > OVERLAP / 8);
            own.push_str(&window.text[window.own.clone()]);
            count += 1;
        }
        assert!(own == text, "the own parts are the whole text");
        assert!(text.len() < WINDOW || count > 1);
    }

    #[test]
    fn windows_cover_the_text_once() {
        let lines: String = (0..200_000).map(|i| format!("line {i}, größe\r\n")).collect();
        check(&lines, lines.as_bytes());
        let one_line = "日本x".repeat(900_000);
        check(&one_line, one_line.as_bytes());
        let wide: Vec<u8> = format!("\u{feff}{lines}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        check(&lines, &wide);
        for n in [0, 1, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW, CHUNK * 8, CHUNK * 9] {
            let text = "a".repeat(n);
            check(&text, text.as_bytes());
        }
    }

    #[test]
    fn what_is_over_the_limit_is_said() {
        let text = vec![b'x'; 3 << 20];
        let all: Vec<_> = Windows::new(&text[..], 3 << 20).collect();
        assert!(all.iter().all(Result::is_ok));
        let cut: Vec<_> = Windows::new(&text[..], (3 << 20) - 1).collect();
        assert_eq!(cut.last(), Some(&Err(SkipReason::TooLarge)));
        let own: usize = cut.iter().flatten().map(|w| w.own.len()).sum();
        assert_eq!(own, (3 << 20) - 1);
    }

    #[test]
    fn a_large_binary_gives_its_strings() {
        let mut bytes = vec![0u8; 9 << 20];
        bytes[..4].copy_from_slice(b"\x7fELF");
        bytes[7 << 20..][..20].copy_from_slice(b"curl -s http://x | s");
        let mut windows = Windows::new(&bytes[..], u64::MAX);
        assert_eq!(windows.next().unwrap().unwrap().text, "curl -s http://x | s");
        assert_eq!(windows.binary(), Some(Some("elf")));
        assert!(windows.next().is_none());
    }
}
