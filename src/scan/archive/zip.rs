//! Zip archives, read in memory: through the central directory as most readers do, through local headers as streaming
//! readers do, and with a note wherever the two would see different files.

use super::inflate::{Ending, crc32, inflate};
use super::zip_headers::{Central, End, Local, find_end};
use super::{FREE, Note, Opener, Seen, leads_out, member_path, name_notes};
use crate::scan::finding::SkipReason;
use crate::sort;
use memchr::memmem;
use std::ops::Range;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// Gaps smaller than this are alignment and data descriptors.
const SLACK: usize = 32;

pub(super) fn has_end(bytes: &[u8]) -> bool {
    find_end(bytes).is_some()
}

pub(super) fn read(opener: &mut Opener, archive: &str, bytes: &[u8], depth: usize) {
    let mut zip = Zip {
        opener,
        archive,
        bytes,
        depth,
        owned: Vec::new(),
        about: Vec::new(),
        seen: Seen::default(),
        comment: b"",
    };
    match find_end(bytes) {
        Some(end) => zip.listed(&end),
        None => zip.about.push(Note::Damaged),
    }
    zip.unlisted();
    zip.finish();
}

struct Zip<'a, 'o> {
    opener: &'a mut Opener<'o>,
    archive: &'a str,
    bytes: &'a [u8],
    depth: usize,
    /// Which bytes belong to a member or to the directory.
    owned: Vec<Range<usize>>,
    /// Notes on the archive itself.
    about: Vec<Note>,
    comment: &'a [u8],
    seen: Seen,
}

/// A member, by whichever header describes it.
struct Item<'a> {
    name: &'a [u8],
    method: u16,
    encrypted: bool,
    crc: Option<u32>,
    /// What comes out, as the header says.
    size: Option<usize>,
    data: &'a [u8],
    mode: u32,
}

