//! What `weft security scan` shows, leaves out, and answers to the shell.

#[path = "support/cli.rs"]
mod cli;

use cli::{Dir, HIGH, LOW, PEDANTIC, SECRET};

#[test]
fn exit_codes_follow_what_is_shown() {
    let dir = Dir::skill(&format!("{HIGH}\n\n{LOW}"));
    assert_eq!(dir.scan(&["s"]).code, 1);
    assert_eq!(dir.scan(&["--fail-on", "critical", "s"]).code, 0);
    assert_eq!(dir.scan(&["--fail-on", "never", "s"]).code, 0);
    assert_eq!(dir.scan(&["--category", "PromptInjection", "s"]).code, 0);
    assert_eq!(dir.scan(&["--category", "ex,us", "s"]).code, 1);
    assert_eq!(dir.scan(&["--min-severity", "critical", "s"]).code, 0);
    let clean = Dir::skill("Nothing here");
    let said = clean.scan(&["s"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert!(said.out.contains("no findings: 1 file, "), "{said:?}");
    let low = Dir::skill(LOW);
    assert_eq!(low.scan(&["s"]).code, 0);
    assert_eq!(low.scan(&["--fail-on", "low", "s"]).code, 1);
}

#[test]
fn filters_hide_and_say_so() {
    let dir = Dir::skill(&format!("{HIGH}\n\n{LOW}\n\n{PEDANTIC}"));
    let said = dir.scan(&["s"]);
    assert_eq!((said.count("ZZ-001 "), said.count("ZZ-002 "), said.count("ZZ-003 ")), (1, 1, 0), "{said:?}");
    assert!(said.out.contains("not shown: 1 by --persona"));
    assert_eq!(dir.scan(&["--persona", "pedantic", "s"]).count("ZZ-003 "), 1);
    let said = dir.scan(&["--min-severity", "high", "s"]);
    assert_eq!((said.count("ZZ-001 "), said.count("ZZ-002 ")), (1, 0));
    let said = dir.scan(&["--quiet", "s"]);
    assert!(
        !said.out.contains("finding:") && !said.out.contains("not shown") && said.count("ZZ-001 ") == 1,
        "{said:?}"
    );
}

#[test]
fn colour_is_for_terminals_and_for_those_who_ask() {
    let dir = Dir::skill(HIGH);
    let scan = ["security", "scan", "--rules", "zebra.toml", "s"];
    let coloured =
        |args: &[&str], env: &[(&str, &str)]| dir.weft_with(args, b"", env).out.contains("\u{1b}[");
    assert!(!coloured(&scan, &[]));
    assert!(coloured(&scan, &[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&scan, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    let always: Vec<&str> = scan.into_iter().chain(["--color", "always"]).collect();
    assert!(coloured(&always, &[("NO_COLOR", "1")]));
    let to_file: Vec<&str> = always.into_iter().chain(["-o", "out"]).collect();
    dir.weft(&to_file);
    assert!(!dir.read("out").contains('\u{1b}'));
}

#[test]
fn secrets_are_masked_everywhere_unless_asked_for() {
    let dir = Dir::skill(&format!("key {SECRET} and {HIGH}"));
    for format in ["text", "json", "sarif", "github", "junit"] {
        let said = dir.scan(&["-v", "--format", format, "s"]);
        assert!(said.out.contains("ZZ-004") && !said.out.contains(&SECRET[13..]), "{format}: {}", said.out);
        // Annotations quote no line.
        assert!(said.out.contains("masked, 39 characters") || format == "github", "{format}: {}", said.out);
        assert!(
            dir.scan(&["--show-secrets", "--format", format, "s"]).out.contains(SECRET) || format == "github",
            "{format}"
        );
    }
    dir.scan(&["--write-baseline", "b.json", "s"]);
    assert!(!dir.read("b.json").contains(&SECRET[13..]));
}

#[test]
fn what_a_terminal_would_obey_is_spelt_out() {
    let dir = Dir::skill(&format!("\u{1b}]0;owned\u{7} \u{202e}{HIGH}\u{200b}"));
    dir.file("s/\u{1b}[31mred\u{202e}.sh", HIGH);
    for format in ["text", "json", "sarif", "github", "junit"] {
        let said = dir.scan(&["-v", "--persona", "auditor", "--format", format, "s"]);
        let bad =
            said.out.chars().find(|c| c.is_control() && *c != '\n' || ['\u{202e}', '\u{200b}'].contains(c));
        assert_eq!(bad, None, "{format}: {:?}", said.out);
        assert!(said.out.contains("ZZ-001"), "{format}");
    }
}

#[test]
fn standard_input_is_scanned_under_its_name() {
    let dir = Dir::new();
    let scan = |args: &[&str]| {
        let all: Vec<&str> =
            ["security", "scan", "--rules", "zebra.toml"].into_iter().chain(args.iter().copied()).collect();
        dir.weft_with(&all, HIGH.as_bytes(), &[])
    };
    let said = scan(&["-"]);
    assert!(said.code == 1 && said.out.contains("stdin:1:1"), "{said:?}");
    assert!(scan(&["--stdin-name", "a/SKILL.md", "-"]).out.contains("a/SKILL.md:1:1"));
    assert!(scan(&["--stdin-name", "\u{1b}[31m", "-"]).out.contains("\\u{1b}[31m:1:1"));
    assert_eq!(scan(&["--", "-"]).code, 1);
    dir.file("f.md", HIGH);
    assert_eq!(scan(&["-", "f.md"]).count("ZZ-001"), 2);
}

#[test]
fn a_baseline_accepts_what_is_there() {
    let dir = Dir::skill(HIGH);
    let said = dir.scan(&["--write-baseline", "known.json", "s"]);
    assert_eq!(said.code, 0, "{said:?}");
    let text = dir.read("known.json");
    dir.scan(&["--write-baseline", "again.json", "s"]);
    assert_eq!(text, dir.read("again.json"), "stable");
    let said = dir.scan(&["--baseline", "known.json", "s"]);
    assert!(said.code == 0 && said.out.contains("not shown: 1 by the baseline"), "{said:?}");
    // The line moves and a new finding comes: only that one is shown.
    dir.file("s/SKILL.md", format!("---\nname: s\ndescription: d\n---\n\n\nmoved\n\n{HIGH}\n"));
    dir.file("s/new.md", HIGH);
    let said = dir.scan(&["--baseline", "known.json", "s"]);
    assert_eq!((said.code, said.count("ZZ-001 "), said.count("s/new.md:1:1")), (1, 1, 1), "{said:?}");
    dir.file("weft.toml", "[scan]\nbaseline = \"known.json\"\n");
    assert_eq!(dir.scan(&["s"]).count("ZZ-001 "), 1);
    assert_eq!(dir.scan(&["--gate", "s"]).count("ZZ-001 "), 2, "a gate asks nobody's baseline");
}

#[test]
fn a_bad_baseline_is_refused_with_its_place() {
    let dir = Dir::skill("x");
    for (text, with) in [
        ("", "known.json:1:1"),
        ("{\"schema\": \"weft.baseline/1\",\n \"findings\": [", "known.json:2:15"),
        ("{\"schema\": \"weft.baseline/9\", \"findings\": []}", "unknown schema"),
        ("[1, 2", "known.json:1:6"),
        ("{\"findings\": []}", "not a baseline"),
    ] {
        dir.file("known.json", text);
        dir.scan(&["--baseline", "known.json", "s"]).refused(with);
    }
    dir.file("known.json", b"\xff\xfe");
    dir.scan(&["--baseline", "known.json", "s"]).refused("not UTF-8");
}

#[test]
fn an_ignore_comment_needs_a_reason() {
    let dir = Dir::skill(&format!("<!-- weft:ignore ZZ-001 -- it is a test -->\n{HIGH}"));
    let said = dir.scan(&["s"]);
    assert!(said.code == 0 && said.out.contains("not shown: 1 by comments in the files"), "{said:?}");
    assert_eq!(dir.scan(&["--gate", "s"]).count("high ZZ-001 "), 1, "a gate asks no comment");
    let dir = Dir::skill(&format!("<!-- weft:ignore ZZ-001 -->\n{HIGH}"));
    assert_eq!(dir.scan(&["s"]).count("high ZZ-001 "), 1);
}

#[test]
fn an_ignore_comment_that_does_nothing_is_named_to_pedants() {
    let dir = Dir::skill("<!-- weft:ignore ZZ-001 -- it went away -->\nnothing");
    assert_eq!(dir.scan(&["s"]).count("unused-ignore"), 0);
    let said = dir.scan(&["--persona", "pedantic", "s"]);
    assert_eq!((said.code, said.count("unused-ignore"), said.count("s/SKILL.md:5:1")), (0, 1, 1), "{said:?}");
    assert_eq!(dir.scan(&["--gate", "--persona", "pedantic", "s"]).count("unused-ignore"), 0);
}

#[test]
fn settings_come_from_weft_toml_but_not_in_a_gate() {
    let dir = Dir::skill(HIGH);
    dir.file("s/old/x.md", HIGH);
    dir.file(
        "weft.toml",
        "[scan]\nrules = [\"zebra.toml\"]\nexclude = [\"old/**\"]\nfail-on = \"critical\"\n",
    );
    let said = dir.weft(&["security", "scan", "s"]);
    assert_eq!((said.code, said.count("ZZ-001 ")), (0, 1), "{said:?}");
    assert!(said.out.contains("note: settings from weft.toml"));
    assert_eq!(dir.weft(&["security", "scan", "--fail-on", "high", "s"]).code, 1, "options win");
    let said = dir.weft(&["security", "scan", "--gate", "--rules", "zebra.toml", "s"]);
    assert_eq!((said.code, said.count("ZZ-001 ")), (1, 2), "{said:?}");
    dir.file("weft.toml", "[scan]\nbaselin = \"x\"\n");
    dir.weft(&["security", "scan", "s"]).refused("weft.toml:2:1");
    assert_eq!(dir.weft(&["security", "scan", "--gate", "s"]).code, 0);
}

#[test]
fn bad_rule_files_are_refused_with_their_place() {
    let dir = Dir::skill("x");
    let good = dir.read("zebra.toml");
    for (text, with) in [
        ("category = \"Nope\"\n".to_owned(), "bad.toml:1:"),
        (good.replace("name = \"zebra-low\"", "nmae = \"zebra-low\""), "bad.toml:"),
        (good.replace("ZZ-002", "ZZ-001"), "ZZ-001"),
        (good.replace("{20,}", "{20,"), "bad.toml:"),
        ("[[rule".to_owned(), "bad.toml:1:"),
    ] {
        dir.file("bad.toml", text);
        dir.weft(&["security", "scan", "--rules", "bad.toml", "s"]).refused(with);
    }
    dir.file("bad.toml", vec![b'#'; 2 << 20]);
    dir.weft(&["security", "scan", "--rules", "bad.toml", "s"]).refused("too large");
}

#[test]
fn a_report_is_written_whole_or_not_at_all() {
    let dir = Dir::skill(HIGH);
    let said = dir.scan(&["--format", "json", "--output", "out.json", "s"]);
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(dir.read("out.json").ends_with("}\n"));
    let litter = std::fs::read_dir(&dir.0)
        .unwrap()
        .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().contains(".tmp"));
    assert_eq!(litter.count(), 0);
    #[cfg(unix)]
    assert!(dir.scan(&["--output", "/dev/stdout", "s"]).out.contains("ZZ-001"));
}

#[test]
fn checks_and_explain_know_every_rule() {
    let dir = Dir::new();
    let table = dir.weft(&["security", "checks", "--rules", "zebra.toml"]).out;
    assert!(table.contains("ZZ-001") && table.contains("PI-001"), "{table}");
    let only = dir.weft(&["security", "checks", "--category", "PI"]).out;
    assert!(only.contains("PI-001") && !only.contains("\n  EX-"));
    let list = weft::json::parse(&dir.weft(&["security", "checks", "--format", "json"]).out).unwrap();
    for check in list.get("checks").and_then(weft::json::Node::as_array).unwrap() {
        let id = check.get("id").and_then(weft::json::Node::as_str).unwrap();
        // All of them in one process would not test the command; a few do.
        if id.ends_with("01") {
            let said = dir.weft(&["security", "explain", &id.to_lowercase()]);
            assert!(
                said.code == 0 && said.out.starts_with(id) && said.out.contains("What to do:"),
                "{said:?}"
            );
        }
    }
    let zebra = dir.weft(&["security", "explain", "--rules", "zebra.toml", "zebra-high"]).out;
    assert!(zebra.contains("https://cwe.mitre.org/data/definitions/78.html"), "{zebra}");
}
