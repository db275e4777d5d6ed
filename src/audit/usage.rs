//! Which grants of a policy a log shows in use, and which it shows unused. Goes by entries and a resolved policy; reads no log
//! and changes no policy. What a log cannot tell is said to be unknown: reading and writing that is allowed leaves no entry.

use super::{Action, SandboxAuditEntry};
use crate::policy::decide::covers;
use crate::policy::host::Host;
use crate::policy::{AuditLevel, NetworkMode, Origin, Policy, endpoint};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// More runs, programs, hosts or tools than this are no longer told apart, and nothing is called unused then.
const MOST: usize = 100_000;

/// How many bytes may be remembered of logs, all agents together: a log may be huge, and hostile.
#[derive(Debug)]
pub struct Budget(usize);

impl Default for Budget {
    fn default() -> Budget {
        Budget(128 << 20)
    }
}

impl Budget {
    /// Whether there is room for one more text, which is taken then.
    pub fn take(&mut self, text: &str) -> bool {
        // A text, its place in a map, and what is counted beside it.
        let needed = text.len() + 150;
        let room = self.0 >= needed;
        if room {
            self.0 -= needed;
        }
        room
    }

    /// Whether a text that is remembered may become another one.
    pub fn exchange(&mut self, old: &str, new: &str) -> bool {
        let needed = new.len().saturating_sub(old.len());
        let room = self.0 >= needed;
        if room {
            self.0 -= needed;
        }
        room
    }
}

/// What became of one run under `weft run` or `weft mcp`.
#[derive(Debug, Default)]
struct Run {
    policy: String,
    /// A program that was allowed to start is in the log.
    ran: bool,
    ended: bool,
    /// The log says that more programs, or connections, were there than it lists.
    programs_untold: bool,
    network_untold: bool,
}

/// What the entries of one agent show.
#[derive(Debug, Default)]
pub struct Usage {
    runs: BTreeMap<String, Run>,
    programs: BTreeMap<String, u64>,
    endpoints: BTreeMap<String, u64>,
    tools: BTreeMap<String, u64>,
    /// Calls of tools that were decided about, by the hash of the policy.
    calls: BTreeMap<String, u64>,
    /// A tool was allowed for what it does (a command line, a URL): commands and hosts were used without an entry of their own.
    by_effect: bool,
    /// There was more than is remembered.
    full: bool,
}

/// What the log says about a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// So often.
    Used(u64),
    /// In none of so many runs, or decisions about tools, under the policy as it is now.
    Unused(u64),
    /// Why it cannot be told.
    Unknown(&'static str),
}

/// One line of a policy that allows something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The entry as a person would name it: `git`, `*.example.com`.
    pub what: String,
    pub origin: Origin,
    pub used: Use,
}

fn count(map: &mut BTreeMap<String, u64>, key: &str, full: &mut bool, budget: &mut Budget) {
    if let Some(count) = map.get_mut(key) {
        *count += 1;
    } else if map.len() < MOST && budget.take(key) {
        map.insert(key.to_owned(), 1);
    } else {
        *full = true;
    }
}

impl Usage {
    /// Takes in the next entry, in the order of the log.
    pub fn see(&mut self, entry: &SandboxAuditEntry, budget: &mut Budget) {
        let target = entry.target.as_str();
        match entry.action {
            Action::Exec if entry.allowed => {
                count(&mut self.programs, target, &mut self.full, budget);
                self.run(entry, budget, |run| run.ran = true);
            }
            Action::Connect if entry.allowed => count(&mut self.endpoints, target, &mut self.full, budget),
            Action::Tool => {
                count(&mut self.calls, &entry.policy, &mut self.full, budget);
                if entry.allowed {
                    let (name, effect) = match target.split_once(": ") {
                        Some((name, _)) => (name, true),
                        None => (target, false),
                    };
                    self.by_effect |= effect;
                    count(&mut self.tools, name.trim_end_matches(" (listed)"), &mut self.full, budget);
                }
            }
            Action::Exit => {
                let untold = entry.reason.contains(" programs more than are listed");
                self.run(entry, budget, |run| {
                    run.ended = entry.allowed;
                    run.programs_untold |= untold;
                });
            }
            Action::Limit if entry.allowed && target == "network" => {
                self.run(entry, budget, |run| run.network_untold = true);
            }
            _ => {}
        }
    }

    fn run(&mut self, entry: &SandboxAuditEntry, budget: &mut Budget, change: impl FnOnce(&mut Run)) {
        let new = !self.runs.contains_key(&entry.run);
        if new && (self.runs.len() >= MOST || !budget.take(&entry.policy) || !budget.take(&entry.run)) {
            self.full = true;
            return;
        }
        let run = self.runs.entry(entry.run.clone()).or_default();
        run.policy.clone_from(&entry.policy);
        change(run);
    }

