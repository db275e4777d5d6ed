//! `weft skill list`: what is installed here. Looks at the locks; `verify` looks at the files.

use super::local::{Entry, entries, workspace};
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::{Format, out};
use crate::json::Writer;
use crate::scan::report::visible::{visible, width};
use argh::{ArgsInfo, FromArgs};
use std::io::{self, Write};

/// List the skills that are installed in a workspace
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "list",
    help_triggers("--help"),
    example = "{command_name}",
    example = "{command_name} --workspace ~/agent --format json",
    note = "What `clawhub` installed is listed too; weft has checked nothing of it."
)]
pub struct List {
    /// the folder with .clawhub and .weft in it; else $CLAWHUB_WORKDIR, else the current folder
    #[argh(option, arg_name = "DIR")]
    workspace: Option<PathArg>,
    /// the folder of the skills in the workspace (default: skills)
    #[argh(option, arg_name = "DIR")]
    dir: Option<PathArg>,
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
}

pub fn run(command: &List) -> Result<Exit, Failure> {
    let workspace = workspace(command.workspace.as_ref(), command.dir.as_ref())?;
    let entries = entries(&workspace)?;
    out(|page| match command.format {
        Format::Text => text(&entries, page),
        Format::Json => json(&entries, page),
    })?;
    Ok(Exit::Ok)
}

fn text(entries: &[Entry], page: &mut Vec<u8>) -> io::Result<()> {
    if entries.is_empty() {
        return page.write_all(b"no skills are installed here\n");
    }
    let widest = |of: &dyn Fn(&Entry) -> usize| entries.iter().map(of).max().unwrap_or(0).min(40);
    let (keys, versions) =
        (widest(&|entry| width(&visible(&entry.key))), widest(&|entry| width(&visible(entry.version()))));
    for entry in entries {
        let mut about = match &entry.hub {
            None => "not installed by weft".to_owned(),
            Some(hub) => {
                let signed = if hub.public_key.is_some() { "signed" } else { "unsigned" };
                format!("{signed}, scan: {}", hub.verdict)
            }
        };
        if let Some(hub) = entry.hub.as_ref().filter(|hub| !hub.accepted.is_empty()) {
            let ids: Vec<&str> = hub.accepted.iter().map(|accepted| accepted.id.as_str()).collect();
            about.push_str(&format!(", accepted: {}", ids.join(" ")));
        }
        if entry.is_pinned() {
            let why = entry.claw.as_ref().and_then(|claw| claw.pin_reason.as_deref());
            about.push_str(&why.map_or(", pinned".to_owned(), |why| format!(", pinned ({why})")));
        }
        let (key, version) = (visible(&entry.key), visible(entry.version()));
        let pad = |text: &str, to: usize| " ".repeat(to.saturating_sub(width(text)));
        writeln!(
            page,
            "{key}{}  {version}{}  {}",
            pad(&key, keys),
            pad(&version, versions),
            visible(&about)
        )?;
    }
    Ok(())
}

fn json(entries: &[Entry], page: &mut Vec<u8>) -> io::Result<()> {
    Writer::new(page).object_lines(|w| {
        w.field("schema", "weft.skills/1")?;
        w.key("skills")?.array_lines(|w| entries.iter().try_for_each(|entry| one(entry, w)))
    })?;
    page.write_all(b"\n")
}

fn one(entry: &Entry, w: &mut Writer) -> io::Result<()> {
    w.object(|w| {
        w.field("name", &entry.key)?;
        w.field("version", entry.version())?;
        w.key("pinned")?.boolean(entry.is_pinned())?;
        w.key("by_weft")?.boolean(entry.hub.is_some())?;
        let Some(hub) = &entry.hub else { return Ok(()) };
        w.field("registry", &hub.registry)?;
        if let Some(owner) = &hub.owner {
            w.field("owner", owner)?;
        }
        w.field("content_hash", &hub.content_hash.to_string())?;
        w.key("signed")?.boolean(hub.public_key.is_some())?;
        if let Some(key) = &hub.public_key {
            w.field("public_key", &key.to_string())?;
        }
        w.field("verdict", &hub.verdict)?;
        if let Some(moderation) = &hub.moderation {
            w.field("moderation", moderation)?;
        }
        w.key("accepted")?.array(|w| {
            hub.accepted.iter().try_for_each(|accepted| {
                w.object(|w| {
                    w.field("id", &accepted.id)?;
                    w.field("reason", &accepted.reason)
                })
            })
        })
    })
}
