//! A command line taken apart into words and what stands between them, as POSIX (Shell Command Language, 2.2 to 2.7) and Bash's
//! manual have it. Texts that a shell runs on the way (`$( )`, backquotes, `<( )`, those in here-documents) are put aside.

use super::names::BEFORE_COMMAND;
use super::word::Word;

/// Deeper nesting is not looked into.
const DEPTH: usize = 16;

/// Longer arithmetic expressions are taken for something else.
const EXPRESSION: usize = 4096;

/// After so many it is not looked whether there is another one.
const EXPRESSIONS: usize = 1000;

/// A piece of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    Word(Word),
    /// Ends a simple command.
    End,
    /// `>`, `>>`, `<` and so on: is it for writing?
    Redirect(bool),
    /// `<<`: the number of its text among the here-documents.
    Document(usize),
    /// `<<<`: the next word is what the command reads.
    Text,
}

/// What was read.
#[derive(Debug, Default)]
pub struct Lexed {
    /// The line itself, and after it each line that is run to make a word of it.
    pub lines: Vec<Vec<Token>>,
    /// The here-documents: the text, and whether a part of it is known only when it runs.
    pub documents: Vec<(String, bool)>,
    /// Arithmetic expressions that were looked for.
    tried: usize,
    /// Why it cannot be told what is run.
    pub unknown: Option<&'static str>,
}

/// A here-document whose text begins behind the next end of a line.
struct Awaited {
    number: usize,
    delimiter: String,
    /// `<<-`: tabs in front of its lines do not count.
    tabs: bool,
    /// Nothing in it is expanded.
    quoted: bool,
}

struct Lexer<'t> {
    chars: &'t [char],
    at: usize,
    depth: usize,
    awaited: Vec<Awaited>,
    out: &'t mut Lexed,
}

/// Takes a command line apart.
pub fn lex(text: &str) -> Lexed {
    let mut out = Lexed::default();
    let chars: Vec<char> = text.chars().collect();
    line(&chars, 0, &mut out);
    out
}

