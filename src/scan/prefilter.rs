//! The prefilter: one case-folded pass over a text that finds every literal of every rule.
//!
//! Each literal is known by four of its bytes, chosen where they are rarest in ordinary text. A rolling window of four
//! bytes is looked up in a bitmap that fits the first-level cache; only a hit there costs more. Literals of three bytes
//! set the bits of all windows that begin with them, those of two have a search of their own.

use crate::rules::Literal;

/// Bits of the bitmap: 2^17 are 16 KiB.
const BITS: u32 = 17;
/// Bits of the bitmap for three bytes.
const THREE_BITS: u32 = 12;

/// One literal, by its window.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The folded window.
    window: u32,
    /// Index into the literals.
    literal: u16,
    /// Where the window starts in the literal.
    offset: u8,
}

/// Finds literals; made once for a set of them.
#[derive(Debug)]
pub struct Prefilter {
    literals: Vec<&'static str>,
    bitmap: Vec<u64>,
    /// For each word of the bitmap, how many bits are set in those before it.
    before: Vec<u16>,
    /// For each set bit of the bitmap, where its entries start; one more says where they end.
    starts: Vec<u16>,
    /// In the order of their bits.
    entries: Vec<Entry>,
    /// Bitmap over folded windows of three bytes.
    three: [u64; 1 << (THREE_BITS - 6)],
    /// Literals of three bytes, by their place in that bitmap.
    threes: Vec<(u16, u16)>,
    /// Literals of two bytes.
    twos: Vec<u16>,
}

/// Folds ASCII case, and some other pairs with it, which the comparison after it tells apart.
const fn fold(window: u32) -> u32 {
    window | 0x2020_2020
}

/// Spreads a folded window over the bitmap (Fibonacci hashing).
const fn slot(window: u32) -> usize {
    (window.wrapping_mul(0x9E37_79B1) >> (32 - BITS)) as usize
}

/// The place of a folded window of three bytes, in the upper three bytes of a word.
const fn three_slot(window: u32) -> usize {
    ((window & 0xffff_ff00).wrapping_mul(0x9E37_79B1) >> (32 - THREE_BITS)) as usize
}

/// A user's literal, with the window that is rare by a rough guess.
pub fn guessed(text: &'static str) -> Literal {
    let windows = text.as_bytes().windows(4).take(usize::from(u8::MAX)).enumerate();
    let rarest = windows.min_by_key(|(_, window)| commonness(window)).map_or(0, |(at, _)| at);
    Literal { text, window: u8::try_from(rarest).unwrap_or(0) }
}

impl Prefilter {
    /// `literals` are lower case. More than 65,000 are not a rule set.
    pub fn new(literals: &[Literal]) -> Prefilter {
        let mut filter = Prefilter {
            literals: literals.iter().map(|literal| literal.text).collect(),
            bitmap: vec![0; 1 << (BITS - 6)],
            before: Vec::with_capacity(1 << (BITS - 6)),
            starts: Vec::with_capacity(literals.len() + 1),
            entries: Vec::with_capacity(literals.len()),
            three: [0; 1 << (THREE_BITS - 6)],
            threes: Vec::new(),
            twos: Vec::new(),
        };
        for (i, literal) in literals.iter().enumerate() {
            let Ok(index) = u16::try_from(i) else { break };
            let bytes = literal.text.as_bytes();
            match *bytes {
                [a, b, c] => {
                    let slot = three_slot(fold(u32::from_le_bytes([0, a, b, c])));
                    filter.three[slot >> 6] |= 1 << (slot & 63);
                    filter.threes.push((u16::try_from(slot).unwrap_or(0), index));
                    // Whatever follows. At the end of a text nothing does: see `scan`.
                    for d in (0..=u8::MAX).filter(|d| d | 0x20 == *d) {
                        let slot = self::slot(fold(u32::from_le_bytes([a, b, c, d])));
                        filter.bitmap[slot >> 6] |= 1 << (slot & 63);
                    }
                    continue;
                }
                [_, _] => {
                    filter.twos.push(index);
                    continue;
                }
                [] | [_] => continue,
                _ => {}
            }
            let offset = usize::from(literal.window).min(bytes.len() - 4);
            let four = [bytes[offset], bytes[offset + 1], bytes[offset + 2], bytes[offset + 3]];
            let window = fold(u32::from_le_bytes(four));
            let slot = slot(window);
            filter.bitmap[slot >> 6] |= 1 << (slot & 63);
            filter.entries.push(Entry { window, literal: index, offset: literal.window });
        }
        filter.threes.sort_unstable();
        filter.entries.sort_unstable_by_key(|entry| (slot(entry.window), entry.literal));
        let (mut count, mut at) = (0, 0);
        for (i, word) in filter.bitmap.iter().enumerate() {
            filter.before.push(count);
            count += word.count_ones() as u16;
            for bit in (0..64).filter(|bit| word >> bit & 1 != 0) {
                filter.starts.push(at as u16);
                while filter.entries.get(at).is_some_and(|entry| slot(entry.window) == i << 6 | bit) {
                    at += 1;
                }
            }
        }
        filter.starts.push(at as u16);
        filter
    }

