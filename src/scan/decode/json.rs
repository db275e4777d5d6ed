//! JSON as agents and package managers read it: `"command"` with `"args"` as one command line, scripts and other string
//! values without their escapes, notebook cells. Tolerates comments, trailing commas and fragments; builds no tree.

use super::argv::{command_line, inline_script};
use super::{Sink, plain};
use crate::rules::{Lang, Place};
use crate::scan::lang;
use memchr::memchr3;
use std::ops::Range;

const MAX_DEPTH: usize = 128;
const MAX_ITEMS: usize = 512;
const MAX_LIST: usize = 256 << 10;

pub(super) fn find(sink: &mut Sink) {
    for segment in sink.segments {
        let json = segment.lang == Lang::Json
            && matches!(segment.place, Place::Config | Place::Fence | Place::Script);
        if json {
            walk(sink, segment.range.clone());
        }
    }
}

/// An object or array that is open.
#[derive(Default)]
struct Frame {
    array: bool,
    /// The key this container is the value of.
    owner: String,
    /// The key whose value comes next.
    key: String,
    command: Option<(Range<usize>, String)>,
    args: Option<(Range<usize>, Vec<String>)>,
    items: Vec<String>,
    size: usize,
    first: usize,
}

fn walk(sink: &mut Sink, range: Range<usize>) {
    let text = sink.text;
    let bytes = text.as_bytes();
    let mut stack = vec![Frame::default()];
    // Containers deeper than the stack goes are only counted.
    let mut deep = 0usize;
    let mut at = range.start;
    while at < range.end {
        match bytes[at] {
            b'"' => at = string(sink, &mut stack, at, range.end),
            b'{' | b'[' if stack.len() >= MAX_DEPTH => {
                deep += 1;
                at += 1;
            }
            b'}' | b']' if deep > 0 => {
                deep -= 1;
                at += 1;
            }
            open @ (b'{' | b'[') => {
                let owner = stack
                    .last_mut()
                    .map(|f| if f.array { f.owner.clone() } else { std::mem::take(&mut f.key) })
                    .unwrap_or_default();
                stack.push(Frame { array: open == b'[', owner, first: at, ..Frame::default() });
                at += 1;
            }
            b'}' | b']' => {
                at += 1;
                if stack.len() > 1
                    && let Some(frame) = stack.pop()
                {
                    close(sink, &mut stack, frame, at);
                }
            }
            b',' => {
                if let Some(frame) = stack.last_mut() {
                    frame.key.clear();
                }
                at += 1;
            }
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at = memchr::memchr(b'\n', &bytes[at..range.end]).map_or(range.end, |i| at + i)
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = memchr::memmem::find(&bytes[at + 2..range.end], b"*/").map_or(range.end, |i| at + i + 4);
            }
            // Numbers, words and white space.
            _ => at += 1,
        }
    }
    // A fragment may end anywhere.
    while let Some(frame) = stack.pop() {
        close(sink, &mut stack, frame, range.end);
    }
}

/// Reads the string at `start` (its quote) and gives it to the frame. Returns where the text goes on.
fn string(sink: &mut Sink, stack: &mut [Frame], start: usize, end: usize) -> usize {
    let text = sink.text;
    let bytes = text.as_bytes();
    let mut at = start + 1;
    let mut escaped = false;
    let close = loop {
        // Strings of fragments and of broken files end with their line.
        let Some(i) = memchr3(b'"', b'\\', b'\n', &bytes[at..end]) else { return end };
        let i = at + i;
        match bytes[i] {
            b'\\' => {
                escaped = true;
                at = (i + 2).min(end);
                if !text.is_char_boundary(at) {
                    at = i + 1;
                }
            }
            b'"' => break i,
            _ => return i,
        }
    };
    let next = close + 1;
    let inner = start + 1..close;
    let Some(frame) = stack.last_mut() else { return next };
    let raw = &text[inner.clone()];
    let is_key = !frame.array && followed_by_colon(&bytes[next..end]);
    if is_key {
        frame.key.clear();
        frame.key.push_str(raw.get(..raw.len().min(64)).unwrap_or(""));
        return next;
    }
    if raw.len() < 2 && !frame.array {
        return next;
    }
    let value = || if escaped { unescape(raw) } else { raw.to_owned() };
    if frame.array {
        if frame.items.len() < MAX_ITEMS && frame.size < MAX_LIST && wants_items(&frame.owner) {
            let value = value();
            frame.size += value.len();
            frame.items.push(value);
            return next;
        }
    } else if is_command_key(&frame.key) {
        frame.command = Some((inner, value()));
        return next;
    }
    let script = frame.owner == "scripts" && !frame.array;
    if script {
        let value = value();
        if plain::is_telling(&value) || is_lifecycle(&frame.key) {
            sink.put(inner, &["json"], value, Lang::Shell);
        }
    } else if escaped {
        let value = unescape(raw);
        // Lines that JSON folds into one, and letters it spells as codes.
        let lines = value.contains('\n') && plain::is_telling(&value);
        if lines {
            sink.put(inner, &["json"], value, Lang::Unknown);
        } else {
            sink.judge(raw, 0, inner, "json", value, false);
        }
    }
    next
}

