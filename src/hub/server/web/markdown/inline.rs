//! What stands inside a line: code, emphasis, links. Knows no blocks.

use super::super::html::{escape, escape_into};
use std::collections::HashMap;

/// Marks of emphasis that wait for their other half, at most.
const WAITING: usize = 64;
/// The longest address of a link.
const LONGEST: usize = 2048;

/// `[name]: address` lines of a document, and where its relative links lead.
pub(super) struct References {
    addresses: HashMap<String, String>,
    base: String,
}

impl References {
    /// Takes the definitions out of the lines.
    pub(super) fn collect<'a>(lines: &[&'a str], base: &str) -> (References, Vec<&'a str>) {
        let mut addresses = HashMap::new();
        let mut rest = Vec::with_capacity(lines.len());
        let mut in_code = false;
        for line in lines {
            let text = line.trim_start();
            in_code ^= text.starts_with("```") || text.starts_with("~~~");
            let defined = (!in_code && addresses.len() < 1000).then(|| definition(text)).flatten();
            match defined {
                Some((name, address)) => {
                    addresses.entry(name).or_insert(address);
                }
                None => rest.push(*line),
            }
        }
        (References { addresses, base: base.to_owned() }, rest)
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.addresses.get(&label(name)).map(String::as_str)
    }

    /// Where a link may lead: the web, a mail, a place in this page or another file of the skill; nowhere else.
    fn href(&self, address: &str) -> Option<String> {
        let address = address.trim();
        let plain = !address.is_empty() && !address.chars().any(|c| c.is_control() || c == '\\' || c == ' ');
        if !plain {
            return None;
        }
        let lower = address.get(..8.min(address.len())).unwrap_or_default().to_ascii_lowercase();
        if lower.starts_with("http://") || lower.starts_with("https://") || lower.starts_with("mailto:") {
            return Some(address.to_owned());
        }
        let path = address.split(['?', '#']).next().unwrap_or_default();
        let inside =
            !path.starts_with('/') && !path.contains(':') && path.split('/').all(|part| part != "..");
        let path = path.trim_start_matches("./");
        (inside && !path.is_empty()).then(|| format!("{}{path}", self.base))
    }
}

fn label(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn definition(line: &str) -> Option<(String, String)> {
    let (name, rest) = line.strip_prefix('[')?.split_once("]:")?;
    let address = rest.split_whitespace().next()?.trim_matches(['<', '>']);
    (!name.trim().is_empty() && name.len() < 200 && !name.contains(['[', ']']))
        .then(|| (label(name), address.to_owned()))
}

/// A piece of the line.
enum Piece {
    Html(String),
    /// A run of `*`, `_` or `~`.
    Mark {
        kind: char,
        count: usize,
        opens: bool,
        closes: bool,
    },
}

pub(super) fn inline(text: &str, references: &References) -> String {
    join(pieces(text, references, true))
}

fn pieces(text: &str, references: &References, links: bool) -> Vec<Piece> {
    let bytes = text.as_bytes();
    let mut out = Pieces::default();
    let mut no_closer = [false; 33];
    let mut at = 0;
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = text.get(at..).unwrap_or_default();
        let next = bytes.get(at + 1).copied();
        match c {
            '\\' if next.is_some_and(|b| b.is_ascii_punctuation()) => {
                escape_into(&mut out.text, rest.get(1..2).unwrap_or_default());
                at += 2;
            }
            '\\' if next == Some(b'\n') => {
                out.text.push_str("<br>\n");
                at += 2;
            }
            '\n' => {
                let blanks = out.text.len() - out.text.trim_end_matches(' ').len();
                out.text.truncate(out.text.len() - blanks);
                out.text.push_str(if blanks >= 2 { "<br>\n" } else { "\n" });
                at += 1;
            }
            '`' => at += code(rest, &mut no_closer, &mut out.text),
            '<' => match angle(rest).filter(|_| links) {
                Some(address) => {
                    link(&mut out.text, references.href(address), &escape(address));
                    at += address.len() + 2;
                }
                None => {
                    out.text.push_str("&lt;");
                    at += 1;
                }
            },
            '!' if next == Some(b'[') => match bracket(rest.get(1..).unwrap_or_default(), references) {
                // A picture would tell its server who reads: it is a link to one.
                Some((label, address, length)) if links => {
                    let label = if label.trim().is_empty() { "picture" } else { label };
                    link(&mut out.text, references.href(address), &escape(label));
                    at += 1 + length;
                }
                _ => {
                    out.text.push('!');
                    at += 1;
                }
            },
            '[' => match bracket(rest, references).filter(|_| links) {
                Some((label, address, length)) => {
                    let shown = join(pieces(label, references, false));
                    link(&mut out.text, references.href(address), &shown);
                    at += length;
                }
                None => {
                    out.text.push('[');
                    at += 1;
                }
            },
            'h' if links && out.at_word_start() => match bare(rest) {
                Some(address) => {
                    link(&mut out.text, references.href(address), &escape(address));
                    at += address.len();
                }
                None => {
                    out.text.push('h');
                    at += 1;
                }
            },
            '*' | '_' | '~' => {
                let count = rest.len() - rest.trim_start_matches(c).len();
                out.mark(c, count, rest.get(count..).unwrap_or_default());
                at += count;
            }
            '&' => {
                out.text.push_str(if is_entity(rest) { "&" } else { "&amp;" });
                at += 1;
            }
            _ => {
                escape_into(&mut out.text, rest.get(..c.len_utf8()).unwrap_or_default());
                at += c.len_utf8();
            }
        }
    }
    out.finish()
}

