//! `weft hub export`: a hub as files, read by weft's own client through a server that knows nothing but files.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, clippy::panic)] // A failure here is a failed test.

#[path = "support/cli.rs"]
mod cli;
#[path = "support/hub.rs"]
mod hub;
#[path = "support/server.rs"]
mod server;

use cli::{Dir, Said};
use hub::{Hub, payload};
use server::{Act, Server};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use weft::hub::server::limit::Rates;
use weft::json;

/// A hub, its export, and one address for both: a file is answered as one, everything else by the hub.
struct Place {
    hub: Arc<Hub>,
    dir: Dir,
    server: Server,
}

impl Place {
    fn new() -> Place {
        let (dir, later) = (Dir::new(), Arc::new(OnceLock::<Arc<Hub>>::new()));
        let (of, root) = (later.clone(), dir.0.join("www"));
        let server = Server::start(move |seen| {
            let file = root.join(server::decode(seen.path()).trim_start_matches('/'));
            if seen.method == "GET" && file.is_file() {
                return Act::Answer(200, Vec::new(), fs::read(file).unwrap());
            }
            if seen.path().starts_with("/api/static/") {
                return Act::text(404, "no such file");
            }
            let headers: Vec<(&str, &str)> =
                seen.headers.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            let got = of.get().unwrap().ask(&seen.method, &seen.target, "", &headers, &seen.body);
            Act::Answer(got.status, Vec::new(), got.body)
        });
        let hub = Arc::new(Hub::at(Some(&server.url()), Rates::default()));
        assert!(later.set(hub.clone()).is_ok());
        Place { hub, dir, server }
    }

    fn www(&self) -> PathBuf {
        self.dir.0.join("www")
    }

    fn export(&self) -> Said {
        let (data, www, url) = (self.hub.dir.clone(), self.www(), self.server.url());
        let args = ["hub", "export", "--data", data.to_str().unwrap(), "--format", "json"];
        let args = [args.as_slice(), &["--public-url", &url, www.to_str().unwrap()]].concat();
        self.dir.weft(&args)
    }

    /// The numbers that a good export tells.
    #[track_caller]
    fn exported(&self) -> impl Fn(&str) -> u64 + use<> {
        let said = self.export();
        assert_eq!(said.code, 0, "{said:?}");
        let node = json::parse(&said.out).unwrap();
        move |key| node.get(key).unwrap().as_u64().unwrap()
    }
}

/// Somebody at a machine.
struct Person {
    dir: Dir,
    registry: String,
}

impl Person {
    fn new(registry: &str) -> Person {
        let dir = Dir::new();
        for folder in ["work", "home"] {
            fs::create_dir_all(dir.0.join(folder)).unwrap();
        }
        Person { dir, registry: registry.into() }
    }

