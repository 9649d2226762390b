//! The running relay: how a changed configuration gets to its parts.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::{runtime::Handle, sync::Mutex, task};

use super::App;
use crate::{
    config::{Config, Diagnostic, LogFormat, Severity, Source},
    delivery::Renewer,
    pipeline::Pipeline,
    server::Server,
    telemetry::Endpoint,
};

/// The parts that take new settings, and what the others began with.
pub(super) struct Running {
    pub(super) server: Server,
    delivery: Renewer,
    /// The filters that metrics are about.
    pipeline: Arc<ArcSwap<Pipeline>>,
    fixed: Fixed,
    /// One reload at a time.
    turn: Mutex<()>,
}

/// What holds as long as the process runs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fixed {
    path: PathBuf,
    state_dir: PathBuf,
    admin: Option<SocketAddr>,
    keep: Option<Duration>,
    log_format: LogFormat,
    hostname: String,
    traces: Option<Endpoint>,
}

impl Fixed {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            path: config.source.path.clone(),
            state_dir: config.state_dir.clone(),
            admin: config.admin.as_ref().map(|(address, _)| *address),
            keep: config.storage.keep,
            log_format: config.log_format,
            hostname: config.hostname.clone(),
            traces: config.traces.clone(),
        }
    }

    /// What another configuration says otherwise: where the queue lies can't change, the rest waits for the next start.
    fn differences(&self, config: &Config) -> Vec<Diagnostic> {
        let new = Self::of(config);
        let mut differences = Vec::new();
        let spans = &config.fixed_spans;
        if new.state_dir != self.state_dir {
            let text = format!("the state directory of the running relay is {}", self.state_dir.display());
            let moved = Diagnostic::error(spans.state_dir.clone(), text);
            differences.push(moved.with_help("stop the relay, move the directory, and start it again"));
        }
        let admin = config.admin.as_ref().map_or(&(0..0), |(_, span)| span);
        let tells_hostname = self.log_format == LogFormat::Postfix || self.traces.is_some();
        let others = [
            ("[admin] address", new.admin != self.admin, admin),
            ("[records] keep", new.keep != self.keep, &spans.records),
            ("log-format", new.log_format != self.log_format, &spans.log_format),
            ("hostname in log and traces", tells_hostname && new.hostname != self.hostname, &spans.hostname),
            ("[telemetry] otlp", new.traces != self.traces, &spans.telemetry),
        ];
        for (what, _, span) in others.into_iter().filter(|(_, differs, _)| *differs) {
            let text = format!("{what} is another one than the running relay's: it holds from the next start on");
            differences.push(Diagnostic { severity: Severity::Warning, ..Diagnostic::error(span.clone(), text) });
        }
        differences
    }
}

impl Running {
    pub(super) fn new(server: Server, delivery: Renewer, pipeline: Arc<ArcSwap<Pipeline>>, fixed: Fixed) -> Self {
        Self { server, delivery, pipeline, fixed, turn: Mutex::default() }
    }

    /// Read the configuration, its tables and its filters again, and let them hold from now on, or tell what is wrong with them and change
    /// nothing. Sessions and attempts that are under way end as they began.
    pub(super) async fn reload(&self) -> Result<(Source, Vec<Diagnostic>), (Source, Vec<Diagnostic>)> {
        let _turn = self.turn.lock().await;
        let reloaded = self.try_reload().await;
        match &reloaded {
            Ok((source, diagnostics)) => {
                tracing::info!(path = %source.path.display(), "the configuration is read again");
                diagnostics.iter().for_each(|one| tracing::warn!("{}", source.line(one)));
            }
            Err((source, diagnostics)) => {
                tracing::error!(path = %source.path.display(), "the configuration is broken, the old one goes on");
                diagnostics.iter().for_each(|one| tracing::error!("{}", source.line(one)));
            }
        }
        reloaded
    }

    async fn try_reload(&self) -> Result<(Source, Vec<Diagnostic>), (Source, Vec<Diagnostic>)> {
        let config = Config::load(self.fixed.path.clone())?;
        let mut differences = self.fixed.differences(&config);
        if differences.iter().any(|one| one.severity == Severity::Error) {
            return Err((config.source, differences));
        }
        let source = config.source.clone();
        let failed = |error: String| (source.clone(), vec![Diagnostic::error(0..0, error)]);
        // Reading tables and compiling filters takes a thread as long as it lasts: it must not be one that moves mail.
        let runtime = Handle::current();
        let built = task::spawn_blocking(move || runtime.block_on(App::build(config))).await;
        let app = built.map_err(|error| failed(error.to_string()))??;
        let settings = app.settings().map_err(|error| failed(error.to_string()))?;
        let server = self.server.renew(settings.server, Arc::clone(&app.pipeline));
        server.map_err(|error| failed(error.to_string()))?;
        self.delivery.renew(settings.delivery, Arc::clone(&app.pipeline.delivery));
        self.pipeline.store(app.pipeline);
        differences.extend(app.warnings);
        Ok((app.config.source, differences))
    }
}
