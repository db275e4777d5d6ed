//! Where commands are: names on PATH, shells. Not whether they may run.

use super::Policy;
use super::find::Finder;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Programs that run what they are told. `busybox` and `toybox` are shells by another name.
pub const SHELLS: &[&str] = &[
    "sh", "bash", "rbash", "dash", "ash", "zsh", "ksh", "ksh93", "mksh", "lksh", "pdksh", "yash", "posh",
    "fish", "csh", "tcsh", "elvish", "nu", "xonsh", "oil", "osh", "ysh", "pwsh", "busybox", "toybox",
];

/// Where commands are on most systems, whatever PATH says: a deny looks here too.
const USUAL: &[&str] = &["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// The folders of PATH, each once, links between them followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPath {
    given: Vec<PathBuf>,
    usual: Vec<PathBuf>,
}

impl SearchPath {
    /// Of the PATH that the command will have.
    pub fn new(path: Option<&str>, finder: &mut Finder) -> SearchPath {
        // As a module of WebAssembly there is no machine to look at, and splitting PATH is a panic.
        if cfg!(target_family = "wasm") {
            return SearchPath { given: Vec::new(), usual: Vec::new() };
        }
        let path = path.map(Into::into).or_else(|| env::var_os("PATH")).unwrap_or_default();
        let mut given = Vec::new();
        for folder in env::split_paths(&path).filter(|folder| folder.is_absolute()) {
            add(&mut given, &folder, finder);
        }
        let mut usual = given.clone();
        USUAL.iter().for_each(|folder| add(&mut usual, Path::new(folder), finder));
        usual.drain(..given.len());
        SearchPath { given, usual }
    }

    /// The first place on PATH: what running the name would run.
    pub fn first(&self, name: &str) -> Option<PathBuf> {
        self.given.iter().map(|folder| folder.join(name)).find(|path| executable(path))
    }

    /// Every place where the name stands, each as found and with links followed. `everywhere` goes beyond PATH.
    pub fn all(&self, name: &str, everywhere: bool, finder: &mut Finder) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let beyond = if everywhere { self.usual.as_slice() } else { &[] };
        for path in self.given.iter().chain(beyond).map(|folder| folder.join(name)) {
            if executable(&path) {
                let real = finder.existing(&path);
                push(&mut found, path);
                if let Ok(real) = real {
                    push(&mut found, real);
                }
            }
        }
        found
    }

    /// Every shell that can be found.
    pub fn shells(&self, finder: &mut Finder) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for name in SHELLS {
            self.all(name, true, finder).into_iter().for_each(|path| push(&mut found, path));
        }
        found
    }
}

fn add(folders: &mut Vec<PathBuf>, folder: &Path, finder: &mut Finder) {
    if let Ok(real) = finder.existing(folder) {
        push(folders, real);
    }
}

fn push(list: &mut Vec<PathBuf>, path: PathBuf) {
    if !list.contains(&path) {
        list.push(path);
    }
}

#[cfg(unix)]
fn executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn executable(path: &Path) -> bool {
    path.is_file()
}

/// A command somebody wants to run, as found on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// As asked for: `git`, `/usr/bin/git`.
    pub asked: String,
    /// With links followed; none when there is no such command.
    pub real: Option<PathBuf>,
    /// As found, before links were followed.
    pub found: Option<PathBuf>,
}

impl Command {
    /// Looks a name up on the PATH that the policy gives; a path is taken as it is.
    pub fn locate(policy: &Policy, asked: &str) -> Command {
        let found = if asked.contains('/') {
            Some(policy.places.workspace.join(asked))
        } else {
            let path = policy.env.set.get("PATH").map(|set| set.value.as_str());
            SearchPath::new(path, &mut Finder::default()).first(asked)
        };
        let real = found.as_ref().and_then(|path| fs::canonicalize(path).ok());
        Command { asked: asked.to_owned(), real, found }
    }
}
