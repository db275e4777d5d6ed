//! `weft run` and `weft doctor` through the binary: exit codes, what is said, the log, and bad input. How well the walls hold
//! is for `escape`.

// A failure here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/cli.rs"]
mod cli;
#[path = "support/process.rs"]
mod process;

use cli::Said;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A home with a workspace, and the user who lives in it: whoever runs the tests, or nobody.
struct Home {
    root: PathBuf,
    plain: bool,
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

impl Home {
    fn new() -> Home {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("weft-run-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // Not below /tmp, which is the sandbox's own inside.
        let root = Path::new("/var/tmp").join(name);
        fs::DirBuilder::new().mode(0o755).create(&root).unwrap();
        let home = Home { root, plain: false };
        for folder in ["home", "home/.ssh", "home/ws", "home/outside"] {
            fs::create_dir(home.at(folder)).unwrap();
        }
        home.file("home/.ssh/id", "SECRET\n");
        home.file("home/outside/file", "SECRET\n");
        home
    }

    /// The same for a user for whom permissions count; None, said aloud, where there is none.
    fn plain() -> Option<Home> {
        let mut home = Home::new();
        process::unprivileged(&home.root)?;
        home.plain = true;
        let own = |path: &Path| std::os::unix::fs::chown(path, Some(65_534), Some(65_534));
        for path in ["home", "home/.ssh", "home/.ssh/id", "home/ws", "home/outside", "home/outside/file"] {
            // Not root: it is the user's own already.
            if own(&home.at(path)).is_err() {
                break;
            }
        }
        Some(home)
    }

    /// As root, and as a plain user where there is one.
    fn each() -> Vec<Home> {
        [Some(Home::new()), Home::plain()].into_iter().flatten().collect()
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn file(&self, path: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(path);
        fs::write(&path, text).unwrap();
        path
    }

    fn weft(&self, args: &[&str]) -> Command {
        let mut command = match self.plain {
            true => process::unprivileged(&self.root).unwrap(),
            false => Command::new(env!("CARGO_BIN_EXE_weft")),
        };
        command.args(args).current_dir(self.at("home/ws")).env_clear();
        command.env("HOME", self.at("home")).env("PATH", PATH).env("LANG", "C.UTF-8").stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Said {
        let all: Vec<&str> = ["run"].into_iter().chain(args.iter().copied()).collect();
        said(&mut self.weft(&all))
    }

    fn sh(&self, policy: &str, script: &str) -> Said {
        self.run(&["--policy", policy, "--", "sh", "-c", script])
    }

    fn log(&self, agent: &str) -> String {
        fs::read_to_string(self.at(&format!("home/.local/state/weft/audit/{agent}.jsonl"))).unwrap()
    }
}

fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    Said {
        code: output.status.code().unwrap_or_else(|| -output.status.signal().unwrap()),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn wait_for(what: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if what() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// Processes anywhere on this machine with this word in their arguments.
fn running(word: &str) -> usize {
    let has = |entry: &fs::DirEntry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|arg| arg == word.as_bytes())
    };
    fs::read_dir("/proc").unwrap().flatten().filter(has).count()
}

#[test]
fn the_exit_code_is_the_commands() {
    for home in Home::each() {
        for (script, code) in
            [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -TERM $$", 143), ("kill -KILL $$", 137)]
        {
            assert_eq!(home.sh("coding-agent", script).code, code, "{script}");
        }
        let id = home.run(&["--policy", "coding-agent", "--", "id", "-u"]);
        let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(home.at("home/ws")).unwrap());
        assert_eq!(id.out.trim(), owner.to_string(), "the user stays who it is: {id:?}");
        assert!(!home.plain || owner != 0);
        let missing = home.run(&["--policy", "coding-agent", "--", "nosuchcommand"]);
        assert_eq!((missing.code, missing.out.as_str()), (127, ""), "{missing:?}");
        assert!(missing.err.contains("weft: no such command inside: nosuchcommand"), "{missing:?}");
        home.file("home/ws/data", "text");
        let data = home.run(&["--policy", "coding-agent", "--", "./data"]);
        assert_eq!(data.code, 126, "{data:?}");
        assert!(data.err.contains("cannot be executed: ./data: permission denied"), "{data:?}");
    }
}

#[test]
fn arguments_and_input_go_through_untouched() {
    let home = Home::new();
    let args = [
        "run",
        "--policy",
        "coding-agent",
        "--",
        "printf",
        "%s|",
        "--help",
        "-x",
        "",
        "a b",
        "--",
        "\u{1b}[m",
    ];
    assert_eq!(said(&mut home.weft(&args)).out, "--help|-x||a b|--|\u{1b}[m|");
    // The first word that is no option of weft's begins the command, `--` or not.
    let args = ["run", "--policy", "coding-agent", "printf", "%s|", "--help", "-x"];
    assert_eq!(said(&mut home.weft(&args)).out, "--help|-x|");
    let mut cat = home.weft(&["run", "--policy", "coding-agent", "--", "cat"]);
    let mut child = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&[0, 255, 10]).unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, [0, 255, 10]);
}

#[test]
fn what_the_policy_does_not_name_is_not_there() {
    for home in Home::each() {
        let said = home.sh(
            "coding-agent",
            "cat ~/.ssh/id ~/outside/file; echo x > ~/outside/new; echo in > made; cat made",
        );
        assert_eq!((said.code, said.out.as_str()), (0, "in\n"), "{said:?}");
        assert!(!home.at("home/outside/new").exists() && home.at("home/ws/made").exists());
        let read_only = home.sh("readonly", "cat made; echo x > made");
        assert_eq!((read_only.code != 0, read_only.out.as_str()), (true, "in\n"), "{read_only:?}");
    }
}

#[test]
fn without_a_policy_it_says_which_it_takes() {
    let home = Home::new();
    let said = home.run(&["--", "true"]);
    assert_eq!((said.code, said.err.as_str()), (0, "weft: policy: base and the workspace\n"));
    home.file("home/ws/weft.toml", "version = 1\nagent = \"mine\"\nextends = [\"base\"]\n");
    let said = home.run(&["--", "true"]);
    assert_eq!(said.code, 0);
    assert!(said.err.starts_with("weft: policy: ") && said.err.ends_with("/ws/weft.toml\n"), "{said:?}");
    assert!(home.log("mine").contains("\"action\":\"start\""));
    // A policy that is named needs no word.
    assert_eq!(home.run(&["--policy", "weft.toml", "--", "true"]).err, "");
}

#[test]
fn the_agent_can_be_named() {
    let home = Home::new();
    assert_eq!(home.run(&["--policy", "base", "--agent", "reviewer-2", "--", "true"]).code, 0);
    let log = home.log("reviewer-2");
    assert!(log.lines().all(|line| line.contains("\"agent_id\":\"reviewer-2\"")), "{log}");
    home.run(&["--policy", "base", "--agent", "../x", "--", "true"]).refused("--agent ../x");
}

#[test]
fn the_workspace_can_be_elsewhere() {
    let home = Home::new();
    let other = home.at("home/outside");
    let other = other.to_str().unwrap();
    let said = home.run(&[
        "--policy",
        "coding-agent",
        "--workspace",
        other,
        "--",
        "sh",
        "-c",
        "pwd; echo $PWD; cat file",
    ]);
    assert_eq!((said.code, said.out), (0, format!("{other}\n{other}\nSECRET\n")));
    home.run(&["--policy", "base", "--workspace", other, "--workspace", "/usr", "--", "true"])
        .refused("two workspaces");
    home.run(&["--policy", "base", "--workspace", "nowhere", "--", "true"]).refused("nowhere");
    home.run(&["--policy", "base", "--workspace", "/etc/passwd", "--", "true"]).refused("not a folder");
}

#[test]
fn a_workspace_that_is_too_wide_is_said_twice() {
    let home = Home::new();
    let own = home.at("home");
    let own = own.to_str().unwrap();
    for wide in ["/", own, home.root.to_str().unwrap()] {
        home.run(&["--policy", "readonly", "--workspace", wide, "--", "true"]).refused("say it twice");
    }
    let mut inside = home.weft(&["run", "--policy", "readonly", "--", "true"]);
    said(inside.current_dir(own)).refused("the workspace is your home folder");
    let twice = home.run(&[
        "--policy",
        "readonly",
        "--workspace",
        own,
        "--workspace",
        own,
        "--",
        "sh",
        "-c",
        "cat ~/outside/file; cat ~/.ssh/id",
    ]);
    assert_eq!((twice.code, twice.out.as_str()), (1, "SECRET\n"), "{twice:?}");
}

#[test]
fn time_is_up() {
    for home in Home::each() {
        let started = Instant::now();
        let said = home.run(&["--policy", "coding-agent", "--timeout", "300ms", "--", "sleep", "60"]);
        assert_eq!(said.code, 124, "{said:?}");
        assert!(
            said.err.contains("the time was up after 0.3 s") && started.elapsed() < Duration::from_secs(5)
        );
        assert!(
            home.log("coding-agent").contains("\"action\":\"limit\",\"target\":\"process.max_wall_time\"")
        );
    }
    let home = Home::new();
    // Of two limits the shorter one holds, and who ignores SIGTERM is killed.
    let policy = "version = 1\nextends = [\"coding-agent\"]\n[process]\nmax_wall_time = \"200ms\"\n";
    let policy = home.file("short.toml", policy);
    let policy = policy.to_str().unwrap();
    let script = "trap '' TERM; while :; do sleep 0.1; done";
    let said = home.run(&["--policy", policy, "--timeout", "1h", "--", "sh", "-c", script]);
    assert_eq!(said.code, 124, "{said:?}");
    assert!(said.err.contains("short.toml:4"), "{said:?}");
    home.run(&["--timeout", "soon", "--", "true"]).refused("--timeout soon");
}

#[test]
fn limits_are_named() {
    for home in Home::each() {
        let policy = "version = 1\nagent = \"small\"\nextends = [\"coding-agent\"]\n[process]\nmax_cpu_time = \"1s\"\nmax_file_size = \"1MiB\"\n";
        let policy = home.file("small.toml", policy);
        let policy = policy.to_str().unwrap();
        let said = home.run(&["--policy", policy, "--", "/usr/bin/python3", "-c", "while True: pass"]);
        assert_eq!(said.code, 128 + libc::SIGXCPU, "{said:?}");
        assert!(
            said.err.contains("process.max_cpu_time was reached") && said.err.contains("small.toml:5"),
            "{said:?}"
        );
        let said = home.run(&[
            "--policy",
            policy,
            "--",
            "sh",
            "-c",
            "ulimit -c 0; exec head -c 2000000 /dev/zero > big",
        ]);
        assert_eq!(said.code, 128 + libc::SIGXFSZ, "{said:?}");
        assert!(said.err.contains("process.max_file_size was reached"), "{said:?}");
        assert!(home.log("small").contains("process.max_file_size"));
    }
}

#[test]
fn signals_reach_the_command() {
    for home in Home::each() {
        let script = "trap 'echo got; exit 5' USR1; echo ready; while :; do sleep 0.05; done";
        let mut weft = home.weft(&["run", "--policy", "coding-agent", "--", "sh", "-c", script]);
        let mut child = weft.stdout(Stdio::piped()).spawn().unwrap();
        let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut out, &mut line).unwrap();
        assert_eq!(line, "ready\n");
        weft::sys::process::kill(child.id() as i32, libc::SIGUSR1).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(5));
        line.clear();
        std::io::BufRead::read_line(&mut out, &mut line).unwrap();
        assert_eq!(line, "got\n");
    }
}

