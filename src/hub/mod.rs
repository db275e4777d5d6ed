//! Registries of skills: which one, what they offer, and everything that is asked of them. Decides nothing about what is
//! installed: that is `install`'s, with `trust`, `scan` and `skill`.
//!
//! Three dialects behind one face: `clawhub` is the v1 API that ClawHub speaks, `contract` the envelope of weft's own hub,
//! `exported` the same registry written out as files.

pub mod cache;
pub mod catalog;
mod clawhub;
pub mod config;
mod contract;
mod exported;
pub mod get;
pub mod layout;
pub mod log;
mod login;
pub mod model;
pub mod reference;
pub mod search;
#[cfg(feature = "server")]
pub mod server;

pub use crate::skill::version::Version;
pub use model::{Comment, Detail, Publication, Published, Release, RemoteFile, Summary, Verdict};
pub use reference::Ref;

use crate::json::{self, Node};
use crate::net::{Client, Method, NetError, Options, Request, Retry, Url};
use crate::policy::host::Host;
use crate::skill::Problem;
use cache::Cache;
use config::{Choice, Config};
use std::path::Path;
use std::time::Duration;

/// The largest JSON answer that is read. Lists come in pages; a tree of it in memory is some thirty times as large.
const LARGEST_JSON: u64 = 4 << 20;
/// The largest package: what a registry takes, packed as badly as possible.
pub const LARGEST_PACKAGE: u64 = 52 << 20;
/// An answer younger than this many seconds is not asked for again where that was allowed.
const HOUR: u64 = 3600;

/// How the registry is to be reached.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// `--registry`
    pub registry: Option<&'a str>,
    /// Answer from what was kept, without any connection.
    pub offline: bool,
    /// The folder for what is kept; none keeps nothing.
    pub cache: Option<&'a Path>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    ClawHub,
    Contract,
    Exported,
}

impl Dialect {
    /// What stands before the address where it is written down.
    const fn prefix(self) -> &'static str {
        match self {
            Dialect::ClawHub => "",
            Dialect::Contract => "weft+",
            Dialect::Exported => "static+",
        }
    }

    /// The dialect that an address names, and the address.
    fn split(text: &str) -> (Dialect, &str) {
        let named = [Dialect::Contract, Dialect::Exported]
            .into_iter()
            .find_map(|dialect| Some((dialect, text.strip_prefix(dialect.prefix())?)));
        named.unwrap_or((Dialect::ClawHub, text))
    }
}

/// A registry that was found.
pub struct Hub {
    /// As it is written down: without a slash at the end, with `weft+` in front where it speaks the contract, `static+` where it
    /// is files.
    pub registry: String,
    dialect: Dialect,
    /// Below this are the calls.
    base: Url,
    client: Client,
    token: Option<String>,
    /// A token that is there but not for this registry.
    pub foreign_token: bool,
    cache: Option<Cache>,
    offline: bool,
    pub config: Config,
}

/// One call.
struct Ask<'a> {
    method: Method,
    url: Url,
    body: Option<(&'static str, Vec<u8>)>,
    accept: &'static str,
    limit: u64,
    repeatable: bool,
    /// Keep the answer, and take a kept one when it is younger than so many seconds.
    keep: Option<u64>,
    progress: Option<&'a dyn Fn(u64, Option<u64>)>,
}

impl Hub {
    /// Finds the registry. Asks the network only where a site has to be asked where its registry is.
    pub fn open(place: &Place) -> Result<Hub, Problem> {
        let config = Config::read(config::path()?)?;
        let choice = config::choose(place.registry, &config);
        let patience = seconds("WEFT_NET_TIMEOUT")?;
        let defaults = Options::default();
        let options = Options {
            silence: patience.unwrap_or(defaults.silence),
            connect: patience.unwrap_or(defaults.connect),
            ..defaults
        };
        let text = match &choice {
            Choice::Named(text) | Choice::Site(text) => text.as_str(),
        };
        let (dialect, text) = Dialect::split(text);
        let base = Url::parse(text).map_err(|error| from_net(&error))?;
        let mut hub = Hub {
            registry: String::new(),
            dialect,
            base,
            client: Client::new(options, Retry::default()),
            token: None,
            foreign_token: false,
            cache: place.cache.map(|folder| Cache::new(folder.to_owned())),
            offline: place.offline,
            config,
        };
        if matches!(choice, Choice::Site(_)) {
            hub.discover();
        }
        hub.registry = format!("{}{}", hub.dialect.prefix(), hub.base.to_string().trim_end_matches('/'));
        hub.authorize();
        Ok(hub)
    }

