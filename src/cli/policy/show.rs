//! `weft policy show`: a policy as it is written, or as it will be enforced.

use super::{Format, choose, out, places};
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::json::Writer;
use crate::policy::effective::{Platform, sandbox_type};
use crate::policy::path::PathRules;
use crate::policy::{AuditLevel, MonitorAction, NetworkMode, Origin, Policy, builtin, lint};
use crate::scan::names;
use crate::scan::report::visible::{visible, visible_lines};
use argh::{ArgsInfo, FromArgs};
use std::io::{self, Write};

/// Show a policy: as written, or with --resolved every rule that it comes to and the line it is from
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "show",
    help_triggers("--help"),
    example = "{command_name} --list",
    example = "{command_name} coding-agent",
    example = "{command_name} --resolved --format json weft.toml"
)]
pub struct Show {
    /// list the policies that weft ships
    #[argh(switch)]
    list: bool,
    /// with parents merged, variables replaced, patterns and links followed
    #[argh(switch)]
    resolved: bool,
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// what ${WORKSPACE} stands for; the current folder if not given
    #[argh(option, arg_name = "DIR")]
    workspace: Option<PathArg>,
    /// a policy file, or the name of a built-in policy; without it, the one that `weft run` would take
    #[argh(positional, arg_name = "POLICY")]
    policy: Option<String>,
}

pub fn run(command: &Show) -> Result<Exit, Failure> {
    if command.list {
        out(|page| list(command.format, page))?;
        return Ok(Exit::Ok);
    }
    let places = places(command.workspace.as_ref().map(|path| path.0.as_path()))?;
    let (policy, name) = choose(command.policy.as_deref(), &places)?;
    let table = table(&policy);
    out(|page| match (command.resolved, command.format) {
        (false, Format::Text) => sources(&policy, page),
        (true, Format::Text) => text(&policy, &name, &table, page),
        (_, Format::Json) => json(&policy, &name, &table, page),
    })?;
    Ok(Exit::Ok)
}

fn list(format: Format, page: &mut Vec<u8>) -> io::Result<()> {
    match format {
        Format::Text => builtin::ALL.iter().try_for_each(|policy| {
            let purpose = policy.purpose();
            writeln!(
                page,
                "{:<16}{}",
                policy.name,
                purpose.split_once(": ").map_or(purpose, |(_, rest)| rest)
            )
        }),
        Format::Json => {
            Writer::new(page).array_lines(|w| {
                builtin::ALL.iter().try_for_each(|policy| {
                    w.object(|w| {
                        w.field("name", policy.name)?;
                        w.field("purpose", policy.purpose())
                    })
                })
            })?;
            page.write_all(b"\n")
        }
    }
}

/// The files, parents first.
fn sources(policy: &Policy, page: &mut Vec<u8>) -> io::Result<()> {
    for (at, source) in policy.sources.iter().enumerate() {
        let text = match &source.path {
            Some(path) => std::fs::read_to_string(path)?,
            None => {
                builtin::find(source.name.trim_start_matches("builtin:")).map_or("", |b| b.text).to_owned()
            }
        };
        let gap = if at == 0 { "" } else { "\n" };
        writeln!(page, "{gap}# --- {}\n{}", visible(&source.name), visible_lines(text.trim_end()))?;
    }
    Ok(())
}

/// One rule: key, value, and where it is from.
struct Row {
    key: &'static str,
    value: String,
    origin: Option<Origin>,
}

