//! Tests of walk.rs on real folders.

use super::*;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A folder that is gone when the test ends.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Dir {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("weft-walk-{}-{id}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    fn file(&self, name: impl AsRef<Path>) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"text\n").unwrap();
    }

    /// Each item as `path` or `path: reason`, with the folder's own path taken off.
    fn walk(&self, options: &WalkOptions) -> Vec<String> {
        let top = self.0.to_str().unwrap();
        let mut out = Vec::new();
        walk(std::slice::from_ref(&self.0), options, &mut |item| {
            let (path, rest) = match item {
                WalkItem::File(entry) => (entry.display, String::new()),
                WalkItem::Skip(skip) => (skip.path, format!(": {}", skip.reason.as_str())),
            };
            let path = path.strip_prefix(top).unwrap().trim_start_matches('/').to_owned();
            out.push(path + &rest);
        })
        .unwrap();
        out
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn files_come_before_folders_and_both_sorted() {
    let dir = Dir::new();
    for name in ["b/z", "b/a/x", "a.b/x", "a/x", "c", "SKILL.md", ".env", "Z"] {
        dir.file(name);
    }
    assert_eq!(
        dir.walk(&WalkOptions::default()),
        [".env", "SKILL.md", "Z", "c", "a/x", "a.b/x", "b/z", "b/a/x"]
    );
}

#[test]
fn skipped_folders_are_named_and_agent_folders_are_not_skipped() {
    let dir = Dir::new();
    for name in [
        ".git/config",
        "x/target/a",
        "node_modules/m/i.js",
        ".cache/a",
        ".claude/skills/s/SKILL.md",
        ".mcp.json",
    ] {
        dir.file(name);
    }
    assert_eq!(
        dir.walk(&WalkOptions::default()),
        [
            ".mcp.json",
            ".cache: hidden folder",
            ".claude/skills/s/SKILL.md",
            ".git: build or version-control folder",
            "node_modules: build or version-control folder",
            "x/target: build or version-control folder",
        ]
    );
    let hidden = WalkOptions { hidden: true, ..WalkOptions::default() };
    assert!(dir.walk(&hidden).contains(&".cache/a".to_owned()));
    assert!(dir.walk(&hidden).contains(&".git: build or version-control folder".to_owned()));
    assert_eq!(
        dir.walk(&WalkOptions::gate()),
        [
            ".mcp.json",
            ".cache/a",
            ".claude/skills/s/SKILL.md",
            ".git/config",
            "node_modules/m/i.js",
            "x/target/a"
        ]
    );
}

#[test]
fn a_root_is_looked_at_whatever_its_name() {
    let dir = Dir::new();
    dir.file(".hidden/node_modules/a");
    let inner = Dir(dir.0.join(".hidden/node_modules"));
    assert_eq!(inner.walk(&WalkOptions::default()), ["a"]);
}

#[test]
fn links_never_lead_out() {
    let dir = Dir::new();
    dir.file("a/real.txt");
    dir.file(".git/hook");
    symlink("a/real.txt", dir.0.join("SKILL.md")).unwrap();
    symlink("/etc/passwd", dir.0.join("outside")).unwrap();
    symlink("/etc", dir.0.join("outside-folder")).unwrap();
    symlink("..", dir.0.join("a/up")).unwrap();
    symlink("../..", dir.0.join("a/up-and-out")).unwrap();
    symlink("nowhere", dir.0.join("broken")).unwrap();
    symlink("self", dir.0.join("self")).unwrap();
    symlink("a", dir.0.join("same")).unwrap();
    symlink(".git", dir.0.join("git")).unwrap();
    symlink("/dev/zero", dir.0.join("zero")).unwrap();
    assert_eq!(
        dir.walk(&WalkOptions::default()),
        [
            "SKILL.md",
            "broken: broken symlink",
            "git: build or version-control folder",
            "outside: symlink out of the tree",
            "outside-folder: symlink out of the tree",
            "self: symlink loop",
            "zero: symlink out of the tree",
            ".git: build or version-control folder",
            "a/real.txt",
            "a/up: symlink loop",
            "a/up-and-out: symlink out of the tree",
        ]
    );
}

#[test]
fn links_to_one_large_file_are_bounded() {
    let dir = Dir::new();
    let big = fs::File::create(dir.0.join("big")).unwrap();
    big.set_len(100 << 20).unwrap();
    for i in 0..4 {
        symlink("big", dir.0.join(format!("l{i}"))).unwrap();
    }
    assert_eq!(dir.walk(&WalkOptions::gate()), ["big", "l0", "l1", "l2: too large", "l3: too large"]);
}

#[test]
fn what_is_not_a_file_is_named() {
    let dir = Dir::new();
    assert!(std::process::Command::new("mkfifo").arg(dir.0.join("pipe")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(dir.0.join("socket")).unwrap();
    assert_eq!(dir.walk(&WalkOptions::gate()), ["pipe: not a regular file", "socket: not a regular file"]);
}

#[test]
fn names_are_shown_escaped_and_opened_as_they_are() {
    let dir = Dir::new();
    dir.file(OsStr::from_bytes(b"caf\xe9.md"));
    dir.file("two\nlines");
    let mut entries = Vec::new();
    walk(std::slice::from_ref(&dir.0), &WalkOptions::default(), &mut |item| entries.push(item)).unwrap();
    for item in &entries {
        let WalkItem::File(entry) = item else { panic!("{item:?}") };
        assert_eq!(read(entry, &WalkOptions::default()).unwrap(), b"text\n");
    }
    assert_eq!(dir.walk(&WalkOptions::default()), ["caf\\xe9.md", "two\\u{a}lines"]);
}

#[test]
fn a_single_file_and_a_link_to_one_are_roots() {
    let dir = Dir::new();
    dir.file("a.md");
    symlink("a.md", dir.0.join("link")).unwrap();
    for name in ["a.md", "link"] {
        let root = dir.0.join(name);
        let mut items = Vec::new();
        walk(std::slice::from_ref(&root), &WalkOptions::default(), &mut |item| items.push(item)).unwrap();
        let [WalkItem::File(entry)] = &items[..] else { panic!("{items:?}") };
        assert_eq!(&*entry.display, root.to_str().unwrap());
        assert_eq!(read(entry, &WalkOptions::default()).unwrap(), b"text\n");
    }
    let missing =
        walk(&[dir.0.clone(), dir.0.join("none")], &WalkOptions::default(), &mut |i| panic!("{i:?}"));
    assert_eq!(missing.unwrap_err().path, dir.0.join("none"));
}

#[test]
fn roots_are_shown_as_given() {
    for (given, shown) in [(".", ""), ("./a/", "a"), ("a//", "a"), ("/", "/"), ("..", ".."), ("././x", "x")] {
        assert_eq!(root_display(Path::new(given)), shown, "{given}");
    }
    assert_eq!(below("", OsStr::new("a")), "a");
    assert_eq!(below("/", OsStr::new("a")), "/a");
}

#[test]
fn a_very_deep_tree_ends() {
    let dir = Dir::new();
    // Deeper than a path can be long; each step is made from inside the last.
    let script = "cd \"$1\" || exit; for i in $(seq 1 60); do n=$(printf 'd%.0s' $(seq 1 100)); mkdir $n && cd -P $n || exit; done; echo x > file";
    let made = std::process::Command::new("bash").args(["-c", script, "-"]).arg(&dir.0).status().unwrap();
    assert!(made.success());
    let items = dir.walk(&WalkOptions::default());
    assert_eq!(items.len(), 1, "{items:?}");
    assert!(items[0].ends_with(": could not be read"));
    assert!(std::process::Command::new("rm").arg("-rf").arg(&dir.0).status().unwrap().success());
}
