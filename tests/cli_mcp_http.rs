//! `weft mcp --url` between a client and a server that is reached by HTTP, which may be wrong or hostile. The server is in the test, on
//! a port that the system gives; the policy names it.

// A failure here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "support/cli.rs"]
mod cli;
#[path = "support/mcp.rs"]
mod mcp;

use cli::Dir;
use mcp::{Client, refused, text};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use weft::json::{Node, parse};

const POLICY: &str = r#"version = 1
agent = "tester"
extends = ["base"]
[filesystem]
read = ["${WORKSPACE}"]
deny = ["${WORKSPACE}/.env"]
[network]
allow = [{ host = "127.0.0.1", ports = [PORT], tls = false }]
[tools]
allow = ["read_file", "bad:*", "good:*"]
[[tools.argument]]
tool = "read_file"
name = "path"
must = "read"
[audit]
file = "${STATE}/mcp.jsonl"
"#;

const TOOLS: &[&str] = &[
    "read_file",
    "delete",
    "good:events",
    "good:resumed",
    "good:refuses",
    "good:asks",
    "bad:slow",
    "bad:trickle",
    "bad:event",
    "bad:large",
    "bad:chunk",
    "bad:type",
    "bad:redirect",
    "bad:breaks",
    "bad:ends",
    "bad:sessions",
    "bad:session",
    "bad:taken",
    "bad:other",
    "bad:twice",
    "bad:nothing",
    "bad:noise",
    "bad:forgets",
    "bad:head",
    "bad:array",
    "bad:stream",
];

/// What a request was.
#[derive(Clone, Debug)]
struct Seen {
    method: String,
    head: String,
    body: String,
}

