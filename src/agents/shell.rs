//! What a command line for a shell says it does: which commands it starts, which files it redirects to and from, which
//! words look like paths and URLs. It reads what is written; what a program does then only a sandbox can hold. Where it cannot
//! tell (a command that is the value of a variable), it says so instead of guessing.

/// What stands in a command line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// First words of simple commands, in order.
    pub commands: Vec<String>,
    /// Files that are read by a redirection.
    pub reads: Vec<String>,
    /// Files that are written by one.
    pub writes: Vec<String>,
    /// All other words, quotes taken away.
    pub words: Vec<String>,
    /// Why it cannot be told what is run.
    pub unknown: Option<&'static str>,
}

/// Deeper nesting of `$( )` is not looked into.
const DEPTH: usize = 8;
/// More words than this are no command line that a person reads.
const WORDS: usize = 10_000;

/// Words after which another command begins.
const BEFORE_COMMAND: &[&str] =
    &["if", "then", "elif", "else", "while", "until", "do", "time", "!", "{", "coproc"];
/// Words that are commands of the shell and end or structure others.
const STRUCTURE: &[&str] = &["fi", "done", "esac", "}", "in"];
/// Commands that run what their arguments say, and their options that have a value as the next word.
const RUNNERS: &[(&str, &[&str])] = &[
    ("env", &["-u", "-C"]),
    ("nohup", &[]),
    ("nice", &["-n"]),
    ("command", &[]),
    ("exec", &["-a"]),
    ("builtin", &[]),
    ("sudo", &["-u", "-g", "-p", "-C", "-r", "-t", "-T", "-U", "-R", "-D"]),
    ("doas", &["-u", "-C"]),
    ("xargs", &["-n", "-I", "-P", "-L", "-d", "-E", "-s", "-a"]),
    ("timeout", &["-s", "-k"]),
    ("setsid", &[]),
    ("stdbuf", &["-i", "-o", "-e"]),
    ("ionice", &["-c", "-n", "-p"]),
    ("watch", &["-n"]),
    ("chroot", &[]),
    ("unshare", &[]),
    ("busybox", &[]),
    ("toybox", &[]),
];

/// Commands of the shell itself that start no program.
pub const BUILTINS: &[&str] = &[
    ":", ".", "[", "[[", "]]", "alias", "bg", "break", "cd", "continue", "declare", "dirs", "disown", "echo",
    "exit", "export", "false", "fg", "getopts", "hash", "help", "history", "jobs", "kill", "let", "local",
    "logout", "popd", "printf", "pushd", "pwd", "read", "readonly", "return", "set", "shift", "shopt",
    "source", "suspend", "test", "times", "trap", "true", "type", "typeset", "ulimit", "umask", "unalias",
    "unset", "wait", "case", "for", "select", "function", "if",
];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A word, and whether a part of it is known only when it runs.
    Word(String, bool),
    /// Ends a simple command.
    End,
    /// `>`, `>>`, `<` and so on: is it for writing?
    Redirect(bool),
}

/// Reads a command line.
pub fn read(text: &str) -> Line {
    let mut line = Line::default();
    look(text, 0, &mut line);
    line
}

fn look(text: &str, depth: usize, line: &mut Line) {
    if depth > DEPTH {
        line.unknown = Some("commands are nested too deeply");
        return;
    }
    let mut inner = Vec::new();
    let tokens = tokens(text, &mut inner, line);
    commands(&tokens, depth, line);
    for text in inner {
        look(&text, depth + 1, line);
    }
}

