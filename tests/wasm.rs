//! WebAssembly programs through the binary: what they can do, what they cannot, how they end, and what is written down. Needs a build with
//! the feature `wasm`; the C programs need clang, lld and wasi-libc, and are skipped aloud without them.
#![cfg(feature = "wasm")]
// A failure here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "support/modules.rs"]
mod modules;

use std::ffi::CString;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Both types, the weaker first.
const TYPES: [&str; 2] = ["wasm", "combined"];

/// A folder that is gone after the test, with a workspace in it. Not below /tmp, which is the sandbox's own inside.
struct Home(PathBuf);

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Ended {
    code: i32,
    out: String,
    err: String,
}

impl Home {
    fn new() -> Home {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("weft-wasm-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let home = Home(Path::new("/var/tmp").join(name));
        for folder in ["ws/ro", "ws/.git/hooks", "ws/rules", "outside"] {
            fs::create_dir_all(home.at(folder)).unwrap();
        }
        for (file, text) in [
            ("ws/a.txt", "content"),
            ("ws/secret", "SECRET in the workspace"),
            ("ws/ro/file", "read only"),
            ("ws/.git/hooks/pre-commit", "SECRET hook"),
            ("ws/.git/config", "git"),
            ("outside/file", "SECRET outside"),
        ] {
            fs::write(home.at(file), text).unwrap();
        }
        home
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// A policy of this sandbox type, which may read the workspace, and write it but for some places.
    fn policy(&self, kind: &str, more: &str) -> PathBuf {
        let text = format!(
            "version = 1\nagent = \"test\"\n[sandbox]\ntype = \"{kind}\"\nbest_effort = [\"process.max_processes\"]\n\
             [filesystem]\nread = [\"${{WORKSPACE}}\", \"/etc/hosts\"]\nwrite = [\"${{WORKSPACE}}\", \"${{TMPDIR}}\"]\n\
             deny = [\"${{WORKSPACE}}/secret\", \"${{WORKSPACE}}/.git/hooks\", \"${{WORKSPACE}}/later/deep\"]\n\
             protect = [\"${{WORKSPACE}}/ro\"]\n[env]\nallow = [\"SHOWN\", \"PWD\"]\ndeny = [\"*_TOKEN\"]\nset = {{ MODE = \"test\" }}\n\
             [audit]\nfile = \"{}\"\n{more}",
            self.at("log.jsonl").display()
        );
        let path = self.at(&format!("{kind}.toml"));
        fs::write(&path, text).unwrap();
        path
    }

    fn run(&self, policy: &Path, words: &[&str]) -> Ended {
        self.run_with(policy, words, "")
    }

    fn run_with(&self, policy: &Path, words: &[&str], stdin: &str) -> Ended {
        self.started(&mut Command::new(env!("CARGO_BIN_EXE_weft")), policy, words, stdin)
    }

    /// The same where no user namespaces can be made; None, said aloud, where that cannot be brought about.
    fn run_without_namespaces(&self, policy: &Path, words: &[&str]) -> Option<Ended> {
        let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" \"$@\"";
        let mut command = Command::new("unshare");
        let works = Command::new("unshare").args(["-U", "-r", "sh", "-c", script, "true"]).output();
        if !works.as_ref().is_ok_and(|done| done.status.success()) {
            println!(
                "SKIPPED: the level without namespaces: unshare makes none to forbid more in: {works:?}"
            );
            return None;
        }
        command.args(["-U", "-r", "sh", "-c", script, env!("CARGO_BIN_EXE_weft")]);
        Some(self.started(&mut command, policy, words, ""))
    }

    fn started(&self, command: &mut Command, policy: &Path, words: &[&str], stdin: &str) -> Ended {
        let mut child = command
            .arg("run")
            .arg("--policy")
            .arg(policy)
            .arg("--")
            .args(words)
            .current_dir(self.at("ws"))
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", &self.0)
            .env("SHOWN", "yes")
            .env("HIDDEN", "no")
            .env("A_TOKEN", "SECRET token")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may have ended without reading.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let out = child.wait_with_output().unwrap();
        Ended {
            code: out.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&out.stdout).into_owned(),
            err: String::from_utf8_lossy(&out.stderr).into_owned(),
        }
    }

    /// The tool of the fixtures in the workspace; None, said aloud, where it cannot be compiled.
    fn tool(&self) -> Option<()> {
        fs::copy(tool()?, self.at("ws/tool.wasm")).unwrap();
        Some(())
    }

    fn module(&self, name: &str, bytes: &[u8]) {
        fs::write(self.at(&format!("ws/{name}")), bytes).unwrap();
    }

    fn log(&self) -> String {
        fs::read_to_string(self.at("log.jsonl")).unwrap()
    }
}

/// Compiles the C program once.
fn tool() -> Option<&'static Path> {
    static TOOL: OnceLock<Option<PathBuf>> = OnceLock::new();
    let made = TOOL.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/wasm/tool.c");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tool-{}.wasm", std::process::id()));
        let done = Command::new("clang")
            .args(["--target=wasm32-wasi", "-O1", "-w", "-o"])
            .args([&target, &source])
            .output();
        match done {
            Ok(done) if done.status.success() => Some(target),
            Ok(done) => {
                println!("SKIPPED: clang compiles nothing for wasm32-wasi (it needs lld, wasi-libc and");
                println!("  libclang-rt-dev-wasm32): {}", String::from_utf8_lossy(&done.stderr));
                None
            }
            Err(error) => {
                println!("SKIPPED: C programs: clang: {error}");
                None
            }
        }
    });
    made.as_deref()
}

