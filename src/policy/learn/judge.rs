//! File by file: what the base grants already, what must not be proposed, and what is left to be folded.

use super::{Learned, Left, Programs, Uses, Verb, shown, written};
use crate::policy::commands::Command;
use crate::policy::lint::{RUN_LATER_AT, RUN_LATER_IN_WORKSPACE, SOCKETS, WIDE_TO_READ};
use crate::policy::secrets::is_credential;
use crate::policy::{Policy, decide, find};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A file that the base does not grant and that may be proposed.
pub type Wanted = BTreeMap<PathBuf, (BTreeSet<Verb>, Programs)>;

/// What came of the files.
#[derive(Debug, Default)]
pub struct Judged {
    /// In the workspace, by what is to be done there, with how many files.
    pub workspace: BTreeMap<Verb, (Programs, BTreeSet<PathBuf>)>,
    /// In the run's own temporary folder.
    pub tmpdir: BTreeMap<Verb, Programs>,
    /// Below the home folder, and elsewhere.
    pub home: Wanted,
    pub other: Wanted,
    /// Programs that were started: as they were named, and by whom.
    pub programs: BTreeMap<PathBuf, Programs>,
    /// Looked at and not opened, where the base shows nothing.
    pub looked: BTreeMap<PathBuf, Programs>,
    /// A shared library is loaded from where the base executes nothing.
    pub library: Option<PathBuf>,
    /// What the fold granted to be written or executed, for who asks afterwards.
    pub writable: Vec<PathBuf>,
}

/// Where programs and system settings are: nothing there is for an agent to change.
const SYSTEM: &[&str] = &[
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/boot", "/etc", "/nix", "/run", "/proc",
    "/sys", "/dev", "/System", "/Library",
];

pub struct Judge<'p> {
    base: &'p Policy,
    home: PathBuf,
}

