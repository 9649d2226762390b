//! What rows of the database mean.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::{Leased, LeasedRecipient, large::Large, lease::Loan};
use crate::mail::{Address, BodyType, Client, MailParameters, Message, Notify, Recipient, Ret, ReversePath};

/// `recipients.state`: it waits for its time.
pub(super) const WAITS: u8 = 0;
/// It is being delivered.
pub(super) const LEASED: u8 = 1;
/// It waits for an operator.
pub(super) const HELD: u8 = 2;

/// What is read of a message, in this order.
const COLUMNS: &str = "id, received, sender, client_peer, client_name, client_helo, client_tls, client_login, client_trusted, ret, envid, body, utf8";

/// Read a whole message for its delivery.
pub(super) fn leased(connection: &Connection, large: &Large, loan: &Loan) -> Result<Leased> {
    let Loan { number, positions } = loan;
    let mut recipient = connection.prepare_cached(
        "SELECT position, address, original, attempts, notify, orcpt, warned FROM recipients WHERE message = ? AND position = ?",
    )?;
    let recipients = positions
        .iter()
        .map(|position| recipient.query_row(params![number, position], leased_recipient))
        .collect::<Result<_>>()?;
    connection.prepare_cached(&format!("SELECT {COLUMNS} FROM messages WHERE number = ?"))?.query_row(
        [*number],
        |row| {
            let id: String = row.get(0)?;
            let sender = row.get::<_, Option<String>>(2)?.map(|_| address(row, 2)).transpose()?;
            Ok(Leased {
                number: *number,
                client: Arc::new(client(row)?),
                sender: sender.map_or(ReversePath::Null, ReversePath::Address),
                parameters: parameters(row)?,
                recipients,
                message: Message::parse(content(connection, large, *number, &id)?),
                received: time(row.get(1)?),
                id: id.into(),
            })
        },
    )
}

/// What only one message at a time is asked for.
pub(super) fn details(connection: &Connection, large: &Large, id: &str) -> Result<(Client, MailParameters, Bytes)> {
    let query = format!("SELECT {COLUMNS}, number FROM messages WHERE id = ?");
    connection.query_row(&query, [id], |row| {
        Ok((client(row)?, parameters(row)?, content(connection, large, row.get(13)?, id)?))
    })
}

/// The octets of a message.
fn content(connection: &Connection, large: &Large, number: i64, id: &str) -> Result<Bytes> {
    let row = connection
        .prepare_cached("SELECT content FROM contents WHERE message = ?")?
        .query_row([number], |row| row.get::<_, Vec<u8>>(0))
        .optional()?;
    row.map_or_else(|| large.read(id).map_err(|error| unreadable(0, error)), |octets| Ok(Bytes::from(octets)))
}

fn leased_recipient(row: &Row<'_>) -> Result<LeasedRecipient> {
    let notify: Option<String> = row.get(4)?;
    let recipient = Recipient {
        address: address(row, 1)?,
        original: address(row, 2)?,
        notify: notify.and_then(|words| Notify::parse(&words)),
        orcpt: row.get(5)?,
    };
    Ok(LeasedRecipient { position: row.get(0)?, recipient, attempts: row.get(3)?, warned: row.get(6)? })
}

fn parameters(row: &Row<'_>) -> Result<MailParameters> {
    let (ret, body): (Option<String>, String) = (row.get(9)?, row.get(11)?);
    Ok(MailParameters {
        ret: ret.and_then(|word| Ret::parse(&word)),
        envid: row.get(10)?,
        body: BodyType::parse(&body).unwrap_or_default(),
        utf8: row.get(12)?,
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

/// As times are kept: milliseconds since 1970.
pub(crate) fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn time(milliseconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(milliseconds.unsigned_abs())
}
