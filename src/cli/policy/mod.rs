//! `weft policy`: write, check, show, question, test and compare policies. Enforces nothing.

mod check;
#[cfg(feature = "review")]
pub(super) mod diff;
mod init;
#[cfg(feature = "review")]
mod learn;
mod live;
mod show;
mod test;
#[cfg(feature = "review")]
mod tighten;
mod why;

use super::error::{Exit, Failure};
use super::values::say;
use crate::policy::vars::Places;
use crate::policy::{Errors, Policy};
use argh::{ArgsInfo, FromArgValue, FromArgs};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Say what an agent may do: write, check and question policies
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "policy", help_triggers("--help"))]
pub struct PolicyCommand {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand)]
enum Command {
    Check(check::Check),
    Show(show::Show),
    Init(init::Init),
    Why(why::Why),
    Test(test::Test),
    #[cfg(feature = "review")]
    Diff(diff::Diff),
    #[cfg(feature = "review")]
    Learn(learn::Learn),
    #[cfg(feature = "review")]
    Tighten(tighten::Tighten),
}

pub fn run(policy: PolicyCommand) -> Result<Exit, Failure> {
    match policy.command {
        Command::Check(command) => check::run(&command),
        Command::Show(command) => show::run(&command),
        Command::Init(command) => init::run(&command),
        Command::Why(command) => why::run(&command),
        Command::Test(command) => test::run(&command),
        #[cfg(feature = "review")]
        Command::Diff(command) => diff::run(&command),
        #[cfg(feature = "review")]
        Command::Learn(command) => learn::run(&command),
        #[cfg(feature = "review")]
        Command::Tighten(command) => tighten::run(&command),
    }
}

/// `--format text|json`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Text,
    Json,
}

impl FromArgValue for Format {
    fn from_arg_value(value: &str) -> Result<Format, String> {
        match value {
            "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            _ => Err(say("use text or json")),
        }
    }
}

/// The places of this run; `--workspace` moves one of them.
pub(super) fn places(workspace: Option<&Path>) -> Result<Places, Failure> {
    Places::discover(workspace).map_err(|what| Failure::usage(what, "", ""))
}

/// The first mistake, and how to see the others.
pub(in crate::cli) fn failure(errors: &Errors) -> Failure {
    let Some(first) = errors.iter().next() else { return Failure::usage("the policy is wrong", "", "") };
    let at = match first.line {
        0 => first.file.to_string(),
        line => format!("{}:{line}:{}", first.file, first.column),
    };
    let more = match errors.iter().count() - 1 {
        0 => String::new(),
        more => format!("; {more} more: `weft policy check` lists them"),
    };
    Failure::usage(first.message.clone(), at, format!("{}{more}", first.help).trim_start_matches("; "))
}

/// The policy that `--policy` names, or the one of the workspace, and its name.
pub(super) fn choose(given: Option<&str>, places: &Places) -> Result<(Policy, String), Failure> {
    crate::policy::choose(given, places).map_err(|errors| failure(&errors))
}

/// Fills a page and writes it to standard output.
pub(super) fn out(body: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<(), Failure> {
    let mut page = Vec::new();
    let mut stdout = io::stdout().lock();
    body(&mut page)
        .and_then(|()| stdout.write_all(&page))
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::stdout(&error))
}

/// As typed in the current folder, `..` taken away the way the kernel would.
pub(super) fn absolute(path: PathBuf) -> Result<PathBuf, Failure> {
    let failed = |error| Failure::file("cannot look at", &path, &error);
    let full = std::path::absolute(&path).map_err(failed)?;
    let dots = full.components().any(|part| part == std::path::Component::ParentDir);
    if dots { full.canonicalize().map_err(failed) } else { Ok(full) }
}