#[test]
fn calls_do_what_they_say() {
    for kind in TYPES {
        let home = Home::new();
        let Some(()) = home.tool() else { return };
        let policy = home.policy(kind, "");
        let words = [
            "tool.wasm",
            "args",
            "env",
            "stdin",
            "cat",
            "a.txt",
            "cat",
            "/etc/hosts",
            "list",
            "ro",
            "stat",
            "a.txt",
            "stat",
            "ro",
            "clock",
            "random",
            "seek",
            "seek.bin",
            "poll",
            "pointers",
            "mkdir",
            "d",
            "write",
            "d/f",
            "text",
            "append",
            "d/f",
            " more",
            "cat",
            "d/f",
            "mv",
            "d",
            "e",
            "ln",
            "e/f",
            "hard",
            "cat",
            "hard",
            "symlink",
            "a.txt",
            "link",
            "lstat",
            "link",
            "cat",
            "link",
            "readlink",
            "link",
            "rmdir",
            "e",
            "rm",
            "e/f",
            "rmdir",
            "e",
            "write",
            "/tmp/own",
            "text",
            "cat",
            "/tmp/own",
        ];
        let ended = home.run_with(&policy, &words, "a line\n");
        assert_eq!(ended.code, 0, "{kind}: {}{}", ended.out, ended.err);
        for line in [
            "args 58: tool.wasm",
            "SHOWN=yes",
            "MODE=test",
            "stdin: a line",
            "cat a.txt: content",
            "stat a.txt: file 7",
            "stat ro: folder",
            "clock: slept, now",
            "random: differs",
            "seek: end 10, pread 456, size 5",
            "poll: 1",
            "pointers: 21 21 21 21",
            "mkdir d: ok",
            "cat d/f: text more",
            "mv d: ok",
            "cat hard: text more",
            "stat link: link 5",
            "cat link: content",
            "readlink link: a.txt",
            "rmdir e: Directory not empty",
            "rmdir e: ok",
            "cat /tmp/own: text",
        ] {
            assert!(ended.out.contains(line), "{kind}: {line} in\n{}", ended.out);
        }
        assert!(!ended.out.contains("HIDDEN") && !ended.out.contains("TOKEN"), "{}", ended.out);
        assert!(fs::read_to_string(home.at("ws/hard")).unwrap() == "text more");
        assert!(!Path::new("/tmp/own").exists());
    }
}

