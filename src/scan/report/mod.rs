//! Reports: one file per format, all leaves. What is shown was decided before; here it is only said.
//!
//! Everything in a report may be hostile: file names, lines of files, decoded text. No format passes on what a
//! terminal would obey, what its own syntax would read as structure, or a secret.

pub mod fold;
pub mod github;
pub mod json;
pub mod junit;
pub mod sarif;
pub mod secret;
pub mod text;
pub mod visible;

use super::finding::{Report, SkipReason};
use crate::rules::{RuleSet, Severity};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

/// The shapes a report can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// Our own, versioned: `docs/json.md`.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// GitHub workflow commands: annotations in a pull request.
    Github,
    /// JUnit XML, for CI servers that show test results.
    Junit,
}

impl Format {
    pub const ALL: [Format; 5] = [Format::Text, Format::Json, Format::Sarif, Format::Github, Format::Junit];

    pub const fn as_str(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
            Format::Sarif => "sarif",
            Format::Github => "github",
            Format::Junit => "junit",
        }
    }

    pub fn parse(word: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.as_str() == word)
    }
}

/// How a report is to look. Not what is in it.
#[derive(Clone, Debug)]
pub struct RenderOptions<'a> {
    /// For titles, help and references of the rules that were hit.
    pub rules: &'a RuleSet,
    pub color: bool,
    pub verbose: bool,
    pub quiet: bool,
    /// Show a line once, what a combination is made of only within it, and say of how much that is so. Text only.
    pub fold: bool,
    pub show_secrets: bool,
    /// The severity from which on a finding fails the scan; `None`: never.
    pub fail_on: Option<Severity>,
    /// How many findings which filter took away ("by --persona regular"), for people.
    pub hidden: &'a [(u64, &'static str)],
    /// One line each that the reader should know ("settings from weft.toml").
    pub notes: &'a [String],
    /// What artifact URIs are relative to.
    pub root: Option<PathBuf>,
    /// Columns of the terminal.
    pub width: usize,
}

impl<'a> RenderOptions<'a> {
    /// Plain: no colour, secrets masked, everything below `high` passes.
    pub fn new(rules: &'a RuleSet) -> RenderOptions<'a> {
        RenderOptions {
            rules,
            color: false,
            verbose: false,
            quiet: false,
            fold: true,
            show_secrets: false,
            fail_on: Some(Severity::High),
            hidden: &[],
            notes: &[],
            root: None,
            width: 100,
        }
    }
}

/// Writes the report in the format; `out` should be buffered.
pub fn write(
    format: Format,
    report: &Report,
    options: &RenderOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Text => text::write(report, options, out),
        Format::Json => json::write(report, options, out),
        Format::Sarif => sarif::write(report, options, out),
        Format::Github => github::write(report, options, out),
        Format::Junit => junit::write(report, options, out),
    }
}

/// Does the report hold a finding that fails the scan?
pub fn fails(report: &Report, fail_on: Option<Severity>) -> bool {
    fail_on.is_some_and(|least| report.findings.iter().any(|finding| finding.severity >= least))
}

/// How many things were not looked at, by reason.
fn skips_by_reason(report: &Report) -> BTreeMap<SkipReason, usize> {
    let mut counts = BTreeMap::new();
    for skip in &report.skips {
        *counts.entry(skip.reason).or_default() += 1;
    }
    counts
}

/// How many findings there are of each severity, worst first, without the empty ones.
fn by_severity(report: &Report) -> Vec<(Severity, usize)> {
    let count = |severity| report.findings.iter().filter(|finding| finding.severity == severity).count();
    let all = Severity::ALL.into_iter().rev().map(|severity| (severity, count(severity)));
    all.filter(|(_, count)| *count > 0).collect()
}

/// `"1 file"`, `"2 files"`.
pub fn plural(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
pub(crate) mod samples;
