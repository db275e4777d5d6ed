//! Agent programs on this machine: whether they ask weft before they call tools, by which policy, and which MCP servers they start.
//! Reads their settings as data; what is not of a known form is passed over and told.

use super::agents::Agent;
use super::finding::{Area, Findings, Kind, shown};
use crate::agents::hook::Client;
use crate::cli::hook::is_ours;
use crate::json::{self, Node, Value};
use crate::policy::vars::Places;
use crate::rules::Severity;
use crate::scan::names;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

const UNASKED: Kind = ("SA-010", "program-asks-nobody", Area::Program, Severity::Medium);
const OUTSIDE: Kind = ("SA-011", "mcp-server-outside", Area::Program, Severity::Medium);
const UNPINNED: Kind = ("SA-012", "mcp-server-not-pinned", Area::Program, Severity::Medium);

/// Something that asks weft, and by what.
#[derive(Debug)]
pub struct Asks {
    /// A sentence without its end.
    pub known: String,
    pub policy: Option<String>,
    pub agent: Option<String>,
}

#[derive(Debug, Default)]
pub struct Settings {
    pub asks: Vec<Asks>,
    /// Programs that are here, and whether any of their settings asks weft.
    programs: Vec<(Client, PathBuf, bool)>,
}

/// Settings are small; a larger file is something else.
const LARGEST: u64 = 8 << 20;

/// The folder of each program, and the files in it that can hold a hook.
const HOOKS: &[(Client, &str, &[&str])] = &[
    (Client::ClaudeCode, ".claude", &["settings.json", "settings.local.json"]),
    (Client::Codex, ".codex", &["hooks.json"]),
    (Client::Gemini, ".gemini", &["settings.json"]),
    (Client::Cursor, ".cursor", &["hooks.json"]),
    (Client::OpenClaw, ".openclaw", &["weft-hook/index.js"]),
];

/// Where MCP servers are named: below the home folder, and below the workspace.
const SERVERS_HOME: &[&str] =
    &[".claude.json", ".cursor/mcp.json", ".gemini/settings.json", ".openclaw/openclaw.json"];
const SERVERS_HERE: &[&str] = &[".mcp.json", ".cursor/mcp.json", ".gemini/settings.json"];

/// A file of settings; none if there is none. What is wrong with it is told.
fn read(path: &Path, unknown: &mut Vec<String>) -> Option<String> {
    let fail = |why: &str, unknown: &mut Vec<String>| {
        let name = names::escape(path.as_os_str().as_encoded_bytes());
        unknown.push(format!("{name}: not looked at: {why}"));
        None
    };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return fail(&crate::words::reason(&error), unknown),
        Ok(meta) if !meta.is_file() => return fail("it is not a regular file", unknown),
        Ok(meta) if meta.len() > LARGEST => return fail("it is too large for settings", unknown),
        Ok(_) => {}
    }
    let mut text = String::new();
    match File::open(path).and_then(|file| file.take(LARGEST).read_to_string(&mut text)) {
        Ok(_) => Some(text),
        Err(error) => fail(&crate::words::reason(&error), unknown),
    }
}

fn tree(path: &Path, unknown: &mut Vec<String>) -> Option<Node> {
    let text = read(path, unknown)?;
    match json::parse(&text) {
        Ok(node) => Some(node),
        Err(error) => {
            let name = names::escape(path.as_os_str().as_encoded_bytes());
            unknown.push(format!("{name}:{}:{}: not looked at: {}", error.line, error.column, error.what));
            None
        }
    }
}

/// Hands over every text of a tree.
fn texts(node: &Node, each: &mut dyn FnMut(&str)) {
    match &node.value {
        Value::String(text) => each(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, each)),
        Value::Object(members) => members.iter().for_each(|(_, member)| texts(member, each)),
        _ => {}
    }
}

/// Words of a command line as `weft hook install` writes it.
fn words(line: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => quoted = !quoted,
            '\\' if !quoted => word.extend(chars.next()),
            ' ' if !quoted => all.extend((!word.is_empty()).then(|| std::mem::take(&mut word))),
            c => word.push(c),
        }
    }
    all.extend((!word.is_empty()).then_some(word));
    all
}

/// What follows an option, as one word or two.
fn option(words: &[String], name: &str) -> Option<String> {
    let own = words.iter().take_while(|word| *word != "--");
    own.clone().enumerate().find_map(|(at, word)| {
        if word == name {
            return words.get(at + 1).cloned();
        }
        word.strip_prefix(name)?.strip_prefix('=').map(str::to_owned)
    })
}

