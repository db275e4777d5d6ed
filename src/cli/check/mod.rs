//! `weft check`: one question of a program, decided and logged; and `--serve`, for programs that ask often.

mod serve;

use super::args::{PathArg, to_os};
use super::error::{Exit, Failure};
use super::policy::{Format, absolute, choose, out, places};
use super::run::prepare::Agent;
use crate::agents::message;
use crate::agents::query::{ACTIONS, Query};
use crate::audit::{AuditError, Log, run_id};
use crate::json::Writer;
use crate::policy::Policy;
use crate::policy::report::members;
use crate::scan::names;
use crate::scan::report::visible::visible;
use argh::{ArgsInfo, FromArgs};
use std::io::{self, Write};

/// Decide for a program: may it call this tool, read this file, connect there?
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "check",
    help_triggers("--help"),
    example = "{command_name} --policy weft.toml write src/main.rs",
    example = "{command_name} --policy mcp-server --format json tool read_file --input '{{\"path\":\"notes.md\"}}'",
    example = "{command_name} --policy weft.toml --serve /run/user/1000/weft.sock",
    note = "VERB is read, write, exec, connect, tool or env. The decision is an entry in the policy's log. Without a log that can be written there is no answer, and every exit code but 0 means no. With --serve it answers questions on a Unix socket, one JSON object a line: {{\"id\":1,\"action\":\"read\",\"target\":\"/etc/passwd\"}}; it ends with SIGTERM or SIGINT.",
    error_code(0, "allowed"),
    error_code(1, "denied"),
    error_code(2, "the command line, the policy or the log is wrong: nothing is allowed")
)]
pub struct Check {
    /// a policy file, or the name of a built-in policy; without it, weft.toml of the workspace, else `base` with the
    /// workspace writable
    #[argh(option, arg_name = "POLICY")]
    policy: Option<String>,
    /// what ${WORKSPACE} stands for; the current folder if not given
    #[argh(option, arg_name = "DIR")]
    workspace: Option<PathArg>,
    /// the name in the log and in ${AGENT}; the policy's own if not given
    #[argh(option, arg_name = "ID")]
    agent: Option<Agent>,
    /// the arguments of the tool, a JSON object; `-` reads it from standard input
    #[argh(option, arg_name = "JSON")]
    input: Option<String>,
    /// text or json
    #[argh(option, arg_name = "FORMAT")]
    format: Option<Format>,
    /// answer questions on this Unix socket, which is made for this user alone
    #[argh(option, arg_name = "SOCKET")]
    serve: Option<PathArg>,
    /// the question: VERB TARGET
    #[argh(positional, arg_name = "QUESTION")]
    question: Vec<String>,
}

pub fn run(command: &Check) -> Result<Exit, Failure> {
    let mut places = places(command.workspace.as_ref().map(|path| path.0.as_path()))?;
    places.agent = command.agent.as_ref().map(|agent| agent.name().to_owned());
    if let Some(socket) = &command.serve {
        if !command.question.is_empty() || command.input.is_some() || command.format.is_some() {
            return Err(Failure::usage(
                "--serve takes its questions from the socket",
                "",
                "leave the rest out",
            ));
        }
        let (policy, name) = choose(command.policy.as_deref(), &places)?;
        return serve::run(&policy, &name, &socket.0);
    }
    let [verb, target] = command.question.as_slice() else {
        let fix = format!("write VERB TARGET; VERB is {ACTIONS}");
        return Err(Failure::usage("what is asked?", "", fix));
    };
    let target = match verb.as_str() {
        // As typed in the current folder, whatever the workspace is.
        "read" | "write" => absolute(to_os(target).into())?.into_os_string(),
        _ => to_os(target),
    };
    let shown = names::escape(target.as_encoded_bytes());
    let Some(target) = target.to_str() else {
        return Err(Failure::usage("the target is not UTF-8", shown, "ask `weft policy why`"));
    };
    let input = command.input.as_deref().map(input).transpose()?;
    let input = input.as_deref().map(message::read).transpose();
    let input = input.map_err(|why| Failure::usage(why, "--input", "give one JSON object"))?;
    let query = Query::new(verb, target, input.as_ref())
        .map_err(|why| Failure::usage(why, "QUESTION", "see `weft check --help`"))?;
    let (policy, name) = choose(command.policy.as_deref(), &places)?;
    let mut log = open(&policy)?;
    let decision = query.decide(&policy);
    log.decided(query.action(), &shown, &decision).map_err(|error| unlogged(&error))?;
    out(|page| match command.format.unwrap_or_default() {
        Format::Text => {
            let word = if decision.allowed { "allowed" } else { "denied" };
            let rule =
                decision.rule.as_ref().map_or(format!("{name}: no line allows it"), |rule| rule.to_string());
            writeln!(page, "{word}: {verb} {}", visible(&shown))?;
            writeln!(page, "  {}\n  {}", visible(&rule), visible(&decision.reason))
        }
        Format::Json => {
            Writer::new(page).object_lines(|w| {
                w.field("schema", "weft.check/1")?;
                w.field("policy", &name)?;
                w.field("policy_hash", &policy.hash)?;
                w.field("action", verb)?;
                w.field("target", &shown)?;
                members(w, &decision)
            })?;
            page.write_all(b"\n")
        }
    })?;
    Ok(if decision.allowed { Exit::Ok } else { Exit::Findings })
}

/// The text of `--input`.
fn input(given: &str) -> Result<Vec<u8>, Failure> {
    if given != "-" && given != "\u{10ff2d}" {
        return Ok(to_os(given).into_encoded_bytes());
    }
    message::all(&mut io::stdin().lock())
        .map_err(|error| Failure::usage(format!("cannot read: {error}"), "standard input", ""))
}

/// Opens the log that the policy names, under a new id.
pub fn open(policy: &Policy) -> Result<Log, Failure> {
    let id =
        run_id().map_err(|error| Failure::usage(format!("cannot read /dev/urandom: {error}"), "", ""))?;
    Log::open(policy, &id).map_err(|error| unlogged(&error))
}

/// No log, no answer.
pub fn unlogged(error: &AuditError) -> Failure {
    let what =
        format!("no log, no answer: cannot {} it: {}", error.doing, crate::words::reason(&error.source));
    let at = names::escape(error.path.as_os_str().as_encoded_bytes());
    Failure::usage(what, at, "make it writable for you, or name another one in [audit] file")
}
