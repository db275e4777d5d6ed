//! Compiles patterns to the byte code of `src/scan/program`. What a pattern means is what regex-lite says it means
//! (ASCII classes and case, leftmost-first); `tests/engine_equivalence.rs` holds the two against each other.

use super::code::*;
use regex_syntax::ast::{self, Ast};
use std::collections::BTreeMap;

/// Most bytes of one program: a jump has to reach across it.
const LARGEST: usize = 30_000;

/// What all programs share.
#[derive(Default)]
pub struct Programs {
    pub classes: Vec<Class>,
    known: BTreeMap<Class, u8>,
    /// The ranges of classes with characters beyond ASCII.
    pub ranges: Vec<Vec<(u32, u32)>>,
    pub begins: Vec<Begin>,
    known_begins: BTreeMap<Begin, u16>,
    /// Lists of words, one after the other.
    pub words: Vec<u8>,
    known_words: BTreeMap<Vec<String>, u16>,
}

/// Characters as sorted ranges that do not touch.
pub type Set = Vec<(u32, u32)>;

/// A pattern taken apart.
#[derive(Clone, Debug)]
pub enum Node {
    Nothing,
    Literal { text: String, folded: bool },
    Class(Set),
    Look(u8),
    Repeat { node: Box<Node>, least: u32, most: Option<u32>, greedy: bool },
    Row(Vec<Node>),
    Either(Vec<Node>),
}

#[derive(Clone, Copy)]
struct Flags {
    fold: bool,
    dot_all: bool,
    lazy: bool,
}

impl Programs {
    /// The program of the branches of a pattern.
    pub fn compile(&mut self, branches: &[Node]) -> Result<Vec<u8>, String> {
        let least = branches.iter().map(least).min().unwrap_or(0);
        if least == 0 {
            return Err("it matches nothing at all as well".to_owned());
        }
        let flags = if branches.iter().all(anchored) { ANCHORED } else { 0 };
        let mut code = vec![flags, least.min(255) as u8, branches.len() as u8];
        code.resize(HEADER + branches.len() * BRANCH_ENTRY, 0);
        for (i, branch) in branches.iter().enumerate() {
            let (set, may_be_empty) = first(branch);
            let begin = self.begin(&set, may_be_empty)?;
            let start = u16::try_from(code.len()).map_err(|_| "its program is too large")?;
            let entry = HEADER + i * BRANCH_ENTRY;
            code[entry..entry + 2].copy_from_slice(&begin.to_le_bytes());
            code[entry + 2..entry + 4].copy_from_slice(&start.to_le_bytes());
            self.emit(branch, None, &mut code)?;
            code.push(MATCH);
        }
        if code.len() > LARGEST {
            return Err(format!("its program has {} bytes", code.len()));
        }
        Ok(code)
    }

    fn class(&mut self, set: &Set) -> Result<u8, String> {
        let mut ascii = [0u64; 2];
        let mut others: Set = Vec::new();
        for &(from, to) in set {
            for c in from..=to.min(0x7f) {
                ascii[(c >> 6) as usize] |= 1 << (c & 63);
            }
            if to > 0x7f {
                others.push((from.max(0x80), to));
            }
        }
        let others = match others.as_slice() {
            [] => NO_OTHERS,
            [(0x80, 0x10_ffff)] => ALL_OTHERS,
            _ => {
                let at = self.ranges.iter().position(|r| *r == others).unwrap_or_else(|| {
                    self.ranges.push(others);
                    self.ranges.len() - 1
                });
                u8::try_from(at + 2).map_err(|_| "too many lists of ranges")?
            }
        };
        let class = Class { ascii, others };
        if let Some(known) = self.known.get(&class) {
            return Ok(*known);
        }
        let number = u8::try_from(self.classes.len()).map_err(|_| "too many classes")?;
        self.classes.push(class);
        self.known.insert(class, number);
        Ok(number)
    }

