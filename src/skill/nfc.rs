//! Unicode Normalization Form C (UAX #15) of names: is one in it, and which names are alike? Not for long texts.
//!
//! The tables are packed by `build/normal.rs`.

mod table {
    include!(concat!(env!("OUT_DIR"), "/normal.rs"));
}
use table::{CLASSES, PAIRS, STEPS};

/// Is the text in NFC?
pub fn is_nfc(text: &str) -> bool {
    // Before the combining marks everything is its own normal form.
    text.chars().all(|c| c < '\u{300}') || compose(decomposed(text)).eq(text.chars())
}

/// A spelling that texts share which differ only in case or normalization. For comparing, not for showing.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Upper and then lower case also joins what has two lower-case forms: ſ and s, ς and σ, ß and ss.
    let lower = |text: String| {
        text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect::<String>()
    };
    let spread = |text: String| decomposed(&text).into_iter().map(|(c, _)| c).collect::<String>();
    spread(lower(spread(text.to_owned())))
}

const LAST: u64 = (1 << 21) - 1;

fn char_at(bits: u64) -> char {
    // The table holds characters only.
    u32::try_from(bits & LAST).ok().and_then(char::from_u32).unwrap_or('\0')
}

/// NFD, each character with its combining class.
fn decomposed(text: &str) -> Vec<(char, u8)> {
    let mut out = Vec::with_capacity(text.len());
    for c in text.chars() {
        spread(c, &mut out);
    }
    // Marks in the order of their classes; a class of 0 is a border.
    let mut start = 0;
    for end in 0..=out.len() {
        if out.get(end).is_none_or(|(_, class)| *class == 0) {
            if let Some(marks) = out.get_mut(start..end) {
                marks.sort_by_key(|(_, class)| *class);
            }
            start = end + 1;
        }
    }
    out
}

/// The canonical decomposition of one character. A step's first part may have one of its own, its second has none.
fn spread(c: char, out: &mut Vec<(char, u8)>) {
    if let Some((lead, vowel, tail)) = hangul_parts(c) {
        out.extend([(lead, 0), (vowel, 0)]);
        out.extend(tail.map(|tail| (tail, 0)));
        return;
    }
    let mut ends = Vec::new();
    let mut at = c;
    while let Ok(step) = STEPS.binary_search_by_key(&u64::from(u32::from(at)), |step| step >> 42) {
        let second = char_at(STEPS[step]);
        if second != '\0' {
            ends.push(second);
        }
        at = char_at(STEPS[step] >> 21);
    }
    out.push((at, class(at)));
    out.extend(ends.into_iter().rev().map(|c| (c, class(c))));
}

fn class(c: char) -> u8 {
    let c = u64::from(u32::from(c));
    let at = CLASSES.partition_point(|range| range >> 32 <= c);
    let Some(range) = at.checked_sub(1).and_then(|at| CLASSES.get(at)) else { return 0 };
    let inside = c - (range >> 32) < (range >> 8 & 0xff_ffff);
    if inside { range.to_le_bytes()[0] } else { 0 }
}

/// Puts marks back onto what they belong to (UAX #15, D117).
fn compose(parts: Vec<(char, u8)>) -> impl Iterator<Item = char> {
    let mut out: Vec<char> = Vec::with_capacity(parts.len());
    let mut starter = None;
    let mut last = 0;
    for (c, class) in parts {
        if let Some(at) = starter
            && (last < class || last == 0)
            && let Some(joined) = out.get(at).and_then(|first| pair(*first, c))
        {
            out[at] = joined;
            continue;
        }
        if class == 0 {
            starter = Some(out.len());
        }
        last = class;
        out.push(c);
    }
    out.into_iter()
}

/// What two characters compose to.
fn pair(first: char, second: char) -> Option<char> {
    let joined = hangul_pair(first, second);
    if joined.is_some() {
        return joined;
    }
    let wanted = (u64::from(u32::from(first)) << 21) | u64::from(u32::from(second));
    let step = |at: &u16| STEPS[usize::from(*at)];
    let at = PAIRS.binary_search_by_key(&wanted, |at| step(at) & ((1 << 42) - 1)).ok()?;
    Some(char_at(step(&PAIRS[at]) >> 42))
}

