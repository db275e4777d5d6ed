//! Hosts in a policy: names, patterns, addresses, ports. The only host matcher there is; it resolves nothing.
//!
//! Names are compared as A-labels in lower case. Letters outside ASCII are turned into A-labels only where that takes
//! nothing but lower-casing and Punycode; what IDNA would map, compose or forbid is refused with the advice to write
//! the A-label (`xn--…`) itself. That needs no tables and can only refuse too much, never mean another host.

use super::idna;
use crate::sort;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a policy may say for `host`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// An A-label name in lower case, without a dot at the end.
    Exact(String),
    /// `*.example.com`, kept as `example.com`: any depth below it, not itself.
    Below(String),
    /// `*`: any name but `localhost`, and any public address.
    Any,
    Ip(IpAddr),
    /// Network address and prefix length.
    Cidr(IpAddr, u8),
}

/// A host that somebody wants to reach.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    Name(String),
    /// An IPv4 address in an IPv6 coat is kept as IPv4.
    Ip(IpAddr),
}

/// Sorted, without repeats, never empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports(Vec<u16>);

impl Ports {
    /// None when there are none.
    pub fn new(mut ports: Vec<u16>) -> Option<Ports> {
        sort::plain(&mut ports);
        ports.dedup();
        (!ports.is_empty()).then_some(Ports(ports))
    }

    pub fn iter(&self) -> impl Iterator<Item = u16> {
        self.0.iter().copied()
    }

    pub fn contains(&self, port: u16) -> bool {
        self.0.binary_search(&port).is_ok()
    }
}

impl Default for Ports {
    /// HTTPS.
    fn default() -> Ports {
        Ports(vec![443])
    }
}

impl Host {
    /// A name or an address, as in a URL: IPv6 in brackets or bare. The error says what is wrong.
    pub fn parse(text: &str) -> Result<Host, String> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or("`[` without `]`")?;
            return ipv6(inner).map(Host::Ip);
        }
        if text.contains(':') {
            return ipv6(text).map(Host::Ip);
        }
        let name = idna::to_ascii(text)?;
        let last = name.rsplit('.').next().unwrap_or("");
        let hex = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        if !hex && !last.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Host::Name(name));
        }
        // Some programs read `0x7f.1`, `0177.0.0.1` or `2130706433` as an address. One spelling has one meaning here.
        match name.parse::<Ipv4Addr>() {
            Ok(address) => Ok(Host::Ip(IpAddr::V4(address))),
            Err(_) => {
                Err(format!("`{text}` is no usual IPv4 address (four numbers from 0 to 255, no leading 0)"))
            }
        }
    }
}

fn ipv6(text: &str) -> Result<IpAddr, String> {
    if text.contains('%') {
        return Err(format!("`{text}` has a zone, which only means something on one machine"));
    }
    let address: Ipv6Addr = text.parse().map_err(|_| format!("`{text}` is not an IPv6 address"))?;
    Ok(plain(IpAddr::V6(address)))
}

/// An IPv4 address in an IPv6 coat without the coat.
pub fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Ip(IpAddr::V6(v6)) => write!(f, "[{v6}]"),
            Host::Ip(v4) => write!(f, "{v4}"),
        }
    }
}

impl HostPattern {
    pub fn parse(text: &str) -> Result<HostPattern, String> {
        if text == "*" {
            return Ok(HostPattern::Any);
        }
        if text.contains("://") {
            return Err(format!("`{text}` is a URL: write the host alone"));
        }
        if let Some((network, length)) = text.split_once('/') {
            return cidr(text, network, length);
        }
        if let Some(above) = text.strip_prefix("*.") {
            return match Host::parse(above)? {
                Host::Name(name) => Ok(HostPattern::Below(name)),
                Host::Ip(_) => Err(format!(
                    "`{text}`: an address has nothing below it; write a network such as 10.0.0.0/8"
                )),
            };
        }
        if text.contains('*') {
            return Err(format!("`{text}`: `*` stands for whole names in front: `*.example.com`, or alone"));
        }
        if let Some((host, port)) = text.rsplit_once(':')
            && !host.contains(':')
            && port.bytes().all(|b| b.is_ascii_digit())
        {
            return Err(format!("`{text}` has a port: write `ports = [{port}]` beside `host = \"{host}\"`"));
        }
        Ok(match Host::parse(text)? {
            Host::Name(name) => HostPattern::Exact(name),
            Host::Ip(address) => HostPattern::Ip(address),
        })
    }

    /// Whether a rule with this pattern lets the host through. `*` is for the public network: it covers neither
    /// `localhost` nor addresses that are not public.
    pub fn allows(&self, host: &Host) -> bool {
        match (self, host) {
            (HostPattern::Any, Host::Name(name)) => name != "localhost" && !name.ends_with(".localhost"),
            (HostPattern::Any, Host::Ip(address)) => class(*address) == Class::Public,
            _ => self.covers(host),
        }
    }

