//! The real `clawhub` program and weft, in turns on one workspace and against one registry: each must take what the other
//! left. The program comes from npm; `scripts/test.sh` puts it into `target/interop*`. Without it this says SKIPPED.
#![cfg(feature = "client")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // A failure here is a failed test.

#[path = "support/clawhub.rs"]
mod clawhub;
#[path = "support/cli.rs"]
mod cli;
#[path = "support/server.rs"]
mod server;

use clawhub::{ClawHub, TOKEN};
use cli::{Dir, Said};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PAGE: &str = "---\nname: demo\ndescription: Counts words\n---\nCounts the words of a text.\n";

/// The program in a folder of npm's, with the Node that it needs.
struct Cli {
    name: String,
    node: PathBuf,
    script: PathBuf,
}

/// Every version that is there.
fn all() -> Vec<Cli> {
    let mut found = Vec::new();
    for name in ["interop", "interop22"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target").join(name).join("node_modules");
        let own = folder.join("node/bin/node");
        let node = if own.exists() { own } else { PathBuf::from("node") };
        let script = folder.join(".bin/clawhub");
        if script.exists() {
            found.push(Cli { name: name.into(), node, script });
        }
    }
    if found.is_empty() {
        println!(
            "SKIPPED: skill_interop: no clawhub in target/interop*; scripts/test.sh fetches it where npm is"
        );
    }
    found
}

struct World {
    dir: Dir,
    hub: ClawHub,
    cli: Cli,
}

impl World {
    fn new(cli: Cli) -> World {
        let dir = Dir::new();
        fs::create_dir_all(dir.0.join("work")).unwrap();
        fs::create_dir_all(dir.0.join("home")).unwrap();
        World { dir, hub: ClawHub::start(), cli }
    }

