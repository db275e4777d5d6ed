//! The stand-in internet: addresses on the loopback of the test's own namespace, a resolver, servers that note who came.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Public to everyone who looks at the number.
pub const API: &str = "93.184.216.34";
pub const OTHER: &str = "93.184.216.35";
/// A server that accepts and says nothing.
pub const MUTE: &str = "93.184.216.36";
pub const PRIVATE: &str = "10.1.2.3";
pub const METADATA: &str = "169.254.169.254";
const ADDRESSES: &[&str] = &[API, OTHER, MUTE, PRIVATE, METADATA, "100.64.1.1"];

/// What servers and the resolver have seen.
#[derive(Default)]
pub struct Seen {
    /// `address:port` of each connection that a server got, with the first bytes that came.
    pub connections: Vec<(String, Vec<u8>)>,
    /// Names that the resolver was asked for.
    pub names: Vec<String>,
    /// Datagrams that reached a server.
    pub datagrams: Vec<String>,
}

pub struct World {
    pub root: PathBuf,
    seen: Arc<Mutex<Seen>>,
    children: Mutex<Vec<Child>>,
    next: AtomicU32,
    fallback: AtomicBool,
}

/// How a run ended.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        Said {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

fn must(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).env("PATH", PATH).output().expect(program);
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl World {
    pub fn make() -> World {
        let root = PathBuf::from(format!("/var/tmp/weft-egress-{}", std::process::id()));
        for folder in ["", "home", "home/ws"] {
            fs::create_dir(root.join(folder)).unwrap();
        }
        must("ip", &["link", "set", "lo", "up"]);
        ADDRESSES.iter().for_each(|ip| must("ip", &["address", "add", &format!("{ip}/32"), "dev", "lo"]));
        must("mount", &["--make-rprivate", "/"]);
        for (path, text) in [
            ("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"),
            ("/etc/hosts", "127.0.0.1 localhost\n"),
            ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
        ] {
            let own = root.join(path.replace('/', "_"));
            fs::write(&own, text).unwrap();
            must("mount", &["--bind", own.to_str().unwrap(), path]);
        }
        let world = World {
            root,
            seen: Arc::default(),
            children: Mutex::default(),
            next: AtomicU32::new(0),
            fallback: AtomicBool::new(false),
        };
        world.resolver();
        for address in [API, OTHER, PRIVATE, METADATA, "127.0.0.1", "100.64.1.1"] {
            for port in [80, 443, 8080, 9999] {
                world.server(address, port);
            }
        }
        world.mute();
        for address in [API, "127.0.0.1"] {
            world.datagrams(address, 5353);
        }
        world
    }

    /// Forgets what was seen.
    pub fn quiet(&self) {
        *self.seen.lock().unwrap() = Seen::default();
    }

    pub fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// Whether a server at this place got a connection.
    pub fn reached(&self, place: &str) -> usize {
        self.seen().connections.iter().filter(|(at, _)| at == place).count()
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub fn file(&self, path: &str, text: &str) -> PathBuf {
        fs::write(self.at(path), text).unwrap();
        self.at(path)
    }

    /// A policy with this `[network]` table.
    pub fn policy(&self, network: &str) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let text = format!(
            "version = 1\nagent = \"egress\"\nextends = [\"coding-agent\"]\n[filesystem]\nread = [\"/etc\"]\n[env]\nallow = [\"SSL_CERT_FILE\", \"CURL_CA_BUNDLE\", \"GIT_*\", \"NODE_EXTRA_CA_CERTS\", \"PIP_*\", \"CARGO_*\"]\n[audit]\nfile = \"{}\"\n[network]\n{network}\n",
            self.at(&format!("log{number}.jsonl")).display()
        );
        self.file(&format!("p{number}.toml"), &text)
    }

    /// The log of the last policy.
    pub fn log(&self) -> String {
        let number = self.next.load(Ordering::Relaxed) - 1;
        fs::read_to_string(self.at(&format!("log{number}.jsonl"))).unwrap()
    }

    pub fn weft(&self, args: &[&str]) -> Command {
        let mut command = match self.fallback.load(Ordering::Relaxed) {
            false => Command::new(env!("CARGO_BIN_EXE_weft")),
            true => {
                let mut command = without_namespaces();
                command.arg(env!("CARGO_BIN_EXE_weft"));
                command
            }
        };
        command.args(args).current_dir(self.at("home/ws")).env_clear().stdin(Stdio::null());
        command.env("HOME", self.at("home")).env("PATH", PATH).env("LANG", "C.UTF-8");
        command
    }

    /// From now on runs have no namespaces, or have them again.
    pub fn fall_back(&self, on: bool) {
        self.fallback.store(on, Ordering::Relaxed);
    }

    /// Whether that can be arranged.
    pub fn can_fall_back(&self) -> bool {
        without_namespaces().arg("true").env("PATH", PATH).status().is_ok_and(|status| status.success())
    }

    /// Runs a shell script inside.
    pub fn sh(&self, network: &str, script: &str) -> Said {
        let policy = self.policy(network);
        let args = ["run", "--net-log", "--policy", policy.to_str().unwrap(), "--", "sh", "-c", script];
        self.weft(&args).output().unwrap().into()
    }

    /// Runs a Python script inside.
    pub fn python(&self, network: &str, script: &str) -> Said {
        let policy = self.policy(network);
        let args = ["run", "--policy", policy.to_str().unwrap(), "--", "/usr/bin/python3", "-c", script];
        self.weft(&args).output().unwrap().into()
    }

    /// A process of the test that ends with it.
    pub fn keep(&self, child: Child) {
        self.children.lock().unwrap().push(child);
    }

    /// An HTTP server that says who it is and what it was asked; what does not look like HTTP it sends back.
    fn server(&self, address: &str, port: u16) {
        let place = format!("{address}:{port}");
        let listener = TcpListener::bind(&place).unwrap();
        let seen = self.seen.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, place) = (seen.clone(), place.clone());
                thread::spawn(move || serve(stream, &place, &seen));
            }
        });
    }

    fn mute(&self) {
        let listener = TcpListener::bind((MUTE, 80)).unwrap();
        thread::spawn(move || {
            let kept: Vec<_> = listener.incoming().collect();
            drop(kept);
        });
    }

    fn datagrams(&self, address: &str, port: u16) {
        let socket = UdpSocket::bind((address, port)).unwrap();
        let (seen, place) = (self.seen.clone(), format!("{address}:{port}"));
        thread::spawn(move || {
            let mut buffer = [0; 2048];
            while socket.recv_from(&mut buffer).is_ok() {
                seen.lock().unwrap().datagrams.push(place.clone());
            }
        });
    }

    /// Answers from a table; `rebind.test` is public when asked first, and this machine afterwards.
    fn resolver(&self) {
        let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
        let seen = self.seen.clone();
        thread::spawn(move || {
            let mut buffer = [0; 2048];
            let mut counts: HashMap<String, usize> = HashMap::new();
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let Some((name, kind, end)) = question(&buffer[..length]) else { continue };
                seen.lock().unwrap().names.push(name.clone());
                let turn = counts.entry(format!("{name} {kind}")).or_default();
                *turn += 1;
                let found = addresses(&name, *turn);
                let answers: Vec<IpAddr> = found
                    .iter()
                    .copied()
                    .filter(|ip| (kind == 1 && ip.is_ipv4()) || (kind == 28 && ip.is_ipv6()))
                    .collect();
                let code = if found.is_empty() { 3 } else { 0 };
                let mut reply = buffer[..2].to_vec();
                reply.extend([0x84, 0x80 | code, 0, 1, 0, answers.len() as u8, 0, 0, 0, 0]);
                reply.extend(&buffer[12..end]);
                for ip in answers {
                    reply.extend([0xc0, 12, 0, kind as u8, 0, 1, 0, 0, 0, 0]);
                    match ip {
                        IpAddr::V4(v4) => reply.extend([&[0, 4][..], &v4.octets()].concat()),
                        IpAddr::V6(v6) => reply.extend([&[0, 16][..], &v6.octets()].concat()),
                    }
                }
                let _ = socket.send_to(&reply, from);
            }
        });
    }
}

