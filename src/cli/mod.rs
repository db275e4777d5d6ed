//! What a person or a script types: one file per command. Decides nothing; asks the other rooms and shows answers.

pub mod args;
pub mod audit;
mod check;
pub mod completions;
pub mod config;
pub mod doctor;
mod elsewhere;
pub mod error;
#[cfg(feature = "server")]
mod health;
pub mod help;
mod hook;
#[cfg(feature = "server")]
mod hub;
mod inside;
mod mcp;
pub mod policy;
pub mod run;
pub mod security;
#[cfg(feature = "client")]
mod skill;
mod suggest;
pub mod term;
pub mod values;

use argh::{ArgsInfo, FromArgs};
use args::Asked;
use error::{Exit, Failure};
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

/// weft makes AI-agent skills and tools safe to get and safe to run.
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    help_triggers("--help"),
    example = "weft security scan ~/.claude/skills     what is wrong with the skills I have?",
    example = "weft security scan --gate ./new-skill   would I let this one in?",
    example = "weft security explain US-001            what does a finding mean?",
    example = "weft run --policy coding-agent -- cargo test   run it where it cannot get out",
    example = "source <(weft completions bash)         complete commands with the Tab key",
    note = "`weft COMMAND --help` says more about a command; docs/weft.1 is the manual.",
    error_code(0, "nothing to object to"),
    error_code(1, "findings, or denied"),
    error_code(2, "the command line or a file it names is wrong"),
    error_code(3, "internal error")
)]
pub struct Weft {
    /// print version, commit and features
    #[argh(switch, short = 'V')]
    #[allow(dead_code)] // Looked at before argh is: see `args`.
    version: bool,
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand)]
#[allow(clippy::large_enum_variant)] // One exists, once; argh cannot look through a box.
enum Command {
    Security(security::Security),
    Run(run::Run),
    Policy(policy::PolicyCommand),
    Check(check::Check),
    Hook(hook::Hook),
    Mcp(mcp::Mcp),
    #[cfg(feature = "client")]
    Skill(skill::Skill),
    #[cfg(feature = "server")]
    Hub(hub::Hub),
    #[cfg(feature = "server")]
    Health(health::Health),
    Audit(audit::Audit),
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
    Version(Version),
}

/// Print version, commit and features
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(subcommand, name = "version", help_triggers("--help"))]
struct Version {}

/// Runs the command line (without the program's name) and says how it went.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    error::exit_3_on_panic();
    match run(args) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if !failure.quiet {
                // With standard error closed there is nowhere to say so; the exit code still does.
                let _ = io::stderr().write_all(format!("{failure}\n").as_bytes());
            }
            failure.exit.into()
        }
    }
}

fn run(args: impl IntoIterator<Item = OsString>) -> Result<Exit, Failure> {
    let mut args = args.into_iter().peekable();
    if args.next_if(|first| first == completions::ASK).is_some() {
        return completions::answer(args);
    }
    if args.next_if(|first| first == mcp::carrier::CARRY).is_some() {
        return mcp::carrier::run(args);
    }
    // Before the tables of all commands are made: scripts ask this often, and it is most of what it would cost.
    if args.peek().is_some_and(|first| first == "--version" || first == "-V") {
        return print(&version());
    }
    let top = Weft::get_args_info();
    let words = match args::read(args, &top)? {
        Asked::Help(path) => return print(&help::render(&top, &path)),
        Asked::Version => return print(&version()),
        Asked::Run(words) => words,
    };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let weft = Weft::from_args(&["weft"], &words).map_err(|exit| values::failure(&exit.output))?;
    match weft.command {
        Command::Security(command) => security::run(command),
        Command::Run(command) => run::run(&command),
        Command::Policy(command) => policy::run(command),
        Command::Check(command) => check::run(&command),
        Command::Hook(command) => hook::run(&command),
        Command::Mcp(command) => mcp::run(&command),
        #[cfg(feature = "client")]
        Command::Skill(command) => skill::run(command),
        #[cfg(feature = "server")]
        Command::Hub(command) => hub::run(command),
        #[cfg(feature = "server")]
        Command::Health(command) => health::run(&command),
        Command::Audit(command) => audit::run(command),
        Command::Doctor(command) => doctor::run(&command),
        Command::Completions(command) => completions::run(&command),
        Command::Version(Version {}) => print(&version()),
    }
}

/// `weft 0.1.0 (0123456789ab; features: scan, client)`
fn version() -> String {
    const COMMIT: &str = match option_env!("WEFT_COMMIT") {
        Some(commit) => commit,
        None => "unknown commit",
    };
    let mut text = String::with_capacity(100);
    for part in ["weft ", env!("CARGO_PKG_VERSION"), " (", COMMIT, "; features: "] {
        text.push_str(part);
    }
    let features = [
        ("scan", cfg!(feature = "scan")),
        ("client", cfg!(feature = "client")),
        ("server", cfg!(feature = "server")),
    ];
    let mut before = "";
    for (name, _) in features.into_iter().filter(|(_, there)| *there) {
        text.push_str(before);
        text.push_str(name);
        before = ", ";
    }
    text.push_str(")\n");
    text
}

/// Writes to standard output and notices when it cannot.
fn print(text: &str) -> Result<Exit, Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::stdout(&error))?;
    Ok(Exit::Ok)
}
