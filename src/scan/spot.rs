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
const SLOTS: usize = 1 << BITS;
/// Bits of the number of a window of four bytes in the second table: 8 KiB.
const FOUR_BITS: u32 = 16;
/// Bits of the number of a list of windows.
const LIST_BITS: u32 = 12;
/// Bits of the number of a window of three bytes: 8 KiB too.
const THREE_BITS: u32 = 16;
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

/// One window of one word: four bytes of it.
#[derive(Clone, Copy)]
struct Entry {
    /// The four bytes of the word before the window and the four behind it, folded.
    around: u64,
    /// Which of those the word has.
    mask: u64,
    /// Folded.
    window: u32,
    /// Index into the words.
    word: u16,
    /// Where the window starts in the word.
    offset: u8,
}

/// Bytes before and behind a window that are looked at beside it.
const BESIDE: usize = 4;

/// A window of three bytes, at the end of a word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Short {
    /// Its place in the bitmap.
    slot: u16,
    word: u16,
    offset: u8,
}

/// Finds words; made once for a set of them.
pub struct Spotter {
    words: Vec<Word>,
    table: Box<[u8; SLOTS]>,
    /// Bitmap over windows of four bytes: most of what passes the table ends here.
    fours: Box<[u64; 1 << (FOUR_BITS - 6)]>,
    /// For each list where its entries start; one more says where the last ends.
    starts: Box<[u16; (1 << LIST_BITS) + 1]>,
    /// In the order of their lists.
    entries: Vec<Entry>,
    /// Bitmap over windows of three bytes.
    three: Box<[u64; 1 << (THREE_BITS - 6)]>,
    /// Sorted by their places in that bitmap.
    shorts: Vec<Short>,
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

const fn three_slot(window: u32) -> usize {
    (spread(window) >> (32 - THREE_BITS)) as usize
}

/// The number of all four bytes.
const fn four_slot(window: u32) -> usize {
    (window.wrapping_mul(0x9E37_79B1) >> (32 - FOUR_BITS)) as usize
}

const fn list(four_slot: usize) -> usize {
    four_slot >> (FOUR_BITS - LIST_BITS)
}

/// The bit of the fourth byte of a folded window.
const fn bit(window: u32) -> u32 {
    window >> 24 & 7
}

fn window(bytes: [u8; 4]) -> u32 {
    u32::from_le_bytes(bytes) | FOLD as u32
}

/// What stands beside the window at `at`, folded; `None` at the edges of the text.
fn beside(text: &[u8], at: usize) -> Option<u64> {
    let around: &[u8; 4 + 2 * BESIDE] = text.get(at.checked_sub(BESIDE)?..)?.first_chunk()?;
    let [a, b, c, d, _, _, _, _, e, f, g, h] = *around;
    Some(u64::from_le_bytes([a, b, c, d, e, f, g, h]) | FOLD)
}

impl Spotter {
    /// More than 65,000 words are not a set.
    pub fn new(words: impl Iterator<Item = Word>) -> Spotter {
        let mut spotter = Spotter {
            words: words.collect(),
            table: Box::new([0; SLOTS]),
            fours: Box::new([0; 1 << (FOUR_BITS - 6)]),
            starts: Box::new([0; (1 << LIST_BITS) + 1]),
            entries: Vec::new(),
            three: Box::new([0; 1 << (THREE_BITS - 6)]),
            shorts: Vec::new(),
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
                        spotter.window(word, bytes, offset, &mut entries);
                    }
                }
            }
        }
        spotter.shorts.sort_unstable();
        // Sorted by counting.
        let number = |entry: &Entry| list(four_slot(entry.window));
        for entry in &entries {
            spotter.starts[number(entry) + 1] += 1;
        }
        for i in 1..spotter.starts.len() {
            spotter.starts[i] += spotter.starts[i - 1];
        }
        let mut next = spotter.starts.clone();
        spotter.entries = entries.clone();
        for entry in entries {
            let place = &mut next[number(&entry)];
            spotter.entries[usize::from(*place)] = entry;
            *place += 1;
        }
        spotter
    }

    /// The window of a word that starts at `offset`: four bytes, or the last three.
    fn window(&mut self, word: u16, bytes: &[u8], offset: u8, entries: &mut Vec<Entry>) {
        let at = usize::from(offset);
        match *bytes.get(at..).unwrap_or_default() {
            [a, b, c] => {
                let window = window([a, b, c, 0]);
                // Whatever may follow.
                self.table[slot(window)] = u8::MAX;
                self.short(window, word, offset);
            }
            [a, b, c, d, ..] => {
                let window = window([a, b, c, d]);
                self.table[slot(window)] |= 1 << bit(window);
                let four = four_slot(window);
                self.fours[four >> 6] |= 1 << (four & 63);
                let before = &bytes[at.saturating_sub(BESIDE)..at];
                let behind = &bytes[at + 4..bytes.len().min(at + 4 + BESIDE)];
                let mut around = [0; 2 * BESIDE];
                around[BESIDE - before.len()..BESIDE].copy_from_slice(before);
                around[BESIDE..BESIDE + behind.len()].copy_from_slice(behind);
                let ones = |count: usize| (1u64 << (8 * count)) - 1;
                let mask = (ones(before.len()) << (8 * (BESIDE - before.len())))
                    | (ones(behind.len()) << (8 * BESIDE));
                let around = (u64::from_le_bytes(around) | FOLD) & mask;
                entries.push(Entry { around, mask, window, word, offset });
            }
            _ => {}
        }
    }

    fn short(&mut self, window: u32, word: u16, offset: u8) {
        let slot = three_slot(window);
        self.three[slot >> 6] |= 1 << (slot & 63);
        self.shorts.push(Short { slot: slot as u16, word, offset });
    }

    /// A word of three bytes: at an even place all of it is in a window, at an odd place it stands behind any byte.
    fn three(&mut self, word: u16, [a, b, c]: [u8; 3]) {
        let own = window([a, b, c, 0]);
        self.table[slot(own)] = u8::MAX;
        for any in (0..=u8::MAX).filter(|any| any & 0x20 != 0) {
            let window = window([any, a, b, c]);
            self.table[slot(window)] |= 1 << bit(window);
        }
        self.short(own, word, 0);
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
        let table = &*self.table;
        let hit = |window: u32| u32::from(table[slot(window)]) >> bit(window);
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
            // Two bytes apart. One by one, for a loop over them costs more than what is in it.
            let (a, b) = (across as u32, bytes as u32);
            let (c, d) = ((bytes >> 16) as u32, (bytes >> 32) as u32);
            let (in_a, in_b, in_c, in_d) = (hit(a), hit(b), hit(c), hit(d));
            if (in_a | in_b | in_c | in_d) & 1 != 0 {
                // At the start of a text there is no window before it.
                if in_a & 1 != 0 && at > 0 {
                    self.look(text, at - 2, a, found);
                }
                if in_b & 1 != 0 {
                    self.look(text, at, b, found);
                }
                if in_c & 1 != 0 {
                    self.look(text, at + 2, c, found);
                }
                if in_d & 1 != 0 {
                    self.look(text, at + 4, d, found);
                }
            }
            at += 8;
        }
        // What is left, with zeros behind it.
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        let mut windows = u128::from(before as u16) | u128::from(u64::from_le_bytes(last) | FOLD) << 16;
        for i in 0..4 {
            if hit(windows as u32) & 1 != 0
                && let Some(at) = (at + 2 * i).checked_sub(2)
            {
                self.look(text, at, windows as u32, found);
            }
            windows >>= 16;
        }
    }

    /// What a window of the text at `at` leads to, whose bit in the table is set.
    #[inline(always)]
    fn look(&self, text: &[u8], at: usize, window: u32, found: &mut dyn FnMut(usize, usize)) {
        let (four, even, odd) = (four_slot(window), three_slot(window), three_slot(window >> 8));
        if self.fours[four >> 6] >> (four & 63) & 1 != 0 {
            self.look_at_four(text, at, window, found);
        }
        if self.three[even >> 6] >> (even & 63) & 1 != 0 {
            self.look_at_three(text, at, even, false, found);
        }
        if self.three[odd >> 6] >> (odd & 63) & 1 != 0 {
            self.look_at_three(text, at + 1, odd, true, found);
        }
    }

    #[inline(never)]
    fn look_at_four(&self, text: &[u8], at: usize, window: u32, found: &mut dyn FnMut(usize, usize)) {
        let list = list(four_slot(window));
        let (from, to) = (self.starts[list], self.starts[list + 1]);
        let entries = self.entries.get(usize::from(from)..usize::from(to)).unwrap_or_default();
        let beside = beside(text, at);
        for entry in entries {
            if entry.window == window
                && beside.is_none_or(|beside| beside & entry.mask == entry.around)
                && let Some(start) = at.checked_sub(usize::from(entry.offset))
                && self.is_at(text, start, entry.word)
            {
                found(usize::from(entry.word), start);
            }
        }
    }

    /// What a window of three bytes at `at` leads to; at an odd place only words of three.
    #[inline(never)]
    fn look_at_three(
        &self,
        text: &[u8],
        at: usize,
        slot: usize,
        odd: bool,
        found: &mut dyn FnMut(usize, usize),
    ) {
        let from = self.shorts.partition_point(|short| usize::from(short.slot) < slot);
        for short in self.shorts[from..].iter().take_while(|short| usize::from(short.slot) == slot) {
            let Some(start) = at.checked_sub(usize::from(short.offset)) else { continue };
            // A longer word has a window of its own for the odd places.
            let here = !odd || self.words[usize::from(short.word)].text.len() == 3;
            if here && self.is_at(text, start, short.word) {
                found(usize::from(short.word), start);
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
