//! Reads the zip of a skill that is to be installed: one that any other reader would read differently is refused whole,
//! before a byte is given out. The scanner's reader (`scan::archive`) is for looking into archives as they are; they
//! share the records (`zip_headers`) and inflate.

use super::path::{PathFault, SafePath};
use super::tree::{Collision, FileHash, find_collision};
use crate::digest::Sha256;
use crate::scan::archive::inflate::{Ending, crc32, inflate};
use crate::scan::archive::zip_headers::{Central, Local, u16_at, u32_at};
use crate::scan::names;
use crate::sort;
use std::fmt;
use std::io;

/// How much may come out of a package.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Entries, folders too.
    pub entries: usize,
    /// Bytes of one file.
    pub file_bytes: usize,
    /// Bytes of all files.
    pub total_bytes: usize,
    /// A file may be this many times as large as its packed form, and always [`FREE`].
    pub ratio: usize,
}

impl Default for Limits {
    /// ClawHub's own limits on size, and bounds for what it does not bound.
    fn default() -> Limits {
        Limits { entries: 5000, file_bytes: 10 << 20, total_bytes: 50 << 20, ratio: 200 }
    }
}

/// A file that comes out smaller than this is no bomb, whatever its ratio.
const FREE: usize = 1 << 20;

/// Why a package is refused. The strings are names of entries, escaped for display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No end record as the last bytes, or one that does not fit the file: truncated, a comment, something behind it.
    NoEnd,
    /// The directory is not where and what the end record says.
    Directory,
    Zip64,
    /// Bytes that belong to no entry, in front of the first, between two, or before the directory.
    Unowned(String),
    /// Entries that share bytes.
    Overlap(String),
    /// The local header is missing or not what the directory says.
    HeaderMismatch(String),
    Path(String, PathFault),
    /// A segment starts with a dot: settings of tools, hooks, what the skill's own records are kept in.
    Hidden(String),
    Encrypted(String),
    Symlink(String),
    /// A device, a pipe, a socket, or a folder that has content.
    NotAFile(String),
    /// Neither stored nor deflated.
    Method(String),
    /// A flag or an extra field that lets two readers see two things.
    Ambiguous(String),
    Collision(Collision),
    TooMany(usize),
    FileTooLarge(String, usize),
    TotalTooLarge(usize),
    Ratio(String, usize),
    /// The compressed data is damaged, or its length is not what the headers say.
    Damaged(String),
    Checksum(String),
    /// There is nothing in it.
    Empty,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NoEnd => f.write_str("not a complete zip: it does not end with its end record"),
            Refusal::Directory => f.write_str("the zip's directory is not what its end record says"),
            Refusal::Zip64 => f.write_str("a zip64 archive, which a skill never needs"),
            Refusal::Unowned(name) => write!(f, "bytes that belong to no file, before {name}"),
            Refusal::Overlap(name) => write!(f, "`{name}` shares bytes with another file"),
            Refusal::HeaderMismatch(name) => write!(f, "`{name}` is described in two ways that disagree"),
            Refusal::Path(name, fault) => write!(f, "the path `{name}` {}", fault.as_str()),
            Refusal::Hidden(name) => write!(f, "the path `{name}` has a segment that starts with a dot"),
            Refusal::Encrypted(name) => write!(f, "`{name}` is encrypted"),
            Refusal::Symlink(name) => write!(f, "`{name}` is a symbolic link"),
            Refusal::NotAFile(name) => write!(f, "`{name}` is neither a file nor a folder"),
            Refusal::Method(name) => write!(f, "`{name}` is compressed in a way that is not read"),
            Refusal::Ambiguous(name) => write!(f, "`{name}` would be read differently by different programs"),
            Refusal::Collision(collision) => collision.fmt(f),
            Refusal::TooMany(limit) => write!(f, "more than {limit} entries"),
            Refusal::FileTooLarge(name, limit) => write!(f, "`{name}` is larger than {limit} bytes"),
            Refusal::TotalTooLarge(limit) => write!(f, "more than {limit} bytes come out"),
            Refusal::Ratio(name, ratio) => {
                write!(f, "`{name}` grows to more than {ratio} times its packed size, like a bomb")
            }
            Refusal::Damaged(name) => write!(f, "the data of `{name}` is damaged"),
            Refusal::Checksum(name) => write!(f, "the checksum of `{name}` does not hold"),
            Refusal::Empty => f.write_str("there is no file in it"),
        }
    }
}

