//! A hub in a folder of its own, asked directly or through weft's own front on loopback.

// Each test file uses its part; a failure here is a failed test.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use weft::digest::Sha256;
use weft::hub::server::front::{self, Front, Listen, Stopper};
use weft::hub::server::http::{
    Body, Content, Handler, Head, Method, Part, PartContent, Plan, Request, Response, Spooled,
};
use weft::hub::server::limit::Rates;
use weft::hub::server::store::Store;
use weft::hub::server::{App, Settings, admin};
use weft::json::{self, Node};

pub struct Hub {
    pub dir: PathBuf,
    pub app: Arc<App>,
}

/// An answer, read.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Got {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    #[track_caller]
    pub fn json(&self) -> Node {
        assert!(self.status < 300, "{} {}", self.status, self.text());
        json::parse(&self.text()).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Refused with this status and a sentence that has these words.
    #[track_caller]
    pub fn refused(&self, status: u16, with: &str) {
        assert!(
            self.status == status && self.text().contains(with),
            "{with:?}: {} {}",
            self.status,
            self.text()
        );
    }
}

/// `a.b.0` of an answer, as text; numbers and words as they are written.
pub fn at(node: &Node, path: &str) -> String {
    let mut node = node;
    for word in path.split('.') {
        node = match word.parse::<usize>() {
            Ok(place) if node.as_array().is_some() => &node.as_array().unwrap()[place],
            _ => node.get(word).unwrap_or_else(|| panic!("{path}: no {word} in {node:?}")),
        };
    }
    match &node.value {
        json::Value::String(text) => text.clone(),
        json::Value::Number(text) => text.clone(),
        json::Value::Bool(value) => value.to_string(),
        json::Value::Null => "null".into(),
        json::Value::Array(items) => format!("[{}]", items.len()),
        json::Value::Object(_) => "{}".into(),
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Hub {
    pub fn new() -> Hub {
        Hub::at(None, Rates::default())
    }

    pub fn at(public_url: Option<&str>, rates: Rates) -> Hub {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("weft-hub-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        Store::create(&dir).unwrap();
        let app = open(&dir, public_url, rates);
        Hub { dir, app }
    }

    /// A store that is there.
    pub fn open(dir: PathBuf) -> Hub {
        let app = open(&dir, None, Rates::default());
        Hub { dir, app }
    }

    /// As after a restart.
    pub fn again(&mut self) {
        let nothing =
            std::env::temp_dir().join(format!("weft-hub-nothing-{}-{:p}", std::process::id(), self));
        Store::create(&nothing).unwrap();
        self.app = open(&nothing, None, Rates::default());
        self.app = open(&self.dir, None, Rates::default());
        let _ = fs::remove_dir_all(nothing);
    }

    pub fn admin(&self, command: &str) -> Node {
        let node = json::parse(&admin::command(&self.app, command)).unwrap();
        assert_eq!(at(&node, "ok"), "true", "{command}: {node:?}");
        node
    }

    /// An account; gives a token of it.
    pub fn user(&self, handle: &str, role: &str) -> String {
        self.admin(&format!(r#"{{"command":"user add","handle":"{handle}","role":"{role}"}}"#));
        self.token(handle, true)
    }

    pub fn token(&self, handle: &str, allow_unsigned: bool) -> String {
        let command =
            format!(r#"{{"command":"token add","handle":"{handle}","allow_unsigned":{allow_unsigned}}}"#);
        at(&self.admin(&command), "token")
    }

    pub fn get(&self, target: &str, token: &str) -> Got {
        self.ask("GET", target, token, &[], b"")
    }

    pub fn post(&self, target: &str, token: &str, body: &str) -> Got {
        self.ask("POST", target, token, &[("content-type", "application/json")], body.as_bytes())
    }

    pub fn delete(&self, target: &str, token: &str) -> Got {
        self.ask("DELETE", target, token, &[], b"")
    }

    pub fn ask(&self, method: &str, target: &str, token: &str, headers: &[(&str, &str)], body: &[u8]) -> Got {
        let mut all: Vec<(String, String)> =
            headers.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        if !token.is_empty() {
            all.push(("authorization".into(), format!("Bearer {token}")));
        }
        answer(&*self.app, &self.dir.join("spool"), (method, target), all, body)
    }

    /// The files of a skill in one multipart request.
    pub fn publish(&self, token: &str, payload: &str, files: &[(&str, &str)]) -> Got {
        let (kind, body) = form(payload, files);
        self.ask("POST", "/api/v1/skills", token, &[("content-type", &kind)], &body)
    }

    /// A small skill.
    #[track_caller]
    pub fn skill(&self, token: &str, slug: &str, version: &str) {
        let page = format!(
            "---\nname: {slug}\ndescription: Counts words of {slug}\n---\nCounts words, {version}.\n"
        );
        let got =
            self.publish(token, &payload(slug, version), &[("SKILL.md", &page), ("notes.md", "Notes\n")]);
        assert_eq!(got.status, 200, "{}", got.text());
    }

    /// The hub on loopback, until what is given back is dropped.
    pub fn serve(&self) -> Served {
        let listen = Listen::Tcp("127.0.0.1:0".parse().unwrap());
        let front = Front::bind(front::Settings::new(vec![listen], self.dir.join("spool"))).unwrap();
        let (url, stopper) = (format!("http://{}", front.addresses()[0]), front.stopper());
        let app = self.app.clone();
        let thread = std::thread::spawn(move || front.run(app).unwrap());
        Served { url, stopper, thread: Some(thread) }
    }
}

/// A front that answers for a hub.
pub struct Served {
    url: String,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    pub fn url(&self) -> String {
        self.url.clone()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stopper.now();
        let _ = self.thread.take().unwrap().join();
    }
}

pub fn payload(slug: &str, version: &str) -> String {
    format!(
        r#"{{"slug":"{slug}","displayName":"{slug}","version":"{version}","changelog":"","acceptLicenseTerms":true,"tags":["latest"]}}"#
    )
}

/// Content type and body.
pub fn form(payload: &str, files: &[(&str, &str)]) -> (String, Vec<u8>) {
    let mut body =
        format!("--bound\r\nContent-Disposition: form-data; name=\"payload\"\r\n\r\n{payload}\r\n");
    for (path, text) in files {
        body.push_str(&format!("--bound\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{path}\"\r\nContent-Type: text/markdown\r\n\r\n{text}\r\n"));
    }
    body.push_str("--bound--\r\n");
    ("multipart/form-data; boundary=bound".into(), body.into_bytes())
}

fn open(dir: &Path, public_url: Option<&str>, rates: Rates) -> Arc<App> {
    let (store, _) = Store::open(dir).unwrap();
    let spool = store.spool();
    let settings = Settings {
        public_url: public_url.map(str::to_owned),
        spool,
        rates,
        still: false,
        log: |line| eprintln!("hub: {line}"),
    };
    Arc::new(App::open(Arc::new(store), settings).unwrap())
}

/// What weft's front does, without its guards.
fn answer(
    handler: &dyn Handler,
    spool: &Path,
    (method, target): (&str, &str),
    headers: Vec<(String, String)>,
    body: &[u8],
) -> Got {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let method = match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        other => panic!("{other}"),
    };
    let head = Head {
        method,
        path: path.into(),
        query: query.into(),
        host: "hub.example".into(),
        headers,
        peer: "127.0.0.1".parse().unwrap(),
        secure: false,
        length: body.len() as u64,
    };
    let whole = match handler.plan(&head) {
        Plan::Now(response) => return read(response),
        Plan::Memory(most) => {
            assert!(body.len() as u64 <= most || most == 0);
            Body::Memory(body.to_vec())
        }
        Plan::File(_) => Body::File(spooled(spool, body)),
        Plan::Multipart(_) => Body::Parts(parts(spool, &head, body)),
    };
    read(handler.answer(Request { head, body: whole }))
}

fn spooled(spool: &Path, bytes: &[u8]) -> Spooled {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let path = spool.join(format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    fs::write(&path, bytes).unwrap();
    Spooled { path, length: bytes.len() as u64, sha256: Sha256::of(bytes) }
}

fn parts(spool: &Path, head: &Head, body: &[u8]) -> Vec<Part> {
    let kind = head.header("content-type").unwrap();
    let boundary = format!("--{}", kind.split("boundary=").nth(1).unwrap().trim_matches('"'));
    let find = |text: &[u8], what: &[u8]| text.windows(what.len()).position(|window| window == what);
    let mut parts = Vec::new();
    let mut rest = &body[find(body, boundary.as_bytes()).unwrap() + boundary.len()..];
    while !rest.starts_with(b"--") {
        let end = find(rest, format!("\r\n{boundary}").as_bytes()).unwrap();
        let (part, next) = (&rest[2..end], &rest[end + 2 + boundary.len()..]);
        let split = find(part, b"\r\n\r\n").unwrap();
        let headers = String::from_utf8(part[..split].to_vec()).unwrap();
        let content = part[split + 4..].to_vec();
        let word = |name: &str| {
            let at = headers.find(&format!(" {name}=\""))? + name.len() + 3;
            Some(headers[at..].split('"').next()?.to_owned())
        };
        let file_name = word("filename");
        let content_type = headers.lines().find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-type:").map(|kind| kind.trim().to_owned())
        });
        let content = match file_name {
            Some(_) => PartContent::File(spooled(spool, &content)),
            None => PartContent::Memory(content),
        };
        parts.push(Part { name: word("name").unwrap(), file_name, content_type, content });
        rest = next;
    }
    parts
}

fn read(response: Response) -> Got {
    let body = match response.content {
        Content::Bytes(bytes) => bytes,
        Content::Shared(bytes) => bytes.to_vec(),
        Content::File { file, offset, length } => {
            let mut bytes = vec![0; length as usize];
            file.read_exact_at(&mut bytes, offset).unwrap();
            assert_eq!((&*file).take(0).read(&mut [0]).unwrap(), 0);
            bytes
        }
    };
    let headers = response.headers.into_iter().map(|(key, value)| (key.to_owned(), value.into_owned()));
    Got { status: response.status, headers: headers.collect(), body }
}
