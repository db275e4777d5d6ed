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
            // A server that was stopped reads no more.
            let asked = writeln!(write, "{{\"id\":{id},\"action\":\"tool\",\"target\":\"x\"}}");
            let Some(Ok(line)) = asked.ok().and_then(|()| lines.next()) else { break };
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

/// A receiver on loopback that answers with a status, or not at all; hands over what it got.
fn receiver(status: Option<u16>) -> (String, std::sync::mpsc::Receiver<(String, Node)>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/hook?key=1", listener.local_addr().unwrap());
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            loop {
                let (mut head, mut length) = (String::new(), 0);
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                        break;
                    }
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    head.push_str(&line);
                }
                if head.is_empty() {
                    break;
                }
                let mut body = vec![0; length];
                std::io::Read::read_exact(&mut reader, &mut body).unwrap();
                let body = parse(std::str::from_utf8(&body).unwrap()).unwrap();
                let _ = tell.send((head, body));
                match status {
                    Some(status) => {
                        write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n").unwrap();
                    }
                    None => {
                        held.push(stream);
                        break;
                    }
                }
            }
        }
    });
    (address, told)
}

#[test]
fn alerts_go_to_a_webhook_and_a_receiver_that_fails_harms_no_run() {
    let script = "for n in 1 2 3 4 5 6 7 8 9; do /usr/bin/env; done; echo end";
    let run = |webhook: &str, env: &[(&str, &str)]| {
        let place =
            Place::new(&format!("denied_per_minute = 3\nwebhook = '{webhook}'\n[process]\nallow = ['sh']"));
        let own = place.env();
        let mut all: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.extend(env);
        let said = place.dir.weft_with(&["run", "--", "sh", "-c", script], b"", &all);
        assert!(said.code == 0 && said.out.contains("end"), "{said:?}");
        let log = std::fs::read_to_string(place.log()).unwrap();
        assert_eq!(place.weft(&["audit", "verify", &place.log()]).code, 0);
        let webhook = log.lines().filter(|line| line.contains("\"target\":\"monitor.webhook\""));
        webhook.map(str::to_owned).collect::<Vec<_>>()
    };
    // Delivered: nothing more in the log.
    let (address, told) = receiver(Some(204));
    assert_eq!(run(&address, &[]), [""; 0]);
    let (head, body) = told.recv().unwrap();
    assert!(head.starts_with("POST /hook?key=1 ") && head.contains("application/json"), "{head}");
    let text = |key: &str| body.get(key).and_then(Node::as_str).unwrap_or_default().to_owned();
    assert_eq!(
        (text("schema"), text("alert"), text("agent_id")),
        ("weft.alert/1".into(), "denials".into(), "base".into())
    );
    assert!(text("text").contains("4 denials in a minute") && text("policy").len() == 64, "{body:?}");
    // The address in a variable of weft's own, which the command does not see.
    assert_eq!(run("env:ALERTS", &[("ALERTS", &address)]), [""; 0]);
    assert_eq!(told.recv().unwrap().1.get("alert").and_then(Node::as_str), Some("denials"));
    // Not delivered: that is in the log, and the run ends as it would.
    let refusing = receiver(Some(500)).0;
    let silent = receiver(None).0;
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    for (webhook, env, why) in [
        (refusing.as_str(), &[][..], "the receiver answered with 500"),
        (&silent, &[], "1 alerts were still on their way at the end of the run"),
        (&nobody, &[], "not delivered: denials: "),
        ("env:ALERTS", &[], "the variable ALERTS is not set"),
        ("env:ALERTS", &[("ALERTS", "http://192.0.2.1/x")], "does not hold an https address"),
        ("env:ALERTS", &[("ALERTS", "env:ALERTS")], "does not hold an https address"),
    ] {
        let entries = run(webhook, env);
        assert!(entries.len() == 1 && entries[0].contains(why), "{webhook}: {entries:?}");
    }
}

