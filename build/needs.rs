//! What a line must have in it for a pattern to match there: derived from the pattern, so that no rule depends on its
//! author having thought of every literal. Only for the build; the binary gets the result.

use super::code::{AT_END, AT_START, AT_WORD};
use super::kinds::{KINDS, kind};
use super::model::Lead as Edges;
use super::program::{self, Node};
use super::trigrams;
use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;

/// Strings that a part of a pattern can be, at most; more are not worth telling apart.
const MOST: usize = 48;
/// Factors that are kept of a row of them.
const FACTORS: usize = 2;

/// In a string that a part of a pattern can be: a word begins or ends here, or the line does.
const BORDER: char = '\u{1}';

/// What a line must contain, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// One of the strings, so far behind where the match starts.
    Any(Vec<Text>, Span),
    All(Vec<Need>),
    Or(Vec<Need>),
}

/// A string, and where it must begin or end a word: see [`Lead::edges`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text {
    text: String,
    edges: u8,
}

impl Text {
    /// A string in which borders are marked.
    fn new(marked: &str) -> Text {
        let text = marked.replace(BORDER, "");
        let mut edges = 0;
        // The other side of a border that does not touch a word is one: that says nothing about what is no word.
        if marked.starts_with(BORDER) && text.bytes().next().is_some_and(is_word) {
            edges |= Edges::BEFORE;
        }
        if marked.ends_with(BORDER) && text.bytes().next_back().is_some_and(is_word) {
            edges |= Edges::AFTER;
        }
        Text { text, edges }
    }

    /// What is known of the edges of a part of it that starts at `at`.
    fn edges_of(&self, part: &str, at: usize) -> u8 {
        let bytes = self.text.as_bytes();
        let end = at + part.len();
        let before = if at == 0 { self.edges & Edges::BEFORE != 0 } else { !is_word(bytes[at - 1]) };
        let after = if end == bytes.len() { self.edges & Edges::AFTER != 0 } else { !is_word(bytes[end]) };
        (u8::from(before) * Edges::BEFORE) | (u8::from(after) * Edges::AFTER)
    }
}

/// How many bytes behind the start of a match something stands: at least, and at most where that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub least: usize,
    pub most: Option<usize>,
}

impl Span {
    const START: Span = Span { least: 0, most: Some(0) };

    /// Behind what is so long.
    fn behind(self, length: Span) -> Span {
        let most = self.most.zip(length.most).map(|(a, b)| a + b);
        Span { least: self.least + length.least, most }
    }

    /// Where either stands.
    pub fn with(self, other: Span) -> Span {
        let most = self.most.zip(other.most).map(|(a, b)| a.max(b));
        Span { least: self.least.min(other.least), most }
    }

    fn of(node: &Node) -> Span {
        Span { least: program::least(node), most: program::most(node) }
    }
}

/// A literal that leads to a branch of a pattern.
pub struct Lead {
    /// Its place in the list of literals.
    pub literal: usize,
    /// Where it stands in a match.
    pub span: Span,
    /// Where no byte of a word stands next to it: `model::Lead::BEFORE` and `model::Lead::AFTER`.
    pub edges: u8,
}

struct Info {
    /// Everything the part can match, if that is little.
    exact: Option<Vec<String>>,
    need: Option<Need>,
    /// What the part begins with, where that is one of few characters.
    first: Option<Vec<String>>,
}

