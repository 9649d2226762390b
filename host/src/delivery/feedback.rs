//! How many attempts at one destination run at a time: one more for each that goes well, one less for each that doesn't, as Postfix's
//! queue manager has it (default_destination_concurrency_positive_feedback and its opposite, both 1). Pure.

/// Attempts at a destination of which nothing is known (Postfix initial_destination_concurrency).
const FIRST: usize = 5;

/// The number of attempts that may run at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    size: usize,
    limit: usize,
    /// Whether a server of it has talked to us since it was last left alone.
    proven: bool,
    /// Failures since the last success, in windows full of them (Postfix default_destination_concurrency_failed_cohort_limit is 1).
    failed: f64,
}

impl Window {
    /// For a destination of which nothing is known.
    pub(super) fn new(limit: usize) -> Self {
        Self { size: FIRST.clamp(1, limit.max(1)), limit: limit.max(1), proven: false, failed: 0.0 }
    }

    /// For one that could not be reached last time: a single attempt shows whether it can now.
    pub(super) fn probe(limit: usize) -> Self {
        Self { size: 1, ..Self::new(limit) }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn is_proven(&self) -> bool {
        self.proven
    }

    /// A server talked to us, while so many attempts were running. A window that isn't used doesn't grow.
    pub(super) fn succeeded(&mut self, active: usize) {
        self.proven = true;
        self.failed = 0.0;
        if active >= self.size && self.size < self.limit {
            self.size += 1;
        }
    }

    /// No server could be talked to. Whether the destination has to be left alone: at once if it has never been reached, else after as
    /// many failures in a row as the window is wide.
    pub(super) fn failed(&mut self) -> bool {
        self.failed += 1.0 / self.size as f64;
        self.size = (self.size - 1).max(1);
        !self.proven || self.failed >= 1.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_grows_while_it_is_full_and_things_go_well() {
        let mut window = Window::new(8);
        assert_eq!((window.size(), window.is_proven()), (5, false));
        for expected in [6, 7, 8, 8] {
            window.succeeded(window.size());
            assert_eq!(window.size(), expected);
        }
        let mut idle = Window::new(8);
        idle.succeeded(1);
        assert_eq!((idle.size(), idle.is_proven()), (5, true));
    }

    #[test]
    fn the_unknown_is_left_alone_at_its_first_failure() {
        assert!(Window::new(20).failed());
        assert!(Window::probe(20).failed());
    }

    #[test]
    fn the_known_may_fail_a_few_times() {
        let mut window = Window::new(20);
        window.succeeded(1);
        let failures = (1..).find(|_| window.failed());
        assert_eq!((failures, window.size()), (Some(4), 1));
        let mut window = Window::new(20);
        window.succeeded(1);
        for _ in 0..100 {
            assert!(!window.failed());
            window.succeeded(window.size());
        }
    }

    #[test]
    fn a_probe_that_works_opens_the_window_again() {
        let mut window = Window::probe(20);
        for _ in 0..30 {
            window.succeeded(window.size());
        }
        assert_eq!(window.size(), 20);
    }

    proptest! {
        #[test]
        fn it_stays_within_its_bounds(limit in 0_usize..50, events in proptest::collection::vec(any::<bool>(), 0..200)) {
            let mut window = Window::new(limit);
            for good in events {
                if good { window.succeeded(window.size()) } else { window.failed(); }
                prop_assert!((1..=limit.max(1)).contains(&window.size()));
            }
        }
    }
}
