//! May this skill come in? Package, trust, the user's own changes, and the scan, in that order; only then the disk. Where
//! the bytes came from is `hub`'s, what a person is asked is the command's.

use super::Problem;
use super::collect::RECORDS;
use super::record::{Accepted, Record, is_name, key_of};
use super::store::{Drift, Staged, Workspace};
use crate::clock;
use crate::digest::Sha256;
use crate::json::{self, Node};
use crate::rules::{Persona, RuleSet, Severity};
use crate::scan::finding::{Finding, Report};
use crate::scan::{self, ScanRequest};
use crate::trust::judge::{self, Claim};
use crate::trust::statement::origin;
use crate::trust::{Allowed, Rotation, Signature, Statement, Verdict, book};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::thread;

/// As the scanner's gate: more of a file is not read, and then is a finding.
const MAX_GATE: u64 = 64 << 20;

/// A version of a skill that a registry sent.
#[derive(Clone, Debug)]
pub struct Offer<'a> {
    /// The registry's URL.
    pub registry: &'a str,
    pub owner: Option<&'a str>,
    pub slug: &'a str,
    /// It was asked for as `@owner/slug`, so it goes into `@owner/slug`.
    pub qualified: bool,
    pub version: &'a str,
    /// The package, as it arrived.
    pub zip: &'a [u8],
    /// Paths that the registry adds to its packages and does not list: no part of the skill.
    pub leave_out: &'a [&'a str],
    /// `weft-skill-tree-v1`, if the registry or a lock says what it must be.
    pub content_hash: Option<Sha256>,
    pub signed: Option<(Statement, Signature)>,
    /// Letters of the owner that were read and hold.
    pub rotations: &'a [Rotation],
    /// What the registry's moderation says: `clean`, `suspicious`, …
    pub moderation: Option<&'a str>,
}

/// What the user allows this time.
#[derive(Clone, Debug, Default)]
pub struct Consent {
    /// Replace what is there although it was changed, or is not weft's.
    pub overwrite: bool,
    pub allow_downgrade: bool,
    /// No trust on first use.
    pub frozen: bool,
    /// Findings of medium severity that may come in.
    pub accept: Vec<Accepted>,
    /// Decide everything, change nothing.
    pub dry_run: bool,
}

/// What a person is asked: the findings of medium severity that nobody accepted yet.
pub type Ask<'a> = &'a mut dyn FnMut(&Record, &[&Finding]) -> Vec<Accepted>;

/// A skill that came in, or would.
#[derive(Debug)]
pub struct Installed {
    pub record: Record,
    /// What a person should read: first use of a key, an unsigned skill.
    pub notes: Vec<String>,
    pub report: Report,
    pub target: PathBuf,
    /// NVIDIA's signature file is there. It is reported, not verified.
    pub oms_signature: bool,
    /// The version that was there before.
    pub replaced: Option<String>,
}

/// Makes ready for a scan on another thread: for a caller that asks a registry first.
pub fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Where there is no thread to be had, the scan makes itself ready.
        let _ = thread::Builder::new().spawn(scan::prepare);
    });
}

