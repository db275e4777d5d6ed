//! The terminal: is there one, does it want colour, how wide is it, and a progress line that vanishes.

use crate::scan::report::visible::visible;
use std::env;
use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

impl Color {
    /// Should standard output be coloured? `NO_COLOR` and `CLICOLOR_FORCE` are asked only for `auto`, and the
    /// first wins: who asks for no colour has a reason.
    pub fn for_stdout(self) -> bool {
        let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto if env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) => false,
            Color::Auto if set("CLICOLOR_FORCE") => true,
            Color::Auto => io::stdout().is_terminal() && !dumb(),
        }
    }
}

fn dumb() -> bool {
    env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Columns to write for: `COLUMNS` if it is exported, else 100.
pub fn width() -> usize {
    let columns = env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    columns.filter(|columns| (40..=500).contains(columns)).unwrap_or(100)
}

/// A line of weft's own on standard error; with that closed there is nowhere to say it, and nobody is harmed.
pub fn say(text: &str) {
    let _ = io::stderr().write_all(format!("weft: {}\n", visible(text)).as_bytes());
}

/// Can somebody be asked?
pub fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// One line from whoever sits at the terminal; none where nobody does.
pub fn ask(question: &str) -> Option<String> {
    if !is_interactive() {
        return None;
    }
    let mut err = io::stderr();
    err.write_all(format!("{} ", visible(question)).as_bytes()).and_then(|()| err.flush()).ok()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).ok()?;
    Some(line.trim().to_owned())
}

/// Whether whoever sits at the terminal says yes.
pub fn yes(question: &str) -> bool {
    ask(&format!("{question} [y/N]")).is_some_and(|answer| matches!(answer.as_str(), "y" | "Y" | "yes"))
}

/// How long something may take before it is worth a progress line, and how often the line changes.
const PATIENCE: Duration = Duration::from_millis(400);
const EVERY_MICROS: u64 = 100_000;

/// A line on standard error that counts what is done; only on a terminal, and gone at the end.
pub struct Progress {
    started: Instant,
    on: bool,
    /// Microseconds since the start when the line was last drawn; 0: never.
    drawn: AtomicU64,
}

impl Progress {
    pub fn new(wanted: bool) -> Progress {
        let on = wanted && io::stderr().is_terminal() && !dumb();
        Progress { started: Instant::now(), on, drawn: AtomicU64::new(0) }
    }

    /// Called from any thread, as often as it likes.
    pub fn update(&self, files: u64, bytes: u64) {
        self.show(&|| format!("scanning: {files} files, {} MB", bytes / 1_000_000));
    }

    /// Shows a line, if it is time for one.
    pub fn show(&self, line: &dyn Fn() -> String) {
        if !self.on || self.started.elapsed() < PATIENCE {
            return;
        }
        let now = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let last = self.drawn.load(Ordering::Relaxed);
        let due = now.saturating_sub(last) >= EVERY_MICROS;
        // Of several threads that find the line due, one draws it.
        if due && self.drawn.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let line = format!("\r\u{1b}[K{}", line());
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }

    /// Takes the line away.
    pub fn finish(&self) {
        if self.drawn.load(Ordering::Relaxed) > 0 {
            let _ = io::stderr().write_all(b"\r\x1b[K");
        }
    }
}
