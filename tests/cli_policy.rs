//! `weft policy` as people and CI use it.

// A failure here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "support/cli.rs"]
mod cli;

use cli::{Dir, Said};
use weft::json::{Node, parse};

/// The folder is the workspace. The home folder is nowhere: not in /tmp, which is private to a run.
fn weft(dir: &Dir, args: &[&str]) -> Said {
    let all: Vec<&str> = ["policy"].into_iter().chain(args.iter().copied()).collect();
    dir.weft_with(&all, b"", &[("HOME", "/nowhere/home"), ("XDG_STATE_HOME", "")])
}

fn json(said: &Said) -> Node {
    parse(&said.out).unwrap_or_else(|error| panic!("{error} in {said:?}"))
}

#[test]
fn check_tells_mistakes_with_place_and_fix() {
    let dir = Dir::new();
    dir.file("bad.toml", "version = 1\n[filesystem]\nraed = []\n");
    dir.file("two.toml", "version = 1\n[filesystem]\nread = ['usr', '${HOEM}']\n");
    dir.file("wide.toml", "version = 1\nextends = ['base']\n[filesystem]\nread = ['/']\n");
    let said = weft(&dir, &["check", "bad.toml"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.out.contains("error    bad.toml:3:1: unknown key `raed`: did you mean `read`?"), "{said:?}");
    let said = weft(&dir, &["check", "bad.toml", "two.toml", "wide.toml", "base", "none.toml"]);
    assert_eq!(said.code, 2);
    assert!(said.out.contains("two.toml: 2 errors") && said.out.contains("base: 0 errors, 0 warnings"));
    assert!(
        said.out.contains("none.toml: cannot read the policy: no such file or directory: check the path")
    );
    let said = weft(&dir, &["check", "wide.toml"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.out.contains("warning  wide.toml:4: filesystem.read: / is readable")
            && said.out.contains("PL-001")
    );
    let said = weft(&dir, &["check", "--format", "json", "wide.toml", "bad.toml"]);
    let files = json(&said);
    let files = files.get("files").and_then(Node::as_array).unwrap();
    let finding = &files[0].get("findings").and_then(Node::as_array).unwrap()[0];
    assert_eq!(finding.get("id").and_then(Node::as_str), Some("PL-001"));
    let error = &files[1].get("errors").and_then(Node::as_array).unwrap()[0];
    assert_eq!(error.get("line").and_then(Node::as_u64), Some(3));
    assert_eq!(weft(&dir, &["check", "coding-agent", "skill", "readonly"]).code, 0);
    assert_eq!(weft(&dir, &["check"]).code, 2);
}

#[test]
fn names_in_a_policy_forge_no_output() {
    let dir = Dir::new();
    dir.file("x.toml", "version = 1\n\"\\u001b[2Jerror\\nfake\" = 1\n");
    let said = weft(&dir, &["check", "x.toml"]);
    assert_eq!((said.code, said.out.lines().count()), (2, 2), "{said:?}");
    assert!(!said.out.contains('\u{1b}'));
}

#[test]
fn why_answers_with_the_line() {
    let dir = Dir::new();
    dir.file("weft.toml", "version = 1\nextends = ['base']\n[filesystem]\nwrite = ['${WORKSPACE}']\n[network]\nallow = [{ host = 'api.example.com' }]\n");
    for (args, code, said_with) in [
        (&["exec", "~/x"][..], 1, "no such command"),
        (&["read", "/etc/shadow"], 1, "builtin:base:"),
        (&["read", "src/x"], 0, "weft.toml:4: filesystem.write"),
        (&["write", "weft.toml"], 1, "the policy itself"),
        (&["write", "sub/../x"], 2, "no such file"),
        (&["connect", "api.example.com:443"], 0, "weft.toml:6: network.allow"),
        (&["connect", "api.example.com:80"], 1, "no line allows it"),
        (&["connect", "api.example.com"], 2, "write host:port"),
        (&["exec", "sudo"], 1, "process.deny"),
        (&["exec", "ls"], 0, "filesystem.exec"),
        (&["tool", "x"], 1, "tools.allow does not name it"),
        (&["env", "LD_PRELOAD"], 1, "no policy can allow it"),
        (&["env", "PATH"], 0, "env.allow"),
        (&["open", "x"], 2, "use read, write, exec, connect, tool or env"),
        (&["--policy", "nope", "read", "x"], 2, "there is no built-in policy `nope`"),
        (&["--policy", "coding-agnt", "read", "x"], 2, "did you mean `coding-agent`?"),
    ] {
        let said = weft(&dir, &[&["why"], args].concat());
        assert_eq!(said.code, code, "{args:?} {said:?}");
        assert!(format!("{}{}", said.out, said.err).contains(said_with), "{args:?} {said:?}");
    }
    let said = weft(&dir, &["why", "--format", "json", "read", "/etc/shadow"]);
    let answer = json(&said);
    assert_eq!(answer.get("allowed").map(|node| &node.value), Some(&weft::json::Value::Bool(false)));
    assert_eq!(
        answer.get("rule").and_then(|rule| rule.get("key")).and_then(Node::as_str),
        Some("filesystem.deny")
    );
}

#[test]
fn test_fails_when_a_policy_is_widened() {
    let dir = Dir::new();
    let text = "version = 1\n[filesystem]\nread = ['${WORKSPACE}/a']\n[[test]]\nname = 'no <secrets>'\nexpect = 'deny'\nread = '${WORKSPACE}/b'\n";
    dir.file("a/x", "");
    dir.file("b/x", "");
    dir.file("p.toml", text);
    let said = weft(&dir, &["test", "p.toml"]);
    assert_eq!((said.code, said.out.as_str()), (0, "p.toml: 1 of 1 tests hold\n"), "{said:?}");
    dir.file("p.toml", text.replace("/a", ""));
    let said = weft(&dir, &["test", "p.toml"]);
    assert_eq!(said.code, 1);
    assert!(
        said.out.contains("failed   p.toml:4: test: no <secrets>: allowed by p.toml:3: filesystem.read"),
        "{said:?}"
    );
    let said = weft(&dir, &["test", "--format", "junit", "p.toml"]);
    assert!(
        said.out.contains("failures=\"1\"") && said.out.contains("name=\"no &lt;secrets&gt;\""),
        "{said:?}"
    );
    let said = weft(&dir, &["test", "--format", "json", "p.toml"]);
    assert_eq!(
        json(&said).get("files").and_then(Node::as_array).unwrap()[0].get("failures").and_then(Node::as_u64),
        Some(1)
    );
    dir.file("none.toml", "version = 1\n");
    assert!(weft(&dir, &["test", "none.toml"]).err.contains("has no [[test]]"));
    let shipped: Vec<&str> = weft::policy::builtin::names();
    assert_eq!(weft(&dir, &[&["test"], shipped.as_slice()].concat()).code, 0);
}

#[test]
fn init_writes_what_check_and_test_accept() {
    let dir = Dir::new();
    let said = weft(&dir, &["init"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(weft(&dir, &["check", "weft.toml"]).code, 0, "{:?}", weft(&dir, &["check", "weft.toml"]));
    assert_eq!(weft(&dir, &["test", "weft.toml"]).code, 0);
    let again = weft(&dir, &["init"]);
    assert!(again.code == 2 && again.err.contains("--force"), "{again:?}");
    assert_eq!(weft(&dir, &["init", "--force", "--from", "skill"]).code, 0);
    assert!(dir.read("weft.toml").contains("extends = [\"skill\"]"));
    assert!(weft(&dir, &["init", "--from", "skil", "x.toml"]).err.contains("did you mean skill?"));
    for name in weft::policy::builtin::names() {
        let file = format!("{name}.toml");
        assert_eq!(weft(&dir, &["init", "--from", name, &file]).code, 0);
        assert_eq!(weft(&dir, &["test", &file]).code, 0, "{name}");
    }
}

#[test]
fn show_says_what_it_comes_to() {
    let dir = Dir::new();
    let said = weft(&dir, &["show", "--list"]);
    assert!(said.out.lines().count() == 11 && said.out.contains("coding-agent"), "{said:?}");
    let said = weft(&dir, &["show", "skill"]);
    assert!(said.out.contains("# --- builtin:base\n") && said.out.contains("# --- builtin:skill\n"));
    let said = weft(&dir, &["show", "--resolved", "skill"]);
    assert!(said.out.contains("sha256   ") && said.out.contains("/usr  # builtin:base:"), "{said:?}");
    assert!(said.out.contains("/tmp (private to the run)  # builtin:skill:"));
    let said = weft(&dir, &["show", "--resolved", "--format", "json", "skill"]);
    let rules = json(&said);
    let rules = rules.get("rules").and_then(Node::as_array).unwrap();
    assert!(rules.iter().any(|rule| rule.get("key").and_then(Node::as_str) == Some("filesystem.deny")));
}
