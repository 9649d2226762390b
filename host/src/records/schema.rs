//! The table of the database.

use std::path::Path;

use rusqlite::Connection;

use crate::spool;

/// The layout; `user_version` of the database. One of a later layout is left alone and told.
const VERSION: i64 = 2;

/// Rows are written in the order of time and read by queue id or by time: further indexes would cost more than they give.
const TABLE: &str = "
    CREATE TABLE records (
        number      INTEGER PRIMARY KEY,
        time        INTEGER NOT NULL,      -- milliseconds since 1970
        event       TEXT NOT NULL,
        id          TEXT NOT NULL,         -- queue id; empty before there is one
        client      TEXT,
        sender      TEXT NOT NULL,         -- empty for the null sender
        recipient   TEXT NOT NULL,
        original    TEXT,                  -- as the client gave it, where filters have changed it
        size        INTEGER,               -- octets
        queued      INTEGER,               -- delays in milliseconds
        waiting     INTEGER,
        setup       INTEGER,
        transfer    INTEGER,
        destination TEXT NOT NULL,
        server      TEXT,
        stage       TEXT,
        note        TEXT NOT NULL,         -- reply or reason
        filters     TEXT,                  -- JSON: microseconds by stage
        session_filters TEXT               -- the same of `[[session]]`
    ) STRICT;
    CREATE INDEX records_id ON records (id) WHERE id <> '';
    CREATE INDEX records_time ON records (time);
";

/// From layout 1.
const ADD_SESSION_FILTERS: &str = "ALTER TABLE records ADD COLUMN session_filters TEXT;";

/// A database that can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum SchemaError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("it is of another version of Mailweir (layout {0}, this one has {VERSION})")]
    Version(i64),
}

/// For the writer; made where there is none, brought up to date where it is older. A commit does not wait for the disk: SQLite's log keeps the database whole.
pub(super) fn open(path: &Path) -> Result<Connection, SchemaError> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "wal_autocheckpoint", 4096)?;
    connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
    let change = match version(&connection)? {
        0 => TABLE,
        1 => ADD_SESSION_FILTERS,
        VERSION => return Ok(connection),
        other => return Err(SchemaError::Version(other)),
    };
    connection.execute_batch(&format!("BEGIN;{change}PRAGMA user_version = {VERSION};COMMIT"))?;
    Ok(connection)
}

/// For those who look.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, SchemaError> {
    let connection = spool::open_to_read(path)?;
    match version(&connection)? {
        VERSION => Ok(connection),
        other => Err(SchemaError::Version(other)),
    }
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
