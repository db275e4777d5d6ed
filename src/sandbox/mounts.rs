//! The new root: what of the host's files exists inside, and how. `Mounts::of` computes the steps, `apply` carries them out in
//! a new mount namespace and makes the result the root. Nothing that is not named exists inside.

use super::plan::Refusal;
use super::probe::{Probe, command_dirs};
use crate::policy::path::{FileId, Kind};
use crate::policy::{DenyPath, Policy};
use crate::sort;
use crate::sys::fs::{self as sys, BENEATH, CWD, NO_SYMLINKS, c_path};
use crate::sys::mount::{self, Attr};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString, OsStr};
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// One thing that is done to the new root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A place of the host, at the same path.
    Bind {
        /// Where, without symlinks.
        path: PathBuf,
        /// Which file it was when the policy was resolved.
        id: Option<FileId>,
        /// A folder.
        dir: bool,
        /// How.
        attr: Attr,
    },
    /// A folder of the run's own, empty at the start and gone at the end.
    Private {
        /// Where it appears.
        path: PathBuf,
        /// How.
        attr: Attr,
    },
    /// A file of weft's own, in place of the host's.
    Own {
        /// Where.
        path: PathBuf,
        /// What it says.
        text: String,
    },
    /// A symlink of the host that leads to something visible.
    Link {
        /// Where.
        at: PathBuf,
        /// Its text.
        target: PathBuf,
    },
    /// A folder in which only these entries exist.
    Only {
        /// Which.
        dir: PathBuf,
        /// Commands of it.
        entries: Vec<PathBuf>,
    },
    /// A folder mounted on itself, so that it cannot be renamed away from what is masked below it.
    Pin(PathBuf),
    /// Covered by something empty that nobody may open.
    Mask {
        /// What.
        path: PathBuf,
        /// Which file it was when the policy was resolved.
        id: Option<FileId>,
        /// A folder.
        dir: bool,
        /// A placeholder: an empty folder that can be seen but not written.
        empty: bool,
    },
}

/// The whole new root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounts {
    /// In order.
    pub steps: Vec<Step>,
    /// Folders made on the host for the time of the run, so that a denied name that does not exist cannot come to be.
    pub placeholders: Vec<PathBuf>,
    /// Folders that are there and hold a denied or protected name: another run may have made them, and must not take them away
    /// while this one lasts.
    pub held: Vec<PathBuf>,
    /// Largest size of everything private together, in bytes.
    pub private_size: Option<u64>,
}

/// Shared libraries are mapped executable, so these stay so when `exec` is narrower than `read`; Landlock still keeps
/// programs in them from being started.
pub(super) const LIBRARIES: &[&str] =
    &["/usr/lib", "/usr/lib64", "/usr/lib32", "/usr/libx32", "/usr/local/lib", "/lib", "/lib64"];

/// Given to everyone: they hold no data of anybody.
pub const DEVICES: &[&str] =
    &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

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

const BASE: Attr = Attr::NO_SUID.and(Attr::NO_DEV);

impl Mounts {
    /// The root as it is.
    pub fn none() -> Self {
        Self { steps: Vec::new(), placeholders: Vec::new(), held: Vec::new(), private_size: None }
    }

    /// What the policy comes to on this machine.
    pub fn of(policy: &Policy, probe: &Probe) -> Result<Self, Refusal> {
        let files = &policy.filesystem;
        let mut places: BTreeMap<PathBuf, Step> = BTreeMap::new();
        for rule in files.read.iter().chain(files.write.iter()).chain(files.exec.iter()) {
            // These two are made fresh; a device that is named apart is the host's.
            let path = &rule.path;
            if path.starts_with("/proc")
                || path == Path::new("/dev")
                || DEVICES.iter().any(|d| path == Path::new(d))
            {
                continue;
            }
            let mut attr = attr_of(policy, path);
            if path.starts_with("/dev") && rule.kind == Kind::Other {
                attr = Attr(attr.0 & !Attr::NO_DEV.0);
            }
            let step = if rule.private {
                Step::Private { path: rule.path.clone(), attr }
            } else {
                Step::Bind { path: rule.path.clone(), id: rule.id, dir: rule.kind == Kind::Dir, attr }
            };
            places.entry(rule.path.clone()).or_insert(step);
        }
        if !files.exec_is_default || policy.process.allow.is_some() {
            for library in LIBRARIES.iter().filter_map(|path| fs::canonicalize(path).ok()) {
                if files.read.covering(&library).is_some() && library.is_dir() {
                    let attr = attr_of(policy, &library);
                    let step = Step::Bind { path: library.clone(), id: None, dir: true, attr };
                    places.entry(library).or_insert(step);
                }
            }
        }
        let tmp = &policy.places.tmpdir;
        if !places.contains_key(tmp) {
            let attr = BASE.and(Attr::NO_EXEC).and(Attr::READ_ONLY);
            places.insert(tmp.clone(), Step::Private { path: tmp.clone(), attr });
        }
        // What an outer place shows in the same way already needs no mount of its own.
        let shown = |path: &Path, step: &Step| {
            let outer = path.ancestors().skip(1).find_map(|above| places.get(above));
            match (outer, step) {
                (Some(Step::Bind { attr: a, .. }), Step::Bind { attr: b, .. }) => a == b,
                _ => false,
            }
        };
        let mut steps: Vec<Step> = links(policy, probe);
        steps.extend(places.iter().filter(|(path, step)| !shown(path, step)).map(|(_, step)| step.clone()));
        steps.extend(only(policy));
        let mut placeholders = Vec::new();
        let (pins, masks) = denied(policy, &mut placeholders)?;
        steps.extend(pins.into_iter().map(Step::Pin));
        steps.extend(masks);
        let private_size = policy.process.max_memory.as_ref().map(|set| set.value);
        Ok(Self { steps, placeholders, held: held(policy), private_size })
    }

