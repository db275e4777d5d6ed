//! The skills that everybody sees, sorted in every order that lists are asked for in, so that a page costs its own length.
//! By name they stand in `State::slugs`.

use super::{Skill, SkillId};
use std::collections::BTreeSet;

/// What a list is ordered by, most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Updated,
    Created,
    Downloads,
    Stars,
    Trending,
}

const ALL: [Order; 5] = [Order::Updated, Order::Created, Order::Downloads, Order::Stars, Order::Trending];

/// A place in an order: the value, and the skill among those with the same one.
pub type Key = (u64, SkillId);

#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    listed: [BTreeSet<Key>; 5],
    touched: BTreeSet<Key>,
}

/// What a skill is ordered by.
pub(super) fn value(order: Order, skill: &Skill) -> u64 {
    match order {
        Order::Updated => skill.updated,
        Order::Created => skill.created,
        Order::Downloads => skill.counts.downloads,
        Order::Stars => u64::from(skill.stars),
        // Numbers that are not negative are in the order of their bits.
        Order::Trending => (skill.heat + skill.counts.heat).to_bits(),
    }
}

/// What one download or star at a time adds to a skill's heat. Half as much a week later: rather than let all cool, later
/// ones count for more, which orders the same and never changes what is stored. Good for a thousand half-lives.
pub(super) fn warmth(at: u64) -> f64 {
    const WEEK: f64 = 7.0 * 86_400_000.0;
    /// 2026-01-01.
    const START: f64 = 1_767_225_600_000.0;
    f64::exp2(((at as f64 - START) / WEEK).clamp(-500.0, 900.0))
}

/// Where a skill stood before it changed: to be taken out of there.
pub(super) struct Before {
    listed: Option<[u64; 5]>,
    touched: u64,
}

pub(super) fn before(skill: &Skill) -> Before {
    let listed = skill.is_listed().then(|| ALL.map(|order| value(order, skill)));
    Before { listed, touched: skill.touched }
}

impl Orders {
    /// Builds all from nothing.
    pub(super) fn of(skills: &[Skill]) -> Orders {
        let mut orders = Orders::default();
        let listed = || (0..).zip(skills).filter(|(_, skill): &(SkillId, &Skill)| skill.is_listed());
        for (set, order) in orders.listed.iter_mut().zip(ALL) {
            *set = listed().map(|(id, skill)| (value(order, skill), id)).collect();
        }
        orders.touched = (0..).zip(skills).map(|(id, skill)| (skill.touched, id)).collect();
        orders
    }

    pub(super) fn moved(&mut self, id: SkillId, before: Option<Before>, now: &Skill) {
        let after = self::before(now);
        if let Some(before) = &before
            && before.touched != after.touched
        {
            self.touched.remove(&(before.touched, id));
        }
        self.touched.insert((after.touched, id));
        let was = before.and_then(|before| before.listed);
        for (at, set) in self.listed.iter_mut().enumerate() {
            let (old, new) = (was.map(|was| was[at]), after.listed.map(|now| now[at]));
            if old == new {
                continue;
            }
            if let Some(old) = old {
                set.remove(&(old, id));
            }
            if let Some(new) = new {
                set.insert((new, id));
            }
        }
    }

    pub(super) fn page(&self, order: Order, after: Option<Key>, limit: usize) -> Vec<SkillId> {
        let set = &self.listed[order as usize];
        let from = after.unwrap_or((u64::MAX, SkillId::MAX));
        set.range(..from).rev().take(limit).map(|(_, id)| *id).collect()
    }

    pub(super) fn changed(&self, since: u64, offset: usize, limit: usize) -> (usize, Vec<SkillId>) {
        let from = || self.touched.range((since, 0)..).map(|(_, id)| *id);
        let total = if since == 0 { self.touched.len() } else { from().count() };
        (total, from().skip(offset).take(limit).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.listed[0].len()
    }
}
