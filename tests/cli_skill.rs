//! `weft skill`, the commands that need no registry, through the binary. What installs is called as the binary calls it.

#![cfg(feature = "client")]
// A failure here is a failed test.
#![allow(clippy::unwrap_used)]

#[path = "support/cli.rs"]
mod cli;
#[path = "support/modules.rs"]
mod modules;

use cli::{Dir, Said};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use weft::skill::install::{Consent, Offer, install};
use weft::skill::pack::pack;
use weft::skill::path::SafePath;
use weft::skill::record::Accepted;
use weft::skill::store::Workspace;

fn skill(dir: &Dir, args: &[&str]) -> Said {
    skill_with(dir, args, b"")
}

fn skill_with(dir: &Dir, args: &[&str], input: &[u8]) -> Said {
    let config = dir.0.join("config");
    let all: Vec<&str> = ["skill"].into_iter().chain(args.iter().copied()).collect();
    dir.weft_with(&all, input, &[("XDG_CONFIG_HOME", config.to_str().unwrap()), ("CLAWHUB_WORKDIR", "")])
}

/// Installs `demo` of alice, as a registry would have sent it.
/// The skill that comes with a WebAssembly program.
const WITH_MODULE: &str = "with-module";

fn installed(dir: &Dir, slug: &str, qualified: bool) {
    installed_with(dir, slug, qualified, "");
}

fn installed_with(dir: &Dir, slug: &str, qualified: bool, metadata: &str) {
    let text = format!("---\nname: {slug}\ndescription: d\n{metadata}---\n# Demo\n");
    let files = [("SKILL.md", text.as_str()), ("scripts/run.sh", "#!/bin/sh\necho hi\n")];
    let mut files: Vec<_> = files
        .map(|(path, text)| (SafePath::new(path).unwrap(), text.as_bytes().to_vec()))
        .into_iter()
        .collect();
    if slug == WITH_MODULE {
        files.push((SafePath::new("tool.wasm").unwrap(), modules::exits(9)));
    }
    let zip = pack(&files).unwrap();
    let offer = Offer {
        registry: "https://hub.example",
        owner: Some("alice"),
        slug,
        qualified,
        version: "1.0.0",
        zip: &zip,
        leave_out: &[],
        content_hash: None,
        signed: None,
        rotations: &[],
        moderation: Some("clean"),
    };
    let workspace = Workspace::open(&dir.0, Path::new("skills")).unwrap();
    let book = dir.0.join("config/weft/trust.json");
    // That a compiled program comes along is a finding, which whoever installs it accepts.
    let module = Accepted { id: "SC-213".into(), reason: "read its source".into() };
    let accept = if slug == WITH_MODULE { vec![module] } else { Vec::new() };
    let consent = Consent { accept, ..Consent::default() };
    install(&workspace, &book, &offer, &consent, &mut |_, _| Vec::new()).unwrap();
}

#[test]
fn what_is_installed_is_listed() {
    let dir = Dir::new();
    assert_eq!(skill(&dir, &["list"]).out, "no skills are installed here\n");
    installed(&dir, "demo", false);
    installed(&dir, "other", true);
    // One that the clawhub program installed.
    let lock = dir.read(".clawhub/lock.json");
    let with = lock.replace(
        "\"skills\": {",
        "\"skills\": {\n    \"theirs\": {\"version\": \"0.1.0\", \"installedAt\": 1},",
    );
    dir.file(".clawhub/lock.json", with);
    let said = skill(&dir, &["list"]);
    assert_eq!(said.code, 0, "{said:?}");
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines[0], "@alice/other  1.0.0  unsigned, scan: clean");
    assert_eq!(lines[1], "demo          1.0.0  unsigned, scan: clean");
    assert_eq!(lines[2], "theirs        0.1.0  not installed by weft");
    let json = skill(&dir, &["list", "--format", "json"]).out;
    let root = weft::json::parse(&json).unwrap();
    let skills = root.get("skills").and_then(weft::json::Node::as_array).unwrap();
    assert_eq!(skills.len(), 3);
    assert_eq!(skills[1].get("registry").and_then(weft::json::Node::as_str), Some("https://hub.example"));
}

