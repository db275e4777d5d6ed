//! Search on the hub: all that can be found stands in one text, in lower case, and each word of a query is looked for in
//! it at memory speed. Always current, with no index to keep. What a word is worth is `hub::search`'s, which the client
//! uses too.

use super::{Skill, SkillId};
use crate::hub::search::{MOST_TEXT, share, terms, worth};
use crate::sort;
use memchr::memmem;

/// Words of a query that are looked at.
const MOST_WORDS: usize = 8;
/// So many bytes are worth a second thread.
const MUCH: usize = 4 << 20;
/// Nobody's: the document was replaced.
const DEAD: SkillId = SkillId::MAX;

/// A skill in the text: name and title, topics, description.
#[derive(Clone, Debug)]
struct Document {
    start: u32,
    name_end: u32,
    topics_end: u32,
    skill: SkillId,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Haystack {
    text: String,
    documents: Vec<Document>,
    /// For each skill, where in `documents` it is; `DEAD` if nowhere.
    places: Vec<u32>,
    dead: usize,
}

const NAME: u8 = 1;
const TOPIC: u8 = 2;
const TEXT: u8 = 4;

impl Haystack {
    pub(super) fn of(skills: &[Skill]) -> Haystack {
        let mut all = Haystack::default();
        for (id, skill) in (0..).zip(skills) {
            all.set(id, skill);
        }
        all.text.shrink_to_fit();
        all
    }

    /// Replaces what is known of a skill; takes it out if nobody is to see it.
    pub(super) fn set(&mut self, id: SkillId, skill: &Skill) {
        if self.places.len() <= id as usize {
            self.places.resize(id as usize + 1, DEAD);
        }
        let Some(place) = self.places.get_mut(id as usize) else { return };
        if let Some(old) = self.documents.get_mut(std::mem::replace(place, DEAD) as usize) {
            old.skill = DEAD;
            self.dead += 1;
        }
        if self.dead > 1000 && self.dead * 2 > self.documents.len() {
            self.compact();
        }
        // Beyond four gigabytes nothing more is found rather than something wrong.
        if !skill.is_listed() || self.text.len() > u32::MAX as usize - (1 << 16) {
            return;
        }
        let at = |text: &String| text.len() as u32;
        let start = at(&self.text);
        let text = &mut self.text;
        text.push('\n');
        push(text, &skill.slug);
        text.push('\n');
        push(text, &skill.title);
        let name_end = at(text);
        text.push('\n');
        push(text, &skill.topics);
        let topics_end = at(text);
        text.push('\n');
        push(text, cut(&skill.summary));
        if let Some(place) = self.places.get_mut(id as usize) {
            *place = self.documents.len() as u32;
        }
        self.documents.push(Document { start, name_end, topics_end, skill: id });
    }

    fn compact(&mut self) {
        let mut text = String::with_capacity(self.text.len());
        let mut documents = Vec::with_capacity(self.documents.len() - self.dead);
        for (at, document) in self.documents.iter().enumerate() {
            if document.skill == DEAD {
                continue;
            }
            let end = self.documents.get(at + 1).map_or(self.text.len(), |next| next.start as usize);
            let start = text.len() as u32;
            text.push_str(self.text.get(document.start as usize..end).unwrap_or_default());
            let moved = |place: u32| place - document.start + start;
            let (name_end, topics_end) = (moved(document.name_end), moved(document.topics_end));
            if let Some(place) = self.places.get_mut(document.skill as usize) {
                *place = documents.len() as u32;
            }
            documents.push(Document { start, name_end, topics_end, skill: document.skill });
        }
        (self.text, self.documents, self.dead) = (text, documents, 0);
    }

    /// Best first, of equals the one that more people took.
    pub(super) fn search(
        &self,
        query: &str,
        limit: usize,
        downloads: &dyn Fn(SkillId) -> u64,
    ) -> Vec<(SkillId, f64)> {
        let words: Vec<String> = terms(query).take(MOST_WORDS).collect();
        let sums = self.sums(&words);
        let mut found: Vec<(f32, u32)> = (0..).zip(&sums).map(|(at, sum)| (*sum, at)).collect();
        found.retain(|(sum, at)| {
            *sum > 0.0 && self.documents.get(*at as usize).is_some_and(|d| d.skill != DEAD)
        });
        // What is worth less than the last that is shown needs no second look: with common words that is most.
        if found.len() > limit && limit > 0 {
            let (_, (least, _), _) = found.select_nth_unstable_by(limit - 1, |a, b| b.0.total_cmp(&a.0));
            let least = *least;
            found.retain(|(sum, _)| *sum >= least);
        }
        // Whoever types the whole name means that one.
        let named = self.named(&words.join("-"));
        for at in &named {
            if !found.iter().any(|(_, other)| other == at) {
                found.push((0.0, *at));
            }
        }
        let mut found: Vec<(SkillId, f64, u64)> = found
            .into_iter()
            .filter_map(|(sum, at)| {
                let skill = self.documents.get(at as usize)?.skill;
                let score = if named.contains(&at) { 1.0 } else { share(f64::from(sum), words.len()) };
                Some((skill, score, downloads(skill)))
            })
            .collect();
        let better = |a: &(SkillId, f64, u64), b: &(SkillId, f64, u64)| {
            b.1.total_cmp(&a.1).then(b.2.cmp(&a.2)).then(a.0.cmp(&b.0))
        };
        if found.len() > limit && limit > 0 {
            found.select_nth_unstable_by(limit - 1, better);
        }
        found.truncate(limit);
        sort::by(&mut found, better);
        found.into_iter().map(|(id, score, _)| (id, score)).collect()
    }

