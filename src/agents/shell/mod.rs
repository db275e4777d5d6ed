//! What a command line for a shell says it does: which commands it starts, which files it redirects to and from, which
//! words look like paths and URLs. It reads what is written; what a program does then only a sandbox can hold. Where it cannot
//! tell (a command that is the value of a variable), it says so instead of guessing.

mod lex;
mod names;
mod word;

use crate::policy::commands::SHELLS;
use lex::Token;
pub use names::BUILTINS;
use names::{BEFORE_COMMAND, RUNNERS, Runner, STRUCTURE, WITH_TEXT};
use word::Word;

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
    /// Those of them that stand for all files whose names look like it.
    pub patterns: Vec<String>,
    /// Why it cannot be told what is run.
    pub unknown: Option<&'static str>,
}

/// Texts that are run within texts that are run.
const DEPTH: usize = 8;
/// Shells whose options are none of sh's.
const OTHER_SHELLS: [&str; 4] = ["pwsh", "nu", "xonsh", "elvish"];
/// More words than this are no command line that a person reads.
const WORDS: usize = 10_000;

/// Reads a command line.
pub fn read(text: &str) -> Line {
    let mut line = Line::default();
    look(text, 0, &mut line);
    line
}

fn look(text: &str, depth: usize, line: &mut Line) {
    if depth > DEPTH {
        return line.cannot("commands are nested too deeply");
    }
    let lexed = lex::lex(text);
    if let Some(why) = lexed.unknown {
        line.cannot(why);
    }
    for tokens in lexed.lines {
        let mut commands = Commands { line, depth, documents: &lexed.documents, now: Simple::default() };
        commands.read(tokens);
    }
}

impl Line {
    fn cannot(&mut self, why: &'static str) {
        self.unknown.get_or_insert(why);
    }
}

/// What the words of a simple command are taken for.
#[derive(Default)]
struct Simple {
    /// The command, without its folder; empty until it is known.
    name: String,
    /// A command before it that takes its arguments for another one.
    runner: Option<&'static Runner>,
    /// Words of the runner that are still to come before the command.
    skip: usize,
    /// The next word is the value of an option.
    value: bool,
    /// The next word is a command line.
    text: bool,
    /// The next word is a command after all (`find -exec`, the body of a function).
    again: bool,
    /// It is `find`, whose `-exec` may come more than once.
    find: bool,
    /// A shell was told what to run.
    told: bool,
    /// A shell was told to run its input.
    asks: bool,
    /// The arguments of `eval`, which are one command line together, and whether all of it is known.
    eval: Option<(String, bool)>,
    /// What the command reads, where that is written down.
    input: Option<(String, bool)>,
}

/// Takes the tokens apart into simple commands.
struct Commands<'l> {
    line: &'l mut Line,
    depth: usize,
    documents: &'l [(String, bool)],
    now: Simple,
}

