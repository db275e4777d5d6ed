//! Cuts a file into stretches that one kind of reader acts on: frontmatter, prose, code, what a rendered page hides.
//! Linear in the text, whatever it holds. Decides no language by itself beyond fences without one: see `lang`.

mod html;
mod markdown;

use super::doc::Segment;
use crate::rules::{Lang, Place};
use std::ops::Range;

/// Segments of a file that `lang::classify` called `place` and `lang`: sorted, not overlapping, covering `text`.
///
/// Markdown is cut into frontmatter, prose, fences, inline code and hidden text; plain text into prose and fences;
/// HTML into prose, scripts and hidden text. Everything else is one segment.
pub fn segment(text: &str, place: Place, lang: Lang) -> Vec<Segment> {
    let mut cutter = Cutter { out: Vec::new(), place, lang, at: 0 };
    match (place, lang) {
        (Place::Prose, Lang::Unknown) => markdown::cut(text, true, &mut cutter),
        (Place::Prose, Lang::Text) => markdown::cut(text, false, &mut cutter),
        (Place::Prose | Place::Config, Lang::Html) => html::cut(text, &mut cutter),
        _ => {}
    }
    cutter.finish(text.len())
}

/// Collects special stretches in order and fills what lies between with the base place.
struct Cutter {
    out: Vec<Segment>,
    place: Place,
    lang: Lang,
    /// Everything before is covered.
    at: usize,
}

impl Cutter {
    /// Says that `range` is something else than the base. Ranges come in order; what is covered already stays as it is.
    fn put(&mut self, range: Range<usize>, place: Place, lang: Lang) {
        let start = range.start.max(self.at);
        if start >= range.end {
            return;
        }
        if start > self.at {
            self.push_base(start);
        }
        self.out.push(Segment { range: start..range.end, place, lang });
        self.at = range.end;
    }

    fn push_base(&mut self, end: usize) {
        self.out.push(Segment { range: self.at..end, place: self.place, lang: self.lang });
    }

    fn finish(mut self, len: usize) -> Vec<Segment> {
        if self.at < len {
            self.push_base(len);
        }
        self.out
    }
}

/// What a line of Markdown is, as far as one line can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    Blank,
    Heading,
    TableRow,
    ListItem,
    Quote,
    Other,
}

/// The kind of one line of Markdown.
pub fn line_kind(line: &str) -> LineKind {
    let line = line.trim();
    let Some(first) = line.as_bytes().first() else {
        return LineKind::Blank;
    };
    match first {
        b'#' if is_heading(line) => LineKind::Heading,
        b'|' => LineKind::TableRow,
        b'>' => LineKind::Quote,
        b'-' | b'*' | b'+' | b'0'..=b'9' if list_marker(line.as_bytes()) > 0 => LineKind::ListItem,
        // A table without outer bars: at least two inner ones with space around.
        _ if line.matches(" | ").count() >= 2 => LineKind::TableRow,
        _ => LineKind::Other,
    }
}

/// One to six `#` and a space.
fn is_heading(line: &str) -> bool {
    let rest = line.trim_start_matches('#');
    let level = line.len() - rest.len();
    (1..=6).contains(&level) && (rest.is_empty() || rest.starts_with([' ', '\t']))
}

/// Length of the list marker and the white space after it that `line` starts with; 0 if there is none.
fn list_marker(line: &[u8]) -> usize {
    let digits = line.iter().take(10).take_while(|b| b.is_ascii_digit()).count();
    let mark = match (digits, line.get(digits)) {
        (0, Some(b'-' | b'*' | b'+')) => 1,
        (1..=9, Some(b'.' | b')')) => digits + 1,
        _ => return 0,
    };
    match line.get(mark) {
        Some(b' ' | b'\t') => mark + 1,
        _ => 0,
    }
}

/// How many lines above a place a heading is looked for.
const HEADING_REACH: usize = 200;

/// The nearest Markdown heading above `offset`, without its marks. Comments in fences are no headings.
pub fn heading_at(text: &str, offset: usize) -> Option<&str> {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let end = memchr::memrchr(b'\n', &text.as_bytes()[..end])?;
    let mut start = end;
    for _ in 0..HEADING_REACH {
        match memchr::memrchr(b'\n', &text.as_bytes()[..start]) {
            Some(i) => start = i,
            None => {
                start = 0;
                break;
            }
        }
    }
    let mut heading = None;
    let mut fenced = false;
    let mut above = "";
    for line in text[start..end].lines().map(str::trim) {
        if line.starts_with("```") || line.starts_with("~~~") {
            // A mark with an info string can only open, whatever was counted before it.
            fenced = !fenced || !line.trim_start_matches(['`', '~']).is_empty();
        } else if !fenced && is_heading(line) {
            heading = Some(line.trim_matches('#').trim()).filter(|t| !t.is_empty()).or(heading);
        } else if !fenced && line.len() >= 3 && line.bytes().all(|b| b == b'=') && !above.is_empty() {
            heading = Some(above);
        }
        above = line;
    }
    heading
}

#[cfg(test)]
mod tests;
