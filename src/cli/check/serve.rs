//! `weft check --serve`: questions on a Unix socket, answered in one thread. What a client sends and what it does not fetch is
//! bounded; a slow one waits for itself alone.

use super::{open, unlogged};
use crate::agents::call::refuse;
use crate::agents::message;
use crate::agents::query::Query;
use crate::audit::{Action, Log};
use crate::cli::error::{Exit, Failure};
use crate::cli::term::say;
use crate::json::{Node, Value, Writer};
use crate::monitor::PAUSE;
use crate::policy::report::members;
use crate::policy::{Decision, MonitorAction, Policy};
use crate::scan::names;
use crate::sys::net::{Poll, when};
use crate::sys::{process, signal, socket, stream};
use crate::words::reason;
use std::collections::HashMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Instant;

/// Clients at one time; who comes later is told so.
const CLIENTS: usize = 256;
/// A question with its newline.
const LINE: usize = 1024 * 1024;
/// With so much that a client has not fetched, it is read from no further.
const UNFETCHED: usize = 256 * 1024;

const LISTENER: u64 = 0;
const SIGNALS: u64 = 1;

struct Client {
    socket: OwnedFd,
    input: Vec<u8>,
    output: Vec<u8>,
    /// It is closed when the output is gone.
    closing: bool,
    /// It sends no more; what it sent is answered still.
    ended: bool,
    /// What is waited for.
    events: u32,
}

struct Server<'a> {
    policy: &'a Policy,
    log: Log,
    poll: Poll,
    clients: HashMap<u64, Client>,
    next: u64,
    /// The monitor lets nobody go on until then, and why.
    paused: Option<(Instant, String)>,
}

/// Removes the socket when the server ends, however it does.
struct Place<'a>(&'a Path);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0);
    }
}

pub fn run(policy: &Policy, name: &str, at: &Path) -> Result<Exit, Failure> {
    let failed = |error: io::Error| Failure::file("cannot serve on", at, &error);
    // Before the socket is there, so that nobody can end it without it being removed.
    let ends = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];
    signal::block(&ends).map_err(failed)?;
    let signals = signal::descriptor_of(&ends).map_err(failed)?;
    let mut log = open(policy)?;
    let listener = listen(at)?;
    let _place = Place(at);
    let shown = names::escape(at.as_os_str().as_encoded_bytes());
    let why = format!("weft {}", env!("CARGO_PKG_VERSION"));
    let begun = log
        .record(Action::Start, &format!("weft check --serve {shown}"), true, &why, None)
        .and_then(|()| log.record(Action::Policy, name, true, &format!("sha256 {}", policy.hash), None));
    begun.map_err(|error| unlogged(&error))?;
    let poll = Poll::new().map_err(failed)?;
    poll.add(&listener, LISTENER, when::IN).map_err(failed)?;
    poll.add(&signals, SIGNALS, when::IN).map_err(failed)?;
    let mut server = Server { policy, log, poll, clients: HashMap::new(), next: 2, paused: None };
    say(&format!("{name} is answered for on {shown}"));
    let mut found = Vec::new();
    loop {
        server.poll.wait(&mut found, -1).map_err(failed)?;
        for (token, _) in std::mem::take(&mut found) {
            match token {
                LISTENER => server.accept(&listener),
                SIGNALS => {
                    if let Some(signal) = signal::next(&signals).map_err(failed)? {
                        let target = format!("signal {}", signal.signal);
                        let ended = server.log.record(Action::Exit, &target, true, "asked to end", None);
                        ended.and_then(|()| server.log.sync()).map_err(|error| unlogged(&error))?;
                        return Ok(Exit::Ok);
                    }
                }
                token => server.serve(token)?,
            }
        }
    }
}

/// A socket for this user alone. What an earlier server left is taken away, nothing else.
fn listen(at: &Path) -> Result<UnixListener, Failure> {
    let failed = |error: io::Error| Failure::file("cannot serve on", at, &error);
    if let Ok(meta) = fs::symlink_metadata(at) {
        let shown = names::escape(at.as_os_str().as_encoded_bytes());
        if !meta.file_type().is_socket() {
            return Err(Failure::usage("something else is there", shown, "name another place"));
        }
        match UnixStream::connect(at) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                fs::remove_file(at).map_err(failed)?
            }
            _ => {
                return Err(Failure::usage(
                    "somebody serves there",
                    shown,
                    "end that, or name another place",
                ));
            }
        }
    }
    let before = process::umask(0o177);
    let bound = UnixListener::bind(at);
    process::umask(before);
    let listener = bound.map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

