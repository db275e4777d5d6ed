//! Policy files as they were in a revision of a git repository. Asks git for blobs, runs nothing that the repository names.

use super::error::Error;
use super::file::MAX_BYTES;
use super::load::Files;
use crate::scan::diff::{DiffError, commit, git, top};
use std::io;
use std::path::{Component, Path, PathBuf};

/// The files of one commit; what is outside the repository is read from the disk.
#[derive(Debug)]
pub struct Revision {
    top: PathBuf,
    commit: String,
    /// As the user named it.
    name: String,
}

impl Revision {
    /// The revision of the repository that `folder` is in. `REV...` is where the branch left `REV`.
    pub fn open(folder: &Path, name: &str) -> Result<Revision, DiffError> {
        let top = top(folder)?;
        let commit = commit(&top, name, "--git")?;
        Ok(Revision { top, commit, name: name.to_owned() })
    }

    /// The name below the top of the repository, if it is in there.
    fn below(&self, path: &Path) -> Option<PathBuf> {
        let real = self.place(path).ok()?;
        real.strip_prefix(&self.top).ok().map(Path::to_owned)
    }

    /// Absolute, with the links of the folder followed as far as it exists today; the file itself may be gone by now.
    fn place(&self, path: &Path) -> io::Result<PathBuf> {
        let full = std::path::absolute(path)?;
        let mut plain = PathBuf::new();
        for part in full.components() {
            match part {
                Component::ParentDir => drop(plain.pop()),
                Component::CurDir => {}
                part => plain.push(part),
            }
        }
        let mut rest = Vec::new();
        let mut at = plain.clone();
        while let (Some(parent), Some(name)) = (at.parent().map(Path::to_owned), at.file_name()) {
            rest.push(name.to_owned());
            if let Ok(real) = parent.canonicalize() {
                return Ok(rest.iter().rev().fold(real, |path, name| path.join(name)));
            }
            at = parent;
        }
        Ok(plain)
    }

    /// Whether the revision has a file of this name.
    pub fn has(&self, path: &Path) -> Result<bool, Error> {
        match self.below(path) {
            Some(name) => Ok(self.entry(&name, &path.to_string_lossy())?.is_some()),
            None => Ok(path.exists()),
        }
    }

    /// The id of the blob of that name; none when there is no such name. The error is for what is no file.
    fn entry(&self, name: &Path, shown: &str) -> Result<Option<String>, Error> {
        let Some(text) = name.to_str() else { return Err(error(shown, "the name is not UTF-8")) };
        let args = ["ls-tree", "-z", "--full-tree", &self.commit, "--", text];
        let said = git(&self.top, &args).map_err(|_| error(shown, "git cannot list it"))?;
        let said = String::from_utf8_lossy(&said);
        let Some((head, found)) = said.split('\0').next().and_then(|entry| entry.split_once('\t')) else {
            return Ok(None);
        };
        let mut words = head.split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some("100644" | "100755"), Some("blob"), Some(id)) if found == text => Ok(Some(id.to_owned())),
            (Some("120000"), ..) => Err(error(shown, "it is a symbolic link in that revision")),
            _ => Err(error(shown, "it is no file in that revision")),
        }
    }

    fn blob(&self, name: &Path, shown: &str) -> Result<Vec<u8>, Error> {
        let id = self.entry(name, shown)?.ok_or_else(|| error(shown, "it is not in that revision"))?;
        let failed = |_| error(shown, "git cannot read it");
        let size = git(&self.top, &["cat-file", "-s", &id]).map_err(failed)?;
        let size = String::from_utf8_lossy(&size).trim().parse::<u64>().unwrap_or(u64::MAX);
        if size > MAX_BYTES {
            return Err(error(shown, &format!("the policy is larger than {MAX_BYTES} bytes")));
        }
        git(&self.top, &["cat-file", "blob", &id]).map_err(failed)
    }
}

fn error(shown: &str, why: &str) -> Error {
    let message = format!("cannot read the policy: {why}");
    Error { file: shown.into(), line: 0, column: 0, message, help: String::new() }
}

impl Files for Revision {
    fn shown(&self, name: &str) -> String {
        format!("{}:{name}", self.name)
    }

    fn read(&self, shown: &str, path: &Path) -> Result<String, Error> {
        let Some(name) = self.below(path) else { return super::file::read(shown, path) };
        String::from_utf8(self.blob(&name, shown)?).map_err(|_| error(shown, "it is not UTF-8"))
    }

    fn real(&self, path: &Path) -> io::Result<PathBuf> {
        self.place(path)
    }
}
