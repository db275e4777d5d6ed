//! What the events come to, in memory: accounts, skills, versions, and lists of them in every order that is asked for.
//! Changed by `apply` alone. Knows no requests and no files: what is large (file lists, statements, findings, changelogs)
//! is read back from the log by a version's `span`.

mod apply;
mod haystack;
mod orders;
mod snapshot;

pub use super::event::Role;
use super::store::Span;
use crate::digest::Sha256;
use crate::trust::PublicKey;
use haystack::Haystack;
use orders::Orders;
pub use orders::{Key, Order};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Number of an account, by the order they were made in.
pub type AccountId = u32;
/// Number of a skill, by the order they were first published in. Never reused.
pub type SkillId = u32;

/// A person, or an organisation that has members.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    pub handle: Arc<str>,
    pub name: Box<str>,
    pub role: Role,
    pub is_org: bool,
    /// Why it is banned.
    pub banned: Option<Box<str>>,
    /// Milliseconds since 1970.
    pub created: u64,
    /// Whoever signs for it: set by the first signed version, changed by letters.
    pub key: Option<PublicKey>,
    pub revoked: Vec<PublicKey>,
    /// Of an organisation.
    pub members: Vec<AccountId>,
    /// Rotations and revocations, as they came.
    pub letters: Vec<Arc<str>>,
    /// How many skills it has, deleted ones included.
    pub skills: u32,
}

/// A token, as far as it is known here: its text is not.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub id: Box<str>,
    pub account: AccountId,
    /// Its first twelve characters, to recognise it by.
    pub start: Box<str>,
    pub label: Box<str>,
    pub allow_unsigned: bool,
    /// Milliseconds since 1970; 0 never.
    pub expires: u64,
    pub created: u64,
}

/// A skill.
#[derive(Clone, Debug, PartialEq)]
pub struct Skill {
    pub owner: AccountId,
    pub slug: Arc<str>,
    pub title: Box<str>,
    pub summary: Box<str>,
    pub icon: Box<str>,
    /// Categories and topics, each on a line of its own.
    pub topics: Box<str>,
    /// Milliseconds since 1970, all of these.
    pub created: u64,
    pub updated: u64,
    /// When anything about it changed, its disappearance included.
    pub touched: u64,
    /// In the order they were published in.
    pub versions: Vec<Version>,
    /// Where in `versions` the tag `latest` is; none where all are withdrawn.
    pub latest: Option<u32>,
    /// The other tags.
    pub tags: Vec<(Box<str>, u32)>,
    pub stars: u32,
    pub comments: u32,
    pub ratings: (u32, u32),
    /// What its stars weigh in `trending`: see `orders`.
    pub heat: f64,
    pub counts: Counts,
    /// By its owner.
    pub deleted: bool,
    /// By moderation: why.
    pub hidden: Option<Box<str>>,
    /// Merged into this one; it is only a name for it.
    pub merged: Option<SkillId>,
}

/// What is counted and kept beside the log: it may lose the last seconds before a crash.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    pub downloads: u64,
    pub installs: u64,
    /// What downloads since the start weigh in `trending`.
    pub heat: f64,
}

/// A version of a skill.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    pub number: Box<str>,
    /// Milliseconds since 1970.
    pub at: u64,
    /// Where in the log its publication stands, to be read back.
    pub span: Span,
    /// Number of that event: its leaf in the log.
    pub index: u64,
    pub content_hash: Sha256,
    /// As the real CLI computes it.
    pub fingerprint: Sha256,
    /// The blob that downloads send.
    pub zip: Sha256,
    pub zip_size: u32,
    /// The number in its statement; 0 for an unsigned one.
    pub seq: u32,
    pub withdrawn: bool,
    pub deprecated: bool,
    /// Does the scan have something to say (of medium severity)?
    pub warned: bool,
}

