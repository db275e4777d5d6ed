//! The report for programs: `weft.security-audit/1`, documented in docs/json.md.

use super::Page;
use crate::audit::time;
use crate::audit::usage::{Grant, Use};
use crate::cli::security::review::agents::{Agent, Known};
use crate::cli::security::review::logs::Log;
use crate::cli::security::review::{Finding, Skill};
use crate::json::Writer;
use crate::rules::Severity;
use crate::scan::names;
use std::io::{self, Write};
use std::path::Path;

/// Denied targets of an agent that are listed.
const LISTED: usize = 100;

fn path(path: &Path) -> String {
    names::escape(path.as_os_str().as_encoded_bytes())
}

fn maybe(w: &mut Writer, key: &str, text: Option<&str>) -> io::Result<()> {
    match text {
        Some(text) => w.field(key, text),
        None => w.key(key)?.null(),
    }
}

pub fn write(page: &Page, out: &mut dyn Write) -> io::Result<()> {
    let review = page.review;
    Writer::new(out).object_lines(|w| {
        w.field("schema", "weft.security-audit/1")?;
        w.field("time", &time(page.made))?;
        w.field("version", env!("CARGO_PKG_VERSION"))?;
        w.field("workspace", &path(&review.places.workspace))?;
        w.key("summary")?.object(|w| {
            w.count("findings", review.findings.len() as u64)?;
            w.key("counts")?.object(|w| {
                page.counts().iter().try_for_each(|(severity, count)| w.count(severity.as_str(), *count))
            })?;
            let worst = review.findings.iter().map(|finding| finding.severity).max();
            maybe(w, "worst", worst.map(Severity::as_str))?;
            maybe(w, "fail_on", page.fail_on.map(Severity::as_str))?;
            w.key("failed")?.boolean(page.failed)
        })?;
        w.key("findings")?.array_lines(|w| review.findings.iter().try_for_each(|one| finding(w, one)))?;
        w.key("agents")?.array_lines(|w| review.agents.iter().try_for_each(|one| agent(w, one)))?;
        w.strings("other_agents", review.others.iter().map(String::as_str))?;
        w.key("logs")?.array_lines(|w| review.logs.iter().try_for_each(|one| log(w, one)))?;
        w.key("skills")?.array_lines(|w| review.skills.iter().try_for_each(|one| skill(w, one)))?;
        let scanned = &review.scanned;
        w.key("scan")?.object(|w| {
            let roots: Vec<String> = scanned.roots.iter().map(|root| path(root)).collect();
            w.strings("roots", roots.iter().map(String::as_str))?;
            w.count("files", scanned.files)?;
            w.count("bytes", scanned.bytes)?;
            w.count("skills", scanned.skills)?;
            w.count("skipped", scanned.skipped)?;
            w.count("ignored_inline", scanned.ignored)
        })?;
        w.key("kernel")?.object_lines(|w| {
            let each = |(key, value): &(&str, String)| (key.replace(' ', "_").to_lowercase(), value.clone());
            review.kernel.iter().map(each).try_for_each(|(key, value)| w.field(&key, &value))
        })?;
        w.strings("not_judged", review.unknown.iter().map(String::as_str))
    })?;
    out.write_all(b"\n")
}

fn finding(w: &mut Writer, finding: &Finding) -> io::Result<()> {
    w.object(|w| {
        w.field("id", finding.id)?;
        w.field("name", finding.name)?;
        w.field("area", finding.area.as_str())?;
        w.field("severity", finding.severity.as_str())?;
        w.strings("agents", finding.agents.iter().map(String::as_str))?;
        w.field("what", &finding.what)?;
        w.field("at", &finding.at)?;
        w.field("fix", &finding.fix)?;
        w.count("count", finding.count)
    })
}

