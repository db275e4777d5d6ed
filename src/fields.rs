//! Reads TOML of a fixed form: a text into a tree, its tables key by key into values, mistakes told by their place. Which keys
//! there are, and what a value means, is up to the caller. Written by hand because what serde derives for the same
//! tables is ten times the code.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A text of the file, and where it stands.
pub type Text = Spanned<String>;

/// What is wrong, and at which bytes of the text.
#[derive(Debug)]
pub struct Mistake {
    pub span: Range<usize>,
    pub what: What,
}

#[derive(Debug)]
pub enum What {
    /// No TOML; the parser's own words.
    Syntax(String),
    /// A key that the table does not have.
    Key { key: String, known: &'static [&'static str] },
    /// A text that is not one of a closed set.
    Word { word: String, known: &'static [&'static str] },
    /// A key that must be there.
    Missing(&'static str),
    /// A value of another type.
    Type { found: String, wanted: &'static str },
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(message) => f.write_str(message),
            Self::Key { key, .. } => write!(f, "unknown key `{key}`"),
            Self::Word { word, .. } => write!(f, "unknown value `{word}`"),
            Self::Missing(key) => write!(f, "`{key}` is missing"),
            Self::Type { found, wanted } => write!(f, "invalid type: {found}, expected {wanted}"),
        }
    }
}

/// The first mistake of a text, in the order of the text. What is missing comes last: it may be there, misspelt.
#[derive(Debug, Default)]
pub struct First(RefCell<Option<Mistake>>);

impl First {
    fn note(&self, span: &Range<usize>, what: What) {
        let mut first = self.0.borrow_mut();
        let new = Mistake { span: span.clone(), what };
        let order = |one: &Mistake| (matches!(one.what, What::Missing(_)), one.span.start);
        if first.as_ref().is_none_or(|first| order(&new) < order(first)) {
            *first = Some(new);
        }
    }
}

/// Reads a whole text, whose outermost table has these keys. `make` takes the values out; what is wrong with them makes
/// an error of the whole.
pub fn read<T>(
    text: &str,
    known: &'static [&'static str],
    make: impl FnOnce(&mut Fields<'_, '_>) -> T,
) -> Result<T, Mistake> {
    let first = First::default();
    let made = make(&mut Fields::of(&first, parse(text)?, Some(known)));
    match first.0.into_inner() {
        Some(mistake) => Err(mistake),
        None => Ok(made),
    }
}

fn parse(text: &str) -> Result<Spanned<DeTable<'_>>, Mistake> {
    DeTable::parse(text).map_err(|error| Mistake {
        span: error.span().unwrap_or(0..0),
        what: What::Syntax(error.message().trim_end().to_owned()),
    })
}

/// Whether the text is TOML whose outermost table has no other keys than these.
pub fn has_only(text: &str, keys: &[&str]) -> bool {
    parse(text).is_ok_and(|table| table.get_ref().keys().all(|key| keys.contains(&key.get_ref().as_ref())))
}

/// A table whose values are taken out one by one.
pub struct Fields<'f, 't> {
    first: &'f First,
    entries: Vec<(Spanned<String>, Option<Spanned<DeValue<'t>>>)>,
    span: Range<usize>,
}

impl<'f, 't> Fields<'f, 't> {
    /// `known` are its keys; None: any.
    fn of(first: &'f First, table: Spanned<DeTable<'t>>, known: Option<&'static [&'static str]>) -> Self {
        let span = table.span();
        let mut entries = Vec::new();
        for (key, value) in table.into_inner() {
            let at = key.span();
            let key = key.into_inner().into_owned();
            if let Some(known) = known
                && !known.contains(&key.as_str())
            {
                first.note(&at, What::Key { key, known });
                continue;
            }
            entries.push((Spanned::new(at, key), Some(value)));
        }
        Self { first, entries, span }
    }

