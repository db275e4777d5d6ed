//! `weft audit watch`: what in the log is out of the ordinary, as it is written or for all that is there.

use super::{failure, logs};
use crate::audit::{Follow, time};
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::{Format, choose, out, places};
use crate::cli::term::say;
use crate::clock;
use crate::json::Writer;
use crate::monitor::webhook::{LAST, Webhook};
use crate::monitor::{Alert, Monitor, Thresholds};
use crate::scan::names;
use crate::scan::report::visible::visible;
use argh::{ArgsInfo, FromArgs};
use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

/// Tell what is out of the ordinary: bursts of calls, credentials, secrets that are read and then something that is sent
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "watch",
    help_triggers("--help"),
    example = "{command_name}                                        what is written from now on, until Ctrl-C",
    example = "{command_name} --all --format json                    what is there already",
    note = "Thresholds are those of [monitor] in --policy, else 10 calls in 5 seconds, 20 denials in a minute, 100 MiB sent; alerts go to its webhook as well. docs/agents.md lists the kinds of alert.",
    error_code(0, "with --all: nothing is out of the ordinary"),
    error_code(1, "with --all: there were alerts")
)]
pub struct Watch {
    /// look at all that is there, and end
    #[argh(switch)]
    all: bool,
    /// only this agent
    #[argh(option, arg_name = "NAME")]
    agent: Option<String>,
    /// the policy whose [monitor] has the thresholds
    #[argh(option, arg_name = "POLICY")]
    policy: Option<String>,
    /// text or json (one alert a line)
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// the log to read
    #[argh(positional, arg_name = "FILE")]
    files: Vec<PathArg>,
}

/// So many alerts are told together.
const AT_ONCE: usize = 256;
/// How often the logs are looked at.
const EVERY: Duration = Duration::from_millis(200);

pub fn run(command: &Watch) -> Result<Exit, Failure> {
    let settings = match &command.policy {
        Some(name) => Some(choose(Some(name), &places(None)?)?.0.monitor),
        None => None,
    };
    let thresholds = settings.as_ref().map_or_else(Thresholds::default, Thresholds::of);
    let address = settings.and_then(|settings| settings.webhook);
    let mut webhook = address.map(|set| Webhook::new(&set.value));
    let mut monitor = Monitor::new(thresholds);
    let mut follows = Vec::new();
    for path in logs(&command.files)? {
        follows.push(Follow::open(&path, command.all).map_err(|error| failure(&error))?);
    }
    let mut any = false;
    loop {
        let mut told =
            Told { format: command.format, webhook: webhook.as_mut(), alerts: Vec::new(), any: false };
        for follow in &mut follows {
            let mut broken = Ok(());
            let read = follow.entries(&mut |entry| {
                if command.agent.as_ref().is_none_or(|agent| *agent == entry.agent_id) {
                    told.alerts.extend(monitor.see(&entry));
                }
                // A log may have an alert in every line.
                if told.alerts.len() >= AT_ONCE && broken.is_ok() {
                    broken = told.tell();
                }
            });
            let unreadable = read.map_err(|error| failure(&error))?;
            broken?;
            if unreadable > 0 {
                told.alerts.push(no_entries(follow, unreadable));
            }
        }
        told.tell()?;
        any |= told.any;
        if let Some(webhook) = &mut webhook {
            let until = command.all.then(|| Instant::now() + LAST);
            webhook.failures(until).iter().for_each(|why| say(&format!("alert not delivered: {why}")));
        }
        if command.all {
            return Ok(if any { Exit::Findings } else { Exit::Ok });
        }
        thread::sleep(EVERY);
    }
}

/// Alerts that are not told yet.
struct Told<'w> {
    format: Format,
    webhook: Option<&'w mut Webhook>,
    alerts: Vec<Alert>,
    /// There were some.
    any: bool,
}

impl Told<'_> {
    fn tell(&mut self) -> Result<(), Failure> {
        let alerts = std::mem::take(&mut self.alerts);
        if alerts.is_empty() {
            return Ok(());
        }
        self.any = true;
        out(|page| alerts.iter().try_for_each(|alert| write(alert, self.format, page)))?;
        if let Some(webhook) = &mut self.webhook {
            webhook.send(&alerts, None);
        }
        Ok(())
    }
}

/// Lines in which something may be said that nobody can read.
fn no_entries(follow: &Follow, count: u64) -> Alert {
    let at = names::escape(follow.path().as_os_str().as_encoded_bytes());
    Alert {
        kind: "unreadable",
        timestamp: u64::try_from(clock::now().as_micros()).unwrap_or(u64::MAX),
        run: String::new(),
        agent: String::new(),
        text: format!("{count} lines of {at} are no entries: weft audit verify tells which"),
    }
}

fn write(alert: &Alert, format: Format, page: &mut Vec<u8>) -> io::Result<()> {
    match format {
        Format::Text => {
            let when = time(alert.timestamp);
            writeln!(page, "{}", visible(&format!("{when} {} {}: {}", alert.agent, alert.kind, alert.text)))
        }
        Format::Json => {
            Writer::new(page).object(|w| {
                w.field("time", &time(alert.timestamp))?;
                w.field("run", &alert.run)?;
                w.field("agent_id", &alert.agent)?;
                w.field("alert", alert.kind)?;
                w.field("text", &alert.text)
            })?;
            page.write_all(b"\n")
        }
    }
}
