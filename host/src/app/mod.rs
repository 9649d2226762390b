//! The only wiring: from a configuration to tables, filters, a pipeline, and the parts that run.

mod access;
mod advice;
mod fixpoints;
mod listeners;
mod open_files;
mod operator;
mod relay_domains;
mod routes;
mod running;
mod settings;
mod stages;
mod tables;
mod watchers;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};

use self::{
    operator::Operator,
    relay_domains::OurDomains,
    running::{Fixed, Running},
    watchers::Watchers,
};
use crate::{
    admin::AdminError,
    config::{Config, Diagnostic, Source},
    control::{Control, ControlError},
    delivery::{Delivery, Route},
    dns::DnsError,
    pipeline::Pipeline,
    server::{self, ListenerSettings, RelayDomains, Server, ServerError},
    spool::{Spool, SpoolError, SqliteSpool},
    telemetry::TelemetryError,
};

/// A configuration whose tables are read and whose filters are loaded.
pub struct App {
    /// What it was made of.
    pub config: Config,
    /// The three stage lists.
    pub pipeline: Arc<Pipeline>,
    /// The domains that we relay for.
    pub relay_domains: Arc<dyn RelayDomains>,
    /// Where mail comes from.
    pub listeners: Vec<ListenerSettings>,
    /// Where mail goes.
    pub routes: Vec<Route>,
    /// What somebody should look at.
    pub warnings: Vec<Diagnostic>,
}

/// The relay does not start, or stopped for a reason of its own.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// An address can't be listened on.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The spool can't be opened.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The socket for requests from the command line can't be opened.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The admin address can't be listened on.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// Traces can't be sent.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The DNS can't be asked.
    #[error(transparent)]
    Dns(#[from] DnsError),
}

impl App {
    /// Read the tables and load the filters. What is wrong with any of them comes back at once.
    pub async fn build(config: Config) -> Result<Self, (Source, Vec<Diagnostic>)> {
        let (mut errors, mut warnings) = (Vec::new(), Vec::new());
        let tables = tables::open(&config, &mut errors, &mut warnings);
        advice::look(&config, &tables, &mut errors, &mut warnings);
        open_files::look(&config, &mut warnings);
        let pipeline = Arc::new(stages::load(&config, &tables, &mut errors).await);
        let listeners = listeners::build(&config, &tables, &mut errors, &mut warnings);
        let routes = routes::build(&config, &tables, &mut errors);
        if errors.is_empty() {
            let relay_domains = Arc::new(OurDomains::new(&config.relay_domains, &tables));
            return Ok(Self { config, pipeline, relay_domains, listeners, routes, warnings });
        }
        errors.extend(warnings);
        errors.sort_by_key(|diagnostic| (diagnostic.severity, diagnostic.span.start));
        Err((config.source, errors))
    }

    /// Run until `shutdown` becomes true, then finish what is under way. At `reload` the configuration is read again; what comes of that is
    /// told by the log.
    pub async fn serve(self, shutdown: watch::Receiver<bool>, reload: Arc<Notify>) -> Result<(), AppError> {
        open_files::raise_limit();
        let spool = Arc::new(SqliteSpool::open(&self.config.state_dir)?);
        server::publish_pending(&*spool).await?;
        let reserve = self.config.storage.reserve;
        if let Some(free) = spool.free_space().filter(|free| *free < reserve) {
            tracing::warn!(free, reserve, "mail is refused until the state directory has more free space");
        }
        let pipeline = Arc::new(ArcSwap::from(Arc::clone(&self.pipeline)));
        let watchers = Watchers::start(&self.config, &pipeline, spool.clone(), shutdown.clone()).await?;
        let observers = watchers.observers.clone();
        let settings = self.settings()?;
        let filters = Arc::clone(&self.pipeline);
        let server =
            Server::start(settings.server, filters, spool.clone(), observers.clone(), shutdown.clone()).await?;
        let stages = Arc::clone(&self.pipeline.delivery);
        let delivery = Delivery::start(settings.delivery, spool.clone(), stages, observers.clone(), shutdown);
        let running = Arc::new(Running::new(server, delivery.renewer(), pipeline, Fixed::of(&self.config)));
        let operator = Operator { spool, waker: delivery.waker(), running: Arc::clone(&running), observers };
        let state_dir = self.config.state_dir.clone();
        // Its filters and tables are others' from here on, who may get new ones.
        drop(self);
        let _control = Control::start(&state_dir, Arc::new(operator))?;
        let reloading = async {
            loop {
                reload.notified().await;
                drop(running.reload().await);
            }
        };
        tokio::select! {
            () = running.server.finished() => {}
            () = reloading => {}
        }
        delivery.finished().await;
        watchers.finished().await;
        Ok(())
    }
}
