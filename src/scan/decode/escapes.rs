//! Escapes that stand for single characters: `\x63`, `\u0063`, `\143`, `%63`, `&#99;`, `&lt;`.

use super::Sink;
use super::edit::{Editor, With};
use memchr::memchr_iter;

/// So many escaped letters are no accident.
const DELIBERATE: usize = 4;

/// `\xHH`, `\uHHHH`, `\u{…}`, `\UHHHHHHHH`, octal.
pub(super) fn backslash(sink: &mut Sink) {
    let text = sink.text;
    let bytes = text.as_bytes();
    let mut editor = Editor::new("escapes", DELIBERATE);
    let mut high: Option<(u16, usize)> = None;
    let mut after = 0;
    // UTF-8 spelled byte by byte: `\xe2\x80\x8b`.
    let mut pending: Vec<u8> = Vec::new();
    let (mut pending_start, mut pending_end) = (0, 0);
    for at in memchr_iter(b'\\', bytes) {
        if at < after {
            continue;
        }
        let rest = &bytes[at + 1..];
        let Some((value, length, wide)) = one_backslash(rest) else {
            continue;
        };
        let end = at + 1 + length;
        // In a string within a string the backslash is escaped itself.
        let at = if at > after && bytes[at - 1] == b'\\' { at - 1 } else { at };
        after = end;
        if !wide && value >= 0x80 {
            if pending.is_empty() || pending_end != at {
                pending.clear();
                pending_start = at;
            }
            pending_end = end;
            pending.push(value as u8);
            if let Ok(s) = std::str::from_utf8(&pending)
                && let Some(c) = s.chars().next()
            {
                editor.edit(sink, pending_start..end, With::Char(c), false);
                pending.clear();
            } else if pending.len() >= 4 {
                pending.clear();
            }
            continue;
        }
        pending.clear();
        if let Ok(unit) = u16::try_from(value)
            && (0xd800..0xdc00).contains(&unit)
        {
            high = Some((unit, at));
            continue;
        }
        let (start, value) = match (high.take(), value) {
            (Some((high, start)), 0xdc00..=0xdfff) if at - start <= 8 => {
                (start, 0x10000 + ((u32::from(high) - 0xd800) << 10) + (value - 0xdc00))
            }
            (_, value) => (at, value),
        };
        if let Some(c) = char::from_u32(value).filter(|c| !c.is_control() || matches!(c, '\n' | '\t' | '\r'))
        {
            editor.edit(sink, start..end, With::Char(c), c.is_ascii_alphanumeric());
        }
    }
    editor.flush(sink);
}

/// What follows a backslash: the value, how many bytes it takes, and whether it is a whole character (`\u`).
fn one_backslash(rest: &[u8]) -> Option<(u32, usize, bool)> {
    let digits = |from: usize, count: usize| {
        let piece = rest.get(from..from + count)?;
        piece.iter().try_fold(0u32, |n, b| char::from(*b).to_digit(16).map(|d| n << 4 | d))
    };
    match rest.first()? {
        b'x' if rest.get(1) == Some(&b'{') => braced(rest),
        b'x' | b'X' => Some((digits(1, 2)?, 3, false)),
        b'u' if rest.get(1) == Some(&b'{') => braced(rest),
        b'u' => Some((digits(1, 4)?, 5, true)),
        b'U' => Some((digits(1, 8)?, 9, true)),
        b'0'..=b'3' => {
            // A regular expression's `\1` is no octal: three digits, as people who hide things write them.
            let piece = rest.get(..3)?;
            let value = piece.iter().try_fold(0u32, |n, b| char::from(*b).to_digit(8).map(|d| n << 3 | d))?;
            let longer = piece[0] == b'0' && rest.get(3).is_some_and(|b| (b'0'..=b'7').contains(b));
            if longer {
                // `\0143` of `echo -e`.
                let value =
                    rest[..4].iter().try_fold(0u32, |n, b| char::from(*b).to_digit(8).map(|d| n << 3 | d))?;
                return Some((value, 4, false));
            }
            Some((value, 3, false))
        }
        _ => None,
    }
}

fn braced(rest: &[u8]) -> Option<(u32, usize, bool)> {
    let close = rest.iter().take(10).position(|b| *b == b'}')?;
    let value = rest[2..close]
        .iter()
        .try_fold(0u32, |n, b| char::from(*b).to_digit(16).and_then(|d| n.checked_mul(16).map(|n| n + d)))?;
    (close > 2).then_some((value, close + 1, true))
}

