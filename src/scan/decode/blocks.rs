//! Eight bytes at a time: which blocks of a text can be part of a run of base64 or of a list of numbers. A run of
//! fifteen bytes covers a whole block wherever it starts, so a decoder that looks only at marked blocks misses none.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = ONES << 7;

/// Bytes of a block.
pub(super) const BLOCK: usize = 8;

fn word(text: &[u8], at: usize) -> Option<u64> {
    let block: [u8; BLOCK] = text.get(at..at + BLOCK)?.try_into().ok()?;
    Some(u64::from_le_bytes(block))
}

/// The high bit of each byte of `x` (all below 0x80) that is from `low` to `high`.
const fn within(x: u64, low: u8, high: u8) -> u64 {
    let from = x + ONES * (0x80 - low as u64);
    let past = x + ONES * (0x7f - high as u64);
    from & !past & HIGH
}

/// The next block at or after `from` (a multiple of [`BLOCK`]) made of letters, digits, `+`, `/`, `-`, `_` and a few
/// marks that are as rare, with a capital letter or a digit among them: without that it is part of a word.
pub(super) fn next_wordy(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(x) = word(text, at) {
        // Most blocks have a blank or a quote in them: a byte below all that is looked for.
        if x.wrapping_sub(ONES * b'+' as u64) & !x & HIGH != 0 {
            at += BLOCK;
            continue;
        }
        // With the case bit set, letters are one range; it ends at what `_` becomes.
        let letters = within((x & !HIGH) | (ONES << 5), 0x61, 0x7f);
        let digits = within(x & !HIGH, b'+', b'9');
        if (letters | digits) & !x & HIGH == HIGH && within(x, b'A', b'Z') | within(x, b'0', b'9') != 0 {
            return Some(at);
        }
        at += BLOCK;
    }
    None
}

/// The next block with two digits or more.
pub(super) fn next_numeric(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(x) = word(text, at) {
        // Most have no byte with the upper half of a digit.
        let halves = (x ^ (ONES * 0x30)) & (ONES * 0xf0);
        if halves.wrapping_sub(ONES) & !halves & HIGH == 0 {
            at += BLOCK;
            continue;
        }
        let digits = within(x & !HIGH, b'0', b'9') & !x;
        if digits & digits.wrapping_sub(1) != 0 {
            return Some(at);
        }
        at += BLOCK;
    }
    None
}

/// The next byte that is no ASCII.
pub(in crate::scan) fn next_wide(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(x) = word(text, at) {
        if x & HIGH != 0 {
            return Some(at + (x & HIGH).trailing_zeros() as usize / 8);
        }
        at += BLOCK;
    }
    text[at..].iter().position(|b| *b >= 0x80).map(|i| at + i)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_marked_by_what_all_their_bytes_are() {
        assert_eq!(next_wordy(b"a b c d eabcdEF09xyz", 0), Some(8));
        assert_eq!(next_wordy("é-----A-".as_bytes(), 0), None);
        assert_eq!(next_wordy(b"absolute", 0), None);
        for b in 0..=255u8 {
            let block = [b, b, b, b'Q', b, b, b, b];
            let needed = b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_');
            if needed {
                assert_eq!(next_wordy(&block, 0), Some(0), "{b}");
            } else if b >= 0x80 || b <= b' ' || matches!(b, b'"' | b'(' | b':' | b'=') {
                assert_eq!(next_wordy(&block, 0), None, "{b}");
            }
            assert_eq!(next_numeric(&[b; 8], 0).is_some(), b.is_ascii_digit(), "{b}");
        }
        assert_eq!(next_numeric(b"one 1 two and 22", 0), Some(8));
        assert_eq!(next_wide("abcdefghijké".as_bytes(), 0), Some(11));
        assert_eq!(next_wide("abc".as_bytes(), 0), None);
    }
}