    /// Puts files of weft's own in place of the host's.
    pub fn give(&mut self, files: impl IntoIterator<Item = (&'static str, String)>) {
        for (path, text) in files {
            let path = Path::new(path);
            self.steps
                .retain(|step| !matches!(step, Step::Bind { .. } | Step::Link { .. } if step.path() == path));
            // After the places, before what is pinned and masked in them.
            let at = self.steps.iter().position(|step| matches!(step, Step::Pin(_) | Step::Mask { .. }));
            let at = at.unwrap_or(self.steps.len());
            self.steps.insert(at, Step::Own { path: path.to_owned(), text });
        }
    }

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

impl Step {
    /// The path it is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::Bind { path, .. }
            | Self::Private { path, .. }
            | Self::Own { path, .. }
            | Self::Mask { path, .. } => path,
            Self::Link { at, .. } => at,
            Self::Only { dir, .. } => dir,
            Self::Pin(path) => path,
        }
    }
}

/// How a place is mounted.
fn attr_of(policy: &Policy, path: &Path) -> Attr {
    let files = &policy.filesystem;
    let mut attr = BASE;
    let writable = writable(policy, path);
    if !writable {
        attr = attr.and(Attr::READ_ONLY);
    }
    let library = || !writable && LIBRARIES.iter().any(|library| path.starts_with(library));
    let executable = policy.process.allow.is_none() && files.exec_rule(path).is_some();
    if executable || library() { attr } else { attr.and(Attr::NO_EXEC) }
}

/// Whether the path is writable: a place of the host below the private temporary folder is not writable because that is.
fn writable(policy: &Policy, path: &Path) -> bool {
    let files = &policy.filesystem;
    let Some(write) = files.write.covering(path) else { return false };
    let host = [&files.read, &files.exec].into_iter().filter_map(|rules| rules.covering(path));
    !(write.private && host.filter(|rule| !rule.private).any(|rule| rule.path.starts_with(&write.path)))
}

/// Whether anything at the path exists inside.
fn visible(policy: &Policy, path: &Path) -> bool {
    let files = &policy.filesystem;
    [&files.read, &files.write, &files.exec]
        .iter()
        .any(|rules| rules.covering(path).is_some_and(|r| !r.private))
}

/// Symlinks on the way to places that are visible: those directly below `/`, and those in the paths the policy names.
fn links(policy: &Policy, probe: &Probe) -> Vec<Step> {
    let files = &policy.filesystem;
    let mut found = BTreeMap::new();
    for (at, target) in &probe.root_links {
        if fs::canonicalize(at).is_ok_and(|real| visible(policy, &real)) {
            found.insert(at.clone(), target.clone());
        }
    }
    for rule in files.read.iter().chain(files.write.iter()).chain(files.exec.iter()) {
        if rule.written == rule.path || rule.private {
            continue;
        }
        let mut at = PathBuf::new();
        for part in rule.written.components() {
            at.push(part);
            // Further links behind this one are in folders that exist inside only if they are named.
            if let Ok(target) = fs::read_link(&at) {
                if !visible(policy, &at) {
                    found.insert(at, target);
                }
                break;
            }
        }
    }
    found.into_iter().map(|(at, target)| Step::Link { at, target }).collect()
}