/// Why nothing, or not everything, was unpacked.
#[derive(Debug)]
pub enum UnpackError {
    Refused(Refusal),
    /// The receiver of the files failed.
    Sink(io::Error),
}

impl From<Refusal> for UnpackError {
    fn from(refusal: Refusal) -> UnpackError {
        UnpackError::Refused(refusal)
    }
}

/// A file in a package whose headers were all checked.
#[derive(Debug)]
pub struct Entry<'a> {
    pub path: SafePath,
    /// What comes out, as the headers say; enforced when it does.
    pub size: usize,
    packed: &'a [u8],
    deflated: bool,
    crc: u32,
}

/// Checks every header of the package. Nothing is inflated yet.
pub fn check<'a>(zip: &'a [u8], limits: &Limits) -> Result<Vec<Entry<'a>>, Refusal> {
    let mut members = directory(zip, limits)?;
    if members.is_empty() {
        return Err(Refusal::Empty);
    }
    // In the order of the file: then what is between two members can be seen.
    sort::by_key(&mut members, |member| member.central.offset);
    let end = members.first().map_or(zip.len(), |member| member.directory_start);
    let mut at = 0;
    let mut entries = Vec::new();
    let mut total = 0usize;
    for (index, member) in members.iter().enumerate() {
        let next = members.get(index + 1).map_or(end as u64, |next| next.central.offset);
        let next = usize::try_from(next).unwrap_or(usize::MAX);
        let (entry, stop) = member.check(zip, at, next.min(end), limits)?;
        at = stop;
        if let Some(entry) = entry {
            total = total.saturating_add(entry.size);
            entries.push(entry);
        }
    }
    if at != end {
        return Err(Refusal::Unowned("the directory".to_owned()));
    }
    if total > limits.total_bytes {
        return Err(Refusal::TotalTooLarge(limits.total_bytes));
    }
    if let Some(collision) = find_collision(entries.iter().map(|entry| &entry.path)) {
        return Err(Refusal::Collision(collision));
    }
    if entries.is_empty() {
        return Err(Refusal::Empty);
    }
    Ok(entries)
}

/// Checks the package, then gives each file with its content to `sink`, in the order of the package. What the files'
/// hashes are is returned. A refusal in the middle is possible (checksums): whoever keeps what `sink` got must be able
/// to throw it away.
pub fn unpack(
    zip: &[u8],
    limits: &Limits,
    sink: &mut dyn FnMut(&SafePath, &[u8]) -> io::Result<()>,
) -> Result<Vec<FileHash>, UnpackError> {
    let entries = check(zip, limits)?;
    let mut files = Vec::with_capacity(entries.len());
    for entry in entries {
        let content = entry.content()?;
        sink(&entry.path, &content).map_err(UnpackError::Sink)?;
        files.push(FileHash { size: entry.size as u64, sha256: Sha256::of(&content), path: entry.path });
    }
    Ok(files)
}

impl Entry<'_> {
    /// The file's content, exactly as long as the headers say.
    pub fn content(&self) -> Result<Vec<u8>, Refusal> {
        let name = || shown(self.path.as_str().as_bytes());
        let content = if self.deflated {
            let out = inflate(self.packed, self.size, self.size);
            if out.ending != Ending::Complete
                || out.consumed != self.packed.len()
                || out.bytes.len() != self.size
            {
                return Err(Refusal::Damaged(name()));
            }
            out.bytes
        } else {
            self.packed.to_vec()
        };
        if crc32(&content) == self.crc { Ok(content) } else { Err(Refusal::Checksum(name())) }
    }
}

