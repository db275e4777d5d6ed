//! Finds any of some hundred words in one pass: a table of byte pairs, looked up at every second byte. Each word has
//! two neighbouring pairs in the table, so that one of them stands at an even place wherever the word starts.

/// Words to look for, each with a value of the caller's.
pub(super) struct Spotter {
    words: &'static [(&'static str, u32)],
    /// For each pair of bytes 0, or one more than an index into `lists`.
    table: Vec<u8>,
    /// Words with that pair, and where in the word it stands.
    lists: Vec<Vec<(u16, u8)>>,
}

impl Spotter {
    /// Words must have three bytes or more.
    pub fn new(words: &'static [(&'static str, u32)]) -> Spotter {
        let mut spotter = Spotter { words, table: vec![0; 1 << 16], lists: Vec::new() };
        let mut common = vec![false; 1 << 16];
        for pair in COMMON.as_bytes().windows(2) {
            common[key(pair[0], pair[1])] = true;
        }
        let weight = |bytes: &[u8], at: usize| {
            let (a, b) = (bytes[at], bytes[at + 1]);
            byte_weight(a) * byte_weight(b) * if common[key(a, b)] { 4 } else { 1 }
        };
        for (i, (word, _)) in (0u16..).zip(words) {
            let bytes = word.as_bytes();
            // The place in the word whose two pairs are rarest in ordinary text.
            let best = (0..bytes.len().saturating_sub(2)).min_by_key(|i| weight(bytes, *i) + weight(bytes, *i + 1));
            let Some(best) = best else { continue };
            for at in [best, best + 1] {
                spotter.add(bytes[at], bytes[at + 1], (i, at as u8));
            }
        }
        spotter
    }

    fn add(&mut self, a: u8, b: u8, entry: (u16, u8)) {
        let key = key(a, b);
        if self.table[key] == 0 {
            if self.lists.len() < 254 {
                self.lists.push(Vec::new());
            }
            self.table[key] = self.lists.len() as u8;
        }
        let list = usize::from(self.table[key]) - 1;
        if !self.lists[list].contains(&entry) {
            self.lists[list].push(entry);
        }
    }

    /// Calls `f` with the value and the place of each occurrence of each word, until it says stop.
    pub fn each(&self, text: &[u8], mut f: impl FnMut(u32, usize) -> bool) {
        let table = &self.table[..1 << 16];
        let mut at = 0;
        for pair in text.chunks_exact(2) {
            let list = table[usize::from(u16::from_le_bytes([pair[0], pair[1]]))];
            if list != 0 && !self.verify(text, at, list, &mut f) {
                return;
            }
            at += 2;
        }
        // In a text of odd length the last pair was not looked at.
        if text.len() % 2 == 1 && text.len() > 2 {
            let at = text.len() - 2;
            let list = table[usize::from(u16::from_le_bytes([text[at], text[at + 1]]))];
            if list != 0 {
                self.verify(text, at, list, &mut f);
            }
        }
    }

    #[inline(never)]
    fn verify(&self, text: &[u8], at: usize, list: u8, f: &mut impl FnMut(u32, usize) -> bool) -> bool {
        for (word, offset) in &self.lists[usize::from(list) - 1] {
            let (word, value) = self.words[usize::from(*word)];
            let Some(start) = at.checked_sub(usize::from(*offset)) else { continue };
            // Most candidates differ in their first bytes: no call for those.
            let rest = &text[start..];
            let same = rest.len() >= word.len() && rest.iter().zip(word.as_bytes()).all(|(a, b)| a == b);
            if same && !f(value, start) {
                return false;
            }
        }
        true
    }
}

/// Pairs that every other line of text or code has.
const COMMON: &str = "thheineranreonatenndtiesorteofedisitalarstintongsehasouiolevecomedehiriroicneearacelichllbemasiomur\
                      ptexplprusecctomtoutunemrospiedaaddiwiutlogeminissetotasnoewhamoatrfofoilabletaelgenotniipamayamtr\
                      vismtypmanamentidnaidsoveurlmmsarsxesucmlakelolaspppavbufirodopoerncnsntniovovatw";

fn key(a: u8, b: u8) -> usize {
    usize::from(u16::from_le_bytes([a, b]))
}

/// How common a byte is, roughly.
fn byte_weight(b: u8) -> u32 {
    match b {
        b' ' => 60,
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 24,
        b'h' | b'l' | b'd' | b'c' | b'u' | b'm' | b'p' => 16,
        b'a'..=b'z' => 6,
        b'.' | b'-' | b'"' | b'_' | b'/' | b'0'..=b'9' | b'=' | b'`' | b'*' | b'#' | b'|' => 8,
        _ => 3,
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
                spotter.each(text.as_bytes(), |v, at| {
                    seen.push((v, at));
                    true
                });
                seen.sort_unstable();
                seen.dedup();
                assert_eq!(seen, [(1, pad), (2, pad + 12), (3, pad + 5), (4, pad + 1)], "{text}");
            }
        }
    }
}
