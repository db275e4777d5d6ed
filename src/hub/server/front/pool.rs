//! Threads for what may take its time: answers of the handler, and pieces of bodies on their way to the disk. The loops hand
//! work in and get it back through a [`Post`].

use super::super::http::{Body, Handler, Request, Response};
use super::body::Collector;
use super::head::Refusal;
use super::post::{Message, Post};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Work for a thread, and for which connection of which loop.
pub struct Job {
    pub post: Arc<Post>,
    pub connection: u64,
    pub what: Work,
}

pub enum Work {
    Answer(Box<Request>),
    /// A piece of a body; with the last one it becomes a whole.
    Piece {
        collector: Collector,
        bytes: Vec<u8>,
        last: bool,
    },
}

/// What came of it.
pub enum Done {
    Answer(Response),
    /// The piece is written; its buffer comes back.
    More(Collector, Vec<u8>),
    Whole(Body),
    Refused(Refusal),
}

/// A queue with an end.
pub struct Queue {
    jobs: Mutex<(VecDeque<Job>, bool)>,
    ready: Condvar,
    most: usize,
}

impl Queue {
    pub fn new(most: usize) -> Queue {
        Queue { jobs: Mutex::default(), ready: Condvar::new(), most }
    }

    /// False where the queue is full.
    #[must_use]
    pub fn push(&self, job: Job) -> bool {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if jobs.0.len() >= self.most {
            return false;
        }
        jobs.0.push_back(job);
        drop(jobs);
        self.ready.notify_one();
        true
    }

    /// The threads end when they have done what they are at.
    pub fn end(&self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.ready.notify_all();
    }

    fn next(&self) -> Option<Job> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if jobs.1 {
                return None;
            }
            if let Some(job) = jobs.0.pop_front() {
                return Some(job);
            }
            jobs = self.ready.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Does what comes, until the end.
    pub fn work(&self, handler: &dyn Handler) {
        while let Some(Job { post, connection, what }) = self.next() {
            let done = match what {
                Work::Answer(request) => Done::Answer(handler.answer(*request)),
                Work::Piece { collector, bytes, last } => piece(collector, bytes, last),
            };
            post.send(Message::Done(connection, done));
        }
    }
}

fn piece(mut collector: Collector, mut bytes: Vec<u8>, last: bool) -> Done {
    if let Err(refusal) = collector.write(&bytes) {
        return Done::Refused(refusal);
    }
    if !last {
        bytes.clear();
        return Done::More(collector, bytes);
    }
    match collector.finish() {
        Ok(body) => Done::Whole(body),
        Err(refusal) => Done::Refused(refusal),
    }
}
