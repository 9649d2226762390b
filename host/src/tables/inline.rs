//! `inline`: rows that stand in the TOML itself.

use std::collections::BTreeMap;

use super::{Table, TableError, TableRow, source::fold};

/// Rows in memory; keys are folded to lower case.
#[derive(Debug)]
pub(super) struct Inline(BTreeMap<String, String>);

impl Inline {
    /// A table of these rows.
    pub(super) fn new(rows: &[(String, String)]) -> Self {
        Self(rows.iter().map(|(key, value)| (fold(key).into_owned(), value.clone())).collect())
    }
}

impl Table for Inline {
    fn lookup(&self, key: &str) -> Result<Option<String>, TableError> {
        Ok(self.0.get(&*fold(key)).cloned())
    }

    fn rows(&self, visit: &mut dyn FnMut(TableRow<'_>)) -> Result<bool, TableError> {
        self.0.iter().for_each(|(key, value)| visit(TableRow { key, value, line: None }));
        Ok(true)
    }
}
