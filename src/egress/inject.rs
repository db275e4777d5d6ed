//! Requests to which weft adds a secret that nobody inside holds: plain HTTP from the inside to a name of weft's own
//! (`api-example-com.weft.internal`), TLS to the real host. One request on each connection, one thread for each request, because an
//! answer may take as long as it likes.

use super::job::{Job, Outcome};
use crate::net::{self, NetError};
use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use ureq::http::{HeaderName, HeaderValue, Request, header};
use ureq::{Agent, SendBody};

/// So many requests at once.
pub const AT_ONCE: usize = 64;
/// How long the server may think, or the client take to send and to read.
const SILENCE: Duration = Duration::from_secs(600);
/// Enough for a TLS handshake.
pub const STACK: usize = 512 * 1024;
/// The longest line of a chunked body.
const LINE: usize = 256;

/// What is added. It does not show when it is printed.
#[derive(Clone)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// From weft's own environment. For `Authorization` a value without a scheme is a bearer token (RFC 6750).
    pub fn from_env(variable: &str, header: &str) -> Option<Self> {
        let value = std::env::var(variable).ok().filter(|value| !value.is_empty())?;
        let bare = header.eq_ignore_ascii_case("authorization") && !value.contains(' ');
        Some(Self(if bare { format!("Bearer {value}") } else { value }))
    }
}

/// Connections to the hosts that are kept, by the address that was checked.
pub type Agents = Arc<Mutex<HashMap<(String, SocketAddr), Agent>>>;

impl Job {
    /// Does it, and answers the client.
    pub fn run(mut self) -> Outcome {
        let mut outcome = Outcome::default();
        let answered = self.exchange(&mut outcome);
        if let Err(Failed { status, why }) = answered {
            if status > 0 {
                // Who has gone needs no answer.
                let _ = self.client.write_all(&super::http::answer(status, &format!("{}: {why}", self.host)));
            }
            outcome.error = Some(why);
        }
        outcome
    }

    fn exchange(&mut self, outcome: &mut Outcome) -> Result<(), Failed> {
        self.client.set_nonblocking(false)?;
        self.client.set_read_timeout(Some(SILENCE))?;
        self.client.set_write_timeout(Some(SILENCE))?;
        let agent = self.agent()?;
        let uri = format!("https://{}{}", self.host, self.request.path);
        let mut outgoing = Request::builder().method(self.request.method.as_str()).uri(uri);
        for (name, value) in &self.request.headers {
            let added = self.added.as_ref().is_some_and(|(header, _)| name.eq_ignore_ascii_case(header));
            let ours = added || name.eq_ignore_ascii_case("expect");
            if !ours && !name.eq_ignore_ascii_case("transfer-encoding") {
                outgoing = outgoing.header(name, value);
            }
        }
        let bad = |why: &str| Failed { status: 502, why: why.to_owned() };
        if let Some((header, secret)) = &self.added {
            let name =
                HeaderName::from_bytes(header.as_bytes()).map_err(|_| bad("the header has no name"))?;
            let mut value = HeaderValue::from_str(&secret.0).map_err(|_| bad("the secret cannot be sent"))?;
            value.set_sensitive(true);
            outgoing = outgoing.header(name, value);
        }
        if let Some(length) = self.request.length {
            outgoing = outgoing.header(header::CONTENT_LENGTH, length);
        }
        if self.request.expects {
            self.client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let mut body = Body {
            source: &mut self.client,
            inbox: std::mem::take(&mut self.inbox),
            left: if self.request.chunked {
                Left::Size
            } else {
                Left::Bytes(self.request.length.unwrap_or(0))
            },
            chunked: self.request.chunked,
            allowed: self.left,
            sent: &mut outcome.sent,
        };
        let unsendable = |_| bad("the request cannot be sent");
        let answer = if self.request.chunked || self.request.length.is_some() {
            let outgoing = outgoing.body(SendBody::from_reader(&mut body)).map_err(unsendable)?;
            agent.run(agent.configure_request(outgoing).allow_non_standard_methods(true).build())
        } else {
            let outgoing = outgoing.body(()).map_err(unsendable)?;
            agent.run(agent.configure_request(outgoing).allow_non_standard_methods(true).build())
        };
        let answer = answer.map_err(|error| bad(&error.to_string()))?;
        self.answer(answer, outcome)
    }

    fn agent(&self) -> Result<Agent, Failed> {
        let key = (self.host.clone(), self.address);
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(&key) {
            return Ok(agent.clone());
        }
        let options = net::Options {
            pin: Some(self.address),
            silence: SILENCE,
            total: None,
            ..net::Options::default()
        };
        let agent = net::agent(&options)?;
        if agents.len() < AT_ONCE {
            agents.insert(key, agent.clone());
        }
        Ok(agent)
    }

    /// The answer as it comes, piece by piece.
    fn answer(
        &mut self,
        answer: ureq::http::Response<ureq::Body>,
        outcome: &mut Outcome,
    ) -> Result<(), Failed> {
        let (parts, body) = answer.into_parts();
        let status = parts.status.as_u16();
        let reason = parts.status.canonical_reason().unwrap_or("");
        let mut head = format!("HTTP/1.1 {status} {reason}\r\n").into_bytes();
        let hops =
            ["connection", "keep-alive", "transfer-encoding", "trailer", "upgrade", "proxy-authenticate"];
        let silent = self.request.method == "HEAD" || status == 204 || status == 304;
        for (name, value) in &parts.headers {
            if hops.contains(&name.as_str()) || (name == "content-length" && !silent) {
                continue;
            }
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                head.extend_from_slice(part);
            }
        }
        let chunked = !silent && !self.request.old;
        head.extend_from_slice(b"Connection: close\r\n");
        head.extend_from_slice(if chunked { b"Transfer-Encoding: chunked\r\n\r\n" } else { b"\r\n" });
        self.client.write_all(&head)?;
        if silent {
            return Ok(());
        }
        let mut reader = body.into_reader();
        let mut buffer = [0; 16 * 1024];
        loop {
            // The head is out: what breaks now can only be cut off.
            let cut = |error: io::Error| Failed { status: 0, why: format!("the answer broke off: {error}") };
            let count = reader.read(&mut buffer).map_err(cut)?;
            outcome.received += count as u64;
            if chunked {
                self.client.write_all(format!("{count:x}\r\n").as_bytes())?;
                self.client.write_all(&buffer[..count])?;
                self.client.write_all(b"\r\n")?;
            } else {
                self.client.write_all(&buffer[..count])?;
            }
            if count == 0 {
                return Ok(());
            }
        }
    }
}

