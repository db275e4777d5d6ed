//! A workspace's skills on disk: staged beside their place, put there in one step, noted in both locks; after a kill at
//! any step the next command finishes or undoes. Whether a skill may come in is `install`'s.

use super::collect::{self, RECORDS, Rule, is_skill_file};
use super::durable::{Syncing, Unsynced};
use super::journal::{self, Journal};
use super::manifest::{Manifest, ManifestError};
use super::record::{ClawLock, HubLock, Record, origin_text};
use super::tree::{self, FileHash};
use super::unpack::{Limits, UnpackError, unpack};
use super::{Problem, fault};
use crate::digest::Sha256;
use crate::files::{sync_folder, write_atomic};
use crate::scan::names;
use crate::sys::fs::{EXCHANGE, NO_REPLACE, renameat2};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Folders that hold a skill that is not in its place yet, or not any more.
const STAGE: &str = ".weft-stage-";
/// A lock file larger than this is not ours.
const LARGEST: u64 = 64 << 20;

/// A folder with skills in it.
#[derive(Clone, Debug)]
pub struct Workspace {
    root: PathBuf,
    skills: PathBuf,
}

impl Workspace {
    /// The workspace at `root`, its skills in `folder` (usually `skills`) below it. The root must exist.
    pub fn open(root: &Path, folder: &Path) -> Result<Workspace, Problem> {
        let root = root.canonicalize().map_err(|error| Problem::file("no such workspace", root, &error))?;
        if !root.is_dir() {
            return Err(Problem::new("the workspace is not a folder", shown(&root), ""));
        }
        let skills = root.join(folder);
        // A workspace may come from somebody else; where it leads out, the user has to say so.
        let outside = skills.canonicalize().is_ok_and(|real| !real.starts_with(&root));
        if outside && folder.is_relative() {
            let fix = "name the folder itself: --dir, with its path in full";
            return Err(Problem::denied(
                "the folder of the skills leads out of the workspace",
                shown(&skills),
                fix,
            ));
        }
        Ok(Workspace { root, skills })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the skill of this key (`slug` or `@owner/slug`) is, or would be.
    pub fn target(&self, key: &str) -> PathBuf {
        self.skills.join(key)
    }

    /// `.clawhub/lock.json`, or that of the CLI's former name.
    pub fn claw_lock(&self) -> Result<ClawLock, Problem> {
        for path in [self.claw_path(), self.root.join(".clawdhub/lock.json")] {
            if let Some(text) = read_text(&path)? {
                return ClawLock::parse(&text, &path);
            }
        }
        Ok(ClawLock::empty())
    }

    /// `.weft/hub.lock`.
    pub fn hub_lock(&self) -> Result<HubLock, Problem> {
        let path = self.hub_path();
        read_text(&path)?.map_or_else(|| Ok(HubLock::default()), |text| HubLock::parse(&text, &path))
    }

    /// The folder a skill is put into. An owner's folder that is a link is not followed.
    fn parent_of<'p>(&'p self, target: &'p Path) -> Result<&'p Path, Problem> {
        let parent = target.parent().unwrap_or(&self.skills);
        let is_link = |path: &Path| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink());
        let between = parent.ancestors().take_while(|path| *path != self.skills);
        match between.take(16).find(|path| is_link(path)) {
            Some(link) => Err(Problem::denied("a link, not followed", shown(link), "remove it")),
            None => Ok(parent),
        }
    }

    fn claw_path(&self) -> PathBuf {
        self.root.join(".clawhub/lock.json")
    }

    fn hub_path(&self) -> PathBuf {
        self.root.join(".weft/hub.lock")
    }

    fn listing_path(&self, hash: &Sha256) -> PathBuf {
        self.root.join(".weft/trees").join(hash.to_string())
    }

