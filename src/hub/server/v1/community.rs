//! What others do with a skill: stars, reports, installs; organisations; letters about keys.

use super::manage::{change, reason};
use super::show::{found, named, reference, visible};
use crate::hub::server::app::{Scope, lock, ok, skill_id};
use crate::hub::server::call::{Call, text};
use crate::hub::server::event::What;
use crate::hub::server::names;
use crate::hub::server::refusal::{Answer, Refusal};
use crate::hub::server::state::{SkillId, State};
use crate::json::Node;
use crate::trust::{Revocation, Rotation};

/// Open reports of one account.
const MOST_REPORTS: usize = 20;
/// So many who report a skill hide it until a moderator has looked.
pub const HIDING: usize = 4;
const LONGEST_NAME: usize = 120;
/// Organisations that one account may found.
const MOST_ORGS: usize = 20;

/// Sets a star or takes it away. True if that changed something.
pub fn set_star(
    call: &Call,
    skill: &dyn Fn(&State) -> Result<SkillId, Refusal>,
    on: bool,
) -> Result<bool, Refusal> {
    let who = call.who()?;
    let mut changed = false;
    call.app.commit(Scope::Named(&who.handle), &who.handle, &mut |state| {
        let id = skill(state)?;
        visible(state, id, call.who.as_ref())?;
        changed = state.has_starred(who.account, id) != on;
        let skill = state.name(id);
        Ok(match (changed, on) {
            (false, _) => Vec::new(),
            (true, true) => vec![What::Star { skill }],
            (true, false) => vec![What::Unstar { skill }],
        })
    })?;
    Ok(changed)
}

fn starred(call: &mut Call, on: bool) -> Answer {
    let slug = call.param(0).to_owned();
    let changed = set_star(call, &|state| named(call, state, &slug), on)?;
    let (done, already) = if on { ("starred", "alreadyStarred") } else { ("unstarred", "alreadyUnstarred") };
    Ok(ok(|w| {
        w.key(done)?.boolean(true)?;
        w.key(already)?.boolean(!changed)
    }))
}

pub fn star(call: &mut Call) -> Answer {
    starred(call, true)
}

pub fn unstar(call: &mut Call) -> Answer {
    starred(call, false)
}

pub fn report(call: &mut Call) -> Answer {
    let body = call.json()?;
    let why = reason(text(&body, "reason").ok_or_else(|| Refusal::bad("Reason is required"))?)?;
    let version = text(&body, "version").unwrap_or("").to_owned();
    let slug = call.param(0).to_owned();
    let who = call.who()?;
    let (mut skill, mut earlier, mut count) = (0, None, 0);
    let index = call.app.commit(Scope::Named(&slug), &who.handle, &mut |state| {
        let id = named(call, state, &slug)?;
        let one = visible(state, id, call.who.as_ref())?;
        if !version.is_empty() && one.version(&version).is_none() {
            return Err(Refusal::no_version());
        }
        skill = id;
        let open = || {
            state
                .reports()
                .filter(|(_, report)| report.is_open() && !report.is_appeal && report.by == who.account)
        };
        earlier = open().find(|(_, report)| report.skill == id).map(|(index, _)| index);
        count = state.reporters(id);
        if earlier.is_some() {
            return Ok(Vec::new());
        }
        if open().count() >= MOST_REPORTS {
            return Err(Refusal::new(
                429,
                "Too many of your reports are open. Wait until moderators have looked at them.",
            ));
        }
        count += 1;
        let name = state.name(id);
        let mut events = vec![What::Report {
            kind: "report".into(),
            skill: name.clone(),
            version: version.clone(),
            reason: why.clone(),
        }];
        if count >= HIDING && one.hidden.is_none() {
            events.push(What::Hide { skill: name, reason: format!("reported by {count} users") });
        }
        Ok(events)
    })?;
    Ok(ok(|w| {
        w.key("reported")?.boolean(true)?;
        w.key("alreadyReported")?.boolean(earlier.is_some())?;
        w.field("reportId", &format!("r{}", earlier.unwrap_or(index)))?;
        w.field("skillId", &skill_id(skill))?;
        w.count("reportCount", count as u64)
    }))
}

pub fn appeal(call: &mut Call) -> Answer {
    let body = call.json()?;
    let message = reason(text(&body, "message").ok_or_else(|| Refusal::bad("Message is required"))?)?;
    let version = text(&body, "version").unwrap_or("").to_owned();
    let subject =
        reference(call.param(0), call.query(&["ownerHandle", "owner"]).or(text(&body, "ownerHandle")));
    let (who, base) = (call.who()?, call.base());
    let (mut skill, mut earlier) = (0, None);
    let index = call.app.commit(Scope::Named(&subject.1), &who.handle, &mut |state| {
        let (id, one) = super::manage::owned(state, who, &subject, &base)?;
        if one.hidden.is_none() {
            return Err(Refusal::bad("The skill is not hidden: there is nothing to appeal against"));
        }
        skill = id;
        earlier = state
            .reports()
            .find(|(_, report)| report.is_appeal && report.is_open() && report.skill == id)
            .map(|(at, _)| at);
        let event = || What::Report {
            kind: "appeal".into(),
            skill: state.name(id),
            version: version.clone(),
            reason: message.clone(),
        };
        Ok(if earlier.is_some() { Vec::new() } else { vec![event()] })
    })?;
    Ok(ok(|w| {
        w.key("submitted")?.boolean(true)?;
        w.key("alreadyOpen")?.boolean(earlier.is_some())?;
        w.field("appealId", &format!("r{}", earlier.unwrap_or(index)))?;
        w.field("skillId", &skill_id(skill))?;
        w.field("status", "open")
    }))
}

