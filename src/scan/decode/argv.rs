//! Programs started from a list of words: `subprocess.run(["curl", …])`, `spawn("sh", ["-c", …])`, `RUN ["sh", "-c", …]`.
//! The words are joined to the command line that a shell user would type.

use super::{Sink, json, plain};
use crate::rules::Lang;
use crate::scan::clues;
use crate::sort;
use memchr::{memchr, memmem};

/// What starts them, and the clue that a text has any of it.
const NAMES: [(u32, &[&str]); 5] = [
    (clues::ARGV_PYTHON, &["subprocess.", "Popen(", "check_output(", "check_call("]),
    (clues::ARGV_SPAWN, &["spawn"]),
    (clues::ARGV_EXEC, &["exec"]),
    (clues::ARGV_COMMAND, &["Command(", "Command::new(", "ProcessBuilder("]),
    (clues::ARGV_DOCKER, &["RUN [", "CMD [", "ENTRYPOINT ["]),
];

/// Bytes read from the start of a call.
const REACH: usize = 4096;
const MAX_WORDS: usize = 64;

pub(super) fn find(sink: &mut Sink) {
    let text = sink.text;
    let bytes = text.as_bytes();
    let mut calls: Vec<usize> = Vec::new();
    for name in NAMES.iter().filter(|(clue, _)| sink.clues.has(*clue)).flat_map(|(_, names)| *names) {
        calls.extend(
            memmem::find_iter(bytes, name)
                .map(|at| at + name.len() - usize::from(name.ends_with(['(', '[']))),
        );
    }
    sort::plain(&mut calls);
    let mut done = 0;
    for at in calls {
        if at < done {
            continue;
        }
        // `subprocess.run(`, `execFileSync(`: the rest of the name up to the bracket.
        let name = bytes[at..]
            .iter()
            .take(32)
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b' '))
            .count();
        let open = at + name;
        if !matches!(bytes.get(open), Some(b'(' | b'[')) {
            continue;
        }
        let mut read = open;
        let Some((words, literals, end)) = words(text, open, &mut read) else {
            // The next call may start within what was read of one that came to nothing.
            if !sink.spend(read - open) {
                return;
            }
            continue;
        };
        done = end;
        if literals >= 2 {
            let line = command_line(&words);
            if plain::is_telling(&line) || crate::scan::lang::looks_like_command(&line) {
                sink.put(open..end, &["argv"], line, Lang::Shell);
            }
            if let Some((script, lang)) = inline_script(&words)
                && lang != Lang::Shell
                && plain::is_telling(script)
            {
                sink.put(open..end, &["argv", "inline"], script.to_owned(), lang);
            }
        }
    }
}

/// The words of a call that starts with the bracket at `open`: literals as they are, expressions as their text.
/// `read` becomes how far the text was read.
fn words(text: &str, open: usize, read: &mut usize) -> Option<(Vec<String>, usize, usize)> {
    let bytes = text.as_bytes();
    let limit = bytes.len().min(open + REACH);
    let mut words = Vec::new();
    let mut literals = 0;
    let mut depth = 0usize;
    let mut at = open;
    while at < limit && words.len() < MAX_WORDS {
        *read = at;
        match bytes[at] {
            b'(' | b'[' => depth += 1,
            b')' | b']' => {
                depth = depth.saturating_sub(1);
                let rest = &bytes[at + 1..limit];
                // `Command::new("sh").arg("-c").arg("…")`
                let trimmed = rest.iter().take(80).take_while(|b| b.is_ascii_whitespace()).count();
                let more =
                    [".arg(", ".args(", ".args(&"].iter().find(|m| rest[trimmed..].starts_with(m.as_bytes()));
                if let Some(more) = more {
                    at += 1 + trimmed + more.len();
                    depth += 1;
                    continue;
                }
                // The list itself ends the words: what follows are options.
                if depth == 0 || bytes[at] == b']' {
                    return (!words.is_empty()).then_some((words, literals, at + 1));
                }
            }
            b' ' | b'\n' | b'\r' | b'\t' | b',' | b'&' => {}
            quote @ (b'"' | b'\'' | b'`') => {
                *read = limit;
                let (word, next) = literal(text, at, quote, limit)?;
                words.push(word);
                literals += 1;
                at = next;
                continue;
            }
            b'{' | b'}' => return (literals > 0).then_some((words, literals, at)),
            b'#' | b'/' if bytes[at] == b'#' || bytes.get(at + 1) == Some(&b'/') => {
                at = memchr(b'\n', &bytes[at..limit]).map_or(limit, |i| at + i);
            }
            b'f' | b'r' | b'b' | b'u' if matches!(bytes.get(at + 1), Some(b'"' | b'\'')) => {}
            // The first word must be known.
            _ if words.is_empty() => return None,
            _ => {
                // An expression: up to the comma or bracket that ends it.
                let mut end = at;
                let mut inner = 0usize;
                while end < limit {
                    match bytes[end] {
                        b'(' | b'[' => inner += 1,
                        b')' | b']' if inner == 0 => break,
                        b')' | b']' => inner -= 1,
                        b',' | b'\n' if inner == 0 => break,
                        _ => {}
                    }
                    end += 1;
                }
                *read = end;
                let word = text.get(at..end)?.trim();
                // Keyword arguments are no words.
                if word.contains('=') {
                    return (literals > 0).then_some((words, literals, end));
                }
                words.push(word.get(..word.len().min(80)).unwrap_or("…").to_owned());
                at = end;
                continue;
            }
        }
        at += 1;
    }
    None
}

/// The literal at `at`, unescaped, and where the text goes on.
fn literal(text: &str, at: usize, quote: u8, limit: usize) -> Option<(String, usize)> {
    let bytes = text.as_bytes();
    let triple = bytes[at..limit].starts_with(&[quote, quote, quote]);
    let width = if triple { 3 } else { 1 };
    let mut i = at + width;
    while i < limit {
        match bytes[i] {
            b'\\' => i += 2,
            b if b == quote && (!triple || bytes[i..limit].starts_with(&[quote, quote, quote])) => {
                let raw = text.get(at + width..i)?;
                return Some((json::unescape(raw), i + width));
            }
            b'\n' if !triple && quote != b'`' => return None,
            _ => i += 1,
        }
    }
    None
}

/// Words as one line, quoted where a shell would need it.
pub(super) fn command_line(words: &[String]) -> String {
    let mut out = String::new();
    for word in words {
        if !out.is_empty() {
            out.push(' ');
        }
        let bare = !word.is_empty() && !word.contains([' ', '\t', '\n', '|', ';', '<', '>', '(']);
        let quote = match (bare, word.contains('"'), word.contains('\'')) {
            (true, ..) | (_, true, true) => None,
            (_, true, false) => Some('\''),
            _ => Some('"'),
        };
        out.extend(quote);
        out.push_str(word);
        out.extend(quote);
    }
    out
}

/// The program text given to an interpreter on its command line, and its language.
pub(super) fn inline_script(words: &[String]) -> Option<(&str, Lang)> {
    let at = words.iter().position(|w| {
        matches!(w.as_str(), "-c" | "-e" | "--eval" | "-p" | "-r" | "-Command" | "-command" | "/c" | "/C")
    })?;
    let lang = words[..at].iter().rev().map(|w| json::program_lang(w)).find(|l| *l != Lang::Unknown)?;
    words.get(at + 1).map(|w| (w.as_str(), lang))
}
