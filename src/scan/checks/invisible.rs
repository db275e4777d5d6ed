//! Characters that a person does not see and a model reads: tag characters, bidi controls, zero-width characters inside
//! words, and words that mix look-alike scripts. The decoders turn them into readable layers; this names them.

use super::{Doc, Raise};
use crate::scan::clues;
use crate::scan::decode::blocks;
use std::ops::Range;

/// Findings of one kind in one file, at most; more add nothing.
const MOST: usize = 20;

pub fn check(doc: &Doc, raise: &mut Raise) {
    if !doc.clues.has(clues::NON_ASCII) {
        return;
    }
    let kinds = kinds(&doc.text);
    if kinds & TAG != 0 {
        tags(&doc.text, raise);
    }
    if kinds & BIDI != 0 {
        bidi(&doc.text, raise);
    }
    if kinds & ZERO_WIDTH != 0 {
        zero_width(&doc.text, raise);
    }
    if kinds & GREEK_OR_CYRILLIC != 0 {
        mixed_words(&doc.text, raise);
    }
}

const TAG: u8 = 1;
const BIDI: u8 = 2;
const ZERO_WIDTH: u8 = 4;
const GREEK_OR_CYRILLIC: u8 = 8;

/// The characters that are no ASCII, with their places.
fn wide(text: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let i = blocks::next_wide(text.as_bytes(), at)?;
        let c = text[i..].chars().next()?;
        at = i + c.len_utf8();
        Some((i, c))
    })
}

/// Which kinds of characters that are looked for a text has.
fn kinds(text: &str) -> u8 {
    wide(text).fold(0, |kinds, (_, c)| {
        kinds
            | match c {
                // Most of what is no ASCII, by far.
                '\u{3000}'..='\u{fdff}' | '\u{2010}'..='\u{2027}' | '\u{2070}'..='\u{2fff}' => 0,
                '\u{370}'..='\u{52f}' => GREEK_OR_CYRILLIC,
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => BIDI,
                '\u{e0000}'..='\u{e01ef}' => TAG,
                c if is_zero_width(c) => ZERO_WIDTH,
                _ => 0,
            }
    })
}

/// U+E0020..U+E007E mirror ASCII and are shown by nothing (Unicode, "Tags" block). Flags of regions use them after
/// U+1F3F4 and end with U+E007F; those are left alone.
fn tags(text: &str, raise: &mut Raise) {
    let mut run: Option<(Range<usize>, String)> = None;
    let mut flag = false;
    let mut count = 0;
    for (i, c) in text.char_indices().chain([(text.len(), '\0')]) {
        let code = u32::from(c);
        // Variation selectors of the supplement carry a byte each, and follow no letter of a skill.
        if (0xE0000..=0xE007F).contains(&code) || (0xE0100..=0xE01EF).contains(&code) {
            let (range, shown) = run.get_or_insert_with(|| (i..i, String::new()));
            range.end = i + c.len_utf8();
            if let Some(ascii) = char::from_u32(code - 0xE0000)
                .or_else(|| char::from_u32(code - 0xE0100 + 16))
                .filter(|a| !a.is_ascii_control())
            {
                shown.push(ascii);
            }
            continue;
        }
        if let Some((range, shown)) = run.take()
            && !(flag && shown.len() <= 6)
            && count < MOST
        {
            count += 1;
            let shown: String = shown.chars().take(200).collect();
            raise("unicode-tags", range, Some(format!("invisible tag characters spell \"{shown}\"")));
        }
        flag = c == '\u{1F3F4}';
    }
}

/// Overrides and embeddings that make text read in another order than it is stored (CVE-2021-42574).
fn bidi(text: &str, raise: &mut Raise) {
    // Embeddings and isolates are ordinary in right-to-left text; overrides are not, and neither is any in a file
    // without a right-to-left letter.
    let right_to_left = wide(text).any(|(_, c)| matches!(u32::from(c), 0x0590..=0x08FF | 0xFB1D..=0xFEFC));
    let mut count = 0;
    for (i, c) in wide(text) {
        let overriding = matches!(c, '\u{202D}' | '\u{202E}');
        let embedding = matches!(c, '\u{202A}' | '\u{202B}' | '\u{2066}' | '\u{2067}' | '\u{2068}');
        if (overriding || (embedding && !right_to_left)) && count < MOST {
            count += 1;
            let note = format!(
                "the control character U+{:04X} changes the order in which text is shown",
                u32::from(c)
            );
            raise("bidi-control", i..i + c.len_utf8(), Some(note));
        }
    }
}

