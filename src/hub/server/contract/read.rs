//! What weft's own API tells.

use super::{Part, bounds, envelope, named};
use crate::hub::server::call::Call;
use crate::hub::server::event::Release;
use crate::hub::server::refusal::{Answer, Refusal};
use crate::hub::server::rendered;
use crate::hub::server::state::{Order, Skill, SkillId, State, Version};
use crate::hub::server::v1::{files, show};
use crate::json::Writer;
use std::io;

/// Entries of one answer.
const MOST: usize = 200;

pub fn whoami(call: &mut Call) -> Answer {
    let who = call.who()?;
    Ok(envelope(None, &mut |w| {
        w.object(|w| {
            w.field("handle", &who.handle)?;
            w.field("role", who.role.as_str())?;
            w.key("allow_unsigned")?.boolean(who.allow_unsigned)
        })
    }))
}

/// `SkillEntry` of a version; without `release` what lists need.
fn entry(
    w: &mut Writer,
    state: &State,
    id: SkillId,
    version: Option<&Version>,
    release: Option<&Release>,
) -> io::Result<()> {
    let Some(skill) = state.skill(id) else { return Ok(()) };
    w.object(|w| {
        w.field("id", &state.name(id))?;
        w.field("name", &skill.slug)?;
        w.field("title", &skill.title)?;
        w.field("description", &skill.summary)?;
        w.field("author", state.handle(skill.owner))?;
        w.strings("tags", skill.topics())?;
        w.count("stars", skill.stars.into())?;
        w.count("downloads", skill.counts.downloads)?;
        w.count("comments", skill.comments.into())?;
        match skill.rating() {
            Some((tenths, _)) => w.key("rating")?.decimal(tenths.into(), 1)?,
            None => w.key("rating")?.null()?,
        }
        w.count("ratings", skill.ratings.1.into())?;
        w.count(
            "updated_at",
            if skill.is_listed() { skill.touched.max(skill.updated) } else { skill.touched },
        )?;
        match version {
            Some(version) => of_version(w, state, (id, skill), version)?,
            None => w.key("withdrawn")?.boolean(true)?,
        }
        match (version, release) {
            (Some(version), Some(release)) => details(w, version, release),
            _ => Ok(()),
        }
    })
}

fn of_version(
    w: &mut Writer,
    state: &State,
    (id, skill): (SkillId, &Skill),
    version: &Version,
) -> io::Result<()> {
    w.field("version", &version.number)?;
    w.field("content_hash", &version.content_hash.to_string())?;
    w.key("signed")?.boolean(version.is_signed())?;
    w.field("verdict", if skill.hidden.is_some() { "malicious" } else { "clean" })?;
    w.key("warned")?.boolean(version.warned)?;
    w.count("published_at", version.at)?;
    w.key("withdrawn")?.boolean(version.withdrawn || !skill.is_listed())?;
    let place = skill.version(&version.number).map(|(place, _)| place).filter(|_| version.deprecated);
    let reason = place.and_then(|place| state.reason(id, Some(place))).or_else(|| state.reason(id, None));
    match reason {
        Some(reason) => w.field("deprecated", reason),
        None => w.key("deprecated")?.null(),
    }
}

fn details(w: &mut Writer, version: &Version, release: &Release) -> io::Result<()> {
    w.field("changelog", &release.changelog)?;
    if version.is_signed() {
        w.field("statement", &release.statement)?;
        w.field("signature", &release.signature)?;
        let key = release.statement.lines().find_map(|line| line.strip_prefix("public_key "));
        w.field("public_key", key.unwrap_or(""))?;
    }
    w.key("files")?.array(|w| {
        release.files.iter().try_for_each(|file| {
            w.object(|w| {
                w.field("path", &file.path)?;
                w.count("size", file.size)?;
                w.field("sha256", &file.sha256.to_string())
            })
        })
    })?;
    w.strings("reasons", release.findings.iter().map(|note| note.rule.as_str()))?;
    w.key("weft")?.object(|w| w.key("log")?.object(|w| w.count("index", version.index)))
}

/// Skills by their latest version.
fn entries(state: &State, ids: &[SkillId], part: Part) -> Answer {
    Ok(envelope(Some(part), &mut |w| {
        w.array(|w| {
            ids.iter().try_for_each(|id| {
                let version = state.skill(*id).and_then(Skill::latest).filter(|_| state.is_listed(*id));
                entry(w, state, *id, version, None)
            })
        })
    }))
}

pub fn list(call: &mut Call) -> Answer {
    let (offset, limit) = bounds(call, MOST)?;
    let order = match call.query(&["sort"]) {
        None | Some("updated") => Order::Updated,
        Some("created") => Order::Created,
        Some("downloads") => Order::Downloads,
        Some("stars") => Order::Stars,
        Some("trending") => Order::Trending,
        Some(_) => return Err(Refusal::bad("Invalid sort: updated, created, downloads, stars or trending")),
    };
    let state = call.app.state();
    let ids: Vec<SkillId> =
        state.page(order, None, offset.saturating_add(limit)).into_iter().skip(offset).collect();
    entries(&state, &ids, Part { total: state.listed(), offset, limit })
}

