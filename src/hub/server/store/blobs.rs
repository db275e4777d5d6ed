//! Contents, each under the name of its own SHA-256: `blobs/ab/abcdef…`. Nothing is ever changed, so a reader needs no
//! lock, and the same content twice costs nothing. Which blobs are meant is up to whoever keeps the names.

use crate::digest::Sha256;
use crate::files::sync_folder;
use crate::hub::server::http::Spooled;
use crate::skill::Problem;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The blobs of a store.
pub struct Blobs {
    folder: PathBuf,
    /// For what is not whole yet; on the same file system.
    spool: PathBuf,
    next: AtomicU64,
}

impl Blobs {
    pub(super) fn new(folder: PathBuf, spool: PathBuf) -> Blobs {
        Blobs { folder, spool, next: AtomicU64::new(0) }
    }

    /// Where the content of this hash is, if it is there.
    pub fn path(&self, hash: &Sha256) -> PathBuf {
        let name = hash.to_string();
        self.folder.join(name.get(..2).unwrap_or_default()).join(name)
    }

    pub fn has(&self, hash: &Sha256) -> bool {
        fs::metadata(self.path(hash)).is_ok_and(|meta| meta.is_file())
    }

    /// Is it there with that length, for good? A file of another length is damaged and is replaced by who has the content.
    fn is_whole(&self, hash: &Sha256, length: u64) -> bool {
        let path = self.path(hash);
        let there = fs::metadata(&path).is_ok_and(|meta| meta.is_file() && meta.len() == length);
        // Another thread may have given it the name this moment. Where it did not, this costs nothing.
        there && path.parent().is_some_and(|folder| sync_folder(folder).is_ok())
    }

