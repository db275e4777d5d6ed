//! Archives, listed and read in memory under hard limits. Nothing is ever written to disk, and no path in an archive is
//! ever opened.
//!
//! Two readers of one archive may see different files: where its headers disagree, where members overlap, where bytes
//! stand that no header owns, the archive says so in a note, and those bytes are given to the scanner too.

mod gzip;
pub(crate) mod inflate;
pub mod tar;
mod zip;
// The strict reader of packages looks at more fields.
#[cfg_attr(not(feature = "client"), allow(dead_code))]
pub(crate) mod zip_headers;

use super::finding::SkipReason;
use super::{magic, names};
use crate::sort;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

/// How much of an archive is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Members in all nested archives together.
    pub members: usize,
    /// Bytes of one member.
    pub member_bytes: usize,
    /// Bytes that come out of all nested archives together.
    pub total_bytes: usize,
    /// A member may grow by this factor, and always to [`FREE`].
    pub ratio: usize,
    /// Archives in archives: 1 opens only the outermost.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { members: 20_000, member_bytes: 32 << 20, total_bytes: 128 << 20, ratio: 200, depth: 3 }
    }
}

/// A member that comes out smaller than this is no bomb, whatever its ratio.
const FREE: usize = 1 << 20;

/// A file in an archive, or, with the path of the archive itself, what there is to say about the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// `archive.zip!/dir/file`, escaped for display; the archive's own path for what belongs to no member.
    pub path: String,
    /// The target, for a link. Only a beginning where the notes say [`Note::Cut`]. Nothing for an archive whose members
    /// follow. For the archive itself: the bytes that no member owns.
    pub content: Result<Vec<u8>, SkipReason>,
    pub notes: Vec<Note>,
}

impl Member {
    /// Why (a part of) this was not looked at, if so.
    pub fn skipped(&self) -> Option<SkipReason> {
        let has = |note| self.notes.contains(&note);
        match self.content {
            Err(reason) => Some(reason),
            Ok(_) if has(Note::Cut) => Some(SkipReason::ArchiveLimit),
            Ok(_) if has(Note::Damaged) => Some(SkipReason::ArchiveDamaged),
            Ok(_) => None,
        }
    }
}

/// What is odd about a member or an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Note {
    Encrypted,
    AbsolutePath,
    /// The path has `..` in it.
    ParentPath,
    /// Control, bidi or invisible characters, a zero byte, or bytes that are not UTF-8.
    OddName,
    /// A second member of the same name, or of one that differs only in case.
    DuplicateName,
    Symlink,
    /// A link whose target is absolute or has `..` in it beyond the archive's top.
    LinkOutside,
    Hardlink,
    /// Sets the user or group on execution.
    SetId,
    /// Two descriptions of the member disagree, so that two readers see two things.
    Mismatch,
    /// The content is not what its checksum says.
    Checksum,
    /// The archive's directory does not list the member.
    NotListed,
    /// Members share bytes.
    Overlap,
    /// Bytes in front of the archive: another file, or a program that unpacks it.
    Prepended,
    /// Bytes between or behind the members that belong to none.
    Unowned,
    /// The archive carries a comment; it is in the content.
    Comment,
    /// Compressed in a way this program does not read.
    UnknownMethod,
    /// Grows so much that it can only be meant to exhaust who opens it.
    Bomb,
    /// A limit was hit; what is there is a beginning.
    Cut,
    /// Headers that make no sense, or an end that is missing.
    Damaged,
    /// An archive inside this one, whose members are given by themselves.
    Opened,
    /// An archive too deep inside others to be opened.
    TooDeep,
}

impl Note {
    /// A phrase that fits "a.zip!/b: …".
    pub const fn as_str(self) -> &'static str {
        match self {
            Note::Encrypted => "encrypted",
            Note::AbsolutePath => "absolute path",
            Note::ParentPath => "path leads up with `..`",
            Note::OddName => "unprintable characters in its name",
            Note::DuplicateName => "second member of this name",
            Note::Symlink => "symlink",
            Note::LinkOutside => "link out of the archive",
            Note::Hardlink => "hard link",
            Note::SetId => "setuid or setgid",
            Note::Mismatch => "its headers disagree",
            Note::Checksum => "checksum does not hold",
            Note::NotListed => "not listed in the archive's directory",
            Note::Overlap => "members share bytes",
            Note::Prepended => "data in front of the archive",
            Note::Unowned => "data that belongs to no member",
            Note::Comment => "archive comment",
            Note::UnknownMethod => "compressed in a way that is not read",
            Note::Bomb => "grows like a decompression bomb",
            Note::Cut => "over the limits, only its beginning was looked at",
            Note::Damaged => "damaged",
            Note::Opened => "archive inside an archive",
            Note::TooDeep => "archive too deep inside others",
        }
    }
}

/// Is there an archive in these bytes that [`members`] reads? Also one that hides behind another format: a zip is found
/// by its end.
pub fn is_archive(bytes: &[u8]) -> bool {
    format(bytes).is_some()
}

/// Gives every member of the archive to `sink`, archives inside it opened in turn. False if it is not an archive that is
/// read here. `name` is how the archive is shown.
pub fn members(name: &str, bytes: &[u8], limits: &Limits, sink: &mut dyn FnMut(Member)) -> bool {
    let mut opener = Opener { limits, members: limits.members, bytes: limits.total_bytes, sink };
    opener.open(name, bytes, 1)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Zip,
    Gzip,
    Tar,
}

