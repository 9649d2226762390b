//! Where a message lies between 250 and the last word about each of its recipients.

mod change;
mod disk;
mod handover;
mod id;
mod large;
mod lease;
mod memory;
mod postpone;
mod reader;
mod rows;
mod schema;
mod select;
mod sqlite;
mod statements;
#[cfg(test)]
mod tests;
mod view;
mod writer;

use std::{future::Future, io, path::PathBuf, pin::Pin, sync::Arc, time::SystemTime};

use tokio::sync::Notify;

use crate::mail::{Client, Envelope, MailParameters, Message, Recipient, ReversePath};

pub use change::{Change, Changed, ChangedRecipient};
pub use handover::Handover;
pub use id::IdSource;
pub use select::{Selection, State};
pub use sqlite::SqliteSpool;
pub use view::{Details, QueueView, Queued, QueuedRecipient, Share, Stats};
pub(crate) use {disk::free_space, reader::open as open_to_read, rows::milliseconds, select::matches};

/// A message that was accepted and has to be kept before the client hears 250.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Queue id, chosen when the message was complete.
    pub id: String,
    /// Where it came from.
    pub client: Arc<Client>,
    /// Reverse-path and recipients after all stages.
    pub envelope: Envelope,
    /// The message after all stages, with our Received field.
    pub message: Message,
    /// When its last octet came.
    pub received: SystemTime,
    /// Keep it back until somebody releases it; the reason.
    pub hold: Option<String>,
    /// Files that filters wrote, which have to be put in their places once the message is safe.
    pub files: Vec<PendingFile>,
}

/// A complete file that has to be moved to its place; after a crash by the next process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingFile {
    /// Where it is.
    pub temporary: PathBuf,
    /// Where it belongs.
    pub target: PathBuf,
    /// Whether it takes the place of a file that is there.
    pub overwrite: bool,
}

/// A message that is due, lent to the one who delivers it. Ends with [`Spool::settle`]; a lease of a process that died is free again
/// when the spool is opened.
#[derive(Clone, Debug)]
pub struct Leased {
    /// Number in the spool.
    pub number: i64,
    /// Queue id.
    pub id: Arc<str>,
    /// Where the message came from.
    pub client: Arc<Client>,
    /// Its reverse-path.
    pub sender: ReversePath,
    /// What else the client said with MAIL.
    pub parameters: MailParameters,
    /// The recipients that are due; others of the message may wait or be done.
    pub recipients: Vec<LeasedRecipient>,
    /// The message.
    pub message: Message,
    /// When it came.
    pub received: SystemTime,
}

/// One recipient of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeasedRecipient {
    /// Place in the envelope at the time of receipt.
    pub position: u32,
    /// Where the message goes, and what the client said about that.
    pub recipient: Recipient,
    /// Attempts before this one.
    pub attempts: u32,
    /// Whether its sender was told, or needs not be told, that it is late.
    pub warned: bool,
}

/// What became of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Nothing more to do: delivered, or given up and reported.
    Done,
    /// Try again; the reply is for people.
    Deferred {
        /// Not before.
        until: SystemTime,
        /// What the next hop said.
        reply: String,
        /// Where it goes, by a name of delivery's; empty where that is not known.
        destination: String,
        /// Whether this was an attempt; else it is not counted.
        tried: bool,
        /// See [`LeasedRecipient::warned`].
        warned: bool,
    },
    /// Keep until somebody releases it.
    Held {
        /// Why.
        reason: String,
    },
}

impl Disposition {
    /// Try again after an attempt of which nothing else is known.
    pub fn deferred(until: SystemTime, reply: String) -> Self {
        Self::Deferred { until, reply, destination: String::new(), tried: true, warned: false }
    }
}

/// A destination that can't be reached: its mail is not to be lent out for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postponement {
    /// Its name, as in [`Disposition::Deferred`].
    pub destination: String,
    /// Not before.
    pub until: SystemTime,
    /// Messages that are not younger are due all the same: they are to be given up. None for all.
    pub received_after: Option<SystemTime>,
    /// The same for recipients about which nobody was told yet that they are late.
    pub unwarned_received_after: Option<SystemTime>,
}

/// The end of a lease.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// Number in the spool.
    pub number: i64,
    /// Position and fate of each recipient of the lease.
    pub recipients: Vec<(u32, Disposition)>,
    /// A report that has to be there as soon as the recipients it is about are gone.
    pub report: Option<NewMessage>,
}

/// How many recipients are in the spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Waiting for their time.
    pub waiting: u64,
    /// Being delivered.
    pub leased: u64,
    /// Held.
    pub held: u64,
}

/// The spool did not do what was asked, and nothing of it was done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SpoolError {
    /// No room, no right to write, a broken database. Before 250 it becomes `452 4.3.1`.
    #[error("spool {path}: {reason}", path = path.display())]
    Unusable {
        /// The database.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The folder can't be made or read: the relay does not start.
    #[error("{path}: {error}", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        error: Arc<io::Error>,
    },
    /// Another relay works on this spool: this one does not start.
    #[error("{path}: another relay uses this state directory", path = path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// There is nothing to look at: no relay has run on this state directory.
    #[error("{path}: there is no queue", path = path.display())]
    NoQueue {
        /// The database.
        path: PathBuf,
    },
    /// The database is of another version than the command that wants to look at it.
    #[error(
        "{path}: it was made by another version (layout {found}, this one knows {known}); `mailweir serve` brings an older one up to date",
        path = path.display()
    )]
    OtherVersion {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The database is of a later version than this relay.
    #[error("{path}: it was made by a newer version (layout {found}, this one knows {known})", path = path.display())]
    TooNew {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
}

/// A future that a spool gives back.
pub type SpoolFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, SpoolError>> + Send + 'a>>;

/// Storage for messages on their way.
pub trait Spool: Send + Sync {
    /// Keep a message. When this returns, it is on disk: a crash can't lose it any more. It is not lent before what is returned is
    /// dropped.
    fn enqueue(&self, message: NewMessage) -> SpoolFuture<'_, Handover>;

    /// Borrow up to `limit` messages that have recipients due at `now`, the longest due first, but none that is known to go to one of the
    /// destinations `not_for`.
    fn lease_due(&self, now: SystemTime, limit: usize, not_for: Vec<String>) -> SpoolFuture<'_, Vec<Leased>>;

    /// Put off all recipients of a destination that are due earlier.
    fn postpone(&self, postponement: Postponement) -> SpoolFuture<'_, ()>;

    /// Give a lease, or some recipients of it, back, with what became of them. A message without recipients is removed; whether it was.
    fn settle(&self, settlement: Settlement) -> SpoolFuture<'_, bool>;

    /// The files of messages that were kept and have not been reported as [`Spool::published`].
    fn unpublished(&self) -> SpoolFuture<'_, Vec<PendingFile>>;

    /// Forget files that are in their places now, by where they were.
    fn published(&self, temporary: Vec<PathBuf>) -> SpoolFuture<'_, ()>;

    /// How much there is.
    fn counts(&self) -> SpoolFuture<'_, Counts>;

    /// When the message came that has been here longest; none when the spool is empty.
    fn oldest(&self) -> SpoolFuture<'_, Option<SystemTime>>;

    /// Octets that are free where messages are kept; none where that is not known.
    fn free_space(&self) -> Option<u64> {
        None
    }

    /// Wakes when mail has arrived.
    fn arrivals(&self) -> &Notify;
}
