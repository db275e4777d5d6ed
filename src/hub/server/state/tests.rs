use super::*;
use crate::hub::server::event::{Event, File, Release, What};
use crate::trust::{Revocation, Rotation, SecretKey, Statement};

/// A log that is played at once.
#[derive(Default)]
struct Played {
    state: State,
    log: Vec<Event>,
}

impl Played {
    fn with(handles: &[&str]) -> Played {
        let mut played = Played::default();
        for handle in handles {
            played
                .does("", What::User { handle: (*handle).into(), name: "N".into(), role: Role::User })
                .unwrap();
        }
        played
    }

    fn does(&mut self, by: &str, what: What) -> Result<u64, crate::skill::Problem> {
        let index = self.log.len() as u64;
        let event = Event { at: 1_795_500_000_000 + index, by: by.into(), what };
        // What is not in the line is not in the log.
        let event = Event::decode(&event.encode("00")).unwrap();
        self.state.apply(index, Span { offset: index * 100, length: 9 }, &event)?;
        self.log.push(event);
        Ok(index)
    }

    fn publish(&mut self, name: &str, version: &str) {
        self.does(name.split('/').next().unwrap(), published(name, version, "")).unwrap();
    }

    fn found(&self, owner: Option<&str>, slug: &str) -> Vec<String> {
        match self.state.find(owner, slug) {
            Found::None => Vec::new(),
            Found::One(id) => vec![self.state.name(id)],
            Found::Many(all) => all.into_iter().map(|id| self.state.name(id)).collect(),
        }
    }

    fn id(&self, name: &str) -> SkillId {
        let (owner, slug) = name.split_once('/').unwrap();
        self.state.exact(owner, slug).unwrap()
    }

    fn skill(&self, name: &str) -> &Skill {
        self.state.skill(self.id(name)).unwrap()
    }
}

fn published(name: &str, version: &str, statement: &str) -> What {
    let (owner, slug) = name.split_once('/').unwrap();
    let hash = Sha256::of(format!("{name} {version}").as_bytes());
    What::Publish {
        release: Box::new(Release {
            owner: owner.into(),
            slug: slug.into(),
            version: version.into(),
            title: slug.to_uppercase(),
            summary: format!("What {slug} is good for, in Words"),
            icon: String::new(),
            changelog: String::new(),
            tags: vec!["beta".into()],
            categories: vec!["development".into()],
            topics: vec!["Topical".into()],
            os: Vec::new(),
            setup: Vec::new(),
            fork_of: String::new(),
            source: String::new(),
            content_hash: hash,
            fingerprint: hash,
            zip: hash,
            zip_size: 1,
            files: vec![File {
                path: "SKILL.md".into(),
                size: 1,
                sha256: hash,
                kind: "text/markdown".into(),
            }],
            statement: statement.into(),
            signature: String::new(),
            findings: Vec::new(),
            scanner: String::new(),
        }),
    }
}

fn skill(name: &str) -> String {
    name.into()
}

#[test]
fn versions_tags_and_what_is_latest() {
    let mut played = Played::with(&["alice"]);
    for version in ["1.0.0", "1.2.0", "1.1.0", "2.0.0-rc.1"] {
        played.publish("alice/demo", version);
    }
    let latest =
        |played: &Played| played.skill("alice/demo").latest().map(|version| version.number.to_string());
    assert_eq!(latest(&played).as_deref(), Some("2.0.0-rc.1"));
    let tag = |tag: &str, version: &str| What::Tag {
        skill: skill("alice/demo"),
        tag: tag.into(),
        version: version.into(),
    };
    played.does("alice", tag("latest", "1.1.0")).unwrap();
    assert_eq!(latest(&played).as_deref(), Some("1.1.0"));
    assert_eq!(&*played.skill("alice/demo").tagged("beta").unwrap().number, "2.0.0-rc.1");
    assert!(played.does("alice", tag("x", "9.9.9")).is_err());
    assert!(played.does("alice", published("alice/demo", "1.0.0", "")).is_err());
    for (version, left) in [
        ("1.1.0", Some("2.0.0-rc.1")),
        ("2.0.0-rc.1", Some("1.2.0")),
        ("1.2.0", Some("1.0.0")),
        ("1.0.0", None),
    ] {
        let withdraw =
            What::Withdraw { skill: skill("alice/demo"), version: version.into(), reason: "bad".into() };
        played.does("alice", withdraw).unwrap();
        assert_eq!(latest(&played).as_deref(), left);
    }
    assert_eq!((played.state.listed(), played.state.reason(0, Some(0))), (0, Some("bad")));
    assert!(played.state.search("demo", 9).is_empty());
    played.does("alice", What::Restore { skill: skill("alice/demo"), version: "1.0.0".into() }).unwrap();
    assert_eq!((latest(&played).as_deref(), played.state.search("demo", 9).len()), (Some("1.0.0"), 1));
    assert_eq!(played.skill("alice/demo").available().count(), 1);
}

