//! Mail for a destination that can't be reached is put off without being taken out of the database.

use std::time::SystemTime;

use rusqlite::{Connection, Result, params};

use super::{Postponement, rows::milliseconds};

/// Recipients in one transaction.
const BATCH: i64 = 2000;

/// Put some of them off; how many. To be called again until there are none.
pub(super) fn postpone(connection: &Connection, postponement: &Postponement) -> Result<usize> {
    let Postponement { destination, until, received_after, unwarned_received_after } = postponement;
    let since = |time: &Option<SystemTime>| time.map_or(i64::MIN, milliseconds);
    let until = milliseconds(*until);
    let young: Vec<(i64, u32)> = connection
        .prepare_cached(
            "SELECT message, position FROM recipients CROSS JOIN messages ON number = message
             WHERE state = 0 AND destination = ? AND destination != '' AND due < ? AND received > ?
                 AND (warned OR received > ?) LIMIT ?",
        )?
        .query_map(params![destination, until, since(received_after), since(unwarned_received_after), BATCH], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<Result<_>>()?;
    let mut put_off = connection.prepare_cached("UPDATE recipients SET due = ? WHERE message = ? AND position = ?")?;
    for (number, position) in &young {
        put_off.execute(params![until, number, position])?;
    }
    Ok(young.len())
}