impl Server<'_> {
    fn accept(&mut self, listener: &UnixListener) {
        while let Ok((socket, _)) = stream::accept(listener) {
            // The folder may let others at the socket; only its owner and root may ask.
            let user = socket::peer_user(&socket);
            if !user.is_ok_and(|user| user == process::ids().0 || user == 0) {
                continue;
            }
            if self.clients.len() >= CLIENTS {
                let full = line(None, &refuse("there are too many clients"));
                let _ = stream::send(&socket, &full, &[], false);
                continue;
            }
            let token = self.next;
            self.next += 1;
            if self.poll.add(&socket, token, when::IN).is_ok() {
                let client = Client {
                    socket,
                    input: Vec::new(),
                    output: Vec::new(),
                    closing: false,
                    ended: false,
                    events: when::IN,
                };
                self.clients.insert(token, client);
            }
        }
    }

    /// Reads, answers and writes as far as it goes without waiting. An error ends the server: the log cannot go on.
    fn serve(&mut self, token: u64) -> Result<(), Failure> {
        let Some(mut client) = self.clients.remove(&token) else { return Ok(()) };
        let mut alive = client.read();
        let answered = loop {
            let answered = self.answers(&mut client);
            alive = client.write() && alive;
            // What was held back because too much was unfetched may go on now.
            let more = client.input.contains(&b'\n') && client.output.len() < UNFETCHED && !client.closing;
            if answered.is_err() || !more {
                break answered;
            }
        };
        client.closing |= client.ended && !client.input.contains(&b'\n');
        if alive && !(client.closing && client.output.is_empty()) {
            let room = client.output.len() < UNFETCHED && !client.closing && !client.ended;
            let wanted =
                if room { when::IN } else { 0 } | if client.output.is_empty() { 0 } else { when::OUT };
            if wanted == client.events || self.poll.change(client.socket.as_fd(), token, wanted).is_ok() {
                client.events = wanted;
                self.clients.insert(token, client);
            }
        }
        answered
    }

    /// Answers the whole lines that are there.
    fn answers(&mut self, client: &mut Client) -> Result<(), Failure> {
        let input = std::mem::take(&mut client.input);
        let mut rest = input.as_slice();
        let mut failed = Ok(());
        while let Some(length) = memchr::memchr(b'\n', rest)
            && client.output.len() < UNFETCHED
            && !client.closing
        {
            let text = rest[..length].trim_ascii();
            rest = &rest[length + 1..];
            if text.is_empty() {
                continue;
            }
            let (id, decision, logged) = self.decide(text);
            client.output.extend_from_slice(&line(id.as_ref(), &decision));
            if logged.is_err() {
                client.closing = true;
                failed = logged;
            }
        }
        if rest.len() >= LINE && !client.closing && memchr::memchr(b'\n', rest).is_none() {
            let long = refuse(format!("a question has at most {LINE} bytes"));
            client.output.extend_from_slice(&line(None, &long));
            client.closing = true;
        }
        client.input = rest.to_vec();
        failed
    }

    /// Says what the monitor found. Some: nobody goes on for now; an error ends the server.
    fn alerts(&mut self) -> Result<Option<String>, Failure> {
        let (alerts, action) = self.log.alerts();
        for alert in &alerts {
            say(&format!("alert: {}: {}", alert.kind, names::escape(alert.text.as_bytes())));
        }
        let Some(first) = alerts.first() else { return Ok(None) };
        let why = names::escape(first.text.as_bytes());
        match action {
            MonitorAction::Alert => Ok(None),
            MonitorAction::Pause => {
                self.paused = Some((Instant::now() + PAUSE, why.clone()));
                Ok(Some(why))
            }
            MonitorAction::Stop => {
                let _ = self.log.record(Action::Exit, "stopped", false, "by the monitor", None);
                let what = format!("stopped by the monitor: {why}");
                Err(Failure { exit: Exit::Findings, ..Failure::usage(what, "", "") })
            }
        }
    }

    fn decide(&mut self, text: &[u8]) -> (Option<Node>, Decision, Result<(), Failure>) {
        let wrong = |why: String| (None, refuse(why), Ok(()));
        let message = match message::read(text) {
            Ok(message) => message,
            Err(why) => return wrong(why),
        };
        let id =
            message.get("id").filter(|id| matches!(id.value, Value::String(_) | Value::Number(_))).cloned();
        let known = ["id", "action", "target", "input"];
        let strange =
            message.as_object().and_then(|all| all.iter().find(|(name, _)| !known.contains(&name.as_str())));
        if let Some((name, _)) = strange {
            return (id, refuse(format!("`{name}` is no part of a question")), Ok(()));
        }
        let text = |key: &str| message.get(key).and_then(Node::as_str);
        let (Some(action), Some(target)) = (text("action"), text("target")) else {
            return (id, refuse("a question has an `action` and a `target`, both texts"), Ok(()));
        };
        let query = match Query::new(action, target, message.get("input")) {
            Ok(query) => query,
            Err(why) => return (id, refuse(why), Ok(())),
        };
        let paused = self.paused.as_ref().filter(|(until, _)| *until > Instant::now());
        let decision = match paused {
            Some((_, why)) => refuse(format!("paused by the monitor: {why}")),
            None => query.decide(self.policy),
        };
        match self.log.decided(query.action(), &names::escape(target.as_bytes()), &decision) {
            Ok(()) => match self.alerts() {
                Ok(None) => (id, decision, Ok(())),
                Ok(Some(why)) => (id, refuse(format!("paused by the monitor: {why}")), Ok(())),
                Err(failure) => (id, refuse(failure.what.clone()), Err(failure)),
            },
            Err(error) => {
                let why = format!("the log cannot be written: {}", reason(&error.source));
                (id, refuse(why), Err(unlogged(&error)))
            }
        }
    }
}

impl Client {
    /// False: it is gone, or says nothing more.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        while self.input.len() < LINE && !self.closing && !self.ended && self.output.len() < UNFETCHED {
            match stream::receive(&self.socket, &mut buffer) {
                Ok(0) => {
                    self.ended = true;
                    return true;
                }
                Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    fn write(&mut self) -> bool {
        while !self.output.is_empty() {
            match stream::send(&self.socket, &self.output, &[], false) {
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }
}

/// One answer with its newline.
fn line(id: Option<&Node>, decision: &Decision) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = Writer::new(&mut out).object(|w| {
        match id {
            Some(id) => w.key("id")?.node(id, false)?,
            None => w.key("id")?.null()?,
        }
        members(w, decision)
    });
    out.push(b'\n');
    out
}
