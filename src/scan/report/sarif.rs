//! SARIF 2.1.0 as code scanning reads it: rules with help, results with places and fingerprints.

use super::secret::{Masker, Shown};
use super::{RenderOptions, fails};
use crate::json::Writer;
use crate::rules::{Combo, Confidence, Rule, RuleSet, Severity, links};
use crate::scan::finding::{Finding, Report, Span};
use crate::sort;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

pub fn write(report: &Report, options: &RenderOptions, out: &mut dyn Write) -> io::Result<()> {
    let masker = Masker::new(report, options.show_secrets);
    let about = about_all(report, options.rules);
    let mut w = Writer::new(out);
    w.object_lines(|w| {
        w.field("$schema", SCHEMA)?;
        w.field("version", "2.1.0")?;
        w.key("runs")?.array(|w| {
            w.object_lines(|w| {
                w.key("tool")?.object(|w| w.key("driver")?.object_lines(|w| driver(w, &about)))?;
                w.field("columnKind", "unicodeCodePoints")?;
                w.key("invocations")?.array(|w| w.object_lines(|w| invocation(w, report, options)))?;
                w.key("results")?.array_lines(|w| {
                    report.findings.iter().try_for_each(|finding| {
                        let index = about.binary_search_by_key(&finding.rule, |about| about.id).ok();
                        w.object(|w| result(w, finding, index, &masker, options))
                    })
                })
            })
        })
    })?;
    out.write_all(b"\n")
}

/// What SARIF wants to know of a rule, whatever kind it is.
struct About<'a> {
    id: &'a str,
    name: &'a str,
    message: &'a str,
    remediation: &'a str,
    references: &'a [&'a str],
    category: &'static str,
    severity: Severity,
    confidence: Confidence,
    example: &'a str,
}