fn is_zero_width(c: char) -> bool {
    matches!(
        c,
        '\u{200B}' | '\u{200C}' | '\u{200D}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}' | '\u{00AD}' | '\u{180E}'
    )
}

/// Zero-width characters between two ASCII letters or digits hide a word from a filter, and a run of many of them is a
/// message in itself. Between emoji and in scripts that join letters they are ordinary.
fn zero_width(text: &str, raise: &mut Raise) {
    let mut count = 0;
    let mut done = 0;
    for (start, _) in wide(text).filter(|(_, c)| is_zero_width(*c)) {
        if start < done || count >= MOST {
            continue;
        }
        let run = &text[start..];
        let run = &run[..run.len() - run.trim_start_matches(is_zero_width).len()];
        let range = start..start + run.len();
        done = range.end;
        if start == 0 {
            continue;
        }
        let many = run.chars().count();
        let left = text[..start].chars().next_back().unwrap_or(' ');
        let right = text[range.end..].chars().next().unwrap_or(' ');
        // A soft hyphen in a word is typography unless it stands where no hyphenation would put it.
        let soft = run.chars().all(|c| c == '\u{00AD}');
        if many >= 8 {
            count += 1;
            let note = format!("{many} zero-width characters in a row carry data");
            raise("zero-width-run", range, Some(note));
        } else if left.is_ascii_alphanumeric() && right.is_ascii_alphanumeric() && !soft {
            count += 1;
            raise("zero-width-in-word", range, None);
        }
    }
}

/// The Latin letter that a Cyrillic or Greek one looks like (Unicode TS 39, confusables; the usual suspects).
fn looks_latin(c: char) -> bool {
    // The string is only looked through for letters of the two scripts.
    matches!(c, '\u{370}'..='\u{52f}') && "аеорсухіјѕԁһӏԛԝАВЕКМНОРСТУХІЈЅαοριυνκτΑΒΕΖΗΙΚΜΝΟΡΤΥΧ".contains(c)
}

/// A word of Latin letters with a look-alike among them: `іgnore`, `pаypal`.
fn mixed_words(text: &str, raise: &mut Raise) {
    let mut count = 0;
    let mut done = 0;
    for (at, _) in wide(text).filter(|(_, c)| looks_latin(*c)) {
        if at < done || count >= MOST {
            continue;
        }
        // What stands before a place that was passed belongs to another word.
        let before = &text[done..at];
        let start = done + before.trim_end_matches(char::is_alphabetic).len();
        let after = &text[at..];
        done = text.len() - after.trim_start_matches(char::is_alphabetic).len();
        let w = &text[start..done];
        let latin = w.chars().filter(char::is_ascii_alphabetic).count();
        let alike = w.chars().filter(|c| looks_latin(*c)).count();
        let other = w.chars().count() - latin - alike;
        // Units and formulas ("μm", "Δx", "αβ") are short or have letters that look like nothing Latin.
        if latin >= 2 && alike >= 1 && other == 0 && latin + alike >= 4 {
            count += 1;
            raise(
                "mixed-script-word",
                start..done,
                Some(format!("the word \"{w}\" mixes Latin letters with look-alikes")),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Lang, Place};

    fn names(text: &str) -> Vec<String> {
        let doc = Doc::new("SKILL.md".into(), text.to_owned(), Place::Prose, Lang::Unknown, Vec::new());
        let mut out = Vec::new();
        check(&doc, &mut |name, _, _| out.push(name.to_owned()));
        out
    }

    #[test]
    fn hidden_characters_are_named() {
        assert_eq!(
            names("x \u{E0069}\u{E0067}\u{E006E}\u{E006F}\u{E0072}\u{E0065}\u{E0020}\u{E0061}"),
            ["unicode-tags"]
        );
        assert_eq!(names("a\u{202E}b"), ["bidi-control"]);
        assert_eq!(names("ig\u{200B}nore"), ["zero-width-in-word"]);
        assert_eq!(
            names("a \u{200B}\u{200C}\u{200B}\u{200C}\u{200B}\u{200C}\u{200B}\u{200C} b"),
            ["zero-width-run"]
        );
        assert_eq!(names("іgnоre this"), ["mixed-script-word"]);
    }

    #[test]
    fn ordinary_text_is_not() {
        assert!(names("\u{FEFF}# Café, naïve, Straße").is_empty());
        assert!(names("family 👨\u{200D}👩\u{200D}👧 and flag 🏴\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}").is_empty());
        assert!(names("می\u{200C}خواهم").is_empty());
        assert!(names("5 μm, Δx, привет мир, Ελλάδα").is_empty());
        assert!(names("\u{2067}שלום\u{2069}").is_empty());
    }
}
