//! `weft hub token`: what programs show to a hub to be known by it.

use super::ask::{ask, list, word};
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::{Format, out};
use crate::cli::term::say;
use crate::json::{Node, Writer};
use crate::scan::report::visible::visible;
use argh::{ArgsInfo, FromArgs};
use std::io::Write;

/// Make tokens for accounts of a hub, list and revoke them
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "token", help_triggers("--help"))]
pub struct Token {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand)]
enum Command {
    Add(Add),
    List(List),
    Revoke(Revoke),
}

/// Make a token and print it, once: the hub keeps its hash only
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "add",
    help_triggers("--help"),
    example = "{command_name} alice --data ./hub",
    example = "{command_name} alice --label ci --days 90 --data ./hub",
    example = "{command_name} alice --allow-unsigned --data ./hub",
    note = "The clawhub program cannot sign: what it publishes needs a token with --allow-unsigned, and is marked as unsigned. A login by code (`clawhub login`) gets a token that may do what the one may that approves it."
)]
struct Add {
    /// the hub's folder
    #[argh(option, arg_name = "DIR")]
    data: PathArg,
    /// what it is for
    #[argh(option, arg_name = "TEXT", default = "String::new()")]
    label: String,
    /// may publish without a signature
    #[argh(switch)]
    allow_unsigned: bool,
    /// good for so many days (default: until it is revoked)
    #[argh(option, arg_name = "DAYS", default = "0")]
    days: u32,
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// whose it is
    #[argh(positional, arg_name = "HANDLE")]
    handle: String,
}

/// List tokens, without what is secret of them
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "list", help_triggers("--help"), example = "{command_name} --data ./hub")]
struct List {
    /// the hub's folder
    #[argh(option, arg_name = "DIR")]
    data: PathArg,
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// those of one account
    #[argh(positional, arg_name = "HANDLE")]
    handle: Option<String>,
}

/// Revoke a token: it is good for nothing from then on
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "revoke",
    help_triggers("--help"),
    example = "{command_name} 3f9a0c71b2de --data ./hub"
)]
struct Revoke {
    /// the hub's folder
    #[argh(option, arg_name = "DIR")]
    data: PathArg,
    /// its id, as `weft hub token list` shows it
    #[argh(positional, arg_name = "ID")]
    id: String,
}

pub fn run(token: &Token) -> Result<Exit, Failure> {
    match &token.command {
        Command::Add(command) => {
            let node = ask(&command.data.0, "token add", &mut |w| {
                w.field("handle", &command.handle)?;
                w.field("label", &command.label)?;
                w.key("allow_unsigned")?.boolean(command.allow_unsigned)?;
                w.count("days", command.days.into())
            })?;
            let (id, text) = (word(&node, "id"), word(&node, "token"));
            out(|page| match command.format {
                Format::Text => writeln!(page, "{text}"),
                Format::Json => {
                    Writer::new(page).object_lines(|w| {
                        w.field("schema", "weft.hub-token/1")?;
                        w.field("id", id)?;
                        w.field("token", text)
                    })?;
                    page.write_all(b"\n")
                }
            })?;
            say(&format!("token {id} of @{}: it is shown this once", visible(&command.handle)));
        }
        Command::List(command) => return tokens(command),
        Command::Revoke(command) => {
            ask(&command.data.0, "token revoke", &mut |w| w.field("id", &command.id))?;
            out(|page| writeln!(page, "revoked {}", visible(&command.id)))?;
        }
    }
    Ok(Exit::Ok)
}

fn tokens(command: &List) -> Result<Exit, Failure> {
    let node = ask(&command.data.0, "token list", &mut |w| {
        command.handle.as_ref().map_or(Ok(()), |handle| w.field("handle", handle))
    })?;
    let tokens = list(&node, "tokens");
    out(|page| match command.format {
        Format::Text if tokens.is_empty() => page.write_all(b"no tokens: weft hub token add HANDLE\n"),
        Format::Text => tokens.iter().try_for_each(|token| {
            let unsigned = token.get("allow_unsigned").and_then(Node::as_bool) == Some(true);
            writeln!(
                page,
                "{}  @{}  {}…{}  {}",
                word(token, "id"),
                visible(word(token, "handle")),
                visible(word(token, "start")),
                if unsigned { "  allow-unsigned" } else { "" },
                visible(word(token, "label"))
            )
        }),
        Format::Json => {
            Writer::new(page).object_lines(|w| {
                w.field("schema", "weft.hub-tokens/1")?;
                w.key("tokens")?.array_lines(|w| tokens.iter().try_for_each(|token| w.node(token, false)))
            })?;
            page.write_all(b"\n")
        }
    })?;
    Ok(Exit::Ok)
}
