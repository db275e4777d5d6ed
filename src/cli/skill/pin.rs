//! `weft skill pin` and `unpin`: a version that stays, for weft and for the real CLI.

use super::local::{find, told, workspace};
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::print;
use argh::{ArgsInfo, FromArgs};

/// Keep a skill at the version it has: no update or install replaces it
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "pin",
    help_triggers("--help"),
    example = "{command_name} weather --reason 'the next one wants a new key'",
    note = "The pin is in .clawhub/lock.json, where the clawhub program obeys it too."
)]
pub struct Pin {
    /// why, for whoever wonders later
    #[argh(option, arg_name = "TEXT")]
    reason: Option<String>,
    /// the folder with .clawhub and .weft in it; else $CLAWHUB_WORKDIR, else the current folder
    #[argh(option, arg_name = "DIR")]
    workspace: Option<PathArg>,
    /// the skill
    #[argh(positional, arg_name = "NAME")]
    name: String,
}

/// Let a pinned skill be updated again
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "unpin", help_triggers("--help"), example = "{command_name} weather")]
pub struct Unpin {
    /// the folder with .clawhub and .weft in it; else $CLAWHUB_WORKDIR, else the current folder
    #[argh(option, arg_name = "DIR")]
    workspace: Option<PathArg>,
    /// the skill
    #[argh(positional, arg_name = "NAME")]
    name: String,
}

pub fn pin(command: &Pin) -> Result<Exit, Failure> {
    set(command.workspace.as_ref(), &command.name, true, command.reason.as_deref())
}

pub fn unpin(command: &Unpin) -> Result<Exit, Failure> {
    set(command.workspace.as_ref(), &command.name, false, None)
}

fn set(given: Option<&PathArg>, name: &str, pinned: bool, reason: Option<&str>) -> Result<Exit, Failure> {
    let workspace = workspace(given, None)?;
    let locked = workspace.lock().map_err(told)?;
    let entry = find(&workspace, name)?;
    if !locked.pin(&entry.key, pinned, reason).map_err(told)? {
        let fix = "install it again: .clawhub/lock.json does not know it";
        return Err(Failure::usage("no entry to pin", entry.key, fix));
    }
    let (key, version) = (&entry.key, entry.version());
    print(&match pinned {
        true => format!("{key} stays at {version}\n"),
        false => format!("{key} may be updated\n"),
    })
}
