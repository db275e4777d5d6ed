//! `--diff` and `--staged`: only changed lines count.

#[path = "support/cli.rs"]
mod cli;

use cli::{Dir, HIGH};

fn repository() -> Dir {
    let dir = Dir::skill(&format!("{HIGH} old\n\nmiddle"));
    dir.file("s/same.md", HIGH);
    dir.git(&["init", "-q", "-b", "main"]);
    dir.git(&["add", "."]);
    dir.git(&["commit", "-q", "-m", "first"]);
    dir
}

fn append(dir: &Dir, name: &str, text: &str) {
    let old = dir.read(name);
    dir.file(name, format!("{old}{text}"));
}

#[test]
fn only_new_lines_count() {
    let dir = repository();
    assert_eq!(dir.scan(&["s"]).count("ZZ-001 "), 2);
    let said = dir.scan(&["--diff", "HEAD", "s"]);
    assert_eq!((said.code, said.count("ZZ-001 ")), (0, 0), "{said:?}");
    append(&dir, "s/SKILL.md", &format!("\n{HIGH} new\n"));
    dir.file("s/untracked name.md", HIGH);
    let said = dir.scan(&["--diff", "HEAD", "."]);
    assert_eq!((said.code, said.count("ZZ-001 ")), (1, 2), "{said:?}");
    assert!(said.out.contains("s/SKILL.md:9:1") && said.out.contains("s/untracked name.md:1:1"), "{said:?}");
    // Nothing is staged yet; then one thing is.
    assert_eq!(dir.scan(&["--staged", "s"]).code, 0);
    dir.git(&["add", "s/SKILL.md"]);
    let said = dir.scan(&["--staged", "s/SKILL.md"]);
    assert_eq!((said.code, said.count("ZZ-001 ")), (1, 1), "{said:?}");
    // Lines that are not staged move those that are.
    let text = dir.read("s/SKILL.md");
    dir.file("s/SKILL.md", text.replacen("---\n", "---\nextra: line\n", 1));
    let said = dir.scan(&["--staged", "s"]);
    assert_eq!((said.count("ZZ-001 "), said.count("s/SKILL.md:10:1")), (1, 1), "{said:?}");
}

#[test]
fn renames_and_strange_names_are_followed() {
    let dir = repository();
    dir.git(&["mv", "s/same.md", "s/moved.md"]);
    assert_eq!(dir.scan(&["--staged", "s"]).code, 0, "a rename changes no line");
    for name in ["s/ä ö.md", "s/with\"quote.md", "s/tab\tname.md", "s/-dash.md"] {
        dir.file(name, HIGH);
    }
    dir.git(&["add", "."]);
    let said = dir.scan(&["--staged", "s"]);
    assert_eq!((said.code, said.count("ZZ-001 ")), (1, 4), "{said:?}");
}

#[test]
fn settings_of_the_repository_change_nothing() {
    let dir = repository();
    let config = "\n[diff]\n\texternal = touch ran-it\n\tnoprefix = true\n\tmnemonicPrefix = true\n\trelative = true\n[color]\n\tui = always\n[core]\n\tpager = touch ran-it\n\tfsmonitor = touch ran-it\n[diff \"x\"]\n\ttextconv = touch ran-it\n\tcommand = touch ran-it\n";
    dir.file("s/hidden.txt", HIGH);
    dir.git(&["add", "--", "s/hidden.txt"]);
    append(&dir, ".git/config", config);
    dir.file(".gitattributes", "*.md diff=x\n*.txt -diff\n");
    append(&dir, "s/SKILL.md", &format!("\n{HIGH} new\n"));
    let said = dir.scan(&["--diff", "HEAD", "s"]);
    assert_eq!((said.code, said.count("ZZ-001 ")), (1, 2), "{said:?}");
    let ran = std::fs::read_dir(&dir.0).unwrap().any(|e| e.unwrap().file_name() == "ran-it");
    assert!(!ran && !dir.0.join("s/ran-it").exists(), "a helper of the repository ran");
}

#[test]
fn a_branch_is_compared_with_where_it_left() {
    let dir = repository();
    dir.git(&["checkout", "-q", "-b", "topic"]);
    dir.file("s/topic.md", HIGH);
    dir.git(&["add", "."]);
    dir.git(&["commit", "-q", "-m", "topic"]);
    dir.git(&["checkout", "-q", "main"]);
    dir.file("s/same.md", "gone\n");
    dir.git(&["commit", "-q", "-a", "-m", "main goes on"]);
    dir.git(&["checkout", "-q", "topic"]);
    assert_eq!(dir.scan(&["--diff", "main...", "s"]).count("ZZ-001 "), 1);
    assert_eq!(dir.scan(&["--diff", "main...HEAD", "s"]).count("ZZ-001 "), 1);
    assert_eq!(dir.scan(&["--diff", "main", "s"]).count("ZZ-001 "), 2);
}

#[test]
fn what_git_cannot_say_is_an_error() {
    let dir = Dir::skill("x");
    dir.scan(&["--diff", "HEAD", "s"]).refused("not in a git repository");
    let dir = repository();
    dir.scan(&["--diff", "nope", "s"]).refused("unknown revision: --diff nope");
    dir.scan(&["--diff=--output=x", "s"]).refused("unknown revision");
    assert!(!dir.0.join("x").exists());
    dir.scan(&["--diff", "HEAD", "-"]).refused("contradicting options");
}
