//! The page of a skill: what it says of itself, what the registry knows, and how to get it.

use super::html::escape;
use super::lists::{address, title};
use super::markdown::render;
use super::page::{Page, Site, encode, number, size, time};
use crate::hub::layout;
use crate::hub::server::event::Release;
use crate::hub::server::http::Response;
use crate::hub::server::state::{Skill, SkillId, State, Version};
use crate::skill::manifest::frontmatter;
use crate::trust::Statement;

/// Versions and comments that are shown.
const MOST: usize = 50;
/// The longest text that is rendered; the file itself is always there whole.
const LONGEST: usize = 256 * 1024;

/// A version of a skill, with what is read back of it.
pub struct Shown<'a> {
    pub id: SkillId,
    pub skill: &'a Skill,
    pub version: &'a Version,
    pub release: &'a Release,
    /// Its SKILL.md.
    pub text: &'a str,
}

pub fn skill(site: Site, state: &State, shown: &Shown) -> Response {
    let Shown { id, skill, version, release, .. } = *shown;
    let owner = state.handle(skill.owner);
    let mut page = Page::new(site, title(skill), "");
    page.element("h1", title(skill));
    page.html("<p class=\"soft\">").link(site, &format!("/{}", encode(owner)), &format!("@{owner}"));
    page.html("/").text(&skill.slug).html(" ").text(&version.number);
    page.html(&format!(", published {}, MIT-0</p>\n<p class=\"row\">", time(version.at)));
    badges(&mut page, shown, state);
    page.html("</p>\n");
    if !skill.summary.is_empty() {
        page.element("p", &skill.summary);
    }
    if let Some(latest) = skill.latest().filter(|latest| latest.number != version.number) {
        page.html("<p class=\"notice\">This is not the latest version: that is ");
        page.link(site, &address(owner, &skill.slug), &latest.number).html(".</p>\n");
    }
    for (place, what) in [(None, "This skill"), (position(skill, version), "This version")] {
        if let Some(reason) = state.reason(id, place) {
            page.html("<p class=\"notice\">").text(what).html(" is no longer recommended: ").text(reason);
            page.html("</p>\n");
        }
    }
    install(&mut page, site, owner, shown);
    page.html("<h2 id=\"readme\">SKILL.md</h2>\n<div class=\"readme\">\n");
    let body = match frontmatter(shown.text) {
        // What follows the second `---`.
        Some(front) => after_frontmatter(shown.text, front),
        None => shown.text,
    };
    let (body, cut) = match body.char_indices().map(|(at, _)| at).find(|at| *at >= LONGEST) {
        Some(at) => (body.get(..at).unwrap_or_default(), true),
        None => (body, false),
    };
    let below = match site.still {
        // Its line in the list of files: a file server would hand out a stranger's page as one of ours.
        true => "#file-".to_owned(),
        false => format!(
            "{}{}/file?version={}&path=",
            site.root,
            address(owner, &skill.slug),
            encode(&version.number)
        ),
    };
    page.html(&render(body, &below)).html("</div>\n");
    if cut {
        page.html("<p class=\"soft\">Shown in part: the file has more.</p>\n");
    }
    files(&mut page, site, owner, shown);
    findings(&mut page, site, release);
    signature(&mut page, site, owner, shown);
    versions(&mut page, site, state, owner, shown);
    comments(&mut page, site, state, id);
    page.finish(site, 200)
}

fn position(skill: &Skill, version: &Version) -> Option<u32> {
    skill.version(&version.number).map(|(place, _)| place)
}

fn after_frontmatter<'t>(text: &'t str, front: &str) -> &'t str {
    let end = (front.as_ptr() as usize).saturating_sub(text.as_ptr() as usize) + front.len();
    let rest = text.get(end..).unwrap_or_default();
    // The closing line.
    let rest = rest.trim_start_matches(['\r', '\n']);
    rest.split_once('\n').map_or("", |(_, body)| body)
}

fn badges(page: &mut Page, shown: &Shown, state: &State) {
    let Shown { id, skill, version, release, .. } = *shown;
    if version.is_signed() {
        page.badge("good", "signed");
    } else {
        page.badge("warn", "unsigned");
    }
    match release.findings.len() {
        0 => page.badge("good", "scan: nothing found"),
        1 => page.badge("warn", "scan: 1 remark"),
        count => page.badge("warn", &format!("scan: {count} remarks")),
    };
    if version.deprecated || state.is_deprecated(id) {
        page.badge("warn", "deprecated");
    }
    page.badge("", &format!("{} downloads", number(skill.counts.downloads)));
    page.badge("", &format!("{} stars", number(u64::from(skill.stars))));
    let (sum, count) = skill.ratings;
    if count > 0 {
        let tenths = u64::from(sum) * 10 / u64::from(count);
        page.badge("", &format!("{}.{} of 5 by {count}", tenths / 10, tenths % 10));
    }
    for topic in skill.topics.lines() {
        page.badge("", topic);
    }
}

