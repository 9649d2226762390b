//! `lmdb`: a Lightning Memory-Mapped Database as postmap(1) makes it: one file, no sub-directory, keys and values ended by a NUL.
//!
//! Builders write into the same file in one transaction, which a reader sees whole or not at all; so there is nothing to open again.

use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use heed::{Database, Env, EnvFlags, EnvOpenOptions, WithoutTls, types::Bytes};

use super::{Loaded, OpenError, Table, TableError, TableRow, source::fold};

/// Address space for a table; the file grows with its content only.
pub(super) const LARGEST: usize = 64 << 30;

/// Tables that are open. LMDB forbids that a process opens a file twice, and a configuration that is read again has the same tables.
static OPEN: Mutex<BTreeMap<PathBuf, Weak<Lmdb>>> = Mutex::new(BTreeMap::new());

/// A file that is asked through the page cache.
pub(super) struct Lmdb {
    /// Device and number of the file.
    file: (u64, u64),
    env: Env<WithoutTls>,
    rows: Database<Bytes, Bytes>,
}

impl Lmdb {
    /// Open a file.
    pub(super) fn open(path: &Path) -> Result<Loaded, OpenError> {
        let failed = |error: heed::Error| OpenError::new(path, error.to_string());
        let metadata = fs::metadata(path).ok().filter(Metadata::is_file);
        let metadata = metadata.ok_or_else(|| OpenError::new(path, "there is no such file"))?;
        let file = (metadata.dev(), metadata.ino());
        let place = fs::canonicalize(path).map_err(|error| OpenError::new(path, error.to_string()))?;
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, table| table.strong_count() > 0);
        if let Some(table) = open.get(&place).and_then(Weak::upgrade).filter(|table| table.file == file) {
            return Ok(Loaded { table, warnings: vec![] });
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
        let table = Arc::new(Self { file, env, rows });
        open.insert(place, Arc::downgrade(&table));
        Ok(Loaded { table, warnings: vec![] })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{Compiled, build};

    #[test]
    fn a_table_can_be_open_twice() {
        let folder = tempfile::tempdir().expect("a folder");
        let source = folder.path().join("t");
        fs::write(&source, "a 1\n").expect("written");
        build(&source, Compiled::Lmdb, &mut |_, _| {}).expect("built");
        let path = folder.path().join("t.lmdb");
        let tables = [Lmdb::open(&path).expect("open"), Lmdb::open(&path).expect("open again")];
        for loaded in tables {
            assert_eq!(loaded.table.lookup("a").expect("asked"), Some("1".to_owned()));
        }
        assert!(Lmdb::open(&path).is_ok(), "and after both are closed");
    }
}
