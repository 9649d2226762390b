//! Reads from the database beside the writer, which goes on meanwhile: in WAL mode a reader sees the last commit before it began.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, OpenFlags};
use tokio::task;

use super::SpoolError;

/// Connections that only read; as many as are in use at a time.
#[derive(Clone)]
pub(super) struct Reader(Arc<State>);

struct State {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Reader {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(Arc::new(State { path, idle: Mutex::default() }))
    }

    /// Have something read, on a thread that may wait for the disk.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, SpoolError> {
        let state = Arc::clone(&self.0);
        let read = task::spawn_blocking(move || state.read(work));
        read.await.map_err(|error| self.failed(error))?.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: impl ToString) -> SpoolError {
        SpoolError::Unusable { path: self.0.path.clone(), reason: error.to_string() }
    }
}

impl State {
    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = idle().pop();
        let mut connection = waiting.map_or_else(|| open(&self.path), Ok)?;
        // One state of the database for all that is read.
        let value = connection.transaction().and_then(|transaction| work(&transaction))?;
        idle().push(connection);
        Ok(value)
    }
}

/// A connection to an existing database that changes nothing in it. SQLite needs the right to write all the same: readers and writers
/// agree in a file beside it.
pub(crate) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}
