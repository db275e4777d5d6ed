//! `weft hook`: decides for agent programs that ask a hook before they call a tool, and puts the hook into their settings.

mod edit;
pub(in crate::cli) mod install;
mod lines;

#[cfg(feature = "review")]
pub(super) use install::free;
pub use lines::changed;

/// Whether the command of a hook is one of weft's.
pub(super) fn is_ours(command: &str) -> bool {
    command.contains("hook run --client ")
}

use super::args::PathArg;
use super::check::open;
use super::error::{Exit, Failure};
use super::policy::{choose, places};
use super::run::prepare::Agent;
use super::values::say;
use crate::agents::hook::{Client, answer, inside, judge, read};
use crate::agents::message;
use crate::audit::{Action, Log};
use crate::policy::Policy;
use crate::sandbox::questions::Outside;
use crate::scan::names;
use argh::{ArgsInfo, FromArgValue, FromArgs};
use std::io::{self, Write};
use std::path::PathBuf;

/// Decide about the tools of Claude Code, Codex, Gemini CLI, Cursor and OpenClaw
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "hook", help_triggers("--help"))]
pub struct Hook {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand)]
enum Command {
    Run(Run),
    Install(install::Install),
}

/// Answer one question of an agent program, on standard input and output
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "run",
    help_triggers("--help"),
    example = "{command_name} --client claude-code --policy ~/project/weft.toml < call.json",
    note = "What the program sends is its PreToolUse (Gemini: BeforeTool, OpenClaw: before_tool_call) event as JSON; the answer is a refusal in the form that it documents, or one that leaves it to the program's own settings. A message that is malformed or too large, a policy that is wrong and a log that cannot be written are refusals too.",
    error_code(0, "answered, whatever the answer"),
    error_code(2, "the command line is wrong; for these programs that is a refusal as well")
)]
struct Run {
    /// claude-code, codex, gemini, cursor or openclaw
    #[argh(option, arg_name = "NAME")]
    client: Client,
    /// a policy file, or the name of a built-in policy; without it, weft.toml of the workspace, else `base` with the
    /// workspace writable
    #[argh(option, arg_name = "POLICY")]
    policy: Option<String>,
    /// what ${WORKSPACE} stands for; without it, the project as the program tells it, else the current folder
    #[argh(option, arg_name = "DIR")]
    workspace: Option<PathArg>,
    /// the name in the log and in ${AGENT}; the policy's own if not given
    #[argh(option, arg_name = "ID")]
    agent: Option<Agent>,
}

impl FromArgValue for Client {
    fn from_arg_value(value: &str) -> Result<Client, String> {
        Client::parse(value).ok_or_else(|| say("use claude-code, codex, gemini, cursor or openclaw"))
    }
}

pub fn run(hook: &Hook) -> Result<Exit, Failure> {
    match &hook.command {
        Command::Run(command) => {
            let refused = decide(command).err();
            let mut out = io::stdout().lock();
            let said = answer(command.client, refused.as_deref());
            out.write_all(&said).and_then(|()| out.flush()).map_err(|error| Failure::stdout(&error))?;
            Ok(Exit::Ok)
        }
        Command::Install(command) => install::run(command),
    }
}

/// The error is the reason to refuse, for the model and its user.
fn decide(command: &Run) -> Result<(), String> {
    let bytes =
        message::all(&mut io::stdin().lock()).map_err(|error| format!("cannot read the message: {error}"))?;
    let project = || command.client.project().and_then(std::env::var_os).map(PathBuf::from);
    let workspace = command.workspace.as_ref().map(|path| path.0.clone()).or_else(project);
    let mut places = places(workspace.as_deref()).map_err(told)?;
    places.agent = command.agent.as_ref().map(|agent| agent.name().to_owned());
    // Inside a run, weft outside decides by the policy of the run, and keeps the log. A policy that is named here holds as well.
    let outside = Outside::find();
    if outside.is_none() || command.policy.is_some() {
        let (policy, _) = choose(command.policy.as_deref(), &places).map_err(told)?;
        let log = if outside.is_none() { Some(open(&policy).map_err(told)?) } else { None };
        judged(command.client, &policy, &bytes, log)?;
    }
    let Some(outside) = outside else { return Ok(()) };
    let answer = outside.ask(&inside::question(command.client, &bytes));
    inside::heard(&answer.map_err(|error| format!("weft outside of the sandbox does not answer: {error}"))?)
}

/// By this policy, and with an entry in this log.
fn judged(client: Client, policy: &Policy, bytes: &[u8], log: Option<Log>) -> Result<(), String> {
    let (decision, target) = match read(client, bytes) {
        Ok(wanted) => {
            let judged = judge(policy, &wanted);
            (judged.decision, judged.target)
        }
        Err(why) => (crate::agents::call::refuse(why), "a message that is no call".to_owned()),
    };
    if let Some(mut log) = log {
        let kept = log.decided(Action::Tool, &names::escape(target.as_bytes()), &decision);
        kept.map_err(|error| told(super::check::unlogged(&error)))?;
    }
    if decision.allowed { Ok(()) } else { Err(inside::reason(&decision)) }
}

fn told(failure: Failure) -> String {
    let text = failure.to_string();
    text.strip_prefix("weft: ").unwrap_or(&text).to_owned()
}
