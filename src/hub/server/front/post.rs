//! Messages to a loop from other threads: new connections, finished work. Wakes the loop; decides nothing.

use super::pool::Done;
use crate::sys::stream::Waker;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

pub enum Message {
    New(Newcomer),
    /// What a connection waited for.
    Done(u64, Done),
    /// The idlest connection is to make room.
    Evict,
}

/// A connection that was accepted.
pub struct Newcomer {
    pub socket: OwnedFd,
    /// The other end; 127.0.0.1 for a Unix socket.
    pub peer: IpAddr,
    pub tcp: bool,
    /// The other end is a proxy that is believed.
    pub trusted: bool,
    /// Whom the connection is counted for, if it is.
    pub counted: Option<IpAddr>,
}

/// The letter box of one loop.
pub struct Post {
    messages: Mutex<Vec<Message>>,
    waker: Waker,
    /// Connections of the loop, those on their way to it included.
    pub connections: AtomicUsize,
    /// How many of them wait for a request.
    pub idle: AtomicUsize,
    /// Turns of the loop so far; where they stand still, it hangs.
    pub beats: AtomicU64,
}

impl Post {
    pub fn new() -> io::Result<Post> {
        Ok(Post {
            messages: Mutex::default(),
            waker: Waker::new()?,
            connections: AtomicUsize::new(0),
            idle: AtomicUsize::new(0),
            beats: AtomicU64::new(0),
        })
    }

    pub fn send(&self, message: Message) {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        messages.push(message);
        // Whoever put the first one in has woken the loop.
        let first = messages.len() == 1;
        drop(messages);
        if first {
            self.waker.wake();
        }
    }

    /// Wakes the loop without a message.
    pub fn wake(&self) {
        self.waker.wake();
    }

    /// The loop is alive.
    pub fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Everything that has come.
    pub fn take(&self) -> Vec<Message> {
        self.waker.calm();
        std::mem::take(&mut *self.messages.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn is_less_busy(&self, than: &Post) -> bool {
        self.connections.load(Ordering::Relaxed) < than.connections.load(Ordering::Relaxed)
    }
}

impl AsFd for Post {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.waker.as_fd()
    }
}
