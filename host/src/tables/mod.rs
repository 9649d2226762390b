//! Lookup tables. One file per type.

/// It is not known whether the table has a row: never the same as "not found".
#[derive(Clone, Debug, thiserror::Error)]
#[error("table {table}: {reason}")]
pub struct TableError {
    /// Name in `[tables]`.
    pub table: String,
    /// What went wrong.
    pub reason: String,
}

/// A table that filters and the relay can ask.
pub trait Table: Send + Sync {
    /// The value of a key; folding is the table's business.
    fn lookup(&self, key: &str) -> Result<Option<String>, TableError>;

    /// Whether its rows are patterns (regexp, pcre, cidr), which see whole keys only.
    fn has_patterns(&self) -> bool;
}
