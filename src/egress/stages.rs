//! What a connection does at each stage, from the first byte to the last.

use super::conn::{Conn, Route, Stage, Via};
use super::inject::Secret;
use super::job::{Job, Outcome};
use super::relay::Side;
use super::server::{Fate, Server, loopback};
use super::sni::{self, Hello};
use super::{Kind, dns, http, socks};
use crate::audit::Action;
use crate::policy::host::Host;
use crate::policy::{Decision, Inject, decide};
use crate::sys::net::{self, when};
use crate::words::reason;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How long one address may take to answer; the last has all of it.
const DIALLING: [Duration; 2] = [Duration::from_secs(4), Duration::from_secs(20)];
/// How long the host's resolver may take.
const RESOLVING: Duration = Duration::from_secs(30);
/// How long a client may take to read why it was refused.
const LEAVING: Duration = Duration::from_secs(2);
/// How long a client may take to send its TLS hello.
const HELLO: Duration = Duration::from_secs(10);
/// So many addresses of a name are tried.
const TRIED: usize = 8;
/// A limit on the rate lets so much out at once.
const BURST: f64 = 0.25;

/// Why there is no connection.
enum Why {
    /// The policy.
    Denied(Decision),
    /// The network, or the client.
    Failed(String),
    /// It took too long.
    Late(&'static str),
}

impl Server {
    /// Goes as far as it can.
    pub fn step(&mut self, conn: &mut Conn) -> Fate {
        match self.try_step(conn) {
            Ok(fate) => fate,
            // One side is gone: the other learns of it the same way.
            Err(_) => {
                conn.reset();
                Fate::End
            }
        }
    }

    fn try_step(&mut self, conn: &mut Conn) -> io::Result<Fate> {
        let told = conn.flush_outbox()?;
        match conn.stage {
            Stage::Asking | Stage::SocksRequest => self.asking(conn),
            Stage::Hello => self.hello(conn),
            Stage::Streaming if told => self.stream(conn),
            Stage::Leaving => Ok(leaving(conn, told, &mut self.scratch)),
            Stage::Socket | Stage::Resolving | Stage::Dialling | Stage::Streaming | Stage::Elsewhere => {
                Ok(Fate::Keep)
            }
        }
    }

    fn asking(&mut self, conn: &mut Conn) -> io::Result<Fate> {
        let ended = conn.fill(http::LARGEST, &mut self.scratch)?;
        let fate = match (conn.via, conn.inbox.first()) {
            (_, None) => Fate::Keep,
            (Via::Dns, _) => self.dns_by_tcp(conn),
            (Via::Socks, _) => self.socks_request(conn),
            (Via::Proxy, Some(&socks::VERSION)) => match socks::greeting(&conn.inbox) {
                None => Fate::Keep,
                Some((used, true)) => {
                    conn.inbox.drain(..used);
                    (conn.via, conn.stage) = (Via::Socks, Stage::SocksRequest);
                    conn.outbox.extend_from_slice(socks::METHOD);
                    conn.flush_outbox()?;
                    self.socks_request(conn)
                }
                Some((_, false)) => leave(conn, socks::NO_METHOD.to_vec()),
            },
            _ => self.http_request(conn),
        };
        // Who has not said what it wants by now never will.
        let waits = matches!(conn.stage, Stage::Asking | Stage::SocksRequest);
        if ended && waits && fate == Fate::Keep { Ok(Fate::End) } else { Ok(fate) }
    }

