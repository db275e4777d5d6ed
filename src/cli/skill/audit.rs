//! `weft skill audit`: what is wrong with what is installed: changed files, and what became known since.

use super::common::{answer, hub, shown};
use super::local::{told, workspace};
use super::update::registry_of;
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::Format;
use crate::hub::{Hub, Ref, Verdict, get, log};
use crate::scan::report::visible::visible;
use crate::skill::record::ClawEntry;
use crate::skill::store::{Drift, Workspace};
use crate::trust::Book;
use crate::trust::book;
use argh::{ArgsInfo, FromArgs};
use std::io::Write;

/// Look for what is wrong with installed skills: changed files, revoked keys, withdrawn or malicious versions
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "audit",
    help_triggers("--help"),
    example = "{command_name}",
    example = "{command_name} --offline --format json",
    note = "Unsigned skills and owners that are not pinned are told, and are no reason for exit code 1.",
    error_code(0, "nothing is wrong"),
    error_code(1, "something is"),
    error_code(2, "the command line, the network or a file is wrong")
)]
pub struct Audit {
    /// ask no registry: files and keys only
    #[argh(switch)]
    offline: bool,
    /// the workspace (default: the current folder)
    #[argh(option, arg_name = "DIR")]
    workspace: Option<PathArg>,
    /// the folder of the skills in it (default: skills)
    #[argh(option, arg_name = "DIR")]
    dir: Option<PathArg>,
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
}

/// Something about a skill.
pub struct Remark {
    pub key: String,
    /// A word for programs.
    pub kind: &'static str,
    pub text: String,
    pub wrong: bool,
}

pub fn run(command: &Audit) -> Result<Exit, Failure> {
    let workspace = workspace(command.workspace.as_ref(), command.dir.as_ref())?;
    let entries = workspace.claw_lock().map_err(told)?.entries();
    let book_path = book::path().map_err(told)?;
    let mut remarks = Vec::new();
    let mut hubs: Vec<Hub> = Vec::new();
    let mut unreachable = None;
    // Online first: what the registries know of keys counts for all.
    if !command.offline {
        for entry in &entries {
            match online(&workspace, entry, &mut hubs, &mut remarks) {
                Ok(letters) if letters.is_empty() => {}
                Ok(letters) => book::change(&book_path, |book| {
                    letters.iter().for_each(|letter| book.revoke(letter.public_key, &letter.reason));
                    Ok(())
                })
                .map_err(told)?,
                Err(failure) => unreachable = Some(failure),
            }
        }
    }
    let book = book::load(&book_path).map_err(told)?;
    for entry in &entries {
        here(&workspace, entry, &book, &mut remarks)?;
    }
    let wrong = remarks.iter().any(|remark| remark.wrong);
    answer(
        command.format,
        |page| {
            for remark in &remarks {
                let mark = if remark.wrong { "wrong" } else { "note" };
                writeln!(page, "{mark:<6}{}: {}", visible(&remark.key), visible(&remark.text))?;
            }
            let bad = remarks.iter().filter(|remark| remark.wrong).count();
            writeln!(page, "{} skills, {bad} things wrong", entries.len())
        },
        |w| {
            w.field("schema", "weft.skill.audit/1")?;
            w.count("skills", entries.len() as u64)?;
            w.key("remarks")?.array_lines(|w| {
                remarks.iter().try_for_each(|remark| {
                    w.object(|w| {
                        w.field("key", &remark.key)?;
                        w.field("kind", remark.kind)?;
                        w.field("text", &remark.text)?;
                        w.key("wrong")?.boolean(remark.wrong)
                    })
                })
            })
        },
    )?;
    match (wrong, unreachable) {
        (true, _) => Ok(Exit::Findings),
        // What could not be asked is not what is fine.
        (false, Some(failure)) => Err(failure),
        (false, None) => Ok(Exit::Ok),
    }
}

