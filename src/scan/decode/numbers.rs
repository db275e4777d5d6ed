//! Characters written as numbers: `String.fromCharCode(99, 117, …)`, `chr(99)+chr(117)`, byte arrays, hex dumps, and
//! lists that went through `a*x + b mod 256` first.

use super::blocks::{self, BLOCK};
use super::edit::{Editor, With};
use super::{Sink, bytes, line_around, plain};
use crate::rules::Lang;
use crate::scan::clues;
use crate::sort;
use memchr::memmem;
use std::ops::Range;

/// Shortest list of numbers that is read as text.
const MIN_NUMBERS: usize = 8;
/// Shortest list text in bytes.
const MIN_LIST: usize = 20;
/// Most numbers of one list.
const MAX_NUMBERS: usize = 256 << 10;
/// What it costs to try all keys on the first numbers of a list.
const AFFINE: usize = 4096;
/// Most numbers that keys are tried on.
const MAX_KEYED: usize = 4096;

pub(super) fn find(sink: &mut Sink) {
    lists(sink);
    if sink.clues.has(clues::CHARCODE) {
        calls(sink);
    }
}

/// What lists of numbers are made of.
const fn in_list(b: u8) -> bool {
    LIST[b as usize]
}

const LIST: [bool; 256] = {
    let mut table = [false; 256];
    let bytes = b"0123456789abcdefABCDEFxX,; \t\r\n:-";
    let mut i = 0;
    while i < bytes.len() {
        table[bytes[i] as usize] = true;
        i += 1;
    }
    table
};

fn lists(sink: &mut Sink) {
    let text = sink.text.as_bytes();
    let mut done = 0;
    let mut at = 0;
    // A list has two digits in any eight bytes: text has not.
    while let Some(block) = blocks::next_numeric(text, at) {
        at = block + BLOCK;
        if text[block..at].iter().any(|b| !in_list(*b)) {
            continue;
        }
        let mut start = block;
        while start > done && in_list(text[start - 1]) {
            start -= 1;
        }
        let mut end = at;
        while end < text.len() && in_list(text[end]) {
            end += 1;
        }
        if end - start >= MIN_LIST {
            list(sink, start..end);
        }
        done = end;
        at = end.next_multiple_of(BLOCK);
    }
}

/// The numbers of a stretch, if it is a list of them: decimal, `0x…`, or pairs of hex digits.
fn list(sink: &mut Sink, range: Range<usize>) {
    let text = &sink.text[range.clone()];
    if text.bytes().filter(u8::is_ascii_digit).count() * 4 < text.len() {
        return;
    }
    // Words and numbers may border on the list: take the longest stretch of items of one kind.
    let mut best: Option<(Range<usize>, Vec<u8>, Kind)> = None;
    let mut run: Option<(Range<usize>, Vec<u8>, Kind)> = None;
    let keep = |run: &mut Option<(Range<usize>, Vec<u8>, Kind)>,
                best: &mut Option<(Range<usize>, Vec<u8>, Kind)>| {
        if let Some(r) = run.take()
            && best.as_ref().is_none_or(|b| b.1.len() < r.1.len())
        {
            *best = Some(r);
        }
    };
    let mut at = 0;
    for item in text.split([',', ';', ' ', '\t', '\r', '\n', ':', '-']) {
        let span = at..at + item.len();
        at = span.end + 1;
        if item.is_empty() {
            continue;
        }
        let Some((kinds, decimal, hex)) = number(item) else {
            keep(&mut run, &mut best);
            continue;
        };
        match &mut run {
            Some((r, values, kind)) if kind.and(kinds) != Kind::NONE && values.len() < MAX_NUMBERS => {
                let both = kind.and(kinds);
                // Until an item decides, both readings stand: the values are kept as hex and read again when it is decimal.
                r.end = span.end;
                *kind = both;
                values.push(if both.is_hex() { hex } else { decimal });
            }
            _ => {
                keep(&mut run, &mut best);
                run = Some((span, vec![if kinds.is_hex() { hex } else { decimal }], kinds));
            }
        }
    }
    keep(&mut run, &mut best);
    let Some((span, _, kind)) = best.filter(|b| b.1.len() >= MIN_NUMBERS) else { return };
    let items = text[span.clone()].split(|c: char| !c.is_ascii_alphanumeric()).filter(|i| !i.is_empty());
    let origin = range.start + span.start..range.start + span.end;
    let numbers = |hex: bool| {
        items
            .clone()
            .filter_map(|i| number(i).map(|(_, d, h)| if hex { h } else { d }))
            .take(MAX_NUMBERS)
            .collect::<Vec<u8>>()
    };
    if kind.is_decimal() && read(sink, &origin, &numbers(false), "char codes") {
        return;
    }
    if kind.is_hex() {
        read(sink, &origin, &numbers(true), "hex");
    }
}

