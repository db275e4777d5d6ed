//! Which findings of a skill a reader sees in full: the worst first, what a composite is made of within it, and of
//! several composites about one line only the worst. For people; data formats hold everything.

use crate::rules::Severity;
use crate::scan::finding::{Finding, Part, Span};
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

/// The findings of one skill, as they are shown.
pub struct Folded<'a> {
    /// Worst first.
    pub shown: Vec<Block<'a>>,
    /// How many are left out, because they are among the parts of a composite that is shown.
    pub parts: usize,
}

/// One finding, or several composites that speak of one line.
pub struct Block<'a> {
    /// The worst of them.
    pub finding: &'a Finding,
    /// The others.
    pub also: Vec<&'a Finding>,
    /// What all of them are made of.
    pub parts: Vec<&'a Part>,
}

impl<'a> Block<'a> {
    fn new(finding: &'a Finding) -> Block<'a> {
        Block { finding, also: Vec::new(), parts: finding.parts.iter().collect() }
    }

    fn add(&mut self, other: &'a Finding) {
        self.also.push(other);
        for part in &other.parts {
            if !self.parts.iter().any(|one| part_place(one) == part_place(part)) {
                self.parts.push(part);
            }
        }
    }
}

/// Puts the findings of one skill in order. Unless `fold` is set, each stands for itself.
pub fn fold(group: &[Finding], fold: bool) -> Folded<'_> {
    let (composites, mut singles): (Vec<&Finding>, Vec<&Finding>) =
        worst_first(group.iter().collect()).into_iter().partition(|finding| !finding.parts.is_empty());
    let mut blocks: Vec<Block> = Vec::new();
    let mut at_line: HashMap<(&str, u32), usize> = HashMap::new();
    for finding in composites {
        let next = blocks.len();
        let first = *at_line.entry((&finding.path, finding.span.line)).or_insert(next);
        match blocks.get_mut(first) {
            Some(block) if fold => block.add(finding),
            _ => blocks.push(Block::new(finding)),
        }
    }
    let before = singles.len();
    if fold {
        let said: HashSet<Place> =
            blocks.iter().flat_map(|block| &block.parts).map(|part| part_place(part)).collect();
        singles.retain(|one| {
            one.severity > Severity::Medium || !said.contains(&place(one.rule, &one.path, &one.span))
        });
    }
    let parts = before - singles.len();
    blocks.extend(singles.into_iter().map(Block::new));
    blocks.sort_by_key(|block| Reverse(block.finding.severity));
    Folded { shown: blocks, parts }
}

/// Stable: findings of the same weight stay in the order of the files.
fn worst_first(mut all: Vec<&Finding>) -> Vec<&Finding> {
    all.sort_by_key(|finding| Reverse(finding.severity));
    all
}

type Place<'a> = (&'a str, &'a str, u32, u32);

fn part_place(part: &Part) -> Place<'_> {
    place(part.rule, &part.path, &part.span)
}

fn place<'a>(rule: &'a str, path: &'a str, span: &Span) -> Place<'a> {
    (rule, path, span.line, span.column)
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn one(rule: &'static str, severity: Severity, line: u32) -> Finding {
        let mut finding = samples::report().findings.swap_remove(0);
        finding.parts.clear();
        finding.span.line = line;
        Finding { rule, severity, ..finding }
    }

    fn composite(rule: &'static str, severity: Severity, line: u32, parts: &[&Finding]) -> Finding {
        let mut finding = samples::report().findings.swap_remove(0);
        let mut part = finding.parts.swap_remove(0);
        finding.parts = parts
            .iter()
            .map(|of| {
                part.rule = of.rule;
                part.path.clone_from(&of.path);
                part.span.clone_from(&of.span);
                part.clone()
            })
            .collect();
        finding.span.line = line;
        Finding { rule, severity, ..finding }
    }

    fn rules(folded: &Folded) -> String {
        let names = |block: &Block| {
            let also: String = block.also.iter().map(|one| format!("+{}", one.rule)).collect();
            let parts: Vec<&str> = block.parts.iter().map(|part| part.rule).collect();
            format!("{}{also}({})", block.finding.rule, parts.join(" "))
        };
        folded.shown.iter().map(names).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn parts_go_into_their_composite_unless_they_are_grave() {
        let (a, b) = (one("A", Severity::Medium, 1), one("B", Severity::High, 2));
        let c = composite("C", Severity::High, 2, &[&a, &b]);
        let group = [a.clone(), one("A", Severity::Medium, 9), b, c];
        let folded = fold(&group, true);
        assert_eq!((rules(&folded).as_str(), folded.parts), ("C(A B) B() A()", 1));
        assert_eq!(folded.shown[2].finding.span.line, 9, "the same rule elsewhere is no part");
        let all = fold(&group, false);
        assert_eq!((rules(&all).as_str(), all.parts), ("C(A B) B() A() A()", 0));
    }

    #[test]
    fn composites_about_one_line_are_one() {
        let (a, b) = (one("A", Severity::Low, 1), one("B", Severity::Low, 2));
        let group = [
            a.clone(),
            composite("C", Severity::High, 2, &[&b]),
            composite("D", Severity::Critical, 2, &[&a]),
            composite("E", Severity::High, 3, &[&a]),
            b.clone(),
        ];
        let folded = fold(&group, true);
        assert_eq!((rules(&folded).as_str(), folded.parts), ("D+C(A B) E(A)", 2));
        let all = fold(&group, false);
        assert_eq!((rules(&all).as_str(), all.parts), ("D(A) C(B) E(A) A() B()", 0));
    }

    #[test]
    fn nothing_is_lost_and_the_worst_comes_first() {
        let group = samples::report().findings;
        for on in [false, true] {
            let folded = fold(&group, on);
            let counted: usize = folded.shown.iter().map(|block| 1 + block.also.len()).sum();
            assert_eq!(counted + folded.parts, group.len());
            assert!(folded.shown.is_sorted_by_key(|block| Reverse(block.finding.severity)));
        }
    }
}
