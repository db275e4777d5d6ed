//! `weft hub replicate` and a replica that serves: it has what its hub has signed, and nothing else gets in.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, clippy::panic)] // A failure here is a failed test.

#[path = "support/cli.rs"]
mod cli;
#[path = "support/hub.rs"]
mod hub;
#[path = "support/server.rs"]
mod server;

use cli::{Dir, Said};
use hub::{Hub, at};
use server::{Act, Server};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use weft::json::{self, Node};

type Change = Box<dyn Fn(&str, Vec<u8>) -> Vec<u8> + Send>;

/// A hub at an address, whose answers may be changed on their way, and the folder of a replica.
struct Place {
    hub: Arc<Mutex<Arc<Hub>>>,
    change: Arc<Mutex<Option<Change>>>,
    server: Server,
    dir: Dir,
}

impl Place {
    fn new() -> Place {
        let hub = Arc::new(Mutex::new(Arc::new(Hub::new())));
        let change = Arc::new(Mutex::new(None::<Change>));
        let (of, by) = (hub.clone(), change.clone());
        let server = Server::start(move |seen| {
            let hub = of.lock().unwrap().clone();
            let got = hub.ask(&seen.method, &seen.target, "", &[], &seen.body);
            let body = match &*by.lock().unwrap() {
                Some(change) => change(&seen.target, got.body),
                None => got.body,
            };
            Act::Answer(got.status, Vec::new(), body)
        });
        Place { hub, change, server, dir: Dir::new() }
    }

    fn hub(&self) -> Arc<Hub> {
        self.hub.lock().unwrap().clone()
    }

