//! The v1 API of ClawHub: addresses, bodies, and what its answers mean. Knows nothing of files on disk.

use super::model::{below, files, number, text, word, words};
use super::{Ask, Detail, Hub, LARGEST_PACKAGE, Publication, Published, Ref, Release, Summary, Verdict};
use crate::json::{Node, Writer};
use crate::net::url::encode;
use crate::net::{Method, Url};
use crate::skill::Problem;
use std::io;

/// Pages of versions that are followed; each has fifty.
const MOST_PAGES: usize = 40;

fn address(hub: &Hub, path: &str, query: &[(&str, &str)]) -> Url {
    let mut path = format!("api/v1/{path}");
    for (at, (key, value)) in query.iter().enumerate() {
        path.push(if at == 0 { '?' } else { '&' });
        path.push_str(key);
        path.push('=');
        path.push_str(&encode(value));
    }
    below(&hub.base, &path)
}

/// The owner as the query that the API takes.
fn owned<'a>(name: &'a Ref, mut query: Vec<(&'a str, &'a str)>) -> Vec<(&'a str, &'a str)> {
    if let Some(owner) = &name.owner {
        query.push(("ownerHandle", owner));
    }
    query
}

fn body(fill: impl FnOnce(&mut Writer) -> io::Result<()>) -> Result<Vec<u8>, Problem> {
    let mut out = Vec::new();
    // Writing to memory does not fail.
    Writer::new(&mut out).object(fill).map_err(|error| Problem::new(error.to_string(), "", ""))?;
    Ok(out)
}

fn summary(node: &Node) -> Option<Summary> {
    let owner = word(node, "ownerHandle").or_else(|| word(node.get("owner")?, "handle"));
    let slug = word(node, "slug").filter(|slug| super::reference::is_slug(slug))?;
    let stats = node.get("stats").or_else(|| node.get("metrics"));
    let latest = node.get("latestVersion").and_then(|latest| word(latest, "version"));
    Some(Summary {
        owner: owner.filter(|owner| super::reference::is_owner(owner)),
        title: word(node, "displayName").unwrap_or_else(|| slug.clone()),
        text: word(node, "summary").or_else(|| word(node, "description")).unwrap_or_default(),
        version: word(node, "version")
            .or(latest)
            .or_else(|| node.get("tags").and_then(|tags| word(tags, "latest"))),
        tags: words(node, "topics"),
        stars: stats.and_then(|stats| number(stats, "stars")),
        downloads: number(node, "downloads").or_else(|| number(stats?, "downloads")),
        updated: number(node, "updatedAt").unwrap_or(0),
        signed: node.get("signed").and_then(Node::as_bool),
        verdict: node.get("moderation").map_or(Verdict::Unknown, moderation),
        withdrawn: false,
        score: 0.0,
        slug,
    })
}

fn moderation(node: &Node) -> Verdict {
    let is = |key: &str| node.get(key).and_then(Node::as_bool).unwrap_or(false);
    let flags = match (is("isMalwareBlocked"), is("isSuspicious")) {
        (true, _) => Verdict::Malicious,
        (_, true) => Verdict::Suspicious,
        _ => Verdict::Unknown,
    };
    flags.or(Verdict::parse(&text(node, "verdict")))
}

pub(super) fn list(node: &Node, key: &str) -> Vec<Summary> {
    node.get(key).and_then(Node::as_array).unwrap_or_default().iter().filter_map(summary).collect()
}

pub(super) fn search(hub: &Hub, query: &str, limit: usize) -> Result<Vec<Summary>, Problem> {
    let limit = limit.to_string();
    let node = hub.ask_json(Ask::get(address(hub, "search", &[("q", query), ("limit", &limit)])))?;
    Ok(list(&node, "results"))
}

pub(super) fn page(hub: &Hub, cursor: Option<&str>) -> Result<(Vec<Summary>, Option<String>), Problem> {
    let mut query = vec![("limit", "200"), ("sort", "updated")];
    if let Some(cursor) = cursor {
        query.push(("cursor", cursor));
    }
    let node = hub.ask_json(Ask { keep: None, ..Ask::get(address(hub, "skills", &query)) })?;
    Ok((list(&node, "items"), word(&node, "nextCursor")))
}

