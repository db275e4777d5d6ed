//! Values of options: what each may be, said where it is not.

use super::args::{list, shown};
use super::error::Failure;
use super::term::Color;
use crate::rules::schema::nearest;
use crate::rules::{Category, Persona, Severity};
use crate::scan::report::Format;
use argh::FromArgValue;

/// Starts our own words in an argh error, which wraps them in its own.
const MARK: char = '\u{1}';

/// What to do about a bad value, in the form [`failure`] finds again.
pub fn say(fix: impl std::fmt::Display) -> String {
    format!("{MARK}{fix}")
}

/// An argh error in our form. Everything else that argh could object to was looked at before (`args`).
pub fn failure(argh: &str) -> Failure {
    let text = argh.trim();
    let between = |from: &str, to: &str| Some(text.split_once(from)?.1.split_once(to)?.0);
    let name = between("option '", "' with value").or_else(|| between("argument '", "' with value"));
    let fix = text.rsplit_once(MARK).map(|(_, fix)| fix.to_owned());
    match (name, fix) {
        (Some(name), Some(fix)) => {
            let value = between("' with value '", &format!("': {MARK}")).map(shown).unwrap_or_default();
            Failure::usage("bad value", format!("{name} {value}"), fix)
        }
        _ => Failure::usage(text.replace('\n', " "), "", "see --help"),
    }
}

/// A word out of a list, or what the list is.
fn word<T>(value: &str, found: Option<T>, all: &[&str]) -> Result<T, String> {
    found.ok_or_else(|| match nearest(value, all) {
        Some(near) => say(format!("did you mean {near}? ({})", list(all))),
        None => say(format!("use {}", list(all))),
    })
}

impl FromArgValue for Format {
    fn from_arg_value(value: &str) -> Result<Format, String> {
        word(value, Format::parse(value), &Format::ALL.map(Format::as_str))
    }
}

impl FromArgValue for Severity {
    fn from_arg_value(value: &str) -> Result<Severity, String> {
        word(value, Severity::parse(value), &Severity::ALL.map(Severity::as_str))
    }
}

impl FromArgValue for Persona {
    fn from_arg_value(value: &str) -> Result<Persona, String> {
        word(value, Persona::parse(value), &Persona::ALL.map(Persona::as_str))
    }
}

/// `--fail-on`: a severity or `never`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailOn(pub Option<Severity>);

impl FromArgValue for FailOn {
    fn from_arg_value(value: &str) -> Result<FailOn, String> {
        if value == "never" {
            return Ok(FailOn(None));
        }
        let all = ["info", "low", "medium", "high", "critical", "never"];
        word(value, Severity::parse(value).map(|severity| FailOn(Some(severity))), &all)
    }
}

impl FromArgValue for Color {
    fn from_arg_value(value: &str) -> Result<Color, String> {
        let found = match value {
            "auto" => Some(Color::Auto),
            "always" => Some(Color::Always),
            "never" => Some(Color::Never),
            _ => None,
        };
        word(value, found, &["auto", "always", "never"])
    }
}

/// `--category`: names or two-letter codes, in any case, separated by commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Categories(pub Vec<Category>);

impl FromArgValue for Categories {
    fn from_arg_value(value: &str) -> Result<Categories, String> {
        let names = Category::ALL.map(Category::as_str);
        let one = |name: &str| word(name, Category::parse(name), &names);
        value
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(one)
            .collect::<Result<Vec<_>, _>>()
            .and_then(|all| {
                if all.is_empty() { Err(say(format!("use {}", list(&names)))) } else { Ok(Categories(all)) }
            })
    }
}

/// `--max-size`: bytes, or with K, M, G (of 1024).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromArgValue for Size {
    fn from_arg_value(value: &str) -> Result<Size, String> {
        let digits = value.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = match value[digits.len()..].trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" | "kib" => 1 << 10,
            "m" | "mb" | "mib" => 1 << 20,
            "g" | "gb" | "gib" => 1 << 30,
            _ => 0,
        };
        let bytes = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(unit));
        bytes
            .filter(|bytes| *bytes > 0)
            .map(Size)
            .ok_or_else(|| say("use a number of bytes such as 1048576, 512K or 4M"))
    }
}

/// `--jobs`: threads; 0 for as many as there are processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jobs(pub usize);

impl FromArgValue for Jobs {
    fn from_arg_value(value: &str) -> Result<Jobs, String> {
        let jobs = value.parse().ok().filter(|jobs| *jobs <= 256);
        jobs.map(Jobs).ok_or_else(|| say("use a number from 1 to 256, or 0 for one a processor"))
    }
}

/// A word that must not be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word(pub String);

impl FromArgValue for Word {
    fn from_arg_value(value: &str) -> Result<Word, String> {
        if value.is_empty() { Err(say("it cannot be empty")) } else { Ok(Word(value.to_owned())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [("10", 10), ("512K", 512 << 10), ("4MiB", 4 << 20), ("1g", 1 << 30)] {
            assert_eq!(Size::from_arg_value(text), Ok(Size(bytes)), "{text}");
        }
        for bad in ["", "x", "-1", "1T", "0", "99999999999G", "1.5M", "ü"] {
            assert!(Size::from_arg_value(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn categories_come_in_lists() {
        let found = Categories::from_arg_value("ex, PromptInjection").unwrap().0;
        assert_eq!(found, [Category::ExfiltrationUrl, Category::PromptInjection]);
        assert!(Categories::from_arg_value(",").is_err());
        assert!(Categories::from_arg_value("ex,nope").is_err());
    }
}