    /// The scheme, host and port that signatures and pins are about.
    pub fn origin(&self) -> String {
        self.base.origin()
    }

    /// Asks the site where its registry is. A site that says nothing is the registry itself.
    fn discover(&mut self) {
        for path in ["/.well-known/clawhub.json", "/.well-known/clawdhub.json"] {
            let ask = Ask { keep: Some(24 * HOUR), ..Ask::get(self.base.with_path(path)) };
            let Ok(body) = self.ask(ask) else { continue };
            let Some(node) = std::str::from_utf8(&body).ok().and_then(|text| json::parse(text).ok()) else {
                continue;
            };
            let named = |key: &str| {
                let url = Url::parse(&model::word(&node, key)?).ok()?;
                // What https says must not lead to where everybody can listen.
                (url.is_https() || !self.base.is_https()).then_some(url)
            };
            for (key, dialect) in [("weftApi", Dialect::Contract), ("weftStatic", Dialect::Exported)] {
                if let Some(url) = named(key) {
                    (self.base, self.dialect) = (url, dialect);
                    return;
                }
            }
            if let Some(url) = named("apiBase").or_else(|| named("registry")) {
                self.base = url;
                return;
            }
        }
    }

    /// A token goes to the registry that it was stored for, and never over a connection that others can read.
    fn authorize(&mut self) {
        let Some(token) = &self.config.token else { return };
        let stored = self.config.chosen().unwrap_or(config::DEFAULT);
        let stored = Url::parse(Dialect::split(stored).1);
        let same = stored.is_ok_and(|stored| stored.same_origin(&self.base));
        let readable = !self.base.is_https() && !is_loopback(self.base.host());
        self.foreign_token = !same;
        self.token = Some(token.clone()).filter(|_| same && !readable);
    }

    pub fn is_logged_in(&self) -> bool {
        self.token.is_some()
    }

    /// For calls that a registry takes only from somebody it knows.
    fn need_token(&self) -> Result<(), Problem> {
        if self.dialect == Dialect::Exported {
            let fix = "name the address of the hub that it was exported from";
            return Err(Problem::new("this registry can only be read", self.registry.clone(), fix));
        }
        if self.is_logged_in() {
            return Ok(());
        }
        let fix = if self.foreign_token {
            "the stored token is for another registry: `weft skill login` for this one"
        } else {
            "`weft skill login`"
        };
        Err(Problem::new("not logged in", self.registry.clone(), fix))
    }

    /// Sends it and gives the body of a good answer.
    fn ask(&self, ask: Ask) -> Result<Vec<u8>, Problem> {
        let address = ask.url.to_string();
        let key = Cache::key(&address, self.token.as_deref());
        let kept = self.cache.as_ref().filter(|_| ask.keep.is_some()).and_then(|cache| cache.get(&key));
        if self.offline {
            let missing = || Problem::new("not kept from before", address.clone(), "leave --offline out");
            return kept.map(|kept| kept.body).ok_or_else(missing);
        }
        if let Some(kept) = &kept
            && ask.keep.is_some_and(|fresh| kept.age < fresh)
        {
            return Ok(kept.body.clone());
        }
        let mut headers = vec![("accept", ask.accept.to_owned())];
        if let Some((kind, _)) = &ask.body {
            headers.push(("content-type", (*kind).to_owned()));
        }
        if let Some(kept) = kept.as_ref().filter(|kept| !kept.etag.is_empty()) {
            headers.push(("if-none-match", kept.etag.clone()));
        }
        let request = Request {
            method: ask.method,
            url: ask.url,
            headers,
            token: self.token.as_deref(),
            body: ask.body.as_ref().map(|(_, body)| body.as_slice()),
            limit: ask.limit,
            repeatable: ask.repeatable,
            progress: ask.progress,
        };
        let answer = self.client.send(&request).map_err(|error| from_net(&error))?;
        if let (304, Some(kept), Some(cache)) = (answer.status, kept, &self.cache) {
            cache.confirm(&key);
            return Ok(kept.body);
        }
        if !(200..300).contains(&answer.status) {
            return Err(refusal(answer.status, &answer.body, &address));
        }
        if let (Some(cache), Some(_)) = (&self.cache, ask.keep) {
            cache.put(&key, answer.header("etag").unwrap_or(""), &answer.body);
        }
        Ok(answer.body)
    }

    /// As [`ask`](Hub::ask), for an answer in JSON.
    fn ask_json(&self, ask: Ask) -> Result<Node, Problem> {
        let address = ask.url.to_string();
        let body = self.ask(ask)?;
        let wrong = |what: String| Problem::new(what, address.clone(), "is it a registry?");
        let text = std::str::from_utf8(&body).map_err(|_| wrong("the answer is not UTF-8".into()))?;
        json::parse(text).map_err(|error| wrong(format!("the answer is not JSON: {error}")))
    }
}

