//! Context: does the text around a match command the thing, or forbid, describe or detect it? Pure.
//!
//! Security skills, checklists and scanners quote attacks all the time. A match in such text is shown lower and is no
//! signal for combinations. The cues are local (the sentence, the line, the lines above, the heading), because a
//! cue that worked from afar would let an attacker buy silence for a whole file with one sentence.

use super::doc::{Doc, Hit};
use crate::rules::{Category, Context, Lang, Place};
use std::ops::Range;

/// How far before a match a sentence is read, in bytes.
const SENTENCE: usize = 240;

/// How far a line is read to either side of a match, and the longest line that introduces or heads one, in bytes.
const REACH: usize = 4096;

/// How many lines above a match may introduce it.
const LEAD_IN: usize = 4;

/// Why the match says less than its rule, or `None` when it stands.
pub fn weigh(doc: &Doc, hit: &Hit) -> Option<&'static str> {
    if hit.rule.context == Context::Keep {
        return None;
    }
    let origin = doc.origin(hit);
    let segment = doc.segment_at(origin.start);
    let line_range = around(doc, &origin);
    // What cannot be weighed any more stands as it is.
    if !doc.work.spend(line_range.len() * 4 + 1024) {
        return None;
    }
    let line = doc.text.get(line_range.clone()).unwrap_or("");
    let column = origin.start.saturating_sub(line_range.start).min(line.len());
    let before = line.get(..column).unwrap_or("");
    let matched = doc.text.get(origin.clone()).unwrap_or("");
    let after = doc.text.get(origin.end.min(doc.text.len())..line_range.end.max(origin.end)).unwrap_or("");

    let machine = matches!(segment.place, Place::Script | Place::Config | Place::Fence);
    if machine && in_pattern(before, matched, after, segment.lang) {
        return Some("stands in a detection pattern");
    }
    if segment.place == Place::Hidden {
        // What a page hides is not documentation.
        return None;
    }
    // In a program a comment beside the code excuses nothing: what stands there runs.
    if segment.place != Place::Script {
        if forbids(sentence(before)) {
            return Some("the text forbids it");
        }
        let fenced = segment.place == Place::Fence;
        if names_an_attack(line, before, matched, fenced) {
            return Some("the text describes an attack");
        }
        let line_start = doc.lines().line_range(&doc.text, origin.start).start;
        if lines_above(doc, line_start).iter().any(|l| introduces_an_attack(l, fenced)) {
            return Some("the text above introduces it as an attack");
        }
        if under_attack_heading(doc, line_start) {
            return Some("stands under a heading about attacks");
        }
    }
    if is_test_data(&doc.path) && matches!(segment.place, Place::Config | Place::Script) && is_text_rule(hit)
    {
        return Some("stands in test data");
    }
    // In SKILL.md a command in a fence is one to run, whatever the title says; in a reference it may be an example.
    let sayable =
        is_text_rule(hit) || segment.place != Place::Fence || !super::group::is_skill_file(&doc.path);
    if sayable && is_mention(line, before, after, segment.place) && is_about_attacks(doc) {
        return Some("is quoted in a text about attacks");
    }
    None
}

/// The line a match stands on, no further than a reader looks to either side.
fn around(doc: &Doc, origin: &Range<usize>) -> Range<usize> {
    let line = doc.lines().line_range(&doc.text, origin.start);
    let start = line.start.max(doc.text.floor_char_boundary(origin.start.saturating_sub(REACH)));
    let end = line.end.min(doc.text.ceil_char_boundary(origin.end.saturating_add(REACH)));
    start..end.max(start)
}

/// Rules about what text says to an agent; the others are about what code does, wherever it stands.
fn is_text_rule(hit: &Hit) -> bool {
    matches!(hit.rule.category, Category::PromptInjection | Category::IndirectPromptInjection)
}

/// Does a folder or the name of the file say that it holds test cases?
fn is_test_data(path: &str) -> bool {
    path.rsplit('/').take(3).any(|part| {
        let part = part.to_ascii_lowercase();
        ["test", "tests", "spec", "specs", "fixtures", "evals", "testdata", "__tests__"]
            .contains(&part.as_str())
            || ["test_", "test-", "tests.", "eval_"].iter().any(|p| part.starts_with(p))
            || [".test.", ".spec.", "_test."].iter().any(|p| part.contains(p))
    })
}

