//! The state as bytes, so that a start does not read the whole log. Little-endian, no names: whatever does not fit exactly
//! is no snapshot, and the log is replayed instead. What can be computed (orders, what is searched) is not in it.

use super::haystack::Haystack;
use super::orders::Orders;
use super::{Account, Comment, Counts, Report, Role, Skill, State, Token, Transfer, Version};
use crate::digest::Sha256;
use crate::hub::server::store::Span;
use crate::trust::PublicKey;
use std::io::Read;
use std::sync::Arc;

/// The form of what follows; another one is not read.
const FORM: u64 = 1;

#[derive(Default)]
struct Out(Vec<u8>);

/// What is read of a snapshot, piece by piece: it is as large as a third of what becomes of it.
struct In<'a> {
    from: &'a mut dyn Read,
    /// So many bytes are still to come.
    left: u64,
    /// For texts.
    room: Vec<u8>,
}

impl In<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.left = self.left.checked_sub(N as u64)?;
        self.from.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    fn text(&mut self) -> Option<&str> {
        let length = u32::get(self)?;
        self.left = self.left.checked_sub(length.into())?;
        self.room.resize(length as usize, 0);
        self.from.read_exact(&mut self.room).ok()?;
        std::str::from_utf8(&self.room).ok()
    }
}

/// What can be in a snapshot.
trait Piece: Sized {
    fn put(&self, out: &mut Out);
    fn get(from: &mut In) -> Option<Self>;
}

macro_rules! numbers {
    ($($kind:ty)*) => { $(impl Piece for $kind {
        fn put(&self, out: &mut Out) {
            out.0.extend_from_slice(&self.to_le_bytes());
        }
        fn get(from: &mut In) -> Option<$kind> {
            from.array().map(<$kind>::from_le_bytes)
        }
    })* };
}
numbers!(u8 u32 u64 f64);

macro_rules! texts {
    ($($kind:ty)*) => { $(impl Piece for $kind {
        fn put(&self, out: &mut Out) {
            (self.len() as u32).put(out);
            out.0.extend_from_slice(self.as_bytes());
        }
        fn get(from: &mut In) -> Option<$kind> {
            from.text().map(Into::into)
        }
    })* };
}
texts!(Box<str> Arc<str>);

