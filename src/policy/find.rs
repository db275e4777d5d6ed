//! What paths of a policy are on this machine: links followed, globs expanded, each folder looked at once.

use super::path::{FileId, Glob, Kind, wildcard};
use crate::sort;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

/// Entries that all globs of a policy together may look at, and matches they may have.
pub const LOOKED_AT: usize = 100_000;
pub const MATCHES: usize = 10_000;

/// A path as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    There {
        path: PathBuf,
        kind: Kind,
        id: Option<FileId>,
    },
    /// With links followed as far as it exists.
    Missing {
        path: PathBuf,
    },
    /// It may be there, but weft cannot look.
    Hidden {
        path: PathBuf,
        why: ErrorKind,
    },
}

type Listing = Rc<[(OsString, bool)]>;

/// So many listings are kept.
const LISTINGS: usize = 16;

/// As many links as the kernel follows in one path (path_resolution(7)).
const LINKS: u8 = 40;

/// Follows paths, and remembers the folders on the way: for one plan of one moment, not for a program that goes on.
#[derive(Debug)]
pub struct Finder {
    /// Folders with their links followed.
    folders: HashMap<OsString, Result<PathBuf, ErrorKind>>,
    listings: HashMap<OsString, Listing>,
    looked_at: usize,
    matches: usize,
    /// Links that the path being looked at may still have.
    links: u8,
}

impl Default for Finder {
    fn default() -> Finder {
        Finder {
            folders: HashMap::new(),
            listings: HashMap::new(),
            looked_at: LOOKED_AT,
            matches: MATCHES,
            links: LINKS,
        }
    }
}

impl Finder {
    /// Looks at an absolute path without `.` and `..`.
    pub fn look(&mut self, written: &Path) -> Found {
        // As a module of WebAssembly there is no machine to look at: what is written is taken to be there.
        if cfg!(target_family = "wasm") {
            return Found::There { path: written.to_owned(), kind: Kind::Dir, id: None };
        }
        self.links = LINKS;
        self.follow(written, 8)
    }

    /// The path with its links followed, as `canonicalize` gives it.
    ///
    /// # Errors
    /// Why it cannot be followed: it is not there, or weft cannot look.
    pub fn existing(&mut self, path: &Path) -> Result<PathBuf, ErrorKind> {
        let plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
        if !path.is_absolute() || !path.components().all(plain) {
            return fs::canonicalize(path).map_err(|error| error.kind());
        }
        match self.look(path) {
            Found::There { path, .. } => Ok(path),
            Found::Missing { .. } => Err(ErrorKind::NotFound),
            Found::Hidden { why, .. } => Err(why),
        }
    }

    fn follow(&mut self, written: &Path, links: u8) -> Found {
        let Some((parent, name)) = split(written) else {
            return match fs::metadata(written) {
                Ok(meta) => there(written.to_owned(), &meta),
                Err(error) => Found::Hidden { path: written.to_owned(), why: error.kind() },
            };
        };
        let path = match self.folder(parent) {
            Ok(parent) => below(&parent, name),
            Err(why) => return self.gone(written, why),
        };
        match fs::symlink_metadata(&path) {
            Ok(meta) if !meta.is_symlink() => there(path, &meta),
            Ok(_) => match self.behind(&path) {
                Ok((real, meta)) => there(real, &meta),
                // A link to nothing: what matters is where a file would come to be.
                Err(ErrorKind::NotFound) if links > 0 => match target(&path) {
                    Some(target) => self.follow(&target, links - 1),
                    None => Found::Missing { path },
                },
                Err(why) => Found::Hidden { path, why },
            },
            Err(error) if is_absence(error.kind()) => Found::Missing { path },
            Err(error) => Found::Hidden { path, why: error.kind() },
        }
    }

