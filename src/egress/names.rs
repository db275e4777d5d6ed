//! Names and the addresses that stand for them inside. Each allowed name that is asked for gets one address of a network that
//! only exists in the sandbox; who connects to that address has said by it which name is meant.
//!
//! The network is 198.18.0.0/15 (RFC 2544, benchmarks: never on the internet, seldom in a company). Addresses of 127.0.0.0/8
//! would do for the kernel, but programs take them for themselves: resolvers leave IPv4 out where only loopback addresses
//! are configured, and clients that guard against requests to their own machine refuse them.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// The network, the address of the resolver in it, and its prefix length.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
pub const PREFIX: u8 = 15;
/// So many names are known at most, about a hundred bytes each.
const MOST: usize = 32_768;

/// Whether an address belongs to the network.
pub fn is_ours(address: Ipv4Addr) -> bool {
    (address.to_bits() ^ RESOLVER.to_bits()) >> (32 - PREFIX) == 0
}

/// The names so far.
#[derive(Debug, Default)]
pub struct Names {
    numbers: HashMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
}

impl Names {
    /// The address of a name, now and for the rest of the run; none when there are too many.
    pub fn address(&mut self, name: &str) -> Option<Ipv4Addr> {
        let number = match self.numbers.get(name) {
            Some(number) => *number,
            None if self.names.len() >= MOST => return None,
            None => {
                let number = u32::try_from(self.names.len()).ok()?;
                let name: Arc<str> = name.into();
                self.names.push(name.clone());
                self.numbers.insert(name, number);
                number
            }
        };
        Some(Ipv4Addr::from_bits(RESOLVER.to_bits() + 1 + number))
    }

    /// The name behind an address.
    pub fn name(&self, address: Ipv4Addr) -> Option<&str> {
        let number = address.to_bits().checked_sub(RESOLVER.to_bits() + 1)?;
        self.names.get(usize::try_from(number).ok()?).map(|name| &**name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_go_there_and_back() {
        let mut names = Names::default();
        for at in 0..MOST {
            let name = format!("n{at}.example.com");
            let address = names.address(&name).unwrap();
            assert!(is_ours(address));
            assert_eq!(names.name(address), Some(name.as_str()));
            assert_eq!(names.address(&name), Some(address));
        }
        assert_eq!(names.address("one.more"), None);
        assert!(names.address("n7.example.com").is_some());
        for other in ["198.18.0.1", "198.18.0.0", "198.19.255.255", "127.0.0.1", "0.0.0.0"] {
            assert_eq!(names.name(other.parse().unwrap()), None);
        }
        assert!(is_ours("198.19.255.255".parse().unwrap()) && !is_ours("198.20.0.0".parse().unwrap()));
    }
}