/// Looks at all of them.
pub fn look(places: &Places, findings: &mut Findings, unknown: &mut Vec<String>) -> Settings {
    let mut settings = Settings::default();
    for (client, folder, files) in HOOKS {
        let mut asked = false;
        for top in [&places.home, &places.workspace] {
            // In the home folder as a workspace they are the same files.
            if top == &places.workspace && places.workspace == places.home {
                continue;
            }
            for file in *files {
                let path = top.join(folder).join(file);
                let mut lines = Vec::new();
                if file.ends_with(".js") {
                    let text = read(&path, unknown).unwrap_or_default();
                    lines.extend(plugin(&text));
                } else if let Some(node) = tree(&path, unknown) {
                    texts(&node, &mut |text| lines.extend(is_ours(text).then(|| words(text))));
                }
                for words in lines {
                    asked = true;
                    let known = format!("the hook of {} in {}", client.as_str(), shown(&path, &places.home));
                    let (policy, agent) = (option(&words, "--policy"), option(&words, "--agent"));
                    settings.asks.push(Asks { known, policy, agent });
                }
            }
        }
        let folder = places.home.join(folder);
        if folder.is_dir() {
            settings.programs.push((*client, folder, asked));
        }
    }
    // One hook may stand at several events.
    let mut seen = Vec::new();
    settings.asks.retain(|asks| {
        let key = (asks.known.clone(), asks.policy.clone(), asks.agent.clone());
        let new = !seen.contains(&key);
        seen.push(key);
        new
    });
    let home = SERVERS_HOME.iter().map(|name| places.home.join(name));
    let mut files: Vec<PathBuf> =
        home.chain(SERVERS_HERE.iter().map(|name| places.workspace.join(name))).collect();
    files.dedup();
    for path in files {
        if let Some(node) = tree(&path, unknown) {
            let mut found = Vec::new();
            servers(&node, &mut found);
            found
                .iter()
                .for_each(|(name, words)| server(name, words, &path, places, &mut settings, findings));
        }
    }
    let path = places.home.join(".codex/config.toml");
    if let Some(text) = read(&path, unknown) {
        match codex(&text) {
            Some(found) => found
                .iter()
                .for_each(|(name, words)| server(name, words, &path, places, &mut settings, findings)),
            None => unknown.push(format!("{}: not looked at: it is no TOML", shown(&path, &places.home))),
        }
    }
    settings
}

/// The command in the plugin that `weft hook install` writes for OpenClaw.
fn plugin(text: &str) -> Option<Vec<String>> {
    let line = text.lines().find_map(|line| line.strip_prefix("const COMMAND = "))?;
    let node = json::parse(line.trim_end().trim_end_matches(';')).ok()?;
    Some(node.as_array()?.iter().filter_map(Node::as_str).map(str::to_owned).collect())
}

/// Every `mcpServers` of a tree: names and command lines.
fn servers(node: &Node, found: &mut Vec<(String, Vec<String>)>) {
    match &node.value {
        Value::Array(items) => items.iter().for_each(|item| servers(item, found)),
        Value::Object(members) => {
            for (name, member) in members {
                // OpenClaw has them as `servers` in `mcp`.
                let member = if name == "mcp" { member.get("servers").unwrap_or(member) } else { member };
                let here = name == "mcpServers" || name == "mcp";
                let Some(inner) = member.as_object().filter(|_| here) else {
                    servers(member, found);
                    continue;
                };
                for (name, server) in inner {
                    let Some(command) = server.get("command").and_then(Node::as_str) else { continue };
                    let args = server.get("args").and_then(Node::as_array).unwrap_or_default();
                    let mut words = vec![command.to_owned()];
                    words.extend(args.iter().filter_map(Node::as_str).map(str::to_owned));
                    found.push((name.clone(), words));
                }
            }
        }
        _ => {}
    }
}

/// A member of a table.
fn table<'t>(value: &DeValue<'t>, name: &str) -> Option<DeValue<'t>> {
    let DeValue::Table(table) = value else { return None };
    table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value.get_ref().clone())
}

/// `[mcp_servers.NAME]` of Codex.
fn codex(text: &str) -> Option<Vec<(String, Vec<String>)>> {
    let top = DeTable::parse(text).ok()?;
    let mut found = Vec::new();
    let Some(DeValue::Table(servers)) = table(&DeValue::Table(top.into_inner()), "mcp_servers") else {
        return Some(found);
    };
    for (name, server) in &servers {
        let Some(DeValue::String(command)) = table(server.get_ref(), "command") else { continue };
        let mut words = vec![command.into_owned()];
        if let Some(DeValue::Array(args)) = table(server.get_ref(), "args") {
            words.extend(args.iter().filter_map(|arg| arg.get_ref().as_str().map(str::to_owned)));
        }
        found.push((name.get_ref().to_string(), words));
    }
    Some(found)
}

fn base(command: &str) -> &str {
    command.rsplit('/').next().unwrap_or(command)
}

