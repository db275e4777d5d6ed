//! What runs under which type, how it ends, what is written down, and HTTP.

use super::{Home, TYPES, modules};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

#[test]
fn without_namespaces_landlock_and_a_filter_hold_the_interpreter() {
    let home = Home::new();
    home.module("tool.wasm", &modules::exits(3));
    for kind in ["combined", "os"] {
        let policy = home.policy(kind, "");
        let Some(ended) = home.run_without_namespaces(&policy, &["tool.wasm"]) else { return };
        assert_eq!(ended.code, 3, "{kind}: {}", ended.err);
    }
    let log = home.log();
    let walls = "\"target\":\"fallback\"";
    assert!(log.contains(walls) && log.contains("seccomp for the interpreter"), "{log}");
    assert!(log.contains("sandbox type combined: the policy asks for it; without namespaces"), "{log}");
    let Some(()) = home.tool() else { return };
    let policy = home.policy("combined", "");
    let words = "tool.wasm cat a.txt cat /etc/hosts cat secret cat ../outside/file cat /etc/passwd list .git/hooks write ro/x x \
                 write new text append new +more cat new mv new newer ln newer hard rm newer cat hard mkdir d rmdir d symlink hard link \
                 cat link seek s write /tmp/own own cat /tmp/own clock random poll guess list .";
    let words: Vec<&str> = words.split_whitespace().collect();
    let Some(ended) = home.run_without_namespaces(&policy, &words) else { return };
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    for line in [
        "cat a.txt: content",
        "cat secret: Permission denied",
        "cat ../outside/file: Capabilities insufficient",
        "list .git/hooks: Permission denied",
        "write ro/x: Permission denied",
        "cat new: text+more",
        "cat hard: text+more",
        "rmdir d: ok",
        "cat link: text+more",
        "seek: end 10, pread 456, size 5",
        "cat /tmp/own: own",
        "clock: slept, now",
        "random: differs",
        "poll: 1",
    ] {
        assert!(ended.out.contains(line), "{line} in\n{}", ended.out);
    }
    assert!(!ended.out.contains("SECRET") && !ended.out.contains("root:"), "{}", ended.out);
    assert!(!Path::new("/tmp/own").exists());
    // It ends as elsewhere: by its own signal, and by limits.
    home.module("unreachable.wasm", &modules::start_of(&[0x00]));
    let ended = home.run_without_namespaces(&policy, &["unreachable.wasm"]);
    assert_eq!(ended.map(|ended| ended.code), Some(134));
    let policy = home.policy("combined", "[process]\nmax_cpu_time = \"1s\"\nmax_memory = \"8MiB\"\n");
    for (word, code, said) in [("spin", 152, "process.max_cpu_time"), ("eat", 0, "process.max_memory")] {
        let Some(ended) = home.run_without_namespaces(&policy, &["tool.wasm", word]) else { return };
        assert_eq!(ended.code, code, "{word}: {}", ended.err);
        assert!(ended.err.contains(said), "{word}: {}", ended.err);
    }
}