    /// Where the table stands.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    fn take(&mut self, key: &str) -> Option<(Range<usize>, DeValue<'t>)> {
        let value = self.entries.iter_mut().find(|(known, _)| known.get_ref() == key)?.1.take()?;
        Some((value.span(), value.into_inner()))
    }

    fn wrong(&self, span: &Range<usize>, found: &DeValue<'_>, wanted: &'static str) {
        let found = match found {
            DeValue::String(text) => format!("string {text:?}"),
            DeValue::Integer(number) => format!("integer `{}`", number.as_str()),
            DeValue::Boolean(flag) => format!("boolean `{flag}`"),
            other => other.type_str().to_owned(),
        };
        self.first.note(span, What::Type { found, wanted });
    }

    fn a_text(&self, span: Range<usize>, value: DeValue<'_>) -> Option<Text> {
        match value {
            DeValue::String(text) => Some(Spanned::new(span, text.into_owned())),
            other => {
                self.wrong(&span, &other, "a text in quotes");
                None
            }
        }
    }

    fn a_number(&self, span: Range<usize>, value: &DeValue<'_>) -> Option<Spanned<i64>> {
        let number = match value {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        if number.is_none() {
            self.wrong(&span, value, "a whole number");
        }
        Some(Spanned::new(span, number?))
    }

    fn an_array(&mut self, key: &str, wanted: &'static str) -> Option<Spanned<Vec<Spanned<DeValue<'t>>>>> {
        let (span, value) = self.take(key)?;
        match value {
            DeValue::Array(array) => Some(Spanned::new(span, array.into_iter().collect())),
            other => {
                self.wrong(&span, &other, wanted);
                None
            }
        }
    }

    fn a_table(
        &self,
        span: Range<usize>,
        value: DeValue<'t>,
        known: Option<&'static [&'static str]>,
        wanted: &'static str,
    ) -> Option<Fields<'f, 't>> {
        match value {
            DeValue::Table(table) => Some(Fields::of(self.first, Spanned::new(span, table), known)),
            other => {
                self.wrong(&span, &other, wanted);
                None
            }
        }
    }

    /// Remembers that a key is missing which must be there.
    pub fn missing(&self, key: &'static str) {
        self.first.note(&self.span, What::Missing(key));
    }

    pub fn text(&mut self, key: &str) -> Option<Text> {
        let (span, value) = self.take(key)?;
        self.a_text(span, value)
    }

    /// A text that must be there.
    pub fn must(&mut self, key: &'static str) -> Text {
        let Some((span, value)) = self.take(key) else {
            self.missing(key);
            return Spanned::new(0..0, String::new());
        };
        self.a_text(span, value).unwrap_or_else(|| Spanned::new(0..0, String::new()))
    }

    pub fn list(&mut self, key: &str) -> Option<Vec<Text>> {
        let array = self.an_array(key, "a list, [\"…\"]")?.into_inner();
        Some(array.into_iter().filter_map(|one| self.a_text(one.span(), one.into_inner())).collect())
    }

    /// A list of texts whose places nobody asks for.
    pub fn strings(&mut self, key: &str) -> Vec<String> {
        self.list(key).unwrap_or_default().into_iter().map(Spanned::into_inner).collect()
    }

    pub fn number(&mut self, key: &str) -> Option<Spanned<i64>> {
        let (span, value) = self.take(key)?;
        self.a_number(span, &value)
    }

    /// A number that must be there.
    pub fn must_number(&mut self, key: &'static str) -> Spanned<i64> {
        let Some((span, value)) = self.take(key) else {
            self.missing(key);
            return Spanned::new(0..0, 0);
        };
        self.a_number(span, &value).unwrap_or_else(|| Spanned::new(0..0, 0))
    }

    pub fn numbers(&mut self, key: &str) -> Option<Spanned<Vec<Spanned<i64>>>> {
        let array = self.an_array(key, "a list of numbers")?;
        let span = array.span();
        let each = array.into_inner();
        Some(Spanned::new(
            span,
            each.iter().filter_map(|one| self.a_number(one.span(), one.get_ref())).collect(),
        ))
    }

    pub fn flag(&mut self, key: &str) -> Option<Spanned<bool>> {
        let (span, value) = self.take(key)?;
        if let DeValue::Boolean(flag) = value {
            return Some(Spanned::new(span, flag));
        }
        self.wrong(&span, &value, "true or false");
        None
    }

    /// One of a closed set of words: its place in the set.
    pub fn word(&mut self, key: &str, known: &'static [&'static str]) -> Option<Spanned<usize>> {
        let text = self.text(key)?;
        let found = known.iter().position(|word| *word == text.get_ref());
        if found.is_none() {
            self.first.note(&text.span(), What::Word { word: text.get_ref().clone(), known });
        }
        Some(Spanned::new(text.span(), found?))
    }

    /// A word of a closed set that must be there; 0 where it is not.
    pub fn must_word(&mut self, key: &'static str, known: &'static [&'static str]) -> usize {
        if !self.entries.iter().any(|(there, _)| there.get_ref() == key) {
            self.missing(key);
        }
        self.word(key, known).map_or(0, Spanned::into_inner)
    }

    /// A table below this one; an empty one if it is not there.
    pub fn table(&mut self, key: &str, known: &'static [&'static str]) -> Fields<'f, 't> {
        let found =
            self.take(key).and_then(|(span, value)| self.a_table(span, value, Some(known), "a table"));
        found.unwrap_or(Fields { first: self.first, entries: Vec::new(), span: 0..0 })
    }

    /// A list of tables.
    pub fn tables(
        &mut self,
        key: &str,
        known: &'static [&'static str],
        wanted: &'static str,
    ) -> Vec<Fields<'f, 't>> {
        let array = self.an_array(key, "a list of tables").map(Spanned::into_inner).unwrap_or_default();
        let one =
            |value: Spanned<DeValue<'t>>| self.a_table(value.span(), value.into_inner(), Some(known), wanted);
        array.into_iter().filter_map(one).collect()
    }

    /// A table with keys of the author's choice and texts as values, in the order of the keys.
    pub fn texts(&mut self, key: &str) -> Vec<(String, Text)> {
        let Some((span, value)) = self.take(key) else { return Vec::new() };
        let Some(table) = self.a_table(span, value, None, "a table") else { return Vec::new() };
        let one = |(key, value): (Spanned<String>, Option<Spanned<DeValue<'t>>>)| {
            let value = value?;
            Some((key.into_inner(), self.a_text(value.span(), value.into_inner())?))
        };
        table.entries.into_iter().filter_map(one).collect()
    }
}
