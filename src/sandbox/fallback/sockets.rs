//! Connecting Unix sockets in place of the process that asked. The keeper lives under a Landlock scope of its own, within which the
//! command's lies, so that an abstract name reaches only sockets made inside.

use super::caller::{Caller, Errno, errno};
use super::keeper::{Keeper, Outcome};
use super::rules::Access;
use crate::sys::seccomp::replace_fd;
use crate::sys::socket::connected_unix;
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
        if i32::from(family) != libc::AF_UNIX {
            return Err(libc::EACCES);
        }
        if !self.walk().open_file(caller, fd)?.node.is_some_and(|node| node.stat.socket) {
            return Err(libc::ENOTSOCK);
        }
        let flags = caller.descriptor_flags(fd)?;
        let socket = match &address[2..] {
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

/// A socket of the type that the other side is.
fn connect(address: &[u8]) -> Result<OwnedFd, Errno> {
    match connected_unix(libc::SOCK_STREAM, address) {
        Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => {
            connected_unix(libc::SOCK_SEQPACKET, address).map_err(errno)
        }
        done => done.map_err(errno),
    }
}
