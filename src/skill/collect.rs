//! Which files of a folder belong to a skill, and their hashes: everything, for one that is installed; by ClawHub's rules,
//! for one that is to be published or compared with a registry.

use super::Problem;
use super::path::SafePath;
use super::tree::FileHash;
use super::unpack::Limits;
use crate::digest::Sha256;
use crate::scan::glob::Glob;
use crate::scan::names;
use crate::sys::fs::{CWD, c_path, openat2};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Folders in folders.
const DEEPEST: usize = 64;
/// Where the real CLI and weft keep what they know of an installed skill, inside its folder.
pub const RECORDS: &str = ".clawhub";

/// Which files count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// All but the records of the installation. What is not a file or a folder is an error: it was not in the package.
    Installed,
    /// ClawHub's local fingerprint: no links, nothing hidden, no `node_modules`, nothing that the ignore files of the
    /// top folder name.
    Local,
    /// As `Local`, without a generated `skill-card.md`, and with SKILL.md even if ignored.
    Published,
}

/// The files of the folder with their hashes, sorted by path. Links are never followed.
pub fn hashes(folder: &Path, rule: Rule) -> Result<Vec<FileHash>, Problem> {
    let mut files = Vec::new();
    let limit = Limits::default().total_bytes as u64;
    each(folder, rule, &mut |path, mut file| {
        let (sha256, size) = Sha256::of_reader(&mut file, limit)?;
        files.push(FileHash { path, size, sha256 });
        Ok(())
    })?;
    Ok(files)
}

/// The files of the folder with their contents, for a package.
pub fn contents(folder: &Path, rule: Rule) -> Result<Vec<(SafePath, Vec<u8>)>, Problem> {
    let mut files = Vec::new();
    let limits = Limits::default();
    let mut left = limits.total_bytes;
    each(folder, rule, &mut |path, file| {
        let mut bytes = Vec::new();
        let most = limits.file_bytes.min(left);
        file.take(most as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        left -= bytes.len();
        files.push((path, bytes));
        Ok(())
    })?;
    Ok(files)
}

type Receiver<'a> = &'a mut dyn FnMut(SafePath, File) -> io::Result<()>;

fn each(folder: &Path, rule: Rule, receiver: Receiver) -> Result<(), Problem> {
    let ignored = if rule == Rule::Installed { Ignored::default() } else { Ignored::read(folder)? };
    let mut walk = Walk { rule, ignored, receiver, left: Limits::default().entries * 4 };
    walk.folder(folder, "", 0)
}

struct Walk<'a> {
    rule: Rule,
    ignored: Ignored,
    receiver: Receiver<'a>,
    left: usize,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, below: &str, depth: usize) -> Result<(), Problem> {
        let failed = |error: io::Error| Problem::file("cannot read", folder, &error);
        let mut entries =
            fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(failed)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            self.left =
                self.left.checked_sub(1).ok_or_else(|| Problem::new("too many files", shown(folder), ""))?;
            let full = entry.path();
            let kind = entry.file_type().map_err(failed)?;
            let name = entry.file_name();
            let bad_path =
                |why: &str| Problem::new(format!("a path that {why}"), shown(&full), "rename or remove it");
            let strict = self.rule == Rule::Installed;
            if strict && depth == 0 && name == RECORDS {
                continue;
            }
            let skipped =
                !strict && (name.as_bytes().starts_with(b".") || (kind.is_dir() && name == "node_modules"));
            if skipped {
                continue;
            }
            let Some(name) = name.to_str() else { return Err(bad_path("is not UTF-8")) };
            let path = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
            let is_manifest = self.rule == Rule::Published && depth == 0 && is_skill_file(name);
            if self.rule == Rule::Published && depth == 0 && name.eq_ignore_ascii_case("skill-card.md") {
                continue;
            }
            if !is_manifest && self.ignored.covers(&path, kind.is_dir()) {
                continue;
            }
            if kind.is_dir() {
                if depth >= DEEPEST {
                    return Err(Problem::new("folders too deep in each other", shown(&full), ""));
                }
                self.folder(&full, &path, depth + 1)?;
            } else if kind.is_file() {
                let safe = SafePath::new(&path).map_err(|fault| bad_path(fault.as_str()))?;
                open(&full)
                    .and_then(|file| (self.receiver)(safe, file))
                    .map_err(|error| Problem::file("cannot read", &full, &error))?;
            } else if strict {
                return Err(Problem::denied(
                    "neither a file nor a folder",
                    shown(&full),
                    "it was not in the package; remove it",
                ));
            }
        }
        Ok(())
    }
}

