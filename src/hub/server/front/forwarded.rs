//! Who asks, where a proxy of ours stands in between: `X-Forwarded-For` and `X-Forwarded-Proto`, believed only from addresses
//! that the configuration names. Everybody else may write there what they like.

use super::super::http::Head;
use crate::policy::host::{Host, HostPattern, plain};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The proxies that are believed.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    pub networks: Vec<HostPattern>,
    /// Whoever comes through a Unix socket.
    pub unix: bool,
}

impl Proxies {
    /// An address, a network such as `10.0.0.0/8`, or `unix`. The error says what is wrong.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        if text == "unix" {
            self.unix = true;
            return Ok(());
        }
        match HostPattern::parse(text)? {
            pattern @ (HostPattern::Ip(_) | HostPattern::Cidr(..)) => self.networks.push(pattern),
            _ => return Err(format!("`{text}` is no address and no network")),
        }
        Ok(())
    }

    /// None is a Unix socket.
    pub fn trusts(&self, peer: Option<IpAddr>) -> bool {
        peer.map_or(self.unix, |peer| {
            let host = Host::Ip(plain(peer));
            self.networks.iter().any(|network| network.covers(&host))
        })
    }

    /// Fills in who asks. `peer` is the other end of the connection; it is one of these proxies if `trusted`.
    pub fn fill(&self, head: &mut Head, peer: IpAddr, trusted: bool) {
        head.peer = peer;
        if !trusted {
            return;
        }
        let values = |name| head.headers.iter().rev().filter(move |(key, _)| key == name);
        head.secure = values("x-forwarded-proto")
            .next()
            .and_then(|(_, value)| value.rsplit(',').next())
            .is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"));
        // Each proxy adds whom it saw at the end: from there back to the first that is not ours.
        let mut asker = peer;
        for entry in values("x-forwarded-for").flat_map(|(_, value)| value.rsplit(',')) {
            let Some(address) = address(entry.trim()) else { break };
            asker = address;
            if !self.trusts(Some(address)) {
                break;
            }
        }
        head.peer = asker;
    }
}

/// An address, as proxies write it: with a port or without, IPv6 in brackets or bare.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let found = bare.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()));
    found.ok().map(plain)
}

/// Whom connections are counted for: an IPv4 address, or an IPv6 network of /64, which one household has.
pub fn counted(peer: IpAddr) -> IpAddr {
    match plain(peer) {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::super::head::parse;
    use super::*;

    fn who(lines: &str, peer: &str) -> (String, bool) {
        let mut proxies = Proxies::default();
        for one in ["127.0.0.1", "10.0.0.0/8", "fd00::/8"] {
            proxies.add(one).unwrap();
        }
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let mut head = parse(text.as_bytes()).unwrap().head;
        let peer: IpAddr = peer.parse().unwrap();
        proxies.fill(&mut head, peer, proxies.trusts(Some(peer)));
        (head.peer.to_string(), head.secure)
    }

    #[test]
    fn only_proxies_of_ours_are_believed() {
        let line = "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n";
        assert_eq!(who(line, "8.8.8.8"), ("8.8.8.8".into(), false));
        assert_eq!(who(line, "127.0.0.1"), ("1.2.3.4".into(), true));
        assert_eq!(who(line, "::ffff:127.0.0.1"), ("1.2.3.4".into(), true));
        for (line, wanted) in [
            ("X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.1.1.1\r\n", "1.2.3.4"),
            ("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4"),
            ("X-Forwarded-For: 6.6.6.6, junk\r\n", "127.0.0.1"),
            ("X-Forwarded-For: 6.6.6.6, junk, 10.0.0.1\r\n", "10.0.0.1"),
            ("X-Forwarded-For: 1.2.3.4:5555\r\n", "1.2.3.4"),
            ("X-Forwarded-For: [2001:db8::1]:80, fd00::1\r\n", "2001:db8::1"),
            ("X-Forwarded-For: 10.0.0.7, 10.0.0.1\r\n", "10.0.0.7"),
            ("X-Forwarded-For:\r\n", "127.0.0.1"),
            ("", "127.0.0.1"),
        ] {
            assert_eq!(who(line, "127.0.0.1"), (wanted.into(), false), "{line}");
        }
        assert_eq!(counted("2001:db8::1:2:3:4".parse().unwrap()).to_string(), "2001:db8::");
        assert!(Proxies::default().add("example.com").is_err() && Proxies::default().add("*").is_err());
    }
}
