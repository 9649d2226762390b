//! Compiling the source format of postmap(1) into a file that opens at once, however large it is.

use std::{
    collections::{HashMap, hash_map::RandomState},
    fs::{self, File},
    hash::BuildHasher,
    io::{self, BufWriter, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use heed::{EnvFlags, EnvOpenOptions, PutFlags, types::Bytes};

use super::{
    Warning, cdb,
    lmdb::LARGEST,
    open::with_ending,
    source::{self, Row, fold},
};

/// What a table is compiled into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compiled {
    /// A constant database, up to 4 GiB.
    Cdb,
    /// LMDB, of any size.
    Lmdb,
}

/// A table that was compiled.
#[derive(Debug)]
pub struct Built {
    /// The file.
    pub path: PathBuf,
    /// Rows in it.
    pub rows: u64,
    /// Lines of the source that somebody should look at.
    pub warnings: Vec<Warning>,
}

/// A table could not be compiled; what was there before is still there.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file can't be read or written.
    #[error("{path}: {error}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// More than the format takes.
    #[error("{path}: more than 4 GiB, which cdb can't hold; build it with --type lmdb", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// LMDB refuses.
    #[error("{path}: {error}", path = path.display())]
    Lmdb {
        /// The file.
        path: PathBuf,
        /// What it said.
        error: heed::Error,
    },
}

/// Compile `source` into a file beside it, named after it. `progress` is told now and then how many octets of how many are done.
pub fn build(source: &Path, into: Compiled, progress: &mut dyn FnMut(u64, u64)) -> Result<Built, BuildError> {
    let content = fs::read(source).map_err(|error| BuildError::File { path: source.to_owned(), error })?;
    let mut told = Progress { total: content.len(), rows: 0, tell: progress };
    match into {
        Compiled::Cdb => cdb(&content, &with_ending(source, "cdb"), &mut told),
        Compiled::Lmdb => lmdb(&content, &with_ending(source, "lmdb"), &mut told),
    }
}

struct Progress<'a> {
    total: usize,
    rows: usize,
    tell: &'a mut dyn FnMut(u64, u64),
}

impl Progress<'_> {
    fn row(&mut self, done: usize) {
        self.rows += 1;
        if self.rows.is_multiple_of(10_000) {
            (self.tell)(done as u64, self.total as u64);
        }
    }
}

/// Rows of the source; warnings go aside. Beside each row, roughly how many octets of the source are done.
fn rows<'a>(content: &'a [u8], warnings: &mut Vec<Warning>) -> impl Iterator<Item = (Row<'a>, usize)> {
    let mut done = 0;
    source::rows(content).filter_map(move |row| match row {
        Ok(row) => {
            warnings.extend(source::suspicion(&row));
            done += row.key.len() + row.value.len() + 2;
            Some((row, done))
        }
        Err(warning) => {
            warnings.push(warning);
            None
        }
    })
}

fn cdb(content: &[u8], path: &Path, progress: &mut Progress<'_>) -> Result<Built, BuildError> {
    let failed = |error| BuildError::File { path: path.to_owned(), error };
    let too_large = || BuildError::TooLarge { path: path.to_owned() };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let mut writer = CdbWriter::new(temporary.as_file()).map_err(failed)?;
    let (mut warnings, mut duplicates) = (Vec::new(), Vec::new());
    for (row, done) in rows(content, &mut warnings) {
        match writer.add(fold(&row.key).as_bytes(), row.value.as_bytes()).map_err(failed)? {
            Added::New => {}
            Added::Duplicate => duplicates.push(source::duplicate(&row)),
            Added::Full => return Err(too_large()),
        }
        progress.row(done);
    }
    let count = writer.count();
    if !writer.finish().map_err(failed)? {
        return Err(too_large());
    }
    replace(temporary, path).map_err(failed)?;
    Ok(Built { path: path.to_owned(), rows: count, warnings: in_order(warnings, duplicates) })
}

/// Put a finished file in its place, with the rights that the one before had.
fn replace(temporary: tempfile::NamedTempFile, path: &Path) -> io::Result<()> {
    let permissions = match fs::metadata(path) {
        Ok(before) => before.permissions(),
        Err(_) => std::os::unix::fs::PermissionsExt::from_mode(0o644),
    };
    temporary.as_file().set_permissions(permissions)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path)?;
    Ok(())
}

fn in_order(mut warnings: Vec<Warning>, more: Vec<Warning>) -> Vec<Warning> {
    warnings.extend(more);
    warnings.sort_by_key(|warning| warning.line);
    warnings
}

enum Added {
    New,
    Duplicate,
    /// More than 4 GiB.
    Full,
}

/// Writes records as they come, and the hash tables behind them (layout: see `cdb.rs`).
struct CdbWriter<'a> {
    file: &'a File,
    out: BufWriter<&'a File>,
    /// Hash and position of each record, by the hash table that it belongs to.
    records: Vec<Vec<(u32, u32)>>,
    /// Position of a record by a longer hash of its key, for finding duplicates.
    known: HashMap<u64, u32>,
    hasher: RandomState,
    position: u64,
}