    fn weft(&self, args: &[&str]) -> Said {
        let home = self.dir.0.join("home");
        std::fs::create_dir_all(&home).unwrap();
        let mut env = vec![("HOME", home.to_str().unwrap())];
        let empty =
            ["XDG_CONFIG_HOME", "CLAWHUB_CONFIG_PATH", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
        env.extend(empty.map(|key| (key, "")));
        self.dir.weft_with(args, b"", &env)
    }

    fn replicate(&self) -> Said {
        self.weft(&[
            "hub",
            "replicate",
            "--data",
            "replica",
            "--from",
            &self.server.url(),
            "--format",
            "json",
        ])
    }

    #[track_caller]
    fn good(&self) -> Node {
        let said = self.replicate();
        assert_eq!(said.code, 0, "{said:?}");
        json::parse(&said.out).unwrap()
    }

    #[track_caller]
    fn denied(&self, with: &str) {
        let said = self.replicate();
        assert!(said.code == 1 && said.err.contains(with), "{with}: {said:?}");
    }

    /// A copy of the replica, to be asked in this process.
    fn copy(&self) -> Hub {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let to = self.dir.0.join(format!("copy-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        let done = Command::new("cp").arg("-a").arg(self.dir.0.join("replica")).arg(&to).status().unwrap();
        assert!(done.success());
        Hub::open(to)
    }

    fn change(&self, change: impl Fn(&str, Vec<u8>) -> Vec<u8> + Send + 'static) {
        *self.change.lock().unwrap() = Some(Box::new(change));
    }
}

#[test]
fn a_replica_has_what_its_hub_has_signed() {
    let place = Place::new();
    let hub = place.hub();
    hub.user("alice", "user");
    hub.user("mod", "moderator");
    let (alice, moderator) = (hub.token("alice", true), hub.token("mod", false));
    hub.skill(&alice, "demo", "1.0.0");
    hub.skill(&alice, "demo", "1.1.0");
    hub.skill(&alice, "other", "1.0.0");
    hub.post("/api/v1/stars/demo", &moderator, "{}");
    let told = place.good();
    assert_eq!((at(&told, "skills"), at(&told, "packages")), ("2".into(), "3".into()));
    assert_eq!(at(&told, "events"), at(&told, "new_events"));

    let replica = place.copy();
    let log = "/api/v1/log/checkpoint";
    assert_eq!(replica.get(log, "").text(), hub.get(log, "").text());
    let size: u64 = at(&replica.get(log, "").json(), "size").parse().unwrap();
    let mut private = 0;
    for index in 0..size {
        let path = format!("/api/v1/log/proof?index={index}&size={size}");
        let (theirs, ours) = (hub.get(&path, "").text(), replica.get(&path, "").text());
        assert_eq!(theirs, ours);
        private += u32::from(!ours.contains("\"event\""));
    }
    assert!(private >= 3, "{private}");
    for path in [
        "/api/v1/log/events?from=0&limit=1000",
        "/api/v1/skills/demo/versions/1.1.0",
        "/api/v1/skills/demo/file?path=SKILL.md",
        "/api/v1/download?slug=demo&version=1.0.0",
        "/api/v1/search?q=words",
        "/alice/skills/demo/file?path=notes.md",
    ] {
        let (theirs, ours) = (hub.get(path, ""), replica.get(path, ""));
        let stars = |body: &[u8]| String::from_utf8_lossy(body).replace("\"stars\":1", "\"stars\":0");
        let plain = |body: &[u8]| stars(body).replace("\"downloads\":1", "\"downloads\":0");
        assert_eq!((ours.status, plain(&ours.body)), (200, plain(&theirs.body)), "{path}");
    }
    // Nobody's token is known, and nothing is changed.
    replica.post("/api/v1/stars/demo", &alice, "{}").refused(403, &place.server.url());
    replica.delete("/api/v1/skills/demo", &alice).refused(403, "for reading only");
    replica.get("/api/v1/whoami", &alice).refused(401, "");
    let said = place.weft(&["hub", "user", "add", "eve", "--data", "replica"]);
    assert!(said.code != 0 && said.err.contains("this is a replica"), "{said:?}");
    let said = place.weft(&["hub", "verify", "--data", "replica"]);
    assert!(said.code == 0 && said.out.contains("everything holds"), "{said:?}");

    // What goes on at the hub: a skill that is hidden has no package here until it is shown again.
    hub.skill(&alice, "third", "1.0.0");
    hub.admin(r#"{"command":"moderate hide","skill":"alice/third","reason":"to be looked at"}"#);
    hub.delete("/api/v1/skills/other", &alice);
    let told = place.good();
    assert_eq!((at(&told, "skills"), at(&told, "missing_packages")), ("1".into(), "1".into()));
    let replica = place.copy();
    replica.get("/api/v1/skills/third", "").refused(404, "");
    replica.get("/api/v1/download?slug=other", "").refused(410, "removed by its owner");
    let said = place.weft(&["hub", "verify", "--data", "replica"]);
    assert!(said.code == 0 && said.out.contains("not in this replica"), "{said:?}");
    hub.admin(r#"{"command":"moderate unhide","skill":"alice/third"}"#);
    let told = place.good();
    assert_eq!((at(&told, "skills"), at(&told, "packages")), ("2".into(), "1".into()));
    assert_eq!(place.copy().get("/api/v1/download?slug=third", "").status, 200);
    // Nothing new is nothing new, and a backup of a replica is one.
    assert_eq!(at(&place.good(), "new_events"), "0");
    assert_eq!(place.weft(&["hub", "backup", "--data", "replica", "r.tar"]).code, 0);
    assert_eq!(place.weft(&["hub", "restore", "r.tar", "--data", "again"]).code, 0);
}

#[test]
fn another_past_and_other_bytes_are_refused() {
    let place = Place::new();
    let first = place.hub();
    first.user("alice", "user");
    let alice = first.token("alice", true);
    first.skill(&alice, "demo", "1.0.0");
    // The hub as it was, to go on differently.
    let data = first.dir.to_str().unwrap();
    assert_eq!(place.weft(&["hub", "backup", "--data", data, "early.tar"]).code, 0);
    assert_eq!(place.weft(&["hub", "restore", "early.tar", "--data", "rewound"]).code, 0);
    first.skill(&alice, "demo", "1.1.0");
    place.good();
    let state = || std::fs::read(place.dir.0.join("replica/log/events.jsonl")).unwrap();
    let kept = state();

    let rewound = Arc::new(Hub::open(place.dir.0.join("rewound")));
    *place.hub.lock().unwrap() = rewound.clone();
    place.denied("shorter than it was");
    rewound.skill(&alice, "demo", "1.1.0");
    place.denied("another log of the same length");
    rewound.skill(&alice, "demo", "1.2.0");
    place.denied("its log was changed");
    let other = Arc::new(Hub::new());
    *place.hub.lock().unwrap() = other;
    place.denied("another key");
    *place.hub.lock().unwrap() = first.clone();
    assert_eq!(state(), kept);

    // Somebody between the two.
    first.skill(&alice, "demo", "1.3.0");
    let swap = |from: &'static str, to: &'static str, at: &'static str| {
        move |target: &str, body: Vec<u8>| match target.contains(at) {
            true => String::from_utf8(body).unwrap().replace(from, to).into_bytes(),
            false => body,
        }
    };
    place.change(swap("Counts words of demo", "Counts money of demo", "/log/events"));
    place.denied("its log was changed");
    place.change(swap("\"event\"", "\"other\"", "/log/events"));
    place.denied("an event that is none");
    place.change(swap("\"index\":", "\"index\":1", "/log/events"));
    place.denied("out of order");
    place.change(
        |target, body| if target.contains("/log/events") { b"{\"events\":[]}".to_vec() } else { body },
    );
    place.denied("does not show the events");
    place.change(|target, mut body| {
        if target.contains("/log/checkpoint") {
            let at = body.windows(4).position(|four| four == b"\\n\\n").unwrap_or(60);
            body[at - 3] ^= 1;
        }
        body
    });
    assert!(matches!(place.replicate().code, 1 | 2));
    // One whose package is not here yet.
    first.skill(&alice, "demo", "1.4.0");
    place.change(|target, mut body| {
        if target.contains("/download") {
            let middle = body.len() / 2;
            body[middle] ^= 1;
        }
        body
    });
    place.denied("another package than its log says");
    assert_eq!(state(), kept);
    *place.change.lock().unwrap() = None;
    place.good();
    assert!(state().len() > kept.len());
    let said = place.weft(&["hub", "verify", "--data", "replica"]);
    assert!(said.code == 0 && said.out.contains("everything holds"), "{said:?}");
}

#[test]
fn a_replica_that_serves_follows_by_itself() {
    let place = Place::new();
    let hub = place.hub();
    hub.user("alice", "user");
    let alice = hub.token("alice", true);
    let key = hub.app.store.verifier().to_string();
    let said = place.weft(&[
        "hub",
        "replicate",
        "--data",
        "replica",
        "--from",
        &place.server.url(),
        "--log-key",
        &key,
    ]);
    assert_eq!(said.code, 0, "{said:?}");
    hub.skill(&alice, "demo", "1.0.0");
    let mut command = Command::new(env!("CARGO_BIN_EXE_weft"));
    command.args(["hub", "serve", "--data", "replica", "--listen", "127.0.0.1:0"]).current_dir(&place.dir.0);
    for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    let mut serving = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(serving.stdout.take().unwrap()).lines();
    let mut address = None;
    let mut follows = false;
    while address.is_none() || !follows {
        let line = lines.next().unwrap().unwrap();
        follows |= line == format!("follows {}", place.server.url());
        address = address.or(line.strip_prefix("listening on ").map(str::to_owned));
    }
    let registry = address.unwrap();
    let start = Instant::now();
    loop {
        let said = place.weft(&["skill", "versions", "@alice/demo", "--registry", &registry]);
        if said.code == 0 && said.out.contains("1.0.0") {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{said:?}");
    }
    assert_eq!(place.weft(&["health", &registry]).code, 0);
    let second = place.replicate();
    assert!(second.code == 2 && second.err.contains("another weft has this store"), "{second:?}");
    serving.kill().unwrap();
    serving.wait().unwrap();
}

#[test]
fn what_is_no_replica_stays_as_it_is() {
    let place = Place::new();
    let (hub, url) = (place.hub(), place.server.url());
    let data = hub.dir.to_str().unwrap();
    for (args, code, with) in [
        (vec!["--data", data, "--from", &url], 2, "this is a hub, no replica"),
        (vec!["--data", "new"], 2, "which hub to follow"),
        (vec!["--data", "new", "--from", "weft+https://hub.example"], 2, "name it as https://"),
        (vec!["--data", "new", "--from", "http://127.0.0.1:1"], 2, ""),
        (vec!["--data", "new", "--from", &url, "--log-key", "nonsense"], 2, "not the key of a log"),
        (
            vec![
                "--data",
                "new",
                "--from",
                &url,
                "--log-key",
                "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
            ],
            1,
            "another key",
        ),
    ] {
        let said = place.weft(&[&["hub", "replicate"], args.as_slice()].concat());
        assert!(said.code == code && said.err.contains(with), "{args:?}: {said:?}");
        assert!(!place.dir.0.join("new").exists(), "{args:?}");
    }
    place.good();
    for (args, with) in
        [(vec!["--from", "http://127.0.0.1:1"], "a replica of"), (vec!["--log-key", "a+b+c"], "with the key")]
    {
        let said = place.weft(&[&["hub", "replicate", "--data", "replica"], args.as_slice()].concat());
        assert!(said.code == 2 && said.err.contains(with), "{args:?}: {said:?}");
    }
    std::fs::write(place.dir.file("full/x", "x"), "x").unwrap();
    let said = place.weft(&["hub", "replicate", "--data", "full", "--from", &url]);
    assert!(said.code == 2 && said.err.contains("not empty"), "{said:?}");
}
