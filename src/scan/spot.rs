//! Finds any of some hundred words in one pass: three bytes at every second place, case folded, looked up in a bitmap.
//! Each word has two such windows in it, one from an even place in the word and one from an odd place, so that one of
//! them stands at an even place of the text wherever the word starts. Not for the literals of rules: those are the
//! prefilter's.

use super::prefilter::same;

/// Bits of the bitmap: 2^16 are 8 KiB, which the first-level cache holds.
const BITS: u32 = 16;
/// Heads of the chains behind it.
const HEADS: usize = 1 << 10;
/// No entry.
const NONE: u16 = u16::MAX;

/// A word to look for: at least three bytes.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    pub text: &'static str,
    /// What the caller knows it by: usually one bit.
    pub value: u32,
    /// In any ASCII case; the text is lower case then.
    pub folded: bool,
}

/// Words as they stand, all of one value.
pub fn exact(value: u32, texts: &[&'static str]) -> impl Iterator<Item = Word> {
    texts.iter().map(move |text| Word { text, value, folded: false })
}

/// Words in any case (given in lower case), all of one value.
pub fn folded(value: u32, texts: &[&'static str]) -> impl Iterator<Item = Word> {
    texts.iter().map(move |text| Word { text, value, folded: true })
}

/// One window of one word.
struct Entry {
    /// The folded window.
    window: u32,
    /// Index into the words.
    word: u16,
    /// Where the window starts in the word.
    offset: u16,
    next: u16,
}

/// Finds words; made once for a set of them.
pub struct Spotter {
    words: Vec<Word>,
    bitmap: Vec<u64>,
    heads: Vec<u16>,
    /// For each head the values of the words behind it, joined.
    masks: Vec<u32>,
    entries: Vec<Entry>,
}

/// The window in the lower three bytes, in one case. Joins some other pairs too, which the comparison tells apart.
const fn fold(window: u32) -> u32 {
    (window | 0x20_2020) & 0xff_ffff
}

/// Spreads a folded window over the bitmap (Fibonacci hashing).
const fn slot(window: u32) -> usize {
    (window.wrapping_mul(0x9E37_79B1) >> (32 - BITS)) as usize
}

impl Spotter {
    pub fn new(words: impl Iterator<Item = Word>) -> Spotter {
        let mut spotter = Spotter {
            words: words.collect(),
            bitmap: vec![0; 1 << (BITS - 6)],
            heads: vec![NONE; HEADS],
            masks: vec![0; HEADS],
            entries: Vec::new(),
        };
        let pairs = Pairs::new();
        for i in 0..spotter.words.len() {
            let bytes = spotter.words[i].text.as_bytes();
            let Ok(word) = u16::try_from(i) else { break };
            if let [a, b, c] = *bytes {
                spotter.add(word, 0, [a, b, c]);
                // At an odd place only its last two bytes stand in a window, whatever comes behind.
                for any in (0..=255).filter(|any| any & 0x20 != 0) {
                    spotter.add(word, 1, [b, c, any]);
                }
                continue;
            }
            // Of the windows at even and of those at odd places in the word, the one that is rarest in ordinary text.
            for parity in 0..2 {
                let starts = (parity..bytes.len().saturating_sub(2)).step_by(2);
                let weight = |at: usize| {
                    pairs.weight(bytes[at], bytes[at + 1]) + pairs.weight(bytes[at + 1], bytes[at + 2])
                };
                if let Some(at) = starts.min_by_key(|at| weight(*at)) {
                    spotter.add(word, at, [bytes[at], bytes[at + 1], bytes[at + 2]]);
                }
            }
        }
        spotter
    }

    fn add(&mut self, word: u16, offset: usize, window: [u8; 3]) {
        let [a, b, c] = window;
        let window = fold(u32::from_le_bytes([a, b, c, 0]));
        let slot = slot(window);
        self.bitmap[slot >> 6] |= 1 << (slot & 63);
        let (Ok(entry), Ok(offset)) = (u16::try_from(self.entries.len()), u16::try_from(offset)) else {
            return;
        };
        self.masks[slot & (HEADS - 1)] |= self.words[usize::from(word)].value;
        let head = &mut self.heads[slot & (HEADS - 1)];
        self.entries.push(Entry { window, word, offset, next: *head });
        *head = entry;
    }

    // Two loops written out: built for size, one with closures takes twice the time.

    /// The values, joined by OR, of all words that the text has. Words whose value is known already cost nothing more.
    pub fn values(&self, text: &[u8]) -> u32 {
        let bitmap = &self.bitmap[..1 << (BITS - 6)];
        let masks = &self.masks[..HEADS];
        let mut seen = 0;
        let mut bytes = 0u32;
        let mut end = 0;
        for pair in text.chunks_exact(2) {
            bytes = (bytes >> 16) | (u32::from(u16::from_le_bytes([pair[0], pair[1]])) << 16);
            let window = fold(bytes);
            let slot = slot(window);
            end += 2;
            if bitmap[slot >> 6] & (1 << (slot & 63)) != 0 && masks[slot & (HEADS - 1)] & !seen != 0 {
                self.verify(text, end, window, slot, &mut |word, _| seen |= word.value);
            }
        }
        self.last(text, bytes, &mut |word, _| seen |= word.value);
        seen
    }

    /// Calls `f` with each occurrence of each word and its place, nearly in order of place.
    pub fn each(&self, text: &[u8], mut f: impl FnMut(&Word, usize)) {
        let bitmap = &self.bitmap[..1 << (BITS - 6)];
        // The window that starts with the pair before.
        let mut bytes = 0u32;
        let mut end = 0;
        for pair in text.chunks_exact(2) {
            bytes = (bytes >> 16) | (u32::from(u16::from_le_bytes([pair[0], pair[1]])) << 16);
            let window = fold(bytes);
            let slot = slot(window);
            end += 2;
            if bitmap[slot >> 6] & (1 << (slot & 63)) != 0 {
                self.verify(text, end, window, slot, &mut f);
            }
        }
        self.last(text, bytes, &mut f);
    }

    /// The last pair, with what stands behind it.
    fn last(&self, text: &[u8], bytes: u32, f: &mut impl FnMut(&Word, usize)) {
        let last = if text.len() % 2 == 1 { text.last().copied().unwrap_or(0) } else { 0 };
        let window = fold((bytes >> 16) | u32::from(last) << 16);
        self.verify(text, (text.len() & !1) + 2, window, slot(window), f);
    }

    /// The words that have this window, where it ends one byte before `end`.
    #[inline(never)]
    fn verify(&self, text: &[u8], end: usize, window: u32, slot: usize, f: &mut impl FnMut(&Word, usize)) {
        let mut next = self.heads[slot & (HEADS - 1)];
        while let Some(entry) = self.entries.get(usize::from(next)) {
            next = entry.next;
            if entry.window != window {
                continue;
            }
            let Some(start) = end.checked_sub(4 + usize::from(entry.offset)) else { continue };
            let word = &self.words[usize::from(entry.word)];
            let bytes = word.text.as_bytes();
            let Some(piece) = text.get(start..start + bytes.len()) else { continue };
            if if word.folded { same(piece, bytes) } else { piece == bytes } {
                f(word, start);
            }
        }
    }
}

/// How common pairs of bytes are in ordinary text, roughly.
struct Pairs {
    common: [u8; 1 << 14],
}

impl Pairs {
    fn new() -> Pairs {
        let mut pairs = Pairs { common: [1; 1 << 14] };
        for (line, weight) in COMMON.iter().zip([200u8, 100, 70, 50, 40, 30]) {
            for pair in line.as_bytes().chunks_exact(2) {
                pairs.common[Pairs::key(pair[0], pair[1])] = weight;
            }
        }
        pairs
    }

    fn key(a: u8, b: u8) -> usize {
        (usize::from(a) << 7 | usize::from(b)) & ((1 << 14) - 1)
    }

    fn weight(&self, a: u8, b: u8) -> u32 {
        let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
        u32::from(self.common[Pairs::key(a, b)]) * 8 + byte_weight(a) + byte_weight(b)
    }
}

/// The pairs that text and code have most of, most frequent first: measured on skills, forty a line.
const COMMON: [&str; 6] = [
    "  on \"reineser: enattee ortistt ntsedelecoios -- tit,  s ans cetmen \":rithalarro",
    "antangedr nd id toge fliisectrve {urct rra**omce- ``icne\",pe pheas =ouch= # eaod",
    "elsssimalo -fi e }olnaillautts##s.ac |usy | nc dunrsexprpollamdi==paagfosoifca (",
    "o mp 'l noulimtyptemai mhotu odashf adrthas:otid)  Cttpl S wg mocr nueh );//ieke",
    "ryig le. *sce\" b Aapowsut(ep `rnck. rrhis\"\" miopefsagibaltipCo* ocrgs/cltphtabls",
    "evegcue:()auose_vibl P',um.0psypspRem jsvaee h [\"\"ir uiv.cniooxt Tboruqupp /t.1.",
];

/// How common a byte is, roughly.
fn byte_weight(b: u8) -> u32 {
    match b {
        b' ' => 60,
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 40,
        b'h' | b'l' | b'd' | b'c' | b'u' | b'm' | b'p' => 25,
        b'a'..=b'z' => 12,
        b'.' | b'-' | b'"' | b'_' | b'/' | b'0'..=b'9' | b'=' | b'`' | b'*' | b'#' | b'|' => 12,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_wherever_they_start() {
        let spotter = Spotter::new(
            exact(1, &["curl", "url"]).chain(exact(2, &["IFS"])).chain(folded(4, &["base64", ".env"])),
        );
        for pad in 0..5 {
            for tail in 0..3 {
                let text = format!("{}curl Base64 IFS ifs.ENV{}", "x".repeat(pad), "y".repeat(tail));
                let mut seen = Vec::new();
                spotter.each(text.as_bytes(), |w, at| seen.push((at, w.text)));
                assert_eq!(spotter.values(text.as_bytes()), 7);
                seen.sort_unstable();
                seen.dedup();
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
}
