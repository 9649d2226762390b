//! What operators do to the queue. Runs in the process that owns the spool: the relay, or the command itself when none runs.
//!
//! A recipient that is being delivered can't be taken out of the attempt. What is wanted for it is noted beside it and counts when the
//! attempt did not deliver: nothing is delivered twice for that, and no change is lost.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, Result, params, params_from_iter};
use serde::{Deserialize, Serialize};

use super::{
    SpoolError, SqliteSpool,
    rows::milliseconds,
    select::Selection,
    statements::{Removed, remove_if_done},
    writer::Safe,
};

/// Recipients in one transaction, so that mail that comes in does not wait long.
const BATCH: usize = 1000;

/// What to do with recipients of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Keep them back until they are released.
    Hold,
    /// Deliver those that are held.
    Release,
    /// Begin anew with those that wait or are held, as if they had just come: no attempts, no age.
    Requeue,
    /// Forget them, without a report to the sender.
    Delete,
    /// Try those that wait now.
    Flush,
}

impl Change {
    /// What recipients are then, in one word.
    pub fn done(self) -> &'static str {
        match self {
            Self::Hold => "held",
            Self::Release => "released",
            Self::Requeue => "requeued",
            Self::Delete => "deleted",
            Self::Flush => "flushed",
        }
    }
}

/// A recipient that was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedRecipient {
    /// Queue id of its message.
    pub id: String,
    /// Reverse-path of its message; none is the null sender.
    pub sender: Option<String>,
    /// Octets of its message.
    pub size: u64,
    /// Where the message goes.
    pub address: String,
    /// What the client said with RCPT.
    pub original: String,
    /// It is being delivered; the change counts if that fails.
    pub under_way: bool,
}

/// What came of a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Recipients that the selection named.
    pub selected: u64,
    /// Those that changed.
    pub changed: u64,
    /// Those that are being delivered; the change counts if that fails.
    pub under_way: u64,
}

impl SqliteSpool {
    /// Change recipients of the queue, and tell of each when its change is on disk. What can be tried after it is tried at once.
    pub async fn change(
        &self,
        change: Change,
        selection: Selection,
        tell: &(dyn Fn(&ChangedRecipient) + Sync),
    ) -> Result<Changed, SpoolError> {
        if matches!(change, Change::Hold | Change::Delete) {
            self.recall().await?;
        }
        let selected = self.reader.run(move |connection| select(connection, &selection)).await?;
        let mut changed = Changed { selected: selected.len() as u64, ..Changed::default() };
        for batch in selected.chunks(BATCH).map(<[_]>::to_vec) {
            let now = SystemTime::now();
            let work = move |connection: &Connection| apply(connection, change, &batch, now);
            let Done { counts, recipients, files } = self.writer.run(Safe::Now, work).await?;
            changed.changed += counts.changed;
            changed.under_way += counts.under_way;
            recipients.iter().for_each(tell);
            self.remove_files(files).await;
        }
        self.shared.look_at_disk();
        Ok(changed)
    }

    /// Put what waits in memory for its first attempt back among those that wait on disk, where it can be changed.
    async fn recall(&self) -> Result<(), SpoolError> {
        let taken = self.shared.fresh.take(usize::MAX);
        let numbers: Vec<i64> = taken.iter().map(|leased| leased.number).collect();
        let free = move |connection: &Connection| {
            let mut free =
                connection.prepare_cached("UPDATE recipients SET state = 0 WHERE message = ? AND state = 1")?;
            numbers.iter().try_for_each(|number| free.execute([number]).map(drop))
        };
        let freed = self.writer.run(Safe::Soon, free).await;
        if freed.is_err() {
            self.shared.fresh.restore(taken);
        }
        freed
    }
}

/// Number and position of each recipient of a selection.
fn select(connection: &Connection, selection: &Selection) -> Result<Vec<(i64, u32)>> {
    let (condition, values) = selection.condition();
    let query = format!(
        "SELECT message, position FROM messages CROSS JOIN recipients ON message = number WHERE {condition}
         ORDER BY message, position"
    );
    let mut statement = connection.prepare(&query)?;
    statement.query_map(params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// What one transaction did.
#[derive(Default)]
struct Done {
    counts: Changed,
    recipients: Vec<ChangedRecipient>,
    /// Ids of removed messages that had files.
    files: Vec<String>,
}

fn apply(connection: &Connection, change: Change, recipients: &[(i64, u32)], now: SystemTime) -> Result<Done> {
    let now = milliseconds(now);
    let mut done = Done::default();
    for (number, position) in recipients {
        // One that is deleted can't be read any more then.
        let Some(mut recipient) = read(connection, *number, *position)? else { continue };
        let (changed, under_way) = apply_to(connection, change, *number, *position, now)?;
        done.counts.changed += changed as u64;
        done.counts.under_way += under_way as u64;
        recipient.under_way = under_way > 0;
        if changed + under_way > 0 {
            done.recipients.push(recipient);
        }
    }
    if change == Change::Delete {
        for batch in recipients.chunk_by(|(one, _), (other, _)| one == other) {
            let removed = batch.first().map(|(number, _)| remove_if_done(connection, *number)).transpose()?;
            done.files.extend(removed.flatten().and_then(Removed::file));
        }
    }
    Ok(done)
}

/// A recipient, if it is still there.
fn read(connection: &Connection, number: i64, position: u32) -> Result<Option<ChangedRecipient>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, sender, size, address, original FROM messages CROSS JOIN recipients ON message = number
         WHERE message = ? AND position = ?",
    )?;
    let recipient = statement.query_row(params![number, position], |row| {
        Ok(ChangedRecipient {
            id: row.get(0)?,
            sender: row.get(1)?,
            size: row.get::<_, i64>(2)?.unsigned_abs(),
            address: row.get(3)?,
            original: row.get(4)?,
            under_way: false,
        })
    });
    recipient.optional()
}

/// How many rows changed, and how many were noted for the end of an attempt.
fn apply_to(connection: &Connection, change: Change, number: i64, position: u32, now: i64) -> Result<(usize, usize)> {
    let execute = |sql: &str| {
        let mut statement = connection.prepare_cached(&format!("{sql} AND message = ?1 AND position = ?2"))?;
        let given = statement.parameter_count();
        statement.execute(params![number, position, now].get(..given).unwrap_or_default())
    };
    let changed = match change {
        Change::Hold => execute(
            "UPDATE recipients SET state = 2, note = concat_ws(': ', 'held by the operator', note) WHERE state = 0",
        )?,
        Change::Release => {
            // One that was to be held after the attempt that is under way is not, now.
            execute("UPDATE recipients SET wish = NULL WHERE wish = 1")?
                + execute("UPDATE recipients SET state = 0, note = NULL, due = ?3 WHERE state = 2")?
        }
        Change::Requeue => {
            execute("UPDATE recipients SET state = 0, note = NULL, attempts = 0, due = ?3 WHERE state != 1")?
        }
        Change::Delete => execute("DELETE FROM recipients WHERE state != 1")?,
        Change::Flush => execute("UPDATE recipients SET due = ?3 WHERE state = 0 AND due > ?3")?,
    };
    let under_way = match change {
        Change::Requeue if changed > 0 => {
            let mut young = connection.prepare_cached("UPDATE messages SET received = ? WHERE number = ?")?;
            young.execute(params![now, number])?;
            0
        }
        Change::Hold => execute("UPDATE recipients SET wish = 1 WHERE state = 1")?,
        Change::Delete => execute("UPDATE recipients SET wish = 2 WHERE state = 1")?,
        _ => 0,
    };
    Ok((changed, under_way))
}