    fn folder(&mut self, folder: &Path) -> Result<PathBuf, ErrorKind> {
        if let Some(known) = self.folders.get(folder.as_os_str()) {
            return known.clone();
        }
        let real = self.real_folder(folder);
        // Where a path had too many links, nothing is said of the folders in it.
        if self.links > 0 {
            self.folders.insert(folder.as_os_str().to_owned(), real.clone());
        }
        real
    }

    /// One look at each folder on the way, whatever number of paths go through it.
    fn real_folder(&mut self, folder: &Path) -> Result<PathBuf, ErrorKind> {
        // The kernel takes no longer path; and each folder above is a call deeper.
        if folder.as_os_str().len() > 4096 {
            return Err(ErrorKind::InvalidFilename);
        }
        let Some((parent, name)) = split(folder) else {
            return fs::canonicalize(folder).map_err(|error| error.kind());
        };
        let path = below(&self.folder(parent)?, name);
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() => Ok(path),
            Ok(meta) if meta.is_symlink() => self.behind(&path).map(|(real, _)| real),
            Ok(_) => Err(ErrorKind::NotADirectory),
            Err(error) => Err(error.kind()),
        }
    }

    /// What is behind a link; the folder that it stands in has none on its way.
    fn behind(&mut self, link: &Path) -> Result<(PathBuf, Metadata), ErrorKind> {
        let kind = |error: io::Error| error.kind();
        self.links = self.links.saturating_sub(1);
        if self.links == 0 {
            // The kernel says what it makes of it.
            let real = fs::canonicalize(link).map_err(kind)?;
            let meta = fs::metadata(&real).map_err(kind)?;
            return Ok((real, meta));
        }
        let target = fs::read_link(link).map_err(kind)?;
        let mut at = link.parent().unwrap_or(link).to_owned();
        let mut parts = target.components().peekable();
        while let Some(part) = parts.next() {
            match part {
                Component::RootDir | Component::Prefix(_) => at = PathBuf::from("/"),
                Component::CurDir => {}
                Component::ParentDir => {
                    at.pop();
                }
                Component::Normal(name) if parts.peek().is_some() => at = self.folder(&at.join(name))?,
                Component::Normal(name) => {
                    let path = at.join(name);
                    let meta = fs::symlink_metadata(&path).map_err(kind)?;
                    return if meta.is_symlink() { self.behind(&path) } else { Ok((path, meta)) };
                }
            }
        }
        let meta = fs::metadata(&at).map_err(kind)?;
        Ok((at, meta))
    }

    /// The part that exists with links followed, the rest as written.
    fn gone(&mut self, written: &Path, why: ErrorKind) -> Found {
        let mut path = written.to_owned();
        for above in written.ancestors().skip(2) {
            if let (Ok(real), Ok(rest)) = (self.folder(above), written.strip_prefix(above)) {
                path = real.join(rest);
                break;
            }
        }
        if is_absence(why) { Found::Missing { path } } else { Found::Hidden { path, why } }
    }

    /// Everything the glob matches now, sorted. None when that is too much to look at.
    pub fn expand(&mut self, glob: &Glob) -> Option<Vec<PathBuf>> {
        let names: Vec<&str> = glob.names().collect();
        let mut found = Vec::new();
        self.descend(PathBuf::from("/"), &names, &mut found)?;
        sort::plain(&mut found);
        found.dedup();
        Some(found)
    }

    fn descend(&mut self, at: PathBuf, names: &[&str], found: &mut Vec<PathBuf>) -> Option<()> {
        let Some((name, rest)) = names.split_first() else {
            self.matches = self.matches.checked_sub(1)?;
            found.push(at);
            return Some(());
        };
        if !name.contains('*') {
            // A run of plain names is one look.
            let plain = names.iter().take_while(|name| !name.contains('*')).count();
            let at = names[..plain].iter().fold(at, |at, name| at.join(name));
            return match fs::symlink_metadata(&at) {
                Ok(_) => self.descend(at, &names[plain..], found),
                Err(_) => Some(()),
            };
        }
        if *name == "**" {
            self.descend(at.clone(), rest, found)?;
        }
        for (entry, dir) in self.listing(&at)?.iter() {
            self.looked_at = self.looked_at.checked_sub(1)?;
            if *name == "**" {
                // Links are not followed here: they may lead around in circles, and out.
                if *dir {
                    self.descend(at.join(entry), names, found)?;
                }
            } else if wildcard(name.as_bytes(), entry.as_encoded_bytes()) {
                self.descend(at.join(entry), rest, found)?;
            }
        }
        Some(())
    }

    /// The names in a folder, and which of them are folders; none where it cannot be read. Many globs ask about `/etc`.
    fn listing(&mut self, folder: &Path) -> Option<Listing> {
        if let Some(known) = self.listings.get(folder.as_os_str()) {
            return Some(known.clone());
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if names.len() >= self.looked_at {
                return None;
            }
            let dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            names.push((entry.file_name(), dir));
        }
        let names: Listing = names.into();
        if self.listings.len() < LISTINGS {
            self.listings.insert(folder.as_os_str().to_owned(), names.clone());
        }
        Some(names)
    }
}

