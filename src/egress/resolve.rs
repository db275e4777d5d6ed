//! Names to addresses by the host's own resolver, which may take its time: a few threads do it, so that nobody else waits.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::{IpAddr, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

/// So many questions are asked at once.
const THREADS: usize = 8;
/// So many wait.
const WAITING: usize = 1024;
/// Enough for every resolver of a C library.
const STACK: usize = 256 * 1024;
/// So many addresses of one name are looked at.
const ADDRESSES: usize = 32;

/// Who asked, and what came of it; an error as a sentence.
pub type Answer = (u64, Result<Vec<IpAddr>, String>);

#[derive(Default)]
struct State {
    asked: VecDeque<(u64, String)>,
    answers: Vec<Answer>,
    idle: usize,
    threads: usize,
    over: bool,
}

struct Shared {
    state: Mutex<State>,
    more: Condvar,
}

/// The threads. Dropping it ends those that wait; one in the middle of a question ends after it.
pub struct Resolver {
    shared: Arc<Shared>,
    wake: UnixStream,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Resolver {
    /// No thread yet; `wake` gets a byte with each answer.
    pub fn new(wake: UnixStream) -> Self {
        let shared = Shared { state: Mutex::new(State::default()), more: Condvar::new() };
        Self { shared: Arc::new(shared), wake, threads: Vec::new() }
    }

    /// Asks for the addresses of a name. False: too many are waiting.
    pub fn ask(&mut self, token: u64, name: &str) -> bool {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.asked.len() >= WAITING {
            return false;
        }
        if state.idle <= state.asked.len() && state.threads < THREADS {
            let (shared, wake) = (self.shared.clone(), self.wake.try_clone());
            let begin = wake.and_then(|wake| {
                thread::Builder::new().stack_size(STACK).spawn(move || work(&shared, &wake))
            });
            match begin {
                Ok(thread) => {
                    state.threads += 1;
                    self.threads.push(thread);
                }
                Err(_) if state.threads == 0 => return false,
                Err(_) => {}
            }
        }
        state.asked.push_back((token, name.to_owned()));
        drop(state);
        self.shared.more.notify_one();
        true
    }

    /// What came in since the last time.
    pub fn answers(&self) -> Vec<Answer> {
        std::mem::take(&mut self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).answers)
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.over = true;
        state.asked.clear();
        let all_idle = state.idle == state.threads;
        drop(state);
        self.shared.more.notify_all();
        // A resolver that hangs must not keep the end of a run waiting.
        if all_idle {
            self.threads.drain(..).for_each(|thread| drop(thread.join()));
        }
    }
}

fn work(shared: &Shared, mut wake: &UnixStream) {
    let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
    while !state.over {
        let Some((token, name)) = state.asked.pop_front() else {
            state.idle += 1;
            state = shared.more.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
            continue;
        };
        drop(state);
        let answer = addresses(&name).map_err(|error| plain(&error));
        state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.answers.push((token, answer));
        // Full: then it is going to be read anyway.
        let _ = wake.write(&[1]);
    }
}

fn addresses(name: &str) -> io::Result<Vec<IpAddr>> {
    let mut found: Vec<IpAddr> = Vec::new();
    // The port is of no interest, but there has to be one.
    for address in (name, 443).to_socket_addrs()?.take(ADDRESSES) {
        if !found.contains(&address.ip()) {
            found.push(address.ip());
        }
    }
    Ok(found)
}

/// The error of the C library without its frame.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_owned()
}
