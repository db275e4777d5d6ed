//! One file as the scanner sees it: decoded text, its segments, and the layers that were hidden behind encodings.

use super::clues::{self, Clues};
use super::finding::Span;
use super::work::Work;
use crate::rules::{Lang, Place, Rule};
use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

/// A stretch of a file that one kind of reader acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub range: Range<usize>,
    pub place: Place,
    pub lang: Lang,
}

/// Text that stood behind one or more encodings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    pub text: String,
    /// Byte range in [`Doc::text`] that was decoded.
    pub origin: Range<usize>,
    /// Outermost encoding first.
    pub chain: Vec<&'static str>,
    pub place: Place,
    pub lang: Lang,
}

#[derive(Clone, Debug)]
pub struct Doc {
    /// As shown to the user.
    pub path: Arc<str>,
    pub text: String,
    /// What the whole file is.
    pub place: Place,
    pub lang: Lang,
    /// Sorted, not overlapping, covering `text`.
    pub segments: Vec<Segment>,
    pub layers: Vec<Layer>,
    lines: OnceCell<LineIndex>,
    /// What `text` may have in it.
    pub clues: Clues,
    /// What looking at it has cost so far, beyond what every text costs.
    pub work: Work,
    /// See `context`.
    pub(super) about_attacks: OnceCell<bool>,
}

/// One match of one rule, before context and combination.
#[derive(Clone, Debug)]
pub struct Hit {
    pub rule: &'static Rule,
    /// `None`: in [`Doc::text`]; otherwise an index into [`Doc::layers`].
    pub layer: Option<usize>,
    /// Byte range in that text.
    pub range: Range<usize>,
    /// Says more than the rule's message where code knows more.
    pub note: Option<String>,
}

impl Doc {
    /// A file without layers yet.
    pub fn new(path: Arc<str>, text: String, place: Place, lang: Lang, segments: Vec<Segment>) -> Doc {
        let (clues, work) = (clues::look(&text), Work::for_text(text.len()));
        Doc::looked_at(path, text, place, lang, segments, clues, work)
    }

    /// A file that has been looked at, with the work that took.
    pub fn looked_at(
        path: Arc<str>,
        text: String,
        place: Place,
        lang: Lang,
        segments: Vec<Segment>,
        clues: Clues,
        work: Work,
    ) -> Doc {
        Doc {
            path,
            text,
            place,
            lang,
            segments,
            layers: Vec::new(),
            lines: OnceCell::new(),
            clues,
            work,
            about_attacks: OnceCell::new(),
        }
    }

    /// Where the lines start; found when it is first asked for, for most files have nothing to report.
    pub fn lines(&self) -> &LineIndex {
        self.lines.get_or_init(|| LineIndex::new(&self.text))
    }

    /// The segment that `offset` (in `text`) stands in.
    pub fn segment_at(&self, offset: usize) -> Segment {
        let i = self.segments.partition_point(|s| s.range.end <= offset);
        match self.segments.get(i) {
            Some(s) if s.range.start <= offset => s.clone(),
            _ => Segment { range: 0..self.text.len(), place: self.place, lang: self.lang },
        }
    }

    /// The byte range in [`Doc::text`] that a hit stands for: its own, or that of the encoded piece it was found in.
    pub fn origin(&self, hit: &Hit) -> Range<usize> {
        match hit.layer.and_then(|i| self.layers.get(i)) {
            Some(layer) => layer.origin.clone(),
            None => hit.range.clone(),
        }
    }

    /// The text a hit was found in.
    pub fn text_of(&self, hit: &Hit) -> &str {
        match hit.layer.and_then(|i| self.layers.get(i)) {
            Some(layer) => &layer.text,
            None => &self.text,
        }
    }
}

/// Byte offsets of line starts.
#[derive(Clone, Debug, Default)]
pub struct LineIndex {
    starts: Vec<u32>,
}

impl LineIndex {
    pub fn new(text: &str) -> LineIndex {
        let mut starts = vec![0u32];
        starts.extend(
            memchr::memchr_iter(b'\n', text.as_bytes()).map(|i| u32::try_from(i + 1).unwrap_or(u32::MAX)),
        );
        LineIndex { starts }
    }

    /// Line number of a byte offset, from 1.
    pub fn line(&self, offset: usize) -> u32 {
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        u32::try_from(self.starts.partition_point(|&s| s <= offset)).unwrap_or(u32::MAX).max(1)
    }

    /// Byte offset of the start of a line (from 1); the end of the last line where there are fewer.
    pub fn start(&self, line: u32) -> usize {
        let i = (line.max(1) as usize - 1).min(self.starts.len().saturating_sub(1));
        self.starts.get(i).map_or(0, |&s| s as usize)
    }

    /// Byte range of the line `offset` stands on, without its line end.
    pub fn line_range(&self, text: &str, offset: usize) -> Range<usize> {
        let line = self.line(offset) as usize;
        let start = self.starts.get(line - 1).map_or(0, |&s| s as usize).min(text.len());
        let end =
            self.starts.get(line).map_or(text.len(), |&s| (s as usize).saturating_sub(1)).min(text.len());
        let end = if end > start && text.as_bytes()[end - 1] == b'\r' { end - 1 } else { end };
        start..end.max(start)
    }

    /// The span of a byte range as people and SARIF count it.
    pub fn span(&self, text: &str, bytes: Range<usize>) -> Span {
        let column = |offset: usize| {
            let start = self.line_range(text, offset).start;
            let piece = text.get(start..offset).unwrap_or("");
            u32::try_from(piece.chars().count() + 1).unwrap_or(u32::MAX)
        };
        // The end is exclusive; it belongs to the line of the last byte, so that a match up to a line end stays on it.
        let last = bytes.end.saturating_sub(1).max(bytes.start);
        let end_line = self.line(last);
        let end_column = if self.line(bytes.end) == end_line { column(bytes.end) } else { column(last) + 1 };
        Span { line: self.line(bytes.start), column: column(bytes.start), end_line, end_column, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_count_lines_and_characters() {
        let text = "ab\r\nçdé\nlast";
        let lines = LineIndex::new(text);
        let at = text.find('d').unwrap();
        let span = lines.span(text, at..at + 1);
        assert_eq!((span.line, span.column, span.end_line, span.end_column), (2, 2, 2, 3));
        let span = lines.span(text, text.len() - 4..text.len());
        assert_eq!((span.line, span.column, span.end_line, span.end_column), (3, 1, 3, 5));
        assert_eq!(&text[lines.line_range(text, 1)], "ab");
    }

    #[test]
    fn an_empty_text_has_one_line() {
        let lines = LineIndex::new("");
        assert_eq!(lines.span("", 0..0).line, 1);
    }
}