pub fn search(call: &mut Call) -> Answer {
    let (offset, limit) = bounds(call, MOST)?;
    let query = call.query(&["q"]).unwrap_or("").to_owned();
    let state = call.app.state();
    let found = state.search(&query, offset.saturating_add(limit).min(10 * MOST));
    let total = found.len();
    let ids: Vec<SkillId> = found.into_iter().map(|(id, _)| id).skip(offset).take(limit).collect();
    entries(&state, &ids, Part { total, offset, limit })
}

pub fn catalog(call: &mut Call) -> Answer {
    let (offset, limit) = bounds(call, MOST)?;
    let since = match call.query(&["since"]) {
        None => 0,
        Some(text) => text.parse().map_err(|_| Refusal::bad("Invalid since: milliseconds since 1970"))?,
    };
    let state = call.app.state();
    let (total, ids) = state.changed(since, offset, limit);
    entries(&state, &ids, Part { total, offset, limit })
}

pub fn skill(call: &mut Call) -> Answer {
    let state = call.app.state();
    let id = named(call, &state)?;
    let skill = show::visible(&state, id, call.who.as_ref())?;
    let (version, _) = show::chosen(skill, call.query(&["version"]), None, false)?;
    let make = || -> Answer {
        let release = show::release(&call.app.store, version.span)?;
        let letters =
            state.account(skill.owner).map(|account| account.letters.as_slice()).unwrap_or_default();
        Ok(envelope(None, &mut |w| {
            w.object(|w| {
                flat(w, &state, id, version, &release)?;
                w.strings("letters", letters.iter().map(|letter| &**letter))?;
                show::next(w.key("next")?, skill)
            })
        }))
    };
    rendered::json(call.app, &state, format!("entry {id} {}", version.number), &make)
}

/// The members of an entry, within an object that has more.
fn flat(w: &mut Writer, state: &State, id: SkillId, version: &Version, release: &Release) -> io::Result<()> {
    let mut bytes = Vec::new();
    entry(&mut Writer::new(&mut bytes), state, id, Some(version), Some(release))?;
    let text = String::from_utf8(bytes).unwrap_or_default();
    let node = crate::json::parse(&text).map_err(|_| io::ErrorKind::InvalidData)?;
    node.as_object().unwrap_or_default().iter().try_for_each(|(key, value)| w.key(key)?.node(value, false))
}

pub fn versions(call: &mut Call) -> Answer {
    let (offset, limit) = bounds(call, MOST)?;
    let (id, all) = {
        let state = call.app.state();
        let id = named(call, &state)?;
        let skill = show::visible(&state, id, call.who.as_ref())?;
        (id, skill.available().cloned().collect::<Vec<Version>>())
    };
    let total = all.len();
    let mut told = Vec::new();
    for version in all.into_iter().skip(offset).take(limit) {
        let release = show::release(&call.app.store, version.span)?;
        told.push((version, release));
    }
    let state = call.app.state();
    Ok(envelope(Some(Part { total, offset, limit }), &mut |w| {
        w.array(|w| {
            told.iter().try_for_each(|(version, release)| entry(w, &state, id, Some(version), Some(release)))
        })
    }))
}

pub fn download(call: &mut Call) -> Answer {
    let state = call.app.state();
    let id = named(call, &state)?;
    files::send(call, &state, id, call.query(&["version"]), call.query(&["tag"]))
}

pub fn rating(call: &mut Call) -> Answer {
    let state = call.app.state();
    let id = named(call, &state)?;
    let skill = show::visible(&state, id, call.who.as_ref())?;
    let own = call.who.as_ref().and_then(|who| state.rating(who.account, id));
    Ok(envelope(None, &mut |w| {
        w.object(|w| {
            match skill.rating() {
                Some((tenths, _)) => w.key("rating")?.decimal(tenths.into(), 1)?,
                None => w.key("rating")?.null()?,
            }
            w.count("ratings", skill.ratings.1.into())?;
            match own {
                Some(own) => w.count("own", own.into()),
                None => w.key("own")?.null(),
            }
        })
    }))
}

pub fn comments(call: &mut Call) -> Answer {
    let (offset, limit) = bounds(call, MOST)?;
    let state = call.app.state();
    let id = named(call, &state)?;
    show::visible(&state, id, call.who.as_ref())?;
    let moderates = call.who.as_ref().is_some_and(crate::hub::server::auth::Who::moderates);
    let mut all: Vec<_> = state.comments(id).filter(|(_, comment)| moderates || !comment.hidden).collect();
    all.reverse();
    let total = all.len();
    Ok(envelope(Some(Part { total, offset, limit }), &mut |w| {
        w.array(|w| {
            all.iter().skip(offset).take(limit).try_for_each(|(id, comment)| {
                w.object(|w| {
                    w.field("id", &format!("c{id}"))?;
                    w.field("author", state.handle(comment.by))?;
                    w.field("text", &comment.text)?;
                    w.count("created_at", comment.at)?;
                    match comment.edited {
                        0 => w.key("edited_at")?.null()?,
                        at => w.count("edited_at", at)?,
                    }
                    w.key("flagged")?.boolean(!comment.flags.is_empty())?;
                    w.key("hidden")?.boolean(comment.hidden)
                })
            })
        })
    }))
}
