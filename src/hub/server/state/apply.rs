//! What each event does to the state. Pure, and the same on every machine: replaying a log gives the same state again.
//! Whether an event was allowed is decided before it is written; here only what cannot be true is refused.

use super::orders::{before, warmth};
use super::{Account, Comment, Counts, Report, Skill, SkillId, State, Token, Transfer, Version};
use crate::hub::server::event::{Event, Release, Role, What};
use crate::hub::server::store::Span;
use crate::skill::Problem;
use crate::skill::version::Version as Number;
use crate::trust::{Revocation, Rotation, Statement};

/// Letters of one account that are kept.
const MOST_LETTERS: usize = 64;

type Done = Result<(), &'static str>;

impl State {
    /// Takes in the event with this number, whose line is there in the log.
    pub fn apply(&mut self, index: u64, span: Span, event: &Event) -> Result<(), Problem> {
        self.take(index, span, event).map_err(|what| {
            let at = format!("event {index} ({}) of the log", event.what.word());
            Problem::new(what, at, "weft hub verify; restore a backup")
        })?;
        self.applied = index + 1;
        Ok(())
    }

    /// Passes over an event that is not known here: of a replica's log, one that its hub shows nobody.
    pub fn pass(&mut self, index: u64) {
        self.applied = index + 1;
    }

