//! Bytes from one socket to another without a copy in between: `splice(2)` through a pipe that is only held while there is
//! something in it, so that a connection that is idle costs two sockets.

use crate::sys::net;
use std::io::{self, PipeReader, PipeWriter, pipe};
use std::net::{Shutdown, TcpStream};

/// What one splice moves at most, and what a pipe is asked to hold.
const CHUNK: usize = 256 * 1024;
/// After so many bytes it is somebody else's turn.
const TURN: u64 = 2 * 1024 * 1024;
/// So many pipes are kept for the next who needs one.
const SPARE: usize = 8;

/// One end of a connection.
#[derive(Debug)]
pub struct Side {
    pub socket: TcpStream,
    /// Reading has not said yet that there is nothing.
    pub readable: bool,
    /// Writing has not said yet that there is no room.
    pub writable: bool,
}

impl Side {
    pub fn new(socket: TcpStream) -> Self {
        Self { socket, readable: true, writable: true }
    }
}

#[derive(Debug)]
struct Pipe {
    read: PipeReader,
    write: PipeWriter,
}

/// Pipes that nobody needs at the moment.
#[derive(Debug, Default)]
pub struct Pipes(Vec<Pipe>);

impl Pipes {
    fn take(&mut self) -> io::Result<Pipe> {
        if let Some(pipe) = self.0.pop() {
            return Ok(pipe);
        }
        let (read, write) = pipe()?;
        net::size_pipe(&write, CHUNK as i32);
        Ok(Pipe { read, write })
    }

    fn give(&mut self, pipe: Pipe) {
        if self.0.len() < SPARE {
            self.0.push(pipe);
        }
    }
}

/// One direction.
#[derive(Debug, Default)]
pub struct Flow {
    pipe: Option<Pipe>,
    /// Bytes in the pipe.
    held: usize,
    /// The sender has sent everything.
    pub ended: bool,
    /// The receiver knows.
    pub closed: bool,
    /// Bytes that arrived.
    pub moved: u64,
}

impl Flow {
    /// Nothing more will come of it.
    pub fn is_over(&self) -> bool {
        self.closed && self.held == 0
    }

    /// Moves what can be moved now, at most `allowance` bytes. True: there may be more, at another turn.
    pub fn pump(
        &mut self,
        from: &mut Side,
        to: &mut Side,
        pipes: &mut Pipes,
        allowance: u64,
    ) -> io::Result<bool> {
        let turn = TURN.min(allowance);
        let mut left = turn;
        while left > 0 || self.held > 0 {
            if self.held == 0 {
                if self.ended || !from.readable || !to.writable {
                    break;
                }
                let pipe = match self.pipe.take() {
                    Some(pipe) => pipe,
                    None => pipes.take()?,
                };
                let most = CHUNK.min(usize::try_from(left).unwrap_or(CHUNK));
                let got = net::splice(&from.socket, &pipe.write, most);
                self.pipe = Some(pipe);
                match got {
                    Ok(0) => self.ended = true,
                    Ok(count) => {
                        self.held = count;
                        left = left.saturating_sub(count as u64);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => from.readable = false,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
                continue;
            }
            let Some(pipe) = &self.pipe else { break };
            match net::splice(&pipe.read, &to.socket, self.held) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.held = self.held.saturating_sub(count);
                    self.moved += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    to.writable = false;
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.held > 0 {
            return Ok(false);
        }
        if let Some(pipe) = self.pipe.take() {
            pipes.give(pipe);
        }
        if self.ended && !self.closed {
            self.closed = true;
            // Who has gone already needs not be told.
            let _ = to.socket.shutdown(Shutdown::Write);
        }
        Ok(left == 0 && turn == TURN && from.readable && !self.ended)
    }
}
