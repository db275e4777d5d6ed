//! The hashes of a skill: weft's own (`weft-skill-tree-v1`), which a signature covers, and the fingerprint that
//! ClawHub registries know. From files that were hashed already; reading a folder is `collect`'s. See docs/skill-hash.md.

use super::nfc;
use super::path::SafePath;
use crate::digest::{Hasher, Sha256};
use crate::sort;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;

/// A file of a skill, as its hashes see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHash {
    pub path: SafePath,
    /// In bytes.
    pub size: u64,
    pub sha256: Sha256,
}

impl FileHash {
    pub fn of(path: SafePath, content: &[u8]) -> FileHash {
        FileHash { path, size: content.len() as u64, sha256: Sha256::of(content) }
    }
}

/// Two paths that cannot both be in one skill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Collision {
    /// The same path twice.
    Same(String),
    /// Paths that a file system may hold for one.
    Alike(String, String),
    /// A file that is also the folder of another file.
    FileAndFolder(String, String),
}

impl fmt::Display for Collision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Collision::Same(path) => write!(f, "`{path}` is there twice"),
            Collision::Alike(a, b) => write!(f, "`{a}` and `{b}` differ only in case or spelling"),
            Collision::FileAndFolder(file, inside) => {
                write!(f, "`{file}` is a file, and a folder in `{inside}`")
            }
        }
    }
}

/// Paths that collide on some file system: the same, the same but for case, or a file where another needs a folder.
pub fn find_collision<'a>(paths: impl IntoIterator<Item = &'a SafePath>) -> Option<Collision> {
    let mut seen: HashMap<String, &SafePath> = HashMap::new();
    let mut folded = Vec::new();
    for path in paths {
        let key = nfc::fold(path.as_str());
        if let Some(earlier) = seen.insert(key.clone(), path) {
            return Some(if earlier == path {
                Collision::Same(path.to_string())
            } else {
                Collision::Alike(earlier.to_string(), path.to_string())
            });
        }
        folded.push((key, path));
    }
    for (key, path) in &folded {
        for (slash, _) in key.match_indices('/') {
            if let Some(file) = key.get(..slash).and_then(|folder| seen.get(folder)) {
                return Some(Collision::FileAndFolder(file.to_string(), path.to_string()));
            }
        }
    }
    None
}

/// The first line of what `weft-skill-tree-v1` hashes.
pub const TREE_V1: &str = "weft-skill-tree-v1\n";

/// The text whose SHA-256 is the content hash: the version's line, then `sha256 SP size SP path LF` for each file,
/// sorted by the bytes of the path.
pub fn listing(files: &[FileHash]) -> Result<String, Collision> {
    if let Some(collision) = find_collision(files.iter().map(|file| &file.path)) {
        return Err(collision);
    }
    let mut sorted: Vec<&FileHash> = files.iter().collect();
    sort::by(&mut sorted, |a, b| a.path.cmp(&b.path));
    let mut text = String::from(TREE_V1);
    for file in sorted {
        text.push_str(&file.sha256.to_string());
        text.push(' ');
        text.push_str(&file.size.to_string());
        text.push(' ');
        text.push_str(file.path.as_str());
        text.push('\n');
    }
    Ok(text)
}

/// The canonical content hash, `weft-skill-tree-v1`.
pub fn content_hash(files: &[FileHash]) -> Result<Sha256, Collision> {
    Ok(Sha256::of(listing(files)?.as_bytes()))
}

/// Reads a listing back, for what changed. `None` if it is not exactly what [`listing`] writes.
pub fn parse_listing(text: &str) -> Option<Vec<FileHash>> {
    let mut files = Vec::new();
    for line in text.strip_prefix(TREE_V1)?.split_inclusive('\n') {
        let mut parts = line.strip_suffix('\n')?.splitn(3, ' ');
        let sha256 = Sha256::parse(parts.next()?)?;
        let size = parts.next()?.parse().ok()?;
        files.push(FileHash { path: SafePath::new(parts.next()?).ok()?, size, sha256 });
    }
    (listing(&files).ok()? == text).then_some(files)
}

/// The fingerprint that ClawHub's API knows: SHA-256 of `path:sha256` lines without sizes, in collation order, joined
/// by line feeds. It may hold files that collide.
pub fn fingerprint(files: &[FileHash]) -> Sha256 {
    let mut sorted: Vec<&FileHash> = files.iter().collect();
    sort::by(&mut sorted, |a, b| collate(a.path.as_str(), b.path.as_str()));
    let mut hasher = Hasher::default();
    for (index, file) in sorted.into_iter().enumerate() {
        if index > 0 {
            hasher.update(b"\n");
        }
        hasher.update(file.path.as_str().as_bytes());
        hasher.update(b":");
        hasher.update(file.sha256.to_string().as_bytes());
    }
    hasher.finish()
}

/// The order of `String.prototype.localeCompare` in an English locale: exact for ASCII; characters beyond it come
/// behind, by code point, where ICU has tables and the user's locale has a say.
pub fn collate(a: &str, b: &str) -> Ordering {
    let by_weight = a.chars().map(weight).cmp(b.chars().map(weight));
    // The first difference in case: lower case is first.
    let by_case = || {
        let case = |text: &str| text.chars().map(|c| c.is_ascii_uppercase()).collect::<Vec<bool>>();
        case(a).cmp(&case(b))
    };
    by_weight.then_with(by_case).then_with(|| a.cmp(b))
}