/// The server.
struct Web {
    port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Web {
    /// `streams`: there is a stream of its own.
    fn new(streams: bool) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let web = Web { port: listener.local_addr().unwrap().port(), seen: Arc::default() };
        let seen = Arc::clone(&web.seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&seen);
                // A client that closes the connection is not an error of the test.
                std::thread::spawn(move || serve(stream, &seen, streams));
            }
        });
        web
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// Ends with the connection: whoever waits for nothing more sees the end of it.
fn until_closed(stream: &mut TcpStream) {
    let _ = stream.read(&mut [0; 64]);
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Seen>>, streams: bool) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_ascii_lowercase();
    let length = lower
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.lines().next()?.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).unwrap();
    let method = head.split(' ').next().unwrap().to_owned();
    seen.lock().unwrap().push(Seen { method: method.clone(), head: lower.clone(), body: body.clone() });
    let events = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    match method.as_str() {
        "GET" if lower.contains("last-event-id: e7\r\n") => {
            let id = seen
                .lock()
                .unwrap()
                .iter()
                .rev()
                .find(|seen| seen.body.contains("good:resumed"))
                .map(|seen| id(&seen.body));
            let answer = answer(&id?, r#"{"content":[{"type":"text","text":"late"}]}"#);
            return write!(stream, "{events}data: {answer}\n\n").ok();
        }
        "GET" if streams => {
            write!(stream, "{events}: hello\n\nevent: message\ndata: {{\"jsonrpc\":\"2.0\",\ndata: \"method\":\"notifications/message\",\"params\":{{}}}}\n\n").ok()?;
            until_closed(&mut stream);
            return Some(());
        }
        "POST" => {}
        _ => return write!(stream, "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n").ok(),
    }
    let message = parse(&body).unwrap();
    if message.get("id").is_none() || message.get("method").is_none() {
        return write!(stream, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").ok();
    }
    let id = id(&body);
    let json = |extra: &str, text: &str| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{extra}Content-Length: {}\r\n\r\n{text}",
            text.len()
        )
    };
    let done = answer(&id, r#"{"content":[{"type":"text","text":"done"}]}"#);
    let params = message.get("params");
    let out = match message.get("method").and_then(Node::as_str).unwrap() {
        "initialize" => {
            let result = r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}"#;
            json("Mcp-Session-Id: s-1\r\n", &answer(&id, result))
        }
        "tools/list" => {
            let tools: Vec<String> = TOOLS
                .iter()
                .map(|name| format!(r#"{{"name":"{name}","description":"Does a thing.","inputSchema":{{"type":"object"}}}}"#))
                .collect();
            // On several lines, as JSON over HTTP may be.
            json("", &answer(&id, &format!("{{\n\"tools\": [\n{}\n]}}", tools.join(",\n"))))
        }
        _ => match params.and_then(|params| params.get("name")).and_then(Node::as_str).unwrap_or_default() {
            "good:events" => format!(
                "{events}: comment\r\n\r\nid: 1\r\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{{}}}}\r\n\r\nevent: other\r\ndata: not a message\r\n\r\ndata: {done}\r\n\r\n"
            ),
            "good:resumed" => format!("{events}id: e7\nretry: 1\ndata:\n\n"),
            "good:refuses" => {
                let text = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32602,"message":"not so"}}"#;
                json("", text).replace("200 OK", "400 Bad Request")
            }
            "good:asks" => format!(
                "{events}data: {{\"jsonrpc\":\"2.0\",\"id\":\"s1\",\"method\":\"sampling/createMessage\",\"params\":{{}}}}\n\ndata: {done}\n\n"
            ),
            "bad:slow" => {
                until_closed(&mut stream);
                return Some(());
            }
            "bad:trickle" => {
                write!(stream, "{events}").ok()?;
                // As much as anybody takes.
                while write!(stream, ": still here\n\n").is_ok() {}
                return Some(());
            }
            "bad:event" => {
                write!(stream, "{events}data: ").ok()?;
                let piece = [b'x'; 1 << 16];
                while stream.write_all(&piece).is_ok() {}
                return Some(());
            }
            "bad:large" => {
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 104857600\r\n\r\n").ok()?;
                let piece = [b' '; 1 << 16];
                while stream.write_all(&piece).is_ok() {}
                return Some(());
            }
            "bad:chunk" => "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}x\r\n0\r\n\r\n".to_owned(),
            "bad:type" => json("", &done).replace("application/json", "text/html"),
            "bad:redirect" => format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/{}\r\nContent-Length: 0\r\n\r\n", "x".repeat(300)),
            "bad:breaks" => json("", &done)[..90].to_owned(),
            "bad:ends" => format!("{events}data: {}", &done[..20]),
            "bad:sessions" => json("Mcp-Session-Id: s-1\r\nMcp-Session-Id: s-2\r\n", &done),
            "bad:session" => json("Mcp-Session-Id: s-2\r\n", &done),
            "bad:taken" => "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "bad:other" => json("", &answer("\"another\"", "{}")),
            "bad:twice" => json("", &answer(&id, r#"{"a":1,"a":2}"#)),
            "bad:nothing" => String::new(),
            "bad:noise" => "SSH-2.0-x\r\n\r\n".to_owned(),
            "bad:forgets" => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "bad:head" => format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)),
            "bad:array" => json("", &format!("[{done}]")),
            "bad:stream" => format!("{events}data: {}\n\n", answer("\"another\"", "{}")),
            _ => json("", &done),
        },
    };
    stream.write_all(out.as_bytes()).ok()?;
    stream.shutdown(std::net::Shutdown::Write).ok()?;
    until_closed(&mut stream);
    Some(())
}

