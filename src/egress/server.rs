//! The loop: waits for every socket at once, accepts, and takes each connection from stage to stage (`stages`).

use super::conn::{Conn, Stage, Via};
use super::elsewhere::Elsewhere;
use super::inside::role;
use super::names::{self, Names};
use super::relay::{Pipes, Side};
use super::resolve::Resolver;
use super::settings::CONNECTIONS;
use super::{Event, Kind, Settings, Shared, dns};
use crate::audit::Action;
use crate::policy::host::{Class, Host, class, plain};
use crate::policy::{Decision, decide};
use crate::sort;
use crate::sys::net::{self, Happened, Poll, when};
use crate::sys::socket;
use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

const WAKE: u64 = 0;
const INSIDE: u64 = 1;
const UDP: u64 = 2;
const LISTENERS: u64 = 16;
const CONNS: u64 = 1 << 32;
/// Both sides of every connection.
const STREAM: u32 = when::IN | when::OUT | when::RDHUP | when::EDGE;
/// How often waits are looked at, in milliseconds.
const TICK: i32 = 100;
/// How long a client may take to say what it wants, or to send its TLS hello.
const SAYING: Duration = Duration::from_secs(10);
/// So many connections, and so many refusals, are told one by one.
const TOLD: [usize; 2] = [10_000, 1_000];
/// So many connections are accepted, and so many questions answered, before others have their turn.
const AT_ONCE: usize = 256;
/// Bytes of all clients that wait for the rest of a request or hello, at most.
const HELD: usize = 8 << 20;
/// A client that has said no more than this is never ended for what others say.
const SMALL: usize = 2048;

/// Who connects to a listener.
enum Listening {
    Port(u16),
    Proxy,
    Dns,
    Inbound(u16),
}

/// What is counted for one rule.
#[derive(Debug, Default, Clone)]
pub(super) struct Used {
    pub connections: u64,
    pub bytes: u64,
    /// Bytes that may go out now, and when that was true.
    pub tokens: f64,
    pub at: Option<Instant>,
}

pub(super) struct Server {
    pub settings: Settings,
    inside: OwnedFd,
    shared: Arc<Shared>,
    tell: UnixStream,
    woken: UnixStream,
    pub poll: Poll,
    listeners: Vec<(TcpListener, Listening)>,
    /// Listeners are waited for.
    accepting: bool,
    udp: Option<UdpSocket>,
    pub names: Names,
    pub resolver: Resolver,
    pub elsewhere: Elsewhere,
    conns: HashMap<u64, Box<Conn>>,
    /// What their inboxes hold together.
    held: usize,
    next: u64,
    most: usize,
    /// Connections that could go on without anything happening.
    again: Vec<u64>,
    /// Inbound connections that wait for a socket, in the order in which they asked.
    pub sockets: VecDeque<u64>,
    pub pipes: Pipes,
    pub scratch: Vec<u8>,
    pub used: Vec<Used>,
    pub sent: u64,
    refused_names: HashSet<String>,
    told: [usize; 2],
    /// Some connection has a deadline.
    pub timed: bool,
    ticked: Instant,
}

/// What becomes of a connection after its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Keep,
    /// It could go on at once.
    Again,
    End,
}

impl Server {
    pub fn new(
        settings: Settings,
        inside: OwnedFd,
        inbound: Vec<TcpListener>,
        shared: Arc<Shared>,
        tell: UnixStream,
        (wake, woken): (UnixStream, UnixStream),
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.add(&woken, WAKE, when::IN)?;
        poll.add(&inside, INSIDE, when::IN)?;
        // Two descriptors for a connection, some in pipes, and room for the rest of weft.
        let files = usize::try_from(net::raise_open_files()).unwrap_or(usize::MAX);
        let asked = settings.network.max_connections.as_ref().map(|set| set.value);
        let asked = asked.map_or(CONNECTIONS, |most| usize::try_from(most).unwrap_or(usize::MAX));
        let mut server = Self {
            used: vec![Used::default(); settings.network.allow.len()],
            settings,
            inside,
            shared,
            tell,
            woken,
            poll,
            listeners: Vec::new(),
            accepting: true,
            udp: None,
            names: Names::default(),
            elsewhere: Elsewhere::new(wake.try_clone()?),
            resolver: Resolver::new(wake),
            conns: HashMap::new(),
            held: 0,
            next: 0,
            most: asked.min(files.saturating_sub(128) / 3).max(1),
            again: Vec::new(),
            sockets: VecDeque::new(),
            pipes: Pipes::default(),
            scratch: vec![0; 16 * 1024],
            sent: 0,
            refused_names: HashSet::new(),
            told: [0; 2],
            timed: false,
            ticked: Instant::now(),
        };
        for listener in inbound {
            let port = listener.local_addr()?.port();
            server.listen(listener, Listening::Inbound(port))?;
        }
        Ok(server)
    }

