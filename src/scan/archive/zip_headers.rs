//! The records of the zip format, byte by byte: the end, the directory's entries, the local headers. They are not
//! compared here, and not believed. The scanner reads them leniently, `skill::unpack` strictly.

use memchr::memmem;
use std::ops::Range;

/// The comment behind the end record is no longer than this.
const LONGEST_COMMENT: usize = 65_535;
const END_LEN: usize = 22;

pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]))
}

pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from(u32_at(bytes, at)?) | u64::from(u32_at(bytes, at + 4)?) << 32)
}

/// The end of central directory, with its zip64 extension if there is one.
#[derive(Debug)]
pub struct End<'a> {
    /// Where the directory stands.
    pub directory: Range<usize>,
    /// The end records and the comment.
    pub whole: Range<usize>,
    pub entries: u64,
    pub comment: &'a [u8],
    /// How far all offsets are off, because something stands in front of the archive.
    pub base: usize,
}

/// Finds the last end record that makes sense.
pub fn find_end(bytes: &[u8]) -> Option<End<'_>> {
    let from = bytes.len().saturating_sub(LONGEST_COMMENT + END_LEN);
    memmem::rfind_iter(&bytes[from..], b"PK\x05\x06").take(16).find_map(|at| end_at(bytes, from + at))
}

fn end_at(bytes: &[u8], at: usize) -> Option<End<'_>> {
    let record = bytes.get(at..)?;
    let mut entries = u64::from(u16_at(record, 10)?);
    let mut size = u64::from(u32_at(record, 12)?);
    let mut offset = u64::from(u32_at(record, 16)?);
    let comment_len = usize::from(u16_at(record, 20)?);
    let comment = record.get(END_LEN..)?.get(..comment_len)?;
    let mut stop = at;
    // Zip64 puts a locator right before, which points at a record with the real numbers.
    if entries == 0xffff || size == 0xffff_ffff || offset == 0xffff_ffff {
        let record = at.checked_sub(20).and_then(|locator| {
            let locator = bytes.get(locator..at)?.strip_prefix(b"PK\x06\x07")?;
            usize::try_from(u64_at(locator, 4)?).ok()
        });
        let wide = record.and_then(|start| {
            bytes.get(start..at).filter(|r| r.starts_with(b"PK\x06\x06")).map(|r| (start, r))
        });
        if let Some((start, wide)) = wide {
            entries = u64_at(wide, 32)?;
            size = u64_at(wide, 40)?;
            offset = u64_at(wide, 48)?;
            stop = start;
        }
    }
    let (size, offset) = (usize::try_from(size).ok()?, usize::try_from(offset).ok()?);
    let is_directory =
        |start: usize| size == 0 || bytes.get(start..).is_some_and(|b| b.starts_with(b"PK\x01\x02"));
    let told = offset.checked_add(size).filter(|&end| end <= stop && is_directory(offset)).map(|_| offset);
    // Where the offset is wrong, the directory still ends where the end record starts.
    let counted = stop.checked_sub(size).filter(|&start| start >= offset && is_directory(start));
    let (start, base) = match (told, counted) {
        // An empty archive with something in front tells no offset that could be checked.
        (Some(start), _) if size > 0 || offset == stop => (start, 0),
        (_, Some(start)) => (start, start - offset),
        (Some(start), None) => (start, 0),
        (None, None) => return None,
    };
    Some(End {
        directory: start..start + size,
        whole: stop..at + END_LEN + comment_len,
        entries,
        comment,
        base,
    })
}

/// One entry of the directory.
#[cfg_attr(not(feature = "client"), allow(dead_code))] // The client unpacks with what the scanner only looks at.
#[derive(Debug)]
pub struct Central<'a> {
    pub name: &'a [u8],
    pub method: u16,
    pub encrypted: bool,
    pub crc: u32,
    pub packed: u64,
    pub size: u64,
    /// Of the local header, before the archive's base is added.
    pub offset: u64,
    /// Unix mode, 0 if unknown.
    pub mode: u32,
    /// An extra field gives the member another name.
    pub odd_path: bool,
    pub flags: u16,
    /// External attributes as they stand: in the upper half a Unix mode, in the lower one those of MS-DOS.
    pub attributes: u32,
    pub extra: &'a [u8],
}

