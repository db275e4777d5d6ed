//! `weft skill`: what is installed, whom to trust, the user's own keys; and, by a registry, everything else about skills.

mod key;
mod list;
mod local;
mod pin;
mod remove;
mod run;
mod trust;
mod verify;

use super::error::{Exit, Failure};
use argh::{ArgsInfo, FromArgs};

/// Get, check, install and publish skills
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "skill", help_triggers("--help"))]
pub struct Skill {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand)]
#[allow(clippy::large_enum_variant)] // One exists, once; argh cannot look through a box.
enum Command {
    List(list::List),
    Verify(verify::Verify),
    Remove(remove::Remove),
    Pin(pin::Pin),
    Unpin(pin::Unpin),
    Run(run::Run),
    Keygen(key::Keygen),
    Key(key::Key),
    Trust(trust::Trust),
}

pub fn run(skill: Skill) -> Result<Exit, Failure> {
    match skill.command {
        Command::List(command) => list::run(&command),
        Command::Verify(command) => verify::run(&command),
        Command::Remove(command) => remove::run(&command),
        Command::Pin(command) => pin::pin(&command),
        Command::Unpin(command) => pin::unpin(&command),
        Command::Run(command) => run::run(&command),
        Command::Keygen(command) => key::generate(&command),
        Command::Key(command) => key::run(command),
        Command::Trust(command) => trust::run(command),
    }
}