    fn weft(&self, args: &[&str]) -> Said {
        let (home, work) = (self.dir.0.join("home"), self.dir.0.join("work"));
        let all: Vec<&str> = std::iter::once("skill").chain(args.iter().copied()).collect();
        let mut env = vec![
            ("HOME", home.to_str().unwrap()),
            ("CLAWHUB_REGISTRY", &self.registry),
            ("CLAWHUB_WORKDIR", work.to_str().unwrap()),
        ];
        let empty = ["XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "CLAWHUB_CONFIG_PATH"];
        env.extend(
            empty
                .into_iter()
                .chain(["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
                .map(|key| (key, "")),
        );
        self.dir.weft_with(&all, b"", &env)
    }

    #[track_caller]
    fn good(&self, args: &[&str], with: &str) {
        let said = self.weft(args);
        assert_eq!(said.code, 0, "{}: {args:?}: {said:?}", self.registry);
        assert!(format!("{}{}", said.out, said.err).contains(with), "{args:?}: no {with:?} in {said:?}");
    }

    #[track_caller]
    fn bad(&self, args: &[&str], code: i32, with: &str) {
        let said = self.weft(args);
        assert!(said.code == code && said.err.contains(with), "{args:?}: {code}, no {with:?} in {said:?}");
    }

    fn folder(&self, slug: &str, text: &str) -> String {
        let page = format!(
            "---\nname: {slug}\ndescription: Counts words\ntags: [text]\n---\n{text}\n\n[Notes](notes.md)\n"
        );
        self.dir.file(format!("src/{slug}/SKILL.md"), page);
        self.dir.file(format!("src/{slug}/notes.md"), "Notes\n");
        self.dir.0.join(format!("src/{slug}")).to_str().unwrap().to_owned()
    }
}

fn all_files(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all_files(&path, found),
            false => drop(found.insert(path.clone(), fs::read(&path).unwrap())),
        }
    }
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    all_files(folder, &mut found);
    found
}

#[test]
fn what_was_exported_is_found_installed_and_verified() {
    let place = Place::new();
    let hub = &place.hub;
    for name in ["alice", "bob"] {
        hub.user(name, "user");
    }
    let (alice_token, bob_token) = (hub.token("alice", false), hub.token("bob", true));
    // So many events that one tile is full and the next is not.
    for number in 0..260 {
        hub.user(&format!("user{number}"), "user");
    }
    let alice = Person::new(&place.server.url());
    alice.good(&["login", "--token", &alice_token], "alice");
    alice.good(&["keygen"], "");
    alice.good(&["publish", &alice.folder("demo", "Counts the words of a text.")], "1.0.0");
    alice.good(&["publish", &alice.folder("twin", "One of two.")], "1.0.0");
    hub.skill(&bob_token, "twin", "1.0.0");
    hub.skill(&bob_token, "single", "1.0.0");
    hub.skill(&bob_token, "single", "1.1.0-rc.1+build.7");

    let told = place.exported();
    assert_eq!((told("skills"), told("versions"), told("removed")), (4, 5, 0));
    assert!(told("events") > 260 && told("written") >= told("files"));

    // Nothing but files is asked for, and no query.
    let carol = Person::new(&format!("static+{}", place.server.url()));
    place.server.forget();
    carol.good(&["search", "demo"], "@alice/demo");
    carol.good(&["info", "demo"], "1.0.0");
    carol.good(&["versions", "@bob/single"], "1.1.0-rc.1+build.7");
    carol.bad(&["info", "twin"], 2, "name one of @alice/twin, @bob/twin");
    carol.bad(&["info", "@bob/demo"], 2, "404");
    carol.good(&["install", "demo"], "first use");
    carol.good(&["install", "@bob/single@1.1.0-rc.1+build.7"], "");
    carol.good(&["verify"], "");
    carol.good(&["audit"], "");
    for seen in place.server.seen() {
        assert!(seen.method == "GET" && !seen.target.contains('?'), "{} {}", seen.method, seen.target);
        assert!(seen.path().starts_with("/api/static/"), "{}", seen.target);
    }
    let calls = place.server.calls();
    let tiles = |call: &&String| call.contains("/log/tile/0/002.p/") || call.contains("/log/tile/1/000.p/2");
    assert!(calls.iter().filter(tiles).count() >= 2, "{calls:?}");
    for args in [["star", "demo"], ["report", "demo"], ["comments", "demo"], ["whoami", ""]] {
        let args: Vec<&str> = args.into_iter().filter(|arg| !arg.is_empty()).collect();
        let extra: &[&str] = if args[0] == "report" { &["--reason", "odd"] } else { &[] };
        assert!(matches!(carol.weft(&[&args[..], extra].concat()).code, 1 | 2), "{args:?}");
    }

    // A hub that goes on: what is new comes, what is gone goes, and what somebody else put there stays.
    let before = files(&place.www());
    fs::write(place.www().join("robots.txt"), "User-agent: *\n").unwrap();
    alice.good(&["publish", &alice.folder("demo", "Counts the words of a longer text.")], "1.0.1");
    alice.good(&["withdraw", "@alice/demo@1.0.0", "--reason", "old"], "");
    hub.delete("/api/v1/skills/single?ownerHandle=bob", &bob_token);
    let told = place.exported();
    assert_eq!((told("skills"), told("versions")), (3, 3));
    let www = place.www();
    assert!(www.join("robots.txt").exists() && !www.join("api/static/skills/bob/single").exists());
    assert!(!www.join("api/static/skills/alice/demo/1.0.0.zip").exists());
    carol.good(&["update", "demo"], "1.0.1");
    let kept = carol.dir.0.join("work/skills/demo/SKILL.md");
    assert!(fs::read_to_string(&kept).unwrap().contains("longer"));
    // Only the time of the export is new.
    assert!(place.exported()("written") <= 1);

    // Another past: the files of before are a log that was taken back.
    let now = files(&place.www());
    let put = |all: &BTreeMap<PathBuf, Vec<u8>>| {
        all.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap())
    };
    let log = |all: &BTreeMap<PathBuf, Vec<u8>>| -> BTreeMap<PathBuf, Vec<u8>> {
        let of = all.iter().filter(|(path, _)| path.to_str().unwrap().contains("/api/static/log/"));
        of.map(|(path, bytes)| (path.clone(), bytes.clone())).collect()
    };
    put(&log(&before));
    carol.bad(&["install", "@alice/twin"], 1, "shorter");
    put(&now);

