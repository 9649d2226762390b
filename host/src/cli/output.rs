//! What several commands print, and how they begin.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::ExitCode,
    sync::Arc,
};

use serde::Serialize;
use tokio::runtime::Runtime;

pub(super) use super::log::{start as start_log, start_telling_filters as start_log_of_filters};

use super::ConfigArg;
use crate::{
    app::App,
    config::{Config, Diagnostic, Severity, Source},
    mail::Client,
};

/// A diagnostic for scripts.
#[derive(Serialize)]
pub(super) struct JsonDiagnostic {
    file: String,
    line: usize,
    column: usize,
    severity: &'static str,
    message: String,
    help: Option<String>,
}

impl JsonDiagnostic {
    pub(super) fn new(source: &Source, diagnostic: &Diagnostic) -> Self {
        let place = source.place(diagnostic.span.start);
        let (file, line, column) = match &diagnostic.elsewhere {
            Some((path, line)) => (path.display().to_string(), *line, 1),
            None => (source.path.display().to_string(), place.line, place.column),
        };
        let severity = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let (message, help) = (diagnostic.message.clone(), diagnostic.help.clone());
        Self { file, line, column, severity, message, help }
    }
}

/// Print diagnostics for people, to standard error; colours only on a terminal.
pub(super) fn print_diagnostics(source: &Source, diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics {
        anstream::eprintln!("{}", source.render(diagnostic));
    }
}

/// `3 errors, 1 warning`.
pub(super) fn summary(diagnostics: &[Diagnostic]) -> String {
    let count = |severity, word: &str| {
        let count = diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
        format!("{count} {word}{}", if count == 1 { "" } else { "s" })
    };
    format!("{}, {}", count(Severity::Error, "error"), count(Severity::Warning, "warning"))
}

/// Load configuration, tables and filters.
pub(super) async fn load(arg: &ConfigArg) -> Result<App, (Source, Vec<Diagnostic>)> {
    App::build(Config::load(arg.config.clone())?).await
}

/// Where commands say that a message comes from, unless they are told.
pub(super) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A client at this address, as the configuration sees it.
pub(super) fn client_at(app: &App, address: IpAddr, helo: &str) -> Arc<Client> {
    Arc::new(Client {
        peer: SocketAddr::new(address, 0),
        name: None,
        helo: Some(helo.to_owned()),
        tls: None,
        login: None,
        trusted: app.config.trusted.iter().any(|network| network.contains(address)),
    })
}

/// The runtime of a command.
pub(super) fn runtime() -> Result<Runtime, ExitCode> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| fail(&error))
}

/// Say what went wrong, in one line.
pub(super) fn fail(error: &dyn std::error::Error) -> ExitCode {
    anstream::eprintln!("\x1b[1;31merror:\x1b[0m {error}");
    ExitCode::FAILURE
}
