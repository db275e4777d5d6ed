//! What enforces each line of a policy, read off the finished plan. For people; nothing is enforced by it.

use super::mounts::Step;
use super::plan::Plan;
use crate::decimal::seconds;
use crate::policy::path::PathRule;
use crate::policy::{AuditLevel, CommandRule, DenyPath, NetworkMode, Origin, Policy};
use crate::sort;
use crate::sys::landlock::fs as right;
use crate::sys::limits::Resource;
use crate::sys::mount::Attr;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One line of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where it stands; line 0 for what holds without being said.
    pub origin: Origin,
    /// What it is about: paths, names, a value.
    pub what: Vec<String>,
    /// What holds it. Empty: nothing does.
    pub by: Vec<String>,
}

/// Every line that says something, in the order of the files.
pub fn lines(policy: &Policy, plan: &Plan) -> Vec<Line> {
    let mut all = Lines { plan, lines: BTreeMap::new() };
    all.files(policy);
    all.network(policy);
    all.process(policy);
    all.limits(policy);
    all.rest(policy);
    if plan.is_bare() {
        // What weft itself does is done without a sandbox too.
        let kept = ["env.", "tools.", "audit.", "process.max_"];
        let nothing =
            all.lines.iter_mut().filter(|(origin, _)| !kept.iter().any(|key| origin.key.starts_with(key)));
        nothing.for_each(|(_, (_, by))| by.clear());
    }
    if plan.is_interpreted() {
        for (origin, (_, by)) in &mut all.lines {
            if let Some((_, held)) = INTERPRETED.iter().find(|(key, _)| origin.key.starts_with(key)) {
                *by = vec![(*held).to_owned()];
                if plan.is_narrowed() {
                    let behind = NARROWED.iter().find(|(key, _)| origin.key.starts_with(key));
                    by.extend(behind.map(|(_, held)| (*held).to_owned()));
                }
            }
        }
    }
    for (origin, why) in &plan.unenforced {
        all.lines.insert(origin.clone(), (vec![why.clone()], Vec::new()));
    }
    let order = |origin: &Origin| {
        let file = policy.sources.iter().position(|source| source.name == origin.file);
        (file.unwrap_or(usize::MAX), origin.line)
    };
    let mut lines: Vec<Line> =
        all.lines.into_iter().map(|(origin, (what, by))| Line { origin, what, by }).collect();
    sort::by_key(&mut lines, |line| order(&line.origin));
    lines
}

/// What holds a line where a WebAssembly program runs without the kernel's walls, by the beginning of its key.
const INTERPRETED: &[(&str, &str)] = &[
    ("filesystem.exec", "nothing native is executed"),
    ("filesystem.", "weft opens, names and changes files for the program, and decides by the real path"),
    ("network.inject", "weft adds it on the way out; the variable does not pass"),
    ("network.listen", "nobody inside can listen"),
    ("network", "there are no sockets; HTTP is carried by weft, after a look at name, port and address"),
    ("process.syscalls", "it makes no system calls; weft makes its own"),
    ("process.max_processes", "it is one process and cannot make another"),
    ("process.max_memory", "weft counts memory and tables; the interpreter's process has a limit above that"),
    ("process.max_cpu_time", "rlimit CPU of the interpreter's process"),
    ("process.max_open_files", "weft counts descriptors"),
    ("process.max_file_size", "rlimit FSIZE; weft counts what goes to terminals and pipes"),
    ("process.max_wall_time", "weft: SIGTERM, two seconds later SIGKILL"),
    ("process.", "weft looks at the module's file before it reads it; nothing native is executed"),
];

/// What holds it besides where Landlock and a filter hold the interpreter's process, without namespaces.
const NARROWED: &[(&str, &str)] = &[
    ("filesystem.read", "Landlock"),
    ("filesystem.write", "Landlock"),
    ("filesystem.exec", "Landlock and seccomp"),
    (
        "filesystem.",
        "nothing but that: without namespaces the kernel cannot leave out a place in an allowed folder",
    ),
    ("network", "seccomp: no socket but in pairs"),
    ("process.syscalls", "seccomp: the calls of the interpreter"),
    ("process.max_processes", "seccomp"),
];

