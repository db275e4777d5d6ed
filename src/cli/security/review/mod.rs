//! What is known of agents on this machine, and what is weak about it: policies, logs, settings of agent programs, workspace and
//! skills, looked at once for `weft security audit` and `harden`. Changes nothing; says nothing by itself.

pub mod agents;
mod clients;
mod finding;
pub mod logs;
mod modes;
mod scan;
#[cfg(feature = "client")]
mod skills;
mod weak;

pub use finding::{Area, Finding, Findings, shown};
pub use weak::{ENOUGH, unused};

use crate::cli::error::Failure;
use crate::policy::vars::Places;
use crate::sandbox::probe::Probe;
use agents::Agent;
use logs::Log;
use std::path::PathBuf;

/// Which agents are meant.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// Those that work in the workspace, and those whose hooks ask everywhere.
    Here,
    All,
    One(&'a str),
}

/// What was scanned.
#[derive(Debug, Default)]
pub struct Scanned {
    pub roots: Vec<PathBuf>,
    pub files: u64,
    pub bytes: u64,
    pub skills: u64,
    pub skipped: u64,
    /// Findings taken away by comments in the files themselves.
    pub ignored: u64,
}

/// An installed skill, or a folder of one that no lock knows.
#[derive(Debug)]
pub struct Skill {
    /// The workspace that it is installed in.
    pub root: PathBuf,
    pub key: String,
    pub version: String,
    /// By `weft`, with a signature.
    pub signed: bool,
    pub pinned: bool,
    /// Words of `weft skill audit` about it: `changed`, `unsigned`, ….
    pub remarks: Vec<&'static str>,
    /// The registry, owner and key that a pin would name, where the skill is as it was signed and nothing speaks against it.
    #[cfg_attr(not(feature = "client"), expect(dead_code, reason = "pins are the client's"))]
    pub pin: Option<(String, String, String)>,
}

/// All of it.
#[derive(Debug)]
pub struct Review {
    pub places: Places,
    pub agents: Vec<Agent>,
    /// Names of agents that are known and were not asked about.
    pub others: Vec<String>,
    pub logs: Vec<Log>,
    pub kernel: Vec<(&'static str, String)>,
    pub scanned: Scanned,
    pub skills: Vec<Skill>,
    pub findings: Vec<Finding>,
    /// Files and folders that others may read or write, with the mode they should have.
    pub open: Vec<(PathBuf, u32)>,
    /// What could not be judged, and why.
    pub unknown: Vec<String>,
}

/// Looks at everything. An error is only what makes the whole question meaningless.
pub fn review(
    which: Which,
    workspace: Option<&std::path::Path>,
    extra: &[PathBuf],
    with_scan: bool,
) -> Result<Review, Failure> {
    let places = crate::cli::policy::places(workspace)?;
    let mut findings = Findings::default();
    let mut unknown = Vec::new();
    let settings = clients::look(&places, &mut findings, &mut unknown);
    let found = agents::find(which, &places, &settings, extra, &mut findings, &mut unknown)?;
    let agents::Found { agents, others, logs } = found;
    logs::weaknesses(&agents, &logs, &mut findings);
    let probe = Probe::here();
    for agent in &agents {
        weak::policies(agent, &probe, &mut findings);
    }
    clients::unasked(&settings, &agents, &mut findings);
    let workspaces = agents::workspaces(&agents, &places);
    #[cfg(feature = "client")]
    let skills = skills::look(&places, &workspaces, &mut findings, &mut unknown);
    #[cfg(not(feature = "client"))]
    let skills = Vec::new();
    let scanned = match with_scan {
        true => scan::scan(&places, &workspaces, &mut findings, &mut unknown)?,
        false => Scanned::default(),
    };
    let open = modes::look(&places, &agents, &logs, &mut findings);
    let kernel = crate::cli::doctor::offers(&probe);
    let findings = findings.done();
    Ok(Review { places, agents, others, logs, kernel, scanned, skills, findings, open, unknown })
}
