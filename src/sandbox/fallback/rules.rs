//! What may be done with a file, by its real path. Pure: where a path comes from and what happens then is not decided here.

use super::shm;
use crate::policy::find::Finder;
use crate::policy::path::{Glob, PathRule, PathRules};
use crate::policy::{DenyPath, Filesystem, Policy};
use crate::sandbox::mounts::{DEVICES, LIBRARIES, Step, commands, only};
use crate::sort;
use std::path::{Path, PathBuf};

/// The file rules of a policy with places that exist on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    files: Filesystem,
    /// Denied to read and write, whether there or not; sorted.
    denied: Vec<PathBuf>,
    /// Not to be written; sorted.
    kept: Vec<PathBuf>,
    globs: Vec<Glob>,
    /// Places and the ways to them, as written and without links; sorted.
    named: Vec<PathBuf>,
    /// Folders of commands, and the entries of theirs that exist for the command.
    only: Vec<(PathBuf, Vec<PathBuf>)>,
    /// Commands that may be executed; none: whatever `exec` covers.
    commands: Option<Vec<PathBuf>>,
    /// What `/dev/shm` stands for.
    shm: PathBuf,
    /// Terminals that weft was started on.
    terminals: Vec<PathBuf>,
    /// The network is the host's.
    inet: bool,
}

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Nothing.
    None,
    /// Reading.
    Read,
    /// Reading and writing.
    Write,
}

/// How the name at a path is to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A new folder.
    MakeDir,
    /// A new file, link or node.
    Make,
    /// An empty folder goes.
    RemoveDir,
    /// Anything else goes.
    Remove,
    /// A folder moves, away from here or to here.
    MoveDir,
    /// Anything else moves.
    Move,
}

/// Files of `/proc` about the machine that everybody may read.
const MACHINE: &[&str] = &[
    "/proc/cpuinfo",
    "/proc/devices",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/pressure",
    "/proc/stat",
    "/proc/sys",
    "/proc/uptime",
    "/proc/version",
    "/proc/vmstat",
];
/// Of a process inside: what tells of the host.
const OF_THE_HOST: &[&str] = &["mountinfo", "mounts", "mountstats"];

impl Rules {
    /// The rules of a policy. Private places lie in `scratch`.
    pub fn of(policy: &Policy, scratch: &Path) -> Self {
        let tmpdir = &policy.places.tmpdir;
        let moved = |rules: &PathRules| {
            let moved = rules.iter().map(|rule| PathRule {
                path: match rule.path.strip_prefix(tmpdir) {
                    Ok(rest) if rule.private && rest.as_os_str().is_empty() => scratch.to_owned(),
                    Ok(rest) if rule.private => scratch.join(rest),
                    _ => rule.path.clone(),
                },
                private: false,
                ..rule.clone()
            });
            PathRules::new(moved.collect())
        };
        let files = &policy.filesystem;
        let paths = |list: &[DenyPath]| {
            let mut paths: Vec<PathBuf> =
                list.iter().flat_map(|deny| [deny.path.clone(), deny.written.clone()]).collect();
            sort::plain(&mut paths);
            paths.dedup();
            paths
        };
        let mut denied = paths(&files.deny);
        let mut finder = Finder::default();
        denied.extend(commands(policy, &mut finder));
        sort::plain(&mut denied);
        let allowed = policy.process.allow.as_ref().map(|allow| {
            let mut paths: Vec<PathBuf> = allow.iter().flat_map(|rule| rule.paths.clone()).collect();
            sort::plain(&mut paths);
            paths
        });
        let terminals = (0..3).filter_map(|fd| std::fs::read_link(format!("/proc/self/fd/{fd}")).ok());
        let files = Filesystem {
            read: moved(&files.read),
            write: moved(&files.write),
            exec: moved(&files.exec),
            ..Filesystem::default()
        };
        let rules = files.read.iter().chain(files.write.iter()).chain(files.exec.iter());
        let mut named: Vec<PathBuf> =
            rules.flat_map(|rule| [rule.path.clone(), rule.written.clone()]).collect();
        named.extend(DEVICES.iter().chain(MACHINE).map(PathBuf::from));
        named
            .extend(["/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/proc/self"].map(PathBuf::from));
        named.push(shm(scratch));
        sort::plain(&mut named);
        Self {
            files,
            named,
            denied,
            kept: paths(&policy.filesystem.protected),
            globs: policy.filesystem.deny_globs.iter().map(|deny| deny.glob.clone()).collect(),
            only: only(policy, &mut finder)
                .into_iter()
                .filter_map(|step| match step {
                    Step::Only { dir, entries } => Some((dir, entries)),
                    _ => None,
                })
                .collect(),
            commands: allowed,
            shm: shm(scratch),
            terminals: terminals.filter(|path| path.starts_with("/dev")).collect(),
            inet: matches!(policy.network.mode, crate::policy::NetworkMode::Unrestricted(_)),
        }
    }

