//! Finds any of some hundred words in one pass: a table of byte pairs, looked up at every second byte. Each word has
//! two pairs in the table, one from an even place in the word and one from an odd place, so that one of them stands at
//! an even place of the text wherever the word starts. Not for the literals of rules: those are the prefilter's.

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

/// Finds words; made once for a set of them.
pub struct Spotter {
    words: Vec<Word>,
    /// For each pair of bytes 0, or one more than an index into `lists`.
    table: Vec<u16>,
    lists: Vec<List>,
}

/// The words that have a pair, and where in the word it stands.
#[derive(Default)]
struct List {
    words: Vec<(u16, u8)>,
    /// Their values, joined.
    mask: u32,
}

impl Spotter {
    pub fn new(words: impl Iterator<Item = Word>) -> Spotter {
        let mut spotter = Spotter { words: words.collect(), table: vec![0; 1 << 16], lists: Vec::new() };
        let mut weights = vec![1u32; 1 << 16];
        for (line, weight) in COMMON.iter().zip([200u32, 100, 70, 50, 40, 30]) {
            for pair in line.as_bytes().chunks_exact(2) {
                weights[key(pair[0], pair[1])] = weight;
            }
        }
        let weight = |bytes: &[u8], at: usize| {
            weights[key(bytes[at], bytes[at + 1])] * 8 + byte_weight(bytes[at]) + byte_weight(bytes[at + 1])
        };
        for i in 0..spotter.words.len() {
            let Word { text, value, folded } = spotter.words[i];
            let (Ok(index), bytes) = (u16::try_from(i), text.as_bytes()) else { break };
            // Of the pairs at even and of those at odd places in the word, the one that is rarest in ordinary text.
            for parity in 0..2 {
                let pairs = (parity..bytes.len().saturating_sub(1).min(255)).step_by(2);
                let Some(at) = pairs.min_by_key(|i| weight(bytes, *i)) else { continue };
                let entry = (index, u8::try_from(at).unwrap_or(0));
                let cases = |b: u8| [b, if folded { b.to_ascii_uppercase() } else { b }];
                for a in cases(bytes[at]) {
                    for b in cases(bytes[at + 1]) {
                        spotter.add(a, b, entry, value);
                    }
                }
            }
        }
        spotter
    }

    fn add(&mut self, a: u8, b: u8, entry: (u16, u8), value: u32) {
        let slot = &mut self.table[key(a, b)];
        if *slot == 0 {
            self.lists.push(List::default());
            *slot = u16::try_from(self.lists.len()).unwrap_or(u16::MAX);
        }
        let list = &mut self.lists[usize::from(*slot) - 1];
        list.mask |= value;
        if !list.words.contains(&entry) {
            list.words.push(entry);
        }
    }

    // Both loops are written out: built for size, a shared one with a closure takes twice the time.

    /// The values, joined by OR, of all words that the text has. Words whose value is known already cost nothing more.
    pub fn values(&self, text: &[u8]) -> u32 {
        let table = &self.table[..1 << 16];
        let mut seen = 0;
        let mut at = 0;
        for pair in text.chunks_exact(2) {
            let list = table[usize::from(u16::from_le_bytes([pair[0], pair[1]]))];
            if list != 0 && self.lists[usize::from(list) - 1].mask & !seen != 0 {
                self.verify(text, at, list, &mut |word, _| seen |= word.value);
            }
            at += 2;
        }
        seen
    }

    /// Calls `f` with each occurrence of each word and its place, nearly in order of place; once or twice each. A word
    /// has a pair at an even place of the text whether it starts at one or not.
    pub fn each(&self, text: &[u8], mut f: impl FnMut(&Word, usize)) {
        let table = &self.table[..1 << 16];
        let mut at = 0;
        for pair in text.chunks_exact(2) {
            let list = table[usize::from(u16::from_le_bytes([pair[0], pair[1]]))];
            if list != 0 {
                self.verify(text, at, list, &mut f);
            }
            at += 2;
        }
    }

    #[inline(never)]
    fn verify(&self, text: &[u8], at: usize, list: u16, f: &mut impl FnMut(&Word, usize)) {
        for &(index, offset) in &self.lists[usize::from(list) - 1].words {
            let word = &self.words[usize::from(index)];
            let Some(start) = at.checked_sub(usize::from(offset)) else { continue };
            // Most candidates differ in their first bytes: no call for those.
            let rest = &text[start..];
            let bytes = word.text.as_bytes();
            let same = rest.len() >= bytes.len()
                && if word.folded {
                    rest.iter().zip(bytes).all(|(a, b)| a.to_ascii_lowercase() == *b)
                } else {
                    rest.iter().zip(bytes).all(|(a, b)| a == b)
                };
            if same {
                f(word, start);
            }
        }
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

fn key(a: u8, b: u8) -> usize {
    usize::from(u16::from_le_bytes([a, b]))
}

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
                let found =
                    [(pad, "curl"), (pad + 1, "url"), (pad + 5, "base64"), (pad + 12, "IFS"), (pad + 19, ".env")];
                assert_eq!(seen, found, "{text}");
            }
        }
    }
}
