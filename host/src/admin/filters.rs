//! What each filter has answered and used, from its own sums ([`crate::pipeline::Usage`]).

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

use crate::pipeline::{FailureKind, Filter, Pipeline, TIME_LIMITS, Totals, Verdict};

/// The filters of all three lists.
pub(super) struct Filters(pub(super) Arc<ArcSwap<Pipeline>>);

impl fmt::Debug for Filters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Filters").finish_non_exhaustive()
    }
}

/// One filter's labels and sums.
struct Sums {
    labels: [(&'static str, Cow<'static, str>); 2],
    totals: Totals,
}

impl Filters {
    fn sums(&self) -> Vec<Sums> {
        let pipeline = self.0.load();
        let Pipeline { session, message, delivery } = &**pipeline;
        let of = |list: &'static str, name, filter: &dyn Filter| {
            let totals = filter.usage()?.totals();
            Some(Sums { labels: [("list", list.into()), ("filter", escaped(name).into())], totals })
        };
        let session = session.iter().filter_map(|stage| of("session", &stage.name, &*stage.filter));
        let message = message.iter().filter_map(|stage| of("message", &stage.name, &*stage.filter));
        let delivery = delivery.iter().filter_map(|stage| of("delivery", &stage.name, &*stage.filter));
        session.chain(message).chain(delivery).collect()
    }
}

impl Collector for Filters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let all = self.sums();
        durations(&mut encoder, &all)?;
        instantiation(&mut encoder, &all)?;
        let verdicts = |totals: &Totals| Verdict::NAMES.into_iter().zip(totals.verdicts).collect();
        counts(&mut encoder, &all, ("filter_verdicts", "verdict", "Answers of filters by verdict"), verdicts)?;
        let failures =
            |totals: &Totals| FailureKind::ALL.map(FailureKind::name).into_iter().zip(totals.failures).collect();
        counts(&mut encoder, &all, ("filter_failures", "kind", "Calls of filters that failed, by kind"), failures)?;
        peak_memory(&mut encoder, &all)
    }
}

/// prometheus-client writes a label's value as it is.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn durations(encoder: &mut DescriptorEncoder<'_>, all: &[Sums]) -> fmt::Result {
    let help = "Time of one call of a filter, that for making its instance included";
    let mut family = encoder.encode_descriptor("filter_duration", help, Some(&Unit::Seconds), MetricType::Histogram)?;
    for Sums { labels, totals } in all {
        let (sum, buckets) = ((totals.instantiate + totals.call).as_secs_f64(), buckets(totals));
        let count = buckets.iter().map(|(_, count)| count).sum();
        family.encode_family(labels)?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
    }
    Ok(())
}

/// Upper limits in seconds, and how many calls each group has of its own.
fn buckets(totals: &Totals) -> Vec<(f64, u64)> {
    let seconds = |limit| Duration::from_micros(limit).as_secs_f64();
    let mut buckets: Vec<_> = TIME_LIMITS.into_iter().map(seconds).zip(totals.times).collect();
    // A call is counted before its time: a glance between the two must not find less than none.
    let longer = totals.calls.saturating_sub(totals.times.iter().sum());
    // prometheus-client writes this limit as +Inf.
    buckets.push((f64::MAX, longer));
    buckets
}

fn instantiation(encoder: &mut DescriptorEncoder<'_>, all: &[Sums]) -> fmt::Result {
    let help = "Part of the time that went into making instances";
    let mut family =
        encoder.encode_descriptor("filter_instantiation", help, Some(&Unit::Seconds), MetricType::Counter)?;
    for Sums { labels, totals } in all {
        ConstCounter::new(totals.instantiate.as_secs_f64()).encode(family.encode_family(labels)?)?;
    }
    Ok(())
}

fn counts(
    encoder: &mut DescriptorEncoder<'_>,
    all: &[Sums],
    (name, label, help): (&'static str, &'static str, &'static str),
    of: impl Fn(&Totals) -> Vec<(&'static str, u64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for Sums { labels: [list, filter], totals } in all {
        for (value, count) in of(totals) {
            ConstCounter::new(count).encode(family.encode_family(&[
                list.clone(),
                filter.clone(),
                (label, value.into()),
            ])?)?;
        }
    }
    Ok(())
}

fn peak_memory(encoder: &mut DescriptorEncoder<'_>, all: &[Sums]) -> fmt::Result {
    let help = "Most linear memory that one call had since the start";
    let mut family = encoder.encode_descriptor("filter_memory_peak", help, Some(&Unit::Bytes), MetricType::Gauge)?;
    for Sums { labels, totals } in all {
        let peak = i64::try_from(totals.peak_memory).unwrap_or(i64::MAX);
        ConstGauge::new(peak).encode(family.encode_family(labels)?)?;
    }
    Ok(())
}
