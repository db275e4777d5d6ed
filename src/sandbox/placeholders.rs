//! Folders on the host that hold a denied name while a run lasts. Several runs may need the same one: each holds a shared lock
//! on it, and only the last takes it away, for with the folder goes what covers it inside the others.

use super::launch::{Error, failed};
use super::mounts::Mounts;
use crate::policy::find::HELD;
use crate::sys::socket;
use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What this run holds; let go when it ends.
pub struct Placeholders(Vec<Held>);

struct Held {
    path: PathBuf,
    folder: File,
    /// Made by weft, in this run or another.
    ours: bool,
}

impl Placeholders {
    /// Makes what is missing and holds all of it.
    pub fn make(mounts: &Mounts) -> Result<Self, Error> {
        let mut all = Self(Vec::new());
        for path in mounts.held.iter().chain(&mounts.placeholders) {
            match hold(path) {
                Ok(held) => all.0.push(held),
                // One that is there and cannot be looked into was not made by weft: nobody takes it away.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied && path.is_dir() => {}
                Err(error) => return Err(failed("hold the denied name", path)(error)),
            }
        }
        Ok(all)
    }
}

fn hold(path: &Path) -> io::Result<Held> {
    let mut tries = 0;
    loop {
        let made = match DirBuilder::new().mode(HELD).create(path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(error),
        };
        let found = File::open(path).and_then(|folder| Ok((folder.metadata()?, folder)));
        tries += 1;
        let (meta, folder) = match found {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < 10 => continue,
            Err(error) => return Err(error),
        };
        // Where locks do not exist, the folder stays.
        let _ = folder.lock_shared();
        let same =
            fs::symlink_metadata(path).is_ok_and(|now| (now.dev(), now.ino()) == (meta.dev(), meta.ino()));
        if same || tries == 10 {
            return Ok(Held { path: path.to_owned(), folder, ours: made || marked(&meta) });
        }
    }
}

/// What another run made; of one that was killed, too.
fn marked(meta: &Metadata) -> bool {
    meta.is_dir() && meta.mode() & 0o1000 != 0 && meta.uid() == crate::sys::process::ids().0
}

impl Drop for Placeholders {
    fn drop(&mut self) {
        // The innermost first, and only if nobody put anything into it.
        for held in self.0.iter().rev().filter(|held| held.ours) {
            if held.folder.try_lock().is_ok() {
                let _ = fs::remove_dir(&held.path);
                let _ = held.folder.unlock();
            }
        }
        // What the file system does when the last user of a removed folder is gone, nobody has to wait for.
        socket::close_later(self.0.drain(..).map(|held| held.folder.into()));
    }
}