    fn begin(&mut self, first: &Set, may_be_empty: bool) -> Result<u16, String> {
        if may_be_empty {
            return Ok(ANYTHING);
        }
        let mut begin: Begin = 0;
        for &(from, to) in first {
            for c in from..=to.min(0x7f) {
                begin |= 1 << begin_slot(c as u8);
            }
            if to > 0x7f {
                begin |= 1 << begin_slot(0xff);
            }
        }
        if let Some(known) = self.known_begins.get(&begin) {
            return Ok(*known);
        }
        let number = u16::try_from(self.begins.len()).map_err(|_| "too many beginnings")?;
        self.begins.push(begin);
        self.known_begins.insert(begin, number);
        Ok(number)
    }

    /// What a branch begins with.
    fn begin_of(&mut self, node: &Node, after: Option<&Set>) -> Result<u16, String> {
        let (set, empty) = then(first(node), after);
        self.begin(&set, empty)
    }

    /// The number of a list of words.
    fn word_list(&mut self, words: Vec<String>) -> Result<u16, String> {
        if let Some(known) = self.known_words.get(&words) {
            return Ok(*known);
        }
        self.words.resize(self.words.len().next_multiple_of(WORD_UNIT), 0);
        let number = u16::try_from(self.words.len() / WORD_UNIT).map_err(|_| "too many words")?;
        let length: usize = words.iter().map(|word| word.len() + 1).sum();
        self.words.extend(u16::try_from(length).map_err(|_| "too many words")?.to_le_bytes());
        for word in &words {
            self.words.push(word.len() as u8);
            self.words.extend(word.as_bytes());
        }
        self.known_words.insert(words, number);
        Ok(number)
    }

    /// `after`: what can come first in what follows; none if that may be nothing.
    fn emit(&mut self, node: &Node, after: Option<&Set>, code: &mut Vec<u8>) -> Result<(), String> {
        match node {
            Node::Nothing => {}
            Node::Literal { text, folded } => {
                for piece in text.as_bytes().chunks(255) {
                    code.push(if *folded { FOLDED } else { LITERAL });
                    code.push(piece.len() as u8);
                    code.extend(piece);
                }
            }
            Node::Class(set) => {
                code.extend([CLASS, self.class(set)?]);
            }
            Node::Look(kind) => code.push(*kind),
            Node::Row(nodes) => {
                // What follows each is known once what follows the next is.
                let mut afters: Vec<Option<Set>> = vec![after.cloned()];
                for node in nodes.iter().skip(1).rev() {
                    let (set, empty) = then(first(node), afters.last().and_then(Option::as_ref));
                    afters.push(if empty { None } else { Some(set) });
                }
                for (node, after) in nodes.iter().zip(afters.iter().rev()) {
                    self.emit(node, after.as_ref(), code)?;
                }
            }
            Node::Either(_) | Node::Repeat { .. } if let Some((words, folded)) = words(node) => {
                code.push(if folded { WORDS_FOLDED } else { WORDS });
                code.extend(self.word_list(words)?.to_le_bytes());
            }
            Node::Either(nodes) => {
                let mut ends = Vec::new();
                for (i, node) in nodes.iter().enumerate() {
                    if starts_with_literal(node) {
                        code.push(BRANCH_LITERAL);
                    } else {
                        code.push(BRANCH);
                        code.extend(self.begin_of(node, after)?.to_le_bytes());
                    }
                    let next = hole(code);
                    self.emit(node, after, code)?;
                    if i + 1 < nodes.len() {
                        code.push(JUMP);
                        ends.push(hole(code));
                        fill(code, next)?;
                    } else {
                        // The last one has no next.
                        code[next..next + 2].copy_from_slice(&LAST.to_le_bytes());
                    }
                }
                for end in ends {
                    fill(code, end)?;
                }
            }
            Node::Repeat { node, least, most, greedy } => {
                self.repeat(node, *least, *most, *greedy, after, code)?;
            }
        }
        Ok(())
    }

