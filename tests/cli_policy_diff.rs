//! `weft policy diff` as reviewers and gates use it.

// A failure here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "support/cli.rs"]
mod cli;

use cli::{Dir, Said};
use weft::json::{Node, parse};

/// The folder is the workspace; the home folder is nowhere.
fn diff(dir: &Dir, args: &[&str]) -> Said {
    let all: Vec<&str> = ["policy", "diff"].into_iter().chain(args.iter().copied()).collect();
    dir.weft_with(&all, b"", &[("HOME", "/nowhere/home"), ("XDG_STATE_HOME", "")])
}

/// The changes between two policies, each as `direction risk key: what`.
fn changes(dir: &Dir, old: &str, new: &str) -> Vec<String> {
    dir.file("old.toml", format!("version = 1\n{old}"));
    dir.file("new.toml", format!("version = 1\n{new}"));
    let said = diff(dir, &["--format", "json", "old.toml", "new.toml"]);
    assert_eq!(said.code, 0, "{said:?} for\n{old}\n{new}");
    let report = parse(&said.out).unwrap();
    let one = &report.get("comparisons").and_then(Node::as_array).unwrap()[0];
    let text = |node: &Node, key: &str| node.get(key).and_then(Node::as_str).unwrap_or("-").to_owned();
    let list = one.get("changes").and_then(Node::as_array).unwrap();
    list.iter()
        .map(|c| {
            format!("{} {} {}: {}", text(c, "direction"), text(c, "risk"), text(c, "key"), text(c, "what"))
        })
        .collect()
}

