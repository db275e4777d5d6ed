//! Bytes to text: whatever a person, an agent or an interpreter could read as text becomes UTF-8. Not what the text
//! means, and not what is encoded inside it.
//!
//! A file cannot hide by being half binary: what is not text still gives its readable runs, an encoding that is claimed
//! but not kept gives both readings, and stray zero bytes are dropped as shells drop them.

use super::{magic, padding, strings};

pub use super::padding::Padding;

/// A file that is text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    pub text: String,
    /// `utf-8`, `utf-16le`, `utf-16be`, `utf-32le`, `utf-32be`, `latin-1`.
    pub encoding: &'static str,
    pub notes: Vec<TextNote>,
}

/// A file that is not text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    /// By magic number; `None` if unknown.
    pub kind: Option<&'static str>,
    /// Its readable parts, worth scanning. Lines are counted in this text, not in the file.
    pub strings: String,
}

/// What is odd about how the text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextNote {
    /// Bytes that are not UTF-8, shown as Latin-1.
    InvalidUtf8 { count: usize },
    /// Zero bytes that were dropped.
    NulPadded { count: usize },
    /// UTF-16 that does not say so.
    Utf16WithoutBom,
    /// Says UTF-16 or UTF-32 but reads as ASCII too; the other reading stands at the end of the text.
    MixedEncoding,
    /// A stretch of blanks that pushes what follows out of sight.
    Padding(Padding),
}

/// Decodes a whole file. Valid UTF-8 is not copied.
pub fn decode(bytes: Vec<u8>) -> Result<Decoded, Binary> {
    let mut bytes = bytes;
    if memchr::memchr(0, &bytes).is_none() && utf16_mark(&bytes).is_none() {
        match String::from_utf8(bytes) {
            Ok(text) => return whole_utf8(text),
            Err(error) => bytes = error.into_bytes(),
        }
    }
    let mut decoder = Decoder::new(&bytes);
    let mut text = String::with_capacity(bytes.len());
    decoder.push(&bytes, true, &mut text);
    drop(bytes);
    match decoder.encoding {
        Encoding::Binary(kind) => {
            text.shrink_to_fit();
            Err(Binary { kind, strings: text })
        }
        _ => {
            let mut notes = decoder.notes();
            notes.extend(padding::find(&text).into_iter().map(TextNote::Padding));
            Ok(Decoded { encoding: decoder.name(), text, notes })
        }
    }
}

