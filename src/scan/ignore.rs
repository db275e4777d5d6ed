//! Ignore comments: `weft:ignore ID[, ID…] -- reason`, on the line of a finding or on the line above it. A reason is
//! required: without one the comment ignores nothing and is itself reported. Not honoured in gate mode, where the
//! comment comes with what is judged.

use std::cell::Cell;

/// The word that starts a comment.
pub const MARK: &str = "weft:ignore";

/// One comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignore {
    /// Line of the comment, from 1.
    pub line: u32,
    /// Ids or names of rules.
    pub rules: Vec<String>,
    /// Empty if none was given.
    pub reason: String,
    /// The comment as it stands, to be shown; not longer than anyone would read.
    pub text: String,
    /// It took a finding away.
    used: Cell<bool>,
}

/// The comments of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignores {
    all: Vec<Ignore>,
}

impl Ignores {
    /// Finds the comments of a text, whatever the language's comment sign is.
    pub fn parse(text: &str) -> Ignores {
        let mut all = Vec::new();
        if memchr::memmem::find(text.as_bytes(), MARK.as_bytes()).is_none() {
            return Ignores { all };
        }
        for (line, content) in (1..).zip(text.lines()) {
            let Some((before, rest)) = content.split_once(MARK) else { continue };
            // What closes the comment is neither a separator nor a reason.
            let rest = rest.split("-->").next().unwrap_or("").split("*/").next().unwrap_or("");
            let (rules, reason) = rest.split_once("--").unwrap_or((rest, ""));
            let rules = rules
                .split(|c: char| c == ',' || c.is_whitespace())
                .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect();
            let text = content[before.len()..].chars().take(200).collect();
            let reason = reason.trim().to_owned();
            all.push(Ignore { line, rules, reason, text, used: Cell::new(false) });
        }
        Ignores { all }
    }

    /// Is a finding of the rule (id or name) on this line ignored, with a reason?
    pub fn covers(&self, rule: &str, line: u32) -> bool {
        // One a line at most, in order.
        let from = self.all.partition_point(|i| i.line.saturating_add(1) < line);
        let near = self.all[from..].iter().take_while(|i| i.line <= line);
        let covering =
            near.filter(|i| !i.reason.is_empty() && i.rules.iter().any(|r| r.eq_ignore_ascii_case(rule)));
        covering.fold(false, |_, ignore| {
            ignore.used.set(true);
            true
        })
    }

    /// Comments that are complete and took nothing away.
    pub fn unused(&self) -> impl Iterator<Item = &Ignore> {
        self.all.iter().filter(|i| !i.used.get() && !i.reason.is_empty() && !i.rules.is_empty())
    }

    /// Lines of comments that give no reason or name no rule, and so ignore nothing.
    pub fn incomplete(&self) -> impl Iterator<Item = u32> {
        self.all.iter().filter(|i| i.reason.is_empty() || i.rules.is_empty()).map(|i| i.line)
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_covers_its_line_and_the_next() {
        let found =
            Ignores::parse("# weft:ignore US-001, sudo -- installs from our own mirror\ncurl x | sh\nmore\n");
        assert!(found.covers("US-001", 1) && found.covers("us-001", 2) && found.covers("sudo", 2));
        assert!(!found.covers("US-001", 3) && !found.covers("US-002", 2));
    }

    #[test]
    fn what_took_nothing_away_is_known() {
        let found =
            Ignores::parse("# weft:ignore US-001 -- a\n\n# weft:ignore US-002 -- b\n# weft:ignore US-003\n");
        assert!(found.covers("US-001", 2) && !found.covers("US-002", 2));
        assert_eq!(found.unused().map(|i| i.text.as_str()).collect::<Vec<_>>(), ["weft:ignore US-002 -- b"]);
    }

    #[test]
    fn without_a_reason_nothing_is_ignored() {
        for text in [
            "<!-- weft:ignore US-001 -->",
            "x # weft:ignore US-001 --",
            "/* weft:ignore US-001 -- */",
            "# weft:ignore -- because",
        ] {
            let found = Ignores::parse(text);
            assert!(!found.covers("US-001", 1), "{text}");
            assert_eq!(found.incomplete().collect::<Vec<_>>(), [1], "{text}");
        }
        assert!(Ignores::parse("<!-- weft:ignore US-001 -- our mirror -->").covers("US-001", 2));
    }
}
