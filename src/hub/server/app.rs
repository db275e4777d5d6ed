//! The registry as a whole: the state, the log behind it, and the one way in which either changes. Also the [`Handler`] that
//! the front asks. What a request means is `routes`' and what they lead to.

use super::auth::{self, Who};
use super::call::{Call, pairs};
use super::device::Devices;
use super::event::{Event, What};
use super::gate::Permits;
use super::http::{Body, Bounds, Handler, Head, Method, Plan, Request, Response};
use super::limit::{Counted, Kind, Limiter, Rates, Verdict};
use super::refusal::{Answer, Refusal};
use super::routes::{self, Auth, Found, Route, Take};
use super::seen::Seen;
use super::state::{Role, SkillId, State};
use super::store::{Span, Store};
use super::tickets::Tickets;
use crate::clock;
use crate::digest::Sha256;
use crate::json::Writer;
use crate::skill::Problem;
use crate::trust::statement::origin;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The largest JSON body that is read.
const JSON: u64 = 1 << 20;
/// The largest list of files of a skill.
const LIST: u64 = 8 << 20;
/// One file of a skill.
pub const FILE: u64 = 10 << 20;
/// All of them.
pub const TOTAL: u64 = 50 << 20;
/// A skill has no more files than this.
pub const FILES: usize = 5000;

/// How this registry is set up.
pub struct Settings {
    /// Where users reach it, with a path if it is below one; `None`: wherever they say they do.
    pub public_url: Option<String>,
    /// A folder for files that are being looked at; what is in it may vanish at any start.
    pub spool: PathBuf,
    pub rates: Rates,
    /// Its pages are written out as files: nothing in them needs an answer of ours.
    pub still: bool,
    /// Where to say what whoever runs the registry should read.
    pub log: fn(&str),
}

/// A registry.
pub struct App {
    pub store: Arc<Store>,
    state: RwLock<State>,
    pub settings: Settings,
    /// The path of the public address, without a slash at the end.
    prefix: String,
    limiter: Limiter,
    pub tickets: Mutex<Tickets>,
    pub devices: Mutex<Devices>,
    /// Downloads and installs that are not in the state yet.
    pub seen: Mutex<Seen>,
    /// How many packages are in memory at once.
    pub packages: Permits,
    /// Changes of one skill or account wait for each other, others do not.
    locks: [Mutex<()>; 16],
    everything: RwLock<()>,
    /// The number of the event that is applied next.
    turn: Mutex<u64>,
    turned: Condvar,
    /// Answers about skills, as long as nothing has changed.
    pub(super) rendered: super::rendered::Rendered,
}

