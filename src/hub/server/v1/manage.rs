//! What an owner does with a skill that is there: take it away and give it back, versions, tags, names.

use super::show::{found, hidden, reference};
use crate::hub::server::app::{Scope, ok};
use crate::hub::server::auth::Who;
use crate::hub::server::call::{Call, text};
use crate::hub::server::event::What;
use crate::hub::server::names;
use crate::hub::server::refusal::{Answer, Refusal};
use crate::hub::server::state::{Skill, SkillId, State};
use crate::json::Node;

/// A reason, in characters.
pub const LONGEST_REASON: usize = 500;
/// A name stays its owner's for so long after the skill was deleted, in milliseconds.
const RESERVED: u64 = 30 * 86_400_000;

/// A reason that fits.
pub fn reason(text: &str) -> Result<String, Refusal> {
    match text.chars().count() > LONGEST_REASON {
        true => Err(Refusal::bad(format!("Reason is longer than {LONGEST_REASON} characters"))),
        false => Ok(text.trim().to_owned()),
    }
}

/// Owner and name that a change is about: in the body, else in the query.
fn subject(call: &Call, body: &Node, slug: &str, owner_key: &str) -> (Option<String>, String) {
    let owner = text(body, owner_key).or_else(|| call.query(&["ownerHandle", "owner"]));
    reference(slug, owner)
}

/// The skill, if whoever asks may change it.
pub fn owned<'s>(
    state: &'s State,
    who: &Who,
    (owner, slug): &(Option<String>, String),
    base: &str,
) -> Result<(SkillId, &'s Skill), Refusal> {
    let mut id = match found(state, owner.as_deref(), slug, base, true) {
        // Of several, whoever changes one means their own.
        Err(refusal) if refusal.status == 409 => state.exact(&who.handle, slug).ok_or(refusal)?,
        found => found?,
    };
    // So too where only a stranger's is to be seen, because one's own is deleted.
    if owner.is_none() && !who.owns(state, id) {
        id = state.exact(&who.handle, slug).unwrap_or(id);
    }
    let skill = state.skill(id).ok_or_else(Refusal::no_skill)?;
    if who.owns(state, id) {
        return Ok((id, skill));
    }
    if !skill.is_listed() {
        return Err(Refusal::no_skill());
    }
    Err(Refusal::forbidden(format!(
        "Forbidden: @{}/{} belongs to another owner, you are @{}",
        state.handle(skill.owner),
        skill.slug,
        who.handle
    )))
}

/// What becomes of a skill, whose whole name is the last.
type Change<'a> = &'a mut dyn FnMut(&State, SkillId, &Skill, String) -> Result<Vec<What>, Refusal>;

/// Changes a skill as its owner.
pub fn change(call: &Call, subject: &(Option<String>, String), body: Change) -> Result<(), Refusal> {
    let (who, base) = (call.who()?, call.base());
    call.app.commit(Scope::Named(&subject.1), &who.handle, &mut |state| {
        let (id, skill) = owned(state, who, subject, &base)?;
        body(state, id, skill, state.name(id))
    })?;
    Ok(())
}

fn deleted(call: &Call, body: &Node, slug: &str) -> Answer {
    if text(body, "version").is_some() || call.query(&["version"]).is_some() {
        return Err(Refusal::bad(
            "To delete one version use DELETE /api/v1/skills/{slug}/versions/{version}",
        ));
    }
    let why = reason(text(body, "reason").unwrap_or(""))?;
    let subject = subject(call, body, slug, "ownerHandle");
    let (who, base) = (call.who()?, call.base());
    call.app.commit(Scope::Named(&subject.1), &who.handle, &mut |state| {
        let named = || found(state, subject.0.as_deref(), &subject.1, &base, true);
        match owned(state, who, &subject, &base) {
            Ok((_, skill)) if skill.deleted => Ok(Vec::new()),
            // An admin acts as moderation on what is not theirs, so that its owner cannot undo it.
            Ok((id, skill)) if state.acts_for(who.account, skill.owner) => {
                Ok(vec![What::Delete { skill: state.name(id), reason: why.clone() }])
            }
            Ok((id, _)) => Ok(vec![What::Hide { skill: state.name(id), reason: why.clone() }]),
            Err(refusal) if refusal.status == 403 && who.moderates() => {
                Ok(vec![What::Hide { skill: state.name(named()?), reason: why.clone() }])
            }
            Err(refusal) => Err(refusal),
        }
    })?;
    Ok(ok(|w| w.count("slugReservedUntil", call.now + RESERVED)))
}

