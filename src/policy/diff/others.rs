//! `[sandbox]`, `[process]`, `[audit]`, `[monitor]`, `[[test]]` and the name.

use super::{Direction, Found, Risk, subsumes};
use crate::policy::commands::SHELLS;
use crate::policy::effective::{Platform, sandbox_type};
use crate::policy::{AuditLevel, CommandRule, MonitorAction, Origin, Policy, SandboxType, Set, Syscalls};
use crate::scan::names::escape;

fn at<T>(set: &Option<Set<T>>) -> Option<&Origin> {
    set.as_ref().map(|set| &set.origin)
}

pub fn sandbox(old: &Policy, new: &Policy, found: &mut Found) {
    // As it is on Linux, whatever machine compares. A policy that was refused let nothing run.
    let kind = |policy: &Policy| sandbox_type(&policy.sandbox, Platform::Linux).map(|done| done.kind);
    let rank = |kind: &Result<SandboxType, String>| match kind {
        Ok(SandboxType::None) => 4,
        Ok(SandboxType::Os) => 3,
        // Runs no native program at all.
        Ok(SandboxType::Wasm) => 2,
        Ok(SandboxType::Combined) => 1,
        Err(_) => 0,
    };
    let word = |kind: &Result<SandboxType, String>| kind.as_ref().map_or("refused", |kind| kind.as_str());
    let (was, is) = (kind(old), kind(new));
    let (a, b) = (rank(&was), rank(&is));
    let (from, to) = (at(&old.sandbox.kind), at(&new.sandbox.kind));
    let what = format!("the sandbox is {}, was {}", word(&is), word(&was));
    if b > a {
        let risk = if is == Ok(SandboxType::None) { Risk::High } else { Risk::Medium };
        found.add(Direction::Wider, risk, "sandbox.type", what, from, to);
    } else if b < a {
        found.add(Direction::Narrower, Risk::Low, "sandbox.type", what, from, to);
    }
    let free = |policy: &Policy| policy.sandbox.privileged.as_ref().is_some_and(|set| set.value);
    let (from, to) = (at(&old.sandbox.privileged), at(&new.sandbox.privileged));
    match (free(old), free(new)) {
        (false, true) => {
            let what = "the policy is privileged: it may do without a sandbox".to_owned();
            found.add(Direction::Wider, Risk::High, "sandbox.privileged", what, from, to);
        }
        (true, false) => {
            let what = "the policy is no longer privileged".to_owned();
            found.add(Direction::Narrower, Risk::Low, "sandbox.privileged", what, from, to);
        }
        _ => {}
    }
    let (from, to) = (&old.sandbox, &new.sandbox);
    for set in to.best_effort.iter().filter(|set| !from.tolerates(set.value)) {
        let what = format!("{} may go unenforced", set.value);
        found.wider(Risk::Medium, "sandbox.best_effort", what, Some(&set.origin));
    }
    for set in from.best_effort.iter().filter(|set| !to.tolerates(set.value)) {
        found.narrower("sandbox.best_effort", format!("{} must be enforced", set.value), Some(&set.origin));
    }
}

/// A limit of which more is wider; none at all is the widest. Each is its value and how it is said.
pub fn limit<T: PartialOrd>(
    key: &'static str,
    old: Option<(T, String)>,
    new: Option<(T, String)>,
    from: Option<&Origin>,
    to: Option<&Origin>,
    found: &mut Found,
) {
    let name = key.split_once('.').map_or(key, |(_, name)| name);
    match (old, new) {
        (None, None) => {}
        (None, Some((_, is))) => {
            found.add(
                Direction::Narrower,
                Risk::Low,
                key,
                format!("{name} is {is}, was not limited"),
                from,
                to,
            );
        }
        (Some((_, was)), None) => {
            let what = format!("{name} is not limited, was {was}");
            found.add(Direction::Wider, Risk::Medium, key, what, from, to);
        }
        (Some((a, was)), Some((b, is))) if a != b => {
            let direction = if b > a { Direction::Wider } else { Direction::Narrower };
            found.add(direction, Risk::Low, key, format!("{name} is {is}, was {was}"), from, to);
        }
        _ => {}
    }
}

