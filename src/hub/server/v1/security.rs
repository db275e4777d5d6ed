//! What the scan of a publication found, in the forms that ClawHub's clients know. Nothing is scanned here: that was done
//! before the version came in, and worse than medium did not come in.

use super::card;
use super::files;
use super::show::{self, chosen, downloadable, named, page, reference};
use crate::digest::Sha256;
use crate::hub::server::call::{Call, object, text, written};
use crate::hub::server::event::Release;
use crate::hub::server::http::Response;
use crate::hub::server::refusal::{Answer, Refusal};
use crate::hub::server::state::{Skill, SkillId, State, Version};
use crate::json::{Node, Writer};
use crate::net::url::encode;
use std::io;

/// What the scanner is called.
const ENGINE: &str = "weft";

/// `security` of a version.
pub fn brief(w: &mut Writer, version: &Version, release: &Release) -> io::Result<()> {
    w.object(|w| {
        w.field("status", "clean")?;
        w.key("passed")?.boolean(true)?;
        w.key("hasWarnings")?.boolean(version.warned)?;
        w.count("checkedAt", version.at)?;
        w.field("model", &format!("{ENGINE} {}", release.scanner))?;
        findings(w, release)
    })
}

fn findings(w: &mut Writer, release: &Release) -> io::Result<()> {
    w.key("findings")?.array(|w| {
        release.findings.iter().try_for_each(|note| {
            w.object(|w| {
                w.field("rule", &note.rule)?;
                w.field("severity", &note.severity)?;
                w.field("message", &note.message)?;
                w.field("file", &note.path)?;
                w.count("line", note.line)?;
                w.field("remediation", &note.fix)
            })
        })
    })
}

pub fn scan(call: &mut Call) -> Answer {
    let id = {
        let state = call.app.state();
        named(call, &state, call.param(0))?
    };
    let (version, release) = files::release(call, id)?;
    Ok(object(|w| {
        w.field("slug", &release.slug)?;
        w.field("version", &version.number)?;
        report(w, &version, &release)
    }))
}

/// What a scan says by itself.
fn report(w: &mut Writer, version: &Version, release: &Release) -> io::Result<()> {
    brief(w.key("security")?, version, release)?;
    w.key("hasScanResult")?.boolean(true)?;
    w.field("sha256hash", &version.zip.to_string())?;
    w.key("virustotalUrl")?.null()?;
    w.key("scanners")?.object(|w| {
        w.key("weft")?.object(|w| {
            w.field("version", &release.scanner)?;
            w.count("issueCount", release.findings.len() as u64)
        })?;
        w.key("vt")?.null()?;
        w.key("skillspector")?.null()?;
        w.key("llm")?.null()
    })?;
    w.key("moderation")?.null()
}

/// What speaks against installing it.
fn reasons(state: &State, id: SkillId) -> &'static [&'static str] {
    if downloadable(state, id).is_err() { &["moderation.malware_blocked"] } else { &[] }
}

pub fn verify(call: &mut Call) -> Answer {
    let state = call.app.state();
    let id = named(call, &state, call.param(0))?;
    let skill = show::visible(&state, id, call.who.as_ref())?;
    let tag = call.query(&["tag"]);
    let (version, by) = chosen(skill, call.query(&["version"]), tag, false)?;
    let release = show::release(&call.app.store, version.span)?;
    let reasons = reasons(&state, id);
    let base = call.base();
    Ok(object(|w| {
        w.field("schema", "clawhub.skill.verify.v1")?;
        verdict(w, &state, skill, version, reasons, &base)?;
        w.field("pageUrl", &page(&base, state.handle(skill.owner), &skill.slug))?;
        w.field("publisherProfileUrl", &format!("{base}/{}", state.handle(skill.owner)))?;
        w.field("resolvedFrom", by)?;
        match tag.filter(|_| by == "tag") {
            Some(tag) => w.field("tag", tag)?,
            None => w.key("tag")?.null()?,
        }
        w.key("card")?.object(|w| {
            let owner = state.handle(skill.owner);
            let text = card::text(owner, version, &release);
            w.key("available")?.boolean(true)?;
            w.field("path", card::PATH)?;
            let (slug, number) = (&skill.slug, encode(&version.number));
            w.field(
                "url",
                &format!("{base}/api/v1/skills/{slug}/card?ownerHandle={owner}&version={number}"),
            )?;
            w.field("sha256", &Sha256::of(text.as_bytes()).to_string())?;
            w.count("size", text.len() as u64)?;
            w.field("contentType", card::KIND)
        })?;
        w.key("artifact")?.object(|w| {
            w.field("sourceFingerprint", &version.fingerprint.to_string())?;
            w.strings("bundleFingerprints", [])?;
            w.field("contentHash", &version.content_hash.to_string())?;
            w.field("zipSha256", &version.zip.to_string())?;
            w.key("files")?.array(|w| {
                release.files.iter().try_for_each(|file| {
                    w.object(|w| {
                        w.field("path", &file.path)?;
                        w.count("size", file.size)?;
                        w.field("sha256", &file.sha256.to_string())
                    })
                })
            })
        })?;
        w.key("provenance")?.object(|w| match release.source.as_str() {
            "" => {
                w.field("source", "unavailable")?;
                w.field("reason", "the publisher named no source")
            }
            source => {
                w.field("source", "publisher-claim")?;
                w.field("url", source)
            }
        })?;
        brief(w.key("security")?, version, &release)?;
        show::signature(w.key("signature")?, version, &release)?;
        w.key("weft")?.object(|w| w.key("log")?.object(|w| w.count("index", version.index)))
    }))
}

