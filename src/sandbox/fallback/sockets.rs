//! Connecting Unix sockets in place of the process that asked. The keeper lives under a Landlock scope of its own, within which the
//! command's lies, so that an abstract name reaches only sockets made inside.

use super::caller::{Caller, Errno, errno};
use super::keeper::{Keeper, Outcome};
use super::rules::Access;
use crate::egress::{self, Settings};
use crate::policy::host::plain;
use crate::sys::net;
use crate::sys::seccomp::replace_fd;
use crate::sys::socket::connected_unix;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// The largest address of a Unix socket (`struct sockaddr_un`).
const LARGEST: usize = 110;

impl Keeper<'_> {
    /// `connect(2)`. All sockets here are Unix sockets, stream or seqpacket: the filter lets no other be made.
    pub(super) fn connect(&self, caller: &Caller<'_>) -> Result<Outcome, Errno> {
        let fd = caller.int(0);
        let length = caller.call.args[2] as u32 as usize;
        if !(3..=LARGEST).contains(&length) {
            return Err(libc::EINVAL);
        }
        let address = caller.bytes(caller.call.args[1], length)?;
        let family = u16::from_ne_bytes([address[0], address[1]]);
        let out = self.out(&address);
        if i32::from(family) != libc::AF_UNIX && out.is_none() {
            return Err(libc::EACCES);
        }
        if !self.walk().open_file(caller, fd)?.node.is_some_and(|node| node.stat.socket) {
            return Err(libc::ENOTSOCK);
        }
        let flags = caller.descriptor_flags(fd)?;
        let socket = match &address[2..] {
            _ if out.is_some() => match out {
                Some((to, settings)) => self.connect_out(to, settings)?,
                None => return Err(libc::EACCES),
            },
            [0, ..] if self.scoped => connect(&address)?,
            [0, ..] => return Err(libc::EPERM),
            path => {
                let end = path.iter().position(|byte| *byte == 0).unwrap_or(path.len());
                let place = self.walk().find(caller, libc::AT_FDCWD, &path[..end], true)?;
                let node = place.node.as_ref().ok_or(libc::ENOENT)?;
                if !node.stat.socket {
                    return Err(libc::ECONNREFUSED);
                }
                self.need(caller, &place, Access::Write)?;
                let mut address = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
                address.extend(format!("/proc/self/fd/{}\0", node.handle.as_raw_fd()).bytes());
                connect(&address)?
            }
        };
        crate::sys::names::set_nonblocking(&socket, flags & libc::O_NONBLOCK != 0).map_err(errno)?;
        let cloexec = flags & libc::O_CLOEXEC != 0;
        replace_fd(caller.listener, caller.call.id, socket.as_fd(), fd as u32, cloexec).map_err(errno)?;
        Ok(Outcome::Value(0))
    }
}

impl Keeper<'_> {
    /// What stands for a TCP socket until it is connected: a socket that reaches nobody, and on which nobody can listen.
    pub(super) fn stand_in(&self, caller: &Caller<'_>) -> Result<Outcome, Errno> {
        let kind = caller.int(1);
        let socket = net::unix_socket().map_err(errno)?;
        crate::sys::names::set_nonblocking(&socket, kind & libc::SOCK_NONBLOCK != 0).map_err(errno)?;
        Ok(Outcome::Fd(socket, kind & libc::SOCK_CLOEXEC != 0))
    }

    /// An Internet address, where there is a way out.
    fn out(&self, address: &[u8]) -> Option<(SocketAddr, &Settings)> {
        let settings = self.fallback.egress.as_ref()?;
        let family = u16::from_ne_bytes(*address.first_chunk::<2>()?);
        let port = u16::from_be_bytes(*address.get(2..4)?.first_chunk::<2>()?);
        let ip: IpAddr = match i32::from(family) {
            libc::AF_INET => Ipv4Addr::from(*address.get(4..8)?.first_chunk::<4>()?).into(),
            libc::AF_INET6 => Ipv6Addr::from(*address.get(8..24)?.first_chunk::<16>()?).into(),
            _ => return None,
        };
        Some((SocketAddr::new(plain(ip), port), settings))
    }

    /// A TCP connection to weft's egress, which has been told where it is to lead.
    fn connect_out(&self, to: SocketAddr, settings: &Settings) -> Result<OwnedFd, Errno> {
        let Some(egress) = &self.egress else { return Err(libc::ENETUNREACH) };
        // As if nobody listened there.
        let way = egress::inside::way(to, settings).ok_or(libc::ECONNREFUSED)?;
        let (ours, theirs) = pair().map_err(errno)?;
        egress::inside::hand_over(egress, way, to, theirs.as_fd()).map_err(errno)?;
        Ok(ours.into())
    }
}

/// Two ends of a TCP connection over the host's loopback, between which nobody came.
fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let ours = TcpStream::connect(listener.local_addr()?)?;
    let mine = ours.local_addr()?;
    loop {
        // Anybody on this machine may connect for a moment; who is not us is turned away.
        let (theirs, peer) = listener.accept()?;
        if peer == mine {
            return Ok((ours, theirs));
        }
    }
}

/// A socket of the type that the other side is.
fn connect(address: &[u8]) -> Result<OwnedFd, Errno> {
    match connected_unix(libc::SOCK_STREAM, address) {
        Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => {
            connected_unix(libc::SOCK_SEQPACKET, address).map_err(errno)
        }
        done => done.map_err(errno),
    }
}