fn format(bytes: &[u8]) -> Option<Format> {
    match magic::kind(&bytes[..bytes.len().min(magic::HEAD)]) {
        Some("zip" | "crx") => Some(Format::Zip),
        Some("gzip") => Some(Format::Gzip),
        Some("tar") => Some(Format::Tar),
        _ => zip::has_end(bytes).then_some(Format::Zip),
    }
}

/// The archive being read and what is left of the limits.
struct Opener<'a> {
    limits: &'a Limits,
    members: usize,
    bytes: usize,
    sink: &'a mut dyn FnMut(Member),
}

impl Opener<'_> {
    fn open(&mut self, name: &str, bytes: &[u8], depth: usize) -> bool {
        match format(bytes) {
            Some(Format::Zip) => zip::read(self, name, bytes, depth),
            Some(Format::Gzip) => gzip::read(self, name, bytes, depth),
            Some(Format::Tar) => tar::read(self, name, bytes, depth),
            None => return false,
        }
        true
    }

    /// Takes one member from the limit; false if none is left.
    fn take_member(&mut self) -> bool {
        let left = self.members > 0;
        self.members = self.members.saturating_sub(1);
        left
    }

    /// How many bytes a member of `packed` bytes may come out as.
    fn allowance(&self, packed: usize) -> usize {
        let by_ratio = packed.saturating_mul(self.limits.ratio).max(FREE);
        by_ratio.min(self.limits.member_bytes).min(self.bytes)
    }

    /// Counts what came out.
    fn spend(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Passes a member on, or opens it if it is an archive itself.
    fn give(&mut self, path: String, content: Vec<u8>, mut notes: Vec<Note>, depth: usize) {
        let Some(inner) = format(&content) else {
            return self.pass(path, Ok(content), notes);
        };
        if depth >= self.limits.depth {
            notes.push(Note::TooDeep);
            return self.pass(path, Err(SkipReason::ArchiveLimit), notes);
        }
        notes.push(Note::Opened);
        // An archive behind something else: the something is worth a look too.
        let disguised = inner == Format::Zip && !content.starts_with(b"PK");
        let shown = if disguised { content.clone() } else { Vec::new() };
        self.pass(path.clone(), Ok(shown), notes);
        self.open(&path, &content, depth + 1);
    }

    fn pass(&mut self, path: String, content: Result<Vec<u8>, SkipReason>, mut notes: Vec<Note>) {
        sort::plain(&mut notes);
        notes.dedup();
        (self.sink)(Member { path, content, notes });
    }
}

/// Longer names are cut when shown.
const LONGEST_NAME: usize = 1024;

/// `archive!/member`, fit to show.
fn member_path(archive: &str, name: &[u8]) -> String {
    let mut path = format!("{archive}!/");
    names::escape_into(&name[..name.len().min(LONGEST_NAME)], &mut path);
    if name.len() > LONGEST_NAME {
        path.push('…');
    }
    path
}

/// What the name of a member gives away.
fn name_notes(name: &[u8], notes: &mut Vec<Note>) {
    let is_separator = |b: &u8| matches!(b, b'/' | b'\\');
    if name.first().is_some_and(is_separator) || (name.get(1) == Some(&b':') && name[0].is_ascii_alphabetic())
    {
        notes.push(Note::AbsolutePath);
    }
    if name.split(|b| is_separator(b)).any(|part| part == b"..") {
        notes.push(Note::ParentPath);
    }
    let plain = name.iter().filter(|&&b| b != b'\\').copied().collect::<Vec<u8>>();
    if std::str::from_utf8(&plain).is_ok_and(|s| s != names::escape(&plain))
        || std::str::from_utf8(name).is_err()
    {
        notes.push(Note::OddName);
    }
}

/// Does a link at `name` with this target leave the archive's own folder?
fn leads_out(name: &[u8], target: &[u8]) -> bool {
    if target.first().is_some_and(|&b| b == b'/' || b == b'\\') || target.get(1) == Some(&b':') {
        return true;
    }
    let folders = name.split(|&b| b == b'/').filter(|p| !p.is_empty() && p != b".").count().saturating_sub(1);
    let mut depth = i64::try_from(folders).unwrap_or(i64::MAX);
    for part in target.split(|&b| matches!(b, b'/' | b'\\')) {
        depth += match part {
            b"" | b"." => 0,
            b".." => -1,
            _ => 1,
        };
        if depth < 0 {
            return true;
        }
    }
    false
}

/// Names seen so far in one archive, to tell duplicates. Kept as keyed hashes: names may be long and many.
#[derive(Default)]
struct Seen {
    hasher: RandomState,
    names: HashSet<u64>,
}

impl Seen {
    fn check(&mut self, name: &[u8], notes: &mut Vec<Note>) {
        if !self.names.insert(self.hasher.hash_one(name.to_ascii_lowercase())) {
            notes.push(Note::DuplicateName);
        }
    }
}

#[cfg(test)]
#[path = "../../../tests/support/archives.rs"]
pub(crate) mod build;
#[cfg(test)]
mod tests;