/// Installs an offer into the workspace, or says why not; then nothing has changed. `ask` is called where a finding of
/// medium severity is not in the consent: what it returns is accepted.
pub fn install(
    workspace: &Workspace,
    book_path: &Path,
    offer: &Offer,
    consent: &Consent,
    ask: Ask,
) -> Result<Installed, Problem> {
    let key = key_for(workspace, offer)?;
    let name = format!("{key} {}", offer.version);
    let registry = origin(offer.registry).ok_or_else(|| {
        Problem::new("not the URL of a registry", offer.registry, "it starts with https://")
    })?;
    let staged = workspace.stage(&key, offer.zip, offer.leave_out)?;
    if let Some(wanted) = offer.content_hash
        && wanted != staged.content_hash
    {
        let what = format!("other bytes than announced: {}, not {wanted}", staged.content_hash);
        return Err(Problem::denied(what, name, "nothing was installed"));
    }
    let before = installed_version(workspace, &key)?;
    let claim = Claim {
        registry: &registry,
        owner: offer.owner.unwrap_or(""),
        slug: offer.slug,
        version: offer.version,
        content_hash: staged.content_hash,
        signed: offer.signed.clone(),
        installed: before.as_deref(),
    };
    let locks = workspace.hub_lock()?;
    // What a committed lock says counts for the bytes it was said of.
    let locked = locks.entry(&key).filter(|entry| {
        consent.frozen
            && entry.version == offer.version
            && entry.content_hash == staged.content_hash
            && origin(&entry.registry).as_deref() == Some(&registry)
    });
    let allowed = Allowed {
        frozen: consent.frozen,
        downgrade: consent.allow_downgrade,
        locked: locked.and_then(|entry| entry.public_key),
    };
    let verdict =
        judge::judge(&book::load(book_path)?, &claim, allowed, offer.rotations, clock::now().as_secs())?;
    may_replace(workspace, &key, &registry, consent.overwrite)?;
    let report = gate(&staged.folder)?;
    let mut record = Record {
        key: key.clone(),
        registry: offer.registry.trim_end_matches('/').to_owned(),
        owner: offer.owner.map(str::to_owned),
        slug: offer.slug.to_owned(),
        version: offer.version.to_owned(),
        installed_at: u64::try_from(clock::now().as_millis()).unwrap_or(u64::MAX),
        content_hash: staged.content_hash,
        fingerprint: staged.fingerprint(),
        public_key: verdict.key,
        seq: verdict.seq,
        verdict: worst(&report).map_or("clean", Severity::as_str).to_owned(),
        moderation: offer.moderation.map(str::to_owned),
        accepted: Vec::new(),
    };
    let mut accept = consent.accept.clone();
    accept.extend(locked.iter().flat_map(|entry| entry.accepted.clone()));
    record.accepted = admitted(&report, &record, accept, ask)?;
    let target = workspace.target(&key);
    if !consent.dry_run {
        commit(workspace, book_path, &staged, &record, &claim, allowed, offer.rotations, consent.overwrite)?;
    }
    let mut notes = verdict.notes;
    if let Err(error) = &staged.manifest {
        notes.push(format!("the frontmatter of SKILL.md cannot be read: {error}"));
    }
    let oms_signature = staged.files.iter().any(|file| file.path.as_str() == "skill.oms.sig");
    Ok(Installed { record, notes, report, target, oms_signature, replaced: before })
}

/// Under the locks: trust is decided once more by the book as it is now, then the disk changes, then the book.
#[allow(clippy::too_many_arguments)] // All of it is what was decided by.
fn commit(
    workspace: &Workspace,
    book_path: &Path,
    staged: &Staged,
    record: &Record,
    claim: &Claim,
    allowed: Allowed,
    rotations: &[Rotation],
    overwrite: bool,
) -> Result<(), Problem> {
    let locked = workspace.lock()?;
    book::change(book_path, |book| {
        let verdict: Verdict = judge::judge(book, claim, allowed, rotations, clock::now().as_secs())?;
        may_replace(workspace, &record.key, claim.registry, overwrite)?;
        locked.commit(staged, record)?;
        if let Some(pin) = verdict.pin {
            book.set_pin(pin);
        }
        book.note(claim.registry, claim.owner, claim.slug, claim.version, claim.content_hash, verdict.seq);
        Ok(())
    })
}

/// The key of the offer: a qualified request takes over an entry of the bare slug that is the same owner's, as the real
/// CLI does.
fn key_for(workspace: &Workspace, offer: &Offer) -> Result<String, Problem> {
    let bad = || Problem::denied("a name that cannot be a folder", offer.slug, "nothing was installed");
    if let Some(owner) = offer.owner
        && !is_name(owner)
    {
        return Err(bad());
    }
    let key = key_of(offer.owner, offer.slug, offer.qualified).ok_or_else(bad)?;
    let bare = workspace.claw_lock()?.entry(offer.slug);
    match bare {
        Some(bare) if offer.qualified && bare.owner.is_some() && bare.owner.as_deref() == offer.owner => {
            Ok(bare.key)
        }
        _ => Ok(key),
    }
}

fn installed_version(workspace: &Workspace, key: &str) -> Result<Option<String>, Problem> {
    Ok(workspace.claw_lock()?.entry(key).and_then(|entry| entry.version))
}

/// May what is in the place of this skill be replaced by one of this registry?
fn may_replace(workspace: &Workspace, key: &str, registry: &str, overwrite: bool) -> Result<(), Problem> {
    let target = workspace.target(key);
    let entry = workspace.claw_lock()?.entry(key);
    if let Some(entry) = entry.as_ref().filter(|entry| entry.pinned) {
        let why = entry.pin_reason.as_deref().map_or(String::new(), |why| format!(" ({why})"));
        return Err(Problem::denied(format!("pinned{why}"), key, format!("weft skill unpin {key}")));
    }
    let hub = workspace.hub_lock()?;
    let known = hub.entry(key);
    let theirs = known.map(|known| known.registry.clone()).or_else(|| origin_registry(&target));
    if let Some(theirs) = theirs
        && origin(&theirs).as_deref() != Some(registry)
    {
        let fix = format!("weft skill remove {key}, if you want the other one");
        return Err(Problem::denied(format!("installed from another registry, {theirs}"), key, fix));
    }
    if overwrite || fs::symlink_metadata(&target).is_err() {
        return Ok(());
    }
    let Some(known) = known else {
        let what = "there is a folder of this name that weft did not install";
        return Err(Problem::denied(what, key, "to replace it: --overwrite"));
    };
    match workspace.drift(key, &known.content_hash)? {
        Drift::None | Drift::Gone => Ok(()),
        drift => {
            let what = format!("changed since it was installed ({})", drift.summary());
            Err(Problem::denied(what, key, "to lose the changes: --overwrite"))
        }
    }
}

