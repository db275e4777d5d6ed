//! `weft policy learn` and `tighten` through the binary: a command is learned, runs again under the result, and what it did not do
//! stays refused. Against the real kernel, as root and as a plain user.

// A failure here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/cli.rs"]
mod cli;
#[path = "support/process.rs"]
mod process;

use cli::Said;
use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use weft::json::{Node, parse};

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A home with a workspace, and the user who lives in it.
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
        let name = format!("weft-learn-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // Not below /tmp, which is the sandbox's own inside.
        let root = Path::new("/var/tmp").join(name);
        fs::DirBuilder::new().mode(0o755).create(&root).unwrap();
        let home = Home { root, plain: false };
        home.file("home/.ssh/id_ed25519", "SECRET-KEY\n");
        home.file("home/outside/file", "OUTSIDE\n");
        home.file("home/ws/.env", "TOKEN=SECRET-ENV\n");
        home
    }

    /// The same for a user for whom permissions count; None, said aloud, where there is none.
    fn plain() -> Option<Home> {
        let mut home = Home::new();
        process::unprivileged(&home.root)?;
        home.plain = true;
        Some(home)
    }

    /// As root, and as a plain user where there is one.
    fn each() -> Vec<Home> {
        [Some(Home::new()), Home::plain()].into_iter().flatten().collect()
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn file(&self, path: impl AsRef<OsStr>, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.root.join(path.as_ref());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Everything belongs to the user; before each command, as tests write files in between.
    fn own(&self) {
        fn all(path: &Path) {
            let _ = std::os::unix::fs::lchown(path, Some(65_534), Some(65_534));
            for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                if entry.file_type().unwrap().is_dir() {
                    all(&entry.path());
                } else {
                    let _ = std::os::unix::fs::lchown(entry.path(), Some(65_534), Some(65_534));
                }
            }
        }
        if self.plain {
            all(&self.at("home"));
        }
    }

    fn weft(&self, args: &[&str]) -> Command {
        self.own();
        let mut command = match self.plain {
            true => process::unprivileged(&self.root).unwrap(),
            false => Command::new(env!("CARGO_BIN_EXE_weft")),
        };
        command.args(args).current_dir(self.at("home/ws")).env_clear();
        command.env("HOME", self.at("home")).env("PATH", PATH).env("LANG", "C.UTF-8").stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Said {
        said(&mut self.weft(args))
    }

    /// Learns a command into a policy file beside the workspace, and gives what was said and the policy.
    fn learn(&self, options: &[&str], command: &[&str]) -> (Said, String) {
        let out = self.at("home/learned.toml");
        let args =
            [&["policy", "learn", "--force", "--out", out.to_str().unwrap()], options, &["--"], command];
        let said = self.run(&args.concat());
        assert_eq!(said.code, 0, "{said:?}");
        (said, fs::read_to_string(out).unwrap())
    }

    /// Runs a command under what was learned.
    fn again(&self, command: &[&str]) -> Said {
        let out = self.at("home/learned.toml");
        self.run(&[&["run", "--policy", out.to_str().unwrap(), "--"], command].concat())
    }

    fn log(&self, agent: &str) -> PathBuf {
        self.at(&format!("home/.local/state/weft/audit/{agent}.jsonl"))
    }
}

fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn there(program: &str) -> bool {
    let found = PATH.split(':').any(|folder| Path::new(folder).join(program).exists());
    if !found {
        process::skipped(&format!("no {program} in {PATH}"));
    }
    found
}

/// The lines of a policy that grant something: no comments, no denials, no tests.
fn grants(policy: &str) -> Vec<String> {
    let mut key = String::new();
    let mut found = Vec::new();
    for line in policy.lines() {
        let line = line.split(" #").next().unwrap().trim();
        if let Some((name, "[")) = line.split_once(" = ") {
            key = name.to_owned();
        } else if line == "]" {
            key.clear();
        } else if !line.starts_with('#') && !["", "deny", "protect"].contains(&key.as_str()) {
            found.push(format!("{key} {}", line.trim_end_matches(',')));
        }
    }
    found
}

#[test]
fn git_is_learned_and_works_again() {
    if !there("git") {
        return;
    }
    for home in Home::each() {
        home.file("home/.gitconfig", "[user]\n name = t\n email = t@example.com\n");
        home.file("home/ws/a", "a\n");
        let mut init = Command::new("git");
        let init =
            init.args(["init", "-q", "."]).current_dir(home.at("home/ws")).env("HOME", home.at("home"));
        assert!(init.status().unwrap().success());

        let script = "git add a && git commit -qm one && git status --short";
        let (said, policy) = home.learn(&["--permissive"], &["sh", "-c", script]);
        let granted = grants(&policy);
        for grant in ["read \"~/.gitconfig\"", "write \"${WORKSPACE}\"", "allow \"git\"", "allow \"sh\""] {
            assert!(granted.iter().any(|line| line == grant), "{grant} is not in {granted:?}\n{said:?}");
        }
        assert!(policy.contains("protect = [") && policy.contains("\"${WORKSPACE}/.git/hooks\""), "{policy}");

        home.file("home/ws/a", "b\n");
        let again = home.again(&["sh", "-c", "git add a && git commit -qm two && git log --oneline"]);
        assert_eq!((again.code, again.out.lines().count()), (0, 2), "{again:?}\n{policy}");
        // What it did not do.
        for script in [
            "cat ~/outside/file",
            "cat .env",
            "cat ~/.ssh/id_ed25519",
            "python3 -c 'print(1)'",
            "echo x > .git/hooks/pre-commit",
            "echo x > .git/config",
            "echo x >> ~/.gitconfig",
        ] {
            let refused = home.again(&["sh", "-c", script]);
            assert!(refused.code != 0 && refused.out.is_empty(), "{script}: {refused:?}");
        }
        let checked = home.run(&["policy", "check", home.at("home/learned.toml").to_str().unwrap()]);
        assert_eq!(checked.code, 0, "{checked:?}");
        let tested = home.run(&["policy", "test", home.at("home/learned.toml").to_str().unwrap()]);
        assert_eq!(tested.code, 0, "{tested:?}");
        // The same again is the same to the byte.
        let (_, once) = home.learn(&["--permissive"], &["git", "status"]);
        let (_, twice) = home.learn(&["--permissive"], &["git", "status"]);
        assert_eq!(once, twice);
        let log = home.log("sh");
        let from = ["policy", "learn", "--from", log.to_str().unwrap()];
        let (once, twice) = (home.run(&from), home.run(&from));
        assert!(once.code == 0 && once.out.contains("runs of sh.") && once.out == twice.out, "{once:?}");
    }
}

/// A server on this machine that answers everybody with a line.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        }
    });
    port
}