#[test]
fn names_lead_on() {
    let mut played = Played::with(&["alice", "bob"]);
    played.publish("alice/demo", "1.0.0");
    played.publish("bob/other", "1.0.0");
    played.does("alice", What::Rename { skill: skill("alice/demo"), slug: "show".into() }).unwrap();
    assert_eq!(played.found(None, "demo"), ["alice/show"]);
    assert_eq!(played.found(Some("alice"), "demo"), ["alice/show"]);
    assert!(played.found(Some("bob"), "demo").is_empty() && played.found(Some("carol"), "demo").is_empty());
    // Somebody else's skill of the old name goes before.
    played.publish("bob/demo", "1.0.0");
    assert_eq!(played.found(None, "demo"), ["bob/demo"]);
    assert_eq!(played.found(Some("alice"), "demo"), ["alice/show"]);
    played.publish("alice/demo", "1.0.0");
    assert_eq!(played.found(None, "demo").len(), 2);
    assert_eq!(played.found(Some("alice"), "demo"), ["alice/demo"]);
    played.does("alice", What::Delete { skill: skill("alice/demo"), reason: String::new() }).unwrap();
    assert_eq!(played.found(None, "demo"), ["bob/demo"]);
    // Renaming onto a name that is there does not happen.
    assert!(played.does("alice", What::Rename { skill: skill("alice/show"), slug: "demo".into() }).is_err());
    played.does("bob", What::Merge { skill: skill("bob/other"), into: skill("bob/demo") }).unwrap();
    assert_eq!(played.found(None, "other"), ["bob/demo"]);
    assert_eq!(played.found(Some("bob"), "other"), ["bob/demo"]);
    assert!(played.does("bob", What::Merge { skill: skill("bob/demo"), into: skill("bob/other") }).is_err());
    // Given away, the old owner's name still leads there.
    played.does("alice", What::Transfer { skill: skill("alice/show"), to: "bob".into() }).unwrap();
    assert_eq!(played.found(Some("alice"), "show"), ["bob/show"]);
    assert_eq!(played.found(Some("bob"), "show"), ["bob/show"]);
    assert!(played.does("alice", What::Transfer { skill: skill("bob/demo"), to: "carol".into() }).is_err());
}

#[test]
fn what_many_do_is_counted_once_each() {
    let mut played = Played::with(&["alice", "bob", "carol"]);
    played.publish("alice/demo", "1.0.0");
    let name = || skill("alice/demo");
    for _ in 0..2 {
        played.does("bob", What::Star { skill: name() }).unwrap();
        played.does("bob", What::Rate { skill: name(), stars: 9 }).unwrap();
        played.does("carol", What::Rate { skill: name(), stars: 0 }).unwrap();
    }
    assert_eq!((played.skill("alice/demo").stars, played.skill("alice/demo").ratings), (1, (6, 2)));
    played.does("carol", What::Rate { skill: name(), stars: 2 }).unwrap();
    assert_eq!(played.skill("alice/demo").rating(), Some((35, 2)));
    played.does("bob", What::Unstar { skill: name() }).unwrap();
    played.does("bob", What::Unstar { skill: name() }).unwrap();
    assert_eq!(played.skill("alice/demo").stars, 0);
    let id = played.does("bob", What::Comment { skill: name(), text: "good".into() }).unwrap();
    let other = played.does("carol", What::Comment { skill: name(), text: "bad".into() }).unwrap();
    played.does("", What::CommentHide { id, on: true }).unwrap();
    assert_eq!(played.skill("alice/demo").comments, 1);
    played.does("bob", What::CommentDelete { id }).unwrap();
    assert_eq!(played.skill("alice/demo").comments, 1);
    assert!(played.does("bob", What::CommentDelete { id }).is_err());
    assert_eq!(played.state.comments(0).map(|(id, _)| id).collect::<Vec<_>>(), [other]);
    for (by, count) in [("alice", 1), ("bob", 2)] {
        let report =
            What::Report { kind: "report".into(), skill: name(), version: String::new(), reason: "r".into() };
        played.does(by, report).unwrap();
        assert_eq!(played.state.reporters(0), count);
    }
}

