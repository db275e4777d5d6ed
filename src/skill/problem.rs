//! What goes wrong with skills, keys and their files, as a person is told it.

use crate::scan::names;
use crate::words;
use std::fmt;
use std::io;
use std::path::Path;

/// What, where, and what to do; the command line puts `weft:` in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub what: String,
    /// A file with its line, a member of a package, a skill; may be empty.
    pub at: String,
    /// The next step; may be empty.
    pub fix: String,
    /// Something checked a skill and says no. Otherwise the input or the machine is at fault.
    pub denied: bool,
    /// There is no room left, on the disk or in the quota: nothing was changed.
    pub full: bool,
}

impl Problem {
    /// The input is wrong.
    pub fn new(what: impl Into<String>, at: impl Into<String>, fix: impl Into<String>) -> Problem {
        Problem { what: what.into(), at: at.into(), fix: fix.into(), denied: false, full: false }
    }

    /// A check says no.
    pub fn denied(what: impl Into<String>, at: impl Into<String>, fix: impl Into<String>) -> Problem {
        Problem { denied: true, ..Problem::new(what, at, fix) }
    }

    /// A file or folder could not be read or written.
    pub fn file(what: &str, path: &Path, error: &io::Error) -> Problem {
        let at = names::escape(path.as_os_str().as_encoded_bytes());
        let problem = Problem::new(format!("{what}: {}", words::reason(error)), at, words::about_file(error));
        Problem { full: no_room(error), ..problem }
    }
}

/// Full: the disk, the quota, or the file as large as this process may make it.
fn no_room(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    // A limit of ours on what is read has the last kind too, but no number of the system's.
    error.raw_os_error().is_some() && matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        words::phrase(f, &self.what, &self.at, &self.fix)
    }
}

impl std::error::Error for Problem {}
