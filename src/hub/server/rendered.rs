//! Answers about skills that were made before, good as long as nothing has changed. Bounded; not a cache of files.

use super::app::{App, lock};
use super::http::{Content, Response};
use super::refusal::Answer;
use super::state::State;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Answers that are kept, and bytes of each.
const MOST: usize = 4096;
const LARGEST: usize = 16 << 10;

/// What was made of which state.
#[derive(Debug, Default)]
pub struct Rendered(Mutex<(u64, Kept)>);

type Kept = HashMap<String, Arc<[u8]>>;

/// The answer that was given to this before, or a new one. `key` says everything that it depends on but the state.
pub fn json(app: &App, state: &State, key: String, make: &dyn Fn() -> Answer) -> Answer {
    let shared = |bytes: Arc<[u8]>| {
        let response = Response::json(200, Vec::new());
        Ok(Response { content: Content::Shared(bytes), ..response })
    };
    {
        let mut kept = lock(&app.rendered.0);
        if kept.0 != state.applied() {
            *kept = (state.applied(), HashMap::new());
        }
        if let Some(bytes) = kept.1.get(&key) {
            return shared(bytes.clone());
        }
    }
    let response = make()?;
    match response.content {
        Content::Bytes(bytes) if bytes.len() <= LARGEST && response.status == 200 => {
            let bytes: Arc<[u8]> = bytes.into();
            let mut kept = lock(&app.rendered.0);
            if kept.0 == state.applied() && kept.1.len() < MOST {
                kept.1.insert(key, bytes.clone());
            }
            shared(bytes)
        }
        _ => Ok(response),
    }
}

impl Rendered {
    /// Forgets everything: something changed that is no event.
    pub fn clear(&self) {
        lock(&self.0).1.clear();
    }
}
