//! The kernel's audit records, as a reader beside auditd (netlink(7), the multicast group AUDIT_NLGRP_READLOG).

use super::check;
use super::fs::own;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// The type of the message that tells the state of auditing (AUDIT_GET).
pub const STATUS: u16 = 1000;

/// Of a message from the kernel: its type, and what follows the header.
pub type Record<'a> = (u16, &'a [u8]);

/// A socket that gets every record from now on, and at some time the answer to [`STATUS`]; an error where this process may not read
/// them (`CAP_AUDIT_READ`).
pub fn reader() -> io::Result<OwnedFd> {
    let socket = netlink()?;
    const READ_LOG: u32 = 1;
    // SAFETY: sockaddr_nl is plain data, for which all zeroes are valid.
    let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    address.nl_family = libc::AF_NETLINK as _;
    address.nl_groups = READ_LOG;
    let length = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
    // SAFETY: the pointer and length describe the address, which outlives the call.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) }.into())?;
    ask_status(&socket)?;
    Ok(socket)
}

fn netlink() -> io::Result<OwnedFd> {
    const AUDIT: libc::c_int = 9;
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: integers only.
    Ok(own(check(unsafe { libc::socket(libc::AF_NETLINK, kind, AUDIT) }.into())?))
}

/// Asks whether the kernel records anything; a thread of the kernel answers.
fn ask_status(socket: &OwnedFd) -> io::Result<()> {
    let mut request = [0u8; 16];
    request[..4].copy_from_slice(&16u32.to_ne_bytes());
    request[4..6].copy_from_slice(&STATUS.to_ne_bytes());
    request[6..8].copy_from_slice(&1u16.to_ne_bytes());
    // SAFETY: the pointer and length describe the request, which outlives the call.
    let sent = unsafe { libc::send(socket.as_raw_fd(), request.as_ptr().cast(), request.len(), 0) };
    check(sent as _).map(drop)
}

/// Whether a message of the type [`STATUS`] (struct audit_status) says that the kernel records.
pub fn is_on(status: &[u8]) -> bool {
    status.get(4..8).is_some_and(|word| word != [0; 4])
}

/// The next record, None when there is none now. What was lost meanwhile is an error (`ENOBUFS`), after which others follow.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<Option<Record<'_>>> {
    const HEADER: usize = 16;
    let into = buffer.as_mut_ptr().cast();
    // SAFETY: the pointer and length describe the buffer.
    let got = unsafe { libc::recv(socket.as_fd().as_raw_fd(), into, buffer.len(), libc::MSG_DONTWAIT) };
    match check(got as _) {
        Ok(length) if length >= HEADER => {
            let kind = u16::from_ne_bytes([buffer[4], buffer[5]]);
            Ok(Some((kind, &buffer[HEADER..length])))
        }
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