pub(super) fn detail(hub: &Hub, name: &Ref) -> Result<Detail, Problem> {
    detail_at(hub, name, address(hub, &format!("skills/{}", encode(&name.slug)), &owned(name, Vec::new())))
}

/// The skill that is described at an address.
pub(super) fn detail_at(hub: &Hub, name: &Ref, url: Url) -> Result<Detail, Problem> {
    let shown = url.to_string();
    let node = hub.ask_json(Ask::get(url))?;
    let odd = |what: &str| Problem::new(what, shown.clone(), "is it a registry?");
    let mut skill =
        node.get("skill").and_then(summary).ok_or_else(|| odd("the answer describes no skill"))?;
    skill.owner = node.get("owner").and_then(|owner| word(owner, "handle")).or(skill.owner);
    skill.owner = skill.owner.filter(|owner| super::reference::is_owner(owner));
    if skill.slug != name.slug {
        // An alias would be pinned and installed under a name nobody asked for.
        return Err(Problem::denied(
            "the registry answers with another skill",
            format!("{shown}: {}", skill.slug),
            "name that one",
        ));
    }
    if let (Some(asked), Some(owner)) = (&name.owner, &skill.owner)
        && asked != owner
    {
        return Err(Problem::denied(
            "the registry answers with another owner's skill",
            format!("{shown}: @{owner}"),
            "",
        ));
    }
    // What this answer says of the latest version comes before the tags.
    if let Some(latest) = node.get("latestVersion").and_then(|latest| word(latest, "version")) {
        skill.version = Some(latest);
    }
    let mut reasons = Vec::new();
    if let Some(told) = node.get("moderation") {
        skill.verdict = skill.verdict.or(moderation(told));
        reasons = words(told, "reasonCodes");
        reasons.extend(word(told, "summary"));
    }
    let letters = node.get("weft").map_or(Vec::new(), |weft| words(weft, "letters"));
    let next = super::model::next(node.get("weft"));
    Ok(Detail { id: skill.slug.clone(), skill, reasons, release: None, letters, next })
}

pub(super) fn release_of(node: &Node) -> Option<Release> {
    let signed = node.get("signature").or_else(|| node.get("weft"));
    Some(Release {
        version: word(node, "version")?,
        created: number(node, "createdAt").unwrap_or(0),
        changelog: text(node, "changelog"),
        files: files(node),
        content_hash: signed.and_then(|signed| word(signed, "contentHash")),
        signed: signed.and_then(|signed| Some((word(signed, "statement")?, word(signed, "signature")?))),
        log_index: super::log::index(node),
        verdict: node.get("security").map_or(Verdict::Unknown, |told| Verdict::parse(&text(told, "status"))),
    })
}

pub(super) fn versions(hub: &Hub, name: &Ref) -> Result<Vec<Release>, Problem> {
    let path = format!("skills/{}/versions", encode(&name.slug));
    let mut all = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let mut query = vec![("limit", "50")];
        if let Some(cursor) = &cursor {
            query.push(("cursor", cursor));
        }
        let node = hub.ask_json(Ask::get(address(hub, &path, &owned(name, query))))?;
        let items = node.get("items").and_then(Node::as_array).unwrap_or_default();
        all.extend(items.iter().filter_map(release_of));
        let next = word(&node, "nextCursor");
        if next.is_none() || next == cursor {
            break;
        }
        cursor = next;
    }
    Ok(all)
}

pub(super) fn release(hub: &Hub, name: &Ref, version: &str) -> Result<Release, Problem> {
    let path = format!("skills/{}/versions/{}", encode(&name.slug), encode(version));
    release_at(hub, version, address(hub, &path, &owned(name, Vec::new())))
}

/// The version that is described at an address.
pub(super) fn release_at(hub: &Hub, version: &str, url: Url) -> Result<Release, Problem> {
    let shown = url.to_string();
    let node = hub.ask_json(Ask::get(url))?;
    let found = node.get("version").and_then(release_of);
    found.filter(|release| release.version == version).ok_or_else(|| {
        Problem::denied("the answer is not about the version that was asked for", shown, "is it a registry?")
    })
}

