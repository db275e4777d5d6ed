//! `weft check` as programs use it: one question, and many on a socket.

// A failure here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "support/cli.rs"]
mod cli;

use cli::{Dir, Said};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use weft::json::{Node, parse};

const POLICY: &str = r#"version = 1
agent = "tester"
extends = ["base"]
[filesystem]
write = ["${WORKSPACE}"]
deny = ["${WORKSPACE}/.env"]
[network]
allow = [{ host = "*.example.com" }]
[tools]
allow = ["read_*", "write_file", "fetch", "branch"]
deny = ["read_secret*"]
[[tools.argument]]
tool = "read_*"
name = "path"
must = "read"
required = true
[[tools.argument]]
tool = "write_file"
name = "path"
must = "write"
[[tools.argument]]
tool = "fetch"
name = "request.url"
must = "connect"
[[tools.argument]]
tool = "branch"
name = "names"
matches = ["main", "release/*"]
[audit]
file = "${STATE}/check.jsonl"
"#;

/// The folder is the workspace; the log stands beside it.
struct Place {
    dir: Dir,
    state: Dir,
}

impl Place {
    fn new() -> Place {
        let place = Place { dir: Dir::new(), state: Dir::new() };
        place.dir.file("weft.toml", POLICY);
        place.dir.file("notes.md", "n");
        place.dir.file(".env", "SECRET=1");
        place
    }

    fn env(&self) -> [(&'static str, String); 2] {
        [("HOME", "/nowhere/home".into()), ("XDG_STATE_HOME", self.state.0.to_string_lossy().into_owned())]
    }

    fn check(&self, args: &[&str]) -> Said {
        self.check_with(args, b"")
    }

    fn check_with(&self, args: &[&str], input: &[u8]) -> Said {
        let all: Vec<&str> = ["check"].into_iter().chain(args.iter().copied()).collect();
        let env = self.env();
        let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.dir.weft_with(&all, input, &env)
    }

    fn log(&self) -> Vec<Node> {
        let text = std::fs::read_to_string(self.state.0.join("check.jsonl")).unwrap_or_default();
        text.lines().map(|line| parse(line).unwrap()).collect()
    }

    fn serve(&self) -> Server {
        let socket = self.dir.0.join("s");
        let mut child = Command::new(env!("CARGO_BIN_EXE_weft"))
            .args(["check", "--serve", "s"])
            .current_dir(&self.dir.0)
            .envs(self.env())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut said).unwrap();
        assert!(said.contains("is answered for on s"), "{said}");
        Server { child, socket }
    }
}

struct Server {
    child: Child,
    socket: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// What it answers to this line.
    fn ask(&self, line: &[u8]) -> Node {
        let mut stream = self.connect();
        stream.write_all(line).unwrap();
        stream.write_all(b"\n").unwrap();
        answer(&mut BufReader::new(stream))
    }

    fn end(&mut self) -> i32 {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        self.child.wait().unwrap().code().unwrap()
    }
}

fn answer(from: &mut impl BufRead) -> Node {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    parse(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
}

fn allowed(node: &Node) -> bool {
    node.get("allowed").and_then(Node::as_bool).unwrap()
}

fn text<'n>(node: &'n Node, key: &str) -> &'n str {
    node.get(key).and_then(Node::as_str).unwrap_or("")
}

