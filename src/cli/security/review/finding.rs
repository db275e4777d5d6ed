//! One thing that is weak, wrong or worth knowing, and the list of them. Not how it is shown.

use crate::rules::Severity;
use crate::scan::names;
use crate::sort;
use std::path::Path;

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    Policy,
    Kernel,
    Program,
    Log,
    Activity,
    Grants,
    Skills,
    Files,
    Scan,
}

impl Area {
    pub const ALL: [Area; 9] = [
        Area::Policy,
        Area::Kernel,
        Area::Program,
        Area::Log,
        Area::Activity,
        Area::Grants,
        Area::Skills,
        Area::Files,
        Area::Scan,
    ];

    /// As JSON names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Area::Policy => "policy",
            Area::Kernel => "kernel",
            Area::Program => "program",
            Area::Log => "log",
            Area::Activity => "activity",
            Area::Grants => "grants",
            Area::Skills => "skills",
            Area::Files => "files",
            Area::Scan => "scan",
        }
    }

    /// For people.
    pub const fn title(self) -> &'static str {
        match self {
            Area::Policy => "Policies",
            Area::Kernel => "Kernel",
            Area::Program => "Agent programs",
            Area::Log => "Logs",
            Area::Activity => "Activity",
            Area::Grants => "Unused grants",
            Area::Skills => "Installed skills",
            Area::Files => "Files of weft",
            Area::Scan => "Scanner",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `PL-004` of the lint, `EX-001` of the scanner, `SA-010` of the audit itself (docs/security-audit.md).
    pub id: &'static str,
    pub name: &'static str,
    pub area: Area,
    pub severity: Severity,
    /// The agents it is about; none: whoever works there.
    pub agents: Vec<String>,
    pub what: String,
    /// Line of a policy, file, log; may be empty.
    pub at: String,
    /// May be empty.
    pub fix: String,
    /// So many places, where it stands for several.
    pub count: u64,
}

impl Finding {
    /// Of one kind, about the same agents, with the same thing to do.
    pub fn is_alike(&self, other: &Finding) -> bool {
        (self.id, self.severity, &self.agents, &self.fix)
            == (other.id, other.severity, &other.agents, &other.fix)
    }
}

/// More are counted, not kept: a hostile workspace can hold any number.
const MOST: usize = 5_000;

#[derive(Debug, Default)]
pub struct Findings {
    all: Vec<Finding>,
    dropped: u64,
}

/// What is constant about a kind of finding.
pub type Kind = (&'static str, &'static str, Area, Severity);

impl Findings {
    pub fn add(&mut self, kind: Kind, agent: Option<&str>, at: String, what: String, fix: impl Into<String>) {
        let (id, name, area, severity) = kind;
        let agents: Vec<String> = agent.into_iter().map(str::to_owned).collect();
        self.push(Finding { id, name, area, severity, agents, what, at, fix: fix.into(), count: 1 });
    }

    /// The same about another agent is one finding about both.
    pub fn push(&mut self, finding: Finding) {
        let same = |known: &&mut Finding| {
            (known.id, &known.at, &known.what, known.severity)
                == (finding.id, &finding.at, &finding.what, finding.severity)
        };
        if let Some(known) = self.all.iter_mut().find(same) {
            for agent in finding.agents {
                if !known.agents.contains(&agent) {
                    known.agents.push(agent);
                }
            }
        } else if self.all.len() < MOST {
            self.all.push(finding);
        } else {
            self.dropped += 1;
        }
    }

    /// The worst first; within a severity by what they are about.
    pub fn done(mut self) -> Vec<Finding> {
        if self.dropped > 0 {
            let what = format!("{} more findings than are listed", self.dropped);
            self.all.push(Finding {
                id: "SA-099",
                name: "more-findings",
                area: Area::Scan,
                severity: Severity::High,
                agents: Vec::new(),
                what,
                at: String::new(),
                fix: "look at the workspace with `weft security scan`".into(),
                count: self.dropped,
            });
        }
        sort::by(&mut self.all, |a, b| {
            (b.severity, a.area, a.id, &a.at).cmp(&(a.severity, b.area, b.id, &b.at))
        });
        self.all
    }
}

/// A path for people; below the home folder with `~`.
pub fn shown(path: &Path, home: &Path) -> String {
    match path.strip_prefix(home) {
        Ok(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
        Ok(rest) => format!("~/{}", names::escape(rest.as_os_str().as_encoded_bytes())),
        Err(_) => names::escape(path.as_os_str().as_encoded_bytes()),
    }
}
