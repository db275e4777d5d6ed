//! What the commands about installed skills share: the workspace, its entries, and how a problem is told.

use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::skill::Problem;
use crate::skill::record::{ClawEntry, HubEntry};
use crate::skill::store::Workspace;
use std::env;
use std::path::{Path, PathBuf};

/// A problem as the command line tells it: 1 where a check says no, 2 where something is wrong.
pub fn told(problem: Problem) -> Failure {
    let mut failure = Failure::usage(problem.what, problem.at, problem.fix);
    if problem.denied {
        failure.exit = Exit::Findings;
    }
    failure
}

/// The workspace: `--workspace`, `CLAWHUB_WORKDIR`, or the current folder; its skills in `--dir`, else `skills`.
pub fn workspace(given: Option<&PathArg>, folder: Option<&PathArg>) -> Result<Workspace, Failure> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let root = given
        .map(|given| given.0.clone())
        .or_else(|| set("CLAWHUB_WORKDIR"))
        .or_else(|| set("CLAWDHUB_WORKDIR"));
    let root = root.unwrap_or_else(|| PathBuf::from("."));
    let folder = folder.map_or(Path::new("skills"), |folder| &folder.0);
    Workspace::open(&root, folder).map_err(told)
}

/// An installed skill, as both locks know it. Without `hub`, weft did not install it.
#[derive(Debug)]
pub struct Entry {
    pub key: String,
    pub claw: Option<ClawEntry>,
    pub hub: Option<HubEntry>,
}

impl Entry {
    pub fn version(&self) -> &str {
        let hub = self.hub.as_ref().map(|hub| hub.version.as_str());
        hub.or(self.claw.as_ref().and_then(|claw| claw.version.as_deref())).unwrap_or("-")
    }

    pub fn is_pinned(&self) -> bool {
        self.claw.as_ref().is_some_and(|claw| claw.pinned)
    }
}

/// Every entry, sorted.
pub fn entries(workspace: &Workspace) -> Result<Vec<Entry>, Failure> {
    let (claw, hub) = (workspace.claw_lock().map_err(told)?, workspace.hub_lock().map_err(told)?);
    let mut entries: Vec<Entry> = claw
        .entries()
        .into_iter()
        .map(|claw| Entry { key: claw.key.clone(), hub: hub.entry(&claw.key).cloned(), claw: Some(claw) })
        .collect();
    let known = |key: &str| claw.entry(key).is_some();
    entries.extend(hub.0.iter().filter(|hub| !known(&hub.key)).map(|hub| Entry {
        key: hub.key.clone(),
        claw: None,
        hub: Some(hub.clone()),
    }));
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(entries)
}

/// The entry a person means: by its key, by `owner/slug`, or by the slug where only one has it.
pub fn find(workspace: &Workspace, name: &str) -> Result<Entry, Failure> {
    let mut entries = entries(workspace)?;
    let qualified = format!("@{}", name.trim_start_matches('@'));
    let by = |entries: &[Entry], test: &dyn Fn(&str) -> bool| {
        let hits: Vec<usize> = (0..entries.len()).filter(|at| test(&entries[*at].key)).collect();
        (hits.len() == 1).then(|| hits[0])
    };
    let found = by(&entries, &|key| key == name)
        .or_else(|| by(&entries, &|key| key == qualified))
        .or_else(|| by(&entries, &|key| key.rsplit('/').next() == Some(name)));
    match found {
        Some(at) => Ok(entries.swap_remove(at)),
        None => {
            let names: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
            let fix = match crate::rules::schema::nearest(name, &names) {
                Some(near) => format!("did you mean {near}?"),
                None => "weft skill list shows what is".to_owned(),
            };
            Err(Failure::usage("no such skill is installed", name, fix))
        }
    }
}
