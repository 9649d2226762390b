//! Queue ids: 13 digits and letters, such as `0QFJ4X8M2TZ7K`.
//!
//! The first eleven are the microseconds since 1970 in base 32 (Crockford's alphabet: no I, L, O, U; text order is time
//! order), never the same twice in one process. The last two are chosen at random when the process starts, so that a clock
//! that was set back between two runs, or a second relay on the same queue, has to hit both to repeat an id.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

const DIGITS: [char; 32] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'J', 'K', 'M', 'N', 'P',
    'Q', 'R', 'S', 'T', 'V', 'W', 'X', 'Y', 'Z',
];
/// Base-32 digits of the time: good for a thousand years.
const TIME_DIGITS: u32 = 11;
/// Base-32 digits of the process.
const PROCESS_DIGITS: u32 = 2;

/// Makes queue ids.
#[derive(Debug)]
pub struct IdSource {
    last: AtomicU64,
    process: u64,
}

impl Default for IdSource {
    fn default() -> Self {
        Self::new()
    }
}

impl IdSource {
    /// For this run of the process.
    pub fn new() -> Self {
        Self { last: AtomicU64::new(0), process: RandomState::new().build_hasher().finish() }
    }

    /// A new id, later than all before.
    pub fn next(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.at(u64::try_from(now.as_micros()).unwrap_or(u64::MAX))
    }

    fn at(&self, now: u64) -> String {
        let later = |last: u64| Some(now.max(last + 1));
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later).unwrap_or_default();
        let digits = |number: u64, count: u32| {
            (0..count).rev().filter_map(move |digit| DIGITS.get((number >> (5 * digit)) as usize % DIGITS.len()))
        };
        digits(now.max(last + 1), TIME_DIGITS).chain(digits(self.process, PROCESS_DIGITS)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_order_and_never_the_same() {
        let source = IdSource::new();
        let ids: Vec<String> = (0..1000).map(|_| source.next()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
        assert!(ids.iter().all(|id| id.len() == 13 && id.chars().all(|c| DIGITS.contains(&c))));
    }

    #[test]
    fn a_clock_that_goes_back_repeats_nothing() {
        let source = IdSource { last: AtomicU64::new(0), process: 33 };
        assert_eq!(
            [source.at(1000), source.at(10), source.at(1001)],
            ["000000000Z811", "000000000Z911", "000000000ZA11"]
        );
    }
}
