//! `weft hub serve`: puts store, registry and front together, and lives until it is told to end.

use super::settings::{self, Config, Said, Words};
use super::told;
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::policy::out;
use crate::hub::server::front::{Front, Listen, Settings};
use crate::hub::server::health::{Health, Watched};
use crate::hub::server::life::{self, Acts, Manager};
use crate::hub::server::store::Store;
use crate::hub::server::{self, App, admin};
use crate::hub::{Hub, Place};
use crate::scan::report::visible::visible;
use crate::sys::stream;
use argh::{ArgsInfo, FromArgs};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Serve a hub
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "serve",
    help_triggers("--help"),
    example = "{command_name} --data /var/lib/weft-hub --public-url https://hub.example --trusted-proxy 127.0.0.1",
    example = "{command_name} --data ./hub --listen 127.0.0.1:8080",
    example = "{command_name} --data ./hub --config hub.toml --limit connections=2000 --rate read=600/6000",
    note = "It speaks plain HTTP: put a reverse proxy that does TLS (Caddy, nginx) in front of it, and name that proxy with --trusted-proxy, so that the addresses of clients are known. SIGTERM ends it when what runs is done, a second one at once; SIGHUP reads the configuration again. docs/hub.md says more.",
    note = "Limits: connections, per-address, queue, workers, loops, head-time, idle-time, window, grace, least-rate, memory. Rates: read, write, download, export, each as requests a minute from one ADDRESS and of one USER.",
    error_code(0, "it was told to end"),
    error_code(2, "it could not start")
)]
pub struct Serve {
    /// the folder that `weft hub init` made
    #[argh(option, arg_name = "DIR")]
    data: PathArg,
    /// make the folder's content first if there is none yet, as `weft hub init` does: for containers and services
    #[argh(switch)]
    init: bool,
    /// ADDRESS:PORT or unix:/PATH; may be given several times (default: what the service manager opened, or 127.0.0.1:8080)
    #[argh(option, arg_name = "WHERE")]
    listen: Vec<String>,
    /// where users reach it, as in https://hub.example
    #[argh(option, arg_name = "URL")]
    public_url: Option<String>,
    /// an address or network whose X-Forwarded-For is believed, or unix; may be given several times
    #[argh(option, arg_name = "PROXY")]
    trusted_proxy: Vec<String>,
    /// a limit, as in head-time=10s; may be given several times
    #[argh(option, arg_name = "NAME=VALUE")]
    limit: Vec<String>,
    /// a rate, as in read=3000/12000; may be given several times
    #[argh(option, arg_name = "KIND=ADDRESS/USER")]
    rate: Vec<String>,
    /// a file that says all of this (hub.toml); options go over it
    #[argh(option, arg_name = "FILE")]
    config: Option<PathArg>,
}

/// How often the registry does what is due, and after how many of those its state is written if much has changed.
const CLERK: Duration = Duration::from_secs(5);
const SAVE: u32 = 120;
const MUCH: u64 = 1000;
/// How often a replica asks the hub that it follows.
const FOLLOW: Duration = Duration::from_secs(15);

impl Serve {
    /// What the command line says, over what the file says.
    fn read(&self) -> Result<Config, Failure> {
        let said = |option: &str, text: &String| Said { text: text.clone(), at: format!("{option} {text}") };
        let mut words = Words {
            listen: self.listen.iter().map(|text| said("--listen", text)).collect(),
            public_url: self.public_url.as_ref().map(|text| said("--public-url", text)),
            trusted_proxies: self.trusted_proxy.iter().map(|text| said("--trusted-proxy", text)).collect(),
            ..Words::default()
        };
        for text in &self.limit {
            words.limits.push(settings::pair("--limit", text)?);
        }
        for text in &self.rate {
            words.rates.push(settings::pair("--rate", text)?);
        }
        let words = match &self.config {
            Some(path) => settings::read(&path.0)?.over(words),
            None => words,
        };
        words.understand()
    }
}

