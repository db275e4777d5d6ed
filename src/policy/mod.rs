//! What an agent may do: the policy file, resolved to values that every enforcement and every explanation obeys.
//! Not how a rule is enforced: that is `sandbox`, which reads these types and can neither widen nor forget them.
//!
//! `file` is the TOML schema, `resolve` turns files into a [`Policy`], `decide` answers questions about it.

mod ask;
pub mod builtin;
mod canonical;
pub mod commands;
pub mod decide;
pub mod diff;
pub mod effective;
pub mod error;
mod file;
pub mod find;
pub mod git;
pub mod host;
mod idna;
#[cfg(not(target_family = "wasm"))]
pub mod learn;
pub mod lint;
mod load;
pub mod path;
pub mod report;
mod resolve;
pub mod secrets;
#[cfg(not(target_family = "wasm"))]
pub mod tighten;
pub mod units;
pub mod vars;

pub use ask::ask;
pub use decide::Decision;
pub use error::{Error, Errors};
pub use file::{KEYS, is_only_scan};
use host::{HostPattern, Ports};
pub use load::{Disk, Files, is_path};
use path::{Glob, PathRule, PathRules};
pub use resolve::{
    choose, default_whole, endpoint, load, load_default, load_text, load_whole, webhook_fault,
};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The line of a policy that a rule comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// As the user named the file; `builtin:base` for one that weft ships.
    pub file: Arc<str>,
    /// From 1; 0 for a rule that weft adds by itself.
    pub line: u32,
    /// The key with its table: `filesystem.read`.
    pub key: &'static str,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return write!(f, "{}: {}", self.file, self.key);
        }
        write!(f, "{}:{}: {}", self.file, self.line, self.key)
    }
}

/// A scalar of the policy with the line that set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set<T> {
    pub value: T,
    pub origin: Origin,
}

/// A policy with everything resolved: parents merged, variables replaced, globs and symlinks followed once.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The name in the audit log.
    pub agent: String,
    pub sandbox: Sandbox,
    pub filesystem: Filesystem,
    pub network: Network,
    pub process: Process,
    pub env: Env,
    pub inject: Vec<Inject>,
    pub tools: Tools,
    pub audit: Audit,
    pub monitor: Monitor,
    pub tests: Vec<Test>,
    /// What the variables stood for.
    pub places: vars::Places,
    /// The files it was made from, parents first; `builtin:` names included.
    pub sources: Vec<Source>,
    /// What was skipped or is worth saying once, in the order it was met.
    pub notes: Vec<Note>,
    /// SHA-256 over the canonical form of all of the above that decides anything, in hex.
    pub hash: String,
}

/// A file that went into a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub name: Arc<str>,
    /// Where it is on disk; none for a built-in one.
    pub path: Option<PathBuf>,
}

/// Something about a policy that is no error: a path that does not exist, a command that is not installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub origin: Origin,
    pub text: String,
}

/// How a command is confined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SandboxType {
    /// The kernel of the host.
    Os,
    /// A WebAssembly runtime.
    Wasm,
    /// A WebAssembly runtime inside the kernel's sandbox.
    Combined,
    /// Nothing; only with `privileged = true`.
    None,
}

impl SandboxType {
    pub(super) const ALL: [SandboxType; 4] =
        [SandboxType::Os, SandboxType::Wasm, SandboxType::Combined, SandboxType::None];
    /// As a policy names them, in the same order.
    pub(super) const WORDS: &[&str] = &["os", "wasm", "combined", "none"];
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// What the policy asks for, if it does. What it gets on this platform says [`effective::sandbox_type`].
    pub kind: Option<Set<SandboxType>>,
    pub privileged: Option<Set<bool>>,
    /// Names of rules (from [`BEST_EFFORT`]) that may go unenforced.
    pub best_effort: Vec<Set<&'static str>>,
}

impl Sandbox {
    /// Whether the policy allows the rule of this name to go unenforced.
    pub fn tolerates(&self, rule: &str) -> bool {
        self.best_effort.iter().any(|set| set.value == rule)
    }
}

/// The rule names that `sandbox.best_effort` may list: each is a promise that some kernel cannot keep.
pub const BEST_EFFORT: &[&str] = &[
    "sandbox.type",
    "filesystem.read",
    "filesystem.write",
    "filesystem.exec",
    "filesystem.deny",
    "network",
    "network.allow",
    "network.deny",
    "network.listen",
    "network.udp",
    "network.unix",
    "process.allow",
    "process.deny",
    "process.shell",
    "process.isolation",
    "process.signals",
    "process.max_processes",
    "process.max_memory",
    "process.max_cpu_time",
    "process.max_wall_time",
    "process.max_file_size",
    "process.max_open_files",
    "process.syscalls",
];