    fn env(&self) -> Vec<(String, String)> {
        let at = |name: &str| self.dir.0.join(name).to_str().unwrap().to_owned();
        let mut env: Vec<(String, String)> = [
            ("HOME", at("home")),
            ("CLAWHUB_CONFIG_PATH", at("home/config.json")),
            ("CLAWHUB_REGISTRY", self.hub.url()),
            ("CLAWHUB_SITE", self.hub.url()),
            ("CLAWHUB_WORKDIR", at("work")),
            ("NO_COLOR", "1".into()),
            ("LC_ALL", "C.UTF-8".into()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .to_vec();
        for name in [
            "XDG_CONFIG_HOME",
            "XDG_CACHE_HOME",
            "XDG_STATE_HOME",
            "http_proxy",
            "HTTP_PROXY",
            "all_proxy",
            "ALL_PROXY",
        ] {
            env.push((name.into(), String::new()));
        }
        env
    }

    fn weft(&self, args: &[&str]) -> String {
        let env = self.env();
        let env: Vec<(&str, &str)> = env.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let all: Vec<&str> = std::iter::once("skill").chain(args.iter().copied()).collect();
        let said = self.dir.weft_with(&all, b"", &env);
        assert_eq!(said.code, 0, "{}: weft {args:?}: {said:?}", self.cli.name);
        format!("{}{}", said.out, said.err)
    }

    fn real(&self, args: &[&str]) -> String {
        let said = self.real_says(args);
        assert_eq!(said.code, 0, "{}: clawhub {args:?}: {said:?}", self.cli.name);
        format!("{}{}", said.out, said.err)
    }

    fn real_says(&self, args: &[&str]) -> Said {
        let mut command = Command::new(&self.cli.node);
        command.arg(&self.cli.script).arg("--no-input").args(args).current_dir(self.dir.0.join("work"));
        for (key, value) in self.env() {
            if value.is_empty() {
                command.env_remove(key)
            } else {
                command.env(key, value)
            };
        }
        let output = command.stdin(Stdio::null()).output().unwrap();
        Said {
            code: output.status.code().unwrap(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn read(&self, name: &str) -> String {
        self.dir.read(&format!("work/{name}"))
    }

    /// The version of a skill by the lock that both keep.
    fn locked(&self, key: &str) -> Option<String> {
        let lock = weft::json::parse(&self.read(".clawhub/lock.json")).unwrap();
        Some(lock.get("skills")?.get(key)?.get("version")?.as_str()?.to_owned())
    }
}

#[test]
fn one_workspace_two_programs() {
    // Each start of the program costs a second: the newest stands for all here.
    if let Some(cli) = all().into_iter().last() {
        let world = World::new(cli);
        let hub = &world.hub;
        hub.add(
            "first",
            "1.0.0",
            &[("SKILL.md", PAGE), ("b-1.txt", "c"), ("C-1.txt", "d"), ("_under.md", "e")],
        );
        hub.add("second", "1.0.0", &[("SKILL.md", PAGE)]);
        hub.add("third", "1.0.0", &[("SKILL.md", PAGE), ("scripts/run.sh", "echo\n")]);

        // Each installs one; both list both.
        world.weft(&["install", "first"]);
        world.real(&["install", "second"]);
        world.weft(&["install", "third"]);
        let theirs = world.real(&["list"]);
        let ours = world.weft(&["list"]);
        for name in ["first", "second", "third"] {
            assert!(theirs.contains(name) && ours.contains(name), "{name}: {theirs}{ours}");
        }
        world.weft(&["verify"]);

        // What weft installed is unchanged in the other's eyes: it updates without --force.
        hub.add("first", "1.1.0", &[("SKILL.md", PAGE), ("new.txt", "x")]);
        let said = world.real(&["update", "--all"]);
        assert_eq!(world.locked("first").as_deref(), Some("1.1.0"), "{said}");
        assert_eq!(world.read("skills/first/new.txt"), "x");

        // And the other way: what the program installed or updated is unchanged in weft's eyes.
        hub.add("first", "1.2.0", &[("SKILL.md", PAGE), ("new.txt", "y")]);
        hub.add("second", "1.1.0", &[("SKILL.md", PAGE), ("new.txt", "z")]);
        let said = world.weft(&["update", "--all"]);
        assert_eq!(world.locked("first").as_deref(), Some("1.2.0"), "{said}");
        assert_eq!(world.locked("second").as_deref(), Some("1.1.0"), "{said}");
        assert_eq!(world.read("skills/second/new.txt"), "z");
        assert!(!world.dir.0.join("work/skills/second/_meta.json").exists());
        world.weft(&["verify"]);
        world.weft(&["audit"]);
        let said = world.real(&["update", "--all"]);
        assert!(!said.contains("local changes"), "{said}");
        assert_eq!(world.locked("first").as_deref(), Some("1.2.0"), "{said}");

        // Changed by hand: neither overwrites it unasked.
        world.dir.file("work/skills/third/scripts/run.sh", "echo mine\n");
        hub.add("third", "1.1.0", &[("SKILL.md", PAGE)]);
        world.real_says(&["update", "--all"]);
        let env = world.env();
        let env: Vec<(&str, &str)> = env.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let said = world.dir.weft_with(&["skill", "update", "--all"], b"", &env);
        assert_eq!(said.code, 1, "{said:?}");
        assert_eq!(world.read("skills/third/scripts/run.sh"), "echo mine\n");
        world.weft(&["update", "third", "--overwrite"]);

        // What one removes is gone for the other.
        world.weft(&["remove", "third"]);
        assert!(!world.real(&["list"]).contains("third"));
        world.real(&["uninstall", "second", "--yes"]);
        assert_eq!(world.locked("second"), None);
        assert!(world.dir.0.join("work/skills/first/SKILL.md").exists());
    }
}

#[test]
fn one_account_two_programs() {
    for cli in all() {
        let world = World::new(cli);
        // Either logs in, both are.
        world.real(&["login", "--token", TOKEN, "--no-browser"]);
        assert!(world.weft(&["whoami"]).contains("alice"));
        world.weft(&["logout"]);
        assert_ne!(world.real_says(&["whoami"]).code, 0);
        world.weft(&["login", "--token", TOKEN]);
        assert!(world.real(&["whoami"]).contains("alice"));

        // The program publishes, weft installs; weft publishes, the program installs.
        world.dir.file("theirs/SKILL.md", PAGE.replace("demo", "theirs"));
        world.dir.file("theirs/notes.md", "notes\n");
        let folder = world.dir.0.join("theirs");
        world.real(&[
            "publish",
            folder.to_str().unwrap(),
            "--slug",
            "theirs",
            "--name",
            "Theirs",
            "--version",
            "1.0.0",
        ]);
        world.weft(&["install", "theirs"]);
        assert_eq!(world.read("skills/theirs/notes.md"), "notes\n");

        world.dir.file("ours/SKILL.md", PAGE.replace("demo", "ours"));
        world.dir.file("ours/notes.md", "more\n");
        let folder = world.dir.0.join("ours");
        world.weft(&["keygen"]);
        world.weft(&["publish", folder.to_str().unwrap()]);
        world.real(&["install", "ours"]);
        assert_eq!(world.read("skills/ours/notes.md"), "more\n");
        assert!(world.real(&["inspect", "ours"]).contains("1.0.0"));
        assert!(world.real(&["search", "ours"]).contains("ours"));
        world.real(&["star", "ours", "--yes"]);
        assert!(world.weft(&["star", "ours"]).contains("already"));
    }
}
