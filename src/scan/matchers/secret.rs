//! Secrets in text: the forms that providers give their keys, assignments of values that look random, passwords, private
//! keys and seed phrases. What is a placeholder is no secret.

use crate::scan::spot::same;
use crate::sort;
use std::ops::Range;

/// A provider's form: how a key starts (case matters), and how many characters follow at least.
struct Form(&'static str, usize);

/// From the providers' own documentation and secret-scanning pages.
const FORMS: [Form; 57] = [
    Form("sk-ant-", 40),
    Form("sk-proj-", 32),
    Form("sk-svcacct-", 32),
    Form("sk-or-v1-", 40),
    Form("sk-", 32),
    Form("gsk_", 40),
    Form("xai-", 40),
    Form("hf_", 30),
    Form("r8_", 30),
    Form("pplx-", 40),
    Form("nvapi-", 40),
    Form("tgp_v1_", 30),
    Form("sk_", 40),
    Form("ghp_", 36),
    Form("gho_", 36),
    Form("ghu_", 36),
    Form("ghs_", 36),
    Form("ghr_", 36),
    Form("github_pat_", 60),
    Form("glpat-", 20),
    Form("gldt-", 20),
    Form("glrt-", 20),
    Form("ATBB", 28),
    Form("npm_", 36),
    Form("pypi-AgE", 40),
    Form("rubygems_", 40),
    Form("dop_v1_", 50),
    Form("dckr_pat_", 24),
    Form("xoxb-", 36),
    Form("xoxp-", 36),
    Form("xoxa-", 36),
    Form("xapp-", 40),
    Form("sk_live_", 24),
    Form("rk_live_", 24),
    Form("SG.", 60),
    Form("key-", 32),
    Form("shpat_", 32),
    Form("shpss_", 32),
    Form("sq0csp-", 40),
    Form("EAAA", 60),
    Form("lin_api_", 40),
    Form("ntn_", 40),
    Form("secret_", 40),
    Form("figd_", 36),
    Form("pat-na1-", 36),
    Form("dapi", 32),
    Form("sl.u.", 100),
    Form("phx_", 40),
    Form("sntrys_", 60),
    Form("glc_", 40),
    Form("tskey-", 30),
    Form("sbp_", 40),
    Form("fo1_", 40),
    Form("apify_api_", 36),
    Form("pul-", 40),
    Form("hvs.", 40),
    Form("ops_", 100),
];
/// Kept apart because what follows has other rules.
const GOOGLE: [Form; 3] = [Form("AIza", 35), Form("ya29.", 40), Form("GOCSPX-", 24)];

/// A key in the form of one of the providers whose prefix is among the rule's literals.
pub fn provider(line: &str, literals: &[&'static str], push: &mut dyn FnMut(Range<usize>)) {
    let mut found: Vec<Range<usize>> = Vec::new();
    let bytes = line.as_bytes();
    for start in 0..bytes.len() {
        let inside = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if !may_start(bytes[start]) || start > 0 && inside(&bytes[start - 1]) {
            continue;
        }
        for Form(prefix, least) in FORMS.iter().chain(&GOOGLE) {
            let declared = |l: &&str| prefix.len() >= l.len() && prefix[..l.len()].eq_ignore_ascii_case(l);
            let first = prefix.as_bytes()[0] == bytes[start];
            if !first || !bytes[start..].starts_with(prefix.as_bytes()) || !literals.iter().any(declared) {
                continue;
            }
            let boundary = line[..start].chars().next_back().is_none_or(|c| !c.is_alphanumeric());
            let body = body(&line[start + prefix.len()..]);
            let strict = match *prefix {
                "key-" | "dapi" => {
                    body.len() == 32 && body.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
                }
                "sk_" => body.len() >= 40 && body.bytes().all(|b| b.is_ascii_hexdigit()),
                _ => true,
            };
            if boundary && strict && body.len() >= *least && body.len() <= 512 && is_random(body) {
                found.push(start..start + prefix.len() + body.len());
            }
        }
    }
    push_all(found, push);
}

/// Does a form start with this byte?
const fn may_start(byte: u8) -> bool {
    FIRSTS[byte as usize]
}

static FIRSTS: [bool; 256] = {
    let mut firsts = [false; 256];
    let mut i = 0;
    while i < FORMS.len() {
        firsts[FORMS[i].0.as_bytes()[0] as usize] = true;
        i += 1;
    }
    let mut i = 0;
    while i < GOOGLE.len() {
        firsts[GOOGLE[i].0.as_bytes()[0] as usize] = true;
        i += 1;
    }
    firsts
};

/// Where names (lower case) stand in a line in any case, and which, name by name; each leaves what it covers to the
/// others.
fn names<'n>(line: &str, names: &[&'n str]) -> Vec<(usize, &'n str)> {
    let bytes = line.as_bytes();
    let mut found = Vec::new();
    for name in names {
        let Some(first) = name.bytes().next() else { continue };
        for at in memchr::memchr2_iter(first, first.to_ascii_uppercase(), bytes) {
            if bytes.get(at..at + name.len()).is_some_and(|piece| same(piece, name.as_bytes())) {
                found.push((at, *name));
            }
        }
    }
    found
}

