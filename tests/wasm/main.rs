//! WebAssembly programs through the binary: what they can do, what they cannot, how they end, and what is written down. Needs a build with
//! the feature `wasm`; the C programs need clang, lld and wasi-libc, the Rust ones rustc with wasm32-wasip1, and are skipped aloud without.
#![cfg(feature = "wasm")]
// A failure here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod conform;
mod files;
#[path = "../support/modules.rs"]
mod modules;
mod run;
mod rust;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

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
        self.started(&mut Command::new(env!("CARGO_BIN_EXE_weft")), "ws", policy, words, stdin)
    }

    fn run_in(&self, folder: &str, policy: &Path, words: &[&str]) -> Ended {
        self.started(&mut Command::new(env!("CARGO_BIN_EXE_weft")), folder, policy, words, "")
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
        Some(self.started(&mut command, "ws", policy, words, ""))
    }

    fn started(
        &self,
        command: &mut Command,
        folder: &str,
        policy: &Path,
        words: &[&str],
        stdin: &str,
    ) -> Ended {
        let mut child = command
            .arg("run")
            .arg("--policy")
            .arg(policy)
            .arg("--")
            .args(words)
            .current_dir(self.at(folder))
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
    TOOL.get_or_init(|| compiled("tool")).as_deref()
}

/// A C program of the fixtures as a module; None, said aloud, where it cannot be compiled.
fn compiled(name: &str) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/wasm/{name}.c"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.wasm", std::process::id()));
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
}
