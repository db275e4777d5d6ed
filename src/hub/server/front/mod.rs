//! The HTTP server: sockets, requests and answers, with bounds on everything a stranger can make it hold or wait for. What is
//! answered is a [`Handler`]'s business; TLS is a reverse proxy's.
//!
//! One thread accepts (`accept`) and deals connections to a few loops (`events`), each with its own `epoll(7)`. A loop reads
//! heads (`head`), writes answers (`answer`, `conn`) and never waits. Two kinds of work go to other threads (`pool`): answers that
//! take their time, and pieces of bodies on their way to the disk (`body`, `multipart`, `spool`).

mod accept;
mod answer;
pub mod body;
pub mod chunked;
mod conn;
mod events;
pub mod forwarded;
pub mod head;
pub mod metrics;
pub mod multipart;
mod pool;
mod post;
mod spool;

use super::http::Handler;
use crate::skill::Problem;
use crate::sys::net::raise_open_files;
use crate::sys::stream::Waker;
use accept::{Accept, Listener};
use events::Events;
use forwarded::Proxies;
use metrics::Metrics;
use pool::Queue;
use post::Post;
use spool::Spool;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Where connections come in.
#[derive(Debug)]
pub enum Listen {
    Tcp(SocketAddr),
    /// A Unix socket of this path; one that nobody listens on any more is replaced.
    Unix(PathBuf),
    /// A socket that listens already, from whoever started this process.
    Inherited(OwnedFd),
}

/// What a connection may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once, in all and of one address (IPv6: of one /64). Proxies that are believed are not counted by address.
    pub connections: usize,
    pub per_address: usize,
    /// From the first byte of a head to its last, and from a new connection to its first byte.
    pub head_time: Duration,
    /// Between two requests.
    pub idle_time: Duration,
    /// A body must come, and an answer must be taken, at so many bytes a second in each such window.
    pub rate: u64,
    pub window: Duration,
    /// How long the client may go on sending what will not be read.
    pub drain_time: Duration,
    /// Requests that wait for a worker.
    pub queue: usize,
    /// Bytes of bodies in memory, of all connections together; beyond them larger bodies are answered 503.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 8192,
            per_address: 256,
            head_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(60),
            rate: 1 << 10,
            window: Duration::from_secs(20),
            drain_time: Duration::from_secs(5),
            queue: 64,
            memory: 256 << 20,
        }
    }
}

/// How the front is set up.
#[derive(Debug)]
pub struct Settings {
    pub listen: Vec<Listen>,
    /// The folder for uploads, used by this process alone; best on the file system of whoever keeps them.
    pub spool: PathBuf,
    pub proxies: Proxies,
    pub limits: Limits,
    /// Threads that serve connections, and threads that answer what takes its time.
    pub loops: usize,
    pub workers: usize,
    /// After being told to stop, what runs may go on for so long.
    pub grace: Duration,
}

impl Settings {
    pub fn new(listen: Vec<Listen>, spool: PathBuf) -> Settings {
        let cores = thread::available_parallelism().map_or(2, usize::from);
        Settings {
            listen,
            spool,
            proxies: Proxies::default(),
            limits: Limits::default(),
            loops: cores.min(4),
            workers: (cores * 2).clamp(4, 16),
            grace: Duration::from_secs(8),
        }
    }
}

/// How far the end has come.
mod state {
    pub const RUNNING: u8 = 0;
    /// No request is begun any more.
    pub const STOPPING: u8 = 1;
    /// And nobody is let in.
    pub const CLOSED: u8 = 2;
    /// At once.
    pub const NOW: u8 = 3;
}

/// What all threads of the front share.
struct Shared {
    settings: Settings,
    handler: Arc<dyn Handler>,
    metrics: Arc<Metrics>,
    spool: Arc<Spool>,
    /// Connections by whom they are counted for.
    addresses: Mutex<HashMap<IpAddr, usize>>,
    answers: Queue,
    pieces: Queue,
    control: Arc<Control>,
}

impl Shared {
    /// A connection has ended.
    fn leave(&self, post: &Post, counted: Option<IpAddr>) {
        Metrics::add(&self.metrics.closed, 1);
        if let Some(address) = counted {
            let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(count) = addresses.get_mut(&address) {
                *count -= 1;
                if *count == 0 {
                    addresses.remove(&address);
                }
            }
        }
        post.connections.fetch_sub(1, Ordering::SeqCst);
        if self.control.full.swap(false, Ordering::SeqCst) {
            self.control.waker.wake();
        }
    }
}

/// What may change while a front runs.
#[derive(Clone, Debug)]
struct Changing {
    limits: Limits,
    proxies: Proxies,
}

/// What can be done to a front that runs.
struct Control {
    state: AtomicU8,
    changing: Mutex<Arc<Changing>>,
    /// No more connections than this, for want of descriptors.
    most: usize,
    /// Bytes of bodies in memory.
    held: AtomicUsize,
    /// Wakes the acceptor.
    waker: Waker,
    /// The acceptor waits for a connection to end.
    full: AtomicBool,
    posts: Vec<Arc<Post>>,
}

impl Control {
    fn to(&self, state: u8) {
        self.state.fetch_max(state, Ordering::SeqCst);
        self.waker.wake();
        for post in &self.posts {
            post.wake();
        }
    }

    fn state(&self) -> u8 {
        self.state.load(Ordering::SeqCst)
    }

