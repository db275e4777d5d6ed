//! Runs of base64, base32 and plain hex: found by probing every few bytes, so that ordinary text costs little.

use super::blocks::{self, BLOCK};
use super::{Sink, bytes, plain};
use crate::rules::Lang;
use crate::scan::clues;
use memchr::{memchr, memmem, memrchr};
use std::ops::Range;

/// The shortest run that is looked at without a word that announces it.
const MIN_RUN: usize = 16;
/// The shortest with one (`base64 -d`, `atob(`).
const MIN_ANNOUNCED: usize = 8;
/// The shortest run of plain hex: ten bytes.
const MIN_HEX: usize = 20;
/// A line of wrapped base64 is at least this long.
const MIN_WRAPPED: usize = 32;

pub(super) fn find(sink: &mut Sink) {
    let text = sink.text.as_bytes();
    let mut at = 0;
    while let Some(run) = next_run(text, at) {
        at = run.end;
        if !worth_decoding(&text[run.clone()]) {
            continue;
        }
        let wrapped = lines_after(text, &run);
        if let Some(chunks) = wrapped {
            // Each line is read at most twice, whatever follows it.
            at = chunks.last().map_or(at, |c| c.end);
            if !decode_chunks(sink, &chunks) {
                for chunk in &chunks {
                    decode_chunks(sink, std::slice::from_ref(chunk));
                }
            }
            continue;
        }
        decode_chunks(sink, std::slice::from_ref(&run));
    }
    if sink.clues.has(clues::BASE64) {
        announced(sink);
    }
}

/// Is the byte in the alphabet of base64, plain or for addresses?
const fn is_base64(b: u8) -> bool {
    ALPHABET[b as usize] < 64
}

const ALPHABET: [u8; 256] = {
    let mut table = [0xff; 256];
    let mut i = 0u8;
    while i < 26 {
        table[(b'A' + i) as usize] = i;
        table[(b'a' + i) as usize] = 26 + i;
        i += 1;
    }
    let mut i = 0u8;
    while i < 10 {
        table[(b'0' + i) as usize] = 52 + i;
        i += 1;
    }
    table[b'+' as usize] = 62;
    table[b'-' as usize] = 62;
    table[b'/' as usize] = 63;
    table[b'_' as usize] = 63;
    table
};

/// The next run of at least [`MIN_RUN`] bytes of the alphabet that starts at or after `from`.
fn next_run(text: &[u8], from: usize) -> Option<Range<usize>> {
    let mut at = from.next_multiple_of(BLOCK);
    // The first run may cover the block that `from` stands in.
    at = at.saturating_sub(BLOCK);
    while let Some(block) = blocks::next_wordy(text, at) {
        let low = from.max(block.saturating_sub(MIN_RUN));
        let mut start = block.max(from);
        while start > low && is_base64(text[start - 1]) {
            start -= 1;
        }
        let mut end = start;
        while end < text.len() && is_base64(text[end]) {
            end += 1;
        }
        if end - start >= MIN_RUN {
            return Some(start..end);
        }
        at = (end.max(block + 1)).next_multiple_of(BLOCK);
    }
    None
}

/// The next shorter run, byte by byte.
fn next_short_run(text: &[u8], from: usize) -> Option<Range<usize>> {
    let mut at = from;
    loop {
        let start = at + text[at..].iter().position(|b| is_base64(*b))?;
        let length = text[start..].iter().take_while(|b| is_base64(**b)).count();
        if length >= MIN_ANNOUNCED {
            return Some(start..start + length);
        }
        at = start + length;
    }
}

/// Rules out words, paths and identifiers: encoded text mixes cases and digits from its first bytes on.
fn worth_decoding(run: &[u8]) -> bool {
    let head = &run[..run.len().min(64)];
    let (mut upper, mut lower, mut digit) = (0, 0, 0);
    for b in head {
        match b {
            b'A'..=b'Z' => upper += 1,
            b'a'..=b'z' => lower += 1,
            b'0'..=b'9' => digit += 1,
            _ => {}
        }
    }
    let mixed = upper >= 2 && lower + digit >= 2;
    let hex = run.len() >= MIN_HEX && digit > 0 && head.iter().all(u8::is_ascii_hexdigit);
    let base32 = lower == 0 && upper >= 8 && digit > 0;
    mixed || hex || base32
}

