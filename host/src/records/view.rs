//! Reads records. Works beside a running relay and without one.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, Row, params_from_iter, types::Value};

use super::schema;
use crate::spool::{matches, milliseconds};

/// One event of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordRow {
    /// When.
    pub time: SystemTime,
    /// `received`, `held`, `discarded`, `rejected`, `delivered`, `deferred`, `bounced`, `expired` or `reported`.
    pub event: String,
    /// The queue id; empty where a command was refused before there was one.
    pub id: String,
    /// The client's address.
    pub client: Option<String>,
    /// Empty for the null sender.
    pub sender: String,
    /// Where the message goes.
    pub recipient: String,
    /// The recipient as the client gave it, where filters have changed it.
    pub original: Option<String>,
    /// Octets of the message.
    pub size: Option<u64>,
    /// In the queue, waiting for its turn, until a server was talked to, until its last reply.
    pub delays: Option<[Duration; 4]>,
    /// The destination by name.
    pub destination: String,
    /// Who answered.
    pub server: Option<String>,
    /// The stage that decided.
    pub stage: Option<String>,
    /// The reply, the reason, or the queue id of the report.
    pub note: String,
    /// JSON: microseconds of each `[[message]]` or `[[delivery]]` stage that ran, by its name.
    pub filters: Option<String>,
    /// The same for `[[session]]`, since the last record of the session.
    pub session_filters: Option<String>,
}

/// Which records; without a condition, all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordSelection {
    /// With one of these queue ids.
    pub ids: Vec<String>,
    /// From this address, from `@this.domain`, or from the null sender, `<>`. Without regard to case.
    pub sender: Option<String>,
    /// To this address, or to `@this.domain`, now or as the client gave it. Without regard to case.
    pub recipient: Option<String>,
    /// Not older.
    pub since: Option<SystemTime>,
    /// One of these.
    pub events: Vec<String>,
}

/// The records can't be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}", path = path.display())]
pub struct RecordsError {
    path: PathBuf,
    reason: String,
}

/// The records of a state directory.
pub struct RecordsView {
    path: PathBuf,
    connection: Connection,
}

impl RecordsView {
    /// Open them.
    pub fn open(state_dir: &Path) -> Result<Self, RecordsError> {
        let path = super::path(state_dir);
        match schema::open_to_read(&path) {
            Ok(connection) => Ok(Self { path, connection }),
            Err(error) => Err(RecordsError { path, reason: error.to_string() }),
        }
    }

    /// Show those that are asked for, in the order of time, until `show` has seen enough.
    pub fn visit(
        &self,
        selection: &RecordSelection,
        mut show: impl FnMut(RecordRow) -> bool,
    ) -> Result<(), RecordsError> {
        let (condition, values) = condition(selection);
        let query = format!("SELECT * FROM records WHERE {condition} ORDER BY time, number");
        let visit = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare(&query)?;
            let mut rows = statement.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                if !show(record(row)?) {
                    break;
                }
            }
            Ok(())
        };
        visit().map_err(|error| RecordsError { path: self.path.clone(), reason: error.to_string() })
    }
}

fn condition(selection: &RecordSelection) -> (String, Vec<Value>) {
    let (mut parts, mut values) = (vec!["1".to_owned()], Vec::new());
    if !selection.ids.is_empty() {
        parts.push("id IN (SELECT value FROM json_each(?)) AND id <> ''".to_owned());
        values.push(list(&selection.ids));
    }
    match selection.sender.as_deref() {
        Some("<>" | "") => parts.push("sender = ''".to_owned()),
        Some(sender) => {
            parts.push(matches("sender", sender));
            values.push(sender.to_lowercase().into());
        }
        None => {}
    }
    if let Some(recipient) = &selection.recipient {
        parts.push(format!("{} OR {}", matches("recipient", recipient), matches("original", recipient)));
        values.extend([recipient.to_lowercase().into(), recipient.to_lowercase().into()]);
    }
    if let Some(since) = selection.since {
        parts.push("time >= ?".to_owned());
        values.push(milliseconds(since).into());
    }
    if !selection.events.is_empty() {
        parts.push("event IN (SELECT value FROM json_each(?))".to_owned());
        values.push(list(&selection.events));
    }
    (format!("({})", parts.join(") AND (")), values)
}

fn list(words: &[String]) -> Value {
    serde_json::Value::from(words).to_string().into()
}

fn record(row: &Row<'_>) -> rusqlite::Result<RecordRow> {
    let delay = |name: &str| -> rusqlite::Result<Option<Duration>> {
        Ok(row.get::<_, Option<i64>>(name)?.map(|delay| Duration::from_millis(delay.unsigned_abs())))
    };
    let delays = [delay("queued")?, delay("waiting")?, delay("setup")?, delay("transfer")?];
    Ok(RecordRow {
        time: UNIX_EPOCH + Duration::from_millis(row.get::<_, i64>("time")?.unsigned_abs()),
        event: row.get("event")?,
        id: row.get("id")?,
        client: row.get("client")?,
        sender: row.get("sender")?,
        recipient: row.get("recipient")?,
        original: row.get("original")?,
        size: row.get::<_, Option<i64>>("size")?.map(i64::unsigned_abs),
        delays: match delays {
            [Some(queued), Some(waiting), Some(setup), Some(transfer)] => Some([queued, waiting, setup, transfer]),
            _ => None,
        },
        destination: row.get("destination")?,
        server: row.get("server")?,
        stage: row.get("stage")?,
        note: row.get("note")?,
        filters: row.get("filters")?,
        session_filters: row.get("session_filters")?,
    })
}
