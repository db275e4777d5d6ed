//! Rules that a user brings: read at run time, checked like the built-in ones, and added to them.

use super::schema::{self, ComboSpec, MatcherSpec, RuleSpec, SchemaError};
use super::*;

impl RuleSet {
    /// Adds the rules of a file. `file` is what errors call it; ids and names must be new.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), SchemaError> {
        let parsed = schema::parse(file, text)?;
        for rule in parsed.rules {
            self.must_be_new(file, &rule.id, &rule.name, rule.at)?;
            if let MatcherSpec::Native(name) | MatcherSpec::Regex(name) = &rule.matcher
                && matches!(rule.matcher, MatcherSpec::Native(_))
            {
                return Err(SchemaError {
                    file: file.to_owned(),
                    line: rule.at.line,
                    column: rule.at.column,
                    message: format!("matcher {name:?} is built in; give a pattern instead"),
                });
            }
            self.rules.push(Box::leak(Box::new(kept_rule(rule))));
        }
        for combo in parsed.combos {
            self.must_be_new(file, &combo.id, &combo.name, combo.at)?;
            self.combos.push(Box::leak(Box::new(kept_combo(combo))));
        }
        Ok(())
    }

    fn must_be_new(&self, file: &str, id: &str, name: &str, at: schema::Position) -> Result<(), SchemaError> {
        let rules = self.rules.iter().flat_map(|r| [r.id, r.name]);
        let combos = self.combos.iter().flat_map(|c| [c.id, c.name]);
        match rules.chain(combos).find(|known| *known == id || *known == name) {
            None => Ok(()),
            Some(known) => Err(SchemaError {
                file: file.to_owned(),
                line: at.line,
                column: at.column,
                message: format!("{known:?} is the id or name of another rule; choose a new one"),
            }),
        }
    }
}

/// Text that lives as long as the process: a rule set is made once and used until the end.
fn kept(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn kept_list(list: Vec<String>) -> &'static [&'static str] {
    Box::leak(list.into_iter().map(kept).collect())
}

fn kept_rule(rule: RuleSpec) -> Rule {
    Rule {
        id: kept(rule.id),
        name: kept(rule.name),
        category: rule.category,
        severity: rule.severity,
        confidence: rule.confidence,
        persona: rule.persona,
        literals: kept_list(rule.literals),
        also: kept_list(rule.also),
        needs: &[],
        leads: &[],
        program: &[],
        matcher: match rule.matcher {
            MatcherSpec::Literal => Matcher::Literal,
            MatcherSpec::Regex(pattern) => Matcher::Regex(kept(pattern)),
            MatcherSpec::Native(name) => Matcher::Native(kept(name)),
            MatcherSpec::Check => Matcher::Check,
        },
        scope: rule.scope,
        context: rule.context,
        signals: kept_list(rule.signals),
        secret: rule.secret,
        words: Words::Here(Box::leak(Box::new(Explanation {
            message: kept(rule.message),
            remediation: kept(rule.remediation),
            references: kept_list(rule.references),
            example: rule.matches.into_iter().next().map_or("", kept),
            counter_example: rule.no_matches.into_iter().next().map_or("", kept),
        }))),
    }
}

fn kept_combo(combo: ComboSpec) -> Combo {
    Combo {
        id: kept(combo.id),
        name: kept(combo.name),
        category: combo.category,
        severity: combo.severity,
        confidence: combo.confidence,
        all: kept_list(combo.all),
        none: kept_list(combo.none),
        within: combo.within,
        words: Words::Here(Box::leak(Box::new(Explanation {
            message: kept(combo.message),
            remediation: kept(combo.remediation),
            references: kept_list(combo.references),
            example: combo.matches.into_iter().next().map_or("", kept),
            counter_example: combo.no_matches.into_iter().next().map_or("", kept),
        }))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "category = \"EX\"\n[[rule]]\nid = \"A-1\"\nname = \"a\"\nseverity = \"low\"\nconfidence = \"low\"\n\
                        literals = [\"abcd\"]\nmessage = \"m\"\nremediation = \"r\"\n";

    fn error(text: &str) -> String {
        let mut set = RuleSet { rules: Vec::new(), combos: Vec::new() };
        set.add("f.toml", text).unwrap_err().to_string()
    }

    #[test]
    fn a_good_file_is_added_once() {
        let mut set = RuleSet { rules: Vec::new(), combos: Vec::new() };
        set.add("f.toml", GOOD).unwrap();
        assert_eq!(set.rules.len(), 1);
        assert!(set.add("g.toml", GOOD).unwrap_err().to_string().contains("another rule"));
    }

    #[test]
    fn errors_say_where_and_what_is_allowed() {
        assert_eq!(
            error(&GOOD.replace("severity = \"low\"", "severity = \"hihg\"")),
            "f.toml:5:12: severity: \"hihg\" is not one of info, low, medium, high, critical; did you mean \"high\"?"
        );
        assert_eq!(
            error(&GOOD.replace("message", "mesage")),
            "f.toml:8:1: unknown key \"mesage\"; did you mean \"message\"?"
        );
        assert!(
            error(&GOOD.replace("abcd", "abc"))
                .starts_with("f.toml:7:13: the literal \"abc\" has fewer than 4")
        );
        assert!(error(&GOOD.replace("abcd", "ABCD")).contains("lower case"));
        assert!(error(&format!("{GOOD}pattern = \"(\"\n")).starts_with("f.toml:10:11: pattern: "));
        assert!(
            error(&format!("{GOOD}where = [\"fence:cobol\"]\n")).contains("is not one of unknown, shell")
        );
        assert!(error(&format!("{GOOD}matcher = \"x\"\n")).contains("is built in"));
        assert!(error("category = \"Nothing\"").contains("is not one of PromptInjection"));
        assert!(
            error(&format!("{GOOD}{}", GOOD.split_once('\n').unwrap().1))
                .contains("used twice, first on line 3")
        );
        assert!(error("category = 7").starts_with("f.toml:1:12: invalid type"));
    }
}
