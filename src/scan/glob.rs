//! Globs over paths below a root: `*` and `?` within one name, `**` over any number of folders.

/// A pattern; one that ends in `/`, or names a folder, covers all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    parts: Vec<String>,
}

impl Glob {
    /// A pattern without `/` in front of its end is looked for at any depth, as in `.gitignore`.
    pub fn new(pattern: &str) -> Glob {
        let trimmed = pattern.trim_start_matches("./").trim_end_matches('/');
        let mut parts: Vec<String> = Vec::new();
        if !trimmed.contains('/') {
            parts.push("**".to_owned());
        }
        parts.extend(trimmed.trim_start_matches('/').split('/').map(str::to_owned));
        Glob { parts }
    }

    /// Does the pattern cover the path, or a folder above it?
    pub fn matches(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').collect();
        covers(&self.parts, &names)
    }
}

fn covers(parts: &[String], names: &[&str]) -> bool {
    match parts {
        // A pattern used up before the path named a folder above it.
        [] => true,
        [any, rest @ ..] if any == "**" => (0..=names.len())
            .any(|skip| covers(rest, &names[skip..]) && (skip < names.len() || !rest.is_empty() || skip > 0)),
        [part, rest @ ..] => match names {
            [name, below @ ..] => name_matches(part.as_bytes(), name.as_bytes()) && covers(rest, below),
            [] => false,
        },
    }
}

/// Two pointers with one place to go back to: linear for one `*`, quadratic at worst.
fn name_matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                back = Some((p, n));
                p += 1;
            }
            Some(&c) if c == b'?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match back {
                Some((star, from)) => {
                    p = star + 1;
                    n = from + 1;
                    back = Some((star, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn globs_cover_files_and_folders() {
        for (pattern, path) in [
            ("vendor", "vendor/a.js"),
            ("vendor/", "x/vendor/a/b.js"),
            ("*.min.js", "a/b/x.min.js"),
            ("docs/*.md", "docs/x.md"),
            ("docs/**", "docs/a/b.md"),
            ("**/gen/*.rs", "a/b/gen/x.rs"),
            ("/top.txt", "top.txt"),
            ("a?c", "abc"),
        ] {
            assert!(Glob::new(pattern).matches(path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("docs/*.md", "docs/a/x.md"),
            ("/top.txt", "a/top.txt"),
            ("*.js", "a.jsx"),
            ("vendor", "vendored/a"),
        ] {
            assert!(!Glob::new(pattern).matches(path), "{pattern} {path}");
        }
    }
}
