//! The end of a server that is reached by HTTP: it runs in the sandbox, in the place of a server that speaks on standard input and
//! output, so that all that is said of such a one holds for it: the filter on the outside, the egress as its only way out.
//! What it reads of the server is bounded; what cannot be passed on is answered as an error, by the id of the request.

mod inside;
mod wire;

pub use inside::{CARRY, run};

use super::lines::{Line, Lines};
use crate::agents::mcp::http::events::Event;
use crate::agents::mcp::http::{Answer, Events, Session};
use crate::agents::mcp::rpc::{self, Kind};
use crate::agents::message;
use crate::cli::term::say;
use crate::json::Node;
use crate::scan::names;
use crate::sys::process;
use crate::words::reason;
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use wire::{Deadline, Place, Request, Timed};

/// Requests at one time; the egress carries 64, and the stream of the server is one.
const AT_ONCE: usize = 48;
/// How long a server may take to take a notification.
const TAKING: Duration = Duration::from_secs(30);
/// How long it may take to hear that the session is over: shorter than a server on standard input has.
const LEAVING: Duration = Duration::from_secs(2);
/// How often a stream that breaks is taken up again without a message in between.
const AGAIN: u32 = 3;
/// How long a server may ask to be left alone before that, and how long it is if it does not say.
const RETRY: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];
/// Bytes of an answer that is a refusal.
const REFUSAL: u64 = 64 * 1024;
/// Stack of a thread that reads an answer.
const STACK: usize = 512 * 1024;

struct Carrier {
    place: Place,
    /// How long the server may take for an answer.
    patience: Duration,
    session: Mutex<Session>,
    out: Mutex<io::Stdout>,
    /// Connections of requests that wait, by their ids.
    running: Mutex<HashMap<String, Option<TcpStream>>>,
    room: Condvar,
}

/// Why a request has no answer.
enum Wrong {
    /// In words.
    Because(String),
    /// The server's own error.
    Said(Node),
    /// The server knows nothing of the session any more.
    Forgotten,
}

impl From<String> for Wrong {
    fn from(why: String) -> Wrong {
        Wrong::Because(why)
    }
}

impl From<io::Error> for Wrong {
    fn from(error: io::Error) -> Wrong {
        Wrong::Because(match error.kind() {
            io::ErrorKind::TimedOut => "the server did not answer in time".to_owned(),
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                format!("the server cannot be read: {error}")
            }
            _ => format!("the server cannot be reached: {}", reason(&error)),
        })
    }
}

/// How a stream of events ended.
enum Streamed {
    /// With the answer.
    Answered,
    /// Without it.
    Ended,
}

