//! The queue as people want to see it. Works beside a running relay and without one, and changes nothing.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::SystemTime,
};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Result, Row, params_from_iter};

use super::{
    SpoolError,
    large::Large,
    reader, rows, schema,
    select::{Selection, State},
    sqlite::database,
};
use crate::mail::{Client, MailParameters};

/// Different reasons that [`QueueView::stats`] tells apart at most.
const MOST_REASONS: usize = 10_000;

/// A message in the queue.
#[derive(Clone, Debug)]
pub struct Queued {
    /// Queue id.
    pub id: String,
    /// When its last octet came.
    pub received: SystemTime,
    /// Reverse-path; none is the null sender.
    pub sender: Option<String>,
    /// Octets.
    pub size: u64,
    /// The recipients that were asked for, of those that are not done.
    pub recipients: Vec<QueuedRecipient>,
}

/// A recipient in the queue.
#[derive(Clone, Debug)]
pub struct QueuedRecipient {
    /// Where the message goes.
    pub address: String,
    /// What the client said with RCPT.
    pub original: String,
    /// What it waits for.
    pub state: State,
    /// Attempts so far.
    pub attempts: u32,
    /// When the next attempt is due, for one that waits.
    pub due: SystemTime,
    /// The last reply, or why it is held.
    pub note: Option<String>,
}

/// Everything about one message.
#[derive(Clone, Debug)]
pub struct Details {
    /// As in a list, with all recipients.
    pub queued: Queued,
    /// Where it came from.
    pub client: Client,
    /// What else the client said with MAIL.
    pub parameters: MailParameters,
    /// The message, octet by octet.
    pub content: Bytes,
}

/// Sums over recipients.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Messages.
    pub messages: u64,
    /// Their octets.
    pub octets: u64,
    /// All recipients.
    pub all: Share,
    /// By domain in lower case; empty for addresses without one.
    pub domains: HashMap<String, Share>,
    /// By last reply or reason.
    pub reasons: HashMap<String, Share>,
}

/// A part of the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Recipients that wait for their time.
    pub waiting: u64,
    /// Those that are being delivered.
    pub leased: u64,
    /// Those that are held.
    pub held: u64,
    /// When the oldest message came.
    pub oldest: Option<SystemTime>,
}

impl Share {
    /// Recipients in all.
    pub fn total(&self) -> u64 {
        self.waiting + self.leased + self.held
    }

    fn add(&mut self, state: State, received: SystemTime) {
        match state {
            State::Waiting => self.waiting += 1,
            State::Leased => self.leased += 1,
            State::Held => self.held += 1,
        }
        self.oldest = Some(self.oldest.map_or(received, |oldest| oldest.min(received)));
    }
}

/// The queue of a state directory, open for reading.
pub struct QueueView {
    connection: Connection,
    path: PathBuf,
    large: Large,
}

impl QueueView {
    /// Open the queue of a state directory.
    pub fn open(state_dir: &Path) -> Result<Self, SpoolError> {
        let path = database(state_dir);
        if !path.exists() {
            return Err(SpoolError::NoQueue { path });
        }
        let opened = reader::open(&path).and_then(|connection| Ok((schema::version(&connection)?, connection)));
        let (found, connection) =
            opened.map_err(|error| SpoolError::Unusable { path: path.clone(), reason: error.to_string() })?;
        if found != schema::KNOWN {
            return Err(SpoolError::OtherVersion { path, found, known: schema::KNOWN });
        }
        Ok(Self { connection, path, large: Large::at(state_dir) })
    }

    /// Each message with recipients of the selection, the oldest first, until `visit` says no.
    pub fn visit(&self, selection: &Selection, mut visit: impl FnMut(Queued) -> bool) -> Result<(), SpoolError> {
        let mut current: Option<Queued> = None;
        let mut goes_on = true;
        self.each_row(selection, |row| {
            let id: String = row.get(0)?;
            if current.as_ref().is_none_or(|queued| queued.id != id) {
                let next = Queued {
                    id,
                    received: rows::time(row.get(1)?),
                    sender: row.get(2)?,
                    size: row.get::<_, i64>(3)?.unsigned_abs(),
                    recipients: Vec::new(),
                };
                goes_on = current.replace(next).is_none_or(&mut visit);
            }
            if let Some(queued) = &mut current {
                queued.recipients.push(QueuedRecipient {
                    address: row.get(4)?,
                    original: row.get(5)?,
                    state: State::from_number(row.get(6)?),
                    attempts: row.get(7)?,
                    due: rows::time(row.get(8)?),
                    note: row.get(9)?,
                });
            }
            Ok(goes_on)
        })?;
        if goes_on {
            current.map(visit);
        }
        Ok(())
    }

    /// One message; none when it is not in the queue.
    pub fn find(&self, id: &str) -> Result<Option<Details>, SpoolError> {
        let mut found = None;
        self.visit(&Selection { ids: vec![id.to_owned()], ..Selection::default() }, |queued| {
            found = Some(queued);
            true
        })?;
        let Some(queued) = found else { return Ok(None) };
        let details =
            rows::details(&self.connection, &self.large, id).optional().map_err(|error| self.failed(error))?;
        Ok(details.map(|(client, parameters, content)| Details { queued, client, parameters, content }))
    }

    /// Sums over the recipients of a selection.
    pub fn stats(&self, selection: &Selection) -> Result<Stats, SpoolError> {
        let mut stats = Stats::default();
        let mut last = String::new();
        self.each_row(selection, |row| {
            let (id, address, note) = (row.get_ref(0)?, row.get_ref(4)?, row.get_ref(9)?);
            let (received, state) = (rows::time(row.get(1)?), State::from_number(row.get(6)?));
            if id.as_str()? != last {
                id.as_str()?.clone_into(&mut last);
                stats.messages += 1;
                stats.octets += row.get::<_, i64>(3)?.unsigned_abs();
            }
            stats.all.add(state, received);
            let domain = address.as_str()?.rsplit_once('@').map_or("", |(_, domain)| domain).to_lowercase();
            stats.domains.entry(domain).or_default().add(state, received);
            if let Some(note) = note.as_str_or_null()? {
                let known = stats.reasons.contains_key(note) || stats.reasons.len() < MOST_REASONS;
                let note = if known { note } else { "others" };
                stats.reasons.entry(note.to_owned()).or_default().add(state, received);
            }
            Ok(true)
        })?;
        Ok(stats)
    }

    /// Each recipient of a selection, in the order of receipt, until `visit` says no.
    fn each_row(
        &self,
        selection: &Selection,
        mut visit: impl FnMut(&Row<'_>) -> Result<bool>,
    ) -> Result<(), SpoolError> {
        let (condition, values) = selection.condition();
        let query = format!(
            "SELECT id, received, sender, size, address, original, state, attempts, due, note
             FROM messages CROSS JOIN recipients ON message = number WHERE {condition} ORDER BY number, position"
        );
        let read = || {
            let mut statement = self.connection.prepare(&query)?;
            let mut rows = statement.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                if !visit(row)? {
                    break;
                }
            }
            Ok(())
        };
        read().map_err(|error| self.failed(error))
    }

    fn failed(&self, error: rusqlite::Error) -> SpoolError {
        SpoolError::Unusable { path: self.path.clone(), reason: error.to_string() }
    }
}
