//! `weft run`: a command under a policy that the kernel holds. Finds the policy, keeps the log, hands on the exit code;
//! what is enforced and how is `sandbox`'s.

mod asked;
pub(super) mod explain;
pub(super) mod module;
mod network;
mod observed;
pub(super) mod prepare;
mod record;

use module::Module;
use prepare::{Agent, Prepared, Timeout};

use super::args::{PathArg, to_os};
use super::error::{Exit, Failure};
use super::policy::Format;
use crate::cli::term::say;
use crate::policy::Policy;
use crate::sandbox::launch::{self, End};
use crate::sandbox::plan::{Plan, Runs};
use crate::sandbox::probe::Probe;
use crate::scan::names;
use crate::sys::process::Status;
use argh::{ArgsInfo, FromArgs};
use record::Recorder;
use std::ffi::OsString;
use std::io;

/// Run a command in a sandbox that the kernel holds to a policy
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "run",
    help_triggers("--help"),
    example = "{command_name} -- bash                             weft.toml of this folder, else base and this folder",
    example = "{command_name} --policy coding-agent -- cargo test   one of `weft policy show --list`",
    example = "{command_name} --policy weft.toml --explain          what would hold each line; runs nothing",
    example = "{command_name} --timeout 10m --policy skill -- python3 tool.py",
    example = "{command_name} --policy skill -- tool.wasm in.txt     a WebAssembly program (WASI preview 1)",
    note = "The command sees only what the policy names, on this terminal, with its own exit code. / and the home folder are too much to hand over as a workspace by accident: to mean one, give it twice, `--workspace ~ --workspace ~`. Refused calls and programs are in the log: `weft audit show --denied`.",
    error_code(0, "the command ended with 0; any other code of its own is passed on as well"),
    error_code(2, "nothing was run: the command line, the policy, or this kernel cannot hold it"),
    error_code(124, "the time was up (--timeout, process.max_wall_time)"),
    error_code(
        125,
        "the sandbox could not be set up, or weft stopped the run because the log could not be written"
    ),
    error_code(126, "the command is there but cannot be executed"),
    error_code(127, "there is no such command inside"),
    error_code(128, "128 + n: signal n ended the command")
)]
pub struct Run {
    /// a policy file, or the name of a built-in policy; without it, weft.toml of the workspace, else `base` with the
    /// workspace writable
    #[argh(option, arg_name = "POLICY")]
    policy: Option<String>,
    /// the name in the log and in ${AGENT}; the policy's own if not given
    #[argh(option, arg_name = "ID")]
    agent: Option<Agent>,
    /// what ${WORKSPACE} stands for and where the command starts; the current folder if not given
    #[argh(option, arg_name = "DIR")]
    workspace: Vec<PathArg>,
    /// print what will hold each line of the policy, and run nothing
    #[argh(switch)]
    explain: bool,
    /// how --explain prints it: text or json
    #[argh(option, arg_name = "FORMAT")]
    format: Option<Format>,
    /// say each connection on standard error as it begins and ends, and each that is refused
    #[argh(switch)]
    net_log: bool,
    /// write down every file, program and address that is asked for, for `weft policy learn` and `tighten`
    #[argh(switch)]
    observe: bool,
    /// end the command after this time (90s, 10m, 1h30m), if the policy does not earlier
    #[argh(option, arg_name = "TIME")]
    timeout: Option<Timeout>,
    /// the command and its arguments, best after `--`
    #[argh(positional, greedy, arg_name = "CMD")]
    command: Vec<String>,
}

pub fn run(command: &Run) -> Result<Exit, Failure> {
    close_inherited()?;
    let wanted = Wanted {
        explain: command.explain,
        format: command.format,
        timeout: command.timeout,
        net_log: command.net_log,
        observe: command.observe,
        words: &command.command,
        own: None,
    };
    wanted.check("weft run -- bash")?;
    let prepared = Prepared::new(command.policy.as_deref(), command.agent.as_ref(), &command.workspace)?;
    if command.policy.is_none() && !command.explain {
        say(&format!("policy: {}", prepared.name));
    }
    run_prepared(prepared, &wanted).map(|ran| ran.exit)
}

/// Code of weft's own that runs where a command would.
pub(super) struct Own<'a> {
    /// Whether it can under a plan, which it may add to; nothing has run yet.
    pub ready: &'a dyn Fn(&mut Plan) -> Result<(), Failure>,
    /// Inside. Gives the exit code.
    pub act: &'a dyn Fn(&Plan) -> i32,
}

