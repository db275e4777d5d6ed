//! `weft skill` against a hub that speaks the contract: envelopes, publishing in one request, comments, a catalog that is
//! fetched once and then only as far as it changed.
#![cfg(feature = "client")]
#![allow(clippy::unwrap_used, clippy::panic)] // A failure here is a failed test.

#[path = "support/cli.rs"]
mod cli;
#[path = "support/server.rs"]
mod server;

use cli::{Dir, Said};
use server::{Act, Seen, Server};
use std::fs;
use std::sync::{Arc, Mutex};
use weft::digest::Sha256;
use weft::json::{self, Node, Writer};
use weft::skill::pack::pack;
use weft::skill::path::SafePath;
use weft::skill::tree::{FileHash, content_hash};
use weft::trust::{SecretKey, Statement};

const PAGE: &str = "---\nname: demo\ndescription: Counts words\n---\nCounts the words of a text.\n";
const TOKEN: &str = "hub-token";

#[derive(Default)]
struct State {
    /// Published requests, newest last; the number in front is when.
    entries: Vec<(u64, Node, Vec<u8>)>,
    comments: Vec<String>,
    starred: bool,
    /// Withdrawn names.
    gone: Vec<String>,
}

struct World {
    dir: Dir,
    server: Server,
    state: Arc<Mutex<State>>,
}

fn envelope(total: usize, data: impl FnOnce(&mut Writer) -> std::io::Result<()>) -> Act {
    let mut out = Vec::new();
    Writer::new(&mut out)
        .object(|w| {
            w.key("ok")?.boolean(true)?;
            data(w.key("data")?)?;
            w.key("error")?.null()?;
            w.key("pagination")?.object(|w| {
                w.count("total", total as u64)?;
                w.count("offset", 0)?;
                w.count("limit", 200)
            })
        })
        .unwrap();
    Act::json(String::from_utf8(out).unwrap())
}

fn refused(status: u16, why: &str) -> Act {
    let body = format!("{{\"ok\":false,\"data\":null,\"error\":\"{why}\",\"pagination\":null}}");
    Act::Answer(status, vec![("content-type", "application/json".into())], body.into_bytes())
}

fn entry(w: &mut Writer, at: u64, node: &Node, gone: bool) -> std::io::Result<()> {
    let word = |key: &str| node.get(key).and_then(Node::as_str).map(str::to_owned);
    w.object(|w| {
        w.field("id", &format!("id-{}", word("name").unwrap()))?;
        for key in [
            "name",
            "description",
            "version",
            "author",
            "content_hash",
            "signature",
            "statement",
            "public_key",
        ] {
            match word(key) {
                Some(value) => w.field(key, &value)?,
                None => w.key(key)?.null()?,
            }
        }
        w.key("signed")?.boolean(word("signature").is_some())?;
        w.count("stars", 3)?;
        w.count("downloads", 4)?;
        w.count("published_at", at)?;
        w.key("withdrawn")?.boolean(gone)?;
        w.strings("tags", ["text"])
    })
}

