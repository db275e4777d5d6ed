//! `weft hub import`: skills from folders and packages, through every check that a publication goes through.

use super::ask::{ask, word};
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::out;
use crate::cli::term::say;
use crate::json::Node;
use crate::scan::report::visible::visible;
use argh::{ArgsInfo, FromArgs};
use std::io::Write;

/// Take skills from folders and zips into a hub
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "import",
    help_triggers("--help"),
    example = "{command_name} --owner alice --data ./hub ./skills/*",
    example = "{command_name} --owner alice --data ./hub demo-1.0.0.zip",
    note = "Each is scanned and checked as if it were published; what is refused is told and the others go on. They are unsigned: only their author can sign them. Works while the hub is serving, which must be able to read the paths.",
    error_code(0, "all are in"),
    error_code(1, "some were refused")
)]
pub struct Import {
    /// the hub's folder
    #[argh(option, arg_name = "DIR")]
    data: PathArg,
    /// in whose name
    #[argh(option, arg_name = "HANDLE")]
    owner: String,
    /// the version (default: that in SKILL.md, else 1.0.0)
    #[argh(option, arg_name = "VERSION")]
    version: Option<String>,
    /// folders and zips, a skill each
    #[argh(positional, arg_name = "PATH")]
    paths: Vec<PathArg>,
}

pub fn run(command: &Import) -> Result<Exit, Failure> {
    if command.paths.is_empty() {
        return Err(Failure::usage("nothing to import", "", "name folders or zips with a SKILL.md in them"));
    }
    let mut exit = Exit::Ok;
    for PathArg(path) in &command.paths {
        let shown = path.to_string_lossy();
        // The hub that serves may stand in another folder.
        let full = std::path::absolute(path).map_err(|error| Failure::file("cannot find", path, &error))?;
        let Some(full) = full.to_str() else {
            return Err(Failure::usage("the path is not UTF-8", shown, "rename it"));
        };
        let done = ask(&command.data.0, "import", &mut |w| {
            w.field("path", full)?;
            w.field("owner", &command.owner)?;
            command.version.as_ref().map_or(Ok(()), |version| w.field("version", version))
        });
        match done {
            Ok(node) => {
                let warnings = match node.get("warnings").and_then(Node::as_u64).unwrap_or(0) {
                    0 => String::new(),
                    count => format!(" ({count} findings of medium severity)"),
                };
                let (name, version) = (visible(word(&node, "name")), visible(word(&node, "version")));
                out(|page| writeln!(page, "imported @{name} {version}{warnings}"))?;
            }
            Err(failure) => {
                say(&format!("{}: {}", visible(&shown), failure));
                exit = Exit::Findings;
            }
        }
    }
    Ok(exit)
}
