//! `weft security audit` and `harden` on skills that were installed from a hub: changed files, authors and versions that are not pinned.
#![cfg(all(feature = "server", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::panic)] // A failure here is a failed test.

#[path = "support/cli.rs"]
mod cli;
#[path = "support/hub.rs"]
mod hub;
#[path = "support/process.rs"]
mod process;
#[path = "support/server.rs"]
mod server;
#[path = "support/skills.rs"]
mod skills;

use cli::Said;
use hub::Hub;
use skills::{Level, Person};
use weft::json::{Node, parse};

impl Person {
    fn weft(&self, args: &[&str]) -> Said {
        self.said(Level::Ordinary, args, b"")
    }

    fn found(&self) -> Vec<String> {
        let said = self.weft(&["security", "audit", "--format", "json", "--fail-on", "never"]);
        assert_eq!(said.code, 0, "{said:?}");
        let audit = parse(&said.out).unwrap();
        let all = audit.get("findings").and_then(Node::as_array).unwrap();
        all.iter().map(|one| one.get("id").and_then(Node::as_str).unwrap().to_owned()).collect()
    }

    fn has(&self, id: &str) -> bool {
        self.found().iter().any(|known| known == id)
    }
}

#[test]
fn authors_and_versions_are_pinned_and_changed_skills_are_told() {
    let hub = Hub::new();
    let served = hub.serve();
    let url = served.url();
    let alice = Person::new(&url);
    hub.user("alice", "user");
    let token = hub.token("alice", false);
    alice.good(&["skill", "login", "--token", &token], &[]);
    alice.good(&["skill", "keygen"], &[]);
    alice.dir.file(
        "work/signed/SKILL.md",
        "---\nname: signed\ndescription: Counts words.\n---\n# Words\n\nCount them.\n",
    );
    alice.good(&["skill", "publish", "signed"], &[]);
    // Somebody whom the hub lets publish without a signature.
    hub.user("carol", "user");
    let unsigned = hub.token("carol", true);
    hub.skill(&unsigned, "plain", "1.0.0");

    let bob = Person::new(&url);
    bob.good(&["skill", "install", "@alice/signed"], &[]);
    let plain = bob.weft(&["skill", "install", "@carol/plain"]);
    assert_eq!(plain.code, 0, "{plain:?}");
    assert!(bob.has("SA-054") && !bob.has("SA-055") && !bob.has("SA-050"), "{:?}", bob.found());
    // The pin of the first use is gone: what comes next could be signed by anybody.
    bob.good(&["skill", "trust", "remove", &url, "alice"], &[]);
    assert!(bob.has("SA-055"), "{:?}", bob.found());

    let dry = bob.weft(&["security", "harden", "--dry-run"]);
    assert!(dry.out.contains("of alice at ") && dry.out.contains("for nobody signed it"), "{dry:?}");
    assert!(bob.has("SA-055"));
    let done = bob.weft(&["security", "harden", "--yes"]);
    assert!(
        done.code == 0 && done.err.contains(&format!("undo: weft skill trust remove {url} alice")),
        "{done:?}"
    );
    assert!(!bob.has("SA-055"), "{:?}", bob.found());
    bob.good(&["skill", "trust", "list"], &["alice"]);
    bob.good(&["skill", "list"], &["pinned (nobody signed it (weft security harden))"]);
    let again = bob.weft(&["security", "harden", "--yes"]);
    assert!(!again.err.contains("pinned:"), "{again:?}");

    // Files that are not those that were installed are no longer anybody's: told, and pinned by nobody.
    let skill = bob.weft(&["skill", "list", "--format", "json"]).out;
    let signed = ["work/skills/@alice/signed", "work/skills/signed"];
    let folder =
        signed.iter().find(|path| bob.dir.0.join(path).is_dir()).unwrap_or_else(|| panic!("{skill}"));
    bob.dir.file(format!("{folder}/SKILL.md"), "---\nname: signed\ndescription: d\n---\nOther text.\n");
    bob.good(&["skill", "trust", "remove", &url, "alice"], &[]);
    assert!(bob.has("SA-050"), "{:?}", bob.found());
    let dry = bob.weft(&["security", "harden", "--dry-run"]);
    assert!(!dry.out.contains("of alice at "), "{dry:?}");
    assert_eq!(bob.weft(&["security", "audit"]).code, 1);
}
