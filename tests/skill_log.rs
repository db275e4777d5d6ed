//! `weft skill` against a registry with a log, which lies about it in every way it could: what was seen once is not taken
//! back unnoticed, and what comes in is in the log.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, clippy::panic)] // A failure here is a failed test.

#[path = "support/clawhub.rs"]
mod clawhub;
#[path = "support/cli.rs"]
mod cli;
#[path = "support/server.rs"]
mod server;

use clawhub::{ClawHub, hashes};
use cli::{Dir, Said};
use server::Act;
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard};
use weft::hub::server::store::{Store, backup};
use weft::skill::tree::content_hash;

const PAGE: &str = "---\nname: demo\ndescription: Counts words\n---\nCounts the words of a text.\n";

/// What the registry shows of its log.
struct Log {
    store: Store,
    /// In place of the answer to this path.
    lie: Option<(&'static str, Act)>,
}

struct World {
    dir: Dir,
    hub: ClawHub,
    log: Arc<Mutex<Log>>,
}

impl World {
    fn new() -> World {
        let dir = Dir::new();
        fs::create_dir_all(dir.0.join("work")).unwrap();
        let store = World::store(&dir, "log");
        let log = Arc::new(Mutex::new(Log { store, lie: None }));
        let (hub, shown) = (ClawHub::start(), log.clone());
        hub.state().first = Some(Box::new(move |seen| {
            let log = shown.lock().unwrap();
            let path = seen.path().strip_prefix("/api/v1/log/")?;
            if let Some((lie, act)) = &log.lie
                && *lie == path
            {
                return Some(again(act));
            }
            let number = |name| seen.query(name).unwrap().parse::<u64>().unwrap();
            let answer = match path {
                "checkpoint" => Some(log.store.checkpoint_json()),
                "proof" => log.store.proof_json(number("index"), number("size"), None).unwrap(),
                "consistency" => log.store.consistency_json(number("from"), number("to")),
                _ => None,
            };
            Some(match answer {
                Some(bytes) => Act::json(String::from_utf8(bytes).unwrap()),
                None => Act::text(404, "Not found"),
            })
        }));
        World { dir, hub, log }
    }

    fn store(dir: &Dir, name: &str) -> Store {
        let path = dir.0.join(name);
        Store::create(&path).unwrap();
        Store::open(&path).unwrap().0
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap()
    }

    /// Publishes a version and keeps the event, as a hub does.
    fn publish(&self, version: &str, text: &str) -> u64 {
        let page = format!("{PAGE}{text}\n");
        self.hub.add("demo", version, &[("SKILL.md", &page)]);
        let mut index = 0;
        self.hub.change("demo", version, |one| {
            let hash = content_hash(&hashes(&one.files)).unwrap();
            index = self.note(version, &hash.to_string());
            one.log_index = Some(index);
        });
        index
    }

    fn note(&self, version: &str, hash: &str) -> u64 {
        let event = format!(
            "{{\"type\":\"publish\",\"release\":{{\"slug\":\"demo\",\"version\":\"{version}\",\"content_hash\":\"{hash}\"}}}}"
        );
        self.log().store.append(&event, false).unwrap().index
    }

    fn weft(&self, args: &[&str]) -> Said {
        let (home, work) = (self.dir.0.join("home"), self.dir.0.join("work"));
        let all: Vec<&str> = std::iter::once("skill").chain(args.iter().copied()).collect();
        let env = [
            ("HOME", home.to_str().unwrap()),
            ("XDG_CONFIG_HOME", ""),
            ("XDG_CACHE_HOME", ""),
            ("XDG_STATE_HOME", ""),
            ("CLAWHUB_CONFIG_PATH", ""),
            ("CLAWHUB_REGISTRY", &self.hub.url()),
            ("CLAWHUB_WORKDIR", work.to_str().unwrap()),
            ("WEFT_NET_TIMEOUT", "5"),
            ("http_proxy", ""),
            ("HTTP_PROXY", ""),
            ("all_proxy", ""),
            ("ALL_PROXY", ""),
        ];
        self.dir.weft_with(&all, b"", &env)
    }

    #[track_caller]
    fn good(&self, args: &[&str]) -> Said {
        let said = self.weft(args);
        assert_eq!(said.code, 0, "{said:?}");
        said
    }

    #[track_caller]
    fn denied(&self, args: &[&str], with: &str) {
        let said = self.weft(args);
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.err.contains(with) || said.out.contains(with), "{with:?} is not in {said:?}");
    }

    fn is_installed(&self) -> bool {
        self.dir.0.join("work/skills/demo").exists()
    }

    fn lie(&self, path: &'static str, act: Act) {
        self.log().lie = Some((path, act));
    }
}

fn again(act: &Act) -> Act {
    match act {
        Act::Answer(status, headers, body) => Act::Answer(*status, headers.clone(), body.clone()),
        _ => Act::text(500, ""),
    }
}

