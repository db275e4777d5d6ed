//! Publishing in ClawHub's two forms: files that were sent ahead with tickets, or everything in one multipart request.

use crate::digest::Sha256;
use crate::hub::server::app::{App, FILE, FILES, TOTAL, lock, skill_id};
use crate::hub::server::auth::Who;
use crate::hub::server::call::{Call, object, text};
use crate::hub::server::http::{Body, PartContent, Response};
use crate::hub::server::publish::{self, Incoming, Published, Upload};
use crate::hub::server::refusal::{Answer, Refusal};
use crate::hub::server::v1::show::reference;
use crate::json::{self, Node};
use crate::skill::Problem;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A path, as tickets have it.
const LONGEST_PATH: usize = 500;

/// Path, size, hash and kind of a file, checked as far as they can be before it comes.
fn announced(node: &Node) -> Result<(String, u64, Sha256, String), Refusal> {
    let path = text(node, "path").unwrap_or("").trim_start_matches('/');
    let bad = path.is_empty()
        || path.len() > LONGEST_PATH
        || path.contains("..")
        || path.contains('\\')
        || path.split('/').any(str::is_empty)
        || path.chars().any(char::is_control);
    if bad {
        return Err(Refusal::bad("Invalid file path"));
    }
    let size = node.get("size").and_then(Node::as_u64).ok_or_else(|| Refusal::bad("Invalid file size"))?;
    if size > FILE {
        return Err(Refusal::bad(format!("File `{path}` exceeds the 10MB limit for one file")));
    }
    let sha256 = text(node, "sha256").and_then(|hash| Sha256::parse(&hash.to_ascii_lowercase()));
    let sha256 = sha256.ok_or_else(|| Refusal::bad("Invalid sha256: 64 hex digits"))?;
    Ok((path.to_owned(), size, sha256, text(node, "contentType").unwrap_or("").to_owned()))
}

pub fn ticket(call: &mut Call) -> Answer {
    let file = announced(&call.json()?)?;
    give(call, file)
}

fn give(call: &Call, file: (String, u64, Sha256, String)) -> Answer {
    let account = call.who()?.account;
    let id = lock(&call.app.tickets).open(account, file, call.now)?;
    let url = format!("{}/api/v1/skills/-/upload/{id}", call.base());
    Ok(object(|w| {
        w.field("uploadUrl", &url)?;
        w.field("uploadTicket", &id)
    }))
}

/// As [`ticket`]. Programs from before the tickets do not say what will come, so that nothing can be kept.
pub fn legacy_ticket(call: &mut Call) -> Answer {
    let body = call.json()?;
    match body.get("path") {
        Some(_) => {
            let file = announced(&body)?;
            give(call, file)
        }
        None => Err(Refusal::new(
            410,
            "This way of uploading is gone. Update the clawhub CLI, or publish as multipart/form-data to /api/v1/skills.",
        )),
    }
}

pub fn file(call: &mut Call) -> Answer {
    let account = call.who()?.account;
    let content = match call.body.take() {
        Some(Body::File(content)) => content,
        _ => return Err(Refusal::bad("The file must be the body of the request")),
    };
    let storage = lock(&call.app.tickets).fill(call.param(0), account, content, call.now)?;
    Ok(object(|w| w.field("storageId", &storage)))
}

/// What the JSON of both forms says.
fn described(node: &Node) -> Result<Upload, Refusal> {
    if node.get("acceptLicenseTerms").and_then(Node::as_bool) != Some(true) {
        return Err(Refusal::bad(
            "MIT-0 license terms must be accepted to publish: set acceptLicenseTerms to true",
        ));
    }
    let need = |key: &str, what: &str| {
        text(node, key).map(str::to_owned).ok_or_else(|| Refusal::bad(format!("{what} is required")))
    };
    let list = |key: &str| -> Result<Vec<String>, Refusal> {
        let Some(list) = node.get(key).and_then(Node::as_array) else { return Ok(Vec::new()) };
        let words: Option<Vec<String>> = list.iter().map(|word| word.as_str().map(str::to_owned)).collect();
        words.ok_or_else(|| Refusal::bad(format!("{key} must be a list of strings")))
    };
    let fork = node.get("forkOf").and_then(|fork| Some((text(fork, "slug")?, text(fork, "ownerHandle"))));
    let fork_of = fork.map(|(slug, owner)| {
        let (owner, slug) = reference(slug, owner);
        owner.map_or(slug.clone(), |owner| format!("{owner}/{slug}"))
    });
    let source = node.get("source").and_then(|source| {
        let url = text(source, "url")?;
        Some(text(source, "commit").map_or(url.to_owned(), |commit| format!("{url} {commit}")))
    });
    let signed = node.get("signature").and_then(|signed| {
        // A statement ends with a line feed: it is taken as it came.
        let word = |key: &str| signed.get(key).and_then(Node::as_str).map(str::to_owned);
        Some((word("statement")?, word("signature")?))
    });
    let migrates = node.get("migrateOwner").and_then(Node::as_bool).unwrap_or(false);
    Ok(Upload {
        owner: text(node, "ownerHandle").map(str::to_owned),
        migrate_from: migrates.then(|| text(node, "sourceOwnerHandle").map(str::to_owned)).flatten(),
        slug: need("slug", "Slug")?,
        title: text(node, "displayName").unwrap_or("").to_owned(),
        summary: String::new(),
        version: need("version", "Version")?,
        changelog: text(node, "changelog").unwrap_or("").to_owned(),
        tags: list("tags")?,
        categories: list("categories")?,
        topics: list("topics")?,
        fork_of: fork_of.unwrap_or_default(),
        source: source.unwrap_or_default(),
        signed,
        files: Vec::new(),
    })
}

