//! Watches entries of the audit log go by and says what is out of the ordinary: too many calls, secrets that are read and then
//! something that is sent, folders that are gone through. Pure: it goes by the times in the entries. It decides nothing; whoever
//! feeds it may pause or stop by what it says. What it remembers has a fixed size, whatever the log holds: names are kept as hashes, and
//! where there is more than is remembered, that is an alert itself or counts as one threshold passed, never as nothing.

pub mod webhook;

use crate::audit::{Action, SandboxAuditEntry};
use crate::policy::secrets::is_secret;
use crate::policy::{Monitor as Settings, MonitorAction};
use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::time::Duration;

/// How long nothing goes on after an alert whose action is `pause`.
pub const PAUSE: Duration = Duration::from_secs(60);

const SECOND: u64 = 1_000_000;
/// An alert of one kind about one agent is told again after this time.
const AGAIN: u64 = 60 * SECOND;
/// Entries of one kind that are remembered of a run. More within the time that is looked at is told whatever the threshold is.
const REMEMBERED: usize = 4095;
/// Different paths, or hosts, of a run that are told apart; likewise.
const APART: usize = 1024;
/// Runs that are watched at one time; beyond, the one that was quiet longest is forgotten.
const WATCHED: usize = 256;
/// So long nothing that a run did counts any more: it can be forgotten without anything being missed.
const COUNTS: u64 = 660 * SECOND;
/// Bytes of a name that are repeated in an alert.
const SHOWN: usize = 512;

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
    /// `burst`, `rate`, `denials`, `credentials`, `secret-then-send`, `enumeration`, `endpoints`, `volume`, `unwatched`.
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
    paths: VecDeque<(u64, u64)>,
    hosts: VecDeque<(u64, u64)>,
    /// The last secret that was read: when, and what.
    secret: Option<(u64, String)>,
    bytes: u64,
    told: HashMap<&'static str, u64>,
    last: u64,
}

#[derive(Debug)]
pub struct Monitor {
    thresholds: Thresholds,
    /// By the hash of agent and run, whose key nobody outside knows.
    runs: HashMap<u64, Run>,
    hashes: RandomState,
    /// Runs that were forgotten too early since that was told.
    unwatched: u64,
    unwatched_told: Option<u64>,
}

impl Monitor {
    pub fn new(thresholds: Thresholds) -> Monitor {
        let hashes = RandomState::new();
        Monitor { thresholds, runs: HashMap::new(), hashes, unwatched: 0, unwatched_told: None }
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
        let now = entry.timestamp;
        let mut alerts = Vec::new();
        let mut alert = |kind, text: String| {
            let (run, agent) = (shown(&entry.run), shown(&entry.agent_id));
            alerts.push(Alert { kind, timestamp: now, run, agent, text });
        };
        let key = self.hashes.hash_one((&entry.agent_id, &entry.run));
        if self.runs.len() >= WATCHED && !self.runs.contains_key(&key) {
            let quiet = self.runs.iter().min_by_key(|(_, run)| run.last).map(|(key, _)| *key);
            let gone = quiet.and_then(|key| self.runs.remove(&key));
            self.unwatched += u64::from(gone.is_some_and(|run| now.saturating_sub(run.last) < COUNTS));
            if self.unwatched > 0 && self.unwatched_told.is_none_or(|told| now.saturating_sub(told) >= AGAIN)
            {
                let forgotten = std::mem::take(&mut self.unwatched);
                self.unwatched_told = Some(now);
                alert(
                    "unwatched",
                    format!(
                        "more than {WATCHED} runs at one time: what {forgotten} of them did before is forgotten"
                    ),
                );
            }
        }
        let run = self.runs.entry(key).or_default();
        let mut found = Vec::new();
        run.see(entry, &self.thresholds, &self.hashes, &mut |kind, text| found.push((kind, text)));
        for (kind, text) in found {
            if run.told.get(kind).is_some_and(|told| now.saturating_sub(*told) < AGAIN) {
                continue;
            }
            run.told.insert(kind, now);
            alert(kind, text);
        }
        alerts
    }
}

