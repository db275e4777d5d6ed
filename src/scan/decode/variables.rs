//! Pieces kept in variables and put together later: `a=cu; b=rl; $a$b`, `p + q` of two strings, `"".join([p, q])`.
//! Follows plain assignments of literals, in order; evaluates nothing.

use super::edit::{Editor, With};
use super::{Sink, plain};
use crate::rules::Place;
use crate::scan::work::Work;
use memchr::{memchr, memchr_iter, memmem};
use std::collections::{HashMap, HashSet};
use std::ops::Range;

const MAX_VARIABLES: usize = 4096;
const MAX_VALUE: usize = 64 << 10;
/// A longer line is no place where people join strings by hand.
const MAX_LINE: usize = 64 << 10;
/// Most bytes that variables add to one line.
const MAX_GROWTH: usize = 256 << 10;

pub(super) fn find(sink: &mut Sink) {
    let text = sink.text;
    for segment in sink.segments {
        if !matches!(segment.place, Place::Script | Place::Fence) {
            continue;
        }
        let part = &text[segment.range.clone()];
        if memchr(b'=', part.as_bytes()).is_none() {
            continue;
        }
        let used = used(part);
        if used.is_empty() {
            continue;
        }
        let assigned = assignments(part, &used);
        if assigned.is_empty() {
            continue;
        }
        let mut known: HashMap<&str, &str> = HashMap::new();
        let mut next = assigned.iter().peekable();
        let mut editor = Editor::new("variables", usize::MAX);
        let mut start = segment.range.start;
        while start < segment.range.end {
            let end = memchr(b'\n', &text.as_bytes()[start..segment.range.end])
                .map_or(segment.range.end, |i| start + i);
            // Several statements may share a line: `a=cu; b=rl; $a$b`.
            while let Some((_, name, value)) = next.next_if(|(at, ..)| segment.range.start + at < end) {
                known.insert(name, value);
            }
            if end - start <= MAX_LINE && !known.is_empty() {
                line(sink, &mut editor, &known, start..end);
            }
            start = end + 1;
        }
        editor.flush(sink);
    }
}

/// Assignments of literals to names that are used, in order: where, name, value.
fn assignments<'a>(part: &'a str, used: &HashSet<&str>) -> Vec<(usize, &'a str, &'a str)> {
    let bytes = part.as_bytes();
    let mut out = Vec::new();
    // Where the line and the statement end that were looked for last: each is looked for once.
    let (mut line_end, mut statement_end) = (0, 0);
    let firsts = used.iter().filter_map(|n| n.bytes().next()).fold(0, |bits, b| bits | first_bit(b));
    for at in memchr_iter(b'=', bytes) {
        // What is assigned must be a literal: with a blank before it, or right after the sign.
        let literal = match bytes.get(at + 1) {
            Some(b' ') => {
                matches!(bytes.get(at + 2), Some(b'"' | b'\'' | b'`' | b'b' | b'r' | b'u' | b'f' | b'@'))
            }
            Some(b) => {
                b.is_ascii_alphanumeric()
                    || matches!(b, b'"' | b'\'' | b'`' | b'/' | b'@' | b'.' | b'-' | b'_')
            }
            None => false,
        };
        if !literal {
            continue;
        }
        let mut end = at;
        while end > 0 && at - end < 4 && matches!(bytes[end - 1], b' ' | b':') {
            end -= 1;
        }
        let length = bytes[..end]
            .iter()
            .rev()
            .take(64)
            .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
            .count();
        if length == 0 {
            continue;
        }
        let start = end - length;
        // `let x: string = …` names the type last.
        let typed = bytes[start.saturating_sub(2)..start] == *b": ";
        let hopeful = firsts & first_bit(bytes[start]) != 0 && used.contains(&part[start..end]);
        if !(typed || hopeful) {
            continue;
        }
        let low = at.saturating_sub(100);
        let from =
            bytes[low..at].iter().rposition(|b| matches!(b, b'\n' | b';')).map_or(low, |i| low + i + 1);
        if at >= line_end {
            line_end = memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |i| at + i);
        }
        if at >= statement_end {
            statement_end = memchr(b';', &bytes[at..]).map_or(bytes.len(), |i| at + i);
        }
        let to = line_end.min(statement_end);
        if to - at > MAX_VALUE {
            continue;
        }
        if let Some((name, value)) = part.get(from..to).and_then(assignment)
            && used.contains(name)
            && out.len() < MAX_VARIABLES
        {
            out.push((at, name, value));
        }
    }
    out
}

/// A bit for the first letter of a name, so that most names need no look into the set.
fn first_bit(b: u8) -> u64 {
    1 << (b & 63)
}

