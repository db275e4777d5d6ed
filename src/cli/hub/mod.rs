//! `weft hub`: a registry of one's own, from its making to its backups. Decides nothing: the rooms below `hub::server` do.

mod ask;
mod backup;
mod export;
mod import;
mod init;
mod mirror;
mod moderate;
mod replicate;
mod serve;
mod settings;
mod token;
mod user;
mod verify;

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
    User(user::User),
    Token(token::Token),
    Moderate(moderate::Moderate),
    Import(import::Import),
    Mirror(mirror::Mirror),
    Verify(verify::Verify),
    Backup(backup::Backup),
    Restore(backup::Restore),
    Export(export::Export),
    Replicate(replicate::Replicate),
}

pub fn run(hub: Hub) -> Result<Exit, Failure> {
    match hub.command {
        Command::Init(command) => init::run(&command),
        Command::Serve(command) => serve::run(command),
        Command::User(command) => user::run(&command),
        Command::Token(command) => token::run(&command),
        Command::Moderate(command) => moderate::run(&command),
        Command::Import(command) => import::run(&command),
        Command::Mirror(command) => mirror::run(&command),
        Command::Verify(command) => verify::run(&command),
        Command::Backup(command) => backup::run(&command),
        Command::Restore(command) => backup::run_restore(&command),
        Command::Export(command) => export::run(&command),
        Command::Replicate(command) => replicate::run(&command),
    }
}
