//! The log of one run: from what the sandbox sees to audit entries, and what is said of it at the end.

use super::asked;
use super::network;
use super::observed::{self, Target};
use super::prepare::Prepared;
use super::unready;
use crate::audit::{Action, AuditError, Log, OBSERVED, run_id};
use crate::cli::error::{Exit, Failure};
use crate::cli::term::say;
use crate::decimal::fixed;
use crate::egress::{Event as Network, Kind};
use crate::policy::commands::Command;
use crate::policy::{Decision, MonitorAction, Origin, Policy, decide};
use crate::sandbox::denials::Denial;
use crate::sandbox::launch::{self, End, Event};
use crate::sandbox::observe::Asked;
use crate::sandbox::plan::Plan;
use crate::scan::names;
use crate::sys::process::Status;
use crate::words::reason;
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

/// So many programs are written down one by one; a command that starts more only fills the disk.
const PROGRAMS: u64 = 10_000;
/// So many programs are remembered.
const KNOWN: usize = 1_000;
/// A run that took at least this long waits for its log to be on the disk.
const SYNCED: Duration = Duration::from_millis(100);
/// So many denials are told at the end of a run whose policy keeps no file.
const TOLD: usize = 10;

pub struct Recorder<'a> {
    pub(super) policy: &'a Policy,
    pub(super) log: Log,
    run: String,
    began: Instant,
    denied: u64,
    programs: u64,
    questions: u64,
    /// What was decided about a file under this name, so that a program that starts often is looked into once.
    known: HashMap<PathBuf, ((u64, u64), Decision)>,
    /// Say what happens on the network as it happens.
    pub net_log: bool,
    /// Everything that is asked for is written down.
    observed: bool,
    /// Rules, and the programs that were told to have looked at what they cover.
    looked: HashSet<(Option<Origin>, PathBuf)>,
    /// The command has started.
    started: bool,
    limits: Vec<(&'static str, Option<String>)>,
    /// Why the log could not go on.
    broken: Option<AuditError>,
    /// What the monitor stopped the run for.
    halted: Option<String>,
    /// Why a WebAssembly program did not end by itself.
    trap: Option<String>,
}

impl<'a> Recorder<'a> {
    /// No log, no run.
    pub fn open(policy: &'a Policy, plan: &Plan) -> Result<Self, Failure> {
        let run = run_id().map_err(|error| unready("read /dev/urandom", &error))?;
        let log = Log::open(policy, &run).map_err(|error| {
            let what = format!("no log, no run: cannot {} it: {}", error.doing, reason(&error.source));
            let at = names::escape(error.path.as_os_str().as_encoded_bytes());
            Failure::usage(what, at, "make it writable for you, or name another one in [audit] file")
        })?;
        debug_assert_eq!(plan.agent, policy.agent);
        Ok(Self {
            policy,
            log,
            run,
            began: Instant::now(),
            denied: 0,
            programs: 0,
            questions: 0,
            known: HashMap::new(),
            net_log: false,
            observed: plan.calls.observe,
            looked: HashSet::new(),
            started: false,
            limits: Vec::new(),
            broken: None,
            halted: None,
            trap: None,
        })
    }

    /// Who runs what, under which policy, held by what.
    pub fn begin(&mut self, prepared: &Prepared, plan: &Plan, words: &[OsString]) -> Result<(), Failure> {
        let command: Vec<String> = words.iter().map(|word| names::escape(word.as_encoded_bytes())).collect();
        let start = names::escape(prepared.start.as_os_str().as_encoded_bytes());
        let policy = self.policy;
        let begun = [
            (Action::Start, command.join(" "), format!("in {start}, weft {}", env!("CARGO_PKG_VERSION"))),
            (Action::Policy, prepared.name.clone(), format!("sha256 {}", policy.hash)),
        ];
        for (action, target, why) in begun {
            let kept = self.log.record(action, &target, true, &why, None);
            kept.map_err(|error| stopped(&error, "nothing was run"))?;
        }
        self.enforced_by(plan)?;
        if !self.observed {
            return Ok(());
        }
        self.log.keep_all();
        let why = "files, programs and connections are written down as they are asked for";
        let kept = self.log.record(Action::Enforcement, OBSERVED, true, why, None);
        kept.map_err(|error| stopped(&error, "nothing was run"))
    }

