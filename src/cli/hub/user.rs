//! `weft hub user`: the accounts of a hub.

use super::ask::{ask, list, word};
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::{Format, out};
use crate::json::{Node, Writer};
use crate::scan::report::visible::visible;
use argh::{ArgsInfo, FromArgs};
use std::io::Write;

/// Add accounts to a hub, list them, and say what they may do
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "user", help_triggers("--help"))]
pub struct User {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand)]
enum Command {
    Add(Add),
    List(List),
    Role(Role),
    KeyReset(KeyReset),
}

/// Add an account
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "add",
    help_triggers("--help"),
    example = "{command_name} alice --data ./hub",
    example = "{command_name} erna --role moderator --name \"Erna B.\" --data ./hub",
    note = "An account publishes in its own name and logs in with tokens: `weft hub token add`. Works while the hub is serving."
)]
struct Add {
    /// the hub's folder
    #[argh(option, arg_name = "DIR")]
    data: PathArg,
    /// user, moderator or admin (default: user)
    #[argh(option, arg_name = "ROLE", default = "String::from(\"user\")")]
    role: String,
    /// the name that is shown (default: the handle)
    #[argh(option, arg_name = "NAME")]
    name: Option<String>,
    /// what it is called in addresses: lower-case letters, digits, dots and hyphens
    #[argh(positional, arg_name = "HANDLE")]
    handle: String,
}

/// List the accounts
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "list", help_triggers("--help"), example = "{command_name} --data ./hub")]
struct List {
    /// the hub's folder
    #[argh(option, arg_name = "DIR")]
    data: PathArg,
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
}

/// Say what an account may do
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "role",
    help_triggers("--help"),
    example = "{command_name} alice moderator --data ./hub"
)]
struct Role {
    /// the hub's folder
    #[argh(option, arg_name = "DIR")]
    data: PathArg,
    /// the account
    #[argh(positional, arg_name = "HANDLE")]
    handle: String,
    /// user, moderator or admin
    #[argh(positional, arg_name = "ROLE")]
    role: String,
}

/// Forget the key that an account signs with: the next signed version pins another
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "key-reset",
    help_triggers("--help"),
    example = "{command_name} alice --data ./hub",
    note = "For a key that is lost. One that is still there is replaced with `weft skill key rotate`, which users of the skills can follow; after a reset they must accept the new key by hand."
)]
struct KeyReset {
    /// the hub's folder
    #[argh(option, arg_name = "DIR")]
    data: PathArg,
    /// the account
    #[argh(positional, arg_name = "HANDLE")]
    handle: String,
}

pub fn run(user: &User) -> Result<Exit, Failure> {
    match &user.command {
        Command::Add(add) => {
            ask(&add.data.0, "user add", &mut |w| {
                w.field("handle", &add.handle)?;
                w.field("role", &add.role)?;
                add.name.as_ref().map_or(Ok(()), |name| w.field("name", name))
            })?;
            let next = "a token for it: weft hub token add";
            out(|page| writeln!(page, "added @{}; {next} {}", visible(&add.handle), visible(&add.handle)))?;
        }
        Command::List(command) => return users(command),
        Command::Role(command) => {
            ask(&command.data.0, "user role", &mut |w| {
                w.field("handle", &command.handle)?;
                w.field("role", &command.role)
            })?;
            out(|page| writeln!(page, "@{} is {} now", visible(&command.handle), visible(&command.role)))?;
        }
        Command::KeyReset(command) => {
            ask(&command.data.0, "user key-reset", &mut |w| w.field("handle", &command.handle))?;
            out(|page| {
                writeln!(page, "the next signed version of @{} pins its key", visible(&command.handle))
            })?;
        }
    }
    Ok(Exit::Ok)
}

fn users(command: &List) -> Result<Exit, Failure> {
    let node = ask(&command.data.0, "user list", &mut |_| Ok(()))?;
    let users = list(&node, "users");
    out(|page| match command.format {
        Format::Text if users.is_empty() => page.write_all(b"no accounts yet: weft hub user add HANDLE\n"),
        Format::Text => users.iter().try_for_each(|user| {
            let banned =
                user.get("banned").and_then(Node::as_str).map(|why| format!("  banned: {}", visible(why)));
            let skills = user.get("skills").and_then(Node::as_u64).unwrap_or(0);
            writeln!(
                page,
                "@{}  {}  {skills} skills{}",
                visible(word(user, "handle")),
                word(user, "role"),
                banned.unwrap_or_default()
            )
        }),
        Format::Json => {
            Writer::new(page).object_lines(|w| {
                w.field("schema", "weft.hub-users/1")?;
                w.key("users")?.array_lines(|w| users.iter().try_for_each(|user| w.node(user, false)))
            })?;
            page.write_all(b"\n")
        }
    })?;
    Ok(Exit::Ok)
}