#[test]
fn what_is_installed_is_in_a_log_that_only_grows() {
    let world = World::new();
    world.publish("1.0.0", "one");
    world.good(&["install", "demo", "--dry-run"]);
    assert!(!world.good(&["trust", "list"]).out.contains("log of"));
    world.good(&["install", "demo"]);
    assert!(world.good(&["trust", "list"]).out.contains("events       1"));
    world.publish("1.1.0", "two");
    world.good(&["update", "demo"]);
    let listed = world.good(&["trust", "list", "--format", "json"]);
    let node = weft::json::parse(&listed.out).unwrap();
    let log = &node.get("logs").unwrap().as_array().unwrap()[0];
    assert_eq!(log.get("size").unwrap().as_u64(), Some(2));
    world.good(&["update", "demo"]);
    world.good(&["audit"]);
    let calls = world.hub.server.calls();
    assert!(calls.iter().any(|call| call == "GET /api/v1/log/consistency"), "{calls:?}");
}

#[test]
fn a_registry_without_a_log_is_asked_nothing_about_it() {
    let world = World::new();
    world.hub.add("demo", "1.0.0", &[("SKILL.md", PAGE)]);
    world.good(&["install", "demo"]);
    world.good(&["audit"]);
    world.good(&["update", "demo"]);
    assert!(world.hub.server.calls().iter().all(|call| !call.contains("/log/")));
}

#[test]
fn a_version_that_is_not_in_the_log_does_not_come_in() {
    let world = World::new();
    let index = world.publish("1.0.0", "one");
    let other = world.note("1.0.0", &"0".repeat(64));
    let place = |index| world.hub.change("demo", "1.0.0", |one| one.log_index = index);
    place(Some(9));
    world.denied(&["install", "demo"], "not in the registry's log");
    place(Some(other));
    // The place of another content: what the registry itself says of the content is not asked for, the files are.
    world.denied(&["install", "demo"], "");
    place(Some(index));
    let honest = world.log().store.proof_json(index, 2, None).unwrap().unwrap();
    let honest = String::from_utf8(honest).unwrap();
    for (lie, with) in [
        (honest.replace("demo", "dema"), "proof that it is in its log is wrong"),
        (honest.replace("\"hashes\":[\"", "\"hashes\":[\"00"), "does not prove"),
        ("{}".to_owned(), "does not prove"),
    ] {
        world.lie("proof", Act::json(lie));
        world.denied(&["install", "demo"], with);
    }
    // A true proof, of something else.
    let stranger = world.log().store.append("{\"type\":\"test\"}", false).unwrap().index;
    let proof = world.log().store.proof_json(stranger, 3, None).unwrap().unwrap();
    world.lie("proof", Act::json(String::from_utf8(proof).unwrap()));
    place(Some(stranger));
    world.denied(&["install", "demo"], "something else");
    assert!(!world.is_installed());
    world.log().lie = None;
    place(Some(index));
    world.good(&["install", "demo"]);
    // It was in the log; now the registry says nothing of that.
    world.hub.add("demo", "1.1.0", &[("SKILL.md", PAGE)]);
    world.denied(&["update", "demo"], "not in the registry's log");
}

#[test]
fn a_log_that_is_not_what_it_was_stops_everything() {
    let world = World::new();
    world.publish("1.0.0", "one");
    let mut old = Vec::new();
    backup::backup(&world.dir.0.join("log"), &mut old, true, &|_, _| ()).unwrap();
    world.publish("1.1.0", "two");
    world.good(&["install", "demo"]);
    // Put back from a backup.
    let again = world.dir.0.join("again");
    backup::restore(&mut old.as_slice(), &again, &|_, _| ()).unwrap();
    let real = {
        let mut log = world.log();
        std::mem::replace(&mut log.store, Store::open(&again).unwrap().0)
    };
    world.denied(&["install", "demo@1.0.0", "--overwrite", "--allow-downgrade"], "shorter than it was");
    world.denied(&["update", "demo"], "shorter than it was");
    world.denied(&["audit"], "shorter than it was");
    world.note("9.9.9", "x");
    world.denied(&["update", "demo"], "was rewritten");
    world.note("9.9.9", "x");
    world.denied(&["update", "demo"], "does not continue");
    // Another key, no log at all, no note.
    world.log().store = World::store(&world.dir, "other");
    world.denied(&["update", "demo"], "another key");
    world.log().store = real;
    world.lie("checkpoint", Act::text(404, "Not found"));
    world.denied(&["update", "demo"], "does not show its log any more");
    world.lie("checkpoint", Act::json("{}"));
    world.denied(&["update", "demo"], "no checkpoint");
    world.log().lie = None;
    let true_answer = String::from_utf8(world.log().store.checkpoint_json()).unwrap();
    world.lie("checkpoint", Act::json(true_answer.replace("\\n2\\n", "\\n3\\n")));
    world.denied(&["update", "demo"], "forged");
    world.publish("1.2.0", "three");
    world.log().lie = Some(("consistency", Act::json("{\"hashes\":[]}")));
    world.denied(&["update", "demo"], "does not continue");
    world.log().lie = None;
    world.good(&["update", "demo"]);
    // The operator says that it is so.
    world.log().store = World::store(&world.dir, "third");
    world.denied(&["update", "demo"], "forget-log");
    world.good(&["trust", "forget-log", &world.hub.url()]);
    assert_eq!(world.weft(&["trust", "forget-log", &world.hub.url()]).code, 2);
    world.good(&["update", "demo"]);
}