/// Opens a regular file and nothing else, also when it was changed for a link or a pipe since it was listed.
fn open(path: &Path) -> io::Result<File> {
    let flags = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = File::from(openat2(CWD, &c_path(path)?, flags, 0, 0)?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// SKILL.md in the spellings that ClawHub takes.
pub fn is_skill_file(name: &str) -> bool {
    name.eq_ignore_ascii_case("skill.md") || name.eq_ignore_ascii_case("skills.md")
}

fn shown(path: &Path) -> String {
    names::escape(path.as_os_str().as_bytes())
}

/// What the ignore files of the top folder say; nested ones are not read, as ClawHub does not.
#[derive(Default)]
struct Ignored(Vec<(Glob, bool, bool)>);

impl Ignored {
    fn read(folder: &Path) -> Result<Ignored, Problem> {
        let mut patterns = Vec::new();
        for name in [".gitignore", ".clawhubignore", ".clawdhubignore"] {
            let path: PathBuf = folder.join(name);
            let mut text = Vec::new();
            match open(&path).and_then(|file| file.take(1 << 20).read_to_end(&mut text)) {
                Ok(_) => {}
                // A link is not followed and counts as none.
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound
                        || error.raw_os_error() == Some(libc::ELOOP) =>
                {
                    continue;
                }
                Err(error) => return Err(Problem::file("cannot read", &path, &error)),
            }
            for line in String::from_utf8_lossy(&text).lines().map(str::trim_end) {
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                let (line, again) = line.strip_prefix('!').map_or((line, false), |line| (line, true));
                patterns.push((Glob::new(line), again, line.ends_with('/')));
            }
        }
        Ok(Ignored(patterns))
    }

    /// The last pattern that covers the path decides.
    fn covers(&self, path: &str, is_folder: bool) -> bool {
        let hit = self
            .0
            .iter()
            .rev()
            .find(|(glob, _, only_folders)| (is_folder || !only_folders) && glob.matches(path));
        hit.is_some_and(|(_, again, _)| !again)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(folder: &Path, rule: Rule) -> Vec<String> {
        hashes(folder, rule).unwrap().iter().map(|file| file.path.to_string()).collect()
    }

    #[test]
    fn each_rule_sees_its_files() {
        let dir = std::env::temp_dir().join(format!("weft-collect-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        for (path, text) in [
            ("SKILL.md", "a"),
            ("skill-card.md", "generated"),
            (".env", "KEY=1"),
            (".clawhub/origin.json", "{}"),
            (".clawhubignore", "# mine\n*.log\nSKILL.md\n!keep.log\nbuild/\n/top.txt\n"),
            ("a.log", "x"),
            ("keep.log", "x"),
            ("top.txt", "x"),
            ("sub/top.txt", "x"),
            ("build/x", "x"),
            ("sub/build", "x"),
            ("node_modules/m/x.js", "x"),
            ("sub/.hidden/x", "x"),
        ] {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        assert_eq!(paths(&dir, Rule::Local), ["keep.log", "skill-card.md", "sub/build", "sub/top.txt"]);
        assert_eq!(paths(&dir, Rule::Published), ["SKILL.md", "keep.log", "sub/build", "sub/top.txt"]);
        let all = paths(&dir, Rule::Installed);
        assert_eq!(all.len(), 12);
        assert!(all.contains(&".env".to_owned()) && !all.iter().any(|path| path.starts_with(".clawhub/")));
        let contents = contents(&dir, Rule::Published).unwrap();
        assert_eq!(contents[0], (SafePath::new("SKILL.md").unwrap(), b"a".to_vec()));
        std::os::unix::fs::symlink("/etc/passwd", dir.join("link")).unwrap();
        assert_eq!(paths(&dir, Rule::Local).len(), 4);
        assert!(hashes(&dir, Rule::Installed).unwrap_err().denied);
        fs::remove_dir_all(&dir).unwrap();
    }
}
