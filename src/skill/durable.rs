//! What was written, brought to the disk. Many files at once take little longer than one: the kernel is told of all of them
//! before it is waited for.

use super::Problem;
use crate::files::sync_folder;
use crate::sys::fs::begin_writing;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// Files of a package that are open at the same time.
const OPEN: usize = 64;

/// Files and folders that must be on the disk before the next step.
#[derive(Default)]
pub struct Unsynced {
    files: Vec<(PathBuf, File)>,
    folders: Vec<PathBuf>,
}

impl Unsynced {
    /// A file that was just written.
    pub fn file(&mut self, path: &Path, file: File) {
        self.files.push((path.to_owned(), file));
    }

    /// A folder in which names were made or moved.
    pub fn folder(&mut self, path: &Path) {
        if !self.folders.iter().any(|folder| folder == path) {
            self.folders.push(path.to_owned());
        }
    }

    /// Returns when all of it is on the disk.
    ///
    /// # Errors
    /// The first that could not be written, by its name.
    pub fn sync(self) -> Result<(), Problem> {
        self.files.iter().for_each(|(_, file)| begin_writing(file));
        let failed = |path: &Path, error: io::Error| Problem::file("cannot write", path, &error);
        self.files
            .iter()
            .try_for_each(|(path, file)| file.sync_all().map_err(|error| failed(path, error)))?;
        self.folders.iter().try_for_each(|path| sync_folder(path).map_err(|error| failed(path, error)))
    }
}

/// A folder that is being brought to the disk while something else goes on. Dropped, it waits as well.
#[derive(Debug)]
pub struct Syncing(Option<JoinHandle<io::Result<()>>>);

impl Syncing {
    /// Nothing is being done.
    pub const fn nothing() -> Syncing {
        Syncing(None)
    }

    /// Begins with everything that is below a folder now, itself included. What comes into the folder later is not waited
    /// for, and may come and go.
    ///
    /// # Errors
    /// The folder cannot be read; and where there is no thread to be had, what failed when it was done at once.
    pub fn tree(folder: &Path) -> io::Result<Syncing> {
        let tree = Arc::new(Tree::read(folder)?);
        let theirs = Arc::clone(&tree);
        match thread::Builder::new().spawn(move || theirs.sync()) {
            Ok(handle) => Ok(Syncing(Some(handle))),
            Err(_) => tree.sync().map(|()| Syncing(None)),
        }
    }

    /// Waits for its end, and says how it went; the second time there is nothing left to say.
    pub fn wait(&mut self) -> io::Result<()> {
        match self.0.take() {
            Some(handle) => handle.join().unwrap_or_else(|_| Err(io::Error::other("the thread broke off"))),
            None => Ok(()),
        }
    }
}

impl Drop for Syncing {
    fn drop(&mut self) {
        // Whoever drops it has no use for the outcome.
        let _ = self.wait();
    }
}

/// The names below a folder at one moment.
struct Tree {
    /// Each before those inside it.
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

impl Tree {
    fn read(folder: &Path) -> io::Result<Tree> {
        let mut tree = Tree { folders: vec![folder.to_owned()], files: Vec::new() };
        let mut next = 0;
        while let Some(folder) = tree.folders.get(next).cloned() {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let kind = entry.file_type()?;
                match kind.is_dir() {
                    true => tree.folders.push(entry.path()),
                    false if kind.is_file() => tree.files.push(entry.path()),
                    false => {}
                }
            }
            next += 1;
        }
        Ok(tree)
    }

    fn sync(&self) -> io::Result<()> {
        for some in self.files.chunks(OPEN) {
            let open: Vec<File> = some.iter().map(File::open).collect::<io::Result<_>>()?;
            open.iter().for_each(begin_writing);
            open.iter().try_for_each(File::sync_all)?;
        }
        self.folders.iter().rev().try_for_each(|folder| sync_folder(folder))
    }
}

#[cfg(test)]
mod tests {
    use super::Syncing;
    use std::fs;

    #[test]
    fn what_comes_and_goes_meanwhile_does_not_matter() {
        let folder = std::env::temp_dir().join(format!("weft-durable-{}", std::process::id()));
        fs::create_dir_all(folder.join("a")).unwrap();
        for number in 0..300 {
            fs::write(folder.join(format!("a/{number}")), "x").unwrap();
        }
        for number in 0..50 {
            let mut syncing = Syncing::tree(&folder).unwrap();
            fs::write(folder.join("a/new"), "x").unwrap();
            fs::rename(folder.join("a/new"), folder.join(format!("a/moved-{number}"))).unwrap();
            fs::remove_file(folder.join(format!("a/moved-{number}"))).unwrap();
            syncing.wait().unwrap();
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
