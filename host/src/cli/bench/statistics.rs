//! Figures about measured times.

use std::time::Duration;

use serde::Serialize;

/// A distribution in a few figures, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Summary {
    pub(super) min: f64,
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
    pub(super) mean: f64,
}

impl Summary {
    /// Of these times, which are put in order.
    pub(super) fn of(times: &mut [Duration]) -> Self {
        times.sort_unstable();
        let sum: Duration = times.iter().sum();
        Self {
            min: micros(percentile(times, 0.0)),
            p50: micros(percentile(times, 0.5)),
            p90: micros(percentile(times, 0.9)),
            p99: micros(percentile(times, 0.99)),
            max: micros(percentile(times, 1.0)),
            mean: micros(sum) / times.len().max(1) as f64,
        }
    }
}

/// The time below which this part of all times lies (nearest rank); they are in order.
pub(super) fn percentile(times: &[Duration], part: f64) -> Duration {
    let last = times.len().saturating_sub(1);
    times.get((last as f64 * part).round() as usize).copied().unwrap_or_default()
}

/// Microseconds with two decimals.
pub(super) fn micros(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e8).round() / 100.0
}

/// Times in groups, each this much longer than the one before: 16 to a doubling.
const PER_DOUBLING: f64 = 16.0;

/// How many of the times fall between which two limits, in microseconds. The width of the groups grows with the time.
pub(super) fn histogram(times: &[Duration]) -> Vec<(f64, u64)> {
    let group = |time: &Duration| ((time.as_secs_f64() * 1e6).max(0.1).log2() * PER_DOUBLING).floor() as i32;
    let mut groups = std::collections::BTreeMap::new();
    for time in times {
        *groups.entry(group(time)).or_insert(0_u64) += 1;
    }
    groups.into_iter().map(|(group, count)| (2_f64.powf(f64::from(group) / PER_DOUBLING), count)).collect()
}

/// Times of A and B that belong together, and what the ratio of their medians is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Ratio {
    /// Median of B over median of A.
    pub(super) ratio: f64,
    /// Where it lies with 95 % confidence.
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Ratio {
    /// By the bootstrap: the pairs are cut into blocks, blocks are drawn with replacement, and the ratio is taken again each time.
    /// Blocks and not single pairs, because neighbours in time share what else the machine was doing.
    pub(super) fn of(a: &[Duration], b: &[Duration]) -> Option<Self> {
        const BLOCKS: usize = 100;
        const DRAWS: usize = 1000;
        let block = a.len().min(b.len()).div_ceil(BLOCKS).max(1);
        let medians = |times: &[Duration]| -> Vec<f64> {
            let median = |block: &[Duration]| {
                let mut block = block.to_vec();
                block.sort_unstable();
                percentile(&block, 0.5).as_secs_f64()
            };
            times.chunks(block).map(median).collect()
        };
        let (a, b) = (medians(a), medians(b));
        let count = a.len().min(b.len());
        if count == 0 {
            return None;
        }
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut draws: Vec<f64> = (0..DRAWS)
            .map(|_| {
                let drawn: Vec<_> = (0..count).map(|_| (next(&mut state) % count as u64) as usize).collect();
                ratio_of(&a, &b, &drawn)
            })
            .collect();
        draws.sort_unstable_by(f64::total_cmp);
        let at = |part: f64| draws.get(((DRAWS - 1) as f64 * part) as usize).copied().unwrap_or(f64::NAN);
        let all: Vec<_> = (0..count).collect();
        Some(Self { ratio: ratio_of(&a, &b, &all), low: at(0.025), high: at(0.975) })
    }
}

fn ratio_of(a: &[f64], b: &[f64], drawn: &[usize]) -> f64 {
    let median = |times: &[f64]| {
        let mut times: Vec<_> = drawn.iter().filter_map(|index| times.get(*index).copied()).collect();
        times.sort_unstable_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
    };
    median(b) / median(a)
}

/// xorshift64*: the draws need no better chance, and come out the same each time.
fn next(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(micros: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        micros.into_iter().map(Duration::from_micros).collect()
    }

    #[test]
    fn a_summary_is_exact() {
        let summary = Summary::of(&mut times((1..=101).rev()));
        let Summary { min, p50, p90, p99, max, mean } = summary;
        assert_eq!((min, p50, p90, p99, max, mean), (1.0, 51.0, 91.0, 100.0, 101.0, 51.0));
        assert_eq!(Summary::of(&mut []), Summary::default());
    }

    #[test]
    fn a_histogram_counts_every_time() {
        let groups = histogram(&times([1, 1, 2, 1000]));
        assert_eq!(groups.iter().map(|(_, count)| count).sum::<u64>(), 4);
        assert_eq!(groups.first().map(|(limit, count)| (*limit, *count)), Some((1.0, 2)));
        assert!(groups.iter().all(|(limit, _)| (1.0..=1000.0).contains(limit)), "{groups:?}");
    }

    #[test]
    fn a_ratio_lies_within_its_interval_and_finds_a_difference() {
        let a = times((0..5000).map(|n| 100 + n % 7));
        let b = times((0..5000).map(|n| 120 + n % 11));
        let found = Ratio::of(&a, &b).expect("there are times");
        assert!(found.low <= found.ratio && found.ratio <= found.high, "{found:?}");
        assert!((1.15..1.25).contains(&found.ratio) && found.low > 1.1, "{found:?}");
        let same = Ratio::of(&a, &a).expect("there are times");
        assert_eq!((same.ratio, same.low, same.high), (1.0, 1.0, 1.0));
        assert_eq!(Ratio::of(&[], &[]), None);
    }
}
