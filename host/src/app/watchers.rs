//! Those who are told what happens: the log always, others as the configuration asks for them.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::AppError;
use crate::{
    admin::{Admin, Traffic},
    config::{Config, LogFormat, Storage},
    events::{Log, Observer, Observers, PostfixLog},
    pipeline::Pipeline,
    records::{RecordSettings, RecordWriter, Records},
    spool::Spool,
    telemetry::Telemetry,
};

/// Keeps those running who need it.
pub(super) struct Watchers {
    pub(super) observers: Observers,
    _admin: Option<Admin>,
    _records: Option<RecordWriter>,
    telemetry: Option<Telemetry>,
}

impl Watchers {
    pub(super) async fn start(
        config: &Config,
        pipeline: &Arc<ArcSwap<Pipeline>>,
        spool: Arc<dyn Spool>,
        shutdown: watch::Receiver<bool>,
    ) -> Result<Self, AppError> {
        let log: Arc<dyn Observer> = match config.log_format {
            LogFormat::Text | LogFormat::Json => Arc::new(Log),
            LogFormat::Postfix => Arc::new(PostfixLog::new(&*config.hostname)),
        };
        let mut observers = vec![log];
        let mut admin = None;
        if let Some((address, _)) = &config.admin {
            let (pipeline, traffic) = (Arc::clone(pipeline), Arc::new(Traffic::default()));
            admin = Some(Admin::start(*address, pipeline, spool, &traffic, shutdown).await?);
            observers.push(traffic);
        }
        let Storage { keep, reserve, .. } = config.storage;
        let records = keep.map(|keep| {
            // The other half of the reserve is the queue's alone.
            let settings = RecordSettings { keep, reserve: reserve / 2 };
            let (records, writer) = Records::start(&config.state_dir, settings);
            observers.push(records);
            writer
        });
        let endpoint = config.traces.as_ref();
        let telemetry = endpoint.map(|endpoint| Telemetry::start(endpoint, &config.hostname)).transpose()?;
        observers.extend(telemetry.as_ref().map(Telemetry::observer));
        Ok(Self { observers: Observers::new(observers), _admin: admin, _records: records, telemetry })
    }

    /// Nothing happens any more: wait until all is told.
    pub(super) async fn finished(self) {
        if let Some(telemetry) = self.telemetry {
            telemetry.finished().await;
        }
    }
}
