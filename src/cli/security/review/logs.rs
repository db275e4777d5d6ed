//! What the logs tell of each agent: runs, denials over time, what is out of the ordinary, what was used. Reads each log once, its chain
//! as well; changes none.

use super::agents::Agent;
use super::finding::{Area, Findings, Kind};
use crate::audit::usage::{Budget, Usage};
use crate::audit::{Action, AuditError, SandboxAuditEntry, Verdict, read as read_log, time};
use crate::monitor::{Alert, Monitor, Thresholds};
use crate::rules::Severity;
use crate::scan::names;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// More agents, targets or hours than this are counted together: a log may be huge, and hostile.
const AGENTS: usize = 256;
const TARGETS: usize = 20_000;
const HOURS: usize = 100_000;
const HOUR: u64 = 3_600_000_000;

/// A log and whether its chain holds.
#[derive(Debug)]
pub struct Log {
    pub path: PathBuf,
    pub verdict: Result<Verdict, String>,
    /// Lines that are no entries.
    pub unreadable: u64,
    pub agents: BTreeSet<String>,
}

/// Attempts of one kind that were refused.
#[derive(Clone, Debug)]
pub struct Denied {
    pub action: &'static str,
    pub target: String,
    pub count: u64,
    /// Microseconds since 1970.
    pub first: u64,
    pub last: u64,
    /// Of the last one.
    pub reason: String,
    pub rule: Option<String>,
}

/// Alerts of one kind.
#[derive(Clone, Debug)]
pub struct Unusual {
    pub kind: &'static str,
    pub count: u64,
    pub last: u64,
    /// The last one's.
    pub text: String,
    /// For `credentials`: they were given at least once.
    pub given: bool,
}

/// What one agent did.
#[derive(Debug)]
pub struct Activity {
    runs: BTreeSet<String>,
    /// There were more.
    pub more_runs: bool,
    pub allowed: u64,
    pub denied: u64,
    pub first: u64,
    pub last: u64,
    pub actions: BTreeMap<&'static str, (u64, u64)>,
    targets: BTreeMap<(&'static str, String), Denied>,
    /// Denials of targets that are not told apart any more.
    pub untold: u64,
    /// Denials by hour since 1970.
    pub hours: BTreeMap<u64, u64>,
    pub unusual: Vec<Unusual>,
    pub usage: Usage,
    /// The policy and the folder of the last run that names one.
    pub policy: Option<String>,
    pub start: Option<PathBuf>,
}

impl Default for Activity {
    fn default() -> Activity {
        Activity {
            runs: BTreeSet::new(),
            more_runs: false,
            allowed: 0,
            denied: 0,
            first: u64::MAX,
            last: 0,
            actions: BTreeMap::new(),
            targets: BTreeMap::new(),
            untold: 0,
            hours: BTreeMap::new(),
            unusual: Vec::new(),
            usage: Usage::default(),
            policy: None,
            start: None,
        }
    }
}

/// The kinds that say that something was asked for, and not how a run went.
const fn is_attempt(action: Action) -> bool {
    !matches!(action, Action::Start | Action::Policy | Action::Enforcement | Action::Limit | Action::Exit)
}

impl Activity {
    fn see(&mut self, entry: SandboxAuditEntry, alerts: Vec<Alert>, budget: &mut Budget) {
        self.usage.see(&entry, budget);
        for alert in alerts {
            let given = alert.text.contains("and given");
            match self.unusual.iter_mut().find(|known| known.kind == alert.kind) {
                Some(known) => {
                    known.count += 1;
                    known.last = alert.timestamp;
                    known.given |= given;
                    known.text = alert.text;
                }
                None => self.unusual.push(Unusual {
                    kind: alert.kind,
                    count: 1,
                    last: alert.timestamp,
                    text: alert.text,
                    given,
                }),
            }
        }
        self.first = self.first.min(entry.timestamp);
        self.last = self.last.max(entry.timestamp);
        match entry.action {
            Action::Policy => self.policy = Some(entry.target.clone()),
            Action::Start => {
                let folder = entry.reason.strip_prefix("in ").and_then(|rest| rest.rsplit_once(", weft "));
                self.start = folder.map(|(folder, _)| PathBuf::from(folder)).or(self.start.take());
            }
            _ => {}
        }
        if !self.runs.contains(&entry.run) {
            match self.runs.len() < TARGETS && budget.take(&entry.run) {
                true => drop(self.runs.insert(entry.run)),
                false => self.more_runs = true,
            }
        }
        // A tool that a list of tools did not show is nothing that somebody tried.
        if !is_attempt(entry.action) || entry.target.ends_with(" (listed)") {
            return;
        }
        let action = entry.action.as_str();
        let tally = self.actions.entry(action).or_default();
        if entry.allowed {
            self.allowed += 1;
            tally.0 += 1;
            return;
        }
        self.denied += 1;
        tally.1 += 1;
        let hour = entry.timestamp / HOUR;
        if self.hours.len() < HOURS || self.hours.contains_key(&hour) {
            *self.hours.entry(hour).or_default() += 1;
        }
        let key = (action, entry.target);
        if let Some(known) = self.targets.get_mut(&key) {
            known.count += 1;
            known.first = known.first.min(entry.timestamp);
            if entry.timestamp >= known.last {
                known.last = entry.timestamp;
                let rule = entry.rule.as_deref().unwrap_or_default();
                if budget.exchange(&known.reason, &entry.reason)
                    && budget.exchange(known.rule.as_deref().unwrap_or_default(), rule)
                {
                    known.reason = entry.reason;
                    known.rule = entry.rule;
                }
            }
        } else if self.targets.len() < TARGETS
            && budget.take(&key.1)
            && budget.take(&entry.reason)
            && budget.take(entry.rule.as_deref().unwrap_or_default())
        {
            let denied = Denied {
                action,
                target: key.1.clone(),
                count: 1,
                first: entry.timestamp,
                last: entry.timestamp,
                reason: entry.reason,
                rule: entry.rule,
            };
            self.targets.insert(key, denied);
        } else {
            self.untold += 1;
        }
    }