#[test]
fn every_change_is_seen() {
    let dir = Dir::new();
    installed(&dir, "demo", false);
    let said = skill(&dir, &["verify"]);
    assert_eq!((said.code, said.out.as_str()), (0, "demo 1.0.0: holds\n"));
    assert_eq!(skill(&dir, &["verify", "demo"]).code, 0);
    assert_eq!(skill(&dir, &["verify", "--all", "--format", "json"]).code, 0);
    dir.file("skills/demo/scripts/run.sh", "#!/bin/sh\necho evil\n");
    dir.file("skills/demo/.hidden", "x");
    let said = skill(&dir, &["verify"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(said.out, "demo 1.0.0: CHANGED\n  changed  scripts/run.sh\n  added  .hidden\n");
    let json = skill(&dir, &["verify", "--format", "json"]);
    assert!(json.code == 1 && json.out.contains("\"changed\":[\"scripts/run.sh\"]"), "{json:?}");
    // Without the list of files it still knows that, if not what.
    fs::remove_dir_all(dir.0.join(".weft/trees")).unwrap();
    assert!(skill(&dir, &["verify"]).out.contains("not those that were installed"));
    // A list that was changed is no list.
    fs::remove_dir_all(dir.0.join("skills/demo")).unwrap();
    let said = skill(&dir, &["verify"]);
    assert!(said.code == 1 && said.out.contains("its folder is gone"), "{said:?}");
    std::os::unix::fs::symlink("/etc", dir.0.join("skills/demo")).unwrap();
    let said = skill(&dir, &["verify"]);
    assert!(said.code == 1 && said.out.contains("not a folder"), "{said:?}");
    skill(&dir, &["verify", "dmo"]).refused("did you mean demo?");
}

#[test]
fn what_clawhub_installed_is_compared_with_its_record() {
    let dir = Dir::new();
    dir.file(
        ".clawhub/lock.json",
        "{\"version\":1,\"skills\":{\"demo\":{\"version\":\"1.0.0\",\"installedAt\":1}}}",
    );
    // The vector of the protocol document for one file.
    dir.file("skills/demo/SKILL.md", "a\n");
    let line = "SKILL.md:87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7";
    let fingerprint = weft::digest::Sha256::of(line.as_bytes());
    let origin =
        format!("{{\"version\":1,\"registry\":\"x\",\"slug\":\"demo\",\"fingerprint\":\"{fingerprint}\"}}");
    dir.file("skills/demo/.clawhub/origin.json", origin);
    let said = skill(&dir, &["verify"]);
    assert!(said.code == 0 && said.out.contains("not installed by weft"), "{said:?}");
    dir.file("skills/demo/SKILL.md", "b\n");
    assert_eq!(skill(&dir, &["verify"]).code, 1);
    // Weft cannot tell whether it was changed, so it asks.
    let said = skill(&dir, &["remove", "demo"]);
    assert!(said.code == 1 && said.err.contains("--overwrite"), "{said:?}");
    assert_eq!(skill(&dir, &["remove", "demo", "--overwrite"]).code, 0);
    assert!(!dir.0.join("skills/demo").exists());
}

#[test]
fn removing_takes_the_folder_and_both_entries() {
    let dir = Dir::new();
    installed(&dir, "demo", false);
    installed(&dir, "other", true);
    dir.file("skills/demo/notes.md", "mine");
    let said = skill(&dir, &["remove", "demo"]);
    assert!(said.code == 1 && said.err.contains("added: notes.md"), "{said:?}");
    assert!(dir.0.join("skills/demo/notes.md").exists());
    let said = skill(&dir, &["remove", "demo", "--overwrite"]);
    assert_eq!((said.code, said.out.as_str()), (0, "demo 1.0.0 is removed\n"), "{said:?}");
    assert!(!dir.0.join("skills/demo").exists());
    assert!(!dir.read(".clawhub/lock.json").contains("demo") && !dir.read(".weft/hub.lock").contains("demo"));
    // By its slug alone, as only one has it.
    assert_eq!(skill(&dir, &["remove", "other"]).code, 0);
    assert_eq!(skill(&dir, &["list"]).out, "no skills are installed here\n");
    skill(&dir, &["remove", "other"]).refused("no such skill is installed: other");
}

#[test]
fn a_damaged_lock_stops_and_stays() {
    for (path, text) in [
        (".clawhub/lock.json", "{\"version\": 1, \"skills\": {"),
        (".weft/hub.lock", "version = 1\n[[skill]]\nkey = 1\n"),
    ] {
        let dir = Dir::new();
        installed(&dir, "demo", false);
        dir.file(path, text);
        for args in [&["list"][..], &["verify"], &["remove", "demo"], &["pin", "demo"], &["unpin", "demo"]] {
            let said = skill(&dir, args);
            assert!(said.code == 2 && said.err.contains("damaged"), "{args:?} {said:?}");
        }
        assert_eq!(dir.read(path), text);
        assert!(dir.0.join("skills/demo/SKILL.md").exists());
    }
}

#[test]
fn pins_are_those_of_the_real_cli() {
    let dir = Dir::new();
    installed(&dir, "demo", false);
    assert_eq!(skill(&dir, &["pin", "demo", "--reason", "works"]).out, "demo stays at 1.0.0\n");
    let lock = dir.read(".clawhub/lock.json");
    assert!(lock.contains("\"pinned\": true") && lock.contains("\"pinReason\": \"works\""), "{lock}");
    assert!(skill(&dir, &["list"]).out.contains("pinned (works)"));
    assert_eq!(skill(&dir, &["unpin", "demo"]).code, 0);
    assert!(!dir.read(".clawhub/lock.json").contains("pin"));
}

#[test]
fn keys_are_made_for_their_owner_alone() {
    let dir = Dir::new();
    assert!(skill(&dir, &["key", "show"]).out.contains("no keys yet"));
    let said = skill(&dir, &["keygen"]);
    assert_eq!(said.code, 0, "{said:?}");
    let path = dir.0.join("config/weft/keys/default.key");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    skill(&dir, &["keygen"]).refused("a key of this name exists");
    skill(&dir, &["keygen", "../x"]).refused("bad name for a key");
    let public = skill(&dir, &["key", "export"]).out;
    assert!(said.out.contains(public.trim()) && public.trim().len() == 64);
    assert!(skill(&dir, &["key", "show"]).out.contains(public.trim()));
    assert!(skill(&dir, &["key", "show", "--format", "json"]).out.contains("\"passphrase\":false"));
    assert_eq!(skill_with(&dir, &["keygen", "work", "--passphrase-file", "-"], b"correct horse\n").code, 0);
    assert!(skill(&dir, &["key", "show", "work"]).out.contains("with a passphrase"));
    skill(&dir, &["key", "revoke", "work", "--reason", "x"]).refused("this key has a passphrase");
    let wrong =
        skill_with(&dir, &["key", "revoke", "work", "--reason", "x", "--passphrase-file", "-"], b"wrong\n");
    wrong.refused("does not open");
    skill_with(&dir, &["keygen", "none", "--passphrase-file", "-"], b"\n").refused("an empty passphrase");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    skill(&dir, &["key", "export"]).refused("others may read this secret key");
}

#[test]
fn trust_is_given_moved_and_taken() {
    let dir = Dir::new();
    for name in ["old", "other"] {
        assert_eq!(skill(&dir, &["keygen", name]).code, 0);
    }
    let export = |name: &str| skill(&dir, &["key", "export", name]).out.trim().to_owned();
    let hub = "https://hub.example";
    assert!(skill(&dir, &["trust", "list"]).out.contains("nobody yet"));
    let rotate = |old: &str, new: &str, to: &str| {
        let said = skill(
            &dir,
            &["key", "rotate", old, new, "--registry", "HTTPS://Hub.example/", "--owner", "alice", "-o", to],
        );
        assert_eq!(said.code, 0, "{said:?}");
    };
    rotate("old", "new", "rotation.txt");
    rotate("other", "newer", "foreign.txt");
    // A letter about somebody who is not trusted says nothing.
    let said = skill(&dir, &["trust", "accept", "rotation.txt"]);
    assert!(said.code == 1 && said.err.contains("nobody of that name"), "{said:?}");
    let said = skill(&dir, &["trust", "accept", hub, "alice", &export("old")]);
    assert_eq!(said.code, 0, "{said:?}");
    let said = skill(&dir, &["trust", "accept", "foreign.txt"]);
    assert!(said.code == 1 && said.err.contains("another key than the one you trust"), "{said:?}");
    let letter = dir.read("rotation.txt");
    dir.file("forged.txt", letter.replace("owner alice", "owner mallory"));
    let said = skill(&dir, &["trust", "accept", "forged.txt"]);
    assert!(said.code == 1 && said.err.contains("does not hold"), "{said:?}");
    assert_eq!(skill(&dir, &["trust", "accept", "rotation.txt"]).code, 0);
    let list = skill(&dir, &["trust", "list"]).out;
    assert!(
        list.contains(&export("new")) && !list.contains(&export("old")) && list.contains("(rotation)"),
        "{list}"
    );
    // The end of a key.
    assert_eq!(skill(&dir, &["key", "revoke", "new", "--reason", "laptop lost", "-o", "end.txt"]).code, 0);
    fs::remove_file(dir.0.join("config/weft/trust.json")).unwrap();
    assert_eq!(skill(&dir, &["trust", "accept", "end.txt"]).code, 0);
    let said = skill(&dir, &["trust", "accept", hub, "alice", &export("new")]);
    assert!(said.code == 1 && said.err.contains("laptop lost"), "{said:?}");
    assert!(skill(&dir, &["trust", "list", "--format", "json"]).out.contains("laptop lost"));
    // Keys that are none.
    let identity = format!("01{}", "0".repeat(62));
    skill(&dir, &["trust", "accept", hub, "alice", &identity]).refused("small order");
    skill(&dir, &["trust", "accept", hub, "alice", &"f".repeat(64)]).refused("not a canonical");
    skill(&dir, &["trust", "accept", "ftp://x", "alice", &export("old")])
        .refused("not the URL of a registry");
    skill(&dir, &["trust", "accept"]).refused("what is to be accepted?");
    assert_eq!(skill(&dir, &["trust", "accept", hub, "bob", &export("old")]).code, 0);
    assert_eq!(skill(&dir, &["trust", "remove", hub, "bob"]).code, 0);
    skill(&dir, &["trust", "remove", hub, "bob"]).refused("nobody of that name is trusted");
}

/// What the skill declares narrows, and widens only together with what the user allows. Whether the kernel holds it is
/// tested elsewhere; here it is what is asked of it.
#[test]
fn a_run_is_held_to_what_is_declared_and_allowed() {
    let dir = Dir::new();
    let metadata = "metadata:\n  openclaw:\n    requires: {bins: [cat], env: [DEMO_KEY]}\n  weft: {hosts: [api.example.com]}\n";
    installed_with(&dir, "demo", false, metadata);
    installed(&dir, "plain", false);
    let explain = |args: &[&str]| {
        let all: Vec<&str> =
            ["run"].iter().chain(args).chain(&["--explain", "--format", "json"]).copied().collect();
        skill(&dir, &all)
    };
    let said = explain(&["--allow-env", "DEMO_KEY", "demo"]);
    if said.code != 0 && said.err.contains("kernel") {
        return eprintln!("SKIPPED: {}", said.err);
    }
    for (args, with) in [
        (&["--allow-env", "HOME_KEY", "demo"][..], "it declares DEMO_KEY"),
        (&["--allow-env", "DEMO_KEY", "plain"], "it declares none"),
        (&["--allow-host", "evil.example", "demo"], "it declares api.example.com"),
        (&["none"], "no such skill is installed"),
    ] {
        explain(args).refused(with);
    }
    skill(&dir, &["run"]).refused("no skill to run");
    skill(&dir, &["run", "demo"]).refused("no command to run");
    // Without an explanation: the command and its code, and the program that was not declared.
    let said = skill(&dir, &["run", "demo", "--", "cat", "SKILL.md"]);
    if said.code == 125 || said.err.contains("cannot hold") {
        return eprintln!("SKIPPED: {}", said.err);
    }
    assert!(said.code == 0 && said.out.contains("name: demo"), "{said:?}");
    let said = skill(&dir, &["run", "plain", "--", "sh", "-c", "id -u >/dev/null && exit 7"]);
    assert_eq!(said.code, 7, "{said:?}");
    let said = skill(&dir, &["run", "demo", "--", "sh", "-c", "id -u || exit 8"]);
    assert_eq!(said.code, 8, "{said:?}");
    dir.file("skills/demo/extra.py", "x");
    let said = skill(&dir, &["run", "demo", "--", "cat", "SKILL.md"]);
    assert!(said.code == 1 && said.err.contains("added: extra.py"), "{said:?}");
}

/// A module of the skill runs like a program of this machine, also where the manifest names the programs that may.
#[test]
fn a_module_of_a_skill_is_interpreted() {
    let dir = Dir::new();
    installed_with(&dir, WITH_MODULE, false, "metadata:\n  openclaw:\n    requires: {bins: [cat]}\n");
    let said = skill(&dir, &["run", WITH_MODULE, "--", "tool.wasm"]);
    if cfg!(not(feature = "wasm")) {
        assert!(said.code == 2 && said.err.contains("--features wasm"), "{said:?}");
        return;
    }
    if said.code == 125 || said.err.contains("cannot hold") {
        return eprintln!("SKIPPED: {}", said.err);
    }
    assert_eq!(said.code, 9, "{said:?}");
    // Another module is not what was installed.
    dir.file("skills/with-module/other.wasm", "x");
    assert_eq!(skill(&dir, &["run", WITH_MODULE, "--", "other.wasm"]).code, 1);
}