/// `ok` to `createdAt`.
fn verdict(
    w: &mut Writer,
    state: &State,
    skill: &Skill,
    version: &Version,
    reasons: &[&str],
    base: &str,
) -> io::Result<()> {
    let handle = state.handle(skill.owner);
    w.key("ok")?.boolean(reasons.is_empty())?;
    w.field("decision", if reasons.is_empty() { "pass" } else { "fail" })?;
    w.strings("reasons", reasons.iter().copied())?;
    w.field("slug", &skill.slug)?;
    w.field("displayName", &skill.title)?;
    w.field("version", &version.number)?;
    w.field("publisherHandle", handle)?;
    w.field("publisherDisplayName", state.account(skill.owner).map_or("", |account| &account.name))?;
    w.count("createdAt", version.at)?;
    w.count("checkedAt", version.at)?;
    w.field("skillUrl", &page(base, handle, &skill.slug))
}

/// Many versions at once.
pub fn verdicts(call: &mut Call) -> Answer {
    let body = call.json()?;
    let items = body.get("items").and_then(Node::as_array).unwrap_or_default();
    if !(1..=100).contains(&items.len()) {
        return Err(Refusal::bad("items must hold 1-100 versions"));
    }
    let mut asked = Vec::new();
    for item in items {
        let (Some(slug), Some(version)) = (text(item, "slug"), text(item, "version")) else {
            return Err(Refusal::bad("Each item needs slug and version"));
        };
        let one = (reference(slug, text(item, "ownerHandle")), version);
        if asked.contains(&one) {
            return Err(Refusal::bad("items must be unique"));
        }
        asked.push(one);
    }
    let (state, base) = (call.app.state(), call.base());
    Ok(object(|w| {
        w.field("schema", "clawhub.skill.security-verdicts.v1")?;
        w.key("items")?.array(|w| {
            asked.iter().try_for_each(|((owner, slug), number)| {
                let found = show::found(&state, owner.as_deref(), slug, &base, false).and_then(|id| {
                    let skill = show::visible(&state, id, None)?;
                    let (version, _) = chosen(skill, Some(number), None, false)?;
                    Ok((id, skill, version, show::release(&call.app.store, version.span)?))
                });
                w.object(|w| {
                    w.field("requestedSlug", slug)?;
                    if let Some(owner) = owner {
                        w.field("requestedOwnerHandle", owner)?;
                    }
                    w.field("requestedVersion", number)?;
                    match &found {
                        Ok((id, skill, version, release)) => {
                            verdict(w, &state, skill, version, reasons(&state, *id), &base)?;
                            w.field(
                                "securityAuditUrl",
                                &page(&base, state.handle(skill.owner), &skill.slug),
                            )?;
                            brief(w.key("security")?, version, release)
                        }
                        Err(refusal) => unknown(w, refusal),
                    }
                })
            })
        })
    }))
}

fn unknown(w: &mut Writer, refusal: &Refusal) -> io::Result<()> {
    w.key("ok")?.boolean(false)?;
    w.field("decision", "fail")?;
    w.strings("reasons", ["not_found"])?;
    for key in [
        "slug",
        "version",
        "displayName",
        "publisherHandle",
        "publisherDisplayName",
        "createdAt",
        "checkedAt",
        "skillUrl",
        "securityAuditUrl",
        "security",
    ] {
        w.key(key)?.null()?;
    }
    w.key("error")?.object(|w| {
        w.field("code", if refusal.status == 410 { "version_not_available" } else { "not_found" })?;
        w.field("message", &refusal.text)
    })
}

