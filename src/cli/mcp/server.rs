//! The process in which `weft run` holds the server: started, written to, ended.

use super::carrier::CARRY;
use super::place::Port;
use super::{Mcp, patience};
use crate::cli::args::to_os;
use crate::cli::error::{Exit, Failure};
use crate::sys::{signal, socket};
use crate::words::reason;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// With so much unwritten, the client is read from no further.
const FULL: usize = 8 * 1024 * 1024;
/// How long a server may take to end by itself.
const GRACE: Duration = Duration::from_secs(3);

/// A queue with a thread that empties it, so that no direction waits for the other.
#[derive(Clone)]
pub struct Writer(Arc<(Mutex<Queue>, Condvar)>);

#[derive(Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Nothing more comes, or nobody reads.
    closed: bool,
}

impl Writer {
    fn new(mut to: ChildStdin) -> Writer {
        let writer = Writer(Arc::default());
        let own = writer.clone();
        thread::spawn(move || {
            while let Some(line) = own.take() {
                if to.write_all(&line).and_then(|()| to.flush()).is_err() {
                    own.close();
                }
            }
        });
        writer
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn send(&self, line: Vec<u8>) {
        let mut queue = self.queue();
        if !queue.closed {
            queue.bytes += line.len();
            queue.lines.push_back(line);
            self.0.1.notify_all();
        }
    }

    /// Waits until the server has taken most of what it was sent.
    pub fn wait_for_room(&self) {
        let mut queue = self.queue();
        while queue.bytes > FULL && !queue.closed {
            queue = self.0.1.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn take(&self) -> Option<Vec<u8>> {
        let mut queue = self.queue();
        loop {
            if let Some(line) = queue.lines.pop_front() {
                queue.bytes -= line.len();
                self.0.1.notify_all();
                return Some(line);
            }
            if queue.closed {
                return None;
            }
            queue = self.0.1.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What is queued is still written, then the server's input ends.
    pub fn close(&self) {
        self.queue().closed = true;
        self.0.1.notify_all();
    }
}

pub struct Server {
    child: Child,
    writer: Writer,
}

impl Server {
    /// Starts `weft run` with the server, and gives what it prints. `blocked`: the signals that end weft are for [`Ends`] from
    /// then on, in every thread; before, they would be blocked in the server as well.
    pub fn start(command: &Mcp, blocked: bool) -> Result<(Server, ChildStdout), Failure> {
        let failed = |error: &io::Error| {
            let what = format!("the server could not be started: {}", reason(error));
            Failure { exit: Exit::Run(125), ..Failure::usage(what, "", "") }
        };
        // This very program, whatever stands under its name by now.
        let mut run = Command::new("/proc/self/exe");
        let carried = command.url.is_some() || command.http.is_some();
        run.arg(if carried { CARRY } else { "run" });
        if let Some(policy) = &command.policy {
            run.arg("--policy").arg(to_os(policy));
        }
        if let Some(agent) = &command.agent {
            run.arg("--agent").arg(agent.name());
        }
        for workspace in &command.workspace {
            run.arg("--workspace").arg(&workspace.0);
        }
        if let Some(url) = &command.url {
            run.arg("--url").arg(to_os(url));
        }
        if let Some(Port(port)) = command.http {
            run.arg("--http").arg(port.to_string());
        }
        if let Some(path) = &command.path {
            run.arg("--path").arg(to_os(path));
        }
        if carried {
            run.arg("--patience").arg(patience(command).as_millis().to_string());
        }
        run.arg("--").args(command.server.iter().map(|word| to_os(word)));
        run.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = run.spawn().map_err(|error| failed(&error))?;
        let ready = if blocked { signal::block(&ENDS) } else { Ok(()) };
        match (child.stdin.take(), child.stdout.take()) {
            _ if ready.is_err() => Err(failed(&io::ErrorKind::Other.into())),
            (Some(input), Some(output)) => Ok((Server { child, writer: Writer::new(input) }, output)),
            _ => Err(failed(&io::ErrorKind::BrokenPipe.into())),
        }
    }

    pub fn writer(&self) -> Writer {
        self.writer.clone()
    }

    /// Ends it: its input first, then by signals. The code that `weft run` ended with.
    pub fn end(&mut self, ended: bool) -> u8 {
        self.writer.close();
        let pid = i32::try_from(self.child.id()).unwrap_or(0);
        let mut next = if ended { None } else { Some(libc::SIGTERM) };
        let mut since = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    let signal = status.signal().map(|signal| 128 + signal);
                    return u8::try_from(status.code().or(signal).unwrap_or(1)).unwrap_or(u8::MAX);
                }
                Err(_) => return 1,
                Ok(None) => {}
            }
            if since.elapsed() > GRACE && pid > 0 {
                let _ = crate::sys::process::kill(pid, next.unwrap_or(libc::SIGTERM));
                // Whoever does not hear the first is not asked again.
                next = Some(if next.is_none() { libc::SIGTERM } else { libc::SIGKILL });
                since = Instant::now();
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

const ENDS: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// The signals that end weft, waited for.
pub struct Ends(OwnedFd);

impl Ends {
    /// After the signals were blocked.
    pub fn new() -> Result<Ends, Failure> {
        signal::descriptor_of(&ENDS)
            .map(Ends)
            .map_err(|error| Failure::usage(format!("cannot wait for signals: {error}"), "", ""))
    }

    /// The first that comes.
    pub fn wait(&self) -> i32 {
        loop {
            let _ = socket::wait_any([Some(self.0.as_fd())], None);
            if let Ok(Some(signal)) = signal::next(&self.0) {
                return signal.signal;
            }
        }
    }
}
