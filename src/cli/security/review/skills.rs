//! Installed skills: whether they are as they were installed, who signed them, and what no lock knows. Asks no registry, as
//! `weft skill audit --offline`.

use super::Skill;
use super::finding::{Area, Findings, Kind, shown};
use crate::cli::skill::{Remark, here};
use crate::policy::vars::Places;
use crate::rules::Severity;
use crate::skill::store::Workspace;
use crate::trust::{Book, book};
use std::path::{Path, PathBuf};

/// How bad a remark is.
fn kind(word: &str) -> Kind {
    let (id, name, severity) = match word {
        "changed" => ("SA-050", "skill-changed", Severity::High),
        "revoked" => ("SA-051", "skill-of-a-revoked-key", Severity::Critical),
        "version" => ("SA-052", "skill-versions-differ", Severity::Medium),
        "key" => ("SA-053", "skill-of-another-key", Severity::Medium),
        "unsigned" => ("SA-054", "skill-unsigned", Severity::Low),
        "unpinned" => ("SA-055", "skill-author-not-pinned", Severity::Info),
        "stray" => ("SA-057", "skill-from-nowhere", Severity::Low),
        "unreadable" => ("SA-058", "skills-not-readable", Severity::Medium),
        _ => ("SA-056", "skill-not-of-weft", Severity::Low),
    };
    (id, name, Area::Skills, severity)
}

const fn fix(word: &str) -> &'static str {
    match word.as_bytes() {
        b"changed" | b"version" => "install it again, if it was not you: `weft skill install`",
        b"revoked" => "remove it: `weft skill remove`",
        b"key" => "find out why: `weft skill trust list`",
        b"unpinned" => "`weft security harden` pins the key that signed it",
        _ => "prefer what is signed and installed by weft",
    }
}

pub fn look(
    places: &Places,
    workspaces: &[PathBuf],
    findings: &mut Findings,
    unknown: &mut Vec<String>,
) -> Vec<Skill> {
    let book = match book::path().and_then(|path| book::load(&path)) {
        Ok(book) => book,
        Err(problem) => {
            unknown.push(format!("whether skills are signed by keys that are trusted: {problem}"));
            Book::default()
        }
    };
    let mut roots = workspaces.to_vec();
    for name in [".openclaw", ".openclaw/workspace"] {
        let root = places.home.join(name);
        if root.join(".clawhub").is_dir() || root.join(".weft").is_dir() {
            roots.push(root);
        }
    }
    let mut skills = Vec::new();
    for root in roots {
        if let Err(problem) = of(&root, &book, places, findings, &mut skills) {
            let at = shown(&root, &places.home);
            findings.add(kind("unreadable"), None, at, problem, "put the lock right, or install again");
        }
    }
    skills
}

fn of(
    root: &Path,
    book: &Book,
    places: &Places,
    findings: &mut Findings,
    skills: &mut Vec<Skill>,
) -> Result<(), String> {
    let workspace = Workspace::open(root, Path::new("skills")).map_err(|problem| problem.to_string())?;
    let entries = workspace.claw_lock().map_err(|problem| problem.to_string())?.entries();
    let hub = workspace.hub_lock().map_err(|problem| problem.to_string())?;
    let mut known: Vec<PathBuf> = Vec::new();
    for entry in &entries {
        let target = workspace.target(&entry.key);
        let mut remarks: Vec<Remark> = Vec::new();
        if let Err(failure) = here(&workspace, entry, book, &mut remarks) {
            remarks.push(Remark { key: entry.key.clone(), kind: "changed", text: failure.what, wrong: true });
        }
        for remark in &remarks {
            let what = format!("{}: {}", remark.key, remark.text);
            findings.add(kind(remark.kind), None, shown(&target, &places.home), what, fix(remark.kind));
        }
        let words: Vec<&'static str> = remarks.iter().map(|remark| remark.kind).collect();
        let record = hub.entry(&entry.key);
        let signed = record.and_then(|record| Some((record, record.public_key.as_ref()?)));
        // A pin only where nothing else is the matter.
        let pin = signed.filter(|_| words == ["unpinned"]).and_then(|(record, key)| {
            let registry = crate::trust::statement::origin(&record.registry)?;
            Some((registry, record.owner.clone()?, key.to_string()))
        });
        let version = record.map(|record| record.version.clone()).or(entry.version.clone());
        skills.push(Skill {
            root: root.to_owned(),
            key: entry.key.clone(),
            version: version.unwrap_or_else(|| "-".to_owned()),
            signed: signed.is_some(),
            pinned: entry.pinned,
            remarks: words,
            pin,
        });
        known.push(target);
    }
    stray(root, &known, places, findings, skills);
    Ok(())
}

/// Folders of skills that no lock knows: two levels, as `skills/NAME` and `skills/@OWNER/NAME`.
fn stray(root: &Path, known: &[PathBuf], places: &Places, findings: &mut Findings, skills: &mut Vec<Skill>) {
    let folders = |path: &Path| -> Vec<PathBuf> {
        let all = path.read_dir().into_iter().flatten().flatten();
        all.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .take(1000)
            .collect()
    };
    let mut found = Vec::new();
    for folder in folders(&root.join("skills")) {
        match folder.join("SKILL.md").is_file() {
            true => found.push(folder),
            false => {
                found.extend(folders(&folder).into_iter().filter(|path| path.join("SKILL.md").is_file()))
            }
        }
    }
    // Where nothing was ever installed the skills are the user's own.
    if known.is_empty() {
        return;
    }
    for path in found.into_iter().filter(|path| !known.contains(path)) {
        let key = path.strip_prefix(root.join("skills")).unwrap_or(&path);
        let key = crate::scan::names::escape(key.as_os_str().as_encoded_bytes());
        let what = format!("{key}: no lock says where it is from");
        findings.add(kind("stray"), None, shown(&path, &places.home), what, fix("stray"));
        let (version, remarks) = ("-".to_owned(), vec!["stray"]);
        skills.push(Skill {
            root: root.to_owned(),
            key,
            version,
            signed: false,
            pinned: false,
            remarks,
            pin: None,
        });
    }
}