impl Piece for bool {
    fn put(&self, out: &mut Out) {
        u8::from(*self).put(out);
    }
    fn get(from: &mut In) -> Option<bool> {
        match u8::get(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl<T: Piece> Piece for Option<T> {
    fn put(&self, out: &mut Out) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }
    fn get(from: &mut In) -> Option<Option<T>> {
        if bool::get(from)? { T::get(from).map(Some) } else { Some(None) }
    }
}

impl<T: Piece> Piece for Vec<T> {
    fn put(&self, out: &mut Out) {
        (self.len() as u64).put(out);
        self.iter().for_each(|one| one.put(out));
    }
    fn get(from: &mut In) -> Option<Vec<T>> {
        let count = u64::get(from)?;
        // Every element has a byte at least: a wrong count is found before memory is taken for it.
        if count > from.left {
            return None;
        }
        let mut all = Vec::new();
        all.reserve_exact(count.min(1 << 16) as usize);
        for _ in 0..count {
            all.push(T::get(from)?);
        }
        all.shrink_to_fit();
        Some(all)
    }
}

impl<A: Piece, B: Piece> Piece for (A, B) {
    fn put(&self, out: &mut Out) {
        self.0.put(out);
        self.1.put(out);
    }
    fn get(from: &mut In) -> Option<(A, B)> {
        Some((A::get(from)?, B::get(from)?))
    }
}

impl Piece for Sha256 {
    fn put(&self, out: &mut Out) {
        out.0.extend_from_slice(self.as_bytes());
    }
    fn get(from: &mut In) -> Option<Sha256> {
        from.array().map(Sha256::from_bytes)
    }
}

impl Piece for PublicKey {
    fn put(&self, out: &mut Out) {
        out.0.extend_from_slice(self.as_bytes());
    }
    fn get(from: &mut In) -> Option<PublicKey> {
        PublicKey::from_bytes(from.array()?).ok()
    }
}

impl Piece for Role {
    fn put(&self, out: &mut Out) {
        (*self as u8).put(out);
    }
    fn get(from: &mut In) -> Option<Role> {
        Role::ALL.get(usize::from(u8::get(from)?)).copied()
    }
}

/// Counted elsewhere, and added when that was read.
impl Piece for Counts {
    fn put(&self, _: &mut Out) {}
    fn get(_: &mut In) -> Option<Counts> {
        Some(Counts::default())
    }
}

macro_rules! pieces {
    ($($name:ident { $($field:ident)* })*) => { $(impl Piece for $name {
        fn put(&self, out: &mut Out) {
            $(self.$field.put(out);)*
        }
        fn get(from: &mut In) -> Option<$name> {
            Some($name { $($field: Piece::get(from)?,)* })
        }
    })* };
}
pieces! {
    Span { offset length }
    Account { handle name role is_org banned created key revoked members letters skills }
    Token { id account start label allow_unsigned expires created }
    Skill {
        owner slug title summary icon topics created updated touched versions latest tags stars comments ratings
        heat counts deleted hidden merged
    }
    Version {
        number at span index content_hash fingerprint zip zip_size seq withdrawn deprecated warned
    }
    Comment { skill by at edited text hidden flags }
    Report { skill by at is_appeal version reason status note }
    Transfer { skill from to at expires message }
}

/// A map or set as a list.
fn list<T: Piece>(out: &mut Out, count: usize, all: impl Iterator<Item = T>) {
    (count as u64).put(out);
    all.for_each(|one| one.put(out));
}

impl State {
    /// The same bytes for the same state.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Out::default();
        FORM.put(&mut out);
        self.applied.put(&mut out);
        self.accounts.put(&mut out);
        self.skills.put(&mut out);
        list(&mut out, self.tokens.len(), self.tokens.iter().map(|(hash, token)| (*hash, token.clone())));
        list(&mut out, self.aliases.len(), self.aliases.iter().map(|(name, id)| (name.clone(), *id)));
        list(&mut out, self.stars.len(), self.stars.iter().copied());
        list(&mut out, self.ratings.len(), self.ratings.iter().map(|(who, stars)| (*who, *stars)));
        list(&mut out, self.comments.len(), self.comments.iter().map(|(id, one)| (*id, one.clone())));
        list(&mut out, self.reports.len(), self.reports.iter().map(|(id, one)| (*id, one.clone())));
        list(&mut out, self.transfers.len(), self.transfers.iter().map(|(id, one)| (*id, one.clone())));
        list(&mut out, self.reasons.len(), self.reasons.iter().map(|(of, why)| (*of, why.clone())));
        out.0
    }

    /// Reads what [`encode`](State::encode) wrote, so many bytes. `None` for anything else.
    pub fn decode(from: &mut dyn Read, length: u64) -> Option<State> {
        let mut from = In { from, left: length, room: Vec::new() };
        if u64::get(&mut from)? != FORM {
            return None;
        }
        let mut state = State {
            applied: Piece::get(&mut from)?,
            accounts: Piece::get(&mut from)?,
            skills: Piece::get(&mut from)?,
            tokens: Vec::get(&mut from)?.into_iter().collect(),
            aliases: Vec::get(&mut from)?.into_iter().collect(),
            stars: Vec::get(&mut from)?.into_iter().collect(),
            ratings: Vec::get(&mut from)?.into_iter().collect(),
            comments: Vec::get(&mut from)?.into_iter().collect(),
            reports: Vec::get(&mut from)?.into_iter().collect(),
            transfers: Vec::get(&mut from)?.into_iter().collect(),
            reasons: Vec::get(&mut from)?.into_iter().collect(),
            ..State::default()
        };
        if from.left > 0 {
            return None;
        }
        state.handles =
            (0..).zip(&state.accounts).map(|(id, account)| (account.handle.clone(), id)).collect();
        state.token_ids = state.tokens.iter().map(|(hash, token)| (token.id.clone(), *hash)).collect();
        state.slugs = (0..).zip(&state.skills).map(|(id, skill)| (skill.slug.clone(), id)).collect();
        state.comments_of = state.comments.iter().map(|(id, comment)| (comment.skill, *id)).collect();
        state.orders = Orders::of(&state.skills);
        state.haystack = Haystack::of(&state.skills);
        Some(state)
    }
}
