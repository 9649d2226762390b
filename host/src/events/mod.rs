//! What happens to sessions and messages, told to those who watch: the log, the records, the metrics.
//!
//! An event borrows what it tells of from the one to whom it happened: nothing is copied unless a watcher wants to keep it.

mod contact;
mod counts;
mod log;
mod postfix;
#[cfg(test)]
mod seen;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    mail::{Address, Client, Envelope, Recipient, ReversePath},
    pipeline::{Refusal, StageTime},
    smtp::{Mechanism, Reply, Transaction, Verb},
    spool::{Change, ChangedRecipient},
};

pub use contact::{ContactFailure, ContactFailureKind, Contacted, NextHopTls, Security};
pub use counts::CommandCounts;
pub use log::Log;
pub use postfix::{PostfixLog, line_start};
#[cfg(test)]
pub(crate) use seen::Seen;

/// Somebody who wants to know what happens.
pub trait Observer: Send + Sync {
    /// Called on the way of the mail, after the event and before whatever follows it: must not block.
    fn observe(&self, time: SystemTime, event: &Event<'_>);
}

/// All who watch. Cloning is cheap; by default nobody does.
#[derive(Clone, Default)]
pub struct Observers(Arc<[Arc<dyn Observer>]>);

impl Observers {
    /// These.
    pub fn new(observers: impl IntoIterator<Item = Arc<dyn Observer>>) -> Self {
        Self(observers.into_iter().collect())
    }

