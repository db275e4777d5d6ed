//! What the policy says about a tool that an agent program is about to call: about its name, and about what it does where
//! weft knows the tool.

use super::Wanted;
use super::tools::{Effect, effect};
use crate::agents::call::{self, Call, refuse};
use crate::agents::shell::{self, Line};
use crate::json::{Node, Value};
use crate::policy::decide::covers;
use crate::policy::path::wildcard;
use crate::policy::{Decision, Origin, Policy, Question, ask};
use std::path::{Path, PathBuf};

/// The patterns of a command line are not looked for among more files than this.
const FILES: usize = 20_000;

/// A decision and what the log says it was about.
#[derive(Clone, Debug)]
pub struct Judged {
    pub decision: Decision,
    pub target: String,
}

/// A tool is refused if `tools.deny` names it, if `tools.allow` names others, if an argument may not be what it is, or
/// if what it does is denied. Where `tools.allow` is empty, a tool that weft knows is decided about by what it does alone.
pub fn judge(policy: &Policy, wanted: &Wanted) -> Judged {
    let effect = effect(&wanted.tool);
    let mut target = wanted.tool.clone();
    let decision = named(policy, wanted, effect.is_some());
    if !decision.allowed {
        return Judged { decision, target };
    }
    let call = Call { tool: &wanted.tool, arguments: Some(&wanted.input) };
    if let Some(denied) = call::arguments(policy, call) {
        return Judged { decision: denied, target };
    }
    let Some(effect) = effect else { return Judged { decision, target } };
    let denied = does(policy, wanted, effect, &mut target);
    Judged { decision: denied.unwrap_or(decision), target }
}

fn named(policy: &Policy, wanted: &Wanted, known: bool) -> Decision {
    let tools = &policy.tools;
    let decision = call::decide(policy, Call { tool: &wanted.tool, arguments: None });
    if decision.allowed || !known || !tools.allow.is_empty() {
        return decision;
    }
    match tools.deny.iter().any(|deny| covers(&deny.value, &wanted.tool)) {
        true => decision,
        false => Decision { allowed: true, rule: None, reason: "it is decided about by what it does".into() },
    }
}

/// The texts of the arguments of these names; an error where one is something else.
fn texts<'w>(input: &'w Node, keys: &[&str]) -> Result<Vec<&'w str>, Decision> {
    let mut found = Vec::new();
    for key in keys {
        let Some(value) = input.get(key) else { continue };
        let items = match &value.value {
            Value::Null => continue,
            Value::Array(items) => items.as_slice(),
            _ => std::slice::from_ref(value),
        };
        for item in items {
            match item.as_str() {
                Some(text) if text.len() <= crate::agents::message::MOST && !text.contains('\0') => {
                    found.push(text)
                }
                _ => return Err(refuse(format!("the argument {key} is no text"))),
            }
        }
    }
    Ok(found)
}

/// The first thing the tool would do that is denied.
fn does(policy: &Policy, wanted: &Wanted, effect: Effect, target: &mut String) -> Option<Decision> {
    let keys = match effect {
        Effect::Read(keys)
        | Effect::Look(keys)
        | Effect::Write(keys)
        | Effect::Shell(keys)
        | Effect::Patch(keys)
        | Effect::Fetch(keys) => keys,
        Effect::Own => return None,
    };
    let mut found = match texts(&wanted.input, keys) {
        Ok(found) => found,
        Err(denied) => return Some(denied),
    };
    if found.is_empty() {
        match effect {
            Effect::Look(_) => found.push("."),
            _ => return Some(refuse(format!("none of the arguments {} says on what", keys.join(", ")))),
        }
    }
    if !matches!(effect, Effect::Shell(_) | Effect::Patch(_)) {
        target.push_str(&format!(": {}", found.join(", ")));
    }
    found.into_iter().find_map(|text| match effect {
        Effect::Read(_) | Effect::Look(_) => file(policy, wanted, text, Question::Read),
        Effect::Write(_) => file(policy, wanted, text, Question::Write),
        Effect::Fetch(_) => match call::connect(text) {
            Ok(question) => denied(policy, &question),
            Err(why) => Some(refuse(why)),
        },
        Effect::Patch(_) => patch(policy, wanted, text, target),
        Effect::Shell(_) => command(policy, wanted, text, target),
        Effect::Own => None,
    })
}

