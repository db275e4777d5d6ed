//! `weft hub mirror`: skills of another registry come in checked, once, and stay when it is gone.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, clippy::panic)] // A failure here is a failed test.

#[path = "support/cli.rs"]
mod cli;
#[path = "support/hub.rs"]
mod hub;
#[path = "support/server.rs"]
mod server;

use cli::Dir;
use hub::Hub;
use std::fs;
use std::process::{Command, Output};

fn weft(dir: &Dir, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weft"));
    command.args(args).env("HOME", &dir.0).env("XDG_CONFIG_HOME", dir.0.join("config")).env("NO_COLOR", "1");
    command.env_remove("CLAWHUB_REGISTRY").output().unwrap()
}

#[test]
fn skills_come_in_once_and_stay() {
    let dir = Dir::new();
    let upstream = Hub::new();
    let token = upstream.user("alice", "user");
    upstream.skill(&token, "words", "1.0.0");
    upstream.skill(&token, "words", "1.1.0");
    upstream.skill(&token, "other", "1.0.0");
    let server = upstream.serve();
    let data = dir.0.join("hub");
    let data = data.to_str().unwrap();
    assert!(weft(&dir, &["hub", "init", "--data", data]).status.success());
    let mirror = |more: &[&str]| {
        let url = server.url();
        let mut args = vec!["hub", "mirror", "--data", data, "--from", &url];
        args.extend(more);
        let output = weft(&dir, &args);
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), text, String::from_utf8(output.stderr).unwrap())
    };
    let (code, out, err) = mirror(&["--only", "@alice/words"]);
    assert_eq!((code, out.as_str()), (0, "mirrored @alice/words 1.1.0\n"), "{err}");
    fs::write(dir.0.join("list"), "# mine\n@alice/words  # all of it\n\n@alice/other\n@alice/nothing\n")
        .unwrap();
    let list = dir.0.join("list");
    let (code, out, err) = mirror(&["--list", list.to_str().unwrap(), "--all-versions"]);
    assert_eq!(code, 1, "{out}{err}");
    assert_eq!(out, "mirrored @alice/words 1.0.0\npresent @alice/words 1.1.0\nmirrored @alice/other 1.0.0\n");
    assert!(err.contains("@alice/nothing"), "{err}");
    let (code, out, _) = mirror(&["--only", "@alice/words", "--all-versions", "--format", "json"]);
    assert!(code == 0 && out.matches("\"present\"").count() == 2, "{out}");
    assert_eq!(mirror(&[]).0, 2);
    assert_eq!(mirror(&["--only", "words"]).0, 2, "whose");
    // Another set of bytes than the registry lists.
    let lying = server::Server::start(liar);
    let output =
        weft(&dir, &["hub", "mirror", "--data", data, "--from", &lying.url(), "--only", "@alice/liar"]);
    assert_eq!(output.status.code(), Some(1));
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(err.contains("SKILL.md"), "{err}");
    drop(server);
    let verify = weft(&dir, &["hub", "verify", "--data", data]);
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stderr));
    let left: Vec<_> = fs::read_dir(format!("{data}/spool")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    let users = weft(&dir, &["hub", "user", "list", "--data", data]);
    assert!(String::from_utf8_lossy(&users.stdout).contains("alice"));
}

/// A registry that lists one thing and sends another.
fn liar(seen: &server::Seen) -> server::Act {
    match seen.path() {
        "/api/v1/skills/liar" => server::Act::json(
            r#"{"skill":{"slug":"liar","displayName":"Liar","summary":"","tags":{},"stats":{},"createdAt":1,"updatedAt":1},"latestVersion":{"version":"1.0.0","createdAt":1,"changelog":"","license":"MIT-0"},"owner":{"handle":"alice"},"moderation":null}"#,
        ),
        path if path.ends_with("/versions/1.0.0") => server::Act::json(
            r#"{"skill":{"slug":"liar","displayName":"Liar"},"version":{"version":"1.0.0","createdAt":1,"changelog":"","files":[{"path":"SKILL.md","size":3,"sha256":"0000000000000000000000000000000000000000000000000000000000000000","contentType":"text/markdown"}]}}"#,
        ),
        "/api/v1/download" => {
            let files = [(weft::skill::path::SafePath::new("SKILL.md").unwrap(), b"abc".to_vec())];
            server::Act::Answer(
                200,
                vec![("content-type", "application/zip".into())],
                weft::skill::pack::pack(&files).unwrap(),
            )
        }
        _ => server::Act::text(404, "Not found"),
    }
}
