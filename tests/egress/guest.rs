//! HTTPS from a WebAssembly program: through weft, which speaks TLS and adds what `[[network.inject]]` has. With the type `wasm`, with
//! `combined`, and with that without namespaces.

use super::Case;
use super::clients::{secret_host, web};
use super::world::{Said, World};
use std::fs;
use std::path::Path;
use std::process::Command;

pub const CASES: &[Case] = &[("https_from_a_module", https), ("secrets_of_a_module", secrets)];

/// The C program of tests/wasm in the workspace; said aloud where it cannot be compiled.
fn tool(world: &World) -> bool {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/wasm/tool.c");
    let target = world.at("home/ws/tool.wasm");
    let done = Command::new("clang")
        .args(["--target=wasm32-wasi", "-O1", "-w", "-o"])
        .args([&target, &source])
        .env("PATH", super::world::PATH)
        .output();
    match done {
        Ok(done) if done.status.success() => true,
        other => {
            println!(
                "SKIPPED: HTTPS from a WebAssembly program: clang compiles nothing for wasm32-wasi: {other:?}"
            );
            false
        }
    }
}

/// The act with each type, and once more without namespaces.
fn each(world: &World, act: impl Fn(&str)) {
    for kind in ["wasm", "combined"] {
        act(kind);
    }
    if !world.can_fall_back() {
        println!("SKIPPED: a module without namespaces: unshare makes none to forbid more in");
        return;
    }
    world.fall_back(true);
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| act("combined")));
    world.fall_back(false);
    if let Err(panic) = done {
        std::panic::resume_unwind(panic);
    }
}

fn run(world: &World, kind: &str, network: &str, more: &str, words: &[&str]) -> Said {
    let above = world.policy(network);
    let text = format!(
        "version = 1\nextends = [\"{}\"]\n[sandbox]\ntype = \"{kind}\"\n[env]\nallow = [\"*_KEY\", \"KEY_URL\"]\n{more}",
        above.display()
    );
    let policy = world.file("guest.toml", &text);
    let mut args = vec!["run", "--policy", policy.to_str().unwrap(), "--", "tool.wasm"];
    args.extend(words);
    world.weft(&args).env("TEST_KEY", "sk-very-secret").output().unwrap().into()
}

fn https(world: &World) {
    if !web(world) || !tool(world) {
        return;
    }
    each(world, |kind| {
        let named = "allow = [{ host = \"web.test\" }, { host = \"npm.test\", tls = false, ports = [443] }]";
        let words = [
            "http",
            "https://web.test/",
            "http",
            "https://web.test/none",
            "http",
            "https://other.test/",
            "http",
            "https://npm.test/",
        ];
        let said = run(world, kind, named, "", &words);
        assert_eq!(said.code, Some(0), "{kind}: {said:?}");
        let answers: Vec<&str> = said.out.split("http: ").skip(1).collect();
        assert!(
            answers[0].contains(" 200 ") && answers[0].contains("hello from the web"),
            "{kind}: {said:?}"
        );
        assert!(answers[1].contains(" 404 ") && answers[1].contains("not there"), "{kind}: {said:?}");
        assert!(
            answers[2].contains(" 403 ") && answers[2].contains("does not name the host"),
            "{kind}: {said:?}"
        );
        assert!(answers[3].contains(" 403 "), "{kind}: {said:?}");
        let log = world.log();
        assert!(log.contains("\"target\":\"web.test:443\",\"allowed\":true"), "{kind}: {log}");
        assert!(log.contains("\"target\":\"other.test:443\",\"allowed\":false"), "{kind}: {log}");
        assert_eq!(world.reached("93.184.216.35:443"), 0);
        // Whose certificate nobody vouches for is not spoken to.
        let trust = fs::read(world.at("certs/ca-certificates.crt")).unwrap();
        fs::write(world.at("certs/ca-certificates.crt"), "").unwrap();
        let said = run(world, kind, named, "", &["http", "https://web.test/"]);
        fs::write(world.at("certs/ca-certificates.crt"), trust).unwrap();
        assert!(said.out.contains(" 502 ") && !said.out.contains("hello"), "{kind}: {said:?}");
    });
}

fn secrets(world: &World) {
    if !web(world) || !tool(world) {
        return;
    }
    secret_host(world);
    each(world, |kind| {
        let inject = "[[network.inject]]\nhost = \"key.test\"\nheader = \"Authorization\"\nfrom = \"env:TEST_KEY\"\nvariable = \"KEY_URL\"\n";
        let named = "allow = [{ host = \"key.test\" }, { host = \"web.test\" }]";
        let words = [
            "env",
            "http",
            "https://key.test/",
            "post",
            "https://key.test/v1",
            "post",
            "http://key-test.weft.internal/v2",
            "post",
            "https://web.test/v3",
        ];
        let said = run(world, kind, named, inject, &words);
        assert_eq!(said.code, Some(0), "{kind}: {said:?}");
        let parts: Vec<&str> = said.out.split("http: ").collect();
        assert!(parts[0].contains("KEY_URL=http://key-test.weft.internal\n"), "{kind}: {said:?}");
        assert!(!parts[0].contains("sk-very"), "{kind}: {said:?}");
        assert!(parts[1].contains(" 200 ") && parts[1].contains("keyed"), "{kind}: {said:?}");
        for (part, path) in [(parts[2], "POST /v1\n"), (parts[3], "POST /v2\n")] {
            assert!(part.contains(path), "{kind}: {said:?}");
            assert!(
                part.to_lowercase().contains("\nauthorization: bearer sk-very-secret\n"),
                "{kind}: {said:?}"
            );
            assert!(!part.contains("mine"), "{kind}: {said:?}");
        }
        // The secret is for its own host; what the program says to another is its own.
        assert!(parts[4].contains("POST /v3\n") && parts[4].contains("Bearer mine"), "{kind}: {said:?}");
        assert!(!parts[4].contains("sk-very") && !world.log().contains("sk-very"), "{kind}: {said:?}");
    });
}
