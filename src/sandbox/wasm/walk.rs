//! From a path as the program writes it to the file it names: name by name below the folder of a descriptor, by handle, links followed
//! by weft and never by the kernel. Whether the file may be touched is decided by its real path, which the kernel tells at the end.

use super::errno::Errno;
use crate::sys::fs::{Stat, fstat};
use crate::sys::names::{link_text, open_at, real_path};
use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Links on one way.
const LINKS: usize = 40;
const NAME_MAX: usize = 255;
const PATH_MAX: usize = 4096;
const HANDLE: i32 = libc::O_PATH | libc::O_NOFOLLOW;
const FOLDER: i32 = HANDLE | libc::O_DIRECTORY;

/// What a path names.
#[derive(Debug)]
pub struct Place {
    /// The folder it is in.
    pub dir: OwnedFd,
    /// Its name in there; `.` for the folder itself.
    pub name: CString,
    /// Where it is, without links.
    pub path: PathBuf,
    /// What is there.
    pub node: Option<Node>,
    /// The path ended in a slash: only a folder is meant.
    pub folder: bool,
}

/// A file that exists.
#[derive(Debug)]
pub struct Node {
    pub handle: OwnedFd,
    pub stat: Stat,
}

/// Whether a place on the way may be walked through.
pub type Leads<'a> = &'a dyn Fn(&Path) -> bool;

/// Why a walk came to no end.
#[derive(Debug, PartialEq, Eq)]
pub enum Lost {
    Errno(Errno),
    /// The policy does not let anybody pass here.
    Barred(PathBuf),
}

impl From<Errno> for Lost {
    fn from(errno: Errno) -> Lost {
        Lost::Errno(errno)
    }
}

impl From<std::io::Error> for Lost {
    fn from(error: std::io::Error) -> Lost {
        Lost::Errno(error.into())
    }
}

/// Finds the file. A path that leads out of the folder, by `..`, by a link, or because it begins with a slash, is refused. `follow`: a
/// link at the end is followed as well.
pub fn find(base: BorrowedFd<'_>, text: &[u8], follow: bool, leads: Leads<'_>) -> Result<Place, Lost> {
    check(text)?;
    let folder = text.ends_with(b"/") || text.ends_with(b"/.");
    let mut at = base.try_clone_to_owned()?;
    let mut here = real_path(&at)?;
    // Folders below the first one. `..` is one less, and never leads above it.
    let mut depth = 0usize;
    let mut links = 0;
    let mut todo = Vec::new();
    push(&mut todo, text);
    while let Some(name) = todo.pop() {
        let last = todo.is_empty();
        if name == b".." {
            depth = depth.checked_sub(1).ok_or(Errno::NOT_CAPABLE)?;
            at = open_at(&at, c"..", FOLDER, 0)?;
            here = real_path(&at)?;
            continue;
        }
        if name.len() > NAME_MAX {
            return Err(Errno::NAME_TOO_LONG.into());
        }
        let path = here.join(OsStr::from_bytes(&name));
        if !last && !leads(&path) {
            return Err(Lost::Barred(path));
        }
        let Some(node) = entry(&at, &name)? else {
            return if last { named(at, &name, None, folder) } else { Err(Errno::NO_ENTRY.into()) };
        };
        if node.stat.link && (!last || follow || folder) {
            links += 1;
            if links > LINKS {
                return Err(Errno::LOOP.into());
            }
            if !leads(&path) {
                return Err(Lost::Barred(path));
            }
            let target = link_text(&node.handle)?;
            check(&target)?;
            push(&mut todo, &target);
        } else if last {
            return named(at, &name, Some(node), folder);
        } else if node.stat.dir {
            at = node.handle;
            here = path;
            depth += 1;
        } else {
            return Err(Errno::NOT_DIR.into());
        }
    }
    // Nothing but dots: the folder itself.
    let handle = at.try_clone()?;
    let stat = fstat(&handle)?;
    let path = real_path(&handle)?;
    Ok(Place { dir: at, name: c".".to_owned(), path, node: Some(Node { handle, stat }), folder: true })
}

/// A path of the program, or the text of a link.
fn check(text: &[u8]) -> Result<(), Errno> {
    match text {
        [] => Err(Errno::NO_ENTRY),
        [b'/', ..] => Err(Errno::NOT_CAPABLE),
        _ if text.contains(&0) => Err(Errno::INVALID),
        _ if text.len() >= PATH_MAX => Err(Errno::NAME_TOO_LONG),
        _ => Ok(()),
    }
}

