//! The engine: every match of every rule in a text.
//!
//! What a match is: the text is cut into lines at `\n` (a `\r` before it is no part of the line); a line longer than
//! [`CELL`] bytes is cut into cells of that size that overlap by [`OVERLAP`]. A rule matches leftmost and not overlapping
//! within a line or cell, and a match counts if the rule's scope covers the place it starts in. A match in two cells
//! is one.
//!
//! [`Engine::scan`] finds exactly that by trying a rule only on lines where one of its literals stands; what
//! [`Engine::scan_reference`] finds by trying every rule on every line, the tests compare. Cost is bounded: see
//! [`Engine::scan`].

mod lines;

use super::clues::{self, Clues};
use super::doc::Segment;
use super::matchers::{self, Native};
use super::program::{Scratch, Starts};
use super::spot::{self, Spotter, Word};
use super::work::Work;
use crate::rules::{self, Lead, Matcher, Rule, RuleSet};
use crate::sort;
use lines::Lines;
use regex_lite::Regex;
use std::ops::Range;
use std::sync::OnceLock;

/// Bytes of a line that are matched at once.
pub const CELL: usize = 4096;
/// Bytes that two cells of one line share; a match longer than this may be missed in a line longer than a cell.
pub const OVERLAP: usize = 1024;
/// Steps that regex-lite takes for a byte, about.
const STATES: usize = 32;
/// Matches of one rule in one text, at most.
pub const MOST: usize = 1000;

