//! `weft audit`: the log of runs, for people. Changes nothing in it.

mod watch;

use super::args::PathArg;
use super::error::{Exit, Failure};
use super::suggest::{Suggestion, would_allow};

use super::values::say;
use crate::audit::{AuditError, SandboxAuditEntry, entries, time, verify};
use crate::json::Writer;
use crate::policy::vars::Places;
use crate::scan::report::visible::visible;
use crate::sort;
use argh::{ArgsInfo, FromArgValue, FromArgs};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Read the log of what agents did and were refused
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "audit", help_triggers("--help"))]
pub struct Audit {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand)]
enum Command {
    Tail(Tail),
    Show(Show),
    Stats(Stats),
    Verify(Verify),
    Watch(watch::Watch),
}

/// Show the last entries
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "tail",
    help_triggers("--help"),
    example = "{command_name} --denied -n 50",
    note = "Without FILE it is every log in ~/.local/state/weft/audit (or below $XDG_STATE_HOME)."
)]
struct Tail {
    /// only what was denied
    #[argh(switch)]
    denied: bool,
    /// only this agent
    #[argh(option, arg_name = "NAME")]
    agent: Option<String>,
    /// how many; 20 if not given
    #[argh(option, short = 'n', default = "Count(20)", arg_name = "COUNT")]
    lines: Count,
    /// text or json (one entry a line)
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// the log to read
    #[argh(positional, arg_name = "FILE")]
    files: Vec<PathArg>,
}

/// Show every entry; with --denied also the lines of a policy that would allow what was denied
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "show",
    help_triggers("--help"),
    example = "{command_name} --agent coding-agent --run 3f2a",
    example = "{command_name} --denied",
    note = "Nothing is ever allowed because it was denied once: what to add to a policy, and whether, is yours to say."
)]
struct Show {
    /// only what was denied
    #[argh(switch)]
    denied: bool,
    /// only this agent
    #[argh(option, arg_name = "NAME")]
    agent: Option<String>,
    /// only runs whose id begins so
    #[argh(option, arg_name = "ID")]
    run: Option<String>,
    /// text or json (one entry a line)
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// the log to read
    #[argh(positional, arg_name = "FILE")]
    files: Vec<PathArg>,
}

/// Count: by agent, by action, and what is denied most
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "stats", help_triggers("--help"), example = "{command_name} --agent coding-agent")]
struct Stats {
    /// only what was denied
    #[argh(switch)]
    denied: bool,
    /// only this agent
    #[argh(option, arg_name = "NAME")]
    agent: Option<String>,
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// the log to read
    #[argh(positional, arg_name = "FILE")]
    files: Vec<PathArg>,
}

/// Check that no line was changed, taken out or put in
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "verify",
    help_triggers("--help"),
    example = "{command_name} ~/.local/state/weft/audit/coding-agent.jsonl",
    note = "Lines cut off at the end break no chain. Keep the hash that this prints elsewhere, and give it with --head: then it has to be on the way to the present one.",
    error_code(0, "every chain holds"),
    error_code(1, "a chain is broken"),
    error_code(2, "a log cannot be read")
)]
struct Verify {
    /// a hash that an earlier check printed; it must still be in the log
    #[argh(option, arg_name = "HASH")]
    head: Option<String>,
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// the log to check
    #[argh(positional, arg_name = "FILE")]
    files: Vec<PathArg>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Text,
    Json,
}