    /// Takes the workspace for this command alone, and cleans up after one that was killed.
    pub fn lock(&self) -> Result<Locked<'_>, Problem> {
        let folder = self.root.join(".weft");
        let failed = |error: io::Error| Problem::file("cannot write", &folder, &error);
        let path = folder.join("lock");
        let open = || -> io::Result<File> {
            fs::create_dir_all(&folder)?;
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
            file.lock()?;
            // One that was taken away while we waited for it keeps nobody else out.
            let now = fs::metadata(&path)?;
            if file.metadata()?.ino() == now.ino() { Ok(file) } else { Err(io::ErrorKind::NotFound.into()) }
        };
        // Another command may be taking the folder away: each time it does, it is done.
        let mut file = open();
        for _ in 0..1000 {
            match &file {
                Err(error) if error.kind() == io::ErrorKind::NotFound => file = open(),
                _ => break,
            }
        }
        let file = file.map_err(failed)?;
        let ignore = folder.join(".gitignore");
        if !self.hub_path().exists() && !ignore.exists() {
            // hub.lock is to be committed, the rest is of this machine.
            fs::write(ignore, "lock\ntrees/\n").map_err(failed)?;
        }
        let locked = Locked { workspace: self, _file: file };
        locked.recover()?;
        Ok(locked)
    }

    /// Compares the folder of a skill with what was installed there.
    pub fn drift(&self, key: &str, installed: &Sha256) -> Result<Drift, Problem> {
        let target = self.target(key);
        match fs::symlink_metadata(&target) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Err(Problem::denied("not a folder", shown(&target), "remove it")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Drift::Gone),
            Err(error) => return Err(Problem::file("cannot read", &target, &error)),
        }
        let here = collect::hashes(&target, Rule::Installed)?;
        if tree::content_hash(&here).is_ok_and(|hash| hash == *installed) {
            return Ok(Drift::None);
        }
        // One that cannot be read is as good as none.
        let listing = read_text(&self.listing_path(installed)).unwrap_or_default();
        let then = listing
            .filter(|text| Sha256::of(text.as_bytes()) == *installed)
            .and_then(|text| tree::parse_listing(&text));
        Ok(then.map_or(Drift::Unknown, |then| Drift::of(&then, &here)))
    }
}

/// How a skill on disk differs from what was installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drift {
    None,
    /// Its folder is not there.
    Gone,
    /// It differs; in what is not known, because the list of its files is gone.
    Unknown,
    Files {
        changed: Vec<String>,
        missing: Vec<String>,
        added: Vec<String>,
    },
}

impl Drift {
    fn of(then: &[FileHash], here: &[FileHash]) -> Drift {
        let paths = |files: &[FileHash]| -> BTreeSet<String> {
            files.iter().map(|file| file.path.to_string()).collect()
        };
        let (old, new) = (paths(then), paths(here));
        let changed = here.iter().filter(|file| then.iter().any(|old| old.path == file.path && old != *file));
        Drift::Files {
            changed: changed.map(|file| file.path.to_string()).collect(),
            missing: old.difference(&new).cloned().collect(),
            added: new.difference(&old).cloned().collect(),
        }
    }

    /// In a few words, for an error.
    pub fn summary(&self) -> String {
        match self {
            Drift::None => "as installed".to_owned(),
            Drift::Gone => "its folder is gone".to_owned(),
            Drift::Unknown => "its files are not those that were installed".to_owned(),
            Drift::Files { changed, missing, added } => {
                let lists = [("changed", changed), ("missing", missing), ("added", added)];
                let one = |(word, list): (&str, &Vec<String>)| {
                    let first = list.first()?;
                    let more =
                        if list.len() > 1 { format!(" and {} more", list.len() - 1) } else { String::new() };
                    Some(format!("{word}: {first}{more}"))
                };
                lists.into_iter().filter_map(one).collect::<Vec<_>>().join("; ")
            }
        }
    }
}

