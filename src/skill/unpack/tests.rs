//! One test for each way in which a package lies.

use super::*;
use crate::scan::archive::build::{ZipMember, zip, zip_with};
use crate::skill::pack::pack;
use crate::skill::tree::content_hash;

fn refused(zip: &[u8]) -> Refusal {
    let mut given = 0;
    let result = unpack(zip, &Limits::default(), &mut |_, _| {
        given += 1;
        Ok(())
    });
    match result {
        Err(UnpackError::Refused(refusal)) => {
            let late = matches!(refusal, Refusal::Damaged(_) | Refusal::Checksum(_));
            assert!(late || given == 0, "files were given out before {refusal}");
            refusal
        }
        other => panic!("not refused: {other:?}"),
    }
}

fn with(change: impl FnOnce(&mut ZipMember)) -> Vec<u8> {
    let mut member = ZipMember::new("evil.txt", b"some text, some text, some text");
    change(&mut member);
    zip_with(&[ZipMember::new("SKILL.md", b"# Skill"), member], b"")
}

fn named(name: &str) -> Refusal {
    refused(&with(|m| {
        m.name = name.as_bytes().to_vec();
        m.flags = if name.is_ascii() { 0 } else { 1 << 11 };
    }))
}

fn together(names: &[&str]) -> Refusal {
    let members: Vec<ZipMember> = names
        .iter()
        .map(|name| {
            let mut member = ZipMember::new(name, b"x");
            member.flags = if name.is_ascii() { 0 } else { 1 << 11 };
            member
        })
        .collect();
    refused(&zip_with(&members, b""))
}

/// Where the nth record of this signature starts.
fn find(zip: &[u8], signature: &[u8], nth: usize) -> usize {
    memchr::memmem::find_iter(zip, signature).nth(nth).unwrap()
}

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";

#[test]
fn an_honest_package_comes_out_whole() {
    for streamed in [false, true] {
        let mut member = ZipMember::new("scripts/größe.sh", b"echo hi\n");
        member.streamed = streamed;
        member.flags = 1 << 11;
        let mut folder = ZipMember::new("scripts/", b"");
        folder.deflate = false;
        folder.mode = 0o040_755;
        let zip = zip_with(&[folder, ZipMember::new("SKILL.md", b"# Skill"), member], b"");
        let mut got = Vec::new();
        let files = unpack(&zip, &Limits::default(), &mut |path, bytes| {
            got.push((path.to_string(), bytes.to_vec()));
            Ok(())
        });
        let files = files.unwrap();
        assert_eq!(got[0], ("SKILL.md".into(), b"# Skill".to_vec()));
        assert_eq!(got[1], ("scripts/größe.sh".into(), b"echo hi\n".to_vec()));
        assert_eq!(files[1], FileHash::of(files[1].path.clone(), b"echo hi\n"));
    }
}

#[test]
fn what_is_packed_is_unpacked_and_packed_the_same() {
    let files: Vec<(SafePath, Vec<u8>)> = [
        ("SKILL.md", b"# A skill\n".repeat(50)),
        ("a.md", Vec::new()),
        ("B.bin", (0..=255).collect()),
        ("d/ü.txt", b"x".to_vec()),
    ]
    .into_iter()
    .map(|(path, bytes)| (SafePath::new(path).unwrap(), bytes))
    .collect();
    let zip = pack(&files).unwrap();
    let mut reversed = files.clone();
    reversed.reverse();
    assert_eq!(zip, pack(&reversed).unwrap());
    let mut got = Vec::new();
    let hashes = unpack(&zip, &Limits::default(), &mut |path, bytes| {
        got.push((path.clone(), bytes.to_vec()));
        Ok(())
    });
    let order: Vec<&str> = got.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(order, ["a.md", "B.bin", "d/ü.txt", "SKILL.md"]);
    got.sort();
    let mut wanted = files.clone();
    wanted.sort();
    assert_eq!(got, wanted);
    let direct: Vec<FileHash> = files.iter().map(|(path, bytes)| FileHash::of(path.clone(), bytes)).collect();
    assert_eq!(content_hash(&hashes.unwrap()), content_hash(&direct));
    assert!(pack(&[]).is_err());
    let big = vec![(SafePath::new("big").unwrap(), vec![0; (10 << 20) + 1])];
    assert!(pack(&big).unwrap_err().what.contains("larger than"));
}