fn install(page: &mut Page, site: Site, owner: &str, shown: &Shown) {
    let name = format!("@{owner}/{}", shown.skill.slug);
    let latest = shown.skill.latest().is_some_and(|latest| latest.number == shown.version.number);
    let pinned = if latest { String::new() } else { format!("@{}", shown.version.number) };
    page.html("<h2 id=\"install\">Install</h2>\n<pre><code>weft skill install ").text(&name).text(&pinned);
    page.html(" --registry ").html(if site.still { "static+" } else { "" });
    page.text(site.base).html("</code></pre>\n");
    if !site.still {
        page.html(
            "<p class=\"soft\">or, which checks neither signature nor hash:</p>\n<pre><code>CLAWHUB_REGISTRY=",
        );
        page.text(site.base).html(" clawhub install ").text(&name);
        if !latest {
            page.html(" --version ").text(&shown.version.number);
        }
        page.html("</code></pre>\n");
    }
    let needs: Vec<&str> =
        shown.release.setup.iter().filter(|one| one.required).map(|one| one.key.as_str()).collect();
    if !needs.is_empty() {
        page.html("<p>It asks for ");
        for key in needs {
            page.html("<code>").text(key).html("</code> ");
        }
        page.html("</p>\n");
    }
}

fn files(page: &mut Page, site: Site, owner: &str, shown: &Shown) {
    let Shown { skill, version, release, .. } = *shown;
    page.html("<h2 id=\"files\">Files</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th>Path</th><th class=\"number\">Size</th><th>SHA-256</th></tr></thead>\n<tbody>\n");
    for file in &release.files {
        let to = format!(
            "{}/file?version={}&path={}",
            address(owner, &skill.slug),
            encode(&version.number),
            encode(&file.path)
        );
        match site.still {
            true => page.html("<tr id=\"file-").text(&encode(&file.path)).html("\"><td>").text(&file.path),
            false => page.html("<tr><td>").link(site, &to, &file.path),
        };
        page.html("</td><td class=\"number\">");
        page.text(&size(file.size))
            .html("</td><td><code>")
            .text(&file.sha256.to_string())
            .html("</code></td></tr>\n");
    }
    page.html("</tbody></table></div>\n");
    if site.still {
        let package = layout::package(owner, &skill.slug, &version.number);
        page.html("<p>").link(site, &format!("/{package}"), "All of them, as a zip").html("</p>\n");
    }
}

fn findings(page: &mut Page, site: Site, release: &Release) {
    page.html("<h2 id=\"scan\">Scan</h2>\n");
    if release.findings.is_empty() {
        page.html("<p>weft ").text(&release.scanner).html(
            " found nothing that it says to people. What is worse than a remark is not published here.</p>\n",
        );
        return;
    }
    page.html("<p>weft ")
        .text(&release.scanner)
        .html(" has remarks, none of them grave enough to refuse it:</p>\n<ul class=\"list\">\n");
    for note in &release.findings {
        page.html("<li><h3>").link(site, &format!("/rules/{}", encode(&note.rule)), &note.rule).html(" ");
        page.badge("warn", &note.severity).html("</h3>\n").element("p", &note.message);
        page.html("<p class=\"soft\"><code>")
            .text(&note.path)
            .html(&format!("</code>, line {}</p>\n", note.line));
        if !note.fix.is_empty() {
            page.html("<p class=\"soft\">What to do: ").text(&note.fix).html("</p>\n");
        }
        page.html("</li>\n");
    }
    page.html("</ul>\n");
}

