//! The text that a scraper gets.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use prometheus_client::{encoding::text, registry::Registry};

use super::filters::Filters;
use crate::pipeline::{
    Decision, Facts, FailureKind, Filter, FilterFuture, Mail, OnError, Outcome, Pipeline, Stage, Usage, Verdict,
};

/// Never called; only its sums are looked at.
struct Counted(Usage);

impl Filter for Counted {
    fn message<'a>(&'a self, _: &'a Arc<Mail>) -> FilterFuture<'a, Outcome> {
        unreachable!("nobody asks")
    }

    fn session<'a>(&'a self, _: &'a Arc<Facts>) -> FilterFuture<'a, Decision> {
        unreachable!("nobody asks")
    }

    fn usage(&self) -> Option<&Usage> {
        Some(&self.0)
    }
}

fn told(usage: Usage) -> String {
    let filter = Arc::new(Counted(usage));
    let stage = Stage { name: "mine \"1\"\\\n".into(), filter, condition: None, on_error: OnError::Defer };
    let pipeline = Pipeline { message: Arc::new([stage]), ..Pipeline::default() };
    let mut registry = Registry::with_prefix("mailweir");
    registry.register_collector(Box::new(Filters(Arc::new(ArcSwap::from_pointee(pipeline)))));
    let mut out = String::new();
    text::encode(&mut out, &registry).expect("a String takes all");
    out
}

#[test]
fn a_filters_sums_become_metrics() {
    let usage = Usage::default();
    usage.add(Duration::from_micros(4), Duration::from_micros(6), Duration::ZERO, 1 << 16);
    usage.add(Duration::from_micros(4), Duration::from_micros(96), Duration::ZERO, 1 << 10);
    usage.add(Duration::ZERO, Duration::from_secs(6), Duration::ZERO, 0);
    usage.answered(&Verdict::Hold(String::new()));
    usage.failed(FailureKind::InvalidAnswer);
    let text = told(usage);
    let labels = r#"list="message",filter="mine \"1\"\\\n""#;
    for line in [
        "# TYPE mailweir_filter_duration_seconds histogram".to_owned(),
        format!("mailweir_filter_duration_seconds_bucket{{le=\"0.00001\",{labels}}} 1"),
        format!("mailweir_filter_duration_seconds_bucket{{le=\"0.00005\",{labels}}} 1"),
        format!("mailweir_filter_duration_seconds_bucket{{le=\"0.0001\",{labels}}} 2"),
        format!("mailweir_filter_duration_seconds_bucket{{le=\"5.0\",{labels}}} 2"),
        format!("mailweir_filter_duration_seconds_bucket{{le=\"+Inf\",{labels}}} 3"),
        format!("mailweir_filter_duration_seconds_count{{{labels}}} 3"),
        format!("mailweir_filter_duration_seconds_sum{{{labels}}} 6.00011"),
        format!("mailweir_filter_instantiation_seconds_total{{{labels}}} 0.000008"),
        format!("mailweir_filter_verdicts_total{{{labels},verdict=\"hold\"}} 1"),
        format!("mailweir_filter_verdicts_total{{{labels},verdict=\"next\"}} 0"),
        format!("mailweir_filter_failures_total{{{labels},kind=\"invalid-answer\"}} 1"),
        format!("mailweir_filter_memory_peak_bytes{{{labels}}} 65536"),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
}
