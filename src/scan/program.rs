//! Runs the programs that `build.rs` made of the built-in rules' patterns: leftmost-first matching as regex-lite does it,
//! without compiling anything at run time and without following every state at once. Not for a user's rules, whose
//! patterns are regex-lite's business.
//!
//! The matcher goes back when it has taken a wrong turn. A text that makes it go back too often is matched with a memory of
//! every place and instruction that has failed, so that no pair of them is tried twice: the cost of a search is
//! at most the product of the two, whatever the text. `tests/engine_equivalence.rs` holds the results against
//! regex-lite's.

pub mod code;

use super::spot::same;
use code::*;
use std::ops::Range;

/// Steps a search may take for each byte of the text before it starts to remember.
const STEPS_A_BYTE: usize = 4;
/// Steps any search may take before that.
const STEPS: usize = 128;

/// A way not taken yet.
#[derive(Clone, Copy)]
struct Turn {
    code: u32,
    at: u32,
    /// For a run of characters: how far back it may be cut, or how many it may still take.
    more: u32,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Plain,
    Greedy,
    Lazy,
    Words,
}

/// What a search needs besides the program; kept between searches.
#[derive(Default)]
pub struct Scratch {
    turns: Vec<Turn>,
    /// The branches that can match in the text: what each begins with, and where it starts.
    branches: Vec<Branch>,
    /// A bit for each pair of instruction and place that has been tried; empty until it is needed.
    tried: Vec<u64>,
    remember: bool,
    steps: usize,
}

/// A branch that can match in the text: what it begins with, where it starts in the code, and its bit.
#[derive(Clone, Copy)]
struct Branch {
    begin: Begin,
    code: u16,
    /// Does it start at the border of a word?
    border: bool,
    bit: u64,
}

/// Places where matches of some branches may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Starts {
    pub first: usize,
    /// Inclusive.
    pub last: usize,
    /// A bit for each branch.
    pub branches: u64,
}

/// A program with the classes it refers to.
#[derive(Clone, Copy)]
pub struct Program<'p> {
    pub code: &'p [u8],
    pub tables: &'p Tables<'p>,
}

/// What all programs share.
#[derive(Clone, Copy)]
pub struct Tables<'p> {
    pub classes: &'p [Class],
    pub ranges: &'p [&'p [(u32, u32)]],
    pub begins: &'p [Begin],
    pub words: &'p [u8],
}