#[test]
fn nothing_survives_the_death_of_weft() {
    for home in Home::each() {
        // A daemon that left its session, a child, and the command itself.
        let word = format!(
            "7{}1",
            home.root.to_str().unwrap().rsplit('-').next_back().unwrap().len() + std::process::id() as usize
        );
        let script = format!("setsid sleep {word} & sleep {word} & touch started; exec sleep {word}");
        let mut child =
            home.weft(&["run", "--policy", "coding-agent", "--", "sh", "-c", &script]).spawn().unwrap();
        assert!(wait_for(|| home.at("home/ws/started").exists()));
        assert!(wait_for(|| running(&word) == 3), "{} are running", running(&word));
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
        assert!(wait_for(|| running(&word) == 0), "something survived");
        fs::remove_file(home.at("home/ws/started")).unwrap();
        // What the killed run left to hold denied names is taken away by the next one.
        assert!(home.at("home/ws/.env").is_dir() && home.at("home/ws/weft.toml").is_dir());
        home.file("home/ws/SKILL.md", "---\nname: s\ndescription: d\n---\nhello\n");
        assert_eq!(said_of(&home, &["security", "scan", "SKILL.md"]).code, 0);
        fs::remove_file(home.at("home/ws/SKILL.md")).unwrap();
        assert_eq!(home.sh("coding-agent", "true").code, 0);
        let left: Vec<_> =
            fs::read_dir(home.at("home/ws")).unwrap().flatten().map(|e| e.file_name()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn runs_side_by_side_keep_their_denied_names() {
    let home = Home::new();
    let long = |script: &str| {
        home.weft(&["run", "--policy", "coding-agent", "--", "sh", "-c", script]).spawn().unwrap()
    };
    let mut first: Child = long("touch one; while [ ! -e go ]; do sleep 0.01; done");
    assert!(wait_for(|| home.at("home/ws/one").exists()));
    let mut second = long(
        "touch two; while [ ! -e end ]; do sleep 0.01; done; rm -rf .env; echo SECRET > .env; mkdir -p .git/hooks && touch .git/hooks/pre-commit; true",
    );
    assert!(wait_for(|| home.at("home/ws/two").exists()));
    home.file("home/ws/go", "");
    assert!(first.wait().unwrap().success());
    // The first run made the folders that hold the names; the second one still needs them.
    assert!(home.at("home/ws/.env").is_dir() && home.at("home/ws/.git/hooks").is_dir());
    home.file("home/ws/end", "");
    assert!(second.wait().unwrap().success());
    assert!(!home.at("home/ws/.env").exists() && !home.at("home/ws/.git/hooks/pre-commit").exists());
    assert!(!home.at("home/ws/.git").exists(), "the last run takes the folders away");
}

#[test]
fn the_log_tells_the_run() {
    for home in Home::each() {
        let python = "import ctypes; ctypes.CDLL(None).ptrace(0, 0, 0, 0)";
        let script = format!("/usr/bin/python3 -c '{python}'; /usr/bin/env true");
        let said = home.sh("coding-agent", &script);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(
            said.err
                .contains("weft: 1 denial; what, and what would allow it: weft audit show --denied --run "),
            "{said:?}"
        );
        let log = home.log("coding-agent");
        let actions: Vec<String> = log
            .lines()
            .map(|line| {
                let node = weft::json::parse(line).unwrap();
                let text = |key: &str| node.get(key).unwrap().as_str().unwrap().to_owned();
                assert_eq!(text("policy").len(), 64);
                format!("{} {}", text("action"), text("target"))
            })
            .collect();
        assert!(actions[0].starts_with("start sh -c "), "{actions:?}");
        assert_eq!(actions[1], "policy coding-agent");
        assert!(actions[2].starts_with("enforcement "), "{actions:?}");
        for expected in [
            "exec /usr/bin/python3",
            "exec /usr/bin/env",
            "syscall ptrace(0x0, 0x0, 0x0, 0x0)",
            "exit code 0",
        ] {
            assert!(actions.iter().any(|action| action == expected), "{expected}: {actions:?}");
        }
        assert_eq!(actions.last().unwrap(), "exit code 0");
        let audit = |args: &[&str]| {
            let all: Vec<&str> = ["audit"].into_iter().chain(args.iter().copied()).collect();
            said_of(&home, &all)
        };
        assert_eq!(audit(&["verify"]).code, 0);
        let denied = audit(&["show", "--denied"]);
        assert!(denied.out.contains("ptrace") && denied.out.contains("no policy can allow it"), "{denied:?}");
    }
}

fn said_of(home: &Home, args: &[&str]) -> Said {
    said(&mut home.weft(args))
}

#[test]
fn a_denied_program_is_in_the_log_with_what_would_allow_it() {
    for home in Home::each() {
        let policy = "version = 1\nagent = \"few\"\nextends = [\"base\"]\n[filesystem]\nwrite = [\"${WORKSPACE}\"]\n[process]\nallow = [\"sh\"]\n";
        let policy = home.file("few.toml", policy);
        let said =
            home.sh(policy.to_str().unwrap(), "/usr/bin/env; cp /bin/sh ./mine && ./mine -c true; true");
        assert_eq!(said.code, 0, "{said:?}");
        let denied = said_of(&home, &["audit", "show", "--denied"]);
        assert!(
            denied.out.contains("denied  exec /usr/bin/env: process.allow does not name the command"),
            "{denied:?}"
        );
        assert!(denied.out.contains("    [process]\n    allow = [\"/usr/bin/env\"]\n"), "{denied:?}");
        let json = said_of(&home, &["audit", "show", "--denied", "--format", "json"]);
        assert!(
            json.out.contains("\"would_allow\":\"[process]\\nallow = [\\\"/usr/bin/env\\\"]\""),
            "{json:?}"
        );
    }
}

#[test]
fn a_policy_without_a_log_tells_denials_at_once() {
    let home = Home::new();
    let policy = "version = 1\n[filesystem]\nread = [\"/usr\", \"/lib*\", \"/bin\", \"/etc/ld.so.cache\"]\n";
    let policy = home.file("nolog.toml", policy);
    let said = home.run(&[
        "--policy",
        policy.to_str().unwrap(),
        "--",
        "/usr/bin/python3",
        "-c",
        "import ctypes; ctypes.CDLL(None).ptrace(0, 0, 0, 0)",
    ]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.err.contains("keeps no log") && said.err.contains("weft: denied syscall ptrace("),
        "{said:?}"
    );
    assert!(!home.at("home/.local").exists());
}

#[test]
fn no_log_no_run() {
    let Some(home) = Home::plain() else { return };
    let audit = home.at("home/.local/state/weft/audit");
    fs::create_dir_all(&audit).unwrap();
    // Root's own, as far as nobody is concerned; a user's own folder is closed by its mode.
    fs::set_permissions(&audit, fs::Permissions::from_mode(0o555)).unwrap();
    let said = home.run(&["--policy", "coding-agent", "--", "touch", "ran"]);
    said.refused("no log, no run");
    assert!(said.err.contains("permission denied") && !home.at("home/ws/ran").exists(), "{said:?}");
    fs::set_permissions(&audit, fs::Permissions::from_mode(0o755)).unwrap();
    let home = Home::new();
    let audit = home.at("home/.local/state/weft/audit");
    fs::create_dir_all(audit.join("coding-agent.jsonl")).unwrap();
    let said = home.run(&["--policy", "coding-agent", "--", "touch", "ran"]);
    said.refused("it is not a regular file");
    assert!(!home.at("home/ws/ran").exists());
}

#[test]
fn in_a_work_tree_of_git_the_file_that_names_the_repository_stays() {
    for home in Home::each() {
        home.file("home/ws/.git", "gitdir: /somewhere/else\n");
        let script = "rm -f .git; mv .git moved; echo 'gitdir: evil' > .git; mkdir -p .git/hooks; ln -sf evil .git; cat .git";
        let said = home.sh("coding-agent", script);
        assert_eq!((said.code, said.out.as_str()), (0, "gitdir: /somewhere/else\n"), "{said:?}");
        assert_eq!(fs::read(home.at("home/ws/.git")).unwrap(), b"gitdir: /somewhere/else\n");
    }
}

/// The run waits for its log, which the test holds; until it goes on, what its policy names becomes something else.
#[test]
fn what_changes_after_the_policy_was_read_is_not_let_in() {
    type Change = fn(&Path);
    let changes: [(Change, &str); 3] = [
        (|path| fs::remove_file(path).unwrap(), "no such file or directory"),
        (
            |path| {
                fs::write(path.with_file_name("new"), "SECRET\n").unwrap();
                fs::rename(path.with_file_name("new"), path).unwrap();
            },
            "it is another file than when the policy was read",
        ),
        (
            |path| {
                fs::remove_file(path).unwrap();
                std::os::unix::fs::symlink("../.ssh/id", path).unwrap();
            },
            "",
        ),
    ];
    for (change, why) in changes {
        let home = Home::new();
        let named = home.file("home/outside/named", "plain\n");
        let policy = "version = 1\nagent = \"held\"\nextends = [\"base\"]\n[filesystem]\nread = [\"~/outside/named\"]\n";
        let policy = home.file("held.toml", policy);
        let policy = policy.to_str().unwrap();
        assert_eq!(home.sh(policy, "cat ~/outside/named").out, "plain\n");
        let log = fs::File::open(home.at("home/.local/state/weft/audit/held.jsonl")).unwrap();
        log.lock().unwrap();
        let mut weft = home.weft(&["run", "--policy", policy, "--", "cat", named.to_str().unwrap()]);
        let child = weft.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A process that waits for a lock is listed with an arrow in front.
        let waits = format!("-> FLOCK  ADVISORY  WRITE {} ", child.id());
        assert!(wait_for(|| fs::read_to_string("/proc/locks").unwrap().contains(&waits)));
        change(&named);
        log.unlock().unwrap();
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).to_lowercase();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(125), &b""[..]), "{err}");
        assert!(err.contains("nothing was run: mount: ") && err.contains(why), "{err}");
        assert!(
            err.contains("/outside/named: the path changed since the policy was read: run it again"),
            "{err}"
        );
    }
}

