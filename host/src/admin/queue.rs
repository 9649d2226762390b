//! How much waits in the spool, and since when.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
    registry::Unit,
};

use crate::spool::{Counts, Spool, SpoolError};

/// The spool at one moment.
#[derive(Debug)]
pub(super) struct Queue {
    counts: Counts,
    /// Age of the message that came first; zero when there is none.
    oldest: Duration,
}

impl Queue {
    pub(super) async fn of(spool: &dyn Spool) -> Result<Self, SpoolError> {
        let counts = spool.counts().await?;
        let age = |received| SystemTime::now().duration_since(received).unwrap_or_default();
        let oldest = spool.oldest().await?.map(age).unwrap_or_default();
        Ok(Self { counts, oldest })
    }
}

/// Tells about the last look at the spool; nothing when that failed.
#[derive(Debug)]
pub(super) struct Gauges(pub(super) Arc<Mutex<Option<Queue>>>);

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Queue { counts, oldest }) = &*looked else { return Ok(()) };
        let mut family = encoder.encode_descriptor(
            "queue_recipients",
            "Recipients in the queue: waiting for their time, being delivered (leased), held",
            None,
            MetricType::Gauge,
        )?;
        for (state, count) in [("waiting", counts.waiting), ("leased", counts.leased), ("held", counts.held)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            ConstGauge::new(count).encode(family.encode_family(&[("state", state)])?)?;
        }
        let help = "Age of the oldest message in the queue, 0 when it is empty";
        let age = encoder.encode_descriptor("queue_oldest_age", help, Some(&Unit::Seconds), MetricType::Gauge)?;
        ConstGauge::new(oldest.as_secs_f64()).encode(age)
    }
}