/// An entry of the directory, and where the directory starts.
struct Member<'a> {
    central: Central<'a>,
    directory_start: usize,
}

const END_LEN: usize = 22;
/// In these flags bits: 1 and 2 say how well it was compressed, 3 that sizes follow the data, 11 that names are UTF-8.
const KNOWN_FLAGS: u16 = 0b1000_0000_1110;
const STREAMED: u16 = 1 << 3;
const UTF8: u16 = 1 << 11;
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;

/// The directory, which ends exactly where the end record starts, which is exactly the end of the file.
fn directory<'a>(zip: &'a [u8], limits: &Limits) -> Result<Vec<Member<'a>>, Refusal> {
    let end_at = zip.len().checked_sub(END_LEN).ok_or(Refusal::NoEnd)?;
    let end = zip.get(end_at..).filter(|end| end.starts_with(b"PK\x05\x06")).ok_or(Refusal::NoEnd)?;
    let short = |at| u16_at(end, at).map(usize::from).ok_or(Refusal::NoEnd);
    let long = |at| u32_at(end, at).ok_or(Refusal::NoEnd);
    let (disks, on_this, entries) = ((short(4)?, short(6)?), short(8)?, short(10)?);
    let (size, offset, comment) = (long(12)?, long(16)?, short(20)?);
    let before = zip.get(..end_at).unwrap_or_default();
    let has_locator = before.len().checked_sub(20).is_some_and(|at| before[at..].starts_with(b"PK\x06\x07"));
    if entries == 0xffff || size == u32::MAX || offset == u32::MAX || has_locator {
        return Err(Refusal::Zip64);
    }
    if comment != 0 {
        return Err(Refusal::NoEnd);
    }
    if entries > limits.entries {
        return Err(Refusal::TooMany(limits.entries));
    }
    let (size, start) = (size as usize, offset as usize);
    if disks != (0, 0) || on_this != entries || start.checked_add(size) != Some(end_at) {
        return Err(Refusal::Directory);
    }
    let mut members = Vec::with_capacity(entries);
    let mut rest = before.get(start..).ok_or(Refusal::Directory)?;
    for _ in 0..entries {
        let (central, len) = Central::parse(rest).ok_or(Refusal::Directory)?;
        rest = rest.get(len..).ok_or(Refusal::Directory)?;
        members.push(Member { central, directory_start: start });
    }
    if rest.is_empty() { Ok(members) } else { Err(Refusal::Directory) }
}

impl<'a> Member<'a> {
    /// Checks one member that must start at `at` and end by `next`. A folder is checked and is no entry. Says where
    /// the member ended.
    fn check(
        &self,
        zip: &'a [u8],
        at: usize,
        next: usize,
        limits: &Limits,
    ) -> Result<(Option<Entry<'a>>, usize), Refusal> {
        let central = &self.central;
        let name = || shown(central.name);
        let start = usize::try_from(central.offset).unwrap_or(usize::MAX);
        if start > at {
            return Err(Refusal::Unowned(format!("`{}`", name())));
        }
        if start < at {
            return Err(Refusal::Overlap(name()));
        }
        let wide = u64::from(u32::MAX);
        if [central.packed, central.size, central.offset].iter().any(|n| *n >= wide)
            || has_zip64(central.extra)
        {
            return Err(Refusal::Zip64);
        }
        let mismatch = || Refusal::HeaderMismatch(name());
        let local = zip.get(start..).and_then(Local::parse).ok_or_else(mismatch)?;
        if (central.flags | local.flags) & ENCRYPTED != 0 {
            return Err(Refusal::Encrypted(name()));
        }
        if has_zip64(local.extra) {
            return Err(Refusal::Zip64);
        }
        if central.name != local.name || central.method != local.method || central.flags != local.flags {
            return Err(mismatch());
        }
        let (path, is_folder) = self.path()?;
        self.kind(is_folder)?;
        let packed_len = central.packed as usize;
        let size = central.size as usize;
        let data_start = start + local.len;
        let data_end = data_start.checked_add(packed_len).filter(|end| *end <= next).ok_or_else(|| {
            if next == self.directory_start { mismatch() } else { Refusal::Overlap(name()) }
        })?;
        let packed = zip.get(data_start..data_end).ok_or_else(mismatch)?;
        let sizes = (local.crc, u64::from(local.packed), u64::from(local.size));
        let told = (central.crc, central.packed, central.size);
        let stop = if local.flags & STREAMED != 0 {
            if sizes != told && sizes != (0, 0, 0) {
                return Err(mismatch());
            }
            data_end + descriptor(zip.get(data_end..next).unwrap_or_default(), told).ok_or_else(mismatch)?
        } else if sizes == told {
            data_end
        } else {
            return Err(mismatch());
        };
        let deflated = match central.method {
            0 if packed_len == size => false,
            0 => return Err(mismatch()),
            8 => true,
            _ => return Err(Refusal::Method(name())),
        };
        if is_folder {
            return if size == 0 { Ok((None, stop)) } else { Err(Refusal::NotAFile(name())) };
        }
        if size > limits.file_bytes {
            return Err(Refusal::FileTooLarge(name(), limits.file_bytes));
        }
        if size > FREE.max(packed_len.saturating_mul(limits.ratio)) {
            return Err(Refusal::Ratio(name(), limits.ratio));
        }
        Ok((Some(Entry { path, size, packed, deflated, crc: central.crc }), stop))
    }