pub(super) fn download(
    hub: &Hub,
    name: &Ref,
    version: &str,
    progress: Option<&dyn Fn(u64, Option<u64>)>,
) -> Result<Vec<u8>, Problem> {
    let url = address(hub, "download", &owned(name, vec![("slug", &name.slug), ("version", version)]));
    let shown = url.to_string();
    let ask = Ask { accept: "application/zip", limit: LARGEST_PACKAGE, progress, ..Ask::get(url) };
    let zip = hub.ask(ask)?;
    if zip.first() == Some(&b'{') {
        return Err(Problem::denied(
            "this skill is not kept by the registry but by a repository elsewhere, which nobody vouches for",
            shown,
            "get it with git and read it: `weft security scan --gate`",
        ));
    }
    Ok(zip)
}

pub(super) fn match_fingerprint(
    hub: &Hub,
    name: &Ref,
    fingerprint: &str,
) -> Result<(Option<String>, Option<String>), Problem> {
    let query = owned(name, vec![("slug", &name.slug), ("hash", fingerprint)]);
    let node = hub.ask_json(Ask { keep: None, ..Ask::get(address(hub, "resolve", &query)) })?;
    let version = |key: &str| node.get(key).and_then(|found| word(found, "version"));
    Ok((version("match"), version("latestVersion")))
}

pub(super) fn star(hub: &Hub, name: &Ref, on: bool) -> Result<bool, Problem> {
    let url = address(hub, &format!("stars/{}", encode(&name.slug)), &owned(name, Vec::new()));
    let (ask, key) = if on {
        (Ask::write(Method::Post, url, b"{}".to_vec()), "alreadyStarred")
    } else {
        (Ask { method: Method::Delete, keep: None, ..Ask::get(url) }, "alreadyUnstarred")
    };
    let node = hub.ask_json(ask)?;
    Ok(!node.get(key).and_then(Node::as_bool).unwrap_or(false))
}

pub(super) fn withdraw(
    hub: &Hub,
    name: &Ref,
    version: Option<&str>,
    reason: &str,
    back: bool,
) -> Result<(), Problem> {
    let slug = encode(&name.slug);
    let body = body(|w| {
        if let Some(version) = version {
            w.field("version", version)?;
        } else if !reason.is_empty() {
            w.field("reason", reason)?;
        }
        name.owner.as_ref().map_or(Ok(()), |owner| w.field("ownerHandle", owner))
    })?;
    let (method, path) = match (version, back) {
        (None, false) => (Method::Delete, format!("skills/{slug}")),
        (None, true) => (Method::Post, format!("skills/{slug}/undelete")),
        (Some(version), false) => (Method::Delete, format!("skills/{slug}/versions/{}", encode(version))),
        (Some(version), true) => {
            (Method::Post, format!("skills/{slug}/versions/{}/restore", encode(version)))
        }
    };
    hub.ask_json(Ask::write(method, address(hub, &path, &[]), body)).map(drop)
}

pub(super) fn report(hub: &Hub, name: &Ref, version: Option<&str>, reason: &str) -> Result<bool, Problem> {
    let url = address(hub, &format!("skills/{}/report", encode(&name.slug)), &owned(name, Vec::new()));
    let body = body(|w| {
        w.field("reason", reason)?;
        version.map_or(Ok(()), |version| w.field("version", version))
    })?;
    let node = hub.ask_json(Ask::write(Method::Post, url, body))?;
    Ok(node.get("alreadyReported").and_then(Node::as_bool).unwrap_or(false))
}

pub(super) fn publish(hub: &Hub, publication: &Publication) -> Result<Published, Problem> {
    let node = match upload(hub, publication) {
        Ok(tickets) => hub.ask_json(Ask {
            repeatable: false,
            ..Ask::write(
                Method::Post,
                address(hub, "skills", &[]),
                body(|w| {
                    head(w, publication)?;
                    w.key("files")?.array(|w| {
                        let all = publication.files.iter().zip(&tickets);
                        all.into_iter().try_for_each(|((path, content), (ticket, storage))| {
                            w.object(|w| {
                                described(w, path.as_str(), content)?;
                                w.field("storageId", storage)?;
                                w.field("uploadTicket", ticket)
                            })
                        })
                    })
                })?,
            )
        })?,
        // A server of before the tickets.
        Err(problem) if problem.what.contains("(404") || problem.what.contains("(405") => {
            form(hub, publication)?
        }
        Err(problem) => return Err(problem),
    };
    let status = word(&node, "publicationStatus").or_else(|| word(&node, "status")).unwrap_or_default();
    Ok(Published {
        version: word(&node, "version").unwrap_or_else(|| publication.version.to_owned()),
        pending: status == "pending",
    })
}