impl Carrier {
    fn new(place: Place, patience: Duration) -> Arc<Carrier> {
        Arc::new(Carrier {
            place,
            // The filter says first that time is up.
            patience: patience.saturating_add(Duration::from_secs(5)),
            session: Mutex::default(),
            out: Mutex::new(io::stdout()),
            running: Mutex::default(),
            room: Condvar::new(),
        })
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, Option<TcpStream>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries messages until nobody sends any.
    fn carry(self: &Arc<Carrier>) {
        let mut lines = Lines::new(io::stdin());
        while let Ok(Some(line)) = lines.next() {
            // weft itself writes these lines.
            let Line::Whole(line) = line else { continue };
            if let Ok(message) = message::read(line) {
                self.message(message);
            }
        }
        self.leave();
    }

    fn message(self: &Arc<Carrier>, message: Node) {
        match rpc::kind(&message) {
            Ok(Kind::Request { id, method }) => {
                let key = rpc::key(id);
                self.running().insert(key.clone(), None);
                if method == "initialize" {
                    // Whatever comes next is part of the session that this begins.
                    self.session().forget();
                    return self.request(&message, &key, true);
                }
                self.wait_for_room();
                let own = Arc::clone(self);
                let failed = rpc::error(
                    Some(id),
                    rpc::NO_ANSWER,
                    "too many requests at one time for the limits of the policy",
                );
                let asked = key.clone();
                let begun = thread::Builder::new()
                    .stack_size(STACK)
                    .spawn(move || own.request(&message, &asked, false));
                if begun.is_err() {
                    self.running().remove(&key);
                    self.write(&failed);
                }
            }
            Ok(Kind::Notification { method }) => {
                if !self.session().begun() {
                    // Without a handshake the end of the connection is what cancels, and nothing else is notified.
                    if method == "notifications/cancelled" {
                        self.cancel(&message);
                    }
                    return;
                }
                self.tell(&message);
                if method == "notifications/initialized" {
                    self.listen();
                }
            }
            Ok(Kind::Response { .. }) => self.tell(&message),
            Err(_) => {}
        }
    }

    fn wait_for_room(&self) {
        let mut running = self.running();
        while running.len() > AT_ONCE {
            running = self.room.wait(running).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn cancel(&self, message: &Node) {
        let id = message.get("params").and_then(|params| params.get("requestId"));
        if let Some(Some(stream)) = id.and_then(|id| self.running().remove(&rpc::key(id))) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.room.notify_all();
    }

    /// One line for the filter.
    fn write(&self, line: &[u8]) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        if out.write_all(line).and_then(|()| out.flush()).is_err() {
            // Nobody reads.
            process::exit_now(0);
        }
    }

    /// A request, to its end.
    fn request(&self, message: &Node, key: &str, begins: bool) {
        let Ok(Kind::Request { id, method }) = rpc::kind(message) else { return };
        let asked = self.ask(message, id, method, begins);
        let waits = self.running().remove(key).is_some();
        self.room.notify_all();
        // Whoever cancelled it is told nothing.
        let Some(wrong) = asked.err().filter(|_| waits) else { return };
        match wrong {
            Wrong::Because(why) => self.write(&rpc::error(Some(id), rpc::NO_ANSWER, &why)),
            Wrong::Said(error) => self.write(&rpc::error_of(id, &error)),
            Wrong::Forgotten => {
                self.write(&rpc::error(Some(id), rpc::NO_ANSWER, "the server has ended the session (404)"));
                say("the server has ended the session: a client has to start again");
                process::exit_now(1);
            }
        }
    }

    fn ask(&self, message: &Node, id: &Node, method: &str, begins: bool) -> Result<(), Wrong> {
        // What a client listens to for as long as it likes has no end in time.
        let most = (method != "subscriptions/listen").then_some(self.patience);
        let deadline = Deadline::after(most);
        let body = rpc::line(message);
        let request = self.post(message, &body)?;
        let key = rpc::key(id);
        let mut answer = self.place.send(&request, &deadline, |stream| self.keep(&key, stream))?;
        let given = answer.header("mcp-session-id")?.map(str::to_owned);
        if !begins {
            self.session().check(given.as_deref())?;
        }
        let mut done = |message: &Node| match begins {
            true => self.session().begin(given.as_deref(), message),
            false => Ok(()),
        };
        match (answer.status, answer.media()?.as_str()) {
            (200, "application/json") => {
                let bytes = message::all(&mut answer.body)?;
                let message = message::read(&bytes).map_err(unreadable)?;
                match rpc::kind(&message) {
                    Ok(Kind::Response { id: answered }) if rpc::key(answered) == key => {
                        done(&message)?;
                        self.write(&rpc::line(&message));
                        Ok(())
                    }
                    _ => Err("the server answered with something else than the answer".to_owned().into()),
                }
            }
            (200, "text/event-stream") => {
                let mut events = Events::new(answer.body);
                let mut tries = 0;
                loop {
                    let before = events.last_id.clone();
                    let streamed = self.stream(&mut events, Some(&key), &deadline, &mut done);
                    let broken = match streamed {
                        Ok(Streamed::Answered) => return Ok(()),
                        Ok(Streamed::Ended) => None,
                        Err(Wrong::Because(why)) => Some(why),
                        Err(other) => return Err(other),
                    };
                    tries = if events.last_id == before { tries + 1 } else { 1 };
                    // Only a stream that ended, not one that is wrong, is taken up again, where the server has said how.
                    let (None, Some(last)) = (&broken, events.last_id.clone().filter(|_| tries <= AGAIN))
                    else {
                        return Err(broken
                            .unwrap_or_else(|| "the stream of the server ended without the answer".to_owned())
                            .into());
                    };
                    thread::sleep(pause(events.retry));
                    let retry = events.retry;
                    let answer = self.open(Some(&last), &deadline, |stream| self.keep(&key, stream))?;
                    events = Events::new(answer.body);
                    (events.last_id, events.retry) = (Some(last), retry);
                }
            }
            (200, other) => {
                let other = other.chars().take(100).collect::<String>();
                Err(format!("the server answered with `{other}`, not with JSON or a stream of events").into())
            }
            (status, media) => {
                let json = media == "application/json";
                Err(self.refused(status, json, &mut answer))
            }
        }
    }

    fn post<'b>(&self, message: &Node, body: &'b [u8]) -> Result<Request<'b>, String> {
        let mut headers = self.session().headers_for(message)?;
        headers.push(("Content-Type", "application/json".to_owned()));
        headers.push(("Accept", "application/json, text/event-stream".to_owned()));
        Ok(Request { method: "POST", headers, body: Some(body.trim_ascii_end()) })
    }