    fn repeat(
        &mut self,
        node: &Node,
        at_least: u32,
        at_most: Option<u32>,
        greedy: bool,
        after: Option<&Set>,
        code: &mut Vec<u8>,
    ) -> Result<(), String> {
        let small = |n: u32| {
            (0..ENDLESS)
                .find(|byte| count(*byte) == n)
                .ok_or(format!("{n} is no count that fits: see TWENTIES"))
        };
        if let Node::Class(set) = node {
            code.push(if greedy { GREEDY } else { LAZY });
            code.extend([self.class(set)?, small(at_least)?, at_most.map_or(Ok(ENDLESS), small)?]);
            let follow = self.begin(after.unwrap_or(&Vec::new()), after.is_none())?;
            code.extend(follow.to_le_bytes());
            return Ok(());
        }
        if least(node) == 0 && at_most.is_none() {
            return Err("a part that is repeated without end matches nothing at all as well".to_owned());
        }
        // What may follow one round is another round or what follows all.
        let (own, _) = first(node);
        let again = after.map(|set| union(&own, set));
        if at_most.is_none() && at_least > 0 {
            for _ in 1..at_least {
                self.emit(node, Some(&own), code)?;
            }
            let top = code.len();
            self.emit(node, again.as_ref(), code)?;
            let class = self.begin_of(node, after)?;
            code.push(if greedy { AGAIN } else { AGAIN_LAZY });
            code.extend(class.to_le_bytes());
            let back = i16::try_from(code.len() + 2 - top).map_err(|_| "a jump is too far")?;
            code.extend((-back).to_le_bytes());
            return Ok(());
        }
        for i in 0..at_least {
            let last = i + 1 == at_least && at_most == Some(at_least);
            self.emit(node, if last { after } else { again.as_ref() }, code)?;
        }
        let class = self.begin_of(node, after)?;
        let option = if greedy { OPTION } else { OPTION_LAZY };
        match at_most {
            None => {
                code.push(option);
                code.extend(class.to_le_bytes());
                let out = hole(code);
                self.repeat(node, 1, None, greedy, after, code)?;
                fill(code, out)?;
            }
            Some(most) => {
                let mut outs = Vec::new();
                for i in at_least..most {
                    code.push(option);
                    code.extend(class.to_le_bytes());
                    outs.push(hole(code));
                    self.emit(node, if i + 1 == most { after } else { again.as_ref() }, code)?;
                }
                for out in outs {
                    fill(code, out)?;
                }
            }
        }
        Ok(())
    }
}

/// Room for a distance.
fn hole(code: &mut Vec<u8>) -> usize {
    code.extend([0, 0]);
    code.len() - 2
}

/// Makes the distance at `hole` lead to the end of the code.
fn fill(code: &mut [u8], hole: usize) -> Result<(), String> {
    let distance = i16::try_from(code.len() - hole - 2).map_err(|_| "a jump is too far")?;
    code[hole..hole + 2].copy_from_slice(&distance.to_le_bytes());
    Ok(())
}

/// Most words that one branch may stand for.
const SPELLINGS: usize = 2;

/// All that a choice can be, in the order in which it is tried, if that is a short list of words.
fn words(node: &Node) -> Option<(Vec<String>, bool)> {
    let branches = match node {
        Node::Either(nodes) => nodes.len(),
        // One character is a run.
        Node::Repeat { node, .. } if matches!(**node, Node::Class(_)) => return None,
        _ => 1,
    };
    let mut folded = None;
    let all = spellings(node, SPELLINGS * branches, &mut folded)?;
    // What has no letters is the same in any case.
    (all.iter().all(|word| word.len() < 256)).then_some((all, folded.unwrap_or(false)))
}

fn spellings(node: &Node, most: usize, fold: &mut Option<bool>) -> Option<Vec<String>> {
    let all = match node {
        Node::Nothing => vec![String::new()],
        Node::Literal { text, folded } => {
            if has_letters(text) && *fold.get_or_insert(*folded) != *folded {
                return None;
            }
            vec![text.clone()]
        }
        Node::Class(set) => {
            let chars: Vec<char> =
                set.iter().take(4).flat_map(|(a, b)| (*a..=*b).take(4)).filter_map(char::from_u32).collect();
            let folded = *fold.get_or_insert(false);
            // Of a class in any case both letters are in it.
            let chars: Vec<char> = chars.into_iter().filter(|c| !folded || !c.is_ascii_uppercase()).collect();
            let whole = chars.iter().fold(Vec::new(), |all, c| union(&all, &characters(*c, folded)));
            if whole != *set {
                return None;
            }
            chars.iter().map(char::to_string).collect()
        }
        Node::Row(nodes) => {
            let mut all = vec![String::new()];
            for node in nodes {
                let next = spellings(node, most, fold)?;
                if all.len() * next.len() > most {
                    return None;
                }
                all = all.iter().flat_map(|a| next.iter().map(move |b| format!("{a}{b}"))).collect();
            }
            all
        }
        Node::Either(nodes) => {
            let mut all = Vec::new();
            for node in nodes {
                all.extend(spellings(node, most, fold)?);
            }
            all
        }
        Node::Repeat { node, least: 0, most: Some(1), greedy } => {
            let mut all = spellings(node, most, fold)?;
            all.insert(if *greedy { all.len() } else { 0 }, String::new());
            all
        }
        Node::Look(_) | Node::Repeat { .. } => return None,
    };
    (all.len() <= most).then_some(all)
}