    /// Whether the pattern stands for the host. This is what a deny goes by.
    pub fn covers(&self, host: &Host) -> bool {
        match (self, host) {
            (HostPattern::Any, _) => true,
            (HostPattern::Exact(exact), Host::Name(name)) => exact == name,
            (HostPattern::Below(above), Host::Name(name)) => {
                name.strip_suffix(above.as_str()).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
            }
            (HostPattern::Ip(ip), Host::Ip(address)) => ip == address,
            (HostPattern::Cidr(network, length), Host::Ip(address)) => {
                masked(*address, *length) == Some(*network)
            }
            _ => false,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Exact(name) => f.write_str(name),
            HostPattern::Below(name) => write!(f, "*.{name}"),
            HostPattern::Any => f.write_str("*"),
            HostPattern::Ip(ip) => write!(f, "{ip}"),
            HostPattern::Cidr(network, length) => write!(f, "{network}/{length}"),
        }
    }
}

fn cidr(text: &str, network: &str, length: &str) -> Result<HostPattern, String> {
    let bad = || format!("`{text}` is not a network such as 10.0.0.0/8 or fd00::/8");
    let address: IpAddr = network.parse().map_err(|_| bad())?;
    if plain(address) != address {
        return Err(format!("`{text}`: write the IPv4 network"));
    }
    let digits = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
    let length = length.parse::<u8>().ok().filter(|_| digits).ok_or_else(bad)?;
    let start = masked(address, length).ok_or_else(bad)?;
    if start != address {
        return Err(format!("`{text}` is not where the network begins: write {start}/{length}"));
    }
    Ok(HostPattern::Cidr(address, length))
}

/// The first address of the network of that length; none if an address has fewer bits.
fn masked(address: IpAddr, length: u8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32_u32.checked_sub(length.into())?).unwrap_or(0);
            Some(IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask)))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128_u32.checked_sub(length.into())?).unwrap_or(0);
            Some(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask)))
        }
    }
}

/// What kind of place an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// On the internet.
    Public,
    Loopback,
    /// RFC 1918, unique local.
    Private,
    /// Cloud metadata services, which hand out credentials.
    Metadata,
    LinkLocal,
    /// Shared by the customers of a provider, RFC 6598.
    Shared,
    Multicast,
    /// An IPv4 address inside an IPv6 one (NAT64, 6to4, Teredo, compatible): where it leads is not what it says.
    Embedded,
    /// This network, broadcast, documentation, benchmarks, future use.
    Reserved,
}

/// Addresses and what they are; the first network that holds an address counts. Not listed is public.
const CLASSES: &[(&str, u8, Class)] = &[
    ("169.254.169.254", 32, Class::Metadata),
    ("169.254.170.2", 32, Class::Metadata),
    ("169.254.170.23", 32, Class::Metadata),
    ("100.100.100.200", 32, Class::Metadata),
    ("168.63.129.16", 32, Class::Metadata),
    ("192.0.0.192", 32, Class::Metadata),
    ("0.0.0.0", 8, Class::Reserved),
    ("10.0.0.0", 8, Class::Private),
    ("100.64.0.0", 10, Class::Shared),
    ("127.0.0.0", 8, Class::Loopback),
    ("169.254.0.0", 16, Class::LinkLocal),
    ("172.16.0.0", 12, Class::Private),
    ("192.0.0.0", 24, Class::Reserved),
    ("192.0.2.0", 24, Class::Reserved),
    ("192.88.99.0", 24, Class::Reserved),
    ("192.168.0.0", 16, Class::Private),
    ("198.18.0.0", 15, Class::Reserved),
    ("198.51.100.0", 24, Class::Reserved),
    ("203.0.113.0", 24, Class::Reserved),
    ("224.0.0.0", 4, Class::Multicast),
    ("240.0.0.0", 4, Class::Reserved),
    ("fd00:ec2::254", 128, Class::Metadata),
    ("fd00:ec2::23", 128, Class::Metadata),
    ("fd20:ce::254", 128, Class::Metadata),
    ("::1", 128, Class::Loopback),
    ("::", 128, Class::Reserved),
    ("::", 96, Class::Embedded),
    ("::ffff:0:0:0", 96, Class::Embedded),
    ("64:ff9b::", 96, Class::Embedded),
    ("64:ff9b:1::", 48, Class::Embedded),
    ("2001::", 32, Class::Embedded),
    ("2002::", 16, Class::Embedded),
    ("2001::", 23, Class::Reserved),
    ("2001:db8::", 32, Class::Reserved),
    ("3fff::", 20, Class::Reserved),
    ("fe80::", 10, Class::LinkLocal),
    ("fec0::", 10, Class::Private),
    ("fc00::", 7, Class::Private),
    ("ff00::", 8, Class::Multicast),
    // Only this block is handed out to the internet.
    ("2000::", 3, Class::Public),
    ("::", 0, Class::Reserved),
];

