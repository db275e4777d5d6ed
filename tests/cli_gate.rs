//! What `--gate` looks at: everything, whatever it is packed in, and whatever the skill says about itself. What it
//! cannot look at is a finding. By default the same things are passed over, and one line says so.
#![cfg(unix)]
// A failure in a helper is a failed test.
#![allow(clippy::unwrap_used)]

#[path = "support/archives.rs"]
mod archives;
#[path = "support/cli.rs"]
mod cli;
#[path = "support/process.rs"]
mod process;

use archives::{ZipMember, gzip, tar, tar_member, zip, zip_with};
use cli::{Dir, HIGH};
use process::measure;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileExt, symlink};
use std::process::Command;
use std::time::Duration;
use weft::json::Node;

const LONG: Duration = Duration::from_secs(120);
/// A debug build with an archive in memory, and what came out of it.
const BOUNDED: u64 = 320 << 20;

#[derive(Debug)]
struct Found {
    rule: String,
    path: String,
    line: u64,
    column: u64,
}

#[derive(Debug)]
struct Seen {
    code: i32,
    found: Vec<Found>,
    skipped: Vec<String>,
}

impl Seen {
    /// The paths at which this rule speaks.
    fn at(&self, rule: &str) -> Vec<&str> {
        self.found.iter().filter(|found| found.rule == rule).map(|found| found.path.as_str()).collect()
    }

    /// `path:line:column` of the marker.
    fn marks(&self) -> Vec<String> {
        let marks = self.found.iter().filter(|found| found.rule == "zebra-high");
        marks.map(|found| format!("{}:{}:{}", found.path, found.line, found.column)).collect()
    }
}

fn scan(dir: &Dir, args: &[&str]) -> Seen {
    let said = dir.scan(&[&["-f", "json"], args].concat());
    assert_eq!(said.err, "", "{said:?}");
    let node = weft::json::parse(&said.out).unwrap();
    let list = |key: &str| node.get(key).and_then(Node::as_array).unwrap();
    let word = |node: &Node, key: &str| node.get(key).and_then(Node::as_str).unwrap().to_owned();
    let number = |node: &Node, key: &str| {
        node.get("span").and_then(|span| span.get(key)).and_then(Node::as_u64).unwrap()
    };
    let found = list("findings").iter().map(|one| Found {
        rule: word(one, "name"),
        path: word(one, "path"),
        line: number(one, "line"),
        column: number(one, "column"),
    });
    Seen {
        code: said.code,
        found: found.collect(),
        skipped: list("skipped").iter().map(|one| word(one, "path")).collect(),
    }
}

/// A gate's report, and the law of all of them: what was not looked at is a finding at the same path.
#[track_caller]
fn gate(dir: &Dir) -> Seen {
    let seen = scan(dir, &["--gate", "s"]);
    let raised: BTreeSet<&str> = seen
        .found
        .iter()
        .filter(|one| {
            ["-not-scanned", "executable-in-skill", "symlink-outside"]
                .iter()
                .any(|end| one.rule.ends_with(end))
        })
        .map(|one| one.path.as_str())
        .collect();
    for path in &seen.skipped {
        assert!(raised.contains(path.as_str()), "{path} was skipped and is no finding: {seen:?}");
    }
    seen
}

const HIDING_PLACES: [&str; 7] = [
    ".cache/a.md",
    ".git/hooks/pre-commit",
    ".x/.y/z.md",
    "deep/node_modules/m/index.js",
    "node_modules/.bin/m",
    "target/debug/t.md",
    "vendor/.hidden/v.py",
];

#[test]
fn a_gate_enters_every_folder() {
    let dir = Dir::skill("nothing");
    for name in HIDING_PLACES {
        dir.file(format!("s/{name}"), HIGH);
    }
    let said = dir.scan(&["s"]);
    assert_eq!((said.code, said.count("ZZ-001")), (0, 0), "{said:?}");
    let lines: Vec<&str> = said.out.lines().filter(|line| line.starts_with("not scanned")).collect();
    assert_eq!(
        lines,
        ["not scanned: 4 × build or version-control folder, 3 × hidden folder; --verbose lists them"]
    );
    let said = dir.scan(&["--verbose", "s"]);
    assert!(said.out.contains("not scanned: s/.cache: hidden folder\n"), "{said:?}");

    let seen = gate(&dir);
    let mut expected = HIDING_PLACES.map(|name| format!("s/{name}"));
    expected.sort_unstable();
    let mut marked = seen.at("zebra-high");
    marked.sort_unstable();
    assert_eq!((seen.code, marked), (1, expected.iter().map(String::as_str).collect()));
    assert!(seen.skipped.is_empty(), "{seen:?}");
}

