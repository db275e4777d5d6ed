//! One look over a text that says which decoders have anything to do in it. May say too much, never too little.

use super::spot::Spotter;
use memchr::memchr;
use std::sync::OnceLock;

pub(super) const BACKSLASH: u32 = 1;
pub(super) const PERCENT: u32 = 1 << 1;
pub(super) const ENTITY: u32 = 1 << 2;
pub(super) const NON_ASCII: u32 = 1 << 3;
/// Two string literals next to each other with something between.
pub(super) const JOIN: u32 = 1 << 4;
pub(super) const REVERSE: u32 = 1 << 6;
pub(super) const ROT13: u32 = 1 << 7;
pub(super) const BASE85: u32 = 1 << 8;
pub(super) const ARGV: u32 = 1 << 9;
/// The text speaks of XOR or has an operator for it.
pub(super) const KEYED: u32 = 1 << 10;
pub(super) const BASE64: u32 = 1 << 11;
/// Functions that turn numbers into characters.
pub(super) const CHARCODE: u32 = 1 << 12;
/// `"command"` or `"args"`.
pub(super) const COMMAND: u32 = 1 << 13;
pub(super) const IFS: u32 = 1 << 14;
/// String literals with a dot or an ampersand between.
pub(super) const DOT: u32 = 1 << 15;
/// The text speaks of parts that were merged.
pub(super) const WOVEN: u32 = 1 << 16;

/// Which of the above a text has.
#[derive(Clone, Copy)]
pub(super) struct Clues(u32);

impl Clues {
    pub fn has(self, clue: u32) -> bool {
        self.0 & clue != 0
    }
}

/// Words and the clue each of them is.
const WORDS: &[(&str, u32)] = &[
    ("::-1]", REVERSE),
    ("| rev", REVERSE),
    ("|rev ", REVERSE),
    ("|rev|", REVERSE),
    (".reverse().", REVERSE),
    (".reverse |", REVERSE),
    (".reverse)", REVERSE),
    (".reverse;", REVERSE),
    ("(reversed(", REVERSE),
    ("StrReverse", REVERSE),
    (".Reverse(", REVERSE),
    ("strrev(", REVERSE),
    ("ptth", REVERSE),
    ("lruc", REVERSE),
    ("hsab", REVERSE),
    ("tegw", REVERSE),
    ("ot13", ROT13),
    ("OT13", ROT13),
    ("ot_13", ROT13),
    ("ot-13", ROT13),
    ("N-ZA-M", ROT13),
    ("n-za-m", ROT13),
    ("uggc", ROT13),
    ("vafgehpgvba", ROT13),
    ("cerivbhf", ROT13),
    ("b85", BASE85),
    ("a85", BASE85),
    ("ase85", BASE85),
    ("ascii85", BASE85),
    ("Ascii85", BASE85),
    ("ASE85", BASE85),
    ("subprocess", ARGV),
    ("spawn", ARGV),
    ("exec", ARGV),
    ("Popen", ARGV),
    ("ommand(", ARGV),
    ("Command::new(", ARGV),
    ("check_", ARGV),
    ("ProcessBuilder", ARGV),
    ("RUN [", ARGV),
    ("CMD [", ARGV),
    ("ENTRYPOINT [", ARGV),
    (" xor", KEYED),
    ("_xor", KEYED),
    ("xor_", KEYED),
    ("(xor", KEYED),
    ("XOR", KEYED),
    (" ^ ", KEYED),
    (" ^= ", KEYED),
    ("ase64", BASE64),
    ("b64", BASE64),
    ("atob(", BASE64),
    ("ASE64", BASE64),
    ("CharCode", CHARCODE),
    ("CodePoint", CHARCODE),
    ("chr(", CHARCODE),
    ("Chr(", CHARCODE),
    ("[char]", CHARCODE),
    ("CHAR(", CHARCODE),
    ("\"args\"", COMMAND),
    ("command", COMMAND),
    ("args:", COMMAND),
    ("args =", COMMAND),
    ("run:", COMMAND),
    ("script", COMMAND),
    ("cmd\"", COMMAND),
    ("cmd:", COMMAND),
    ("entrypoint", COMMAND),
    ("\"source\"", COMMAND),
    ("ommand\"", COMMAND),
    ("\"exec\"", COMMAND),
    ("\"shell\"", COMMAND),
    ("\"program\"", COMMAND),
    ("xecutable\"", COMMAND),
    ("'.'", DOT),
    ("\".\"", DOT),
    ("' . '", DOT),
    ("\" . \"", DOT),
    ("\" & \"", DOT),
    ("\"&\"", DOT),
    ("\"..\"", DOT),
    ("\" .. \"", DOT),
    ("IFS", IFS),
    ("merged[", WOVEN),
    ("merged payload", WOVEN),
    ("interleav", WOVEN),
    ("part0", WOVEN),
    ("&#x", ENTITY),
    ("&#1", ENTITY),
    ("&#9", ENTITY),
    ("&#3", ENTITY),
    ("&#4", ENTITY),
    ("&#5", ENTITY),
    ("&#6", ENTITY),
    ("&#8", ENTITY),
    ("&#7", ENTITY),
    ("&#0", ENTITY),
    ("&lt;", ENTITY),
    ("&amp;", ENTITY),
    ("&quot;", ENTITY),
];

pub(super) fn probe(text: &str) -> Clues {
    static SPOTTER: OnceLock<Spotter> = OnceLock::new();
    let spotter = SPOTTER.get_or_init(|| Spotter::new(WORDS));
    let bytes = text.as_bytes();
    let mut clues = spotter.values(bytes);
    for (byte, clue) in [(b'\\', BACKSLASH), (b'%', PERCENT), (b'+', JOIN)] {
        if memchr(byte, bytes).is_some() {
            clues |= clue;
        }
    }
    if !text.is_ascii() {
        clues |= NON_ASCII;
    }
    Clues(clues)
}