/// A match: the rule, and the byte range in the text.
pub type Match = (&'static Rule, Range<usize>);

/// A rule ready to run.
struct Ready {
    rule: &'static Rule,
    regex: OnceLock<Option<Regex>>,
    native: Option<Native>,
}

/// A rule that a literal leads to.
#[derive(Clone, Copy)]
struct User {
    rule: u16,
    /// How far behind the start of a match the literal stands; see [`Lead`].
    least: u8,
    most: u8,
    /// Where no byte of a word may stand next to it.
    edges: u8,
    branches: u64,
}

/// A rule set ready to scan with.
pub struct Engine {
    rules: Vec<Ready>,
    spotter: Spotter,
    /// How many of its words are literals; the others are clues.
    literals: usize,
    /// What the literals lead to, literal by literal.
    users: Vec<User>,
    /// Where those of each start.
    starts: Vec<u32>,
    /// For each literal: the edges that all of them ask for.
    edges: Vec<u8>,
}

impl Engine {
    pub fn new(set: &RuleSet) -> Engine {
        // The built-in literals keep their numbers; a user's follow them.
        let builtin = rules::literals().iter();
        let mut literals: Vec<Word> =
            builtin.map(|l| Word { text: l.text, value: 0, folded: true, windows: l.windows }).collect();
        let mut rules: Vec<Ready> = Vec::with_capacity(set.rules.len());
        let mut uses: Vec<(u16, User)> = Vec::new();
        for rule in set.rules.iter().filter(|r| r.matcher != Matcher::Check) {
            let Ok(number) = u16::try_from(rules.len()) else { break };
            let native = match rule.matcher {
                Matcher::Native(name) => matchers::find(name),
                _ => None,
            };
            rules.push(Ready { rule, regex: OnceLock::new(), native });
            uses.extend(rule.leads.iter().map(|lead| {
                let Lead { literal, least, most, branches, edges } = *lead;
                (literal, User { rule: number, least, most, edges, branches })
            }));
            if rule.leads.is_empty() {
                for literal in rule.literals {
                    let Ok(at) = u16::try_from(literals.len()) else { break };
                    uses.push((
                        at,
                        User { rule: number, least: 0, most: Lead::ANYWHERE, edges: 0, branches: u64::MAX },
                    ));
                    literals.extend(spot::folded(0, &[*literal]));
                }
            }
        }
        // Sorted by counting: the pairs arrive rule by rule.
        let mut starts = vec![0u32; literals.len() + 1];
        for (literal, _) in &uses {
            starts[usize::from(*literal) + 1] += 1;
        }
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let mut next = starts.clone();
        let mut users = vec![User { rule: 0, least: 0, most: 0, edges: 0, branches: 0 }; uses.len()];
        for (literal, user) in uses {
            let place = &mut next[usize::from(literal)];
            users[*place as usize] = user;
            *place += 1;
        }
        // Where a literal is of no use to anyone.
        let edges = starts.windows(2).map(|places| {
            let users = users.get(places[0] as usize..places[1] as usize).unwrap_or_default();
            users.iter().fold(Lead::BEFORE | Lead::AFTER, |edges, user| edges & user.edges)
        });
        let edges = edges.collect();
        let count = literals.len();
        let spotter = Spotter::new(literals.into_iter().chain(clues::words()));
        Engine { rules, spotter, literals: count, users, starts, edges }
    }

    /// All matches in `text`, whose places are `segments` (none: everything is covered), sorted by position. Where that
    /// takes more than `work` has left, those found until then; `work` knows. The same pass tells the clues of the text.
    pub fn scan(&self, text: &str, segments: &[Segment], work: &Work, out: &mut Vec<Match>) -> Clues {
        let first = out.len();
        let mut lines = Lines::new(self, text, segments, out);
        let mut enough = false;
        let mut seen = 0;
        let words = self.spotter.words();
        let mut early = self.spotter.twos(text.as_bytes()).into_iter().peekable();
        self.spotter.each(text.as_bytes(), &mut |word, at| {
            if word >= self.literals {
                seen |= words[word].value;
                return;
            }
            while let Some((literal, at)) = early.next_if(|two| two.1 <= at) {
                enough = enough || !lines.hit(literal, at, work);
            }
            enough = enough || !lines.hit(word, at, work);
        });
        for (literal, at) in early {
            enough = enough || !lines.hit(literal, at, work);
        }
        while !enough && lines.any() {
            enough = !lines.next_cell(work);
        }
        sort(out, first);
        clues::of(text, seen)
    }

    /// The same by trying every rule on every line: slow, and what [`Engine::scan`] is held against.
    pub fn scan_reference(&self, text: &str, segments: &[Segment], out: &mut Vec<Match>) {
        self.reference(text, segments, out, |_| true);
    }

    /// [`Engine::scan_reference`] for one rule.
    pub fn scan_reference_of(&self, id: &str, text: &str, segments: &[Segment], out: &mut Vec<Match>) {
        self.reference(text, segments, out, |rule| rule.id == id);
    }

    fn reference(
        &self,
        text: &str,
        segments: &[Segment],
        out: &mut Vec<Match>,
        wanted: impl Fn(&Rule) -> bool,
    ) {
        let first = out.len();
        for ready in self.rules.iter().filter(|r| wanted(r.rule)) {
            let mut count = 0;
            let mut at = 0;
            while at <= text.len() && count < MOST {
                let line = line_at(text, at);
                at = text[line.end..].find('\n').map_or(text.len() + 1, |i| line.end + i + 1);
                if line.len() <= CELL {
                    count += ready.try_on(text, line, segments, Way::Pattern(rules::pattern_of), out);
                } else {
                    for cell in cells(text, line) {
                        count += ready.try_on(text, cell, segments, Way::Pattern(rules::pattern_of), out);
                    }
                }
            }
        }
        sort(out, first);
    }
}

/// How a pattern is run. The reference names where patterns are, so that a binary without it carries none.
enum Way<'s> {
    /// The branches that can match, and where.
    Program(u64, &'s [Starts], &'s mut Scratch),
    Pattern(fn(&Rule) -> &'static str),
}

/// By position, then rule; what two cells both found is one match.
fn sort(out: &mut Vec<Match>, first: usize) {
    sort::by(&mut out[first..], |a, b| (a.1.start, a.1.end, a.0.id).cmp(&(b.1.start, b.1.end, b.0.id)));
    let tail: Vec<Match> = {
        let mut tail = out.split_off(first);
        tail.dedup_by(|a, b| a.1 == b.1 && a.0.id == b.0.id);
        tail
    };
    out.extend(tail);
}

/// The line `at` stands on, without its end.
fn line_at(text: &str, at: usize) -> Range<usize> {
    let bytes = text.as_bytes();
    let start = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |i| i + 1);
    let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |i| at + i);
    let end = if end > start && bytes[end - 1] == b'\r' { end - 1 } else { end };
    start..end
}

