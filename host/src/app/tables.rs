//! `[tables]`: each entry opened.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use crate::{
    config::{Config, Diagnostic, TableEntry},
    tables::{self, Kind, Loaded, OpenError, Table},
};

/// By name.
pub(super) type Tables = BTreeMap<String, Arc<dyn Table>>;

/// Open all tables; what is wrong with any of them goes to `errors`.
pub(super) fn open(config: &Config, errors: &mut Vec<Diagnostic>, warnings: &mut Vec<Diagnostic>) -> Tables {
    let mut opened = Tables::new();
    for entry in &config.tables {
        let others = |name: &str| opened.get(name).cloned();
        let loaded = tables::open(&entry.kind, &others).or_else(|error| {
            errors.push(mistake(entry, &error));
            // In its place, so that those who name it have nothing to complain of.
            tables::open(&Kind::Fail(error.to_string()), &others)
        });
        let Ok(Loaded { table, warnings: lines }) = loaded else { continue };
        if let Kind::Text(path) | Kind::Regexp(path) | Kind::Pcre(path) | Kind::Cidr(path) = &entry.kind {
            let warning = |line: tables::Warning| Diagnostic::warning_elsewhere(path.clone(), line.line, line.message);
            warnings.extend(lines.into_iter().map(warning));
        }
        opened.insert(entry.name.clone(), table);
    }
    opened
}

fn mistake(entry: &TableEntry, error: &OpenError) -> Diagnostic {
    let mistake = Diagnostic::error(entry.span.clone(), format!("table `{}`: {error}", entry.name));
    let build = |path: &Path, options: &str| format!("it is made by: mailweir table build {options}{}", path.display());
    match &entry.kind {
        Kind::Cdb(path) if path.is_file() => mistake.with_help(build(path, "")),
        Kind::Lmdb(path) if path.is_file() => mistake.with_help(build(path, "--type lmdb ")),
        _ => mistake,
    }
}
