//! `mailweir plugin inspect`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anstream::println;
use anstyle::{AnsiColor, Style};
use indicatif::ProgressBar;

use crate::{
    cli::output,
    sandbox::{Inspection, LoadError, Sandbox, SandboxSettings},
};

const BOLD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Tell what a plugin is, what it wants, and whether it would load.
#[derive(clap::Args)]
#[command(
    long_about = "Tell what a plugin is made of, what it imports and exports, which keys of a stage give it what it wants, and in which \
                  lists it could stand, or why not. It is compiled but not run: mistakes in a stage's config are found by `mailweir check`.",
    after_help = "Example: mailweir plugin inspect my-filter.wasm --json\nExit codes: 0 it would load in some list, 1 it would not."
)]
pub(super) struct Args {
    /// The plugin.
    plugin: PathBuf,
    /// Write the result as JSON to standard output.
    #[arg(long)]
    json: bool,
}

/// It can't be looked at.
#[derive(Debug, thiserror::Error)]
pub(super) enum InspectError {
    #[error("{0}: {1}")]
    Read(String, std::io::Error),
    #[error("{0}: {1}")]
    Load(String, LoadError),
    #[error("{0}")]
    Sandbox(String),
}

pub(super) fn run(args: &Args) -> ExitCode {
    output::start_log();
    let inspection = match inspect(&args.plugin) {
        Ok(inspection) => inspection,
        Err(error) => return output::fail(&error),
    };
    if args.json {
        match serde_json::to_string_pretty(&inspection) {
            Ok(json) => println!("{json}"),
            Err(error) => return output::fail(&error),
        }
    } else {
        print(&args.plugin, &inspection);
    }
    if loads(&inspection) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether there is a list in which it could stand.
pub(super) fn loads(inspection: &Inspection) -> bool {
    inspection.not_in_message.is_none() || inspection.not_in_session.is_none()
}

pub(super) fn inspect(path: &Path) -> Result<Inspection, InspectError> {
    let name = path.display().to_string();
    let wasm = fs::read(path).map_err(|error| InspectError::Read(name.clone(), error))?;
    let folder = tempfile::tempdir().map_err(|error| InspectError::Sandbox(error.to_string()))?;
    // No more than compiling needs: nothing is run.
    let settings = SandboxSettings {
        cache_dir: folder.path().to_owned(),
        max_instances: 1,
        keeping_stages: 0,
        max_memory: 1 << 30,
    };
    let sandbox = Sandbox::new(&settings).map_err(|error| InspectError::Sandbox(error.to_string()))?;
    // On a terminal only; gone when it is dropped.
    let spinner = ProgressBar::new_spinner().with_message("compiling");
    spinner.enable_steady_tick(Duration::from_millis(200));
    let inspection = sandbox.inspect(&wasm).map_err(|error| InspectError::Load(name, error));
    spinner.finish_and_clear();
    inspection
}

fn print(path: &Path, inspection: &Inspection) {
    println!("{BOLD}{}{BOLD:#}", path.display());
    println!("  {:<11} {}, {} octets", "kind", inspection.kind, inspection.size);
    let contract = if inspection.contract.is_empty() { "none".to_owned() } else { inspection.contract.join(", ") };
    println!("  {:<11} mailweir:filter {contract}", "contract");
    list("made with", &inspection.made_with);
    list("exports", &inspection.exports);
    list("imports", &inspection.imports);
    for grant in &inspection.grants {
        println!("  {:<11} {}: {}", "wants", grant.what, grant.key);
    }
    verdict("[[message]] and [[delivery]]", inspection.not_in_message.as_deref());
    verdict("[[session]]", inspection.not_in_session.as_deref());
}

fn list(what: &str, names: &[String]) {
    for (index, name) in names.iter().enumerate() {
        println!("  {:<11} {name}", if index == 0 { what } else { "" });
    }
}

fn verdict(lists: &str, why_not: Option<&str>) {
    match why_not {
        None => println!("  {GOOD}loads{GOOD:#}       in {lists}"),
        Some(why) => println!("  {BAD}not{BAD:#}         in {lists}: {why}"),
    }
}
