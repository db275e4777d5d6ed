//! A web server on loopback that answers as a test tells it to: properly, or in every bad way. Not a web server.

// Each test file uses its part; a failure here is a failed test.
#![allow(dead_code, clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request as it came in.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    /// A parameter of the query, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.target.split_once('?')?.1;
        let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
        Some(decode(found))
    }
}

/// `%XX` and `+`.
pub fn decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
                out.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
            }
            b'+' => out.push(b' '),
            byte => out.push(byte),
        }
    }
    String::from_utf8(out).unwrap()
}

/// What the server does with a request.
pub enum Act {
    /// Status, headers, body; the length is added.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Announces this many bytes, sends these, and closes.
    Cut(u64, Vec<u8>),
    /// Announces this many bytes, sends these, and then says nothing more until the client leaves.
    Stall(u64, Vec<u8>),
    /// These bytes, whatever they are, and closes.
    Raw(Vec<u8>),
}

impl Act {
    pub fn json(text: impl Into<String>) -> Act {
        Act::Answer(200, vec![("content-type", "application/json".into())], text.into().into_bytes())
    }

    pub fn text(status: u16, text: &str) -> Act {
        Act::Answer(status, vec![("content-type", "text/plain; charset=utf-8".into())], text.into())
    }

    pub fn redirect(status: u16, to: &str) -> Act {
        Act::Answer(status, vec![("location", to.into())], Vec::new())
    }
}

type Handler = dyn Fn(&Seen) -> Act + Send + Sync;

pub struct Server {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// So many connections are reset before anything is answered.
    pub resets: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
}

impl Server {
    pub fn start(handler: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server { address, seen: Arc::default(), resets: Arc::default(), stop: Arc::default() };
        let (seen, resets, stop) = (server.seen.clone(), server.resets.clone(), server.stop.clone());
        let handler: Arc<Handler> = Arc::new(handler);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (handler, seen, resets) = (handler.clone(), seen.clone(), resets.clone());
                thread::spawn(move || serve(stream, &*handler, &seen, &resets));
            }
        });
        server
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests until now.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// `GET /path` of all requests until now.
    pub fn calls(&self) -> Vec<String> {
        self.seen().iter().map(|seen| format!("{} {}", seen.method, seen.path())).collect()
    }

    pub fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(mut stream: TcpStream, handler: &Handler, seen: &Mutex<Vec<Seen>>, resets: &AtomicU32) {
    if resets.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
        // Closed with a request unread, the kernel sends a reset.
        let _ = stream.peek(&mut [0]);
        return;
    }
    let mut rest = Vec::new();
    while let Some(request) = request(&mut stream, &mut rest) {
        let head = request.method == "HEAD";
        let act = handler(&request);
        seen.lock().unwrap().push(request);
        match act {
            Act::Answer(status, headers, body) => {
                let mut out = format!("HTTP/1.1 {status} X\r\n");
                for (name, value) in headers {
                    out.push_str(&format!("{name}: {value}\r\n"));
                }
                out.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
                let mut out = out.into_bytes();
                if !head {
                    out.extend_from_slice(&body);
                }
                if stream.write_all(&out).is_err() {
                    return;
                }
            }
            Act::Cut(length, body) => {
                let _ = stream.write_all(&announced(length, &body));
                return;
            }
            Act::Stall(length, body) => {
                let _ = stream.write_all(&announced(length, &body));
                // Ends when the client closes.
                let _ = stream.read(&mut [0]);
                return;
            }
            Act::Raw(bytes) => {
                let _ = stream.write_all(&bytes);
                return;
            }
        }
    }
}

fn announced(length: u64, body: &[u8]) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 200 X\r\ncontent-length: {length}\r\n\r\n").into_bytes();
    out.extend_from_slice(body);
    out
}

fn request(stream: &mut TcpStream, rest: &mut Vec<u8>) -> Option<Seen> {
    let end = loop {
        if let Some(at) = rest.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        more(stream, rest)?;
    };
    let head = String::from_utf8(rest[..end].to_vec()).ok()?;
    rest.drain(..end + 4);
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut seen = Seen { method, target, headers, body: Vec::new() };
    let length = seen.header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    while rest.len() < length {
        more(stream, rest)?;
    }
    seen.body = rest.drain(..length).collect();
    Some(seen)
}

fn more(stream: &mut TcpStream, rest: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 16384];
    let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
    rest.extend_from_slice(&piece[..count]);
    Some(())
}
