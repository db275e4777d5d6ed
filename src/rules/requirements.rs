//! What a pattern cannot match without: sets of literals, one of each set in every match. Used by `build.rs` only, so
//! that regex-syntax is no part of the binary.
//!
//! Everything here may be too lenient and never too strict: a clause that asked for more than the pattern does would
//! hide matches. The tests hold the engine with clauses against the engine without.

use regex_syntax::hir::{Class, Hir, HirKind};

/// Strings that a part of a pattern can be, at most; more are not worth telling apart.
const MOST: usize = 96;
/// Clauses kept of one pattern.
const CLAUSES: usize = 3;

/// A set of literals (lower case), one of which stands in every match.
pub type Clause = Vec<String>;

/// The clauses of a pattern, the most telling first.
pub fn clauses(pattern: &str) -> Vec<Clause> {
    let Ok(hir) = regex_syntax::Parser::new().parse(pattern) else { return Vec::new() };
    let part = part(&hir);
    let mut all = part.clauses;
    all.extend(part.exact);
    let mut all: Vec<Clause> = all.into_iter().filter(|c| is_telling(c)).collect();
    all.sort_by_key(|c| weight(c));
    all.dedup();
    all.truncate(CLAUSES);
    all
}

/// A clause is worth a look if every literal has a trigram.
fn is_telling(clause: &Clause) -> bool {
    !clause.is_empty() && clause.iter().all(|literal| literal.len() >= 3)
}

/// Few and long literals say most.
fn weight(clause: &Clause) -> usize {
    let shortest = clause.iter().map(String::len).min().unwrap_or(0);
    clause.len() * 8 / shortest.max(1)
}

/// What is known of a part of a pattern.
struct Part {
    /// All strings it can be, if they are few.
    exact: Option<Clause>,
    /// What it cannot match without, where it is not exact.
    clauses: Vec<Clause>,
}

const ANYTHING: Part = Part { exact: None, clauses: Vec::new() };

fn part(hir: &Hir) -> Part {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => exact(vec![String::new()]),
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => exact(vec![text.to_ascii_lowercase()]),
            Err(_) => ANYTHING,
        },
        HirKind::Class(class) => class_part(class),
        HirKind::Capture(capture) => part(&capture.sub),
        HirKind::Repetition(repetition) => {
            let inner = part(&repetition.sub);
            match (repetition.min, repetition.max) {
                (1, Some(1)) => inner,
                (0, Some(1)) => match inner.exact {
                    Some(mut strings) if strings.len() < MOST => {
                        strings.push(String::new());
                        exact(strings)
                    }
                    _ => ANYTHING,
                },
                (0, _) => ANYTHING,
                _ => Part { exact: None, clauses: inner.clauses.into_iter().chain(inner.exact).collect() },
            }
        }
        HirKind::Concat(parts) => concat(parts),
        HirKind::Alternation(parts) => alternation(parts),
    }
}

fn exact(strings: Clause) -> Part {
    Part { exact: Some(strings), clauses: Vec::new() }
}

/// The ASCII letters of a class, folded: what else it has by Unicode's case rules, regex-lite does not match.
fn class_part(class: &Class) -> Part {
    let mut chars: Vec<char> = Vec::new();
    let mut add = |c: char| {
        let c = c.to_ascii_lowercase();
        if !chars.contains(&c) {
            chars.push(c);
        }
        chars.len() <= 8
    };
    let few = match class {
        Class::Unicode(class) => class.ranges().iter().all(|range| {
            // Of the long s and the Kelvin sign only the ASCII letters they fold to are meant.
            matches!(range.start(), '\u{17F}' | '\u{212A}')
                || (u32::from(range.end()) - u32::from(range.start()) < 16
                    && (range.start()..=range.end()).all(&mut add))
        }),
        Class::Bytes(_) => false,
    };
    if few { exact(chars.into_iter().map(String::from).collect()) } else { ANYTHING }
}

fn concat(parts: &[Hir]) -> Part {
    let mut clauses = Vec::new();
    let mut current = vec![String::new()];
    let mut broken = false;
    for hir in parts {
        let next = part(hir);
        match next.exact {
            Some(strings) if current.len() * strings.len() <= MOST => {
                current =
                    current.iter().flat_map(|a| strings.iter().map(move |b| format!("{a}{b}"))).collect();
            }
            other => {
                broken = true;
                clauses.push(std::mem::replace(&mut current, vec![String::new()]));
                clauses.extend(next.clauses);
                current = other.unwrap_or_else(|| vec![String::new()]);
            }
        }
    }
    if !broken {
        return exact(current);
    }
    clauses.push(current);
    Part { exact: None, clauses: clauses.into_iter().filter(|c| is_telling(c)).collect() }
}

fn alternation(parts: &[Hir]) -> Part {
    let parts: Vec<Part> = parts.iter().map(part).collect();
    let total: usize = parts.iter().map(|p| p.exact.as_ref().map_or(MOST + 1, Vec::len)).sum();
    if total <= MOST {
        return exact(parts.into_iter().filter_map(|p| p.exact).flatten().collect());
    }
    // One clause from each branch, or nothing can be said.
    let mut union: Clause = Vec::new();
    for part in parts {
        let best =
            part.clauses.into_iter().chain(part.exact).filter(|c| is_telling(c)).min_by_key(|c| weight(c));
        match best {
            Some(clause) => union.extend(clause),
            None => return ANYTHING,
        }
    }
    union.sort();
    union.dedup();
    Part { exact: None, clauses: vec![union] }
}
