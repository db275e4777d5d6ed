//! The report for a terminal.

use super::Page;
use crate::audit::time;
use crate::audit::usage::Use;
use crate::cli::help::wrap;
use crate::cli::security::review::agents::{Agent, Known};
use crate::cli::security::review::{Finding, Review, shown};
use crate::rules::Severity;
use crate::scan::report::text::Paint;
use crate::scan::report::visible::visible;
use std::io::{self, Write};

/// Denied targets of an agent that are shown.
const SHOWN: usize = 8;
/// The column where what is said begins.
const INDENT: usize = 11;

struct Out<'a> {
    out: &'a mut dyn Write,
    paint: Paint,
    width: usize,
}

impl Out<'_> {
    fn heading(&mut self, text: &str) -> io::Result<()> {
        let text = self.paint.bold(text);
        writeln!(self.out, "\n{text}")
    }

    /// `  label    text that is wrapped`
    fn row(&mut self, label: &str, text: &str) -> io::Result<()> {
        let text = visible(text);
        let lines = wrap(&text, self.width.saturating_sub(INDENT).max(30));
        for (at, line) in lines.iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            let label = self.paint.dim(&format!("  {label:<8}"));
            writeln!(self.out, "{label} {line}")?;
        }
        Ok(())
    }
}

/// The day and the minute.
pub fn minute(micros: u64) -> String {
    time(micros).get(..16).unwrap_or_default().replace('T', " ")
}

pub fn write(page: &Page, color: bool, width: usize, out: &mut dyn Write) -> io::Result<()> {
    let review = page.review;
    let mut out = Out { out, paint: Paint { on: color }, width };
    let place = shown(&review.places.workspace, &review.places.home);
    writeln!(out.out, "audit of {}, {} UTC", visible(&place), minute(page.made))?;
    for agent in &review.agents {
        about(agent, review, &mut out)?;
    }
    out.heading("findings")?;
    for alike in review.findings.chunk_by(Finding::is_alike) {
        kind(alike, &mut out)?;
    }
    if review.findings.is_empty() {
        out.row("", "none")?;
    }
    out.heading("looked at")?;
    for log in &review.logs {
        let text = match &log.verdict {
            Ok(verdict) if verdict.holds() => {
                format!("{} entries, the chain holds, head {}", verdict.lines, verdict.head)
            }
            Ok(verdict) => format!("{} entries, THE CHAIN IS BROKEN", verdict.lines),
            Err(why) => format!("not readable: {why}"),
        };
        out.row("log", &format!("{}: {text}", shown(&log.path, &review.places.home)))?;
    }
    let scanned = &review.scanned;
    let roots: Vec<String> = scanned.roots.iter().map(|root| shown(root, &review.places.home)).collect();
    if !roots.is_empty() {
        let ignored = match scanned.ignored {
            0 => String::new(),
            count => format!(", {count} findings taken away by comments in the files"),
        };
        let text = format!(
            "{} files, {} skills, {} things left out{ignored}: {}",
            scanned.files,
            scanned.skills,
            scanned.skipped,
            roots.join(", ")
        );
        out.row("scan", &text)?;
    }
    if !review.skills.is_empty() {
        let signed = review.skills.iter().filter(|skill| skill.signed).count();
        out.row("skills", &format!("{} installed, {signed} signed", review.skills.len()))?;
    }
    for (key, value) in review.kernel.iter().take(4) {
        out.row("kernel", &format!("{key}: {value}"))?;
    }
    if !review.others.is_empty() {
        out.row("others", &format!("{} (not asked about: --all)", review.others.join(", ")))?;
    }
    if !review.unknown.is_empty() {
        out.heading("not judged")?;
        review.unknown.iter().try_for_each(|text| out.row("", text))?;
    }
    totals(page, &mut out)
}

