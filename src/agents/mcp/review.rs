//! What a server says of its tools: may they be there, are they what was accepted, and do their descriptions speak to the model
//! instead of about the tool.

use super::accepted::{Accepted, same};
use crate::json::{Node, Value};
use crate::policy::{Decision, Policy};
use crate::rules::{RuleSet, Severity};
use crate::scan::{ScanRequest, scan};
use std::collections::HashMap;

/// What became of a tool that the server has.
#[derive(Clone, Debug)]
pub enum Status {
    /// The client may see it.
    Shown,
    /// The policy names it not, or denies it.
    Denied(Decision),
    /// It is not as it was accepted.
    Changed,
    /// It was not there when the others were accepted.
    New,
    /// Its description carries instructions.
    Injected(Finding),
    /// The server has two of this name.
    Twice,
}

impl Status {
    /// Why a tool is kept from the client, as a sentence without its end.
    pub fn why(&self) -> Option<String> {
        Some(match self {
            Status::Shown => return None,
            Status::Denied(decision) => decision.reason.to_string(),
            Status::Changed => {
                "what the server says of the tool has changed since it was accepted; `weft mcp --accept` shows how".to_owned()
            }
            Status::New => {
                "the server did not have the tool when its tools were accepted; `weft mcp --accept` shows it".to_owned()
            }
            Status::Injected(finding) => format!("what the server says of it carries instructions: {finding}"),
            Status::Twice => "the server has two tools of this name".to_owned(),
        })
    }
}

/// The worst that the scanner says of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub rule: &'static str,
    pub message: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.rule, self.message)
    }
}

/// Tools of one session.
#[derive(Debug)]
pub struct Review {
    accepted: Accepted,
    /// With `--on-injection warn`.
    warn_only: bool,
    tools: HashMap<String, (Status, Node)>,
    /// A listing went from its first page to its last.
    complete: bool,
    /// Names of the listing that is under way.
    listed: Vec<String>,
}

/// A server has no more tools than this.
const TOOLS: usize = 4096;

impl Review {
    pub fn new(accepted: Accepted, warn_only: bool) -> Review {
        Review { accepted, warn_only, tools: HashMap::new(), complete: false, listed: Vec::new() }
    }

    /// Whether it is known what tools there are.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The server says that they are others now.
    pub fn forget(&mut self) {
        self.complete = false;
    }

    /// A listing begins.
    pub fn begin(&mut self) {
        self.listed.clear();
    }

    /// A listing is at its end. The first that a server ever had is what is accepted.
    pub fn end(&mut self) -> std::io::Result<()> {
        self.complete = true;
        // What is gone can be called no more.
        let listed = std::mem::take(&mut self.listed);
        self.tools.retain(|name, _| listed.contains(name));
        if self.accepted.is_first() { self.accepted.save() } else { Ok(()) }
    }

    pub fn status(&self, name: &str) -> Option<&Status> {
        self.tools.get(name).map(|(status, _)| status)
    }

    /// Judges a tool of a listing. True: the client may see it. `told` gets the name, and why it may not or what is remarkable.
    pub fn tool(&mut self, policy: &Policy, tool: &Node, told: &mut dyn FnMut(&str, &Status)) -> bool {
        let Some(name) = tool.get("name").and_then(Node::as_str) else { return false };
        if self.listed.len() >= TOOLS {
            return false;
        }
        let status = self.judge(policy, name, tool);
        let known = matches!(self.tools.get(name), Some((_, before)) if same(before, tool));
        if !matches!(status, Status::Shown) && !known {
            told(name, &status);
        }
        let shown = matches!(status, Status::Shown);
        // With two of a name neither can be meant.
        if matches!(status, Status::Twice) {
            self.tools.insert(name.to_owned(), (status, tool.clone()));
            return false;
        }
        self.listed.push(name.to_owned());
        self.tools.insert(name.to_owned(), (status, tool.clone()));
        shown
    }

    fn judge(&mut self, policy: &Policy, name: &str, tool: &Node) -> Status {
        if self.listed.iter().any(|listed| listed == name) {
            return Status::Twice;
        }
        let decision = super::filter::named(policy, name);
        if !decision.allowed {
            return Status::Denied(decision);
        }
        match self.accepted.get(name) {
            Some(accepted) if same(accepted, tool) => return Status::Shown,
            // In the first listing of all a name may come once, and in the second it is known.
            Some(_) => return Status::Changed,
            None => {}
        }
        if let Some(finding) = worst(&texts(tool))
            && !self.warn_only
        {
            return Status::Injected(finding);
        }
        if !self.accepted.is_first() {
            return Status::New;
        }
        self.accepted.insert(name, tool);
        Status::Shown
    }
}

/// All that a model could read of it, line by line.
pub fn texts(node: &Node) -> String {
    let mut out = String::new();
    collect(node, &mut out);
    out
}

fn collect(node: &Node, out: &mut String) {
    match &node.value {
        Value::String(text) => {
            out.push_str(text);
            out.push_str("\n\n");
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, out)),
        Value::Object(members) => {
            for (name, node) in members {
                out.push_str(name);
                out.push('\n');
                collect(node, out);
            }
        }
        _ => {}
    }
}

/// What the scanner finds in a text that a model reads, if it is grave.
pub fn worst(text: &str) -> Option<Finding> {
    let request = ScanRequest {
        rules: &RuleSet::builtin(),
        roots: Vec::new(),
        // What an agent takes for instructions is looked at most closely.
        stdin: Some(("SKILL.md".to_owned(), text.as_bytes().to_vec())),
        gate: true,
        jobs: 1,
        max_file: crate::agents::message::MOST as u64,
        exclude: Vec::new(),
        inline_ignores: false,
        progress: None,
    };
    let Ok(report) = scan(&request) else {
        return Some(Finding { rule: "scan", message: "it could not be scanned".to_owned() });
    };
    let grave = report.findings.into_iter().filter(|finding| finding.severity >= Severity::High);
    let worst = grave.max_by_key(|finding| finding.severity)?;
    Some(Finding { rule: worst.rule, message: worst.message })
}
