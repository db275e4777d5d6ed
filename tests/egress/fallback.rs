//! The same where there are no namespaces: the keeper connects, and what it hands out leads to weft.

use super::Case;
use super::reach::{self, PLAIN};
use super::world::{API, METADATA, PRIVATE, World};

pub const CASES: &[Case] = &[
    ("without_namespaces_allowed_hosts_are_reached", allowed),
    ("without_namespaces_other_hosts_are_refused", others),
    ("without_namespaces_private_addresses_are_refused", private),
    ("without_namespaces_a_rebound_name_leads_nowhere_new", rebinding),
    ("without_namespaces_tls_clients_must_mean_the_host", hello),
    ("without_namespaces_nothing_else_gets_out", escapes),
    ("without_namespaces_an_address_that_changes_changes_nothing", race),
    ("without_namespaces_nobody_can_listen", listen),
];

/// Runs a case at the level without namespaces, where this machine can show it.
fn at_fallback(world: &World, case: fn(&World)) {
    if !world.can_fall_back() {
        return eprintln!("SKIPPED: egress: no user namespace for a run without namespaces");
    }
    world.fall_back(true);
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case(world)));
    world.fall_back(false);
    if let Err(panic) = done {
        std::panic::resume_unwind(panic);
    }
}

fn allowed(world: &World) {
    at_fallback(world, |world| {
        reach::no_proxy(world);
        reach::proxies(world);
        let said = world.sh(PLAIN, "cat /etc/resolv.conf; getent hosts api.test");
        assert!(said.out.contains("use-vc") && said.out.contains("198.18.0."), "{said:?}");
    });
}

fn others(world: &World) {
    at_fallback(world, reach::others);
}

fn private(world: &World) {
    at_fallback(world, reach::private);
}

fn rebinding(world: &World) {
    at_fallback(world, reach::rebinding);
}

fn hello(world: &World) {
    at_fallback(world, reach::hello);
}

fn escapes(world: &World) {
    at_fallback(world, reach::escapes);
}

/// One thread connects, others write other addresses over the one that it names.
fn race(world: &World) {
    let seconds = std::env::var("WEFT_TEST_RACE_SECONDS").unwrap_or("5".to_owned());
    let script = format!(
        r#"
import ctypes, os, socket, struct, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def address(ip, port): return struct.pack("=H", socket.AF_INET) + struct.pack(">H", port) + socket.inet_aton(ip) + bytes(8)
good = address(socket.gethostbyname("api.test"), 80)
bad = [address(ip, port) for ip in ("127.0.0.1", "{PRIVATE}", "{METADATA}", "{API}") for port in (80, 9999)]
end = time.monotonic() + {seconds}
tried = escaped = 0
def writer(place):
    i = 0
    while time.monotonic() < end:
        i += 1
        ctypes.memmove(place, bad[i % len(bad)], 16)
        ctypes.memmove(place, good, 16)
def connector():
    global tried, escaped
    place = ctypes.create_string_buffer(good, 16)
    threading.Thread(target=writer, args=(place,)).start()
    while time.monotonic() < end:
        s = socket.socket()
        s.settimeout(5)
        if libc.connect(s.fileno(), place, 16) == 0:
            tried += 1
            try:
                s.sendall(b"GET / HTTP/1.0\r\n\r\n")
                got = s.recv(1000)
                if got and b"this is {API}:80" not in got: escaped += 1
            except OSError: pass
        s.close()
threads = [threading.Thread(target=connector) for _ in range(3)]
for t in threads: t.start()
for t in threads: t.join()
print("tried", tried > 20, "escaped", escaped)
"#
    );
    at_fallback_with(world, &script);
}

fn at_fallback_with(world: &World, script: &str) {
    if !world.can_fall_back() {
        return eprintln!("SKIPPED: egress: no user namespace for a run without namespaces");
    }
    world.fall_back(true);
    let said = world.python("allow = [{ host = \"api.test\", ports = [80, 9999], tls = false }]", script);
    world.fall_back(false);
    assert!(said.out.contains("tried True escaped 0"), "{said:?}");
    for (place, _) in &world.seen().connections {
        assert!(place.starts_with(API), "{place}");
    }
}

/// A socket that was connected does not become one that listens.
fn listen(world: &World) {
    let script = r#"
import ctypes, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
def attempt(what, act):
    try: print(what, "ESCAPED", act())
    except OSError as error: print(what, "held", error)
def fresh(act):
    def run():
        s = socket.socket()
        return act(s)
    return run
def listen(s):
    if libc.listen(s.fileno(), 5) != 0: raise OSError(ctypes.get_errno(), "listen")
    if s.getsockname() and not isinstance(s.getsockname(), tuple): raise OSError("a Unix socket")
    return s.getsockname()
attempt("bind", fresh(lambda s: s.bind(("0.0.0.0", 4444))))
attempt("listen", fresh(listen))
def connected(): return socket.create_connection(("api.test", 80))
attempt("listen again", lambda: listen(connected()))
def unspec(s):
    if libc.connect(s.fileno(), struct.pack("=H", 0) + bytes(14), 16) != 0: raise OSError(ctypes.get_errno(), "connect")
    return listen(s)
attempt("disconnect", lambda: unspec(connected()))
def closed():
    s = connected()
    s.shutdown(socket.SHUT_RDWR)
    while s.recv(100): pass
    return listen(s)
attempt("after the end", closed)
def elsewhere():
    s = connected()
    s.connect(("127.0.0.1", 9999))
    s.sendall(b"GET / HTTP/1.0\r\n\r\n")
    got = s.recv(100)
    if not got: raise OSError("nothing")
    return got
attempt("connect again", elsewhere)
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
attempt("six", lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
"#;
    if !world.can_fall_back() {
        return eprintln!("SKIPPED: egress: no user namespace for a run without namespaces");
    }
    world.fall_back(true);
    let said = world.python(PLAIN, script);
    let refused = world.sh("listen = [3000]", "true");
    world.fall_back(false);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.matches(" held ").count() == 8 && !said.out.contains("ESCAPED"), "{said:?}");
    assert!(refused.code == Some(2) && refused.err.contains("network.listen"), "{refused:?}");
}