#[test]
fn one_question_is_decided_and_logged() {
    let place = Place::new();
    for (args, code, why) in [
        (&["read", "notes.md"][..], 0, "filesystem.write"),
        (&["read", ".env"], 1, "filesystem.deny"),
        (&["write", "/etc/passwd"], 1, "no line allows it"),
        (&["exec", "ls"], 0, "filesystem.exec"),
        (&["connect", "api.example.com:443"], 0, "network.allow"),
        (&["connect", "example.org:443"], 1, "does not name the host"),
        (&["env", "LD_PRELOAD"], 1, "no policy can allow it"),
        (&["tool", "read_file"], 0, "tools.allow"),
        (&["tool", "read_secrets"], 1, "tools.deny"),
        (&["tool", "nothing"], 1, "does not name it"),
    ] {
        let said = place.check(args);
        assert!(said.code == code && said.out.contains(why), "{args:?}: {said:?}");
    }
    let log = place.log();
    assert_eq!(log.len(), 10);
    assert!(log.iter().all(|entry| text(entry, "agent_id") == "tester"));
    assert_eq!(text(&log[1], "action"), "read");
    assert!(text(&log[1], "target").ends_with("/.env") && !allowed(&log[1]));
    let said = place.check(&["--format", "json", "tool", "read_secrets"]);
    let report = parse(&said.out).unwrap();
    assert_eq!(text(&report, "schema"), "weft.check/1");
    assert!(!allowed(&report) && text(report.get("rule").unwrap(), "key") == "tools.deny");
    let verified = place.dir.weft(&["audit", "verify", place.state.0.join("check.jsonl").to_str().unwrap()]);
    assert_eq!(verified.code, 0, "{verified:?}");
}