/// What is to be done with a policy.
#[derive(Default)]
pub(super) struct Wanted<'a> {
    pub explain: bool,
    pub format: Option<Format>,
    pub timeout: Option<Timeout>,
    pub net_log: bool,
    pub observe: bool,
    /// The command and its arguments.
    pub words: &'a [String],
    /// What runs in its place; the words only say what that is.
    pub own: Option<&'a Own<'a>>,
}

impl Wanted<'_> {
    /// What argh cannot say.
    pub fn check(&self, example: &str) -> Result<(), Failure> {
        if self.words.is_empty() && !self.explain {
            return Err(Failure::usage("no command to run", "", format!("write it after --: {example}")));
        }
        if self.format.is_some() && !self.explain {
            return Err(Failure::usage("--format is for --explain", "", "leave it out, or add --explain"));
        }
        Ok(())
    }
}

/// Before anything is opened: whatever else this process was started with is not for the command.
pub(super) fn close_inherited() -> Result<(), Failure> {
    launch::close_inherited().map_err(|error| unready("close inherited descriptors", &error))
}

/// Runs the command under a policy that was prepared, or explains it.
pub(super) fn run_prepared(prepared: Prepared, wanted: &Wanted) -> Result<Ran, Failure> {
    let probe = Probe::here();
    let words: Vec<OsString> = wanted.words.iter().map(|word| to_os(word)).collect();
    let program = words.first().filter(|_| wanted.own.is_none());
    let mut module = program.and_then(|word| Module::find(word, &prepared.start));
    let runs = match (&module, words.is_empty()) {
        (Some(_), _) => Runs::Module,
        (None, true) => Runs::Either,
        (None, false) => Runs::Native,
    };
    let mut plan = prepare::plan_for(&prepared, &probe, wanted.timeout, runs)?;
    if wanted.explain {
        let exit = explain::print(&prepared, &plan, wanted.format.unwrap_or_default())?;
        return Ok(Ran { exit, run: String::new(), end: None });
    }
    if wanted.observe {
        if runs == Runs::Module {
            let fix = "leave --observe out; what it is refused is in the log";
            return Err(Failure::usage(
                "a WebAssembly program cannot be observed",
                prepared.name.clone(),
                fix,
            ));
        }
        observe(&prepared, &mut plan)?;
    }
    prepared.say_skipped();
    if plan.is_bare() {
        let origin = prepared.policy.sandbox.kind.as_ref().map(|set| set.origin.to_string());
        say(&format!("warning: no sandbox, nothing holds the command to the policy{}", by_line(&origin)));
    }
    say_unenforced(&plan);
    if let Some(own) = wanted.own {
        (own.ready)(&mut plan)?;
    }
    let mut recorder = Recorder::open(&prepared.policy, &plan)?;
    recorder.net_log = wanted.net_log;
    recorder.begin(&prepared, &plan, &words)?;
    let mut ended = launched(&prepared.policy, &plan, wanted.own, &words, &mut module, &mut recorder)?;
    if let Err(error) = &ended
        && plan.has_namespaces()
        && launch::namespaces_refused(error)
    {
        plan = again(&prepared, probe, wanted.timeout, runs, error, &mut recorder)?;
        if wanted.observe {
            observe(&prepared, &mut plan)?;
        }
        if let Some(own) = wanted.own
            && let Err(refused) = (own.ready)(&mut plan)
        {
            recorder.not_started(&refused.what)?;
            return Err(refused);
        }
        ended = launched(&prepared.policy, &plan, wanted.own, &words, &mut module, &mut recorder)?;
    }
    conclude(recorder, ended, &prepared.policy, &plan, &words)
}

/// How a run went.
// What learns from it needs the rest of it.
#[cfg_attr(not(feature = "review"), allow(dead_code))]
pub(super) struct Ran {
    pub exit: Exit,
    /// Its id in the log.
    pub run: String,
    /// None where nothing was run.
    pub end: Option<End>,
}

/// Everything that is asked for is to be written down: the plan, and a log that can hold it.
fn observe(prepared: &Prepared, plan: &mut Plan) -> Result<(), Failure> {
    if prepared.policy.audit.file.is_none() {
        let fix = "give the policy an [audit] file";
        return Err(Failure::usage("nothing to write down what is observed", prepared.name.clone(), fix));
    }
    plan.observe().map_err(|why| {
        let fix = "leave --observe out, or take out type = \"none\"";
        Failure::usage(format!("the run cannot be observed here: {why}"), "", fix)
    })
}