/// What this machine knows.
pub fn here(
    workspace: &Workspace,
    entry: &ClawEntry,
    book: &Book,
    remarks: &mut Vec<Remark>,
) -> Result<(), Failure> {
    let mut say =
        |kind, wrong, text: String| remarks.push(Remark { key: entry.key.clone(), kind, text, wrong });
    let lock = workspace.hub_lock().map_err(told)?;
    let Some(known) = lock.entry(&entry.key) else {
        say("unknown", false, "not installed by weft: nothing to hold its files against".into());
        return Ok(());
    };
    if entry.version.as_ref() != Some(&known.version) {
        let text =
            format!("lock.json says {}, hub.lock {}", entry.version.as_deref().unwrap_or("-"), known.version);
        say("version", true, text);
    }
    match workspace.drift(&entry.key, &known.content_hash).map_err(told)? {
        Drift::None => {}
        drift => say("changed", true, format!("not as installed: {}", drift.summary())),
    }
    let Some(key) = &known.public_key else {
        say("unsigned", false, "unsigned".into());
        return Ok(());
    };
    if let Some(revoked) = book.revoked(key) {
        say("revoked", true, format!("signed by a key that is revoked: {}", revoked.reason));
    }
    let registry = crate::trust::statement::origin(&known.registry).unwrap_or_default();
    match book.pin(&registry, known.owner.as_deref().unwrap_or("")) {
        None => say("unpinned", false, "its owner's key is not pinned on this machine".into()),
        Some(pin) if pin.public_key != *key => {
            say("key", false, "signed by another key than the one pinned for its owner now".into());
        }
        Some(_) => {}
    }
    Ok(())
}

/// What its registry knows now; the letters about keys are given back.
fn online(
    workspace: &Workspace,
    entry: &ClawEntry,
    hubs: &mut Vec<Hub>,
    remarks: &mut Vec<Remark>,
) -> Result<Vec<crate::trust::Revocation>, Failure> {
    let registry = registry_of(workspace, &entry.key)?;
    let at = match hubs.iter().position(|hub| Some(&hub.registry) == registry.as_ref()) {
        Some(at) => at,
        None => {
            hubs.push(hub(registry.as_deref(), false)?);
            hubs.len() - 1
        }
    };
    let Some(hub) = hubs.get(at) else { return Ok(Vec::new()) };
    let name = Ref::parse(&entry.key).map_err(told)?.of(entry.owner.as_deref());
    let mut say =
        |kind, wrong, text: String| remarks.push(Remark { key: entry.key.clone(), kind, text, wrong });
    let detail = match hub.detail(&name) {
        Ok(detail) => detail,
        Err(problem) if problem.denied || problem.what.contains("(404") => {
            say("gone", true, format!("its registry no longer has it: {}", problem.what));
            return Ok(Vec::new());
        }
        Err(problem) => return Err(told(problem)),
    };
    let mut verdict = detail.skill.verdict;
    if let Some(version) = &entry.version {
        match hub.release(&name, version) {
            Ok(release) => {
                verdict = verdict.or(release.verdict);
                let hash =
                    workspace.hub_lock().map_err(told)?.entry(&entry.key).map(|known| known.content_hash);
                if let (Some(hash), Some(theirs)) = (hash, &release.content_hash)
                    && hash.to_string() != *theirs
                {
                    say("bytes", true, format!("the registry now has other bytes for {version}"));
                }
                let logged = log::Entry { index: release.log_index, version, content_hash: hash };
                let book_path = book::path().map_err(told)?;
                let known = book::load(&book_path).map_err(told)?;
                match hub.check_log(&known, Some(logged)) {
                    Ok(checked) => {
                        checked.remarks.iter().for_each(|remark| say("log", false, remark.clone()));
                        hub.remember_log(&book_path, &checked).map_err(told)?;
                    }
                    Err(problem) if problem.denied => say("log", true, problem.what),
                    Err(problem) => return Err(told(problem)),
                }
            }
            Err(problem) if problem.denied || problem.what.contains("(404") => {
                say("withdrawn", true, format!("{version} was withdrawn: {}", problem.what));
            }
            Err(problem) => return Err(told(problem)),
        }
    }
    if let (Verdict::Malicious | Verdict::Suspicious, Some(word)) = (verdict, shown(verdict)) {
        let why = if detail.reasons.is_empty() {
            String::new()
        } else {
            format!(": {}", detail.reasons.join(", "))
        };
        say("verdict", true, format!("the registry calls it {word}{why}"));
    }
    Ok(get::letters(&detail.letters).1)
}
