//! How common pairs of bytes are in ordinary text: the measured table of `build/frequencies.txt`, in the short form that
//! `build.rs` makes of it. Says where in a word to look for it; the built-in literals have been through the long form.

static PAIRS: &[u8; KINDS * KINDS] = include_bytes!(concat!(env!("OUT_DIR"), "/pairs.bin"));

include!("common/kinds.rs");

/// Where the window of a word starts that ordinary text has least: three bytes or four, at an even (0) or odd (1) place
/// of the word. The word has four bytes at least.
pub fn window(word: &[u8], parity: usize) -> u8 {
    let rarity = |at: &usize| -> u32 {
        word[*at..]
            .windows(2)
            .take(3)
            .map(|pair| u32::from(u8::MAX - PAIRS[kind(pair[0]) * KINDS + kind(pair[1])]))
            .sum()
    };
    let last = (word.len().saturating_sub(3)).min(usize::from(u8::MAX - 1));
    (parity..=last).step_by(2).max_by_key(rarity).unwrap_or(parity) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_parts_are_chosen() {
        assert!(matches!(window(b"the quiz the", 0), 4 | 6));
        assert_eq!(window(b"curl", 0), 0);
        assert_eq!(window(b"curl", 1), 1);
        assert!(window(&[b'a'; 600], 1) % 2 == 1);
    }
}
