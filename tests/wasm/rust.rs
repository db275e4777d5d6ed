//! Programs in Rust (`wasm32-wasip1`) through their standard library, which asks for more than C's does: rights, preopens, all of a folder.

use super::{Home, TYPES};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Compiles the Rust program once.
fn tool() -> Option<&'static Path> {
    static TOOL: OnceLock<Option<PathBuf>> = OnceLock::new();
    let made = TOOL.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/wasm/tool.rs");
        let target =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rust-tool-{}.wasm", std::process::id()));
        let done = Command::new("rustc")
            .args(["--edition", "2024", "--target", "wasm32-wasip1", "-O", "-Cstrip=symbols", "-o"])
            .args([&target, &source])
            .output();
        match done {
            Ok(done) if done.status.success() => Some(target),
            Ok(done) => {
                let why = String::from_utf8_lossy(&done.stderr);
                // Only where the standard library is missing; what does not compile is a failure.
                assert!(why.contains("can't find crate for `std`"), "{why}");
                println!("SKIPPED: Rust programs: rustup target add wasm32-wasip1");
                None
            }
            Err(error) => {
                println!("SKIPPED: Rust programs: rustc: {error}");
                None
            }
        }
    });
    made.as_deref()
}

/// The program in the workspace of a new home; None, said aloud, where it cannot be compiled.
fn home() -> Option<Home> {
    let tool = tool()?;
    let home = Home::new();
    fs::copy(tool, home.at("ws/rust.wasm")).unwrap();
    Some(home)
}

fn words(text: &str) -> Vec<&str> {
    std::iter::once("rust.wasm").chain(text.split_whitespace()).collect()
}

#[test]
fn the_standard_library_finds_everything() {
    for kind in TYPES {
        let Some(home) = home() else { return };
        let policy = home.policy(kind, "");
        symlink("a.txt", home.at("ws/link")).unwrap();
        let all = "args env stdin time thread read a.txt read /etc/hosts write new text append new +more read new create new \
                   truncate new meta new seek moves times new mkdir deep/er/est write deep/er/f x list deep/er rename deep/er deep/moved \
                   read deep/moved/f rmdir deep rm-all deep meta deep copy a.txt copied read copied hard copied second rm copied \
                   read second read-link link link-meta link meta link read link meta ro rename link other rm other read a.txt \
                   many crowd 900 rmdir second rm ro-not-there list a.txt read ro write /tmp/own own read /tmp/own";
        let ended = home.run_with(&policy, &words(all), "one\ntwo");
        assert_eq!(ended.code, 0, "{kind}: {}{}", ended.out, ended.err);
        for line in [
            "args 91",
            "env MODE=test SHOWN=yes TMPDIR=/tmp",
            "stdin [\"one\", \"two\"]",
            "time slept true, this century true",
            "thread true",
            "read a.txt: content",
            "read new: text+more",
            "create new: AlreadyExists",
            "truncate new: file 0",
            "seek moves: 6 6789 4 Err(InvalidInput) 01xy45",
            "times new: as set",
            "list deep/er: est=folder 0, f=file 1",
            "rename deep/er: ok",
            "read deep/moved/f: x",
            "rm-all deep: ok",
            "meta deep: NotFound",
            "copy a.txt: 7 bytes",
            "hard copied: ok",
            "read second: content",
            "read-link link: a.txt",
            "link-meta link: link 5",
            "meta link: file 7",
            "read link: content",
            "meta ro: folder 0",
            "rm other: ok",
            "many crowd: 900 listed, 900 different, there still: false",
            "rmdir second: NotADirectory",
            "rm ro-not-there: NotFound",
            "list a.txt: NotADirectory",
            "read ro: IsADirectory",
            "read /tmp/own: own",
        ] {
            assert!(ended.out.lines().any(|one| one == line), "{kind}: {line} in\n{}", ended.out);
        }
        assert_eq!(fs::read_to_string(home.at("ws/moves")).unwrap(), "01xy45");
        assert_eq!(fs::read_to_string(home.at("ws/second")).unwrap(), "content");
        assert!(
            !home.at("ws/copied").exists() && !home.at("ws/deep").exists() && !Path::new("/tmp/own").exists()
        );
    }
}