fn undeleted(call: &Call, body: &Node, slug: &str) -> Answer {
    let subject = subject(call, body, slug, "ownerHandle");
    let (who, base) = (call.who()?, call.base());
    call.app.commit(Scope::Named(&subject.1), &who.handle, &mut |state| {
        let id = match owned(state, who, &subject, &base) {
            Ok((id, _)) => id,
            Err(_) if who.moderates() => found(state, subject.0.as_deref(), &subject.1, &base, true)?,
            Err(refusal) => return Err(refusal),
        };
        let skill = state.skill(id).ok_or_else(Refusal::no_skill)?;
        let mut events = Vec::new();
        match &skill.hidden {
            Some(why) if !who.moderates() => {
                return Err(Refusal::forbidden(format!(
                    "{}. Its owner cannot undo that; you may appeal.",
                    hidden(why)
                )));
            }
            Some(_) => events.push(What::Unhide { skill: state.name(id) }),
            None => {}
        }
        if skill.deleted && who.owns(state, id) {
            events.push(What::Undelete { skill: state.name(id) });
        }
        Ok(events)
    })?;
    Ok(ok(|_| Ok(())))
}

pub fn delete(call: &mut Call) -> Answer {
    let body = call.json()?;
    deleted(call, &body, call.param(0))
}

pub fn undelete(call: &mut Call) -> Answer {
    let body = call.json()?;
    undeleted(call, &body, call.param(0))
}

pub fn delete_by_body(call: &mut Call) -> Answer {
    let body = call.json()?;
    let slug = text(&body, "slug").ok_or_else(|| Refusal::bad("Missing slug"))?;
    deleted(call, &body, slug)
}

pub fn undelete_by_body(call: &mut Call) -> Answer {
    let body = call.json()?;
    let slug = text(&body, "slug").ok_or_else(|| Refusal::bad("Missing slug"))?;
    undeleted(call, &body, slug)
}

/// The version of the address; the body must not say another one.
fn same_version(call: &Call, body: &Node) -> Result<String, Refusal> {
    let version = call.param(1).to_owned();
    match text(body, "version") {
        Some(said) if said != version => {
            Err(Refusal::bad("The version in the body is not the one in the address"))
        }
        _ => Ok(version),
    }
}

pub fn withdraw(call: &mut Call) -> Answer {
    let body = call.json()?;
    let version = same_version(call, &body)?;
    let why = reason(text(&body, "reason").unwrap_or(""))?;
    change(call, &subject(call, &body, call.param(0), "ownerHandle"), &mut |_, _, skill, name| {
        let (place, found) = skill.version(&version).ok_or_else(Refusal::no_version)?;
        if found.withdrawn {
            return Ok(Vec::new());
        }
        if skill.latest == Some(place) {
            return Err(Refusal::bad(
                "The latest version cannot be deleted. Publish a new version or move the tag `latest` first.",
            ));
        }
        Ok(vec![What::Withdraw { skill: name, version: version.clone(), reason: why.clone() }])
    })?;
    Ok(ok(|_| Ok(())))
}

pub fn restore(call: &mut Call) -> Answer {
    let body = call.json()?;
    let version = same_version(call, &body)?;
    change(call, &subject(call, &body, call.param(0), "ownerHandle"), &mut |_, _, skill, name| {
        let (_, found) = skill.version(&version).ok_or_else(Refusal::no_version)?;
        let restore = || What::Restore { skill: name.clone(), version: version.clone() };
        Ok(if found.withdrawn { vec![restore()] } else { Vec::new() })
    })?;
    Ok(ok(|_| Ok(())))
}

