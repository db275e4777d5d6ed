//! What a server does with stream sockets, TCP and Unix alike, without waiting: accepting, reading, writing several pieces
//! or a file in one call. And what it inherits from whoever started it. Nothing here knows HTTP.

use super::check;
use super::fs::own;
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

/// The next connection (`accept4(2)`), which does not wait either, and who made it; none for a Unix socket.
pub fn accept(listener: impl AsFd) -> io::Result<(OwnedFd, Option<SocketAddr>)> {
    // SAFETY: sockaddr_storage is plain integers, for which all zeroes are valid.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    let fd = listener.as_fd().as_raw_fd();
    // SAFETY: storage and length are valid places to write to, and length says how much fits.
    let got = check(unsafe { libc::accept4(fd, (&raw mut storage).cast(), &raw mut length, flags) }.into())?;
    let socket = own(got);
    let peer = match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the kernel wrote a sockaddr_in, as the family says; the storage is large and aligned enough for any.
            let v4 = unsafe { (&raw const storage).cast::<libc::sockaddr_in>().read() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddr::new(IpAddr::V4(ip), u16::from_be(v4.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: as above, with a sockaddr_in6.
            let v6 = unsafe { (&raw const storage).cast::<libc::sockaddr_in6>().read() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddr::new(IpAddr::V6(ip), u16::from_be(v6.sin6_port)))
        }
        _ => None,
    };
    Ok((socket, peer))
}

/// Reads what is there; 0 is the end.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the pointer and length describe the buffer, which outlives the call.
    check(unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT) } as _)
}

/// Writes two pieces behind each other, as much as there is room for. `more` says that a file follows at once, so that
/// both may share a packet.
pub fn send(socket: impl AsFd, first: &[u8], second: &[u8], more: bool) -> io::Result<usize> {
    let mut vectors = [first, second]
        .map(|piece| libc::iovec { iov_base: piece.as_ptr().cast_mut().cast(), iov_len: piece.len() });
    // SAFETY: msghdr is plain data, for which all zeroes are valid.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = vectors.as_mut_ptr();
    message.msg_iovlen = 2;
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | if more { libc::MSG_MORE } else { 0 };
    // SAFETY: message points to vectors and pieces that outlive the call, which only reads them.
    check(unsafe { libc::sendmsg(socket.as_fd().as_raw_fd(), &raw const message, flags) } as _)
}

/// Lets the kernel write a piece of a file (`sendfile(2)`), as much as there is room for; 0 where the file has ended.
/// The file's own position is neither used nor moved.
pub fn send_file(socket: impl AsFd, file: &File, offset: u64, count: usize) -> io::Result<usize> {
    let mut offset = i64::try_from(offset).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let (to, from) = (socket.as_fd().as_raw_fd(), file.as_raw_fd());
    // SAFETY: both descriptors are open for the call, and offset is a valid place to read from and write to.
    check(unsafe { libc::sendfile64(to, from, &raw mut offset, count) } as _)
}

/// Nothing more will be written; the other side sees the end and may still be read.
pub fn end_writing(socket: impl AsFd) {
    // SAFETY: integers only. A connection that is gone has ended anyway.
    unsafe { libc::shutdown(socket.as_fd().as_raw_fd(), libc::SHUT_WR) };
}

/// Small answers go at once, and of large ones only so many bytes wait in the kernel unsent. Means nothing to a Unix socket.
pub fn prepare(socket: impl AsFd, unsent: i32) {
    let fd = socket.as_fd().as_raw_fd();
    let set = |name, value: libc::c_int| {
        let length = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: the pointer and length describe the value, which outlives the call. Without the option it is only slower.
        unsafe { libc::setsockopt(fd, libc::IPPROTO_TCP, name, (&raw const value).cast(), length) };
    };
    set(libc::TCP_NODELAY, 1);
    set(libc::TCP_NOTSENT_LOWAT, unsent);
}

/// Wakes a thread that waits with `epoll` (`eventfd(2)`).
#[derive(Debug)]
pub struct Waker(OwnedFd);

impl Waker {
    pub fn new() -> io::Result<Waker> {
        // SAFETY: integers only.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }.into())?;
        Ok(Waker(own(fd)))
    }

    /// Makes the descriptor readable.
    pub fn wake(&self) {
        let one = 1u64;
        // SAFETY: the pointer and length describe `one`. It fails only where the thread is to be woken already.
        unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
    }

    /// Makes it unreadable again.
    pub fn calm(&self) {
        let mut seen = 0u64;
        // SAFETY: the pointer and length describe `seen`. It fails only where nobody woke.
        unsafe { libc::read(self.0.as_raw_fd(), (&raw mut seen).cast(), size_of::<u64>()) };
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sockets that were opened for this process before it began (`sd_listen_fds(3)`): descriptors from 3 on, as many as
/// `LISTEN_FDS` says where `LISTEN_PID` is this process, that are stream sockets and listen. The variables are gone afterwards,
/// so that no child takes them for its own.
///
/// To be called first thing, before there are other threads or descriptors. A second call finds nothing.
pub fn inherited() -> io::Result<Vec<OwnedFd>> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    let (pid, count) = (number("LISTEN_PID"), number("LISTEN_FDS"));
    for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] {
        // SAFETY: called before there are other threads that could read the environment.
        unsafe { std::env::remove_var(name) };
    }
    if pid != Some(std::process::id()) {
        return Ok(Vec::new());
    }
    let count = count.unwrap_or(0).min(64) as RawFd;
    let mut found = Vec::new();
    for fd in 3..3 + count {
        // SAFETY: integers only; a number that is no descriptor is an error.
        check(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) }.into())?;
        // Whoever set the variables gave these descriptors to this process, and nothing in it has used them before.
        let fd = own(fd as usize);
        if option(&fd, libc::SO_ACCEPTCONN)? != 1 || option(&fd, libc::SO_TYPE)? != libc::SOCK_STREAM {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        // SAFETY: integers only.
        check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) }.into())?;
        found.push(fd);
    }
    Ok(found)
}

/// A number among the options of a socket.
fn option(socket: impl AsFd, name: libc::c_int) -> io::Result<libc::c_int> {
    let (mut value, mut length) = (0, size_of::<libc::c_int>() as libc::socklen_t);
    let (fd, place) = (socket.as_fd().as_raw_fd(), (&raw mut value).cast());
    // SAFETY: value and length are valid places to write to, and length says how much.
    check(unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, name, place, &raw mut length) }.into())?;
    Ok(value)
}

/// Microseconds of `CLOCK_MONOTONIC`, the clock that systemd compares with.
pub fn monotonic_micros() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: now is a valid place to write to; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1000
}
