//! The spool of one relay: an SQLite database in its state directory.

use std::{
    collections::HashSet,
    fs::{self, File, TryLockError},
    mem,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use rusqlite::Connection;
use tokio::{sync::Notify, task};

use super::{
    Counts, Disposition, Handover, Leased, LeasedRecipient, NewMessage, PendingFile, Postponement, Settlement, Spool,
    SpoolError, SpoolFuture,
    disk::free_space,
    large::{LARGE, Large, Written},
    lease::{self, Loan},
    memory::Fresh,
    postpone,
    reader::Reader,
    rows, schema,
    statements::{self, Content},
    writer::{Safe, Writer},
};

/// Due mail waits at most this much longer because other mail passes through memory.
const LONGEST_UNASKED: Duration = Duration::from_secs(1);
/// When a message that can't be read is tried again.
const READ_AGAIN: Duration = Duration::from_secs(300);

/// Messages on disk in `STATE/spool.db` and `STATE/large`; one process at a time.
pub struct SqliteSpool {
    pub(super) writer: Writer,
    pub(super) reader: Reader,
    pub(super) shared: Arc<Shared>,
    large: Large,
    folder: PathBuf,
    /// Leases that ended here, because the message couldn't be read, and why.
    unread: Mutex<Vec<(Loan, String)>>,
    /// Number of the last message. No number is used twice while a lease may still name it.
    last: AtomicI64,
    /// Held as long as the spool is open.
    _lock: File,
}

/// What the writer's thread touches too.
pub(super) struct Shared {
    pub(super) fresh: Fresh,
    arrivals: Notify,
    /// When the disk was asked for due mail, and whether it may have more of it.
    disk: Mutex<(Instant, bool)>,
    /// Messages that are due on the disk, but not handed over yet.
    kept_back: Mutex<HashSet<i64>>,
}

impl Shared {
    fn disk(&self) -> MutexGuard<'_, (Instant, bool)> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept_back(&self) -> MutexGuard<'_, HashSet<i64>> {
        self.kept_back.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message is due from now on, from memory where it is there.
    fn hand_over(&self, number: i64, in_memory: Option<Arc<NewMessage>>) {
        if let Some(message) = in_memory {
            self.fresh.put(fresh(number, message));
            self.arrivals.notify_one();
        } else {
            self.kept_back().remove(&number);
            self.look_at_disk();
        }
    }

    /// There may be something due on the disk.
    pub(super) fn look_at_disk(&self) {
        self.disk().1 = true;
        self.arrivals.notify_one();
    }
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
        let path = database(folder);
        let opened = Connection::open(&path);
        let mut connection =
            opened.map_err(|error| SpoolError::Unusable { path: path.clone(), reason: error.to_string() })?;
        let last = schema::prepare(&mut connection, &path)?;
        let large = Large::open(folder).map_err(in_folder)?;
        large.remove_orphans(|id| statements::has(&connection, id)).map_err(in_folder)?;
        let writer = Writer::start(connection, path.clone()).map_err(in_folder)?;
        let disk = Mutex::new((Instant::now(), true));
        Ok(Self {
            writer,
            reader: Reader::new(path),
            shared: Arc::new(Shared {
                fresh: Fresh::default(),
                arrivals: Notify::new(),
                disk,
                kept_back: Mutex::default(),
            }),
            large,
            folder: folder.to_owned(),
            unread: Mutex::default(),
            last: AtomicI64::new(last),
            _lock: lock,
        })
    }

    /// How often new messages were brought to disk so far: how well they are grouped.
    pub fn syncs(&self) -> u64 {
        self.writer.syncs()
    }

    async fn keep(&self, message: NewMessage) -> Result<Handover, SpoolError> {
        let size = message.message.size();
        let (content, file) = self.content(&message, size).await?;
        let in_memory = message.hold.is_none() && self.shared.fresh.reserve(size);
        let message = Arc::new(message);
        let (kept, shared) = (Arc::clone(&message), Arc::clone(&self.shared));
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        if !in_memory {
            shared.kept_back().insert(number);
        }
        let insert = move |connection: &Connection| statements::insert(connection, number, &kept, &content, in_memory);
        // Whatever becomes of the session that waits: a row and its file, or neither; a lease and its message in memory, or neither.
        let then = move |inserted: Result<(), SpoolError>| match inserted {
            Ok(()) => {
                file.into_iter().for_each(Written::keep);
                Ok(Handover::new(move || shared.hand_over(number, in_memory.then_some(message))))
            }
            Err(error) => {
                if in_memory {
                    shared.fresh.release(size);
                } else {
                    shared.kept_back().remove(&number);
                }
                Err(error)
            }
        };
        self.writer.run_then(Safe::Now, insert, then).await
    }

    /// The octets of a message for its row, or on disk in a file already.
    async fn content(&self, message: &NewMessage, size: u64) -> Result<(Content, Option<Written>), SpoolError> {
        if size < LARGE {
            let mut octets = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
            message.message.pieces().for_each(|piece| octets.extend_from_slice(piece));
            return Ok((Content::Row(octets), None));
        }
        let failed = |reason: String| SpoolError::Unusable { path: self.large.path(&message.id), reason };
        let (large, id, octets) = (self.large.clone(), message.id.clone(), message.message.clone());
        let written = task::spawn_blocking(move || large.write(&id, &octets)).await;
        let written = written.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
        Ok((Content::File(size), Some(written)))
    }

    async fn due(&self, now: SystemTime, limit: usize, not_for: Vec<String>) -> Result<Vec<Leased>, SpoolError> {
        self.give_unread_back(now).await?;
        let mut leased = self.shared.fresh.take(limit);
        let missing = limit - leased.len();
        if missing > 0 && (leased.is_empty() || self.disk_is_worth_asking()) {
            let shared = Arc::clone(&self.shared);
            let mark = move |connection: &Connection| {
                let kept_back = shared.kept_back().clone();
                lease::mark(connection, now, missing, &not_for, &kept_back)
            };
            let (loans, more) = self.writer.run(Safe::Soon, mark).await?;
            *self.shared.disk() = (Instant::now(), more);
            if !loans.is_empty() {
                leased.extend(self.read(loans).await);
            }
        }
        Ok(leased)
    }

    /// Read what was marked as leased. The rest of the queue goes on when one can't be read.
    async fn read(&self, loans: Vec<Loan>) -> Vec<Leased> {
        let (large, wanted) = (self.large.clone(), loans.clone());
        let read = move |connection: &Connection| {
            let read = |loan: &Loan| rows::leased(connection, &large, loan).map_err(|error| error.to_string());
            Ok(wanted.iter().map(read).collect::<Vec<_>>())
        };
        let read = match self.reader.run(read).await {
            Ok(read) => read,
            Err(error) => vec![Err(error.to_string()); loans.len()],
        };
        let mut leased = Vec::with_capacity(loans.len());
        for (loan, read) in loans.into_iter().zip(read) {
            match read {
                Ok(one) => leased.push(one),
                Err(error) => {
                    tracing::error!(number = loan.number, "a message can't be read: {error}");
                    self.unread().push((loan, error));
                }
            }
        }
        leased
    }

    /// What could not be read is tried again later.
    async fn give_unread_back(&self, now: SystemTime) -> Result<(), SpoolError> {
        let unread = mem::take(&mut *self.unread());
        let mut ended = Ok(());
        for (loan, error) in unread {
            let later = Disposition::deferred(now + READ_AGAIN, format!("it can't be read: {error}"));
            let recipients = loan.positions.iter().map(|position| (*position, later.clone())).collect();
            let given = self.end(Settlement { number: loan.number, recipients, report: None }).await;
            if given.is_err() {
                self.unread().push((loan, error));
                ended = given.map(drop);
            }
        }
        ended
    }

    fn unread(&self) -> MutexGuard<'_, Vec<(Loan, String)>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// While mail passes through memory, the disk is asked only when it had more, or not lately: each question costs a transaction.
    fn disk_is_worth_asking(&self) -> bool {
        let (asked, more) = *self.shared.disk();
        more || asked.elapsed() > LONGEST_UNASKED
    }

    async fn end(&self, settlement: Settlement) -> Result<bool, SpoolError> {
        let report = match &settlement.report {
            Some(report) => Some((
                self.last.fetch_add(1, Ordering::Relaxed) + 1,
                self.content(report, report.message.size()).await?,
            )),
            None => None,
        };
        let shared = Arc::clone(&self.shared);
        let reported = report.is_some();
        let (number_and_content, file) = report.map(|(number, (content, file))| ((number, content), file)).unzip();
        let end = move |connection: &Connection| {
            let removed = statements::settle(connection, &settlement)?;
            if let (Some(report), Some((number, content))) = (&settlement.report, &number_and_content) {
                statements::insert(connection, *number, report, content, false)?;
            }
            Ok(removed)
        };
        let then = move |ended: Result<Option<statements::Removed>, SpoolError>| {
            if ended.is_ok() && reported {
                file.flatten().into_iter().for_each(Written::keep);
                shared.look_at_disk();
            }
            ended
        };
        let removed = self.writer.run_then(Safe::Soon, end, then).await?;
        let is_removed = removed.is_some();
        if let Some(id) = removed.and_then(statements::Removed::file) {
            self.remove_files(vec![id]).await;
        }
        Ok(is_removed)
    }

    /// Remove the files of messages whose rows are gone. What a crash leaves of them is removed at the next start.
    pub(super) async fn remove_files(&self, ids: Vec<String>) {
        let large = self.large.clone();
        drop(task::spawn_blocking(move || ids.iter().for_each(|id| large.remove(id))).await);
    }
}

/// The database in a state directory.
pub(super) fn database(folder: &Path) -> PathBuf {
    folder.join("spool.db")
}

/// A message as it would be read back.
fn fresh(number: i64, message: Arc<NewMessage>) -> Leased {
    let NewMessage { id, client, envelope, message, received, .. } = Arc::unwrap_or_clone(message);
    let recipients = envelope.recipients.into_iter().zip(0..).map(|(recipient, position)| LeasedRecipient {
        position,
        recipient,
        attempts: 0,
        warned: false,
    });
    Leased {
        number,
        id: id.into(),
        client,
        sender: envelope.sender,
        parameters: envelope.parameters,
        recipients: recipients.collect(),
        message,
        received,
    }
}

impl Spool for SqliteSpool {
    fn enqueue(&self, message: NewMessage) -> SpoolFuture<'_, Handover> {
        Box::pin(self.keep(message))
    }

    fn lease_due(&self, now: SystemTime, limit: usize, not_for: Vec<String>) -> SpoolFuture<'_, Vec<Leased>> {
        Box::pin(self.due(now, limit, not_for))
    }

    fn postpone(&self, postponement: Postponement) -> SpoolFuture<'_, ()> {
        Box::pin(async move {
            let postponement = Arc::new(postponement);
            // In pieces, so that mail that comes in does not wait long.
            loop {
                let one = Arc::clone(&postponement);
                let work = move |connection: &Connection| postpone::postpone(connection, &one);
                if self.writer.run(Safe::Soon, work).await? == 0 {
                    return Ok(());
                }
            }
        })
    }

    fn settle(&self, settlement: Settlement) -> SpoolFuture<'_, bool> {
        Box::pin(self.end(settlement))
    }

    fn unpublished(&self) -> SpoolFuture<'_, Vec<PendingFile>> {
        Box::pin(self.reader.run(statements::unpublished))
    }

    fn published(&self, temporary: Vec<PathBuf>) -> SpoolFuture<'_, ()> {
        Box::pin(self.writer.run(Safe::Soon, move |connection| statements::published(connection, &temporary)))
    }

    fn counts(&self) -> SpoolFuture<'_, Counts> {
        Box::pin(self.reader.run(statements::counts))
    }

    fn oldest(&self) -> SpoolFuture<'_, Option<SystemTime>> {
        Box::pin(self.reader.run(statements::oldest))
    }

    fn free_space(&self) -> Option<u64> {
        let free = free_space(&self.folder).inspect_err(|error| tracing::warn!("free space: {error}")).ok()?;
        Some(free.saturating_add(self.writer.reusable()))
    }

    fn arrivals(&self) -> &Notify {
        &self.shared.arrivals
    }
}
