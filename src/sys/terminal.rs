//! A line typed at the terminal that nobody sees (termios(3)).

use super::check;
use super::signal;
use super::socket::wait_any;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// The terminal without echo; as it was when this goes out of scope.
struct Quiet<'a> {
    terminal: BorrowedFd<'a>,
    before: libc::termios,
}

impl Quiet<'_> {
    fn on(terminal: BorrowedFd) -> io::Result<Quiet> {
        let mut state = MaybeUninit::<libc::termios>::uninit();
        // SAFETY: the pointer is to room for the structure, which the call fills when it succeeds.
        check(unsafe { libc::tcgetattr(terminal.as_raw_fd(), state.as_mut_ptr()) }.into())?;
        // SAFETY: filled by the call above.
        let before = unsafe { state.assume_init() };
        let mut quiet = before;
        quiet.c_lflag &= !libc::ECHO;
        // The end of the line is shown, so that what follows stands on its own.
        quiet.c_lflag |= libc::ECHONL;
        // TCSAFLUSH: what was typed before the question is no answer to it.
        // SAFETY: a valid structure.
        check(unsafe { libc::tcsetattr(terminal.as_raw_fd(), libc::TCSAFLUSH, &raw const quiet) }.into())?;
        Ok(Quiet { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // SAFETY: the structure that tcgetattr gave.
        unsafe { libc::tcsetattr(self.terminal.as_raw_fd(), libc::TCSADRAIN, &raw const self.before) };
    }
}

/// Reads one line of up to `limit` bytes from the terminal that `terminal` is, without showing it. `question` is called when nothing is shown
/// any more, and again after a stop. A key that ends or stops this process does so, with the terminal as it was.
pub fn hidden_line(
    terminal: impl AsFd,
    limit: usize,
    question: &mut dyn FnMut() -> io::Result<()>,
) -> io::Result<String> {
    let terminal = terminal.as_fd();
    loop {
        let mask = signal::block_all()?;
        let signals = signal::descriptor()?;
        let quiet = Quiet::on(terminal);
        let line = quiet.and_then(|quiet| {
            question()?;
            let ready = wait_any([Some(terminal), Some(signals.as_fd())], None);
            let line = ready
                .and_then(|[typed, _]| if typed.any() { read(terminal, limit).map(Some) } else { Ok(None) });
            drop(quiet);
            line
        });
        let arrived = signal::next(&signals).ok().flatten();
        if let Some(arrived) = arrived {
            // Again, for this process: it was taken off the list by being read.
            let _ = super::process::kill(super::process::pid(), arrived.signal);
        }
        signal::restore(&mask)?;
        if let Some(line) = line? {
            return Ok(line);
        }
    }
}

/// The terminal gives a whole line at once.
fn read(terminal: BorrowedFd, limit: usize) -> io::Result<String> {
    let mut bytes = vec![0; limit];
    // SAFETY: the pointer and the length are the vector's.
    let got =
        check(unsafe { libc::read(terminal.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len()) } as _)?;
    bytes.truncate(got);
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}