#[test]
fn what_a_policy_comes_to_is_compared_not_its_text() {
    let dir = Dir::new();
    for folder in ["a/b", "c"] {
        std::fs::create_dir_all(dir.0.join(folder)).unwrap();
    }
    std::os::unix::fs::symlink("a", dir.0.join("link")).unwrap();
    let files = |text: &str| format!("[filesystem]\n{text}");
    let network = |text: &str| format!("[network]\n{text}");
    for (old, new, expected) in [
        // A folder for its parent, and back.
        (
            files("read = ['/usr']"),
            files("read = ['/usr/lib']"),
            &[
                "narrower - filesystem.read: /usr can no longer be read or executed",
                "wider low filesystem.read: /usr/lib can be read and executed",
            ][..1],
        ),
        (
            files("read = ['/usr/lib']"),
            files("read = ['/usr']"),
            &["wider medium filesystem.read: /usr can be read and executed"],
        ),
        // Said in another way: nothing.
        (files("read = ['/usr']"), files("read = ['/usr', '/usr/lib', '/usr/share/doc']"), &[]),
        (files("read = ['${WORKSPACE}/a']"), files("read = ['${WORKSPACE}/link']"), &[]),
        (files("read = ['/usr', '/nowhere/x']"), files("read = ['/nowhere/x', '/usr']"), &[]),
        // What does not exist here may exist where it runs.
        (
            files("read = ['/usr']"),
            files("read = ['/usr', '/nowhere/x']"),
            &["wider medium filesystem.read: /nowhere/x can be read and executed"],
        ),
        // Writing for reading, one line; and only that.
        (
            files("read = ['${WORKSPACE}']\nexec = []"),
            files(
                "write = ['${WORKSPACE}']\nprotect = ['${WORKSPACE}/.git/hooks', '${WORKSPACE}/.git/config']\nexec = []",
            ),
            &[
                "wider medium filesystem.write: ${WORKSPACE} can be written",
                "narrower - filesystem.protect: ${WORKSPACE}/.git/hooks is protected, whatever else is said",
                "narrower - filesystem.protect: ${WORKSPACE}/.git/config is protected, whatever else is said",
            ],
        ),
        // A deny that is gone, one that is covered by another, and one that nothing reaches.
        (
            files("read = ['${WORKSPACE}']\ndeny = ['${WORKSPACE}/c']\nexec = []"),
            files("read = ['${WORKSPACE}']\nexec = []"),
            &["wider medium filesystem.deny: ${WORKSPACE}/c can be read"],
        ),
        (
            files("read = ['${WORKSPACE}']\ndeny = ['${WORKSPACE}/a/b', '${WORKSPACE}/a']"),
            files("read = ['${WORKSPACE}']\ndeny = ['${WORKSPACE}/a']"),
            &[],
        ),
        (
            files("deny = ['~/.ssh']"),
            String::new(),
            &["wider low filesystem.deny: ~/.ssh is no longer denied, though nothing allows it"],
        ),
        (
            files("read = ['~']\ndeny = ['~/.ssh']\nexec = []"),
            files("read = ['~']\nexec = []"),
            &["wider high filesystem.deny: ~/.ssh can be read"],
        ),
        (
            String::new(),
            files("read = ['~/.ssh/id_rsa']\nexec = []"),
            &["wider high filesystem.read: ~/.ssh/id_rsa can be read"],
        ),
        // A grant that a deny beats is nothing.
        (files("deny = ['~/.ssh']"), files("read = ['~/.ssh/x']\ndeny = ['~/.ssh']"), &[]),
        // Patterns, whatever they match here.
        (
            files("read = ['/nowhere/*.md']\nexec = []"),
            files("read = ['/nowhere/*']\nexec = []"),
            &[
                "wider medium filesystem.read: /nowhere/* can be read",
                "narrower - filesystem.read: /nowhere/*.md can no longer be read",
            ][..1],
        ),
        (
            files("read = ['/nowhere']\nexec = []"),
            files("read = ['/nowhere/*.md', '/nowhere']\nexec = []"),
            &[],
        ),
        (
            files("read = ['${WORKSPACE}']\nexec = []\ndeny = ['${WORKSPACE}/**/.env']"),
            files("read = ['${WORKSPACE}']\nexec = []"),
            &["wider medium filesystem.deny: ${WORKSPACE}/**/.env is no longer denied"],
        ),
        // A writable folder that is no longer writable becomes executable, where `exec` names it from above.
        (
            files("write = ['/nowhere/w']\nexec = ['/nowhere']"),
            files("exec = ['/nowhere']"),
            &[
                "wider medium filesystem.exec: /nowhere/w can be executed",
                "narrower - filesystem.write: /nowhere/w can no longer be written",
            ],
        ),
        // Hosts.
        (
            network("allow = [{ host = '*.example.com' }]"),
            network("allow = [{ host = '*.example.com' }, { host = 'api.example.com' }]"),
            &[],
        ),
        (
            network("allow = [{ host = '*.example.com' }]"),
            network("allow = [{ host = 'api.example.com' }]"),
            &["narrower - network.allow: *.example.com port 443 can no longer be reached"],
        ),
        (
            network("allow = [{ host = 'api.example.com' }]"),
            network("allow = [{ host = '*.example.com' }]"),
            &["wider high network.allow: *.example.com port 443 can be reached"],
        ),
        (
            network("allow = [{ host = 'a.com' }]"),
            network("allow = [{ host = 'a.com', ports = [443, 22, 80] }]"),
            &["wider medium network.allow: a.com port 22, 80 can be reached"],
        ),
        (
            network("allow = [{ host = 'a.com' }]"),
            network("allow = [{ host = 'a.com', tls = false }]"),
            &["wider high network.allow: a.com port 443 can be reached without TLS"],
        ),
        (
            network("allow = [{ host = '*.com' }]\ndeny = ['evil.com']"),
            network("allow = [{ host = '*.com' }]"),
            &["wider medium network.deny: evil.com port 443 can be reached"],
        ),
        (
            network("allow = [{ host = '10.0.0.0/8' }]"),
            network("allow = [{ host = '10.1.0.0/16' }]"),
            &["narrower - network.allow: 10.0.0.0/8 port 443 can no longer be reached"],
        ),
        (
            network("allow = [{ host = '10.0.0.0/24' }]"),
            network("allow = [{ host = '10.0.0.0/25' }, { host = '10.0.0.128/25' }]"),
            &[],
        ),
        (
            network("allow = [{ host = 'a.com', rate = '1KiB' }]"),
            network("allow = [{ host = 'a.com' }]"),
            &["wider low network.allow: a.com port 443: rate is none, was 1024"],
        ),
        (
            String::new(),
            network("unrestricted = true"),
            &["wider high network.unrestricted: the network of the host, without limits"],
        ),
        (
            network("listen = [80]"),
            network("listen = [81]"),
            &[
                "wider medium network.listen: port 81 inside can be reached from this machine",
                "narrower - network.listen: port 80 inside can no longer be reached",
            ],
        ),
        (
            network("allow = [{ host = 'a.com' }]"),
            network(
                "allow = [{ host = 'a.com' }]\n[[network.inject]]\nhost = 'a.com'\nheader = 'X'\nfrom = 'env:K'",
            ),
            &["wider high network.inject: the secret K is sent to a.com as X"],
        ),
        // Names.
        (
            "[tools]\nallow = ['a']\n[[tools.argument]]\ntool = '*'\nname = 'path'\nmust = 'read'".into(),
            "[tools]\nallow = ['a']".into(),
            &["wider medium tools.argument: the argument path of * is no longer held to what it was"],
        ),
        (
            "[tools]\nallow = ['mcp__*']".into(),
            "[tools]\nallow = ['mcp__git__*', 'mcp__fs_read']".into(),
            &["narrower - tools.allow: the tool mcp__* can no longer be used"],
        ),
        (
            "[tools]\nallow = ['mcp__git__*']".into(),
            "[tools]\nallow = ['mcp__*']".into(),
            &["wider high tools.allow: the tool mcp__* can be used"],
        ),
        (
            "[tools]\nallow = ['a*']\ndeny = ['*z']".into(),
            "[tools]\nallow = ['a*']".into(),
            &["wider high tools.deny: the tool *z is no longer denied"],
        ),
        (
            "[env]\nallow = ['LANG']".into(),
            "[env]\nallow = ['LANG', 'GITHUB_TOKEN']".into(),
            &["wider high env.allow: the variable GITHUB_TOKEN can be seen"],
        ),
        (
            "[env]\nset = { A = '1' }".into(),
            "[env]\nset = { A = '2', PATH = '/x' }".into(),
            &[
                "wider high env.set: the variable PATH is set by the policy",
                "wider low env.set: the variable A is set to another value than before",
            ],
        ),
        // Commands, limits and walls.
        (
            "[process]\nallow = ['git']".into(),
            "[process]\nallow = ['git', 'bash', 'no-such-thing']".into(),
            &[
                "wider high process.allow: the command bash can be executed",
                "wider medium process.allow: the command no-such-thing can be executed",
            ],
        ),
        (
            "[process]\nallow = ['git']".into(),
            String::new(),
            &["wider high process.allow: every command in an executable place can be executed"],
        ),
        (
            "[process]\nallow = ['/usr/bin']".into(),
            "[process]\nallow = ['/usr/bin/env']".into(),
            &["narrower - process.allow: the command /usr/bin can no longer be executed"],
        ),
        (
            "[process]\ndeny = ['sudo']".into(),
            String::new(),
            &["wider high process.deny: the command sudo is no longer denied"],
        ),
        (
            "[process]\nshell = false".into(),
            String::new(),
            &["wider high process.shell: a shell can be executed"],
        ),
        (
            "[process]\nmax_memory = '1GiB'\nmax_wall_time = '1h'".into(),
            "[process]\nmax_memory = '2GiB'\nmax_wall_time = '30m'".into(),
            &[
                "wider low process.max_memory: max_memory is 2147483648, was 1073741824",
                "narrower - process.max_wall_time: max_wall_time is 1800s, was 3600s",
            ],
        ),
        (
            "[process]\nmax_processes = 3".into(),
            String::new(),
            &["wider medium process.max_processes: max_processes is not limited, was 3"],
        ),
        (
            "[process]\nsyscalls = 'readonly'".into(),
            "[process]\nsyscalls = 'network'".into(),
            &["wider medium process.syscalls: system calls of the profile network, was readonly"],
        ),
        (
            "[sandbox]\ntype = 'os'".into(),
            "[sandbox]\ntype = 'none'\nprivileged = true".into(),
            &[
                "wider high sandbox.type: the sandbox is none, was os",
                "wider high sandbox.privileged: the policy is privileged: it may do without a sandbox",
            ],
        ),
        (
            "[sandbox]\ntype = 'os'".into(),
            "[sandbox]\ntype = 'wasm'".into(),
            &["narrower - sandbox.type: the sandbox is wasm, was os"],
        ),
        (String::new(), "[sandbox]\ntype = 'os'".into(), &[]),
        (
            String::new(),
            "[sandbox]\nbest_effort = ['network.udp']".into(),
            &["wider medium sandbox.best_effort: network.udp may go unenforced"],
        ),
        (
            "[audit]\nfile = '${STATE}/x'".into(),
            "[audit]\nlevel = 'denied'".into(),
            &[
                "wider medium audit.file: no log is kept on disk",
                "wider low audit.level: the log keeps what is denied only",
            ],
        ),
        (
            "[monitor]\ncalls_per_5s = 5\naction = 'stop'".into(),
            "[monitor]\ncalls_per_5s = 9\naction = 'alert'".into(),
            &[
                "wider low monitor.calls_per_5s: calls_per_5s is 9, was 5",
                "wider low monitor.action: the monitor interferes less",
            ],
        ),
        (
            "[[test]]\nexpect = 'deny'\nread = '~/.ssh'".into(),
            String::new(),
            &["wider low test: no test asserts any more: deny read ~/.ssh"],
        ),
        ("agent = 'a'".into(), "agent = 'b'".into(), &["changed - agent: the agent is b, was a"]),
    ] {
        assert_eq!(changes(&dir, &old, &new), expected, "from\n{old}\nto\n{new}");
    }
}

