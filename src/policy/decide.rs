//! Yes or no, and why. Pure: what a policy says about a question, with no look at the machine.
//!
//! A deny beats an allow; what is not allowed is denied. Every enforcement and every explanation asks here. Paths have
//! their links followed already; [`super::ask`] does that for who has a path as typed.

use super::commands::{Command, SHELLS};
use super::host::Host;
use super::path::wildcard;
use super::{CommandRule, NetworkMode, Origin, Policy, Set};
use std::borrow::Cow;
use std::path::{Component, Path};

/// An answer that cannot be overlooked.
#[must_use = "a decision that nobody looks at protects nothing"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub allowed: bool,
    /// The line of the policy that decided; none where no line says anything, which denies.
    pub rule: Option<Origin>,
    pub reason: Cow<'static, str>,
}

impl Decision {
    fn allow(rule: &Origin, reason: impl Into<Cow<'static, str>>) -> Decision {
        Decision { allowed: true, rule: Some(rule.clone()), reason: reason.into() }
    }

    fn deny(rule: &Origin, reason: impl Into<Cow<'static, str>>) -> Decision {
        Decision { allowed: false, rule: Some(rule.clone()), reason: reason.into() }
    }

    /// Nothing allows it.
    fn default(reason: impl Into<Cow<'static, str>>) -> Decision {
        Decision { allowed: false, rule: None, reason: reason.into() }
    }
}

/// Read by the dynamic loader, libc, an interpreter or a shell before a program's first line. No policy can allow them.
const LOADER: &[&str] = &[
    "LD_*",
    "DYLD_*",
    "GCONV_PATH",
    "GETCONF_DIR",
    "GLIBC_TUNABLES",
    "HOSTALIASES",
    "LOCALDOMAIN",
    "LOCPATH",
    "MALLOC_*",
    "NIS_PATH",
    "NLSPATH",
    "RESOLV_HOST_CONF",
    "RES_OPTIONS",
    "BASH_ENV",
    "BASH_FUNC_*",
    "ENV",
    "SHELLOPTS",
    "BASHOPTS",
    "PS4",
    "PROMPT_COMMAND",
    "IFS",
];

/// Whether no policy can let this variable in.
pub fn is_loader_variable(name: &[u8]) -> bool {
    LOADER.iter().any(|pattern| wildcard(pattern.as_bytes(), name))
}

/// Whether the name is the pattern with each `*` replaced by something or nothing.
pub fn covers(pattern: &str, name: &str) -> bool {
    wildcard(pattern.as_bytes(), name.as_bytes())
}

fn first<'s>(list: &'s [Set<String>], name: &str) -> Option<&'s Set<String>> {
    list.iter().find(|set| covers(&set.value, name))
}

/// May the agent use this tool?
pub fn tool(policy: &Policy, name: &str) -> Decision {
    if let Some(deny) = first(&policy.tools.deny, name) {
        return Decision::deny(&deny.origin, format!("`{}` is denied", deny.value));
    }
    match first(&policy.tools.allow, name) {
        Some(allow) => Decision::allow(&allow.origin, format!("`{}` is allowed", allow.value)),
        None => Decision::default("tools.allow does not name it"),
    }
}

/// May it connect there? What address a name has is for who dials to check.
pub fn network(policy: &Policy, host: &Host, port: u16) -> Decision {
    let network = &policy.network;
    if let Some(deny) = network.deny.iter().find(|deny| deny.value.covers(host)) {
        return Decision::deny(&deny.origin, format!("`{}` is denied", deny.value));
    }
    match &network.mode {
        NetworkMode::None => Decision::default("the policy allows no network"),
        NetworkMode::Unrestricted(origin) => Decision::allow(origin, "the network is unrestricted"),
        NetworkMode::Hosts => {
            let mut named = network.allow.iter().filter(|rule| rule.host.allows(host)).peekable();
            let nearest = named.peek().copied();
            match (named.find(|rule| rule.ports.contains(port)), nearest) {
                (Some(rule), _) => Decision::allow(&rule.origin, format!("`{}` is allowed", rule.host)),
                (None, Some(rule)) => {
                    let ports: Vec<String> = rule.ports.iter().map(|port| port.to_string()).collect();
                    Decision::default(format!("{} allows port {} only", rule.origin, ports.join(", ")))
                }
                (None, None) => Decision::default("network.allow does not name the host"),
            }
        }
    }
}

/// May the host's loopback reach this port inside?
pub fn listen(policy: &Policy, port: u16) -> Decision {
    match policy.network.listen.iter().find(|set| set.value == port) {
        Some(set) => Decision::allow(&set.origin, "the port is named"),
        None => Decision::default("network.listen does not name the port"),
    }
}