#[test]
fn limits_end_a_program_and_name_their_line() {
    for kind in TYPES {
        let home = Home::new();
        let Some(()) = home.tool() else { return };
        for (limit, words, code, said) in [
            ("max_cpu_time = \"1s\"", &["spin"][..], 152, "process.max_cpu_time was reached"),
            ("max_wall_time = \"1s\"", &["spin"], 124, "the time was up"),
            ("max_file_size = \"64KiB\"", &["spam"], 153, "process.max_file_size was reached"),
            ("max_file_size = \"64KiB\"", &["grow", "file"], 153, "process.max_file_size was reached"),
            ("max_memory = \"8MiB\"", &["eat"], 0, "process.max_memory was reached"),
            ("max_open_files = 20", &["open-many"], 0, ""),
        ] {
            let policy = home.policy(kind, &format!("[process]\n{limit}\n"));
            let words: Vec<&str> = ["tool.wasm"].iter().chain(words).copied().collect();
            let ended = home.run(&policy, &words);
            assert_eq!(ended.code, code, "{kind} {limit}: {}", ended.err);
            assert!(ended.err.contains(said), "{kind} {limit}: {}", ended.err);
            if !said.is_empty() {
                // The line of the policy file that sets it.
                let line =
                    fs::read_to_string(&policy).unwrap().lines().position(|line| line == limit).unwrap() + 1;
                assert!(ended.err.contains(&format!("{kind}.toml:{line}:")), "{kind} {limit}: {}", ended.err);
            }
        }
        assert_eq!(fs::metadata(home.at("ws/file")).unwrap().len(), 64 << 10);
        let log = home.log();
        assert!(log.contains(r#""action":"limit","target":"process.max_memory""#), "{log}");
    }
}

#[test]
fn a_program_ends_like_a_native_one() {
    for kind in TYPES {
        let home = Home::new();
        let policy = home.policy(kind, "");
        for (name, module, code, said) in [
            ("exit.wasm", modules::exits(7), 7, ""),
            ("exit-0.wasm", modules::exits(0), 0, ""),
            ("exit-256.wasm", modules::exits(256), 255, ""),
            ("unreachable.wasm", modules::start_of(&[0x00]), 134, "unreachable"),
            ("recursion.wasm", modules::start_of(&[0x10, 0x01]), 139, "calls went deeper"),
            ("divide.wasm", modules::start_of(&[0x41, 1, 0x41, 0, 0x6d, 0x1a]), 136, "trapped"),
            ("load.wasm", modules::start_of(&[0x41, 0x7f, 0x28, 2, 0, 0x1a]), 139, "out of bounds"),
            ("tables.wasm", modules::with_tables(4, 10_000_000), 126, "cannot be started"),
            ("imports.wasm", modules::importing("env", "system"), 126, "env.system"),
            ("library.wasm", modules::library(), 126, "no _start"),
            ("cut.wasm", modules::exits(7)[..20].to_vec(), 126, "no valid module"),
            ("magic.wasm", b"\0asm".to_vec(), 126, "no valid module"),
            ("component.wasm", b"\0asm\x0d\0\x01\0".to_vec(), 126, "no valid module"),
        ] {
            home.module(name, &module);
            let ended = home.run(&policy, &[name]);
            assert_eq!(ended.code, code, "{kind} {name}: {}", ended.err);
            assert!(ended.err.contains(said), "{kind} {name}: {}", ended.err);
        }
        // A huge one is refused before it is read.
        let huge = fs::File::create(home.at("ws/huge.wasm")).unwrap();
        (&huge).write_all(&modules::exits(0)).unwrap();
        huge.set_len(1 << 40).unwrap();
        assert_eq!(home.run(&policy, &["huge.wasm"]).code, 126);
    }
}

#[test]
fn memory_that_a_module_declares_counts() {
    let home = Home::new();
    home.module("large.wasm", &modules::with_memory(2_000));
    for kind in TYPES {
        let policy = home.policy(kind, "[process]\nmax_memory = \"16MiB\"\n");
        let ended = home.run(&policy, &["large.wasm"]);
        assert_eq!(ended.code, 126, "{kind}: {}", ended.err);
        assert!(ended.err.contains("process.max_memory was reached"), "{kind}: {}", ended.err);
        let policy = home.policy(kind, "");
        assert_eq!(home.run(&policy, &["large.wasm"]).code, 0, "{kind}");
    }
}

#[test]
fn fuel_ends_a_loop() {
    let origin = weft::policy::vars::Places::below(Path::new("/nowhere/home"), Path::new("/nowhere/ws"));
    let policy = weft::policy::load_text("t", "version = 1\n", &origin).unwrap();
    let endless = modules::start_of(&[0x03, 0x40, 0x0c, 0x00, 0x0b]);
    let outcome = weft::sandbox::wasm::try_module(&policy, &endless, 100_000, 1 << 20).unwrap();
    let weft::sandbox::wasm::Outcome::Signal(signal, why) = outcome else { panic!("{outcome:?}") };
    assert!(signal == 24 && why.contains("fuel"), "{signal} {why}");
}

#[test]
fn the_type_decides_what_runs() {
    let home = Home::new();
    home.module("tool.wasm", &modules::exits(3));
    for kind in TYPES {
        let policy = home.policy(kind, "");
        let ended = home.run(&policy, &["/bin/true"]);
        assert_eq!(ended.code, 2, "{}", ended.err);
        assert!(
            ended.err.contains("the command is none") && ended.err.contains("wasm32-wasip1"),
            "{}",
            ended.err
        );
    }
    // By its first bytes, under the type for native programs: interpreted, and behind the kernel's walls.
    let policy = home.policy("os", "");
    assert_eq!(home.run(&policy, &["tool.wasm"]).code, 3);
    assert!(
        home.log()
            .contains("sandbox type combined: the policy asks for it; the command is a WebAssembly module")
    );
    // A program on PATH is not hidden by a module of its name in the folder.
    home.module("true", &modules::exits(5));
    assert_eq!(
        home.run(&policy, &["true"]).code,
        127,
        "nothing of /usr is named, so that `true` is not there"
    );
    assert_eq!(home.run(&policy, &["./true"]).code, 5);
}

#[test]
fn what_the_policy_says_of_commands_holds_for_modules() {
    let home = Home::new();
    home.module("tool.wasm", &modules::exits(3));
    home.module("secret", &modules::exits(3));
    for kind in TYPES {
        let run = |more: &str, name: &str| home.run(&home.policy(kind, more), &[name]).code;
        assert_eq!(run("", "tool.wasm"), 3);
        assert_eq!(run("", "./secret"), 126);
        assert_eq!(run("[process]\ndeny = [\"${WORKSPACE}/tool.wasm\"]\n", "tool.wasm"), 126);
        assert_eq!(run("[process]\nallow = [\"git\"]\n", "tool.wasm"), 126);
        assert_eq!(run("[process]\nallow = [\"${WORKSPACE}/tool.wasm\"]\n", "tool.wasm"), 3);
        fs::copy(home.at("ws/tool.wasm"), home.at("outside/tool.wasm")).unwrap();
        assert_eq!(run("", home.at("outside/tool.wasm").to_str().unwrap()), 126);
    }
}

#[test]
fn the_log_says_what_that_of_a_native_run_says() {
    for kind in TYPES {
        let home = Home::new();
        let Some(()) = home.tool() else { return };
        let policy = home.policy(kind, "");
        let ended = home.run(
            &policy,
            &["tool.wasm", "cat", "secret", "cat", "secret", "write", "ro/x", "x", "exit", "4"],
        );
        assert_eq!(ended.code, 4);
        assert!(ended.err.contains("2 denials"), "{}", ended.err);
        let log = home.log();
        let actions: Vec<&str> = log
            .lines()
            .map(|line| line.split("\"action\":\"").nth(1).unwrap().split('"').next().unwrap())
            .collect();
        assert_eq!(actions, ["start", "policy", "enforcement", "exec", "read", "write", "exit"], "{log}");
        let denied = log.lines().find(|line| line.contains("\"read\"")).unwrap();
        let target = home.at("ws/secret");
        assert!(denied.contains(target.to_str().unwrap()) && denied.contains("filesystem.deny"), "{denied}");
        assert!(log.contains("\"target\":\"code 4\""), "{log}");
    }
}

#[test]
fn explain_names_what_holds_each_line() {
    let home = Home::new();
    home.module("tool.wasm", &modules::exits(3));
    for (kind, level) in [("wasm", "\"level\": \"wasm\""), ("combined", "WASI preview 1")] {
        let policy = home.policy(kind, "[process]\nmax_memory = \"8MiB\"\n");
        let out = Command::new(env!("CARGO_BIN_EXE_weft"))
            .args(["run", "--explain", "--format", "json", "--policy"])
            .arg(&policy)
            .args(["--", "tool.wasm"])
            .current_dir(home.at("ws"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success() && text.contains(level), "{kind}: {text}");
        assert!(!text.contains("\"enforced\": false"), "{kind}: {text}");
    }
}

#[test]
fn http_goes_where_the_policy_lets_it() {
    for kind in TYPES {
        let home = Home::new();
        let Some(()) = home.tool() else { return };
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let more = format!(
            "[network]\nallow = [{{ host = \"127.0.0.1\", ports = [{port}], tls = false }}, {{ host = \"api.example.com\" }}]\n"
        );
        let policy = home.policy(kind, &more);
        let answer = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nserved").unwrap();
            String::from_utf8(head).unwrap()
        });
        let url = format!("http://127.0.0.1:{port}/path");
        let words =
            ["tool.wasm", "http", &url, "http", "https://example.com/", "http", "http://api.example.com/"];
        let ended = home.run(&policy, &words);
        assert_eq!(ended.code, 0, "{kind}: {}{}", ended.out, ended.err);
        assert!(answer.join().unwrap().starts_with("GET /path HTTP/1.1\r\n"));
        let parts: Vec<&str> = ended.out.split("http: ").collect();
        assert!(parts[1].ends_with("served\n"), "{kind}: {}", ended.out);
        assert!(
            parts[2].contains("403") && parts[2].contains("does not name the host"),
            "{kind}: {}",
            ended.out
        );
        // The rule is for TLS: https is spoken by weft, http is not carried.
        assert!(parts[3].contains("403") && parts[3].contains("port 443"), "{kind}: {}", ended.out);
        let log = home.log();
        assert!(
            log.contains(&format!("\"action\":\"connect\",\"target\":\"127.0.0.1:{port}\",\"allowed\":true")),
            "{log}"
        );
        assert!(log.contains("\"target\":\"example.com:443\",\"allowed\":false"), "{log}");
        // Without a network there is no way out at all.
        let closed = home.run(&home.policy(kind, ""), &["tool.wasm", "http", &url]);
        assert_eq!(closed.out, "http: errno 2\n", "{kind}");
    }
}
