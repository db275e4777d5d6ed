//! Stretches of blanks so long that what follows is out of sight: below the end of the screen, right of its edge, or
//! behind the size at which another tool stops reading. Not what hides there.

/// A stretch of blanks with text behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Padding {
    /// Byte offset of the first blank.
    pub offset: usize,
    /// In bytes.
    pub len: usize,
    /// Line breaks in it; 0 if the text goes on to the right.
    pub lines: usize,
}

/// Fewer blanks in a row than this are a matter of taste.
const SHORTEST: usize = 256;
/// More than so many are not listed.
const MOST: usize = 16;

/// The paddings of a text. Every stretch of [`SHORTEST`] blank bytes covers one byte of those looked at, so that a
/// text without any costs next to nothing.
pub fn find(text: &str) -> Vec<Padding> {
    find_after(text, false)
}

/// [`find`] for a part of a text. `continued`: other text stands before it.
pub fn find_after(text: &str, continued: bool) -> Vec<Padding> {
    let mut found = Vec::new();
    let mut at = SHORTEST - 1;
    while at < text.len() && found.len() < MOST {
        let blank = text.as_bytes()[at];
        // Blanks outside ASCII start with one of four bytes; the rest of text ends here.
        if !(is_blank_byte(blank) || blank >= 0x80) {
            at += SHORTEST;
            continue;
        }
        let here = (0..=at).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
        let (before, after) = text.split_at(here);
        let tail = before.trim_end_matches(is_blank);
        let rest = after.trim_start_matches(is_blank);
        let (start, end) = (tail.len(), text.len() - rest.len());
        at = end.max(at) + SHORTEST;
        if end - start >= SHORTEST && !rest.is_empty() {
            let lines = memchr::memchr_iter(b'\n', &text.as_bytes()[start..end]).count();
            let starts_line = if tail.is_empty() { !continued } else { tail.ends_with('\n') };
            if hides(starts_line, rest, end - start, lines) {
                found.push(Padding { offset: start, len: end - start, lines });
            }
        }
    }
    found
}

/// Blank lines by the hundred, or a line that goes on far to the right. The cells of a wide table are padded too.
fn hides(starts_line: bool, rest: &str, len: usize, lines: usize) -> bool {
    match lines {
        0 => !starts_line && !rest.starts_with(['|', '\u{2502}', '+']),
        _ => lines >= SHORTEST || len / (lines + 1) >= SHORTEST,
    }
}

fn is_blank_byte(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{2800}' | '\u{3164}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_rows_and_columns() {
        let text = format!("a\n{}b;{}c", "\n".repeat(300), " ".repeat(400));
        assert_eq!(
            find(&text),
            [Padding { offset: 1, len: 301, lines: 301 }, Padding { offset: 304, len: 400, lines: 0 }]
        );
        for n in [256, 257, 511, 512, 5000] {
            assert_eq!(find(&format!("x;{}import os", "\u{2800}".repeat(n))).len(), 1, "{n}");
            assert_eq!(find(&format!("x{}y", "\r\n".repeat(n))).len(), 1, "{n}");
        }
    }

    #[test]
    fn a_part_of_a_text_goes_on() {
        let text = format!("{}x", " ".repeat(300));
        assert_eq!(find(&text), []);
        assert_eq!(find_after(&text, true).len(), 1);
    }

    #[test]
    fn ordinary_blanks_are_not_padding() {
        for text in [
            String::new(),
            "a\n\n\nb".into(),
            format!("| a {} | b |", " ".repeat(500)),
            format!("end{}", "\n".repeat(5000)),
            "日本語".repeat(500),
            format!("    {}", "word ".repeat(1000)),
        ] {
            assert_eq!(find(&text), [], "{text:.20}");
        }
    }

    #[test]
    fn many_paddings_cost_no_more_than_one() {
        let text = format!("x{}", " ".repeat(300)).repeat(20_000);
        assert_eq!(find(&text).len(), MOST);
    }
}
