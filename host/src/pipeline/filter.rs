//! What the pipeline asks of a filter.

use std::{future::Future, pin::Pin, sync::Arc};

use super::usage::Usage;
use crate::{
    files::Kept,
    mail::{Address, Client, Edit, Envelope, Message, ReversePath},
    smtp::Reply,
};

/// A message on its way through the stages, as the stage before left it.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Queue id for the log; also known while the client still waits for its reply.
    pub id: Arc<str>,
    /// Where it came from.
    pub client: Arc<Client>,
    /// Reverse-path and recipients.
    pub envelope: Envelope,
    /// Header and body.
    pub message: Message,
    /// Whether somebody wants reasons (`trace`, `explain`).
    pub explain: bool,
}

/// What is to become of a message. One to one with `verdict` in `wit/types.wit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on with the next stage.
    Next,
    /// Skip the later stages of this list.
    Accept,
    /// 5xx.
    Reject(Reply),
    /// 4xx.
    Defer(Reply),
    /// 250 and forget; the reason.
    Discard(String),
    /// 250 and keep until released; the reason.
    Hold(String),
}

impl Verdict {
    /// All of them, as in `wit/types.wit`.
    pub const NAMES: [&str; 6] = ["next", "accept", "reject", "defer", "discard", "hold"];

    /// Its place in [`Verdict::NAMES`].
    pub(super) fn index(&self) -> usize {
        match self {
            Self::Next => 0,
            Self::Accept => 1,
            Self::Reject(_) => 2,
            Self::Defer(_) => 3,
            Self::Discard(_) => 4,
            Self::Hold(_) => 5,
        }
    }
}

/// A filter's answer about a message.
#[derive(Debug)]
pub struct Outcome {
    /// What is to become of it.
    pub verdict: Verdict,
    /// Why, where asked.
    pub reason: Option<String>,
    /// What to change, not yet checked.
    pub edits: Vec<Edit>,
    /// The way to the answer, step by step, where asked.
    pub notes: Vec<String>,
    /// Files that it wrote; dropped, they are gone.
    pub files: Vec<Kept>,
}

/// The moment of a session at which a filter is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Nothing has been said yet.
    Connect,
    /// EHLO, HELO or LHLO.
    Helo,
    /// MAIL.
    Mail,
    /// RCPT, once for each recipient.
    Rcpt,
    /// DATA or the first BDAT.
    Data,
    /// The message is complete.
    EndOfData,
}

impl Phase {
    /// In the order of a session.
    pub const ALL: [Self; 6] = [Self::Connect, Self::Helo, Self::Mail, Self::Rcpt, Self::Data, Self::EndOfData];

    /// As in the TOML.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Helo => "helo",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::EndOfData => "end-of-data",
        }
    }
}

/// Something that a filter remembers for the rest of the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// At most 64 octets.
    pub key: String,
    /// At most 1,024 octets.
    pub value: Vec<u8>,
}

/// All that a session knows at one moment. One to one with `facts` in `wit/filter.wit`.
#[derive(Clone, Debug)]
pub struct Facts {
    /// When.
    pub phase: Phase,
    /// Who.
    pub client: Arc<Client>,
    /// After MAIL.
    pub sender: Option<ReversePath>,
    /// At RCPT.
    pub recipient: Option<Address>,
    /// Whether that recipient is one that we relay for.
    pub recipient_is_ours: bool,
    /// Accepted so far.
    pub recipients: Vec<Address>,
    /// Declared, or true at the end.
    pub size: Option<u64>,
    /// What this stage noted earlier in the session.
    pub notes: Vec<Note>,
    /// Whether somebody wants reasons.
    pub explain: bool,
}

/// What a decision brings about beside its verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// One more recipient.
    AddRecipient(Address),
    /// This recipient instead of all.
    Redirect(Address),
    /// A field above the message's own.
    PrependField {
        /// Field name without colon.
        name: String,
        /// Raw value.
        value: Vec<u8>,
    },
    /// This client may send to this recipient, wherever that is.
    PermitRelay,
    /// Remember this.
    Note(Note),
}

/// A filter's answer about a moment of a session.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What is to become of the connection, transaction or recipient.
    pub verdict: Verdict,
    /// Why, where asked.
    pub reason: Option<String>,
    /// What else.
    pub effects: Vec<Effect>,
    /// The way to the answer, where asked.
    pub trail: Vec<String>,
}

/// A future that a filter gives back.
pub type FilterFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, FilterError>> + Send + 'a>>;

/// A filter as the pipeline sees it.
pub trait Filter: Send + Sync {
    /// Decide about a message. Called only where the filter stands in `[[message]]` or `[[delivery]]`.
    fn message<'a>(&'a self, mail: &'a Arc<Mail>) -> FilterFuture<'a, Outcome>;

    /// Decide about a moment of a session. Called only where the filter stands in `[[session]]`.
    fn session<'a>(&'a self, facts: &'a Arc<Facts>) -> FilterFuture<'a, Decision>;

    /// What it has used, if it keeps count.
    fn usage(&self) -> Option<&Usage> {
        None
    }
}

/// In which way a filter failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// It trapped: a panic, an out-of-bounds access, a stack overflow.
    Trap,
    /// It took longer than the stage's `timeout`.
    Timeout,
    /// It wanted more than the stage's `memory`.
    Memory,
    /// It asked tables more often than the stage's `lookups`.
    Lookups,
    /// It wrote more than the stage's `output`.
    Output,
    /// It answered with more edits than the stage's `edits`.
    Edits,
    /// Its answer can't be applied.
    InvalidAnswer,
    /// It said itself that it could not do its work.
    Failed,
    /// The relay could not run it (no room in the pool, out of memory).
    Host,
}

impl FailureKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Trap,
        Self::Timeout,
        Self::Memory,
        Self::Lookups,
        Self::Output,
        Self::Edits,
        Self::InvalidAnswer,
        Self::Failed,
        Self::Host,
    ];

    /// As metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Timeout => "timeout",
            Self::Memory => "memory",
            Self::Lookups => "lookups",
            Self::Output => "output",
            Self::Edits => "edits",
            Self::InvalidAnswer => "invalid-answer",
            Self::Failed => "failed",
            Self::Host => "host",
        }
    }
}

/// An answer that can't be applied, of a filter that has counted it as one.
pub(super) fn invalid_answer(filter: &dyn Filter, message: String) -> FilterError {
    let kind = FailureKind::InvalidAnswer;
    filter.usage().into_iter().for_each(|usage| usage.failed(kind));
    FilterError { kind, message, backtrace: Vec::new() }
}

/// A filter did not do its work. What becomes of the message is the stage's `on-error`; by default 451 4.3.0.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct FilterError {
    /// In which way.
    pub kind: FailureKind,
    /// One line for the log.
    pub message: String,
    /// The guest's backtrace, innermost frame first; empty where there is none.
    pub backtrace: Vec<String>,
}
