//! The tables of the database, and how an old one becomes a new one.

use std::path::Path;

use rusqlite::Connection;

use super::{SpoolError, statements};

/// Each step brings the database from the layout of its index to the next; `user_version` counts them.
const MIGRATIONS: [&str; 5] = [
    "
    CREATE TABLE messages (
        number         INTEGER PRIMARY KEY,
        id             TEXT NOT NULL UNIQUE,
        received       INTEGER NOT NULL,   -- milliseconds since 1970
        sender         TEXT,               -- NULL is the null sender
        client_peer    TEXT NOT NULL,
        client_name    TEXT,
        client_helo    TEXT,
        client_tls     TEXT,
        client_login   TEXT,
        client_trusted INTEGER NOT NULL
    ) STRICT;
    -- Apart from the message's row, so that nothing else ever moves it.
    CREATE TABLE contents (
        message INTEGER PRIMARY KEY REFERENCES messages (number),
        content BLOB NOT NULL
    ) STRICT;
    CREATE TABLE recipients (
        message  INTEGER NOT NULL REFERENCES messages (number),
        position INTEGER NOT NULL,
        address  TEXT NOT NULL,
        original TEXT NOT NULL,
        state    INTEGER NOT NULL,         -- 0 waits, 1 leased, 2 held
        attempts INTEGER NOT NULL DEFAULT 0,
        due      INTEGER NOT NULL,         -- milliseconds since 1970
        note     TEXT,                     -- the last reply, or why it is held
        PRIMARY KEY (message, position)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX recipients_due ON recipients (due) WHERE state = 0;
",
    "
    -- Files that filters wrote, on the way from a temporary name to their own. Paths are octets.
    CREATE TABLE files (
        temporary BLOB PRIMARY KEY,
        target    BLOB NOT NULL,
        overwrite INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    "
    -- What the client asked for beside the addresses, in the words of the wire (RFC 3461, RFC 6152, RFC 6531).
    ALTER TABLE messages ADD COLUMN ret TEXT;
    ALTER TABLE messages ADD COLUMN envid TEXT;
    ALTER TABLE messages ADD COLUMN body TEXT NOT NULL DEFAULT '7BIT';
    ALTER TABLE messages ADD COLUMN utf8 INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE recipients ADD COLUMN notify TEXT;
    ALTER TABLE recipients ADD COLUMN orcpt TEXT;
",
    "
    -- Octets of the message. Where `contents` has no row, they are in a file (see large.rs).
    ALTER TABLE messages ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
    UPDATE messages SET size = coalesce((SELECT length(content) FROM contents WHERE message = number), 0);
    -- What an operator wants for a leased recipient that is not delivered: 1 hold, 2 delete.
    ALTER TABLE recipients ADD COLUMN wish INTEGER;
",
    "
    -- Where a recipient that was deferred goes, by a name of delivery's, so that those of a dead destination can be passed over.
    ALTER TABLE recipients ADD COLUMN destination TEXT NOT NULL DEFAULT '';
    -- Whether the sender was told that it is late.
    ALTER TABLE recipients ADD COLUMN warned INTEGER NOT NULL DEFAULT 0;
    DROP INDEX recipients_due;
    CREATE INDEX recipients_due ON recipients (due, destination) WHERE state = 0;
    CREATE INDEX recipients_destination ON recipients (destination, due) WHERE state = 0;
",
];

/// The layout of this version.
pub(super) const KNOWN: i64 = MIGRATIONS.len() as i64;

/// Memory for pages of the database, in KiB.
const CACHE_KIB: i64 = 16 << 10;

/// Bring the database to this version's layout and make it safe: what is committed is on disk.
/// Gives the largest number of a message, 0 when there is none.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<i64, SpoolError> {
    let failed = |error: rusqlite::Error| SpoolError::Unusable { path: path.to_owned(), reason: error.to_string() };
    connection.pragma_update(None, "journal_mode", "wal").map_err(failed)?;
    connection.pragma_update(None, "synchronous", "full").map_err(failed)?;
    // A checkpoint costs a second sync; with 16 MiB between them it does not show.
    connection.pragma_update(None, "wal_autocheckpoint", 4096).map_err(failed)?;
    // After a rush the log does not keep its largest size.
    connection.pragma_update(None, "journal_size_limit", 64 << 20).map_err(failed)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    let known = KNOWN;
    let found = version(connection).map_err(failed)?;
    if found > known {
        return Err(SpoolError::TooNew { path: path.to_owned(), found, known });
    }
    let transaction = connection.transaction().map_err(failed)?;
    for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or_default()) {
        transaction.execute_batch(migration).map_err(failed)?;
    }
    transaction.pragma_update(None, "user_version", known).map_err(failed)?;
    statements::recover(&transaction).map_err(failed)?;
    let last = transaction.query_row("SELECT coalesce(max(number), 0) FROM messages", [], |row| row.get(0));
    let last = last.map_err(failed)?;
    transaction.commit().map_err(failed)?;
    Ok(last)
}

/// The layout of a database.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
