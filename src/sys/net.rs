//! TCP beyond the standard library: waiting for many sockets, moving bytes without copying them, connecting without waiting,
//! and addresses of the loopback interface. Nothing here knows who may talk to whom.

use super::check;
use super::fs::own;
use std::ffi::CStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// What to wait for, and what was found; as in `epoll_ctl(2)`.
pub mod when {
    /// There is something to read, or the end of it.
    pub const IN: u32 = libc::EPOLLIN as u32;
    /// There is room to write, or a connection came about or failed.
    pub const OUT: u32 = libc::EPOLLOUT as u32;
    /// The other side sends no more.
    pub const RDHUP: u32 = libc::EPOLLRDHUP as u32;
    /// Both directions are closed, or an error is waiting. Always reported.
    pub const GONE: u32 = (libc::EPOLLHUP | libc::EPOLLERR) as u32;
    /// Say it once for each change.
    pub const EDGE: u32 = libc::EPOLLET as u32;
}

/// One thing that happened: the token it was registered with, and bits of [`when`].
pub type Happened = (u64, u32);

/// `epoll(7)`.
#[derive(Debug)]
pub struct Poll(OwnedFd);

impl Poll {
    /// Waits for nothing yet.
    pub fn new() -> io::Result<Self> {
        // SAFETY: integers only.
        Ok(Self(own(check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }.into())?)))
    }

    /// Waits for `events` on a descriptor from now on, until it is closed or removed.
    pub fn add(&self, fd: impl AsFd, token: u64, events: u32) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, events)
    }

    /// Waits for other events.
    pub fn change(&self, fd: impl AsFd, token: u64, events: u32) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, events)
    }

    /// Waits for it no more.
    pub fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, 0)
    }

    fn control(&self, what: libc::c_int, fd: impl AsFd, token: u64, events: u32) -> io::Result<()> {
        let mut event = libc::epoll_event { events, u64: token };
        let (poll, fd) = (self.0.as_raw_fd(), fd.as_fd().as_raw_fd());
        // SAFETY: both descriptors are open for the call, which reads the event.
        check(unsafe { libc::epoll_ctl(poll, what, fd, &raw mut event) }.into()).map(drop)
    }

    /// What happened, at most 64 things at once; nothing when `timeout` (milliseconds, negative: none) was up first.
    pub fn wait(&self, found: &mut Vec<Happened>, timeout: i32) -> io::Result<()> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 64];
        let most = events.len() as libc::c_int;
        found.clear();
        // SAFETY: the pointer and length describe the array, which outlives the call.
        match check(
            unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), most, timeout) }.into(),
        ) {
            Ok(count) => {
                found.extend(events.iter().take(count).map(|event| (event.u64, event.events)));
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// `splice(2)`: moves up to `most` bytes; one of the two is a pipe. Waits for nothing.
pub fn splice(from: impl AsFd, to: impl AsFd, most: usize) -> io::Result<usize> {
    let (from, to) = (from.as_fd().as_raw_fd(), to.as_fd().as_raw_fd());
    let flags = libc::SPLICE_F_MOVE | libc::SPLICE_F_NONBLOCK;
    let none = std::ptr::null_mut();
    // SAFETY: both descriptors are open for the call; no offsets are passed.
    check(unsafe { libc::splice(from, none, to, none, most, flags) } as _)
}

/// Asks for a pipe of that many bytes. A wish: the kernel bounds what a user may have.
pub fn size_pipe(pipe: impl AsFd, bytes: i32) {
    // SAFETY: integers only.
    unsafe { libc::fcntl(pipe.as_fd().as_raw_fd(), libc::F_SETPIPE_SZ, bytes) };
}

/// The most connections that wait to be accepted.
pub fn set_backlog(listener: impl AsFd, most: i32) -> io::Result<()> {
    // SAFETY: integers only.
    check(unsafe { libc::listen(listener.as_fd().as_raw_fd(), most) }.into()).map(drop)
}

/// A TCP socket that is not connected and does not wait. With `v6` it reaches IPv4 addresses in their IPv6 form too.
pub fn socket(v6: bool) -> io::Result<OwnedFd> {
    let family = if v6 { libc::AF_INET6 } else { libc::AF_INET };
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: integers only.
    Ok(own(check(unsafe { libc::socket(family, kind, 0) }.into())?))
}

/// A Unix stream socket that is not connected to anything.
pub fn unix_socket() -> io::Result<OwnedFd> {
    // SAFETY: integers only.
    Ok(own(check(unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) }.into())?))
}