fn denied(policy: &Policy, question: &Question) -> Option<Decision> {
    let decision = ask(policy, question);
    if decision.allowed {
        return None;
    }
    let what = match question {
        Question::Read(path) => format!("reading {}", path.display()),
        Question::Write(path) => format!("writing {}", path.display()),
        Question::Exec(command) => format!("running {command}"),
        Question::Connect { host, port } => format!("connecting to {host}:{port}"),
        Question::Tool(name) | Question::Env(name) => name.clone(),
    };
    Some(Decision { reason: format!("{what}: {}", decision.reason).into(), ..decision })
}

/// The path as the tool takes it: from where the program is.
fn place(policy: &Policy, wanted: &Wanted, text: &str) -> Result<PathBuf, String> {
    let path = call::path(text, policy)?;
    let folder = wanted.folder.as_deref().unwrap_or(&policy.places.workspace);
    let full = folder.join(path);
    // `..` is followed the way the kernel would, as far as there is something to follow.
    match full.components().any(|part| part == std::path::Component::ParentDir) {
        true => full.canonicalize().map_err(|_| format!("`{text}` has a `..` in it that leads nowhere")),
        false => Ok(full),
    }
}

fn file(policy: &Policy, wanted: &Wanted, text: &str, question: fn(PathBuf) -> Question) -> Option<Decision> {
    match place(policy, wanted, text) {
        Ok(path) => denied(policy, &question(path)),
        Err(why) => Some(refuse(why)),
    }
}

/// The files that a patch names.
fn patch(policy: &Policy, wanted: &Wanted, text: &str, target: &mut String) -> Option<Decision> {
    const MARKS: &[&str] = &["*** Add File: ", "*** Update File: ", "*** Delete File: ", "*** Move to: "];
    let mut any = false;
    for line in text.lines() {
        let Some(name) = MARKS.iter().find_map(|mark| line.trim_start().strip_prefix(mark)) else { continue };
        any = true;
        target.push_str(&format!(" {}", name.trim()));
        if let Some(denied) = file(policy, wanted, name.trim(), Question::Write) {
            return Some(denied);
        }
    }
    (!any).then(|| refuse("the patch names no file"))
}

/// What the command line says it does.
fn command(policy: &Policy, wanted: &Wanted, text: &str, target: &mut String) -> Option<Decision> {
    let process = &policy.process;
    if let (false, Some(origin)) = (process.shell, &process.shell_origin) {
        return Some(by(origin, "it is a command line for a shell, and no shell may be executed"));
    }
    let line = shell::read(text);
    target.push_str(&format!(": {}", line.commands.join(", ")));
    if let Some(why) = line.unknown {
        return Some(refuse(format!("it cannot be told what the command line does: {why}")));
    }
    commands(policy, wanted, &line)
        .or_else(|| line.reads.iter().find_map(|name| file(policy, wanted, name, Question::Read)))
        .or_else(|| line.writes.iter().find_map(|name| redirected(policy, wanted, name)))
        .or_else(|| line.words.iter().find_map(|word| mentioned(policy, wanted, word)))
        .or_else(|| {
            let mut left = FILES;
            line.patterns.iter().find_map(|pattern| matched(policy, wanted, pattern, &mut left))
        })
}

fn by(origin: &Origin, reason: &'static str) -> Decision {
    Decision { allowed: false, rule: Some(origin.clone()), reason: reason.into() }
}

