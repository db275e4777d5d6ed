//! One skill and its versions.

use super::show::{self, chosen, named, visible};
use crate::hub::server::app::skill_id;
use crate::hub::server::call::{Call, object};
use crate::hub::server::event::Release;
use crate::hub::server::refusal::{Answer, Refusal};
use crate::hub::server::rendered;
use crate::hub::server::state::{SkillId, State, Version};
use crate::json::Writer;
use std::io;

pub fn skill(call: &mut Call) -> Answer {
    let state = call.app.state();
    let id = named(call, &state, call.param(0))?;
    answer(call, &state, id)
}

/// Of older programs: `?slug=`.
pub fn by_query(call: &mut Call) -> Answer {
    let slug = call.query(&["slug"]).ok_or_else(|| Refusal::bad("Missing slug"))?;
    let state = call.app.state();
    let id = named(call, &state, slug)?;
    answer(call, &state, id)
}

fn answer(call: &Call, state: &State, id: SkillId) -> Answer {
    let one = visible(state, id, call.who.as_ref())?;
    if !one.is_listed() {
        return render(call, state, id);
    }
    rendered::json(call.app, state, format!("skill {id}"), &|| render(call, state, id))
}

fn render(call: &Call, state: &State, id: SkillId) -> Answer {
    let one = state.skill(id).ok_or_else(Refusal::no_skill)?;
    let release = match one.latest() {
        Some(version) => Some(show::release(&call.app.store, version.span)?),
        None => None,
    };
    let account = state.account(one.owner);
    Ok(object(|w| {
        w.key("skill")?.object(|w| {
            w.field("id", &skill_id(id))?;
            show::skill(w, one)
        })?;
        match (one.latest(), &release) {
            (Some(version), Some(release)) => {
                show::latest(w.key("latestVersion")?, version, &release.changelog)?
            }
            _ => w.key("latestVersion")?.null()?,
        }
        match &release {
            Some(release) => show::metadata(w.key("metadata")?, release)?,
            None => w.key("metadata")?.null()?,
        }
        show::owner(w.key("owner")?, account, one.owner)?;
        w.key("moderation")?.null()?;
        w.key("weft")?.object(|w| {
            let letters = account.map(|account| account.letters.as_slice()).unwrap_or_default();
            w.strings("letters", letters.iter().map(|letter| &**letter))?;
            if let Some(key) = account.and_then(|account| account.key) {
                w.field("publicKey", &key.to_string())?;
            }
            w.key("signed")?.boolean(one.latest().is_some_and(Version::is_signed))?;
            show::next(w.key("next")?, one)?;
            if let Some((tenths, count)) = one.rating() {
                w.key("rating")?.object(|w| {
                    w.key("mean")?.decimal(tenths.into(), 1)?;
                    w.count("count", count.into())
                })?;
            }
            w.key("deprecated")?;
            match state.reason(id, None) {
                Some(reason) => w.string(reason),
                None => w.null(),
            }
        })
    }))
}

pub fn versions(call: &mut Call) -> Answer {
    let limit = call.number("limit", 20, 50)?;
    let state = call.app.state();
    let id = named(call, &state, call.param(0))?;
    let one = visible(&state, id, call.who.as_ref())?;
    let after = match call.query(&["cursor"]) {
        None => one.versions.len(),
        Some(text) => text.parse().map_err(|_| Refusal::bad("Invalid cursor"))?,
    };
    // Newest first; the cursor is the place of the last one that was told.
    let older = one.versions.iter().enumerate().rev().skip_while(|(place, _)| *place >= after);
    let found: Vec<(usize, &Version)> =
        older.filter(|(_, version)| !version.withdrawn).take(limit + 1).collect();
    let more = found.len() > limit;
    let mut told = Vec::new();
    for (place, version) in found.into_iter().take(limit) {
        told.push((place, version, show::release(&call.app.store, version.span)?));
    }
    Ok(object(|w| {
        w.key("items")?.array(|w| {
            told.iter().try_for_each(|(place, version, release)| {
                w.object(|w| {
                    brief(w, version, release)?;
                    w.key("signed")?.boolean(version.is_signed())?;
                    match state.reason(id, Some(*place as u32)).filter(|_| version.deprecated) {
                        Some(reason) => w.field("deprecated", reason),
                        None => Ok(()),
                    }
                })
            })
        })?;
        match told.last().filter(|_| more) {
            Some((place, _, _)) => w.field("nextCursor", &place.to_string()),
            None => w.key("nextCursor")?.null(),
        }
    }))
}

fn brief(w: &mut Writer, version: &Version, release: &Release) -> io::Result<()> {
    w.field("version", &version.number)?;
    w.count("createdAt", version.at)?;
    w.field("changelog", &release.changelog)?;
    match release.changelog.is_empty() {
        true => w.key("changelogSource")?.null(),
        false => w.field("changelogSource", "user"),
    }
}

pub fn version(call: &mut Call) -> Answer {
    let state = call.app.state();
    let id = named(call, &state, call.param(0))?;
    let one = visible(&state, id, call.who.as_ref())?;
    let (version, _) = chosen(one, Some(call.param(1)), None, false)?;
    let make = || -> Answer {
        let release = show::release(&call.app.store, version.span)?;
        Ok(object(|w| {
            w.key("skill")?.object(|w| {
                w.field("slug", &one.slug)?;
                w.field("displayName", &one.title)
            })?;
            w.key("version")?.object(|w| {
                brief(w, version, &release)?;
                w.field("license", show::LICENSE)?;
                w.key("files")?.array(|w| {
                    release.files.iter().try_for_each(|file| {
                        w.object(|w| {
                            w.field("path", &file.path)?;
                            w.count("size", file.size)?;
                            w.field("sha256", &file.sha256.to_string())?;
                            w.field("contentType", &file.kind)
                        })
                    })
                })?;
                super::security::brief(w.key("security")?, version, &release)?;
                show::signature(w.key("signature")?, version, &release)?;
                w.key("weft")?.object(|w| {
                    w.key("log")?.object(|w| w.count("index", version.index))?;
                    w.field("fingerprint", &version.fingerprint.to_string())?;
                    w.field("zip", &version.zip.to_string())?;
                    w.count("zipSize", version.zip_size.into())
                })
            })
        }))
    };
    rendered::json(call.app, &state, format!("version {id} {}", version.number), &make)
}