/// Leftmost first, the longest where several start at one place.
fn push_all(mut found: Vec<Range<usize>>, push: &mut dyn FnMut(Range<usize>)) {
    sort::by_key(&mut found, |r| (r.start, std::cmp::Reverse(r.end)));
    let mut end = 0;
    for range in found {
        if range.start >= end {
            end = range.end;
            push(range);
        }
    }
}

/// The characters that keys are made of.
fn body(text: &str) -> &str {
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')))
        .unwrap_or(text.len());
    text[..end].trim_end_matches('.')
}

/// An access key id, or the value of a secret access key.
pub fn aws(line: &str, _: &[&'static str], push: &mut dyn FnMut(Range<usize>)) {
    let mut found = Vec::new();
    for prefix in ["AKIA", "ASIA"] {
        for (start, _) in line.match_indices(prefix) {
            let boundary = line[..start].chars().next_back().is_none_or(|c| !c.is_alphanumeric());
            let body = body(&line[start + 4..]);
            if boundary
                && body.len() == 16
                && body.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
                && is_random(body)
            {
                found.push(start..start + 20);
            }
        }
    }
    for (start, name) in
        names(line, &["aws_secret_access_key", "aws_secret_key", "secretaccesskey", "aws_secret"])
    {
        if let Some(value) = value_after(line, start + name.len())
            && value.len() == 40
            && line[value.clone()].bytes().all(|b| b.is_ascii_alphanumeric() || b == b'/' || b == b'+')
            && is_random(&line[value.clone()])
        {
            found.push(start..value.end);
        }
    }
    push_all(found, push);
}

/// The shortest value that is taken for a secret by its name, in bytes.
const LEAST_VALUE: usize = 20;

/// What such values are made of.
static IN_VALUE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        table[byte as usize] = true;
        byte += 1;
    }
    let marks = b"$<>{}()[]\"'`,;\\";
    let mut i = 0;
    while i < marks.len() {
        table[marks[i] as usize] = false;
        i += 1;
    }
    table
};

/// Is there a run of so many such bytes? Looks at the last byte that a run could have and goes on behind the last that
/// is none.
fn has_run(line: &[u8], least: usize, inside: impl Fn(&u8) -> bool) -> bool {
    let mut start = 0;
    while let Some(window) = line.get(start..start + least) {
        match window.iter().rposition(|b| !inside(b)) {
            Some(at) => start += at + 1,
            None => return true,
        }
    }
    false
}

