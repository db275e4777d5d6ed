//! `weft skill install`: fetch, check, decide, and put in place; or make again what hub.lock says.

use super::common::{self, Download, answer, ask, hub};
use super::local::{told, workspace};
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::Format;
use crate::cli::term::say;
use crate::hub::reference::near_miss;
use crate::hub::search::Index;
use crate::hub::{Detail, Hub, Ref, Verdict, catalog, get, log};
use crate::json::Writer;
use crate::scan::finding::Finding;
use crate::scan::report::visible::visible;
use crate::skill::Problem;
use crate::skill::install::{self, Consent, Installed, Offer};
use crate::skill::record::{Accepted, HubEntry, Record};
use crate::skill::store::{Drift, Workspace};
use crate::trust::PublicKey;
use crate::trust::book;
use argh::{ArgsInfo, FromArgs};
use std::io::{self, Write};

/// What `--accept` names to let in a skill that the registry calls suspicious.
pub const SUSPICIOUS: &str = "suspicious";
/// A name is a near miss of one that is used so much more.
const MUCH: u64 = 10;
/// What is downloaded so often is popular itself: nobody is asked for names like it.
const POPULAR: u64 = 10_000;

/// Install skills: fetched, held against their signature and their owner's key, scanned, and put in place in one step
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "install",
    help_triggers("--help"),
    example = "{command_name} @alice/demo                  the latest version",
    example = "{command_name} demo@1.2.0 --dry-run         would it come in?",
    example = "{command_name} --frozen                     what .weft/hub.lock says, exactly",
    example = "{command_name} demo --accept US-014 --reason \"reads its own config\"",
    note = "Nothing is installed unless the files, the signature, the owner's key and the scan agree; findings of high severity never come in. When anything fails the disk is as it was.",
    error_code(0, "installed"),
    error_code(1, "a check said no"),
    error_code(2, "the command line, the network or a file is wrong")
)]
pub struct Install {
    /// install what .weft/hub.lock says, byte for byte; trust nobody new
    #[argh(switch)]
    frozen: bool,
    /// use only what was kept from before
    #[argh(switch)]
    offline: bool,
    /// decide everything, change nothing
    #[argh(switch)]
    dry_run: bool,
    /// replace a skill that was changed here, or that weft did not install
    #[argh(switch)]
    overwrite: bool,
    /// an older version than the one that is there may replace it
    #[argh(switch)]
    allow_downgrade: bool,
    /// let in the finding with this id (medium severity), or `suspicious` for the registry's verdict; may be repeated
    #[argh(option, arg_name = "ID")]
    accept: Vec<String>,
    /// why; it is written to the lock
    #[argh(option, arg_name = "TEXT")]
    reason: Option<String>,
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
    /// skills: SLUG or @OWNER/SLUG, with @VERSION for one that is not the latest
    #[argh(positional, arg_name = "NAME")]
    names: Vec<String>,
}

/// What the options allow.
pub fn consent(accept: &[String], reason: Option<&str>) -> Result<Consent, Failure> {
    let reason = reason.map(str::trim).unwrap_or_default();
    if !accept.is_empty() && reason.is_empty() {
        return Err(Failure::usage(
            "--accept without a reason",
            "--reason",
            "say why; it is written to the lock",
        ));
    }
    let accept = accept.iter().map(|id| Accepted { id: id.clone(), reason: reason.to_owned() }).collect();
    Ok(Consent { accept, ..Consent::default() })
}

pub fn run(command: &Install) -> Result<Exit, Failure> {
    let workspace = workspace(command.workspace.as_ref(), command.dir.as_ref())?;
    let mut consent = consent(&command.accept, command.reason.as_deref())?;
    consent.overwrite = command.overwrite;
    consent.allow_downgrade = command.allow_downgrade;
    consent.frozen = command.frozen;
    consent.dry_run = command.dry_run;
    let mut done = Vec::new();
    let result = if command.frozen {
        frozen(command, &workspace, &consent, &mut done)
    } else {
        named(command, &workspace, &consent, &mut done)
    };
    // What came in before something failed is said too.
    show(command.format, command.dry_run, &done)?;
    result.map(|()| Exit::Ok)
}

