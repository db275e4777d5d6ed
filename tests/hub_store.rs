//! The store of a hub under what happens to servers: killed at any moment, a full disk, a backup in the middle of writing,
//! an operator who goes back in time. A writer is this test binary itself, started again.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, clippy::panic)] // A failure here is a failed test.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use weft::digest::Sha256;
use weft::hub::server::store::{Span, Store, backup, verify};
use weft::trust::{log, note};

const DIR: &str = "WEFT_TEST_STORE";
const THREADS: u64 = 4;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("weft-hub-store-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn looked_at(dir: &Path) -> verify::Report {
    let report = verify::verify(dir, &|_, _| ()).unwrap();
    assert!(report.holds(), "{:?}", report.faults);
    report
}

fn all(store: &Store) -> Vec<String> {
    let mut found = Vec::new();
    let mut visit = |_, _: Span, line: &str| {
        found.push(line.to_owned());
        Ok(())
    };
    store.events(0, &mut visit).unwrap();
    found
}

/// One publication: a blob and the event that names it; every third time, three events of which all count or none.
fn publish(
    store: &Store,
    run: u32,
    thread: u64,
    number: u64,
) -> Result<Vec<(u64, String)>, weft::skill::Problem> {
    let content = format!("{run} {thread} {number} ").repeat(1 + (number % 400) as usize);
    let blob = store.blobs().put(content.as_bytes())?;
    let parts = if number.is_multiple_of(3) { 3 } else { 1 };
    let line = |part| {
        format!(
            "{{\"type\":\"test\",\"id\":\"{run}-{thread}-{number}\",\"part\":{part},\"of\":{parts},\"blob\":\"{blob}\"}}"
        )
    };
    let lines: Vec<String> = (0..parts).map(line).collect();
    let given: Vec<(&str, bool)> = lines.iter().map(|line| (line.as_str(), false)).collect();
    let appended = store.append_all(&given)?;
    Ok(appended.iter().map(|one| one.index).zip(lines).collect())
}

