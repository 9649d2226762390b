//! How messages get into the database and out of it. All of it runs inside a transaction of the writer.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::{
    Counts, Disposition, NewMessage, PendingFile, Settlement,
    rows::{HELD, LEASED, WAITS, milliseconds, time},
};
use crate::mail::{Notify, Recipient, Ret, ReversePath};

/// Where the octets of a new message are.
pub(super) enum Content {
    /// To be put into the database.
    Row(Vec<u8>),
    /// In a file, of this size.
    File(u64),
}

/// Keep a message; `leased` when it is handed to delivery in memory at once.
pub(super) fn insert(
    connection: &Connection,
    number: i64,
    message: &NewMessage,
    content: &Content,
    leased: bool,
) -> Result<()> {
    let (client, parameters) = (&message.client, &message.envelope.parameters);
    let sender = match &message.envelope.sender {
        ReversePath::Null => None,
        ReversePath::Address(address) => Some(address.as_str()),
    };
    let received = milliseconds(message.received);
    connection.prepare_cached("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?.execute(
        params![
            number,
            message.id,
            received,
            sender,
            client.peer.to_string(),
            client.name,
            client.helo,
            client.tls,
            client.login,
            client.trusted,
            parameters.ret.map(Ret::name),
            parameters.envid,
            parameters.body.name(),
            parameters.utf8,
            match content {
                Content::Row(octets) => octets.len() as u64,
                Content::File(size) => *size,
            } as i64
        ],
    )?;
    if let Content::Row(octets) = content {
        connection.prepare_cached("INSERT INTO contents VALUES (?, ?)")?.execute(params![number, octets])?;
    }
    let state = match (&message.hold, leased) {
        (Some(_), _) => HELD,
        (None, true) => LEASED,
        (None, false) => WAITS,
    };
    let add = "INSERT INTO recipients VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?, NULL, '', 0)";
    let mut add = connection.prepare_cached(add)?;
    for (recipient, position) in message.envelope.recipients.iter().zip(0_u32..) {
        let Recipient { address, original, notify, orcpt } = recipient;
        let (address, original, notify) = (address.as_str(), original.as_str(), notify.map(Notify::words));
        add.execute(params![number, position, address, original, state, received, message.hold, notify, orcpt])?;
    }
    for file in &message.files {
        connection.prepare_cached("INSERT INTO files VALUES (?, ?, ?)")?.execute(params![
            octets(&file.temporary),
            octets(&file.target),
            file.overwrite
        ])?;
    }
    Ok(())
}

/// Whether there is a message with this id.
pub(super) fn has(connection: &Connection, id: &str) -> Result<bool> {
    connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM messages WHERE id = ?)")?.query_row([id], |row| row.get(0))
}

/// Files that may not be in their places yet.
pub(super) fn unpublished(connection: &Connection) -> Result<Vec<PendingFile>> {
    let mut statement = connection.prepare_cached("SELECT temporary, target, overwrite FROM files")?;
    let file = |row: &Row<'_>| {
        Ok(PendingFile { temporary: path(row.get(0)?), target: path(row.get(1)?), overwrite: row.get(2)? })
    };
    statement.query_map([], file)?.collect()
}

/// Forget files that are in their places.
pub(super) fn published(connection: &Connection, temporary: &[PathBuf]) -> Result<()> {
    let mut forget = connection.prepare_cached("DELETE FROM files WHERE temporary = ?")?;
    temporary.iter().try_for_each(|path| forget.execute([octets(path)]).map(drop))
}

