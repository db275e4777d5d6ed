//! Markdown, as far as it decides who reads what: blocks line by line as CommonMark has them, then code spans,
//! comments, hidden elements, image texts and link titles within prose. No tree is built and nothing is rendered.

use super::html::{self, Comments};
use super::{Cutter, list_marker};
use crate::rules::{Lang, Place};
use crate::scan::lang;
use memchr::{memchr, memchr3, memmem, memrchr};
use std::ops::Range;

/// How far the end of a code span, an alternative text or a title is looked for.
const REACH: usize = 4096;

/// Longest run of backticks that can open a code span.
const MAX_TICKS: usize = 32;

/// `html`: whether comments and elements are hidden (Markdown) or shown as they are (plain text).
pub(super) fn cut(text: &str, html: bool, cutter: &mut Cutter) {
    let start = frontmatter(text, cutter);
    let mut inline = Inline {
        text,
        html,
        next: None,
        comments: Comments::default(),
        no_ticks: [0; MAX_TICKS],
        bracket_floor: 0,
    };
    let bytes = text.as_bytes();
    let mut at = start;
    let mut line_start = true;
    let mut after_blank = true;
    let mut in_list = false;
    while at < bytes.len() {
        let end = memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |i| at + i);
        let mut content = at;
        if line_start {
            // Most lines of prose start with a letter: nothing that opens a block.
            let mark = !bytes[at].is_ascii_alphabetic() && bytes[at] < 0x80;
            if mark {
                let line = Line::read(&bytes[at..end]);
                content = at + line.content;
                let blank = bytes[content..end].iter().all(u8::is_ascii_whitespace);
                if let Some(fence) = Fence::open(text, at, end, &line) {
                    at = fence.cut(text, cutter);
                    after_blank = false;
                    continue;
                }
                in_list = line.list || (in_list && (blank || line.indent >= 2 || !after_blank));
                if line.indent >= 4 && !line.list && line.quotes == 0 && after_blank && !in_list && !blank {
                    at = indented(text, at, cutter);
                    after_blank = true;
                    continue;
                }
                after_blank = blank;
                if bytes.get(content) == Some(&b'[') {
                    definition(text, at, content..end, cutter);
                }
            } else {
                in_list &= !after_blank;
                after_blank = false;
            }
        }
        at = inline.line(at..end, content, cutter);
        if at == end {
            at = end + 1;
            line_start = true;
        } else {
            // Something that started on the line ended on a later one.
            line_start = bytes.get(at - 1) == Some(&b'\n');
        }
    }
}

/// The block between `---` lines (or `+++`) that opens the file. Without an end it is as long as its lines look like one.
fn frontmatter(text: &str, cutter: &mut Cutter) -> usize {
    let body = text.trim_start_matches(['\u{feff}', '\n', '\r', ' ', '\t', '\u{200b}']);
    let start = text.len() - body.len();
    let mut lines = body.split_inclusive('\n');
    let Some(first) = lines.next() else { return 0 };
    let (end_mark, lang) = match first.trim_end() {
        "---" => ("---", Lang::Yaml),
        "+++" => ("+++", Lang::Toml),
        _ => return 0,
    };
    let mut at = start + first.len();
    // Where the block ends if no end mark comes.
    let mut fallback: Option<usize> = None;
    let mut keys = 0usize;
    for line in lines {
        let trimmed = line.trim_end();
        at += line.len();
        if trimmed == end_mark || (trimmed == "..." && end_mark == "---") {
            cutter.put(0..at, Place::Frontmatter, lang);
            return at;
        }
        if fallback.is_none() {
            let key = trimmed
                .split_once([':', '='])
                .is_some_and(|(k, _)| !k.is_empty() && !k.contains(' ') && !k.starts_with('#'));
            let more = trimmed.is_empty() && keys == 0
                || line.starts_with([' ', '\t', '#'])
                || trimmed.starts_with("- ");
            keys += usize::from(key);
            if !key && !more {
                fallback = Some(at - line.len());
            }
        }
    }
    // Two thematic breaks or one: a file may just start with a line.
    if keys == 0 {
        return 0;
    }
    let end = fallback.unwrap_or(text.len());
    cutter.put(0..end, Place::Frontmatter, lang);
    end
}

/// The marks a line starts with: quotes, list items, indentation.
struct Line {
    /// Offset of what follows them.
    content: usize,
    /// Columns between the last mark and the content.
    indent: usize,
    quotes: usize,
    list: bool,
}

impl Line {
    fn read(line: &[u8]) -> Line {
        let mut out = Line { content: 0, indent: 0, quotes: 0, list: false };
        // Deeper nesting than this is no document.
        for _ in 0..16 {
            let mut columns = 0;
            let mut i = out.content;
            while let Some(b' ' | b'\t') = line.get(i) {
                columns += if line[i] == b'\t' { 4 - columns % 4 } else { 1 };
                i += 1;
            }
            out.content = i;
            out.indent = columns;
            if line.get(i) == Some(&b'>') {
                out.quotes += 1;
                out.content += 1 + usize::from(line.get(i + 1) == Some(&b' '));
                continue;
            }
            match list_marker(&line[i..]) {
                0 => break,
                n => {
                    out.list = true;
                    out.content += n;
                }
            }
        }
        out
    }
}