    /// The id of the run.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The level and the walls, and what they leave open.
    pub fn enforced_by(&mut self, plan: &Plan) -> Result<(), Failure> {
        let walls = super::explain::walls(plan);
        let mut kept = self.log.record(Action::Enforcement, super::explain::level(plan), true, &walls, None);
        for (origin, why) in &plan.unenforced {
            kept = kept.and_then(|()| {
                self.log.record(Action::Enforcement, origin.key, false, why, Some(origin.to_string()))
            });
        }
        kept.map_err(|error| stopped(&error, "nothing was run"))
    }

    /// The walls that were planned could not be built.
    pub fn without_namespaces(&mut self, why: &str) -> Result<(), Failure> {
        let kept = self.log.record(Action::Enforcement, "namespaces", false, why, None);
        kept.map_err(|error| stopped(&error, "nothing was run"))
    }

    /// There will be no run.
    pub fn not_started(&mut self, why: &str) -> Result<(), Failure> {
        let kept = self.log.record(Action::Exit, "not started", false, why, None);
        kept.map_err(|error| stopped(&error, "nothing was run"))
    }

    /// What the sandbox sees. An error here ends the run.
    pub fn witness(&mut self, event: Event) -> io::Result<()> {
        let kept = match event {
            Event::Started => {
                self.started = true;
                Ok(())
            }
            Event::Refused { call, args, .. } => {
                self.denied += 1;
                let profile = self.policy.process.syscalls.as_str();
                let reason = format!("the system call profile `{profile}` refuses it");
                let rule = self.policy.process.syscalls_origin.as_ref().map(Origin::to_string);
                self.log.record(Action::Syscall, &shown_call(call, args), false, &reason, rule)
            }
            Event::Exec { program, pid } => self.program(&program, pid),
            // In a run that is observed it is asked about as everything is.
            Event::File { .. } if self.observed => Ok(()),
            Event::File { path, write, .. } => self.file(&path, write),
            Event::Asked(asked) => self.asked(&asked),
            Event::Untold(more) => {
                let why = format!("{more} more that was asked for is not listed");
                self.log.record(Action::Limit, OBSERVED, true, &why, None)
            }
            Event::Network(event) => self.network(&event),
            Event::Landlock(denial) => self.landlock(&denial),
            Event::Limit(limit) => self.record_limit(limit),
            Event::Question(question) => {
                self.questions += 1;
                asked::answer(self, self.questions - 1, &question)
            }
            Event::Trap(text) => {
                self.trap.get_or_insert(names::escape(text.as_bytes()));
                Ok(())
            }
        };
        kept.map_err(|error| {
            let kind = error.source.kind();
            self.broken = Some(error);
            io::Error::from(kind)
        })?;
        self.alerts()
    }

    /// Says what the monitor found. A run cannot be paused, so that it is stopped for that too.
    fn alerts(&mut self) -> io::Result<()> {
        let (alerts, action) = self.log.alerts();
        alerts.iter().for_each(|alert| {
            say(&format!("alert: {}: {}", alert.kind, names::escape(alert.text.as_bytes())))
        });
        match alerts.first() {
            Some(alert) if action != MonitorAction::Alert => {
                self.halted = Some(alert.text.clone());
                Err(io::Error::other("stopped by the monitor"))
            }
            _ => Ok(()),
        }
    }

    /// What is not there at all is a step of somebody's search along PATH, and nothing to tell.
    fn program(&mut self, program: &Path, pid: i32) -> Result<(), AuditError> {
        let Some(decision) = self.decide(program, pid) else { return Ok(()) };
        self.started = true;
        self.programs += 1;
        self.denied += u64::from(!decision.allowed);
        if self.programs > PROGRAMS {
            return Ok(());
        }
        let target = names::escape(program.as_os_str().as_encoded_bytes());
        if !self.observed {
            return self.log.decided(Action::Exec, &target, &decision);
        }
        // Before the program starts it is still the one that starts it.
        let by = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        self.log.asked(Action::Exec, &target, &decision, &names::escape(by.as_os_str().as_encoded_bytes()))
    }

