//! How long a client may take. Each request has one deadline, however many octets it trickles in with
//! (Postfix smtpd_per_request_deadline); a message earns time with its octets (Postfix smtpd_min_data_rate).

use std::time::Duration;

use tokio::time::Instant;

/// What a client may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    /// For a command, or until a message comes with its rate.
    pub(super) request: Duration,
    /// Octets of a message in a second at least.
    pub(super) rate: u64,
}

/// When the request that is coming in must be there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    at: Instant,
    patience: Patience,
}

impl Deadline {
    /// A request begins.
    pub(super) fn new(patience: Patience, now: Instant) -> Self {
        Self { at: now + patience.request, patience }
    }

    pub(super) fn at(&self) -> Instant {
        self.at
    }

    /// So many octets of a message are there. What is earned in advance is never more than a request has at its beginning.
    pub(super) fn earn(&mut self, octets: usize, now: Instant) {
        let earned = Duration::from_micros(octets as u64 * 1_000_000 / self.patience.rate.max(1));
        self.at = (self.at + earned).min(now + self.patience.request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { request: Duration::from_secs(300), rate: 500 };

    /// After how many seconds a message is given up that comes with so many octets a second.
    fn given_up(rate: usize) -> Option<u64> {
        let begin = Instant::now();
        let mut deadline = Deadline::new(PATIENCE, begin);
        (1..100_000).find(|second| {
            let now = begin + Duration::from_secs(*second);
            if now >= deadline.at() {
                return true;
            }
            deadline.earn(rate, now);
            false
        })
    }

    #[test]
    fn a_message_that_trickles_in_is_given_up_and_a_slow_one_is_not() {
        assert_eq!(given_up(0), Some(300));
        assert_eq!(given_up(1), Some(301));
        assert_eq!(given_up(250), Some(599));
        assert_eq!(given_up(500), None);
    }

    #[test]
    fn a_fast_beginning_does_not_pay_for_a_long_silence() {
        let begin = Instant::now();
        let mut deadline = Deadline::new(PATIENCE, begin);
        deadline.earn(10_000_000, begin);
        assert_eq!(deadline.at(), begin + PATIENCE.request);
    }
}