fn starts_with_literal(node: &Node) -> bool {
    match node {
        Node::Literal { .. } => true,
        Node::Row(nodes) => nodes.first().is_some_and(starts_with_literal) && words(node).is_none(),
        _ => false,
    }
}

/// The branches of a pattern at its top, in the order in which they are tried. Each is looked for only on lines that
/// have what it needs.
pub fn branches(pattern: &str) -> Result<Vec<Node>, String> {
    let ast = ast::parse::Parser::new().parse(pattern).map_err(|e| e.to_string())?;
    let mut flags = Flags { fold: false, dot_all: false, lazy: false };
    let whole = tidy(node(&ast, &mut flags)?);
    let (looks, choice) = match &whole {
        Node::Row(nodes) => nodes.split_at(nodes.iter().take_while(|n| matches!(n, Node::Look(_))).count()),
        other => (&[][..], std::slice::from_ref(other)),
    };
    let [Node::Either(parts)] = choice else { return Ok(vec![whole]) };
    if words(&choice[0]).is_some() {
        return Ok(vec![whole]);
    }
    let with_looks = |node: Node| {
        let row = looks.iter().cloned().chain([node]).collect();
        tidy(Node::Row(row))
    };
    let (apart, rest) = parts.split_at(parts.len().min(BRANCHES - 1));
    let mut out: Vec<Node> = apart.iter().cloned().map(with_looks).collect();
    if !rest.is_empty() {
        out.push(with_looks(Node::Either(rest.to_vec())));
    }
    Ok(out)
}

fn node(ast: &Ast, flags: &mut Flags) -> Result<Node, String> {
    Ok(match ast {
        Ast::Empty(_) => Node::Nothing,
        Ast::Flags(set) => {
            *flags = changed(*flags, &set.flags)?;
            Node::Nothing
        }
        Ast::Literal(literal) => character(literal.c, *flags),
        Ast::Dot(_) => Node::Class(if flags.dot_all { not(&[]) } else { not(&[(10, 10)]) }),
        Ast::Assertion(assertion) => Node::Look(match assertion.kind {
            // A text to match has no line feed in it, so that lines start and end where it does.
            ast::AssertionKind::StartLine | ast::AssertionKind::StartText => AT_START,
            ast::AssertionKind::EndLine | ast::AssertionKind::EndText => AT_END,
            ast::AssertionKind::WordBoundary => AT_WORD,
            ast::AssertionKind::NotWordBoundary => NOT_AT_WORD,
            _ => return Err("this kind of word boundary is not supported".to_owned()),
        }),
        Ast::ClassUnicode(_) => return Err("\\p is not supported".to_owned()),
        Ast::ClassPerl(class) => Node::Class(perl(class)),
        Ast::ClassBracketed(class) => Node::Class(bracketed(class, *flags)?),
        Ast::Repetition(repetition) => {
            let (least, most) = match &repetition.op.kind {
                ast::RepetitionKind::ZeroOrOne => (0, Some(1)),
                ast::RepetitionKind::ZeroOrMore => (0, None),
                ast::RepetitionKind::OneOrMore => (1, None),
                ast::RepetitionKind::Range(range) => match *range {
                    ast::RepetitionRange::Exactly(n) => (n, Some(n)),
                    ast::RepetitionRange::AtLeast(n) => (n, None),
                    ast::RepetitionRange::Bounded(n, m) => (n, Some(m)),
                },
            };
            let greedy = repetition.greedy != flags.lazy;
            Node::Repeat { node: Box::new(node(&repetition.ast, flags)?), least, most, greedy }
        }
        Ast::Group(group) => {
            let mut inner = match &group.kind {
                ast::GroupKind::NonCapturing(set) => changed(*flags, set)?,
                _ => *flags,
            };
            node(&group.ast, &mut inner)?
        }
        // Flags that a part sets hold until the group ends, in the branches after it too.
        Ast::Alternation(list) => {
            Node::Either(list.asts.iter().map(|a| node(a, flags)).collect::<Result<_, _>>()?)
        }
        Ast::Concat(list) => Node::Row(list.asts.iter().map(|a| node(a, flags)).collect::<Result<_, _>>()?),
    })
}