pub fn process(old: &Policy, new: &Policy, found: &mut Found) {
    let (before, after) = (&old.process, &new.process);
    match (&before.allow, &after.allow) {
        (None, None) => {}
        (None, Some(list)) => {
            let what = "only the commands that are named can be executed".to_owned();
            let origin = list.first().map(|rule| &rule.origin);
            found.add(Direction::Narrower, Risk::Low, "process.allow", what, None, origin);
        }
        (Some(list), None) => {
            let what = "every command in an executable place can be executed".to_owned();
            let origin = list.first().map(|rule| &rule.origin);
            found.add(Direction::Wider, Risk::High, "process.allow", what, origin, None);
        }
        (Some(old), Some(new)) => {
            for rule in new.iter().filter(|rule| !covered(old, rule) && !covered(&after.deny, rule)) {
                let what = format!("the command {} can be executed", escape(rule.name.as_bytes()));
                found.wider(of_command(rule), "process.allow", what, Some(&rule.origin));
            }
            for rule in old.iter().filter(|rule| !covered(new, rule) && !covered(&before.deny, rule)) {
                let what = format!("the command {} can no longer be executed", escape(rule.name.as_bytes()));
                found.narrower("process.allow", what, Some(&rule.origin));
            }
        }
    }
    for rule in before.deny.iter().filter(|rule| !covered(&after.deny, rule)) {
        let named = after.allow.as_ref().is_none_or(|list| covered(list, rule));
        let (risk, more) = match named {
            true => (of_command(rule), ""),
            false => (Risk::Low, ", though nothing allows it"),
        };
        let what = format!("the command {} is no longer denied{more}", escape(rule.name.as_bytes()));
        found.add(Direction::Wider, risk, "process.deny", what, Some(&rule.origin), None);
    }
    for rule in after.deny.iter().filter(|rule| !covered(&before.deny, rule)) {
        let what = format!("the command {} is denied", escape(rule.name.as_bytes()));
        found.add(Direction::Narrower, Risk::Low, "process.deny", what, None, Some(&rule.origin));
    }
    let (from, to) = (before.shell_origin.as_ref(), after.shell_origin.as_ref());
    match (before.shell, after.shell) {
        (false, true) => {
            found.add(
                Direction::Wider,
                Risk::High,
                "process.shell",
                "a shell can be executed".to_owned(),
                from,
                to,
            );
        }
        (true, false) => {
            let what = "no shell can be executed".to_owned();
            found.add(Direction::Narrower, Risk::Low, "process.shell", what, from, to);
        }
        _ => {}
    }
    for (key, old, new) in [
        ("process.max_processes", &before.max_processes, &after.max_processes),
        ("process.max_memory", &before.max_memory, &after.max_memory),
        ("process.max_file_size", &before.max_file_size, &after.max_file_size),
        ("process.max_open_files", &before.max_open_files, &after.max_open_files),
    ] {
        let number = |set: &Set<u64>| (set.value, set.value.to_string());
        limit(key, old.as_ref().map(number), new.as_ref().map(number), at(old), at(new), found);
    }
    for (key, old, new) in [
        ("process.max_cpu_time", &before.max_cpu_time, &after.max_cpu_time),
        ("process.max_wall_time", &before.max_wall_time, &after.max_wall_time),
    ] {
        let time = |set: &Set<std::time::Duration>| {
            let millis = u64::try_from(set.value.as_millis()).unwrap_or(u64::MAX);
            (millis, format!("{:?}", set.value))
        };
        limit(key, old.as_ref().map(time), new.as_ref().map(time), at(old), at(new), found);
    }
    calls(old, new, found);
}

fn calls(old: &Policy, new: &Policy, found: &mut Found) {
    let (before, after) = (old.process.syscalls, new.process.syscalls);
    let (from, to) = (old.process.syscalls_origin.as_ref(), new.process.syscalls_origin.as_ref());
    let what = format!("system calls of the profile {}, was {}", after.as_str(), before.as_str());
    if after > before {
        let risk = if after == Syscalls::Agent { Risk::High } else { Risk::Medium };
        found.add(Direction::Wider, risk, "process.syscalls", what, from, to);
    } else if after < before {
        found.add(Direction::Narrower, Risk::Low, "process.syscalls", what, from, to);
    }
}

/// Whether the list names the command: by its name, a pattern, or the places where it is.
fn covered(list: &[CommandRule], rule: &CommandRule) -> bool {
    list.iter().any(|other| {
        let within = |path: &std::path::PathBuf| other.paths.iter().any(|place| path.starts_with(place));
        other.name == rule.name
            || (other.name.contains('/') && subsumes(&other.name, &rule.name))
            || (!rule.paths.is_empty() && rule.paths.iter().all(within))
    })
}

/// Programs that do what they are told, or give more rights.
const STRONG: &[&str] = &[
    "sudo", "su", "doas", "pkexec", "env", "xargs", "ssh", "docker", "podman", "kubectl", "curl", "wget",
    "nc",
];