#[test]
fn the_log_stays_out_of_reach() {
    let home = Home::new();
    let policy = "version = 1\nextends = [\"coding-agent\"]\n[audit]\nfile = \"${WORKSPACE}/log.jsonl\"\n";
    let policy = home.file("near.toml", policy);
    home.run(&["--policy", policy.to_str().unwrap(), "--", "true"]).refused("where the sandbox may write");
    // A link does not bring it nearer.
    std::os::unix::fs::symlink(home.at("home/ws"), home.at("home/link")).unwrap();
    let policy = "version = 1\nextends = [\"coding-agent\"]\n[audit]\nfile = \"~/link/log.jsonl\"\n";
    let policy = home.file("link.toml", policy);
    home.run(&["--policy", policy.to_str().unwrap(), "--", "true"]).refused("where the sandbox may write");
    // Where the home is readable, the log in it is not.
    let policy = "version = 1\nagent = \"r\"\nextends = [\"base\"]\n[filesystem]\nread = [\"~\"]\n";
    let policy = home.file("read.toml", policy);
    assert_eq!(home.run(&["--policy", policy.to_str().unwrap(), "--", "true"]).code, 0);
    let said = home.sh(policy.to_str().unwrap(), "cat ~/outside/file; cat ~/.local/state/weft/audit/*");
    assert_eq!(said.out, "SECRET\n", "{said:?}");
}

