//! Typed reading of the TOML document: keys are asked for by name, mistakes are collected, and keys that nobody asked for are mistakes.
//!
//! serde stops at the first mistake; here all of them are wanted, each with its place.

use std::{cell::RefCell, fmt::Display, ops::Range, str::FromStr};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::diagnostic::Diagnostic;

/// Everything wrong that has been found.
#[derive(Default)]
pub(super) struct Mistakes(RefCell<Vec<Diagnostic>>);

impl Mistakes {
    pub(super) fn add(&self, diagnostic: Diagnostic) {
        self.0.borrow_mut().push(diagnostic);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// In the order of the file.
    pub(super) fn into_sorted(self) -> Vec<Diagnostic> {
        let mut all = self.0.into_inner();
        all.sort_by_key(|diagnostic| diagnostic.span.start);
        all
    }
}

/// The document with its places.
pub(super) type Parsed<'a> = Spanned<DeTable<'a>>;

/// Parse a text; every syntax error becomes a mistake.
pub(super) fn parse<'a>(text: &'a str, mistakes: &Mistakes) -> Parsed<'a> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let end = text.len();
        let span = error.span().map_or(end..end, |span| span.start.min(end)..span.end.min(end));
        mistakes.add(Diagnostic::error(span, error.message().replace('\n', ", ")));
    }
    table
}

/// What converting one value gives.
pub(super) type Converted<T> = Result<T, Vec<Diagnostic>>;

/// One value of the document.
#[derive(Clone, Copy)]
pub(super) struct Value<'a>(&'a Spanned<DeValue<'a>>);

impl<'a> Value<'a> {
    pub(super) fn span(&self) -> Range<usize> {
        self.0.span()
    }

    pub(super) fn raw(&self) -> &'a DeValue<'a> {
        self.0.get_ref()
    }

    pub(super) fn as_table(&self) -> Option<&'a DeTable<'a>> {
        self.raw().as_table()
    }

    pub(super) fn wrong(&self, message: impl Into<String>) -> Vec<Diagnostic> {
        vec![Diagnostic::error(self.span(), message)]
    }

    fn wanted(&self, what: &str) -> Vec<Diagnostic> {
        self.wrong(format!("this must be {what}, not {}", named(self.raw())))
    }

    pub(super) fn text(&self) -> Converted<String> {
        self.raw().as_str().map(str::to_owned).ok_or_else(|| self.wanted("a string"))
    }

    pub(super) fn boolean(&self) -> Converted<bool> {
        self.raw().as_bool().ok_or_else(|| self.wanted("true or false"))
    }

    /// A whole number that is not negative.
    pub(super) fn number(&self) -> Converted<u64> {
        let integer = self.raw().as_integer().ok_or_else(|| self.wanted("a whole number"))?;
        let number = u64::from_str_radix(integer.as_str(), integer.radix());
        number.map_err(|_| self.wrong("this number is negative or too large"))
    }

    /// A string that is the text of something.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&self) -> Converted<T> {
        self.text()?.parse().map_err(|error: T::Err| self.wrong(error.to_string()))
    }

    /// One of these words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Converted<T> {
        let text = self.text()?;
        let found = choices.iter().find(|(name, _)| *name == text);
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            let wrong = Diagnostic::error(self.span(), format!("`{text}` is not known here"));
            vec![wrong.with_help(suggestion(&text, &names))]
        })
    }

    /// A list; the mistakes of all its values are collected.
    pub(super) fn list<T>(&self, mut convert: impl FnMut(Self) -> Converted<T>) -> Converted<Vec<T>> {
        let array = self.raw().as_array().ok_or_else(|| self.wanted("a list"))?;
        let (mut values, mut mistakes) = (Vec::new(), Vec::new());
        for value in array.iter() {
            match convert(Value(value)) {
                Ok(value) => values.push(value),
                Err(more) => mistakes.extend(more),
            }
        }
        if mistakes.is_empty() { Ok(values) } else { Err(mistakes) }
    }

    /// A table with free keys, such as `rows`.
    pub(super) fn map<T>(&self, mut convert: impl FnMut(&str, Self) -> Converted<T>) -> Converted<Vec<T>> {
        self.map_with_keys(|key, _, value| convert(key, value))
    }

    /// The same with the place of each key.
    pub(super) fn map_with_keys<T>(
        &self,
        mut convert: impl FnMut(&str, Range<usize>, Self) -> Converted<T>,
    ) -> Converted<Vec<T>> {
        let table = self.as_table().ok_or_else(|| self.wanted("a table"))?;
        let (mut values, mut mistakes) = (Vec::new(), Vec::new());
        for (key, value) in table {
            match convert(key.get_ref(), key.span(), Value(value)) {
                Ok(value) => values.push(value),
                Err(more) => mistakes.extend(more),
            }
        }
        if mistakes.is_empty() { Ok(values) } else { Err(mistakes) }
    }

    /// A table with this key and no other, such as `{ table = "x" }`.
    pub(super) fn single_key<T>(&self, key: &'static str, convert: impl FnOnce(Self) -> Converted<T>) -> Converted<T> {
        let mistakes = Mistakes::default();
        let table = self.as_table().ok_or_else(|| self.wanted("a table"))?;
        let section = Section::new(table, self.span(), &mistakes);
        let value = section.required(key, convert);
        section.finish();
        value.filter(|_| mistakes.is_empty()).ok_or_else(|| mistakes.into_sorted())
    }

    /// The value as a section with keys of its own.
    pub(super) fn section<'m>(&self, mistakes: &'m Mistakes) -> Converted<Section<'a, 'm>> {
        let table = self.as_table().ok_or_else(|| self.wanted("a table"))?;
        Ok(Section::new(table, self.span(), mistakes))
    }
}

