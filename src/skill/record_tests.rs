//! The lock files: what others wrote survives, what is damaged stops.

use super::*;

fn record(key: &str, version: &str) -> Record {
    Record {
        key: key.into(),
        registry: "https://hub.example".into(),
        owner: Some("alice".into()),
        slug: "demo".into(),
        version: version.into(),
        installed_at: 1_795_500_599_376,
        content_hash: Sha256::of(b"x"),
        fingerprint: Sha256::of(b"y"),
        public_key: None,
        seq: None,
        verdict: "clean".into(),
        moderation: None,
        accepted: Vec::new(),
    }
}

fn claw(text: &str) -> Result<ClawLock, Problem> {
    ClawLock::parse(text, Path::new("lock.json"))
}

fn hub(text: &str) -> Result<HubLock, Problem> {
    HubLock::parse(text, Path::new("hub.lock"))
}

#[test]
fn the_real_cli_keeps_its_keys() {
    let text = r#"{
  "version": 1,
  "future": {"a": [1.50, -0, true, null, {}], "b": []},
  "skills": {
    "demo": {
      "version": "1.0.0",
      "installedAt": 1,
      "pinned": true,
      "pinReason": "why",
      "artifact": {"sha256": "00"},
      "mine": "kept"
    },
    "skills-sh:o/r/s": {"version": null, "installedAt": 1, "trustLabel": "x"}
  }
}
"#;
    let mut lock = claw(text).unwrap();
    assert_eq!(lock.entry("skills-sh:o/r/s").unwrap().version, None);
    lock.put(&record("demo", "1.1.0"));
    lock.put(&record("@alice/other", "2.0.0"));
    let again = String::from_utf8(lock.text()).unwrap();
    for kept in ["1.50", "-0", "\"future\"", "\"mine\": \"kept\"", "\"pinReason\": \"why\"", "trustLabel"] {
        assert!(again.contains(kept), "{kept} {again}");
    }
    assert!(!again.contains("artifact"));
    let lock = claw(&again).unwrap();
    let demo = lock.entry("demo").unwrap();
    assert_eq!(
        (demo.version.as_deref(), demo.owner.as_deref(), demo.pinned),
        (Some("1.1.0"), Some("alice"), true)
    );
    assert_eq!(lock.entries().len(), 3);
    assert_eq!(lock.text(), again.as_bytes());
}

#[test]
fn the_form_of_the_real_cli() {
    let mut lock = ClawLock::empty();
    lock.put(&record("demo", "1.0.0"));
    assert_eq!(
        String::from_utf8(lock.text()).unwrap(),
        "{\n  \"version\": 1,\n  \"skills\": {\n    \"demo\": {\n      \"version\": \"1.0.0\",\n      \
         \"installedAt\": 1795500599376,\n      \"ownerHandle\": \"alice\"\n    }\n  }\n}\n"
    );
    lock.remove("demo");
    assert_eq!(String::from_utf8(lock.text()).unwrap(), "{\n  \"version\": 1,\n  \"skills\": {}\n}\n");
    let origin = String::from_utf8(origin_text(&record("demo", "1.0.0"))).unwrap();
    assert!(
        origin.starts_with(
            "{\n  \"version\": 1,\n  \"registry\": \"https://hub.example\",\n  \"slug\": \"demo\""
        )
    );
    assert!(origin.ends_with("\"\n}\n"));
}

#[test]
fn pins_come_and_go() {
    let mut lock = ClawLock::empty();
    assert!(!lock.pin("demo", true, None));
    lock.put(&record("demo", "1.0.0"));
    assert!(lock.pin("demo", true, Some("works")));
    let entry = lock.entry("demo").unwrap();
    assert_eq!((entry.pinned, entry.pin_reason.as_deref()), (true, Some("works")));
    assert!(lock.pin("demo", false, None));
    assert!(!lock.entry("demo").unwrap().pinned);
}

#[test]
fn damaged_locks_stop() {
    for bad in [
        "",
        "{",
        "[]",
        "{}",
        "{\"version\":2,\"skills\":{}}",
        "{\"version\":1,\"skills\":[]}",
        "{\"version\":1,\"skills\":{\"a\":1}}",
        "{\"version\":1,\"skills\":{},\"skills\":{}}",
        "{\"version\":1,\"skills\":{\"a\":{\"version\":\"1\",\"version\":\"2\"}}}",
        "{\"version\":1,\"skills\":{\"../../home\":{}}}",
        "{\"version\":1,\"skills\":{\"/etc\":{}}}",
        "{\"version\":1,\"skills\":{\".git\":{}}}",
        "{\"version\":1,\"skills\":{\"\":{}}}",
        "\0\0\0\0",
    ] {
        let problem = claw(bad).unwrap_err();
        assert!(problem.what.contains("damaged") && !problem.denied, "{bad}");
    }
    let mut lock = HubLock::default();
    lock.put(&record("demo", "1.0.0"));
    let good = String::from_utf8(lock.text()).unwrap();
    for bad in [
        "",
        "version = 2\n",
        "version = 1\nnews = 1\n",
        &good[..good.len() - 12],
        &good.replace("slug", "slag"),
        &good.replace("key = \"demo\"", "key = \"../demo\""),
        &good.replace("content_hash = \"", "content_hash = \"0"),
        &format!("{good}{}", &good[good.find("[[skill]]").unwrap()..]),
    ] {
        assert!(hub(bad).unwrap_err().what.contains("damaged"), "{bad}");
    }
}

#[test]
fn the_hub_lock_reads_back() {
    let mut lock = HubLock::default();
    let key = crate::trust::SecretKey::from_seed([1; 32]).unwrap();
    let full = Record {
        public_key: Some(*key.public()),
        seq: Some(7),
        verdict: "medium".into(),
        moderation: Some("suspicious".into()),
        accepted: vec![
            Accepted { id: "EX-001".into(), reason: "read it: \"fine\"\n\\ \u{202e} ü".into() },
            Accepted { id: "TS-002".into(), reason: "x".into() },
        ],
        ..record("@alice/demo", "1.0.0")
    };
    lock.put(&full);
    lock.put(&record("demo", "2.0.0"));
    let text = String::from_utf8(lock.text()).unwrap();
    assert_eq!(hub(&text).unwrap(), lock, "{text}");
    assert_eq!(lock.entry("@alice/demo").unwrap().accepted, full.accepted);
    assert!(!text.contains('\u{202e}'));
    assert_eq!(hub("version = 1\n").unwrap(), HubLock::default());
}

#[test]
fn keys_are_folders() {
    assert_eq!(key_of(None, "demo", false).as_deref(), Some("demo"));
    assert_eq!(key_of(Some("alice"), "demo", true).as_deref(), Some("@alice/demo"));
    assert_eq!(key_of(Some("alice"), "demo", false).as_deref(), Some("demo"));
    for bad in ["", ".", "..", ".git", "a/b", "a\\b", "a b", "-x", "ä", &"x".repeat(97)] {
        assert_eq!(key_of(None, bad, false), None, "{bad}");
        assert_eq!(key_of(Some(bad), "demo", true), None, "{bad}");
    }
    assert_eq!(key_of(None, "demo", true), None);
}
