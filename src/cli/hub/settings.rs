//! How a hub is set up to serve: `hub.toml` and the options that say the same. Reads and checks; opens nothing.

use crate::cli::args::list;
use crate::cli::error::Failure;
use crate::fields::{self, Text, What};
use crate::hub::server::front::forwarded::Proxies;
use crate::hub::server::front::{Limits, Listen};
use crate::hub::server::limit::{Rate, Rates};
use crate::json::ParseError;
use crate::net::Url;
use crate::policy::units;
use crate::rules::schema::nearest;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// Nobody writes a larger one by hand.
const LARGEST: u64 = 1 << 20;
const TOP: &[&str] = &["listen", "public_url", "trusted_proxies", "limits", "rates"];
/// Those that are numbers come first.
const LIMITS: &[&str] = &[
    "connections",
    "per_address",
    "queue",
    "workers",
    "loops",
    "head_time",
    "idle_time",
    "window",
    "grace",
    "least_rate",
    "memory",
];
const NUMBERS: usize = 5;
const RATES: &[&str] = &["read", "write", "download", "export"];

/// A value, and where it was said.
#[derive(Clone, Debug)]
pub struct Said {
    pub text: String,
    pub at: String,
}

/// What was said, in the file or in options, by key.
#[derive(Default)]
pub struct Words {
    pub listen: Vec<Said>,
    pub public_url: Option<Said>,
    pub trusted_proxies: Vec<Said>,
    /// `name` and value.
    pub limits: Vec<(String, Said)>,
    pub rates: Vec<(String, Said)>,
}

/// What it means.
pub struct Config {
    pub listen: Vec<Listen>,
    pub public_url: Option<String>,
    pub proxies: Proxies,
    pub limits: Limits,
    pub workers: Option<usize>,
    pub loops: Option<usize>,
    pub grace: Option<Duration>,
    pub rates: Rates,
}

/// Reads `hub.toml`.
pub fn read(path: &Path) -> Result<Words, Failure> {
    let failed = |error: &std::io::Error| Failure::file("cannot read", path, error);
    if fs::metadata(path).map_err(|error| failed(&error))?.len() > LARGEST {
        return Err(Failure::usage("file too large", path.to_string_lossy(), "1 MiB is the limit"));
    }
    let text = fs::read_to_string(path).map_err(|error| failed(&error))?;
    parse(&path.to_string_lossy(), &text)
}

fn parse(name: &str, text: &str) -> Result<Words, Failure> {
    let place = |start: usize| {
        let place = ParseError::at(text, start, "");
        format!("{name}:{}:{}", place.line, place.column)
    };
    let said = |word: Text| Said { at: place(word.span().start), text: word.into_inner() };
    let words = fields::read(text, TOP, |top| {
        let mut words = Words {
            listen: top.list("listen").unwrap_or_default().into_iter().map(said).collect(),
            public_url: top.text("public_url").map(said),
            trusted_proxies: top.list("trusted_proxies").unwrap_or_default().into_iter().map(said).collect(),
            ..Words::default()
        };
        let mut limits = top.table("limits", LIMITS);
        for (at, key) in LIMITS.iter().enumerate() {
            let value = if at < NUMBERS {
                limits.number(key).map(|number| Said {
                    at: place(number.span().start),
                    text: number.into_inner().to_string(),
                })
            } else {
                limits.text(key).map(said)
            };
            words.limits.extend(value.map(|value| ((*key).to_owned(), value)));
        }
        let mut rates = top.table("rates", RATES);
        for key in RATES {
            words.rates.extend(rates.text(key).map(|value| ((*key).to_owned(), said(value))));
        }
        words
    });
    words.map_err(|mistake| {
        let fix = match &mistake.what {
            What::Key { key, known } => match nearest(key, known) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("use {}", list(known)),
            },
            _ => "see docs/hub.md for what it may hold".to_owned(),
        };
        let said = mistake.what.to_string();
        let what = said.lines().next().unwrap_or("not TOML").to_owned();
        Failure::usage(what, place(mistake.span.start), fix)
    })
}

/// `NAME=VALUE` of an option.
pub fn pair(option: &str, text: &str) -> Result<(String, Said), Failure> {
    match text.split_once('=') {
        Some((name, value)) => {
            Ok((name.replace('-', "_"), Said { text: value.to_owned(), at: option.to_owned() }))
        }
        None => Err(Failure::usage(
            "not NAME=VALUE",
            format!("{option} {text}"),
            format!("see {option} in --help"),
        )),
    }
}

impl Words {
    /// Takes what `other` says over what this says.
    pub fn over(mut self, other: Words) -> Words {
        for (mine, others) in
            [(&mut self.listen, other.listen), (&mut self.trusted_proxies, other.trusted_proxies)]
        {
            if !others.is_empty() {
                *mine = others;
            }
        }
        self.public_url = other.public_url.or(self.public_url);
        self.limits.extend(other.limits);
        self.rates.extend(other.rates);
        self
    }

