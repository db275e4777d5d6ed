//! Skills: which files belong together, what their evidence means together, and the fingerprint of every finding.

use super::combine::{Evidence, combine};
use super::examine::{Outcome, plain};
use super::finding::{Finding, Report};
use super::ignore::Ignores;
use crate::digest::to_hex;
use crate::rules::RuleSet;
use crate::sort;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Names of the file that makes a folder a skill (lower case).
const MARKERS: [&str; 3] = ["skill.md", "skills.md", "skill.markdown"];

/// Does a path name the file that makes its folder a skill?
pub fn is_skill_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    MARKERS.iter().any(|m| name.eq_ignore_ascii_case(m))
}

/// The folder of a path, or `.`-less empty text for a bare name.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// Puts the outcomes of all files together: skills, combinations, fingerprints, order.
pub fn finish(
    rules: &RuleSet,
    outcome: Outcome,
    skills: &HashSet<String>,
    roots: &[String],
    ignores: &HashMap<Arc<str>, Ignores>,
) -> Report {
    let mut report = Report { skips: outcome.skips, ..Report::default() };
    report.stats.ignored_inline = outcome.ignored;
    report.stats.skills = skills.len() as u64;
    let mut names: HashMap<Arc<str>, (Arc<str>, bool)> = HashMap::new();
    let mut home = |path: &Arc<str>| -> (Arc<str>, bool) {
        names.entry(path.clone()).or_insert_with(|| skill_of(path, skills, roots)).clone()
    };
    for mut finding in outcome.findings {
        finding.skill = home(&finding.path).0;
        report.findings.push(finding);
    }
    let mut groups: BTreeMap<(Arc<str>, Arc<str>), Vec<Evidence>> = BTreeMap::new();
    for evidence in outcome.evidence {
        let (skill, real) = home(&evidence.path);
        // Outside skills only a folder is small enough to be one thing.
        let reach: Arc<str> = if real { skill.clone() } else { parent(&evidence.path).into() };
        groups.entry((skill, reach)).or_default().push(evidence);
    }
    for ((skill, _), mut evidence) in groups {
        sort::by(&mut evidence, |a, b| {
            (&a.path, a.span.line, a.span.column, a.rule).cmp(&(&b.path, b.span.line, b.span.column, b.rule))
        });
        for finding in combine(&rules.combos, &evidence, &skill) {
            if ignores.get(&finding.path).is_some_and(|i| {
                i.covers(finding.rule, finding.span.line) || i.covers(finding.name, finding.span.line)
            }) {
                report.stats.ignored_inline += 1;
                continue;
            }
            report.findings.push(finding);
        }
    }
    if let Some(rule) = rules.rules.iter().find(|rule| rule.name == "unused-ignore") {
        for (path, ignore) in ignores.iter().flat_map(|(path, all)| all.unused().map(move |one| (path, one)))
        {
            let mut finding = plain(rule, path, rule.words.get().message.to_owned());
            finding.skill = home(path).0;
            finding.span.line = ignore.line;
            finding.span.end_line = ignore.line;
            finding.snippet.text.clone_from(&ignore.text);
            finding.snippet.mark = 0..ignore.text.len();
            report.findings.push(finding);
        }
    }
    sort::by(&mut report.findings, |a, b| {
        (&a.skill, &a.path, a.span.line, a.span.column, a.rule).cmp(&(
            &b.skill,
            &b.path,
            b.span.line,
            b.span.column,
            b.rule,
        ))
    });
    report.findings.dedup_by(|b, a| a.rule == b.rule && a.path == b.path && a.span == b.span);
    sort::by(&mut report.skips, |a, b| (a.reason, &a.path).cmp(&(b.reason, &b.path)));
    fingerprints(&mut report.findings);
    report
}

/// The nearest folder above that is a skill, or the root the file was found under.
fn skill_of(path: &str, skills: &HashSet<String>, roots: &[String]) -> (Arc<str>, bool) {
    let mut dir = parent(path);
    loop {
        if skills.contains(dir) {
            return (dir.into(), true);
        }
        if dir.is_empty() {
            break;
        }
        dir = parent(dir);
    }
    let root = roots.iter().filter(|r| path.starts_with(r.as_str())).max_by_key(|r| r.len());
    (root.map_or("", |r| r.as_str()).into(), false)
}

/// SHA-256 over rule, path below the skill, and the matched text with white space folded; a counter tells repeats
/// apart. Line numbers are left out so that a fingerprint outlives an edit above it.
fn fingerprints(findings: &mut [Finding]) {
    let mut repeats: HashMap<[u8; 32], u32> = HashMap::new();
    for finding in findings {
        let below =
            finding.path.strip_prefix(&*finding.skill).unwrap_or(&finding.path).trim_start_matches('/');
        let text = finding.snippet.text.get(finding.snippet.mark.clone()).unwrap_or("");
        let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut hasher = Sha256::new();
        for part in [finding.rule, below, &folded] {
            hasher.update(part.as_bytes());
            hasher.update([0]);
        }
        let digest: [u8; 32] = hasher.finalize().into();
        let nth = repeats.entry(digest).or_default();
        let mut hex = to_hex(&digest[..16]);
        if *nth > 0 {
            hex.push_str(&format!(":{nth}"));
        }
        *nth += 1;
        finding.fingerprint = hex;
    }
}