    fn keep(&self, key: &str, stream: TcpStream) {
        if let Some(kept) = self.running().get_mut(key) {
            *kept = Some(stream);
        }
    }

    /// An answer that is a refusal, in words or as the error that it carries.
    fn refused(&self, status: u16, json: bool, answer: &mut Answer<Timed>) -> Wrong {
        if (300..400).contains(&status) {
            let to = answer.header("location").ok().flatten().unwrap_or("nowhere");
            let to: String = names::escape(to.as_bytes()).chars().take(200).collect();
            return format!("the server redirects to {to}: weft follows nobody there; give that address to --url if it is the one that is meant").into();
        }
        let mut text = Vec::new();
        // What cannot be read adds nothing to the status.
        let _ = (&mut answer.body).take(REFUSAL).read_to_end(&mut text);
        if json
            && let Ok(message) = message::read(&text)
            && let Some(error) = message.get("error").filter(|error| error.as_object().is_some())
        {
            return Wrong::Said(error.clone());
        }
        if status == 404 && self.session().is_kept() {
            return Wrong::Forgotten;
        }
        let text = String::from_utf8_lossy(&text);
        // weft's own egress says why.
        if let Some(why) = text.strip_prefix("weft: ").filter(|_| matches!(status, 400..=431 | 502..=504)) {
            return why.trim().chars().take(500).collect::<String>().into();
        }
        match status {
            202 | 204 => "the server took the request and will not answer it".to_owned(),
            401 => "the server wants to know who asks (401): [[network.inject]] adds a token to requests"
                .to_owned(),
            status => format!("the server refused with HTTP {status}"),
        }
        .into()
    }

