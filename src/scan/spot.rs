//! Finds any of some thousand words in one pass over a text: the literals of all rules, and the words by which decoders and
//! checks know that they have something to do.
//!
//! Every second place of the text is looked at: three bytes there, case folded, choose a byte of a table that the
//! first-level cache holds, and the fourth a bit of it. Each word has two such windows in it, one at an even place of the
//! word and one at an odd place, so that one of them stands at an even place of the text wherever the word starts. They are
//! chosen where ordinary text has them least.

use super::common;

/// Bits of the number that three bytes choose a byte of the table by: 16 KiB.
const BITS: u32 = 14;
/// Bits of the number of a list of entries.
const LIST_BITS: u32 = 12;
/// Bits of the number of a word of three bytes.
const THREE_BITS: u32 = 12;
/// As where the windows of a word start: not chosen yet.
const OPEN: [u8; 2] = [u8::MAX; 2];

/// A word to look for: at least two bytes.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    pub text: &'static str,
    /// What the caller knows it by: usually one bit.
    pub value: u32,
    /// In any ASCII case; the text is lower case then.
    pub folded: bool,
    /// Where its windows at even and at odd places start. For words of four bytes and more.
    pub windows: [u8; 2],
}

/// Words as they stand, all of one value.
pub fn exact(value: u32, texts: &[&'static str]) -> impl Iterator<Item = Word> {
    texts.iter().map(move |text| Word { text, value, folded: false, windows: OPEN })
}

/// Words in any case (given in lower case), all of one value.
pub fn folded(value: u32, texts: &[&'static str]) -> impl Iterator<Item = Word> {
    texts.iter().map(move |text| Word { text, value, folded: true, windows: OPEN })
}

/// One window of one word.
#[derive(Clone, Copy)]
struct Entry {
    /// Folded.
    window: u32,
    /// Index into the words.
    word: u16,
    /// Where the window starts in the word.
    offset: u8,
    /// Are all four bytes of the window in the word? Else the first three.
    four: bool,
    /// Four more bytes of the word, folded, and where they start: what tells most words apart that share a window.
    more: u32,
    more_at: u8,
}

/// Finds words; made once for a set of them.
pub struct Spotter {
    words: Vec<Word>,
    table: Vec<u8>,
    /// For each list where its entries start; one more says where the last ends.
    starts: Vec<u16>,
    /// In the order of their lists.
    entries: Vec<Entry>,
    /// Bitmap over folded windows of three bytes.
    three: [u64; 1 << (THREE_BITS - 6)],
    /// Words of three bytes, by their place in that bitmap.
    threes: Vec<(u16, u16)>,
    /// Words of two bytes.
    twos: Vec<u16>,
}

/// In one case, eight bytes at once. Joins some other pairs too, which the comparison tells apart.
const FOLD: u64 = 0x2020_2020_2020_2020;

/// Spreads the first three bytes of a folded window (Fibonacci hashing).
const fn spread(window: u32) -> u32 {
    (window << 8).wrapping_mul(0x9E37_79B1)
}

const fn slot(window: u32) -> usize {
    (spread(window) >> (32 - BITS)) as usize
}

const fn list(window: u32) -> usize {
    (spread(window) >> (32 - LIST_BITS)) as usize
}

const fn three_slot(window: u32) -> usize {
    (spread(window) >> (32 - THREE_BITS)) as usize
}

/// The bit of the fourth byte of a folded window.
const fn bit(window: u32) -> u32 {
    window >> 24 & 7
}

fn window(bytes: [u8; 4]) -> u32 {
    u32::from_le_bytes(bytes) | FOLD as u32
}

impl Spotter {
    /// More than 65,000 words are not a set.
    pub fn new(words: impl Iterator<Item = Word>) -> Spotter {
        let mut spotter = Spotter {
            words: words.collect(),
            table: vec![0; 1 << BITS],
            starts: vec![0; (1 << LIST_BITS) + 1],
            entries: Vec::new(),
            three: [0; 1 << (THREE_BITS - 6)],
            threes: Vec::new(),
            twos: Vec::new(),
        };
        let mut entries: Vec<Entry> = Vec::with_capacity(2 * spotter.words.len());
        for i in 0..spotter.words.len() {
            let Ok(word) = u16::try_from(i) else { break };
            let Word { text, windows, .. } = spotter.words[i];
            match *text.as_bytes() {
                [] | [_] => {}
                [_, _] => spotter.twos.push(word),
                [a, b, c] => spotter.three(word, [a, b, c]),
                ref bytes => {
                    for parity in 0..2 {
                        let offset =
                            if windows == OPEN { common::window(bytes, parity) } else { windows[parity] };
                        let at = usize::from(offset);
                        let Some(&[a, b, c]) = bytes.get(at..at + 3) else { continue };
                        let fourth = bytes.get(at + 3);
                        let window = window([a, b, c, fourth.copied().unwrap_or(0)]);
                        // Whatever may follow.
                        let bits = if fourth.is_some() { 1 << bit(window) } else { u8::MAX };
                        spotter.table[slot(window)] |= bits;
                        // Before the window or behind it, wherever more of the word stands.
                        let end = bytes.len() - 4;
                        let more_at = if at >= end - at.min(end) { 0 } else { end.min(usize::from(u8::MAX)) };
                        let Some(more) = bytes[more_at..].first_chunk() else { continue };
                        entries.push(Entry {
                            window,
                            word,
                            offset,
                            four: fourth.is_some(),
                            more: self::window(*more),
                            more_at: more_at as u8,
                        });
                    }
                }
            }
        }
        spotter.threes.sort_unstable();
        // Sorted by counting.
        for entry in &entries {
            spotter.starts[list(entry.window) + 1] += 1;
        }
        for i in 1..spotter.starts.len() {
            spotter.starts[i] += spotter.starts[i - 1];
        }
        let mut next = spotter.starts.clone();
        spotter.entries =
            vec![Entry { window: 0, word: 0, offset: 0, four: false, more: 0, more_at: 0 }; entries.len()];
        for entry in entries {
            let place = &mut next[list(entry.window)];
            spotter.entries[usize::from(*place)] = entry;
            *place += 1;
        }
        spotter
    }

    /// A word of three bytes: at an even place all of it is in a window, at an odd place it stands behind any byte.
    fn three(&mut self, word: u16, [a, b, c]: [u8; 3]) {
        let own = window([a, b, c, 0]);
        self.table[slot(own)] = u8::MAX;
        for any in (0..=u8::MAX).filter(|any| any & 0x20 != 0) {
            let window = window([any, a, b, c]);
            self.table[slot(window)] |= 1 << bit(window);
        }
        let slot = three_slot(own);
        self.three[slot >> 6] |= 1 << (slot & 63);
        self.threes.push((slot as u16, word));
    }

    /// The words of two bytes in a text and where they stand, in order: they have a pass of their own.
    pub fn twos(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for &two in &self.twos {
            let word = self.words[usize::from(two)].text.as_bytes();
            for at in memchr::memchr2_iter(word[0], word[0].to_ascii_uppercase(), text) {
                if self.is_at(text, at, two) {
                    found.push((usize::from(two), at));
                }
            }
        }
        found.sort_by_key(|two| two.1);
        found
    }

    /// Calls `found` with the number and the place of each occurrence of each longer word, nearly in order of place.
    pub fn each(&self, text: &[u8], found: &mut dyn FnMut(usize, usize)) {
        // Of one length, so that no index has to be checked.
        let Some(table) = self.table.first_chunk::<{ 1 << BITS }>() else { return };
        let hit = |window: u32| table[slot(window)] >> bit(window);
        // Two bytes of each step are looked at with the next.
        let mut before = 0;
        let mut at = 0;
        let chunks = text.chunks_exact(8);
        let rest = chunks.remainder();
        for chunk in chunks {
            let Some(bytes) = chunk.first_chunk::<8>() else { break };
            let bytes = u64::from_le_bytes(*bytes) | FOLD;
            let across = before | bytes << 16;
            before = bytes >> 48;
            let hits = hit(across as u32)
                | hit(bytes as u32)
                | hit((bytes >> 16) as u32)
                | hit((bytes >> 32) as u32);
            if hits & 1 != 0 {
                self.look(
                    text,
                    at,
                    [across as u32, bytes as u32, (bytes >> 16) as u32, (bytes >> 32) as u32],
                    found,
                );
            }
            at += 8;
        }
        // What is left, with zeros behind it.
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        let bytes = u64::from_le_bytes(last) | FOLD;
        let across = before | bytes << 16;
        self.look(text, at, [across as u32, bytes as u32, (bytes >> 16) as u32, (bytes >> 32) as u32], found);
    }

    /// Windows of the text, two bytes apart, the first two bytes before `at`.
    #[inline(never)]
    fn look(&self, text: &[u8], at: usize, windows: [u32; 4], found: &mut dyn FnMut(usize, usize)) {
        for (i, window) in windows.into_iter().enumerate() {
            let slot = spread(window);
            if self.table[(slot >> (32 - BITS)) as usize] >> bit(window) & 1 == 0 {
                continue;
            }
            // At the start of a text there is none before it.
            let Some(at) = (at + 2 * i).checked_sub(2) else { continue };
            for (at, three) in [(at, (slot >> (32 - THREE_BITS)) as usize), (at + 1, three_slot(window >> 8))]
            {
                if self.three[three >> 6] >> (three & 63) & 1 != 0 {
                    self.short(text, at, three, found);
                }
            }
            let list = (slot >> (32 - LIST_BITS)) as usize;
            let Some(&[from, to]) = self.starts.get(list..list + 2) else { continue };
            for entry in self.entries.get(usize::from(from)..usize::from(to)).unwrap_or_default() {
                let differs = entry.window ^ window;
                if differs << 8 != 0 || entry.four && differs != 0 {
                    continue;
                }
                let Some(start) = at.checked_sub(usize::from(entry.offset)) else { continue };
                let more = start + usize::from(entry.more_at);
                if text
                    .get(more..)
                    .and_then(|rest| rest.first_chunk())
                    .is_some_and(|b| self::window(*b) == entry.more)
                    && self.is_at(text, start, entry.word)
                {
                    found(usize::from(entry.word), start);
                }
            }
        }
    }

    /// The words of three bytes that may stand at `at`, by the place of those bytes in the bitmap.
    #[inline(never)]
    fn short(&self, text: &[u8], at: usize, slot: usize, found: &mut dyn FnMut(usize, usize)) {
        let from = self.threes.partition_point(|(s, _)| usize::from(*s) < slot);
        for &(_, three) in self.threes[from..].iter().take_while(|(s, _)| usize::from(*s) == slot) {
            if self.is_at(text, at, three) {
                found(usize::from(three), at);
            }
        }
    }

    /// Does the word stand at `at`?
    fn is_at(&self, text: &[u8], at: usize, word: u16) -> bool {
        let word = &self.words[usize::from(word)];
        let bytes = word.text.as_bytes();
        text.get(at..at + bytes.len())
            .is_some_and(|piece| if word.folded { same(piece, bytes) } else { piece == bytes })
    }

    /// The values, joined by OR, of all words of three bytes and more that the text has.
    pub fn values(&self, text: &[u8]) -> u32 {
        let mut values = 0;
        self.each(text, &mut |word, _| values |= self.words[word].value);
        values
    }

    /// The words, by their numbers.
    pub fn words(&self) -> &[Word] {
        &self.words
    }
}

/// Is the piece this lower-case text of the same length, in any ASCII case? A loop of its own: what is compared here is short
/// and mostly differs early.
#[inline]
pub fn same(piece: &[u8], lower: &[u8]) -> bool {
    piece.iter().zip(lower).all(|(byte, lower)| byte == lower || byte.to_ascii_lowercase() == *lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(words: &[&'static str], text: &str) -> Vec<(usize, usize)> {
        let spotter = Spotter::new(folded(1, words));
        let mut out = spotter.twos(text.as_bytes());
        spotter.each(text.as_bytes(), &mut |word, at| out.push((word, at)));
        out.sort_unstable();
        out
    }

    #[test]
    fn words_are_found_wherever_they_start() {
        let words =
            exact(1, &["curl", "url"]).chain(exact(2, &["IFS"])).chain(folded(4, &["base64", ".env"]));
        let spotter = Spotter::new(words);
        for pad in 0..9 {
            for tail in 0..9 {
                let text = format!("{}curl Base64 IFS ifs.ENV{}", "x".repeat(pad), "y".repeat(tail));
                let mut seen = Vec::new();
                spotter.each(text.as_bytes(), &mut |word, at| seen.push((at, spotter.words()[word].text)));
                assert_eq!(spotter.values(text.as_bytes()), 7);
                seen.sort_unstable();
                let found = [
                    (pad, "curl"),
                    (pad + 1, "url"),
                    (pad + 5, "base64"),
                    (pad + 12, "IFS"),
                    (pad + 19, ".env"),
                ];
                assert_eq!(seen, found, "{text}");
            }
        }
    }

    #[test]
    fn words_are_found_in_any_case_and_overlapping() {
        assert_eq!(all(&["curl", "url "], "CURL x cUrl"), [(0, 0), (0, 7), (1, 1)]);
        assert_eq!(all(&["aaaa"], "aaaaaa"), [(0, 0), (0, 1), (0, 2)]);
    }

    #[test]
    fn edges_and_short_words() {
        assert_eq!(all(&["abcd"], "abcd"), [(0, 0)]);
        assert_eq!(all(&["abcd"], "abc"), []);
        assert_eq!(all(&["abcd"], ""), []);
        assert_eq!(all(&["nc", "abcd"], "NC"), [(0, 0)]);
        assert_eq!(all(&["sk-", "abcd"], "SK- x sk- abcd"), [(0, 0), (0, 6), (1, 10)]);
        assert_eq!(all(&[], "abcd"), []);
        // Folding joins [ and {, the comparison parts them again.
        assert_eq!(all(&["{abc"], "[abc {abc"), [(0, 5)]);
        assert_eq!(all(&["abc"], "éabcé abc"), [(0, 2), (0, 8)]);
    }

    #[test]
    fn every_word_of_a_large_set_is_found() {
        let set: Vec<&'static str> =
            (0..5000).map(|i| &*Box::leak(format!("literal-{i}-end").into_boxed_str())).collect();
        for i in [0, 1, 77, 4999] {
            let text = format!("x {} y", set[i].to_uppercase());
            assert!(all(&set, &text).contains(&(i, 2)));
        }
    }
}
