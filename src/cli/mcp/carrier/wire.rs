//! One HTTP request on a connection of its own, each step of which has an end in time.

use crate::agents::mcp::http::Answer;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server of one's own may take until it listens.
const STARTING: Duration = Duration::from_secs(60);

/// Where requests go.
#[derive(Debug, Clone)]
pub struct Place {
    /// What is dialled: weft's own proxy, or a server in the same sandbox.
    pub addresses: Vec<SocketAddr>,
    /// As it stands in the request line: a whole URL for a proxy, a path for a server.
    pub target: String,
    /// The Host header.
    pub host: String,
    /// The server is only starting: until it was reached once, it is tried again.
    pub starting: bool,
}

/// When it is enough, for as long as it is not put off.
#[derive(Debug, Clone)]
pub struct Deadline(Arc<Mutex<Option<Instant>>>);

impl Deadline {
    /// None: never.
    pub fn after(time: Option<Duration>) -> Deadline {
        Deadline(Arc::new(Mutex::new(time.and_then(|time| Instant::now().checked_add(time)))))
    }

    /// From now on again.
    pub fn put_off(&self, time: Duration) {
        if let Some(until) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            *until = Instant::now().checked_add(time).unwrap_or(*until);
        }
    }

    /// How long there is; an error where there is no time left.
    fn left(&self) -> io::Result<Option<Duration>> {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        match left {
            Some(left) if left.is_zero() => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(left),
        }
    }
}

/// A connection that is read until its deadline.
#[derive(Debug)]
pub struct Timed {
    stream: TcpStream,
    deadline: Deadline,
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.deadline.left()?)?;
        match self.stream.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::ErrorKind::TimedOut.into()),
            read => read,
        }
    }
}

/// A request. The headers that HTTP itself needs are added.
#[derive(Debug)]
pub struct Request<'r> {
    pub method: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<&'r [u8]>,
}

impl Place {
    /// Sends a request and reads the head of its answer. `keep` gets the connection, so that it can be closed meanwhile.
    pub fn send(
        &self,
        request: &Request<'_>,
        deadline: &Deadline,
        keep: impl FnOnce(TcpStream),
    ) -> io::Result<Answer<Timed>> {
        let mut stream = self.connect(deadline)?;
        keep(stream.try_clone()?);
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: weft/{}\r\nAccept-Encoding: identity\r\nConnection: close\r\n",
            request.method,
            self.target,
            self.host,
            env!("CARGO_PKG_VERSION"),
        );
        for (name, value) in &request.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = request.body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(request.body.unwrap_or_default());
        stream.set_nodelay(true)?;
        stream.set_write_timeout(deadline.left()?)?;
        // Who refuses early may not read all of it, and its answer says why.
        let written = stream.write_all(&bytes);
        match (Answer::read(Timed { stream, deadline: deadline.clone() }), written) {
            (Err(_), Err(error)) => Err(error),
            (answer, _) => answer,
        }
    }

    fn connect(&self, deadline: &Deadline) -> io::Result<TcpStream> {
        let began = Instant::now();
        loop {
            let mut failed = io::Error::from(io::ErrorKind::NotFound);
            for address in &self.addresses {
                match TcpStream::connect(address) {
                    Ok(stream) => return Ok(stream),
                    Err(error) => failed = error,
                }
            }
            if !self.starting || began.elapsed() > STARTING {
                return Err(failed);
            }
            deadline.left()?;
            // Nobody tells when it listens.
            thread::sleep(Duration::from_millis(20));
        }
    }
}
