//! What a shell takes away before it runs a word: quotes and backslashes inside (`c""ur\l`), `$IFS`, continued lines,
//! braces (`{curl,-s,…}`); the same for `cmd` (`c^url`) and PowerShell (`` i`ex ``).

use super::edit::{Editor, With};
use super::{Sink, plain};
use crate::rules::{Lang, Place};
use crate::scan::clues;
use crate::scan::lang;
use crate::sort;
use memchr::{memchr, memchr_iter, memchr2_iter, memchr3_iter, memmem};
use std::ops::Range;

/// The longest command that continued lines are joined to.
const MAX_JOINED: usize = 8 << 10;

pub(super) fn find(sink: &mut Sink) {
    let mut ranges: Vec<(Range<usize>, Lang)> = Vec::new();
    for segment in sink.segments {
        let shell = match segment.lang {
            Lang::Shell | Lang::PowerShell | Lang::Batch | Lang::Dockerfile | Lang::Make => true,
            Lang::Unknown => segment.place == Place::Fence,
            // `run:` blocks; prose and what was decoded from elsewhere may hold commands too.
            Lang::Yaml => segment.place == Place::Config,
            Lang::Text => segment.place == Place::Script,
            _ => false,
        };
        if shell {
            ranges.push((segment.range.clone(), segment.lang));
        }
    }
    for (range, lang) in ranges {
        words(sink, range.clone(), lang);
        if !matches!(lang, Lang::Text | Lang::Yaml) {
            continued(sink, range, lang);
        }
    }
    if sink.clues.has(clues::IFS) {
        separators(sink);
    }
}

/// Characters inside a word that the shell drops.
fn words(sink: &mut Sink, range: Range<usize>, lang: Lang) {
    let bytes = sink.text.as_bytes();
    let part = &bytes[range.clone()];
    let word = |b: Option<&u8>| {
        b.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'.' | b'_'))
    };
    let letter = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    // Mostly empty: few marks stand inside words.
    let mut edits: Vec<Range<usize>> = Vec::new();
    let mut mark = |i: usize| {
        let before = if i > 0 { part.get(i - 1) } else { None };
        let inside = letter(before) && letter(part.get(i + 1));
        let q = part[i];
        if matches!(q, b'\'' | b'"') && part.get(i + 1) == Some(&q) {
            // An empty pair, but not the first two of three quotes.
            let after = part.get(i + 2);
            if (word(before) || word(after)) && after != Some(&q) && edits.last().is_none_or(|e| e.end <= i) {
                edits.push(i..i + 2);
            }
        } else if inside {
            edits.push(i..i + 1);
        }
    };
    match lang {
        Lang::PowerShell => memchr3_iter(b'`', b'\'', b'"', part).for_each(&mut mark),
        Lang::Batch => memchr2_iter(b'^', b'"', part).for_each(&mut mark),
        _ => {
            memchr3_iter(b'\\', b'\'', b'"', part).for_each(&mut mark);
            for empty in ["$@", "$*"] {
                let inside = |i: &usize| *i > 0 && letter(part.get(i - 1)) && letter(part.get(i + 2));
                edits.extend(memmem::find_iter(part, empty).filter(inside).map(|i| i..i + 2));
            }
            sort::by_key(&mut edits, |e| e.start);
        }
    }
    let mut editor = Editor::new("shell quotes", usize::MAX);
    for edit in edits {
        editor.edit(sink, range.start + edit.start..range.start + edit.end, With::Nothing, false);
    }
    editor.flush(sink);
    braces(sink, range);
}

/// `{curl,-s,http://…}` at the start of a command.
fn braces(sink: &mut Sink, range: Range<usize>) {
    let text = sink.text;
    let bytes = text.as_bytes();
    let mut editor = Editor::new("braces", 1);
    for i in memchr_iter(b'{', &bytes[range.clone()]) {
        let open = range.start + i;
        let before = text[range.start..open].trim_end_matches([' ', '\t']).bytes().next_back();
        if !matches!(before, None | Some(b'\n' | b'|' | b';' | b'&' | b'(' | b'`' | b'"' | b'\'')) {
            continue;
        }
        let limit = range.end.min(open + 512);
        let Some(close) = memchr(b'}', &bytes[open..limit]).map(|i| open + i) else { continue };
        let Some(inner) = text.get(open + 1..close) else { continue };
        if inner.contains(',') && !inner.contains([' ', '\n', ':', '"'])
            || inner.contains("://") && inner.contains(',') && !inner.contains([' ', '\n'])
        {
            let command = inner.replace(',', " ");
            let runs = lang::looks_like_command(&command);
            editor.edit(sink, open..close + 1, With::Text(command), runs);
        }
    }
    editor.flush(sink);
}

/// `$IFS`, `${IFS}`, `$IFS$9`: spaces.
fn separators(sink: &mut Sink) {
    let bytes = sink.text.as_bytes();
    let mut editor = Editor::new("ifs", 2);
    for at in memmem::find_iter(bytes, "IFS") {
        let (start, mut end) = match bytes.get(at.wrapping_sub(1)) {
            Some(b'$') => (at - 1, at + 3),
            Some(b'{') if at >= 2 && bytes[at - 2] == b'$' => {
                let limit = bytes.len().min(at + 24);
                let Some(close) = memchr(b'}', &bytes[at..limit]) else { continue };
                (at - 2, at + close + 1)
            }
            _ => continue,
        };
        if bytes.get(end) == Some(&b'$') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
            end += 2;
        }
        if sink.text.is_char_boundary(end) {
            editor.edit(sink, start..end, With::Char(' '), true);
        }
    }
    editor.flush(sink);
}

/// Commands that go on over several lines, as one line.
fn continued(sink: &mut Sink, range: Range<usize>, lang: Lang) {
    let text = sink.text;
    let bytes = text.as_bytes();
    let mark = match lang {
        Lang::PowerShell => b'`',
        Lang::Batch => b'^',
        _ => b'\\',
    };
    let mut command: Option<usize> = None;
    // Where only one of the lines says something, joining them shows nothing new.
    let mut telling = 0;
    let mut joined = String::new();
    let mut start = range.start;
    while start < range.end {
        let end = memchr(b'\n', &bytes[start..range.end]).map_or(range.end, |i| start + i);
        // Most lines end in a letter or a bracket.
        let line = &text[start..end];
        let body = line.trim_end_matches(['\r', ' ']);
        let last = body.bytes().next_back();
        let goes_on = last == Some(mark) && !body.ends_with("\\\\")
            || last == Some(b'|')
            || (last == Some(b'&') && body.ends_with("&&"));
        if goes_on && joined.len() + body.len() < MAX_JOINED {
            command.get_or_insert(start);
            telling += usize::from(plain::is_telling(body));
            // A blank for the line end, whatever the indentation of the next line.
            joined.push_str(body.strip_suffix(char::from(mark)).unwrap_or(body).trim());
            joined.push(' ');
        } else if let Some(from) = command.take() {
            joined.push_str(body.trim());
            let all = std::mem::take(&mut joined);
            if std::mem::take(&mut telling) + usize::from(plain::is_telling(body)) >= 2
                || plain::is_telling(&all) && all.ends_with("sh")
            {
                let lang = if matches!(lang, Lang::PowerShell | Lang::Batch) { lang } else { Lang::Shell };
                sink.put(from..end, &["continued lines"], all, lang);
            }
        }
        start = end + 1;
    }
    if let Some(from) = command
        && plain::is_telling(&joined)
    {
        sink.put(from..range.end, &["continued lines"], joined, Lang::Shell);
    }
}