    /// Messages of a stream, to the answer of the request with this key, or to the stream's end.
    fn stream(
        &self,
        events: &mut Events<impl Read>,
        key: Option<&str>,
        deadline: &Deadline,
        done: &mut dyn FnMut(&Node) -> Result<(), String>,
    ) -> Result<Streamed, Wrong> {
        loop {
            let event = match events.event() {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(Streamed::Ended),
                // Cut off where it has ids is as good as an end.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && events.last_id.is_some() => {
                    return Ok(Streamed::Ended);
                }
                Err(error) => return Err(error.into()),
            };
            let Some(message) = read(&event)? else { continue };
            match (rpc::kind(&message).map_err(unreadable)?, key) {
                (Kind::Response { id }, Some(key)) if rpc::key(id) == key => {
                    done(&message)?;
                    self.write(&rpc::line(&message));
                    return Ok(Streamed::Answered);
                }
                (Kind::Response { .. }, _) => {
                    return Err("the server answered something else in the stream of a request"
                        .to_owned()
                        .into());
                }
                (Kind::Notification { method: "notifications/progress" }, Some(_)) => {
                    deadline.put_off(self.patience)
                }
                _ => {}
            }
            self.write(&rpc::line(&message));
        }
    }

    /// A stream of the server's own, or one that is taken up again.
    fn open(
        &self,
        last: Option<&str>,
        deadline: &Deadline,
        keep: impl FnOnce(TcpStream),
    ) -> Result<Answer<Timed>, Wrong> {
        let mut headers = self.session().headers();
        headers.push(("Accept", "text/event-stream".to_owned()));
        headers.extend(last.map(|last| ("Last-Event-ID", last.to_owned())));
        let request = Request { method: "GET", headers, body: None };
        let mut answer = self.place.send(&request, deadline, keep)?;
        self.session().check(answer.header("mcp-session-id")?)?;
        match (answer.status, answer.media()?.as_str()) {
            (200, "text/event-stream") => Ok(answer),
            (200, _) => {
                Err("the server answered with something else than a stream of events".to_owned().into())
            }
            (status, media) => {
                let json = media == "application/json";
                Err(self.refused(status, json, &mut answer))
            }
        }
    }

    /// A notification, or an answer of the client.
    fn tell(&self, message: &Node) {
        let told = || -> Result<(), Wrong> {
            let body = rpc::line(message);
            let request = self.post(message, &body)?;
            let deadline = Deadline::after(Some(TAKING.min(self.patience)));
            let mut answer = self.place.send(&request, &deadline, drop)?;
            match answer.status {
                200..=299 => Ok(()),
                status => Err(self.refused(status, false, &mut answer)),
            }
        };
        match told() {
            Ok(()) => {}
            Err(Wrong::Because(why)) => {
                say(&format!("a message did not reach the server: {}", names::escape(why.as_bytes())))
            }
            Err(_) => say("a message did not reach the server: it has ended the session"),
        }
    }

    /// What the server says of its own accord, in a thread, where it offers that.
    fn listen(self: &Arc<Carrier>) {
        let own = Arc::clone(self);
        // Without the thread there is no such stream, as with servers that offer none.
        let _ = thread::Builder::new().stack_size(STACK).spawn(move || {
            let forever = Deadline::after(None);
            let (mut last, mut failed) = (None, 0);
            while failed < AGAIN {
                let Ok(answer) = own.open(last.as_deref(), &forever, drop) else { return };
                let mut events = Events::new(answer.body);
                events.last_id.clone_from(&last);
                if let Err(Wrong::Because(why)) = own.stream(&mut events, None, &forever, &mut |_| Ok(())) {
                    say(&format!(
                        "the stream of the server is not read any further: {}",
                        names::escape(why.as_bytes())
                    ));
                    return;
                }
                failed = if events.last_id == last { failed + 1 } else { 1 };
                last.clone_from(&events.last_id);
                thread::sleep(pause(events.retry));
            }
        });
    }

    /// The session is over.
    fn leave(&self) {
        if self.session().is_kept() {
            let request = Request { method: "DELETE", headers: self.session().headers(), body: None };
            // A server need not know how, and may be gone.
            let _ = self.place.send(&request, &Deadline::after(Some(LEAVING)), drop);
        }
    }
}

fn pause(asked: Option<Duration>) -> Duration {
    asked.unwrap_or(RETRY[0]).min(RETRY[1])
}

fn unreadable(why: String) -> Wrong {
    format!("the server sent what cannot be passed on: {why}").into()
}

/// The message of an event; none where it is not one.
fn read(event: &Event) -> Result<Option<Node>, Wrong> {
    if !matches!(event.kind.as_str(), "" | "message") || event.data.is_empty() {
        return Ok(None);
    }
    message::read(event.data.as_bytes()).map(Some).map_err(unreadable)
}