fn octets(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

fn path(octets: Vec<u8>) -> PathBuf {
    OsString::from_vec(octets).into()
}

/// Write down what became of a lease's recipients; a message that has none left goes. The id of one that had a file.
pub(super) fn settle(connection: &Connection, settlement: &Settlement) -> Result<Option<Removed>> {
    let number = settlement.number;
    for (position, disposition) in &settlement.recipients {
        match disposition {
            Disposition::Done => {
                delete(connection, number, *position)?;
                continue;
            }
            Disposition::Deferred { until, reply, destination, tried, warned } => connection
                .prepare_cached(
                    "UPDATE recipients SET attempts = attempts + ?, due = ?, destination = ?, warned = ?, state = CASE wish WHEN 1 THEN 2 ELSE 0 END,
                         note = CASE wish WHEN 1 THEN 'held by the operator: ' ELSE '' END || ?, wish = nullif(wish, 1)
                     WHERE message = ? AND position = ?",
                )?
                .execute(params![tried, milliseconds(*until), destination, warned, reply, number, position])?,
            Disposition::Held { reason } => connection
                .prepare_cached(
                    "UPDATE recipients SET state = 2, note = ?, wish = nullif(wish, 1) WHERE message = ? AND position = ?",
                )?
                .execute(params![reason, number, position])?,
        };
        connection
            .prepare_cached("DELETE FROM recipients WHERE message = ? AND position = ? AND wish = 2")?
            .execute(params![number, position])?;
    }
    remove_if_done(connection, number)
}

/// Leases are a process's own: whoever held one before is gone. What an operator wished meanwhile counts now.
pub(super) fn recover(connection: &Connection) -> Result<()> {
    let leased: Vec<(i64, u32, Option<u8>)> = connection
        .prepare("SELECT message, position, wish FROM recipients WHERE state = 1")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_>>()?;
    for (number, position, wish) in leased {
        let state = match wish {
            Some(2) => {
                delete(connection, number, position)?;
                remove_if_done(connection, number)?;
                continue;
            }
            Some(_) => HELD,
            None => WAITS,
        };
        connection
            .prepare_cached("UPDATE recipients SET state = ?, wish = NULL WHERE message = ? AND position = ?")?
            .execute(params![state, number, position])?;
    }
    Ok(())
}

pub(super) fn delete(connection: &Connection, number: i64, position: u32) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM recipients WHERE message = ? AND position = ?")?
        .execute(params![number, position])
        .map(drop)
}

/// A message whose rows are gone.
pub(super) struct Removed {
    pub(super) id: String,
    /// Its octets are in a file, which is still there.
    pub(super) has_file: bool,
}

impl Removed {
    /// The id, if there is a file to remove.
    pub(super) fn file(self) -> Option<String> {
        self.has_file.then_some(self.id)
    }
}

/// Remove a message without recipients.
pub(super) fn remove_if_done(connection: &Connection, number: i64) -> Result<Option<Removed>> {
    let left: bool = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM recipients WHERE message = ?)")?
        .query_row([number], |row| row.get(0))?;
    if left {
        return Ok(None);
    }
    let rows = connection.prepare_cached("DELETE FROM contents WHERE message = ?")?.execute([number])?;
    let id = connection
        .prepare_cached("DELETE FROM messages WHERE number = ? RETURNING id")?
        .query_row([number], |row| row.get(0))
        .optional()?;
    Ok(id.map(|id| Removed { id, has_file: rows == 0 }))
}

/// Recipients by state.
pub(super) fn counts(connection: &Connection) -> Result<Counts> {
    let mut statement = connection.prepare_cached("SELECT state, count(*) FROM recipients GROUP BY state")?;
    let mut rows = statement.query([])?;
    let mut counts = Counts::default();
    while let Some(row) = rows.next()? {
        let count = row.get::<_, i64>(1)?.unsigned_abs();
        match row.get(0)? {
            WAITS => counts.waiting = count,
            LEASED => counts.leased = count,
            _ => counts.held = count,
        }
    }
    Ok(counts)
}

/// When the first message came. Numbers are given in the order of receipt.
pub(super) fn oldest(connection: &Connection) -> Result<Option<SystemTime>> {
    let mut statement = connection.prepare_cached("SELECT received FROM messages ORDER BY number LIMIT 1")?;
    statement.query_row([], |row| row.get(0).map(time)).optional()
}
