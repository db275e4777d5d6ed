//! One connection: what it is at, what it has sent, what it is owed. Reads and writes its socket; knows no other connection.

use super::super::http::{Content, Head, Response};
use super::answer::{self, Manner};
use super::body::Collector;
use super::chunked::Chunked;
use crate::sys::stream;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// So much of a file is written in one call.
const PIECE: u64 = 512 << 10;

pub struct Conn {
    /// What its loop knows it by.
    pub token: u64,
    pub socket: OwnedFd,
    /// The other end; 127.0.0.1 for a Unix socket.
    pub peer: IpAddr,
    /// The other end is a proxy that is believed.
    pub trusted: bool,
    /// Whom the connection is counted for.
    pub counted: Option<IpAddr>,
    /// There may be something to read.
    pub readable: bool,
    /// The other side sends no more.
    pub ended: bool,
    /// What came, from `at` on not yet read.
    pub input: Vec<u8>,
    pub at: usize,
    /// So many bytes from `at` on hold no end of a head.
    pub seen: usize,
    pub stage: Stage,
    /// When the present wait began.
    pub since: Instant,
    /// No request has come yet.
    pub fresh: bool,
    pub manner: Manner,
    /// When the head of the request was whole.
    pub started: Instant,
    /// Something that the client sent, or may be sending, will not be read.
    pub dirty: bool,
    /// Counted as waiting for a request.
    pub idle: bool,
}

pub enum Stage {
    /// Waits for a request, or for the rest of its head.
    Head,
    Body(Box<Receiving>),
    /// A worker has the request.
    Asked,
    Writing(Outgoing),
    /// The answer is written and nothing more will be; what the client still sends is read away, so that the kernel does not
    /// answer it with a reset, which would take the answer from the client's hands.
    Draining,
}

/// A body that is coming.
pub struct Receiving {
    pub head: Head,
    /// Not here while a piece is on its way to the disk.
    pub collector: Option<Collector>,
    pub chunked: Option<Chunked>,
    /// What has not come yet, of a body without chunks.
    pub left: u64,
    /// Content so far, and how much is taken.
    pub received: u64,
    pub most: u64,
    /// Content that is not written yet.
    pub piece: Vec<u8>,
    pub pace: Pace,
}

impl Receiving {
    pub fn over(&self) -> bool {
        self.chunked.as_ref().map_or(self.left == 0, Chunked::over)
    }
}

/// An answer on its way out: its head, then its content.
pub struct Outgoing {
    pub status: u16,
    pub head: Vec<u8>,
    pub content: Option<Content>,
    pub written: u64,
    pub total: u64,
    pub pace: Pace,
}

impl Outgoing {
    /// `head` is an empty buffer.
    pub fn new(response: Response, manner: Manner, date: &str, mut head: Vec<u8>, now: Instant) -> Outgoing {
        let response = answer::checked(response);
        let follows = answer::head(&mut head, &response, manner, date);
        let content = follows.then_some(response.content);
        let total = head.len() as u64 + content.as_ref().map_or(0, Content::length);
        Outgoing { status: response.status, head, content, written: 0, total, pace: Pace::new(now) }
    }

    /// Writes once, as much as there is room for: how much that was. An error of the kind `WouldBlock` is no room.
    pub fn write(&mut self, socket: &OwnedFd) -> io::Result<u64> {
        let written = usize::try_from(self.written).unwrap_or(usize::MAX);
        let head = self.head.get(written..).unwrap_or_default();
        let beyond = self.written.saturating_sub(self.head.len() as u64);
        let rest = |bytes: &'_ [u8]| usize::try_from(beyond).unwrap_or(usize::MAX).min(bytes.len());
        let count = match &self.content {
            None => stream::send(socket, head, &[], false)?,
            Some(Content::Bytes(bytes)) => {
                stream::send(socket, head, bytes.get(rest(bytes)..).unwrap_or_default(), false)?
            }
            Some(Content::Shared(bytes)) => {
                stream::send(socket, head, bytes.get(rest(bytes)..).unwrap_or_default(), false)?
            }
            Some(Content::File { length, .. }) if !head.is_empty() => {
                stream::send(socket, head, &[], *length > 0)?
            }
            Some(Content::File { file, offset, length }) => {
                let piece = (length - beyond.min(*length)).min(PIECE) as usize;
                match stream::send_file(socket, file, offset + beyond, piece)? {
                    // It is shorter than it was said to be: the client must see that something is missing.
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    count => count,
                }
            }
        } as u64;
        self.written += count;
        Ok(count)
    }

    pub fn over(&self) -> bool {
        self.written >= self.total
    }
}

/// Does it go on at the least rate? Looked at in windows, so that a burst does not pay for a long silence.
pub struct Pace {
    since: Instant,
    done: u64,
}

impl Pace {
    pub fn new(now: Instant) -> Pace {
        Pace { since: now, done: 0 }
    }

    /// The time until now was not the client's.
    pub fn pardon(&mut self, now: Instant) {
        self.since = now;
    }

    /// `done` is all that has been moved so far.
    pub fn too_slow(&mut self, now: Instant, done: u64, window: Duration, rate: u64) -> bool {
        let past = now.duration_since(self.since);
        if past < window {
            return false;
        }
        let moved = done - self.done.min(done);
        if moved < rate.saturating_mul(past.as_secs()) {
            return true;
        }
        *self = Pace { since: now, done };
        false
    }
}
