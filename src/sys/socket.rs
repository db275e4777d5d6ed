//! A pair of connected sockets between weft and the inside, with descriptors passed along; and waiting for several at once.

use super::check;
use super::fs::own;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

/// Two ends of a message socket; one message in is one message out.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: ends is a valid place for two descriptors.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) }.into())?;
    Ok((own(ends[0] as usize), own(ends[1] as usize)))
}

/// Room for one descriptor in a control message, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Control([u8; 24]);

/// Sends one message, with a descriptor if given.
pub fn send(socket: impl AsFd, data: &[u8], fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut vector = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
    let mut control = Control([0; 24]);
    // SAFETY: msghdr is plain data, for which all zeroes are valid.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    if let Some(fd) = fd {
        message.msg_control = (&raw mut control).cast();
        message.msg_controllen = size_of::<Control>() as _;
        // SAFETY: the control buffer is aligned and large enough for one header and one descriptor.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(size_of::<RawFd>() as u32) as _;
            std::ptr::write_unaligned(libc::CMSG_DATA(header).cast::<RawFd>(), fd.as_raw_fd());
        }
    }
    // SAFETY: message points to data that outlives the call.
    check(unsafe { libc::sendmsg(socket.as_fd().as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) } as _)
        .map(drop)
}

/// Closes descriptors without waiting for what their file systems do then: the end of a removed folder takes ext4 up to some
/// milliseconds. They are sent into a socket that only its own queue still knows, which the kernel finds and empties on a thread of
/// its own (unix(7) sockets are collected when nobody can reach them any more). Where that cannot be had they are closed here.
pub fn close_later(fds: impl Iterator<Item = OwnedFd>) {
    let fds: Vec<OwnedFd> = fds.collect();
    if fds.is_empty() {
        return;
    }
    let Ok((near, far)) = pair() else { return };
    for fd in std::iter::once(&far).chain(&fds) {
        if send(&near, b"x", Some(fd.as_fd())).is_err() {
            break;
        }
    }
}

/// Receives one message into `buffer`: its length (0 at the end) and the descriptor that came with it. Does not block
/// when nothing is there.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<Option<(usize, Option<OwnedFd>)>> {
    let mut vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut control = Control([0; 24]);
    // SAFETY: msghdr is plain data, for which all zeroes are valid.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = size_of::<Control>() as _;
    let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
    // SAFETY: message points to buffers that outlive the call.
    let mut receive =
        || check(unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut message, flags) } as _);
    let got = match receive() {
        // The other end left without reading what it was sent. That is told once, before what it said itself.
        Err(error) if error.raw_os_error() == Some(libc::ECONNRESET) => receive(),
        got => got,
    };
    let length = match got {
        Ok(length) => length,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
        Err(error) => return Err(error),
    };
    // SAFETY: the kernel filled the control buffer; a first header, if there, lies inside it.
    let fd = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if !header.is_null()
            && (*header).cmsg_type == libc::SCM_RIGHTS
            && (*header).cmsg_len as usize >= libc::CMSG_LEN(size_of::<RawFd>() as u32) as usize
        {
            Some(own(std::ptr::read_unaligned(libc::CMSG_DATA(header).cast::<RawFd>()) as usize))
        } else {
            None
        }
    };
    Ok(Some((length, fd)))
}

/// A Unix socket of the type, that does not wait, connected to an address of that family as the kernel takes it.
pub fn connected_unix(kind: i32, address: &[u8]) -> io::Result<OwnedFd> {
    let kind = kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: integers only.
    let socket = own(check(unsafe { libc::socket(libc::AF_UNIX, kind, 0) }.into())?);
    let length = address.len() as libc::socklen_t;
    // SAFETY: the pointer and length describe the address, which outlives the call.
    check(unsafe { libc::connect(socket.as_raw_fd(), address.as_ptr().cast(), length) }.into())?;
    Ok(socket)
}