/// What may be done with files. `write` and `exec` include reading; `deny` beats all three.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filesystem {
    pub read: PathRules,
    pub write: PathRules,
    /// When the policy names none: what `read` covers and `write` does not, see `exec_is_default`.
    /// A path below a `write` rule is executable only when an `exec` rule stands at or below that `write` rule:
    /// ask [`Filesystem::exec_rule`].
    pub exec: PathRules,
    pub exec_is_default: bool,
    /// The entries of the three with `*` in them, as they were before they were expanded.
    pub patterns: Vec<Pattern>,
    pub deny: Vec<DenyPath>,
    /// Deny patterns with `*`. What they matched at resolve time is in `deny` as well; this is for what comes later.
    pub deny_globs: Vec<DenyGlob>,
    /// Never writable though below a `write` rule: what `protect` names, and the policy's own files, so that a run
    /// cannot widen the next. Reading stays as the other rules have it.
    pub protected: Vec<DenyPath>,
}

/// A path that nothing inside may read, write or execute, whether it exists yet or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenyPath {
    /// As the policy says, variables replaced, symlinks not followed.
    pub written: PathBuf,
    /// Symlinks followed as far as the path exists.
    pub path: PathBuf,
    /// None: it does not exist (yet), and must not come to be.
    pub kind: Option<path::Kind>,
    pub id: Option<path::FileId>,
    /// The `write` rule below which it stands, if any. Then it takes more than a mask on the path itself: a process
    /// that can rename a folder above it (below the write rule) can put another one in its place, and, when it does
    /// not exist, can make it.
    pub creatable: Option<Origin>,
    pub origin: Origin,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenyGlob {
    pub glob: Glob,
    /// The `write` rule below which a process could make a new match, if there is one.
    pub creatable: Option<Origin>,
    pub origin: Origin,
}

/// A `read`, `write` or `exec` entry with `*`; the key is in its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pub glob: Glob,
    pub origin: Origin,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    pub mode: NetworkMode,
    /// Empty unless `mode` is `Hosts`.
    pub allow: Vec<HostRule>,
    /// Only ever narrows `allow`: with `Unrestricted` a policy with `deny` is refused, for nothing would hold it.
    pub deny: Vec<Set<HostPattern>>,
    /// Ports inside that the host's loopback may reach.
    pub listen: Vec<Set<u16>>,
    /// Connections to the outside at one time.
    pub max_connections: Option<Set<u64>>,
    /// Bytes to the outside in a whole run.
    pub max_bytes_out: Option<Set<u64>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NetworkMode {
    /// No `[network]` table, or one that allows nothing.
    #[default]
    None,
    /// Only what `allow` names.
    Hosts,
    /// `unrestricted = true`: the network of the host.
    Unrestricted(Origin),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRule {
    pub host: HostPattern,
    pub ports: Ports,
    /// The first bytes must be a TLS hello for this very host.
    pub tls: bool,
    /// Connections by this rule at one time.
    pub max_connections: Option<u64>,
    /// Bytes to the outside by this rule in a whole run.
    pub max_bytes_out: Option<u64>,
    /// Bytes to the outside by this rule in a second.
    pub rate: Option<u64>,
    pub origin: Origin,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// None: any command that `filesystem.exec` covers.
    pub allow: Option<Vec<CommandRule>>,
    pub deny: Vec<CommandRule>,
    /// False: no shell may be executed.
    pub shell: bool,
    pub shell_origin: Option<Origin>,
    /// Where shells are on this machine, if `shell` is false.
    pub shells: Vec<PathBuf>,
    pub max_processes: Option<Set<u64>>,
    /// Bytes.
    pub max_memory: Option<Set<u64>>,
    pub max_cpu_time: Option<Set<Duration>>,
    pub max_wall_time: Option<Set<Duration>>,
    /// Bytes.
    pub max_file_size: Option<Set<u64>>,
    pub max_open_files: Option<Set<u64>>,
    pub syscalls: Syscalls,
    pub syscalls_origin: Option<Origin>,
}

/// A command by name (found on PATH when the policy was resolved) or by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRule {
    /// `git`, or the path as written with variables replaced.
    pub name: String,
    /// Every place on PATH where the name was found, or what the path (a file, a folder, a glob) covers; each both as
    /// found and with symlinks followed. Empty: not on this machine.
    pub paths: Vec<PathBuf>,
    pub origin: Origin,
}

/// The seccomp profiles, narrowest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Syscalls {
    ReadOnly,
    FileWorker,
    Network,
    /// A deny-list by capability class; what a policy gets that says nothing.
    #[default]
    Agent,
}

impl Syscalls {
    pub(super) const ALL: [Syscalls; 4] =
        [Syscalls::ReadOnly, Syscalls::FileWorker, Syscalls::Network, Syscalls::Agent];
    /// As a policy names them, in the same order.
    pub(super) const WORDS: &[&str] = &["readonly", "file-worker", "network", "agent"];

