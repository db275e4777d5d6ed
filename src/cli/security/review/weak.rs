//! What is weak about the policies of an agent: the lint, what this kernel cannot hold, secrets that come in, commands that can be
//! replaced, grants that are never used.

use super::agents::{Agent, Known};
use super::finding::{Area, Finding, Findings, Kind};
use crate::audit::usage::{Grant, Use};
use crate::policy::lint::lint;
use crate::policy::{NetworkMode, Policy, decide};
use crate::rules::Severity;
use crate::sandbox::plan::plan;
use crate::sandbox::probe::Probe;
use crate::scan::names;
use std::env;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const NOT_HELD: Kind = ("SA-002", "cannot-be-held", Area::Kernel, Severity::High);
const UNENFORCED: Kind = ("SA-003", "goes-unenforced", Area::Kernel, Severity::Medium);
const ERRATUM: Kind = ("SA-004", "kernel-fault", Area::Kernel, Severity::Low);
const SECRET: Kind = ("SA-005", "secret-comes-in", Area::Policy, Severity::Medium);
const ANY_COMMAND: Kind = ("SA-006", "any-command", Area::Policy, Severity::Low);
const REPLACEABLE: Kind = ("SA-007", "command-can-be-replaced", Area::Policy, Severity::High);
const RUNNER: Kind = ("SA-008", "runs-what-it-fetches", Area::Policy, Severity::Medium);
const UNUSED: Kind = ("SA-030", "unused-grant", Area::Grants, Severity::Low);

/// So many runs, or calls of tools, are needed before a grant is called unused.
pub const ENOUGH: u64 = 10;

/// How bad it is that a lint has something to say. The lint's own levels say whether it fails a check.
fn severity(id: &str) -> Severity {
    match id {
        "PL-013" => Severity::Critical,
        "PL-002" | "PL-004" | "PL-005" | "PL-006" | "PL-011" | "PL-012" | "PL-015" => Severity::High,
        "PL-001" | "PL-007" | "PL-008" | "PL-009" | "PL-016" | "PL-018" | "PL-022" => Severity::Medium,
        "PL-020" => Severity::Info,
        _ => Severity::Low,
    }
}

pub fn policies(agent: &Agent, probe: &Probe, findings: &mut Findings) {
    for known in &agent.policies {
        let Ok(policy) = &known.loaded else { continue };
        linted(agent, policy, findings);
        held(agent, known, policy, probe, findings);
        secrets(agent, policy, findings);
        commands(agent, known, policy, findings);
        for grant in unused(known) {
            let Use::Unused(times) = grant.used else { continue };
            let of = if grant.origin.key.starts_with("tools") { "calls of tools" } else { "runs" };
            let what = format!("{} was used in none of {times} {of}", grant.what);
            findings.add(
                UNUSED,
                Some(&agent.id),
                grant.origin.to_string(),
                what,
                "take it out: `weft security harden`",
            );
        }
    }
}

/// Grants of the user's own files that enough of the log shows unused.
pub fn unused(known: &Known) -> Vec<&Grant> {
    let own = |grant: &Grant| !grant.origin.file.starts_with("builtin:") && grant.origin.line > 0;
    let all = known.grants.iter();
    all.filter(|grant| own(grant) && matches!(grant.used, Use::Unused(times) if times >= ENOUGH)).collect()
}

fn linted(agent: &Agent, policy: &Policy, findings: &mut Findings) {
    for found in lint(policy) {
        findings.push(Finding {
            id: found.lint.id,
            name: found.lint.name,
            area: Area::Policy,
            severity: severity(found.lint.id),
            agents: vec![agent.id.clone()],
            what: found.message,
            at: found.origin.to_string(),
            fix: found.lint.fix.to_owned(),
            count: 1,
        });
    }
}