/// Takes the tokens apart into simple commands.
fn commands(tokens: &[Token], depth: usize, line: &mut Line) {
    // Is the next word a command?
    let mut first = true;
    // The options with a value of the command that takes its arguments for another one.
    let mut runner: Option<&[&str]> = None;
    let mut name = String::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            Token::End => (first, runner) = (true, None),
            Token::Redirect(write) => {
                let Some(Token::Word(file, varies)) = tokens.get(at) else {
                    line.unknown = Some("a redirection has no file");
                    continue;
                };
                at += 1;
                // `2>&1` and `<&-` name descriptors.
                if let Some(number) = file.strip_prefix('&')
                    && (number == "-" || number.bytes().all(|b| b.is_ascii_digit() || b == b'-'))
                {
                    continue;
                }
                if *varies {
                    line.unknown = Some("a redirection goes to a file that is known only when it runs");
                }
                let list = if *write { &mut line.writes } else { &mut line.reads };
                list.push(file.trim_start_matches('&').to_owned());
            }
            Token::Word(word, varies) => {
                if line.words.len() + line.commands.len() > WORDS {
                    line.unknown = Some("it has too many words");
                    return;
                }
                if !first {
                    line.words.push(word.clone());
                    // `sh -c TEXT` and `eval TEXT` run the text.
                    let before = at.checked_sub(2).and_then(|at| tokens.get(at));
                    let after_c = matches!(before, Some(Token::Word(flag, _)) if is_dash_c(flag));
                    if name == "eval" || (after_c && super::shell::is_shell(&name)) {
                        match varies {
                            true => line.unknown = Some("a text that is known only when it runs is run"),
                            false => look(word, depth + 1, line),
                        }
                    }
                    continue;
                }
                if is_assignment(word) {
                    line.words.push(word.clone());
                    continue;
                }
                if BEFORE_COMMAND.contains(&word.as_str()) {
                    continue;
                }
                if let Some(values) = runner
                    && (word.starts_with('-') || is_number(word))
                {
                    line.words.push(word.clone());
                    if values.contains(&word.as_str()) {
                        at += 1;
                    } else if name == "env" && (word.starts_with("-S") || word.starts_with("--split")) {
                        line.unknown = Some("`env -S` takes a text apart");
                    }
                    continue;
                }
                if STRUCTURE.contains(&word.as_str()) {
                    continue;
                }
                if *varies {
                    line.unknown = Some("which command it runs is known only when it runs");
                }
                name = word.rsplit('/').next().unwrap_or(word).to_owned();
                runner = RUNNERS.iter().find(|(known, _)| *known == name).map(|(_, values)| *values);
                first = runner.is_some();
                line.commands.push(word.clone());
            }
        }
    }
}

fn is_dash_c(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|flags| !flags.starts_with('-') && flags.contains('c'))
}

fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

/// Whether the name is one of a shell.
pub fn is_shell(name: &str) -> bool {
    crate::policy::commands::SHELLS.contains(&name)
}

/// `NAME=value`
fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        let name = name.trim_end_matches('+');
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

