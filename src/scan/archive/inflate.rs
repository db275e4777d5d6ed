//! Deflate with a bound on what comes out, and the checksum that zip and gzip keep. Not a container format.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// How a deflate stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Complete,
    /// More would have come out than was allowed.
    Limit,
    /// The stream is damaged or cut off.
    Damaged,
}

/// What came out of a deflate stream, as far as it was followed.
#[derive(Clone, Debug)]
pub struct Inflated {
    pub bytes: Vec<u8>,
    /// How many bytes of the input the stream took.
    pub consumed: usize,
    pub ending: Ending,
}

/// Inflates a raw deflate stream at the front of `input` to at most `limit` bytes. `hint` is what the container says
/// comes out; it is not believed.
pub fn inflate(input: &[u8], hint: usize, limit: usize) -> Inflated {
    let mut state = Box::<DecompressorOxide>::default();
    // Not the whole of the hint: a claim of gigabytes must not allocate them.
    let mut bytes = vec![0; hint.clamp(512, 1 << 20).min(limit)];
    let (mut consumed, mut written) = (0, 0);
    loop {
        let (status, took, gave) = decompress(
            &mut state,
            &input[consumed..],
            &mut bytes,
            written,
            TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
        );
        consumed += took;
        written += gave;
        let ending = match status {
            TINFLStatus::Done => Ending::Complete,
            TINFLStatus::HasMoreOutput if bytes.len() < limit => {
                bytes.resize((bytes.len() * 2).max(512).min(limit), 0);
                continue;
            }
            TINFLStatus::HasMoreOutput => Ending::Limit,
            _ => Ending::Damaged,
        };
        bytes.truncate(written);
        return Inflated { bytes, consumed, ending };
    }
}

/// The CRC-32 of zip and gzip.
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &b| TABLE[usize::from(b ^ crc.to_le_bytes()[0])] ^ (crc >> 8))
}

static TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0u32; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use miniz_oxide::deflate::compress_to_vec;

    #[test]
    fn crc_of_the_standard_check_value() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn what_goes_in_comes_out() {
        let text = "skills and tools ".repeat(10_000);
        let mut packed = compress_to_vec(text.as_bytes(), 6);
        let size = packed.len();
        packed.extend_from_slice(b"rest");
        for hint in [0, 1, text.len(), usize::MAX] {
            let out = inflate(&packed, hint, 1 << 20);
            assert_eq!(
                (out.bytes.as_slice(), out.consumed, out.ending),
                (text.as_bytes(), size, Ending::Complete)
            );
        }
        let exact = inflate(&packed, 0, text.len());
        assert_eq!((exact.bytes.len(), exact.ending), (text.len(), Ending::Complete));
    }

    #[test]
    fn bounds_and_damage_are_told_apart() {
        let packed = compress_to_vec(&vec![0; 50 << 20], 6);
        let out = inflate(&packed, 0, 1 << 20);
        assert_eq!((out.bytes.len(), out.ending), (1 << 20, Ending::Limit));
        assert_eq!(inflate(&packed[..packed.len() / 2], 0, 64 << 20).ending, Ending::Damaged);
        assert_eq!(inflate(b"\xff\xff\xff", 0, 100).ending, Ending::Damaged);
        assert_eq!(inflate(b"", 0, 0).ending, Ending::Damaged);
    }
}
