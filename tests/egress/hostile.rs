//! Clients that misbehave: refused, bounded, and of no effect on others.

use super::Case;
use super::world::World;
use std::fs;
use std::process::Stdio;

pub const CASES: &[Case] = &[
    ("requests_that_could_be_read_in_two_ways_are_refused", smuggling),
    ("connections_that_say_nothing_disturb_nobody", half_open),
    ("requests_that_never_end_are_bounded", unsaid),
    ("a_flood_of_questions_disturbs_nobody", flood),
    ("a_receiver_that_does_not_read_holds_nobody_up", stalled),
    ("two_thousand_connections_fit_into_thirty_megabytes", many),
    ("large_transfers_arrive_whole", large),
    ("a_name_that_does_not_answer_is_told", silent),
];

const PLAIN: &str = "allow = [{ host = \"api.test\", ports = [80], tls = false }, { host = \"mute.test\", ports = [80], tls = false }, { host = \"*.wild.test\", ports = [80], tls = false }]";

/// Says something to the proxy, and prints the first line of what it answers.
const SAY: &str = r#"
import socket
def say(what, text):
    s = socket.create_connection(("127.0.0.1", 61080), timeout=60)
    try:
        s.sendall(text if isinstance(text, bytes) else text.encode("latin-1"))
        got = b""
        while b"\r\n" not in got:
            more = s.recv(4096)
            if not more: break
            got += more
    except OSError as error: got = repr(error).encode()
    print(what, got.split(b"\r\n")[0], flush=True)
"#;