/// A name that says "secret", `=` or `:`, and a value in quotes (or bare) that looks random.
pub fn assignment(line: &str, literals: &[&'static str], push: &mut dyn FnMut(Range<usize>)) {
    let inside = |b: &u8| IN_VALUE[usize::from(*b)];
    // Most lines have nothing so long in them.
    if !has_run(line.as_bytes(), LEAST_VALUE, inside) {
        return;
    }
    let mut found = Vec::new();
    for (start, name) in names(line, literals) {
        let name_end = start
            + name.len()
            + line.as_bytes()[start + name.len()..]
                .iter()
                .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
                .count();
        if let Some(value) = value_after(line, name_end)
            && (LEAST_VALUE..=200).contains(&value.len())
            && line[value.clone()].as_bytes().iter().all(inside)
            && mixes(&line[value.clone()])
            && !is_account(&line[value.clone()])
            && is_random(&line[value.clone()])
            && !is_reference(&line[value.clone()])
        {
            found.push(start..value.end);
        }
    }
    push_all(found, push);
}

/// A password assigned, or in an address.
pub fn password(line: &str, _: &[&'static str], push: &mut dyn FnMut(Range<usize>)) {
    let mut found = Vec::new();
    for (start, name) in names(line, &["password", "passwd"]) {
        if let Some(value) = value_after(line, start + name.len())
            && (8..=64).contains(&value.len())
            && value.start > 0
            && matches!(line.as_bytes()[value.start - 1], b'"' | b'\'')
            && is_password(&line[value.clone()])
        {
            found.push(start..value.end);
        }
    }
    for mark in memchr::memmem::find_iter(line.as_bytes(), "://") {
        let rest = &line[mark + 3..];
        let end = rest
            .find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '`' | '<' | '>' | ')'))
            .unwrap_or(rest.len());
        let Some((credentials, host)) = rest[..end].rsplit_once('@') else { continue };
        let Some((user, password)) = credentials.split_once(':') else { continue };
        // A name without a dot is a neighbour in a test set-up: `localhost`, `db`, `redis:6379`.
        let name = host.split(':').next().unwrap_or(host).to_ascii_lowercase();
        let local = !name.contains('.')
            || ["127.", "0.0.0.0", "host.", "hostname.", "example"].iter().any(|l| name.starts_with(l));
        if !user.is_empty()
            && password.len() >= 8
            && is_password(password)
            && !local
            && !name.contains("example.")
        {
            found.push(mark..mark + 3 + end);
        }
    }
    push_all(found, push);
}

/// Is a value a password somebody uses, not one that documentation shows?
fn is_password(value: &str) -> bool {
    let classes = [
        value.bytes().any(|b| b.is_ascii_lowercase()),
        value.bytes().any(|b| b.is_ascii_uppercase()),
        value.bytes().any(|b| b.is_ascii_digit()),
        value.bytes().any(|b| b.is_ascii_punctuation()),
    ];
    classes.iter().filter(|c| **c).count() >= 3
        && value.bytes().all(|b| b.is_ascii_graphic() && !b"$<>{}()[]\\%".contains(&b))
        && !is_placeholder(value)
        && !is_reference(value)
}

