//! The process that `weft mcp` starts for a server that is reached by HTTP: a run like that of any server, with weft's own code where
//! its command would be.

use super::super::place::{self, Remote};
use super::Carrier;
use super::wire::Place;
use crate::cli::args::{self, Asked, PathArg, to_os};
use crate::cli::error::{Exit, Failure};
use crate::cli::run::prepare::{Agent, Prepared};
use crate::cli::run::{Own, Wanted, close_inherited, run_prepared};
use crate::cli::term::say;
use crate::cli::values;
use crate::sandbox::launch;
use crate::sandbox::plan::Plan;
use crate::sys::{caps, process};
use crate::words::reason;
use argh::{ArgsInfo, FromArgs};
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// The first word of the command line of such a process. Not for people: `weft mcp` says it.
pub const CARRY: &str = "__mcp-carry";

/// How long a server of one's own has to end by itself.
const GRACE: Duration = Duration::from_secs(1);

/// Carries messages between weft mcp and a server that is reached by HTTP
#[derive(FromArgs, ArgsInfo, Debug)]
struct Carry {
    /// as for weft run
    #[argh(option)]
    policy: Option<String>,
    /// as for weft run
    #[argh(option)]
    agent: Option<Agent>,
    /// as for weft run
    #[argh(option)]
    workspace: Vec<PathArg>,
    /// the address of the server
    #[argh(option)]
    url: Option<String>,
    /// the port of the server on its own loopback
    #[argh(option)]
    http: Option<place::Port>,
    /// the path on it
    #[argh(option, default = "String::from(\"/mcp\")")]
    path: String,
    /// how long the server may take for an answer, in milliseconds
    #[argh(option)]
    patience: u64,
    /// the server and its arguments
    #[argh(positional, greedy)]
    server: Vec<String>,
}

/// Where the server is.
enum Where {
    /// Outside: asked for through the egress.
    Outside(Remote),
    /// In the same sandbox, on this port and path.
    Inside(u16, String),
}

/// The words after [`CARRY`].
pub fn run(words: impl IntoIterator<Item = OsString>) -> Result<Exit, Failure> {
    let Asked::Run(words) = args::read(words, &Carry::get_args_info())? else {
        return Err(Failure::usage("this is said by weft mcp only", CARRY, "see weft mcp --help"));
    };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let carry = Carry::from_args(&["weft"], &words).map_err(|exit| values::failure(&exit.output))?;
    close_inherited()?;
    let server = match (&carry.url, &carry.http) {
        (Some(url), _) => Where::Outside(place::remote(url)?),
        (None, Some(port)) => Where::Inside(port.0, carry.path.clone()),
        (None, None) => return Err(Failure::usage("no server", CARRY, "see weft mcp --help")),
    };
    let prepared = Prepared::new(carry.policy.as_deref(), carry.agent.as_ref(), &carry.workspace)?;
    let patience = Duration::from_millis(carry.patience);
    // What the log says was run.
    let mut shown = vec!["weft".to_owned(), "mcp".to_owned()];
    match &server {
        Where::Outside(remote) => shown.extend(["--url".to_owned(), remote.target.clone()]),
        Where::Inside(port, _) => shown.extend(["--http".to_owned(), port.to_string()]),
    }
    shown.extend(carry.server.iter().cloned());
    let own = Own {
        ready: &|plan| ready(plan, &server),
        act: &|plan| {
            // Whatever else was opened is of the run, not of what a server could make of this process.
            let closed = launch::close_inherited();
            let walled = plan.fallback.is_some() || caps::set_dumpable(false).is_ok();
            match closed.is_ok() && walled {
                true => act(plan, &server, &carry.server, patience),
                false => 125,
            }
        },
    };
    let wanted = Wanted { words: &shown, own: Some(&own), ..Wanted::default() };
    run_prepared(prepared, &wanted).map(|ran| ran.exit)
}

