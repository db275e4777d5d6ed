//! Which files there are to scan: a deterministic walk that never leaves its roots, opens nothing, and passes over
//! nothing in silence. Not their content: `read` opens what this names.
//!
//! A folder's files come before its subfolders, each sorted by bytes, so that the files of a skill stand together.
//! Only the names of the folders on the way down are held.

use super::finding::{Skip, SkipReason};
use super::names;
use super::roots::{self, Root};
use crate::sort;
use std::ffi::{OsStr, OsString};
use std::fs::{self, FileType, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use super::read::{Input, open, read};
pub use super::roots::RootError;

/// What to look at, and how much of it.
#[derive(Clone, Debug)]
pub struct WalkOptions {
    /// Look at everything: hidden and build folders, and files of any size in windows.
    pub gate: bool,
    /// Look into hidden folders.
    pub hidden: bool,
    /// A file above this many bytes is skipped, or in gate mode read in windows.
    pub max_file: u64,
    /// In gate mode, an archive above this many bytes is not opened.
    pub max_archive: u64,
    /// In gate mode, no more than this many bytes of a file are looked at.
    pub max_read: u64,
}

impl Default for WalkOptions {
    fn default() -> WalkOptions {
        WalkOptions {
            gate: false,
            hidden: false,
            max_file: 1 << 20,
            max_archive: 64 << 20,
            max_read: 256 << 20,
        }
    }
}

impl WalkOptions {
    /// What install and publish use.
    pub fn gate() -> WalkOptions {
        WalkOptions { gate: true, hidden: true, max_file: 4 << 20, ..WalkOptions::default() }
    }
}

/// A file to scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What to open. A link inside the tree is resolved already.
    pub path: PathBuf,
    /// What to show: the root as given, `/`, and the path below it, escaped.
    pub display: Arc<str>,
    /// Index of the root it was found under.
    pub root: usize,
    /// The user named it: it is read whatever its size.
    pub named: bool,
}

/// One thing the walk has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WalkItem {
    File(Entry),
    Skip(Skip),
}

/// Hidden folders that carry skills and settings of agents, hooks and automation: looked at though hidden.
const AGENT_FOLDERS: [&str; 25] = [
    ".agent",
    ".agents",
    ".amp",
    ".augment",
    ".claude",
    ".claude-plugin",
    ".clawdbot",
    ".cline",
    ".clinerules",
    ".codex",
    ".continue",
    ".cursor",
    ".devcontainer",
    ".gemini",
    ".github",
    ".goose",
    ".husky",
    ".kiro",
    ".opencode",
    ".openclaw",
    ".pi",
    ".roo",
    ".vscode",
    ".well-known",
    ".windsurf",
];

/// Links to files inside the tree are read under their own name, but no more than so many bytes in one root: a
/// thousand links to one large file are a thousand files to read.
const LINKED_BYTES: u64 = 256 << 20;

/// Walks the roots in the order given. Fails before the first item if a root cannot be looked at.
pub fn walk(
    roots: &[PathBuf],
    options: &WalkOptions,
    sink: &mut dyn FnMut(WalkItem),
) -> Result<(), RootError> {
    for Root { index, folder, real } in roots::check(roots, options)? {
        let path = &roots[index];
        let mut walker = Walker { options, sink, root: index, top: path, real_top: None, linked: 0 };
        let display = root_display(path);
        if folder {
            walker.folder(path, display);
        } else {
            // A link that the user names is followed, and then opened like any file.
            walker.entry(real, display, true);
        }
    }
    Ok(())
}

/// The root as given, without `./` in front and slashes behind; nothing for the current folder.
pub fn root_display(path: &Path) -> String {
    let mut bytes = path.as_os_str().as_encoded_bytes();
    while let Some(rest) = bytes.strip_prefix(b"./") {
        bytes = rest;
    }
    while bytes.len() > 1 && bytes.ends_with(b"/") {
        bytes = &bytes[..bytes.len() - 1];
    }
    if bytes == b"." { String::new() } else { names::escape(bytes) }
}

fn below(folder: &str, name: &OsStr) -> String {
    let name = name.as_encoded_bytes();
    let mut out = String::with_capacity(folder.len() + 1 + name.len());
    out.push_str(folder);
    if !folder.is_empty() && !folder.ends_with('/') {
        out.push('/');
    }
    names::escape_into(name, &mut out);
    out
}

/// Why a folder of this name is not looked at by default, if it is not.
pub(super) fn skipped_folder(name: &OsStr, options: &WalkOptions) -> Option<SkipReason> {
    let name = name.as_encoded_bytes();
    if options.gate {
        None
    } else if matches!(name, b".git" | b"target" | b"node_modules") {
        Some(SkipReason::BuildOrVcsFolder)
    } else if name.starts_with(b".") && !options.hidden && !AGENT_FOLDERS.iter().any(|f| f.as_bytes() == name)
    {
        Some(SkipReason::HiddenFolder)
    } else {
        None
    }
}

/// What an error of the file system means to a reader of the report.
pub(super) fn reason(error: &io::Error) -> SkipReason {
    match error.kind() {
        io::ErrorKind::PermissionDenied => SkipReason::PermissionDenied,
        _ if is_loop(error) => SkipReason::SymlinkLoop,
        _ => SkipReason::ReadError,
    }
}

