//! `[tables]`: lookup tables by name.

use std::ops::Range;

use super::{
    diagnostic::{Diagnostic, Source},
    reader::{Converted, Section, Value, suggestion},
};
use crate::tables::{Kind, TYPES};

/// One entry of `[tables]`.
#[derive(Debug)]
pub struct TableEntry {
    /// Its key.
    pub name: String,
    /// Where it stands in the file.
    pub span: Range<usize>,
    /// What it is.
    pub kind: Kind,
}

/// The mistake of naming a table that isn't there.
pub(super) fn missing_table(name: &str, tables: &[TableEntry], span: Range<usize>) -> Option<Diagnostic> {
    let known: Vec<_> = tables.iter().map(|table| table.name.as_str()).collect();
    let missing = Diagnostic::error(span, format!("there is no table `{name}` in [tables]"));
    (!known.contains(&name)).then(|| missing.with_help(suggestion(name, &known)))
}

/// Tables in the order in which they can be opened: those that others are made of come first.
pub(super) fn read(root: &Section<'_, '_>, source: &Source) -> Vec<TableEntry> {
    let tables = root.named_sections("tables", |name, section| {
        let kind = section.required("type", |value| value.text()).and_then(|kind| kind_of(&kind, section, source));
        section.finish();
        let places = ["path", "tables", "rows", "value"].into_iter();
        let span = places.filter_map(|key| section.span_of(key)).next().unwrap_or_else(|| section.span());
        kind.map(|kind| TableEntry { name: name.to_owned(), span, kind })
    });
    in_order(tables.into_iter().flatten().collect(), root)
}

fn kind_of(name: &str, section: &Section<'_, '_>, source: &Source) -> Option<Kind> {
    let Some(info) = TYPES.iter().find(|info| info.name == name) else {
        let names: Vec<_> = TYPES.iter().map(|info| info.name).collect();
        let span = section.span_of("type").unwrap_or_else(|| section.span());
        let wrong = Diagnostic::error(span, format!("there is no table type `{name}`"));
        section.mistakes.add(wrong.with_help(suggestion(name, &names)));
        // What else stands here belongs to a type that isn't known.
        for info in TYPES {
            section.value(info.argument);
        }
        return None;
    };
    match info.argument {
        "path" => section.required("path", |value| {
            let path = source.resolve(&value.text()?);
            Kind::of_file(name, &path).ok_or_else(|| value.wrong("this type has no file"))
        }),
        "rows" => section.required("rows", rows).map(Kind::Inline),
        "value" => {
            let value = section.required("value", |value| value.text())?;
            Some(if name == "static" { Kind::Static(value) } else { Kind::Fail(value) })
        }
        _ => {
            let tables = section.required("tables", |value| value.list(|value| value.text()))?;
            Some(if name == "union" { Kind::Union(tables) } else { Kind::Pipe(tables) })
        }
    }
}

fn rows(value: Value<'_>) -> Converted<Vec<(String, String)>> {
    value.map(|key, value| match value.text()? {
        text if text.trim().is_empty() => Err(value.wrong("a value must not be empty")),
        text => Ok((key.to_owned(), text)),
    })
}

/// The tables that one is made of.
fn parts(kind: &Kind) -> &[String] {
    match kind {
        Kind::Union(names) | Kind::Pipe(names) => names,
        _ => &[],
    }
}

fn in_order(mut waiting: Vec<TableEntry>, root: &Section<'_, '_>) -> Vec<TableEntry> {
    for table in &waiting {
        let missing = parts(&table.kind).iter().filter_map(|name| missing_table(name, &waiting, table.span.clone()));
        missing.for_each(|missing| root.mistakes.add(missing));
    }
    let mut ready: Vec<TableEntry> = Vec::new();
    loop {
        let is_ready =
            |table: &TableEntry| parts(&table.kind).iter().all(|name| ready.iter().any(|other| other.name == *name));
        let (next, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_ready);
        if next.is_empty() {
            // What is left is made of itself, or of what isn't there, which has been told.
            let circular = rest
                .iter()
                .filter(|table| parts(&table.kind).iter().all(|name| rest.iter().any(|other| other.name == *name)));
            for table in circular {
                let wrong = Diagnostic::error(table.span.clone(), format!("table `{}` is made of itself", table.name));
                root.mistakes.add(wrong.with_help("tables of a union or pipe must come to an end somewhere"));
            }
            return ready;
        }
        ready.extend(next);
        waiting = rest;
    }
}

/// The name of a table that there is.
pub(super) fn known_table(value: Value<'_>, tables: &[TableEntry]) -> Converted<String> {
    let name = value.text()?;
    missing_table(&name, tables, value.span()).map_or(Ok(name), |missing| Err(vec![missing]))
}
