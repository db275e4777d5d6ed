//! What the front counts, and its text form for Prometheus. Counts nothing about skills.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the durations, in microseconds, and how Prometheus is told them, in seconds.
const BOUNDS: [(u64, &str); 11] = [
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (500_000, "0.5"),
    (2_500_000, "2.5"),
    (10_000_000, "10"),
];

/// Counters since the start; all of them only grow.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Answers of 2xx, 3xx, 4xx, 5xx.
    classes: [AtomicU64; 4],
    /// Answers by how long they took, from the whole head until the kernel had the answer; the last has no bound.
    durations: [AtomicU64; BOUNDS.len() + 1],
    /// Microseconds of all answers.
    taken: AtomicU64,
    pub accepted: AtomicU64,
    pub closed: AtomicU64,
    /// Not let in: too many connections of one address.
    pub turned_away: AtomicU64,
    /// How often nobody was let in for a moment: too many connections in all, or no descriptors left.
    pub full: AtomicU64,
    /// Idle connections closed to make room.
    pub evicted: AtomicU64,
    /// Closed because they were too slow.
    pub timed_out: AtomicU64,
    /// Refused by the front itself: malformed, too large, too slow.
    pub refused: AtomicU64,
    /// Answered 503 because all workers were busy.
    pub busy: AtomicU64,
    /// Bytes of requests and of answers, heads included.
    pub received: AtomicU64,
    pub sent: AtomicU64,
}

impl Metrics {
    pub(super) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }

    pub(super) fn answered(&self, status: u16, took: Duration) {
        let class = usize::from(status / 100).saturating_sub(2).min(3);
        if let Some(counter) = self.classes.get(class) {
            Metrics::add(counter, 1);
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let place = BOUNDS.iter().position(|(bound, _)| micros <= *bound).unwrap_or(BOUNDS.len());
        if let Some(counter) = self.durations.get(place) {
            Metrics::add(counter, 1);
        }
        Metrics::add(&self.taken, micros);
    }

    /// Connections that are open now.
    pub fn open(&self) -> u64 {
        let closed = self.closed.load(Ordering::Relaxed);
        self.accepted.load(Ordering::Relaxed).saturating_sub(closed)
    }

    /// Answers so far.
    pub fn answers(&self) -> u64 {
        self.classes.iter().map(|counter| counter.load(Ordering::Relaxed)).sum()
    }

    /// The text format of Prometheus, version 0.0.4.
    pub fn text(&self) -> String {
        let mut out = String::with_capacity(3 << 10);
        // Writing to a string cannot fail.
        let mut family = |name: &str, kind: &str, help: &str, series: &[(&str, u64)]| {
            let _ = write!(out, "# HELP weft_hub_{name} {help}\n# TYPE weft_hub_{name} {kind}\n");
            for (labels, value) in series {
                let _ = writeln!(out, "weft_hub_{name}{labels} {value}");
            }
        };
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let [two, three, four, five] = self.classes.each_ref().map(get);
        let classes = [
            ("{class=\"2xx\"}", two),
            ("{class=\"3xx\"}", three),
            ("{class=\"4xx\"}", four),
            ("{class=\"5xx\"}", five),
        ];
        family("http_answers_total", "counter", "Answers by class of their status.", &classes);
        for (name, help, counter) in [
            ("http_connections_accepted_total", "Connections let in.", &self.accepted),
            (
                "http_connections_turned_away_total",
                "Connections not let in: too many of one address.",
                &self.turned_away,
            ),
            ("http_full_total", "Times nobody was let in: too many connections in all.", &self.full),
            ("http_connections_evicted_total", "Idle connections closed to make room.", &self.evicted),
            ("http_timeouts_total", "Connections closed because they were too slow.", &self.timed_out),
            ("http_refused_total", "Requests that were malformed, too large or too slow.", &self.refused),
            ("http_busy_total", "Requests answered 503 because all workers were busy.", &self.busy),
            ("http_received_bytes_total", "Bytes of requests.", &self.received),
            ("http_sent_bytes_total", "Bytes of answers.", &self.sent),
        ] {
            family(name, "counter", help, &[("", get(counter))]);
        }
        family("http_connections", "gauge", "Connections that are open.", &[("", self.open())]);
        out.push_str("# HELP weft_hub_http_duration_seconds From the whole head of a request until its answer was handed to the kernel.\n# TYPE weft_hub_http_duration_seconds histogram\n");
        let mut sum = 0;
        let bounds = BOUNDS.iter().map(|(_, name)| *name).chain(["+Inf"]);
        for (counter, bound) in self.durations.iter().zip(bounds) {
            sum += get(counter);
            let _ = writeln!(out, "weft_hub_http_duration_seconds_bucket{{le=\"{bound}\"}} {sum}");
        }
        let taken = get(&self.taken);
        let (seconds, micros) = (taken / 1_000_000, taken % 1_000_000);
        let _ = writeln!(out, "weft_hub_http_duration_seconds_sum {seconds}.{micros:06}");
        let _ = writeln!(out, "weft_hub_http_duration_seconds_count {sum}");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_adds_up() {
        let metrics = Metrics::default();
        metrics.answered(200, Duration::from_micros(500));
        metrics.answered(404, Duration::from_millis(3));
        metrics.answered(503, Duration::from_secs(60));
        let text = metrics.text();
        for line in [
            "weft_hub_http_answers_total{class=\"2xx\"} 1",
            "weft_hub_http_answers_total{class=\"5xx\"} 1",
            "weft_hub_http_duration_seconds_bucket{le=\"0.0005\"} 1",
            "weft_hub_http_duration_seconds_bucket{le=\"0.005\"} 2",
            "weft_hub_http_duration_seconds_bucket{le=\"+Inf\"} 3",
            "weft_hub_http_duration_seconds_sum 60.003500",
            "weft_hub_http_connections 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert_eq!(metrics.answers(), 3);
    }
}