    #[allow(clippy::too_many_lines)] // One line or a few for each kind of event.
    fn take(&mut self, index: u64, span: Span, event: &Event) -> Done {
        let at = event.at;
        match &event.what {
            What::User { handle, name, role } => match self.account_of(handle) {
                Ok(account) => (account.name, account.role) = (name.as_str().into(), *role),
                Err(_) => self.add_account(handle, name, *role, false, at),
            },
            What::Ban { handle, reason } => self.account_of(handle)?.banned = Some(reason.as_str().into()),
            What::Unban { handle } => self.account_of(handle)?.banned = None,
            What::Org { handle, name } => {
                let founder = self.account_id(&event.by).ok_or("nobody made this organisation")?;
                if self.account_id(handle).is_some() {
                    return Err("the name of the organisation is taken");
                }
                self.add_account(handle, name, Role::User, true, at);
                self.account_of(handle)?.members.push(founder);
            }
            What::Member { org, handle, on } => {
                let id = self.account_id(handle).ok_or("no such account")?;
                let members = &mut self.account_of(org)?.members;
                members.retain(|member| *member != id);
                if *on {
                    members.push(id);
                }
            }
            What::Token { id, hash, start, handle, label, allow_unsigned, expires } => {
                let account = self.account_id(handle).ok_or("a token of nobody")?;
                self.token_ids.insert(id.as_str().into(), *hash);
                let token = Token {
                    id: id.as_str().into(),
                    account,
                    start: start.as_str().into(),
                    label: label.as_str().into(),
                    allow_unsigned: *allow_unsigned,
                    expires: *expires,
                    created: at,
                };
                self.tokens.insert(*hash, token);
            }
            What::TokenRevoke { id } => {
                let hash = self.token_ids.remove(id.as_str()).ok_or("no such token")?;
                self.tokens.remove(&hash);
            }
            What::Publish { release } => self.publish(index, span, at, release)?,
            What::Tag { skill, tag, version } => {
                let (id, place) = self.version_of(skill, version)?;
                self.change(id, at, |skill| match skill.tags.iter_mut().find(|(name, _)| **name == **tag) {
                    _ if tag == "latest" => skill.latest = Some(place),
                    Some((_, to)) => *to = place,
                    None => skill.tags.push((tag.as_str().into(), place)),
                });
            }
            What::Withdraw { skill, version, reason } => {
                let (id, place) = self.version_of(skill, version)?;
                self.note(id, place, reason);
                self.change(id, at, |skill| {
                    skill.flag(place, |version| version.withdrawn = true);
                    skill.tags.retain(|(_, to)| *to != place);
                    if skill.latest == Some(place) {
                        skill.latest = skill.highest();
                    }
                });
            }
            What::Restore { skill, version } => {
                let (id, place) = self.version_of(skill, version)?;
                self.note(id, place, "");
                self.change(id, at, |skill| {
                    skill.flag(place, |version| version.withdrawn = false);
                    skill.latest = skill.latest.or(Some(place));
                });
            }
            What::Deprecate { skill, version, reason } if version.is_empty() => {
                let id = self.named_id(skill)?;
                self.note(id, u32::MAX, reason);
                self.change(id, at, |_| ());
            }
            What::Deprecate { skill, version, reason } => {
                let (id, place) = self.version_of(skill, version)?;
                self.note(id, place, reason);
                self.change(id, at, |skill| {
                    skill.flag(place, |version| version.deprecated = !reason.is_empty())
                });
            }
            What::Delete { skill, .. } => self.changed_by_name(skill, at, |skill| skill.deleted = true)?,
            What::Undelete { skill } => self.changed_by_name(skill, at, |skill| skill.deleted = false)?,
            What::Hide { skill, reason } => {
                self.changed_by_name(skill, at, |skill| skill.hidden = Some(reason.as_str().into()))?;
            }
            What::Unhide { skill } => self.changed_by_name(skill, at, |skill| skill.hidden = None)?,
            What::Rename { skill, slug } => {
                let id = self.named_id(skill)?;
                self.rename(id, slug, at)?;
            }
            What::Merge { skill, into } => {
                let (id, target) = (self.named_id(skill)?, self.named_id(into)?);
                if id == target || self.settled(target) == id {
                    return Err("a skill cannot be merged into itself");
                }
                self.change(id, at, |skill| skill.merged = Some(target));
                let old = self.skill(id).map(|skill| ((*skill.slug).into(), skill.owner));
                self.aliases.extend(old.map(|old| (old, target)));
            }
            What::TransferAsk { skill, to, message, expires } => {
                let skill = self.named_id(skill)?;
                let from = self.account_id(&event.by).ok_or("a transfer by nobody")?;
                let to = self.account_id(to).ok_or("a transfer to nobody")?;
                let message = message.as_str().into();
                self.transfers.insert(index, Transfer { skill, from, to, at, expires: *expires, message });
            }
            What::TransferEnd { id, .. } => {
                self.transfers.remove(id).ok_or("no such transfer")?;
            }
            What::Transfer { skill, to } => {
                let id = self.named_id(skill)?;
                let to = self.account_id(to).ok_or("a transfer to nobody")?;
                self.transfer_to(id, to, at)?;
            }
            What::Star { skill } => {
                let (id, by) = (self.named_id(skill)?, self.by(event)?);
                if self.stars.insert((id, by)) {
                    self.count(id, |skill| {
                        (skill.stars, skill.heat) = (skill.stars + 1, skill.heat + warmth(at))
                    });
                }
            }
            What::Unstar { skill } => {
                let (id, by) = (self.named_id(skill)?, self.by(event)?);
                if self.stars.remove(&(id, by)) {
                    self.count(id, |skill| skill.stars = skill.stars.saturating_sub(1));
                }
            }
            What::Rate { skill, stars } => {
                let (id, by) = (self.named_id(skill)?, self.by(event)?);
                let stars = (*stars).clamp(1, 5) as u8;
                let old = self.ratings.insert((id, by), stars);
                self.count(id, |skill| {
                    let (sum, count) = skill.ratings;
                    let sum = sum.saturating_sub(old.unwrap_or(0).into()) + u32::from(stars);
                    skill.ratings = (sum, count + u32::from(old.is_none()));
                });
            }
            What::Comment { skill, text } => {
                let (id, by) = (self.named_id(skill)?, self.by(event)?);
                let text = text.as_str().into();
                let comment =
                    Comment { skill: id, by, at, edited: 0, text, hidden: false, flags: Vec::new() };
                self.comments.insert(index, comment);
                self.comments_of.insert((id, index));
                self.count(id, |skill| skill.comments += 1);
            }
            What::CommentEdit { id, text } => {
                let comment = self.comments.get_mut(id).ok_or("no such comment")?;
                (comment.text, comment.edited) = (text.as_str().into(), at);
            }
            What::CommentDelete { id } => {
                let comment = self.comments.remove(id).ok_or("no such comment")?;
                self.comments_of.remove(&(comment.skill, *id));
                let shown = u32::from(!comment.hidden);
                self.count(comment.skill, |skill| skill.comments = skill.comments.saturating_sub(shown));
            }
            What::CommentHide { id, on } => {
                let comment = self.comments.get_mut(id).ok_or("no such comment")?;
                let (skill, was) = (comment.skill, std::mem::replace(&mut comment.hidden, *on));
                comment.flags.clear();
                let shown = |hidden: bool| u32::from(!hidden);
                self.count(skill, |skill| {
                    skill.comments = (skill.comments + shown(*on)).saturating_sub(shown(was))
                });
            }
            What::CommentFlag { id, .. } => {
                let by = self.by(event)?;
                let comment = self.comments.get_mut(id).ok_or("no such comment")?;
                if !comment.flags.contains(&by) {
                    comment.flags.push(by);
                }
            }
            What::Report { kind, skill, version, reason } => {
                let (skill, by) = (self.named_id(skill)?, self.by(event)?);
                let report = Report {
                    skill,
                    by,
                    at,
                    is_appeal: kind == "appeal",
                    version: version.as_str().into(),
                    reason: reason.as_str().into(),
                    status: "open".into(),
                    note: "".into(),
                };
                self.reports.insert(index, report);
            }
            What::Triage { id, status, note } => {
                let report = self.reports.get_mut(id).ok_or("no such report")?;
                (report.status, report.note) = (status.as_str().into(), note.as_str().into());
            }
            What::Letter { text } => self.letter(text)?,
            What::KeyReset { handle } => self.account_of(handle)?.key = None,
        }
        Ok(())
    }

