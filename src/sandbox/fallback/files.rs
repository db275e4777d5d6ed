//! Opening files and changing names, in place of the process that asked. Each finds the file, decides by its real path, and acts on
//! the very file that was found.

use super::caller::{Caller, Errno, errno};
use super::keeper::{Keeper, Outcome};
use super::rules::{Access, Change};
use super::walk::{Node, Place, Walk, process_of};
use crate::sys::fs::{CWD, NO_SYMLINKS, c_path, openat2};
use crate::sys::names;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Flags about how a name is found, which are spent when the file is.
const FINDING: i32 = libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW | libc::O_CLOEXEC;
/// So often a name that comes and goes is looked at.
const TRIES: usize = 8;

impl Keeper<'_> {
    pub(super) fn walk(&self) -> Walk<'_> {
        use std::os::fd::AsFd;
        Walk { root: self.root.as_fd(), family: &self.family, rules: &self.fallback.rules }
    }

    /// What the caller may do with the file at a real path.
    pub(super) fn access(&self, caller: &Caller<'_>, path: &Path) -> Access {
        let rules = &self.fallback.rules;
        let Ok(below) = path.strip_prefix("/proc") else { return rules.access(path) };
        let read = match process_of(below) {
            Some(pid) => {
                let mut parts = below.components();
                parts.next();
                rules.of_process(parts.as_path())
                    && (caller.process() == Ok(pid) || self.family.contains(pid))
            }
            None => rules.machine(path),
        };
        if read { Access::Read } else { Access::None }
    }

    /// `openat(2)` and its elders. `dir` and `flags` are values, `path` is the place of an argument.
    pub(super) fn open(
        &mut self,
        caller: &Caller<'_>,
        dir: i32,
        path: usize,
        flags: i32,
        mode: u32,
    ) -> Result<Outcome, Errno> {
        let text = caller.text(path)?;
        let write = flags & libc::O_ACCMODE != libc::O_RDONLY || flags & libc::O_TRUNC != 0;
        let cloexec = flags & libc::O_CLOEXEC != 0;
        if flags & libc::O_PATH != 0 {
            // A handle: no right to anything but to know that it is there.
            let place = self.walk().find(caller, dir, &text, flags & libc::O_NOFOLLOW == 0)?;
            let shown = self.shown(caller, &place);
            let node = place.node.filter(|_| shown).ok_or(libc::ENOENT)?;
            let folder = node.stat.dir || flags & libc::O_DIRECTORY == 0;
            return if folder { Ok(Outcome::Fd(node.handle, cloexec)) } else { Err(libc::ENOTDIR) };
        }
        if flags & libc::O_TMPFILE == libc::O_TMPFILE {
            let place = self.walk().find(caller, dir, &text, true)?;
            let node = place.node.as_ref().ok_or(libc::ENOENT)?;
            self.need(caller, &place, Access::Write)?;
            let mode = mode & !caller.umask()? & 0o777;
            let file = names::reopen(&node.handle, flags & !FINDING, mode).map_err(errno)?;
            return Ok(Outcome::Fd(file, cloexec));
        }
        let create = flags & libc::O_CREAT != 0;
        let fresh = create && flags & libc::O_EXCL != 0;
        let follow = flags & libc::O_NOFOLLOW == 0 && !fresh;
        for _ in 0..TRIES {
            let place = self.walk().find(caller, dir, &text, follow)?;
            let Some(node) = &place.node else {
                if !create {
                    return Err(libc::ENOENT);
                }
                if place.folder {
                    return Err(libc::EISDIR);
                }
                self.change(&place, Change::Make)?;
                let mode = mode & !caller.umask()? & 0o777;
                let flags = flags | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW | libc::O_NOCTTY;
                match names::open_at(&place.dir, &place.name, flags, mode) {
                    Ok(file) => return Ok(Outcome::Fd(file, cloexec)),
                    Err(error) if error.raw_os_error() == Some(libc::EEXIST) && !fresh => continue,
                    Err(error) => return Err(errno(error)),
                }
            };
            if fresh {
                return Err(libc::EEXIST);
            }
            if node.stat.link {
                return Err(libc::ELOOP);
            }
            if node.stat.dir && (create || write) {
                return Err(libc::EISDIR);
            }
            if !node.stat.dir && flags & libc::O_DIRECTORY != 0 {
                return Err(libc::ENOTDIR);
            }
            return self.open_found(caller, &place, node, flags, write);
        }
        Err(libc::EEXIST)
    }

    fn open_found(
        &mut self,
        caller: &Caller<'_>,
        place: &Place,
        node: &Node,
        flags: i32,
        write: bool,
    ) -> Result<Outcome, Errno> {
        let cloexec = flags & libc::O_CLOEXEC != 0;
        let plain = flags & !FINDING | libc::O_NOCTTY;
        if !place.path.is_absolute() {
            // An open pipe, opened once more; its other end is there, so nobody has to wait for it.
            if !node.stat.fifo {
                return Err(libc::ENXIO);
            }
            let file = names::reopen(&node.handle, plain | libc::O_NONBLOCK, 0).map_err(errno)?;
            names::set_nonblocking(&file, flags & libc::O_NONBLOCK != 0).map_err(errno)?;
            return Ok(Outcome::Fd(file, cloexec));
        }
        let in_memory = node.stat.links == 0 && place.path.to_string_lossy().starts_with("/memfd:");
        if !in_memory {
            self.need(caller, place, if write { Access::Write } else { Access::Read })?;
        }
        if let Some((_, own, _)) = self.fallback.own.iter().find(|(host, _, _)| *host == place.path) {
            // How names are resolved is weft's to say, here as with namespaces.
            if write {
                return Err(libc::EACCES);
            }
            let file =
                openat2(CWD, &c_path(own).map_err(errno)?, libc::O_RDONLY, 0, NO_SYMLINKS).map_err(errno)?;
            return Ok(Outcome::Fd(file, cloexec));
        }
        if place.path == Path::new("/dev/tty") {
            return self.open_terminal(caller, plain, cloexec);
        }
        let waits = flags & libc::O_NONBLOCK == 0 && flags & libc::O_ACCMODE != libc::O_RDWR;
        if node.stat.fifo && waits {
            return self.open_beside(caller, node, plain, cloexec);
        }
        let file = names::reopen(&node.handle, plain, 0).map_err(errno)?;
        Ok(Outcome::Fd(file, cloexec))
    }

    /// The terminal of the caller's session, which is not the keeper's.
    fn open_terminal(&self, caller: &Caller<'_>, flags: i32, cloexec: bool) -> Result<Outcome, Errno> {
        let path = caller.terminal().ok_or(libc::ENXIO)?;
        let shown = Path::new(path.to_str().map_err(|_| libc::ENXIO)?);
        if self.fallback.rules.access(shown) < Access::Write {
            return Err(libc::EACCES);
        }
        let file = openat2(CWD, &path, flags, 0, libc::RESOLVE_NO_SYMLINKS).map_err(errno)?;
        Ok(Outcome::Fd(file, cloexec))
    }

    /// Refuses unless the caller has the access.
    pub(super) fn need(&self, caller: &Caller<'_>, place: &Place, access: Access) -> Result<(), Errno> {
        if self.access(caller, &place.path) >= access {
            return Ok(());
        }
        self.refused.set(Some((place.path.clone(), access == Access::Write)));
        // What no rule names does not exist for the command; what is denied does.
        Err(if self.shown(caller, place) { libc::EACCES } else { libc::ENOENT })
    }

    /// Whether the caller may know that the file is there.
    pub(super) fn shown(&self, caller: &Caller<'_>, place: &Place) -> bool {
        let path = &place.path;
        let link = place.node.as_ref().is_some_and(|node| node.stat.link);
        !path.is_absolute()
            || place.node.as_ref().is_some_and(|node| node.stat.links == 0)
            || self.access(caller, path) > Access::None
            || self.fallback.rules.shown(path, link)
    }

    /// Refuses unless the name may change so.
    fn change(&self, place: &Place, change: Change) -> Result<(), Errno> {
        if place.name.is_empty() {
            return Err(libc::EBUSY);
        }
        if self.fallback.rules.change(&place.path, change) {
            return Ok(());
        }
        self.refused.set(Some((place.path.clone(), true)));
        Err(libc::EACCES)
    }

    /// A name that something is to be made under, and that is free.
    fn new_name(&self, caller: &Caller<'_>, dir: i32, path: usize) -> Result<Place, Errno> {
        let place = self.walk().find(caller, dir, &caller.text(path)?, false)?;
        if place.node.is_some() { Err(libc::EEXIST) } else { Ok(place) }
    }

    pub(super) fn mkdir(
        &self,
        caller: &Caller<'_>,
        dir: i32,
        path: usize,
        mode: u32,
    ) -> Result<Outcome, Errno> {
        let place = self.new_name(caller, dir, path)?;
        self.change(&place, Change::MakeDir)?;
        let mode = mode & !caller.umask()? & 0o1777;
        done(names::make_dir(&place.dir, &place.name, mode))
    }

    pub(super) fn mknod(
        &self,
        caller: &Caller<'_>,
        dir: i32,
        path: usize,
        mode: u32,
    ) -> Result<Outcome, Errno> {
        let place = self.new_name(caller, dir, path)?;
        let kind = mode & libc::S_IFMT;
        if ![0, libc::S_IFREG, libc::S_IFIFO].contains(&kind) {
            return Err(libc::EPERM);
        }
        self.change(&place, Change::Make)?;
        let bits = mode & !caller.umask()? & 0o777;
        done(names::make_node(&place.dir, &place.name, kind | bits, 0))
    }

    pub(super) fn symlink(
        &self,
        caller: &Caller<'_>,
        target: usize,
        dir: i32,
        path: usize,
    ) -> Result<Outcome, Errno> {
        let place = self.new_name(caller, dir, path)?;
        self.change(&place, Change::Make)?;
        done(names::make_link(&caller.c_text(target)?, &place.dir, &place.name))
    }

    pub(super) fn unlink(
        &self,
        caller: &Caller<'_>,
        dir: i32,
        path: usize,
        flags: i32,
    ) -> Result<Outcome, Errno> {
        let folder = match flags {
            0 => false,
            libc::AT_REMOVEDIR => true,
            _ => return Err(libc::EINVAL),
        };
        let place = self.walk().find(caller, dir, &caller.text(path)?, false)?;
        if place.node.is_none() {
            return Err(libc::ENOENT);
        }
        self.change(&place, if folder { Change::RemoveDir } else { Change::Remove })?;
        done(names::remove(&place.dir, &place.name, folder))
    }

    /// Both names have to be free to change; the file that is moved keeps its rights or loses some.
    pub(super) fn rename(
        &self,
        caller: &Caller<'_>,
        from: (i32, usize),
        to: (i32, usize),
        flags: u32,
    ) -> Result<Outcome, Errno> {
        if flags & libc::RENAME_WHITEOUT != 0 {
            return Err(libc::EPERM);
        }
        let old = self.walk().find(caller, from.0, &caller.text(from.1)?, false)?;
        let new = self.walk().find(caller, to.0, &caller.text(to.1)?, false)?;
        let moved = old.node.as_ref().ok_or(libc::ENOENT)?;
        let there = new.node.as_ref().filter(|_| flags & libc::RENAME_EXCHANGE != 0);
        let folder = moved.stat.dir || there.is_some_and(|node| node.stat.dir);
        let change = if folder { Change::MoveDir } else { Change::Move };
        self.change(&old, change)?;
        self.change(&new, change)?;
        done(names::rename(&old.dir, &old.name, &new.dir, &new.name, flags))
    }

    /// A second name makes a file what the folder of that name allows, so its first has to allow as much.
    pub(super) fn link(
        &self,
        caller: &Caller<'_>,
        from: (i32, usize),
        to: (i32, usize),
        flags: i32,
    ) -> Result<Outcome, Errno> {
        let text = caller.text(from.1)?;
        let follow = flags & libc::AT_SYMLINK_FOLLOW != 0;
        let old = match text.is_empty() && flags & libc::AT_EMPTY_PATH != 0 {
            true => self.walk().open_file(caller, from.0)?,
            false => self.walk().find(caller, from.0, &text, follow)?,
        };
        let new = self.walk().find(caller, to.0, &caller.text(to.1)?, false)?;
        let node = old.node.as_ref().ok_or(libc::ENOENT)?;
        if new.node.is_some() {
            return Err(libc::EEXIST);
        }
        if node.stat.dir || node.stat.link {
            return Err(libc::EPERM);
        }
        self.need(caller, &old, Access::Write)?;
        self.change(&new, Change::Make)?;
        done(names::hard_link(&node.handle, &new.dir, &new.name))
    }

    pub(super) fn truncate(&self, caller: &Caller<'_>) -> Result<Outcome, Errno> {
        let place = self.walk().find(caller, libc::AT_FDCWD, &caller.text(0)?, true)?;
        let node = place.node.as_ref().ok_or(libc::ENOENT)?;
        if node.stat.dir {
            return Err(libc::EISDIR);
        }
        if !node.stat.file {
            return Err(libc::EINVAL);
        }
        self.need(caller, &place, Access::Write)?;
        let file: OwnedFd = names::reopen(&node.handle, libc::O_WRONLY, 0).map_err(errno)?;
        done(names::set_length(&file, caller.call.args[1] as i64))
    }
}

pub(super) fn done(result: std::io::Result<()>) -> Result<Outcome, Errno> {
    result.map(|()| Outcome::Value(0)).map_err(errno)
}