/// Route, parameters, and who asks.
type Begun = (&'static Route, Vec<String>, Option<Who>);

/// What a change waits for.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// Changes of what has this name.
    Named(&'a str),
    /// All changes.
    All,
}

/// A lock that no panic can poison: the binary ends at one.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl App {
    /// Reads the state: the snapshot, and the events behind it.
    pub fn open(store: Arc<Store>, settings: Settings) -> Result<App, Problem> {
        let mut state = load(&store).unwrap_or_default();
        let from = state.applied();
        store.events(from, &mut |index, span, line| take(&store, &mut state, (index, span, line)))?;
        store.counters().each(&mut |name, counts| {
            if let Some(id) = name.strip_prefix('s').and_then(|id| id.parse().ok()) {
                state.counted(id, counts.downloads, counts.installs, 0);
            }
        });
        let prefix = settings.public_url.as_deref().map_or("", |url| path_of(url)).to_owned();
        let turn = state.applied();
        Ok(App {
            limiter: Limiter::new(settings.rates),
            store,
            state: RwLock::new(state),
            settings,
            prefix,
            tickets: Mutex::default(),
            devices: Mutex::default(),
            seen: Mutex::default(),
            packages: Permits::new(4),
            locks: Default::default(),
            everything: RwLock::default(),
            turn: Mutex::new(turn),
            turned: Condvar::new(),
            rendered: super::rendered::Rendered::default(),
        })
    }

    /// Takes in what came to a replica's log since the state was computed.
    pub fn catch_up(&self) -> Result<(), Problem> {
        let from = self.state().applied();
        // The lock is taken event by event: reading goes on meanwhile.
        self.store.events(from, &mut |index, span, line| {
            take(&self.store, &mut self.state_mut(), (index, span, line))
        })?;
        *lock(&self.turn) = self.state().applied();
        Ok(())
    }

    /// To be held for microseconds, and never twice by one thread.
    pub fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the state beside the log, so that the next start is quick. For the end, and from time to time.
    pub fn save(&self) -> Result<(), Problem> {
        self.tick(now(), true)?;
        let (applied, bytes) = {
            let state = self.state();
            (state.applied(), state.encode())
        };
        self.store.save_snapshot(applied, &mut |out| out.write_all(&bytes))
    }

    /// Where users reach this registry, without a slash at the end.
    pub fn base(&self, head: &Head) -> String {
        match &self.settings.public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("{}://{}", if head.secure { "https" } else { "http" }, head.host),
        }
    }

    /// What signatures say that they are for.
    pub fn origin(&self, base: &str) -> String {
        origin(base).unwrap_or_default()
    }

    /// Changes something: `decide` looks at the state, while nobody else changes what `scope` names, and says what is to
    /// happen; that is made durable, then it counts. Gives the number of the first event.
    pub fn commit(
        &self,
        scope: Scope,
        by: &str,
        decide: &mut dyn FnMut(&State) -> Result<Vec<What>, Refusal>,
    ) -> Result<u64, Refusal> {
        let (_one, _others, _all);
        match scope {
            Scope::Named(name) => {
                _others = self.everything.read().unwrap_or_else(PoisonError::into_inner);
                let place = Sha256::of(name.as_bytes()).as_bytes()[0] as usize % self.locks.len();
                _one = lock(&self.locks[place]);
            }
            Scope::All => _all = self.everything.write().unwrap_or_else(PoisonError::into_inner),
        }
        let at = now();
        let whats = decide(&self.state())?;
        let event = |what| Event { at, by: by.to_owned(), what };
        let events: Vec<Event> = whats.into_iter().map(event).collect();
        if events.is_empty() {
            return Ok(0);
        }
        let mut lines = Vec::with_capacity(events.len());
        for event in &events {
            let salt = Event::salt().ok_or_else(|| Problem::new("no random numbers", "the system", ""))?;
            lines.push((event.encode(&salt), event.what.is_private()));
        }
        let lines: Vec<(&str, bool)> =
            lines.iter().map(|(line, private)| (line.as_str(), *private)).collect();
        let appended = self.store.append_all(&lines)?;
        let first = appended.first().map_or(0, |appended| appended.index);
        // In the order of the log, whoever came back from the disk first.
        let mut turn = lock(&self.turn);
        while *turn != first {
            turn = self.turned.wait(turn).unwrap_or_else(PoisonError::into_inner);
        }
        let mut done = Ok(());
        {
            let mut state = self.state_mut();
            for (event, appended) in events.iter().zip(&appended) {
                done = done.and(state.apply(appended.index, appended.span, event));
            }
        }
        *turn = first + appended.len() as u64;
        drop(turn);
        self.turned.notify_all();
        done?;
        Ok(first)
    }

    /// The path that the registry is below, without a slash at the end; mostly empty.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The path below the public address.
    fn below<'p>(&self, path: &'p str) -> &'p str {
        match path.strip_prefix(self.prefix.as_str()) {
            Some(rest) if rest.starts_with('/') => rest,
            _ => path,
        }
    }

    /// Route, parameters, who asks, and how that was counted.
    fn begin(&self, head: &Head, count: bool) -> (Counted, Result<Begun, Refusal>) {
        let found = routes::find(head.method, self.below(&head.path));
        let now = now();
        let (kind, auth) = match &found {
            Found::Route(route, _) => (route.kind, route.auth),
            _ => (Kind::Read, Auth::Anybody),
        };
        let (known, who) = {
            let state = self.state();
            let known = auth::required(&state, head, now);
            let who = known.as_ref().ok().cloned();
            (known, who)
        };
        let user = who.as_ref().map(|who| (who.account, who.role == Role::Admin));
        let kind = if count { kind } else { Kind::Free };
        let counted = self.limiter.count(kind, user, head.peer, now / 1000);
        match counted.verdict {
            Verdict::Within => {}
            Verdict::Over => return (counted, Err(Refusal::new(429, "Rate limit exceeded"))),
            Verdict::Unknown => {
                let busy = Refusal::new(503, "Rate limiter unavailable");
                return (counted, Err(Refusal { retry: Some(1), ..busy }));
            }
        }
        let begun = match found {
            Found::Route(route, _) if route.method != Method::Get && self.store.replica_of().is_some() => {
                let of = self.store.replica_of().unwrap_or_default();
                Err(Refusal::forbidden(format!("This is a replica, for reading only. Ask {of} instead.")))
            }
            Found::Route(route, params) => match (auth, known) {
                (Auth::User | Auth::Moderator, Err(refusal)) => Err(refusal),
                (Auth::Moderator, Ok(who)) if !who.moderates() => {
                    Err(Refusal::forbidden("Forbidden: this is for moderators of the registry"))
                }
                _ => Ok((route, params, who)),
            },
            Found::Methods(methods) => {
                let (this, others) = (routes::word(head.method), methods.join(", "));
                Err(Refusal::new(405, format!("Method not allowed: {this}. Use {others}.")))
            }
            Found::None => Err(Refusal::missing("Not found")),
        };
        (counted, begun)
    }

    fn run(&self, head: &Head, body: Option<Body>, begun: Begun) -> Answer {
        let (route, params, who) = begun;
        let mut call = Call { app: self, head, params, query: pairs(&head.query), body, who, now: now() };
        (route.run)(&mut call)
    }

    /// What every answer has.
    fn finish(&self, head: &Head, counted: &Counted, answer: Answer) -> Response {
        let contract = self.below(&head.path).starts_with(super::contract::PREFIX);
        let response = answer.unwrap_or_else(|mut refusal| {
            if let Some(text) = refusal.log.take() {
                (self.settings.log)(&format!(
                    "request failed: {} {}: {text}",
                    routes::word(head.method),
                    head.path
                ));
            }
            if contract { super::contract::refused(&refusal) } else { refusal.into_response() }
        });
        let has = |name: &str| response.headers.iter().any(|(key, _)| *key == name);
        let keep = !has("Cache-Control");
        let response = counted.tell(response);
        // Pages are for people: no other site's script reads them.
        let response =
            match self.below(&head.path).starts_with("/api/") || head.path.starts_with("/.well-known/") {
                true => response
                    .with("Access-Control-Allow-Origin", "*")
                    .with("X-Content-Type-Options", "nosniff"),
                false => response,
            };
        if keep { response.with("Cache-Control", "no-store") } else { response }
    }
}

