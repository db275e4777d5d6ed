//! The new root: what of the host's files exists inside, and how. `Mounts::of` computes the steps; `root` carries them
//! out. Nothing that is not named exists inside.

use super::plan::Refusal;
use super::probe::{Probe, command_dirs};
use crate::policy::find::{Finder, Found};
use crate::policy::path::{FileId, Kind, bytes, lineage, within};
use crate::policy::{DenyPath, Policy};
use crate::sort;
use crate::sys::mount::Attr;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
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

/// What every mount inside has.
pub(super) const BASE: Attr = Attr::NO_SUID.and(Attr::NO_DEV);

impl Mounts {
    /// The root as it is.
    pub fn none() -> Self {
        Self { steps: Vec::new(), placeholders: Vec::new(), held: Vec::new(), private_size: None }
    }

    /// What the policy comes to on this machine.
    pub fn of(policy: &Policy, probe: &Probe) -> Result<Self, Refusal> {
        let files = &policy.filesystem;
        let finder = &mut Finder::default();
        let mut places: BTreeMap<Vec<u8>, Step> = BTreeMap::new();
        for rule in files.read.iter().chain(files.write.iter()).chain(files.exec.iter()) {
            // These two are made fresh; a device that is named apart is the host's.
            let path = &rule.path;
            if within(path, Path::new("/proc"))
                || bytes(path) == b"/dev"
                || DEVICES.iter().any(|d| bytes(path) == d.as_bytes())
            {
                continue;
            }
            let mut attr = attr_of(policy, path);
            if rule.kind == Kind::Other && within(path, Path::new("/dev")) {
                attr = Attr(attr.0 & !Attr::NO_DEV.0);
            }
            let step = if rule.private {
                Step::Private { path: rule.path.clone(), attr }
            } else {
                Step::Bind { path: rule.path.clone(), id: rule.id, dir: rule.kind == Kind::Dir, attr }
            };
            places.entry(bytes(path).to_vec()).or_insert(step);
        }
        if !files.exec_is_default || policy.process.allow.is_some() {
            for library in LIBRARIES {
                let Found::There { path: library, kind: Kind::Dir, .. } = finder.look(Path::new(library))
                else {
                    continue;
                };
                if files.read.covering(&library).is_some() {
                    let attr = attr_of(policy, &library);
                    let step = Step::Bind { path: library.clone(), id: None, dir: true, attr };
                    places.entry(bytes(&library).to_vec()).or_insert(step);
                }
            }
        }
        for (path, kind, id) in started_elsewhere(policy, finder) {
            let attr = attr_of(policy, &path);
            let step = Step::Bind { path: path.clone(), id, dir: kind == Kind::Dir, attr };
            places.entry(bytes(&path).to_vec()).or_insert(step);
        }
        let tmp = &policy.places.tmpdir;
        if !places.contains_key(bytes(tmp)) {
            let attr = BASE.and(Attr::NO_EXEC).and(Attr::READ_ONLY);
            places.insert(bytes(tmp).to_vec(), Step::Private { path: tmp.clone(), attr });
        }
        // What an outer place shows in the same way already needs no mount of its own.
        let shown = |step: &Step| {
            let outer = lineage(step.path()).skip(1).find_map(|above| places.get(above));
            match (outer, step) {
                (Some(Step::Bind { attr: a, .. }), Step::Bind { attr: b, .. }) => a == b,
                _ => false,
            }
        };
        let mut steps: Vec<Step> = links(policy, probe, finder);
        steps.extend(places.values().filter(|step| !shown(step)).cloned());
        steps.extend(only(policy, finder));
        let mut placeholders = Vec::new();
        let (pins, masks) = denied(policy, &mut placeholders, finder)?;
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
}

impl Mounts {
    /// Whether a folder below the root is one that weft makes to hold what is named, and that holds nothing else. Never where
    /// the root is the host's.
    pub fn made(&self, folder: &Path) -> bool {
        let place = |step: &&Step| {
            matches!(step, Step::Bind { .. } | Step::Private { .. } | Step::Only { .. } | Step::Own { .. })
        };
        folder.parent().is_some()
            && self.steps.iter().any(|step| within(step.path(), folder))
            && !self.steps.iter().filter(place).any(|step| within(folder, step.path()))
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
    let library = || !writable && LIBRARIES.iter().any(|library| within(path, Path::new(library)));
    let named = match &policy.process.allow {
        None => true,
        Some(allow) => allow.iter().any(|rule| rule.paths.iter().any(|named| path.starts_with(named))),
    };
    let executable = named && files.exec_rule(path).is_some();
    if executable || library() { attr } else { attr.and(Attr::NO_EXEC) }
}

/// With `process.allow`: commands that it names by path, outside the folders of commands, which get a mount that can be executed
/// from.
fn started_elsewhere(policy: &Policy, finder: &mut Finder) -> Vec<(PathBuf, Kind, Option<FileId>)> {
    let Some(allow) = &policy.process.allow else { return Vec::new() };
    let dirs = command_dirs(finder);
    let named = allow.iter().flat_map(|rule| &rule.paths).filter(|path| {
        let among = path.parent().is_some_and(|parent| dirs.iter().any(|dir| dir == parent));
        !among && visible(policy, path) && policy.filesystem.exec_rule(path).is_some()
    });
    let found = named.filter_map(|path| {
        let meta = fs::symlink_metadata(path).ok()?;
        // Behind a link is another of the paths.
        let kind = if meta.is_dir() { Kind::Dir } else { Kind::File };
        let real = finder.existing(path).is_ok_and(|real| real == *path);
        (real && !meta.is_symlink())
            .then(|| (path.clone(), kind, Some(FileId { dev: meta.dev(), ino: meta.ino() })))
    });
    found.collect()
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
fn links(policy: &Policy, probe: &Probe, finder: &mut Finder) -> Vec<Step> {
    let files = &policy.filesystem;
    let mut found = BTreeMap::new();
    for (at, target) in &probe.root_links {
        if finder.existing(at).is_ok_and(|real| visible(policy, &real)) {
            found.insert(at.clone(), target.clone());
        }
    }
    let mut seen = BTreeSet::new();
    for rule in files.read.iter().chain(files.write.iter()).chain(files.exec.iter()) {
        if bytes(&rule.written) == bytes(&rule.path) || rule.private {
            continue;
        }
        let mut at = PathBuf::from("/");
        if !seen.insert(bytes(&rule.written)) {
            continue;
        }
        for part in rule.written.components().skip(1) {
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
pub(super) fn only(policy: &Policy, finder: &mut Finder) -> Vec<Step> {
    let Some(allow) = &policy.process.allow else { return Vec::new() };
    let dirs = command_dirs(finder).into_iter().filter(|dir| {
        visible(policy, dir)
            && !writable(policy, dir)
            && !allow.iter().any(|rule| rule.paths.iter().any(|path| dir.starts_with(path)))
    });
    dirs.map(|dir| {
        let inside = |path: &&PathBuf| {
            path.parent().and_then(|parent| finder.existing(parent).ok()).is_some_and(|parent| parent == dir)
        };
        let found = allow.iter().flat_map(|rule| &rule.paths).filter(inside);
        let names: BTreeSet<PathBuf> =
            found.filter_map(|path| path.file_name()).map(|name| dir.join(name)).collect();
        Step::Only { entries: names.into_iter().collect(), dir }
    })
    .collect()
}

/// Pins and masks for everything denied that would otherwise be visible.
fn denied(
    policy: &Policy,
    placeholders: &mut Vec<PathBuf>,
    finder: &mut Finder,
) -> Result<(Vec<PathBuf>, Vec<Step>), Refusal> {
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
    for path in commands(policy, finder) {
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
pub(super) fn commands(policy: &Policy, finder: &mut Finder) -> BTreeSet<PathBuf> {
    let process = &policy.process;
    let shells = (!process.shell).then_some(&process.shells).into_iter().flatten();
    let named = process.deny.iter().flat_map(|rule| &rule.paths).chain(shells);
    let real: BTreeSet<PathBuf> = named.filter_map(|path| finder.existing(path).ok()).collect();
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