/// Is the match quoted, listed, tabled or set as code, rather than said?
fn is_mention(line: &str, before: &str, after: &str, place: Place) -> bool {
    let trimmed = line.trim_start();
    let item = ["- ", "* ", "+ ", "|", "> "].iter().any(|mark| trimmed.starts_with(mark))
        || trimmed
            .split_once(['.', ')'])
            .is_some_and(|(n, _)| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    place == Place::Fence || item || is_quoted(before, after)
}

/// Does a quote open shortly before the match and close behind it? An apostrophe opens nothing.
fn is_quoted(before: &str, after: &str) -> bool {
    let mut from = before.len().saturating_sub(60);
    while !before.is_char_boundary(from) {
        from += 1;
    }
    [('"', '"'), ('`', '`'), ('“', '”'), ('‘', '’'), ('「', '」'), ('«', '»'), ('\'', '\'')].iter().any(
        |(open, close)| {
            before[from..].rfind(*open).is_some_and(|at| {
                let outside = before[..from + at].chars().next_back().is_none_or(|c| !c.is_alphanumeric());
                outside && after.contains(*close)
            })
        },
    )
}

/// Words of a title that make a text one about attacks.
const TOPICS: [&str; 17] = [
    "detect",
    "injection",
    "jailbreak",
    "attack",
    "malicious",
    "malware",
    "threat",
    "vulnerab",
    "exploit",
    "security",
    "guard",
    "firewall",
    "red team",
    "pentest",
    "red-team",
    "prompt-shield",
    "moderation",
];

/// Does the file's own title, description or name say that it is about attacks? Found once a file.
fn is_about_attacks(doc: &Doc) -> bool {
    *doc.about_attacks.get_or_init(|| says_attacks(doc))
}

fn says_attacks(doc: &Doc) -> bool {
    let name = doc.path.rsplit('/').next().unwrap_or("").to_ascii_lowercase();
    if TOPICS.iter().any(|t| name.contains(t)) {
        return true;
    }
    // Front matter whole, then headings near the top, in Markdown or HTML.
    let mut front = doc.text.starts_with("---");
    doc.text.lines().take(40).enumerate().any(|(i, line)| {
        if i > 0 && line.starts_with("---") {
            front = false;
        }
        let title = front || line.starts_with("# ") || line.contains("<h1");
        title && { has_any(&line.to_ascii_lowercase(), &TOPICS) }
    })
}

/// The part of the line before a match that belongs to the same sentence.
fn sentence(before: &str) -> &str {
    let mut from = before.len().saturating_sub(SENTENCE);
    while !before.is_char_boundary(from) {
        from += 1;
    }
    let tail = &before[from..];
    let cut =
        [". ", "! ", "? ", "; ", "。"].iter().filter_map(|end| tail.rfind(end).map(|i| i + end.len())).max();
    tail.get(cut.unwrap_or(0)..).unwrap_or(tail)
}

/// Words that turn what follows into something not to do, and verbs after which they do not.
const FORBIDDING: [&str; 29] = [
    "never ",
    "do not ",
    "don't ",
    "don’t ",
    "dont ",
    "must not ",
    "should not ",
    "shouldn't ",
    "shall not ",
    "cannot ",
    "can't ",
    "avoid ",
    "avoids ",
    "refuse ",
    "refuses ",
    "reject ",
    "rejects ",
    "block ",
    "blocks ",
    "blocked ",
    "prevent ",
    "prevents ",
    "forbid",
    "prohibit",
    "disallow",
    "instead of ",
    "rather than ",
    "not allowed",
    "without asking",
];
const NOT_FORBIDDING: [&str; 20] = [
    "skip", "hesitate", "forget", "worry", "ask", "mention", "tell", "stop", "ignore", "wait", "inform",
    "reveal", "warn", "question", "notify", "refuse", "show", "disclose", "omit", "alert",
];

/// Does the sentence so far forbid what follows ("never run …"), and not the omission of it ("do not skip …")?
fn forbids(sentence: &str) -> bool {
    let lower = sentence.to_ascii_lowercase();
    FORBIDDING.iter().any(|word| {
        lower.rfind(word).is_some_and(|at| {
            // At a word's start: "block" in "unblock" forbids nothing.
            let starts = at == 0 || !lower.as_bytes()[at - 1].is_ascii_alphanumeric();
            let rest = lower[at + word.len()..].trim_start();
            let after_to = rest.strip_prefix("to ").unwrap_or(rest);
            starts && !NOT_FORBIDDING.iter().any(|verb| after_to.starts_with(verb))
        })
    })
}

/// Words that say "this is an attack" and that an attack does not say of itself.
const ATTACK_WORDS: [&str; 35] = [
    "attempted to",
    "attempts to",
    "tries to",
    "malicious",
    "attacker",
    "attack ",
    "attacks",
    "attack:",
    "adversar",
    "injection",
    "exfiltrat",
    "jailbreak",
    "detect",
    "red flag",
    "suspicious",
    "vulnerab",
    "exploit",
    "dangerous",
    "unsafe",
    "insecure",
    "harmful",
    "threat",
    "indicator",
    "anti-pattern",
    "antipattern",
    "phishing",
    "malware",
    "untrusted",
    "flagged",
    "flags ",
    "blocklist",
    "denylist",
    "blacklist",
    "❌",
    "🚫",
];

/// What says so even beside a command, where "detect", "risk" and the like are ordinary words ("# Detect the platform").
const PLAIN_WORDS: [&str; 17] = [
    "attempted to",
    "attempts to",
    "tries to",
    "malicious",
    "attacker",
    "red flag",
    "vulnerable",
    "prompt injection",
    "malware",
    "bad example",
    "bad:",
    "anti-pattern",
    "unsafe:",
    "dangerous:",
    "suspicious",
    "❌",
    "🚫",
];

/// Does the line, outside the match itself, speak of attacks?
fn names_an_attack(line: &str, before: &str, matched: &str, fenced: bool) -> bool {
    let after = without_hosts(line.get(before.len() + matched.len()..).unwrap_or(""));
    let before = without_hosts(before);
    let words: &[&str] = if fenced { &PLAIN_WORDS } else { &ATTACK_WORDS };
    has_any(&before, words) || has_any(&after, words)
}

/// Does the text have any of the words? Most of them are ruled out by the pairs of bytes that they begin and end with.
fn has_any(text: &str, words: &[&str]) -> bool {
    let mut pairs = [0u64; 4];
    let slot = |pair: &[u8]| usize::from(pair[0].wrapping_mul(37) ^ pair[1].wrapping_mul(11));
    for pair in text.as_bytes().windows(2) {
        let slot = slot(pair);
        pairs[slot >> 6] |= 1 << (slot & 63);
    }
    let may_have =
        |pair: Option<&[u8]>| pair.map(slot).is_none_or(|slot| pairs[slot >> 6] >> (slot & 63) & 1 != 0);
    words.iter().any(|word| {
        let bytes = word.as_bytes();
        may_have(bytes.get(..2))
            && may_have(bytes.get(bytes.len().saturating_sub(2)..))
            && text.contains(word)
    })
}

/// Lower case, without addresses and host names: `evil.example.com` says nothing about the text it stands in, and whoever
/// chose the name chose the words in it.
fn without_hosts(text: &str) -> String {
    text.split_whitespace()
        .filter(|word| {
            let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
            !bare.contains("://") && !bare.contains('/') && bare.split('.').nth(1).is_none_or(str::is_empty)
        })
        .collect::<Vec<_>>()
        .join(" ")
        .to_ascii_lowercase()
}

/// The nearest lines above a match that are not blank, fences or more of the same list.
fn lines_above(doc: &Doc, start: usize) -> Vec<&str> {
    let mut out = Vec::new();
    let mut end = start;
    for _ in 0..LEAD_IN * 2 {
        if end == 0 {
            break;
        }
        let text = &doc.text[..end - 1];
        let from = memchr::memrchr(b'\n', text.as_bytes()).map_or(0, |i| i + 1);
        let line = text[from..].trim();
        end = from;
        if line.is_empty() || line.starts_with("```") || line.starts_with("~~~") {
            continue;
        }
        // A wall of text introduces nothing.
        out.push(if line.len() > REACH { "" } else { line });
        if out.len() == LEAD_IN {
            break;
        }
    }
    out
}

/// A lead-in line: it ends in a colon, is a comment, or is a bare label, and speaks of attacks.
fn introduces_an_attack(line: &str, fenced: bool) -> bool {
    let trimmed = line.trim_end_matches(['*', '_', ' ', '`']);
    let comment = ["#", "//", "--", "❌", "🚫", "<!--"].iter().any(|c| trimmed.starts_with(c));
    if fenced && comment && !trimmed.starts_with("##") {
        let lower = without_hosts(line);
        return has_any(&lower, &PLAIN_WORDS) || warns(&lower);
    }
    // The title names the whole text, whose instructions are meant all the same: "# Jailbreak skill".
    let title = !fenced && trimmed.starts_with("# ");
    !title && (trimmed.ends_with(':') || comment) && is_attack_heading(line)
}

/// What headings and lead-ins of attack descriptions say.
const HEADING_WORDS: [&str; 35] = [
    "malicious",
    "attack",
    "adversar",
    "injection",
    "exfiltration",
    "jailbreak",
    "detect",
    "red flag",
    "suspicious",
    "vulnerab",
    "exploit",
    "dangerous",
    "unsafe",
    "insecure",
    "threat",
    "indicator",
    "anti-pattern",
    "antipattern",
    "phishing",
    "malware",
    "prohibited",
    "blocked",
    "bad:",
    "bad example",
    "wrong",
    "what not to",
    "not allowed",
    "denied",
    "risk",
    "guardrail",
    "watch for",
    "watch out",
    "warning signs",
    "incorrect",
    "evil",
];

fn is_attack_heading(line: &str) -> bool {
    let lower = without_hosts(line);
    warns(&lower) || has_any(&lower, &HEADING_WORDS)
}

/// "Don't:" and "Never do this" warn of what follows; "Do not remove" does not.
fn warns(lower: &str) -> bool {
    let bare = lower.trim_start_matches(|c: char| !c.is_alphanumeric());
    ["never", "don't", "don’t", "do not", "avoid", "not to do", "forbidden"].iter().any(|w| {
        bare.strip_prefix(w).is_some_and(|rest| {
            let rest = rest.trim_start();
            !NOT_FORBIDDING.iter().chain(&["remove", "delete", "change", "edit"]).any(|v| rest.starts_with(v))
        })
    })
}

/// Is the nearest heading above about attacks, or one of the next few plainly about something malicious (a quoted
/// document has headings of its own)?
fn under_attack_heading(doc: &Doc, start: usize) -> bool {
    if doc.lang != Lang::Unknown && doc.place != Place::Prose {
        return false;
    }
    // Bounded: a heading a hundred lines up says little about this line.
    let mut end = start;
    let mut headings = 0;
    for _ in 0..100 {
        if end == 0 || headings == 4 {
            break;
        }
        let text = &doc.text[..end - 1];
        let from = memchr::memrchr(b'\n', text.as_bytes()).map_or(0, |i| i + 1);
        if !doc.work.spend((end - from) / 16 + 1) {
            return false;
        }
        let line = text[from..].trim_start();
        end = from;
        // One mark alone may be a comment of a script in a fence.
        let marks = line.bytes().take_while(|b| *b == b'#').count();
        if !(2..=6).contains(&marks) || line.as_bytes().get(marks) != Some(&b' ') {
            continue;
        }
        headings += 1;
        let line = line.get(..line.len().min(REACH)).unwrap_or("");
        if headings == 1 && is_attack_heading(line) || without_hosts(line).contains("malicious") {
            return true;
        }
    }
    false
}

/// Is the match part of a regular expression or of a list of things to look for?
fn in_pattern(before: &str, matched: &str, after: &str, lang: Lang) -> bool {
    let lower = before.to_ascii_lowercase();
    let tail_from = lower.len().saturating_sub(120);
    let tail = lower.get(tail_from..).unwrap_or(&lower);
    // Escapes that only a regular expression has.
    let has_escapes = |s: &str| {
        ["\\s", "\\b", "\\w", "\\d", ".*", ".+", "(?:", "(?i", "\\.", "[^", "\\("]
            .iter()
            .filter(|e| s.contains(*e))
            .count()
            >= 2
    };
    let code = !matches!(lang, Lang::Shell | Lang::PowerShell | Lang::Batch | Lang::Unknown | Lang::Text);
    if has_escapes(matched) {
        return true;
    }
    let announced = [
        "re.compile(",
        "re.search(",
        "re.match(",
        "re.findall(",
        "regexp(",
        "regex(",
        "regexp.",
        "pattern:",
        "pattern\":",
        "pattern =",
        "regex:",
        "regex\":",
        "patterns",
        " grep -",
        "rg -",
        "signature",
        "indicator",
    ];
    if has_any(tail, &announced) {
        return !tail.contains('|') || tail.contains("re.") || code || tail.contains("grep");
    }
    let raw_string = ["r\"", "r'", "/"].iter().any(|q| lower.trim_start().starts_with(q))
        && (after.contains("/i")
            || after.contains("/g")
            || after.trim_end().ends_with("\",")
            || after.trim_end().ends_with("',"));
    code && raw_string
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidding_is_told_from_forbidding_the_omission() {
        assert!(forbids("Never run "));
        assert!(forbids("You must not use "));
        assert!(forbids("- ❌ Don't pipe "));
        assert!(!forbids("Do not skip this step: run "));
        assert!(!forbids("Never forget to run "));
        assert!(!forbids("Unblock access, then run "));
        assert!(!forbids("Run "));
    }

    #[test]
    fn only_the_same_sentence_counts() {
        assert_eq!(sentence("Never do that. Now run "), "Now run ");
        assert_eq!(sentence("Never do that, and run "), "Never do that, and run ");
    }

    #[test]
    fn lead_ins_need_a_form_and_a_word() {
        assert!(introduces_an_attack("**Red flags:**", false));
        assert!(introduces_an_attack("# BAD: injection", true));
        assert!(!introduces_an_attack("This avoids malware", false));
        assert!(!introduces_an_attack("Run the installer:", false));
        assert!(!introduces_an_attack("# Detect the platform", true));
        assert!(!introduces_an_attack("# internal telemetry - DO NOT REMOVE", true));
    }
}