impl Version {
    pub fn is_signed(&self) -> bool {
        self.seq > 0
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Comment {
    pub skill: SkillId,
    pub by: AccountId,
    pub at: u64,
    /// 0 if never.
    pub edited: u64,
    pub text: Box<str>,
    pub hidden: bool,
    pub flags: Vec<AccountId>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub skill: SkillId,
    pub by: AccountId,
    pub at: u64,
    /// Its owner objects to a moderation.
    pub is_appeal: bool,
    pub version: Box<str>,
    pub reason: Box<str>,
    /// `open`, or what a moderator said: `confirmed`, `dismissed`, …
    pub status: Box<str>,
    pub note: Box<str>,
}

/// A skill that is offered to somebody who has not answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Transfer {
    pub skill: SkillId,
    pub from: AccountId,
    pub to: AccountId,
    pub at: u64,
    pub expires: u64,
    pub message: Box<str>,
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub struct State {
    accounts: Vec<Account>,
    handles: BTreeMap<Arc<str>, AccountId>,
    tokens: BTreeMap<Sha256, Token>,
    token_ids: BTreeMap<Box<str>, Sha256>,
    skills: Vec<Skill>,
    slugs: BTreeSet<(Arc<str>, SkillId)>,
    /// Names that a skill had before, by owner.
    aliases: BTreeMap<(Box<str>, AccountId), SkillId>,
    stars: BTreeSet<(SkillId, AccountId)>,
    ratings: BTreeMap<(SkillId, AccountId), u8>,
    comments: BTreeMap<u64, Comment>,
    comments_of: BTreeSet<(SkillId, u64)>,
    reports: BTreeMap<u64, Report>,
    transfers: BTreeMap<u64, Transfer>,
    /// Why a version (its place) or all of a skill (`u32::MAX`) was withdrawn or deprecated.
    reasons: BTreeMap<(SkillId, u32), Box<str>>,
    orders: Orders,
    haystack: Haystack,
    /// So many events were applied.
    applied: u64,
}

/// What a name leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    None,
    One(SkillId),
    /// Several owners have a skill of this name.
    Many(Vec<SkillId>),
}

impl State {
    /// So many events are in it.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(id as usize)
    }

    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    pub fn account_id(&self, handle: &str) -> Option<AccountId> {
        self.handles.get(handle).copied()
    }

    pub fn by_handle(&self, handle: &str) -> Option<&Account> {
        self.account(self.account_id(handle)?)
    }

    /// Its handle; empty for an account that is not there.
    pub fn handle(&self, id: AccountId) -> &str {
        self.account(id).map_or("", |account| &account.handle)
    }

    pub fn token(&self, hash: &Sha256) -> Option<&Token> {
        self.tokens.get(hash)
    }

    pub fn token_by_id(&self, id: &str) -> Option<&Token> {
        self.tokens.get(self.token_ids.get(id)?)
    }

    pub fn tokens(&self) -> impl Iterator<Item = &Token> {
        self.tokens.values()
    }

    /// May this account act for that publisher?
    pub fn acts_for(&self, account: AccountId, publisher: AccountId) -> bool {
        account == publisher
            || self.account(publisher).is_some_and(|org| org.is_org && org.members.contains(&account))
    }

    pub fn skill(&self, id: SkillId) -> Option<&Skill> {
        self.skills.get(id as usize)
    }

    pub fn skills(&self) -> impl Iterator<Item = (SkillId, &Skill)> {
        (0..).zip(&self.skills)
    }

    /// `owner/slug`
    pub fn name(&self, id: SkillId) -> String {
        self.skill(id).map_or(String::new(), |skill| format!("{}/{}", self.handle(skill.owner), skill.slug))
    }

    /// The skill that has exactly this name now.
    pub fn exact(&self, owner: &str, slug: &str) -> Option<SkillId> {
        let owner = self.account_id(owner)?;
        self.named(slug).find(|id| self.skill(*id).is_some_and(|skill| skill.owner == owner))
    }