/// In a user namespace of the test's own in which there can be no further one.
fn without_namespaces() -> Command {
    let mut command = Command::new("unshare");
    let closed = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
    command.args(["--user", "--map-current-user", "--keep-caps", "sh", "-c", closed, "sh"]);
    command
}

impl Drop for World {
    fn drop(&mut self) {
        for mut child in self.children.lock().unwrap().drain(..) {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn addresses(name: &str, turn: usize) -> Vec<IpAddr> {
    let list = |text: &[&str]| text.iter().map(|ip| ip.parse().unwrap()).collect();
    match name {
        "api.test" | "www.api.test" | "a.wild.test" | "b.a.wild.test" | "wild.test" => list(&[API]),
        "web.test" | "db.test" | "git.test" | "pypi.test" | "npm.test" | "crates.test" | "key.test" => {
            list(&["93.184.216.40"])
        }
        "other.test" => list(&[OTHER]),
        "mute.test" => list(&[MUTE]),
        "private.test" => list(&[PRIVATE]),
        "metadata.test" => list(&[METADATA]),
        "shared.test" => list(&["100.64.1.1"]),
        "loop.test" => list(&["127.0.0.1"]),
        "six.test" => list(&["::1"]),
        "mapped.test" => vec![IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0x7f00, 1))],
        "nat64.test" => list(&["64:ff9b::7f00:1"]),
        "zero.test" => list(&["0.0.0.0"]),
        "mixed.test" => list(&["127.0.0.1", API]),
        "closed.test" => list(&["93.184.216.34"]),
        "rebind.test" if turn == 1 => list(&[API]),
        "rebind.test" => list(&["127.0.0.1"]),
        _ => Vec::new(),
    }
}

fn question(message: &[u8]) -> Option<(String, u16, usize)> {
    let (mut at, mut name) = (12, Vec::new());
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        name.push(String::from_utf8_lossy(message.get(at..at + length)?).to_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]);
    Some((name.join("."), kind, at + 4))
}

