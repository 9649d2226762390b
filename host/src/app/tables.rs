//! `[tables]`: each entry opened.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    config::{Config, Diagnostic},
    tables::{self, Kind, Loaded, Table},
};

/// By name.
pub(super) type Tables = BTreeMap<String, Arc<dyn Table>>;

/// Open all tables; what is wrong with any of them goes to `errors`.
pub(super) fn open(config: &Config, errors: &mut Vec<Diagnostic>, warnings: &mut Vec<Diagnostic>) -> Tables {
    let mut opened = Tables::new();
    for entry in &config.tables {
        let Loaded { table, warnings: lines } = match tables::open(&entry.kind, &|name| opened.get(name).cloned()) {
            Ok(loaded) => loaded,
            Err(error) => {
                errors.push(Diagnostic::error(entry.span.clone(), format!("table `{}`: {error}", entry.name)));
                continue;
            }
        };
        if let Kind::Text(path) | Kind::Regexp(path) | Kind::Pcre(path) | Kind::Cidr(path) = &entry.kind {
            let warning = |line: tables::Warning| Diagnostic::warning_elsewhere(path.clone(), line.line, line.message);
            warnings.extend(lines.into_iter().map(warning));
        }
        opened.insert(entry.name.clone(), table);
    }
    opened
}
