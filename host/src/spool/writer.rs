//! The one thread that writes. What waits for it is done as one transaction: many messages, one fsync.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use crossbeam_channel::{Receiver, Sender};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::SpoolError;

/// Jobs in one transaction at most, so that nobody waits for ever for the end of it.
const LARGEST_BATCH: usize = 1000;

/// Something to do inside a transaction, that can be done again when the transaction failed.
trait Job: Send {
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()>;

    /// Tell whoever waits; `Ok` means committed.
    fn end(self: Box<Self>, committed: Result<(), SpoolError>);
}

struct Task<W, T> {
    work: W,
    value: Option<T>,
    reply: oneshot::Sender<Result<T, SpoolError>>,
}

impl<T: Send, W: FnMut(&Connection) -> rusqlite::Result<T> + Send> Job for Task<W, T> {
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.value = Some((self.work)(connection)?);
        Ok(())
    }

    fn end(self: Box<Self>, committed: Result<(), SpoolError>) {
        let Self { value, reply, .. } = *self;
        // Nobody waits any more when a session was cut off; what was committed stays.
        match (committed, value) {
            (Ok(()), Some(value)) => drop(reply.send(Ok(value))),
            (Err(error), _) => drop(reply.send(Err(error))),
            (Ok(()), None) => {}
        }
    }
}

/// Handle to the thread; it ends when the handle is dropped and all jobs are done.
pub(super) struct Writer {
    jobs: Option<Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
    path: PathBuf,
    commits: Arc<AtomicU64>,
}

impl Writer {
    pub(super) fn start(connection: Connection, path: PathBuf) -> io::Result<Self> {
        let (jobs, queue) = crossbeam_channel::unbounded();
        let commits = Arc::new(AtomicU64::new(0));
        let mut thread_state = Thread { connection, queue, path: path.clone(), commits: Arc::clone(&commits) };
        let thread = thread::Builder::new().name("spool".to_owned()).spawn(move || thread_state.run())?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), path, commits })
    }

    /// Have something done in the next transaction; the value is there when it is committed.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, SpoolError> {
        let (reply, answer) = oneshot::channel();
        let gone = || SpoolError::Unusable { path: self.path.clone(), reason: "its thread has ended".to_owned() };
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(Box::new(Task { work, value: None, reply })).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Transactions so far.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
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
    commits: Arc<AtomicU64>,
}

impl Thread {
    fn run(&mut self) {
        while let Ok(first) = self.queue.recv() {
            let mut batch = vec![first];
            batch.extend(self.queue.try_iter().take(LARGEST_BATCH - 1));
            match self.transaction(&mut batch) {
                Ok(()) => batch.into_iter().for_each(|job| job.end(Ok(()))),
                // One of them may be the only one that can't be done: each for itself.
                Err(_) => batch.into_iter().for_each(|job| self.alone(job)),
            }
        }
    }

    fn alone(&mut self, job: Box<dyn Job>) {
        let mut batch = [job];
        let done = self.transaction(&mut batch);
        let done = done.map_err(|error| SpoolError::Unusable { path: self.path.clone(), reason: error.to_string() });
        let [job] = batch;
        job.end(done);
    }

    fn transaction(&mut self, batch: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
        // Dropped without commit, it is rolled back.
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        batch.iter_mut().try_for_each(|job| job.run(&transaction))?;
        transaction.commit()?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