const JOB: &str = r#"
import os, sys, urllib.request, tempfile
conf = open(os.path.expanduser('~/.config/app/app.ini')).read().strip()
for secret in ['~/.ssh/id_ed25519', '.env', '~/.aws/credentials']:
    try:
        print('GOT', open(os.path.expanduser(secret)).read())
    except OSError:
        pass
if len(sys.argv) > 1:
    try:
        print(urllib.request.urlopen(f'http://127.0.0.1:{sys.argv[1]}/').read().decode())
    except OSError:
        print('no server')
with tempfile.NamedTemporaryFile() as t:
    t.write(b'x')
with open('out.txt', 'w') as f:
    f.write(conf)
print('done', os.environ.get('AWS_SECRET_ACCESS_KEY'))
"#;

#[test]
fn a_script_is_learned_and_works_again_and_no_credential_is_proposed() {
    if !there("python3") {
        return;
    }
    for home in Home::each() {
        home.file("home/ws/job.py", JOB);
        home.file("home/.config/app/app.ini", "value\n");
        home.file("home/.aws/credentials", "SECRET-AWS\n");
        let port = server().to_string();
        let out = home.at("home/learned.toml");
        let learn = ["policy", "learn", "--permissive", "--out", out.to_str().unwrap(), "--"];
        let mut command = home.weft(&[&learn[..], &["python3", "job.py", &port]].concat());
        let learned = said(command.env("AWS_SECRET_ACCESS_KEY", "SECRET-VAR").env("OTHER", "1"));
        let policy = fs::read_to_string(&out).unwrap();
        assert!(learned.code == 0 && learned.out.contains("done None"), "{learned:?}");
        assert!(!learned.out.contains("GOT"), "{learned:?}");
        let granted = grants(&policy);
        for grant in [
            "read \"~/.config/app/app.ini\"",
            "write \"${TMPDIR}\"",
            "write \"${WORKSPACE}\"",
            &format!("allow {{ host = \"127.0.0.1\", ports = [{port}], tls = false }}"),
            "allow \"python3\"",
        ] {
            assert!(granted.iter().any(|line| line == grant), "{grant} is not in {granted:?}\n{policy}");
        }
        for secret in [".ssh", ".aws", ".env", "SECRET", "AWS"] {
            assert!(!granted.iter().any(|line| line.contains(secret)), "{secret} in {granted:?}");
        }
        // Named as left out, in the policy and aloud.
        for secret in [
            "read ~/.ssh/id_ed25519",
            "read ${WORKSPACE}/.env",
            "read ~/.aws/credentials",
            "AWS_SECRET_ACCESS_KEY",
        ] {
            assert!(policy.lines().any(|line| line.starts_with('#') && line.contains(secret)), "{policy}");
            assert!(learned.err.contains(secret), "{secret}: {learned:?}");
        }
        assert!(policy.contains("kept out; add to [env] allow what the command needs: OTHER"), "{policy}");

        fs::remove_file(home.at("home/ws/out.txt")).unwrap();
        let again = home.again(&["python3", "job.py", &port]);
        assert_eq!((again.code, again.out.as_str()), (0, "hello\ndone None\n"), "{again:?}\n{policy}");
        assert_eq!(fs::read_to_string(home.at("home/ws/out.txt")).unwrap(), "value");
        let other = server().to_string();
        let refused = home.again(&["python3", "job.py", &other]);
        assert!(refused.out.starts_with("no server"), "{refused:?}");
        let refused = home.again(&["python3", "-c", "print(open('../outside/file').read())"]);
        assert!(refused.code != 0 && refused.out.is_empty(), "{refused:?}");
        assert_eq!(home.again(&["sh", "-c", "echo x"]).code, 127);
    }
}