/// Names that are put together with something: `$a$b`, `${a}b`, `{p}{q}`, `p + q`, `join([p, q])`.
fn used(part: &str) -> HashSet<&str> {
    let bytes = part.as_bytes();
    let mut names = HashSet::new();
    let word = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    for at in memchr::memchr2_iter(b'$', b'{', bytes) {
        if bytes[at] == b'{' && at > 0 && bytes[at - 1] == b'$' {
            continue;
        }
        // What most braces open is no name.
        let named = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'{');
        if !bytes.get(at + 1).is_some_and(named) {
            continue;
        }
        let brace = bytes[at] == b'{' || bytes.get(at + 1) == Some(&b'{');
        let open = at + 1 + usize::from(brace && bytes[at] == b'$');
        let name = name_at(&part[open..]);
        let mut end = open + name.len();
        if brace {
            if bytes.get(end) != Some(&b'}') {
                continue;
            }
            end += 1;
        }
        let before = if at > 0 { bytes.get(at - 1) } else { None };
        let beside = |b: Option<&u8>| matches!(b, Some(b'$' | b'{' | b'}')) || word(b);
        if !name.is_empty() && (beside(bytes.get(end)) || beside(before) || ends_in_name(&bytes[..at])) {
            names.insert(name);
        }
    }
    for at in memchr_iter(b'+', bytes) {
        let before = part[..at].trim_end_matches(' ');
        let length =
            before.bytes().rev().take(64).take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        let left = &before[before.len() - length..];
        let after = part[at + 1..].trim_start_matches([' ', '$']);
        let right = name_at(after);
        let operand = |name: &str, quote: Option<u8>| {
            name.bytes().next().is_some_and(|b| !b.is_ascii_digit()) || matches!(quote, Some(b'"' | b'\''))
        };
        if operand(left, before.bytes().next_back()) && operand(right, after.bytes().next()) {
            names.extend([left, right].into_iter().filter(|n| !n.is_empty()));
        }
    }
    for at in memmem::find_iter(bytes, "join(") {
        let mut from = at.saturating_sub(128);
        while !part.is_char_boundary(from) {
            from += 1;
        }
        let mut to = part.len().min(at + 256);
        while !part.is_char_boundary(to) {
            to -= 1;
        }
        names.extend(
            part[from..to]
                .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .filter(|n| !n.is_empty())
                .take(64),
        );
    }
    names
}

/// Does the text end in a reference without braces: `$a` before `$b`?
fn ends_in_name(before: &[u8]) -> bool {
    let length =
        before.iter().rev().take(64).take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    length > 0 && before.len() > length && before[before.len() - length - 1] == b'$'
}

fn line(sink: &mut Sink, editor: &mut Editor, known: &HashMap<&str, &str>, range: Range<usize>) {
    let text = sink.text;
    let mut growth = 0;
    let bytes = text.as_bytes();
    let mut at = range.start;
    while at < range.end {
        let Some(i) = memchr::memchr3(b'$', b'+', b'{', &bytes[at..range.end]) else { break };
        let i = at + i;
        at = i + 1;
        let work = sink.budget.work;
        let found = if bytes[i] == b'+' {
            sum(text, known, &range, i, work)
        } else {
            references(text, known, &range, i, work)
        };
        if let Some((span, value)) = found {
            let (value, copied) = value;
            growth += value.len();
            if growth > MAX_GROWTH {
                break;
            }
            at = span.end.max(at);
            editor.copies(copied);
            editor.edit(sink, span, With::Text(value), false);
        }
    }
    if let Some(i) = memmem::find(&bytes[range.clone()], b"join(")
        && let Some((span, value)) = joined(text, known, &range, range.start + i)
        && sink.spend(value.len() * 8)
    {
        editor.edit(sink, span, With::Text(value), false);
    }
}

/// `name = "value"`, with what languages put before and around it.
fn assignment(statement: &str) -> Option<(&str, &str)> {
    let (left, right) = statement.split_once('=')?;
    let left = left.trim().trim_end_matches(':');
    let name = left.rsplit([' ', '\t', '$']).next()?.split(':').next()?;
    let plain =
        !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !plain || name.as_bytes()[0].is_ascii_digit() || left.len() > name.len() + 24 {
        return None;
    }
    let spaced = right.starts_with(' ');
    let right = right.trim();
    let right =
        right.strip_prefix(['b', 'r', 'u', 'f', '@']).filter(|r| r.starts_with(['"', '\''])).unwrap_or(right);
    let value = match right.as_bytes().first()? {
        q @ (b'"' | b'\'' | b'`') => {
            let close = memchr(*q, &right.as_bytes()[1..])?;
            let rest = right[close + 2..].trim_start();
            // More than the literal is no plain assignment.
            if !(rest.is_empty() || rest.starts_with(['#', '/', ',', ')', '&', '|', ';'])) {
                return None;
            }
            &right[1..=close]
        }
        // Without quotes only as a shell has it: a word right after the sign.
        _ if !spaced && !right.contains([' ', '(', '$', '[', '{', '=', '<', '>']) => right,
        _ => return None,
    };
    (!value.is_empty() && value.len() <= MAX_VALUE).then_some((name, value))
}

/// The name at the start of `text`.
fn name_at(text: &str) -> &str {
    let end = text
        .bytes()
        .take(64)
        .position(|b| !(b.is_ascii_alphanumeric() || b == b'_'))
        .unwrap_or(text.len().min(64));
    text.get(..end).unwrap_or("")
}

