//! What is not about files: arguments, variables, clocks, random bytes, waiting, the end, and sockets, of which there are none.

use super::errno::{Errno, Fail, Stop};
use super::link::Args;
use super::memory::{Memory, after};
use super::table::{What, right};
use super::world::World;
use crate::sys::guest::{self, Awaited, Clock};
use std::os::fd::BorrowedFd;
use std::time::Duration;

type Done = Result<(), Fail>;

/// So many things are waited for at once.
const SUBSCRIPTIONS: u32 = 4_096;
/// Sizes of WASI's `subscription` and `event`.
const SUBSCRIPTION: u32 = 48;
const EVENT: u32 = 32;

/// A list of strings: an array of addresses, and the bytes they lead to.
fn put_list(memory: &mut Memory<'_>, list: &[Vec<u8>], pointers: u32, bytes: u32) -> Done {
    let (mut pointer, mut at) = (pointers, bytes);
    for text in list {
        memory.put_u32(pointer, at)?;
        memory.put(at, text)?;
        at = after(at, text.len() as u32)?;
        memory.put(at, &[0])?;
        at = after(at, 1)?;
        pointer = after(pointer, 4)?;
    }
    Ok(())
}

fn put_sizes(memory: &mut Memory<'_>, list: &[Vec<u8>], count: u32, bytes: u32) -> Done {
    let total: usize = list.iter().map(|text| text.len() + 1).sum();
    memory.put_u32(count, list.len() as u32)?;
    Ok(memory.put_u32(bytes, u32::try_from(total).map_err(|_| Errno::TOO_BIG)?)?)
}

pub fn args_get(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    put_list(memory, &world.args, args.word(0), args.word(1))
}

pub fn args_sizes_get(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    put_sizes(memory, &world.args, args.word(0), args.word(1))
}

pub fn environ_get(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    put_list(memory, &world.env, args.word(0), args.word(1))
}

pub fn environ_sizes_get(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    put_sizes(memory, &world.env, args.word(0), args.word(1))
}

fn clock(number: u32) -> Result<Clock, Errno> {
    Ok(match number {
        0 => Clock::Real,
        1 => Clock::Monotonic,
        2 => Clock::Process,
        3 => Clock::Thread,
        _ => return Err(Errno::INVALID),
    })
}

pub fn clock_res_get(_: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    Ok(memory.put_u64(args.word(1), clock(args.word(0))?.resolution()?)?)
}

pub fn clock_time_get(_: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    Ok(memory.put_u64(args.word(2), clock(args.word(0))?.now()?)?)
}

pub fn random_get(_: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    Ok(guest::random(memory.bytes_mut(args.word(0), args.word(1))?)?)
}

pub fn sched_yield(_: &mut World, _: &mut Memory<'_>, _: &Args) -> Done {
    guest::give_way();
    Ok(())
}

pub fn proc_exit(_: &mut World, _: &mut Memory<'_>, args: &Args) -> Done {
    Err(Fail::Stop(Stop::Exit(args.word(0))))
}

/// Signals that end a program; the rest needs somebody who handles them.
pub fn proc_raise(_: &mut World, _: &mut Memory<'_>, args: &Args) -> Done {
    match args.word(0) {
        0 => Ok(()),
        signal @ 1..=15 => Err(Fail::Stop(Stop::Signal(signal as i32))),
        _ => Err(Errno::NOT_SUPPORTED.into()),
    }
}

/// Of a descriptor that exists: it is no socket, or one that was inherited and is used as a file.
fn no_socket(world: &World, fd: u32) -> Done {
    let entry = world.table.get(fd)?;
    let socket = match &entry.what {
        What::File(_) => super::files::is_socket(entry)?,
        What::Folder(_) => false,
    };
    Err(if socket { Errno::NOT_SUPPORTED } else { Errno::NOT_SOCKET }.into())
}

pub fn socket(world: &mut World, _: &mut Memory<'_>, args: &Args) -> Done {
    no_socket(world, args.word(0))
}

/// One thing that is waited for.
enum Awaits {
    /// Until so many nanoseconds from now.
    Clock(u64),
    /// The error that is known already.
    Broken(Errno),
    /// A descriptor: to be written, or to be read.
    File { fd: u32, write: bool },
}

