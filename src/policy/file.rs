//! The policy file as it is written: the TOML schema, and mistakes told by line, column and the nearest valid word.
//! Not what it means: `resolve` gives it that.

use super::error::Error;
use super::{AuditLevel, MonitorAction, Must, SandboxType, Syscalls};
use crate::fields::{self, Fields, What};
use crate::rules::schema::nearest;
use crate::words::reason;
use std::fs::{self, File as OsFile};
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;

/// Larger files are refused unread.
pub const MAX_BYTES: u64 = 1024 * 1024;

pub use crate::fields::Text;
pub type List = Option<Vec<Text>>;

#[derive(Debug)]
pub struct File {
    pub version: Spanned<i64>,
    pub agent: Option<Text>,
    pub extends: Vec<Text>,
    pub sandbox: SandboxTable,
    pub filesystem: FilesystemTable,
    pub network: NetworkTable,
    pub process: ProcessTable,
    pub env: EnvTable,
    pub tools: ToolsTable,
    pub audit: AuditTable,
    pub monitor: MonitorTable,
    pub test: Vec<Spanned<TestTable>>,
}

/// Whether the text is no policy but a configuration of the scanner, or nothing.
pub fn is_only_scan(text: &str) -> bool {
    fields::has_only(text, &["scan"])
}

#[derive(Debug, Default)]
pub struct SandboxTable {
    pub kind: Option<Spanned<SandboxType>>,
    pub privileged: Option<Spanned<bool>>,
    pub best_effort: List,
}

#[derive(Debug, Default)]
pub struct FilesystemTable {
    pub read: List,
    pub write: List,
    pub exec: List,
    pub protect: List,
    pub deny: List,
}

#[derive(Debug, Default)]
pub struct NetworkTable {
    pub allow: Vec<Spanned<HostTable>>,
    pub deny: List,
    pub listen: Vec<Spanned<i64>>,
    pub unrestricted: Option<Spanned<bool>>,
    pub max_connections: Option<Spanned<i64>>,
    pub max_bytes_out: Option<Text>,
    pub inject: Vec<Spanned<InjectTable>>,
}

#[derive(Debug)]
pub struct HostTable {
    pub host: Text,
    pub ports: Option<Spanned<Vec<Spanned<i64>>>>,
    pub tls: Option<bool>,
    pub max_connections: Option<Spanned<i64>>,
    pub max_bytes_out: Option<Text>,
    pub rate: Option<Text>,
}

#[derive(Debug)]
pub struct InjectTable {
    pub host: Text,
    pub header: Text,
    pub from: Text,
    pub variable: Option<Text>,
}

#[derive(Debug, Default)]
pub struct ProcessTable {
    pub allow: List,
    pub deny: List,
    pub shell: Option<Spanned<bool>>,
    pub max_processes: Option<Spanned<i64>>,
    pub max_memory: Option<Text>,
    pub max_cpu_time: Option<Text>,
    pub max_wall_time: Option<Text>,
    pub max_file_size: Option<Text>,
    pub max_open_files: Option<Spanned<i64>>,
    pub syscalls: Option<Spanned<Syscalls>>,
}

#[derive(Debug, Default)]
pub struct EnvTable {
    pub allow: List,
    pub deny: List,
    pub set: Vec<(String, Text)>,
}

#[derive(Debug, Default)]
pub struct ToolsTable {
    pub allow: List,
    pub deny: List,
    pub argument: Vec<Spanned<ArgumentTable>>,
}

#[derive(Debug)]
pub struct ArgumentTable {
    pub tool: Text,
    pub name: Text,
    pub must: Option<Must>,
    pub matches: List,
    pub required: Option<bool>,
}

#[derive(Debug, Default)]
pub struct AuditTable {
    pub file: Option<Text>,
    pub level: Option<AuditLevel>,
}

#[derive(Debug, Default)]
pub struct MonitorTable {
    pub calls_per_5s: Option<Spanned<i64>>,
    pub denied_per_minute: Option<Spanned<i64>>,
    pub bytes_out: Option<Text>,
    pub action: Option<MonitorAction>,
    pub webhook: Option<Text>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    Allow,
    Deny,
}