fn changed(mut flags: Flags, set: &ast::Flags) -> Result<Flags, String> {
    for (flag, value) in [
        (ast::Flag::CaseInsensitive, &mut flags.fold),
        (ast::Flag::DotMatchesNewLine, &mut flags.dot_all),
        (ast::Flag::SwapGreed, &mut flags.lazy),
    ] {
        if let Some(new) = set.flag_state(flag) {
            *value = new;
        }
    }
    // Of lines it makes no difference: what is matched is one.
    for flag in [ast::Flag::CRLF, ast::Flag::IgnoreWhitespace] {
        if set.flag_state(flag).is_some() {
            return Err("this flag is not supported".to_owned());
        }
    }
    Ok(flags)
}

fn character(c: char, flags: Flags) -> Node {
    if flags.fold && c.is_ascii_alphabetic() {
        return Node::Literal { text: c.to_ascii_lowercase().to_string(), folded: true };
    }
    // What has no case may stand in either kind.
    Node::Literal { text: c.to_string(), folded: flags.fold }
}

fn perl(class: &ast::ClassPerl) -> Set {
    let set: Set = match class.kind {
        ast::ClassPerlKind::Digit => vec![(48, 57)],
        ast::ClassPerlKind::Space => vec![(9, 13), (32, 32)],
        ast::ClassPerlKind::Word => vec![(48, 57), (65, 90), (95, 95), (97, 122)],
    };
    if class.negated { not(&set) } else { set }
}

fn bracketed(class: &ast::ClassBracketed, flags: Flags) -> Result<Set, String> {
    let ast::ClassSet::Item(item) = &class.kind else {
        return Err("set operations are not supported".to_owned());
    };
    let mut set = Vec::new();
    items(item, flags, &mut set)?;
    let mut set = sorted(set);
    if flags.fold {
        let mut more = set.clone();
        for c in (0u32..0x80).filter(|c| set.iter().any(|(a, b)| a <= c && c <= b)) {
            let c = c as u8;
            let other = if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            more.push((u32::from(other), u32::from(other)));
        }
        set = sorted(more);
    }
    Ok(if class.negated { not(&set) } else { set })
}

fn items(item: &ast::ClassSetItem, flags: Flags, out: &mut Set) -> Result<(), String> {
    match item {
        ast::ClassSetItem::Empty(_) => {}
        ast::ClassSetItem::Literal(literal) => out.push((u32::from(literal.c), u32::from(literal.c))),
        ast::ClassSetItem::Range(range) => out.push((u32::from(range.start.c), u32::from(range.end.c))),
        ast::ClassSetItem::Perl(class) => out.extend(perl(class)),
        ast::ClassSetItem::Bracketed(class) => out.extend(bracketed(class, flags)?),
        ast::ClassSetItem::Union(union) => {
            for item in &union.items {
                items(item, flags, out)?;
            }
        }
        ast::ClassSetItem::Ascii(_) => return Err("[:names:] are not supported".to_owned()),
        ast::ClassSetItem::Unicode(_) => return Err("\\p is not supported".to_owned()),
    }
    Ok(())
}

fn sorted(mut set: Set) -> Set {
    set.sort_unstable();
    let mut out: Set = Vec::new();
    for (from, to) in set {
        match out.last_mut() {
            Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
            _ => out.push((from, to)),
        }
    }
    out
}

