//! From an audit to changes: which, in which file, and why. Each change of a policy is tried on its own: one that makes anything wider,
//! or that this kernel could not hold, is left out and told. Writes nothing.

use super::toml::{self, Why};
use crate::audit::usage::{Grant, Use};
use crate::cli::error::Failure;
use crate::cli::security::review::agents::{Agent, Known};
use crate::cli::security::review::{ENOUGH, Review, unused};
use crate::policy::diff::{Direction, diff};
use crate::policy::host::HostPattern;
use crate::policy::lint::{Finding, lint};
use crate::policy::{Disk, Error, Files, Policy, load_whole};
use crate::sandbox::plan::plan as hold;
use crate::sandbox::probe::Probe;
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// More changes at one time than anybody reads.
const MOST: usize = 200;

/// A file as it is and as it is to be.
pub struct Edited {
    pub path: PathBuf,
    pub old: String,
    pub new: String,
    pub why: Vec<String>,
}

#[derive(Default)]
pub struct Plan {
    pub edited: Vec<Edited>,
    /// Policies that the edits change: name, as it is, as it is to be.
    pub policies: Vec<(String, Policy, Policy)>,
    /// Path, mode now, mode then.
    pub modes: Vec<(PathBuf, u32, u32)>,
    pub pins: Vec<(String, Pin)>,
    /// What is not done, and why.
    pub left: Vec<String>,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.edited.is_empty() && self.modes.is_empty() && self.pins.is_empty()
    }
}

/// Something about a skill that is to stay as it is.
pub enum Pin {
    #[cfg(feature = "client")]
    Author { registry: String, owner: String, key: String },
    #[cfg(feature = "client")]
    Version { root: PathBuf, key: String },
}

/// Files as they are to be, the others as they are.
struct Overlay<'e>(&'e BTreeMap<PathBuf, String>);

impl Files for Overlay<'_> {
    fn read(&self, shown: &str, path: &Path) -> Result<String, Error> {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        self.0.get(&real).map_or_else(|| Disk.read(shown, path), |text| Ok(text.clone()))
    }

    fn real(&self, path: &Path) -> io::Result<PathBuf> {
        Disk.real(path)
    }
}

/// One change of a text.
type Change<'c> = &'c dyn Fn(&str) -> Result<String, Why>;

struct Edits<'r> {
    /// Every policy that is made of files.
    policies: Vec<(&'r Agent, &'r Known, &'r Policy)>,
    new: BTreeMap<PathBuf, String>,
    why: BTreeMap<PathBuf, Vec<String>>,
    left: Vec<String>,
    probe: Probe,
    count: usize,
}

fn text_of(path: &Path, new: &BTreeMap<PathBuf, String>) -> Option<String> {
    new.get(path).cloned().or_else(|| Disk.read(&path.to_string_lossy(), path).ok())
}

impl Edits<'_> {
    /// Makes the change if every policy that the file is part of becomes narrower, or stays as it is, and can still be held.
    fn make(&mut self, path: &Path, why: String, change: Change) {
        if self.count >= MOST {
            return;
        }
        self.count += 1;
        let tried = self.tried(path, change);
        match tried {
            Ok(text) => {
                self.new.insert(path.to_owned(), text);
                self.why.entry(path.to_owned()).or_default().push(why);
            }
            Err("it is there already" | "it is set already") => {}
            Err(no) => self.left.push(format!("{why}: {no}")),
        }
    }

    fn tried(&self, path: &Path, change: Change) -> Result<String, Why> {
        let old = text_of(path, &self.new).ok_or("the file cannot be read")?;
        let text = change(&old)?;
        let mut then = self.new.clone();
        then.insert(path.to_owned(), text.clone());
        for (_, known, policy) in &self.policies {
            if !policy.sources.iter().any(|source| source.path.as_deref() == Some(path)) {
                continue;
            }
            let whole = |files: &dyn Files| load_whole(&known.name, &policy.agent, &known.places, files);
            let (Ok(now), Ok(then)) = (whole(&Overlay(&self.new)), whole(&Overlay(&then))) else {
                return Err("the policy would be wrong");
            };
            let changes = diff(&now, &then).map_err(|_| "the policy has too many entries to compare")?;
            if changes.iter().any(|change| change.direction == Direction::Wider) {
                return Err("something would become wider");
            }
            let holds = |policy: &Policy| hold(policy, &self.probe, env::vars_os()).is_ok();
            if holds(&now) && !holds(&then) {
                return Err("this kernel could not hold it");
            }
        }
        Ok(text)
    }
}