/// A fenced block.
struct Fence {
    mark: u8,
    length: usize,
    quotes: usize,
    indent: usize,
    lang: Lang,
    /// Start of the first line of code.
    body: usize,
}

impl Fence {
    fn open(text: &str, start: usize, end: usize, line: &Line) -> Option<Fence> {
        let bytes = text.as_bytes();
        let from = start + line.content;
        let mark = *bytes.get(from).filter(|b| matches!(b, b'`' | b'~'))?;
        let length = bytes[from..end].iter().take_while(|b| **b == mark).count();
        if length < 3 {
            return None;
        }
        let info = &text[from + length..end];
        if mark == b'`' && info.contains('`') {
            return None;
        }
        let info = info.get(..info.len().min(64)).unwrap_or("");
        let body = (end + 1).min(bytes.len());
        Some(Fence {
            mark,
            length,
            quotes: line.quotes,
            indent: line.indent,
            lang: lang::fence_lang(info),
            body,
        })
    }

    /// Puts the block and returns where the text goes on.
    fn cut(&self, text: &str, cutter: &mut Cutter) -> usize {
        let bytes = text.as_bytes();
        let mut at = self.body;
        let mut end = bytes.len();
        let mut next = bytes.len();
        while at < bytes.len() {
            let eol = memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |i| at + i);
            let (ends, closes) = self.closes(&bytes[at..eol]);
            if ends {
                end = at;
                next = if closes { (eol + 1).min(bytes.len()) } else { at };
                break;
            }
            at = eol + 1;
        }
        let code = &text[self.body.min(end)..end];
        let mut lang = self.lang;
        if lang == Lang::Unknown {
            lang = lang::guess(head(code, 2048));
        }
        cutter.put(self.body..end, Place::Fence, lang);
        next
    }

    /// Does the block end before or with this line, and is the line its closing mark?
    fn closes(&self, line: &[u8]) -> (bool, bool) {
        let mut i = 0;
        let mut quotes = 0;
        let mut indent = 0;
        while let Some(b) = line.get(i) {
            match b {
                b' ' | b'\t' => indent += 1,
                b'>' if quotes < self.quotes => {
                    quotes += 1;
                    indent = 0;
                }
                _ => break,
            }
            i += 1;
        }
        // A quoted block ends with its quote.
        if quotes < self.quotes {
            return (true, false);
        }
        if line.get(i) != Some(&self.mark) || indent > self.indent.max(4) + 3 {
            return (false, false);
        }
        let run = line[i..].iter().take_while(|b| **b == self.mark).count();
        let closes = run >= self.length && line[i + run..].iter().all(u8::is_ascii_whitespace);
        (closes, closes)
    }
}

/// An indented block after a blank line: code if it looks like some. Returns where the text goes on.
fn indented(text: &str, start: usize, cutter: &mut Cutter) -> usize {
    let bytes = text.as_bytes();
    let mut at = start;
    let mut end = start;
    while at < bytes.len() {
        let eol = memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |i| at + i);
        let line = &bytes[at..eol];
        let blank = line.iter().all(u8::is_ascii_whitespace);
        // The first line is known to be indented, by whatever blanks; to stop at it would never get on.
        if at > start && !blank && !line.starts_with(b"    ") && !line.starts_with(b"\t") {
            break;
        }
        at = (eol + 1).min(bytes.len());
        if !blank {
            end = at;
        }
    }
    let code = head(&text[start..end], 2048);
    let lang = lang::guess(code);
    if lang != Lang::Unknown || has_code_marks(code) {
        cutter.put(start..end, Place::Fence, lang);
    }
    end
}

/// Brackets, assignments and statement ends that prose has few of.
fn has_code_marks(text: &str) -> bool {
    let lines = text.lines().filter(|l| !l.trim().is_empty()).count();
    let marked = text
        .lines()
        .filter(|l| {
            let l = l.trim_end();
            l.ends_with([';', '{', '}', ')', ',', '\\'])
                || l.contains(" = ")
                || l.contains("()")
                || l.contains(" | ")
                || l.contains(" --")
        })
        .count();
    lines > 0 && marked * 2 >= lines
}

/// A link reference definition: its title is not shown, and with `[//]: # (…)` the whole line is a comment.
fn definition(text: &str, start: usize, line: Range<usize>, cutter: &mut Cutter) {
    let body = head(&text[line.clone()], REACH);
    let Some(close) = body.find("]:") else { return };
    let target = body[close + 2..].trim_start();
    let whole = ["# ", "#\t", "<> ", "<>(", "#(", "/ (", "# \""].iter().any(|t| target.starts_with(t));
    if whole {
        cutter.put(start..line.end, Place::Hidden, Lang::Text);
        return;
    }
    let Some(space) = target.find([' ', '\t']) else { return };
    let title = target[space..].trim();
    if title.len() > 2 && title.starts_with(['"', '\'', '(']) && title.ends_with(['"', '\'', ')']) {
        let from = line.start + (body.len() - target.len()) + target.find(title).unwrap_or(0) + 1;
        cutter.put(from..from + title.len() - 2, Place::Hidden, Lang::Text);
    }
}

