//! Texts spelled backwards or with rotated letters, where the text says so or a known word shows through.

use super::{Sink, json, line_around, plain};
use crate::rules::Lang;
use memchr::{memchr, memmem};
use std::ops::Range;

/// Shortest and longest literal that is turned round.
const MIN_LITERAL: usize = 6;
const MAX_LITERAL: usize = 64 << 10;

/// Reverses the string literals of a text that reverses something, and words that read as commands backwards.
pub(super) fn reversed(sink: &mut Sink) {
    let text = sink.text;
    let bytes = text.as_bytes();
    let names = ["::-1]", "| rev", "|rev", ".reverse", "reversed(", "Reverse(", "strrev("];
    if names.iter().any(|n| memmem::find(bytes, n.as_bytes()).is_some()) {
        for literal in literals(text) {
            turn(sink, literal, 0);
        }
    }
    for word in ["ptth", "lruc", "hsab", "tegw"] {
        let mut done = 0;
        for at in memmem::find_iter(bytes, word) {
            if at < done {
                continue;
            }
            let line = line_around(text, at..at + word.len(), 2048);
            done = line.end;
            turn(sink, line, 1);
        }
    }
}

fn turn(sink: &mut Sink, range: Range<usize>, least: usize) {
    let old = &sink.text[range.clone()];
    let new: String = old.chars().rev().collect();
    if plain::words(&new) > plain::words(old) + least {
        sink.put(range, &["reversed"], new, Lang::Unknown);
    } else if new.len() >= 16
        && new.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'_' | b'-'))
    {
        sink.quiet(range, &["reversed"], new);
    }
}

/// String literals, without their quotes: in one line, plain quotes only.
pub(super) fn literals(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let bytes = text.as_bytes();
    let mut at = 0;
    // The end of the line that was looked at last: each is looked for once.
    let mut line_end = 0;
    std::iter::from_fn(move || {
        loop {
            let open = at + memchr::memchr3(b'"', b'\'', b'`', &bytes[at..])?;
            if open >= line_end {
                line_end = memchr(b'\n', &bytes[open..]).map_or(bytes.len(), |i| open + i);
            }
            let line = line_end.min(open + 1 + MAX_LITERAL);
            let Some(length) = memchr(bytes[open], &bytes[open + 1..line]) else {
                at = open + 1;
                continue;
            };
            at = open + length + 2;
            if length >= MIN_LITERAL {
                return Some(open + 1..open + 1 + length);
            }
        }
    })
}

/// Puts together texts that were dealt out like cards: every second, third or fourth character in a part of its own,
/// the parts one after the other.
pub(super) fn woven(sink: &mut Sink) {
    let text = sink.text;
    for literal in literals(text).filter(|l| (24..4096).contains(&l.len())).take(256) {
        let chars: Vec<char> = json::unescape(&text[literal.clone()]).chars().collect();
        let before = plain::words(&text[literal.clone()]);
        for parts in 2..=5 {
            let dealt: String =
                (0..chars.len()).filter_map(|i| chars.get(place(i, parts, chars.len()))).collect();
            if plain::words(&dealt) >= before + 3 {
                sink.put(literal.clone(), &["woven"], dealt, Lang::Unknown);
                break;
            }
        }
    }
}

/// Where the `i`-th character of a text stands that was dealt to `parts` parts; the first parts get what is left over.
fn place(i: usize, parts: usize, len: usize) -> usize {
    let (part, row) = (i % parts, i / parts);
    part * (len / parts) + part.min(len % parts) + row
}

/// Undoes rot13 in lines where that shows more than it hides.
pub(super) fn rot13(sink: &mut Sink) {
    let text = sink.text;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let range = start..start + line.trim_end().len();
        start += line.len();
        if range.len() < MIN_LITERAL || range.len() > MAX_LITERAL {
            continue;
        }
        let old = &text[range.clone()];
        let mut found = false;
        for literal in literals(old).take(16) {
            let piece: String = old[literal.clone()].chars().map(rotate).collect();
            if plain::words(&piece) > plain::words(&old[literal.clone()]) {
                sink.put(
                    range.start + literal.start..range.start + literal.end,
                    &["rot13"],
                    piece,
                    Lang::Unknown,
                );
                found = true;
            }
        }
        if found {
            continue;
        }
        let new: String = old.chars().map(rotate).collect();
        let gain = plain::words(&new).saturating_sub(plain::words(old));
        if gain >= 2 || (gain == 1 && new.contains("://")) {
            sink.put(range, &["rot13"], new, Lang::Unknown);
        }
    }
}

fn rotate(c: char) -> char {
    match c {
        'a'..='m' | 'A'..='M' => char::from(c as u8 + 13),
        'n'..='z' | 'N'..='Z' => char::from(c as u8 - 13),
        _ => c,
    }
}
