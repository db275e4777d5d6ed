//! Which agents there are. An agent is a name: the one that a policy, a hook or `--agent` gives, and under which the log keeps what was
//! decided. Not what is weak about it.

use super::Which;
use super::clients::Settings;
use super::finding::{Area, Findings, Kind};
use super::logs::{self, Activity, Log};
use crate::audit::usage::Grant;
use crate::cli::error::Failure;
use crate::policy::vars::{Places, is_agent_name};
use crate::policy::{Errors, Policy, choose, is_path, load, load_default};
use crate::rules::Severity;
use crate::rules::schema::nearest;
use crate::sort;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// A policy that an agent goes by.
#[derive(Debug)]
pub struct Known {
    /// As the user would name it.
    pub name: String,
    pub places: Places,
    pub loaded: Result<Policy, Errors>,
    /// What it allows, and what the log of the agent says of each.
    pub grants: Vec<Grant>,
}

#[derive(Debug)]
pub struct Agent {
    pub id: String,
    /// How it is known: sentences without an end.
    pub known: Vec<String>,
    pub policies: Vec<Known>,
    pub activity: Activity,
}

pub struct Found {
    pub agents: Vec<Agent>,
    pub others: Vec<String>,
    pub logs: Vec<Log>,
}

/// Policies in use before the logs are read: of the workspace, and of what asks weft.
struct Draft {
    id: String,
    known: String,
    policy: Known,
}

const WRONG: Kind = ("SA-001", "policy-wrong", Area::Policy, Severity::High);

fn chosen(given: Option<&str>, places: &Places) -> (String, Result<Policy, Errors>) {
    match choose(given, places) {
        Ok((policy, name)) => (name, Ok(policy)),
        Err(errors) => {
            let own = || places.workspace.join("weft.toml").to_string_lossy().into_owned();
            (given.map_or_else(own, str::to_owned), Err(errors))
        }
    }
}

fn stem(name: &str) -> String {
    let stem = Path::new(name).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    stem.filter(|stem| is_agent_name(stem)).unwrap_or_else(|| "agent".to_owned())
}

fn draft(
    name: String,
    loaded: Result<Policy, Errors>,
    agent: Option<&str>,
    places: &Places,
    known: String,
) -> Draft {
    let id = match (&loaded, agent) {
        (_, Some(agent)) => agent.to_owned(),
        (Ok(policy), None) => policy.agent.clone(),
        (Err(_), None) => stem(&name),
    };
    Draft { id, known, policy: Known { name, places: places.clone(), loaded, grants: Vec::new() } }
}

/// The logs that there are: of weft's own folder, of the policies, and those that were named.
fn paths(places: &Places, drafts: &[Draft], extra: &[PathBuf], unknown: &mut Vec<String>) -> Vec<PathBuf> {
    let folder = places.state.join("weft/audit");
    let mut all: Vec<PathBuf> = match folder.read_dir() {
        Ok(entries) => entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
            .collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            unknown.push(format!("{}: cannot read the folder of the logs: {error}", folder.display()));
            Vec::new()
        }
    };
    let of_policies = drafts.iter().filter_map(|draft| {
        let file = draft.policy.loaded.as_ref().ok()?.audit.file.as_ref()?;
        logs::exists(&file.value).then(|| file.value.clone())
    });
    all.extend(of_policies);
    all.extend(extra.iter().cloned());
    let real = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    all = all.iter().map(real).collect();
    sort::plain(&mut all);
    all.dedup();
    all
}

/// The policy that the last run of an agent went by, if it is still to be found.
fn of_log(id: &str, activity: &Activity, here: &Places) -> Option<(Places, String, Result<Policy, Errors>)> {
    let folder = activity.start.as_ref().filter(|folder| folder.is_dir());
    let mut places = match folder {
        Some(folder) => Places::discover(Some(folder)).ok()?,
        None => here.clone(),
    };
    let name = activity.policy.as_deref()?;
    // The name of the policy is that of the agent unless `--agent` gave another.
    places.agent = Some(id.to_owned());
    if name == "base and the workspace" {
        let loaded = load_default(&places);
        return Some((places, name.to_owned(), loaded));
    }
    let name = match is_path(name) {
        true => folder
            .map_or_else(|| PathBuf::from(name), |folder| folder.join(name))
            .to_string_lossy()
            .into_owned(),
        false => name.to_owned(),
    };
    let loaded = load(&name, &places);
    Some((places, name, loaded))
}

