//! When a deferred recipient is tried again, and when it is given up. A pure function of what is known.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    time::{Duration, SystemTime},
};

/// The schedule: waits that double, within bounds, until the message is too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrySchedule {
    /// First wait. Default 5 min (Postfix minimal_backoff_time).
    pub first: Duration,
    /// Longest wait. Default 67 min (Postfix maximal_backoff_time).
    pub longest: Duration,
    /// Age at which a recipient is bounced. Default 5 days (Postfix maximal_queue_lifetime).
    pub lifetime: Duration,
}

impl Default for RetrySchedule {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(300),
            longest: Duration::from_secs(4000),
            lifetime: Duration::from_secs(5 * 86_400),
        }
    }
}

impl RetrySchedule {
    /// How long to wait after the attempt with this number (0 is the first).
    ///
    /// A fifth of the wait is spread by message or destination, so that what failed together does not come back together.
    pub fn wait(&self, id: &str, attempts: u32) -> Duration {
        let wait = self.first.saturating_mul(1 << attempts.min(20)).min(self.longest);
        let mut hasher = DefaultHasher::new();
        (id, attempts).hash(&mut hasher);
        let spread = wait.mul_f64((hasher.finish() % 1000) as f64 / 5000.0);
        wait.saturating_sub(spread)
    }

    /// Whether a message is too old to be tried again.
    pub fn is_over(&self, received: SystemTime, now: SystemTime) -> bool {
        now.duration_since(received).unwrap_or_default() >= self.lifetime
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let schedule = RetrySchedule::default();
        for (attempts, full) in [(0, 300), (1, 600), (2, 1200), (3, 2400), (4, 4000), (30, 4000), (u32::MAX, 4000)] {
            let wait = schedule.wait("Q1", attempts).as_secs_f64();
            assert!((f64::from(full) * 0.8..=f64::from(full)).contains(&wait), "attempt {attempts}: {wait}");
        }
    }

    #[test]
    fn the_old_are_given_up() {
        let schedule = RetrySchedule::default();
        let received = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let is_over = |age: u64| schedule.is_over(received, received + Duration::from_secs(age));
        assert!(!is_over(5 * 86_400 - 1) && is_over(5 * 86_400));
        assert!(!schedule.is_over(received, SystemTime::UNIX_EPOCH), "a clock that went back gives nobody up");
    }

    proptest! {
        #[test]
        fn never_at_once_and_never_beyond_the_longest(attempts: u32, id in "[A-Z0-9]{0,13}") {
            let schedule = RetrySchedule::default();
            let wait = schedule.wait(&id, attempts);
            prop_assert!(wait >= schedule.first.mul_f64(0.8) && wait <= schedule.longest);
        }
    }
}
