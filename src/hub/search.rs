//! Finding skills without a network: words, and vectors of hashed words and letter triples with tf-idf weights, in one
//! flat file of which a search reads only the lists it needs. No model, no floating point in the file.
//!
//! The file, all numbers little-endian: `weftidx1`; then as u64 when it was synchronised, the time of the newest entry
//! (ms), the number of documents, the length of the lists; then `BUCKETS + 1` u32 places of lists; `documents + 1` u32
//! places of entries; the lists; the entries. A list is, for each document that has the feature, in order, the distance
//! to the one before as a variable-length number (7 bits a byte) and its weight, a byte. An entry is one line of JSON.

use super::model::{Summary, Verdict, number, text, word, words};
use crate::files::write_lightly;
use crate::json::{self, Node, Writer};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const MAGIC: &[u8; 8] = b"weftidx1";
const HEAD: u64 = 8 + 4 * 8;
/// Features are hashed to so many lists.
const BUCKETS: u32 = 1 << 18;
/// So many of the best by vector are looked at by word.
const CANDIDATES: usize = 300;
/// Of a description this much is indexed: what it is for stands at its beginning.
pub const MOST_TEXT: usize = 300;
/// A larger file is not ours.
const LARGEST: u64 = 1 << 30;

/// What a word is worth by where it stands.
const NAME: f32 = 2.0;
const TAG: f32 = 1.5;
const TEXT: f32 = 1.0;
/// What a triple of letters is worth beside a whole word.
const TRIPLE: f32 = 0.4;

/// An index in its file.
pub struct Index {
    file: File,
    /// Seconds since 1970 when it was last made equal to the registry.
    pub synced: u64,
    /// Milliseconds since 1970 of the newest entry.
    pub newest: u64,
    documents: u32,
    lists: u64,
}

/// Words of a text: letters and digits of any script, in lower case.
pub fn terms(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// FNV-1a, cut to a list.
fn bucket(kind: u8, bytes: &[u8]) -> u32 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for byte in std::iter::once(&kind).chain(bytes) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    // The high bits are mixed best.
    ((hash >> 40) as u32) & (BUCKETS - 1)
}

/// Adds what a word is made of: itself, and its triples of letters (pairs, where a script has no spaces).
fn features(word: &str, weight: f32, triples: bool, out: &mut Vec<(u32, f32)>) {
    out.push((bucket(b'w', word.as_bytes()), weight));
    let long = if word.is_ascii() { 3 } else { 2 };
    if triples || !word.is_ascii() {
        let letters: Vec<char> =
            std::iter::once('^').chain(word.chars()).chain(std::iter::once('$')).collect();
        for piece in letters.windows(long).take(64) {
            let piece: String = piece.iter().collect();
            out.push((bucket(b'g', piece.as_bytes()), weight * TRIPLE));
        }
    }
}

/// Sums what is there twice.
fn merged(mut all: Vec<(u32, f32)>) -> Vec<(u32, f32)> {
    crate::sort::by_key(&mut all, |(bucket, _)| *bucket);
    let mut out: Vec<(u32, f32)> = Vec::with_capacity(all.len());
    for (bucket, weight) in all {
        match out.last_mut() {
            Some((last, sum)) if *last == bucket => *sum += weight,
            _ => out.push((bucket, weight)),
        }
    }
    out
}

fn cut(text: &str) -> &str {
    text.char_indices().nth(MOST_TEXT).map_or(text, |(at, _)| &text[..at])
}

fn document(skill: &Summary) -> Vec<(u32, f32)> {
    let mut all = Vec::new();
    for word in terms(&skill.slug) {
        features(&word, NAME, true, &mut all);
    }
    // `websearch` finds `web-search`.
    let bare: String = skill.slug.chars().filter(|c| c.is_alphanumeric()).collect();
    if bare.len() < skill.slug.len() {
        features(&bare, NAME / 2.0, true, &mut all);
    }
    for tag in &skill.tags {
        terms(tag).for_each(|word| features(&word, TAG, true, &mut all));
    }
    for word in terms(&skill.title).chain(terms(cut(&skill.text))).take(100) {
        features(&word, TEXT, false, &mut all);
    }
    let mut all = merged(all);
    // A word said ten times is not ten times as much about it.
    all.iter_mut().for_each(|(_, weight)| *weight = 1.0 + (1.0 + *weight).ln());
    all
}

/// How rare a feature is.
fn idf(documents: u32, with: u32) -> f32 {
    (1.0 + documents as f32 / (1.0 + with as f32)).ln()
}

