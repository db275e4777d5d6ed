//! What weft itself, outside, keeps for a run without namespaces: the private folder, and the orphans of a keeper that was killed.

use super::Fallback;
use super::family::children;
use crate::sandbox::launch::{Error, failed};
use crate::sys::{caps, process};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Goes when the run ends, and everything that is left of the run with it.
pub struct Outside<'a> {
    fallback: &'a Fallback,
    /// Children that weft had before.
    before: Vec<i32>,
}

impl<'a> Outside<'a> {
    /// Makes the folder. From here on orphans of the keeper would come to weft.
    pub fn make(fallback: &'a Fallback) -> Result<Self, Error> {
        let before = children(process::pid());
        caps::adopt_orphans().map_err(failed("adopt orphans", Path::new("")))?;
        // A folder that was there is somebody else's and stays; only one that was made is there to be removed.
        fallback.make_scratch().map_err(failed("make the private folder", &fallback.scratch))?;
        Ok(Self { fallback, before })
    }
}

impl Drop for Outside<'_> {
    fn drop(&mut self) {
        loop {
            let mut orphans = children(process::pid());
            orphans.retain(|pid| !self.before.contains(pid));
            if orphans.is_empty() {
                break;
            }
            for pid in orphans {
                // Not waited for yet, so the number means what it did.
                if process::kill(pid, libc::SIGKILL).is_ok() {
                    let _ = process::wait(pid, true);
                }
            }
        }
        self.fallback.remove_scratch();
    }
}

impl Fallback {
    /// Makes the folders of the run.
    fn make_scratch(&self) -> std::io::Result<()> {
        for folder in [&self.scratch, &self.shm()] {
            // Never one that is there already: it would be somebody else's.
            fs::create_dir(folder)?;
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        }
        for (_, own, text) in &self.own {
            fs::write(own, text)?;
        }
        Ok(())
    }

    /// Removes what the run left in its folders.
    pub(super) fn remove_scratch(&self) {
        remove_folder(&self.scratch);
    }
}

/// Removes a folder with all that is in it, if it is there.
pub fn remove_folder(path: &Path) {
    // A folder that its owner may not enter any more would stay.
    if path.exists() && fs::remove_dir_all(path).is_err() {
        open_up(path);
        let _ = fs::remove_dir_all(path);
    }
}

/// Gives folders back to their owner, without following links and without recursion.
fn open_up(top: &Path) {
    let mut todo = vec![top.to_owned()];
    while let Some(folder) = todo.pop() {
        let _ = fs::set_permissions(&folder, fs::Permissions::from_mode(0o700));
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                todo.push(entry.path());
            }
        }
    }
}
