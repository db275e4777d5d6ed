//! The API of weft's own hub: every answer in one envelope, `{ ok, data, error, pagination }`. Knows nothing of files on
//! disk.

use super::model::{below, files, number, text, word, words};
use super::{
    Ask, Comment, Detail, Hub, LARGEST_PACKAGE, Publication, Published, Ref, Release, Summary, Verdict,
};
use crate::base64;
use crate::json::{Node, Writer};
use crate::net::url::encode;
use crate::net::{Method, Url};
use crate::skill::Problem;
use std::io;

/// How many entries are asked for at once.
const PAGE: usize = 200;
/// Pages of versions or comments that are followed.
const MOST_PAGES: usize = 50;

fn address(hub: &Hub, path: &str) -> Url {
    below(&hub.base, path)
}

/// A skill in an address: one segment, its owner included.
fn id(name: &Ref) -> String {
    match &name.owner {
        Some(owner) => encode(&format!("{owner}/{}", name.slug)),
        None => encode(&name.slug),
    }
}

/// The envelope's content.
fn data(hub: &Hub, ask: Ask) -> Result<(Node, Option<Node>), Problem> {
    let shown = ask.url.to_string();
    let mut node = hub.ask_json(ask)?;
    if node.get("ok").and_then(Node::as_bool) != Some(true) {
        let error = node.get("error");
        let told =
            error.and_then(|error| error.as_str().map(str::to_owned).or_else(|| word(error, "message")));
        let what =
            told.map_or("the registry refuses".to_owned(), |told| format!("the registry refuses: {told}"));
        return Err(Problem::denied(what, shown, ""));
    }
    let crate::json::Value::Object(members) = &mut node.value else {
        return Err(Problem::new("the answer is no envelope", shown, "is it a weft hub?"));
    };
    let mut take =
        |key: &str| members.iter().position(|(name, _)| name == key).map(|at| members.swap_remove(at).1);
    let pagination = take("pagination");
    match take("data") {
        Some(data) => Ok((data, pagination)),
        None => Err(Problem::new("the answer has no data", shown, "is it a weft hub?")),
    }
}

/// `SkillEntry`
fn entry(node: &Node) -> Option<(String, Summary, Release)> {
    let slug = word(node, "name").filter(|slug| super::reference::is_slug(slug))?;
    let signed = node.get("signed").and_then(Node::as_bool);
    let verdict = Verdict::parse(&text(node, "verdict"));
    let published = number(node, "published_at").unwrap_or(0);
    let summary = Summary {
        owner: word(node, "author").filter(|owner| super::reference::is_owner(owner)),
        title: word(node, "title").unwrap_or_else(|| slug.clone()),
        text: text(node, "description"),
        version: word(node, "version"),
        tags: words(node, "tags"),
        stars: number(node, "stars"),
        downloads: number(node, "downloads"),
        updated: number(node, "updated_at").unwrap_or(published),
        signed,
        verdict,
        withdrawn: node.get("withdrawn").and_then(Node::as_bool).unwrap_or(false),
        score: 0.0,
        slug,
    };
    let release = Release {
        version: summary.version.clone().unwrap_or_default(),
        created: published,
        changelog: text(node, "changelog"),
        files: files(node),
        content_hash: word(node, "content_hash"),
        signed: word(node, "statement").zip(word(node, "signature")),
        log_index: super::log::index(node),
        verdict,
    };
    Some((word(node, "id").unwrap_or_default(), summary, release))
}

fn entries(node: &Node) -> Vec<(String, Summary, Release)> {
    let list = node.as_array().or_else(|| node.get("items")?.as_array()).unwrap_or_default();
    list.iter().filter_map(entry).collect()
}

pub(super) fn search(hub: &Hub, query: &str, limit: usize) -> Result<Vec<Summary>, Problem> {
    let url = address(hub, &format!("skills/search?q={}&limit={limit}&offset=0", encode(query)));
    let (node, _) = data(hub, Ask::get(url))?;
    Ok(entries(&node).into_iter().map(|(_, summary, _)| summary).collect())
}

pub(super) fn page(
    hub: &Hub,
    since: u64,
    cursor: Option<&str>,
) -> Result<(Vec<Summary>, Option<String>), Problem> {
    let offset: usize = cursor.and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
    let url = address(hub, &format!("skills/catalog?since={since}&limit={PAGE}&offset={offset}"));
    let (node, pagination) = data(hub, Ask { keep: None, ..Ask::get(url) })?;
    let found: Vec<Summary> = entries(&node).into_iter().map(|(_, summary, _)| summary).collect();
    let total = pagination.and_then(|pagination| number(&pagination, "total")).unwrap_or(0);
    let next = offset + found.len();
    let more = !found.is_empty() && (next as u64) < total;
    Ok((found, more.then(|| next.to_string())))
}