    fn named(&self, slug: &str) -> impl Iterator<Item = SkillId> + '_ {
        let slug: Arc<str> = slug.into();
        self.slugs.range((slug.clone(), 0)..=(slug, SkillId::MAX)).map(|(_, id)| *id)
    }

    /// What a name leads to, old names included. Without an owner, those that everybody sees come before those that nobody
    /// does.
    pub fn find(&self, owner: Option<&str>, slug: &str) -> Found {
        if let Some(handle) = owner {
            let Some(owner) = self.account_id(handle) else { return Found::None };
            let now =
                self.exact(handle, slug).filter(|id| self.skill(*id).is_some_and(|s| s.merged.is_none()));
            let found = now.or_else(|| self.aliases.get(&(slug.into(), owner)).copied());
            return found.map_or(Found::None, |id| Found::One(self.settled(id)));
        }
        let live = |id: &SkillId| self.skill(*id).is_some_and(|skill| skill.merged.is_none());
        let mut all: Vec<SkillId> = self.named(slug).filter(live).collect();
        if !all.iter().any(|id| self.is_listed(*id)) {
            let from: (Box<str>, AccountId) = (slug.into(), 0);
            let old = self.aliases.range(from..).take_while(|((name, _), _)| **name == *slug);
            all.extend(old.map(|(_, id)| self.settled(*id)));
        }
        if all.iter().any(|id| self.is_listed(*id)) {
            all.retain(|id| self.is_listed(*id));
        }
        all.sort_unstable();
        all.dedup();
        match all.as_slice() {
            [] => Found::None,
            [one] => Found::One(*one),
            _ => Found::Many(all),
        }
    }

    /// Where a chain of merges ends.
    fn settled(&self, mut id: SkillId) -> SkillId {
        for _ in 0..16 {
            match self.skill(id).and_then(|skill| skill.merged) {
                Some(next) => id = next,
                None => break,
            }
        }
        id
    }

    /// Does everybody see it in lists?
    pub fn is_listed(&self, id: SkillId) -> bool {
        self.skill(id).is_some_and(Skill::is_listed)
    }

    pub fn has_starred(&self, account: AccountId, skill: SkillId) -> bool {
        self.stars.contains(&(skill, account))
    }

    /// The skills that an account has starred.
    pub fn starred(&self, account: AccountId) -> impl Iterator<Item = SkillId> + '_ {
        self.stars.iter().filter(move |(_, by)| *by == account).map(|(skill, _)| *skill)
    }

    pub fn rating(&self, account: AccountId, skill: SkillId) -> Option<u8> {
        self.ratings.get(&(skill, account)).copied()
    }

    pub fn comment(&self, id: u64) -> Option<&Comment> {
        self.comments.get(&id)
    }

    /// Oldest first, with their ids.
    pub fn comments(&self, skill: SkillId) -> impl Iterator<Item = (u64, &Comment)> {
        let of = self.comments_of.range((skill, 0)..=(skill, u64::MAX));
        of.filter_map(|(_, id)| Some((*id, self.comments.get(id)?)))
    }

    pub fn all_comments(&self) -> impl Iterator<Item = (u64, &Comment)> {
        self.comments.iter().map(|(id, comment)| (*id, comment))
    }

    pub fn report(&self, id: u64) -> Option<&Report> {
        self.reports.get(&id)
    }

    pub fn reports(&self) -> impl DoubleEndedIterator<Item = (u64, &Report)> {
        self.reports.iter().map(|(id, report)| (*id, report))
    }

    /// How many have an open report about it.
    pub fn reporters(&self, skill: SkillId) -> usize {
        self.reports
            .values()
            .filter(|report| report.skill == skill && report.is_open() && !report.is_appeal)
            .count()
    }

    pub fn transfer(&self, id: u64) -> Option<&Transfer> {
        self.transfers.get(&id)
    }

    pub fn transfers(&self) -> impl Iterator<Item = (u64, &Transfer)> {
        self.transfers.iter().map(|(id, transfer)| (*id, transfer))
    }

    /// Why a version was withdrawn or deprecated; without a place, why all of it was deprecated.
    pub fn reason(&self, skill: SkillId, place: Option<u32>) -> Option<&str> {
        self.reasons.get(&(skill, place.unwrap_or(u32::MAX))).map(|reason| &**reason)
    }

    /// Is it, as a whole, no longer recommended?
    pub fn is_deprecated(&self, skill: SkillId) -> bool {
        self.reasons.contains_key(&(skill, u32::MAX))
    }

    /// The skills everybody sees, in an order, from behind a place on.
    pub fn page(&self, order: Order, after: Option<Key>, limit: usize) -> Vec<SkillId> {
        self.orders.page(order, after, limit)
    }

    /// Where a skill stands in an order: what `page` continues behind.
    pub fn key(&self, order: Order, id: SkillId) -> Option<Key> {
        self.skill(id).map(|skill| (orders::value(order, skill), id))
    }

    /// The skills whose name begins so, by name, from behind a name on.
    pub fn by_name(&self, prefix: &str, after: Option<(&str, SkillId)>, limit: usize) -> Vec<SkillId> {
        let from: (Arc<str>, SkillId) = match after {
            Some((slug, id)) if slug >= prefix => (slug.into(), id.saturating_add(1)),
            _ => (prefix.into(), 0),
        };
        let of = self.slugs.range(from..).take_while(|(slug, _)| slug.starts_with(prefix)).map(|(_, id)| *id);
        of.filter(|id| self.is_listed(*id)).take(limit).collect()
    }

    /// What changed at or after a time, disappearances included, oldest first: how many, and some of them.
    pub fn changed(&self, since: u64, offset: usize, limit: usize) -> (usize, Vec<SkillId>) {
        self.orders.changed(since, offset, limit)
    }

    /// How many skills everybody sees.
    pub fn listed(&self) -> usize {
        self.orders.len()
    }

    /// Of this owner, those everybody sees, newest change first.
    pub fn of_owner(&self, owner: AccountId) -> Vec<SkillId> {
        let mut all: Vec<SkillId> = self
            .skills()
            .filter(|(_, skill)| skill.owner == owner && skill.is_listed())
            .map(|(id, _)| id)
            .collect();
        let updated = |id: &SkillId| self.skill(*id).map_or(0, |skill| skill.updated);
        crate::sort::by(&mut all, |a, b| updated(b).cmp(&updated(a)));
        all
    }

    /// The best for a query with their scores from 0 to 1, best first.
    pub fn search(&self, query: &str, limit: usize) -> Vec<(SkillId, f64)> {
        let downloads = |id: SkillId| self.skill(id).map_or(0, |skill| skill.counts.downloads);
        self.haystack.search(query, limit, &downloads)
    }

    /// How many accounts, skills and versions there are.
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.accounts.len(), self.skills.len(), self.skills.iter().map(|skill| skill.versions.len()).sum())
    }
}

