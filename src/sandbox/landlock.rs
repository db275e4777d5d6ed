//! The second wall: Landlock rules for the same places, so that a hole in the mounts is not a hole in the sandbox, and for what
//! mounts cannot say (execute by file, signals, abstract sockets, device ioctls).

use super::mounts::{DEVICES, Mounts};
use super::probe::Probe;
use crate::policy::Policy;
use crate::policy::path::{Kind, bytes, lineage};
use crate::sys::fs::{CWD, c_path, handle};
use crate::sys::landlock::{Ruleset, fs, scope};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub(super) const READ: u64 = fs::READ_FILE | fs::READ_DIR;
const ON_FILES: u64 = fs::EXECUTE | fs::WRITE_FILE | fs::READ_FILE | fs::TRUNCATE | fs::IOCTL_DEV;
pub(super) const CHANGE: u64 = fs::WRITE_FILE
    | fs::REMOVE_DIR
    | fs::REMOVE_FILE
    | fs::MAKE_DIR
    | fs::MAKE_REG
    | fs::MAKE_SOCK
    | fs::MAKE_FIFO
    | fs::MAKE_SYM
    | fs::REFER
    | fs::TRUNCATE;

/// What the ruleset will hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landlock {
    /// The ABI it is made for.
    pub abi: u32,
    /// File rights that are denied unless granted.
    pub handled: u64,
    /// Rights on TCP ports that are denied, all of them.
    pub net: u64,
    /// Scopes.
    pub scoped: u64,
    /// Grants: the path, whether it is a folder, the rights.
    pub grants: Vec<(PathBuf, bool, u64)>,
}

/// All file rights that an ABI knows.
pub(super) fn handled(abi: u32) -> u64 {
    let newer = [(2, fs::REFER), (3, fs::TRUNCATE), (5, fs::IOCTL_DEV)];
    let known = newer.iter().filter(|(from, _)| abi >= *from);
    known.fold(fs::REFER - 1, |all, (_, right)| all | right)
}

impl Landlock {
    /// The rules for a policy on a kernel with Landlock.
    pub fn of(policy: &Policy, probe: &Probe) -> Self {
        let abi = probe.landlock;
        let handled = handled(abi);
        let mut grants: BTreeMap<PathBuf, (bool, u64)> = BTreeMap::new();
        let mut grant = |path: &std::path::Path, dir: bool, rights: u64| {
            let rights = handled & if dir { rights } else { rights & ON_FILES };
            grants.entry(path.to_owned()).or_insert((dir, 0)).1 |= rights;
        };
        let files = &policy.filesystem;
        for rule in files.read.iter() {
            grant(&rule.path, rule.kind == Kind::Dir, READ);
        }
        for rule in files.write.iter() {
            grant(&rule.path, rule.kind == Kind::Dir, READ | CHANGE);
        }
        for rule in files.exec.iter() {
            let execute = if policy.process.allow.is_none() { fs::EXECUTE } else { 0 };
            grant(&rule.path, rule.kind == Kind::Dir, READ | execute);
        }
        for path in policy.process.allow.iter().flatten().flat_map(|rule| &rule.paths) {
            if files.exec_rule(path).is_some()
                && let Ok(meta) = std::fs::symlink_metadata(path)
                && !meta.is_symlink()
            {
                grant(path, meta.is_dir(), READ | fs::EXECUTE);
            }
        }
        for loader in probe.loaders.iter().filter(|loader| files.read.covering(loader).is_some()) {
            grant(loader, false, fs::READ_FILE | fs::EXECUTE);
        }
        for device in DEVICES {
            grant(device.as_ref(), false, fs::READ_FILE | fs::WRITE_FILE | fs::TRUNCATE | fs::IOCTL_DEV);
        }
        grant("/dev".as_ref(), true, fs::READ_DIR);
        grant("/dev/pts".as_ref(), true, READ | fs::WRITE_FILE | fs::IOCTL_DEV);
        grant("/dev/shm".as_ref(), true, READ | CHANGE);
        grant("/proc".as_ref(), true, READ);
        grant(&policy.places.tmpdir, true, READ);
        let scoped = if abi >= 6 { scope::ABSTRACT_UNIX_SOCKET | scope::SIGNAL } else { 0 };
        let grants = grants.into_iter().map(|(path, (dir, rights))| (path, dir, rights)).collect();
        Self { abi, handled, net: 0, scoped, grants }
    }

    /// Lets these files be read besides.
    pub fn let_read(&mut self, files: impl IntoIterator<Item = PathBuf>) {
        let rights = self.handled & fs::READ_FILE;
        for file in files {
            match self.grants.iter_mut().find(|(path, _, _)| *path == file) {
                Some((_, _, granted)) => *granted |= rights,
                None => self.grants.push((file, false, rights)),
            }
        }
    }

    /// Restricts this thread for good. Inside the new root, after `no_new_privs`. `mounts` are those of the new root; `record`:
    /// somebody reads the kernel's audit log.
    pub fn apply(&self, mounts: &Mounts, record: bool) -> Result<(), (PathBuf, io::Error)> {
        let at = |path: &str| {
            let path = PathBuf::from(path);
            move |error| (path, error)
        };
        let ruleset = Ruleset::new(self.handled, self.net, self.scoped).map_err(at("Landlock"))?;
        for (path, rights) in fewest(&self.grants, mounts) {
            let add = || -> io::Result<()> {
                let target = match handle(CWD, &c_path(&path)?, 0) {
                    // Not visible inside: nothing to grant.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                    done => done?,
                };
                ruleset.allow_path(target, rights)
            };
            add().map_err(|error| (path.clone(), error))?;
        }
        ruleset.restrict_self(record).map_err(at("Landlock"))
    }
}

