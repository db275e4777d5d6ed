//! Who can be reached, and who cannot, whatever is tried.

use super::Case;
use super::world::{API, METADATA, OTHER, PRIVATE, Said, World, get, line_with, wait_for};
use std::process::Stdio;

pub const CASES: &[Case] = &[
    ("programs_that_know_no_proxy_reach_allowed_hosts", no_proxy),
    ("the_proxy_speaks_http_and_socks", proxies),
    ("other_hosts_and_ports_are_refused_with_a_reason", others),
    ("questions_stay_on_this_machine", questions),
    ("names_that_lead_to_private_addresses_are_refused", private),
    ("private_addresses_are_reached_when_named", named),
    ("a_name_that_is_rebound_leads_nowhere_new", rebinding),
    ("tls_clients_must_mean_the_host", hello),
    ("nothing_else_gets_out", escapes),
    ("limits_hold", limits),
    ("listen_lets_the_hosts_loopback_in", listen),
    ("the_log_has_every_connection", log),
    ("files_and_variables_inside_are_wefts", files),
];

pub const PLAIN: &str = "allow = [{ host = \"api.test\", ports = [80, 443, 8080], tls = false }, { host = \"*.wild.test\", ports = [80], tls = false }]\ndeny = [\"b.a.wild.test\"]";

pub fn no_proxy(world: &World) {
    let said = world
        .sh(PLAIN, "curl -sS --noproxy '*' http://api.test/x http://api.test:8080/y http://a.wild.test/z");
    assert_eq!(said.code, Some(0), "{said:?}");
    for words in
        ["this is 93.184.216.34:80\nGET /x HTTP/1.1\r\nHost: api.test\r", "GET /y", "Host: a.wild.test\r"]
    {
        assert!(said.out.contains(words), "{words}: {said:?}");
    }
    assert_eq!(world.reached("93.184.216.34:80"), 2);
}

pub fn proxies(world: &World) {
    let said = world.sh(
        PLAIN,
        "curl -sS http://api.test/plain && curl -sS -p http://api.test/tunnel && curl -sS -x socks5h://127.0.0.1:61080 http://api.test/socks && curl -sS -d body=1 http://api.test/post",
    );
    assert_eq!(said.code, Some(0), "{said:?}");
    for path in ["/plain", "/tunnel", "/socks"] {
        assert!(said.out.contains(&format!("GET {path} HTTP/1.1\r\nHost: api.test\r")), "{path}: {said:?}");
    }
    assert!(said.out.contains("POST /post HTTP/1.1\r"), "{said:?}");
    assert!(!said.out.contains("Proxy-"), "{said:?}");
    // A name that is resolved inside and handed to the proxy as an address.
    let said = world.sh(PLAIN, "curl -sS -m 20 -x socks5://127.0.0.1:61080 http://api.test/");
    assert!(said.code != Some(0), "{said:?}");
}

pub fn others(world: &World) {
    for (url, words) in [
        ("http://other.test/", "other.test:80: denied: network.allow does not name the host"),
        ("http://api.test:9999/", "allows port 80, 443, 8080 only"),
        ("http://wild.test/", "does not name the host"),
        ("http://b.a.wild.test/", "`b.a.wild.test` is denied"),
        ("http://93.184.216.34/", "does not name the host"),
        ("http://api.test.other.test/", "does not name the host"),
    ] {
        let said = world.sh(PLAIN, &format!("curl -sS -m 20 {url}; curl -sS -m 20 --noproxy '*' {url}"));
        assert!(said.code != Some(0), "{url}: {said:?}");
        assert!(said.out.contains(words), "{url}: {said:?}");
        assert!(!said.out.contains("this is"), "{url}: {said:?}");
    }
    let said = world.sh(PLAIN, "curl -sS -m 20 --noproxy '*' http://other.test/");
    assert!(said.err.contains("Could not resolve host: other.test"), "{said:?}");
    assert!(world.seen().connections.is_empty());
}