impl<'a> About<'a> {
    fn rule(rule: &'a Rule) -> About<'a> {
        About {
            id: rule.id,
            name: rule.name,
            message: rule.words.get().message,
            remediation: rule.words.get().remediation,
            references: rule.words.get().references,
            category: rule.category.as_str(),
            severity: rule.severity,
            confidence: rule.confidence,
            // An example of a secret would set off other scanners.
            example: if rule.secret { "" } else { rule.words.get().example },
        }
    }

    fn combo(combo: &'a Combo) -> About<'a> {
        About {
            id: combo.id,
            name: combo.name,
            message: combo.words.get().message,
            remediation: combo.words.get().remediation,
            references: combo.words.get().references,
            category: combo.category.as_str(),
            severity: combo.severity,
            confidence: combo.confidence,
            example: combo.words.get().example,
        }
    }

    /// A finding whose rule is not in the set still needs one in the report.
    fn finding(finding: &'a Finding) -> About<'a> {
        About {
            id: finding.rule,
            name: finding.name,
            message: finding.name,
            remediation: finding.remediation,
            references: &[],
            category: finding.category.as_str(),
            severity: finding.severity,
            confidence: finding.confidence,
            example: "",
        }
    }
}

/// One entry for each rule that was hit, sorted by id.
fn about_all<'a>(report: &'a Report, rules: &'a RuleSet) -> Vec<About<'a>> {
    let mut hit: Vec<&Finding> = report.findings.iter().collect();
    sort::by_key(&mut hit, |finding| finding.rule);
    hit.dedup_by_key(|finding| finding.rule);
    let about = |finding: &'a Finding| {
        let rule = rules.rules.iter().find(|rule| rule.id == finding.rule).map(|rule| About::rule(rule));
        let combo = || rules.combos.iter().find(|combo| combo.id == finding.rule);
        rule.or_else(|| combo().map(|combo| About::combo(combo))).unwrap_or_else(|| About::finding(finding))
    };
    hit.into_iter().map(about).collect()
}

fn driver(w: &mut Writer, about: &[About]) -> io::Result<()> {
    w.field("name", "weft")?;
    w.field("version", env!("CARGO_PKG_VERSION"))?;
    w.field("semanticVersion", env!("CARGO_PKG_VERSION"))?;
    w.key("rules")?.array_lines(|w| about.iter().try_for_each(|about| w.object(|w| descriptor(w, about))))
}

fn descriptor(w: &mut Writer, about: &About) -> io::Result<()> {
    w.field("id", about.id)?;
    w.field("name", about.name)?;
    w.key("shortDescription")?.object(|w| w.field("text", about.message))?;
    w.key("fullDescription")?.object(|w| w.field("text", about.message))?;
    w.key("help")?.object(|w| {
        w.field("text", &help(about))?;
        w.field("markdown", &help_markdown(about))
    })?;
    if let Some(link) = about.references.iter().find_map(|reference| links::url(reference)) {
        w.field("helpUri", &link)?;
    }
    w.key("defaultConfiguration")?.object(|w| w.field("level", level(about.severity)))?;
    w.key("properties")?.object(|w| {
        w.strings("tags", tags(about).iter().map(String::as_str))?;
        w.field("precision", precision(about.confidence))?;
        w.field("problem.severity", problem(about.severity))?;
        w.field("security-severity", score(about.severity))
    })
}

fn help(about: &About) -> String {
    let mut text = format!("{}.\n\nWhat to do: {}.", sentence(about.message), sentence(about.remediation));
    if !about.references.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n\nSee {}.", about.references.join(", "));
    }
    text
}

fn help_markdown(about: &About) -> String {
    let mut text =
        format!("{}.\n\n**What to do:** {}.", sentence(about.message), sentence(about.remediation));
    if !about.example.is_empty() {
        // A fence longer than any run of backticks inside.
        let longest = about.example.split(|c| c != '`').map(str::len).max().unwrap_or(0);
        let fence = "`".repeat(longest.max(2) + 1);
        let _ = write!(text, "\n\n**Example:**\n\n{fence}text\n{}\n{fence}", about.example.trim_end());
    }
    let list: Vec<String> = about
        .references
        .iter()
        .map(|reference| match links::url(reference) {
            Some(url) => format!("- [{reference}]({url})"),
            None => format!("- {reference}"),
        })
        .collect();
    if !list.is_empty() {
        let _ = write!(text, "\n\n{}", list.join("\n"));
    }
    text
}

fn sentence(text: &str) -> &str {
    text.trim_end().trim_end_matches('.')
}

fn tags(about: &About) -> Vec<String> {
    let mut tags = vec!["security".to_owned(), about.category.to_owned()];
    for reference in about.references {
        match reference.strip_prefix("CWE-") {
            Some(number) => tags.push(format!("external/cwe/cwe-{number}")),
            None if !reference.contains("://") => tags.push((*reference).to_owned()),
            None => {}
        }
    }
    sort::plain(&mut tags);
    tags.dedup();
    tags
}

/// What was not looked at is a notification of the run, so that it is not silent here either.
fn invocation(w: &mut Writer, report: &Report, options: &RenderOptions) -> io::Result<()> {
    w.key("executionSuccessful")?.boolean(true)?;
    w.count("exitCode", u64::from(fails(report, options.fail_on)))?;
    w.key("toolExecutionNotifications")?.array_lines(|w| {
        for skip in &report.skips {
            w.object(|w| {
                w.field("level", "note")?;
                w.key("message")?
                    .object(|w| w.field("text", &format!("not scanned: {}", skip.reason.as_str())))?;
                w.key("locations")?.array(|w| {
                    w.object(|w| {
                        w.key("physicalLocation")?
                            .object(|w| artifact(w, &skip.path, options.root.as_deref()))
                    })
                })
            })?;
        }
        options.notes.iter().try_for_each(|note| {
            w.object(|w| {
                w.field("level", "note")?;
                w.key("message")?.object(|w| w.field("text", note))
            })
        })
    })
}

fn result(
    w: &mut Writer,
    finding: &Finding,
    index: Option<usize>,
    masker: &Masker,
    options: &RenderOptions,
) -> io::Result<()> {
    let root = options.root.as_deref();
    w.field("ruleId", finding.rule)?;
    if let Some(index) = index {
        w.count("ruleIndex", index as u64)?;
    }
    w.field("level", level(finding.severity))?;
    w.key("message")?.object(|w| w.field("text", &message(finding, masker)))?;
    w.key("locations")?.array(|w| {
        let shown = masker.snippet(&finding.path, &finding.snippet);
        w.object(|w| physical(w, &finding.path, &finding.span, &shown, root))
    })?;
    if !finding.parts.is_empty() {
        w.key("relatedLocations")?.array(|w| {
            (1..).zip(&finding.parts).try_for_each(|(id, part)| {
                let shown = masker.snippet(&part.path, &part.snippet);
                w.object(|w| {
                    w.count("id", id)?;
                    physical(w, &part.path, &part.span, &shown, root)?;
                    let text = format!("{}: {}", part.rule, masker.text(&part.path, &part.message));
                    w.key("message")?.object(|w| w.field("text", &text))
                })
            })
        })?;
    }
    w.key("partialFingerprints")?.object(|w| w.field("weft/v1", &finding.fingerprint))?;
    w.key("properties")?.object(|w| {
        w.field("severity", finding.severity.as_str())?;
        w.field("confidence", finding.confidence.as_str())?;
        w.field("category", finding.category.as_str())?;
        w.field("skill", &finding.skill)?;
        match finding.demoted {
            Some(why) => w.field("demoted", why),
            None => Ok(()),
        }
    })
}

/// The message, with links to the parts: SARIF viewers make `[text](1)` lead to related location 1.
fn message(finding: &Finding, masker: &Masker) -> String {
    let mut text = escape_links(&masker.message(finding));
    if let Some(decoded) = &finding.decoded {
        let shown = masker.snippet(&finding.path, &decoded.snippet);
        let _ = write!(text, "\nDecoded ({}): {}", decoded.chain.join(" > "), escape_links(&shown.text));
    }
    if !finding.parts.is_empty() {
        let list: Vec<String> = (1..)
            .zip(&finding.parts)
            .map(|(id, part): (usize, _)| format!("[{}]({id})", part.rule))
            .collect();
        let _ = write!(text, "\nMade of {}.", list.join(", "));
    }
    text
}

/// Brackets in hostile text must not become links.
fn escape_links(text: &str) -> String {
    text.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]")
}