fn named(
    command: &Install,
    workspace: &Workspace,
    consent: &Consent,
    done: &mut Vec<Installed>,
) -> Result<(), Failure> {
    if command.names.is_empty() {
        return Err(Failure::usage(
            "nothing to install",
            "NAME",
            "name a skill, or --frozen for all of hub.lock",
        ));
    }
    // Every name is read before the first is fetched.
    let names: Result<Vec<_>, _> = command.names.iter().map(|text| Ref::parse_with_version(text)).collect();
    let hub = hub(command.registry.as_deref(), command.offline)?;
    install::prepare();
    for (name, version) in names.map_err(told)? {
        let detail = hub.detail(&name).map_err(told)?;
        warn_of_near_miss(&hub, &detail);
        let version = choose(&detail, version.as_deref(), &hub)?;
        done.push(one(&hub, workspace, &name, &detail, &version, consent, None)?);
    }
    Ok(())
}

/// The version that is asked for, or the latest.
pub fn choose(detail: &Detail, version: Option<&str>, hub: &Hub) -> Result<String, Failure> {
    version.or(detail.skill.version.as_deref()).map(str::to_owned).ok_or_else(|| {
        let fix = "it may be kept in a repository elsewhere, which nobody vouches for";
        Failure::usage(
            "the registry keeps no version of it",
            format!("{}: {}", hub.registry, detail.skill.slug),
            fix,
        )
    })
}

/// Fetches a version and lets it in, or says why not. With a `signer`, only what that key signed.
pub fn one(
    hub: &Hub,
    workspace: &Workspace,
    name: &Ref,
    detail: &Detail,
    version: &str,
    consent: &Consent,
    signer: Option<&PublicKey>,
) -> Result<Installed, Failure> {
    fetched(hub, workspace, name, detail, version, consent, Terms { locked: None, signer })
}

/// What else must hold of a version.
#[derive(Clone, Copy)]
struct Terms<'a> {
    /// It is this one, byte for byte.
    locked: Option<&'a HubEntry>,
    /// Signed by this key and no other.
    signer: Option<&'a PublicKey>,
}

fn fetched(
    hub: &Hub,
    workspace: &Workspace,
    name: &Ref,
    detail: &Detail,
    version: &str,
    consent: &Consent,
    terms: Terms,
) -> Result<Installed, Failure> {
    let Terms { locked, signer } = terms;
    install::prepare();
    let line = Download::new(format!("{name} {version}"));
    let progress = |got, of| line.update(got, of);
    let fetched = get::fetch(hub, name, detail, version, Some(&progress)).map_err(told)?;
    drop(line);
    if let Some(signer) = signer
        && fetched.signed.as_ref().is_none_or(|(statement, _)| statement.public_key != *signer)
    {
        return Err(told(Problem::denied(
            "not signed by that key",
            format!("{name} {version}"),
            "nothing was installed",
        )));
    }
    let moderation = moderation(&fetched, consent, locked)?;
    let book_path = book::path().map_err(told)?;
    if !fetched.revocations.is_empty() && !consent.dry_run {
        book::change(&book_path, |book| {
            fetched.revocations.iter().for_each(|letter| book.revoke(letter.public_key, &letter.reason));
            Ok(())
        })
        .map_err(told)?;
    }
    if let Some(letter) = revoked(&fetched) {
        let what = format!("signed by a revoked key ({letter})");
        return Err(told(Problem::denied(
            what,
            format!("{name} {version}"),
            "wait for a version with a new key",
        )));
    }
    // Before anything is let in: a version that only we are shown is one nobody else can find out about.
    let content_hash = locked.map(|entry| entry.content_hash).or(fetched.content_hash);
    let entry = log::Entry { index: fetched.log_index, version, content_hash };
    let known = book::load(&book_path).map_err(told)?;
    let logged = hub.check_log(&known, Some(entry)).map_err(told)?;
    logged.remarks.iter().for_each(|remark| say(&format!("{name} {version}: {remark}")));
    if !consent.dry_run {
        hub.remember_log(&book_path, &logged).map_err(told)?;
    }
    let offer = Offer {
        registry: &hub.registry,
        owner: fetched.owner.as_deref(),
        slug: &fetched.slug,
        qualified: name.owner.is_some(),
        version,
        zip: &fetched.zip,
        leave_out: &fetched.leave_out,
        content_hash: content_hash.or(logged.content_hash),
        signed: fetched.signed.clone(),
        rotations: &fetched.rotations,
        moderation: moderation.as_deref(),
    };
    install::install(workspace, &book_path, &offer, consent, &mut ask_findings).map_err(told)
}

