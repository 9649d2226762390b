//! `[tables]`: lookup tables by name.

use std::{ops::Range, path::PathBuf};

use super::{
    diagnostic::{Diagnostic, Source},
    reader::{Section, Value, suggestion},
};

/// One entry of `[tables]`.
#[derive(Debug)]
pub struct TableEntry {
    /// Its key.
    pub name: String,
    /// Where it stands in the file.
    pub span: Range<usize>,
    /// What it is.
    pub kind: TableKind,
}

/// Table types.
#[derive(Debug)]
pub enum TableKind {
    /// `text`: a file in the source format of postmap(1), read into memory.
    Text(PathBuf),
    /// `inline`: rows in the TOML itself.
    Inline(Vec<(String, String)>),
}

/// The mistake of naming a table that isn't there.
pub(super) fn missing_table(name: &str, tables: &[TableEntry], span: Range<usize>) -> Option<Diagnostic> {
    let known: Vec<_> = tables.iter().map(|table| table.name.as_str()).collect();
    let missing = Diagnostic::error(span, format!("there is no table `{name}` in [tables]"));
    (!known.contains(&name)).then(|| missing.with_help(suggestion(name, &known)))
}

const TYPES: [&str; 2] = ["inline", "text"];

pub(super) fn read(root: &Section<'_, '_>, source: &Source) -> Vec<TableEntry> {
    let tables = root.named_sections("tables", |name, section| {
        let kind = section.required("type", |value| value.text()).and_then(|kind| match kind.as_str() {
            "text" => section.required("path", |value| Ok(TableKind::Text(source.resolve(&value.text()?)))),
            "inline" => section.required("rows", rows).map(TableKind::Inline),
            other => {
                let span = section.span_of("type").unwrap_or_else(|| section.span());
                let wrong = Diagnostic::error(span, format!("there is no table type `{other}`"));
                section.mistakes.add(wrong.with_help(suggestion(other, &TYPES)));
                // What else stands here belongs to a type that isn't known.
                section.value("path");
                section.value("rows");
                None
            }
        });
        section.finish();
        let span = section.span_of("path").unwrap_or_else(|| section.span());
        kind.map(|kind| TableEntry { name: name.to_owned(), span, kind })
    });
    tables.into_iter().flatten().collect()
}

fn rows(value: Value<'_>) -> super::reader::Converted<Vec<(String, String)>> {
    value.map(|key, value| match value.text()? {
        text if text.trim().is_empty() => Err(value.wrong("a value must not be empty")),
        text => Ok((key.to_owned(), text)),
    })
}