fn answer(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// The id of a message as it stands there.
fn id(body: &str) -> String {
    let message = parse(body).unwrap();
    let mut text = Vec::new();
    weft::json::Writer::new(&mut text).node(message.get("id").unwrap(), false).unwrap();
    String::from_utf8(text).unwrap()
}

struct Place {
    dir: Dir,
    home: Dir,
    url: String,
}

impl Place {
    fn new(web: &Web) -> Place {
        let place =
            Place { dir: Dir::new(), home: Dir::new(), url: format!("http://127.0.0.1:{}/mcp", web.port) };
        place.dir.file("weft.toml", POLICY.replace("PORT", &web.port.to_string()));
        place.dir.file("notes.md", "n");
        place.dir.file(".env", "SECRET=1");
        place
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weft"));
        command.arg("mcp").args(words).current_dir(&self.dir.0);
        command.env("HOME", &self.home.0).env("XDG_STATE_HOME", &self.home.0);
        command
    }

    fn client(&self, more: &[&str]) -> Client {
        Client::start(self.command(&["--url", &self.url]).args(more))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.home.0.join("mcp.jsonl")).unwrap_or_default()
    }
}

#[test]
fn a_session_goes_through_the_filter_and_the_egress() {
    let web = Web::new(true);
    let place = Place::new(&web);
    let mut client = place.client(&[]);
    client.begin();
    // What the server says of its own accord, in a stream that opens after the handshake.
    let said = client.next();
    assert_eq!(said.get("method").and_then(Node::as_str), Some("notifications/message"), "{said:?}");
    let names = client.names("tools/list", "tools", "name");
    assert!(names.contains(&"read_file".to_owned()) && !names.contains(&"delete".to_owned()), "{names:?}");
    assert_eq!(text(&client.call("read_file", r#"{"path":"notes.md"}"#)), "done");
    refused(&client.call("read_file", r#"{"path":".env"}"#), "-32001", ".env is denied");
    refused(&client.call("delete", "{}"), "-32001", "tools.allow does not name it");
    // An answer in a stream, with what comes before it.
    client.send(br#"{"jsonrpc":"2.0","id":"e","method":"tools/call","params":{"name":"good:events"}}"#);
    assert_eq!(client.next().get("method").and_then(Node::as_str), Some("notifications/progress"));
    assert_eq!(text(&client.next()), "done");
    // A stream that ends and is taken up again.
    assert_eq!(text(&client.call("good:resumed", "{}")), "late");
    // An error of the server is the client's, whatever id it has.
    let said = client.call("good:refuses", "{}");
    assert_eq!(
        said.get("error").and_then(|error| error.get("message")).and_then(Node::as_str),
        Some("not so")
    );
    // A question to the client that the policy does not allow is answered by weft.
    assert_eq!(text(&client.call("good:asks", "{}")), "done");
    assert_eq!(client.end(), 0);
    let seen = web.seen();
    assert!(
        !seen.iter().any(|seen| seen.body.contains("\"delete\"") || seen.body.contains(".env")),
        "{seen:?}"
    );
    let find = |what: &str| {
        seen.iter().find(|seen| seen.body.contains(what)).unwrap_or_else(|| panic!("{what}: {seen:?}"))
    };
    assert!(!find("\"initialize\"").head.contains("mcp-"), "{seen:?}");
    let head = &find("notes.md").head;
    for header in [
        "mcp-session-id: s-1\r\n",
        "mcp-protocol-version: 2025-06-18\r\n",
        "content-type: application/json\r\n",
        "accept: application/json, text/event-stream\r\n",
    ] {
        assert!(head.contains(header), "{header}: {head}");
    }
    assert!(head.starts_with("post /mcp http/1.1\r\n"), "{head}");
    assert!(find("\"s1\"").body.contains("error"), "{seen:?}");
    let last = seen.last().unwrap();
    assert!(last.method == "DELETE" && last.head.contains("mcp-session-id: s-1\r\n"), "{seen:?}");
    let log = place.log();
    let port = web.port;
    for words in [
        format!(r#""action":"start","target":"weft mcp --url http://127.0.0.1:{port}/mcp""#),
        format!(r#""action":"connect","target":"127.0.0.1:{port}","allowed":true"#),
        r#""action":"tool","target":"read_file","allowed":false"#.to_owned(),
    ] {
        assert!(log.contains(&words), "{words}: {log}");
    }
}

#[test]
fn a_server_that_fails_is_answered_for() {
    let web = Web::new(false);
    let place = Place::new(&web);
    let mut client = place.client(&["--answer-within", "4s"]);
    client.begin();
    for (tool, why) in [
        ("bad:event", "an event is too large"),
        ("bad:large", "larger than"),
        ("bad:chunk", "chunk"),
        ("bad:type", "text/html"),
        ("bad:redirect", "redirects to http://127.0.0.1:1/"),
        ("bad:breaks", "broke off"),
        ("bad:ends", "ended without the answer"),
        ("bad:sessions", "two headers mcp-session-id"),
        ("bad:session", "another session"),
        ("bad:taken", "will not answer"),
        ("bad:other", "something else than the answer"),
        ("bad:twice", "\"a\" twice"),
        ("bad:nothing", "closed the connection"),
        ("bad:noise", "no HTTP answer"),
        ("bad:head", "too long"),
        ("bad:array", "not a JSON object"),
        ("bad:stream", "something else in the stream"),
    ] {
        let said = client.call(tool, "{}");
        refused(&said, "-32002", why);
        // And it goes on.
        assert_eq!(text(&client.call("read_file", r#"{"path":"notes.md"}"#)), "done", "{tool}");
    }
    // Those that never end wait beside each other.
    for tool in ["bad:slow", "bad:trickle"] {
        client.send(
            format!(
                r#"{{"jsonrpc":"2.0","id":"{tool}","method":"tools/call","params":{{"name":"{tool}"}}}}"#
            )
            .as_bytes(),
        );
    }
    assert_eq!(text(&client.call("read_file", r#"{"path":"notes.md"}"#)), "done");
    for _ in 0..2 {
        refused(&client.next(), "-32002", "did not answer within");
    }
    // A session that the server has forgotten cannot go on.
    refused(&client.call("bad:forgets", "{}"), "-32002", "ended the session");
    assert_eq!(client.child.wait().unwrap().code(), Some(1));
}

#[test]
fn many_requests_at_one_time_are_all_answered() {
    let web = Web::new(false);
    let place = Place::new(&web);
    let mut client = place.client(&[]);
    client.begin();
    client.call("read_file", r#"{"path":"notes.md"}"#);
    for id in 0..300 {
        client.send(
            format!(r#"{{"jsonrpc":"2.0","id":"n{id}","method":"tools/call","params":{{"name":"read_file","arguments":{{"path":"notes.md"}}}}}}"#)
                .as_bytes(),
        );
    }
    let mut answered: Vec<String> =
        (0..300).map(|_| client.next()).map(|said| format!("{} {:?}", text(&said), said.get("id"))).collect();
    answered.sort();
    answered.dedup();
    assert_eq!(answered.len(), 300);
    assert_eq!(client.end(), 0);
}

#[test]
fn a_tool_that_changed_is_kept_away() {
    let first = Web::new(false);
    let place = Place::new(&first);
    let mut client = place.client(&[]);
    client.begin();
    assert!(client.names("tools/list", "tools", "name").contains(&"read_file".to_owned()));
    client.end();
    // As if it had said something else then.
    let kept = place.home.0.join("weft/mcp");
    let file = std::fs::read_dir(&kept).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(&file).unwrap().replace("Does a thing.", "Did a thing.");
    std::fs::write(&file, text).unwrap();
    let mut client = place.client(&[]);
    client.begin();
    assert!(client.names("tools/list", "tools", "name").is_empty());
    refused(&client.call("read_file", r#"{"path":"notes.md"}"#), "-32001", "has changed since");
    client.end();
    let output = place.command(&["--accept", "--yes", "--url", &place.url]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("-  \"description\": \"Did a thing.\""), "{said}");
    let mut client = place.client(&[]);
    client.begin();
    assert!(client.names("tools/list", "tools", "name").contains(&"read_file".to_owned()));
}

#[test]
fn a_policy_that_does_not_name_the_host_reaches_nobody() {
    let (web, other) = (Web::new(false), Web::new(false));
    let place = Place::new(&web);
    let url = format!("http://127.0.0.1:{}/mcp", other.port);
    let output = place.command(&["--url", &url]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("does not let it reach the server"), "{said}");
    assert!(
        place
            .log()
            .contains(&format!(r#""action":"connect","target":"127.0.0.1:{}","allowed":false"#, other.port))
    );
    assert!(other.seen().is_empty());
    for (words, why) in [
        (&["--url", "http://mcp.example.com/mcp"][..], "plain http is for this machine"),
        (&["--url", "ftp://mcp.example.com/mcp"], "neither http nor https"),
        (&["--url", "https://u:p@mcp.example.com/"], "user name"),
        (&["--url", &place.url, "--", "python3"], "a server that is there and one to run"),
        (&["--url", &place.url, "--http", "80"], "two ways to the server"),
        (&["--http", "0", "--", "python3"], "port from 1 to 65535"),
        (&["--http", "80"], "no server to run"),
        (&["--path", "/x", "--", "python3"], "--path is for --http"),
        (&["--http", "80", "--path", "x y", "--", "python3"], "no path on a server"),
    ] {
        let output = place.command(words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(why), "{words:?}: {said}");
    }
    assert!(web.seen().is_empty());
}

/// A server in the sandbox that listens on its loopback: nobody else can reach it there, and it reaches nobody.
#[test]
fn a_server_of_ones_own_may_speak_http() {
    let Some(python) = python() else {
        println!("SKIPPED: python3 is not installed; a server that listens in the sandbox was not run");
        return;
    };
    let web = Web::new(false);
    let place = Place::new(&web);
    let prefix = python.parent().unwrap().parent().unwrap().display();
    place.dir.file(
        "own.toml",
        format!(
            "version = 1\nextends = [\"base\"]\n[filesystem]\nread = [\"${{WORKSPACE}}\", \"{prefix}\"]\nexec = [\"{prefix}\"]\n[tools]\nallow = [\"look\", \"end\"]\n[audit]\nfile = \"${{STATE}}/mcp.jsonl\"\n"
        ),
    );
    place.dir.file("server.py", OWN);
    let port = web.port.to_string();
    let python = python.to_str().unwrap();
    let words =
        ["--policy", "own.toml", "--http", "8765", "--path", "/here", "--", python, "server.py", &port];
    let mut client = Client::start(place.command(&words).env("WEFT_TEST_SECRET", "hidden"));
    client.begin();
    assert_eq!(client.names("tools/list", "tools", "name"), ["look", "end"]);
    let said = client.call("look", "{}");
    let said = text(&said);
    assert!(said.contains("outside: refused") && !said.contains("hidden"), "{said}");
    // Weft's own process in there is closed to it.
    assert!(said.contains("carrier: closed"), "{said}");
    refused(&client.call("end", "{}"), "-32002", "");
    assert_eq!(client.child.wait().unwrap().code(), Some(7));
    assert!(web.seen().is_empty());
    assert!(client.said.iter().any(|line| line.contains("printed by the server")));
}

const OWN: &str = r#"
import http.server, json, os, socket, sys

def look():
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
        outside = "reached"
    except OSError:
        outside = "refused"
    try:
        open("/proc/%d/environ" % os.getppid()).read()
        carrier = "open"
    except OSError:
        carrier = "closed"
    return "outside: %s, carrier: %s, %s" % (outside, carrier, dict(os.environ))

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        method = request["method"]
        if self.path != "/here" or "id" not in request:
            self.send_response(202 if self.path == "/here" else 404)
            self.end_headers()
            return
        if method == "initialize":
            result = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}
        elif method == "tools/list":
            result = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in ["look", "end", "other"]]}
        elif request["params"]["name"] == "end":
            os._exit(7)
        else:
            result = {"content": [{"type": "text", "text": look()}]}
        body = json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass

print("printed by the server", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", 8765), Handler).serve_forever()
"#;

fn python() -> Option<std::path::PathBuf> {
    let output = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().ok()?;
    std::path::PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()).canonicalize().ok()
}