/// A skill whose files are all on disk, in a folder beside the skills. Dropped, it is gone.
#[derive(Debug)]
pub struct Staged {
    stage: PathBuf,
    /// The folder with the files, named as it will be.
    pub folder: PathBuf,
    pub files: Vec<FileHash>,
    pub content_hash: Sha256,
    /// The text that the hash is of.
    listing: String,
    /// What SKILL.md says; an error where its frontmatter cannot be read.
    pub manifest: Result<Manifest, ManifestError>,
    /// Its files are on their way to the disk.
    syncing: RefCell<Syncing>,
    /// Tells other commands that this stage is in use.
    _lock: File,
    /// Its journal is for the next command to finish.
    keep: Cell<bool>,
    /// It is in its place.
    placed: Cell<bool>,
    made: Option<Made>,
}

/// Folders that were made for a stage: they go with it, unless something came into them.
#[derive(Debug)]
struct Made {
    workspace: Workspace,
    /// Of the skills and of the locks, the deepest first.
    folders: Vec<PathBuf>,
    /// There was no `.weft`.
    weft: bool,
}

impl Made {
    /// What is not there yet.
    fn before(workspace: &Workspace) -> Made {
        let missing = |path: &&Path| fs::symlink_metadata(path).is_err();
        let skills = workspace.skills.ancestors().take_while(missing);
        let claw = workspace.root.join(".clawhub");
        let folders =
            skills.chain([claw.as_path()].into_iter().filter(missing)).map(Path::to_owned).collect();
        let weft = missing(&workspace.root.join(".weft").as_path());
        Made { workspace: workspace.clone(), folders, weft }
    }

    /// What remains of it is harmless: nothing was installed.
    fn give_back(&self) -> Result<(), Problem> {
        if self.folders.is_empty() && !self.weft {
            return Ok(());
        }
        // Under the lock: another command may just be making its stage.
        let locked = self.workspace.lock()?;
        for folder in &self.folders {
            // Fails where another command put something there.
            let _ = fs::remove_dir(folder);
        }
        if self.weft { locked.forget() } else { Ok(()) }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Nothing is taken away under the thread that looks through it.
        let _ = self.syncing.get_mut().wait();
        if !self.keep.get() {
            // What remains, the next command removes.
            let _ = finish(&self.stage);
            if !self.placed.get() {
                let _ = self.made.as_ref().map(Made::give_back);
            }
        }
    }
}

impl Staged {
    /// The fingerprint that the real CLI computes of the extracted files. Packages have no hidden files, so no ignore
    /// files either.
    pub fn fingerprint(&self) -> Sha256 {
        let counts = |file: &&FileHash| {
            let mut segments: Vec<&str> = file.path.segments().collect();
            segments.pop();
            !segments.contains(&"node_modules")
        };
        let files: Vec<FileHash> = self.files.iter().filter(counts).cloned().collect();
        tree::fingerprint(&files)
    }
}

/// The workspace while no other command may change it.
#[derive(Debug)]
pub struct Locked<'a> {
    workspace: &'a Workspace,
    _file: File,
}