/// The runs on the lines that follow, if `run` ends its line and they go on with it.
fn lines_after(text: &[u8], run: &Range<usize>) -> Option<Vec<Range<usize>>> {
    if run.len() < MIN_WRAPPED {
        return None;
    }
    let mut chunks = vec![run.clone()];
    let mut at = run.end;
    loop {
        // Ends of strings, comment marks, continuations: whatever stands around a line of a longer blob.
        let mut i = at;
        let mut newline = false;
        while i < text.len()
            && i < at + 64
            && matches!(
                text[i],
                b'\r' | b'\n' | b' ' | b'\t' | b'"' | b'\'' | b'\\' | b'+' | b',' | b'>' | b'#' | b'`'
            )
        {
            // A `+` belongs to the alphabet too.
            if newline && is_base64(text[i]) {
                break;
            }
            newline |= text[i] == b'\n';
            i += 1;
        }
        if !newline {
            break;
        }
        let mut end = i;
        while end < text.len() && is_base64(text[end]) {
            end += 1;
        }
        let last = chunks.last().map_or(0, ExactSizeIterator::len);
        if end - i < 2 || end - i > run.len().max(last) {
            break;
        }
        chunks.push(i..end);
        at = end;
        // A shorter line is the last one.
        if end - i < last {
            break;
        }
    }
    (chunks.len() > 1).then_some(chunks)
}

/// Decodes the joined chunks and puts what comes out.
fn decode_chunks(sink: &mut Sink, chunks: &[Range<usize>]) -> bool {
    let text = sink.text.as_bytes();
    let (Some(first), Some(last)) = (chunks.first(), chunks.last()) else { return false };
    let mut end = last.end;
    while end < text.len() && end < last.end + 2 && text[end] == b'=' {
        end += 1;
    }
    let origin = first.start..end;
    let padded = end > last.end;
    let joined;
    let run = if chunks.len() == 1 {
        &text[first.clone()]
    } else {
        joined = chunks.iter().flat_map(|c| text[c.clone()].iter().copied()).collect::<Vec<u8>>();
        &joined[..]
    };
    let keyed = sink.clues.has(clues::KEYED);
    if run.len() >= MIN_HEX && run.len().is_multiple_of(2) && run.iter().all(u8::is_ascii_hexdigit) {
        let bytes = hex(run);
        return put(sink, origin, "hex", &bytes, keyed, bytes.len() >= 16);
    }
    if run.iter().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7')) {
        let bytes = base32(run);
        if bytes::may_be_text(&bytes[..bytes.len().min(16)])
            && put(sink, origin.clone(), "base32", &bytes, false, true)
        {
            return true;
        }
    }
    if is_web_token(text, &origin, run) {
        return false;
    }
    // Code may cut off a few bytes that it put in front; only a text that tells something is believed then.
    for skip in 0..4 {
        let run = &run[skip.min(run.len())..];
        let head = head(run);
        let promising =
            bytes::may_be_text(&head) || skip == 0 && (starts_packed(&head) || keyed || run.len() >= 128);
        if !promising {
            continue;
        }
        let bytes = decode(run);
        if skip == 0 {
            // Runs that end in one left-over character are no whole encodings, but may be a fragment of one.
            let sure = padded || run.len() % 4 != 1;
            if put(sink, origin.clone(), "base64", &bytes, keyed, sure) {
                return true;
            }
        } else if run.len() >= 24
            && let Some((_, decoded)) =
                bytes::read(&bytes, false).filter(|(chain, t)| chain.is_empty() && plain::words(t) >= 2)
        {
            sink.put(origin, &["base64"], decoded, Lang::Unknown);
            return true;
        }
    }
    false
}

/// The first twelve bytes that a run of at least sixteen characters stands for.
fn head(run: &[u8]) -> [u8; 12] {
    let mut out = [b' '; 12];
    for (group, bytes) in run.chunks_exact(4).zip(out.chunks_exact_mut(3)) {
        let bits = group.iter().fold(0, |bits, b| bits << 6 | u32::from(ALPHABET[*b as usize] & 63));
        bytes.copy_from_slice(&bits.to_be_bytes()[1..]);
    }
    out
}

fn starts_packed(head: &[u8]) -> bool {
    head.starts_with(&[0x1f, 0x8b])
        || (head.first() == Some(&0x78)
            && head.len() > 1
            && (u32::from(head[0]) << 8 | u32::from(head[1])).is_multiple_of(31))
        || head.get(1) == Some(&0)
        || head.starts_with(&[0xff, 0xfe])
}

/// Header and claims of a JSON Web Token say nothing that a rule looks for.
fn is_web_token(text: &[u8], origin: &Range<usize>, run: &[u8]) -> bool {
    let header = |r: &[u8]| {
        [&b"eyJhbGci"[..], b"eyJ0eXAi", b"eyJraWQi", b"eyJlbmMi", b"eyJhbGc"].iter().any(|h| r.starts_with(h))
    };
    if header(run) {
        return true;
    }
    if origin.start == 0 || text[origin.start - 1] != b'.' {
        return false;
    }
    let before = &text[origin.start.saturating_sub(512)..origin.start - 1];
    let from = before.iter().rposition(|b| !is_base64(*b) && *b != b'.').map_or(0, |i| i + 1);
    header(&before[from..])
}