/// Of the real CLI, after an install. Whatever it says, the answer is yes: nobody's install depends on it.
pub fn installed(call: &mut Call) -> Answer {
    let body = call.json()?;
    let account = call.who()?.account;
    if let Some(slug) = text(&body, "slug") {
        let (owner, slug) = reference(slug, text(&body, "ownerHandle"));
        let id = found(&call.app.state(), owner.as_deref(), &slug, "", false);
        if let Ok(id) = id {
            lock(&call.app.seen).install(id, account, call.now);
        }
    }
    Ok(ok(|_| Ok(())))
}

pub fn publisher(call: &mut Call) -> Answer {
    let body = call.json()?;
    let handle = names::owner(text(&body, "handle").ok_or_else(|| Refusal::bad("Missing handle"))?);
    names::new_handle(&handle)?;
    let name = text(&body, "displayName").unwrap_or(&handle).chars().filter(|c| !c.is_control());
    let name: String = name.take(LONGEST_NAME).collect();
    let who = call.who()?;
    call.app.commit(Scope::All, &who.handle, &mut |state| {
        if state.account_id(&handle).is_some() {
            return Err(Refusal::new(409, format!("Publisher @{handle} already exists")));
        }
        let mine = |account: &&crate::hub::server::state::Account| {
            account.is_org && account.members.first() == Some(&who.account)
        };
        if state.accounts().iter().filter(mine).count() >= MOST_ORGS {
            return Err(Refusal::bad(format!("At most {MOST_ORGS} publishers can be made by one account")));
        }
        Ok(vec![What::Org { handle: handle.clone(), name: name.clone() }])
    })?;
    let id = call.app.state().account_id(&handle).unwrap_or_default();
    Ok(ok(|w| {
        w.field("publisherId", &format!("u{id}"))?;
        w.field("handle", &handle)?;
        w.key("created")?.boolean(true)?;
        w.key("trusted")?.boolean(false)
    }))
}

/// `{"handle","remove"?}`: by a member.
pub fn member(call: &mut Call) -> Answer {
    let body = call.json()?;
    let org = names::owner(call.param(0));
    let handle = names::owner(text(&body, "handle").ok_or_else(|| Refusal::bad("Missing handle"))?);
    let on = body.get("remove").and_then(Node::as_bool) != Some(true);
    let who = call.who()?;
    call.app.commit(Scope::All, &who.handle, &mut |state| {
        let id = state.account_id(&org).ok_or_else(|| Refusal::missing("Publisher not found"))?;
        let account = state
            .account(id)
            .filter(|account| account.is_org)
            .ok_or_else(|| Refusal::bad("Not an organisation"))?;
        if !state.acts_for(who.account, id) {
            return Err(Refusal::forbidden(format!("Forbidden: you are no member of @{org}")));
        }
        let member = state.by_handle(&handle).filter(|member| !member.is_org);
        let member = member
            .and_then(|_| state.account_id(&handle))
            .ok_or_else(|| Refusal::missing(format!("User @{handle} not found")))?;
        let is = account.members.contains(&member);
        if !on && account.members.len() == 1 && is {
            return Err(Refusal::bad("The last member cannot leave"));
        }
        Ok(if is == on {
            Vec::new()
        } else {
            vec![What::Member { org: org.clone(), handle: handle.clone(), on }]
        })
    })?;
    Ok(ok(|w| w.field("handle", &org)))
}

/// `{"letter"}`: what an owner says about keys. Whoever brings it, its signatures make it true; a rotation must follow the
/// key that counts now.
pub fn letter(call: &mut Call) -> Answer {
    let body = call.json()?;
    let letter =
        body.get("letter").and_then(Node::as_str).ok_or_else(|| Refusal::bad("Missing letter"))?.to_owned();
    let origin = call.app.origin(&call.base());
    let who = call.who()?;
    call.app.commit(Scope::All, &who.handle, &mut |state| {
        let bad = |what: &str| Refusal::bad(format!("Letter refused: {what}"));
        let known = |account: &crate::hub::server::state::Account| {
            account.letters.iter().any(|kept| **kept == *letter)
        };
        let event = || What::Letter { text: letter.clone() };
        if let Some(rotation) = Rotation::read(&letter) {
            let account =
                state.by_handle(&rotation.owner).ok_or_else(|| bad("its owner is not known here"))?;
            if rotation.registry != origin {
                return Err(bad(&format!("it is for the registry `{}`, not `{origin}`", rotation.registry)));
            }
            if known(account) {
                return Ok(Vec::new());
            }
            if account.key != Some(rotation.old) || account.revoked.contains(&rotation.old) {
                return Err(bad("the old key is not the one that counts for this owner"));
            }
            return Ok(vec![event()]);
        }
        let revocation =
            Revocation::read(&letter).ok_or_else(|| bad("it is none, or its signature does not hold"))?;
        if state.accounts().iter().any(known) {
            return Ok(Vec::new());
        }
        match state
            .accounts()
            .iter()
            .any(|account| account.key == Some(revocation.public_key) || !account.letters.is_empty())
        {
            true => Ok(vec![event()]),
            false => Err(bad("nobody here signs with this key")),
        }
    })?;
    Ok(ok(|_| Ok(())))
}

/// Deprecates a version, or all of it; an empty reason takes it back.
pub fn deprecate(
    call: &Call,
    subject: &(Option<String>, String),
    version: &str,
    why: &str,
) -> Result<(), Refusal> {
    change(call, subject, &mut |_, _, skill, name| {
        if !version.is_empty() && skill.version(version).is_none() {
            return Err(Refusal::no_version());
        }
        Ok(vec![What::Deprecate { skill: name, version: version.to_owned(), reason: why.to_owned() }])
    })
}
