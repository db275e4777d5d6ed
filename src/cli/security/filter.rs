//! What of a report is shown: persona, category, severity, changed lines. Each says how many it takes away.

use crate::cli::values::Categories;
use crate::rules::{Persona, Severity};
use crate::scan::diff::Changed;
use crate::scan::finding::{Finding, Report};

pub fn persona(report: &mut Report, persona: Persona) -> u64 {
    keep(report, |finding| finding.persona <= persona)
}

pub fn categories(report: &mut Report, wanted: &[Categories]) -> u64 {
    keep(report, |finding| wanted.is_empty() || wanted.iter().any(|list| list.0.contains(&finding.category)))
}

pub fn severity(report: &mut Report, least: Option<Severity>) -> u64 {
    keep(report, |finding| least.is_none_or(|least| finding.severity >= least))
}

/// A composite finding is new if any of its parts is.
pub fn changed(report: &mut Report, changed: &Changed) -> u64 {
    keep(report, |finding| {
        let touched =
            |path: &str, span: &crate::scan::finding::Span| changed.touches(path, span.line, span.end_line);
        touched(&finding.path, &finding.span)
            || finding.parts.iter().any(|part| touched(&part.path, &part.span))
    })
}

fn keep(report: &mut Report, wanted: impl Fn(&Finding) -> bool) -> u64 {
    let before = report.findings.len();
    report.findings.retain(wanted);
    let taken = (before - report.findings.len()) as u64;
    report.stats.hidden += taken;
    taken
}