#[test]
fn keys_change_by_letters() {
    let mut played = Played::with(&["alice", "bob"]);
    let key = |n: u8| SecretKey::from_seed([n; 32]).unwrap();
    let (old, new) = (key(1), key(2));
    let statement = Statement {
        registry: "https://hub.example".into(),
        owner: "alice".into(),
        slug: "demo".into(),
        version: "1.0.0".into(),
        content_hash: Sha256::of(b""),
        seq: 1,
        previous: None,
        created: 1,
        public_key: *old.public(),
    };
    played.does("alice", published("alice/demo", "1.0.0", &statement.text().unwrap())).unwrap();
    let pinned = |played: &Played| played.state.by_handle("alice").unwrap().key;
    assert_eq!(pinned(&played), Some(*old.public()));
    let rotation = Rotation {
        registry: "https://hub.example".into(),
        owner: "alice".into(),
        old: *old.public(),
        new: *new.public(),
        created: 5,
    };
    let text = rotation.write(&old, &new).unwrap();
    assert!(played.does("bob", What::Letter { text: text.replace("created 5", "created 6") }).is_err());
    played.does("bob", What::Letter { text: text.clone() }).unwrap();
    assert_eq!(pinned(&played), Some(*new.public()));
    let revocation = Revocation { public_key: *old.public(), created: 9, reason: "lost".into() };
    played.does("bob", What::Letter { text: revocation.write(&old).unwrap() }).unwrap();
    let account = played.state.by_handle("alice").unwrap();
    assert_eq!((account.revoked.as_slice(), account.letters.len()), ([*old.public()].as_slice(), 2));
    assert!(played.state.by_handle("bob").unwrap().letters.is_empty());
}

fn decoded(mut bytes: &[u8]) -> Option<State> {
    let length = bytes.len() as u64;
    State::decode(&mut bytes, length)
}

#[test]
fn a_snapshot_is_what_the_log_comes_to() {
    let mut played = Played::with(&["alice", "bob", "carol", "dave"]);
    // Numbers that look random, the same each time.
    let mut seed = 7u32;
    let mut next = |below: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) % below
    };
    let handles = ["alice", "bob", "carol", "dave"];
    let mut refused = 0;
    for round in 0..3000u32 {
        let by = handles[next(4) as usize];
        let name = format!("{}/s{}", handles[next(4) as usize], next(30));
        let version = format!("1.{}.0", next(20));
        let id = u64::from(next(round + 1));
        let what = match next(22) {
            0..=5 => published(&name, &version, ""),
            6 => What::Tag { skill: name, tag: "stable".into(), version },
            7 => What::Withdraw { skill: name, version, reason: "r".into() },
            8 => What::Restore { skill: name, version },
            9 => What::Deprecate { skill: name, version: String::new(), reason: "old".into() },
            10 => What::Delete { skill: name, reason: String::new() },
            11 => What::Undelete { skill: name },
            12 => What::Rename { skill: name, slug: format!("s{}", next(30)) },
            13 => What::Merge { skill: name, into: format!("{by}/s{}", next(30)) },
            14 => What::Transfer { skill: name, to: by.into() },
            15 => What::Star { skill: name },
            16 => What::Rate { skill: name, stars: u64::from(next(6)) },
            17 => What::Comment { skill: name, text: "t".into() },
            18 => What::CommentHide { id, on: true },
            19 => What::Report {
                kind: "report".into(),
                skill: name,
                version: String::new(),
                reason: "r".into(),
            },
            20 => What::TransferAsk { skill: name, to: by.into(), message: "m".into(), expires: 5 },
            _ => What::Hide { skill: name, reason: "h".into() },
        };
        refused += u32::from(played.does(by, what).is_err());
    }
    assert!(refused < 2500, "{refused}");
    let mut again = State::default();
    for (index, event) in (0..).zip(&played.log) {
        again.apply(index, Span { offset: index * 100, length: 9 }, event).unwrap();
    }
    let bytes = played.state.encode();
    assert!(bytes == again.encode());
    let read = decoded(&bytes).unwrap();
    assert!(read.encode() == bytes);
    // What is not in the bytes but computed is the same too.
    for state in [&again, &read] {
        for order in [Order::Updated, Order::Created, Order::Downloads, Order::Stars, Order::Trending] {
            assert_eq!(state.page(order, None, 500), played.state.page(order, None, 500), "{order:?}");
            assert_eq!(state.page(order, None, 500).len(), state.listed());
        }
        assert_eq!(state.changed(0, 3, 500), played.state.changed(0, 3, 500));
        assert_eq!(state.by_name("s1", None, 500), played.state.by_name("s1", None, 500));
        assert_eq!(state.search("s1 words", 20), played.state.search("s1 words", 20));
        for slug in 0..30 {
            let slug = format!("s{slug}");
            assert_eq!(state.find(None, &slug), played.state.find(None, &slug));
            assert_eq!(state.find(Some("bob"), &slug), played.state.find(Some("bob"), &slug));
        }
    }
    for cut in [0, 7, 8, bytes.len() / 2, bytes.len() - 1] {
        assert!(decoded(&bytes[..cut]).is_none(), "{cut}");
    }
    for at in (0..bytes.len()).step_by(61) {
        let mut bad = bytes.clone();
        bad[at] ^= 0xff;
        // Anything but a panic.
        drop(decoded(&bad));
    }
}

