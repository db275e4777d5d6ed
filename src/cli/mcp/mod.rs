//! `weft mcp`: an MCP server in the sandbox, with a filter between it and its client. The server is started by `weft run`, in a
//! process of its own; here is what reads and writes.

mod accept;
pub(super) mod carrier;
mod lines;
mod place;
mod server;

use super::args::PathArg;
use super::check::{open, unlogged};
use super::error::{Exit, Failure};
use super::policy::{choose, places};
use super::run::prepare::Agent;
use super::term::say;
use super::values::say as fix;
use crate::agents::mcp::{Accepted, Filter, Out};
use crate::audit::{Action, Log};
use crate::monitor::PAUSE;
use crate::policy::{Decision, MonitorAction, Policy, decide, units};
use crate::scan::names;
use argh::{ArgsInfo, FromArgValue, FromArgs};
use lines::{Line, Lines};
use server::{Ends, Server, Writer};
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Run an MCP server in the sandbox, and let through what the policy allows
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "mcp",
    help_triggers("--help"),
    example = "{command_name} --policy mcp-server -- node node_modules/.bin/mcp-server-filesystem .",
    example = "{command_name} --policy weft.toml --url https://mcp.example.com/mcp",
    example = "{command_name} --policy weft.toml --accept -- python3 server.py   what the server says of its tools now",
    note = "For the settings of an MCP client, in place of the server's own command. `tools/list` shows what [tools] allows, `tools/call` is decided by [tools] and [[tools.argument]]; resources and prompts are named resource:URI and prompt:NAME. A tool that is not as it was when its server first ran, or whose description carries instructions, is kept away.",
    error_code(
        0,
        "the client has ended, or the server did with 0; with --accept: accepted, or nothing to accept"
    ),
    error_code(1, "the server ended while the client was there; with --accept: not confirmed"),
    error_code(2, "nothing was run: the command line or the policy is wrong"),
    error_code(125, "the log could not be written, or the server could not be started")
)]
pub struct Mcp {
    /// a policy file, or the name of a built-in policy; without it, weft.toml of the workspace, else `base` with the
    /// workspace writable
    #[argh(option, arg_name = "POLICY")]
    policy: Option<String>,
    /// the name in the log and in ${{AGENT}}; the policy's own if not given
    #[argh(option, arg_name = "ID")]
    agent: Option<Agent>,
    /// what ${{WORKSPACE}} stands for and where the server starts; the current folder if not given
    #[argh(option, arg_name = "DIR")]
    workspace: Vec<PathArg>,
    /// show what has changed in what the server says of its tools, and accept it
    #[argh(switch)]
    accept: bool,
    /// with --accept: do not ask
    #[argh(switch)]
    yes: bool,
    /// what is done with descriptions that carry instructions: block (the default) or warn
    #[argh(option, arg_name = "WHAT")]
    on_injection: Option<OnInjection>,
    /// how long the server may take for an answer (30s, 10m); 10m if not given
    #[argh(option, arg_name = "TIME")]
    answer_within: Option<Within>,
    /// a server that is there already, reached by Streamable HTTP through the egress of the policy: https://HOST/PATH, or plain
    /// http on this machine's loopback
    #[argh(option, arg_name = "URL")]
    url: Option<String>,
    /// the server speaks Streamable HTTP, on this port of its own loopback, in the sandbox
    #[argh(option, arg_name = "PORT")]
    http: Option<place::Port>,
    /// with --http: the path; /mcp if not given
    #[argh(option, arg_name = "PATH")]
    path: Option<String>,
    /// the server and its arguments, best after `--`
    #[argh(positional, greedy, arg_name = "SERVER")]
    server: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnInjection {
    Block,
    Warn,
}

impl FromArgValue for OnInjection {
    fn from_arg_value(value: &str) -> Result<OnInjection, String> {
        match value {
            "block" => Ok(OnInjection::Block),
            "warn" => Ok(OnInjection::Warn),
            _ => Err(fix("use block or warn")),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Within(Duration);

impl FromArgValue for Within {
    fn from_arg_value(value: &str) -> Result<Within, String> {
        units::duration(value).map(Within).ok_or_else(|| fix("use a time such as 500ms, 30s or 10m"))
    }
}

pub fn run(command: &Mcp) -> Result<Exit, Failure> {
    let (words, remote) = place::named(command)?;
    if command.yes && !command.accept {
        return Err(Failure::usage("--yes is for --accept", "--yes", "leave it out, or add --accept"));
    }
    let mut places = places(command.workspace.first().map(|path| path.0.as_path()))?;
    places.agent = command.agent.as_ref().map(|agent| agent.name().to_owned());
    let (policy, name) = choose(command.policy.as_deref(), &places)?;
    let folder = places.state.join("weft/mcp");
    // The run's own temporary folder is not the host's of that name.
    let rule = policy.filesystem.write_rule(&folder);
    if rule.is_some_and(|rule| !rule.private) && decide::write(&policy, &folder).allowed {
        let at = folder.display().to_string();
        let what = "the server could rewrite what was accepted of it";
        return Err(Failure::usage(what, at, "take the folder out of filesystem.write, or deny it"));
    }
    let accepted = Accepted::open(&folder, &words)
        .map_err(|why| Failure::usage(why, "", "look at the file; without it the server is as new"))?;
    if let Some(remote) = &remote {
        reachable(&policy, remote)?;
    }
    if command.accept {
        return accept::run(command, &policy, accepted);
    }
    let mut log = open(&policy)?;
    let shown = names::escape(words.join(" ").as_bytes());
    let why = format!("weft {}", env!("CARGO_PKG_VERSION"));
    log.record(Action::Start, &format!("weft mcp: {shown}"), true, &why, None)
        .and_then(|()| log.record(Action::Policy, &name, true, &format!("sha256 {}", policy.hash), None))
        .map_err(|error| unlogged(&error))?;
    between(command, policy, accepted, log)
}

/// A server that the policy does not let anybody reach is refused at once, not by each request. What is let through here is decided
/// again, with its address, by the egress.
fn reachable(policy: &Policy, remote: &place::Remote) -> Result<(), Failure> {
    let Err(decision) = decide::connect(&policy.network, &remote.host, remote.port) else { return Ok(()) };
    let target = format!("{}:{}", remote.host, remote.port);
    open(policy)?.decided(Action::Connect, &target, &decision).map_err(|error| unlogged(&error))?;
    let by = decision.rule.as_ref().map_or(String::new(), |rule| format!(" ({rule})"));
    let what = format!("the policy does not let it reach the server: {}{by}", decision.reason);
    let fix = "name the host in [network] allow, if it is to be reached";
    Err(Failure { exit: Exit::Findings, ..Failure::usage(what, target, fix) })
}

/// What the main thread is told.
enum Event {
    /// The client says nothing more.
    Client,
    /// The server says nothing more.
    Server,
    /// A signal asks to end.
    Signal(i32),
    /// The log cannot go on, so nothing may.
    Broken(Failure),
    /// The monitor ends it.
    Stopped(String),
}

/// What both directions share.
struct Shared {
    filter: Mutex<(Filter<'static>, Log)>,
    server: Writer,
    /// Standard output, line by line.
    client: Mutex<io::Stdout>,
    events: Mutex<Sender<Event>>,
}

impl Shared {
    fn filter(&self) -> MutexGuard<'_, (Filter<'static>, Log)> {
        self.filter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, event: Event) {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        // With nobody to tell, all is at its end already.
        let _ = events.send(event);
    }

    /// Says what the monitor found. Where something is to be done about it, what led to it does not reach the server.
    fn alerts(&self, filter: &mut Filter<'static>, log: &mut Log, lines: &mut [Out]) {
        let (alerts, action) = log.alerts();
        let Some(first) = alerts.first() else { return };
        alerts.iter().for_each(|alert| {
            say(&format!("alert: {}: {}", alert.kind, names::escape(alert.text.as_bytes())))
        });
        if action == MonitorAction::Alert {
            return;
        }
        let why = format!("denied: by the monitor: {}", first.text);
        for out in lines.iter_mut() {
            if let Out::Server(line) = out {
                *out = match filter.withdraw(line, &why) {
                    Some(error) => Out::Client(error),
                    None => Out::Say("a message to the server was dropped by the monitor".to_owned()),
                };
            }
        }
        match action {
            MonitorAction::Stop => {
                // Until the end has come, nothing goes on either.
                filter.pause(Instant::now() + PAUSE, &first.text);
                self.tell(Event::Stopped(first.text.clone()));
            }
            _ => filter.pause(Instant::now() + PAUSE, &first.text),
        }
    }

    /// Does what the filter says. What is logged is logged before anything goes on.
    fn carry(&self, judge: impl FnOnce(&mut Filter<'static>) -> Vec<Out>) {
        let mut lines = Vec::new();
        {
            let (filter, log) = &mut *self.filter();
            for out in judge(filter) {
                match out {
                    Out::Log { target, decision } => {
                        if let Err(failure) = kept(log, &target, &decision) {
                            self.tell(Event::Broken(failure));
                            return;
                        }
                    }
                    out => lines.push(out),
                }
            }
            self.alerts(filter, log, &mut lines);
        }
        for out in lines {
            match out {
                Out::Server(line) => self.server.send(line),
                Out::Client(line) => {
                    let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
                    // A client that is gone shows in what it sends: nothing more.
                    let _ = client.write_all(&line).and_then(|()| client.flush());
                }
                Out::Say(text) => say(&names::escape(text.as_bytes())),
                Out::Log { .. } => {}
            }
        }
    }
}

/// How long a server may take for an answer.
fn patience(command: &Mcp) -> Duration {
    command.answer_within.map_or(Duration::from_secs(600), |within| within.0)
}

fn kept(log: &mut Log, target: &str, decision: &Decision) -> Result<(), Failure> {
    let target = names::escape(target.as_bytes());
    log.decided(Action::Tool, &target, decision)
        .map_err(|error| Failure { exit: Exit::Run(125), ..unlogged(&error) })
}

fn between(command: &Mcp, policy: Policy, accepted: Accepted, log: Log) -> Result<Exit, Failure> {
    let patience = patience(command);
    let warn_only = command.on_injection == Some(OnInjection::Warn);
    // It is needed as long as there is a process.
    let policy: &'static Policy = Box::leak(Box::new(policy));
    let filter = Filter::new(policy, accepted, warn_only, patience);
    let (mut server, output) = Server::start(command, true)?;
    let ends = Ends::new()?;
    let (send, events) = channel();
    let shared = Arc::new(Shared {
        filter: Mutex::new((filter, log)),
        server: server.writer(),
        client: Mutex::new(io::stdout()),
        events: Mutex::new(send),
    });
    let up = Arc::clone(&shared);
    thread::spawn(move || {
        let mut lines = Lines::new(io::stdin());
        loop {
            match lines.next() {
                Ok(Some(Line::Whole(line))) => up.carry(|filter| filter.client(line)),
                // Longer than a message may be, so that it is told as one that is.
                Ok(Some(Line::TooLong)) => up.carry(|filter| filter.client(&lines::too_long())),
                Ok(None) | Err(_) => break,
            }
            up.server.wait_for_room();
        }
        up.tell(Event::Client);
    });
    let down = Arc::clone(&shared);
    thread::spawn(move || {
        let mut lines = Lines::new(output);
        loop {
            match lines.next() {
                Ok(Some(Line::Whole(line))) => down.carry(|filter| filter.server(line)),
                Ok(Some(Line::TooLong)) => down.carry(|filter| filter.unreadable("a message is too large")),
                Ok(None) | Err(_) => break,
            }
        }
        down.tell(Event::Server);
    });
    let signals = Arc::clone(&shared);
    thread::spawn(move || signals.tell(Event::Signal(ends.wait())));
    let ended = watch(&shared, &events);
    match &ended {
        Ok(End::Server) => shared.carry(|filter| filter.gone("the server has ended")),
        Ok(End::Stopped(why)) => {
            shared.carry(|filter| filter.gone(&format!("stopped by the monitor: {why}")))
        }
        _ => {}
    }
    let code = server.end(matches!(ended, Ok(End::Server)));
    let (_, log) = &mut *shared.filter();
    let how = match (&ended, code) {
        (Ok(End::Client), _) => ("the client", "it has ended"),
        (Ok(End::Server), _) => ("the server", "it has ended"),
        (Ok(End::Signal(_)), _) => ("signal", "asked to end"),
        (Ok(End::Stopped(_)), _) => ("stopped", "by the monitor"),
        (Err(_), _) => ("log", "it cannot be written"),
    };
    let logged = log.record(Action::Exit, how.0, true, how.1, None).and_then(|()| log.sync());
    match ended? {
        End::Client => {
            logged.map_err(|error| Failure { exit: Exit::Run(125), ..unlogged(&error) })?;
            Ok(Exit::Ok)
        }
        End::Stopped(why) => {
            say(&format!("stopped by the monitor: {}", names::escape(why.as_bytes())));
            Ok(Exit::Findings)
        }
        End::Signal(signal) => Ok(Exit::Run(128_u8.saturating_add(u8::try_from(signal).unwrap_or(0)))),
        End::Server => Ok(match code {
            0 => Exit::Findings,
            code => Exit::Run(code),
        }),
    }
}

/// Why it is over.
enum End {
    Client,
    Server,
    Signal(i32),
    Stopped(String),
}

/// Until somebody ends; answers meanwhile what the server does not.
fn watch(shared: &Shared, events: &Receiver<Event>) -> Result<End, Failure> {
    loop {
        let mut next = None;
        shared.carry(|filter| {
            let (out, until) = filter.late(Instant::now());
            next = until;
            out
        });
        // What comes to wait in the meantime is seen within a second, or when it was to be answered earlier.
        let second = Duration::from_secs(1);
        let pause = next.map_or(second, |until| until.saturating_duration_since(Instant::now()).min(second));
        match events.recv_timeout(pause.max(Duration::from_millis(10))) {
            Ok(Event::Client) => return Ok(End::Client),
            Ok(Event::Server) => return Ok(End::Server),
            Ok(Event::Signal(signal)) => return Ok(End::Signal(signal)),
            Ok(Event::Broken(failure)) => return Err(failure),
            Ok(Event::Stopped(why)) => return Ok(End::Stopped(why)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(End::Client),
        }
    }
}