#[derive(Debug)]
pub struct TestTable {
    pub name: Option<String>,
    pub expect: Expect,
    pub read: Option<Text>,
    pub write: Option<Text>,
    pub exec: Option<Text>,
    pub connect: Option<Text>,
    pub tool: Option<Text>,
    pub env: Option<Text>,
}

/// A file's name and where its lines are.
#[derive(Clone, Debug)]
pub struct Lines {
    pub name: Arc<str>,
    text: Arc<str>,
    /// Byte offset of the start of each line.
    starts: Vec<usize>,
}

impl Lines {
    pub fn new(name: &str, text: &str) -> Lines {
        let starts =
            std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect();
        Lines { name: name.into(), text: text.into(), starts }
    }

    /// Line and column, from 1.
    pub fn position(&self, at: usize) -> (u32, u32) {
        let line = self.starts.partition_point(|start| *start <= at);
        let start = line.checked_sub(1).and_then(|line| self.starts.get(line)).copied().unwrap_or(0);
        let column = self.text.get(start..at).map_or(0, |before| before.chars().count()) + 1;
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        (narrow(line.max(1)), narrow(column))
    }

    pub fn line(&self, span: &Range<usize>) -> u32 {
        let line = self.starts.partition_point(|start| *start <= span.start);
        u32::try_from(line.max(1)).unwrap_or(u32::MAX)
    }

