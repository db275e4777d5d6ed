//! How a skill is named to a registry: `slug`, `owner/slug`, `@owner/slug`, each with `@VERSION` or without.

use crate::rules::schema::nearest;
use crate::skill::Problem;
use std::fmt;

/// A skill in some registry. Its words are checked: they are safe in a path and in an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ref {
    pub owner: Option<String>,
    pub slug: String,
}

impl Ref {
    /// Reads a name as a user types it.
    pub fn parse(text: &str) -> Result<Ref, Problem> {
        let wrong = |what: &str| Problem::new(what, text, "write SLUG or @OWNER/SLUG");
        if text.contains(':') {
            return Err(wrong("references to other sources are not supported"));
        }
        let bare = text.strip_prefix('@').unwrap_or(text);
        let (owner, slug) = match bare.split_once('/') {
            Some((owner, slug)) => (Some(owner.to_ascii_lowercase()), slug),
            None if bare.len() < text.len() => return Err(wrong("an owner without a skill")),
            None => (None, bare),
        };
        let slug = slug.to_ascii_lowercase();
        if !is_slug(&slug) {
            return Err(wrong("not the name of a skill"));
        }
        if owner.as_deref().is_some_and(|owner| !is_owner(owner)) {
            return Err(wrong("not the name of an owner"));
        }
        Ok(Ref { owner, slug })
    }

    /// With `@VERSION` at the end.
    pub fn parse_with_version(text: &str) -> Result<(Ref, Option<String>), Problem> {
        let tail = text.get(1..).and_then(|tail| tail.rfind('@')).map(|at| at + 1);
        match tail.filter(|at| !text[*at..].contains('/')) {
            None => Ok((Ref::parse(text)?, None)),
            Some(at) => {
                let version = &text[at + 1..];
                if crate::skill::version::Version::parse(version).is_none() {
                    return Err(Problem::new("not a version", text, "write REF@1.2.3"));
                }
                Ok((Ref::parse(&text[..at])?, Some(version.to_owned())))
            }
        }
    }

    /// The same skill of this owner.
    pub fn of(&self, owner: Option<&str>) -> Ref {
        Ref { owner: owner.map(str::to_owned).or_else(|| self.owner.clone()), slug: self.slug.clone() }
    }
}

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.owner {
            Some(owner) => write!(f, "@{owner}/{}", self.slug),
            None => f.write_str(&self.slug),
        }
    }
}

/// Names of skills on read paths: old ones may be shorter than what a registry takes now.
pub fn is_slug(text: &str) -> bool {
    let bytes = text.as_bytes();
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=96).contains(&bytes.len())
        && bytes.iter().all(|b| plain(b) || matches!(b, b'-' | b'_' | b'.'))
        && bytes.first().is_some_and(plain)
        && bytes.last().is_some_and(plain)
        && !text.contains("..")
}

/// Owners' handles.
pub fn is_owner(text: &str) -> bool {
    text.len() <= 40 && is_slug(text)
}

/// A popular name that this one could be mistaken for: one letter changed, left out, added or swapped with its
/// neighbour, or other signs between the same words.
pub fn near_miss<'a>(slug: &str, popular: &[&'a str]) -> Option<&'a str> {
    if popular.contains(&slug) {
        return None;
    }
    let bare = |text: &str| text.replace(['-', '_', '.'], "");
    let same = popular.iter().copied().find(|other| bare(other) == bare(slug));
    // Short names are near to many others by chance.
    same.or_else(|| nearest(slug, popular).filter(|other| other.len() >= 5 && one_edit(slug, other)))
}

/// At most one letter changed, left out, added, or two neighbours swapped.
fn one_edit(a: &str, b: &str) -> bool {
    let (a, b) = if a.len() <= b.len() { (a.as_bytes(), b.as_bytes()) } else { (b.as_bytes(), a.as_bytes()) };
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (rest_a, rest_b) = (&a[head..], &b[head..]);
    match rest_b.len() - rest_a.len() {
        0 => {
            let swapped = rest_a.len() >= 2 && rest_a[0] == rest_b[1] && rest_a[1] == rest_b[0];
            rest_a.is_empty() || rest_a[1..] == rest_b[1..] || (swapped && rest_a[2..] == rest_b[2..])
        }
        1 => rest_a == &rest_b[1..],
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_all_their_forms() {
        for (text, shown, version) in [
            ("demo", "demo", None),
            ("Demo", "demo", None),
            ("alice/demo", "@alice/demo", None),
            ("@alice/demo", "@alice/demo", None),
            ("demo@1.2.3", "demo", Some("1.2.3")),
            ("@alice/demo@1.2.3-rc.1", "@alice/demo", Some("1.2.3-rc.1")),
        ] {
            let (found, at) = Ref::parse_with_version(text).unwrap();
            assert_eq!((found.to_string().as_str(), at.as_deref()), (shown, version), "{text}");
        }
        for bad in [
            "",
            "@",
            "@alice",
            "/",
            "a/",
            "/b",
            "a/b/c",
            "../x",
            "a/..",
            "..",
            ".",
            "-a",
            "a b",
            "demo@",
            "demo@x",
            "demo@1.2",
            "skills-sh:a/b/c",
            "dem\u{f6}",
            "a%2fb",
            "demo\n",
            "a..b",
        ] {
            assert!(Ref::parse_with_version(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn near_misses_of_popular_names() {
        let popular = ["github", "web-search", "notion", "pdf"];
        for (name, near) in [
            ("githup", Some("github")),
            ("gihtub", Some("github")),
            ("githubb", Some("github")),
            ("gihub", Some("github")),
            ("websearch", Some("web-search")),
            ("web_search", Some("web-search")),
            ("github", None),
            ("gitlab", None),
            ("pdfs", None),
            ("weather", None),
        ] {
            assert_eq!(near_miss(name, &popular), near, "{name}");
        }
    }
}
