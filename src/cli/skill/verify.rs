//! `weft skill verify`: are the files on disk those that were installed? Asks no registry: that is `audit`'s.

use super::local::{Entry, entries, find, told, workspace};
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::{Format, out};
use crate::json::{self, Node, Writer};
use crate::scan::report::visible::visible;
use crate::skill::collect::{self, RECORDS, Rule};
use crate::skill::store::{Drift, Workspace};
use crate::skill::tree;
use argh::{ArgsInfo, FromArgs};
use std::fs::File;
use std::io::{self, Read, Write};

/// Check that installed skills are what was installed, byte by byte
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "verify",
    help_triggers("--help"),
    example = "{command_name}                    every skill of this workspace",
    example = "{command_name} weather            one skill",
    note = "The hash covers every file of the skill, hidden ones too. What `clawhub` installed is compared with the fingerprint in its own record, which leaves hidden files out.",
    error_code(0, "every file is as it was installed"),
    error_code(1, "something was changed, added or removed"),
    error_code(2, "there is no such skill, or a lock file cannot be read")
)]
pub struct Verify {
    /// every skill, which is also meant where none is named
    #[argh(switch)]
    all: bool,
    /// the folder with .clawhub and .weft in it; else $CLAWHUB_WORKDIR, else the current folder
    #[argh(option, arg_name = "DIR")]
    workspace: Option<PathArg>,
    /// the folder of the skills in the workspace (default: skills)
    #[argh(option, arg_name = "DIR")]
    dir: Option<PathArg>,
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// skills; all if none is named
    #[argh(positional, arg_name = "NAME")]
    names: Vec<String>,
}

/// What the look at one skill gave.
struct Looked {
    entry: Entry,
    drift: Drift,
    /// Why it cannot be told, or what is in the way.
    fault: Option<String>,
}

pub fn run(command: &Verify) -> Result<Exit, Failure> {
    let workspace = workspace(command.workspace.as_ref(), command.dir.as_ref())?;
    if command.all && !command.names.is_empty() {
        return Err(Failure::usage("contradicting options", "--all with names", "leave one out"));
    }
    let chosen = match command.names.is_empty() {
        true => entries(&workspace)?,
        false => command.names.iter().map(|name| find(&workspace, name)).collect::<Result<Vec<_>, _>>()?,
    };
    let mut looked = Vec::new();
    for entry in chosen {
        let (drift, fault) = match look(&workspace, &entry) {
            Ok(drift) => (drift, None),
            Err(failure) => (Drift::Unknown, Some(failure.what)),
        };
        looked.push(Looked { entry, drift, fault });
    }
    let holds = looked.iter().all(|one| one.drift == Drift::None && one.fault.is_none());
    out(|page| match command.format {
        Format::Text => looked.iter().try_for_each(|one| text(one, page)),
        Format::Json => {
            Writer::new(page).object_lines(|w| {
                w.field("schema", "weft.skill-verify/1")?;
                w.key("holds")?.boolean(holds)?;
                w.key("skills")?.array_lines(|w| looked.iter().try_for_each(|one| json(one, w)))
            })?;
            page.write_all(b"\n")
        }
    })?;
    Ok(if holds { Exit::Ok } else { Exit::Findings })
}

fn look(workspace: &Workspace, entry: &Entry) -> Result<Drift, Failure> {
    if let Some(hub) = &entry.hub {
        return workspace.drift(&entry.key, &hub.content_hash).map_err(told);
    }
    let target = workspace.target(&entry.key);
    if !target.is_dir() {
        return Ok(Drift::Gone);
    }
    let mut text = String::new();
    let origin = target.join(RECORDS).join("origin.json");
    let read = File::open(&origin).and_then(|file| file.take(1 << 20).read_to_string(&mut text));
    let root = read.ok().and_then(|_| json::parse(&text).ok());
    let recorded = root.as_ref().and_then(|root| root.get("fingerprint")).and_then(Node::as_str);
    let Some(recorded) = recorded else {
        return Err(Failure::usage(
            "its record has no fingerprint",
            entry.key.clone(),
            "install it with weft",
        ));
    };
    let here = collect::hashes(&target, Rule::Local).map_err(told)?;
    Ok(if tree::fingerprint(&here).to_string() == recorded { Drift::None } else { Drift::Unknown })
}

fn text(one: &Looked, page: &mut Vec<u8>) -> io::Result<()> {
    let name = format!("{} {}", visible(&one.entry.key), visible(one.entry.version()));
    if let Some(fault) = &one.fault {
        return writeln!(page, "{name}: {}", visible(fault));
    }
    match &one.drift {
        Drift::None if one.entry.hub.is_some() => writeln!(page, "{name}: holds"),
        Drift::None => writeln!(page, "{name}: holds by the record of clawhub; not installed by weft"),
        Drift::Files { changed, missing, added } => {
            writeln!(page, "{name}: CHANGED")?;
            for (word, list) in [("changed", changed), ("missing", missing), ("added", added)] {
                for path in list {
                    writeln!(page, "  {word}  {}", visible(path))?;
                }
            }
            Ok(())
        }
        drift => writeln!(page, "{name}: CHANGED: {}", drift.summary()),
    }
}

fn json(one: &Looked, w: &mut Writer) -> io::Result<()> {
    w.object(|w| {
        w.field("name", &one.entry.key)?;
        w.field("version", one.entry.version())?;
        w.key("by_weft")?.boolean(one.entry.hub.is_some())?;
        w.key("holds")?.boolean(one.drift == Drift::None && one.fault.is_none())?;
        if let Some(fault) = &one.fault {
            w.field("error", fault)?;
        }
        if let Drift::Files { changed, missing, added } = &one.drift {
            for (key, list) in [("changed", changed), ("missing", missing), ("added", added)] {
                w.strings(key, list.iter().map(String::as_str))?;
            }
        }
        w.key("gone")?.boolean(one.drift == Drift::Gone)
    })
}
