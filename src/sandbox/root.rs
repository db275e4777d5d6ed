//! Builds the new root from the steps that `mounts` computed, in a new mount namespace, and makes it the root.

use super::mounts::{BASE, DEVICES, Mounts, Step};
use crate::policy::path::{FileId, bytes, lineage};
use crate::sys::fs::{self as sys, BENEATH, CWD, NO_SYMLINKS, c_path};
use crate::sys::mount::{self, Attr};
use std::collections::BTreeSet;
use std::ffi::{CStr, CString, OsStr};
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// In a fresh `/proc`, what tells of the machine rather than of the processes inside.
const PROC_MASKED: &[&CStr] = &[
    c"proc/kcore",
    c"proc/keys",
    c"proc/key-users",
    c"proc/kallsyms",
    c"proc/kmsg",
    c"proc/sysrq-trigger",
    c"proc/timer_list",
    c"proc/sched_debug",
];

impl Mounts {
    /// Builds the new root and moves into it. In a new mount namespace, with its capabilities; what fails is named.
    pub fn apply(&self) -> Result<(), (PathBuf, io::Error)> {
        let at = |path: &'static str| move |error| (PathBuf::from(path), error);
        mount::make_private().map_err(at("/"))?;
        let size = self.private_size.map(|bytes| CString::new(bytes.to_string()).unwrap_or_default());
        let mut options: Vec<(&CStr, &CStr)> = vec![(c"mode", c"0755")];
        if let Some(size) = &size {
            options.push((c"size", size));
        }
        let base = mount::new_fs(c"tmpfs", &options, BASE).map_err(at("tmpfs"))?;
        // Over the old root: lookups that start at the root do not see it, and it is part of this namespace.
        mount::attach(&base, CWD, c"/").map_err(at("/"))?;
        for (name, mode) in
            [(c"root", 0o755), (c"private", 0o700), (c"shm", 0o700), (c"dir", 0), (c"empty", 0o1555)]
        {
            sys::mkdirat(&base, name, mode).map_err(at("tmpfs"))?;
        }
        sys::touchat(&base, c"file", 0).map_err(at("tmpfs"))?;
        let root = mount::clone_tree_at(&base, c"root").map_err(at("root"))?;
        mount::attach(&root, &base, c"root").map_err(at("root"))?;
        let build = Build {
            base: base.as_fd(),
            root: root.as_fd(),
            made: 0.into(),
            late: Vec::new().into(),
            folders: BTreeSet::new().into(),
            foreign: BTreeSet::new().into(),
        };
        build.devices().map_err(at("/dev"))?;
        build.proc().map_err(at("/proc"))?;
        for step in &self.steps {
            build.step(step).map_err(|error| (step.path().to_owned(), error))?;
        }
        for (tree, attr) in build.late.borrow().iter() {
            mount::set_attr(tree, *attr, false).map_err(at("private folders"))?;
        }
        mount::set_attr(&root, BASE.and(Attr::READ_ONLY).and(Attr::NO_EXEC), false).map_err(at("/"))?;
        sys::fchdir(&root).map_err(at("/"))?;
        // From over the old root to somewhere in it, so that both leave in one step: the kernel waits for all processors at each.
        mount::attach(&base, CWD, c"/proc").map_err(at("/"))?;
        mount::pivot_to_cwd().map_err(at("/"))
    }
}

/// The new root while it is being built.
struct Build<'a> {
    base: BorrowedFd<'a>,
    root: BorrowedFd<'a>,
    made: std::cell::Cell<u32>,
    /// Private folders and what they are to be in the end.
    late: std::cell::RefCell<Vec<(OwnedFd, Attr)>>,
    /// Folders of the new root itself that were made already, by their bytes as all paths here.
    folders: std::cell::RefCell<BTreeSet<Vec<u8>>>,
    /// Places where something else than the new root itself begins: what was attached, and links.
    foreign: std::cell::RefCell<BTreeSet<Vec<u8>>>,
}

/// The path as seen from the new root's descriptor.
fn inside(path: &Path) -> io::Result<CString> {
    from_root(bytes(path))
}

/// The same of its bytes.
fn from_root(path: &[u8]) -> io::Result<CString> {
    let relative = path.strip_prefix(b"/").unwrap_or(path);
    c_path(Path::new(OsStr::from_bytes(if relative.is_empty() { b"." } else { relative })))
}

