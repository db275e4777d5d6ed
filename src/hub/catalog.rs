//! The registry's list of skills on this machine: fetched once, then only what changed, at most once an hour.

use super::search::{self, Index};
use super::{HOUR, Hub, Summary};
use crate::clock;
use crate::digest::Sha256;
use crate::skill::Problem;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Pages that are followed; of two hundred skills each.
const MOST_PAGES: usize = 2000;
/// No registry has more skills, and a list of them stays in memory.
const MOST_SKILLS: usize = 200_000;
/// What is kept of a title or a tag, in characters, and of tags in number.
const MOST_WORD: usize = 80;
const MOST_TAGS: usize = 10;

/// Where the list of a registry is kept.
pub fn path(cache: &Path, hub: &Hub) -> PathBuf {
    cache.join(format!("catalog-{}.idx", &Sha256::of(hub.registry.as_bytes()).to_string()[..16]))
}

/// The list, brought up to date where that is due and there is a network. `first` fetches it also when there is none
/// yet. `progress` is told how many skills came.
pub fn open(path: &Path, hub: &Hub, first: bool, progress: &dyn Fn(usize)) -> Result<Option<Index>, Problem> {
    let old = Index::open(path);
    let now = clock::now().as_secs();
    let due = old.as_ref().map_or(first, |index| now.saturating_sub(index.synced) >= HOUR);
    if hub.offline || !due {
        return Ok(old);
    }
    // An entry that is dated in the future must not hide all that come after it.
    let known = old.as_ref().filter(|_| !hub.lists_all());
    let since = known.map_or(0, |index| index.newest.min(index.synced.saturating_mul(1000)));
    let news = match changed(hub, since, progress) {
        Ok(news) => news,
        // An old list is better than none.
        Err(_) if old.is_some() => return Ok(old),
        Err(problem) => return Err(problem),
    };
    let mut all: BTreeMap<(Option<String>, String), Summary> = BTreeMap::new();
    let before = old.filter(|_| !hub.lists_all()).map(|index| index.all()).unwrap_or_default();
    for skill in before.into_iter().chain(news) {
        let key = (skill.owner.clone(), skill.slug.clone());
        if skill.withdrawn {
            all.remove(&key);
        } else {
            all.insert(key, skill);
        }
    }
    let skills: Vec<Summary> = all.into_values().collect();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| Problem::file("cannot make", folder, &error))?;
    }
    search::write(path, &skills, now).map_err(|error| Problem::file("cannot write", path, &error))?;
    Ok(Index::open(path))
}

/// What is new or changed since then (milliseconds since 1970), oldest first.
fn changed(hub: &Hub, since: u64, progress: &dyn Fn(usize)) -> Result<Vec<Summary>, Problem> {
    let mut all: Vec<Summary> = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let (page, next) = hub.page(since, cursor.as_deref())?;
        let known = page.iter().any(|skill| skill.updated < since);
        all.extend(page.into_iter().filter(|skill| skill.updated >= since).map(bounded));
        progress(all.len());
        // Newest first: behind the first that is older, all are.
        if next.is_none() || next == cursor || all.len() >= MOST_SKILLS || (known && !hub.has_catalog()) {
            break;
        }
        cursor = next;
    }
    all.reverse();
    Ok(all)
}

/// What is kept of a skill, so that a list of them has a size.
fn bounded(mut skill: Summary) -> Summary {
    for text in std::iter::once(&mut skill.title).chain(&mut skill.tags) {
        cut(text, MOST_WORD);
    }
    cut(&mut skill.text, search::MOST_TEXT);
    if let Some(version) = &mut skill.version {
        cut(version, MOST_WORD);
    }
    skill.tags.truncate(MOST_TAGS);
    skill
}

fn cut(text: &mut String, most: usize) {
    if let Some((at, _)) = text.char_indices().nth(most) {
        text.truncate(at);
        text.shrink_to_fit();
    }
}