impl<'a> Ask<'a> {
    fn get(url: Url) -> Ask<'a> {
        Ask {
            method: Method::Get,
            url,
            body: None,
            accept: "application/json",
            limit: LARGEST_JSON,
            repeatable: true,
            keep: Some(0),
            progress: None,
        }
    }

    /// A write with a JSON body.
    fn write(method: Method, url: Url, body: Vec<u8>) -> Ask<'a> {
        let body = Some(("application/json", body));
        Ask { method, body, keep: None, ..Ask::get(url) }
    }
}

/// Calls that both dialects know.
impl Hub {
    /// What the registry itself finds, best first.
    pub fn search(&self, query: &str, limit: usize) -> Result<Vec<Summary>, Problem> {
        match self.dialect {
            Dialect::ClawHub => clawhub::search(self, query, limit),
            Dialect::Contract => contract::search(self, query, limit),
            // The list of all skills is fetched anyway, and searched here.
            Dialect::Exported => Ok(Vec::new()),
        }
    }

    pub fn detail(&self, name: &Ref) -> Result<Detail, Problem> {
        match self.dialect {
            Dialect::ClawHub => clawhub::detail(self, name),
            Dialect::Contract => contract::detail(self, name),
            Dialect::Exported => exported::detail(self, name),
        }
    }

    /// Newest first.
    pub fn versions(&self, name: &Ref) -> Result<Vec<Release>, Problem> {
        match self.dialect {
            Dialect::ClawHub => clawhub::versions(self, name),
            Dialect::Contract => contract::versions(self, name),
            Dialect::Exported => exported::versions(self, name),
        }
    }

    pub fn release(&self, name: &Ref, version: &str) -> Result<Release, Problem> {
        match self.dialect {
            Dialect::ClawHub => clawhub::release(self, name, version),
            Dialect::Contract => contract::release(self, name, version),
            Dialect::Exported => exported::release(self, name, version),
        }
    }

    /// The package, as it came: nothing of it was checked but its size.
    pub fn download(
        &self,
        name: &Ref,
        version: &str,
        progress: Option<&dyn Fn(u64, Option<u64>)>,
    ) -> Result<Vec<u8>, Problem> {
        match self.dialect {
            Dialect::ClawHub => clawhub::download(self, name, version, progress),
            Dialect::Contract => contract::download(self, name, version, progress),
            Dialect::Exported => exported::download(self, name, version, progress),
        }
    }

    pub fn publish(&self, publication: &Publication) -> Result<Published, Problem> {
        self.need_token()?;
        match self.dialect {
            Dialect::ClawHub => clawhub::publish(self, publication),
            Dialect::Contract => contract::publish(self, publication),
            Dialect::Exported => Err(self.unknown_call("publishing")),
        }
    }

    /// Sets the star or takes it away; either is done once however often it is said. True if that changed something.
    pub fn star(&self, name: &Ref, on: bool) -> Result<bool, Problem> {
        self.need_token()?;
        match self.dialect {
            Dialect::ClawHub => clawhub::star(self, name, on),
            Dialect::Contract => contract::star(self, name, on),
            Dialect::Exported => Err(self.unknown_call("stars")),
        }
    }

    /// Takes a skill, or one version of it, away from others; `back` undoes it.
    pub fn withdraw(
        &self,
        name: &Ref,
        version: Option<&str>,
        reason: &str,
        back: bool,
    ) -> Result<(), Problem> {
        self.need_token()?;
        match self.dialect {
            Dialect::ClawHub => clawhub::withdraw(self, name, version, reason, back),
            Dialect::Contract | Dialect::Exported => Err(self.unknown_call("withdrawing")),
        }
    }

    /// Tells the registry's moderators. True if this user had done so before.
    pub fn report(&self, name: &Ref, version: Option<&str>, reason: &str) -> Result<bool, Problem> {
        self.need_token()?;
        match self.dialect {
            Dialect::ClawHub => clawhub::report(self, name, version, reason),
            Dialect::Contract | Dialect::Exported => Err(self.unknown_call("reporting")),
        }
    }

    pub fn comments(&self, name: &Ref) -> Result<Vec<Comment>, Problem> {
        match self.dialect {
            Dialect::ClawHub | Dialect::Exported => Err(self.unknown_call("comments")),
            Dialect::Contract => contract::comments(self, name),
        }
    }

