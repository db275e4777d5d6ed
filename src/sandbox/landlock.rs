//! The second wall: Landlock rules for the same places, so that a hole in the mounts is not a hole in the sandbox, and for what
//! mounts cannot say (execute by file, signals, abstract sockets, device ioctls).

use super::mounts::DEVICES;
use super::probe::Probe;
use crate::policy::Policy;
use crate::policy::path::Kind;
use crate::sys::fs::{CWD, c_path, handle};
use crate::sys::landlock::{Ruleset, fs, scope};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

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

    /// Restricts this thread for good. Inside the new root, after `no_new_privs`. `record`: somebody reads the kernel's audit log.
    pub fn apply(&self, record: bool) -> Result<(), (PathBuf, io::Error)> {
        let at = |path: &str| {
            let path = PathBuf::from(path);
            move |error| (path, error)
        };
        let ruleset = Ruleset::new(self.handled, self.net, self.scoped).map_err(at("Landlock"))?;
        for (path, _, rights) in &self.grants {
            let add = || -> io::Result<()> {
                let target = match handle(CWD, &c_path(path)?, 0) {
                    // Not visible inside: nothing to grant.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                    done => done?,
                };
                ruleset.allow_path(target, *rights)
            };
            add().map_err(|error| (path.clone(), error))?;
        }
        ruleset.restrict_self(record).map_err(at("Landlock"))
    }
}