#[test]
fn without_permissive_what_is_refused_is_learned_step_by_step() {
    if !there("python3") {
        return;
    }
    for home in Home::each() {
        home.file("home/ws/job.py", JOB);
        home.file("home/.config/app/app.ini", "value\n");
        let (said, policy) = home.learn(&[], &["python3", "job.py"]);
        assert!(said.err.contains("the command ended with 1"), "{said:?}");
        assert!(grants(&policy).contains(&"read \"~/.config/app/app.ini\"".to_owned()), "{policy}");
        assert!(policy.contains("#   the command ended with 1"), "{policy}");
        // On top of what was learned it gets further. The policy that is held to was written by this very command.
        let first = home.file("home/first.toml", format!("{policy}\n"));
        let text = fs::read_to_string(&first)
            .unwrap()
            .replace("read = [", "write = [\"${WORKSPACE}\", \"${TMPDIR}\"]\nread = [");
        fs::write(&first, text).unwrap();
        let (said, policy) = home.learn(&["--policy", first.to_str().unwrap()], &["python3", "job.py"]);
        assert!(said.err.contains("the command ended well"), "{said:?}");
        assert!(policy.contains(&format!("extends = [\"{}\"]", first.display())), "{policy}");
        assert!(!grants(&policy).iter().any(|line| line.contains("app.ini")), "{policy}");
        let again = home.again(&["python3", "job.py"]);
        assert_eq!(again.code, 0, "{again:?}\n{policy}");
    }
}

