//! Watches entries of the audit log go by and says what is out of the ordinary: too many calls, secrets that are read and then
//! something that is sent, folders that are gone through. Pure: it goes by the times in the entries. It decides nothing; whoever
//! feeds it may pause or stop by what it says.

pub mod webhook;

use crate::audit::{Action, SandboxAuditEntry};
use crate::policy::secrets::is_secret;
use crate::policy::{Monitor as Settings, MonitorAction};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// How long nothing goes on after an alert whose action is `pause`.
pub const PAUSE: Duration = Duration::from_secs(60);

const SECOND: u64 = 1_000_000;
/// An alert of one kind about one agent is told again after this time.
const AGAIN: u64 = 60 * SECOND;
/// Entries of an agent that are remembered.
const REMEMBERED: usize = 4096;
/// Agents and runs that are watched at one time; beyond, the one that was quiet longest is forgotten.
const WATCHED: usize = 256;

/// From which number on something is told. What a policy does not say is as here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Calls of tools in 5 seconds.
    pub calls_per_5s: u32,
    /// Denials in a minute.
    pub denied_per_minute: u32,
    /// Bytes that a run sends.
    pub bytes_out: u64,
    /// Different paths in 10 seconds.
    pub paths: usize,
    /// Different hosts that are denied in a minute.
    pub hosts: usize,
}

impl Default for Thresholds {
    fn default() -> Thresholds {
        Thresholds { calls_per_5s: 10, denied_per_minute: 20, bytes_out: 100 << 20, paths: 50, hosts: 5 }
    }
}

impl Thresholds {
    pub fn of(settings: &Settings) -> Thresholds {
        let usual = Thresholds::default();
        let number =
            |set: &Option<crate::policy::Set<u32>>, usual| set.as_ref().map_or(usual, |set| set.value);
        Thresholds {
            calls_per_5s: number(&settings.calls_per_5s, usual.calls_per_5s),
            denied_per_minute: number(&settings.denied_per_minute, usual.denied_per_minute),
            bytes_out: settings.bytes_out.as_ref().map_or(usual.bytes_out, |set| set.value),
            ..usual
        }
    }
}

/// What is out of the ordinary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// `burst`, `rate`, `denials`, `credentials`, `secret-then-send`, `enumeration`, `endpoints`, `volume`.
    pub kind: &'static str,
    /// Microseconds since 1970, of the entry that it is about.
    pub timestamp: u64,
    pub run: String,
    pub agent: String,
    /// A sentence without its end.
    pub text: String,
}

/// Entries of one run.
#[derive(Debug, Default)]
struct Run {
    /// Calls, denials, paths and hosts of late, each with its time.
    calls: VecDeque<u64>,
    denied: VecDeque<u64>,
    paths: VecDeque<(u64, String)>,
    hosts: VecDeque<(u64, String)>,
    /// The last secret that was read: when, and what.
    secret: Option<(u64, String)>,
    bytes: u64,
    told: HashMap<&'static str, u64>,
    last: u64,
}

#[derive(Debug)]
pub struct Monitor {
    thresholds: Thresholds,
    runs: HashMap<(String, String), Run>,
}

impl Monitor {
    pub fn new(thresholds: Thresholds) -> Monitor {
        Monitor { thresholds, runs: HashMap::new() }
    }

    /// The monitor that a policy asks for, if it does.
    pub fn of(settings: &Settings) -> Option<Monitor> {
        let any = settings.calls_per_5s.is_some()
            || settings.denied_per_minute.is_some()
            || settings.bytes_out.is_some()
            || settings.webhook.is_some()
            || settings.action != MonitorAction::default();
        any.then(|| Monitor::new(Thresholds::of(settings)))
    }

    /// Looks at the next entry.
    pub fn see(&mut self, entry: &SandboxAuditEntry) -> Vec<Alert> {
        // Its own alerts are in the log too.
        if entry.action == Action::Limit && entry.target.starts_with("monitor.") {
            return Vec::new();
        }
        let key = (entry.agent_id.clone(), entry.run.clone());
        if self.runs.len() >= WATCHED && !self.runs.contains_key(&key) {
            let quiet = self.runs.iter().min_by_key(|(_, run)| run.last).map(|(key, _)| key.clone());
            quiet.map(|key| self.runs.remove(&key));
        }
        let run = self.runs.entry(key).or_default();
        let mut found = Vec::new();
        run.see(entry, &self.thresholds, &mut |kind, text| found.push((kind, text)));
        let mut alerts = Vec::new();
        for (kind, text) in found {
            let now = entry.timestamp;
            if run.told.get(kind).is_some_and(|told| now.saturating_sub(*told) < AGAIN) {
                continue;
            }
            run.told.insert(kind, now);
            let (id, agent) = (entry.run.clone(), entry.agent_id.clone());
            alerts.push(Alert { kind, timestamp: now, run: id, agent, text });
        }
        alerts
    }
}

