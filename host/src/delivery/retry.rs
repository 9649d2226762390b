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
    /// When to try again after the attempt with this number (0 is the first); none when the message is too old by then.
    ///
    /// A fifth of the wait is spread by message, so that what failed together does not come back together.
    pub fn next(&self, id: &str, attempts: u32, received: SystemTime, now: SystemTime) -> Option<SystemTime> {
        let wait = self.first.saturating_mul(1 << attempts.min(20)).min(self.longest);
        let mut hasher = DefaultHasher::new();
        (id, attempts).hash(&mut hasher);
        let spread = wait.mul_f64((hasher.finish() % 1000) as f64 / 5000.0);
        let age = now.duration_since(received).unwrap_or_default();
        (age < self.lifetime).then(|| now + wait.saturating_sub(spread))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wait(schedule: &RetrySchedule, attempts: u32, age: u64) -> Option<Duration> {
        let received = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let now = received + Duration::from_secs(age);
        schedule.next("Q1", attempts, received, now).and_then(|next| next.duration_since(now).ok())
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let schedule = RetrySchedule::default();
        for (attempts, full) in [(0, 300), (1, 600), (2, 1200), (3, 2400), (4, 4000), (30, 4000)] {
            let wait = wait(&schedule, attempts, 0).expect("young").as_secs_f64();
            assert!((f64::from(full) * 0.8..=f64::from(full)).contains(&wait), "attempt {attempts}: {wait}");
        }
    }

    #[test]
    fn the_old_are_given_up() {
        let schedule = RetrySchedule::default();
        assert!(wait(&schedule, 5, 5 * 86_400 - 1).is_some());
        assert_eq!(wait(&schedule, 5, 5 * 86_400), None);
    }

    #[test]
    fn a_clock_that_went_back_gives_nobody_up() {
        let received = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let schedule = RetrySchedule::default();
        assert!(schedule.next("Q1", 0, received, SystemTime::UNIX_EPOCH).is_some());
    }

    proptest! {
        #[test]
        fn never_at_once_and_never_beyond_the_longest(attempts: u32, age in 0_u64..432_000) {
            let schedule = RetrySchedule::default();
            let wait = wait(&schedule, attempts, age).expect("young");
            prop_assert!(wait >= schedule.first.mul_f64(0.8) && wait <= schedule.longest);
        }
    }
}