/// The whole policy as rows. Text and JSON show the same.
fn table(policy: &Policy) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add =
        |key, value: String, origin: Option<&Origin>| rows.push(Row { key, value, origin: origin.cloned() });
    let sandbox = &policy.sandbox;
    let kind = sandbox.kind.as_ref().map(|set| &set.origin);
    match sandbox_type(sandbox, Platform::here()) {
        Ok(found) => add("sandbox.type", format!("{} ({})", found.kind.as_str(), found.reason), kind),
        Err(why) => add("sandbox.type", format!("refused: {why}"), kind),
    }
    if let Some(set) = &sandbox.privileged {
        add("sandbox.privileged", set.value.to_string(), Some(&set.origin));
    }
    sandbox
        .best_effort
        .iter()
        .for_each(|set| add("sandbox.best_effort", set.value.to_owned(), Some(&set.origin)));
    let files = &policy.filesystem;
    paths(&files.read, "filesystem.read", &mut add);
    paths(&files.write, "filesystem.write", &mut add);
    paths(&files.exec, "filesystem.exec", &mut add);
    for (key, list) in [("filesystem.protect", &files.protected), ("filesystem.deny", &files.deny)] {
        for rule in list {
            let mut value = shown(&rule.path);
            if rule.written != rule.path {
                value.push_str(&format!(" (as {})", shown(&rule.written)));
            }
            if rule.kind.is_none() {
                value.push_str(" (not there)");
            }
            add(key, value, Some(&rule.origin));
        }
    }
    for rule in &files.deny_globs {
        add("filesystem.deny", format!("{} (also what comes later)", rule.glob.as_str()), Some(&rule.origin));
    }
    let network = &policy.network;
    match &network.mode {
        NetworkMode::None => add("network", "none".to_owned(), None),
        NetworkMode::Unrestricted(origin) => add("network.unrestricted", "true".to_owned(), Some(origin)),
        NetworkMode::Hosts => {}
    }
    for rule in &network.allow {
        let ports: Vec<String> = rule.ports.iter().map(|port| port.to_string()).collect();
        let tls = if rule.tls { "tls" } else { "no tls" };
        let limits = [
            ("at most", rule.max_connections, "connections"),
            ("at most", rule.max_bytes_out, "bytes out"),
            ("at most", rule.rate, "bytes out a second"),
        ];
        let limits =
            limits.iter().filter_map(|(how, most, what)| Some(format!(", {how} {} {what}", (*most)?)));
        let value = format!("{} port {} {tls}{}", rule.host, ports.join(","), limits.collect::<String>());
        add("network.allow", value, Some(&rule.origin));
    }
    network.deny.iter().for_each(|set| add("network.deny", set.value.to_string(), Some(&set.origin)));
    for (key, limit) in [
        ("network.max_connections", &network.max_connections),
        ("network.max_bytes_out", &network.max_bytes_out),
    ] {
        limit.iter().for_each(|set| add(key, set.value.to_string(), Some(&set.origin)));
    }
    network.listen.iter().for_each(|set| add("network.listen", set.value.to_string(), Some(&set.origin)));
    for inject in &policy.inject {
        let value = format!("{} to {} from env:{}", inject.header, inject.host, inject.from_env);
        add("network.inject", value, Some(&inject.origin));
    }
    process(policy, &mut add);
    let env = &policy.env;
    env.allow.iter().for_each(|set| add("env.allow", set.value.clone(), Some(&set.origin)));
    env.deny.iter().for_each(|set| add("env.deny", set.value.clone(), Some(&set.origin)));
    env.set.iter().for_each(|(name, set)| add("env.set", format!("{name}={}", set.value), Some(&set.origin)));
    policy.tools.allow.iter().for_each(|set| add("tools.allow", set.value.clone(), Some(&set.origin)));
    policy.tools.deny.iter().for_each(|set| add("tools.deny", set.value.clone(), Some(&set.origin)));
    for rule in &policy.tools.arguments {
        let must = rule.must.map(|must| format!(" must be allowed to {}", must.as_str()));
        let matches = rule.matches.as_ref().map(|list| format!(" is one of {}", list.join(", ")));
        let required = rule.required.then(|| " is required".to_owned());
        let said: Vec<String> = [must, matches, required].into_iter().flatten().collect();
        let value = format!("{} of {}{}", rule.name, rule.tool, said.join(","));
        add("tools.argument", value, Some(&rule.origin));
    }
    match &policy.audit.file {
        Some(set) => add("audit.file", shown(&set.value), Some(&set.origin)),
        None => add("audit.file", "none: in memory only".to_owned(), None),
    }
    let level = if policy.audit.level == AuditLevel::All { "all" } else { "denied" };
    add("audit.level", level.to_owned(), None);
    let monitor = &policy.monitor;
    for (key, set) in [
        ("monitor.calls_per_5s", &monitor.calls_per_5s),
        ("monitor.denied_per_minute", &monitor.denied_per_minute),
    ] {
        set.iter().for_each(|set| add(key, set.value.to_string(), Some(&set.origin)));
    }
    if let Some(set) = &monitor.bytes_out {
        add("monitor.bytes_out", format!("{} bytes", set.value), Some(&set.origin));
    }
    if let Some(set) = &monitor.webhook {
        add("monitor.webhook", set.value.clone(), Some(&set.origin));
    }
    if crate::monitor::Monitor::of(monitor).is_some() {
        let action = match policy.monitor.action {
            MonitorAction::Alert => "alert",
            MonitorAction::Pause => "pause",
            MonitorAction::Stop => "stop",
        };
        add("monitor.action", action.to_owned(), None);
    }
    rows
}

