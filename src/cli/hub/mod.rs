//! `weft hub`: a registry of one's own, from its making to its backups. Decides nothing: the rooms below `hub::server` do.

mod init;
mod serve;
mod settings;

use super::error::{Exit, Failure};
use super::skill::told;
use argh::{ArgsInfo, FromArgs};

/// Run a registry of your own
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "hub", help_triggers("--help"))]
pub struct Hub {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand)]
enum Command {
    Init(init::Init),
    Serve(serve::Serve),
}

pub fn run(hub: Hub) -> Result<Exit, Failure> {
    match hub.command {
        Command::Init(command) => init::run(&command),
        Command::Serve(command) => serve::run(command),
    }
}