    // Somebody who changes files on their way: of each kind, one.
    for (what, change) in [
        ("/log/tile/0/", "proof"),
        ("/log/event/", ""),
        ("/log/checkpoint.json", "checkpoint"),
        ("/twin/1.0.0.zip", ""),
        ("/twin/1.0.0.json", ""),
    ] {
        let dave = Person::new(&format!("static+{}", place.server.url()));
        for (path, bytes) in now.iter().filter(|(path, _)| {
            let path = path.to_str().unwrap();
            path.contains(what) && (!what.contains("twin") || path.contains("alice"))
        }) {
            let mut bytes = bytes.clone();
            // Of the checkpoint a part that is signed: its second signature tells only when.
            let middle = if what.contains("checkpoint") { 40 } else { bytes.len() / 2 };
            bytes[middle] ^= 1;
            fs::write(path, bytes).unwrap();
        }
        let said = dave.weft(&["install", "@alice/twin"]);
        assert!(matches!(said.code, 1 | 2) && said.err.contains(change), "{what}: {said:?}");
        assert!(!dave.dir.0.join("work/skills/@alice/twin").exists(), "{what}");
        put(&now);
    }
    carol.good(&["install", "@alice/twin"], "");
}

/// Every link of every page leads to a file that is there, and nothing asks for a server that thinks.
#[test]
fn pages_lead_to_files() {
    let place = Place::new();
    let hub = &place.hub;
    hub.user("bob", "user");
    let token = hub.token("bob", true);
    for number in 0..35 {
        hub.skill(&token, &format!("skill-{number}"), "1.0.0");
    }
    hub.skill(&token, "skill-0", "1.1.0");
    let odd = "---\nname: odd\ndescription: Reads <b>/api/static/pages/x.y.html</b>\n---\n[a](notes.md) [b](../up.md) [c](https://example.com/) <script>alert(1)</script>\n";
    let got = hub.publish(&token, &payload("odd", "1.0.0"), &[("SKILL.md", odd), ("notes.md", "x\n")]);
    assert_eq!(got.status, 200, "{}", got.text());
    assert!(place.exported()("files") > 0);
    let www = place.www();
    let mut links = 0;
    for (path, bytes) in
        files(&www).iter().filter(|(path, _)| path.extension().is_some_and(|end| end == "html"))
    {
        let page = String::from_utf8(bytes.clone()).unwrap();
        assert!(
            page.contains("http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'"),
            "{path:?}"
        );
        assert!(!page.contains("<form") && !page.contains("<script"), "{path:?}");
        for link in page.split("href=\"").skip(1) {
            let link = link.split('"').next().unwrap();
            if link.starts_with('#') || link.starts_with("https://") {
                continue;
            }
            assert!(link.starts_with('/') && !link.contains('?'), "{path:?}: {link}");
            let file = link.split('#').next().unwrap().trim_start_matches('/');
            assert!(www.join(file).is_file(), "{path:?} leads to {link}");
            links += 1;
        }
    }
    assert!(links > 500, "{links}");
    let odd = fs::read_to_string(www.join("bob/skills/odd/index.html")).unwrap();
    assert!(odd.contains("href=\"#file-notes.md\"") && odd.contains("id=\"file-notes.md\""), "{odd}");
    assert!(www.join("bob/skills/skill-0/1.0.0/index.html").is_file());
}

#[test]
fn bad_targets_are_refused_and_left_alone() {
    let place = Place::new();
    fs::create_dir_all(place.www()).unwrap();
    fs::write(place.www().join("index.html"), "mine").unwrap();
    let said = place.export();
    assert!(said.code == 2 && said.err.contains("something else"), "{said:?}");
    assert_eq!(files(&place.www()).len(), 1);
    // A list that was tampered with leads to nothing outside.
    fs::remove_file(place.www().join("index.html")).unwrap();
    assert!(place.exported()("files") > 0);
    let victim = place.dir.file("victim.txt", "here");
    let list = place.www().join("api/static/files.txt");
    let text = fs::read_to_string(&list).unwrap();
    fs::write(&list, format!("{text}../victim.txt\n/etc/hostname\n{}\n", victim.display())).unwrap();
    assert!(place.exported()("files") > 0);
    assert!(victim.exists());
    let data = place.hub.dir.to_str().unwrap();
    for (args, with) in [
        (vec!["--data", data, "--public-url", "ftp://x", "out"], "http"),
        (vec!["--data", data, "--public-url", "https://x/?a=b", "out"], "query"),
        (vec!["--data", "nowhere", "--public-url", "https://x", "out"], "there is no store"),
    ] {
        let said = place.dir.weft(&[&["hub", "export"], args.as_slice()].concat());
        assert!(said.code == 2 && said.err.contains(with), "{args:?}: {said:?}");
        assert!(!place.dir.0.join("out").exists(), "{args:?}");
    }
}
