//! `weft policy check`: mistakes and second thoughts, for people and for CI.

use super::{Format, out, places};
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::policy::lint::{Finding, Level};
use crate::policy::load;
use crate::policy::report::{self, Checked};
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

pub fn run(command: &Check) -> Result<Exit, Failure> {
    if command.files.is_empty() {
        return Err(Failure::usage("nothing to check", "", "name a policy file, such as weft.toml"));
    }
    let places = places(command.workspace.as_ref().map(|path| path.0.as_path()))?;
    let checked: Vec<Checked> =
        command.files.iter().map(|name| Checked::new(name, load(name, &places))).collect();
    out(|page| match command.format {
        Format::Text => text(&checked, page),
        Format::Json => report::checked(&checked, page),
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
        for Finding { lint, origin, message, .. } in &checked.findings {
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
