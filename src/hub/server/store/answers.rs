//! The log as the hub's clients get it, in JSON: checkpoint, proofs, events. The other side is `hub::log`'s.
//!
//! - checkpoint: `{"checkpoint":NOTE,"key":VERIFIER,"size":N,"time":SECONDS}`
//! - proof: `{"index":I,"size":N,"leaf":HEX,"event":LINE,"hashes":[HEX…]}`; `event` is left out for private ones
//! - consistency: `{"from":N,"to":M,"hashes":[HEX…]}`
//! - events: `{"from":I,"next":J,"size":N,"events":[{"index":I,"event":LINE}|{"index":I,"leaf":HEX}…]}`

use super::{Span, Store};
use crate::digest::Sha256;
use crate::json::Writer;
use crate::skill::Problem;
use std::io;

/// A page of events has no more bytes than this, but for a single one that has.
const LARGEST_PAGE: usize = 2 << 20;
/// Nor more events.
const MOST_EVENTS: u64 = 1000;

fn written(body: impl FnOnce(&mut Writer) -> io::Result<()>) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory does not fail.
    let _ = Writer::new(&mut bytes).object(body);
    bytes
}

fn hashes(w: &mut Writer, hashes: &[Sha256]) -> io::Result<()> {
    w.key("hashes")?.array(|w| hashes.iter().try_for_each(|hash| w.string(&hash.to_string())))
}

impl Store {
    /// The latest checkpoint and what to check it with.
    pub fn checkpoint_json(&self) -> Vec<u8> {
        let checkpoint = self.checkpoint();
        written(|w| {
            w.field("checkpoint", &checkpoint.note)?;
            w.field("key", &self.verifier().to_string())?;
            w.count("size", checkpoint.size)?;
            w.count("time", checkpoint.time)
        })
    }

    /// That an event is in the tree of that size, with the event itself unless it is private. `span` is where it is; the log
    /// is read for it where the caller does not know. `None` where there is no such event at that size.
    pub fn proof_json(&self, index: u64, size: u64, span: Option<Span>) -> Result<Option<Vec<u8>>, Problem> {
        let (Some(path), Some(leaf)) = (self.inclusion(index, size), self.leaf(index)) else {
            return Ok(None);
        };
        let line = match span {
            Some(span) => self.read(span)?,
            None => self.line(index)?,
        };
        Ok(Some(written(|w| {
            w.count("index", index)?;
            w.count("size", size)?;
            w.field("leaf", &leaf.to_string())?;
            if self.is_public(&line) {
                w.field("event", &line)?;
            }
            hashes(w, &path)
        })))
    }

    /// That the log only grew between two sizes.
    pub fn consistency_json(&self, from: u64, to: u64) -> Option<Vec<u8>> {
        let path = self.consistency(from, to)?;
        Some(written(|w| {
            w.count("from", from)?;
            w.count("to", to)?;
            hashes(w, &path)
        }))
    }

    /// Events from an index on, up to a number of them; of private ones the leaf alone.
    pub fn events_json(&self, from: u64, limit: u64) -> Result<Vec<u8>, Problem> {
        let size = self.size();
        let until = from.saturating_add(limit.min(MOST_EVENTS)).min(size);
        let mut page = Vec::new();
        let (mut next, mut bytes) = (from, 0);
        self.some_events(from, until, &mut |index, _, line| {
            bytes += line.len();
            if index > from && bytes > LARGEST_PAGE {
                return Ok(false);
            }
            page.push(if self.is_public(line) { Ok(line.to_owned()) } else { Err(index) });
            next = index + 1;
            Ok(true)
        })?;
        Ok(written(|w| {
            w.count("from", from)?;
            w.count("next", next)?;
            w.count("size", size)?;
            w.key("events")?.array(|w| {
                (from..).zip(&page).try_for_each(|(index, event)| {
                    w.object(|w| {
                        w.count("index", index)?;
                        match event {
                            Ok(line) => w.field("event", line),
                            Err(index) => {
                                let leaf = self.leaf(*index).ok_or(io::ErrorKind::UnexpectedEof)?;
                                w.field("leaf", &leaf.to_string())
                            }
                        }
                    })
                })
            })
        }))
    }

    /// The line of the event with that index.
    fn line(&self, index: u64) -> Result<String, Problem> {
        let mut found = String::new();
        self.some_events(index, index + 1, &mut |_, _, line| {
            line.clone_into(&mut found);
            Ok(true)
        })?;
        Ok(found)
    }

    /// Events from one index to below another, until the visitor has enough.
    fn some_events(
        &self,
        from: u64,
        until: u64,
        visit: &mut dyn FnMut(u64, Span, &str) -> Result<bool, Problem>,
    ) -> Result<(), Problem> {
        self.log.some_events(from, until, visit)
    }
}
