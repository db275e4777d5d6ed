//! Characters that show as nothing or as other characters: tags, variation selectors, zero-width characters, direction
//! marks, look-alike letters. Ordinary use (emoji, Persian and Indic joiners, flags) is left alone.

use super::edit::{Editor, With};
use super::{Sink, blocks, bytes, plain};
use crate::rules::Lang;
use crate::sort;
use std::ops::Range;

/// Shortest message spelled with invisible characters.
const MIN_HIDDEN: usize = 4;
/// Shortest run of zero-width characters that may be bits.
const MIN_BITS: usize = 16;
/// Most zero-width characters that are kept for reading them as bits.
const MAX_BITS: usize = 256 << 10;

pub(super) fn find(sink: &mut Sink) {
    let text = sink.text;
    let bytes = text.as_bytes();
    let mut editor = Editor::new("unicode", 3);
    let mut bits = Bits::default();
    let mut at = 0;
    let mut word_end = 0;
    let mut run_end = 0;
    while let Some(i) = blocks::next_wide(bytes, at) {
        at = i;
        let Some(c) = text[at..].chars().next() else { break };
        let next = at + c.len_utf8();
        match c {
            // Boxes, arrows, signs, Chinese and the like: most of what is no ASCII.
            '\u{2500}'..='\u{3163}'
            | '\u{3165}'..='\u{fdff}'
            | '\u{2010}'..='\u{2027}'
            | '\u{2190}'..='\u{24b5}' => {}
            '\u{e0000}'..='\u{e007f}' => {
                at = tags(sink, at);
                continue;
            }
            '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => {
                at = selectors(sink, at);
                continue;
            }
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                editor.name(sink, at, "bidi");
                editor.edit(sink, at..next, With::Nothing, false);
                if matches!(c, '\u{202e}' | '\u{2067}') {
                    override_run(sink, next, &mut run_end);
                }
            }
            c if is_invisible(c) => {
                bits.push(c, at..next);
                let inside = at > 0 && bytes[at - 1].is_ascii_alphanumeric() && follows_letter(text, next);
                let beside =
                    (at > 0 && bytes[at - 1].is_ascii()) || bytes.get(next).is_some_and(u8::is_ascii);
                if inside || beside {
                    editor.name(sink, at, "zero-width");
                    editor.edit(sink, at..next, With::Nothing, inside && c != '\u{ad}');
                }
            }
            _ if at >= word_end && fold(c).is_some() => word_end = lookalikes(sink, &mut editor, at),
            _ => {}
        }
        at = next;
    }
    editor.flush(sink);
    bits.read(sink);
}

/// Characters of no width and no meaning in Latin text.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{180e}' | '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{206a}'..='\u{206f}')
}

/// Does a letter or digit come next, after more invisible characters perhaps?
fn follows_letter(text: &str, at: usize) -> bool {
    text[at..].chars().take(8).find(|c| !is_invisible(*c)).is_some_and(|c| c.is_ascii_alphanumeric())
}

/// A run of tag characters: an invisible copy of ASCII. Returns where it ends.
fn tags(sink: &mut Sink, start: usize) -> usize {
    let text = sink.text;
    let mut out = String::new();
    let mut end = start;
    for c in text[start..].chars() {
        match c {
            '\u{e0020}'..='\u{e007e}' => out.push(char::from((c as u32 - 0xe0000) as u8)),
            '\u{e000a}' => out.push('\n'),
            '\u{e0000}'..='\u{e007f}' => {}
            c if is_invisible(c) => {}
            _ => break,
        }
        end += c.len_utf8();
    }
    // The flags of England, Scotland and Wales are a black flag and six tags.
    let flag = text[..start].ends_with('\u{1f3f4}') && out.len() <= 7;
    if out.len() >= MIN_HIDDEN && !flag {
        sink.put(start..end, &["unicode tags"], out, Lang::Unknown);
    }
    end
}

/// A run of variation selectors: each is a byte. Returns where it ends.
fn selectors(sink: &mut Sink, start: usize) -> usize {
    let mut out = Vec::new();
    let mut end = start;
    for c in sink.text[start..].chars() {
        match c {
            '\u{fe00}'..='\u{fe0f}' => out.push((c as u32 - 0xfe00) as u8),
            '\u{e0100}'..='\u{e01ef}' => out.push((c as u32 - 0xe0100 + 16) as u8),
            _ => break,
        }
        end += c.len_utf8();
    }
    if out.len() >= MIN_HIDDEN
        && let Some((mut chain, text)) = bytes::read(&out, true, sink.budget.work)
    {
        chain.insert(0, "variation selectors");
        sink.put(start..end, &chain, text, Lang::Unknown);
    }
    end
}