fn named(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// One table of the document, and which of its keys somebody has asked for.
pub(super) struct Section<'a, 'm> {
    table: &'a DeTable<'a>,
    span: Range<usize>,
    asked: RefCell<Vec<&'static str>>,
    pub(super) mistakes: &'m Mistakes,
}

impl<'a, 'm> Section<'a, 'm> {
    fn new(table: &'a DeTable<'a>, span: Range<usize>, mistakes: &'m Mistakes) -> Self {
        Self { table, span, asked: RefCell::default(), mistakes }
    }

    /// The whole document.
    pub(super) fn root(parsed: &'a Parsed<'a>, mistakes: &'m Mistakes) -> Self {
        Self::new(parsed.get_ref(), 0..0, mistakes)
    }

    /// Where it stands: its header or its braces.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// A value that may be missing.
    pub(super) fn value(&self, key: &'static str) -> Option<Value<'a>> {
        self.asked.borrow_mut().push(key);
        self.table.get(key).map(Value)
    }

    /// Where a key's value stands, without asking for it.
    pub(super) fn span_of(&self, key: &str) -> Option<Range<usize>> {
        self.table.get(key).map(Spanned::span)
    }

    /// A value that may be missing, converted.
    pub(super) fn read<T>(&self, key: &'static str, convert: impl FnOnce(Value<'a>) -> Converted<T>) -> Option<T> {
        match convert(self.value(key)?) {
            Ok(value) => Some(value),
            Err(mistakes) => {
                mistakes.into_iter().for_each(|mistake| self.mistakes.add(mistake));
                None
            }
        }
    }

    /// A value that must be there.
    pub(super) fn required<T>(&self, key: &'static str, convert: impl FnOnce(Value<'a>) -> Converted<T>) -> Option<T> {
        if !self.table.contains_key(key) {
            self.asked.borrow_mut().push(key);
            self.mistakes.add(Diagnostic::error(self.span(), format!("`{key}` is missing")));
            return None;
        }
        self.read(key, convert)
    }

    /// A table below this one.
    pub(super) fn section(&self, key: &'static str) -> Option<Self> {
        self.read(key, |value| value.section(self.mistakes))
    }

    /// An array of tables: `[[key]]`.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Self> {
        self.read(key, |value| value.list(|value| value.section(self.mistakes))).unwrap_or_default()
    }

    /// Tables below a table, by name: `[key.NAME]`.
    pub(super) fn named_sections<T>(&self, key: &'static str, read: impl Fn(&str, &Self) -> T) -> Vec<T> {
        let convert = |value: Value<'a>| {
            value.map(|name, value| value.section(self.mistakes).map(|section| read(name, &section)))
        };
        self.read(key, convert).unwrap_or_default()
    }

    /// All keys have been asked for: what is left over is a mistake.
    pub(super) fn finish(&self) {
        let asked = self.asked.borrow();
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if !asked.contains(&name) {
                let unknown = Diagnostic::error(key.span(), format!("unknown key `{name}`"));
                self.mistakes.add(unknown.with_help(suggestion(name, &asked)));
            }
        }
    }
}

/// The known word that was most likely meant, or all of them.
pub(crate) fn suggestion(word: &str, known: &[&str]) -> String {
    let mut known = known.to_vec();
    known.sort_unstable();
    known.dedup();
    let list = known.join(", ");
    let near = known.iter().map(|one| (strsim::osa_distance(word, one), one)).min();
    match near {
        Some((distance, one)) if distance <= 1 + word.chars().count() / 4 => {
            format!("did you mean `{one}`? known: {list}")
        }
        _ if known.is_empty() => "nothing is known here".to_owned(),
        _ => format!("known: {list}"),
    }
}