pub fn tag(call: &mut Call) -> Answer {
    let body = call.json()?;
    let tag = names::tag(call.param(1))?;
    let version = text(&body, "version").ok_or_else(|| Refusal::bad("Missing version"))?.to_owned();
    let mut slug = String::new();
    change(call, &subject(call, &body, call.param(0), "ownerHandle"), &mut |_, _, skill, name| {
        let (_, found) = skill.version(&version).ok_or_else(Refusal::no_version)?;
        if found.withdrawn {
            return Err(Refusal::new(410, "Version not available"));
        }
        slug = skill.slug.to_string();
        if skill.tagged(&tag).is_some_and(|tagged| *tagged.number == *version) {
            return Ok(Vec::new());
        }
        if skill.tags.len() >= 100 && skill.tagged(&tag).is_none() {
            return Err(Refusal::bad("At most 100 tags"));
        }
        Ok(vec![What::Tag { skill: name, tag: tag.clone(), version: version.clone() }])
    })?;
    Ok(ok(|w| {
        w.field("slug", &slug)?;
        w.field("tag", &tag)?;
        w.field("version", &version)
    }))
}

pub fn rename(call: &mut Call) -> Answer {
    let body = call.json()?;
    let new = names::lower(text(&body, "newSlug").ok_or_else(|| Refusal::bad("Missing newSlug"))?);
    names::new_slug(&new)?;
    let subject = subject(call, &body, call.param(0), "ownerHandle");
    let (who, base) = (call.who()?, call.base());
    let mut previous = String::new();
    call.app.commit(Scope::All, &who.handle, &mut |state| {
        let (id, skill) = owned(state, who, &subject, &base)?;
        if skill.deleted {
            return Err(Refusal::new(410, "Skill is deleted. Undelete it first."));
        }
        previous = skill.slug.to_string();
        if *skill.slug == *new {
            return Err(Refusal::bad("Skill already has this slug"));
        }
        let owner = state.handle(skill.owner);
        if state.exact(owner, &new).is_some() {
            return Err(Refusal::bad(format!("Slug `{new}` is taken: @{owner} has a skill of this name")));
        }
        Ok(vec![What::Rename { skill: state.name(id), slug: new.clone() }])
    })?;
    Ok(ok(|w| {
        w.field("slug", &new)?;
        w.field("previousSlug", &previous)
    }))
}

pub fn merge(call: &mut Call) -> Answer {
    let body = call.json()?;
    let target = text(&body, "targetSlug").ok_or_else(|| Refusal::bad("Missing targetSlug"))?;
    let owner = text(&body, "ownerHandle");
    let target = reference(target, text(&body, "targetOwnerHandle").or(owner));
    let key = if text(&body, "sourceOwnerHandle").is_some() { "sourceOwnerHandle" } else { "ownerHandle" };
    let source = subject(call, &body, call.param(0), key);
    let (who, base) = (call.who()?, call.base());
    let mut names = (String::new(), String::new());
    call.app.commit(Scope::All, &who.handle, &mut |state| {
        let (id, skill) = owned(state, who, &source, &base)?;
        let (into, other) = owned(state, who, &target, &base)?;
        if id == into {
            return Err(Refusal::bad("A skill cannot be merged into itself"));
        }
        if !other.is_listed() {
            return Err(Refusal::missing("Target skill not found"));
        }
        if skill.hidden.is_some() {
            return Err(Refusal::forbidden(hidden(skill.hidden.as_deref().unwrap_or(""))));
        }
        names = (skill.slug.to_string(), other.slug.to_string());
        Ok(vec![What::Merge { skill: state.name(id), into: state.name(into) }])
    })?;
    Ok(ok(|w| {
        w.field("sourceSlug", &names.0)?;
        w.field("targetSlug", &names.1)
    }))
}