#[test]
fn pages_follow_each_other() {
    let mut played = Played::with(&["alice"]);
    for n in 0..50 {
        played.publish(&format!("alice/s{n}"), "1.0.0");
    }
    for n in [3, 9, 40] {
        played.state.counted(n, 5, 1, 1_795_500_000_000);
    }
    for order in [Order::Updated, Order::Created, Order::Downloads, Order::Stars, Order::Trending] {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = played.state.page(order, after, 7);
            let Some(last) = page.last() else { break };
            after = played.state.key(order, *last);
            all.extend(page);
        }
        assert_eq!(all, played.state.page(order, None, 100), "{order:?}");
        let mut sorted = all.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..50));
    }
    assert_eq!(played.state.page(Order::Downloads, None, 3), [40, 9, 3]);
    let first = played.state.by_name("s1", None, 3);
    let last = *first.last().unwrap();
    let rest = played.state.by_name("s1", Some((&played.state.skill(last).unwrap().slug, last)), 100);
    assert_eq!(first.len() + rest.len(), 11);
}

/// Searches of 100,000 skills, where each of twelve words stands in a quarter of all descriptions.
#[test]
#[ignore = "a measurement: cargo test --release --lib measure_search -- --ignored --nocapture"]
fn measure_search() {
    let words = [
        "count", "text", "files", "table", "lists", "pages", "finds", "names", "notes", "reads", "makes",
        "tools",
    ];
    let mut played = Played::with(&["alice"]);
    let mut seed = 1u64;
    for number in 0..100_000 {
        let mut summary = String::new();
        for word in words {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if seed >> 33 & 3 == 0 {
                summary.push_str(word);
                summary.push_str(" and something else that is said of it ");
            }
        }
        let What::Publish { mut release } = published(&format!("alice/skill-{number}"), "1.0.0", "") else {
            panic!()
        };
        release.summary = summary;
        played.does("alice", What::Publish { release }).unwrap();
    }
    for query in ["count", "count text", "count text files", "count text files table lists", "skill-77777"] {
        let mut times: Vec<u128> = (0..21)
            .map(|_| {
                let start = std::time::Instant::now();
                assert!(!played.state.search(query, 20).is_empty());
                start.elapsed().as_micros()
            })
            .collect();
        times.sort_unstable();
        eprintln!("{query}: {} us", times[10]);
    }
}

/// Whoever types the whole name gets that skill first, however many others are worth more; and of what is equal, those that more
/// people took come first.
#[test]
fn search_gives_the_best_of_many() {
    let mut played = Played::with(&["alice"]);
    for number in 0..60 {
        played.publish(&format!("alice/words-{number}"), "1.0.0");
    }
    played.publish("alice/words", "1.0.0");
    played.publish("alice/more-words", "1.0.0");
    for id in [7u32, 30, 59] {
        played.state.counted(id, u64::from(id), 0, 0);
    }
    let found = played.state.search("words", 5);
    let slugs: Vec<String> =
        found.iter().map(|(id, _)| played.state.skill(*id).unwrap().slug.to_string()).collect();
    assert_eq!(slugs, ["words", "words-59", "words-30", "words-7", "words-0"]);
    assert!((found[0].1 - 1.0).abs() < 1e-9);
    // A part of the whole answer is the beginning of it.
    let all = played.state.search("words", 100);
    assert_eq!(all.len(), 62);
    for limit in [1, 2, 7, 61] {
        assert_eq!(played.state.search("words", limit), all[..limit]);
    }
}

#[test]
fn search_knows_where_a_word_stands() {
    let mut played = Played::with(&["alice"]);
    for slug in ["git-log", "log-reader", "weather"] {
        played.publish(&format!("alice/{slug}"), "1.0.0");
    }
    let slugs = |query: &str| -> Vec<String> {
        played
            .state
            .search(query, 9)
            .into_iter()
            .map(|(id, _)| played.state.skill(id).unwrap().slug.to_string())
            .collect()
    };
    assert_eq!(slugs("weather"), ["weather"]);
    assert_eq!(slugs("git log")[0], "git-log");
    assert_eq!(slugs("GIT-LOG")[0], "git-log");
    assert_eq!(slugs("topical").len(), 3);
    assert_eq!(slugs("words").len(), 3);
    assert!(slugs("zebra").is_empty() && slugs("").is_empty() && slugs("\n").is_empty());
    // The same share as the client's own search gives.
    let score = played.state.search("words", 9)[0].1;
    assert!((score - 1.0 / 4.5).abs() < 1e-6, "{score}");
}