    /// What each document is worth. Where there is much to read, half of the words are looked for on another thread.
    fn sums(&self, words: &[String]) -> Vec<f32> {
        let of = |words: &[String]| {
            let mut sums = vec![0f32; self.documents.len()];
            for word in words {
                self.each(word, &mut |document, seen| {
                    if let Some(sum) = sums.get_mut(document) {
                        *sum += worth(seen & NAME > 0, seen & TOPIC > 0, seen & TEXT > 0) as f32;
                    }
                });
            }
            sums
        };
        let (some, others) = words.split_at(words.len() / 2);
        if some.is_empty() || self.text.len() < MUCH {
            return of(words);
        }
        std::thread::scope(|scope| {
            let spawned = std::thread::Builder::new().spawn_scoped(scope, || of(some));
            let mut sums = of(others);
            let half = match spawned {
                Ok(thread) => thread.join().unwrap_or_default(),
                // No more threads are to be had: then one after the other.
                Err(_) => of(some),
            };
            sums.iter_mut().zip(half).for_each(|(sum, more)| *sum += more);
            sums
        })
    }

    /// The documents of skills of that name.
    fn named(&self, name: &str) -> Vec<u32> {
        if name.is_empty() {
            return Vec::new();
        }
        // Without the end of its line, which may be the beginning of another that is looked for.
        let line = format!("\n{name}");
        let hits = memmem::find_iter(self.text.as_bytes(), &line);
        let at = |hit: usize| {
            if self.text.as_bytes().get(hit + line.len()) != Some(&b'\n') {
                return None;
            }
            let place = self.documents.binary_search_by_key(&(hit as u32), |document| document.start).ok()?;
            self.documents.get(place).filter(|document| document.skill != DEAD).map(|_| place as u32)
        };
        hits.filter_map(at).collect()
    }

    /// Each document that has the word, and where in it. A part that has it is left at once: a word on every line of a
    /// long description costs no more than one.
    fn each(&self, word: &str, found: &mut dyn FnMut(usize, u8)) {
        let finder = memmem::Finder::new(word);
        let bytes = self.text.as_bytes();
        let (mut at, mut current, mut seen) = (0, 0, 0u8);
        while let Some(hit) = bytes.get(at..).and_then(|rest| finder.find(rest)) {
            let hit = (at + hit) as u32;
            let ahead = self.documents.get(current..).unwrap_or_default();
            // Most hits are near the one before.
            let near = ahead.iter().take(8).take_while(|document| document.start <= hit).count();
            let step = if near < 8 { near } else { ahead.partition_point(|document| document.start <= hit) };
            // The first of them is the one of the hit before.
            if step > 1 {
                if seen > 0 {
                    found(current, seen);
                }
                (current, seen) = (current + step - 1, 0);
            }
            let Some(document) = self.documents.get(current) else { break };
            let end = self.documents.get(current + 1).map_or(bytes.len(), |next| next.start as usize);
            let (part, next) = match hit {
                _ if hit < document.name_end => (NAME, document.name_end as usize),
                _ if hit < document.topics_end => (TOPIC, document.topics_end as usize),
                _ => (TEXT, end),
            };
            seen |= part;
            at = next;
        }
        if seen > 0 {
            found(current, seen);
        }
    }
}

/// In lower case, on one line.
fn push(out: &mut String, text: &str) {
    if text.is_ascii() {
        out.extend(text.bytes().map(|byte| match byte {
            b'\n' => ' ',
            _ => char::from(byte.to_ascii_lowercase()),
        }));
    } else {
        out.extend(text.chars().flat_map(char::to_lowercase).map(|c| if c == '\n' { ' ' } else { c }));
    }
}

fn cut(text: &str) -> &str {
    text.char_indices().nth(MOST_TEXT).map_or(text, |(at, _)| &text[..at])
}
