//! The bookkeeping: what got 250, and what became of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long after the reply to the final dot a relay that is killed may not have written it down yet.
const WRITING_DOWN: Duration = Duration::from_secs(5);

/// One message that a next hop read to its final dot.
#[derive(Clone, Copy)]
struct Arrival {
    at: Instant,
    /// Whether the 250 was sent, and could have been read.
    answered: bool,
}

#[derive(Default)]
struct Recipient {
    /// The relay's 250 came.
    accepted: bool,
    arrivals: Vec<Arrival>,
    /// Its sender was told that it failed.
    bounced: bool,
}

#[derive(Default)]
struct Books {
    recipients: BTreeMap<String, Recipient>,
    kills: Vec<Instant>,
}

/// Shared by those who send and those who take.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Books>>);

/// How it ended.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    pub(crate) accepted: usize,
    pub(crate) delivered: usize,
    pub(crate) bounced: usize,
    pub(crate) queued: usize,
    pub(crate) lost: Vec<String>,
    /// Delivered again, since the reply to the final dot was lost, or the relay with it.
    pub(crate) twice: usize,
    /// Delivered again without such a reason.
    pub(crate) twice_for_nothing: Vec<String>,
}

impl Ledger {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn accepted(&self, recipients: &[String]) {
        let mut books = self.books();
        for recipient in recipients {
            books.recipients.entry(recipient.clone()).or_default().accepted = true;
        }
    }

    pub(crate) fn arrived(&self, recipients: &[String], answered: bool) {
        let (mut books, at) = (self.books(), Instant::now());
        for recipient in recipients {
            books.recipients.entry(recipient.clone()).or_default().arrivals.push(Arrival { at, answered });
        }
    }

    pub(crate) fn bounced(&self, recipient: &str) {
        self.books().recipients.entry(recipient.to_owned()).or_default().bounced = true;
    }

    pub(crate) fn killed(&self) {
        self.books().kills.push(Instant::now());
    }

    /// What became of everything, with what is still in the queue.
    pub(crate) fn sums(&self, queued: &[String]) -> Sums {
        let books = self.books();
        let mut sums = Sums::default();
        for (name, recipient) in &books.recipients {
            let again = recipient.arrivals.len().saturating_sub(1);
            let excused = recipient.arrivals.iter().rev().skip(1).filter(|one| books.excuses(one)).count();
            if again > 0 && excused >= again {
                sums.twice += again;
            } else if again > 0 {
                sums.twice_for_nothing.push(name.clone());
            }
            if !recipient.accepted {
                continue;
            }
            sums.accepted += 1;
            let (delivered, waits) = (!recipient.arrivals.is_empty(), queued.contains(name));
            sums.delivered += usize::from(delivered);
            sums.bounced += usize::from(recipient.bounced);
            sums.queued += usize::from(waits);
            if !delivered && !recipient.bounced && !waits {
                sums.lost.push(name.clone());
            }
        }
        sums
    }
}

impl Books {
    /// Whether a later delivery is none of the relay's fault.
    fn excuses(&self, arrival: &Arrival) -> bool {
        let killed_then =
            |kill: &Instant| *kill + Duration::from_millis(100) >= arrival.at && *kill < arrival.at + WRITING_DOWN;
        !arrival.answered || self.kills.iter().any(killed_then)
    }
}
