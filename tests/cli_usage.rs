//! The command line itself: help, version, completions, and what a wrong one is told.

#[path = "support/cli.rs"]
mod cli;

use cli::{Dir, HIGH};
use std::process::{Command, Stdio};

#[test]
fn help_is_there_at_every_level_and_in_every_way() {
    let dir = Dir::new();
    for args in [
        &["--help"][..],
        &["-h"],
        &["help"],
        &["security", "--help"],
        &["security", "scan", "--help"],
        &["security", "scan", "--format", "json", "x", "--help", "--nonsense"],
        &["help", "security", "scan"],
        &["security", "help", "scan"],
        &["completions", "-h"],
    ] {
        let said = dir.weft(args);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{args:?} {said:?}");
        assert!(said.out.contains("Usage: weft") && said.out.contains("--help"), "{args:?}");
    }
    let scan = dir.weft(&["help", "security", "scan"]).out;
    assert!(
        scan.contains("Usage: weft security scan [OPTIONS] PATH…") && scan.contains("Examples:"),
        "{scan}"
    );
    assert!(scan.lines().all(|line| line.chars().count() <= 100), "{scan}");
}

#[test]
fn version_says_what_was_built() {
    let dir = Dir::new();
    let said = dir.weft(&["--version"]);
    assert!(said.out.starts_with(concat!("weft ", env!("CARGO_PKG_VERSION"), " (")), "{said:?}");
    assert!(said.out.contains("features: scan"));
    assert_eq!(said.out, dir.weft(&["version"]).out);
    assert_eq!(said.out, dir.weft(&["-V"]).out);
}

#[test]
fn mistakes_are_told_with_the_next_step() {
    let dir = Dir::skill("x");
    for (args, with) in [
        (&[][..], "no command"),
        (&["security"], "use scan, audit, harden, checks or explain"),
        (&["securty"], "did you mean `weft security`?"),
        (&["security", "scna", "."], "did you mean `weft security scan`?"),
        (&["--bogus"], "unknown option: --bogus"),
        (&["security", "scan"], "nothing to scan"),
        (&["security", "scan", "--fromat", "json", "s"], "did you mean --format?"),
        (&["security", "scan", "--fromat=json", "s"], "did you mean --format?"),
        (
            &["security", "scan", "--format", "xml", "s"],
            "bad value: --format xml: use text, json, sarif, github or junit",
        ),
        (&["security", "scan", "--format=jsno", "s"], "did you mean json?"),
        (&["security", "scan", "s", "--format"], "option without its value: --format"),
        (&["security", "scan", "--format", "--quiet", "s"], "option without its value: --format"),
        (&["security", "scan", "-f", "json", "--format", "text", "s"], "option given twice: --format"),
        (&["security", "scan", "--quiet=yes", "s"], "--quiet takes no value"),
        (&["security", "scan", "--min-severity", "worst", "s"], "use info, low, medium, high or critical"),
        (&["security", "scan", "--fail-on", "nevr", "s"], "did you mean never?"),
        (&["security", "scan", "--category", "EX,Bogus", "s"], "bad value: --category EX,Bogus"),
        (&["security", "scan", "--persona", "x", "s"], "regular, pedantic or auditor"),
        (&["security", "scan", "--jobs", "many", "s"], "bad value: --jobs many"),
        (&["security", "scan", "--max-size", "1X", "s"], "512K"),
        (&["security", "scan", "--color", "red", "s"], "auto, always or never"),
        (&["security", "scan", "--verbose", "--quiet", "s"], "contradicting options"),
        (&["security", "scan", "--diff", "HEAD", "--staged", "s"], "contradicting options"),
        (&["security", "scan", "--gate", "--baseline", "b", "s"], "--baseline with --gate"),
        (&["security", "scan", "--gate", "--diff", "HEAD", "s"], "--diff with --gate"),
        (&["security", "scan", "--gate", "--staged", "s"], "--staged with --gate"),
        (&["security", "scan", "--stdin-name", "x", "s"], "--stdin-name without -"),
        (&["security", "scan", "-", "-"], "standard input named twice"),
        (&["security", "scan", "nowhere"], "cannot scan: no such file or directory: nowhere: check the path"),
        (&["security", "scan", ""], "a path cannot be empty"),
        (&["security", "scan", "--rules", "none.toml", "s"], "none.toml"),
        (&["security", "scan", "--baseline", "none.json", "s"], "none.json"),
        (&["security", "scan", "--output", "no/where", "s"], "cannot write"),
        (&["security", "scan", "--output", "s", "s"], "is a directory"),
        (&["security", "explain"], "missing argument: ID"),
        (&["security", "explain", "A", "B"], "unexpected argument: B"),
        (&["security", "explain", "PI-0O1"], "did you mean PI-001?"),
        (&["security", "explain", "overide-instructions"], "did you mean override-instructions?"),
        (&["security", "explain", "\u{1b}[31m"], "unknown rule: <U+001B>[31m"),
        (&["completions", "tcsh"], "use bash, zsh or fish"),
        (&["version", "x"], "unexpected argument: x"),
    ] {
        let said = dir.weft(args);
        eprintln!("{args:?}");
        said.refused(with);
    }
}

#[test]
fn options_may_be_written_in_other_ways() {
    let dir = Dir::skill(HIGH);
    for args in [
        &["-fjson", "s"][..],
        &["--format=json", "s"],
        &["-f=json", "s"],
        &["s", "-f", "json"],
        &["-j2", "-f", "json", "--", "s"],
    ] {
        let said = dir.scan(args);
        assert!(
            said.code == 1 && said.out.starts_with("{\n  \"schema\": \"weft.scan/1\""),
            "{args:?} {said:?}"
        );
    }
}

