//! From a path as a process writes it to the file it names, step by step and by handle: what was found stays what it is, whatever
//! happens to the names meanwhile. Decides nothing.

use super::caller::{Caller, Errno, errno};
use super::family::Family;
use super::rules::Rules;
use crate::sys::fs::{NO_SYMLINKS, Stat, fstat, openat2};
use crate::sys::names::{link_text, open_at, real_path};
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What a path names.
#[derive(Debug)]
pub struct Place {
    /// The folder it is in.
    pub dir: OwnedFd,
    /// Its name in there; empty for what has none, such as `..` or an open file.
    pub name: CString,
    /// Where it is, without links; no path for pipes and the like.
    pub path: PathBuf,
    /// What is there.
    pub node: Option<Node>,
    /// The path ended in a slash: only a folder is meant.
    pub folder: bool,
}

/// A file that exists.
#[derive(Debug)]
pub struct Node {
    /// Its handle.
    pub handle: OwnedFd,
    /// What it is.
    pub stat: Stat,
}

impl Node {
    fn new(handle: OwnedFd) -> Result<Self, Errno> {
        let stat = fstat(&handle).map_err(errno)?;
        Ok(Self { handle, stat })
    }
}

const LINKS: usize = 40;
const NAME_MAX: usize = 255;
const HANDLE: i32 = libc::O_PATH | libc::O_NOFOLLOW;
const FOLDER: i32 = libc::O_PATH | libc::O_DIRECTORY;

/// What a walk needs besides the path.
#[derive(Clone, Copy)]
pub struct Walk<'a> {
    /// `/`
    pub root: BorrowedFd<'a>,
    /// Whose links in `/proc` may be followed.
    pub family: &'a Family,
    /// For `/dev/shm`.
    pub rules: &'a Rules,
}