#[derive(Default)]
struct Pieces {
    done: Vec<Piece>,
    text: String,
}

impl Pieces {
    fn at_word_start(&self) -> bool {
        self.text.chars().next_back().is_none_or(|c| !c.is_alphanumeric())
    }

    fn mark(&mut self, kind: char, count: usize, after: &str) {
        let before = match self.text.chars().next_back() {
            Some(c) => c,
            None if self.done.is_empty() => ' ',
            None => '*',
        };
        let after = after.chars().next().unwrap_or(' ');
        let is_mark = |c: char| c.is_ascii_punctuation();
        let left = !after.is_whitespace() && (!is_mark(after) || before.is_whitespace() || is_mark(before));
        let right = !before.is_whitespace() && (!is_mark(before) || after.is_whitespace() || is_mark(after));
        // Inside a word only a star means something.
        let (opens, closes) = match kind {
            '_' => (left && (!right || is_mark(before)), right && (!left || is_mark(after))),
            _ => (left, right),
        };
        if (kind == '~' && count != 2) || count > 3 {
            self.text.extend(std::iter::repeat_n(kind, count));
            return;
        }
        self.flush();
        self.done.push(Piece::Mark { kind, count, opens, closes });
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.done.push(Piece::Html(std::mem::take(&mut self.text)));
        }
    }

    fn finish(mut self) -> Vec<Piece> {
        self.flush();
        self.done
    }
}

fn tags(kind: char, count: usize) -> (&'static str, &'static str) {
    match (kind, count) {
        ('~', _) => ("<del>", "</del>"),
        (_, 1) => ("<em>", "</em>"),
        (_, 2) => ("<strong>", "</strong>"),
        _ => ("<strong><em>", "</em></strong>"),
    }
}

/// Puts the pieces together: a run of marks and the nearest like it before it are a pair, and what is between them stays inside.
fn join(pieces: Vec<Piece>) -> String {
    let mut said: Vec<String> = Vec::with_capacity(pieces.len());
    let mut waiting: Vec<(usize, char, usize)> = Vec::new();
    for (at, piece) in pieces.into_iter().enumerate() {
        match piece {
            Piece::Html(html) => said.push(html),
            Piece::Mark { kind, count, opens, closes } => {
                let mut text: String = std::iter::repeat_n(kind, count).collect();
                let partner = waiting.iter().rposition(|(_, k, c)| closes && (*k, *c) == (kind, count));
                match partner.and_then(|found| waiting.get(found).copied().map(|(start, ..)| (found, start)))
                {
                    Some((found, start)) => {
                        let (open, close) = tags(kind, count);
                        if let Some(mark) = said.get_mut(start) {
                            *mark = open.to_owned();
                        }
                        text = close.to_owned();
                        waiting.truncate(found);
                    }
                    None if opens && waiting.len() < WAITING => waiting.push((at, kind, count)),
                    None => {}
                }
                said.push(text);
            }
        }
    }
    said.concat()
}

/// A code span; or the marks as text. Gives the bytes used.
fn code(rest: &str, no_closer: &mut [bool; 33], out: &mut String) -> usize {
    let count = rest.len() - rest.trim_start_matches('`').len();
    let known = no_closer.get_mut(count.min(32));
    let Some(none) = known else { return count };
    if !*none && count < 32 {
        let mut at = count;
        while let Some(found) = rest.get(at..).and_then(|tail| tail.find('`')) {
            let start = at + found;
            let tail = rest.get(start..).unwrap_or_default();
            let run = tail.len() - tail.trim_start_matches('`').len();
            if run == count {
                let inside = rest.get(count..start).unwrap_or_default().replace('\n', " ");
                let padded = inside.len() > 2
                    && inside.starts_with(' ')
                    && inside.ends_with(' ')
                    && !inside.trim().is_empty();
                let inside =
                    if padded { inside.get(1..inside.len() - 1).unwrap_or_default() } else { &inside };
                out.push_str("<code>");
                escape_into(out, inside);
                out.push_str("</code>");
                return start + run;
            }
            at = start + run;
        }
        // None behind this place, so none behind later ones either.
        *none = true;
    }
    out.extend(std::iter::repeat_n('`', count));
    count
}