fn whole_utf8(mut text: String) -> Result<Decoded, Binary> {
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    // The one binary format that can be all ASCII; its streams are not read.
    if text.starts_with("%PDF-") {
        return Err(Binary { kind: Some("pdf"), strings: text });
    }
    let notes = padding::find(&text).into_iter().map(TextNote::Padding).collect();
    Ok(Decoded { text, encoding: "utf-8", notes })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    /// UTF-8 where it is, Latin-1 where it is not.
    EightBit,
    Utf16 {
        big: bool,
        marked: bool,
    },
    Utf32 {
        big: bool,
    },
    Binary(Option<&'static str>),
}

/// Decodes a file piece by piece. The head decides the encoding for all of it.
#[derive(Clone, Debug)]
pub struct Decoder {
    encoding: Encoding,
    /// The start of a character or run that the next piece completes.
    carry: Vec<u8>,
    /// A byte order mark still has to be dropped.
    at_start: bool,
    invalid: usize,
    nuls: usize,
    multibyte: bool,
    mixed: bool,
}

impl Decoder {
    /// Looks at the head of a file: the more of it, the surer.
    pub fn new(head: &[u8]) -> Decoder {
        Decoder {
            encoding: guess(head),
            carry: Vec::new(),
            at_start: true,
            invalid: 0,
            nuls: 0,
            multibyte: false,
            mixed: false,
        }
    }

    /// The kind of the file if it is not text.
    pub fn binary(&self) -> Option<Option<&'static str>> {
        match self.encoding {
            Encoding::Binary(kind) => Some(kind),
            _ => None,
        }
    }

    /// The name of the encoding, after all that was seen so far.
    pub fn name(&self) -> &'static str {
        match self.encoding {
            Encoding::EightBit if self.invalid > 0 && !self.multibyte => "latin-1",
            Encoding::EightBit => "utf-8",
            Encoding::Utf16 { big: false, .. } => "utf-16le",
            Encoding::Utf16 { big: true, .. } => "utf-16be",
            Encoding::Utf32 { big: false } => "utf-32le",
            Encoding::Utf32 { big: true } => "utf-32be",
            Encoding::Binary(_) => "binary",
        }
    }

    /// What was odd so far, but for padding.
    pub fn notes(&self) -> Vec<TextNote> {
        let mut notes = Vec::new();
        if self.invalid > 0 {
            notes.push(TextNote::InvalidUtf8 { count: self.invalid });
        }
        if self.nuls > 0 {
            notes.push(TextNote::NulPadded { count: self.nuls });
        }
        if matches!(self.encoding, Encoding::Utf16 { marked: false, .. }) {
            notes.push(TextNote::Utf16WithoutBom);
        }
        if self.mixed {
            notes.push(TextNote::MixedEncoding);
        }
        notes
    }

    /// Appends what `bytes` say to `out`. `last`: nothing follows, so an unfinished character is what it is.
    pub fn push(&mut self, bytes: &[u8], last: bool, out: &mut String) {
        let joined;
        let bytes = if self.carry.is_empty() {
            bytes
        } else {
            self.carry.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.carry);
            &joined
        };
        let keep = match self.encoding {
            Encoding::EightBit => self.push_eight_bit(bytes, last, out),
            Encoding::Utf16 { big, .. } => self.push_wide(bytes, 2, big, last, out),
            Encoding::Utf32 { big } => self.push_wide(bytes, 4, big, last, out),
            Encoding::Binary(_) => strings::extract(bytes, !last, out),
        };
        self.carry = bytes[bytes.len() - keep..].to_vec();
    }

    fn push_eight_bit(&mut self, bytes: &[u8], last: bool, out: &mut String) -> usize {
        let keep = if last { 0 } else { unfinished(bytes) };
        let mut bytes = bytes;
        if keep < bytes.len() && std::mem::take(&mut self.at_start) {
            bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        }
        for chunk in bytes[..bytes.len() - keep].utf8_chunks() {
            let valid = chunk.valid();
            self.multibyte = self.multibyte || !valid.is_ascii();
            self.push_without_nuls(valid, out);
            for &b in chunk.invalid() {
                self.invalid += 1;
                out.push(if b >= 0xa0 { char::from(b) } else { char::REPLACEMENT_CHARACTER });
            }
        }
        keep
    }

    fn push_without_nuls(&mut self, mut text: &str, out: &mut String) {
        while let Some(at) = memchr::memchr(0, text.as_bytes()) {
            let run = text.as_bytes()[at..].iter().take_while(|&&b| b == 0).count();
            self.nuls += run;
            out.push_str(&text[..at]);
            text = &text[at + run..];
        }
        out.push_str(text);
    }

    fn push_wide(&mut self, bytes: &[u8], width: usize, big: bool, last: bool, out: &mut String) -> usize {
        let mut keep = bytes.len() % width;
        if width == 2 {
            let unit = |pair: &[u8]| {
                let pair = [pair[0], pair[1]];
                if big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
            };
            let mut end = bytes.len() - keep;
            // A high surrogate waits for its other half.
            if !last && end >= 2 && (0xd800..0xdc00).contains(&unit(&bytes[end - 2..end])) {
                end -= 2;
                keep += 2;
            }
            for c in char::decode_utf16(bytes[..end].chunks_exact(2).map(unit)) {
                self.push_char(c.ok(), out);
            }
        } else {
            for quad in bytes.chunks_exact(4) {
                let quad = [quad[0], quad[1], quad[2], quad[3]];
                let unit = if big { u32::from_be_bytes(quad) } else { u32::from_le_bytes(quad) };
                self.push_char(char::from_u32(unit), out);
            }
        }
        self.mixed |= strings::extract_narrow(bytes, ASCII_IN_UTF16, out);
        if last {
            keep = 0;
        }
        keep
    }

    fn push_char(&mut self, c: Option<char>, out: &mut String) {
        match c {
            Some('\0') => self.nuls += 1,
            Some('\u{feff}') if std::mem::take(&mut self.at_start) => {}
            Some(c) => {
                self.at_start = false;
                out.push(c);
            }
            None => {
                self.invalid += 1;
                out.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }
}

/// So many printable bytes in a row do not happen in UTF-16 of any script.
const ASCII_IN_UTF16: usize = 16;

/// How much of the head is enough to guess by.
const SAMPLE: usize = 64 << 10;

fn utf16_mark(bytes: &[u8]) -> Option<Encoding> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] => Some(Encoding::Utf32 { big: false }),
        [0, 0, 0xfe, 0xff, ..] => Some(Encoding::Utf32 { big: true }),
        [0xff, 0xfe, ..] => Some(Encoding::Utf16 { big: false, marked: true }),
        [0xfe, 0xff, ..] => Some(Encoding::Utf16 { big: true, marked: true }),
        _ => None,
    }
}