fn commands(policy: &Policy, wanted: &Wanted, line: &Line) -> Option<Decision> {
    line.commands.iter().filter(|command| !shell::BUILTINS.contains(&command.as_str())).find_map(|command| {
        let question = match command.contains('/') {
            true => match place(policy, wanted, command) {
                Ok(path) => Question::Exec(path.to_string_lossy().into_owned()),
                Err(why) => return Some(refuse(why)),
            },
            false => Question::Exec(command.clone()),
        };
        denied(policy, &question)
    })
}

fn redirected(policy: &Policy, wanted: &Wanted, name: &str) -> Option<Decision> {
    // Where output goes to nowhere or back.
    let harmless = ["/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty"].contains(&name);
    if harmless { None } else { file(policy, wanted, name, Question::Write) }
}

/// A word that names what a line of the policy denies, or a place on the network that is not allowed. Paths that no line
/// says anything about are left to the sandbox: a word is often no path at all.
fn mentioned(policy: &Policy, wanted: &Wanted, word: &str) -> Option<Decision> {
    let scheme = word.split_once("://").map(|(scheme, _)| scheme);
    if scheme.is_some_and(|scheme| ["http", "https", "ws", "wss", "ftp"].contains(&scheme)) {
        return match call::connect(word) {
            Ok(question) => denied(policy, &question),
            Err(why) => Some(refuse(why)),
        };
    }
    // `--file=x`, `@x`, `a:b`, `if=x`
    let pieces = word.split(['=', ',', ':', '@']);
    std::iter::once(word).chain(pieces.skip(usize::from(!word.contains(['=', ',', ':', '@'])))).find_map(
        |piece| {
            if piece.is_empty() || piece.len() > 4096 {
                return None;
            }
            let path = place(policy, wanted, piece).ok()?;
            read_denied(policy, &path)
        },
    )
}

/// The files that a pattern stands for now. More are looked through than it means to a shell: what is between brackets is not
/// read, and any character may stand for it.
fn matched(policy: &Policy, wanted: &Wanted, pattern: &str, left: &mut usize) -> Option<Decision> {
    if pattern.len() > 4096 {
        return Some(refuse("a pattern is longer than anything it could name"));
    }
    // What is in front of the first of them is a place.
    let text: String = pattern.chars().map(|c| if c == '?' { '*' } else { c }).collect();
    let plain = text.split_inclusive('/').take_while(|part| !part.contains(['*', '['])).collect::<String>();
    let rest = text.strip_prefix(&plain).unwrap_or_default();
    let start = match plain.is_empty() {
        true => place(policy, wanted, "."),
        false => place(policy, wanted, &plain),
    };
    let mut here = vec![start.ok()?];
    for part in rest.split('/').filter(|part| !part.is_empty()) {
        let part = without_brackets(part);
        let mut next = Vec::new();
        for folder in here {
            if !part.contains('*') {
                next.push(folder.join(&part));
                continue;
            }
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                *left -= 1;
                if *left == 0 {
                    return Some(refuse(format!("`{pattern}` stands for too many files to look through")));
                }
                let name = entry.file_name();
                let hidden = name.as_encoded_bytes().starts_with(b".") && !part.starts_with('.');
                if !hidden && wildcard(part.as_bytes(), name.as_encoded_bytes()) {
                    next.push(folder.join(name));
                }
            }
        }
        here = next;
    }
    here.iter().find_map(|path| read_denied(policy, path))
}

/// `[…]` as `*`.
fn without_brackets(part: &str) -> String {
    let mut out = String::new();
    let mut rest = part;
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before);
        out.push('*');
        // `[]…]`: one that comes first is itself meant.
        let skip = after.strip_prefix(['!', '^']).unwrap_or(after);
        let skip = skip.strip_prefix(']').unwrap_or(skip);
        rest = skip.split_once(']').map_or("", |(_, after)| after);
    }
    out + rest
}

fn read_denied(policy: &Policy, path: &Path) -> Option<Decision> {
    denied(policy, &Question::Read(path.to_owned())).filter(|decision| decision.rule.is_some())
}
