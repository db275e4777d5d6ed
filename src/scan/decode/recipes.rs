//! Commands inside YAML and TOML: `run:` blocks of workflows, `command` with `args` of servers and containers.
//! Reads lines, not documents.

use super::{Sink, json, plain};
use crate::rules::{Lang, Place};
use memchr::{memchr, memmem};
use std::ops::Range;

const MAX_BLOCK: usize = 64 << 10;
/// Lines between a command and its arguments.
const MAX_APART: usize = 12;

pub(super) fn find(sink: &mut Sink) {
    for segment in sink.segments {
        let config = matches!(segment.place, Place::Config | Place::Fence | Place::Frontmatter)
            && matches!(segment.lang, Lang::Yaml | Lang::Toml);
        // Most files have some YAML on top that starts nothing.
        let part = &sink.text.as_bytes()[segment.range.clone()];
        let starts = segment.place != Place::Frontmatter
            || memmem::find(part, b"command").is_some()
            || memmem::find(part, b"run:").is_some();
        if config && starts {
            lines(sink, segment.range.clone());
        }
    }
}

/// One `key: value` line.
struct Entry<'a> {
    indent: usize,
    key: &'a str,
    value: &'a str,
    value_at: usize,
    end: usize,
}

fn entry(text: &str, range: Range<usize>) -> Option<Entry<'_>> {
    let line = &text[range.clone()];
    let body = line.trim_start_matches([' ', '\t', '-']);
    let indent = line.len() - body.len();
    let split = body.find([':', '='])?;
    let key = body[..split].trim().trim_matches(['"', '\'']);
    if key.is_empty() || key.len() > 32 || key.contains(' ') {
        return None;
    }
    let value = body[split + 1..].trim();
    let value_at =
        range.start + indent + split + 1 + (body[split + 1..].len() - body[split + 1..].trim_start().len());
    Some(Entry { indent, key, value, value_at, end: range.end })
}

fn lines(sink: &mut Sink, range: Range<usize>) {
    let text = sink.text;
    let mut at = range.start;
    // The command that waits for its arguments: indentation, place, word, lines since.
    let mut command: Option<(usize, Range<usize>, String, usize)> = None;
    while at < range.end {
        let end = memchr(b'\n', &text.as_bytes()[at..range.end]).map_or(range.end, |i| at + i);
        let line = at..end;
        at = end + 1;
        if let Some((.., since)) = &mut command {
            *since += 1;
            if *since > MAX_APART {
                command = None;
            }
        }
        let Some(entry) = entry(text, line) else { continue };
        match entry.key {
            "run" | "script" | "before_script" | "after_script" | "inlineScript" | "bash" | "pwsh"
                if entry.value.starts_with(['|', '>']) || entry.value.is_empty() =>
            {
                let (block, next) = block(text, end + 1, range.end, entry.indent);
                at = next;
                let body = unindent(&text[block.clone()]);
                if !body.trim().is_empty() && plain::is_telling(&body) {
                    sink.put(block, &["run"], body, Lang::Shell);
                }
            }
            "run" | "script" if plain::is_telling(entry.value) => {
                sink.put(
                    entry.value_at..entry.value_at + entry.value.len(),
                    &["run"],
                    unquote(entry.value),
                    Lang::Shell,
                );
            }
            "command" | "cmd" | "entrypoint" => {
                if entry.value.starts_with('[') && !sink.spend(MAX_BLOCK / 32) {
                    return;
                }
                let (words, span, next) = list(text, &entry, range.end);
                at = at.max(next);
                if words.len() >= 2 {
                    json::put(sink, span.clone(), &words);
                } else if entry.value.contains(' ')
                    && !entry.value.starts_with(['|', '>', '['])
                    && plain::is_telling(entry.value)
                {
                    sink.put(span.clone(), &["run"], unquote(entry.value), Lang::Shell);
                }
                if let Some(word) = words.into_iter().next() {
                    command = Some((entry.indent, span, word, 0));
                }
            }
            "args" | "arguments" => {
                if entry.value.starts_with('[') && !sink.spend(MAX_BLOCK / 32) {
                    return;
                }
                let (words, span, next) = list(text, &entry, range.end);
                at = at.max(next);
                if let Some((indent, from, word, _)) = command.take()
                    && indent == entry.indent
                {
                    let mut all = vec![word];
                    all.extend(words);
                    json::put(sink, from.start..span.end, &all);
                }
            }
            _ => {}
        }
    }
}

