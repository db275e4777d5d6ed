//! How skills, versions and owners look in answers, and which skill a request means. One spelling for all routes.

use crate::hub::server::app::skill_id;
use crate::hub::server::auth::Who;
use crate::hub::server::call::{Call, written};
use crate::hub::server::event::{Event, Release, What};
use crate::hub::server::names;
use crate::hub::server::refusal::Refusal;
use crate::hub::server::state::{Account, Found, Skill, SkillId, State, Version};
use crate::hub::server::store::{Span, Store};
use crate::json::Writer;
use crate::skill::Problem;
use std::io;

/// The only licence there is, and the only one that the real CLI takes.
pub const LICENSE: &str = "MIT-0";

/// Owner and name as somebody wrote them: `slug`, `owner/slug` or `@owner/slug`.
pub fn reference(slug: &str, owner: Option<&str>) -> (Option<String>, String) {
    let slug = names::lower(slug);
    let bare = slug.strip_prefix('@').unwrap_or(&slug);
    match (bare.split_once('/'), owner.map(names::owner).filter(|owner| !owner.is_empty())) {
        (Some((own, name)), None) => (Some(own.to_owned()), name.to_owned()),
        (Some((_, name)), owner) => (owner, name.to_owned()),
        (None, owner) => (owner, bare.to_owned()),
    }
}

/// The skill that the query's `slug` or a parameter and `ownerHandle` name.
pub fn named(call: &Call, state: &State, slug: &str) -> Result<SkillId, Refusal> {
    let (owner, slug) = reference(slug, call.query(&["ownerHandle", "owner"]));
    found(state, owner.as_deref(), &slug, &call.base(), true)
}

/// The skill of this name. More than one is a list of them, as JSON or as a sentence.
pub fn found(
    state: &State,
    owner: Option<&str>,
    slug: &str,
    base: &str,
    as_json: bool,
) -> Result<SkillId, Refusal> {
    match state.find(owner, slug) {
        Found::One(id) => Ok(id),
        Found::None => Err(Refusal::no_skill()),
        Found::Many(all) => Err(ambiguous(state, slug, &all, base, as_json)),
    }
}

fn ambiguous(state: &State, slug: &str, all: &[SkillId], base: &str, as_json: bool) -> Refusal {
    let refs: Vec<String> = all.iter().take(20).map(|id| format!("@{}", state.name(*id))).collect();
    let message = format!("Several owners have a skill `{slug}`: {}. Name the owner.", refs.join(", "));
    if !as_json {
        return Refusal::new(409, message);
    }
    let body = written(|w| {
        w.field("code", "AMBIGUOUS_SKILL_SLUG")?;
        w.field("message", &message)?;
        w.field("slug", slug)?;
        w.key("matches")?.array(|w| {
            all.iter().take(20).filter_map(|id| state.skill(*id)).try_for_each(|skill| {
                let owner = state.handle(skill.owner);
                w.object(|w| {
                    w.field("ownerHandle", owner)?;
                    w.field("slug", &skill.slug)?;
                    w.field("ref", &format!("@{owner}/{}", skill.slug))?;
                    w.field("url", &page(base, owner, &skill.slug))
                })
            })
        })
    });
    let text = String::from_utf8(body).unwrap_or_default();
    Refusal { is_json: true, ..Refusal::new(409, text) }
}

/// May whoever asks see this skill? Its owner is told why others do not.
pub fn visible<'s>(state: &'s State, id: SkillId, who: Option<&Who>) -> Result<&'s Skill, Refusal> {
    let skill = state.skill(id).ok_or_else(Refusal::no_skill)?;
    let knows = who.is_some_and(|who| who.moderates() || who.owns(state, id));
    match (&skill.hidden, skill.deleted) {
        (None, false) => Ok(skill),
        (_, _) if !knows => Err(Refusal::no_skill()),
        (Some(_), _) if who.is_some_and(Who::moderates) => Ok(skill),
        (Some(why), _) => Err(Refusal::forbidden(hidden(why))),
        (None, true) => Err(Refusal::new(
            410,
            format!("Skill is deleted. To give it back: clawhub undelete {}", skill.slug),
        )),
    }
}

/// What moderation has done, in a sentence.
pub fn hidden(why: &str) -> String {
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    format!("Skill is hidden by moderation{why}")
}

/// Can this skill be downloaded? Says to everybody why not, for a program may have known it before.
pub fn downloadable(state: &State, id: SkillId) -> Result<&Skill, Refusal> {
    let skill = state.skill(id).ok_or_else(Refusal::no_skill)?;
    match &skill.hidden {
        Some(why) => Err(Refusal::forbidden(hidden(why))),
        None if skill.deleted => Err(Refusal::new(410, "Skill was removed by its owner")),
        None => Ok(skill),
    }
}

/// The version that a request means, and by what: version, tag, latest. A tag that is not there means the latest where
/// `lenient`.
pub fn chosen<'s>(
    skill: &'s Skill,
    version: Option<&str>,
    tag: Option<&str>,
    lenient: bool,
) -> Result<(&'s Version, &'static str), Refusal> {
    let (found, by) = match (version, tag) {
        (Some(number), _) => (skill.version(number).map(|(_, version)| version), "version"),
        (None, Some(tag)) => match skill.tagged(tag) {
            None if lenient => (skill.latest(), "latest"),
            found => (found, "tag"),
        },
        (None, None) => (skill.latest(), "latest"),
    };
    let version = found.ok_or_else(Refusal::no_version)?;
    if version.withdrawn { Err(Refusal::new(410, "Version not available")) } else { Ok((version, by)) }
}