    /// Tell all of them.
    pub fn tell(&self, event: &Event<'_>) {
        let time = SystemTime::now();
        self.0.iter().for_each(|observer| observer.observe(time, event));
    }
}

/// Something that happened just now.
#[derive(Debug)]
pub enum Event<'a> {
    /// A client connected and its name is known, if it has one; nothing has been said.
    Connected(&'a Client),
    /// A session is under TLS from here on.
    Secured(&'a Client),
    /// A session ended.
    Disconnected(Disconnected<'a>),
    /// A client talked where it has to wait for us; its session ends.
    TalkedEarly(TalkedEarly<'a>),
    /// A command was refused.
    Refused(Refused<'a>),
    /// A client told a name and a password.
    Login(Login<'a>),
    /// A complete message came in and was answered.
    Received(Received<'a>),
    /// A server of a next hop was connected to, or could not be talked to.
    Contacted(Contacted<'a>),
    /// A recipient has the answer of an attempt to deliver.
    Attempted(Attempted<'a>),
    /// A report to the sender of a message was put into the queue (RFC 3464).
    Reported(Reported<'a>),
    /// An operator changed a recipient of the queue.
    Operated(Operated<'a>),
    /// Nothing is left of the message with this queue id: each recipient has what becomes of it.
    Removed(&'a str),
}

/// The end of a session.
#[derive(Debug)]
pub struct Disconnected<'a> {
    /// Whose.
    pub client: &'a Client,
    /// Why it ended before QUIT, if it did.
    pub error: Option<&'a str>,
    /// The last command.
    pub verb: Option<Verb>,
    /// Octets of the message that was coming in, if one was.
    pub receiving: Option<u64>,
    /// What it said.
    pub commands: &'a CommandCounts,
}

/// Something that came before its time.
#[derive(Debug)]
pub struct TalkedEarly<'a> {
    /// Who said it.
    pub client: &'a Client,
    /// What it had to wait for.
    pub awaited: Awaited,
    /// What it said, as far as it has come in.
    pub said: &'a [u8],
}

/// What a client has to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The greeting; how long it did.
    Greeting(Duration),
    /// The reply to this command, which has to be the last of its group (RFC 2920 3.1).
    Reply(Verb),
}

impl TalkedEarly<'_> {
    /// The beginning, in printable US-ASCII: one line of 100 octets at most, without what may be a password.
    pub fn excerpt(&self) -> String {
        let line = self.said.split_inclusive(|octet| *octet == b'\n').next().unwrap_or_default();
        let is_login = line.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH"));
        let limit = if is_login { 4 } else { 100 };
        line.get(..limit).unwrap_or(line).escape_ascii().to_string()
    }
}

/// A refused command, or a message that the session's stages refused at its end.
#[derive(Debug)]
pub struct Refused<'a> {
    /// Who heard it.
    pub client: &'a Client,
    /// The command; none for the greeting.
    pub verb: Option<Verb>,
    /// The `[[session]]` stage that said no; none where the protocol or relay control did.
    pub refusal: Option<&'a Refusal>,
    /// From MAIL on.
    pub transaction: Option<&'a Transaction>,
    /// The recipient that was refused, at RCPT.
    pub recipient: Option<&'a Address>,
    /// The mechanism of an exchange that failed before there was a name and a password, at AUTH; as the client named it.
    pub mechanism: Option<&'a str>,
    /// What the client heard.
    pub reply: &'a Reply,
    /// Whether the client said EHLO.
    pub extended: bool,
    /// What each `[[session]]` stage took that ran since such times were told last.
    pub session_filters: &'a [StageTime],
}

impl<'a> Refused<'a> {
    /// A client that isn't welcome and has said nothing.
    pub fn connection(client: &'a Client, reply: &'a Reply) -> Self {
        Self {
            client,
            verb: None,
            refusal: None,
            transaction: None,
            recipient: None,
            mechanism: None,
            reply,
            extended: false,
            session_filters: &[],
        }
    }
}

/// A name and a password that were compared with those that are known, or could not be.
#[derive(Debug)]
pub struct Login<'a> {
    /// Who told them.
    pub client: &'a Client,
    /// How.
    pub mechanism: Mechanism,
    /// The name.
    pub login: &'a str,
    /// Failures of this client in the last hour, with this one.
    pub failures: u32,
    /// Why it isn't believed, if it isn't.
    pub refusal: Option<LoginRefusal<'a>>,
}

/// Why somebody did not log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginRefusal<'a> {
    /// For the operator.
    pub reason: &'a str,
    /// What the client heard, which tells less.
    pub reply: &'a Reply,
}

/// A complete message.
#[derive(Debug)]
pub struct Received<'a> {
    /// The queue id.
    pub id: &'a str,
    /// Who brought it.
    pub client: &'a Client,
    /// How the client logged in, if it did: a mechanism of AUTH, or XCLIENT.
    pub login_method: Option<&'a str>,
    /// As MAIL gave it.
    pub sender: &'a ReversePath,
    /// As the filters left it; of a message that was refused or discarded, as the client gave it.
    pub envelope: &'a Envelope,
    /// Octets that came in.
    pub size: u64,
    /// The value of its Message-ID; empty where it has none, or was forgotten before it was looked at.
    pub message_id: &'a str,
    /// What became of it.
    pub fate: Fate<'a>,
    /// From its last octet to the answer.
    pub elapsed: Duration,
    /// The `[[message]]` stage that had the last word, if one had it.
    pub stage: Option<&'a str>,
    /// What each `[[session]]` stage took that ran since such times were told last.
    pub session_filters: &'a [StageTime],
    /// What each `[[message]]` stage took that ran.
    pub filters: &'a [StageTime],
    /// What the client heard.
    pub reply: &'a Reply,
    /// Whether the client said EHLO.
    pub extended: bool,
}

/// What became of a message when it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate<'a> {
    /// It is in the queue.
    Queued,
    /// It is in the queue until somebody releases it; the reason.
    Held(&'a str),
    /// It is forgotten, as somebody configured it; the reason.
    Discarded(&'a str),
    /// It was not taken; the reply says why.
    Refused,
}

/// What became of one recipient at one attempt.
#[derive(Debug)]
pub struct Attempted<'a> {
    /// The queue id.
    pub id: &'a str,
    /// Who brought the message.
    pub client: &'a Client,
    /// The sender as it lies in the queue.
    pub sender: &'a ReversePath,
    /// The recipient as it lies in the queue.
    pub recipient: &'a Recipient,
    /// Octets of the message as it lies in the queue.
    pub size: u64,
    /// The destination by name; empty where the recipient has none.
    pub destination: &'a str,
    /// The server that answered; none where none did.
    pub server: Option<&'a str>,
    /// How the connection to it was secured.
    pub security: &'a Security,
    /// Whether anything was tried; not where the destination is left alone for a while.
    pub tried: bool,
    /// Where the time went.
    pub delays: Delays,
    /// What each `[[delivery]]` stage took that ran.
    pub filters: &'a [StageTime],
    /// What became of the recipient.
    pub outcome: Outcome<'a>,
}

/// Where the time went between the reception of a message and the end of an attempt (Postfix logs them as `delays=a/b/c/d`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delays {
    /// Until it was taken out of the queue for this attempt.
    pub queued: Duration,
    /// Until the attempt began: its destination had as many as it may have.
    pub waiting: Duration,
    /// Until servers were found, connected to, and greeted.
    pub setup: Duration,
    /// From MAIL to the last reply.
    pub transfer: Duration,
}

impl Delays {
    /// All of it.
    pub fn total(&self) -> Duration {
        self.queued + self.waiting + self.setup + self.transfer
    }
}

/// What became of a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// The next hop took it.
    Delivered(&'a Reply),
    /// It is tried again.
    Deferred(&'a Reply),
    /// It failed for good.
    Bounced(&'a Reply),
    /// It would be tried again, but its time is over.
    Expired(&'a Reply),
    /// It is kept until somebody releases it; the reason.
    Held(&'a str),
    /// It is forgotten, as somebody configured it; the reason.
    Discarded(&'a str),
}

impl<'a> Outcome<'a> {
    /// In one word, as records and metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered(_) => "delivered",
            Self::Deferred(_) => "deferred",
            Self::Bounced(_) => "bounced",
            Self::Expired(_) => "expired",
            Self::Held(_) => "held",
            Self::Discarded(_) => "discarded",
        }
    }

    /// The answer, where somebody gave one.
    pub fn reply(self) -> Option<&'a Reply> {
        match self {
            Self::Delivered(reply) | Self::Deferred(reply) | Self::Bounced(reply) | Self::Expired(reply) => Some(reply),
            Self::Held(_) | Self::Discarded(_) => None,
        }
    }
}

impl fmt::Display for Outcome<'_> {
    /// The reply or the reason.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Delivered(reply) | Self::Deferred(reply) | Self::Bounced(reply) | Self::Expired(reply) => {
                reply.fmt(f)
            }
            Self::Held(reason) | Self::Discarded(reason) => f.write_str(reason),
        }
    }
}

/// What an operator did to a recipient of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operated<'a> {
    /// What it was.
    pub change: Change,
    /// To whom.
    pub recipient: &'a ChangedRecipient,
    /// Who the system says the operator is (uid).
    pub operator: u32,
}

/// A report about a message.
#[derive(Debug)]
pub struct Reported<'a> {
    /// The queue id of the message.
    pub id: &'a str,
    /// The queue id of the report.
    pub report: &'a str,
    /// Who gets it.
    pub to: &'a Address,
}
