//! The lines of a text that have literals, one after the other, and the rules that are run on each: once a line, when all
//! of the literals there are known, on the branches that they lead to and where a match can start. What running a rule means
//! is the engine's business.

use super::{CELL, Engine, MOST, Match, OVERLAP, User, Way, floor, line_at};
use crate::rules::Lead;
use crate::scan::doc::Segment;
use crate::scan::program::{Scratch, Starts};
use crate::scan::trigrams::Trigrams;
use crate::scan::work::Work;
use std::ops::Range;

/// What one rule has on the line at hand.
#[derive(Clone, Copy)]
struct Found {
    /// The last of its [`Place`]s.
    last: u32,
    /// Matches in the text so far.
    count: u32,
}

/// Where matches of a rule may start.
#[derive(Clone, Copy)]
struct Place {
    starts: Starts,
    /// The place before it that belongs to the same rule.
    before: u32,
}

/// No place.
const NONE: u32 = u32::MAX;

/// The lines of a text that have literals, one after the other: a rule is run once a line, when all of its literals there
/// are known.
pub(super) struct Lines<'a> {
    engine: &'a Engine,
    text: &'a str,
    segments: &'a [Segment],
    line: Range<usize>,
    /// The part of the line that is matched at once.
    cell: Range<usize>,
    /// The segments that it touches.
    touching: &'a [Segment],
    /// Literals in the cell, and where they start.
    hits: Vec<(u16, usize)>,
    /// For each rule.
    found: Vec<Found>,
    /// The rules that have a place in the cell.
    touched: Vec<u16>,
    places: Vec<Place>,
    /// The places of one rule, in order.
    starts: Vec<Starts>,
    trigrams: Trigrams<'a>,
    /// Are the trigrams those of this cell?
    taken: bool,
    scratch: Scratch,
    out: &'a mut Vec<Match>,
}