/// A scan that was asked for: which version's, as its id says.
fn of_id(state: &State, id: &str) -> Option<(SkillId, Version)> {
    let (skill, place) = id.strip_prefix('s')?.split_once("-v")?;
    let skill = skill.parse().ok()?;
    let version = state.skill(skill)?.versions.get(place.parse::<usize>().ok()?)?;
    Some((skill, version.clone()))
}

fn id_of(skill: &Skill, id: SkillId, version: &Version) -> String {
    let place = skill.version(&version.number).map_or(0, |(place, _)| place);
    format!("s{id}-v{place}")
}

pub fn submit(call: &mut Call) -> Answer {
    let body = call.json()?;
    let source = body.get("source").ok_or_else(|| Refusal::bad("Missing source"))?;
    if text(source, "kind") != Some("published") {
        return Err(Refusal::bad(
            "Only published versions are scanned here. For a folder: weft security scan --gate DIR",
        ));
    }
    let slug = text(source, "slug").ok_or_else(|| Refusal::bad("Missing slug"))?;
    let (owner, slug) = reference(slug, text(source, "ownerHandle"));
    let state = call.app.state();
    let id = show::found(&state, owner.as_deref(), &slug, &call.base(), false)?;
    let skill = show::visible(&state, id, call.who.as_ref())?;
    let (version, _) = chosen(skill, text(source, "version"), None, false)?;
    let scan = id_of(skill, id, version);
    let mut response = object(|w| {
        w.key("ok")?.boolean(true)?;
        w.field("scanId", &scan)?;
        w.field("status", "queued")?;
        w.field("sourceKind", "published")?;
        w.key("update")?.boolean(false)
    });
    response.status = 202;
    Ok(response)
}

fn asked_for(call: &Call) -> Result<(String, Version, Release), Refusal> {
    let id = call.param(0).to_owned();
    let missing = || Refusal::missing("Scan not found");
    let version = {
        let state = call.app.state();
        let (skill, version) = of_id(&state, &id).ok_or_else(missing)?;
        show::visible(&state, skill, call.who.as_ref()).map_err(|_| missing())?;
        version
    };
    let release = show::release(&call.app.store, version.span)?;
    Ok((id, version, release))
}

pub fn status(call: &mut Call) -> Answer {
    let (id, version, release) = asked_for(call)?;
    Ok(object(|w| {
        w.key("ok")?.boolean(true)?;
        finished(w, &id, &version)?;
        w.key("report")?.object(|w| {
            w.field("slug", &release.slug)?;
            w.field("version", &version.number)?;
            report(w, &version, &release)
        })
    }))
}

/// `scanId` to `completedAt`: it was done when the version came in.
fn finished(w: &mut Writer, id: &str, version: &Version) -> io::Result<()> {
    w.field("scanId", id)?;
    w.field("status", "succeeded")?;
    w.field("sourceKind", "published")?;
    w.key("update")?.boolean(false)?;
    w.count("createdAt", version.at)?;
    w.count("updatedAt", version.at)?;
    w.count("completedAt", version.at)
}

pub fn download(call: &mut Call) -> Answer {
    let (id, version, release) = asked_for(call)?;
    Ok(archive(&id, &version, &release))
}

pub fn download_latest(call: &mut Call) -> Answer {
    let (id, scan) = {
        let state = call.app.state();
        let id = named(call, &state, call.param(0))?;
        let skill = show::visible(&state, id, call.who.as_ref())?;
        let (version, _) = chosen(skill, call.query(&["version"]), call.query(&["tag"]), false)?;
        (id, id_of(skill, id, version))
    };
    let (version, release) = files::release(call, id)?;
    Ok(archive(&scan, &version, &release))
}

fn archive(id: &str, version: &Version, release: &Release) -> Response {
    let manifest = written(|w| finished(w, id, version));
    let report = written(|w| report(w, version, release));
    let files = [("manifest.json".to_owned(), manifest), ("report.json".to_owned(), report)];
    Response::new(200, "application/zip", files::stored(&files)).with(
        "Content-Disposition",
        format!("attachment; filename=\"{}-{}-scan.zip\"", release.slug, version.number),
    )
}