/// With `process.allow`: the folders of commands show only what is allowed, because whatever can be read can be run through the loader.
pub(super) fn only(policy: &Policy) -> Vec<Step> {
    let Some(allow) = &policy.process.allow else { return Vec::new() };
    let dirs = command_dirs().into_iter().filter(|dir| {
        visible(policy, dir)
            && !writable(policy, dir)
            && !allow.iter().any(|rule| rule.paths.iter().any(|path| dir.starts_with(path)))
    });
    dirs.map(|dir| {
        let inside = |path: &&PathBuf| {
            path.parent().and_then(|parent| fs::canonicalize(parent).ok()).is_some_and(|parent| parent == dir)
        };
        let found = allow.iter().flat_map(|rule| &rule.paths).filter(inside);
        let names: BTreeSet<PathBuf> =
            found.filter_map(|path| path.file_name()).map(|name| dir.join(name)).collect();
        Step::Only { entries: names.into_iter().collect(), dir }
    })
    .collect()
}

/// Pins and masks for everything denied that would otherwise be visible.
fn denied(policy: &Policy, placeholders: &mut Vec<PathBuf>) -> Result<(Vec<PathBuf>, Vec<Step>), Refusal> {
    let files = &policy.filesystem;
    let tolerated = policy.sandbox.tolerates("filesystem.deny");
    if let Some(glob) = files.deny_globs.iter().find(|glob| glob.creatable.is_some() && !tolerated) {
        return Err(Refusal::new(
            glob.origin.clone(),
            format!("new names matching `{}` can be made inside a writable place", glob.glob.as_str()),
            "name the paths one by one, or list \"filesystem.deny\" in sandbox.best_effort",
        ));
    }
    let mut pins = BTreeSet::new();
    let mut masks: BTreeMap<PathBuf, Step> = BTreeMap::new();
    for deny in &files.deny {
        if deny.creatable.is_some() {
            pins.extend(between(policy, deny));
        }
        if deny.kind.is_none() {
            if deny.creatable.is_some() {
                placeholder(policy, deny, placeholders, &mut masks);
            }
        } else if visible(policy, &deny.path) {
            let step = Step::Mask {
                path: deny.path.clone(),
                id: deny.id,
                dir: deny.kind == Some(Kind::Dir),
                empty: false,
            };
            masks.insert(deny.path.clone(), step);
        }
    }
    for kept in &files.protected {
        if kept.creatable.is_none() {
            continue;
        }
        pins.extend(between(policy, kept));
        match kept.kind {
            None => placeholder(policy, kept, placeholders, &mut masks),
            // Readable as before, but a mount of its own that cannot be written.
            Some(kind) => {
                let attr = attr_of(policy, &kept.path).and(Attr::READ_ONLY);
                let step = Step::Bind { path: kept.path.clone(), id: kept.id, dir: kind == Kind::Dir, attr };
                masks.entry(kept.path.clone()).or_insert(step);
            }
        }
    }
    for path in commands(policy) {
        masks.entry(path.clone()).or_insert(Step::Mask { path, id: None, dir: false, empty: false });
    }
    // Below something masked there is nothing left to mask.
    let covered: Vec<PathBuf> = masks
        .keys()
        .filter(|path| {
            path.ancestors().skip(1).any(|above| matches!(masks.get(above), Some(Step::Mask { .. })))
        })
        .cloned()
        .collect();
    for path in covered {
        masks.remove(&path);
    }
    let pins = pins
        .into_iter()
        .filter(|pin| !pin.ancestors().any(|at| matches!(masks.get(at), Some(Step::Mask { .. }))))
        .collect();
    Ok((pins, masks.into_values().collect()))
}

/// The folders between the writable place and what is denied in it.
fn between(policy: &Policy, deny: &DenyPath) -> Vec<PathBuf> {
    let Some(write) = policy.filesystem.write.covering(&deny.path) else { return Vec::new() };
    let above = deny.path.ancestors().skip(1);
    above
        .take_while(|path| path.starts_with(&write.path) && *path != write.path)
        .map(Path::to_owned)
        .collect()
}

/// The folders that stand for a denied or protected name in a writable place, with those above them, outermost first.
fn held(policy: &Policy) -> Vec<PathBuf> {
    let files = &policy.filesystem;
    let names = files.deny.iter().chain(&files.protected).filter(|deny| deny.creatable.is_some());
    let mut held: Vec<PathBuf> = names
        .filter(|deny| deny.kind != Some(Kind::File))
        .flat_map(|deny| {
            let itself = (deny.kind == Some(Kind::Dir)).then(|| deny.path.clone());
            between(policy, deny).into_iter().chain(itself)
        })
        .filter(|path| path.is_dir())
        .collect();
    sort::plain(&mut held);
    held.dedup();
    held
}

