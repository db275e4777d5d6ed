//! Lets the scanner look at the workspaces and at the skills of agent programs. Nothing in them is trusted to say what not to look
//! at, for the agent may have written it: settings and baselines do not count, and comments that take findings away are told.

use super::finding::{Area, Finding, Findings};
use super::{Scanned, shown};
use crate::cli::error::Failure;
use crate::cli::term::Progress;
use crate::policy::vars::Places;
use crate::rules::{Persona, RuleSet, Severity};
use crate::scan::report::secret::Masker;
use crate::scan::walk::WalkOptions;
use crate::scan::{ScanRequest, finding::Report};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where agent programs keep skills, below the home folder.
const SKILLS: &[&str] = &[
    ".claude/skills",
    ".codex/skills",
    ".gemini/skills",
    ".cursor/skills",
    ".openclaw/skills",
    ".openclaw/workspace/skills",
];

fn roots(places: &Places, workspaces: &[PathBuf], unknown: &mut Vec<String>) -> Vec<PathBuf> {
    let mut roots: Vec<PathBuf> = Vec::new();
    for folder in workspaces {
        let here = Places { workspace: folder.clone(), ..places.clone() };
        match here.workspace_too_wide() {
            Some(what) => {
                let name = shown(folder, &places.home);
                unknown.push(format!("{name}: not scanned as a workspace, for it is {what}"));
            }
            None => roots.push(folder.clone()),
        }
    }
    for name in SKILLS {
        let folder = places.home.join(name);
        if folder.is_dir() && !roots.iter().any(|root| folder.starts_with(root)) {
            roots.push(folder);
        }
    }
    roots
}

pub fn scan(
    places: &Places,
    workspaces: &[PathBuf],
    findings: &mut Findings,
    unknown: &mut Vec<String>,
) -> Result<Scanned, Failure> {
    let roots = roots(places, workspaces, unknown);
    if roots.is_empty() {
        return Ok(Scanned::default());
    }
    let rules = RuleSet::builtin();
    let progress = Progress::new(true);
    let update = |files, bytes| progress.update(files, bytes);
    let request = ScanRequest {
        rules: &rules,
        roots: roots.clone(),
        stdin: None,
        gate: false,
        jobs: 0,
        max_file: WalkOptions::default().max_file,
        exclude: Vec::new(),
        inline_ignores: true,
        progress: Some(&update),
    };
    let report = crate::scan::scan(&request);
    progress.finish();
    let report = report.map_err(|error| Failure::file("cannot scan", &error.path, &error.error))?;
    put(&report, places, findings);
    let stats = report.stats;
    Ok(Scanned {
        roots,
        files: stats.files,
        bytes: stats.bytes,
        skills: stats.skills,
        skipped: report.skips.len() as u64,
        ignored: stats.ignored_inline,
    })
}

/// One finding for each rule and skill, with the place of the first.
fn put(report: &Report, places: &Places, findings: &mut Findings) {
    let masker = Masker::new(report, false);
    let mut all: BTreeMap<(&str, &str, Severity), Finding> = BTreeMap::new();
    let regular = report.findings.iter().filter(|finding| finding.persona <= Persona::Regular);
    for found in regular {
        let key = (found.rule, &*found.skill, found.severity);
        if let Some(known) = all.get_mut(&key) {
            known.count += 1;
            continue;
        }
        let home = places.home.to_string_lossy();
        let path = match found.path.strip_prefix(&*home).filter(|rest| rest.starts_with('/')) {
            Some(rest) => format!("~{rest}"),
            None => found.path.to_string(),
        };
        let line = if found.span.line > 0 { format!(":{}", found.span.line) } else { String::new() };
        let finding = Finding {
            id: found.rule,
            name: found.name,
            area: Area::Scan,
            severity: found.severity,
            agents: Vec::new(),
            what: masker.message(found).into_owned(),
            at: format!("{path}{line}"),
            fix: found.remediation.to_owned(),
            count: 1,
        };
        all.insert(key, finding);
    }
    all.into_values().for_each(|finding| findings.push(finding));
}
