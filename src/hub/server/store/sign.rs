//! The log's key and its checkpoints: signed, written, and found again.

use super::KEY;
use crate::clock;
use crate::digest::Sha256;
use crate::files::{write_atomic, write_lightly};
use crate::skill::Problem;
use crate::trust::note::{self, Verifier};
use crate::trust::{SecretKey, keyfile, merkle};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The state of the log, signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many events it covers.
    pub size: u64,
    pub root: Sha256,
    /// When it was signed, in seconds since 1970.
    pub time: u64,
    /// The signed note, as it is sent out.
    pub note: String,
}

/// Signs, or only checks where the key is not to be had. Also says what the leaf of a line is, for a replica has lines that
/// stand for others.
pub struct Signer {
    pub verifier: Verifier,
    key: Option<SecretKey>,
    /// The log is another hub's.
    replica: bool,
}

/// In a replica: the line of an event that its hub shows nobody.
pub fn stand_in(leaf: &Sha256) -> String {
    format!("{{\"leaf\":\"{leaf}\"}}")
}

/// The leaf that such a line stands for.
pub fn stands_for(line: &[u8]) -> Option<Sha256> {
    let text = std::str::from_utf8(line).ok()?;
    let leaf = Sha256::parse(text.strip_prefix("{\"leaf\":\"")?.strip_suffix("\"}")?)?;
    // One spelling of each.
    (stand_in(&leaf) == text).then_some(leaf)
}

impl Signer {
    /// With the key of the store.
    pub fn open(dir: &Path, verifier: Verifier) -> Result<Signer, Problem> {
        let path = dir.join(KEY);
        let file = keyfile::read(&path)?;
        let wrong = |what| {
            Problem::new(what, path.display().to_string(), "restore the key of this hub from a backup")
        };
        let key = file.unlock(None).ok_or_else(|| wrong("the key of the log cannot be used"))?;
        if key.public() != verifier.key() {
            return Err(wrong("this is not the key of this log"));
        }
        Ok(Signer { verifier, key: Some(key), replica: false })
    }

    /// Without a key: for reading.
    pub const fn without_key(verifier: Verifier) -> Signer {
        Signer { verifier, key: None, replica: false }
    }

    /// For the log of another hub, which alone has the key.
    pub const fn of_replica(verifier: Verifier) -> Signer {
        Signer { verifier, key: None, replica: true }
    }

    pub const fn is_replica(&self) -> bool {
        self.replica
    }

    /// The leaf of a line of this log (RFC 9162, 2.1.1).
    pub fn leaf(&self, line: &[u8]) -> Sha256 {
        let other = if self.replica { stands_for(line) } else { None };
        other.unwrap_or_else(|| merkle::leaf(line))
    }

    /// `None` without the key.
    pub fn sign(&self, size: u64, root: Sha256) -> Option<Checkpoint> {
        let key = self.key.as_ref()?;
        let time = clock::now().as_secs();
        let checkpoint = note::Checkpoint { origin: self.verifier.name().to_owned(), size, root };
        Some(Checkpoint { size, root, time, note: checkpoint.sign(&self.verifier, key, time) })
    }

    /// A checkpoint of this log as it was written: with both signatures, of which one says when. A reader may ignore a
    /// line that is not for it (C2SP signed-note); what a hub wrote itself has no such line unless it was damaged.
    pub fn check(&self, note: String) -> Option<Checkpoint> {
        let signed = note::verify(&note, &self.verifier).ok()?;
        let note::Checkpoint { size, root, .. } = signed.checkpoint;
        Some(Checkpoint { size, root, time: signed.time?, note })
    }
}

fn latest(folder: &Path) -> PathBuf {
    folder.join("checkpoint")
}

/// Where those are kept that `verify` goes by later.
fn kept(folder: &Path) -> PathBuf {
    folder.join("checkpoints")
}

/// Writes the latest one. Without `sync` a power cut may take it back to an earlier one, or damage it: both are found out.
pub fn write_latest(folder: &Path, checkpoint: &Checkpoint, sync: bool) -> io::Result<()> {
    let path = latest(folder);
    let body = |out: &mut dyn io::Write| out.write_all(checkpoint.note.as_bytes());
    if sync { write_atomic(&path, body) } else { write_lightly(&path, body) }
}

/// Keeps one for good.
pub fn keep(folder: &Path, checkpoint: &Checkpoint) -> io::Result<()> {
    let folder = kept(folder);
    fs::create_dir_all(&folder)?;
    write_atomic(&folder.join(format!("{:020}", checkpoint.size)), |out| {
        out.write_all(checkpoint.note.as_bytes())
    })?;
    crate::files::sync_folder(&folder)
}

/// What was found of the log's checkpoints.
pub struct Found {
    /// Those that hold, by size.
    pub good: Vec<Checkpoint>,
    /// Files that should be checkpoints of this log and are not.
    pub bad: Vec<PathBuf>,
    /// When one was kept last, as it says itself.
    pub kept: u64,
}

/// Reads all checkpoints there are.
pub fn find(folder: &Path, signer: &Signer) -> Result<Found, Problem> {
    let mut paths = match fs::read_dir(kept(folder)) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(Problem::file("cannot read", &kept(folder), &error)),
    };
    // A hidden one was being written.
    paths.retain(|path| !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")));
    paths.sort();
    paths.push(latest(folder));
    let mut found = Found { good: Vec::new(), bad: Vec::new(), kept: 0 };
    for path in paths {
        let is_latest = path == latest(folder);
        match fs::read_to_string(&path) {
            Ok(text) => match signer.check(text) {
                Some(checkpoint) => {
                    found.kept = if is_latest { found.kept } else { found.kept.max(checkpoint.time) };
                    found.good.push(checkpoint);
                }
                None => found.bad.push(path),
            },
            Err(error) if is_latest && error.kind() == io::ErrorKind::NotFound => found.bad.push(path),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => found.bad.push(path),
            Err(error) => return Err(Problem::file("cannot read a checkpoint", &path, &error)),
        }
    }
    // Of those for one size, the youngest.
    found.good.sort_by_key(|checkpoint| (checkpoint.size, checkpoint.time));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A backup is refused for one bit in a checkpoint, in whichever of its lines it is.
    #[test]
    fn a_damaged_checkpoint_is_none() {
        let key = SecretKey::from_seed([5; 32]).unwrap();
        let verifier = Verifier::new("hub.example/log", *key.public()).unwrap();
        let signer = Signer { verifier, key: Some(key), replica: false };
        let note = signer.sign(7, Sha256::of(b"root")).unwrap().note;
        assert!(signer.check(note.clone()).is_some());
        for at in 0..note.len() {
            for bit in 0..8 {
                let mut bytes = note.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                if let Ok(damaged) = String::from_utf8(bytes) {
                    assert!(signer.check(damaged).is_none(), "byte {at}, bit {bit}");
                }
            }
        }
    }
}
