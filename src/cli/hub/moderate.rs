//! `weft hub moderate`: reports, and what is hidden or banned.

use super::ask::{ask, list, word};
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::{Format, out};
use crate::json::Writer;
use crate::scan::report::visible::visible;
use argh::{ArgsInfo, FromArgs};
use std::io::Write;

/// Decide about reports; hide skills and ban accounts, or undo it
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "moderate", help_triggers("--help"))]
pub struct Moderate {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand)]
enum Command {
    List(List),
    Hide(Hide),
    Unhide(Unhide),
    Ban(Ban),
    Unban(Unban),
    Resolve(Resolve),
}

/// List open reports and appeals, and what is hidden
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

/// Hide a skill from everybody; its owner cannot undo that
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "hide",
    help_triggers("--help"),
    example = "{command_name} @mallory/helper --reason \"reads ssh keys\" --data ./hub"
)]
struct Hide {
    /// the hub's folder
    #[argh(option, arg_name = "DIR")]
    data: PathArg,
    /// why; its owner and the log are told
    #[argh(option, arg_name = "TEXT", default = "String::new()")]
    reason: String,
    /// the skill
    #[argh(positional, arg_name = "@OWNER/SLUG")]
    skill: String,
}

/// Show a hidden skill again
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "unhide",
    help_triggers("--help"),
    example = "{command_name} @alice/helper --data ./hub"
)]
struct Unhide {
    /// the hub's folder
    #[argh(option, arg_name = "DIR")]
    data: PathArg,
    /// the skill
    #[argh(positional, arg_name = "@OWNER/SLUG")]
    skill: String,
}

/// Ban an account: its tokens count no more
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "ban",
    help_triggers("--help"),
    example = "{command_name} mallory --reason malware --data ./hub",
    note = "Its skills stay: hide them one by one."
)]
struct Ban {
    /// the hub's folder
    #[argh(option, arg_name = "DIR")]
    data: PathArg,
    /// why; it and the log are told
    #[argh(option, arg_name = "TEXT", default = "String::new()")]
    reason: String,
    /// the account
    #[argh(positional, arg_name = "HANDLE")]
    handle: String,
}

/// Undo a ban
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "unban", help_triggers("--help"), example = "{command_name} alice --data ./hub")]
struct Unban {
    /// the hub's folder
    #[argh(option, arg_name = "DIR")]
    data: PathArg,
    /// the account
    #[argh(positional, arg_name = "HANDLE")]
    handle: String,
}

/// Close a report or an appeal
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "resolve",
    help_triggers("--help"),
    example = "{command_name} r42 dismissed --note \"a joke\" --data ./hub",
    note = "A report is confirmed or dismissed, an appeal accepted or rejected. Neither hides or shows a skill by itself."
)]
struct Resolve {
    /// the hub's folder
    #[argh(option, arg_name = "DIR")]
    data: PathArg,
    /// for other moderators
    #[argh(option, arg_name = "TEXT", default = "String::new()")]
    note: String,
    /// its id, as `weft hub moderate list` shows it
    #[argh(positional, arg_name = "ID")]
    id: String,
    /// confirmed, dismissed, accepted or rejected
    #[argh(positional, arg_name = "STATUS")]
    status: String,
}

pub fn run(moderate: &Moderate) -> Result<Exit, Failure> {
    let done = match &moderate.command {
        Command::List(command) => return reports(command),
        Command::Hide(command) => {
            ask(&command.data.0, "moderate hide", &mut |w| {
                w.field("skill", &command.skill)?;
                w.field("reason", &command.reason)
            })?;
            format!("hidden: {}", command.skill)
        }
        Command::Unhide(command) => {
            ask(&command.data.0, "moderate unhide", &mut |w| w.field("skill", &command.skill))?;
            format!("shown again: {}", command.skill)
        }
        Command::Ban(command) => {
            ask(&command.data.0, "moderate ban", &mut |w| {
                w.field("handle", &command.handle)?;
                w.field("reason", &command.reason)
            })?;
            format!("banned: @{}", command.handle)
        }
        Command::Unban(command) => {
            ask(&command.data.0, "moderate unban", &mut |w| w.field("handle", &command.handle))?;
            format!("no longer banned: @{}", command.handle)
        }
        Command::Resolve(command) => {
            ask(&command.data.0, "moderate resolve", &mut |w| {
                w.field("id", &command.id)?;
                w.field("status", &command.status)?;
                w.field("note", &command.note)
            })?;
            format!("{} is {}", command.id, command.status)
        }
    };
    out(|page| writeln!(page, "{}", visible(&done)))?;
    Ok(Exit::Ok)
}

fn reports(command: &List) -> Result<Exit, Failure> {
    let node = ask(&command.data.0, "moderate list", &mut |_| Ok(()))?;
    let (reports, hidden) = (list(&node, "reports"), list(&node, "hidden"));
    out(|page| match command.format {
        Format::Text if reports.is_empty() && hidden.is_empty() => {
            page.write_all(b"nothing to decide, nothing hidden\n")
        }
        Format::Text => {
            for report in reports {
                let (id, kind) = (word(report, "id"), word(report, "kind"));
                let (skill, by) = (visible(word(report, "skill")), visible(word(report, "by")));
                writeln!(page, "{id}  {kind}  @{skill}  by @{by}: {}", visible(word(report, "reason")))?;
            }
            hidden.iter().try_for_each(|one| {
                writeln!(page, "hidden  @{}: {}", visible(word(one, "skill")), visible(word(one, "reason")))
            })
        }
        Format::Json => {
            Writer::new(page).object_lines(|w| {
                w.field("schema", "weft.hub-moderation/1")?;
                w.key("reports")?.array_lines(|w| reports.iter().try_for_each(|one| w.node(one, false)))?;
                w.key("hidden")?.array_lines(|w| hidden.iter().try_for_each(|one| w.node(one, false)))
            })?;
            page.write_all(b"\n")
        }
    })?;
    Ok(Exit::Ok)
}