/// On a file system of a few pages, in a mount namespace of the test's own.
#[test]
fn a_full_disk_stops_the_run() {
    let home = Home::new();
    let state = home.at("home/.local/state");
    fs::create_dir_all(&state).unwrap();
    let weft = env!("CARGO_BIN_EXE_weft");
    // Every program that starts is a line in the log: the disk fills up while the command runs.
    let script = format!(
        "mount -t tmpfs -o size=48k tmpfs {} && {weft} run --policy coding-agent -- sh -c 'touch began; for i in $(seq 2000); do /bin/true; done; touch ended'",
        state.display()
    );
    let mut unshare = Command::new("unshare");
    unshare
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .current_dir(home.at("home/ws"));
    unshare.env("HOME", home.at("home")).env("PATH", format!("{PATH}:/usr/sbin:/sbin")).stdin(Stdio::null());
    let said = said(&mut unshare);
    if said.err.contains("unshare failed") || said.err.contains("mount:") {
        return process::skipped("no mount namespace for the test itself");
    }
    assert_eq!(said.code, 125, "{said:?}");
    assert!(
        said.err.contains("the run was stopped: cannot write to the audit log: no space left on device"),
        "{said:?}"
    );
    assert!(home.at("home/ws/began").exists() && !home.at("home/ws/ended").exists());
}

