//! Markdown of strangers as HTML: the parts of CommonMark and its tables that skills use. What comes out is made of a
//! fixed set of tags without attributes but `href`, `rel`, `class` and `id`; HTML in the text stays text, pictures become links. Time is
//! linear in the text, whatever it holds.

mod inline;
#[cfg(test)]
mod tests;

use super::html::escape;
use inline::{References, inline};

/// Blocks inside blocks beyond this are shown as text.
const DEEPEST: usize = 12;

/// The HTML of `text`. Relative links lead below `base`, which is an address that ends in a slash.
pub fn render(text: &str, base: &str) -> String {
    // A tab at the start of a line counts as four columns; anywhere else it is a blank like others.
    let text = text.replace('\t', "    ");
    let all: Vec<&str> = text.lines().collect();
    let (references, lines) = References::collect(&all, base);
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    blocks(&lines, 0, &references, &mut out);
    out
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}

/// The line without up to `columns` of its leading blanks.
fn outdent(line: &str, columns: usize) -> &str {
    line.get(indent(line).min(columns)..).unwrap_or_default()
}

fn blocks(lines: &[&str], depth: usize, references: &References, out: &mut String) {
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let rest = lines.get(at..).unwrap_or_default();
        if is_blank(line) {
            at += 1;
        } else if indent(line) >= 4 {
            at += indented_code(rest, out);
        } else if let Some(fence) = Fence::open(line) {
            at += fenced_code(&fence, rest, out);
        } else if let Some((level, title)) = heading(line) {
            tag(out, level, &inline(title, references));
            at += 1;
        } else if is_rule(line) {
            out.push_str("<hr>\n");
            at += 1;
        } else if depth < DEEPEST && line.trim_start().starts_with('>') {
            at += quote(rest, depth, references, out);
        } else if depth < DEEPEST && Marker::read(line).is_some() {
            at += list(rest, depth, references, out);
        } else if let Some(length) = table(rest, references, out) {
            at += length;
        } else {
            at += paragraph(rest, depth, references, out);
        }
    }
}

fn tag(out: &mut String, level: usize, content: &str) {
    // The page has its own h1.
    let level = (level + 1).min(6);
    out.push_str(&format!("<h{level}>{content}</h{level}>\n"));
}

/// `# Title #`
fn heading(line: &str) -> Option<(usize, &str)> {
    let line = line.trim();
    let level = line.len() - line.trim_start_matches('#').len();
    let rest = line.get(level..)?;
    let fits = (1..=6).contains(&level) && (rest.is_empty() || rest.starts_with(' '));
    let title = rest.trim();
    // Closing hashes count only behind a blank.
    let bare = title.trim_end_matches('#');
    let closed = bare.is_empty() || bare.ends_with(' ');
    fits.then_some((level, if closed { bare.trim_end() } else { title }))
}

/// `---`, `* * *`
fn is_rule(line: &str) -> bool {
    let mut kinds = line.chars().filter(|c| *c != ' ');
    let Some(first) = kinds.next().filter(|c| matches!(c, '-' | '*' | '_')) else { return false };
    let mut count = 1;
    kinds.all(|c| {
        count += 1;
        c == first
    }) && count >= 3
}

struct Fence {
    mark: char,
    length: usize,
    indent: usize,
    language: String,
}

impl Fence {
    fn open(line: &str) -> Option<Fence> {
        let indent = indent(line);
        let text = line.trim();
        let mark = text.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let info = text.trim_start_matches(mark);
        let length = text.len() - info.len();
        if length < 3 || indent > 3 || (mark == '`' && info.contains('`')) {
            return None;
        }
        let language = info.trim().split([' ', '{', ',']).next().unwrap_or_default();
        let language = language.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '#'));
        Some(Fence { mark, length, indent, language: language.take(20).collect() })
    }

    fn closes(&self, line: &str) -> bool {
        let text = line.trim();
        indent(line) < 4 && text.len() >= self.length && text.chars().all(|c| c == self.mark)
    }
}

fn fenced_code(fence: &Fence, lines: &[&str], out: &mut String) -> usize {
    out.push_str("<pre><code");
    if !fence.language.is_empty() {
        out.push_str(&format!(" class=\"language-{}\"", escape(&fence.language)));
    }
    out.push('>');
    let mut used = 1;
    for line in lines.iter().skip(1) {
        used += 1;
        if fence.closes(line) {
            break;
        }
        out.push_str(&escape(outdent(line, fence.indent)));
        out.push('\n');
    }
    out.push_str("</code></pre>\n");
    used
}