    /// What a program asked for, in a run that is observed.
    fn asked(&mut self, asked: &Asked) -> Result<(), AuditError> {
        let Some(entry) = observed::entry(self.policy, &asked.what) else { return Ok(()) };
        let decision = entry.decision;
        if entry.looked && decision.allowed {
            // That something under a rule was looked at is a use of the rule. What it was matters for a tool that looks into its own
            // folder, not for the thousands of names that a shell or git looks at in the system's and in the workspace.
            let shipped = decision.rule.as_ref().is_some_and(|rule| rule.file.starts_with("builtin:"));
            let common = match &entry.target {
                Target::Path(path) => shipped || path.starts_with(&self.policy.places.workspace),
                Target::Address(_) => false,
            };
            if common && !self.looked.insert((decision.rule.clone(), asked.by.clone())) {
                return Ok(());
            }
        }
        self.denied += u64::from(!decision.allowed && !entry.looked);
        let target = match entry.target {
            Target::Path(path) => names::escape(path.as_os_str().as_encoded_bytes()),
            Target::Address(address) => address.to_string(),
        };
        let by = names::escape(asked.by.as_os_str().as_encoded_bytes());
        self.log.asked(entry.action, &target, &decision, &by)
    }

    /// A file that was refused. The line that decides is named where the policy has one.
    fn file(&mut self, path: &Path, write: bool) -> Result<(), AuditError> {
        self.denied += 1;
        let (action, decision) = match write {
            true => (Action::Write, decide::write(self.policy, path)),
            false => (Action::Read, decide::read(self.policy, path)),
        };
        let target = names::escape(path.as_os_str().as_encoded_bytes());
        match decision.allowed {
            false => self.log.decided(action, &target, &decision),
            true => self.log.record(action, &target, false, "nobody inside may change that name", None),
        }
    }

    /// A connection at its end, or a refusal. That one has begun is only for who watches.
    fn network(&mut self, event: &Network) -> Result<(), AuditError> {
        if self.net_log {
            say(&network::line(event));
        }
        let rule = event.rule.as_ref().map(Origin::to_string);
        match event.kind {
            Kind::Opened => Ok(()),
            Kind::Closed => {
                self.log.record(event.action, &event.target, true, &network::account(event), rule)
            }
            Kind::Refused => {
                self.denied += 1;
                self.log.record(event.action, &event.target, false, &event.reason, rule)
            }
            Kind::Untold => {
                let why = format!("{} more connections and refusals are not listed", event.sent);
                self.log.record(Action::Limit, "network", true, &why, None)
            }
        }
    }

    /// What Landlock refused, in the kernel's words.
    fn landlock(&mut self, denial: &Denial) -> Result<(), AuditError> {
        self.denied += 1;
        let path = &denial.object;
        let right = denial.blockers.split(',').next().unwrap_or_default();
        let (action, decision) = match right {
            "fs.execute" => (Action::Exec, None),
            "fs.read_file" | "fs.read_dir" => (Action::Read, Some(decide::read(self.policy, path))),
            _ if right.starts_with("fs.") => (Action::Write, Some(decide::write(self.policy, path))),
            "net.bind_tcp" => (Action::Listen, None),
            _ if right.starts_with("net.") => (Action::Connect, None),
            _ => (Action::Syscall, None),
        };
        let target = names::escape(path.as_os_str().as_encoded_bytes());
        let rule = decision.filter(|decision| !decision.allowed).and_then(|decision| decision.rule);
        let rule = rule.map(|rule| rule.to_string());
        self.log.record(action, &target, false, &format!("Landlock: {}", denial.blockers), rule)
    }