/// References that touch each other or a word: `$a$b`, `${a}rl`, `{a}{b}` of a format string.
fn references(
    text: &str,
    known: &HashMap<&str, &str>,
    line: &Range<usize>,
    start: usize,
    work: &Work,
) -> Option<(Range<usize>, (String, usize))> {
    let mut out = String::new();
    let mut at = start;
    let (mut count, mut copied) = (0, 0);
    while at < line.end {
        let rest = &text[at..line.end];
        let (open, close) = if rest.starts_with("${") {
            (2, 1)
        } else if rest.starts_with('$') {
            (1, 0)
        } else if rest.starts_with('{') {
            (1, 1)
        } else {
            break;
        };
        let name = name_at(&rest[open..]);
        if close == 1 && rest.as_bytes().get(open + name.len()) != Some(&b'}') {
            break;
        }
        let Some(value) = known.get(name) else { break };
        if !work.spend(value.len() * 8) {
            return None;
        }
        out.push_str(value);
        copied += plain::words(value);
        count += 1;
        at += open + name.len() + close;
    }
    let word = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    let bytes = text.as_bytes();
    let touches = word(bytes.get(at)) || (start > line.start && word(bytes.get(start - 1)));
    // A command that stands wholly in a variable: `$cmd -c …` at the start of a statement.
    (count >= 2 || (count == 1 && touches)).then_some((start..at, (out, copied)))
}

/// One operand of a sum that ends before `end`: a known name or a literal.
fn operand_before<'a>(
    text: &'a str,
    known: &HashMap<&str, &'a str>,
    low: usize,
    end: usize,
) -> Option<(usize, &'a str)> {
    let before = text[low..end].trim_end_matches([' ', '\t']);
    let stop = low + before.len();
    let last = before.bytes().next_back()?;
    if matches!(last, b'"' | b'\'') {
        let open = memchr::memrchr(last, &text.as_bytes()[low..stop - 1])? + low;
        return Some((open, &text[open + 1..stop - 1]));
    }
    let length =
        before.bytes().rev().take(64).take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    let name = &text[stop - length..stop];
    let start = stop - length;
    known.get(name).map(|v| (start - usize::from(start > low && text.as_bytes()[start - 1] == b'$'), *v))
}

fn operand_after<'a>(
    text: &'a str,
    known: &HashMap<&str, &'a str>,
    start: usize,
    high: usize,
) -> Option<(usize, &'a str)> {
    let rest = text[start..high].trim_start_matches([' ', '\t']);
    let at = high - rest.len();
    let first = rest.bytes().next()?;
    if matches!(first, b'"' | b'\'') {
        let close = memchr(first, &rest.as_bytes()[1..])?;
        return Some((at + close + 2, &rest[1..=close]));
    }
    let dollar = usize::from(first == b'$');
    let name = name_at(&rest[dollar..]);
    known.get(name).map(|v| (at + dollar + name.len(), *v))
}

/// `p + q + "r"` around the `+` at `plus`.
fn sum(
    text: &str,
    known: &HashMap<&str, &str>,
    line: &Range<usize>,
    plus: usize,
    work: &Work,
) -> Option<(Range<usize>, (String, usize))> {
    let (start, first) = operand_before(text, known, line.start, plus)?;
    if !work.spend(first.len() * 8) {
        return None;
    }
    let mut out = String::from(first);
    // Words of literals on the line itself are counted there: counting them twice only asks for more.
    let mut copied = plain::words(first);
    let mut at = plus + 1;
    let mut end = plus;
    while let Some((next, value)) = operand_after(text, known, at, line.end) {
        if !work.spend(value.len() * 8) {
            return None;
        }
        out.push_str(value);
        copied += plain::words(value);
        end = next;
        let rest = text[next..line.end].trim_start_matches([' ', '\t']);
        if !rest.starts_with('+') || out.len() > MAX_GROWTH {
            break;
        }
        at = line.end - rest.len() + 1;
    }
    (end > plus).then(|| (start..end, (format!("\"{out}\""), copied)))
}

/// `"".join([p, q])` and `[p, q].join("")`.
fn joined(
    text: &str,
    known: &HashMap<&str, &str>,
    line: &Range<usize>,
    at: usize,
) -> Option<(Range<usize>, String)> {
    let bytes = text.as_bytes();
    let open = at + 5;
    let (from, to) = if matches!(bytes.get(open), Some(b'[' | b'(')) {
        (open + 1, line.end)
    } else {
        let close = text[line.start..at].rfind(']').map(|i| line.start + i)?;
        (text[line.start..close].rfind('[').map(|i| line.start + i + 1)?, close)
    };
    let mut out = String::new();
    let mut here = from;
    let mut count = 0;
    while let Some((next, value)) = operand_after(text, known, here, to) {
        out.push_str(value);
        count += 1;
        here = next;
        let rest = text[next..to].trim_start();
        if !rest.starts_with(',') {
            break;
        }
        here = to - rest.len() + 1;
    }
    (count >= 2).then(|| (from..here.max(from), format!("\"{out}\"")))
}
