//! From a policy and a probe to a plan: a value that says everything that will be done, prints, and does nothing.
//! Fails closed: a policy line that nothing here can hold is a refusal that names it.

use super::errata::{self, Erratum};
use super::fallback::calls::Alone;
use super::fallback::{Fallback, grants};
use super::landlock::Landlock;
use super::limits::Limits;
use super::lines::mode;
use super::mounts::{Mounts, Step};
use super::probe::Probe;
use super::{bare, env, seccomp};
use crate::egress::{Settings, settings};
use crate::policy::effective::{Effective, Platform, sandbox_type};
use crate::policy::{NetworkMode, Origin, Policy, SandboxType};
use crate::sys::landlock::fs as right;
use std::ffi::{CString, OsString};
use std::fmt;
use std::path::PathBuf;

/// Why a policy cannot be enforced here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The line.
    pub origin: Origin,
    /// What is missing.
    pub why: String,
    /// What to do about it.
    pub help: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(origin: Origin, why: String, help: &str) -> Self {
        Self { origin, why, help: help.to_owned() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be enforced here: {}\n  help: {}", self.origin, self.why, self.help)
    }
}

impl std::error::Error for Refusal {}

/// Everything a run will do.
#[derive(Debug, Clone)]
#[must_use]
pub struct Plan {
    /// Who runs.
    pub agent: String,
    /// Which sandbox, and why that one.
    pub effective: Effective,
    /// The new root.
    pub mounts: Mounts,
    /// File rules of the second wall.
    pub landlock: Landlock,
    /// Faults of the kernel's Landlock that touch this plan.
    pub errata: Vec<Erratum>,
    /// The seccomp profile.
    pub calls: seccomp::Options,
    /// Limits.
    pub limits: Limits,
    /// A network of its own, with a loopback and nothing else; at the fallback level, none at all.
    pub own_network: bool,
    /// The way out of that network, where the policy names hosts, and the way in, where it names ports.
    pub egress: Option<Settings>,
    /// Without namespaces: how the rest holds the policy.
    pub fallback: Option<Fallback>,
    /// The environment of the command.
    pub env: Vec<CString>,
    /// Where the command starts if the present folder does not exist inside.
    pub workspace: PathBuf,
    /// What the policy calls the run's own temporary folder.
    pub tmpdir: PathBuf,
    /// What goes unenforced because the policy says that it may.
    pub unenforced: Vec<(Origin, String)>,
    /// What a WebAssembly program gets, where one is to run.
    #[cfg(feature = "wasm")]
    pub guest: Option<super::wasm::plan::Guest>,
}

/// What is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// A program of this machine.
    Native,
    /// A WebAssembly program.
    Module,
    /// Nothing: whatever the sandbox type is for.
    Either,
}

/// The oldest Landlock that holds what every policy says: it must know truncation.
const LANDLOCK_NEEDED: u32 = 3;

