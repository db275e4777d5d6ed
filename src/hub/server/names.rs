//! What skills, owners, tags and topics may be called, as ClawHub has it. Names that exist are not checked again: these are
//! the rules for new ones. Refusals are sentences, for the real CLI prints them.

use super::refusal::Refusal;
use crate::skill::version::Version;

/// Words that are part of addresses or that would speak for the registry.
const RESERVED: &[&str] = &[
    "admin",
    "api",
    "auth",
    "catalog",
    "cli",
    "clawhub",
    "clawd",
    "clawdbot",
    "dashboard",
    "delete",
    "device",
    "docs",
    "edit",
    "explore",
    "export",
    "help",
    "home",
    "import",
    "login",
    "log",
    "logout",
    "me",
    "new",
    "null",
    "official",
    "openclaw",
    "owner",
    "owners",
    "packages",
    "plugins",
    "private",
    "public",
    "publish",
    "resolve",
    "root",
    "search",
    "settings",
    "skills",
    "stars",
    "status",
    "support",
    "system",
    "team",
    "true",
    "undefined",
    "update",
    "upload",
    "users",
    "weft",
];

/// Words that a name may not begin or end with, for what they would claim.
const AFFIXES: &[&str] = &[
    "openclaw",
    "clawhub",
    "clawd",
    "clawdbot",
    "onlycrabs",
    "soulhub",
    "official",
    "verified",
    "staff",
    "admin",
    "moderator",
];

pub const CATEGORIES: &[&str] = &[
    "integrations",
    "automation",
    "research",
    "development",
    "productivity",
    "communication",
    "creative",
    "knowledge",
    "agents",
    "operations",
    "security",
    "finance",
    "lifestyle",
    "other",
];

/// Topics that would speak for the registry.
const CLAIMS: &[&str] =
    &["official", "verified", "trusted", "featured", "recommended", "curated", "clawhub", "openclaw"];

const MOST_CATEGORIES: usize = 3;
const MOST_TOPICS: usize = 5;
const LONGEST_TOPIC: usize = 48;
/// Tags of one publication.
const MOST_TAGS: usize = 20;
const LONGEST_TAG: usize = 64;

/// The name of a new skill.
pub fn new_slug(slug: &str) -> Result<(), Refusal> {
    let bad = |why: &str| Err(Refusal::bad(format!("Slug {why}")));
    let alphanumeric = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = slug.as_bytes();
    if !(3..=96).contains(&bytes.len()) {
        return bad("must be 3-96 characters");
    }
    if !bytes.iter().all(|byte| alphanumeric(Some(byte)) || *byte == b'-') {
        return bad("must use lowercase letters, digits and hyphens only");
    }
    if !alphanumeric(bytes.first()) || !alphanumeric(bytes.last()) || slug.contains("--") {
        return bad("must start and end with a letter or digit, without two hyphens in a row");
    }
    if RESERVED.contains(&slug) {
        return bad(&format!("`{slug}` is reserved. Choose another name."));
    }
    let claims = |word: &&&str| {
        slug.strip_prefix(**word).is_some_and(|rest| rest.starts_with('-'))
            || slug.strip_suffix(**word).is_some_and(|rest| rest.ends_with('-'))
    };
    match AFFIXES.iter().find(claims) {
        Some(word) => {
            bad(&format!("may not begin or end with the reserved word `{word}`. Choose another name."))
        }
        None => Ok(()),
    }
}

/// A name as it is looked up.
pub fn lower(text: &str) -> String {
    text.trim().to_lowercase()
}

/// An owner as it is looked up: the `@` in front is not part of it.
pub fn owner(text: &str) -> String {
    lower(text.trim().trim_start_matches('@'))
}

/// The handle of a new account or organisation.
pub fn new_handle(handle: &str) -> Result<(), Refusal> {
    let alphanumeric = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = handle.as_bytes();
    let plain = (1..=40).contains(&bytes.len())
        && bytes.iter().all(|byte| alphanumeric(Some(byte)) || b"._-".contains(byte))
        && alphanumeric(bytes.first())
        && alphanumeric(bytes.last())
        && !handle.contains("..");
    if !plain {
        return Err(Refusal::bad(
            "Handle must be 1-40 lowercase letters, digits, dots, hyphens or underscores, and start and end with a letter or digit",
        ));
    }
    if RESERVED.contains(&handle) {
        return Err(Refusal::bad(format!("Handle `{handle}` is reserved")));
    }
    Ok(())
}

