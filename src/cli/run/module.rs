//! Whether a command is a WebAssembly module: told by its first bytes, before anything is planned. What becomes of it is decided elsewhere.

use crate::policy::commands::{Command, SearchPath};
use crate::policy::find::Finder;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
#[cfg(feature = "wasm")]
use std::io;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What every module begins with.
const MAGIC: &[u8; 4] = b"\0asm";

/// A command that is a module.
#[derive(Debug)]
#[cfg_attr(not(feature = "wasm"), expect(dead_code, reason = "such a build only tells that it is one"))]
pub struct Module {
    /// As the policy's rules see it.
    pub command: Command,
    /// The file, links followed.
    pub path: PathBuf,
    file: File,
}

impl Module {
    /// The module that a word means: a path, a program on PATH, or else a file in the folder where the command starts. None: it is a
    /// native program, or nothing.
    pub fn find(word: &OsStr, start: &Path) -> Option<Module> {
        let found = match word.as_encoded_bytes().contains(&b'/') {
            true => start.join(word),
            false => {
                let on_path =
                    word.to_str().and_then(|name| SearchPath::new(None, &mut Finder::default()).first(name));
                on_path.unwrap_or_else(|| start.join(word))
            }
        };
        let path = fs::canonicalize(&found).ok()?;
        let file = opened(&path)?;
        let asked = word.to_string_lossy().into_owned();
        let command = Command { asked, found: Some(found), real: Some(path.clone()) };
        Some(Module { command, path, file })
    }

    /// The whole of it; more than `most` bytes are `EFBIG`.
    #[cfg(feature = "wasm")]
    pub fn read(&mut self, most: u64) -> io::Result<Vec<u8>> {
        use std::io::{Seek, SeekFrom};
        self.file.seek(SeekFrom::Start(0))?;
        let mut bytes = Vec::new();
        (&self.file).take(most + 1).read_to_end(&mut bytes)?;
        match bytes.len() as u64 > most {
            true => Err(io::Error::from_raw_os_error(libc::EFBIG)),
            false => Ok(bytes),
        }
    }
}

/// The file, if it is one and begins like a module. A pipe in its place is not waited for.
fn opened(path: &Path) -> Option<File> {
    let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut first = [0; 4];
    file.read_exact(&mut first).ok()?;
    (first == *MAGIC).then_some(file)
}