/// Makes the plan for a program of this machine.
pub fn plan(
    policy: &Policy,
    probe: &Probe,
    outside: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Plan, Refusal> {
    plan_for(policy, probe, outside, Runs::Native, Platform::here())
}

/// Makes the plan for what is to run.
pub fn plan_for(
    policy: &Policy,
    probe: &Probe,
    outside: impl Iterator<Item = (OsString, OsString)>,
    runs: Runs,
    platform: Platform,
) -> Result<Plan, Refusal> {
    let mut unenforced = Vec::new();
    let itself = |key| Origin {
        file: policy.sources.last().map_or_else(|| "policy".into(), |s| s.name.clone()),
        line: 0,
        key,
    };
    let effective = effective(policy, itself("sandbox.type"), runs, platform)?;
    match effective.kind {
        SandboxType::None => return bare::plan(policy, probe, outside, effective),
        #[cfg(feature = "wasm")]
        SandboxType::Wasm => return super::wasm::plan::alone(policy, probe, outside, effective),
        _ => {}
    }
    if probe.landlock < LANDLOCK_NEEDED {
        let why = match probe.landlock {
            0 => "this kernel has no Landlock, or it is not enabled".to_owned(),
            abi => format!("Landlock ABI {abi} is here, {LANDLOCK_NEEDED} (Linux 6.2) is needed"),
        };
        return Err(Refusal::new(itself("filesystem"), why, "boot a newer kernel, with lsm=…,landlock"));
    }
    // The keeper opens files in place of whoever asks; the interpreter opens them itself, by handles.
    #[cfg(feature = "wasm")]
    if effective.kind == SandboxType::Combined && probe.no_namespaces.is_some() {
        return super::wasm::plan::narrowed(policy, probe, outside, effective);
    }
    let own_network = match &policy.network.mode {
        NetworkMode::None => true,
        NetworkMode::Unrestricted(origin) => {
            // Abstract sockets (X11, some agents of keys) belong to a network namespace; sharing one needs the scope.
            if probe.landlock < 6 && !policy.sandbox.tolerates("network.unix") {
                let why = format!(
                    "abstract Unix sockets of the host would be reachable: Landlock ABI 6 is needed, {} is here",
                    probe.landlock
                );
                return Err(Refusal::new(
                    origin.clone(),
                    why,
                    "list \"network.unix\" in sandbox.best_effort",
                ));
            }
            false
        }
        NetworkMode::Hosts => true,
    };
    let egress = egress(policy, probe, own_network, &mut unenforced)?;
    let egress = match effective.kind {
        SandboxType::Combined => egress.map(Settings::with_tls),
        _ => egress,
    };
    #[cfg_attr(not(feature = "wasm"), expect(unused_mut, reason = "only an interpreter needs more"))]
    let mut limits = Limits::of(policy, probe)?;
    let mut fallback = match &probe.no_namespaces {
        Some(why) => Some(Fallback::of(policy, probe, why, itself, &mut unenforced)?),
        None => None,
    };
    #[cfg(feature = "wasm")]
    let guest = (effective.kind == SandboxType::Combined)
        .then(|| super::wasm::plan::Guest::of(policy, None, &mut limits));
    let (mounts, landlock) = match &mut fallback {
        Some(fallback) => {
            fallback.most = limits.counted;
            if let Some(egress) = &egress {
                fallback.go_out(egress);
            }
            (Mounts::none(), grants::of(fallback, probe))
        }
        None => {
            let mut landlock = Landlock::of(policy, probe);
            let mut mounts = Mounts::of(policy, probe)?;
            if egress.as_ref().is_some_and(Settings::goes_out) {
                mounts.give(Settings::files());
                landlock.let_read(Settings::files().map(|(path, _)| path.into()));
            }
            (mounts, landlock)
        }
    };
    let mut env =
        env::variables(policy, outside, &egress.as_ref().map(Settings::variables).unwrap_or_default());
    if let Some(fallback) = &fallback {
        env::set_tmpdir(&mut env, &policy.places.tmpdir, &fallback.scratch);
    }
    Ok(Plan {
        agent: policy.agent.clone(),
        effective,
        mounts,
        errata: errata::of(&landlock, probe.errata, fallback.is_none()),
        landlock,
        calls: seccomp::Options {
            profile: policy.process.syscalls,
            report: probe.listener,
            // Written down only where there is something to write to.
            execs: policy.audit.file.is_some(),
            observe: false,
            alone: fallback.as_ref().map(|it| Alone {
                inet: it.inet,
                egress: it.egress.is_some(),
                count: it.most.is_some(),
            }),
        },
        limits,
        own_network,
        egress,
        env,
        fallback,
        workspace: policy.places.workspace.clone(),
        tmpdir: policy.places.tmpdir.clone(),
        unenforced,
        #[cfg(feature = "wasm")]
        guest,
    })
}

/// Landlock that knows TCP.
const TCP: u32 = 4;

/// The way out, if the policy names hosts, and the way in, if it names ports; or the line that needs one where none can be.
fn egress(
    policy: &Policy,
    probe: &Probe,
    own_network: bool,
    unenforced: &mut Vec<(Origin, String)>,
) -> Result<Option<Settings>, Refusal> {
    let Some(made) = Settings::of(policy) else { return Ok(None) };
    let network = &policy.network;
    let mut refuse = |origin: &Origin, key: &str, why: String, instead: &str, help: &str| {
        if policy.sandbox.tolerates(key) {
            unenforced.push((origin.clone(), format!("{why}: {instead}")));
            return Ok(());
        }
        let help = format!("{help}; or list \"{key}\" in sandbox.best_effort: {instead} then");
        Err(Refusal::new(origin.clone(), why, &help))
    };
    let mut kept = made.clone();
    if let Some(last) = network.allow.last().filter(|_| made.ports.len() > settings::MOST_PORTS) {
        let why = format!("the policy names {} ports, {} can be", made.ports.len(), settings::MOST_PORTS);
        return Err(Refusal::new(last.origin.clone(), why, "name fewer"));
    }
    if let Some(inject) = policy.inject.first().filter(|_| cfg!(not(feature = "net"))) {
        let why = "this build has no TLS client".to_owned();
        return Err(Refusal::new(inject.origin.clone(), why, "use a build with it, or take the entry out"));
    }
    if let (Some(why), Some(first)) = (&probe.no_namespaces, network.allow.first())
        && probe.landlock < TCP
    {
        let have = probe.landlock;
        let why =
            format!("without namespaces ({why}) Landlock ABI {TCP} is needed to deny TCP, {have} is here");
        let help = "boot Linux 6.7 or newer, or allow user namespaces for this user";
        refuse(&first.origin, "network.allow", why, "the command has no network at all", help)?;
        kept = kept.without_hosts();
    }
    if let Some(first) = network.listen.first() {
        let instead = "no port is passed on";
        if !own_network {
            let why = "the network is the host's: every port is reachable already".to_owned();
            refuse(&first.origin, "network.listen", why, instead, "leave it out")?;
            kept = kept.without_listen();
        } else if let Some(why) = &probe.no_namespaces {
            let why = format!("without namespaces ({why}) nobody inside can listen");
            refuse(&first.origin, "network.listen", why, instead, "allow user namespaces for this user")?;
            kept = kept.without_listen();
        }
    }
    let empty = kept.network.allow.is_empty() && kept.network.listen.is_empty();
    Ok((!empty).then_some(kept))
}

/// The sandbox type that this run gets, if it is one that this build has.
fn effective(policy: &Policy, itself: Origin, runs: Runs, platform: Platform) -> Result<Effective, Refusal> {
    let origin = policy.sandbox.kind.as_ref().map_or(itself, |set| set.origin.clone());
    let effective = match sandbox_type(&policy.sandbox, platform) {
        Ok(effective) => effective,
        Err(why) => return Err(Refusal::new(origin, why, "use type = \"os\"")),
    };
    let (kind, reason) = (effective.kind, &effective.reason);
    let modules_only = matches!(kind, SandboxType::Wasm | SandboxType::Combined);
    let module = runs == Runs::Module || (runs == Runs::Either && modules_only);
    if (module || modules_only) && cfg!(not(feature = "wasm")) {
        let why = match modules_only {
            true => {
                format!(
                    "the sandbox type is {} ({reason}), and this build runs no WebAssembly",
                    kind.as_str()
                )
            }
            false => "the command is a WebAssembly module, and this build runs no WebAssembly".to_owned(),
        };
        return Err(Refusal::new(origin, why, WITHOUT_WASM));
    }
    if modules_only && !module {
        let why = format!(
            "the sandbox type is {} ({reason}), which runs WebAssembly modules, and the command is none",
            kind.as_str()
        );
        let help = match platform {
            Platform::Linux => "use type = \"os\", or compile the command for wasm32-wasip1",
            Platform::Other(_) => "compile the command for wasm32-wasip1, or run it on Linux",
        };
        return Err(Refusal::new(origin, why, help));
    }
    // A module never gets less of a sandbox than a native program would.
    let (kind, why) = match (module, kind) {
        (true, SandboxType::Os) => (SandboxType::Combined, "; the command is a WebAssembly module"),
        (true, SandboxType::None) => (SandboxType::Wasm, "; the command is a WebAssembly module"),
        _ => (kind, ""),
    };
    Ok(Effective { kind, reason: format!("{reason}{why}") })
}

/// How to get a build that runs modules.
const WITHOUT_WASM: &str = "use a build with it: scripts/install.sh --flavour wasm, scripts/build/static.sh wasm, or cargo build --release --features wasm; for a native command type = \"os\"";

impl Plan {
    /// What is left of a plan where the kernel holds nothing: environment and limits. `variables` are weft's own.
    pub(super) fn without_walls(
        policy: &Policy,
        probe: &Probe,
        outside: impl Iterator<Item = (OsString, OsString)>,
        variables: &[(String, String)],
        effective: Effective,
        limits: Limits,
    ) -> Plan {
        Plan {
            agent: policy.agent.clone(),
            effective,
            mounts: Mounts::none(),
            landlock: Landlock { abi: probe.landlock, handled: 0, net: 0, scoped: 0, grants: Vec::new() },
            errata: Vec::new(),
            calls: seccomp::Options {
                profile: policy.process.syscalls,
                report: false,
                execs: false,
                observe: false,
                alone: None,
            },
            limits,
            own_network: false,
            egress: None,
            fallback: None,
            env: env::variables(policy, outside, variables),
            workspace: policy.places.workspace.clone(),
            tmpdir: policy.places.tmpdir.clone(),
            unenforced: Vec::new(),
            #[cfg(feature = "wasm")]
            guest: None,
        }
    }

    /// What the walls are made of: `namespaces`, `fallback` where there are none, or `none`, no walls.
    pub fn level(&self) -> &'static str {
        match &self.fallback {
            _ if self.is_bare() => "none",
            _ if self.is_narrowed() => "fallback",
            _ if self.is_interpreted() => "wasm",
            Some(_) => "fallback",
            None => "namespaces",
        }
    }

    /// The policy wants no sandbox; nothing holds the command but limits.
    pub fn is_bare(&self) -> bool {
        self.effective.kind == SandboxType::None
    }

    /// Has files and connections that are asked for written down too. Only where there is somebody whom the kernel can ask; the error
    /// says what is missing.
    pub fn observe(&mut self) -> Result<(), &'static str> {
        if self.is_bare() {
            return Err("without a sandbox nobody sees what the command asks for");
        }
        if !self.calls.report {
            return Err("seccomp here cannot hand calls over (SECCOMP_RET_USER_NOTIF)");
        }
        self.calls.execs = true;
        self.calls.observe = true;
        Ok(())
    }

    /// A WebAssembly program whose interpreter sees the host's files: what it does not ask weft for it cannot do.
    pub fn is_interpreted(&self) -> bool {
        self.effective.kind == SandboxType::Wasm || self.is_narrowed()
    }

    /// Such an interpreter that Landlock and a filter of its own hold as well.
    pub fn is_narrowed(&self) -> bool {
        #[cfg(feature = "wasm")]
        return self.guest.as_ref().is_some_and(|guest| guest.narrowed);
        #[cfg(not(feature = "wasm"))]
        false
    }

    /// The kernel holds what runs as it would hold a native program.
    pub fn has_walls(&self) -> bool {
        !self.is_bare() && !self.is_interpreted()
    }

    /// Programs inside can ask weft about calls of tools: where a name inside is nobody else's, and there is a log for the answers.
    pub fn hears_questions(&self) -> bool {
        self.own_network && self.fallback.is_none() && self.has_walls() && self.calls.execs
    }

    /// The command gets namespaces of its own.
    pub fn has_namespaces(&self) -> bool {
        self.fallback.is_none() && self.has_walls()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "sandbox     {}: {}", self.effective.kind.as_str(), self.effective.reason)?;
        #[cfg(feature = "wasm")]
        if let Some(guest) = &self.guest {
            guest.fmt(f)?;
        }
        match &self.fallback {
            _ if self.is_interpreted() => {
                match &self.egress {
                    Some(_) => {
                        writeln!(f, "network     no sockets; HTTP is carried by weft, which asks the policy")?
                    }
                    None => writeln!(f, "network     none")?,
                }
                if self.is_narrowed() {
                    self.landlock(f)?;
                    writeln!(
                        f,
                        "seccomp     the calls of the interpreter; no other process, no socket but in pairs"
                    )?;
                }
                return self.limits_and_rest(f);
            }
            _ if self.is_bare() => {
                writeln!(f, "            the kernel holds no line of the policy but the limits below")?;
                return self.limits_and_rest(f);
            }
            Some(fallback) => fallback.fmt(f)?,
            None => {
                let net = if self.own_network { " net" } else { "" };
                writeln!(f, "namespaces  user mount pid ipc uts cgroup{net}")?;
                writeln!(
                    f,
                    "            no capability, no further user namespace, everything inside ends with weft"
                )?;
            }
        }
        match (self.own_network, &self.fallback) {
            (true, None) => self.network(f)?,
            (true, Some(_)) if self.egress.is_some() => self.network(f)?,
            (true, Some(_)) => writeln!(f, "network     none: not even a loopback")?,
            (false, _) => writeln!(f, "network     the host's, unrestricted")?,
        }
        for step in &self.mounts.steps {
            let path = step.path().display();
            match step {
                Step::Bind { attr, .. } => writeln!(f, "mount       {} {path}", mode(*attr))?,
                Step::Private { attr, .. } => {
                    writeln!(f, "mount       {} {path} (private, empty)", mode(*attr))?
                }
                Step::Own { .. } => writeln!(f, "mount       r-- {path} (weft's own)")?,
                Step::Link { target, .. } => writeln!(f, "link        {path} -> {}", target.display())?,
                Step::Only { entries, .. } => writeln!(f, "only        {path}: {} commands", entries.len())?,
                Step::Pin(_) => writeln!(f, "pin         {path}")?,
                Step::Mask { .. } => writeln!(f, "mask        {path}")?,
            }
        }
        for path in &self.mounts.placeholders {
            writeln!(f, "placeholder {} (on the host, while the run lasts)", path.display())?;
        }
        self.landlock(f)?;
        writeln!(
            f,
            "seccomp     profile {}, {} instructions",
            self.calls.profile.as_str(),
            seccomp::program(self.calls).len()
        )?;
        self.limits_and_rest(f)
    }
}

