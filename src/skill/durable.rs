//! What was written, brought to the disk. Many files at once take little longer than one: the kernel is told of all of them
//! before it is waited for.

use super::Problem;
use crate::files::sync_folder;
use crate::sys::fs::begin_writing;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
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

    /// Begins with everything below a folder, itself included.
    ///
    /// # Errors
    /// Only where there is no thread to be had and it was done at once.
    pub fn tree(folder: &Path) -> io::Result<Syncing> {
        let all = folder.to_owned();
        match thread::Builder::new().spawn(move || sync_tree(&all)) {
            Ok(handle) => Ok(Syncing(Some(handle))),
            Err(_) => sync_tree(folder).map(|()| Syncing(None)),
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

fn sync_tree(folder: &Path) -> io::Result<()> {
    let mut folders = vec![folder.to_owned()];
    let mut files = Vec::new();
    let mut next = 0;
    while let Some(folder) = folders.get(next).cloned() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            match kind.is_dir() {
                true => folders.push(entry.path()),
                false if kind.is_file() => files.push(entry.path()),
                false => {}
            }
        }
        next += 1;
    }
    for some in files.chunks(OPEN) {
        let open: Vec<File> = some.iter().map(File::open).collect::<io::Result<_>>()?;
        open.iter().for_each(begin_writing);
        open.iter().try_for_each(File::sync_all)?;
    }
    folders.iter().rev().try_for_each(|folder| sync_folder(folder))
}
