//! A stream of events (`text/event-stream`, HTML §9.2) as MCP uses it: each event is a message. Bounded, whatever the server sends.

use crate::agents::message;
use std::io::{self, Read};
use std::time::Duration;

/// A longer line is no message; names and colons are beside the data.
const LINE: usize = message::MOST + 64;
/// A longer id is not sent back.
const ID: usize = 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What kind of event it says it is; empty where it says nothing, which is a message.
    pub kind: String,
    pub data: String,
}

/// Events of a body, one after the other.
#[derive(Debug)]
pub struct Events<R> {
    from: R,
    buffer: Vec<u8>,
    at: usize,
    /// A line that ended in CR may go on with an LF.
    after_cr: bool,
    first: bool,
    /// The id of the last event that had one: where the stream can be taken up again.
    pub last_id: Option<String>,
    /// How long the server wants to be left alone before that.
    pub retry: Option<Duration>,
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

impl<R: Read> Events<R> {
    pub fn new(from: R) -> Events<R> {
        Events { from, buffer: Vec::new(), at: 0, after_cr: false, first: true, last_id: None, retry: None }
    }

    /// None at the end of the stream; an event that is not whole then is dropped, as the standard says.
    ///
    /// # Errors
    /// The stream broke, or an event is too large or not UTF-8.
    pub fn event(&mut self) -> io::Result<Option<Event>> {
        let mut event = Event { kind: String::new(), data: String::new() };
        let (mut has_data, mut id) = (false, None);
        while let Some(line) = self.line()? {
            if line.is_empty() {
                if id.is_some() {
                    self.last_id = id.take();
                }
                if has_data {
                    return Ok(Some(event));
                }
                event.kind.clear();
                continue;
            }
            let line = String::from_utf8(line).map_err(|_| wrong("an event is not UTF-8"))?;
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "data" => {
                    if has_data {
                        event.data.push('\n');
                    }
                    has_data = true;
                    event.data.push_str(value);
                    if event.data.len() > message::MOST {
                        return Err(wrong("an event is too large"));
                    }
                }
                "event" if value.len() <= ID => event.kind = value.to_owned(),
                "event" => return Err(wrong("the name of an event is too long")),
                // What cannot stand in a header cannot be sent back.
                "id" if value.len() <= ID && value.bytes().all(|byte| matches!(byte, 0x21..=0x7e)) => {
                    id = Some(value.to_owned());
                }
                "id" => return Err(wrong("the id of an event cannot be sent back")),
                "retry" => {
                    self.retry = value.parse().ok().map(Duration::from_millis).or(self.retry);
                }
                // A comment, or what does not exist yet.
                _ => {}
            }
        }
        Ok(None)
    }

    /// A line without its end, which is CR, LF or both.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        loop {
            if self.at == self.buffer.len() {
                self.buffer.resize(16 * 1024, 0);
                let count = loop {
                    match self.from.read(&mut self.buffer) {
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        read => break read,
                    }
                };
                self.at = 0;
                self.buffer.truncate(*count.as_ref().unwrap_or(&0));
                if count? == 0 {
                    return Ok(None);
                }
            }
            if std::mem::take(&mut self.after_cr) && self.buffer[self.at] == b'\n' {
                self.at += 1;
                continue;
            }
            let rest = &self.buffer[self.at..];
            let end = memchr::memchr2(b'\n', b'\r', rest);
            line.extend_from_slice(&rest[..end.unwrap_or(rest.len())]);
            if line.len() > LINE {
                return Err(wrong("an event is too large"));
            }
            let Some(end) = end else {
                self.at = self.buffer.len();
                continue;
            };
            self.after_cr = rest[end] == b'\r';
            self.at += end + 1;
            if std::mem::take(&mut self.first) && line.starts_with(b"\xef\xbb\xbf") {
                line.drain(..3);
            }
            return Ok(Some(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn all(text: &str, step: usize) -> (Vec<(String, String)>, Option<String>, Option<Duration>) {
        let mut events = Events::new(Slow(text.as_bytes(), step));
        let mut out = Vec::new();
        while let Some(event) = events.event().unwrap() {
            out.push((event.kind, event.data));
        }
        (out, events.last_id, events.retry)
    }

    #[test]
    fn events_are_those_of_the_standard() {
        let text = "\u{feff}: hello\r\nid: 7\r\nretry: 250\r\nevent: message\r\ndata: {\r\ndata:}\r\n\r\n\
                    event: other\n\ndata\n\ndata: a\rdata:  b\r\revent: ping\ndata: x\nunknown: y\n\ndata: not whole";
        for step in [1, 2, 3, 1000] {
            let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
            let (events, id, retry) = all(text, step);
            assert_eq!(events, [pair("message", "{\n}"), pair("", ""), pair("", "a\n b"), pair("ping", "x")]);
            assert_eq!((id.as_deref(), retry), (Some("7"), Some(Duration::from_millis(250))), "{step}");
        }
    }

    #[test]
    fn an_event_has_an_end() {
        let large = "x".repeat(message::MOST + 100);
        let lines = "data: 0123456789\n".repeat(message::MOST / 10);
        let nul = "id: a\0b\ndata: x\n\n".to_owned();
        for text in [format!("data: {large}"), lines, format!(": {large}\n"), format!("id: {large}\n"), nul] {
            let mut events = Events::new(text.as_bytes());
            let error = events.event().expect_err("too large");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
        assert!(Events::new(&b"data: \xff\n\n"[..]).event().is_err());
    }
}
