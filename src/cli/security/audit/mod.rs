//! `weft security audit`: one report over the policies, logs, workspace and skills of the agents of this machine. Changes nothing.

mod chart;
mod html;
mod json;
mod text;

use super::review::{Review, Which, review};
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::run::prepare::Agent;
use crate::cli::term::{self, Color};
use crate::cli::values::{FailOn, say};
use crate::files::write_atomic;
use crate::rules::Severity;
use argh::{ArgsInfo, FromArgValue, FromArgs};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Report what is weak about agents: policies, what the log shows, workspace, skills, programs
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "audit",
    help_triggers("--help"),
    example = "{command_name}                                   the agents of this folder",
    example = "{command_name} --agent claude-code",
    example = "{command_name} --all --format html --out audit.html   one page for a browser, nothing else needed",
    example = "{command_name} --format json --fail-on medium    for a program, or a gate",
    note = "An agent is a name: that of a policy, a hook (`weft hook install`) or `--agent`, under which the log keeps what was decided. What cannot be judged is listed, never passed over. `weft security harden` applies what is safe. docs/security-audit.md lists the findings.",
    error_code(0, "nothing at or above --fail-on"),
    error_code(1, "findings at or above --fail-on"),
    error_code(2, "the command line is wrong, or the report cannot be written")
)]
pub struct Audit {
    /// only this agent
    #[argh(option, arg_name = "ID")]
    agent: Option<Agent>,
    /// every agent that is known on this machine, in its workspace
    #[argh(switch)]
    all: bool,
    /// text, json or html
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// write the report to a file, complete or not at all
    #[argh(option, short = 'o', arg_name = "FILE")]
    out: Option<PathArg>,
    /// exit with 1 if a finding has this severity or above (default: high), or never
    #[argh(option, arg_name = "SEVERITY")]
    fail_on: Option<FailOn>,
    /// the workspace; the current folder if not given
    #[argh(option, arg_name = "DIR")]
    workspace: Option<PathArg>,
    /// read this log too; may be repeated
    #[argh(option, arg_name = "FILE")]
    log: Vec<PathArg>,
    /// colour: auto (default), always or never
    #[argh(option, arg_name = "WHEN")]
    color: Option<Color>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Text,
    Json,
    Html,
}

impl FromArgValue for Format {
    fn from_arg_value(value: &str) -> Result<Format, String> {
        match value {
            "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            "html" => Ok(Format::Html),
            _ => Err(say("use text, json or html")),
        }
    }
}

/// What the forms of the report share.
struct Page<'r> {
    review: &'r Review,
    /// Microseconds since 1970.
    made: u64,
    fail_on: Option<Severity>,
    failed: bool,
}

impl Page<'_> {
    /// So many findings of each severity, the worst first.
    fn counts(&self) -> [(Severity, u64); 5] {
        let mut all = Severity::ALL.map(|severity| (severity, 0));
        all.reverse();
        for (severity, count) in &mut all {
            *count =
                self.review.findings.iter().filter(|finding| finding.severity == *severity).count() as u64;
        }
        all
    }
}

/// Which agents the options mean.
pub(super) fn which<'a>(agent: Option<&'a Agent>, all: bool) -> Result<Which<'a>, Failure> {
    match (agent, all) {
        (Some(_), true) => {
            Err(Failure::usage("contradicting options", "--agent with --all", "leave one out"))
        }
        (Some(agent), false) => Ok(Which::One(agent.name())),
        (None, true) => Ok(Which::All),
        (None, false) => Ok(Which::Here),
    }
}

pub fn run(command: &Audit) -> Result<Exit, Failure> {
    let which = which(command.agent.as_ref(), command.all)?;
    let extra: Vec<PathBuf> = command.log.iter().map(|path| path.0.clone()).collect();
    if let Some(missing) = extra.iter().find(|path| !path.is_file()) {
        let error = missing.metadata().err().unwrap_or_else(|| io::ErrorKind::InvalidInput.into());
        return Err(Failure::file("cannot read the log", missing, &error));
    }
    let workspace = command.workspace.as_ref().map(|path| path.0.as_path());
    let review = review(which, workspace, &extra, true)?;
    let fail_on = command.fail_on.unwrap_or(FailOn(Some(Severity::High))).0;
    let worst = review.findings.iter().map(|finding| finding.severity).max();
    let failed = fail_on.is_some_and(|least| worst.is_some_and(|worst| worst >= least));
    let made = u64::try_from(crate::clock::now().as_micros()).unwrap_or(u64::MAX);
    let page = Page { review: &review, made, fail_on, failed };
    let file = command.out.as_ref().map(|path| path.0.as_path()).filter(|path| *path != Path::new("-"));
    let color = file.is_none() && command.color.unwrap_or_default().for_stdout();
    let write = |out: &mut dyn Write| match command.format {
        Format::Text => text::write(&page, color, term::width(), out),
        Format::Json => json::write(&page, out),
        Format::Html => html::write(&page, out),
    };
    match file {
        Some(path) => {
            write_atomic(path, write).map_err(|error| Failure::file("cannot write", path, &error))?
        }
        None => crate::cli::policy::out(|page| write(page))?,
    }
    Ok(if failed { Exit::Findings } else { Exit::Ok })
}