    /// As a policy names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Syscalls::ReadOnly => "readonly",
            Syscalls::FileWorker => "file-worker",
            Syscalls::Network => "network",
            Syscalls::Agent => "agent",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Env {
    /// Patterns with `*`.
    pub allow: Vec<Set<String>>,
    pub deny: Vec<Set<String>>,
    pub set: BTreeMap<String, Set<String>>,
}

/// A secret that stays outside and is added on the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inject {
    pub host: HostPattern,
    pub header: String,
    /// The variable of weft's own environment that holds the value.
    pub from_env: String,
    /// The variable inside that says where the host is reached without the secret.
    pub variable: Option<String>,
    pub origin: Origin,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tools {
    /// Patterns with `*`.
    pub allow: Vec<Set<String>>,
    pub deny: Vec<Set<String>>,
    pub arguments: Vec<Argument>,
}

/// What an argument of a tool may be. Only ever narrows what `allow` allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// The tools it is about, with `*`.
    pub tool: String,
    /// Its name; a dot leads into an object.
    pub name: String,
    /// What the policy has to allow with its value, or with each of a list.
    pub must: Option<Must>,
    /// Patterns with `*`, one of which its value, or each of a list, has to be.
    pub matches: Option<Vec<String>>,
    /// A call without it is denied.
    pub required: bool,
    pub origin: Origin,
}

/// What an argument is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Must {
    Read,
    Write,
    Exec,
    /// `host:port`, or a URL.
    Connect,
}

impl Must {
    pub(super) const ALL: [Must; 4] = [Must::Read, Must::Write, Must::Exec, Must::Connect];
    /// As a policy names them, in the same order.
    pub(super) const WORDS: &[&str] = &["read", "write", "exec", "connect"];

    /// As a policy names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Must::Read => "read",
            Must::Write => "write",
            Must::Exec => "exec",
            Must::Connect => "connect",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// None: in memory only.
    pub file: Option<Set<PathBuf>>,
    pub level: AuditLevel,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuditLevel {
    #[default]
    All,
    Denied,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Monitor {
    pub calls_per_5s: Option<Set<u32>>,
    pub denied_per_minute: Option<Set<u32>>,
    /// Of a run.
    pub bytes_out: Option<Set<u64>>,
    pub action: MonitorAction,
    /// Where alerts are sent: an `https` address, an `http` one of this machine, or `env:NAME` for a variable of weft's own that holds
    /// one.
    pub webhook: Option<Set<String>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MonitorAction {
    #[default]
    Alert,
    Pause,
    Stop,
}

/// An assertion of `[[test]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// As given, or made of the question.
    pub name: String,
    pub allow: bool,
    pub question: Question,
    pub origin: Origin,
}

/// Something an agent wants to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    Read(PathBuf),
    Write(PathBuf),
    /// A name on PATH or a path.
    Exec(String),
    Connect {
        host: String,
        port: u16,
    },
    Tool(String),
    Env(String),
}

impl Filesystem {
    /// The rule that lets the path be written, deny aside. A place of the host inside the private temporary folder is
    /// not writable because that folder is.
    pub fn write_rule(&self, path: &Path) -> Option<&PathRule> {
        write_rule(path, &self.write, [&self.read, &self.exec])
    }

    /// The rule that lets the path be executed, deny aside.
    pub fn exec_rule(&self, path: &Path) -> Option<&PathRule> {
        let exec = self.exec.covering(path)?;
        match self.write_rule(path) {
            Some(write) if !path::within(&exec.path, &write.path) => None,
            _ => Some(exec),
        }
    }

    /// The closest rule that lets the path be read, deny aside.
    pub fn read_rule(&self, path: &Path) -> Option<&PathRule> {
        let all = [&self.read, &self.write, &self.exec];
        // Of equal rules the first counts: `read` is what a reader of the policy looks for.
        all.into_iter()
            .rev()
            .filter_map(|rules| rules.covering(path))
            .max_by_key(|rule| rule.path.as_os_str().len())
    }
}

fn write_rule<'r>(path: &Path, write: &'r PathRules, others: [&PathRules; 2]) -> Option<&'r PathRule> {
    let write = write.covering(path)?;
    let host = |rules: &PathRules| {
        rules.covering(path).is_some_and(|rule| !rule.private && path::within(&rule.path, &write.path))
    };
    let hidden = write.private && others.into_iter().any(host);
    (!hidden).then_some(write)
}

impl Question {
    /// `read`, `connect` and so on.
    pub const fn verb(&self) -> &'static str {
        match self {
            Question::Read(_) => "read",
            Question::Write(_) => "write",
            Question::Exec(_) => "exec",
            Question::Connect { .. } => "connect",
            Question::Tool(_) => "tool",
            Question::Env(_) => "env",
        }
    }
}