    /// Runs, and calls that were decided about one by one.
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Different targets that were denied.
    pub fn subjects(&self) -> usize {
        self.targets.len()
    }

    /// What was denied most, first.
    pub fn denied_most(&self, most: usize) -> Vec<&Denied> {
        let mut all: Vec<&Denied> = self.targets.values().collect();
        crate::sort::by(&mut all, |a, b| (b.count, a.action, &a.target).cmp(&(a.count, b.action, &b.target)));
        all.truncate(most);
        all
    }
}

/// Every log, and what it tells of each agent.
pub fn read(paths: &[PathBuf], unknown: &mut Vec<String>) -> (Vec<Log>, BTreeMap<String, Activity>) {
    let mut logs = Vec::new();
    let mut all: BTreeMap<String, Activity> = BTreeMap::new();
    let mut budget = Budget::default();
    // It tells agents and runs apart itself.
    let mut monitor = Monitor::new(Thresholds::default());
    for path in paths {
        let mut agents = BTreeSet::new();
        let mut beyond = 0u64;
        let read = read_log(path, None, |entry| {
            if all.len() >= AGENTS && !all.contains_key(&entry.agent_id) {
                beyond += 1;
                return;
            }
            agents.insert(entry.agent_id.clone());
            let alerts = monitor.see(&entry);
            all.entry(entry.agent_id.clone()).or_default().see(entry, alerts, &mut budget);
        });
        if beyond > 0 {
            let name = names::escape(path.as_os_str().as_encoded_bytes());
            unknown
                .push(format!("{name}: {beyond} entries are of more agents than are told apart ({AGENTS})"));
        }
        let failed = |error: AuditError| crate::words::reason(&error.source);
        let (verdict, unreadable) = match read {
            Ok((verdict, unreadable)) => (Ok(verdict), unreadable),
            Err(error) => (Err(failed(error)), 0),
        };
        logs.push(Log { path: path.clone(), verdict, unreadable, agents });
    }
    for (id, activity) in &all {
        if activity.more_runs {
            unknown.push(format!(
                "{id}: there are more runs and calls in the log than the {} that are counted",
                activity.runs()
            ));
        }
    }
    (logs, all)
}

/// The log of this path is not there; nothing wrong with that before the first run.
pub fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Chains that do not hold, and what was out of the ordinary.
pub fn weaknesses(agents: &[Agent], logs: &[Log], findings: &mut Findings) {
    const BROKEN: Kind = ("SA-020", "log-broken", Area::Log, Severity::Critical);
    const UNREADABLE: Kind = ("SA-021", "log-unreadable", Area::Log, Severity::High);
    for log in logs {
        let at = names::escape(log.path.as_os_str().as_encoded_bytes());
        match &log.verdict {
            Err(why) => {
                findings.add(
                    UNREADABLE,
                    None,
                    at,
                    format!("the log cannot be read: {why}"),
                    "look at what is in its place",
                );
            }
            Ok(verdict) if !verdict.holds() => {
                let first = verdict.problems.first();
                let first = first
                    .map_or(String::new(), |problem| format!("; line {} {}", problem.line, problem.what));
                let what = format!(
                    "the chain is broken in {} of {} lines{first}",
                    verdict.problem_count, verdict.lines
                );
                findings.add(
                    BROKEN,
                    None,
                    at,
                    what,
                    "somebody changed the log: find out who could, and begin a new one",
                );
            }
            Ok(_) => {}
        }
    }
    for agent in agents {
        for unusual in &agent.activity.unusual {
            let (id, name, severity, fix) = match unusual.kind {
                "secret-then-send" => (
                    "SA-040",
                    "secret-then-send",
                    Severity::Critical,
                    "find out what was sent, change the credentials, and deny one of the two",
                ),
                "credentials" if unusual.given => (
                    "SA-041",
                    "credentials-given",
                    Severity::High,
                    "deny the file, and use [[network.inject]] for what has to be sent",
                ),
                "credentials" => (
                    "SA-042",
                    "credentials-asked-for",
                    Severity::Medium,
                    "find out which skill or prompt made the agent ask",
                ),
                "endpoints" => {
                    ("SA-043", "unexpected-hosts", Severity::Medium, "find out what wanted to go there")
                }
                "enumeration" => ("SA-044", "enumeration", Severity::Medium, "find out what was looked for"),
                "volume" => (
                    "SA-045",
                    "much-was-sent",
                    Severity::Medium,
                    "set network.max_bytes_out, and look at what was sent",
                ),
                "denials" => {
                    ("SA-046", "many-denials", Severity::Low, "look at them: `weft audit show --denied`")
                }
                "unwatched" => (
                    "SA-048",
                    "unwatched",
                    Severity::Medium,
                    "look at what ran then: `weft audit show`; alerts about it may be missing",
                ),
                _ => ("SA-047", "many-calls", Severity::Low, "set calls_per_5s in [monitor]"),
            };
            let times = match unusual.count {
                1 => String::new(),
                count => format!(" ({count} times, this is the last)"),
            };
            let what = format!("{}{times}", unusual.text);
            let at = time(unusual.last);
            findings.add((id, name, Area::Activity, severity), Some(&agent.id), at, what, fix);
        }
    }
}
