//! Versions by Semantic Versioning 2.0.0, as far as a client needs them: which of two is older. Not ranges.

use std::cmp::Ordering;

/// Major, minor, patch; the parts of a pre-release; build metadata does not order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    numbers: [u64; 3],
    pre: Vec<String>,
}

impl Version {
    /// A strict version: three numbers without leading zeros, then optionally `-pre.release` and `+build`.
    pub fn parse(text: &str) -> Option<Version> {
        if text.len() > 128 {
            return None;
        }
        let (text, build) = match text.split_once('+') {
            Some((text, build)) => (text, Some(build)),
            None => (text, None),
        };
        let (core, pre) = match text.split_once('-') {
            Some((core, pre)) => (core, Some(pre)),
            None => (text, None),
        };
        let mut parts = core.split('.');
        let mut numbers = [0; 3];
        for number in &mut numbers {
            *number = parts.next().filter(|part| is_number(part))?.parse().ok()?;
        }
        let words = |text: &str| -> Option<Vec<String>> {
            let plain = |word: &&str| {
                !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            };
            text.split('.').map(|word| Some(word).filter(plain).map(str::to_owned)).collect()
        };
        if let Some(build) = build {
            words(build)?;
        }
        let pre = pre.map_or(Some(Vec::new()), words)?;
        let zeros = pre.iter().any(|word| is_digits(word) && !is_number(word));
        (parts.next().is_none() && !zeros).then_some(Version { numbers, pre })
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_number(text: &str) -> bool {
    is_digits(text) && (text.len() == 1 || !text.starts_with('0'))
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        let pre = || match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => {
                let pairs = self.pre.iter().zip(&other.pre);
                let unequal = pairs.map(|(a, b)| by_word(a, b)).find(|order| order.is_ne());
                unequal.unwrap_or_else(|| self.pre.len().cmp(&other.pre.len()))
            }
        };
        self.numbers.cmp(&other.numbers).then_with(pre)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn by_word(a: &str, b: &str) -> Ordering {
    match (is_digits(a), is_digits(b)) {
        // Without leading zeros the longer number is the larger one.
        (true, true) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_standard() {
        let sorted = [
            "0.0.0",
            "0.9.10",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.10.0",
            "2.0.0",
        ];
        let parsed: Vec<Version> = sorted.iter().map(|text| Version::parse(text).unwrap()).collect();
        for (index, a) in parsed.iter().enumerate() {
            for (other, b) in parsed.iter().enumerate() {
                assert_eq!(a.cmp(b), index.cmp(&other), "{a:?} {b:?}");
            }
        }
        assert_eq!(Version::parse("1.0.0+x").unwrap().cmp(&parsed[9]), Ordering::Equal);
    }

    #[test]
    fn what_is_no_version() {
        for bad in [
            "",
            "1",
            "1.0",
            "1.0.0.0",
            "01.0.0",
            "1.0.-1",
            "v1.0.0",
            "1.0.0-",
            "1.0.0-a..b",
            "1.0.0-01",
            "1.0.0+",
            "1.0.0 ",
            "1.0.x",
            "99999999999999999999.0.0",
        ] {
            assert_eq!(Version::parse(bad), None, "{bad}");
        }
    }
}