/// `<https://…>`
fn angle(rest: &str) -> Option<&str> {
    let inside = rest.get(1..)?;
    let end = inside.bytes().take(LONGEST).position(|b| matches!(b, b'>' | b'<' | b' ' | b'\n'))?;
    let address = inside.get(..end).filter(|_| inside.as_bytes().get(end) == Some(&b'>'))?;
    let known = ["http://", "https://", "mailto:"].iter().any(|scheme| address.starts_with(scheme));
    known.then_some(address)
}

/// An address that stands in the text.
fn bare(rest: &str) -> Option<&str> {
    let scheme = ["https://", "http://"].iter().find(|scheme| rest.starts_with(**scheme))?;
    let end = rest
        .char_indices()
        .take(LONGEST)
        .find(|(_, c)| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '`' | '|' | '*'))
        .map_or(rest.len().min(LONGEST), |(at, _)| at);
    let mut address = rest.get(..end)?;
    // What ends the sentence does not belong to it; a closing bracket does if it was opened inside.
    while let Some(last) = address.chars().next_back() {
        let open = address.contains('(');
        let outside = matches!(last, '.' | ',' | ';' | ':' | '!' | '?' | '\'' | ']' | '}' | '_' | '~')
            || (last == ')' && !open);
        if !outside {
            break;
        }
        address = address.get(..address.len() - last.len_utf8())?;
    }
    (address.len() > scheme.len()).then_some(address)
}

/// `[label](address "title")`, `[label][name]`, `[name]`: the label, the address, the bytes used.
fn bracket<'a>(rest: &'a str, references: &'a References) -> Option<(&'a str, &'a str, usize)> {
    let end = closing(rest)?;
    let label = rest.get(1..end)?;
    let behind = rest.get(end + 1..).unwrap_or_default();
    if let Some(inside) = behind.strip_prefix('(') {
        let (address, length) = destination(inside)?;
        return Some((label, address, end + 2 + length));
    }
    if let Some(inside) = behind.strip_prefix('[') {
        let close = inside.bytes().take(200).position(|b| b == b']')?;
        let name = inside.get(..close)?;
        let name = if name.trim().is_empty() { label } else { name };
        return Some((label, references.find(name)?, end + 1 + close + 2));
    }
    Some((label, references.find(label)?, end + 1))
}

/// The `]` that belongs to the first `[`, within what a label may measure.
fn closing(rest: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().take(1000) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'[' => depth += 1,
            b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
        // A picture in a link is as deep as it goes.
        if depth > 3 {
            return None;
        }
    }
    None
}

/// What stands between the round brackets: the address, and the bytes up to and with the closing one.
fn destination(inside: &str) -> Option<(&str, usize)> {
    let start = inside.len() - inside.trim_start().len();
    let text = inside.get(start..)?;
    let (address, used) = if let Some(quoted) = text.strip_prefix('<') {
        let end = quoted.bytes().take(LONGEST).position(|b| matches!(b, b'>' | b'\n'))?;
        (quoted.get(..end)?, end + 2)
    } else {
        let mut depth = 0usize;
        let mut end = None;
        for (at, byte) in text.bytes().enumerate().take(LONGEST) {
            match byte {
                b'(' if depth < 8 => depth += 1,
                b'(' => return None,
                b')' if depth > 0 => depth -= 1,
                b')' | b' ' | b'\n' => {
                    end = Some(at);
                    break;
                }
                _ => {}
            }
        }
        (text.get(..end?)?, end?)
    };
    let tail = text.get(used..)?;
    let close = tail.bytes().take(500).position(|b| b == b')')?;
    let title = tail.get(..close)?.trim();
    let titled = title.is_empty() || title.starts_with(['"', '\'', '(']);
    titled.then_some((address, start + used + close + 1))
}

fn link(out: &mut String, href: Option<String>, shown: &str) {
    match href {
        Some(href) => {
            out.push_str("<a rel=\"nofollow ugc noopener noreferrer\" href=\"");
            escape_into(out, &href);
            out.push_str("\">");
            out.push_str(shown);
            out.push_str("</a>");
        }
        // Leads nowhere that is allowed: what it is called stays.
        None => out.push_str(shown),
    }
}

/// `&name;`, `&#123;`: shown as the sign it stands for.
fn is_entity(rest: &str) -> bool {
    let Some(end) = rest.bytes().take(12).position(|b| b == b';') else { return false };
    let name = rest.get(1..end).unwrap_or_default();
    let digits = name.strip_prefix('#');
    match digits {
        Some(digits) => !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()),
        None => name.len() > 1 && name.bytes().all(|b| b.is_ascii_alphanumeric()),
    }
}