/// Runs a native program, or a module if the command is one.
fn launched(
    policy: &Policy,
    plan: &Plan,
    own: Option<&Own<'_>>,
    words: &[OsString],
    module: &mut Option<Module>,
    recorder: &mut Recorder<'_>,
) -> Result<Result<End, launch::Error>, Failure> {
    if let Some(own) = own {
        return Ok(launch::run_inside(plan, &|| (own.act)(plan), &mut |event| recorder.witness(event)));
    }
    #[cfg(feature = "wasm")]
    if let (Some(module), Some(guest)) = (module, &plan.guest) {
        if !recorder.module(module)? {
            return Ok(Ok(End::NotExecutable(libc::EACCES)));
        }
        let bytes = match module.read(crate::sandbox::wasm::MODULE) {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Ok(End::NotExecutable(error.raw_os_error().unwrap_or(libc::EIO)))),
        };
        let act = |ours: &crate::sandbox::pid1::Ours<'_>| {
            crate::sandbox::wasm::run(policy, plan, guest, words, &bytes, ours)
        };
        return Ok(launch::run_interpreter(plan, &act, &mut |event| recorder.witness(event)));
    }
    #[cfg(not(feature = "wasm"))]
    let _ = (policy, module);
    Ok(launch::run(plan, words, &mut |event| recorder.witness(event)))
}

/// Another plan, after namespaces that the probe promised were refused. Nothing has run yet.
fn again(
    prepared: &Prepared,
    probe: Probe,
    timeout: Option<Timeout>,
    runs: Runs,
    error: &launch::Error,
    recorder: &mut Recorder<'_>,
) -> Result<Plan, Failure> {
    let why = launch::why(error);
    recorder.without_namespaces(&why)?;
    let plan = match prepare::plan_for(prepared, &probe.without_namespaces(&why), timeout, runs) {
        Ok(plan) => plan,
        Err(refused) => {
            recorder.not_started(&refused.what)?;
            return Err(refused);
        }
    };
    recorder.enforced_by(&plan)?;
    say(&format!("namespaces are refused ({why}): this run is held at the level `fallback`"));
    say_unenforced(&plan);
    Ok(plan)
}

fn say_unenforced(plan: &Plan) {
    for (origin, why) in &plan.unenforced {
        say(&format!("not enforced: {origin}: {why}"));
    }
}

/// Writes the end into the log, and says what a person should know of it.
fn conclude(
    mut recorder: Recorder,
    ended: Result<End, launch::Error>,
    policy: &Policy,
    plan: &Plan,
    words: &[OsString],
) -> Result<Ran, Failure> {
    let end = match ended {
        Ok(end) => end,
        Err(error) => return Err(recorder.failed(&error)),
    };
    if let Some(limit) = limits_by_signal(end, policy) {
        recorder.limit(limit)?;
    }
    recorder.end(end)?;
    for (limit, origin) in recorder.limits() {
        say(&match *limit {
            "process.max_wall_time" => {
                let seconds = crate::decimal::seconds(plan.limits.wall.unwrap_or_default());
                format!("the time was up after {seconds} s: the command was ended{}", by_line(origin))
            }
            limit => format!("{limit} was reached{}", by_line(origin)),
        });
    }
    let name = words.first().map(|word| names::escape(word.as_encoded_bytes())).unwrap_or_default();
    if let Some(trap) = recorder.trap() {
        say(&format!("{name}: {trap}"));
    }
    match end {
        End::NotFound => say(&format!("no such command inside: {name}{}", recorder.hint())),
        End::NotExecutable(errno) => {
            let error = io::Error::from_raw_os_error(errno);
            let why = crate::words::reason(&error);
            say(&format!("the command cannot be executed: {name}: {why}{}", recorder.hint()));
        }
        End::Command(_) | End::TimedOut => {}
    }
    recorder.say_denied();
    let exit = Exit::Run(u8::try_from(end.code()).unwrap_or(u8::MAX));
    Ok(Ran { exit, run: recorder.run().to_owned(), end: Some(end) })
}

fn by_line(origin: &Option<String>) -> String {
    origin.as_ref().map_or(String::new(), |origin| format!(" ({origin})"))
}

/// Limits that show in the signal that ended the command.
fn limits_by_signal(end: End, policy: &Policy) -> Option<&'static str> {
    let End::Command(Status::Killed(signal)) = end else { return None };
    let process = &policy.process;
    match signal {
        libc::SIGXCPU if process.max_cpu_time.is_some() => Some("process.max_cpu_time"),
        libc::SIGXFSZ if process.max_file_size.is_some() => Some("process.max_file_size"),
        _ => None,
    }
}

/// weft could not get as far as running anything.
fn unready(doing: &str, error: &io::Error) -> Failure {
    let what = format!("the sandbox could not be set up, nothing was run: {doing}");
    Failure { exit: Exit::Run(125), ..Failure::usage(what, crate::words::reason(error), "") }
}