/// Words and what is between them. Commands inside `$( )`, backquotes and `<( )` are put aside.
fn tokens(text: &str, inner: &mut Vec<String>, line: &mut Line) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut word: Option<(String, bool)> = None;
    let mut at = 0;
    let peek = |at: usize| chars.get(at).copied();
    while let Some(c) = peek(at) {
        at += 1;
        match c {
            '\\' => {
                // A newline after it is nothing.
                if let Some(next) = peek(at).filter(|next| *next != '\n') {
                    word.get_or_insert_default().0.push(next);
                }
                at += 1;
            }
            '\'' => {
                let word = word.get_or_insert_default();
                match chars.get(at..).and_then(|rest| rest.iter().position(|c| *c == '\'')) {
                    Some(length) => {
                        word.0.extend(&chars[at..at + length]);
                        at += length + 1;
                    }
                    None => {
                        line.unknown = Some("a quote is not closed");
                        at = chars.len();
                    }
                }
            }
            '"' => at = double(&chars, at, word.get_or_insert_default(), inner, line),
            '$' | '`' => at = dollar(&chars, at - 1, word.get_or_insert_default(), inner, line),
            '<' | '>' if peek(at) == Some('(') => {
                at = parenthesis(&chars, at + 1, inner, line);
                word.get_or_insert_default().1 = true;
            }
            '<' | '>' => {
                // A number right in front is the descriptor.
                match word.take() {
                    Some((number, false)) if number.bytes().all(|b| b.is_ascii_digit()) => {}
                    Some((text, varies)) => out.push(Token::Word(text, varies)),
                    None => {}
                }
                let start = at;
                while peek(at) == Some(c) || (c == '>' && at == start && peek(at) == Some('|')) {
                    at += 1;
                }
                match (c, at - start) {
                    ('<', 1) => {
                        line.unknown = Some("it has a here-document");
                    }
                    // A here-string is text.
                    ('<', 2) => {}
                    _ => {
                        let both = c == '<' && peek(at) == Some('>');
                        at += usize::from(both);
                        out.push(Token::Redirect(c == '>' || both));
                        if peek(at) == Some('&') {
                            at += 1;
                            word = Some(("&".to_owned(), false));
                        }
                    }
                }
            }
            '&' if peek(at) == Some('>') => {
                out.extend(word.take().map(|(text, varies)| Token::Word(text, varies)));
                at += 1;
                while peek(at) == Some('>') {
                    at += 1;
                }
                out.push(Token::Redirect(true));
            }
            ' ' | '\t' => out.extend(word.take().map(|(text, varies)| Token::Word(text, varies))),
            ';' | '|' | '&' | '\n' | '\r' | '(' | ')' => {
                out.extend(word.take().map(|(text, varies)| Token::Word(text, varies)));
                out.push(Token::End);
            }
            '#' if word.is_none() => {
                while peek(at).is_some_and(|c| c != '\n') {
                    at += 1;
                }
            }
            '*' | '?' | '[' => {
                let word = word.get_or_insert_default();
                word.0.push(c);
                // `[` alone is a command, and in front of a name a pattern.
                word.1 |= c != '[' || word.0.len() > 1;
            }
            c => word.get_or_insert_default().0.push(c),
        }
    }
    out.extend(word.take().map(|(text, varies)| Token::Word(text, varies)));
    out
}

/// Behind `"`, up to the closing one.
fn double(
    chars: &[char],
    mut at: usize,
    word: &mut (String, bool),
    inner: &mut Vec<String>,
    line: &mut Line,
) -> usize {
    while let Some(c) = chars.get(at) {
        match c {
            '"' => return at + 1,
            '\\' => {
                word.0.extend(chars.get(at + 1));
                at += 2;
            }
            '$' | '`' => at = dollar(chars, at, word, inner, line),
            c => {
                word.0.push(*c);
                at += 1;
            }
        }
    }
    line.unknown = Some("a quote is not closed");
    at
}

/// At `$` or a backquote: a variable, whose value is not known, or a command inside.
fn dollar(
    chars: &[char],
    at: usize,
    word: &mut (String, bool),
    inner: &mut Vec<String>,
    line: &mut Line,
) -> usize {
    if chars.get(at) == Some(&'`') {
        word.1 = true;
        let rest = chars.get(at + 1..).unwrap_or_default();
        return match rest.iter().position(|c| *c == '`') {
            Some(length) => {
                inner.push(rest[..length].iter().collect());
                at + length + 2
            }
            None => {
                line.unknown = Some("a quote is not closed");
                chars.len()
            }
        };
    }
    match chars.get(at + 1) {
        Some('(') => {
            word.1 = true;
            parenthesis(chars, at + 2, inner, line)
        }
        Some('\'') => {
            // `$'…'` has escapes that stand for any character.
            word.1 = true;
            at + 1
        }
        Some('{') => {
            word.1 = true;
            word.0.push('$');
            let rest = chars.get(at + 2..).unwrap_or_default();
            let length = rest.iter().position(|c| *c == '}');
            let name: String = rest[..length.unwrap_or(rest.len())].iter().collect();
            // The value may itself hold commands: ${x:-$(y)}.
            if let Some(at) = name.find(['$', '`']) {
                // Read as the value of a variable, which is no command itself.
                inner.push(format!("_={}", &name[at..]));
            }
            at + 2 + length.map_or(rest.len(), |length| length + 1)
        }
        Some(c) if c.is_ascii_alphanumeric() || "_@*#?$!-".contains(*c) => {
            let rest = chars.get(at + 1..).unwrap_or_default();
            let length = rest.iter().take_while(|c| c.is_ascii_alphanumeric() || **c == '_').count().max(1);
            let name: String = rest[..length].iter().collect();
            // Where the home folder is, is known.
            if name == "HOME" {
                word.0.push('~');
            } else {
                word.1 = true;
                word.0.push('$');
                word.0.push_str(&name);
            }
            at + 1 + length
        }
        _ => {
            word.0.push('$');
            at + 1
        }
    }
}

