//! An HTTP front with a handler of its own, and a client that reads what it answers byte for byte.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use weft::hub::server::front::metrics::Metrics;
use weft::hub::server::front::{Front, Listen, Settings, Stopper};
use weft::hub::server::http::{Body, Bounds, Content, Handler, Head, PartContent, Plan, Request, Response};

/// The length of `/big`.
pub const BIG: u64 = 48 << 20;
const PLAIN: &str = "text/plain";

/// Waits for something that happens in another thread.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

struct Answers {
    folder: PathBuf,
    waiting: AtomicUsize,
    released: Mutex<bool>,
    release: Condvar,
}

impl Answers {
    fn file(&self, name: &str, length: u64) -> Response {
        let file = Arc::new(File::open(self.folder.join(name)).unwrap());
        let content = Content::File { file, offset: 0, length };
        Response { status: 200, headers: vec![("Content-Type", PLAIN.into())], content }
    }
}

impl Handler for Answers {
    fn plan(&self, head: &Head) -> Plan {
        Plan::Now(match head.path.as_str() {
            "/now" => Response::text(200, "now"),
            "/shared" => Response {
                content: Content::Shared(Arc::from(&b"shared"[..])),
                ..Response::new(200, PLAIN, vec![])
            },
            "/file" => self.file("small", 10),
            "/shorter" => self.file("small", 100),
            "/big" => self.file("big", BIG),
            "/nothing" => Response::text(204, "not sent"),
            "/unchanged" => Response::text(304, "not sent"),
            "/split-header" => Response::text(200, "").with("Location", "/\r\nX-Evil: 1"),
            "/peer" => Response::text(200, &format!("{} {}", head.peer, head.secure)),
            "/worker" | "/wait" => return Plan::Memory(0),
            "/echo" => return Plan::Memory(1_000_000),
            "/spool" | "/hash" => return Plan::File(1_000_000_000),
            "/form" => {
                return Plan::Multipart(Bounds { parts: 50, field: 1000, file: 100_000, all: 10_000_000 });
            }
            _ => Response::text(404, "no such thing"),
        })
    }

    fn answer(&self, request: Request) -> Response {
        let bytes = match (request.head.path.as_str(), request.body) {
            ("/worker", _) => b"worker".to_vec(),
            ("/wait", _) => {
                self.waiting.fetch_add(1, Ordering::SeqCst);
                let released = self.released.lock().unwrap();
                drop(self.release.wait_while(released, |released| !*released).unwrap());
                b"waited".to_vec()
            }
            ("/hash", Body::File(spooled)) => {
                let mode = std::fs::metadata(&spooled.path).unwrap().permissions().mode() & 0o777;
                format!("{} {} {mode:o}", spooled.length, spooled.sha256).into_bytes()
            }
            (_, Body::Memory(bytes)) => bytes,
            (_, Body::File(spooled)) => std::fs::read(&spooled.path).unwrap(),
            (_, Body::Parts(parts)) => {
                let content = |part: &weft::hub::server::http::Part| match &part.content {
                    PartContent::Memory(bytes) => bytes.clone(),
                    PartContent::File(spooled) => std::fs::read(&spooled.path).unwrap(),
                };
                parts.iter().flat_map(content).collect()
            }
        };
        Response::new(200, PLAIN, bytes)
    }
}

/// A front that runs in threads of this process.
pub struct Site {
    pub address: SocketAddr,
    pub stopper: Stopper,
    pub metrics: Arc<Metrics>,
    answers: Arc<Answers>,
    folder: PathBuf,
    thread: Option<JoinHandle<()>>,
}

impl Site {
    pub fn start(change: impl FnOnce(&mut Settings)) -> Site {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let folder = std::env::temp_dir().join(format!("weft-front-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("small"), "0123456789").unwrap();
        File::create(folder.join("big")).unwrap().set_len(BIG).unwrap();
        let listen = vec![Listen::Tcp("127.0.0.1:0".parse().unwrap())];
        let mut settings = Settings::new(listen, folder.join("spool"));
        settings.loops = 2;
        change(&mut settings);
        let front = Front::bind(settings).unwrap();
        let (address, stopper, metrics) = (front.addresses()[0], front.stopper(), front.metrics());
        let answers = Arc::new(Answers {
            folder: folder.clone(),
            waiting: AtomicUsize::new(0),
            released: Mutex::new(false),
            release: Condvar::new(),
        });
        let handler = answers.clone();
        let thread = Some(std::thread::spawn(move || front.run(handler).unwrap()));
        Site { address, stopper, metrics, answers, folder, thread }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// One request on a connection of its own.
    pub fn ask(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        // It may be refused before it was sent.
        let _ = stream.write_all(request);
        read_answer(&mut stream, false)
    }

    /// Requests to `/wait` that a worker has.
    pub fn waiting(&self) -> usize {
        self.answers.waiting.load(Ordering::SeqCst)
    }

    /// Lets them be answered.
    pub fn release(&self) {
        *self.answers.released.lock().unwrap() = true;
        self.answers.release.notify_all();
    }

    /// Files in the spool folder.
    pub fn spooled(&self) -> usize {
        std::fs::read_dir(self.folder.join("spool")).unwrap().count()
    }

    pub fn stop(mut self) {
        self.stopper.stop();
        self.thread.take().unwrap().join().unwrap();
        self.release();
        assert_eq!(self.spooled(), 0);
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// The only header of this name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let value = found.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        assert!(!found.any(|(key, _)| key.eq_ignore_ascii_case(name)), "two {name}");
        value
    }
}

/// Up to and with the empty line.
pub fn read_head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            got => panic!("the answer ended in its head: {got:?} {:?}", String::from_utf8_lossy(&head)),
        }
    }
    String::from_utf8(head).unwrap()
}

pub fn status(head: &str) -> u16 {
    assert!(head.starts_with("HTTP/1.1 "), "{head}");
    head[9..12].parse().unwrap()
}

/// One answer, and nothing behind it. `headless`: the request was HEAD.
pub fn read_answer(stream: &mut impl Read, headless: bool) -> Answer {
    let head = read_head(stream);
    let mut answer = Answer { status: status(&head), head, body: Vec::new() };
    let length = answer.header("content-length").map_or(0, |text| text.parse().unwrap());
    if !headless {
        answer.body = vec![0; length];
        stream.read_exact(&mut answer.body).unwrap();
    }
    answer
}
