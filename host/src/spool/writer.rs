//! The one thread that writes. What waits for it is done as one transaction: many messages, one fsync.
//!
//! Only what somebody was promised needs the fsync: a message before its 250, a change that somebody asked for. That a message left
//! or was lent out may reach the disk a little later: a crash of the machine then repeats a delivery, as it may do anyway when it
//! comes between the next hop's reply and the commit, and loses nothing. A crash of the relay alone loses no commit.

use std::{
    ffi::OsString,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::SpoolError;

/// Jobs in one transaction at most, so that nobody waits for ever for the end of it.
const LARGEST_BATCH: usize = 1000;
/// How long a transaction that nobody waits for may stay without fsync.
const LATEST_SYNC: Duration = Duration::from_secs(1);

/// When a transaction has to be on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Safe {
    /// Before its job ends.
    Now,
    /// Within [`LATEST_SYNC`].
    Soon,
}

/// Something to do inside a transaction, that can be done again when the transaction failed.
trait Job: Send {
    fn safe(&self) -> Safe;

    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()>;

    /// Tell whoever waits; `Ok` means committed.
    fn end(self: Box<Self>, committed: Result<(), SpoolError>);
}

struct Task<W, T, E, R> {
    safe: Safe,
    work: W,
    value: Option<T>,
    then: E,
    reply: oneshot::Sender<Result<R, SpoolError>>,
}

impl<T, W, E, R> Job for Task<W, T, E, R>
where
    T: Send,
    W: FnMut(&Connection) -> rusqlite::Result<T> + Send,
    E: FnOnce(Result<T, SpoolError>) -> Result<R, SpoolError> + Send,
    R: Send,
{
    fn safe(&self) -> Safe {
        self.safe
    }

    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.value = Some((self.work)(connection)?);
        Ok(())
    }

    fn end(self: Box<Self>, committed: Result<(), SpoolError>) {
        let Self { value, then, reply, .. } = *self;
        let outcome = match (committed, value) {
            (Ok(()), Some(value)) => then(Ok(value)),
            (Err(error), _) => then(Err(error)),
            (Ok(()), None) => return,
        };
        // Nobody waits any more when a session was cut off; what was committed stays.
        drop(reply.send(outcome));
    }
}

/// Handle to the thread; it ends when the handle is dropped and all jobs are done.
pub(super) struct Writer {
    jobs: Option<Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
    path: PathBuf,
    syncs: Arc<AtomicU64>,
    reusable: Arc<AtomicU64>,
}

