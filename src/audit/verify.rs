//! Reads a log back: its entries one by one, and whether the chain holds.

use super::entry::Chained;
use super::file::{EMPTY_CHAIN, LINE, line_hash};
use super::{AuditError, SandboxAuditEntry};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: u64,
    pub what: String,
}

/// The outcome of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub lines: u64,
    /// Hash of the last line. Lines cut off at the end break no chain: only this value, kept elsewhere, shows it.
    pub head: String,
    /// Whether a line with the hash that was asked for is there.
    pub seen: bool,
    /// The first few.
    pub problems: Vec<Problem>,
    pub problem_count: u64,
}

impl Verdict {
    pub fn holds(&self) -> bool {
        self.problem_count == 0
    }
}

const SHOWN: usize = 20;

/// Checks every line, and looks for the one with the hash `earlier`. The file is read once, a line at a time.
pub fn verify(path: &Path, earlier: Option<&str>) -> Result<Verdict, AuditError> {
    read(path, earlier, |_| ()).map(|(verdict, _)| verdict)
}

/// The same, and hands over every entry that can be read, oldest first; with how many lines could not.
pub fn read(
    path: &Path,
    earlier: Option<&str>,
    mut each: impl FnMut(SandboxAuditEntry),
) -> Result<(Verdict, u64), AuditError> {
    let mut unreadable = 0;
    let seen = earlier == Some(EMPTY_CHAIN);
    let mut verdict =
        Verdict { lines: 0, head: EMPTY_CHAIN.to_owned(), seen, problems: Vec::new(), problem_count: 0 };
    let mut seq = 0;
    lines(path, &mut |number, line| {
        verdict.lines = number;
        match line.clone().and_then(chained) {
            Ok(found) => {
                let what = if found.prev != verdict.head {
                    Some(
                        "does not follow from the line before: something was changed, removed or put in"
                            .to_owned(),
                    )
                } else if found.seq != seq + 1 {
                    Some(format!("is number {} where {} was due", found.seq, seq + 1))
                } else {
                    None
                };
                seq = found.seq;
                each(found.entry);
                what
            }
            Err(error) => {
                unreadable += 1;
                Some(format!("is not an entry: {error}"))
            }
        }
        .into_iter()
        .for_each(|what| {
            verdict.problem_count += 1;
            if verdict.problems.len() < SHOWN {
                verdict.problems.push(Problem { line: number, what });
            }
        });
        verdict.head = line_hash(line.unwrap_or_default());
        verdict.seen |= earlier == Some(verdict.head.as_str());
    })?;
    Ok((verdict, unreadable))
}

/// Hands over every entry that can be read, oldest first, and says how many lines could not.
pub fn entries(path: &Path, mut each: impl FnMut(SandboxAuditEntry)) -> Result<u64, AuditError> {
    let mut unreadable = 0;
    lines(path, &mut |_, line| match line.and_then(chained) {
        Ok(found) => each(found.entry),
        Err(_) => unreadable += 1,
    })?;
    Ok(unreadable)
}

/// Large, and wanted in several places.
#[inline(never)]
fn chained(line: &[u8]) -> Result<Chained, String> {
    let line = std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?;
    SandboxAuditEntry::parse(line)
}

/// What is done with a line and its number. Not generic: it would be in the binary once for each caller.
type Each<'a> = &'a mut dyn FnMut(u64, Result<&[u8], String>);

/// A line over the bound is handed over as an error; it is skipped without being held.
fn lines(path: &Path, each: Each<'_>) -> Result<(), AuditError> {
    let fail = |source| AuditError { path: path.to_owned(), doing: "read", source };
    let mut reader = BufReader::new(File::open(path).map_err(fail)?);
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let read = (&mut reader).take(LINE).read_until(b'\n', &mut line).map_err(fail)?;
        if read == 0 {
            return Ok(());
        }
        number += 1;
        if line.last() == Some(&b'\n') {
            line.pop();
            each(number, Ok(&line));
        } else if (read as u64) < LINE {
            each(number, Err("the line was cut off".to_owned()));
        } else {
            skip_line(&mut reader).map_err(fail)?;
            each(number, Err(format!("the line is longer than {LINE} bytes")));
        }
    }
}

