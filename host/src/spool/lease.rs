//! Which messages are due. Marking them as leased is the writer's, reading them is not: a large message must not hold up those that
//! come in.

use std::{collections::HashSet, time::SystemTime};

use rusqlite::{Connection, Result, params};

use super::rows::milliseconds;

/// Octets of messages that are lent at once, above the first.
const LARGEST_LOAN: u64 = 64 << 20;

/// Recipients of a message that were marked as leased.
#[derive(Clone, Debug)]
pub(super) struct Loan {
    /// Number of the message.
    pub(super) number: i64,
    /// Which of its recipients.
    pub(super) positions: Vec<u32>,
}

/// Mark what is due as leased, the longest due first, and whether more may be due. The messages `kept_back` are left alone.
pub(super) fn mark(
    connection: &Connection,
    now: SystemTime,
    limit: usize,
    not_for: &[String],
    kept_back: &HashSet<i64>,
) -> Result<(Vec<Loan>, bool)> {
    let now = milliseconds(now);
    let (numbers, more) = due(connection, now, limit, not_for, kept_back)?;
    let mut mark = connection.prepare_cached(
        "UPDATE recipients SET state = 1 WHERE message = ? AND state = 0 AND due <= ? RETURNING position",
    )?;
    let mut lend = |number: i64| {
        // Only those that were marked now: others of the message may be on their way already.
        let mut positions = mark.query_map(params![number, now], |row| row.get(0))?.collect::<Result<Vec<u32>>>()?;
        positions.sort_unstable();
        Ok(Loan { number, positions })
    };
    Ok((numbers.into_iter().map(&mut lend).collect::<Result<_>>()?, more))
}

/// Numbers of messages with a recipient that is due. Walks the index of what is due as far as it has to, however long it is.
fn due(
    connection: &Connection,
    now: i64,
    limit: usize,
    not_for: &[String],
    kept_back: &HashSet<i64>,
) -> Result<(Vec<i64>, bool)> {
    let mut statement = connection
        .prepare_cached("SELECT message, destination FROM recipients WHERE state = 0 AND due <= ? ORDER BY due")?;
    let mut size = connection.prepare_cached("SELECT size FROM messages WHERE number = ?")?;
    let mut rows = statement.query([now])?;
    let (mut numbers, mut octets) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let (number, destination) = (row.get(0)?, row.get_ref(1)?.as_str()?);
        // Recipients of one message mostly follow each other.
        let known = numbers.last() == Some(&number) || numbers.contains(&number);
        if known || kept_back.contains(&number) || not_for.iter().any(|name| name == destination) {
            continue;
        }
        octets += size.query_row([number], |row| row.get::<_, i64>(0))?.unsigned_abs();
        if numbers.len() == limit || (octets > LARGEST_LOAN && !numbers.is_empty()) {
            return Ok((numbers, true));
        }
        numbers.push(number);
    }
    Ok((numbers, false))
}