/// One server of one file.
fn server(
    name: &str,
    words: &[String],
    path: &Path,
    places: &Places,
    settings: &mut Settings,
    findings: &mut Findings,
) {
    let Some((command, args)) = words.split_first() else { return };
    let file = shown(path, &places.home);
    let name = names::escape(name.as_bytes());
    let held = base(command) == "weft" && args.first().is_some_and(|first| first == "mcp");
    let inner = match held {
        true => {
            let known = format!("weft mcp before the server {name} in {file}");
            let (policy, agent) = (option(args, "--policy"), option(args, "--agent"));
            settings.asks.push(Asks { known, policy, agent });
            // Without `--` the server begins somewhere behind weft's own words.
            match args.iter().position(|word| word == "--") {
                Some(at) => args.get(at + 1..).unwrap_or_default(),
                None => {
                    let runner = (1..args.len())
                        .find(|at| args.get(*at..).is_some_and(|rest| unpinned(rest).is_some()));
                    runner.and_then(|at| args.get(at..)).unwrap_or_default()
                }
            }
        }
        false => {
            let what = format!("the MCP server {name} runs with all rights of this user");
            let fix = "put `weft mcp --policy mcp-server --` before its command";
            findings.add(OUTSIDE, None, file.clone(), what, fix);
            words
        }
    };
    if let Some(package) = unpinned(inner) {
        let package = names::escape(package.as_bytes());
        let what = format!("the MCP server {name} is whatever {package} is at its next start");
        let fix = "name a version, or install it, scan it, and start what is installed";
        findings.add(UNPINNED, None, file, what, fix);
    }
}

/// The package that a runner would fetch in whatever version there is.
pub fn unpinned(words: &[String]) -> Option<&str> {
    let (command, args) = words.split_first()?;
    let verb = |verbs: &[&str]| args.first().is_some_and(|first| verbs.contains(&first.as_str()));
    let args = match base(command) {
        "npx" | "bunx" | "pnpx" | "uvx" => args,
        "npm" if verb(&["exec", "x"]) => args.get(1..)?,
        "pnpm" | "yarn" if verb(&["dlx"]) => args.get(1..)?,
        "bun" if verb(&["x"]) => args.get(1..)?,
        "pipx" if verb(&["run"]) => args.get(1..)?,
        _ => return None,
    };
    let mut named = args.iter().enumerate().filter_map(|(at, word)| match word.as_str() {
        "-p" | "--package" | "--from" | "--spec" => args.get(at + 1).map(String::as_str),
        word => word.strip_prefix("--package=").or(word.strip_prefix("--from=")),
    });
    let package =
        named.next().or_else(|| args.iter().map(String::as_str).find(|word| !word.starts_with('-')))?;
    let version = package.get(1..).and_then(|rest| rest.rsplit_once('@')).map(|(_, version)| version);
    let exact = package.split_once("==").map(|(_, version)| version).or(version);
    let pinned =
        exact.is_some_and(|version| version.bytes().next().is_some_and(|first| first.is_ascii_digit()));
    let local = package.starts_with(['.', '/']);
    (!pinned && !local).then_some(package)
}

/// Programs that are here, ask weft nothing, and are not seen to run under it.
pub fn unasked(settings: &Settings, agents: &[Agent], findings: &mut Findings) {
    for (client, folder, asked) in &settings.programs {
        let name = client.as_str();
        let runs = agents.iter().any(|agent| {
            !agent.activity.is_empty()
                && agent.policies.iter().any(|known| known.name == name || agent.id == name)
        });
        if *asked || runs {
            continue;
        }
        let at = names::escape(folder.as_os_str().as_encoded_bytes());
        let what = format!("{name} is here, asks weft about none of its tools, and was not run under weft");
        findings.add(UNASKED, None, at, what, format!("weft hook install --client {name}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Vec<String> {
        words(text)
    }

    #[test]
    fn command_lines_read_back() {
        assert_eq!(
            line("/a/weft hook run --policy 'my p'\\''s.toml'"),
            ["/a/weft", "hook", "run", "--policy", "my p's.toml"]
        );
        assert_eq!(option(&line("weft mcp --policy=x -- y --agent z"), "--policy").as_deref(), Some("x"));
        assert_eq!(option(&line("weft mcp -- y --agent z"), "--agent"), None);
        assert_eq!(option(&line("weft mcp --agent"), "--agent"), None);
    }

    #[test]
    fn packages_without_a_version_are_seen() {
        for (text, package) in [
            ("npx -y @scope/server", Some("@scope/server")),
            ("npx -y @scope/server@latest .", Some("@scope/server@latest")),
            ("npx -y @scope/server@1.2.3 .", None),
            ("/usr/bin/npx server", Some("server")),
            ("npm exec --package=tool -- tool", Some("tool")),
            ("uvx --from tool==1.0 run", None),
            ("uvx mcp-server-git", Some("mcp-server-git")),
            ("npx ./local", None),
            ("node server.js", None),
            ("npm run x", None),
            ("npx", None),
        ] {
            assert_eq!(unpinned(&line(text)), package, "{text}");
        }
    }
}
