//! From single files to the folders that a person would name: the workspace, a tool's own folder in the home folder, one package
//! in /opt; and what has to stay closed in them.

use super::judge::{Judged, Wanted};
use super::{Grant, Learned, Left, Programs, Verb, shown, written};
use crate::policy::lint::{RUN_LATER_AT, RUN_LATER_IN_WORKSPACE};
use crate::policy::secrets::is_credential_name;
use crate::policy::{Policy, decide, find};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path, PathBuf};

/// So many files of one folder are named one by one.
const ONE_BY_ONE: usize = 3;
/// Entries that are looked at for credentials in granted folders, and how deep.
const LOOKED_AT: usize = 50_000;
const DEEP: usize = 8;
/// So many paths are denied by name; of more, the folders they are in.
const DENIED: usize = 1000;
/// Folders whose content comes from elsewhere and is never a person's own credential.
const SKIPPED: &[&str] =
    &["node_modules", "target", "__pycache__", "site-packages", ".git", "registry", "toolchains"];

/// Of a file whose folder is not granted.
const ALONE: &str = "this file alone: it can be changed, not replaced by another";

pub fn fold(base: &Policy, judged: &mut Judged, learned: &mut Learned) {
    let mut fold = Fold { base, learned, granted: Vec::new(), writable: Vec::new() };
    fold.workspace(judged);
    fold.tmpdir(judged);
    let home = find::real(&base.places.home).unwrap_or_else(|_| base.places.home.clone());
    let tool = |path: &Path| home_unit(path, &home, &base.places.home);
    let mut looked = std::mem::take(&mut judged.looked);
    include(&mut judged.home, &mut looked, tool);
    include(&mut judged.other, &mut looked, system_unit);
    for (unit, files) in units(&judged.home, tool) {
        fold.unit(&unit, &files);
    }
    for (unit, files) in units(&judged.other, system_unit) {
        fold.unit(&unit, &files);
    }
    fold.close(&home);
    fold.looked(&looked);
    judged.writable = fold.writable;
}

struct Fold<'a> {
    base: &'a Policy,
    learned: &'a mut Learned,
    /// Folders and files that were granted, by what.
    granted: Vec<(PathBuf, Verb)>,
    writable: Vec<PathBuf>,
}

type Files<'w> = BTreeMap<&'w Path, &'w (BTreeSet<Verb>, Programs)>;

fn units(wanted: &Wanted, unit: impl Fn(&Path) -> PathBuf) -> BTreeMap<PathBuf, Files<'_>> {
    let mut all: BTreeMap<PathBuf, Files<'_>> = BTreeMap::new();
    for (path, use_of) in wanted {
        all.entry(unit(path)).or_default().insert(path, use_of);
    }
    all
}

/// What was looked at in the folder of a tool whose files were used: a program that finds its own folder half empty takes
/// another way than the one that was learned.
fn include(wanted: &mut Wanted, looked: &mut BTreeMap<PathBuf, Programs>, unit: impl Fn(&Path) -> PathBuf) {
    let mut used: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for path in wanted.keys() {
        used.entry(unit(path)).or_default().push(path.clone());
    }
    looked.retain(|path, by| {
        let used = used.get(&unit(path));
        // A folder on the way is there anyway.
        let belongs = used.is_some_and(|used| !used.iter().any(|used| used.starts_with(path)));
        if belongs {
            let (verbs, programs) = wanted.entry(path.clone()).or_default();
            verbs.insert(Verb::Read);
            programs.extend(by.iter().cloned());
        }
        !belongs
    });
}

/// The folder of one tool: `~/.cargo`, `~/.config/git`, `~/.local/share/uv`; of a person's own folders the one that the file is in.
fn home_unit(path: &Path, home: &Path, named: &Path) -> PathBuf {
    let (front, rest) = match path.strip_prefix(home) {
        Ok(rest) => (home, rest),
        Err(_) => (named, path.strip_prefix(named).unwrap_or(path)),
    };
    let parts: Vec<&std::ffi::OsStr> = rest.iter().collect();
    let first = parts.first().map(|part| part.to_string_lossy()).unwrap_or_default();
    let deep = match &*first {
        ".config" | ".cache" => 2,
        ".local" => 3,
        first if first.starts_with('.') => 1,
        _ => parts.len().saturating_sub(1).max(1),
    };
    front.join(parts.iter().take(deep).collect::<PathBuf>())
}