fn totals(page: &Page, out: &mut Out) -> io::Result<()> {
    let counts: Vec<String> = page
        .counts()
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(severity, count)| out.paint.severity(severity, &format!("{count} {}", severity.as_str())))
        .collect();
    let agents = match page.review.agents.len() {
        1 => "1 agent".to_owned(),
        count => format!("{count} agents"),
    };
    let counts = if counts.is_empty() { "no findings".to_owned() } else { counts.join(", ") };
    let verdict = match page.fail_on {
        _ if page.failed => format!(" (fails: --fail-on {})", page.fail_on.map_or("", Severity::as_str)),
        _ => String::new(),
    };
    writeln!(out.out, "\n{agents}: {counts}{verdict}")
}

fn about(agent: &Agent, review: &Review, out: &mut Out) -> io::Result<()> {
    out.heading(&visible(&agent.id))?;
    for known in &agent.known {
        out.row("known", known)?;
    }
    for known in &agent.policies {
        policy(agent, known, review, out)?;
    }
    let activity = &agent.activity;
    if activity.is_empty() {
        return out.row("log", "no entries: nothing was decided under this name yet");
    }
    let text = format!(
        "{} runs and calls, {} to {}; {} allowed, {} denied",
        activity.runs(),
        minute(activity.first),
        minute(activity.last),
        activity.allowed,
        activity.denied
    );
    out.row("log", &text)?;
    let most = activity.denied_most(SHOWN);
    for (at, denied) in most.iter().enumerate() {
        let last = minute(denied.last);
        let text = format!("{:>6} {} {} (last {last})", denied.count, denied.action, denied.target);
        // One line each: a list is read down.
        let text: String = visible(&text).chars().take(out.width.saturating_sub(INDENT).max(30)).collect();
        let label = out.paint.dim(&format!("  {:<8}", if at == 0 { "denied" } else { "" }));
        writeln!(out.out, "{label} {text}")?;
    }
    match activity.subjects().saturating_sub(most.len()) as u64 + activity.untold {
        0 => Ok(()),
        more => out.row("", &format!("and {more} more: weft audit show --denied --agent {}", agent.id)),
    }
}

fn policy(agent: &Agent, known: &Known, review: &Review, out: &mut Out) -> io::Result<()> {
    let policy = match &known.loaded {
        Ok(policy) => policy,
        Err(errors) => {
            let error = errors.iter().next().map(ToString::to_string).unwrap_or_default();
            return out.row("policy", &format!("{}: {error}", known.name));
        }
    };
    let place = match known.places.workspace == review.places.workspace {
        true => String::new(),
        false => format!(" in {}", shown(&known.places.workspace, &known.places.home)),
    };
    let hash = policy.hash.get(..12).unwrap_or_default();
    out.row("policy", &format!("{}{place} ({hash}…)", known.name))?;
    let (mut used, mut unused, mut unknown) = (0, 0, 0);
    for grant in &known.grants {
        match grant.used {
            Use::Used(_) => used += 1,
            Use::Unused(_) => unused += 1,
            Use::Unknown(_) => unknown += 1,
        }
    }
    let runs = agent.activity.usage.runs_under(&policy.hash);
    let calls = agent.activity.usage.calls_under(&policy.hash);
    let text = format!(
        "{used} used, {unused} not used so far, {unknown} that the log cannot tell of; {runs} runs and {calls} calls of tools under this policy"
    );
    out.row("grants", &text)
}

/// Findings of one kind under one heading.
fn kind(alike: &[Finding], out: &mut Out) -> io::Result<()> {
    let Some(finding) = alike.first() else { return Ok(()) };
    let word = out.paint.severity(finding.severity, &format!("{:<8}", finding.severity.as_str()));
    let name = out.paint.bold(finding.id);
    let agents = match finding.agents.as_slice() {
        [] => String::new(),
        agents => format!("  [{}]", agents.join(", ")),
    };
    let agents = out.paint.dim(&visible(&agents));
    writeln!(out.out, "  {word} {name} {}{agents}", finding.name)?;
    for one in alike {
        out.row("", &one.what)?;
        if !one.at.is_empty() {
            let more =
                if one.count > 1 { format!(" and {} more places", one.count - 1) } else { String::new() };
            out.row("at", &format!("{}{more}", one.at))?;
        }
    }
    if !finding.fix.is_empty() {
        out.row("fix", &finding.fix)?;
    }
    Ok(())
}