const NO_SANDBOX: &str = "version = 1\nagent = \"free\"\nextends = [\"coding-agent\"]\n[sandbox]\ntype = \"none\"\nprivileged = true\n[env]\ndeny = [\"HIDDEN\"]\nset = { GIVEN = \"1\" }\n[process]\nmax_open_files = 99\n";

#[test]
fn a_policy_without_a_sandbox_still_has_its_environment_limits_and_log() {
    for home in Home::each() {
        let policy = home.file("free.toml", NO_SANDBOX);
        let policy = policy.to_str().unwrap();
        let script = "cat ~/outside/file; echo $GIVEN${HIDDEN-no}; ulimit -n; exit 3";
        let mut weft = home.weft(&["run", "--policy", policy, "--", "sh", "-c", script]);
        let ran = said(weft.env("HIDDEN", "SECRET"));
        assert_eq!((ran.code, ran.out.as_str()), (3, "SECRET\n1no\n99\n"), "{ran:?}");
        let warning = "weft: warning: no sandbox, nothing holds the command to the policy (";
        assert_eq!(ran.err.lines().filter(|line| line.starts_with(warning)).count(), 1, "{ran:?}");
        assert!(ran.err.contains("free.toml:5: sandbox.type)"), "{ran:?}");
        let log = home.log("free");
        assert!(log.contains("\"target\":\"none\"") && log.contains("no wall at all"), "{log}");
        assert!(log.contains("sandbox type none: the policy asks for it and is privileged"), "{log}");
        assert!(log.contains("\"target\":\"code 3\""), "{log}");
        let missing = home.run(&["--policy", policy, "--", "nosuchcommand"]);
        assert_eq!(missing.code, 127, "{missing:?}");
        assert!(missing.err.contains("no such command inside: nosuchcommand"), "{missing:?}");
        assert_eq!(home.sh(policy, "kill -TERM $$").code, 143);
    }
}

