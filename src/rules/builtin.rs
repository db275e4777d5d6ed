//! The built-in rules: a table that `build.rs` generates from `rules/*.toml`. The table has no pointers (see there why);
//! the first use turns its rows into rules, which takes no parsing and allocates three times.

use super::*;
use crate::scan::program::{Program, code::Class};
use std::sync::OnceLock;

include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// A string in [`TEXT`]: its start, and its length in the low bits.
type Packed = u32;
/// A list in [`LISTS`]: its start and its length.
type PackedList = (u32, usize);

#[derive(Clone, Copy)]
#[allow(dead_code)]
enum Kind {
    Literal,
    Regex,
    Native,
    Check,
}

/// A [`Rule`] without pointers.
struct RuleRow {
    id: Packed,
    name: Packed,
    category: Category,
    severity: Severity,
    confidence: Confidence,
    persona: Persona,
    literals: PackedList,
    also: PackedList,
    needs: PackedList,
    program: PackedList,
    kind: Kind,
    pattern: Packed,
    scope: Scope,
    context: Context,
    signals: PackedList,
    secret: bool,
    message: Packed,
    remediation: Packed,
    references: PackedList,
    example: Packed,
    counter_example: Packed,
}

/// A [`Combo`] without pointers.
struct ComboRow {
    id: Packed,
    name: Packed,
    category: Category,
    severity: Severity,
    confidence: Confidence,
    all: PackedList,
    none: PackedList,
    within: Within,
    message: Packed,
    remediation: Packed,
    references: PackedList,
    example: Packed,
    counter_example: Packed,
}

fn text(packed: Packed) -> &'static str {
    let start = (packed >> LENGTH_BITS) as usize;
    let length = (packed & ((1 << LENGTH_BITS) - 1)) as usize;
    TEXT.get(start..start + length).unwrap_or("")
}

/// The entries of all lists, made once.
fn lists() -> &'static [&'static str] {
    static ALL: OnceLock<Vec<&'static str>> = OnceLock::new();
    ALL.get_or_init(|| LISTS.iter().map(|packed| text(*packed)).collect())
}

fn list((start, length): PackedList) -> &'static [&'static str] {
    lists().get(start as usize..start as usize + length).unwrap_or(&[])
}

fn needs((start, length): PackedList) -> &'static [u32] {
    NEEDS.get(start as usize..start as usize + length).unwrap_or(&[])
}

fn program((start, length): PackedList) -> &'static [u8] {
    PROGRAMS.get(start as usize..start as usize + length).unwrap_or(&[])
}

fn rule(row: &RuleRow) -> Rule {
    Rule {
        id: text(row.id),
        name: text(row.name),
        category: row.category,
        severity: row.severity,
        confidence: row.confidence,
        persona: row.persona,
        literals: list(row.literals),
        also: list(row.also),
        needs: needs(row.needs),
        program: program(row.program),
        matcher: match row.kind {
            Kind::Literal => Matcher::Literal,
            Kind::Regex => Matcher::Regex(text(row.pattern)),
            Kind::Native => Matcher::Native(text(row.pattern)),
            Kind::Check => Matcher::Check,
        },
        scope: row.scope,
        context: row.context,
        signals: list(row.signals),
        secret: row.secret,
        message: text(row.message),
        remediation: text(row.remediation),
        references: list(row.references),
        example: text(row.example),
        counter_example: text(row.counter_example),
    }
}

fn combo(row: &ComboRow) -> Combo {
    Combo {
        id: text(row.id),
        name: text(row.name),
        category: row.category,
        severity: row.severity,
        confidence: row.confidence,
        all: list(row.all),
        none: list(row.none),
        within: row.within,
        message: text(row.message),
        remediation: text(row.remediation),
        references: list(row.references),
        example: text(row.example),
        counter_example: text(row.counter_example),
    }
}

impl RuleSet {
    /// weft's own rules.
    pub fn builtin() -> RuleSet {
        static MADE: OnceLock<(Vec<Rule>, Vec<Combo>)> = OnceLock::new();
        let (rules, combos) =
            MADE.get_or_init(|| (RULES.iter().map(rule).collect(), COMBOS.iter().map(combo).collect()));
        RuleSet { rules: rules.iter().collect(), combos: combos.iter().collect() }
    }
}

/// The program of a built-in rule, with the classes that all programs share.
pub fn program_of(rule: &Rule) -> Program<'static> {
    Program { code: rule.program, classes: &CLASSES, ranges: &RANGES }
}