impl FromArgValue for Format {
    fn from_arg_value(value: &str) -> Result<Format, String> {
        match value {
            "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            _ => Err(say("use text or json")),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count(usize);

impl FromArgValue for Count {
    fn from_arg_value(value: &str) -> Result<Count, String> {
        let count = value.parse().ok().filter(|count| (1..=1_000_000).contains(count));
        count.map(Count).ok_or_else(|| say("use a number from 1 to 1000000"))
    }
}

pub fn run(audit: Audit) -> Result<Exit, Failure> {
    match audit.command {
        Command::Tail(command) => tail(&command),
        Command::Show(command) => show(&command),
        Command::Stats(command) => stats(&command),
        Command::Verify(command) => check(&command),
        Command::Watch(command) => watch::run(&command),
    }
}

/// The logs that were named, or all there are.
fn logs(named: &[PathArg]) -> Result<Vec<PathBuf>, Failure> {
    if !named.is_empty() {
        return Ok(named.iter().map(|path| path.0.clone()).collect());
    }
    let places = Places::discover(None).map_err(|what| Failure::usage(what, "", "name the log"))?;
    let folder = places.state.join("weft/audit");
    let is_log = |path: &PathBuf| path.extension().is_some_and(|end| end == "jsonl");
    let mut found: Vec<PathBuf> = match folder.read_dir() {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).filter(is_log).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(Failure::file("cannot read", &folder, &error)),
    };
    if found.is_empty() {
        let at = folder.display().to_string();
        return Err(Failure::usage("there is no log yet", at, "name one, or run something under a policy"));
    }
    sort::plain(&mut found);
    Ok(found)
}

fn failure(error: &AuditError) -> Failure {
    Failure::file("cannot read the log", &error.path, &error.source)
}

/// A write that failed ends the reading; it is told at the end.
struct Out<'a> {
    page: io::BufWriter<io::StdoutLock<'a>>,
    result: io::Result<()>,
}

impl Out<'_> {
    fn new() -> Self {
        Out { page: io::BufWriter::new(io::stdout().lock()), result: Ok(()) }
    }

    fn put(&mut self, body: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        if self.result.is_ok() {
            self.result = body(&mut self.page);
        }
    }

    fn done(mut self) -> Result<(), Failure> {
        let flushed = self.page.flush();
        self.result.and(flushed).map_err(|error| Failure::stdout(&error))
    }
}

fn one(
    entry: &SandboxAuditEntry,
    format: Format,
    fix: Option<&Suggestion>,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Json => {
            let note = fix.map(|fix| match fix {
                Suggestion::Add(text) => ("would_allow", text.as_str()),
                Suggestion::Say(text) => ("advice", text.as_str()),
            });
            entry.write(&mut Writer::new(out), None, note)?;
            out.write_all(b"\n")
        }
        Format::Text => {
            let word = if entry.allowed { "allowed" } else { "denied" };
            let rule = entry.rule.as_ref().map_or(String::new(), |rule| format!(" ({rule})"));
            let line = format!(
                "{} {} {word:<7} {} {}: {}{rule}",
                time(entry.timestamp),
                entry.agent_id,
                entry.action.as_str(),
                entry.target,
                entry.reason
            );
            writeln!(out, "{}", visible(&line))?;
            match fix {
                None => Ok(()),
                Some(Suggestion::Say(text)) => writeln!(out, "    {}", visible(text)),
                Some(Suggestion::Add(text)) => {
                    text.lines().try_for_each(|line| writeln!(out, "    {}", visible(line)))
                }
            }
        }
    }
}

/// Damage does not stop the reading, and is not passed over.
fn each(files: &[PathBuf], mut each: impl FnMut(SandboxAuditEntry)) -> Result<u64, Failure> {
    let mut unreadable = 0;
    for file in files {
        unreadable += entries(file, &mut each).map_err(|error| failure(&error))?;
    }
    Ok(unreadable)
}

fn warn(unreadable: u64) {
    if unreadable > 0 {
        super::term::say(&format!("{unreadable} lines are no entries: `weft audit verify` says which"));
    }
}

fn tail(command: &Tail) -> Result<Exit, Failure> {
    let mut kept: Vec<SandboxAuditEntry> = Vec::new();
    let mut unreadable = 0;
    for file in logs(&command.files)? {
        let mut last = VecDeque::new();
        unreadable += each(&[file], |entry| {
            if wanted(&entry, command.denied, command.agent.as_deref()) {
                if last.len() == command.lines.0 {
                    last.pop_front();
                }
                last.push_back(entry);
            }
        })?;
        kept.extend(last);
    }
    sort::by_key(&mut kept, |entry| entry.timestamp);
    let first = kept.len().saturating_sub(command.lines.0);
    let mut out = Out::new();
    kept[first..].iter().for_each(|entry| out.put(|page| one(entry, command.format, None, page)));
    out.done()?;
    warn(unreadable);
    Ok(Exit::Ok)
}

