//! Files: what the calls do, and that nothing leads to what the policy does not give.

use super::{Home, TYPES};
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn calls_do_what_they_say() {
    for kind in TYPES {
        let home = Home::new();
        let Some(()) = home.tool() else { return };
        let policy = home.policy(kind, "");
        let words = [
            "tool.wasm",
            "args",
            "env",
            "stdin",
            "cat",
            "a.txt",
            "cat",
            "/etc/hosts",
            "list",
            "ro",
            "stat",
            "a.txt",
            "stat",
            "ro",
            "clock",
            "random",
            "seek",
            "seek.bin",
            "poll",
            "pointers",
            "mkdir",
            "d",
            "write",
            "d/f",
            "text",
            "append",
            "d/f",
            " more",
            "cat",
            "d/f",
            "mv",
            "d",
            "e",
            "ln",
            "e/f",
            "hard",
            "cat",
            "hard",
            "symlink",
            "a.txt",
            "link",
            "lstat",
            "link",
            "cat",
            "link",
            "readlink",
            "link",
            "rmdir",
            "e",
            "rm",
            "e/f",
            "rmdir",
            "e",
            "write",
            "/tmp/own",
            "text",
            "cat",
            "/tmp/own",
        ];
        let ended = home.run_with(&policy, &words, "a line\n");
        assert_eq!(ended.code, 0, "{kind}: {}{}", ended.out, ended.err);
        for line in [
            "args 58: tool.wasm",
            "SHOWN=yes",
            "MODE=test",
            "stdin: a line",
            "cat a.txt: content",
            "stat a.txt: file 7",
            "stat ro: folder",
            "clock: slept, now",
            "random: differs",
            "seek: end 10, pread 456, size 5",
            "poll: 1",
            "pointers: 21 21 21 21",
            "mkdir d: ok",
            "cat d/f: text more",
            "mv d: ok",
            "cat hard: text more",
            "stat link: link 5",
            "cat link: content",
            "readlink link: a.txt",
            "rmdir e: Directory not empty",
            "rmdir e: ok",
            "cat /tmp/own: text",
        ] {
            assert!(ended.out.contains(line), "{kind}: {line} in\n{}", ended.out);
        }
        assert!(!ended.out.contains("HIDDEN") && !ended.out.contains("TOKEN"), "{}", ended.out);
        assert!(fs::read_to_string(home.at("ws/hard")).unwrap() == "text more");
        assert!(!Path::new("/tmp/own").exists());
    }
}

#[test]
fn a_deny_holds_inside_an_allow_under_every_name() {
    for kind in TYPES {
        let home = Home::new();
        let Some(()) = home.tool() else { return };
        let policy = home.policy(kind, "");
        symlink("secret", home.at("ws/to-secret")).unwrap();
        symlink(".git", home.at("ws/to-git")).unwrap();
        let words = [
            "tool.wasm",
            "cat",
            "secret",
            "cat",
            "./ro/../secret",
            "cat",
            "to-secret",
            "stat",
            "secret",
            "write",
            "secret",
            "x",
            "append",
            "secret",
            "x",
            "rm",
            "secret",
            "mv",
            "secret",
            "open",
            "ln",
            "secret",
            "open",
            "mv",
            "a.txt",
            "secret",
            "cat",
            ".git/hooks/pre-commit",
            "cat",
            "to-git/hooks/pre-commit",
            "list",
            ".git/hooks",
            "mv",
            ".git",
            "moved",
            "mv",
            ".git/hooks",
            "hooks",
            "write",
            ".git/hooks/new",
            "x",
            "rmdir",
            ".git/hooks",
            "write",
            "ro/new",
            "x",
            "append",
            "ro/file",
            "x",
            "ln",
            "ro/file",
            "mine",
            "mv",
            "ro",
            "rw",
            "rm",
            "ro/file",
            "mkdir",
            "later/deep",
            "mkdir",
            "later",
            "mkdir",
            "later/deep",
            "mkdir",
            "trap",
            "mkdir",
            "trap/deep",
            "mv",
            "trap",
            "later",
        ];
        let ended = home.run(&policy, &words);
        assert_eq!(ended.code, 0, "{kind}: {}{}", ended.out, ended.err);
        assert!(!ended.out.contains("SECRET"), "{kind}: {}", ended.out);
        // Behind the kernel's walls an empty folder holds the denied name, so that `later` is there already.
        let ok: Vec<&str> =
            ended.out.lines().filter(|line| line.ends_with(": ok") && *line != "mkdir later: ok").collect();
        assert_eq!(ok, ["mkdir trap: ok", "mkdir trap/deep: ok"], "{kind}: {}", ended.out);
        for line in [
            "cat secret: Permission denied",
            "mv .git: Permission denied",
            "append ro/file: Permission denied",
        ] {
            assert!(ended.out.contains(line), "{kind}: {line} in\n{}", ended.out);
        }
        assert_eq!(fs::read_to_string(home.at("ws/secret")).unwrap(), "SECRET in the workspace");
        assert_eq!(fs::read_to_string(home.at("ws/ro/file")).unwrap(), "read only");
        assert!(home.at("ws/.git/hooks/pre-commit").exists() && !home.at("ws/later/deep").exists());
    }
}