pub fn version(text: &str) -> Result<Version, Refusal> {
    Version::parse(text).ok_or_else(|| Refusal::bad("Version must be valid semver (for example 1.2.3)"))
}

/// A tag by itself.
pub fn tag(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    let plain = !text.is_empty()
        && text.len() <= LONGEST_TAG
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && !text.starts_with(['$', '_']);
    if plain {
        Ok(text.to_owned())
    } else {
        Err(Refusal::bad("Tag must be 1-64 printable ASCII characters and may not start with `$` or `_`"))
    }
}

/// The tags of a publication: `latest` is the registry's to set.
pub fn tags(all: &[String]) -> Result<Vec<String>, Refusal> {
    let mut tags = Vec::new();
    for text in all {
        let tag = tag(text)?;
        if tag != "latest" && !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    if tags.len() > MOST_TAGS {
        return Err(Refusal::bad(format!("At most {MOST_TAGS} tags")));
    }
    Ok(tags)
}

pub fn categories(all: &[String]) -> Result<Vec<String>, Refusal> {
    let mut list: Vec<String> = all.iter().map(|text| lower(text)).collect();
    list.dedup();
    if list.len() > MOST_CATEGORIES {
        return Err(Refusal::bad(format!("At most {MOST_CATEGORIES} categories")));
    }
    match list.iter().find(|category| !CATEGORIES.contains(&category.as_str())) {
        Some(unknown) => {
            Err(Refusal::bad(format!("Unknown category `{unknown}`. Choose from: {}", CATEGORIES.join(", "))))
        }
        None => Ok(list),
    }
}

pub fn topics(all: &[String]) -> Result<Vec<String>, Refusal> {
    let mut list: Vec<String> = Vec::new();
    for topic in all.iter().map(|text| text.trim()).filter(|text| !text.is_empty()) {
        if topic.chars().count() > LONGEST_TOPIC || topic.chars().any(char::is_control) {
            return Err(Refusal::bad(format!(
                "A topic must be one line of at most {LONGEST_TOPIC} characters"
            )));
        }
        if CLAIMS.contains(&lower(topic).as_str()) {
            return Err(Refusal::bad(format!("Topic `{topic}` is reserved")));
        }
        if !list.iter().any(|known| known.eq_ignore_ascii_case(topic)) {
            list.push(topic.to_owned());
        }
    }
    if list.len() > MOST_TOPICS {
        return Err(Refusal::bad(format!("At most {MOST_TOPICS} topics")));
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_of_new_skills() {
        for good in ["abc", "my-skill", "a1-2b", &"x".repeat(96), "officially-fine"] {
            assert_eq!(new_slug(good), Ok(()), "{good}");
        }
        for (bad, with) in [
            ("ab", "3-96"),
            (&"x".repeat(97), "3-96"),
            ("Abc", "lowercase"),
            ("a_b", "lowercase"),
            ("a b", "lowercase"),
            ("-abc", "start and end"),
            ("abc-", "start and end"),
            ("a--b", "two hyphens"),
            ("search", "reserved"),
            ("openclaw-x", "reserved word `openclaw`"),
            ("x-verified", "reserved word `verified`"),
            ("日本語", "lowercase"),
        ] {
            let refusal = new_slug(bad).unwrap_err();
            assert!(refusal.status == 400 && refusal.text.contains(with), "{bad}: {refusal:?}");
        }
    }

    #[test]
    fn tags_categories_and_topics() {
        let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(tags(&list(&["latest", "beta", "beta"])), Ok(list(&["beta"])));
        for bad in ["$x", "_x", "a b", "ä", "", &"x".repeat(65)] {
            assert!(tag(bad).is_err(), "{bad}");
        }
        assert_eq!(categories(&list(&["Security"])), Ok(list(&["security"])));
        assert!(categories(&list(&["nonsense"])).is_err());
        assert!(categories(&list(&["agents", "other", "finance", "security"])).is_err());
        assert_eq!(topics(&list(&["Git", "git", " "])), Ok(list(&["Git"])));
        assert!(topics(&list(&["Official"])).is_err() && topics(&list(&[&"x".repeat(49)])).is_err());
        assert!(new_handle("alice.b-c").is_ok());
        for bad in ["", "-a", "a..b", "A", "admin", "a/b", &"x".repeat(41)] {
            assert!(new_handle(bad).is_err(), "{bad}");
        }
    }
}
