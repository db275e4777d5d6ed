//! Charts as inline SVG: bars over time, and rows of bars in parts. Text in them is escaped by whoever calls.

use crate::audit::time;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Widths of a bar in hours: an hour to a year. The first with few enough bars is taken.
const WIDTHS: &[u64] = &[1, 3, 6, 12, 24, 72, 168, 720, 2160, 8760];
const BARS: u64 = 60;

/// `3 hours`, `1 day`.
fn length(hours: u64) -> String {
    let (count, word) = if hours.is_multiple_of(24) { (hours / 24, "day") } else { (hours, "hour") };
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

fn day(hour: u64) -> String {
    time(hour.saturating_mul(3_600_000_000)).get(..16).unwrap_or_default().replace('T', " ")
}

/// Counts by hour since 1970 as bars; none where there is nothing to show.
pub fn over_time(hours: &BTreeMap<u64, u64>) -> Option<String> {
    let (first, last) = (*hours.keys().next()?, *hours.keys().next_back()?);
    let wide = WIDTHS.iter().copied().find(|wide| (last - first) / wide < BARS).unwrap_or(87_600);
    let start = first - first % wide;
    // A few more, so that one bar alone does not fill the picture.
    let count = ((last - start) / wide + 1).clamp(24, 4000);
    let mut bars: BTreeMap<u64, u64> = BTreeMap::new();
    for (hour, times) in hours {
        *bars.entry((hour - start) / wide).or_default() += times;
    }
    let most = bars.values().copied().max().unwrap_or(1).max(1);
    let (left, top, width, height) = (46, 12, 660, 120);
    let mut out = format!(
        "<svg viewBox=\"0 0 720 164\" role=\"img\" aria-label=\"Denied attempts over time: at most {most} in {}\">",
        length(wide)
    );
    for (share, label) in [(0, 0), (1, most.div_ceil(2)), (2, most)] {
        if share == 1 && most == 1 {
            continue;
        }
        let y = top + height - (label * height).checked_div(most).unwrap_or(0);
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{left}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/><text x=\"{}\" y=\"{}\" class=\"end\">{label}</text>",
            left + width,
            left - 6,
            y + 4
        );
    }
    for (at, times) in &bars {
        // In tenths, so that many thin bars stay apart.
        let (from, to) = (at * width * 10 / count, (at + 1) * width * 10 / count);
        let thick = (to - from).saturating_sub((to - from) / 6).clamp(8, 400);
        let tall = (times * height * 10 / most).max(15);
        let _ = write!(
            out,
            "<rect class=\"bar\" x=\"{}.{}\" y=\"{}.{}\" width=\"{}.{}\" height=\"{}.{}\"><title>{} UTC: {times} denied in {}</title></rect>",
            left + from / 10,
            from % 10,
            (top + height) - tall.div_ceil(10),
            0,
            thick / 10,
            thick % 10,
            tall.div_ceil(10),
            0,
            day(start + at * wide),
            length(wide)
        );
    }
    let _ = write!(
        out,
        "<text x=\"{left}\" y=\"152\">{}</text><text x=\"{}\" y=\"152\" class=\"end\">{} UTC</text></svg>",
        day(start),
        left + width,
        day(start + count * wide)
    );
    let _ = write!(out, "<p class=\"note\">One bar is {}.</p>", length(wide));
    Some(out)
}

/// A row of bars in parts: how many, the class that colours them, and what they are.
pub struct Row {
    /// Escaped.
    pub label: String,
    pub parts: Vec<(u64, &'static str, &'static str)>,
}

/// Rows of bars on one scale.
pub fn rows(title: &str, rows: &[Row]) -> String {
    let total = |row: &Row| row.parts.iter().map(|part| part.0).sum::<u64>();
    let most = rows.iter().map(total).max().unwrap_or(0).max(1);
    let (left, width, step) = (124, 296, 30);
    let mut out = format!(
        "<svg viewBox=\"0 0 460 {}\" role=\"img\" aria-label=\"{title}\">",
        rows.len() as u64 * step + 6
    );
    for (at, row) in rows.iter().enumerate() {
        let y = at as u64 * step + 4;
        let _ = write!(out, "<text x=\"{}\" y=\"{}\" class=\"end\">{}</text>", left - 10, y + 15, row.label);
        let mut x = left;
        for (count, class, what) in row.parts.iter().filter(|part| part.0 > 0) {
            let wide = (count * width / most).max(4);
            let _ = write!(
                out,
                "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"22\" rx=\"2\"><title>{}: {count} {what}</title></rect>",
                wide.saturating_sub(1).max(3),
                row.label
            );
            if wide > 22 {
                let _ =
                    write!(out, "<text x=\"{}\" y=\"{}\" class=\"in\">{count}</text>", x + wide / 2, y + 15);
            }
            x += wide;
        }
        let _ = write!(out, "<text x=\"{}\" y=\"{}\">{}</text>", x + 6, y + 15, total(row));
    }
    out.push_str("</svg>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_span_of_time_is_a_picture() {
        assert_eq!(over_time(&BTreeMap::new()), None);
        for span in [0, 1, 59, 1000, 100_000, 5_000_000, u64::MAX / 3_600_000_000] {
            let hours = BTreeMap::from([(0, 1), (span, 7)]);
            let drawn = over_time(&hours).unwrap();
            assert!(drawn.contains("class=\"bar\"") && drawn.len() < 20_000, "{span}: {drawn}");
        }
    }
}