/// The folder of one package: `/opt/tool`, `/var/lib/tool`, `/etc/tool`; a file directly below one of the wide ones is its own.
fn system_unit(path: &Path) -> PathBuf {
    let parts: Vec<Component<'_>> = path.components().collect();
    // The root is a part.
    let deep = match parts.get(1).map(|part| part.as_os_str().to_string_lossy()) {
        Some(first) if first == "var" => 4,
        _ => 3,
    };
    parts.iter().take(deep).collect()
}

/// The folder that holds all of them; a folder among them counts as itself.
fn ancestor(paths: &[&Path]) -> Option<PathBuf> {
    let folder = |path: &Path| match path.is_dir() {
        true => Some(path.to_owned()),
        false => path.parent().map(Path::to_owned),
    };
    let mut common = folder(paths.first()?)?;
    for path in paths {
        let folder = folder(path)?;
        while !folder.starts_with(&common) {
            common.pop();
        }
    }
    Some(common)
}

fn programs<'w>(files: impl Iterator<Item = &'w Programs>) -> Programs {
    files.flatten().cloned().collect()
}

impl Fold<'_> {
    fn workspace(&mut self, judged: &Judged) {
        let place = self.base.places.workspace.clone();
        for (verb, (by, files)) in &judged.workspace {
            match verb {
                Verb::Look => {}
                // Writing includes it.
                Verb::Read if judged.workspace.contains_key(&Verb::Write) => {}
                // How many files it were depends on what was there, and tells a reader nothing.
                Verb::Read | Verb::Write => self.grant(*verb, &place, by, 0, ""),
                Verb::Exec => {
                    let written = judged.workspace.get(&Verb::Write).map(|(_, files)| files);
                    let fresh = |file: &PathBuf| written.is_some_and(|written| written.contains(file));
                    let plain = files.iter().all(|file| file.is_file() && !fresh(file));
                    if plain && files.len() <= ONE_BY_ONE {
                        files.iter().for_each(|file| self.grant(Verb::Exec, file, by, 1, ""));
                    } else {
                        let note = "what is written there can be run";
                        self.grant(Verb::Exec, &place, by, 0, note);
                    }
                }
            }
        }
    }

    fn tmpdir(&mut self, judged: &Judged) {
        let place = self.base.places.tmpdir.clone();
        for (verb, by) in &judged.tmpdir {
            let note = "the run's own, empty at the start";
            self.add(*verb, "${TMPDIR}".to_owned(), by, 0, note);
            if *verb == Verb::Write {
                self.writable.push(place.clone());
            }
        }
    }

    fn unit(&mut self, unit: &Path, files: &Files<'_>) {
        for verb in [Verb::Write, Verb::Exec, Verb::Read] {
            let used: Vec<(&Path, &Programs)> = files
                .iter()
                .filter(|(path, (verbs, _))| verbs.contains(&verb) && !self.covered(path, verb))
                .map(|(path, (_, by))| (*path, by))
                .collect();
            if used.is_empty() {
                continue;
            }
            let paths: Vec<&Path> = used.iter().map(|(path, _)| *path).collect();
            let by = programs(used.iter().map(|(_, by)| *by));
            if verb == Verb::Write {
                self.write(unit, &paths, &by);
            } else if paths.len() <= ONE_BY_ONE {
                for (path, by) in used {
                    self.grant(verb, path, by, 1, "");
                }
            } else {
                let folder = ancestor(&paths).filter(|folder| folder.starts_with(unit));
                self.grant(verb, &folder.unwrap_or_else(|| unit.to_owned()), &by, paths.len(), "");
            }
        }
    }

    /// What is written is made anew, renamed and removed: that takes the folder, and a folder that is there.
    fn write(&mut self, unit: &Path, paths: &[&Path], by: &Programs) {
        let folder = ancestor(paths).filter(|folder| folder.starts_with(unit));
        let there = folder.iter().flat_map(|folder| folder.ancestors()).find(|at| at.is_dir());
        if let Some(folder) = there.filter(|folder| folder.starts_with(unit)) {
            if self.holds_later(folder) {
                return self.write_apart(folder, paths, by);
            }
            return self.grant(Verb::Write, folder, by, paths.len(), "");
        }
        if unit.is_file() {
            return self.grant(Verb::Write, unit, by, 1, ALONE);
        }
        let what = format!("write {}", shown(unit, self.base));
        let why = match paths.iter().all(|path| *path == unit) && unit.parent().is_some_and(Path::is_dir) {
            true => "the folder around it would have to be writable: make it beforehand, then learn again",
            false => {
                "the folder is not there, and a policy cannot name what is not: make it, then learn again"
            }
        };
        self.learned.left.push(Left { what, why: why.to_owned(), by: by.clone() });
    }

    /// Whether something below the folder is run or obeyed outside the sandbox later.
    fn holds_later(&self, folder: &Path) -> bool {
        let home = find::real(&self.base.places.home).unwrap_or_else(|_| self.base.places.home.clone());
        RUN_LATER_AT.iter().any(|name| home.join(name).starts_with(folder))
    }

    /// In a folder that nobody should write as a whole: the folders and files in it.
    fn write_apart(&mut self, folder: &Path, paths: &[&Path], by: &Programs) {
        let below = |path: &Path| {
            let first = path.strip_prefix(folder).ok()?.components().next()?;
            Some(folder.join(first))
        };
        let parts: BTreeSet<PathBuf> = paths.iter().filter_map(|path| below(path)).collect();
        for part in parts {
            let files = paths.iter().filter(|path| path.starts_with(&part)).count();
            if part.is_dir() && !self.holds_later(&part) {
                self.grant(Verb::Write, &part, by, files, "");
            } else if part.is_file() {
                self.grant(Verb::Write, &part, by, 1, ALONE);
            } else {
                let what = format!("write {}", shown(&part, self.base));
                let why = format!("{} holds what is run or obeyed later", shown(folder, self.base));
                self.learned.left.push(Left { what, why, by: by.clone() });
            }
        }
    }

    fn covered(&self, path: &Path, verb: Verb) -> bool {
        let enough = |granted: Verb| match verb {
            Verb::Read | Verb::Look => true,
            other => granted == other,
        };
        self.granted.iter().any(|(place, granted)| enough(*granted) && path.starts_with(place))
    }

    fn grant(&mut self, verb: Verb, path: &Path, by: &Programs, files: usize, note: &str) {
        match written(path, self.base) {
            Ok(value) => {
                self.granted.push((path.to_owned(), verb));
                if verb == Verb::Write {
                    self.writable.push(path.to_owned());
                }
                self.add(verb, value, by, files, note);
            }
            Err(why) => {
                let what = format!("{} {}", verb.as_str(), shown(path, self.base));
                self.learned.left.push(Left { what, why: why.to_owned(), by: by.clone() });
            }
        }
    }

    fn add(&mut self, verb: Verb, value: String, by: &Programs, files: usize, note: &str) {
        // Where no policy says `exec`, what can be read can be executed; an entry would take that away.
        let default = self.base.filesystem.exec_is_default
            && !self.writable.iter().any(|place| *place == Path::new(&value));
        let key = match verb {
            Verb::Write => "filesystem.write",
            Verb::Exec if !default => "filesystem.exec",
            Verb::Look | Verb::Read | Verb::Exec => "filesystem.read",
        };
        self.learned.grants.push(Grant {
            key,
            value,
            ports: Vec::new(),
            tls: false,
            by: by.clone(),
            count: files as u64,
            unit: "file",
            note: note.to_owned(),
        });
    }

    /// What was looked at and is neither in nor on the way to what was granted.
    fn looked(&mut self, looked: &BTreeMap<PathBuf, Programs>) {
        for (path, by) in looked {
            let known = |place: &PathBuf| path.starts_with(place) || place.starts_with(path);
            if !self.granted.iter().any(|(place, _)| known(place)) {
                let what = shown(path, self.base);
                self.learned.looked.push(Left { what, why: String::new(), by: by.clone() });
            }
        }
    }

    /// What stays closed, or as it is, in the folders that were granted.
    fn close(&mut self, home: &Path) {
        let workspace = self.base.places.workspace.clone();
        let places: BTreeSet<PathBuf> = self.granted.iter().map(|(place, _)| place.clone()).collect();
        for place in places.iter().filter(|place| place.is_dir()) {
            let outer = places.iter().any(|other| other != place && place.starts_with(other));
            if !outer {
                let skipped = place.iter().any(|part| SKIPPED.iter().any(|name| part == *name));
                let mut found = Vec::new();
                let whole = skipped || credentials_below(place, &mut LOOKED_AT.clone(), &mut found);
                found.iter().for_each(|path| self.deny(path));
                if !whole {
                    let text = shown(place, self.base);
                    let note = format!(
                        "{text} is too large to be searched for credentials: name less of it, or look yourself"
                    );
                    self.learned.notes.push(note);
                }
            }
        }
        if places.contains(&workspace) {
            let at = "${WORKSPACE}/.env".to_owned();
            self.learned.deny.entry(at).or_insert_with(|| "secrets of the project".to_owned());
        }
        let later = RUN_LATER_AT.iter().map(|name| home.join(name));
        let here = RUN_LATER_IN_WORKSPACE.iter().map(|name| workspace.join(name));
        for path in later.chain(here) {
            if self.writable.iter().any(|place| path.starts_with(place))
                && decide::denied(self.base, &path).is_none()
            {
                let Ok(text) = written(&path, self.base) else { continue };
                self.learned.protect.insert(text, "run or obeyed outside the sandbox later".to_owned());
            }
        }
    }

    fn deny(&mut self, path: &Path) {
        if decide::denied(self.base, path).is_some() {
            return;
        }
        match written(path, self.base) {
            Ok(text) if self.learned.deny.len() < DENIED => {
                self.learned.deny.entry(text).or_insert_with(|| "named like credentials".to_owned());
            }
            Ok(_) => {
                let folder =
                    path.parent().filter(|folder| !self.granted.iter().any(|(place, _)| place == folder));
                match folder.map(|folder| written(folder, self.base)) {
                    Some(Ok(text)) => {
                        let why = "too many files named like credentials are in it".to_owned();
                        self.learned.deny.entry(text).or_insert(why);
                    }
                    _ => {
                        let place = path.parent().map(|folder| shown(folder, self.base)).unwrap_or_default();
                        let note = format!(
                            "more files in {place} are named like credentials than can be denied one by one"
                        );
                        if !self.learned.notes.contains(&note) {
                            self.learned.notes.push(note);
                        }
                    }
                }
            }
            Err(why) => {
                let text = shown(path, self.base);
                self.learned
                    .notes
                    .push(format!("{text} is named like credentials and cannot be denied: {why}"));
            }
        }
    }
}

/// The files and folders in a folder that are named like those that hold credentials, and sockets, as far as a look of `most` entries goes,
/// from which those that were looked at are taken. False when there are more.
pub fn credentials_below(folder: &Path, most: &mut usize, found: &mut Vec<PathBuf>) -> bool {
    search(folder, 0, most, found)
}

fn search(folder: &Path, deep: usize, most: &mut usize, found: &mut Vec<PathBuf>) -> bool {
    let mut names: Vec<(PathBuf, bool)> = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Some(left) = most.checked_sub(1) else { return false };
        *most = left;
        let kind = entry.file_type().ok();
        if kind.is_some_and(|kind| kind.is_socket()) {
            // Agents of keys listen on some of them, and a socket can be reached where its folder can.
            found.push(entry.path());
        }
        names.push((entry.path(), kind.is_some_and(|kind| kind.is_dir())));
    }
    crate::sort::plain(&mut names);
    let mut whole = true;
    for (path, dir) in names {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if is_credential_name(&name) || [".ssh", ".aws", ".gnupg"].contains(&name.as_str()) {
            found.push(path);
        } else if dir && deep < DEEP && !SKIPPED.contains(&name.as_str()) {
            whole &= search(&path, deep + 1, most, found);
        }
    }
    whole
}