pub(super) fn detail(hub: &Hub, name: &Ref) -> Result<Detail, Problem> {
    let url = address(hub, &format!("skills/{}", id(name)));
    let shown = url.to_string();
    let (node, _) = data(hub, Ask::get(url))?;
    let (id, skill, release) = entry(&node)
        .ok_or_else(|| Problem::new("the answer describes no skill", shown.clone(), "is it a weft hub?"))?;
    if skill.slug != name.slug || (name.owner.is_some() && name.owner != skill.owner) {
        return Err(Problem::denied("the registry answers with another skill", shown, "name that one"));
    }
    let reasons = words(&node, "reasons");
    let letters = words(&node, "letters");
    let next = super::model::next(Some(&node));
    Ok(Detail { skill, id, reasons, release: Some(release), letters, next })
}

/// The contract knows the latest release at `skills/{id}`; older ones are asked for with `?version=`.
pub(super) fn release(hub: &Hub, name: &Ref, version: &str) -> Result<Release, Problem> {
    let url = address(hub, &format!("skills/{}?version={}", id(name), encode(version)));
    let shown = url.to_string();
    let (node, _) = data(hub, Ask::get(url))?;
    let found = entry(&node).map(|(_, _, release)| release);
    found.filter(|release| release.version == version).ok_or_else(|| {
        Problem::denied("the answer is not about the version that was asked for", shown, "is it a weft hub?")
    })
}

pub(super) fn versions(hub: &Hub, name: &Ref) -> Result<Vec<Release>, Problem> {
    let mut all = Vec::new();
    for _ in 0..MOST_PAGES {
        let url = address(hub, &format!("skills/{}/versions?limit={PAGE}&offset={}", id(name), all.len()));
        let (node, pagination) = data(hub, Ask::get(url))?;
        let found = entries(&node);
        let total = pagination.and_then(|pagination| number(&pagination, "total")).unwrap_or(0);
        let none = found.is_empty();
        all.extend(found.into_iter().map(|(_, _, release)| release));
        if none || all.len() as u64 >= total {
            break;
        }
    }
    Ok(all)
}

pub(super) fn download(
    hub: &Hub,
    name: &Ref,
    version: &str,
    progress: Option<&dyn Fn(u64, Option<u64>)>,
) -> Result<Vec<u8>, Problem> {
    let url = address(hub, &format!("skills/{}/download?version={}", id(name), encode(version)));
    hub.ask(Ask { accept: "application/zip", limit: LARGEST_PACKAGE, progress, ..Ask::get(url) })
}

/// `PublishRequest`
pub(super) fn publish(hub: &Hub, publication: &Publication) -> Result<Published, Problem> {
    let mut body = Vec::new();
    Writer::new(&mut body)
        .object(|w| {
            w.field("name", publication.slug)?;
            w.field("description", publication.text)?;
            w.field("version", publication.version)?;
            w.field("content", &base64::encode(publication.archive))?;
            w.field("content_hash", &publication.content_hash)?;
            if let Some((statement, signature, key)) = &publication.signed {
                w.field("statement", statement)?;
                w.field("signature", signature)?;
                w.field("public_key", key)?;
            }
            if let Some(owner) = publication.owner {
                w.field("author", owner)?;
            }
            w.field("changelog", publication.changelog)?;
            w.strings("tags", publication.tags.iter().map(String::as_str))
        })
        .map_err(impossible)?;
    let url = address(hub, "skills/publish");
    let (node, _) = data(hub, Ask { repeatable: false, ..Ask::write(Method::Post, url, body) })?;
    Ok(Published {
        version: word(&node, "version").unwrap_or_else(|| publication.version.to_owned()),
        pending: text(&node, "status") == "pending",
    })
}

pub(super) fn star(hub: &Hub, name: &Ref, on: bool) -> Result<bool, Problem> {
    let url = address(hub, &format!("skills/{}/star", id(name)));
    let ask = if on {
        Ask::write(Method::Post, url, b"{}".to_vec())
    } else {
        Ask { method: Method::Delete, keep: None, ..Ask::get(url) }
    };
    let (node, _) = data(hub, ask)?;
    Ok(node.get("changed").and_then(Node::as_bool).unwrap_or(true))
}

pub(super) fn comments(hub: &Hub, name: &Ref) -> Result<Vec<Comment>, Problem> {
    let url = address(hub, &format!("skills/{}/comments?limit={PAGE}&offset=0", id(name)));
    let (node, _) = data(hub, Ask::get(url))?;
    let list = node.as_array().or_else(|| node.get("items")?.as_array()).unwrap_or_default();
    let one = |node: &Node| Comment {
        author: text(node, "author"),
        text: word(node, "text").unwrap_or_else(|| text(node, "content")),
        created: number(node, "created_at").unwrap_or(0),
    };
    Ok(list.iter().map(one).collect())
}

pub(super) fn comment(hub: &Hub, name: &Ref, words: &str) -> Result<(), Problem> {
    let mut body = Vec::new();
    Writer::new(&mut body).object(|w| w.field("text", words)).map_err(impossible)?;
    let url = address(hub, &format!("skills/{}/comments", id(name)));
    data(hub, Ask { repeatable: false, ..Ask::write(Method::Post, url, body) }).map(drop)
}

/// Writing to memory does not fail.
fn impossible(error: io::Error) -> Problem {
    Problem::new(error.to_string(), "", "")
}
