//! The byte code that patterns are compiled to when weft is built: shared by `build.rs`, which writes it, and the matcher
//! next door, which runs it.
//!
//! A program is a header (flags, least length of a match in bytes, class of its first character) and instructions. Numbers of two
//! bytes are little-endian; a distance counts from the byte after it.

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
/// One character of a class: class.
pub const CLASS: u8 = 3;
/// A condition on the place: one of the `AT_` numbers.
pub const LOOK: u8 = 4;
/// Characters of a class, as many as can be: class, least and most as two bytes each, class of what follows.
pub const GREEDY: u8 = 5;
/// The same, as few as can be.
pub const LAZY: u8 = 6;
/// The first of several branches that leads to a match: class of the first character of this one, distance to the next.
pub const BRANCH: u8 = 7;
/// What follows if it can be, else what is at the distance: class of its first character, distance.
pub const OPTION: u8 = 8;
/// The other way about.
pub const OPTION_LAZY: u8 = 9;
/// Go on elsewhere: distance, which may point back.
pub const JUMP: u8 = 10;

pub const AT_START: u8 = 0;
pub const AT_END: u8 = 1;
/// An ASCII word begins or ends here.
pub const AT_WORD: u8 = 2;
pub const NOT_AT_WORD: u8 = 3;

/// As a distance or a count: no limit.
pub const ENDLESS: u16 = u16::MAX;
/// As the class of what comes first: it may be anything, or nothing.
pub const ANYTHING: u16 = u16::MAX;
/// As the class of what comes first in a branch: the literal that starts the branch says it.
pub const LITERAL_FIRST: u16 = u16::MAX - 1;

/// A class of characters: a bit for each of ASCII, and which of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class {
    pub ascii: [u64; 2],
    /// 0: no other character, 1: all others, more: the list of ranges with this number less two.
    pub others: u16,
}

/// No other character.
pub const NO_OTHERS: u16 = 0;
/// All other characters.
pub const ALL_OTHERS: u16 = 1;
