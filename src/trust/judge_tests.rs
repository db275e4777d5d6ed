//! Each way in which a version can be the wrong one.

use super::*;
use crate::trust::SecretKey;

const REGISTRY: &str = "https://hub.example";

fn key(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32]).unwrap()
}

fn statement(key: &SecretKey, seq: u64, version: &str, body: &str, previous: Option<&str>) -> Statement {
    Statement {
        registry: REGISTRY.into(),
        owner: "alice".into(),
        slug: "demo".into(),
        version: version.into(),
        content_hash: Sha256::of(body.as_bytes()),
        seq,
        previous: previous.map(|body| Sha256::of(body.as_bytes())),
        created: 1,
        public_key: *key.public(),
    }
}

fn claim<'a>(statement: &'a Statement, key: &SecretKey) -> Claim<'a> {
    Claim {
        registry: REGISTRY,
        owner: "alice",
        slug: "demo",
        version: &statement.version,
        content_hash: statement.content_hash,
        signed: Some((statement.clone(), statement.sign(key).unwrap())),
        installed: None,
    }
}

fn decide(book: &Book, claim: &Claim) -> Result<Verdict, Problem> {
    judge(book, claim, Allowed::default(), &[], 7)
}

fn denied(book: &Book, claim: &Claim) -> String {
    let problem = decide(book, claim).unwrap_err();
    assert!(problem.denied, "{problem}");
    problem.to_string()
}

/// After 1.0.0, number 1, of key 1 was installed.
fn after_first() -> Book {
    let key = key(1);
    let first = statement(&key, 1, "1.0.0", "one", None);
    let mut book = Book::default();
    let verdict = decide(&book, &claim(&first, &key)).unwrap();
    book.set_pin(verdict.pin.unwrap());
    book.note(REGISTRY, "alice", "demo", "1.0.0", first.content_hash, verdict.seq);
    book
}

#[test]
fn first_use_shows_the_fingerprint_and_pins() {
    let key = key(1);
    let first = statement(&key, 1, "1.0.0", "one", None);
    let verdict = decide(&Book::default(), &claim(&first, &key)).unwrap();
    assert!(verdict.notes[0].contains(&key.public().fingerprint()), "{verdict:?}");
    assert_eq!(verdict.pin.unwrap().public_key, *key.public());
    let frozen = Allowed { frozen: true, ..Allowed::default() };
    let problem = judge(&Book::default(), &claim(&first, &key), frozen, &[], 7).unwrap_err();
    assert!(problem.denied && problem.fix.contains(&key.public().to_string()), "{problem}");
    // Once pinned, frozen is no obstacle and nothing is new.
    let verdict = judge(&after_first(), &claim(&first, &key), frozen, &[], 7).unwrap();
    assert_eq!((verdict.pin, verdict.notes.len()), (None, 0));
}

#[test]
fn the_next_version_follows() {
    let key = key(1);
    let next = statement(&key, 2, "1.1.0", "two", Some("one"));
    assert_eq!(decide(&after_first(), &claim(&next, &key)).unwrap().seq, Some(2));
    // A gap is told, and is no fault.
    let later = statement(&key, 5, "1.4.0", "five", Some("four"));
    assert!(decide(&after_first(), &claim(&later, &key)).unwrap().notes[0].contains("3 versions"));
}

#[test]
fn what_is_signed_must_be_what_arrived() {
    let key = key(1);
    let first = statement(&key, 1, "1.0.0", "one", None);
    let book = Book::default();
    let good = claim(&first, &key);
    assert!(denied(&book, &Claim { registry: "https://evil.example", ..good.clone() }).contains("registry"));
    assert!(denied(&book, &Claim { owner: "mallory", ..good.clone() }).contains("owner"));
    assert!(denied(&book, &Claim { slug: "other", ..good.clone() }).contains("slug"));
    assert!(denied(&book, &Claim { version: "2.0.0", ..good.clone() }).contains("version"));
    let other = Claim { content_hash: Sha256::of(b"evil"), ..good.clone() };
    assert!(denied(&book, &other).contains("the bytes are"));
    // Signed by somebody else under her name.
    let forged = statement(&key, 1, "1.0.0", "one", None);
    let signature = super::tests::key(2).sign(forged.text().unwrap().as_bytes());
    let forged = Claim { signed: Some((forged, signature)), ..good };
    assert!(denied(&book, &forged).contains("does not hold"));
}

