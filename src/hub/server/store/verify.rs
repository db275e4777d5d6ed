//! Looks at everything a store holds: every event, the tree under every checkpoint that was kept, every blob. Changes
//! nothing, and works while a hub is serving.

use super::blobs::{Blobs, Entry};
use super::lines::Lines;
use super::sign::{self, Checkpoint, Signer};
use super::tree::{Tree, WIDTH, count};
use super::{Description, KEY, is_event, is_idle, is_salted, read_description};
use crate::digest::Sha256;
use crate::json::{self, Node, Value};
use crate::skill::Problem;
use crate::trust::keyfile;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Faults beyond this number are counted, not described.
const MOST_FAULTS: usize = 200;
/// Members of an event that name a blob.
const NAMES: [&str; 3] = ["zip", "sha256", "blob"];

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    pub events: u64,
    pub private: u64,
    pub log_bytes: u64,
    /// Checkpoints that hold.
    pub checkpoints: u64,
    pub blobs: u64,
    pub blob_bytes: u64,
    /// Blobs that no event names: of a publication that did not come to its end, or is just happening.
    pub unnamed: Vec<Sha256>,
    /// What is damaged.
    pub faults: Vec<Fault>,
    /// Faults that found no place in the list.
    pub more: u64,
    /// What is odd and harmless.
    pub remarks: Vec<String>,
}

/// Something is not as it was.
#[derive(Debug)]
pub struct Fault {
    /// A file, with the event's number and offset where it is about one.
    pub at: String,
    pub what: String,
}

/// How far it is: what is being looked at, and how much of it in bytes is done.
pub type Tell<'a> = &'a dyn Fn(&str, u64);

impl Report {
    pub fn holds(&self) -> bool {
        self.faults.is_empty() && self.more == 0
    }

    fn fault(&mut self, at: impl Into<String>, what: impl Into<String>) {
        match self.faults.len() < MOST_FAULTS {
            true => self.faults.push(Fault { at: at.into(), what: what.into() }),
            false => self.more += 1,
        }
    }
}

/// Looks at the store in a folder.
///
/// # Errors
/// Where it cannot be looked at: no store, no permission. What is damaged is in the report.
pub fn verify(dir: &Path, tell: Tell) -> Result<Report, Problem> {
    let Description { verifier, replica_of } = read_description(dir)?;
    let mut report = Report::default();
    let key = dir.join(KEY);
    match keyfile::read(&key) {
        _ if replica_of.is_some() => {}
        Ok(file) if file.public != *verifier.key() => {
            report.fault(key.display().to_string(), "this is not the key of this log");
        }
        Ok(_) => {}
        Err(problem) if !key.exists() => {
            report.remarks.push(format!("without its key this store cannot be served: {}", problem.at));
        }
        Err(problem) => report.fault(key.display().to_string(), problem.what),
    }
    let folder = dir.join("log");
    let signer = match &replica_of {
        Some(_) => Signer::of_replica(verifier),
        None => Signer::without_key(verifier),
    };
    // Before the log: what they cover is there when the log is read.
    let found = sign::find(&folder, &signer)?;
    for bad in &found.bad {
        report.fault(bad.display().to_string(), "missing, or not signed by the key of this log");
    }
    let named = look_at_log(&folder, (&signer, &found.good), is_idle(dir), &mut report, tell)?;
    let blobs = Blobs::new(dir.join("blobs"), dir.join("spool"));
    let missing = look_at_blobs(&blobs, named, &mut report, tell)?;
    if replica_of.is_some() {
        // Of versions that were withdrawn or hidden before they came here.
        if !missing.is_empty() {
            report.remarks.push(format!("{} files that events name are not in this replica", missing.len()));
        }
    } else {
        for (index, hash) in missing {
            let at = blobs.path(&hash).display().to_string();
            report.fault(at, format!("missing: event {index} names it"));
        }
    }
    Ok(report)
}