impl Plan {
    /// The ruleset.
    fn landlock(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let landlock = &self.landlock;
        let (abi, rules, scopes) = (landlock.abi, landlock.grants.len(), landlock.scoped);
        let tcp = if landlock.net != 0 { ", no TCP" } else { "" };
        writeln!(f, "landlock    ABI {abi}, {rules} rules, scopes {scopes:#b}{tcp}")?;
        for erratum in &self.errata {
            writeln!(f, "            erratum {} is not fixed here: {}", erratum.number, erratum.text)?;
        }
        // A folder of commands of which some are denied is named entry by entry.
        const SHOWN: usize = 60;
        if rules > SHOWN {
            writeln!(f, "            the first {SHOWN} of {rules}")?;
        }
        for (path, _, rights) in landlock.grants.iter().take(SHOWN) {
            let flag = |bit, letter| if rights & bit != 0 { letter } else { '-' };
            let (r, w, x) =
                (flag(right::READ_FILE, 'r'), flag(right::WRITE_FILE, 'w'), flag(right::EXECUTE, 'x'));
            writeln!(f, "            {r}{w}{x} {}", path.display())?;
        }
        Ok(())
    }

    /// The network of its own.
    fn network(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(egress) = &self.egress else {
            return writeln!(f, "network     none: a loopback of its own");
        };
        writeln!(
            f,
            "network     a loopback of its own; what leaves it is carried by weft, which asks the policy"
        )?;
        let list = |ports: &[u16]| ports.iter().map(u16::to_string).collect::<Vec<_>>().join(" ");
        let listen: Vec<u16> = egress.network.listen.iter().map(|set| set.value).collect();
        if egress.goes_out() {
            let (rules, denies) = (egress.network.allow.len(), egress.network.deny.len());
            writeln!(f, "egress      {rules} rules, {denies} denials, on ports {}", list(&egress.ports))?;
            writeln!(f, "            resolver {}, which asks nobody", crate::egress::names::RESOLVER)?;
            writeln!(f, "            proxy 127.0.0.1:{}, HTTP and SOCKS 5", egress.proxy)?;
            for (alias, inject) in &egress.injects {
                writeln!(f, "            http://{alias} is {}, with {} added", inject.host, inject.header)?;
            }
            for (address, prefix) in &egress.addresses {
                writeln!(f, "            address {address}/{prefix}, reached as it is")?;
            }
        }
        if !listen.is_empty() {
            writeln!(f, "ingress     from the host's loopback to ports {}", list(&listen))?;
        }
        Ok(())
    }

