//! `weft policy tighten`: a policy without the grants that no run needed.

use super::diff::change_line;
use super::learn::uses::{failure as log_failure, no_entries, path_of};
use super::{failure, out, places};
use crate::audit::{Action, OBSERVED, SandboxAuditEntry, entries};
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::hook::install::free;
use crate::cli::term::say;
use crate::cli::values::say as fix;
use crate::files::write_atomic;
use crate::json::Writer;
use crate::policy::tighten::{Done, Entry, Failed, Tightened, tighten};
use crate::policy::{AuditLevel, Policy, endpoint, is_path, load};
use crate::scan::names;
use crate::scan::report::visible::visible;
use argh::{ArgsInfo, FromArgValue, FromArgs};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Take out of a policy what none of the runs in its log needed
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "tighten",
    help_triggers("--help"),
    example = "weft run --observe --policy weft.toml -- make test    first: runs that write down what they use",
    example = "{command_name} weft.toml --from ~/.local/state/weft/audit/agent.jsonl",
    example = "{command_name} weft.toml --from agent.jsonl --runs 5 --write",
    note = "An entry goes only if everything that the runs did is still allowed without it. Which files were read is in the log only of runs with `--observe`: without it grants of files stay, and are listed as not judged. So do variables, which nobody sees being read. Denials, limits and what other files say (`extends`) are left alone.",
    error_code(0, "nothing to take out, or it was written"),
    error_code(1, "there is something to take out: --write does"),
    error_code(2, "the command line, the policy or a log is wrong")
)]
pub struct Tighten {
    /// an audit log of runs under the policy; may be given more than once
    #[argh(option, arg_name = "AUDIT")]
    from: Vec<PathArg>,
    /// go by the last N runs only, and refuse if there are fewer
    #[argh(option, arg_name = "N")]
    runs: Option<Count>,
    /// change the file; it is kept as it was under another name
    #[argh(switch)]
    write: bool,
    /// text or json
    #[argh(option, default = "super::Format::Text", arg_name = "FORMAT")]
    format: super::Format,
    /// what ${WORKSPACE} stands for; the current folder if not given
    #[argh(option, arg_name = "DIR")]
    workspace: Option<PathArg>,
    /// the policy file
    #[argh(positional, arg_name = "POLICY")]
    policy: PathArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count(usize);

impl FromArgValue for Count {
    fn from_arg_value(value: &str) -> Result<Count, String> {
        let count = value.parse().ok().filter(|count| (1..=1_000_000).contains(count));
        count.map(Count).ok_or_else(|| fix("use a number from 1 to 1000000"))
    }
}

/// More different things than this are not held; a log of that many is not the work of a few runs.
const MOST: usize = 200_000;

/// One run of the log.
#[derive(Default)]
struct Run {
    began: u64,
    observed: bool,
    files_untold: bool,
    programs_untold: bool,
    hosts_untold: bool,
    /// Without a sandbox nobody sees programs.
    bare: bool,
    /// A run of a command, and its end.
    started: bool,
    ended: bool,
    /// It ended with another code than 0.
    failed: bool,
    tools: bool,
    done: Done,
}

pub fn run(command: &Tighten) -> Result<Exit, Failure> {
    let path = &command.policy.0;
    let shown = names::escape(path.as_os_str().as_encoded_bytes());
    let name = path
        .to_str()
        .ok_or_else(|| Failure::usage("a policy's name is UTF-8", shown.clone(), "rename it"))?;
    // A file without a slash or an ending is a file here all the same.
    let name = if is_path(name) { name.to_owned() } else { format!("./{name}") };
    if command.from.is_empty() {
        return Err(Failure::usage("no log to go by", "--from", "name the log of runs under this policy"));
    }
    let places = places(command.workspace.as_ref().map(|path| path.0.as_path()))?;
    let policy = load(&name, &places).map_err(|errors| failure(&errors))?;
    let (runs, unreadable) = read(&command.from, &policy)?;
    let runs = chosen(runs, command.runs, &policy)?;
    let (count, done) = together(runs, unreadable, &policy);
    let text = fs::read_to_string(&name).map_err(|error| Failure::file("cannot read", path, &error))?;
    let tightened = tighten(&name, &text, &places, &done).map_err(|failed| match failed {
        Failed::Policy(errors) => failure(&errors),
        Failed::Other(what) => Failure::usage(what, shown.clone(), "take it out by hand"),
    })?;
    out(|page| match command.format {
        super::Format::Text => show(&tightened, count, &shown, page),
        super::Format::Json => json(&tightened, count, unreadable, &name, page),
    })?;
    if unreadable > 0 {
        say(&format!("{unreadable} lines of the logs cannot be read and were passed over"));
    }
    match (tightened.dropped.is_empty(), command.write) {
        (true, _) => Ok(Exit::Ok),
        (false, false) => Ok(Exit::Findings),
        (false, true) => {
            write(path, &text, &tightened.text)?;
            Ok(Exit::Ok)
        }
    }
}

/// Keeps a copy, then writes.
fn write(path: &Path, old: &str, new: &str) -> Result<(), Failure> {
    let copy = free(path)?;
    fs::copy(path, &copy).map_err(|error| Failure::file("cannot keep a copy as", &copy, &error))?;
    let now = fs::read(path).map_err(|error| Failure::file("cannot read", path, &error))?;
    if now != old.as_bytes() {
        let shown = names::escape(path.as_os_str().as_encoded_bytes());
        return Err(Failure::usage("the policy was changed in the meantime", shown, "try again"));
    }
    write_atomic(path, |out| out.write_all(new.as_bytes()))
        .map_err(|error| Failure::file("cannot write", path, &error))?;
    say(&format!("the policy as it was is in {}", names::escape(copy.as_os_str().as_encoded_bytes())));
    Ok(())
}

/// The runs of the policy's agent, by their id, and how many lines could not be read.
fn read(logs: &[PathArg], policy: &Policy) -> Result<(BTreeMap<String, Run>, u64), Failure> {
    let mut runs: BTreeMap<String, Run> = BTreeMap::new();
    let (mut unreadable, mut held) = (0, 0);
    for log in logs {
        let mut count = 0;
        let bad = entries(&log.0, |entry| {
            count += 1;
            if entry.agent_id == policy.agent && held < MOST {
                held += usize::from(take(runs.entry(entry.run.clone()).or_default(), &entry));
            }
        });
        let bad = bad.map_err(|error| log_failure(&error))?;
        if count == 0 {
            return Err(no_entries(&log.0, bad));
        }
        unreadable += bad;
    }
    if held >= MOST {
        let what = format!("there are more than {MOST} different things in the logs");
        return Err(Failure::usage(what, "--from", "name fewer logs"));
    }
    Ok((runs, unreadable))
}

/// True when it is something new to be held.
fn take(run: &mut Run, entry: &SandboxAuditEntry) -> bool {
    if run.began == 0 {
        run.began = entry.timestamp;
    }
    let target = entry.target.as_str();
    let done = &mut run.done;
    match entry.action {
        Action::Enforcement if target == OBSERVED => run.observed = true,
        Action::Enforcement if target == "none" => run.bare = true,
        Action::Limit if target == OBSERVED => run.files_untold = true,
        Action::Limit if target == "network" => run.hosts_untold = true,
        Action::Start => run.started = true,
        Action::Exit => {
            run.ended = true;
            run.failed = target != "code 0";
            run.programs_untold |= entry.reason.contains("programs more than are listed");
        }
        Action::Read => return path_of(target).is_some_and(|path| done.read.insert(path)),
        Action::Write => return path_of(target).is_some_and(|path| done.written.insert(path)),
        Action::Exec => return path_of(target).is_some_and(|path| done.programs.insert(path)),
        Action::Connect => {
            // Where it went: an address that is not public has an entry of its own.
            let address = entry.reason.split(", at ").nth(1).and_then(|rest| rest.split(", ").next());
            let places = [Some(target), address].into_iter().flatten();
            let new: Vec<(String, u16)> = places.filter_map(|place| endpoint(place).ok()).collect();
            let before = done.hosts.len();
            done.hosts.extend(new);
            return done.hosts.len() > before;
        }
        Action::Tool => {
            run.tools = true;
            let name = target.split(": ").next().unwrap_or_default();
            return done.tools.insert(name.trim_end_matches(" (listed)").to_owned());
        }
        _ => {}
    }
    false
}

/// The last so many, or all.
fn chosen(runs: BTreeMap<String, Run>, wanted: Option<Count>, policy: &Policy) -> Result<Vec<Run>, Failure> {
    let mut runs: Vec<Run> = runs.into_values().collect();
    crate::sort::by_key(&mut runs, |run| run.began);
    if runs.is_empty() {
        let what = format!("no run of the agent {} is in the log", policy.agent);
        return Err(Failure::usage(what, "--from", "name the log of runs under this policy"));
    }
    if let Some(Count(wanted)) = wanted {
        let Some(first) = runs.len().checked_sub(wanted) else {
            let what = format!("{wanted} runs are asked for, {} are in the log", runs.len());
            return Err(Failure::usage(what, "--runs", "run it more often first, or ask for fewer"));
        };
        runs.drain(..first);
    }
    Ok(runs)
}

/// What all of them did, and what of it the log cannot tell.
fn together(runs: Vec<Run>, unreadable: u64, policy: &Policy) -> (usize, Done) {
    let count = runs.len();
    let of = |bad: usize, why: &str| match bad {
        0 => None,
        bad => Some(format!("{why} in {bad} of {count} runs")),
    };
    let with = |test: &dyn Fn(&Run) -> bool| runs.iter().filter(|run| test(run)).count();
    // With `level = "denied"` the log has what was allowed only of runs that are observed.
    let quiet = policy.audit.level == AuditLevel::Denied;
    let unseen = |run: &Run| quiet && !run.observed;
    let failed = with(&|run| run.failed);
    if failed > 0 {
        say(&format!(
            "{failed} of {count} runs ended with an error: they may have done less than the others"
        ));
    }
    // Of what is missing nobody knows what it was.
    let torn = match unreadable {
        0 => of(with(&|run| run.started && !run.ended), "the end is not in the log"),
        lines => Some(format!("{lines} lines of the logs cannot be read")),
    };
    let or = |why: Option<String>| torn.clone().or(why);
    let mut all = Done {
        files_unknown: or(of(with(&|run| !run.observed), "files were not written down (run with --observe)")
            .or_else(|| of(with(&|run| run.files_untold), "there was more than the log holds"))),
        programs_unknown: or(of(with(&|run| run.bare || unseen(run)), "programs were not written down")
            .or_else(|| of(with(&|run| run.programs_untold), "there were more programs than the log holds"))),
        hosts_unknown: or(of(with(&|run| run.bare || unseen(run)), "connections were not written down")
            .or_else(|| of(with(&|run| run.hosts_untold), "there were more connections than the log holds"))),
        tools_unknown: or((!runs.iter().any(|run| run.tools))
            .then(|| "the log is of no tools (weft mcp, hook and check write them down)".to_owned())),
        ..Done::default()
    };
    for run in runs {
        let done = run.done;
        all.read.extend(done.read);
        all.written.extend(done.written);
        all.programs.extend(done.programs);
        all.hosts.extend(done.hosts);
        all.tools.extend(done.tools);
    }
    (count, all)
}

fn show(tightened: &Tightened, runs: usize, name: &str, page: &mut Vec<u8>) -> io::Result<()> {
    let line = |entry: &Entry| format!("{name}:{}: {}: {}", entry.line, entry.key, entry.text);
    for entry in &tightened.dropped {
        writeln!(page, "unused     {}", visible(&line(entry)))?;
    }
    for (entry, why) in &tightened.unjudged {
        writeln!(page, "not judged {}", visible(&format!("{}: {why}", line(entry))))?;
    }
    for change in &tightened.changes {
        writeln!(page, "{}", change_line(change))?;
    }
    let (unused, unjudged) = (tightened.dropped.len(), tightened.unjudged.len());
    let runs = if runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") };
    let text = format!("{name}, by {runs}: {unused} unused, {} used, {unjudged} not judged", tightened.used);
    writeln!(page, "{}", visible(&text))
}

/// `weft.policy-tighten/1`.
fn json(
    tightened: &Tightened,
    runs: usize,
    unreadable: u64,
    name: &str,
    page: &mut Vec<u8>,
) -> io::Result<()> {
    let entry = |w: &mut Writer<'_>, entry: &Entry, why: Option<&str>| {
        w.object(|w| {
            w.count("line", entry.line.into())?;
            w.field("key", entry.key)?;
            w.field("entry", &entry.text)?;
            why.map_or(Ok(()), |why| w.field("why", why))
        })
    };
    Writer::new(page).object_lines(|w| {
        w.field("schema", "weft.policy-tighten/1")?;
        w.field("policy", name)?;
        w.count("runs", runs as u64)?;
        w.count("unreadable_lines", unreadable)?;
        w.count("used", tightened.used as u64)?;
        w.key("unused")?.array_lines(|w| tightened.dropped.iter().try_for_each(|one| entry(w, one, None)))?;
        w.key("not_judged")?.array_lines(|w| {
            tightened.unjudged.iter().try_for_each(|(one, why)| entry(w, one, Some(why.as_str())))
        })?;
        w.key("changes")?.array_lines(|w| {
            tightened.changes.iter().try_for_each(|change| super::diff::json_change(w, change))
        })?;
        w.field("tightened", &tightened.text)
    })?;
    page.write_all(b"\n")
}