#[test]
fn without_a_sandbox_the_end_of_the_time_and_of_weft_still_end_the_command() {
    let home = Home::new();
    let policy = home.file("free.toml", NO_SANDBOX);
    let policy = policy.to_str().unwrap();
    let slow = home.run(&["--timeout", "100ms", "--policy", policy, "--", "sleep", "87.1001"]);
    assert_eq!(slow.code, 124, "{slow:?}");
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        let mut weft = home.weft(&["run", "--policy", policy, "--", "sleep", "87.1002"]).spawn().unwrap();
        // weft itself, the process between, and the command.
        assert!(wait_for(|| running("87.1002") == 3));
        weft::sys::process::kill(weft.id() as i32, signal).unwrap();
        weft.wait().unwrap();
        assert!(wait_for(|| running("87.1002") == 0), "{signal}");
    }
}

#[test]
fn what_has_no_walls_is_said_and_never_attacked() {
    let home = Home::new();
    let policy = home.file("free.toml", NO_SANDBOX);
    let policy = policy.to_str().unwrap();
    let explained = home.run(&["--policy", policy, "--explain"]);
    assert_eq!(explained.code, 0, "{explained:?}");
    assert!(explained.out.contains("level       none\n"), "{explained:?}");
    let (_, lines) = explained.out.split_once("line by line").unwrap();
    let held = |key: &str| {
        let mut all = lines.lines().skip_while(|line| !line.contains(key));
        all.nth(1).unwrap_or_default().trim().to_owned()
    };
    assert_eq!(held("filesystem.deny"), "NOT ENFORCED");
    assert_eq!(held("env.set"), "environment built anew");
    let doctor = said(&mut home.weft(&["doctor", "--policy", policy]));
    assert_eq!(doctor.code, 1, "{doctor:?}");
    assert!(doctor.out.contains("no attack was tried") && !doctor.out.contains("NOT HELD"), "{doctor:?}");
    said(&mut home.weft(&["policy", "test", "--live", policy])).refused("no sandbox, so nothing to ask");
    let checked = said(&mut home.weft(&["policy", "check", policy]));
    assert_eq!(checked.code, 1, "{checked:?}");
    assert!(checked.out.contains("error    ") && checked.out.contains("(PL-013 no-sandbox)"), "{checked:?}");
}

/// In a user namespace of the test's own that may hold no network namespace; the switches that are looked at say nothing of it.
fn without_network_namespaces(home: &Home, args: &[&str]) -> Option<Said> {
    weft_without_network_namespaces(home, &[&["run"], args].concat())
}

/// The same with any command of weft's.
fn weft_without_network_namespaces(home: &Home, args: &[&str]) -> Option<Said> {
    let closed = "echo 0 > /proc/sys/user/max_net_namespaces && exec \"$@\"";
    let mut unshare = Command::new("unshare");
    unshare.args(["--user", "--map-root-user", "sh", "-c", closed, "sh", env!("CARGO_BIN_EXE_weft")]);
    unshare.args(args).current_dir(home.at("home/ws")).env_clear();
    unshare.env("HOME", home.at("home")).env("PATH", PATH).stdin(Stdio::null());
    let said = said(&mut unshare);
    if said.err.contains("unshare failed") || said.err.contains("max_net_namespaces") {
        process::skipped("no user namespace for the test itself");
        return None;
    }
    Some(said)
}

#[test]
fn ports_to_the_inside_need_namespaces() {
    let home = Home::new();
    let policy = |best: &str| {
        format!(
            "version = 1\nextends = [\"base\"]\n[sandbox]\nbest_effort = [{best}]\n[network]\nlisten = [3000]\n"
        )
    };
    let strict = home.file("strict.toml", policy(""));
    let args = ["--policy", strict.to_str().unwrap(), "--", "true"];
    let Some(said) = without_network_namespaces(&home, &args) else { return };
    said.refused("nobody inside can listen");
    assert!(said.err.contains("strict.toml:6: network.listen"), "{said:?}");
    let free = home.file("free.toml", policy("\"network.listen\""));
    let args = ["--policy", free.to_str().unwrap(), "--", "true"];
    let Some(said) = without_network_namespaces(&home, &args) else { return };
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("not enforced") && said.err.contains("no port is passed on"), "{said:?}");
}

#[test]
fn namespaces_that_are_refused_after_all_are_done_without() {
    let home = Home::new();
    let script = "echo inside; cat ~/outside/file; exit 3";
    let args = ["--policy", "coding-agent", "--", "sh", "-c", script];
    let Some(said) = without_network_namespaces(&home, &args) else { return };
    assert_eq!((said.code, said.out.as_str()), (3, "inside\n"), "{said:?}");
    let told = "weft: namespaces are refused (create namespaces: no space left on device): this run is held at the level `fallback`";
    assert_eq!(said.err.lines().filter(|line| *line == told).count(), 1, "{said:?}");
    let log = home.log("coding-agent");
    let entry = |target: &str, allowed: bool| {
        let wanted = [
            "\"action\":\"enforcement\"".to_owned(),
            format!("\"target\":\"{target}\""),
            format!("\"allowed\":{allowed}"),
        ];
        log.lines().position(|line| wanted.iter().all(|part| line.contains(part)))
    };
    let (refused, held) = (entry("namespaces", false), entry("fallback", true));
    assert!(refused.is_some() && refused < held, "{log}");
    // A second start in one log would be a second run.
    assert_eq!(log.matches("\"action\":\"start\"").count(), 1, "{log}");
}