#[test]
fn a_policy_is_no_different_from_itself_and_from_what_it_extends() {
    let dir = Dir::new();
    for name in ["base", "coding-agent", "network-agent", "skill", "claude-code", "mcp-server", "readonly"] {
        dir.file("mine.toml", format!("version = 1\nextends = ['{name}']\n"));
        let said = diff(&dir, &["--fail-on-widening", name, "mine.toml"]);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.contains("0 wider, 0 narrower"), "{said:?}");
        assert!(!said.out.contains(": filesystem"), "{said:?}");
    }
    let said = diff(&dir, &["readonly", "coding-agent"]);
    assert!(said.out.contains("filesystem.write: ${WORKSPACE} can be executed and written"), "{said:?}");
}

#[test]
fn text_and_markdown_name_line_and_risk_and_the_gate_fails() {
    let dir = Dir::new();
    dir.file("old.toml", "version = 1\nextends = ['base']\n[filesystem]\ndeny = ['${WORKSPACE}/.env']\n");
    dir.file("new.toml", "version = 1\nextends = ['base']\n[filesystem]\nread = ['/etc']\n[network]\nallow = [{ host = '*' }]\n");
    let said = diff(&dir, &["old.toml", "new.toml"]);
    assert_eq!(said.code, 0, "{said:?}");
    for line in [
        "wider     high    new.toml:4: filesystem.read: /etc can be read (PL-001 wide-read)",
        "wider     high    new.toml:6: network.allow: * port 443 can be reached (PL-005 any-host)",
        "wider     low     old.toml:4: filesystem.deny: ${WORKSPACE}/.env is no longer denied, though nothing allows it",
        "old.toml → new.toml: 3 wider (worst risk: high), 0 narrower",
    ] {
        assert!(said.out.lines().any(|said| said == line), "{line}\nis not in\n{}", said.out);
    }
    assert_eq!(diff(&dir, &["--fail-on-widening", "old.toml", "new.toml"]).code, 1);
    let said = diff(&dir, &["--fail-on-widening", "new.toml", "old.toml"]);
    assert!(said.code == 0 && said.out.contains("0 wider, 3 narrower"), "{said:?}");
    let said = diff(&dir, &["--format", "markdown", "old.toml", "new.toml"]);
    assert!(
        said.out
            .starts_with("### Policy: old.toml → new.toml\n\n3 wider (worst risk: **high**), 0 narrower.\n"),
        "{said:?}"
    );
    assert!(said.out.contains("| **wider** | high, PL-005 any-host | `network.allow` \\* port 443 can be reached | new.toml&#58;6 |"), "{said:?}");
}

