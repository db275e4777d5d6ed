//! The formats other programs read, checked against their schemas on real findings.

// A failure in a helper is a failed test.
#![allow(clippy::unwrap_used)]

#[path = "support/cli.rs"]
mod cli;
#[path = "support/schema.rs"]
mod schema;

use cli::Dir;
use weft::json::{Node, parse};

const SKILLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/skills");

fn report(format: &str, paths: &[&str]) -> String {
    let dir = Dir::skill("x");
    dir.file("s/.hidden/x.md", "x");
    let args: Vec<&str> = ["security", "scan", "--persona", "auditor", "--format", format, "s", SKILLS]
        .into_iter()
        .chain(paths.iter().copied())
        .collect();
    let said = dir.weft(&args);
    assert_eq!((said.code, said.err.as_str()), (1, ""));
    said.out
}

fn read(path: &str) -> Node {
    let text = std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    parse(&text).unwrap()
}

#[test]
fn json_keeps_to_its_schema() {
    let node = parse(&report("json", &[])).unwrap();
    assert_eq!(schema::violations(&read("docs/schema/scan-1.schema.json"), &node), [""; 0]);
    let list = |key: &str| node.get(key).and_then(Node::as_array).unwrap().len() as u64;
    let summary = |key: &str| node.get("summary").and_then(|s| s.get(key)).and_then(Node::as_u64).unwrap();
    assert_eq!((list("findings"), list("skipped")), (summary("findings"), summary("skipped")));
    assert!(list("skipped") > 0);
}

#[test]
fn sarif_is_what_code_scanning_takes() {
    let node = parse(&report("sarif", &[])).unwrap();
    assert_eq!(schema::violations(&read("tests/fixtures/sarif-subset.schema.json"), &node), [""; 0]);
    let run = &node.get("runs").and_then(Node::as_array).unwrap()[0];
    let rules = run.get("tool").and_then(|t| t.get("driver")?.get("rules")?.as_array()).unwrap();
    for result in run.get("results").and_then(Node::as_array).unwrap() {
        let index = usize::try_from(result.get("ruleIndex").and_then(Node::as_u64).unwrap()).unwrap();
        assert_eq!(
            rules[index].get("id").and_then(Node::as_str),
            result.get("ruleId").and_then(Node::as_str)
        );
        let region =
            result.get("locations").and_then(|l| l.as_array()?[0].get("physicalLocation")?.get("region"));
        let number = |key: &str| region.and_then(|r| r.get(key)).and_then(Node::as_u64);
        if let (Some(start), Some(end)) = (number("startLine"), number("endLine")) {
            assert!(
                start < end || start == end && number("startColumn") <= number("endColumn"),
                "{region:?}"
            );
        }
    }
}

#[test]
fn github_commands_are_one_line_each() {
    let text = report("github", &[]);
    assert!(text.lines().all(|line| {
        line.starts_with("weft: ")
            || ["::error ", "::warning ", "::notice "].iter().any(|c| line.starts_with(c))
    }));
    assert!(text.contains("::error file="));
}

#[test]
fn junit_counts_what_it_holds() {
    let text = report("junit", &[]);
    let count = |piece: &str| text.matches(piece).count();
    assert!(text.starts_with("<?xml "));
    assert_eq!(count("<testcase "), count("</testcase>"));
    let head = text.lines().nth(1).unwrap();
    assert!(head.contains(&format!("tests=\"{}\"", count("<testcase "))), "{head}");
    assert!(head.contains(&format!("failures=\"{}\"", count("<failure "))), "{head}");
}