/// Whether the plan is one in which the server is reached and held.
fn ready(plan: &mut Plan, server: &Where) -> Result<(), Failure> {
    let refuse = |what: &str, fix: &str| Err(Failure::usage(what, "", fix));
    if plan.is_bare() {
        return refuse("without a sandbox nothing holds it to [network]", "take out type = \"none\"");
    }
    match (server, plan.egress.take()) {
        (Where::Outside(_), Some(egress)) if egress.goes_out() => plan.egress = Some(egress.with_tls()),
        (Where::Outside(_), _) => {
            let fix = "name the host of the server in [network] allow";
            return refuse("the policy lets nothing through the egress, which is the way to the server", fix);
        }
        (Where::Inside(..), egress) => plan.egress = egress,
    }
    match (server, &plan.fallback) {
        (Where::Inside(..), Some(_)) => refuse(
            "without namespaces nobody inside can listen, so that --http has no server to talk to",
            "allow user namespaces for this user, or use a server on standard input and output",
        ),
        (Where::Inside(..), None) if !plan.own_network => refuse(
            "the policy gives the network of the host, in which the port is not the server's own",
            "take out mode = \"unrestricted\"",
        ),
        _ => Ok(()),
    }
}

/// In the sandbox. Gives the exit code.
fn act(plan: &Plan, server: &Where, words: &[String], patience: Duration) -> i32 {
    match (server, &plan.egress) {
        (Where::Outside(remote), Some(egress)) => {
            let place = Place {
                addresses: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, egress.proxy))],
                target: remote.target.clone(),
                host: remote.authority.clone(),
                starting: false,
            };
            Carrier::new(place, patience).carry();
            0
        }
        (Where::Outside(_), None) => 125,
        (Where::Inside(port, path), _) => {
            let leaving = Arc::new(AtomicBool::new(false));
            let child = match start(words, &plan.env) {
                Ok(child) => child,
                Err(error) => {
                    say(&format!("the server cannot be started: {}", reason(&error)));
                    return if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
                }
            };
            let pid = i32::try_from(child.id()).unwrap_or(0);
            let Ok(ended) = attend(child, &leaving) else { return 125 };
            let place = Place {
                addresses: vec![
                    SocketAddr::from((Ipv4Addr::LOCALHOST, *port)),
                    SocketAddr::from((Ipv6Addr::LOCALHOST, *port)),
                ],
                target: path.clone(),
                host: format!("127.0.0.1:{port}"),
                starting: true,
            };
            Carrier::new(place, patience).carry();
            leaving.store(true, Ordering::SeqCst);
            // The end of this process is the end of all inside; this is for a server that has something to save.
            if pid > 0 && process::kill(pid, libc::SIGTERM).is_ok() {
                let _ = ended.recv_timeout(GRACE);
            }
            0
        }
    }
}

/// Starts the server as `weft run` starts a command. What it prints is not for the client.
fn start(words: &[String], env: &[CString]) -> io::Result<Child> {
    let mut words = words.iter().map(|word| to_os(word));
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).env_clear();
    for variable in env {
        let bytes = variable.as_bytes();
        let Some(at) = bytes.iter().position(|byte| *byte == b'=') else { continue };
        command.env(OsStr::from_bytes(&bytes[..at]), OsStr::from_bytes(&bytes[at + 1..]));
    }
    let said = io::stderr().as_fd().try_clone_to_owned()?;
    command.stdin(Stdio::null()).stdout(said).spawn()
}

/// Waits for the server's end, which is this process's end too, unless it is leaving anyway.
fn attend(mut child: Child, leaving: &Arc<AtomicBool>) -> io::Result<Receiver<()>> {
    let (tell, ended) = channel();
    let leaving = Arc::clone(leaving);
    thread::Builder::new().stack_size(super::STACK).spawn(move || {
        let status = child.wait();
        if !leaving.load(Ordering::SeqCst) {
            let code =
                status.ok().and_then(|status| status.code().or(status.signal().map(|signal| 128 + signal)));
            process::exit_now(code.unwrap_or(1));
        }
        let _ = tell.send(());
    })?;
    Ok(ended)
}
