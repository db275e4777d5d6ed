//! What the binary does with input that is not as it should be: files that cannot be read, are not files, change
//! while they are read, are too large or too many. Each is a message or a counted skip; none is a crash or a wait.
#![cfg(unix)]
// A failure in a helper is a failed test.
#![allow(clippy::unwrap_used)]

#[path = "support/cli.rs"]
mod cli;
#[path = "support/process.rs"]
mod process;

use cli::{Dir, HIGH, Said};
use process::{Closed, Measured, measure, skipped, unprivileged};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use weft::json::Node;

/// Longer than any of these takes on a busy machine, shorter than for ever.
const LONG: Duration = Duration::from_secs(120);
/// A debug build, its threads and its buffers; the point is that it does not grow with the input.
const SMALL: u64 = 96 << 20;

/// A rule or a reason, and the path it is about.
type About = (String, String);

/// The exit code of `weft security scan --rules zebra.toml ARGS`, and every rule and path it reports.
fn findings(dir: &Dir, args: &[&str]) -> (i32, Vec<About>, Vec<About>) {
    let said = dir.scan(&[&["-f", "json"], args].concat());
    assert_eq!(said.err, "", "{said:?}");
    let node = weft::json::parse(&said.out).unwrap();
    let list = |key: &str, field: &str| -> Vec<About> {
        let word = |node: &Node, key: &str| node.get(key).and_then(Node::as_str).unwrap().to_owned();
        let all = node.get(key).and_then(Node::as_array).unwrap();
        all.iter().map(|one| (word(one, field), word(one, "path"))).collect()
    };
    (said.code, list("findings", "name"), list("skipped", "reason"))
}

fn pair(a: &str, b: &str) -> About {
    (a.to_owned(), b.to_owned())
}

fn run(command: &mut Command, dir: &Dir, args: &[&str]) -> Measured {
    let said = measure(command.args(args).current_dir(&dir.0), LONG);
    assert!(said.code.is_some(), "did not end: {said:?}");
    said
}

fn weft(dir: &Dir, args: &[&str]) -> Measured {
    run(&mut Command::new(env!("CARGO_BIN_EXE_weft")), dir, args)
}

#[test]
fn what_may_not_be_read_is_counted() {
    let dir = Dir::skill(HIGH);
    dir.file("s/locked.md", HIGH);
    dir.file("s/closed/inside.md", HIGH);
    let Some(mut command) = unprivileged(&dir.0) else { return };
    let _closed = [Closed::new(dir.0.join("s/locked.md"), 0), Closed::new(dir.0.join("s/closed"), 0)];
    let said = run(&mut command, &dir, &["security", "scan", "--rules", "zebra.toml", "s"]);
    assert_eq!(said.code, Some(1), "what can be read is scanned: {said:?}");
    assert_eq!(said.text().matches("ZZ-001").count(), 1, "{said:?}");
    assert!(said.text().contains("not scanned: 2 × permission denied"), "{said:?}");

    let mut command = unprivileged(&dir.0).unwrap();
    let said = run(&mut command, &dir, &["security", "scan", "--gate", "s"]);
    assert_eq!(said.text().matches("unreadable-not-scanned").count(), 2, "{said:?}");
    assert!(said.text().contains("s/locked.md") && said.text().contains("s/closed"), "{said:?}");
}

#[test]
fn what_the_user_names_must_be_readable() {
    let dir = Dir::new();
    dir.file("locked.md", HIGH);
    dir.file("closed/inside.md", HIGH);
    if unprivileged(&dir.0).is_none() {
        return;
    }
    let _closed = [Closed::new(dir.0.join("locked.md"), 0), Closed::new(dir.0.join("closed"), 0)];
    for (args, with) in [
        (&["locked.md"][..], "cannot scan: permission denied: locked.md: check its permissions"),
        (&["--gate", "closed"], "cannot scan: permission denied: closed: check its permissions"),
        (&["closed/inside.md"], "cannot scan: permission denied: closed/inside.md"),
        (&["--rules", "locked.md", "."], "cannot read: permission denied: locked.md"),
        (&["--baseline", "locked.md", "."], "cannot read: permission denied: locked.md"),
    ] {
        let args = [&["security", "scan"], args].concat();
        let said = run(&mut unprivileged(&dir.0).unwrap(), &dir, &args);
        assert_eq!((said.code, said.text()), (Some(2), ""), "{args:?} {said:?}");
        assert!(said.err.starts_with("weft: ") && said.err.contains(with), "{args:?} {said:?}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_no_obstacle() {
    let dir = Dir::skill(HIGH);
    let Some(mut command) = unprivileged(&dir.0) else { return };
    let _closed = Closed::new(dir.0.clone(), 0o555);
    let said = run(&mut command, &dir, &["security", "scan", "--rules", "zebra.toml", "s"]);
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""), "{said:?}");
    for option in ["--output", "--write-baseline"] {
        let said = run(&mut unprivileged(&dir.0).unwrap(), &dir, &["security", "scan", option, "out", "s"]);
        assert_eq!((said.code, said.text()), (Some(2), ""), "{said:?}");
        let expected = "weft: cannot write: permission denied: out: check its permissions\n";
        assert_eq!(said.err, expected);
    }
}

