//! `weft mcp --accept`: asks the server what it says of its tools now, shows what is different, and keeps it.

use super::Mcp;
use super::lines::{Line, Lines};
use super::server::Server;
use crate::agents::mcp::accepted::same;
use crate::agents::mcp::rpc::{self, Kind};
use crate::agents::mcp::{Accepted, filter, review};
use crate::agents::message;
use crate::cli::error::{Exit, Failure};
use crate::cli::hook::changed;
use crate::cli::policy::out;
use crate::cli::term::{is_interactive, say, yes};
use crate::json::{Node, Value, Writer};
use crate::policy::Policy;
use crate::scan::report::visible::visible_lines;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// More pages, or messages in between, than any list has.
const MESSAGES: usize = 10_000;

pub fn run(command: &Mcp, policy: &Policy, mut accepted: Accepted) -> Result<Exit, Failure> {
    let (mut server, output) = Server::start(command, false)?;
    let (send, lines) = channel();
    thread::spawn(move || {
        let mut read = Lines::new(output);
        while let Ok(Some(line)) = read.next() {
            let line = match line {
                Line::Whole(line) => message::read(line).ok(),
                Line::TooLong => None,
            };
            if send.send(line).is_err() {
                break;
            }
        }
    });
    let patience = command.answer_within.map_or(Duration::from_secs(60), |within| within.0);
    let listed = tools(&mut Asked { server: &server, lines, patience, asked: 0 });
    server.end(false);
    let now = listed?;
    let mut page = String::new();
    for (name, tool) in &now {
        let old = accepted.get(name);
        if old.is_some_and(|old| same(old, tool)) {
            continue;
        }
        let text = changed(&format!("tool {name}"), &old.map_or(String::new(), pretty), &pretty(tool));
        page.push_str(&text);
        if let Some(finding) = review::worst(&review::texts(tool)) {
            page.push_str(&format!("! it carries instructions: {finding}\n"));
        }
        let decision = filter::named(policy, name);
        if !decision.allowed {
            page.push_str(&format!("! the policy does not allow it: {}\n", decision.reason));
        }
    }
    for name in accepted.names().filter(|name| !now.contains_key(*name)) {
        page.push_str(&format!("--- tool {name}\nthe server has it no more\n"));
    }
    if page.is_empty() && !accepted.is_first() {
        say("nothing to accept: the tools are as they were");
        return Ok(Exit::Ok);
    }
    out(|out| out.write_all(visible_lines(&page).as_bytes()))?;
    let confirmed = command.yes || (is_interactive() && yes("accept this?"));
    if !confirmed {
        say("nothing was accepted; --yes accepts it");
        return Ok(Exit::Findings);
    }
    let count = now.len();
    accepted.replace(now);
    accepted.save().map_err(|error| Failure::file("cannot write", accepted.path(), &error))?;
    say(&format!("{count} tools accepted, kept in {}", accepted.path().display()));
    Ok(Exit::Ok)
}

fn pretty(tool: &Node) -> String {
    let mut text = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = Writer::new(&mut text).node(tool, true);
    text.push(b'\n');
    String::from_utf8_lossy(&text).into_owned()
}

struct Asked<'s> {
    server: &'s Server,
    lines: Receiver<Option<Node>>,
    patience: Duration,
    asked: u64,
}

impl Asked<'_> {
    fn ask(&mut self, method: &str, params: &[(&str, &Node)]) -> Result<Node, Failure> {
        self.asked += 1;
        let id = format!("weft-{}", self.asked);
        self.server.writer().send(rpc::request(&id, method, None, params));
        let wrong = |what: &str| {
            Failure::usage(format!("the server {what}"), method.to_owned(), "look at what it prints")
        };
        for _ in 0..MESSAGES {
            let message = match self.lines.recv_timeout(self.patience) {
                Ok(Some(message)) => message,
                Ok(None) => continue,
                Err(RecvTimeoutError::Timeout) => return Err(wrong("does not answer")),
                Err(RecvTimeoutError::Disconnected) => return Err(wrong("has ended")),
            };
            match rpc::kind(&message) {
                Ok(Kind::Response { id: answered }) if answered.as_str() == Some(&id) => {
                    return message.get("result").cloned().ok_or_else(|| wrong("answers with an error"));
                }
                // Whatever it asks, there is no client.
                Ok(Kind::Request { id, .. }) => {
                    self.server.writer().send(rpc::error(Some(id), rpc::METHOD, "there is no client"));
                }
                _ => {}
            }
        }
        Err(wrong("says too much"))
    }
}

/// All tools of the server, as any client would ask.
fn tools(asked: &mut Asked) -> Result<BTreeMap<String, Node>, Failure> {
    let text = |text: &str| Node { value: Value::String(text.to_owned()), at: 0 };
    let object = |members: Vec<(&str, Node)>| {
        let members = members.into_iter().map(|(name, node)| (name.to_owned(), node));
        Node { value: Value::Object(members.collect()), at: 0 }
    };
    let client = object(vec![("name", text("weft")), ("version", text(env!("CARGO_PKG_VERSION")))]);
    asked.ask(
        "initialize",
        &[
            ("protocolVersion", &text("2025-06-18")),
            ("capabilities", &object(Vec::new())),
            ("clientInfo", &client),
        ],
    )?;
    let ready = object(vec![("jsonrpc", text("2.0")), ("method", text("notifications/initialized"))]);
    asked.server.writer().send(rpc::line(&ready));
    let mut all = BTreeMap::new();
    let mut cursor: Option<Node> = None;
    for _ in 0..256 {
        let params: Vec<(&str, &Node)> = cursor.iter().map(|cursor| ("cursor", cursor)).collect();
        let result = asked.ask("tools/list", &params)?;
        for tool in result.get("tools").and_then(Node::as_array).unwrap_or_default() {
            let Some(name) = tool.get("name").and_then(Node::as_str) else { continue };
            if all.insert(name.to_owned(), tool.clone()).is_some() {
                let what = format!("the server has two tools of the name {name}");
                return Err(Failure::usage(what, "tools/list", "neither can be accepted"));
            }
        }
        cursor = result.get("nextCursor").filter(|next| next.as_str().is_some()).cloned();
        if cursor.is_none() {
            return Ok(all);
        }
    }
    Err(Failure::usage("the list of tools does not end", "tools/list", "look at the server"))
}
