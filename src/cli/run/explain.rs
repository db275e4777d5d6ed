//! `weft run --explain`: the plan, mechanism by mechanism, and what holds each line of the policy.

use super::prepare::Prepared;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::{Format, out};
use crate::json::Writer;
use crate::sandbox::lines::{Line, lines};
use crate::sandbox::plan::Plan;
use crate::scan::report::visible::visible;
use std::io::{self, Write};

/// What the walls are made of.
pub fn level(plan: &Plan) -> &'static str {
    plan.level()
}

/// Which network the command has.
fn network(plan: &Plan) -> &'static str {
    match &plan.egress {
        Some(egress) if egress.goes_out() => "hosts",
        _ if plan.own_network => "none",
        _ => "unrestricted",
    }
}

/// The walls in one line, for the log.
pub fn walls(plan: &Plan) -> String {
    let kind = format!("sandbox type {}: {}", plan.effective.kind.as_str(), plan.effective.reason);
    if plan.is_bare() {
        let (each, groups) = (plan.limits.each.len(), plan.limits.groups.len());
        return format!("no wall at all, {each} rlimits, {groups} cgroups; {kind}");
    }
    if plan.is_interpreted() {
        let (each, groups) = (plan.limits.each.len(), plan.limits.groups.len());
        let walls = match plan.is_narrowed() {
            true => format!("Landlock ABI {}, seccomp for the interpreter, ", plan.landlock.abi),
            false => String::new(),
        };
        return format!(
            "the interpreter, {walls}{each} rlimits, {groups} cgroups, network {}; {kind}",
            network(plan)
        );
    }
    format!(
        "{} mounts, Landlock ABI {}, seccomp {}, {} rlimits, {} cgroups, network {}; {kind}",
        plan.mounts.steps.len(),
        plan.landlock.abi,
        plan.calls.profile.as_str(),
        plan.limits.each.len(),
        plan.limits.groups.len(),
        network(plan)
    )
}

pub fn print(prepared: &Prepared, plan: &Plan, format: Format) -> Result<Exit, Failure> {
    let lines = lines(&prepared.policy, plan);
    out(|page| match format {
        Format::Text => text(prepared, plan, &lines, page),
        Format::Json => json(prepared, plan, &lines, page),
    })?;
    Ok(Exit::Ok)
}

fn text(prepared: &Prepared, plan: &Plan, lines: &[Line], page: &mut Vec<u8>) -> io::Result<()> {
    let policy = &prepared.policy;
    for (key, value) in [
        ("policy", format!("{} (sha256 {})", prepared.name, policy.hash)),
        ("agent", policy.agent.clone()),
        ("starts in", prepared.start.display().to_string()),
        ("level", level(plan).to_owned()),
    ] {
        writeln!(page, "{key:<12}{}", visible(&value))?;
    }
    for line in plan.to_string().lines() {
        writeln!(page, "{}", visible(line))?;
    }
    writeln!(page, "\nline by line")?;
    write_lines(lines, page)
}

/// `file:line: key  what  ← what holds it`
pub fn write_lines(lines: &[Line], page: &mut Vec<u8>) -> io::Result<()> {
    for line in lines {
        let by = if line.by.is_empty() { "NOT ENFORCED".to_owned() } else { line.by.join("; ") };
        let what = if line.what.is_empty() { String::new() } else { format!(" {}", shortened(&line.what)) };
        writeln!(page, "{}\n    {}", visible(&format!("{}{what}", line.origin)), visible(&by))?;
    }
    Ok(())
}

/// A pattern may stand for hundreds of paths.
fn shortened(what: &[String]) -> String {
    const SHOWN: usize = 4;
    let more = match what.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", what[..what.len().min(SHOWN)].join(", "))
}

fn json(prepared: &Prepared, plan: &Plan, lines: &[Line], page: &mut Vec<u8>) -> io::Result<()> {
    let policy = &prepared.policy;
    Writer::new(page).object_lines(|w| {
        w.field("schema", "weft.run-plan/1")?;
        w.field("policy", &prepared.name)?;
        w.field("policy_hash", &policy.hash)?;
        w.field("agent", &policy.agent)?;
        w.field("starts_in", &prepared.start.display().to_string())?;
        w.field("level", level(plan))?;
        w.key("network")?.object(|w| w.field("mode", network(plan)))?;
        w.key("mechanisms")?.array_lines(|w| {
            // The name of a mechanism and what it does, as the text has them; a line without a name goes on the one before.
            let mut name = String::new();
            plan.to_string().lines().try_for_each(|line| {
                let (head, rest) = line.split_at(line.floor_char_boundary(12));
                if !head.trim().is_empty() {
                    name = head.trim().to_owned();
                }
                w.object(|w| {
                    w.field("by", &name)?;
                    w.field("what", rest.trim())
                })
            })
        })?;
        w.key("lines")?.array_lines(|w| lines.iter().try_for_each(|line| json_line(w, line)))
    })?;
    page.write_all(b"\n")
}

/// One line of the policy and what holds it.
pub fn json_line(w: &mut Writer, line: &Line) -> io::Result<()> {
    w.object(|w| {
        w.field("file", &line.origin.file)?;
        w.count("line", line.origin.line.into())?;
        w.field("key", line.origin.key)?;
        w.strings("what", line.what.iter().map(String::as_str))?;
        w.strings("by", line.by.iter().map(String::as_str))?;
        w.key("enforced")?.boolean(!line.by.is_empty())
    })
}
