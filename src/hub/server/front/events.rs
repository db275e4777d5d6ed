//! One thread's loop: waits for all of its connections at once and takes each from stage to stage. Never waits for a disk or
//! a worker; what does, goes to the pool.

use super::super::http::{Content, Method, Plan, Request, Response};
use super::answer::{self, Manner};
use super::body::Collector;
use super::chunked::Chunked;
use super::conn::{Conn, Outgoing, Pace, Receiving, Stage};
use super::head::{self, Framing, Parsed, Refusal};
use super::metrics::Metrics;
use super::pool::{Done, Job, Work};
use super::post::{Message, Newcomer, Post};
use super::{Shared, state};
use crate::clock;
use crate::net::date;
use crate::sys::net::{Poll, when};
use crate::sys::stream;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const WAKE: u64 = u64::MAX;
const EVENTS: u32 = when::IN | when::OUT | when::RDHUP | when::EDGE;
/// How often the clocks of connections are looked at.
const TICK: Duration = Duration::from_millis(500);
/// What one connection may do before others have their turn: requests, bytes in and bytes out.
const REQUESTS: u32 = 32;
const BYTES: u64 = 2 << 20;
/// Content goes to the disk in pieces of at most and, unless it is the last or waited long, at least so many bytes.
const LARGEST_PIECE: usize = 256 << 10;
const SMALLEST_PIECE: usize = 16 << 10;
/// Read at once.
const SCRATCH: usize = 64 << 10;
/// So much of an answer may wait in the kernel unsent.
const UNSENT: i32 = 256 << 10;
/// Buffers that are kept for the next.
const SPARE: usize = 32;
const LARGEST_SPARE: usize = 128 << 10;

struct Slot {
    conn: Option<Box<Conn>>,
    /// How often the slot was used: what is said to an earlier connection is not meant for this one.
    uses: u32,
}

pub struct Events {
    shared: Arc<Shared>,
    post: Arc<Post>,
    poll: Poll,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Connections that could go on without anything happening.
    again: Vec<u64>,
    scratch: Vec<u8>,
    spare: Vec<Vec<u8>>,
    now: Instant,
    ticked: Instant,
    second: u64,
    date: String,
    stopping: Option<Instant>,
}

/// What becomes of a connection after a step.
enum Step {
    /// Take the next.
    On,
    /// Something must happen first.
    Wait,
    /// It could go on, after others.
    Again,
    Close,
}

impl Events {
    pub fn new(shared: Arc<Shared>, post: Arc<Post>) -> io::Result<Events> {
        let poll = Poll::new()?;
        poll.add(&*post, WAKE, when::IN)?;
        let now = Instant::now();
        Ok(Events {
            shared,
            post,
            poll,
            slots: Vec::new(),
            free: Vec::new(),
            again: Vec::new(),
            scratch: vec![0; SCRATCH],
            spare: Vec::new(),
            now,
            ticked: now,
            second: u64::MAX,
            date: String::new(),
            stopping: None,
        })
    }

    /// Until the front is told to stop and every connection has ended, or its time is up.
    pub fn run(mut self) -> io::Result<()> {
        let mut found = Vec::new();
        loop {
            let timeout = if self.again.is_empty() { TICK.as_millis() as i32 } else { 0 };
            self.poll.wait(&mut found, timeout)?;
            self.now = Instant::now();
            self.post.beat();
            let second = clock::now().as_secs();
            if second != self.second {
                (self.second, self.date) = (second, date::write(second));
            }
            for (token, bits) in &found {
                match *token {
                    WAKE => self.mail(),
                    token => self.happened(token, *bits),
                }
            }
            for token in std::mem::take(&mut self.again) {
                self.turn(token);
            }
            if self.now.duration_since(self.ticked) >= TICK {
                self.ticked = self.now;
                self.each(Events::tick);
            }
            if self.stop() {
                break;
            }
        }
        self.each(|_, _| Step::Close);
        for message in self.post.take() {
            if let Message::New(newcomer) = message {
                self.shared.leave(&self.post, newcomer.counted);
            }
        }
        Ok(())
    }

    /// Is it over?
    fn stop(&mut self) -> bool {
        let told = self.shared.control.state();
        if told == state::RUNNING {
            return false;
        }
        let began = match self.stopping {
            Some(began) => began,
            None => {
                self.stopping = Some(self.now);
                // A request that has come already is answered; then whoever waits for nothing is let go.
                self.each(|events, conn| match conn.stage {
                    Stage::Head => {
                        conn.readable = true;
                        match events.head(conn) {
                            Step::Wait if matches!(conn.stage, Stage::Head) => Step::Close,
                            step => step,
                        }
                    }
                    _ => Step::Wait,
                });
                self.now
            }
        };
        let empty = self.post.connections.load(Ordering::SeqCst) == 0;
        told == state::NOW
            || self.now.duration_since(began) >= self.shared.settings.grace
            // The acceptor sends no more.
            || (empty && told == state::CLOSED)
    }

