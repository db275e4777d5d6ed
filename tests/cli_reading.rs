//! How a report reads: the worst first, one attack told once, nothing lost.

// A failure in a helper is a failed test.
#![allow(clippy::unwrap_used)]

#[path = "support/cli.rs"]
mod cli;

use cli::Dir;
use std::collections::HashMap;
use weft::json::Node;

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/skills");

fn text(args: &[&str]) -> String {
    let dir = Dir::new();
    let said = dir.weft(&[&["security", "scan"], args, &[SAMPLES]].concat());
    assert_eq!((said.code, said.err.as_str()), (1, ""), "{said:?}");
    said.out
}

/// The severity of each finding that has a heading of its own, skill by skill, and what else is counted.
struct Page {
    skills: Vec<Vec<String>>,
    also: usize,
    folded: usize,
}

fn page(args: &[&str]) -> Page {
    let mut page = Page { skills: Vec::new(), also: 0, folded: 0 };
    let severities = ["critical ", "high ", "medium ", "low ", "info "];
    for line in text(args).lines() {
        let words = line.trim_start();
        let starts = |rest: &str| severities.iter().any(|severity| rest.starts_with(severity));
        if line.starts_with('/') {
            page.skills.push(Vec::new());
        } else if let Some(names) = words.strip_prefix("also here: ") {
            page.also += names.split(", ").count();
        } else if line.starts_with("  ") && starts(words) {
            page.skills.last_mut().unwrap().push(words.split(' ').next().unwrap().to_owned());
        } else if let Some((count, _)) = words.split_once(" more finding") {
            page.folded += count.parse::<usize>().unwrap();
        }
    }
    page
}

fn findings() -> usize {
    let report = text(&["-f", "json"]);
    weft::json::parse(&report).unwrap().get("findings").and_then(Node::as_array).unwrap().len()
}

#[test]
fn parts_are_told_within_their_composite_and_counted() {
    let page = page(&[]);
    let shown: usize = page.skills.iter().map(Vec::len).sum();
    assert!(page.folded > 0 && page.also > 0);
    assert_eq!(shown + page.also + page.folded, findings(), "{shown} {} {}", page.also, page.folded);
    assert!(text(&[]).contains(" of these; --verbose shows all\n"));
    assert!(text(&["--quiet"]).contains(" of these; --verbose shows all\n"), "never in silence");
}

#[test]
fn verbose_and_other_personas_show_each_finding() {
    let all = page(&["--verbose"]);
    assert_eq!((all.also, all.folded), (0, 0));
    assert_eq!(all.skills.iter().map(Vec::len).sum::<usize>(), findings());
    for persona in ["pedantic", "auditor"] {
        let page = page(&["--persona", persona]);
        assert_eq!((page.also, page.folded), (0, 0));
    }
}

#[test]
fn the_worst_of_a_skill_comes_first() {
    let rank: HashMap<&str, u32> =
        ["critical", "high", "medium", "low", "info"].into_iter().zip(0..).collect();
    for args in [&[][..], &["--verbose"], &["--persona", "auditor"]] {
        for skill in page(args).skills {
            assert!(skill.is_sorted_by_key(|severity| rank[severity.as_str()]), "{skill:?}");
        }
    }
}

#[test]
fn the_same_tree_reads_the_same() {
    let timeless = |args: &[&str]| {
        let page = text(args);
        page.lines()
            .filter(|line| !line.contains(" ms") && !line.contains(" s;"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let first = timeless(&["-j", "1"]);
    for jobs in ["1", "2", "7"] {
        assert_eq!(timeless(&["-j", jobs]), first);
    }
}

/// What a filter took away is said with the option that took it, not with all that there are.
#[test]
fn what_is_not_shown_names_its_reason() {
    let lines = |args: &[&str]| -> Vec<String> {
        text(args).lines().filter(|line| line.starts_with("not shown")).map(str::to_owned).collect()
    };
    let [line] = &lines(&[])[..] else { panic!("one filter, one line") };
    assert!(line.ends_with(" by --persona regular, the default"), "{line}");
    assert!(lines(&["--persona", "auditor"]).is_empty());
    let both = lines(&["--category", "US", "--min-severity", "high"]);
    assert!(both.iter().any(|line| line.ends_with(" by --category")), "{both:?}");
    assert!(both.iter().any(|line| line.ends_with(" by --min-severity")), "{both:?}");
}