/// `ELOOP`, for which the standard library has no stable name yet.
pub(super) fn is_loop(error: &io::Error) -> bool {
    let number = if cfg!(any(target_os = "linux", target_os = "android")) { 40 } else { 62 };
    error.raw_os_error() == Some(number)
}

struct Walker<'a> {
    options: &'a WalkOptions,
    sink: &'a mut dyn FnMut(WalkItem),
    root: usize,
    top: &'a Path,
    /// The root without links; found when the first link is met.
    real_top: Option<Option<PathBuf>>,
    linked: u64,
}

/// A folder whose subfolders are still to be walked.
struct Level {
    path: PathBuf,
    display: String,
    /// Last first, so that the next one is popped.
    folders: Vec<OsString>,
}

impl Walker<'_> {
    fn skip(&mut self, display: String, reason: SkipReason) {
        // The current folder has no name of its own to show.
        let path = if display.is_empty() { Arc::from(".") } else { Arc::from(display) };
        (self.sink)(WalkItem::Skip(Skip { path, reason }));
    }

    fn file(&mut self, path: PathBuf, display: String) {
        self.entry(path, display, false);
    }

    fn entry(&mut self, path: PathBuf, display: String, named: bool) {
        (self.sink)(WalkItem::File(Entry { path, display: Arc::from(display), root: self.root, named }));
    }

    /// Depth first, without recursion: a tree may be as deep as its author likes.
    fn folder(&mut self, path: &Path, display: String) {
        let mut levels = Vec::new();
        self.list(path.to_path_buf(), display, &mut levels);
        while let Some(level) = levels.last_mut() {
            let Some(name) = level.folders.pop() else {
                levels.pop();
                continue;
            };
            let (path, display) = (level.path.join(&name), below(&level.display, &name));
            match skipped_folder(&name, self.options) {
                Some(reason) => self.skip(display, reason),
                None => self.list(path, display, &mut levels),
            }
        }
    }

    /// Passes on the files of one folder and puts its subfolders on the stack.
    fn list(&mut self, path: PathBuf, display: String, levels: &mut Vec<Level>) {
        // A folder that was swapped for a link since its parent was listed is not entered.
        let opened =
            if levels.is_empty() { Ok(true) } else { fs::symlink_metadata(&path).map(|m| m.is_dir()) };
        let entries = match opened {
            Ok(true) => fs::read_dir(&path),
            Ok(false) => return self.skip(display, SkipReason::ReadError),
            Err(error) => Err(error),
        };
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => return self.skip(display, reason(&error)),
        };
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        let mut broken = false;
        for entry in entries {
            let Ok(entry) = entry else {
                broken = true;
                break;
            };
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.file_name()),
                kind => files.push((entry.file_name(), kind.ok())),
            }
        }
        if broken {
            self.skip(display.clone(), SkipReason::ReadError);
        }
        sort::by(&mut files, |a, b| a.0.cmp(&b.0));
        sort::by(&mut folders, |a, b| b.cmp(a));
        for (name, kind) in files {
            let display = below(&display, &name);
            match kind {
                Some(kind) if kind.is_file() => self.file(path.join(&name), display),
                Some(kind) if kind.is_symlink() => self.link(&path, &name, display),
                Some(_) => self.skip(display, SkipReason::NotRegular),
                None => self.skip(display, SkipReason::ReadError),
            }
        }
        if !folders.is_empty() {
            levels.push(Level { path, display, folders });
        }
    }

    /// A link to a file inside the tree is read under its own name, which may say another language than the file's.
    /// A link to a folder inside the tree is not followed: what it leads to is walked where it stands.
    fn link(&mut self, folder: &Path, name: &OsStr, display: String) {
        let path = folder.join(name);
        let (real, found) =
            match fs::canonicalize(&path).and_then(|real| fs::metadata(&real).map(|m| (real, m))) {
                Ok(both) => both,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return self.skip(display, SkipReason::BrokenSymlink);
                }
                Err(error) => return self.skip(display, reason(&error)),
            };
        let top = self.top;
        let real_top = self.real_top.get_or_insert_with(|| fs::canonicalize(top).ok());
        let Some(inside) = real_top.as_deref().and_then(|top| real.strip_prefix(top).ok()) else {
            return self.skip(display, SkipReason::SymlinkOutside);
        };
        match self.target(inside, &found.file_type(), folder, &real) {
            Target::Skip(reason) => self.skip(display, reason),
            Target::WalkedElsewhere => {}
            Target::File => self.linked_file(real, &found, display),
        }
    }

    fn target(&self, inside: &Path, kind: &FileType, folder: &Path, real: &Path) -> Target {
        if kind.is_file() {
            return Target::File;
        }
        if !kind.is_dir() {
            return Target::Skip(SkipReason::NotRegular);
        }
        // A folder that the link itself stands in: to follow it would never end.
        if fs::canonicalize(folder).is_ok_and(|here| here.starts_with(real)) {
            return Target::Skip(SkipReason::SymlinkLoop);
        }
        match inside.iter().find_map(|part| skipped_folder(part, self.options)) {
            Some(reason) => Target::Skip(reason),
            None => Target::WalkedElsewhere,
        }
    }

    fn linked_file(&mut self, real: PathBuf, found: &Metadata, display: String) {
        self.linked = self.linked.saturating_add(found.len());
        if self.linked > LINKED_BYTES {
            self.skip(display, SkipReason::TooLarge);
        } else {
            self.file(real, display);
        }
    }
}

enum Target {
    File,
    WalkedElsewhere,
    Skip(SkipReason),
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