impl<'p> Judge<'p> {
    pub fn new(base: &'p Policy) -> Judge<'p> {
        let home = find::real(&base.places.home).unwrap_or_else(|_| base.places.home.clone());
        Judge { base, home }
    }

    pub fn all(&self, uses: &Uses, learned: &mut Learned) -> Judged {
        let mut judged = Judged::default();
        let mut programs: Vec<(PathBuf, Programs)> = Vec::new();
        for ((path, verb), by) in &uses.files {
            match verb {
                Verb::Exec => programs.push((path.clone(), by.clone())),
                // What is opened as well needs no word of its own.
                Verb::Look => self.looked(path, by, uses, &mut judged),
                Verb::Read | Verb::Write => {
                    self.file(path, *verb, by, &mut judged, learned);
                }
            }
        }
        for (path, by) in programs {
            self.program(&path, &by, 4, &mut judged, learned);
        }
        judged
    }

    fn left(&self, learned: &mut Learned, verb: Verb, path: &Path, why: impl Into<String>, by: &Programs) {
        let what = format!("{} {}", verb.as_str(), shown(path, self.base));
        learned.left.push(Left { what, why: why.into(), by: by.clone() });
    }

    fn looked(&self, path: &Path, by: &Programs, uses: &Uses, judged: &mut Judged) {
        let opened = [Verb::Read, Verb::Write, Verb::Exec]
            .iter()
            .any(|verb| uses.files.contains_key(&(path.to_owned(), *verb)));
        let real = find::real(path).unwrap_or_else(|_| path.to_owned());
        let there = fs::symlink_metadata(&real).is_ok();
        let granted = decide::read(self.base, &real).allowed || real.starts_with(&self.base.places.workspace);
        let parent = self.home.starts_with(&real) || self.base.places.workspace.starts_with(&real);
        let fine = self.objection(&real, Verb::Read).is_none() && written(path, self.base).is_ok();
        if opened || granted || parent || !there || !fine {
            return;
        }
        judged.looked.insert(path.to_owned(), by.clone());
    }

    fn program(&self, path: &Path, by: &Programs, deep: u8, judged: &mut Judged, learned: &mut Learned) {
        let real = fs::canonicalize(path).ok();
        let command = Command {
            asked: path.to_string_lossy().into_owned(),
            found: Some(path.to_owned()),
            real: Some(real.clone().unwrap_or_else(|| path.to_owned())),
        };
        let decision = decide::exec(self.base, &command);
        if let Some(rule) = decision.rule.as_ref().filter(|_| !decision.allowed) {
            let why = format!("{} ({rule}), and nothing that is added beats that", decision.reason);
            return self.left(learned, Verb::Exec, path, why, by);
        }
        let file = real.as_deref().unwrap_or(path);
        let names = self.base.filesystem.exec_rule(file).is_none();
        if names && !self.file(path, Verb::Exec, by, judged, learned) {
            return;
        }
        judged.programs.entry(path.to_owned()).or_default().extend(by.iter().cloned());
        // The kernel starts what the first line of a script names, without a call that could be seen.
        if let Some(interpreter) = interpreter(file).filter(|_| deep > 0) {
            let by = Programs::from([path.to_owned()]);
            self.program(&interpreter, &by, deep - 1, judged, learned);
        }
    }

    /// True when it is, or will be, granted.
    fn file(
        &self,
        path: &Path,
        verb: Verb,
        by: &Programs,
        judged: &mut Judged,
        learned: &mut Learned,
    ) -> bool {
        let base = self.base;
        let private = base.filesystem.read_rule(path).is_none_or(|rule| rule.private);
        if path.starts_with(&base.places.tmpdir) && private {
            let granted = match verb {
                Verb::Write => base.filesystem.write_rule(path).is_some(),
                Verb::Exec => base.filesystem.exec_rule(path).is_some(),
                // Empty until something is written there.
                Verb::Read | Verb::Look => true,
            };
            if !granted {
                judged.tmpdir.entry(verb).or_default().extend(by.iter().cloned());
            }
            return true;
        }
        let way = way(path);
        let real = way.last().map_or(path, |step| &step.path);
        let denied = [path, real].into_iter().find_map(|path| decide::denied(base, path));
        if let Some(decision) = denied {
            let rule = decision.rule.map(|rule| format!(" ({rule})")).unwrap_or_default();
            self.asserted(path, learned);
            self.left(learned, verb, path, format!("{}{rule}", decision.reason), by);
            return false;
        }
        let library = verb == Verb::Read && is_library(real);
        let verb = if library { Verb::Exec } else { verb };
        let granted = match verb {
            Verb::Write => decide::write(base, real),
            Verb::Exec if base.filesystem.exec_rule(real).is_some() => decide::read(base, real),
            Verb::Exec => decide::Decision { allowed: false, rule: None, reason: "".into() },
            Verb::Read | Verb::Look => decide::read(base, real),
        };
        if verb == Verb::Write
            && let Some(rule) = granted.rule.as_ref().filter(|_| !granted.allowed)
        {
            self.left(learned, verb, path, format!("{} ({rule})", granted.reason), by);
            return false;
        }
        let mut fine = true;
        for (at, step) in way.iter().enumerate() {
            let last = at + 1 == way.len();
            let there = if last { granted.allowed } else { self.has_link(step) };
            if !there {
                fine &= self.place(&step.path, verb, by, judged, learned);
                if fine && last && library {
                    judged.library.get_or_insert_with(|| step.path.clone());
                }
            }
        }
        fine
    }

    /// Whether the link that leads on from here is to be seen under the base.
    fn has_link(&self, step: &Step) -> bool {
        let Some(link) = &step.link else { return false };
        link.starts_with(&self.base.places.workspace) || shows_link(self.base, link)
    }

    /// Puts one file where it will be folded, unless it must not be proposed.
    fn place(
        &self,
        path: &Path,
        verb: Verb,
        by: &Programs,
        judged: &mut Judged,
        learned: &mut Learned,
    ) -> bool {
        if let Some(why) = self.objection(path, verb) {
            if is_credential(path, &self.home) {
                self.asserted(path, learned);
                // Whatever is granted around it.
                let why = || "wanted, and where credentials are or named like them".to_owned();
                learned.deny.extend(written(path, self.base).map(|path| (path, why())));
            }
            self.left(learned, verb, path, why, by);
            return false;
        }
        let places = &self.base.places;
        if path.starts_with(&places.workspace) {
            let (programs, files) = judged.workspace.entry(verb).or_default();
            programs.extend(by.iter().cloned());
            files.insert(path.to_owned());
            return true;
        }
        if let Err(why) = written(path, self.base) {
            self.left(learned, verb, path, why, by);
            return false;
        }
        let home = path.starts_with(&self.home) || path.starts_with(&places.home);
        let wanted = if home { &mut judged.home } else { &mut judged.other };
        let (verbs, programs) = wanted.entry(path.to_owned()).or_default();
        verbs.insert(verb);
        programs.extend(by.iter().cloned());
        true
    }

    /// Why nobody should grant it because a program asked for it.
    fn objection(&self, path: &Path, verb: Verb) -> Option<String> {
        let places = &self.base.places;
        let own = path.starts_with(&places.workspace);
        if own && let Some(what) = places.workspace_too_wide() {
            return Some(format!("the workspace is {what}: learn in the folder of one project"));
        }
        if is_credential(path, &self.home) {
            return Some(
                "it is where credentials are, or named like them; no credential is ever proposed".into(),
            );
        }
        if SOCKETS.iter().any(|socket| path.starts_with(socket)) {
            return Some("who can talk to that service can leave the sandbox".into());
        }
        if let Ok(meta) = fs::metadata(path)
            && !meta.is_file()
            && !meta.is_dir()
        {
            return Some("it is a socket, a pipe or a device of this machine".into());
        }
        let later = RUN_LATER_AT.iter().map(|name| self.home.join(name));
        let here = RUN_LATER_IN_WORKSPACE.iter().map(|name| places.workspace.join(name));
        if verb == Verb::Write && later.chain(here).any(|place| path.starts_with(place)) {
            return Some("it is run or obeyed outside the sandbox later".into());
        }
        if verb == Verb::Write && path == places.workspace.join("weft.toml") {
            return Some("a policy is never writable for who is held by it".into());
        }
        let state = places.state.join("weft");
        if path.starts_with(&state) || path.starts_with(places.config.join("weft")) {
            return Some("it is weft's own".into());
        }
        if own {
            return None;
        }
        if path == self.home
            || self.home.starts_with(path)
            || WIDE_TO_READ.iter().any(|wide| path == Path::new(wide))
        {
            return Some("it is too much to grant in one line: name what is needed of it".into());
        }
        if verb == Verb::Write && SYSTEM.iter().any(|system| path.starts_with(system)) {
            return Some("it is a place of the system".into());
        }
        let others = ["/home", "/root", "/Users"].iter().any(|homes| path.starts_with(homes));
        (others && !path.starts_with(&self.home) && !path.starts_with(&places.home))
            .then(|| "it is somebody else's home folder".into())
    }

    fn asserted(&self, path: &Path, learned: &mut Learned) {
        learned.asserted.extend(written(path, self.base));
    }
}

/// Whether a link of the host is there under the policy.
pub fn shows_link(policy: &Policy, link: &Path) -> bool {
    let files = &policy.filesystem;
    let mut rules = files.read.iter().chain(files.write.iter()).chain(files.exec.iter());
    link.parent() == Some(Path::new("/"))
        || decide::read(policy, link).allowed
        || rules.any(|rule| rule.written.starts_with(link))
}

/// A path on the way to a file: itself, and the first link in it.
#[derive(Debug)]
pub struct Step {
    pub path: PathBuf,
    pub link: Option<PathBuf>,
}

/// The path, and what it becomes with each link in it followed, one at a time; the last has none.
pub fn way(path: &Path) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut path = path.to_owned();
    while steps.len() < 16 {
        let mut at = PathBuf::new();
        let mut parts = path.components();
        let target = loop {
            let Some(part) = parts.next() else { break None };
            at.push(part);
            if let Ok(target) = fs::read_link(&at) {
                break Some(target);
            }
        };
        let Some(target) = target else { break };
        let rest: PathBuf = parts.collect();
        // With `..` in it the kernel's own way is the only sure one.
        let dots = target.components().any(|part| part == std::path::Component::ParentDir);
        let folder = at.parent().unwrap_or(Path::new("/"));
        let next = match dots {
            true => fs::canonicalize(&at).unwrap_or_else(|_| at.clone()),
            false => folder.join(&target),
        };
        let next = if rest.as_os_str().is_empty() { next } else { next.join(rest) };
        steps.push(Step { path: path.clone(), link: Some(at) });
        if next == path {
            return steps;
        }
        path = next;
    }
    steps.push(Step { path, link: None });
    steps
}

/// The loader maps it to be executed.
fn is_library(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let numbered = name.rsplit_once(".so.").is_some_and(|(_, number)| {
        !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    });
    numbered || [".so", ".node", ".dylib"].iter().any(|end| name.ends_with(end))
}

/// What the first line of a script names.
pub fn interpreter(script: &Path) -> Option<PathBuf> {
    // Opening a pipe would wait.
    if !fs::metadata(script).ok()?.is_file() {
        return None;
    }
    let mut start = Vec::new();
    fs::File::open(script).ok()?.take(256).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?.trim_ascii();
    let name = line.split(|byte| byte.is_ascii_whitespace()).next()?;
    let path = Path::new(std::ffi::OsStr::from_bytes(name)).to_owned();
    path.is_absolute().then_some(path)
}
