//! Rows that make something else of their own results: mail that comes again, from a loop or a list, gets another address then.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;

use super::{
    advice::{at, each_row},
    tables::Tables,
};
use crate::{
    config::{Diagnostic, Severity, StageEntry, TableEntry},
    tables::Table,
};

/// As many rows as canonical follows.
const MOST_ROUNDS: usize = 10;

/// Lists of tables that an address goes through, one after the other.
struct Way<'a> {
    /// Their keys in the stage's `config`.
    lists: &'static [&'static str],
    tables: Vec<Vec<&'a Arc<dyn Table>>>,
    /// Whether a result is looked up again.
    recursive: bool,
}

impl<'a> Way<'a> {
    fn new(lists: &'static [&'static str], recursive: bool, config: &Value, tables: &'a Tables) -> Self {
        // Tables of patterns can't be walked; what they would say is not known here.
        let fixed = |list: &str| -> Vec<_> {
            let tables = names(config, list).filter_map(|name| tables.get(name));
            tables.filter(|table| !table.has_patterns()).collect()
        };
        Self { lists, tables: lists.iter().map(|list| fixed(list)).collect(), recursive }
    }

    /// What becomes of an address, as far as rows for the whole of it say.
    fn follow(&self, address: &str) -> String {
        let mut address = address.to_owned();
        for list in &self.tables {
            for _ in 0..if self.recursive { MOST_ROUNDS } else { 1 } {
                let Some(value) = list.iter().find_map(|table| table.lookup(&address).ok().flatten()) else { break };
                // Rule M1: `@domain` keeps the local part.
                let local = address.rsplit_once('@').map_or(address.as_str(), |(local, _)| local);
                address = if value.starts_with('@') { format!("{local}{value}") } else { value };
            }
        }
        address
    }
}

/// The tables that a list in a stage's `config` names.
fn names<'a>(config: &'a Value, list: &str) -> impl Iterator<Item = &'a str> {
    config.get(list).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Look at the rows of canonical, of which senders and recipients go different ways.
pub(super) fn of_canonical(
    stage: &StageEntry,
    entries: &[&TableEntry],
    tables: &Tables,
    warnings: &mut Vec<Diagnostic>,
) {
    for lists in [&["sender", "both"], &["recipient", "both"]] {
        look(stage, &Way::new(lists, true, &stage.config, tables), entries, tables, warnings);
    }
}

/// Look at the rows of generic.
pub(super) fn of_generic(stage: &StageEntry, entries: &[&TableEntry], tables: &Tables, warnings: &mut Vec<Diagnostic>) {
    look(stage, &Way::new(&["tables"], false, &stage.config, tables), entries, tables, warnings);
}

fn look(stage: &StageEntry, way: &Way<'_>, entries: &[&TableEntry], tables: &Tables, warnings: &mut Vec<Diagnostic>) {
    let asked: BTreeSet<&str> = way.lists.iter().flat_map(|list| names(&stage.config, list)).collect();
    let entries: Vec<_> = entries.iter().copied().filter(|entry| asked.contains(entry.name.as_str())).collect();
    each_row(&entries, tables, |entry, key, _, line| {
        // Parts of addresses and patterns are no addresses that could come again.
        if !key.contains('@')
            || key.starts_with('@')
            || tables.get(&entry.name).is_none_or(|table| table.has_patterns())
        {
            return;
        }
        let once = way.follow(key);
        let twice = way.follow(&once);
        if !once.eq_ignore_ascii_case(&twice) {
            let message = format!(
                "stage `{}`: `{key}` becomes `{once}`, and that becomes `{twice}` when it comes again",
                stage.name
            );
            let told = at(entry, line, Severity::Warning, message);
            if !warnings.iter().any(|warning| warning.message == told.message) {
                warnings
                    .push(told.with_help(format!("write `{twice}` as the result, or leave out the row of `{once}`")));
            }
        }
    });
}