#[test]
fn no_path_leads_out() {
    for kind in TYPES {
        let home = Home::new();
        let Some(()) = home.tool() else { return };
        let policy = home.policy(kind, "");
        let outside = home.at("outside/file");
        symlink(&outside, home.at("ws/absolute")).unwrap();
        symlink("../outside/file", home.at("ws/relative")).unwrap();
        symlink("../outside", home.at("ws/folder")).unwrap();
        symlink("absolute", home.at("ws/chain")).unwrap();
        symlink("/proc/self/environ", home.at("ws/environ")).unwrap();
        let outside = outside.to_str().unwrap();
        let words = [
            "tool.wasm",
            "cat",
            "../outside/file",
            "cat",
            "ro/../../outside/file",
            "cat",
            outside,
            "cat",
            "absolute",
            "cat",
            "relative",
            "cat",
            "folder/file",
            "cat",
            "chain",
            "cat",
            "environ",
            "cat",
            "/proc/self/environ",
            "cat",
            "/etc/passwd",
            "list",
            "/etc",
            "list",
            "folder",
            "write",
            "folder/new",
            "x",
            "write",
            "relative",
            "x",
            "write",
            "../new",
            "x",
            "mv",
            "a.txt",
            "../moved",
            "ln",
            "relative",
            "hard",
            "mv",
            "../outside/file",
            "got",
            "symlink",
            "../outside/file",
            "own",
            "cat",
            "own",
            "symlink",
            outside,
            "far",
            "raw",
            "../outside/file",
            "raw",
            "/etc/passwd",
            "raw",
            "//etc/passwd",
            "raw",
            "",
            "guess",
            "rights",
            ".",
            "renumber",
        ];
        let ended = home.run(&policy, &words);
        assert_eq!(ended.code, 0, "{kind}: {}{}", ended.out, ended.err);
        assert!(!ended.out.contains("SECRET") && !ended.out.contains("root:"), "{kind}: {}", ended.out);
        for line in [
            "cat relative: Capabilities insufficient",
            "raw ../outside/file: 76",
            "raw //etc/passwd: 76",
            "raw : 44",
            "others refused",
            "rights: less 0, more 76, open for writing 76",
            "renumber: over 0, from nothing 8, to nothing 8",
        ] {
            assert!(ended.out.contains(line), "{kind}: {line} in\n{}", ended.out);
        }
        assert_eq!(fs::read_to_string(home.at("outside/file")).unwrap(), "SECRET outside");
        assert_eq!(fs::read_dir(home.at("outside")).unwrap().count(), 1);
        assert!(home.at("ws/a.txt").exists());
    }
}

/// Swaps two names for as long as it lives.
fn exchange(a: PathBuf, b: PathBuf, over: &AtomicBool) {
    let name = |path: &Path| CString::new(path.as_os_str().as_bytes()).unwrap();
    let (a, b) = (name(&a), name(&b));
    while !over.load(Ordering::Relaxed) {
        weft::sys::names::rename(weft::sys::fs::CWD, &a, weft::sys::fs::CWD, &b, weft::sys::fs::EXCHANGE)
            .unwrap();
    }
}

#[test]
fn a_link_that_is_swapped_in_between_leads_nowhere() {
    for kind in TYPES {
        let home = Home::new();
        let Some(()) = home.tool() else { return };
        let policy = home.policy(kind, "");
        // A file with a link to the outside, one to what is denied, and a folder on the way with a link out.
        fs::create_dir(home.at("ws/dir")).unwrap();
        fs::write(home.at("ws/dir/file"), "inside").unwrap();
        for (name, text) in [("swap-1", "../outside/file"), ("swap-2", "secret"), ("swap-3", "../outside")] {
            symlink(text, home.at("ws").join(name)).unwrap();
        }
        fs::write(home.at("ws/spot-1"), "inside").unwrap();
        fs::write(home.at("ws/spot-2"), "inside").unwrap();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for (spot, swap) in [("spot-1", "swap-1"), ("spot-2", "swap-2"), ("dir", "swap-3")] {
                let (a, b) = (home.at("ws").join(spot), home.at("ws").join(swap));
                let over = &over;
                scope.spawn(move || exchange(a, b, over));
            }
            let words =
                ["tool.wasm", "flip", "spot-1", "1500", "flip", "spot-2", "1500", "flip", "dir/file", "1500"];
            let ended = home.run(&policy, &words);
            over.store(true, Ordering::Relaxed);
            assert_eq!(ended.code, 0, "{kind}: {}{}", ended.out, ended.err);
            let lines: Vec<&str> = ended.out.lines().collect();
            assert_eq!(lines, ["flip: 0 outside, seen all"; 3], "{kind}: {}", ended.err);
        });
    }
}
