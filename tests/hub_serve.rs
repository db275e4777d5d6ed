//! `weft hub serve` as a process: what it says, signals, sockets of a service manager, and `weft health`.

#![cfg(feature = "server")]
// A failure here is a failed test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use weft::sys::process;

const WEFT: &str = env!("CARGO_BIN_EXE_weft");

/// A folder of this test, gone with it.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Dir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let dir = std::env::temp_dir().join(format!("weft-serve-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let made = Command::new(WEFT).args(["hub", "init", "--data"]).arg(dir.join("hub")).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        Dir(dir)
    }

    fn hub(&self) -> PathBuf {
        self.0.join("hub")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A hub that serves; killed when it is dropped.
struct Serving {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
}

impl Serving {
    fn start(command: &mut Command) -> Serving {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Serving { child, out }
    }

    fn new(dir: &Dir, args: &[&str]) -> Serving {
        Serving::start(Command::new(WEFT).args(["hub", "serve", "--data"]).arg(dir.hub()).args(args))
    }

    /// Where it says that it listens.
    fn place(&mut self) -> String {
        let mut said = String::new();
        loop {
            let mut line = String::new();
            if self.out.read_line(&mut line).unwrap() == 0 {
                let mut error = String::new();
                self.child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
                panic!("it ended: {said} {error}");
            }
            if let Some(place) = line.strip_prefix("listening on ") {
                return place.trim_end().to_owned();
            }
            said += &line;
        }
    }

    fn signal(&self, signal: i32) {
        process::kill(self.child.id() as i32, signal).unwrap();
    }

    /// Ends it; what it said on standard error.
    fn end(mut self) -> String {
        self.signal(libc::SIGTERM);
        let status = self.child.wait().unwrap();
        let mut error = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        assert_eq!(status.code(), Some(0), "{error}");
        error
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn weft(args: &[&str]) -> Output {
    Command::new(WEFT).args(args).env_remove("WEFT_HEALTH_URL").output().unwrap()
}

fn get(url: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn serves_and_ends() {
    let dir = Dir::new();
    let mut hub = Serving::new(&dir, &["--listen", "127.0.0.1:0"]);
    let url = hub.place();
    for (path, wanted) in [("/healthz", "alive\n"), ("/readyz", "ready\n")] {
        let answer = get(&url, path);
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(wanted), "{answer}");
    }
    assert!(get(&url, "/api/v1/skills").starts_with("HTTP/1.1 200 "));
    let metrics = get(&url, "/metrics");
    for line in ["weft_hub_skills 0", "weft_hub_http_answers_total{class=\"2xx\"} 3"] {
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
    let healthy = weft(&["health", &url]);
    assert_eq!((healthy.status.code(), healthy.stdout.as_slice()), (Some(0), &b"healthy\n"[..]));
    let lost = weft(&["health", &format!("{url}/nothing")]);
    assert_eq!(lost.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&lost.stderr).starts_with("weft: not healthy: 404 "), "{lost:?}");
    // Nobody else may have the folder, or the port.
    let port = url.rsplit_once(':').unwrap().1;
    let folder = dir.hub();
    let second = weft(&["hub", "serve", "--data", folder.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(2), "{second:?}");
    let other = Dir::new();
    let folder = other.hub();
    let listen = format!("127.0.0.1:{port}");
    let taken = weft(&["hub", "serve", "--data", folder.to_str().unwrap(), "--listen", &listen]);
    assert_eq!(taken.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&taken.stderr).contains("choose another port"), "{taken:?}");
    let said = hub.end();
    assert!(!said.contains("warning"), "{said}");
    let gone = weft(&["health", &url]);
    assert_eq!(gone.status.code(), Some(1));
    assert_eq!(weft(&["health", "https://a"]).status.code(), Some(2));
}

#[test]
fn a_service_manager_hears_of_it() {
    let dir = Dir::new();
    let path = dir.0.join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let hear = || {
        let mut message = [0; 200];
        loop {
            match manager.recv(&mut message) {
                Ok(length) => return String::from_utf8(message[..length].to_vec()).unwrap(),
                // A socket with a timeout is not asked again by the kernel when the process was stopped (signal(7)).
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    let hear_other = || loop {
        let heard = hear();
        if heard != "WATCHDOG=1" {
            return heard;
        }
    };
    let socket = dir.0.join("hub.sock");
    let config = dir.0.join("hub.toml");
    std::fs::write(&config, format!("listen = [\"unix:{}\"]\n", socket.display())).unwrap();
    let mut command = Command::new(WEFT);
    command.args(["hub", "serve", "--data"]).arg(dir.hub()).arg("--config").arg(&config);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let mut hub = Serving::start(&mut command);
    assert_eq!(hub.place(), format!("unix:{}", socket.display()));
    assert_eq!(hear_other(), "READY=1");
    while hear() != "WATCHDOG=1" {}
    let healthy = weft(&["health", &format!("unix:{}", socket.display())]);
    assert_eq!(healthy.status.code(), Some(0), "{healthy:?}");
    hub.signal(libc::SIGHUP);
    let heard = hear_other();
    assert!(heard.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{heard}");
    assert_eq!(hear_other(), "READY=1");
    // A mistake in the file is told, and changes nothing.
    std::fs::write(&config, "listne = []\n").unwrap();
    hub.signal(libc::SIGHUP);
    assert!(hear_other().starts_with("RELOADING=1\n"));
    assert_eq!(hear_other(), "READY=1");
    assert!(UnixStream::connect(&socket).is_ok());
    let said = hub.end();
    assert_eq!(hear_other(), "STOPPING=1");
    assert!(said.contains("hub.toml:1:1: did you mean listen?"), "{said}");
    assert!(!socket.exists());
}

#[test]
fn takes_the_socket_of_a_service_manager() {
    let dir = Dir::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" hub serve --data \"$1\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, WEFT]).arg(dir.hub()).stdin(Stdio::from(OwnedFd::from(listener)));
    let mut hub = Serving::start(&mut command);
    assert_eq!(hub.place(), format!("http://{address}"));
    assert!(get(&format!("http://{address}"), "/readyz").ends_with("ready\n"));
    hub.end();
}

#[test]
fn says_what_is_wrong() {
    let dir = Dir::new();
    let folder = dir.hub();
    let fails = |args: &[&str], wanted: &str| {
        let mut all = vec!["hub", "serve", "--data", folder.to_str().unwrap()];
        all.extend_from_slice(args);
        let output = weft(&all);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(wanted), "{said}");
    };
    fails(&["--listen", "8080"], "--listen 8080: write ADDRESS:PORT");
    fails(&["--public-url", "hub.example"], "--public-url hub.example");
    fails(&["--trusted-proxy", "proxy.example"], "no address and no network");
    fails(&["--limit", "connection=5"], "did you mean connections?");
    fails(&["--limit", "connections"], "not NAME=VALUE");
    fails(&["--rate", "read=5"], "write ADDRESS/USER");
    let missing = weft(&["hub", "serve", "--data", "/nonexistent/hub"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(Path::new(WEFT).exists());
}