/// What a right-to-left override shows backwards.
fn override_run(sink: &mut Sink, start: usize, next_end: &mut usize) {
    // The end that was found last is that of all overrides before it: each is looked for once.
    if *next_end < start {
        let rest = &sink.text[start..];
        *next_end = start + rest.find(['\u{202c}', '\u{2069}', '\n']).unwrap_or(rest.len());
    }
    let end = *next_end;
    if end == sink.text.len() || end - start > 4096 || !sink.spend((end - start) * 4) {
        return;
    }
    let old = &sink.text[start..end];
    let new: String = old.chars().rev().collect();
    if plain::words(&new) > plain::words(old) {
        sink.put(start..end, &["bidi", "reversed"], new, Lang::Unknown);
    }
}

/// Folds the word around `at` to ASCII if it mixes scripts or is written in styled letters. Returns where the word ends.
fn lookalikes(sink: &mut Sink, editor: &mut Editor, at: usize) -> usize {
    let text = sink.text;
    let is_word = |c: char| c.is_alphabetic() || is_styled(c);
    // Words are short; a longer stretch is another script's way of writing.
    let start = text[..at]
        .char_indices()
        .rev()
        .take(40)
        .take_while(|(_, c)| is_word(*c))
        .last()
        .map_or(at, |(i, _)| i);
    let mut end = at;
    let (mut latin, mut styled, mut other) = (0, 0, 0);
    for (i, c) in text[start..].char_indices().take(80) {
        if !is_word(c) {
            break;
        }
        end = start + i + c.len_utf8();
        if c.is_ascii() {
            latin += 1;
        } else if is_styled(c) {
            styled += 1;
        } else if fold(c).is_none() {
            other += 1;
        }
    }
    if other == 0 && (latin > 0 || styled >= 3) {
        editor.name(sink, start, "lookalikes");
        for (i, c) in text[start..end].char_indices() {
            if let Some(plain) = fold(c) {
                let from = start + i;
                editor.edit(
                    sink,
                    from..from + c.len_utf8(),
                    With::Char(plain),
                    latin > 0 && !is_styled(c) && latin + other >= 2,
                );
            }
        }
    }
    end.max(at + 1)
}

/// Letters that are ASCII ones in another dress: fullwidth, mathematical, circled.
fn is_styled(c: char) -> bool {
    matches!(c, '\u{ff10}'..='\u{ff19}' | '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}' | '\u{1d400}'..='\u{1d6a3}' | '\u{1d7ce}'..='\u{1d7ff}' | '\u{24b6}'..='\u{24e9}' | '\u{1f130}'..='\u{1f189}')
}

