//! The policy file as it is written: the TOML schema, and mistakes told by line, column and the nearest valid word.
//! Not what it means: `resolve` gives it that.

use super::error::{Error, reason};
use super::{AuditLevel, MonitorAction, SandboxType, Syscalls};
use crate::rules::schema::nearest;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::fs::{self, File as OsFile};
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;

/// Larger files are refused unread.
pub const MAX_BYTES: u64 = 1024 * 1024;

pub type Text = Spanned<String>;
pub type List = Option<Vec<Text>>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub version: Spanned<i64>,
    pub agent: Option<Text>,
    #[serde(default)]
    pub extends: Vec<Text>,
    #[serde(default)]
    pub sandbox: SandboxTable,
    #[serde(default)]
    pub filesystem: FilesystemTable,
    #[serde(default)]
    pub network: NetworkTable,
    #[serde(default)]
    pub process: ProcessTable,
    #[serde(default)]
    pub env: EnvTable,
    #[serde(default)]
    pub tools: ToolsTable,
    #[serde(default)]
    pub audit: AuditTable,
    #[serde(default)]
    pub monitor: MonitorTable,
    #[serde(default)]
    pub test: Vec<Spanned<TestTable>>,
    /// `weft.toml` of a project is read by the scanner as well; its table is its own business.
    #[serde(default)]
    #[allow(dead_code)]
    pub scan: IgnoredAny,
}

/// What a `weft.toml` is that only configures the scanner.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OnlyScan {
    #[serde(default)]
    #[allow(dead_code)]
    scan: IgnoredAny,
}

/// Whether the text is no policy but a configuration of the scanner, or nothing.
pub fn is_only_scan(text: &str) -> bool {
    toml::from_str::<OnlyScan>(text).is_ok()
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxTable {
    #[serde(rename = "type")]
    pub kind: Option<Spanned<SandboxType>>,
    pub privileged: Option<Spanned<bool>>,
    pub best_effort: List,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesystemTable {
    pub read: List,
    pub write: List,
    pub exec: List,
    pub protect: List,
    pub deny: List,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkTable {
    #[serde(default)]
    pub allow: Vec<Spanned<HostTable>>,
    pub deny: List,
    #[serde(default)]
    pub listen: Vec<Spanned<i64>>,
    pub unrestricted: Option<Spanned<bool>>,
    pub max_connections: Option<Spanned<i64>>,
    pub max_bytes_out: Option<Text>,
    #[serde(default)]
    pub inject: Vec<Spanned<InjectTable>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostTable {
    pub host: Text,
    pub ports: Option<Spanned<Vec<Spanned<i64>>>>,
    pub tls: Option<bool>,
    pub max_connections: Option<Spanned<i64>>,
    pub max_bytes_out: Option<Text>,
    pub rate: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InjectTable {
    pub host: Text,
    pub header: Text,
    pub from: Text,
    pub variable: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
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

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvTable {
    pub allow: List,
    pub deny: List,
    #[serde(default)]
    pub set: BTreeMap<String, Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolsTable {
    pub allow: List,
    pub deny: List,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditTable {
    pub file: Option<Text>,
    pub level: Option<AuditLevel>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitorTable {
    pub calls_per_5s: Option<Spanned<i64>>,
    pub action: Option<MonitorAction>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    Allow,
    Deny,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
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
        self.position(span.start).0
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

/// Reads the text of a policy. `name` is what errors call it.
pub fn parse(lines: &Lines, text: &str) -> Result<File, Error> {
    let file: File = toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        let (message, help) = explain(error.message());
        lines.error(&span, message, help)
    })?;
    if *file.version.get_ref() != 1 {
        let message = format!("version is {}", file.version.get_ref());
        return Err(lines.error(&file.version.span(), message, "this weft reads version 1"));
    }
    Ok(file)
}

/// The parser's words in the words of a policy.
fn explain(message: &str) -> (String, String) {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let message = message.trim_end().replace('\n', ", ");
    match (quoted.as_slice(), &message) {
        ([word, known @ ..], m) if m.starts_with("unknown field") || m.starts_with("unknown variant") => {
            let what = if m.starts_with("unknown field") { "key" } else { "value" };
            let all = known.join(", ");
            let help = match nearest(word, known) {
                Some(near) => format!("did you mean `{near}`? (valid here: {all})"),
                None => format!("valid here: {all}"),
            };
            (format!("unknown {what} `{word}`"), help)
        }
        ([word, ..], m) if m.starts_with("missing field") => {
            let help = if *word == "version" { "begin the file with `version = 1`" } else { "" };
            (format!("`{word}` is missing"), help.to_owned())
        }
        (_, m) if m.starts_with("invalid type") => {
            let message = m
                .replace("expected a sequence", "expected a list, [\"…\"]")
                .replace("expected a string", "expected a text in quotes")
                .replace("expected struct HostTable", "expected a table, { host = \"…\" }");
            let message = message.split(", expected struct").next().unwrap_or(&message).to_owned();
            (message, String::new())
        }
        _ => (message, String::new()),
    }
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
