//! Tar archives, read in memory: ustar, GNU and PAX, and the tricks that make two readers see two archives.

use super::{Note, Opener, Seen, leads_out, member_path, name_notes};
use crate::scan::finding::SkipReason;

const BLOCK: usize = 512;

/// Does the 512-byte header's checksum hold? Old writers summed signed bytes; both sums are accepted.
pub fn checksum_holds(block: &[u8]) -> bool {
    let Some(expected) = block.get(148..156).and_then(octal) else { return false };
    let (mut unsigned, mut signed) = (0i64, 0i64);
    for (i, &b) in block.iter().take(BLOCK).enumerate() {
        let b = if (148..156).contains(&i) { b' ' } else { b };
        unsigned += i64::from(b);
        signed += i64::from(i8::from_ne_bytes([b]));
    }
    i64::try_from(expected).is_ok_and(|expected| expected == unsigned || expected == signed)
}

pub(super) fn is_tar(bytes: &[u8]) -> bool {
    bytes.len() >= BLOCK && bytes[0] != 0 && checksum_holds(&bytes[..BLOCK])
}

/// A number in octal digits, blanks and zeros around it.
fn octal(field: &[u8]) -> Option<u64> {
    let digits = field.iter().copied().skip_while(|&b| b == b' ').take_while(|b| (b'0'..=b'7').contains(b));
    let mut value = None;
    for digit in digits {
        value = Some(value.unwrap_or(0u64).checked_mul(8)?.checked_add(u64::from(digit - b'0'))?);
    }
    value
}

/// A size: octal, or big-endian binary where the first bit is set.
fn size(field: &[u8]) -> Option<u64> {
    if field.first()? & 0x80 == 0 {
        return match octal(field) {
            None if field.iter().all(|&b| b == 0 || b == b' ') => Some(0),
            value => value,
        };
    }
    // The value must fit in the last eight bytes, the ones before being the mark alone.
    let (high, low) = field.split_at(field.len() - 8);
    let mark_only = high.iter().enumerate().all(|(i, &b)| b == if i == 0 { 0x80 } else { 0 });
    mark_only.then(|| low.iter().fold(0, |n, &b| n << 8 | u64::from(b)))
}