    /// Messages with their length before them (RFC 1035 §4.2.2).
    fn dns_by_tcp(&mut self, conn: &mut Conn) -> Fate {
        while let Some(length) = conn.inbox.first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*length));
            if length > dns::LARGEST {
                return Fate::End;
            }
            let Some(message) = conn.inbox.get(2..2 + length) else { break };
            let Some(answer) = self.answer(message) else { return Fate::End };
            conn.inbox.drain(..2 + length);
            conn.outbox.extend_from_slice(&(answer.len() as u16).to_be_bytes());
            conn.outbox.extend_from_slice(&answer);
            // Who asks and does not read is not kept.
            if !conn.flush_outbox().unwrap_or(false) {
                return Fate::End;
            }
        }
        Fate::Keep
    }

    fn socks_request(&mut self, conn: &mut Conn) -> Fate {
        match socks::request(&conn.inbox) {
            Ok(None) => Fate::Keep,
            Ok(Some((host, port, used))) => {
                conn.inbox.drain(..used);
                match Host::parse(&host) {
                    Ok(host) => self.decide(conn, host, port),
                    Err(_) => leave(conn, socks::reply(socks::code::NO_SUCH_ADDRESS)),
                }
            }
            Err(code) => leave(conn, socks::reply(code)),
        }
    }

    fn http_request(&mut self, conn: &mut Conn) -> Fate {
        match http::request_of(&conn.inbox, conn.via == Via::Inject, self.settings.secure) {
            Ok(None) => Fate::Keep,
            Ok(Some(request)) => {
                conn.inbox.drain(..request.used);
                let Some(plain) = request.plain else {
                    conn.via = Via::Connect;
                    return self.decide(conn, request.host, request.port);
                };
                let body = plain.body();
                if let Some(body) = body {
                    conn.inbox.truncate(usize::try_from(body).unwrap_or(usize::MAX));
                }
                if plain.secure {
                    // The secret that belongs to the host, if the policy has one.
                    let host = request.host.to_string();
                    let real = |(_, inject): &(String, Inject)| inject.host.to_string() == host;
                    let secret = self.settings.injects.iter().position(real).filter(|_| request.port == 443);
                    conn.via = Via::Inject;
                    conn.request = Some((plain, secret));
                    return self.decide(conn, request.host, request.port);
                }
                let secret = self.injected(&request.host).filter(|_| request.port == 80);
                if let Some(at) = secret
                    && let Some((_, inject)) = self.settings.injects.get(at)
                {
                    conn.via = Via::Inject;
                    conn.request = Some((plain, Some(at)));
                    return match Host::parse(&inject.host.to_string()) {
                        Ok(host) => self.decide(conn, host, 443),
                        Err(_) => Fate::End,
                    };
                }
                conn.via = Via::Plain;
                conn.body = body.map(|body| body - conn.inbox.len() as u64);
                let mut head = plain.head(&request.host, request.port);
                head.append(&mut conn.inbox);
                conn.inbox = head;
                self.decide(conn, request.host, request.port)
            }
            Err(bad) => {
                let reason = Decision { allowed: false, rule: None, reason: bad.why.into() };
                self.tell_refused(Action::Connect, "the proxy".to_owned(), &reason);
                leave(conn, http::answer(bad.status, bad.why))
            }
        }
    }

    /// May it go there?
    pub fn decide(&mut self, conn: &mut Conn, host: Host, port: u16) -> Fate {
        let decided = decide::connect(&self.settings.network, &host, port);
        conn.route = Some(Route { host, port, rule: decided.as_ref().ok().copied() });
        let at = match decided {
            Ok(at) => at,
            Err(decision) => return self.fail(conn, Why::Denied(decision)),
        };
        let (network, route) = (self.settings.network.clone(), conn.route.clone());
        let (Some(rule), Some(route), Some(used)) = (network.allow.get(at), route, self.used.get_mut(at))
        else {
            return Fate::End;
        };
        if conn.via == Via::Inject && !rule.tls {
            let rule = Some(rule.origin.clone());
            let reason = match conn.request {
                Some((_, Some(_))) => "a secret goes out by TLS only, and the rule says tls = false",
                _ => "https is TLS, and the rule says tls = false",
            };
            let reason = reason.into();
            return self.fail(conn, Why::Denied(Decision { allowed: false, rule, reason }));
        }
        if conn.via == Via::Plain && rule.tls {
            let reason = "the rule is for TLS, and this is plain HTTP".into();
            let rule = Some(rule.origin.clone());
            return self.fail(conn, Why::Denied(Decision { allowed: false, rule, reason }));
        }
        let over = |most: &Option<u64>, have: u64| most.is_some_and(|most| have >= most);
        let limit = if over(&rule.max_connections, used.connections) {
            Some("max_connections of the rule is reached")
        } else if over(&rule.max_bytes_out, used.bytes) {
            Some("max_bytes_out of the rule is reached")
        } else if over(&network.max_bytes_out.as_ref().map(|set| set.value), self.sent) {
            Some("network.max_bytes_out is reached")
        } else {
            None
        };
        if let Some(limit) = limit {
            let rule = Some(rule.origin.clone());
            return self.fail(conn, Why::Denied(Decision { allowed: false, rule, reason: limit.into() }));
        }
        used.connections += 1;
        conn.counted = true;
        match route.host {
            Host::Ip(address) => {
                conn.addresses = vec![address];
                self.dial_next(conn, "")
            }
            // By definition (RFC 6761 §6.3).
            Host::Name(name) if name == "localhost" => {
                self.resolved(conn, Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]))
            }
            Host::Name(name) => {
                conn.stage = Stage::Resolving;
                conn.deadline = Some(Instant::now() + RESOLVING);
                match self.resolver.ask(conn.serial, &name) {
                    true => Fate::Keep,
                    false => self.fail(conn, Why::Failed("too many names are being resolved".to_owned())),
                }
            }
        }
    }

    /// The host's resolver has answered. Each address is looked at, and only those are dialled that may be.
    pub fn resolved(&mut self, conn: &mut Conn, answer: Result<Vec<IpAddr>, String>) -> Fate {
        let Some((route, at)) = conn.route.clone().and_then(|route| route.rule.map(|at| (route, at))) else {
            return Fate::End;
        };
        let found = match answer {
            Ok(found) => found,
            Err(why) => return self.fail(conn, Why::Failed(format!("the name has no address: {why}"))),
        };
        let network = self.settings.network.clone();
        let Some(rule) = network.allow.get(at) else { return Fate::End };
        let mut denied = None;
        for address in found {
            match decide::address(&network, rule, address, route.port) {
                Ok(()) if conn.addresses.len() < TRIED => conn.addresses.push(address),
                Ok(()) => {}
                Err(decision) => denied = Some(decision),
            }
        }
        // The next one is taken from the end.
        conn.addresses.reverse();
        match (conn.addresses.is_empty(), denied) {
            (true, Some(denied)) => self.fail(conn, Why::Denied(denied)),
            (true, None) => self.fail(conn, Why::Failed("the name has no address".to_owned())),
            (false, _) => self.dial_next(conn, ""),
        }
    }

    /// A request to which a secret is added goes to a thread of its own, with the address that was checked.
    fn send_elsewhere(&mut self, conn: &mut Conn, address: SocketAddr) -> Fate {
        let (Some((request, at)), Some(route)) = (conn.request.take(), &conn.route) else { return Fate::End };
        let host = match route.port {
            443 => route.host.to_string(),
            _ => route.target(),
        };
        let left = self.allowance(conn);
        let inject = at.and_then(|at| self.settings.injects.get(at)).map(|(_, inject)| inject.clone());
        let added = match inject {
            None => None,
            Some(inject) => match Secret::from_env(&inject.from_env, &inject.header) {
                Some(secret) => Some((inject.header, secret)),
                None => {
                    let why = format!("{} is not set outside, so there is nothing to add", inject.from_env);
                    return self.fail(conn, Why::Failed(why));
                }
            },
        };
        let Ok(client) = conn.client.socket.try_clone() else { return Fate::End };
        let job = Job {
            client,
            request,
            inbox: std::mem::take(&mut conn.inbox),
            host,
            address,
            added,
            left,
            agents: self.elsewhere.agents(),
        };
        // What this connection does is no longer the loop's.
        let _ = self.poll.remove(&conn.client.socket);
        if !self.elsewhere.send(conn.serial, job) {
            return Fate::End;
        }
        conn.address = Some(address);
        conn.opened = true;
        conn.stage = Stage::Elsewhere;
        conn.deadline = None;
        self.tell_end(conn, Kind::Opened, "");
        Fate::Keep
    }

    /// The thread has done what it could.
    pub fn came_back(&mut self, conn: &mut Conn, outcome: Outcome) -> Fate {
        conn.out.moved = outcome.sent;
        conn.back.moved = outcome.received;
        if let Some(error) = outcome.error {
            self.bill(conn);
            conn.opened = false;
            self.tell_end(conn, Kind::Closed, &error);
        }
        Fate::End
    }

    /// Tries the next address.
    fn dial_next(&mut self, conn: &mut Conn, error: &str) -> Fate {
        let mut error = error.to_owned();
        let port = conn.route.as_ref().map_or(0, |route| route.port);
        conn.server = None;
        while let Some(address) = conn.addresses.pop() {
            let to = SocketAddr::new(address, port);
            if conn.via == Via::Inject {
                return self.send_elsewhere(conn, to);
            }
            conn.address = Some(to);
            let (token, events) = Self::server_token(conn);
            let begun =
                net::dial(to).and_then(|socket| self.poll.add(&socket, token, events).map(|()| socket));
            match begun {
                Ok(socket) => {
                    conn.server = Some(Side { socket, readable: false, writable: false });
                    conn.stage = Stage::Dialling;
                    let long = DIALLING[usize::from(conn.addresses.is_empty())];
                    conn.deadline = Some(Instant::now() + long);
                    return Fate::Keep;
                }
                Err(why) => error = reason(&why),
            }
        }
        self.fail(conn, Why::Failed(error))
    }

    /// Something happened to a connection that is being made.
    pub fn dialled(&mut self, conn: &mut Conn, bits: u32) -> Fate {
        let Some(server) = &conn.server else { return Fate::Keep };
        let failed = match server.socket.take_error() {
            Ok(None) if bits & when::GONE != 0 => Some("the connection was closed".to_owned()),
            Ok(None) if bits & when::OUT == 0 => return Fate::Keep,
            Ok(None) => None,
            Ok(Some(error)) | Err(error) => Some(reason(&error)),
        };
        match failed {
            Some(_) if conn.via == Via::Inbound && !conn.addresses.is_empty() => self.next_socket(conn),
            Some(error) => self.dial_next(conn, &error),
            None => self.connected(conn),
        }
    }

    fn connected(&mut self, conn: &mut Conn) -> Fate {
        if let Some(server) = &conn.server {
            let _ = server.socket.set_nodelay(true);
        }
        let tls = conn.route.as_ref().and_then(|route| self.settings.network.allow.get(route.rule?));
        let tls = tls.is_some_and(|rule| rule.tls);
        conn.opened = true;
        self.tell_end(conn, Kind::Opened, "");
        match conn.via {
            Via::Connect => conn.outbox.extend_from_slice(http::ESTABLISHED),
            Via::Socks => conn.outbox.extend_from_slice(&socks::reply(socks::code::DONE)),
            _ => {}
        }
        conn.stage = if tls { Stage::Hello } else { Stage::Streaming };
        conn.deadline = tls.then(|| Instant::now() + HELLO);
        if conn.body == Some(0) && conn.via == Via::Plain {
            // The request is complete; what else the client says is not for this server.
            (conn.out.ended, conn.out.closed) = (true, true);
        }
        self.step(conn)
    }

    /// The first bytes must be a TLS hello for the very host that was asked for.
    fn hello(&mut self, conn: &mut Conn) -> io::Result<Fate> {
        let ended = conn.fill(sni::LARGEST, &mut self.scratch)?;
        let why = match sni::hello(&conn.inbox) {
            Ok(Hello::Needs(_)) if !ended => return Ok(Fate::Keep),
            Ok(Hello::Needs(_)) if conn.inbox.is_empty() => {
                // It connected and went away: nothing was sent, nobody is to blame.
                conn.reset();
                return Ok(Fate::End);
            }
            Ok(Hello::Needs(_)) => "it ended within the TLS ClientHello".to_owned(),
            Ok(Hello::Whole(name)) => match self.means(conn, name.as_deref()) {
                None => {
                    conn.stage = Stage::Streaming;
                    conn.deadline = None;
                    return self.stream(conn);
                }
                Some(why) => why,
            },
            Err(why) => why.to_owned(),
        };
        let rule = conn.route.as_ref().and_then(|route| self.settings.network.allow.get(route.rule?));
        let rule = rule.map(|rule| rule.origin.clone());
        let target = conn.route.as_ref().map(Route::target).unwrap_or_default();
        let decision = Decision { allowed: false, rule, reason: why.into() };
        self.tell_refused(Action::Connect, target, &decision);
        let alert = if conn.inbox.first() == Some(&22) { sni::UNRECOGNIZED_NAME } else { sni::ACCESS_DENIED };
        Ok(leave(conn, alert.to_vec()))
    }

    /// Why the hello is for somebody else, if it is.
    fn means(&self, conn: &Conn, name: Option<&str>) -> Option<String> {
        let host = &conn.route.as_ref()?.host;
        match (host, name) {
            (Host::Ip(_), None) => None,
            (_, Some(name)) if Host::parse(name).as_ref() == Ok(host) => None,
            (_, None) => Some("its TLS ClientHello names no host".to_owned()),
            (_, Some(name)) => Some(format!("its TLS ClientHello is for {}", name.escape_default())),
        }
    }

    /// Bytes in both directions.
    fn stream(&mut self, conn: &mut Conn) -> io::Result<Fate> {
        if !conn.flush_inbox()? {
            self.bill(conn);
            return Ok(Fate::Keep);
        }
        let allowance = self.allowance(conn);
        let Some(server) = &mut conn.server else { return Ok(Fate::End) };
        let wanted = allowance.min(conn.body.unwrap_or(u64::MAX));
        let before = conn.out.moved;
        let mut more = false;
        if wanted > 0 {
            more |= conn.out.pump(&mut conn.client, server, &mut self.pipes, wanted)?;
        }
        if let Some(body) = &mut conn.body {
            *body = body.saturating_sub(conn.out.moved - before);
            if *body == 0 {
                (conn.out.ended, conn.out.closed) = (true, true);
            }
        }
        more |= conn.back.pump(server, &mut conn.client, &mut self.pipes, u64::MAX)?;
        self.bill(conn);
        if conn.out.is_over() && conn.back.is_over() {
            return Ok(Fate::End);
        }
        if conn.via == Via::Plain && conn.back.is_over() {
            // One request, one answer.
            return Ok(Fate::End);
        }
        if let Some(why) = self.spent(conn) {
            let rule = conn.route.as_ref().and_then(|route| self.settings.network.allow.get(route.rule?));
            let rule = rule.map(|rule| rule.origin.clone());
            let target = conn.route.as_ref().map(Route::target).unwrap_or_default();
            self.tell_refused(
                Action::Connect,
                target,
                &Decision { allowed: false, rule, reason: why.into() },
            );
            conn.reset();
            return Ok(Fate::End);
        }
        // What a rate holds back goes on at the next tick.
        conn.deadline = (allowance == 0 && !conn.out.ended).then(Instant::now);
        Ok(if more { Fate::Again } else { Fate::Keep })
    }

    /// How many bytes may go out now.
    fn allowance(&mut self, conn: &Conn) -> u64 {
        let network = &self.settings.network;
        let Some(at) = conn.route.as_ref().and_then(|route| route.rule) else { return u64::MAX };
        let (Some(rule), Some(used)) = (network.allow.get(at), self.used.get_mut(at)) else { return 0 };
        let mut left = u64::MAX;
        // One byte more than allowed is asked for, so that it shows when somebody wants more.
        if let Some(most) = rule.max_bytes_out {
            left = left.min((most + 1).saturating_sub(used.bytes));
        }
        if let Some(most) = &network.max_bytes_out {
            left = left.min((most.value + 1).saturating_sub(self.sent));
        }
        if let Some(rate) = rule.rate {
            let (now, rate) = (Instant::now(), rate as f64);
            let since = used.at.map_or(BURST, |at| now.duration_since(at).as_secs_f64());
            used.at = Some(now);
            used.tokens = (used.tokens + since * rate).min(rate * BURST.max(0.1)).max(0.0);
            left = left.min(used.tokens as u64);
        }
        left
    }

    /// The limit that is passed, if one is.
    fn spent(&self, conn: &Conn) -> Option<&'static str> {
        let network = &self.settings.network;
        let at = conn.route.as_ref()?.rule?;
        let (rule, used) = (network.allow.get(at)?, self.used.get(at)?);
        if rule.max_bytes_out.is_some_and(|most| used.bytes > most) {
            return Some("max_bytes_out of the rule is passed");
        }
        let all = network.max_bytes_out.as_ref();
        all.is_some_and(|most| self.sent > most.value).then_some("network.max_bytes_out is passed")
    }

    /// Counts what went out since the last time.
    pub fn bill(&mut self, conn: &mut Conn) {
        let fresh = conn.out.moved - conn.billed;
        conn.billed = conn.out.moved;
        let Some(at) = conn.route.as_ref().and_then(|route| route.rule) else { return };
        self.sent += fresh;
        if let Some(used) = self.used.get_mut(at) {
            used.bytes += fresh;
            used.tokens -= fresh as f64;
        }
    }

    /// From the host's loopback to a port inside.
    pub fn inbound(&mut self, conn: &mut Conn, port: u16, peer: SocketAddr) -> Fate {
        conn.route = Some(Route { host: Host::Ip(peer.ip()), port, rule: None });
        conn.addresses = vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
        self.next_socket(conn)
    }

    fn next_socket(&mut self, conn: &mut Conn) -> Fate {
        conn.server = None;
        conn.stage = Stage::Socket;
        let v6 = conn.addresses.pop().is_some_and(|address| address.is_ipv6());
        match self.ask_socket(conn.serial, v6) {
            true => Fate::Keep,
            false => self.fail(conn, Why::Failed("the inside is gone".to_owned())),
        }
    }

    /// A socket of the inside has come.
    pub fn got_socket(&mut self, conn: &mut Conn, made: Option<OwnedFd>, v6: bool) -> Fate {
        let port = conn.route.as_ref().map_or(0, |route| route.port);
        let to = loopback(v6, port);
        let (token, events) = Self::server_token(conn);
        let made = made.ok_or_else(|| io::Error::other("no socket"));
        let begun = made.and_then(|socket| {
            net::connect(&socket, to)?;
            self.poll.add(&socket, token, events)?;
            Ok(TcpStream::from(socket))
        });
        match begun {
            Ok(socket) => {
                conn.address = Some(to);
                conn.server = Some(Side { socket, readable: false, writable: false });
                conn.stage = Stage::Dialling;
                Fate::Keep
            }
            Err(_) if !conn.addresses.is_empty() => self.next_socket(conn),
            Err(error) => self.fail(conn, Why::Failed(reason(&error))),
        }
    }

    /// A wait is over.
    pub fn time_is_up(&mut self, conn: &mut Conn) -> Fate {
        conn.deadline = None;
        match conn.stage {
            Stage::Asking if conn.via == Via::Dns => Fate::End,
            Stage::Asking | Stage::SocksRequest => self.fail(conn, Why::Late("it did not say what it wants")),
            Stage::Resolving => self.fail(conn, Why::Late("the name was not resolved in time")),
            Stage::Dialling if conn.via == Via::Inbound => self.fail(conn, Why::Late("no answer inside")),
            Stage::Dialling => self.dial_next(conn, "no answer in time"),
            Stage::Hello => {
                conn.reset();
                let why = "it sent no TLS ClientHello in time".into();
                let target = conn.route.as_ref().map(Route::target).unwrap_or_default();
                let decision = Decision { allowed: false, rule: None, reason: why };
                self.tell_refused(Action::Connect, target, &decision);
                Fate::End
            }
            Stage::Streaming => self.step(conn),
            Stage::Elsewhere => Fate::Keep,
            Stage::Socket | Stage::Leaving => Fate::End,
        }
    }

    /// There will be no connection: says so to the log, and to the client in its own terms.
    fn fail(&mut self, conn: &mut Conn, why: Why) -> Fate {
        let target = conn.route.as_ref().map(Route::target).unwrap_or_default();
        let (status, code, text) = match why {
            Why::Denied(decision) => {
                let rule = decision.rule.as_ref().map(|rule| format!(" ({rule})")).unwrap_or_default();
                let text = format!("{target}: denied: {}{rule}", decision.reason);
                self.tell_refused(Action::Connect, target, &decision);
                (403, socks::code::NOT_ALLOWED, text)
            }
            Why::Failed(why) => {
                self.tell_end(conn, Kind::Closed, &format!("not connected: {why}"));
                (502, socks::code::UNREACHABLE, format!("{target}: {why}"))
            }
            Why::Late(why) => {
                self.tell_end(conn, Kind::Closed, &format!("not connected: {why}"));
                let status = if conn.route.is_some() { 504 } else { 408 };
                (status, socks::code::UNREACHABLE, format!("{target}: {why}"))
            }
        };
        match conn.via {
            Via::Socks => leave(conn, socks::reply(code)),
            Via::Proxy | Via::Connect | Via::Plain | Via::Inject => leave(conn, http::answer(status, &text)),
            Via::Transparent | Via::Inbound | Via::Dns => {
                conn.reset();
                Fate::End
            }
        }
    }
}

/// The last words to a client, which gets the time to read them.
fn leave(conn: &mut Conn, words: Vec<u8>) -> Fate {
    conn.stage = Stage::Leaving;
    conn.inbox = Vec::new();
    conn.outbox.extend(words);
    if let Some(server) = conn.server.take() {
        net::reset_on_close(&server.socket);
    }
    conn.deadline = Some(Instant::now() + LEAVING);
    match conn.flush_outbox() {
        Ok(true) => {
            // An end, and then what the client still has on the way is read: closing over it would take the words back.
            let _ = conn.client.socket.shutdown(Shutdown::Write);
            conn.client.readable = true;
            Fate::Again
        }
        Ok(false) => Fate::Keep,
        Err(_) => Fate::End,
    }
}

fn leaving(conn: &mut Conn, told: bool, scratch: &mut [u8]) -> Fate {
    if !told {
        return Fate::Keep;
    }
    let _ = conn.client.socket.shutdown(Shutdown::Write);
    if conn.drain(scratch) { Fate::End } else { Fate::Keep }
}