fn followed_by_colon(rest: &[u8]) -> bool {
    rest.iter().take(64).find(|b| !b.is_ascii_whitespace()) == Some(&b':')
}

fn is_command_key(key: &str) -> bool {
    matches!(
        key,
        "command"
            | "cmd"
            | "runtimeExecutable"
            | "program"
            | "executable"
            | "exec"
            | "shell"
            | "run"
            | "entrypoint"
            | "postCreateCommand"
            | "postStartCommand"
            | "initializeCommand"
            | "onCreateCommand"
            | "updateContentCommand"
            | "postAttachCommand"
    )
}

fn is_args_key(key: &str) -> bool {
    matches!(key, "args" | "arguments" | "runtimeArgs" | "argv" | "params")
}

fn wants_items(owner: &str) -> bool {
    is_args_key(owner) || is_command_key(owner) || owner == "source"
}

fn is_lifecycle(key: &str) -> bool {
    matches!(
        key,
        "preinstall"
            | "install"
            | "postinstall"
            | "prepare"
            | "prepublish"
            | "prepack"
            | "preuninstall"
            | "postuninstall"
    )
}

/// A container ends at `end`: what it says as a whole.
fn close(sink: &mut Sink, stack: &mut [Frame], frame: Frame, end: usize) {
    if frame.array {
        if is_args_key(&frame.owner)
            && let Some(parent) = stack.last_mut()
        {
            parent.args = Some((frame.first..end, frame.items));
        } else if is_command_key(&frame.owner) && !frame.items.is_empty() {
            put(sink, frame.first..end, &frame.items);
        } else if frame.owner == "source" && !frame.items.is_empty() {
            let cell = frame.items.concat();
            if plain::is_telling(&cell) {
                sink.put(frame.first..end, &["notebook"], cell, Lang::Unknown);
            }
        }
        return;
    }
    match (frame.command, frame.args) {
        (Some((range, command)), Some((args_range, args))) => {
            let mut words = vec![command];
            words.extend(args);
            put(sink, range.start.min(args_range.start)..range.end.max(args_range.end), &words);
        }
        // A whole command line in one string.
        (Some((range, command)), None) if command.contains(' ') && plain::is_telling(&command) => {
            sink.put(range, &["json"], command, Lang::Shell);
        }
        _ => {}
    }
}

/// Puts a command line, and the program that it gives to an interpreter.
pub(super) fn put(sink: &mut Sink, origin: Range<usize>, words: &[String]) {
    if words.len() < 2 {
        return;
    }
    sink.put(origin.clone(), &["mcp-args"], command_line(words), Lang::Shell);
    if let Some((script, lang)) = inline_script(words)
        && lang != Lang::Shell
    {
        sink.put(origin, &["mcp-args", "inline"], script.to_owned(), lang);
    }
}

/// The string that JSON writes so.
pub(super) fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    let mut high: Option<u32> = None;
    while let Some(i) = rest.find('\\') {
        out.push_str(&rest[..i]);
        let escape = &rest[i + 1..];
        let Some(c) = escape.chars().next() else { break };
        rest = &escape[c.len_utf8()..];
        match c {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'b' | 'f' => out.push(' '),
            'u' => {
                let code = rest.get(..4).and_then(|h| u32::from_str_radix(h, 16).ok());
                let Some(code) = code else { continue };
                rest = &rest[4..];
                match (high.take(), code) {
                    (_, 0xd800..=0xdbff) => {
                        high = Some(code);
                        continue;
                    }
                    (Some(high), 0xdc00..=0xdfff) => {
                        out.extend(char::from_u32(0x10000 + ((high - 0xd800) << 10) + (code - 0xdc00)))
                    }
                    _ => out.extend(char::from_u32(code)),
                }
            }
            other => out.push(other),
        }
    }
    out.push_str(rest);
    out
}

/// The language of the program a command starts.
pub(super) fn program_lang(word: &str) -> Lang {
    lang::interpreter(word.rsplit(['/', '\\']).next().unwrap_or(word))
}