/// What the log says of a version.
pub fn release(store: &Store, span: Span) -> Result<Release, Problem> {
    match Event::decode(&store.read(span)?)?.what {
        What::Publish { release } => Ok(*release),
        other => Err(Problem::new(
            format!("a version leads to an event of the type `{}`", other.word()),
            "the event log",
            "weft hub verify",
        )),
    }
}

/// The address of a skill's page.
pub fn page(base: &str, owner: &str, slug: &str) -> String {
    format!("{base}/{owner}/skills/{slug}")
}

/// `owner`
pub fn owner(w: &mut Writer, account: Option<&Account>, id: u32) -> io::Result<()> {
    let Some(account) = account else { return w.null() };
    w.object(|w| {
        w.field("handle", &account.handle)?;
        w.field("userId", &format!("u{id}"))?;
        w.field("displayName", &account.name)?;
        w.key("image")?.null()
    })
}

/// `slug` to `updatedAt`: what a skill is called, tagged and counted.
pub fn skill(w: &mut Writer, skill: &Skill) -> io::Result<()> {
    w.field("slug", &skill.slug)?;
    w.field("displayName", &skill.title)?;
    w.field("summary", &skill.summary)?;
    w.field("description", &skill.summary)?;
    match &*skill.icon {
        "" => w.key("icon")?.null()?,
        icon => w.field("icon", icon)?,
    }
    w.strings("topics", skill.topics())?;
    w.key("tags")?.object(|w| {
        if let Some(latest) = skill.latest() {
            w.field("latest", &latest.number)?;
        }
        skill.tags.iter().try_for_each(|(tag, _)| match skill.tagged(tag) {
            Some(version) => w.field(tag, &version.number),
            None => Ok(()),
        })
    })?;
    w.key("stats")?.object(|w| {
        w.count("downloads", skill.counts.downloads)?;
        w.count("stars", skill.stars.into())?;
        w.count("installs", skill.counts.installs)?;
        w.count("installsCurrent", skill.counts.installs)?;
        w.count("installsAllTime", skill.counts.installs)?;
        w.count("versions", skill.versions.iter().filter(|version| !version.withdrawn).count() as u64)?;
        w.count("comments", skill.comments.into())
    })?;
    w.count("createdAt", skill.created)?;
    w.count("updatedAt", skill.updated)
}

/// `latestVersion` of a list or a skill.
pub fn latest(w: &mut Writer, version: &Version, changelog: &str) -> io::Result<()> {
    w.object(|w| {
        w.field("version", &version.number)?;
        w.count("createdAt", version.at)?;
        w.field("changelog", changelog)?;
        w.field("license", LICENSE)
    })
}

/// A skill in a list.
pub fn item(w: &mut Writer, state: &State, id: SkillId) -> io::Result<()> {
    let Some(one) = state.skill(id) else { return Ok(()) };
    w.object(|w| {
        skill(w, one)?;
        // Left out where there is none: the real CLI stumbles over null here.
        if let Some(version) = one.latest() {
            latest(w.key("latestVersion")?, version, "")?;
        }
        w.key("metadata")?.null()?;
        w.field("ownerHandle", state.handle(one.owner))?;
        owner(w.key("owner")?, state.account(one.owner), one.owner)?;
        w.key("signed")?.boolean(one.latest().is_some_and(Version::is_signed))?;
        if state.is_deprecated(id) {
            w.key("deprecated")?.boolean(true)?;
        }
        w.field("id", &skill_id(id))
    })
}

/// What a skill needs.
pub fn metadata(w: &mut Writer, release: &Release) -> io::Result<()> {
    if release.setup.is_empty() && release.os.is_empty() {
        return w.null();
    }
    w.object(|w| {
        w.key("setup")?.array(|w| {
            release.setup.iter().try_for_each(|setup| {
                w.object(|w| {
                    w.field("key", &setup.key)?;
                    w.key("required")?.boolean(setup.required)
                })
            })
        })?;
        match release.os.is_empty() {
            true => w.key("os")?.null()?,
            false => w.strings("os", release.os.iter().map(String::as_str))?,
        }
        w.key("systems")?.null()
    })
}

/// `signature`: the statement of the owner, for whoever wants to check it.
pub fn signature(w: &mut Writer, version: &Version, release: &Release) -> io::Result<()> {
    w.object(|w| {
        w.field("status", if version.is_signed() { "signed" } else { "unsigned" })?;
        w.field("contentHash", &version.content_hash.to_string())?;
        if version.is_signed() {
            w.field("algorithm", "ed25519")?;
            w.field("statement", &release.statement)?;
            w.field("signature", &release.signature)?;
            let key = release.statement.lines().find_map(|line| line.strip_prefix("public_key "));
            w.field("publicKey", key.unwrap_or(""))?;
        }
        Ok(())
    })
}

/// What the next signed statement must say: its number, and the content hash of the one before.
pub fn next(w: &mut Writer, skill: &Skill) -> io::Result<()> {
    let last = skill.last_signed();
    w.object(|w| {
        w.count("seq", last.map_or(1, |last| u64::from(last.seq) + 1))?;
        match last {
            Some(last) => w.field("previous", &last.content_hash.to_string()),
            None => w.key("previous")?.null(),
        }
    })
}
