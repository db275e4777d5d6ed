//! What this kernel and this machine can do, asked once. Not what a policy needs of it.

use crate::policy::find::Finder;
use crate::sort;
use crate::sys::fs::CWD;
use crate::sys::process::{Side, Status};
use crate::sys::{landlock, mount, process, seccomp};
use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};

/// Answers the planner depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Landlock's ABI; 0 without Landlock.
    pub landlock: u32,
    /// Bit set of Landlock errata the kernel has fixed.
    pub errata: u32,
    /// User namespaces: not allowed, and why.
    pub no_namespaces: Option<String>,
    /// seccomp can hand calls over to weft.
    pub listener: bool,
    /// weft runs as user 0.
    pub root: bool,
    /// Where a folder of the run's own could be made: not there yet, and not to be guessed.
    pub scratch: PathBuf,
    /// Links directly below `/`, with where they point as written.
    pub root_links: Vec<(PathBuf, PathBuf)>,
    /// The dynamic loaders that are installed, links followed.
    pub loaders: Vec<PathBuf>,
}

/// Loaders by the path that is written into programs.
const LOADERS: &[&str] = &[
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-linux-riscv64-lp64d.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
];
/// Where commands are by convention.
const COMMAND_DIRS: &[&str] =
    &["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/usr/local/sbin", "/usr/games"];

impl Probe {
    /// Asks this machine.
    pub fn here() -> Self {
        let links = fs::read_dir("/").into_iter().flatten().flatten().filter_map(|entry| {
            let kind = entry.file_type().ok()?;
            kind.is_symlink().then(|| fs::read_link(entry.path()).ok().map(|to| (entry.path(), to)))?
        });
        let mut finder = Finder::default();
        let mut root_links: Vec<_> = links.collect();
        sort::plain(&mut root_links);
        Self {
            landlock: landlock::abi(),
            errata: landlock::errata(),
            no_namespaces: no_namespaces(),
            listener: seccomp::knows_action(0x7fc0_0000),
            root: process::ids().0 == 0,
            scratch: scratch(),
            root_links,
            loaders: LOADERS.iter().filter_map(|path| finder.existing(Path::new(path)).ok()).collect(),
        }
    }

    /// The same machine, on which making namespaces was tried and refused.
    #[must_use]
    pub fn without_namespaces(self, why: &str) -> Self {
        Self { no_namespaces: Some(why.to_owned()), ..self }
    }
}

/// Where temporary files of this user are.
fn scratch() -> PathBuf {
    let temp = std::env::temp_dir();
    let below = fs::canonicalize(&temp).unwrap_or(temp);
    // Keys of hash maps are random: the only source of that in the standard library.
    let random = RandomState::new().hash_one(process::pid());
    below.join(format!("weft-{}-{random:016x}", process::pid()))
}

/// Folders in which commands are looked for, links followed.
pub fn command_dirs(finder: &mut Finder) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).filter(|dir| dir.is_absolute());
    let mut dirs: Vec<PathBuf> = COMMAND_DIRS
        .iter()
        .map(PathBuf::from)
        .chain(on_path)
        .filter_map(|dir| finder.existing(&dir).ok().filter(|dir| dir.is_dir()))
        .collect();
    sort::plain(&mut dirs);
    dirs.dedup();
    dirs
}

/// Under somebody else's filter no switch says anything: makes namespaces and mounts in them, as a run would.
fn tried() -> Option<String> {
    let refused = |what: &str| Some(format!("a seccomp filter around this process refuses {what}"));
    match process::clone(process::ALL_NAMESPACES) {
        Err(_) => refused("namespaces"),
        Ok(Side::Child) => {
            let works = mount::make_private().is_ok() && mount::clone_tree_at(CWD, c"/").is_ok();
            process::exit_now(i32::from(!works))
        }
        Ok(Side::Parent(child)) => match process::wait(child.pid, true) {
            Ok(Some((_, Status::Exited(0)))) => None,
            _ => refused("mounts"),
        },
    }
}

/// What the usual switches say; the clone itself has the last word.
fn no_namespaces() -> Option<String> {
    let is = |path: &str, value: &str| fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
    let switches = [
        ("/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces is 0"),
        ("/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone is 0"),
    ];
    if !Path::new("/proc/self/ns/user").exists() {
        return Some("this kernel has no user namespaces".to_owned());
    }
    let found = switches.iter().find(|(path, value, _)| is(path, value));
    // AppArmor takes the capabilities in a new namespace away from whoever has no profile that says otherwise.
    let restricted = || {
        process::ids().0 != 0
            && is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1")
            && is("/proc/self/attr/current", "unconfined")
    };
    found
        .map(|(_, _, why)| (*why).to_owned())
        .or_else(|| restricted().then(|| "AppArmor restricts user namespaces".to_owned()))
        .or_else(|| if seccomp::filtered() { tried() } else { None })
}
