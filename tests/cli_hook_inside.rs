//! `weft hook` inside `weft run`: weft outside decides by the policy of the run, and keeps the log.

// A failure here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "support/cli.rs"]
mod cli;

use cli::{Dir, Said};
use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use weft::json::{Node, parse};

const WEFT: &str = env!("CARGO_BIN_EXE_weft");

const POLICY: &str = r#"version = 1
agent = "tester"
extends = ["base"]
[filesystem]
write = ["${WORKSPACE}"]
read = ["PYTHON", "WEFT"]
exec = ["/usr", "/bin", "PYTHON", "WEFT"]
deny = ["${WORKSPACE}/.env"]
[tools]
deny = ["*delete*"]
[audit]
file = "${STATE}/log/run.jsonl"
"#;

struct Place {
    dir: Dir,
    home: Dir,
}

impl Place {
    fn new() -> Place {
        let place = Place { dir: Dir::new(), home: Dir::new() };
        let python = python().unwrap_or_else(|| "/usr".to_owned());
        place.dir.file("weft.toml", POLICY.replace("PYTHON", &python).replace("WEFT", WEFT));
        place.dir.file("stricter.toml", "version = 1\nextends = [\"base\"]\n[filesystem]\nread = [\"${WORKSPACE}\"]\n[tools]\ndeny = [\"Glob\"]\n");
        place.dir.file(".env", "SECRET=1");
        place.dir.file("notes.md", "n");
        place
    }

    fn weft(&self, args: &[&str], input: &[u8]) -> Said {
        let home = self.home.0.to_string_lossy().into_owned();
        self.dir.weft_with(args, input, &[("HOME", home.as_str()), ("XDG_STATE_HOME", &home)])
    }

    /// Runs a script in the sandbox.
    fn sh(&self, script: &str) -> Said {
        let script = script.replace("HOOK", &format!("{WEFT} hook run --client claude-code"));
        self.weft(&["run", "--policy", "weft.toml", "--", "sh", "-c", &script], b"")
    }

    fn call(&self, tool: &str, key: &str, value: &str) -> String {
        let cwd = self.dir.0.display();
        format!(
            r#"{{"hook_event_name":"PreToolUse","cwd":"{cwd}","tool_name":"{tool}","tool_input":{{"{key}":"{value}"}}}}"#
        )
    }

    fn log(&self) -> Vec<Node> {
        let text = std::fs::read_to_string(self.home.0.join("log/run.jsonl")).unwrap_or_default();
        text.lines().map(|line| parse(line).unwrap()).collect()
    }
}

fn python() -> Option<String> {
    let script = "import os, sys; print(os.path.dirname(os.path.dirname(os.path.realpath(sys.executable))))";
    let output = std::process::Command::new("python3").args(["-c", script]).output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

fn field<'n>(node: &'n Node, name: &str) -> &'n str {
    node.get(name).and_then(Node::as_str).unwrap_or_default()
}

/// Whether the sandbox here has namespaces; without them there is nobody to ask.
fn has_namespaces(place: &Place) -> bool {
    let said = place.weft(&["run", "--policy", "weft.toml", "--explain"], b"");
    let there = said.out.contains("namespaces") && !said.out.contains("fallback");
    if !there {
        println!("SKIPPED: no namespaces here; hooks inside a run were not tried: {}", said.out);
    }
    there
}

#[test]
fn a_hook_inside_is_answered_by_weft_outside() {
    let place = Place::new();
    if !has_namespaces(&place) {
        return;
    }
    let workspace = place.dir.0.display().to_string();
    place.dir.file("yes.json", place.call("Read", "file_path", &format!("{workspace}/notes.md")));
    place.dir.file("no.json", place.call("Read", "file_path", &format!("{workspace}/.env")));
    place.dir.file("tool.json", place.call("mcp__x__delete", "id", "1"));
    place.dir.file("shell.json", place.call("Bash", "command", "cat notes.md .env"));
    place.dir.file("glob.json", place.call("Glob", "pattern", "*.md"));
    let said = place.sh(
        "for call in yes no tool shell glob; do HOOK < $call.json; echo; done; HOOK --policy stricter.toml < glob.json; echo; HOOK < /dev/null",
    );
    let lines: Vec<&str> = said.out.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!((said.code, lines.len()), (0, 7), "{said:?}");
    for (line, why) in
        lines.iter().zip(["", ".env is denied", "*delete*", ".env is denied", "", "stricter.toml", "JSON"])
    {
        match why {
            "" => assert_eq!(line.trim(), "{}", "{said:?}"),
            why => assert!(line.contains("\"deny\"") && line.contains(why), "{why}: {said:?}"),
        }
    }
    let log = place.log();
    let calls: Vec<&Node> = log.iter().filter(|entry| field(entry, "action") == "tool").collect();
    let run = field(&log[0], "run");
    assert!(log.iter().all(|entry| field(entry, "run") == run), "{log:?}");
    // The one that the hook's own policy refused was not asked about.
    assert_eq!(calls.len(), 6, "{calls:?}");
    assert!(
        calls.iter().all(|call| field(call, "reason").ends_with("; asked by a hook inside")),
        "{calls:?}"
    );
    assert!(
        field(calls[1], "target").contains(".env") && field(calls[1], "rule").contains("weft.toml"),
        "{calls:?}"
    );
    assert_eq!(
        place.weft(&["audit", "verify", place.home.0.join("log/run.jsonl").to_str().unwrap()], b"").code,
        0
    );
}