    fn decide(&mut self, program: &Path, pid: i32) -> Option<Decision> {
        let file = fs::metadata(program).ok().map(|meta| (meta.dev(), meta.ino()));
        if let (Some(file), Some((known, decision))) = (file, self.known.get(program))
            && file == *known
        {
            return Some(decision.clone());
        }
        let decision = decide::exec(self.policy, &locate(self.policy, program, pid)?);
        // In /proc the same name is another file for everyone.
        if let Some(file) = file.filter(|_| self.known.len() < KNOWN && !program.starts_with("/proc")) {
            self.known.insert(program.to_owned(), (file, decision.clone()));
        }
        Some(decision)
    }

    fn record_limit(&mut self, limit: &'static str) -> Result<(), AuditError> {
        let rule = self.origin(limit);
        self.limits.push((limit, rule.clone()));
        self.log.record(Action::Limit, limit, false, "it was reached", rule)
    }

    /// A WebAssembly module is about to be read; false where the policy does not let it run.
    #[cfg(feature = "wasm")]
    pub fn module(&mut self, module: &super::module::Module) -> Result<bool, Failure> {
        let decision = decide::module(self.policy, &module.command);
        self.denied += u64::from(!decision.allowed);
        let target = names::escape(module.path.as_os_str().as_encoded_bytes());
        let kept = self.log.decided(Action::Exec, &target, &decision);
        kept.map_err(|error| stopped(&error, "nothing was run")).map(|()| decision.allowed)
    }

    /// Why a WebAssembly program did not end by itself.
    pub fn trap(&self) -> Option<&str> {
        self.trap.as_deref()
    }

    /// A limit that showed only in how the command ended.
    pub fn limit(&mut self, limit: &'static str) -> Result<(), Failure> {
        self.record_limit(limit).map_err(|error| stopped(&error, "the run has ended"))
    }

