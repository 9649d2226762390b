//! The thread that writes: what came within a second is one transaction.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use crossbeam_channel::Receiver;
use rusqlite::{Connection, Statement, Transaction, params};
use serde_json::{Map, Value};

use super::{
    RecordSettings,
    entry::Entry,
    schema::{self, SchemaError},
};
use crate::{
    events::Delays,
    pipeline::StageTime,
    spool::{free_space, milliseconds},
};

/// How long events wait for others before they are written.
const GATHER: Duration = Duration::from_secs(1);
/// Events of one transaction at most.
const MOST_AT_ONCE: usize = 1 << 14;
/// How often old records are looked for, and trouble is told.
const PERIOD: Duration = Duration::from_secs(60);
/// Old records that are removed at once at most.
const PRUNE_AT_ONCE: u32 = 10_000;

/// What the writer is told.
pub(super) enum Note {
    Entry(Box<Entry>),
    /// Write what came before this, then end.
    Stop,
}

/// The thread's own.
pub(super) struct Writer {
    path: PathBuf,
    settings: RecordSettings,
    connection: Option<Connection>,
    lost: Arc<AtomicU64>,
    /// How many of them were told.
    told: u64,
    next_look: Instant,
}

/// Records can't be written now.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error("free space is below the reserve")]
    NoRoom,
    #[error("free space can't be told: {0}")]
    Unknown(std::io::Error),
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Schema(error.into())
    }
}

impl Writer {
    pub(super) fn new(path: PathBuf, settings: RecordSettings, lost: Arc<AtomicU64>) -> Self {
        Self { path, settings, connection: None, lost, told: 0, next_look: Instant::now() }
    }

    pub(super) fn run(mut self, notes: &Receiver<Note>) {
        let mut trouble = None;
        loop {
            let (entries, over) = gather(notes);
            if let Err(error) = self.write(&entries) {
                self.lost.fetch_add(entries.len() as u64, Ordering::Relaxed);
                self.connection = None;
                trouble = Some(error);
            }
            if over || Instant::now() >= self.next_look {
                self.next_look = Instant::now() + PERIOD;
                self.tell(trouble.take());
                if let Err(error) = self.prune() {
                    tracing::warn!(path = %self.path.display(), "old records can't be removed: {error}");
                }
            }
            if over {
                return;
            }
        }
    }

    fn write(&mut self, entries: &[Entry]) -> Result<(), WriteError> {
        if entries.is_empty() {
            return Ok(());
        }
        let folder = self.path.parent().unwrap_or(&self.path);
        if free_space(folder).map_err(WriteError::Unknown)? < self.settings.reserve {
            return Err(WriteError::NoRoom);
        }
        let transaction = self.connection()?.transaction()?;
        insert(&transaction, entries)?;
        Ok(transaction.commit()?)
    }

    fn connection(&mut self) -> Result<&mut Connection, WriteError> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            closed => Ok(closed.insert(schema::open(&self.path)?)),
        }
    }

    fn tell(&mut self, trouble: Option<WriteError>) {
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > self.told {
            let (events, reason) = (lost - self.told, trouble.map(|error| error.to_string()));
            tracing::warn!(path = %self.path.display(), events, reason, "events could not be written down");
            self.told = lost;
        }
    }

    /// Remove what is older than it has to be, in small steps: new records wait meanwhile.
    fn prune(&mut self) -> Result<(), WriteError> {
        let Some(before) = SystemTime::now().checked_sub(self.settings.keep) else { return Ok(()) };
        let connection = self.connection()?;
        let mut remove = connection.prepare_cached(
            "DELETE FROM records WHERE number IN (SELECT number FROM records WHERE time < ? ORDER BY time LIMIT ?)",
        )?;
        while remove.execute(params![milliseconds(before), PRUNE_AT_ONCE])? == PRUNE_AT_ONCE as usize {}
        Ok(())
    }
}

/// What comes within a while, and whether the writer is to end. Where nothing comes, the writer looks round from time to time.
fn gather(notes: &Receiver<Note>) -> (Vec<Entry>, bool) {
    let mut entries = Vec::new();
    let mut deadline = Instant::now() + PERIOD;
    while entries.len() < MOST_AT_ONCE {
        match notes.recv_deadline(deadline) {
            Ok(Note::Entry(entry)) => {
                if entries.is_empty() {
                    deadline = Instant::now() + GATHER;
                }
                entries.push(*entry);
            }
            Ok(Note::Stop) => return (entries, true),
            Err(error) => return (entries, error.is_disconnected()),
        }
    }
    (entries, false)
}

fn insert(transaction: &Transaction<'_>, entries: &[Entry]) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO records (time, event, id, client, sender, recipient, original, size, queued, waiting, setup, \
         transfer, destination, server, stage, note, filters, session_filters) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    entries.iter().try_for_each(|entry| insert_entry(&mut statement, entry))
}

/// A row for each recipient; one for a sender who had none.
fn insert_entry(statement: &mut Statement<'_>, entry: &Entry) -> rusqlite::Result<()> {
    let client = entry.client.map(|client| client.to_string());
    let (filters, session_filters) = (times(&entry.filters), times(&entry.session_filters));
    let delay = |part: fn(&Delays) -> Duration| entry.delays.as_ref().map(|delays| count(part(delays).as_millis()));
    let mut insert = |recipient: &str, original: Option<&str>| {
        statement.execute(params![
            milliseconds(entry.time),
            entry.event,
            entry.id,
            client,
            entry.sender,
            recipient,
            original,
            entry.size.map(|size| count(size.into())),
            delay(|delays| delays.queued),
            delay(|delays| delays.waiting),
            delay(|delays| delays.setup),
            delay(|delays| delays.transfer),
            entry.destination,
            entry.server,
            entry.stage,
            entry.note,
            filters,
            session_filters,
        ])
    };
    if entry.recipients.is_empty() {
        insert("", None)?;
    }
    entry.recipients.iter().try_for_each(|one| insert(&one.address, one.original.as_deref()).map(drop))
}

/// Microseconds by stage, if any ran.
fn times(times: &[StageTime]) -> Option<String> {
    let time = |time: &StageTime| (time.stage.to_string(), Value::from(count(time.elapsed.as_micros())));
    (!times.is_empty()).then(|| Value::Object(times.iter().map(time).collect::<Map<_, _>>()).to_string())
}

fn count(number: u128) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