/// The cells of a long line.
fn cells(text: &str, line: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut start = line.start;
    let mut done = false;
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        let end = floor(text, (start + CELL).min(line.end));
        let cell = start..end;
        done = end >= line.end;
        start = floor(text, end - OVERLAP);
        Some(cell)
    })
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl Ready {
    /// Tries the rule on a line or cell.
    fn try_on(
        &self,
        text: &str,
        piece: Range<usize>,
        segments: &[Segment],
        way: Way,
        out: &mut Vec<Match>,
    ) -> usize {
        let haystack = &text[piece.clone()];
        let before = out.len();
        // What a rule's author declares is a part of what the rule says; the table's own patterns declare none.
        let also = self.rule.also;
        if !also.is_empty() && !also.iter().any(|literal| contains(haystack.as_bytes(), literal.as_bytes())) {
            return 0;
        }
        let mut push = |found: Range<usize>| {
            let range = piece.start + found.start..piece.start + found.end;
            if covers(self.rule, range.start, segments) {
                out.push((self.rule, range));
            }
        };
        match (self.rule.matcher, self.native) {
            (Matcher::Literal, _) => {
                for (at, literal) in literals_in(haystack, self.rule.literals) {
                    push(at..at + literal.len());
                }
            }
            (Matcher::Native(_), Some(native)) => native(haystack, self.rule.literals, &mut push),
            (Matcher::Regex(pattern), _) => {
                let pattern = match way {
                    Way::Program(wanted, starts, scratch) if !self.rule.program.is_empty() => {
                        rules::program_of(self.rule).find_all(haystack, wanted, starts, scratch, &mut push);
                        return out.len() - before;
                    }
                    Way::Program(_, _, scratch) => {
                        // It follows every state at once.
                        scratch.charge(STATES * haystack.len());
                        pattern
                    }
                    Way::Pattern(pattern_of) => pattern_of(self.rule),
                };
                // The schema compiled every pattern once, so one that does not compile cannot get here.
                if let Some(regex) = self.regex.get_or_init(|| Regex::new(pattern).ok()) {
                    for found in regex.find_iter(haystack).take(MOST) {
                        push(found.range());
                    }
                }
            }
            _ => {}
        }
        out.len() - before
    }

    /// Can any place in these segments be one the rule looks at? Where there is none, everything is.
    fn may_cover(&self, segments: &[Segment]) -> bool {
        segments.is_empty() || segments.iter().any(|s| self.rule.scope.covers(s.place, s.lang))
    }
}

/// Does the rule look at the place `at` stands in?
fn covers(rule: &Rule, at: usize, segments: &[Segment]) -> bool {
    let i = segments.partition_point(|s| s.range.end <= at);
    segments.get(i).is_none_or(|s| rule.scope.covers(s.place, s.lang))
}

/// Leftmost, not overlapping, the longest where several start at one place.
fn literals_in<'l>(text: &str, literals: &[&'l str]) -> Vec<(usize, &'l str)> {
    let mut found: Vec<(usize, &str)> = Vec::new();
    for literal in literals {
        let mut from = 0;
        while let Some(at) = find(&text.as_bytes()[from..], literal.as_bytes()) {
            found.push((from + at, literal));
            from += at + 1;
        }
    }
    sort::by_key(&mut found, |(at, l)| (*at, std::cmp::Reverse(l.len())));
    let mut end = 0;
    found.retain(|(at, l)| {
        let keep = *at >= end;
        if keep {
            end = at + l.len();
        }
        keep
    });
    found
}

/// Where a lower-case literal stands in any ASCII case.
fn find(text: &[u8], literal: &[u8]) -> Option<usize> {
    let first = *literal.first()?;
    let mut from = 0;
    while let Some(i) = memchr::memchr2(first, first.to_ascii_uppercase(), &text[from..]) {
        let at = from + i;
        if text.get(at..at + literal.len()).is_some_and(|p| p.eq_ignore_ascii_case(literal)) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

fn contains(text: &[u8], literal: &[u8]) -> bool {
    find(text, literal).is_some()
}
