//! What a line must have in it for a pattern to match there: derived from the pattern, so that no rule depends on its
//! author having thought of every literal. Only for the build; the binary gets the result.

use super::trigrams;
use regex_syntax::hir::{Class, Hir, HirKind};
use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;

/// Strings that a part of a pattern can be, at most; more are not worth telling apart.
const MOST: usize = 48;
/// Factors that are kept of a row of them.
const FACTORS: usize = 2;

/// What a line must contain, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    Any(Vec<String>),
    All(Vec<Need>),
    Or(Vec<Need>),
}

struct Info {
    /// Everything the part can match, if that is little.
    exact: Option<Vec<String>>,
    need: Option<Need>,
    /// What the part begins with, where that is one of few characters.
    first: Option<Vec<String>>,
}

/// What a pattern needs, or `None` where it needs nothing in particular.
pub fn of(pattern: &str) -> Result<Option<Need>, String> {
    let hir = regex_syntax::Parser::new().parse(pattern).map_err(|e| e.to_string())?;
    let info = info(&hir);
    Ok(info.exact.and_then(|e| any(&e, 2)).or(info.need))
}

/// Literals of which every match has one: the declared ones with what has to be added to them, or others that are rarer.
pub fn literals(need: &Need, declared: &[String]) -> Vec<String> {
    // The author's choice stands only where it is the rarer one.
    let theirs = declared.iter().map(|l| frequency(l)).sum::<u64>().saturating_add(cost(need, declared));
    let declared = if theirs <= cost(need, &[]) { declared } else { &[] };
    let mut out: Vec<String> = declared.to_vec();
    complete(need, declared, &mut out);
    let all: BTreeSet<String> = out.into_iter().collect();
    // What contains another literal is found by that one.
    all.iter().filter(|l| !all.iter().any(|o| o != *l && l.contains(o.as_str()))).cloned().collect()
}

/// Does every line that meets the need have one of the literals?
fn covered(need: &Need, literals: &[String]) -> bool {
    match need {
        Need::Any(list) => list.iter().all(|s| literals.iter().any(|l| s.contains(l.as_str()))),
        Need::All(list) => list.iter().any(|n| covered(n, literals)),
        Need::Or(list) => list.iter().all(|n| covered(n, literals)),
    }
}

fn complete(need: &Need, declared: &[String], out: &mut Vec<String>) {
    if covered(need, declared) {
        return;
    }
    match need {
        Need::Any(list) => {
            out.extend(list.iter().filter(|s| !declared.iter().any(|d| s.contains(d.as_str()))).cloned());
        }
        Need::All(list) => {
            let best = list.iter().min_by_key(|n| cost(n, declared));
            if let Some(best) = best {
                complete(best, declared, out);
            }
        }
        Need::Or(list) => list.iter().for_each(|n| complete(n, declared, out)),
    }
}

/// How often a need is met by ordinary text, roughly; what is declared costs nothing more.
fn cost(need: &Need, declared: &[String]) -> u64 {
    match need {
        Need::Any(list) => list
            .iter()
            .filter(|s| !declared.iter().any(|d| s.contains(d.as_str())))
            .map(|s| frequency(s))
            .sum(),
        Need::All(list) => list.iter().map(|n| cost(n, declared)).min().unwrap_or(u64::MAX),
        Need::Or(list) => list.iter().map(|n| cost(n, declared)).fold(0, u64::saturating_add),
    }
}

/// About how often a lower-case string stands in ten thousand million bytes of ordinary text, by the pairs and triples of
/// bytes it is made of, and what looking for it costs besides.
fn frequency(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let table = frequencies();
    let pair = |i: usize| table.get(&bytes[i..i + 2]).copied().unwrap_or(4) as f64;
    let triple = |i: usize| table.get(&bytes[i..i + 3]).copied().unwrap_or(6) as f64;
    let mut rate = if bytes.len() < 3 { pair(0) } else { triple(0) };
    for i in 1..bytes.len().saturating_sub(2) {
        // How often the third byte follows when the two before it do.
        rate *= (triple(i) / pair(i).max(1.0)).min(1.0);
    }
    // Two bytes need a pass of their own over every text, three a look of their own at every byte.
    let besides = match bytes.len() {
        0..=2 => 50_000_000,
        3 => 500_000,
        _ => 2_000,
    };
    (rate * 10_000.0) as u64 + besides
}