/// The registry, as `health` asks it.
struct Registry(Arc<App>);

impl Watched for Registry {
    fn unready(&self) -> Option<String> {
        let broken = self.0.store.broken().map(|problem| problem.what.clone());
        broken.or_else(|| {
            let of = self.0.store.replica_of()?;
            let nothing = self.0.store.checkpoint().time == 0;
            nothing.then(|| format!("nothing has come from {of} yet"))
        })
    }

    fn numbers(&self) -> String {
        let (skills, events) = (self.0.state().listed(), self.0.store.size());
        let gauge = |name: &str, help: &str, value: u64| {
            format!("# HELP weft_hub_{name} {help}\n# TYPE weft_hub_{name} gauge\nweft_hub_{name} {value}\n")
        };
        let signed = self.0.store.checkpoint().time;
        gauge("skills", "Skills that are listed.", skills as u64)
            + &gauge("log_events", "Events in the log.", events)
            + &gauge("log_signed_seconds", "When the newest checkpoint was signed, since 1970.", signed)
    }
}

/// One line for whoever runs the hub.
fn log(text: &str) {
    // With standard error closed there is nowhere to say so, and nothing to do about it.
    let _ = io::stderr().write_all(format!("weft: {}\n", visible(text)).as_bytes());
}

pub fn run(command: Serve) -> Result<Exit, Failure> {
    // First: before there are threads, and before another descriptor could be taken for one of these.
    let bad = |what: &str| {
        let what = what.to_owned();
        move |error: io::Error| Failure::usage(format!("{what}: {}", crate::words::reason(&error)), "", "")
    };
    let inherited = stream::inherited().map_err(bad("cannot take the sockets of the service manager"))?;
    let mut config = command.read()?;
    let signals = life::catch().map_err(bad("cannot catch signals"))?;
    let manager = Manager::from_env();
    config.listen.extend(inherited.into_iter().map(Listen::Inherited));
    if config.listen.is_empty() {
        config.listen.push(Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 8080))));
    }
    let dir = command.data.0.clone();
    if command.init && is_new(&dir) {
        let verifier = Store::create_named(&dir, None).map_err(told)?;
        log(&format!("made {}; its log is checked with {verifier}", dir.display()));
    }
    let (store, opened) = Store::open(&dir).map_err(told)?;
    for remark in &opened.remarks {
        log(remark);
    }
    let spool = store.spool();
    let app = server::Settings {
        public_url: config.public_url.clone(),
        spool: spool.clone(),
        rates: config.rates,
        still: false,
        log,
    };
    let app = Arc::new(App::open(Arc::new(store), app).map_err(told)?);
    let mut settings = Settings::new(config.listen, spool);
    (settings.proxies, settings.limits) = (config.proxies, config.limits);
    settings.workers = config.workers.unwrap_or(settings.workers);
    settings.loops = config.loops.unwrap_or(settings.loops);
    settings.grace = config.grace.unwrap_or(settings.grace);
    let (trusted, unix) = (settings.proxies.clone(), unix_paths(&settings.listen));
    let front = Front::bind(settings).map_err(told)?;
    let asked = Arc::clone(&app);
    let commands = server::store::admin::listen(&dir, Box::new(move |line| admin::command(&asked, line)));
    let commands = commands.map_err(told)?;
    start_up(&dir, &app, &front.addresses(), &unix)?;
    if trusted.networks.is_empty()
        && let Some(open) = front.addresses().iter().find(|address| !address.ip().is_loopback())
    {
        log(&format!(
            "warning: {open} can be reached from elsewhere without TLS: tokens would travel in the clear. Put a reverse proxy in front and name it with --trusted-proxy"
        ));
    }
    let ending = Arc::new(AtomicBool::new(false));
    let handler = Health {
        registry: app.clone(),
        watched: Arc::new(Registry(app.clone())),
        metrics: front.metrics(),
        ending: ending.clone(),
    };
    let stopper = front.stopper();
    let reloaded = stopper.clone();
    manager.tell("READY=1");
    let acts = Acts {
        ending: Box::new(move || {
            ending.store(true, Ordering::Relaxed);
            log("ending: what runs is finished first");
        }),
        reload: Box::new(move || match command.read() {
            Ok(config) => {
                reloaded.change(config.limits, config.proxies);
                log("read the configuration again: limits and proxies count from now on");
            }
            Err(failure) => log(&format!("the configuration stays as it was: {failure}")),
        }),
    };
    life::watch(signals, stopper, manager, acts).map_err(bad("cannot start a thread"))?;
    clerk(Arc::clone(&app)).map_err(bad("cannot start a thread"))?;
    if let Some(of) = app.store.replica_of() {
        follower(Arc::clone(&app), of.to_owned()).map_err(bad("cannot start a thread"))?;
    }
    front.run(Arc::new(handler)).map_err(told)?;
    drop(commands);
    app.save().map_err(told)?;
    Ok(Exit::Ok)
}

