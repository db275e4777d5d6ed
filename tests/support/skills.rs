//! One of the repository's own skills, published to a hub by one person and installed by another, and what runs it.

// Each test file uses its part; a failure here is a failed test.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use crate::cli::{Dir, Said};
use crate::hub::{Hub, Served};
use crate::process;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// What nobody inside may see.
pub const SECRET: &str = "zebra-key-of-the-user";

/// What holds a run: namespaces where this machine has them, or only what is left without.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Level {
    Ordinary,
    Fallback,
}

/// Somebody at a machine.
pub struct Person {
    pub dir: Dir,
    registry: String,
}

impl Person {
    pub fn new(registry: &str) -> Person {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("weft-skills-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // Not below /tmp, which is the sandbox's own inside.
        let dir = Dir(Path::new("/var/tmp").join(name));
        for folder in ["work", "home/.ssh"] {
            fs::create_dir_all(dir.0.join(folder)).unwrap();
        }
        dir.file("home/.ssh/id_rsa", SECRET);
        dir.file("home/notes.txt", "mine\n");
        Person { dir, registry: registry.into() }
    }

    pub fn said(&self, level: Level, args: &[&str], input: &[u8]) -> Said {
        let mut command = match level {
            Level::Ordinary => Command::new(env!("CARGO_BIN_EXE_weft")),
            Level::Fallback => {
                // In a user namespace of the test's own that may hold no network namespace.
                let closed = "echo 0 > /proc/sys/user/max_net_namespaces && exec \"$@\"";
                let mut unshare = Command::new("unshare");
                unshare.args(["--user", "--map-root-user", "sh", "-c", closed, "sh"]);
                unshare.arg(env!("CARGO_BIN_EXE_weft"));
                unshare
            }
        };
        command.args(args).current_dir(self.dir.0.join("work")).env_clear();
        command.env("HOME", self.dir.0.join("home")).env("PATH", PATH).env("LANG", "C.UTF-8");
        command.env("CLAWHUB_REGISTRY", &self.registry).env("API_TOKEN", SECRET);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub fn good(&self, args: &[&str], with: &[&str]) {
        let said = self.said(Level::Ordinary, args, b"");
        assert_eq!(said.code, 0, "{args:?}: {said:?}");
        for word in with {
            assert!(format!("{}{}", said.out, said.err).contains(word), "{args:?}: no {word:?} in {said:?}");
        }
    }

    /// The refused entries of an agent's log, `action target` each; and whether a run was held without namespaces.
    pub fn denied(&self, agent: &str) -> (Vec<String>, bool) {
        let path = self.dir.0.join(format!("home/.local/state/weft/audit/{agent}.jsonl"));
        let log = fs::read_to_string(&path).unwrap();
        let verified = self.said(Level::Ordinary, &["audit", "verify", path.to_str().unwrap()], b"");
        assert_eq!(verified.code, 0, "{verified:?}");
        let (mut denied, mut fallback) = (Vec::new(), false);
        for line in log.lines() {
            let node = weft::json::parse(line).unwrap();
            let text = |key: &str| node.get(key).unwrap().as_str().unwrap().to_owned();
            let entry = format!("{} {}", text("action"), text("target"));
            match node.get("allowed").unwrap().as_bool() {
                Some(true) => fallback |= entry == "enforcement fallback",
                _ => denied.push(entry),
            }
        }
        fs::remove_file(path).unwrap();
        (denied, fallback)
    }
}

/// A hub with one of the skills, who published it, and somebody who installed it.
pub struct World {
    pub bob: Person,
    name: &'static str,
    _served: Served,
    _hub: Hub,
}

pub fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("skills").join(name)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

impl World {
    pub fn new(name: &'static str) -> World {
        let hub = Hub::new();
        hub.user("alice", "user");
        hub.user("bob", "user");
        let (alice_token, bob_token) = (hub.token("alice", false), hub.token("bob", false));
        let served = hub.serve();
        let (alice, bob) = (Person::new(&served.url()), Person::new(&served.url()));
        copy(&source(name), &alice.dir.0.join("work").join(name));
        alice.good(&["skill", "login", "--token", &alice_token], &["alice"]);
        alice.good(&["skill", "keygen"], &[]);
        let published = format!("published @alice/{name} 1.0.0");
        alice.good(&["skill", "publish", name], &[&published]);

        bob.good(&["skill", "login", "--token", &bob_token], &["bob"]);
        bob.good(&["skill", "install", &format!("@alice/{name}")], &["first use"]);
        bob.good(&["skill", "verify"], &[]);
        World { bob, name, _served: served, _hub: hub }
    }

    pub fn folder(&self) -> String {
        format!("skills/@alice/{}", self.name)
    }

    pub fn policy(&self) -> String {
        format!("{}/policy.toml", self.folder())
    }

    /// `weft run` under a policy; None, said aloud, where this machine has no such sandbox.
    pub fn run(&self, level: Level, policy: &str, workspace: &str, command: &[&str]) -> Option<Said> {
        let args = [&["run", "--policy", policy, "--workspace", workspace, "--"], command].concat();
        sandboxed(self.bob.said(level, &args, b""))
    }

    /// The same code without a sandbox, in the workspace: each attempt works there, so that the sandbox is what stops it. Files
    /// are put back as they were.
    #[track_caller]
    pub fn works_outside(&self, python: &str, touched: &[&str]) {
        let (home, work) = (self.bob.dir.0.join("home"), self.bob.dir.0.join("work"));
        let before: Vec<(PathBuf, Option<Vec<u8>>)> = touched
            .iter()
            .map(|name| (self.bob.dir.0.join(name), fs::read(self.bob.dir.0.join(name)).ok()))
            .collect();
        let mut command = Command::new("python3");
        command.args(["-c", python]).current_dir(work).env_clear().env("HOME", home).env("PATH", PATH);
        let output = command.env("API_TOKEN", SECRET).output().unwrap();
        for (path, bytes) in before {
            match bytes {
                Some(bytes) => fs::write(path, bytes).unwrap(),
                None => fs::remove_file(path).unwrap(),
            }
        }
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && !out.contains(" failed"), "{output:?}");
        assert_eq!(out.matches(" DONE").count(), python.matches("\nattempt(").count(), "{out}");
    }

    /// Unchanged, as weft sees it.
    #[track_caller]
    pub fn verify(&self) {
        self.bob.good(&["skill", "verify"], &[]);
    }
}

pub fn sandboxed(said: Said) -> Option<Said> {
    let why = if said.err.contains("unshare failed") || said.err.contains("max_net_namespaces") {
        "no user namespace for the test itself"
    } else if said.code == 125 || (said.code == 2 && said.err.contains("kernel")) {
        "this machine cannot hold the policy"
    } else {
        return Some(said);
    };
    process::skipped(&format!("{why}: {}", said.err.trim_end()));
    None
}

pub fn python_is_here() -> bool {
    let here = PATH.split(':').any(|folder| Path::new(folder).join("python3").exists());
    if !here {
        process::skipped("python3 is not installed; the skills were not run");
    }
    here
}

/// Python that makes the attempts, each a name and an expression, and says what came of each.
pub fn probe(attempts: &[(&str, &str)]) -> String {
    let mut python = "import os, socket, subprocess, tempfile
def attempt(name, what):
    try:
        print(name, 'DONE', what())
    except OSError:
        print(name, 'failed')
def payload():
    path = os.path.join(tempfile.mkdtemp(), 'payload')
    with open(path, 'w') as file:
        file.write('#!/bin/sh\\necho run\\n')
    os.chmod(path, 0o755)
    return subprocess.check_output([path])
def home(name, mode):
    return open(os.path.join(os.path.expanduser('~'), name), mode)
"
    .to_owned();
    for (name, what) in attempts {
        python.push_str(&format!("attempt('{name}', lambda: {what})\n"));
    }
    python.push_str("print('variable', os.environ.get('API_TOKEN'))\n");
    python
}

/// Each attempt failed, in this order, and the variable was not there.
#[track_caller]
pub fn all_failed(out: &str, attempts: &[(&str, &str)]) {
    let mut failed: String = attempts.iter().map(|(name, _)| format!("{name} failed\n")).collect();
    failed.push_str("variable None\n");
    assert!(out.contains(&failed) && !out.contains(SECRET) && !out.contains(" DONE"), "{out}");
}

/// An entry that begins so.
#[track_caller]
pub fn has(entries: &[String], start: &str) {
    assert!(entries.iter().any(|entry| entry.starts_with(start)), "no {start:?} in {entries:?}");
}
