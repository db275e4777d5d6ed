//! From what was typed to what argh parses: paths that are not UTF-8, `--name=value`, help anywhere, and mistakes
//! told in our words with the nearest thing that exists. Knows no command by name; it reads what the structs declare.

use super::error::Failure;
use crate::rules::schema::nearest;
pub use crate::words::list;
use argh::{CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Bytes that argh cannot carry in a `&str` travel as characters of this private block, one for each byte.
const CARRIER: u32 = 0x0010_ff00;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// Words for argh.
    Run(Vec<String>),
    /// Help for the command of these names (the program's own left out).
    Help(Vec<String>),
    Version,
}

/// An argument as text, without loss: [`to_os`] gives back exactly what went in.
pub fn to_text(arg: &OsStr) -> String {
    let mut out = String::new();
    let carry = |out: &mut String, bytes: &[u8]| {
        // Always a character: the block has one for each byte.
        out.extend(bytes.iter().filter_map(|&byte| char::from_u32(CARRIER + u32::from(byte))));
    };
    for chunk in arg.as_encoded_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                // Characters of the block itself are carried too, so that the way back is unambiguous.
                '\u{10ff00}'..='\u{10ffff}' => carry(&mut out, c.encode_utf8(&mut [0; 4]).as_bytes()),
                _ => out.push(c),
            }
        }
        carry(&mut out, chunk.invalid());
    }
    out
}

/// The way back from [`to_text`].
pub fn to_os(text: &str) -> OsString {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match u32::from(c).checked_sub(CARRIER).and_then(|byte| u8::try_from(byte).ok()) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    from_bytes(bytes)
}

#[cfg(unix)]
fn from_bytes(bytes: Vec<u8>) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes)
}

#[cfg(not(unix))]
fn from_bytes(bytes: Vec<u8>) -> OsString {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

/// An argument as an error shows it.
pub fn shown(text: &str) -> String {
    to_os(text).to_string_lossy().into_owned()
}

/// A path as argh hands it over. A lone `-`, which argh would take for an option, comes in carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathArg(pub PathBuf);

impl argh::FromArgValue for PathArg {
    fn from_arg_value(value: &str) -> Result<PathArg, String> {
        if value.is_empty() {
            return Err(super::values::say("a path cannot be empty"));
        }
        Ok(PathArg(to_os(value).into()))
    }
}

/// Reads the words after the program's name against what the commands declare.
pub fn read(args: impl IntoIterator<Item = OsString>, top: &CommandInfoWithArgs) -> Result<Asked, Failure> {
    let words: Vec<String> = args.into_iter().map(|arg| to_text(&arg)).collect();
    let mut level = Level { command: top, path: Vec::new(), seen: Vec::new(), positionals: 0 };
    let mut out = Vec::with_capacity(words.len() + 4);
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        if word == "--" && level.command.commands.is_empty() {
            // Only positionals from here on.
            out.push(word);
            for word in words {
                level.positional(&word)?;
                out.push(word);
            }
            break;
        }
        if word == "--help" || word == "-h" {
            return Ok(Asked::Help(level.path));
        }
        if level.path.is_empty() && (word == "--version" || word == "-V") {
            return Ok(Asked::Version);
        }
        if word.starts_with('-') && word.len() > 1 {
            let (flag, attached) = level.flag(&word)?;
            level.count(flag)?;
            out.push(flag.long.to_owned());
            if matches!(flag.kind, FlagInfoKind::Option { .. }) {
                let next =
                    || words.next_if(|next| level.find(next.split('=').next().unwrap_or("")).is_none());
                match attached.or_else(next) {
                    Some(value) => out.push(value),
                    None => return Err(level.no_value(flag)),
                }
            } else if let Some(value) = attached {
                return Err(Failure::usage(
                    format!("{} takes no value", flag.long),
                    format!("{}={}", flag.long, shown(&value)),
                    "leave the value out",
                ));
            }
        } else if level.command.commands.is_empty() {
            level.positional(&word)?;
            if level.command.positionals.last().is_some_and(|p| p.optionality == Optionality::Greedy) {
                // The rest belongs to the command that is run, its options too.
                out.push("--".to_owned());
                out.push(word);
                out.extend(words);
                break;
            }
            // A lone dash is standard input; carried, it does not look like an option.
            out.push(if word == "-" { "\u{10ff2d}".to_owned() } else { word });
        } else if word == "help" {
            return help(level, words.collect());
        } else {
            level = level.enter(&word)?;
            out.push(word);
        }
    }
    level.complete()?;
    Ok(Asked::Run(out))
}

/// `weft help security scan` is `weft security scan --help`.
fn help(mut level: Level, words: Vec<String>) -> Result<Asked, Failure> {
    for word in words.iter().filter(|word| !word.starts_with('-')) {
        level = level.enter(word)?;
    }
    Ok(Asked::Help(level.path))
}

/// The command whose arguments are being read.
struct Level<'a> {
    command: &'a CommandInfoWithArgs,
    path: Vec<String>,
    /// Options given so far.
    seen: Vec<&'a str>,
    positionals: usize,
}