#[test]
fn odd_names_are_escaped_or_left_out_aloud() {
    if !there("python3") {
        return;
    }
    let home = Home::new();
    let names: &[(&[u8], &str)] = &[
        (b"we\nird", "we\\u{a}ird"),
        (b"es\x1b[2Jc", "es\\u{1b}[2Jc"),
        (b"st*r", "st*r"),
        (b"dol$lar", "dol$lar"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("bi\u{202e}di".as_bytes(), "bi\\u{202e}di"),
    ];
    let mut list = Vec::new();
    for (name, _) in names.iter().chain(&[(&b"quo\"te\\'s"[..], "")]) {
        let folder = [home.at("home/.config").as_os_str().as_bytes(), b"/", name].concat();
        let folder = Path::new(OsStr::from_bytes(&folder)).to_owned();
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("x"), "1").unwrap();
        list.extend(folder.join("x").as_os_str().as_bytes());
        list.push(0);
    }
    home.file("home/ws/list", &list);
    let script = "for name in open('list', 'rb').read().split(b'\\0')[:-1]: open(name).read()";
    let (said, policy) = home.learn(&["--permissive"], &["python3", "-c", script]);
    for (_, shown) in names {
        let at = format!("/home/.config/{shown}/x: its name ");
        assert!(
            policy.lines().any(|line| line.starts_with("#   read ") && line.contains(&at)),
            "{at} in {policy}"
        );
        assert!(said.err.contains(&at), "{at} in {said:?}");
    }
    assert!(policy.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{policy}");
    assert!(grants(&policy).contains(&"read \"~/.config/quo\\\"te\\\\'s/x\"".to_owned()), "{policy}");
    let again = home.again(&["python3", "-c", "print(open(\"../.config/quo\\\"te\\\\'s/x\").read())"]);
    assert_eq!((again.code, again.out.as_str()), (0, "1\n"), "{again:?}");
}

#[test]
fn links_sockets_and_places_of_the_system() {
    if !there("python3") {
        return;
    }
    let home = Home::new();
    home.file("home/dotfiles/toolrc", "linked\n");
    std::os::unix::fs::symlink("dotfiles/toolrc", home.at("home/.toolrc")).unwrap();
    let socket = home.at("home/.config/agent.sock");
    fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    home.file(
        "home/ws/x.py",
        "import os, socket\n\
         def quietly(f):\n    try: f()\n    except OSError: pass\n\
         home = os.path.expanduser('~')\n\
         quietly(lambda: print(open(home + '/.toolrc').read()))\n\
         quietly(lambda: socket.socket(socket.AF_UNIX).connect(home + '/.config/agent.sock'))\n\
         quietly(lambda: open('/etc/weft-learn-test', 'w'))\n\
         quietly(lambda: open(home + '/.bashrc', 'w'))\n\
         quietly(lambda: open(home + '/new/file', 'w'))\n\
         quietly(lambda: os.listdir(home))\n\
         quietly(lambda: open('weft.toml', 'w'))\n",
    );
    let (_, policy) = home.learn(&[], &["python3", "x.py"]);
    let granted = grants(&policy);
    for path in ["\"~/.toolrc\"", "\"~/dotfiles/toolrc\""] {
        assert!(granted.contains(&format!("read {path}")), "{path}: {policy}");
    }
    for what in [
        "write ~/.config/agent.sock: it is a socket",
        "write /etc/weft-learn-test: it is a place of the system",
        "write ~/.bashrc: it is run or obeyed outside",
        "write ~/new: the folder is not there",
        "read ~: it is too much to grant in one line",
        "write ${WORKSPACE}/weft.toml:",
    ] {
        assert!(policy.lines().any(|line| line.starts_with('#') && line.contains(what)), "{what}: {policy}");
    }
    let again = home.again(&["python3", "x.py"]);
    assert_eq!((again.code, again.out.as_str()), (0, "linked\n\n"), "{again:?}\n{policy}");
    // What the link leads to is there through the link; without the link's own entry it would not be.
    let out = home.at("home/learned.toml");
    let watched = home.run(&["run", "--observe", "--policy", out.to_str().unwrap(), "--", "python3", "x.py"]);
    assert_eq!(watched.code, 0, "{watched:?}");
    let log = home.log("python3");
    let args = [
        "policy",
        "tighten",
        out.to_str().unwrap(),
        "--from",
        log.to_str().unwrap(),
        "--runs",
        "1",
        "--write",
    ];
    let said = home.run(&args);
    assert!(said.code == 0 && said.out.contains("filesystem.read: ~/dotfiles/toolrc"), "{said:?}");
    let again = home.again(&["python3", "x.py"]);
    assert_eq!((again.code, again.out.as_str()), (0, "linked\n\n"), "{again:?}");
}

#[test]
fn credentials_in_what_is_granted_stay_closed_however_many_there_are() {
    let home = Home::new();
    for n in 0..1200 {
        home.file(format!("home/ws/keys/k{n}.key"), "SECRET\n");
    }
    home.file("home/ws/z/last.key", "SECRET\n");
    let script = "cat z/last.key; echo x > out";
    let (said, policy) = home.learn(&[], &["sh", "-c", script]);
    assert!(said.err.contains("left out: read ${WORKSPACE}/z/last.key"), "{said:?}");
    for denied in ["\"${WORKSPACE}/z/last.key\"", "\"${WORKSPACE}/keys\""] {
        assert!(policy.lines().any(|line| line.trim_start().starts_with(denied)), "{denied}: {policy}");
    }
    let refused = home.again(&["sh", "-c", "cat z/last.key keys/*.key; echo done"]);
    assert!(refused.code == 0 && refused.out == "done\n", "{refused:?}");
}

#[test]
fn a_program_of_its_own_folder_is_learned_with_what_starts_it() {
    let home = Home::new();
    let tool = home.file("home/.tool/bin/tool", "#!/bin/sh\n. \"$HOME/.tool/lib/part\"\necho tool\n");
    home.file("home/.tool/lib/part", "echo part\n");
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    let tool = tool.to_str().unwrap();
    let (said, policy) = home.learn(&["--permissive"], &[tool]);
    assert_eq!(said.out, "part\ntool\n", "{said:?}");
    let granted = grants(&policy);
    for grant in [
        "exec \"~/.tool/bin/tool\"",
        "read \"~/.tool/lib/part\"",
        "allow \"~/.tool/bin/tool\"",
        "allow \"sh\"",
    ] {
        assert!(granted.contains(&grant.to_owned()), "{grant}: {policy}");
    }
    let again = home.again(&[tool]);
    assert_eq!((again.code, again.out.as_str()), (0, "part\ntool\n"), "{again:?}\n{policy}");
    assert_eq!(home.again(&["cat", "/etc/hostname"]).code, 127);
}

#[test]
fn node_and_cargo_are_learned_where_they_are() {
    let home = Home::new();
    if there("node") {
        home.file("home/.config/app/app.json", "{\"value\": 7}");
        home.file(
            "home/ws/x.js",
            "const fs = require('fs'), os = require('os');\n\
             const conf = JSON.parse(fs.readFileSync(os.homedir() + '/.config/app/app.json'));\n\
             fs.writeFileSync('out.json', JSON.stringify(conf));\nconsole.log(conf.value);\n",
        );
        let (said, policy) = home.learn(&["--permissive"], &["node", "x.js"]);
        assert_eq!(said.out, "7\n", "{said:?}");
        let again = home.again(&["node", "x.js"]);
        assert_eq!((again.code, again.out.as_str()), (0, "7\n"), "{again:?}\n{policy}");
        let refused = home.again(&["node", "-e", "require('fs').readFileSync('../outside/file')"]);
        assert_ne!(refused.code, 0, "{refused:?}");
    }
    let real = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    if !real.join(".cargo/bin/cargo").exists() || !real.join(".rustup").exists() {
        return process::skipped("no cargo of rustup in the home folder");
    }
    home.file(
        "home/ws/Cargo.toml",
        "[package]\nname = \"x\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n",
    );
    home.file("home/ws/src/main.rs", "fn main() { println!(\"built\"); }\n");
    let path = format!("{}:{PATH}", real.join(".cargo/bin").display());
    let out = home.at("home/learned.toml");
    let weft = |args: &[&str]| {
        let mut command = home.weft(args);
        command.env("HOME", &real).env("PATH", &path).env("XDG_STATE_HOME", home.at("home/state"));
        command.env("XDG_CACHE_HOME", home.at("home/cache"));
        said(&mut command)
    };
    let out = out.to_str().unwrap();
    let build = ["cargo", "run", "-q", "--offline"];
    let learn = ["policy", "learn", "--permissive", "--force", "--out", out, "--"];
    let learned = weft(&[&learn[..], &build].concat());
    assert_eq!((learned.code, learned.out.as_str()), (0, "built\n"), "{learned:?}");
    let policy = fs::read_to_string(out).unwrap();
    fs::remove_dir_all(home.at("home/ws/target")).unwrap();
    let again = weft(&[&["run", "--policy", out, "--"][..], &build].concat());
    assert_eq!((again.code, again.out.as_str()), (0, "built\n"), "{again:?}\n{policy}");
    assert!(!grants(&policy).iter().any(|line| line.contains("credentials")), "{policy}");
}

#[test]
fn logs_are_learned_from_and_bad_ones_are_told() {
    let home = Home::new();
    home.file("home/.config/app/app.ini", "value\n");
    let policy = home.file(
        "home/p.toml",
        "version = 1\nagent = \"one\"\nextends = [\"base\"]\n[filesystem]\nread = [\"${WORKSPACE}\"]\n",
    );
    let run = |options: &[&str]| {
        let script = "cat ~/.config/app/app.ini ~/.ssh/id_ed25519; ls >/dev/null";
        home.run(
            &[&["run", "--policy", policy.to_str().unwrap()], options, &["--", "sh", "-c", script]].concat(),
        )
    };
    assert!(run(&["--observe"]).err.contains("denial"));
    let log = home.log("one");
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.contains("\"action\":\"enforcement\",\"target\":\"observe\""), "{text}");
    assert!(
        text.lines().any(|line| line.contains("app.ini") && line.contains("\"by\":\"/usr/bin/cat\"")),
        "{text}"
    );
    let from = |paths: &[&Path]| {
        let mut args = vec!["policy", "learn"];
        paths.iter().for_each(|path| args.extend(["--from", path.to_str().unwrap()]));
        home.run(&args)
    };
    let learned = from(&[&log]);
    assert_eq!(learned.code, 0, "{learned:?}");
    assert!(grants(&learned.out).contains(&"read \"~/.config/app/app.ini\"".to_owned()), "{learned:?}");
    assert!(learned.out.contains("from 1 run of sh."), "{learned:?}");
    assert!(learned.err.contains("left out: read ~/.ssh/id_ed25519"), "{learned:?}");
    let text_form = home.run(&["policy", "learn", "--from", log.to_str().unwrap(), "--format", "text"]);
    assert!(
        text_form.out.contains("grant     filesystem.read: ~/.config/app/app.ini (cat: 1 file)"),
        "{text_form:?}"
    );
    let json = home.run(&["policy", "learn", "--from", log.to_str().unwrap(), "--format", "json"]);
    let json = parse(&json.out).unwrap();
    assert_eq!(json.get("schema").and_then(Node::as_str), Some("weft.policy-learn/1"));
    assert_eq!(json.get("policy").and_then(Node::as_str), Some(learned.out.as_str()));
    // Half of it, and something that is no line of it: the rest counts, and it is said.
    let torn = home.file("home/torn.jsonl", format!("{}not a line\n{{\"seq\":1}}\n{}", text, &text[..300]));
    let learned = from(&[&torn]);
    assert_eq!(learned.code, 0, "{learned:?}");
    assert!(learned.err.contains("3 lines of the logs cannot be read"), "{learned:?}");
    assert!(learned.out.contains("#   3 lines of the logs cannot be read"), "{learned:?}");
    // Nothing that is one.
    let garbage: Vec<u8> = (0..20_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (name, bytes, said) in [
        ("garbage", garbage, "not an audit log"),
        ("empty", Vec::new(), "the log is empty"),
        ("policy", fs::read(&policy).unwrap(), "not an audit log"),
    ] {
        let path = home.file(format!("home/{name}"), bytes);
        from(&[&path]).refused(said);
        from(&[&log, &path]).refused(said);
    }
    from(&[Path::new("/nowhere/log")]).refused("cannot read the log");
    // Whatever is written in a log, a policy comes out, and it is one line for each thing.
    let forged = text.replace("/.config/app/app.ini", "/.config/a\\nread = [\\\"/\\\"]\\u001b");
    let path = home.file("home/forged.jsonl", forged);
    let learned = from(&[&path]);
    assert_eq!(learned.code, 0, "{learned:?}");
    assert!(!learned.out.lines().any(|line| line.starts_with("read = [\"/\"]")), "{learned:?}");
    assert!(learned.out.contains("it is no plain path"), "{learned:?}");
}

#[test]
fn what_was_never_used_is_taken_out_and_what_cannot_be_judged_stays() {
    let home = Home::new();
    home.file("home/.config/app/app.ini", "value\n");
    home.file("home/ws/a", "a\n");
    let text = "version = 1 # one\nagent = \"wide\"\nextends = [\"base\"]\n[filesystem]\n\
        read = [\"${WORKSPACE}\", \"~/.config/app\", \"~/outside\", \"/opt\"]\n\
        write = [\n  \"${TMPDIR}\", # tmp\n  \"~/outside\" # never\n]\n\
        deny = [\"${WORKSPACE}/.env\"]\n\
        [network]\nallow = [{ host = \"a.example.com\" }, { host = \"b.example.com\", ports = [80], tls = false }]\n\
        [process]\nallow = [\"sh\", \"cat\", \"ls\",\n  \"head\"]\nmax_processes = 50\n[env]\nallow = [\"FOO\"]\n";
    let path = home.file("home/wide.toml", text);
    let policy = path.to_str().unwrap();
    let run = |options: &[&str]| {
        let script = "cat ~/.config/app/app.ini a; ls >/dev/null";
        let said = home.run(&[&["run", "--policy", policy], options, &["--", "sh", "-c", script]].concat());
        assert_eq!((said.code, said.out.as_str()), (0, "value\na\n"), "{said:?}");
    };
    run(&["--observe"]);
    run(&["--observe"]);
    let log = home.log("wide");
    let from = log.to_str().unwrap();
    let tighten =
        |options: &[&str]| home.run(&[&["policy", "tighten", policy, "--from", from], options].concat());
    let said = tighten(&["--format", "json"]);
    assert_eq!(said.code, 1, "{said:?}");
    let report = parse(&said.out).unwrap();
    let names = |key: &str| -> Vec<String> {
        let list = report.get(key).and_then(Node::as_array).unwrap();
        let text = |node: &Node, key: &str| node.get(key).and_then(Node::as_str).unwrap().to_owned();
        list.iter().map(|node| format!("{} {}", text(node, "key"), text(node, "entry"))).collect()
    };
    let unused = [
        "filesystem.read ~/outside",
        "filesystem.read /opt",
        "filesystem.write ${TMPDIR}",
        "filesystem.write ~/outside",
        "network.allow a.example.com",
        "network.allow b.example.com",
        "process.allow head",
    ];
    assert_eq!(names("unused"), unused);
    assert_eq!(names("not_judged"), ["env.allow FOO"]);
    assert_eq!(report.get("runs").and_then(Node::as_u64), Some(2));
    // Nothing was written yet; then it is, with a copy, and the runs still work.
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    let said = tighten(&["--write"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("narrower") && !said.out.contains("wider "), "{said:?}");
    assert_eq!(fs::read_to_string(home.at("home/wide.toml.weft-1.bak")).unwrap(), text);
    let now = fs::read_to_string(&path).unwrap();
    assert!(now.contains("read = [\"${WORKSPACE}\", \"~/.config/app\"") && !now.contains("never"), "{now}");
    assert!(now.contains("version = 1 # one") && now.contains("max_processes = 50"), "{now}");
    run(&["--observe"]);
    assert_eq!(tighten(&[]).code, 0);
    // A run that was not observed says nothing of files.
    fs::write(&path, text).unwrap();
    run(&[]);
    let said = tighten(&[]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.out.contains("not judged")
            && said.out.contains("filesystem.read: /opt: files were not written down"),
        "{said:?}"
    );
    assert!(said.out.contains("unused     ") && said.out.contains("process.allow: head"), "{said:?}");
    // By the last runs only.
    run(&["--observe"]);
    assert!(tighten(&["--runs", "1"]).out.contains("by 1 run: 7 unused, 5 used, 1 not judged"));
    tighten(&["--runs", "99"]).refused("99 runs are asked for, 5 are in the log");
    // What is torn out of a log may have been a use of anything.
    let whole = fs::read_to_string(&log).unwrap();
    let lines = whole.lines().count();
    let cut: String = whole.lines().take(lines - 1).map(|line| format!("{line}\n")).collect();
    for (name, torn) in
        [("cut", cut), ("half", whole[..whole.len() - 20].to_owned()), ("junk", format!("{whole}junk\n"))]
    {
        let torn = home.file(format!("home/{name}.jsonl"), torn);
        let said = home.run(&["policy", "tighten", policy, "--from", torn.to_str().unwrap(), "--write"]);
        assert_eq!(said.code, 0, "{name}: {said:?}");
        assert!(said.out.contains(" 0 unused"), "{name}: {said:?}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    let other = home.file("home/other.toml", "version = 1\nagent = \"other\"\n");
    home.run(&["policy", "tighten", other.to_str().unwrap(), "--from", from])
        .refused("no run of the agent other");
    home.run(&["policy", "tighten", policy]).refused("no log to go by");
    home.run(&["policy", "tighten", "/nowhere/p.toml", "--from", from]).refused("cannot read the policy");
    home.run(&["policy", "tighten", policy, "--from", policy]).refused("not an audit log");
}

#[test]
fn what_cannot_be_done_is_refused() {
    let home = Home::new();
    let there = home.file("home/there.toml", "");
    let there = there.to_str().unwrap();
    for (args, said) in [
        (&["policy", "learn"][..], "nothing to learn from"),
        (&["policy", "learn", "--from", "x", "--", "true"], "a command or logs, not both"),
        (&["policy", "learn", "--permissive", "--from", "x"], "--permissive is for a command"),
        (&["policy", "learn", "--host", "example.com", "--", "true"], "--host is for --permissive"),
        (&["policy", "learn", "--permissive", "--host", "*.com", "--", "true"], "bad value"),
        (&["policy", "learn", "--out", there, "--", "true"], "the file exists"),
        (&["policy", "learn", "--policy", "nosuch", "--", "true"], "no built-in policy"),
        (&["policy", "learn", "--workspace", "/", "--", "true"], "the whole file system"),
        (&["policy", "learn", "--format", "yaml", "--", "true"], "use toml, json or text"),
    ] {
        home.run(args).refused(said);
    }
    let said = home.run(&["policy", "learn", "--", "no-such-command"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");
    assert!(said.err.contains("nothing was learned: no-such-command"), "{said:?}");
    let none = home.file(
        "home/none.toml",
        "version = 1\n[sandbox]\ntype = \"none\"\nprivileged = true\n[audit]\nfile = \"${STATE}/x\"\n",
    );
    home.run(&["run", "--observe", "--policy", none.to_str().unwrap(), "--", "true"])
        .refused("cannot be observed here");
    let silent = home.file("home/silent.toml", "version = 1\n[filesystem]\nread = [\"/usr\"]\n");
    home.run(&["run", "--observe", "--policy", silent.to_str().unwrap(), "--", "true"])
        .refused("nothing to write down");
}

#[test]
fn without_namespaces_files_and_programs_are_seen_too() {
    let home = Home::new();
    home.file("home/.config/app/app.ini", "value\n");
    // In a user namespace of the test's own in which there can be no further one.
    let closed = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
    let unshare = ["--user", "--map-current-user", "--keep-caps", "sh", "-c", closed, "sh"];
    let alone = |args: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(unshare).arg(env!("CARGO_BIN_EXE_weft")).args(args).current_dir(home.at("home/ws"));
        command.env_clear().env("HOME", home.at("home")).env("PATH", PATH).stdin(Stdio::null());
        said(&mut command)
    };
    if !Command::new("unshare").args(unshare).arg("true").status().is_ok_and(|status| status.success()) {
        return process::skipped("no user namespace for the test itself");
    }
    let out = home.at("home/learned.toml");
    let out = out.to_str().unwrap();
    let script = "cat ~/.config/app/app.ini; cat ~/.ssh/id_ed25519; echo x > \"$TMPDIR/t\"; echo y > out; echo z > ~/outside/new; true";
    let learned = alone(&["policy", "learn", "--permissive", "--out", out, "--", "sh", "-c", script]);
    assert_eq!((learned.code, learned.out.as_str()), (0, "value\n"), "{learned:?}");
    let policy = fs::read_to_string(out).unwrap();
    let granted = grants(&policy);
    for grant in [
        "read \"~/.config/app/app.ini\"",
        "write \"${WORKSPACE}\"",
        "write \"${TMPDIR}\"",
        "write \"~/outside\"",
        "allow \"cat\"",
        "allow \"sh\"",
    ] {
        assert!(granted.contains(&grant.to_owned()), "{grant}: {policy}");
    }
    assert!(learned.err.contains("left out: read ~/.ssh/id_ed25519"), "{learned:?}");
    let again = alone(&["run", "--policy", out, "--", "sh", "-c", script]);
    assert!(
        again.code == 0 && again.out == "value\n" && home.at("home/outside/new").exists(),
        "{again:?}\n{policy}"
    );
    let refused = alone(&["run", "--policy", out, "--", "sh", "-c", "cat ~/.gitconfig; ls / && echo listed"]);
    assert!(!refused.out.contains("listed"), "{refused:?}");
}

#[test]
fn a_command_named_by_path_starts_from_where_it_stands() {
    let home = Home::new();
    let tool = home.file("home/tool/bin/echo2", fs::read("/bin/echo").unwrap());
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    let tool = tool.to_str().unwrap();
    home.file(
        "home/learned.toml",
        format!(
            "version = 1\nagent = \"t\"\nextends = [\"base\"]\n[filesystem]\nread = [\"~/tool\"]\nexec = [\"~/tool\"]\n[process]\nallow = [\"sh\", \"{tool}\"]\n"
        ),
    );
    let said = home.again(&["sh", "-c", &format!("{tool} yes; /bin/echo no || true; ls / || echo none")]);
    assert!(said.out.starts_with("yes\n") && said.out.ends_with("none\n"), "{said:?}");
    assert!(!said.out.contains("no\n"), "{said:?}");
}
