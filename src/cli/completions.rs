//! `weft completions`: what a shell needs to complete commands, options and their values.
//!
//! The scripts are a few lines that ask `weft __complete WORDS…` at each press of Tab, so that the answer always
//! fits the binary that is installed, and the rules of it can be completed too.

use super::args::{list, to_text};
use super::error::{Exit, Failure};
use super::values::say;
use super::{Weft, print};
use crate::policy::builtin;
use crate::rules::{Category, Persona, RuleSet, Severity};
use crate::scan::report::Format;
use argh::{ArgsInfo, CommandInfoWithArgs, FlagInfo, FlagInfoKind, FromArgValue, FromArgs, Optionality};
use std::ffi::OsString;

/// The word that asks for candidates instead of running a command.
pub const ASK: &str = "__complete";
/// The answer that leaves it to the shell to complete files.
const FILES: &str = ":files";

/// Print a script that completes commands and options in a shell
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "completions",
    help_triggers("--help"),
    example = "weft completions bash > ~/.local/share/bash-completion/completions/weft",
    example = "weft completions zsh > ~/.zfunc/_weft      with fpath+=~/.zfunc in ~/.zshrc",
    example = "weft completions fish > ~/.config/fish/completions/weft.fish"
)]
pub struct Completions {
    /// bash, zsh or fish
    #[argh(positional, arg_name = "SHELL")]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

impl FromArgValue for Shell {
    fn from_arg_value(value: &str) -> Result<Shell, String> {
        match value {
            "bash" => Ok(Shell::Bash),
            "zsh" => Ok(Shell::Zsh),
            "fish" => Ok(Shell::Fish),
            _ => Err(say(format!("use {}", list(&SHELLS)))),
        }
    }
}

const BASH: &str = r#"# Completes weft in bash.
_weft() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ $line == :files ]]; then
            compopt -o default 2>/dev/null
            COMPREPLY=()
            return
        fi
        COMPREPLY+=("${line%%$'\t'*}")
    done < <(command weft __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _weft weft
"#;

const ZSH: &str = r#"#compdef weft
# Completes weft in zsh.
_weft() {
    local line value
    local -a lines values
    lines=("${(@f)$(command weft __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ $lines[1] == :files ]]; then
        _files
        return
    fi
    for line in $lines; do
        value=${line%%$'\t'*}
        values+=("${value//:/\\:}:${line#*$'\t'}")
    done
    _describe weft values
}
if [[ $funcstack[1] == _weft ]]; then
    _weft "$@"
else
    compdef _weft weft
fi
"#;

const FISH: &str = r#"# Completes weft in fish.
function __weft_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found (command weft __complete $words[2..-1] 2>/dev/null)
    if test "$found[1]" = :files
        __fish_complete_path (commandline -ct)
    else
        printf '%s\n' $found
    end
end
complete -c weft -f -a '(__weft_complete)'
"#;

pub fn run(command: &Completions) -> Result<Exit, Failure> {
    print(match command.shell {
        Shell::Bash => BASH,
        Shell::Zsh => ZSH,
        Shell::Fish => FISH,
    })
}

/// Answers a shell: the words so far, the last of them (it may be empty) to be completed.
pub fn answer(words: impl Iterator<Item = OsString>) -> Result<Exit, Failure> {
    let words: Vec<String> = words.map(|word| to_text(&word)).collect();
    let found = match candidates(&words, &Weft::get_args_info()) {
        Some(found) => found,
        None => vec![(FILES.to_owned(), String::new())],
    };
    let lines: Vec<String> = found.into_iter().map(|(word, about)| format!("{word}\t{about}")).collect();
    print(
        &lines
            .iter()
            .map(|line| format!("{}\n", line.strip_suffix('\t').unwrap_or(line)))
            .collect::<String>(),
    )
}

/// Words that fit, with what they mean; `None` where files do.
fn candidates(words: &[String], top: &CommandInfoWithArgs) -> Option<Vec<(String, String)>> {
    let (last, before) = words.split_last()?;
    let mut command = top;
    let mut path = Vec::new();
    let mut waiting: Option<&FlagInfo> = None;
    let mut positionals = 0;
    for word in before {
        if waiting.is_some() {
            // bash makes three words of `--name=value`.
            waiting = waiting.filter(|_| word == "=");
        } else if word == "--" {
            return None;
        } else if word.starts_with('-') && word.len() > 1 {
            waiting = command.flags.iter().find(|flag| {
                matches!(flag.kind, FlagInfoKind::Option { .. })
                    && (flag.long == word || flag.short.is_some_and(|short| word.chars().eq(['-', short])))
            });
        } else if let Some(sub) = command.commands.iter().find(|sub| sub.name == word) {
            command = &sub.command;
            path.push(sub.name);
        } else {
            positionals += 1;
            if command.positionals.iter().any(|p| p.optionality == Optionality::Greedy) {
                // What follows belongs to the command that is run.
                return None;
            }
        }
    }
    if let Some(flag) = waiting {
        return values(&path, flag, last.strip_prefix('=').unwrap_or(last), "");
    }
    if let Some((name, start)) = last.split_once('=')
        && let Some(flag) = command.flags.iter().find(|flag| flag.long == name)
    {
        return values(&path, flag, start, &format!("{name}="));
    }
    if last.starts_with('-') && last != "-" {
        let options = command.flags.iter().filter(|flag| !flag.hidden);
        return Some(pick(options.map(|flag| (flag.long, flag.description)), last));
    }
    if !command.commands.is_empty() {
        let subs = command.commands.iter().map(|sub| (sub.name, sub.command.description));
        return Some(pick(subs, last));
    }
    match (path.as_slice(), positionals) {
        (["completions"], 0) => Some(pick(SHELLS.into_iter().map(|shell| (shell, "")), last)),
        (["security", "explain"], 0) => {
            let rules = RuleSet::builtin();
            let single = rules.rules.iter().map(|rule| (rule.id, rule.name));
            Some(pick(single.chain(rules.combos.iter().map(|combo| (combo.id, combo.name))), last))
        }
        (["check"] | ["policy", "why"], 0) => {
            let verbs = ["read", "write", "exec", "connect", "tool", "env"];
            Some(pick(verbs.into_iter().map(|verb| (verb, "")), last))
        }
        (["policy", "show" | "check" | "test" | "diff"], _) => policies(last),
        // Names of skills and words, never files.
        (["skill", "publish"] | ["skill", "trust", "accept"], _) => None,
        (["skill", ..], _) => Some(Vec::new()),
        (["hub", "init" | "verify"] | ["hub", "user" | "token" | "moderate", _], _) => Some(Vec::new()),
        _ if command.positionals.is_empty() => Some(Vec::new()),
        _ => None,
    }
}

/// Policies that weft ships, until what is typed can only be a file.
fn policies(start: &str) -> Option<Vec<(String, String)>> {
    let found = pick(builtin::ALL.iter().map(|policy| (policy.name, policy.purpose())), start);
    if found.is_empty() { None } else { Some(found) }
}

/// What an option may be given; `None` for files. `prefix` stands before each answer.
fn values(path: &[&str], flag: &FlagInfo, start: &str, prefix: &str) -> Option<Vec<(String, String)>> {
    let severities = Severity::ALL.map(Severity::as_str);
    let all: Vec<&str> = match flag.long {
        "--format" => match path {
            ["security", "scan"] => Format::ALL.map(Format::as_str).to_vec(),
            ["security", "audit"] => vec!["text", "json", "html"],
            ["policy", "test"] => vec!["text", "json", "junit"],
            ["policy", "diff"] => vec!["text", "json", "markdown"],
            ["policy", "learn"] => vec!["toml", "json", "text"],
            _ => vec!["text", "json"],
        },
        "--on-injection" => vec!["block", "warn"],
        "--client" => vec!["claude-code", "codex", "gemini", "cursor", "openclaw"],
        "--role" => vec!["user", "moderator", "admin"],
        "--from" if path == ["policy", "init"] => builtin::names(),
        "--policy" => {
            let named = |(name, about)| (format!("{prefix}{name}"), about);
            return policies(start).map(|all| all.into_iter().map(named).collect());
        }
        "--min-severity" => severities.to_vec(),
        "--fail-on" => severities.into_iter().chain(["never"]).collect(),
        "--persona" => Persona::ALL.map(Persona::as_str).to_vec(),
        "--category" => Category::ALL.map(Category::as_str).to_vec(),
        "--color" => vec!["auto", "always", "never"],
        "--diff" | "--git" => vec!["HEAD", "main", "main..."],
        "--answer-within" | "--input" | "--jobs" | "--max-size" | "--stdin-name" | "--agent"
        | "--timeout" | "--run" | "--head" | "--lines" | "--registry" | "--limit" | "--accept"
        | "--reason" | "--token" | "--slug" | "--version" | "--owner" | "--changelog" | "--tag" | "--key"
        | "--name" | "--host" | "--runs" | "--yes-if-signed-by" => Vec::new(),
        _ => return None,
    };
    let found = pick(all.into_iter().map(|value| (value, "")), start);
    Some(found.into_iter().map(|(value, about)| (format!("{prefix}{value}"), about)).collect())
}

fn pick<'a>(all: impl Iterator<Item = (&'a str, &'a str)>, start: &str) -> Vec<(String, String)> {
    all.filter(|(word, _)| word.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start)))
        .map(|(word, about)| (word.to_owned(), super::help::unescaped(about)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(line: &str) -> Option<Vec<String>> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let found = candidates(&words, &Weft::get_args_info())?;
        Some(found.into_iter().map(|(word, _)| word).collect())
    }

    #[test]
    fn each_place_has_its_words() {
        assert_eq!(ask("sec").unwrap(), ["security"]);
        assert_eq!(ask("security ").unwrap(), ["scan", "audit", "harden", "checks", "explain"]);
        assert_eq!(ask("security audit --format h").unwrap(), ["html"]);
        assert_eq!(ask("security audit --out "), None);
        assert_eq!(ask("security harden --agent ").unwrap(), [""; 0]);
        assert_eq!(ask("security scan --fo").unwrap(), ["--format"]);
        assert_eq!(ask("security scan --format s").unwrap(), ["sarif"]);
        assert_eq!(ask("security scan --format=s").unwrap(), ["--format=sarif"]);
        assert_eq!(ask("security scan --format = s").unwrap(), ["sarif"]);
        assert_eq!(ask("run --policy cod").unwrap(), ["coding-agent", "codex"]);
        assert_eq!(ask("run --policy=rea").unwrap(), ["--policy=readonly"]);
        assert_eq!(ask("run --policy ./x"), None);
        assert_eq!(ask("run --policy base ls -"), None);
        assert_eq!(ask("run --expl").unwrap(), ["--explain"]);
        assert_eq!(ask("doctor --format ").unwrap(), ["text", "json"]);
        assert_eq!(ask("policy show ski").unwrap(), ["skill"]);
        assert_eq!(ask("check --policy base re").unwrap(), ["read"]);
        assert_eq!(ask("check read "), None);
        assert_eq!(ask("mcp --on-injection ").unwrap(), ["block", "warn"]);
        assert_eq!(ask("mcp python3 "), None);
        assert_eq!(ask("hook ").unwrap(), ["run", "install"]);
        assert_eq!(ask("hook run --client g").unwrap(), ["gemini"]);
        assert_eq!(ask("check --serve "), None);
        assert_eq!(ask("policy diff --format m").unwrap(), ["markdown"]);
        assert_eq!(ask("policy learn --format t").unwrap(), ["toml", "text"]);
        assert_eq!(ask("policy learn --policy cod").unwrap(), ["coding-agent", "codex"]);
        assert_eq!(ask("policy learn --from "), None);
        assert_eq!(ask("policy learn make -"), None);
        assert_eq!(ask("policy init --from ski").unwrap(), ["skill"]);
        assert_eq!(ask("policy tighten x --ru").unwrap(), ["--runs"]);
        assert_eq!(ask("policy tighten "), None);
        assert_eq!(ask("run --obs").unwrap(), ["--observe"]);
        assert_eq!(ask("policy diff --git ma").unwrap(), ["main", "main..."]);
        assert_eq!(ask("completions z").unwrap(), ["zsh"]);
        #[cfg(feature = "client")]
        for (line, words) in [
            ("skill ins", Some(vec!["install"])),
            ("skill install --regi", Some(vec!["--registry"])),
            ("skill install --registry ", Some(vec![])),
            ("skill search ", Some(vec![])),
            ("skill search x --format j", Some(vec!["json"])),
            ("skill publish ", None),
            ("skill publish . --key ", Some(vec![])),
        ] {
            assert_eq!(
                ask(line),
                words.map(|words| words.into_iter().map(str::to_owned).collect()),
                "{line}"
            );
        }
        assert_eq!(ask("security explain pi-00").unwrap()[0], "PI-001");
        assert_eq!(ask("security scan "), None);
        assert_eq!(ask("security scan --rules "), None);
        assert_eq!(ask("security scan -- --f"), None);
        assert_eq!(ask("version x").unwrap(), [""; 0]);
    }
}