/// What stands within lines of prose.
struct Inline<'a> {
    text: &'a str,
    html: bool,
    /// The next byte that may start something, at or after the place last asked for; `None` before the first search.
    next: Option<usize>,
    comments: Comments,
    /// For each length of a run of backticks: no run of that length ends a span before this offset.
    no_ticks: [usize; MAX_TICKS],
    /// Image brackets before this belong to something that is done.
    bracket_floor: usize,
}

impl Inline<'_> {
    /// Cuts one line and returns where the text goes on: its end, or past what started on it.
    fn line(&mut self, line: Range<usize>, content: usize, cutter: &mut Cutter) -> usize {
        let bytes = self.text.as_bytes();
        let mut at = line.start;
        self.bracket_floor = line.start;
        loop {
            let found = match self.next {
                Some(i) if i >= at => i,
                _ => {
                    let i = memchr3(b'`', b'<', b']', &bytes[at..]).map_or(bytes.len(), |i| at + i);
                    self.next = Some(i);
                    i
                }
            };
            if found >= line.end {
                return line.end;
            }
            let end = match bytes[found] {
                b'`' => self.code_span(found, cutter),
                b'<' if self.html => self.markup(found, found == content, cutter),
                b']' => self.link(found, cutter),
                _ => found + 1,
            };
            at = end.max(found + 1);
            if at > line.end {
                return at;
            }
        }
    }

    fn code_span(&mut self, start: usize, cutter: &mut Cutter) -> usize {
        let bytes = self.text.as_bytes();
        let run = run_length(bytes, start);
        let body = start + run;
        let escaped = bytes[..start].iter().rev().take(8).take_while(|b| **b == b'\\').count() % 2 == 1;
        if run >= MAX_TICKS || escaped {
            return if escaped { start + 1 } else { body };
        }
        if self.no_ticks[run] > body {
            return body;
        }
        let limit = bytes.len().min(body + REACH);
        let mut at = body;
        while let Some(i) = memchr(b'`', &bytes[at..limit]) {
            let close = at + i;
            let length = run_length(bytes, close);
            if length == run {
                if has_blank_line(&bytes[body..close]) {
                    break;
                }
                cutter.put(body..close, Place::Fence, Lang::Unknown);
                return close + length;
            }
            at = (close + length).min(limit);
        }
        self.no_ticks[run] = limit;
        body
    }

    fn markup(&mut self, start: usize, opens_block: bool, cutter: &mut Cutter) -> usize {
        let text = self.text;
        if text.as_bytes()[start..].starts_with(b"<!--") {
            let end = match self.comments.end(text, start) {
                Some(end) => end,
                // At the start of a line an unterminated comment hides the rest of the file; elsewhere it is text.
                None if opens_block => text.len(),
                None => return start + 4,
            };
            cutter.put(start..end, Place::Hidden, Lang::Html);
            return end;
        }
        match html::tag(text, start) {
            Some(tag) => html::put_element(text, start, &tag, Place::Fence, cutter),
            None => start + 1,
        }
    }

    /// At the `]` of `[text](target "title")` or `![alt](target "title")`.
    fn link(&mut self, close: usize, cutter: &mut Cutter) -> usize {
        let bytes = self.text.as_bytes();
        if bytes.get(close + 1) != Some(&b'(') {
            return close + 1;
        }
        let from = self.bracket_floor.max(close.saturating_sub(REACH));
        let mut search = close;
        // The alternative text starts at the nearest `![` that is not part of an earlier link.
        while let Some(i) = memrchr(b'[', &bytes[from.min(search)..search]) {
            let open = from + i;
            if open > 0 && bytes[open - 1] == b'!' && open > from {
                cutter.put(open + 1..close, Place::Hidden, Lang::Text);
                break;
            }
            search = open;
        }
        self.bracket_floor = close + 1;
        let limit = bytes.len().min(close + 2 + REACH);
        let mut i = close + 2;
        while i < limit && !matches!(bytes[i], b' ' | b'\t' | b')' | b'\n' | b'(') {
            i += 1;
        }
        while i < limit && matches!(bytes[i], b' ' | b'\t') {
            i += 1;
        }
        if let Some(&quote @ (b'"' | b'\'')) = bytes.get(i)
            && let Some(length) = memchr(quote, &bytes[i + 1..limit.max(i + 1)])
        {
            let title = i + 1..i + 1 + length;
            if bytes.get(title.end + 1) == Some(&b')') && !has_blank_line(&bytes[title.clone()]) {
                cutter.put(title.clone(), Place::Hidden, Lang::Text);
                return title.end + 2;
            }
        }
        close + 2
    }
}

fn run_length(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().take_while(|b| **b == b'`').count()
}

fn has_blank_line(bytes: &[u8]) -> bool {
    memmem::find(bytes, b"\n\n").is_some() || memmem::find(bytes, b"\n\r\n").is_some()
}

/// The first `max` bytes of `text`, cut at a character.
fn head(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
