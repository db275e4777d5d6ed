//! Finds what stands behind encodings: base64, escapes, char codes, joined strings, argument lists and the like, each
//! decoded to a layer of text that is scanned like a file. Executes and fetches nothing, and decides nothing about
//! what a layer means.
//!
//! Every decoder looks for candidates in one cheap pass and judges what comes out: bytes that are no text are dropped,
//! and a rewriting that any text may contain (`%20`, `"a" + "b"`) is a layer only if it reveals a word that rules care
//! about. Depth, number and total size of layers are bounded; work is linear in the text.

mod argv;
mod base64;
mod base85;
pub(super) mod blocks;
mod bytes;
mod concat;
mod edit;
mod escapes;
mod json;
mod numbers;
mod plain;
mod recipes;
mod shell;
mod spell;
mod unicode;
mod variables;

use super::clues::{self, Clues};
use super::doc::Segment;
use crate::rules::{Lang, Place};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

/// How many encodings may stand behind each other.
const MAX_DEPTH: usize = 3;
/// Layers reported for one file.
const MAX_LAYERS: usize = 1024;
/// Intermediate texts looked into for one file, reported or not.
const MAX_PIECES: usize = 8192;
/// Decoded bytes for one file, besides twice its size.
const SPARE_BYTES: usize = 2 << 20;
/// Decoded bytes for one file in any case.
const MAX_BYTES: usize = 64 << 20;

/// One decoded piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Byte range in the text given to [`decode`] that holds the encoded form.
    pub origin: Range<usize>,
    /// Outermost encoding first.
    pub chain: Vec<&'static str>,
    pub text: String,
    /// What the decoded text looks written in.
    pub lang: Lang,
}

/// All encoded pieces of `text` that decode to plausible text, to depth 3; and whether a bound cut the work short.
pub fn decode(text: &str, segments: &[Segment]) -> (Vec<Found>, bool) {
    decode_with(text, segments, clues::look(text))
}

/// [`decode`] for a text whose clues are known.
pub fn decode_with(text: &str, segments: &[Segment], clues: Clues) -> (Vec<Found>, bool) {
    let mut budget = Budget {
        bytes: text.len().saturating_mul(2).saturating_add(SPARE_BYTES).min(MAX_BYTES),
        pieces: MAX_PIECES,
        bounded: false,
    };
    let mut found: Vec<Found> = Vec::new();
    let mut seen: HashMap<u64, Range<usize>> = HashMap::new();
    let mut pieces = level(text, segments, clues, &mut budget);
    let mut origins: Vec<(Range<usize>, Vec<&'static str>)> =
        pieces.iter().map(|p| (p.range.clone(), Vec::new())).collect();
    // Breadth first: what is reached by a short way is reported with that way.
    for depth in 1..=MAX_DEPTH {
        let mut next = Vec::new();
        let mut next_origins = Vec::new();
        for (piece, (origin, mut chain)) in pieces.into_iter().zip(origins) {
            let mut hasher = DefaultHasher::new();
            piece.text.hash(&mut hasher);
            let known =
                seen.get(&hasher.finish()).is_some_and(|o| o.start < origin.end && origin.start < o.end);
            if known {
                continue;
            }
            seen.insert(hasher.finish(), origin.clone());
            chain.extend(&piece.chain);
            if depth < MAX_DEPTH {
                let whole = [Segment { range: 0..piece.text.len(), place: Place::Script, lang: piece.lang }];
                for inner in level(&piece.text, &whole, clues::look(&piece.text), &mut budget) {
                    next.push(inner);
                    next_origins.push((origin.clone(), chain.clone()));
                }
            }
            if !piece.quiet {
                if found.len() == MAX_LAYERS {
                    return (found, true);
                }
                found.push(Found { origin, chain, text: piece.text, lang: piece.lang });
            }
        }
        pieces = next;
        origins = next_origins;
    }
    (found, budget.bounded)
}

/// What is left of the bounds.
struct Budget {
    bytes: usize,
    pieces: usize,
    bounded: bool,
}

/// One decoded text on its way: perhaps only a step to another.
struct Piece {
    range: Range<usize>,
    chain: Vec<&'static str>,
    text: String,
    lang: Lang,
    /// Looked into, but not reported.
    quiet: bool,
}

/// Runs every decoder that has anything to do on one text.
fn level(text: &str, segments: &[Segment], clues: Clues, budget: &mut Budget) -> Vec<Piece> {
    if budget.pieces == 0 || text.len() < 4 {
        return Vec::new();
    }
    let mut sink = Sink { text, segments, clues, pieces: Vec::new(), budget };
    base64::find(&mut sink);
    numbers::find(&mut sink);
    if clues.has(clues::BACKSLASH) {
        escapes::backslash(&mut sink);
    }
    if clues.has(clues::PERCENT) {
        escapes::percent(&mut sink);
    }
    if clues.has(clues::ENTITY) {
        escapes::entities(&mut sink);
    }
    if clues.has(clues::NON_ASCII) {
        unicode::find(&mut sink);
    }
    concat::find(&mut sink);
    shell::find(&mut sink);
    variables::find(&mut sink);
    if clues.has(clues::REVERSE) {
        spell::reversed(&mut sink);
    }
    if clues.has(clues::ROT13) {
        spell::rot13(&mut sink);
    }
    if clues.has(clues::BASE85) {
        base85::find(&mut sink);
    }
    if clues.has(clues::ARGV) {
        argv::find(&mut sink);
    }
    if clues.has(clues::COMMAND | clues::BACKSLASH) {
        json::find(&mut sink);
    }
    if clues.has(clues::COMMAND) {
        recipes::find(&mut sink);
    }
    if clues.has(clues::WOVEN) {
        spell::woven(&mut sink);
    }
    sink.pieces
}

/// Where decoders read from and put what they find.
struct Sink<'a> {
    text: &'a str,
    segments: &'a [Segment],
    clues: Clues,
    pieces: Vec<Piece>,
    budget: &'a mut Budget,
}