#[test]
fn a_large_file_is_looked_at_in_windows() {
    let dir = Dir::skill("nothing");
    // One mark in each 100 KiB: before, in and behind every edge of a window.
    let line = format!("{}\n", "a line of text ".repeat(7));
    let mut text = String::new();
    let mut expected = Vec::new();
    let mut lines = 0;
    for n in 0..90 {
        let block = (100 << 10) + n * 37;
        let count = block / line.len();
        text.push_str(&line.repeat(count));
        lines += count + 1;
        text.push_str(&format!("ä {HIGH}\n"));
        expected.push(format!("s/large.md:{lines}:3"));
    }
    dir.file("s/large.md", &text);
    let said = dir.scan(&["s"]);
    assert!(said.code == 0 && said.out.contains("not scanned: 1 × too large"), "{said:?}");
    let seen = gate(&dir);
    assert_eq!(seen.marks(), expected);
    assert!(seen.skipped.is_empty(), "{seen:?}");
}

#[test]
fn a_large_file_that_is_named_is_scanned() {
    let dir = Dir::skill("nothing");
    let line = "a line of text\n".repeat(100_000);
    dir.file("s/large.md", format!("{line}{HIGH}\n{line}"));
    let seen = scan(&dir, &["s/large.md"]);
    assert_eq!((seen.code, seen.marks()), (1, vec!["s/large.md:100001:1".to_owned()]), "{seen:?}");
    assert!(seen.skipped.is_empty(), "{seen:?}");
    // Named or not, what is no text is not read as text.
    dir.file("s/large", [vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0], vec![0; 3 << 20], HIGH.into()].concat());
    let seen = scan(&dir, &["s/large"]);
    assert_eq!((seen.code, seen.skipped.len()), (0, 1), "{seen:?}");
    // By the way, it is passed over as before.
    let seen = scan(&dir, &["s"]);
    assert_eq!((seen.code, seen.skipped.len()), (0, 2), "{seen:?}");
}

#[test]
fn what_is_odd_in_a_large_file_is_a_finding_too() {
    let dir = Dir::skill("nothing");
    let line = "a line of text\n".repeat(300_000);
    dir.file("s/newlines.md", format!("{line}{}more\n", "\n".repeat(100_000)));
    // Blanks that reach over the edge of a window and beyond what it shows of the text before.
    dir.file("s/blanks.md", format!("{line}x = 1;{}y = 2\n", " ".repeat(3 << 20)));
    dir.file("s/nul.md", [line.as_bytes(), &[0; 300], b"and more text\n"].concat());
    let seen = gate(&dir);
    assert_eq!(seen.at("padding"), ["s/blanks.md", "s/newlines.md"], "{seen:?}");
    assert_eq!(seen.at("hidden-encoding"), ["s/nul.md"], "{seen:?}");
}

#[test]
fn beyond_the_limit_a_gate_says_so() {
    let dir = Dir::skill("nothing");
    let path = dir.file("s/huge.md", "# Notes\n");
    let file = fs::File::options().write(true).open(&path).unwrap();
    let line = format!("\n{HIGH}\n");
    for at in [3u64 << 20, 70 << 20] {
        file.write_all_at(line.as_bytes(), at).unwrap();
    }
    let seen = gate(&dir);
    assert_eq!(seen.marks(), ["s/huge.md:3:1"], "{seen:?}");
    assert_eq!(seen.at("oversize-not-scanned"), ["s/huge.md"]);
    let seen = scan(&dir, &["--gate", "--max-size", "128M", "s"]);
    assert_eq!(seen.marks(), ["s/huge.md:3:1", "s/huge.md:5:1"], "{seen:?}");
    assert!(seen.skipped.is_empty(), "{seen:?}");
}

