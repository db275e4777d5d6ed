//! Runs real programs by `weft run` under each policy that weft ships: what the policy is for works, and what it forbids does not.
//! Words choose policies: `cargo test --test policies -- skill`. With WEFT_TEST_FALLBACK set, without user namespaces.

// A failure here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linux::main()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::{Command, ExitCode, Stdio};
    use weft::policy::builtin;

    /// A program under a policy, and how it has to end.
    struct Case {
        /// Names of policies, with blanks between.
        policies: &'static str,
        /// Not run where this program is missing.
        needs: &'static str,
        command: &'static [&'static str],
        works: bool,
    }

    const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
    const EVERYWHERE: &str =
        "readonly coding-agent network-agent skill claude-code codex openclaw mcp-server";
    const CODING: &str = "coding-agent network-agent claude-code codex";
    const NO_NETWORK: &str = "readonly coding-agent skill python-tool node-tool mcp-server";
    const WORKSPACE_READ_ONLY: &str = "readonly skill mcp-server";

    const fn works(policies: &'static str, needs: &'static str, command: &'static [&'static str]) -> Case {
        Case { policies, needs, command, works: true }
    }

    const fn fails(policies: &'static str, needs: &'static str, command: &'static [&'static str]) -> Case {
        Case { policies, needs, command, works: false }
    }

    const CASES: &[Case] = &[
        works(
            EVERYWHERE,
            "bash",
            &["bash", "-c", "cat README.md | sort | uniq -c && ls -l /usr . >/dev/null"],
        ),
        works(
            EVERYWHERE,
            "python3",
            &[
                "python3",
                "-c",
                "import json, ssl, sqlite3, subprocess; print(json.dumps(open('README.md').read()))",
            ],
        ),
        works("python-tool", "python3", &["python3", "tool.py"]),
        works("readonly skill python-tool mcp-server", "python3", &["python3", "-c", "import tool"]),
        works(
            EVERYWHERE,
            "node",
            &["node", "-e", "console.log(require('fs').readFileSync('README.md').length)"],
        ),
        works(
            "node-tool",
            "node",
            &["node", "-e", "new (require('worker_threads').Worker)('1', {eval: true})"],
        ),
        works(
            "skill python-tool mcp-server",
            "python3",
            &["python3", "-c", "import tempfile; tempfile.TemporaryFile().write(b'x')"],
        ),
        works("readonly", "git", &["git", "log", "--oneline"]),
        works("readonly coding-agent", "git", &["git", "status", "--short"]),
        works(
            CODING,
            "git",
            &[
                "bash",
                "-c",
                "echo x > new && git add new && git commit -qm x && git log --oneline | grep -q x",
            ],
        ),
        works(
            CODING,
            "bash",
            &["bash", "-c", "printf '#!/bin/sh\\necho built\\n' > built && chmod +x built && ./built"],
        ),
        works(
            CODING,
            "cc",
            &[
                "bash",
                "-c",
                "echo 'int main(){return 0;}' > t.c && cc t.c -o t && ./t && cp t $TMPDIR/t && $TMPDIR/t",
            ],
        ),
        works(
            "coding-agent",
            "cargo",
            &["bash", "-c", "cargo init -q --vcs none --name t t && cd t && cargo test -q --offline"],
        ),
        works("openclaw", "bash", &["bash", "-c", "echo x > note.md"]),
        // What no policy gives.
        fails(EVERYWHERE, "bash", &["bash", "-c", "cat ~/.ssh/id"]),
        fails(EVERYWHERE, "bash", &["bash", "-c", "cat .env"]),
        fails(EVERYWHERE, "bash", &["bash", "-c", "echo x > weft.toml"]),
        fails(EVERYWHERE, "bash", &["bash", "-c", "echo x > ~/.bashrc && cat /proc/1/environ"]),
        fails(EVERYWHERE, "bash", &["bash", "-c", "[ -n \"$AWS_SECRET\" ]"]),
        fails(
            NO_NETWORK,
            "python3",
            &["python3", "-c", "import socket; socket.create_connection(('192.0.2.1', 80), 1)"],
        ),
        fails(CODING, "git", &["git", "config", "core.fsmonitor", "evil"]),
        fails(CODING, "bash", &["bash", "-c", "echo evil > .git/hooks/pre-commit"]),
        fails(CODING, "bash", &["bash", "-c", "mv .git git2 && mkdir .git && echo evil > .git/config"]),
        fails(WORKSPACE_READ_ONLY, "bash", &["bash", "-c", "echo x > README.md"]),
        fails("skill mcp-server", "bash", &["bash", "-c", "cp /bin/true $TMPDIR/t && $TMPDIR/t"]),
        fails(
            "python-tool",
            "python3",
            &["python3", "-c", "import subprocess; subprocess.run(['/bin/sh', '-c', 'true'], check=True)"],
        ),
        fails("python-tool", "python3", &["python3", "-c", "open('README.md', 'a')"]),
        fails("node-tool", "node", &["node", "-e", "require('child_process').execFileSync('/bin/true')"]),
        fails("python-tool node-tool", "bash", &["bash", "-c", "true"]),
    ];

    pub fn main() -> ExitCode {
        let args: Vec<String> = std::env::args().skip(1).collect();
        let root = Path::new("/var/tmp").join(format!("weft-policies-{}", std::process::id()));
        let wrong = run(&root, &args);
        let _ = fs::remove_dir_all(&root);
        match wrong {
            Ok(0) => ExitCode::SUCCESS,
            Ok(wrong) => {
                println!("{wrong} cases are wrong");
                ExitCode::FAILURE
            }
            Err(error) => {
                println!("{error}");
                ExitCode::FAILURE
            }
        }
    }

    fn run(root: &Path, chosen: &[String]) -> std::io::Result<usize> {
        let chosen: Vec<&String> = chosen.iter().filter(|word| !word.starts_with('-')).collect();
        let (mut ran, mut wrong) = (0, 0);
        for name in builtin::names() {
            if !chosen.is_empty() && !chosen.iter().any(|word| name.contains(word.as_str())) {
                continue;
            }
            for case in CASES.iter().filter(|case| case.policies.split(' ').any(|policy| policy == name)) {
                if find(case.needs).is_none() {
                    continue;
                }
                let policy = prepare(root, name)?;
                let (code, said) = one(&root.join("ws"), &policy, case.command)?;
                ran += 1;
                // A run that weft refused or could not set up says nothing about the policy.
                let refused = code == Some(125) || code == Some(2) && said.contains("weft: ");
                if (code == Some(0)) != case.works || refused || code.is_none() {
                    wrong += 1;
                    println!("{name}: {:?} gave {code:?}:\n{said}", case.command);
                }
            }
        }
        println!("{ran} programs under {} policies, {wrong} wrong", builtin::ALL.len());
        Ok(wrong)
    }

    /// A home and a workspace under git. Gives the policy to run under.
    fn prepare(root: &Path, name: &str) -> std::io::Result<PathBuf> {
        let _ = fs::remove_dir_all(root);
        for folder in ["ws/.git", "home/.ssh", "home/.claude", "home/.codex", "home/.openclaw"] {
            fs::create_dir_all(root.join(folder))?;
        }
        // The Rust toolchain of whoever runs this test, as a policy would find it in a home folder.
        for toolchain in [".cargo", ".rustup"] {
            if real_home().join(toolchain).is_dir() {
                std::os::unix::fs::symlink(real_home().join(toolchain), root.join("home").join(toolchain))?;
            }
        }
        for (file, text) in [
            ("home/.ssh/id", "SECRET\n"),
            ("home/.gitconfig", "[user]\nname = a\nemail = a@example.com\n"),
            ("ws/.env", "SECRET=1\n"),
            ("ws/.gitignore", ".env\n"),
            ("ws/README.md", "hello\n"),
            ("ws/tool.py", "print('tool')\n"),
        ] {
            fs::write(root.join(file), text)?;
        }
        if find("git").is_some() {
            fs::remove_dir(root.join("ws/.git"))?;
            let git = |args: &[&str]| {
                let mut git = Command::new("git");
                git.args(args).current_dir(root.join("ws")).env("HOME", root.join("home"));
                git.stdout(Stdio::null()).stderr(Stdio::null()).status()
            };
            git(&["init", "-q"])?;
            git(&["add", "."])?;
            git(&["commit", "-qm", "first"])?;
        }
        // Without namespaces there is no way out by host names, and nothing is reached at all.
        let policy = root.join(format!("{name}.toml"));
        let text = format!(
            "version = 1\nextends = [\"{name}\"]\n[sandbox]\nbest_effort = [\"network.allow\", \"network.deny\", \"network.listen\"]\n"
        );
        fs::write(&policy, text)?;
        Ok(policy)
    }

    fn one(workspace: &Path, policy: &Path, command: &[&str]) -> std::io::Result<(Option<i32>, String)> {
        let program = find(command[0]).unwrap_or_else(|| command[0].into());
        let mut run = match std::env::var_os("WEFT_TEST_FALLBACK") {
            None => Command::new(env!("CARGO_BIN_EXE_weft")),
            // In a user namespace of the test's own in which there can be no further one.
            Some(_) => {
                let mut run = Command::new("unshare");
                let closed = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
                run.args(["--user", "--map-current-user", "--keep-caps", "sh", "-c", closed, "sh"]);
                run.arg(env!("CARGO_BIN_EXE_weft"));
                run
            }
        };
        run.arg("run").arg("--policy").arg(policy).arg("--").arg(program).args(&command[1..]);
        run.current_dir(workspace).stdin(Stdio::null());
        let home = workspace.with_file_name("home");
        run.env("PATH", format!("{}:{PATH}", home.join(".cargo/bin").display()));
        run.env("HOME", home).env("AWS_SECRET", "SECRET");
        let output = run.output()?;
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Ok((output.status.code(), said))
    }

    fn real_home() -> PathBuf {
        std::env::var_os("HOME").map_or_else(|| "/nowhere".into(), PathBuf::from)
    }

    fn find(name: &str) -> Option<PathBuf> {
        let cargo = real_home().join(".cargo/bin");
        std::env::split_paths(PATH).chain([cargo]).map(|folder| folder.join(name)).find(|file| file.is_file())
    }
}