impl Build<'_> {
    fn step(&self, step: &Step) -> io::Result<()> {
        match step {
            Step::Bind { path, id, dir, attr } => self.bind(path, *id, *dir, *attr),
            Step::Private { path, attr } => {
                let tree = mount::clone_tree_at(self.base, c"private")?;
                // Places of the host may have to be attached inside; only then is it closed.
                mount::set_attr(&tree, Attr(attr.0 & !Attr::READ_ONLY.0), true)?;
                self.attach(&tree, path, true)?;
                self.late.borrow_mut().push((tree, *attr));
                Ok(())
            }
            Step::Own { path, text } => self.own(path, text),
            Step::Link { at, target } => {
                if let Some(parent) = at.parent() {
                    self.target(parent, true)?;
                }
                sys::symlinkat(&c_path(target)?, self.root, &inside(at)?)?;
                self.foreign.borrow_mut().insert(bytes(at).to_vec());
                Ok(())
            }
            Step::Only { dir, entries } => self.only(dir, entries),
            Step::Pin(path) => {
                let here = sys::handle(self.root, &inside(path)?, NO_SYMLINKS | BENEATH)?;
                mount::attach(mount::clone_tree(&here)?, &here, c"")
            }
            Step::Mask { path, id, dir, empty } => {
                let here = sys::handle(self.root, &inside(path)?, NO_SYMLINKS | BENEATH)?;
                same(&here, *id, *dir)?;
                let what = if *empty {
                    c"empty"
                } else if *dir {
                    c"dir"
                } else {
                    c"file"
                };
                self.mask(what, here)
            }
        }
    }

    /// A file of weft's own. Where the host's is a link, the link itself is covered.
    fn own(&self, path: &Path, text: &str) -> io::Result<()> {
        self.made.set(self.made.get() + 1);
        let name = CString::new(format!("own{}", self.made.get())).unwrap_or_default();
        let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY;
        let mut file = fs::File::from(sys::openat2(self.base, &name, flags, 0o444, NO_SYMLINKS | BENEATH)?);
        file.write_all(text.as_bytes())?;
        let tree = mount::clone_tree_at(self.base, &name)?;
        mount::set_attr(&tree, BASE.and(Attr::READ_ONLY).and(Attr::NO_EXEC), false)?;
        let flags = libc::O_PATH | libc::O_NOFOLLOW;
        match sys::openat2(self.root, &inside(path)?, flags, 0, NO_SYMLINKS | BENEATH) {
            Ok(there) => {
                self.foreign.borrow_mut().insert(bytes(path).to_vec());
                mount::attach(tree, there, c"")
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.attach(&tree, path, false),
            Err(error) => Err(error),
        }
    }

    fn mask(&self, what: &CStr, at: OwnedFd) -> io::Result<()> {
        let tree = mount::clone_tree_at(self.base, what)?;
        mount::set_attr(&tree, BASE.and(Attr::READ_ONLY).and(Attr::NO_EXEC), false)?;
        mount::attach(tree, at, c"")
    }

    fn bind(&self, path: &Path, id: Option<FileId>, dir: bool, attr: Attr) -> io::Result<()> {
        let tree = match id {
            // Over a link that came since, this would be another file: it is compared before it is attached.
            Some(_) => mount::clone_tree_at(CWD, &c_path(path)?)?,
            None => mount::clone_tree(sys::handle(CWD, &c_path(path)?, NO_SYMLINKS)?)?,
        };
        same(&tree, id, dir)?;
        mount::set_attr(&tree, attr, true)?;
        self.attach(&tree, path, dir)
    }

    /// Attaches a tree at a path of the new root.
    fn attach(&self, tree: &OwnedFd, path: &Path, dir: bool) -> io::Result<()> {
        let own = {
            let foreign = self.foreign.borrow();
            !lineage(path).any(|above| foreign.contains(above))
        };
        if own {
            // Every name on the way is weft's own and no link, so that the kernel may look the path up again.
            self.make(path, dir)?;
            mount::attach(tree, self.root, &inside(path)?)?;
        } else {
            mount::attach(tree, self.target(path, dir)?, c"")?;
        }
        self.foreign.borrow_mut().insert(bytes(path).to_vec());
        Ok(())
    }

    /// Makes a name in the new root itself, and the folders above it.
    fn make(&self, path: &Path, dir: bool) -> io::Result<()> {
        let mut folders = self.folders.borrow_mut();
        let above = lineage(path).skip(usize::from(!dir)).take_while(|at| *at != b"/");
        let missing: Vec<&[u8]> = above.take_while(|at| !folders.contains(*at)).collect();
        for folder in missing.into_iter().rev() {
            sys::mkdirat(self.root, &from_root(folder)?, 0o755)?;
            folders.insert(folder.to_vec());
        }
        if dir { Ok(()) } else { sys::touchat(self.root, &inside(path)?, 0o444) }
    }

    /// A handle to a place in the new root, made if it is not there yet.
    fn target(&self, path: &Path, dir: bool) -> io::Result<OwnedFd> {
        let resolve = NO_SYMLINKS | BENEATH;
        let name = inside(path)?;
        match sys::handle(self.root, &name, resolve) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => return done,
        }
        let above: Vec<&Path> = path.ancestors().skip(1).collect();
        for folder in above.into_iter().rev().filter(|folder| folder.parent().is_some()) {
            sys::mkdirat(self.root, &inside(folder)?, 0o755)?;
        }
        if dir {
            sys::mkdirat(self.root, &name, 0o755)?;
        } else {
            sys::touchat(self.root, &name, 0o444)?;
        }
        sys::handle(self.root, &name, resolve)
    }

    fn only(&self, dir: &Path, entries: &[PathBuf]) -> io::Result<()> {
        let attr = BASE.and(Attr::READ_ONLY);
        self.made.set(self.made.get() + 1);
        let name = CString::new(format!("only{}", self.made.get())).unwrap_or_default();
        sys::mkdirat(self.base, &name, 0o755)?;
        let fresh = sys::handle(self.base, &name, NO_SYMLINKS | BENEATH)?;
        let mut files = Vec::new();
        for entry in entries {
            let Some(file) = entry.file_name() else { continue };
            let file = c_path(Path::new(file))?;
            if let Ok(target) = fs::read_link(entry) {
                sys::symlinkat(&c_path(&target)?, &fresh, &file)?;
            } else {
                sys::touchat(&fresh, &file, 0o444)?;
                let source = sys::handle(CWD, &c_path(entry)?, NO_SYMLINKS)?;
                let tree = mount::clone_tree(&source)?;
                mount::set_attr(&tree, attr, true)?;
                files.push((file, tree));
            }
        }
        let tree = mount::clone_tree(&fresh)?;
        mount::set_attr(&tree, attr.and(Attr::NO_EXEC), false)?;
        let here = sys::handle(self.root, &inside(dir)?, NO_SYMLINKS | BENEATH)?;
        mount::attach(tree, here, c"")?;
        for (file, tree) in files {
            let place = dir.join(OsStr::from_bytes(file.as_bytes()));
            let here = sys::handle(self.root, &inside(&place)?, NO_SYMLINKS | BENEATH)?;
            mount::attach(tree, here, c"")?;
        }
        Ok(())
    }

    fn devices(&self) -> io::Result<()> {
        sys::mkdirat(self.root, c"dev", 0o755)?;
        for name in [c"dev/pts", c"dev/shm"] {
            sys::mkdirat(self.root, name, 0o755)?;
        }
        for device in DEVICES {
            let path = Path::new(device);
            // A container may lack some; what is not there is not there inside either.
            let Ok(source) = sys::handle(CWD, &c_path(path)?, NO_SYMLINKS) else { continue };
            if !sys::fstat(&source)?.device {
                return Err(io::Error::other(format!("{device} is not a device")));
            }
            let tree = mount::clone_tree(&source)?;
            mount::set_attr(&tree, Attr::NO_SUID.and(Attr::NO_EXEC), true)?;
            self.attach(&tree, path, false)?;
        }
        let options = [(c"newinstance", c""), (c"ptmxmode", c"0666"), (c"mode", c"0620")];
        let attr = Attr::NO_SUID.and(Attr::NO_EXEC);
        mount::attach(mount::new_fs(c"devpts", &options.map(|(k, v)| (k, v)), attr)?, self.root, c"dev/pts")?;
        let shm = mount::clone_tree_at(self.base, c"shm")?;
        mount::set_attr(&shm, BASE.and(Attr::NO_EXEC), true)?;
        mount::attach(shm, self.root, c"dev/shm")?;
        let mut foreign = self.foreign.borrow_mut();
        foreign.extend(
            ["/dev/pts", "/dev/shm", "/dev/ptmx", "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr"]
                .map(Vec::from),
        );
        let links = [
            (c"pts/ptmx", c"dev/ptmx"),
            (c"/proc/self/fd", c"dev/fd"),
            (c"/proc/self/fd/0", c"dev/stdin"),
            (c"/proc/self/fd/1", c"dev/stdout"),
            (c"/proc/self/fd/2", c"dev/stderr"),
        ];
        links.iter().try_for_each(|(target, at)| sys::symlinkat(target, self.root, at))
    }

    fn proc(&self) -> io::Result<()> {
        sys::mkdirat(self.root, c"proc", 0o555)?;
        let attr = BASE.and(Attr::NO_EXEC).and(Attr::READ_ONLY);
        // Not `invisible`: that shows everything to group 0.
        let proc = mount::new_fs(c"proc", &[(c"hidepid", c"ptraceable")], attr)?;
        mount::attach(proc, self.root, c"proc")?;
        self.foreign.borrow_mut().insert(b"/proc".to_vec());
        for name in PROC_MASKED {
            match sys::handle(self.root, name, NO_SYMLINKS | BENEATH) {
                Ok(here) => self.mask(c"file", here)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Is it still the file the policy was resolved for?
fn same(at: &OwnedFd, id: Option<FileId>, dir: bool) -> io::Result<()> {
    let stat = sys::fstat(at)?;
    // A link: no path that a policy comes to ends in one. It may well have the number of the file that was removed for it.
    if stat.link || stat.dir != dir || id.is_some_and(|id| (id.dev, id.ino) != stat.id) {
        return Err(io::Error::other("it is another file than when the policy was read"));
    }
    Ok(())
}