#[test]
fn archives_are_opened() {
    let dir = Dir::skill("nothing");
    let skill = format!("---\nname: x\n---\n{HIGH}\n");
    let bytes = skill.as_bytes();
    let inner = zip(&[("x/SKILL.md", bytes)]);
    let tgz = gzip("", &tar(&[("x/SKILL.md", bytes)]));
    dir.file("s/a.zip", &inner);
    dir.file("s/b.tar", tar(&[("./x/SKILL.md", bytes)]));
    dir.file("s/c.tar.gz", &tgz);
    dir.file("s/d.gz", gzip("note.md", bytes));
    dir.file("s/e.docx", zip(&[("[Content_Types].xml", b"<Types/>"), ("word/document.xml", bytes)]));
    dir.file("s/f.whl", zip(&[("pkg/__init__.py", bytes)]));
    dir.file("s/nested.zip", zip(&[("in/c.tgz", &tgz), ("in/a.zip", &inner)]));
    // By what they are, not by their names.
    dir.file("s/logo.png", &inner);
    dir.file("s/noname", &tgz);
    let stored = ZipMember { deflate: false, ..ZipMember::new("x.md", bytes) };
    dir.file("s/readme.md", [b"# Read me\n".as_slice(), &zip_with(&[stored], b"")].concat());
    dir.file("s/empty.zip", zip(&[]));

    let seen = gate(&dir);
    let mut marked = seen.at("zebra-high");
    marked.sort_unstable();
    marked.dedup();
    let expected = [
        "s/a.zip!/x/SKILL.md",
        "s/b.tar!/./x/SKILL.md",
        "s/c.tar.gz!/x/SKILL.md",
        "s/d.gz!/note.md",
        "s/e.docx!/word/document.xml",
        "s/f.whl!/pkg/__init__.py",
        "s/logo.png!/x/SKILL.md",
        "s/nested.zip!/in/a.zip!/x/SKILL.md",
        "s/nested.zip!/in/c.tgz!/x/SKILL.md",
        "s/noname!/x/SKILL.md",
        "s/readme.md!/x.md",
    ];
    assert_eq!(marked, expected, "{seen:#?}");
    assert!(seen.skipped.is_empty(), "{seen:?}");

    // By default none is opened; what stands in the clear behind the name of a text is read.
    let said = dir.scan(&["s"]);
    assert!(said.out.contains("not scanned: 11 × binary"), "{said:?}");
    assert_eq!((said.count("high ZZ-001"), said.count("s/readme.md:")), (1, 1), "{said:?}");
}

/// The samples say the same packed as unpacked.
#[test]
fn an_attack_is_the_same_in_an_archive() {
    let dir = Dir::new();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/skills/weather-helper/SKILL.md");
    let text = fs::read(sample).unwrap();
    dir.file("s/SKILL.md", &text);
    let open = gate(&dir);
    fs::remove_file(dir.0.join("s/SKILL.md")).unwrap();
    dir.file("s/pack.zip", zip(&[("w/SKILL.md", &text), ("w/empty", b"")]));
    let packed = gate(&dir);
    let rules = |seen: &Seen| -> Vec<String> {
        seen.found.iter().map(|one| format!("{}:{}:{}", one.rule, one.line, one.column)).collect()
    };
    assert_eq!((open.code, rules(&open)), (packed.code, rules(&packed)));
    assert!(open.found.len() > 5 && packed.found.iter().all(|one| one.path == "s/pack.zip!/w/SKILL.md"));
}

#[test]
fn an_archive_that_cannot_be_opened_is_a_finding() {
    let dir = Dir::skill("nothing");
    let locked = ZipMember { flags: 1, ..ZipMember::new("run.sh", HIGH.as_bytes()) };
    dir.file("s/locked.zip", zip_with(&[locked], b""));
    let seen = gate(&dir);
    assert_eq!((seen.code, seen.at("encrypted-not-scanned")), (1, vec!["s/locked.zip!/run.sh"]), "{seen:?}");

    let dir = Dir::skill("nothing");
    let odd = ZipMember { method: Some(93), ..ZipMember::new("x.md", HIGH.as_bytes()) };
    dir.file("s/a-method.zip", zip_with(&[odd], b""));
    dir.file("s/b-cut.zip", &zip(&[("x.md", &HIGH.repeat(50).into_bytes())])[..60]);
    dir.file("s/c.7z", b"7z\xbc\xaf\x27\x1c\0\x04and so on and on");
    dir.file("s/d.rar", b"Rar!\x1a\x07\x01\0and so on and on");
    dir.file("s/e.xz", b"\xfd7zXZ\0\0\x04and so on and on");
    dir.file("s/f.zst", b"\x28\xb5\x2f\xfd\0and so on and on");
    let mut deep = zip(&[("x.md", HIGH.as_bytes())]);
    for n in 0..5 {
        deep = zip(&[(&format!("{n}.zip"), &deep)]);
    }
    dir.file("s/g-deep.zip", deep);
    let seen = gate(&dir);
    for name in ["a-method.zip", "b-cut.zip", "c.7z", "d.rar", "e.xz", "f.zst", "g-deep.zip"] {
        let path = format!("s/{name}");
        let said = |one: &&Found| one.path.starts_with(&path) && one.rule.ends_with("-not-scanned");
        assert!(seen.found.iter().any(|one| said(&one)), "nothing about {name}: {seen:#?}");
    }
}

