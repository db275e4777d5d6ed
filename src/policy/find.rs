//! What paths of a policy are on this machine: links followed, globs expanded, each folder looked at once.

use super::path::{FileId, Glob, Kind, wildcard};
use crate::sort;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
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

#[derive(Debug)]
pub struct Finder {
    /// Folders with their links followed.
    folders: HashMap<OsString, Result<PathBuf, ErrorKind>>,
    listings: HashMap<OsString, Listing>,
    looked_at: usize,
    matches: usize,
}

impl Default for Finder {
    fn default() -> Finder {
        Finder { folders: HashMap::new(), listings: HashMap::new(), looked_at: LOOKED_AT, matches: MATCHES }
    }
}

impl Finder {
    /// Looks at an absolute path without `.` and `..`.
    pub fn look(&mut self, written: &Path) -> Found {
        // As a module of WebAssembly there is no machine to look at: what is written is taken to be there.
        if cfg!(target_family = "wasm") {
            return Found::There { path: written.to_owned(), kind: Kind::Dir, id: None };
        }
        self.follow(written, 8)
    }

    fn follow(&mut self, written: &Path, links: u8) -> Found {
        let (Some(parent), Some(name)) = (written.parent(), written.file_name()) else {
            return match fs::metadata(written) {
                Ok(meta) => there(written.to_owned(), &meta),
                Err(error) => Found::Hidden { path: written.to_owned(), why: error.kind() },
            };
        };
        let path = match self.folder(parent) {
            Ok(parent) => parent.join(name),
            Err(why) => return self.gone(written, why),
        };
        match fs::symlink_metadata(&path) {
            Ok(meta) if !meta.is_symlink() => there(path, &meta),
            Ok(_) => match fs::canonicalize(&path).and_then(|real| Ok((fs::metadata(&real)?, real))) {
                Ok((meta, real)) => there(real, &meta),
                // A link to nothing: what matters is where a file would come to be.
                Err(error) if error.kind() == ErrorKind::NotFound && links > 0 => match target(&path) {
                    Some(target) => self.follow(&target, links - 1),
                    None => Found::Missing { path },
                },
                Err(error) => Found::Hidden { path, why: error.kind() },
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
        self.folders.insert(folder.as_os_str().to_owned(), real.clone());
        real
    }

    /// One look at each folder on the way, whatever number of paths go through it.
    fn real_folder(&mut self, folder: &Path) -> Result<PathBuf, ErrorKind> {
        // The kernel takes no longer path; and each folder above is a call deeper.
        if folder.as_os_str().len() > 4096 {
            return Err(ErrorKind::InvalidFilename);
        }
        let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
            return fs::canonicalize(folder).map_err(|error| error.kind());
        };
        let path = self.folder(parent)?.join(name);
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() => Ok(path),
            Ok(meta) if meta.is_symlink() => fs::canonicalize(&path).map_err(|error| error.kind()),
            Ok(_) => Err(ErrorKind::NotADirectory),
            Err(error) => Err(error.kind()),
        }
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

fn is_absence(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Where a link points, as far as that is a plain absolute path.
fn target(link: &Path) -> Option<PathBuf> {
    let target = link.parent()?.join(fs::read_link(link).ok()?);
    let mut plain = PathBuf::new();
    for part in target.components() {
        match part {
            std::path::Component::ParentDir => {
                plain.pop();
            }
            std::path::Component::CurDir => {}
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
