//! Messages that are too large for the database: a file each, in `STATE/large`, under the queue id.
//!
//! A message in the database is written twice, to the log and to its place, and both hold up the one writer. A large one is written once,
//! beside it: the file, its fsync, the fsync of the folder, then the row. The row is what counts: a file without one is what a crash left,
//! and is removed at the next start.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;

use crate::mail::Message;

/// Octets from which on a message gets a file of its own. Below, a row is faster: two fsyncs less.
pub(super) const LARGE: u64 = 256 << 10;

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Large(PathBuf);

/// The file of a message that has no row yet; dropped, it is removed.
pub(super) struct Written {
    path: PathBuf,
    has_row: bool,
}

impl Large {
    /// Open the folder of a state directory, or make it.
    pub(super) fn open(state_dir: &Path) -> io::Result<Self> {
        let large = Self::at(state_dir);
        fs::create_dir_all(&large.0)?;
        Ok(large)
    }

    /// The folder, if only to read in it.
    pub(super) fn at(state_dir: &Path) -> Self {
        Self(state_dir.join("large"))
    }

    /// The file of a message.
    pub(super) fn path(&self, id: &str) -> PathBuf {
        self.0.join(id)
    }

    /// Write a message. When this returns, it is on disk. An id that is there already is refused.
    pub(super) fn write(&self, id: &str, message: &Message) -> io::Result<Written> {
        let path = self.path(id);
        let mut file = File::create_new(&path)?;
        let written = Written { path, has_row: false };
        message.pieces().try_for_each(|piece| file.write_all(piece))?;
        file.sync_all()?;
        File::open(&self.0)?.sync_all()?;
        Ok(written)
    }

    pub(super) fn read(&self, id: &str) -> io::Result<Bytes> {
        let path = self.path(id);
        fs::read(&path)
            .map(Bytes::from)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }

    /// Remove the file of a message whose row is gone.
    pub(super) fn remove(&self, id: &str) {
        remove(&self.path(id));
    }

    /// Remove the files that no row stands for.
    pub(super) fn remove_orphans(&self, mut has_row: impl FnMut(&str) -> rusqlite::Result<bool>) -> io::Result<()> {
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let known = entry.file_name().to_str().map_or(Ok(false), &mut has_row);
            if !known.map_err(io::Error::other)? {
                remove(&entry.path());
            }
        }
        Ok(())
    }
}

impl Written {
    /// There is a row now.
    pub(super) fn keep(mut self) {
        self.has_row = true;
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if !self.has_row {
            remove(&self.path);
        }
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!("{}: {error}", path.display());
    }
}