/// What a hostile author puts into names reaches neither the terminal nor the page as more than text.
#[test]
fn names_are_text_in_a_comment() {
    let dir = Dir::new();
    dir.file("old.toml", "version = 1\n");
    dir.file("new.toml", "version = 1\n[filesystem]\nread = ['/x/<img src=a>|@team [a](b) `c`\u{202e}']\n");
    let said = diff(&dir, &["--format", "markdown", "old.toml", "new.toml"]);
    assert!(
        !said.out.contains("<img") && !said.out.contains("@team") && !said.out.contains("[a](b)"),
        "{said:?}"
    );
    assert!(!said.out.contains('\u{202e}'), "{said:?}");
    let row = said.out.lines().find(|line| line.contains("filesystem")).unwrap();
    assert_eq!(row.replace("\\|", "").matches('|').count(), 5, "{row}");
}

#[test]
fn revisions_are_compared_with_what_they_extend() {
    let dir = Dir::new();
    dir.git(&["init", "-q", "-b", "main"]);
    dir.file(
        "policies/base.toml",
        "version = 1\n[filesystem]\nread = ['${WORKSPACE}']\nexec = []\ndeny = ['${WORKSPACE}/.env']\n",
    );
    dir.file("weft.toml", "version = 1\nextends = ['policies/base.toml']\n");
    dir.git(&["add", "."]);
    dir.git(&["commit", "-q", "-m", "one"]);
    let same = diff(&dir, &["--git", "HEAD", "--fail-on-widening"]);
    assert!(same.code == 0 && same.out == "HEAD:weft.toml → weft.toml: 0 wider, 0 narrower\n", "{same:?}");
    // Only what it extends is changed.
    dir.git(&["checkout", "-q", "-b", "wider"]);
    dir.file("policies/base.toml", "version = 1\n[filesystem]\nread = ['${WORKSPACE}']\nexec = []\n");
    let said = diff(&dir, &["--git", "HEAD", "--fail-on-widening"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.out.contains("policies/base.toml:5: filesystem.deny: ${WORKSPACE}/.env can be read")
            && said.out.contains("HEAD:"),
        "{said:?}"
    );
    // From a folder below, by a path with `..` in it, and against where the branch began.
    dir.git(&["commit", "-q", "-a", "-m", "two"]);
    std::fs::create_dir(dir.0.join("below")).unwrap();
    let said = diff(&dir, &["--git", "main...", "below/../weft.toml", "policies/base.toml"]);
    assert!(said.code == 0 && said.count("1 wider") == 2, "{said:?}");
    // A policy that is gone counts as what a run would take: everything that it denied beyond that is wider.
    std::fs::remove_file(dir.0.join("weft.toml")).unwrap();
    let said = diff(&dir, &["--git", "main", "--fail-on-widening"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.out.contains("base and the workspace") && said.out.contains("${WORKSPACE} can be written"),
        "{said:?}"
    );
    // One that is new is compared with the same.
    dir.file("new.toml", "version = 1\nextends = ['base']\n[network]\nunrestricted = true\n");
    let said = diff(&dir, &["--git", "main", "new.toml"]);
    assert!(said.out.contains("network.unrestricted") && said.out.contains("which is no policy"), "{said:?}");
}

#[test]
fn bad_input_is_said_and_nothing_else() {
    let dir = Dir::new();
    dir.file("ok.toml", "version = 1\n");
    dir.file("bad.toml", "version = 1\n[filesystem]\nraed = []\n");
    dir.file("loop.toml", "version = 1\nextends = ['loop.toml']\n");
    let many: String = (0..10_001).map(|n| format!("'v{n}',")).collect();
    dir.file("many.toml", format!("version = 1\n[env]\nallow = [{many}]\n"));
    for (args, with) in [
        (&[][..], "two policies are compared"),
        (&["ok.toml"], "two policies are compared"),
        (&["ok.toml", "ok.toml", "ok.toml"], "two policies are compared"),
        (&["ok.toml", "none.toml"], "no such file"),
        (&["bad.toml", "ok.toml"], "did you mean `read`?"),
        (&["ok.toml", "loop.toml"], "extends itself"),
        (&["ok.toml", "many.toml"], "too many to compare"),
        (&["--format", "sarif", "ok.toml", "ok.toml"], "use text, json or markdown"),
        (&["--git", "HEAD", "ok.toml"], "not in a git repository"),
    ] {
        diff(&dir, args).refused(with);
    }
    dir.git(&["init", "-q", "-b", "main"]);
    std::os::unix::fs::symlink("ok.toml", dir.0.join("link.toml")).unwrap();
    dir.file("large.toml", format!("version = 1\n#{}\n", "x".repeat(1024 * 1024)));
    dir.git(&["add", "."]);
    dir.git(&["commit", "-q", "-m", "one"]);
    dir.file("large.toml", "version = 1\n");
    for (args, with) in [
        (&["--git", "nosuch", "ok.toml"][..], "unknown revision"),
        (&["--git", "--output=x", "ok.toml"], "unknown revision"),
        (&["--git", "HEAD", "none.toml"], "it is neither here nor in HEAD"),
        (&["--git", "HEAD", "coding-agent"], "--git compares files"),
        (&["--git", "HEAD", "link.toml"], "symbolic link in that revision"),
        (&["--git", "HEAD", "large.toml"], "larger than"),
        (&["--git", "HEAD", "bad.toml"], "HEAD:bad.toml:3:1"),
    ] {
        diff(&dir, args).refused(with);
    }
    assert!(!dir.0.join("x").exists());
}

/// What a repository's own configuration could run is not run.
#[test]
fn a_repository_runs_nothing() {
    let dir = Dir::new();
    dir.git(&["init", "-q", "-b", "main"]);
    dir.file("weft.toml", "version = 1\n");
    dir.file(".gitattributes", "* diff=evil filter=evil\n");
    dir.git(&["add", "."]);
    dir.git(&["commit", "-q", "-m", "one"]);
    for (key, value) in [
        ("diff.evil.textconv", "touch pwned; cat"),
        ("filter.evil.smudge", "touch pwned; cat"),
        ("core.fsmonitor", "touch pwned"),
        ("core.pager", "touch pwned"),
    ] {
        dir.git(&["config", key, value]);
    }
    let said = diff(&dir, &["--git", "HEAD"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(!dir.0.join("pwned").exists());
}
