//! `weft mcp` between a client and a server that are made with the official SDKs, of PyPI and of npm. They are taken from `target/mcp`, a
//! virtual environment, and `target/mcp-js`, which scripts/test.sh makes. On standard input and output, and over Streamable HTTP.

// A failure here is a failed test.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "support/cli.rs"]
mod cli;

use cli::Dir;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use weft::json::{Node, parse};

/// The interpreter of the environment and the folder that its real one is in; none where the SDK is not there.
fn sdk() -> Option<(PathBuf, PathBuf)> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/mcp/bin/python");
    let script = "import sys, mcp.server.mcpserver; print(sys.base_prefix)";
    let output =
        Command::new(&python).args(["-c", script]).output().ok().filter(|output| output.status.success());
    match output {
        Some(output) => Some((python, PathBuf::from(String::from_utf8(output.stdout).unwrap().trim()))),
        None => {
            println!(
                "SKIPPED: target/mcp has no MCP SDK (scripts/test.sh installs it); weft mcp was not tried with it"
            );
            None
        }
    }
}

/// What the client got, by name.
fn got(said: &str, name: &str) -> String {
    let line = said
        .lines()
        .map(|line| parse(line).unwrap())
        .find(|line| line.as_array().and_then(|pair| pair[0].as_str()) == Some(name));
    let pair = line.unwrap_or_else(|| panic!("no {name} in {said}"));
    let mut text = Vec::new();
    weft::json::Writer::new(&mut text).node(&pair.as_array().unwrap()[1], false).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn the_official_sdk_works_through_weft() {
    let Some((python, base)) = sdk() else { return };
    let fixtures = fixtures();
    let server = fixtures.join("server.py");
    works(&python, &base, "", &["--", python.to_str().unwrap(), server.to_str().unwrap()]);
}

/// A server that is there already, with answers as JSON and as streams of events.
#[test]
fn the_official_sdk_works_by_http() {
    let Some((python, base)) = sdk() else { return };
    for how in ["events", "json"] {
        let dir = Dir::new();
        dir.file("notes.md", "hello");
        let mut server = Command::new(&python)
            .arg(fixtures().join("server.py"))
            .args(["http", how])
            .current_dir(&dir.0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut port).unwrap();
        let port = port.trim();
        let network = format!("allow = [{{ host = \"127.0.0.1\", ports = [{port}], tls = false }}]");
        let worked = std::panic::catch_unwind(|| {
            works(&python, &base, &network, &["--url", &format!("http://127.0.0.1:{port}/mcp")]);
        });
        server.kill().unwrap();
        server.wait().unwrap();
        assert!(worked.is_ok(), "{how}");
    }
}

/// A server in the sandbox that listens on its loopback.
#[test]
fn the_official_sdk_works_by_http_in_the_sandbox() {
    let Some((python, base)) = sdk() else { return };
    let server = fixtures().join("server.py");
    let words = ["--http", "8000", "--", python.to_str().unwrap(), server.to_str().unwrap(), "http", "8000"];
    works(&python, &base, "", &words);
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mcp")
}

/// The official SDK from npm, where it is there: scripts/test.sh installs it.
fn npm_sdk() -> Option<PathBuf> {
    let sdk =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/mcp-js/node_modules/@modelcontextprotocol/sdk");
    let node = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    if node && sdk.join("package.json").exists() {
        return Some(sdk);
    }
    println!(
        "SKIPPED: node or target/mcp-js is missing (scripts/test.sh installs it); weft mcp was not tried with the SDK from npm"
    );
    None
}

#[test]
fn the_official_sdk_from_npm_works_through_weft() {
    let Some(sdk) = npm_sdk() else { return };
    let node = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .map(|folder| folder.join("node"))
        .find_map(|node| node.canonicalize().ok().filter(|node| node.is_file()))
        .unwrap();
    let (modules, fixtures) = (sdk.ancestors().nth(2).unwrap(), fixtures());
    // Its libraries are beside it, or are the system's.
    let base = node.parent().and_then(Path::parent).unwrap();
    let (server, sdk_text) = (fixtures.join("server.mjs"), sdk.to_str().unwrap());
    let server = ["--", node.to_str().unwrap(), server.to_str().unwrap(), sdk_text];
    let client = [node.as_path(), &fixtures.join("client.mjs"), &sdk].map(Path::to_owned);
    between(&[client.to_vec()], &[base, modules], "", &server);
}

/// The client of the SDK from PyPI, with the newest protocol, which has no handshake, and with the one before it.
fn works(python: &Path, base: &Path, network: &str, server: &[&str]) {
    let venv = python.parent().unwrap().parent().unwrap();
    let client = |mode: &str| vec![python.to_owned(), fixtures().join("client.py"), mode.into()];
    between(&[client("auto"), client("legacy")], &[base, venv], network, server);
}

/// Clients against a server behind weft, with every kind of message. `folders` are those of the server's language, `network` is
/// that table of the policy.
fn between(clients: &[Vec<PathBuf>], folders: &[&Path], network: &str, server: &[&str]) {
    let list = |more: &[&Path]| {
        let all = folders.iter().chain(more).map(|folder| format!("{:?}", folder.to_str().unwrap()));
        all.collect::<Vec<_>>().join(", ")
    };
    let (read, exec) = (list(&[&fixtures()]), list(&[]));
    let (dir, home) = (Dir::new(), Dir::new());
    dir.file(
        "weft.toml",
        format!(
            r#"version = 1
extends = ["base"]
[filesystem]
read = ["${{WORKSPACE}}", {read}]
exec = [{exec}]
deny = ["${{WORKSPACE}}/.env"]
[network]
{network}
[tools]
allow = ["read_text", "add", "resource:note://*", "prompt:*"]
[[tools.argument]]
tool = "read_text"
name = "path"
must = "read"
[audit]
file = "${{STATE}}/log.jsonl"
"#
        ),
    );
    dir.file("notes.md", "hello");
    dir.file(".env", "SECRET=1");
    for client in clients {
        let mode = client.last().unwrap().display();
        let output = Command::new(&client[0])
            .args(&client[1..])
            .args([env!("CARGO_BIN_EXE_weft"), "mcp", "--policy", "weft.toml"])
            .args(server)
            .current_dir(&dir.0)
            // The SDK starts servers with a few variables of its own.
            .env("HOME", &home.0)
            .env_remove("XDG_STATE_HOME")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{mode}: {said}\n{}", String::from_utf8_lossy(&output.stderr));
        for (name, expected) in [
            ("add", r#"[false,"5"]"#),
            ("tools", r#"["add","read_text"]"#),
            ("read", r#"[false,"hello"]"#),
            ("resources", r#"["note://today"]"#),
            ("note", r#""rest""#),
            ("prompts", r#"["summarise"]"#),
            ("prompt", r#""Summarise this: x""#),
            ("many", "20100"),
        ] {
            assert_eq!(got(&said, name), expected, "{mode} {name}: {said}");
        }
        for (name, why) in [
            ("env", ".env is denied"),
            ("shadow", "/etc/shadow is denied"),
            ("delete", "tools.allow does not name it"),
            ("secret", "tools.allow does not name it"),
        ] {
            assert!(
                got(&said, name).starts_with("\"error: ") && got(&said, name).contains(why),
                "{mode} {name}: {said}"
            );
        }
    }
    let log = std::fs::read_to_string(home.0.join(".local/state/log.jsonl")).unwrap();
    assert!(
        log.lines()
            .filter_map(|line| parse(line).ok())
            .any(|entry| { entry.get("target").and_then(Node::as_str) == Some("delete_all") })
    );
}