/// What a long-name or PAX header says about the member that follows.
#[derive(Default)]
struct Extra {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Extra {
    /// Reads `LEN key=value\n` records. False where they are not that.
    fn read_pax(&mut self, mut data: &[u8]) -> bool {
        while !data.is_empty() {
            let Some(space) = memchr::memchr(b' ', &data[..data.len().min(20)]) else {
                return data.iter().all(|&b| b == 0);
            };
            let len = std::str::from_utf8(&data[..space]).ok().and_then(|s| s.parse::<usize>().ok());
            let Some(record) = len.filter(|&len| len > space).and_then(|len| data.get(..len)) else {
                return false;
            };
            data = &data[record.len()..];
            let record = record[space + 1..].strip_suffix(b"\n").unwrap_or(&record[space + 1..]);
            let Some(equals) = memchr::memchr(b'=', record) else { return false };
            let value = &record[equals + 1..];
            match &record[..equals] {
                b"path" | b"GNU.sparse.name" => self.path = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => match std::str::from_utf8(value).ok().and_then(|s| s.parse().ok()) {
                    Some(size) => self.size = Some(size),
                    None => return false,
                },
                _ => {}
            }
        }
        true
    }
}

fn until_nul(field: &[u8]) -> &[u8] {
    &field[..memchr::memchr(0, field).unwrap_or(field.len())]
}

fn header_name(block: &[u8]) -> Vec<u8> {
    let name = until_nul(&block[..100]);
    let prefix = until_nul(&block[345..500]);
    // GNU tar keeps times where others keep the prefix.
    if &block[257..263] == b"ustar\0" && !prefix.is_empty() {
        [prefix, b"/", name].concat()
    } else {
        name.to_vec()
    }
}

pub(super) fn read(opener: &mut Opener, archive: &str, bytes: &[u8], depth: usize) {
    let mut about = Vec::new();
    let mut seen = Seen::default();
    let mut extra = Extra::default();
    let mut at = 0;
    let mut ended = false;
    while let Some(block) = bytes.get(at..at + BLOCK) {
        if block.iter().all(|&b| b == 0) {
            ended = true;
            break;
        }
        let Some(mut length) = size(&block[124..136]).filter(|_| checksum_holds(block)) else { break };
        let mut notes = Vec::new();
        if let Some(other) = extra.size.take() {
            if other != length {
                notes.push(Note::Mismatch);
            }
            length = other;
        }
        at += BLOCK;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let end = at.saturating_add(length).min(bytes.len());
        let data = &bytes[at..end];
        if data.len() < length {
            notes.push(Note::Damaged);
        }
        let kind = block[156];
        // Links and devices have no data, whatever their size says; readers differ on whether they skip it.
        if matches!(kind, b'1'..=b'6') && length > 0 {
            notes.push(Note::Mismatch);
        }
        at = end.div_ceil(BLOCK).saturating_mul(BLOCK);
        match kind {
            b'L' => extra.path = Some(until_nul(data).to_vec()),
            b'K' => extra.link = Some(until_nul(data).to_vec()),
            b'x' | b'X' => {
                if !extra.read_pax(data) {
                    about.push(Note::Damaged);
                }
            }
            // Defaults for all that follows: rare, and nothing in them is a file.
            b'g' => {}
            _ => {
                let extra = std::mem::take(&mut extra);
                let name = extra.path.unwrap_or_else(|| header_name(block));
                let link = extra.link.unwrap_or_else(|| until_nul(&block[157..257]).to_vec());
                if !opener.take_member() {
                    about.push(Note::Cut);
                    at = bytes.len();
                    ended = true;
                    break;
                }
                name_notes(&name, &mut notes);
                if kind != b'5' {
                    seen.check(&name, &mut notes);
                }
                if octal(&block[100..108]).is_some_and(|mode| mode & 0o6000 != 0) && kind != b'5' {
                    notes.push(Note::SetId);
                }
                let item = Item { name: &name, link: &link, kind, data };
                give(opener, archive, &item, notes, depth);
            }
        }
    }
    let rest = &bytes[at.min(bytes.len())..];
    if rest.iter().any(|&b| b != 0) {
        about.push(if ended { Note::Unowned } else { Note::Damaged });
    } else if !ended && (at == 0 || at > bytes.len()) {
        about.push(Note::Damaged);
    }
    if !about.is_empty() {
        let rest = if rest.iter().any(|&b| b != 0) { rest.to_vec() } else { Vec::new() };
        opener.pass(archive.to_owned(), Ok(rest), about);
    }
}

struct Item<'a> {
    name: &'a [u8],
    link: &'a [u8],
    kind: u8,
    data: &'a [u8],
}

fn give(opener: &mut Opener, archive: &str, item: &Item, mut notes: Vec<Note>, depth: usize) {
    let path = member_path(archive, item.name);
    match item.kind {
        b'1' | b'2' => {
            notes.push(if item.kind == b'1' { Note::Hardlink } else { Note::Symlink });
            // A hard link's target counts from the top of the archive, a symlink's from its own folder.
            let from = if item.kind == b'1' { b"" } else { item.name };
            if leads_out(from, item.link) {
                notes.push(Note::LinkOutside);
            }
            opener.pass(path, Ok(item.link.to_vec()), notes);
        }
        b'3' | b'4' | b'6' => opener.pass(path, Err(SkipReason::NotRegular), notes),
        b'5' if item.data.is_empty() => {
            if !notes.is_empty() {
                opener.pass(path, Ok(Vec::new()), notes);
            }
        }
        _ => {
            let limit = opener.limits.member_bytes;
            let data = if item.data.len() > limit {
                notes.push(Note::Cut);
                &item.data[..limit]
            } else {
                item.data
            };
            opener.give(path, data.to_vec(), notes, depth);
        }
    }
}