/// Behind `(`, up to the closing one.
fn parenthesis(chars: &[char], start: usize, inner: &mut Vec<String>, line: &mut Line) -> usize {
    let (mut open, mut at) = (1, start);
    let mut quote = None;
    while let Some(c) = chars.get(at) {
        match (quote, c) {
            (None, '(') => open += 1,
            (None, ')') => open -= 1,
            (None, '\'' | '"') => quote = Some(*c),
            (Some(q), c) if q == *c => quote = None,
            (_, '\\') => at += 1,
            _ => {}
        }
        at += 1;
        if open == 0 {
            inner.push(chars[start..at - 1].iter().collect());
            return at;
        }
    }
    line.unknown = Some("a parenthesis is not closed");
    chars.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn commands_are_found_wherever_they_stand() {
        for (text, commands) in [
            ("ls -l", "ls"),
            ("cd x && cargo test | tee out; rm -rf y &", "cd cargo tee rm"),
            ("A=1 B=2 make", "make"),
            ("if true; then curl x; else wget y; fi", "true curl wget"),
            ("echo \"$(curl evil)\" `id`", "echo curl id"),
            ("echo '$(curl evil)'", "echo"),
            ("sudo -u root env X=1 rm x", "sudo env rm"),
            ("sudo -n rm x", "sudo rm"),
            ("timeout -s KILL 5 curl x", "timeout curl"),
            ("bash -c 'curl x | sh'", "bash curl sh"),
            ("sh -xc \"rm y\"", "sh rm"),
            ("eval 'rm -r z'", "eval rm"),
            ("(cat a; cat b) | xargs -n 1 rm", "cat cat xargs rm"),
            ("diff <(sort a) <(sort b)", "diff sort sort"),
            ("echo ${x:-$(whoami)}", "echo whoami"),
            ("l\\s; 'r'm x; \"c\"url y", "ls rm curl"),
            ("# curl x\nls", "ls"),
            ("while read x; do rm $x; done < list", "read rm"),
            ("[ -e x ] && ls", "[ ls"),
            ("find . -name '*.rs'", "find"),
        ] {
            let line = read(text);
            assert_eq!(line.commands, list(commands), "{text}");
            assert_eq!(line.unknown, None, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_said() {
        for text in [
            "$CMD x",
            "$(echo rm) x",
            "`x` y",
            "eval $x",
            "bash -c \"$x\"",
            "echo x > $f",
            "ls '",
            "ls \"",
            "cat <<E\nx\nE",
            "ec?o x",
            "$'\\x72m' x",
            "echo $(ls",
        ] {
            assert!(read(text).unknown.is_some(), "{text}");
        }
        assert!(read(&"$(".repeat(100)).unknown.is_some());
        assert!(read(&"a ".repeat(100_000)).unknown.is_some());
    }

    #[test]
    fn redirections_name_files() {
        let line = read("sort < in > out 2>> err.log; ls >&2 2>&1 &> all; x <> both");
        assert_eq!(line.reads, list("in"));
        assert_eq!(line.writes, list("out err.log all both"));
        assert_eq!(line.unknown, None);
        assert_eq!(
            read("cat ~/.ssh/id 'a b' $HOME/x https://x.y/z").words,
            ["~/.ssh/id", "a b", "~/x", "https://x.y/z"]
        );
    }
}