pub fn find(
    which: Which,
    places: &Places,
    settings: &Settings,
    extra: &[PathBuf],
    findings: &mut Findings,
    unknown: &mut Vec<String>,
) -> Result<Found, Failure> {
    let mut drafts = Vec::new();
    let (name, loaded) = chosen(None, places);
    let known = format!("the policy of the workspace: {name}");
    drafts.push(draft(name, loaded, None, places, known));
    for asks in &settings.asks {
        let own = Places { agent: asks.agent.clone(), ..places.clone() };
        let (name, loaded) = chosen(asks.policy.as_deref(), &own);
        drafts.push(draft(name, loaded, asks.agent.as_deref(), &own, asks.known.clone()));
    }
    let paths = paths(places, &drafts, extra, unknown);
    let (logs, mut activities) = logs::read(&paths, unknown);
    let mut agents: BTreeMap<String, Agent> = BTreeMap::new();
    let mut elsewhere = Vec::new();
    for draft in drafts {
        let agent = agents.entry(draft.id.clone()).or_insert_with(|| Agent {
            activity: activities.remove(&draft.id).unwrap_or_default(),
            id: draft.id,
            known: Vec::new(),
            policies: Vec::new(),
        });
        agent.known.push(draft.known);
        add(agent, draft.policy);
    }
    for (id, activity) in activities {
        let here = activity.start.as_ref().is_some_and(|start| start.starts_with(&places.workspace));
        if !here {
            elsewhere.push(id.clone());
        }
        agents.insert(id.clone(), Agent { id, known: Vec::new(), policies: Vec::new(), activity });
    }
    for agent in agents.values_mut().filter(|agent| !agent.activity.is_empty()) {
        let of = logs.iter().filter(|log| log.agents.contains(&agent.id));
        let names: Vec<String> = of.map(|log| super::shown(&log.path, &places.home)).collect();
        agent.known.push(format!("entries in {}", names.join(", ")));
    }
    let names: Vec<String> = agents.keys().cloned().collect();
    let wanted = |id: &str| match which {
        Which::All => true,
        Which::Here => !elsewhere.iter().any(|other| other == id),
        Which::One(one) => one == id,
    };
    if let Which::One(one) = which
        && !agents.contains_key(one)
    {
        let words: Vec<&str> = names.iter().map(String::as_str).collect();
        let near = nearest(one, &words).map_or(String::new(), |near| format!("did you mean {near}? "));
        let fix = format!("{near}known are {}", names.join(", "));
        return Err(Failure::usage("no such agent is known", format!("--agent {one}"), fix));
    }
    let mut agents: Vec<Agent> = agents.into_values().filter(|agent| wanted(&agent.id)).collect();
    let others = names.into_iter().filter(|name| !wanted(name)).collect();
    for agent in &mut agents {
        if let Some((places, name, loaded)) = of_log(&agent.id, &agent.activity, places) {
            match loaded {
                Ok(_) => add(agent, Known { name, places, loaded, grants: Vec::new() }),
                Err(_) if agent.policies.is_empty() => unknown.push(format!(
                    "{}: the policy of its last run, {name}, cannot be read any more",
                    agent.id
                )),
                Err(_) => {}
            }
        }
        if agent.policies.is_empty() {
            unknown.push(format!("{}: which policy it goes by is not known", agent.id));
        }
        for policy in &mut agent.policies {
            if let Ok(loaded) = &policy.loaded {
                policy.grants = agent.activity.usage.grants(loaded);
            }
            if let Err(errors) = &policy.loaded {
                let error = errors.iter().next().map(ToString::to_string).unwrap_or_default();
                let fix = "put it right: until then everything is refused";
                findings.add(WRONG, Some(&agent.id), policy.name.clone(), error, fix);
            }
        }
    }
    let all = matches!(which, Which::All);
    let logs = logs
        .into_iter()
        .filter(|log| {
            all || log.agents.is_empty() || agents.iter().any(|agent| log.agents.contains(&agent.id))
        })
        .collect();
    Ok(Found { agents, others, logs })
}

/// One policy, once.
fn add(agent: &mut Agent, policy: Known) {
    let hash = |known: &Known| known.loaded.as_ref().ok().map(|policy| policy.hash.clone());
    let new = hash(&policy);
    let same = |known: &Known| match &new {
        Some(new) => hash(known).as_ref() == Some(new),
        None => known.name == policy.name && known.loaded.is_err(),
    };
    if !agent.policies.iter().any(same) {
        agent.policies.push(policy);
    }
}

/// The folders that they work in, this one first.
pub fn workspaces(agents: &[Agent], places: &Places) -> Vec<PathBuf> {
    let mut all = vec![places.workspace.clone()];
    let more =
        agents.iter().flat_map(|agent| agent.policies.iter().map(|known| known.places.workspace.clone()));
    for folder in more {
        if !all.iter().any(|known| folder.starts_with(known)) {
            all.push(folder);
        }
    }
    all
}
