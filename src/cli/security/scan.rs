//! `weft security scan`: options → request → report → filters → output and exit code.

use super::filter;
use crate::cli::args::PathArg;
use crate::cli::config::{self, ScanConfig};
use crate::cli::error::{Exit, Failure};
use crate::cli::term::{self, Color, Progress};
use crate::cli::values::{Categories, FailOn, Jobs, Size, Word};
use crate::files::write_atomic;
use crate::rules::schema::LARGEST;
use crate::rules::{Persona, RuleSet, Severity};
use crate::scan::finding::Report;
use crate::scan::report::{self, Format, RenderOptions, fails};
use crate::scan::walk::WalkOptions;
use crate::scan::{self, ScanRequest, baseline::Baseline, diff};
use crate::words::reason;
use argh::{ArgsInfo, FromArgs};
use std::fs;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Standard input is read to this many bytes; more is refused rather than half looked at.
const MAX_STDIN: u64 = 64 << 20;
/// How much of a file `--gate` reads, unless `--max-size` says otherwise.
const MAX_GATE: u64 = 64 << 20;

/// Scan files and folders: every skill below them, its scripts, settings and archives
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "scan",
    help_triggers("--help"),
    example = "{command_name} .                                     the skills below this folder",
    example = "{command_name} --gate ./new-skill                    look at everything, trust nothing in it",
    example = "{command_name} --staged .                            only what the next commit changes",
    example = "{command_name} --format sarif --output weft.sarif .  for code scanning",
    example = "curl -s https://example.com/SKILL.md | {command_name} --stdin-name SKILL.md -",
    example = "{command_name} --write-baseline known.json .         from now on, only what is new:",
    example = "{command_name} --baseline known.json .",
    note = "A comment `weft:ignore ID -- reason` on the line of a finding or above it takes the finding away. Comments, baselines and weft.toml do not count with --gate.",
    error_code(0, "nothing at or above --fail-on"),
    error_code(1, "findings at or above --fail-on"),
    error_code(2, "the command line or a file it names is wrong"),
    error_code(3, "internal error")
)]
pub struct Scan {
    /// what the report looks like: text, json, sarif, github or junit (default: text)
    #[argh(option, short = 'f', arg_name = "FORMAT", default = "Format::Text")]
    format: Format,
    /// write the report to a file, complete or not at all; - is standard output
    #[argh(option, short = 'o', arg_name = "FILE")]
    output: Option<PathArg>,
    /// show only findings of this severity or above: info, low, medium, high, critical
    #[argh(option, arg_name = "SEVERITY")]
    min_severity: Option<Severity>,
    /// exit with 1 if a shown finding has this severity or above (default: high), or never
    #[argh(option, arg_name = "SEVERITY")]
    fail_on: Option<FailOn>,
    /// show only these categories: names or codes (`weft security checks` lists them), separated by commas; may be repeated
    #[argh(option, arg_name = "NAMES")]
    category: Vec<Categories>,
    /// regular (default), pedantic for every doubt, auditor for raw signals too
    #[argh(option, arg_name = "PERSONA")]
    persona: Option<Persona>,
    /// judge an untrusted skill: hidden files, large files and archives too; nothing that comes with it counts; what cannot be understood is a finding
    #[argh(switch)]
    gate: bool,
    /// also use the rules in this file; may be repeated
    #[argh(option, arg_name = "FILE")]
    rules: Vec<PathArg>,
    /// leave out the findings this file knows
    #[argh(option, arg_name = "FILE")]
    baseline: Option<PathArg>,
    /// write the findings to a baseline file
    #[argh(option, arg_name = "FILE")]
    write_baseline: Option<PathArg>,
    /// show only findings on lines changed since a git revision; `REV...` means since the branch left it
    #[argh(option, arg_name = "REV")]
    diff: Option<Word>,
    /// show only findings on lines that are staged in git
    #[argh(switch)]
    staged: bool,
    /// do not mask secrets in the report
    #[argh(switch)]
    show_secrets: bool,
    /// skip files larger than this: bytes, or with K, M, G (default: 1M; 64M with --gate)
    #[argh(option, arg_name = "SIZE")]
    max_size: Option<Size>,
    /// name for the text from standard input (default: stdin)
    #[argh(option, arg_name = "NAME")]
    stdin_name: Option<Word>,
    /// number of threads (default: one a processor)
    #[argh(option, short = 'j', arg_name = "N")]
    jobs: Option<Jobs>,
    /// colour: auto (default), always or never
    #[argh(option, arg_name = "WHEN")]
    color: Option<Color>,
    /// show every finding by itself with all that is known of it, and list what was not scanned
    #[argh(switch, short = 'v')]
    verbose: bool,
    /// findings only: no totals, notes or progress
    #[argh(switch, short = 'q')]
    quiet: bool,
    /// files and folders; - is standard input
    #[argh(positional, arg_name = "PATH")]
    paths: Vec<PathArg>,
}

