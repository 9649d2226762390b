//! `cdb`, and `hash`, which is the same: D. J. Bernstein's constant database. A small one is held in memory, a large one read from
//! disk as it is asked.
//!
//! Layout (all numbers 32 bits, little-endian): 256 pairs of position and length of a hash table; the records, each key length, value
//! length, key, value; the hash tables, each of pairs of hash and position of a record. A key's hash says which table (last 8 bits)
//! and where in it to begin (the rest); the search goes on slot by slot until an empty one.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::FileExt,
    path::Path,
};

use super::{Loaded, OpenError, Table, TableError, TableRow, source::fold};

/// Octets before the records.
pub(super) const HEADER: usize = 2048;

/// Files up to this many octets are held in memory: asking them costs no system calls.
const SMALL: u64 = 4 << 20;
/// The same where the table is asked for many keys, and given back soon.
const NOT_TOO_LARGE: u64 = 1 << 30;

/// Where the octets of a file are.
#[derive(Debug)]
enum Source {
    Memory(Vec<u8>),
    Disk(File),
}

impl Source {
    /// As [`FileExt::read_at`].
    fn read_at(&self, into: &mut [u8], position: u64) -> io::Result<usize> {
        match self {
            Self::Memory(octets) => octets.get(position as usize..).unwrap_or_default().read(into),
            Self::Disk(file) => file.read_at(into, position),
        }
    }

    fn read_exact_at(&self, into: &mut [u8], position: u64) -> io::Result<()> {
        Rest { source: self, position }.read_exact(into)
    }
}

/// A source from a position on.
struct Rest<'a> {
    source: &'a Source,
    position: u64,
}

impl Read for Rest<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let octets = self.source.read_at(into, self.position)?;
        self.position += octets as u64;
        Ok(octets)
    }
}

/// A file that is asked by reading a few of its octets. It is replaced by renaming, never written over, so an open one stays good.
#[derive(Debug)]
pub(super) struct Cdb {
    source: Source,
    /// Position and slots of each hash table.
    tables: Vec<(u32, u32)>,
}

/// The hash that the format asks for.
pub(super) fn hash(key: &[u8]) -> u32 {
    key.iter().fold(5381, |hash: u32, octet| (hash << 5).wrapping_add(hash) ^ u32::from(*octet))
}

fn number(octets: &[u8], at: usize) -> u32 {
    octets.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

impl Cdb {
    /// Open a file; of a large one only the header is read.
    pub(super) fn open(path: &Path) -> Result<Loaded, OpenError> {
        Self::open_up_to(path, SMALL)
    }

    /// The same, in memory if there is any chance that it fits.
    pub(super) fn open_in_memory(path: &Path) -> Result<Loaded, OpenError> {
        Self::open_up_to(path, NOT_TOO_LARGE)
    }

    fn open_up_to(path: &Path, most_in_memory: u64) -> Result<Loaded, OpenError> {
        let failed = |error| OpenError::io(path, error);
        let mut file = File::open(path).map_err(failed)?;
        let mut size = file.metadata().map_err(failed)?.len();
        let source = if size <= most_in_memory {
            let mut octets = Vec::new();
            size = file.read_to_end(&mut octets).map_err(failed)? as u64;
            Source::Memory(octets)
        } else {
            Source::Disk(file)
        };
        let mut header = [0; HEADER];
        source
            .read_exact_at(&mut header, 0)
            .map_err(|_| OpenError::new(path, "this is no cdb file: it is too short"))?;
        let tables: Vec<_> =
            (0..256).map(|index| (number(&header, index * 8), number(&header, index * 8 + 4))).collect();
        let fits = |(position, slots): &(u32, u32)| {
            u64::from(*position) + u64::from(*slots) * 8 <= size && *position as usize >= HEADER
        };
        if !tables.iter().all(fits) {
            return Err(OpenError::new(path, "this is no cdb file: its header points outside of it"));
        }
        Ok(Loaded::new(Self { source, tables }, vec![]))
    }

    fn find(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        const SLOTS_AT_ONCE: u32 = 8;
        let hash = hash(key);
        let (table, slots) = self.tables.get((hash % 256) as usize).copied().unwrap_or_default();
        if slots == 0 {
            return Ok(None);
        }
        let first = (hash >> 8) % slots;
        let mut read = [0; SLOTS_AT_ONCE as usize * 8];
        let mut done = 0;
        while done < slots {
            let slot = (first + done) % slots;
            let count = SLOTS_AT_ONCE.min(slots - slot).min(slots - done);
            let part = read.get_mut(..count as usize * 8).unwrap_or_default();
            self.source.read_exact_at(part, u64::from(table) + u64::from(slot) * 8)?;
            for index in 0..count as usize {
                let (found, position) = (number(part, index * 8), number(part, index * 8 + 4));
                if position == 0 {
                    return Ok(None);
                }
                if found == hash
                    && let Some(value) = self.value_at(position, key)?
                {
                    return Ok(Some(value));
                }
            }
            done += count;
        }
        Ok(None)
    }

    /// The value of the record at a position, if it is this key's.
    fn value_at(&self, position: u32, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        // Most records are shorter than this, and are read in one go.
        let mut start = [0; 256];
        let mut got = 0;
        while got < start.len() {
            match self.source.read_at(start.get_mut(got..).unwrap_or_default(), u64::from(position) + got as u64)? {
                0 => break,
                more => got += more,
            }
        }
        let start = start.get(..got).unwrap_or_default();
        let (key_length, value_length) = (number(start, 0) as usize, number(start, 4) as usize);
        if got < 8 || key_length != key.len() {
            return if got < 8 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(None) };
        }
        let length = 8 + key_length + value_length;
        let record = match start.get(..length) {
            Some(record) => record.to_vec(),
            None => {
                let mut record = vec![0; length];
                self.source.read_exact_at(&mut record, position.into())?;
                record
            }
        };
        Ok(record.get(8..).and_then(|rest| rest.strip_prefix(key)).map(<[u8]>::to_vec))
    }

    fn each(&self, visit: &mut dyn FnMut(TableRow<'_>)) -> io::Result<()> {
        let end = self.tables.iter().map(|(position, _)| *position).min().unwrap_or_default();
        let mut at = HEADER as u64;
        let mut file = BufReader::with_capacity(1 << 20, Rest { source: &self.source, position: at });
        let mut record = Vec::new();
        while at < u64::from(end) {
            let mut lengths = [0; 8];
            file.read_exact(&mut lengths)?;
            let (key_length, value_length) = (number(&lengths, 0) as usize, number(&lengths, 4) as usize);
            record.resize(key_length + value_length, 0);
            file.read_exact(&mut record)?;
            at += (8 + record.len()) as u64;
            let (key, value) = record.split_at_checked(key_length).unwrap_or_default();
            visit(TableRow { key: &String::from_utf8_lossy(key), value: &String::from_utf8_lossy(value), line: None });
        }
        Ok(())
    }
}

impl Table for Cdb {
    fn lookup(&self, key: &str) -> Result<Option<String>, TableError> {
        let found = self.find(fold(key).as_bytes()).map_err(|error| TableError(error.to_string()))?;
        found
            .map(|value| String::from_utf8(value).map_err(|_| TableError(format!("the value of `{key}` is not UTF-8"))))
            .transpose()
    }

    fn rows(&self, visit: &mut dyn FnMut(TableRow<'_>)) -> Result<bool, TableError> {
        self.each(visit).map_err(|error| TableError(error.to_string()))?;
        Ok(true)
    }
}
