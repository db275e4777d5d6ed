//! How much one user or address may ask for: so many requests in each minute of the clock, by kind. Says it in headers.

use super::http::Response;
use super::state::AccountId;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Read,
    Write,
    Download,
    Export,
    /// Not counted: what machines ask all the time.
    Free,
}

/// Requests a minute, from an address and from a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub address: u32,
    pub user: u32,
}

/// The rates of all kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    pub read: Rate,
    pub write: Rate,
    pub download: Rate,
    pub export: Rate,
}

impl Default for Rates {
    /// As ClawHub has them.
    fn default() -> Rates {
        Rates {
            read: Rate { address: 3000, user: 12_000 },
            write: Rate { address: 300, user: 3000 },
            download: Rate { address: 1200, user: 6000 },
            export: Rate { address: 10, user: 60 },
        }
    }
}

/// Admins may ask so many times as often.
const ADMIN: u32 = 10;
/// The length of a window, in seconds.
const WINDOW: u64 = 60;
/// More than so many in one window are not told apart: then nobody new gets in before the next.
const MOST: usize = 200_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Who {
    User(AccountId),
    /// An IPv4 address, or the network of an IPv6 one: whoever has one of its addresses has all.
    Address(u64),
}

/// Counts.
#[derive(Debug, Default)]
pub struct Limiter {
    rates: Rates,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    window: u64,
    counts: HashMap<(Kind, Who), u32>,
}

/// How one request was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    limit: u32,
    /// Seconds since 1970 when the window ends, and how far that is.
    reset: u64,
    delay: u64,
    pub verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Within,
    Over,
    /// It cannot be counted: come back in a second.
    Unknown,
}

impl Limiter {
    pub fn new(rates: Rates) -> Limiter {
        Limiter { rates, ..Limiter::default() }
    }

    /// Counts a request: against its user, if it has one, and else against where it comes from. `now` in seconds since 1970.
    pub fn count(&self, kind: Kind, user: Option<(AccountId, bool)>, address: IpAddr, now: u64) -> Counted {
        let rate = match kind {
            Kind::Read | Kind::Free => self.rates.read,
            Kind::Write => self.rates.write,
            Kind::Download => self.rates.download,
            Kind::Export => self.rates.export,
        };
        let (who, limit) = match user {
            Some((id, true)) => (Who::User(id), rate.user.saturating_mul(ADMIN)),
            Some((id, false)) => (Who::User(id), rate.user),
            None => (Who::Address(network(address)), rate.address),
        };
        let window = now / WINDOW;
        let reset = (window + 1) * WINDOW;
        let verdict =
            if kind == Kind::Free { Verdict::Within } else { self.verdict((kind, who), limit, window) };
        Counted { limit, reset, delay: reset - now, verdict }
    }

    fn verdict(&self, key: (Kind, Who), limit: u32, window: u64) -> Verdict {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.window != window {
            counts.window = window;
            counts.counts.clear();
        }
        if counts.counts.len() >= MOST && !counts.counts.contains_key(&key) {
            return Verdict::Unknown;
        }
        let count = counts.counts.entry(key).or_default();
        *count = count.saturating_add(1);
        if *count > limit { Verdict::Over } else { Verdict::Within }
    }
}

fn network(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => u64::from(v4.to_bits()),
            // Global networks begin with a bit that no 32-bit number has.
            None => (v6.to_bits() >> 64) as u64,
        },
    }
}

impl Counted {
    /// The headers that every answer has.
    pub fn tell(&self, response: Response) -> Response {
        let response = response
            .with("X-RateLimit-Limit", self.limit.to_string())
            .with("X-RateLimit-Reset", self.reset.to_string())
            .with("RateLimit-Limit", self.limit.to_string())
            .with("RateLimit-Reset", self.delay.to_string());
        match self.verdict {
            Verdict::Over => response
                .with("X-RateLimit-Remaining", "0")
                .with("RateLimit-Remaining", "0")
                .with("Retry-After", self.delay.to_string()),
            _ => response,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_and_users_are_apart() {
        let rate = Rate { address: 2, user: 3 };
        let limiter = Limiter::new(Rates { write: rate, ..Rates::default() });
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let ask = |user, address, now| limiter.count(Kind::Write, user, address, now).verdict;
        assert_eq!(ask(None, address, 60), Verdict::Within);
        assert_eq!(ask(None, address, 61), Verdict::Within);
        assert_eq!(ask(None, address, 119), Verdict::Over);
        assert_eq!(ask(None, "::ffff:192.0.2.1".parse().unwrap(), 119), Verdict::Over);
        assert_eq!(ask(None, "192.0.2.2".parse().unwrap(), 119), Verdict::Within);
        assert_eq!(ask(Some((1, false)), address, 119), Verdict::Within);
        assert_eq!(limiter.count(Kind::Read, None, address, 119).verdict, Verdict::Within);
        assert_eq!(ask(None, address, 120), Verdict::Within);
        for (host, verdict) in [
            ("2001:db8::1", Verdict::Within),
            ("2001:db8::2", Verdict::Within),
            ("2001:db8::3", Verdict::Over),
        ] {
            assert_eq!(ask(None, host.parse().unwrap(), 120), verdict);
        }
        let over = limiter.count(Kind::Write, Some((7, true)), address, 130);
        assert_eq!((over.limit, over.reset, over.delay), (30, 180, 50));
    }

    #[test]
    fn strangers_without_number_do_not_fill_the_memory() {
        let limiter = Limiter::default();
        for n in 0..MOST as u64 {
            let address = IpAddr::V6(std::net::Ipv6Addr::from_bits(u128::from(n) << 64));
            assert_eq!(limiter.count(Kind::Read, None, address, 1).verdict, Verdict::Within);
        }
        let late: IpAddr = "192.0.2.1".parse().unwrap();
        assert_eq!(limiter.count(Kind::Read, None, late, 1).verdict, Verdict::Unknown);
        assert_eq!(limiter.count(Kind::Read, None, late, 60).verdict, Verdict::Within);
    }
}