    /// What may be done with the file at a real path, one of `/proc` aside.
    pub fn access(&self, path: &Path) -> Access {
        if DEVICES.iter().any(|device| path == Path::new(device))
            || self.terminals.iter().any(|at| path == at)
            || path.starts_with(&self.shm)
        {
            return Access::Write;
        }
        if covers(&self.denied, path) || self.globs.iter().any(|glob| glob.covers(path)) {
            return Access::None;
        }
        if self.files.write_rule(path).is_some() {
            return if covers(&self.kept, path) { Access::Read } else { Access::Write };
        }
        for (folder, entries) in &self.only {
            if path != folder && path.starts_with(folder) {
                let shown = entries.iter().any(|entry| path.starts_with(entry));
                return if shown { Access::Read } else { Access::None };
            }
        }
        if self.files.read_rule(path).is_some() { Access::Read } else { Access::None }
    }

    /// Whether it may be known that something is at a path that may not be read: it is denied, or on the way to a place.
    pub fn shown(&self, path: &Path, link: bool) -> bool {
        let at_root = link && path.parent() == Some(Path::new("/"));
        let covered = || {
            self.files.read_rule(path).is_some()
                && !self.only.iter().any(|(folder, _)| path != folder && path.starts_with(folder))
        };
        at_root || has(&self.named, path) || above(&self.named, path) || covered()
    }

    /// Whether a name may change so.
    pub fn change(&self, path: &Path, change: Change) -> bool {
        if self.access(path) < Access::Write {
            return false;
        }
        // The folder of a rule itself stays where it is.
        let root = self.files.write.iter().any(|rule| rule.path == path) || path == self.shm;
        let above = above(&self.denied, path) || above(&self.kept, path);
        // A folder may come to where a pattern waits for what is in it.
        let reached = || self.globs.iter().any(|glob| glob.reaches(path));
        match change {
            // An ancestor of a denied name may be made and, once empty, removed; nothing may be put in its place.
            Change::MakeDir => true,
            Change::RemoveDir => !root,
            Change::Make | Change::Remove | Change::Move => !root && !above,
            Change::MoveDir => !root && !above && !reached(),
        }
    }

    /// What holds the rule for a place, for people.
    pub fn held(&self, path: &Path, scratch: Option<&PathBuf>) -> Vec<String> {
        let path = scratch.map_or(path, PathBuf::as_path);
        let access = match self.access(path) {
            Access::None => "nothing",
            Access::Read => "reading",
            Access::Write => "reading and writing",
        };
        let landlock = self.runs(path).then(|| "Landlock r-x".to_owned());
        [format!("the keeper opens it for {access}")].into_iter().chain(landlock).collect()
    }

    /// Whether code of the file may be mapped: what may be executed, and libraries.
    pub fn maps(&self, path: &Path) -> bool {
        match self.access(path) {
            Access::None => false,
            Access::Read if LIBRARIES.iter().any(|library| path.starts_with(library)) => true,
            _ => self.runs(path),
        }
    }

