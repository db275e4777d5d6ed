//! What a new user types first and meant otherwise.

// A failure in a helper is a failed test.
#![allow(clippy::unwrap_used)]

#[path = "support/cli.rs"]
mod cli;

use cli::Dir;

/// What the help and the reports name can be asked for.
#[test]
fn signals_can_be_explained() {
    let dir = Dir::new();
    let said = dir.weft(&["security", "explain", "Download-Exec"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.starts_with("download-exec\nA signal") && said.out.contains("Counts in:"), "{said:?}");
    let help = dir.weft(&["security", "explain", "--help"]).out;
    let examples = help.lines().filter_map(|line| line.strip_prefix("  weft "));
    for example in examples {
        let said = dir.weft(&example.split(' ').collect::<Vec<_>>());
        assert_eq!(said.code, 0, "{example}: {said:?}");
    }
    let page = dir.weft(&["security", "explain", "SC-101"]).out;
    for signal in
        page.lines().filter_map(|line| line.strip_prefix("  - ")).flat_map(|line| line.split(" or "))
    {
        assert_eq!(dir.weft(&["security", "explain", signal]).code, 0, "{signal}");
    }
}

#[test]
fn a_dash_is_standard_output() {
    let dir = Dir::skill(cli::HIGH);
    let said = dir.scan(&["--output", "-", "s"]);
    assert_eq!((said.code, said.count("high ZZ-001")), (1, 1), "{said:?}");
    assert!(!dir.0.join("-").exists());
    dir.scan(&["--write-baseline", "-", "s"]).refused("a baseline is a file");
}

#[test]
fn a_command_one_level_deeper_is_suggested() {
    let dir = Dir::new();
    dir.weft(&["scan", "."]).refused("unknown command: scan: did you mean `weft security scan`?");
    dir.weft(&["help", "explain"]).refused("did you mean `weft security explain`?");
}
