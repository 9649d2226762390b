//! Delivery: what is due in the spool goes out to its next hops, and what becomes of it goes back into the spool.

mod attempt;
mod client;
mod conclude;
mod dsn;
mod exchange;
mod feedback;
mod login;
mod next_hop;
mod outcome;
mod own;
mod queue;
mod retry;
mod route;
mod servers;
mod sites;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::{dns::Resolver, mail::Address};

pub use client::{Tls, TlsError, TlsMode};
pub use login::{Account, Credentials, Login};
pub use next_hop::{NextHop, NextHopError, Protocol};
pub use own::OwnAddresses;
pub use queue::{Delivery, Renewer, Waker};
pub use retry::RetrySchedule;
pub use route::{Keys, Pattern, Route, Way};

/// What the operator decides about delivery.
#[derive(Clone)]
pub struct Settings {
    /// Our name in EHLO and in reports.
    pub hostname: String,
    /// Where mail goes, in order; the first that fits a recipient's domain counts.
    pub routes: Vec<Route>,
    /// Who is asked for mail exchangers and addresses.
    pub resolver: Resolver,
    /// Where mail would come back to us.
    pub own: OwnAddresses,
    /// When to try again, and when to give up.
    pub retry: RetrySchedule,
    /// Attempts at a time, over all destinations.
    pub concurrency: usize,
    /// The age at which senders are told that their mail is late; none is never (Postfix delay_warning_time).
    pub delay_warning: Option<Duration>,
    /// What becomes of reports that can't be delivered.
    pub double_bounces: DoubleBounces,
    /// Octets of a message that is returned whole at most (Postfix bounce_size_limit).
    pub bounce_size: u64,
    /// How long to wait for a next hop.
    pub timeouts: Timeouts,
}

/// What becomes of a message with the null sender that can't be delivered: nobody may be told (RFC 5321 6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DoubleBounces {
    /// It is kept until somebody looks at it.
    Hold,
    /// It is forgotten; the log has it.
    Discard,
    /// It is reported to this address (Postfix notify_classes = 2bounce).
    Postmaster(Address),
}

/// How long to wait for a next hop, phase by phase; the defaults are those of RFC 5321 4.5.3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection is there. Default 30 s (Postfix smtp_connect_timeout).
    pub connect: Duration,
    /// For the greeting and for the reply to each command. Default 5 min (Postfix smtp_helo_timeout, smtp_mail_timeout, smtp_rcpt_timeout).
    pub command: Duration,
    /// For the reply to the end of the data. Default 10 min (Postfix smtp_data_done_timeout).
    pub data: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(30), command: Duration::from_secs(300), data: Duration::from_secs(600) }
    }
}