    pub fn comment(&self, name: &Ref, text: &str) -> Result<(), Problem> {
        self.need_token()?;
        match self.dialect {
            Dialect::ClawHub | Dialect::Exported => Err(self.unknown_call("comments")),
            Dialect::Contract => contract::comment(self, name, text),
        }
    }

    /// The version whose files have this fingerprint, and the latest one.
    ///
    /// Fingerprints depend on the language of whoever published: no match says nothing against the files.
    pub fn match_fingerprint(
        &self,
        name: &Ref,
        fingerprint: &str,
    ) -> Result<(Option<String>, Option<String>), Problem> {
        match self.dialect {
            Dialect::ClawHub => clawhub::match_fingerprint(self, name, fingerprint),
            Dialect::Contract | Dialect::Exported => {
                let versions = self.versions(name)?;
                Ok((None, versions.first().map(|release| release.version.clone())))
            }
        }
    }

    /// Skills in the order of their last change, newest first, from `cursor` on; with the cursor of the next page.
    pub fn page(&self, since: u64, cursor: Option<&str>) -> Result<(Vec<Summary>, Option<String>), Problem> {
        match self.dialect {
            Dialect::ClawHub => clawhub::page(self, cursor),
            Dialect::Contract => contract::page(self, since, cursor),
            Dialect::Exported => exported::page(self, cursor),
        }
    }

    /// Does one call give everything that changed?
    pub fn has_catalog(&self) -> bool {
        self.dialect != Dialect::ClawHub
    }

    /// Is its list always the whole one, in which what is gone is not?
    pub fn lists_all(&self) -> bool {
        self.dialect == Dialect::Exported
    }

    fn unknown_call(&self, what: &str) -> Problem {
        Problem::new(format!("this registry has no {what}"), self.registry.clone(), "")
    }
}

fn is_loopback(host: &Host) -> bool {
    match host {
        Host::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ip(address) => address.is_loopback(),
    }
}

/// A whole number of seconds in a variable.
fn seconds(variable: &str) -> Result<Option<Duration>, Problem> {
    let Some(text) = std::env::var(variable).ok().filter(|text| !text.is_empty()) else { return Ok(None) };
    let number = text.parse().ok().filter(|seconds| (1..=3600).contains(seconds));
    let wrong = || Problem::new("bad value", format!("{variable}={text}"), "use seconds from 1 to 3600");
    number.map(|seconds| Some(Duration::from_secs(seconds))).ok_or_else(wrong)
}

fn from_net(error: &NetError) -> Problem {
    Problem::new(error.what.clone(), error.at.clone(), error.fix.clone())
}

/// What a bad status means to whoever asked.
fn refusal(status: u16, body: &[u8], address: &str) -> Problem {
    let told = String::from_utf8_lossy(body);
    let told = told.trim();
    let mut sentence: String = match json::parse(told) {
        // The contract's envelope, and ClawHub's list of owners.
        Ok(node) => {
            let error = node.get("error");
            let inner = error.and_then(|error| {
                error.as_str().map(str::to_owned).or_else(|| model::word(error, "message"))
            });
            let matches = node.get("matches").and_then(Node::as_array).unwrap_or_default();
            let refs: Vec<String> = matches.iter().filter_map(|one| model::word(one, "ref")).collect();
            match (inner.or_else(|| model::word(&node, "message")), refs.is_empty()) {
                (_, false) => format!("several owners have one: {}", refs.join(", ")),
                (Some(message), true) => message,
                (None, true) => String::new(),
            }
        }
        Err(_) if told.starts_with('<') => String::new(),
        Err(_) => told.to_owned(),
    };
    if let Some((at, _)) = sentence.char_indices().nth(300) {
        sentence.truncate(at);
    }
    let says = |what: &str| match sentence.is_empty() {
        true => format!("{what} ({status})"),
        false => format!("{what} ({status}: {sentence})"),
    };
    match status {
        401 => Problem::new(says("the registry does not know you"), address, "`weft skill login`"),
        403 | 423 | 451 => Problem::denied(says("the registry refuses"), address, ""),
        404 => Problem::new(says("the registry has no such thing"), address, "check the name"),
        409 => Problem::new(says("not one clear answer"), address, "name the owner: @OWNER/SLUG"),
        410 => Problem::denied(says("withdrawn"), address, ""),
        413 => Problem::new(says("too large for the registry"), address, ""),
        429 => Problem::new(says("too many requests"), address, "try again later"),
        500.. => Problem::new(says("the registry is in trouble"), address, "try again later"),
        _ => Problem::new(says("the registry does not take it"), address, ""),
    }
}
