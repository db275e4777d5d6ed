//! `weft skill star`, `unstar`, `comment`, `comments`, `report` and `withdraw`: what users tell a registry.

use super::common::{answer, day, hub, name};
use super::local::told;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::Format;
use crate::cli::print;
use crate::hub::Ref;
use crate::scan::report::visible::{visible, visible_lines};
use argh::{ArgsInfo, FromArgs};
use std::io::Write;

/// Give a skill a star
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "star", help_triggers("--help"))]
pub struct Star {
    /// the registry
    #[argh(option, arg_name = "URL")]
    registry: Option<String>,
    /// the skill: SLUG or @OWNER/SLUG
    #[argh(positional, arg_name = "NAME")]
    name: String,
}

/// Take a star back
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "unstar", help_triggers("--help"))]
pub struct Unstar {
    /// the registry
    #[argh(option, arg_name = "URL")]
    registry: Option<String>,
    /// the skill: SLUG or @OWNER/SLUG
    #[argh(positional, arg_name = "NAME")]
    name: String,
}

/// Write a comment on a skill, where the registry has comments
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "comment", help_triggers("--help"))]
pub struct Comment {
    /// the registry
    #[argh(option, arg_name = "URL")]
    registry: Option<String>,
    /// the skill: SLUG or @OWNER/SLUG
    #[argh(positional, arg_name = "NAME")]
    name: String,
    /// what to say
    #[argh(positional, arg_name = "TEXT")]
    text: String,
}

/// Read the comments on a skill
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "comments", help_triggers("--help"))]
pub struct Comments {
    /// the registry
    #[argh(option, arg_name = "URL")]
    registry: Option<String>,
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// the skill: SLUG or @OWNER/SLUG
    #[argh(positional, arg_name = "NAME")]
    name: String,
}

/// Tell the registry's moderators that a skill is malicious
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "report",
    help_triggers("--help"),
    example = "{command_name} @mallory/demo@1.0.1 --reason \"downloads and runs a program\""
)]
pub struct Report {
    /// what is wrong with it
    #[argh(option, arg_name = "TEXT")]
    reason: String,
    /// the registry
    #[argh(option, arg_name = "URL")]
    registry: Option<String>,
    /// the skill: SLUG or @OWNER/SLUG, with @VERSION for one version
    #[argh(positional, arg_name = "NAME")]
    name: String,
}

/// Take a skill of yours, or one version of it, away from the registry
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "withdraw",
    help_triggers("--help"),
    example = "{command_name} @alice/demo@1.0.1 --reason \"leaks a key\"",
    example = "{command_name} --undo @alice/demo"
)]
pub struct Withdraw {
    /// bring it back
    #[argh(switch)]
    undo: bool,
    /// why
    #[argh(option, arg_name = "TEXT", default = "String::new()")]
    reason: String,
    /// the registry
    #[argh(option, arg_name = "URL")]
    registry: Option<String>,
    /// the skill: SLUG or @OWNER/SLUG, with @VERSION for one version
    #[argh(positional, arg_name = "NAME")]
    name: String,
}

fn starred(text: &str, registry: Option<&str>, on: bool) -> Result<Exit, Failure> {
    let name = name(text)?;
    let changed = hub(registry, false)?.star(&name, on).map_err(told)?;
    let word = match (on, changed) {
        (true, true) => "starred",
        (true, false) => "had your star already",
        (false, true) => "no longer starred",
        (false, false) => "had no star of yours",
    };
    print(&format!("{name}: {word}\n"))
}

pub fn star(command: &Star) -> Result<Exit, Failure> {
    starred(&command.name, command.registry.as_deref(), true)
}

pub fn unstar(command: &Unstar) -> Result<Exit, Failure> {
    starred(&command.name, command.registry.as_deref(), false)
}

pub fn comment(command: &Comment) -> Result<Exit, Failure> {
    let name = name(&command.name)?;
    if command.text.trim().is_empty() {
        return Err(Failure::usage("nothing to say", "TEXT", "write the comment in quotes"));
    }
    hub(command.registry.as_deref(), false)?.comment(&name, &command.text).map_err(told)?;
    print(&format!("{name}: comment sent\n"))
}

pub fn comments(command: &Comments) -> Result<Exit, Failure> {
    let name = name(&command.name)?;
    let all = hub(command.registry.as_deref(), false)?.comments(&name).map_err(told)?;
    answer(
        command.format,
        |page| {
            all.iter().try_for_each(|one| {
                writeln!(page, "{} {}", visible(&one.author), day(one.created))?;
                visible_lines(&one.text).lines().try_for_each(|line| writeln!(page, "    {line}"))
            })
        },
        |w| {
            w.field("schema", "weft.skill.comments/1")?;
            w.key("comments")?.array_lines(|w| {
                all.iter().try_for_each(|one| {
                    w.object(|w| {
                        w.field("author", &one.author)?;
                        w.field("text", &one.text)?;
                        w.count("created", one.created)
                    })
                })
            })
        },
    )?;
    Ok(Exit::Ok)
}

pub fn report(command: &Report) -> Result<Exit, Failure> {
    let (name, version) = Ref::parse_with_version(&command.name).map_err(told)?;
    if command.reason.trim().is_empty() || command.reason.chars().count() > 500 {
        return Err(Failure::usage("bad value", "--reason", "say it in 1 to 500 characters"));
    }
    let hub = hub(command.registry.as_deref(), false)?;
    let before = hub.report(&name, version.as_deref(), &command.reason).map_err(told)?;
    print(&format!("{name}: {}\n", if before { "you had reported it before" } else { "reported" }))
}

pub fn withdraw(command: &Withdraw) -> Result<Exit, Failure> {
    let (name, version) = Ref::parse_with_version(&command.name).map_err(told)?;
    let hub = hub(command.registry.as_deref(), false)?;
    hub.withdraw(&name, version.as_deref(), &command.reason, command.undo).map_err(told)?;
    print(&format!("{}: {}\n", command.name, if command.undo { "back" } else { "withdrawn" }))
}
