//! The bytes of versions: packages, single files, and which version some files are.

use super::show::{self, chosen, downloadable, named, reference};
use crate::digest::Sha256;
use crate::hub::server::app::{App, lock};
use crate::hub::server::call::{Call, object};
use crate::hub::server::event::Release;
use crate::hub::server::http::{Content, Response};
use crate::hub::server::refusal::{Answer, Refusal};
use crate::hub::server::state::{Order, SkillId, State, Version};
use crate::json::Writer;
use crate::scan::archive::inflate::crc32;
use std::io;
use std::sync::Arc;

/// The largest file that is shown by itself.
const LARGEST: u64 = 10 << 20;
const LARGEST_PREVIEW: u64 = 200 << 10;
/// Packages in one export, and their bytes.
const MOST_EXPORTED: usize = 100;
const LARGEST_EXPORT: u64 = 64 << 20;

/// The skill of `?slug=`; several are a sentence here.
fn by_query(call: &Call, state: &State) -> Result<SkillId, Refusal> {
    let slug = call.query(&["slug"]).ok_or_else(|| Refusal::bad("Missing slug"))?;
    let (owner, slug) = reference(slug, call.query(&["ownerHandle", "owner"]));
    show::found(state, owner.as_deref(), &slug, &call.base(), false)
}

pub fn resolve(call: &mut Call) -> Answer {
    let (Some(_), Some(hash)) = (call.query(&["slug"]), call.query(&["hash"])) else {
        return Err(Refusal::bad("Missing slug or hash"));
    };
    let hash = Sha256::parse(&hash.to_ascii_lowercase()).ok_or_else(|| Refusal::bad("Invalid hash"))?;
    let state = call.app.state();
    let id = by_query(call, &state)?;
    let skill = show::visible(&state, id, call.who.as_ref())?;
    let version = |w: &mut Writer, key: &str, found: Option<&Version>| -> io::Result<()> {
        match found {
            Some(version) => w.key(key)?.object(|w| w.field("version", &version.number)),
            None => w.key(key)?.null(),
        }
    };
    Ok(object(|w| {
        w.field("slug", &skill.slug)?;
        version(w, "match", skill.available().find(|version| version.fingerprint == hash))?;
        version(w, "latestVersion", skill.latest())
    }))
}

pub fn download(call: &mut Call) -> Answer {
    let state = call.app.state();
    let id = by_query(call, &state)?;
    send(call, &state, id, call.query(&["version"]), call.query(&["tag"]))
}

/// The package of a version, from its file.
pub fn send(call: &Call, state: &State, id: SkillId, version: Option<&str>, tag: Option<&str>) -> Answer {
    let skill = downloadable(state, id)?;
    let (version, _) = chosen(skill, version, tag, true)?;
    let file = call.app.store.blobs().open(&version.zip)?;
    let name = format!("attachment; filename=\"{}-{}.zip\"", skill.slug, version.number);
    let who = call.who.as_ref().map(|who| who.account);
    lock(&call.app.seen).download(id, who, call.head.peer, call.now);
    let response = Response::new(200, "application/zip", Vec::new())
        .with("Content-Disposition", name)
        .with("Cache-Control", "private, max-age=60")
        .with("ETag", format!("\"{}\"", version.zip))
        .with("X-Content-SHA256", version.zip.to_string());
    let content = Content::File { file: Arc::new(file), offset: 0, length: version.zip_size.into() };
    Ok(Response { content, ..response })
}

pub fn install(call: &mut Call) -> Answer {
    let state = call.app.state();
    let id = named(call, &state, call.param(0))?;
    let skill = state.skill(id).ok_or_else(Refusal::no_skill)?;
    let blocked = match downloadable(&state, id) {
        Err(refusal) => Some((refusal.status, "archive_version_missing", refusal.text.into_owned())),
        Ok(_) if skill.latest.is_none() => {
            Some((409, "archive_version_missing", "No version of this skill can be installed".to_owned()))
        }
        Ok(_) => None,
    };
    let url = format!(
        "{}/api/v1/download?slug={}&ownerHandle={}",
        call.base(),
        skill.slug,
        state.handle(skill.owner)
    );
    let mut response = object(|w| {
        w.key("ok")?.boolean(blocked.is_none())?;
        w.field("slug", &skill.slug)?;
        match (&blocked, skill.latest()) {
            (None, Some(version)) => {
                w.field("installKind", "archive")?;
                w.key("archive")?.object(|w| {
                    w.field("version", &version.number)?;
                    w.field("downloadUrl", &format!("{url}&version={}", version.number))
                })
            }
            (Some((status, reason, message)), _) => {
                w.field("reason", reason)?;
                w.field("message", message)?;
                w.count("status", (*status).into())
            }
            (None, None) => Ok(()),
        }
    });
    response.status = blocked.map_or(200, |(status, _, _)| status);
    Ok(response)
}

/// A blob whose length is known.
pub fn blob(app: &App, sha256: &Sha256, size: u64) -> Result<Vec<u8>, Refusal> {
    Ok(app.store.blobs().read(sha256, size)?)
}

/// The files of a version that a request means.
pub fn release(call: &Call, id: SkillId) -> Result<(Version, Release), Refusal> {
    let state = call.app.state();
    show::visible(&state, id, call.who.as_ref())?;
    let skill = downloadable(&state, id)?;
    let (version, _) = chosen(skill, call.query(&["version"]), call.query(&["tag"]), false)?;
    Ok((version.clone(), show::release(&call.app.store, version.span)?))
}

