//! Lookup tables. One file per type.

mod inline;
mod text;

use std::{io, path::PathBuf};

pub use inline::Inline;
pub use text::{Text, TextWarning};

/// It is not known whether the table has a row: never the same as "not found". A filter that meets it fails, and the message is
/// deferred.
#[derive(Clone, Debug, thiserror::Error)]
#[error("table {table}: {reason}")]
pub struct TableError {
    /// Name in `[tables]`.
    pub table: String,
    /// What went wrong.
    pub reason: String,
}

/// A table can't be opened: the relay does not start.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}", path = path.display())]
pub struct OpenError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub error: io::Error,
}

/// A table that filters and the relay can ask.
pub trait Table: Send + Sync {
    /// The value of a key; folding is the table's business.
    fn lookup(&self, key: &str) -> Result<Option<String>, TableError>;

    /// Whether its rows are patterns (regexp, pcre, cidr), which see whole keys only.
    fn has_patterns(&self) -> bool {
        false
    }
}
