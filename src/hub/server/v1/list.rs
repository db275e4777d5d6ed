//! Lists of skills: search, pages in every order, what changed since a time, one publisher's.

use super::show::{item, owner, page as page_of};
use crate::hub::server::app::skill_id;
use crate::hub::server::call::{Call, object};
use crate::hub::server::names;
use crate::hub::server::refusal::{Answer, Refusal};
use crate::hub::server::rendered;
use crate::hub::server::state::{Found, Key, Order, SkillId, State};
use crate::json::Writer;
use std::io;

/// Skills on a page at most.
const MOST: usize = 200;

/// What a `sort` means.
enum Sort {
    By(Order),
    Name,
}

fn sort(word: &str) -> Option<Sort> {
    Some(Sort::By(match word.to_ascii_lowercase().as_str() {
        "updated" | "updatedat" | "updated-at" => Order::Updated,
        "recommended" | "default" | "trending" => Order::Trending,
        "createdat" | "created-at" | "created" | "newest" => Order::Created,
        "downloads" | "installs" | "install" | "installscurrent" | "installsalltime" | "installs-current"
        | "installs-all-time" | "current" => Order::Downloads,
        "stars" | "rating" => Order::Stars,
        "name" => return Some(Sort::Name),
        _ => return None,
    }))
}

pub fn search(call: &mut Call) -> Answer {
    let limit = call.number("limit", 10, MOST)?;
    let exact = match call.query(&["mode"]) {
        None => false,
        Some("exact") => true,
        Some(_) => return Err(Refusal::bad("Invalid search mode")),
    };
    let query = call.query(&["q"]).unwrap_or("").to_owned();
    let state = call.app.state();
    let found: Vec<(SkillId, f64)> = if exact {
        let (owner, slug) = super::show::reference(&query, None);
        match state.find(owner.as_deref(), &slug) {
            Found::None => Vec::new(),
            Found::One(id) => vec![(id, 1.0)],
            Found::Many(all) => all.into_iter().map(|id| (id, 1.0)).collect(),
        }
    } else {
        state.search(&query, limit)
    };
    let listed = found.into_iter().filter(|(id, _)| state.is_listed(*id)).take(limit);
    let base = call.base();
    Ok(object(|w| {
        w.key("results")?
            .array(|w| listed.into_iter().try_for_each(|(id, score)| result(w, &state, id, score, &base)))
    }))
}

fn result(w: &mut Writer, state: &State, id: SkillId, score: f64, base: &str) -> io::Result<()> {
    let Some(skill) = state.skill(id) else { return Ok(()) };
    let handle = state.handle(skill.owner);
    w.object(|w| {
        // Four digits: a share of 1, which needs no exponent.
        w.key("score")?.decimal((score * 10_000.0).round() as u64, 4)?;
        w.field("id", &skill_id(id))?;
        w.field("slug", &skill.slug)?;
        w.field("displayName", &skill.title)?;
        w.field("summary", &skill.summary)?;
        w.key("icon")?.null()?;
        match skill.latest() {
            Some(version) => w.field("version", &version.number)?,
            None => w.key("version")?.null()?,
        }
        w.strings("topics", skill.topics())?;
        w.count("downloads", skill.counts.downloads)?;
        // Not `metrics`, of which the real CLI has an idea of its own.
        w.key("stats")?.object(|w| {
            w.count("downloads", skill.counts.downloads)?;
            w.count("stars", skill.stars.into())
        })?;
        w.count("updatedAt", skill.updated)?;
        w.field("ownerHandle", handle)?;
        owner(w.key("owner")?, state.account(skill.owner), skill.owner)?;
        w.key("signed")?
            .boolean(skill.latest().is_some_and(crate::hub::server::state::Version::is_signed))?;
        w.field("canonicalUrl", &page_of(base, handle, &skill.slug))
    })
}

