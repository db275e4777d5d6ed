//! Proves that the engine finds exactly what running every full pattern on every line finds: on texts made from the
//! patterns themselves, on changed examples, and on this repository's files. A difference is nearly always a rule whose
//! pattern matches something that has none of its literals; the message says which.

// A failure here is a failed test.
#![allow(clippy::unwrap_used)]

use regex_syntax::hir::{Class, Hir, HirKind};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use weft::rules::{Matcher, RuleSet, schema};
use weft::scan::doc::Segment;
use weft::scan::engine::{CELL, Engine};
use weft::scan::{lang, segment};

/// Xorshift: the same cases in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n.max(1) as u64).unwrap()
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'t, T>(&mut self, list: &'t [T]) -> &'t T {
        &list[self.below(list.len())]
    }
}

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(&RuleSet::builtin()))
}

/// What one of the two ways finds and the other does not.
fn difference(text: &str, segments: &[Segment]) -> Option<String> {
    let (mut fast, mut slow) = (Vec::new(), Vec::new());
    engine().scan(text, segments, &mut fast);
    engine().scan_reference(text, segments, &mut slow);
    let key = |m: &weft::scan::engine::Match| (m.0.id, m.1.start, m.1.end);
    let fast_set: BTreeSet<_> = fast.iter().map(key).collect();
    let slow_set: BTreeSet<_> = slow.iter().map(key).collect();
    let (id, start, end) = *fast_set.symmetric_difference(&slow_set).next()?;
    let who = if fast_set.contains(&(id, start, end)) { "only the engine" } else { "only the reference" };
    Some(format!("{id} {who}: {:?}", &text[start..end]))
}

/// Collects differences, one per rule, so that one run shows all rules that are wrong.
#[derive(Default)]
struct Wrong(std::collections::BTreeMap<String, String>);

impl Wrong {
    fn check(&mut self, text: &str, segments: &[Segment]) {
        if let Some(said) = difference(text, segments) {
            let id = said.split(' ').next().unwrap_or("").to_owned();
            self.0.entry(id).or_insert(said);
        }
    }

    fn done(self) {
        let all: Vec<String> = self.0.into_values().collect();
        assert!(all.is_empty(), "{} rules differ:\n{}", all.len(), all.join("\n"));
    }
}

/// A text that the pattern matches, if what it says about word borders happens to hold too.
fn sample(hir: &Hir, random: &mut Random, out: &mut String) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(Class::Unicode(class)) => {
            let ranges: Vec<(u32, u32)> = class
                .ranges()
                .iter()
                .map(|r| (u32::from(r.start()), u32::from(r.end())))
                .filter(|r| r.0 < 0x7f && (r.1 >= 0x20 || r.0 == 9))
                .map(|(a, b)| (if a == 9 { 9 } else { a.max(0x20) }, b.min(0x7e)))
                .map(|(a, b)| if a == 9 && b > 9 && b < 0x20 { (9, 9) } else { (a, b) })
                .collect();
            if ranges.is_empty() {
                out.extend(class.ranges().first().map(|r| r.start()));
                return;
            }
            let (a, b) = *random.pick(&ranges);
            let code = a + u32::try_from(random.below((b - a + 1) as usize)).unwrap();
            out.extend(char::from_u32(code).filter(|c| *c != '\n' && *c != '\r'));
        }
        HirKind::Class(Class::Bytes(class)) => {
            out.extend(class.ranges().first().map(|r| char::from(r.start())));
        }
        HirKind::Repetition(repetition) => {
            let min = repetition.min;
            let spare = repetition.max.map_or(3, |max| (max - min).min(3));
            let more = u32::try_from(random.below(spare as usize + 1)).unwrap();
            for _ in 0..min + more {
                sample(&repetition.sub, random, out);
            }
        }
        HirKind::Capture(capture) => sample(&capture.sub, random, out),
        HirKind::Concat(list) => list.iter().for_each(|h| sample(h, random, out)),
        HirKind::Alternation(list) => sample(random.pick(list), random, out),
    }
}

/// The same text with the case of its letters changed at random, or as it is.
fn recase(text: &str, random: &mut Random) -> String {
    match random.below(3) {
        0 => text.to_owned(),
        1 => text.to_ascii_uppercase(),
        _ => text.chars().map(|c| if random.one_in(2) { c.to_ascii_uppercase() } else { c }).collect(),
    }
}