    /// Whether the file may be executed.
    pub fn runs(&self, path: &Path) -> bool {
        if self.access(path) == Access::None {
            return false;
        }
        match &self.commands {
            None => self.files.exec_rule(path).is_some(),
            Some(commands) => {
                self.files.exec_rule(path).is_some() && path.ancestors().any(|at| has(commands, at))
            }
        }
    }

    /// Whether a file of `/proc` that belongs to no process may be read.
    pub fn machine(&self, path: &Path) -> bool {
        path != Path::new("/proc/sys/kernel/core_pattern")
            && MACHINE.iter().any(|shown| path.starts_with(shown))
    }

    /// Whether a process inside may read this file of a process inside; the path below the folder of the process.
    pub fn of_process(&self, rest: &Path) -> bool {
        let rest = rest.components().map(|part| part.as_os_str()).collect::<Vec<_>>();
        let rest = match rest.as_slice() {
            [task, _, rest @ ..] if *task == "task" => rest,
            all => all,
        };
        rest.first().is_none_or(|first| {
            !OF_THE_HOST.iter().any(|name| first == name) && (self.inet || *first != "net")
        })
    }

    /// A path as it was asked for, with the place that stands for `/dev/shm`.
    pub fn moved(&self, path: &Path) -> Option<PathBuf> {
        let rest = path.strip_prefix("/dev/shm").ok()?;
        Some(if rest.as_os_str().is_empty() { self.shm.clone() } else { self.shm.join(rest) })
    }

    /// All places that may be executed, for Landlock.
    pub fn executable(&self) -> impl Iterator<Item = &PathRule> {
        self.files.exec.iter().filter(|rule| self.files.exec_rule(&rule.path).is_some())
    }

    /// Commands that may be executed, if only some may.
    pub fn commands(&self) -> Option<&[PathBuf]> {
        self.commands.as_deref()
    }

    /// Whether something denied lies below a folder.
    pub fn denies_below(&self, path: &Path) -> bool {
        above(&self.denied, path)
    }

    /// Whether a path below which nothing is denied is writable.
    pub fn writable(&self, path: &Path) -> bool {
        self.files.write_rule(path).is_some()
    }

    /// Folders of commands of which only some entries are shown.
    pub fn only(&self) -> &[(PathBuf, Vec<PathBuf>)] {
        &self.only
    }
}

fn has(sorted: &[PathBuf], path: &Path) -> bool {
    sorted.binary_search_by(|other| other.as_path().cmp(path)).is_ok()
}

/// Whether the path or a folder above it is in the list.
fn covers(sorted: &[PathBuf], path: &Path) -> bool {
    path.ancestors().any(|at| has(sorted, at))
}