/// The registry in the `origin.json` of a skill that the real CLI installed.
fn origin_registry(target: &Path) -> Option<String> {
    let mut text = String::new();
    let file = fs::File::open(target.join(RECORDS).join("origin.json")).ok()?;
    file.take(1 << 20).read_to_string(&mut text).ok()?;
    json::parse(&text).ok()?.get("registry").and_then(Node::as_str).map(str::to_owned)
}

/// Scans a folder as something nobody vouches for: nothing that comes with it counts.
pub fn gate(folder: &Path) -> Result<Report, Problem> {
    let rules = RuleSet::builtin();
    let request = ScanRequest {
        rules: &rules,
        roots: vec![folder.to_owned()],
        stdin: None,
        gate: true,
        jobs: 0,
        max_file: MAX_GATE,
        exclude: Vec::new(),
        inline_ignores: false,
        progress: None,
    };
    let mut report =
        scan::scan(&request).map_err(|error| Problem::file("cannot scan", &error.path, &error.error))?;
    // Doubts and raw signals are for those who ask for them.
    report.findings.retain(|finding| finding.persona == Persona::Regular);
    // Shown by their path in the skill: the stage is gone when somebody reads it.
    let prefix = format!("{}/", folder.to_string_lossy());
    for finding in &mut report.findings {
        if let Some(path) = finding.path.strip_prefix(&prefix) {
            finding.path = path.into();
        }
    }
    Ok(report)
}

fn worst(report: &Report) -> Option<Severity> {
    report.findings.iter().map(|finding| finding.severity).max()
}

/// Critical and high never come in; of medium, every rule must be accepted.
fn admitted(
    report: &Report,
    record: &Record,
    accept: Vec<Accepted>,
    ask: Ask,
) -> Result<Vec<Accepted>, Problem> {
    let blocked = report.findings.iter().filter(|finding| finding.severity >= Severity::High);
    if let Some(first) = blocked.clone().max_by_key(|finding| finding.severity) {
        let more = match blocked.count() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let what =
            format!("the scan found {} ({}): {}{more}", first.rule, first.severity.as_str(), first.message);
        let at = format!("{} {}:{}", record.key, first.path, first.span.line);
        return Err(Problem::denied(what, at, format!("weft security explain {}", first.rule)));
    }
    let mut open: BTreeMap<&str, &Finding> = BTreeMap::new();
    for finding in report.findings.iter().filter(|finding| finding.severity == Severity::Medium) {
        open.entry(finding.rule).or_insert(finding);
    }
    // Only what was found is noted: an acceptance in store would be one of something unseen.
    let mut accepted = accept;
    accepted.retain(|accepted| open.contains_key(accepted.id.as_str()));
    open.retain(|rule, _| !accepted.iter().any(|accepted| accepted.id == *rule));
    if !open.is_empty() {
        let asked = ask(record, &open.values().copied().collect::<Vec<_>>());
        open.retain(|rule, _| !asked.iter().any(|accepted| accepted.id == *rule));
        accepted.extend(asked);
    }
    if let Some((rule, first)) = open.first_key_value() {
        let what = format!("the scan found {rule} (medium): {}", first.message);
        let at = format!("{} {}:{}", record.key, first.path, first.span.line);
        return Err(Problem::denied(what, at, format!("if it is fine: --accept {rule} --reason TEXT")));
    }
    if let Some(empty) = accepted.iter().find(|accepted| accepted.reason.trim().is_empty()) {
        return Err(Problem::new(
            "an acceptance without a reason",
            empty.id.clone(),
            "say why: --reason TEXT",
        ));
    }
    accepted.sort_by(|a, b| a.id.cmp(&b.id));
    accepted.dedup_by(|a, b| a.id == b.id);
    Ok(accepted)
}

#[cfg(test)]
#[path = "install_tests.rs"]
pub(super) mod tests;