impl Program<'_> {
    /// How many branches the program has.
    pub fn branches(&self) -> usize {
        self.code.get(2).copied().map_or(0, usize::from)
    }

    /// Calls `found` for every match in `text`, leftmost and not overlapping. A match starts in one of the `starts`, which
    /// are sorted and apart from each other, and is of a branch that is named there and in `wanted`.
    pub fn find_all(
        &self,
        text: &str,
        wanted: u64,
        mut starts: &[Starts],
        scratch: &mut Scratch,
        found: &mut dyn FnMut(Range<usize>),
    ) {
        scratch.branches.clear();
        let entries = self.code.get(HEADER..).unwrap_or_default().chunks_exact(BRANCH_ENTRY);
        let mut any: Begin = 0;
        for (i, entry) in entries.take(self.branches()).enumerate() {
            let &[a, b, c, d] = entry else { continue };
            let bit = 1 << i;
            if wanted & bit != 0 {
                let begin = u16::from_le_bytes([a, b]);
                let begin = self.tables.begins.get(usize::from(begin)).copied().unwrap_or(Begin::MAX);
                any |= begin;
                let code = u16::from_le_bytes([c, d]);
                let border = self.code.get(usize::from(code)) == Some(&AT_WORD);
                scratch.branches.push(Branch { begin, code, border, bit });
            }
        }
        let mut from = 0;
        scratch.remember = false;
        let mut limit = STEPS + STEPS_A_BYTE * text.len();
        while let Some(range) = self.find(text.as_bytes(), from, any, &mut starts, scratch, &mut limit) {
            // No program matches nothing (`build.rs` sees to it), so this goes on.
            from = range.end.max(range.start + 1);
            // What was tried on the way to a match has not failed.
            scratch.remember = false;
            limit += STEPS / 4 + STEPS_A_BYTE * range.len();
            found(range);
        }
    }

    /// The next match from `from` on; leaves in `starts` those that may lead to more.
    fn find(
        &self,
        text: &[u8],
        from: usize,
        any: Begin,
        starts: &mut &[Starts],
        scratch: &mut Scratch,
        limit: &mut usize,
    ) -> Option<Range<usize>> {
        let &[flags, least, ..] = self.code else { return None };
        let last = text.len().checked_sub(usize::from(least))?;
        let last = if flags & ANCHORED != 0 { 0 } else { last };
        // Inside a word nothing starts that has to start at its border.
        let at_borders = scratch.branches.iter().all(|branch| branch.border);
        while let Some(here) = starts.first() {
            let mut start = from.max(here.first);
            let stop = last.min(here.last);
            while start <= stop {
                let from = start;
                let may =
                    |(i, byte): (usize, &u8)| begins(any, *byte) && (!at_borders || borders(text, from + i));
                let Some(skipped) = text.get(start..=stop)?.iter().enumerate().position(may) else {
                    break;
                };
                scratch.steps += skipped / 8;
                start += skipped;
                let byte = *text.get(start)?;
                // No character starts in the middle of one.
                if byte & 0xc0 != 0x80 {
                    let border = at_borders || borders(text, start);
                    for i in 0..scratch.branches.len() {
                        let branch = scratch.branches[i];
                        if begins(branch.begin, byte)
                            && branch.bit & here.branches != 0
                            && (border || !branch.border)
                            && let Some(end) = self.run(text, usize::from(branch.code), start, scratch, limit)
                        {
                            return Some(start..end);
                        }
                    }
                }
                start += 1;
            }
            *starts = &starts[1..];
        }
        None
    }

    /// Matches at one place; the end of the match.
    fn run(
        &self,
        text: &[u8],
        branch: usize,
        start: usize,
        scratch: &mut Scratch,
        limit: &mut usize,
    ) -> Option<usize> {
        let code = self.code;
        let short = |pc: usize| match code.get(pc..pc + 2) {
            Some(&[a, b]) => u16::from_le_bytes([a, b]),
            _ => 0,
        };
        scratch.turns.clear();
        let (mut pc, mut at) = (branch, start);
        loop {
            scratch.steps += 1;
            let ok = match *code.get(pc)? {
                MATCH => return Some(at),
                LITERAL => {
                    let length = usize::from(*code.get(pc + 1)?);
                    let literal = code.get(pc + 2..pc + 2 + length)?;
                    pc += 2 + length;
                    let ok = text.get(at..).is_some_and(|rest| rest.starts_with(literal));
                    at += length;
                    ok
                }
                FOLDED => {
                    let length = usize::from(*code.get(pc + 1)?);
                    let literal = code.get(pc + 2..pc + 2 + length)?;
                    pc += 2 + length;
                    let ok = text.get(at..at + length).is_some_and(|piece| same(piece, literal));
                    at += length;
                    ok
                }
                CLASS => {
                    let class = self.tables.classes.get(usize::from(*code.get(pc + 1)?))?;
                    pc += 2;
                    match self.step(class, text, at) {
                        Some(width) => {
                            at += width;
                            true
                        }
                        None => false,
                    }
                }
                look @ (AT_START | AT_END | AT_WORD | NOT_AT_WORD) => {
                    pc += 1;
                    looks(look, text, at)
                }
                JUMP => {
                    let by = isize::from(short(pc + 1) as i16);
                    pc = (pc + 3).checked_add_signed(by)?;
                    true
                }
                op @ (BRANCH | BRANCH_LITERAL) => {
                    let (next, inside) =
                        if op == BRANCH { (short(pc + 3), pc + 5) } else { (short(pc + 1), pc + 3) };
                    let out = inside + usize::from(next);
                    let may = if op == BRANCH {
                        self.may_begin(short(pc + 1), text, at)
                    } else {
                        self.may_begin_with(inside, text, at)
                    };
                    if may {
                        if next != LAST {
                            scratch.push(Kind::Plain, out, at, 0);
                        }
                        pc = inside;
                        true
                    } else if next != LAST {
                        pc = out;
                        // A branch that cannot start costs no memory: the next is looked at in the same place.
                        continue;
                    } else {
                        false
                    }
                }
                // Forward past what may be left out, or back to what may be repeated: one choice of two in either case.
                op @ (OPTION | OPTION_LAZY | AGAIN | AGAIN_LAZY) => {
                    let next = pc + 5;
                    let distance = isize::from(short(pc + 3) as i16);
                    let (inside, outside) = match op {
                        OPTION | OPTION_LAZY => (next, next.checked_add_signed(distance)?),
                        _ => (next.checked_add_signed(distance)?, next),
                    };
                    if scratch.again(pc, at, code.len()) {
                        false
                    } else {
                        if self.may_begin(short(pc + 1), text, at) {
                            let lazy = op == OPTION_LAZY || op == AGAIN_LAZY;
                            let (go, turn) = if lazy { (outside, inside) } else { (inside, outside) };
                            scratch.push(Kind::Plain, turn, at, 0);
                            pc = go;
                        } else {
                            pc = outside;
                        }
                        true
                    }
                }
                WORDS | WORDS_FOLDED => match self.word(pc, text, at, 0) {
                    Some((next, width)) => {
                        scratch.push(Kind::Words, pc, at, next);
                        at += width;
                        pc += 3;
                        true
                    }
                    None => false,
                },
                op @ (GREEDY | LAZY) => {
                    let &[class, least, most] = code.get(pc + 1..pc + 4)? else { return None };
                    let class = self.tables.classes.get(usize::from(class))?;
                    let (least, most) = (count(least), (most != ENDLESS).then(|| count(most)));
                    let mut taken = 0;
                    // What has to be there is taken first in either case.
                    while taken < least {
                        let Some(width) = self.step(class, text, at) else { break };
                        at += width;
                        taken += 1;
                    }
                    let mut left = most.map_or(u32::MAX, |most| most - taken);
                    if taken < least {
                        false
                    } else if op == GREEDY {
                        let low = at;
                        if class.others == NO_OTHERS {
                            let room = usize::try_from(left).unwrap_or(usize::MAX);
                            let rest = text.get(at..).unwrap_or_default();
                            at += rest.iter().take(room).take_while(|b| in_ascii(class, **b)).count();
                        } else {
                            while left > 0
                                && let Some(width) = self.step(class, text, at)
                            {
                                at += width;
                                left -= 1;
                            }
                        }
                        scratch.steps += (at - low) / 8;
                        match self.cut(pc, text, low, at, scratch) {
                            Some(place) => {
                                scratch.leave_greedy(pc, low, place);
                                at = place;
                                pc += 6;
                                true
                            }
                            None => false,
                        }
                    } else {
                        match self.stretch(pc, text, at, left, scratch) {
                            Some((place, left)) => {
                                scratch.push(Kind::Lazy, pc, place, left);
                                at = place;
                                pc += 6;
                                true
                            }
                            None => false,
                        }
                    }
                }
                // Not written by `build.rs`.
                _ => return None,
            };
            if ok {
                continue;
            }
            // Back to the last way not taken.
            loop {
                let turn = scratch.turns.pop()?;
                if !scratch.remember {
                    match limit.checked_sub(1) {
                        Some(left) => *limit = left,
                        None => {
                            // From the start of this place again, with a memory.
                            scratch.forget(code.len(), text.len());
                            return self.run(text, branch, start, scratch, limit);
                        }
                    }
                }
                (pc, at) = (turn.code as usize, turn.at as usize);
                match turn.kind {
                    Kind::Plain => {}
                    Kind::Words => {
                        let Some((next, width)) = self.word(pc, text, at, turn.more) else { continue };
                        scratch.turns.push(Turn { more: next, ..turn });
                        at += width;
                        pc += 3;
                        if scratch.again(pc, at, code.len()) {
                            continue;
                        }
                    }
                    Kind::Greedy => {
                        let low = turn.more as usize;
                        let Some(place) = self.cut(pc, text, low, at, scratch) else { continue };
                        scratch.leave_greedy(pc, low, place);
                        at = place;
                        pc += 6;
                        if scratch.again(pc, at, code.len()) {
                            continue;
                        }
                    }
                    Kind::Lazy => {
                        let class = self.tables.classes.get(usize::from(*code.get(pc + 1)?))?;
                        let Some(left) = turn.more.checked_sub(1) else { continue };
                        let Some(width) = self.step(class, text, at) else { continue };
                        let Some((place, left)) = self.stretch(pc, text, at + width, left, scratch) else {
                            continue;
                        };
                        scratch.push(Kind::Lazy, pc, place, left);
                        at = place;
                        pc += 6;
                        if scratch.again(pc, at, code.len()) {
                            continue;
                        }
                    }
                }
                break;
            }
        }
    }

    /// The last place between `low` and `at` where what follows a run can start.
    fn cut(&self, pc: usize, text: &[u8], low: usize, at: usize, scratch: &mut Scratch) -> Option<usize> {
        let &[a, b] = self.code.get(pc + 4..pc + 6)? else { return None };
        let follow = self.tables.begins.get(usize::from(u16::from_le_bytes([a, b])));
        let border = self.code.get(pc + 6) == Some(&AT_WORD);
        let mut place = at;
        loop {
            scratch.steps += 1;
            let may = match (text.get(place), follow) {
                // In the middle of a character.
                (Some(byte), _) if byte & 0xc0 == 0x80 => false,
                (_, None) => true,
                (Some(byte), Some(follow)) => begins(*follow, *byte),
                _ => false,
            };
            if may && (!border || borders(text, place)) {
                return Some(place);
            }
            if place <= low {
                return None;
            }
            place -= 1;
        }
    }

    /// The first place from `at` on where what follows a lazy run can start, with `left` more characters at most.
    fn stretch(
        &self,
        pc: usize,
        text: &[u8],
        at: usize,
        left: u32,
        scratch: &mut Scratch,
    ) -> Option<(usize, u32)> {
        let &[class, _, _, a, b] = self.code.get(pc + 1..pc + 6)? else { return None };
        let class = self.tables.classes.get(usize::from(class))?;
        let follow = self.tables.begins.get(usize::from(u16::from_le_bytes([a, b])));
        let border = self.code.get(pc + 6) == Some(&AT_WORD);
        let (mut place, mut left) = (at, left);
        loop {
            let may = match (text.get(place), follow) {
                (_, None) => true,
                (Some(byte), Some(follow)) => begins(*follow, *byte),
                _ => false,
            };
            if may && (!border || borders(text, place)) {
                return Some((place, left));
            }
            scratch.steps += 1;
            left = left.checked_sub(1)?;
            place += self.step(class, text, place)?;
        }
    }

    /// The first word of the list at `pc`, from the byte `from` of the list on, that stands at this place: where the next
    /// one starts, and its length.
    fn word(&self, pc: usize, text: &[u8], at: usize, from: u32) -> Option<(u32, usize)> {
        let &[op, a, b] = self.code.get(pc..pc + 3)? else { return None };
        let start = usize::from(u16::from_le_bytes([a, b])) * WORD_UNIT;
        let &[c, d] = self.tables.words.get(start..start + 2)? else { return None };
        let end = start + 2 + usize::from(u16::from_le_bytes([c, d]));
        let mut list = self.tables.words.get(start + 2 + from as usize..end)?;
        let rest = text.get(at..)?;
        let mut next = from;
        let first =
            rest.first().map(|byte| if op == WORDS_FOLDED { byte.to_ascii_lowercase() } else { *byte });
        while let Some((&length, tail)) = list.split_first() {
            let (word, tail) = tail.split_at_checked(usize::from(length))?;
            next += u32::from(length) + 1;
            list = tail;
            // Most fall here.
            if length > 0 && word.first() != first.as_ref() {
                continue;
            }
            let Some(piece) = rest.get(..word.len()) else { continue };
            if if op == WORDS_FOLDED { same(piece, word) } else { piece == word } {
                return Some((next, word.len()));
            }
        }
        None
    }

    /// Can what begins so begin at this place?
    #[inline]
    fn may_begin(&self, begin: u16, text: &[u8], at: usize) -> bool {
        match self.tables.begins.get(usize::from(begin)) {
            Some(begin) => text.get(at).is_some_and(|byte| begins(*begin, *byte)),
            None => true,
        }
    }

    /// Can the literal at `pc` begin at this place?
    #[inline]
    fn may_begin_with(&self, pc: usize, text: &[u8], at: usize) -> bool {
        match (self.code.get(pc..pc + 3), text.get(at)) {
            (Some(&[op, _, letter]), Some(byte)) => {
                *byte == letter || op == FOLDED && byte.eq_ignore_ascii_case(&letter)
            }
            _ => false,
        }
    }

    /// The width of the character at `at` if it is one of the class.
    #[inline]
    fn step(&self, class: &Class, text: &[u8], at: usize) -> Option<usize> {
        let byte = *text.get(at)?;
        if byte < 0x80 {
            return in_ascii(class, byte).then_some(1);
        }
        if class.others == NO_OTHERS {
            return None;
        }
        let (c, width) = character(text, at)?;
        let inside = match class.others {
            ALL_OTHERS => true,
            list => {
                let ranges = self.tables.ranges.get(usize::from(list) - 2)?;
                ranges.iter().any(|(from, to)| *from <= c && c <= *to)
            }
        };
        inside.then_some(width)
    }
}

