//! The places that variables of a policy stand for.

use std::path::{Path, PathBuf};

/// Absolute paths. `tmpdir` is what the sandboxed process sees, which need not be a folder of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    pub home: PathBuf,
    pub workspace: PathBuf,
    pub tmpdir: PathBuf,
    pub state: PathBuf,
    pub config: PathBuf,
    pub cache: PathBuf,
}

impl Places {
    /// All below one folder, for tests and for questions about policies of elsewhere.
    pub fn below(home: &Path, workspace: &Path) -> Places {
        Places {
            home: home.to_owned(),
            workspace: workspace.to_owned(),
            tmpdir: PathBuf::from("/tmp"),
            state: home.join(".local/state"),
            config: home.join(".config"),
            cache: home.join(".cache"),
        }
    }
}
