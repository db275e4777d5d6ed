//! `weft security explain`: one rule in full: what it finds, why it matters, what to do, and examples.

use super::checks::{Check, all};
use crate::cli::args::{PathArg, shown};
use crate::cli::error::{Exit, Failure};
use crate::cli::print;
use crate::cli::values::Word;
use crate::rules::schema::nearest;
use crate::rules::{Combo, Context, Matcher, Place, Rule, RuleSet, Within, links};
use crate::scan::report::visible::visible_lines;
use argh::{ArgsInfo, FromArgs};

/// Say what a finding means and what to do about it
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    subcommand,
    name = "explain",
    help_triggers("--help"),
    example = "{command_name} US-001",
    example = "{command_name} download-exec"
)]
pub struct Explain {
    /// also know the rules in this file; may be repeated
    #[argh(option, arg_name = "FILE")]
    rules: Vec<PathArg>,
    /// id (any case) or name of a rule, or a signal that combinations are made of
    #[argh(positional, arg_name = "ID")]
    id: Word,
}

pub fn run(command: &Explain) -> Result<Exit, Failure> {
    let mut rules = RuleSet::builtin();
    for path in &command.rules {
        super::scan::add_rules(&mut rules, &path.0)?;
    }
    let wanted = &command.id.0;
    let checks = all(&rules);
    let found = checks
        .iter()
        .find(|check| check.id.eq_ignore_ascii_case(wanted) || check.name.eq_ignore_ascii_case(wanted));
    let Some(check) = found else {
        let signal = wanted.to_ascii_lowercase();
        if let Some(page) = signal_page(&rules, &signal) {
            return print(&page);
        }
        return Err(Failure::usage("unknown rule", shown(wanted), suggestion(wanted, &checks)));
    };
    let rule = rules.rules.iter().find(|rule| rule.id == check.id);
    let combo = rules.combos.iter().find(|combo| combo.id == check.id);
    let mut page = heading(check);
    match (rule, combo) {
        (Some(rule), _) => how_rule(&mut page, rule),
        (None, Some(combo)) => how_combo(&mut page, combo),
        (None, None) => {}
    }
    section(&mut page, "What to do", check.remediation);
    let (before, after) = match (rule, combo) {
        (Some(rule), _) => (rule.words.get().example, rule.words.get().counter_example),
        (None, Some(combo)) => (combo.words.get().example, combo.words.get().counter_example),
        (None, None) => ("", ""),
    };
    example(&mut page, "Found in", before);
    example(&mut page, "Not found in", after);
    references(&mut page, check.references);
    page.push_str(&format!(
        "\nTo accept one place:  weft:ignore {} -- reason   (on its line or above; not with --gate)\n",
        check.id
    ));
    print(&page)
}

/// What combinations are made of: which rules give a signal, and which combinations take it.
fn signal_page(rules: &RuleSet, signal: &str) -> Option<String> {
    let given: Vec<String> = rules
        .rules
        .iter()
        .filter(|rule| rule.signals.contains(&signal))
        .map(|rule| format!("{} {}: {}", rule.id, rule.name, rule.words.get().message))
        .collect();
    if given.is_empty() {
        return None;
    }
    let takes =
        |combo: &Combo| combo.all.iter().flat_map(|entry| entry.split('|')).any(|one| one.trim() == signal);
    let taken: Vec<String> = rules
        .combos
        .iter()
        .filter(|combo| takes(combo))
        .map(|combo| format!("{} {}: {}", combo.id, combo.name, combo.words.get().message))
        .collect();
    let mut page =
        format!("{signal}\nA signal: what combinations are made of. It is no finding by itself.\n");
    section(&mut page, "Given by", &given.join("\n"));
    section(&mut page, "Counts in", &taken.join("\n"));
    Some(page)
}

fn suggestion(wanted: &str, checks: &[Check]) -> String {
    let upper = wanted.to_ascii_uppercase();
    let ids: Vec<&str> = checks.iter().map(|check| check.id).collect();
    let names: Vec<&str> = checks.iter().map(|check| check.name).collect();
    let lower = wanted.to_ascii_lowercase();
    let part = || names.iter().copied().find(|name| lower.len() > 3 && name.contains(lower.as_str()));
    match nearest(&upper, &ids).or_else(|| nearest(&lower, &names)).or_else(part) {
        Some(near) => format!("did you mean {near}? `weft security checks` lists all"),
        None => "`weft security checks` lists all".to_owned(),
    }
}

fn heading(check: &Check) -> String {
    format!(
        "{} {}\n{}, {}; severity {}, confidence {}, shown to persona {}\n\n{}\n",
        check.id,
        check.name,
        check.category.as_str(),
        check.kind,
        check.severity.as_str(),
        check.confidence.as_str(),
        check.persona.as_str(),
        visible_lines(check.message.trim_end()),
    )
}

fn section(page: &mut String, title: &str, text: &str) {
    if !text.is_empty() {
        page.push_str(&format!("\n{title}:\n  {}\n", visible_lines(text.trim_end()).replace('\n', "\n  ")));
    }
}

fn how_rule(page: &mut String, rule: &Rule) {
    let places: Vec<&str> = Place::ALL
        .into_iter()
        .filter(|place| rule.scope.places & place.bit() != 0)
        .map(Place::as_str)
        .collect();
    let mut text = match rule.matcher {
        Matcher::Literal => format!("The words themselves: {}", rule.literals.join(", ")),
        Matcher::Regex(pattern) if !pattern.is_empty() => format!("The pattern {pattern}"),
        Matcher::Regex(_) => {
            format!("The pattern of {} in rules/{}.toml of weft's source", rule.id, rule.category.file())
        }
        Matcher::Native(name) => format!("A matcher written by hand, {name}"),
        Matcher::Check => "A check in code, over the whole file or skill".to_owned(),
    };
    text.push_str(&format!(
        "\nin {}",
        if places.len() == Place::ALL.len() { "any place".into() } else { places.join(", ") }
    ));
    text.push_str(match rule.context {
        Context::Demote => "; counts for less in text that forbids, documents or detects it",
        Context::Keep => "; counts wherever it stands",
    });
    if !rule.signals.is_empty() {
        text.push_str(&format!("\nPart of combinations as: {}", rule.signals.join(", ")));
    }
    section(page, "How it is found", &text);
}

fn how_combo(page: &mut String, combo: &Combo) {
    let mut text = "All of these signals".to_owned();
    text.push_str(&match combo.within {
        Within::Skill => " in one skill:".to_owned(),
        Within::File => " in one file:".to_owned(),
        Within::Lines(count) => format!(" within {count} lines of one file:"),
    });
    for entry in combo.all {
        text.push_str(&format!("\n- {}", entry.split('|').map(str::trim).collect::<Vec<_>>().join(" or ")));
    }
    if !combo.none.is_empty() {
        text.push_str(&format!("\nand none of: {}", combo.none.join(", ")));
    }
    section(page, "How it is found", &text);
}

/// An example whose first line is `=== name` is a file or several; it is shown as it is.
fn example(page: &mut String, title: &str, text: &str) {
    if !text.is_empty() {
        page.push_str(&format!("\n{title}:\n"));
        for line in visible_lines(text.trim_end()).lines() {
            page.push_str(&format!("  | {line}\n"));
        }
    }
}

fn references(page: &mut String, references: &[&str]) {
    if !references.is_empty() {
        page.push_str("\nReferences:\n");
    }
    for reference in references {
        match links::url(reference) {
            Some(url) if url != *reference => page.push_str(&format!("  {reference:<12} {url}\n")),
            _ => page.push_str(&format!("  {reference}\n")),
        }
    }
}