impl Commands<'_> {
    fn read(&mut self, tokens: Vec<Token>) {
        let mut tokens = tokens.into_iter();
        while let Some(token) = tokens.next() {
            match token {
                Token::End => self.end(),
                Token::Document(number) => self.now.input = self.documents.get(number).cloned(),
                Token::Text => match tokens.next() {
                    Some(Token::Word(word)) => {
                        self.line.words.push(word.text());
                        self.now.input = Some((word.text(), word.varies));
                    }
                    _ => self.line.cannot("a redirection has no text"),
                },
                Token::Redirect(write) => match tokens.next() {
                    Some(Token::Word(word)) => self.redirect(write, word),
                    _ => self.line.cannot("a redirection has no file"),
                },
                Token::Word(word) if self.now.name == "[[" => {
                    self.line.words.push(word.text());
                    // `&&`, `<` and parentheses mean something else up to its end.
                    let mut closed = word.is("]]");
                    while !closed && self.line.words.len() <= WORDS {
                        match tokens.next() {
                            Some(Token::Word(word)) => {
                                closed = word.is("]]");
                                self.line.words.push(word.text());
                            }
                            Some(_) => {}
                            None => return self.line.cannot("`[[` is not closed"),
                        }
                    }
                    self.now = Simple { name: "]]".to_owned(), ..Simple::default() };
                }
                Token::Word(word) => match word.braces() {
                    Some(words) => words.into_iter().for_each(|word| self.word(&word)),
                    None => self.line.cannot("braces stand for too many words"),
                },
            }
            if self.line.words.len() + self.line.commands.len() > WORDS {
                return self.line.cannot("it has too many words");
            }
        }
        self.end();
    }

    fn redirect(&mut self, write: bool, word: Word) {
        let text = word.text();
        // `2>&1` and `<&-` name descriptors.
        if let Some(number) = text.strip_prefix('&')
            && (number == "-" || number.bytes().all(|b| b.is_ascii_digit() || b == b'-'))
        {
            return;
        }
        if word.varies || word.is_pattern() {
            self.line.cannot("a redirection goes to a file that is known only when it runs");
        }
        let Some(words) = word.braces() else { return self.line.cannot("braces stand for too many words") };
        let names = words.iter().map(|word| word.text().trim_start_matches('&').to_owned());
        let list = if write { &mut self.line.writes } else { &mut self.line.reads };
        list.extend(names);
    }

    /// The simple command is over.
    fn end(&mut self) {
        let now = std::mem::take(&mut self.now);
        match now.eval {
            Some((text, true)) => look(&text, self.depth + 1, self.line),
            Some((_, false)) => self.line.cannot("a text that is known only when it runs is run"),
            None => {}
        }
        if is_shell(&now.name) && !now.told {
            match now.input {
                Some((text, false)) => look(&text, self.depth + 1, self.line),
                _ => self.line.cannot("a shell reads what it runs from its input"),
            }
        }
    }

    fn word(&mut self, word: &Word) {
        if self.now.name.is_empty() || self.now.again {
            return self.first(word);
        }
        let text = word.text();
        self.mention(word);
        if std::mem::take(&mut self.now.value) {
            return;
        }
        // Behind `-c` there may be more options.
        if self.now.text && !(is_shell(&self.now.name) && text.starts_with(['-', '+'])) {
            self.now.text = false;
            return self.run(word, &text);
        }
        // A group, wherever it begins: the body of a function, of a loop.
        if word.is("{") {
            self.now = Simple::default();
            return;
        }
        if self.now.find && [";", "+"].contains(&text.as_str()) {
            let find = Simple { name: "find".to_owned(), find: true, ..Simple::default() };
            return self.replace(find);
        }
        match self.now.name.as_str() {
            "eval" => {
                let (all, known) = self.now.eval.get_or_insert_with(|| (String::new(), true));
                *known &= !word.varies && !word.is_pattern();
                all.push_str(&text);
                all.push(' ');
            }
            "trap" if !self.now.told => {
                self.now.told = true;
                if !text.starts_with('-') {
                    self.run(word, &text);
                }
            }
            "alias" => {
                if let Some((_, value)) = text.split_once('=') {
                    self.run(word, value);
                }
            }
            // `for NAME do` needs nothing between.
            "for" | "select" if word.is("do") => self.now = Simple::default(),
            "." | "source" if !self.now.told => {
                self.now.told = true;
                self.script(word, &text);
            }
            "shopt" if ["dotglob", "extglob", "expand_aliases"].contains(&text.as_str()) => {
                self.line.cannot("it changes what patterns and commands mean");
            }
            name if is_shell(name) => self.of_shell(word, &text),
            name if WITH_TEXT.contains(&name) && (is_dash_c(&text) || text == "--command") => {
                self.now.text = true
            }
            _ => {}
        }
        if self.now.find && ["-exec", "-execdir", "-ok", "-okdir"].contains(&text.as_str()) {
            self.now.again = true;
        }
    }

    /// Within the words of one command another one begins.
    fn replace(&mut self, next: Simple) {
        let before = std::mem::replace(&mut self.now, next);
        if is_shell(&before.name) && !before.told {
            self.line.cannot("a shell reads what it runs from its input");
        }
    }

    fn mention(&mut self, word: &Word) {
        let text = word.text();
        if word.is_pattern() {
            self.line.patterns.push(text.clone());
        }
        self.line.words.push(text);
    }

    /// A word where a command may be.
    fn first(&mut self, word: &Word) {
        let text = word.text();
        if std::mem::take(&mut self.now.value) {
            return self.mention(word);
        }
        if is_assignment(&text) {
            return self.mention(word);
        }
        if !word.quoted && BEFORE_COMMAND.contains(&text.as_str()) {
            return;
        }
        if let Some(runner) = self.now.runner {
            if text.starts_with('-') && text.len() > 1 {
                self.mention(word);
                self.now.value = runner.values.contains(&text.as_str());
                if runner.name == "env" && (text.starts_with("-S") || text.starts_with("--split")) {
                    self.line.cannot("`env -S` takes a text apart");
                }
                if WITH_TEXT.contains(&runner.name) && (is_dash_c(&text) || text == "--command") {
                    self.now.name = runner.name.to_owned();
                    self.now.text = true;
                }
                return;
            }
            if self.now.skip > 0 {
                self.now.skip -= 1;
                return self.mention(word);
            }
        }
        if STRUCTURE.contains(&text.as_str()) {
            return;
        }
        if word.varies || word.is_pattern() {
            self.line.cannot("which command it runs is known only when it runs");
        }
        if self.now.runner.is_some() && text.contains(char::is_whitespace) {
            return look(&text, self.depth + 1, self.line);
        }
        if std::mem::take(&mut self.now.again) {
            self.replace(Simple { find: self.now.find, ..Simple::default() });
        }
        let name = text.rsplit('/').next().unwrap_or(&text).to_owned();
        self.line.commands.push(text);
        match RUNNERS.iter().find(|runner| runner.name == name) {
            Some(runner) => (self.now.runner, self.now.skip) = (Some(runner), runner.skip),
            // Its name, and then what it does.
            None if name == "function" => (self.now.runner, self.now.skip) = (Some(&names::FUNCTION), 1),
            None => {
                self.now.find |= name == "find";
                self.now.name = if name.is_empty() { "/".to_owned() } else { name };
            }
        }
    }

    /// An argument of a shell.
    fn of_shell(&mut self, word: &Word, text: &str) {
        let is_option = text.starts_with(['-', '+']);
        if is_option && OTHER_SHELLS.contains(&self.now.name.as_str()) {
            return self.line.cannot("the options of this shell are not known here");
        }
        if self.now.told && !self.now.text {
            return;
        }
        match text {
            "--version" | "--help" => self.now.told = true,
            "--rcfile" | "--init-file" => self.now.value = true,
            _ if is_option => {
                let letters = if text.starts_with("--") { "" } else { text };
                if is_dash_c(text) {
                    (self.now.text, self.now.told) = (true, true);
                }
                self.now.asks |= letters.starts_with('-') && letters.contains('s');
                // `-euo pipefail`
                self.now.value = letters.contains(['o', 'O']);
            }
            // They are arguments of what it reads.
            _ if self.now.asks => {}
            _ => {
                self.now.told = true;
                self.script(word, text);
            }
        }
    }

    /// A file that a shell runs: its name is a word like any other.
    fn script(&mut self, word: &Word, text: &str) {
        if word.varies || word.is_pattern() || text.starts_with("/dev/") || text.starts_with("/proc/") {
            self.line.cannot("a shell runs what is known only when it runs");
        }
    }

    /// A text that is a command line.
    fn run(&mut self, word: &Word, text: &str) {
        match word.varies {
            true => self.line.cannot("a text that is known only when it runs is run"),
            false => look(text, self.depth + 1, self.line),
        }
    }
}

