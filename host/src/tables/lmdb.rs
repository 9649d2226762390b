//! `lmdb`: a Lightning Memory-Mapped Database as postmap(1) makes it: one file, no sub-directory, keys and values ended by a NUL.
//!
//! Builders write into the same file in one transaction, which a reader sees whole or not at all. A file that took the place of another
//! has to be opened anew.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::{fd::AsRawFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock, Weak},
};

use heed::{Database, Env, EnvFlags, EnvOpenOptions, WithoutTls, types::Bytes};

use super::{Loaded, OpenError, Table, TableError, TableRow, source::fold};

/// Address space for a table; the file grows with its content only.
pub(super) const LARGEST: usize = 64 << 30;

/// Tables that are open, by the paths that heed knows them by: it opens none twice, and a configuration that is read again has the same
/// tables.
static OPEN: Mutex<BTreeMap<PathBuf, Weak<Lmdb>>> = Mutex::new(BTreeMap::new());

/// A table; none while its file can't be opened.
pub(super) struct Lmdb(RwLock<Option<Opened>>);

/// A file that is asked through the page cache.
struct Opened {
    file: File,
    env: Env<WithoutTls>,
    rows: Database<Bytes, Bytes>,
}

impl Opened {
    /// Open the database at `path`, which is this file.
    fn new(path: &Path, file: File) -> Result<Self, OpenError> {
        let failed = |error: heed::Error| OpenError::new(path, error.to_string());
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
        Ok(Self { file, env, rows })
    }

    /// By a name that it has as long as it is open, whatever became of its path.
    fn again(file: File) -> Result<Self, OpenError> {
        Self::new(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd())), file)
    }
}

/// Device and number.
fn identity(file: &File) -> Option<(u64, u64)> {
    file.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

impl Lmdb {
    /// Open a file, or the one that took its place; all who have the table see it then.
    pub(super) fn open(path: &Path) -> Result<Loaded, OpenError> {
        let failed = |error| OpenError::io(path, error);
        let file = File::open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(OpenError::new(path, "this is no file"));
        }
        let place = fs::canonicalize(path).map_err(failed)?;
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, table| table.strong_count() > 0);
        if let Some(table) = open.get(&place).and_then(Weak::upgrade) {
            table.renew(path, file)?;
            return Ok(Loaded { table, warnings: vec![] });
        }
        let table = Arc::new(Self(RwLock::new(Some(Opened::new(path, file)?))));
        open.insert(place, Arc::downgrade(&table));
        Ok(Loaded { table, warnings: vec![] })
    }

    /// Let another file be the table. If that can't be opened the old one goes on.
    fn renew(&self, path: &Path, file: File) -> Result<(), OpenError> {
        let mut opened = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if opened.as_ref().is_some_and(|opened| identity(&opened.file) == identity(&file)) {
            return Ok(());
        }
        // Closed first: heed opens no path twice.
        let old = opened.take().map(|opened| opened.file);
        match Opened::new(path, file) {
            Ok(new) => {
                *opened = Some(new);
                Ok(())
            }
            Err(error) => {
                *opened = old.and_then(|old| Opened::again(old).ok());
                Err(error)
            }
        }
    }

    fn ask<T>(&self, question: impl FnOnce(&Opened) -> Result<T, TableError>) -> Result<T, TableError> {
        let opened = self.0.read().unwrap_or_else(PoisonError::into_inner);
        question(opened.as_ref().ok_or_else(|| TableError("its file can't be opened".to_owned()))?)
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
        self.ask(|opened| {
            let transaction = opened.env.read_txn().map_err(|error| failed(&error))?;
            let mut octets = fold(key).as_bytes().to_vec();
            octets.push(0);
            let get = |key: &[u8]| opened.rows.get(&transaction, key).map_err(|error| failed(&error));
            // Tables that others made may do without the NUL.
            let found = match get(&octets)? {
                Some(value) => Some(value),
                None if octets.len() > 1 => get(without_nul(&octets))?,
                None => None,
            };
            let text = |value: &[u8]| String::from_utf8(without_nul(value).to_vec());
            found
                .map(|value| text(value).map_err(|_| TableError(format!("the value of `{key}` is not UTF-8"))))
                .transpose()
        })
    }

    fn rows(&self, visit: &mut dyn FnMut(TableRow<'_>)) -> Result<bool, TableError> {
        self.ask(|opened| {
            let transaction = opened.env.read_txn().map_err(|error| failed(&error))?;
            for row in opened.rows.iter(&transaction).map_err(|error| failed(&error))? {
                let (key, value) = row.map_err(|error| failed(&error))?;
                let text = |octets| String::from_utf8_lossy(without_nul(octets));
                visit(TableRow { key: &text(key), value: &text(value), line: None });
            }
            Ok(true)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{Compiled, build};

    /// A table of one row, which takes the place of what is there.
    fn put(path: &Path, rows: &str) {
        let source = path.with_extension("");
        let beside = source.with_extension("new");
        fs::write(&beside, rows).expect("written");
        build(&beside, Compiled::Lmdb, &mut |_, _| {}).expect("built");
        fs::rename(beside.with_extension("new.lmdb"), path).expect("renamed");
    }

    fn value(table: &dyn Table) -> Option<String> {
        table.lookup("a").expect("asked")
    }

    #[test]
    fn a_table_can_be_open_twice() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.lmdb");
        put(&path, "a 1\n");
        let tables = [Lmdb::open(&path).expect("open"), Lmdb::open(&path).expect("open again")];
        for loaded in tables {
            assert_eq!(value(&*loaded.table).as_deref(), Some("1"));
        }
        assert!(Lmdb::open(&path).is_ok(), "and after both are closed");
    }

    #[test]
    fn a_file_that_took_the_place_of_another_is_opened_if_it_can_be() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.lmdb");
        put(&path, "a 1\n");
        let first = Lmdb::open(&path).expect("open").table;
        put(&path, "a 2\n");
        let second = Lmdb::open(&path).expect("open").table;
        assert_eq!([value(&*first), value(&*second)], [Some("2".to_owned()), Some("2".to_owned())]);
        for _ in 0..2 {
            fs::write(folder.path().join("broken"), "this is no database").expect("written");
            fs::rename(folder.path().join("broken"), &path).expect("renamed");
            assert!(Lmdb::open(&path).is_err());
            assert_eq!(value(&*first).as_deref(), Some("2"), "the old file is asked, which has no name any more");
        }
        put(&path, "a 3\n");
        assert!(Lmdb::open(&path).is_ok());
        assert_eq!(value(&*first).as_deref(), Some("3"));
    }
}