#[test]
fn a_deny_holds_inside_an_allow_under_every_name() {
    for kind in TYPES {
        let home = Home::new();
        let Some(()) = home.tool() else { return };
        let policy = home.policy(kind, "");
        symlink("secret", home.at("ws/to-secret")).unwrap();
        symlink(".git", home.at("ws/to-git")).unwrap();
        let words = [
            "tool.wasm",
            "cat",
            "secret",
            "cat",
            "./ro/../secret",
            "cat",
            "to-secret",
            "stat",
            "secret",
            "write",
            "secret",
            "x",
            "append",
            "secret",
            "x",
            "rm",
            "secret",
            "mv",
            "secret",
            "open",
            "ln",
            "secret",
            "open",
            "mv",
            "a.txt",
            "secret",
            "cat",
            ".git/hooks/pre-commit",
            "cat",
            "to-git/hooks/pre-commit",
            "list",
            ".git/hooks",
            "mv",
            ".git",
            "moved",
            "mv",
            ".git/hooks",
            "hooks",
            "write",
            ".git/hooks/new",
            "x",
            "rmdir",
            ".git/hooks",
            "write",
            "ro/new",
            "x",
            "append",
            "ro/file",
            "x",
            "ln",
            "ro/file",
            "mine",
            "mv",
            "ro",
            "rw",
            "rm",
            "ro/file",
            "mkdir",
            "later/deep",
            "mkdir",
            "later",
            "mkdir",
            "later/deep",
            "mkdir",
            "trap",
            "mkdir",
            "trap/deep",
            "mv",
            "trap",
            "later",
        ];
        let ended = home.run(&policy, &words);
        assert_eq!(ended.code, 0, "{kind}: {}{}", ended.out, ended.err);
        assert!(!ended.out.contains("SECRET"), "{kind}: {}", ended.out);
        // Behind the kernel's walls an empty folder holds the denied name, so that `later` is there already.
        let ok: Vec<&str> =
            ended.out.lines().filter(|line| line.ends_with(": ok") && *line != "mkdir later: ok").collect();
        assert_eq!(ok, ["mkdir trap: ok", "mkdir trap/deep: ok"], "{kind}: {}", ended.out);
        for line in [
            "cat secret: Permission denied",
            "mv .git: Permission denied",
            "append ro/file: Permission denied",
        ] {
            assert!(ended.out.contains(line), "{kind}: {line} in\n{}", ended.out);
        }
        assert_eq!(fs::read_to_string(home.at("ws/secret")).unwrap(), "SECRET in the workspace");
        assert_eq!(fs::read_to_string(home.at("ws/ro/file")).unwrap(), "read only");
        assert!(home.at("ws/.git/hooks/pre-commit").exists() && !home.at("ws/later/deep").exists());
    }
}

#[test]
fn no_path_leads_out() {
    for kind in TYPES {
        let home = Home::new();
        let Some(()) = home.tool() else { return };
        let policy = home.policy(kind, "");
        let outside = home.at("outside/file");
        symlink(&outside, home.at("ws/absolute")).unwrap();
        symlink("../outside/file", home.at("ws/relative")).unwrap();
        symlink("../outside", home.at("ws/folder")).unwrap();
        symlink("absolute", home.at("ws/chain")).unwrap();
        symlink("/proc/self/environ", home.at("ws/environ")).unwrap();
        let outside = outside.to_str().unwrap();
        let words = [
            "tool.wasm",
            "cat",
            "../outside/file",
            "cat",
            "ro/../../outside/file",
            "cat",
            outside,
            "cat",
            "absolute",
            "cat",
            "relative",
            "cat",
            "folder/file",
            "cat",
            "chain",
            "cat",
            "environ",
            "cat",
            "/proc/self/environ",
            "cat",
            "/etc/passwd",
            "list",
            "/etc",
            "list",
            "folder",
            "write",
            "folder/new",
            "x",
            "write",
            "relative",
            "x",
            "write",
            "../new",
            "x",
            "mv",
            "a.txt",
            "../moved",
            "ln",
            "relative",
            "hard",
            "mv",
            "../outside/file",
            "got",
            "symlink",
            "../outside/file",
            "own",
            "cat",
            "own",
            "symlink",
            outside,
            "far",
            "raw",
            "../outside/file",
            "raw",
            "/etc/passwd",
            "raw",
            "//etc/passwd",
            "raw",
            "",
            "guess",
            "rights",
            ".",
            "renumber",
        ];
        let ended = home.run(&policy, &words);
        assert_eq!(ended.code, 0, "{kind}: {}{}", ended.out, ended.err);
        assert!(!ended.out.contains("SECRET") && !ended.out.contains("root:"), "{kind}: {}", ended.out);
        for line in [
            "cat relative: Capabilities insufficient",
            "raw ../outside/file: 76",
            "raw //etc/passwd: 76",
            "raw : 44",
            "others refused",
            "rights: less 0, more 76, open for writing 76",
            "renumber: over 0, from nothing 8, to nothing 8",
        ] {
            assert!(ended.out.contains(line), "{kind}: {line} in\n{}", ended.out);
        }
        assert_eq!(fs::read_to_string(home.at("outside/file")).unwrap(), "SECRET outside");
        assert_eq!(fs::read_dir(home.at("outside")).unwrap().count(), 1);
        assert!(home.at("ws/a.txt").exists());
    }
}

