//! Which findings of a skill a reader sees in full: the worst first, one a line of a file, and what a combination is
//! made of only within it. For people; data formats hold everything.

use crate::rules::Severity;
use crate::scan::finding::{Decoded, Finding, Part, Span};
use crate::sort;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

/// The findings of one skill, as they are shown.
pub struct Folded<'a> {
    /// Worst first.
    pub shown: Vec<Block<'a>>,
    /// How many are left out, because they are among the parts of a combination that is shown.
    pub parts: usize,
}

/// What was found on one line.
pub struct Block<'a> {
    /// The worst of it.
    pub finding: &'a Finding,
    /// The rest, which is only named.
    pub also: Vec<&'a Finding>,
    /// What all of it is made of.
    pub parts: Vec<&'a Part>,
    /// What stood behind an encoding, as the first of them that knows shows it.
    pub decoded: Option<&'a Decoded>,
}

impl<'a> Block<'a> {
    fn new(finding: &'a Finding) -> Block<'a> {
        let parts = finding.parts.iter().collect();
        Block { finding, also: Vec::new(), parts, decoded: finding.decoded.as_ref() }
    }

    fn add(&mut self, other: &'a Finding) {
        self.also.push(other);
        self.decoded = self.decoded.or(other.decoded.as_ref());
        for part in &other.parts {
            if !self.parts.iter().any(|one| part_place(one) == part_place(part)) {
                self.parts.push(part);
            }
        }
    }
}

/// Puts the findings of one skill in order. Unless `fold` is set, each stands for itself.
pub fn fold(group: &[Finding], fold: bool) -> Folded<'_> {
    let mut all: Vec<&Finding> = group.iter().collect();
    if fold {
        let said: HashSet<Place> = group.iter().flat_map(|one| &one.parts).map(part_place).collect();
        all.retain(|one| {
            let part = one.parts.is_empty() && said.contains(&place(one.rule, &one.path, &one.span));
            !part || one.severity > Severity::Medium
        });
    }
    let parts = group.len() - all.len();
    // Stable: findings of the same weight stay in the order of the files.
    sort::by_key(&mut all, |one| (Reverse(one.severity), one.parts.is_empty()));
    let mut shown: Vec<Block> = Vec::new();
    let mut at_line: HashMap<(&str, u32), usize> = HashMap::new();
    for finding in all {
        let next = shown.len();
        let first = *at_line.entry((&finding.path, finding.span.line)).or_insert(next);
        match shown.get_mut(first) {
            Some(block) if fold => block.add(finding),
            _ => shown.push(Block::new(finding)),
        }
    }
    Folded { shown, parts }
}

/// A rule at a place in a file.
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
    fn parts_go_into_their_combination_unless_they_are_grave() {
        let (a, b) = (one("A", Severity::Medium, 1), one("B", Severity::High, 2));
        let c = composite("C", Severity::High, 5, &[&a, &b]);
        let group = [a.clone(), one("A", Severity::Medium, 9), b, c];
        let folded = fold(&group, true);
        assert_eq!((rules(&folded).as_str(), folded.parts), ("C(A B) B() A()", 1));
        assert_eq!(folded.shown[2].finding.span.line, 9, "the same rule elsewhere is no part");
        let all = fold(&group, false);
        assert_eq!((rules(&all).as_str(), all.parts), ("C(A B) B() A() A()", 0));
    }

    #[test]
    fn a_line_is_shown_once_with_the_parts_of_all_that_it_says() {
        let (a, b) = (one("A", Severity::Low, 1), one("B", Severity::Low, 2));
        let decoded = samples::report().findings.into_iter().find_map(|finding| finding.decoded);
        let group = [
            a.clone(),
            composite("C", Severity::High, 2, &[&b]),
            composite("D", Severity::Critical, 2, &[&a]),
            composite("E", Severity::High, 3, &[&a]),
            b.clone(),
            Finding { decoded, ..one("F", Severity::High, 2) },
        ];
        let folded = fold(&group, true);
        assert_eq!((rules(&folded).as_str(), folded.parts), ("D+C+F(A B) E(A)", 2));
        assert!(folded.shown[0].decoded.is_some() && folded.shown[1].decoded.is_none());
        let all = fold(&group, false);
        assert_eq!((rules(&all).as_str(), all.parts), ("D(A) C(B) E(A) F() A() B()", 0));
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
