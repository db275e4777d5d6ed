//! Threads for requests that `inject` carries out, and what came of them.

use super::inject::{AT_ONCE, Agents, STACK};
use super::job::{Job, Outcome};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The requests that are under way.
pub struct Elsewhere {
    wake: UnixStream,
    agents: Agents,
    done: Arc<Mutex<Vec<(u64, Outcome)>>>,
    running: usize,
}

impl Elsewhere {
    /// None yet; `wake` gets a byte with each that is done.
    pub fn new(wake: UnixStream) -> Self {
        Self { wake, agents: Agents::default(), done: Arc::default(), running: 0 }
    }

    /// Connections that are kept.
    pub fn agents(&self) -> Agents {
        self.agents.clone()
    }

    /// Starts one. False: there are too many.
    pub fn send(&mut self, serial: u64, job: Job) -> bool {
        let Some(mut wake) = self.wake.try_clone().ok().filter(|_| self.running < AT_ONCE) else {
            return false;
        };
        let done = self.done.clone();
        let begun = thread::Builder::new().stack_size(STACK).spawn(move || {
            let outcome = job.run();
            done.lock().unwrap_or_else(PoisonError::into_inner).push((serial, outcome));
            // Full: then it is going to be read anyway.
            let _ = wake.write(&[1]);
        });
        self.running += usize::from(begun.is_ok());
        begun.is_ok()
    }

    /// Those that are done since the last time.
    pub fn done(&mut self) -> Vec<(u64, Outcome)> {
        let done = std::mem::take(&mut *self.done.lock().unwrap_or_else(PoisonError::into_inner));
        self.running = self.running.saturating_sub(done.len());
        done
    }
}
