//! Our own JSON, schema `weft.scan/1`, described in `docs/json.md` and `docs/schema/`. Fields may be added within
//! a version; none is renamed, removed or given another meaning.

use super::secret::{Masker, Shown};
use super::{RenderOptions, by_severity, fails};
use crate::json::Writer;
use crate::rules::Severity;
use crate::scan::finding::{Finding, Part, Report, SkipReason, Span};
use std::io::{self, Write};

pub const SCHEMA: &str = "weft.scan/1";

pub fn write(report: &Report, options: &RenderOptions, out: &mut dyn Write) -> io::Result<()> {
    let masker = Masker::new(report, options.show_secrets);
    let mut w = Writer::new(out);
    w.object_lines(|w| {
        w.field("schema", SCHEMA)?;
        w.key("tool")?.object(|w| {
            w.field("name", "weft")?;
            w.field("version", env!("CARGO_PKG_VERSION"))?;
            w.key("commit")?;
            optional(w, option_env!("WEFT_COMMIT"))
        })?;
        w.key("summary")?.object(|w| summary(w, report, options))?;
        w.key("findings")?.array_lines(|w| {
            report.findings.iter().try_for_each(|finding| w.object(|w| one(w, finding, &masker)))
        })?;
        w.key("skipped")?.array_lines(|w| {
            report.skips.iter().try_for_each(|skip| {
                w.object(|w| {
                    w.field("path", &skip.path)?;
                    w.field("reason", reason(skip.reason))?;
                    w.field("message", skip.reason.as_str())
                })
            })
        })?;
        w.strings("notes", options.notes.iter().map(String::as_str))
    })?;
    out.write_all(b"\n")
}

fn summary(w: &mut Writer, report: &Report, options: &RenderOptions) -> io::Result<()> {
    let stats = &report.stats;
    let counts = by_severity(report);
    w.count("findings", report.findings.len() as u64)?;
    w.key("counts")?.object(|w| {
        Severity::ALL.into_iter().rev().try_for_each(|severity| {
            let count = counts.iter().find(|(s, _)| *s == severity).map_or(0, |(_, count)| *count);
            w.count(severity.as_str(), count as u64)
        })
    })?;
    w.key("worst")?;
    optional(w, counts.first().map(|(severity, _)| severity.as_str()))?;
    w.key("failed")?.boolean(fails(report, options.fail_on))?;
    w.count("files", stats.files)?;
    w.count("bytes", stats.bytes)?;
    w.count("skills", stats.skills)?;
    w.count("skipped", report.skips.len() as u64)?;
    w.count("excluded", stats.excluded)?;
    w.count("ignored_inline", stats.ignored_inline)?;
    w.count("ignored_baseline", stats.ignored_baseline)?;
    w.count("hidden", stats.hidden)?;
    w.count("duration_us", stats.micros)
}

fn one(w: &mut Writer, finding: &Finding, masker: &Masker) -> io::Result<()> {
    w.field("rule_id", finding.rule)?;
    w.field("name", finding.name)?;
    w.field("category", finding.category.as_str())?;
    w.field("severity", finding.severity.as_str())?;
    w.field("confidence", finding.confidence.as_str())?;
    w.field("persona", finding.persona.as_str())?;
    w.field("message", &masker.message(finding))?;
    w.field("remediation", finding.remediation)?;
    w.field("skill", &finding.skill)?;
    w.field("path", &finding.path)?;
    span(w, &finding.span)?;
    w.key("snippet")?;
    snippet(w, &masker.snippet(&finding.path, &finding.snippet))?;
    w.key("decoded")?;
    match &finding.decoded {
        Some(decoded) => w.object(|w| {
            w.strings("chain", decoded.chain.iter().copied())?;
            w.key("snippet")?;
            snippet(w, &masker.snippet(&finding.path, &decoded.snippet))
        })?,
        None => w.null()?,
    }
    w.key("demoted")?;
    optional(w, finding.demoted)?;
    w.key("parts")?
        .array(|w| finding.parts.iter().try_for_each(|part| w.object(|w| piece(w, part, masker))))?;
    w.field("fingerprint", &finding.fingerprint)
}

fn piece(w: &mut Writer, part: &Part, masker: &Masker) -> io::Result<()> {
    w.field("rule_id", part.rule)?;
    w.field("signal", part.signal)?;
    w.field("message", &masker.text(&part.path, &part.message))?;
    w.field("path", &part.path)?;
    span(w, &part.span)?;
    w.key("snippet")?;
    snippet(w, &masker.snippet(&part.path, &part.snippet))
}

fn span(w: &mut Writer, span: &Span) -> io::Result<()> {
    w.key("span")?.object(|w| {
        w.count("line", u64::from(span.line))?;
        w.count("column", u64::from(span.column))?;
        w.count("end_line", u64::from(span.end_line))?;
        w.count("end_column", u64::from(span.end_column))?;
        w.count("start_byte", span.bytes.start as u64)?;
        w.count("end_byte", span.bytes.end as u64)
    })
}

/// The mark is counted in characters: bytes of the masked text would mean nothing to a reader in another language.
fn snippet(w: &mut Writer, shown: &Shown) -> io::Result<()> {
    let characters = |to: usize| shown.text.get(..to).map_or(0, |text| text.chars().count() as u64);
    w.object(|w| {
        w.field("text", &shown.text)?;
        w.key("mark")?.array(|w| {
            w.number(characters(shown.mark.start))?;
            w.number(characters(shown.mark.end))
        })
    })
}

fn optional(w: &mut Writer, text: Option<&str>) -> io::Result<()> {
    match text {
        Some(text) => w.string(text),
        None => w.null(),
    }
}

/// The word that stands for a reason in data.
pub(super) const fn reason(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::BuildOrVcsFolder => "build-or-vcs-folder",
        SkipReason::HiddenFolder => "hidden-folder",
        SkipReason::TooLarge => "too-large",
        SkipReason::Binary => "binary",
        SkipReason::Encrypted => "encrypted",
        SkipReason::BrokenSymlink => "broken-symlink",
        SkipReason::SymlinkLoop => "symlink-loop",
        SkipReason::SymlinkOutside => "symlink-outside",
        SkipReason::NotRegular => "not-regular",
        SkipReason::PermissionDenied => "permission-denied",
        SkipReason::ReadError => "read-error",
        SkipReason::ArchiveLimit => "archive-limit",
        SkipReason::ArchiveDamaged => "archive-damaged",
        SkipReason::UnsupportedArchive => "unsupported-archive",
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::json::{Node, parse};

    #[test]
    fn what_is_written_can_be_read() {
        let rules = samples::rules();
        let mut out = Vec::new();
        write(&samples::report(), &RenderOptions::new(&rules), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains(samples::KEY));
        assert!(text.bytes().all(|b| b == b'\n' || b >= 0x20));
        let node = parse(&text).unwrap();
        assert_eq!(node.get("schema").and_then(Node::as_str), Some(SCHEMA));
        let findings = node.get("findings").and_then(Node::as_array).unwrap();
        assert_eq!(findings.len(), samples::report().findings.len());
        assert_eq!(findings[0].get("rule_id").and_then(Node::as_str), Some("SC-101"));
        assert_eq!(findings[0].get("parts").and_then(Node::as_array).unwrap().len(), 2);
        assert_eq!(node.get("summary").and_then(|s| s.get("files")).and_then(Node::as_u64), Some(12));
        // A key that says "severity" in the summary would make a reader count it as a finding.
        assert!(node.get("summary").unwrap().get("severity").is_none());
    }
}