fn indented_code(lines: &[&str], out: &mut String) -> usize {
    let inside = |line: &&str| is_blank(line) || indent(line) >= 4;
    let mut used = lines.iter().take_while(|line| inside(line)).count();
    while used > 0 && lines.get(used - 1).is_some_and(|line| is_blank(line)) {
        used -= 1;
    }
    out.push_str("<pre><code>");
    for line in lines.iter().take(used) {
        out.push_str(&escape(outdent(line, 4)));
        out.push('\n');
    }
    out.push_str("</code></pre>\n");
    used
}

fn quote(lines: &[&str], depth: usize, references: &References, out: &mut String) -> usize {
    let mut inside: Vec<&str> = Vec::new();
    for line in lines {
        match line.trim_start().strip_prefix('>') {
            Some(rest) => inside.push(rest.strip_prefix(' ').unwrap_or(rest)),
            // A paragraph goes on without its mark, unless something else begins.
            None if !is_blank(line) && inside.last().is_some_and(|l| !is_blank(l)) && !interrupts(line) => {
                inside.push(line);
            }
            None => break,
        }
    }
    out.push_str("<blockquote>\n");
    blocks(&inside, depth + 1, references, out);
    out.push_str("</blockquote>\n");
    inside.len()
}

/// What begins an item of a list.
#[derive(Clone, Copy, PartialEq)]
struct Marker {
    /// `-`, `*`, `+`; `.` and `)` for numbers.
    kind: char,
    number: u32,
    /// Columns before the content.
    width: usize,
}

impl Marker {
    fn read(line: &str) -> Option<Marker> {
        let indent = indent(line);
        let text = line.get(indent..)?;
        if indent > 3 || is_rule(line) {
            return None;
        }
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let kind = text.get(digits..)?.chars().next()?;
        let number = match (digits, kind) {
            (0, '-' | '*' | '+') => 0,
            (1..=9, '.' | ')') => text.get(..digits)?.parse().ok()?,
            _ => return None,
        };
        let content = text.get(digits + 1..)?;
        if !content.is_empty() && !content.starts_with(' ') {
            return None;
        }
        let blanks = self::indent(content);
        // Five blanks are one and an indented code block; an empty item has one.
        let blanks = if is_blank(content) || blanks > 4 { 1 } else { blanks };
        Some(Marker { kind, number, width: indent + digits + 1 + blanks })
    }

    fn is_sibling(self, other: Marker) -> bool {
        self.kind == other.kind
    }
}

fn list(lines: &[&str], depth: usize, references: &References, out: &mut String) -> usize {
    let Some(first) = lines.first().and_then(|line| Marker::read(line)) else { return 1 };
    let ordered = matches!(first.kind, '.' | ')');
    match (ordered, first.number) {
        (false, _) => out.push_str("<ul>\n"),
        (true, 1) => out.push_str("<ol>\n"),
        (true, start) => out.push_str(&format!("<ol start=\"{start}\">\n")),
    }
    let mut at = 0;
    let mut loose = false;
    let mut items: Vec<Vec<&str>> = Vec::new();
    while let Some(marker) = lines.get(at).and_then(|line| Marker::read(line)) {
        if !marker.is_sibling(first) {
            break;
        }
        let first_line = lines.get(at).and_then(|line| line.get(marker.width..)).unwrap_or_default();
        let mut item = vec![first_line];
        at += 1;
        let mut blanks = 0;
        while let Some(line) = lines.get(at) {
            if is_blank(line) {
                blanks += 1;
            } else if indent(line) >= marker.width {
                loose |= blanks > 0 && !starts_list(outdent(line, marker.width));
                item.extend(std::iter::repeat_n("", blanks));
                blanks = 0;
                item.push(outdent(line, marker.width));
            } else if blanks == 0
                && !interrupts(line)
                && Marker::read(line).is_none()
                && item.last().is_some_and(|last| !is_blank(last))
            {
                item.push(line.trim_start());
            } else {
                break;
            }
            at += 1;
        }
        items.push(item);
        let goes_on = lines.get(at).and_then(|line| Marker::read(line)).is_some_and(|m| m.is_sibling(first));
        loose |= goes_on && blanks > 0;
        if !goes_on {
            at -= blanks;
            break;
        }
    }
    for item in &items {
        out.push_str("<li>");
        let start = out.len();
        blocks(item, depth + 1, references, out);
        if !loose {
            tighten(out, start);
        }
        out.push_str("</li>\n");
    }
    out.push_str(if ordered { "</ol>\n" } else { "</ul>\n" });
    at.max(1)
}