fn signature(page: &mut Page, site: Site, owner: &str, shown: &Shown) {
    let Shown { skill, version, release, .. } = *shown;
    page.html("<h2 id=\"signature\">Signature and log</h2>\n<dl>\n<dt>Content hash</dt><dd><code>");
    page.text(&version.content_hash.to_string()).html("</code></dd>\n<dt>Log entry</dt><dd>");
    if site.still {
        page.link(site, &format!("/{}", layout::event(version.index)), &version.index.to_string());
        page.html("</dd>\n");
    } else {
        let entry = format!("/log?from={}", version.index);
        page.link(site, &entry, &version.index.to_string());
        let proof = format!("/api/v1/log/proof?index={}&size={}", version.index, site.size);
        page.html(" (").link(site, &proof, "inclusion proof").html(")</dd>\n");
    }
    let statement = Statement::parse(&release.statement).ok().filter(|_| version.is_signed());
    match statement {
        Some(statement) => {
            page.html("<dt>Signed by</dt><dd><code>").text(&statement.public_key.fingerprint());
            page.html("</code>, the key of ").link(
                site,
                &format!("/{}", encode(owner)),
                &format!("@{owner}"),
            );
            page.html(&format!(
                "</dd>\n<dt>Publication</dt><dd>number {} of this skill</dd>\n",
                statement.seq
            ));
            page.html("</dl>\n<details><summary>What is signed</summary>\n<pre><code>")
                .text(&release.statement);
            page.html("signature ").text(&release.signature).html("</code></pre>\n</details>\n");
        }
        None => {
            page.html("<dt>Signed by</dt><dd>nobody: the bytes are what the registry took, and no more is known of who made them</dd>\n</dl>\n");
        }
    }
    page.html("<p class=\"soft\">Check it: <code>weft skill install ")
        .text(&format!("@{owner}/{}", skill.slug));
    page.html("</code> verifies hash, signature, key and log by itself; <code>weft skill verify</code> does again what is on disk.</p>\n");
}

fn versions(page: &mut Page, site: Site, state: &State, owner: &str, shown: &Shown) {
    let skill = shown.skill;
    page.html("<h2 id=\"versions\">Versions</h2>\n<ul>\n");
    for (place, version) in skill.versions.iter().enumerate().rev().take(MOST) {
        page.html("<li>");
        if version.withdrawn {
            page.text(&version.number);
        } else if site.still {
            let to = layout::page(owner, &skill.slug, &version.number);
            page.link(site, &format!("/{}", to.trim_end_matches("/index.html")), &version.number);
        } else {
            let to = format!("{}?version={}", address(owner, &skill.slug), encode(&version.number));
            page.link(site, &to, &version.number);
        }
        page.html(&format!(" <span class=\"soft\">{}</span> ", time(version.at)));
        let tags = skill.tags.iter().filter(|(_, at)| *at as usize == place).map(|(tag, _)| &**tag);
        let latest = skill.latest == u32::try_from(place).ok();
        for tag in latest.then_some("latest").into_iter().chain(tags) {
            page.badge("", tag);
        }
        if version.withdrawn {
            page.badge("bad", "withdrawn");
            let reason = u32::try_from(place).ok().and_then(|place| state.reason(shown.id, Some(place)));
            page.text(reason.unwrap_or_default());
        }
        page.html("</li>\n");
    }
    page.html("</ul>\n");
    if skill.versions.len() > MOST {
        page.html(&format!("<p class=\"soft\">and {} older ones</p>\n", skill.versions.len() - MOST));
    }
}

fn comments(page: &mut Page, site: Site, state: &State, id: SkillId) {
    let seen: Vec<_> = state.comments(id).filter(|(_, comment)| !comment.hidden).collect();
    page.html("<h2 id=\"comments\">Comments</h2>\n");
    if seen.is_empty() {
        page.html("<p class=\"soft\">None. <code>weft skill comment</code> writes one.</p>\n");
        return;
    }
    page.html("<ul class=\"list\">\n");
    for (_, comment) in seen.iter().rev().take(MOST) {
        let by = state.handle(comment.by);
        page.html("<li><p class=\"soft\">").link(site, &format!("/{}", encode(by)), &format!("@{by}"));
        page.html(&format!(
            ", {}{}</p>\n<p>",
            time(comment.at),
            if comment.edited > 0 { ", edited" } else { "" }
        ));
        page.html(&escape(&comment.text).replace('\n', "<br>\n")).html("</p></li>\n");
    }
    page.html("</ul>\n");
}

/// One file of a version, as text. `text` is none for what is no text or too large to show.
pub fn file(site: Site, owner: &str, slug: &str, version: &str, path: &str, text: Option<&str>) -> Response {
    let mut page = Page::new(site, path, "");
    page.html("<h1>").text(path).html("</h1>\n<p class=\"soft\">of ");
    page.link(
        site,
        &format!("{}?version={}", address(owner, slug), encode(version)),
        &format!("@{owner}/{slug} {version}"),
    );
    let raw = format!(
        "/api/v1/skills/{}/file?ownerHandle={}&version={}&path={}",
        encode(slug),
        encode(owner),
        encode(version),
        encode(path)
    );
    page.html(", ").link(site, &raw, "download").html("</p>\n");
    match text {
        Some(text) => page.html("<pre tabindex=\"0\"><code>").text(text).html("</code></pre>\n"),
        None => page.html("<p>This file is no text, or too large to show.</p>\n"),
    };
    page.finish(site, 200)
}