    /// Keeps the bytes; on the disk when it returns.
    pub fn put(&self, bytes: &[u8]) -> Result<Sha256, Problem> {
        let hash = Sha256::of(bytes);
        if self.is_whole(&hash, bytes.len() as u64) {
            return Ok(hash);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.spool.join(format!("blob-{}-{number}", std::process::id()));
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        let kept = write().and_then(|()| self.take(&path, &hash));
        if kept.is_err() {
            // The first error is the one worth telling.
            let _ = fs::remove_file(&path);
        }
        kept.map_err(|error| Problem::file("cannot keep a file", &self.path(&hash), &error))?;
        Ok(hash)
    }

    /// Keeps what the front spooled, by its name alone: nothing is copied.
    pub fn put_file(&self, spooled: Spooled) -> Result<Sha256, Problem> {
        let hash = spooled.sha256;
        if self.is_whole(&hash, spooled.length) {
            return Ok(hash);
        }
        let keep = || {
            let file = OpenOptions::new().write(true).open(&spooled.path)?;
            if file.metadata()?.len() != spooled.length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            file.sync_all()?;
            self.take(&spooled.path, &hash)
        };
        keep().map_err(|error| Problem::file("cannot keep a file", &self.path(&hash), &error))?;
        Ok(hash)
    }

    /// Gives a whole, synced file its name.
    fn take(&self, path: &Path, hash: &Sha256) -> io::Result<()> {
        let target = self.path(hash);
        let folder = target.parent().unwrap_or(&self.folder);
        match DirBuilder::new().mode(0o700).create(folder) {
            Ok(()) => sync_folder(&self.folder)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        fs::rename(path, &target)?;
        sync_folder(folder)
    }

    /// For reading or sending. The content is not checked: `verify` does that.
    pub fn open(&self, hash: &Sha256) -> Result<File, Problem> {
        let path = self.path(hash);
        File::open(&path).map_err(|error| Problem::file("cannot read a file of the store", &path, &error))
    }

    /// The whole content, if it is no longer than `limit` and is what its name says.
    pub fn read(&self, hash: &Sha256, limit: u64) -> Result<Vec<u8>, Problem> {
        let mut bytes = Vec::new();
        let path = self.path(hash);
        let failed = |error: io::Error| Problem::file("cannot read a file of the store", &path, &error);
        self.open(hash)?.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > limit {
            return Err(Problem::new(
                format!("a file of the store is longer than {limit} bytes"),
                path.display().to_string(),
                "",
            ));
        }
        if Sha256::of(&bytes) != *hash {
            return Err(Problem::new(
                "a file of the store is damaged",
                path.display().to_string(),
                super::REPAIR,
            ));
        }
        Ok(bytes)
    }

    /// Tells every blob with its length, in the order of their names. What has no blob's name is told as a path.
    pub fn each(&self, tell: &mut dyn FnMut(Entry) -> Result<(), Problem>) -> Result<(), Problem> {
        let failed = |path: &Path, error: &io::Error| Problem::file("cannot read", path, error);
        for folder in sorted(&self.folder).map_err(|error| failed(&self.folder, &error))? {
            if !folder.is_dir() {
                tell(Entry::Other(folder))?;
                continue;
            }
            for path in sorted(&folder).map_err(|error| failed(&folder, &error))? {
                let name = path.file_name().and_then(|name| name.to_str()).and_then(Sha256::parse);
                let length =
                    fs::symlink_metadata(&path).ok().filter(|meta| meta.is_file()).map(|meta| meta.len());
                match (name, length) {
                    (Some(hash), Some(length)) if self.path(&hash) == path => {
                        tell(Entry::Blob(hash, length))?
                    }
                    _ => tell(Entry::Other(path))?,
                }
            }
        }
        Ok(())
    }
}

/// What lies in the folder of the blobs.
pub enum Entry {
    Blob(Sha256, u64),
    Other(PathBuf),
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (PathBuf, Blobs) {
        let dir = std::env::temp_dir().join(format!("weft-blobs-{}", std::process::id()));
        for name in ["blobs", "spool"] {
            fs::create_dir_all(dir.join(name)).unwrap();
        }
        let blobs = Blobs::new(dir.join("blobs"), dir.join("spool"));
        (dir, blobs)
    }

    #[test]
    fn contents_come_back_and_damage_is_noticed() {
        let (dir, blobs) = scratch();
        let hash = blobs.put(b"content").unwrap();
        assert_eq!(hash, Sha256::of(b"content"));
        assert!(blobs.has(&hash) && !blobs.has(&Sha256::of(b"")));
        let first = fs::metadata(blobs.path(&hash)).unwrap().modified().unwrap();
        assert_eq!(blobs.put(b"content").unwrap(), hash);
        assert_eq!(fs::metadata(blobs.path(&hash)).unwrap().modified().unwrap(), first);
        assert_eq!(blobs.read(&hash, 7).unwrap(), b"content");
        assert!(blobs.read(&hash, 6).is_err() && blobs.open(&Sha256::of(b"")).is_err());
        // Cut off: noticed, and healed by who brings the content again.
        fs::write(blobs.path(&hash), "cont").unwrap();
        assert!(blobs.read(&hash, 100).unwrap_err().what.contains("damaged"));
        blobs.put(b"content").unwrap();
        assert_eq!(blobs.read(&hash, 100).unwrap(), b"content");
        let path = dir.join("spool/upload");
        fs::write(&path, "spooled").unwrap();
        let spooled = |length| Spooled { path: path.clone(), length, sha256: Sha256::of(b"spooled") };
        let hash = blobs.put_file(spooled(7)).unwrap();
        assert_eq!(blobs.read(&hash, 100).unwrap(), b"spooled");
        fs::write(&path, "spooled").unwrap();
        blobs.put_file(spooled(7)).unwrap();
        assert!(!path.exists());
        assert!(blobs.put_file(spooled(8)).is_err());
        fs::write(dir.join("blobs/stray"), "").unwrap();
        let (mut found, mut others) = (Vec::new(), 0);
        blobs
            .each(&mut |entry| {
                match entry {
                    Entry::Blob(hash, length) => found.push((hash, length)),
                    Entry::Other(_) => others += 1,
                }
                Ok(())
            })
            .unwrap();
        assert_eq!((found.len(), others), (2, 1));
        assert_eq!(fs::read_dir(dir.join("spool")).unwrap().count(), 0);
        fs::remove_dir_all(dir).unwrap();
    }
}