struct Lines<'a> {
    plan: &'a Plan,
    lines: BTreeMap<Origin, (Vec<String>, Vec<String>)>,
}

impl Lines<'_> {
    fn add(&mut self, origin: &Origin, what: String, by: impl IntoIterator<Item = String>) {
        let (whats, bys) = self.lines.entry(origin.clone()).or_default();
        if !what.is_empty() && !whats.contains(&what) {
            whats.push(what);
        }
        for by in by {
            if !bys.contains(&by) {
                bys.push(by);
            }
        }
    }

    fn files(&mut self, policy: &Policy) {
        let files = &policy.filesystem;
        let exec = if files.exec_is_default { None } else { Some(&files.exec) };
        let lists = [Some(&files.read), Some(&files.write), exec];
        for rule in lists.into_iter().flatten().flat_map(|rules| rules.iter()) {
            self.add(&rule.origin, shown(&rule.path), self.place(rule));
        }
        for deny in &files.deny {
            self.add(&deny.origin, shown(&deny.written), [self.denied(deny)]);
        }
        for glob in &files.deny_globs {
            self.add(&glob.origin, String::new(), [format!("{}: what it matches now", glob.glob.as_str())]);
        }
        for kept in &files.protected {
            self.add(&kept.origin, shown(&kept.written), [self.denied(kept)]);
        }
    }

    /// How a place is mounted and what Landlock grants on it.
    fn place(&self, rule: &PathRule) -> Vec<String> {
        if let Some(fallback) = &self.plan.fallback {
            return fallback.rules.held(&rule.path, rule.private.then_some(&fallback.scratch));
        }
        let steps =
            || rule.path.ancestors().filter_map(|at| self.plan.mounts.steps.iter().find(|s| is(s, at)));
        let mount = steps().next().map(|step| match step {
            Step::Private { attr, .. } => format!("private folder {}", mode(*attr)),
            Step::Bind { attr, .. } => format!("mount {}", mode(*attr)),
            _ => String::new(),
        });
        let grants = &self.plan.landlock.grants;
        let rights = rule.path.ancestors().filter_map(|at| {
            let (_, _, rights) = grants.iter().find(|(path, _, _)| path == at)?;
            Some(*rights)
        });
        let rights = rights.fold(0, |all, rights| all | rights);
        let letter = |bit, letter| if rights & bit != 0 { letter } else { '-' };
        let (r, w, x) =
            (letter(right::READ_FILE, 'r'), letter(right::WRITE_FILE, 'w'), letter(right::EXECUTE, 'x'));
        mount.into_iter().chain([format!("Landlock {r}{w}{x}")]).collect()
    }

    fn denied(&self, deny: &DenyPath) -> String {
        if self.plan.fallback.is_some() {
            return "the keeper, which opens, names and changes files, refuses".to_owned();
        }
        let mounts = &self.plan.mounts;
        let at = |step: &Step| deny.path.starts_with(step.path());
        if mounts.placeholders.contains(&deny.path) {
            return "name held by an empty folder that cannot be written".to_owned();
        }
        match mounts.steps.iter().rfind(|step| at(step)) {
            Some(Step::Mask { empty: true, .. }) => "name held by an empty folder".to_owned(),
            Some(Step::Mask { .. }) => "mask: covered by something empty".to_owned(),
            Some(Step::Bind { path, attr, .. }) if *path == deny.path => {
                format!("mount of its own, {}", mode(*attr))
            }
            Some(Step::Bind { attr, .. }) if attr.has(Attr::READ_ONLY) => {
                "not there now, and its folder is mounted read-only".to_owned()
            }
            Some(Step::Private { .. }) => "in the private folder, which is empty".to_owned(),
            _ => "does not exist inside".to_owned(),
        }
    }

    fn network(&mut self, policy: &Policy) {
        let file = policy.sources.last().map_or_else(|| "policy".into(), |source| source.name.clone());
        match &policy.network.mode {
            NetworkMode::None => {
                let by = match self.plan.fallback {
                    Some(_) => "seccomp: no Internet sockets, not even for a loopback; Landlock: no TCP",
                    None => "network namespace with a loopback of its own",
                };
                self.add(&Origin { file, line: 0, key: "network" }, "none".to_owned(), [by.to_owned()]);
            }
            NetworkMode::Unrestricted(origin) => {
                let by = match self.plan.fallback {
                    Some(_) => "seccomp: no Unix sockets but in pairs",
                    None => "Landlock scope for abstract sockets",
                };
                self.add(origin, "the network of the host".to_owned(), [by.to_owned()]);
            }
            NetworkMode::Hosts => {
                for rule in &policy.network.allow {
                    let ports: Vec<String> = rule.ports.iter().map(|port| port.to_string()).collect();
                    let mut by = vec!["weft carries it, after a look at name, port and address".to_owned()];
                    if rule.tls {
                        by.push("the TLS ClientHello must be for that host".to_owned());
                    }
                    if rule.max_connections.or(rule.max_bytes_out).or(rule.rate).is_some() {
                        by.push("weft counts connections and bytes".to_owned());
                    }
                    self.add(&rule.origin, format!("{} port {}", rule.host, ports.join(" ")), by);
                }
            }
        }
        let denied = match policy.network.mode {
            NetworkMode::Hosts => "weft carries nothing there",
            _ => "there is no network",
        };
        for deny in &policy.network.deny {
            self.add(&deny.origin, deny.value.to_string(), [denied.to_owned()]);
        }
        for limit in [&policy.network.max_connections, &policy.network.max_bytes_out].into_iter().flatten() {
            self.add(&limit.origin, limit.value.to_string(), ["weft counts".to_owned()]);
        }
        for listen in &policy.network.listen {
            let by = "weft listens on the host's 127.0.0.1 and carries it inside".to_owned();
            self.add(&listen.origin, format!("port {}", listen.value), [by]);
        }
    }

    fn process(&mut self, policy: &Policy) {
        let process = &policy.process;
        for rule in process.allow.iter().flatten() {
            self.add(
                &rule.origin,
                rule.name.clone(),
                [match rule.paths.is_empty() {
                    true => "not installed".to_owned(),
                    false if self.plan.fallback.is_some() => "Landlock r-x".to_owned(),
                    false => "Landlock --x, alone in its folder".to_owned(),
                }],
            );
        }
        for rule in &process.deny {
            self.add(&rule.origin, rule.name.clone(), [self.command(rule)]);
        }
        if let Some(origin) = process.shell_origin.as_ref().filter(|_| !process.shell) {
            let shells = process.shells.len();
            let mask = match self.plan.fallback {
                Some(_) => {
                    format!("{shells} shells that Landlock does not grant and the keeper does not open")
                }
                None => format!("mask over {shells} shells"),
            };
            self.add(origin, "no shell".to_owned(), [mask]);
        }
        let profile = format!("seccomp, {} instructions", super::seccomp::program(self.plan.calls).len());
        if let Some(origin) = &process.syscalls_origin {
            self.add(origin, format!("profile {}", process.syscalls.as_str()), [profile]);
        }
    }

    fn command(&self, rule: &CommandRule) -> String {
        if self.plan.fallback.is_some() {
            return "Landlock grants no execution, the keeper does not open it".to_owned();
        }
        let masked = |path: &PathBuf| {
            let step = self.plan.mounts.steps.iter().find(|step| step.path() == path);
            matches!(step, Some(Step::Mask { .. }))
        };
        match rule.paths.iter().filter(|path| masked(path)).count() {
            0 => "does not exist inside".to_owned(),
            _ => "mask under every name".to_owned(),
        }
    }

    fn limits(&mut self, policy: &Policy) {
        let process = &policy.process;
        let plan = self.plan;
        let group = |file: &str| {
            plan.limits.groups.iter().any(|group| group.values.iter().any(|(name, _)| *name == file))
        };
        let each = |resource: Resource| plan.limits.each.iter().any(|(found, _)| *found == resource);
        let by = |file: &str, resource: Resource, name: &str| {
            let held = if group(file) {
                Some(format!("cgroup {file}, all processes together"))
            } else {
                each(resource).then(|| format!("{name}, each process"))
            };
            held.into_iter().collect::<Vec<_>>()
        };
        if let Some(set) = &process.max_processes {
            let held = by("pids.max", Resource::Processes, "rlimit NPROC");
            let counted = self.plan.limits.counted.map(|_| "the keeper counts".to_owned());
            let held = held
                .into_iter()
                .map(|by| by.replace("each process", "all processes of the user inside"))
                .chain(counted);
            self.add(&set.origin, format!("{} processes", set.value), held.collect::<Vec<_>>());
        }
        if let Some(set) = &process.max_memory {
            let held = by("memory.max", Resource::Data, "rlimit DATA");
            self.add(&set.origin, format!("{} bytes of memory", set.value), held);
        }
        if let Some(set) = &process.max_cpu_time {
            let held = by("", Resource::CpuTime, "rlimit CPU");
            self.add(&set.origin, format!("{} s of CPU time", seconds(set.value)), held);
        }
        if let Some(set) = &process.max_wall_time {
            let held = ["weft: SIGTERM, two seconds later SIGKILL".to_owned()];
            self.add(&set.origin, format!("{} s of time", seconds(set.value)), held);
        }
        if let Some(set) = &process.max_file_size {
            self.add(
                &set.origin,
                format!("{} bytes a file", set.value),
                by("", Resource::FileSize, "rlimit FSIZE"),
            );
        }
        if let Some(set) = &process.max_open_files {
            self.add(
                &set.origin,
                format!("{} open files", set.value),
                by("", Resource::OpenFiles, "rlimit NOFILE"),
            );
        }
    }

    fn rest(&mut self, policy: &Policy) {
        let built = "environment built anew".to_owned();
        for set in policy.env.allow.iter().chain(&policy.env.deny) {
            self.add(&set.origin, set.value.clone(), [built.clone()]);
        }
        for (name, set) in &policy.env.set {
            self.add(&set.origin, format!("{name}={}", set.value), [built.clone()]);
        }
        for set in policy.tools.allow.iter().chain(&policy.tools.deny) {
            let who = "whoever asks `weft policy why`; the kernel knows no tools".to_owned();
            self.add(&set.origin, set.value.clone(), [who]);
        }
        for inject in &policy.inject {
            let by = self.plan.egress.as_ref().filter(|egress| egress.goes_out());
            let by = by.map(|_| "weft adds it on the way out; the variable does not pass".to_owned());
            self.add(&inject.origin, format!("{} for {}", inject.header, inject.host), by);
        }
        if let Some(file) = &policy.audit.file {
            let level = if policy.audit.level == AuditLevel::All { "every decision" } else { "denials" };
            let by = match self.plan.is_bare() {
                true => format!("weft: {level}; the command can change the file"),
                false => format!("weft, outside: {level}; inside the file does not exist"),
            };
            self.add(&file.origin, shown(&file.value), [by]);
        }
        if let Some(set) = &policy.monitor.calls_per_5s {
            let by = "weft, outside: counts the calls of weft mcp and weft check --serve".to_owned();
            self.add(&set.origin, format!("{} calls in 5 s", set.value), [by]);
        }
        if let Some(set) = &policy.monitor.webhook {
            let by = "weft, outside: sends alerts; what is not delivered is in the log".to_owned();
            self.add(&set.origin, set.value.clone(), [by]);
        }
    }
}

fn is(step: &Step, at: &Path) -> bool {
    matches!(step, Step::Bind { .. } | Step::Private { .. }) && step.path() == at
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// `ro noexec`
pub fn mode(attr: Attr) -> String {
    let write = if attr.has(Attr::READ_ONLY) { "ro" } else { "rw" };
    let exec = if attr.has(Attr::NO_EXEC) { "noexec" } else { "exec" };
    format!("{write} {exec}")
}
