//! The skills in `skills/`, from author to use: through the gate, published signed to a hub, installed by somebody else, verified, and
//! run in the sandbox under the policy that comes with each. What they are for works, and what their policy does not name does not.
#![cfg(all(feature = "server", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::panic)] // A failure here is a failed test.

#[path = "support/cli.rs"]
mod cli;
#[path = "support/hub.rs"]
mod hub;
#[path = "support/process.rs"]
mod process;
#[path = "support/server.rs"]
mod server;

use cli::{Dir, Said};
use hub::{Hub, Served};
use server::{Act, Server};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
const SECRET: &str = "zebra-key-of-the-user";

/// What holds a run: namespaces where this machine has them, or only what is left without.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Level {
    Ordinary,
    Fallback,
}

/// Somebody at a machine.
struct Person {
    dir: Dir,
    registry: String,
}

impl Person {
    fn new(registry: &str) -> Person {
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

    fn said(&self, level: Level, args: &[&str], input: &[u8]) -> Said {
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
    fn good(&self, args: &[&str], with: &[&str]) {
        let said = self.said(Level::Ordinary, args, b"");
        assert_eq!(said.code, 0, "{args:?}: {said:?}");
        for word in with {
            assert!(format!("{}{}", said.out, said.err).contains(word), "{args:?}: no {word:?} in {said:?}");
        }
    }

    /// The refused entries of an agent's log, `action target` each; and whether a run was held without namespaces.
    fn denied(&self, agent: &str) -> (Vec<String>, bool) {
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
struct World {
    bob: Person,
    name: &'static str,
    _served: Served,
    _hub: Hub,
}

fn source(name: &str) -> PathBuf {
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
    fn new(name: &'static str) -> World {
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

    fn folder(&self) -> String {
        format!("skills/@alice/{}", self.name)
    }

    fn policy(&self) -> String {
        format!("{}/policy.toml", self.folder())
    }

    /// `weft run` under a policy; None, said aloud, where this machine has no such sandbox.
    fn run(&self, level: Level, policy: &str, workspace: &str, command: &[&str]) -> Option<Said> {
        let args = [&["run", "--policy", policy, "--workspace", workspace, "--"], command].concat();
        sandboxed(self.bob.said(level, &args, b""))
    }

    /// Unchanged, as weft sees it.
    #[track_caller]
    fn verify(&self) {
        self.bob.good(&["skill", "verify"], &[]);
    }
}

fn sandboxed(said: Said) -> Option<Said> {
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

fn python_is_here() -> bool {
    let here = PATH.split(':').any(|folder| Path::new(folder).join("python3").exists());
    if !here {
        process::skipped("python3 is not installed; the skills were not run");
    }
    here
}

#[track_caller]
fn has(entries: &[String], start: &str) {
    assert!(entries.iter().any(|entry| entry.starts_with(start)), "no {start:?} in {entries:?}");
}

#[test]
fn they_pass_the_gate_and_keep_what_their_policies_promise() {
    let dir = Dir::new();
    for name in ["coding-agent", "web-search", "file-management"] {
        let (folder, policy) = (source(name), source(name).join("policy.toml"));
        let (folder, policy) = (folder.to_str().unwrap(), policy.to_str().unwrap());
        // Also nothing below the level that would stop them.
        let scan = dir.weft(&["security", "scan", "--gate", "--fail-on", "low", folder]);
        assert!(scan.code == 0 && scan.out.contains("no findings"), "{scan:?}");
        let check = dir.weft(&["policy", "check", policy]);
        assert!(check.code == 0 && check.out.contains("0 errors, 0 warnings"), "{check:?}");
        let test = dir.weft(&["policy", "test", policy]);
        assert!(test.code == 0 && !test.out.contains(" 0 of "), "{test:?}");
    }
}

const PROJECT_TEST: &str = "import unittest
from app import double

class Double(unittest.TestCase):
    def test_double(self):
        open('written', 'w').close()
        self.assertEqual(double(2), 4)
";

/// A test of a project that does what a test should not. What came of each attempt is in its output.
const EVIL_TEST: &str = "import os, socket, subprocess, tempfile, unittest

def attempt(name, what):
    try:
        print(name, 'DONE', what())
    except OSError as error:
        print(name, 'failed')

def execute():
    path = os.path.join(tempfile.mkdtemp(), 'payload')
    with open(path, 'w') as file:
        file.write('#!/bin/sh\\necho run\\n')
    os.chmod(path, 0o755)
    return subprocess.check_output([path])

class Evil(unittest.TestCase):
    def test_evil(self):
        attempt('key', lambda: open(os.path.expanduser('~/.ssh/id_rsa')).read())
        attempt('notes', lambda: open(os.path.expanduser('~/notes.txt'), 'a').write('evil'))
        attempt('env', lambda: open(os.environ['WORK'] + '/.env').read())
        attempt('project', lambda: open(os.environ['WORK'] + '/src/app.py', 'a').write('evil'))
        attempt('connect', lambda: socket.create_connection(('127.0.0.1', 9), 5))
        attempt('execute', execute)
        print('variable', os.environ.get('API_TOKEN'))
        self.fail('shows what was printed')
";

#[test]
fn the_coding_agent_tests_a_project_and_its_tests_get_nowhere() {
    if !python_is_here() {
        return;
    }
    let world = World::new("coding-agent");
    let bob = &world.bob;
    let check = format!("{}/scripts/check.py", world.folder());
    for level in [Level::Ordinary, Level::Fallback] {
        bob.dir.file("work/src/app.py", "def double(x):\n    return 2 * x\n");
        bob.dir.file("work/tests/test_app.py", PROJECT_TEST);
        bob.dir.file("work/config.json", "{}\n");
        bob.dir.file("work/.env", SECRET);
        let Some(said) = world.run(level, &world.policy(), ".", &["python3", &check]) else { continue };
        assert_eq!(said.code, 0, "{level:?}: {said:?}");
        assert!(
            said.out.contains("ok      unittest tests\n3 files, 1 test runs, 0 failed, 0 remarks"),
            "{said:?}"
        );
        let left = ["work/written", "work/tests/written", "work/tests/__pycache__"];
        assert!(left.iter().all(|name| !bob.dir.0.join(name).exists()), "tests run on a copy");

        // Mistakes are found, with their lines.
        bob.dir.file("work/src/app.py", "import os\n\ndef double(x):\n    return 3 * x\n");
        bob.dir.file("work/config.json", "{\n  1\n}\n");
        let said = world.run(level, &world.policy(), ".", &["python3", &check]).unwrap();
        assert_eq!(said.code, 1, "{level:?}: {said:?}");
        for with in [
            "FAILED  unittest tests",
            "6 != 4",
            "src/app.py:1: `os` is imported and not used",
            "config.json:2: no",
        ] {
            assert!(said.out.contains(with), "{level:?}: no {with:?} in {said:?}");
        }
        bob.denied("coding-agent-skill");

        let work = bob.dir.0.join("work");
        let evil = EVIL_TEST.replace("os.environ['WORK']", &format!("'{}'", work.to_str().unwrap()));
        bob.dir.file("work/tests/test_app.py", evil);
        let app = bob.dir.read("work/src/app.py");
        let said = world.run(level, &world.policy(), ".", &["python3", &check, "--no-lint"]).unwrap();
        assert_eq!(said.code, 1, "{level:?}: {said:?}");
        for what in ["key", "notes", "env", "project", "connect", "execute"] {
            assert!(said.out.contains(&format!("{what} failed\n")), "{level:?}: {what}: {said:?}");
        }
        assert!(said.out.contains("variable None") && !said.out.contains(SECRET), "{level:?}: {said:?}");
        assert_eq!((bob.dir.read("work/src/app.py"), bob.dir.read("home/notes.txt")), (app, "mine\n".into()));
        let (denied, fallback) = bob.denied("coding-agent-skill");
        has(&denied, "syscall socket(");
        assert!(denied.iter().any(|e| e.starts_with("exec ") && e.ends_with("/payload")), "{denied:?}");
        if fallback {
            // With namespaces these are not there, and no event.
            let home = bob.dir.0.join("home");
            has(&denied, &format!("read {}", home.join(".ssh/id_rsa").display()));
            has(&denied, &format!("write {}", home.join("notes.txt").display()));
            has(&denied, &format!("write {}", work.join("src/app.py").display()));
        }
        assert!(fallback || level == Level::Ordinary);
        fs::remove_dir_all(bob.dir.0.join("work/tests")).unwrap();
    }
    world.verify();
}

const DIFF: &str = "diff --git a/app.py b/app.py
--- a/app.py
+++ b/app.py
@@ -1,2 +1,3 @@
 def double(x):
--- old
+    breakpoint()
+    return 2 * x
diff --git a/run.sh b/run.sh
old mode 100644
new mode 100755
";

#[test]
fn the_coding_agent_sums_up_a_diff_by_skill_run() {
    if !python_is_here() {
        return;
    }
    let world = World::new("coding-agent");
    let args = ["skill", "run", "@alice/coding-agent", "--", "python3", "scripts/diff_summary.py"];
    let Some(said) = sandboxed(world.bob.said(Level::Ordinary, &args, DIFF.as_bytes())) else { return };
    assert_eq!(said.code, 1, "{said:?}");
    for with in [
        "+2     -1     app.py (changed)\n",
        "line 2: added, and looks forgotten: breakpoint()",
        "run.sh (changed)\n              becomes executable\n",
        "2 files, 2 lines added, 1 removed\n",
    ] {
        assert!(said.out.contains(with), "no {with:?} in {said:?}");
    }
    let clean = DIFF.replace("breakpoint()", "x = x").replace("100755", "100600");
    let said = world.bob.said(Level::Ordinary, &args, clean.as_bytes());
    assert_eq!(said.code, 0, "{said:?}");
    let said = world.bob.said(Level::Ordinary, &args, b"no diff\n");
    assert!(said.code == 2 && said.err.contains("no unified diff"), "{said:?}");
    world.verify();
}

#[test]
fn file_management_tidies_the_workspace_and_nothing_else() {
    if !python_is_here() {
        return;
    }
    let world = World::new("file-management");
    let bob = &world.bob;
    let script = format!("{}/scripts/files.py", world.folder());
    for level in [Level::Ordinary, Level::Fallback] {
        let _ = fs::remove_dir_all(bob.dir.0.join("work/photos"));
        for (name, text) in [("IMG_1.jpg", "one"), ("IMG_2.jpg", "two"), ("IMG_3.txt", "one"), ("empty", "")]
        {
            bob.dir.file(format!("work/photos/{name}"), text);
        }
        std::os::unix::fs::symlink(bob.dir.0.join("home/.ssh"), bob.dir.0.join("work/photos/keys")).unwrap();
        let files = |args: &[&str]| {
            let command = [&["python3", &script], args].concat();
            world.run(level, &world.policy(), ".", &command)
        };
        let Some(said) = files(&["duplicates", "photos"]) else { continue };
        let listed =
            "3 bytes each:\n  photos/IMG_1.jpg\n  photos/IMG_3.txt\n1 groups, 3 bytes more than needed\n";
        assert_eq!((said.code, said.out.as_str()), (1, listed), "{level:?}: {said:?}");

        let rename = ["rename", "photos", r"IMG_(\d+)", r"day-\1", "--dry-run"];
        let said = files(&rename).unwrap();
        assert!(
            said.code == 0 && said.out.contains("would move photos/IMG_1.jpg → photos/day-1.jpg"),
            "{said:?}"
        );
        assert!(bob.dir.0.join("work/photos/IMG_1.jpg").exists(), "a dry run moves nothing");
        let said = files(&rename[..4]).unwrap();
        assert_eq!(said.code, 0, "{level:?}: {said:?}");
        assert_eq!(bob.dir.read("work/photos/day-2.jpg"), "two");
        // Two files and one name: neither moves.
        let said = files(&["rename", "photos", r"day-\d", "day"]).unwrap();
        assert!(said.code == 2 && said.err.contains("is taken; nothing was moved"), "{level:?}: {said:?}");
        let said = files(&["sort", "photos", "--format", "json"]).unwrap();
        assert!(said.code == 0 && weft::json::parse(&said.out).is_ok(), "{level:?}: {said:?}");
        assert_eq!(bob.dir.read("work/photos/pictures/day-1.jpg"), "one");
        assert_eq!(bob.dir.read("work/photos/documents/day-3.txt"), "one");

        // Elsewhere: the script refuses, and where it would not, the policy does.
        for folder in ["..", "photos/keys", "/etc"] {
            let said = files(&["sort", folder]).unwrap();
            assert!(
                said.code == 2 && said.err.contains("outside of the current folder"),
                "{folder}: {said:?}"
            );
        }
        let said = files(&["rename", &world.folder(), "policy", "other"]).unwrap();
        assert!(said.code == 2 && said.err.contains("everything is where it was"), "{level:?}: {said:?}");
        bob.denied("file-management-skill");
        let evil = "
import os, socket
def attempt(name, what):
    try:
        print(name, 'DONE', what())
    except OSError as error:
        print(name, 'failed')
attempt('key', lambda: open('photos/keys/id_rsa').read())
attempt('notes', lambda: open(os.path.expanduser('~/notes.txt'), 'w').write('evil'))
attempt('new', lambda: open(os.path.expanduser('~/new'), 'w').write('evil'))
attempt('lock', lambda: open('.weft/hub.lock', 'a').write('evil'))
attempt('skill', lambda: open('SCRIPT', 'a').write('evil'))
attempt('connect', lambda: socket.create_connection(('127.0.0.1', 9), 5))
attempt('shell', lambda: os.execv('/bin/sh', ['sh', '-c', 'echo shell DONE']))
attempt('program', lambda: os.execv('/usr/bin/env', ['env']))
";
        let evil = evil.replace("SCRIPT", &script);
        let said = world.run(level, &world.policy(), ".", &["python3", "-c", &evil]).unwrap();
        let failed: Vec<&str> = said.out.lines().filter_map(|line| line.strip_suffix(" failed")).collect();
        assert_eq!(
            failed,
            ["key", "notes", "new", "lock", "skill", "connect", "shell", "program"],
            "{level:?}: {said:?}"
        );
        assert_eq!(bob.dir.read("home/notes.txt"), "mine\n");
        assert!(!bob.dir.0.join("home/new").exists());
        let (denied, fallback) = bob.denied("file-management-skill");
        has(&denied, "syscall socket(");
        has(&denied, "exec /bin/sh");
        has(&denied, "exec /usr/bin/env");
        if fallback {
            let home = bob.dir.0.join("home");
            has(&denied, &format!("read {}", home.join(".ssh/id_rsa").display()));
            has(&denied, &format!("write {}", home.join("notes.txt").display()));
        }
        assert!(fallback || level == Level::Ordinary);
    }
    world.verify();
}

const ANSWER: &str = r#"{"results":[
{"title":"Land<b>lock</b>\u001b[31m\u202e","url":"https://docs.example/landlock","content":"Access  control &amp;\nmore"},
{"title":"no page","url":"javascript:alert(1)","content":"x"}]}"#;

#[test]
fn web_search_asks_the_endpoint_of_its_policy_and_no_other() {
    if !python_is_here() {
        return;
    }
    let world = World::new("web-search");
    let bob = &world.bob;
    let other = Server::start(|_| Act::json(ANSWER));
    let elsewhere = other.url();
    let endpoint = Server::start(move |seen| match seen.path() {
        "/search" => Act::json(ANSWER),
        _ => Act::redirect(302, &format!("{elsewhere}/search")),
    });
    let own = format!(
        "version = 1\nextends = [\"{}\"]\n[network]\nallow = [{{ host = \"127.0.0.1\", ports = [{}], tls = false }}]\n",
        world.policy(),
        endpoint.address.port()
    );
    bob.dir.file("work/search.toml", own);
    for level in [Level::Ordinary, Level::Fallback] {
        let search = |policy: &str, args: &[&str]| {
            let command = [&["python3", "scripts/search.py"], args].concat();
            world.run(level, policy, &world.folder(), &command)
        };
        endpoint.forget();
        let url = format!("{}/search", endpoint.url());
        let Some(said) = search("search.toml", &["--url", &url, "landlock kernel"]) else { continue };
        let printed = "1. Landlock[31m\n   https://docs.example/landlock\n   Access control & more\n";
        assert_eq!((said.code, said.out.as_str()), (0, printed), "{level:?}: {said:?}");
        let seen = endpoint.seen();
        assert_eq!((seen.len(), seen[0].query("q").unwrap().as_str()), (1, "landlock kernel"));
        assert!(!format!("{seen:?}").contains(SECRET));
        bob.denied("web-search-skill");

        // The policy that came with the skill does not name it, nor does either name the other one.
        endpoint.forget();
        for (policy, url) in [
            (world.policy(), url.clone()),
            ("search.toml".into(), format!("{}/search", other.url())),
            ("search.toml".into(), format!("{}/moved", endpoint.url())),
            (world.policy(), "http://elsewhere.example/search".into()),
        ] {
            let said = search(&policy, &["--url", &url, "landlock"]).unwrap();
            assert_eq!((said.code, said.out.as_str()), (2, ""), "{level:?}: {url}: {said:?}");
        }
        let targets: Vec<String> = endpoint.seen().iter().map(|seen| seen.path().to_owned()).collect();
        assert_eq!((targets.as_slice(), other.seen().len()), (&["/moved".to_owned()][..], 0), "{level:?}");
        // An address of loopback that no rule names is the sandbox's own, where nobody listens: no event.
        has(&bob.denied("web-search-skill").0, "connect elsewhere.example:80");

        // It has no file to send.
        let evil = "
import os
for path in ['~/.ssh/id_rsa', '~/notes.txt', 'NOTES']:
    try:
        print(open(os.path.expanduser(path)).read())
    except OSError:
        print('failed')
print(os.environ.get('API_TOKEN'))
";
        let notes = bob.dir.file("work/notes.txt", SECRET);
        let evil = evil.replace("NOTES", notes.to_str().unwrap());
        let said = world.run(level, "search.toml", &world.folder(), &["python3", "-c", &evil]).unwrap();
        assert_eq!(said.out, "failed\nfailed\nfailed\nNone\n", "{level:?}: {said:?}");
        let (denied, fallback) = bob.denied("web-search-skill");
        if fallback {
            has(&denied, &format!("read {}", notes.display()));
        }
        assert!(fallback || level == Level::Ordinary);
    }
    world.verify();
}

#[test]
fn web_search_by_skill_run() {
    if !python_is_here() {
        return;
    }
    let world = World::new("web-search");
    let run = |options: &[&str], words: &[&str], input: &[u8]| {
        let script = ["@alice/web-search", "--", "python3", "scripts/search.py"];
        let args = [&["skill", "run"], options, &script, words].concat();
        sandboxed(world.bob.said(Level::Ordinary, &args, input))
    };
    // What MediaWiki answers, from standard input: no network is needed.
    let wiki = br#"{"query":{"search":[{"title":"Linux kernel","snippet":"a <span class=\"m\">free</span> kernel"}]}}"#;
    let Some(said) = run(&[], &["--file", "-"], wiki) else { return };
    let printed = "1. Linux kernel\n   https://en.wikipedia.org/wiki/Linux_kernel\n   a free kernel\n";
    assert_eq!((said.code, said.out.as_str()), (0, printed), "{said:?}");
    for (input, code) in [(&br#"{"results":[]}"#[..], 1), (b"<html>", 2), (b"[1]", 2)] {
        let said = run(&[], &["--file", "-"], input).unwrap();
        assert_eq!((said.code, said.out.as_str()), (code, ""), "{said:?}");
    }
    // No host is let out to that was not allowed; one that was allowed makes the network reachable, and only as far as it goes.
    let url = ["--url", "http://elsewhere.example/search", "landlock"];
    assert_eq!(run(&[], &url, b"").unwrap().code, 2);
    has(&world.bob.denied("web-search").0, "syscall socket(");
    assert_eq!(run(&["--allow-host", "en.wikipedia.org"], &url, b"").unwrap().code, 2);
    let (denied, _) = world.bob.denied("web-search");
    has(&denied, "connect elsewhere.example:80");
    assert!(!denied.iter().any(|entry| entry.starts_with("syscall ")), "{denied:?}");
    world
        .bob
        .said(
            Level::Ordinary,
            &["skill", "run", "--allow-host", "elsewhere.example", "@alice/web-search", "--", "true"],
            b"",
        )
        .refused("it declares en.wikipedia.org");
    world.verify();
}
