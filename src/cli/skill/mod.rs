//! `weft skill`: what is installed, whom to trust, the user's own keys; and, by a registry, everything else about skills.

mod account;
mod audit;
mod common;
mod info;
mod install;
mod key;
mod list;
mod local;
mod pin;
mod publish;
mod remove;
mod resolve;
mod run;
mod search;
mod social;
mod trust;
mod update;
mod verify;

use super::error::{Exit, Failure};
use argh::{ArgsInfo, FromArgs};
#[cfg(feature = "review")]
pub(super) use audit::{Remark, here};
#[cfg(feature = "server")]
pub(super) use common::{Download, name};
#[cfg(feature = "review")]
pub(super) use local::told;

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
    Search(search::Search),
    Info(info::Info),
    Versions(info::Versions),
    Install(install::Install),
    Resolve(resolve::Resolve),
    Update(update::Update),
    List(list::List),
    Verify(verify::Verify),
    Audit(audit::Audit),
    Remove(remove::Remove),
    Pin(pin::Pin),
    Unpin(pin::Unpin),
    Run(run::Run),
    Keygen(key::Keygen),
    Key(key::Key),
    Trust(trust::Trust),
    Publish(publish::Publish),
    Withdraw(social::Withdraw),
    Star(social::Star),
    Unstar(social::Unstar),
    Comment(social::Comment),
    Comments(social::Comments),
    Report(social::Report),
    Login(account::Login),
    Logout(account::Logout),
    Whoami(account::Whoami),
}

pub fn run(skill: Skill) -> Result<Exit, Failure> {
    match skill.command {
        Command::Search(command) => search::run(&command),
        Command::Info(command) => info::run(&command),
        Command::Versions(command) => info::versions(&command),
        Command::Install(command) => install::run(&command),
        Command::Resolve(command) => resolve::run(&command),
        Command::Update(command) => update::run(&command),
        Command::List(command) => list::run(&command),
        Command::Verify(command) => verify::run(&command),
        Command::Audit(command) => audit::run(&command),
        Command::Remove(command) => remove::run(&command),
        Command::Pin(command) => pin::pin(&command),
        Command::Unpin(command) => pin::unpin(&command),
        Command::Run(command) => run::run(&command),
        Command::Keygen(command) => key::generate(&command),
        Command::Key(command) => key::run(command),
        Command::Trust(command) => trust::run(command),
        Command::Publish(command) => publish::run(&command),
        Command::Withdraw(command) => social::withdraw(&command),
        Command::Star(command) => social::star(&command),
        Command::Unstar(command) => social::unstar(&command),
        Command::Comment(command) => social::comment(&command),
        Command::Comments(command) => social::comments(&command),
        Command::Report(command) => social::report(&command),
        Command::Login(command) => account::login(&command),
        Command::Logout(command) => account::logout(&command),
        Command::Whoami(command) => account::whoami(&command),
    }
}