/// The words of a value: a scalar is one, `[a, b]` and a list of `- a` lines are several.
fn list(text: &str, entry: &Entry, limit: usize) -> (Vec<String>, Range<usize>, usize) {
    let value_end = entry.value_at + entry.value.len();
    if entry.value.starts_with('[') {
        // TOML arrays may span lines.
        let reach = limit.min(entry.value_at + MAX_BLOCK);
        let close = memchr(b']', &text.as_bytes()[entry.value_at..reach])
            .map_or(value_end, |i| entry.value_at + i + 1);
        let inner = text.get(entry.value_at + 1..close - 1).unwrap_or("");
        return (items(inner), entry.value_at..close, close);
    }
    if !entry.value.is_empty() {
        return (vec![unquote(entry.value)], entry.value_at..value_end, entry.end);
    }
    let mut words = Vec::new();
    let mut at = entry.end + 1;
    let mut last = entry.value_at.min(entry.end);
    while at < limit && words.len() < 128 {
        let end = memchr(b'\n', &text.as_bytes()[at..limit]).map_or(limit, |i| at + i);
        let line = &text[at..end];
        let Some(item) = line.trim_start().strip_prefix("- ") else { break };
        if line.len() - line.trim_start().len() + 2 < entry.indent {
            break;
        }
        words.push(unquote(item.trim()));
        last = end;
        at = end + 1;
    }
    (words, entry.value_at.min(last)..last, at.min(limit).max(entry.end))
}

/// Items of a flow list; commas inside quotes do not part them.
fn items(inner: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = inner.trim_start();
    while !rest.is_empty() && out.len() < 128 {
        let quote = rest.bytes().next().filter(|b| matches!(b, b'"' | b'\''));
        let end = match quote {
            Some(q) => {
                let mut i = 1;
                while i < rest.len() && rest.as_bytes()[i] != q {
                    i += if rest.as_bytes()[i] == b'\\' && q == b'"' { 2 } else { 1 };
                }
                (i + 1).min(rest.len())
            }
            None => rest.find(',').unwrap_or(rest.len()),
        };
        let Some(item) = rest.get(..end) else { break };
        if !item.trim().is_empty() {
            out.push(unquote(item.trim()));
        }
        rest = rest[end..].trim_start_matches([',', ' ', '\n', '\r', '\t']);
    }
    out
}

fn unquote(value: &str) -> String {
    if value.len() >= 2 && value.starts_with('"') && value.ends_with('"') {
        return json::unescape(&value[1..value.len() - 1]);
    }
    if value.len() >= 2 && value.starts_with('\'') && value.ends_with('\'') {
        return value[1..value.len() - 1].replace("''", "'");
    }
    value.to_owned()
}

/// The lines from `start` that are indented deeper than `indent`.
fn block(text: &str, start: usize, limit: usize, indent: usize) -> (Range<usize>, usize) {
    let start = start.min(limit);
    let mut at = start;
    let mut last = start;
    while at < limit && at - start < MAX_BLOCK {
        let end = memchr(b'\n', &text.as_bytes()[at..limit]).map_or(limit, |i| at + i);
        let line = &text[at..end];
        let body = line.trim_start_matches([' ', '\t']);
        if !body.trim().is_empty() {
            if line.len() - body.len() <= indent
                && !(line.len() - body.len() == indent && body.starts_with("- "))
            {
                break;
            }
            last = end;
        }
        at = end + 1;
    }
    (start..last, at.min(limit).max(start))
}

/// Takes the common indentation away, and the dashes of a list of commands.
fn unindent(block: &str) -> String {
    let indent = block
        .lines()
        .filter(|l| !l.trim().is_empty())
        .map(|l| l.len() - l.trim_start_matches(' ').len())
        .min()
        .unwrap_or(0);
    let mut out = String::with_capacity(block.len());
    for line in block.lines() {
        let line = line.get(indent..).unwrap_or("");
        out.push_str(line.strip_prefix("- ").unwrap_or(line));
        out.push('\n');
    }
    out
}
