//! `weft policy why`: one question, the answer, and the line that decided.

use super::{Format, absolute, choose, out, places};
use crate::cli::args::{PathArg, to_os};
use crate::cli::error::{Exit, Failure};
use crate::policy::{Question, ask, endpoint, report};
use crate::scan::names;
use crate::scan::report::visible::visible;
use argh::{ArgsInfo, FromArgs};
use std::io::Write;

/// Say whether something is allowed, and which line of the policy decides
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "why",
    help_triggers("--help"),
    example = "{command_name} --policy coding-agent read ~/.ssh/id_ed25519",
    example = "{command_name} --policy network-agent connect pypi.org:443",
    example = "{command_name} exec git",
    note = "VERB is read, write, exec, connect, tool or env. Without --policy it is weft.toml in the workspace, else `base` with the workspace writable.",
    error_code(0, "allowed"),
    error_code(1, "denied"),
    error_code(2, "the command line or the policy is wrong")
)]
pub struct Why {
    /// a policy file, or the name of a built-in policy
    #[argh(option, arg_name = "POLICY")]
    policy: Option<String>,
    /// what ${WORKSPACE} stands for; the current folder if not given
    #[argh(option, arg_name = "DIR")]
    workspace: Option<PathArg>,
    /// text or json
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// what is asked: read, write, exec, connect, tool or env
    #[argh(positional, arg_name = "VERB")]
    verb: String,
    /// a path, a command, host:port, or a name
    #[argh(positional, arg_name = "TARGET")]
    target: String,
}

pub fn run(command: &Why) -> Result<Exit, Failure> {
    let places = places(command.workspace.as_ref().map(|path| path.0.as_path()))?;
    let target = to_os(&command.target);
    let shown = names::escape(target.as_encoded_bytes());
    let question = match command.verb.as_str() {
        "read" => Question::Read(absolute(target.into())?),
        "write" => Question::Write(absolute(target.into())?),
        "exec" => Question::Exec(command.target.clone()),
        "connect" => {
            let (host, port) = endpoint(&command.target)
                .map_err(|why| Failure::usage(why, "TARGET", "write host:port, IPv6 in brackets"))?;
            Question::Connect { host, port }
        }
        "tool" => Question::Tool(command.target.clone()),
        "env" => Question::Env(command.target.clone()),
        other => {
            return Err(Failure::usage(
                "unknown question",
                other,
                "use read, write, exec, connect, tool or env",
            ));
        }
    };
    let (policy, name) = choose(command.policy.as_deref(), &places)?;
    let decision = ask(&policy, &question);
    out(|page| match command.format {
        Format::Text => {
            let word = if decision.allowed { "allowed" } else { "denied" };
            let rule =
                decision.rule.as_ref().map_or(format!("{name}: no line allows it"), |rule| rule.to_string());
            let line = format!("{word}: {} {shown}\n  {rule}\n  {}", question.verb(), decision.reason);
            line.lines().try_for_each(|line| writeln!(page, "{}", visible(line)))
        }
        Format::Json => report::answer(page, &policy, &name, &question, &shown, &decision),
    })?;
    Ok(if decision.allowed { Exit::Ok } else { Exit::Findings })
}