    /// Runs that tell of what was used: they came to their end under this very policy, and programs are in their account.
    pub fn runs_under(&self, policy: &str) -> u64 {
        self.runs.values().filter(|run| run.policy == policy && run.ran && run.ended).count() as u64
    }

    /// Calls of tools that were decided about under this very policy.
    pub fn calls_under(&self, policy: &str) -> u64 {
        self.calls.get(policy).copied().unwrap_or(0)
    }

    /// Each grant that the policy names, and what the log says of it. Grants of `filesystem`, `env` and `listen` are in the answer as
    /// well, unknown.
    pub fn grants(&self, policy: &Policy) -> Vec<Grant> {
        let mut all = Vec::new();
        let mut add = |what: String, origin: &Origin, used: Use| {
            all.push(Grant { what, origin: origin.clone(), used });
        };
        let runs = self.runs_under(&policy.hash);
        let held = |untold: fn(&Run) -> bool, tell: &'static str| {
            let here = || self.runs.values().filter(|run| run.policy == policy.hash);
            if self.full {
                Some("the log has more than is told apart")
            } else if policy.audit.level == AuditLevel::Denied {
                Some("audit.level is \"denied\": what was allowed is not in the log")
            } else if self.by_effect {
                Some("calls of tools are decided by it too, and the log does not say by which entry")
            } else if runs == 0 {
                Some("no run under the policy as it is now is in the log")
            } else if here().any(untold) {
                Some(tell)
            } else {
                None
            }
        };
        let unused = |why: Option<&'static str>| why.map_or(Use::Unused(runs), Use::Unknown);
        let programs = held(|run| run.programs_untold, "a run started more programs than the log lists");
        let network = held(|run| run.network_untold, "a run had more connections than the log lists");