/// `frequencies.txt`: pairs and triples of bytes, and how often each stands in a million bytes.
fn frequencies() -> &'static HashMap<Vec<u8>, u32> {
    static TABLE: OnceLock<HashMap<Vec<u8>, u32>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let lines = include_str!("frequencies.txt").lines().filter(|line| !line.starts_with('#'));
        let entries = lines.filter_map(|line| {
            let (key, count) = line.rsplit_once(' ')?;
            let mut bytes = Vec::new();
            let mut rest = key;
            while let Some(first) = rest.bytes().next() {
                let hex = (first == b'%').then(|| rest.get(1..3)).flatten();
                match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                    Some(byte) => {
                        bytes.push(byte);
                        rest = rest.get(3..)?;
                    }
                    None => {
                        bytes.push(first);
                        rest = rest.get(1..)?;
                    }
                }
            }
            Some((bytes, count.parse().ok()?))
        });
        entries.collect()
    })
}

fn any(strings: &[String], least: usize) -> Option<Need> {
    if strings.is_empty() || strings.iter().any(|s| s.len() < least) {
        return None;
    }
    let set: BTreeSet<&String> = strings.iter().collect();
    let kept = set.iter().filter(|s| !set.iter().any(|o| o != *s && s.contains(o.as_str())));
    Some(Need::Any(kept.map(|s| (**s).clone()).collect()))
}

fn info(hir: &Hir) -> Info {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {
            Info { exact: Some(vec![String::new()]), need: None, first: None }
        }
        HirKind::Literal(literal) => {
            let text = String::from_utf8_lossy(&literal.0).to_ascii_lowercase();
            Info { exact: Some(vec![text]), need: None, first: None }
        }
        HirKind::Class(Class::Unicode(class)) => {
            let mut chars = BTreeSet::new();
            // Blanks and digits are ASCII to the matcher, and a line has no line feed in it.
            let space = class.ranges().iter().any(|r| matches!(r.start(), '\u{1680}' | '\u{660}'));
            for range in class.ranges() {
                if (!space || range.start().is_ascii())
                    && u32::from(range.end()) - u32::from(range.start()) > 16
                {
                    return Info { exact: None, need: None, first: None };
                }
                // The matcher folds ASCII only, so the Kelvin sign and the long s are no k and s.
                let plain = (range.start()..=range.end()).filter(|c| !matches!(c, '\u{212a}' | '\u{17f}'));
                chars.extend(
                    plain.filter(|c| *c != '\n' && (!space || c.is_ascii())).map(|c| c.to_ascii_lowercase()),
                );
            }
            let exact = (1..=12).contains(&chars.len()).then(|| chars.iter().map(char::to_string).collect());
            Info { exact, need: None, first: None }
        }
        HirKind::Class(Class::Bytes(_)) => Info { exact: None, need: None, first: None },
        HirKind::Capture(capture) => info(&capture.sub),
        HirKind::Repetition(repetition) => {
            let sub = info(&repetition.sub);
            if repetition.min == 0 {
                let exact = (repetition.max == Some(1))
                    .then_some(sub.exact)
                    .flatten()
                    .map(|e| std::iter::once(String::new()).chain(e).collect());
                return Info { exact, need: None, first: None };
            }
            // So many times at least, as far as that stays one of few strings.
            let mut least = sub.exact.clone();
            for _ in 1..repetition.min.min(16) {
                least = least.zip(sub.exact.as_ref()).and_then(|(a, b)| cross(&a, b));
            }
            if repetition.max == Some(repetition.min) && repetition.min <= 16 && least.is_some() {
                return Info { exact: least, need: sub.need, first: None };
            }
            let first =
                sub.first.clone().or_else(|| sub.exact.clone()).filter(|e| e.iter().all(|s| !s.is_empty()));
            Info { exact: None, need: least.or(sub.exact).and_then(|e| any(&e, 2)).or(sub.need), first }
        }
        HirKind::Concat(list) => concat(list),
        HirKind::Alternation(list) => alternation(list),
    }
}

