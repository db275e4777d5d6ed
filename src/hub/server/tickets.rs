//! Files that were sent ahead of the publication they belong to. Each has a ticket: of one user, for one file, good once and
//! for an hour. Nothing of this survives a restart, and need not.

use super::auth::base64url;
use super::http::Spooled;
use super::refusal::Refusal;
use super::state::AccountId;
use crate::digest::Sha256;
use crate::trust::key::random;
use std::collections::HashMap;

/// How long a ticket is good, in milliseconds.
const LIFE: u64 = 60 * 60 * 1000;
/// Open tickets of one user: a skill's files twice over.
const MOST_OF_ONE: usize = 10_000;
const MOST: usize = 100_000;
/// Bytes of one user that wait for their publication.
const MOST_BYTES: u64 = 200 << 20;

/// A file that is announced or has come.
#[derive(Debug)]
pub struct Ticket {
    pub account: AccountId,
    pub path: String,
    pub size: u64,
    pub sha256: Sha256,
    pub kind: String,
    made: u64,
    /// Its content and what that is called, once it was sent.
    sent: Option<(String, Spooled)>,
}

#[derive(Debug, Default)]
pub struct Tickets {
    all: HashMap<String, Ticket>,
}

impl Tickets {
    /// A ticket for a file that will be sent. `now` in milliseconds.
    pub fn open(
        &mut self,
        account: AccountId,
        (path, size, sha256, kind): (String, u64, Sha256, String),
        now: u64,
    ) -> Result<String, Refusal> {
        self.all.retain(|_, ticket| now < ticket.made.saturating_add(LIFE));
        let of_one = || self.all.values().filter(|ticket| ticket.account == account);
        let busy = |text: &'static str| Refusal { retry: Some(60), ..Refusal::new(429, text) };
        if of_one().count() >= MOST_OF_ONE {
            return Err(busy("Too many uploads are waiting. Publish them, or wait an hour."));
        }
        if of_one().map(|ticket| ticket.size).sum::<u64>() + size > MOST_BYTES {
            return Err(busy("Too much is waiting to be published. Publish it, or wait an hour."));
        }
        if self.all.len() >= MOST {
            return Err(Refusal {
                retry: Some(60),
                ..Refusal::new(503, "The registry has too many open uploads")
            });
        }
        let id = id()?;
        self.all.insert(id.clone(), Ticket { account, path, size, sha256, kind, made: now, sent: None });
        Ok(id)
    }

    /// The ticket, for whoever it was given to.
    fn of(&mut self, id: &str, account: AccountId, now: u64) -> Result<&mut Ticket, Refusal> {
        let found = self.all.get_mut(id).filter(|ticket| ticket.account == account);
        let good = found.filter(|ticket| now < ticket.made.saturating_add(LIFE));
        good.ok_or_else(|| {
            Refusal::bad("Upload ticket is unknown, used or expired. Start the publication again.")
        })
    }

    /// Takes what was sent for a ticket; gives what that is called.
    pub fn fill(
        &mut self,
        id: &str,
        account: AccountId,
        content: Spooled,
        now: u64,
    ) -> Result<String, Refusal> {
        let ticket = self.of(id, account, now)?;
        if ticket.sent.is_some() {
            return Err(Refusal::bad("Upload ticket was used already"));
        }
        if content.length > ticket.size {
            return Err(Refusal::new(413, "The upload is larger than its ticket says"));
        }
        if content.length != ticket.size {
            return Err(Refusal::bad("The upload is not as long as its ticket says"));
        }
        if content.sha256 != ticket.sha256 {
            return Err(Refusal::bad("The upload's SHA-256 is not what its ticket says"));
        }
        let storage = self::id()?;
        ticket.sent = Some((storage.clone(), content));
        Ok(storage)
    }

    /// Takes a ticket with its file out: it is good once. What the publication says of the file must be what the ticket
    /// says.
    pub fn take(
        &mut self,
        id: &str,
        account: AccountId,
        now: u64,
        said: &dyn Fn(&Ticket, &str) -> bool,
    ) -> Result<(Ticket, Spooled), Refusal> {
        let ticket = self.of(id, account, now)?;
        let path = ticket.path.clone();
        let Some((storage, _)) = &ticket.sent else {
            return Err(Refusal::bad(format!("`{path}` was not uploaded")));
        };
        if !said(ticket, storage) {
            return Err(Refusal::bad(format!("`{path}` is not what its upload ticket was for")));
        }
        let mut ticket = self.all.remove(id).ok_or_else(|| Refusal::bad("Upload ticket is unknown"))?;
        match ticket.sent.take() {
            Some((_, content)) => Ok((ticket, content)),
            None => Err(Refusal::bad(format!("`{path}` was not uploaded"))),
        }
    }
}

/// 128 bits that nobody guesses.
fn id() -> Result<String, Refusal> {
    let mut bytes = [0; 16];
    random(&mut bytes).ok_or_else(|| Refusal::new(500, "The registry has no random numbers"))?;
    Ok(base64url(&bytes))
}
