//! What agent programs send to a hook before they call a tool, and what they take for a refusal. Each in its own words:
//!
//! - Claude Code: <https://code.claude.com/docs/en/hooks>, `PreToolUse`
//! - Codex: <https://developers.openai.com/codex/hooks>, `PreToolUse`
//! - Gemini CLI: <https://geminicli.com/docs/hooks/reference>, `BeforeTool`
//! - Cursor: <https://cursor.com/docs/agent/hooks>, `preToolUse`, `beforeShellExecution`, `beforeMCPExecution`, `beforeReadFile`
//! - OpenClaw: <https://docs.openclaw.ai/plugins/hooks>, `before_tool_call`, from a plugin that weft installs
//!
//! A hook that does not refuse says nothing more: the program's own questions to its user stay as they are.

pub mod inside;
mod judge;
mod tools;

pub use judge::{Judged, judge};

use super::message;
use crate::json::{Node, Value, Writer};
use std::io;
use std::path::PathBuf;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    ClaudeCode,
    Codex,
    Gemini,
    Cursor,
    OpenClaw,
}

impl Client {
    pub const ALL: [Client; 5] =
        [Client::ClaudeCode, Client::Codex, Client::Gemini, Client::Cursor, Client::OpenClaw];

    pub const fn as_str(self) -> &'static str {
        match self {
            Client::ClaudeCode => "claude-code",
            Client::Codex => "codex",
            Client::Gemini => "gemini",
            Client::Cursor => "cursor",
            Client::OpenClaw => "openclaw",
        }
    }

    pub fn parse(word: &str) -> Option<Client> {
        Client::ALL.into_iter().find(|client| client.as_str() == word)
    }

    /// The variable in which the program tells its hooks where the project is.
    pub const fn project(self) -> Option<&'static str> {
        match self {
            Client::ClaudeCode => Some("CLAUDE_PROJECT_DIR"),
            Client::Gemini => Some("GEMINI_PROJECT_DIR"),
            Client::Cursor => Some("CURSOR_PROJECT_DIR"),
            Client::Codex | Client::OpenClaw => None,
        }
    }
}

/// A tool that a program is about to call.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub tool: String,
    pub input: Node,
    /// Where relative paths begin, if the program says so.
    pub folder: Option<PathBuf>,
}

/// Reads what a program sent. The error is the reason to refuse.
pub fn read(client: Client, bytes: &[u8]) -> Result<Wanted, String> {
    let message = message::read(bytes)?;
    let text = |key: &str| message.get(key).and_then(Node::as_str).map(str::to_owned);
    let folder = text("cwd").map(PathBuf::from).filter(|path| path.is_absolute());
    let event = text("hook_event_name").unwrap_or_default();
    let object = |node: &Node| node.as_object().is_some();
    let input = |key: &str| match message.get(key) {
        Some(node) if object(node) => Ok(node.clone()),
        // Cursor has sent the arguments of MCP tools as JSON in a text.
        Some(Node { value: Value::String(inner), .. }) if client == Client::Cursor => {
            message::read(inner.as_bytes())
        }
        Some(_) => Err(format!("`{key}` is not an object")),
        None => Ok(Node { value: Value::Object(Vec::new()), at: 0 }),
    };
    let named = |name: &str, key: &str| {
        let tool = text(name).ok_or_else(|| format!("`{name}` is missing"))?;
        Ok(Wanted { tool, input: input(key)?, folder: folder.clone() })
    };
    let only = |tool: &str, keys: &[&str]| {
        let members = keys.iter().filter_map(|key| Some(((*key).to_owned(), message.get(key)?.clone())));
        let input = Node { value: Value::Object(members.collect()), at: 0 };
        Wanted { tool: tool.to_owned(), input, folder: folder.clone() }
    };
    match (client, event.as_str()) {
        (Client::ClaudeCode | Client::Codex, "PreToolUse") | (Client::Gemini, "BeforeTool") => {
            named("tool_name", "tool_input")
        }
        (Client::Cursor, "preToolUse") => named("tool_name", "tool_input"),
        (Client::Cursor, "beforeMCPExecution") => {
            let mut wanted = named("tool_name", "tool_input")?;
            // `preToolUse` calls the same tool `MCP:name`.
            if !wanted.tool.starts_with("MCP:") {
                wanted.tool.insert_str(0, "MCP:");
            }
            Ok(wanted)
        }
        (Client::Cursor, "beforeShellExecution") => Ok(only("Shell", &["command"])),
        (Client::Cursor, "beforeReadFile") => Ok(only("Read", &["file_path"])),
        (Client::OpenClaw, _) => named("toolName", "params"),
        (_, "") => Err("`hook_event_name` is missing".to_owned()),
        (client, event) => Err(format!("weft decides about no `{event}` of {}", client.as_str())),
    }
}

/// The answer on standard output, with a newline.
pub fn answer(client: Client, refused: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = write(client, refused, &mut Writer::new(&mut out));
    out.push(b'\n');
    out
}

fn write(client: Client, refused: Option<&str>, w: &mut Writer) -> io::Result<()> {
    let Some(why) = refused else {
        return w.object(|w| match client {
            // Here silence counts as a failure.
            Client::Cursor => w.field("permission", "allow"),
            _ => Ok(()),
        });
    };
    let why = format!("weft: {why}");
    w.object(|w| match client {
        Client::ClaudeCode | Client::Codex => w.key("hookSpecificOutput")?.object(|w| {
            w.field("hookEventName", "PreToolUse")?;
            w.field("permissionDecision", "deny")?;
            w.field("permissionDecisionReason", &why)
        }),
        Client::Gemini => {
            w.field("decision", "deny")?;
            w.field("reason", &why)
        }
        Client::Cursor => {
            w.field("permission", "deny")?;
            w.field("user_message", &why)?;
            w.field("agent_message", &why)
        }
        Client::OpenClaw => {
            w.key("block")?.boolean(true)?;
            w.field("blockReason", &why)
        }
    })
}