fn agent(w: &mut Writer, agent: &Agent) -> io::Result<()> {
    let activity = &agent.activity;
    w.object_lines(|w| {
        w.field("id", &agent.id)?;
        w.strings("known_from", agent.known.iter().map(String::as_str))?;
        w.key("policies")?
            .array_lines(|w| agent.policies.iter().try_for_each(|one| policy(w, agent, one)))?;
        w.count("runs", activity.runs() as u64)?;
        w.count("allowed", activity.allowed)?;
        w.count("denied", activity.denied)?;
        let known = !activity.is_empty();
        maybe(w, "first", known.then(|| time(activity.first)).as_deref())?;
        maybe(w, "last", known.then(|| time(activity.last)).as_deref())?;
        w.key("actions")?.array_lines(|w| {
            activity.actions.iter().try_for_each(|(name, (allowed, denied))| {
                w.object(|w| {
                    w.field("action", name)?;
                    w.count("allowed", *allowed)?;
                    w.count("denied", *denied)
                })
            })
        })?;
        w.key("denied_by_hour")?.array(|w| {
            activity.hours.iter().try_for_each(|(hour, count)| {
                w.object(|w| {
                    w.field("hour", &time(hour.saturating_mul(3_600_000_000)))?;
                    w.count("count", *count)
                })
            })
        })?;
        w.count("denied_targets", activity.subjects() as u64 + activity.untold)?;
        w.key("denied_most")?.array_lines(|w| {
            activity.denied_most(LISTED).into_iter().try_for_each(|denied| {
                w.object(|w| {
                    w.field("action", denied.action)?;
                    w.field("target", &denied.target)?;
                    w.count("count", denied.count)?;
                    w.field("first", &time(denied.first))?;
                    w.field("last", &time(denied.last))?;
                    w.field("reason", &denied.reason)?;
                    maybe(w, "rule", denied.rule.as_deref())
                })
            })
        })?;
        w.key("unusual")?.array_lines(|w| {
            activity.unusual.iter().try_for_each(|unusual| {
                w.object(|w| {
                    w.field("alert", unusual.kind)?;
                    w.count("count", unusual.count)?;
                    w.field("last", &time(unusual.last))?;
                    w.field("text", &unusual.text)
                })
            })
        })
    })
}

fn policy(w: &mut Writer, agent: &Agent, known: &Known) -> io::Result<()> {
    w.object_lines(|w| {
        w.field("name", &known.name)?;
        w.field("workspace", &path(&known.places.workspace))?;
        match &known.loaded {
            Ok(policy) => {
                w.field("hash", &policy.hash)?;
                w.count("runs_under_it", agent.activity.usage.runs_under(&policy.hash))?;
                w.key("grants")?.array_lines(|w| known.grants.iter().try_for_each(|one| grant(w, one)))
            }
            Err(errors) => w
                .key("errors")?
                .array_lines(|w| errors.iter().try_for_each(|error| w.string(&error.to_string()))),
        }
    })
}

fn grant(w: &mut Writer, grant: &Grant) -> io::Result<()> {
    w.object(|w| {
        w.field("what", &grant.what)?;
        w.field("key", grant.origin.key)?;
        w.field("file", &grant.origin.file)?;
        w.count("line", grant.origin.line.into())?;
        match grant.used {
            Use::Used(times) => {
                w.field("used", "used")?;
                w.count("times", times)
            }
            Use::Unused(of) => {
                w.field("used", "unused")?;
                w.count("of", of)
            }
            Use::Unknown(why) => {
                w.field("used", "unknown")?;
                w.field("why", why)
            }
        }
    })
}

fn log(w: &mut Writer, log: &Log) -> io::Result<()> {
    w.object(|w| {
        w.field("file", &path(&log.path))?;
        w.strings("agents", log.agents.iter().map(String::as_str))?;
        w.count("unreadable", log.unreadable)?;
        match &log.verdict {
            Ok(verdict) => {
                w.key("holds")?.boolean(verdict.holds())?;
                w.count("lines", verdict.lines)?;
                w.field("head", &verdict.head)
            }
            Err(why) => {
                w.key("holds")?.boolean(false)?;
                w.field("error", why)
            }
        }
    })
}

fn skill(w: &mut Writer, skill: &Skill) -> io::Result<()> {
    w.object(|w| {
        w.field("name", &skill.key)?;
        w.field("version", &skill.version)?;
        w.field("workspace", &path(&skill.root))?;
        w.key("signed")?.boolean(skill.signed)?;
        w.key("pinned")?.boolean(skill.pinned)?;
        w.strings("remarks", skill.remarks.iter().copied())
    })
}