/// What collation looks at first: punctuation, then digits, then letters whatever their case.
fn weight(c: char) -> u32 {
    const PUNCTUATION: &str = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$";
    match c {
        '0'..='9' => 100 + u32::from(c),
        'a'..='z' | 'A'..='Z' => 200 + u32::from(c.to_ascii_lowercase()),
        c if c.is_ascii() => PUNCTUATION.find(c).map_or(0, |at| at as u32 + 1),
        c => 1000 + u32::from(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, content: &[u8]) -> FileHash {
        FileHash::of(SafePath::new(path).unwrap(), content)
    }

    fn paths(list: &[&str]) -> Option<Collision> {
        let list: Vec<SafePath> = list.iter().map(|p| SafePath::new(p).unwrap()).collect();
        find_collision(&list)
    }

    #[test]
    fn the_fingerprint_of_the_protocol_document() {
        let files = [
            file("SKILL.md", b"a\n"),
            file("references/a.md", b"b\n"),
            file("b-1.txt", b"c\n"),
            file("B-1.txt", b"d\n"),
            file("_under.md", b"e\n"),
            file("scripts/run.sh", b"f\n"),
            file("scripts/Run.md", b"g\n"),
            file("blob.bin", &[0, 0xff]),
            file("empty.txt", b""),
        ];
        assert_eq!(
            fingerprint(&files).to_string(),
            "2951b46a73bb6fe6305c93a69e314cb6477420ed21888b94a3d1ae3691db6026"
        );
        assert!(matches!(content_hash(&files), Err(Collision::Alike(..))));
    }

    /// The vectors of docs/skill-hash.md, which another program computed.
    #[test]
    fn the_vectors_of_the_document() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/skill-hash.md");
        let page = std::fs::read_to_string(page).unwrap();
        let six = [
            file("SKILL.md", b"a\n"),
            file("scripts/run.sh", b"f\n"),
            file("Zed.py", b""),
            file("größe.txt", &[0, 0xff]),
            file("a-b", b"b\n"),
            file("a/b", b"c\n"),
        ];
        for (files, hash) in [
            (&six[..0], "d768988b42bcb638059609ac519dc00796fdfdf7c5058532a845030adb9ada86"),
            (&six[..1], "9406d273a2d2d1894e188680fc8306acf78986a67107ad9c3440871acb8f1d84"),
            (&six[..], "c2546bc3ae967478307eba27f1be37072308b47ab81675b03c3ff692271bb093"),
        ] {
            assert_eq!(content_hash(files).unwrap().to_string(), hash);
            assert!(page.contains(hash));
        }
        assert!(page.contains(&listing(&six).unwrap()));
    }

    #[test]
    fn collation_is_not_byte_order() {
        let sorted = [
            "_x",
            "-x",
            ".x",
            "0",
            "10",
            "2",
            "a.md",
            "b-1.txt",
            "B-1.txt",
            "references/a.md",
            "SKILL.md",
            "Zed.py",
            "ä",
            "日",
        ];
        for (index, a) in sorted.iter().enumerate() {
            for (other, b) in sorted.iter().enumerate() {
                assert_eq!(collate(a, b), index.cmp(&other), "{a} {b}");
            }
        }
        assert_eq!(collate("ab", "aB"), Ordering::Less);
        assert_eq!(collate("aBc", "abd"), Ordering::Less, "letters first, then case");
        assert_eq!(collate("a", "a/b"), Ordering::Less);
    }

    #[test]
    fn collisions_are_found() {
        assert_eq!(paths(&["a", "b", "a.b", "c/a", "A.c"]), None);
        assert!(matches!(paths(&["a", "b", "a"]), Some(Collision::Same(_))));
        for alike in
            [["README", "readme"], ["straße", "STRASSE"], ["Σ", "ς"], ["ﬁ", "FI"], ["k", "\u{212a}x"]]
        {
            let alike = alike.map(|p| p.trim_end_matches('x'));
            if let Some(found) = paths_of(&alike) {
                assert!(matches!(found, Collision::Alike(..)), "{alike:?} {found:?}");
            }
        }
        for file in [["a", "a/b"], ["a/b/c", "a"], ["A", "a/b"], ["x/a/b/c", "x/A"]] {
            assert!(matches!(paths(&file), Some(Collision::FileAndFolder(..))), "{file:?}");
        }
    }

    /// `None` if one of them is no path.
    fn paths_of(list: &[&str]) -> Option<Collision> {
        let list: Option<Vec<SafePath>> = list.iter().map(|p| SafePath::new(p).ok()).collect();
        Some(find_collision(&list?).unwrap_or_else(|| panic!("no collision")))
    }

    #[test]
    fn a_listing_reads_back_and_only_as_written() {
        let files = [file("b", b"1"), file("a/c d", b"22")];
        let text = listing(&files).unwrap();
        assert!(text.starts_with("weft-skill-tree-v1\n"));
        assert_eq!(parse_listing(&text).unwrap(), [files[1].clone(), files[0].clone()]);
        assert_eq!(Sha256::of(text.as_bytes()), content_hash(&files).unwrap());
        for bad in [
            text.replace("v1", "v2"),
            text.replace(" 1 ", " 01 "),
            text.replace("b\n", "../b\n"),
            text.trim_end().to_owned(),
            format!("{text}\n"),
            text.lines().rev().map(|l| format!("{l}\n")).collect(),
        ] {
            assert_eq!(parse_listing(&bad), None, "{bad}");
        }
        assert_eq!(parse_listing(TREE_V1), Some(vec![]));
    }
}