impl Scratch {
    /// Steps taken since this was last asked: the work a text has caused.
    pub fn take_steps(&mut self) -> usize {
        std::mem::take(&mut self.steps)
    }

    /// Counts steps taken elsewhere.
    pub fn charge(&mut self, steps: usize) {
        self.steps += steps;
    }

    /// Begins to remember, with nothing remembered.
    fn forget(&mut self, code: usize, text: usize) {
        self.remember = true;
        self.tried.clear();
        self.tried.resize((code * (text + 1)).div_ceil(64), 0);
    }

    /// Notes a way not taken yet.
    fn push(&mut self, kind: Kind, code: usize, at: usize, more: u32) {
        self.turns.push(Turn { code: code as u32, at: at as u32, more, kind });
    }

    /// Notes that a run that was cut at `place` may be cut shorter, down to `low`.
    fn leave_greedy(&mut self, pc: usize, low: usize, place: usize) {
        if place > low {
            self.push(Kind::Greedy, pc, place - 1, low as u32);
        }
    }

    /// Has this instruction been tried at this place, as far as is remembered? It has been from now on.
    fn again(&mut self, pc: usize, at: usize, code: usize) -> bool {
        if !self.remember {
            return false;
        }
        self.steps += 1;
        let bit = at * code + pc;
        match self.tried.get_mut(bit / 64) {
            Some(word) => {
                let seen = *word >> (bit % 64) & 1 != 0;
                *word |= 1 << (bit % 64);
                seen
            }
            None => false,
        }
    }
}

