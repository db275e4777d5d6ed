//! From options to a policy and a plan: which workspace, which policy, which agent. Runs nothing.

use super::unready;
use crate::cli::args::PathArg;
use crate::cli::error::Failure;
use crate::cli::policy::{choose, places};
use crate::cli::term::say;
use crate::cli::values::say as fix;
use crate::policy::effective::Platform;
use crate::policy::vars::{Places, is_agent_name};
use crate::policy::{Policy, units};
use crate::sandbox::plan::{self as planning, Plan, Refusal, Runs};
use crate::sandbox::probe::Probe;
#[cfg(any(feature = "client", feature = "review"))]
use crate::{cli::policy::failure, policy::load_text};
use argh::FromArgValue;
use std::env;
use std::ffi::OsString;
#[cfg(any(feature = "client", feature = "review"))]
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

/// `--agent`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent(String);

impl Agent {
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl FromArgValue for Agent {
    fn from_arg_value(value: &str) -> Result<Agent, String> {
        match is_agent_name(value) {
            true => Ok(Agent(value.to_owned())),
            false => Err(fix("use up to 64 letters, digits, `-`, `_` and `.`, not beginning with a dot")),
        }
    }
}

/// `--timeout`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(Duration);

impl FromArgValue for Timeout {
    fn from_arg_value(value: &str) -> Result<Timeout, String> {
        units::duration(value).map(Timeout).ok_or_else(|| fix("use a time such as 500ms, 90s, 10m or 1h30m"))
    }
}

/// A policy, found and read.
#[derive(Debug)]
pub struct Prepared {
    pub policy: Policy,
    /// As the user would name it.
    pub name: String,
    /// Where the command starts.
    pub start: PathBuf,
}

impl Prepared {
    /// Reads the policy that is meant and goes to the folder where the command starts.
    pub fn new(
        policy: Option<&str>,
        agent: Option<&Agent>,
        workspace: &[PathArg],
    ) -> Result<Prepared, Failure> {
        let mut places = workspace_places(workspace)?;
        places.agent = agent.map(|agent| agent.0.clone());
        let (policy, name) = choose(policy, &places)?;
        Prepared::at(&places, policy, name)
    }

    /// A policy whose text is at hand, for a workspace that was chosen.
    #[cfg(any(feature = "client", feature = "review"))]
    pub fn of_text(name: &str, text: &str, workspace: &Path) -> Result<Prepared, Failure> {
        let places = places(Some(workspace))?;
        let policy = load_text(name, text, &places).map_err(|errors| failure(&errors))?;
        Prepared::at(&places, policy, name.to_owned())
    }

    fn at(places: &Places, policy: Policy, name: String) -> Result<Prepared, Failure> {
        let here = env::current_dir().ok().filter(|here| here.starts_with(&places.workspace));
        let start = match here {
            Some(here) => here,
            None => {
                env::set_current_dir(&places.workspace).map_err(|e| unready("enter the workspace", &e))?;
                places.workspace.clone()
            }
        };
        Ok(Prepared { policy, name, start })
    }

    /// The environment that the policy chooses from.
    fn outside(&self) -> impl Iterator<Item = (OsString, OsString)> {
        let start = self.start.clone();
        env::vars_os().map(move |(name, value)| match name == "PWD" {
            true => (name, start.clone().into_os_string()),
            false => (name, value),
        })
    }

    /// Paths of the user's own files that are not there are worth a line; those of a shipped policy, which names the places of
    /// many systems, are not.
    pub fn say_skipped(&self) {
        let own = |file: &str| {
            self.policy.sources.iter().any(|source| source.path.is_some() && *source.name == *file)
        };
        let mut skipped = self.policy.notes.iter().filter(|note| own(&note.origin.file));
        if let Some(first) = skipped.next() {
            let more = match skipped.count() {
                0 => String::new(),
                more => format!(" (and {more} more: `weft policy check` lists them)"),
            };
            say(&format!("{}: {}{more}", first.origin, first.text));
        }
    }
}

/// The places of the run. A workspace that holds nearly everything has to be named twice.
pub(in crate::cli) fn workspace_places(given: &[PathArg]) -> Result<Places, Failure> {
    let places = places(given.first().map(|path| path.0.as_path()))?;
    if let Some(other) =
        given.iter().skip(1).find(|path| !path.0.canonicalize().is_ok_and(|p| p == places.workspace))
    {
        let at = other.0.display().to_string();
        return Err(Failure::usage("two workspaces", at, "name one; more places go into the policy"));
    }
    match places.workspace_too_wide() {
        Some(what) if given.len() < 2 => {
            let at = places.workspace.display().to_string();
            let fix = format!(
                "start in the folder of one project, or say it twice: --workspace {at} --workspace {at}"
            );
            Err(Failure::usage(format!("the workspace is {what}"), at, fix))
        }
        _ => Ok(places),
    }
}

/// What will be done with a native program, or the line that cannot be held.
pub fn plan(prepared: &Prepared, probe: &Probe, timeout: Option<Timeout>) -> Result<Plan, Failure> {
    plan_for(prepared, probe, timeout, Runs::Native)
}

/// What will be done with what is to run, or the line that cannot be held.
pub fn plan_for(
    prepared: &Prepared,
    probe: &Probe,
    timeout: Option<Timeout>,
    runs: Runs,
) -> Result<Plan, Failure> {
    let made = planning::plan_for(&prepared.policy, probe, prepared.outside(), runs, Platform::here());
    let mut plan = made.map_err(|refused| refusal(&refused))?;
    if let Some(Timeout(most)) = timeout {
        plan.limits.wall = Some(plan.limits.wall.map_or(most, |wall| wall.min(most)));
    }
    Ok(plan)
}

/// A refusal in the words of the command line.
pub fn refusal(refusal: &Refusal) -> Failure {
    let what = format!("not enforceable here: {}", refusal.why);
    Failure::usage(what, refusal.origin.to_string(), refusal.help.clone())
}