pub fn publish(call: &mut Call) -> Answer {
    let who = call.who()?.clone();
    let base = call.base();
    // Before any file is in memory.
    let _permit = call.app.packages.take();
    let published = match call.body.take() {
        Some(Body::Parts(parts)) => {
            let (mut payload, mut files) = (None, Vec::new());
            for part in parts {
                match (part.name.as_str(), part.file_name, part.content) {
                    ("payload", None, PartContent::Memory(bytes)) if payload.is_none() => {
                        payload = Some(bytes)
                    }
                    ("files", Some(path), content) => files.push(Incoming {
                        path,
                        kind: part.content_type.unwrap_or_default(),
                        content: content_of(content)?,
                    }),
                    (name, _, _) => {
                        return Err(Refusal::bad(format!(
                            "Unexpected part `{name}`: one `payload` and `files` are taken"
                        )));
                    }
                }
            }
            let payload = payload.ok_or_else(|| Refusal::bad("Missing payload"))?;
            let text =
                std::str::from_utf8(&payload).map_err(|_| Refusal::bad("Invalid payload: not UTF-8"))?;
            let node =
                json::parse(text).map_err(|error| Refusal::bad(format!("Invalid payload: {error}")))?;
            let upload = Upload { files, ..described(&node)? };
            publish::publish(call.app, &who, &base, upload)?
        }
        body => {
            call.body = body;
            let node = call.json()?;
            let upload = described(&node)?;
            let files = sent(call.app, &who, &node, call.now)?;
            publish::publish(call.app, &who, &base, Upload { files, ..upload })?
        }
    };
    Ok(answer(call, &published))
}

/// The files that were sent ahead. Each ticket is good once, whatever becomes of the publication.
fn sent(app: &App, who: &Who, node: &Node, now: u64) -> Result<Vec<Incoming>, Refusal> {
    let list = node.get("files").and_then(Node::as_array).unwrap_or_default();
    if list.is_empty() {
        return Err(Refusal::bad("Files are required"));
    }
    let (mut files, mut total) = (Vec::new(), 0);
    for file in list {
        let (path, size, sha256, kind) = announced(file)?;
        total += size;
        if total > TOTAL || files.len() >= FILES {
            return Err(Refusal::bad(format!("Skill exceeds the limit of 50MB or {FILES} files")));
        }
        let (Some(id), Some(storage)) = (text(file, "uploadTicket"), text(file, "storageId")) else {
            return Err(Refusal::bad(format!("`{path}` needs its uploadTicket and storageId")));
        };
        let (ticket, spooled) = lock(&app.tickets).take(id, who.account, now, &|ticket, sent| {
            (ticket.path.as_str(), ticket.size, ticket.sha256, ticket.kind.as_str(), sent)
                == (path.as_str(), size, sha256, kind.as_str(), storage)
        })?;
        files.push(Incoming { path: ticket.path, kind: ticket.kind, content: read(&spooled.path, size)? });
    }
    Ok(files)
}

fn content_of(content: PartContent) -> Result<Vec<u8>, Refusal> {
    match content {
        PartContent::Memory(bytes) => Ok(bytes),
        PartContent::File(spooled) => read(&spooled.path, spooled.length),
    }
}

fn read(path: &Path, size: u64) -> Result<Vec<u8>, Refusal> {
    let failed = |error: std::io::Error| Problem::file("cannot read", path, &error);
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(size).read_to_end(&mut bytes)).map_err(failed)?;
    Ok(bytes)
}

/// What both forms answer.
fn answer(call: &Call, published: &Published) -> Response {
    let state = call.app.state();
    let (owner, slug) = published.name.split_once('/').unwrap_or_default();
    let id = state.exact(owner, slug).map_or(String::new(), skill_id);
    object(|w| {
        w.key("ok")?.boolean(true)?;
        w.field("skillId", &id)?;
        w.field("versionId", &format!("v{}", published.index))?;
        w.field("slug", slug)?;
        w.field("ownerHandle", owner)?;
        w.field("version", &published.version)?;
        w.field("status", "published")?;
        w.field("publicationStatus", "published")?;
        w.key("signed")?.boolean(published.signed)?;
        w.key("warnings")?.array(|w| {
            published.notes.iter().filter(|note| note.severity == "medium").try_for_each(|note| {
                w.string(&format!(
                    "{} (medium) in {} line {}: {}",
                    note.rule, note.path, note.line, note.message
                ))
            })
        })?;
        w.key("weft")?.object(|w| w.key("log")?.object(|w| w.count("index", published.index)))
    })
}
