//! Declared tools against used ones: a skill that asks for reading only and then has commands run.

use super::{Doc, Raise};
use crate::rules::{Lang, Place};

/// Tool names, as skills declare them, that let an agent run commands.
const RUNS: [&str; 9] = ["bash", "shell", "exec", "terminal", "command", "process", "run", "*", "all"];

pub fn check(doc: &Doc, raise: &mut Raise) {
    let Some(first) = doc.segments.first().filter(|s| s.place == Place::Frontmatter) else { return };
    let front = &doc.text[first.range.clone()];
    let Some(declared) = declared(front) else { return };
    let lower = declared.to_ascii_lowercase();
    if lower.trim().is_empty() || RUNS.iter().any(|tool| lower.contains(tool)) {
        return;
    }
    let shell = doc.segments.iter().find(|s| {
        s.place == Place::Fence
            && matches!(s.lang, Lang::Shell | Lang::PowerShell | Lang::Batch)
            && doc.text[s.range.clone()].lines().count() > 1
    });
    if let Some(segment) = shell {
        let at = segment.range.start;
        let declared: String =
            declared.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(80).collect();
        raise(
            "undeclared-shell",
            doc.lines().line_range(&doc.text, at),
            Some(format!("the skill declares only the tools {declared} but has commands to run")),
        );
    }
}

/// The value of `allowed-tools` (or `tools`): on the line, or as the list below it.
fn declared(front: &str) -> Option<String> {
    let mut lines = front.lines();
    while let Some(line) = lines.next() {
        let Some((key, value)) = line.split_once(':') else { continue };
        if !["allowed-tools", "allowed_tools", "tools"].contains(&key.trim()) {
            continue;
        }
        let mut all = value.trim().to_owned();
        for item in lines.by_ref() {
            match item.trim_start().strip_prefix("- ") {
                Some(tool) => {
                    all.push(' ');
                    all.push_str(tool.trim());
                }
                None => break,
            }
        }
        return Some(all);
    }
    None
}