fn smuggling(world: &World) {
    let script = format!(
        r#"{SAY}
say("long", "GET http://api.test/" + "a" * 20000 + " HTTP/1.1\r\n\r\n")
say("many", "GET http://api.test/ HTTP/1.1\r\n" + "X: y\r\n" * 5000 + "\r\n")
say("cl-te", "POST http://api.test/ HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
say("cl-cl", "POST http://api.test/ HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!")
say("te-te", "POST http://api.test/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n")
say("crlf", "CONNECT api.test\r\nX: y:80 HTTP/1.1\r\n\r\n")
say("lf", "GET http://api.test/ HTTP/1.1\nHost: api.test\n\n")
say("nul", b"CONNECT api.test\0.other.test:80 HTTP/1.1\r\n\r\n")
say("space", "GET http://api.test/ HTTP/1.1\r\nHost : api.test\r\n\r\n")
say("fold", "GET http://api.test/ HTTP/1.1\r\nX: y\r\n Host: other.test\r\n\r\n")
say("host", "GET http://api.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n")
say("user", "GET http://api.test@other.test/ HTTP/1.1\r\n\r\n")
say("socks4", b"\4\1\0\x50\x5d\xb8\xd8\x22\0")
say("socks-bind", b"\5\1\0" + b"\5\2\0\1\0\0\0\0\0\x50")
say("tls", b"\x16\3\1\0\5hello")
"#
    );
    let said = world.python(PLAIN, &script);
    assert_eq!(said.code, Some(0), "{said:?}");
    for what in ["long", "many"] {
        assert!(said.out.contains(&format!("{what} b'HTTP/1.1 431 ")), "{what}: {said:?}");
    }
    for what in
        ["cl-te", "cl-cl", "te-te", "crlf", "lf", "nul", "space", "fold", "host", "user", "socks4", "tls"]
    {
        assert!(said.out.contains(&format!("{what} b'HTTP/1.1 400 ")), "{what}: {said:?}");
    }
    assert!(said.out.contains("socks-bind b'\\x05\\x00\\x05\\x07"), "{said:?}");
    assert!(world.seen().connections.is_empty(), "{:?}", world.seen().connections);
    // What follows a request on the same connection does not reach the server, nor anybody else.
    let script = format!(
        "{SAY}\nsay('two', 'GET http://api.test/one HTTP/1.1\\r\\n\\r\\nGET http://other.test/two HTTP/1.1\\r\\n\\r\\n')\nsay('post', 'POST http://api.test/three HTTP/1.1\\r\\nContent-Length: 4\\r\\n\\r\\nfourGET http://other.test/five HTTP/1.1\\r\\n\\r\\n')"
    );
    let said = world.python(PLAIN, &script);
    assert!(
        said.out.contains("two b'HTTP/1.1 200 OK'") && said.out.contains("post b'HTTP/1.1 200 OK'"),
        "{said:?}"
    );
    let all: Vec<u8> = world.seen().connections.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    let all = String::from_utf8_lossy(&all).into_owned();
    assert!(all.contains("/one") && all.contains("/three"), "{all}");
    assert!(!all.contains("/two") && !all.contains("/five"), "{all}");
}

fn half_open(world: &World) {
    let script = r#"
import socket, urllib.request
held = []
for i in range(300):
    s = socket.create_connection(("127.0.0.1", 61080), timeout=30)
    s.sendall(b"GET http://api.test/ HT" if i % 2 else b"\5")
    held.append(s)
for i in range(300):
    held.append(socket.create_connection(("api.test", 443), timeout=30))
for i in range(20):
    print(urllib.request.urlopen("http://api.test/%d" % i, timeout=60).status)
# They are told in the end.
held[1].settimeout(60)
print("late", held[1].recv(100))
held[400].settimeout(60)
try: print("hello", held[400].recv(100))
except OSError as error: print("hello", error)
"#;
    let policy = "allow = [{ host = \"api.test\", ports = [80], tls = false }, { host = \"*.test\" }]";
    let said = world.python(policy, script);
    assert_eq!(said.out.matches("200\n").count(), 20, "{said:?}");
    assert!(said.out.contains("late b'HTTP/1.1 408"), "{said:?}");
    assert!(said.out.contains("hello") && world.log().contains("no TLS ClientHello in time"), "{said:?}");
}

fn flood(world: &World) {
    let script = r#"
import socket, time, urllib.request
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setblocking(False)
def question(name):
    return b"\0\7\1\0\0\1\0\0\0\0\0\0" + b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + b"\0\0\1\0\1"
began = time.monotonic()
for i in range(50000):
    name = "n%d.%s.test" % (i, "wild" if i % 2 else "other")
    try: s.sendto(question(name), ("198.18.0.1", 53))
    except BlockingIOError: pass
    try: s.sendto(b"\xff" * (i % 1400), ("198.18.0.1", 53))
    except BlockingIOError: pass
    if i % 5000 == 0: print(urllib.request.urlopen("http://api.test/", timeout=60).status)
print("rate", int(50000 / (time.monotonic() - began)))
print(urllib.request.urlopen("http://api.test/", timeout=60).status)
"#;
    let said = world.python(PLAIN, script);
    assert_eq!(said.out.matches("200\n").count(), 11, "{said:?}");
    let lines = world.log().lines().count();
    assert!(lines < 1_200, "{lines} lines");
    assert!(world.log().contains("are not listed"), "{said:?}");
    let names = world.seen().names.clone();
    assert!(names.iter().all(|name| name == "api.test"), "{names:?}");
}

fn stalled(world: &World) {
    // Bytes for a server that never reads, until nothing more fits; others go on.
    let script = r#"
import socket, urllib.request
held = []
for i in range(20):
    s = socket.create_connection(("mute.test", 80), timeout=30)
    s.setblocking(False)
    try:
        while True: s.send(b"x" * 65536)
    except BlockingIOError: pass
    held.append(s)
for i in range(20): print(urllib.request.urlopen("http://api.test/", timeout=60).status)
"#;
    let said = world.python(PLAIN, script);
    assert_eq!(said.out.matches("200\n").count(), 20, "{said:?}");
}

fn many(world: &World) {
    let script = r#"
import resource, socket, sys, time
held = []
for i in range(2000):
    s = socket.create_connection(("mute.test", 80), timeout=60)
    s.sendall(b"x")
    held.append(s)
print("open", flush=True)
sys.stdin.read()
"#;
    let hard = fs::read_to_string("/proc/self/limits").unwrap();
    let hard = hard.lines().find(|line| line.starts_with("Max open files")).unwrap().to_owned();
    let hard: u64 = hard.split_whitespace().nth(4).and_then(|word| word.parse().ok()).unwrap_or(u64::MAX);
    if hard < 8_192 {
        eprintln!("SKIPPED: egress: only {hard} open files are possible here");
        return;
    }
    let policy = world.policy(PLAIN);
    let inside = format!("ulimit -n 4096; exec /usr/bin/python3 -c '{script}'");
    let args = ["run", "--policy", policy.to_str().unwrap(), "--", "sh", "-c", &inside];
    let mut child = world.weft(&args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let open = super::world::line_with(&mut child, "open");
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(open.is_some());
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let memory: u64 = memory.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(memory < 30 * 1024, "{memory} KiB");
    assert_eq!(world.log().matches("\"mute.test:80\"").count(), 2000);
}

/// Requests that are begun and not ended take bounded memory together, and somebody with an ordinary request is served meanwhile.
fn unsaid(world: &World) {
    let script = r#"
import os, socket, sys
held = []
for i in range(900):
    s = socket.create_connection(("127.0.0.1", int(os.environ["HTTP_PROXY"].rsplit(":", 1)[1].strip("/"))), timeout=60)
    s.sendall(b"GET http://api.test/" + b"a" * 200 + b" HTTP/1.1\r\nX: " + b"x" * 15000)
    held.append(s)
import urllib.request
print("open", urllib.request.urlopen("http://api.test/", timeout=60).status, flush=True)
sys.stdin.read()
"#;
    let policy = world.policy(PLAIN);
    let inside = format!("ulimit -n 2048; exec /usr/bin/python3 -c '{script}'");
    let args = ["run", "--policy", policy.to_str().unwrap(), "--", "sh", "-c", &inside];
    let mut child = world.weft(&args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let open = super::world::line_with(&mut child, "open");
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    drop(child.stdin.take());
    child.wait().unwrap();
    assert_eq!(open.as_deref().map(str::trim), Some("open 200"));
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let memory: u64 = memory.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(memory < 30 * 1024, "{memory} KiB");
    assert!(world.log().contains("begun and not ended"));
}

fn large(world: &World) {
    // Both directions at once, through the transparent listener and through the proxy.
    let server = r#"
import socket, threading, hashlib, sys
l = socket.create_server(("93.184.216.34", 7777), backlog=100)
print("ready", flush=True)
def serve(c):
    for data in iter(lambda: c.recv(65536), b""): c.sendall(data)
    c.close()
while True: threading.Thread(target=serve, args=(l.accept()[0],), daemon=True).start()
"#;
    let mut command = std::process::Command::new("/usr/bin/python3");
    let mut child = command.args(["-c", server]).stdout(Stdio::piped()).spawn().unwrap();
    assert!(super::world::line_with(&mut child, "ready").is_some());
    world.keep(child);
    let script = r#"
import hashlib, os, socket, threading
block = os.urandom(1 << 20)
def run(s, name):
    want, got = hashlib.sha256(), hashlib.sha256()
    def send():
        for i in range(64):
            want.update(block); s.sendall(block)
        s.shutdown(socket.SHUT_WR)
    t = threading.Thread(target=send); t.start()
    size = 0
    for data in iter(lambda: s.recv(65536), b""):
        got.update(data); size += len(data)
    t.join()
    print(name, size == 64 << 20 and want.digest() == got.digest(), flush=True)
a = socket.create_connection(("api.test", 7777), timeout=120)
b = socket.create_connection(("127.0.0.1", 61080), timeout=120)
b.sendall(b"CONNECT api.test:7777 HTTP/1.1\r\n\r\n")
head = b""
while b"\r\n\r\n" not in head: head += b.recv(1)
ts = [threading.Thread(target=run, args=x) for x in ((a, "transparent"), (b, "proxy"))]
for t in ts: t.start()
for t in ts: t.join()
"#;
    let said = world.python("allow = [{ host = \"api.test\", ports = [7777], tls = false }]", script);
    assert!(said.out.contains("transparent True") && said.out.contains("proxy True"), "{said:?}");
    assert_eq!(world.log().matches("67108864 bytes out, 67108864 bytes in").count(), 2, "{}", world.log());
}

fn silent(world: &World) {
    let policy = "allow = [{ host = \"api.test\", ports = [81], tls = false }, { host = \"nowhere.test\", ports = [80], tls = false }]";
    let said = world.sh(policy, "curl -sS http://api.test:81/; curl -sS http://nowhere.test/; curl -sS --noproxy '*' http://api.test:81/; curl -sS -x socks5h://127.0.0.1:61080 http://api.test:81/");
    assert!(said.out.contains("weft: api.test:81: connection refused"), "{said:?}");
    assert!(said.out.contains("weft: nowhere.test:80: the name has no address"), "{said:?}");
    // The reset may come while curl still connects.
    let reset = said.err.contains("reset by peer") || said.err.contains("Couldn't connect to server");
    assert!(reset && said.err.contains("SOCKS"), "{said:?}");
}
