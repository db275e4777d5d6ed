//! Keeps secrets out of reports: what a finding marks as secret is masked wherever the report would show it.

use super::super::finding::{Finding, Report, Snippet};
use crate::sort;
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Secrets of one file that are looked for in its other snippets; more than this many are masked only in place.
const MAX_PER_FILE: usize = 64;
/// Shorter pieces are masked only in place: replaced everywhere, they would garble ordinary words.
const MIN_SHARED: usize = 8;

/// A snippet as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub text: String,
    /// Byte range in `text` to underline.
    pub mark: Range<usize>,
}

/// Knows every secret of a report, so that one finding does not print what another one masks.
pub struct Masker {
    /// By path. Empty if secrets are to be shown.
    known: HashMap<Arc<str>, Vec<String>>,
    show: bool,
}

impl Masker {
    pub fn new(report: &Report, show: bool) -> Masker {
        let mut masker = Masker { known: HashMap::new(), show };
        if !show {
            for finding in &report.findings {
                masker.learn(&finding.path, &finding.snippet);
                if let Some(decoded) = &finding.decoded {
                    masker.learn(&finding.path, &decoded.snippet);
                }
                for part in &finding.parts {
                    masker.learn(&part.path, &part.snippet);
                }
            }
        }
        masker
    }

    fn learn(&mut self, path: &Arc<str>, snippet: &Snippet) {
        for range in &snippet.secrets {
            let Some(secret) = snippet.text.get(range.clone()).map(str::trim) else { continue };
            if secret.len() < MIN_SHARED {
                continue;
            }
            let list = self.known.entry(Arc::clone(path)).or_default();
            if list.len() < MAX_PER_FILE && !list.iter().any(|known| known == secret) {
                list.push(secret.to_owned());
            }
        }
    }

    /// The snippet of a file as it may be shown.
    pub fn snippet(&self, path: &str, snippet: &Snippet) -> Shown {
        let mark = clamp(&snippet.text, snippet.mark.clone());
        if self.show {
            return Shown { text: snippet.text.clone(), mark };
        }
        let mut ranges: Vec<Range<usize>> =
            snippet.secrets.iter().map(|range| clamp(&snippet.text, range.clone())).collect();
        self.occurrences(path, &snippet.text, &mut ranges);
        mask(&snippet.text, ranges, mark)
    }

    /// A message about a file as it may be shown.
    pub fn text<'t>(&self, path: &str, text: &'t str) -> Cow<'t, str> {
        let mut ranges = Vec::new();
        self.occurrences(path, text, &mut ranges);
        if ranges.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(mask(text, ranges, 0..0).text) }
    }

    /// The message of a finding; a composite finding may quote any of its parts' files.
    pub fn message<'t>(&self, finding: &'t Finding) -> Cow<'t, str> {
        let mut text = self.text(&finding.path, &finding.message);
        for part in &finding.parts {
            if let Cow::Owned(masked) = self.text(&part.path, &text) {
                text = Cow::Owned(masked);
            }
        }
        text
    }

    fn occurrences(&self, path: &str, text: &str, ranges: &mut Vec<Range<usize>>) {
        for secret in self.known.get(path).into_iter().flatten() {
            ranges.extend(text.match_indices(secret.as_str()).map(|(at, found)| at..at + found.len()));
        }
    }
}

