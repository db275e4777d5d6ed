//! GitHub workflow commands: one annotation a finding, and lines of plain text for the log.

use super::secret::Masker;
use super::visible::{visible, visible_lines};
use super::{RenderOptions, by_severity, plural, skips_by_reason};
use crate::rules::Severity;
use crate::scan::finding::{Finding, Report};
use std::fmt::Write as _;
use std::io::{self, Write};

pub fn write(report: &Report, options: &RenderOptions, out: &mut dyn Write) -> io::Result<()> {
    let masker = Masker::new(report, options.show_secrets);
    for finding in &report.findings {
        let title = format!("{} {} ({})", finding.rule, finding.name, finding.severity.as_str());
        writeln!(
            out,
            "::{} {}title={}::{}",
            command(finding.severity),
            place(finding),
            property(&title),
            data(&body(finding, &masker))
        )?;
    }
    if options.quiet {
        return Ok(());
    }
    let counts: Vec<String> = by_severity(report)
        .into_iter()
        .map(|(severity, count)| format!("{count} {}", severity.as_str()))
        .collect();
    let list = if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) };
    writeln!(out, "weft: {}{list}", plural(report.findings.len(), "finding"))?;
    for (reason, count) in skips_by_reason(report) {
        writeln!(out, "weft: not scanned: {count} × {}", reason.as_str())?;
    }
    // A note may quote a name; it must not begin a line of its own.
    options.notes.iter().try_for_each(|note| writeln!(out, "weft: note: {}", visible(note)))
}

const fn command(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "notice",
    }
}

/// `file=…,line=…,` and so on; columns only where the annotation stays on one line, as GitHub wants it.
fn place(finding: &Finding) -> String {
    let span = &finding.span;
    let mut out = format!("file={},", property(&finding.path));
    if span.line > 0 {
        // Writing to a String cannot fail.
        let _ = write!(out, "line={},endLine={},", span.line, span.end_line.max(span.line));
        if span.end_line == span.line && span.column > 0 {
            let _ = write!(out, "col={},endColumn={},", span.column, span.end_column.max(span.column));
        }
    }
    out
}

fn body(finding: &Finding, masker: &Masker) -> String {
    let mut text = masker.message(finding).into_owned();
    if let Some(decoded) = &finding.decoded {
        let shown = masker.snippet(&finding.path, &decoded.snippet);
        let _ = write!(text, "\ndecoded ({}): {}", decoded.chain.join(" > "), visible(&shown.text));
    }
    for part in &finding.parts {
        let message = masker.text(&part.path, &part.message);
        let _ = write!(text, "\n{} {}:{}: {message}", part.rule, part.path, part.span.line);
    }
    if !finding.remediation.is_empty() {
        let _ = write!(text, "\nfix: {}", finding.remediation.trim_end());
    }
    text
}

/// Text after the second `::`.
fn data(text: &str) -> String {
    visible_lines(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A value before it.
fn property(text: &str) -> String {
    visible(text).replace('%', "%25").replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn one_command_a_finding_whatever_it_says() {
        let rules = samples::rules();
        let mut out = Vec::new();
        write(&samples::report(), &RenderOptions::new(&rules), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let commands: Vec<&str> = text.lines().filter(|line| line.starts_with("::")).collect();
        assert_eq!(commands.len(), samples::report().findings.len());
        assert!(text.lines().all(|line| line.starts_with("::") || line.starts_with("weft: ")), "{text}");
        assert!(commands[0].starts_with(
            "::error file=skills/evil/SKILL.md,line=3,endLine=3,col=7,endColumn=11,title=SC-101 fake-prerequisite (critical)::A required"
        ));
        assert!(commands[4].contains("b%3A<U+001B>[31m%2C"), "{}", commands[4]);
        assert!(commands[4].contains("100%25<U+000D>%0Asecond line"), "{}", commands[4]);
        assert!(!text.contains(samples::KEY) && !text.contains('\u{1b}'));
    }
}