    fn mail(&mut self) {
        for message in self.post.take() {
            match message {
                Message::New(newcomer) => self.open(newcomer),
                Message::Done(token, done) => {
                    self.with(token, |events, conn| {
                        conn.since = events.now;
                        events.done(conn, done)
                    });
                }
                Message::Evict => self.evict(),
            }
        }
    }

    fn open(&mut self, newcomer: Newcomer) {
        let Newcomer { socket, peer, tcp, trusted, counted } = newcomer;
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { conn: None, uses: 0 });
            (self.slots.len() - 1) as u32
        });
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        let token = u64::from(slot.uses) << 32 | u64::from(index);
        if self.poll.add(&socket, token, EVENTS).is_err() {
            self.free.push(index);
            self.shared.leave(&self.post, counted);
            return;
        }
        if tcp {
            stream::prepare(&socket, UNSENT);
        }
        slot.conn = Some(Box::new(Conn {
            token,
            socket,
            peer,
            trusted,
            counted,
            readable: true,
            ended: false,
            input: Vec::new(),
            at: 0,
            seen: 0,
            stage: Stage::Head,
            since: self.now,
            fresh: true,
            manner: UNKNOWN,
            started: self.now,
            dirty: false,
            idle: false,
        }));
        // What came with it is often there already.
        self.turn(token);
    }

    fn happened(&mut self, token: u64, bits: u32) {
        self.with(token, |events, conn| {
            conn.readable |= bits & (when::IN | when::RDHUP | when::GONE) != 0;
            conn.ended |= bits & (when::RDHUP | when::GONE) != 0;
            events.steps(conn)
        });
    }

    fn turn(&mut self, token: u64) {
        self.with(token, Events::steps);
    }

    /// Does something with a connection, if it is still there, and what follows from it.
    fn with(&mut self, token: u64, act: impl FnOnce(&mut Events, &mut Conn) -> Step) {
        let index = token as u32;
        let Some(slot) = self.slots.get_mut(index as usize).filter(|slot| slot.uses == (token >> 32) as u32)
        else {
            return;
        };
        let Some(mut conn) = slot.conn.take() else { return };
        let step = match act(self, &mut conn) {
            Step::On => self.steps(&mut conn),
            step => step,
        };
        self.settle(index, conn, step);
    }

    /// Puts a connection back, or ends it.
    fn settle(&mut self, index: u32, mut conn: Box<Conn>, step: Step) {
        if conn.at >= conn.input.len() && conn.input.capacity() > 0 {
            conn.at = 0;
            self.keep(std::mem::take(&mut conn.input));
        }
        let idle = !matches!(step, Step::Close) && matches!(conn.stage, Stage::Head);
        match (conn.idle, idle) {
            (false, true) => drop(self.post.idle.fetch_add(1, Ordering::Relaxed)),
            (true, false) => drop(self.post.idle.fetch_sub(1, Ordering::Relaxed)),
            _ => {}
        }
        conn.idle = idle;
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        match step {
            Step::Close => {
                slot.uses = slot.uses.wrapping_add(1);
                self.free.push(index);
                let counted = conn.counted;
                drop(conn);
                self.shared.leave(&self.post, counted);
            }
            step => {
                slot.conn = Some(conn);
                if matches!(step, Step::Again) {
                    self.again.push(u64::from(slot.uses) << 32 | u64::from(index));
                }
            }
        }
    }

    fn each(&mut self, act: impl Fn(&mut Events, &mut Conn) -> Step) {
        for index in 0..self.slots.len() as u32 {
            if let Some(slot) = self.slots.get(index as usize) {
                self.with(u64::from(slot.uses) << 32 | u64::from(index), &act);
            }
        }
    }

    /// A buffer that is empty.
    fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    fn keep(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE && buffer.capacity() <= LARGEST_SPARE {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// The connection that has waited longest for a request makes room; one that has sent half a head only if there is no other.
    fn evict(&mut self) {
        let waiting = self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let conn = slot.conn.as_ref().filter(|conn| matches!(conn.stage, Stage::Head))?;
            Some(((!conn.input.is_empty(), conn.since), index as u32, slot.uses))
        });
        if let Some((_, index, uses)) = waiting.min_by_key(|(order, ..)| *order) {
            Metrics::add(&self.shared.metrics.evicted, 1);
            self.with(u64::from(uses) << 32 | u64::from(index), |_, _| Step::Close);
        }
    }

    /// Looks at the clock of a connection.
    fn tick(&mut self, conn: &mut Conn) -> Step {
        let (now, shared) = (self.now, self.shared.clone());
        let limits = &shared.settings.limits;
        let waited = now.duration_since(conn.since);
        let slow = match &mut conn.stage {
            Stage::Head if conn.input.is_empty() => {
                let allowed = if conn.fresh { limits.head_time } else { limits.idle_time };
                return if waited >= allowed { Step::Close } else { Step::Wait };
            }
            Stage::Head => waited >= limits.head_time,
            Stage::Body(body) if body.collector.is_some() => {
                if body.pace.too_slow(now, body.received, limits.window, limits.rate) {
                    true
                } else {
                    // Somebody slow; what came is not kept in memory for long.
                    return if body.piece.is_empty() { Step::Wait } else { self.store(conn, false) };
                }
            }
            Stage::Writing(out) => {
                if out.pace.too_slow(now, out.written, limits.window, limits.rate) {
                    Metrics::add(&shared.metrics.timed_out, 1);
                    return Step::Close;
                }
                false
            }
            Stage::Draining => return if waited >= limits.drain_time { Step::Close } else { Step::Wait },
            Stage::Body(_) | Stage::Asked => false,
        };
        if !slow {
            return Step::Wait;
        }
        Metrics::add(&shared.metrics.timed_out, 1);
        const SLOW: Refusal = Refusal { status: 408, why: "the request came too slowly" };
        if matches!(conn.stage, Stage::Head) {
            return self.refuse_head(conn, SLOW);
        }
        self.refuse(conn, SLOW)
    }

    fn steps(&mut self, conn: &mut Conn) -> Step {
        let mut requests = 0;
        loop {
            let step = match &mut conn.stage {
                Stage::Head => {
                    requests += 1;
                    if requests > REQUESTS { Step::Again } else { self.head(conn) }
                }
                Stage::Body(_) => self.body(conn),
                // Nobody is left to be told.
                Stage::Asked => Step::Wait,
                Stage::Writing(_) => self.write(conn),
                Stage::Draining => self.drain(conn),
            };
            match step {
                Step::On => {}
                step => return step,
            }
        }
    }

    /// Reads once into `scratch`. None: nothing is there, or (`Close`) nothing will be.
    fn read(&mut self, conn: &mut Conn) -> Result<usize, Step> {
        if !conn.readable {
            return Err(Step::Wait);
        }
        match stream::receive(&conn.socket, &mut self.scratch) {
            Ok(0) => Err(Step::Close),
            Ok(count) => {
                Metrics::add(&self.shared.metrics.received, count as u64);
                // Less than there was room for is all there is; what comes later is told.
                conn.readable = count == self.scratch.len() || conn.ended;
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                conn.readable = false;
                Err(Step::Wait)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(Step::On),
            Err(_) => Err(Step::Close),
        }
    }

    /// Waits for a whole head, then asks what is to be done with it.
    fn head(&mut self, conn: &mut Conn) -> Step {
        loop {
            let input = conn.input.get(conn.at..).unwrap_or_default();
            match head::end(input, conn.seen) {
                Ok(Some(length)) => {
                    let parsed = head::parse(input.get(..length).unwrap_or_default());
                    (conn.at, conn.seen) = (conn.at + length, 0);
                    return match parsed {
                        Ok(parsed) => self.plan(conn, parsed),
                        Err(refusal) => self.refuse_head(conn, refusal),
                    };
                }
                Ok(None) => conn.seen = input.len(),
                Err(refusal) => return self.refuse_head(conn, refusal),
            }
            match self.read(conn) {
                Ok(count) => {
                    if conn.input.is_empty() {
                        conn.input = self.buffer();
                    }
                    if conn.at >= conn.input.len() {
                        conn.input.clear();
                        conn.at = 0;
                        conn.since = self.now;
                    }
                    conn.input.extend_from_slice(self.scratch.get(..count).unwrap_or_default());
                }
                Err(step) => {
                    if conn.at > 0 {
                        conn.input.drain(..conn.at);
                        conn.at = 0;
                    }
                    return step;
                }
            }
        }
    }

    fn plan(&mut self, conn: &mut Conn, parsed: Parsed) -> Step {
        let shared = self.shared.clone();
        let Parsed { mut head, framing, keep, eleven, expects } = parsed;
        let keep = keep && self.stopping.is_none();
        conn.manner = Manner { keep, eleven, head: head.method == Method::Head };
        (conn.started, conn.since, conn.fresh) = (self.now, self.now, false);
        shared.settings.proxies.fill(&mut head, conn.peer, conn.trusted);
        let content_type =
            |head: &super::super::http::Head| head.header("content-type").unwrap_or("").to_owned();
        let (collector, most) = match shared.handler.plan(&head) {
            Plan::Now(response) => {
                if framing != Framing::Length(0) {
                    (conn.manner.keep, conn.dirty) = (false, true);
                }
                return self.answer(conn, response);
            }
            Plan::Memory(most) => (Ok(Collector::Memory(Vec::new())), most),
            Plan::File(most) => (Ok(Collector::File(shared.spool.clone(), None)), most),
            Plan::Multipart(bounds) => {
                (Collector::form(shared.spool.clone(), &content_type(&head), bounds), bounds.all)
            }
        };
        let collector = match collector {
            Ok(collector) if head.length <= most => collector,
            Ok(_) => return self.refuse(conn, TOO_LARGE),
            Err(refusal) => return self.refuse(conn, refusal),
        };
        let (chunked, left) = match framing {
            Framing::Length(length) => (None, length),
            Framing::Chunked => (Some(Chunked::default()), 0),
        };
        let pace = Pace::new(self.now);
        let (collector, piece) = (Some(collector), Vec::new());
        let body = Receiving { head, collector, chunked, left, received: 0, most, piece, pace };
        if expects && !body.over() && conn.at >= conn.input.len() {
            const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
            // Everything before it has been written, so there is room for 25 bytes.
            if !stream::send(&conn.socket, CONTINUE, &[], false).is_ok_and(|sent| sent == CONTINUE.len()) {
                return Step::Close;
            }
        }
        conn.stage = Stage::Body(Box::new(body));
        Step::On
    }

    fn body(&mut self, conn: &mut Conn) -> Step {
        let mut moved = 0;
        loop {
            let Stage::Body(body) = &mut conn.stage else { return Step::On };
            let Some(collector) = &mut body.collector else { return Step::Wait };
            let memory = matches!(collector, Collector::Memory(_));
            if body.over() {
                return self.store(conn, true);
            }
            if body.piece.len() >= LARGEST_PIECE {
                return self.store(conn, false);
            }
            if moved >= BYTES {
                return Step::Again;
            }
            // First what came with the head.
            let took = if conn.at < conn.input.len() {
                let fresh = conn.input.get(conn.at..).unwrap_or_default();
                let took = take(body, fresh);
                conn.at += *took.as_ref().unwrap_or(&0);
                took
            } else {
                let count = match self.read(conn) {
                    Ok(count) => count,
                    Err(Step::Wait) => {
                        let Stage::Body(body) = &conn.stage else { return Step::On };
                        let enough = !memory && body.piece.len() >= SMALLEST_PIECE;
                        return if enough { self.store(conn, false) } else { Step::Wait };
                    }
                    Err(step) => return step,
                };
                moved += count as u64;
                let Stage::Body(body) = &mut conn.stage else { return Step::On };
                let fresh = self.scratch.get(..count).unwrap_or_default();
                let took = take(body, fresh);
                if let Ok(used) = took {
                    conn.input.clear();
                    conn.at = 0;
                    // The beginning of the next request.
                    conn.input.extend_from_slice(fresh.get(used..).unwrap_or_default());
                }
                took
            };
            if let Err(refusal) = took {
                return self.refuse(conn, refusal);
            }
        }
    }

    /// Hands on what has come of a body; all of it, if `last`.
    fn store(&mut self, conn: &mut Conn, last: bool) -> Step {
        let Stage::Body(body) = &mut conn.stage else { return Step::On };
        let Some(collector) = body.collector.take() else { return Step::Wait };
        if matches!(collector, Collector::Memory(_)) {
            if !last {
                body.collector = Some(collector);
                return Step::Wait;
            }
            return match collector.finish() {
                Ok(whole) => self.done(conn, Done::Whole(whole)),
                Err(refusal) => self.refuse(conn, refusal),
            };
        }
        let bytes = std::mem::take(&mut body.piece);
        self.away(conn, Work::Piece { collector, bytes, last })
    }

    /// Hands work to the pool, and waits for it.
    fn away(&mut self, conn: &mut Conn, what: Work) -> Step {
        let queue = match what {
            Work::Answer(_) => &self.shared.answers,
            Work::Piece { .. } => &self.shared.pieces,
        };
        let job = Job { post: self.post.clone(), connection: conn.token, what };
        if queue.push(job) {
            return Step::Wait;
        }
        Metrics::add(&self.shared.metrics.busy, 1);
        self.answer(conn, answer::refused(Refusal { status: 503, why: "too busy: try again" }))
    }

    /// What a connection waited for has come.
    fn done(&mut self, conn: &mut Conn, done: Done) -> Step {
        let now = self.now;
        match (done, std::mem::replace(&mut conn.stage, Stage::Asked)) {
            (Done::Answer(response), Stage::Asked) => self.answer(conn, response),
            (Done::More(collector, piece), Stage::Body(mut body)) => {
                (body.collector, body.piece) = (Some(collector), piece);
                body.pace.pardon(now);
                conn.stage = Stage::Body(body);
                Step::On
            }
            (Done::Whole(whole), Stage::Body(body)) => {
                self.away(conn, Work::Answer(Box::new(Request { head: body.head, body: whole })))
            }
            (Done::Refused(refusal), Stage::Body(_)) => self.refuse(conn, refusal),
            // No work ends in another stage.
            _ => Step::Close,
        }
    }

    /// Answers what is no head; nothing is known of it.
    fn refuse_head(&mut self, conn: &mut Conn, refusal: Refusal) -> Step {
        conn.started = self.now;
        conn.manner = UNKNOWN;
        self.refuse(conn, refusal)
    }

    /// Answers what is no request that could be served; the connection ends behind it.
    fn refuse(&mut self, conn: &mut Conn, refusal: Refusal) -> Step {
        Metrics::add(&self.shared.metrics.refused, 1);
        conn.manner.keep = false;
        conn.dirty = true;
        self.answer(conn, answer::refused(refusal))
    }

    fn answer(&mut self, conn: &mut Conn, response: Response) -> Step {
        if self.stopping.is_some() {
            conn.manner.keep = false;
        }
        let buffer = self.buffer();
        let out = Outgoing::new(response, conn.manner, &self.date, buffer, self.now);
        conn.stage = Stage::Writing(out);
        self.write(conn)
    }

    fn write(&mut self, conn: &mut Conn) -> Step {
        let mut moved = 0;
        loop {
            let Stage::Writing(out) = &mut conn.stage else { return Step::On };
            match out.write(&conn.socket) {
                Ok(count) => moved += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Step::Wait,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Step::Close,
            }
            if out.over() {
                break;
            }
            if moved >= BYTES {
                return Step::Again;
            }
        }
        let Stage::Writing(out) = std::mem::replace(&mut conn.stage, Stage::Head) else { return Step::On };
        let metrics = &self.shared.metrics;
        Metrics::add(&metrics.sent, out.written);
        // Small answers leave in the instant they were asked for; a clock is read only for those that did not.
        let end = if matches!(out.content, Some(Content::File { .. })) { Instant::now() } else { self.now };
        metrics.answered(out.status, end.duration_since(conn.started));
        self.keep(out.head);
        conn.since = self.now;
        if conn.manner.keep {
            return Step::On;
        }
        if !conn.dirty && conn.at >= conn.input.len() {
            return Step::Close;
        }
        stream::end_writing(&conn.socket);
        conn.stage = Stage::Draining;
        Step::On
    }

    fn drain(&mut self, conn: &mut Conn) -> Step {
        (conn.input, conn.at) = (Vec::new(), 0);
        let mut moved = 0;
        loop {
            match self.read(conn) {
                Ok(count) => moved += count as u64,
                Err(step) => return step,
            }
            if moved >= BYTES {
                return Step::Again;
            }
        }
    }
}

/// What is not known of a request without a head.
const UNKNOWN: Manner = Manner { keep: false, eleven: true, head: false };
const TOO_LARGE: Refusal = Refusal { status: 413, why: "the body is too large" };

/// Takes what belongs to the body from what came: how much that is.
fn take(body: &mut Receiving, input: &[u8]) -> Result<usize, Refusal> {
    let mut used = 0;
    while used < input.len() && !body.over() {
        let rest = input.get(used..).unwrap_or_default();
        let (took, content) = match &mut body.chunked {
            Some(chunked) => chunked.next(rest)?,
            None => {
                let took = usize::try_from(body.left).unwrap_or(usize::MAX).min(rest.len());
                body.left -= took as u64;
                (took, rest.get(..took).unwrap_or_default())
            }
        };
        used += took;
        body.received += content.len() as u64;
        if body.received > body.most {
            return Err(TOO_LARGE);
        }
        match &mut body.collector {
            Some(Collector::Memory(all)) => all.extend_from_slice(content),
            _ => body.piece.extend_from_slice(content),
        }
    }
    Ok(used)
}