#[test]
fn questions_to_the_kernel_do_without_refused_namespaces_too() {
    let home = Home::new();
    let doctor = ["doctor", "--policy", "readonly"];
    let Some(said) = weft_without_network_namespaces(&home, &doctor) else { return };
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("\nlevel             fallback: "), "{said:?}");
    assert!(said.out.contains(" held, 0 not held"), "{said:?}");
    let policy = home.file(
        "asked.toml",
        "version = 1\nextends = [\"coding-agent\"]\n[[test]]\nexpect = \"deny\"\nread = \"/etc/shadow\"\n",
    );
    let test = ["policy", "test", "--live", policy.to_str().unwrap()];
    let Some(said) = weft_without_network_namespaces(&home, &test) else { return };
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains(" of them tried live"), "{said:?}");
}

#[test]
fn what_the_level_without_namespaces_cannot_hold_is_still_refused() {
    let home = Home::new();
    fs::create_dir(home.at("home/ws/tools")).unwrap();
    let tool = home.file("home/ws/tools/tool", "#!/bin/sh\n");
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    // A denied program below a folder that is writable and executable.
    let policy = "version = 1\nagent = \"held\"\nextends = [\"coding-agent\"]\n[filesystem]\ndeny = [\"${WORKSPACE}/tools\"]\n";
    let policy = home.file("tools.toml", policy);
    let policy = policy.to_str().unwrap();
    assert_eq!(home.sh(policy, "touch first").code, 0, "with namespaces the line is held");
    let Some(said) = without_network_namespaces(&home, &["--policy", policy, "--", "touch", "second"]) else {
        return;
    };
    said.refused("not enforceable here: ");
    assert!(said.err.contains("tools.toml:5: filesystem.deny"), "{said:?}");
    assert!(home.at("home/ws/first").exists() && !home.at("home/ws/second").exists());
    let log = home.log("held");
    let last = log.lines().last().unwrap_or_default();
    assert!(last.contains("\"action\":\"exit\"") && last.contains("\"target\":\"not started\""), "{log}");
}

#[test]
fn bad_policies_are_one_line() {
    let home = Home::new();
    let run = |policy: &Path| home.run(&["--policy", policy.to_str().unwrap(), "--", "touch", "ran"]);
    home.run(&["--policy", "codign-agent", "--", "touch", "ran"]).refused("did you mean `coding-agent`?");
    run(&home.at("nowhere.toml")).refused("nowhere.toml");
    run(&home.at("home")).refused("not a regular file");
}

#[test]
fn policies_of_every_bad_kind_are_refused() {
    let home = Home::new();
    let run = |policy: &Path| home.run(&["--policy", policy.to_str().unwrap(), "--", "touch", "ran"]);
    run(&home.file("latin.toml", b"version = 1\nagent = \"\xe9\"\n")).refused("UTF-8");
    let mut large = b"version = 1\n".to_vec();
    large.resize(10 << 20, b'#');
    run(&home.file("large.toml", large)).refused("large.toml");
    home.file("a.toml", "version = 1\nextends = [\"./b.toml\"]\n");
    home.file("b.toml", "version = 1\nextends = [\"./a.toml\"]\n");
    run(&home.at("a.toml")).refused("extends itself");
    run(&home.file("key.toml", "version = 1\n[filesystem]\nraed = []\n")).refused("did you mean `read`?");
    run(&home.file("none.toml", "version = 1\n[sandbox]\ntype = \"none\"\n")).refused("none.toml:3");
    for kind in ["wasm", "combined"] {
        let text =
            format!("version = 1\nextends = [\"base\"]\n[sandbox]\ntype = \"{kind}\"\nprivileged = true\n");
        let said = run(&home.file("kind.toml", text));
        said.refused(&format!(
            "the sandbox type is {kind} (the policy asks for it), and this build runs no WebAssembly"
        ));
        assert!(said.err.contains("kind.toml:4: sandbox.type"), "{said:?}");
    }
    assert!(!home.at("home/ws/ran").exists());
}