/// The reason of a letter that revokes the very key the version is signed with.
fn revoked(fetched: &get::Fetched) -> Option<&str> {
    let key = fetched.signed.as_ref()?.0.public_key;
    fetched.revocations.iter().find(|letter| letter.public_key == key).map(|letter| letter.reason.as_str())
}

/// What the lock notes of the registry's verdict; an error where it is not let in.
fn moderation(
    fetched: &get::Fetched,
    consent: &Consent,
    locked: Option<&HubEntry>,
) -> Result<Option<String>, Failure> {
    let label = format!("{} {}", fetched.slug, fetched.version);
    let why = match fetched.reasons.is_empty() {
        true => String::new(),
        false => format!(" ({})", fetched.reasons.join(", ")),
    };
    if fetched.verdict != Verdict::Suspicious {
        if fetched.verdict == Verdict::Pending {
            say(&format!("{label}: the registry has not finished its own checks"));
        }
        return Ok(common::shown(fetched.verdict).map(str::to_owned));
    }
    let before = locked.and_then(|entry| entry.moderation.clone());
    if let Some(before) = before.filter(|before| before.starts_with(SUSPICIOUS)) {
        return Ok(Some(before));
    }
    let given =
        consent.accept.iter().find(|accepted| accepted.id == SUSPICIOUS).map(|one| one.reason.clone());
    let question = format!(
        "{label}: the registry calls it suspicious{why}. A reason to take it all the same (empty: none)?"
    );
    let reason = given.or_else(|| ask(&question)).filter(|reason| !reason.is_empty());
    reason.map(|reason| Some(format!("{SUSPICIOUS}, accepted: {reason}"))).ok_or_else(|| {
        let fix = "if you know better: --accept suspicious --reason TEXT";
        told(Problem::denied(format!("the registry calls it suspicious{why}"), label, fix))
    })
}

/// Shows findings and asks for a reason to let them in.
fn ask_findings(record: &Record, findings: &[&Finding]) -> Vec<Accepted> {
    if !common::is_interactive() {
        return Vec::new();
    }
    let mut accepted = Vec::new();
    for finding in findings {
        say(&format!(
            "{} {}:{}: {}: {}",
            record.key, finding.path, finding.span.line, finding.rule, finding.message
        ));
        match ask("A reason to let it in (empty: do not install)?").filter(|reason| !reason.is_empty()) {
            Some(reason) => accepted.push(Accepted { id: finding.rule.to_owned(), reason }),
            None => break,
        }
    }
    accepted
}

/// A name that differs by a letter from one that many more use is worth a second look.
pub fn warn_of_near_miss(hub: &Hub, detail: &Detail) {
    let skill = &detail.skill;
    if skill.downloads.is_some_and(|downloads| downloads >= POPULAR) {
        return;
    }
    let index = common::cache().ok().and_then(|cache| Index::open(&catalog::path(&cache, hub)));
    let others = match index {
        Some(index) => index.search(&skill.slug, 20),
        None => hub.search(&skill.slug, 20).unwrap_or_default(),
    };
    let used = skill.downloads.unwrap_or(0).max(1);
    let popular: Vec<&str> = others
        .iter()
        .filter(|other| other.slug != skill.slug && other.downloads.unwrap_or(0) / MUCH >= used)
        .map(|other| other.slug.as_str())
        .collect();
    if let Some(near) = near_miss(&skill.slug, &popular) {
        say(&format!("`{}` is nearly `{near}`, which many more use: is it the one you mean?", skill.slug));
    }
}