/// Begins to connect; [`when::OUT`] says that it ended, `take_error` how.
pub fn connect(socket: impl AsFd, to: SocketAddr) -> io::Result<()> {
    let fd = socket.as_fd().as_raw_fd();
    let done = match to {
        SocketAddr::V4(v4) => {
            // SAFETY: sockaddr_in is plain integers, for which all zeroes are valid.
            let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
            address.sin_family = libc::AF_INET as libc::sa_family_t;
            address.sin_port = v4.port().to_be();
            address.sin_addr.s_addr = u32::from_ne_bytes(v4.ip().octets());
            let length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            // SAFETY: the pointer and length describe the address, which outlives the call.
            unsafe { libc::connect(fd, (&raw const address).cast(), length) }
        }
        SocketAddr::V6(v6) => {
            // SAFETY: sockaddr_in6 is plain integers, for which all zeroes are valid.
            let mut address: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
            address.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            address.sin6_port = v6.port().to_be();
            address.sin6_addr.s6_addr = v6.ip().octets();
            let length = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
            // SAFETY: as above.
            unsafe { libc::connect(fd, (&raw const address).cast(), length) }
        }
    };
    match check(done.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(()),
    }
}

/// Begins a connection to an address.
pub fn dial(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket(to.is_ipv6())?;
    connect(&socket, to)?;
    Ok(socket.into())
}

/// When the socket is closed, the other side is told of an error (a reset) instead of an orderly end.
pub fn reset_on_close(socket: impl AsFd) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let (length, fd) = (size_of::<libc::linger>() as libc::socklen_t, socket.as_fd().as_raw_fd());
    // SAFETY: the pointer and length describe the option, which outlives the call. Without it the end is orderly.
    unsafe {
        libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_LINGER, (&raw const linger).cast(), length);
    }
}

/// As many open descriptors as this process may have; gives how many that are.
pub fn raise_open_files() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 256, rlim_max: 256 };
    // SAFETY: limit is a valid place to read from and write to. Should it not work, what is there is what there is.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        let raised = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) == 0 {
            limit = raised;
        }
    }
    limit.rlim_cur
}

/// A further address of the loopback interface, under the label `lo:NUMBER`; the whole network of that prefix is then this
/// machine (`ip address add ADDRESS/PREFIX dev lo`). Needs `CAP_NET_ADMIN` in the network namespace.
pub fn add_loopback_v4(number: u32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
    // SAFETY: integers only.
    let socket =
        own(check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) }.into())?);
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
    for (request, value) in
        [(libc::SIOCSIFADDR, address.to_bits()), (libc::SIOCSIFNETMASK, mask)].map(|(r, v)| (r, v.to_be()))
    {
        // SAFETY: ifreq is plain data, for which all zeroes are valid.
        let mut ifreq: libc::ifreq = unsafe { std::mem::zeroed() };
        let label = format!("lo:{number}");
        for (at, byte) in ifreq.ifr_name.iter_mut().zip(label.bytes().take(libc::IFNAMSIZ - 1)) {
            *at = byte as libc::c_char;
        }
        // SAFETY: sockaddr_in is plain integers, for which all zeroes are valid.
        let mut inet: libc::sockaddr_in = unsafe { std::mem::zeroed() };
        inet.sin_family = libc::AF_INET as libc::sa_family_t;
        inet.sin_addr.s_addr = value;
        // SAFETY: the union holds a sockaddr, which has the size of a sockaddr_in.
        ifreq.ifr_ifru.ifru_addr = unsafe { std::mem::transmute::<libc::sockaddr_in, libc::sockaddr>(inet) };
        // SAFETY: ifreq has a NUL-terminated name and an address, and outlives the call.
        check(unsafe { libc::ioctl(socket.as_raw_fd(), request as _, &raw const ifreq) }.into())?;
    }
    Ok(())
}

/// The same for one IPv6 address.
pub fn add_loopback_v6(address: Ipv6Addr) -> io::Result<()> {
    /// `struct in6_ifreq` of `linux/ipv6.h`.
    #[repr(C)]
    struct Request {
        address: [u8; 16],
        prefix: u32,
        interface: i32,
    }
    const LOOPBACK: &CStr = c"lo";
    // SAFETY: integers only.
    let socket =
        own(check(unsafe { libc::socket(libc::AF_INET6, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) }.into())?);
    // SAFETY: the name is NUL-terminated.
    let interface = unsafe { libc::if_nametoindex(LOOPBACK.as_ptr()) } as i32;
    let request = Request { address: address.octets(), prefix: 128, interface };
    // SAFETY: request has the layout of in6_ifreq and outlives the call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFADDR as _, &raw const request) }.into())
        .map(drop)
}

/// The same for either kind; an IPv6 network is only its first address.
pub fn add_loopback(number: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
    match address {
        IpAddr::V4(v4) => add_loopback_v4(number, v4, prefix),
        IpAddr::V6(v6) => add_loopback_v6(v6),
    }
}