    /// The literals of two bytes in a text and where they stand, in order: they have a pass of their own.
    pub fn twos(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for &two in &self.twos {
            let literal = self.literals[usize::from(two)].as_bytes();
            for at in memchr::memchr2_iter(literal[0], literal[0].to_ascii_uppercase(), text) {
                if is_at(text, at, literal) {
                    found.push((usize::from(two), at));
                }
            }
        }
        found.sort_by_key(|two| two.1);
        found
    }

    /// Calls `found(literal index, byte offset)` for every longer literal in the text, nearly in order of offset.
    pub fn scan(&self, text: &[u8], mut found: impl FnMut(usize, usize)) {
        // Of one length, so that no index has to be checked.
        let Some(bitmap) = self.bitmap.first_chunk::<{ 1 << (BITS - 6) }>() else { return };
        for (at, window) in text.windows(4).enumerate() {
            let folded = fold(u32::from_le_bytes([window[0], window[1], window[2], window[3]]));
            let slot = slot(folded);
            if bitmap[slot >> 6] >> (slot & 63) & 1 != 0 {
                self.four(text, at, folded, slot, &mut found);
            }
        }
        if let Some(&[a, b, c]) = text.last_chunk::<3>() {
            self.short(text, text.len() - 3, three_slot(fold(u32::from_le_bytes([0, a, b, c]))), &mut found);
        }
    }

    /// The literals of three bytes that may stand at `at`, by the place of those bytes in the small bitmap.
    #[inline(never)]
    fn short(&self, text: &[u8], at: usize, slot: usize, found: &mut impl FnMut(usize, usize)) {
        let from = self.threes.partition_point(|(s, _)| usize::from(*s) < slot);
        for &(_, three) in self.threes[from..].iter().take_while(|(s, _)| usize::from(*s) == slot) {
            if is_at(text, at, self.literals[usize::from(three)].as_bytes()) {
                found(usize::from(three), at);
            }
        }
    }

    /// The literals that may have their window at `at`.
    #[inline(never)]
    fn four(&self, text: &[u8], at: usize, folded: u32, slot: usize, found: &mut impl FnMut(usize, usize)) {
        let three = three_slot(folded << 8);
        if self.three[three >> 6] >> (three & 63) & 1 != 0 {
            self.short(text, at, three, found);
        }
        let below = self.bitmap[slot >> 6] & ((1 << (slot & 63)) - 1);
        let set = usize::from(self.before[slot >> 6]) + below.count_ones() as usize;
        let Some(&[from, to]) = self.starts.get(set..set + 2) else { return };
        for entry in &self.entries[usize::from(from)..usize::from(to)] {
            if entry.window != folded {
                continue;
            }
            let Some(start) = at.checked_sub(usize::from(entry.offset)) else { continue };
            let literal = usize::from(entry.literal);
            if is_at(text, start, self.literals[literal].as_bytes()) {
                found(literal, start);
            }
        }
    }
}

/// Does the literal, which is lower case, stand at `at`, in any ASCII case?
fn is_at(text: &[u8], at: usize, literal: &[u8]) -> bool {
    text.get(at..at + literal.len()).is_some_and(|piece| same(piece, literal))
}

/// Is the piece this lower-case text of the same length, in any ASCII case? A loop of its own: what is compared here is short
/// and mostly differs early.
#[inline]
pub(super) fn same(piece: &[u8], lower: &[u8]) -> bool {
    piece.iter().zip(lower).all(|(byte, lower)| byte == lower || byte.to_ascii_lowercase() == *lower)
}

/// How common a window of four bytes is in prose and code, roughly: the sum of how common its bytes are, with a bonus
/// for the pairs of letters that English is made of. Only the order matters.
fn commonness(window: &[u8]) -> u32 {
    let bytes: u32 = window.iter().map(|b| u32::from(byte_commonness(*b))).sum();
    let pairs: u32 = window.windows(2).map(|p| if is_common_pair(p[0], p[1]) { 40 } else { 0 }).sum();
    bytes + pairs
}