/// What a pattern needs, or `None` where it needs nothing in particular.
pub fn of(node: &Node) -> Option<Need> {
    let info = info(node);
    info.exact.and_then(|e| any(&e, 2, Span::START)).or(info.need)
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

/// Which of the literals stand where the need is met: in every match of a branch one of them at least, where it says.
pub fn leads(need: &Need, literals: &[String]) -> Option<Vec<Lead>> {
    match need {
        Need::Any(list, span) => list
            .iter()
            .map(|s| {
                // The longest says most.
                let inside = literals.iter().enumerate().filter(|(_, l)| s.text.contains(l.as_str()));
                let (literal, text) = inside.max_by_key(|(_, l)| l.len())?;
                let at = s.text.find(text.as_str())?;
                let span = span.behind(Span { least: at, most: Some(at) });
                Some(Lead { literal, span, edges: s.edges_of(text, at) })
            })
            .collect(),
        Need::All(list) => {
            let best = list.iter().filter(|n| covered(n, literals)).min_by_key(|n| cost(n, &[]))?;
            leads(best, literals)
        }
        Need::Or(list) => {
            let all: Option<Vec<Vec<Lead>>> = list.iter().map(|n| leads(n, literals)).collect();
            Some(all?.into_iter().flatten().collect())
        }
    }
}

/// What is left of a need on a line that has one of the literals which lead to it: the parts that they say nothing of.
pub fn rest(need: &Need, literals: &[String]) -> Option<Need> {
    match need {
        Need::Any(list, _) => (!list.iter().all(|s| literals.contains(&s.text))).then(|| need.clone()),
        Need::All(list) => {
            let best = list.iter().filter(|n| covered(n, literals)).min_by_key(|n| cost(n, &[]));
            let mut left: Vec<Need> = list
                .iter()
                .filter_map(|n| if Some(n) == best { rest(n, literals) } else { Some(n.clone()) })
                .collect();
            match left.len() {
                0 | 1 => left.pop(),
                _ => Some(Need::All(left)),
            }
        }
        Need::Or(_) => Some(need.clone()),
    }
}

/// Does every line that meets the need have one of the literals?
fn covered(need: &Need, literals: &[String]) -> bool {
    match need {
        Need::Any(list, _) => list.iter().all(|s| literals.iter().any(|l| s.text.contains(l.as_str()))),
        Need::All(list) => list.iter().any(|n| covered(n, literals)),
        Need::Or(list) => list.iter().all(|n| covered(n, literals)),
    }
}

fn complete(need: &Need, declared: &[String], out: &mut Vec<String>) {
    if covered(need, declared) {
        return;
    }
    match need {
        Need::Any(list, _) => {
            let texts = list.iter().map(|s| &s.text);
            out.extend(texts.filter(|s| !declared.iter().any(|d| s.contains(d.as_str()))).cloned());
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
        Need::Any(list, _) => list
            .iter()
            .filter(|s| !declared.iter().any(|d| s.text.contains(d.as_str())))
            .map(|s| frequency(&s.text))
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
    if bytes.len() < 2 {
        // Nothing to look for in every text; only to tell lines apart.
        return 1 << 40;
    }
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

/// The strings have their borders marked.
fn any(strings: &[String], least: usize, span: Span) -> Option<Need> {
    any_of(strings.iter().map(|s| Text::new(s)).collect(), least, span)
}

fn any_of(mut texts: Vec<Text>, least: usize, span: Span) -> Option<Need> {
    let tells = |s: &Text| s.text.len() >= least || matches!(s.text.as_bytes(), [b] if trigrams::is_mark(*b));
    if !texts.iter().all(tells) || texts.is_empty() {
        return None;
    }
    texts.sort();
    let has = |s: &Text, part: &Text| s.text != part.text && s.text.contains(&part.text);
    let (kept, longer): (Vec<Text>, Vec<Text>) =
        texts.iter().cloned().partition(|s| !texts.iter().any(|o| has(s, o)));
    let mut all: Vec<Text> = Vec::new();
    for text in kept {
        match all.last_mut().filter(|last| last.text == text.text) {
            Some(last) => last.edges &= text.edges,
            None => all.push(text),
        }
    }
    // What is found by a part of it may start before that part.
    let mut further = 0;
    for s in &longer {
        for part in &mut all {
            if let Some(at) = s.text.find(&part.text) {
                further = further.max(at);
                part.edges &= s.edges_of(&part.text, at);
            }
        }
    }
    let span = span.with(span.behind(Span { least: 0, most: Some(further) }));
    Some(Need::Any(all, span))
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn info(node: &Node) -> Info {
    let exactly = |strings| Info { exact: Some(strings), need: None, first: None };
    match node {
        Node::Look(AT_START | AT_END | AT_WORD) => exactly(vec![BORDER.to_string()]),
        Node::Nothing | Node::Look(_) => exactly(vec![String::new()]),
        Node::Literal { text, .. } => exactly(vec![text.to_ascii_lowercase()]),
        Node::Class(set) => {
            let mut chars = BTreeSet::new();
            for (from, to) in set {
                if to - from > 26 {
                    return Info { exact: None, need: None, first: None };
                }
                // A line has no line feed in it.
                let range = (*from..=*to).filter_map(char::from_u32).filter(|c| *c != '\n');
                chars.extend(range.map(|c| c.to_ascii_lowercase()));
            }
            let exact = (1..=12).contains(&chars.len()).then(|| chars.iter().map(char::to_string).collect());
            Info { exact, need: None, first: None }
        }
        Node::Repeat { node, least: min, most: max, .. } => {
            let sub = info(node);
            // A blank or two, or none: each of them is a string of its own.
            if let (Some(one), Some(max)) = (&sub.exact, max)
                && let [one] = one.as_slice()
                && *max <= 3
                && *max > 1
                && min < max
            {
                let exact = (*min..=*max).map(|count| one.repeat(count as usize)).collect();
                return Info { exact: Some(exact), need: None, first: None };
            }
            if *min == 0 {
                let exact = (*max == Some(1))
                    .then_some(sub.exact)
                    .flatten()
                    .map(|e| std::iter::once(String::new()).chain(e).collect());
                return Info { exact, need: None, first: None };
            }
            // So many times at least, as far as that stays one of few strings.
            let mut least = sub.exact.clone();
            for _ in 1..(*min).min(16) {
                least = least.zip(sub.exact.as_ref()).and_then(|(a, b)| cross(&a, b));
            }
            if *max == Some(*min) && *min <= 16 && least.is_some() {
                return Info { exact: least, need: sub.need, first: None };
            }
            let first = sub
                .first
                .clone()
                .or_else(|| sub.exact.clone())
                .filter(|e| e.iter().all(|s| s.chars().any(|c| c != BORDER)));
            Info {
                exact: None,
                need: least.or(sub.exact).and_then(|e| any(&e, 2, Span::START)).or(sub.need),
                first,
            }
        }
        Node::Row(list) => concat(list),
        Node::Either(list) => alternation(list),
    }
}

fn concat(list: &[Node]) -> Info {
    let mut factors: Vec<Need> = Vec::new();
    let mut run = vec![String::new()];
    let mut whole = true;
    // Where the run starts, and where the next part does.
    let (mut run_at, mut at) = (Span::START, Span::START);
    for node in list {
        let part = info(node);
        let next = at.behind(Span::of(node));
        match part.exact {
            Some(exact) => match cross(&run, &exact) {
                Some(longer) => run = longer,
                None => {
                    whole = false;
                    factors.extend(any(&run, 2, run_at));
                    run = exact;
                    run_at = at;
                }
            },
            None => {
                whole = false;
                // A short word is known better with the blank behind it.
                let short = run.iter().any(|s| s.chars().filter(|c| *c != BORDER).count() < 4);
                let longer = part.first.filter(|_| short).and_then(|f| cross(&run, &f));
                factors.extend(longer.and_then(|l| any(&l, 2, run_at)).or_else(|| any(&run, 2, run_at)));
                factors.extend(part.need.map(|need| behind(need, at)));
                run = vec![String::new()];
                run_at = next;
            }
        }
        at = next;
    }
    let first = list.first().map(info).and_then(|i| i.first);
    if whole {
        return Info { exact: Some(run), need: None, first: None };
    }
    factors.extend(any(&run, 2, run_at));
    factors.sort_by_key(|n| cost(n, &[]));
    factors.dedup();
    // A mark tells something beside them.
    let mark = |n: &Need| matches!(n, Need::Any(list, _) if list.iter().any(|s| s.text.len() < 2));
    let marks = factors.iter().position(mark).unwrap_or(factors.len());
    let extra = factors.get(marks).filter(|_| marks >= FACTORS).cloned();
    factors.truncate(FACTORS);
    factors.extend(extra);
    let need = match factors.len() {
        0 => None,
        1 => factors.pop(),
        _ => Some(Need::All(factors)),
    };
    Info { exact: None, need, first }
}

fn alternation(list: &[Node]) -> Info {
    let parts: Vec<Info> = list.iter().map(info).collect();
    let all: Option<Vec<Vec<String>>> = parts.iter().map(|p| p.exact.clone()).collect();
    if let Some(all) = all {
        let strings: Vec<String> = all.into_iter().flatten().collect();
        if strings.len() <= MOST {
            return Info { exact: Some(strings), need: None, first: None };
        }
        return Info { exact: None, need: any(&strings, 2, Span::START), first: None };
    }
    let mut words: Vec<Text> = Vec::new();
    let mut span: Option<Span> = None;
    let mut needs: Vec<Need> = Vec::new();
    for part in parts {
        match part.exact.and_then(|e| any(&e, 2, Span::START)).or(part.need) {
            None => return Info { exact: None, need: None, first: None },
            Some(Need::Any(list, at)) => {
                words.extend(list);
                span = Some(span.map_or(at, |span| span.with(at)));
            }
            Some(Need::Or(list)) => needs.extend(list),
            Some(need) => needs.push(need),
        }
    }
    needs.extend(span.and_then(|span| any_of(words, 2, span)));
    let need = if needs.len() == 1 { needs.pop() } else { Some(Need::Or(needs)) };
    Info { exact: None, need, first: None }
}

/// The need of a part that starts there.
fn behind(need: Need, at: Span) -> Need {
    match need {
        Need::Any(list, span) => Need::Any(list, at.behind(span)),
        Need::All(list) => Need::All(list.into_iter().map(|n| behind(n, at)).collect()),
        Need::Or(list) => Need::Or(list.into_iter().map(|n| behind(n, at)).collect()),
    }
}

/// Every string of one after every string of the other.
fn cross(a: &[String], b: &[String]) -> Option<Vec<String>> {
    if a.len() * b.len() > MOST {
        return None;
    }
    let joined: BTreeSet<String> = a.iter().flat_map(|x| b.iter().map(move |y| format!("{x}{y}"))).collect();
    Some(joined.into_iter().collect())
}

/// The need of a branch as numbers, for `scan::trigrams` to read: how many follow, then a head of kind and length, then the
/// entries. A string is the rarest of its trigrams; of two bytes or one, each counts if it is a mark that few lines have.
pub fn pack(need: Option<&Need>, out: &mut Vec<u16>) {
    let at = out.len();
    out.push(0);
    if let Some(need) = need {
        pack_part(need, out);
    }
    out[at] = (out.len() - at - 1) as u16;
}

fn pack_part(need: &Need, out: &mut Vec<u16>) {
    match need {
        Need::Any(list, _) => {
            let packed: Option<BTreeSet<u16>> = list.iter().map(|l| rarest(l.text.as_bytes())).collect();
            // Where one of them cannot be told, any line may have it.
            let packed = packed.unwrap_or_default();
            out.push(trigrams::head(trigrams::ANY, packed.len()));
            out.extend(packed);
        }
        Need::All(list) | Need::Or(list) => {
            let kind = if matches!(need, Need::All(_)) { trigrams::ALL } else { trigrams::OR };
            out.push(trigrams::head(kind, list.len()));
            for need in list {
                pack_part(need, out);
            }
        }
    }
}

fn rarest(literal: &[u8]) -> Option<u16> {
    let rate = |t: &&[u8]| frequencies().get(*t).copied().unwrap_or(0);
    match literal.windows(3).min_by_key(rate) {
        Some(rarest) => Some(trigrams::number(rarest.try_into().ok()?)),
        None => literal.iter().find(|b| trigrams::is_mark(**b)).map(|b| trigrams::mark(*b)),
    }
}

/// Where the windows of a literal start that are the rarest at even and at odd places of it; 0 where it has no four bytes.
pub fn rarest_windows(literal: &[u8]) -> [u8; 2] {
    if literal.len() < 4 {
        return [0; 2];
    }
    let rate = |at: &usize| {
        let bytes = &literal[*at..literal.len().min(*at + 4)];
        let text: String = bytes.iter().map(|b| char::from(*b)).collect();
        if text.is_ascii() { frequency(&text) } else { 0 }
    };
    let last = (literal.len() - 3).min(usize::from(u8::MAX - 1));
    [0, 1].map(|parity| (parity..=last).step_by(2).min_by_key(rate).unwrap_or(parity) as u8)
}

/// How common pairs of bytes are, by their kinds: twelve times the binary logarithm of how often one of them stands in a
/// million bytes.
pub fn pairs() -> Vec<u8> {
    let mut sums = [0f64; KINDS * KINDS];
    let mut counts = [0f64; KINDS * KINDS];
    for a in 0..128u8 {
        for b in 0..128u8 {
            // Counted with upper case folded.
            if !a.is_ascii_uppercase() && !b.is_ascii_uppercase() {
                let both = kind(a) * KINDS + kind(b);
                sums[both] += f64::from(frequencies().get(&[a, b][..]).copied().unwrap_or(0));
                counts[both] += 1.0;
            }
        }
    }
    sums.iter().zip(counts).map(|(sum, count)| (12.0 * (1.0 + sum / count.max(1.0)).log2()) as u8).collect()
}