struct Subscription {
    userdata: u64,
    tag: u8,
    awaits: Awaits,
}

fn subscription(world: &World, memory: &Memory<'_>, at: u32) -> Result<Subscription, Errno> {
    let userdata = memory.u64(at)?;
    let tag = memory.u8(after(at, 8)?)?;
    let body = after(at, 16)?;
    let awaits = match tag {
        0 => {
            let (timeout, flags) = (memory.u64(after(body, 8)?)?, memory.u16(after(body, 24)?)?);
            match clock(memory.u32(body)?) {
                Ok(clock) if flags & 1 == 0 && matches!(clock, Clock::Real | Clock::Monotonic) => {
                    Awaits::Clock(timeout)
                }
                Ok(clock @ (Clock::Real | Clock::Monotonic)) => {
                    Awaits::Clock(timeout.saturating_sub(clock.now().map_err(Errno::from)?))
                }
                Ok(_) => Awaits::Broken(Errno::NOT_SUPPORTED),
                Err(errno) => Awaits::Broken(errno),
            }
        }
        1 | 2 => {
            let fd = memory.u32(body)?;
            match world.table.get(fd) {
                Ok(entry) if entry.rights & right::POLL == 0 && matches!(entry.what, What::File(_)) => {
                    Awaits::Broken(Errno::NOT_CAPABLE)
                }
                Ok(_) => Awaits::File { fd, write: tag == 2 },
                Err(errno) => Awaits::Broken(errno),
            }
        }
        _ => return Err(Errno::INVALID),
    };
    Ok(Subscription { userdata, tag, awaits })
}

pub fn poll_oneoff(world: &mut World, memory: &mut Memory<'_>, args: &Args) -> Done {
    let (from, to, count, told_at) = (args.word(0), args.word(1), args.word(2), args.word(3));
    if count == 0 || count > SUBSCRIPTIONS {
        return Err(Errno::INVALID.into());
    }
    memory.bytes(from, count * SUBSCRIPTION)?;
    memory.bytes(to, count * EVENT)?;
    memory.bytes(told_at, 4)?;
    let all = (0..count)
        .map(|number| subscription(world, memory, from + number * SUBSCRIPTION))
        .collect::<Result<Vec<_>, Errno>>()?;
    let broken = all.iter().any(|one| matches!(one.awaits, Awaits::Broken(_)));
    let clocks = all.iter().filter_map(|one| match one.awaits {
        Awaits::Clock(nanoseconds) => Some(nanoseconds),
        _ => None,
    });
    let timeout = if broken { Some(0) } else { clocks.min() };
    let mut files: Vec<Awaited<'_>> = Vec::new();
    for one in &all {
        if let Awaits::File { fd, write } = one.awaits {
            let fd: BorrowedFd<'_> = world.table.get(fd)?.as_fd();
            files.push(Awaited { fd, write, ready: false, closed: false });
        }
    }
    let began = Clock::Monotonic.now()?;
    loop {
        let gone = Clock::Monotonic.now()?.saturating_sub(began);
        let left = timeout.map(|timeout| Duration::from_nanos(timeout.saturating_sub(gone)));
        guest::wait(&mut files, left)?;
        // A signal that somebody handled wakes as well.
        if files.iter().any(|file| file.ready) || left.is_some_and(|left| left.is_zero()) {
            break;
        }
    }
    let gone = Clock::Monotonic.now()?.saturating_sub(began);
    let mut told = 0;
    let mut files = files.iter();
    for one in &all {
        let mut event = [0u8; EVENT as usize];
        event[..8].copy_from_slice(&one.userdata.to_le_bytes());
        event[10] = one.tag;
        match one.awaits {
            Awaits::Clock(nanoseconds) if nanoseconds <= gone => {}
            Awaits::Clock(_) => continue,
            Awaits::Broken(errno) => event[8..10].copy_from_slice(&errno.0.to_le_bytes()),
            Awaits::File { .. } => match files.next() {
                Some(file) if file.ready => {
                    event[16..24].copy_from_slice(&1u64.to_le_bytes());
                    event[24] = u8::from(file.closed);
                }
                _ => continue,
            },
        }
        memory.put(to + told * EVENT, &event)?;
        told += 1;
    }
    Ok(memory.put_u32(told_at, told)?)
}
