//! Release archives and executables from a repository that has nothing to do with the skill: the way most malicious
//! skills deliver (56 % of them, no benign one, in the registry's history).

use super::{Doc, Raise};
use crate::scan::clues;
use crate::sort;
use regex_lite::Regex;
use std::sync::OnceLock;

fn release() -> Option<&'static Regex> {
    static RE: OnceLock<Option<Regex>> = OnceLock::new();
    RE.get_or_init(|| {
        Regex::new(
            r"(?i)https?://(?:www\.)?(github|gitlab|codeberg|bitbucket|gitee)\.(?:com|org)/([a-z0-9_.-]+)/([a-z0-9_.-]+)/(?:-/)?(?:releases/(?:download|latest/download)|raw|archive|downloads)/[^\s)\]>]*",
        )
        .ok()
    })
    .as_ref()
}

fn repository() -> Option<&'static Regex> {
    static RE: OnceLock<Option<Regex>> = OnceLock::new();
    RE.get_or_init(|| {
        Regex::new(r"(?i)(?:github|gitlab|codeberg|bitbucket|gitee)\.(?:com|org)[/:]([a-z0-9_.-]+)/([a-z0-9_.-]+)(/[a-z-]+)?").ok()
    })
    .as_ref()
}

/// Endings of what runs, or unpacks to what runs, on the reader's own machine.
const DELIVERS: [&str; 13] = [
    ".zip",
    ".exe",
    ".msi",
    ".dmg",
    ".pkg",
    ".rar",
    ".7z",
    ".scr",
    ".bat",
    ".ps1",
    ".cmd",
    ".jar",
    ".appimage",
];

/// Steps of work that matching one byte of a line takes.
const PATTERN: usize = 64;

pub fn check(doc: &Doc, raise: &mut Raise) {
    let text = &doc.text;
    let bytes = text.as_bytes();
    let mut lines: Vec<usize> = Vec::new();
    if !doc.clues.has(clues::RELEASE) {
        return;
    }
    for part in clues::RELEASES {
        lines.extend(memchr::memmem::find_iter(bytes, part).map(|at| doc.lines().line_range(text, at).start));
    }
    if lines.is_empty() {
        return;
    }
    sort::plain(&mut lines);
    lines.dedup();
    let (Some(release), Some(repository)) = (release(), repository()) else { return };
    let mut related: Option<Vec<String>> = None;
    let found = lines.iter().flat_map(|&start| {
        let line = &text[doc.lines().line_range(text, start)];
        let line = if doc.work.spend(line.len() * PATTERN) { line } else { "" };
        release.captures_iter(line).map(move |c| (start, c))
    });
    for (line_start, found) in found {
        let Some(whole) = found.get(0) else { continue };
        let url = whole.as_str().trim_end_matches(['.', ',', ')', '"', '\'', '`', '*']);
        let path = url.split(['?', '#']).next().unwrap_or(url).to_ascii_lowercase();
        if !DELIVERS.iter().any(|end| path.ends_with(end)) {
            continue;
        }
        let owner = found.get(2).map_or("", |m| m.as_str()).to_ascii_lowercase();
        let repo = found.get(3).map_or("", |m| m.as_str()).to_ascii_lowercase();
        let related = related.get_or_insert_with(|| related_names(doc, repository));
        if !doc.work.spend(related.len() * 32) {
            return;
        }
        if related.iter().any(|name| *name == owner || is_same_name(name, &repo)) {
            continue;
        }
        let range = line_start + whole.start()..line_start + whole.start() + url.len();
        raise(
            "unrelated-owner-archive",
            range,
            Some(format!(
                "the download comes from the repository {owner}/{repo}, which nothing else in the skill points to"
            )),
        );
    }
}

/// Names the file gives for itself: its front matter (name, author, homepage, repository) and the owners of
/// repositories it links to other than for a download.
fn related_names(doc: &Doc, repository: &Regex) -> Vec<String> {
    let text = &doc.text;
    let mut names = Vec::new();
    let front = match text.strip_prefix("---") {
        Some(rest) => &rest[..rest.find("\n---").unwrap_or(0)],
        None => "",
    };
    for line in front.lines() {
        if let Some((key, value)) = line.split_once(':') {
            let key = key.trim();
            let value = value.trim().trim_matches(['"', '\'']).to_ascii_lowercase();
            if ["name", "author", "owner", "publisher"].contains(&key) && !value.is_empty() {
                names.push(value.trim_start_matches('@').to_owned());
            }
        }
    }
    let hosts = ["github.", "gitlab.", "codeberg.", "bitbucket.", "gitee."];
    let lines = text
        .lines()
        .filter(|line| hosts.iter().any(|h| line.contains(h)) && doc.work.spend(line.len() * PATTERN));
    for found in lines.flat_map(|line| repository.captures_iter(line)) {
        let next = found.get(3).map_or("", |m| m.as_str());
        let download = ["/releases", "/raw", "/archive", "/downloads", "/-"].contains(&next);
        if !download && let Some(owner) = found.get(1) {
            names.push(owner.as_str().to_ascii_lowercase());
        }
    }
    sort::plain(&mut names);
    names.dedup();
    names
}

/// `gog` and `gogcli`, `summarize` and `summarize.sh` are one name; `clawhub` and `openclawcli` are not.
fn is_same_name(name: &str, repo: &str) -> bool {
    let plain = |s: &str| s.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    let (name, repo) = (plain(name), plain(repo));
    name.len() >= 3 && repo.len() >= 3 && (repo.starts_with(&name) || name.starts_with(&repo))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Lang, Place};

    fn hits(text: &str) -> usize {
        let doc = Doc::new("SKILL.md".into(), text.to_owned(), Place::Prose, Lang::Unknown, Vec::new());
        let mut n = 0;
        check(&doc, &mut |_, _, _| n += 1);
        n
    }

    #[test]
    fn a_download_from_elsewhere_is_told_from_ones_own() {
        let front = "---\nname: weather\n---\n";
        assert_eq!(
            hits(&format!(
                "{front}Get [tool](https://github.com/someone9/toolkit/releases/download/v1/tool.zip)"
            )),
            1
        );
        assert_eq!(
            hits(&format!("{front}Get https://github.com/jo/weather-cli/releases/download/v1/w.zip")),
            0
        );
        assert_eq!(
            hits(&format!(
                "{front}Source: https://github.com/jo/x\nGet https://github.com/jo/y/releases/download/v1/y.exe."
            )),
            0
        );
        assert_eq!(
            hits(&format!("{front}https://github.com/someone9/toolkit/releases/download/v1/notes.txt")),
            0
        );
    }
}
