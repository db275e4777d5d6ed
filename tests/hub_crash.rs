//! A hub that is killed while it is being written to, and one whose disk is full: asked over HTTP, as a process.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, clippy::panic)] // A failure here is a failed test.

#[path = "support/hub.rs"]
mod hub;

use hub::{at, form, payload};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use weft::digest::Sha256;
use weft::json::{self, Node};

const WEFT: &str = env!("CARGO_BIN_EXE_weft");
/// Kills; more with WEFT_TEST_KILLS.
const KILLS: u32 = 40;
const WRITERS: u32 = 4;

struct Dir(PathBuf);

impl Dir {
    fn new() -> Dir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("weft-crash-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Dir(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A hub that serves; killed, and not otherwise, when it is dropped.
struct Serving {
    child: Child,
    address: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Waits until it says where it listens.
fn serving(command: &mut Command) -> Option<Serving> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines
        .map_while(Result::ok)
        .find_map(|line| Some(line.strip_prefix("listening on http://")?.to_owned()));
    match address {
        Some(address) => Some(Serving { child, address }),
        None => {
            child.wait().unwrap();
            None
        }
    }
}

fn serve(data: &Path) -> Serving {
    let mut command = Command::new(WEFT);
    command
        .args(["hub", "serve", "--listen", "127.0.0.1:0", "--rate", "write=100000/100000", "--data"])
        .arg(data);
    serving(&mut command).unwrap()
}

fn weft(args: &[&str], data: &Path) -> (i32, String) {
    let output = Command::new(WEFT).arg("hub").args(args).arg("--data").arg(data).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8_lossy(&text).into_owned())
}

/// An account with a token for unsigned skills.
fn account(data: &Path) -> String {
    assert_eq!(weft(&["user", "add", "alice"], data).0, 0);
    let (code, text) = weft(&["token", "add", "alice", "--allow-unsigned", "--format", "json"], data);
    assert_eq!(code, 0, "{text}");
    let json = &text[text.find('{').unwrap()..=text.rfind('}').unwrap()];
    at(&json::parse(json).unwrap(), "token")
}

/// Status and body; none where the other side is gone before it has answered whole.
fn ask(address: &str, method: &str, target: &str, headers: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let length: usize = head.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
    let body = answer.split_off(end);
    (body.len() == length).then(|| (head.split(' ').nth(1).unwrap().parse().unwrap(), body))
}

fn publish(address: &str, token: &str, slug: &str, version: &str, text: &str) -> Option<(u16, Vec<u8>)> {
    let page = format!("---\nname: {slug}\ndescription: Counts words of {slug} {version}\n---\n{text}\n");
    let (kind, body) = form(&payload(slug, version), &[("SKILL.md", &page), ("notes.md", version)]);
    let headers = format!("Authorization: Bearer {token}\r\nContent-Type: {kind}\r\n");
    ask(address, "POST", "/api/v1/skills", &headers, &body)
}

fn get(address: &str, target: &str) -> Node {
    let (status, body) = ask(address, "GET", target, "", b"").unwrap();
    assert_eq!(status, 200, "{target}: {}", String::from_utf8_lossy(&body));
    json::parse(&String::from_utf8(body).unwrap()).unwrap()
}

/// All versions of a skill that are shown; each must be whole.
fn shown(address: &str, slug: &str, seen: &mut BTreeSet<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let page = get(address, &format!("/api/v1/skills/{slug}/versions?limit=50{cursor}"));
        for item in page.get("items").unwrap().as_array().unwrap() {
            found.insert(at(item, "version"));
        }
        match page.get("nextCursor").and_then(Node::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    for version in &found {
        if !seen.insert(format!("{slug} {version}")) {
            continue;
        }
        let detail = get(address, &format!("/api/v1/skills/{slug}/versions/{version}"));
        let target = format!("/api/v1/download?slug={slug}&version={version}");
        let (status, zip) = ask(address, "GET", &target, "", b"").unwrap();
        assert_eq!(status, 200, "{target}");
        assert_eq!(Sha256::of(&zip).to_string(), at(&detail, "version.weft.zip"), "{slug} {version}");
        let (status, notes) = ask(
            address,
            "GET",
            &format!("/api/v1/skills/{slug}/file?version={version}&path=notes.md"),
            "",
            b"",
        )
        .unwrap();
        assert_eq!((status, notes.as_slice()), (200, version.as_bytes()), "{slug} {version}");
    }
    found
}

/// What was acknowledged is there, what is shown is whole, and the store holds: whenever the hub is killed.
#[test]
fn a_hub_that_is_killed_loses_nothing_it_said_it_has() {
    let dir = Dir::new();
    let data = dir.0.join("hub");
    assert_eq!(weft(&["init"], &data).0, 0);
    let token = account(&data);
    let kills = std::env::var("WEFT_TEST_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let acknowledged: Vec<Mutex<BTreeSet<String>>> = (0..WRITERS).map(|_| Mutex::default()).collect();
    let mut seen = BTreeSet::new();
    let mut total = 0;
    for kill in 0..kills {
        let hub = serve(&data);
        let address = hub.address.clone();
        let done = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for (writer, mine) in (0..WRITERS).zip(&acknowledged) {
                let (address, token, done) = (&address, &token, &done);
                scope.spawn(move || {
                    for number in 0.. {
                        let version = format!("{kill}.{number}.0");
                        let got = publish(address, token, &format!("writer-{writer}"), &version, "Counts.");
                        match got {
                            Some((200 | 201, _)) => mine.lock().unwrap().insert(version),
                            Some((503, _)) | None => return,
                            Some((status, body)) => {
                                panic!("{status} {}", String::from_utf8_lossy(&body))
                            }
                        };
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            // Each time after a few more publications, and at another moment of the next one.
            let start = Instant::now();
            while done.load(Ordering::Relaxed) < kill % 7 && start.elapsed() < Duration::from_secs(60) {
                std::thread::yield_now();
            }
            let moment = Instant::now();
            while moment.elapsed() < Duration::from_micros(u64::from(kill * 7919 % 12_000)) {
                std::thread::yield_now();
            }
            drop(hub);
        });
        total += done.load(Ordering::Relaxed);
        let again = serve(&data);
        for (writer, mine) in (0..WRITERS).zip(&acknowledged) {
            let mine = mine.lock().unwrap();
            let slug = format!("writer-{writer}");
            if mine.is_empty() {
                continue;
            }
            let there = shown(&again.address, &slug, &mut seen);
            let lost: Vec<&String> = mine.difference(&there).collect();
            assert!(lost.is_empty(), "kill {kill}: lost {lost:?} of {slug}");
        }
    }
    assert!(total >= kills, "{total}");
    let (code, text) = weft(&["verify"], &data);
    assert!(code == 0 && text.contains("everything holds"), "{text}");
    eprintln!("{kills} kills, {total} publications acknowledged, none lost");
}

/// Reads go on, writes answer 507, and with room again so do they.
#[test]
fn a_full_disk_stops_publishing_and_nothing_else() {
    let dir = Dir::new();
    let mount = dir.0.join("mount");
    std::fs::create_dir(&mount).unwrap();
    let data = mount.join("hub");
    let script = "mount -t tmpfs -o size=6m none \"$1\" || exit 77
        head -c 2000000 /dev/zero > \"$1/ballast\"
        \"$0\" hub init --data \"$1/hub\" >&2 || exit 77
        exec \"$0\" hub serve --listen 127.0.0.1:0 --rate write=100000/100000 --data \"$1/hub\"";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, WEFT]).arg(&mount);
    let Some(hub) = serving(&mut command) else {
        eprintln!("not run: no mount namespace can be had here");
        return;
    };
    // Where it sees its own file system.
    let inside = |path: &Path| PathBuf::from(format!("/proc/{}/root{}", hub.child.id(), path.display()));
    let token = account(&inside(&data));
    let address = hub.address.as_str();
    let text = |number: u32| {
        // What no compression makes small.
        let mut seed = Sha256::of(&number.to_be_bytes());
        let mut out = String::new();
        for _ in 0..3000 {
            out.push_str(&format!("{seed} \n"));
            seed = Sha256::of(seed.as_bytes());
        }
        out
    };
    let mut good = Vec::new();
    let mut full = 0;
    for number in 0..200 {
        let slug = format!("skill-{number}");
        match publish(address, &token, &slug, "1.0.0", &text(number)).unwrap() {
            (200 | 201, _) => good.push(slug),
            (507, body) => {
                assert!(
                    String::from_utf8_lossy(&body).contains("full"),
                    "{}",
                    String::from_utf8_lossy(&body)
                );
                full += 1;
                if full == 3 {
                    break;
                }
            }
            (status, body) => panic!("{status} {}", String::from_utf8_lossy(&body)),
        }
    }
    assert!(full == 3 && good.len() > 3, "{full} {}", good.len());
    let mut seen = BTreeSet::new();
    for slug in &good {
        assert_eq!(shown(address, slug, &mut seen).len(), 1, "{slug}");
    }
    let listed = get(address, "/api/v1/skills?limit=200");
    assert_eq!(listed.get("items").unwrap().as_array().unwrap().len(), good.len());
    std::fs::remove_file(inside(&mount.join("ballast"))).unwrap();
    let (status, body) = publish(address, &token, "afterwards", "1.0.0", "Counts.").unwrap();
    assert!(status < 300, "{status} {}", String::from_utf8_lossy(&body));
    assert_eq!(shown(address, "afterwards", &mut seen).len(), 1);
    let (code, text) = weft(&["verify"], &inside(&data));
    assert!(code == 0 && text.contains("everything holds"), "{text}");
}
