//! `weft policy test`: the assertions of a policy, so that a change that widens it fails.

use super::{failure, out, places};
use crate::cli::args::PathArg;
use crate::cli::error::{Exit, Failure};
use crate::cli::values::say;
use crate::json::Writer;
use crate::policy::{Decision, Test as Assertion, ask, load};
use crate::scan::report::visible::visible;
use argh::{ArgsInfo, FromArgValue, FromArgs};
use std::io::{self, Write};

/// Run the [[test]] entries of policies
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "test",
    help_triggers("--help"),
    example = "{command_name} weft.toml",
    example = "{command_name} --format junit weft.toml > policy.xml",
    note = "Tests of the policies it extends run as well, against the extended policy.",
    error_code(0, "every test holds"),
    error_code(1, "a test does not hold"),
    error_code(2, "a policy is wrong, or has no test")
)]
pub struct Test {
    /// text, json or junit
    #[argh(option, default = "Format::Text", arg_name = "FORMAT")]
    format: Format,
    /// what ${WORKSPACE} stands for; the current folder if not given
    #[argh(option, arg_name = "DIR")]
    workspace: Option<PathArg>,
    /// a policy file, or the name of a built-in policy
    #[argh(positional, arg_name = "FILE")]
    files: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Text,
    Json,
    Junit,
}

impl FromArgValue for Format {
    fn from_arg_value(value: &str) -> Result<Format, String> {
        match value {
            "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            "junit" => Ok(Format::Junit),
            _ => Err(say("use text, json or junit")),
        }
    }
}

struct Suite<'a> {
    name: &'a str,
    cases: Vec<(Assertion, Decision)>,
}

impl Suite<'_> {
    fn failed(&self) -> usize {
        self.cases.iter().filter(|(test, decision)| !holds(test, decision)).count()
    }
}

fn holds(test: &Assertion, decision: &Decision) -> bool {
    test.allow == decision.allowed
}

/// What was answered, and by which line.
fn answer(decision: &Decision) -> String {
    let word = if decision.allowed { "allowed" } else { "denied" };
    let rule = decision.rule.as_ref().map_or("no line allows it".to_owned(), |rule| rule.to_string());
    format!("{word} by {rule}: {}", decision.reason)
}

pub fn run(command: &Test) -> Result<Exit, Failure> {
    if command.files.is_empty() {
        return Err(Failure::usage("nothing to test", "", "name a policy file, such as weft.toml"));
    }
    let places = places(command.workspace.as_ref().map(|path| path.0.as_path()))?;
    let mut suites = Vec::new();
    for name in &command.files {
        let mut policy = load(name, &places).map_err(|errors| failure(&errors))?;
        let tests = std::mem::take(&mut policy.tests);
        if tests.is_empty() {
            return Err(Failure::usage("the policy has no [[test]]", name, "add one that must be denied"));
        }
        let cases = tests.into_iter().map(|test| {
            let decision = ask(&policy, &test.question);
            (test, decision)
        });
        suites.push(Suite { name, cases: cases.collect() });
    }
    out(|page| match command.format {
        Format::Text => text(&suites, page),
        Format::Json => json(&suites, page),
        Format::Junit => junit(&suites, page),
    })?;
    Ok(if suites.iter().any(|suite| suite.failed() > 0) { Exit::Findings } else { Exit::Ok })
}

fn text(suites: &[Suite], page: &mut Vec<u8>) -> io::Result<()> {
    for suite in suites {
        for (test, decision) in suite.cases.iter().filter(|(test, decision)| !holds(test, decision)) {
            let line = format!("failed   {}: {}: {}", test.origin, test.name, answer(decision));
            writeln!(page, "{}", visible(&line))?;
        }
        let (all, failed) = (suite.cases.len(), suite.failed());
        writeln!(page, "{}: {} of {all} tests hold", visible(suite.name), all - failed)?;
    }
    Ok(())
}

fn json(suites: &[Suite], page: &mut Vec<u8>) -> io::Result<()> {
    Writer::new(page).object_lines(|w| {
        w.field("schema", "weft.policy-test/1")?;
        w.key("files")?.array_lines(|w| {
            suites.iter().try_for_each(|suite| {
                w.object_lines(|w| {
                    w.field("name", suite.name)?;
                    w.count("tests", suite.cases.len() as u64)?;
                    w.count("failures", suite.failed() as u64)?;
                    w.key("cases")?.array_lines(|w| {
                        suite.cases.iter().try_for_each(|(test, decision)| {
                            w.object(|w| {
                                w.field("name", &test.name)?;
                                w.field("file", &test.origin.file)?;
                                w.count("line", test.origin.line.into())?;
                                w.key("holds")?.boolean(holds(test, decision))?;
                                w.key("allowed")?.boolean(decision.allowed)?;
                                w.field("answer", &answer(decision))
                            })
                        })
                    })
                })
            })
        })
    })?;
    page.write_all(b"\n")
}

fn junit(suites: &[Suite], page: &mut Vec<u8>) -> io::Result<()> {
    let all: usize = suites.iter().map(|suite| suite.cases.len()).sum();
    let failed: usize = suites.iter().map(Suite::failed).sum();
    writeln!(page, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(page, "<testsuites name=\"weft policy\" tests=\"{all}\" failures=\"{failed}\" errors=\"0\">")?;
    for suite in suites {
        let (name, count, failed) = (xml(suite.name), suite.cases.len(), suite.failed());
        writeln!(page, "  <testsuite name=\"{name}\" tests=\"{count}\" failures=\"{failed}\" errors=\"0\">")?;
        for (test, decision) in &suite.cases {
            write!(page, "    <testcase classname=\"{name}\" name=\"{}\"", xml(&test.name))?;
            if holds(test, decision) {
                writeln!(page, "/>")?;
            } else {
                let message = xml(&format!("{}: {}", test.origin, answer(decision)));
                writeln!(page, "><failure message=\"{message}\"/></testcase>")?;
            }
        }
        writeln!(page, "  </testsuite>")?;
    }
    writeln!(page, "</testsuites>")
}

fn xml(text: &str) -> String {
    crate::scan::report::junit::escape(text)
}
