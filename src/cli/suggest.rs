//! What in a policy would allow what was denied. Only ever shown: whether an agent should be allowed more is a person's to say.

use crate::audit::{Action, SandboxAuditEntry};
use crate::policy::Syscalls;
use crate::sandbox::seccomp::{Options, Verdict, number, verdict};

/// What would allow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suggestion {
    /// Lines of TOML.
    Add(String),
    /// A sentence: adding something does not help.
    Say(String),
}

/// None for what is no denial.
pub fn would_allow(entry: &SandboxAuditEntry) -> Option<Suggestion> {
    if entry.allowed {
        return None;
    }
    let target = entry.target.as_str();
    let rule = entry.rule.as_deref();
    if let Some(rule) = rule.filter(|rule| rule.ends_with(".deny") || rule.ends_with("process.shell")) {
        return Some(Suggestion::Say(format!("denied by name in {rule}; nothing that is added beats it")));
    }
    if let Some(rule) = rule.filter(|rule| rule.ends_with("filesystem.protect") || rule.ends_with("itself")) {
        return Some(Suggestion::Say(format!("protected by {rule}; nothing that is added beats it")));
    }
    Some(match entry.action {
        Action::Read => list("filesystem", "read", target),
        Action::Write => list("filesystem", "write", target),
        Action::Exec if entry.reason.contains("process.allow") => list("process", "allow", target),
        Action::Exec => list("filesystem", "exec", target),
        Action::Tool => tool(target, &entry.reason),
        Action::Env if rule.is_none() && entry.reason.contains("no policy") => never(),
        Action::Env => list("env", "allow", target),
        Action::Connect => connect(target),
        Action::Listen => match target.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()) {
            Some(port) => Suggestion::Add(format!("[network]\nlisten = [{port}]")),
            None => never(),
        },
        Action::Syscall => syscall(target),
        Action::Limit => match target.strip_prefix("process.") {
            Some(key) => Suggestion::Say(format!("a larger {key} in [process]")),
            None if target.starts_with("monitor.") => {
                Suggestion::Say("larger thresholds in [monitor], if this is as it should be".to_owned())
            }
            None => never(),
        },
        Action::Start | Action::Policy | Action::Enforcement | Action::Resolve | Action::Exit => return None,
    })
}

/// A tool is denied for its name, for an argument, for what it does, or because its server says something else of it now.
fn tool(target: &str, reason: &str) -> Suggestion {
    if reason.contains("tools.allow does not name it") {
        return list("tools", "allow", target.strip_suffix(" (listed)").unwrap_or(target));
    }
    let server = ["has changed since", "did not have the tool", "carries instructions"];
    Suggestion::Say(match server.iter().any(|part| reason.contains(part)) {
        true => "`weft mcp --accept` shows what the server says of its tools now".to_owned(),
        false => "the reason says what it would do; that is what has to be allowed".to_owned(),
    })
}

fn never() -> Suggestion {
    Suggestion::Say("no policy can allow it".to_owned())
}

/// One more entry of a list.
fn list(table: &str, key: &str, value: &str) -> Suggestion {
    // The log shows odd characters escaped, and a policy reads some as patterns or variables.
    if value.contains(['\\', '*', '$', '…']) || value.starts_with('~') {
        return Suggestion::Say(format!(
            "an entry in [{table}] {key}; the name has characters to write by hand"
        ));
    }
    Suggestion::Add(format!("[{table}]\n{key} = [{}]", quoted(value)))
}

fn quoted(value: &str) -> String {
    // Without backslashes, a quote is all that ends a string early.
    format!("\"{}\"", value.replace('"', "\\\""))
}

fn connect(target: &str) -> Suggestion {
    let Ok((host, port)) = crate::policy::endpoint(target) else {
        return Suggestion::Say("an entry in [network] allow".to_owned());
    };
    let port = match port {
        443 => String::new(),
        80 => ", ports = [80], tls = false".to_owned(),
        port => format!(", ports = [{port}]"),
    };
    Suggestion::Add(format!("[network]\nallow = [{{ host = {}{port} }}]", quoted(&host)))
}

/// The narrowest profile that lets the call through, from `name(0x1, 0x2)` as the log has it.
fn syscall(target: &str) -> Suggestion {
    let (name, args) = target.trim_end_matches(')').split_once('(').unwrap_or((target, ""));
    let mut values = [0; 6];
    for (value, text) in values.iter_mut().zip(args.split(", ")) {
        *value = u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or(0);
    }
    let Some(number) = number(name) else { return never() };
    let lets = |profile: &Syscalls| {
        let options = Options { profile: *profile, report: false, execs: false, observe: false, alone: None };
        verdict(number, &values, options) == Verdict::Allow
    };
    let all = [Syscalls::ReadOnly, Syscalls::FileWorker, Syscalls::Network, Syscalls::Agent];
    match all.iter().find(|profile| lets(profile)) {
        Some(profile) => Suggestion::Add(format!("[process]\nsyscalls = \"{}\"", profile.as_str())),
        None => never(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(action: Action, target: &str, reason: &str, rule: Option<&str>) -> Option<Suggestion> {
        let rule = rule.map(str::to_owned);
        would_allow(&SandboxAuditEntry::now("r", "a", "ff", action, target, false, reason, rule))
    }

    fn add(text: &str) -> Option<Suggestion> {
        Some(Suggestion::Add(text.to_owned()))
    }

    #[test]
    fn what_would_allow_it_is_toml() {
        let cases = [
            (Action::Read, "/a b", "", "[filesystem]\nread = [\"/a b\"]"),
            (Action::Exec, "/usr/bin/nl", "process.allow does not", "[process]\nallow = [\"/usr/bin/nl\"]"),
            (Action::Exec, "/opt/x", "filesystem.exec does not", "[filesystem]\nexec = [\"/opt/x\"]"),
            (Action::Connect, "example.com:443", "", "[network]\nallow = [{ host = \"example.com\" }]"),
            (Action::Syscall, "socket(0x2, 0x1, 0x0, 0x0)", "", "[process]\nsyscalls = \"network\""),
            (Action::Syscall, "mkdirat(0x2)", "", "[process]\nsyscalls = \"file-worker\""),
        ];
        for (action, target, reason, expected) in cases {
            let found = of(action, target, reason, None);
            assert_eq!(found, add(expected), "{target}");
            let Some(Suggestion::Add(text)) = found else { continue };
            assert!(toml::de::DeTable::parse(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_nothing_allows_is_said() {
        for (action, target, rule) in [
            (Action::Syscall, "ptrace(0x10, 0x1, 0x0, 0x0)", None),
            (Action::Syscall, "socket(0x11, 0x3, 0x0, 0x0)", None),
            (Action::Syscall, "nonsense", None),
            (Action::Exec, "/usr/bin/sudo", Some("builtin:base:109: process.deny")),
            (Action::Read, "/x\\u{a}[tools]", None),
        ] {
            assert!(matches!(of(action, target, "", rule), Some(Suggestion::Say(_))), "{target}");
        }
        assert_eq!(of(Action::Start, "x", "", None), None);
    }
}