        let real: Vec<(PathBuf, u64)> = self
            .programs
            .iter()
            .flat_map(|(path, count)| {
                let path = PathBuf::from(path);
                let real = fs::canonicalize(&path).ok().filter(|real| *real != path);
                [Some((path, *count)), real.map(|real| (real, *count))].into_iter().flatten()
            })
            .collect();
        for rule in policy.process.allow.iter().flatten() {
            let started = |path: &Path| {
                rule.paths.iter().any(|own| path.starts_with(own))
                    || path.file_name().is_some_and(|name| name.to_str() == Some(&rule.name))
            };
            let times: u64 = real.iter().filter(|(path, _)| started(path)).map(|(_, count)| count).sum();
            add(rule.name.clone(), &rule.origin, if times > 0 { Use::Used(times) } else { unused(programs) });
        }
        if policy.network.mode == NetworkMode::Hosts {
            let met: Vec<(Host, u16, u64)> = self
                .endpoints
                .iter()
                .filter_map(|(target, count)| {
                    let (host, port) = endpoint(target).ok()?;
                    Some((Host::parse(&host).ok()?, port, *count))
                })
                .collect();
            for rule in &policy.network.allow {
                let by = |host: &Host, port: u16| rule.host.allows(host) && rule.ports.contains(port);
                let times: u64 =
                    met.iter().filter(|(host, port, _)| by(host, *port)).map(|(.., count)| count).sum();
                let used = if times > 0 { Use::Used(times) } else { unused(network) };
                add(rule.host.to_string(), &rule.origin, used);
            }
        }
        let calls = self.calls_under(&policy.hash);
        let tools = match () {
            () if self.full => Use::Unknown("the log has more than is told apart"),
            () if policy.audit.level == AuditLevel::Denied => {
                Use::Unknown("audit.level is \"denied\": what was allowed is not in the log")
            }
            () if calls == 0 => Use::Unknown("no call of a tool under the policy as it is now is in the log"),
            () => Use::Unused(calls),
        };
        for set in &policy.tools.allow {
            let times: u64 =
                self.tools.iter().filter(|(name, _)| covers(&set.value, name)).map(|(_, count)| count).sum();
            add(set.value.clone(), &set.origin, if times > 0 { Use::Used(times) } else { tools });
        }
        let files = &policy.filesystem;
        let silent = Use::Unknown("what is read, written and mapped without being refused is not in the log");
        // A pattern may stand for hundreds of paths: one line of the policy is one grant.
        let mut seen = std::collections::BTreeSet::new();
        for rules in [&files.read, &files.write, &files.exec] {
            for rule in rules.iter().filter(|rule| rule.origin.line > 0) {
                let pattern = files
                    .patterns
                    .iter()
                    .find(|pattern| pattern.origin == rule.origin && pattern.glob.covers(&rule.written));
                let what = pattern.map_or_else(
                    || crate::scan::names::escape(rule.written.as_os_str().as_encoded_bytes()),
                    |pattern| pattern.glob.as_str().to_owned(),
                );
                if seen.insert((rule.origin.clone(), what.clone())) {
                    add(what, &rule.origin, silent);
                }
            }
        }
        for set in &policy.env.allow {
            add(set.value.clone(), &set.origin, Use::Unknown("which variables are read is not in the log"));
        }
        for set in &policy.network.listen {
            add(
                set.value.to_string(),
                &set.origin,
                Use::Unknown("connections to ports inside are not in the log"),
            );
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::load_text;
    use crate::policy::vars::Places;

    fn policy(text: &str) -> Policy {
        let here = std::env::temp_dir();
        load_text("p.toml", &format!("version = 1\n{text}"), &Places::below(&here, &here)).unwrap()
    }

    fn entry(
        run: &str,
        policy: &str,
        action: Action,
        target: &str,
        allowed: bool,
        why: &str,
    ) -> SandboxAuditEntry {
        SandboxAuditEntry::now(run, "a", policy, action, target, allowed, why, None)
    }

    fn uses(policy: &Policy, usage: &Usage) -> Vec<(String, Use)> {
        usage.grants(policy).into_iter().map(|grant| (grant.what, grant.used)).collect()
    }

    #[test]
    fn what_was_used_is_told_from_what_was_not() {
        let policy = policy(
            "[network]\nallow = [{ host = '*.a.com' }, { host = 'b.com', ports = [8443] }, { host = 'c.com' }]\n[tools]\nallow = ['read_*', 'drop']",
        );
        let hash = policy.hash.clone();
        let mut usage = Usage::default();
        for run in ["1", "2"] {
            usage.see(&entry(run, &hash, Action::Exec, "/bin/x", true, ""), &mut Budget::default());
            usage.see(&entry(run, &hash, Action::Connect, "x.a.com:443", true, ""), &mut Budget::default());
            // Another port, and a refusal, are no use.
            usage.see(&entry(run, &hash, Action::Connect, "b.com:443", true, ""), &mut Budget::default());
            usage.see(&entry(run, &hash, Action::Connect, "c.com:443", false, ""), &mut Budget::default());
            usage.see(&entry(run, &hash, Action::Tool, "read_file", true, ""), &mut Budget::default());
            usage.see(&entry(run, &hash, Action::Exit, "code 0", true, "after 1 s"), &mut Budget::default());
        }
        let found = uses(&policy, &usage);
        let named = |name: &str| found.iter().find(|(what, _)| what == name).map(|(_, used)| *used);
        assert_eq!(named("*.a.com"), Some(Use::Used(2)));
        assert_eq!(named("b.com"), Some(Use::Unused(2)));
        assert_eq!(named("c.com"), Some(Use::Unused(2)));
        assert_eq!((named("read_*"), named("drop")), (Some(Use::Used(2)), Some(Use::Unused(2))));
    }

    #[test]
    fn what_the_log_cannot_tell_is_unknown() {
        let policy = policy("[network]\nallow = [{ host = 'a.com' }]\n[tools]\nallow = ['x', 'y']");
        let hash = policy.hash.clone();
        let unknown =
            |usage: &Usage| uses(&policy, usage).iter().all(|(_, used)| matches!(used, Use::Unknown(_)));
        assert!(unknown(&Usage::default()));
        // Of another policy, not ended, more than is listed, tools that are judged by what they do.
        let run = |hash: &str, last: &[SandboxAuditEntry]| {
            let mut usage = Usage::default();
            usage.see(&entry("1", hash, Action::Exec, "/bin/x", true, ""), &mut Budget::default());
            last.iter().for_each(|entry| usage.see(entry, &mut Budget::default()));
            usage
        };
        let exit = |hash: &str| entry("1", hash, Action::Exit, "code 0", true, "");
        assert!(!unknown(&run(&hash, &[exit(&hash)])));
        assert!(unknown(&run("other", &[exit("other")])));
        assert!(unknown(&run(&hash, &[])));
        let more = entry(
            "1",
            &hash,
            Action::Limit,
            "network",
            true,
            "9 more connections and refusals are not listed",
        );
        assert!(unknown(&run(&hash, &[more, exit(&hash)])));
        let call = entry("2", &hash, Action::Tool, "Bash: curl", true, "");
        let usage = run(&hash, &[call, exit(&hash)]);
        assert!(matches!(uses(&policy, &usage)[0].1, Use::Unknown(why) if why.contains("calls of tools")));
    }

    #[test]
    fn what_is_not_remembered_makes_nothing_unused() {
        let policy = policy("[network]\nallow = [{ host = 'a.com' }]");
        let mut usage = Usage::default();
        let mut budget = Budget(1000);
        for n in 0..100 {
            usage.see(&entry("1", &policy.hash, Action::Exec, &format!("/bin/{n}"), true, ""), &mut budget);
        }
        usage.see(&entry("1", &policy.hash, Action::Exit, "code 0", true, ""), &mut budget);
        assert!(usage.programs.len() < 10);
        assert!(matches!(uses(&policy, &usage)[0].1, Use::Unknown(why) if why.contains("more than")));
    }
}