#[test]
fn what_patterns_match_is_found() {
    let mut random = Random(0x77_65_66_74);
    let mut wrong = Wrong::default();
    for rule in RuleSet::builtin().rules {
        let Matcher::Regex(_) = rule.matcher else { continue };
        let pattern = weft::rules::pattern_of(rule);
        assert!(!pattern.is_empty(), "{} has no pattern", rule.id);
        let hir = regex_syntax::ParserBuilder::new().build().parse(pattern).unwrap();
        // Many samples of one rule in one text: the reference runs every rule over all of it once.
        for _ in 0..6 {
            let mut text = String::new();
            for _ in 0..30 {
                let mut line = String::new();
                sample(&hir, &mut random, &mut line);
                let line = recase(&line, &mut random);
                text.push_str(&line);
                text.push('\n');
            }
            wrong.check_rule(rule.id, &text);
        }
    }
    wrong.done();
}

impl Wrong {
    /// Compares one rule only: the whole reference would take minutes here.
    fn check_rule(&mut self, id: &'static str, text: &str) {
        let (mut fast, mut slow) = (Vec::new(), Vec::new());
        engine().scan(text, &[], &mut fast);
        engine().scan_reference_of(id, text, &[], &mut slow);
        let fast: BTreeSet<_> = fast.iter().filter(|m| m.0.id == id).map(|m| (m.1.start, m.1.end)).collect();
        let slow: BTreeSet<_> = slow.iter().map(|m| (m.1.start, m.1.end)).collect();
        if let Some(&(start, end)) = fast.symmetric_difference(&slow).next() {
            let who = if fast.contains(&(start, end)) { "only the engine" } else { "only the reference" };
            self.0.entry(id.to_owned()).or_insert_with(|| format!("{id} {who}: {:?}", &text[start..end]));
        }
    }
}

/// Every example of the rule files.
fn examples() -> Vec<String> {
    let mut out = Vec::new();
    for path in listed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")) {
        let parsed = schema::parse("x", &fs::read_to_string(path).unwrap()).unwrap();
        for rule in parsed.rules {
            out.extend(rule.matches.into_iter().chain(rule.no_matches));
        }
        for combo in parsed.combos {
            out.extend(combo.matches.into_iter().chain(combo.no_matches));
        }
    }
    out
}

/// The files below a folder, sorted.
fn listed(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { out.extend(listed(&path)) } else { out.push(path) }
    }
    out
}

const NEIGHBOURS: [&str; 12] =
    ["é", "\u{200b}", "\u{202e}", "字", "\u{212a}", "İ", "\t", "\0", "_", "\r", "😀", "ß"];

/// A changed example.
fn mutate(text: &str, random: &mut Random) -> String {
    let mut out = recase(text, random);
    for _ in 0..random.below(4) {
        let at = out.floor_char_boundary(random.below(out.len() + 1));
        match random.below(6) {
            0 => out.insert_str(at, NEIGHBOURS[random.below(NEIGHBOURS.len())]),
            1 => out.truncate(at),
            2 => out = out[at..].to_owned(),
            3 => out.insert(at, '\n'),
            4 => {
                let piece = out[at..].to_owned();
                out.push_str(&piece);
            }
            _ => out = out.replace('\n', "\r\n"),
        }
    }
    out
}

#[test]
fn changed_examples_are_found_alike() {
    let mut random = Random(0x5eed);
    let mut wrong = Wrong::default();
    let examples = examples();
    for round in 0..3 {
        for example in &examples {
            let text = mutate(example, &mut random);
            let lang = *random.pick(&["SKILL.md", "a.py", "a.sh", "x.json", "a.js"]);
            let (place, lang) = lang::classify(lang, &text);
            let segments = if round == 0 { Vec::new() } else { segment::segment(&text, place, lang) };
            wrong.check(&text, &segments);
        }
    }
    wrong.done();
}

/// Lines longer than a cell, with examples across the borders of cells.
#[test]
fn long_lines_are_found_alike() {
    let mut random = Random(0xce11);
    let mut wrong = Wrong::default();
    let examples = examples();
    for _ in 0..12 {
        let mut text = String::new();
        while text.len() < CELL * 3 {
            text.push_str(&random.pick(&examples).replace('\n', " "));
            let gap = random.below(CELL / 2);
            text.extend(std::iter::repeat_n(*random.pick(&[' ', 'x', 'é', '.']), gap));
        }
        text.push_str("\r\nnext line");
        wrong.check(&text, &[]);
    }
    wrong.done();
}

#[test]
fn files_are_found_alike() {
    let mut wrong = Wrong::default();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = vec![root.join("README.md"), root.join("build.rs")];
    paths.extend(listed(&root.join("docs")));
    paths.extend(listed(&root.join("scripts")));
    paths.extend(listed(&root.join("rules")));
    for path in paths {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        // The head of each: the reference takes a second for every few hundred kilobytes.
        let text = &text[..text.floor_char_boundary(6_000)];
        let (place, lang) = lang::classify(&path.to_string_lossy(), text);
        wrong.check(text, &segment::segment(text, place, lang));
    }
    wrong.done();
}
