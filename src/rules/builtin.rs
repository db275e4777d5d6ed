//! The built-in rules: two compressed files that `build.rs` makes of `rules/*.toml`. The first use of the rules unpacks
//! what matching needs, the first report of a finding what is said of them; nothing is parsed or compiled at run time.

use super::*;
use crate::scan::program::code::Class;
use crate::scan::program::{Program, Tables};
use std::sync::OnceLock;

include!(concat!(env!("OUT_DIR"), "/rules.rs"));

static MATCHING: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/matching.bin"));
static WORDS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/words.bin"));

/// A literal of a built-in rule.
#[derive(Clone, Copy, Debug)]
pub struct Literal {
    pub text: &'static str,
    /// Where the windows start that `scan::spot` knows it by.
    pub windows: [u8; 2],
}

struct Builtin {
    rules: Vec<Rule>,
    combos: Vec<Combo>,
    literals: Vec<Literal>,
    tables: Tables<'static>,
}

/// Reads what `build/table.rs` wrote. What it did not write reads as zeros and empty texts.
struct Reader {
    rest: &'static [u8],
}

impl Reader {
    /// Lives until the process ends, like the rules made of it.
    fn unpack(packed: &[u8], length: usize) -> Reader {
        let bytes = miniz_oxide::inflate::decompress_to_vec_with_limit(packed, length).unwrap_or_default();
        Reader { rest: Box::leak(bytes.into_boxed_slice()) }
    }

    fn take(&mut self, length: usize) -> &'static [u8] {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        self.take(N).try_into().unwrap_or([0; N])
    }

    fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    fn number(&mut self) -> usize {
        self.long() as usize
    }

    fn long(&mut self) -> u64 {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte();
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        number
    }

    fn bytes(&mut self) -> &'static [u8] {
        let length = self.number();
        self.take(length)
    }

    fn text(&mut self) -> &'static str {
        std::str::from_utf8(self.bytes()).unwrap_or_default()
    }

    fn list<T>(&mut self, entry: impl Fn(&mut Reader) -> T) -> Vec<T> {
        (0..self.number()).map(|_| entry(self)).collect()
    }

    fn texts(&mut self) -> &'static [&'static str] {
        kept(self.list(Reader::text))
    }

    fn pairs(&mut self) -> Vec<u16> {
        self.list(|r| u16::from_le_bytes(r.array()))
    }
}

fn kept<T>(list: Vec<T>) -> &'static [T] {
    if list.is_empty() { &[] } else { Box::leak(list.into_boxed_slice()) }
}

/// The value of an enum that was written as its number.
fn one_of<T: Copy>(all: &[T], number: u8) -> T {
    all[usize::from(number).min(all.len() - 1)]
}

fn builtin() -> &'static Builtin {
    static MADE: OnceLock<Builtin> = OnceLock::new();
    MADE.get_or_init(|| {
        let mut from = Reader::unpack(MATCHING, MATCHING_LENGTH);
        let classes = from.list(|r| Class {
            ascii: [u64::from_le_bytes(r.array()), u64::from_le_bytes(r.array())],
            others: r.byte(),
        });
        let ranges = from.list(|r| kept(r.list(|r| (r.number() as u32, r.number() as u32))));
        let begins = from.list(|r| u64::from_le_bytes(r.array()));
        let words = from.bytes();
        let literals = from.list(|r| Literal { windows: r.array(), text: r.text() });
        let mut number = 0;
        let rules = (0..from.number()).map(|_| rule(&mut from, &literals, next(&mut number))).collect();
        let combos = (0..from.number()).map(|_| combo(&mut from, next(&mut number))).collect();
        let tables = Tables { classes: kept(classes), ranges: kept(ranges), begins: kept(begins), words };
        Builtin { rules, combos, literals, tables }
    })
}

fn next(number: &mut u16) -> Words {
    let this = *number;
    *number = number.saturating_add(1);
    Words::Packed(this)
}

fn rule(from: &mut Reader, literals: &[Literal], words: Words) -> Rule {
    let (id, name) = (from.text(), from.text());
    let [category, severity, confidence, persona, kind, places, context, secret] = from.array();
    let langs = from.number() as u32;
    let native = from.text();
    let signals = from.texts();
    let also = from.texts();
    let leads = kept(from.list(|r| {
        let number = r.number();
        let [least, most] = r.array();
        Lead { literal: (number >> 2) as u16, least, most, branches: r.long(), edges: (number & 3) as u8 }
    }));
    let text = |lead: &Lead| literals.get(usize::from(lead.literal)).map_or("", |literal| literal.text);
    Rule {
        id,
        name,
        category: one_of(&Category::ALL, category),
        severity: one_of(&Severity::ALL, severity),
        confidence: one_of(&Confidence::ALL, confidence),
        persona: one_of(&Persona::ALL, persona),
        literals: kept(leads.iter().map(text).collect()),
        leads,
        also,
        needs: kept(from.pairs()),
        program: from.bytes(),
        matcher: match kind {
            0 => Matcher::Literal,
            1 => Matcher::Regex(""),
            2 => Matcher::Native(native),
            _ => Matcher::Check,
        },
        scope: Scope { places, langs },
        context: one_of(&[Context::Demote, Context::Keep], context),
        signals,
        secret: secret != 0,
        words,
    }
}

fn combo(from: &mut Reader, words: Words) -> Combo {
    let (id, name) = (from.text(), from.text());
    let [category, severity, confidence] = from.array();
    Combo {
        id,
        name,
        category: one_of(&Category::ALL, category),
        severity: one_of(&Severity::ALL, severity),
        confidence: one_of(&Confidence::ALL, confidence),
        within: match from.number() {
            0 => Within::Skill,
            1 => Within::File,
            n => Within::Lines((n - 2) as u32),
        },
        all: from.texts(),
        none: from.texts(),
        words,
    }
}

impl RuleSet {
    /// weft's own rules.
    pub fn builtin() -> RuleSet {
        let all = builtin();
        RuleSet { rules: all.rules.iter().collect(), combos: all.combos.iter().collect() }
    }
}

impl Words {
    pub fn get(self) -> &'static Explanation {
        static NOTHING: Explanation =
            Explanation { message: "", remediation: "", references: &[], example: "", counter_example: "" };
        static ALL: OnceLock<Vec<Explanation>> = OnceLock::new();
        match self {
            Words::Here(explanation) => explanation,
            Words::Packed(number) => {
                let all = ALL.get_or_init(|| {
                    Reader::unpack(WORDS, WORDS_LENGTH).list(|r| Explanation {
                        message: r.text(),
                        remediation: r.text(),
                        references: r.texts(),
                        example: r.text(),
                        counter_example: r.text(),
                    })
                });
                all.get(usize::from(number)).unwrap_or(&NOTHING)
            }
        }
    }
}

/// The literals of the built-in rules, by number.
pub fn literals() -> &'static [Literal] {
    &builtin().literals
}

/// The program of a built-in rule, with the classes that all programs share.
pub fn program_of(rule: &Rule) -> Program<'static> {
    Program { code: rule.program, tables: &builtin().tables }
}

/// The pattern of a rule, as its file has it. That of a built-in one is there for the tests, which hold its program
/// against regex-lite; the binary does not carry it.
pub fn pattern_of(rule: &Rule) -> &'static str {
    match rule.matcher {
        Matcher::Regex("") => {
            let at = builtin().rules.binary_search_by(|other| other.id.cmp(rule.id));
            at.ok().and_then(|at| PATTERNS.get(at)).copied().unwrap_or("")
        }
        Matcher::Regex(pattern) => pattern,
        _ => "",
    }
}