/// `%HH` and `%uHHHH`, with UTF-8 over several of them.
pub(super) fn percent(sink: &mut Sink) {
    let bytes = sink.text.as_bytes();
    let mut editor = Editor::new("percent", DELIBERATE);
    let mut after = 0;
    for at in memchr_iter(b'%', bytes) {
        if at < after {
            continue;
        }
        let Some((first, length)) = one_percent(&bytes[at..]) else { continue };
        if length == 6 {
            if let Some(c) = char::from_u32(first) {
                editor.edit(sink, at..at + 6, With::Char(c), c.is_ascii_alphanumeric());
                after = at + 6;
            }
            continue;
        }
        let size = match first {
            0x20..=0x7e | 0x0a | 0x0d | 0x09 => 1,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => continue,
        };
        let mut buffer = [0u8; 4];
        let whole = (0..size).all(|i| match one_percent(bytes.get(at + i * 3..).unwrap_or(&[])) {
            Some((value, 3)) => {
                buffer[i] = value as u8;
                true
            }
            _ => false,
        });
        if whole
            && let Ok(s) = std::str::from_utf8(&buffer[..size])
            && let Some(c) = s.chars().next()
        {
            // Letters never need it.
            editor.edit(sink, at..at + size * 3, With::Char(c), c.is_ascii_alphanumeric());
            after = at + size * 3;
        }
    }
    editor.flush(sink);
}

fn one_percent(rest: &[u8]) -> Option<(u32, usize)> {
    let hex = |range: std::ops::Range<usize>| {
        rest.get(range)?.iter().try_fold(0u32, |n, b| char::from(*b).to_digit(16).map(|d| n << 4 | d))
    };
    if rest.first() != Some(&b'%') {
        return None;
    }
    match rest.get(1)? {
        b'u' | b'U' => Some((hex(2..6)?, 6)),
        _ => Some((hex(1..3)?, 3)),
    }
}

const NAMED: &[(&str, char)] = &[
    ("lt", '<'),
    ("gt", '>'),
    ("amp", '&'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", ' '),
    ("sol", '/'),
    ("colon", ':'),
    ("period", '.'),
    ("lpar", '('),
    ("rpar", ')'),
    ("lsqb", '['),
    ("rsqb", ']'),
    ("semi", ';'),
    ("comma", ','),
    ("num", '#'),
    ("dollar", '$'),
    ("vert", '|'),
    ("verbar", '|'),
    ("equals", '='),
    ("plus", '+'),
    ("excl", '!'),
    ("quest", '?'),
    ("commat", '@'),
    ("percnt", '%'),
    ("grave", '`'),
    ("bsol", '\\'),
    ("lowbar", '_'),
    ("lbrace", '{'),
    ("rbrace", '}'),
    ("lcub", '{'),
    ("rcub", '}'),
    ("NewLine", '\n'),
    ("Tab", '\t'),
    ("hyphen", '-'),
    ("dash", '-'),
    ("ast", '*'),
];

/// `&#99;`, `&#x63;` and the named entities that matter.
pub(super) fn entities(sink: &mut Sink) {
    let bytes = sink.text.as_bytes();
    let mut editor = Editor::new("entities", DELIBERATE);
    for at in memchr_iter(b'&', bytes) {
        let rest = &bytes[at + 1..];
        let numeric = rest.first() == Some(&b'#');
        let name_length =
            rest.iter().skip(usize::from(numeric)).take(10).take_while(|b| b.is_ascii_alphanumeric()).count()
                + usize::from(numeric);
        let closed = rest.get(name_length) == Some(&b';');
        let name = &sink.text[at + 1..at + 1 + name_length];
        let c = if let Some(number) = name.strip_prefix('#') {
            let value = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            value.ok().and_then(char::from_u32).filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        } else if closed {
            NAMED.iter().find(|(n, _)| *n == name).map(|(_, c)| *c)
        } else {
            None
        };
        if let Some(c) = c {
            let end = at + 1 + name_length + usize::from(closed);
            editor.edit(sink, at..end, With::Char(c), numeric && c.is_ascii_alphanumeric());
        }
    }
    editor.flush(sink);
}