#[test]
fn a_webhook_that_others_could_read_is_refused() {
    for (webhook, why) in [
        ("http://example.com/x", "would be sent in plain text"),
        ("http://localhost.example.com/", "would be sent in plain text"),
        ("http://10.0.0.1/", "would be sent in plain text"),
        ("ftp://example.com/", "is not an https address"),
        ("example.com", "is not an https address"),
        ("https://user@example.com/", "has no host that can be read"),
        ("https://", "has no host that can be read"),
        ("https://exa mple.com/", "is not an https address"),
        ("env:", "names no variable"),
        ("env:A=B", "names no variable"),
    ] {
        let place = Place::new(&format!("webhook = \"{webhook}\""));
        let said = place.weft(&["policy", "check", "weft.toml"]);
        assert!(
            said.code == 2 && said.out.contains(why) && said.out.contains("weft.toml:12:11:"),
            "{webhook}: {said:?}"
        );
    }
    for webhook in [
        "https://example.com/x?y=z",
        "http://127.0.0.1:9/",
        "http://[::1]:9/x",
        "http://localhost/",
        "env:ALERTS",
    ] {
        let place = Place::new(&format!("webhook = '{webhook}'"));
        let said = place.weft(&["policy", "show", "--resolved", "weft.toml"]);
        assert!(
            said.code == 0
                && said.out.lines().any(|line| line.starts_with("webhook ") && line.contains(webhook)),
            "{webhook}: {said:?}"
        );
    }
    let with = Place::new("webhook = 'env:A'");
    with.dir.file("without.toml", with.dir.read("weft.toml").replace("webhook = 'env:A'", ""));
    with.dir.file("other.toml", with.dir.read("weft.toml").replace("env:A", "env:B"));
    for (old, new, said) in [
        (
            "weft.toml",
            "without.toml",
            "wider     low     weft.toml:12: monitor.webhook: alerts are no longer sent",
        ),
        ("without.toml", "weft.toml", "narrower          weft.toml:12: monitor.webhook: alerts are sent"),
        (
            "weft.toml",
            "other.toml",
            "changed           weft.toml:12: monitor.webhook: alerts are sent to env:B",
        ),
    ] {
        let diff = with.weft(&["policy", "diff", old, new]);
        assert!(diff.code == 0 && diff.out.contains(said), "{said}: {diff:?}");
    }
}

/// Lines that nobody can read, and more runs than are watched, are alerts, not silence; and alerts of every line are told as they come.
#[test]
fn what_a_hostile_log_hides_is_told() {
    let place = Place::new("");
    let entry = |seq: usize, run: usize, target: &str| {
        format!(
            "{{\"seq\":{seq},\"time\":\"2026-01-01T00:00:00.{seq:06}Z\",\"run\":\"r{run}\",\"agent_id\":\"a\",\"policy\":\"x\",\"action\":\"read\",\"target\":\"{target}\",\"allowed\":true,\"reason\":\"\",\"prev\":\"\"}}\n"
        )
    };
    let kinds = |text: String| -> Vec<String> {
        std::fs::write(place.log(), text).unwrap();
        let said = place.weft(&["audit", "watch", "--all", "--format", "json", &place.log()]);
        let lines = said.out.lines().map(|line| parse(line).unwrap());
        let kinds: Vec<String> =
            lines.map(|line| line.get("alert").and_then(Node::as_str).unwrap().to_owned()).collect();
        assert_eq!(said.code, i32::from(!kinds.is_empty()), "{said:?}");
        kinds
    };
    assert_eq!(kinds(entry(1, 1, "/x")), [] as [&str; 0]);
    assert_eq!(kinds(entry(1, 1, "/x") + "nonsense\n{}\n"), ["unreadable"]);
    // Longer than weft writes a field: what is in it is not looked at, and that is said.
    assert_eq!(kinds(entry(1, 1, &format!("/home/u/.ssh/{}", "x".repeat(20_000)))), ["unreadable"]);
    let runs: String = (0..2000).map(|n| entry(n, n, "/x")).collect();
    assert_eq!(kinds(runs), ["unwatched"]);
    let secrets: String = (0..2000).map(|n| entry(n, n, "/home/u/.ssh/id_rsa")).collect();
    let found = kinds(secrets);
    assert_eq!(found.iter().filter(|kind| *kind == "credentials").count(), 2000);
    assert_eq!(found.len(), 2001);
}