fn guess(head: &[u8]) -> Encoding {
    if let Some(marked) = utf16_mark(head) {
        // A mark in front of plain ASCII fools only those who believe it.
        let sample = &head[..head.len().min(SAMPLE)];
        let plain = sample
            .iter()
            .filter(|&&b| (0x20..0x7f).contains(&b) || matches!(b, b'\n' | b'\r' | b'\t'))
            .count();
        return if plain * 20 >= sample.len() * 17 { Encoding::EightBit } else { marked };
    }
    if let Some(kind) = magic::kind(&head[..head.len().min(magic::HEAD)]) {
        return Encoding::Binary(Some(kind));
    }
    let sample = trim_nuls(&head[..head.len().min(SAMPLE)], head);
    if let Some(wide) = unmarked_utf16(sample) {
        return wide;
    }
    // Zero bytes in a row count once: they are filling, whatever is filled.
    let mut odd = 0;
    let mut before = b' ';
    for &b in sample {
        let blank = matches!(b, b'\t' | b'\n' | b'\r' | 0x08 | 0x0b | 0x0c | 0x1b);
        odd += usize::from((b < 0x20 && !blank && !(b == 0 && before == 0)) || b == 0x7f);
        before = b;
    }
    if odd > 3 + sample.len() / 10 { Encoding::Binary(None) } else { Encoding::EightBit }
}

/// The sample without filling around it; moved to where the content starts if it is all filling.
fn trim_nuls<'a>(sample: &'a [u8], head: &'a [u8]) -> &'a [u8] {
    let start = match sample.iter().position(|&b| b != 0) {
        Some(start) => start,
        None => head.iter().position(|&b| b != 0).unwrap_or(head.len()),
    };
    // An odd count of zeros in front may be half of a sixteen-bit character: keep pairs together.
    let start = start & !1;
    let sample = &head[start..head.len().min(start + SAMPLE)];
    let end = sample.iter().rposition(|&b| b != 0).map_or(0, |i| (i + 2) & !1);
    &sample[..end.min(sample.len())]
}

/// UTF-16 of mostly Latin text shows as a zero in one half of most pairs and in the other half of few.
fn unmarked_utf16(sample: &[u8]) -> Option<Encoding> {
    let (mut first, mut second, mut pairs) = (0usize, 0usize, 0usize);
    for pair in sample.chunks_exact(2) {
        // A pair of zeros is filling in any encoding.
        if pair != [0, 0] {
            pairs += 1;
            first += usize::from(pair[0] == 0);
            second += usize::from(pair[1] == 0);
        }
    }
    let most = |n: usize| n * 10 >= pairs * 3;
    let few = |n: usize| n * 20 <= pairs;
    if pairs < 2 {
        None
    } else if most(second) && few(first) {
        Some(Encoding::Utf16 { big: false, marked: false })
    } else if most(first) && few(second) {
        Some(Encoding::Utf16 { big: true, marked: false })
    } else {
        None
    }
}

/// How many bytes at the end start a UTF-8 character that is not complete.
fn unfinished(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let width = match bytes[bytes.len() - back] {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        return if width > back { back } else { 0 };
    }
    0
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