    fn now(&self) -> Arc<Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, mut limits: Limits, proxies: Proxies) {
        limits.connections = limits.connections.clamp(1, self.most);
        *self.changing.lock().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(Changing { limits, proxies });
        self.waker.wake();
    }
}

/// Ends a front from any thread.
#[derive(Clone)]
pub struct Stopper(Arc<Control>);

impl Stopper {
    /// Lets nobody in, finishes what runs (for [`Settings::grace`]), and ends.
    pub fn stop(&self) {
        self.0.to(state::STOPPING);
    }

    /// Ends at once.
    pub fn now(&self) {
        self.0.to(state::NOW);
    }

    /// Other limits from now on (but the length of the queue), and other proxies. Connections notice within a second.
    pub fn change(&self, limits: Limits, proxies: Proxies) {
        self.0.change(limits, proxies);
    }

    /// How often each loop has turned. One whose number stands still for longer than a second hangs.
    pub fn beats(&self) -> Vec<u64> {
        self.0.posts.iter().map(|post| post.beats.load(Ordering::Relaxed)).collect()
    }
}

/// A server that listens.
pub struct Front {
    settings: Settings,
    listeners: Vec<Listener>,
    spool: Arc<Spool>,
    metrics: Arc<Metrics>,
    control: Arc<Control>,
}

impl Front {
    /// Listens. Connections wait until [`Front::run`].
    pub fn bind(mut settings: Settings) -> Result<Front, Problem> {
        let spool = Arc::new(Spool::open(settings.spool.clone())?);
        let mut listeners = Vec::new();
        for listen in std::mem::take(&mut settings.listen) {
            listeners.push(Listener::bind(listen)?);
        }
        // One descriptor for a connection, one for the file that it sends or receives, and some for everything else.
        let files = usize::try_from(raise_open_files()).unwrap_or(usize::MAX);
        let most = (files.saturating_sub(128) / 2).max(1);
        let made = || -> io::Result<Control> {
            let posts = (0..settings.loops.max(1)).map(|_| Post::new().map(Arc::new));
            let (limits, proxies) = (settings.limits.clone(), settings.proxies.clone());
            Ok(Control {
                state: AtomicU8::new(state::RUNNING),
                changing: Mutex::new(Arc::new(Changing { limits, proxies })),
                most,
                held: AtomicUsize::new(0),
                waker: Waker::new()?,
                full: AtomicBool::new(false),
                posts: posts.collect::<io::Result<_>>()?,
            })
        };
        let control = Arc::new(made().map_err(|error| machine("cannot prepare the server", &error))?);
        control.change(settings.limits.clone(), settings.proxies.clone());
        Ok(Front { settings, listeners, spool, metrics: Arc::default(), control })
    }

    /// The TCP addresses it listens on, with the ports that the kernel chose.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(Listener::address).collect()
    }

    pub fn stopper(&self) -> Stopper {
        Stopper(self.control.clone())
    }

    pub fn metrics(&self) -> Arc<Metrics> {
        self.metrics.clone()
    }

    /// Serves until a [`Stopper`] says otherwise. On this thread nothing but accepting happens.
    pub fn run(self, handler: Arc<dyn Handler>) -> Result<(), Problem> {
        let Front { settings, listeners, spool, metrics, control } = self;
        let (answers, pieces) = (Queue::new(settings.limits.queue), Queue::new(usize::MAX));
        let addresses = Mutex::default();
        let shared = Arc::new(Shared {
            settings,
            handler,
            metrics,
            spool,
            addresses,
            answers,
            pieces,
            control: control.clone(),
        });
        let failed = |error: io::Error| machine("cannot start the threads of the server", &error);
        let mut loops = Vec::new();
        for post in &control.posts {
            let events = Events::new(shared.clone(), post.clone()).map_err(failed)?;
            let control = control.clone();
            let run = move || {
                // It waits for descriptors of its own; where even that fails nothing works any more.
                if events.run().is_err() {
                    control.to(state::NOW);
                }
            };
            loops.push(thread::Builder::new().name("http".into()).spawn(run).map_err(failed)?);
        }
        let mut workers = Vec::new();
        for number in 0..=shared.settings.workers.max(1) {
            let shared = shared.clone();
            // One for the disk; the others answer.
            let run = move || {
                let queue = if number == 0 { &shared.pieces } else { &shared.answers };
                queue.work(&*shared.handler);
            };
            let name = if number == 0 { "spool" } else { "answer" };
            workers.push(thread::Builder::new().name(name.into()).spawn(run).map_err(failed)?);
        }
        let accepted = Accept::new(shared.clone(), listeners).and_then(Accept::run);
        if accepted.is_err() {
            control.to(state::NOW);
        }
        let until = Instant::now() + shared.settings.grace;
        control.to(state::CLOSED);
        for one in loops {
            // They end by themselves when the grace is over.
            let _ = one.join();
        }
        shared.answers.end();
        shared.pieces.end();
        // What a worker is at is finished too, even where nobody waits for the answer any more.
        while control.state() != state::NOW
            && workers.iter().any(|worker| !worker.is_finished())
            && Instant::now() < until
        {
            thread::sleep(Duration::from_millis(5));
        }
        accepted.map_err(|error| machine("cannot accept connections", &error))
    }
}

fn machine(what: &str, error: &io::Error) -> Problem {
    Problem::new(format!("{what}: {}", crate::words::reason(error)), "", "")
}