fn held(agent: &Agent, known: &Known, policy: &Policy, probe: &Probe, findings: &mut Findings) {
    match plan(policy, probe, env::vars_os()) {
        Err(refusal) => {
            let what = format!("weft run refuses {} here: {}", known.name, refusal.why);
            findings.add(NOT_HELD, Some(&agent.id), refusal.origin.to_string(), what, refusal.help);
        }
        Ok(plan) => {
            for (origin, why) in &plan.unenforced {
                let what = format!("not held on this kernel: {why}");
                let fix = "take it out of sandbox.best_effort where it has to hold";
                findings.add(UNENFORCED, Some(&agent.id), origin.to_string(), what, fix);
            }
            for erratum in &plan.errata {
                let what = format!("Landlock erratum {} is not fixed here: {}", erratum.number, erratum.text);
                findings.add(ERRATUM, Some(&agent.id), String::new(), what, "boot a newer kernel");
            }
        }
    }
}

/// Parts of the names of variables that hold secrets.
const SECRET_NAMES: &[&str] = &[
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "API_KEY",
    "APIKEY",
    "ACCESS_KEY",
    "PRIVATE_KEY",
    "CREDENTIAL",
];

pub fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    SECRET_NAMES.iter().any(|part| name.contains(part)) || name.ends_with("_KEY") || name.ends_with("_PAT")
}

/// Secrets in the environment that the policy lets in. Names alone: values are nobody's business.
fn secrets(agent: &Agent, policy: &Policy, findings: &mut Findings) {
    let set = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let named = policy.env.allow.iter().map(|set| set.value.clone()).filter(|name| !name.contains('*'));
    let mut all: Vec<String> = set.chain(named).filter(|name| names_a_secret(name)).collect();
    crate::sort::plain(&mut all);
    all.dedup();
    for name in all {
        let decision = decide::env(policy, &name);
        let Some(rule) = decision.rule.filter(|_| decision.allowed && !policy.env.set.contains_key(&name))
        else {
            continue;
        };
        let way = match policy.network.mode {
            NetworkMode::None => "",
            _ => ", and there is a network to send it by",
        };
        let what = format!("{} comes in as it is{way}", names::escape(name.as_bytes()));
        let fix =
            "add it on the way out: [[network.inject]] with from = \"env:…\", and take it out of env.allow";
        let severity = if way.is_empty() { Severity::Low } else { Severity::Medium };
        findings.add((SECRET.0, SECRET.1, SECRET.2, severity), Some(&agent.id), rule.to_string(), what, fix);
    }
}

/// Programs that fetch what they run.
const RUNNERS: &[&str] = &["npx", "bunx", "pnpx", "uvx", "pipx"];

fn commands(agent: &Agent, known: &Known, policy: &Policy, findings: &mut Findings) {
    let network = policy.network.mode != NetworkMode::None;
    let Some(allow) = &policy.process.allow else {
        let what = "any program that filesystem.exec covers may start".to_owned();
        findings.add(
            ANY_COMMAND,
            Some(&agent.id),
            known.name.clone(),
            what,
            "name the commands in process.allow",
        );
        return;
    };
    for rule in allow {
        if network && RUNNERS.contains(&rule.name.as_str()) {
            let what = format!("{} fetches what it runs, in whatever version there is", rule.name);
            findings.add(
                RUNNER,
                Some(&agent.id),
                rule.origin.to_string(),
                what,
                "install what is needed, and name that",
            );
        }
        for path in &rule.paths {
            let Some(who) = replaceable(policy, path) else { continue };
            let shown = names::escape(path.as_os_str().as_encoded_bytes());
            let what = format!("{shown} may run, and {who} can put another file there");
            findings.add(
                REPLACEABLE,
                Some(&agent.id),
                rule.origin.to_string(),
                what,
                "make it writable for its owner alone, outside of what the policy lets be written",
            );
        }
    }
}

/// Who, beside its owner and root, could change what a command is.
fn replaceable(policy: &Policy, path: &Path) -> Option<&'static str> {
    if decide::write(policy, path).allowed {
        return Some("what runs under the policy");
    }
    let open = |path: &Path| {
        let meta = path.metadata().ok()?;
        // In a folder with the sticky bit nobody replaces what is another's.
        let sticky = meta.is_dir() && meta.mode() & 0o1000 != 0;
        Some(meta.mode() & 0o002 != 0 && !sticky)
    };
    [Some(path), path.parent()]
        .into_iter()
        .flatten()
        .any(|path| open(path) == Some(true))
        .then_some("every user")
}