fn physical(w: &mut Writer, path: &str, span: &Span, shown: &Shown, root: Option<&Path>) -> io::Result<()> {
    w.key("physicalLocation")?.object(|w| {
        artifact(w, path, root)?;
        if span.line == 0 {
            return Ok(());
        }
        w.key("region")?.object(|w| {
            w.count("startLine", u64::from(span.line))?;
            if span.column > 0 {
                let end_line = span.end_line.max(span.line);
                w.count("startColumn", u64::from(span.column))?;
                w.count("endLine", u64::from(end_line))?;
                let least = if end_line == span.line { span.column } else { 1 };
                w.count("endColumn", u64::from(span.end_column.max(least)))?;
            }
            if shown.text.is_empty() {
                return Ok(());
            }
            w.key("snippet")?.object(|w| w.field("text", &shown.text))
        })
    })
}

fn artifact(w: &mut Writer, path: &str, root: Option<&Path>) -> io::Result<()> {
    w.key("artifactLocation")?.object(|w| w.field("uri", &uri(path, root)))
}

/// A path as reports show it → a URI relative to `root`, or an absolute one where the path leads elsewhere.
fn uri(path: &str, root: Option<&Path>) -> String {
    let raw = unescape(path);
    let root = root.map(|root| root.as_os_str().as_encoded_bytes());
    let below = root.and_then(|root| raw.strip_prefix(root)?.strip_prefix(b"/"));
    let (prefix, mut rest) = match below {
        Some(below) => ("", below),
        None if raw.starts_with(b"/") => ("file://", &raw[..]),
        None => ("", &raw[..]),
    };
    while let Some(shorter) = rest.strip_prefix(b"./") {
        rest = shorter;
    }
    let mut out = String::from(prefix);
    for &byte in rest {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'!' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    if out.is_empty() { ".".to_owned() } else { out }
}

/// The bytes of a name that `scan::names` made printable.
fn unescape(path: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        let byte = || u8::from_str_radix(rest.strip_prefix('x')?.get(..2)?, 16).ok();
        let scalar = || {
            let (digits, after) = rest.strip_prefix("u{")?.split_once('}')?;
            Some((char::from_u32(u32::from_str_radix(digits, 16).ok()?)?, after))
        };
        if let Some(after) = rest.strip_prefix('\\') {
            out.push(b'\\');
            rest = after;
        } else if let Some(byte) = byte() {
            out.push(byte);
            rest = &rest[3..];
        } else if let Some((c, after)) = scalar() {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            rest = after;
        } else {
            out.push(b'\\');
        }
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

const fn problem(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "recommendation",
    }
}

const fn precision(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    }
}

/// The number by which code scanning sorts: its bands are critical from 9, high from 7, medium from 4.
const fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "3.0",
        Severity::Info => "0.0",
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::json::{Node, parse};

    #[test]
    fn the_sample_is_what_code_scanning_asks_for() {
        let rules = samples::rules();
        let mut out = Vec::new();
        write(&samples::report(), &RenderOptions::new(&rules), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains(samples::KEY));
        let log = parse(&text).unwrap();
        let run = &log.get("runs").and_then(Node::as_array).unwrap()[0];
        let driver = run.get("tool").and_then(|tool| tool.get("driver")).unwrap();
        let rules = driver.get("rules").and_then(Node::as_array).unwrap();
        let results = run.get("results").and_then(Node::as_array).unwrap();
        assert_eq!(results.len(), samples::report().findings.len());
        for result in results {
            let index = usize::try_from(result.get("ruleIndex").and_then(Node::as_u64).unwrap()).unwrap();
            assert_eq!(
                rules[index].get("id").and_then(Node::as_str),
                result.get("ruleId").and_then(Node::as_str)
            );
            let place = result.get("locations").and_then(Node::as_array).unwrap()[0].get("physicalLocation");
            let uri = place.and_then(|p| p.get("artifactLocation")?.get("uri")?.as_str()).unwrap();
            assert!(uri.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}#?:".contains(&b)), "{uri}");
            assert!(result.get("partialFingerprints").is_some());
        }
        let related = results[0].get("relatedLocations").and_then(Node::as_array).unwrap();
        assert_eq!(related.len(), 2);
    }

    #[test]
    fn uris_are_relative_and_encoded() {
        let root = Some(Path::new("/home/me"));
        assert_eq!(uri("/home/me/a b/ä.md", root), "a%20b/%C3%A4.md");
        assert_eq!(uri("/etc/x", root), "file:///etc/x");
        assert_eq!(uri("./a.zip!/m:1", None), "a.zip!/m%3A1");
        assert_eq!(uri(r"a\x80\\\u{202e}b", None), "a%80%5C%E2%80%AEb");
        assert_eq!(uri("", None), ".");
    }

    #[test]
    fn a_fence_in_an_example_stays_inside() {
        let rules = samples::rules();
        let mut about = About::rule(rules.rules[0]);
        about.example = "````\ncode\n````";
        assert!(help_markdown(&about).contains("`````text\n"));
    }
}