fn of_command(rule: &CommandRule) -> Risk {
    let name = rule.name.rsplit('/').next().unwrap_or(&rule.name);
    if SHELLS.contains(&name) || STRONG.contains(&name) || rule.name.contains('*') {
        Risk::High
    } else {
        Risk::Medium
    }
}

pub fn rest(old: &Policy, new: &Policy, found: &mut Found) {
    let (before, after) = (&old.audit, &new.audit);
    match (&before.file, &after.file) {
        (Some(was), None) => {
            let what = "no log is kept on disk".to_owned();
            found.add(Direction::Wider, Risk::Medium, "audit.file", what, Some(&was.origin), None);
        }
        (None, Some(is)) => {
            let what = "a log is kept on disk".to_owned();
            found.add(Direction::Narrower, Risk::Low, "audit.file", what, None, Some(&is.origin));
        }
        (Some(was), Some(is)) if was.value != is.value => {
            let what = format!("the log goes to {}", super::shown(&is.value, &new.places));
            found.add(Direction::Changed, Risk::Low, "audit.file", what, Some(&was.origin), Some(&is.origin));
        }
        _ => {}
    }
    match (before.level, after.level) {
        (AuditLevel::All, AuditLevel::Denied) => {
            found.wider(Risk::Low, "audit.level", "the log keeps what is denied only".to_owned(), None);
        }
        (AuditLevel::Denied, AuditLevel::All) => {
            found.narrower("audit.level", "the log keeps what is allowed too".to_owned(), None);
        }
        _ => {}
    }
    let calls = |set: &Set<u32>| (set.value, set.value.to_string());
    let (before, after) = (&old.monitor, &new.monitor);
    let (was, is) = (&before.calls_per_5s, &after.calls_per_5s);
    limit("monitor.calls_per_5s", was.as_ref().map(calls), is.as_ref().map(calls), at(was), at(is), found);
    let (was, is) = (&before.denied_per_minute, &after.denied_per_minute);
    limit(
        "monitor.denied_per_minute",
        was.as_ref().map(calls),
        is.as_ref().map(calls),
        at(was),
        at(is),
        found,
    );
    let bytes = |set: &Set<u64>| (set.value, set.value.to_string());
    let (was, is) = (&before.bytes_out, &after.bytes_out);
    limit("monitor.bytes_out", was.as_ref().map(bytes), is.as_ref().map(bytes), at(was), at(is), found);
    match (&before.webhook, &after.webhook) {
        (Some(was), None) => {
            let what = "alerts are no longer sent to a webhook".to_owned();
            found.add(Direction::Wider, Risk::Low, "monitor.webhook", what, Some(&was.origin), None);
        }
        (None, Some(is)) => {
            let what = "alerts are sent to a webhook".to_owned();
            found.add(Direction::Narrower, Risk::Low, "monitor.webhook", what, None, Some(&is.origin));
        }
        (Some(was), Some(is)) if was.value != is.value => {
            let what = format!("alerts are sent to {}", is.value);
            let origins = (Some(&was.origin), Some(&is.origin));
            found.add(Direction::Changed, Risk::Low, "monitor.webhook", what, origins.0, origins.1);
        }
        _ => {}
    }
    let (was, is) = (&before.calls_per_5s, &after.calls_per_5s);
    let rank = |action| match action {
        MonitorAction::Alert => 2,
        MonitorAction::Pause => 1,
        MonitorAction::Stop => 0,
    };
    if rank(after.action) > rank(before.action) {
        let what = "the monitor interferes less".to_owned();
        found.add(Direction::Wider, Risk::Low, "monitor.action", what, at(was), at(is));
    } else if rank(after.action) < rank(before.action) {
        let what = "the monitor interferes more".to_owned();
        found.add(Direction::Narrower, Risk::Low, "monitor.action", what, at(was), at(is));
    }
    // What must stay denied is said by the tests; one that is gone fails nothing any more.
    let gone = old.tests.iter().filter(|test| !test.allow);
    for test in
        gone.filter(|test| !new.tests.iter().any(|other| !other.allow && other.question == test.question))
    {
        let what = format!("no test asserts any more: {}", escape(test.name.as_bytes()));
        found.add(Direction::Wider, Risk::Low, "test", what, Some(&test.origin), None);
    }
    if old.agent != new.agent {
        let what = format!("the agent is {}, was {}", new.agent, old.agent);
        found.add(Direction::Changed, Risk::Low, "agent", what, None, None);
    }
}
