//! The admin address: what the relay does and how well, for Prometheus and for whoever watches over services.
//!
//! Plain HTTP without a password: the address belongs on the loopback interface or behind something that asks for one.

mod filters;
mod next_hops;
mod process;
mod queue;
#[cfg(test)]
mod tests;
mod traffic;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::{encoding::text, metrics::info::Info, registry::Registry};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{pipeline::Pipeline, spool::Spool};

pub use process::resident_memory;
pub use traffic::Traffic;

/// What a scraper is told about the form of the metrics (OpenMetrics 1.0).
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The admin address can't be listened on: the relay does not start.
#[derive(Debug, thiserror::Error)]
#[error("[admin]: can't listen on {address}: {source}")]
pub struct AdminError {
    address: SocketAddr,
    source: io::Error,
}

/// Serves the admin address until it is dropped.
pub struct Admin {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Admin {
    /// Listen, and tell about these from now on. Once `shutdown` is true, the relay is no longer ready.
    pub async fn start(
        address: SocketAddr,
        pipeline: Arc<ArcSwap<Pipeline>>,
        spool: Arc<dyn Spool>,
        traffic: &Traffic,
        shutdown: watch::Receiver<bool>,
    ) -> Result<Self, AdminError> {
        let failed = |source| AdminError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        tracing::info!(%address, "metrics");
        let watched = Arc::new(Watched::new(pipeline, spool, traffic, shutdown));
        let router = Router::new()
            .route("/metrics", get(metrics))
            .route("/healthz/live", get(async || "live\n"))
            .route("/healthz/ready", get(ready))
            .with_state(watched);
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!("[admin]: {error}");
            }
        });
        Ok(Self { address, task })
    }

    /// Where it listens, with the port that the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is told about.
struct Watched {
    registry: Registry,
    spool: Arc<dyn Spool>,
    queue: Arc<Mutex<Option<queue::Queue>>>,
    shutdown: watch::Receiver<bool>,
}

impl Watched {
    fn new(
        pipeline: Arc<ArcSwap<Pipeline>>,
        spool: Arc<dyn Spool>,
        traffic: &Traffic,
        shutdown: watch::Receiver<bool>,
    ) -> Self {
        let mut registry = Registry::default();
        let queue = Arc::default();
        registry.register_collector(Box::new(process::Process));
        let ours = registry.sub_registry_with_prefix("mailweir");
        ours.register("build", "Version of the relay", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        traffic.register(ours);
        ours.register_collector(Box::new(filters::Filters(pipeline)));
        ours.register_collector(Box::new(queue::Gauges(Arc::clone(&queue))));
        Self { registry, spool, queue, shutdown }
    }
}

async fn metrics(State(watched): State<Arc<Watched>>) -> Response {
    let queue = queue::Queue::of(&*watched.spool).await;
    if let Err(error) = &queue {
        tracing::warn!("[admin]: the queue can't be counted: {error}");
    }
    *watched.queue.lock().unwrap_or_else(PoisonError::into_inner) = queue.ok();
    let mut body = String::new();
    match text::encode(&mut body, &watched.registry) {
        Ok(()) => ([(CONTENT_TYPE, METRICS_TYPE)], body).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Whether new mail is taken: the relay is not stopping, and its spool answers.
async fn ready(State(watched): State<Arc<Watched>>) -> Response {
    let not_ready = |why: String| (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    if *watched.shutdown.borrow() {
        return not_ready("stopping\n".to_owned());
    }
    match watched.spool.oldest().await {
        Ok(_) => "ready\n".into_response(),
        Err(error) => not_ready(format!("{error}\n")),
    }
}