    pub fn error(&self, span: &Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Error {
        let (line, column) = self.position(span.start);
        Error { file: self.name.clone(), line, column, message: message.into(), help: help.into() }
    }
}

/// Reads a policy file from disk: regular, small, UTF-8.
pub fn read(name: &str, path: &Path) -> Result<String, Error> {
    let fail = |message: String, help: &str| Error {
        file: name.into(),
        line: 0,
        column: 0,
        message,
        help: help.to_owned(),
    };
    let failed = |error: std::io::Error| {
        let reason = reason(&error);
        let help = if error.kind() == std::io::ErrorKind::NotFound { "check the path" } else { "" };
        fail(format!("cannot read the policy: {reason}"), help)
    };
    // Looked at before it is opened: opening a FIFO would wait for a writer.
    let meta = fs::metadata(path).map_err(failed)?;
    if !meta.is_file() {
        return Err(fail("cannot read the policy: it is not a regular file".into(), "name a file"));
    }
    let mut bytes = Vec::new();
    OsFile::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        let message = format!("the policy is larger than {MAX_BYTES} bytes");
        return Err(fail(message, "split it with `extends`, or name folders instead of files"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let lines = Lines::new(name, &String::from_utf8_lossy(&bytes[..good]));
        lines.error(&(good..good), "the policy is not UTF-8 from here on", "save it as UTF-8")
    })
}

/// The tables and values of a file. `scan`: `weft.toml` of a project is read by the scanner as well; its table is its own business.
pub const KEYS: &[&str] = &[
    "version",
    "agent",
    "extends",
    "sandbox",
    "filesystem",
    "network",
    "process",
    "env",
    "tools",
    "audit",
    "monitor",
    "test",
    "scan",
];

/// Reads the text of a policy. `name` is what errors call it.
pub fn parse(lines: &Lines, text: &str) -> Result<File, Error> {
    let file = fields::read(text, KEYS, file).map_err(|mistake| {
        let (message, help) = explain(&mistake.what);
        lines.error(&mistake.span, message, help)
    })?;
    if *file.version.get_ref() != 1 {
        let message = format!("version is {}", file.version.get_ref());
        return Err(lines.error(&file.version.span(), message, "this weft reads version 1"));
    }
    Ok(file)
}

fn file(top: &mut Fields<'_, '_>) -> File {
    File {
        version: top.must_number("version"),
        agent: top.text("agent"),
        extends: top.list("extends").unwrap_or_default(),
        sandbox: sandbox(top.table("sandbox", &["type", "privileged", "best_effort"])),
        filesystem: filesystem(top.table("filesystem", &["read", "write", "exec", "protect", "deny"])),
        network: network(top),
        process: process(top),
        env: env(top.table("env", &["allow", "deny", "set"])),
        tools: tools(top.table("tools", &["allow", "deny", "argument"])),
        audit: audit(top.table("audit", &["file", "level"])),
        monitor: monitor(
            top.table("monitor", &["calls_per_5s", "denied_per_minute", "bytes_out", "action", "webhook"]),
        ),
        test: tests(top),
    }
}

fn sandbox(mut table: Fields<'_, '_>) -> SandboxTable {
    SandboxTable {
        kind: table.word("type", SandboxType::WORDS).map(|at| placed(&at, &SandboxType::ALL)),
        privileged: table.flag("privileged"),
        best_effort: table.list("best_effort"),
    }
}

fn filesystem(mut table: Fields<'_, '_>) -> FilesystemTable {
    FilesystemTable {
        read: table.list("read"),
        write: table.list("write"),
        exec: table.list("exec"),
        protect: table.list("protect"),
        deny: table.list("deny"),
    }
}

fn network(top: &mut Fields<'_, '_>) -> NetworkTable {
    const KEYS: &[&str] =
        &["allow", "deny", "listen", "unrestricted", "max_connections", "max_bytes_out", "inject"];
    const HOST: &[&str] = &["host", "ports", "tls", "max_connections", "max_bytes_out", "rate"];
    let mut table = top.table("network", KEYS);
    let hosts = table.tables("allow", HOST, "a table, { host = \"…\" }");
    let injects =
        table.tables("inject", &["host", "header", "from", "variable"], "a table, { host = \"…\" }");
    let host = |mut table: Fields<'_, '_>| HostTable {
        host: table.must("host"),
        ports: table.numbers("ports"),
        tls: table.flag("tls").map(Spanned::into_inner),
        max_connections: table.number("max_connections"),
        max_bytes_out: table.text("max_bytes_out"),
        rate: table.text("rate"),
    };
    let inject = |mut table: Fields<'_, '_>| InjectTable {
        host: table.must("host"),
        header: table.must("header"),
        from: table.must("from"),
        variable: table.text("variable"),
    };
    NetworkTable {
        allow: hosts.into_iter().map(|one| Spanned::new(one.span(), host(one))).collect(),
        deny: table.list("deny"),
        listen: table.numbers("listen").map(Spanned::into_inner).unwrap_or_default(),
        unrestricted: table.flag("unrestricted"),
        max_connections: table.number("max_connections"),
        max_bytes_out: table.text("max_bytes_out"),
        inject: injects.into_iter().map(|one| Spanned::new(one.span(), inject(one))).collect(),
    }
}

fn process(top: &mut Fields<'_, '_>) -> ProcessTable {
    const KEYS: &[&str] = &[
        "allow",
        "deny",
        "shell",
        "max_processes",
        "max_memory",
        "max_cpu_time",
        "max_wall_time",
        "max_file_size",
        "max_open_files",
        "syscalls",
    ];
    let mut table = top.table("process", KEYS);
    ProcessTable {
        allow: table.list("allow"),
        deny: table.list("deny"),
        shell: table.flag("shell"),
        max_processes: table.number("max_processes"),
        max_memory: table.text("max_memory"),
        max_cpu_time: table.text("max_cpu_time"),
        max_wall_time: table.text("max_wall_time"),
        max_file_size: table.text("max_file_size"),
        max_open_files: table.number("max_open_files"),
        syscalls: table.word("syscalls", Syscalls::WORDS).map(|at| placed(&at, &Syscalls::ALL)),
    }
}

fn env(mut table: Fields<'_, '_>) -> EnvTable {
    EnvTable { allow: table.list("allow"), deny: table.list("deny"), set: table.texts("set") }
}

fn tools(mut table: Fields<'_, '_>) -> ToolsTable {
    const KEYS: &[&str] = &["tool", "name", "must", "matches", "required"];
    let arguments = table.tables("argument", KEYS, "a table, [[tools.argument]]");
    let argument = |mut table: Fields<'_, '_>| ArgumentTable {
        tool: table.must("tool"),
        name: table.must("name"),
        must: table.word("must", Must::WORDS).map(|at| *placed(&at, &Must::ALL).get_ref()),
        matches: table.list("matches"),
        required: table.flag("required").map(Spanned::into_inner),
    };
    ToolsTable {
        allow: table.list("allow"),
        deny: table.list("deny"),
        argument: arguments.into_iter().map(|one| Spanned::new(one.span(), argument(one))).collect(),
    }
}

fn audit(mut table: Fields<'_, '_>) -> AuditTable {
    let level = table.word("level", &["all", "denied"]);
    AuditTable {
        file: table.text("file"),
        level: level.map(|at| *placed(&at, &[AuditLevel::All, AuditLevel::Denied]).get_ref()),
    }
}

fn monitor(mut table: Fields<'_, '_>) -> MonitorTable {
    let action = table.word("action", &["alert", "pause", "stop"]);
    let all = [MonitorAction::Alert, MonitorAction::Pause, MonitorAction::Stop];
    MonitorTable {
        calls_per_5s: table.number("calls_per_5s"),
        denied_per_minute: table.number("denied_per_minute"),
        bytes_out: table.text("bytes_out"),
        action: action.map(|at| *placed(&at, &all).get_ref()),
        webhook: table.text("webhook"),
    }
}

fn tests(top: &mut Fields<'_, '_>) -> Vec<Spanned<TestTable>> {
    const KEYS: &[&str] = &["name", "expect", "read", "write", "exec", "connect", "tool", "env"];
    let test = |mut table: Fields<'_, '_>| TestTable {
        name: table.text("name").map(Spanned::into_inner),
        expect: [Expect::Allow, Expect::Deny][table.must_word("expect", &["allow", "deny"])],
        read: table.text("read"),
        write: table.text("write"),
        exec: table.text("exec"),
        connect: table.text("connect"),
        tool: table.text("tool"),
        env: table.text("env"),
    };
    let tables = top.tables("test", KEYS, "a table, [[test]]");
    tables.into_iter().map(|one| Spanned::new(one.span(), test(one))).collect()
}

/// The value at the same place as the word. There are as many values as words.
fn placed<T: Copy>(at: &Spanned<usize>, values: &[T]) -> Spanned<T> {
    Spanned::new(at.span(), values[*at.get_ref()])
}

/// A mistake in the words of a policy: what, and what to do.
fn explain(what: &What) -> (String, String) {
    let help = match what {
        What::Key { key: word, known } | What::Word { word, known } => {
            let all = known.join(", ");
            match nearest(word, known) {
                Some(near) => format!("did you mean `{near}`? (valid here: {all})"),
                None => format!("valid here: {all}"),
            }
        }
        What::Missing("version") => "begin the file with `version = 1`".to_owned(),
        What::Missing(_) | What::Type { .. } | What::Syntax(_) => String::new(),
    };
    (what.to_string().replace('\n', ", "), help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse(&Lines::new("p.toml", text), text).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn mistakes_say_where_and_what_is_near() {
        for (text, said) in [
            ("", "p.toml:1:1: `version` is missing: begin the file with `version = 1`"),
            ("version = 2", "p.toml:1:11: version is 2: this weft reads version 1"),
            (
                "version = 1\n[filesystem]\nraed = []",
                "p.toml:3:1: unknown key `raed`: did you mean `read`? (valid here: read, write, exec, protect, deny)",
            ),
            ("version = 1\n[filesytem]", "did you mean `filesystem`?"),
            (
                "version = 1\n[sandbox]\ntype = \"oss\"",
                "p.toml:3:8: unknown value `oss`: did you mean `os`? (valid here: os, wasm, combined, none)",
            ),
            ("version = 1\n[process]\nsyscalls = \"file_worker\"", "did you mean `file-worker`?"),
            ("version = 1\nversion = 1", "p.toml:2:1: duplicate key"),
            (
                "version = 1\n[filesystem]\nread = \"/\"",
                "p.toml:3:8: invalid type: string \"/\", expected a list",
            ),
            ("version = 1\n[network]\nallow = [\"x\"]", "expected a table, { host = \"…\" }"),
            ("version = 1\nä = [", "p.toml:2:6: unclosed array"),
            ("version = 1\n[[test]]\nread = \"/\"", "`expect` is missing"),
        ] {
            assert!(error(text).contains(said), "{text:?}: {}", error(text));
        }
    }

    #[test]
    fn positions_count_characters() {
        let lines = Lines::new("p", "a\näöü = x\n\n");
        assert_eq!(lines.position(0), (1, 1));
        assert_eq!(lines.position(2), (2, 1));
        assert_eq!(lines.position(8), (2, 4));
        assert_eq!(lines.position(1000).0, 4);
    }
}
