//! `weft skill update`: newer versions of what is installed, through the same gate.

use super::common::{self, answer, hub};
use super::install::{consent, one, show};
use super::local::{told, workspace};
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::Format;
use crate::cli::term::say;
use crate::hub::{Hub, Ref, Version};
use crate::json::{self, Node};
use crate::skill::collect::{self, RECORDS, Rule};
use crate::skill::install::{Consent, Installed};
use crate::skill::record::ClawEntry;
use crate::skill::store::Workspace;
use crate::skill::tree;
use crate::trust::book;
use argh::{ArgsInfo, FromArgs};
use std::fs;
use std::io::Read;
use std::path::Path;

/// Bring installed skills to their latest version
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "update",
    help_triggers("--help"),
    example = "{command_name} demo",
    example = "{command_name} --all --dry-run",
    note = "Pinned skills stay as they are. A skill is asked for at the registry it came from, whatever --registry would be. One that fails does not keep the others from being updated.",
    error_code(0, "all are up to date now"),
    error_code(1, "a check said no to one of them"),
    error_code(2, "the command line, the network or a file is wrong")
)]
pub struct Update {
    /// every skill that is not pinned
    #[argh(switch)]
    all: bool,
    /// decide everything, change nothing
    #[argh(switch)]
    dry_run: bool,
    /// replace skills that were changed here
    #[argh(switch)]
    overwrite: bool,
    /// let in the finding with this id (medium severity), or `suspicious`; may be repeated
    #[argh(option, arg_name = "ID")]
    accept: Vec<String>,
    /// why; it is written to the lock
    #[argh(option, arg_name = "TEXT")]
    reason: Option<String>,
    /// trust no key that is new
    #[argh(switch)]
    frozen: bool,
    /// the workspace (default: the current folder)
    #[argh(option, arg_name = "DIR")]
    workspace: Option<PathArg>,
    /// the folder of the skills in it (default: skills)
    #[argh(option, arg_name = "DIR")]
    dir: Option<PathArg>,
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// skills, as `weft skill list` names them
    #[argh(positional, arg_name = "NAME")]
    names: Vec<String>,
}

pub fn run(command: &Update) -> Result<Exit, Failure> {
    if command.all != command.names.is_empty() {
        return Err(Failure::usage("which skills?", "NAME", "name them, or --all; not both"));
    }
    let workspace = workspace(command.workspace.as_ref(), command.dir.as_ref())?;
    let mut consent = consent(&command.accept, command.reason.as_deref())?;
    consent.overwrite = command.overwrite;
    consent.dry_run = command.dry_run;
    consent.frozen = command.frozen;
    let mut entries = workspace.claw_lock().map_err(told)?.entries();
    if !command.all {
        let known = |name: &String| entries.iter().any(|entry| entry.key == *name);
        if let Some(unknown) = command.names.iter().find(|name| !known(name)) {
            return Err(Failure::usage("not installed", unknown.clone(), "`weft skill list` names what is"));
        }
        entries.retain(|entry| command.names.contains(&entry.key));
    }
    let (mut done, mut failures) = (Vec::new(), Vec::new());
    let mut hubs: Vec<Hub> = Vec::new();
    let mut current = Vec::new();
    for entry in &entries {
        if entry.pinned {
            say(&format!("{}: pinned, left as it is", entry.key));
            continue;
        }
        match update(&workspace, entry, &consent, &mut hubs) {
            Ok(Some(installed)) => done.push(installed),
            Ok(None) => current.push(entry.key.clone()),
            Err(failure) => failures.push(failure),
        }
    }
    if command.format == Format::Text {
        answer(
            Format::Text,
            |page| {
                current.iter().try_for_each(|key| {
                    std::io::Write::write_all(page, format!("{key} is up to date\n").as_bytes())
                })
            },
            |_| Ok(()),
        )?;
    }
    show(command.format, command.dry_run, &done)?;
    let Some(last) = failures.pop() else { return Ok(Exit::Ok) };
    for failure in failures {
        let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{failure}\n").as_bytes());
    }
    Err(last)
}