// Hangul by arithmetic (The Unicode Standard, 3.12).
const SYLLABLES: u32 = 0xac00;
const LEADS: u32 = 0x1100;
const VOWELS: u32 = 0x1161;
const TAILS: u32 = 0x11a7;

fn hangul_parts(c: char) -> Option<(char, char, Option<char>)> {
    let at = u32::from(c).checked_sub(SYLLABLES).filter(|at| *at < 19 * 21 * 28)?;
    let tail = at % 28;
    let tail = if tail > 0 { Some(char::from_u32(TAILS + tail)?) } else { None };
    Some((char::from_u32(LEADS + at / 588)?, char::from_u32(VOWELS + at % 588 / 28)?, tail))
}

fn hangul_pair(first: char, second: char) -> Option<char> {
    let (first, second) = (u32::from(first), u32::from(second));
    let below = |c: u32, start: u32, count: u32| c.checked_sub(start).filter(|at| *at < count);
    if let (Some(lead), Some(vowel)) = (below(first, LEADS, 19), below(second, VOWELS, 21)) {
        return char::from_u32(SYLLABLES + (lead * 21 + vowel) * 28);
    }
    let syllable = below(first, SYLLABLES, 19 * 21 * 28).filter(|at| at % 28 == 0)?;
    let tail = below(second, TAILS, 28).filter(|at| *at > 0)?;
    char::from_u32(SYLLABLES + syllable + tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_normalization::UnicodeNormalization;

    fn agrees(text: &str) {
        let nfd: String = decomposed(text).into_iter().map(|(c, _)| c).collect();
        assert!(nfd.chars().eq(text.nfd()), "{}", text.escape_unicode());
        assert!(compose(decomposed(text)).eq(text.nfc()), "{}", text.escape_unicode());
        assert_eq!(is_nfc(text), text.nfc().eq(text.chars()), "{}", text.escape_unicode());
    }

    /// Against a normaliser that others wrote: every character, with marks behind it, and marks in any order.
    #[test]
    fn every_character_agrees() {
        for c in '\0'..=char::MAX {
            agrees(c.encode_utf8(&mut [0; 4]));
        }
        let marks: Vec<char> = ('\u{300}'..='\u{1e943}').filter(|c| class(*c) > 0).collect();
        let bases: Vec<char> = "aAeoUñçäΑωшกअ가각각日\u{915}\u{1e9}\u{9c7}\u{1100}".chars().collect();
        let mut state = 1u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let composing: Vec<char> = STEPS.iter().map(|step| char_at(*step)).filter(|c| *c != '\0').collect();
        for _ in 0..50_000 {
            let mut text = String::new();
            for _ in 0..=next(5) {
                text.push(match next(4) {
                    0 => bases[next(bases.len())],
                    1 => marks[next(marks.len())],
                    2 => composing[next(composing.len())],
                    _ => char_at(STEPS[next(STEPS.len())] >> 42),
                });
            }
            agrees(&text);
        }
    }

    #[test]
    fn the_document_names_this_unicode() {
        let page =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/skill-hash.md")).unwrap();
        let major = table::UNICODE.split('.').next().unwrap();
        assert!(page.contains(&format!("what Unicode {major} says")), "{}", table::UNICODE);
    }

    #[test]
    fn names_that_are_alike() {
        for [a, b] in [
            ["Straße", "STRASSE"],
            ["Σας", "ΣΑΣ"],
            ["ﬁn", "FIN"],
            ["\u{212a}", "k"],
            ["Ü", "u\u{308}"],
            ["ΐ", "Ϊ\u{301}"],
        ] {
            assert_eq!(fold(a), fold(b), "{a} {b}");
        }
        assert_ne!(fold("ä"), fold("a"));
    }
}
