//! The form of rule files, for `build.rs` and for the files a user brings: reading, and every check that needs one file
//! only. Not what becomes of the rules.

use super::fields::{self, Fields, What};
use super::model::*;
use std::fmt;
use std::ops::Range;
use toml::Spanned;

/// Largest rule file that is read, in bytes.
pub const LARGEST: usize = 1 << 20;

/// What is wrong with a rule file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaError {
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub message: String,
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}

impl std::error::Error for SchemaError {}

/// A rule as written, checked.
#[derive(Debug, Clone)]
pub struct RuleSpec {
    pub id: String,
    pub name: String,
    pub category: Category,
    pub severity: Severity,
    pub confidence: Confidence,
    pub persona: Persona,
    pub literals: Vec<String>,
    pub also: Vec<String>,
    pub matcher: MatcherSpec,
    pub scope: Scope,
    pub context: Context,
    pub signals: Vec<String>,
    pub secret: bool,
    pub message: String,
    pub remediation: String,
    pub references: Vec<String>,
    pub matches: Vec<String>,
    pub no_matches: Vec<String>,
    pub at: Position,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MatcherSpec {
    Literal,
    Regex(String),
    Native(String),
    Check,
}

/// A combination as written, checked.
#[derive(Debug, Clone)]
pub struct ComboSpec {
    pub id: String,
    pub name: String,
    pub category: Category,
    pub severity: Severity,
    pub confidence: Confidence,
    pub all: Vec<String>,
    pub none: Vec<String>,
    pub within: Within,
    pub message: String,
    pub remediation: String,
    pub references: Vec<String>,
    pub matches: Vec<String>,
    pub no_matches: Vec<String>,
    pub at: Position,
}

/// Line and column, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

#[derive(Debug, Clone, Default)]
pub struct RuleFile {
    pub rules: Vec<RuleSpec>,
    pub combos: Vec<ComboSpec>,
}

struct RawFile {
    category: Spanned<String>,
    rules: Vec<RawRule>,
    combos: Vec<RawCombo>,
}

struct RawRule {
    id: Spanned<String>,
    name: Spanned<String>,
    severity: Spanned<String>,
    confidence: Spanned<String>,
    persona: Option<Spanned<String>>,
    literals: Vec<Spanned<String>>,
    short_literals: bool,
    also: Vec<Spanned<String>>,
    pattern: Option<Spanned<String>>,
    matcher: Option<Spanned<String>>,
    check: bool,
    places: Vec<Spanned<String>>,
    context: Option<Spanned<String>>,
    signals: Vec<Spanned<String>>,
    secret: bool,
    message: Spanned<String>,
    remediation: Spanned<String>,
    references: Vec<String>,
    matches: Vec<String>,
    no_matches: Vec<String>,
}

struct RawCombo {
    id: Spanned<String>,
    name: Spanned<String>,
    severity: Spanned<String>,
    confidence: Spanned<String>,
    all: Vec<Spanned<String>>,
    none: Vec<Spanned<String>>,
    within: Option<Spanned<String>>,
    message: Spanned<String>,
    remediation: Spanned<String>,
    references: Vec<String>,
    matches: Vec<String>,
    no_matches: Vec<String>,
}

impl RawFile {
    fn take(top: &mut Fields<'_, '_>) -> RawFile {
        const RULE: &[&str] = &[
            "id",
            "name",
            "severity",
            "confidence",
            "persona",
            "literals",
            "short_literals",
            "also",
            "pattern",
            "matcher",
            "check",
            "where",
            "context",
            "signals",
            "secret",
            "message",
            "remediation",
            "references",
            "match",
            "no_match",
        ];
        const COMBO: &[&str] = &[
            "id",
            "name",
            "severity",
            "confidence",
            "all",
            "none",
            "within",
            "message",
            "remediation",
            "references",
            "match",
            "no_match",
        ];
        RawFile {
            category: top.must("category"),
            rules: top.tables("rule", RULE, "a table, [[rule]]").into_iter().map(RawRule::take).collect(),
            combos: top
                .tables("combo", COMBO, "a table, [[combo]]")
                .into_iter()
                .map(RawCombo::take)
                .collect(),
        }
    }
}

impl RawRule {
    fn take(mut table: Fields<'_, '_>) -> RawRule {
        RawRule {
            id: table.must("id"),
            name: table.must("name"),
            severity: table.must("severity"),
            confidence: table.must("confidence"),
            persona: table.text("persona"),
            literals: table.list("literals").unwrap_or_default(),
            short_literals: table.text("short_literals").is_some(),
            also: table.list("also").unwrap_or_default(),
            pattern: table.text("pattern"),
            matcher: table.text("matcher"),
            check: table.flag("check").is_some_and(Spanned::into_inner),
            places: table.list("where").unwrap_or_default(),
            context: table.text("context"),
            signals: table.list("signals").unwrap_or_default(),
            secret: table.flag("secret").is_some_and(Spanned::into_inner),
            message: table.must("message"),
            remediation: table.must("remediation"),
            references: table.strings("references"),
            matches: table.strings("match"),
            no_matches: table.strings("no_match"),
        }
    }
}

impl RawCombo {
    fn take(mut table: Fields<'_, '_>) -> RawCombo {
        RawCombo {
            id: table.must("id"),
            name: table.must("name"),
            severity: table.must("severity"),
            confidence: table.must("confidence"),
            all: table.list("all").unwrap_or_else(|| {
                table.missing("all");
                Vec::new()
            }),
            none: table.list("none").unwrap_or_default(),
            within: table.text("within"),
            message: table.must("message"),
            remediation: table.must("remediation"),
            references: table.strings("references"),
            matches: table.strings("match"),
            no_matches: table.strings("no_match"),
        }
    }
}

/// Reads and checks one rule file. `file` is what errors call it.
pub fn parse(file: &str, text: &str) -> Result<RuleFile, SchemaError> {
    const KEYS: &[&str] = &["category", "rule", "combo"];
    let source = Source { file, text };
    if text.len() > LARGEST {
        return Err(source.error(0..0, format!("the file is larger than {LARGEST} bytes; split it")));
    }
    let raw = fields::read(text, KEYS, RawFile::take).map_err(|mistake| source.mistake(&mistake))?;
    let category =
        source.word(&raw.category, "category", Category::parse, &Category::ALL.map(Category::as_str))?;
    let mut out = RuleFile::default();
    for rule in raw.rules {
        out.rules.push(source.rule(rule, category)?);
    }
    for combo in raw.combos {
        out.combos.push(source.combo(combo, category)?);
    }
    let mut seen: Vec<(&str, Position)> = Vec::new();
    let named = out.rules.iter().flat_map(|r| [(r.id.as_str(), r.at), (r.name.as_str(), r.at)]);
    let combos = out.combos.iter().flat_map(|c| [(c.id.as_str(), c.at), (c.name.as_str(), c.at)]);
    for (word, at) in named.chain(combos) {
        if let Some((_, first)) = seen.iter().find(|(w, _)| *w == word) {
            return Err(SchemaError {
                file: file.to_owned(),
                line: at.line,
                column: at.column,
                message: format!(
                    "{word:?} is used twice, first on line {}; ids and names must be unique",
                    first.line
                ),
            });
        }
        seen.push((word, at));
    }
    Ok(out)
}

struct Source<'s> {
    file: &'s str,
    text: &'s str,
}