#[test]
fn ten_thousand_rules_are_no_trouble() {
    let home = Home::new();
    fs::create_dir(home.at("home/many")).unwrap();
    let mut policy = "version = 1\nextends = [\"base\"]\n[filesystem]\nread = [\n".to_owned();
    for n in 0..10_000 {
        if n % 100 == 0 {
            home.file(&format!("home/many/{n}"), "x");
        }
        policy.push_str(&format!("  \"~/many/{n}\",\n"));
    }
    policy.push_str("]\n");
    let policy = home.file("many.toml", policy);
    let started = Instant::now();
    let said = home.sh(policy.to_str().unwrap(), "cat ~/many/500 ~/many/9900; cat ~/many/501");
    assert_eq!((said.code, said.out.as_str()), (1, "xx"), "{said:?}");
    assert!(said.err.contains("does not exist (and 999 more"), "{said:?}");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[test]
fn the_command_line_is_checked() {
    let home = Home::new();
    home.run(&[]).refused("no command to run");
    home.run(&["--policy", "base"]).refused("no command to run");
    home.run(&["--format", "json", "--", "true"]).refused("--format is for --explain");
    home.run(&["--polcy", "base", "--", "true"]).refused("did you mean --policy?");
    let help = home.run(&["--help"]);
    assert!(help.code == 0 && help.out.contains("weft run --policy coding-agent -- cargo test"), "{help:?}");
}

#[test]
fn explaining_runs_nothing() {
    for home in Home::each() {
        let said = home.run(&["--policy", "coding-agent", "--explain", "--", "touch", "ran"]);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
        for line in
            ["level       namespaces", "landlock    ABI ", "seccomp     profile agent", "\nline by line\n"]
        {
            assert!(said.out.contains(line), "{line} is not in {}", said.out);
        }
        let (_, by_line) = said.out.split_once("line by line").unwrap();
        let ssh = by_line.lines().skip_while(|line| !line.ends_with(".ssh")).nth(1);
        assert_eq!(ssh, Some("    does not exist inside"), "{}", said.out);
        let env = by_line.lines().skip_while(|line| !line.ends_with("ws/.env")).nth(1);
        assert_eq!(env, Some("    name held by an empty folder that cannot be written"), "{}", said.out);
        assert!(!said.out.contains("NOT ENFORCED"), "{}", said.out);
        assert!(!home.at("home/ws/ran").exists() && !home.at("home/.local").exists());
        let json = home.run(&["--policy", "coding-agent", "--explain", "--format", "json"]);
        let node = weft::json::parse(&json.out).unwrap();
        let lines = node.get("lines").unwrap().as_array().unwrap();
        assert!(
            lines.len() > 100
                && lines.iter().all(|line| !line.get("by").unwrap().as_array().unwrap().is_empty())
        );
    }
}

#[test]
fn the_doctor_finds_nothing_that_escapes() {
    for home in Home::each() {
        for policy in ["coding-agent", "readonly", "skill"] {
            let said = said_of(&home, &["doctor", "--policy", policy, "--format", "json"]);
            assert_eq!(said.code, 0, "{policy}: {said:?}");
            let node = weft::json::parse(&said.out).unwrap();
            let attacks = node.get("attacks").unwrap().as_array().unwrap();
            let offers = node.get("offers").unwrap().get("landlock").unwrap().as_str().unwrap();
            let fixed = offers.split_once("fixed errata: ").unwrap().1;
            for erratum in node.get("errata").unwrap().as_array().unwrap() {
                let number = erratum.get("number").unwrap().as_u64().unwrap().to_string();
                assert!(fixed.split(' ').all(|word| word != number), "{number} is fixed: {}", said.out);
                assert!(!erratum.get("what").unwrap().as_str().unwrap().is_empty());
            }
            let count = |key: &str, value: &str| {
                attacks.iter().filter(|a| a.get(key).unwrap().as_str() == Some(value)).count()
            };
            assert!(attacks.len() >= 40 && count("outcome", "not held") == 0, "{policy}: {}", said.out);
            // Tricks that work nowhere would prove nothing.
            let works = attacks
                .iter()
                .filter(|a| a.get("works_outside").unwrap().value == weft::json::Value::Bool(true))
                .count();
            assert!(works >= 15, "{works} work outside");
        }
    }
}

#[test]
fn the_doctor_says_what_is_not_held() {
    let home = Home::new();
    // Everything readable: the files are no secret then, and the doctor says that they are not held by the policy.
    let said = said_of(&home, &["doctor", "--policy", "coding-agent"]);
    assert!(said.out.contains("\nattacks from inside\n") && said.out.contains("0 not held"), "{said:?}");
    let policy = "version = 1\nextends = [\"base\"]\n[network]\nunrestricted = true\n[filesystem]\nwrite = [\"${TMPDIR}\"]\n";
    let policy = home.file("net.toml", policy);
    let said = said_of(&home, &["doctor", "--policy", policy.to_str().unwrap()]);
    assert!(said.out.contains("allowed   loopback"), "{said:?}");
    assert_eq!(said.code, 0, "{said:?}");
    // In the home folder there is no workspace to take: it makes an empty one.
    let mut doctor = home.weft(&["doctor"]);
    let at_home = said_in(&mut doctor, &home.at("home"));
    assert!(at_home.code == 0 && at_home.out.contains("(an empty folder)"), "{at_home:?}");
}

fn said_in(command: &mut Command, folder: &Path) -> Said {
    said(command.current_dir(folder))
}

#[test]
fn live_tests_ask_the_kernel() {
    for home in Home::each() {
        for policy in ["base", "readonly", "coding-agent", "skill", "python-tool", "node-tool"] {
            let said = said_of(&home, &["policy", "test", "--live", policy]);
            assert_eq!(said.code, 0, "{policy}: {said:?}");
            assert!(said.out.contains("of them tried live"), "{said:?}");
        }
    }
}

#[cfg(not(feature = "wasm"))]
#[test]
fn a_webassembly_module_is_told_and_so_is_how_to_run_it() {
    let home = Home::new();
    home.file("home/ws/tool.wasm", b"\0asm\x01\0\0\0");
    let policy = home.file("os.toml", "version = 1\n[filesystem]\nread = [\"${WORKSPACE}\"]\n");
    for words in [["tool.wasm"], ["./tool.wasm"]] {
        let said = home.run(&["--policy", policy.to_str().unwrap(), "--", words[0]]);
        assert_eq!(said.code, 2, "{}", said.err);
        assert!(
            said.err.contains("is a WebAssembly module") && said.err.contains("--features wasm"),
            "{}",
            said.err
        );
    }
}