/// Family and type of a socket; none for what is no socket.
pub fn kind_of(fd: impl AsFd) -> Option<(i32, i32)> {
    let option = |name| {
        let mut value: libc::c_int = 0;
        let mut length = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: value and length are valid places to write to, and length says how much.
        let done = unsafe {
            libc::getsockopt(
                fd.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                name,
                (&raw mut value).cast(),
                &raw mut length,
            )
        };
        check(done.into()).ok().map(|_| value)
    };
    Some((option(libc::SO_DOMAIN)?, option(libc::SO_TYPE)?))
}

/// An address in the abstract namespace, which belongs to a network namespace (unix(7)).
fn abstract_address(name: &[u8]) -> Vec<u8> {
    [&(libc::AF_UNIX as u16).to_ne_bytes()[..], &[0], name].concat()
}

/// A Unix stream socket with this abstract name, on which nobody listens yet.
pub fn bound_abstract(name: &[u8]) -> io::Result<OwnedFd> {
    let address = abstract_address(name);
    // SAFETY: integers only.
    let socket =
        own(check(unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) }.into())?);
    let length = address.len() as libc::socklen_t;
    // SAFETY: the pointer and length describe the address, which outlives the call.
    check(unsafe { libc::bind(socket.as_raw_fd(), address.as_ptr().cast(), length) }.into())?;
    Ok(socket)
}

/// A Unix stream socket, that does not wait, connected to this abstract name.
pub fn connected_abstract(name: &[u8]) -> io::Result<OwnedFd> {
    connected_unix(libc::SOCK_STREAM, &abstract_address(name))
}

/// Listens on a socket. Whoever connects from then on sees this process at the other end, whoever made the socket.
pub fn listen(fd: impl AsFd, backlog: i32) -> io::Result<()> {
    // SAFETY: integers only.
    check(unsafe { libc::listen(fd.as_fd().as_raw_fd(), backlog) }.into()).map(drop)
}

/// The effective user of the process at the other end of a Unix socket when it connected (`SO_PEERCRED`, unix(7)).
pub fn peer_user(fd: impl AsFd) -> io::Result<u32> {
    peer(fd).map(|(_, user)| user)
}

/// The number and the effective user of the process at the other end of a Unix socket when it connected, or began to listen. The number
/// is 0 for a process that is not in this process's PID namespace.
pub fn peer(fd: impl AsFd) -> io::Result<(i32, u32)> {
    let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: peer and length are valid places to write to, and length says how much.
    check(
        unsafe {
            libc::getsockopt(
                fd.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERCRED,
                (&raw mut peer).cast(),
                &raw mut length,
            )
        }
        .into(),
    )?;
    Ok((peer.pid, peer.uid))
}

/// What a descriptor that was waited for has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ready {
    /// There is something to read.
    pub readable: bool,
    /// The other side is gone; what it left can still be read.
    pub closed: bool,
}

impl Ready {
    /// Either.
    pub fn any(self) -> bool {
        self.readable || self.closed
    }
}

/// Waits until one of the descriptors has something to say. `None` waits without end.
pub fn wait_any<const N: usize>(
    fds: [Option<BorrowedFd<'_>>; N],
    timeout: Option<Duration>,
) -> io::Result<[Ready; N]> {
    // A negative descriptor is skipped by poll(2).
    let mut polls = fds.map(|fd| libc::pollfd {
        fd: fd.map_or(-1, |fd| fd.as_raw_fd()),
        events: libc::POLLIN,
        revents: 0,
    });
    let spec = timeout.map(|t| libc::timespec {
        tv_sec: t.as_secs().min(i64::MAX as u64) as _,
        tv_nsec: t.subsec_nanos() as _,
    });
    let spec = spec.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: polls and the timeout outlive the call; the signal mask stays as it is.
    match check(unsafe { libc::ppoll(polls.as_mut_ptr(), N as _, spec, std::ptr::null()) }.into()) {
        Ok(_) => Ok(polls.map(|poll| Ready {
            readable: poll.revents & libc::POLLIN != 0,
            closed: poll.revents & !libc::POLLIN != 0,
        })),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok([Ready::default(); N]),
        Err(error) => Err(error),
    }
}