/// Every event and every checkpoint. Gives the blobs that events name, each with the first event that does.
fn look_at_log(
    folder: &Path,
    (signer, checkpoints): (&Signer, &[Checkpoint]),
    idle: bool,
    report: &mut Report,
    tell: Tell,
) -> Result<HashMap<Sha256, u64>, Problem> {
    let path = folder.join("events.jsonl");
    let shown = path.display().to_string();
    let failed = |error: io::Error| Problem::file("cannot read the log", &path, &error);
    let file = File::open(&path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let hashes = File::open(folder.join("hashes")).ok();
    let empty = File::open("/dev/null").map_err(failed)?;
    let signed = checkpoints.last().map_or(0, |checkpoint| checkpoint.size);
    let mut tree = Tree::new(empty, 0);
    let mut named = HashMap::new();
    let mut lines = Lines::new(&file, 0, length);
    // Events whose leaf is not the one in the file of hashes: it tells where the damage is.
    let mut strange = Vec::new();
    let mut wrong_roots = 0;
    let mut due = checkpoints.iter().peekable();
    loop {
        while let Some(checkpoint) = due.next_if(|checkpoint| checkpoint.size == tree.size()) {
            if tree.root() == checkpoint.root {
                report.checkpoints += 1;
            } else {
                wrong_roots += 1;
                let what = format!("its first {} events are not those that were signed", checkpoint.size);
                report.fault(shown.clone(), what);
            }
        }
        let index = tree.size();
        let Some(line) = lines.next().map_err(failed)? else { break };
        let good = is_event(line.bytes);
        if !line.whole || !good && index >= signed {
            // Behind what was signed it may be torn, or just be written.
            if index >= signed && idle {
                let torn = length - line.offset;
                report
                    .remarks
                    .push(format!("{torn} bytes at the end of the log are no event; a start cuts them off"));
            }
            break;
        }
        if !good {
            report.fault(format!("{shown}: event {index} at byte {}", line.offset), "not an event");
        }
        let leaf = signer.leaf(line.bytes);
        if strange.len() < 10 && known_leaf(hashes.as_ref(), index).is_some_and(|known| known != leaf) {
            strange.push((index, line.offset));
        }
        tree.replay(leaf, &mut |_| ());
        report.events += 1;
        report.log_bytes = line.offset + line.bytes.len() as u64 + 1;
        if let Ok(text) = std::str::from_utf8(line.bytes) {
            report.private +=
                u64::from(is_salted(text) || signer.is_replica() && sign::stands_for(line.bytes).is_some());
            if let Ok(node) = json::parse(text) {
                names(&node, &mut |hash| {
                    named.entry(hash).or_insert(index);
                });
            }
        }
        if index.is_multiple_of(1024) {
            tell("events", report.log_bytes);
        }
    }
    if due.peek().is_some() {
        let what = format!("the log ends after {} events of {signed} that were signed", tree.size());
        report.fault(shown.clone(), what);
    }
    if wrong_roots > 0 {
        for (index, offset) in strange {
            report.fault(format!("{shown}: event {index} at byte {offset}"), "not the event that was kept");
        }
    } else if let Some((index, _)) = strange.first() {
        report.remarks.push(format!("the file of hashes is wrong from event {index} on; a start mends it"));
    }
    Ok(named)
}

fn known_leaf(hashes: Option<&File>, index: u64) -> Option<Sha256> {
    let mut bytes = [0; WIDTH as usize];
    hashes?.read_exact_at(&mut bytes, count(index) * WIDTH).ok()?;
    Some(Sha256::from_bytes(bytes))
}

/// Tells each blob that an event names.
pub fn names(node: &Node, tell: &mut dyn FnMut(Sha256)) {
    match &node.value {
        Value::Array(items) => items.iter().for_each(|item| names(item, tell)),
        Value::Object(members) => {
            for (key, value) in members {
                match value.as_str() {
                    Some(text) if NAMES.contains(&key.as_str()) => {
                        Sha256::parse(text).into_iter().for_each(&mut *tell)
                    }
                    Some(_) => {}
                    None => names(value, tell),
                }
            }
        }
        _ => {}
    }
}

/// Every blob: is it what its name says? Gives those that are named and not there, each with the event that names it.
fn look_at_blobs(
    blobs: &Blobs,
    mut named: HashMap<Sha256, u64>,
    report: &mut Report,
    tell: Tell,
) -> Result<Vec<(u64, Sha256)>, Problem> {
    blobs.each(&mut |entry| {
        let (hash, length) = match entry {
            Entry::Blob(hash, length) => (hash, length),
            Entry::Other(path) => {
                report.remarks.push(format!("this is no blob: {}", path.display()));
                return Ok(());
            }
        };
        report.blobs += 1;
        report.blob_bytes += length;
        if named.remove(&hash).is_none() {
            report.unnamed.push(hash);
        }
        let path = blobs.path(&hash);
        match File::open(&path).and_then(|mut file| Sha256::of_reader(&mut file, u64::MAX)) {
            Ok((found, _)) if found == hash => {}
            Ok(_) => report.fault(path.display().to_string(), "damaged: not the content of its name"),
            Err(error) => {
                report.fault(path.display().to_string(), Problem::file("cannot read", &path, &error).what)
            }
        }
        tell("blobs", report.blob_bytes);
        Ok(())
    })?;
    let mut missing: Vec<(u64, Sha256)> = named.into_iter().map(|(hash, index)| (index, hash)).collect();
    missing.sort_unstable();
    Ok(missing)
}
