//! What happened, as one line of JSON each: the log of these is the only truth a hub keeps, everything else is computed from
//! it. Says nothing about whether an event was allowed (`publish`, `v1`, `contract` decide that) nor what it leads to
//! (`state`).
//!
//! `{"type":"star","at":1795500599376,"by":"alice","skill":"bob/demo","salt":"…"}`: what is empty, zero or false is left
//! out. Events that tell who did what to whom are private: a replica sees the hash of their line only, and their `salt`
//! (32 hex digits, random) keeps that hash from being guessed.

use crate::digest::{Sha256, to_hex};
use crate::json::{self, Node, Writer};
use crate::skill::Problem;
use std::io;

/// A value in an event. What is absent from a line reads as `absent()`, if the type has such a value.
trait Field: Sized {
    fn write(&self, w: &mut Writer) -> io::Result<()>;
    fn read(node: &Node) -> Option<Self>;
    fn is_absent(&self) -> bool {
        false
    }
    fn absent() -> Option<Self> {
        None
    }
}

impl Field for String {
    fn write(&self, w: &mut Writer) -> io::Result<()> {
        w.string(self)
    }
    fn read(node: &Node) -> Option<String> {
        node.as_str().map(str::to_owned)
    }
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
    fn absent() -> Option<String> {
        Some(String::new())
    }
}

impl Field for u64 {
    fn write(&self, w: &mut Writer) -> io::Result<()> {
        w.number(*self)
    }
    fn read(node: &Node) -> Option<u64> {
        node.as_u64()
    }
    fn is_absent(&self) -> bool {
        *self == 0
    }
    fn absent() -> Option<u64> {
        Some(0)
    }
}

impl Field for bool {
    fn write(&self, w: &mut Writer) -> io::Result<()> {
        w.boolean(*self)
    }
    fn read(node: &Node) -> Option<bool> {
        node.as_bool()
    }
    fn is_absent(&self) -> bool {
        !*self
    }
    fn absent() -> Option<bool> {
        Some(false)
    }
}

impl Field for Sha256 {
    fn write(&self, w: &mut Writer) -> io::Result<()> {
        w.string(&self.to_string())
    }
    fn read(node: &Node) -> Option<Sha256> {
        Sha256::parse(node.as_str()?)
    }
}

impl<T: Field> Field for Vec<T> {
    fn write(&self, w: &mut Writer) -> io::Result<()> {
        w.array(|w| self.iter().try_for_each(|one| one.write(w)))
    }
    fn read(node: &Node) -> Option<Vec<T>> {
        node.as_array()?.iter().map(T::read).collect()
    }
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
    fn absent() -> Option<Vec<T>> {
        Some(Vec::new())
    }
}

fn put<T: Field>(w: &mut Writer, key: &str, value: &T) -> io::Result<()> {
    if value.is_absent() { Ok(()) } else { value.write(w.key(key)?) }
}

fn take<T: Field>(node: &Node, key: &str) -> Option<T> {
    node.get(key).map_or_else(T::absent, T::read)
}

/// A struct that is an object in an event.
macro_rules! record {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[$field_doc])* pub $field: $kind,)* }

        impl Field for $name {
            fn write(&self, w: &mut Writer) -> io::Result<()> {
                w.object(|w| { $(put(w, stringify!($field), &self.$field)?;)* Ok(()) })
            }
            fn read(node: &Node) -> Option<$name> {
                Some($name { $($field: take(node, stringify!($field))?,)* })
            }
        }
    };
}