    /// The path, without the slash that marks a folder.
    fn path(&self) -> Result<(SafePath, bool), Refusal> {
        let central = &self.central;
        let bare = central.name.strip_suffix(b"/");
        let path = SafePath::from_bytes(bare.unwrap_or(central.name))
            .map_err(|fault| Refusal::Path(shown(central.name), fault))?;
        if path.is_on_drive() {
            return Err(Refusal::Path(shown(central.name), PathFault::Drive));
        }
        if path.is_hidden() {
            return Err(Refusal::Hidden(shown(central.name)));
        }
        // Without the flag the name is in a code page, and a Unicode path field may say something else.
        let ambiguous = !central.name.is_ascii() && central.flags & UTF8 == 0;
        if ambiguous || central.odd_path || central.flags & !KNOWN_FLAGS != 0 {
            return Err(Refusal::Ambiguous(shown(central.name)));
        }
        Ok((path, bare.is_some()))
    }

    /// Refuses links, devices and what cannot decide whether it is a folder. Modes themselves are never used.
    fn kind(&self, is_folder: bool) -> Result<(), Refusal> {
        let name = || shown(self.central.name);
        let dos_folder = self.central.attributes & 0x10 != 0;
        match (self.central.attributes >> 16) & 0o170_000 {
            0o120_000 => Err(Refusal::Symlink(name())),
            0o100_000 if !is_folder && !dos_folder => Ok(()),
            0o040_000 if is_folder => Ok(()),
            0 if is_folder || !dos_folder => Ok(()),
            _ => Err(Refusal::NotAFile(name())),
        }
    }
}

/// How long the data descriptor is that fills the space behind the data and says what the directory says.
fn descriptor(space: &[u8], told: (u32, u64, u64)) -> Option<usize> {
    let fields = match space.len() {
        12 => space,
        16 => space.strip_prefix(b"PK\x07\x08")?,
        _ => return None,
    };
    let says = (u32_at(fields, 0)?, u64::from(u32_at(fields, 4)?), u64::from(u32_at(fields, 8)?));
    (says == told).then_some(space.len())
}

/// Is there a zip64 field, or something that is no sequence of fields?
fn has_zip64(mut extra: &[u8]) -> bool {
    while !extra.is_empty() {
        let (Some(id), Some(len)) = (u16_at(extra, 0), u16_at(extra, 2)) else { return true };
        let Some(rest) = extra.get(4 + usize::from(len)..) else { return true };
        if id == 1 {
            return true;
        }
        extra = rest;
    }
    false
}

/// A name, cut and escaped for display.
fn shown(name: &[u8]) -> String {
    names::escape(name.get(..200).unwrap_or(name))
}

#[cfg(test)]
mod tests;
