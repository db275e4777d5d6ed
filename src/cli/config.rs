//! `weft.toml` in the working directory: what a project always wants. Never read in gate mode, where the folder may
//! be what is judged.

use super::args::list;
use super::error::Failure;
use super::values::FailOn;
use crate::fields::{self, Fields, Text, What};
use crate::policy::KEYS;
use crate::rules::schema::nearest;
use crate::rules::{Persona, Severity};
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

pub const FILE: &str = "weft.toml";
/// Nobody writes a larger one by hand.
const LARGEST: u64 = 1 << 20;

/// What `[scan]` may say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ScanConfig {
    pub rules: Vec<PathBuf>,
    pub baseline: Option<PathBuf>,
    pub exclude: Vec<String>,
    pub persona: Option<Persona>,
    pub min_severity: Option<Severity>,
    pub fail_on: Option<FailOn>,
}

struct Scan {
    rules: Vec<PathBuf>,
    baseline: Option<PathBuf>,
    exclude: Vec<String>,
    persona: Option<Text>,
    min_severity: Option<Text>,
    fail_on: Option<Text>,
}

impl Scan {
    fn take(top: &mut Fields<'_, '_>) -> Scan {
        const KEYS: &[&str] = &["rules", "baseline", "exclude", "persona", "min-severity", "fail-on"];
        let mut table = top.table("scan", KEYS);
        Scan {
            rules: table.strings("rules").into_iter().map(PathBuf::from).collect(),
            baseline: table.text("baseline").map(|path| path.into_inner().into()),
            exclude: table.strings("exclude"),
            persona: table.text("persona"),
            min_severity: table.text("min-severity"),
            fail_on: table.text("fail-on"),
        }
    }
}

/// Reads the file if it is there.
pub fn read(path: &Path) -> Result<Option<ScanConfig>, Failure> {
    let size = match fs::metadata(path) {
        Ok(meta) if meta.is_file() => meta.len(),
        // A run holds the name with an empty folder, so that no agent can put a policy there.
        Ok(_) if crate::policy::find::only_holds_a_name(path) => return Ok(None),
        Ok(_) => return Err(Failure::usage("not a file", path.to_string_lossy(), "remove or rename it")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::file("cannot read", path, &error)),
    };
    if size > LARGEST {
        return Err(Failure::usage("file too large", path.to_string_lossy(), "1 MiB is the limit"));
    }
    let text = fs::read_to_string(path).map_err(|error| Failure::file("cannot read", path, &error))?;
    parse(&path.to_string_lossy(), &text).map(Some)
}

fn parse(name: &str, text: &str) -> Result<ScanConfig, Failure> {
    // All but `scan` is the policy of `weft run`, which `policy` reads and checks.
    let scan = fields::read(text, KEYS, Scan::take).map_err(|mistake| {
        let said = mistake.what.to_string();
        let fix = match &mistake.what {
            What::Key { key, known } => match nearest(key, known) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("use {}", list(known)),
            },
            _ => "see docs/weft.1 for what it may hold".to_owned(),
        };
        // The parser says more in lines of its own; the first one is the sentence.
        at(name, text, mistake.span, said.lines().next().unwrap_or("not TOML").to_owned(), &fix)
    })?;
    let severity = |word: &str| Severity::parse(word);
    let severities = Severity::ALL.map(Severity::as_str);
    Ok(ScanConfig {
        persona: pick(name, text, scan.persona, Persona::parse, &Persona::ALL.map(Persona::as_str))?,
        min_severity: pick(name, text, scan.min_severity, severity, &severities)?,
        fail_on: pick(
            name,
            text,
            scan.fail_on,
            |word| if word == "never" { Some(FailOn(None)) } else { severity(word).map(|s| FailOn(Some(s))) },
            &["info", "low", "medium", "high", "critical", "never"],
        )?,
        rules: scan.rules,
        baseline: scan.baseline,
        exclude: scan.exclude,
    })
}

fn pick<T>(
    name: &str,
    text: &str,
    word: Option<Text>,
    read: impl Fn(&str) -> Option<T>,
    all: &[&str],
) -> Result<Option<T>, Failure> {
    let Some(word) = word else { return Ok(None) };
    let span = word.span();
    let word = word.into_inner();
    let fix = || match nearest(&word, all) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("use {}", list(all)),
    };
    let found = read(&word);
    found.map(Some).ok_or_else(|| at(name, text, span, format!("bad value {word:?}"), &fix()))
}

/// A failure with file, line and column.
fn at(name: &str, text: &str, span: Range<usize>, what: String, fix: &str) -> Failure {
    let place = crate::json::ParseError::at(text, span.start, "");
    Failure::usage(what, format!("{name}:{}:{}", place.line, place.column), fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_may_hold() {
        let text = "[scan]\nrules = [\"a.toml\"]\nbaseline = \"b.json\"\nexclude = [\"tests/**\"]\npersona = \"auditor\"\nmin-severity = \"low\"\nfail-on = \"never\"\n";
        let config = parse("weft.toml", text).unwrap();
        assert_eq!(config.rules, [PathBuf::from("a.toml")]);
        assert_eq!(config.persona, Some(Persona::Auditor));
        assert_eq!(config.fail_on, Some(FailOn(None)));
        assert_eq!(parse("weft.toml", "").unwrap(), ScanConfig::default());
        let policy =
            "version = 1\nextends = [\"base\"]\n[filesystem]\nread = [\"/\"]\n[[test]]\nexpect = \"deny\"\n";
        assert_eq!(parse("weft.toml", policy).unwrap(), ScanConfig::default());
    }

    #[test]
    fn refuses_with_line_and_column() {
        let error = |text| parse("weft.toml", text).unwrap_err().to_string();
        assert_eq!(
            error("[scan]\nrulez = []\n"),
            "weft: unknown key `rulez`: weft.toml:2:1: did you mean rules?"
        );
        assert!(error("[scan]\npersona = \"regulr\"\n").contains("weft.toml:2:11: did you mean regular?"));
        assert!(error("[scan\n").contains(": weft.toml:1:6: "), "{}", error("[scan\n"));
        assert!(error("[scan]\nexclude = 1\n").contains("weft.toml:2:11"));
    }
}