#[test]
fn arguments_of_a_tool_are_held_to_the_policy() {
    let place = Place::new();
    let outside = place.state.file("outside", "x");
    std::os::unix::fs::symlink(&outside, place.dir.0.join("link")).unwrap();
    for (tool, input, code) in [
        ("read_file", r#"{"path":"notes.md"}"#.to_owned(), 0),
        ("read_file", r#"{"path":["notes.md","notes.md"]}"#.to_owned(), 0),
        ("read_file", r#"{"path":["notes.md",".env"]}"#.to_owned(), 1),
        ("read_file", r#"{"path":".env"}"#.to_owned(), 1),
        ("read_file", r#"{"path":"./.env"}"#.to_owned(), 1),
        ("read_file", r#"{"path":"x/../.env"}"#.to_owned(), 1),
        ("read_file", r#"{"path":"link"}"#.to_owned(), 1),
        ("read_file", r#"{"path":"~/.ssh/id"}"#.to_owned(), 1),
        ("read_file", r#"{"path":"$HOME/.ssh/id"}"#.to_owned(), 1),
        ("read_file", format!(r#"{{"path":"file://{}/notes.md"}}"#, place.dir.0.display()), 0),
        ("read_file", r#"{"path":"file:///etc/shadow"}"#.to_owned(), 1),
        ("read_file", r#"{"path":7}"#.to_owned(), 0),
        ("read_file", r#"{"path":{"x":1}}"#.to_owned(), 1),
        ("read_file", r#"{"path":null}"#.to_owned(), 1),
        ("read_file", "{}".to_owned(), 1),
        ("write_file", "{}".to_owned(), 0),
        ("write_file", r#"{"path":"weft.toml"}"#.to_owned(), 1),
        ("fetch", r#"{"request":{"url":"https://api.example.com/x"}}"#.to_owned(), 0),
        ("fetch", r#"{"request":{"url":"http://api.example.com/x"}}"#.to_owned(), 1),
        ("fetch", r#"{"request":{"url":"https://api.example.com@evil.org/"}}"#.to_owned(), 1),
        ("fetch", r#"{"request":{"url":"https://169.254.169.254/"}}"#.to_owned(), 1),
        ("fetch", r#"{"request":{"url":"file:///etc/shadow"}}"#.to_owned(), 1),
        ("branch", r#"{"names":["main","release/1"]}"#.to_owned(), 0),
        ("branch", r#"{"names":["main","evil"]}"#.to_owned(), 1),
    ] {
        let said = place.check(&["tool", tool, "--input", &input]);
        assert_eq!(said.code, code, "{tool} {input}: {said:?}");
        let said = place.check_with(&["tool", tool, "--input", "-"], input.as_bytes());
        assert_eq!(said.code, code, "{tool} {input}: {said:?}");
    }
}

#[test]
fn bad_questions_are_refused() {
    let place = Place::new();
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(100_000));
    for (args, with) in [
        (&[][..], "what is asked?"),
        (&["read"], "what is asked?"),
        (&["read", "a", "b"], "what is asked?"),
        (&["look", "a"], "an action is read"),
        (&["connect", "example.com"], "has no port"),
        (&["read", "a", "--input", "{}"], "only a tool has an input"),
        (&["tool", "a", "--input", "[]"], "not a JSON object"),
        (&["tool", "a", "--input", "{"], "not JSON"),
        (&["tool", "a", "--input", "{\"a\":1,\"a\":2}"], "twice"),
        (&["tool", "a", "--input", &deep], "nested deeper"),
        (&["--serve", "s", "read", "a"], "leave the rest out"),
        (&["--policy", "none.toml", "read", "a"], "no such file"),
        (&["--serve", "weft.toml"], "something else is there"),
        (&["--serve", "no/such/folder/s"], "cannot serve on"),
    ] {
        place.check(args).refused(with);
    }
    assert_eq!(place.check(&["tool", "write_file", "--input", &large]).code, 0);
    let huge = vec![b' '; 5 * 1024 * 1024];
    place.check_with(&["tool", "write_file", "--input", "-"], &huge).refused("larger than");
    // Without a log there is no answer.
    std::fs::remove_file(place.state.0.join("check.jsonl")).unwrap();
    std::fs::create_dir(place.state.0.join("check.jsonl")).unwrap();
    place.check(&["read", "notes.md"]).refused("no log, no answer");
}

#[test]
fn many_clients_are_answered_on_a_socket() {
    let place = Place::new();
    let mut server = place.serve();
    assert!(place.check(&["--serve", "s"]).err.contains("somebody serves there"));
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&server.socket).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let clients: Vec<_> = (0..40)
        .map(|n| {
            let stream = server.connect();
            std::thread::spawn(move || {
                let mut write = stream.try_clone().unwrap();
                let mut read = BufReader::new(stream);
                for round in 0..50 {
                    let id = n * 1000 + round;
                    let file = if round % 2 == 0 { "notes.md" } else { ".env" };
                    writeln!(write, "{{\"id\":{id},\"action\":\"read\",\"target\":\"{file}\"}}").unwrap();
                    let said = answer(&mut read);
                    assert_eq!(said.get("id").and_then(Node::as_u64), Some(id));
                    assert_eq!(allowed(&said), round % 2 == 0);
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert_eq!(server.end(), 0);
    assert!(!server.socket.exists());
    let log = place.log();
    let actions: Vec<&str> = log.iter().map(|entry| text(entry, "action")).collect();
    assert_eq!((actions[0], actions[1], *actions.last().unwrap()), ("start", "policy", "exit"));
    assert_eq!(log.len(), 3 + 40 * 50);
    // What a server that was killed left is taken away.
    let mut killed = place.serve();
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    assert!(killed.socket.exists());
    let again = place.serve();
    assert!(allowed(&again.ask(br#"{"id":"x","action":"tool","target":"write_file","input":{"path":"a"}}"#)));
}

#[test]
fn what_is_no_question_gets_a_denial_and_harms_nobody() {
    let place = Place::new();
    let server = place.serve();
    let deep = format!(
        "{{\"id\":1,\"action\":\"tool\",\"target\":\"a\",\"input\":{}1{}}}",
        "[".repeat(9999),
        "]".repeat(9999)
    );
    for (line, why) in [
        (&b"nonsense"[..], "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{\"id\":1,\"action\":\"read\",\"target\":\"\xff\"}", "not UTF-8"),
        (br#"{"id":1,"action":"read","target":"notes.md","target":".env"}"#, "twice"),
        (br#"{"id":1,"action":"read"}"#, "both texts"),
        (br#"{"id":1,"action":"read","target":["notes.md"]}"#, "both texts"),
        (br#"{"id":1,"action":"dance","target":"x"}"#, "an action is"),
        (br#"{"id":1,"action":"read","target":"x","allow":true}"#, "no part of a question"),
        (br#"{"id":1,"action":"read","target":"a\u0000b"}"#, "no NUL"),
        (br#"{"id":1,"action":"tool","target":"a","input":[]}"#, "is an object"),
        (deep.as_bytes(), "nested deeper"),
    ] {
        let said = server.ask(line);
        assert!(!allowed(&said) && text(&said, "reason").contains(why), "{said:?}");
    }
    // One that never ends a line is told and cut off; one that fetches nothing waits for itself alone.
    let mut endless = server.connect();
    let _ = endless.write_all(&vec![b'x'; 3 * 1024 * 1024]);
    let mut said = String::new();
    let _ = endless.read_to_string(&mut said);
    assert!(said.is_empty() || said.contains("at most"), "{said}");
    let mut deaf = server.connect();
    deaf.set_nonblocking(true).unwrap();
    let question = b"{\"id\":1,\"action\":\"read\",\"target\":\"notes.md\"}\n".repeat(1000);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(30) && deaf.write(&question).is_ok() {}
    assert!(allowed(&server.ask(br#"{"id":1,"action":"read","target":"notes.md"}"#)));
    // Questions without a pause are answered in their order, and those at the end too.
    let mut quick = server.connect();
    for id in 0..2000 {
        writeln!(quick, "{{\"id\":{id},\"action\":\"env\",\"target\":\"PATH\"}}").unwrap();
    }
    quick.shutdown(std::net::Shutdown::Write).unwrap();
    let answers: Vec<String> = BufReader::new(quick).lines().map(Result::unwrap).collect();
    assert_eq!(answers.len(), 2000);
    assert!(answers.iter().enumerate().all(|(id, line)| line.starts_with(&format!("{{\"id\":{id},"))));
}

#[test]
fn more_clients_than_there_is_room_for_are_told() {
    let place = Place::new();
    let server = place.serve();
    let clients: Vec<UnixStream> = (0..256).map(|_| server.connect()).collect();
    // Each is known to the server once it was answered.
    for client in &clients {
        let mut write = client;
        writeln!(write, "{{\"id\":1,\"action\":\"env\",\"target\":\"PATH\"}}").unwrap();
        assert!(allowed(&answer(&mut BufReader::new(client))));
    }
    let said = answer(&mut BufReader::new(server.connect()));
    assert!(!allowed(&said) && text(&said, "reason").contains("too many clients"), "{said:?}");
    drop(clients);
    let began = Instant::now();
    while !allowed(&server.ask(br#"{"id":1,"action":"env","target":"PATH"}"#)) {
        assert!(began.elapsed() < Duration::from_secs(60));
    }
}

/// Major and minor version; zeros where there is no node.
fn node_version() -> (u32, u32) {
    let said = Command::new("node").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said).trim().trim_start_matches('v').to_owned();
    let mut numbers = said.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// The examples enforce the same as weft does.
#[test]
fn agents_in_other_languages_obey() {
    let place = Place::new();
    let server = place.serve();
    let root = env!("CARGO_MANIFEST_DIR");
    for (program, script) in [
        ("python3", "examples/check/weft_check.py"),
        ("node", "examples/check/weft-check.mjs"),
        ("node", "examples/check/weft-check.ts"),
    ] {
        if Command::new(program).arg("--version").output().is_err() {
            println!("SKIPPED: {program} is not installed; {script} was not run");
            continue;
        }
        let options: &[&str] = match (script.ends_with(".ts"), node_version()) {
            (false, _) | (true, (23.., _) | (22, 18..)) => &[],
            // Where types are stripped only when asked for.
            (true, (22, 6..)) => &["--experimental-strip-types"],
            (true, version) => {
                println!("SKIPPED: node is {version:?} and knows no types (22.6 does); {script} was not run");
                continue;
            }
        };
        let _ = std::fs::remove_file(place.dir.0.join("notes.md"));
        let output = Command::new(program)
            .args(options)
            .arg(format!("{root}/{script}"))
            .arg(&server.socket)
            .current_dir(&place.dir.0)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 5, "{said} {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(lines[..2], ["write_file: 5 characters written", "read_file: hello"]);
        assert!(lines[2].starts_with("read_file denied: ") && lines[2].contains(".env is denied"), "{said}");
        assert!(
            lines[3].starts_with("read_file denied: ") && lines[4].starts_with("delete_everything denied: "),
            "{said}"
        );
    }
}
