//! The scan of what somebody wants to publish: as a stranger's, in a folder that lives as long as the scan. What may come in
//! is the same as what weft would install.

use super::event::Note;
use super::refusal::Refusal;
use crate::digest::to_hex;
use crate::rules::Severity;
use crate::scan::finding::Finding;
use crate::skill::Problem;
use crate::skill::install;
use crate::skill::path::SafePath;
use crate::trust::key::random;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};

/// Findings that are kept with a version.
const MOST_NOTES: usize = 200;
/// Of a finding's words this much, in characters.
const LONGEST: usize = 400;

/// So many at once and no more: packages are large.
pub struct Permits {
    free: Mutex<usize>,
    freed: Condvar,
}

/// Given back when dropped.
pub struct Permit<'a>(&'a Permits);

impl Permits {
    pub fn new(count: usize) -> Permits {
        Permits { free: Mutex::new(count), freed: Condvar::new() }
    }

    /// Waits until one is free.
    pub fn take(&self) -> Permit<'_> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Permit(self)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

/// A folder that is gone when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(spool: &Path) -> Result<Folder, Problem> {
        let mut name = [0; 8];
        random(&mut name).ok_or_else(|| Problem::new("no random numbers", "the system", ""))?;
        let path = spool.join(format!("scan-{}", to_hex(&name)));
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| Problem::file("cannot make", &path, &error))?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left over is removed at the next start.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Scans the files. Critical and high findings are a refusal that says where and what to do; the others are what was found.
pub fn scan(spool: &Path, files: &[(SafePath, Vec<u8>)]) -> Result<Vec<Note>, Refusal> {
    let folder = Folder::new(spool)?;
    for (path, content) in files {
        let place = folder.0.join(path.as_str());
        let failed = |error: &std::io::Error| Problem::file("cannot write", &place, error);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).map_err(|error| failed(&error))?;
        }
        fs::write(&place, content).map_err(|error| failed(&error))?;
    }
    let report = install::gate(&folder.0)?;
    let blocked: Vec<&Finding> =
        report.findings.iter().filter(|finding| finding.severity >= Severity::High).collect();
    if let Some(worst) = blocked.iter().max_by_key(|finding| finding.severity) {
        return Err(refusal(worst, blocked.len() - 1));
    }
    let kept = report.findings.iter().filter(|finding| finding.severity >= Severity::Low);
    Ok(kept.take(MOST_NOTES).map(note).collect())
}

fn refusal(worst: &Finding, more: usize) -> Refusal {
    let more = if more == 0 { String::new() } else { format!(" ({more} more such findings.)") };
    Refusal::bad(format!(
        "Refused by the security scan: {} ({}) in {} line {}: {}. How to fix: {}{more} Nothing was published. More: weft security explain {}",
        worst.rule,
        worst.severity.as_str(),
        worst.path,
        worst.span.line,
        cut(&worst.message).trim_end_matches('.'),
        cut(worst.remediation),
        worst.rule
    ))
}

fn note(finding: &Finding) -> Note {
    Note {
        rule: finding.rule.into(),
        severity: finding.severity.as_str().into(),
        message: cut(&finding.message).into(),
        path: cut(&finding.path).into(),
        line: finding.span.line.into(),
        fix: cut(finding.remediation).into(),
    }
}

fn cut(text: &str) -> &str {
    text.char_indices().nth(LONGEST).map_or(text, |(at, _)| &text[..at])
}
