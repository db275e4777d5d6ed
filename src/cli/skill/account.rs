//! `weft skill login`, `logout` and `whoami`: the token, in the file that the `clawhub` program keeps too.

use super::common::hub;
use super::local::told;
use crate::cli::error::{Exit, Failure};
use crate::cli::print;
use crate::cli::term::say;
use crate::hub::config::{self, Config};
use crate::scan::report::visible::visible;
use crate::words::reason;
use argh::{ArgsInfo, FromArgs};
use std::io::{self, Read};

/// Become known to a registry
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "login",
    help_triggers("--help"),
    example = "{command_name}                                confirm a code in the browser",
    example = "{command_name} --token - < token              a token from the registry's settings",
    note = "The token is stored where the clawhub program stores it, for one registry, readable by you alone. It is sent to that registry and no other."
)]
pub struct Login {
    /// a token; - reads it from standard input, which keeps it out of the shell's history
    #[argh(option, arg_name = "TOKEN")]
    token: Option<String>,
    /// the registry
    #[argh(option, arg_name = "URL")]
    registry: Option<String>,
}

/// Forget the token on this machine
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "logout",
    help_triggers("--help"),
    note = "The registry still takes the token from who has it: revoke it in the registry's settings if it may be known."
)]
pub struct Logout {}

/// Show who the registry says you are
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "whoami", help_triggers("--help"))]
pub struct Whoami {
    /// the registry
    #[argh(option, arg_name = "URL")]
    registry: Option<String>,
}

pub fn login(command: &Login) -> Result<Exit, Failure> {
    let mut hub = hub(command.registry.as_deref(), false)?;
    let token = match command.token.as_deref() {
        Some("\u{10ff2d}" | "-") => {
            let mut token = String::new();
            io::stdin().lock().take(8192).read_to_string(&mut token).map_err(|error| {
                Failure::usage(format!("cannot read: {}", reason(&error)), "standard input", "")
            })?;
            token.trim().to_owned()
        }
        Some(token) => token.to_owned(),
        None => {
            let device = hub.start_login().map_err(told)?;
            say(&format!("open {} and enter {}", device.address, device.code));
            hub.wait_for_login(&device).map_err(told)?
        }
    };
    let handle = hub.login(&token).map_err(told)?;
    let who = handle.map_or("logged in".to_owned(), |handle| format!("logged in as {handle}"));
    print(&format!("{who} at {}\n", visible(&hub.registry)))
}

pub fn logout(_: &Logout) -> Result<Exit, Failure> {
    let mut config = config::path().and_then(Config::read).map_err(told)?;
    let had = config.token.take().is_some();
    if had {
        config.write().map_err(told)?;
    }
    print(if had { "logged out\n" } else { "was not logged in\n" })
}

pub fn whoami(command: &Whoami) -> Result<Exit, Failure> {
    let hub = hub(command.registry.as_deref(), false)?;
    let handle = hub.whoami().map_err(told)?;
    print(&format!("{}\n", handle.as_deref().unwrap_or("(no handle)")))
}
