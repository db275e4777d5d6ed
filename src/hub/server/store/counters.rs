//! Downloads and installs of each skill: numbers that nobody signs and that may miss the last half minute after a crash.
//! Counted in memory, written in batches; never a reason for a request to wait.
//!
//! The file has one line for each change, `downloads installs name`, the last for a name counts. It is written anew at
//! start when most of it no longer counts.

use crate::files::write_atomic;
use crate::skill::Problem;
use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is counted for one skill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub downloads: u64,
    pub installs: u64,
}

/// All counters of a store.
pub struct Counters {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    counts: HashMap<String, Counts>,
    /// Names whose numbers are not in the file.
    dirty: BTreeSet<String>,
    /// Opened with the first batch.
    file: Option<File>,
    end: u64,
}

impl Counters {
    /// Reads the file; lines that are damaged are left out. `write` puts it in order.
    pub(super) fn open(dir: &Path, write: bool) -> Result<Counters, Problem> {
        let path = dir.join("counters");
        let failed = |error: io::Error| Problem::file("cannot read the counters", &path, &error);
        let mut inner = Inner::default();
        // Lines, and where the last whole one ends.
        let (mut lines, mut end) = (0u64, 0u64);
        match File::open(&path) {
            Ok(file) => {
                let mut reader = BufReader::new(file);
                let mut line = Vec::new();
                while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
                    lines += 1;
                    end += if line.ends_with(b"\n") { line.len() as u64 } else { 0 };
                    if let Some((counts, name)) = parse(&line) {
                        inner.counts.insert(name.to_owned(), counts);
                    }
                    line.clear();
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let counters = Counters { path, inner: Mutex::new(inner) };
        let mut inner = counters.inner();
        // Also puts an end to a last line that has none.
        if write && lines > 0 && lines > inner.counts.len() as u64 {
            let mut all: Vec<(&String, &Counts)> = inner.counts.iter().collect();
            all.sort_by_key(|(name, _)| *name);
            let body =
                |out: &mut dyn Write| all.iter().try_for_each(|(name, counts)| line(out, name, counts));
            // On a full disk the file stays as it is, and is gone on with behind its last whole line.
            if write_atomic(&counters.path, body).is_ok() {
                end = fs::metadata(&counters.path)
                    .map_err(|error| Problem::file("cannot read the counters", &counters.path, &error))?
                    .len();
            }
        }
        inner.end = end;
        drop(inner);
        Ok(counters)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts. A name is one word without spaces and control characters; others are not counted.
    pub fn add(&self, name: &str, downloads: u64, installs: u64) {
        if !is_name(name) {
            return;
        }
        let mut inner = self.inner();
        if !inner.counts.contains_key(name) {
            inner.counts.insert(name.to_owned(), Counts::default());
        }
        if let Some(counts) = inner.counts.get_mut(name) {
            counts.downloads = counts.downloads.saturating_add(downloads);
            counts.installs = counts.installs.saturating_add(installs);
        }
        if !inner.dirty.contains(name) {
            inner.dirty.insert(name.to_owned());
        }
    }

    pub fn get(&self, name: &str) -> Counts {
        self.inner().counts.get(name).copied().unwrap_or_default()
    }

    /// What was counted under one name counts under another from now on.
    pub fn rename(&self, from: &str, to: &str) {
        let counts = self.get(from);
        if from != to && is_name(to) && counts != Counts::default() {
            self.add(to, counts.downloads, counts.installs);
            let mut inner = self.inner();
            inner.counts.insert(from.to_owned(), Counts::default());
            inner.dirty.insert(from.to_owned());
        }
    }

    /// Shows all, in no order.
    pub fn each(&self, visit: &mut dyn FnMut(&str, Counts)) {
        self.inner().counts.iter().for_each(|(name, counts)| visit(name, *counts));
    }

    /// Writes what changed: to be called twice a minute and at the end. What could not be written is written the next
    /// time.
    pub fn flush(&self) -> Result<(), Problem> {
        let mut inner = self.inner();
        if inner.dirty.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for name in &inner.dirty {
            let counts = inner.counts.get(name).copied().unwrap_or_default();
            // Writing to memory does not fail.
            let _ = line(&mut bytes, name, &counts);
        }
        let end = inner.end;
        let mut write = || {
            if inner.file.is_none() {
                let mut options = OpenOptions::new();
                let options = options.write(true).create(true).truncate(false).mode(0o600);
                inner.file = Some(options.open(&self.path)?);
            }
            let Some(file) = &inner.file else { return Ok(()) };
            file.write_all_at(&bytes, end).inspect_err(|_| {
                // What stays of it is written over the next time.
                let _ = file.set_len(end);
            })
        };
        write().map_err(|error| Problem::file("cannot write the counters", &self.path, &error))?;
        inner.end += bytes.len() as u64;
        inner.dirty.clear();
        Ok(())
    }
}

impl Drop for Counters {
    fn drop(&mut self) {
        // Nobody is left to be told; the numbers are only numbers.
        let _ = self.flush();
    }
}

fn is_name(name: &str) -> bool {
    (1..=256).contains(&name.len()) && !name.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn line(out: &mut dyn Write, name: &str, counts: &Counts) -> io::Result<()> {
    writeln!(out, "{} {} {name}", counts.downloads, counts.installs)
}

fn parse(line: &[u8]) -> Option<(Counts, &str)> {
    let mut words = std::str::from_utf8(line).ok()?.strip_suffix('\n')?.split(' ');
    let (downloads, installs) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let name = words.next().filter(|name| is_name(name) && words.next().is_none())?;
    Some((Counts { downloads, installs }, name))
}

#[cfg(test)]
mod tests {
    use super::super::tests::Scratch;
    use super::*;

    #[test]
    fn numbers_come_back_and_damage_costs_one_line() {
        let scratch = Scratch::new();
        let counters = Counters::open(&scratch.0, true).unwrap();
        counters.add("alice/demo", 2, 1);
        counters.add("alice/demo", 1, 0);
        counters.add("bob/x", 1, 1);
        for bad in ["", "a b", "a\n", &"x".repeat(300)] {
            counters.add(bad, 1, 1);
        }
        counters.flush().unwrap();
        counters.add("alice/demo", 1, 0);
        counters.rename("bob/x", "bob/y");
        drop(counters);
        let path = scratch.0.join("counters");
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "3 1 alice/demo\n1 1 bob/x\n4 1 alice/demo\n0 0 bob/x\n1 1 bob/y\n");
        // Cut off anywhere, a line is there or not.
        for cut in 0..=text.len() {
            fs::write(&path, &text[..cut]).unwrap();
            let counters = Counters::open(&scratch.0, true).unwrap();
            let now = counters.get("alice/demo").downloads;
            assert!([0, 3, 4].contains(&now), "{cut}: {now}");
            counters.add("alice/demo", 10, 0);
            drop(counters);
            let counters = Counters::open(&scratch.0, false).unwrap();
            assert_eq!(counters.get("alice/demo").downloads, now + 10, "{cut}");
        }
        fs::write(&path, "1 1 a\n\u{0}\u{0}\n-1 0 b\n1 2 3 4\n9 9 c\n").unwrap();
        let counters = Counters::open(&scratch.0, true).unwrap();
        assert_eq!((counters.get("a").downloads, counters.get("c").installs), (1, 9));
        assert_eq!(fs::read_to_string(&path).unwrap(), "1 1 a\n9 9 c\n");
        let mut all = 0;
        counters.each(&mut |_, counts| all += counts.downloads);
        assert_eq!(all, 10);
    }
}
