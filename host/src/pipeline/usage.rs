//! What a filter has used and answered since it was loaded: sums that cost next to nothing, for benches and metrics.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::filter::{FailureKind, Verdict};

/// Upper limits of the groups into which calls are counted by their time, in microseconds: about three to a factor of ten. Calls
/// that took longer are in no group.
pub const TIME_LIMITS: [u64; 18] = [
    10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000,
    2_000_000, 5_000_000,
];

/// Sums over all calls of one filter. Read with [`Usage::totals`].
#[derive(Debug, Default)]
pub struct Usage {
    calls: AtomicU64,
    instantiate: AtomicU64,
    call: AtomicU64,
    host: AtomicU64,
    peak_memory: AtomicU64,
    times: [AtomicU64; TIME_LIMITS.len()],
    verdicts: [AtomicU64; Verdict::NAMES.len()],
    failures: [AtomicU64; FailureKind::ALL.len()],
    watch_host: AtomicBool,
}

/// The sums at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Calls, whether they succeeded or not.
    pub calls: u64,
    /// Time that making instances took.
    pub instantiate: Duration,
    /// Time in calls, that of the host included.
    pub call: Duration,
    /// Of it, time in what the filter called of ours; counted only after [`Usage::watch_host`].
    pub host: Duration,
    /// The most linear memory that one call had, in octets.
    pub peak_memory: u64,
    /// Calls by the time that instance and call took together; each group without those before it ([`TIME_LIMITS`]).
    pub times: [u64; TIME_LIMITS.len()],
    /// Answers by verdict, in the order of [`Verdict::NAMES`].
    pub verdicts: [u64; Verdict::NAMES.len()],
    /// Calls that failed, in the order of [`FailureKind::ALL`].
    pub failures: [u64; FailureKind::ALL.len()],
}

impl Usage {
    /// Count one call.
    pub fn add(&self, instantiate: Duration, call: Duration, host: Duration, memory: u64) {
        self.calls.fetch_add(1, Relaxed);
        self.instantiate.fetch_add(nanoseconds(instantiate), Relaxed);
        self.call.fetch_add(nanoseconds(call), Relaxed);
        self.host.fetch_add(nanoseconds(host), Relaxed);
        self.peak_memory.fetch_max(memory, Relaxed);
        let all = nanoseconds(instantiate + call);
        let group = TIME_LIMITS.partition_point(|limit| limit * 1_000 < all);
        count(&self.times, group);
    }

    /// Count an answer.
    pub fn answered(&self, verdict: &Verdict) {
        count(&self.verdicts, verdict.index());
    }

    /// Count a failure.
    pub fn failed(&self, kind: FailureKind) {
        count(&self.failures, kind as usize);
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
        let sum = |sum: &AtomicU64| sum.load(Relaxed);
        let time = |sum: &AtomicU64| Duration::from_nanos(sum.load(Relaxed));
        Totals {
            calls: sum(&self.calls),
            instantiate: time(&self.instantiate),
            call: time(&self.call),
            host: time(&self.host),
            peak_memory: sum(&self.peak_memory),
            times: self.times.each_ref().map(sum),
            verdicts: self.verdicts.each_ref().map(sum),
            failures: self.failures.each_ref().map(sum),
        }
    }
}

fn count(counts: &[AtomicU64], index: usize) {
    if let Some(count) = counts.get(index) {
        count.fetch_add(1, Relaxed);
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_time_verdict_and_failure() {
        let usage = Usage::default();
        let micros = Duration::from_micros;
        usage.add(micros(4), micros(6), micros(1), 1 << 16);
        usage.add(micros(4), micros(7), micros(1), 1 << 10);
        usage.add(Duration::ZERO, Duration::from_secs(6), Duration::ZERO, 0);
        usage.answered(&Verdict::Hold(String::new()));
        usage.failed(FailureKind::Timeout);
        let totals = usage.totals();
        assert_eq!((totals.calls, totals.instantiate, totals.peak_memory), (3, micros(8), 1 << 16));
        assert_eq!((totals.times[0], totals.times[1], totals.times.iter().sum::<u64>()), (1, 1, 2));
        let held = Verdict::NAMES.iter().position(|name| *name == "hold").expect("a verdict");
        assert_eq!((totals.verdicts[held], totals.verdicts.iter().sum::<u64>()), (1, 1));
        assert_eq!((totals.failures[1], totals.failures.iter().sum::<u64>()), (1, 1));
    }
}