pub fn class(address: IpAddr) -> Class {
    let address = plain(address);
    let found = CLASSES.iter().find(|(network, length, _)| {
        network.parse::<IpAddr>().is_ok_and(|network| {
            network.is_ipv4() == address.is_ipv4() && masked(address, *length) == Some(network)
        })
    });
    found.map_or(Class::Public, |(_, _, class)| *class)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(pattern: &str, host: &str) -> bool {
        HostPattern::parse(pattern).unwrap().allows(&Host::parse(host).unwrap())
    }

    #[test]
    fn patterns_and_hosts() {
        for (pattern, host, expected) in [
            ("example.com", "example.com", true),
            ("Example.COM.", "EXAMPLE.com", true),
            ("example.com", "example.com.", true),
            ("example.com", "www.example.com", false),
            ("example.com", "example.com.evil.net", false),
            ("*.example.com", "www.example.com", true),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "notexample.com", false),
            ("*.example.com", "example.com.evil.net", false),
            ("*", "example.com", true),
            ("*", "8.8.8.8", true),
            ("*", "localhost", false),
            ("*", "api.localhost", false),
            ("*", "127.0.0.1", false),
            ("*", "10.1.2.3", false),
            ("*", "169.254.169.254", false),
            ("*", "[::1]", false),
            ("*", "::ffff:127.0.0.1", false),
            ("*", "64:ff9b::7f00:1", false),
            ("localhost", "localhost", true),
            ("localhost", "127.0.0.1", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "[::ffff:127.0.0.1]", true),
            ("::1", "[::1]", true),
            ("::1", "0:0:0:0:0:0:0:1", true),
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("fd00::/8", "fd12::1", true),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "::1", false),
            ("münchen.de", "xn--mnchen-3ya.de", true),
            ("MÜNCHEN.de", "münchen.DE", true),
            ("*.xn--mnchen-3ya.de", "www.münchen.de", true),
            ("_dmarc.example.com", "_dmarc.example.com", true),
        ] {
            assert_eq!(allows(pattern, host), expected, "{pattern} {host}");
        }
        assert!(HostPattern::Any.covers(&Host::parse("localhost").unwrap()));
    }

    #[test]
    fn what_is_no_pattern_is_told_why() {
        for (text, said) in [
            ("", "empty"),
            ("https://example.com", "URL"),
            ("example.com:443", "ports = [443]"),
            ("*example.com", "whole names"),
            ("a.*.com", "whole names"),
            ("*.*.com", "no host name may hold"),
            ("*.1.2.3.4", "10.0.0.0/8"),
            ("127.1", "no usual IPv4"),
            ("0x7f.0.0.1", "no usual IPv4"),
            ("0177.0.0.1", "no usual IPv4"),
            ("2130706433", "no usual IPv4"),
            ("1.2.3.0xff", "no usual IPv4"),
            ("1.2.3.256", "no usual IPv4"),
            ("fe80::1%eth0", "zone"),
            ("[::1", "without"),
            ("10.0.0.1/8", "write 10.0.0.0/8"),
            ("10.0.0.0/33", "not a network"),
            ("10.0.0.0/+8", "not a network"),
            ("::ffff:10.0.0.0/104", "IPv4"),
            ("a b.com", "may hold"),
            ("a..com", "empty"),
            ("-a.com", "hyphen"),
            ("a@b.com", "may hold"),
            ("a\\b", "may hold"),
            ("ex\u{200b}ample.com", "xn--"),
            ("ｅxample.com", "xn--"),
            ("e\u{301}.com", "xn--"),
            ("a。com", "xn--"),
        ] {
            let error = HostPattern::parse(text).expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
        assert!(HostPattern::parse(&"a".repeat(64)).is_err());
        assert!(HostPattern::parse(&"a.".repeat(128)).is_err());
    }

    #[test]
    fn addresses_have_a_class() {
        for (address, expected) in [
            ("8.8.8.8", Class::Public),
            ("2606:4700::1", Class::Public),
            ("127.9.9.9", Class::Loopback),
            ("::1", Class::Loopback),
            ("192.168.1.1", Class::Private),
            ("fd00::1", Class::Private),
            ("169.254.169.254", Class::Metadata),
            ("fd00:ec2::254", Class::Metadata),
            ("169.254.1.1", Class::LinkLocal),
            ("fe80::1", Class::LinkLocal),
            ("100.64.0.1", Class::Shared),
            ("239.1.1.1", Class::Multicast),
            ("ff02::1", Class::Multicast),
            ("2002:7f00:1::", Class::Embedded),
            ("::7f00:1", Class::Embedded),
            ("::ffff:10.0.0.1", Class::Private),
            ("0.0.0.0", Class::Reserved),
            ("255.255.255.255", Class::Reserved),
            ("2001:db8::1", Class::Reserved),
            ("4000::1", Class::Reserved),
        ] {
            assert_eq!(class(address.parse().unwrap()), expected, "{address}");
        }
        for (network, length, _) in CLASSES {
            let network: IpAddr = network.parse().expect(network);
            assert_eq!(masked(network, *length), Some(network), "{network}/{length}");
        }
    }
}
