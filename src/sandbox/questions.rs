//! Questions of programs inside to weft outside, on a Unix socket of the sandbox's own: whether a call of a tool may be. The one who asks
//! gets an answer and nothing else; what is decided and written down is for who hears of the question here.
//!
//! The socket has an abstract name, which belongs to the network namespace of the run: it is taken before the command starts, and nobody
//! outside can reach it. It is weft outside that listens, so that a process inside sees the kernel say of the other end that it belongs
//! to no process in there: that cannot be imitated.

use crate::sys::{process, socket};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// The name inside.
const NAME: &[u8] = b"weft/questions/1";
/// The longest question, in bytes.
const MOST: usize = 1 << 20;
/// The longest answer.
const ANSWER: u64 = 64 * 1024;
/// How long one may take to say what it asks; they come one after the other.
const SAYING: Duration = Duration::from_secs(2);
/// How long the one who asks waits.
const WAITING: Duration = Duration::from_secs(20);
/// Questions that wait to be accepted.
const BACKLOG: i32 = 64;

/// A question, and the place for its answer. Two are the same only if they are one.
#[derive(Debug, Clone)]
pub struct Question {
    pub text: Vec<u8>,
    answer: Arc<OnceLock<Vec<u8>>>,
}

impl PartialEq for Question {
    fn eq(&self, other: &Question) -> bool {
        Arc::ptr_eq(&self.answer, &other.answer)
    }
}

impl Eq for Question {}

impl Question {
    /// Answers it; the first answer counts.
    pub fn answer(&self, text: Vec<u8>) {
        let _ = self.answer.set(text);
    }
}

/// The socket as it is made inside, in the process that becomes the command; it waits for nobody yet.
pub(super) fn make() -> io::Result<OwnedFd> {
    socket::bound_abstract(NAME)
}

/// Those who ask, seen from outside.
#[derive(Debug)]
pub(super) struct Questions {
    listener: UnixStream,
    /// Since the first: most runs have none, and need no thread.
    hearing: Option<Hearing>,
}

/// The thread that hears what is asked.
#[derive(Debug)]
struct Hearing {
    news: UnixStream,
    asked: Receiver<(Vec<u8>, SyncSender<Vec<u8>>)>,
}

impl Questions {
    /// Listens in this process's name.
    pub fn listen(made: OwnedFd) -> io::Result<Questions> {
        socket::listen(&made, BACKLOG)?;
        Ok(Questions { listener: made.into(), hearing: None })
    }

    /// Readable when there is one.
    pub fn news(&self) -> BorrowedFd<'_> {
        self.hearing.as_ref().map_or(self.listener.as_fd(), |hearing| hearing.news.as_fd())
    }

    /// Hands over the one that waits, and sends its answer; where there is none, whoever asked hears nothing. This process has
    /// more than one thread from the first on.
    ///
    /// # Errors
    /// It could not be written down. A thread that cannot be had is none: nobody is heard any more.
    pub fn hear(&mut self, witness: &mut dyn FnMut(Question) -> io::Result<()>) -> io::Result<bool> {
        let Some(hearing) = &mut self.hearing else {
            self.hearing = Hearing::start(&self.listener).ok();
            return Ok(self.hearing.is_some());
        };
        hearing.next(witness).map(|()| true)
    }
}

impl Hearing {
    fn start(listener: &UnixStream) -> io::Result<Hearing> {
        let listener = UnixListener::from(OwnedFd::from(listener.try_clone()?));
        let (news, tell) = UnixStream::pair()?;
        news.set_nonblocking(true)?;
        let (send, asked) = sync_channel(0);
        thread::Builder::new().stack_size(256 * 1024).spawn(move || serve(&listener, &tell, &send))?;
        Ok(Hearing { news, asked })
    }

    fn next(&mut self, witness: &mut dyn FnMut(Question) -> io::Result<()>) -> io::Result<()> {
        let mut seen = [0; 1];
        if !matches!(self.news.read(&mut seen), Ok(1)) {
            return Ok(());
        }
        let Ok((text, reply)) = self.asked.recv() else { return Ok(()) };
        let question = Question { text, answer: Arc::default() };
        let told = witness(question.clone());
        if let (Ok(()), Some(answer)) = (&told, question.answer.get()) {
            // Who has gone needs no answer.
            let _ = reply.send(answer.clone());
        }
        told
    }
}

impl Drop for Questions {
    fn drop(&mut self) {
        // Ends the wait for the next one, and with it the thread.
        let _ = self.listener.shutdown(Shutdown::Both);
    }
}

type Asked = SyncSender<(Vec<u8>, SyncSender<Vec<u8>>)>;

fn serve(listener: &UnixListener, mut tell: &UnixStream, ask: &Asked) {
    while let Ok((mut client, _)) = listener.accept() {
        // Whoever says too much, or too slowly, is not asked what it wants; whoever says nothing has no question.
        let Some(text) = read(&mut client).ok().filter(|text| !text.is_empty()) else { continue };
        let (reply, answer) = sync_channel(1);
        // The byte is for the wait, the question for who wakes.
        if tell.write_all(&[1]).is_err() || ask.send((text, reply)).is_err() {
            return;
        }
        if let Ok(answer) = answer.recv() {
            let _ = client.set_write_timeout(Some(SAYING));
            let _ = client.write_all(&answer);
        }
    }
}

/// Everything up to the end that the client makes.
fn read(client: &mut UnixStream) -> io::Result<Vec<u8>> {
    let until = Instant::now() + SAYING;
    let mut text = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || text.len() > MOST {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        client.set_read_timeout(Some(left))?;
        match client.read(&mut buffer)? {
            0 => return Ok(text),
            count => text.extend_from_slice(&buffer[..count]),
        }
    }
}

/// The way to weft outside, for a process in the sandbox of a run.
#[derive(Debug)]
pub struct Outside(UnixStream);

impl Outside {
    /// None where this process is not in such a sandbox, or weft outside is not the one that listens.
    pub fn find() -> Option<Outside> {
        let stream = UnixStream::from(socket::connected_abstract(NAME).ok()?);
        let (pid, user) = socket::peer(&stream).ok()?;
        // No process that this one could see: not one of the sandbox's, nor, where there is no sandbox, of this machine's.
        (pid == 0 && (user == process::ids().0 || user == 0)).then_some(Outside(stream))
    }

    /// Asks.
    ///
    /// # Errors
    /// There is no answer.
    pub fn ask(mut self, question: &[&[u8]]) -> io::Result<Vec<u8>> {
        self.0.set_nonblocking(false)?;
        self.0.set_read_timeout(Some(WAITING))?;
        self.0.set_write_timeout(Some(WAITING))?;
        question.iter().try_for_each(|part| self.0.write_all(part))?;
        self.0.shutdown(Shutdown::Write)?;
        let mut answer = Vec::new();
        (&mut self.0).take(ANSWER).read_to_end(&mut answer)?;
        Ok(answer)
    }
}