impl Workspace {
    /// Unpacks a package into a new stage for the skill of this key. `leave_out` are paths at the top that a registry
    /// adds and that are no part of the skill. Any fault of the package is a refusal, and leaves nothing.
    pub fn stage(&self, key: &str, zip: &[u8], leave_out: &[&str]) -> Result<Staged, Problem> {
        let made = Made::before(self);
        let mut staged = {
            // Under the lock: until the stage has its own, another command would take it for a dead one's.
            let _locked = self.lock()?;
            self.new_stage(key)?
        };
        staged.made = Some(made);
        let folder = staged.folder.clone();
        let mut skill_file: Option<Vec<u8>> = None;
        let result = unpack(zip, &Limits::default(), &mut |path, bytes| {
            if leave_out.contains(&path.as_str()) {
                return Ok(());
            }
            if is_skill_file(path.as_str()) && (skill_file.is_none() || path.as_str() == "SKILL.md") {
                skill_file = Some(bytes.to_vec());
            }
            write_new(&folder.join(path.as_str()), bytes)
        });
        let mut files = result.map_err(|error| match error {
            UnpackError::Refused(refusal) => {
                Problem::denied(format!("the package is refused: {refusal}"), key, "nothing was installed")
            }
            UnpackError::Sink(error) => Problem::file("cannot write", &staged.stage, &error),
        })?;
        files.retain(|file| !leave_out.contains(&file.path.as_str()));
        let Some(text) = skill_file else {
            return Err(Problem::denied("the package has no SKILL.md", key, "nothing was installed"));
        };
        let text = String::from_utf8_lossy(&text);
        staged.manifest = Manifest::parse(&text);
        let listing = tree::listing(&files)
            .map_err(|collision| Problem::denied(collision.to_string(), key, "nothing was installed"))?;
        staged.content_hash = Sha256::of(listing.as_bytes());
        staged.files = files;
        let failed = |error: io::Error| Problem::file("cannot write", &staged.stage, &error);
        for path in staged.manifest.iter().flat_map(|manifest| &manifest.exec) {
            if staged.files.iter().any(|file| file.path == *path) {
                let path = folder.join(path.as_str());
                let mode = fs::metadata(&path).map_err(failed)?.permissions().mode();
                // Whoever may read may execute.
                fs::set_permissions(&path, fs::Permissions::from_mode(mode | (mode & 0o444) >> 2))
                    .map_err(failed)?;
            }
        }
        // While the files are scanned. Before anything moves it is waited for.
        staged.syncing = RefCell::new(Syncing::tree(&folder).map_err(failed)?);
        staged.listing = listing;
        fault::step("staged");
        Ok(staged)
    }

