//! Collects spans and sends them on, many at a time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use opentelemetry::KeyValue;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanExporter as _},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

use super::{endpoint::Endpoint, http::Poster, spans::Spans};
use crate::events::Observer;

/// Spans that wait at most; of what comes beyond, nothing is sent.
const WAITING: usize = 8192;
/// Spans of one request at most.
const TOGETHER: usize = 512;
/// How long spans wait for others.
const GATHER: Duration = Duration::from_millis(500);
/// How long the end of the relay may wait for the last ones.
const LAST: Duration = Duration::from_secs(3);

/// Traces can't be sent: the relay does not start.
#[derive(Debug, thiserror::Error)]
#[error("[telemetry]: {0}")]
pub struct TelemetryError(#[from] ExporterBuildError);

/// Sends spans to a collector.
pub struct Telemetry {
    spans: Arc<Spans>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Telemetry {
    /// Send to this collector from now on, in the name of this host.
    pub fn start(endpoint: &Endpoint, hostname: &str) -> Result<Self, TelemetryError> {
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Poster::default())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint.to_string())
            .build()?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let host = KeyValue::new("host.name", hostname.to_owned());
        let resource = Resource::builder().with_service_name("mailweir").with_attributes([version, host]).build();
        exporter.set_resource(&resource);
        let (sender, receiver) = mpsc::channel(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let spans = Arc::new(Spans::new(hostname, sender, Arc::clone(&dropped)));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(forward(receiver, stopped, exporter, dropped));
        Ok(Self { spans, stop, task })
    }

    /// Makes spans of what happens.
    pub fn observer(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.spans) as _
    }

    /// Send what is left, for a few seconds at most. Nothing that happens later is sent.
    pub async fn finished(self) {
        drop(self.stop);
        if timeout(LAST, self.task).await.is_err() {
            tracing::warn!("[telemetry]: the last spans were not sent in time");
        }
    }
}

/// Until `stopped`, and then what is there.
async fn forward(
    mut receiver: mpsc::Receiver<SpanData>,
    mut stopped: oneshot::Receiver<()>,
    exporter: SpanExporter,
    dropped: Arc<AtomicU64>,
) {
    let (mut works, mut batch) = (true, Vec::new());
    loop {
        tokio::select! {
            received = receiver.recv_many(&mut batch, TOGETHER) => if received == 0 { return },
            _ = &mut stopped, if !receiver.is_closed() => receiver.close(),
        }
        let end = Instant::now() + GATHER;
        while (1..TOGETHER).contains(&batch.len())
            && let Ok(1..) = timeout_at(end, receiver.recv_many(&mut batch, TOGETHER)).await
        {}
        let count = batch.len() as u64;
        let sent = exporter.export(std::mem::take(&mut batch)).await;
        // What goes wrong is told once, and once that it works again.
        match &sent {
            Ok(()) if !works => {
                tracing::info!(dropped = dropped.load(Relaxed), "[telemetry]: the collector takes spans again");
            }
            Err(error) if works => tracing::warn!("[telemetry]: the collector takes no spans: {error}"),
            _ => {}
        }
        works = sent.is_ok();
        if !works {
            dropped.fetch_add(count, Relaxed);
        }
    }
}