/// The same grants in fewer rules: the kernel adds up what it finds on the way from a file to the root, so that one below another
/// with all its rights says nothing; and a folder of the new root itself, which holds only what is granted, can be granted for all
/// of it (`/etc`, of which a policy names some thirty files).
fn fewest(grants: &[(PathBuf, bool, u64)], mounts: &Mounts) -> Vec<(PathBuf, u64)> {
    // By their bytes: a start compares some thousand times, and every path here is absolute and plain.
    let mut rules: BTreeMap<&[u8], u64> = BTreeMap::new();
    for (path, _, rights) in grants {
        *rules.entry(bytes(path)).or_default() |= rights;
    }
    let mut parents: BTreeMap<&[u8], usize> = BTreeMap::new();
    for parent in grants.iter().filter_map(|(path, _, _)| above(path).next()) {
        *parents.entry(parent).or_default() += 1;
    }
    // Of more it would cost what it saves.
    let few = grants.len() < 500;
    for (parent, _) in parents.into_iter().filter(|(_, count)| few && *count > 2) {
        if !mounts.made(Path::new(OsStr::from_bytes(parent))) {
            continue;
        }
        let below = grants.iter().filter(|(path, _, _)| above(path).any(|above| above == parent));
        // What is no right on files they cannot lack.
        let common = below.fold(READ | fs::EXECUTE, |common, (_, dir, rights)| {
            common & if *dir { *rights } else { rights | !ON_FILES }
        });
        *rules.entry(parent).or_default() |= common;
    }
    let needed = |path: &[u8], rights: u64| {
        let above = above(Path::new(OsStr::from_bytes(path))).filter_map(|above| rules.get(above));
        rights & !above.fold(0, |all, rights| all | rights) != 0
    };
    let rules = rules.iter().filter(|(path, rights)| needed(path, **rights));
    rules.map(|(path, rights)| (OsStr::from_bytes(path).into(), *rights)).collect()
}

/// The folders above a path, the root last.
fn above(path: &Path) -> impl Iterator<Item = &[u8]> {
    lineage(path).skip(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::mounts::{BASE, Step};

    fn fewest_of(grants: &[(&str, bool, u64)], places: &[&str]) -> Vec<(String, u64)> {
        let grants: Vec<_> = grants.iter().map(|(path, dir, rights)| (path.into(), *dir, *rights)).collect();
        let bind = |path: &&str| Step::Bind { path: path.into(), id: None, dir: true, attr: BASE };
        let mounts = Mounts { steps: places.iter().map(bind).collect(), ..Mounts::none() };
        let rules = fewest(&grants, &mounts).into_iter();
        rules.map(|(path, rights)| (path.to_string_lossy().into_owned(), rights)).collect()
    }

    const FILE: u64 = fs::READ_FILE | fs::EXECUTE;
    const DIR: u64 = READ | fs::EXECUTE;

    #[test]
    fn what_is_granted_above_is_not_granted_again() {
        let grants = [("/usr", true, DIR), ("/usr/bin", true, READ), ("/usr/lib/x", false, fs::WRITE_FILE)];
        let expected = [("/usr".to_owned(), DIR), ("/usr/lib/x".to_owned(), fs::WRITE_FILE)];
        assert_eq!(fewest_of(&grants, &["/usr"]), expected);
    }

    #[test]
    fn a_folder_that_holds_only_what_is_granted_is_one_rule() {
        let grants = [
            ("/etc/a", false, FILE),
            ("/etc/b", false, FILE),
            ("/etc/c", true, DIR),
            ("/etc/s/d", true, DIR),
        ];
        let places = ["/etc/a", "/etc/b", "/etc/c", "/etc/s/d"];
        assert_eq!(fewest_of(&grants, &places), [("/etc".to_owned(), DIR)]);
        // One of them may be read and not executed: so may all, by the rule for all.
        let grants = [&grants[..], &[("/etc/e", true, READ)]].concat();
        let rules = fewest_of(&grants, &[&places[..], &["/etc/e"]].concat());
        assert!(rules.contains(&("/etc".to_owned(), READ)) && rules.contains(&("/etc/a".to_owned(), FILE)));
    }

    #[test]
    fn a_folder_of_the_host_is_never_granted_for_what_is_in_it() {
        let grants = [("/etc/a", false, FILE), ("/etc/b", false, FILE), ("/etc/c", false, FILE)];
        assert_eq!(fewest_of(&grants, &[]).len(), 3, "no mounts: the root is the host's");
        assert_eq!(fewest_of(&grants, &["/etc", "/etc/a", "/etc/b", "/etc/c"]).len(), 3);
        // Nor the root, and nothing that may be written is granted beside its place.
        let writable =
            [("/a", true, READ | CHANGE), ("/b", true, READ | CHANGE), ("/c", true, READ | CHANGE)];
        assert_eq!(fewest_of(&writable, &["/a", "/b", "/c"]).len(), 3);
        let writable =
            [("/h/a", true, READ | CHANGE), ("/h/b", true, READ | CHANGE), ("/h/c", true, READ | CHANGE)];
        let rules = fewest_of(&writable, &["/h/a", "/h/b", "/h/c"]);
        assert_eq!(rules[0], ("/h".to_owned(), READ));
        assert_eq!(rules.len(), 4);
    }
}
