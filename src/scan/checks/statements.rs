//! Code as statements and words, without a parser: enough to follow a name, and the same for every language.

use crate::rules::Lang;

/// Lines that brackets may join into one statement.
const LINES: usize = 16;
/// Bytes of a statement that are looked at.
const BYTES: usize = 4096;

/// A logical line of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement<'t> {
    pub text: &'t str,
    /// Byte offset in the piece.
    pub start: usize,
    /// Line in the piece, from 0.
    pub line: usize,
}

/// An identifier in a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'t> {
    pub text: &'t str,
    pub start: usize,
    /// An opening parenthesis follows.
    pub called: bool,
}

/// Cuts code into statements: lines, joined while a bracket is open or a backslash ends the line.
pub fn statements(text: &str, lang: Lang) -> Vec<Statement<'_>> {
    let brackets = !matches!(
        lang,
        Lang::Shell | Lang::Batch | Lang::Unknown | Lang::Text | Lang::Dockerfile | Lang::Make
    );
    let mut out = Vec::new();
    let mut start = 0;
    let mut first = 0;
    let mut open = Open::default();
    let mut at = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let joined = number - first;
        let end = at + line.len();
        if brackets {
            open.line(line);
        }
        let unfinished = (brackets && open.any()) || ends_in_backslash(line);
        at = end;
        if unfinished && joined < LINES && end - start < BYTES {
            continue;
        }
        push(&mut out, text, start, end, first);
        start = end;
        first = number + 1;
        open = Open::default();
    }
    if start < text.len() {
        push(&mut out, text, start, text.len(), first);
    }
    out
}

/// Is a backslash the last thing on the line but for blanks?
fn ends_in_backslash(line: &str) -> bool {
    match line.bytes().rev().find(|b| !b.is_ascii_whitespace()) {
        Some(last) if last.is_ascii() => last == b'\\',
        Some(_) => line.trim_end().ends_with('\\'),
        None => false,
    }
}

/// A text from its first character that is no blank.
pub fn after_blanks(text: &str) -> &str {
    match text.bytes().position(|b| !b.is_ascii_whitespace()) {
        // The blanks outside ASCII, and the one inside it that bytes do not know.
        Some(at) if text.as_bytes()[at] >= 0x80 || text.as_bytes()[at] == 0x0b => text.trim_start(),
        Some(at) => &text[at..],
        None => "",
    }
}

fn push<'t>(out: &mut Vec<Statement<'t>>, text: &'t str, start: usize, end: usize, line: usize) {
    let mut stop = end.min(start + BYTES);
    while !text.is_char_boundary(stop) {
        stop -= 1;
    }
    let piece = &text[start..stop];
    let trimmed = after_blanks(piece);
    let comment = trimmed.starts_with("//") || (trimmed.starts_with('#') && !trimmed.starts_with("#!"));
    if !trimmed.is_empty() && !comment {
        out.push(Statement { text: piece, start, line });
    }
}

/// What [`Open::line`] has to look at.
static MARKS: [bool; 256] = {
    let mut table = [false; 256];
    let marks = b"\\\"'()[]{}";
    let mut i = 0;
    while i < marks.len() {
        table[marks[i] as usize] = true;
        i += 1;
    }
    table
};

/// What is open at the end of a line.
#[derive(Default)]
struct Open {
    /// Round and square brackets.
    brackets: i32,
    /// Braces of data: after `=`, `(`, `[`, `,`, `:` or `return`. The others open blocks of statements.
    braces: u32,
}

impl Open {
    fn any(&self) -> bool {
        self.brackets > 0 || self.braces > 0
    }

    /// Counts a line, what stands in quotes left out.
    fn line(&mut self, line: &str) {
        let mut quote = None;
        let mut escaped = false;
        let mut before = b' ';
        for (i, b) in line.bytes().enumerate() {
            // Most bytes are none of the marks, and only matter as what stands before one.
            if !MARKS[usize::from(b)] && !escaped {
                if !b.is_ascii_whitespace() {
                    before = b;
                }
                continue;
            }
            if escaped {
                escaped = false;
                continue;
            }
            match (quote, b) {
                (_, b'\\') => escaped = true,
                (Some(q), _) if q == b => quote = None,
                (Some(_), _) => {}
                (None, b'"' | b'\'') => quote = Some(b),
                (None, b'(' | b'[') => self.brackets += 1,
                (None, b')' | b']') => self.brackets -= 1,
                (None, b'{') => {
                    let data = matches!(before, b'=' | b'(' | b'[' | b',' | b':')
                        || line[..i].trim_end().ends_with("return");
                    self.braces += u32::from(data || self.braces > 0);
                }
                (None, b'}') => self.braces = self.braces.saturating_sub(1),
                _ => {}
            }
            if !b.is_ascii_whitespace() {
                before = b;
            }
        }
    }
}

/// The identifiers of a statement, in order, instead of what `out` held.
pub fn identifiers<'t>(text: &'t str, out: &mut Vec<Word<'t>>) {
    let bytes = text.as_bytes();
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    out.clear();
    let mut i = 0;
    while i < bytes.len() {
        if !is_word(bytes[i]) {
            i += 1;
            continue;
        }
        let start = i;
        while i < bytes.len() && is_word(bytes[i]) {
            i += 1;
        }
        if !bytes[start].is_ascii_digit() {
            out.push(Word { text: &text[start..i], start, called: bytes.get(i) == Some(&b'(') });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_join_lines() {
        let code = "a = 1\nrequests.post(\n    url,\n    json=a,\n)\nb = 2";
        let lines: Vec<usize> = statements(code, Lang::Python).iter().map(|s| s.line).collect();
        assert_eq!(lines, [0, 1, 5]);
    }

    #[test]
    fn an_unclosed_bracket_does_not_swallow_the_file() {
        let code = "f(\n".to_owned() + &"x = 1\n".repeat(100);
        assert!(statements(&code, Lang::Python).len() > 50);
    }

    #[test]
    fn quotes_hide_brackets_and_blocks_are_no_data() {
        let open = |line: &str| {
            let mut open = Open::default();
            open.line(line);
            open.any()
        };
        assert!(!open("x = \"(((\""));
        assert!(open("f('\\'(', [1,"));
        assert!(open("x = {") && open("post(url, {") && open("return {"));
        assert!(!open("if (x) {") && !open("function f() {") && !open("} else {"));
    }
}
