//! One look over a text that says which decoders and checks have anything to do in it. May say too much, never too
//! little; finds nothing itself.

use super::spot::{Spotter, Word, exact};
use memchr::memchr;
use std::sync::OnceLock;

pub const BACKSLASH: u32 = 1;
pub const PERCENT: u32 = 1 << 1;
pub const ENTITY: u32 = 1 << 2;
pub const NON_ASCII: u32 = 1 << 3;
/// Two string literals next to each other with something between.
pub const JOIN: u32 = 1 << 4;
pub const REVERSE: u32 = 1 << 6;
pub const ROT13: u32 = 1 << 7;
pub const BASE85: u32 = 1 << 8;
/// Programs started from a list of words, by the words that start them.
pub const ARGV: u32 = ARGV_PYTHON | ARGV_SPAWN | ARGV_EXEC | ARGV_COMMAND | ARGV_DOCKER;
pub const ARGV_PYTHON: u32 = 1 << 9;
pub const ARGV_SPAWN: u32 = 1 << 5;
pub const ARGV_EXEC: u32 = 1 << 23;
pub const ARGV_COMMAND: u32 = 1 << 24;
pub const ARGV_DOCKER: u32 = 1 << 25;
/// The text speaks of XOR or has an operator for it.
pub const KEYED: u32 = 1 << 10;
pub const BASE64: u32 = 1 << 11;
/// Functions that turn numbers into characters.
pub const CHARCODE: u32 = 1 << 12;
/// `"command"` or `"args"`.
pub const COMMAND: u32 = 1 << 13;
pub const IFS: u32 = 1 << 14;
/// String literals with a dot or an ampersand between.
pub const DOT: u32 = 1 << 15;
/// The text speaks of parts that were merged.
pub const WOVEN: u32 = 1 << 16;
/// Something is read that may be a secret.
pub const SECRET: u32 = 1 << 17;
/// Something is sent, or made ready to be.
pub const SEND: u32 = 1 << 18;
/// A program is run from code.
pub const RUN: u32 = 1 << 19;
/// A command that downloads.
pub const FETCH: u32 = 1 << 20;
/// A part of an address that releases have.
pub const RELEASE: u32 = 1 << 21;
/// A command that installs packages.
pub const INSTALL: u32 = 1 << 22;
/// A comment that asks to ignore a finding.
pub const IGNORE: u32 = 1 << 26;

/// Which of the above a text has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clues(u32);

impl Clues {
    /// Any of these?
    pub const fn has(self, clue: u32) -> bool {
        self.0 & clue != 0
    }
}

/// The words of [`FETCH`], [`RELEASE`] and [`INSTALL`].
pub const FETCHES: [&str; 6] = ["curl ", "wget ", "irm ", "iwr ", "Invoke-Web", "Invoke-Rest"];
pub const RELEASES: [&str; 4] = ["/releases/", "/raw/", "/archive/", "/downloads/"];
pub const INSTALLS: [&str; 4] = ["install ", " add ", "npm i ", "npx "];

/// The words of the decoders, and the clue each list of them is.
const WORDS: [(u32, &[&str]); 20] = [
    (
        REVERSE,
        &[
            "::-1]",
            "| rev",
            "|rev ",
            "|rev|",
            ".reverse().",
            ".reverse |",
            ".reverse)",
            ".reverse;",
            "(reversed(",
            "StrReverse",
            ".Reverse(",
            "strrev(",
            "ptth",
            "lruc",
            "hsab",
            "tegw",
        ],
    ),
    (ROT13, &["ot13", "OT13", "ot_13", "ot-13", "N-ZA-M", "n-za-m", "uggc", "vafgehpgvba", "cerivbhf"]),
    (BASE85, &["b85", "a85", "ase85", "ascii85", "Ascii85", "ASE85"]),
    (ARGV_PYTHON, &["subprocess.", "Popen(", "check_output(", "check_call("]),
    (ARGV_SPAWN, &["spawn"]),
    (ARGV_EXEC, &["exec"]),
    (ARGV_COMMAND, &["Command(", "Command::new(", "ProcessBuilder("]),
    (ARGV_DOCKER, &["RUN [", "CMD [", "ENTRYPOINT ["]),
    (IGNORE, &[super::ignore::MARK]),
    (KEYED, &[" xor", "_xor", "xor_", "(xor", " ^ ", " ^= ", "XOR"]),
    (IFS, &["IFS"]),
    (BASE64, &["ase64", "b64", "atob(", "ASE64"]),
    (CHARCODE, &["CharCode", "CodePoint", "chr(", "Chr(", "[char]", "CHAR("]),
    (
        COMMAND,
        &[
            "\"args\"",
            "command",
            "args:",
            "args =",
            "run:",
            "script",
            "cmd\"",
            "cmd:",
            "entrypoint",
            "\"source\"",
            "ommand\"",
            "\"exec\"",
            "\"shell\"",
            "\"program\"",
            "xecutable\"",
        ],
    ),
    (DOT, &["'.'", "\".\"", "' . '", "\" . \"", "\" & \"", "\"&\"", "\"..\"", "\" .. \""]),
    (WOVEN, &["merged[", "merged payload", "interleav", "part0"]),
    (
        ENTITY,
        &["&#x", "&#1", "&#9", "&#3", "&#4", "&#5", "&#6", "&#8", "&#7", "&#0", "&lt;", "&amp;", "&quot;"],
    ),
    (FETCH, &FETCHES),
    (RELEASE, &RELEASES),
    (INSTALL, &INSTALLS),
];

/// The words of all clues, each of at least three bytes.
pub fn words() -> impl Iterator<Item = Word> {
    WORDS.iter().flat_map(|(clue, texts)| exact(*clue, texts)).chain(super::checks::clues())
}

/// The clues of a text, found in a pass of its own.
pub fn look(text: &str) -> Clues {
    static SPOTTER: OnceLock<Spotter> = OnceLock::new();
    let spotter = SPOTTER.get_or_init(|| Spotter::new(words()));
    of(text, spotter.values(text.as_bytes()))
}

/// The clues of a text that has words of these values.
pub fn of(text: &str, words: u32) -> Clues {
    let bytes = text.as_bytes();
    let mut clues = words;
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
