//! How a version of a skill gets in: one way for all forms in which it may be sent. Every check that a client makes is made
//! again here; whoever is refused reads what to do about it.

use super::app::{App, FILE, FILES, Scope, TOTAL};
use super::auth::Who;
use super::event::{File, Note, Release, Setup, What};
use super::gate;
use super::names;
use super::refusal::Refusal;
use super::state::{SkillId, State, Version};
use crate::digest::Sha256;
use crate::skill::collect::is_skill_file;
use crate::skill::manifest::Manifest;
use crate::skill::pack::pack;
use crate::skill::path::SafePath;
use crate::skill::tree::{FileHash, content_hash, find_collision, fingerprint};
use crate::trust::{Signature, Statement};

/// A changelog, in characters.
const LONGEST_CHANGELOG: usize = 20_000;
const LONGEST_TITLE: usize = 120;
const LONGEST_SUMMARY: usize = 1024;
const LONGEST_SOURCE: usize = 500;

/// What somebody wants to publish.
#[derive(Debug, Default)]
pub struct Upload {
    /// In whose name; none: the account's own.
    pub owner: Option<String>,
    /// Whose skill of this name becomes that owner's with this version.
    pub migrate_from: Option<String>,
    pub slug: String,
    /// As the publisher writes it; empty: the manifest's name.
    pub title: String,
    /// Where the manifest says nothing.
    pub summary: String,
    pub version: String,
    pub changelog: String,
    pub tags: Vec<String>,
    pub categories: Vec<String>,
    pub topics: Vec<String>,
    pub fork_of: String,
    pub source: String,
    /// Statement and signature, as they came.
    pub signed: Option<(String, String)>,
    /// Paths as they came, and what they were said to be.
    pub files: Vec<Incoming>,
}

#[derive(Debug)]
pub struct Incoming {
    pub path: String,
    pub kind: String,
    pub content: Vec<u8>,
}

/// What became of it.
#[derive(Debug)]
pub struct Published {
    pub name: String,
    /// Number of the event.
    pub index: u64,
    pub version: String,
    pub signed: bool,
    /// What the scan found and let pass.
    pub notes: Vec<Note>,
}

/// Whose name it is published in: an account's own or that of an organisation it is a member of.
fn owner(state: &State, who: &Who, upload: &Upload) -> Result<String, Refusal> {
    let handle = match &upload.owner {
        None => return Ok(who.handle.to_string()),
        Some(owner) => names::owner(owner),
    };
    let id = state.account_id(&handle).ok_or_else(|| {
        Refusal::missing(format!("Publisher @{handle} not found. Create it first, or publish as yourself."))
    })?;
    if !state.acts_for(who.account, id) {
        return Err(Refusal::forbidden(format!(
            "Forbidden: you (@{}) may not publish for @{handle}",
            who.handle
        )));
    }
    Ok(handle)
}

/// The skill that another publisher has and that comes along; none where none is meant, or it came before.
fn migrated(state: &State, who: &Who, owner: &str, upload: &Upload) -> Result<Option<SkillId>, Refusal> {
    let Some(from) = upload.migrate_from.as_deref().map(names::owner).filter(|from| from != owner) else {
        return Ok(None);
    };
    let source = state
        .account_id(&from)
        .ok_or_else(|| Refusal::missing(format!("Publisher @{from} not found. Name who has the skill.")))?;
    let is_theirs = |id: &SkillId| state.skill(*id).is_some_and(|skill| skill.owner == source);
    match (state.exact(&from, &upload.slug).filter(is_theirs), state.exact(owner, &upload.slug)) {
        (None, Some(_)) => Ok(None),
        (None, None) => Err(Refusal::missing(format!("Skill @{from}/{} not found", upload.slug))),
        (Some(_), Some(_)) => Err(Refusal::bad(format!("@{owner} has a skill `{}` already", upload.slug))),
        (Some(_), None) if !state.acts_for(who.account, source) => Err(Refusal::forbidden(format!(
            "Forbidden: you (@{}) may not take a skill from @{from}: ask for a transfer",
            who.handle
        ))),
        (Some(id), None) => Ok(Some(id)),
    }
}

/// Where a version is to go.
struct Target {
    owner: String,
    /// The skill that it is a version of, if there is one.
    skill: Option<SkillId>,
    /// It is another publisher's until then.
    migrates: bool,
}