/// The folder of an absolute path and its name in it, as `parent` and `file_name` have them; they take the whole path apart.
#[cfg(unix)]
fn split(path: &Path) -> Option<(&Path, &OsStr)> {
    use std::os::unix::ffi::OsStrExt;
    let bytes = path.as_os_str().as_bytes();
    let at = bytes.iter().rposition(|byte| *byte == b'/')?;
    match &bytes[at + 1..] {
        // Not plain: the slow way.
        b"" | b"." | b".." => Some((path.parent()?, path.file_name()?)),
        name => Some((Path::new(OsStr::from_bytes(&bytes[..at.max(1)])), OsStr::from_bytes(name))),
    }
}

#[cfg(not(unix))]
fn split(path: &Path) -> Option<(&Path, &OsStr)> {
    Some((path.parent()?, path.file_name()?))
}

/// A name in a folder.
fn below(folder: &Path, name: &OsStr) -> PathBuf {
    let mut path = OsString::with_capacity(folder.as_os_str().len() + name.len() + 1);
    path.push(folder);
    if folder.as_os_str() != "/" {
        path.push("/");
    }
    path.push(name);
    path.into()
}

fn is_absence(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Where a link points, as far as that is a plain absolute path.
fn target(link: &Path) -> Option<PathBuf> {
    let target = link.parent()?.join(fs::read_link(link).ok()?);
    let mut plain = PathBuf::new();
    for part in target.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    Some(plain)
}

fn there(path: PathBuf, meta: &Metadata) -> Found {
    let kind = if meta.is_dir() {
        Kind::Dir
    } else if meta.is_file() {
        Kind::File
    } else {
        Kind::Other
    };
    Found::There { path, kind, id: id(meta) }
}

/// The mode of a folder that a run makes to hold a denied name: nobody else gives an empty folder the sticky bit.
pub const HELD: u32 = 0o1755;

/// Whether this is a folder of weft's own, empty, that only holds a name during a run (or is left of one that was killed).
#[cfg(unix)]
pub fn only_holds_a_name(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let marked = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir() && meta.mode() & 0o1000 != 0);
    marked && fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// Runs make none here.
#[cfg(not(unix))]
pub fn only_holds_a_name(_: &Path) -> bool {
    false
}

#[cfg(unix)]
pub fn id(meta: &Metadata) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt;
    Some(FileId { dev: meta.dev(), ino: meta.ino() })
}

#[cfg(not(unix))]
pub fn id(_: &Metadata) -> Option<FileId> {
    None
}

/// The path with its links followed as far as it exists, for a question about it.
pub fn real(path: &Path) -> io::Result<PathBuf> {
    match Finder::default().look(path) {
        Found::There { path, .. } | Found::Missing { path } => Ok(path),
        Found::Hidden { why, .. } => Err(why.into()),
    }
}
