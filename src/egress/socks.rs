//! SOCKS 5 (RFC 1928) as weft's proxy speaks it: no authentication, CONNECT, names and addresses. Pure.

use crate::policy::host::Host;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The first byte of every message.
pub const VERSION: u8 = 5;

/// Answers to a request (RFC 1928 §6).
pub mod code {
    pub const DONE: u8 = 0;
    pub const FAILED: u8 = 1;
    pub const NOT_ALLOWED: u8 = 2;
    pub const UNREACHABLE: u8 = 4;
    pub const REFUSED: u8 = 5;
    pub const NO_SUCH_COMMAND: u8 = 7;
    pub const NO_SUCH_ADDRESS: u8 = 8;
}

/// No method that the client offers is one of ours.
pub const NO_METHOD: &[u8] = &[VERSION, 0xff];
/// No authentication it is.
pub const METHOD: &[u8] = &[VERSION, 0];

/// An answer. The address it was connected from is nobody's business inside.
pub fn reply(code: u8) -> Vec<u8> {
    vec![VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0]
}

/// The greeting: how long it is, and whether it offers what we want. None: more is needed.
pub fn greeting(bytes: &[u8]) -> Option<(usize, bool)> {
    let count = usize::from(*bytes.get(1)?);
    let methods = bytes.get(2..2 + count)?;
    Some((2 + count, methods.contains(&0)))
}

/// A request to connect: where to, and how long it is. None: more is needed. The error is a [`code`].
pub fn request(bytes: &[u8]) -> Result<Option<(String, u16, usize)>, u8> {
    match bytes.first() {
        Some(&VERSION) | None => {}
        Some(_) => return Err(code::FAILED),
    }
    if bytes.get(1).is_some_and(|command| *command != 1) {
        return Err(code::NO_SUCH_COMMAND);
    }
    let Some(kind) = bytes.get(3) else { return Ok(None) };
    let rest = &bytes[4..];
    let (host, used) = match kind {
        1 => match rest.first_chunk::<4>() {
            Some(octets) => (Host::Ip(IpAddr::V4(Ipv4Addr::from(*octets))).to_string(), 4),
            None => return Ok(None),
        },
        4 => match rest.first_chunk::<16>() {
            Some(octets) => (Host::Ip(IpAddr::V6(Ipv6Addr::from(*octets))).to_string(), 16),
            None => return Ok(None),
        },
        3 => {
            let Some(length) = rest.first().map(|length| usize::from(*length)) else { return Ok(None) };
            let Some(name) = rest.get(1..1 + length) else { return Ok(None) };
            if !name.is_ascii() {
                return Err(code::NO_SUCH_ADDRESS);
            }
            (String::from_utf8_lossy(name).into_owned(), 1 + length)
        }
        _ => return Err(code::NO_SUCH_ADDRESS),
    };
    let Some(port) = rest.get(used..).and_then(|rest| rest.first_chunk::<2>()) else { return Ok(None) };
    Ok(Some((host, u16::from_be_bytes(*port), 4 + used + 2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_whole() {
        let name = [&[5, 1, 0, 3, 11][..], b"example.com", &[1, 187]].concat();
        assert_eq!(request(&name), Ok(Some(("example.com".to_owned(), 443, name.len()))));
        let v4 = [5, 1, 0, 1, 10, 0, 0, 1, 0, 80];
        assert_eq!(request(&v4), Ok(Some(("10.0.0.1".to_owned(), 80, 10))));
        let v6 = [&[5, 1, 0, 4][..], &Ipv6Addr::LOCALHOST.octets(), &[0, 80]].concat();
        assert_eq!(request(&v6), Ok(Some(("[::1]".to_owned(), 80, 22))));
        for whole in [&name[..], &v4, &v6] {
            for cut in 0..whole.len() {
                assert_eq!(request(&whole[..cut]), Ok(None));
            }
        }
        assert_eq!(request(&[5, 2]), Err(code::NO_SUCH_COMMAND), "BIND");
        assert_eq!(request(&[5, 3]), Err(code::NO_SUCH_COMMAND), "UDP");
        assert_eq!(request(&[5, 1, 0, 9, 1]), Err(code::NO_SUCH_ADDRESS));
        assert_eq!(request(&[4, 1]), Err(code::FAILED));
        assert_eq!(request(&[5, 1, 0, 3, 1, 0xff, 0, 80]), Err(code::NO_SUCH_ADDRESS));
    }

    #[test]
    fn greetings() {
        assert_eq!(greeting(&[5, 2, 2, 0, 9]), Some((4, true)));
        assert_eq!(greeting(&[5, 1, 2]), Some((3, false)));
        assert_eq!(greeting(&[5, 2, 0]), None);
        assert_eq!(greeting(&[5]), None);
    }
}