fn skip_line(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => {
                reader.consume(at + 1);
                return Ok(());
            }
            None => {
                let all = buffer.len();
                reader.consume(all);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Action, AuditFile};
    use std::fs;
    use std::path::PathBuf;

    /// A log of three entries, gone after the test.
    struct Log(PathBuf);

    impl Log {
        fn new(name: &str) -> Log {
            let dir = std::env::temp_dir().join(format!("weft-audit-{name}-{}", std::process::id()));
            let path = dir.join("a/log.jsonl");
            let mut file = AuditFile::open(&path).unwrap();
            ["one", "two", "three"].iter().for_each(|target| file.append(&entry(target)).unwrap());
            Log(path)
        }

        fn edit(&self, edit: impl FnOnce(String) -> String) -> Verdict {
            let text = fs::read_to_string(&self.0).unwrap();
            fs::write(&self.0, edit(text)).unwrap();
            verify(&self.0, None).unwrap()
        }
    }

    impl Drop for Log {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(self.0.ancestors().nth(2).unwrap());
        }
    }

    fn entry(target: &str) -> SandboxAuditEntry {
        SandboxAuditEntry::now("run", "agent", "hash", Action::Read, target, true, "because", None)
    }

    fn wrong_lines(verdict: &Verdict) -> Vec<u64> {
        verdict.problems.iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn an_untouched_log_holds_and_reads_back() {
        let log = Log::new("holds");
        let verdict = verify(&log.0, None).unwrap();
        assert!(verdict.holds() && verdict.lines == 3, "{verdict:?}");
        let mut targets = Vec::new();
        assert_eq!(entries(&log.0, |entry| targets.push(entry.target)).unwrap(), 0);
        assert_eq!(targets, ["one", "two", "three"]);
    }

    #[test]
    fn every_change_in_the_middle_shows() {
        let cut = |text: String, line: usize| {
            let lines: Vec<&str> =
                text.lines().enumerate().filter(|(n, _)| *n != line).map(|(_, l)| l).collect();
            lines.join("\n") + "\n"
        };
        let changed = Log::new("changed").edit(|text| text.replace("\"two\"", "\"2\""));
        assert_eq!(wrong_lines(&changed), [3]);
        let removed = Log::new("removed").edit(|text| cut(text, 1));
        assert_eq!(wrong_lines(&removed), [2]);
        let first = Log::new("first").edit(|text| cut(text, 0));
        assert_eq!(wrong_lines(&first), [1]);
        let added = Log::new("added").edit(|text| text.replacen('\n', "\n{}\n", 1));
        assert_eq!(wrong_lines(&added), [2, 3]);
        let long =
            Log::new("long").edit(|text| text.replacen('\n', &format!("\n{}\n", "x".repeat(600_000)), 1));
        assert_eq!(wrong_lines(&long), [2, 3]);
    }

    #[test]
    fn a_cut_at_the_end_changes_the_head() {
        let log = Log::new("cut");
        let head = verify(&log.0, None).unwrap().head;
        let cut = log.edit(|text| text.lines().take(2).map(|line| format!("{line}\n")).collect());
        assert!(cut.holds() && cut.head != head);
        assert!(!verify(&log.0, Some(&head)).unwrap().seen && verify(&log.0, Some(&cut.head)).unwrap().seen);
    }

    #[test]
    fn two_writers_make_one_chain() {
        let log = Log::new("two");
        let mut files = [AuditFile::open(&log.0).unwrap(), AuditFile::open(&log.0).unwrap()];
        for n in 0..20 {
            files[n % 2].append(&entry(&n.to_string())).unwrap();
        }
        let verdict = verify(&log.0, None).unwrap();
        assert!(verdict.holds() && verdict.lines == 23, "{verdict:?}");
    }

    #[test]
    fn a_torn_last_line_is_closed_and_told() {
        let log = Log::new("torn");
        log.edit(|text| text[..text.len() - 10].to_owned());
        AuditFile::open(&log.0).unwrap().append(&entry("after")).unwrap();
        let verdict = verify(&log.0, None).unwrap();
        assert_eq!((verdict.lines, wrong_lines(&verdict)), (4, vec![3, 4]), "{verdict:?}");
    }

    #[test]
    fn a_log_that_was_cut_while_it_is_written_shows_it() {
        let log = Log::new("cut-live");
        let mut file = AuditFile::open(&log.0).unwrap();
        file.append(&entry("four")).unwrap();
        log.edit(|text| text.lines().take(2).map(|line| format!("{line}\n")).collect());
        file.append(&entry("five")).unwrap();
        assert_eq!(wrong_lines(&verify(&log.0, None).unwrap()), [3]);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_regular_file_is_refused_and_the_log_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let log = Log::new("kind");
        assert_eq!(fs::metadata(&log.0).unwrap().permissions().mode() & 0o777, 0o600);
        let link = log.0.with_file_name("link");
        std::os::unix::fs::symlink(&log.0, &link).unwrap();
        for path in [link.as_path(), log.0.parent().unwrap(), Path::new("/dev/null")] {
            assert!(AuditFile::open(path).unwrap_err().to_string().contains("not a regular file"));
        }
    }
}
