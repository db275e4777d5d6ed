//! `weft security checks`: every rule, combination and check there is.

use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::print;
use crate::cli::values::{Categories, say};
use crate::json::Writer;
use crate::rules::{Category, Confidence, Persona, RuleSet, Severity};
use crate::sort;
use argh::{ArgsInfo, FromArgs};
use std::io;

/// List what the scanner looks for
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "checks",
    help_triggers("--help"),
    example = "{command_name}",
    example = "{command_name} --category UnsafeShell,EX",
    example = "{command_name} --format json"
)]
pub struct Checks {
    /// text or json (default: text)
    #[argh(option, short = 'f', arg_name = "FORMAT", default = "Shape::Text")]
    format: Shape,
    /// only these categories: names or codes, separated by commas; may be repeated
    #[argh(option, arg_name = "NAMES")]
    category: Vec<Categories>,
    /// also list the rules in this file; may be repeated
    #[argh(option, arg_name = "FILE")]
    rules: Vec<PathArg>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Text,
    Json,
}

impl argh::FromArgValue for Shape {
    fn from_arg_value(value: &str) -> Result<Shape, String> {
        match value {
            "text" => Ok(Shape::Text),
            "json" => Ok(Shape::Json),
            _ => Err(say("use text or json")),
        }
    }
}

/// A rule or a combination, as far as the list goes.
pub(super) struct Check {
    pub id: &'static str,
    pub name: &'static str,
    pub kind: &'static str,
    pub category: Category,
    pub severity: Severity,
    pub confidence: Confidence,
    pub persona: Persona,
    pub message: &'static str,
    pub remediation: &'static str,
    pub references: &'static [&'static str],
}

/// All of them, sorted by category and id.
pub(super) fn all(rules: &RuleSet) -> Vec<Check> {
    let single = rules.rules.iter().map(|rule| Check {
        id: rule.id,
        name: rule.name,
        kind: if matches!(rule.matcher, crate::rules::Matcher::Check) { "check" } else { "rule" },
        category: rule.category,
        severity: rule.severity,
        confidence: rule.confidence,
        persona: rule.persona,
        message: rule.words.get().message,
        remediation: rule.words.get().remediation,
        references: rule.words.get().references,
    });
    let combos = rules.combos.iter().map(|combo| Check {
        id: combo.id,
        name: combo.name,
        kind: "combination",
        category: combo.category,
        severity: combo.severity,
        confidence: combo.confidence,
        persona: Persona::Regular,
        message: combo.words.get().message,
        remediation: combo.words.get().remediation,
        references: combo.words.get().references,
    });
    let mut all: Vec<Check> = single.chain(combos).collect();
    sort::by_key(&mut all, |check| (check.category, check.id));
    all
}

pub fn run(command: &Checks) -> Result<Exit, Failure> {
    let mut rules = RuleSet::builtin();
    for path in &command.rules {
        super::scan::add_rules(&mut rules, &path.0)?;
    }
    let mut checks = all(&rules);
    if !command.category.is_empty() {
        checks.retain(|check| command.category.iter().any(|list| list.0.contains(&check.category)));
    }
    match command.format {
        Shape::Text => print(&table(&checks)),
        Shape::Json => {
            let mut out = Vec::new();
            json(&checks, &mut out).map_err(|error| Failure::stdout(&error))?;
            print(&String::from_utf8_lossy(&out))
        }
    }
}

fn table(checks: &[Check]) -> String {
    let mut out = String::new();
    let widest = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let ids = checks.iter().map(|check| check.id.len()).max().unwrap_or(0);
    for group in checks.chunk_by(|a, b| a.category == b.category) {
        if let Some(first) = group.first() {
            out.push_str(&format!(
                "{} ({}), {} checks\n",
                first.category.as_str(),
                first.category.code(),
                group.len()
            ));
        }
        for check in group {
            let persona = match check.persona {
                Persona::Regular => String::new(),
                other => format!(" ({})", other.as_str()),
            };
            out.push_str(&format!(
                "  {:<ids$}  {:<8}  {:<widest$}  {}{persona}\n",
                check.id,
                check.severity.as_str(),
                check.name,
                first_sentence(check.message),
            ));
        }
        out.push('\n');
    }
    out.push_str(&format!("{} checks; `weft security explain ID` says more about one\n", checks.len()));
    out
}

/// Up to the first full stop that ends a sentence.
fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.')
}

fn json(checks: &[Check], out: &mut dyn io::Write) -> io::Result<()> {
    let mut w = Writer::new(out);
    w.object_lines(|w| {
        w.field("schema", "weft.checks/1")?;
        w.key("checks")?.array_lines(|w| {
            checks.iter().try_for_each(|check| {
                w.object(|w| {
                    w.field("id", check.id)?;
                    w.field("name", check.name)?;
                    w.field("kind", check.kind)?;
                    w.field("category", check.category.as_str())?;
                    w.field("severity", check.severity.as_str())?;
                    w.field("confidence", check.confidence.as_str())?;
                    w.field("persona", check.persona.as_str())?;
                    w.field("message", check.message)?;
                    w.field("remediation", check.remediation)?;
                    w.strings("references", check.references.iter().copied())
                })
            })
        })
    })?;
    out.write_all(b"\n")
}