fn put(
    sink: &mut Sink,
    origin: Range<usize>,
    name: &'static str,
    bytes: &[u8],
    keyed: bool,
    sure: bool,
) -> bool {
    let Some((mut chain, text)) = bytes::read(bytes, keyed) else { return false };
    let direct = chain.is_empty();
    chain.insert(0, name);
    let readable = sure && is_language(&text);
    if !(plain::is_telling(&text) || readable || (!direct && sure)) {
        // Perhaps another encoding below.
        if text.len() >= MIN_RUN && next_run(text.as_bytes(), 0).is_some_and(|r| r.len() * 2 > text.len()) {
            sink.quiet(origin, &chain, text);
            return true;
        }
        return false;
    }
    sink.put(origin, &chain, text, Lang::Unknown);
    true
}

/// ASCII that reads like words, code or data: no accidental product of a random run.
fn is_language(text: &str) -> bool {
    let ascii = text.bytes().filter(u8::is_ascii).count();
    let plain = text
        .bytes()
        .filter(|b| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'\n' | b'.' | b',' | b'/' | b'-' | b'_'))
        .count();
    if ascii == text.len() {
        text.len() >= 5 && plain * 4 >= text.len() * 3
    } else {
        text.chars().count() >= 12
            && text.chars().all(|c| !c.is_control() || c.is_whitespace())
            && text.chars().filter(|c| c.is_alphabetic()).count() * 3 >= text.chars().count() * 2
    }
}

/// Shorter runs on lines that say `base64`.
fn announced(sink: &mut Sink) {
    let text = sink.text.as_bytes();
    let mut done = 0;
    for word in memmem::find_iter(text, "64").chain(memmem::find_iter(text, "atob")) {
        let named = text[word..].starts_with(b"atob")
            || (word > 0 && matches!(text[word - 1], b'e' | b'E' | b'b' | b'B'));
        if !named || word < done {
            continue;
        }
        let low = word.saturating_sub(512);
        let start = memrchr(b'\n', &text[low..word]).map_or(low, |i| low + i + 1);
        let high = text.len().min(word + 512);
        let end = memchr(b'\n', &text[word..high]).map_or(high, |i| word + i);
        done = end;
        let mut at = start;
        while let Some(run) = next_short_run(&text[..end], at) {
            at = run.end;
            let free = run.start == 0
                || matches!(text[run.start - 1], b'"' | b'\'' | b' ' | b'`' | b'(' | b'\n' | b'=');
            let padded = text.get(run.end) == Some(&b'=');
            let cased = text[run.clone()].iter().any(u8::is_ascii_uppercase)
                && text[run.clone()].iter().any(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            if run.len() >= MIN_RUN || !free || !cased || !(padded || run.len().is_multiple_of(4)) {
                continue;
            }
            let bytes = decode(&text[run.clone()]);
            if bytes::may_be_text(&bytes)
                && let Ok(decoded) = String::from_utf8(bytes)
                && decoded.is_ascii()
                && is_language(&decoded)
            {
                let end = run.end + text[run.end..].iter().take(2).take_while(|b| **b == b'=').count();
                sink.put(run.start..end, &["base64"], decoded, Lang::Unknown);
            }
        }
    }
}

/// Whole groups of four, and what the last group still says.
pub(super) fn decode(run: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(run.len() / 4 * 3 + 3);
    let value = |b: u8| u32::from(ALPHABET[b as usize] & 63);
    for group in run.chunks(4) {
        let bits = group.iter().fold(0, |bits, b| bits << 6 | value(*b)) << (6 * (4 - group.len()));
        let [_, a, b, c] = bits.to_be_bytes();
        out.extend_from_slice(&[a, b, c][..group.len() - 1]);
    }
    out
}

fn hex(run: &[u8]) -> Vec<u8> {
    let value = |b: u8| char::from(b).to_digit(16).unwrap_or(0) as u8;
    run.chunks_exact(2).map(|p| value(p[0]) << 4 | value(p[1])).collect()
}

fn base32(run: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(run.len() * 5 / 8);
    let (mut bits, mut count) = (0u32, 0);
    for b in run {
        bits = bits << 5 | u32::from(if b.is_ascii_digit() { b - b'2' + 26 } else { b - b'A' });
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    out
}