impl<'a> Zip<'a, '_> {
    /// The members that the directory lists.
    fn listed(&mut self, end: &End<'a>) {
        self.owned.extend([end.directory.clone(), end.whole.clone()]);
        self.comment = end.comment;
        if !end.comment.is_empty() {
            self.about.push(Note::Comment);
        }
        if end.base > 0 {
            self.about.push(Note::Prepended);
        }
        let mut at = end.directory.start;
        let mut count = 0u64;
        while at < end.directory.end {
            let Some((central, len)) = self.bytes.get(at..end.directory.end).and_then(Central::parse) else {
                self.about.push(Note::Damaged);
                break;
            };
            at += len;
            count += 1;
            if !self.opener.take_member() {
                self.about.push(Note::Cut);
                break;
            }
            self.member(&central, end.base);
        }
        if count != end.entries && !self.about.contains(&Note::Cut) {
            self.about.push(Note::Mismatch);
        }
    }

    fn member(&mut self, central: &Central<'a>, base: usize) {
        let mut notes = Vec::new();
        let start = usize::try_from(central.offset).ok().and_then(|offset| offset.checked_add(base));
        let bytes = self.bytes;
        let local = start.and_then(|start| Local::parse(bytes.get(start..)?).map(|local| (start, local)));
        let Some((start, local)) = local else {
            name_notes(central.name, &mut notes);
            notes.push(Note::Damaged);
            let path = member_path(self.archive, central.name);
            return self.opener.pass(path, Err(SkipReason::ArchiveDamaged), notes);
        };
        let data_start = start + local.len;
        let packed = usize::try_from(central.packed).unwrap_or(usize::MAX);
        let data_end = data_start.saturating_add(packed);
        if data_end > bytes.len() {
            notes.push(Note::Damaged);
        }
        let data_end = data_end.min(bytes.len());
        if disagree(central, &local) {
            notes.push(Note::Mismatch);
        }
        if central.odd_path {
            notes.push(Note::Mismatch);
        }
        self.owned.push(start..data_end);
        let item = Item {
            name: central.name,
            method: central.method,
            encrypted: central.encrypted || local.encrypted,
            crc: Some(central.crc),
            size: usize::try_from(central.size).ok(),
            data: &bytes[data_start..data_end],
            mode: central.mode,
        };
        self.give(&item, notes);
    }

    /// Members with a local header that the directory does not list: what a streaming reader sees and others do not.
    fn unlisted(&mut self) {
        let bytes = self.bytes;
        for gap in self.gaps() {
            let mut at = gap.start;
            while let Some(found) = memmem::find(&bytes[at..gap.end], b"PK\x03\x04") {
                at += found;
                let Some(local) = Local::parse(&bytes[at..gap.end]).filter(|local| !local.name.is_empty())
                else {
                    at += 4;
                    continue;
                };
                if !self.opener.take_member() {
                    self.about.push(Note::Cut);
                    return;
                }
                let start = at + local.len;
                let end = start
                    + local.packed_in(&bytes[start..gap.end]).unwrap_or_else(|| {
                        // The length comes after the data: follow the stream, or look for the next header.
                        let rest = &bytes[start..gap.end];
                        match local.method {
                            DEFLATED => inflate(rest, 0, self.opener.allowance(rest.len())).consumed,
                            _ => memmem::find(rest, b"PK").unwrap_or(rest.len()),
                        }
                    });
                self.owned.push(at..end);
                let item = Item {
                    name: local.name,
                    method: local.method,
                    encrypted: local.encrypted,
                    crc: (!local.streamed).then_some(local.crc),
                    size: None,
                    data: &bytes[start..end],
                    mode: 0,
                };
                // In an archive without a directory there is nothing to be missing from.
                let notes =
                    if self.about.contains(&Note::Damaged) { Vec::new() } else { vec![Note::NotListed] };
                self.give(&item, notes);
                at = end.max(at + 4);
            }
        }
    }

    fn give(&mut self, item: &Item, mut notes: Vec<Note>) {
        let path = member_path(self.archive, item.name);
        name_notes(item.name, &mut notes);
        let is_folder = item.name.ends_with(b"/");
        if !is_folder {
            self.seen.check(item.name, &mut notes);
        }
        if item.encrypted {
            notes.push(Note::Encrypted);
            return self.opener.pass(path, Err(SkipReason::Encrypted), notes);
        }
        let content = match item.method {
            STORED => self.stored(item, &mut notes),
            DEFLATED => self.deflated(item, &mut notes),
            _ => {
                notes.push(Note::UnknownMethod);
                return self.opener.pass(path, Err(SkipReason::UnsupportedArchive), notes);
            }
        };
        self.opener.spend(content.len());
        let whole = !notes.contains(&Note::Cut) && !notes.contains(&Note::Damaged);
        if whole && item.crc.is_some_and(|crc| crc != crc32(&content)) {
            notes.push(Note::Checksum);
        }
        if whole && item.size.is_some_and(|size| size != content.len()) {
            notes.push(Note::Mismatch);
        }
        if is_folder && content.is_empty() && notes.is_empty() {
            return;
        }
        match item.mode & 0o170_000 {
            0o120_000 => {
                notes.push(Note::Symlink);
                if leads_out(item.name, &content) {
                    notes.push(Note::LinkOutside);
                }
                return self.opener.pass(path, Ok(content), notes);
            }
            0o020_000 | 0o060_000 | 0o010_000 => {
                return self.opener.pass(path, Err(SkipReason::NotRegular), notes);
            }
            _ if item.mode & 0o6000 != 0 && !is_folder => notes.push(Note::SetId),
            _ => {}
        }
        self.opener.give(path, content, notes, self.depth);
    }

    fn stored(&self, item: &Item, notes: &mut Vec<Note>) -> Vec<u8> {
        let limit = self.opener.limits.member_bytes.min(self.opener.bytes);
        if item.data.len() > limit {
            notes.push(Note::Cut);
        }
        item.data[..item.data.len().min(limit)].to_vec()
    }

    fn deflated(&self, item: &Item, notes: &mut Vec<Note>) -> Vec<u8> {
        let limit = self.opener.allowance(item.data.len());
        let out = inflate(item.data, item.size.unwrap_or(0), limit);
        match out.ending {
            Ending::Limit => {
                notes.push(Note::Cut);
                if limit == item.data.len().saturating_mul(self.opener.limits.ratio).max(FREE) {
                    notes.push(Note::Bomb);
                }
            }
            Ending::Damaged => notes.push(Note::Damaged),
            // The stream ends before the member does: something stands behind it.
            Ending::Complete if out.consumed < item.data.len() => notes.push(Note::Mismatch),
            Ending::Complete => {}
        }
        out.bytes
    }

    /// What no member and no directory owns, in order. Notes members that share bytes.
    fn gaps(&mut self) -> Vec<Range<usize>> {
        sort::by_key(&mut self.owned, |range| (range.start, range.end));
        let mut gaps = Vec::new();
        let mut at = 0;
        for range in &self.owned {
            if range.start < at && !range.is_empty() {
                self.about.push(Note::Overlap);
            } else if range.start > at {
                gaps.push(at..range.start);
            }
            at = at.max(range.end);
        }
        if at < self.bytes.len() {
            gaps.push(at..self.bytes.len());
        }
        gaps
    }

    /// Says what there is to say about the archive, and gives the bytes that belong to nobody.
    fn finish(mut self) {
        let mut content = self.comment.to_vec();
        // After a limit was hit, what nobody owns is mostly what was not looked at.
        let gaps = if self.about.contains(&Note::Cut) { Vec::new() } else { self.gaps() };
        for gap in gaps {
            let piece = &self.bytes[gap.clone()];
            let crx = gap.start == 0 && piece.starts_with(b"Cr24");
            if crx {
                self.about.retain(|&note| note != Note::Prepended);
            } else if piece.len() >= SLACK && piece.iter().any(|&b| b != 0) {
                self.about.push(if gap.start == 0 { Note::Prepended } else { Note::Unowned });
                content.push(b'\n');
                content.extend_from_slice(piece);
            }
        }
        if !self.about.is_empty() {
            self.opener.pass(self.archive.to_owned(), Ok(content), self.about);
        }
    }
}

/// Would a reader of the local header see another member than a reader of the directory?
fn disagree(central: &Central, local: &Local) -> bool {
    let sizes = !local.streamed
        && (u64::from(local.packed) != central.packed || local.crc != central.crc)
        // In zip64 the local size stands elsewhere.
        && local.packed != u32::MAX;
    central.name != local.name
        || central.method != local.method
        || central.encrypted != local.encrypted
        || sizes
}