/// A private key's first line with key material after it on the line, or alone on the line (material follows below).
pub fn private_key(line: &str, _: &[&'static str], push: &mut dyn FnMut(Range<usize>)) {
    if let Some(start) = line.find("PuTTY-User-Key-File-") {
        push(start..line.len());
        return;
    }
    let Some(start) = line.find("-----BEGIN ") else { return };
    let rest = &line[start + 11..];
    let Some(end) = rest.find("-----") else { return };
    let label = &rest[..end];
    if !(label.ends_with("PRIVATE KEY")
        || label == "PGP PRIVATE KEY BLOCK"
        || label == "SSH2 ENCRYPTED PRIVATE KEY")
    {
        return;
    }
    let stop = start + 11 + end + 5;
    let after = line[stop..].trim_start_matches(['\\', 'n', 'r', ' ']);
    let alone = line[..start].trim_matches([' ', '\t', '"', '\'', '=', ':', '|', '>']).is_empty()
        || line[..start].trim_end().ends_with(['=', '"', '\'', ':']);
    let material =
        after.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')).count();
    if (after.is_empty() && alone) || material >= 16 {
        push(start..stop);
    }
}

/// Twelve or more plain words after a name that says what they are.
pub fn seed_phrase(line: &str, literals: &[&'static str], push: &mut dyn FnMut(Range<usize>)) {
    let lower = line.to_ascii_lowercase();
    for name in literals {
        let Some(start) = lower.find(name) else { continue };
        let Some(value) = value_after(line, start + name.len()) else { continue };
        // The value of a phrase ends at its quote.
        let quote = line.as_bytes()[value.start.saturating_sub(1)];
        if !matches!(quote, b'"' | b'\'' | b'`') {
            continue;
        }
        let end = line[value.start..].find(char::from(quote)).map_or(line.len(), |i| value.start + i);
        let words: Vec<&str> = line[value.start..end].split(' ').collect();
        let plain =
            words.iter().all(|w| (3..=8).contains(&w.len()) && w.bytes().all(|b| b.is_ascii_lowercase()));
        let mut unlike = words.clone();
        sort::plain(&mut unlike);
        unlike.dedup();
        if plain && [12, 15, 18, 21, 24].contains(&words.len()) && unlike.len() * 4 > words.len() * 3 {
            push(start..end);
            return;
        }
    }
}

/// The value that is assigned after a name: past quotes, `=`, `:`, `=>` and blanks, up to the closing quote or blank.
fn value_after(line: &str, at: usize) -> Option<Range<usize>> {
    let rest = line.get(at..)?;
    let mut sign = false;
    let mut start = None;
    for (i, c) in rest.char_indices() {
        match c {
            '=' | ':' => sign = true,
            ' ' | '\t' | '>' => {}
            '"' | '\'' | '`' if sign => {
                start = Some((i + 1, Some(c)));
                break;
            }
            // The quote that closes the name.
            '"' | '\'' | ']' => {}
            _ if sign => {
                start = Some((i, None));
                break;
            }
            _ => return None,
        }
        if i > 24 {
            return None;
        }
    }
    let (start, quote) = start?;
    let tail = &rest[start..];
    let end = match quote {
        Some(q) => tail.find(q)?,
        None => tail
            .find(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"' | '\''))
            .unwrap_or(tail.len()),
    };
    (end > 0).then_some(at + start..at + start + end)
}

/// Letters and digits both, as random values have.
fn mixes(value: &str) -> bool {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    digits >= 2 && value.bytes().any(|b| b.is_ascii_alphabetic())
}

/// Does a value name where the secret is instead of being it?
fn is_reference(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    ["env", "process.", "os.", "config", "secret", "vault", "http", "op://", "://", "/path", "file", "::", "self.", "this."].iter().any(|w| lower.contains(w))
        // Words joined by separators, and dotted names.
        || value.split(['-', '_', '.', '/']).filter(|w| w.len() >= 3 && w.bytes().all(|b| b.is_ascii_lowercase())).count() >= 2
}

/// The public number of an account or contract on a block chain: `0x` and twenty bytes. A key has thirty-two.
fn is_account(value: &str) -> bool {
    value.strip_prefix("0x").is_some_and(|hex| hex.len() == 40 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Random enough to be a key: not a placeholder, and more than three bits a character.
fn is_random(value: &str) -> bool {
    !is_placeholder(value) && entropy(value) >= 3.0
}

/// Words and runs that stand for a key in documentation.
fn is_placeholder(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    const WORDS: [&str; 35] = [
        "your",
        "example",
        "placeholder",
        "xxx",
        "changeme",
        "change_me",
        "change-me",
        "insert",
        "replace",
        "dummy",
        "sample",
        "redacted",
        "secret-key",
        "api-key",
        "apikey",
        "api_key",
        "...",
        "todo",
        "fake",
        "test",
        "12345",
        "abcdef",
        "qwerty",
        "password",
        "token-here",
        "key-here",
        "key_here",
        "0000",
        "aaaa",
        "demo",
        "mock",
        "notreal",
        "foobar",
        "hidden",
        "deadbeef",
    ];
    if WORDS.iter().any(|w| lower.contains(w)) {
        return true;
    }
    // Four of one character in a row, or four that count up.
    let bytes = lower.as_bytes();
    bytes.windows(4).any(|w| w.iter().all(|b| *b == w[0]))
        || bytes.windows(5).any(|w| w.windows(2).all(|p| p[1] == p[0].wrapping_add(1)))
}

/// Shannon entropy in bits per character.
fn entropy(value: &str) -> f32 {
    let mut counts = [0u32; 256];
    for b in value.bytes() {
        counts[usize::from(b)] += 1;
    }
    #[allow(clippy::cast_precision_loss)]
    let total = value.len() as f32;
    #[allow(clippy::cast_precision_loss)]
    let bits = counts.iter().filter(|c| **c > 0).map(|c| *c as f32 / total).map(|p| -p * p.log2()).sum();
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_not_secrets() {
        for value in [
            "your-key-goes-here-please-now",
            "xxxxxxxxxxxxxxxxxxxxxxxx",
            "abcdefghijklmnopqrstuvwx",
            "aaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert!(!is_random(value), "{value}");
        }
        assert!(is_random("Zk3vQ9xLw7TnB2mRyU5aHd8E"));
    }

    #[test]
    fn values_are_found_after_their_name() {
        let value = |line: &str, name: &str| {
            value_after(line, line.find(name).unwrap() + name.len()).map(|r| line[r].to_owned())
        };
        assert_eq!(value("\"token\": \"abc\",", "token").as_deref(), Some("abc"));
        assert_eq!(value("token = abc def", "token").as_deref(), Some("abc"));
        assert_eq!(value("token => 'a b'", "token").as_deref(), Some("a b"));
        assert_eq!(value("token of mine = 1", "token"), None);
        assert_eq!(value("token", "token"), None);
    }
}