impl Writer {
    pub(super) fn start(connection: Connection, path: PathBuf) -> io::Result<Self> {
        let (jobs, queue) = crossbeam_channel::unbounded();
        let syncs = Arc::new(AtomicU64::new(0));
        let reusable = Arc::new(AtomicU64::new(reusable(&connection).unwrap_or_default()));
        let mut wal = path.clone().into_os_string();
        wal.push("-wal");
        let mut thread_state = Thread {
            connection,
            queue,
            path: path.clone(),
            wal,
            syncs: Arc::clone(&syncs),
            reusable: Arc::clone(&reusable),
            // Where `schema` leaves it.
            mode: Safe::Now,
            unsafe_since: None,
        };
        let thread = thread::Builder::new().name("spool".to_owned()).spawn(move || thread_state.run())?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), path, syncs, reusable })
    }

    /// Have something done in the next transaction; the value is there when it is committed.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        safe: Safe,
        work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, SpoolError> {
        self.run_then(safe, work, |value| value).await
    }

    /// The same with something that must follow, whether or not somebody still waits: `then` runs on the writer's thread after the
    /// commit, or after the failure, and must be quick.
    pub(super) async fn run_then<T: Send + 'static, R: Send + 'static>(
        &self,
        safe: Safe,
        work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
        then: impl FnOnce(Result<T, SpoolError>) -> Result<R, SpoolError> + Send + 'static,
    ) -> Result<R, SpoolError> {
        let (reply, answer) = oneshot::channel();
        let gone = || SpoolError::Unusable { path: self.path.clone(), reason: "its thread has ended".to_owned() };
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(Box::new(Task { safe, work, value: None, then, reply })).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Octets of the database that are free inside it: it never gives room back to the file system.
    pub(super) fn reusable(&self) -> u64 {
        self.reusable.load(Ordering::Relaxed)
    }

    /// Transactions so far that were on disk before their jobs ended.
    pub(super) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

struct Thread {
    connection: Connection,
    queue: Receiver<Box<dyn Job>>,
    path: PathBuf,
    wal: OsString,
    syncs: Arc<AtomicU64>,
    reusable: Arc<AtomicU64>,
    /// What SQLite was told last.
    mode: Safe,
    /// Since when there are commits without fsync.
    unsafe_since: Option<Instant>,
}

impl Thread {
    fn run(&mut self) {
        while let Some(first) = self.next() {
            let mut batch = vec![first];
            batch.extend(self.queue.try_iter().take(LARGEST_BATCH - 1));
            match self.transaction(&mut batch) {
                Ok(()) => batch.into_iter().for_each(|job| job.end(Ok(()))),
                // One of them may be the only one that can't be done: each for itself.
                Err(_) => batch.into_iter().for_each(|job| self.alone(job)),
            }
        }
        self.sync();
    }

    /// The next job; while there is none, what is not on disk yet gets there in time.
    fn next(&mut self) -> Option<Box<dyn Job>> {
        if let Some(since) = self.unsafe_since {
            match self.queue.recv_timeout(LATEST_SYNC.saturating_sub(since.elapsed())) {
                Err(RecvTimeoutError::Timeout) => self.sync(),
                job => return job.ok(),
            }
        }
        self.queue.recv().ok()
    }

    fn alone(&mut self, job: Box<dyn Job>) {
        let mut batch = [job];
        let done = self.transaction(&mut batch);
        let done = done.map_err(|error| SpoolError::Unusable { path: self.path.clone(), reason: error.to_string() });
        let [job] = batch;
        job.end(done);
    }

    fn transaction(&mut self, batch: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
        let overdue = self.unsafe_since.is_some_and(|since| since.elapsed() >= LATEST_SYNC);
        let safe = if overdue || batch.iter().any(|job| job.safe() == Safe::Now) { Safe::Now } else { Safe::Soon };
        self.set_mode(safe)?;
        // Dropped without commit, it is rolled back.
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        batch.iter_mut().try_for_each(|job| job.run(&transaction))?;
        let reusable = reusable(&transaction)?;
        transaction.commit()?;
        self.reusable.store(reusable, Ordering::Relaxed);
        match safe {
            // The fsync of the log takes in what was written to it before.
            Safe::Now => {
                self.syncs.fetch_add(1, Ordering::Relaxed);
                self.unsafe_since = None;
            }
            Safe::Soon => drop(self.unsafe_since.get_or_insert_with(Instant::now)),
        }
        Ok(())
    }

    fn set_mode(&mut self, safe: Safe) -> rusqlite::Result<()> {
        if self.mode != safe {
            let synchronous = if safe == Safe::Now { "full" } else { "normal" };
            self.connection.pragma_update(None, "synchronous", synchronous)?;
            self.mode = safe;
        }
        Ok(())
    }

    fn sync(&mut self) {
        if self.unsafe_since.take().is_some()
            && let Err(error) = File::open(Path::new(&self.wal)).and_then(|log| log.sync_data())
        {
            // Nothing was promised; the next message that comes in tries again.
            tracing::warn!(path = %Path::new(&self.wal).display(), "fsync: {error}");
        }
    }
}

fn reusable(connection: &Connection) -> rusqlite::Result<u64> {
    let query = "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size";
    connection.prepare_cached(query)?.query_row([], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
}