/// Everything that hub.lock says, or what is named of it.
fn frozen(
    command: &Install,
    workspace: &Workspace,
    consent: &Consent,
    done: &mut Vec<Installed>,
) -> Result<(), Failure> {
    let lock = workspace.hub_lock().map_err(told)?;
    let mut entries: Vec<&HubEntry> = Vec::new();
    for text in &command.names {
        let (name, version) = Ref::parse_with_version(text).map_err(told)?;
        let found = lock.0.iter().find(|entry| {
            entry.slug == name.slug
                && name.owner.as_ref().is_none_or(|owner| entry.owner.as_ref() == Some(owner))
        });
        let found = found.filter(|entry| version.as_ref().is_none_or(|version| *version == entry.version));
        let missing =
            || Problem::denied("not in .weft/hub.lock", text.clone(), "leave --frozen out to add it");
        entries.push(found.ok_or_else(|| told(missing()))?);
    }
    if command.names.is_empty() {
        entries = lock.0.iter().collect();
    }
    for entry in entries {
        let drift = workspace.drift(&entry.key, &entry.content_hash).map_err(told)?;
        let listed = workspace.claw_lock().map_err(told)?.entry(&entry.key);
        if drift == Drift::None
            && listed.is_some_and(|listed| listed.version.as_ref() == Some(&entry.version))
        {
            continue;
        }
        let hub = hub(Some(command.registry.as_deref().unwrap_or(&entry.registry)), command.offline)?;
        let owner = entry.key.starts_with('@').then(|| entry.owner.clone()).flatten();
        let name = Ref { owner, slug: entry.slug.clone() };
        // Without a network, the answer is kept under the name it was asked for by.
        let asked = hub.detail(&name.of(entry.owner.as_deref()));
        let detail = asked.or_else(|problem| if command.offline { hub.detail(&name) } else { Err(problem) });
        let detail = detail.map_err(told)?;
        let installed = fetched(
            &hub,
            workspace,
            &name,
            &detail,
            &entry.version,
            consent,
            Terms { locked: Some(entry), signer: None },
        )?;
        if installed.record.public_key != entry.public_key {
            // Cannot be: the lock is what was decided by. Said rather than believed.
            return Err(told(Problem::denied(
                "signed by another key than the lock says",
                entry.key.clone(),
                "",
            )));
        }
        done.push(installed);
    }
    Ok(())
}

/// What came in, on standard output.
pub fn show(format: Format, dry_run: bool, done: &[Installed]) -> Result<(), Failure> {
    for installed in done {
        installed.notes.iter().for_each(|text| say(&format!("{}: {text}", installed.record.key)));
        if installed.oms_signature {
            say(&format!("{}: skill.oms.sig is there; weft does not verify it", installed.record.key));
        }
    }
    answer(
        format,
        |page| done.iter().try_for_each(|installed| line(page, dry_run, installed)),
        |w| {
            w.field("schema", "weft.skill.install/1")?;
            w.key("dry_run")?.boolean(dry_run)?;
            w.key("installed")?.array_lines(|w| done.iter().try_for_each(|installed| write(w, installed)))
        },
    )
}

fn line(page: &mut Vec<u8>, dry_run: bool, installed: &Installed) -> io::Result<()> {
    let record = &installed.record;
    let verb = match (dry_run, &installed.replaced) {
        (true, _) => "would install".to_owned(),
        (false, None) => "installed".to_owned(),
        (false, Some(old)) => format!("replaced {old} of"),
    };
    let signer = record
        .public_key
        .map_or("unsigned".to_owned(), |key| format!("signed by {}", short(&key.fingerprint())));
    let text = format!(
        "{verb} {} {} in {} ({signer}; scan: {})",
        record.key,
        record.version,
        installed.target.display(),
        record.verdict
    );
    writeln!(page, "{}", visible(&text))
}

/// The beginning of a fingerprint, to recognise a key by.
pub fn short(fingerprint: &str) -> String {
    fingerprint.chars().take(19).collect()
}

fn write(w: &mut Writer, installed: &Installed) -> io::Result<()> {
    let record = &installed.record;
    w.object(|w| {
        w.field("key", &record.key)?;
        w.field("registry", &record.registry)?;
        match &record.owner {
            Some(owner) => w.field("owner", owner)?,
            None => w.key("owner")?.null()?,
        }
        w.field("slug", &record.slug)?;
        w.field("version", &record.version)?;
        w.field("content_hash", &record.content_hash.to_string())?;
        match &record.public_key {
            Some(key) => w.field("public_key", &key.to_string())?,
            None => w.key("public_key")?.null()?,
        }
        w.field("scan", &record.verdict)?;
        match &record.moderation {
            Some(moderation) => w.field("moderation", moderation)?,
            None => w.key("moderation")?.null()?,
        }
        w.field("target", &installed.target.to_string_lossy())?;
        match &installed.replaced {
            Some(old) => w.field("replaced", old)?,
            None => w.key("replaced")?.null()?,
        }
        w.strings("notes", installed.notes.iter().map(String::as_str))
    })
}