impl<'a> Central<'a> {
    /// The entry at the front of `bytes`, and its length.
    pub fn parse(bytes: &'a [u8]) -> Option<(Central<'a>, usize)> {
        if !bytes.starts_with(b"PK\x01\x02") {
            return None;
        }
        let made_by = u16_at(bytes, 4)?;
        let flags = u16_at(bytes, 8)?;
        let name_len = usize::from(u16_at(bytes, 28)?);
        let extra_len = usize::from(u16_at(bytes, 30)?);
        let comment_len = usize::from(u16_at(bytes, 32)?);
        let attributes = u32_at(bytes, 38)?;
        let name = bytes.get(46..46 + name_len)?;
        let extra = bytes.get(46 + name_len..)?.get(..extra_len)?;
        let mut central = Central {
            name,
            method: u16_at(bytes, 10)?,
            encrypted: is_encrypted(flags),
            crc: u32_at(bytes, 16)?,
            packed: u64::from(u32_at(bytes, 20)?),
            size: u64::from(u32_at(bytes, 24)?),
            offset: u64::from(u32_at(bytes, 42)?),
            // Only Unix-like makers (Unix, macOS) keep a mode there.
            mode: if matches!(made_by >> 8, 3 | 19) { attributes >> 16 } else { 0 },
            odd_path: false,
            flags,
            attributes,
            extra,
        };
        central.read_extra(extra);
        let len = 46 + name_len + extra_len + comment_len;
        (len <= bytes.len()).then_some((central, len))
    }

    fn read_extra(&mut self, mut extra: &'a [u8]) {
        while let (Some(id), Some(len)) = (u16_at(extra, 0), u16_at(extra, 2)) {
            let Some(data) = extra.get(4..4 + usize::from(len)) else { return };
            extra = &extra[4 + data.len()..];
            match id {
                // Zip64: those numbers that did not fit, in this order.
                1 => {
                    let mut at = 0;
                    for field in [&mut self.size, &mut self.packed, &mut self.offset] {
                        if *field == 0xffff_ffff {
                            if let Some(value) = u64_at(data, at) {
                                *field = value;
                            }
                            at += 8;
                        }
                    }
                }
                // Info-ZIP Unicode path: version, CRC of the plain name, the other name.
                0x7075 => self.odd_path |= data.get(5..).is_some_and(|name| name != self.name),
                _ => {}
            }
        }
    }
}

/// A local header.
#[cfg_attr(not(feature = "client"), allow(dead_code))] // The client unpacks with what the scanner only looks at.
#[derive(Debug)]
pub struct Local<'a> {
    pub name: &'a [u8],
    pub method: u16,
    pub encrypted: bool,
    /// Checksum and sizes come behind the data.
    pub streamed: bool,
    pub crc: u32,
    pub packed: u32,
    pub size: u32,
    pub flags: u16,
    pub extra: &'a [u8],
    /// Of the header itself: the data starts there.
    pub len: usize,
}

impl<'a> Local<'a> {
    pub fn parse(bytes: &'a [u8]) -> Option<Local<'a>> {
        if !bytes.starts_with(b"PK\x03\x04") {
            return None;
        }
        let flags = u16_at(bytes, 6)?;
        let name_len = usize::from(u16_at(bytes, 26)?);
        let extra_len = usize::from(u16_at(bytes, 28)?);
        let len = 30 + name_len + extra_len;
        let local = Local {
            name: bytes.get(30..30 + name_len)?,
            method: u16_at(bytes, 8)?,
            encrypted: is_encrypted(flags),
            streamed: flags & 8 != 0,
            crc: u32_at(bytes, 14)?,
            packed: u32_at(bytes, 18)?,
            size: u32_at(bytes, 22)?,
            flags,
            extra: bytes.get(30 + name_len..len)?,
            len,
        };
        Some(local)
    }

    /// How many of the bytes behind the header are the member's, if the header tells; at most all of them.
    pub fn packed_in(&self, rest: &[u8]) -> Option<usize> {
        (!self.streamed || self.packed > 0)
            .then(|| usize::try_from(self.packed).unwrap_or(usize::MAX).min(rest.len()))
    }
}

/// Traditional, strong, or with masked headers.
fn is_encrypted(flags: u16) -> bool {
    flags & (1 | 1 << 6 | 1 << 13) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_record_must_make_sense() {
        let mut empty = b"PK\x05\x06".to_vec();
        empty.resize(22, 0);
        assert_eq!(find_end(&empty).unwrap().directory, 0..0);
        assert!(find_end(b"").is_none());
        assert!(find_end(&empty[..21]).is_none());
        let mut lies = empty.clone();
        lies[12] = 200;
        assert!(find_end(&lies).is_none(), "the directory would be longer than the file");
        lies[12] = 0;
        lies[20] = 1;
        assert!(find_end(&lies).is_none(), "the comment would be longer than the file");
    }

    #[test]
    fn headers_cut_anywhere_are_no_headers() {
        let mut local = b"PK\x03\x04".to_vec();
        local.resize(30, 0);
        local[26] = 3;
        local[28] = 2;
        local.extend_from_slice(b"abcxx");
        assert_eq!(Local::parse(&local).unwrap().name, b"abc");
        for len in 0..local.len() {
            assert!(Local::parse(&local[..len]).is_none());
        }
    }
}
