//! Who asks: bearer tokens, by the SHA-256 of their text, and what an account may do. Rates are `limit`'s.

use super::http::Head;
use super::refusal::Refusal;
use super::state::{AccountId, Role, SkillId, State};
use crate::digest::Sha256;
use crate::trust::key::random;
use std::sync::Arc;

/// Tokens begin so.
pub const PREFIX: &str = "clh_";
/// So many characters of a token are kept, to recognise it by.
pub const SHOWN: usize = 12;

const MISSING: &str = "Unauthorized: API token is missing. Run `clawhub login` or `weft skill login` first.";
const INVALID: &str = "Unauthorized: API token is invalid or revoked. Get a new one from whoever runs this registry, then log in again.";
const BANNED: &str = "Unauthorized: This ClawHub account is not in good standing on this registry";

/// An account that has shown a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    pub account: AccountId,
    pub handle: Arc<str>,
    pub role: Role,
    /// May publish without a signature.
    pub allow_unsigned: bool,
    pub expires: u64,
}

impl Who {
    /// Hides skills and comments, reads reports.
    pub fn moderates(&self) -> bool {
        self.role >= Role::Moderator
    }

    /// May change this skill as its owner may.
    pub fn owns(&self, state: &State, skill: SkillId) -> bool {
        let owner = state.skill(skill).map(|skill| skill.owner);
        self.role == Role::Admin || owner.is_some_and(|owner| state.acts_for(self.account, owner))
    }
}

/// The token of a request, if it has one.
pub fn bearer(head: &Head) -> Option<&str> {
    let (scheme, token) = head.header("authorization")?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Whose token this is. `now` in milliseconds since 1970.
///
/// The text is hashed before it is looked up: how long that takes says nothing about tokens that exist.
pub fn known(state: &State, token: &str, now: u64) -> Result<Who, Refusal> {
    let invalid = || Refusal::new(401, INVALID);
    let token = state.token(&Sha256::of(token.as_bytes())).ok_or_else(invalid)?;
    if token.expires != 0 && token.expires <= now {
        return Err(invalid());
    }
    let account = state.account(token.account).ok_or_else(invalid)?;
    if let Some(reason) = &account.banned {
        let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
        return Err(Refusal::new(401, format!("{BANNED}{why}. Ask whoever runs it.")));
    }
    Ok(Who {
        account: token.account,
        handle: account.handle.clone(),
        role: account.role,
        allow_unsigned: token.allow_unsigned,
        expires: token.expires,
    })
}

/// The account of a request that must have one.
pub fn required(state: &State, head: &Head, now: u64) -> Result<Who, Refusal> {
    match bearer(head) {
        Some(token) => known(state, token, now),
        None => Err(Refusal::new(401, MISSING)),
    }
}

/// A new token: 32 random bytes. `None` if the system has none.
pub fn new_token() -> Option<String> {
    let mut bytes = [0; 32];
    random(&mut bytes)?;
    Some(format!("{PREFIX}{}", base64url(&bytes)))
}

/// An id for a token: public, so that it can be revoked without being known.
pub fn new_id() -> Option<String> {
    let mut bytes = [0; 6];
    random(&mut bytes)?;
    Some(crate::digest::to_hex(&bytes))
}

/// RFC 4648, section 5, without padding.
pub fn base64url(bytes: &[u8]) -> String {
    crate::base64::encode(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_look_like_tokens() {
        let (a, b) = (new_token().unwrap(), new_token().unwrap());
        assert_eq!((a.len(), a.starts_with("clh_"), a != b), (47, true, true));
        assert!(a.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        for (bytes, text) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("\u{3f}\u{7e}\u{7f}", "P35_")]
        {
            assert_eq!(base64url(bytes.as_bytes()), text);
        }
    }
}