#[test]
fn changed_bytes_replay_and_rewritten_history() {
    let key = key(1);
    let mut book = after_first();
    let changed = statement(&key, 2, "1.0.0", "evil", Some("one"));
    assert!(denied(&book, &claim(&changed, &key)).contains("other bytes before"));
    let same_number = statement(&key, 1, "1.0.1", "evil", None);
    assert!(denied(&book, &claim(&same_number, &key)).contains("rewritten"));
    let fork = statement(&key, 2, "1.1.0", "two", Some("another one"));
    assert!(denied(&book, &claim(&fork, &key)).contains("rewritten"));
    let second = statement(&key, 2, "1.1.0", "two", Some("one"));
    book.note(REGISTRY, "alice", "demo", "1.1.0", second.content_hash, Some(2));
    let first = statement(&key, 1, "1.0.0", "one", None);
    assert!(denied(&book, &claim(&first, &key)).contains("--allow-downgrade"));
    let allowed = Allowed { downgrade: true, ..Allowed::default() };
    assert!(judge(&book, &claim(&first, &key), allowed, &[], 7).is_ok());
    // Even then not with other bytes.
    assert!(judge(&book, &claim(&changed, &key), allowed, &[], 7).is_err());
    // The same version again is fine.
    assert!(decide(&book, &claim(&second, &key)).is_ok());
}

#[test]
fn an_older_version_is_a_downgrade() {
    let key = key(1);
    let next = statement(&key, 2, "0.9.0", "two", Some("one"));
    let older = Claim { installed: Some("1.0.0"), ..claim(&next, &key) };
    assert!(denied(&after_first(), &older).contains("newer"));
    let allowed = Allowed { downgrade: true, ..Allowed::default() };
    assert!(judge(&after_first(), &older, allowed, &[], 7).is_ok());
}

#[test]
fn unsigned_after_signed() {
    let key = key(1);
    let first = statement(&key, 1, "1.0.0", "one", None);
    let unsigned = Claim { signed: None, version: "1.1.0", ..claim(&first, &key) };
    assert!(denied(&after_first(), &unsigned).contains("unsigned"));
    assert!(
        denied(&after_first(), &Claim { slug: "another", ..unsigned.clone() }).contains("this owner signs")
    );
    let verdict = decide(&Book::default(), &unsigned).unwrap();
    assert_eq!(verdict.key, None);
    // The pin was removed: the skill's own past still counts.
    let mut book = after_first();
    book.pins.clear();
    assert!(denied(&book, &unsigned).contains("signed before"));
}

#[test]
fn another_key_needs_a_rotation() {
    let (old, new, third) = (key(1), key(2), key(3));
    let letter = |old: &SecretKey, new: &SecretKey, owner: &str| {
        let rotation = Rotation {
            registry: REGISTRY.into(),
            owner: owner.into(),
            old: *old.public(),
            new: *new.public(),
            created: 1,
        };
        Rotation::read(&rotation.write(old, new).unwrap()).unwrap()
    };
    let next = statement(&new, 2, "1.1.0", "two", Some("one"));
    let next_claim = claim(&next, &new);
    let book = after_first();
    assert!(denied(&book, &next_claim).contains("weft skill trust accept"));
    let follow = |letters: &[Rotation]| judge(&book, &next_claim, Allowed::default(), letters, 7);
    let verdict = follow(&[letter(&old, &new, "alice")]).unwrap();
    assert_eq!(verdict.pin.unwrap().how, "rotation");
    assert!(follow(&[letter(&old, &third, "alice"), letter(&third, &new, "alice")]).is_ok());
    assert!(follow(&[letter(&old, &new, "mallory")]).is_err());
    assert!(follow(&[letter(&third, &new, "alice")]).is_err());
    // In a circle it ends.
    assert!(follow(&[letter(&old, &third, "alice"), letter(&third, &old, "alice")]).is_err());
    let mut revoked = book.clone();
    revoked.revoke(*old.public(), "stolen");
    let letters = [letter(&old, &new, "alice")];
    assert!(judge(&revoked, &next_claim, Allowed::default(), &letters, 7).is_err());
}

#[test]
fn a_revoked_key_signs_nothing() {
    let key = key(1);
    let mut book = after_first();
    book.revoke(*key.public(), "laptop lost");
    let next = statement(&key, 2, "1.1.0", "two", Some("one"));
    assert!(denied(&book, &claim(&next, &key)).contains("laptop lost"));
}