fn not(set: &[(u32, u32)]) -> Set {
    let mut out = Vec::new();
    let mut at = 0;
    for &(from, to) in set {
        if from > at {
            out.push((at, from - 1));
        }
        at = to + 1;
    }
    if at <= 0x10_ffff {
        out.push((at, 0x10_ffff));
    }
    out
}

fn union(a: &Set, b: &Set) -> Set {
    sorted(a.iter().chain(b).copied().collect())
}

/// Joins what can be joined: literals in a row, characters to choose from, rows in rows.
fn tidy(node: Node) -> Node {
    match node {
        Node::Row(nodes) => {
            let mut out: Vec<Node> = Vec::new();
            for node in nodes.into_iter().map(tidy) {
                let parts = if let Node::Row(parts) = node { parts } else { vec![node] };
                for part in parts {
                    match (out.last_mut(), part) {
                        (_, Node::Nothing) => {}
                        (
                            Some(Node::Literal { text, folded }),
                            Node::Literal { text: more, folded: same },
                        ) if *folded == same || !has_letters(text) || !has_letters(&more) => {
                            *folded |= same;
                            text.push_str(&more);
                        }
                        (_, part) => out.push(part),
                    }
                }
            }
            match out.len() {
                0 => Node::Nothing,
                1 => out.remove(0),
                _ => Node::Row(out),
            }
        }
        Node::Either(nodes) => {
            let mut out: Vec<Node> = Vec::new();
            for node in nodes.into_iter().map(tidy) {
                let parts = if let Node::Either(parts) = node { parts } else { vec![node] };
                for part in parts {
                    // Of two single characters in a row either may come first.
                    match (out.last().and_then(single), single(&part)) {
                        (Some(a), Some(b)) => {
                            out.pop();
                            out.push(Node::Class(union(&a, &b)));
                        }
                        _ => out.push(part),
                    }
                }
            }
            if out.len() == 1 { out.remove(0) } else { Node::Either(factored(out)) }
        }
        Node::Repeat { node, least, most, greedy } => {
            let node = tidy(*node);
            let node = single(&node).map_or(node, Node::Class);
            match (least, most) {
                (1, Some(1)) => node,
                (_, Some(0)) => Node::Nothing,
                _ if matches!(node, Node::Nothing) => Node::Nothing,
                _ => Node::Repeat { node: Box::new(node), least, most, greedy },
            }
        }
        Node::Class(set) => match set.as_slice() {
            [(a, b)] if a == b && char::from_u32(*a).is_some() => {
                let text = char::from_u32(*a).map(String::from).unwrap_or_default();
                Node::Literal { text, folded: false }
            }
            [(a, b), (c, d)] if a == b && c == d && a + 32 == *c && is_letter(*c) => {
                Node::Literal { text: char::from_u32(*c).map(String::from).unwrap_or_default(), folded: true }
            }
            _ => Node::Class(set),
        },
        other => other,
    }
}

fn is_letter(c: u32) -> bool {
    u8::try_from(c).is_ok_and(|c| c.is_ascii_lowercase())
}

fn has_letters(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_alphabetic())
}

/// What branches that follow each other start with alike is tried once. Order decides which branch wins, so only
/// neighbours are joined.
fn factored(branches: Vec<Node>) -> Vec<Node> {
    let mut out: Vec<Node> = Vec::new();
    let mut rest = branches.into_iter().peekable();
    while let Some(branch) = rest.next() {
        let Some((text, folded)) = head(&branch) else {
            out.push(branch);
            continue;
        };
        let mut group = vec![branch];
        let mut common = text;
        while let Some((other, same)) = rest.peek().and_then(head) {
            let shared = shared(&common, &other);
            // One letter alone is told apart by the branch itself.
            if same != folded || shared.len() < 2 {
                break;
            }
            common.truncate(shared.len());
            group.extend(rest.next());
        }
        if group.len() == 1 {
            out.extend(group);
            continue;
        }
        let tails = group.into_iter().map(|node| without_head(node, common.len())).collect();
        let tail = tidy(Node::Either(tails));
        out.push(tidy(Node::Row(vec![Node::Literal { text: common, folded }, tail])));
    }
    out
}

fn shared(a: &str, b: &str) -> String {
    a.chars().zip(b.chars()).take_while(|(x, y)| x == y).map(|(x, _)| x).collect()
}

