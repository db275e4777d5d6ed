//! Runs the binary as another user, and watches what it costs. Not what it says: that is `cli`'s.

// Each test file uses its part; a failure here is a failed test.
#![allow(dead_code, clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A user that owns nothing.
const NOBODY: u32 = 65_534;

/// A run and what it took.
#[derive(Debug)]
pub struct Measured {
    pub code: Option<i32>,
    pub out: Vec<u8>,
    pub err: String,
    pub time: Duration,
    /// Most memory it held at once, in bytes; zero where the system does not say.
    pub memory: u64,
}

impl Measured {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }
}

/// Runs a command to its end, or stops it when it takes longer than `limit`.
pub fn measure(command: &mut Command, limit: Duration) -> Measured {
    let started = Instant::now();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Read at once: a full pipe would make the program wait.
    let read = |mut from: Box<dyn std::io::Read + Send>| {
        std::thread::spawn(move || {
            let mut all = Vec::new();
            from.read_to_end(&mut all).unwrap();
            all
        })
    };
    let out = read(Box::new(child.stdout.take().unwrap()));
    let err = read(Box::new(child.stderr.take().unwrap()));
    let status = format!("/proc/{}/status", child.id());
    let mut memory = 0;
    let code = loop {
        memory = memory.max(high_water(&status));
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        if started.elapsed() > limit {
            child.kill().unwrap();
            let _ = child.wait();
            break None;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let err = String::from_utf8(err.join().unwrap()).unwrap();
    Measured { code, out: out.join().unwrap(), err, time: started.elapsed(), memory }
}

fn high_water(status: &str) -> u64 {
    let text = fs::read_to_string(status).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// The binary as a user for whom permissions count. Root may read everything, so under root it runs as nobody, from
/// a copy that nobody can reach. `None`, said aloud, where that is not possible.
pub fn unprivileged(dir: &Path) -> Option<Command> {
    let mine = dir.join("whose");
    fs::write(&mine, "").unwrap();
    let root = fs::metadata(&mine).unwrap().uid() == 0;
    fs::remove_file(&mine).unwrap();
    if !root {
        return Some(Command::new(env!("CARGO_BIN_EXE_weft")));
    }
    let binary = dir.join("weft-for-nobody");
    if !binary.exists() {
        fs::copy(env!("CARGO_BIN_EXE_weft"), &binary).unwrap();
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(&binary);
    command.uid(NOBODY).gid(NOBODY);
    let mut version = Command::new(&binary);
    version.arg("--version").uid(NOBODY).gid(NOBODY).current_dir(dir).stdout(Stdio::null());
    let mut works = version.status();
    for _ in 0..100 {
        // Another test may have forked while the copy was being written, and still hold it.
        if !works.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::ExecutableFileBusy) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
        works = version.status();
    }
    if works.is_ok_and(|status| status.success()) {
        Some(command)
    } else {
        skipped("root here cannot become another user");
        None
    }
}

/// Says that a part of a test did not run: on standard error past the test harness's capture, so that it is seen.
pub fn skipped(why: &str) {
    let name = std::thread::current().name().unwrap_or("test").to_owned();
    let _ = writeln!(std::io::stderr(), "SKIPPED: {name}: {why}");
}

/// Sets the permission bits of a path, and gives it back its old ones in the end, so that it can be removed.
pub struct Closed(PathBuf, fs::Permissions);

impl Closed {
    pub fn new(path: PathBuf, mode: u32) -> Closed {
        let old = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        Closed(path, old)
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        let _ = fs::set_permissions(&self.0, self.1.clone());
    }
}
