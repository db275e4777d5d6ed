//! String literals that are joined where they stand: `"cu" + "rl"`, `'b' . 'ash'`, neighbours in Python, `[…].join("")`.

use super::Sink;
use super::edit::{Editor, With};
use crate::rules::Lang;
use crate::scan::clues;
use crate::sort;
use memchr::{memchr_iter, memchr2_iter, memmem};

/// White space and line ends between the parts of one expression.
const MAX_GAP: usize = 200;

pub(super) fn find(sink: &mut Sink) {
    let bytes = sink.text.as_bytes();
    let mut sites: Vec<usize> = Vec::new();
    if sink.clues.has(clues::JOIN) {
        sites.extend(memchr_iter(b'+', bytes).filter_map(|at| quote_before(bytes, at)));
    }
    for segment in sink.segments {
        let part = &bytes[segment.range.clone()];
        let dots = matches!(segment.lang, Lang::Php | Lang::Perl | Lang::Lua) || sink.clues.has(clues::DOT);
        if dots {
            sites.extend(
                memchr2_iter(b'.', b'&', part).filter_map(|at| quote_before(bytes, segment.range.start + at)),
            );
        }
        match segment.lang {
            // Neighbours are one literal: over a line end, or side by side.
            Lang::Python | Lang::Compiled => {
                // Where the last pair with a blank between ended, for either quote: it does not begin another.
                let mut pairs = [0; 2];
                for at in memchr2_iter(b'"', b'\'', part) {
                    let pair = &mut pairs[usize::from(part[at] == b'"')];
                    let ends = match part.get(at + 1..) {
                        Some([b'\n' | b'\r', ..] | [b' ', b'\\', ..]) => true,
                        Some([b' ', next, ..]) if *next == part[at] && at >= *pair => {
                            *pair = at + 3;
                            true
                        }
                        _ => false,
                    };
                    sites.extend(ends.then_some(segment.range.start + at));
                }
            }
            Lang::Sql => sites.extend(
                memmem::find_iter(part, "||").filter_map(|at| quote_before(bytes, segment.range.start + at)),
            ),
            _ => {}
        }
    }
    sort::plain(&mut sites);
    let mut editor = Editor::new("concat", usize::MAX);
    let mut after = 0;
    for at in sites {
        if at < after {
            continue;
        }
        if let Some(end) = joint(sink, at) {
            editor.edit(sink, at..end, With::Nothing, false);
            after = end;
        }
    }
    editor.flush(sink);
}

/// The quote that stands before `at`, with nothing but white space between.
fn quote_before(bytes: &[u8], at: usize) -> Option<usize> {
    let low = at.saturating_sub(MAX_GAP);
    let i = bytes[low..at].iter().rposition(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b'\\'))?;
    matches!(bytes[low + i], b'"' | b'\'').then_some(low + i)
}

/// From the closing quote at `at` over an operator to the opening quote of the next literal: one past that quote.
fn joint(sink: &Sink, at: usize) -> Option<usize> {
    let bytes = sink.text.as_bytes();
    // Most quotes are followed by something else: decide on the next byte.
    let first = *bytes.get(at + 1)?;
    if !matches!(first, b' ' | b'+' | b'.' | b'&' | b'\n' | b'\r' | b'\t' | b'|' | b'\\' | b',' | b')') {
        return None;
    }
    let limit = bytes.len().min(at + MAX_GAP);
    let mut i = at + 1;
    let mut operator = 0;
    let mut newline = false;
    while i < limit {
        match bytes[i] {
            b' ' | b'\t' | b'\r' => {}
            b'\n' => newline = true,
            // A continued line; in JSON an escaped quote, which belongs to the literals of the inner text.
            b'\\' if matches!(bytes.get(i + 1), Some(b'\n' | b'\r')) => {}
            b'+' | b'.' | b'&' if operator == 0 => operator = bytes[i],
            b'|' if operator == 0 && bytes.get(i + 1) == Some(&b'|') => {
                operator = b'|';
                i += 1;
            }
            b'.' if operator == b'.' => {}
            b'"' | b'\'' => break,
            b'f' | b'b' | b'r' | b'u' | b'L' | b'$' | b'@'
                if matches!(bytes.get(i + 1), Some(b'"' | b'\'')) =>
            {
                i += 1;
                break;
            }
            _ => return None,
        }
        i += 1;
    }
    if i >= limit || i == at + 1 || !matches!(bytes.get(i), Some(b'"' | b'\'')) {
        return None;
    }
    let lang = sink.lang_at(at);
    let joins = match operator {
        b'+' => true,
        // Paths like `"a"."b"` are joined only where the dot is an operator.
        b'.' => matches!(lang, Lang::Php | Lang::Perl | Lang::Lua | Lang::Unknown | Lang::Text),
        b'&' => matches!(lang, Lang::Unknown | Lang::AppleScript | Lang::Text | Lang::Batch),
        b'|' => lang == Lang::Sql,
        // Neighbours are one literal in Python and C; with the same quote, so that `"it's"` is none.
        _ => {
            matches!(lang, Lang::Python | Lang::Compiled) && bytes[i] == bytes[at] && (newline || i <= at + 3)
        }
    };
    joins.then_some(i + 1)
}