#[test]
fn what_is_denied_is_denied_in_rust_too() {
    for kind in TYPES {
        let Some(home) = home() else { return };
        let policy = home.policy(kind, "");
        for (text, name) in [
            ("secret", "to-secret"),
            ("../outside/file", "out"),
            ("../outside", "folder"),
            ("/etc/passwd", "absolute"),
            (".git", "git"),
        ] {
            symlink(text, home.at("ws").join(name)).unwrap();
        }
        let all = "read secret read to-secret meta secret write secret x append secret x truncate secret rename secret open \
                   rename a.txt secret hard secret open copy secret open copy a.txt secret rm secret times secret read out read folder/file \
                   read absolute read /etc/passwd read ../outside/file list .. list folder list git/hooks read .git/hooks/pre-commit \
                   write git/hooks/new x create .git/hooks/new rm-all .git/hooks rename .git moved write ro/file x append ro/file x \
                   truncate ro/file rm ro/file rename ro/file mine hard ro/file mine times ro/file write out x write folder/new x \
                   mkdir folder/new rename a.txt folder/a.txt rename a.txt ../a.txt rm-all ro mkdir later/deep write /etc/hosts x";
        let ended = home.run(&policy, &words(all));
        assert_eq!(ended.code, 0, "{kind}: {}{}", ended.out, ended.err);
        assert!(!ended.out.contains("SECRET") && !ended.out.contains("root:"), "{kind}: {}", ended.out);
        assert_eq!(ended.out.lines().count(), 41, "{kind}: {}", ended.out);
        for line in ended.out.lines() {
            // What leads out of a folder has no name in the standard library's errors, and neither has a preopen that is not there.
            let refused = [": PermissionDenied", ": Uncategorized", ": ReadOnlyFilesystem"];
            assert!(refused.iter().any(|end| line.ends_with(end)), "{kind}: {line} in\n{}", ended.out);
        }
        assert_eq!(fs::read_to_string(home.at("ws/secret")).unwrap(), "SECRET in the workspace");
        assert_eq!(fs::read_to_string(home.at("ws/ro/file")).unwrap(), "read only");
        assert_eq!(fs::read_to_string(home.at("outside/file")).unwrap(), "SECRET outside");
        assert_eq!(fs::read_dir(home.at("outside")).unwrap().count(), 1);
        assert_eq!(fs::read_dir(home.at("ws/.git/hooks")).unwrap().count(), 1);
        assert!(home.at("ws/a.txt").exists() && !home.at("ws/open").exists() && !home.at("ws/mine").exists());
        // The last one is a rule for reading alone.
        assert!(home.log().contains("/.git/hooks"), "{}", home.log());
    }
}

#[test]
fn it_ends_as_a_rust_program_does() {
    for kind in TYPES {
        let Some(home) = home() else { return };
        let policy = home.policy(kind, "");
        for (text, code, said) in [
            ("exit 0", 0, ""),
            ("exit 6", 6, ""),
            // The standard library writes where it was, and then traps.
            ("panic", 134, "as it was asked to"),
            ("abort", 134, "unreachable"),
            ("nonsense", 99, "no such word: nonsense"),
        ] {
            let ended = home.run(&policy, &words(text));
            assert_eq!(ended.code, code, "{kind} {text}: {}", ended.err);
            assert!(ended.err.contains(said), "{kind} {text}: {}", ended.err);
        }
        let random = || home.run(&policy, &words("random")).out;
        let (one, two) = (random(), random());
        assert!(one.starts_with("random ") && one != two, "{kind}: {one}{two}");
    }
}