pub fn skills(call: &mut Call) -> Answer {
    let limit = call.number("limit", 25, MOST)?;
    let prefix = call.query(&["prefix"]).map(str::to_owned);
    if let Some(prefix) = &prefix {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if prefix.len() > 96 || prefix.starts_with('-') || !prefix.bytes().all(plain) {
            return Err(Refusal::bad("Invalid prefix"));
        }
    }
    let word = call.query(&["sort"]).map(str::to_ascii_lowercase);
    let sort = match (&word, &prefix) {
        (None, Some(_)) => Sort::Name,
        (None, None) => Sort::By(Order::Updated),
        (Some(word), prefix) => match (sort(word), prefix) {
            (Some(Sort::By(_)), Some(_)) => {
                return Err(Refusal::bad("Prefix listings are sorted by name only"));
            }
            (Some(sort), _) => sort,
            (None, _) => return Err(Refusal::bad("Invalid sort")),
        },
    };
    let cursor = call.query(&["cursor"]);
    let invalid = || Refusal::bad("Invalid cursor");
    let state = call.app.state();
    match sort {
        Sort::By(order) => {
            let after: Option<Key> = match cursor {
                Some(cursor) => {
                    let (value, id) = cursor.split_once('.').ok_or_else(invalid)?;
                    Some((value.parse().map_err(|_| invalid())?, id.parse().map_err(|_| invalid())?))
                }
                None => None,
            };
            let ends = word.as_deref() == Some("trending");
            let key = format!("skills {order:?} {after:?} {limit} {ends}");
            rendered::json(call.app, &state, key, &|| {
                let ids = state.page(order, after, limit);
                let next =
                    ids.last().filter(|_| ids.len() == limit && !ends).and_then(|id| state.key(order, *id));
                Ok(page(&state, &ids, next.map(|(value, id)| format!("{value}.{id}"))))
            })
        }
        Sort::Name => {
            let after = match cursor {
                Some(cursor) => {
                    let (slug, id) = cursor.rsplit_once('.').ok_or_else(invalid)?;
                    Some((slug, id.parse().map_err(|_| invalid())?))
                }
                None => None,
            };
            let ids = state.by_name(prefix.as_deref().unwrap_or(""), after, limit);
            let last = ids.last().filter(|_| ids.len() == limit);
            let next = last.and_then(|id| Some(format!("{}.{id}", state.skill(*id)?.slug)));
            Ok(page(&state, &ids, next))
        }
    }
}

fn page(state: &State, ids: &[SkillId], next: Option<String>) -> crate::hub::server::http::Response {
    object(|w| {
        w.key("items")?.array(|w| ids.iter().try_for_each(|id| item(w, state, *id)))?;
        match &next {
            Some(next) => w.field("nextCursor", next),
            None => w.key("nextCursor")?.null(),
        }
    })
}

pub fn trending(call: &mut Call) -> Answer {
    match call.query(&["kind"]) {
        None | Some("skills") => {}
        Some(_) => return Err(Refusal::bad("Invalid kind")),
    }
    let limit = call.number("limit", 25, 100)?;
    let state = call.app.state();
    let ids = state.page(Order::Trending, None, limit);
    Ok(page(&state, &ids, None))
}

/// For whoever keeps a list: everything that changed at or after `since`, oldest first; what is gone says so.
pub fn catalog(call: &mut Call) -> Answer {
    let since = match call.query(&["since"]) {
        None => 0,
        Some(text) => text.parse().map_err(|_| Refusal::bad("Invalid since: milliseconds since 1970"))?,
    };
    let limit = call.number("limit", 100, MOST)?;
    let offset: usize = match call.query(&["cursor"]) {
        None => 0,
        Some(text) => text.parse().map_err(|_| Refusal::bad("Invalid cursor"))?,
    };
    let state = call.app.state();
    let (total, ids) = state.changed(since, offset, limit);
    let next = offset + ids.len();
    Ok(object(|w| {
        w.key("items")?.array(|w| {
            ids.iter().try_for_each(|id| match (state.is_listed(*id), state.skill(*id)) {
                (true, _) => item(w, &state, *id),
                (false, Some(skill)) => w.object(|w| {
                    w.field("slug", &skill.slug)?;
                    w.field("ownerHandle", state.handle(skill.owner))?;
                    w.count("updatedAt", skill.touched)?;
                    w.key("withdrawn")?.boolean(true)
                }),
                (false, None) => Ok(()),
            })
        })?;
        w.count("total", total as u64)?;
        match next < total && !ids.is_empty() {
            true => w.field("nextCursor", &next.to_string()),
            false => w.key("nextCursor")?.null(),
        }
    }))
}

pub fn publisher(call: &mut Call) -> Answer {
    let handle = names::owner(call.param(0));
    let state = call.app.state();
    let id = state.account_id(&handle).ok_or_else(|| Refusal::missing("Publisher not found"))?;
    let account = state.account(id).ok_or_else(|| Refusal::missing("Publisher not found"))?;
    let skills = state.of_owner(id);
    Ok(object(|w| {
        w.key("publisher")?.object(|w| {
            w.field("handle", &account.handle)?;
            w.field("displayName", &account.name)?;
            w.field("kind", if account.is_org { "org" } else { "user" })?;
            w.count("createdAt", account.created)?;
            w.strings("members", account.members.iter().map(|id| state.handle(*id)))?;
            match &account.key {
                Some(key) => w.field("publicKey", &key.to_string()),
                None => w.key("publicKey")?.null(),
            }
        })?;
        w.key("items")?.array(|w| skills.iter().take(MOST).try_for_each(|id| item(w, &state, *id)))
    }))
}

/// What a registry of skills has of other things, as a page: programs that list them are not told that it is broken.
pub fn no_items(_: &mut Call) -> Answer {
    Ok(object(|w| {
        w.key("items")?.array(|_| Ok(()))?;
        w.key("nextCursor")?.null()
    }))
}

/// The same, as a search answers.
pub fn no_results(_: &mut Call) -> Answer {
    Ok(object(|w| w.key("results")?.array(|_| Ok(()))))
}
