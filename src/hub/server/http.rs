//! What the front hands to whoever answers, and what it takes back. No sockets and no parsing here.

use crate::digest::Sha256;
use std::borrow::Cow;
use std::fs::File;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Methods that are answered; every other one is 501 before anyone is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    /// Answered as `Get`; the front leaves the body out.
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

/// A request up to its empty line, checked: one host, at most one length, no control characters.
#[derive(Clone, Debug)]
pub struct Head {
    pub method: Method,
    /// As it came, percent-encoded, beginning with `/`, without the query. An absolute form is taken apart before.
    pub path: String,
    /// Behind the `?`, as it came; empty where there is none.
    pub query: String,
    /// The `Host` header, lower case, with its port where it has one.
    pub host: String,
    /// Names in lower case, in the order they came. Values are visible ASCII, spaces and tabs, or UTF-8.
    pub headers: Vec<(String, String)>,
    /// Who asks: the connection's other end or, behind a proxy that the configuration trusts, whom that proxy names.
    pub peer: IpAddr,
    /// Did the asker speak TLS, as far as a trusted proxy says (`X-Forwarded-Proto`)?
    pub secure: bool,
    /// What the body will measure; 0 where there is none.
    pub length: u64,
}

impl Head {
    /// The first header of this name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What is to be done with a request, said when its head has come and its body has not.
#[derive(Debug)]
pub enum Plan {
    /// The answer at once, on the thread that serves all connections: for what takes microseconds and cannot block. A body
    /// that is still to come is not read, and the connection ends behind the answer.
    Now(Response),
    /// Read what body there is, up to so many bytes, into memory; then ask a worker.
    Memory(u64),
    /// Read the body into a file, hashing it; then ask a worker.
    File(u64),
    /// The body is multipart/form-data: each part goes where it fits; then ask a worker.
    Multipart(Bounds),
}

/// What a multipart body may hold.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub parts: usize,
    /// A part without a file name is kept in memory, up to so many bytes.
    pub field: usize,
    /// A part with a file name goes to a file, up to so many bytes.
    pub file: u64,
    /// All parts together.
    pub all: u64,
}

/// A whole request.
#[derive(Debug)]
pub struct Request {
    pub head: Head,
    pub body: Body,
}

#[derive(Debug)]
pub enum Body {
    Memory(Vec<u8>),
    File(Spooled),
    Parts(Vec<Part>),
}

/// A body, or a part of one, on disk in the spool folder. Dropping it removes the file.
#[derive(Debug)]
pub struct Spooled {
    pub path: PathBuf,
    pub length: u64,
    pub sha256: Sha256,
}

impl Drop for Spooled {
    fn drop(&mut self) {
        // Whoever kept the content has renamed the file away.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A part of a multipart body (RFC 7578).
#[derive(Debug)]
pub struct Part {
    pub name: String,
    /// Present for files. As the client wrote it: it may hold `/`, `..` or anything.
    pub file_name: Option<String>,
    pub content_type: Option<String>,
    pub content: PartContent,
}

#[derive(Debug)]
pub enum PartContent {
    Memory(Vec<u8>),
    File(Spooled),
}

/// An answer. The front adds `Date`, `Content-Length` and `Connection`; names here are as they go out.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    pub content: Content,
}

#[derive(Debug)]
pub enum Content {
    Bytes(Vec<u8>),
    /// Kept by whoever answers, for more than one request.
    Shared(Arc<[u8]>),
    /// So many bytes of a file from an offset on: sent by the kernel (`sendfile`), however long it takes.
    File {
        file: Arc<File>,
        offset: u64,
        length: u64,
    },
}

impl Response {
    pub fn new(status: u16, content_type: &'static str, bytes: Vec<u8>) -> Response {
        let headers = vec![("Content-Type", Cow::Borrowed(content_type))];
        Response { status, headers, content: Content::Bytes(bytes) }
    }

    /// `text/plain`, as the errors of the ClawHub API are.
    pub fn text(status: u16, text: &str) -> Response {
        Response::new(status, "text/plain; charset=utf-8", text.as_bytes().to_vec())
    }

    pub fn json(status: u16, bytes: Vec<u8>) -> Response {
        Response::new(status, "application/json", bytes)
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Response {
        self.headers.push((name, value.into()));
        self
    }
}

/// Whoever answers. Called from many threads at once; a panic cannot happen, for the binary ends at one.
pub trait Handler: Send + Sync {
    /// Says what becomes of a request by its head alone. Must not block: no file is opened but one that is sent.
    fn plan(&self, head: &Head) -> Plan;

    /// Answers a request whose body has come. Runs on a worker and may take its time.
    fn answer(&self, request: Request) -> Response;
}
