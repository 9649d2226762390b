//! `[tables]`: each entry opened.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    config::{Config, Diagnostic, TableKind},
    tables::{Inline, Table, Text},
};

/// By name.
pub(super) type Tables = BTreeMap<String, Arc<dyn Table>>;

pub(super) fn open(config: &Config, errors: &mut Vec<Diagnostic>, warnings: &mut Vec<Diagnostic>) -> Tables {
    let mut tables = Tables::new();
    for entry in &config.tables {
        let table: Arc<dyn Table> = match &entry.kind {
            TableKind::Inline(rows) => Arc::new(Inline::new(rows)),
            TableKind::Text(path) => match Text::open(path) {
                Ok(table) => {
                    let warning = |warning: &crate::tables::TextWarning| {
                        Diagnostic::warning_elsewhere(path.clone(), warning.line, warning.message.clone())
                    };
                    warnings.extend(table.warnings.iter().map(warning));
                    Arc::new(table)
                }
                Err(error) => {
                    errors.push(Diagnostic::error(entry.span.clone(), format!("table `{}`: {error}", entry.name)));
                    continue;
                }
            },
        };
        tables.insert(entry.name.clone(), table);
    }
    tables
}