fn questions(world: &World) {
    let script = "for n in secret-data.other.test secret-data.a.wild.test api.test; do getent hosts $n; done; /usr/bin/python3 -c '
import socket
for n in (\"x.other.test\", \"more-data.wild.test\"):
    try: print(socket.getaddrinfo(n, 80)[0][4])
    except OSError as e: print(e)
'";
    let said = world.sh(PLAIN, script);
    assert!(said.out.contains("198.18.0."), "{said:?}");
    assert!(world.seen().names.is_empty(), "{:?}", world.seen().names);
    assert!(said.err.contains("resolve secret-data.other.test denied"), "{said:?}");
}

const TRICKS: &[&str] =
    &["private", "metadata", "shared", "loop", "six", "mapped", "nat64", "zero", "localhost", "127.0.0.1"];

pub fn private(world: &World) {
    let policy = "allow = [{ host = \"*\", ports = [80], tls = false }, { host = \"*.test\", ports = [80], tls = false }]";
    let mut script = String::new();
    for name in TRICKS {
        let host = if name.starts_with(['1', 'l']) && *name != "loop" {
            (*name).to_owned()
        } else {
            format!("{name}.test")
        };
        for how in [
            "--noproxy '*'",
            "",
            "-p",
            "--noproxy '' -x http://127.0.0.1:61080",
            "--noproxy '' -x socks5h://127.0.0.1:61080",
        ] {
            script.push_str(&format!("curl -sS -m 20 {how} http://{host}/; "));
        }
    }
    for host in [
        "[::ffff:127.0.0.1]",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "[::1]",
        "169.254.169.254",
        "10.1.2.3",
        "0.0.0.0",
        "localhost.",
        "[64:ff9b::7f00:1]",
    ] {
        for how in [
            "--noproxy '*'",
            "--noproxy '' -x http://127.0.0.1:61080",
            "--noproxy '' -p -x http://127.0.0.1:61080",
        ] {
            script.push_str(&format!("curl -g -sS -m 20 {how} 'http://{host}/'; "));
        }
    }
    let said = world.sh(policy, &script);
    assert!(!said.out.contains("this is"), "{said:?}");
    assert!(world.seen().connections.is_empty(), "{:?}", world.seen().connections);
    for words in [
        "10.1.2.3 is a private network, and no rule names that address",
        "hands out credentials",
        "127.0.0.1 is this machine",
    ] {
        assert!(said.out.contains(words), "{words}: {said:?}");
    }
    // Of several addresses only those that may be are dialled.
    let said = world.sh(policy, "curl -sS http://mixed.test/");
    assert!(said.out.contains("this is 93.184.216.34:80"), "{said:?}");
}

fn named(world: &World) {
    let policy = "allow = [{ host = \"private.test\", ports = [80, 443], tls = false }, { host = \"10.1.0.0/16\", ports = [80], tls = false }, { host = \"localhost\", ports = [9999], tls = false }, { host = \"169.254.0.0/16\", ports = [80], tls = false }]";
    let said = world.sh(policy, "curl -sS http://private.test/; curl -sS --noproxy '*' http://10.1.2.3/ http://localhost:9999/ http://127.0.0.1:9999/");
    assert_eq!(said.out.matches(&format!("this is {PRIVATE}:80")).count(), 2, "{said:?}");
    // 127.0.0.1 as it stands is not what the rule says, but what its name is inside.
    assert_eq!(said.out.matches("this is 127.0.0.1:9999").count(), 2, "{said:?}");
    world.quiet();
    let said = world.sh(policy, "curl -sS http://private.test:443/; curl -sS --noproxy '*' -m 20 http://169.254.169.254/; curl -sS --noproxy '*' -m 20 http://127.0.0.1:80/");
    assert!(said.out.contains("no rule names that address"), "{said:?}");
    assert!(world.seen().connections.is_empty(), "{:?}", world.seen().connections);
    let policy = format!("allow = [{{ host = \"{METADATA}\", ports = [80], tls = false }}]");
    let said = world.sh(&policy, "curl -sS --noproxy '*' http://169.254.169.254/");
    assert!(said.out.contains("this is 169.254.169.254:80"), "{said:?}");
    let policy = format!("allow = [{{ host = \"*\", ports = [80], tls = false }}]\ndeny = [\"{API}\"]");
    let said = world.sh(&policy, "curl -sS http://api.test/");
    assert!(said.out.contains("`93.184.216.34` is denied"), "{said:?}");
}

pub fn rebinding(world: &World) {
    let policy = "allow = [{ host = \"rebind.test\", ports = [80], tls = false }]";
    let said = world.sh(policy, "for i in 1 2 3 4 5; do curl -sS -m 20 http://rebind.test/; curl -sS -m 20 --noproxy '*' http://rebind.test/; done");
    assert_eq!(said.out.matches("this is 93.184.216.34:80").count(), 1, "{said:?}");
    assert_eq!(world.reached("127.0.0.1:80"), 0);
    assert!(said.out.contains("127.0.0.1 is this machine"), "{said:?}");
}

/// Makes a hello for a name, and sends it as the name says.
const HELLO: &str = r#"
import socket, ssl, sys, time
def hello(name):
    context = ssl.create_default_context()
    context.check_hostname = False
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
    try: tls.do_handshake()
    except ssl.SSLWantReadError: pass
    return outgoing.read()
def split(data, size):
    body = data[5:]
    return b"".join(data[:3] + len(p).to_bytes(2, "big") + p for p in (body[i:i+size] for i in range(0, len(body), size)))
def say(what, parts, pause=0):
    s = socket.create_connection(("api.test", 443), timeout=30)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        for part in parts:
            s.sendall(part)
            time.sleep(pause)
        got = s.recv(100)
    except OSError as error:
        got = repr(error).encode()
    print(what, got.hex() if got[:1] == b"\x15" else got, flush=True)
right, wrong, none = hello("api.test"), hello("other.test"), hello(None)
"#;

pub fn hello(world: &World) {
    let tls = "allow = [{ host = \"api.test\" }]";
    let script = format!(
        "{HELLO}\nsay('right', [right])\nsay('bytes', [right[i:i+1] for i in range(len(right))])\nsay('records', [split(right, 100)])\nsay('upper', [hello('API.test')])"
    );
    let said = world.python(tls, &script);
    for what in ["right", "bytes", "records", "upper"] {
        // The server's own alert.
        assert!(said.out.contains(&format!("{what} 15030300020228")), "{what}: {said:?}");
    }
    let whole = |(_, bytes): &(String, Vec<u8>)| bytes.first() == Some(&22);
    assert_eq!(world.seen().connections.iter().filter(|c| whole(c)).count(), 4);
    world.quiet();
    let script = format!(
        "{HELLO}\nsay('wrong', [wrong])\nsay('none', [none])\nsay('plain', [b'GET / HTTP/1.1\\r\\n\\r\\n'])\nsay('fine', [split(right, 1)])\nsay('wrong-split', [split(wrong, 90)])\nsay('half', [right[:50], b'x' * 10000])\nsay('ssh', [b'SSH-2.0-x\\r\\n'])\nsay('more', [right[:5] + right[5:] + b'', wrong][1:])"
    );
    let said = world.python(tls, &script);
    for what in ["wrong", "none", "plain", "fine", "wrong-split", "half", "ssh", "more"] {
        let refused = [format!("{what} 1503030002"), format!("{what} b'Conn"), format!("{what} b''")];
        assert!(refused.iter().any(|words| said.out.contains(words)), "{what}: {said:?}");
    }
    let told: Vec<usize> = world.seen().connections.iter().map(|(_, bytes)| bytes.len()).collect();
    assert!(told.iter().all(|bytes| *bytes == 0), "{told:?}");
    // Through the proxy as well.
    let script = format!(
        "{HELLO}\ndef tunnel(what, data):\n    s = socket.create_connection(('127.0.0.1', 61080), timeout=30)\n    s.sendall(b'CONNECT api.test:443 HTTP/1.1\\r\\n\\r\\n' + data)\n    got = b''\n    while b'\\x15' not in got:\n        more = s.recv(100)\n        if not more: break\n        got += more\n    print(what, got)\ntunnel('right', right)\ntunnel('wrong', wrong)"
    );
    let said = world.python(tls, &script);
    assert!(
        said.out.contains(
            "right b'HTTP/1.1 200 Connection established\\r\\n\\r\\n\\x15\\x03\\x03\\x00\\x02\\x02("
        ),
        "{said:?}"
    );
    assert!(
        said.out.contains(
            "wrong b'HTTP/1.1 200 Connection established\\r\\n\\r\\n\\x15\\x03\\x03\\x00\\x02\\x02p"
        ),
        "{said:?}"
    );
    assert!(world.log().contains("its TLS ClientHello is for other.test"), "{}", world.log());
    // Plain HTTP is not what a rule for TLS allows.
    let said = world.sh("allow = [{ host = \"api.test\", ports = [80] }]", "curl -sS http://api.test/");
    assert!(said.out.contains("the rule is for TLS, and this is plain HTTP"), "{said:?}");
}

pub fn escapes(world: &World) {
    let script = format!(
        r#"
import socket
def attempt(what, act):
    try: print(what, "ESCAPED", act())
    except OSError as error: print(what, "held", error)
def tcp(family, *to):
    def act():
        s = socket.socket(family, socket.SOCK_STREAM)
        s.settimeout(10)
        s.connect(to)
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        got = s.recv(100)
        if not got: raise OSError("nothing")
        return got
    return act
def udp(*to):
    def act():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(1)
        s.sendto(b"x", to)
        return s.recv(100)
    return act
for port in (80, 443, 8080, 9999):
    for address in ("{API}", "{OTHER}", "{PRIVATE}", "{METADATA}", "127.0.0.1", "127.0.0.2", "0.0.0.0", "198.18.0.1", "198.18.0.200"):
        attempt(f"tcp {{address}} {{port}}", tcp(socket.AF_INET, address, port))
    for address in ("::1", "::ffff:127.0.0.1", "::ffff:{API}", "::", "64:ff9b::7f00:1", "fe80::1"):
        attempt(f"tcp6 {{address}} {{port}}", tcp(socket.AF_INET6, address, port, 0, 0))
for address in ("{API}", "127.0.0.1", "198.18.0.2"):
    attempt(f"udp {{address}}", udp(address, 5353))
def question(name):
    return b"\0\7\1\0\0\1\0\0\0\0\0\0" + b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + b"\0\0\1\0\1"
def dns(to, name):
    def act():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(1)
        s.sendto(question(name), (to, 53))
        got = s.recv(500)
        if got[3] & 15 or not got[7]: raise OSError("no such name")
        return got
    return act
attempt("dns 127.0.0.1", dns("127.0.0.1", "api.test"))
attempt("dns other", dns("198.18.0.1", "other.test"))
for kind in ("SOCK_RAW", "SOCK_DGRAM"):
    attempt("icmp " + kind, lambda: socket.socket(socket.AF_INET, getattr(socket, kind), 1).sendto(b"\x08\0\xf7\xff\0\0\0\0", ("{API}", 1)))
attempt("packet", lambda: socket.socket(17, socket.SOCK_RAW))
attempt("vsock", lambda: socket.socket(40, socket.SOCK_STREAM).connect((2, 80)))
attempt("mptcp", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262))
attempt("fast open", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).sendto(b"x", 0x20000000, ("{API}", 80)))
"#
    );
    // Port 443 is the proxy's and the transparent listener's; 80 is named for a host that has not been asked for.
    let said = world.python("allow = [{ host = \"www.api.test\", ports = [80, 443], tls = false }]", &script);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("tcp 127.0.0.1 80 held"), "{said:?}");
    assert!(!said.out.contains("ESCAPED"), "{}", said.out);
    assert!(
        world.seen().connections.is_empty()
            && world.seen().datagrams.is_empty()
            && world.seen().names.is_empty()
    );
}