pub fn run(command: Scan) -> Result<Exit, Failure> {
    command.check()?;
    let mut notes = Vec::new();
    let config = if command.gate { ScanConfig::default() } else { configured(&mut notes)? };
    let rules = rules(&command, &config)?;
    let baseline_path = command.baseline.as_ref().map(|path| &path.0).or(config.baseline.as_ref());
    // Read before the scan: a mistake in it should not cost the wait.
    let baseline = baseline_path
        .filter(|_| command.write_baseline.is_none())
        .map(|path| read_baseline(path))
        .transpose()?;
    let roots: Vec<PathBuf> =
        command.paths.iter().map(|path| path.0.clone()).filter(|path| path != Path::new("-")).collect();
    let since = match &command.diff {
        Some(rev) => Some(diff::Since::Revision(rev.0.clone())),
        None => command.staged.then_some(diff::Since::Staged),
    };
    let changed = since.map(|since| diff::changed(&roots, &since)).transpose();
    let changed = changed.map_err(|error| Failure::usage(error.what, error.at, error.fix))?;

    let mut report = scanned(&command, &config, &rules, roots)?;
    let persona = command.persona.or(config.persona).unwrap_or(Persona::Regular);
    let by_persona = match persona {
        Persona::Regular => "by --persona regular, the default",
        _ => "by --persona",
    };
    let mut hidden = vec![
        (filter::persona(&mut report, persona), by_persona),
        (filter::categories(&mut report, &command.category), "by --category"),
    ];
    if let Some(path) = &command.write_baseline {
        let baseline = Baseline::of(&report);
        write_atomic(&path.0, |out| baseline.write(out))
            .map_err(|error| Failure::file("cannot write", &path.0, &error))?;
        notes.push(format!("baseline of {} findings written to {}", report.findings.len(), path.0.display()));
    }
    if let Some(baseline) = &baseline {
        baseline.apply(&mut report);
    }
    if let Some(changed) = &changed {
        let option = if command.staged { "by --staged" } else { "by --diff" };
        hidden.push((filter::changed(&mut report, changed), option));
    }
    let least = command.min_severity.or(config.min_severity);
    hidden.push((filter::severity(&mut report, least), "by --min-severity"));

    // A baseline is written to accept what is there: the scan that writes it passes.
    let fail_on = command.fail_on.or(config.fail_on).unwrap_or(FailOn(Some(Severity::High))).0;
    let fail_on = fail_on.filter(|_| command.write_baseline.is_none());
    let options = RenderOptions {
        rules: &rules,
        color: command.output_file().is_none() && command.color.unwrap_or_default().for_stdout(),
        verbose: command.verbose,
        quiet: command.quiet,
        fold: persona == Persona::Regular,
        show_secrets: command.show_secrets,
        fail_on,
        hidden: &hidden,
        notes: &notes,
        root: std::env::current_dir().ok(),
        width: term::width(),
    };
    emit(&command, &report, &options)?;
    Ok(if fails(&report, fail_on) { Exit::Findings } else { Exit::Ok })
}

impl Scan {
    /// Where the report goes, unless that is standard output.
    fn output_file(&self) -> Option<&Path> {
        self.output.as_ref().map(|path| path.0.as_path()).filter(|path| *path != Path::new("-"))
    }

    /// What argh cannot say: options that contradict each other.
    fn check(&self) -> Result<(), Failure> {
        let piped = self.paths.iter().filter(|path| path.0 == Path::new("-")).count();
        let contradiction = |what: &str, fix: &str| Err(Failure::usage("contradicting options", what, fix));
        if self.paths.is_empty() {
            return Err(Failure::usage(
                "nothing to scan",
                "PATH",
                "name a file or folder, . for this one, - for standard input",
            ));
        }
        if piped > 1 {
            return Err(Failure::usage("standard input named twice", "-", "name it once"));
        }
        if self.stdin_name.is_some() && piped == 0 {
            return contradiction("--stdin-name without -", "add - to read standard input");
        }
        if self.write_baseline.as_ref().is_some_and(|path| path.0 == Path::new("-")) {
            return Err(Failure::usage("a baseline is a file", "--write-baseline -", "name one"));
        }
        if self.diff.is_some() && self.staged {
            return contradiction("--diff and --staged", "choose one");
        }
        if self.baseline.is_some() && self.write_baseline.is_some() {
            return contradiction("--baseline and --write-baseline", "write first, then use it");
        }
        if piped > 0 && (self.diff.is_some() || self.staged) {
            return contradiction("- with --diff or --staged", "standard input has no history");
        }
        if self.verbose && self.quiet {
            return contradiction("--verbose and --quiet", "choose one");
        }
        let trusting = [
            ("--baseline", self.baseline.is_some()),
            ("--write-baseline", self.write_baseline.is_some()),
            ("--diff", self.diff.is_some()),
            ("--staged", self.staged),
        ];
        match trusting.into_iter().find(|(_, given)| *given && self.gate) {
            Some((name, _)) => {
                contradiction(&format!("{name} with --gate"), "a gate looks at everything; leave one out")
            }
            None => Ok(()),
        }
    }
}