/// `review` has the agents that are meant, `everyone` all that are known: what one does not use another may.
pub fn propose(review: &Review, everyone: &Review) -> Plan {
    let mut policies = Vec::new();
    let mut shipped = Vec::new();
    for agent in &review.agents {
        for known in &agent.policies {
            let Ok(policy) = &known.loaded else { continue };
            match policy.sources.iter().any(|source| source.path.is_some()) {
                true => policies.push((agent, known, policy)),
                false => shipped.push(known.name.clone()),
            }
        }
    }
    let mut edits = Edits {
        policies,
        new: BTreeMap::new(),
        why: BTreeMap::new(),
        left: Vec::new(),
        probe: Probe::here(),
        count: 0,
    };
    grants(everyone, &mut edits);
    for (_, _, policy) in edits.policies.clone() {
        for found in lint(policy) {
            linted(policy, &found, &mut edits);
        }
    }
    let mut plan = Plan { left: std::mem::take(&mut edits.left), ..Plan::default() };
    for name in shipped.iter().filter(|name| !name.contains(' ')) {
        plan.left.push(format!(
            "{name} comes with weft: `weft policy init --from {name}` makes a policy of your own"
        ));
    }
    plan.left.dedup();
    for (path, new) in &edits.new {
        let Some(old) = text_of(path, &BTreeMap::new()) else { continue };
        let why = edits.why.remove(path).unwrap_or_default();
        plan.edited.push(Edited { path: path.clone(), old, new: new.clone(), why });
    }
    for (_, known, policy) in &edits.policies {
        let touched = |edited: &Edited| {
            policy.sources.iter().any(|source| source.path.as_deref() == Some(edited.path.as_path()))
        };
        if !plan.edited.iter().any(touched) {
            continue;
        }
        let whole = |files: &dyn Files| load_whole(&known.name, &policy.agent, &known.places, files);
        if let (Ok(old), Ok(new)) = (whole(&Disk), whole(&Overlay(&edits.new))) {
            plan.policies.push((known.name.clone(), old, new));
        }
    }
    for (path, wanted) in &review.open {
        // What is another user's cannot be changed, and is told by the audit.
        if let Ok(meta) = fs::symlink_metadata(path) {
            plan.modes.push((path.clone(), meta.mode() & 0o7777, *wanted));
        }
    }
    pins(review, &mut plan);
    plan
}

/// The file on disk that a line is in.
fn file_of<'p>(policy: &'p Policy, grant: &Grant) -> Option<&'p PathBuf> {
    policy.sources.iter().find(|source| source.name == grant.origin.file)?.path.as_ref()
}

/// Takes out what enough of the log shows unused, by everyone who goes by that line.
fn grants(everyone: &Review, edits: &mut Edits) {
    let mut all: Vec<(PathBuf, Grant)> = Vec::new();
    for (_, known, policy) in &edits.policies {
        let unused = unused(known);
        let of_tools = |grant: &&&Grant| grant.origin.key == "tools.allow";
        // Hooks take a policy that names no tool as one that leaves tools to what they do.
        let last = unused.iter().filter(of_tools).count() >= policy.tools.allow.len();
        for grant in unused {
            if last && of_tools(&&grant) {
                let why = "no tool of tools.allow was used; naming none would allow more";
                edits.left.push(format!("{}: {why}", grant.origin));
            } else if let Some(path) = file_of(policy, grant)
                && !all.iter().any(|(known, other)| {
                    known == path && other.origin == grant.origin && other.what == grant.what
                })
            {
                all.push((path.clone(), grant.clone()));
            }
        }
    }
    let others = everyone.agents.iter().flat_map(|agent| {
        let policies = agent.policies.iter().filter_map(|known| Some((known, known.loaded.as_ref().ok()?)));
        policies.map(move |(known, policy)| (agent, known, policy))
    });
    for (agent, known, policy) in others {
        let grants = &known.grants;
        for grant in
            grants.iter().filter(|grant| !matches!(grant.used, Use::Unused(times) if times >= ENOUGH))
        {
            let path = file_of(policy, grant);
            all.retain(|(known, unused)| {
                let same = Some(known) == path
                    && (unused.origin.line, &unused.what) == (grant.origin.line, &grant.what);
                if same {
                    let why = format!("{} goes by it too, and may need it", agent.id);
                    edits.left.push(format!("{}: {}: {why}", unused.origin, unused.what));
                }
                !same
            });
        }
    }
    // From the end of each file, so that what is still to be taken out stays where it was.
    crate::sort::by(&mut all, |a, b| (&a.0, b.1.origin.line).cmp(&(&b.0, a.1.origin.line)));
    for (path, grant) in &all {
        let Some((table, key)) = grant.origin.key.split_once('.') else { continue };
        let same = |text: &str| {
            text == grant.what || HostPattern::parse(text).is_ok_and(|host| host.to_string() == grant.what)
        };
        let why = format!("{}: {} was never used", grant.origin, grant.what);
        edits.make(path, why, &|text| toml::remove(text, (table, key), grant.origin.line, &same));
    }
}

