//! What a filter has used since it was loaded: sums that cost nothing to keep, for benches and metrics.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Sums over all calls of one filter. Read with [`Usage::totals`].
#[derive(Debug, Default)]
pub struct Usage {
    calls: AtomicU64,
    failures: AtomicU64,
    instantiate: AtomicU64,
    call: AtomicU64,
    host: AtomicU64,
    peak_memory: AtomicU64,
    watch_host: AtomicBool,
}

/// The sums at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Calls, whether they succeeded or not.
    pub calls: u64,
    /// Of them, those that failed: the filter trapped, was stopped, or gave an answer that can't be used.
    pub failures: u64,
    /// Time that making instances took.
    pub instantiate: Duration,
    /// Time in calls, that of the host included.
    pub call: Duration,
    /// Of it, time in what the filter called of ours; counted only after [`Usage::watch_host`].
    pub host: Duration,
    /// The most linear memory that one call had, in octets.
    pub peak_memory: u64,
}

impl Usage {
    /// Count one call.
    pub fn add(&self, instantiate: Duration, call: Duration, host: Duration, memory: u64) {
        self.calls.fetch_add(1, Relaxed);
        self.instantiate.fetch_add(nanoseconds(instantiate), Relaxed);
        self.call.fetch_add(nanoseconds(call), Relaxed);
        self.host.fetch_add(nanoseconds(host), Relaxed);
        self.peak_memory.fetch_max(memory, Relaxed);
    }

    /// Count a failure.
    pub fn fail(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    /// Measure the time in host calls as well, from now on: two looks at the clock for each.
    pub fn watch_host(&self) {
        self.watch_host.store(true, Relaxed);
    }

    /// Whether the time in host calls is wanted.
    pub fn watches_host(&self) -> bool {
        self.watch_host.load(Relaxed)
    }

    /// The sums so far.
    pub fn totals(&self) -> Totals {
        let time = |sum: &AtomicU64| Duration::from_nanos(sum.load(Relaxed));
        Totals {
            calls: self.calls.load(Relaxed),
            failures: self.failures.load(Relaxed),
            instantiate: time(&self.instantiate),
            call: time(&self.call),
            host: time(&self.host),
            peak_memory: self.peak_memory.load(Relaxed),
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