/// How a list may be read.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Kind(u8);

impl Kind {
    const NONE: Kind = Kind(0);

    fn and(self, other: Kind) -> Kind {
        Kind(self.0 & other.0)
    }

    fn is_decimal(self) -> bool {
        self.0 & 1 != 0
    }

    fn is_hex(self) -> bool {
        self.0 & 2 != 0
    }
}

/// A number below 256, read as decimal and as hex.
fn number(item: &str) -> Option<(Kind, u8, u8)> {
    if let Some(hex) = item.strip_prefix("0x").or_else(|| item.strip_prefix("0X")) {
        let value = u8::from_str_radix(hex, 16).ok()?;
        return Some((Kind(2), value, value));
    }
    let decimal = item.parse::<u8>().ok().filter(|_| item.len() <= 3);
    let hex = u8::from_str_radix(item, 16).ok().filter(|_| item.len() == 2);
    let kind = Kind(u8::from(decimal.is_some()) | u8::from(hex.is_some()) << 1);
    (kind != Kind::NONE).then_some((kind, decimal.unwrap_or(0), hex.unwrap_or(0)))
}

fn read(sink: &mut Sink, origin: &Range<usize>, values: &[u8], name: &'static str) -> bool {
    let keyed = sink.clues.has(clues::KEYED);
    if let Some((mut chain, text)) = bytes::read(values, keyed && values.len() <= MAX_KEYED, sink.budget.work)
    {
        // Tables of numbers are common: without a word that says what they are, they must tell something.
        let before = line_around(sink.text, origin.clone(), 160);
        let line = &sink.text[before.start..origin.start];
        if !sink.spend(line.len() * 8 + values.len()) {
            return false;
        }
        let named = || {
            [
                "CharCode",
                "bytes",
                "Bytes",
                "byte[]",
                "Buffer",
                "chr",
                "char",
                "Uint8Array",
                "decode",
                "xxd",
                "payload",
            ]
            .iter()
            .any(|w| line.contains(w))
        };
        let letters = text.bytes().filter(|b| b.is_ascii_alphanumeric() || *b == b' ').count();
        if plain::is_telling(&text) || (text.len() >= MIN_NUMBERS && letters * 3 >= text.len() * 2 && named())
        {
            chain.insert(0, name);
            sink.put(origin.clone(), &chain, text, Lang::Unknown);
            return true;
        }
    }
    if let Some(text) = affine(sink, values) {
        sink.put(origin.clone(), &[name, "affine"], text, Lang::Unknown);
        return true;
    }
    false
}

