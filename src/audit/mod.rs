//! Where decisions go: one entry each, kept in memory and in a file whose lines are chained by hash.
//! Not who decides, nor how entries are shown.

mod entry;
mod file;
mod follow;
mod ring;
pub mod usage;
mod verify;

pub use entry::{Action, LOOKED_AT, OBSERVED, SandboxAuditEntry, time};
pub use file::{AuditFile, EMPTY_CHAIN};
pub use follow::Follow;
pub use ring::Ring;
pub use verify::{Problem, Verdict, entries, read, verify};

use crate::monitor::webhook::{LAST, Webhook};
use crate::monitor::{Alert, Monitor};
use crate::policy::{AuditLevel, Decision, MonitorAction, Policy};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Instant;

/// An entry could not be kept. Whoever runs something must stop it: no audit, no run.
#[derive(Debug)]
pub struct AuditError {
    pub path: PathBuf,
    /// What was being done: "open", "write to".
    pub doing: &'static str,
    pub source: io::Error,
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} the audit log {}: {}", self.doing, self.path.display(), self.source)
    }
}

impl std::error::Error for AuditError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// An id that tells one run from others.
pub fn run_id() -> io::Result<String> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)))
}

/// The log of one run: what every entry has in common, the ring, and the file if the policy names one.
#[derive(Debug)]
pub struct Log {
    run: String,
    agent: String,
    policy: String,
    level: AuditLevel,
    ring: Ring,
    file: Option<AuditFile>,
    /// What `[monitor]` asks for.
    monitor: Option<Monitor>,
    action: MonitorAction,
    alerts: Vec<Alert>,
    webhook: Option<Webhook>,
}

impl Log {
    /// Opens the file that the policy names. `run` is any id that tells this run from others.
    pub fn open(policy: &Policy, run: &str) -> Result<Log, AuditError> {
        let file = match &policy.audit.file {
            Some(file) => Some(AuditFile::open(&file.value)?),
            None => None,
        };
        Ok(Log {
            run: run.to_owned(),
            agent: policy.agent.clone(),
            policy: policy.hash.clone(),
            level: policy.audit.level,
            ring: Ring::default(),
            file,
            monitor: Monitor::of(&policy.monitor),
            action: policy.monitor.action,
            alerts: Vec::new(),
            webhook: policy.monitor.webhook.as_ref().map(|set| Webhook::new(&set.value)),
        })
    }

    /// Keeps a decision about `target` (see `scan::names::escape` for names that need not be UTF-8).
    pub fn decided(&mut self, action: Action, target: &str, decision: &Decision) -> Result<(), AuditError> {
        let rule = decision.rule.as_ref().map(|rule| rule.to_string());
        self.record(action, target, decision.allowed, &decision.reason, rule)
    }

    /// Keeps an entry. With `level = "denied"` the file gets denials and the frame of the run (start, policy,
    /// enforcement, limit, exit) only.
    pub fn record(
        &mut self,
        action: Action,
        target: &str,
        allowed: bool,
        reason: &str,
        rule: Option<String>,
    ) -> Result<(), AuditError> {
        // At the end there is a moment for alerts that are on their way; before, nobody waits for them.
        let until = (action == Action::Exit).then(|| Instant::now() + LAST);
        let failures = self.webhook.as_mut().map_or(Vec::new(), |webhook| webhook.failures(until));
        for why in failures {
            self.note(Action::Limit, "monitor.webhook", false, &format!("not delivered: {why}"), None)?;
        }
        self.note(action, target, allowed, reason, rule)
    }

    fn note(
        &mut self,
        action: Action,
        target: &str,
        allowed: bool,
        reason: &str,
        rule: Option<String>,
    ) -> Result<(), AuditError> {
        let entry = SandboxAuditEntry::now(
            &self.run,
            &self.agent,
            &self.policy,
            action,
            target,
            allowed,
            reason,
            rule,
        );
        self.keep(entry)
    }

    /// Keeps what a program asked for, in a run that is observed.
    pub fn asked(
        &mut self,
        action: Action,
        target: &str,
        decision: &Decision,
        by: &str,
    ) -> Result<(), AuditError> {
        let rule = decision.rule.as_ref().map(|rule| rule.to_string());
        let (allowed, reason) = (decision.allowed, &decision.reason);
        let (run, agent, policy) = (&self.run, &self.agent, &self.policy);
        let entry = SandboxAuditEntry::now(run, agent, policy, action, target, allowed, reason, rule);
        self.keep(entry.asked_by(by))
    }

    /// From here on the file gets every entry, whatever the level.
    pub fn keep_all(&mut self) {
        self.level = AuditLevel::All;
    }

    fn keep(&mut self, entry: SandboxAuditEntry) -> Result<(), AuditError> {
        let (allowed, action) = (entry.allowed, entry.action);
        let kept = self.level == AuditLevel::All || !allowed || action.is_frame();
        if kept && let Some(file) = &mut self.file {
            file.append(&entry)?;
        }
        // Every library that a program opens is no pattern of anything.
        let opened = entry.by.is_some() && matches!(action, Action::Read | Action::Write);
        let monitor = self.monitor.as_mut().filter(|_| !opened);
        let alerts = monitor.map_or(Vec::new(), |monitor| monitor.see(&entry));
        self.ring.push(entry);
        // In the log they are limits of the run, which nobody was allowed to reach.
        for alert in alerts {
            let target = format!("monitor.{}", alert.kind);
            let text = alert.text.clone();
            self.alerts.push(alert);
            self.note(Action::Limit, &target, false, &text, None)?;
        }
        Ok(())
    }

    /// What the monitor has found since the last time, and what is to be done about it. It is on its way to the webhook then, if the
    /// policy names one.
    pub fn alerts(&mut self) -> (Vec<Alert>, MonitorAction) {
        let alerts = std::mem::take(&mut self.alerts);
        if let Some(webhook) = &mut self.webhook {
            webhook.send(&alerts, Some(&self.policy));
        }
        (alerts, self.action)
    }

    /// Waits until the file is on the disk; the end of a run calls it, for some file systems say "full" only here.
    pub fn sync(&self) -> Result<(), AuditError> {
        self.file.as_ref().map_or(Ok(()), AuditFile::sync)
    }

    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    pub fn file_path(&self) -> Option<&std::path::Path> {
        self.file.as_ref().map(AuditFile::path)
    }
}
