//! What the spool says to the database. All of it runs inside a transaction of the writer.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use rusqlite::{Connection, Result, Row, params};

use super::{Counts, Disposition, Leased, LeasedRecipient, NewMessage, PendingFile, Settlement};
use crate::mail::{Address, BodyType, Client, MailParameters, Message, Notify, Recipient, Ret, ReversePath};

const WAITS: u8 = 0;
const LEASED: u8 = 1;
const HELD: u8 = 2;

/// Keep a message; `leased` when it is handed to delivery in memory at once. Returns its number.
pub(super) fn insert(connection: &Connection, message: &NewMessage, leased: bool) -> Result<i64> {
    let (client, parameters) = (&message.client, &message.envelope.parameters);
    let sender = match &message.envelope.sender {
        ReversePath::Null => None,
        ReversePath::Address(address) => Some(address.as_str()),
    };
    let received = milliseconds(message.received);
    connection.prepare_cached("INSERT INTO messages VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?.execute(
        params![
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
            parameters.utf8
        ],
    )?;
    let number = connection.last_insert_rowid();
    let content = message.message.pieces().fold(Vec::new(), |mut content, piece| {
        content.extend_from_slice(piece);
        content
    });
    connection.prepare_cached("INSERT INTO contents VALUES (?, ?)")?.execute(params![number, content])?;
    let state = match (&message.hold, leased) {
        (Some(_), _) => HELD,
        (None, true) => LEASED,
        (None, false) => WAITS,
    };
    let mut add = connection.prepare_cached("INSERT INTO recipients VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?)")?;
    for (recipient, position) in message.envelope.recipients.iter().zip(0_u32..) {
        let (address, original) = (recipient.address.as_str(), recipient.original.as_str());
        let notify = recipient.notify.map(Notify::words);
        add.execute(params![
            number,
            position,
            address,
            original,
            state,
            received,
            message.hold,
            notify,
            recipient.orcpt
        ])?;
    }
    for file in &message.files {
        connection.prepare_cached("INSERT INTO files VALUES (?, ?, ?)")?.execute(params![
            octets(&file.temporary),
            octets(&file.target),
            file.overwrite
        ])?;
    }
    Ok(number)
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

/// Mark what is due as leased and read it.
pub(super) fn lease(connection: &Connection, now: SystemTime, limit: usize) -> Result<Vec<Leased>> {
    let now = milliseconds(now);
    let numbers: Vec<i64> = connection
        .prepare_cached(
            "SELECT message FROM recipients WHERE state = 0 AND due <= ? GROUP BY message ORDER BY min(due) LIMIT ?",
        )?
        .query_map(params![now, limit as i64], |row| row.get(0))?
        .collect::<Result<_>>()?;
    numbers.into_iter().map(|number| lease_one(connection, number, now)).collect()
}

fn lease_one(connection: &Connection, number: i64, now: i64) -> Result<Leased> {
    connection
        .prepare_cached("UPDATE recipients SET state = 1 WHERE message = ? AND state = 0 AND due <= ?")?
        .execute(params![number, now])?;
    let recipients = connection
        .prepare_cached(
            "SELECT position, address, original, attempts, notify, orcpt FROM recipients WHERE message = ? AND state = 1",
        )?
        .query_map([number], leased_recipient)?
        .collect::<Result<_>>()?;
    connection
        .prepare_cached(
            "SELECT id, received, sender, client_peer, client_name, client_helo, client_tls, client_login, client_trusted,
                    content, ret, envid, body, utf8
             FROM messages JOIN contents ON message = number WHERE number = ?",
        )?
        .query_row([number], |row| {
            let content: Vec<u8> = row.get(9)?;
            let sender = row.get::<_, Option<String>>(2)?.map(|_| address(row, 2)).transpose()?;
            Ok(Leased {
                number,
                id: row.get::<_, String>(0)?.into(),
                client: Arc::new(client(row)?),
                sender: sender.map_or(ReversePath::Null, ReversePath::Address),
                parameters: parameters(row)?,
                recipients,
                message: Message::parse(Bytes::from(content)),
                received: time(row.get(1)?),
            })
        })
}

fn leased_recipient(row: &Row<'_>) -> Result<LeasedRecipient> {
    let notify: Option<String> = row.get(4)?;
    let recipient = Recipient {
        address: address(row, 1)?,
        original: address(row, 2)?,
        notify: notify.and_then(|words| Notify::parse(&words)),
        orcpt: row.get(5)?,
    };
    Ok(LeasedRecipient { position: row.get(0)?, recipient, attempts: row.get(3)? })
}

fn parameters(row: &Row<'_>) -> Result<MailParameters> {
    let (ret, body): (Option<String>, String) = (row.get(10)?, row.get(12)?);
    Ok(MailParameters {
        ret: ret.and_then(|word| Ret::parse(&word)),
        envid: row.get(11)?,
        body: BodyType::parse(&body).unwrap_or_default(),
        utf8: row.get(13)?,
    })
}

fn client(row: &Row<'_>) -> Result<Client> {
    let peer: String = row.get(3)?;
    Ok(Client {
        peer: peer.parse().map_err(|error| unreadable(3, error))?,
        name: row.get(4)?,
        helo: row.get(5)?,
        tls: row.get(6)?,
        login: row.get(7)?,
        trusted: row.get(8)?,
    })
}

fn address(row: &Row<'_>, column: usize) -> Result<Address> {
    let text: String = row.get(column)?;
    Address::parse(&text).map_err(|error| unreadable(column, error))
}

fn unreadable(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}

/// Write down what became of a lease's recipients; a message that has none left goes.
pub(super) fn settle(connection: &Connection, settlement: &Settlement) -> Result<()> {
    let number = settlement.number;
    for (position, disposition) in &settlement.recipients {
        match disposition {
            Disposition::Done => connection
                .prepare_cached("DELETE FROM recipients WHERE message = ? AND position = ?")?
                .execute(params![number, position])?,
            Disposition::Deferred { until, reply } => connection
                .prepare_cached(
                    "UPDATE recipients SET state = 0, attempts = attempts + 1, due = ?, note = ?
                     WHERE message = ? AND position = ?",
                )?
                .execute(params![milliseconds(*until), reply, number, position])?,
            Disposition::Held { reason } => connection
                .prepare_cached("UPDATE recipients SET state = 2, note = ? WHERE message = ? AND position = ?")?
                .execute(params![reason, number, position])?,
        };
    }
    let left: bool = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM recipients WHERE message = ?)")?
        .query_row([number], |row| row.get(0))?;
    if !left {
        connection.prepare_cached("DELETE FROM contents WHERE message = ?")?.execute([number])?;
        connection.prepare_cached("DELETE FROM messages WHERE number = ?")?.execute([number])?;
    }
    Ok(())
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

fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn time(milliseconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(milliseconds.unsigned_abs())
}
