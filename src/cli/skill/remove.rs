//! `weft skill remove`: out of its folder and out of both locks, in one step.

use super::local::{Entry, find, told, workspace};
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::print;
use crate::digest::Sha256;
use crate::skill::record::Record;
use crate::skill::store::Drift;
use argh::{ArgsInfo, FromArgs};

/// Remove an installed skill
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "remove",
    help_triggers("--help"),
    example = "{command_name} weather",
    note = "What is known of its owner and its versions stays: an older or changed version is still noticed when it comes back.",
    error_code(0, "it is gone"),
    error_code(1, "it was changed since it was installed, and --overwrite was not given"),
    error_code(2, "there is no such skill")
)]
pub struct Remove {
    /// also when files of it were changed, or it is not known whether
    #[argh(switch)]
    overwrite: bool,
    /// the folder with .clawhub and .weft in it; else $CLAWHUB_WORKDIR, else the current folder
    #[argh(option, arg_name = "DIR")]
    workspace: Option<PathArg>,
    /// the folder of the skills in the workspace (default: skills)
    #[argh(option, arg_name = "DIR")]
    dir: Option<PathArg>,
    /// the skill
    #[argh(positional, arg_name = "NAME")]
    name: String,
}

pub fn run(command: &Remove) -> Result<Exit, Failure> {
    let workspace = workspace(command.workspace.as_ref(), command.dir.as_ref())?;
    let locked = workspace.lock().map_err(told)?;
    let entry = find(&workspace, &command.name)?;
    if !command.overwrite {
        let drift = match &entry.hub {
            Some(hub) => workspace.drift(&entry.key, &hub.content_hash).map_err(told)?,
            None if workspace.target(&entry.key).exists() => Drift::Unknown,
            None => Drift::Gone,
        };
        if !matches!(drift, Drift::None | Drift::Gone) {
            let what = match &entry.hub {
                Some(_) => format!("changed since it was installed ({})", drift.summary()),
                None => "weft did not install it, so it cannot tell whether it was changed".to_owned(),
            };
            let mut failure = Failure::usage(what, entry.key, "to remove it with its changes: --overwrite");
            failure.exit = Exit::Findings;
            return Err(failure);
        }
    }
    locked.remove(&record(&entry)).map_err(told)?;
    print(&format!("{} {} is removed\n", entry.key, entry.version()))
}

/// What the store needs to know of an entry that goes: its key. The rest is as the lock says.
fn record(entry: &Entry) -> Record {
    let hub = entry.hub.as_ref();
    let text = |of: Option<&String>| of.cloned().unwrap_or_default();
    Record {
        key: entry.key.clone(),
        registry: text(hub.map(|hub| &hub.registry)),
        owner: hub.and_then(|hub| hub.owner.clone()),
        slug: text(hub.map(|hub| &hub.slug)),
        version: entry.version().to_owned(),
        installed_at: 0,
        content_hash: hub.map_or_else(|| Sha256::of(b""), |hub| hub.content_hash),
        fingerprint: Sha256::of(b""),
        public_key: hub.and_then(|hub| hub.public_key),
        seq: hub.and_then(|hub| hub.seq),
        verdict: text(hub.map(|hub| &hub.verdict)),
        moderation: hub.and_then(|hub| hub.moderation.clone()),
        accepted: Vec::new(),
    }
}
