//! Padding: blank lines or spaces by the hundred push what follows out of sight of a reader, and out of the part of a
//! file that other scanners look at.

use super::{Doc, Raise};

/// Blank lines in a row that no editor and no author leaves by accident.
const BLANK_LINES: usize = 120;
/// Spaces in a row within a line that push text out of any window.
const SPACES: usize = 400;

pub fn check(doc: &Doc, raise: &mut Raise) {
    let bytes = doc.text.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        if !bytes[i].is_ascii_whitespace() {
            // Nothing shorter than the shortest padding matters, so most of a text is stepped over.
            i += 1;
            match memchr::memchr2(b'\n', b' ', &bytes[i..]) {
                Some(step) => i += step,
                None => return,
            }
            continue;
        }
        let start = i;
        let mut lines = 0;
        while i < bytes.len() && bytes[i].is_ascii_whitespace() {
            lines += usize::from(bytes[i] == b'\n');
            i += 1;
        }
        if i == bytes.len() {
            return;
        }
        let padded = lines > BLANK_LINES || (lines == 0 && i - start > SPACES);
        if padded {
            let what =
                if lines > 0 { format!("{lines} blank lines") } else { format!("{} spaces", i - start) };
            // The finding stands where the text goes on: that is what was to be hidden.
            let end = doc.lines.line_range(&doc.text, i).end;
            raise(
                "padding",
                i..end.max(i),
                Some(format!("{what} stand before this text and hide it from a reader")),
            );
        }
    }
}
