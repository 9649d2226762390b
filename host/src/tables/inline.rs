//! `inline`: rows that stand in the TOML itself.

use std::collections::HashMap;

use super::{Table, TableError};

/// Rows in memory; keys are folded to lower case.
#[derive(Debug)]
pub struct Inline(HashMap<String, String>);

impl Inline {
    /// A table of these rows.
    pub fn new(rows: &[(String, String)]) -> Self {
        Self(rows.iter().map(|(key, value)| (key.to_lowercase(), value.clone())).collect())
    }
}

impl Table for Inline {
    fn lookup(&self, key: &str) -> Result<Option<String>, TableError> {
        Ok(self.0.get(&key.to_lowercase()).cloned())
    }
}