impl<'a> CdbWriter<'a> {
    fn new(mut file: &'a File) -> io::Result<Self> {
        file.seek(SeekFrom::Start(cdb::HEADER as u64))?;
        Ok(Self {
            file,
            out: BufWriter::with_capacity(1 << 20, file),
            records: vec![Vec::new(); 256],
            known: HashMap::new(),
            hasher: RandomState::new(),
            position: cdb::HEADER as u64,
        })
    }

    fn count(&self) -> u64 {
        self.records.iter().map(|records| records.len() as u64).sum()
    }

    fn add(&mut self, key: &[u8], value: &[u8]) -> io::Result<Added> {
        let Ok(position) = u32::try_from(self.position) else { return Ok(Added::Full) };
        let (Ok(key_length), Ok(value_length)) = (u32::try_from(key.len()), u32::try_from(value.len())) else {
            return Ok(Added::Full);
        };
        if let Some(earlier) = self.known.insert(self.hasher.hash_one(key), position) {
            // The hash alone does not tell: the earlier record is read again.
            self.out.flush()?;
            let mut record = vec![0; 8 + key.len()];
            let same = self.file.read_exact_at(&mut record, earlier.into()).is_ok()
                && record.starts_with(&key_length.to_le_bytes())
                && record.ends_with(key);
            if same {
                self.known.insert(self.hasher.hash_one(key), earlier);
                return Ok(Added::Duplicate);
            }
        }
        self.out.write_all(&key_length.to_le_bytes())?;
        self.out.write_all(&value_length.to_le_bytes())?;
        self.out.write_all(key)?;
        self.out.write_all(value)?;
        let hash = cdb::hash(key);
        if let Some(records) = self.records.get_mut((hash % 256) as usize) {
            records.push((hash, position));
        }
        self.position += 8 + key.len() as u64 + value.len() as u64;
        Ok(Added::New)
    }

    /// Write hash tables and header. False when it is more than 4 GiB.
    fn finish(mut self) -> io::Result<bool> {
        let mut header = Vec::with_capacity(cdb::HEADER);
        for records in &self.records {
            let slots = records.len() * 2;
            let (Ok(position), Ok(slot_count)) = (u32::try_from(self.position), u32::try_from(slots)) else {
                return Ok(false);
            };
            header.extend_from_slice(&position.to_le_bytes());
            header.extend_from_slice(&slot_count.to_le_bytes());
            let mut table = vec![(0, 0); slots];
            for (hash, record) in records {
                let mut slot = (hash >> 8) as usize % slots;
                while table.get(slot).is_some_and(|(_, taken)| *taken != 0) {
                    slot = (slot + 1) % slots;
                }
                if let Some(place) = table.get_mut(slot) {
                    *place = (*hash, *record);
                }
            }
            for (hash, record) in table {
                self.out.write_all(&hash.to_le_bytes())?;
                self.out.write_all(&record.to_le_bytes())?;
            }
            self.position += slots as u64 * 8;
        }
        self.out.flush()?;
        self.file.write_all_at(&header, 0)?;
        Ok(u32::try_from(self.position).is_ok())
    }
}

fn lmdb(content: &[u8], path: &Path, progress: &mut Progress<'_>) -> Result<Built, BuildError> {
    let mut warnings = Vec::new();
    let mut sorted: Vec<(Vec<u8>, Row<'_>)> = Vec::new();
    for (row, done) in rows(content, &mut warnings) {
        let mut key = fold(&row.key).as_bytes().to_vec();
        key.push(0);
        sorted.push((key, row));
        progress.row(done / 2);
    }
    // Stable: of rows with one key the first comes first.
    sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut duplicates = Vec::new();
    sorted.dedup_by(|(later, row), (first, _)| {
        let same = later == first;
        if same {
            duplicates.push(source::duplicate(row));
        }
        same
    });
    let failed = |error| BuildError::Lmdb { path: path.to_owned(), error };
    write_lmdb(path, &sorted).map_err(failed)?;
    Ok(Built { path: path.to_owned(), rows: sorted.len() as u64, warnings: in_order(warnings, duplicates) })
}

/// All rows in one transaction, in place: readers see the old ones until it is committed.
fn write_lmdb(path: &Path, sorted: &[(Vec<u8>, Row<'_>)]) -> Result<(), heed::Error> {
    let path = std::path::absolute(path)?;
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(LARGEST);
    // SAFETY: nobody else maps this file for writing; postmap takes the same care by locking, which only protects it from itself.
    let env = unsafe { options.flags(EnvFlags::NO_SUB_DIR | EnvFlags::NO_LOCK).open(path) }?;
    let mut transaction = env.write_txn()?;
    let rows: heed::Database<Bytes, Bytes> = env.create_database(&mut transaction, None)?;
    rows.clear(&mut transaction)?;
    for (key, row) in sorted {
        let mut value = row.value.as_bytes().to_vec();
        value.push(0);
        rows.put_with_flags(&mut transaction, PutFlags::APPEND, key, &value)?;
    }
    transaction.commit()
}
