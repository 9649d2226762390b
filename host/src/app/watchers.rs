//! Those who are told what happens: the log always, others as the configuration asks for them.

use std::sync::Arc;

use tokio::sync::watch;

use super::App;
use crate::{
    admin::{Admin, AdminError, Traffic},
    events::{Log, Observer, Observers},
    spool::Spool,
};

/// Keeps those running who need it.
pub(super) struct Watchers {
    pub(super) observers: Observers,
    _admin: Option<Admin>,
}

impl Watchers {
    pub(super) async fn start(
        app: &App,
        spool: Arc<dyn Spool>,
        shutdown: watch::Receiver<bool>,
    ) -> Result<Self, AdminError> {
        let mut observers: Vec<Arc<dyn Observer>> = vec![Arc::new(Log)];
        let mut admin = None;
        if let Some((address, _)) = &app.config.admin {
            let (pipeline, traffic) = (Arc::clone(&app.pipeline), Arc::new(Traffic::default()));
            admin = Some(Admin::start(*address, pipeline, spool, &traffic, shutdown).await?);
            observers.push(traffic);
        }
        Ok(Self { observers: Observers::new(observers), _admin: admin })
    }
}
