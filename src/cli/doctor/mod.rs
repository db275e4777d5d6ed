//! `weft doctor`: what this kernel offers, what holds each line of a policy here, and an attack on it from inside.

mod attacks;

use super::args::PathArg;
use super::error::{Exit, Failure};
use super::inside;
use super::policy::{Format, out, places};
use super::run::{explain, prepare};
use crate::json::Writer;
use crate::sandbox::lines::{Line, lines};
use crate::sandbox::plan::Plan;
use crate::sandbox::probe::Probe;
use crate::sandbox::{launch, limits};
use crate::scan::report::visible::visible;
use argh::{ArgsInfo, FromArgs};
use attacks::{ALL, World};
use std::fs;
use std::io::{self, Write};

/// Say what this kernel can hold, what holds each line of a policy, and attack it from inside
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "doctor",
    help_triggers("--help"),
    example = "{command_name}",
    example = "{command_name} --policy weft.toml --format json",
    note = "The attack is a list of tricks that a hostile process would try. Each harmless one is first tried outside: `works outside` says that it is a real danger here, and that the sandbox is what holds it. Nothing leaves this machine; the files it needs are made for it and removed.",
    error_code(0, "every trick is held"),
    error_code(1, "a trick is not held, or the policy wants no sandbox"),
    error_code(2, "the policy is wrong, or this kernel cannot hold it")
)]
pub struct Doctor {
    /// a policy file, or the name of a built-in policy; without it, the one that `weft run` would take
    #[argh(option, arg_name = "POLICY")]
    policy: Option<String>,
    /// what ${WORKSPACE} stands for; the current folder if not given
    #[argh(option, arg_name = "DIR")]
    workspace: Vec<PathArg>,
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
}

/// What became of a trick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Held(u8),
    NotHeld,
    Allowed(&'static str),
}

struct Tried {
    name: &'static str,
    what: &'static str,
    outcome: Outcome,
    /// Whether it works without the sandbox; None where that was not tried.
    outside: Option<bool>,
}

pub fn run(command: &Doctor) -> Result<Exit, Failure> {
    launch::close_inherited()
        .map_err(|error| Failure::usage("cannot close descriptors", error.to_string(), ""))?;
    let probe = Probe::here();
    let offers = offers(&probe);
    if command.format == Format::Text {
        // What the kernel offers is worth knowing even if it is not enough.
        out(|page| offers.iter().try_for_each(|(key, value)| writeln!(page, "{key:<18}{}", visible(value))))?;
    }
    let empty = Empty::new(command)?;
    let workspace: &[PathArg] = empty.as_ref().map_or(&command.workspace, |empty| &empty.0);
    let prepared = prepare::Prepared::new(command.policy.as_deref(), None, workspace)?;
    let plan = inside::plan(&prepared, probe)?;
    // Without walls a trick is no test of them, and some would do harm.
    let tried = if plan.is_bare() { Vec::new() } else { attack(&prepared, &plan)? };
    let lines = lines(&prepared.policy, &plan);
    let name = match &empty {
        Some(_) => format!("{} (an empty folder)", prepared.name),
        None => prepared.name.clone(),
    };
    out(|page| match command.format {
        Format::Text => text(&name, &plan, &lines, &tried, page),
        Format::Json => json(&offers, &name, &plan, &lines, &tried, page),
    })?;
    let broken = tried.iter().any(|tried| tried.outcome == Outcome::NotHeld);
    Ok(if broken || plan.is_bare() { Exit::Findings } else { Exit::Ok })
}

/// A folder to be the workspace when the current one is too much for that: the question is about the kernel then.
struct Empty([PathArg; 1]);

impl Empty {
    fn new(command: &Doctor) -> Result<Option<Empty>, Failure> {
        if !command.workspace.is_empty() || places(None)?.workspace_too_wide().is_none() {
            return Ok(None);
        }
        let name = format!("weft-doctor-workspace-{}", crate::sys::process::pid());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).map_err(|error| Failure::file("cannot make a workspace", &folder, &error))?;
        Ok(Some(Empty([PathArg(folder)])))
    }
}

impl Drop for Empty {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0[0].0);
    }
}

/// What there is to build walls of.
pub fn offers(probe: &Probe) -> Vec<(&'static str, String)> {
    let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
    let yes = |yes: bool, no: &str| if yes { "yes".to_owned() } else { no.to_owned() };
    let group = |name: &str| match limits::group(name) {
        Some((path, version)) => {
            format!("{name}: version {version}, a group can be made below {}", path.display())
        }
        None => format!("{name}: no group can be made"),
    };
    let errata: Vec<String> =
        (0..32).filter(|bit| probe.errata & 1 << bit != 0).map(|bit| (bit + 1).to_string()).collect();
    vec![
        ("kernel", format!("{} {}", read("/proc/sys/kernel/osrelease"), std::env::consts::ARCH)),
        (
            "Landlock",
            match probe.landlock {
                0 => "no".to_owned(),
                abi => format!(
                    "ABI {abi}; fixed errata: {}",
                    if errata.is_empty() { "none".to_owned() } else { errata.join(" ") }
                ),
            },
        ),
        ("seccomp listener", yes(probe.listener, "no: refused calls cannot be written down")),
        (
            "user namespaces",
            match &probe.no_namespaces {
                None => format!("yes, at most {}", read("/proc/sys/user/max_user_namespaces")),
                Some(why) => format!("no: {why}"),
            },
        ),
        ("cgroups", format!("{}; {}", group("pids"), group("memory"))),
        ("limits", hard_limits()),
        (
            "runs as",
            if probe.root {
                "root: it keeps no capability inside".to_owned()
            } else {
                "a plain user".to_owned()
            },
        ),
    ]
}

