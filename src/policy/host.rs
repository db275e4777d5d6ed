//! Hosts in a policy: names, patterns, addresses, ports. The only host matcher there is; it resolves nothing.

use std::net::IpAddr;

/// What a policy may say for `host`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// An A-label name in lower case, without a dot at the end.
    Exact(String),
    /// `*.example.com`, kept as `example.com`: any depth below it, not itself.
    Below(String),
    /// `*`: any name, and any public address.
    Any,
    Ip(IpAddr),
    /// Network address and prefix length.
    Cidr(IpAddr, u8),
}

/// Sorted, without repeats, never empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports(Vec<u16>);

impl Ports {
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        self.0.iter().copied()
    }

    pub fn contains(&self, port: u16) -> bool {
        self.0.binary_search(&port).is_ok()
    }
}