fn wanted(entry: &SandboxAuditEntry, denied: bool, agent: Option<&str>) -> bool {
    !(denied && entry.allowed) && agent.is_none_or(|agent| entry.agent_id == agent)
}

fn show(command: &Show) -> Result<Exit, Failure> {
    let mut out = Out::new();
    let mut said = std::collections::HashSet::new();
    let unreadable = each(&logs(&command.files)?, |entry| {
        let run = command.run.as_ref().is_none_or(|run| entry.run.starts_with(run.as_str()));
        if run && wanted(&entry, command.denied, command.agent.as_deref()) {
            // The same advice under every line would hide the lines.
            let fix = would_allow(&entry).filter(|_| command.denied);
            let new = fix.filter(|fix| {
                let text = format!("{fix:?}");
                let known = said.contains(&text);
                command.format == Format::Json || !known && (said.len() >= TARGETS || said.insert(text))
            });
            out.put(|page| one(&entry, command.format, new.as_ref(), page));
        }
    })?;
    out.done()?;
    warn(unreadable);
    Ok(Exit::Ok)
}

/// More different targets than this are counted together: a log may be huge, and hostile.
const TARGETS: usize = 100_000;
const SHOWN: usize = 10;

#[derive(Default)]
struct Tally {
    allowed: u64,
    denied: u64,
}

impl Tally {
    fn add(&mut self, allowed: bool) {
        *(if allowed { &mut self.allowed } else { &mut self.denied }) += 1;
    }
}

