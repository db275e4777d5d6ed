//! SHA-256 as a value that cannot be confused with other text, and hashing in pieces. Not a choice of algorithms.

use std::fmt;
use std::io::{self, Read};

/// The SHA-256 (FIPS 180-4) of something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// Of bytes at hand.
    pub fn of(bytes: &[u8]) -> Sha256 {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    /// Of everything a reader gives, in pieces of 64 KiB, with its length. More than `limit` bytes are an error
    /// (`FileTooLarge`).
    pub fn of_reader(reader: &mut dyn Read, limit: u64) -> io::Result<(Sha256, u64)> {
        let mut buffer = vec![0; 64 << 10];
        let mut hasher = Hasher::default();
        let mut size = 0u64;
        loop {
            let got = match reader.read(&mut buffer) {
                Ok(0) => return Ok((hasher.finish(), size)),
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            size += got as u64;
            if size > limit {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            hasher.update(buffer.get(..got).unwrap_or_default());
        }
    }

    /// From 64 lower-case hex digits; `None` for anything else, so that one digest has one spelling.
    pub fn parse(text: &str) -> Option<Sha256> {
        let mut bytes = [0; 32];
        hex_into(text, &mut bytes).then_some(Sha256(bytes))
    }

    /// From its 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Sha256 {
        Sha256(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A SHA-256 that is not finished.
#[derive(Clone, Default)]
pub struct Hasher(sha2::Sha256);

impl Hasher {
    pub fn update(&mut self, bytes: &[u8]) {
        sha2::Digest::update(&mut self.0, bytes);
    }

    pub fn finish(self) -> Sha256 {
        Sha256(sha2::Digest::finalize(self.0).into())
    }
}

/// Lower-case hex digits.
pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |nibble: u8| DIGITS[usize::from(nibble & 15)];
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// Fills `out` from exactly as many lower-case hex digits as it needs; false for anything else.
pub fn hex_into(text: &str, out: &mut [u8]) -> bool {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    if text.len() != out.len() * 2 {
        return false;
    }
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let (Some(high), Some(low)) = (nibble(pair[0]), nibble(pair[1])) else { return false };
        *byte = high << 4 | low;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_digest_has_one_spelling() {
        let digest = Sha256::of(b"a\n");
        let text = "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7";
        assert_eq!(digest.to_string(), text);
        assert_eq!(Sha256::parse(text), Some(digest));
        for bad in ["", &text[1..], &text.to_uppercase(), &format!("{text}0"), &format!(" {}", &text[1..])] {
            assert_eq!(Sha256::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_reader_is_followed_to_its_end_or_the_limit() {
        let text = vec![7; 200_000];
        let read = |limit| Sha256::of_reader(&mut text.as_slice(), limit);
        assert_eq!(read(200_000).unwrap(), (Sha256::of(&text), 200_000));
        assert_eq!(read(199_999).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
