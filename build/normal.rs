//! Packs the canonical decompositions and combining classes of Unicode into tables for `skill::nfc`: 22 KB, where a whole
//! normaliser is 128 KB.

use std::collections::HashMap;
use unicode_normalization::char::{canonical_combining_class, compose, decompose_canonical};

/// Hangul syllables are computed.
const HANGUL: std::ops::RangeInclusive<char> = '\u{ac00}'..='\u{d7a3}';

/// Rust source of the tables.
pub fn source() -> String {
    let all = || ('\0'..=char::MAX).filter(|c| !HANGUL.contains(c));
    let full = |c: char| {
        let mut parts = Vec::new();
        decompose_canonical(c, |part| parts.push(part));
        parts
    };
    let whole: Vec<(char, Vec<char>)> =
        all().map(|c| (c, full(c))).filter(|(c, parts)| *parts != [*c]).collect();
    let by_parts: HashMap<&[char], char> = whole.iter().map(|(c, parts)| (parts.as_slice(), *c)).collect();
    // In each: what it composes to again (bit 63), the character, and the one or two it becomes.
    let mut steps = Vec::new();
    let mut pairs = Vec::new();
    for (c, parts) in &whole {
        let (first, second) = match parts.as_slice() {
            [one] => (*one, '\0'),
            [one, two] => (*one, *two),
            [lead, rest @ .., last] => {
                // Of those that begin the same way, the one that marks compose to.
                let joined = rest.iter().try_fold(*lead, |at, mark| compose(at, *mark));
                (joined.unwrap_or_else(|| by_parts[&parts[..parts.len() - 1]]), *last)
            }
            [] => continue,
        };
        let composes = second != '\0' && compose(first, second) == Some(*c);
        if composes {
            pairs.push((first, second, steps.len()));
        }
        steps.push(
            u64::from(u32::from(*c)) << 42 | u64::from(u32::from(first)) << 21 | u64::from(u32::from(second)),
        );
    }
    pairs.sort();
    let pairs: Vec<usize> = pairs.into_iter().map(|(_, _, at)| at).collect();
    let mut classes: Vec<(u32, u32, u8)> = Vec::new();
    for c in all() {
        let class = canonical_combining_class(c);
        match classes.last_mut() {
            _ if class == 0 => {}
            Some((start, len, last)) if *last == class && *start + *len == u32::from(c) => *len += 1,
            _ => classes.push((u32::from(c), 1, class)),
        }
    }
    let classes: Vec<u64> = classes
        .into_iter()
        .map(|(start, len, class)| u64::from(start) << 32 | u64::from(len) << 8 | u64::from(class))
        .collect();
    let (major, minor, _) = unicode_normalization::UNICODE_VERSION;
    format!(
        "pub static STEPS: [u64; {}] = {steps:?};\npub static PAIRS: [u16; {}] = {pairs:?};\n\
         pub static CLASSES: [u64; {}] = {classes:?};\n\
         #[cfg(test)]\npub const UNICODE: &str = \"{major}.{minor}\";\n",
        steps.len(),
        pairs.len(),
        classes.len()
    )
}
