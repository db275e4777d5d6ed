//! Runs the binary in a folder of its own. Shared by the tests of the command line.

// Each test file uses its part; a failure here is a failed test.
#![allow(dead_code, clippy::unwrap_used)]

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Words that no built-in rule knows; `RULES` makes findings of them.
pub const HIGH: &str = "zebra-high-marker";
pub const LOW: &str = "zebra-low-marker";
pub const PEDANTIC: &str = "zebra-pedantic-marker";
pub const SECRET: &str = "zebra-secret-0123456789abcdefghijklmnop";

const RULES: &str = r#"
category = "UnsafeShell"

[[rule]]
id = "ZZ-001"
name = "zebra-high"
severity = "high"
confidence = "high"
literals = ["zebra-high-marker"]
where = ["any"]
message = "A high zebra"
remediation = "Remove the zebra"
references = ["CWE-78"]
match = ["zebra-high-marker", "x zebra-high-marker"]
no_match = ["zebra", "marker"]

[[rule]]
id = "ZZ-002"
name = "zebra-low"
severity = "low"
confidence = "low"
literals = ["zebra-low-marker"]
where = ["any"]
message = "A low zebra"
remediation = "Mind the zebra"
references = ["CWE-78"]
match = ["zebra-low-marker", "x zebra-low-marker"]
no_match = ["zebra", "marker"]

[[rule]]
id = "ZZ-003"
name = "zebra-pedantic"
severity = "high"
confidence = "low"
persona = "pedantic"
literals = ["zebra-pedantic-marker"]
where = ["any"]
message = "A doubtful zebra"
remediation = "Mind the zebra"
references = ["CWE-78"]
match = ["zebra-pedantic-marker", "x zebra-pedantic-marker"]
no_match = ["zebra", "marker"]

[[rule]]
id = "ZZ-004"
name = "zebra-secret"
severity = "medium"
confidence = "high"
secret = true
literals = ["zebra-secret-"]
pattern = '''zebra-secret-[0-9a-z]{20,}'''
where = ["any"]
message = "A secret zebra"
remediation = "Revoke the zebra"
references = ["CWE-798"]
match = ["zebra-secret-0123456789abcdefghijklmnop", "a zebra-secret-0123456789abcdefghijklmnop"]
no_match = ["zebra-secret-", "zebra"]
"#;

/// A folder that is gone after the test.
pub struct Dir(pub PathBuf);

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a run said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Dir {
    pub fn new() -> Dir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("weft-cli-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        let dir = Dir(fs::canonicalize(path).unwrap());
        dir.file("zebra.toml", RULES);
        dir
    }

    /// With a skill `s` whose SKILL.md has this body.
    pub fn skill(body: &str) -> Dir {
        let dir = Dir::new();
        dir.file("s/SKILL.md", format!("---\nname: s\ndescription: d\n---\n{body}\n"));
        dir
    }

    pub fn file(&self, name: impl AsRef<Path>, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }

    pub fn weft<S: AsRef<OsStr>>(&self, args: &[S]) -> Said {
        self.weft_with(args, b"", &[])
    }

    /// `weft security scan --rules zebra.toml` and so on.
    pub fn scan(&self, args: &[&str]) -> Said {
        let all: Vec<&str> =
            ["security", "scan", "--rules", "zebra.toml"].into_iter().chain(args.iter().copied()).collect();
        self.weft(&all)
    }

    pub fn weft_with<S: AsRef<OsStr>>(&self, args: &[S], input: &[u8], env: &[(&str, &str)]) -> Said {
        let mut child = Command::new(env!("CARGO_BIN_EXE_weft"))
            .args(args)
            .current_dir(&self.0)
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .env_remove("COLUMNS")
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The program need not read what it is given.
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        Said {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub fn git(&self, args: &[&str]) {
        let output = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"])
            .args(args)
            .current_dir(&self.0)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Said {
    /// One error line, exit 2, nothing on standard output.
    #[track_caller]
    pub fn refused(&self, with: &str) {
        assert_eq!((self.code, self.out.as_str()), (2, ""), "{self:?}");
        assert!(self.err.starts_with("weft: ") && self.err.trim_end().lines().count() == 1, "{self:?}");
        assert!(self.err.contains(with), "{with:?} is not in {:?}", self.err);
    }

    pub fn count(&self, piece: &str) -> usize {
        self.out.matches(piece).count()
    }
}
