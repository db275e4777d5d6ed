//! Finds any of some hundred words in one pass: a table of byte pairs, looked up at every second byte. Each word has
//! two pairs in the table, one from an even place in the word and one from an odd place, so that one of them stands at
//! an even place of the text wherever the word starts.

/// Words to look for, each with a value of the caller's.
pub(super) struct Spotter {
    words: &'static [(&'static str, u32)],
    /// For each pair of bytes 0, or one more than an index into `lists`.
    table: Vec<u8>,
    /// Words with that pair, and where in the word it stands.
    lists: Vec<Vec<(u16, u8)>>,
    /// The values of a list's words, joined.
    masks: Vec<u32>,
}

impl Spotter {
    /// Words must have three bytes or more.
    pub fn new(words: &'static [(&'static str, u32)]) -> Spotter {
        let mut spotter = Spotter { words, table: vec![0; 1 << 16], lists: Vec::new(), masks: Vec::new() };
        let mut weights = vec![1u32; 1 << 16];
        for (line, weight) in COMMON.iter().zip([200u32, 100, 70, 50, 40, 30]) {
            for pair in line.as_bytes().chunks_exact(2) {
                weights[key(pair[0], pair[1])] = weight;
            }
        }
        let weight = |bytes: &[u8], at: usize| {
            weights[key(bytes[at], bytes[at + 1])] * 8 + byte_weight(bytes[at]) + byte_weight(bytes[at + 1])
        };
        for (i, (word, _)) in (0u16..).zip(words) {
            let bytes = word.as_bytes();
            // Of the pairs at even and of those at odd places in the word, the one that is rarest in ordinary text.
            for parity in 0..2 {
                let best =
                    (parity..bytes.len().saturating_sub(1)).step_by(2).min_by_key(|i| weight(bytes, *i));
                if let Some(at) = best {
                    spotter.add(bytes[at], bytes[at + 1], (i, at as u8));
                }
            }
        }
        spotter
    }

    fn add(&mut self, a: u8, b: u8, entry: (u16, u8)) {
        let key = key(a, b);
        if self.table[key] == 0 {
            if self.lists.len() < 254 {
                self.lists.push(Vec::new());
                self.masks.push(0);
            }
            self.table[key] = self.lists.len() as u8;
        }
        let list = usize::from(self.table[key]) - 1;
        self.masks[list] |= self.words[usize::from(entry.0)].1;
        if !self.lists[list].contains(&entry) {
            self.lists[list].push(entry);
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
            if list != 0 && self.masks[usize::from(list) - 1] & !seen != 0 {
                self.verify(text, at, list, &mut |value, _| seen |= value);
            }
            at += 2;
        }
        seen
    }

    /// Calls `f` with the value and the place of each occurrence of each word. A word has a pair at an even place of
    /// the text whether it starts at one or not.
    pub fn each(&self, text: &[u8], mut f: impl FnMut(u32, usize)) {
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
    fn verify(&self, text: &[u8], at: usize, list: u8, f: &mut impl FnMut(u32, usize)) {
        for (word, offset) in &self.lists[usize::from(list) - 1] {
            let (word, value) = self.words[usize::from(*word)];
            let Some(start) = at.checked_sub(usize::from(*offset)) else { continue };
            // Most candidates differ in their first bytes: no call for those.
            let rest = &text[start..];
            if rest.len() >= word.len() && rest.iter().zip(word.as_bytes()).all(|(a, b)| a == b) {
                f(value, start);
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
        let spotter = Spotter::new(&[("curl", 1), ("IFS", 2), ("base64", 3), ("url", 4)]);
        for pad in 0..5 {
            for tail in 0..3 {
                let text = format!("{}curl base64 IFS{}", "x".repeat(pad), "y".repeat(tail));
                let mut seen = Vec::new();
                spotter.each(text.as_bytes(), |v, at| seen.push((v, at)));
                assert_eq!(spotter.values(text.as_bytes()), 7);
                seen.sort_unstable();
                assert_eq!(seen, [(1, pad), (2, pad + 12), (3, pad + 5), (4, pad + 1)], "{text}");
            }
        }
    }
}
