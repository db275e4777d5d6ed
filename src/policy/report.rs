//! What is found out about policies, as JSON, for whoever asks: `weft policy --format json` and the WebAssembly module.

use super::lint::{Finding, lint};
use super::{Decision, Error, Errors, Note, Policy, Question};
use crate::json::Writer;
use std::io::{self, Write};

/// One policy that was looked at: its mistakes, or what is wider than it seems.
pub struct Checked<'a> {
    /// As the user named it.
    pub name: &'a str,
    pub errors: Vec<Error>,
    pub findings: Vec<Finding>,
    pub notes: Vec<Note>,
}

impl Checked<'_> {
    /// From what loading it came to.
    pub fn new(name: &str, loaded: Result<Policy, Errors>) -> Checked<'_> {
        match loaded {
            Ok(policy) => Checked { name, errors: Vec::new(), findings: lint(&policy), notes: policy.notes },
            Err(errors) => Checked {
                name,
                errors: errors.iter().cloned().collect(),
                findings: Vec::new(),
                notes: Vec::new(),
            },
        }
    }
}

/// `weft.policy-check/1`.
pub fn checked(all: &[Checked], page: &mut Vec<u8>) -> io::Result<()> {
    let mut w = Writer::new(page);
    w.object_lines(|w| {
        w.field("schema", "weft.policy-check/1")?;
        w.key("files")?.array_lines(|w| {
            all.iter().try_for_each(|checked| {
                w.object_lines(|w| {
                    w.field("name", checked.name)?;
                    w.key("errors")?
                        .array_lines(|w| checked.errors.iter().try_for_each(|error| json_error(w, error)))?;
                    w.key("findings")?.array_lines(|w| {
                        checked.findings.iter().try_for_each(|finding| json_finding(w, finding))
                    })?;
                    w.key("notes")?.array_lines(|w| {
                        checked.notes.iter().try_for_each(|note| {
                            w.object(|w| {
                                w.field("file", &note.origin.file)?;
                                w.count("line", note.origin.line.into())?;
                                w.field("key", note.origin.key)?;
                                w.field("message", &note.text)
                            })
                        })
                    })
                })
            })
        })
    })?;
    page.write_all(b"\n")
}

fn json_error(w: &mut Writer, error: &Error) -> io::Result<()> {
    w.object(|w| {
        w.field("file", &error.file)?;
        w.count("line", error.line.into())?;
        w.count("column", error.column.into())?;
        w.field("message", &error.message)?;
        w.field("help", &error.help)
    })
}

fn json_finding(w: &mut Writer, finding: &Finding) -> io::Result<()> {
    w.object(|w| {
        w.field("id", finding.lint.id)?;
        w.field("name", finding.lint.name)?;
        w.field("level", finding.lint.level.as_str())?;
        w.field("file", &finding.origin.file)?;
        w.count("line", finding.origin.line.into())?;
        w.field("key", finding.origin.key)?;
        w.field("message", &finding.message)?;
        w.field("fix", finding.lint.fix)
    })
}

/// `weft.policy-why/1`.
pub fn answer(
    page: &mut Vec<u8>,
    policy: &Policy,
    name: &str,
    question: &Question,
    target: &str,
    decision: &Decision,
) -> io::Result<()> {
    Writer::new(page).object_lines(|w| {
        w.field("schema", "weft.policy-why/1")?;
        w.field("policy", name)?;
        w.field("policy_hash", &policy.hash)?;
        w.field("action", question.verb())?;
        w.field("target", target)?;
        members(w, decision)
    })?;
    page.write_all(b"\n")
}

/// The members of a decision, wherever one is told: `allowed`, `reason`, `rule`.
pub fn members(w: &mut Writer, decision: &Decision) -> io::Result<()> {
    w.key("allowed")?.boolean(decision.allowed)?;
    w.field("reason", &decision.reason)?;
    match &decision.rule {
        None => w.key("rule")?.null(),
        Some(rule) => w.key("rule")?.object(|w| {
            w.field("file", &rule.file)?;
            w.count("line", rule.line.into())?;
            w.field("key", rule.key)
        }),
    }
}
