//! The words that tell what a statement does with a secret, found in one pass over a piece of code. What they mean
//! together is the business of `flow`.

use super::{flow, secrets};
use crate::scan::spot::{Spotter, Word};
use crate::sort;
use std::ops::Range;
use std::sync::OnceLock;

/// A file that holds credentials.
pub const FILE: u32 = 1;
/// An agent's settings.
pub const SETTINGS: u32 = 1 << 1;
/// Without one of these no statement reads the environment as a whole.
pub const ENVIRONMENT: u32 = 1 << 2;
/// Part of the name of a variable that holds a secret.
pub const NAME: u32 = 1 << 3;
/// A call that sends.
pub const SEND: u32 = 1 << 4;
/// Starts a program from code.
pub const RUN: u32 = 1 << 5;
/// Makes one text of something.
pub const SERIALISE: u32 = 1 << 6;
/// Decodes text.
pub const DECODE: u32 = 1 << 7;
/// `://`
pub const ADDRESS: u32 = 1 << 8;
/// `/dev/tcp/`
pub const TCP: u32 = 1 << 9;
/// An environment is given to something.
pub const ENV_GIVEN: u32 = 1 << 10;
/// What it may be given to: a child process.
pub const CHILD: u32 = 1 << 11;

/// Any of the marks that a secret is read by.
pub const SECRET: u32 = FILE | SETTINGS | ENVIRONMENT | NAME;

/// One word and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub range: Range<usize>,
    pub kind: u32,
}

pub fn words() -> impl Iterator<Item = Word> {
    secrets::words().chain(flow::words())
}

/// The marks of a text, sorted by where they start.
#[inline(never)]
pub fn find(text: &str) -> Vec<Mark> {
    static SPOTTER: OnceLock<Spotter> = OnceLock::new();
    let spotter = SPOTTER.get_or_init(|| Spotter::new(words()));
    let mut out: Vec<Mark> = Vec::new();
    let words = spotter.words();
    spotter.each(text.as_bytes(), &mut |word, at| {
        let word = &words[word];
        out.push(Mark { range: at..at + word.text.len(), kind: word.value });
    });
    sort::by_key(&mut out, |mark| mark.range.start);
    out
}

/// Which marks stand in which statement: for statements asked for in order.
pub struct Marks<'m> {
    rest: &'m [Mark],
}

impl<'m> Marks<'m> {
    pub const fn new(all: &'m [Mark]) -> Marks<'m> {
        Marks { rest: all }
    }

    /// The kinds of the marks that stand wholly in a range; marks of secrets are in it if they start there.
    pub fn within(&mut self, range: &Range<usize>) -> u32 {
        let before = self.rest.partition_point(|mark| mark.range.start < range.start);
        self.rest = &self.rest[before..];
        let here = self.rest.partition_point(|mark| mark.range.start < range.end);
        self.rest[..here].iter().fold(0, |seen, mark| {
            let inside = mark.range.end <= range.end || mark.kind & SECRET != 0;
            if inside { seen | mark.kind } else { seen }
        })
    }
}