#[test]
fn a_bomb_is_a_finding_and_costs_little() {
    let dir = Dir::skill("nothing");
    let zeros = vec![0; 80 << 20];
    let bomb = zip(&[("zeros.md", &zeros)]);
    dir.file("s/b.gz", gzip("", &zeros));
    drop(zeros);
    let copies: Vec<(String, &[u8])> = (0..200).map(|n| (format!("{n}.zip"), &bomb[..])).collect();
    let copies: Vec<(&str, &[u8])> = copies.iter().map(|(name, data)| (name.as_str(), *data)).collect();
    dir.file("s/a.zip", &bomb);
    dir.file("s/c.zip", zip(&copies));
    let many: Vec<String> = (0..30_000).map(|n| format!("f{n}")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), b"".as_slice())).collect();
    dir.file("s/d.zip", zip(&many));
    let seen = gate(&dir);
    for name in ["a.zip", "b.gz", "c.zip", "d.zip"] {
        let path = format!("s/{name}");
        let about = |one: &&str| one.starts_with(&path);
        assert!(seen.at("archive-not-scanned").iter().any(about), "nothing about {name}: {seen:#?}");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_weft"));
    let said = measure(command.args(["security", "scan", "--gate", "s"]).current_dir(&dir.0), LONG);
    eprintln!("bombs: {:?}, {} MiB", said.time, said.memory >> 20);
    assert!(said.code.is_some(), "did not end in {LONG:?}");
    assert!(said.memory < BOUNDED, "{} MiB", said.memory >> 20);
}

#[test]
fn names_and_links_in_archives_go_nowhere() {
    let dir = Dir::skill("nothing");
    dir.file("outside.md", HIGH);
    let link = |name: &str, to: &str| ZipMember { mode: 0o120_777, ..ZipMember::new(name, to.as_bytes()) };
    let members = [
        ZipMember::new("../../up.md", HIGH.as_bytes()),
        ZipMember::new("/etc/cron.d/x", HIGH.as_bytes()),
        ZipMember::new("C:\\x\\y.md", HIGH.as_bytes()),
        ZipMember::new("ok/../../../z.md", HIGH.as_bytes()),
        link("link", "/etc/passwd"),
        link("up", "../outside.md"),
        link("inside", "ok/x.md"),
    ];
    dir.file("s/a.zip", zip_with(&members, b""));
    let tarred = [
        tar_member(b"../up.md", b'0', b"", 0o644, HIGH.as_bytes()),
        tar_member(b"link", b'2', b"/etc/passwd", 0o777, b""),
        tar_member(b"hard", b'1', b"../../outside.md", 0o644, b""),
        tar_member(b"device", b'3', b"", 0o644, b""),
        vec![0; 1024],
    ];
    dir.file("s/b.tar", tarred.concat());
    let seen = gate(&dir);
    let tricks = seen.at("archive-trick");
    for path in [
        "s/a.zip!/../../up.md",
        "s/a.zip!//etc/cron.d/x",
        "s/a.zip!/ok/../../../z.md",
        "s/a.zip!/link",
        "s/a.zip!/up",
        "s/b.tar!/../up.md",
        "s/b.tar!/link",
        "s/b.tar!/hard",
    ] {
        assert!(tricks.contains(&path), "{path} is not in {tricks:#?}");
    }
    assert!(!tricks.contains(&"s/a.zip!/inside"), "{tricks:#?}");
    // What stands in them is scanned under its own name; what a link names is not opened.
    assert_eq!(seen.at("zebra-high").len(), 5, "{seen:#?}");
    assert_eq!(seen.code, 1);
}

