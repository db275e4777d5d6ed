//! Weft's own API, below `/api/weft`: every answer in one envelope, `{ ok, data, error, pagination }`. The other side is
//! `hub::contract`. The same registry as `v1` shows, and the same ways to change it.

mod read;
mod write;

use super::call::{Call, written};
use super::http::Method::{Delete, Get, Patch, Post};
use super::http::Response;
use super::limit::Kind;
use super::refusal::{Answer, Refusal};
use super::routes::{Auth, MINE, READ, Route, SLOW, Take, WRITE, route};
use super::state::{SkillId, State};
use super::v1::show::{found, reference};
use crate::json::Writer;
use std::io;

/// Where it is.
pub const PREFIX: &str = "/api/weft/";

const DOWNLOAD: (Kind, Take, Auth) = (Kind::Download, Take::Now, Auth::Anybody);
const PUBLISH: (Kind, Take, Auth) = (Kind::Write, Take::Package, Auth::User);

pub const ROUTES: &[Route] = &[
    route(Get, "/api/weft/whoami", MINE, read::whoami, "Whose token this is"),
    route(Get, "/api/weft/skills", SLOW, read::list, "All skills in an order"),
    route(Get, "/api/weft/skills/search", SLOW, read::search, "Skills that fit a query, best first"),
    route(
        Get,
        "/api/weft/skills/catalog",
        SLOW,
        read::catalog,
        "What changed since a time, disappearances included",
    ),
    route(
        Post,
        "/api/weft/skills/publish",
        PUBLISH,
        write::publish,
        "Publish a version: a package in base64",
    ),
    route(Get, "/api/weft/skills/{id}", READ, read::skill, "A skill: its latest version, or ?version="),
    route(Get, "/api/weft/skills/{id}/versions", SLOW, read::versions, "Its versions, newest first"),
    route(Get, "/api/weft/skills/{id}/download", DOWNLOAD, read::download, "The package of a version, a zip"),
    route(Post, "/api/weft/skills/{id}/star", WRITE, write::star, "Star a skill"),
    route(Delete, "/api/weft/skills/{id}/star", WRITE, write::unstar, "Take the star back"),
    route(Get, "/api/weft/skills/{id}/rating", READ, read::rating, "The mean of the ratings, and one's own"),
    route(Post, "/api/weft/skills/{id}/rating", WRITE, write::rate, "Rate a skill, 1 to 5"),
    route(Get, "/api/weft/skills/{id}/comments", SLOW, read::comments, "What users say of it, newest first"),
    route(Post, "/api/weft/skills/{id}/comments", WRITE, write::comment, "Say something of it"),
    route(Patch, "/api/weft/comments/{comment}", WRITE, write::edit, "Say it otherwise"),
    route(Delete, "/api/weft/comments/{comment}", WRITE, write::unsay, "Take it back"),
    route(
        Post,
        "/api/weft/comments/{comment}/flag",
        WRITE,
        write::flag,
        "Tell the moderators about a comment",
    ),
    route(
        Post,
        "/api/weft/comments/{comment}/hide",
        (Kind::Write, Take::Json, Auth::Moderator),
        write::hide,
        "Hide a comment, or show it again",
    ),
    route(
        Post,
        "/api/weft/skills/{id}/withdraw",
        WRITE,
        write::withdraw,
        "Take a version away, or all of it",
    ),
    route(Post, "/api/weft/skills/{id}/restore", WRITE, write::restore, "Give it back"),
    route(Post, "/api/weft/skills/{id}/deprecate", WRITE, write::deprecate, "Recommend it no longer"),
];

/// A no, in the envelope.
pub fn refused(refusal: &Refusal) -> Response {
    let bytes = written(|w| {
        w.key("ok")?.boolean(false)?;
        w.key("data")?.null()?;
        w.field("error", &refusal.text)?;
        w.key("pagination")?.null()
    });
    let response = Response::json(refusal.status, bytes);
    match refusal.retry {
        Some(seconds) => response.with("Retry-After", seconds.to_string()),
        None => response,
    }
}

/// A part of a list.
struct Part {
    total: usize,
    offset: usize,
    limit: usize,
}

fn envelope(part: Option<Part>, data: &mut dyn FnMut(&mut Writer) -> io::Result<()>) -> Response {
    Response::json(
        200,
        written(|w| {
            w.key("ok")?.boolean(true)?;
            data(w.key("data")?)?;
            w.key("error")?.null()?;
            match part {
                None => w.key("pagination")?.null(),
                Some(part) => w.key("pagination")?.object(|w| {
                    w.count("total", part.total as u64)?;
                    w.count("offset", part.offset as u64)?;
                    w.count("limit", part.limit as u64)
                }),
            }
        }),
    )
}

/// `offset` and `limit` of the query.
fn bounds(call: &Call, most: usize) -> Result<(usize, usize), Refusal> {
    let offset = match call.query(&["offset"]) {
        None => 0,
        Some(text) => text.parse().map_err(|_| Refusal::bad("Invalid offset"))?,
    };
    Ok((offset, call.number("limit", 50, most)?))
}

/// The owner and name of the address: one segment, `owner/slug` or `slug`.
fn subject(call: &Call) -> (Option<String>, String) {
    reference(call.param(0), call.query(&["author", "ownerHandle"]))
}

fn named(call: &Call, state: &State) -> Result<SkillId, Refusal> {
    let (owner, slug) = subject(call);
    found(state, owner.as_deref(), &slug, &call.base(), false)
}

/// Nothing but that it is done.
fn done() -> Answer {
    Ok(envelope(None, &mut |w| w.object(|_| Ok(()))))
}