#[test]
fn without_namespaces_only_the_interpreter_alone_runs() {
    let home = Home::new();
    home.module("tool.wasm", &modules::exits(3));
    let run = |kind: &str| home.run_without_namespaces(&home.policy(kind, ""), &["tool.wasm"]);
    for kind in ["combined", "os"] {
        let Some(ended) = run(kind) else { return };
        assert_eq!(ended.code, 2, "{kind}: {}", ended.err);
        assert!(
            ended.err.contains("needs namespaces") && ended.err.contains("type = \"wasm\""),
            "{}",
            ended.err
        );
    }
    assert_eq!(run("wasm").map(|ended| ended.code), Some(3));
}

/// Swaps two names for as long as it lives.
fn exchange(a: PathBuf, b: PathBuf, over: &AtomicBool) {
    let name = |path: &Path| CString::new(path.as_os_str().as_bytes()).unwrap();
    let (a, b) = (name(&a), name(&b));
    while !over.load(Ordering::Relaxed) {
        weft::sys::names::rename(weft::sys::fs::CWD, &a, weft::sys::fs::CWD, &b, weft::sys::fs::EXCHANGE)
            .unwrap();
    }
}

#[test]
fn a_link_that_is_swapped_in_between_leads_nowhere() {
    for kind in TYPES {
        let home = Home::new();
        let Some(()) = home.tool() else { return };
        let policy = home.policy(kind, "");
        // A file with a link to the outside, one to what is denied, and a folder on the way with a link out.
        fs::create_dir(home.at("ws/dir")).unwrap();
        fs::write(home.at("ws/dir/file"), "inside").unwrap();
        for (name, text) in [("swap-1", "../outside/file"), ("swap-2", "secret"), ("swap-3", "../outside")] {
            symlink(text, home.at("ws").join(name)).unwrap();
        }
        fs::write(home.at("ws/spot-1"), "inside").unwrap();
        fs::write(home.at("ws/spot-2"), "inside").unwrap();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for (spot, swap) in [("spot-1", "swap-1"), ("spot-2", "swap-2"), ("dir", "swap-3")] {
                let (a, b) = (home.at("ws").join(spot), home.at("ws").join(swap));
                let over = &over;
                scope.spawn(move || exchange(a, b, over));
            }
            let words =
                ["tool.wasm", "flip", "spot-1", "1500", "flip", "spot-2", "1500", "flip", "dir/file", "1500"];
            let ended = home.run(&policy, &words);
            over.store(true, Ordering::Relaxed);
            assert_eq!(ended.code, 0, "{kind}: {}{}", ended.out, ended.err);
            let lines: Vec<&str> = ended.out.lines().collect();
            assert_eq!(lines, ["flip: 0 outside, seen all"; 3], "{kind}: {}", ended.err);
        });
    }
}