    fn by(&self, event: &Event) -> Result<u32, &'static str> {
        self.account_id(&event.by).ok_or("nobody did it")
    }

    fn account_of(&mut self, handle: &str) -> Result<&mut Account, &'static str> {
        let id = self.account_id(handle).ok_or("no such account")?;
        self.accounts.get_mut(id as usize).ok_or("no such account")
    }

    fn add_account(&mut self, handle: &str, name: &str, role: Role, is_org: bool, at: u64) {
        let account = Account {
            handle: handle.into(),
            name: name.into(),
            role,
            is_org,
            banned: None,
            created: at,
            key: None,
            revoked: Vec::new(),
            members: Vec::new(),
            letters: Vec::new(),
            skills: 0,
        };
        self.handles.insert(account.handle.clone(), self.accounts.len() as u32);
        self.accounts.push(account);
    }

    /// The skill of an event's `owner/slug`.
    fn named_id(&self, name: &str) -> Result<SkillId, &'static str> {
        let (owner, slug) = name.split_once('/').ok_or("not the name of a skill")?;
        self.exact(owner, slug).ok_or("no such skill")
    }

    fn version_of(&self, name: &str, number: &str) -> Result<(SkillId, u32), &'static str> {
        let id = self.named_id(name)?;
        let found = self.skill(id).and_then(|skill| skill.version(number));
        found.map(|(place, _)| (id, place)).ok_or("no such version")
    }

    /// Changes a skill and everything that is sorted or found by it.
    fn change(&mut self, id: SkillId, at: u64, body: impl FnOnce(&mut Skill)) {
        let Some(skill) = self.skills.get_mut(id as usize) else { return };
        let was = before(skill);
        let listed = skill.is_listed();
        body(skill);
        // The clock of a machine may go back; the order of what happened does not.
        skill.touched = skill.touched.max(at);
        self.orders.moved(id, Some(was), skill);
        if listed != skill.is_listed() {
            self.haystack.set(id, skill);
        }
    }

    fn changed_by_name(&mut self, name: &str, at: u64, body: impl FnOnce(&mut Skill)) -> Done {
        let id = self.named_id(name)?;
        self.change(id, at, body);
        Ok(())
    }

    /// Changes what is counted: nothing about a skill that others would fetch it again for.
    fn count(&mut self, id: SkillId, body: impl FnOnce(&mut Skill)) {
        self.change(id, 0, body);
    }

    fn note(&mut self, id: SkillId, place: u32, reason: &str) {
        if reason.is_empty() {
            self.reasons.remove(&(id, place));
        } else {
            self.reasons.insert((id, place), reason.into());
        }
    }

    /// Adds to what was downloaded and installed; not an event, for it is counted in batches. `at` is 0 for what is added
    /// up from earlier.
    pub fn counted(&mut self, id: SkillId, downloads: u64, installs: u64, at: u64) {
        self.count(id, |skill| {
            skill.counts.downloads += downloads;
            skill.counts.installs += installs;
            if at > 0 {
                skill.counts.heat += warmth(at) * downloads as f64;
            }
        });
    }

    fn publish(&mut self, index: u64, span: Span, at: u64, release: &Release) -> Done {
        let owner = self.account_id(&release.owner).ok_or("published by nobody")?;
        let id = match self.exact(&release.owner, &release.slug) {
            Some(id) => id,
            None => self.add_skill(owner, &release.slug, at),
        };
        let signed = match release.statement.as_str() {
            "" => None,
            text => Some(Statement::parse(text).map_err(|_| "a signed statement that is none")?),
        };
        if let Some(account) = self.accounts.get_mut(owner as usize)
            && account.key.is_none()
        {
            account.key = signed.as_ref().map(|statement| statement.public_key);
        }
        let taken = self.skill(id).is_none_or(|skill| skill.version(&release.version).is_some());
        let number = Number::parse(&release.version).ok_or("a version that is none")?;
        if taken {
            return Err("a version that was there before");
        }
        let version = Version {
            number: release.version.as_str().into(),
            at,
            span,
            index,
            content_hash: release.content_hash,
            fingerprint: release.fingerprint,
            zip: release.zip,
            zip_size: u32::try_from(release.zip_size).map_err(|_| "a package too large")?,
            seq: signed.map_or(0, |statement| u32::try_from(statement.seq).unwrap_or(u32::MAX)),
            withdrawn: false,
            deprecated: false,
            warned: release.findings.iter().any(|note| note.severity == "medium"),
        };
        self.change(id, at, |skill| {
            let place = skill.versions.len() as u32;
            let newest = skill
                .latest()
                .is_none_or(|latest| Number::parse(&latest.number).is_none_or(|latest| number > latest));
            skill.versions.push(version);
            skill.versions.shrink_to_fit();
            for tag in &release.tags {
                skill.tags.retain(|(name, _)| **name != **tag);
                skill.tags.push((tag.as_str().into(), place));
            }
            skill.updated = at;
            if newest {
                skill.latest = Some(place);
                skill.title = release.title.as_str().into();
                skill.summary = release.summary.as_str().into();
                skill.icon = release.icon.as_str().into();
                let topics: Vec<&str> =
                    release.categories.iter().chain(&release.topics).map(String::as_str).collect();
                skill.topics = topics.join("\n").into();
            }
        });
        // What is found by may have changed too.
        if let Some(skill) = self.skills.get(id as usize) {
            self.haystack.set(id, skill);
        }
        Ok(())
    }

    fn add_skill(&mut self, owner: u32, slug: &str, at: u64) -> SkillId {
        let id = self.skills.len() as SkillId;
        // Its new owner of the name goes before whoever had it once.
        self.aliases.remove(&(slug.into(), owner));
        let skill = Skill {
            owner,
            slug: slug.into(),
            title: "".into(),
            summary: "".into(),
            icon: "".into(),
            topics: "".into(),
            created: at,
            updated: at,
            touched: at,
            versions: Vec::new(),
            latest: None,
            tags: Vec::new(),
            stars: 0,
            comments: 0,
            ratings: (0, 0),
            heat: 0.0,
            counts: Counts::default(),
            deleted: false,
            hidden: None,
            merged: None,
        };
        self.slugs.insert((skill.slug.clone(), id));
        self.orders.moved(id, None, &skill);
        self.skills.push(skill);
        if let Some(account) = self.accounts.get_mut(owner as usize) {
            account.skills += 1;
        }
        id
    }

    fn rename(&mut self, id: SkillId, slug: &str, at: u64) -> Done {
        let (owner, old) =
            self.skill(id).map(|skill| (skill.owner, skill.slug.clone())).ok_or("no such skill")?;
        if self.exact(self.handle(owner), slug).is_some() {
            return Err("the new name is taken");
        }
        self.slugs.remove(&(old.clone(), id));
        self.aliases.insert(((*old).into(), owner), id);
        self.aliases.remove(&(slug.into(), owner));
        self.change(id, at, |skill| (skill.slug, skill.updated) = (slug.into(), at));
        self.settle(id);
        Ok(())
    }

    fn transfer_to(&mut self, id: SkillId, to: u32, at: u64) -> Done {
        let (from, slug) =
            self.skill(id).map(|skill| (skill.owner, skill.slug.clone())).ok_or("no such skill")?;
        if self.exact(self.handle(to), &slug).is_some() {
            return Err("the new owner has a skill of this name");
        }
        self.aliases.insert(((*slug).into(), from), id);
        self.aliases.remove(&((*slug).into(), to));
        for (account, more) in [(from, 0), (to, 1)] {
            if let Some(account) = self.accounts.get_mut(account as usize) {
                account.skills = account.skills.saturating_sub(1 - more) + more;
            }
        }
        self.transfers.retain(|_, transfer| transfer.skill != id);
        self.change(id, at, |skill| (skill.owner, skill.updated) = (to, at));
        Ok(())
    }

    /// After its name changed: where it is found.
    fn settle(&mut self, id: SkillId) {
        if let Some(skill) = self.skills.get(id as usize) {
            self.slugs.insert((skill.slug.clone(), id));
            self.haystack.set(id, skill);
        }
    }

    fn letter(&mut self, text: &str) -> Done {
        if let Some(rotation) = Rotation::read(text) {
            let account = self.account_of(&rotation.owner)?;
            if account.key == Some(rotation.old) && !account.revoked.contains(&rotation.old) {
                account.key = Some(rotation.new);
            }
            keep(account, text);
            return Ok(());
        }
        let revocation = Revocation::read(text).ok_or("a letter whose signature does not hold")?;
        // Whoever has or had this key: it is nobody's from now on.
        let key = revocation.public_key;
        let follows = |letter: &std::sync::Arc<str>| {
            Rotation::read(letter).is_some_and(|rotation| rotation.old == key || rotation.new == key)
        };
        for account in &mut self.accounts {
            if account.key == Some(key) || account.letters.iter().any(follows) {
                account.revoked.push(key);
                keep(account, text);
            }
        }
        Ok(())
    }
}

fn keep(account: &mut Account, text: &str) {
    if account.letters.len() < MOST_LETTERS && !account.letters.iter().any(|letter| **letter == *text) {
        account.letters.push(text.into());
    }
}

impl Skill {
    fn flag(&mut self, place: u32, set: impl FnOnce(&mut Version)) {
        if let Some(version) = self.versions.get_mut(place as usize) {
            set(version);
        }
    }

    /// The highest version that is not withdrawn.
    fn highest(&self) -> Option<u32> {
        let all = (0u32..).zip(&self.versions).filter(|(_, version)| !version.withdrawn);
        all.max_by_key(|(_, version)| Number::parse(&version.number)).map(|(place, _)| place)
    }
}