impl<'a> Sink<'a> {
    fn segment_at(&self, offset: usize) -> (Place, Lang) {
        let i = self.segments.partition_point(|s| s.range.end <= offset);
        self.segments.get(i).map_or((Place::Prose, Lang::Unknown), |s| (s.place, s.lang))
    }

    fn lang_at(&self, offset: usize) -> Lang {
        self.segment_at(offset).1
    }

    /// Reports a text. `lang`: `Unknown` to guess it.
    fn put(&mut self, range: Range<usize>, chain: &[&'static str], text: String, lang: Lang) {
        let lang = if lang == Lang::Unknown { plain::lang_of(&text) } else { lang };
        self.push(range, chain, text, lang, false);
    }

    /// Keeps a text only to look into it.
    fn quiet(&mut self, range: Range<usize>, chain: &[&'static str], text: String) {
        let lang = self.lang_at(range.start);
        self.push(range, chain, text, lang, true);
    }

    /// Reports the rewriting of a stretch if it is `deliberate` or reveals something; looks into it if it may hide more.
    /// `known`: telling words that the rewriting took from elsewhere in the text. `mark` is the part of the text that the finding should point at.
    fn judge(
        &mut self,
        old: &str,
        known: usize,
        mark: Range<usize>,
        name: &'static str,
        new: String,
        deliberate: bool,
    ) {
        if new == old || new.len() < 4 {
            return;
        }
        if plain::words(&new) > plain::words(old) + known || (deliberate && plain::is_text(&new)) {
            let lang = self.lang_at(mark.start);
            self.put(mark, &[name], new, lang);
        } else if plain::hides_more(old, &new) {
            self.quiet(mark, &[name], new);
        }
    }

    fn push(&mut self, range: Range<usize>, chain: &[&'static str], text: String, lang: Lang, quiet: bool) {
        if text.len() > self.budget.bytes || self.budget.pieces == 0 {
            self.budget.bounded = true;
            return;
        }
        self.budget.bytes -= text.len();
        self.budget.pieces -= 1;
        self.pieces.push(Piece { range, chain: chain.to_vec(), text, lang, quiet });
    }
}

/// The range of the line that `offset` stands on, without its end, no further than `reach` bytes to either side.
fn line_around(text: &str, offset: Range<usize>, reach: usize) -> Range<usize> {
    let bytes = text.as_bytes();
    let low = offset.start.saturating_sub(reach);
    let high = bytes.len().min(offset.end.saturating_add(reach));
    let mut start = memchr::memrchr(b'\n', &bytes[low..offset.start]).map_or(low, |i| low + i + 1);
    let mut end = memchr::memchr(b'\n', &bytes[offset.end..high]).map_or(high, |i| offset.end + i);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    if end > start && bytes[end - 1] == b'\r' {
        end -= 1;
    }
    start.min(offset.start)..end.max(offset.end)
}

#[cfg(test)]
mod tests;