/// The kinds of events: the word after the name is their `type`, `private` those whose line stays here.
macro_rules! events {
    ($($(#[$doc:meta])* $name:ident $word:literal $($private:ident)? { $($field:ident: $kind:ty,)* })*) => {
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum What { $($(#[$doc])* $name { $($field: $kind,)* },)* }

        impl What {
            /// The `type` in the line.
            pub fn word(&self) -> &'static str {
                match self { $(What::$name { .. } => $word,)* }
            }

            /// Does its line stay on this machine?
            pub fn is_private(&self) -> bool {
                match self { $(What::$name { .. } => is_private(&[$(stringify!($private))?]),)* }
            }

            fn write(&self, w: &mut Writer) -> io::Result<()> {
                match self {
                    $(What::$name { $($field,)* } => { $(put(w, stringify!($field), $field)?;)* Ok(()) })*
                }
            }

            fn read(word: &str, node: &Node) -> Option<What> {
                match word {
                    $($word => Some(What::$name { $($field: take(node, stringify!($field))?,)* }),)*
                    _ => None,
                }
            }
        }
    };
}

const fn is_private(words: &[&str]) -> bool {
    !words.is_empty()
}

/// What an account may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    #[default]
    User,
    /// May hide skills and comments, and sees reports.
    Moderator,
    /// May do everything.
    Admin,
}

impl Role {
    pub const ALL: [Role; 3] = [Role::User, Role::Moderator, Role::Admin];

    pub const fn as_str(self) -> &'static str {
        match self {
            Role::User => "user",
            Role::Moderator => "moderator",
            Role::Admin => "admin",
        }
    }

    pub fn parse(word: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

impl Field for Role {
    fn write(&self, w: &mut Writer) -> io::Result<()> {
        w.string(self.as_str())
    }
    fn read(node: &Node) -> Option<Role> {
        Role::parse(node.as_str()?)
    }
}

record! {
    /// A file of a version. Its content is the blob of that hash.
    File { path: String, size: u64, sha256: Sha256, kind: String, }
}

record! {
    /// What the scan found, of medium severity or less: worse does not get in.
    Note { rule: String, severity: String, message: String, path: String, line: u64, fix: String, }
}

record! {
    /// A variable that a skill needs or knows.
    Setup { key: String, required: bool, }
}

record! {
    /// A version of a skill with all that is known of it. `zip` is the blob that downloads send.
    Release {
        owner: String,
        slug: String,
        version: String,
        title: String,
        summary: String,
        icon: String,
        changelog: String,
        tags: Vec<String>,
        categories: Vec<String>,
        topics: Vec<String>,
        os: Vec<String>,
        setup: Vec<Setup>,
        /// `owner/slug` of what it was made from.
        fork_of: String,
        /// Where its source is, as the publisher says.
        source: String,
        content_hash: Sha256,
        fingerprint: Sha256,
        zip: Sha256,
        zip_size: u64,
        files: Vec<File>,
        /// `weft-skill-v1` and its signature; both empty for an unsigned version.
        statement: String,
        signature: String,
        findings: Vec<Note>,
        /// Version of the scanner that looked.
        scanner: String,
    }
}

events! {
    /// An account was made, or its name or role changed.
    User "user" { handle: String, name: String, role: Role, }
    /// Tokens of the account count no more.
    Ban "ban" { handle: String, reason: String, }
    Unban "unban" { handle: String, }
    /// A publisher with members; who made it is the first.
    Org "org" { handle: String, name: String, }
    Member "member" { org: String, handle: String, on: bool, }
    /// `expires` in milliseconds since 1970; 0 never does.
    Token "token" private {
        id: String, hash: Sha256, start: String, handle: String, label: String, allow_unsigned: bool, expires: u64,
    }
    TokenRevoke "token_revoke" private { id: String, }
    Publish "publish" { release: Box<Release>, }
    Tag "tag" { skill: String, tag: String, version: String, }
    /// One version is gone for everybody; its number stays taken.
    Withdraw "withdraw" { skill: String, version: String, reason: String, }
    Restore "restore" { skill: String, version: String, }
    /// Still there, but no longer recommended; no version means all, no reason takes it back.
    Deprecate "deprecate" { skill: String, version: String, reason: String, }
    /// By its owner.
    Delete "delete" { skill: String, reason: String, }
    Undelete "undelete" { skill: String, }
    /// By moderation, which alone undoes it.
    Hide "hide" { skill: String, reason: String, }
    Unhide "unhide" { skill: String, }
    Rename "rename" { skill: String, slug: String, }
    /// Its name leads to the other skill from now on.
    Merge "merge" { skill: String, into: String, }
    TransferAsk "transfer_ask" private { skill: String, to: String, message: String, expires: u64, }
    /// `id` is the index of the question; `how` is accept, reject or cancel.
    TransferEnd "transfer_end" private { id: u64, how: String, }
    /// The skill has another owner.
    Transfer "transfer" { skill: String, to: String, }
    Star "star" private { skill: String, }
    Unstar "unstar" private { skill: String, }
    /// 1 to 5.
    Rate "rate" private { skill: String, stars: u64, }
    /// The index of this event is the comment's id.
    Comment "comment" { skill: String, text: String, }
    CommentEdit "comment_edit" { id: u64, text: String, }
    CommentDelete "comment_delete" { id: u64, }
    CommentHide "comment_hide" { id: u64, on: bool, }
    CommentFlag "comment_flag" private { id: u64, reason: String, }
    /// The index of this event is the report's id. `kind` is report or appeal.
    Report "report" private { kind: String, skill: String, version: String, reason: String, }
    Triage "triage" private { id: u64, status: String, note: String, }
    /// A rotation or revocation of a key; whoever carries it, its signatures make it true.
    Letter "letter" { text: String, }
    /// The owner's key is forgotten: the next signed version pins another. By the operator, for a lost key.
    KeyReset "key_reset" { handle: String, }
}

impl<T: Field> Field for Box<T> {
    fn write(&self, w: &mut Writer) -> io::Result<()> {
        (**self).write(w)
    }
    fn read(node: &Node) -> Option<Box<T>> {
        T::read(node).map(Box::new)
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Milliseconds since 1970.
    pub at: u64,
    /// Who did it, a handle; empty for whoever runs the hub.
    pub by: String,
    pub what: What,
}

impl Event {
    /// The line, without its end. Private ones need `salt`, 32 random hex digits.
    pub fn encode(&self, salt: &str) -> String {
        let mut out = Vec::new();
        let written = Writer::new(&mut out).object(|w| {
            w.field("type", self.what.word())?;
            w.count("at", self.at)?;
            put(w, "by", &self.by)?;
            self.what.write(w)?;
            if self.what.is_private() { w.field("salt", salt) } else { Ok(()) }
        });
        // Writing to memory does not fail, and a writer of texts writes text.
        debug_assert!(written.is_ok());
        String::from_utf8(out).unwrap_or_default()
    }

    /// Reads a line; one that this version does not know is an error, for nothing may be built on half of a log.
    pub fn decode(line: &str) -> Result<Event, Problem> {
        let bad =
            |what: String| Problem::new(what, "the event log", "weft hub verify; a newer weft may know it");
        let node = json::parse(line).map_err(|error| bad(format!("an event is not JSON: {error}")))?;
        let word: String = take(&node, "type").unwrap_or_default();
        let read = || {
            let what = What::read(&word, &node)?;
            Some(Event { at: take(&node, "at")?, by: take(&node, "by")?, what })
        };
        read().ok_or_else(|| bad(format!("an event of the type `{word}` is not understood")))
    }

    /// A salt from the system's random source.
    pub fn salt() -> Option<String> {
        let mut bytes = [0; 16];
        crate::trust::key::random(&mut bytes)?;
        Some(to_hex(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release() -> Release {
        Release {
            owner: "alice".into(),
            slug: "demo".into(),
            version: "1.0.0".into(),
            title: "Demo".into(),
            summary: "line\nbreak \u{202e}".into(),
            icon: String::new(),
            changelog: String::new(),
            tags: vec!["beta".into()],
            categories: Vec::new(),
            topics: vec!["git".into()],
            os: Vec::new(),
            setup: vec![Setup { key: "A".into(), required: true }],
            fork_of: String::new(),
            source: String::new(),
            content_hash: Sha256::of(b"c"),
            fingerprint: Sha256::of(b"f"),
            zip: Sha256::of(b"z"),
            zip_size: 9,
            files: vec![File {
                path: "SKILL.md".into(),
                size: 0,
                sha256: Sha256::of(b""),
                kind: "text/markdown".into(),
            }],
            statement: "s\n".into(),
            signature: "ab".into(),
            findings: vec![Note {
                rule: "EX-001".into(),
                severity: "medium".into(),
                message: "m".into(),
                path: "SKILL.md".into(),
                line: 3,
                fix: String::new(),
            }],
            scanner: "0.1.0".into(),
        }
    }

    #[test]
    fn lines_read_back() {
        let skill = || "alice/demo".to_owned();
        for what in [
            What::User { handle: "alice".into(), name: "A \"b\"".into(), role: Role::Admin },
            What::Publish { release: Box::new(release()) },
            What::Star { skill: skill() },
            What::Rate { skill: skill(), stars: 5 },
            What::Comment { skill: skill(), text: "<b>\n\0".into() },
            What::Member { org: "o".into(), handle: "alice".into(), on: false },
        ] {
            let event = Event { at: 7, by: "alice".into(), what };
            let line = event.encode("00112233445566778899aabbccddeeff");
            assert!(!line.contains('\n') && line.contains(event.what.word()), "{line}");
            assert_eq!(line.contains("salt"), event.what.is_private(), "{line}");
            assert_eq!(Event::decode(&line).unwrap(), event);
        }
    }

    #[test]
    fn what_is_not_understood_stops() {
        for line in [
            "",
            "{}",
            "{\"type\":\"burn\",\"at\":1}",
            "{\"type\":\"user\",\"at\":1,\"handle\":\"a\",\"role\":\"king\"}",
            "{\"type\":\"user\",\"at\":1,\"handle\":3,\"role\":\"user\"}",
            "{\"type\":\"publish\",\"at\":1}",
            "{\"type\":\"token\",\"at\":1,\"hash\":\"zz\"}",
        ] {
            assert!(Event::decode(line).is_err(), "{line}");
        }
    }
}
