//! `weft policy check`: mistakes and second thoughts, for people and for CI.

use super::{Format, out, places};
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::json::Writer;
use crate::policy::lint::{Finding, Level, lint};
use crate::policy::{Error, load};
use crate::scan::report::visible::visible;
use argh::{ArgsInfo, FromArgs};
use std::io::{self, Write};

/// Check policies: mistakes with line and column, and what is wider than it seems
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "check",
    help_triggers("--help"),
    example = "{command_name} weft.toml",
    example = "{command_name} --format json policies/*.toml",
    note = "Exit code 1: findings that are warnings or errors. Exit code 2: a policy that cannot be used. Notes fail nothing.",
    error_code(0, "nothing to object to"),
    error_code(1, "warnings, or a policy without effect"),
    error_code(2, "a policy is wrong")
)]
pub struct Check {
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// what ${WORKSPACE} stands for; the current folder if not given
    #[argh(option, arg_name = "DIR")]
    workspace: Option<PathArg>,
    /// a policy file, or the name of a built-in policy
    #[argh(positional, arg_name = "FILE")]
    files: Vec<String>,
}

struct Checked<'a> {
    name: &'a str,
    errors: Vec<Error>,
    findings: Vec<Finding>,
    notes: Vec<crate::policy::Note>,
}

pub fn run(command: &Check) -> Result<Exit, Failure> {
    if command.files.is_empty() {
        return Err(Failure::usage("nothing to check", "", "name a policy file, such as weft.toml"));
    }
    let places = places(command.workspace.as_ref().map(|path| path.0.as_path()))?;
    let checked: Vec<Checked> = command
        .files
        .iter()
        .map(|name| match load(name, &places) {
            Ok(policy) => Checked { name, errors: Vec::new(), findings: lint(&policy), notes: policy.notes },
            Err(errors) => Checked {
                name,
                errors: errors.iter().cloned().collect(),
                findings: Vec::new(),
                notes: Vec::new(),
            },
        })
        .collect();
    out(|page| match command.format {
        Format::Text => text(&checked, page),
        Format::Json => json(&checked, page),
    })?;
    let warned =
        |checked: &Checked| checked.findings.iter().any(|finding| finding.lint.level >= Level::Warning);
    Ok(if checked.iter().any(|checked| !checked.errors.is_empty()) {
        Exit::Usage
    } else if checked.iter().any(warned) {
        Exit::Findings
    } else {
        Exit::Ok
    })
}

fn text(all: &[Checked], page: &mut Vec<u8>) -> io::Result<()> {
    for checked in all {
        for error in &checked.errors {
            writeln!(page, "error    {}", visible(&error.to_string()))?;
        }
        for Finding { lint, origin, message } in &checked.findings {
            let line = format!(
                "{:<8} {origin}: {message}: {} ({} {})",
                lint.level.as_str(),
                lint.fix,
                lint.id,
                lint.name
            );
            writeln!(page, "{}", visible(&line))?;
        }
        for note in &checked.notes {
            writeln!(page, "note     {}", visible(&format!("{}: {}", note.origin, note.text)))?;
        }
        let count = |level| checked.findings.iter().filter(|finding| finding.lint.level == level).count();
        let notes = count(Level::Note) + checked.notes.len();
        let errors = count(Level::Error) + checked.errors.len();
        let name = visible(checked.name);
        writeln!(page, "{name}: {errors} errors, {} warnings, {notes} notes", count(Level::Warning))?;
    }
    Ok(())
}

fn json(all: &[Checked], page: &mut Vec<u8>) -> io::Result<()> {
    let mut w = Writer::new(page);
    w.object_lines(|w| {
        w.field("schema", "weft.policy-check/1")?;
        w.key("files")?.array_lines(|w| {
            all.iter().try_for_each(|checked| {
                w.object_lines(|w| {
                    w.field("name", checked.name)?;
                    w.key("errors")?
                        .array_lines(|w| checked.errors.iter().try_for_each(|error| json_error(w, error)))?;
                    w.key("findings")?.array_lines(|w| {
                        checked.findings.iter().try_for_each(|finding| json_finding(w, finding))
                    })?;
                    w.key("notes")?.array_lines(|w| {
                        checked.notes.iter().try_for_each(|note| {
                            w.object(|w| {
                                w.field("file", &note.origin.file)?;
                                w.count("line", note.origin.line.into())?;
                                w.field("key", note.origin.key)?;
                                w.field("message", &note.text)
                            })
                        })
                    })
                })
            })
        })
    })?;
    page.write_all(b"\n")
}

fn json_error(w: &mut Writer, error: &Error) -> io::Result<()> {
    w.object(|w| {
        w.field("file", &error.file)?;
        w.count("line", error.line.into())?;
        w.count("column", error.column.into())?;
        w.field("message", &error.message)?;
        w.field("help", &error.help)
    })
}

fn json_finding(w: &mut Writer, finding: &Finding) -> io::Result<()> {
    w.object(|w| {
        w.field("id", finding.lint.id)?;
        w.field("name", finding.lint.name)?;
        w.field("level", finding.lint.level.as_str())?;
        w.field("file", &finding.origin.file)?;
        w.count("line", finding.origin.line.into())?;
        w.field("key", finding.origin.key)?;
        w.field("message", &finding.message)?;
        w.field("fix", finding.lint.fix)
    })
}
