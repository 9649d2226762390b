//! `mailweir check`: every mistake of a configuration at once, or what would run.

use std::process::ExitCode;

use serde::Serialize;

use super::{ConfigArg, output};
use crate::{
    app::App,
    config::{Config, Covered, RouteEntry, RouteWay, StageEntry},
};

/// Look for mistakes in a configuration, its tables and its filters' settings, without running anything.
#[derive(clap::Args)]
#[command(
    long_about = "Read a configuration, its tables and its filters, and configure each filter, as `serve` would, but without \
                  listening or sending. All mistakes are told at once, each with file, line and column. Compiled filters are \
                  kept in the state directory, so that the next start is quick.",
    after_help = "Example: mailweir check --config mailweir.toml"
)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Write the result as JSON to standard output.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    diagnostics: Vec<output::JsonDiagnostic>,
}

pub(super) fn run(args: &Args) -> ExitCode {
    output::start_log_of_filters();
    let runtime = match output::runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    let result = runtime.block_on(output::load(&args.config));
    let (source, diagnostics, ok) = match &result {
        Ok(app) => (&app.config.source, &app.warnings, true),
        Err((source, diagnostics)) => (source, diagnostics, false),
    };
    if args.json {
        let diagnostics = diagnostics.iter().map(|one| output::JsonDiagnostic::new(source, one)).collect();
        match serde_json::to_string_pretty(&Report { ok, diagnostics }) {
            Ok(json) => println!("{json}"),
            Err(error) => return output::fail(&error),
        }
    } else {
        output::print_diagnostics(source, diagnostics);
        match &result {
            Ok(app) => print_plan(app),
            Err(_) => anstream::eprintln!("{}: {}", source.path.display(), output::summary(diagnostics)),
        }
    }
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What would run, in the order in which a message meets it.
fn print_plan(app: &App) {
    let Config { source, listeners, stages, routes, .. } = &app.config;
    println!("{}: {}", source.path.display(), output::summary(&app.warnings));
    for listener in listeners {
        let addresses: Vec<_> = listener.addresses.iter().map(|(address, _)| address.to_string()).collect();
        println!("  listen    {}: {}", listener.name, addresses.join(", "));
    }
    for stage in stages {
        println!("  {:<9} {}", stage.list.to_string(), describe(stage));
    }
    for route in routes {
        println!("  route     {}", describe_route(route));
    }
}

fn describe_route(route: &RouteEntry) -> String {
    let shown = |covered: &Covered| match covered {
        Covered::Pattern(pattern) => pattern.clone(),
        Covered::Table(name) => format!("keys of {name}"),
    };
    let domains: Vec<_> = route.domains.iter().map(|(covered, _)| shown(covered)).collect();
    let senders: Vec<_> = route.senders.iter().map(shown).collect();
    let mut text = if domains.is_empty() { "*".to_owned() } else { domains.join(", ") };
    if !senders.is_empty() {
        text = format!("{text} from {}", senders.join(", "));
    }
    match &route.way {
        RouteWay::NextHop(next_hop) => format!("{text} to {next_hop}"),
        RouteWay::Table(name) => format!("{text} as table {name} says"),
        RouteWay::SenderTable(name) => format!("{text} as table {name} says of the sender"),
    }
}

fn describe(stage: &StageEntry) -> String {
    let limits = &stage.limits;
    let tables: Vec<_> = stage.tables.iter().map(String::as_str).collect();
    let tables = if tables.is_empty() { "none".to_owned() } else { tables.join(", ") };
    format!(
        "{} {}: tables {tables}; {:?}, {} MiB; on error {}",
        stage.number,
        stage.name,
        limits.timeout,
        limits.memory >> 20,
        stage.on_error
    )
}
