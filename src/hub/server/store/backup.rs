//! A store as one tar file, and back. A backup made while the hub is serving is the store as it was at its last signed
//! checkpoint; a restored one is looked at, event by event and blob by blob, before it is in place.

use super::blobs::Entry;
use super::lines::At;
use super::verify::{Report, Tell, verify};
use super::{REPAIR, Store, sign, tar};
use crate::clock;
use crate::digest::{Hasher, Sha256};
use crate::files::sync_folder;
use crate::skill::Problem;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Where a backup is unpacked before it is in place, in the folder it is for.
const UNPACKED: &str = ".restoring";
/// What the store consists of, in the order in which it is put in place: it is none before the last.
const PARTS: [&str; 6] = ["blobs", "log", "keys", "counters", "spool", "store.json"];
/// Everything but log and blobs is smaller.
const LARGEST_SMALL: u64 = 1 << 30;

/// What is in a backup.
#[derive(Debug, Default)]
pub struct Contents {
    pub events: u64,
    pub blobs: u64,
    pub bytes: u64,
    pub keys: bool,
}

/// An archive that is being written.
struct Archive<'a> {
    out: &'a mut dyn Write,
    time: u64,
    bytes: u64,
}

impl Archive<'_> {
    /// A file of so many bytes; gives its hash.
    fn add(&mut self, name: &str, size: u64, content: &mut dyn Read) -> io::Result<Sha256> {
        tar::header(self.out, name, size, self.time)?;
        let mut buffer = vec![0; 128 << 10];
        let mut hasher = Hasher::default();
        let mut rest = size;
        while rest > 0 {
            let length = buffer.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
            let Some(piece) = buffer.get_mut(..length) else { break };
            content.read_exact(piece)?;
            hasher.update(piece);
            self.out.write_all(piece)?;
            rest -= length as u64;
        }
        self.bytes += size;
        tar::pad(self.out, size)?;
        Ok(hasher.finish())
    }

    fn add_small(&mut self, name: &str, path: &Path) -> io::Result<()> {
        let bytes = fs::read(path)?;
        self.add(name, bytes.len() as u64, &mut bytes.as_slice()).map(drop)
    }
}

/// Writes a store into `out`. The keys go along unless the caller leaves them out.
///
/// # Errors
/// Where something cannot be read or is damaged: then the backup is worth nothing.
pub fn backup(dir: &Path, out: &mut dyn Write, keys: bool, tell: Tell) -> Result<Contents, Problem> {
    let (store, _) = Store::open_read_only(dir)?;
    let failed = |error: io::Error| Problem::file("cannot make the backup", dir, &error);
    let mut archive = Archive { out, time: clock::now().as_secs(), bytes: 0 };
    let mut contents = Contents { events: store.size(), ..Contents::default() };
    let mut add = |name: &str, path: &Path| archive.add_small(name, path);
    add("store.json", &super::description(dir)).map_err(failed)?;
    if keys {
        for entry in fs::read_dir(dir.join("keys")).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| is_plain(name))
            {
                add(&format!("keys/{name}"), &path).map_err(failed)?;
                contents.keys = true;
            }
        }
    }
    if dir.join("counters").is_file() {
        add("counters", &dir.join("counters")).map_err(failed)?;
    }
    // The log as it was checked when it was opened, with the checkpoints that are about it.
    let checkpoint = store.checkpoint();
    let mut kept = sign::find(&dir.join("log"), store.log.signer())?.good;
    kept.retain(|kept| kept.size <= checkpoint.size);
    // The last one may be kept already.
    kept.dedup_by_key(|kept| kept.size);
    for kept in &kept {
        let name = format!("log/checkpoints/{:020}", kept.size);
        archive.add(&name, kept.note.len() as u64, &mut kept.note.as_bytes()).map_err(failed)?;
    }
    let note = checkpoint.note.as_bytes();
    archive.add("log/checkpoint", note.len() as u64, &mut &*note).map_err(failed)?;
    let log = File::open(dir.join("log/events.jsonl")).map_err(failed)?;
    let end = store.log.end();
    archive.add("log/events.jsonl", end, &mut At { file: &log, offset: 0, end }).map_err(failed)?;
    // After the log: every blob that an event in it names is there.
    store.blobs().each(&mut |entry| {
        let Entry::Blob(hash, size) = entry else { return Ok(()) };
        let name = hash.to_string();
        let name = format!("blobs/{}/{name}", name.get(..2).unwrap_or_default());
        let mut file = store.blobs().open(&hash)?;
        if archive.add(&name, size, &mut file).map_err(failed)? != hash {
            let path = store.blobs().path(&hash);
            return Err(Problem::new(
                "a blob is damaged: the backup was given up",
                path.display().to_string(),
                REPAIR,
            ));
        }
        contents.blobs += 1;
        tell("writing", archive.bytes);
        Ok(())
    })?;
    tar::end(archive.out).and_then(|()| archive.out.flush()).map_err(failed)?;
    contents.bytes = archive.bytes;
    Ok(contents)
}

