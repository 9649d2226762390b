//! Where a message lies between 250 and the last word about each of its recipients.

use std::{future::Future, pin::Pin, time::SystemTime};

use crate::mail::{Client, Envelope, Message};

/// A message that was accepted and has to be kept before the client hears 250.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Queue id, chosen at the beginning of DATA.
    pub id: String,
    /// Where it came from.
    pub client: Client,
    /// Reverse-path and recipients after all stages.
    pub envelope: Envelope,
    /// The message after all stages, with our Received field.
    pub message: Message,
    /// When its last octet came.
    pub received: SystemTime,
    /// Keep it back until somebody releases it; the reason.
    pub hold: Option<String>,
}

/// The spool did not do what was asked. Before 250 it becomes `452 4.3.1`.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The disk is full, the file is read-only, the database is broken.
    #[error("spool {path}: {reason}")]
    Unusable {
        /// The database.
        path: String,
        /// What the system said.
        reason: String,
    },
}

/// A future that a spool gives back.
pub type SpoolFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, SpoolError>> + Send + 'a>>;

/// Storage for messages on their way.
pub trait Spool: Send + Sync {
    /// Keep a message. When this returns, it is on disk: a crash can't lose it any more.
    fn enqueue(&self, message: NewMessage) -> SpoolFuture<'_, ()>;
}