/// The deny that holds for the path, whatever allows it.
pub fn denied(policy: &Policy, path: &Path) -> Option<Decision> {
    let files = &policy.filesystem;
    let rule = files.deny.iter().find(|rule| path.starts_with(&rule.path) || path.starts_with(&rule.written));
    if let Some(rule) = rule {
        return Some(Decision::deny(&rule.origin, format!("{} is denied", rule.written.display())));
    }
    let glob = files.deny_globs.iter().find(|rule| rule.glob.covers(path))?;
    Some(Decision::deny(&glob.origin, format!("{} is denied", glob.glob.as_str())))
}

/// A path that may mean another one than it seems is nothing to decide about.
fn refused(policy: &Policy, path: &Path) -> Option<Decision> {
    let plain = path.is_absolute()
        && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
        && !path.as_os_str().as_encoded_bytes().contains(&0);
    if !plain {
        return Some(Decision::default("only an absolute path without `..` can be decided about"));
    }
    denied(policy, path)
}

/// May the file be read, or the folder listed?
pub fn read(policy: &Policy, path: &Path) -> Decision {
    if let Some(denied) = refused(policy, path) {
        return denied;
    }
    match policy.filesystem.read_rule(path) {
        Some(rule) => Decision::allow(&rule.origin, format!("{} is named", rule.written.display())),
        None => Decision::default("no rule of [filesystem] covers the path"),
    }
}

/// May the file be made, changed or removed?
pub fn write(policy: &Policy, path: &Path) -> Decision {
    if let Some(denied) = refused(policy, path) {
        return denied;
    }
    let files = &policy.filesystem;
    if let Some(kept) = files.protected.iter().find(|kept| path.starts_with(&kept.path)) {
        return Decision::deny(&kept.origin, format!("{} is protected", kept.written.display()));
    }
    match files.write_rule(path) {
        Some(rule) => Decision::allow(&rule.origin, format!("{} is named", rule.written.display())),
        None => Decision::default("filesystem.write does not cover the path"),
    }
}

/// May the command be executed?
pub fn exec(policy: &Policy, command: &Command) -> Decision {
    let process = &policy.process;
    if let Some(rule) = process.deny.iter().find(|rule| is_command(rule, command)) {
        return Decision::deny(&rule.origin, format!("{} is denied", rule.name));
    }
    if !process.shell
        && let Some(origin) = &process.shell_origin
        && is_shell(&process.shells, command)
    {
        return Decision::deny(origin, "it is a shell");
    }
    let Some(real) = &command.real else {
        return Decision::default("there is no such command");
    };
    if let Some(denied) =
        [command.found.as_ref(), Some(real)].into_iter().flatten().find_map(|p| refused(policy, p))
    {
        return denied;
    }
    let Some(rule) = policy.filesystem.exec_rule(real) else {
        return Decision::default(match policy.filesystem.exec.covering(real) {
            Some(_) => "the path is writable, and filesystem.exec does not name it",
            None => "filesystem.exec does not cover the path",
        });
    };
    let Some(allow) = &process.allow else {
        return Decision::allow(&rule.origin, format!("{} is named", rule.written.display()));
    };
    match allow.iter().find(|rule| rule.paths.iter().any(|path| real.starts_with(path))) {
        Some(rule) => Decision::allow(&rule.origin, format!("{} is named", rule.name)),
        None => Decision::default("process.allow does not name the command"),
    }
}

fn is_command(rule: &CommandRule, command: &Command) -> bool {
    let files = [command.found.as_ref(), command.real.as_ref()];
    let placed = |path: &Path| files.into_iter().flatten().any(|file| file.starts_with(path));
    rule.paths.iter().any(|path| placed(path)) || rule.name == command.asked
}

fn is_shell(shells: &[std::path::PathBuf], command: &Command) -> bool {
    let files = [command.found.as_ref(), command.real.as_ref()];
    SHELLS.contains(&command.asked.as_str()) || files.into_iter().flatten().any(|file| shells.contains(file))
}

/// May the variable be seen inside?
pub fn env(policy: &Policy, name: &str) -> Decision {
    if is_loader_variable(name.as_bytes()) {
        return Decision::default("it steers the loader or the shell; no policy can allow it");
    }
    if let Some(deny) = first(&policy.env.deny, name) {
        return Decision::deny(&deny.origin, format!("`{}` is denied", deny.value));
    }
    if let Some(set) = policy.env.set.get(name) {
        return Decision::allow(&set.origin, "the policy sets it");
    }
    match first(&policy.env.allow, name) {
        Some(allow) => Decision::allow(&allow.origin, format!("`{}` is allowed", allow.value)),
        None => Decision::default("env.allow does not name it"),
    }
}