/// Why there is no answer; with status 0 nobody can be told.
struct Failed {
    status: u16,
    why: String,
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self { status: 0, why: format!("the client is gone: {error}") }
    }
}

impl From<NetError> for Failed {
    fn from(error: NetError) -> Self {
        Self { status: 502, why: error.to_string() }
    }
}

/// What of a body is still to come.
enum Left {
    Bytes(u64),
    /// The size of the next chunk.
    Size,
    /// A line end, then a size.
    End,
    Nothing,
}

/// A body as the client sends it, without its chunks.
struct Body<'a> {
    source: &'a mut TcpStream,
    inbox: Vec<u8>,
    left: Left,
    chunked: bool,
    allowed: u64,
    sent: &'a mut u64,
}

impl Body<'_> {
    fn raw(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.inbox.is_empty() {
            return match self.source.read(buffer)? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                count => Ok(count),
            };
        }
        let count = buffer.len().min(self.inbox.len());
        buffer[..count].copy_from_slice(&self.inbox[..count]);
        self.inbox.drain(..count);
        Ok(count)
    }

    /// A line without its end.
    fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        let mut byte = [0];
        while line.len() < LINE {
            self.raw(&mut byte)?;
            line.push(byte[0]);
            if let Some(whole) = line.strip_suffix(b"\r\n") {
                return Ok(whole.to_vec());
            }
        }
        Err(io::Error::other("a line of the chunked body is too long"))
    }
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.left {
                Left::Nothing => return Ok(0),
                Left::Bytes(0) if self.chunked => self.left = Left::End,
                Left::Bytes(0) => return Ok(0),
                Left::Bytes(left) => {
                    let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    let count = self.raw(&mut buffer[..most])?;
                    if *self.sent + count as u64 > self.allowed {
                        return Err(io::Error::other("max_bytes_out is passed"));
                    }
                    *self.sent += count as u64;
                    self.left = Left::Bytes(left - count as u64);
                    return Ok(count);
                }
                Left::End => match self.line()?.is_empty() {
                    true => self.left = Left::Size,
                    false => return Err(io::Error::other("a chunk is longer than it says")),
                },
                Left::Size => {
                    let line = self.line()?;
                    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
                    let hex =
                        !digits.is_empty() && digits.len() <= 8 && digits.iter().all(u8::is_ascii_hexdigit);
                    let size =
                        std::str::from_utf8(digits).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
                    let size = size.filter(|_| hex).ok_or(io::Error::other("a chunk has no size"))?;
                    self.left = Left::Bytes(size);
                    if size == 0 {
                        // Fields after the last chunk are for the next stop only.
                        while !self.line()?.is_empty() {}
                        self.left = Left::Nothing;
                    }
                }
            }
        }
    }
}