fn serve(mut stream: TcpStream, place: &str, seen: &Mutex<Seen>) {
    let index = {
        let mut seen = seen.lock().unwrap();
        seen.connections.push((place.to_owned(), Vec::new()));
        seen.connections.len() - 1
    };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count) = stream.read(&mut buffer) {
        if count == 0 {
            return;
        }
        all.extend_from_slice(&buffer[..count]);
        if let Some(entry) = seen.lock().unwrap().connections.get_mut(index)
            && entry.0 == place
        {
            entry.1 = all.clone();
        }
        // A TLS hello is for looking at; everything else ends with an empty line.
        if all.first() == Some(&22) {
            let _ = stream.write_all(b"\x15\x03\x03\x00\x02\x02\x28");
            return;
        }
        if all.windows(4).any(|four| four == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&all);
            let body = format!("this is {place}\n{text}");
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all((head + &body).as_bytes());
            return;
        }
    }
}

/// Waits, generously.
pub fn wait_for(what: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        if what() {
            return true;
        }
        thread::sleep(Duration::from_millis(10));
    }
    false
}

/// Reads lines of a child until one has the words.
pub fn line_with(child: &mut Child, words: &str) -> Option<String> {
    let out = BufReader::new(child.stdout.as_mut()?);
    out.lines().map_while(Result::ok).find(|line| line.contains(words))
}

/// Connects and asks for `/`.
pub fn get(to: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(10))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Whether a program is installed; says so when it is not.
pub fn installed(program: &str) -> bool {
    let found = std::env::split_paths(PATH).any(|folder| Path::new(&folder).join(program).exists());
    if !found {
        eprintln!("SKIPPED: egress: {program} is not installed");
    }
    found
}