fn concat(list: &[Hir]) -> Info {
    let mut factors: Vec<Need> = Vec::new();
    let mut run = vec![String::new()];
    let mut whole = true;
    for hir in list {
        let part = info(hir);
        match part.exact {
            Some(exact) => match cross(&run, &exact) {
                Some(longer) => run = longer,
                None => {
                    whole = false;
                    factors.extend(any(&run, 2));
                    run = exact;
                }
            },
            None => {
                whole = false;
                // A short word is known better with the blank behind it.
                let short = run.iter().any(|s| s.len() < 4);
                let longer = part.first.filter(|_| short).and_then(|f| cross(&run, &f));
                factors.extend(longer.and_then(|l| any(&l, 2)).or_else(|| any(&run, 2)));
                factors.extend(part.need);
                run = vec![String::new()];
            }
        }
    }
    let first = list.first().map(info).and_then(|i| i.first);
    if whole {
        return Info { exact: Some(run), need: None, first: None };
    }
    factors.extend(any(&run, 2));
    factors.sort_by_key(|n| cost(n, &[]));
    factors.dedup();
    factors.truncate(FACTORS);
    let need = match factors.len() {
        0 => None,
        1 => factors.pop(),
        _ => Some(Need::All(factors)),
    };
    Info { exact: None, need, first }
}

fn alternation(list: &[Hir]) -> Info {
    let parts: Vec<Info> = list.iter().map(info).collect();
    let all: Option<Vec<Vec<String>>> = parts.iter().map(|p| p.exact.clone()).collect();
    if let Some(all) = all {
        let strings: Vec<String> = all.into_iter().flatten().collect();
        if strings.len() <= MOST {
            return Info { exact: Some(strings), need: None, first: None };
        }
        return Info { exact: None, need: any(&strings, 2), first: None };
    }
    let mut words: Vec<String> = Vec::new();
    let mut needs: Vec<Need> = Vec::new();
    for part in parts {
        match part.exact.and_then(|e| any(&e, 2)).or(part.need) {
            None => return Info { exact: None, need: None, first: None },
            Some(Need::Any(list)) => words.extend(list),
            Some(Need::Or(list)) => needs.extend(list),
            Some(need) => needs.push(need),
        }
    }
    needs.extend(any(&words, 2));
    let need = if needs.len() == 1 { needs.pop() } else { Some(Need::Or(needs)) };
    Info { exact: None, need, first: None }
}

/// Every string of one after every string of the other.
fn cross(a: &[String], b: &[String]) -> Option<Vec<String>> {
    if a.len() * b.len() > MOST {
        return None;
    }
    let joined: BTreeSet<String> = a.iter().flat_map(|x| b.iter().map(move |y| format!("{x}{y}"))).collect();
    Some(joined.into_iter().collect())
}

/// The need as numbers, for `scan::trigrams` to read: a head of kind and length, then the entries. A literal is the rarest
/// of its trigrams; one too short for any is left out with all that could stand for it.
pub fn pack(need: &Need, out: &mut Vec<u16>) {
    match need {
        Need::Any(list) => {
            let packed: Option<BTreeSet<u16>> = list.iter().map(|l| rarest(l.as_bytes())).collect();
            // Where one of them cannot be told, any line may have it.
            let packed = packed.unwrap_or_default();
            out.push(trigrams::head(trigrams::ANY, packed.len()));
            out.extend(packed);
        }
        Need::All(list) | Need::Or(list) => {
            let kind = if matches!(need, Need::All(_)) { trigrams::ALL } else { trigrams::OR };
            out.push(trigrams::head(kind, list.len()));
            for need in list {
                pack(need, out);
            }
        }
    }
}

fn rarest(literal: &[u8]) -> Option<u16> {
    let rate = |t: &&[u8]| frequencies().get(*t).copied().unwrap_or(0);
    let rarest = literal.windows(3).min_by_key(rate)?;
    Some(trigrams::number(rarest.try_into().ok()?))
}

/// Where the four bytes of a literal start that are the rarest of it; 0 where it has no more.
pub fn rarest_window(literal: &[u8]) -> u8 {
    let rate = |at: &usize| {
        let bytes = &literal[*at..*at + 4];
        let text: String = bytes.iter().map(|b| char::from(*b)).collect();
        if text.is_ascii() { frequency(&text) } else { 0 }
    };
    let last = literal.len().saturating_sub(4).min(usize::from(u8::MAX));
    if literal.len() < 4 {
        return 0;
    }
    (0..=last).min_by_key(rate).unwrap_or(0) as u8
}
