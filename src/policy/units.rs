//! Sizes and times with their units: `2GiB`, `1h30m`. A number without a unit is refused, for nobody agrees on it.

use std::time::Duration;

const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

const TIMES: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Bytes, more than none.
pub fn size(text: &str) -> Option<u64> {
    let (number, unit, rest) = piece(text)?;
    let (_, factor) = SIZES.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor).filter(|bytes| *bytes > 0 && rest.is_empty())
}

/// A time, longer than none and at most ten years.
pub fn duration(text: &str) -> Option<Duration> {
    let mut total: u64 = 0;
    let mut rest = text;
    let mut last = u64::MAX;
    while !rest.is_empty() {
        let (number, unit, after) = piece(rest)?;
        let (_, factor) = TIMES.iter().find(|(name, _)| *name == unit)?;
        // `1h30m`, but neither `30m1h` nor `1h1h`.
        if *factor >= last {
            return None;
        }
        (last, rest) = (*factor, after);
        total = total.checked_add(number.checked_mul(*factor)?)?;
    }
    (1..=10 * 365 * 86_400_000).contains(&total).then(|| Duration::from_millis(total))
}

/// A number, its unit, and what follows.
fn piece(text: &str) -> Option<(u64, &str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 0)?;
    let (number, rest) = text.split_at(digits);
    let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    Some((number.parse().ok()?, unit, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times() {
        for (text, bytes) in
            [("2GiB", Some(2 << 30)), ("5MB", Some(5_000_000)), ("1B", Some(1)), ("0MiB", None), ("5", None)]
        {
            assert_eq!(size(text), bytes, "{text}");
        }
        for bad in ["", "GiB", "1 GiB", "1.5GiB", "-1GiB", "1gib", "99999999999999TiB", "1GiB2MiB", "1é"] {
            assert_eq!(size(bad), None, "{bad}");
        }
        for (text, millis) in [("10m", 600_000), ("1h30m", 5_400_000), ("500ms", 500), ("1d", 86_400_000)] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["", "10", "m", "0s", "1m1h", "1h1h", "1y", "99999999999d", "1h ", "٣m"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }
}
