//! Numbers with a decimal point, for people to read. Whole numbers inside: the machinery for floating point takes 40 KB.

use std::time::Duration;

/// `value / unit` with so many decimals, rounded. `unit` is a power of ten with that many zeros at least.
pub fn fixed(value: u64, unit: u64, decimals: u32) -> String {
    let shift = 10_u64.pow(decimals);
    let step = (unit / shift).max(1);
    let rounded = value.saturating_add(step / 2) / step;
    format!("{}.{:0width$}", rounded / shift, rounded % shift, width = decimals as usize)
}

/// Seconds with as many decimals as needed, three at most.
pub fn seconds(time: Duration) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let text = fixed(millis, 1000, 3);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_a_person_writes() {
        assert_eq!(fixed(1_234, 1_000, 1), "1.2");
        assert_eq!(fixed(1_250, 1_000, 1), "1.3");
        assert_eq!(fixed(999_960, 1_000, 1), "1000.0");
        assert_eq!(fixed(7, 1_000_000, 3), "0.000");
        assert_eq!(fixed(61_005_499, 1_000_000, 3), "61.005");
        assert_eq!(fixed(u64::MAX, 10, 1), "1844674407370955161.5");
        assert_eq!(seconds(Duration::from_millis(1500)), "1.5");
        assert_eq!(seconds(Duration::from_secs(90)), "90");
        assert_eq!(seconds(Duration::from_millis(1)), "0.001");
    }
}