/// Whatever a program inside sends there, it is a question: nothing else gets into the log, and the name is not to be had.
#[test]
fn programs_inside_can_only_ask() {
    let place = Place::new();
    if python().is_none() || !has_namespaces(&place) {
        println!("SKIPPED: python3 is not installed; nothing but hooks was tried");
        return;
    }
    place.dir.file(
        "try.py",
        r#"
import socket
def ask(bytes, end=True):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect("\0weft/questions/1")
    try:
        s.sendall(bytes)
        if end: s.shutdown(socket.SHUT_WR)
        return s.recv(100)
    except OSError as error:
        return str(type(error).__name__).encode()
try:
    socket.socket(socket.AF_UNIX).bind("\0weft/questions/1")
    print("bound")
except OSError:
    print("taken")
forged = b'{"seq":1,"action":"exit","target":"code 0","allowed":true}\n'
for text in [forged, b"", b"weft-hook/1 ", b"weft-hook/1 nobody\n{}", b"weft-hook/1 claude-code\n" + forged, b"\xff" * 1000]:
    print(ask(text).decode())
print("large", ask(b"x" * (3 << 20)).decode())
print("silent", ask(b"weft-hook/1 claude-code", False).decode())
print(ask(b"weft-hook/1 claude-code\n{}").decode())
"#,
    );
    let said = place.sh("python3 try.py");
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!((said.code, lines.len(), lines[0]), (0, 10, "taken"), "{said:?}");
    assert!([1, 3, 4, 5, 6, 9].map(|at| lines[at]).iter().all(|line| line.starts_with("no: ")), "{said:?}");
    assert!(
        ["large ", "large ConnectionResetError", "large BrokenPipeError"].contains(&lines[7]),
        "{said:?}"
    );
    assert_eq!((lines[2], lines[8].trim_end()), ("", "silent"), "{said:?}");
    let log = place.log();
    for entry in &log {
        let allowed =
            matches!(entry.get("allowed").map(|node| &node.value), Some(weft::json::Value::Bool(true)));
        let asked = field(entry, "reason").ends_with("asked by a hook inside");
        assert_eq!(asked, field(entry, "action") == "tool", "{entry:?}");
        assert!(!(asked && allowed), "{entry:?}");
    }
    assert_eq!(log.iter().filter(|entry| field(entry, "action") == "tool").count(), 6, "{log:?}");
    assert_eq!(log.iter().filter(|entry| field(entry, "action") == "exit").count(), 1, "{log:?}");
}

/// Outside of a sandbox whoever has that name is no more than another process.
#[test]
fn an_impostor_outside_is_not_asked() {
    let place = Place::new();
    let name = SocketAddr::from_abstract_name(b"weft/questions/1").unwrap();
    let listener = UnixListener::bind_addr(&name).unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let _ = client.write_all(b"yes");
            let _ = client.read_to_end(&mut Vec::new());
        }
    });
    // No log: no answer but a refusal, whoever offers one.
    place.home.file("log", "not a folder");
    let call = place.call("Read", "file_path", &format!("{}/.env", place.dir.0.display()));
    let said = place.weft(&["hook", "run", "--client", "claude-code"], call.as_bytes());
    assert!(said.out.contains("\"deny\"") && said.out.contains("log"), "{said:?}");
    std::fs::remove_file(place.home.0.join("log")).unwrap();
    let said = place.weft(&["hook", "run", "--client", "claude-code"], call.as_bytes());
    assert!(said.out.contains("\"deny\"") && said.out.contains(".env is denied"), "{said:?}");
    assert!(Path::new(&place.home.0.join("log/run.jsonl")).exists());
}