pub fn file(call: &mut Call) -> Answer {
    let path = call.query(&["path"]).ok_or_else(|| Refusal::bad("Missing path"))?.to_owned();
    let id = {
        let state = call.app.state();
        named(call, &state, call.param(0))?
    };
    let (_, release) = release(call, id)?;
    let exact = release.files.iter().find(|file| file.path == path);
    let found = exact.or_else(|| release.files.iter().find(|file| file.path.eq_ignore_ascii_case(&path)));
    let file = found.ok_or_else(|| Refusal::missing("File not found"))?;
    let preview = call.flag(&["preview"]);
    if file.size > if preview { LARGEST_PREVIEW } else { LARGEST } {
        return Err(Refusal::new(413, "File is too large to show"));
    }
    let bytes = blob(call.app, &file.sha256, file.size)?;
    let is_text = std::str::from_utf8(&bytes).is_ok();
    if preview && !is_text {
        return Err(Refusal::new(415, "File is not text"));
    }
    // Never as something that a browser would run.
    let kind = if is_text { "text/plain; charset=utf-8" } else { "application/octet-stream" };
    let sha256 = file.sha256.to_string();
    Ok(Response::new(200, kind, bytes)
        .with("ETag", sha256.clone())
        .with("X-Content-SHA256", sha256)
        .with("X-Content-Size", file.size.to_string())
        .with("Content-Disposition", "attachment")
        .with("Cache-Control", "private, max-age=60")
        .with("X-Frame-Options", "DENY")
        .with("Content-Security-Policy", "default-src 'none'; sandbox"))
}

/// The packages of many skills, as they are, in one zip: `owner/slug-version.zip`.
pub fn export(call: &mut Call) -> Answer {
    let time = |name: &str| match call.query(&[name]) {
        None => Ok(None),
        Some(text) => text.parse::<u64>().map(Some).map_err(|_| Refusal::bad(format!("Invalid {name}"))),
    };
    let (from, to) = (time("startDate")?.unwrap_or(0), time("endDate")?.unwrap_or(u64::MAX));
    let limit = call.number("limit", 25, MOST_EXPORTED)?;
    let after = match call.query(&["cursor"]) {
        None => None,
        Some(text) => {
            let key =
                text.split_once('.').and_then(|(value, id)| Some((value.parse().ok()?, id.parse().ok()?)));
            Some(key.ok_or_else(|| Refusal::bad("Invalid cursor"))?)
        }
    };
    let (mut chosen, mut last, mut total, mut more) = (Vec::new(), None, 0u64, false);
    {
        let state = call.app.state();
        // One page of skills is looked at; those outside the time are passed over, and the cursor goes on behind them.
        for id in state.page(Order::Updated, after, limit) {
            let Some((skill, version)) = state.skill(id).and_then(|skill| Some((skill, skill.latest()?)))
            else {
                continue;
            };
            if total + u64::from(version.zip_size) > LARGEST_EXPORT && !chosen.is_empty() {
                more = true;
                break;
            }
            if (from..=to).contains(&skill.updated) {
                total += u64::from(version.zip_size);
                let name = format!("{}/{}-{}.zip", state.handle(skill.owner), skill.slug, version.number);
                chosen.push((name, version.zip, version.zip_size));
            }
            last = state.key(Order::Updated, id);
        }
        more |= last.is_some_and(|last| !state.page(Order::Updated, Some(last), 1).is_empty());
    }
    let mut files = Vec::new();
    for (name, zip, size) in chosen {
        files.push((name, blob(call.app, &zip, size.into())?));
    }
    let mut response = Response::new(200, "application/zip", stored(&files))
        .with("Content-Disposition", "attachment; filename=\"skills.zip\"")
        .with("X-Has-More", if more { "true" } else { "false" });
    if let Some((value, id)) = last.filter(|_| more) {
        response = response.with("X-Next-Cursor", format!("{value}.{id}"));
    }
    Ok(response)
}

/// A zip of files as they are. For packages: they are compressed already.
pub fn stored(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let offset = out.len() as u32;
        let mut shared = Vec::with_capacity(26);
        // Version 2.0, UTF-8 names, stored, 1980-01-01.
        for short in [20u16, 1 << 11, 0, 0, 1 << 5 | 1] {
            shared.extend_from_slice(&short.to_le_bytes());
        }
        for long in [crc32(content), content.len() as u32, content.len() as u32] {
            shared.extend_from_slice(&long.to_le_bytes());
        }
        shared.extend_from_slice(&(name.len() as u16).to_le_bytes());
        shared.extend_from_slice(&[0, 0]);
        out.extend_from_slice(b"PK\x03\x04");
        out.extend_from_slice(&shared);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(content);
        directory.extend_from_slice(b"PK\x01\x02\x14\x00");
        directory.extend_from_slice(&shared);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let start = out.len() as u32;
    out.extend_from_slice(&directory);
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    for _ in 0..2 {
        out.extend_from_slice(&(files.len() as u16).to_le_bytes());
    }
    out.extend_from_slice(&(directory.len() as u32).to_le_bytes());
    out.extend_from_slice(&start.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out
}
