//! A call of a tool and whether the policy allows it: by the tool's name, and by what its arguments may be.

use crate::json::{Node, Value};
use crate::policy::decide::covers;
use crate::policy::{Argument, Decision, Must, Policy, Question, ask, endpoint};
use std::borrow::Cow;
use std::path::PathBuf;

/// A tool that is called, with its arguments as the caller gives them.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub tool: &'a str,
    /// None where only the name is known: then nothing is said about arguments.
    pub arguments: Option<&'a Node>,
}

/// Longer names and values are no names of anything.
const LONGEST: usize = 4096;

/// A denial that no line of the policy is the reason for.
pub fn refuse(reason: impl Into<Cow<'static, str>>) -> Decision {
    Decision { allowed: false, rule: None, reason: reason.into() }
}

/// May the agent make this call? The first thing that is denied decides, so that a deny always beats an allow.
pub fn decide(policy: &Policy, call: Call) -> Decision {
    if call.tool.is_empty() || call.tool.len() > LONGEST || call.tool.chars().any(char::is_control) {
        return refuse("that is no name of a tool");
    }
    let named = ask(policy, &Question::Tool(call.tool.to_owned()));
    if !named.allowed {
        return named;
    }
    arguments(policy, call).unwrap_or(named)
}

/// The first argument that may not be what it is.
pub fn arguments(policy: &Policy, call: Call) -> Option<Decision> {
    let given = call.arguments?;
    let rules = policy.tools.arguments.iter().filter(|rule| covers(&rule.tool, call.tool));
    rules.filter_map(|rule| argument(policy, rule, given)).next()
}

/// None: the argument is what it may be.
fn argument(policy: &Policy, rule: &Argument, given: &Node) -> Option<Decision> {
    let deny = |reason: String| {
        Some(Decision { allowed: false, rule: Some(rule.origin.clone()), reason: Cow::Owned(reason) })
    };
    let found = rule.name.split('.').try_fold(given, |node, name| node.get(name));
    let Some(value) = found.filter(|node| node.value != Value::Null) else {
        return match rule.required {
            true => deny(format!("the argument {} is missing", rule.name)),
            false => None,
        };
    };
    let values = match &value.value {
        Value::Array(items) => items.as_slice(),
        _ => std::slice::from_ref(value),
    };
    for value in values {
        let text = match &value.value {
            Value::String(text) | Value::Number(text) => text.as_str(),
            Value::Bool(true) => "true",
            Value::Bool(false) => "false",
            _ => return deny(format!("the argument {} is neither a text nor a list of texts", rule.name)),
        };
        if text.len() > LONGEST || text.contains('\0') {
            return deny(format!("the argument {} is longer than anything it could name", rule.name));
        }
        if let Some(patterns) = &rule.matches
            && !patterns.iter().any(|pattern| covers(pattern, text))
        {
            return deny(format!("the argument {} is none of {}", rule.name, patterns.join(", ")));
        }
        let Some(must) = rule.must else { continue };
        let decision = match question(must, text, policy) {
            Ok(question) => ask(policy, &question),
            Err(why) => return deny(format!("the argument {}: {why}", rule.name)),
        };
        if !decision.allowed {
            let by = decision.rule.as_ref().map_or(String::new(), |rule| format!(" ({rule})"));
            let verb = must.as_str();
            return deny(format!(
                "the argument {} may not be used to {verb}: {}{by}",
                rule.name, decision.reason
            ));
        }
    }
    None
}

/// What using the text in this way would ask for.
pub fn question(must: Must, text: &str, policy: &Policy) -> Result<Question, String> {
    Ok(match must {
        Must::Read => Question::Read(path(text, policy)?),
        Must::Write => Question::Write(path(text, policy)?),
        Must::Exec => Question::Exec(text.to_owned()),
        Must::Connect => connect(text)?,
    })
}

/// A path, or a `file:` URL of this machine. The home folder may be `~`: some tools take it for that, and for those that
/// do not there is no such folder.
pub fn path(text: &str, policy: &Policy) -> Result<PathBuf, String> {
    if text.is_empty() || text.starts_with('$') {
        return Err(format!("`{text}` is no path"));
    }
    if let Some(rest) = text.strip_prefix('~') {
        return match rest.strip_prefix('/') {
            Some(rest) => Ok(policy.places.home.join(rest)),
            None if rest.is_empty() => Ok(policy.places.home.clone()),
            None => Err(format!("`{text}` may be another user's folder")),
        };
    }
    file(text)
}

/// A path as it is, or a `file:` URL.
fn file(text: &str) -> Result<PathBuf, String> {
    let Some(rest) = text.strip_prefix("file:") else {
        return match text.contains("://") {
            true => Err(format!("`{text}` is no path")),
            false => Ok(text.into()),
        };
    };
    match rest.strip_prefix("//") {
        // What `%` stands for is decoded by some and not by others.
        Some(path) if path.starts_with('/') && !path.contains(['%', '?', '#']) => Ok(path.into()),
        _ => Err(format!("`{text}` names no file of this machine plainly")),
    }
}

/// `host:port`, or a URL. One that two readers could take for another host is none.
pub fn connect(text: &str) -> Result<Question, String> {
    let wrong = |why: &str| Err(format!("`{text}` {why}"));
    let Some((scheme, rest)) = text.split_once("://") else {
        let (host, port) = endpoint(text)?;
        return Ok(Question::Connect { host, port });
    };
    let scheme = scheme.to_ascii_lowercase();
    if scheme == "file" {
        return Ok(Question::Read(file(text)?));
    }
    if text.contains('\\') || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return wrong("has characters in it that no URL has");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    if authority.contains('@') {
        return wrong("has a user in front of its host");
    }
    let known = match scheme.as_str() {
        "https" | "wss" => Some(443),
        "http" | "ws" => Some(80),
        "ftp" => Some(21),
        "ssh" | "git+ssh" => Some(22),
        "git" => Some(9418),
        _ => None,
    };
    let bare = match authority.rsplit_once(':') {
        // The last colon of a bracketed address may be its own.
        Some((_, port)) => port.contains(']'),
        None => true,
    };
    let (host, port) = match (bare, known) {
        (false, _) => endpoint(authority)?,
        (true, Some(port)) => endpoint(&format!("{authority}:{port}"))?,
        (true, None) => return wrong("has no port, and its scheme stands for none"),
    };
    Ok(Question::Connect { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_one_meaning_or_none() {
        for (text, host) in [
            ("https://example.com/x?y", Some(("example.com", 443))),
            ("HTTP://Example.COM", Some(("example.com", 80))),
            ("https://example.com:8443#x", Some(("example.com", 8443))),
            ("https://[::1]/", Some(("[::1]", 443))),
            ("https://[::1]:99/", Some(("[::1]", 99))),
            ("example.com:22", Some(("example.com", 22))),
            ("https://good.com@evil.com/", None),
            ("https://good.com\\@evil.com/", None),
            ("https://evil.com\t.good.com/", None),
            ("https://127.1/", None),
            ("https://0x7f000001/", None),
            ("https:///x", None),
            ("data://x", None),
            ("example.com", None),
            ("javascript:alert(1)", None),
        ] {
            let said = connect(text).ok().and_then(|question| match question {
                Question::Connect { host, port } => Some((host, port)),
                _ => None,
            });
            assert_eq!(said, host.map(|(host, port)| (host.to_owned(), port)), "{text}");
        }
        assert_eq!(connect("file:///etc/passwd"), Ok(Question::Read("/etc/passwd".into())));
        assert!(connect("file://host/etc/passwd").is_err() && connect("file:///%65tc").is_err());
    }
}