    pub fn understand(&self) -> Result<Config, Failure> {
        let mut config = Config {
            listen: Vec::new(),
            public_url: None,
            proxies: Proxies::default(),
            limits: Limits::default(),
            workers: None,
            loops: None,
            grace: None,
            rates: Rates::default(),
        };
        for said in &self.listen {
            config.listen.push(listen(said)?);
        }
        if let Some(said) = &self.public_url {
            let told =
                |error: String| Failure::usage(error, &said.at, "write https://HOST or https://HOST/PATH");
            let url = Url::parse(&said.text).map_err(|error| told(error.what))?;
            if url.path().contains('?') {
                return Err(told("a public address has no query".to_owned()));
            }
            config.public_url = Some(said.text.trim_end_matches('/').to_owned());
        }
        for said in &self.trusted_proxies {
            let fix = "write an address, a network such as 10.0.0.0/8, or unix";
            config.proxies.add(&said.text).map_err(|why| Failure::usage(why, &said.at, fix))?;
        }
        for (name, said) in &self.limits {
            limit(&mut config, name, said)?;
        }
        for (name, said) in &self.rates {
            let rate = rate(&said.text).ok_or_else(|| {
                let fix = "write ADDRESS/USER: requests a minute from one address and of one user, as in 3000/12000";
                Failure::usage(format!("bad rate {:?}", said.text), &said.at, fix)
            })?;
            match name.as_str() {
                "read" => config.rates.read = rate,
                "write" => config.rates.write = rate,
                "download" => config.rates.download = rate,
                "export" => config.rates.export = rate,
                _ => return Err(unknown(name, &said.at, RATES)),
            }
        }
        Ok(config)
    }
}

fn unknown(name: &str, at: &str, known: &[&str]) -> Failure {
    let fix = match nearest(name, known) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("use {}", list(known)),
    };
    Failure::usage(format!("unknown name `{name}`"), at, fix)
}

fn listen(said: &Said) -> Result<Listen, Failure> {
    if let Some(path) = said.text.strip_prefix("unix:") {
        if path.is_empty() || !path.starts_with('/') {
            return Err(Failure::usage("not a path", &said.at, "write unix:/PATH"));
        }
        return Ok(Listen::Unix(path.into()));
    }
    match said.text.parse::<SocketAddr>() {
        Ok(address) => Ok(Listen::Tcp(address)),
        Err(_) => {
            let fix = "write ADDRESS:PORT, as in 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080, or unix:/PATH";
            Err(Failure::usage(format!("not an address to listen on: {:?}", said.text), &said.at, fix))
        }
    }
}

fn rate(text: &str) -> Option<Rate> {
    let (address, user) = text.split_once('/')?;
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0);
    Some(Rate { address: number(address)?, user: number(user)? })
}

fn limit(config: &mut Config, name: &str, said: &Said) -> Result<(), Failure> {
    let bad = |fix: &str| Failure::usage(format!("bad value {:?} for {name}", said.text), &said.at, fix);
    let number = |most: usize| {
        let number = said.text.parse::<usize>().ok().filter(|number| (1..=most).contains(number));
        number.ok_or_else(|| bad(&format!("use a number from 1 to {most}")))
    };
    let time = || units::duration(&said.text).ok_or_else(|| bad("use a time such as 10s or 1m"));
    let size = || units::size(&said.text).ok_or_else(|| bad("use a size such as 1KiB or 256MiB"));
    let limits = &mut config.limits;
    match name {
        "connections" => limits.connections = number(1_000_000)?,
        "per_address" => limits.per_address = number(1_000_000)?,
        "queue" => limits.queue = number(100_000)?,
        "workers" => config.workers = Some(number(256)?),
        "loops" => config.loops = Some(number(64)?),
        "head_time" => limits.head_time = time()?,
        "idle_time" => limits.idle_time = time()?,
        "window" => limits.window = time()?,
        "grace" => config.grace = Some(time()?),
        "least_rate" => limits.rate = size()?,
        "memory" => limits.memory = usize::try_from(size()?).unwrap_or(usize::MAX),
        _ => return Err(unknown(name, &said.at, LIMITS)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_may_hold() {
        let text = "listen = [\"127.0.0.1:0\", \"unix:/run/hub.sock\"]\npublic_url = \"https://hub.example/\"\ntrusted_proxies = [\"10.0.0.0/8\", \"unix\"]\n[limits]\nconnections = 10\nhead_time = \"3s\"\nleast_rate = \"2KiB\"\n[rates]\nread = \"7/8\"\n";
        let config = parse("hub.toml", text).unwrap().understand().unwrap();
        assert_eq!((config.listen.len(), config.limits.connections, config.limits.rate), (2, 10, 2048));
        assert_eq!(config.public_url.as_deref(), Some("https://hub.example"));
        assert_eq!(config.rates.read, Rate { address: 7, user: 8 });
        assert!(config.proxies.unix && config.limits.head_time == Duration::from_secs(3));
        let options = Words { limits: vec![pair("--limit", "head-time=1m").unwrap()], ..Words::default() };
        let config = parse("hub.toml", text).unwrap().over(options).understand().unwrap();
        assert_eq!(config.limits.head_time, Duration::from_secs(60));
    }

    #[test]
    fn refuses_with_the_place() {
        for (text, wanted) in [
            ("listenn = []\n", "weft: unknown key `listenn`: hub.toml:1:1: did you mean listen?"),
            (
                "[limits]\nper_adress = 1\n",
                "weft: unknown key `per_adress`: hub.toml:2:1: did you mean per_address?",
            ),
            (
                "[limits]\nconnections = 0\n",
                "weft: bad value \"0\" for connections: hub.toml:2:15: use a number from 1 to 1000000",
            ),
            (
                "listen = [\"8080\"]\n",
                "weft: not an address to listen on: \"8080\": hub.toml:1:11: write ADDRESS:PORT, as in 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080, or unix:/PATH",
            ),
            (
                "trusted_proxies = [\"*\"]\n",
                "weft: `*` is no address and no network: hub.toml:1:20: write an address, a network such as 10.0.0.0/8, or unix",
            ),
            (
                "[rates]\nread = \"7\"\n",
                "weft: bad rate \"7\": hub.toml:2:8: write ADDRESS/USER: requests a minute from one address and of one user, as in 3000/12000",
            ),
        ] {
            let failure = parse("hub.toml", text).and_then(|words| words.understand().map(drop)).unwrap_err();
            assert_eq!(failure.to_string(), wanted);
        }
    }
}