#[test]
fn links_lead_nowhere_they_should_not() {
    let dir = Dir::skill("nothing");
    dir.file("outside/secret.md", HIGH);
    dir.file("s/real.md", HIGH);
    symlink("nowhere", dir.0.join("s/broken")).unwrap();
    symlink("b", dir.0.join("s/a")).unwrap();
    symlink("a", dir.0.join("s/b")).unwrap();
    symlink("..", dir.0.join("s/up")).unwrap();
    symlink(".", dir.0.join("s/self")).unwrap();
    symlink("../outside/secret.md", dir.0.join("s/out.md")).unwrap();
    symlink("/etc/hostname", dir.0.join("s/etc.md")).unwrap();
    symlink("real.md", dir.0.join("s/alias.md")).unwrap();
    let skips = [
        ("broken-symlink", "s/broken"),
        ("symlink-loop", "s/a"),
        ("symlink-loop", "s/b"),
        ("symlink-loop", "s/self"),
        ("symlink-outside", "s/etc.md"),
        ("symlink-outside", "s/out.md"),
        ("symlink-outside", "s/up"),
    ]
    .map(|(reason, path)| pair(reason, path));
    let (code, found, skipped) = findings(&dir, &["s"]);
    assert_eq!(code, 1);
    assert_eq!(found, [pair("zebra-high", "s/alias.md"), pair("zebra-high", "s/real.md")]);
    assert_eq!(skipped, skips);

    let (code, found, skipped) = findings(&dir, &["--gate", "s"]);
    assert_eq!((code, &skipped[..]), (1, &skips[..]));
    for (reason, path) in &skips {
        let name = if reason == "symlink-outside" { "symlink-outside" } else { "unreadable-not-scanned" };
        assert!(found.contains(&pair(name, path)), "{name} {path} is not in {found:?}");
    }

    // A link that the user names is followed: it is the user's.
    symlink("s", dir.0.join("link")).unwrap();
    assert_eq!(findings(&dir, &["link"]).1.len(), 2);
    dir.scan(&["s/broken"]).refused("cannot scan: no such file or directory: s/broken: check the path");
    dir.scan(&["s/a"]).refused("s/a");
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let dir = Dir::skill(HIGH);
    assert!(Command::new("mkfifo").arg(dir.0.join("s/pipe.md")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(dir.0.join("s/socket")).unwrap();
    symlink("/dev/zero", dir.0.join("s/zero.md")).unwrap();
    let mut odd = vec![pair("not-regular", "s/pipe.md"), pair("not-regular", "s/socket")];
    let mut mknod = Command::new("mknod");
    mknod.arg(dir.0.join("s/device")).args(["c", "1", "5"]).stderr(Stdio::null());
    if mknod.status().is_ok_and(|status| status.success()) {
        odd.insert(0, pair("not-regular", "s/device"));
    } else {
        skipped("no right to make a device");
    }
    let (code, found, skips) = findings(&dir, &["s"]);
    assert_eq!((code, found.len()), (1, 1));
    let expected: Vec<_> = [pair("symlink-outside", "s/zero.md")].into_iter().chain(odd.clone()).collect();
    assert_eq!(skips, expected);
    let found = findings(&dir, &["--gate", "s"]).1;
    for (_, path) in &odd {
        assert!(found.contains(&pair("unreadable-not-scanned", path)), "{path} is not in {found:?}");
    }

    // Named by the user: an empty answer would read as a clean one.
    for path in ["s/pipe.md", "s/socket", "/dev/zero", "/dev/null"] {
        let said = weft(&dir, &["security", "scan", path]);
        assert_eq!((said.code, said.text()), (Some(2), ""), "{said:?}");
        let expected = format!("weft: cannot scan: not a regular file: {path}: pipe it in and name -\n");
        assert_eq!(said.err, expected);
    }
}

#[test]
fn names_need_not_be_utf8() {
    let dir = Dir::new();
    let folder = dir.0.join(OsStr::from_bytes(b"d\xff"));
    let hostile = OsStr::from_bytes(b"\xc3\x28 \x1b[31m\n::error::x.md");
    if fs::create_dir(&folder).and_then(|()| fs::write(folder.join(hostile), HIGH)).is_err() {
        skipped("this file system has no such names");
        return;
    }
    fs::write(folder.join("SKILL.md"), "x").unwrap();
    symlink("nowhere", folder.join(OsStr::from_bytes(b"broken\xfe"))).unwrap();
    for format in ["text", "json", "sarif", "github", "junit"] {
        let args = ["security", "scan", "-v", "--rules", "zebra.toml", "-f", format].map(OsStr::new);
        for root in [folder.as_os_str(), OsStr::from_bytes(b"d\xff"), OsStr::new(".")] {
            // `weft` reads what was said as UTF-8.
            let said = dir.weft(&[&args[..], &[root]].concat());
            assert_eq!((said.code, said.err.as_str()), (1, ""), "{said:?}");
            assert!(said.out.contains("ZZ-001") && !said.out.contains('\u{1b}'), "{said:?}");
            assert!(
                said.out.lines().all(|l| format == "github" || !l.trim_start().starts_with("::")),
                "{said:?}"
            );
            assert!(format != "text" || said.out.contains("broken\\xfe"), "{said:?}");
        }
    }
}

/// Someone creates, fills, empties, renames and removes while the scan runs.
#[test]
fn a_tree_that_changes_is_scanned_to_its_end() {
    let dir = Dir::skill(HIGH);
    let stop = AtomicBool::new(false);
    let tree = dir.0.join("s");
    for n in 0..200 {
        dir.file(format!("s/still/{n}.md"), "still");
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0u32;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                let (file, folder) = (tree.join(format!("f{}.md", n % 7)), tree.join(format!("d{}", n % 5)));
                // Each of these fails now and then, when the last round left something else there.
                let _ = fs::create_dir(&folder);
                let _ = fs::write(folder.join("x.md"), "y\n".repeat(n as usize % 5_000));
                let _ = fs::OpenOptions::new()
                    .append(true)
                    .create(true)
                    .open(&file)
                    .and_then(|mut f| std::io::Write::write_all(&mut f, &[b'z'; 4096]));
                if n.is_multiple_of(2) {
                    let _ = fs::remove_dir_all(&folder);
                    let _ = symlink("still", &folder);
                }
                if n.is_multiple_of(3) {
                    let _ = fs::remove_file(&folder);
                    let _ = fs::File::options().write(true).open(&file).and_then(|f| f.set_len(0));
                }
                if n.is_multiple_of(11) {
                    let _ = fs::remove_file(&file);
                }
            }
        });
        let runs = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..20 {
                let mode = if round % 2 == 0 { "--gate" } else { "-v" };
                let said = weft(&dir, &["security", "scan", "--rules", "zebra.toml", mode, "s"]);
                assert_eq!((said.code, said.err.as_str()), (Some(1), ""), "{said:?}");
                assert_eq!(said.text().matches("ZZ-001").count(), 1, "{said:?}");
            }
        }));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = runs {
            std::panic::resume_unwind(panic);
        }
    });
}