    pub fn limits(&self) -> &[(&'static str, Option<String>)] {
        &self.limits
    }

    /// The line that sets a limit.
    fn origin(&self, limit: &str) -> Option<String> {
        let process = &self.policy.process;
        let set = match limit {
            "process.max_processes" => process.max_processes.as_ref().map(|set| &set.origin),
            "process.max_memory" => process.max_memory.as_ref().map(|set| &set.origin),
            "process.max_cpu_time" => process.max_cpu_time.as_ref().map(|set| &set.origin),
            "process.max_wall_time" => process.max_wall_time.as_ref().map(|set| &set.origin),
            "process.max_file_size" => process.max_file_size.as_ref().map(|set| &set.origin),
            _ => None,
        };
        set.map(Origin::to_string)
    }

    pub fn end(&mut self, end: End) -> Result<(), Failure> {
        let target = match end {
            End::Command(Status::Exited(code)) => format!("code {code}"),
            End::Command(Status::Killed(signal) | Status::Stopped(signal)) => format!("signal {signal}"),
            End::NotFound => "not found".to_owned(),
            End::NotExecutable(_) => "not executable".to_owned(),
            End::TimedOut => "time was up".to_owned(),
        };
        let untold = match self.programs.saturating_sub(PROGRAMS) {
            0 => String::new(),
            more => format!(", {more} programs more than are listed"),
        };
        let ran = self.began.elapsed();
        let ran_for = fixed(u64::try_from(ran.as_micros()).unwrap_or(u64::MAX), 1_000_000, 3);
        let trap = self.trap.as_ref().map(|trap| format!(": {trap}")).unwrap_or_default();
        let why = format!("after {ran_for} s, {} denied{untold}{trap}", self.denied);
        let kept = self.log.record(Action::Exit, &target, true, &why, None);
        let kept = kept.and_then(|()| if ran < SYNCED { Ok(()) } else { self.log.sync() });
        kept.map_err(|error| stopped(&error, "the run has ended, its end is not in the log"))
    }

    /// The run could not be set up, or not go on.
    pub fn failed(&mut self, error: &launch::Error) -> Failure {
        if let Some(broken) = &self.broken {
            return stopped(broken, "the run was stopped");
        }
        if let Some(text) = &self.halted {
            let _ = self.log.record(Action::Exit, "stopped", false, "by the monitor", None);
            let what = format!("the run was stopped by the monitor: {}", names::escape(text.as_bytes()));
            let fix = "larger thresholds in [monitor], if this is as it should be";
            return Failure { exit: Exit::Run(125), ..Failure::usage(what, "", fix) };
        }
        // The log says that there was no run; if even that fails, the failure at hand is the one to tell.
        let _ = self.log.record(
            Action::Exit,
            if self.started { "stopped" } else { "not started" },
            false,
            &error.text,
            None,
        );
        let happened = match self.started {
            true => "the run was stopped, the sandbox could not go on",
            false => "the sandbox could not be set up, nothing was run",
        };
        let what = format!("{happened}: {}", launch::why(error));
        let fix = match (error.errno, error.step.as_str()) {
            (0 | libc::ENOENT | libc::ENOTDIR | libc::ELOOP, "mount") => {
                "the path changed since the policy was read: run it again"
            }
            (libc::ENOSPC, "mount") => "too many mounts: name folders instead of the files in them",
            (libc::EACCES | libc::EROFS, "hold the denied name") => {
                "make the folder above it, or leave the writable place out"
            }
            _ => "",
        };
        let at = names::escape(error.path.as_os_str().as_encoded_bytes());
        Failure { exit: Exit::Run(125), ..Failure::usage(what, at, fix) }
    }

    /// How to find out why a command is not there, when a look at the policy tells.
    pub fn hint(&self) -> String {
        if self.denied > 0 {
            String::new()
        } else {
            ": `weft policy why exec CMD` says which line decides".to_owned()
        }
    }

    /// One line about what was denied and where it is written down.
    pub fn say_denied(&self) {
        let count = match self.denied {
            0 => return,
            1 => "1 denial".to_owned(),
            more => format!("{more} denials"),
        };
        if self.log.file_path().is_some() {
            return say(&format!(
                "{count}; what, and what would allow it: weft audit show --denied --run {}",
                self.run
            ));
        }
        say(&format!("{count}; the policy keeps no log ([audit] file)"));
        for entry in self.log.ring().iter().filter(|entry| !entry.allowed).take(TOLD) {
            say(&format!("denied {} {}: {}", entry.action.as_str(), entry.target, entry.reason));
        }
    }
}

/// `16` hex digits that tell this run from others.
fn stopped(error: &AuditError, what: &str) -> Failure {
    let fix = match error.source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on the disk",
        _ => "make it writable for you, or name another one in [audit] file",
    };
    let text = format!("{what}: cannot {} the audit log: {}", error.doing, reason(&error.source));
    let at = names::escape(error.path.as_os_str().as_encoded_bytes());
    Failure { exit: Exit::Run(125), ..Failure::usage(text, at, fix) }
}

/// `ptrace(0x10, 0x2a, 0x0, 0x0)`: four arguments tell what was meant.
fn shown_call(call: &str, args: [u64; 6]) -> String {
    let args: Vec<String> = args.iter().take(4).map(|arg| format!("{arg:#x}")).collect();
    format!("{call}({})", args.join(", "))
}

/// The program as the policy's rules see it; None if there is none to start.
fn locate(policy: &Policy, program: &Path, pid: i32) -> Option<Command> {
    let own = ["/proc/self", "/proc/thread-self"].iter().find_map(|own| program.strip_prefix(own).ok());
    let program =
        own.map_or_else(|| program.to_owned(), |rest| Path::new("/proc").join(pid.to_string()).join(rest));
    let asked = program.to_string_lossy().into_owned();
    let executable = |path: &Path| {
        fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    if policy.filesystem.read_rule(&program).is_some_and(|rule| rule.private) {
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        let inside = root.join(program.strip_prefix("/").unwrap_or(&program));
        // The call waits for weft, but at the level `fallback` for the keeper alone: the process may have ended since. There the
        // folder is the host's.
        let there = executable(&inside) || (!root.exists() && executable(&program));
        // A link in there is followed on the host; then the walls decide, and the log says what was asked.
        return there.then(|| Command { asked, found: Some(program.clone()), real: Some(program) });
    }
    if !executable(&program) {
        return None;
    }
    let plain = program.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let found = plain.then(|| program.clone());
    Some(Command { asked, found, real: fs::canonicalize(&program).ok() })
}