fn is_plain(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !name.starts_with('.') && (1..=80).contains(&name.len()) && name.bytes().all(plain)
}

/// Is it the name of something that a store has, and nothing else?
fn belongs(name: &str) -> bool {
    match *name.split('/').collect::<Vec<_>>() {
        ["store.json" | "counters"] => true,
        ["log", "events.jsonl" | "checkpoint"] => true,
        ["log", "checkpoints", size] => size.len() == 20 && size.bytes().all(|b| b.is_ascii_digit()),
        ["keys", key] => is_plain(key),
        ["blobs", folder, blob] => Sha256::parse(blob).is_some() && blob.get(..2) == Some(folder),
        _ => false,
    }
}

/// Makes a store of a backup, in a folder that is empty or not there, and looks at all of it before it is in place. A backup
/// without keys gives a store that can be looked at, not served.
///
/// # Errors
/// Where the archive is none of ours or what is in it does not hold: then the folder is as it was.
pub fn restore(input: &mut dyn Read, dir: &Path, tell: Tell) -> Result<Report, Problem> {
    let failed = |error: io::Error| Problem::file("cannot restore the store", dir, &error);
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    if fs::read_dir(dir).map_err(failed)?.next().is_some() {
        let fix = "name one that is empty or not there";
        return Err(Problem::new("the folder is not empty", dir.display().to_string(), fix));
    }
    let unpacked = dir.join(UNPACKED);
    let restored = unpack(input, &unpacked, tell).and_then(|()| {
        let report = verify(&unpacked, tell)?;
        match report.faults.first() {
            Some(fault) => {
                let what = format!("the backup is damaged: {}", fault.what);
                Err(Problem::new(what, fault.at.clone(), "take another backup; nothing was restored"))
            }
            None => Ok(report),
        }
    });
    let placed = restored.and_then(|report| place(&unpacked, dir).map_err(failed).map(|()| report));
    if placed.is_err() {
        // The first error is the one worth telling.
        let _ = fs::remove_dir_all(&unpacked);
    }
    placed
}

fn unpack(input: &mut dyn Read, to: &Path, tell: Tell) -> Result<(), Problem> {
    let failed = |error: io::Error| Problem::file("cannot unpack the backup", to, &error);
    let make = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
    for folder in ["blobs", "keys", "log/checkpoints", "spool"] {
        make(&to.join(folder)).map_err(failed)?;
    }
    let mut bytes = 0;
    while let Some(member) = tar::next(input).map_err(failed)? {
        if !member.file && member.size == 0 {
            continue;
        }
        let strange = |what: &str| Problem::new(what, member.name.clone(), "is it a backup of a hub?");
        if !member.file || !belongs(&member.name) {
            return Err(strange("this is nothing that a store has"));
        }
        let large = member.name.starts_with("blobs/") || member.name == "log/events.jsonl";
        if !large && member.size > LARGEST_SMALL {
            return Err(strange("too large"));
        }
        let path = to.join(&member.name);
        let write = |input: &mut dyn Read| {
            if let Some(folder) = path.parent() {
                make(folder)?;
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            let copied = io::copy(&mut (&mut *input).take(member.size), &mut file)?;
            if copied != member.size {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            tar::skip_padding(input, member.size)?;
            file.sync_all()
        };
        write(input).map_err(failed)?;
        bytes += member.size;
        tell("unpacking", bytes);
    }
    Ok(())
}

/// Moves what was unpacked to where it belongs.
fn place(from: &Path, to: &Path) -> io::Result<()> {
    for folder in ["blobs", "log/checkpoints", "log", "keys"] {
        sync_folder(&from.join(folder))?;
    }
    for folder in fs::read_dir(from.join("blobs"))? {
        sync_folder(&folder?.path())?;
    }
    for part in PARTS {
        match fs::rename(from.join(part), to.join(part)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::remove_dir(from)?;
    sync_folder(to)
}