/// Undoes `y = a*x + b mod 256`. The most frequent value is taken for a space or an `e`, which leaves one unknown.
fn affine(sink: &Sink, values: &[u8]) -> Option<String> {
    if values.len() < 24 || values.len() > MAX_KEYED {
        return None;
    }
    let mut counts = [0usize; 256];
    for v in values {
        counts[*v as usize] += 1;
    }
    let distinct = counts.iter().filter(|c| **c > 0).count();
    // Texts have few letters and use them often; random bytes and ramps do not.
    if !(8..=80).contains(&distinct) || distinct * 3 > values.len() * 2 {
        return None;
    }
    // At lower depths the recipe stands elsewhere.
    let inner = sink.segments.len() == 1 && sink.text.len() < 64 << 10;
    if !(inner || sink.names_a_recipe()) || !sink.spend(AFFINE + values.len() * 8) {
        return None;
    }
    let mut order: Vec<u8> = (0..=255).collect();
    sort::by_key(&mut order, |v| std::cmp::Reverse(counts[*v as usize]));
    let head = &values[..values.len().min(64)];
    for inverse in (1..=255u8).step_by(2) {
        for frequent in &order[..3] {
            for plain in [b' ', b'e', b't', b'/'] {
                let shift = plain.wrapping_sub(inverse.wrapping_mul(*frequent));
                let undo = |v: u8| inverse.wrapping_mul(v).wrapping_add(shift);
                if !head.iter().all(|v| matches!(undo(*v), b'\n' | b'\r' | b'\t' | 0x20..=0x7e)) {
                    continue;
                }
                if !sink.spend(values.len() * 8) {
                    return None;
                }
                let text: String = values.iter().map(|v| char::from(undo(*v))).collect();
                let spaces = text.bytes().filter(|b| *b == b' ').count();
                if plain::words(&text) >= 2 && spaces * 40 >= text.len() && plain::is_text(&text) {
                    return Some(text);
                }
            }
        }
    }
    None
}

impl Sink<'_, '_> {
    /// Does the text speak of keys or of arithmetic with bytes? Looked for once.
    fn names_a_recipe(&self) -> bool {
        *self.recipe.get_or_init(|| {
            ["mod", "pow(", "inverse", "affine", "256", "0xff", "key"]
                .iter()
                .any(|w| memmem::find(self.text.as_bytes(), w.as_bytes()).is_some())
        })
    }
}

/// `chr(99)`, `[char]99`, `fromCharCode(99)`: one call a character, as string literals that `concat` can join.
fn calls(sink: &mut Sink) {
    let text = sink.text.as_bytes();
    let mut editor = Editor::new("char codes", 4).looking_on();
    let mut sites: Vec<(Range<usize>, char)> = Vec::new();
    for name in ["chr(", "Chr(", "CHR(", "[char]", "CharCode(", "CodePoint(", "CHAR("] {
        for at in memmem::find_iter(text, name) {
            let open = at + name.len();
            let digits =
                text[open..].iter().take(6).take_while(|b| b.is_ascii_hexdigit() || **b == b'x').count();
            let Ok(word) = std::str::from_utf8(&text[open..open + digits]) else { continue };
            let value = word
                .strip_prefix("0x")
                .map_or_else(|| word.parse::<u32>().ok(), |h| u32::from_str_radix(h, 16).ok());
            let Some(c) = value.and_then(char::from_u32).filter(|c| !c.is_control() || *c == '\n') else {
                continue;
            };
            let mut end = open + digits;
            if name.ends_with('(') {
                if text.get(end) != Some(&b')') {
                    continue;
                }
                end += 1;
            }
            // The object before `.fromCharCode` goes with it.
            let mut start = at;
            while start > 0
                && start + 24 > at
                && (text[start - 1].is_ascii_alphanumeric() || matches!(text[start - 1], b'.' | b'_'))
            {
                start -= 1;
            }
            sites.push((start..end, c));
        }
    }
    sort::by_key(&mut sites, |s| s.0.start);
    // Neighbours with nothing but operators between become one literal.
    let mut i = 0;
    while i < sites.len() {
        let mut literal = String::from(sites[i].1);
        let start = sites[i].0.start;
        let mut end = sites[i].0.end;
        let mut count = 1;
        while let Some((next, c)) = sites.get(i + count) {
            let between = text.get(end..next.start).unwrap_or(b"x");
            if between.len() > 16
                || !between.iter().all(|b| {
                    matches!(
                        b,
                        b' ' | b'+' | b'.' | b'&' | b'|' | b'\n' | b'\r' | b'\t' | b',' | b'\\' | b'('
                    )
                })
            {
                break;
            }
            literal.push(*c);
            end = next.end;
            count += 1;
        }
        i += count;
        let quote = if literal.contains('"') { '\'' } else { '"' };
        editor.edit(sink, start..end, With::Text(format!("{quote}{literal}{quote}")), count >= 4);
        if count >= 4 {
            // A second edit's worth each, so that one long chain is enough.
            sink.judge("", 0, start..end, "char codes", literal, true);
        }
    }
    editor.flush(sink);
}