fn entry(dir: &OwnedFd, name: &[u8]) -> Result<Option<Node>, Lost> {
    let name = CString::new(name).map_err(|_| Errno::INVALID)?;
    match open_at(dir, &name, HANDLE, 0) {
        Ok(handle) => {
            let stat = fstat(&handle)?;
            Ok(Some(Node { handle, stat }))
        }
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn named(dir: OwnedFd, name: &[u8], node: Option<Node>, folder: bool) -> Result<Place, Lost> {
    // As the kernel tells it: a folder may have been moved since it was found.
    let path = real_path(&dir)?.join(OsStr::from_bytes(name));
    if folder && node.as_ref().is_some_and(|node| !node.stat.dir) {
        return Err(Errno::NOT_DIR.into());
    }
    let name = CString::new(name).map_err(|_| Errno::INVALID)?;
    Ok(Place { dir, name, path, node, folder })
}

/// Puts the names of a path on the stack, the first on top.
fn push(todo: &mut Vec<Vec<u8>>, text: &[u8]) {
    let names = text.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    todo.extend(names.map(<[u8]>::to_vec).rev());
}

/// A folder by its absolute path, which has no links.
pub fn folder(path: &Path) -> std::io::Result<OwnedFd> {
    let mut at = open_at(crate::sys::fs::CWD, c"/", FOLDER, 0)?;
    for name in path.components().skip(1) {
        let name = CString::new(name.as_os_str().as_bytes())?;
        at = open_at(at.as_fd(), &name, FOLDER, 0)?;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn tree() -> tempfolder::Folder {
        let top = tempfolder::Folder::new("walk");
        let at = |name: &str| top.path.join(name);
        fs::create_dir_all(at("root/a/b")).expect("folders");
        fs::write(at("root/a/b/file"), "x").expect("a file");
        fs::write(at("secret"), "x").expect("a file");
        for (text, name) in [
            ("a/b/file", "root/inside"),
            ("../secret", "root/out"),
            ("/etc/passwd", "root/absolute"),
            ("loop", "root/loop"),
            ("../a/../../secret", "root/a/deep"),
            ("..", "root/a/up"),
        ] {
            symlink(text, at(name)).expect("a link");
        }
        top
    }

    #[test]
    fn no_spelling_leads_out_of_the_folder() {
        let top = tree();
        let root = folder(&top.path.join("root")).expect("opens");
        let find = |text: &str| find(root.as_fd(), text.as_bytes(), true, &|_| true);
        for text in [
            "..",
            "../secret",
            "a/../../secret",
            "/etc/passwd",
            "//etc",
            "out",
            "absolute",
            "a/deep",
            "a/up/..",
            "a/b/../../..",
            "./../secret",
            "a/up/../secret",
            "out/",
        ] {
            assert_eq!(find(text).err(), Some(Lost::Errno(Errno::NOT_CAPABLE)), "{text}");
        }
        assert_eq!(find("loop").err(), Some(Lost::Errno(Errno::LOOP)));
        assert_eq!(find("").err(), Some(Lost::Errno(Errno::NO_ENTRY)));
        assert_eq!(find("a\0b").err(), Some(Lost::Errno(Errno::INVALID)));
        assert_eq!(find("a/b/file/").err(), Some(Lost::Errno(Errno::NOT_DIR)));
        assert_eq!(find(&"x".repeat(256)).err(), Some(Lost::Errno(Errno::NAME_TOO_LONG)));
        assert_eq!(find(&"x/".repeat(4096)).err(), Some(Lost::Errno(Errno::NAME_TOO_LONG)));
        for (text, end) in [
            ("inside", "root/a/b/file"),
            ("a/up/a/b/file", "root/a/b/file"),
            ("./a//b/./file", "root/a/b/file"),
            ("a/b/..", "root/a"),
            (".", "root"),
            ("a/new", "root/a/new"),
        ] {
            assert_eq!(find(text).map(|place| place.path).ok(), Some(top.path.join(end)), "{text}");
        }
    }

    #[test]
    fn a_barred_folder_is_not_walked_through() {
        let top = tree();
        let root = folder(&top.path.join("root")).expect("opens");
        let barred = top.path.join("root/a");
        let leads = |path: &Path| path != barred;
        let found = find(root.as_fd(), b"a/b/file", true, &leads);
        assert_eq!(found.err(), Some(Lost::Barred(barred.clone())));
        // The end itself is not this file's to judge.
        assert!(find(root.as_fd(), b"a", true, &leads).is_ok());
    }

    mod tempfolder {
        use std::path::PathBuf;

        pub struct Folder {
            pub path: PathBuf,
        }

        impl Folder {
            pub fn new(name: &str) -> Folder {
                let below = std::env::temp_dir().canonicalize().expect("a temporary folder");
                let path = below.join(format!(
                    "weft-test-{name}-{}-{:?}",
                    std::process::id(),
                    std::thread::current().id()
                ));
                std::fs::create_dir_all(&path).expect("a folder");
                Folder { path }
            }
        }

        impl Drop for Folder {
            fn drop(&mut self) {
                let _ = std::fs::remove_dir_all(&self.path);
            }
        }
    }
}