#[inline]
fn in_ascii(class: &Class, byte: u8) -> bool {
    byte < 0x80 && class.ascii[usize::from(byte >> 6)] >> (byte & 63) & 1 != 0
}

/// [`begin_slot`] of every byte.
const SLOTS: [u8; 256] = {
    let mut slots = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        slots[byte] = begin_slot(byte as u8);
        byte += 1;
    }
    slots
};

/// May this byte be the first of what begins so?
#[inline]
fn begins(begin: Begin, byte: u8) -> bool {
    begin >> SLOTS[usize::from(byte)] & 1 != 0
}

fn looks(kind: u8, text: &[u8], at: usize) -> bool {
    match kind {
        AT_START => at == 0,
        AT_END => at >= text.len(),
        AT_WORD => borders(text, at),
        _ => !borders(text, at),
    }
}

/// Does a word begin or end here?
#[inline]
fn borders(text: &[u8], at: usize) -> bool {
    let word = |at: usize| text.get(at).is_some_and(|byte| WORD[usize::from(*byte)]);
    (at > 0 && word(at - 1)) != word(at)
}

/// The bytes of words.
static WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'_';
        byte += 1;
    }
    table
};

/// The character at `at` of UTF-8 text, which is beyond ASCII, and its width.
fn character(text: &[u8], at: usize) -> Option<(u32, usize)> {
    let first = *text.get(at)?;
    let width = match first {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        _ => return None,
    };
    let mut c = u32::from(first) & (0x7f >> width);
    for byte in text.get(at + 1..at + width)? {
        c = c << 6 | u32::from(byte & 0x3f);
    }
    Some((c, width))
}