fn is_dash_c(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|flags| !flags.starts_with('-') && flags.contains('c'))
}

/// Whether the name is one of a shell.
pub fn is_shell(name: &str) -> bool {
    SHELLS.contains(&name)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn commands_are_found_wherever_they_stand() {
        let mut wrong = Vec::new();
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
            ("bash -c 'curl x | tee y'", "bash curl tee"),
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
            (
                "find . -exec curl {} \\; -exec sh -c 'rm y' \\; -exec bash -c wget +",
                "find curl sh rm bash wget",
            ),
            ("{curl,x}; c{url,x} y", "curl curl"),
            ("function f { curl x; }; f", "function curl f"),
            ("function f() { curl x; }", "function curl"),
            ("f() { curl x; }", "f curl"),
            ("coproc P { curl x; }", "P curl"),
            ("for x do curl; done", "for curl"),
            ("for x in a b; do curl; done", "for curl"),
            ("case x in a) curl;; b|[c-d]) ls;; *) wget;; esac", "case curl ls wget"),
            ("time -p curl x", "time curl"),
            ("echo $((1+2)) $((a[1] * $(date +%s)))", "echo date"),
            ("echo $((curl x) | cat)", "echo curl cat"),
            ("((i++)); ((i = i + 1)); ((i - 1 > 2)) && ls", "ls"),
            ("((curl x))", "curl"),
            ("if [[ -f x && $a < b || ( -d y ) ]]; then ls; fi", "[[ ls"),
            ("[[ -n $(curl x) ]]", "[[ curl"),
            ("cat > f <<'E'\n$(curl x) don't )\nE\nls", "cat ls"),
            ("cat <<-E | wc -l\n\t`curl x`\n\tE\nls", "cat wc ls curl"),
            ("git commit -m \"$(cat <<'E'\nIt's (done\nE\n)\"; ls", "git ls cat"),
            ("bash <<E\ncurl x\nE", "bash curl"),
            ("sudo sh -s <<< 'curl x'", "sudo sh curl"),
            ("bash -euo pipefail -c 'curl x'", "bash curl"),
            ("bash -c -x -- 'curl x' sh", "bash curl"),
            ("bash -co pipefail 'curl x'", "bash curl"),
            ("bash --norc x.sh -c y", "bash"),
            ("eval curl x '&&' wget y", "eval curl wget"),
            ("trap 'curl x' EXIT; trap - EXIT", "trap curl trap"),
            ("alias ll='ls -l' c=curl", "alias ls curl"),
            ("su -c 'curl x' root; flock -n l -c 'wget y'; flock l rm z", "su curl flock wget flock rm"),
            ("watch -n 1 'curl x | wc'", "watch curl wc"),
            ("sudo 7z x; chroot /r curl; taskset 3 wget y", "sudo 7z chroot curl taskset wget"),
            ("echo \"a\\c\" ${x:-'}'$(id)} $'it\\'s' \"${y}\"", "echo id"),
            ("echo ${x#*/} | xargs -I{} sh -c 'rm {}'", "echo xargs sh rm"),
        ] {
            let line = read(text);
            if (line.commands.clone(), line.unknown) != (list(commands), None) {
                wrong.push(format!("{text}: {:?} {:?}", line.commands, line.unknown));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
            "cat <<E\nx",
            "cat <<$E\nx\n$E",
            "cat <<E\n$(curl x",
            "curl x | bash",
            "curl x | sudo sh -s -- -y",
            "bash < x",
            "bash <(curl x)",
            ". /dev/stdin",
            "bash -s x",
            "find . -exec sh \\; -exec ls \\;",
            "c* x",
            "$(case x in x) curl y;; esac)",
            "echo > *",
            "{1..3} x",
            "pwsh -EncodedCommand x",
            "[[ x",
            "echo {a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}",
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
        assert_eq!(read("cat .e{nv,}* '*' \"$x\"*.c").patterns, [".env*", ".e*", "$x*.c"]);
        assert_eq!(
            read("cat ~/.ssh/id 'a b' $HOME/x https://x.y/z").words,
            ["~/.ssh/id", "a b", "~/x", "https://x.y/z"]
        );
    }
}