fn unpacked(base64: &str) -> Vec<u8> {
    let value = |b: u8| match b {
        b'A'..=b'Z' => b - b'A',
        b'a'..=b'z' => b - b'a' + 26,
        b'0'..=b'9' => b - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = base64.bytes().filter(|b| *b != b'=').map(value).collect();
    let mut out = Vec::new();
    for four in digits.chunks(4) {
        let bits = four.iter().enumerate().fold(0u32, |bits, (i, d)| bits | u32::from(*d) << (18 - 6 * i));
        out.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
    }
    out
}

fn answer(state: &mut State, seen: &Seen) -> Act {
    let target = seen.path().strip_prefix("/hub/").unwrap_or("").to_owned();
    let parts: Vec<String> = target.split('/').map(server::decode).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let authorized = seen.header("authorization") == Some(&format!("Bearer {TOKEN}"));
    if seen.method != "GET" && !authorized {
        return refused(401, "who are you?");
    }
    let find = |state: &State, id: &str| {
        let slug = id.rsplit('/').next().unwrap().to_owned();
        state
            .entries
            .iter()
            .rev()
            .position(|(_, node, _)| node.get("name").unwrap().as_str() == Some(&slug))
            .map(|at| state.entries.len() - 1 - at)
    };
    match (seen.method.as_str(), parts.as_slice()) {
        ("GET", ["whoami"]) => envelope(1, |w| w.object(|w| w.field("handle", "alice"))),
        ("GET", ["skills", "search"]) => envelope(0, |w| w.array(|_| Ok(()))),
        ("GET", ["skills", "catalog"]) => {
            let since: u64 = seen.query("since").unwrap().parse().unwrap();
            let offset: usize = seen.query("offset").unwrap().parse().unwrap();
            let new: Vec<_> = state.entries.iter().filter(|(at, _, _)| *at >= since).collect();
            // Two a page, whatever is asked for.
            envelope(new.len(), |w| {
                w.array(|w| {
                    new.iter().skip(offset).take(2).try_for_each(|(at, node, _)| {
                        let name = node.get("name").unwrap().as_str().unwrap();
                        entry(w, *at, node, state.gone.iter().any(|gone| gone == name))
                    })
                })
            })
        }
        ("POST", ["skills", "publish"]) => {
            let node = json::parse(std::str::from_utf8(&seen.body).unwrap()).unwrap();
            if node.get("signature").is_none() {
                return refused(403, "a signature is required");
            }
            let zip = unpacked(node.get("content").unwrap().as_str().unwrap());
            let at = state.entries.len() as u64 + 1;
            let version = node.get("version").unwrap().as_str().unwrap().to_owned();
            state.entries.push((at, node, zip));
            envelope(1, |w| w.object(|w| w.field("version", &version)))
        }
        ("GET", ["skills", id, "comments"]) if find(state, id).is_some() => {
            envelope(state.comments.len(), |w| {
                w.array(|w| {
                    state.comments.iter().try_for_each(|text| {
                        w.object(|w| {
                            w.field("author", "bob")?;
                            w.field("text", text)?;
                            w.count("created_at", 0)
                        })
                    })
                })
            })
        }
        ("POST", ["skills", _, "comments"]) => {
            let node = json::parse(std::str::from_utf8(&seen.body).unwrap()).unwrap();
            state.comments.push(node.get("text").unwrap().as_str().unwrap().to_owned());
            envelope(1, |w| w.object(|_| Ok(())))
        }
        ("POST" | "DELETE", ["skills", _, "star"]) => {
            let on = seen.method == "POST";
            let changed = std::mem::replace(&mut state.starred, on) != on;
            envelope(1, |w| w.object(|w| w.key("changed")?.boolean(changed)))
        }
        ("GET", ["skills", id, "download"]) => match find(state, id) {
            Some(at) => Act::Answer(
                200,
                vec![("content-type", "application/zip".into())],
                state.entries[at].2.clone(),
            ),
            None => refused(404, "none"),
        },
        ("GET", ["skills", id]) => match find(state, id) {
            Some(at) => envelope(1, |w| entry(w, state.entries[at].0, &state.entries[at].1, false)),
            None => refused(404, "no such skill"),
        },
        _ => refused(404, "no such call"),
    }
}

impl World {
    fn new() -> World {
        let dir = Dir::new();
        fs::create_dir_all(dir.0.join("work")).unwrap();
        let state: Arc<Mutex<State>> = Arc::default();
        let inner = state.clone();
        World { dir, server: Server::start(move |seen| answer(&mut inner.lock().unwrap(), seen)), state }
    }

    fn weft(&self, args: &[&str]) -> Said {
        let at = |name: &str| self.dir.0.join(name).to_str().unwrap().to_owned();
        let (home, work, registry) = (at("home"), at("work"), format!("weft+{}/hub", self.server.url()));
        let all: Vec<&str> = std::iter::once("skill").chain(args.iter().copied()).collect();
        let mut env = vec![
            ("HOME", home.as_str()),
            ("CLAWHUB_REGISTRY", &registry),
            ("CLAWHUB_WORKDIR", &work),
            ("WEFT_NET_TIMEOUT", "5"),
        ];
        for name in [
            "XDG_CONFIG_HOME",
            "XDG_CACHE_HOME",
            "CLAWHUB_CONFIG_PATH",
            "http_proxy",
            "HTTP_PROXY",
            "all_proxy",
            "ALL_PROXY",
        ] {
            env.push((name, ""));
        }
        self.dir.weft_with(&all, b"", &env)
    }

    #[track_caller]
    fn good(&self, args: &[&str]) -> String {
        let said = self.weft(args);
        assert_eq!(said.code, 0, "{args:?}: {said:?}");
        said.out
    }

    /// Puts a skill into the hub, signed.
    fn add(&self, name: &str, description: &str) {
        let files = [(SafePath::new("SKILL.md").unwrap(), PAGE.replace("demo", name).into_bytes())];
        let hash = content_hash(&[FileHash::of(files[0].0.clone(), &files[0].1)]).unwrap();
        let key = SecretKey::from_seed([1; 32]).unwrap();
        let statement = Statement {
            registry: self.server.url(),
            owner: "alice".into(),
            slug: name.into(),
            version: "1.0.0".into(),
            content_hash: hash,
            seq: 1,
            previous: None,
            created: 1,
            public_key: *key.public(),
        };
        let mut out = Vec::new();
        Writer::new(&mut out)
            .object(|w| {
                w.field("name", name)?;
                w.field("author", "alice")?;
                w.field("description", description)?;
                w.field("version", "1.0.0")?;
                w.field("content_hash", &hash.to_string())?;
                w.field("statement", &statement.text().unwrap())?;
                w.field("signature", &statement.sign(&key).unwrap().to_string())
            })
            .unwrap();
        let node = json::parse(std::str::from_utf8(&out).unwrap()).unwrap();
        let mut state = self.state.lock().unwrap();
        let at = state.entries.len() as u64 + 1;
        state.entries.push((at, node, pack(&files).unwrap()));
    }
}

#[test]
fn a_hub_of_our_own_is_published_to_and_installed_from() {
    let world = World::new();
    assert!(world.good(&["login", "--token", TOKEN]).contains("alice"));
    world.dir.file("demo/SKILL.md", PAGE);
    let folder = world.dir.0.join("demo");
    let folder = folder.to_str().unwrap();
    let unsigned = world.weft(&["publish", folder, "--allow-unsigned"]);
    assert_eq!((unsigned.code, unsigned.err.contains("a signature is required")), (1, true), "{unsigned:?}");
    world.good(&["keygen"]);
    world.good(&["publish", folder]);
    let said = world.good(&["install", "@alice/demo"]);
    assert!(said.contains("signed by"), "{said}");
    assert_eq!(world.dir.read("work/skills/@alice/demo/SKILL.md"), PAGE);
    // The package says one thing, the hub another.
    world.dir.file("demo/more.txt", "more");
    world.good(&["publish", folder]);
    {
        let mut state = world.state.lock().unwrap();
        let old = state.entries[0].2.clone();
        state.entries[1].2 = old;
    }
    let said = world.weft(&["update", "--all"]);
    assert_eq!((said.code, said.err.contains("other bytes than announced")), (1, true), "{said:?}");

    assert!(world.good(&["star", "@alice/demo"]).contains(": starred"));
    assert!(world.good(&["unstar", "@alice/demo"]).contains("no longer"));
    world.good(&["comment", "@alice/demo", "fine\u{1b}[2J\nindeed"]);
    let comments = world.good(&["comments", "@alice/demo"]);
    assert!(comments.contains("    indeed") && !comments.contains('\u{1b}'), "{comments}");
    world.weft(&["info", "none"]).refused("no such skill");
}

#[test]
fn the_catalog_is_fetched_once_and_then_as_far_as_it_changed() {
    let world = World::new();
    world.add("pdf-tools", "Split and merge documents");
    world.add("weather", "Forecasts for any town");
    world.add("github", "Issues and pull requests");
    let found = world.good(&["search", "gihtub"]);
    assert!(found.starts_with("@alice/github") && found.contains("signed"), "{found}");
    let pages = |world: &World| {
        let seen = world.server.seen();
        seen.iter()
            .filter(|seen| seen.path().ends_with("catalog"))
            .map(|seen| seen.query("since").unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(pages(&world), ["0", "0"]);
    // Fresh: not asked for again.
    world.good(&["search", "weather"]);
    assert_eq!(pages(&world).len(), 2);
    // An hour later, only what is new; what was withdrawn goes.
    let cache = world.dir.0.join("home/.cache/weft/hub");
    let index = fs::read_dir(&cache)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "idx"));
    let index = index.unwrap();
    let mut bytes = fs::read(&index).unwrap();
    bytes[8..16].copy_from_slice(&1u64.to_le_bytes());
    fs::write(&index, bytes).unwrap();
    world.add("calendar", "Plan the week");
    world.add("weather", "Forecasts for any town");
    world.state.lock().unwrap().gone.push("weather".into());
    let found = world.good(&["search", "week"]);
    assert!(found.starts_with("@alice/calendar"), "{found}");
    assert_eq!(pages(&world)[2..], ["3", "3"]);
    assert!(!world.good(&["search", "--offline", "forecasts weather"]).contains("weather"));
    assert!(world.good(&["search", "--offline", "merge documents"]).starts_with("@alice/pdf-tools"));
    // A list that is damaged is fetched again.
    fs::write(&index, b"weftidx1 and then nothing").unwrap();
    assert!(world.good(&["search", "pdf"]).starts_with("@alice/pdf-tools"));
    assert_eq!(Sha256::of(&fs::read(&index).unwrap()).to_string().len(), 64);
}
