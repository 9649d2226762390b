//! `lmdb`: a Lightning Memory-Mapped Database as postmap(1) makes it: one file, no sub-directory, keys and values ended by a NUL.
//!
//! Builders write into the same file in one transaction, which a reader sees whole or not at all; so there is nothing to open again.

use std::{path::Path, sync::Arc};

use heed::{Database, Env, EnvFlags, EnvOpenOptions, WithoutTls, types::Bytes};

use super::{Loaded, OpenError, Table, TableError, TableRow, source::fold};

/// Address space for a table; the file grows with its content only.
pub(super) const LARGEST: usize = 64 << 30;

/// A file that is asked through the page cache.
pub(super) struct Lmdb {
    env: Env<WithoutTls>,
    rows: Database<Bytes, Bytes>,
}

impl Lmdb {
    /// Open a file.
    pub(super) fn open(path: &Path) -> Result<Loaded, OpenError> {
        let failed = |error: heed::Error| OpenError::new(path, error.to_string());
        if !path.is_file() {
            return Err(OpenError::new(path, "there is no such file"));
        }
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(LARGEST);
        // SAFETY: the file is mapped; whoever writes it does so through LMDB, which never changes pages that a reader sees. Without
        // lock file as in Postfix, so that both can read what the other has built.
        let env = unsafe { options.flags(EnvFlags::NO_SUB_DIR | EnvFlags::READ_ONLY | EnvFlags::NO_LOCK).open(path) };
        let env = env.map_err(failed)?;
        let transaction = env.read_txn().map_err(failed)?;
        let rows = env.open_database(&transaction, None).map_err(failed)?;
        let rows = rows.ok_or_else(|| OpenError::new(path, "this database has no rows that could be looked up"))?;
        drop(transaction);
        Ok(Loaded { table: Arc::new(Self { env, rows }), warnings: vec![] })
    }
}

fn failed(error: &heed::Error) -> TableError {
    TableError(error.to_string())
}

fn without_nul(octets: &[u8]) -> &[u8] {
    octets.strip_suffix(b"\0").unwrap_or(octets)
}

impl Table for Lmdb {
    fn lookup(&self, key: &str) -> Result<Option<String>, TableError> {
        let transaction = self.env.read_txn().map_err(|error| failed(&error))?;
        let mut octets = fold(key).as_bytes().to_vec();
        octets.push(0);
        let get = |key: &[u8]| self.rows.get(&transaction, key).map_err(|error| failed(&error));
        // Tables that others made may do without the NUL.
        let found = match get(&octets)? {
            Some(value) => Some(value),
            None if octets.len() > 1 => get(without_nul(&octets))?,
            None => None,
        };
        let text = |value: &[u8]| String::from_utf8(without_nul(value).to_vec());
        found.map(|value| text(value).map_err(|_| TableError(format!("the value of `{key}` is not UTF-8")))).transpose()
    }

    fn rows(&self, visit: &mut dyn FnMut(TableRow<'_>)) -> Result<bool, TableError> {
        let transaction = self.env.read_txn().map_err(|error| failed(&error))?;
        for row in self.rows.iter(&transaction).map_err(|error| failed(&error))? {
            let (key, value) = row.map_err(|error| failed(&error))?;
            let text = |octets| String::from_utf8_lossy(without_nul(octets));
            visit(TableRow { key: &text(key), value: &text(value), line: None });
        }
        Ok(true)
    }
}