/// Writes the index of these skills.
pub fn write(path: &Path, skills: &[Summary], synced: u64) -> io::Result<()> {
    let documents = u32::try_from(skills.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
    // Bucket, document, and weight, packed to be sorted at once.
    let mut count = vec![0u32; BUCKETS as usize];
    let vectors: Vec<Vec<(u32, f32)>> = skills.iter().map(document).collect();
    for (bucket, _) in vectors.iter().flatten() {
        count[*bucket as usize] += 1;
    }
    let mut all: Vec<u64> = Vec::with_capacity(vectors.iter().map(Vec::len).sum());
    for (doc, vector) in vectors.iter().enumerate() {
        let weighed =
            |(bucket, weight): &(u32, f32)| (*bucket, weight * idf(documents, count[*bucket as usize]));
        let length = vector.iter().map(|f| weighed(f).1.powi(2)).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        for feature in vector {
            let (bucket, weight) = weighed(feature);
            let byte = (weight / length * 255.0).round().clamp(1.0, 255.0) as u64;
            all.push(u64::from(bucket) << 40 | (doc as u64) << 8 | byte);
        }
    }
    drop(vectors);
    all.sort_unstable();
    let (mut lists, mut places) = (Vec::new(), Vec::with_capacity(BUCKETS as usize + 1));
    let mut next = all.iter().peekable();
    for bucket in 0..u64::from(BUCKETS) {
        places.push(place(lists.len())?);
        let mut last = 0;
        while let Some(feature) = next.next_if(|feature| *feature >> 40 == bucket) {
            let doc = (feature >> 8) as u32;
            number_into(&mut lists, doc - last);
            lists.push(*feature as u8);
            last = doc;
        }
    }
    places.push(place(lists.len())?);
    let (mut entries, mut starts) = (Vec::new(), Vec::with_capacity(skills.len() + 1));
    for skill in skills {
        starts.push(place(entries.len())?);
        entry(&mut entries, skill)?;
    }
    starts.push(place(entries.len())?);
    let newest = skills.iter().map(|skill| skill.updated).max().unwrap_or(0);
    write_lightly(path, |out| {
        out.write_all(MAGIC)?;
        for number in [synced, newest, u64::from(documents), lists.len() as u64] {
            out.write_all(&number.to_le_bytes())?;
        }
        for place in places.iter().chain(&starts) {
            out.write_all(&place.to_le_bytes())?;
        }
        out.write_all(&lists)?;
        out.write_all(&entries)
    })
}

fn place(at: usize) -> io::Result<u32> {
    u32::try_from(at).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

fn number_into(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn number_from(list: &[u8], at: &mut usize) -> Option<u32> {
    let mut number = 0u32;
    for shift in [0, 7, 14, 21, 28] {
        let byte = *list.get(*at)?;
        *at += 1;
        number |= u32::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn entry(out: &mut Vec<u8>, skill: &Summary) -> io::Result<()> {
    Writer::new(out).object(|w| {
        w.field("slug", &skill.slug)?;
        w.field("title", &skill.title)?;
        w.field("text", cut(&skill.text))?;
        if let Some(owner) = &skill.owner {
            w.field("owner", owner)?;
        }
        if let Some(version) = &skill.version {
            w.field("version", version)?;
        }
        w.strings("tags", skill.tags.iter().map(String::as_str))?;
        for (key, value) in [("stars", skill.stars), ("downloads", skill.downloads)] {
            if let Some(value) = value {
                w.count(key, value)?;
            }
        }
        if let Some(signed) = skill.signed {
            w.key("signed")?.boolean(signed)?;
        }
        w.count("updated", skill.updated)?;
        w.field("verdict", skill.verdict.as_str())
    })?;
    out.push(b'\n');
    Ok(())
}

fn skill(line: &[u8]) -> Option<Summary> {
    let node = json::parse(std::str::from_utf8(line).ok()?.trim_end()).ok()?;
    Some(Summary {
        slug: word(&node, "slug")?,
        title: text(&node, "title"),
        text: text(&node, "text"),
        owner: word(&node, "owner"),
        version: word(&node, "version"),
        tags: words(&node, "tags"),
        stars: number(&node, "stars"),
        downloads: number(&node, "downloads"),
        signed: node.get("signed").and_then(Node::as_bool),
        updated: number(&node, "updated").unwrap_or(0),
        verdict: Verdict::parse(&text(&node, "verdict")),
        withdrawn: false,
        score: 0.0,
    })
}

impl Index {
    /// Opens an index; one that is not whole counts as none.
    pub fn open(path: &Path) -> Option<Index> {
        let file = File::open(path).ok()?;
        let size = file.metadata().ok()?.len();
        let mut head = [0; HEAD as usize];
        file.read_exact_at(&mut head, 0).ok()?;
        let number =
            |at: usize| Some(u64::from_le_bytes(head.get(8 + at * 8..16 + at * 8)?.try_into().ok()?));
        if head.get(..8)? != MAGIC || size > LARGEST {
            return None;
        }
        let documents = u32::try_from(number(2)?).ok()?;
        let index = Index { file, synced: number(0)?, newest: number(1)?, documents, lists: number(3)? };
        (index.entries_at().checked_add(u64::from(index.entry_place(documents)?))? == size).then_some(index)
    }

    fn lists_at(&self) -> u64 {
        HEAD + (u64::from(BUCKETS) + 1) * 4 + (u64::from(self.documents) + 1) * 4
    }

    fn entries_at(&self) -> u64 {
        self.lists_at().saturating_add(self.lists)
    }

    fn u32_at(&self, at: u64) -> Option<u32> {
        let mut bytes = [0; 4];
        self.file.read_exact_at(&mut bytes, at).ok()?;
        Some(u32::from_le_bytes(bytes))
    }

    fn entry_place(&self, doc: u32) -> Option<u32> {
        self.u32_at(HEAD + (u64::from(BUCKETS) + 1) * 4 + u64::from(doc) * 4)
    }

    fn bytes(&self, from: u64, to: u64, end: u64) -> Option<Vec<u8>> {
        let length = to.checked_sub(from).filter(|_| to <= end)?;
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        self.file.read_exact_at(&mut bytes, from).ok()?;
        Some(bytes)
    }

    fn list(&self, bucket: u32) -> Option<Vec<u8>> {
        let at = HEAD + u64::from(bucket) * 4;
        let (from, to) = (u64::from(self.u32_at(at)?), u64::from(self.u32_at(at + 4)?));
        self.bytes(self.lists_at() + from, self.lists_at() + to, self.entries_at())
    }

    /// The skill with this number, in the order they were written.
    fn get(&self, doc: u32) -> Option<Summary> {
        let (from, to) = (u64::from(self.entry_place(doc)?), u64::from(self.entry_place(doc + 1)?));
        let at = self.entries_at();
        skill(&self.bytes(at + from, at + to, u64::MAX)?)
    }

    pub fn len(&self) -> usize {
        self.documents as usize
    }

    pub fn is_empty(&self) -> bool {
        self.documents == 0
    }

    /// Every skill; what cannot be read is left out.
    pub fn all(&self) -> Vec<Summary> {
        let at = self.entries_at();
        let end = self.entry_place(self.documents).map_or(at, |end| at + u64::from(end));
        let bytes = self.bytes(at, end, end).unwrap_or_default();
        bytes.split_inclusive(|b| *b == b'\n').filter_map(skill).collect()
    }

    /// The best `limit` for a query, best first, each with its score from 0 to 1.
    pub fn search(&self, query: &str, limit: usize) -> Vec<Summary> {
        let query_terms: Vec<String> = terms(query).take(16).collect();
        let mut wanted = Vec::new();
        query_terms.iter().for_each(|word| features(word, 1.0, true, &mut wanted));
        // Words that were typed apart may be one name.
        if query_terms.len() > 1 {
            features(&query_terms.concat(), 0.5, true, &mut wanted);
        }
        let lists: Vec<(f32, Vec<u8>)> = merged(wanted)
            .into_iter()
            .filter_map(|(bucket, weight)| Some((weight, self.list(bucket)?)))
            .collect();
        let mut scores = vec![0f32; self.len()];
        let mut length = 0f32;
        for (weight, list) in &lists {
            // A list has two bytes for a document at least; few need more where the list is long enough to matter.
            let weight = weight * idf(self.documents, u32::try_from(list.len() / 2).unwrap_or(u32::MAX));
            length += weight.powi(2);
            let (mut at, mut doc) = (0, 0u32);
            while let Some(distance) = number_from(list, &mut at) {
                doc = doc.saturating_add(distance);
                let Some(byte) = list.get(at) else { break };
                at += 1;
                if let Some(score) = scores.get_mut(doc as usize) {
                    *score += weight * f32::from(*byte) / 255.0;
                }
            }
        }
        let length = length.sqrt().max(f32::MIN_POSITIVE);
        let mut best: Vec<(f32, u32)> = scores
            .iter()
            .zip(0..)
            .filter(|(score, _)| **score > 0.0)
            .map(|(s, doc)| (s / length, doc))
            .collect();
        let worse = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if best.len() > CANDIDATES {
            best.select_nth_unstable_by(CANDIDATES, worse);
            best.truncate(CANDIDATES);
        }
        let mut found: Vec<Summary> = best
            .into_iter()
            .filter_map(|(cosine, doc)| {
                let mut skill = self.get(doc)?;
                skill.score = 0.5 * keywords(&skill, &query_terms) + 0.5 * f64::from(cosine.min(1.0));
                Some(skill)
            })
            .collect();
        sort(&mut found);
        found.truncate(limit);
        found
    }
}

/// Best first; of equals the one that more people took.
pub fn sort(found: &mut [Summary]) {
    crate::sort::by(found, |a, b| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| b.downloads.cmp(&a.downloads))
            .then_with(|| a.slug.cmp(&b.slug))
    });
}

/// The share of what could be had: for each word 2 in the name, 1.5 in a tag, 1 in the description. 0 to 1.
pub fn keywords(skill: &Summary, words: &[String]) -> f64 {
    let (text, title) = (skill.text.to_lowercase(), skill.title.to_lowercase());
    let in_name = |word: &str| skill.slug.contains(word) || title.contains(word);
    let in_tags = |word: &str| skill.tags.iter().any(|tag| tag.to_lowercase().contains(word));
    let sum: f64 =
        words.iter().map(|word| worth(in_name(word), in_tags(word), text.contains(word.as_str()))).sum();
    share(sum, words.len())
}

/// What one word of a query is worth by where it stands.
pub fn worth(in_name: bool, in_tags: bool, in_text: bool) -> f64 {
    let worth = |is: bool, weight: f32| if is { f64::from(weight) } else { 0.0 };
    worth(in_name, NAME) + worth(in_tags, TAG) + worth(in_text, TEXT)
}

/// The sum over all words as a share of what it could be.
pub fn share(sum: f64, words: usize) -> f64 {
    sum / (f64::from(NAME + TAG + TEXT) * words.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn made(slug: &str, text: &str, tags: &[&str]) -> Summary {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        Summary {
            slug: slug.into(),
            title: slug.into(),
            text: text.into(),
            tags,
            updated: 7,
            ..Summary::default()
        }
    }

    fn path(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("weft-index-{}-{name}", std::process::id()))
    }

    #[test]
    fn finds_what_is_meant() {
        let mut skills = vec![
            made("github", "Work with issues and pull requests", &["git", "development"]),
            made("web-search", "Search the web with a privacy friendly engine", &["research"]),
            made("weather", "Forecasts for any town", &["daily"]),
            made("pdf-tools", "Split, merge and read PDF documents", &["documents"]),
            made("kanji", "日本語の漢字を調べる", &["language"]),
        ];
        skills.extend((0..500).map(|n| made(&format!("filler-{n}"), "Something else entirely", &["other"])));
        let path = path("meant");
        write(&path, &skills, 5).unwrap();
        let index = Index::open(&path).unwrap();
        assert_eq!((index.len(), index.synced, index.newest), (505, 5, 7));
        for (query, first) in [
            ("github", "github"),
            ("gihtub", "github"),
            ("githb", "github"),
            ("websearch", "web-search"),
            ("web search", "web-search"),
            ("pull requests", "github"),
            ("wether forecast", "weather"),
            ("merge pdf", "pdf-tools"),
            ("漢字", "kanji"),
            ("RESEARCH", "web-search"),
        ] {
            let found = index.search(query, 3);
            assert_eq!(found.first().map(|skill| skill.slug.as_str()), Some(first), "{query}");
            assert!(found.iter().all(|skill| (0.0..=1.0).contains(&skill.score)), "{query}");
        }
        assert!(index.search("", 3).is_empty() && index.search("!!", 3).is_empty());
        assert!(index.search("zzzqqq", 3).is_empty());
        assert_eq!(index.all(), skills);
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_damaged_index_is_none_or_finds_less() {
        let path = path("damaged");
        write(&path, &[made("a", "b", &[])], 1).unwrap();
        let whole = fs::read(&path).unwrap();
        for cut in [0, 7, 20, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..cut]).unwrap();
            assert!(Index::open(&path).is_none(), "{cut}");
        }
        for at in (0..whole.len()).step_by(997).chain(0..64).chain(whole.len() - 80..whole.len()) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            fs::write(&path, &bytes).unwrap();
            if let Some(index) = Index::open(&path) {
                let _ = (index.search("a", 3), index.all());
            }
        }
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn scores_are_as_designed() {
        let skill = made("git-log", "reads a log", &["git"]);
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert!((keywords(&skill, &words(&["git"])) - 3.5 / 4.5).abs() < 1e-9);
        assert!((keywords(&skill, &words(&["log", "reads"])) - (3.0 + 1.0) / 9.0).abs() < 1e-9);
        assert_eq!(keywords(&skill, &[]), 0.0);
    }
}