#[test]
fn nothing_is_also_input() {
    let dir = Dir::new();
    dir.file("empty.md", "");
    fs::create_dir(dir.0.join("folder")).unwrap();
    for args in [&["empty.md"][..], &["folder"], &["--gate", "folder"], &["--gate", "empty.md"], &["-"]] {
        let said = dir.scan(args);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{args:?} {said:?}");
        assert!(said.out.starts_with("no findings: "), "{args:?} {said:?}");
    }
    for format in ["json", "sarif", "github", "junit"] {
        assert_eq!(dir.scan(&["-f", format, "folder"]).code, 0);
    }
}

#[test]
fn what_is_not_there_is_said_before_anything_is_scanned() {
    let dir = Dir::skill(HIGH);
    for (path, with) in [
        ("nowhere", "weft: cannot scan: no such file or directory: nowhere: check the path\n"),
        ("s/SKILL.md/x", "weft: cannot scan: not a directory: s/SKILL.md/x: check the path\n"),
    ] {
        for args in [&[path][..], &["s", path], &["--gate", path, "s"]] {
            let said = dir.scan(args);
            said.refused("");
            assert_eq!(said.err, with);
        }
    }
    let long = "x".repeat(300);
    dir.scan(&[&long]).refused("name too long");
}

#[test]
fn a_huge_file_costs_no_more_than_a_large_one() {
    let dir = Dir::skill("x");
    fs::File::create(dir.0.join("s/huge.md")).unwrap().set_len(1 << 30).unwrap();
    let said = weft(&dir, &["security", "scan", "s"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.text().contains("not scanned: 1 × too large"), "{said:?}");
    assert!(said.memory < SMALL, "{} MiB", said.memory >> 20);

    // Holes read as zero bytes; with words at its head the file is a text that is padded.
    for head in ["", "A text at first\n"] {
        let file = fs::File::options().write(true).open(dir.0.join("s/huge.md")).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, head.as_bytes(), 0).unwrap();
        let said = weft(&dir, &["security", "scan", "--gate", "s"]);
        assert!(said.text().contains("oversize-not-scanned"), "{said:?}");
        assert!(said.text().contains("s/huge.md"), "{said:?}");
        assert!(said.memory < SMALL, "{} MiB", said.memory >> 20);
        eprintln!("1 GiB with --gate, head {head:?}: {:?}, {} MiB", said.time, said.memory >> 20);
    }
}

