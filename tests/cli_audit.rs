//! `weft audit` on logs written by the library.

// A failure here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "support/cli.rs"]
mod cli;

use cli::{Dir, Said};
use weft::audit::{Action, AuditFile, SandboxAuditEntry};

fn weft(dir: &Dir, args: &[&str]) -> Said {
    let all: Vec<&str> = ["audit"].into_iter().chain(args.iter().copied()).collect();
    let state = dir.0.join("state");
    dir.weft_with(&all, b"", &[("XDG_STATE_HOME", state.to_str().unwrap())])
}

/// Two agents, with names that would like to be more than names.
fn logs() -> Dir {
    let dir = Dir::new();
    for agent in ["one", "two"] {
        let mut file = AuditFile::open(&dir.0.join(format!("state/weft/audit/{agent}.jsonl"))).unwrap();
        for (n, target) in
            ["/etc/passwd", "evil\n{\"seq\":1}\u{1b}[2J\u{202e}", "/etc/shadow"].iter().enumerate()
        {
            let rule = (n == 2).then(|| "p.toml:3: filesystem.deny".to_owned());
            let entry =
                SandboxAuditEntry::now("run1", agent, "ff", Action::Read, target, n == 0, "because", rule);
            file.append(&entry).unwrap();
        }
    }
    dir
}

#[test]
fn entries_are_shown_and_chosen() {
    let dir = logs();
    let said = weft(&dir, &["tail"]);
    assert_eq!((said.code, said.out.lines().count()), (0, 6), "{said:?}");
    assert!(!said.out.contains('\u{1b}') && !said.out.contains('\u{202e}'));
    assert!(said.out.contains("denied  read /etc/shadow: because (p.toml:3: filesystem.deny)"));
    assert_eq!(weft(&dir, &["tail", "-n", "2"]).out.lines().count(), 2);
    assert_eq!(weft(&dir, &["tail", "--denied", "--agent", "one"]).out.lines().count(), 2);
    assert_eq!(weft(&dir, &["show", "--run", "run"]).out.lines().count(), 6);
    assert_eq!(weft(&dir, &["show", "--run", "other"]).out, "");
    for line in weft(&dir, &["show", "--format", "json"]).out.lines() {
        weft::json::parse(line).unwrap();
    }
    assert_eq!(weft(&dir, &["tail", "-n", "0"]).code, 2);
}

#[test]
fn stats_count() {
    let dir = logs();
    let said = weft(&dir, &["stats"]);
    assert!(
        said.out.starts_with("1 runs, 20") && said.out.contains("         2  read /etc/shadow"),
        "{said:?}"
    );
    let said = weft(&dir, &["stats", "--format", "json", "--agent", "one"]);
    let node = weft::json::parse(&said.out).unwrap();
    let agents = node.get("agents").and_then(|node| node.as_array()).unwrap();
    assert_eq!(agents.len(), 1);
    assert_eq!(agents[0].get("denied").and_then(|node| node.as_u64()), Some(2));
}

#[test]
fn verify_shows_changes_and_cuts() {
    let dir = logs();
    let said = weft(&dir, &["verify"]);
    assert_eq!((said.code, said.out.matches(": holds: 3 entries, head ").count()), (0, 2), "{said:?}");
    let one = "state/weft/audit/one.jsonl";
    let head = weft(&dir, &["verify", one]).out.trim_end().rsplit(' ').next().unwrap().to_owned();
    assert_eq!(weft(&dir, &["verify", "--head", &head, one]).code, 0);
    let text = dir.read(one);
    dir.file(one, text.lines().take(2).map(|line| format!("{line}\n")).collect::<String>());
    assert_eq!(weft(&dir, &["verify", one]).code, 0, "a cut breaks no chain");
    let cut = weft(&dir, &["verify", "--head", &head, one]);
    assert!(cut.code == 1 && cut.out.contains("is gone"), "{cut:?}");
    dir.file(one, text.replace("/etc/passwd", "/etc/passwx"));
    let said = weft(&dir, &["verify", "--format", "json"]);
    assert_eq!(said.code, 1, "{said:?}");
    let first = weft::json::parse(said.out.lines().next().unwrap()).unwrap();
    assert_eq!(first.get("problem_count").and_then(|node| node.as_u64()), Some(1));
    dir.file(one, "not json\n");
    let said = weft(&dir, &["tail", one]);
    assert!(said.code == 0 && said.err.contains("1 lines are no entries"), "{said:?}");
    assert_eq!(weft(&dir, &["verify", "none.jsonl"]).code, 2);
    assert_eq!(weft(&dir, &["verify", "--head", "xyz", one]).code, 2);
}

#[test]
fn no_log_yet_is_said() {
    let dir = Dir::new();
    let said = weft(&dir, &["tail"]);
    assert!(said.code == 2 && said.err.contains("there is no log yet"), "{said:?}");
}