/// Where a skill came from: weft's lock, or what the `clawhub` program noted beside it.
pub fn registry_of(workspace: &Workspace, key: &str) -> Result<Option<String>, Failure> {
    let locked = workspace.hub_lock().map_err(told)?.entry(key).map(|entry| entry.registry.clone());
    Ok(locked.or_else(|| {
        origin(&workspace.target(key)).and_then(|node| node.get("registry")?.as_str().map(str::to_owned))
    }))
}

fn origin(target: &Path) -> Option<Node> {
    let mut text = String::new();
    let file = fs::File::open(target.join(RECORDS).join("origin.json")).ok()?;
    file.take(1 << 20).read_to_string(&mut text).ok()?;
    json::parse(&text).ok()
}

/// Are the files what the `clawhub` program wrote down when it installed this version? It may have done so after weft
/// did, or instead of weft.
fn is_untouched(workspace: &Workspace, entry: &ClawEntry) -> bool {
    let target = workspace.target(&entry.key);
    let noted = origin(&target).filter(|node| {
        node.get("installedVersion").and_then(Node::as_str).map(str::to_owned) == entry.version
    });
    let noted = noted.and_then(|node| node.get("fingerprint")?.as_str().map(str::to_owned));
    // The fingerprint does not cover hidden files: with one that came later it is not the same skill any more.
    let hidden = collect::hashes(&target, Rule::Installed)
        .is_ok_and(|all| all.iter().any(|file| file.path.is_hidden()));
    let here = collect::hashes(&target, Rule::Local).map(|files| tree::fingerprint(&files).to_string());
    !hidden && noted.is_some_and(|noted| here.is_ok_and(|here| here == noted))
}

/// Is the registry's log a continuation of what was seen of it? Where nothing is newer, that is all that says whether
/// something is held back.
fn look_at_log(hub: &Hub, consent: &Consent) -> Result<(), Failure> {
    let path = book::path().map_err(told)?;
    let checked = hub.check_log(&book::load(&path).map_err(told)?, None).map_err(told)?;
    checked.remarks.iter().for_each(|remark| say(&format!("{}: {remark}", hub.registry)));
    if consent.dry_run { Ok(()) } else { hub.remember_log(&path, &checked).map_err(told) }
}

fn update(
    workspace: &Workspace,
    entry: &ClawEntry,
    consent: &Consent,
    hubs: &mut Vec<Hub>,
) -> Result<Option<Installed>, Failure> {
    let qualified = entry.key.starts_with('@');
    let name = Ref::parse(&entry.key).map_err(told)?;
    let registry = registry_of(workspace, &entry.key)?;
    let at = hubs.iter().position(|hub| Some(&hub.registry) == registry.as_ref());
    let at = match at {
        Some(at) => at,
        None => {
            let hub = hub(registry.as_deref(), false)?;
            look_at_log(&hub, consent)?;
            hubs.push(hub);
            hubs.len() - 1
        }
    };
    let Some(hub) = hubs.get(at) else { return Ok(None) };
    let detail = hub.detail(&name.of(entry.owner.as_deref())).map_err(told)?;
    let latest = super::install::choose(&detail, None, hub)?;
    let newer = match (entry.version.as_deref().and_then(Version::parse), Version::parse(&latest)) {
        (Some(here), Some(there)) => there > here,
        _ => entry.version.as_deref() != Some(latest.as_str()),
    };
    if !newer {
        if let Some(word) = common::shown(detail.skill.verdict).filter(|word| *word != "clean") {
            say(&format!("{}: the registry calls it {word}; see `weft skill audit`", entry.key));
        }
        return Ok(None);
    }
    let mut consent = consent.clone();
    consent.overwrite |= is_untouched(workspace, entry);
    let name = if qualified { name } else { Ref { owner: None, slug: name.slug } };
    one(hub, workspace, &name, &detail, &latest, &consent, None).map(Some)
}
