//! The paths that a user names: each must be there and readable, or the scan does not start, and nothing is walked
//! twice. Not what lies below them: that is `walk`.

use super::open;
use super::walk::{WalkOptions, skipped_folder};
use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A root that cannot be looked at: an error of the user's input, not a skip. An empty report about it would read as
/// a clean one.
#[derive(Debug)]
pub struct RootError {
    pub path: PathBuf,
    pub error: io::Error,
}

/// A path to walk.
#[derive(Debug, PartialEq, Eq)]
pub struct Root {
    /// Its place among the paths named.
    pub index: usize,
    pub folder: bool,
    /// Without links.
    pub real: PathBuf,
}

/// What to walk, in the order named: all of it readable, no part of it twice.
pub fn check(paths: &[PathBuf], options: &WalkOptions) -> Result<Vec<Root>, RootError> {
    let root = |(index, path): (usize, &PathBuf)| {
        look(path)
            .map(|(real, folder)| Root { index, folder, real })
            .map_err(|error| RootError { path: path.clone(), error })
    };
    let mut roots = paths.iter().enumerate().map(root).collect::<Result<Vec<_>, _>>()?;
    if roots.len() > 1 {
        let mut seen = HashSet::new();
        roots.retain(|root| seen.insert(root.real.clone()));
        let folders: HashSet<PathBuf> =
            roots.iter().filter(|root| root.folder).map(|root| root.real.clone()).collect();
        roots.retain(|root| !is_below(&root.real, root.folder, &folders, options));
    }
    Ok(roots)
}

/// Where a path leads, and whether to a folder.
fn look(path: &Path) -> io::Result<(PathBuf, bool)> {
    let found = fs::metadata(path)?;
    let real = fs::canonicalize(path)?;
    if found.is_dir() {
        fs::read_dir(&real)?;
    } else if found.is_file() {
        open::regular(&real)?;
    } else {
        return Err(open::not_regular());
    }
    Ok((real, found.is_dir()))
}

/// Will the walk of one of these folders come by this path?
fn is_below(path: &Path, folder: bool, folders: &HashSet<PathBuf>, options: &WalkOptions) -> bool {
    // From the path upwards, until a folder that a walk from above would not enter.
    let mut enters = true;
    path.ancestors().zip(path.ancestors().skip(1)).enumerate().any(|(n, (child, parent))| {
        let is_folder = folder || n > 0;
        enters &= !is_folder || child.file_name().is_some_and(|name| skipped_folder(name, options).is_none());
        enters && folders.contains(parent)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_walk_comes_by_is_left_out() {
        let folders: HashSet<PathBuf> = ["/a".into(), "/b/target".into()].into();
        let below = |path: &str, folder| is_below(Path::new(path), folder, &folders, &WalkOptions::default());
        assert!(below("/a/x", true) && below("/a/x/y.md", false) && below("/a/.env", false));
        assert!(!below("/a", true) && !below("/ab/x", true) && !below("/", true));
        assert!(!below("/a/.git", true) && !below("/a/.git/config", false) && !below("/a/.hidden/x/y", true));
        assert!(below("/b/target/x", true), "named, the folder is walked whatever its name");
        let all = WalkOptions::gate();
        assert!(is_below(Path::new("/a/.git/config"), false, &folders, &all));
    }
}