    /// The part that every level has.
    fn limits_and_rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (resource, value) in &self.limits.each {
            writeln!(f, "limit       {resource:?} {value} (each process)")?;
        }
        for group in &self.limits.groups {
            for (file, value) in &group.values {
                writeln!(
                    f,
                    "limit       {file} {value} (all processes, a cgroup below {})",
                    group.parent.display()
                )?;
            }
        }
        if let Some(most) = self.limits.counted {
            writeln!(f, "limit       {most} processes and threads (counted by the keeper)")?;
        }
        if let Some(wall) = self.limits.wall {
            writeln!(f, "limit       {} s of wall time", wall.as_secs())?;
        }
        let names: Vec<_> = self.env.iter().map(|v| v.to_string_lossy()).collect();
        let names: Vec<_> = names.iter().filter_map(|v| v.split('=').next()).collect();
        writeln!(f, "environment {}", names.join(" "))?;
        for (origin, why) in &self.unenforced {
            writeln!(f, "unenforced  {origin}: {why}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::HostRule;
    use crate::policy::host::{HostPattern, Ports};
    use crate::policy::path::{Glob, Kind, PathRule, PathRules};
    use crate::policy::vars::Places;
    use crate::policy::{
        Audit, AuditLevel, DenyGlob, Env, Filesystem, Monitor, Network, Process, Sandbox, Set, Syscalls,
        Tools,
    };
    use crate::sys::mount::Attr;
    use std::path::Path;

    fn origin(line: u32, key: &'static str) -> Origin {
        Origin { file: "weft.toml".into(), line, key }
    }

    fn kernel() -> Probe {
        Probe {
            landlock: 7,
            errata: 0,
            no_namespaces: None,
            listener: true,
            root: false,
            scratch: "/nowhere/scratch".into(),
            root_links: Vec::new(),
            loaders: Vec::new(),
        }
    }

    fn rules(paths: &[(&str, bool)]) -> PathRules {
        let rule = |&(path, private): &(&str, bool)| PathRule {
            written: path.into(),
            path: path.into(),
            kind: Kind::Dir,
            id: None,
            private,
            origin: origin(1, "filesystem"),
        };
        PathRules::new(paths.iter().map(rule).collect())
    }

    fn policy() -> Policy {
        Policy {
            agent: "test".into(),
            sandbox: Sandbox { kind: None, privileged: None, best_effort: Vec::new() },
            filesystem: Filesystem {
                read: rules(&[("/nowhere/usr", false), ("/tmp/ro", false)]),
                write: rules(&[("/nowhere/ws", false), ("/tmp", true)]),
                exec: rules(&[("/nowhere/usr", false)]),
                exec_is_default: true,
                ..Filesystem::default()
            },
            network: Network::default(),
            process: Process {
                allow: None,
                deny: Vec::new(),
                shell: true,
                shell_origin: None,
                shells: Vec::new(),
                max_processes: None,
                max_memory: None,
                max_cpu_time: None,
                max_wall_time: None,
                max_file_size: None,
                max_open_files: None,
                syscalls: Syscalls::Agent,
                syscalls_origin: None,
            },
            env: Env::default(),
            inject: Vec::new(),
            tools: Tools::default(),
            audit: Audit { file: None, level: AuditLevel::All },
            monitor: Monitor::default(),
            tests: Vec::new(),
            places: Places::below(Path::new("/nowhere/home"), Path::new("/nowhere/ws")),
            sources: Vec::new(),
            notes: Vec::new(),
            hash: String::new(),
        }
    }

    fn refused(policy: &Policy, probe: &Probe) -> Refusal {
        plan(policy, probe, std::iter::empty()).expect_err("a refusal")
    }

    fn attr(plan: &Plan, at: &str) -> Option<Attr> {
        plan.mounts.steps.iter().find_map(|step| match step {
            Step::Bind { path, attr, .. } | Step::Private { path, attr } if path == Path::new(at) => {
                Some(*attr)
            }
            _ => None,
        })
    }

    #[test]
    fn places_get_what_the_policy_says_and_no_more() {
        let plan = plan(&policy(), &kernel(), std::iter::empty()).expect("a plan");
        let base = Attr::NO_SUID.and(Attr::NO_DEV);
        assert_eq!(attr(&plan, "/nowhere/usr"), Some(base.and(Attr::READ_ONLY)));
        assert_eq!(attr(&plan, "/nowhere/ws"), Some(base.and(Attr::NO_EXEC)));
        assert_eq!(attr(&plan, "/tmp"), Some(base.and(Attr::NO_EXEC)));
        // A place of the host below the private folder is not writable because that is.
        assert!(attr(&plan, "/tmp/ro").is_some_and(|attr| attr.has(Attr::READ_ONLY)));
        assert!(plan.own_network);
    }

    #[test]
    fn missing_features_are_refusals() {
        let none = Probe { landlock: 0, ..kernel() };
        assert!(refused(&policy(), &none).why.contains("no Landlock"));
        let old = Probe { landlock: 2, ..kernel() };
        assert!(refused(&policy(), &old).why.contains("ABI 2"));
        let closed = Probe { no_namespaces: Some("switched off".into()), listener: false, ..kernel() };
        assert!(refused(&policy(), &closed).why.contains("switched off"));
    }

    #[test]
    fn open_errata_are_told_and_refuse_nothing() {
        let text = |probe: &Probe| plan(&policy(), probe, std::iter::empty()).expect("a plan").to_string();
        let told = |text: &str, number: u32| text.contains(&format!("erratum {number} is not fixed here"));
        let open = text(&kernel());
        assert!(!told(&open, 1) && told(&open, 2) && told(&open, 3), "{open}");
        let fixed = text(&Probe { errata: 0b111, ..kernel() });
        assert!((1..=3).all(|number| !told(&fixed, number)), "{fixed}");
        let alone = text(&Probe { no_namespaces: Some("switched off".into()), ..kernel() });
        assert!(
            (1..=3).all(|number| told(&alone, number)) && alone.contains("held by the keeper"),
            "{alone}"
        );
    }

    #[test]
    fn without_namespaces_lines_that_cannot_be_held_are_named() {
        let alone = Probe { no_namespaces: Some("switched off".into()), ..kernel() };
        let made = plan(&policy(), &alone, std::iter::empty()).expect("a plan");
        assert_eq!(made.level(), "fallback");
        assert!(made.mounts.steps.is_empty() && made.landlock.net != 0);
        assert!(made.env.iter().any(|v| v.to_string_lossy() == "TMPDIR=/nowhere/scratch"));
        // Nothing is granted that is not for executing, but the run's own folder.
        let writable = made.landlock.grants.iter().filter(|(_, _, rights)| rights & right::WRITE_FILE != 0);
        assert!(writable.map(|(path, _, _)| path).eq([Path::new("/nowhere/scratch")]));
        let old = Probe { landlock: 5, ..alone };
        assert_eq!(refused(&policy(), &old).origin.key, "process.signals");
        let mut tolerant = policy();
        tolerant.sandbox.best_effort = ["process.signals", "network.unix"]
            .map(|value| Set { value, origin: origin(3, "sandbox.best_effort") })
            .into();
        assert_eq!(plan(&tolerant, &old, std::iter::empty()).expect("a plan").unenforced.len(), 2);
    }

    #[test]
    fn host_rules_name_their_key() {
        let mut policy = policy();
        policy.network.mode = NetworkMode::Hosts;
        let host = HostPattern::parse("example.com").expect("a pattern");
        policy.network.allow = vec![HostRule {
            host,
            ports: Ports::default(),
            tls: true,
            max_connections: None,
            max_bytes_out: None,
            rate: None,
            origin: origin(4, "network.allow"),
        }];
        let made = plan(&policy, &kernel(), std::iter::empty()).expect("a plan");
        assert!(made.own_network && made.unenforced.is_empty());
        assert_eq!(made.egress.map(|egress| egress.ports), Some(vec![443]));
        let own = made.mounts.steps.iter().filter(|step| matches!(step, Step::Own { .. }));
        assert!(
            own.map(Step::path).eq(["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"].map(Path::new))
        );
        let alone = Probe { no_namespaces: Some("none".to_owned()), landlock: 3, ..kernel() };
        assert!(
            plan(&policy, &Probe { landlock: 7, ..alone.clone() }, std::iter::empty())
                .expect("a plan")
                .egress
                .is_some()
        );
        policy.sandbox.best_effort = ["process.signals", "network.unix"]
            .map(|value| Set { value, origin: origin(3, "sandbox.best_effort") })
            .into();
        assert_eq!(refused(&policy, &alone).origin.key, "network.allow");
        policy
            .sandbox
            .best_effort
            .push(Set { value: "network.allow", origin: origin(3, "sandbox.best_effort") });
        let made = plan(&policy, &alone, std::iter::empty()).expect("a plan");
        assert!(made.own_network && made.egress.is_none());
        assert_eq!(made.unenforced.len(), 3);
    }

    #[test]
    fn sharing_the_network_needs_scopes() {
        let mut policy = policy();
        policy.network.mode = NetworkMode::Unrestricted(origin(5, "network.unrestricted"));
        assert_eq!(refused(&policy, &Probe { landlock: 5, ..kernel() }).origin.line, 5);
        assert!(!plan(&policy, &kernel(), std::iter::empty()).expect("a plan").own_network);
    }

    #[test]
    fn a_pattern_that_can_be_made_again_is_refused() {
        let mut policy = policy();
        policy.filesystem.deny_globs = vec![DenyGlob {
            glob: Glob::new("/nowhere/ws/**/.env").expect("a glob"),
            creatable: Some(origin(8, "filesystem.write")),
            origin: origin(9, "filesystem.deny"),
        }];
        assert_eq!(refused(&policy, &kernel()).origin.line, 9);
    }

    #[test]
    fn loader_variables_never_pass() {
        let mut policy = policy();
        policy.env.allow = vec![Set { value: "*".into(), origin: origin(1, "env.allow") }];
        policy.env.deny = vec![Set { value: "*_TOKEN".into(), origin: origin(2, "env.deny") }];
        let outside =
            ["PATH", "LD_PRELOAD", "BASH_ENV", "A_TOKEN", "LANG"].map(|name| (name.into(), "x".into()));
        let plan = plan(&policy, &kernel(), outside.into_iter()).expect("a plan");
        let names: Vec<_> = plan.env.iter().map(|v| v.to_string_lossy().into_owned()).collect();
        assert_eq!(names, ["LANG=x", "PATH=x", "TMPDIR=/tmp"]);
    }

    #[test]
    fn elsewhere_only_modules_run_and_a_native_command_is_told_what_can_be_done() {
        let mac = Platform::Other("macos");
        // Nothing of Linux is there, and nothing of it is asked for.
        let elsewhere =
            Probe { landlock: 0, no_namespaces: Some("not Linux".into()), listener: false, ..kernel() };
        let made = |runs, kind: Option<SandboxType>| {
            let mut policy = policy();
            policy.sandbox.kind = kind.map(|value| Set { value, origin: origin(2, "sandbox.type") });
            plan_for(&policy, &elsewhere, std::iter::empty(), runs, mac)
        };
        for kind in [None, Some(SandboxType::Os), Some(SandboxType::Wasm)] {
            let refused = made(Runs::Native, kind).expect_err("a refusal");
            let help = if cfg!(feature = "wasm") { "or run it on Linux" } else { "--features wasm" };
            assert!(refused.why.contains("wasm") && refused.help.contains(help), "{refused}");
            #[cfg(feature = "wasm")]
            {
                let plan = made(Runs::Module, kind).expect("a plan");
                assert_eq!((plan.effective.kind, plan.level()), (SandboxType::Wasm, "wasm"));
                assert!(plan.effective.reason.contains(if kind == Some(SandboxType::Wasm) {
                    "asks"
                } else {
                    "macos"
                }));
                assert!(!plan.has_walls() && !plan.has_namespaces() && plan.landlock.grants.is_empty());
            }
            #[cfg(not(feature = "wasm"))]
            assert!(made(Runs::Module, kind).expect_err("a refusal").help.contains("--features wasm"));
        }
        let refused = made(Runs::Module, Some(SandboxType::Combined)).expect_err("a refusal");
        assert!(refused.why.contains("no kernel sandbox"), "{refused}");
    }

    #[cfg(feature = "wasm")]
    #[test]
    fn a_module_gets_no_less_of_a_sandbox_than_a_native_program() {
        let plan = |kind: Option<SandboxType>, probe: &Probe| {
            let mut policy = policy();
            policy.sandbox.kind = kind.map(|value| Set { value, origin: origin(2, "sandbox.type") });
            plan_for(&policy, probe, std::iter::empty(), Runs::Module, Platform::Linux)
        };
        for kind in [None, Some(SandboxType::Os), Some(SandboxType::Combined)] {
            let made = plan(kind, &kernel()).expect("a plan");
            assert_eq!((made.effective.kind, made.level()), (SandboxType::Combined, "namespaces"));
            assert!(made.guest.is_some_and(|guest| guest.scratch.is_none()));
            // Where the kernel has not what it takes, nothing runs.
            assert!(plan(kind, &Probe { landlock: 0, ..kernel() }).is_err());
        }
        let alone = plan(Some(SandboxType::Wasm), &kernel()).expect("a plan");
        let guest = alone.guest.as_ref().expect("a guest");
        assert_eq!(guest.scratch.as_deref(), Some(Path::new("/nowhere/scratch")));
        let folder = |name: &str| {
            guest.folders.iter().find(|given| given.name == name).map(|given| given.path.as_path())
        };
        assert_eq!(folder("/tmp"), Some(Path::new("/nowhere/scratch")));
        assert_eq!(folder("/nowhere/ws"), Some(Path::new("/nowhere/ws")));
        // A place of the host inside the private folder is itself.
        assert_eq!(folder("/tmp/ro"), Some(Path::new("/tmp/ro")));
        assert!(alone.to_string().contains("folder      /tmp (/nowhere/scratch)"));
    }

    #[test]
    fn the_plan_prints() {
        let plan = plan(&policy(), &kernel(), std::iter::empty()).expect("a plan");
        let text = plan.to_string();
        for part in
            ["ro exec /nowhere/usr", "rw noexec /nowhere/ws", "(private, empty)", "seccomp", "landlock"]
        {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }
}
