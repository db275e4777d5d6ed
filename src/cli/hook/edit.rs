//! Settings of agent programs, as trees of JSON: what is added so that they ask weft, and what of an earlier time is taken away.

use crate::agents::hook::Client;
use crate::json::{Node, Value};

fn node(value: Value) -> Node {
    Node { value, at: 0 }
}

fn text(text: &str) -> Node {
    node(Value::String(text.to_owned()))
}

fn object(members: Vec<(&str, Node)>) -> Node {
    node(Value::Object(members.into_iter().map(|(name, node)| (name.to_owned(), node)).collect()))
}

/// What a program's settings have where they have nothing.
pub fn empty() -> Node {
    node(Value::Object(Vec::new()))
}

/// The member of that name, made if it is not there. The error says what is in its place.
fn member<'n>(at: &'n mut Node, name: &str, make: Value) -> Result<&'n mut Node, String> {
    let Value::Object(members) = &mut at.value else {
        return Err(format!("`{name}` would stand in something that is no object"));
    };
    let found = match members.iter().position(|(known, _)| known == name) {
        Some(found) => found,
        None => {
            members.push((name.to_owned(), node(make)));
            members.len() - 1
        }
    };
    Ok(&mut members[found].1)
}

fn list<'n>(at: &'n mut Node, name: &str) -> Result<&'n mut Vec<Node>, String> {
    match &mut member(at, name, Value::Array(Vec::new()))?.value {
        Value::Array(items) => Ok(items),
        _ => Err(format!("`{name}` is not a list")),
    }
}

/// Whether a command is one of weft's hooks, wherever weft stood when it was installed.
fn is_ours(command: Option<&Node>) -> bool {
    command.and_then(Node::as_str).is_some_and(super::is_ours)
}

/// Events of Cursor that it asks about before they happen.
const CURSOR: &[&str] = &["preToolUse", "beforeShellExecution", "beforeMCPExecution", "beforeReadFile"];

/// Puts the hook in, and takes out those that weft put in before; without a command it only takes out. The error says why the
/// settings are left as they are.
pub fn settings(client: Client, root: &mut Node, command: Option<&str>) -> Result<(), String> {
    match client {
        Client::Cursor => {
            if command.is_some() {
                member(root, "version", Value::Number("1".to_owned()))?;
            }
            let hooks = member(root, "hooks", Value::Object(Vec::new()))?;
            for event in CURSOR {
                let entries = list(hooks, event)?;
                entries.retain(|entry| !is_ours(entry.get("command")));
                if let Some(command) = command {
                    let closed = node(Value::Bool(true));
                    entries.push(object(vec![("command", text(command)), ("failClosed", closed)]));
                }
            }
            Ok(())
        }
        Client::OpenClaw => Err("OpenClaw has a plugin instead".to_owned()),
        Client::ClaudeCode | Client::Codex | Client::Gemini => {
            let (event, matcher, timeout) = match client {
                // Milliseconds there, seconds with the others.
                Client::Gemini => ("BeforeTool", ".*", "10000"),
                _ => ("PreToolUse", "*", "10"),
            };
            let hooks = member(root, "hooks", Value::Object(Vec::new()))?;
            let groups = list(hooks, event)?;
            for group in groups.iter_mut() {
                if let Value::Object(members) = &mut group.value
                    && let Some((_, inner)) = members.iter_mut().find(|(name, _)| name == "hooks")
                    && let Value::Array(inner) = &mut inner.value
                {
                    inner.retain(|hook| !is_ours(hook.get("command")));
                }
            }
            let is_empty =
                |group: &Node| group.get("hooks").and_then(Node::as_array).is_some_and(<[Node]>::is_empty);
            groups.retain(|group| !is_empty(group));
            if let Some(command) = command {
                let mut hook = vec![("type", text("command")), ("command", text(command))];
                if client == Client::Gemini {
                    hook.insert(0, ("name", text("weft")));
                }
                hook.push(("timeout", node(Value::Number(timeout.to_owned()))));
                let hooks = node(Value::Array(vec![object(hook)]));
                groups.push(object(vec![("matcher", text(matcher)), ("hooks", hooks)]));
            }
            Ok(())
        }
    }
}

/// Lets OpenClaw load the plugin in this folder, or no longer.
pub fn openclaw(root: &mut Node, folder: &str, install: bool) -> Result<(), String> {
    let plugins = member(root, "plugins", Value::Object(Vec::new()))?;
    let paths = list(member(plugins, "load", Value::Object(Vec::new()))?, "paths")?;
    paths.retain(|path| path.as_str() != Some(folder));
    if install {
        paths.push(text(folder));
    }
    let entries = member(plugins, "entries", Value::Object(Vec::new()))?;
    if let Value::Object(members) = &mut entries.value {
        members.retain(|(name, _)| name != "weft");
        if install {
            let on = object(vec![("enabled", node(Value::Bool(true)))]);
            members.push(("weft".to_owned(), on));
        }
    }
    // Where only named plugins are loaded, this one has to be named.
    let named = plugins.get("allow").and_then(Node::as_array).is_some();
    if named {
        let allow = list(plugins, "allow")?;
        allow.retain(|name| name.as_str() != Some("weft"));
        if install {
            allow.push(text("weft"));
        }
    }
    Ok(())
}
