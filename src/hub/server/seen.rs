//! Counts downloads and installs: of one user or address one a day for each skill, whatever programs repeat. Added to the
//! state a few at a time, so that a download does not stop those who read.

use super::app::{App, lock, skill_id};
use super::state::{AccountId, SkillId};
use crate::skill::Problem;
use std::collections::{HashMap, HashSet, hash_map::RandomState};
use std::hash::BuildHasher;
use std::net::IpAddr;

/// Who downloaded what today; when there are more, the rest of the day is counted twice.
const MOST: usize = 300_000;
/// So many wait, or so long (in milliseconds), before they are added.
const BATCH: usize = 64;
const PAUSE: u64 = 1000;
/// How often it is written, in milliseconds.
const KEEP: u64 = 30_000;
const DAY: u64 = 86_400_000;

/// What was counted and is not in the state yet.
#[derive(Debug, Default)]
pub struct Seen {
    day: u64,
    today: HashSet<u64>,
    keys: RandomState,
    waiting: HashMap<SkillId, (u64, u64)>,
    /// When that was done last, in milliseconds.
    added: u64,
    written: u64,
    unwritten: bool,
}

impl Seen {
    fn is_new(&mut self, what: (u8, SkillId, Option<AccountId>, Option<IpAddr>), now: u64) -> bool {
        if self.day != now / DAY {
            self.day = now / DAY;
            self.today = HashSet::new();
        }
        let key = self.keys.hash_one(what);
        self.today.len() < MOST && self.today.insert(key)
    }

    pub fn download(&mut self, skill: SkillId, who: Option<AccountId>, from: IpAddr, now: u64) {
        // A user is the same wherever they are.
        let from = if who.is_some() { None } else { Some(from) };
        if self.is_new((0, skill, who, from), now) {
            self.waiting.entry(skill).or_default().0 += 1;
        }
    }

    pub fn install(&mut self, skill: SkillId, who: AccountId, now: u64) {
        if self.is_new((1, skill, Some(who), None), now) {
            self.waiting.entry(skill).or_default().1 += 1;
        }
    }
}

impl App {
    /// Adds what was counted to the state if it is time to, and has it written if it is time to. Called every few
    /// seconds by whoever runs the registry; never by who holds the state.
    pub fn tick(&self, now: u64, all: bool) -> Result<(), Problem> {
        // Nobody waits for the state with this lock in hand: who holds the state takes it too.
        let (waiting, write) = {
            let mut seen = lock(&self.seen);
            let due = all || seen.waiting.len() >= BATCH || now.saturating_sub(seen.added) >= PAUSE;
            let waiting = if due { std::mem::take(&mut seen.waiting) } else { HashMap::new() };
            if !waiting.is_empty() {
                (seen.added, seen.unwritten) = (now, true);
            }
            let write = seen.unwritten && (all || now.saturating_sub(seen.written) >= KEEP);
            if write {
                (seen.written, seen.unwritten) = (now, false);
            }
            (waiting, write)
        };
        if !waiting.is_empty() {
            {
                let mut state = self.state_mut();
                for (id, (downloads, installs)) in &waiting {
                    state.counted(*id, *downloads, *installs, now);
                }
            }
            for (id, (downloads, installs)) in waiting {
                self.store.counters().add(&skill_id(id), downloads, installs);
            }
            self.rendered.clear();
        }
        if write { self.store.counters().flush() } else { Ok(()) }
    }
}