fn head(node: &Node) -> Option<(String, bool)> {
    match node {
        Node::Literal { text, folded } => Some((text.clone(), *folded)),
        Node::Row(nodes) => nodes.first().and_then(head),
        _ => None,
    }
}

fn without_head(node: Node, length: usize) -> Node {
    match node {
        Node::Literal { text, .. } if text.len() == length => Node::Nothing,
        Node::Literal { text, folded } => Node::Literal { text: text[length..].to_owned(), folded },
        Node::Row(mut nodes) => {
            let first = without_head(nodes.remove(0), length);
            nodes.insert(0, first);
            tidy(Node::Row(nodes))
        }
        other => other,
    }
}

/// The characters of a node that is always one character.
fn single(node: &Node) -> Option<Set> {
    match node {
        Node::Class(set) => Some(set.clone()),
        Node::Literal { text, folded } => {
            let mut chars = text.chars();
            let c = chars.next()?;
            chars.next().is_none().then(|| characters(c, *folded))
        }
        _ => None,
    }
}

fn characters(c: char, folded: bool) -> Set {
    let mut set = vec![(u32::from(c), u32::from(c))];
    if folded && c.is_ascii_lowercase() {
        let upper = u32::from(c.to_ascii_uppercase());
        set.push((upper, upper));
    }
    sorted(set)
}

/// The least length of a match in bytes.
pub fn least(node: &Node) -> usize {
    match node {
        Node::Nothing | Node::Look(_) => 0,
        Node::Literal { text, .. } => text.len(),
        Node::Class(set) => set.first().and_then(|r| char::from_u32(r.0)).map_or(1, char::len_utf8),
        Node::Repeat { node, least: n, .. } => least(node).saturating_mul(*n as usize),
        Node::Row(nodes) => nodes.iter().map(least).sum(),
        Node::Either(nodes) => nodes.iter().map(least).min().unwrap_or(0),
    }
}

/// The greatest length of a match in bytes, if there is one.
pub fn most(node: &Node) -> Option<usize> {
    match node {
        Node::Nothing | Node::Look(_) => Some(0),
        Node::Literal { text, .. } => Some(text.len()),
        Node::Class(set) => Some(set.last().and_then(|r| char::from_u32(r.1)).map_or(4, char::len_utf8)),
        Node::Repeat { node, most: n, .. } => Some(most(node)?.saturating_mul((*n)? as usize)),
        Node::Row(nodes) => nodes.iter().map(most).sum(),
        Node::Either(nodes) => {
            nodes.iter().map(most).try_fold(0, |longest, length| Some(longest.max(length?)))
        }
    }
}

/// What the first character of a match can be, and whether the match may be empty.
fn first(node: &Node) -> (Set, bool) {
    match node {
        Node::Nothing | Node::Look(_) => (Vec::new(), true),
        Node::Literal { text, folded } => match text.chars().next() {
            Some(c) => (characters(c, *folded), false),
            None => (Vec::new(), true),
        },
        Node::Class(set) => (set.clone(), false),
        Node::Repeat { node, least, .. } => {
            let (set, empty) = first(node);
            (set, empty || *least == 0)
        }
        Node::Row(nodes) => {
            let mut all = Vec::new();
            for node in nodes {
                let (set, empty) = first(node);
                all = union(&all, &set);
                if !empty {
                    return (all, false);
                }
            }
            (all, true)
        }
        Node::Either(nodes) => {
            let parts: Vec<(Set, bool)> = nodes.iter().map(first).collect();
            let all = parts.iter().fold(Vec::new(), |all, (set, _)| union(&all, set));
            (all, parts.iter().any(|(_, empty)| *empty))
        }
    }
}

/// The first of a part and what follows it.
fn then((set, empty): (Set, bool), after: Option<&Set>) -> (Set, bool) {
    match after {
        _ if !empty => (set, false),
        Some(after) => (union(&set, after), false),
        None => (set, true),
    }
}

fn anchored(node: &Node) -> bool {
    match node {
        Node::Look(AT_START) => true,
        Node::Row(nodes) => nodes.first().is_some_and(anchored),
        Node::Either(nodes) => !nodes.is_empty() && nodes.iter().all(anchored),
        _ => false,
    }
}