#[test]
fn paths_that_leave_or_hide_are_refused() {
    for (name, fault) in [
        ("../evil", PathFault::Parent),
        ("a/../../b", PathFault::Parent),
        ("a/..", PathFault::Parent),
        ("/etc/cron.d/x", PathFault::Absolute),
        ("c\\d", PathFault::Backslash),
        ("..\\evil", PathFault::Backslash),
        ("\\\\host\\x", PathFault::Backslash),
        ("C:/x", PathFault::Drive),
        ("./dot.txt", PathFault::Dot),
        ("a//b", PathFault::EmptySegment),
        ("a\0b", PathFault::Control),
        ("a\nb", PathFault::Control),
        ("", PathFault::Empty),
        ("u\u{308}", PathFault::NotNfc),
        (&"x".repeat(501), PathFault::TooLong),
    ] {
        assert!(
            matches!(named(name), Refusal::Path(_, found) if found == fault),
            "{name:?} {:?}",
            named(name)
        );
    }
    assert!(matches!(
        refused(&with(|m| (m.name, m.flags) = (b"a\xff".to_vec(), 1 << 11))),
        Refusal::Path(_, PathFault::NotUtf8)
    ));
    for name in [".env", ".git/hooks/x", ".clawhub/origin.json", "a/.b", "...", ".git/"] {
        assert!(matches!(named(name), Refusal::Hidden(_)), "{name}");
    }
    // The directory of a folder is a path, too.
    assert!(matches!(named("../up/"), Refusal::Path(_, PathFault::Parent)));
}

#[test]
fn names_that_collide_are_refused() {
    for pair in [["a", "a"], ["README.md", "readme.md"], ["ß", "SS"], ["d/Ü", "d/ü"]] {
        assert!(matches!(together(&pair), Refusal::Collision(_)), "{pair:?}");
    }
    for pair in [["a", "a/b"], ["a/b", "a"], ["A", "a/b"]] {
        assert!(matches!(together(&pair), Refusal::Collision(Collision::FileAndFolder(..))), "{pair:?}");
    }
    // One of two names of the same letter: it is refused for itself.
    assert!(matches!(together(&["\u{fc}", "u\u{308}"]), Refusal::Path(_, PathFault::NotNfc)));
}

#[test]
fn only_files_are_installed() {
    assert!(matches!(refused(&with(|m| m.mode = 0o120_777)), Refusal::Symlink(_)));
    for mode in [0o020_644, 0o060_644, 0o010_644, 0o140_644, 0o040_755] {
        assert!(matches!(refused(&with(|m| m.mode = mode)), Refusal::NotAFile(_)), "{mode:o}");
    }
    // A folder with content, and a file that says it is a folder in the DOS way.
    assert!(matches!(refused(&with(|m| (m.name, m.mode) = (b"d/".to_vec(), 0))), Refusal::NotAFile(_)));
    let mut zip = with(|m| m.mode = 0);
    let at = find(&zip, CENTRAL, 1);
    zip[at + 38] = 0x10;
    assert!(matches!(refused(&zip), Refusal::NotAFile(_)));
    // A symlink by a maker that has none: other readers look at the mode all the same.
    let mut zip = with(|m| m.mode = 0o120_777);
    let at = find(&zip, CENTRAL, 1);
    zip[at + 5] = 0;
    assert!(matches!(refused(&zip), Refusal::Symlink(_)));
}

#[test]
fn bombs_are_refused_before_they_grow() {
    let zeros = |size: usize| ZipMember::new("zeros", &vec![0; size]);
    let one = |member: ZipMember| refused(&zip_with(&[member], b""));
    assert!(matches!(one(zeros(64 << 20)), Refusal::FileTooLarge(..)));
    assert!(matches!(one(zeros(9 << 20)), Refusal::Ratio(_, 200)));
    // Random enough not to be a bomb, too much together.
    let mut state = 1u64;
    let noise: Vec<u8> = (0..9 << 20)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .collect();
    let many: Vec<ZipMember> = (0..6)
        .map(|n| {
            let mut member = ZipMember::new(&format!("n{n}"), &noise);
            member.deflate = false;
            member
        })
        .collect();
    assert!(matches!(refused(&zip_with(&many, b"")), Refusal::TotalTooLarge(_)));
    let many: Vec<ZipMember> = (0..5001).map(|n| ZipMember::new(&format!("n{n}"), b"")).collect();
    assert!(matches!(refused(&zip_with(&many, b"")), Refusal::TooMany(5000)));
    // It says it is small and is not.
    let mut zip = zip_with(&[zeros(2 << 20)], b"");
    for (signature, at) in [(LOCAL, 22), (CENTRAL, 24)] {
        let at = find(&zip, signature, 0) + at;
        zip[at..at + 4].copy_from_slice(&100u32.to_le_bytes());
    }
    assert!(matches!(refused(&zip), Refusal::Damaged(_)));
}

#[test]
fn encrypted_and_strange_compression() {
    for flag in [1, 1 << 6, 1 << 13] {
        assert!(matches!(refused(&with(|m| m.flags = flag)), Refusal::Encrypted(_)));
    }
    for method in [1, 9, 12, 14, 93, 99] {
        assert!(matches!(refused(&with(|m| m.method = Some(method))), Refusal::Method(_)));
    }
    assert!(matches!(refused(&with(|m| m.flags = 1 << 5)), Refusal::Ambiguous(_)));
    // A name beyond ASCII without saying that it is UTF-8.
    assert!(matches!(refused(&with(|m| m.name = "ü".into())), Refusal::Ambiguous(_)));
}

