//! `weft policy test --live`: the same questions, put to the kernel from inside the sandbox. What it says is compared with what
//! the policy says; nothing is decided here.

use crate::cli::args::PathArg;
use crate::cli::error::Failure;
use crate::cli::inside;
use crate::cli::run::prepare;
use crate::policy::commands::SearchPath;
use crate::policy::find::Finder;
use crate::policy::{NetworkMode, Policy, Question, Test, find};
use crate::sandbox::plan::Plan;
use crate::sandbox::probe::Probe;
use crate::sys::attempt::{self, byte};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What the kernel said to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Live {
    Allowed,
    /// With the error.
    Denied(String),
    /// Nothing there to try it on, or nothing that a kernel decides.
    Untried(&'static str),
}

impl Live {
    /// Whether the answer is what the test expects; what could not be tried contradicts nothing.
    pub fn holds(&self, test: &Test) -> bool {
        match self {
            Live::Allowed => test.allow,
            Live::Denied(_) => !test.allow,
            Live::Untried(_) => true,
        }
    }

    pub fn words(&self) -> String {
        match self {
            Live::Allowed => "allowed".to_owned(),
            Live::Denied(why) => format!("denied: {why}"),
            Live::Untried(why) => format!("not tried: {why}"),
        }
    }
}

/// Answers to all tests of a policy, asked behind its walls.
pub fn answers(name: &str, workspace: Option<&PathArg>) -> Result<Vec<Live>, Failure> {
    let workspace: Vec<PathArg> = workspace.into_iter().cloned().collect();
    let here = std::env::current_dir();
    let prepared = prepare::Prepared::new(Some(name), None, &workspace)?;
    let plan = inside::plan(&prepared, Probe::here())?;
    if plan.is_bare() {
        let at = prepared.policy.sandbox.kind.as_ref().map(|set| set.origin.to_string());
        let what = "no sandbox, so nothing to ask the kernel";
        return Err(Failure::usage(what, at.unwrap_or_default(), "test it without --live"));
    }
    let policy = prepared.policy;
    // The next policy may be named from here.
    if let Ok(here) = here {
        std::env::set_current_dir(&here)
            .map_err(|error| Failure::file("cannot go back to", &here, &error))?;
    }
    let host = namespace();
    let asked = policy.tests.len().min(inside::MOST);
    let said = inside::ask(&plan, asked, &|at| match policy.tests.get(at) {
        Some(test) => ask(&policy, &plan, &test.question, &host),
        None => attempt::KILLED,
    })?;
    let live = policy.tests.iter().enumerate().map(|(at, test)| match said.get(at) {
        None => Live::Untried("too many tests"),
        Some(answer) => judge(&policy, test, *answer),
    });
    Ok(live.collect())
}

/// The network namespace of this process.
fn namespace() -> Option<PathBuf> {
    fs::read_link("/proc/self/ns/net").ok()
}

/// Inside: tries it.
fn ask(policy: &Policy, plan: &Plan, question: &Question, host: &Option<PathBuf>) -> u8 {
    let place = |path: &Path| policy.places.workspace.join(path);
    match question {
        Question::Read(path) => byte(read(&place(path)).and_then(|()| not_held(policy, &place(path)))),
        Question::Write(path) => byte(write(&place(path))),
        Question::Exec(command) => byte(exec(policy, plan, command)),
        Question::Connect { .. } => {
            let there = attempt::socket(libc::AF_INET, libc::SOCK_STREAM, 0);
            // No packet is sent: another network than the host's has no way out, and the host's has no wall.
            byte(there.and_then(|()| match *host == namespace() {
                true => Ok(()),
                false => Err(io::Error::from_raw_os_error(libc::ENETUNREACH)),
            }))
        }
        Question::Env(name) => {
            let set = |variable: &std::ffi::CString| {
                variable.as_bytes().strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
            };
            byte(match plan.env.iter().any(set) {
                true => Ok(()),
                false => Err(io::Error::from_raw_os_error(libc::ENOENT)),
            })
        }
        Question::Tool(_) => attempt::KILLED,
    }
}

/// A denied name that does not exist is held by an empty folder, in which there is nothing to read.
fn not_held(policy: &Policy, path: &Path) -> io::Result<()> {
    let held = |deny: &&crate::policy::DenyPath| deny.kind.is_none() && path.starts_with(&deny.path);
    match policy.filesystem.deny.iter().find(held) {
        Some(_) if path.is_dir() => Err(io::Error::from_raw_os_error(libc::EISDIR)),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> io::Result<()> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).map(drop)
}

/// A file is opened and not changed; where there is none, one is made and removed, with the folders on the way to it.
fn write(path: &Path) -> io::Result<()> {
    let kind = fs::metadata(path).map(|meta| meta.is_dir());
    match kind {
        Ok(false) => {
            let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
            return OpenOptions::new().append(true).custom_flags(flags).open(path).map(drop);
        }
        Ok(true) => return make(&path.join(format!(".weft-test-{}", crate::sys::process::pid()))),
        Err(_) => {}
    }
    // Folders on the way may be allowed where the file is not.
    let ancestors = path.ancestors().skip(1);
    let mut missing: Vec<&Path> =
        ancestors.take_while(|folder| fs::symlink_metadata(folder).is_err()).collect();
    missing.reverse();
    let mut made = Vec::new();
    let done = missing.into_iter().try_for_each(|folder| fs::create_dir(folder).map(|()| made.push(folder)));
    let done = done.and_then(|()| make(path));
    made.iter().rev().for_each(|folder| drop(fs::remove_dir(folder)));
    done
}

fn make(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    fs::remove_file(path)
}

fn exec(policy: &Policy, plan: &Plan, command: &str) -> io::Result<()> {
    if command.contains('/') {
        return attempt::may_execute(&policy.places.workspace.join(command));
    }
    let path = plan.env.iter().find_map(|variable| variable.as_bytes().strip_prefix(b"PATH="));
    let folders = std::env::split_paths(std::ffi::OsStr::from_bytes(path.unwrap_or(b"/usr/bin:/bin")));
    let mut last = io::Error::from_raw_os_error(libc::ENOENT);
    for folder in folders.filter(|folder| folder.is_absolute()) {
        match attempt::may_execute(&folder.join(command)) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Outside: what the answer means. A refusal counts for `expect = "allow"` only where it works outside.
fn judge(policy: &Policy, test: &Test, answer: u8) -> Live {
    let denied = || Live::Denied(inside::words(answer));
    let place = |path: &Path| policy.places.workspace.join(path);
    match &test.question {
        Question::Tool(_) => Live::Untried("tools are for agents to ask about, the kernel knows none"),
        _ if answer == 0 => Live::Allowed,
        Question::Connect { .. } if test.allow && policy.network.mode == NetworkMode::Hosts => {
            Live::Untried("whether a host answers is not for a test of the policy")
        }
        Question::Env(name) if test.allow && std::env::var_os(name).is_none() => {
            Live::Untried("the variable is not set here")
        }
        Question::Read(path) if test.allow && read(&place(path)).is_err() => {
            Live::Untried("it cannot be read outside either")
        }
        Question::Write(path) if test.allow && !private(policy, &place(path)) && !writable(&place(path)) => {
            Live::Untried("it cannot be written outside either")
        }
        Question::Exec(command) if test.allow && !installed(policy, command) => {
            Live::Untried("the command is not installed")
        }
        _ => denied(),
    }
}

fn private(policy: &Policy, path: &Path) -> bool {
    policy.filesystem.read_rule(path).is_some_and(|rule| rule.private)
}

fn writable(path: &Path) -> bool {
    let there = path.ancestors().find(|path| path.symlink_metadata().is_ok());
    there
        .and_then(|path| crate::sys::fs::c_path(path).ok())
        .is_some_and(|path| crate::sys::fs::may_write(&path))
}

fn installed(policy: &Policy, command: &str) -> bool {
    match command.contains('/') {
        true => find::real(&policy.places.workspace.join(command)).is_ok_and(|path| path.exists()),
        false => {
            let path = policy.env.set.get("PATH").map(|set| set.value.as_str());
            SearchPath::new(path, &mut Finder::default()).first(command).is_some()
        }
    }
}