impl Walk<'_> {
    /// Finds the file that a call names by a folder's descriptor and a path.
    pub fn find(&self, caller: &Caller<'_>, dir: i32, text: &[u8], follow: bool) -> Result<Place, Errno> {
        if text.is_empty() {
            return Err(libc::ENOENT);
        }
        let path = Path::new(OsStr::from_bytes(text));
        let moved = if text.starts_with(b"/dev/shm") { self.rules.moved(path) } else { None };
        let text = moved.as_ref().map_or(text, |path| path.as_os_str().as_bytes());
        let base = if text.starts_with(b"/") {
            self.root.try_clone_to_owned().map_err(errno)?
        } else {
            caller.base(dir)?
        };
        match self.straight(&base, text, follow)? {
            Some(place) => Ok(place),
            None => self.step_by_step(caller, base, text, follow),
        }
    }

    /// An open file of the caller.
    pub fn open_file(&self, caller: &Caller<'_>, fd: i32) -> Result<Place, Errno> {
        self.unnamed(caller.base(fd)?)
    }

    /// A path without links on its way, in two steps; none when it is not such a path.
    fn straight(&self, base: &OwnedFd, text: &[u8], follow: bool) -> Result<Option<Place>, Errno> {
        let trimmed = text.trim_ascii_end_of(b'/');
        let folder = trimmed.len() != text.len();
        let cut = trimmed.iter().rposition(|byte| *byte == b'/');
        let (above, name) = cut.map_or((&b""[..], trimmed), |at| (&trimmed[..at + 1], &trimmed[at + 1..]));
        if name.is_empty() || name == b"." || name == b".." {
            return Ok(None);
        }
        if name.len() > NAME_MAX {
            return Err(libc::ENAMETOOLONG);
        }
        let above = above.trim_ascii_start_of(b'/');
        let above = if above.is_empty() { &b"."[..] } else { above };
        let dir = match openat2(base, &c(above)?, FOLDER, 0, NO_SYMLINKS) {
            Ok(dir) => dir,
            Err(error) if error.raw_os_error() == Some(libc::ELOOP) => return Ok(None),
            Err(error) => return Err(errno(error)),
        };
        let node = self.entry(&dir, name)?;
        if node.as_ref().is_some_and(|node| node.stat.link && (follow || folder)) {
            return Ok(None);
        }
        self.named(dir, name, node, folder).map(Some)
    }

    fn entry(&self, dir: &OwnedFd, name: &[u8]) -> Result<Option<Node>, Errno> {
        match open_at(dir, &c(name)?, HANDLE, 0) {
            Ok(handle) => Node::new(handle).map(Some),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(errno(error)),
        }
    }

    fn named(&self, dir: OwnedFd, name: &[u8], node: Option<Node>, folder: bool) -> Result<Place, Errno> {
        let mut path = real_path(&dir).map_err(errno)?;
        path.push(OsStr::from_bytes(name));
        if folder && node.as_ref().is_some_and(|node| !node.stat.dir) {
            return Err(libc::ENOTDIR);
        }
        Ok(Place { dir, name: c(name)?, path, node, folder })
    }

    /// A file that was reached by no name of its own.
    fn unnamed(&self, handle: OwnedFd) -> Result<Place, Errno> {
        const DELETED: &[u8] = b" (deleted)";
        let node = Node::new(handle)?;
        let mut path = real_path(&node.handle).map_err(errno)?;
        if node.stat.links == 0
            && let Some(bare) = path.as_os_str().as_bytes().strip_suffix(DELETED)
        {
            path = PathBuf::from(OsString::from_vec(bare.to_owned()));
        }
        let dir = self.root.try_clone_to_owned().map_err(errno)?;
        Ok(Place { dir, name: CString::default(), path, node: Some(node), folder: false })
    }

    fn step_by_step(
        &self,
        caller: &Caller<'_>,
        base: OwnedFd,
        text: &[u8],
        follow: bool,
    ) -> Result<Place, Errno> {
        let folder = text.ends_with(b"/");
        let mut at = base;
        let mut todo = Vec::new();
        push(&mut todo, text);
        let mut links = 0;
        while let Some(name) = todo.pop() {
            let last = todo.is_empty();
            if name == b".." {
                at = open_at(&at, c"..", FOLDER, 0).map_err(errno)?;
                continue;
            }
            let Some(node) = self.entry(&at, &name)? else {
                return if last { self.named(at, &name, None, folder) } else { Err(libc::ENOENT) };
            };
            if node.stat.link && (!last || follow || folder) {
                links += 1;
                if links > LINKS {
                    return Err(libc::ELOOP);
                }
                let here = real_path(&at).map_err(errno)?;
                match self.link(caller, &at, &here, &name, &node)? {
                    Link::Text(target) => {
                        if target.starts_with(b"/") {
                            at = self.root.try_clone_to_owned().map_err(errno)?;
                        }
                        push(&mut todo, &target);
                    }
                    Link::File(handle) if last => return self.unnamed(handle),
                    Link::File(handle) => at = handle,
                }
            } else if last {
                return self.named(at, &name, Some(node), folder);
            } else if node.stat.dir {
                at = node.handle;
            } else {
                return Err(libc::ENOTDIR);
            }
        }
        // The path was all slashes and dots.
        self.unnamed(at)
    }

    /// Where a link leads. Those of `/proc` lead to files, not to paths, and some mean whoever asks.
    fn link(
        &self,
        caller: &Caller<'_>,
        at: &OwnedFd,
        here: &Path,
        name: &[u8],
        node: &Node,
    ) -> Result<Link, Errno> {
        if let Ok(below) = here.strip_prefix("/proc") {
            if below.as_os_str().is_empty() {
                if name == b"self" {
                    return Ok(Link::Text(caller.process()?.to_string().into_bytes()));
                }
                if name == b"thread-self" {
                    let text = format!("{}/task/{}", caller.process()?, caller.call.pid);
                    return Ok(Link::Text(text.into_bytes()));
                }
            } else if let Some(pid) = process_of(below) {
                if pid != caller.process()? && !self.family.contains(pid) {
                    return Err(libc::EACCES);
                }
                let handle = open_at(at, &c(name)?, libc::O_PATH, 0).map_err(errno)?;
                return Ok(Link::File(handle));
            }
        }
        match link_text(node.handle.as_fd()).map_err(errno)? {
            text if text.is_empty() => Err(libc::ENOENT),
            text => Ok(Link::Text(text)),
        }
    }
}

enum Link {
    Text(Vec<u8>),
    File(OwnedFd),
}

/// The process that a path below `/proc` belongs to.
pub fn process_of(below: &Path) -> Option<i32> {
    below.components().next()?.as_os_str().to_str()?.parse().ok()
}

/// Puts the names of a path on the stack, the first on top.
fn push(todo: &mut Vec<Vec<u8>>, text: &[u8]) {
    let names = text.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    todo.extend(names.map(<[u8]>::to_vec).rev());
}

fn c(text: &[u8]) -> Result<CString, Errno> {
    CString::new(text).map_err(|_| libc::EINVAL)
}

trait Trim {
    fn trim_ascii_end_of(&self, byte: u8) -> &[u8];
    fn trim_ascii_start_of(&self, byte: u8) -> &[u8];
}

impl Trim for [u8] {
    fn trim_ascii_end_of(&self, byte: u8) -> &[u8] {
        let end = self.iter().rposition(|other| *other != byte).map_or(0, |at| at + 1);
        &self[..end]
    }

    fn trim_ascii_start_of(&self, byte: u8) -> &[u8] {
        let start = self.iter().position(|other| *other != byte).unwrap_or(self.len());
        &self[start..]
    }
}