/// The first part of a name that somebody else chose.
fn shown(name: &str) -> String {
    match name.len() > SHOWN {
        true => format!("{}…", &name[..name.floor_char_boundary(SHOWN)]),
        false => name.to_owned(),
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
fn different(list: &mut VecDeque<(u64, u64)>, now: u64, within: u64, new: u64) -> usize {
    while list.front().is_some_and(|(at, _)| *at < now.saturating_sub(within)) {
        list.pop_front();
    }
    if !list.iter().any(|(_, known)| *known == new) {
        if list.len() >= APART {
            list.pop_front();
        }
        list.push_back((now, new));
    }
    list.len()
}

impl Run {
    fn see(
        &mut self,
        entry: &SandboxAuditEntry,
        limits: &Thresholds,
        hashes: &RandomState,
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
            let within = |seconds: u64| {
                self.calls.iter().rev().take_while(|at| at.saturating_add(seconds * SECOND) > now).count()
            };
            let burst = within(5);
            if burst > limits.calls_per_5s as usize || burst >= REMEMBERED {
                tell("burst", format!("{burst} calls of tools in 5 seconds"));
            }
            let minute = within(60);
            // Of the whole minutes before, as far as there are any.
            let minutes = self
                .calls
                .front()
                .map_or(0, |first| now.saturating_sub(*first) / (60 * SECOND))
                .saturating_sub(1)
                .min(10);
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
            if count > limits.denied_per_minute as usize || count >= REMEMBERED {
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
            let count = different(&mut self.paths, now, 10 * SECOND, hashes.hash_one(path));
            if count > limits.paths || count >= APART {
                tell("enumeration", format!("{count} different paths in 10 seconds"));
            }
        }
        if matches!(entry.action, Action::Connect | Action::Resolve) {
            if !entry.allowed {
                let count = different(&mut self.hosts, now, 60 * SECOND, hashes.hash_one(target));
                if count >= limits.hosts || count >= APART {
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
            tell("credentials", format!("credentials {how}: {}", shown(target)));
            if entry.allowed {
                self.secret = Some((now, shown(target)));
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
            tell(
                "secret-then-send",
                format!("{}, {} s after {what}", shown(target), now.saturating_sub(*when) / SECOND),
            );
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

    /// How much a monitor keeps, in bytes, beside what its maps and lists cost themselves.
    fn kept(monitor: &Monitor) -> usize {
        let of = |run: &Run| {
            (run.calls.capacity() + run.denied.capacity()) * 8
                + (run.paths.capacity() + run.hosts.capacity()) * 16
                + run.secret.as_ref().map_or(0, |(_, what)| what.capacity())
                + run.told.capacity() * 32
        };
        monitor.runs.values().map(of).sum::<usize>() + monitor.runs.capacity() * size_of::<(u64, Run)>()
    }

    #[test]
    fn one_agent_says_nothing_about_another_and_memory_is_bounded() {
        let mut monitor = Monitor::new(Thresholds::default());
        let mut told = Vec::new();
        for n in 0..10_000_u64 {
            let mut entry = entry(n / 1000, Action::Tool, "x", true, "");
            entry.run = format!("r{n}");
            told.extend(monitor.see(&entry));
        }
        assert!(monitor.runs.len() <= WATCHED);
        // That more is going on than is watched is said, once a minute.
        assert_eq!(told.iter().map(|alert| alert.kind).collect::<Vec<_>>(), ["unwatched"]);
        let entries = many(20_000, |n| entry(0, Action::Read, &format!("/{n}"), false, ""));
        entries.iter().for_each(|entry| drop(monitor.see(entry)));
        let run = monitor.runs.values().max_by_key(|run| run.paths.len()).unwrap();
        assert!(run.paths.len() <= APART && run.denied.len() <= REMEMBERED + 1);
    }

    #[test]
    fn runs_that_are_over_make_room_without_a_word() {
        let mut monitor = Monitor::new(Thresholds::default());
        for n in 0..2000_u64 {
            let mut entry = entry(n * 10, Action::Tool, "x", true, "");
            entry.run = format!("r{n}");
            assert_eq!(monitor.see(&entry), []);
        }
    }

    /// Names of thousands of bytes, in as many runs as are watched, filling every list.
    #[test]
    fn a_hostile_log_costs_a_fixed_amount() {
        let mut monitor = Monitor::new(Thresholds::default());
        let long = "/home/u/.ssh/".to_owned() + &"x".repeat(4000);
        for n in 0..(WATCHED as u64 + 44) * 50 {
            let mut entry = entry(n / 100_000, Action::Read, &format!("{long}{n}"), n % 2 == 0, &long);
            entry.run = format!("{long}{}", n % (WATCHED as u64 + 44));
            entry.agent_id = long.clone();
            let small =
                |alert: &Alert| alert.text.len() + alert.run.len() + alert.agent.len() < 4 * (SHOWN + 50);
            assert!(monitor.see(&entry).iter().all(small));
        }
        let mut entry = entry(0, Action::Connect, "", false, "");
        for n in 0..5 * REMEMBERED {
            entry.target = format!("{long}{n}:443");
            monitor.see(&entry);
        }
        assert!(monitor.runs.len() <= WATCHED);
        let most = WATCHED * (2 * 2 * REMEMBERED * 8 + 2 * 2 * APART * 16 + 2 * SHOWN + 4096);
        assert!(kept(&monitor) < most && most < 64 << 20, "{} of {most}", kept(&monitor));
    }

    /// A threshold above what is remembered is not a way to do anything without an alert.
    #[test]
    fn more_than_is_remembered_is_told() {
        let settings = Thresholds {
            calls_per_5s: u32::MAX,
            denied_per_minute: u32::MAX,
            bytes_out: u64::MAX,
            paths: usize::MAX,
            hosts: usize::MAX,
        };
        let told = |entries: Vec<SandboxAuditEntry>| {
            let mut monitor = Monitor::new(settings);
            let alerts = entries.iter().flat_map(|entry| monitor.see(entry));
            alerts.map(|alert| alert.kind).collect::<Vec<_>>()
        };
        let most = REMEMBERED as u64 + 10;
        assert_eq!(told(many(most, |_| entry(0, Action::Tool, "x", true, ""))), ["burst"]);
        assert_eq!(told(many(most, |_| entry(0, Action::Exec, "x", false, ""))), ["denials"]);
        assert_eq!(told(many(most, |n| entry(0, Action::Read, &format!("/{n}"), true, ""))), ["enumeration"]);
        assert_eq!(
            told(many(most, |n| entry(0, Action::Resolve, &format!("{n}.com"), false, ""))),
            ["endpoints", "denials"]
        );
    }

    #[test]
    fn times_that_go_back_are_no_mistake_of_the_reader() {
        let mut monitor = Monitor::new(Thresholds::default());
        for n in [9, 3, u64::MAX / SECOND - 1_000_000, 0, 5] {
            monitor.see(&entry(n, Action::Read, "/home/u/.env", true, ""));
            monitor.see(&entry(n / 2, Action::Connect, "x.com:443", true, ""));
            for _ in 0..40 {
                monitor.see(&entry(n, Action::Tool, "x", true, ""));
            }
        }
    }
}
