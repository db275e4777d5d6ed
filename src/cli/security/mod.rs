//! `weft security`: scan, what the scanner knows, and what is weak about the agents of this machine.

#[cfg(feature = "review")]
mod audit;
mod checks;
mod explain;
mod filter;
#[cfg(feature = "review")]
mod harden;
#[cfg(feature = "review")]
mod review;
mod scan;

use super::error::{Exit, Failure};
use argh::{ArgsInfo, FromArgs};

/// Scan skills for attacks, leaks and mistakes; audit agents
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "security", help_triggers("--help"))]
pub struct Security {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand)]
#[allow(clippy::large_enum_variant)] // One exists, once; argh cannot look through a box.
enum Command {
    Scan(scan::Scan),
    #[cfg(feature = "review")]
    Audit(audit::Audit),
    #[cfg(feature = "review")]
    Harden(harden::Harden),
    Checks(checks::Checks),
    Explain(explain::Explain),
}

pub fn run(security: Security) -> Result<Exit, Failure> {
    match security.command {
        Command::Scan(command) => scan::run(command),
        #[cfg(feature = "review")]
        Command::Audit(command) => audit::run(&command),
        #[cfg(feature = "review")]
        Command::Harden(command) => harden::run(&command),
        Command::Checks(command) => checks::run(&command),
        Command::Explain(command) => explain::run(&command),
    }
}