fn limits(world: &World) {
    // A second connection while the first is open.
    let script = "import socket\na = socket.create_connection(('api.test', 80), timeout=30)\na.sendall(b'x')\ntry:\n    b = socket.create_connection(('api.test', 80), timeout=30)\n    b.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')\n    print('second', b.recv(10))\nexcept OSError as e: print('second', e)\na.sendall(b'\\r\\n\\r\\n')\nprint('first', a.recv(10))";
    let said = world
        .python("allow = [{ host = \"api.test\", ports = [80], tls = false, max_connections = 1 }]", script);
    assert!(said.out.contains("first b'HTTP/1.1"), "{said:?}");
    assert!(said.out.contains("second") && !said.out.contains("second b'HTTP"), "{said:?}");
    assert!(world.log().contains("max_connections of the rule is reached"), "{}", world.log());
    for (limit, total) in
        [(", max_bytes_out = \"100kB\" }]", 100_000), (" }]\nmax_bytes_out = \"100kB\"", 100_000)]
    {
        world.quiet();
        let script = "import socket\ns = socket.create_connection(('api.test', 80), timeout=30)\ntry:\n    for i in range(1000): s.sendall(b'x' * 1000)\n    s.recv(1)\n    print('SENT')\nexcept OSError as e: print('stopped', e)\ntry: print('again', socket.create_connection(('api.test', 80), timeout=30).recv(1))\nexcept OSError as e: print('again stopped', e)";
        let said = world
            .python(&format!("allow = [{{ host = \"api.test\", ports = [80], tls = false{limit}"), script);
        assert!(said.out.contains("stopped") && said.out.contains("again stopped"), "{said:?}");
        let sent: usize = world.seen().connections.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(sent <= total + 1, "{sent}");
        assert!(world.log().contains("max_bytes_out"), "{}", world.log());
    }
    // So much takes at least so long.
    let script = "import socket, time\nbegan = time.monotonic()\ns = socket.create_connection(('api.test', 80), timeout=60)\ns.sendall(b'x' * 60000 + b'\\r\\n\\r\\n')\nprint(s.recv(8), time.monotonic() - began)";
    let said =
        world.python("allow = [{ host = \"api.test\", ports = [80], tls = false, rate = \"40kB\" }]", script);
    let took: f64 = said
        .out
        .split(' ')
        .nth(1)
        .and_then(|word| word.trim().parse().ok())
        .unwrap_or_else(|| panic!("{said:?}"));
    assert!(took > 0.9, "{said:?}");
}

