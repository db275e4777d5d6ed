//! A client of `weft mcp`, a line at a time. Shared by its tests.

// Each test file uses its part; a failure here is a failed test.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use weft::json::{Node, parse};

pub struct Client {
    pub child: Child,
    pub input: Option<ChildStdin>,
    pub lines: Receiver<String>,
    pub said: Receiver<String>,
    id: u64,
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Client {
    /// Starts weft as a client of MCP would.
    pub fn start(command: &mut Command) -> Client {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (send, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).for_each(|line| drop(send.send(line))));
        let (tell, said) = channel();
        let err = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || err.lines().map_while(Result::ok).for_each(|line| drop(tell.send(line))));
        let input = child.stdin.take();
        Client { child, input, lines, said, id: 0 }
    }

    pub fn send(&mut self, line: &[u8]) {
        let input = self.input.as_mut().unwrap();
        input.write_all(line).unwrap();
        input.write_all(b"\n").unwrap();
        input.flush().unwrap();
    }

    pub fn next(&mut self) -> Node {
        match self.lines.recv_timeout(Duration::from_secs(60)) {
            Ok(line) => parse(&line).unwrap_or_else(|error| panic!("{error} in {line:?}")),
            Err(_) => panic!("no answer; it said {:?}", self.said.try_iter().collect::<Vec<_>>()),
        }
    }

    pub fn ask(&mut self, method: &str, params: &str) -> Node {
        self.id += 1;
        let id = self.id;
        self.send(
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#).as_bytes(),
        );
        let said = self.next();
        assert_eq!(said.get("id").and_then(Node::as_u64), Some(id), "{said:?}");
        assert_eq!(said.get("jsonrpc").and_then(Node::as_str), Some("2.0"));
        said
    }

    pub fn begin(&mut self) -> Node {
        let said = self.ask(
            "initialize",
            r#"{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}"#,
        );
        self.send(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        said
    }

    pub fn call(&mut self, tool: &str, arguments: &str) -> Node {
        self.ask("tools/call", &format!(r#"{{"name":"{tool}","arguments":{arguments}}}"#))
    }

    pub fn names(&mut self, method: &str, list: &str, key: &str) -> Vec<String> {
        let said = self.ask(method, "{}");
        let items =
            said.get("result").and_then(|result| result.get(list)).and_then(Node::as_array).unwrap().to_vec();
        items.iter().map(|item| item.get(key).and_then(Node::as_str).unwrap().to_owned()).collect()
    }

    /// The client goes; the exit code.
    pub fn end(mut self) -> i32 {
        drop(self.input.take());
        self.child.wait().unwrap().code().unwrap()
    }
}

/// The text of a tool's answer.
pub fn text(said: &Node) -> &str {
    let content = said.get("result").and_then(|result| result.get("content")).and_then(Node::as_array);
    content
        .and_then(|content| content[0].get("text"))
        .and_then(Node::as_str)
        .unwrap_or_else(|| panic!("{said:?}"))
}

/// Code and text of an error.
#[track_caller]
pub fn refused(said: &Node, code: &str, with: &str) {
    let error = said.get("error").unwrap_or_else(|| panic!("{said:?}"));
    let message = error.get("message").and_then(Node::as_str).unwrap();
    assert!(message.starts_with("weft: ") && message.contains(with), "{message}");
    assert!(
        matches!(&error.get("code").unwrap().value, weft::json::Value::Number(number) if number == code),
        "{error:?}"
    );
}
