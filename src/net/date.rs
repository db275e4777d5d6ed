//! The one date format of HTTP headers, to seconds and back. Not a calendar library.

use crate::clock;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7: IMF-fixdate, the only form to be sent).
pub fn parse(text: &str) -> Option<u64> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = words.as_slice() else { return None };
    let number = |text: &str, most: u64| text.parse::<u64>().ok().filter(|number| *number <= most);
    let day = number(day, 31).filter(|day| *day > 0)?;
    let month = MONTHS.iter().position(|name| name == month)? as u64 + 1;
    let year = number(year, 9999).filter(|year| *year >= 1970)?;
    let mut clock = time.split(':');
    let mut part = |most| number(clock.next()?, most);
    let (hour, minute, second) = (part(23)?, part(59)?, part(60)?);
    Some(clock::days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// The same form, from seconds since 1970.
pub fn write(seconds: u64) -> String {
    // 1970 began on a Thursday.
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let days = seconds / 86_400;
    let (year, month, day) = clock::civil(days);
    let name = DAYS.get((days % 7) as usize).copied().unwrap_or_default();
    let month = MONTHS.get((month as usize).wrapping_sub(1)).copied().unwrap_or_default();
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{name}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates_are_seconds() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Thu, 29 Feb 2024 23:59:59 GMT", 1_709_251_199),
        ] {
            assert_eq!(super::parse(text), Some(seconds), "{text}");
            assert_eq!(super::write(seconds), text);
        }
        for bad in ["", "soon", "Sun, 06 Nov 1994 08:49 GMT", "Sun, 00 Nov 1994 08:49:37 GMT", "6 Nov 94"] {
            assert_eq!(super::parse(bad), None, "{bad}");
        }
    }
}