impl<'a> Level<'a> {
    fn find(&self, word: &str) -> Option<&'a FlagInfo<'static>> {
        let command: &'a CommandInfoWithArgs = self.command;
        command.flags.iter().find(|flag| {
            flag.long == word
                || flag
                    .short
                    .is_some_and(|short| word.strip_prefix('-').is_some_and(|w| w.chars().eq([short])))
        })
    }

    /// The option a word names, and the value that is attached to it (`--name=value`, `-j4`).
    fn flag(&self, word: &str) -> Result<(&'a FlagInfo<'static>, Option<String>), Failure> {
        if let Some(flag) = self.find(word) {
            return Ok((flag, None));
        }
        if word.starts_with("--") {
            if let Some((name, value)) = word.split_once('=')
                && let Some(flag) = self.find(name)
            {
                return Ok((flag, Some(value.to_owned())));
            }
        } else if let Some((at, _)) = word.char_indices().nth(2)
            && let Some(flag) = self.find(&word[..at])
            && matches!(flag.kind, FlagInfoKind::Option { .. })
        {
            return Ok((flag, Some(word[at..].trim_start_matches('=').to_owned())));
        }
        let name = word.split('=').next().unwrap_or(word);
        let known: Vec<&str> =
            self.command.flags.iter().filter(|flag| !flag.hidden).map(|flag| flag.long).collect();
        let begins = || known.iter().copied().find(|flag| name.len() > 4 && flag.starts_with(name));
        let fix = match nearest(name, &known).or_else(begins) {
            Some(flag) => format!("did you mean {flag}?"),
            None => format!("`{} --help` lists the options", self.name()),
        };
        Err(Failure::usage("unknown option", shown(name), fix))
    }

    fn name(&self) -> String {
        let mut name = "weft".to_owned();
        for word in &self.path {
            name.push(' ');
            name.push_str(word);
        }
        name
    }

    fn count(&mut self, flag: &'a FlagInfo) -> Result<(), Failure> {
        if flag.optionality != Optionality::Repeating && self.seen.contains(&flag.long) {
            return Err(Failure::usage("option given twice", flag.long, "give it once"));
        }
        self.seen.push(flag.long);
        Ok(())
    }

    fn no_value(&self, flag: &FlagInfo) -> Failure {
        let FlagInfoKind::Option { arg_name } = flag.kind else {
            return Failure::usage("no value", flag.long, "");
        };
        Failure::usage("option without its value", flag.long, format!("write {} {arg_name}", flag.long))
    }

    fn positional(&mut self, word: &str) -> Result<(), Failure> {
        let declared = self.command.positionals;
        let repeats =
            |p: &argh::PositionalInfo| matches!(p.optionality, Optionality::Repeating | Optionality::Greedy);
        if self.positionals >= declared.len() && !declared.last().is_some_and(repeats) {
            return Err(Failure::usage(
                "unexpected argument",
                shown(word),
                format!("see `{} --help`", self.name()),
            ));
        }
        self.positionals += 1;
        Ok(())
    }

    fn enter(mut self, word: &str) -> Result<Level<'a>, Failure> {
        let command: &'a CommandInfoWithArgs = self.command;
        if let Some(sub) = command.commands.iter().find(|sub| sub.name == word) {
            self.path.push(word.to_owned());
            return Ok(Level { command: &sub.command, path: self.path, seen: Vec::new(), positionals: 0 });
        }
        if let Some(flavour) = super::elsewhere::flavour(&self.path, word) {
            return Err(Failure::usage(
                "this build was made without the command",
                format!("{} {word}", self.name()),
                format!("use weft in the flavour `{flavour}`"),
            ));
        }
        let known: Vec<&str> = command.commands.iter().map(|sub| sub.name).collect();
        let deeper = command.commands.iter().find(|c| c.command.commands.iter().any(|sub| sub.name == word));
        let fix = match (nearest(word, &known), deeper) {
            (Some(name), _) => format!("did you mean `{} {name}`?", self.name()),
            (None, Some(between)) => format!("did you mean `{} {} {word}`?", self.name(), between.name),
            (None, None) if known.is_empty() => format!("see `{} --help`", self.name()),
            (None, None) => format!("use {}", list(&known)),
        };
        Err(Failure::usage("unknown command", shown(word), fix))
    }

    /// Is everything there that must be?
    fn complete(&self) -> Result<(), Failure> {
        let known: Vec<&str> = self.command.commands.iter().map(|sub| sub.name).collect();
        if !known.is_empty() {
            let fix = format!("use {}; `{} --help` says more", list(&known), self.name());
            return Err(Failure::usage("no command", self.name(), fix));
        }
        let missing = self.command.positionals.get(self.positionals);
        match missing.filter(|positional| positional.optionality == Optionality::Required) {
            Some(positional) => Err(Failure::usage(
                "missing argument",
                positional.name.to_owned(),
                format!("see `{} --help`", self.name()),
            )),
            None => Ok(()),
        }
    }
}
