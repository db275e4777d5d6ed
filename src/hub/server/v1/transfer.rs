//! Giving a skill to another owner: offered by one, taken by the other.

use super::manage::{LONGEST_REASON, owned};
use super::show::reference;
use crate::hub::server::app::{Scope, ok, skill_id};
use crate::hub::server::auth::Who;
use crate::hub::server::call::{Call, object, text};
use crate::hub::server::event::What;
use crate::hub::server::names;
use crate::hub::server::refusal::{Answer, Refusal};
use crate::hub::server::state::{AccountId, State, Transfer};
use crate::json::Writer;
use std::io;

/// How long an offer stands, in milliseconds.
const STANDS: u64 = 7 * 86_400_000;
/// Offers of one account at a time.
const MOST: usize = 50;

pub fn ask(call: &mut Call) -> Answer {
    let body = call.json()?;
    let to = names::owner(text(&body, "toUserHandle").ok_or_else(|| Refusal::bad("Missing toUserHandle"))?);
    let message = text(&body, "message").unwrap_or("").to_owned();
    if message.chars().count() > LONGEST_REASON {
        return Err(Refusal::bad("Message is too long"));
    }
    let owner = call.query(&["ownerHandle", "owner"]).or(text(&body, "ownerHandle"));
    let subject = reference(call.param(0), owner);
    let (who, base, now) = (call.who()?, call.base(), call.now);
    let (expires, mut direct, mut slug) = (now + STANDS, false, String::new());
    let index = call.app.commit(Scope::All, &who.handle, &mut |state| {
        let (id, skill) = owned(state, who, &subject, &base)?;
        slug = skill.slug.to_string();
        let target =
            state.account_id(&to).ok_or_else(|| Refusal::missing(format!("User @{to} not found")))?;
        if target == skill.owner {
            return Err(Refusal::bad("The skill belongs to that owner already"));
        }
        if state.exact(&to, &skill.slug).is_some() {
            return Err(Refusal::bad(format!("@{to} has a skill `{}` already", skill.slug)));
        }
        // Who acts for the other side too needs no answer.
        direct = state.acts_for(who.account, target);
        if direct {
            return Ok(vec![What::Transfer { skill: state.name(id), to: to.clone() }]);
        }
        let open = |transfer: &Transfer| transfer.expires > now && transfer.from == who.account;
        if state.transfers().filter(|(_, transfer)| open(transfer)).count() >= MOST {
            return Err(Refusal::bad("Too many open transfers. Cancel some first."));
        }
        if state.transfers().any(|(_, transfer)| transfer.skill == id && transfer.expires > now) {
            return Err(Refusal::bad("A transfer of this skill is open already. Cancel it first."));
        }
        let message = message.clone();
        Ok(vec![What::TransferAsk { skill: state.name(id), to: to.clone(), message, expires }])
    })?;
    Ok(ok(|w| match direct {
        true => {
            w.key("transferred")?.boolean(true)?;
            w.field("toPublisherHandle", &to)?;
            w.field("skillSlug", &slug)
        }
        false => {
            w.field("transferId", &format!("t{index}"))?;
            w.field("toUserHandle", &to)?;
            w.count("expiresAt", expires)
        }
    }))
}

/// The open transfer of a skill that fits.
fn open<'s>(
    state: &'s State,
    call: &Call,
    fits: &dyn Fn(&Transfer) -> bool,
) -> Result<(u64, &'s Transfer), Refusal> {
    let (owner, slug) = reference(call.param(0), call.query(&["ownerHandle", "owner"]));
    let named = |transfer: &Transfer| {
        let skill = state.skill(transfer.skill);
        skill.is_some_and(|skill| {
            *skill.slug == *slug && owner.as_deref().is_none_or(|owner| owner == state.handle(skill.owner))
        })
    };
    let found = state
        .transfers()
        .find(|(_, transfer)| transfer.expires > call.now && named(transfer) && fits(transfer));
    found.ok_or_else(|| Refusal::missing("No pending transfer found"))
}

fn end(call: &Call, how: &str, fits: &dyn Fn(&State, &Who, &Transfer) -> bool) -> Answer {
    let who = call.who()?;
    let mut slug = String::new();
    call.app.commit(Scope::All, &who.handle, &mut |state| {
        let (id, transfer) = open(state, call, &|transfer| fits(state, who, transfer))?;
        let skill = state.skill(transfer.skill).ok_or_else(Refusal::no_skill)?;
        slug = skill.slug.to_string();
        let mut events = vec![What::TransferEnd { id, how: how.to_owned() }];
        if how == "accept" {
            let to = state.handle(transfer.to).to_owned();
            if skill.hidden.is_some() {
                return Err(Refusal::forbidden("Skill is hidden by moderation"));
            }
            if state.exact(&to, &skill.slug).is_some() {
                return Err(Refusal::bad(format!(
                    "You have a skill `{}` already: rename it first",
                    skill.slug
                )));
            }
            events.push(What::Transfer { skill: state.name(transfer.skill), to });
        }
        Ok(events)
    })?;
    Ok(ok(|w| w.field("skillSlug", &slug)))
}

fn is_to(state: &State, who: &Who, transfer: &Transfer) -> bool {
    state.acts_for(who.account, transfer.to)
}

fn is_from(state: &State, who: &Who, transfer: &Transfer) -> bool {
    transfer.from == who.account || who.owns(state, transfer.skill)
}

pub fn accept(call: &mut Call) -> Answer {
    end(call, "accept", &is_to)
}

pub fn reject(call: &mut Call) -> Answer {
    end(call, "reject", &is_to)
}

pub fn cancel(call: &mut Call) -> Answer {
    end(call, "cancel", &is_from)
}

fn list(call: &Call, other: &str, fits: &dyn Fn(&State, &Who, &Transfer) -> bool) -> Answer {
    let who = call.who()?;
    let state = call.app.state();
    let person = |w: &mut Writer, id: AccountId| -> io::Result<()> {
        w.object(|w| {
            w.field("_id", &format!("u{id}"))?;
            w.field("handle", state.handle(id))?;
            w.field("displayName", state.account(id).map_or("", |account| &account.name))
        })
    };
    let mine =
        state.transfers().filter(|(_, transfer)| transfer.expires > call.now && fits(&state, who, transfer));
    Ok(object(|w| {
        w.key("transfers")?.array(|w| {
            mine.into_iter().try_for_each(|(id, transfer)| {
                let Some(skill) = state.skill(transfer.skill) else { return Ok(()) };
                w.object(|w| {
                    w.field("_id", &format!("t{id}"))?;
                    w.key("skill")?.object(|w| {
                        w.field("_id", &skill_id(transfer.skill))?;
                        w.field("slug", &skill.slug)?;
                        w.field("displayName", &skill.title)
                    })?;
                    person(w.key(other)?, if other == "fromUser" { transfer.from } else { transfer.to })?;
                    if !transfer.message.is_empty() {
                        w.field("message", &transfer.message)?;
                    }
                    w.count("requestedAt", transfer.at)?;
                    w.count("expiresAt", transfer.expires)
                })
            })
        })
    }))
}

pub fn incoming(call: &mut Call) -> Answer {
    list(call, "fromUser", &is_to)
}

pub fn outgoing(call: &mut Call) -> Answer {
    list(call, "toUser", &is_from)
}