type Add<'a> = dyn FnMut(&'static str, String, Option<&Origin>) + 'a;

fn paths(rules: &PathRules, key: &'static str, add: &mut Add) {
    for rule in rules.iter() {
        let mut value = shown(&rule.path);
        if rule.written != rule.path {
            value.push_str(&format!(" (as {})", shown(&rule.written)));
        }
        if rule.private {
            value.push_str(" (private to the run)");
        }
        add(key, value, Some(&rule.origin));
    }
}

fn process(policy: &Policy, add: &mut Add) {
    let process = &policy.process;
    let found = |paths: &[std::path::PathBuf]| match paths.first() {
        Some(path) => format!(" at {}", shown(path)),
        None => " (not there)".to_owned(),
    };
    for (key, list) in
        [("process.allow", process.allow.as_deref().unwrap_or(&[])), ("process.deny", &process.deny)]
    {
        for rule in list {
            add(key, format!("{}{}", rule.name, found(&rule.paths)), Some(&rule.origin));
        }
    }
    if process.allow.as_ref().is_some_and(Vec::is_empty) {
        add("process.allow", "nothing".to_owned(), None);
    }
    add("process.shell", process.shell.to_string(), process.shell_origin.as_ref());
    for (key, set) in [
        ("process.max_processes", &process.max_processes),
        ("process.max_open_files", &process.max_open_files),
    ] {
        if let Some(set) = set {
            add(key, set.value.to_string(), Some(&set.origin));
        }
    }
    for (key, set) in
        [("process.max_memory", &process.max_memory), ("process.max_file_size", &process.max_file_size)]
    {
        if let Some(set) = set {
            add(key, format!("{} bytes", set.value), Some(&set.origin));
        }
    }
    for (key, set) in
        [("process.max_cpu_time", &process.max_cpu_time), ("process.max_wall_time", &process.max_wall_time)]
    {
        if let Some(set) = set {
            add(key, format!("{:?}", set.value), Some(&set.origin));
        }
    }
    add("process.syscalls", process.syscalls.as_str().to_owned(), process.syscalls_origin.as_ref());
}

fn shown(path: &std::path::Path) -> String {
    names::escape(path.as_os_str().as_encoded_bytes())
}

fn text(policy: &Policy, name: &str, table: &[Row], page: &mut Vec<u8>) -> io::Result<()> {
    writeln!(page, "policy   {}", visible(name))?;
    writeln!(page, "agent    {}", policy.agent)?;
    writeln!(page, "sha256   {}", policy.hash)?;
    let mut last = "";
    for row in table {
        let section = row.key.split('.').next().unwrap_or(row.key);
        if section != last {
            writeln!(page, "\n[{section}]")?;
            last = section;
        }
        let key = row.key.split_once('.').map_or("", |(_, key)| key);
        let from = row.origin.as_ref().map_or(String::new(), |o| match o.line {
            0 => format!("  # {}", o.file),
            line => format!("  # {}:{line}", o.file),
        });
        writeln!(page, "{}", visible(&format!("{key:<15} {}{from}", row.value)))?;
    }
    if !policy.notes.is_empty() {
        writeln!(page, "\nnotes")?;
    }
    for note in &policy.notes {
        writeln!(page, "{}", visible(&format!("{}: {}", note.origin, note.text)))?;
    }
    Ok(())
}

fn json(policy: &Policy, name: &str, table: &[Row], page: &mut Vec<u8>) -> io::Result<()> {
    Writer::new(page).object_lines(|w| {
        w.field("schema", "weft.policy/1")?;
        w.field("policy", name)?;
        w.field("agent", &policy.agent)?;
        w.field("sha256", &policy.hash)?;
        w.strings("sources", policy.sources.iter().map(|source| &*source.name))?;
        w.key("rules")?.array_lines(|w| {
            table.iter().try_for_each(|row| {
                w.object(|w| {
                    w.field("key", row.key)?;
                    w.field("value", &row.value)?;
                    if let Some(origin) = &row.origin {
                        w.field("file", &origin.file)?;
                        w.count("line", origin.line.into())?;
                    }
                    Ok(())
                })
            })
        })?;
        w.key("notes")?.array_lines(|w| {
            policy.notes.iter().try_for_each(|note| w.string(&format!("{}: {}", note.origin, note.text)))
        })?;
        w.count(
            "lint_warnings",
            lint::lint(policy).iter().filter(|f| f.lint.level >= lint::Level::Warning).count() as u64,
        )
    })?;
    page.write_all(b"\n")
}