    fn listen(&mut self, listener: TcpListener, what: Listening) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        if self.accepting {
            self.poll.add(&listener, LISTENERS + self.listeners.len() as u64, when::IN)?;
        }
        self.listeners.push((listener, what));
        Ok(())
    }

    /// Until weft says that it is over.
    pub fn run(mut self) {
        let mut found = Vec::new();
        while !self.shared.over.load(Ordering::SeqCst) {
            let timeout = match (self.again.is_empty(), self.timed) {
                (false, _) => 0,
                (true, true) => TICK,
                (true, false) => -1,
            };
            if self.poll.wait(&mut found, timeout).is_err() {
                // It cannot fail with descriptors that are ours; without it nothing gets out, which is safe.
                break;
            }
            for happened in &found {
                self.happened(*happened);
            }
            for serial in std::mem::take(&mut self.again) {
                self.turn(serial);
            }
            self.tick();
            self.accept_or_not();
        }
        let mut rest: Vec<Box<Conn>> = std::mem::take(&mut self.conns).into_values().collect();
        sort::by_key(&mut rest, |conn| conn.serial);
        for mut conn in rest {
            self.over(&mut conn, "the run is over");
        }
        let untold: usize = self.told.iter().zip(TOLD).map(|(told, most)| told.saturating_sub(most)).sum();
        if untold > 0 {
            let all = Decision { allowed: true, rule: None, reason: "not told one by one".into() };
            let mut event = Event::denied(Action::Connect, String::new(), &all);
            (event.kind, event.sent) = (Kind::Untold, untold as u64);
            self.push(event);
        }
    }

    fn happened(&mut self, (token, bits): Happened) {
        match token {
            WAKE => self.woken(),
            INSIDE => self.hear(),
            UDP => self.questions(),
            token if token < CONNS => self.accept((token - LISTENERS) as usize),
            token => {
                let serial = (token - CONNS) >> 1;
                if let Some(conn) = self.conns.get_mut(&serial) {
                    let side = match token & 1 {
                        0 => Some(&mut conn.client),
                        _ => conn.server.as_mut(),
                    };
                    if let Some(side) = side {
                        side.readable |= bits & (when::IN | when::RDHUP | when::GONE) != 0;
                        side.writable |= bits & (when::OUT | when::GONE) != 0;
                    }
                    if token & 1 == 1 && conn.stage == Stage::Dialling {
                        self.turn_with(serial, |server, conn| server.dialled(conn, bits));
                    } else {
                        self.turn(serial);
                    }
                }
            }
        }
    }

    /// weft wants something, or names have been resolved.
    fn woken(&mut self) {
        let mut seen = [0; 64];
        while matches!(self.woken.read(&mut seen), Ok(count) if count == seen.len()) {}
        for (serial, outcome) in self.elsewhere.done() {
            self.turn_with(serial, |server, conn| server.came_back(conn, outcome));
        }
        for (serial, answer) in self.resolver.answers() {
            self.turn_with(serial, |server, conn| server.resolved(conn, answer));
        }
    }

    /// The inside sends listeners and sockets.
    fn hear(&mut self) {
        loop {
            let mut message = [0; 20];
            let received = match socket::receive(&self.inside, &mut message) {
                Ok(Some((3, fd))) => fd,
                Ok(Some((20, Some(fd)))) if message[0] == role::CONNECTION => {
                    self.handed(fd, &message);
                    continue;
                }
                Ok(None) => return,
                // The end, or what no version of weft sends.
                Ok(Some(_)) | Err(_) => {
                    let _ = self.poll.remove(&self.inside);
                    return;
                }
            };
            let port = u16::from_be_bytes([message[1], message[2]]);
            match (message[0], received) {
                (role::SOCKET, made) => {
                    if let Some(serial) = self.sockets.pop_front() {
                        self.turn_with(serial, |server, conn| server.got_socket(conn, made, port == 6));
                    }
                }
                (role::DNS_UDP, Some(fd)) => {
                    let udp = UdpSocket::from(fd);
                    if udp.set_nonblocking(true).is_ok() && self.poll.add(&udp, UDP, when::IN).is_ok() {
                        self.udp = Some(udp);
                    }
                }
                (kind, Some(fd)) => {
                    let what = match kind {
                        role::PORT => Listening::Port(port),
                        role::PROXY => Listening::Proxy,
                        _ => Listening::Dns,
                    };
                    // Without it nobody can connect there: nothing gets out.
                    let _ = self.listen(TcpListener::from(fd), what);
                }
                (_, None) => {}
            }
        }
    }

    /// A connection that was made for somebody inside.
    fn handed(&mut self, fd: OwnedFd, message: &[u8; 20]) {
        let [_, a, b, way, ip @ ..] = message;
        let (ip, port) = (plain(Ipv6Addr::from(*ip).into()), u16::from_be_bytes([*a, *b]));
        let via = match *way {
            role::PROXY => Via::Proxy,
            role::DNS_TCP => Via::Dns,
            _ => Via::Transparent,
        };
        let socket = TcpStream::from(fd);
        if self.conns.len() >= self.most || socket.set_nonblocking(true).is_err() {
            net::reset_on_close(&socket);
            return;
        }
        let _ = socket.set_nodelay(true);
        self.accepted(socket, via, port, ip, SocketAddr::new(ip, port));
    }

    /// Asks the inside for a socket.
    pub fn ask_socket(&mut self, serial: u64, v6: bool) -> bool {
        self.sockets.push_back(serial);
        let sent = socket::send(&self.inside, &[if v6 { 6 } else { 4 }], None).is_ok();
        if !sent {
            self.sockets.pop_back();
        }
        sent
    }

    fn questions(&mut self) {
        let mut message = [0; dns::LARGEST];
        for _ in 0..AT_ONCE {
            let Some(udp) = &self.udp else { return };
            let Ok((length, from)) = udp.recv_from(&mut message) else { return };
            if let Some(answer) = self.answer(&message[..length])
                && let Some(udp) = &self.udp
            {
                // Who does not listen asks again.
                let _ = udp.send_to(&answer, from);
            }
        }
    }

    /// The resolver's answer to one message.
    pub fn answer(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        dns::answer(message, &mut |name| {
            // Who asks for the name of an address wants no host.
            if name.is_empty() || name.ends_with(".arpa") || name == "arpa" {
                return dns::Known::No;
            }
            if self.settings.injects.iter().any(|(alias, _)| alias == name) {
                return self.names.address(name).map_or(dns::Known::Full, dns::Known::At);
            }
            let host = match Host::parse(name) {
                Ok(host @ Host::Name(_)) => host,
                _ => return dns::Known::No,
            };
            let decision = decide::name(&self.settings.network, &host);
            if !decision.allowed {
                if self.refused_names.len() < TOLD[1] && self.refused_names.insert(name.to_owned()) {
                    let event = Event::denied(Action::Resolve, name.to_owned(), &decision);
                    push(&self.shared, &self.tell, event);
                } else if !self.refused_names.contains(name) {
                    self.told[1] = self.told[1].max(TOLD[1]) + 1;
                }
                return dns::Known::No;
            }
            if name == "localhost" {
                return dns::Known::At(Ipv4Addr::LOCALHOST);
            }
            self.names.address(name).map_or(dns::Known::Full, dns::Known::At)
        })
    }

    fn accept(&mut self, number: usize) {
        for _ in 0..AT_ONCE {
            if self.conns.len() >= self.most {
                return;
            }
            let Some((listener, what)) = self.listeners.get(number) else { return };
            let (socket, peer) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(_) => return,
            };
            let local = socket.local_addr();
            let (via, port) = match what {
                Listening::Port(port) => (Via::Transparent, *port),
                Listening::Proxy => (Via::Proxy, 0),
                Listening::Dns => (Via::Dns, 0),
                Listening::Inbound(port) => (Via::Inbound, *port),
            };
            if socket.set_nonblocking(true).is_err() {
                continue;
            }
            // Small messages go at once, as they would without anybody in between.
            let _ = socket.set_nodelay(true);
            let Ok(local) = local else { continue };
            self.accepted(socket, via, port, plain(local.ip()), peer);
        }
    }

    fn accepted(&mut self, socket: TcpStream, via: Via, port: u16, local: IpAddr, peer: SocketAddr) {
        let serial = self.next;
        self.next += 1;
        if self.poll.add(&socket, CONNS + (serial << 1), STREAM).is_err() {
            return;
        }
        let now = Instant::now();
        let mut conn = Box::new(Conn::new(serial, via, Stage::Asking, Side::new(socket), now));
        conn.deadline = Some(now + SAYING);
        self.timed = true;
        let fate = match via {
            Via::Inbound => self.inbound(&mut conn, port, peer),
            Via::Transparent if local == names::RESOLVER && port == dns::PORT => {
                conn.via = Via::Dns;
                self.step(&mut conn)
            }
            Via::Transparent => self.transparent(&mut conn, local, port),
            _ => self.step(&mut conn),
        };
        self.settle(conn, fate);
    }

    /// Which host an address inside stands for.
    fn transparent(&mut self, conn: &mut Conn, local: IpAddr, port: u16) -> Fate {
        let host = match local {
            IpAddr::V4(v4) if names::is_ours(v4) => match self.names.name(v4) {
                Some(name) => Host::Name(name.to_owned()),
                // Nobody was told of that address: a scan.
                None => Host::Ip(local),
            },
            address if class(address) == Class::Loopback => {
                // A rule about the address itself, or about localhost.
                let literal = Host::Ip(address);
                match decide::connect(&self.settings.network, &literal, port) {
                    Ok(_) => literal,
                    Err(_) => Host::Name("localhost".to_owned()),
                }
            }
            address => Host::Ip(address),
        };
        if port == 80 && self.injected(&host).is_some() {
            conn.via = Via::Inject;
            return self.step(conn);
        }
        self.decide(conn, host, port)
    }

    /// The place of the secret that belongs to a name of weft's own.
    pub fn injected(&self, host: &Host) -> Option<usize> {
        let Host::Name(name) = host else { return None };
        self.settings.injects.iter().position(|(alias, _)| alias == name)
    }

    /// A turn for a connection.
    fn turn(&mut self, serial: u64) {
        self.turn_with(serial, |server, conn| server.step(conn));
    }

    fn turn_with(&mut self, serial: u64, act: impl FnOnce(&mut Self, &mut Conn) -> Fate) {
        let Some(mut conn) = self.conns.remove(&serial) else { return };
        self.held = self.held.saturating_sub(conn.inbox.len());
        let fate = act(self, &mut conn);
        self.settle(conn, fate);
    }

    fn settle(&mut self, mut conn: Box<Conn>, fate: Fate) {
        let keeps = conn.inbox.len();
        if fate == Fate::Keep && keeps > SMALL && self.held + keeps > HELD {
            // All of it together is bounded as well: whoever says a great deal and not enough goes first.
            let target = conn.route.as_ref().map(super::conn::Route::target).unwrap_or_default();
            let reason = "too many requests and TLS hellos are begun and not ended".into();
            self.tell_refused(Action::Connect, target, &Decision { allowed: false, rule: None, reason });
            conn.reset();
            return self.over(&mut conn, "");
        }
        match fate {
            Fate::Keep | Fate::Again => {
                if fate == Fate::Again {
                    self.again.push(conn.serial);
                }
                self.timed |= conn.deadline.is_some();
                self.held += keeps;
                self.conns.insert(conn.serial, conn);
            }
            Fate::End => self.over(&mut conn, ""),
        }
    }

    /// Waits that are over.
    fn tick(&mut self) {
        let now = Instant::now();
        if !self.timed || now.duration_since(self.ticked).as_millis() < TICK as u128 {
            return;
        }
        self.ticked = now;
        let due: Vec<u64> = self
            .conns
            .iter()
            .filter(|(_, conn)| conn.deadline.is_some_and(|at| at <= now))
            .map(|(serial, _)| *serial)
            .collect();
        for serial in due {
            self.turn_with(serial, |server, conn| server.time_is_up(conn));
        }
        self.timed = self.conns.values().any(|conn| conn.deadline.is_some());
    }

    /// Too many connections wait in the kernel until one of those that are here has ended.
    fn accept_or_not(&mut self) {
        let room = self.conns.len() < self.most;
        if room == self.accepting {
            return;
        }
        self.accepting = room;
        for (number, (listener, _)) in (LISTENERS..).zip(&self.listeners) {
            let _ = match room {
                true => self.poll.add(listener, number, when::IN),
                false => self.poll.remove(listener),
            };
        }
    }

    /// The token of a connection's other side.
    pub fn server_token(conn: &Conn) -> (u64, u32) {
        (CONNS + (conn.serial << 1 | 1), STREAM)
    }

    /// Says what became of a connection, and gives back what it held.
    fn over(&mut self, conn: &mut Conn, why: &str) {
        self.bill(conn);
        if conn.stage == Stage::Elsewhere {
            // The thread has the same socket, and learns of it.
            let _ = conn.client.socket.shutdown(std::net::Shutdown::Both);
        }
        if conn.counted
            && let Some(used) = conn.route.as_ref().and_then(|route| self.used.get_mut(route.rule?))
        {
            used.connections = used.connections.saturating_sub(1);
        }
        if conn.opened {
            self.tell_end(conn, Kind::Closed, why);
        }
    }

    /// An event about a connection that was allowed.
    pub fn tell_end(&mut self, conn: &Conn, kind: Kind, why: &str) {
        let Some(route) = &conn.route else { return };
        let rule = route.rule.and_then(|at| self.settings.network.allow.get(at));
        let action = if conn.via == Via::Inbound { Action::Listen } else { Action::Connect };
        let listens = || {
            let all = &self.settings.network.listen;
            all.iter().find(|set| set.value == route.port).map(|set| set.origin.clone())
        };
        let mut reason =
            rule.map_or("the port is named".to_owned(), |rule| format!("`{}` is allowed", rule.host));
        if !why.is_empty() {
            reason = format!("{reason}; {why}");
        }
        let event = Event {
            kind,
            action,
            target: route.target(),
            address: conn.address,
            rule: rule.map(|rule| rule.origin.clone()).or_else(listens),
            reason,
            sent: conn.out.moved,
            received: conn.back.moved,
            lasted: conn.began.elapsed(),
        };
        self.told[0] += usize::from(kind == Kind::Closed);
        if self.told[0] <= TOLD[0] {
            self.push(event);
        }
    }

    /// An event about a connection that was not.
    pub fn tell_refused(&mut self, action: Action, target: String, decision: &Decision) {
        self.told[1] += 1;
        if self.told[1] <= TOLD[1] {
            self.push(Event::denied(action, target, decision));
        }
    }

    fn push(&self, event: Event) {
        push(&self.shared, &self.tell, event);
    }
}

fn push(shared: &Shared, mut tell: &UnixStream, event: Event) {
    shared.events.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
    // Full: then it is going to be read anyway.
    let _ = tell.write(&[1]);
}

/// This machine, as a socket of the inside reaches it.
pub(super) fn loopback(v6: bool, port: u16) -> SocketAddr {
    let ip = if v6 { IpAddr::V6(Ipv6Addr::LOCALHOST) } else { IpAddr::V4(Ipv4Addr::LOCALHOST) };
    SocketAddr::new(ip, port)
}
