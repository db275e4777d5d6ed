//! What the commands that ask a registry share: the registry, questions, progress, pages. What is on disk is `local`'s.

use super::local::told;
use crate::cli::error::Failure;
use crate::cli::policy::{Format, out};
use crate::cli::term::Progress;
pub use crate::cli::term::{ask, is_interactive, yes};
use crate::clock;
use crate::hub::{Hub, Place, Ref, Verdict};
use crate::json::Writer;
use crate::policy::vars::Places;
use crate::scan::report::visible::visible;
use crate::sys::terminal::hidden_line;
use std::io::{self, Write};
use std::path::PathBuf;

/// Where answers of registries are kept.
pub fn cache() -> Result<PathBuf, Failure> {
    let places = Places::discover(None).map_err(|what| Failure::usage(what, "", ""))?;
    Ok(places.cache.join("weft/hub"))
}

/// The registry that the options and the environment mean.
pub fn hub(registry: Option<&str>, offline: bool) -> Result<Hub, Failure> {
    let cache = cache()?;
    Hub::open(&Place { registry, offline, cache: Some(&cache) }).map_err(told)
}

pub fn name(text: &str) -> Result<Ref, Failure> {
    Ref::parse(text).map_err(told)
}

/// A line of progress for a download.
pub struct Download {
    progress: Progress,
    label: String,
}

impl Download {
    pub fn new(label: impl Into<String>) -> Download {
        Download { progress: Progress::new(true), label: label.into() }
    }

    pub fn update(&self, got: u64, of: Option<u64>) {
        self.progress.show(&|| {
            let share =
                of.filter(|of| *of > 0).map_or(String::new(), |of| format!(" ({} %)", got * 100 / of));
            format!("{}: {} KB{share}", visible(&self.label), got / 1000)
        });
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.progress.finish();
    }
}

/// As [`ask`], for what nobody is to see.
pub fn ask_secret(question: &str) -> Option<String> {
    if !is_interactive() {
        return None;
    }
    let question = format!("{} ", visible(question));
    let line = hidden_line(io::stdin(), 4096, &mut || io::stderr().write_all(question.as_bytes())).ok()?;
    Some(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Prints a page as text, or one JSON document.
pub fn answer(
    format: Format,
    text: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
    json: impl FnOnce(&mut Writer) -> io::Result<()>,
) -> Result<(), Failure> {
    out(|page| match format {
        Format::Text => text(page),
        Format::Json => {
            Writer::new(page).object_lines(json)?;
            page.write_all(b"\n")
        }
    })
}

/// `suspicious` and the like, where it says something.
pub fn shown(verdict: Verdict) -> Option<&'static str> {
    (verdict != Verdict::Unknown).then(|| verdict.as_str())
}

/// A time in milliseconds as a day: `2026-11-24`.
pub fn day(milliseconds: u64) -> String {
    let (year, month, day) = clock::civil(milliseconds / 86_400_000);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_days() {
        for (ms, day) in
            [(0, "1970-01-01"), (1_709_164_800_000, "2024-02-29"), (1_795_500_599_376, "2026-11-24")]
        {
            assert_eq!(super::day(ms), day);
        }
    }
}