/// 100,000 files when `WEFT_TEST_FILES` asks for them; their number must not matter to memory.
#[test]
fn many_files_cost_time_but_no_memory() {
    let asked = std::env::var("WEFT_TEST_FILES").ok().and_then(|count| count.parse::<usize>().ok());
    let count = asked.unwrap_or(20_000);
    let dir = Dir::skill(HIGH);
    for n in 0..count {
        let folder = dir.0.join(format!("s/d{}", n / 500));
        if n.is_multiple_of(500) {
            fs::create_dir(&folder).unwrap();
        }
        fs::write(folder.join(format!("f{n}.md")), "a small text\n").unwrap();
    }
    for mode in ["-v", "--gate"] {
        let said = weft(&dir, &["security", "scan", "--rules", "zebra.toml", mode, "s"]);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.text().contains(&format!("{} files", count + 1)), "{said:?}");
        assert!(said.memory < SMALL, "{} MiB", said.memory >> 20);
        eprintln!("{count} files, {mode}: {:?}, {} MiB", said.time, said.memory >> 20);
    }
}

#[test]
fn a_path_given_twice_is_scanned_once() {
    let dir = Dir::skill(HIGH);
    let absolute = dir.0.join("s");
    symlink("s", dir.0.join("link")).unwrap();
    for paths in [
        &["s", "s"][..],
        &["s", "./s/"],
        &["s", "s/SKILL.md"],
        &["s/SKILL.md", "s"],
        &["s", absolute.to_str().unwrap()],
        &["s", "link"],
        &[".", "s"],
    ] {
        let said = dir.scan(&[&["-f", "json"], paths].concat());
        let node = weft::json::parse(&said.out).unwrap();
        let found = node.get("findings").and_then(Node::as_array).unwrap();
        let here = |one: &&Node| {
            one.get("path").and_then(Node::as_str).is_some_and(|path| path.ends_with("SKILL.md"))
        };
        assert_eq!(found.iter().filter(here).count(), 1, "{paths:?} {said:?}");
    }
}

#[test]
fn standard_input_may_be_anything() {
    let dir = Dir::new();
    let stdin = |args: &[&str], bytes: &[u8]| -> Said {
        dir.weft_with(&[&["security", "scan", "--rules", "zebra.toml"], args].concat(), bytes, &[])
    };
    let said = stdin(&["-"], b"\xff\xfe\x00zebra-high-marker\xff");
    assert_eq!((said.code, said.count("ZZ-001")), (1, 1), "{said:?}");
    let wide: Vec<u8> = HIGH.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(stdin(&["-"], &wide).code, 1);
    let said = stdin(&["-"], b"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00");
    assert_eq!(said.code, 0);
    assert!(said.out.contains("not scanned: 1 × binary"), "{said:?}");
    assert!(stdin(&["--gate", "-"], b"\x7fELF\x02\x01\x01\x00\x00\x00").out.contains("executable-in-skill"));
    // A name is no path: nothing is opened, whatever it says.
    let said = stdin(&["--stdin-name", "../../etc/passwd\u{1b}[2J", "-"], HIGH.as_bytes());
    assert!(said.code == 1 && !said.out.contains('\u{1b}'), "{said:?}");

    // Closed, or a folder.
    let from = |shell: &str| {
        let command = format!("\"$0\" security scan - {shell}");
        run(Command::new("sh").args(["-c", &command]).arg(env!("CARGO_BIN_EXE_weft")), &dir, &[])
    };
    assert_eq!(from("<&-").code, Some(0));
    let said = from("< .");
    assert_eq!((said.code, said.text()), (Some(2), ""), "{said:?}");
    assert!(said.err.starts_with("weft: cannot read: is a directory: standard input"), "{said:?}");
    // Endless: refused at the limit, not read for ever.
    let said = from("< /dev/zero");
    assert_eq!((said.code, said.text()), (Some(2), ""), "{said:?}");
    assert_eq!(said.err, "weft: more than 64 MiB: standard input: save it to a file and scan that\n");
}

