//! `[monitor]` and `weft audit watch`: what is out of the ordinary is said, and where a policy wants it nothing goes on.

// A failure here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "support/cli.rs"]
mod cli;

use cli::{Dir, Said};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use weft::json::{Node, parse};

/// The folder is the workspace; the log stands in another.
struct Place {
    dir: Dir,
    state: Dir,
}

impl Place {
    fn new(monitor: &str) -> Place {
        let place = Place { dir: Dir::new(), state: Dir::new() };
        place.dir.file(
            "weft.toml",
            format!(
                "version = 1\nextends = ['base']\n[filesystem]\nwrite = ['${{WORKSPACE}}']\n[network]\nallow = [{{ host = 'a.com' }}]\n[tools]\nallow = ['*']\n[audit]\nfile = '${{STATE}}/log.jsonl'\n[monitor]\n{monitor}\n"
            ),
        );
        place
    }

    fn env(&self) -> [(&'static str, String); 2] {
        [("HOME", "/nowhere/home".into()), ("XDG_STATE_HOME", self.state.0.to_string_lossy().into_owned())]
    }

    fn weft(&self, args: &[&str]) -> Said {
        let env = self.env();
        let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.dir.weft_with(args, b"", &env)
    }

    fn log(&self) -> String {
        self.state.0.join("log.jsonl").to_string_lossy().into_owned()
    }

    fn spawn(&self, args: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_weft"))
            .args(args)
            .current_dir(&self.dir.0)
            .envs(self.env())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Asks a server about a tool so many times; which were allowed.
    fn calls(&self, count: usize) -> Vec<bool> {
        let stream = UnixStream::connect(self.dir.0.join("s")).unwrap();
        let mut write = stream.try_clone().unwrap();
        let mut lines = BufReader::new(stream).lines();
        let mut said = Vec::new();
        for id in 0..count {
            writeln!(write, "{{\"id\":{id},\"action\":\"tool\",\"target\":\"x\"}}").unwrap();
            let Some(Ok(line)) = lines.next() else { break };
            said.push(parse(&line).unwrap().get("allowed").and_then(Node::as_bool).unwrap());
        }
        said
    }
}

/// Its first line on standard error is there when it serves.
fn ready(child: &mut Child) -> BufReader<std::process::ChildStderr> {
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    err.read_line(&mut line).unwrap();
    assert!(line.contains("is answered for"), "{line}");
    err
}

#[test]
fn a_burst_is_told_paused_or_stopped() {
    for (action, allowed) in [("alert", vec![true; 9]), ("pause", [vec![true; 5], vec![false; 4]].concat())] {
        let place = Place::new(&format!("calls_per_5s = 5\naction = '{action}'"));
        let mut server = place.spawn(&["check", "--serve", "s"]);
        let mut err = ready(&mut server);
        assert_eq!(place.calls(9), allowed, "{action}");
        let mut line = String::new();
        err.read_line(&mut line).unwrap();
        assert!(line.contains("alert: burst: 6 calls of tools in 5 seconds"), "{line}");
        server.kill().unwrap();
        server.wait().unwrap();
        let log = std::fs::read_to_string(place.log()).unwrap();
        assert!(log.contains("\"action\":\"limit\",\"target\":\"monitor.burst\",\"allowed\":false"), "{log}");
    }
    let place = Place::new("calls_per_5s = 5\naction = 'stop'");
    let mut server = place.spawn(&["check", "--serve", "s"]);
    let _err = ready(&mut server);
    assert_eq!(place.calls(9), [true, true, true, true, true, false]);
    assert_eq!(server.wait().unwrap().code(), Some(1));
    assert_eq!(place.weft(&["audit", "verify", &place.log()]).code, 0);
}

#[test]
fn a_server_behind_weft_mcp_is_paused_or_ended() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("SKIPPED: python3 is not installed; weft mcp was not tried under a monitor");
        return;
    }
    let server = "while read -r line; do id=${line#*id\\\":}; id=${id%%,*}; case $line in *tools/list*) echo \"{\\\"jsonrpc\\\":\\\"2.0\\\",\\\"id\\\":$id,\\\"result\\\":{\\\"tools\\\":[{\\\"name\\\":\\\"x\\\",\\\"inputSchema\\\":{}}]}}\";; *) echo \"{\\\"jsonrpc\\\":\\\"2.0\\\",\\\"id\\\":$id,\\\"result\\\":{}}\";; esac; done";
    for (action, code) in [("pause", 0), ("stop", 1)] {
        let place = Place::new(&format!("calls_per_5s = 3\naction = '{action}'"));
        let mut child = place.spawn(&["mcp", "--", "sh", "-c", server]);
        let mut input = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = Vec::new();
        for id in 1..=6 {
            let line = format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{{\"name\":\"x\"}}}}\n"
            );
            if input.write_all(line.as_bytes()).is_err() {
                break;
            }
            let Some(Ok(line)) = lines.next() else { break };
            let answer = parse(&line).unwrap();
            assert_eq!(answer.get("id").and_then(Node::as_u64), Some(id));
            said.push(answer.get("result").is_some());
            if let Some(error) = answer.get("error") {
                assert!(
                    error.get("message").and_then(Node::as_str).unwrap().contains("by the monitor"),
                    "{line}"
                );
            }
        }
        assert_eq!(said[..4], [true, true, true, false], "{action}");
        assert!(said[3..].iter().all(|allowed| !allowed), "{action}: {said:?}");
        drop(input);
        assert_eq!(child.wait().unwrap().code(), Some(code), "{action}");
    }
}

#[test]
fn a_run_is_watched_too() {
    let place = Place::new("denied_per_minute = 3\naction = 'stop'\n[process]\nallow = ['sh']");
    let script = "for n in 1 2 3 4 5 6 7 8 9; do /usr/bin/env; done; echo end";
    let said = place.weft(&["run", "--", "sh", "-c", script]);
    assert_eq!(said.code, 125, "{said:?}");
    assert!(
        said.err.contains("the run was stopped by the monitor: 4 denials in a minute")
            && !said.out.contains("end"),
        "{said:?}"
    );
    let place = Place::new("denied_per_minute = 3\n[process]\nallow = ['sh']");
    let said = place.weft(&["run", "--", "sh", "-c", script]);
    assert!(
        said.code == 0
            && said.out.contains("end")
            && said.err.contains("alert: denials: 4 denials in a minute"),
        "{said:?}"
    );
}

#[test]
fn watch_tells_what_is_there_and_what_comes() {
    let place = Place::new("");
    for args in [
        &["check", "read", "notes.md"][..],
        &["check", "read", ".env"],
        &["check", "connect", "a.com:443"],
        &["check", "read", "/nowhere/home/.ssh/id_rsa"],
    ] {
        place.weft(args);
    }
    let log = place.log();
    let said = place.weft(&["audit", "watch", "--all", &log]);
    assert_eq!(said.code, 1, "{said:?}");
    // Each question of `weft check` is a run of its own, so that a chain is seen within one program only.
    assert!(said.count("credentials: credentials were asked for") == 2, "{said:?}");
    assert_eq!(place.weft(&["audit", "watch", "--all", "--agent", "nobody", &log]).code, 0);
    let said = place.weft(&["audit", "watch", "--all", "--format", "json", &log]);
    assert!(
        said.out
            .lines()
            .all(|line| parse(line).unwrap().get("alert").and_then(Node::as_str) == Some("credentials"))
    );
    // What is written later, by a program that reads a secret and then connects.
    let mut watch = place.spawn(&["audit", "watch", &log]);
    let mut alerts = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut server = place.spawn(&["check", "--serve", "s"]);
    let _err = ready(&mut server);
    // The watch is at the end of the log once it tells of something new; until then it is asked again.
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        while let Some(Ok(line)) = alerts.next() {
            if tell.send(line).is_err() {
                break;
            }
        }
    });
    let mut seen = String::new();
    for _ in 0..300 {
        let mut stream = UnixStream::connect(place.dir.0.join("s")).unwrap();
        stream.write_all(b"{\"id\":1,\"action\":\"read\",\"target\":\".env\"}\n{\"id\":2,\"action\":\"connect\",\"target\":\"a.com:443\"}\n").unwrap();
        let mut lines = BufReader::new(stream).lines();
        assert!(lines.next().is_some() && lines.next().is_some());
        while let Ok(line) = told.recv_timeout(std::time::Duration::from_millis(400)) {
            seen.push_str(&line);
            seen.push('\n');
        }
        if seen.contains("secret-then-send") {
            break;
        }
    }
    assert!(
        seen.contains("credentials: credentials were asked for and given")
            && seen.contains("secret-then-send: a.com:443"),
        "{seen}"
    );
    watch.kill().unwrap();
    watch.wait().unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    place.weft(&["audit", "watch", "--all", "nosuch.jsonl"]).refused("no such file");
    place.weft(&["audit", "watch", "--all", "--policy", "none.toml", &log]).refused("no such file");
    place.weft(&["audit", "watch", "--all", "."]).refused("cannot read the log");
}