/// A range that can be sliced: within the text and on character boundaries, widened where it was not.
fn clamp(text: &str, range: Range<usize>) -> Range<usize> {
    // At most three steps each: both ends of the text are boundaries.
    let mut start = range.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = range.end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

/// What is shown instead of a secret: its length, and of a long one the first four and last two characters.
fn masked(secret: &str) -> String {
    let length = secret.chars().count();
    let head: String = secret.chars().take((length / 5).min(4)).collect();
    let tail: String = secret.chars().skip(length - (length / 10).min(2)).collect();
    format!("{head}<masked, {length} characters>{tail}")
}

fn mask(text: &str, mut ranges: Vec<Range<usize>>, mark: Range<usize>) -> Shown {
    ranges.retain(|range| !range.is_empty());
    sort::by_key(&mut ranges, |range| (range.start, range.end));
    ranges.dedup_by(|next, last| {
        let overlaps = next.start < last.end;
        if overlaps {
            last.end = last.end.max(next.end);
        }
        overlaps
    });
    let mut out = String::with_capacity(text.len());
    let (mut start, mut end) = (None, None);
    let mut at = 0;
    for range in ranges.into_iter().chain(std::iter::once(text.len()..text.len())) {
        // Plain text up to the secret.
        if (at..range.start).contains(&mark.start) {
            start = Some(out.len() + mark.start - at);
        }
        if (at..range.start).contains(&mark.end) {
            end = Some(out.len() + mark.end - at);
        }
        out.push_str(&text[at..range.start]);
        // A mark that begins or ends inside a secret covers all of its stand-in.
        if range.contains(&mark.start) {
            start = Some(out.len());
        }
        let ends_inside = range.contains(&mark.end);
        if ends_inside && mark.end == range.start {
            end = Some(out.len());
        }
        if !range.is_empty() {
            out.push_str(&masked(&text[range.clone()]));
        }
        if ends_inside && mark.end > range.start {
            end = Some(out.len());
        }
        at = range.end;
    }
    let start = start.unwrap_or(out.len());
    let end = end.unwrap_or(out.len()).max(start);
    Shown { text: out, mark: start..end }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ghp_0123456789abcdefghijABCDEFGHIJ0123xy";

    fn snippet(text: &str, mark: &str, secret: Option<&str>) -> Snippet {
        let range = |piece: &str| text.find(piece).map(|at| at..at + piece.len()).unwrap();
        Snippet { text: text.into(), mark: range(mark), secrets: secret.map(range).into_iter().collect() }
    }

    fn masker(snippets: &[&Snippet]) -> Masker {
        let mut masker = Masker { known: HashMap::new(), show: false };
        for snippet in snippets {
            masker.learn(&"a".into(), snippet);
        }
        masker
    }

    #[test]
    fn at_most_six_characters_stay() {
        let line = snippet(&format!("key = {KEY} # mine"), KEY, Some(KEY));
        let shown = masker(&[&line]).snippet("a", &line);
        assert_eq!(shown.text, "key = ghp_<masked, 40 characters>xy # mine");
        assert_eq!(&shown.text[shown.mark], "ghp_<masked, 40 characters>xy");
        assert_eq!(masked("hunter2"), "h<masked, 7 characters>");
        assert_eq!(masked("abc"), "<masked, 3 characters>");
    }

    #[test]
    fn the_mark_follows() {
        let line = snippet(&format!("curl -H {KEY} https://x"), "https://x", Some(KEY));
        let shown = masker(&[&line]).snippet("a", &line);
        assert_eq!(&shown.text[shown.mark], "https://x");
        let line = snippet(&format!("curl -H {KEY} https://x"), "curl -H ghp_", Some(KEY));
        let shown = masker(&[&line]).snippet("a", &line);
        assert_eq!(&shown.text[shown.mark], "curl -H ghp_<masked, 40 characters>xy");
        let line = snippet(&format!("curl {KEY}"), "curl ", Some(KEY));
        let shown = masker(&[&line]).snippet("a", &line);
        assert_eq!(&shown.text[shown.mark], "curl ");
    }

    #[test]
    fn what_one_finding_masks_no_other_shows() {
        let marked = snippet(&format!("key = {KEY}"), KEY, Some(KEY));
        let other = snippet(&format!("curl {KEY}"), "curl", None);
        let masker = masker(&[&marked]);
        assert!(!masker.snippet("a", &other).text.contains("0123"));
        assert!(!masker.text("a", &format!("sends {KEY}")).contains("0123"));
    }

    #[test]
    fn ranges_that_do_not_fit_are_made_to() {
        let line = Snippet { text: "aü漢b".into(), mark: 2..99, secrets: vec![2..4, 50..60] };
        let shown = masker(&[]).snippet("a", &line);
        assert_eq!(shown.text, "a<masked, 2 characters>b");
    }
}