    fn new_stage(&self, key: &str) -> Result<Staged, Problem> {
        let failed = |error: io::Error| Problem::file("cannot write", &self.skills, &error);
        fs::create_dir_all(&self.skills).map_err(failed)?;
        for attempt in 0..1000u32 {
            let stage = self.skills.join(format!("{STAGE}{}-{attempt}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&stage) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(failed(error)),
            }
            let made = File::open(&stage).and_then(|lock| {
                lock.lock()?;
                let folder = stage.join(key.rsplit('/').next().unwrap_or(key));
                fs::create_dir(&folder)?;
                Ok((lock, folder))
            });
            let (lock, folder) = made.map_err(|error| {
                let _ = fs::remove_dir_all(&stage);
                failed(error)
            })?;
            return Ok(Staged {
                stage,
                folder,
                files: Vec::new(),
                content_hash: Sha256::of(b""),
                listing: String::new(),
                manifest: Ok(Manifest::default()),
                syncing: RefCell::new(Syncing::nothing()),
                _lock: lock,
                keep: Cell::new(false),
                placed: Cell::new(false),
                made: None,
            });
        }
        Err(failed(io::ErrorKind::AlreadyExists.into()))
    }
}

impl Locked<'_> {
    /// Puts a staged skill into its place and notes it. What is there is replaced: whether it may be is decided before.
    pub fn commit(&self, staged: &Staged, record: &Record) -> Result<(), Problem> {
        let workspace = self.workspace;
        let target = workspace.target(&record.key);
        // Both must be readable before anything moves.
        let locks = (workspace.claw_lock()?, workspace.hub_lock()?);
        let failed = |error: io::Error| Problem::file("cannot install", &target, &error);
        let old = match fs::symlink_metadata(&target) {
            Ok(meta) if meta.is_dir() => true,
            Ok(_) => {
                return Err(Problem::denied("not a folder, so not replaced", shown(&target), "remove it"));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(failed(error)),
        };
        let parent = workspace.parent_of(&target)?;
        let owner_is_new = fs::symlink_metadata(parent).is_err();
        fs::create_dir_all(parent).map_err(failed)?;
        let committed = self.move_in(staged, record, locks, (&target, old, parent));
        if committed.is_err() && owner_is_new {
            let _ = fs::remove_dir(parent);
        }
        committed
    }

    fn move_in(
        &self,
        staged: &Staged,
        record: &Record,
        locks: (ClawLock, HubLock),
        (target, old, parent): (&Path, bool, &Path),
    ) -> Result<(), Problem> {
        let workspace = self.workspace;
        let failed = |error: io::Error| Problem::file("cannot install", target, &error);
        let mut unsynced = Unsynced::default();
        unsynced.folder(&staged.folder);
        unsynced.folder(&workspace.root);
        let origin = staged.folder.join(RECORDS).join("origin.json");
        let origin = Waiting::write(&origin, &origin_text(record), &mut unsynced)?;
        origin.place().map_err(failed)?;
        let id = id_of(&staged.folder).map_err(failed)?;
        let journal = Journal { install: true, id, record: record.clone() };
        let files = self.prepare(locks, &journal, &mut unsynced)?;
        // Named by what is in it: it is the same whoever writes it.
        let path = workspace.listing_path(&staged.content_hash);
        if read_text(&path).ok().flatten().as_deref() != Some(&staged.listing) {
            Waiting::write(&path, staged.listing.as_bytes(), &mut unsynced)?.place().map_err(failed)?;
        }
        staged.syncing.borrow_mut().wait().map_err(failed)?;
        announce(staged, &journal, unsynced)?;
        if old {
            exchange(&staged.stage, &staged.folder, target).map_err(failed)?;
        } else {
            renameat2(&staged.folder, target, NO_REPLACE).map_err(failed)?;
        }
        fault::step("moved");
        let undo = || match old {
            true => exchange(&staged.stage, &staged.folder, target),
            false => renameat2(target, &staged.folder, NO_REPLACE),
        };
        self.note(staged, files, parent, &undo)
    }

    /// Takes a skill away: out of its place in one step, then out of the locks.
    pub fn remove(&self, record: &Record) -> Result<(), Problem> {
        let workspace = self.workspace;
        let locks = (workspace.claw_lock()?, workspace.hub_lock()?);
        let target = workspace.target(&record.key);
        let failed = |error: io::Error| Problem::file("cannot remove", &target, &error);
        let id = match fs::symlink_metadata(&target) {
            Ok(meta) if meta.is_dir() => Some((meta.dev(), meta.ino())),
            Ok(_) => {
                return Err(Problem::denied(
                    "not a folder, so not removed",
                    shown(&target),
                    "remove it by hand",
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        let parent = workspace.parent_of(&target)?;
        let staged = workspace.new_stage(&record.key)?;
        let journal = Journal { install: false, id: id.unwrap_or_default(), record: record.clone() };
        let mut unsynced = Unsynced::default();
        let files = self.prepare(locks, &journal, &mut unsynced)?;
        if id.is_none() {
            unsynced.sync()?;
            return self.note(&staged, files, &workspace.skills, &|| Ok(()));
        }
        announce(&staged, &journal, unsynced)?;
        // Onto the empty folder of the stage.
        fs::rename(&target, &staged.folder).map_err(failed)?;
        fault::step("moved");
        self.note(&staged, files, parent, &|| renameat2(&staged.folder, &target, NO_REPLACE))
    }

    /// Pins or unpins an entry of the real CLI's lock, which it obeys too. False if there is none.
    pub fn pin(&self, key: &str, pinned: bool, reason: Option<&str>) -> Result<bool, Problem> {
        let mut lock = self.workspace.claw_lock()?;
        let found = lock.pin(key, pinned, reason);
        if found {
            write_synced(&self.workspace.claw_path(), &lock.text())?;
        }
        Ok(found)
    }

    /// Writes both locks as they will be beside themselves: what can fail for want of room fails here.
    fn prepare(
        &self,
        locks: (ClawLock, HubLock),
        journal: &Journal,
        unsynced: &mut Unsynced,
    ) -> Result<[Waiting; 2], Problem> {
        let (mut claw, mut hub) = locks;
        if journal.install {
            claw.put(&journal.record);
            hub.put(&journal.record);
        } else {
            claw.remove(&journal.record.key);
            hub.remove(&journal.record.key);
        }
        let claw = Waiting::write(&self.workspace.claw_path(), &claw.text(), unsynced)?;
        let hub = Waiting::write(&self.workspace.hub_path(), &hub.text(), unsynced)?;
        Ok([claw, hub])
    }

    /// After the folder moved: puts the locks in place, or the folder back.
    fn note(
        &self,
        staged: &Staged,
        files: [Waiting; 2],
        parent: &Path,
        undo: &dyn Fn() -> io::Result<()>,
    ) -> Result<(), Problem> {
        let [claw, hub] = files;
        if let Err(error) = claw.place() {
            // If it does not go back, the next command goes on from the journal.
            staged.keep.set(undo().is_err());
            return Err(Problem::file("cannot write", &claw.path, &error));
        }
        fault::step("claw lock");
        // From here on it is the journal that knows, until all of it is on the disk.
        staged.keep.set(true);
        hub.place().map_err(|error| Problem::file("cannot write", &hub.path, &error))?;
        fault::step("hub lock");
        let mut moved = Unsynced::default();
        for folder in [Some(parent), Some(&self.workspace.skills), claw.path.parent(), hub.path.parent()] {
            folder.into_iter().for_each(|folder| moved.folder(folder));
        }
        moved.sync()?;
        staged.keep.set(false);
        staged.placed.set(true);
        Ok(())
    }

    /// Takes `.weft` away if there is nothing in it that anybody would miss.
    fn forget(self) -> Result<(), Problem> {
        let folder = self.workspace.root.join(".weft");
        let failed = |error: io::Error| Problem::file("cannot clean up", &folder, &error);
        let _ = fs::remove_dir(folder.join("trees"));
        for entry in fs::read_dir(&folder).map_err(failed)? {
            if !["lock", ".gitignore"].contains(&entry.map_err(failed)?.file_name().to_str().unwrap_or("")) {
                return Ok(());
            }
        }
        for name in [".gitignore", "lock"] {
            match fs::remove_file(folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
        }
        fs::remove_dir(&folder).map_err(failed)
    }

    /// Finishes or undoes what killed commands left. A stage that is in use is left alone.
    fn recover(&self) -> Result<(), Problem> {
        let skills = &self.workspace.skills;
        let failed = |error: io::Error| {
            Problem::file("cannot clean up after a command that was killed", skills, &error)
        };
        let entries = match fs::read_dir(skills) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let is_stage = entry.file_name().to_str().is_some_and(|name| name.starts_with(STAGE));
            if !is_stage || !entry.file_type().map_err(failed)?.is_dir() {
                continue;
            }
            let stage = entry.path();
            let handle = match File::open(&stage) {
                Ok(handle) => handle,
                // Its command ended just now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(error)),
            };
            match handle.try_lock() {
                Ok(()) => self.recover_stage(&stage)?,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        Ok(())
    }

    fn recover_stage(&self, stage: &Path) -> Result<(), Problem> {
        let failed = |error: io::Error| {
            Problem::file("cannot clean up after a command that was killed", stage, &error)
        };
        // A journal that is there is complete: it was renamed into place.
        let text = read_text(&stage.join(journal::NAME))?;
        if let Some(journal) = text.as_deref().and_then(Journal::parse) {
            let target = self.workspace.target(&journal.record.key);
            let name = target.file_name().unwrap_or_default();
            let moved = if journal.install {
                id_of(&target).is_ok_and(|id| id == journal.id)
            } else {
                id_of(&stage.join(name)).is_ok_and(|id| id == journal.id)
            };
            if moved {
                let locks = (self.workspace.claw_lock()?, self.workspace.hub_lock()?);
                let mut unsynced = Unsynced::default();
                let files = self.prepare(locks, &journal, &mut unsynced)?;
                unsynced.sync()?;
                let mut moved = Unsynced::default();
                for file in files {
                    file.place().map_err(failed)?;
                    file.path.parent().into_iter().for_each(|folder| moved.folder(folder));
                }
                moved.sync()?;
            } else if journal.install && !target.exists() && stage.join(OLD).exists() {
                // Between the two renames where there is no exchange.
                renameat2(&stage.join(OLD), &target, NO_REPLACE).map_err(failed)?;
            }
        }
        finish(stage).map_err(failed)
    }
}

/// The former version, in a stage on a file system that cannot exchange.
const OLD: &str = ".old";

/// Brings to the disk what was written, and then the journal: where there is one, everything it speaks of is there.
fn announce(staged: &Staged, journal: &Journal, mut unsynced: Unsynced) -> Result<(), Problem> {
    let path = staged.stage.join(journal::NAME);
    let waiting = Waiting::write(&path, &journal.text(), &mut unsynced)?;
    // Else nobody finds it.
    staged.stage.parent().into_iter().for_each(|folder| unsynced.folder(folder));
    unsynced.sync()?;
    let placed = waiting.place().and_then(|()| sync_folder(&staged.stage));
    placed.map_err(|error| Problem::file("cannot write", &path, &error))?;
    fault::step("journal");
    Ok(())
}

/// A file that is written whole and waits beside its place. Only under the workspace's lock: its name is always the same.
struct Waiting {
    path: PathBuf,
    temporary: PathBuf,
}

impl Waiting {
    /// It and its folder must be on the disk before it is put in place for good.
    fn write(path: &Path, bytes: &[u8], unsynced: &mut Unsynced) -> Result<Waiting, Problem> {
        let failed = |error: io::Error| Problem::file("cannot write", path, &error);
        // A link to a lock elsewhere is somebody's wish: it stays one.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(".weft-new");
        let waiting = Waiting { temporary: path.with_file_name(name), path };
        let _ = fs::remove_file(&waiting.temporary);
        let mut file =
            OpenOptions::new().write(true).create_new(true).open(&waiting.temporary).map_err(failed)?;
        if let Ok(meta) = fs::metadata(&waiting.path) {
            file.set_permissions(meta.permissions()).map_err(failed)?;
        }
        file.write_all(bytes).map_err(failed)?;
        unsynced.file(&waiting.path, file);
        waiting.path.parent().into_iter().for_each(|folder| unsynced.folder(folder));
        Ok(waiting)
    }

    fn place(&self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.path)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Already in its place, or not wanted any more.
        let _ = fs::remove_file(&self.temporary);
    }
}

fn exchange(stage: &Path, new: &Path, target: &Path) -> io::Result<()> {
    match renameat2(new, target, EXCHANGE) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) => {
            let old = stage.join(OLD);
            // Also the way back: then it is the old one that stands aside.
            renameat2(target, &old, NO_REPLACE)?;
            let moved = renameat2(new, target, NO_REPLACE);
            let aside = if moved.is_ok() { new } else { target };
            renameat2(&old, aside, NO_REPLACE).and(moved)
        }
        result => result,
    }
}

/// Removes a stage, its journal first: what is left then says nothing any more.
fn finish(stage: &Path) -> io::Result<()> {
    match fs::remove_file(stage.join(journal::NAME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fault::step("journal gone");
    match fs::remove_dir_all(stage) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn id_of(path: &Path) -> io::Result<(u64, u64)> {
    let meta = fs::symlink_metadata(path)?;
    Ok((meta.dev(), meta.ino()))
}

fn read_text(path: &Path) -> Result<Option<String>, Problem> {
    let failed = |error: io::Error| Problem::file("cannot read", path, &error);
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(LARGEST).read_to_end(&mut bytes).map_err(failed)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    String::from_utf8(bytes).map(Some).map_err(|_| {
        Problem::new("the file is damaged: not UTF-8", shown(path), "mend it or restore it from a copy")
    })
}

/// Writes a file whole, and the name of it, to the disk.
fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| write_atomic(path, |out| out.write_all(bytes)))
        .and_then(|()| sync_folder(folder))
        .map_err(|error| Problem::file("cannot write", path, &error))
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?.write_all(bytes)
}

fn shown(path: &Path) -> String {
    names::escape(path.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