impl<'a> Lines<'a> {
    pub fn new(
        engine: &'a Engine,
        text: &'a str,
        segments: &'a [Segment],
        out: &'a mut Vec<Match>,
    ) -> Lines<'a> {
        Lines {
            engine,
            text,
            segments,
            line: 0..0,
            cell: 0..0,
            touching: &[],
            hits: Vec::new(),
            found: vec![Found { last: NONE, count: 0 }; engine.rules.len()],
            touched: Vec::new(),
            places: Vec::new(),
            starts: Vec::new(),
            trigrams: Trigrams::empty(),
            taken: false,
            scratch: Scratch::default(),
            out,
        }
    }

    /// Are there literals that have led to nothing yet?
    pub fn any(&self) -> bool {
        !self.hits.is_empty()
    }

    /// Runs what the literals of the cell lead to and goes on to the next. False if there is no work left to do.
    pub fn next_cell(&mut self, work: &Work) -> bool {
        self.flush();
        work.spend(self.scratch.take_steps())
    }

    /// Takes a literal; they come in order of place, or nearly. False if there is no work left to do.
    pub fn hit(&mut self, literal: usize, at: usize, work: &Work) -> bool {
        let mut more = true;
        while at >= self.cell.end && more {
            more = self.next_cell(work);
            if at >= self.line.end && self.hits.is_empty() {
                self.line = line_at(self.text, at);
                self.cell = self.cell_from(self.line.start);
                if at >= self.line.end {
                    // It stands across lines.
                    return more;
                }
            }
        }
        // Where a cell of a long line begins or ends, so does a word.
        if at >= self.cell.start
            && (self.engine.edges[literal] & !self.edges(literal, at, &self.line) == 0
                || self.line.len() > CELL)
            && let Ok(literal) = u16::try_from(literal)
        {
            self.hits.push((literal, at));
        }
        more
    }

    /// At which of its edges the literal at `at` has no byte of a word beside it in the line or cell.
    fn edges(&self, literal: usize, at: usize, piece: &Range<usize>) -> u8 {
        let bytes = self.text.as_bytes();
        let is_word = |at: usize| bytes.get(at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        let end = at + self.engine.spotter.words()[literal].text.len();
        let before = at <= piece.start || !is_word(at - 1);
        let after = end >= piece.end || !is_word(end);
        (u8::from(before) * Lead::BEFORE) | (u8::from(after) * Lead::AFTER)
    }

    fn cell_from(&self, start: usize) -> Range<usize> {
        let end = self.line.end;
        // A line that is no longer than a cell is one.
        if end - self.line.start <= CELL {
            start..end
        } else {
            start..floor(self.text, end.min(start + CELL))
        }
    }

    /// Runs what the literals of the cell lead to and goes on to the next cell of the line, with those that it has too.
    fn flush(&mut self) {
        self.run_all();
        if self.cell.end < self.line.end {
            let start = floor(self.text, self.cell.end - OVERLAP);
            self.cell = self.cell_from(start);
            self.hits.retain(|hit| hit.1 >= start);
        } else {
            self.hits.clear();
        }
    }

    fn run_all(&mut self) {
        self.taken = false;
        self.scratch.charge(self.hits.len());
        for i in 0..self.hits.len() {
            let (literal, at) = self.hits[i];
            let from = self.engine.starts[usize::from(literal)] as usize;
            let to = self.engine.starts[usize::from(literal) + 1] as usize;
            let engine = self.engine;
            let edges = self.edges(usize::from(literal), at, &self.cell);
            for user in &engine.users[from..to] {
                if user.edges & !edges == 0 {
                    self.place(user, at - self.cell.start);
                }
            }
        }
        if !self.touched.is_empty() {
            let from = self.segments.partition_point(|s| s.range.end <= self.cell.start);
            let here = &self.segments[from..];
            let count = here.iter().take_while(|s| s.range.start < self.cell.end).count();
            self.touching = &here[..count];
        }
        for i in 0..self.touched.len() {
            let rule = usize::from(self.touched[i]);
            let last = std::mem::replace(&mut self.found[rule].last, NONE);
            self.run(rule, last);
        }
        self.touched.clear();
        self.places.clear();
    }

    /// Notes where in the cell a match of a rule may start that has its literal at `at`.
    fn place(&mut self, user: &User, at: usize) {
        let found = &mut self.found[usize::from(user.rule)];
        if found.count as usize >= MOST {
            return;
        }
        let (first, last) = match user.most {
            Lead::ANYWHERE => (0, Some(at)),
            most => (at.saturating_sub(usize::from(most)), at.checked_sub(usize::from(user.least))),
        };
        // Else it would have started before the cell.
        let Some(last) = last else { return };
        let mut starts = Starts { first, last, branches: user.branches };
        if found.last == NONE {
            self.touched.push(user.rule);
        }
        // Places that meet become one, so that they are few and in order.
        while let Some(before) = self.places.get(found.last as usize)
            && before.starts.last + 1 >= starts.first
        {
            starts.first = starts.first.min(before.starts.first);
            starts.last = starts.last.max(before.starts.last);
            starts.branches |= before.starts.branches;
            found.last = before.before;
        }
        let this = self.places.len() as u32;
        self.places.push(Place { starts, before: found.last });
        found.last = this;
    }

    /// Runs a rule on the cell.
    fn run(&mut self, rule: usize, last: u32) {
        let ready = &self.engine.rules[rule];
        if !ready.may_cover(self.touching) {
            return;
        }
        let mut wanted = 0;
        self.starts.clear();
        let mut next = last;
        while let Some(place) = self.places.get(next as usize) {
            self.starts.push(place.starts);
            wanted |= place.starts.branches;
            next = place.before;
        }
        self.starts.reverse();
        if !ready.rule.needs.is_empty() {
            if !std::mem::replace(&mut self.taken, true) {
                let text = self.text;
                self.trigrams.take(&text.as_bytes()[self.cell.clone()]);
                self.scratch.charge(self.cell.len());
            }
            wanted = self.trigrams.may_meet(ready.rule.needs, wanted);
            self.scratch.charge(8 + ready.rule.needs.len() / 4);
            if wanted == 0 {
                return;
            }
        }
        let way = Way::Program(wanted, &self.starts, &mut self.scratch);
        let count = ready.try_on(self.text, self.cell.clone(), self.segments, way, self.out);
        self.found[rule].count += count as u32;
    }
}
