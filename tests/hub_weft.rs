//! weft's own client against weft's hub, in both dialects: publish signed, find, install, verify, update.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, clippy::panic)] // A failure here is a failed test.

#[path = "support/cli.rs"]
mod cli;
#[path = "support/hub.rs"]
mod hub;

use cli::{Dir, Said};
use hub::Hub;
use std::fs;

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
        let env = [
            ("HOME", home.to_str().unwrap()),
            ("XDG_CONFIG_HOME", ""),
            ("XDG_CACHE_HOME", ""),
            ("XDG_STATE_HOME", ""),
            ("CLAWHUB_CONFIG_PATH", ""),
            ("CLAWHUB_REGISTRY", &self.registry),
            ("CLAWHUB_WORKDIR", work.to_str().unwrap()),
            ("http_proxy", ""),
            ("HTTP_PROXY", ""),
            ("all_proxy", ""),
            ("ALL_PROXY", ""),
        ];
        self.dir.weft_with(&all, b"", &env)
    }

    #[track_caller]
    fn good(&self, args: &[&str], with: &[&str]) {
        let said = self.weft(args);
        assert_eq!(said.code, 0, "{}: {args:?}: {said:?}", self.registry);
        for word in with {
            assert!(format!("{}{}", said.out, said.err).contains(word), "{args:?}: no {word:?} in {said:?}");
        }
    }

    #[track_caller]
    fn bad(&self, args: &[&str], with: &str) {
        let said = self.weft(args);
        assert!(said.code != 0 && said.err.contains(with), "{args:?}: no {with:?} in {said:?}");
    }

    fn folder(&self, slug: &str, text: &str) -> String {
        let page = format!("---\nname: {slug}\ndescription: Counts words\ntags: [text]\n---\n{text}\n");
        self.dir.file(format!("src/{slug}/SKILL.md"), page);
        self.dir.file(format!("src/{slug}/notes.md"), "Notes\n");
        self.dir.0.join(format!("src/{slug}")).to_str().unwrap().to_owned()
    }
}

#[test]
fn from_author_to_user_in_both_dialects() {
    for prefix in ["", "weft+"] {
        let hub = Hub::new();
        hub.user("alice", "user");
        hub.user("bob", "user");
        let (alice_token, bob_token) = (hub.token("alice", false), hub.token("bob", false));
        let server = hub.serve();
        let below = if prefix.is_empty() { "" } else { "/api/weft" };
        let registry = format!("{prefix}{}{below}", server.url());
        let (alice, bob) = (Person::new(&registry), Person::new(&registry));
        alice.good(&["login", "--token", &alice_token], &["alice"]);
        alice.good(&["whoami"], &["alice"]);
        bob.good(&["login", "--token", &bob_token], &["bob"]);

        let folder = alice.folder("demo", "Counts the words of a text.");
        alice.bad(&["publish", &folder], "no key");
        alice.good(&["keygen"], &[]);
        alice.bad(&["publish", &folder, "--allow-unsigned"], "signed skills only");
        alice.good(&["publish", &folder], &["published @alice/demo 1.0.0"]);
        alice.good(&["publish", &folder], &["already published"]);

        bob.good(&["search", "demo"], &["@alice/demo"]);
        bob.good(&["info", "demo"], &["1.0.0"]);
        bob.good(&["install", "@alice/demo"], &["first use"]);
        bob.good(&["verify"], &[]);
        let read = || fs::read_to_string(bob.dir.0.join("work/skills/@alice/demo/SKILL.md")).unwrap();
        assert!(read().contains("of a text."));

        alice.folder("demo", "Counts the words of a longer text.");
        alice.good(&["publish", &folder, "--changelog", "longer"], &["1.0.1"]);
        alice.folder("demo", "Counts the words of the longest text.");
        alice.good(&["publish", &folder, "--version", "2.0.0"], &["2.0.0"]);
        bob.good(&["versions", "@alice/demo"], &["2.0.0", "1.0.1", "1.0.0"]);
        // An older line goes on, and the newer one after it: the numbers of the statements follow each other.
        alice.folder("demo", "Counts the words of an old text.");
        alice.good(&["publish", &folder, "--version", "1.0.2"], &["1.0.2"]);
        alice.folder("demo", "Counts the words of the longest text of all.");
        alice.good(&["publish", &folder, "--version", "2.0.1"], &["2.0.1"]);
        bob.good(&["update", "--all"], &["2.0.1"]);
        assert!(read().contains("longest"));
        bob.good(&["audit"], &[]);
        bob.good(&["star", "@alice/demo"], &[]);
        bob.good(&["star", "@alice/demo"], &["already"]);

        // Somebody who is not the owner, and another key.
        let theirs = bob.folder("demo", "Somebody else's.");
        bob.good(&["keygen"], &[]);
        bob.bad(&["publish", &theirs, "--owner", "alice"], "may not publish for @alice");
        let second = Person::new(&registry);
        second.good(&["login", "--token", &alice_token], &[]);
        second.good(&["keygen"], &[]);
        let other = second.folder("demo", "By another key.");
        second.bad(&["publish", &other, "--version", "3.0.0"], "signs with the key");
        if prefix.is_empty() {
            bob.good(&["report", "@alice/demo", "--reason", "odd"], &[]);
            alice.good(&["withdraw", "@alice/demo@1.0.0", "--reason", "old"], &[]);
            bob.bad(&["install", "@alice/demo@1.0.0", "--allow-downgrade"], "");
        } else {
            bob.good(&["comment", "@alice/demo", "works <b>well</b>"], &[]);
            alice.good(&["comments", "@alice/demo"], &["works <b>well</b>", "bob"]);
        }
    }
}
