//! Yes or no, and why. Pure: what a policy says about a question, with no look at the machine.
//!
//! A deny beats an allow; what is not allowed is denied. Every enforcement and every explanation asks here. Paths have
//! their links followed already; [`super::ask`] does that for who has a path as typed.

use super::commands::{Command, SHELLS};
use super::host::{Class, Host, HostPattern, class, plain};
use super::path::wildcard;
use super::{CommandRule, HostRule, Network, NetworkMode, Origin, Policy, Set};
use std::borrow::Cow;
use std::net::IpAddr;
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

/// May it connect there? What address a name has is for who dials to check, by [`address`].
pub fn network(policy: &Policy, host: &Host, port: u16) -> Decision {
    let network = &policy.network;
    if let (NetworkMode::Unrestricted(origin), None) = (&network.mode, denying(network, host)) {
        return Decision::allow(origin, "the network is unrestricted");
    }
    match connect(network, host, port) {
        Ok(at) => {
            let rule = &network.allow[at];
            Decision::allow(&rule.origin, format!("`{}` is allowed", rule.host))
        }
        Err(denied) => denied,
    }
}

fn denying<'n>(network: &'n Network, host: &Host) -> Option<&'n Set<HostPattern>> {
    network.deny.iter().find(|deny| deny.value.covers(host))
}

fn denied_host(deny: &Set<HostPattern>) -> Decision {
    Decision::deny(&deny.origin, format!("`{}` is denied", deny.value))
}

/// The place in `network.allow` of the rule that lets it connect there, or the denial.
pub fn connect(network: &Network, host: &Host, port: u16) -> Result<usize, Decision> {
    if let Some(deny) = denying(network, host) {
        return Err(denied_host(deny));
    }
    if network.mode == NetworkMode::None {
        return Err(Decision::default("the policy allows no network"));
    }
    let mut named = network.allow.iter().enumerate().filter(|(_, rule)| rule.host.allows(host)).peekable();
    let nearest = named.peek().map(|(_, rule)| *rule);
    match (named.find(|(_, rule)| rule.ports.contains(port)), nearest) {
        (Some((at, rule)), _) => match host {
            Host::Ip(ip) => address(network, rule, *ip, port).map(|()| at),
            Host::Name(_) => Ok(at),
        },
        (None, Some(rule)) => {
            let ports: Vec<String> = rule.ports.iter().map(|port| port.to_string()).collect();
            Err(Decision::default(format!("{} allows port {} only", rule.origin, ports.join(", "))))
        }
        (None, None) => Err(Decision::default("network.allow does not name the host")),
    }
}

/// May anything be done with a host of this name, on whatever port? For who is asked whether it exists.
pub fn name(network: &Network, host: &Host) -> Decision {
    if let Some(deny) = denying(network, host) {
        return denied_host(deny);
    }
    match network.allow.iter().find(|rule| rule.host.allows(host)) {
        Some(rule) => Decision::allow(&rule.origin, format!("`{}` is allowed", rule.host)),
        None => Decision::default("network.allow does not name the host"),
    }
}

/// May a connection that `rule` allows go to this address? Addresses that are not public have to be named themselves, by a
/// rule for this port: what a name leads to is up to whoever answers for it. A cloud's metadata service, which hands out
/// credentials, has to be named alone and not as part of a network.
pub fn address(network: &Network, rule: &HostRule, address: IpAddr, port: u16) -> Result<(), Decision> {
    let address = plain(address);
    let host = Host::Ip(address);
    if let Some(deny) = denying(network, &host) {
        return Err(denied_host(deny));
    }
    let kind = class(address);
    let named = |rule: &HostRule| {
        let itself = rule.host == HostPattern::Ip(address);
        let within = matches!(rule.host, HostPattern::Cidr(..)) && rule.host.covers(&host);
        itself || (within && kind != Class::Metadata)
    };
    let localhost = match &rule.host {
        HostPattern::Exact(name) => name == "localhost" || name.ends_with(".localhost"),
        _ => false,
    };
    let what = match kind {
        Class::Public => return Ok(()),
        Class::Loopback if localhost => return Ok(()),
        _ if network.allow.iter().any(|rule| rule.ports.contains(port) && named(rule)) => return Ok(()),
        Class::Loopback => "this machine",
        Class::Private => "a private network",
        Class::Metadata => "a metadata service, which hands out credentials",
        Class::LinkLocal => "a link-local address",
        Class::Shared => "a provider's own network",
        Class::Multicast => "a multicast address",
        Class::Embedded => "an IPv4 address inside an IPv6 one",
        Class::Reserved => "a reserved address",
    };
    Err(Decision::default(format!("{host} is {what}, and no rule names that address")))
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

/// May the command, a WebAssembly module, be run? It is read and interpreted, so that it has to be readable; nothing of it is executed by
/// the machine. What `process` says of commands holds for it as well.
pub fn module(policy: &Policy, command: &Command) -> Decision {
    if let Some(denied) = denied_command(policy, command) {
        return denied;
    }
    let Some(real) = &command.real else {
        return Decision::default("there is no such module");
    };
    if let Some(denied) = command.found.as_ref().and_then(|found| denied(policy, found)) {
        return denied;
    }
    match read(policy, real) {
        Decision { allowed: true, rule, reason } => match (&policy.process.allow, rule) {
            (Some(allow), _) => listed(allow, real),
            (None, rule) => Decision { allowed: true, rule, reason },
        },
        denied => denied,
    }
}

fn denied_command(policy: &Policy, command: &Command) -> Option<Decision> {
    let rule = policy.process.deny.iter().find(|rule| is_command(rule, command))?;
    Some(Decision::deny(&rule.origin, format!("{} is denied", rule.name)))
}

fn listed(allow: &[CommandRule], real: &Path) -> Decision {
    match allow.iter().find(|rule| rule.paths.iter().any(|path| real.starts_with(path))) {
        Some(rule) => Decision::allow(&rule.origin, format!("{} is named", rule.name)),
        None => Decision::default("process.allow does not name the command"),
    }
}

/// May the command be executed?
pub fn exec(policy: &Policy, command: &Command) -> Decision {
    let process = &policy.process;
    if let Some(denied) = denied_command(policy, command) {
        return denied;
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
    listed(allow, real)
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
    if let Some(inject) = policy.inject.iter().find(|inject| inject.from_env == name) {
        return Decision::deny(&inject.origin, "the secret stays outside");
    }
    if let Some(set) = policy.env.set.get(name) {
        return Decision::allow(&set.origin, "the policy sets it");
    }
    match first(&policy.env.allow, name) {
        Some(allow) => Decision::allow(&allow.origin, format!("`{}` is allowed", allow.value)),
        None => Decision::default("env.allow does not name it"),
    }
}