/// What is known before any file was looked at: the words of the request, and whether this version may be.
fn admissible(state: &State, who: &Who, upload: &Upload) -> Result<Target, Refusal> {
    let owner = owner(state, who, upload)?;
    let migrated = migrated(state, who, &owner, upload)?;
    let found = migrated.or_else(|| state.exact(&owner, &upload.slug));
    names::version(&upload.version)?;
    if upload.changelog.chars().count() > LONGEST_CHANGELOG {
        return Err(Refusal::bad(format!("Changelog is longer than {LONGEST_CHANGELOG} characters")));
    }
    match found.and_then(|id| Some((id, state.skill(id)?))) {
        None => names::new_slug(&upload.slug)?,
        Some((_, skill)) if skill.merged.is_some() => {
            return Err(Refusal::bad("This skill was merged into another one. Choose another slug."));
        }
        Some((_, skill)) if skill.hidden.is_some() => {
            return Err(Refusal::forbidden(
                "This skill is hidden by moderation. Appeal before you publish again.",
            ));
        }
        Some((_, skill)) if skill.deleted => {
            return Err(Refusal::bad("This skill is deleted. Undelete it before you publish a new version."));
        }
        Some((_, skill)) if skill.version(&upload.version).is_some() => return Err(exists(&upload.version)),
        Some(_) => {}
    }
    Ok(Target { owner, skill: found, migrates: migrated.is_some() })
}

fn exists(version: &str) -> Refusal {
    Refusal::bad(format!("Version {version} already exists. Increment the version number and try again."))
}

