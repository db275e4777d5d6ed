//! The byte code that patterns are compiled to when weft is built: shared by `build.rs`, which writes it, and the matcher
//! next door, which runs it.
//!
//! A program is a header (flags, least length of a match in bytes, number of what it can begin with) and instructions.
//! Numbers of two bytes are little-endian; a distance counts from the byte after it.

/// Bytes of the header.
pub const HEADER: usize = 4;
/// Header flag: a match can only start where the text starts.
pub const ANCHORED: u8 = 1;

/// The end of a match.
pub const MATCH: u8 = 0;
/// These bytes: length, bytes.
pub const LITERAL: u8 = 1;
/// These letters in any ASCII case: length, bytes in lower case.
pub const FOLDED: u8 = 2;
/// One character of a class: class (one byte).
pub const CLASS: u8 = 3;
/// Characters of a class, as many as can be: class, least, most, what follows (two bytes).
pub const GREEDY: u8 = 4;
/// The same, as few as can be.
pub const LAZY: u8 = 5;
/// The first of several branches that leads to a match: what this one begins with (two bytes), distance to the next.
pub const BRANCH: u8 = 6;
/// The same for a branch that begins with a literal: distance to the next.
pub const BRANCH_LITERAL: u8 = 7;
/// What follows if it can be, else what is at the distance: what it begins with, distance.
pub const OPTION: u8 = 8;
/// The other way about.
pub const OPTION_LAZY: u8 = 9;
/// Go on elsewhere: distance.
pub const JUMP: u8 = 10;
/// Once more, if it can be: what is repeated begins with, distance back to it.
pub const AGAIN: u8 = 11;
/// Once more, if it has to be.
pub const AGAIN_LAZY: u8 = 12;
/// One of several literals, the first that leads to a match: where the list is (two bytes), see [`WORD_UNIT`].
pub const WORDS: u8 = 13;
/// The same in any ASCII case.
pub const WORDS_FOLDED: u8 = 14;
/// The text begins here.
pub const AT_START: u8 = 15;
/// The text ends here.
pub const AT_END: u8 = 16;
/// An ASCII word begins or ends here.
pub const AT_WORD: u8 = 17;
pub const NOT_AT_WORD: u8 = 18;

/// As a distance: there is no next.
pub const LAST: u16 = u16::MAX;
/// As a count: no limit.
pub const ENDLESS: u8 = u8::MAX;
/// Counts from here on stand for twenty times as many beyond it: 201 is 220, 254 is 1280.
pub const TWENTIES: u8 = 200;

/// The number a count stands for, which is not [`ENDLESS`].
pub const fn count(byte: u8) -> u32 {
    if byte <= TWENTIES { byte as u32 } else { TWENTIES as u32 + (byte - TWENTIES) as u32 * 20 }
}
/// As what something begins with: anything, or nothing.
pub const ANYTHING: u16 = u16::MAX;

/// Lists of words begin at multiples of this: a length in two bytes, then length and bytes of each word.
pub const WORD_UNIT: usize = 2;

/// A class of characters: a bit for each of ASCII, and which of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class {
    pub ascii: [u64; 2],
    /// 0: no other character, 1: all others, more: the list of ranges with this number less two.
    pub others: u8,
}

/// No other character.
pub const NO_OTHERS: u8 = 0;
/// All other characters.
pub const ALL_OTHERS: u8 = 1;

/// What something can begin with, for a quick no: a bit for each [`begin_slot`].
pub type Begin = u64;

/// The bit of a byte in a [`Begin`]. Letters of either case share one, so do blanks and controls, and all bytes beyond ASCII.
pub const fn begin_slot(byte: u8) -> u8 {
    match byte {
        0..=32 => 0,
        33..=63 => byte - 32,
        64..=127 => (byte & 31) + 32,
        _ => 63,
    }
}
