//! `weft.http_connect`: a stream to weft's own HTTP proxy, the only way out that a WebAssembly program has. What may be reached is decided
//! by the egress, as for any other program; weft speaks TLS in this one's place. Described in `docs/wasm.md`.

use super::errno::{Errno, Fail};
use super::link::Args;
use super::memory::Memory;
use super::table::{Entry, What, right};
use super::world::World;
use crate::egress::{Settings, inside};
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// How the proxy is reached.
#[derive(Debug)]
pub enum Way {
    /// It listens on the loopback of this process's own network.
    Listens(SocketAddr),
    /// There is no such network: an end of each connection is handed over.
    Handed(OwnedFd, SocketAddr, u8),
}

impl Way {
    /// By the settings of the egress. `own`: this process has a network of its own, in which the proxy listens.
    pub fn of(settings: &Settings, egress: Option<&OwnedFd>, own: bool) -> Option<Way> {
        let proxy = SocketAddr::from((Ipv4Addr::LOCALHOST, settings.proxy));
        if own {
            return Some(Way::Listens(proxy));
        }
        Some(Way::Handed(egress?.try_clone().ok()?, proxy, inside::way(proxy, settings)?))
    }

    fn open(&self) -> std::io::Result<OwnedFd> {
        match self {
            Way::Listens(proxy) => TcpStream::connect(proxy).map(OwnedFd::from),
            // A pair of the kernel's: nobody else can come between, and the filter of this process lets no other socket be made.
            Way::Handed(egress, proxy, way) => {
                let (ours, theirs) = UnixStream::pair()?;
                inside::hand_over(egress, *way, *proxy, theirs.as_fd())?;
                Ok(ours.into())
            }
        }
    }
}

/// Gives a descriptor to write a request to and to read the answer from.
pub fn connect(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Result<(), Fail> {
    memory.bytes(args.word(0), 4)?;
    if !world.table.has_room() {
        return Err(Errno::TOO_MANY_FILES.into());
    }
    // A policy that names no hosts has no way out.
    let stream = world.http.as_ref().ok_or(Errno::ACCESS)?.open()?;
    let entry = Entry {
        what: What::File(File::from(stream)),
        rights: right::READ | right::WRITE | right::SET_FLAGS | right::LOOK | right::POLL,
        inheriting: 0,
        flags: 0,
        standard: false,
    };
    let fd = world.table.add(entry)?;
    Ok(memory.put_u32(args.word(0), fd)?)
}
