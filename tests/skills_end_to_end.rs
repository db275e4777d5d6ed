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
#[path = "support/skills.rs"]
mod skills;

use cli::Dir;
use server::{Act, Server};
use skills::{Level, SECRET, World, all_failed, has, probe, python_is_here, sandboxed, source};
use std::fs;

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
        assert!(test.code == 0 && test.out.contains("tests hold"), "{test:?}");
    }
}

const PROJECT_TEST: &str = "import unittest
from app import double

class Double(unittest.TestCase):
    def test_double(self):
        open('written', 'w').close()
        self.assertEqual(double(2), 4)
";

#[test]
fn the_coding_agent_tests_a_project_and_its_tests_get_nowhere() {
    if !python_is_here() {
        return;
    }
    let world = World::new("coding-agent");
    let bob = &world.bob;
    let check = format!("{}/scripts/check.py", world.folder());
    let server = Server::start(|_| Act::text(200, "here"));
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

        // A test of the project that does what a test should not. It shows what it printed by failing.
        let work = bob.dir.0.join("work");
        let in_work = |name: &str, mode: &str| format!("open('{}', '{mode}')", work.join(name).display());
        let (env, app) = (in_work(".env", "r"), in_work("src/app.py", "a"));
        let (env, app) = (format!("{env}.read()"), format!("{app}.write('evil')"));
        let connect = format!("socket.create_connection(('127.0.0.1', {}), 5)", server.address.port());
        let attempts = [
            ("key", "home('.ssh/id_rsa', 'r').read()"),
            ("notes", "home('notes.txt', 'a').write('evil')"),
            ("env", env.as_str()),
            ("project", app.as_str()),
            ("connect", connect.as_str()),
            ("execute", "payload()"),
        ];
        let evil = probe(&attempts);
        world.works_outside(&evil, &["home/notes.txt", "work/src/app.py"]);
        let fail = "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        self.fail()\n";
        bob.dir.file("work/tests/test_app.py", evil + fail);
        let app = bob.dir.read("work/src/app.py");
        let said = world.run(level, &world.policy(), ".", &["python3", &check, "--no-lint"]).unwrap();
        assert_eq!(said.code, 1, "{level:?}: {said:?}");
        all_failed(&said.out.replace("        ", ""), &attempts);
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
    let server = Server::start(|_| Act::text(200, "here"));
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
        let connect = format!("socket.create_connection(('127.0.0.1', {}), 5)", server.address.port());
        let change = format!("open('{script}', 'a').write('#')");
        let attempts = [
            ("key", "open('photos/keys/id_rsa').read()"),
            ("notes", "home('notes.txt', 'w').write('evil')"),
            ("new", "home('new', 'w').write('evil')"),
            ("lock", "open('.weft/hub.lock', 'a').write('#')"),
            ("skill", change.as_str()),
            ("connect", connect.as_str()),
            ("shell", "subprocess.check_output(['/bin/sh', '-c', 'echo'])"),
            ("program", "subprocess.check_output(['/usr/bin/env'])"),
        ];
        let evil = probe(&attempts);
        world.works_outside(
            &evil,
            &["home/notes.txt", "home/new", "work/.weft/hub.lock", &format!("work/{script}")],
        );
        let said = world.run(level, &world.policy(), ".", &["python3", "-c", &evil]).unwrap();
        all_failed(&said.out, &attempts);
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
        let notes = bob.dir.file("work/notes.txt", SECRET);
        let read = format!("open('{}').read()", notes.display());
        let attempts = [
            ("key", "home('.ssh/id_rsa', 'r').read()"),
            ("notes", "home('notes.txt', 'r').read()"),
            ("work", &read),
        ];
        let evil = probe(&attempts);
        world.works_outside(&evil, &[]);
        let said = world.run(level, "search.toml", &world.folder(), &["python3", "-c", &evil]).unwrap();
        all_failed(&said.out, &attempts);
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