/// Publishes, or says why not; then nothing has changed. `base` is where this registry is.
pub fn publish(app: &App, who: &Who, base: &str, mut upload: Upload) -> Result<Published, Refusal> {
    upload.slug = names::lower(&upload.slug);
    upload.version = upload.version.trim().to_owned();
    let Target { owner, skill, migrates } = admissible(&app.state(), who, &upload)?;
    if upload.signed.is_none() && !who.allow_unsigned {
        return Err(Refusal::forbidden(
            "This registry takes signed skills only. Publish with `weft skill publish`, which signs, or ask whoever runs it for a token with allow-unsigned.",
        ));
    }
    let tags = names::tags(&upload.tags)?;
    let categories = names::categories(&upload.categories)?;
    let topics = names::topics(&upload.topics)?;
    let kinds = std::mem::take(&mut upload.files);
    let (files, kinds) = checked(kinds)?;
    let manifest = manifest(&files)?;
    let hashes: Vec<FileHash> = files.iter().map(|(path, bytes)| FileHash::of(path.clone(), bytes)).collect();
    let hash =
        content_hash(&hashes).map_err(|collision| Refusal::bad(format!("Files collide: {collision}")))?;
    let statement = match &upload.signed {
        Some((text, signature)) => {
            Some(covered(text, signature, &app.origin(base), &owner, &upload.slug, &upload.version, hash)?)
        }
        None => None,
    };
    if let Some(statement) = &statement {
        follows(&app.state(), &owner, skill, statement)?;
    } else {
        unsigned_fits(&app.state(), skill)?;
    }
    let zip = pack(&files)
        .map_err(|problem| Refusal::bad(format!("The skill cannot be packed: {}", problem.what)))?;
    let notes = gate::scan(&app.settings.spool, &files)?;

    // From here on there is nothing left to check but what may have changed meanwhile.
    let blobs = app.store.blobs();
    for (_, content) in &files {
        blobs.put(content)?;
    }
    let zip_hash = blobs.put(&zip)?;
    let listed = hashes.iter().zip(kinds).map(|(file, kind)| File {
        path: file.path.to_string(),
        size: file.size,
        sha256: file.sha256,
        kind,
    });
    let title = [upload.title.trim(), manifest.name.as_deref().unwrap_or("").trim()]
        .into_iter()
        .find(|text| !text.is_empty());
    let summary = [manifest.description.as_deref().unwrap_or("").trim(), upload.summary.trim()]
        .into_iter()
        .find(|text| !text.is_empty());
    let (statement_text, signature) = upload.signed.clone().unwrap_or_default();
    let release = Release {
        owner: owner.clone(),
        slug: upload.slug.clone(),
        version: upload.version.clone(),
        title: cut(&line(title.unwrap_or(&upload.slug)), LONGEST_TITLE),
        summary: cut(&line(summary.unwrap_or("")), LONGEST_SUMMARY),
        icon: cut(manifest.emoji.as_deref().unwrap_or(""), 16),
        changelog: upload.changelog.trim().to_owned(),
        tags,
        categories,
        topics,
        os: manifest.os.clone(),
        setup: setup(&manifest),
        fork_of: cut(&upload.fork_of, LONGEST_SOURCE),
        source: cut(&upload.source, LONGEST_SOURCE),
        content_hash: hash,
        fingerprint: fingerprint(&hashes),
        zip: zip_hash,
        zip_size: zip.len() as u64,
        files: listed.collect(),
        statement: statement_text,
        signature,
        findings: notes.clone(),
        scanner: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let name = format!("{owner}/{}", upload.slug);
    let mut release = Some(Box::new(release));
    // Keys are their owner's: who publishes two skills for the first time at once pins one key.
    let scope = if migrates { Scope::All } else { Scope::Named(&owner) };
    let mut before = 0;
    let first = app.commit(scope, &who.handle, &mut |state| {
        let target = admissible(state, who, &upload)?;
        if target.migrates != migrates {
            return Err(Refusal::new(409, "The skill changed hands meanwhile. Publish once more."));
        }
        match &statement {
            Some(statement) => follows(state, &owner, target.skill, statement)?,
            None => unsigned_fits(state, target.skill)?,
        }
        let moved = target.skill.filter(|_| target.migrates).map(|id| state.name(id));
        let mut events: Vec<What> =
            moved.into_iter().map(|skill| What::Transfer { skill, to: owner.clone() }).collect();
        before = events.len() as u64;
        events.extend(release.take().map(|release| What::Publish { release }));
        Ok(events)
    })?;
    let index = first + before;
    Ok(Published { name, index, version: upload.version, signed: statement.is_some(), notes })
}

/// Checked paths and contents.
type Files = Vec<(SafePath, Vec<u8>)>;

/// Paths, sizes, and what a skill must have; the files, and what they were said to be.
fn checked(incoming: Vec<Incoming>) -> Result<(Files, Vec<String>), Refusal> {
    let (mut files, mut kinds, mut total) = (Vec::new(), Vec::new(), 0u64);
    for file in incoming {
        let path = file.path.trim().trim_start_matches('/').to_owned();
        if is_junk(&path) {
            continue;
        }
        let shown = crate::scan::names::escape(path.as_bytes());
        let safe = SafePath::new(&path)
            .map_err(|fault| Refusal::bad(format!("Invalid file path `{shown}`: it {}", fault.as_str())))?;
        if path.contains("..") {
            return Err(Refusal::bad(format!("Invalid file path `{shown}`: it has `..`")));
        }
        if safe.is_hidden() || safe.is_on_drive() {
            return Err(Refusal::bad(format!(
                "Invalid file path `{shown}`: hidden files and drives are not part of a skill"
            )));
        }
        if path.eq_ignore_ascii_case("skill-card.md") {
            return Err(Refusal::bad(
                "skill-card.md is made by the registry and cannot be published. Remove it.",
            ));
        }
        let size = file.content.len() as u64;
        if size > FILE {
            return Err(Refusal::bad(format!("File `{shown}` exceeds the 10MB limit for one file")));
        }
        total += size;
        if total > TOTAL {
            return Err(Refusal::bad("Skill exceeds the 50MB limit for all files together"));
        }
        files.push((safe, file.content));
        kinds.push(cut(&line(&file.kind), 100));
    }
    if files.len() > FILES {
        return Err(Refusal::bad(format!("Skill has more than {FILES} files")));
    }
    if let Some(collision) = find_collision(files.iter().map(|(path, _)| path)) {
        return Err(Refusal::bad(format!("Files collide: {collision}")));
    }
    if !files.iter().any(|(path, _)| is_skill_file(path.as_str())) {
        return Err(Refusal::bad("SKILL.md is required"));
    }
    Ok((files, kinds))
}

/// What macOS leaves in folders.
fn is_junk(path: &str) -> bool {
    path.split('/')
        .any(|segment| segment == "__MACOSX" || segment == ".DS_Store" || segment.starts_with("._"))
}

fn manifest(files: &[(SafePath, Vec<u8>)]) -> Result<Manifest, Refusal> {
    let exact = files.iter().find(|(path, _)| path.as_str() == "SKILL.md");
    let found = exact.or_else(|| files.iter().find(|(path, _)| is_skill_file(path.as_str())));
    let Some((path, content)) = found else { return Err(Refusal::bad("SKILL.md is required")) };
    let text =
        std::str::from_utf8(content).map_err(|_| Refusal::bad(format!("{path} must be UTF-8 text")))?;
    if text.trim().is_empty() {
        return Err(Refusal::bad(format!("{path} is empty")));
    }
    Manifest::parse(text).map_err(|error| Refusal::bad(format!("{path} line {}: {}", error.line, error.what)))
}

/// What must be set up before it can be used.
fn setup(manifest: &Manifest) -> Vec<Setup> {
    let required = manifest.env.iter().chain(&manifest.config).map(|key| (key, true));
    let known = manifest.env_vars.iter().map(|var| (&var.name, var.required));
    let mut all: Vec<Setup> = Vec::new();
    for (key, required) in required.chain(known) {
        match all.iter_mut().find(|setup| setup.key == *key) {
            Some(setup) => setup.required |= required,
            None => all.push(Setup { key: key.clone(), required }),
        }
    }
    all.truncate(100);
    all
}

/// Is this a statement about exactly this, and does its signature hold?
fn covered(
    text: &str,
    signature: &str,
    registry: &str,
    owner: &str,
    slug: &str,
    version: &str,
    hash: Sha256,
) -> Result<Statement, Refusal> {
    let bad = |what: String| Refusal::bad(format!("Signature refused: {what}"));
    let statement = Statement::parse(text).map_err(|error| bad(error.to_string()))?;
    let signature =
        Signature::parse(signature).ok_or_else(|| bad("it is not 128 lower-case hex digits".into()))?;
    for (what, signed, here) in [
        ("registry", statement.registry.as_str(), registry),
        ("owner", &statement.owner, owner),
        ("slug", &statement.slug, slug),
        ("version", &statement.version, version),
    ] {
        if signed != here {
            return Err(bad(format!("the statement is for the {what} `{signed}`, not `{here}`")));
        }
    }
    if statement.content_hash != hash {
        return Err(bad(format!(
            "the statement is about {}, but the files are {hash}",
            statement.content_hash
        )));
    }
    if !statement.is_signed_by(&signature) {
        return Err(bad("it does not hold under the key that the statement names".into()));
    }
    Ok(statement)
}

/// Is it by the owner's key, and does it follow what was signed before?
fn follows(state: &State, owner: &str, skill: Option<SkillId>, statement: &Statement) -> Result<(), Refusal> {
    let account =
        state.by_handle(owner).ok_or_else(|| Refusal::missing(format!("Publisher @{owner} not found")))?;
    let key = statement.public_key;
    if account.revoked.contains(&key) {
        return Err(Refusal::forbidden(
            "Signature refused: the key was revoked. Sign with the one it was rotated to.",
        ));
    }
    if let Some(pinned) = account.key
        && pinned != key
    {
        return Err(Refusal::forbidden(format!(
            "Signature refused: @{owner} signs with the key {}, this is {}. To change it, publish a rotation letter: weft skill key rotate",
            pinned.fingerprint(),
            key.fingerprint()
        )));
    }
    let last: Option<&Version> = skill.and_then(|id| state.skill(id)).and_then(|skill| skill.last_signed());
    let (seq, previous) = last.map_or((1, None), |last| (u64::from(last.seq) + 1, Some(last.content_hash)));
    if (statement.seq, statement.previous) != (seq, previous) {
        let previous = previous.map_or_else(|| "-".to_owned(), |hash| hash.to_string());
        return Err(Refusal::bad(format!(
            "Signature refused: the statement has number {}, but the next one of this skill is number {seq} after {previous}. Somebody published in between, or an old statement was sent again: publish once more.",
            statement.seq
        )));
    }
    Ok(())
}

/// An unsigned version behind a signed one would be one that no weft installs, and a way in for whoever has only a token.
fn unsigned_fits(state: &State, skill: Option<SkillId>) -> Result<(), Refusal> {
    let signed = skill.and_then(|id| state.skill(id)).is_some_and(|skill| skill.last_signed().is_some());
    match signed {
        true => Err(Refusal::forbidden(
            "Earlier versions of this skill are signed, so this one must be too: publish it with `weft skill publish`.",
        )),
        false => Ok(()),
    }
}

/// White space in one piece, nothing that moves a cursor.
fn line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().filter(|c| !c.is_control()).collect()
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
