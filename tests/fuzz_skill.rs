//! Feeds mutated packages, manifests, statements, letters and locks to their readers: none may panic, and what is accepted
//! must keep its promises.

#![cfg(feature = "client")]

#[path = "support/archives.rs"]
mod archives;
#[path = "support/fuzz.rs"]
mod fuzz;

use archives::{ZipMember, zip, zip_with};
use std::path::Path;
use weft::digest::Sha256;
use weft::skill::manifest::Manifest;
use weft::skill::record::{ClawLock, HubLock};
use weft::skill::tree;
use weft::skill::unpack::{Limits, unpack};
use weft::trust::{Revocation, Rotation, SecretKey, Statement};

#[test]
fn packages() {
    let mut streamed = ZipMember::new("a/b.txt", b"text text text text");
    streamed.streamed = true;
    let mut utf8 = ZipMember::new("größe.md", b"");
    (utf8.flags, utf8.deflate) = (1 << 11, false);
    let mut link = ZipMember::new("l", b"/etc/passwd");
    link.mode = 0o120_777;
    let seeds = [
        zip(&[("SKILL.md", b"# Skill"), ("scripts/run.sh", b"#!/bin/sh\necho hi\n")]),
        zip_with(&[streamed, utf8.clone()], b""),
        zip_with(&[utf8, link], b"comment"),
        zip(&[("a", b"x"), ("A", b"y"), ("a/b", b"z")]),
    ];
    let words: [&[u8]; 6] = [b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"../", b"PK\x07\x08", b"\\"];
    let limits = Limits { entries: 50, file_bytes: 1 << 16, total_bytes: 1 << 17, ratio: 200 };
    fuzz::run("package", &seeds, &words, |input| {
        let mut total = 0;
        let mut given = Vec::new();
        let result = unpack(input, &limits, &mut |path, bytes| {
            let path = path.as_str();
            assert!(!path.starts_with('/') && !path.contains('\\') && !path.chars().any(char::is_control));
            assert!(path.split('/').all(|segment| !segment.is_empty() && !segment.starts_with('.')));
            total += bytes.len();
            given.push((path.to_owned(), Sha256::of(bytes)));
            Ok(())
        });
        assert!(total <= limits.total_bytes);
        if let Ok(files) = result {
            let files: Vec<_> = files.iter().map(|file| (file.path.to_string(), file.sha256)).collect();
            assert_eq!(files, given);
        }
    });
}

#[test]
fn manifests() {
    let seeds: Vec<Vec<u8>> = [
        "---\nname: a\ndescription: |\n  x\n  y\nmetadata:\n  openclaw:\n    requires: {bins: [a, b], env: [X]}\n---\n",
        "---\nname: &a x\ndescription: *a\nmetadata: '{\"clawdbot\":{\"os\":[\"linux\",],},}'\n---\n",
        "---\n? a\n: - !!str b\n  - \"\\u00fc\\x41\"\n  - >-\n    folded\n...\n---\n",
        "---\na: &a [1, *a]\nb: &b {c: *a}\n---\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    let words: [&[u8]; 12] = [
        b"---\n",
        b": ",
        b"- ",
        b"&a ",
        b"*a",
        b"[",
        b"{",
        b"\t",
        b"|\n",
        b"!!",
        b"\"",
        b"metadata:\n  weft:\n    exec: ",
    ];
    fuzz::run("manifest", &seeds, &words, |input| {
        let text = String::from_utf8_lossy(input);
        match Manifest::parse(&text) {
            Ok(manifest) => {
                assert!(manifest.exec.iter().all(|path| !path.is_hidden()));
                manifest.breaks(Some("a"));
            }
            Err(error) => assert!(error.line <= text.lines().count() + 2, "{error}"),
        }
    });
}

#[test]
fn statements_and_letters() {
    let (key, other) = (SecretKey::from_seed([1; 32]).unwrap(), SecretKey::from_seed([2; 32]).unwrap());
    let statement = Statement {
        registry: "https://hub.example".into(),
        owner: "alice".into(),
        slug: "demo".into(),
        version: "1.0.0".into(),
        content_hash: Sha256::of(b""),
        seq: 2,
        previous: Some(Sha256::of(b"x")),
        created: 1,
        public_key: *key.public(),
    };
    let rotation = Rotation {
        registry: "https://hub.example".into(),
        owner: "alice".into(),
        old: *key.public(),
        new: *other.public(),
        created: 1,
    };
    let revocation = Revocation { public_key: *key.public(), created: 1, reason: "lost it".into() };
    let signature = statement.sign(&key).unwrap();
    let rotated = rotation.write(&key, &other).unwrap();
    let revoked = revocation.write(&key).unwrap();
    let seeds = [statement.text().unwrap(), rotated.clone(), revoked.clone()].map(String::into_bytes);
    let words: [&[u8]; 6] = [b"\n", b" ", b"seq 1\n", b"previous -\n", b"signature_new ", b"-"];
    fuzz::run("statement", &seeds, &words, |input| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        if let Ok(read) = Statement::parse(text) {
            assert_eq!(read.text().unwrap(), text);
            assert_eq!(read.is_signed_by(&signature), read == statement);
        }
        assert!(Rotation::read(text).is_none_or(|read| read == rotation && text == rotated));
        assert!(Revocation::read(text).is_none_or(|read| read == revocation && text == revoked));
    });
}

#[test]
fn locks() {
    let hub = "version = 1\n\n[[skill]]\nkey = \"@a/b\"\nregistry = \"https://x\"\nowner = \"a\"\nslug = \"b\"\n\
        version = \"1.0.0\"\ncontent_hash = \"87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7\"\nseq = 3\n\
        verdict = \"clean\"\n[[skill.accepted]]\nid = \"EX-001\"\nreason = \"r\\\"\\u00fc\"\n";
    let claw = "{\"version\":1,\"x\":[1.5e3,null,{}],\"skills\":{\"demo\":{\"version\":\"1.0.0\",\"pinned\":true},\"@a/b\":{\"version\":null}}}";
    let listing =
        "weft-skill-tree-v1\n87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7 2 SKILL.md\n";
    let seeds = [hub, claw, listing].map(|text| text.as_bytes().to_vec());
    let words: [&[u8]; 8] =
        [b"[[skill]]\n", b"../", b"\"skills\":", b"{}", b"\\u202e", b"key = ", b"\"\"\"", b" 0 a\n"];
    let path = Path::new("lock");
    fuzz::run("lock", &seeds, &words, |input| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        if let Ok(lock) = HubLock::parse(text, path) {
            let again = String::from_utf8(lock.text()).unwrap();
            assert_eq!(HubLock::parse(&again, path).unwrap(), lock, "{again}");
            assert!(lock.0.iter().all(|entry| !entry.key.contains("..") && !entry.key.starts_with('/')));
        }
        if let Ok(lock) = ClawLock::parse(text, path) {
            let again = String::from_utf8(lock.text()).unwrap();
            assert_eq!(ClawLock::parse(&again, path).unwrap().text(), again.as_bytes());
            assert_eq!(ClawLock::parse(&again, path).unwrap().entries(), lock.entries());
        }
        if let Some(files) = tree::parse_listing(text) {
            assert_eq!(tree::listing(&files).unwrap(), text);
        }
    });
}