#[test]
fn damage_and_checksums() {
    assert!(matches!(refused(&with(|m| m.crc_error = 1)), Refusal::Checksum(_)));
    assert!(matches!(
        refused(&with(|m| {
            m.crc_error = 1;
            m.deflate = false;
        })),
        Refusal::Checksum(_)
    ));
    let whole = with(|_| {});
    for len in 0..whole.len() {
        refused(&whole[..len]);
    }
    let mut zip = whole.clone();
    let at = find(&zip, LOCAL, 1) + 30 + 8;
    zip[at] ^= 0xff;
    assert!(matches!(refused(&zip), Refusal::Damaged(_)));
    assert_eq!(refused(b""), Refusal::NoEnd);
    assert_eq!(refused(&zip_with(&[], b"")), Refusal::Empty);
}

#[test]
fn zip64_in_any_place() {
    assert_eq!(refused(&with(|m| m.zip64 = true)), Refusal::Zip64);
    for (field, wide) in [(10, 2), (12, 4), (16, 4)] {
        let mut zip = with(|_| {});
        let at = zip.len() - 22 + field;
        zip[at..at + wide].fill(0xff);
        assert_eq!(refused(&zip), Refusal::Zip64);
    }
}

#[test]
fn two_readers_must_see_one_thing() {
    let mut zip = with(|_| {});
    let local = find(&zip, LOCAL, 1);
    let mut changed = |at: usize, value: u8| {
        let old = std::mem::replace(&mut zip[local + at], value);
        let refusal = refused(&zip);
        zip[local + at] = old;
        refusal
    };
    // Flags, method, checksum, packed size, size, a letter of the name.
    for at in [6, 8, 14, 18, 22, 30] {
        assert!(matches!(changed(at, 2), Refusal::HeaderMismatch(_)), "{at}");
    }
    assert!(matches!(
        refused(&with(|m| m.local_name = Some(b"SKILL.mD".to_vec()))),
        Refusal::HeaderMismatch(_)
    ));
    // The descriptor behind the data says something else.
    let mut zip = with(|m| m.streamed = true);
    let at = find(&zip, b"PK\x07\x08", 0);
    for field in [0, 4, 8, 12] {
        zip[at + field] ^= 1;
        assert!(matches!(refused(&zip), Refusal::HeaderMismatch(_)));
        zip[at + field] ^= 1;
    }
}

#[test]
fn every_byte_belongs_to_one_file() {
    let whole = with(|_| {});
    // In front, behind, and a comment, which is where a second end record hides.
    assert_eq!(refused(&[b"#!/bin/sh\n", whole.as_slice()].concat()), Refusal::Directory);
    assert_eq!(refused(&[whole.as_slice(), b"x"].concat()), Refusal::NoEnd);
    assert_eq!(refused(&zip_with(&[ZipMember::new("a", b"x")], b"hello")), Refusal::NoEnd);
    // A member that streaming readers see and others do not: its bytes are nobody's.
    let mut hidden = ZipMember::new("hidden.sh", b"rm -rf ~");
    hidden.unlisted = true;
    for members in [
        vec![hidden.clone(), ZipMember::new("SKILL.md", b"x")],
        vec![ZipMember::new("SKILL.md", b"x"), hidden.clone(), ZipMember::new("b", b"x")],
    ] {
        let refusal = refused(&zip_with(&members, b""));
        assert!(matches!(refusal, Refusal::Unowned(_)), "{refusal:?}");
    }
    let last = zip_with(&[ZipMember::new("SKILL.md", b"x"), hidden], b"");
    assert_eq!(refused(&last), Refusal::Unowned("the directory".into()));
    // Two entries of the directory for the same bytes: a bomb's way to grow, or another name for a file.
    let mut twice = zip(&[("aaaa", b"x"), ("bbbb", b"x")]);
    let at = find(&twice, CENTRAL, 1) + 42;
    twice[at..at + 4].fill(0);
    assert!(matches!(refused(&twice), Refusal::Overlap(_)));
    // A first entry that is so long that it holds the second.
    let mut long = zip(&[("aaaa", b"x"), ("bbbb", b"x")]);
    let total = (find(&long, CENTRAL, 0) - 34) as u32;
    for (signature, at) in [(LOCAL, 18), (CENTRAL, 20)] {
        let at = find(&long, signature, 0) + at;
        long[at..at + 4].copy_from_slice(&total.to_le_bytes());
    }
    assert!(matches!(refused(&long), Refusal::Overlap(_)));
    // Counts that disagree.
    for field in [8, 10] {
        let mut zip = whole.clone();
        let at = find(&zip, END, 0) + field;
        zip[at] += 1;
        assert!(matches!(refused(&zip), Refusal::Directory), "{field}");
    }
}

#[test]
fn a_sink_that_fails_stops_it() {
    let mut calls = 0;
    let result = unpack(&with(|_| {}), &Limits::default(), &mut |_, _| {
        calls += 1;
        Err(io::ErrorKind::StorageFull.into())
    });
    assert!(matches!(result, Err(UnpackError::Sink(error)) if error.kind() == io::ErrorKind::StorageFull));
    assert_eq!(calls, 1);
}