/// The hard limits that are there already; a policy can only go below.
fn hard_limits() -> String {
    let text = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let wanted = ["Max processes", "Max open files", "Max file size", "Max data size", "Max cpu time"];
    let found = wanted.iter().filter_map(|name| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let hard = line.split_whitespace().nth(1)?;
        Some(format!("{} {hard}", name.trim_start_matches("Max ")))
    });
    found.collect::<Vec<_>>().join(", ")
}

fn attack(prepared: &prepare::Prepared, plan: &Plan) -> Result<Vec<Tried>, Failure> {
    let mut world = World::new(&prepared.policy, plan);
    world.outside = true;
    let outside: Vec<Option<bool>> = ALL.iter().map(|attack| world.control(attack)).collect();
    world.outside = false;
    let answers = inside::ask(plan, ALL.len(), &|at| match ALL.get(at) {
        Some(attack) if world.allowed(attack).is_none() => world.act(attack),
        _ => crate::sys::attempt::KILLED,
    })?;
    let tried = ALL.iter().zip(answers).zip(outside).map(|((attack, answer), outside)| {
        let outcome = match (world.allowed(attack), answer) {
            (Some(why), _) => Outcome::Allowed(why),
            (None, 0) => Outcome::NotHeld,
            (None, errno) => Outcome::Held(errno),
        };
        Tried { name: attack.name, what: attack.what, outcome, outside }
    });
    Ok(tried.collect())
}

impl Outcome {
    const fn word(self) -> &'static str {
        match self {
            Outcome::Held(_) => "held",
            Outcome::NotHeld => "NOT HELD",
            Outcome::Allowed(_) => "allowed",
        }
    }

    fn why(self) -> String {
        match self {
            Outcome::Held(errno) => inside::words(errno),
            Outcome::NotHeld => "it worked".to_owned(),
            Outcome::Allowed(why) => why.to_owned(),
        }
    }
}

fn text(name: &str, plan: &Plan, lines: &[Line], tried: &[Tried], page: &mut Vec<u8>) -> io::Result<()> {
    writeln!(page, "\npolicy            {}", visible(name))?;
    writeln!(page, "level             {}: {}", explain::level(plan), explain::walls(plan))?;
    for erratum in &plan.errata {
        writeln!(page, "erratum {:<9} is not fixed here: {}", erratum.number, erratum.text)?;
    }
    writeln!(page, "\nline by line")?;
    explain::write_lines(lines, page)?;
    if plan.is_bare() {
        return writeln!(page, "\nno attack was tried: nothing would hold it");
    }
    writeln!(page, "\nattacks from inside")?;
    for tried in tried {
        let outside = if tried.outside == Some(true) { ", works outside" } else { "" };
        let line = format!(
            "{:<9} {:<17} {} ({}{outside})",
            tried.outcome.word(),
            tried.name,
            tried.what,
            tried.outcome.why()
        );
        writeln!(page, "{}", visible(&line))?;
    }
    let count = |word: &str| tried.iter().filter(|tried| tried.outcome.word() == word).count();
    let real = tried.iter().filter(|tried| tried.outside == Some(true)).count();
    writeln!(
        page,
        "{} held, {} not held, {} allowed by the policy; {real} of them work outside",
        count("held"),
        count("NOT HELD"),
        count("allowed")
    )
}

fn json(
    offers: &[(&'static str, String)],
    name: &str,
    plan: &Plan,
    lines: &[Line],
    tried: &[Tried],
    page: &mut Vec<u8>,
) -> io::Result<()> {
    Writer::new(page).object_lines(|w| {
        w.field("schema", "weft.doctor/1")?;
        w.key("offers")?.object_lines(|w| {
            offers.iter().try_for_each(|(key, value)| w.field(&key.replace(' ', "_").to_lowercase(), value))
        })?;
        w.field("policy", name)?;
        w.field("level", explain::level(plan))?;
        w.field("walls", &explain::walls(plan))?;
        w.key("errata")?.array_lines(|w| {
            plan.errata.iter().try_for_each(|erratum| {
                w.object(|w| {
                    w.count("number", erratum.number.into())?;
                    w.field("what", erratum.text)
                })
            })
        })?;
        w.key("lines")?.array_lines(|w| lines.iter().try_for_each(|line| explain::json_line(w, line)))?;
        w.key("attacks")?.array_lines(|w| {
            tried.iter().try_for_each(|tried| {
                w.object(|w| {
                    w.field("name", tried.name)?;
                    w.field("what", tried.what)?;
                    w.field("outcome", &tried.outcome.word().to_lowercase())?;
                    w.field("why", &tried.outcome.why())?;
                    match tried.outside {
                        Some(works) => w.key("works_outside")?.boolean(works),
                        None => w.key("works_outside")?.null(),
                    }
                })
            })
        })
    })?;
    page.write_all(b"\n")
}
