//! `mailweir serve`: run the relay until it is told to stop.

use std::{process::ExitCode, sync::Arc};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{Notify, watch},
};

use super::{ConfigArg, log, output};
use crate::{
    app::App,
    config::{Config, Diagnostic, Source},
};

/// Run the relay.
#[derive(clap::Args)]
#[command(
    long_about = "Run the relay in the foreground until SIGTERM or SIGINT. Sessions and deliveries that are under way are \
                  finished first, within half a minute. SIGHUP makes it read its configuration again, as `mailweir reload` does. Log lines go to \
                  standard error, in the form that `log-format` says; MAILWEIR_LOG=debug shows more of them.",
    after_help = "Example: mailweir serve --config /etc/mailweir/mailweir.toml"
)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn run(args: Args) -> ExitCode {
    let config = match Config::load(args.config.config) {
        Ok(config) => config,
        Err((source, diagnostics)) => return not_started(&source, &diagnostics),
    };
    log::start_serving(config.log_format, &config.hostname);
    let runtime = match output::runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    runtime.block_on(async {
        match App::build(config).await {
            Ok(app) => {
                output::print_diagnostics(&app.config.source, &app.warnings);
                serve(app).await
            }
            Err((source, diagnostics)) => not_started(&source, &diagnostics),
        }
    })
}

fn not_started(source: &Source, diagnostics: &[Diagnostic]) -> ExitCode {
    output::print_diagnostics(source, diagnostics);
    anstream::eprintln!("{}: not started, {}", source.path.display(), output::summary(diagnostics));
    ExitCode::FAILURE
}

async fn serve(app: App) -> ExitCode {
    let (stop, shutdown) = watch::channel(false);
    let signals = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
    let [Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)] = signals else {
        anstream::eprintln!("signals can't be received");
        return ExitCode::FAILURE;
    };
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: finishing what is under way");
        stop.send_replace(true);
    });
    let reload = Arc::new(Notify::new());
    let reloads = Arc::clone(&reload);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            reloads.notify_one();
        }
    });
    match app.serve(shutdown, reload).await {
        Ok(()) => {
            tracing::info!("stopped");
            ExitCode::SUCCESS
        }
        Err(error) => output::fail(&error),
    }
}
