//! Rewrites stretches of a text in place: decoders say which bytes become what, and lines that changed become one layer.
//! Holds no more than a window of edits at a time.

use super::{Sink, line_around};
use std::ops::Range;

/// Edits further apart than this belong to different layers, and a layer shows no more of a long line.
const REACH: usize = 512;

/// Edits in one layer.
const MAX_EDITS: usize = 16 << 10;

/// What replaces a range.
pub(super) enum With {
    Nothing,
    Char(char),
    Text(String),
}

struct Edit {
    range: Range<usize>,
    with: With,
}

/// Collects edits in order and puts each window of them as a layer.
pub(super) struct Editor {
    name: &'static str,
    edits: Vec<Edit>,
    /// Edits of the window that nobody makes by accident.
    deliberate: usize,
    /// So many of them make the window a layer whatever it says.
    enough: usize,
    /// Look into every window, whatever it says.
    looks_on: bool,
    /// Words that stood elsewhere in the text already.
    known: usize,
}

impl Editor {
    pub fn new(name: &'static str, enough: usize) -> Editor {
        Editor { name, edits: Vec::new(), deliberate: 0, enough, looks_on: false, known: 0 }
    }

    pub fn looking_on(self) -> Editor {
        Editor { looks_on: true, ..self }
    }

    /// What the layer is called; to be said before the edit that it is about.
    pub fn name(&mut self, sink: &mut Sink, at: usize, name: &'static str) {
        if self.is_far(sink.text, at) {
            self.flush(sink);
        }
        self.name = if self.edits.is_empty() || self.name == name { name } else { "unicode" };
    }

    /// Will an edit at `at` start a new layer?
    fn is_far(&self, text: &str, at: usize) -> bool {
        self.edits.last().is_some_and(|last| {
            let between = last.range.end..at.max(last.range.end);
            between.len() > REACH || memchr::memchr(b'\n', &text.as_bytes()[between]).is_some()
        })
    }

    /// Replaces `range`. Ranges come in order and do not overlap.
    pub fn edit(&mut self, sink: &mut Sink, range: Range<usize>, with: With, deliberate: bool) {
        if let Some(last) = self.edits.last() {
            if range.start < last.range.end {
                return;
            }
            if self.edits.len() >= MAX_EDITS || self.is_far(sink.text, range.start) {
                self.flush(sink);
            }
        }
        self.deliberate += usize::from(deliberate);
        self.edits.push(Edit { range, with });
    }

    /// The edit to come only copies so many telling words from another place.
    pub fn copies(&mut self, words: usize) {
        self.known += words;
    }

    /// Judges the window. To be called once more when all edits were said.
    pub fn flush(&mut self, sink: &mut Sink) {
        let edits = std::mem::take(&mut self.edits);
        let deliberate = std::mem::take(&mut self.deliberate) >= self.enough;
        let known = std::mem::take(&mut self.known);
        let (Some(first), Some(last)) = (edits.first(), edits.last()) else { return };
        let text = sink.text;
        let marked = first.range.start..last.range.end;
        let window = line_around(text, marked.clone(), REACH);
        let grown: usize =
            edits.iter().map(|edit| if let With::Text(t) = &edit.with { t.len() } else { 0 }).sum();
        if !sink.spend(window.len() + grown) {
            return;
        }
        let mut new = String::with_capacity(window.len());
        let mut at = window.start;
        for edit in &edits {
            new.push_str(&text[at..edit.range.start]);
            match &edit.with {
                With::Nothing => {}
                With::Char(c) => new.push(*c),
                With::Text(t) => new.push_str(t),
            }
            at = edit.range.end;
        }
        new.push_str(&text[at..window.end]);
        let mark = words_around(text, marked, &window);
        if self.looks_on && !deliberate {
            // What comes out is only the start of something.
            sink.quiet(mark.clone(), &[self.name], new.clone());
        }
        sink.judge(&text[window], known, mark, self.name, new, deliberate);
    }
}

/// Widens a range to the white space around it, within a window.
fn words_around(text: &str, range: Range<usize>, window: &Range<usize>) -> Range<usize> {
    let start = text[window.start..range.start].rfind(char::is_whitespace).map_or(window.start, |i| {
        let at = window.start + i;
        at + text[at..].chars().next().map_or(1, char::len_utf8)
    });
    let end = text[range.end..window.end].find(char::is_whitespace).map_or(window.end, |i| range.end + i);
    start..end
}