/// The ASCII letter that `c` looks like.
fn fold(c: char) -> Option<char> {
    let code = c as u32;
    let letter = |i: u32| char::from_u32(if i < 26 { 65 + i } else { 71 + i });
    Some(match c {
        '\u{ff10}'..='\u{ff19}' | '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}' => {
            char::from_u32(code - 0xfee0)?
        }
        '\u{1d400}'..='\u{1d6a3}' => letter((code - 0x1d400) % 52)?,
        '\u{1d7ce}'..='\u{1d7ff}' => char::from_u32(48 + (code - 0x1d7ce) % 10)?,
        '\u{24b6}'..='\u{24e9}' => letter(code - 0x24b6)?,
        '\u{1f130}'..='\u{1f149}' => char::from_u32(65 + code - 0x1f130)?,
        '\u{1f150}'..='\u{1f169}' => char::from_u32(65 + code - 0x1f150)?,
        '\u{1f170}'..='\u{1f189}' => char::from_u32(65 + code - 0x1f170)?,
        // Cyrillic.
        'а' => 'a',
        'с' => 'c',
        'ԁ' => 'd',
        'е' => 'e',
        'ё' => 'e',
        'һ' => 'h',
        'і' => 'i',
        'ї' => 'i',
        'ј' => 'j',
        'ӏ' => 'l',
        'о' => 'o',
        'р' => 'p',
        'ԛ' => 'q',
        'ѕ' => 's',
        'у' => 'y',
        'ԝ' => 'w',
        'х' => 'x',
        'А' => 'A',
        'В' => 'B',
        'С' => 'C',
        'Е' => 'E',
        'Н' => 'H',
        'І' => 'I',
        'Ј' => 'J',
        'К' => 'K',
        'М' => 'M',
        'О' => 'O',
        'Р' => 'P',
        'Ѕ' => 'S',
        'Т' => 'T',
        'У' => 'Y',
        'Х' => 'X',
        'к' => 'k',
        'т' => 't',
        'ѵ' => 'v',
        'ɡ' => 'g',
        // Greek.
        'α' => 'a',
        'ε' => 'e',
        'ι' => 'i',
        'κ' => 'k',
        'ν' => 'v',
        'ο' => 'o',
        'ρ' => 'p',
        'τ' => 't',
        'υ' => 'u',
        'χ' => 'x',
        'γ' => 'y',
        'η' => 'n',
        'Α' => 'A',
        'Β' => 'B',
        'Ε' => 'E',
        'Ζ' => 'Z',
        'Η' => 'H',
        'Ι' => 'I',
        'Κ' => 'K',
        'Μ' => 'M',
        'Ν' => 'N',
        'Ο' => 'O',
        'Ρ' => 'P',
        'Τ' => 'T',
        'Υ' => 'Y',
        'Χ' => 'X',
        // Latin letters without their dots or with a bar, and small capitals.
        'ı' => 'i',
        'ȷ' => 'j',
        'ℓ' => 'l',
        'ᴀ' => 'a',
        'ʙ' => 'b',
        'ᴄ' => 'c',
        'ᴅ' => 'd',
        'ᴇ' => 'e',
        'ɢ' => 'g',
        'ʜ' => 'h',
        'ɪ' => 'i',
        'ᴊ' => 'j',
        'ᴋ' => 'k',
        'ʟ' => 'l',
        'ᴍ' => 'm',
        'ɴ' => 'n',
        'ᴏ' => 'o',
        'ᴘ' => 'p',
        'ʀ' => 'r',
        'ᴛ' => 't',
        'ᴜ' => 'u',
        'ᴠ' => 'v',
        'ᴡ' => 'w',
        'ʏ' => 'y',
        'ᴢ' => 'z',
        _ => return None,
    })
}

/// Zero-width characters as they come, to be read as the bits of a message.
#[derive(Default)]
struct Bits {
    seen: Vec<char>,
    first: Option<usize>,
    end: usize,
    /// The longest stretch without anything between.
    run: usize,
    best: usize,
}

impl Bits {
    fn push(&mut self, c: char, range: Range<usize>) {
        self.run = if self.end == range.start && self.first.is_some() { self.run + 1 } else { 1 };
        self.best = self.best.max(self.run);
        self.first.get_or_insert(range.start);
        self.end = range.end;
        if self.seen.len() < MAX_BITS {
            self.seen.push(c);
        }
    }

    /// One message a file: two characters for the bits, a third perhaps between letters.
    fn read(&self, sink: &mut Sink) {
        let Some(first) = self.first.filter(|_| {
            self.seen.len() >= MIN_BITS && (self.best >= MIN_BITS || self.seen.len() >= MIN_BITS * 2)
        }) else {
            return;
        };
        let mut kinds: Vec<(char, usize)> = Vec::new();
        for c in &self.seen {
            match kinds.iter().position(|k| k.0 == *c) {
                Some(i) => kinds[i].1 += 1,
                None if kinds.len() < 8 => kinds.push((*c, 1)),
                None => return,
            }
        }
        sort::by_key(&mut kinds, |k| std::cmp::Reverse(k.1));
        if kinds.len() < 2 {
            return;
        }
        for zero in 0..kinds.len().min(3) {
            for one in 0..kinds.len().min(3) {
                if zero == one {
                    continue;
                }
                let (zero, one) = (kinds[zero].0, kinds[one].0);
                for width in [8, 7] {
                    let bits: Vec<u8> = self
                        .seen
                        .iter()
                        .filter(|c| **c == zero || **c == one)
                        .map(|c| u8::from(*c == one))
                        .collect();
                    let bytes: Vec<u8> =
                        bits.chunks_exact(width).map(|g| g.iter().fold(0, |n, b| n << 1 | b)).collect();
                    if let Some((chain, text)) = bytes::read(&bytes, false, sink.budget.work)
                        && chain.is_empty()
                        && text.is_ascii()
                    {
                        sink.put(first..self.end, &["zero-width bits"], text, Lang::Unknown);
                        return;
                    }
                }
            }
        }
    }
}