fn line(chars: &[char], depth: usize, out: &mut Lexed) {
    let mut lexer = Lexer { chars, at: 0, depth, awaited: Vec::new(), out };
    let place = lexer.place();
    let tokens = lexer.tokens(false);
    lexer.put(place, tokens);
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn unknown(&mut self, why: &'static str) {
        self.out.unknown.get_or_insert(why);
    }

    /// Keeps a place for a line, so that they stand in the order in which they begin.
    fn place(&mut self) -> usize {
        self.out.lines.push(Vec::new());
        self.out.lines.len() - 1
    }

    fn put(&mut self, place: usize, tokens: Vec<Token>) {
        if let Some(line) = self.out.lines.get_mut(place) {
            *line = tokens;
        }
    }

    /// Words and what is between them, up to the end, or up to a parenthesis that was opened before.
    fn tokens(&mut self, inside: bool) -> Vec<Token> {
        let mut out = Vec::new();
        let mut word: Option<Word> = None;
        let mut open = 0usize;
        // Where the last things that are no pipe ended: what stands between that and a parenthesis that nobody opened is the
        // pattern of a `case`.
        let mut start = 0;
        while let Some(c) = self.peek(0) {
            self.at += 1;
            match c {
                '\\' => {
                    // A newline after it is nothing.
                    if let Some(next) = self.peek(0).filter(|next| *next != '\n') {
                        word.get_or_insert_default().push(next, true);
                    }
                    self.at += 1;
                }
                '\'' => self.single(word.get_or_insert_default()),
                '"' => self.double(word.get_or_insert_default()),
                '$' | '`' => {
                    self.at -= 1;
                    self.dollar(word.get_or_insert_default());
                }
                '<' | '>' if self.peek(0) == Some('(') => {
                    self.at += 1;
                    self.substitution();
                    word.get_or_insert_default().varies = true;
                }
                '<' | '>' => self.redirect(c, &mut word, &mut out),
                '&' if self.peek(0) == Some('>') => {
                    out.extend(word.take().map(Token::Word));
                    while self.peek(0) == Some('>') {
                        self.at += 1;
                    }
                    out.push(Token::Redirect(true));
                }
                ' ' | '\t' => out.extend(word.take().map(Token::Word)),
                ';' | '|' | '&' | '\n' | '\r' | '(' | ')' => {
                    out.extend(word.take().map(Token::Word));
                    match c {
                        ')' if inside && open == 0 => return out,
                        ')' if open == 0 => {
                            // The first follows `case WORD in`.
                            let is_in = |token: &Token| matches!(token, Token::Word(word) if word.is("in"));
                            let after = out.iter().skip(start).rposition(is_in).map_or(0, |at| at + 1);
                            out.truncate(start + after);
                        }
                        ')' => open -= 1,
                        '(' if self.arithmetic_command() => {}
                        '(' => open += 1,
                        '\n' => self.documents(),
                        _ => {}
                    }
                    out.push(Token::End);
                    if c != '|' {
                        start = out.len();
                    }
                }
                '#' if word.is_none() => {
                    while self.peek(0).is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                c => word.get_or_insert_default().push(c, false),
            }
            // Its parentheses are not balanced, so that the end may be another one.
            if inside && self.ends_word() && word.as_ref().is_some_and(|word| word.is("case")) && begins(&out)
            {
                self.unknown("a `case` inside a substitution");
            }
        }
        out.extend(word.take().map(Token::Word));
        if inside {
            self.unknown("a parenthesis is not closed");
        }
        if !self.awaited.is_empty() {
            self.unknown("a here-document has no end");
        }
        out
    }

    fn ends_word(&self) -> bool {
        self.peek(0).is_none_or(|c| c.is_whitespace())
    }

    /// Behind `'`.
    fn single(&mut self, word: &mut Word) {
        word.quoted = true;
        while let Some(c) = self.peek(0) {
            self.at += 1;
            if c == '\'' {
                return;
            }
            word.push(c, true);
        }
        self.unknown("a quote is not closed");
    }

    /// Behind `"`.
    fn double(&mut self, word: &mut Word) {
        word.quoted = true;
        while let Some(c) = self.peek(0) {
            match c {
                '"' => {
                    self.at += 1;
                    return;
                }
                '\\' => {
                    self.at += 2;
                    match self.chars.get(self.at - 1) {
                        Some('\n') => {}
                        Some(c @ ('$' | '`' | '"' | '\\')) => word.push(*c, true),
                        Some(c) => {
                            word.push('\\', true);
                            word.push(*c, true);
                        }
                        None => {}
                    }
                }
                '$' | '`' => self.dollar(word),
                c => {
                    word.push(c, true);
                    self.at += 1;
                }
            }
        }
        self.unknown("a quote is not closed");
    }

    /// At `$` or a backquote: a variable, whose value is not known, or a command inside.
    fn dollar(&mut self, word: &mut Word) {
        if self.peek(0) == Some('`') {
            self.at += 1;
            return self.backquotes(word);
        }
        match self.peek(1) {
            Some('(') => {
                word.varies = true;
                self.at += 2;
                match (self.peek(0) == Some('(')).then(|| self.arithmetic(self.at + 1)).flatten() {
                    Some(end) => self.expand(self.at + 1, end - 2, end),
                    None => self.substitution(),
                }
            }
            Some('\'') => {
                // Its escapes stand for any character.
                word.varies = true;
                self.at += 2;
                while let Some(c) = self.peek(0) {
                    self.at += 1 + usize::from(c == '\\');
                    if c == '\'' {
                        return;
                    }
                }
                self.unknown("a quote is not closed");
            }
            Some('"') => self.at += 1,
            Some('{') => self.parameter(word),
            Some(c) if c.is_ascii_alphanumeric() || "_@*#?$!-".contains(c) => {
                self.at += 1;
                let rest = self.chars.get(self.at..).unwrap_or_default();
                let length =
                    rest.iter().take_while(|c| c.is_ascii_alphanumeric() || **c == '_').count().max(1);
                let name: String = rest.iter().take(length).collect();
                self.at += length;
                word.variable(&name);
            }
            _ => {
                self.at += 1;
                word.push('$', true);
            }
        }
    }

    fn backquotes(&mut self, word: &mut Word) {
        word.varies = true;
        let mut text = Vec::new();
        while let Some(c) = self.peek(0) {
            self.at += 1;
            match c {
                '`' => {
                    match self.depth < DEPTH {
                        true => line(&text, self.depth + 1, self.out),
                        false => self.unknown("commands are nested too deeply"),
                    }
                    return;
                }
                '\\' if self.peek(0).is_some_and(|c| "`\\$".contains(c)) => {
                    text.extend(self.peek(0));
                    self.at += 1;
                }
                c => text.push(c),
            }
        }
        self.unknown("a quote is not closed");
    }

    /// At `${`.
    fn parameter(&mut self, word: &mut Word) {
        self.at += 2;
        let start = self.at;
        // What is in it becomes part of a value that is not known anyway.
        let mut value = Word::default();
        while let Some(c) = self.peek(0) {
            match c {
                '}' => {
                    let name: String = self.chars.get(start..self.at).unwrap_or_default().iter().collect();
                    self.at += 1;
                    return word.variable(&name);
                }
                '\\' => self.at += 2,
                '\'' => {
                    self.at += 1;
                    self.single(&mut value);
                }
                '"' => {
                    self.at += 1;
                    self.double(&mut value);
                }
                '$' | '`' => self.deeper(|lexer| lexer.dollar(&mut value)),
                _ => self.at += 1,
            }
        }
        self.unknown("a brace is not closed");
    }

    fn deeper(&mut self, mut inside: impl FnMut(&mut Self)) {
        if self.depth >= DEPTH {
            self.unknown("commands are nested too deeply");
            self.at = self.chars.len();
            return;
        }
        self.depth += 1;
        inside(self);
        self.depth -= 1;
    }

    /// Behind `$(`, `<(` or `>(`: a line of its own, up to the closing parenthesis.
    fn substitution(&mut self) {
        let place = self.place();
        let awaited = std::mem::take(&mut self.awaited);
        self.deeper(|lexer| {
            let tokens = lexer.tokens(true);
            if !lexer.awaited.is_empty() {
                lexer.unknown("a here-document has no end");
            }
            lexer.put(place, tokens);
        });
        self.awaited = awaited;
    }

    /// The end of an arithmetic expression whose two opening parentheses end at `start`, behind its closing ones. Where they
    /// are not next to each other, it is a subshell in a substitution.
    fn arithmetic(&mut self, start: usize) -> Option<usize> {
        // Parentheses without end would be looked through from each of them on.
        self.out.tried += 1;
        if self.out.tried > EXPRESSIONS {
            return None;
        }
        let mut open = 2;
        for (at, c) in self.chars.iter().enumerate().skip(start).take(EXPRESSION) {
            match c {
                '(' => open += 1,
                ')' => {
                    open -= 1;
                    if open == 1 {
                        return (self.chars.get(at + 1) == Some(&')')).then_some(at + 2);
                    }
                }
                // No part of an expression.
                '\'' | '`' | '\n' | ';' => return None,
                _ => {}
            }
        }
        None
    }

    /// Behind `(`: passes over the rest of `((EXPRESSION))`. A shell without this form would run what is in it, so that it must be
    /// one that is no command.
    fn arithmetic_command(&mut self) -> bool {
        let Some(end) = (self.peek(0) == Some('(')).then(|| self.arithmetic(self.at + 1)).flatten() else {
            return false;
        };
        let text = self.chars.get(self.at + 1..end - 2).unwrap_or_default();
        if !is_expression(text) {
            return false;
        }
        self.expand(self.at + 1, end - 2, end);
        true
    }

    /// Looks for what is run in a part of the text that is otherwise none of a command, and goes on at `next`.
    fn expand(&mut self, from: usize, to: usize, next: usize) {
        let text = self.chars.get(from..to).unwrap_or_default();
        expand(text, self.depth, self.out);
        self.at = next;
    }

    /// Behind `<` or `>`.
    fn redirect(&mut self, c: char, word: &mut Option<Word>, out: &mut Vec<Token>) {
        // A number right in front is the descriptor.
        let number =
            word.as_ref().is_some_and(|word| !word.varies && word.text().bytes().all(|b| b.is_ascii_digit()));
        let word_before = word.take();
        if !number {
            out.extend(word_before.map(Token::Word));
        }
        let start = self.at;
        while self.peek(0) == Some(c) || (c == '>' && self.at == start && self.peek(0) == Some('|')) {
            self.at += 1;
        }
        match (c, self.at - start) {
            ('<', 1) => self.document(out),
            ('<', 2) => out.push(Token::Text),
            _ => {
                let both = c == '<' && self.peek(0) == Some('>');
                self.at += usize::from(both);
                out.push(Token::Redirect(c == '>' || both));
                if self.peek(0) == Some('&') {
                    self.at += 1;
                    word.get_or_insert_default().push('&', false);
                }
            }
        }
    }

    /// Behind `<<`: the word that ends it.
    fn document(&mut self, out: &mut Vec<Token>) {
        let tabs = self.peek(0) == Some('-');
        self.at += usize::from(tabs);
        while self.peek(0).is_some_and(|c| c == ' ' || c == '\t') {
            self.at += 1;
        }
        let (mut delimiter, mut quoted, mut quote) = (String::new(), false, None);
        while let Some(c) = self.peek(0) {
            match (quote, c) {
                (None, c) if c.is_whitespace() || ";|&()<>".contains(c) => break,
                (None, '\'' | '"') => (quote, quoted) = (Some(c), true),
                (Some(q), c) if q == c => quote = None,
                (None, '\\') => {
                    quoted = true;
                    self.at += 1;
                    delimiter.extend(self.peek(0));
                }
                (_, c) => delimiter.push(c),
            }
            self.at += 1;
        }
        if quote.is_some() || delimiter.is_empty() || delimiter.contains(['$', '`']) {
            self.unknown("where a here-document ends cannot be told");
        }
        let number = self.out.documents.len();
        self.out.documents.push((String::new(), false));
        self.awaited.push(Awaited { number, delimiter, tabs, quoted });
        out.push(Token::Document(number));
    }

    /// Behind the end of a line: the texts of the here-documents that it began.
    fn documents(&mut self) {
        for awaited in std::mem::take(&mut self.awaited) {
            let start = self.at;
            let (mut end, mut found) = (start, false);
            while self.at < self.chars.len() && !found {
                end = self.at;
                let rest = self.chars.get(self.at..).unwrap_or_default();
                let length = rest.iter().position(|c| *c == '\n').unwrap_or(rest.len());
                let line: String = rest.iter().take(length).collect();
                let line = if awaited.tabs { line.trim_start_matches('\t') } else { &line };
                found = line == awaited.delimiter;
                self.at = (self.at + length + 1).min(self.chars.len());
            }
            if !found {
                self.unknown("a here-document has no end");
                end = self.chars.len();
            }
            let text = self.chars.get(start..end).unwrap_or_default();
            let varies = !awaited.quoted && text.iter().any(|c| "$`\\".contains(*c));
            if varies {
                expand(text, self.depth, self.out);
            }
            if let Some(document) = self.out.documents.get_mut(awaited.number) {
                *document = (text.iter().collect(), varies);
            }
        }
    }
}

/// Is it an expression, and no command with arguments? Two operands never stand side by side, and there is something to count.
fn is_expression(text: &[char]) -> bool {
    let is_operand = |at: usize, c: char| match c {
        // A minus that stands alone, or between two of them.
        '-' => {
            let before = at.checked_sub(1).and_then(|at| text.get(at)).is_some_and(|c| c.is_alphanumeric());
            !before && text.get(at + 1).is_some_and(|c| c.is_alphabetic())
        }
        c => c.is_alphanumeric() || "_./~$\"".contains(c),
    };
    let mut before = false;
    for (at, c) in text.iter().enumerate().filter(|(_, c)| !c.is_whitespace()) {
        let operand = is_operand(at, *c);
        let apart = at.checked_sub(1).and_then(|at| text.get(at)).is_some_and(|c| c.is_whitespace());
        if operand && before && apart {
            return false;
        }
        before = operand;
    }
    text.iter().any(|c| *c == '=' || c.is_ascii_digit())
        || text.windows(2).any(|two| two == ['+', '+'] || two == ['-', '-'])
}

/// Is what comes next a command?
fn begins(before: &[Token]) -> bool {
    match before.last() {
        None | Some(Token::End) => true,
        Some(Token::Word(word)) => BEFORE_COMMAND.iter().any(|name| word.is(name)),
        _ => false,
    }
}

/// Looks for what is run in a text in which only `$` and backquotes mean something.
fn expand(text: &[char], depth: usize, out: &mut Lexed) {
    if depth >= DEPTH {
        out.unknown.get_or_insert("commands are nested too deeply");
        return;
    }
    let mut lexer = Lexer { chars: text, at: 0, depth: depth + 1, awaited: Vec::new(), out };
    let mut value = Word::default();
    while let Some(c) = lexer.peek(0) {
        match c {
            '\\' => lexer.at += 2,
            '$' | '`' => lexer.dollar(&mut value),
            _ => lexer.at += 1,
        }
    }
}
