//! JUnit XML: a suite a skill, a case a finding. What fails is what fails the scan.

use super::secret::Masker;
use super::visible::{visible, visible_lines};
use super::{RenderOptions, skips_by_reason};
use crate::scan::finding::{Finding, Report};
use std::io::{self, Write};

pub fn write(report: &Report, options: &RenderOptions, out: &mut dyn Write) -> io::Result<()> {
    let masker = Masker::new(report, options.show_secrets);
    let failing = |finding: &Finding| options.fail_on.is_some_and(|least| finding.severity >= least);
    let failures = report.findings.iter().filter(|finding| failing(finding)).count();
    let skips = skips_by_reason(report);
    let clean = report.findings.is_empty();
    let tests = report.findings.len() + skips.len() + usize::from(clean);
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(
        out,
        "<testsuites name=\"weft\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" time=\"{}\">",
        crate::decimal::fixed(report.stats.micros, 1_000_000, 3)
    )?;
    if clean {
        writeln!(out, "  <testsuite name=\"weft\" tests=\"1\" failures=\"0\" errors=\"0\" skipped=\"0\">")?;
        writeln!(out, "    <testcase classname=\"weft\" name=\"no findings\"/>\n  </testsuite>")?;
    }
    // Findings come sorted by skill.
    for suite in report.findings.chunk_by(|a, b| a.skill == b.skill) {
        let failures = suite.iter().filter(|finding| failing(finding)).count();
        writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"0\">",
            suite.first().map(|finding| escape(&finding.skill)).unwrap_or_default(),
            suite.len()
        )?;
        for finding in suite {
            case(finding, failing(finding), &masker, out)?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    if !skips.is_empty() {
        let count = skips.len();
        writeln!(
            out,
            "  <testsuite name=\"not scanned\" tests=\"{count}\" failures=\"0\" errors=\"0\" skipped=\"{count}\">"
        )?;
        for (reason, count) in skips {
            let reason = escape(reason.as_str());
            writeln!(
                out,
                "    <testcase classname=\"not scanned\" name=\"{reason}\"><skipped message=\"{count} × {reason}\"/></testcase>"
            )?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

fn case(finding: &Finding, fails: bool, masker: &Masker, out: &mut dyn Write) -> io::Result<()> {
    let place = format!("{}:{}:{}", finding.path, finding.span.line, finding.span.column);
    writeln!(
        out,
        "    <testcase classname=\"{}\" name=\"{} {} at {}\" file=\"{}\" line=\"{}\">",
        escape(&finding.path),
        finding.rule,
        escape(finding.name),
        escape(&place),
        escape(&finding.path),
        finding.span.line
    )?;
    let message = masker.message(finding);
    let (open, close) = if fails {
        let open =
            format!("<failure type=\"{}\" message=\"{}\">", finding.severity.as_str(), escape(&message));
        (open, "</failure>")
    } else {
        ("<system-out>".to_owned(), "</system-out>")
    };
    write!(out, "      {open}{}: {}", finding.severity.as_str(), escape(&message))?;
    let shown = masker.snippet(&finding.path, &finding.snippet);
    write!(out, "\n{}\n{}", escape(&place), escape(&shown.text))?;
    if let Some(decoded) = &finding.decoded {
        let shown = masker.snippet(&finding.path, &decoded.snippet);
        write!(out, "\ndecoded ({}): {}", decoded.chain.join(" &gt; "), escape(&shown.text))?;
    }
    for part in &finding.parts {
        let message = masker.text(&part.path, &part.message);
        write!(out, "\n{} {}:{}: {}", part.rule, escape(&part.path), part.span.line, escape(&message))?;
    }
    if !finding.remediation.is_empty() {
        write!(out, "\nfix: {}", escape_lines(finding.remediation.trim_end()))?;
    }
    writeln!(out, "{close}\n    </testcase>")
}

/// For attributes and text alike. Control characters have no place in XML 1.0, not even escaped: they are spelt out.
pub fn escape(text: &str) -> String {
    entities(&visible(text))
}

fn escape_lines(text: &str) -> String {
    entities(&visible_lines(text))
}

fn entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    /// Checks nesting and characters; enough of a parser to notice text that became markup.
    fn tags(xml: &str) -> Vec<String> {
        let (mut open, mut all) = (Vec::new(), Vec::new());
        for piece in xml.split('<').skip(1) {
            let (tag, text) = piece.split_once('>').unwrap();
            assert!(!text.contains('>'), "{piece}");
            let name = tag.split([' ', '/']).find(|word| !word.is_empty()).unwrap().to_owned();
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name));
            } else if !tag.starts_with('?') {
                all.push(name.clone());
                if !tag.ends_with('/') {
                    open.push(name);
                }
            }
        }
        assert!(open.is_empty());
        all
    }

    #[test]
    fn hostile_text_is_not_markup() {
        let rules = samples::rules();
        let mut out = Vec::new();
        write(&samples::report(), &RenderOptions::new(&rules), &mut out).unwrap();
        let xml = String::from_utf8(out).unwrap();
        let tags = tags(&xml);
        let count = |name: &str| tags.iter().filter(|tag| *tag == name).count();
        assert_eq!((count("testsuite"), count("testcase"), count("failure")), (3, 7, 2), "{xml}");
        assert!(xml.chars().all(|c| c == '\n' || c >= ' '));
        assert!(!xml.contains(samples::KEY));
    }

    #[test]
    fn a_clean_scan_has_one_passing_case() {
        let rules = samples::rules();
        let mut out = Vec::new();
        write(&Report::default(), &RenderOptions::new(&rules), &mut out).unwrap();
        let tags = tags(&String::from_utf8(out).unwrap());
        assert_eq!(tags, ["testsuites", "testsuite", "testcase"]);
    }
}