fn stats(command: &Stats) -> Result<Exit, Failure> {
    let mut agents: BTreeMap<String, Tally> = BTreeMap::new();
    let mut actions: BTreeMap<&'static str, Tally> = BTreeMap::new();
    let mut targets: BTreeMap<String, u64> = BTreeMap::new();
    let mut runs = std::collections::BTreeSet::new();
    let mut times: Option<(u64, u64)> = None;
    let unreadable = each(&logs(&command.files)?, |entry| {
        if !wanted(&entry, command.denied, command.agent.as_deref()) {
            return;
        }
        let (first, last) = times.unwrap_or((entry.timestamp, entry.timestamp));
        times = Some((first.min(entry.timestamp), last.max(entry.timestamp)));
        if runs.len() < TARGETS {
            runs.insert(entry.run.clone());
        }
        actions.entry(entry.action.as_str()).or_default().add(entry.allowed);
        if !entry.allowed {
            let target = format!("{} {}", entry.action.as_str(), entry.target);
            if targets.len() < TARGETS || targets.contains_key(&target) {
                *targets.entry(target).or_default() += 1;
            }
        }
        agents.entry(entry.agent_id).or_default().add(entry.allowed);
    })?;
    let mut most: Vec<(&String, &u64)> = targets.iter().collect();
    sort::by(&mut most, |a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    most.truncate(SHOWN);
    let agents: Vec<(&str, &Tally)> = agents.iter().map(|(name, tally)| (name.as_str(), tally)).collect();
    let actions: Vec<(&str, &Tally)> = actions.iter().map(|(name, tally)| (*name, tally)).collect();
    let (from, to) = times.map_or((String::new(), String::new()), |(from, to)| (time(from), time(to)));
    let mut out = Out::new();
    match command.format {
        Format::Text => {
            out.put(|page| writeln!(page, "{} runs, {from} to {to}", runs.len()));
            for (title, rows) in [("agent", &agents), ("action", &actions)] {
                out.put(|page| writeln!(page, "\n{title:<24}{:>10}{:>10}", "allowed", "denied"));
                for (name, tally) in rows {
                    out.put(|page| {
                        writeln!(page, "{:<24}{:>10}{:>10}", visible(name), tally.allowed, tally.denied)
                    });
                }
            }
            if !most.is_empty() {
                out.put(|page| writeln!(page, "\ndenied most"));
            }
            for (target, count) in most {
                out.put(|page| writeln!(page, "{count:>10}  {}", visible(target)));
            }
        }
        Format::Json => out.put(|page| {
            Writer::new(page).object_lines(|w| {
                w.field("schema", "weft.audit-stats/1")?;
                w.count("runs", runs.len() as u64)?;
                w.field("from", &from)?;
                w.field("to", &to)?;
                for (key, rows) in [("agents", &agents), ("actions", &actions)] {
                    w.key(key)?.array_lines(|w| {
                        rows.iter().try_for_each(|(name, tally)| {
                            w.object(|w| {
                                w.field("name", name)?;
                                w.count("allowed", tally.allowed)?;
                                w.count("denied", tally.denied)
                            })
                        })
                    })?;
                }
                w.key("denied_most")?.array_lines(|w| {
                    most.iter().try_for_each(|(target, count)| {
                        w.object(|w| {
                            w.field("target", target)?;
                            w.count("count", **count)
                        })
                    })
                })
            })?;
            page.write_all(b"\n")
        }),
    }
    out.done()?;
    warn(unreadable);
    Ok(Exit::Ok)
}

fn check(command: &Verify) -> Result<Exit, Failure> {
    let head = command.head.as_ref().map(|head| head.to_ascii_lowercase());
    if head.as_ref().is_some_and(|head| head.len() != 64 || !head.bytes().all(|b| b.is_ascii_hexdigit())) {
        return Err(Failure::usage(
            "bad value",
            "--head",
            "give the 64 hex digits that an earlier check printed",
        ));
    }
    let files = logs(&command.files)?;
    if head.is_some() && files.len() > 1 {
        return Err(Failure::usage("--head is about one log", "", "name it"));
    }
    let mut out = Out::new();
    let mut holds = true;
    for file in &files {
        holds &= check_one(command, file, head.as_deref(), &mut out)?;
    }
    out.done()?;
    Ok(if holds { Exit::Ok } else { Exit::Findings })
}

fn check_one(command: &Verify, file: &Path, head: Option<&str>, out: &mut Out) -> Result<bool, Failure> {
    let verdict = verify(file, head).map_err(|error| failure(&error))?;
    let name = crate::scan::names::escape(file.as_os_str().as_encoded_bytes());
    let cut = head.is_some() && !verdict.seen;
    match command.format {
        Format::Text => {
            for problem in &verdict.problems {
                out.put(|page| writeln!(page, "{name}:{}: {}", problem.line, visible(&problem.what)));
            }
            if cut {
                out.put(|page| writeln!(page, "{name}: the line with the hash of --head is gone"));
            }
            let lines = verdict.lines;
            out.put(|page| match verdict.problem_count {
                0 if cut => writeln!(page, "{name}: cut: {lines} entries are left"),
                0 => writeln!(page, "{name}: holds: {lines} entries, head {}", verdict.head),
                wrong => writeln!(page, "{name}: broken in {wrong} of {lines} lines"),
            });
        }
        Format::Json => out.put(|page| {
            Writer::new(page).object(|w| {
                w.field("schema", "weft.audit-verify/1")?;
                w.field("file", &name)?;
                w.key("holds")?.boolean(verdict.holds() && !cut)?;
                w.key("cut")?.boolean(cut)?;
                w.count("lines", verdict.lines)?;
                w.field("head", &verdict.head)?;
                w.count("problem_count", verdict.problem_count)?;
                w.key("problems")?.array(|w| {
                    verdict.problems.iter().try_for_each(|problem| {
                        w.object(|w| {
                            w.count("line", problem.line)?;
                            w.field("what", &problem.what)
                        })
                    })
                })
            })?;
            page.write_all(b"\n")
        }),
    }
    Ok(verdict.holds() && !cut)
}