fn starts_list(line: &str) -> bool {
    Marker::read(line).is_some()
}

/// In a list without blank lines an item's own first paragraph is not one.
fn tighten(out: &mut String, start: usize) {
    let Some(rest) = out.get(start..).and_then(|item| item.strip_prefix("<p>")) else { return };
    let Some((head, tail)) = rest.split_once("</p>\n") else { return };
    let item = format!("{head}{}{tail}", if tail.is_empty() { "" } else { "\n" });
    out.truncate(start);
    out.push_str(&item);
}

/// Does this line end a paragraph without a blank line before it?
fn interrupts(line: &str) -> bool {
    let text = line.trim_start();
    indent(line) < 4
        && (Fence::open(line).is_some()
            || heading(line).is_some()
            || is_rule(line)
            || text.starts_with('>')
            || Marker::read(line)
                .is_some_and(|m| m.number <= 1 && !is_blank(line.get(m.width..).unwrap_or(""))))
}

fn paragraph(lines: &[&str], depth: usize, references: &References, out: &mut String) -> usize {
    let mut used = 0;
    for line in lines {
        let text = line.trim();
        if used > 0 && depth < DEEPEST {
            let under = |mark: char| !text.is_empty() && text.chars().all(|c| c == mark) && indent(line) < 4;
            if under('=') || (under('-') && !text.is_empty()) {
                let level = if text.starts_with('=') { 1 } else { 2 };
                let title = lines.get(..used).unwrap_or_default().join("\n");
                tag(out, level, &inline(title.trim(), references));
                return used + 1;
            }
            if interrupts(line) {
                break;
            }
        }
        if is_blank(line) {
            break;
        }
        used += 1;
    }
    let text = lines.get(..used).unwrap_or_default();
    let text: Vec<&str> = text.iter().map(|line| line.trim_start()).collect();
    out.push_str("<p>");
    out.push_str(&inline(text.join("\n").trim_end(), references));
    out.push_str("</p>\n");
    used.max(1)
}

/// The cells of a row; `\|` is no border, and neither is one in code.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim();
    let line = line.strip_prefix('|').unwrap_or(line);
    let mut cells = vec![String::new()];
    let mut code = false;
    let mut escaped = false;
    for c in line.chars() {
        let last = cells.last_mut();
        match c {
            '|' if escaped => {
                last.map(|cell| {
                    cell.pop();
                    cell.push('|');
                })
                .unwrap_or_default();
            }
            '|' if !code => cells.push(String::new()),
            _ => {
                code ^= c == '`';
                last.map(|cell| cell.push(c)).unwrap_or_default();
            }
        }
        escaped = c == '\\' && !escaped;
    }
    if cells.len() > 1 && cells.last().is_some_and(|cell| is_blank(cell)) {
        cells.pop();
    }
    cells
}

fn table(lines: &[&str], references: &References, out: &mut String) -> Option<usize> {
    let (head, rule) = (lines.first()?, lines.get(1)?);
    if !head.contains('|') || !rule.contains('-') || !rule.chars().all(|c| matches!(c, '|' | '-' | ':' | ' '))
    {
        return None;
    }
    let columns = cells(head);
    let is_dash = |cell: &String| {
        let cell = cell.trim();
        let dashes = cell.trim_start_matches(':').trim_end_matches(':');
        !dashes.is_empty() && dashes.chars().all(|c| c == '-')
    };
    let rules = cells(rule);
    if rules.len() != columns.len() || !rules.iter().all(is_dash) {
        return None;
    }
    out.push_str("<div class=\"scroll\"><table>\n<thead><tr>");
    for cell in &columns {
        out.push_str(&format!("<th>{}</th>", inline(cell.trim(), references)));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    let mut used = 2;
    for line in lines.iter().skip(2) {
        if is_blank(line) || interrupts(line) {
            break;
        }
        used += 1;
        out.push_str("<tr>");
        let row = cells(line);
        for at in 0..columns.len() {
            let cell = row.get(at).map_or("", |cell| cell.trim());
            out.push_str(&format!("<td>{}</td>", inline(cell, references)));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    Some(used)
}