fn configured(notes: &mut Vec<String>) -> Result<ScanConfig, Failure> {
    let config = config::read(Path::new(config::FILE))?;
    if config.is_some() {
        notes.push(format!("settings from {}", config::FILE));
    }
    Ok(config.unwrap_or_default())
}

fn rules(command: &Scan, config: &ScanConfig) -> Result<RuleSet, Failure> {
    let mut rules = RuleSet::builtin();
    for path in config.rules.iter().chain(command.rules.iter().map(|path| &path.0)) {
        add_rules(&mut rules, path)?;
    }
    Ok(rules)
}

/// Adds the rules of a user's file.
pub(super) fn add_rules(rules: &mut RuleSet, path: &Path) -> Result<(), Failure> {
    let text = read_text(path, LARGEST as u64)?;
    rules.add(&path.to_string_lossy(), &text).map_err(|error| {
        let place = format!("{}:{}:{}", error.file, error.line, error.column);
        Failure::usage(error.message, place, "")
    })
}

/// A text file of the user's, to a bound.
fn read_text(path: &Path, limit: u64) -> Result<String, Failure> {
    let failed = |error: io::Error| Failure::file("cannot read", path, &error);
    let mut bytes = Vec::new();
    fs::File::open(path).map_err(failed)?.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        let fix = format!("{limit} bytes are the limit");
        return Err(Failure::usage("file too large", path.to_string_lossy(), fix));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        Failure::usage("not UTF-8", format!("{}:{line}", path.to_string_lossy()), "save it as UTF-8")
    })
}

fn read_baseline(path: &Path) -> Result<Baseline, Failure> {
    let text = read_text(path, 64 << 20)?;
    Baseline::parse(&text).map_err(|error| {
        let place = format!("{}:{}:{}", path.to_string_lossy(), error.line, error.column);
        Failure::usage(error.what, place, "write it anew with --write-baseline")
    })
}

fn scanned(
    command: &Scan,
    config: &ScanConfig,
    rules: &RuleSet,
    roots: Vec<PathBuf>,
) -> Result<Report, Failure> {
    let progress = Progress::new(!command.quiet);
    let update = |files, bytes| progress.update(files, bytes);
    let most = if command.gate { MAX_GATE } else { WalkOptions::default().max_file };
    let request = ScanRequest {
        rules,
        stdin: stdin(command)?,
        roots,
        gate: command.gate,
        jobs: command.jobs.map_or(0, |jobs| jobs.0),
        max_file: command.max_size.map_or(most, |size| size.0),
        exclude: config.exclude.clone(),
        inline_ignores: !command.gate,
        progress: Some(&update),
    };
    let report = scan::scan(&request);
    progress.finish();
    report.map_err(|error| {
        let mut failure = Failure::file("cannot scan", &error.path, &error.error);
        if error.error.kind() == io::ErrorKind::InvalidInput {
            // A pipe, as `<(command)` makes one.
            failure.fix = "pipe it in and name -".into();
        }
        failure
    })
}

fn stdin(command: &Scan) -> Result<Option<(String, Vec<u8>)>, Failure> {
    if !command.paths.iter().any(|path| path.0 == Path::new("-")) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let failed =
        |error: io::Error| Failure::usage(format!("cannot read: {}", reason(&error)), "standard input", "");
    io::stdin().lock().take(MAX_STDIN + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_STDIN {
        return Err(Failure::usage("more than 64 MiB", "standard input", "save it to a file and scan that"));
    }
    let name = command.stdin_name.as_ref().map_or("stdin", |name| &name.0);
    let name = crate::scan::names::escape(crate::cli::args::to_os(name).as_encoded_bytes());
    Ok(Some((name, bytes)))
}

fn emit(command: &Scan, report: &Report, options: &RenderOptions) -> Result<(), Failure> {
    match command.output_file() {
        Some(path) => write_atomic(path, |out| report::write(command.format, report, options, out))
            .map_err(|error| Failure::file("cannot write", path, &error)),
        None => {
            let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
            let written = report::write(command.format, report, options, &mut out).and_then(|()| out.flush());
            match written {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    // Nobody reads on, but what was found was found: the exit code still says so.
                    let _ = out.into_parts();
                    Ok(())
                }
                other => other.map_err(|error| Failure::stdout(&error)),
            }
        }
    }
}