/// The answer to what browsers ask before they ask (CORS).
fn preflight() -> Response {
    Response { status: 204, headers: Vec::new(), content: super::http::Content::Bytes(Vec::new()) }
        .with("Access-Control-Allow-Origin", "*")
        .with("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS, PATCH, HEAD")
        .with("Access-Control-Allow-Headers", "Content-Type, Authorization, Accept, If-None-Match, Range")
        .with("Access-Control-Max-Age", "86400")
}

impl Handler for App {
    fn plan(&self, head: &Head) -> Plan {
        if head.method == Method::Options {
            return Plan::Now(preflight());
        }
        let (counted, begun) = self.begin(head, true);
        let now = |answer| Plan::Now(self.finish(head, &counted, answer));
        let begun = match begun {
            Ok(begun) => begun,
            Err(refusal) => return now(Err(refusal)),
        };
        let kind = head.header("content-type").unwrap_or("").trim_start().to_ascii_lowercase();
        let too_large = |most: u64| {
            (head.length > most)
                .then(|| Refusal::new(413, format!("The request is too large: more than {most} bytes")))
        };
        let plan = |most: u64, plan: Plan| match too_large(most) {
            Some(refusal) => now(Err(refusal)),
            None => plan,
        };
        match begun.0.take {
            Take::Now => now(self.run(head, None, begun)),
            Take::Work => Plan::Memory(0),
            Take::Json => plan(JSON, Plan::Memory(JSON)),
            Take::File => plan(FILE, Plan::File(FILE)),
            Take::Package => plan(TOTAL / 3 * 4 + LIST, Plan::Memory(TOTAL / 3 * 4 + LIST)),
            Take::Skill if kind.starts_with("application/json") => plan(LIST, Plan::Memory(LIST)),
            Take::Skill if kind.starts_with("multipart/form-data") => {
                let all = TOTAL + LIST;
                let bounds = Bounds { parts: FILES + 16, field: JSON as usize, file: FILE, all };
                plan(all, Plan::Multipart(bounds))
            }
            Take::Skill => now(Err(Refusal::new(
                415,
                "Unsupported content type. Use application/json or multipart/form-data.",
            ))),
        }
    }

    fn answer(&self, request: Request) -> Response {
        // Counted when its head came.
        let (counted, begun) = self.begin(&request.head, false);
        let answer = begun.and_then(|begun| self.run(&request.head, Some(request.body), begun));
        self.finish(&request.head, &counted, answer)
    }
}

/// Takes an event into the state. What stands for one that is not shown here changes nothing but the count.
fn take(store: &Store, state: &mut State, (index, span, line): (u64, Span, &str)) -> Result<(), Problem> {
    if store.replica_of().is_some() && !store.is_public(line) {
        state.pass(index);
        return Ok(());
    }
    state.apply(index, span, &Event::decode(line)?)
}

/// The state of the snapshot, if there is a good one.
fn load(store: &Store) -> Option<State> {
    let mut snapshot = store.load_snapshot()?;
    let length = snapshot.length();
    State::decode(&mut snapshot, length).filter(|state| state.applied() == snapshot.size)
}

/// The path of an address, without a slash at the end.
fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("", |at| rest[at..].trim_end_matches('/'))
}

/// Milliseconds since 1970.
pub fn now() -> u64 {
    u64::try_from(clock::now().as_millis()).unwrap_or(u64::MAX)
}

/// What an answer calls a skill: never reused, and the same however it is renamed.
pub fn skill_id(id: SkillId) -> String {
    format!("s{id}")
}

/// `{"ok":true}`, and more if there is more to say.
pub fn ok(body: impl FnOnce(&mut Writer) -> io::Result<()>) -> Response {
    super::call::object(|w| {
        w.key("ok")?.boolean(true)?;
        body(w)
    })
}