/// Whether something of the list lies below the path.
fn above(sorted: &[PathBuf], path: &Path) -> bool {
    let next = sorted.partition_point(|other| other.as_path() <= path);
    sorted.get(next).is_some_and(|other| other.starts_with(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Origin;
    use crate::policy::path::Kind;

    fn rules() -> Rules {
        let origin = Origin { file: "weft.toml".into(), line: 1, key: "filesystem" };
        let list = |paths: &[&str]| {
            let rule = |path: &&str| PathRule {
                written: path.into(),
                path: path.into(),
                kind: Kind::Dir,
                id: None,
                private: false,
                origin: origin.clone(),
            };
            PathRules::new(paths.iter().map(rule).collect())
        };
        let sorted = |paths: &[&str]| {
            let mut paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
            paths.sort();
            paths
        };
        Rules {
            files: Filesystem {
                read: list(&["/usr", "/home/a"]),
                write: list(&["/ws"]),
                exec: list(&["/usr", "/ws/bin"]),
                ..Filesystem::default()
            },
            denied: sorted(&["/home/a/.ssh", "/ws/.env", "/ws/.later/deep", "/ws/.git/hooks", "/usr/bin/nl"]),
            kept: sorted(&["/ws/weft.toml"]),
            globs: vec![Glob::new("/ws/keys/*/secret").expect("a glob")],
            named: sorted(&["/usr", "/home/a", "/ws"]),
            only: Vec::new(),
            commands: None,
            shm: "/scratch/.shm".into(),
            terminals: vec!["/dev/pts/7".into()],
            inet: false,
        }
    }

    #[test]
    fn places_are_what_the_policy_says() {
        let rules = rules();
        for (path, access) in [
            ("/usr/bin/cat", Access::Read),
            ("/usr/bin/nl", Access::None),
            ("/home/a/x", Access::Read),
            ("/home/a/.ssh", Access::None),
            ("/home/a/.ssh/id", Access::None),
            ("/home/a/.sshfoo", Access::Read),
            ("/home/ab", Access::None),
            ("/ws/x/y", Access::Write),
            ("/wsx", Access::None),
            ("/ws/.env", Access::None),
            ("/ws/weft.toml", Access::Read),
            ("/ws/keys/a/secret", Access::None),
            ("/ws/keys/a/other", Access::Write),
            ("/etc/passwd", Access::None),
            ("/", Access::None),
            ("/dev/null", Access::Write),
            ("/dev/pts/7", Access::Write),
            ("/dev/pts/8", Access::None),
            ("/scratch/.shm/x", Access::Write),
        ] {
            assert_eq!(rules.access(Path::new(path)), access, "{path}");
        }
    }

    #[test]
    fn nothing_takes_the_place_of_what_is_above_a_denied_name() {
        let rules = rules();
        let allowed = |path: &str, change| rules.change(Path::new(path), change);
        assert!(allowed("/ws/new", Change::Make) && allowed("/ws/new", Change::MoveDir));
        assert!(allowed("/ws/.later", Change::MakeDir) && allowed("/ws/.later", Change::RemoveDir));
        for change in [Change::Make, Change::Remove, Change::Move, Change::MoveDir] {
            assert!(!allowed("/ws/.later", change), "{change:?}");
            assert!(!allowed("/ws/.git", change), "{change:?}");
            assert!(!allowed("/ws", change), "{change:?}");
            assert!(!allowed("/ws/weft.toml", change), "{change:?}");
            assert!(!allowed("/ws/.env", change), "{change:?}");
        }
        assert!(!allowed("/ws/.later/deep", Change::MakeDir));
        // A folder that holds `secret` already would match once it is there.
        assert!(!allowed("/ws/keys/a", Change::MoveDir) && allowed("/ws/keys/a", Change::MakeDir));
        assert!(!allowed("/usr/new", Change::Make));
    }

    #[test]
    fn code_comes_from_where_it_may_be_executed_and_from_libraries() {
        let rules = rules();
        for (path, maps) in [
            ("/usr/lib/libc.so.6", true),
            ("/usr/bin/cat", true),
            ("/usr/bin/nl", false),
            ("/ws/lib.so", false),
            ("/ws/bin/tool", true),
            ("/home/a/lib.so", false),
        ] {
            assert_eq!(rules.maps(Path::new(path)), maps, "{path}");
        }
    }

    #[test]
    fn of_proc_only_what_tells_nothing_of_the_host() {
        let rules = rules();
        for (rest, shown) in [
            ("", true),
            ("status", true),
            ("fd/3", true),
            ("mountinfo", false),
            ("task/9/mounts", false),
            ("net/tcp", false),
            ("task/9/net/tcp", false),
            ("task/9/comm", true),
        ] {
            assert_eq!(rules.of_process(Path::new(rest)), shown, "{rest}");
        }
        assert!(rules.machine(Path::new("/proc/meminfo")) && !rules.machine(Path::new("/proc/kallsyms")));
        assert!(!rules.machine(Path::new("/proc")));
    }

    #[test]
    fn what_is_on_the_way_may_be_known() {
        let rules = rules();
        for (path, shown) in
            [("/", true), ("/home", true), ("/home/b", false), ("/ws/.env", true), ("/etc", false)]
        {
            assert_eq!(rules.shown(Path::new(path), false), shown, "{path}");
        }
    }
}