/// How many there are since then; what is older is forgotten.
fn since(list: &mut VecDeque<u64>, from: u64) -> usize {
    while list.front().is_some_and(|at| *at < from) || list.len() > REMEMBERED {
        list.pop_front();
    }
    list.len()
}

/// How many different ones there are since then.
fn different(list: &mut VecDeque<(u64, String)>, now: u64, within: u64, new: &str) -> usize {
    while list.front().is_some_and(|(at, _)| *at < now.saturating_sub(within)) || list.len() >= REMEMBERED {
        list.pop_front();
    }
    if !list.iter().any(|(_, known)| known == new) {
        list.push_back((now, new.to_owned()));
    }
    list.len()
}

impl Run {
    fn see(
        &mut self,
        entry: &SandboxAuditEntry,
        limits: &Thresholds,
        tell: &mut dyn FnMut(&'static str, String),
    ) {
        let now = entry.timestamp;
        self.last = now;
        let target = entry.target.as_str();
        let is_call = entry.action == Action::Tool && !target.ends_with(" (listed)");
        if is_call {
            self.calls.push_back(now);
            // Ten minutes and the one that is compared with them.
            since(&mut self.calls, now.saturating_sub(660 * SECOND));
            let within =
                |seconds: u64| self.calls.iter().rev().take_while(|at| **at + seconds * SECOND > now).count();
            let burst = within(5);
            if burst > limits.calls_per_5s as usize {
                tell("burst", format!("{burst} calls of tools in 5 seconds"));
            }
            let minute = within(60);
            // Of the whole minutes before, as far as there are any.
            let minutes =
                self.calls.front().map_or(0, |first| (now - first) / (60 * SECOND)).saturating_sub(1).min(10);
            let before = self.calls.len() - minute;
            if minutes >= 3 && before >= 10 && minute as u64 * minutes > 3 * before as u64 {
                let usual = before as u64 / minutes;
                tell("rate", format!("{minute} calls of tools in a minute, where {usual} are usual"));
            }
        }
        if !entry.allowed
            && !matches!(entry.action, Action::Enforcement | Action::Limit)
            && !target.ends_with(" (listed)")
        {
            self.denied.push_back(now);
            let count = since(&mut self.denied, now.saturating_sub(60 * SECOND));
            if count > limits.denied_per_minute as usize {
                tell("denials", format!("{count} denials in a minute"));
            }
        }
        self.secrets(entry, tell);
        let path = match entry.action {
            Action::Read | Action::Write => Some(target),
            Action::Tool => target.split_once(": ").map(|(_, what)| what).filter(|what| what.contains('/')),
            _ => None,
        };
        if let Some(path) = path {
            let count = different(&mut self.paths, now, 10 * SECOND, path);
            if count > limits.paths {
                tell("enumeration", format!("{count} different paths in 10 seconds"));
            }
        }
        if matches!(entry.action, Action::Connect | Action::Resolve) {
            if !entry.allowed {
                let count = different(&mut self.hosts, now, 60 * SECOND, target);
                if count >= limits.hosts {
                    tell(
                        "endpoints",
                        format!("{count} different hosts that the policy does not allow in a minute"),
                    );
                }
            }
            self.bytes = self.bytes.saturating_add(sent(&entry.reason));
            if self.bytes > limits.bytes_out {
                tell("volume", format!("{} bytes were sent", self.bytes));
            }
        }
    }

    /// A file with credentials, and something that leaves soon after.
    fn secrets(&mut self, entry: &SandboxAuditEntry, tell: &mut dyn FnMut(&'static str, String)) {
        let now = entry.timestamp;
        let target = entry.target.as_str();
        let looks = matches!(entry.action, Action::Read | Action::Tool) && is_secret(target);
        if looks {
            let how = if entry.allowed { "were asked for and given" } else { "were asked for" };
            tell("credentials", format!("credentials {how}: {target}"));
            if entry.allowed {
                self.secret = Some((now, target.to_owned()));
                return;
            }
        }
        let Some((when, what)) = &self.secret else { return };
        let sends = match entry.action {
            Action::Connect => true,
            Action::Tool => is_sending(target),
            _ => false,
        };
        if sends && now.saturating_sub(*when) <= 60 * SECOND {
            tell("secret-then-send", format!("{target}, {} s after {what}", (now - when) / SECOND));
        }
    }
}

/// Parts of the names of tools that send something somewhere.
const SENDING: &[&str] = &[
    "fetch", "http", "send", "post", "upload", "mail", "message", "request", "web", "curl", "wget", "publish",
];

fn is_sending(target: &str) -> bool {
    let target = target.to_ascii_lowercase();
    SENDING.iter().any(|word| target.contains(word))
}

/// The bytes that an account of a connection tells.
fn sent(reason: &str) -> u64 {
    let Some((before, _)) = reason.split_once(" bytes out") else { return 0 };
    before.rsplit([' ', ',']).next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(second: u64, action: Action, target: &str, allowed: bool, reason: &str) -> SandboxAuditEntry {
        let mut entry = SandboxAuditEntry::now("r", "a", "ff", action, target, allowed, reason, None);
        entry.timestamp = (1_000_000 + second) * SECOND;
        entry
    }

    /// The kinds that are told of, in order.
    fn kinds(entries: &[SandboxAuditEntry]) -> Vec<&'static str> {
        let mut monitor = Monitor::new(Thresholds::default());
        entries.iter().flat_map(|entry| monitor.see(entry)).map(|alert| alert.kind).collect()
    }

    fn many(count: u64, each: impl Fn(u64) -> SandboxAuditEntry) -> Vec<SandboxAuditEntry> {
        (0..count).map(each).collect()
    }

    #[test]
    fn each_pattern_is_found_and_its_like_is_not() {
        let call = |second| entry(second, Action::Tool, "read_file", true, "");
        for (found, entries) in [
            (&[][..], many(10, |_| call(0))),
            (&["burst"], many(30, |_| call(0))),
            (&[], many(600, call)),
            // A slow agent that becomes a fast one: one call in 20 seconds for ten minutes, then one a second.
            (&["rate"], many(30, |n| call(n * 20)).into_iter().chain(many(30, |n| call(600 + n))).collect()),
            (&[], many(60, |n| call(n * 20))),
            (&["denials"], many(25, |n| entry(n, Action::Exec, "x", false, ""))),
            (&[], many(25, |n| entry(n * 10, Action::Exec, "x", false, ""))),
            (&["credentials"], vec![entry(0, Action::Read, "/home/u/.ssh/id_rsa", false, "")]),
            (&[], vec![entry(0, Action::Read, "/home/u/ssh.md", true, "")]),
            (
                &["credentials", "secret-then-send"],
                vec![
                    entry(0, Action::Tool, "Read: /home/u/p/.env", true, ""),
                    entry(9, Action::Connect, "x.com:443", true, ""),
                ],
            ),
            (
                &["credentials", "secret-then-send"],
                vec![
                    entry(0, Action::Read, "/home/u/.aws/credentials", true, ""),
                    entry(9, Action::Tool, "http_post", true, ""),
                ],
            ),
            // Denied, or long ago.
            (
                &["credentials"],
                vec![
                    entry(0, Action::Read, "/home/u/.env", false, ""),
                    entry(9, Action::Connect, "x.com:443", true, ""),
                ],
            ),
            (
                &["credentials"],
                vec![
                    entry(0, Action::Read, "/home/u/.env", true, ""),
                    entry(99, Action::Connect, "x.com:443", true, ""),
                ],
            ),
            (&["enumeration"], many(60, |n| entry(n / 10, Action::Read, &format!("/x/{n}"), true, ""))),
            (&[], many(60, |n| entry(n / 10, Action::Read, "/x/1", true, ""))),
            (&["endpoints"], many(6, |n| entry(n, Action::Resolve, &format!("h{n}.com"), false, ""))),
            (&[], many(6, |n| entry(n, Action::Resolve, "h.com", false, ""))),
            (
                &["volume"],
                many(3, |n| {
                    entry(
                        n,
                        Action::Connect,
                        "h.com:443",
                        true,
                        "`h.com` is allowed, at 1.2.3.4:443, 40000000 bytes out, 7 bytes in, 1.000 s",
                    )
                }),
            ),
        ] {
            assert_eq!(kinds(&entries), found, "{:?}", entries.first());
        }
    }

    #[test]
    fn one_agent_says_nothing_about_another_and_memory_is_bounded() {
        let mut monitor = Monitor::new(Thresholds::default());
        for n in 0..10_000_u64 {
            let mut entry = entry(n / 1000, Action::Tool, "x", true, "");
            entry.run = format!("r{n}");
            assert!(monitor.see(&entry).is_empty());
        }
        assert!(monitor.runs.len() <= WATCHED);
        let entries = many(20_000, |n| entry(0, Action::Read, &format!("/{n}"), false, ""));
        entries.iter().for_each(|entry| drop(monitor.see(entry)));
        let run = monitor.runs.values().max_by_key(|run| run.paths.len()).unwrap();
        assert!(run.paths.len() <= REMEMBERED && run.denied.len() <= REMEMBERED + 1);
    }
}