#[test]
fn limits_end_a_program_and_name_their_line() {
    for kind in TYPES {
        let home = Home::new();
        let Some(()) = home.tool() else { return };
        for (limit, words, code, said) in [
            ("max_cpu_time = \"1s\"", &["spin"][..], 152, "process.max_cpu_time was reached"),
            ("max_wall_time = \"1s\"", &["spin"], 124, "the time was up"),
            ("max_file_size = \"64KiB\"", &["spam"], 153, "process.max_file_size was reached"),
            ("max_file_size = \"64KiB\"", &["grow", "file"], 153, "process.max_file_size was reached"),
            ("max_memory = \"8MiB\"", &["eat"], 0, "process.max_memory was reached"),
            ("max_open_files = 20", &["open-many"], 0, ""),
        ] {
            let policy = home.policy(kind, &format!("[process]\n{limit}\n"));
            let words: Vec<&str> = ["tool.wasm"].iter().chain(words).copied().collect();
            let ended = home.run(&policy, &words);
            assert_eq!(ended.code, code, "{kind} {limit}: {}", ended.err);
            assert!(ended.err.contains(said), "{kind} {limit}: {}", ended.err);
            if !said.is_empty() {
                // The line of the policy file that sets it.
                let line =
                    fs::read_to_string(&policy).unwrap().lines().position(|line| line == limit).unwrap() + 1;
                assert!(ended.err.contains(&format!("{kind}.toml:{line}:")), "{kind} {limit}: {}", ended.err);
            }
        }
        assert_eq!(fs::metadata(home.at("ws/file")).unwrap().len(), 64 << 10);
        let log = home.log();
        assert!(log.contains(r#""action":"limit","target":"process.max_memory""#), "{log}");
    }
}

#[test]
fn a_program_ends_like_a_native_one() {
    for kind in TYPES {
        let home = Home::new();
        let policy = home.policy(kind, "");
        for (name, module, code, said) in [
            ("exit.wasm", modules::exits(7), 7, ""),
            ("exit-0.wasm", modules::exits(0), 0, ""),
            ("exit-256.wasm", modules::exits(256), 255, ""),
            ("unreachable.wasm", modules::start_of(&[0x00]), 134, "unreachable"),
            ("recursion.wasm", modules::start_of(&[0x10, 0x01]), 139, "calls went deeper"),
            ("divide.wasm", modules::start_of(&[0x41, 1, 0x41, 0, 0x6d, 0x1a]), 136, "trapped"),
            ("load.wasm", modules::start_of(&[0x41, 0x7f, 0x28, 2, 0, 0x1a]), 139, "out of bounds"),
            ("tables.wasm", modules::with_tables(4, 10_000_000), 126, "cannot be started"),
            ("imports.wasm", modules::importing("env", "system"), 126, "env.system"),
            ("library.wasm", modules::library(), 126, "no _start"),
            ("cut.wasm", modules::exits(7)[..20].to_vec(), 126, "no valid module"),
            ("magic.wasm", b"\0asm".to_vec(), 126, "no valid module"),
            ("component.wasm", b"\0asm\x0d\0\x01\0".to_vec(), 126, "no valid module"),
        ] {
            home.module(name, &module);
            let ended = home.run(&policy, &[name]);
            assert_eq!(ended.code, code, "{kind} {name}: {}", ended.err);
            assert!(ended.err.contains(said), "{kind} {name}: {}", ended.err);
        }
        // A huge one is refused before it is read.
        let huge = fs::File::create(home.at("ws/huge.wasm")).unwrap();
        (&huge).write_all(&modules::exits(0)).unwrap();
        huge.set_len(1 << 40).unwrap();
        assert_eq!(home.run(&policy, &["huge.wasm"]).code, 126);
    }
}

#[test]
fn memory_that_a_module_declares_counts() {
    let home = Home::new();
    home.module("large.wasm", &modules::with_memory(2_000));
    for kind in TYPES {
        let policy = home.policy(kind, "[process]\nmax_memory = \"16MiB\"\n");
        let ended = home.run(&policy, &["large.wasm"]);
        assert_eq!(ended.code, 126, "{kind}: {}", ended.err);
        assert!(ended.err.contains("process.max_memory was reached"), "{kind}: {}", ended.err);
        let policy = home.policy(kind, "");
        assert_eq!(home.run(&policy, &["large.wasm"]).code, 0, "{kind}");
    }
}

#[test]
fn fuel_ends_a_loop() {
    let origin = weft::policy::vars::Places::below(Path::new("/nowhere/home"), Path::new("/nowhere/ws"));
    let policy = weft::policy::load_text("t", "version = 1\n", &origin).unwrap();
    let endless = modules::start_of(&[0x03, 0x40, 0x0c, 0x00, 0x0b]);
    let outcome = weft::sandbox::wasm::try_module(&policy, &endless, 100_000, 1 << 20).unwrap();
    let weft::sandbox::wasm::Outcome::Signal(signal, why) = outcome else { panic!("{outcome:?}") };
    assert!(signal == 24 && why.contains("fuel"), "{signal} {why}");
}

#[test]
fn the_type_decides_what_runs() {
    let home = Home::new();
    home.module("tool.wasm", &modules::exits(3));
    for kind in TYPES {
        let policy = home.policy(kind, "");
        let ended = home.run(&policy, &["/bin/true"]);
        assert_eq!(ended.code, 2, "{}", ended.err);
        assert!(
            ended.err.contains("the command is none") && ended.err.contains("wasm32-wasip1"),
            "{}",
            ended.err
        );
    }
    // By its first bytes, under the type for native programs: interpreted, and behind the kernel's walls.
    let policy = home.policy("os", "");
    assert_eq!(home.run(&policy, &["tool.wasm"]).code, 3);
    assert!(
        home.log()
            .contains("sandbox type combined: the policy asks for it; the command is a WebAssembly module")
    );
    // A program on PATH is not hidden by a module of its name in the folder.
    home.module("true", &modules::exits(5));
    assert_eq!(
        home.run(&policy, &["true"]).code,
        127,
        "nothing of /usr is named, so that `true` is not there"
    );
    assert_eq!(home.run(&policy, &["./true"]).code, 5);
}

#[test]
fn what_the_policy_says_of_commands_holds_for_modules() {
    let home = Home::new();
    home.module("tool.wasm", &modules::exits(3));
    home.module("secret", &modules::exits(3));
    for kind in TYPES {
        let run = |more: &str, name: &str| home.run(&home.policy(kind, more), &[name]).code;
        assert_eq!(run("", "tool.wasm"), 3);
        assert_eq!(run("", "./secret"), 126);
        assert_eq!(run("[process]\ndeny = [\"${WORKSPACE}/tool.wasm\"]\n", "tool.wasm"), 126);
        assert_eq!(run("[process]\nallow = [\"git\"]\n", "tool.wasm"), 126);
        assert_eq!(run("[process]\nallow = [\"${WORKSPACE}/tool.wasm\"]\n", "tool.wasm"), 3);
        fs::copy(home.at("ws/tool.wasm"), home.at("outside/tool.wasm")).unwrap();
        assert_eq!(run("", home.at("outside/tool.wasm").to_str().unwrap()), 126);
    }
}

#[test]
fn the_log_says_what_that_of_a_native_run_says() {
    for kind in TYPES {
        let home = Home::new();
        let Some(()) = home.tool() else { return };
        let policy = home.policy(kind, "");
        let ended = home.run(
            &policy,
            &["tool.wasm", "cat", "secret", "cat", "secret", "write", "ro/x", "x", "exit", "4"],
        );
        assert_eq!(ended.code, 4);
        assert!(ended.err.contains("2 denials"), "{}", ended.err);
        let log = home.log();
        let actions: Vec<&str> = log
            .lines()
            .map(|line| line.split("\"action\":\"").nth(1).unwrap().split('"').next().unwrap())
            .collect();
        assert_eq!(actions, ["start", "policy", "enforcement", "exec", "read", "write", "exit"], "{log}");
        let denied = log.lines().find(|line| line.contains("\"read\"")).unwrap();
        let target = home.at("ws/secret");
        assert!(denied.contains(target.to_str().unwrap()) && denied.contains("filesystem.deny"), "{denied}");
        assert!(log.contains("\"target\":\"code 4\""), "{log}");
    }
}

#[test]
fn explain_names_what_holds_each_line() {
    let home = Home::new();
    home.module("tool.wasm", &modules::exits(3));
    for (kind, level) in [("wasm", "\"level\": \"wasm\""), ("combined", "WASI preview 1")] {
        let policy = home.policy(kind, "[process]\nmax_memory = \"8MiB\"\n");
        let out = Command::new(env!("CARGO_BIN_EXE_weft"))
            .args(["run", "--explain", "--format", "json", "--policy"])
            .arg(&policy)
            .args(["--", "tool.wasm"])
            .current_dir(home.at("ws"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success() && text.contains(level), "{kind}: {text}");
        assert!(!text.contains("\"enforced\": false"), "{kind}: {text}");
    }
}

#[test]
fn http_goes_where_the_policy_lets_it() {
    for kind in TYPES {
        let home = Home::new();
        let Some(()) = home.tool() else { return };
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let more = format!(
            "[network]\nallow = [{{ host = \"127.0.0.1\", ports = [{port}], tls = false }}, {{ host = \"api.example.com\" }}]\n"
        );
        let policy = home.policy(kind, &more);
        let answer = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nserved").unwrap();
            String::from_utf8(head).unwrap()
        });
        let url = format!("http://127.0.0.1:{port}/path");
        let words =
            ["tool.wasm", "http", &url, "http", "https://example.com/", "http", "http://api.example.com/"];
        let ended = home.run(&policy, &words);
        assert_eq!(ended.code, 0, "{kind}: {}{}", ended.out, ended.err);
        assert!(answer.join().unwrap().starts_with("GET /path HTTP/1.1\r\n"));
        let parts: Vec<&str> = ended.out.split("http: ").collect();
        assert!(parts[1].ends_with("served\n"), "{kind}: {}", ended.out);
        assert!(
            parts[2].contains("403") && parts[2].contains("does not name the host"),
            "{kind}: {}",
            ended.out
        );
        // The rule is for TLS: https is spoken by weft, http is not carried.
        assert!(parts[3].contains("403") && parts[3].contains("port 443"), "{kind}: {}", ended.out);
        let log = home.log();
        assert!(
            log.contains(&format!("\"action\":\"connect\",\"target\":\"127.0.0.1:{port}\",\"allowed\":true")),
            "{log}"
        );
        assert!(log.contains("\"target\":\"example.com:443\",\"allowed\":false"), "{log}");
        // Without a network there is no way out at all.
        let closed = home.run(&home.policy(kind, ""), &["tool.wasm", "http", &url]);
        assert_eq!(closed.out, "http: errno 2\n", "{kind}");
    }
}

#[test]
fn rust_programs_run_as_well() {
    let home = Home::new();
    let target = home.at("ws/hello.wasm");
    let source = home.at("hello.rs");
    let text = "fn main() { let text = std::fs::read_to_string(\"a.txt\"); println!(\"{text:?} {:?}\", std::env::args().nth(1));\
                println!(\"{:?}\", std::fs::read_to_string(\"secret\").map_err(|e| e.kind())); std::process::exit(6) }";
    fs::write(&source, text).unwrap();
    let done = Command::new("rustc")
        .args(["--target", "wasm32-wasip1", "-O", "-o"])
        .args([&target, &source])
        .output();
    if !done.as_ref().is_ok_and(|done| done.status.success()) {
        println!("SKIPPED: Rust programs: rustc has no standard library for wasm32-wasip1 here");
        return;
    }
    for kind in TYPES {
        let ended = home.run(&home.policy(kind, ""), &["hello.wasm", "word"]);
        assert_eq!(ended.code, 6, "{kind}: {}{}", ended.out, ended.err);
        assert_eq!(ended.out, "Ok(\"content\") Some(\"word\")\nErr(PermissionDenied)\n", "{kind}");
    }
}