/// What both forms say of the skill.
fn head(w: &mut Writer, publication: &Publication) -> io::Result<()> {
    w.field("slug", publication.slug)?;
    w.field("displayName", publication.title)?;
    if let Some(owner) = publication.owner {
        w.field("ownerHandle", owner)?;
    }
    w.field("version", publication.version)?;
    w.field("changelog", publication.changelog)?;
    w.key("acceptLicenseTerms")?.boolean(true)?;
    w.strings("tags", publication.tags.iter().map(String::as_str))?;
    if let Some((statement, signature, key)) = &publication.signed {
        // A registry that does not know signatures leaves this out.
        w.key("signature")?.object(|w| {
            w.field("statement", statement)?;
            w.field("signature", signature)?;
            w.field("publicKey", key)?;
            w.field("contentHash", &publication.content_hash)
        })?;
    }
    Ok(())
}

fn described(w: &mut Writer, path: &str, content: &[u8]) -> io::Result<()> {
    w.field("path", path)?;
    w.count("size", content.len() as u64)?;
    w.field("sha256", &crate::digest::Sha256::of(content).to_string())?;
    w.field("contentType", kind(path))
}

fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, end)| end) {
        "md" => "text/markdown",
        "json" => "application/json",
        "txt" | "sh" | "py" | "js" | "ts" | "toml" | "yaml" | "yml" | "html" | "css" => "text/plain",
        _ => "application/octet-stream",
    }
}

/// Sends each file to where the registry says, as long as that is the registry: ticket and storage id of each.
fn upload(hub: &Hub, publication: &Publication) -> Result<Vec<(String, String)>, Problem> {
    let mut tickets = Vec::new();
    for (path, content) in publication.files {
        let url = address(hub, "skills/-/upload-url", &[]);
        let shown = url.to_string();
        let odd = |what: &str| Problem::new(what, shown.clone(), "is it a registry?");
        let node =
            hub.ask_json(Ask::write(Method::Post, url, body(|w| described(w, path.as_str(), content))?))?;
        let ticket = word(&node, "uploadTicket").ok_or_else(|| odd("no ticket for an upload"))?;
        let to = word(&node, "uploadUrl").ok_or_else(|| odd("no place for an upload"))?;
        let to = Url::parse(&to).map_err(|error| odd(&error.what))?;
        if !to.same_origin(&hub.base) {
            let place = format!("{} → {}", hub.registry, to.origin());
            return Err(Problem::denied(
                "the registry wants the upload, and your token, elsewhere",
                place,
                "do not publish there",
            ));
        }
        let ask = Ask::write(Method::Post, to, Vec::new());
        let node = hub.ask_json(Ask {
            body: Some((kind(path.as_str()), content.clone())),
            repeatable: false,
            ..ask
        })?;
        let storage = word(&node, "storageId").ok_or_else(|| odd("no id for an upload"))?;
        tickets.push((ticket, storage));
    }
    Ok(tickets)
}

/// The older form: everything in one `multipart/form-data` (RFC 7578).
fn form(hub: &Hub, publication: &Publication) -> Result<Node, Problem> {
    // Not in any of the parts, with certainty enough: 128 random bits.
    let boundary = format!("weft{:032x}", fastrand::u128(..));
    let mut out = Vec::new();
    let payload = body(|w| head(w, publication))?;
    let mut part = |disposition: &str, kind: &str, content: &[u8]| {
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\nContent-Type: {kind}\r\n\r\n"
        );
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(content);
        out.extend_from_slice(b"\r\n");
    };
    part("name=\"payload\"", "application/json", &payload);
    for (path, content) in publication.files {
        let name = path.as_str().replace('"', "%22");
        part(&format!("name=\"files\"; filename=\"{name}\""), kind(path.as_str()), content);
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let url = address(hub, "skills", &[]);
    let shown = url.to_string();
    let body = hub.send_form(url, &boundary, out)?;
    let text = std::str::from_utf8(&body).unwrap_or_default();
    crate::json::parse(text)
        .map_err(|error| Problem::new(format!("the answer is not JSON: {error}"), shown, "is it a registry?"))
}