/// A denied name that does not exist: the missing folders are made on the host for the run, the last one is masked.
fn placeholder(
    policy: &Policy,
    deny: &DenyPath,
    made: &mut Vec<PathBuf>,
    masks: &mut BTreeMap<PathBuf, Step>,
) {
    if policy.filesystem.write.covering(&deny.path).is_none_or(|rule| rule.private) {
        return;
    }
    // A file where a folder would have to be, as `.git` is in a work tree of git: it stays that file.
    let there = deny.path.ancestors().find_map(|path| Some((path, fs::symlink_metadata(path).ok()?)));
    if let Some((file, meta)) = there.filter(|(_, meta)| !meta.is_dir()) {
        let id = Some(FileId { dev: meta.dev(), ino: meta.ino() });
        let attr = attr_of(policy, file).and(Attr::READ_ONLY);
        let step = Step::Bind { path: file.to_owned(), id, dir: false, attr };
        masks.entry(file.to_owned()).or_insert(step);
        return;
    }
    let missing: Vec<&Path> =
        deny.path.ancestors().take_while(|path| fs::symlink_metadata(path).is_err()).collect();
    made.extend(missing.into_iter().rev().map(Path::to_owned));
    made.dedup();
    masks.insert(deny.path.clone(), Step::Mask { path: deny.path.clone(), id: None, dir: true, empty: true });
}

/// Files of commands that may not be run, under every name.
pub(super) fn commands(policy: &Policy) -> BTreeSet<PathBuf> {
    let process = &policy.process;
    let shells = (!process.shell).then_some(&process.shells).into_iter().flatten();
    let named = process.deny.iter().flat_map(|rule| &rule.paths).chain(shells);
    let real: BTreeSet<PathBuf> = named.filter_map(|path| fs::canonicalize(path).ok()).collect();
    let mut all = BTreeSet::new();
    for path in real.into_iter().filter(|path| visible(policy, path)) {
        let Ok(meta) = fs::metadata(&path) else { continue };
        if meta.nlink() > 1 && meta.is_file() {
            let around = path.parent().and_then(|dir| fs::read_dir(dir).ok()).into_iter().flatten().flatten();
            let twins = around.filter(|entry| {
                entry.metadata().is_ok_and(|other| (other.dev(), other.ino()) == (meta.dev(), meta.ino()))
            });
            all.extend(twins.map(|entry| entry.path()));
        }
        all.insert(path);
    }
    // What process.allow leaves out of a folder is not there to be masked.
    if let Some(allow) = &process.allow {
        all.retain(|path| {
            allow.iter().any(|rule| rule.paths.iter().any(|allowed| path.starts_with(allowed)))
        });
    }
    all
}

/// The new root while it is being built.
struct Build<'a> {
    base: BorrowedFd<'a>,
    root: BorrowedFd<'a>,
    made: std::cell::Cell<u32>,
    /// Private folders and what they are to be in the end.
    late: std::cell::RefCell<Vec<(OwnedFd, Attr)>>,
    /// Folders of the new root itself that were made already.
    folders: std::cell::RefCell<BTreeSet<PathBuf>>,
    /// Places where something else than the new root itself begins: what was attached, and links.
    foreign: std::cell::RefCell<BTreeSet<PathBuf>>,
}

/// The path as seen from the new root's descriptor.
fn inside(path: &Path) -> io::Result<CString> {
    let relative = path.strip_prefix("/").unwrap_or(path);
    c_path(if relative.as_os_str().is_empty() { Path::new(".") } else { relative })
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
                self.foreign.borrow_mut().insert(at.clone());
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
                self.foreign.borrow_mut().insert(path.to_owned());
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
            !path.ancestors().any(|above| foreign.contains(above))
        };
        if own {
            // Every name on the way is weft's own and no link, so that the kernel may look the path up again.
            self.make(path, dir)?;
            mount::attach(tree, self.root, &inside(path)?)?;
        } else {
            mount::attach(tree, self.target(path, dir)?, c"")?;
        }
        self.foreign.borrow_mut().insert(path.to_owned());
        Ok(())
    }

    /// Makes a name in the new root itself, and the folders above it.
    fn make(&self, path: &Path, dir: bool) -> io::Result<()> {
        let mut folders = self.folders.borrow_mut();
        let last = if dir { Some(path) } else { path.parent() };
        let missing: Vec<&Path> = last
            .into_iter()
            .flat_map(Path::ancestors)
            .take_while(|at| at.parent().is_some() && !folders.contains(*at))
            .collect();
        for folder in missing.into_iter().rev() {
            sys::mkdirat(self.root, &inside(folder)?, 0o755)?;
            folders.insert(folder.to_owned());
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
                .map(PathBuf::from),
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
        self.foreign.borrow_mut().insert("/proc".into());
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
