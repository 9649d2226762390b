//! Lookup tables. One file per type; `open` makes a table of a [`Kind`], `build` compiles text into files that open at once.

mod build;
mod cdb;
mod cidr;
mod combined;
mod constant;
mod inline;
mod kind;
mod lmdb;
mod open;
mod pattern;
mod reload;
mod rules;
mod source;
mod template;
mod text;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use build::{BuildError, Built, Compiled, build};
pub use kind::{Kind, TYPES, TypeInfo};
pub use open::{Others, open, open_for_many};

/// It is not known whether the table has a row: never the same as "not found". A filter that meets it fails, and the message is
/// deferred.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct TableError(pub String);

/// A table can't be opened: the relay does not start.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{path}: {reason}", path = path.display())]
pub struct OpenError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

impl OpenError {
    fn new(path: &Path, reason: impl Into<String>) -> Self {
        Self { path: path.to_owned(), reason: reason.into() }
    }

    fn io(path: &Path, error: io::Error) -> Self {
        Self::new(path, error.to_string())
    }
}

/// A line of a table's file that is not used as it stands, or that somebody should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Number of the line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

/// A table that has been opened.
pub struct Loaded {
    /// The table.
    pub table: Arc<dyn Table>,
    /// Lines that somebody should look at.
    pub warnings: Vec<Warning>,
}

impl Loaded {
    fn new(table: impl Table + 'static, warnings: Vec<Warning>) -> Self {
        Self { table: Arc::new(table), warnings }
    }
}

/// A row as a table keeps it.
#[derive(Clone, Copy, Debug)]
pub struct TableRow<'a> {
    /// Its key, or its pattern.
    pub key: &'a str,
    /// Its value.
    pub value: &'a str,
    /// Its line in the file, where that is known.
    pub line: Option<usize>,
}

/// A table that filters and the relay can ask.
pub trait Table: Send + Sync {
    /// The value of a key; folding is the table's business.
    fn lookup(&self, key: &str) -> Result<Option<String>, TableError>;

    /// Whether its rows are patterns (regexp, pcre, cidr), which see whole keys only.
    fn has_patterns(&self) -> bool {
        false
    }

    /// The line of the file that answers for a key, where that is known.
    fn line_of(&self, _key: &str) -> Option<usize> {
        None
    }

    /// Show all rows. False where a table has none that could be shown.
    fn rows(&self, _visit: &mut dyn FnMut(TableRow<'_>)) -> Result<bool, TableError> {
        Ok(false)
    }
}
