//! What can't be meant, for the stock filters: rows of their tables that don't mean what their author thinks, and files for which
//! there is no folder. Only tables that lie in memory are walked: those of millions of rows are not held up by it.

use std::{collections::BTreeSet, sync::Arc};

use super::{access, fixpoints, tables::Tables};
use crate::{
    config::{Config, Diagnostic, Plugin, Severity, StageEntry, TableEntry},
    tables::{Kind, Table},
};

/// As many rows as canonical follows.
const MOST_ROUNDS: usize = 10;

/// Look at the tables of all stages.
pub(super) fn look(config: &Config, tables: &Tables, errors: &mut Vec<Diagnostic>, warnings: &mut Vec<Diagnostic>) {
    if let Some((address, span)) = &config.admin
        && !address.ip().is_loopback()
    {
        let open = format!("{address} may be reached from elsewhere, and asks for no password");
        let open = Diagnostic { severity: Severity::Warning, ..Diagnostic::error(span.clone(), open) };
        warnings.push(open.with_help("an address such as \"127.0.0.1:9925\", or a firewall before this one"));
    }
    for stage in &config.stages {
        let entries: Vec<_> = config.tables.iter().filter(|entry| stage.tables.contains(&entry.name)).collect();
        match &stage.plugin {
            Plugin::Stock(name) if name == "canonical" => {
                let before = errors.len();
                circles(stage, &entries, tables, errors);
                if errors.len() == before {
                    fixpoints::of_canonical(stage, &entries, tables, warnings);
                }
            }
            Plugin::Stock(name) if name == "generic" => fixpoints::of_generic(stage, &entries, tables, warnings),
            Plugin::Stock(name) if name == "attachments" => nowhere_to_save(stage, errors),
            _ if access::is(stage) => access::look(stage, &entries, tables, errors, warnings),
            Plugin::Stock(_) | Plugin::File(_) => {}
        }
    }
}

/// Attachments that are to be saved and can't be: each message with one would be deferred.
fn nowhere_to_save(stage: &StageEntry, errors: &mut Vec<Diagnostic>) {
    let saves = |value: &serde_json::Value| value["save"] != false;
    let rules = stage.config["rules"].as_array();
    let any = saves(&stage.config) || rules.is_some_and(|rules| rules.iter().any(saves));
    if stage.files.is_none() && any {
        let message = format!("stage `{}` saves attachments and may write nowhere", stage.name);
        let wrong = Diagnostic::error(stage.plugin_span.clone(), message);
        errors.push(
            wrong.with_help("`files = \"DIR\"` grants it a folder; or `save = false`, in `config` and in each rule"),
        );
    }
}

/// Rows of the tables of a stage that lie in memory, with the entry that each belongs to.
pub(super) fn each_row(
    entries: &[&TableEntry],
    tables: &Tables,
    mut visit: impl FnMut(&TableEntry, &str, &str, Option<usize>),
) {
    for entry in entries {
        let in_memory =
            matches!(entry.kind, Kind::Text(_) | Kind::Inline(_) | Kind::Regexp(_) | Kind::Pcre(_) | Kind::Cidr(_));
        if let Some(table) = tables.get(&entry.name).filter(|_| in_memory) {
            // A table that can't be walked has nothing to tell.
            drop(table.rows(&mut |row| visit(entry, row.key, row.value, row.line)));
        }
    }
}

/// The row's place in its file, or the table's in the configuration.
pub(super) fn at(entry: &TableEntry, line: Option<usize>, severity: Severity, message: String) -> Diagnostic {
    let elsewhere = match (&entry.kind, line) {
        (Kind::Text(path) | Kind::Regexp(path) | Kind::Pcre(path) | Kind::Cidr(path), Some(line)) => {
            Some((path.clone(), line))
        }
        _ => None,
    };
    Diagnostic { severity, elsewhere, ..Diagnostic::error(entry.span.clone(), message) }
}

/// Rows that lead back to themselves: canonical would defer every message with such an address (trap 10).
fn circles(stage: &StageEntry, entries: &[&TableEntry], tables: &Tables, errors: &mut Vec<Diagnostic>) {
    let asked: Vec<&Arc<dyn Table>> = entries.iter().filter_map(|entry| tables.get(&entry.name)).collect();
    let fixed: Vec<_> = asked.into_iter().filter(|table| !table.has_patterns()).collect();
    let next = |key: &str| fixed.iter().find_map(|table| table.lookup(key).ok().flatten());
    let mut told = BTreeSet::new();
    each_row(entries, tables, |entry, key, value, line| {
        if value.eq_ignore_ascii_case(key)
            || told.contains(&key.to_lowercase())
            || matches!(entry.kind, Kind::Regexp(_) | Kind::Pcre(_) | Kind::Cidr(_))
        {
            return;
        }
        let mut way = vec![key.to_owned(), value.to_owned()];
        while way.len() <= MOST_ROUNDS
            && let Some(value) = way.last().and_then(|last| next(last))
        {
            let back = value.eq_ignore_ascii_case(key);
            way.push(value);
            if back {
                let message =
                    format!("stage `{}`: rows of its tables go in a circle: {}", stage.name, way.join(" -> "));
                errors.push(at(entry, line, Severity::Error, message));
                told.extend(way.iter().map(|key| key.to_lowercase()));
                return;
            }
        }
    });
}
