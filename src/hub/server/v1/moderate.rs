//! What moderators see and decide, and what is said of a skill that they have decided about.

use super::manage::reason;
use super::show::named;
use crate::hub::server::app::{Scope, ok, skill_id};
use crate::hub::server::call::{Call, object, text};
use crate::hub::server::event::What;
use crate::hub::server::refusal::{Answer, Refusal};
use crate::hub::server::state::{Report, State};
use crate::json::Writer;
use std::io;

pub fn moderation(call: &mut Call) -> Answer {
    let state = call.app.state();
    let id = named(call, &state, call.param(0))?;
    let skill = state.skill(id).ok_or_else(Refusal::no_skill)?;
    let knows = call.who.as_ref().is_some_and(|who| who.moderates() || who.owns(&state, id));
    let Some(why) = skill.hidden.as_ref().filter(|_| knows) else {
        return Err(Refusal::missing("Moderation details unavailable"));
    };
    Ok(object(|w| {
        w.key("moderation")?.object(|w| {
            w.key("isSuspicious")?.boolean(true)?;
            w.key("isMalwareBlocked")?.boolean(true)?;
            w.field("verdict", "malicious")?;
            w.strings("reasonCodes", ["moderation.hidden"])?;
            w.field("summary", why)?;
            w.field("engineVersion", env!("CARGO_PKG_VERSION"))?;
            w.count("updatedAt", skill.touched)?;
            w.key("legacyReason")?.null()?;
            w.key("evidence")?.array(|_| Ok(()))
        })
    }))
}

fn list(call: &Call, appeals: bool) -> Answer {
    let wanted = call.query(&["status"]).unwrap_or("open");
    let limit = call.number("limit", 50, 200)?;
    let before = match call.query(&["cursor"]) {
        None => u64::MAX,
        Some(text) => text.parse().map_err(|_| Refusal::bad("Invalid cursor"))?,
    };
    let state = call.app.state();
    let fits = |(id, report): &(u64, &Report)| {
        *id < before && report.is_appeal == appeals && (wanted == "all" || *report.status == *wanted)
    };
    let found: Vec<(u64, &Report)> = state.reports().rev().filter(fits).take(limit).collect();
    let next = found.last().filter(|_| found.len() == limit).map(|(id, _)| id.to_string());
    Ok(object(|w| {
        w.key("items")?.array(|w| found.iter().try_for_each(|(id, report)| one(w, &state, *id, report)))?;
        match &next {
            Some(next) => w.field("nextCursor", next)?,
            None => w.key("nextCursor")?.null()?,
        }
        w.key("done")?.boolean(next.is_none())
    }))
}

fn one(w: &mut Writer, state: &State, id: u64, report: &Report) -> io::Result<()> {
    let Some(skill) = state.skill(report.skill) else { return Ok(()) };
    w.object(|w| {
        w.field(if report.is_appeal { "appealId" } else { "reportId" }, &format!("r{id}"))?;
        w.field("skillId", &skill_id(report.skill))?;
        w.field("slug", &skill.slug)?;
        w.field("displayName", &skill.title)?;
        w.field("ownerHandle", state.handle(skill.owner))?;
        match &*report.version {
            "" => w.key("version")?.null()?,
            version => w.field("version", version)?,
        }
        w.field(if report.is_appeal { "message" } else { "reason" }, &report.reason)?;
        w.field("status", &report.status)?;
        w.key("hidden")?.boolean(skill.hidden.is_some())?;
        w.count("createdAt", report.at)?;
        let key = if report.is_appeal { "submitter" } else { "reporter" };
        w.key(key)?.object(|w| {
            w.field("userId", &format!("u{}", report.by))?;
            w.field("handle", state.handle(report.by))?;
            w.field("displayName", state.account(report.by).map_or("", |account| &account.name))
        })?;
        let key = if report.is_appeal { "resolutionNote" } else { "triageNote" };
        match &*report.note {
            "" => w.key(key)?.null(),
            note => w.field(key, note),
        }
    })
}

pub fn reports(call: &mut Call) -> Answer {
    list(call, false)
}

pub fn appeals(call: &mut Call) -> Answer {
    list(call, true)
}

fn decide(call: &mut Call, appeals: bool) -> Answer {
    let body = call.json()?;
    let id = call
        .param(0)
        .trim_start_matches('r')
        .parse::<u64>()
        .map_err(|_| Refusal::missing("Report not found"))?;
    let (known, action, acts): (&[&str], &str, &str) = match appeals {
        true => (&["open", "accepted", "rejected"], "restore", "accepted"),
        false => (&["open", "confirmed", "dismissed"], "hide", "confirmed"),
    };
    let status = text(&body, "status").unwrap_or("").to_owned();
    if !known.contains(&status.as_str()) {
        return Err(Refusal::bad(format!("status must be one of: {}", known.join(", "))));
    }
    let acting = match text(&body, "finalAction") {
        None | Some("none") => false,
        Some(word) if word == action && status == acts => true,
        Some(_) => {
            return Err(Refusal::bad(format!(
                "finalAction must be none, or {action} with the status {acts}"
            )));
        }
    };
    let note = reason(text(&body, "note").unwrap_or(""))?;
    let who = call.who()?;
    let (mut subject, mut count) = (0, 0);
    call.app.commit(Scope::All, &who.handle, &mut |state| {
        let report = state.report(id).filter(|report| report.is_appeal == appeals);
        let report = report.ok_or_else(|| Refusal::missing("Report not found"))?;
        (subject, count) = (report.skill, state.reporters(report.skill));
        let mut events = vec![What::Triage { id, status: status.clone(), note: note.clone() }];
        let hidden = state.skill(report.skill).is_some_and(|skill| skill.hidden.is_some());
        let skill = state.name(report.skill);
        match (acting, appeals, hidden) {
            (true, false, false) => events.push(What::Hide { skill, reason: note.clone() }),
            (true, true, true) => events.push(What::Unhide { skill }),
            _ => {}
        }
        Ok(events)
    })?;
    Ok(ok(|w| {
        w.field(if appeals { "appealId" } else { "reportId" }, &format!("r{id}"))?;
        w.field("skillId", &skill_id(subject))?;
        w.field("status", &status)?;
        w.count("reportCount", count as u64)?;
        w.field("actionTaken", if acting { action } else { "none" })
    }))
}

pub fn triage(call: &mut Call) -> Answer {
    decide(call, false)
}

pub fn resolve(call: &mut Call) -> Answer {
    decide(call, true)
}