fn listen(world: &World) {
    let policy = world.policy("listen = [3000, 3001]");
    let script = "import socket, threading, time\nfor family, port in ((socket.AF_INET, 3000), (socket.AF_INET6, 3001), (socket.AF_INET, 3002)):\n    s = socket.socket(family)\n    s.bind(('localhost' if port != 3001 else '::1', port))\n    s.listen()\n    def serve(s=s, port=port):\n        while True:\n            c, _ = s.accept()\n            c.recv(1000)\n            c.sendall(b'HTTP/1.0 200 OK\\r\\n\\r\\ninside %d' % port)\n            c.close()\n    threading.Thread(target=serve, daemon=True).start()\nprint('ready', flush=True)\ntime.sleep(600)";
    let mut command =
        world.weft(&["run", "--policy", policy.to_str().unwrap(), "--", "/usr/bin/python3", "-c", script]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    assert!(line_with(&mut child, "ready").is_some());
    let answers: Vec<_> =
        ["127.0.0.1:3000", "127.0.0.1:3001", "127.0.0.1:3002", "93.184.216.34:3000", "[::1]:3000"]
            .iter()
            .map(|place| get(place.parse().unwrap()).unwrap_or_default())
            .collect();
    // Told at their end, which may come a moment after the answer.
    let told = wait_for(|| world.log().matches("\"action\":\"listen\"").count() >= 2);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(told, "{}", world.log());
    assert!(answers[0].ends_with("inside 3000") && answers[1].ends_with("inside 3001"), "{answers:?}");
    assert!(answers[2..].iter().all(String::is_empty), "{answers:?}");
    // The way in is no way out.
    let said =
        world.sh("listen = [3000]", "curl -sS -m 20 http://api.test/; curl -sS -m 20 http://127.0.0.1:80/");
    assert!(said.code != Some(0) && world.seen().connections.is_empty(), "{said:?}");
}

fn log(world: &World) {
    let said = world.sh(PLAIN, "curl -sS http://api.test/ -o /dev/null; curl -sS http://other.test/; curl -sS --noproxy '*' http://new.test/; curl -sS http://closed.test/; curl -sS --noproxy '*' http://gone.wild.test/");
    let log = world.log();
    let entry = |words: &[&str]| log.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(
        entry(&[
            "\"connect\"",
            "\"api.test:80\"",
            "\"allowed\":true",
            "93.184.216.34:80",
            "bytes out",
            "network.allow"
        ]),
        "{log}"
    );
    assert!(
        entry(&["\"connect\"", "\"other.test:80\"", "\"allowed\":false", "does not name the host"]),
        "{log}"
    );
    assert!(entry(&["\"resolve\"", "\"new.test\"", "\"allowed\":false"]), "{log}");
    assert!(
        entry(&["\"gone.wild.test:80\"", "\"allowed\":true", "not connected: the name has no address"]),
        "{log}"
    );
    for words in [
        "net: connect api.test:80 opened: 93.184.216.34:80",
        "net: connect api.test:80 closed: `api.test` is allowed",
        "net: connect other.test:80 denied",
    ] {
        assert!(said.err.contains(words), "{words}: {said:?}");
    }
}

fn files(world: &World) {
    let said = world.sh(PLAIN, "cat /etc/resolv.conf /etc/hosts /etc/nsswitch.conf; env; for f in /etc/resolv.conf /etc/hosts; do echo x > $f; rm $f; done; mv /etc/hosts /etc/x");
    for words in [
        "nameserver 198.18.0.1\n",
        "127.0.0.1 localhost\n",
        "hosts: files dns\n",
        "\nhttps_proxy=http://127.0.0.1:61080\n",
        "NODE_USE_ENV_PROXY=1",
    ] {
        assert!(said.out.contains(words), "{words}: {said:?}");
    }
    assert!(said.err.contains("Read-only file system"), "{said:?}");
    // The policy has the last word about variables.
    let above = world.policy(PLAIN);
    let text = format!(
        "version = 1\nextends = [\"{}\"]\n[env]\nset = {{ HTTP_PROXY = \"mine\" }}\ndeny = [\"ALL_PROXY\", \"NODE_*\"]\n",
        above.display()
    );
    let policy = world.file("variables.toml", &text);
    let said: Said =
        world.weft(&["run", "--policy", policy.to_str().unwrap(), "--", "env"]).output().unwrap().into();
    assert!(
        said.out.contains("HTTP_PROXY=mine\n") && said.out.contains("HTTPS_PROXY=http://127"),
        "{said:?}"
    );
    assert!(!said.out.contains("ALL_PROXY") && !said.out.contains("NODE_"), "{said:?}");
}
