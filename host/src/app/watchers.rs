//! Those who are told what happens: the log always, others as the configuration asks for them.

use std::sync::Arc;

use tokio::sync::watch;

use super::{App, AppError};
use crate::{
    admin::{Admin, Traffic},
    config::{LogFormat, Storage},
    events::{Log, Observer, Observers, PostfixLog},
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
        app: &App,
        spool: Arc<dyn Spool>,
        shutdown: watch::Receiver<bool>,
    ) -> Result<Self, AppError> {
        let log: Arc<dyn Observer> = match app.config.log_format {
            LogFormat::Text | LogFormat::Json => Arc::new(Log),
            LogFormat::Postfix => Arc::new(PostfixLog::new(&*app.config.hostname)),
        };
        let mut observers = vec![log];
        let mut admin = None;
        if let Some((address, _)) = &app.config.admin {
            let (pipeline, traffic) = (Arc::clone(&app.pipeline), Arc::new(Traffic::default()));
            admin = Some(Admin::start(*address, pipeline, spool, &traffic, shutdown).await?);
            observers.push(traffic);
        }
        let Storage { keep, reserve } = app.config.storage;
        let records = keep.map(|keep| {
            // The other half of the reserve is the queue's alone.
            let settings = RecordSettings { keep, reserve: reserve / 2 };
            let (records, writer) = Records::start(&app.config.state_dir, settings);
            observers.push(records);
            writer
        });
        let endpoint = app.config.traces.as_ref();
        let telemetry = endpoint.map(|endpoint| Telemetry::start(endpoint, &app.config.hostname)).transpose()?;
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