/// Not a test: the writer that is killed. Says on standard output what it was told is kept.
#[test]
#[ignore = "started by the other tests"]
fn writer() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let (store, _) = Store::open(Path::new(&dir)).unwrap();
    let out = Mutex::new(std::io::stdout());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, out) = (&store, &out);
            scope.spawn(move || {
                for number in 0.. {
                    let kept = publish(store, std::process::id(), thread, number).unwrap();
                    let said: String =
                        kept.iter().map(|(index, line)| format!("kept {index} {line}\n")).collect();
                    // Nobody listens any more: the other side is about to kill.
                    if out.lock().unwrap().write_all(said.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
}

fn start(name: &str, dir: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = child.stdout.take().unwrap();
    (child, BufReader::new(out))
}

/// `kept INDEX LINE`, also where the test harness wrote its own words in front; half a line was never said.
fn kept(said: &str) -> Option<(u64, &str)> {
    let (_, rest) = said.strip_suffix('\n')?.split_once("kept ")?;
    let (index, line) = rest.split_once(' ')?;
    Some((index.parse().ok()?, line))
}

/// Four threads write, the process is killed, over and over in one folder: what it said is kept is there, groups are
/// whole, blobs are there, everything holds, and the log only ever grew.
#[test]
fn nothing_that_was_acknowledged_is_lost_when_the_writer_is_killed() {
    const ROUNDS: u64 = 40;
    let scratch = Scratch::new("killed");
    let dir = scratch.0.join("data");
    Store::create(&dir).unwrap();
    let mut acknowledged: Vec<(u64, String)> = Vec::new();
    let mut remembered: Option<log::Remembered> = None;
    for round in 0..ROUNDS {
        let (mut child, mut out) = start("writer", &dir);
        let mut line = String::new();
        // A different number of answers each time, so that the end comes in a different place.
        let wanted = 1 + (round * 7) % 41;
        let mut heard = 0;
        while heard < wanted && out.read_line(&mut line).unwrap() > 0 {
            if let Some((index, text)) = kept(&line) {
                acknowledged.push((index, text.to_owned()));
                heard += 1;
            }
            line.clear();
        }
        assert_eq!(heard, wanted, "the writer ended by itself");
        if round == 0 {
            let problem = Store::open(&dir).err().unwrap();
            assert!(problem.what.contains(&format!("(process {})", child.id())), "{problem}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had said before it died.
        while out.read_line(&mut line).unwrap() > 0 {
            acknowledged.extend(kept(&line).map(|(index, text)| (index, text.to_owned())));
            line.clear();
        }
        let report = looked_at(&dir);
        let (store, opened) = Store::open(&dir).unwrap();
        assert!(opened.events >= report.events.min(store.size()));
        let events = all(&store);
        for (index, text) in &acknowledged {
            assert_eq!(events.get(*index as usize), Some(text), "round {round}");
        }
        let mut groups = std::collections::HashMap::new();
        for event in &events {
            let node = weft::json::parse(event).unwrap();
            let word = |key: &str| node.get(key).unwrap().as_str().unwrap().to_owned();
            assert!(store.blobs().has(&Sha256::parse(&word("blob")).unwrap()), "round {round}: {event}");
            let of = node.get("of").unwrap().as_u64().unwrap();
            groups.entry(word("id")).or_insert((0, of)).0 += 1;
        }
        for (id, (there, of)) in groups {
            assert_eq!(there, of, "round {round}: {id}");
        }
        let signed = note::verify(&store.checkpoint().note, store.verifier()).unwrap();
        assert_eq!(signed.checkpoint.size, events.len() as u64);
        let now = signed.time.unwrap();
        remembered = Some(match remembered {
            Some(before) => {
                let proof = store.consistency(before.size, signed.checkpoint.size).unwrap();
                log::follow(&before, &signed, &proof, now).unwrap()
            }
            None => log::Remembered {
                verifier: store.verifier().clone(),
                size: signed.checkpoint.size,
                root: signed.checkpoint.root,
                time: now,
            },
        });
        drop(store);
        looked_at(&dir);
    }
    assert!(acknowledged.len() as u64 > ROUNDS);
    // Nothing is left behind of what was not finished.
    assert_eq!(fs::read_dir(dir.join("spool")).unwrap().count(), 0);
}

/// Not a test: writes until nothing more fits, and looks what is then still to be had.
#[test]
#[ignore = "started by the other tests"]
fn filler() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let dir = Path::new(&dir);
    if !dir.exists() {
        Store::create(dir).unwrap();
    }
    let (store, _) = Store::open(dir).unwrap();
    let mut kept = Vec::new();
    let mut full = 0;
    // Longer and shorter ones, so that the end is met at different places; several times.
    for number in 0..20_000u64 {
        let text = format!("{{\"n\":{number},\"x\":\"{}\"}}", "y".repeat((number % 1500) as usize));
        match store.append(&text, false) {
            Ok(appended) => {
                assert_eq!(appended.index, kept.len() as u64);
                kept.push((appended, text));
            }
            Err(problem) => {
                assert!(problem.full, "{problem}");
                full += 1;
                if full == 200 {
                    break;
                }
            }
        }
    }
    assert_eq!(full, 200);
    assert!(kept.len() > 10 && store.broken().is_none());
    for (appended, text) in &kept {
        assert_eq!(&store.read(appended.span).unwrap(), text);
    }
    assert_eq!(store.checkpoint().size, kept.len() as u64);
    assert!(store.inclusion(3, store.size()).is_some());
    let blob = store.blobs().put(&vec![7; 1 << 20]);
    assert!(blob.is_err_and(|problem| problem.full));
    looked_at(dir);
    // A start with the disk still full: reading goes on.
    drop(store);
    let (store, opened) = Store::open(dir).unwrap();
    assert_eq!((opened.events, opened.cut), (kept.len() as u64, 0));
    for (appended, text) in &kept {
        assert_eq!(&store.read(appended.span).unwrap(), text);
    }
    let long = format!("{{\"x\":\"{}\"}}", "y".repeat(1 << 20));
    assert!(store.append(&long, false).is_err_and(|problem| problem.full));
    looked_at(dir);
    // In one piece: the harness of this test writes too.
    std::io::stdout().write_all(format!("\nfilled {}\n", kept.len()).as_bytes()).unwrap();
}

fn filled(output: &Output) -> u64 {
    let out = String::from_utf8_lossy(&output.stdout);
    let line = out.lines().find_map(|line| line.strip_prefix("filled "));
    let why = String::from_utf8_lossy(&output.stderr);
    line.unwrap_or_else(|| panic!("{out}{why}")).parse().unwrap()
}

/// A shell that runs the writer under a condition.
fn filler_under(condition: &str, dir: &Path) -> Output {
    Command::new("sh")
        .arg("-c")
        .arg(format!("{condition}; exec \"$0\" --exact filler --ignored --nocapture --test-threads=1"))
        .arg(std::env::current_exe().unwrap())
        .env(DIR, dir)
        .output()
        .unwrap()
}

/// No file may grow beyond a limit: the same to a writer as a full disk, and it needs no privilege.
#[test]
fn a_full_disk_stops_writing_and_nothing_else() {
    let scratch = Scratch::new("full");
    let dir = scratch.0.join("data");
    Store::create(&dir).unwrap();
    let output = filler_under("trap '' XFSZ; ulimit -f 256", &dir);
    let events = filled(&output);
    let (store, opened) = Store::open(&dir).unwrap();
    assert_eq!((opened.events, opened.cut), (events, 0));
    // There is room again.
    store.append("{\"n\":1}", false).unwrap();
    drop(store);
    assert_eq!(looked_at(&dir).events, events + 1);
}

/// A file system that is really full, in a mount namespace of the test's own.
#[test]
fn a_full_file_system_stops_writing_and_nothing_else() {
    let scratch = Scratch::new("tmpfs");
    let mount = scratch.0.join("mount");
    fs::create_dir(&mount).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=600k none '{0}' || exit 77; exec \"$0\" --exact filler --ignored --nocapture --test-threads=1",
        mount.display()
    );
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env(DIR, mount.join("data"))
        .output();
    match output {
        Ok(output) if output.status.code() != Some(77) && !said_no(&output) => {
            assert!(filled(&output) > 10);
        }
        _ => eprintln!("not run: no mount namespace can be had here"),
    }
}

fn said_no(output: &Output) -> bool {
    String::from_utf8_lossy(&output.stderr).contains("unshare")
}

/// Ends the writers, however the test ends.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_backup_that_is_made_while_writing_is_whole() {
    let scratch = Scratch::new("backup");
    let dir = scratch.0.join("data");
    Store::create(&dir).unwrap();
    let (store, _) = Store::open(&dir).unwrap();
    let stop = AtomicBool::new(false);
    let written = AtomicU64::new(0);
    let mut backups = Vec::new();
    std::thread::scope(|scope| {
        // Also when something below fails: else the threads would write for ever.
        let _stop = Stop(&stop);
        for thread in 0..THREADS {
            let (store, stop, written) = (&store, &stop, &written);
            scope.spawn(move || {
                for number in 0.. {
                    publish(store, 0, thread, number).unwrap();
                    written.fetch_add(1, Ordering::SeqCst);
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        for number in 0..6 {
            let enough = (number + 1) * 30;
            while written.load(Ordering::Relaxed) < enough {
                std::thread::yield_now();
            }
            // What was acknowledged is in it; the log itself may be ahead of its checkpoint for a moment.
            let acknowledged = written.load(Ordering::SeqCst);
            let mut bytes = Vec::new();
            let contents = backup::backup(&dir, &mut bytes, number != 5, &|_, _| ()).unwrap();
            assert!(contents.events >= acknowledged && contents.keys == (number != 5));
            backups.push((contents, bytes));
        }
    });
    for (number, (contents, bytes)) in backups.iter().enumerate() {
        let to = scratch.0.join(format!("restored-{number}"));
        let report = backup::restore(&mut bytes.as_slice(), &to, &|_, _| ()).unwrap();
        assert!(report.holds());
        assert_eq!((report.events, report.blobs), (contents.events, contents.blobs));
        match Store::open(&to) {
            Ok((restored, opened)) => {
                assert_eq!(opened.events, contents.events);
                // The one it was made from goes on from there.
                assert_eq!(restored.root_at(opened.events), store.root_at(opened.events));
            }
            Err(problem) => assert!(number == 5 && problem.at.contains("log.key"), "{problem}"),
        }
        // Not over what is there.
        assert!(backup::restore(&mut bytes.as_slice(), &to, &|_, _| ()).is_err());
    }
    // A byte that is another anywhere, or a cut: nothing is restored, and the folder is as it was.
    let (_, good) = &backups[0];
    let to = scratch.0.join("damaged");
    for at in (0..good.len()).step_by(good.len() / 60 + 1) {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        let restored = backup::restore(&mut bad.as_slice(), &to, &|_, _| ());
        // Padding is the only thing that means nothing.
        assert!(restored.is_err() || good[at] == 0, "{at}");
        let cut = backup::restore(&mut &good[..at], &scratch.0.join("cut"), &|_, _| ());
        assert!(cut.is_err(), "{at}");
        assert_eq!(fs::read_dir(scratch.0.join("cut")).unwrap().count(), 0);
        let _ = fs::remove_dir_all(&to);
    }
}

/// The operator puts an older copy back, or writes another history: a client that remembers sees it.
#[test]
fn a_client_notices_when_the_log_goes_back_or_elsewhere() {
    let scratch = Scratch::new("rollback");
    let dir = scratch.0.join("data");
    Store::create(&dir).unwrap();
    let (store, _) = Store::open(&dir).unwrap();
    let append = |store: &Store, from: u64, to: u64| {
        for number in from..to {
            store.append(&format!("{{\"n\":{number}}}"), false).unwrap();
        }
    };
    append(&store, 0, 5);
    let mut old = Vec::new();
    backup::backup(&dir, &mut old, true, &|_, _| ()).unwrap();
    append(&store, 5, 9);
    let see = |store: &Store| note::verify(&store.checkpoint().note, store.verifier()).unwrap();
    let first = see(&store);
    let before = log::Remembered {
        verifier: store.verifier().clone(),
        size: first.checkpoint.size,
        root: first.checkpoint.root,
        time: first.time.unwrap(),
    };
    let again = scratch.0.join("again");
    backup::restore(&mut old.as_slice(), &again, &|_, _| ()).unwrap();
    let (other, _) = Store::open(&again).unwrap();
    assert_eq!(other.verifier(), store.verifier());
    assert_eq!(log::follow(&before, &see(&other), &[], 0), Err(log::LogFault::Rollback));
    append(&other, 15, 19);
    assert_eq!(log::follow(&before, &see(&other), &[], 0), Err(log::LogFault::Rewritten));
    append(&other, 19, 29);
    let proof = other.consistency(9, 19).unwrap();
    assert_eq!(log::follow(&before, &see(&other), &proof, 0), Err(log::LogFault::Forked));
    append(&store, 9, 19);
    let proof = store.consistency(9, 19).unwrap();
    assert!(log::follow(&before, &see(&store), &proof, 0).is_ok());
}

fn weft(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_weft")).args(args).env_remove("COLUMNS").output().unwrap()
}

#[test]
fn an_operator_can_do_all_of_it() {
    let scratch = Scratch::new("cli");
    let path = |name: &str| scratch.0.join(name).to_string_lossy().into_owned();
    let (data, tar, again) = (path("data"), path("hub.tar"), path("again"));
    let run = |args: &[&str], code: i32| {
        let output = weft(args);
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        said
    };
    assert!(run(&["hub", "verify", "--data", &data], 2).contains("weft hub init"));
    let said = run(&["hub", "init", "--data", &data, "--name", "hub.example/log"], 0);
    assert!(said.contains("hub.example/log+"), "{said}");
    assert!(run(&["hub", "init", "--data", &data], 2).contains("not empty"));
    assert!(run(&["hub", "init", "--data", &path("x"), "--name", "a b"], 2).contains("not a name"));
    {
        let (store, _) = Store::open(Path::new(&data)).unwrap();
        for number in 0..9 {
            publish(&store, 0, 0, number).unwrap();
        }
        // While the store is in use.
        assert!(run(&["hub", "verify", "--data", &data], 0).contains("everything holds"));
        let said = run(&["hub", "backup", "--data", &data, &tar], 0);
        assert!(said.contains("secret key"), "{said}");
    }
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(&tar).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(run(&["hub", "backup", "--data", &data, &tar], 2).contains("exists"));
    let said = run(&["hub", "restore", &tar, "--data", &again, "--format", "json"], 0);
    let report = weft::json::parse(&said).unwrap();
    assert_eq!(report.get("events").unwrap().as_u64(), Some(15));
    assert!(run(&["hub", "restore", &tar, "--data", &again], 2).contains("not empty"));
    assert!(
        run(&["hub", "restore", &path("data/store.json"), "--data", &path("none")], 2).contains("unpack")
    );
    // By a pipe, without keys.
    let output = weft(&["hub", "backup", "--data", &again, "--without-keys", "-"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("without keys"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_weft"))
        .args(["hub", "restore", "-", "--data", &path("third")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&output.stdout).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("without its key"), "{output:?}");
    // Damage in the middle of the log: refused, and verify says where.
    let log = Path::new(&again).join("log/events.jsonl");
    let mut text = fs::read(&log).unwrap();
    let third = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(2).unwrap().0;
    text[third + 20] ^= 1;
    File::create(&log).unwrap().write_all(&text).unwrap();
    let said = run(&["hub", "verify", "--data", &again], 1);
    assert!(said.contains("event 3 at byte"), "{said}");
    let said = run(&["hub", "verify", "--data", &again, "--format", "json"], 1);
    let report = weft::json::parse(&said).unwrap();
    assert_eq!(report.get("holds").unwrap().as_bool(), Some(false));
    assert!(run(&["hub", "backup", "--data", &again, &path("bad.tar")], 2).contains("damaged"));
    assert!(!Path::new(&path("bad.tar")).exists());
}

/// Not a test: what group commit is worth on the disk of this folder, and what a start costs. Prints; asserts nothing.
#[test]
#[ignore = "a measurement: cargo test --test hub_store measure -- --ignored --nocapture"]
fn measure() {
    let scratch = Scratch::new("measure");
    let dir = scratch.0.join("data");
    Store::create(&dir).unwrap();
    let (store, _) = Store::open(&dir).unwrap();
    let line = format!("{{\"type\":\"publish\",\"x\":\"{}\"}}", "y".repeat(600));
    let mut report = String::from("\n");
    for threads in [1u64, 8, 1, 8, 1, 8] {
        let start = std::time::Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    for _ in 0..300 {
                        store.append(&line, false).unwrap();
                    }
                });
            }
        });
        let each = (threads * 300) as f64 / start.elapsed().as_secs_f64();
        report += &format!("{threads} threads: {each:.0} appends a second\n");
    }
    let group: Vec<(&str, bool)> = vec![(line.as_str(), false); 10_000];
    for _ in 0..50 {
        store.append_all(&group).unwrap();
    }
    let (events, bytes) = (store.size(), fs::metadata(dir.join("log/events.jsonl")).unwrap().len());
    drop(store);
    for _ in 0..3 {
        let start = std::time::Instant::now();
        let (store, _) = Store::open(&dir).unwrap();
        let opened = start.elapsed();
        store.events(0, &mut |_, _, _| Ok(())).unwrap();
        let read = start.elapsed() - opened;
        report += &format!("{events} events, {bytes} bytes: open {opened:?}, read all {read:?}\n");
    }
    std::io::stdout().write_all(report.as_bytes()).unwrap();
}

/// How long a hub of 100,000 skills takes to start, from its log and from its snapshot, and what memory it has then.
#[test]
#[ignore = "a measurement: cargo test --release --test hub_store measure_start -- --ignored --nocapture"]
fn measure_start() {
    use weft::hub::server::app::Scope;
    use weft::hub::server::event::{File, Release, What};
    use weft::hub::server::limit::Rates;
    use weft::hub::server::{App, Settings};
    let scratch = Scratch::new("start");
    let dir = scratch.0.join("data");
    Store::create(&dir).unwrap();
    let open = || {
        let (store, _) = Store::open(&dir).unwrap();
        let settings = Settings {
            public_url: None,
            spool: store.spool(),
            rates: Rates::default(),
            still: false,
            log: |line| eprintln!("{line}"),
        };
        App::open(std::sync::Arc::new(store), settings).unwrap()
    };
    let memory = || {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        status.lines().find(|line| line.starts_with("VmRSS")).unwrap().to_owned()
    };
    let words = ["counts", "text", "files", "tables", "lists", "pages", "finds", "names", "notes", "reads"];
    let release = |number: usize, version: &str| {
        let hash = Sha256::of(format!("{number} {version}").as_bytes());
        let file =
            |path: &str| File { path: path.into(), size: 900, sha256: hash, kind: "text/markdown".into() };
        let summary: Vec<&str> = (0..14).map(|at| words[(number * 7 + at * 3) % words.len()]).collect();
        What::Publish {
            release: Box::new(Release {
                owner: format!("owner-{}", number % 2000),
                slug: format!("skill-{number}"),
                version: version.into(),
                title: format!("Skill {number}"),
                summary: summary.join(" "),
                icon: String::new(),
                changelog: "More of the same".into(),
                tags: vec!["latest".into()],
                categories: vec!["development".into()],
                topics: vec!["text".into()],
                os: Vec::new(),
                setup: Vec::new(),
                fork_of: String::new(),
                source: String::new(),
                content_hash: hash,
                fingerprint: hash,
                zip: hash,
                zip_size: 1800,
                files: vec![file("SKILL.md"), file("scripts/run.py"), file("notes.md")],
                statement: String::new(),
                signature: String::new(),
                findings: Vec::new(),
                scanner: "0.1.0".into(),
            }),
        }
    };
    {
        let app = open();
        let commit = |whats: Vec<What>| {
            let mut whats = Some(whats);
            let done = app.commit(Scope::All, "", &mut |_| Ok(whats.take().unwrap()));
            assert!(done.is_ok());
        };
        let user = |number: usize| What::User {
            handle: format!("owner-{number}"),
            name: String::new(),
            role: weft::hub::server::event::Role::User,
        };
        commit((0..2000).map(user).collect());
        for batch in 0..100 {
            commit((batch * 1000..batch * 1000 + 1000).map(|number| release(number, "1.0.0")).collect());
        }
        for batch in 0..50 {
            commit((batch * 1000..batch * 1000 + 1000).map(|number| release(number, "1.1.0")).collect());
        }
    }
    let start = std::time::Instant::now();
    let app = open();
    eprintln!("{} events, from the log: {:?}, {}", app.store.size(), start.elapsed(), memory());
    app.save().unwrap();
    drop(app);
    let start = std::time::Instant::now();
    let app = open();
    eprintln!("from the snapshot: {:?}, {}", start.elapsed(), memory());
    drop(app);
    // For a look at it with the binary itself.
    if let Some(keep) = std::env::var_os("WEFT_TEST_KEEP") {
        fs::rename(&dir, keep).unwrap();
    }
}