/// Is there nothing in the folder, or no folder? Anything else is for `Store::open` to look at.
fn is_new(dir: &Path) -> bool {
    match std::fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn unix_paths(listen: &[Listen]) -> Vec<String> {
    let path = |listen: &Listen| match listen {
        Listen::Unix(path) => Some(format!("unix:{}", path.display())),
        _ => None,
    };
    listen.iter().filter_map(path).collect()
}

/// What is served where: lines that scripts may wait for.
fn start_up(dir: &Path, app: &App, addresses: &[SocketAddr], unix: &[String]) -> Result<(), Failure> {
    out(|page| {
        let (skills, events) = (app.state().listed(), app.store.size());
        writeln!(page, "serving {}: skills {skills}, events {events}", visible(&dir.to_string_lossy()))?;
        for address in addresses {
            writeln!(page, "listening on http://{address}")?;
        }
        for path in unix {
            writeln!(page, "listening on {}", visible(path))?;
        }
        if let Some(of) = app.store.replica_of() {
            writeln!(page, "follows {}", visible(of))?;
        }
        if let Some(url) = &app.settings.public_url {
            writeln!(page, "reached at {}", visible(url))?;
        }
        Ok(())
    })
}

/// Follows the hub that this is a replica of. What goes wrong is told when it begins, and when it is over.
fn follower(app: Arc<App>, of: String) -> io::Result<()> {
    let run = move || {
        let (mut before, mut due): (Option<String>, bool) = (None, true);
        loop {
            let hub = Hub::open(&Place { registry: Some(&of), offline: false, cache: None });
            let done = hub.and_then(|hub| server::replica::round(&app, &hub, &mut due, &|_, _| ()));
            match done {
                Ok(_) if before.take().is_some() => log(&format!("following {of} again")),
                Ok(_) => {}
                Err(problem) => {
                    let text = problem.to_string();
                    if before.as_ref() != Some(&text) {
                        log(&format!("cannot follow {of}: {text}"));
                    }
                    before = Some(text);
                }
            }
            thread::sleep(FOLLOW);
        }
    };
    thread::Builder::new().name("follower".into()).spawn(run).map(drop)
}

/// Does what is due in the background: adds up counters, and writes the state when a start would have much to read.
fn clerk(app: Arc<App>) -> io::Result<()> {
    let run = move || {
        let mut saved = app.store.size();
        for turn in 1u32.. {
            thread::sleep(CLERK);
            let mut done = app.tick(server::now(), false);
            if turn % SAVE == 0 && app.store.size() >= saved + MUCH {
                saved = app.store.size();
                done = done.and_then(|()| app.save());
            }
            if let Err(problem) = done {
                log(&problem.to_string());
            }
        }
    };
    thread::Builder::new().name("clerk".into()).spawn(run).map(drop)
}
