//! `weft security harden`: applies what of an audit is safe to apply, for it only narrows and there is evidence for it. Shows everything
//! first, keeps copies, and says how to take it back.

mod propose;
mod toml;

use super::audit::which;
use super::review::{Which, review, shown};
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::hook::{changed, free};
use crate::cli::policy::{self, out};
use crate::cli::run::prepare::Agent;
use crate::cli::term::{is_interactive, say, yes};
use crate::files::write_atomic;
use crate::scan::names;
use crate::scan::report::visible::{visible, visible_lines};
use argh::{ArgsInfo, FromArgs};
use propose::{Edited, Plan, propose};
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Apply the safe proposals of an audit; shows the difference first and keeps copies
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "harden",
    help_triggers("--help"),
    example = "{command_name} --dry-run                     what would change, and why",
    example = "{command_name} --agent builder --yes         without a question, for scripts",
    note = "What it does: takes out grants that the log shows unused in 10 runs or more; denies credentials and sockets within reach; protects files that are obeyed outside the sandbox; sets a log and a limit of processes where there are none; takes files of weft from other users; pins authors of signed skills, and versions of unsigned ones. Only files of yours are changed, comments stay, and a change that makes anything wider, or that this kernel could not hold, is left out. What needs a decision of yours is left to `weft security audit`.",
    error_code(0, "done, nothing to do, or --dry-run"),
    error_code(1, "not confirmed, nothing was changed"),
    error_code(2, "the command line or a file is wrong; what was changed until then is said")
)]
pub struct Harden {
    /// only this agent
    #[argh(option, arg_name = "ID")]
    agent: Option<Agent>,
    /// every agent that is known on this machine
    #[argh(switch)]
    all: bool,
    /// show what would change, and write nothing
    #[argh(switch)]
    dry_run: bool,
    /// do not ask
    #[argh(switch)]
    yes: bool,
    /// the workspace; the current folder if not given
    #[argh(option, arg_name = "DIR")]
    workspace: Option<PathArg>,
}

pub fn run(command: &Harden) -> Result<Exit, Failure> {
    let which = which(command.agent.as_ref(), command.all)?;
    let workspace = command.workspace.as_ref().map(|path| path.0.as_path());
    let meant = review(which, workspace, &[], false)?;
    let everyone = match which {
        Which::All => None,
        _ => Some(review(Which::All, workspace, &[], false)?),
    };
    let home = meant.places.home.clone();
    let plan = propose(&meant, everyone.as_ref().unwrap_or(&meant));
    show(&plan, &home)?;
    plan.left.iter().for_each(|left| say(&format!("left alone: {left}")));
    if plan.is_empty() {
        say("nothing to do");
        return Ok(Exit::Ok);
    }
    if command.dry_run {
        return Ok(Exit::Ok);
    }
    let confirmed = command.yes || (is_interactive() && yes("do this?"));
    if !confirmed {
        say("nothing was changed; --yes does it");
        return Ok(Exit::Findings);
    }
    apply(&plan, &meant.places.state.join("weft/backups"))?;
    Ok(Exit::Ok)
}

fn name(path: &Path) -> String {
    names::escape(path.as_os_str().as_encoded_bytes())
}

/// Every change: of texts as lines and as what the policies come to, and the others one by one.
fn show(plan: &Plan, home: &Path) -> Result<(), Failure> {
    let mut page = Vec::new();
    for edited in &plan.edited {
        let text = changed(&name(&edited.path), &edited.old, &edited.new);
        page.extend_from_slice(visible_lines(&text).as_bytes());
        for why in &edited.why {
            page.extend_from_slice(format!("# {}\n", visible(why)).as_bytes());
        }
        page.push(b'\n');
    }
    for (name, old, new) in &plan.policies {
        policy::diff::told(name, old.clone(), new.clone(), &mut page)?;
    }
    for (path, from, to) in &plan.modes {
        let line = format!("mode      {}: {from:o} → {to:o}\n", shown(path, home));
        page.extend_from_slice(visible(line.trim_end()).as_bytes());
        page.push(b'\n');
    }
    for (what, _) in &plan.pins {
        page.extend_from_slice(format!("pin       {}\n", visible(what)).as_bytes());
    }
    out(|whole| whole.write_all(&page))
}

fn apply(plan: &Plan, folder: &Path) -> Result<(), Failure> {
    // Looked at before anything is written: what was shown is what is changed, or nothing is.
    for edited in &plan.edited {
        let now =
            fs::read(&edited.path).map_err(|error| Failure::file("cannot read", &edited.path, &error))?;
        if now != edited.old.as_bytes() {
            let fix = "nothing was changed; try again";
            return Err(Failure::usage("the policy was changed in the meantime", name(&edited.path), fix));
        }
    }
    plan.edited.iter().try_for_each(|edited| write(edited, folder))?;
    for (path, from, to) in &plan.modes {
        let failed = |error: std::io::Error| Failure::file("cannot change the mode of", path, &error);
        // Not through a link that was put there since.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(path)
            .map_err(failed)?;
        file.set_permissions(Permissions::from_mode(*to)).map_err(failed)?;
        say(&format!("mode of {} is {to:o}; undo: chmod {from:o} {}", name(path), name(path)));
    }
    for (what, pin) in &plan.pins {
        let undo = pin.apply()?;
        say(&format!("pinned: {what}; undo: {undo}"));
    }
    Ok(())
}

/// Writes a policy, after a copy of it was put where no agent may write: one in the workspace could be changed before it is taken
/// back.
fn write(edited: &Edited, folder: &Path) -> Result<(), Failure> {
    let path = &edited.path;
    let copy = free(&folder.join(path.file_name().unwrap_or_default()))?;
    let failed = |error: std::io::Error| Failure::file("cannot keep a copy as", &copy, &error);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let mut kept = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&copy).map_err(failed)?;
    kept.write_all(edited.old.as_bytes()).and_then(|()| kept.sync_all()).map_err(failed)?;
    write_atomic(path, |out| out.write_all(edited.new.as_bytes()))
        .map_err(|error| Failure::file("cannot write", path, &error))?;
    say(&format!("{} written; undo: cp {} {}", name(path), name(&copy), name(path)));
    Ok(())
}