#[test]
fn programs_are_named_and_their_words_are_read() {
    let dir = Dir::skill("nothing");
    let elf =
        [b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0".as_slice(), &[0; 64], HIGH.as_bytes(), b"\0\0"];
    dir.file("s/tool", elf.concat());
    dir.file(
        "s/__pycache__/x.cpython-312.pyc",
        b"\xcb\x0d\x0d\x0a\0\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08\xe3\0\0\0",
    );
    dir.file("s/lib.dylib", b"\xcf\xfa\xed\xfe\x0c\0\0\x01\0\0\0\0\x06\0\0\0\x10\0\0\0");
    let mut pe = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0".to_vec();
    pe.resize(0x3c, 0);
    pe.extend_from_slice(b"\x40\0\0\0PE\0\0\x64\x86\0\0\0\0\0\0\0\0\0\0");
    dir.file("s/setup.exe", pe);
    dir.file("s/m.wasm", b"\0asm\x01\0\0\0\0\0\0\0");
    dir.file("s/A.class", b"\xca\xfe\xba\xbe\0\0\0\x41\0\x10\0\0");
    // Under a harmless name.
    dir.file("s/notes.md", [b"\x7fELF\x01\x01\x01\0".as_slice(), &[0; 40]].concat());
    dir.file("s/pack.zip", zip(&[("bin/tool", &elf.concat())]));
    dir.file("s/random.bin", (0..4096u32).map(|n| ((n * n * 31) >> 3) as u8).collect::<Vec<u8>>());
    let seen = gate(&dir);
    let mut named = seen.at("executable-in-skill");
    named.sort_unstable();
    let expected = [
        "s/A.class",
        "s/__pycache__/x.cpython-312.pyc",
        "s/lib.dylib",
        "s/m.wasm",
        "s/notes.md",
        "s/pack.zip!/bin/tool",
        "s/setup.exe",
        "s/tool",
    ];
    assert_eq!(named, expected, "{seen:#?}");
    assert_eq!(seen.at("binary-not-scanned"), ["s/random.bin"]);
    let mut marked = seen.at("zebra-high");
    marked.sort_unstable();
    assert_eq!(marked, ["s/pack.zip!/bin/tool", "s/tool"], "{seen:#?}");
}

/// However a text is written, it is read. By default too: a file need not be odd to be an attack.
#[test]
fn text_is_read_in_every_spelling() {
    let dir = Dir::skill("nothing");
    let text = format!("# Title\nä\n{HIGH}\n");
    let wide = |to: fn(u16) -> [u8; 2]| -> Vec<u8> { text.encode_utf16().flat_map(to).collect() };
    let mark = |mark: &[u8], rest: Vec<u8>| [mark, &rest].concat();
    let utf32: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    let padded: Vec<u8> = text.as_bytes().chunks(7).flat_map(|piece| [piece, &[0]].concat()).collect();
    let torn_off = |head: &[u8]| [head, b"\n\n", HIGH.as_bytes(), b"\n"].concat();
    let spread: Vec<u8> = [vec![0; 5_000], text.clone().into_bytes(), vec![0; 5_000]].concat();
    let latin: Vec<u8> = text.bytes().filter(|&byte| byte != 0xc3).collect();
    for (name, bytes, line) in [
        ("bom.md", mark(b"\xef\xbb\xbf", text.clone().into_bytes()), 3),
        ("crlf.md", text.replace('\n', "\r\n").into_bytes(), 3),
        ("latin1.md", latin, 3),
        ("newlines.md", format!("# Title\n{}{HIGH}\n", "\n".repeat(100_000)).into_bytes(), 100_002),
        ("blanks.md", format!("# Title\n{}{HIGH}\n", " ".repeat(300_000)).into_bytes(), 2),
        ("utf16be-bom.md", mark(b"\xfe\xff", wide(u16::to_be_bytes)), 3),
        ("utf16be.md", wide(u16::to_be_bytes), 3),
        ("utf16le-bom.md", mark(b"\xff\xfe", wide(u16::to_le_bytes)), 3),
        ("utf16le.md", wide(u16::to_le_bytes), 3),
        ("utf32le-bom.md", mark(b"\xff\xfe\0\0", utf32), 3),
        ("nul-between.md", padded, 3),
        ("nul-around.md", spread, 3),
        ("invalid.md", [b"\x80\xff\xfd\xfc\n\n".as_slice(), HIGH.as_bytes(), b"\xc0\x80\n"].concat(), 3),
        ("junk.md", torn_off(&[1, 2, 3, 4, 5, 6, 7].repeat(200)), 3),
        ("pdf.sh", torn_off(b"%PDF-1.7"), 3),
        // Lines of what reads as text in a binary, not of the file.
        ("gif.py", torn_off(b"GIF89a\x01\0\x01\0\0\0\0"), 4),
    ] {
        dir.file(format!("s/{name}"), bytes);
        for args in [&["s"][..], &["--gate", "s"]] {
            let seen = scan(&dir, args);
            let marks = seen.marks();
            let place = format!("s/{name}:{line}:");
            assert!(marks.iter().any(|mark| mark.starts_with(&place)), "{args:?} {name}: {marks:?}");
        }
        fs::remove_file(dir.0.join("s").join(name)).unwrap();
    }
}

#[test]
fn what_is_odd_about_a_text_is_a_finding() {
    let dir = Dir::skill("nothing");
    dir.file("s/newlines.md", format!("# Title\n{}more\n", "\n".repeat(100_000)));
    dir.file("s/nul.md", [vec![b'a'; 300], vec![0; 3], vec![b'b'; 300]].concat());
    dir.file(
        "s/utf16.md",
        "plain text in two bytes".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(),
    );
    dir.file("s/invalid.md", b"\xfftext\n");
    let seen = gate(&dir);
    assert_eq!(seen.at("padding"), ["s/newlines.md"], "{seen:?}");
    assert_eq!(seen.at("hidden-encoding"), ["s/invalid.md", "s/nul.md", "s/utf16.md"], "{seen:?}");
}

#[test]
fn a_skill_has_no_say_in_its_judgement() {
    let dir = Dir::new();
    let ignore = "<!-- weft:ignore ZZ-001 -- reviewed -->\n<!-- weft:ignore-file ZZ-001 -- reviewed -->";
    dir.file(
        "s/SKILL.md",
        format!("---\nname: s\n---\n{ignore}\n{HIGH} <!-- weft:ignore ZZ-001 -- ok -->\n"),
    );
    dir.file("s/weft.toml", "[scan]\nexclude = [\"**\"]\nfail-on = \"never\"\nbaseline = \"known.json\"\n");
    for name in [".weftignore", ".gitignore", ".ignore"] {
        dir.file(format!("s/{name}"), "*\n");
    }
    let rules = dir.0.join("zebra.toml");
    let inside = |args: &[&str]| {
        let all = [&["security", "scan", "--rules", rules.to_str().unwrap()], args].concat();
        let mut command = Command::new(env!("CARGO_BIN_EXE_weft"));
        measure(command.args(all).current_dir(dir.0.join("s")), LONG)
    };
    fs::rename(dir.0.join("s/weft.toml"), dir.0.join("s/x.toml")).unwrap();
    assert_eq!(inside(&["--write-baseline", "known.json", "."]).code, Some(0));
    fs::rename(dir.0.join("s/x.toml"), dir.0.join("s/weft.toml")).unwrap();
    assert_eq!(inside(&["."]).code, Some(0), "a project's own settings count where the project asks");
    for args in [&["--gate", "."][..], &["--gate", "SKILL.md"]] {
        let said = inside(args);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.text().contains("high ZZ-001"), "{said:?}");
    }
    // Settings that are broken, or a trap, are not even read.
    dir.file("s/weft.toml", "[[[");
    assert_eq!(inside(&["--gate", "."]).code, Some(1));
    fs::remove_file(dir.0.join("s/weft.toml")).unwrap();
    symlink("/dev/zero", dir.0.join("s/weft.toml")).unwrap();
    assert_eq!(inside(&["--gate", "."]).code, Some(1));
    let said = inside(&["."]);
    assert_eq!(said.code, Some(2), "{said:?}");
}

/// Text on a gate's standard input is judged like a file.
#[test]
fn a_gate_takes_standard_input_too() {
    let dir = Dir::new();
    let args = ["security", "scan", "--rules", "zebra.toml", "--gate", "-"];
    let packed = zip(&[("x/SKILL.md", HIGH.as_bytes())]);
    let said = dir.weft_with(&args, &packed, &[]);
    assert_eq!((said.code, said.count("stdin!/x/SKILL.md:1:1")), (1, 1), "{said:?}");
    let ignored = format!("# weft:ignore ZZ-001 -- no\n{HIGH}\n");
    assert_eq!(dir.weft_with(&args, ignored.as_bytes(), &[]).code, 1);
}