/// For every first letter, the second letters of its common pairs, a bit each: this is asked for every byte of every
/// literal at every start.
const PAIRS: [u32; 26] = {
    let mut bits = [0u32; 26];
    let mut i = 0;
    while i < COMMON_PAIRS.len() {
        let [a, b] = COMMON_PAIRS[i];
        bits[(a - b'a') as usize] |= 1 << (b - b'a');
        i += 1;
    }
    bits
};

fn is_common_pair(a: u8, b: u8) -> bool {
    a.is_ascii_lowercase() && b.is_ascii_lowercase() && PAIRS[usize::from(a - b'a')] & (1 << (b - b'a')) != 0
}

/// How common a lower-case byte is in English prose mixed with code and markup, in thousandths or so.
const fn byte_commonness(byte: u8) -> u8 {
    match byte {
        b' ' => 130,
        b'e' => 95,
        b't' => 75,
        b'a' => 65,
        b'o' => 62,
        b'i' => 60,
        b'n' => 58,
        b's' => 57,
        b'r' => 55,
        b'l' => 38,
        b'c' => 33,
        b'd' => 34,
        b'u' => 28,
        b'm' => 27,
        b'p' => 27,
        b'h' => 27,
        b'f' => 20,
        b'g' => 20,
        b'-' => 20,
        b'b' => 15,
        b'y' => 15,
        b'w' => 14,
        b'.' => 14,
        b'_' => 12,
        b'v' => 11,
        b'k' => 10,
        b'/' => 10,
        b'"' => 12,
        b'=' => 8,
        b'`' => 8,
        b':' => 8,
        b'x' => 6,
        b'*' => 6,
        b'0'..=b'9' => 5,
        b'j' | b'q' | b'z' => 3,
        _ => 2,
    }
}

/// Pairs of letters that make a window common.
const COMMON_PAIRS: [[u8; 2]; 39] = [
    *b"th", *b"he", *b"in", *b"er", *b"an", *b"re", *b"on", *b"at", *b"en", *b"nd", *b"ti", *b"es", *b"or",
    *b"te", *b"of", *b"ed", *b"is", *b"it", *b"al", *b"ar", *b"st", *b"to", *b"nt", *b"ng", *b"se", *b"ha",
    *b"as", *b"ou", *b"io", *b"le", *b"ve", *b"co", *b"me", *b"de", *b"hi", *b"ri", *b"ro", *b"ic", *b"ne",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn all(literals: &[&'static str], text: &str) -> Vec<(usize, usize)> {
        let mut out = Vec::new();
        let literals: Vec<Literal> = literals.iter().map(|text| guessed(text)).collect();
        let filter = Prefilter::new(&literals);
        out.extend(filter.twos(text.as_bytes()));
        filter.scan(text.as_bytes(), |l, at| out.push((l, at)));
        out.sort_unstable();
        out
    }

    #[test]
    fn literals_are_found_in_any_case_and_overlapping() {
        assert_eq!(all(&["curl", "url "], "CURL x cUrl"), [(0, 0), (0, 7), (1, 1)]);
        assert_eq!(all(&["aaaa"], "aaaaaa"), [(0, 0), (0, 1), (0, 2)]);
    }

    #[test]
    fn edges_and_short_literals() {
        assert_eq!(all(&["abcd"], "abcd"), [(0, 0)]);
        assert_eq!(all(&["abcd"], "abc"), []);
        assert_eq!(all(&["nc", "abcd"], "NC"), [(0, 0)]);
        assert_eq!(all(&["sk-", "abcd"], "SK- x sk- abcd"), [(0, 0), (0, 6), (1, 10)]);
        assert_eq!(all(&[], "abcd"), []);
        // Folding joins [ and {, the comparison parts them again.
        assert_eq!(all(&["{abc"], "[abc {abc"), [(0, 5)]);
    }

    #[test]
    fn every_literal_of_a_large_set_is_found() {
        let set: Vec<&'static str> =
            (0..5000).map(|i| &*Box::leak(format!("literal-{i}-end").into_boxed_str())).collect();
        for i in [0, 1, 77, 4999] {
            let text = format!("x {} y", set[i].to_uppercase());
            assert!(all(&set, &text).contains(&(i, 2)));
        }
    }
}