#[test]
fn a_reader_that_leaves_does_not_change_the_answer() {
    let dir = Dir::skill(&format!("{HIGH}\n\n").repeat(90));
    let rules = dir.0.join("zebra.toml");
    let line = format!(
        "{{ \"$0\" security scan -v --rules '{}' s; echo \"code $?\" >&2; }} | head -n 1",
        rules.display()
    );
    let said = run(Command::new("sh").args(["-c", &line]).arg(env!("CARGO_BIN_EXE_weft")), &dir, &[]);
    assert_eq!((said.text().lines().count(), said.err.as_str()), (1, "code 1\n"), "{said:?}");
    let line = "\"$0\" security scan --rules zebra.toml s >&- 2>&-";
    let said = run(Command::new("sh").args(["-c", line]).arg(env!("CARGO_BIN_EXE_weft")), &dir, &[]);
    assert_eq!(said.code, Some(1), "{said:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_that_does_not_fit_is_an_error() {
    let dir = Dir::skill(HIGH);
    for format in ["text", "json", "sarif", "github", "junit"] {
        let said = dir.scan(&["-f", format, "--output", "/dev/full", "s"]);
        said.refused("weft: cannot write: no space left on device: /dev/full: make room on the disk");
    }
    dir.scan(&["--write-baseline", "/dev/full", "s"]).refused("no space left on device: /dev/full");
}

/// `file:line:column`, what is wrong, and what would be right.
#[test]
fn a_bad_rule_file_says_where_and_what_is_allowed() {
    let dir = Dir::skill("x");
    let good = dir.read("zebra.toml");
    let second = good.match_indices("[[rule]]").nth(1).unwrap().0;
    let place = |text: &str, piece: &str, from: usize| {
        let at = text[from..].find(piece).unwrap() + from;
        let line = text[..at].matches('\n').count() + 1;
        let column = at - text[..at].rfind('\n').map_or(0, |newline| newline + 1) + 1;
        format!("bad.toml:{line}:{column}")
    };
    let cases = [
        (good.replacen("{20,}", "{20,", 1), "'''zebra", 0, &["pattern"][..]),
        (good.replacen("severity", "severty", 1), "severty", 0, &["severty", "severity"]),
        (good.replacen("\"high\"", "\"hgih\"", 1), "\"hgih\"", 0, &["hgih", "high"]),
        (good.replacen("ZZ-002", "ZZ-001", 1), "\"ZZ-001\"", second, &["ZZ-001"]),
        (good.replacen("ZZ-002", "PI-001", 1), "\"PI-001\"", second, &["PI-001"]),
        (good.replacen("UnsafeShell", "UnsafeShel", 1), "\"UnsafeShel\"", 0, &["UnsafeShell"]),
        (good.replacen("[\"zebra-low-marker\"]\nwhere", "[\"zeb\"]\nwhere", 1), "\"zeb\"", 0, &["4 bytes"]),
    ];
    for (text, piece, from, with) in cases {
        dir.file("bad.toml", &text);
        let said = dir.weft(&["security", "scan", "--rules", "bad.toml", "s"]);
        said.refused("bad.toml:");
        eprint!("{}", said.err);
        let line = place(&text, piece, from);
        assert!(said.err.contains(&line), "{line} is not in {}", said.err);
        assert!(with.iter().all(|word| said.err.contains(word)), "{with:?} in {}", said.err);
        // The same file is refused in the same words by every command that takes it.
        let checks = dir.weft(&["security", "checks", "--rules", "bad.toml"]);
        assert_eq!(checks.err, said.err);
    }
}

#[test]
fn files_named_by_options_must_be_files() {
    let dir = Dir::skill("x");
    for option in ["--rules", "--baseline"] {
        dir.weft(&["security", "scan", option, "s", "s"]).refused("cannot read: is a directory: s");
        dir.weft(&["security", "scan", option, "/dev/zero", "s"]).refused("/dev/zero");
    }
    fs::create_dir(dir.0.join("weft.toml")).unwrap();
    dir.weft(&["security", "scan", "s"]).refused("weft.toml");
    assert_eq!(dir.weft(&["security", "scan", "--gate", "s"]).code, 0);
}
