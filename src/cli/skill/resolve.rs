//! `weft skill resolve`: an agent wants a skill; is it here, and if not, may it come? For scripts and for people.

use super::common::{self, answer, hub, name, yes};
use super::install::{choose, consent, one, show, warn_of_near_miss};
use super::local::{told, workspace};
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::Format;
use crate::cli::term::say;
use crate::hub::Ref;
use crate::scan::report::visible::visible;
use crate::skill::Problem;
use crate::skill::store::{Drift, Workspace};
use crate::trust::{PublicKey, Statement};
use argh::{ArgsInfo, FromArgs};
use std::io::Write;
use std::path::PathBuf;

/// Find the folder of a skill; if it is not installed, ask whether to install it
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "resolve",
    help_triggers("--help"),
    example = "{command_name} @alice/demo",
    example = "{command_name} @alice/demo --yes-if-signed-by 4f3a…      for scripts: install without a question if this key signed it",
    note = "The last line of the answer is the folder of the skill.",
    error_code(0, "it is there"),
    error_code(1, "it is not there, and may not come"),
    error_code(2, "the command line, the network or a file is wrong")
)]
pub struct Resolve {
    /// install without asking if the latest version is signed by this public key (64 hex digits)
    #[argh(option, arg_name = "KEY")]
    yes_if_signed_by: Option<String>,
    /// the registry
    #[argh(option, arg_name = "URL")]
    registry: Option<String>,
    /// the workspace (default: the current folder)
    #[argh(option, arg_name = "DIR")]
    workspace: Option<PathArg>,
    /// the folder of the skills in it (default: skills)
    #[argh(option, arg_name = "DIR")]
    dir: Option<PathArg>,
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// the skill: SLUG or @OWNER/SLUG
    #[argh(positional, arg_name = "NAME")]
    name: String,
}

pub fn run(command: &Resolve) -> Result<Exit, Failure> {
    let wanted = name(&command.name)?;
    let key = command
        .yes_if_signed_by
        .as_deref()
        .map(PublicKey::parse)
        .transpose()
        .map_err(|fault| Failure::usage("bad value", "--yes-if-signed-by", fault.as_str()))?;
    let workspace = workspace(command.workspace.as_ref(), command.dir.as_ref())?;
    if let Some(folder) = installed(&workspace, &wanted)? {
        return said(command.format, &folder, true);
    }
    let hub = hub(command.registry.as_deref(), false)?;
    let detail = hub.detail(&wanted).map_err(told)?;
    let version = choose(&detail, None, &hub)?;
    let full = wanted.of(detail.skill.owner.as_deref());
    let label = format!("{full} {version}");
    let may = match key {
        Some(key) => {
            // Only what is claimed, to say no early: the key and the signature are checked on what is installed.
            let release = match &detail.release {
                Some(release) if release.version == version => release.clone(),
                _ => hub.release(&full, &version).map_err(told)?,
            };
            let signed = release.signed.as_ref().and_then(|(text, _)| Statement::parse(text).ok());
            let by = signed.map(|statement| statement.public_key);
            if by != Some(key) {
                let who = by.map_or("unsigned".to_owned(), |by| format!("signed by {}", by.fingerprint()));
                let what = format!("not signed by that key, but {who}");
                return Err(told(Problem::denied(what, label, "nothing was installed")));
            }
            true
        }
        None => {
            warn_of_near_miss(&hub, &detail);
            say(&format!(
                "{label} from {}: {}",
                hub.registry,
                detail.skill.text.lines().next().unwrap_or("")
            ));
            yes("It is not installed. Install it?")
        }
    };
    if !may {
        let fix =
            if common::is_interactive() { "" } else { "--yes-if-signed-by KEY, or `weft skill install`" };
        return Err(told(Problem::denied("not installed", label, fix)));
    }
    let done = one(&hub, &workspace, &wanted, &detail, &version, &consent(&[], None)?, key.as_ref())?;
    let folder = done.target.clone();
    if command.format == Format::Text {
        show(Format::Text, false, std::slice::from_ref(&done))?;
    }
    said(command.format, &folder, false)
}

/// The folder of a skill that is here as it was installed.
fn installed(workspace: &Workspace, wanted: &Ref) -> Result<Option<PathBuf>, Failure> {
    let lock = workspace.claw_lock().map_err(told)?;
    let found = lock.entries().into_iter().find(|entry| {
        let is = Ref::parse(&entry.key).is_ok_and(|name| name.slug == wanted.slug);
        is && wanted.owner.as_ref().is_none_or(|owner| entry.owner.as_ref() == Some(owner))
    });
    let Some(entry) = found else { return Ok(None) };
    if let Some(known) = workspace.hub_lock().map_err(told)?.entry(&entry.key) {
        match workspace.drift(&entry.key, &known.content_hash).map_err(told)? {
            Drift::None => {}
            Drift::Gone => return Ok(None),
            drift => {
                let what = format!("changed since it was installed ({})", drift.summary());
                return Err(told(Problem::denied(what, entry.key, "`weft skill verify` says more")));
            }
        }
    }
    let folder = workspace.target(&entry.key);
    Ok(folder.is_dir().then_some(folder))
}

fn said(format: Format, folder: &std::path::Path, before: bool) -> Result<Exit, Failure> {
    answer(
        format,
        |page| writeln!(page, "{}", visible(&folder.to_string_lossy())),
        |w| {
            w.field("schema", "weft.skill.resolve/1")?;
            w.field("folder", &folder.to_string_lossy())?;
            w.key("was_installed")?.boolean(before)
        },
    )?;
    Ok(Exit::Ok)
}