impl Source<'_> {
    fn position(&self, offset: usize) -> Position {
        let before = self.text.get(..offset.min(self.text.len())).unwrap_or("");
        let start = before.rfind('\n').map_or(0, |i| i + 1);
        Position {
            line: before.bytes().filter(|b| *b == b'\n').count() + 1,
            column: before[start..].chars().count() + 1,
        }
    }

    fn error(&self, span: Range<usize>, message: String) -> SchemaError {
        let at = self.position(span.start);
        SchemaError { file: self.file.to_owned(), line: at.line, column: at.column, message }
    }

    /// What the reader says, with the nearest key where one is misspelt.
    fn mistake(&self, mistake: &fields::Mistake) -> SchemaError {
        let message = match &mistake.what {
            What::Key { key, known } => match nearest(key, known) {
                Some(near) => format!("unknown key \"{key}\"; did you mean \"{near}\"?"),
                None => format!("unknown key \"{key}\"; allowed are {}", known.join(", ")),
            },
            what => what.to_string(),
        };
        self.error(mistake.span.clone(), message)
    }

    /// A word out of a closed set.
    fn word<T>(
        &self,
        word: &Spanned<String>,
        key: &str,
        parse: impl Fn(&str) -> Option<T>,
        allowed: &[&str],
    ) -> Result<T, SchemaError> {
        parse(word.get_ref()).ok_or_else(|| {
            let near = nearest(word.get_ref(), allowed)
                .map(|n| format!("; did you mean \"{n}\"?"))
                .unwrap_or_default();
            self.error(
                word.span(),
                format!("{key}: \"{}\" is not one of {}{near}", word.get_ref(), allowed.join(", ")),
            )
        })
    }

    fn not_empty(&self, text: Spanned<String>, key: &str) -> Result<String, SchemaError> {
        if text.get_ref().trim().is_empty() {
            return Err(self.error(text.span(), format!("{key} is empty")));
        }
        Ok(text.into_inner())
    }

    fn id(&self, id: Spanned<String>) -> Result<String, SchemaError> {
        let ok = id.get_ref().len() <= 32
            && id.get_ref().starts_with(|c: char| c.is_ascii_uppercase())
            && id.get_ref().bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-');
        if !ok {
            return Err(self.error(
                id.span(),
                format!(
                    "id: {:?} must start with a capital letter and have capital letters, digits and - only",
                    id.get_ref()
                ),
            ));
        }
        Ok(id.into_inner())
    }

    fn kebab(&self, name: &Spanned<String>, key: &str) -> Result<String, SchemaError> {
        let ok = !name.get_ref().is_empty()
            && name.get_ref().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !ok {
            return Err(self.error(
                name.span(),
                format!(
                    "{key}: {:?} must be in kebab-case: lower-case letters, digits and -",
                    name.get_ref()
                ),
            ));
        }
        Ok(name.get_ref().clone())
    }

    fn rule(&self, raw: RawRule, category: Category) -> Result<RuleSpec, SchemaError> {
        let at = self.position(raw.id.span().start);
        let matcher = match (&raw.pattern, &raw.matcher, raw.check) {
            (Some(pattern), None, false) => {
                regex_lite::Regex::new(pattern.get_ref())
                    .map_err(|e| self.error(pattern.span(), format!("pattern: {e}")))?;
                MatcherSpec::Regex(pattern.get_ref().clone())
            }
            (None, Some(name), false) => MatcherSpec::Native(name.get_ref().clone()),
            (None, None, true) => MatcherSpec::Check,
            (None, None, false) => MatcherSpec::Literal,
            _ => {
                return Err(self.error(
                    raw.id.span(),
                    "give one of pattern, matcher and check, or none of them to match the literals themselves".to_owned(),
                ));
            }
        };
        if raw.literals.is_empty() && matcher != MatcherSpec::Check {
            return Err(
                self.error(raw.id.span(), "literals is missing: every match must contain one".to_owned())
            );
        }
        let also = raw.also.iter().map(|l| (l, true));
        for (literal, also) in raw.literals.iter().map(|l| (l, false)).chain(also) {
            let text = literal.get_ref();
            // What only spares a pattern may be short; what is looked for everywhere may not.
            let least = match (also, raw.short_literals) {
                (true, _) => 1,
                (false, true) => 2,
                (false, false) => 4,
            };
            if text.len() < least {
                return Err(self.error(
                    literal.span(),
                    format!("the literal {text:?} has fewer than {least} bytes; make it longer, or say why not in short_literals (2 at least)"),
                ));
            }
            if text.bytes().any(|b| b.is_ascii_uppercase() || b == b'\n') {
                return Err(self.error(
                    literal.span(),
                    format!(
                        "the literal {text:?} must be lower case (it is found in any case) and on one line"
                    ),
                ));
            }
        }
        Ok(RuleSpec {
            name: self.kebab(&raw.name, "name")?,
            category,
            severity: self.word(
                &raw.severity,
                "severity",
                Severity::parse,
                &Severity::ALL.map(Severity::as_str),
            )?,
            confidence: self.word(
                &raw.confidence,
                "confidence",
                Confidence::parse,
                &Confidence::ALL.map(Confidence::as_str),
            )?,
            persona: match &raw.persona {
                Some(p) => self.word(p, "persona", Persona::parse, &Persona::ALL.map(Persona::as_str))?,
                None => Persona::Regular,
            },
            scope: self.scope(&raw.places)?,
            context: match &raw.context {
                Some(c) => self.word(c, "context", Context::parse, &["demote", "keep"])?,
                None => Context::Demote,
            },
            signals: raw.signals.iter().map(|s| self.kebab(s, "signals")).collect::<Result<_, _>>()?,
            message: self.not_empty(raw.message, "message")?,
            remediation: self.not_empty(raw.remediation, "remediation")?,
            literals: raw.literals.into_iter().map(Spanned::into_inner).collect(),
            also: raw.also.into_iter().map(Spanned::into_inner).collect(),
            id: self.id(raw.id)?,
            matcher,
            secret: raw.secret,
            references: raw.references,
            matches: raw.matches,
            no_matches: raw.no_matches,
            at,
        })
    }

    fn combo(&self, raw: RawCombo, category: Category) -> Result<ComboSpec, SchemaError> {
        let at = self.position(raw.id.span().start);
        if raw.all.len() < 2 {
            return Err(self.error(raw.id.span(), "all needs two entries at least".to_owned()));
        }
        for entry in raw.all.iter().chain(&raw.none) {
            if entry.get_ref().split('|').any(|s| {
                s.is_empty() || !s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            }) {
                return Err(self.error(
                    entry.span(),
                    format!("{:?} is not a signal, nor several joined by |", entry.get_ref()),
                ));
            }
        }
        Ok(ComboSpec {
            name: self.kebab(&raw.name, "name")?,
            category,
            severity: self.word(
                &raw.severity,
                "severity",
                Severity::parse,
                &Severity::ALL.map(Severity::as_str),
            )?,
            confidence: self.word(
                &raw.confidence,
                "confidence",
                Confidence::parse,
                &Confidence::ALL.map(Confidence::as_str),
            )?,
            within: match &raw.within {
                Some(w) => self.word(w, "within", Within::parse, &["skill", "file", "lines:N"])?,
                None => Within::Skill,
            },
            message: self.not_empty(raw.message, "message")?,
            remediation: self.not_empty(raw.remediation, "remediation")?,
            all: raw.all.into_iter().map(Spanned::into_inner).collect(),
            none: raw.none.into_iter().map(Spanned::into_inner).collect(),
            id: self.id(raw.id)?,
            references: raw.references,
            matches: raw.matches,
            no_matches: raw.no_matches,
            at,
        })
    }

    /// `any`, places, and `fence:LANG` / `script:LANG`.
    fn scope(&self, words: &[Spanned<String>]) -> Result<Scope, SchemaError> {
        if words.is_empty() || words.iter().any(|w| w.get_ref() == "any") {
            return Ok(Scope::ANY);
        }
        let mut scope = Scope { places: 0, langs: 0 };
        for word in words {
            let (place, lang) = match word.get_ref().split_once(':') {
                Some((place, lang)) => (place, Some(lang)),
                None => (word.get_ref().as_str(), None),
            };
            let mut allowed = vec!["any"];
            allowed.extend(Place::ALL.map(Place::as_str));
            let place = self.word(word, "where", |_| Place::parse(place), &allowed)?;
            scope.places |= place.bit();
            match lang {
                Some(lang) => {
                    let lang =
                        self.word(word, "where", |_| Lang::parse(lang), &Lang::ALL.map(Lang::as_str))?;
                    scope.langs |= lang.bit();
                }
                None if matches!(place, Place::Fence | Place::Script) => scope.langs = u32::MAX,
                None => {}
            }
        }
        Ok(scope)
    }
}

/// The word out of a list that is at most two slips away.
pub fn nearest<'w>(word: &str, list: &[&'w str]) -> Option<&'w str> {
    list.iter()
        .map(|w| (distance(word, w), *w))
        .filter(|(d, w)| *d <= 2 && *d < w.len())
        .min()
        .map(|(_, w)| w)
}

/// Levenshtein distance, in bytes; hostile input is cut first, for the cost is the product of the lengths.
pub fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len().abs_diff(b.len()) > 2 || a.len() > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = cost.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
