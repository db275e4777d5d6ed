//! Gzip: one file, compressed, in one or more streams. A tar inside is opened as if it stood there itself.

use super::inflate::{Ending, crc32, inflate};
use super::{Note, Opener, member_path, name_notes, tar};
use crate::scan::finding::SkipReason;

/// A file of many streams is a curiosity; of thousands, an attack.
const MOST_STREAMS: usize = 1000;

struct Header<'a> {
    len: usize,
    name: Option<&'a [u8]>,
}

/// Reads the header at the front of `bytes`.
fn header(bytes: &[u8]) -> Option<Header<'_>> {
    let [0x1f, 0x8b, 8, flags, ..] = bytes else { return None };
    let mut at = 10;
    if flags & 4 != 0 {
        let extra = bytes.get(at..at + 2)?;
        at += 2 + usize::from(u16::from_le_bytes([extra[0], extra[1]]));
    }
    let mut name = None;
    // The name, then a comment, each ended by a zero.
    for flag in [8, 16] {
        if flags & flag != 0 {
            let rest = bytes.get(at..)?;
            let len = memchr::memchr(0, rest)?;
            if flag == 8 {
                name = Some(&rest[..len]);
            }
            at += len + 1;
        }
    }
    at += if flags & 2 != 0 { 2 } else { 0 };
    (at <= bytes.len()).then_some(Header { len: at, name })
}

pub(super) fn read(opener: &mut Opener, name: &str, bytes: &[u8], depth: usize) {
    let mut notes = Vec::new();
    let mut content = Vec::new();
    let mut inner_name: Option<&[u8]> = None;
    let mut at = 0;
    let limit = bytes.len().saturating_mul(opener.limits.ratio).max(super::FREE);
    let limit = limit.min(opener.bytes);
    for stream in 0.. {
        let Some(header) = header(&bytes[at..]).filter(|_| stream < MOST_STREAMS) else {
            // Zeros fill the last block on a tape; anything else belongs to nobody.
            if stream == 0 {
                notes.push(Note::Damaged);
            }
            break;
        };
        inner_name = inner_name.or(header.name);
        at += header.len;
        let out = inflate(&bytes[at..], bytes.len() - at, limit - content.len());
        at += out.consumed;
        match out.ending {
            Ending::Limit if limit < opener.bytes => notes.extend([Note::Cut, Note::Bomb]),
            Ending::Limit => notes.push(Note::Cut),
            Ending::Damaged => notes.push(Note::Damaged),
            Ending::Complete => match bytes.get(at..at + 4) {
                Some(sum) if sum == crc32(&out.bytes).to_le_bytes() => {}
                Some(_) => notes.push(Note::Checksum),
                None => notes.push(Note::Damaged),
            },
        }
        content.extend_from_slice(&out.bytes);
        if out.ending != Ending::Complete {
            at = bytes.len();
            break;
        }
        at = (at + 8).min(bytes.len());
    }
    opener.spend(content.len());
    let rest = &bytes[at..];
    if rest.iter().any(|&b| b != 0) {
        opener.pass(name.to_owned(), Ok(rest.to_vec()), vec![Note::Unowned]);
    }
    if tar::is_tar(&content) {
        if !notes.is_empty() {
            opener.pass(name.to_owned(), Ok(Vec::new()), notes);
        }
        return tar::read(opener, name, &content, depth);
    }
    let file_name = name.rsplit('/').next().unwrap_or(name);
    let stem = file_name.strip_suffix(".gz").unwrap_or(file_name);
    let shown = inner_name.unwrap_or(stem.as_bytes());
    name_notes(shown, &mut notes);
    let path = member_path(name, shown);
    if !opener.take_member() {
        return opener.pass(path, Err(SkipReason::ArchiveLimit), notes);
    }
    if content.len() > opener.limits.member_bytes {
        content.truncate(opener.limits.member_bytes);
        notes.push(Note::Cut);
    }
    opener.give(path, content, notes, depth);
}