#[test]
fn names_that_look_like_something_else_are_names() {
    let dir = Dir::new();
    for name in ["help", "-dash/x.md", "scan", "--version"] {
        dir.file(format!("{name}/{name}.md").trim_start_matches('/'), HIGH);
    }
    assert_eq!(dir.scan(&["help"]).count("ZZ-001"), 1);
    assert_eq!(dir.scan(&["scan"]).count("ZZ-001"), 1);
    assert_eq!(dir.scan(&["--", "--version", "-dash"]).count("ZZ-001"), 2);
    dir.scan(&["-dash"]).refused("unknown option: -dash");
}

#[cfg(unix)]
#[test]
fn arguments_need_not_be_utf8() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let dir = Dir::new();
    let name = OsStr::from_bytes(b"b\xff\xf4\x8f\xbc\x80.md");
    if std::fs::write(dir.0.join(name), HIGH).is_err() {
        eprintln!("SKIPPED: this file system has no such names");
        return;
    }
    let args: Vec<&OsStr> =
        ["security", "scan", "--rules", "zebra.toml"].iter().map(OsStr::new).chain([name]).collect();
    let said = dir.weft(&args);
    assert_eq!((said.code, said.count("ZZ-001 zebra-high")), (1, 1), "{said:?}");
    assert!(said.out.contains("b\\xff"), "{said:?}");
    let mut output = OsStr::from_bytes(b"--output=o\xff").to_owned();
    let said = dir.weft(&[OsStr::new("security"), OsStr::new("scan"), &output, OsStr::new("zebra.toml")]);
    assert_eq!(said.code, 0, "{said:?}");
    output.push("/x");
    dir.weft(&[OsStr::new("security"), OsStr::new("scan"), &output, name]).refused("o\\xff/x");
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let dir = Dir::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_weft"))
        .args(["security", "checks", "--format", "json"])
        .current_dir(&dir.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let dir = Dir::skill("x");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_weft"))
        .args(["security", "scan", "s"])
        .current_dir(&dir.0)
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write"));
}

#[test]
fn completions_ask_the_binary() {
    let dir = Dir::new();
    for shell in ["bash", "zsh", "fish"] {
        let said = dir.weft(&["completions", shell]);
        assert!(said.code == 0 && said.out.contains("weft __complete"), "{said:?}");
    }
    assert_eq!(dir.weft(&["__complete", "security", "scan", "--format", "s"]).out, "sarif\n");
    assert_eq!(dir.weft(&["__complete", "security", "scan", ""]).out, ":files\n");
    assert_eq!(dir.weft(&["__complete"]).out, ":files\n");
}

/// The manual says everything that --help says.
#[test]
fn every_option_is_in_the_manual() {
    let dir = Dir::new();
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/weft.1")).unwrap();
    let page = page.replace("\\-", "-");
    for command in [
        &[][..],
        &["security"],
        &["security", "scan"],
        &["security", "audit"],
        &["security", "harden"],
        &["security", "checks"],
        &["security", "explain"],
        &["policy"],
        &["policy", "check"],
        &["policy", "show"],
        &["policy", "init"],
        &["policy", "why"],
        &["policy", "test"],
        &["policy", "diff"],
        &["policy", "learn"],
        &["policy", "tighten"],
        &["run"],
        &["check"],
        &["mcp"],
        &["hook"],
        &["hook", "run"],
        &["hook", "install"],
        &["audit"],
        &["audit", "tail"],
        &["audit", "show"],
        &["audit", "stats"],
        &["audit", "verify"],
        &["audit", "watch"],
        &["skill"],
        &["skill", "search"],
        &["skill", "info"],
        &["skill", "versions"],
        &["skill", "install"],
        &["skill", "update"],
        &["skill", "resolve"],
        &["skill", "audit"],
        &["skill", "publish"],
        &["skill", "withdraw"],
        &["skill", "star"],
        &["skill", "unstar"],
        &["skill", "comment"],
        &["skill", "comments"],
        &["skill", "report"],
        &["skill", "login"],
        &["skill", "logout"],
        &["skill", "whoami"],
        &["skill", "list"],
        &["skill", "verify"],
        &["skill", "remove"],
        &["skill", "pin"],
        &["skill", "unpin"],
        &["skill", "run"],
        &["skill", "keygen"],
        &["skill", "key"],
        &["skill", "key", "show"],
        &["skill", "key", "export"],
        &["skill", "key", "rotate"],
        &["skill", "key", "revoke"],
        &["skill", "trust"],
        &["skill", "trust", "list"],
        &["skill", "trust", "accept"],
        &["skill", "trust", "remove"],
        &["skill", "trust", "forget-log"],
        &["hub", "init"],
        &["hub", "verify"],
        &["hub", "backup"],
        &["hub", "restore"],
        &["completions"],
        &["version"],
    ] {
        let args: Vec<&str> = command.iter().copied().chain(["--help"]).collect();
        let help = dir.weft(&args).out;
        for line in help.lines().filter(|line| line.starts_with("  ")) {
            for word in line.split([' ', ',']).filter(|word| word.len() > 2 && word.starts_with("--")) {
                let word = word.trim_end_matches(|c: char| !c.is_alphanumeric());
                // mdoc writes --name as `Fl -name`.
                assert!(
                    page.contains(&format!("Fl {}", &word[1..])),
                    "{word} of {command:?} is not in docs/weft.1"
                );
            }
        }
        for word in command {
            assert!(page.contains(&format!("Ic {word}")) || page.contains(&format!(" {word}\n")), "{word}");
        }
    }
}
