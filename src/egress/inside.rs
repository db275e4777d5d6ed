//! The part that runs inside, before the command does: listeners in the network namespace of this process, handed to weft
//! outside. Afterwards whoever stays as the first process inside makes sockets when weft asks for them.

use super::names::{PREFIX, RESOLVER};
use super::{Settings, dns};
use crate::sys::{net, socket};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What a descriptor that is handed over is; the first byte of its message, before the port.
pub(super) mod role {
    /// A listener for programs that know of no proxy.
    pub const PORT: u8 = b'T';
    /// The proxy.
    pub const PROXY: u8 = b'P';
    /// The resolver by UDP.
    pub const DNS_UDP: u8 = b'U';
    /// The resolver by TCP.
    pub const DNS_TCP: u8 = b'D';
    /// A socket that is not connected.
    pub const SOCKET: u8 = b'S';
    /// A connection that was made for somebody inside; what it is, a port and an address follow.
    pub const CONNECTION: u8 = b'C';
}

/// Connections that wait for weft to accept them.
const BACKLOG: i32 = 4096;

/// Makes addresses and listeners, and sends them. Needs `CAP_NET_ADMIN` and `CAP_NET_BIND_SERVICE` in this namespace, and a
/// loopback that is up. The error says what was being made.
pub fn open(settings: &Settings, weft: &OwnedFd) -> Result<(), (String, io::Error)> {
    let at = |what: String| move |error| (what, error);
    let send = |role: u8, port: u16, fd: BorrowedFd<'_>| {
        let [a, b] = port.to_be_bytes();
        socket::send(weft, &[role, a, b], Some(fd)).map_err(at("hand over a listener".to_owned()))
    };
    if settings.network.allow.is_empty() {
        return Ok(());
    }
    net::add_loopback_v4(0, RESOLVER, PREFIX).map_err(at(format!("add the address {RESOLVER}")))?;
    for (number, (address, prefix)) in (1..).zip(&settings.addresses) {
        match net::add_loopback(number, *address, *prefix) {
            // Within a network that is there already, or a kernel without IPv6: the proxy still reaches it.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EEXIST)) || address.is_ipv6() => {}
            done => done.map_err(at(format!("add the address {address}")))?,
        }
    }
    for port in &settings.ports {
        let listener = listener(*port).map_err(at(format!("listen on port {port}")))?;
        send(role::PORT, *port, listener.as_fd())?;
    }
    let proxy = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), settings.proxy);
    let listener = bound(proxy).map_err(at(format!("listen on {proxy}")))?;
    send(role::PROXY, settings.proxy, listener.as_fd())?;
    let resolver = SocketAddr::new(IpAddr::V4(RESOLVER), dns::PORT);
    let udp = UdpSocket::bind(resolver).map_err(at(format!("listen on {resolver}")))?;
    send(role::DNS_UDP, dns::PORT, udp.as_fd())?;
    if !settings.ports.contains(&dns::PORT) {
        let tcp = bound(resolver).map_err(at(format!("listen on {resolver}")))?;
        send(role::DNS_TCP, dns::PORT, tcp.as_fd())?;
    }
    Ok(())
}

/// On every address of either family; only IPv4 where the kernel has nothing else.
fn listener(port: u16) -> io::Result<TcpListener> {
    bound(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)).or_else(|error| {
        match error.raw_os_error() {
            Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL) => {
                bound(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port))
            }
            _ => Err(error),
        }
    })
}

fn bound(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    net::set_backlog(&listener, BACKLOG)?;
    Ok(listener)
}

/// What a connection to an address inside is: one of the bytes of `role`. None where nothing listens.
pub fn way(to: SocketAddr, settings: &Settings) -> Option<u8> {
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    match (to.ip(), to.port()) {
        (ip, dns::PORT) if ip == RESOLVER => Some(role::DNS_TCP),
        (ip, port) if ip == local && port == settings.proxy => Some(role::PROXY),
        (_, port) => settings.ports.contains(&port).then_some(role::PORT),
    }
}

/// Hands over a connection that was made for somebody inside, where there are no listeners.
pub fn hand_over(weft: &OwnedFd, way: u8, to: SocketAddr, end: BorrowedFd<'_>) -> io::Result<()> {
    let ip = match to.ip() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    let [a, b] = to.port().to_be_bytes();
    let message = [&[role::CONNECTION, a, b, way][..], &ip.octets()].concat();
    socket::send(weft, &message, Some(end))
}

/// Answers one request of weft for a socket of this namespace: one byte, 4 or 6. False: weft asks no more.
pub fn answer(weft: &OwnedFd) -> bool {
    let mut asked = [0; 1];
    match socket::receive(weft, &mut asked) {
        Ok(Some((1, _))) => {
            let v6 = asked[0] == 6;
            // Without a descriptor weft knows that there is none.
            let made = net::socket(v6).ok();
            socket::send(weft, &[role::SOCKET, 0, asked[0]], made.as_ref().map(AsFd::as_fd)).is_ok()
        }
        Ok(None) => true,
        _ => false,
    }
}