/// What one line more puts right.
fn linted(policy: &Policy, found: &Finding, edits: &mut Edits) {
    // The file of the agent itself: parents may be shared.
    let own = policy.sources.iter().rev().find_map(|source| source.path.clone());
    let Some(path) = own else { return };
    let name = found.lint.name;
    match (found.lint.id, &found.path) {
        ("PL-004" | "PL-012", Some(place)) => {
            let why = format!("{} {name}: {place} is denied", found.lint.id);
            edits.make(&path, why, &|text| toml::add(text, ("filesystem", "deny"), place));
        }
        ("PL-011", Some(place)) => {
            let why = format!("PL-011 {name}: {place} is protected");
            edits.make(&path, why, &|text| toml::add(text, ("filesystem", "protect"), place));
        }
        ("PL-018", _) => {
            let file = toml::quoted("${STATE}/weft/audit/${AGENT}.jsonl");
            let why = format!("PL-018 {name}: there is a log");
            edits.make(&path, why, &|text| toml::set(text, ("audit", "file"), &file));
        }
        ("PL-019", _) => {
            let why = format!("PL-019 {name}: as many processes as `base` allows");
            edits.make(&path, why, &|text| toml::set(text, ("process", "max_processes"), "512"));
        }
        _ => {}
    }
}

#[cfg(not(feature = "client"))]
fn pins(_: &Review, _: &mut Plan) {}

/// The key of a signed skill's author, which the next version must have too; the version of one that nobody signed.
#[cfg(feature = "client")]
fn pins(review: &Review, plan: &mut Plan) {
    for skill in &review.skills {
        if let Some((registry, owner, key)) = skill.pin.clone() {
            let what = format!("the key {key} of {owner} at {registry}, who signed {}", skill.key);
            if !plan.pins.iter().any(|(known, _)| *known == what) {
                plan.pins.push((what, Pin::Author { registry, owner, key }));
            }
        } else if skill.remarks == ["unsigned"] && !skill.pinned {
            let what = format!("{} at {}, for nobody signed it", skill.key, skill.version);
            plan.pins.push((what, Pin::Version { root: skill.root.clone(), key: skill.key.clone() }));
        }
    }
}

impl Pin {
    /// Makes the pin, and says how to take it back.
    #[cfg(feature = "client")]
    pub fn apply(&self) -> Result<String, Failure> {
        use crate::cli::skill::told;
        use crate::skill::store::Workspace;
        use crate::trust::{PublicKey, book};
        match self {
            Pin::Author { registry, owner, key } => {
                let wrong =
                    |_| Failure::usage("the key of a skill is damaged", key.clone(), "install it again");
                let public_key = PublicKey::parse(key).map_err(wrong)?;
                book::change(&book::path().map_err(told)?, |book| {
                    if book.pin(registry, owner).is_none() {
                        book.set_pin(book::Pin {
                            registry: registry.clone(),
                            owner: owner.clone(),
                            public_key,
                            since: crate::clock::now().as_secs(),
                            how: "accepted".into(),
                        });
                    }
                    Ok(())
                })
                .map_err(told)?;
                Ok(format!("weft skill trust remove {registry} {owner}"))
            }
            Pin::Version { root, key } => {
                let workspace = Workspace::open(root, Path::new("skills")).map_err(told)?;
                let locked = workspace.lock().map_err(told)?;
                locked.pin(key, true, Some("nobody signed it (weft security harden)")).map_err(told)?;
                Ok(format!("weft skill unpin {key}"))
            }
        }
    }

    #[cfg(not(feature = "client"))]
    pub fn apply(&self) -> Result<String, Failure> {
        match *self {}
    }
}
