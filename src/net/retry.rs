//! When a request is worth another try, and how long to wait before it. Pure: who waits is `client`.

use super::date;
use std::time::Duration;

/// A server may ask for any wait; longer than this nobody waits for it.
pub const MAX_WAIT: Duration = Duration::from_secs(60);

/// How often and how patiently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all; 1 is no retry.
    pub attempts: u32,
    /// The first wait; each later one is twice as long.
    pub first: Duration,
    /// The longest wait that a server may cause, [`MAX_WAIT`] at most.
    pub longest: Duration,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry { attempts: 4, first: Duration::from_millis(300), longest: MAX_WAIT }
    }
}

impl Retry {
    /// How long to wait after attempt number `attempt` (from 1); none when that was the last one.
    ///
    /// `asked` is what the server's `Retry-After` comes to. `chance` in 0..1 spreads clients that failed together.
    pub fn wait(&self, attempt: u32, asked: Option<Duration>, chance: f64) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let growing = self.first.saturating_mul(1 << (attempt - 1).min(6)).min(Duration::from_secs(5));
        let jitter = self.first.mul_f64(chance.clamp(0.0, 1.0));
        let wait = match asked {
            Some(asked) => asked.min(self.longest.min(MAX_WAIT)),
            None => growing,
        };
        Some(wait + jitter)
    }
}

/// Statuses that may be gone with the next attempt: too many requests, and the server's own troubles.
pub fn worth(status: u16) -> bool {
    matches!(status, 429 | 500 | 502..=504 | 520..=524)
}

/// Statuses that say the request was not looked at, so that it may be sent again whatever it does.
pub fn untouched(status: u16) -> bool {
    matches!(status, 429 | 503)
}

/// `Retry-After`: seconds, or a date (RFC 9110, 10.2.3). `now` is seconds since 1970.
pub fn after(header: &str, now: u64) -> Option<Duration> {
    let header = header.trim();
    if !header.is_empty() && header.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than fit are longer than anyone waits.
        return Some(Duration::from_secs(header.parse().unwrap_or(u64::MAX)));
    }
    date::parse(header).map(|then| Duration::from_secs(then.saturating_sub(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let retry = Retry::default();
        let waits: Vec<u128> = (1..5)
            .filter_map(|attempt| retry.wait(attempt, None, 0.0))
            .map(|wait| wait.as_millis())
            .collect();
        assert_eq!(waits, [300, 600, 1200]);
        assert_eq!(retry.wait(1, None, 1.0).unwrap().as_millis(), 600);
        assert_eq!(retry.wait(4, Some(Duration::ZERO), 0.0), None);
    }

    #[test]
    fn a_server_may_ask_for_a_minute_at_most() {
        let retry = Retry::default();
        for header in ["3600", "99999999999999999999999", "Fri, 01 Jan 2100 00:00:00 GMT"] {
            let asked = after(header, 1_700_000_000);
            assert_eq!(retry.wait(1, asked, 0.0), Some(MAX_WAIT), "{header}");
        }
        assert_eq!(retry.wait(1, after("2", 0), 0.0), Some(Duration::from_secs(2)));
        assert_eq!(after("Thu, 01 Jan 1970 00:00:09 GMT", 5), Some(Duration::from_secs(4)));
        assert_eq!(after("Thu, 01 Jan 1970 00:00:09 GMT", 50), Some(Duration::ZERO));
        for bad in ["", "-1", "1.5", "soon"] {
            assert_eq!(after(bad, 0), None, "{bad}");
        }
    }
}
