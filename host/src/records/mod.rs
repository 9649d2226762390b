//! What became of each message: a row for each recipient and event, in an SQLite database beside the spool.
//!
//! Mail never waits for a record. Events go to a thread of their own, which writes those of a second as one transaction and doesn't wait for
//! the disk; what it can't take is counted and told. A relay that is killed loses the records of its last second, and no mail.

mod entry;
mod schema;
mod view;
mod writer;

#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use crossbeam_channel::{Sender, bounded};

use self::{
    entry::Entry,
    writer::{Note, Writer},
};
use crate::events::{Event, Observer};

pub use view::{RecordRow, RecordSelection, RecordsError, RecordsView};

/// Events that wait for the writer at most.
const MOST_WAITING: usize = 1 << 15;

/// How records are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSettings {
    /// For how long.
    pub keep: Duration,
    /// Octets of the file system that records leave free: they must not take the room that the queue needs.
    pub reserve: u64,
}

/// Writes down what happens.
pub struct Records {
    queue: Sender<Note>,
    lost: Arc<AtomicU64>,
}

/// The running writer. Dropped, it writes what has been told so far, then ends.
pub struct RecordWriter {
    queue: Sender<Note>,
    thread: Option<JoinHandle<()>>,
}

impl Records {
    /// Start the writer for the records of a state directory. A database that can't be opened is tried again: mail goes on without.
    pub fn start(state_dir: &Path, settings: RecordSettings) -> (Arc<Self>, RecordWriter) {
        let (queue, notes) = bounded(MOST_WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer::new(path(state_dir), settings, Arc::clone(&lost));
        let thread = thread::Builder::new().name("records".to_owned()).spawn(move || writer.run(&notes));
        let thread = thread.inspect_err(|error| tracing::error!("no records are kept: {error}")).ok();
        (Arc::new(Self { queue: queue.clone(), lost }), RecordWriter { queue, thread })
    }

    /// Go on with the records of a relay that doesn't run, if it has any; nothing is removed from them.
    pub fn resume(state_dir: &Path) -> Option<(Arc<Self>, RecordWriter)> {
        let settings = RecordSettings { keep: Duration::MAX, reserve: 0 };
        path(state_dir).exists().then(|| Self::start(state_dir, settings))
    }

    /// Events that could not be written down so far.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Observer for Records {
    fn observe(&self, time: SystemTime, event: &Event<'_>) {
        let told = !self.queue.is_full()
            && Entry::new(time, event).is_none_or(|entry| self.queue.try_send(Note::Entry(Box::new(entry))).is_ok());
        if !told {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for RecordWriter {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        if self.queue.send(Note::Stop).is_ok() && thread.join().is_err() {
            tracing::error!("the writer of the records ended badly");
        }
    }
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("records.db")
}
