//! One connection: what is known about it, and what it is waiting for.

use super::http::Plain;
use super::relay::{Flow, Side};
use crate::policy::host::Host;
use crate::sys::net;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// How it came in, which decides how it is told what went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// To an address that stands for a name, or is one of a rule.
    Transparent,
    /// To the proxy, which has not heard yet what is spoken.
    Proxy,
    Socks,
    Connect,
    /// A plain HTTP request.
    Plain,
    /// A plain HTTP request to which a secret is added.
    Inject,
    /// From the host's loopback to a port inside.
    Inbound,
    /// A question to the resolver.
    Dns,
}

/// What it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The client says what it wants of the proxy or the resolver.
    Asking,
    /// SOCKS: the greeting is over.
    SocksRequest,
    /// Inbound: a socket from the inside.
    Socket,
    /// Addresses of the name.
    Resolving,
    /// The connection to the other side.
    Dialling,
    /// The TLS hello of the client.
    Hello,
    /// Nothing: bytes go back and forth.
    Streaming,
    /// A thread of its own, which does the rest.
    Elsewhere,
    /// The client to take the last answer.
    Leaving,
}

/// Where it goes.
#[derive(Debug, Clone)]
pub struct Route {
    pub host: Host,
    pub port: u16,
    /// The place of the rule in `network.allow`; none for inbound ones.
    pub rule: Option<usize>,
}

impl Route {
    /// As the log and the user see it.
    pub fn target(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// A connection.
#[derive(Debug)]
pub struct Conn {
    pub serial: u64,
    pub via: Via,
    pub stage: Stage,
    pub client: Side,
    pub server: Option<Side>,
    pub route: Option<Route>,
    /// Addresses to try, the next one last.
    pub addresses: Vec<IpAddr>,
    pub address: Option<SocketAddr>,
    /// From the client, not passed on yet.
    pub inbox: Vec<u8>,
    /// To the client, from weft itself.
    pub outbox: Vec<u8>,
    /// From the client to the server, and back.
    pub out: Flow,
    pub back: Flow,
    /// Bytes of a plain request's body that are still to come; none: as many as the client likes.
    pub body: Option<u64>,
    /// The request, while it waits for its addresses, and the place of the secret in the settings.
    pub request: Option<(Plain, Option<usize>)>,
    /// It counts against its rule.
    pub counted: bool,
    /// Bytes out that are accounted for already.
    pub billed: u64,
    /// It was told as open.
    pub opened: bool,
    pub began: Instant,
    /// When the wait is over.
    pub deadline: Option<Instant>,
}

impl Conn {
    pub fn new(serial: u64, via: Via, stage: Stage, client: Side, now: Instant) -> Self {
        Self {
            serial,
            via,
            stage,
            client,
            server: None,
            route: None,
            addresses: Vec::new(),
            address: None,
            inbox: Vec::new(),
            outbox: Vec::new(),
            out: Flow::default(),
            back: Flow::default(),
            body: None,
            request: None,
            counted: false,
            billed: 0,
            opened: false,
            began: now,
            deadline: None,
        }
    }

    /// Reads what the client has sent, until there are `most` bytes. True: the client sends no more.
    pub fn fill(&mut self, most: usize, scratch: &mut [u8]) -> io::Result<bool> {
        while self.client.readable && self.inbox.len() < most {
            let room = scratch.len().min(most - self.inbox.len());
            match self.client.socket.read(&mut scratch[..room]) {
                Ok(0) => return Ok(true),
                Ok(count) => self.inbox.extend_from_slice(&scratch[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.client.readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Reads what the client still sends, and forgets it. True: that was the end.
    pub fn drain(&mut self, scratch: &mut [u8]) -> bool {
        for _ in 0..64 {
            match self.client.socket.read(scratch) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            }
        }
        // Who sends that much after a refusal is not listening.
        true
    }

    /// Sends weft's own words to the client. False: some are left.
    pub fn flush_outbox(&mut self) -> io::Result<bool> {
        write_some(&mut self.client, &mut self.outbox).map(|_| self.outbox.is_empty())
    }

    /// Sends the server what was held back while it was looked at. False: some is left.
    pub fn flush_inbox(&mut self) -> io::Result<bool> {
        let Some(server) = &mut self.server else { return Ok(false) };
        self.out.moved += write_some(server, &mut self.inbox)?;
        Ok(self.inbox.is_empty())
    }

    /// Both sides learn of an error instead of an end.
    pub fn reset(&self) {
        net::reset_on_close(&self.client.socket);
        if let Some(server) = &self.server {
            net::reset_on_close(&server.socket);
        }
    }
}

fn write_some(side: &mut Side, bytes: &mut Vec<u8>) -> io::Result<u64> {
    let mut sent = 0;
    while side.writable && sent < bytes.len() {
        match side.socket.write(&bytes[sent..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => side.writable = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.drain(..sent);
    if bytes.is_empty() {
        // Nothing is kept for a connection that only streams.
        *bytes = Vec::new();
    }
    Ok(sent as u64)
}