impl Skill {
    pub fn is_listed(&self) -> bool {
        !self.deleted && self.hidden.is_none() && self.merged.is_none() && self.latest.is_some()
    }

    pub fn latest(&self) -> Option<&Version> {
        self.versions.get(self.latest? as usize)
    }

    /// The version with this number and its place, withdrawn or not.
    pub fn version(&self, number: &str) -> Option<(u32, &Version)> {
        (0..).zip(&self.versions).find(|(_, version)| &*version.number == number)
    }

    /// What a tag points to.
    pub fn tagged(&self, tag: &str) -> Option<&Version> {
        if tag == "latest" {
            return self.latest();
        }
        let place = self.tags.iter().find(|(name, _)| &**name == tag)?.1;
        self.versions.get(place as usize)
    }

    /// The last version that was signed, whatever became of it: the next one follows it.
    pub fn last_signed(&self) -> Option<&Version> {
        self.versions.iter().max_by_key(|version| version.seq).filter(|version| version.is_signed())
    }

    /// Versions that can be had, newest first.
    pub fn available(&self) -> impl Iterator<Item = &Version> {
        self.versions.iter().rev().filter(|version| !version.withdrawn)
    }

    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.topics.split('\n').filter(|topic| !topic.is_empty())
    }

    /// The mean of the ratings times ten, and how many there are.
    pub fn rating(&self) -> Option<(u32, u32)> {
        let (sum, count) = self.ratings;
        (count > 0).then(|| ((sum * 10 + count / 2) / count, count))
    }
}

impl Report {
    pub fn is_open(&self) -> bool {
        &*self.status == "open"
    }
}

#[cfg(test)]
mod tests;
