//! The spool of one relay: an SQLite database in its state directory.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use rusqlite::Connection;
use tokio::sync::Notify;

use super::{
    Counts, Leased, LeasedRecipient, NewMessage, PendingFile, Settlement, Spool, SpoolError, SpoolFuture,
    memory::Fresh, schema, statements, writer::Writer,
};

/// Due mail waits at most this much longer because other mail passes through memory.
const LONGEST_UNASKED: Duration = Duration::from_secs(1);

/// Messages on disk in `STATE/spool.db`; one process at a time.
pub struct SqliteSpool {
    pub(super) writer: Writer,
    fresh: Arc<Fresh>,
    arrivals: Notify,
    /// When the disk was asked for due mail, and whether it may have more of it.
    disk: Mutex<(Instant, bool)>,
    /// Held as long as the spool is open.
    _lock: File,
}

impl SqliteSpool {
    /// Open, make or bring up to date the spool in a folder. Recovery after a crash is nothing more than this.
    pub fn open(folder: &Path) -> Result<Self, SpoolError> {
        let in_folder = |error| SpoolError::Folder { path: folder.to_owned(), error: Arc::new(error) };
        fs::create_dir_all(folder).map_err(in_folder)?;
        let lock_path = folder.join("spool.lock");
        let lock = File::create(&lock_path).map_err(in_folder)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => SpoolError::Locked { path: lock_path },
            TryLockError::Error(error) => in_folder(error),
        })?;
        let path = folder.join("spool.db");
        let opened = Connection::open(&path);
        let mut connection =
            opened.map_err(|error| SpoolError::Unusable { path: path.clone(), reason: error.to_string() })?;
        schema::prepare(&mut connection, &path)?;
        let writer = Writer::start(connection, path).map_err(in_folder)?;
        Ok(Self {
            writer,
            fresh: Arc::default(),
            arrivals: Notify::new(),
            disk: Mutex::new((Instant::now(), true)),
            _lock: lock,
        })
    }

    /// Transactions so far: how well they are grouped.
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }

    async fn keep(&self, message: NewMessage) -> Result<(), SpoolError> {
        let size = message.message.size();
        let in_memory = message.hold.is_none() && self.fresh.reserve(size);
        let message = Arc::new(message);
        let kept = Arc::clone(&message);
        let inserted = self.writer.run(move |connection| statements::insert(connection, &kept, in_memory)).await;
        match inserted {
            Ok(number) if in_memory => self.fresh.put(fresh(number, message)),
            Ok(_) => self.disk().1 = true,
            Err(error) => {
                if in_memory {
                    self.fresh.release(size);
                }
                return Err(error);
            }
        }
        self.arrivals.notify_one();
        Ok(())
    }

    async fn due(&self, now: SystemTime, limit: usize) -> Result<Vec<Leased>, SpoolError> {
        let mut leased = self.fresh.take(limit);
        let missing = limit - leased.len();
        if missing > 0 && (leased.is_empty() || self.disk_is_worth_asking()) {
            let from_disk = self.writer.run(move |connection| statements::lease(connection, now, missing)).await?;
            *self.disk() = (Instant::now(), from_disk.len() == missing);
            leased.extend(from_disk);
        }
        Ok(leased)
    }

    /// While mail passes through memory, the disk is asked only when it had more, or not lately: each question costs a transaction.
    fn disk_is_worth_asking(&self) -> bool {
        let (asked, more) = *self.disk();
        more || asked.elapsed() > LONGEST_UNASKED
    }

    fn disk(&self) -> MutexGuard<'_, (Instant, bool)> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn end(&self, settlement: Settlement) -> Result<(), SpoolError> {
        let reported = settlement.report.is_some();
        let end = move |connection: &Connection| {
            statements::settle(connection, &settlement)?;
            settlement.report.iter().try_for_each(|report| statements::insert(connection, report, false).map(drop))
        };
        self.writer.run(end).await?;
        if reported {
            self.disk().1 = true;
            self.arrivals.notify_one();
        }
        Ok(())
    }
}

/// A message as it would be read back.
fn fresh(number: i64, message: Arc<NewMessage>) -> Leased {
    let NewMessage { id, client, envelope, message, received, .. } = Arc::unwrap_or_clone(message);
    let recipients = envelope.recipients.into_iter().zip(0..).map(|(recipient, position)| LeasedRecipient {
        position,
        recipient,
        attempts: 0,
    });
    Leased {
        number,
        id: id.into(),
        client: Arc::new(client),
        sender: envelope.sender,
        parameters: envelope.parameters,
        recipients: recipients.collect(),
        message,
        received,
    }
}

impl Spool for SqliteSpool {
    fn enqueue(&self, message: NewMessage) -> SpoolFuture<'_, ()> {
        Box::pin(self.keep(message))
    }

    fn lease_due(&self, now: SystemTime, limit: usize) -> SpoolFuture<'_, Vec<Leased>> {
        Box::pin(self.due(now, limit))
    }

    fn settle(&self, settlement: Settlement) -> SpoolFuture<'_, ()> {
        Box::pin(self.end(settlement))
    }

    fn unpublished(&self) -> SpoolFuture<'_, Vec<PendingFile>> {
        Box::pin(self.writer.run(statements::unpublished))
    }

    fn published(&self, temporary: Vec<PathBuf>) -> SpoolFuture<'_, ()> {
        Box::pin(self.writer.run(move |connection| statements::published(connection, &temporary)))
    }

    fn counts(&self) -> SpoolFuture<'_, Counts> {
        Box::pin(self.writer.run(statements::counts))
    }

    fn arrivals(&self) -> &Notify {
        &self.arrivals
    }
}
