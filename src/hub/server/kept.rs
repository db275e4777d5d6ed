//! What is kept beside the log to be quick or to be counted, and may be lost: the state as of some event, and how often each
//! skill was downloaded and installed. Both files are replaced whole.

use super::state::{SkillId, State};
use super::store::Store;
use crate::digest::Sha256;
use crate::files::{write_atomic, write_lightly};
use crate::skill::Problem;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

const MAGIC: &[u8; 8] = b"weftsta1";
/// A larger file is not ours.
const LARGEST: u64 = 1 << 30;

fn snapshot_path(store: &Store) -> PathBuf {
    store.dir().join("state.bin")
}

fn counts_path(store: &Store) -> PathBuf {
    store.dir().join("counts.txt")
}

fn read(path: PathBuf) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path).ok()?;
    bytes.reserve_exact(usize::try_from(file.metadata().ok()?.len().min(LARGEST)).ok()?);
    file.take(LARGEST).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Writes the state: with how many events are in it, the root of the log then, and a hash of itself.
pub fn save(store: &Store, applied: u64, state: &[u8]) -> Result<(), Problem> {
    let path = snapshot_path(store);
    let Some(root) = store.root_at(applied) else { return Ok(()) };
    let written = write_lightly(&path, |out| {
        out.write_all(MAGIC)?;
        out.write_all(&applied.to_le_bytes())?;
        out.write_all(root.as_bytes())?;
        out.write_all(Sha256::of(state).as_bytes())?;
        out.write_all(state)
    });
    written.map_err(|error| Problem::file("cannot write", &path, &error))
}

/// Reads it back. `None` where it is not there, not whole, or not of this log.
pub fn load(store: &Store) -> Option<State> {
    let bytes = read(snapshot_path(store))?;
    let rest = bytes.strip_prefix(MAGIC)?;
    let (applied, rest) = rest.split_first_chunk::<8>()?;
    let (root, rest) = rest.split_first_chunk::<32>()?;
    let (hash, state) = rest.split_first_chunk::<32>()?;
    let applied = u64::from_le_bytes(*applied);
    if store.root_at(applied) != Some(Sha256::from_bytes(*root))
        || Sha256::of(state) != Sha256::from_bytes(*hash)
    {
        return None;
    }
    State::decode(state).filter(|state| state.applied() == applied)
}

/// Writes what was counted: a line for each skill, `id downloads installs`.
pub fn save_counts(store: &Store, state: &State) -> Result<(), Problem> {
    let mut text = String::new();
    for (id, skill) in state.skills() {
        let counts = skill.counts;
        if counts.downloads > 0 || counts.installs > 0 {
            text.push_str(&format!("{id} {} {}\n", counts.downloads, counts.installs));
        }
    }
    let path = counts_path(store);
    write_atomic(&path, |out| out.write_all(text.as_bytes()))
        .map_err(|error| Problem::file("cannot write", &path, &error))
}

/// Adds what was counted before to a state that was just read.
pub fn load_counts(store: &Store, state: &mut State) {
    let bytes = read(counts_path(store)).unwrap_or_default();
    for line in String::from_utf8_lossy(&bytes).lines() {
        let mut words = line.split(' ').map(str::parse::<u64>);
        let (Some(Ok(id)), Some(Ok(downloads)), Some(Ok(installs))) =
            (words.next(), words.next(), words.next())
        else {
            continue;
        };
        if let Ok(id) = SkillId::try_from(id) {
            state.counted(id, downloads, installs, 0);
        }
    }
}
