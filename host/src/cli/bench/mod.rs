//! `mailweir bench`: what each filter of a pipeline costs on the user's own messages.

mod compare;
mod html;
mod measure;
mod messages;
mod report;
mod statistics;

use std::{fs, net::IpAddr, path::PathBuf, process::ExitCode, time::Duration};

use self::measure::Progress;
use super::{ConfigArg, output};
use crate::{
    app::App,
    config::{Config, Diagnostic, Source},
    mail::{Address, AddressError, ReversePath},
};

/// Measure what each filter costs, on your own messages.
#[derive(clap::Args)]
#[command(
    long_about = "Run messages through [[session]], [[message]] and [[delivery]] again and again, without sending or keeping them, and \
                  measure each filter: how long making its instance takes, how long its call, and how much of that the relay works \
                  for it (tables, fields, body). Then all processors work at the same time, for the throughput. Times are wall \
                  times of one call; the machine should have nothing else to do.\n\n\
                  With --compare two versions of a plugin take turns in the same stage, on the same messages, and the ratio of \
                  their medians is told with its 95 % confidence interval.",
    after_help = "Examples: mailweir bench letters/ archive.mbox --html bench.html\n          \
                  mailweir bench letter.eml --stage tag-external --compare old.wasm new.wasm"
)]
pub(super) struct Args {
    /// Messages: files, folders of them, or mbox files.
    #[arg(required = true, value_name = "PATH")]
    messages: Vec<PathBuf>,
    #[command(flatten)]
    config: ConfigArg,
    /// The sender; otherwise the one that Return-Path or From of a message names.
    #[arg(long, value_name = "ADDRESS", value_parser = ReversePath::parse)]
    from: Option<ReversePath>,
    /// The recipient; otherwise those that To and Cc of a message name.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    to: Option<Address>,
    /// Address of the client that brings them.
    #[arg(long, value_name = "IP", default_value_t = output::LOOPBACK)]
    client: IpAddr,
    /// How long to measure, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = seconds)]
    seconds: f64,
    /// Only the stages of this name.
    #[arg(long, value_name = "NAME")]
    stage: Option<String>,
    /// Two versions of the plugin of --stage.
    #[arg(long, num_args = 2, value_names = ["A.wasm", "B.wasm"], requires = "stage")]
    compare: Vec<PathBuf>,
    /// Write the result as JSON to standard output.
    #[arg(long)]
    json: bool,
    /// Write a page with pictures of the distributions to this file.
    #[arg(long, value_name = "FILE", conflicts_with = "compare")]
    html: Option<PathBuf>,
}

fn address(text: &str) -> Result<Address, AddressError> {
    Address::parse(text)
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.1..=3600.0).contains(seconds));
    seconds.ok_or_else(|| "a number of seconds from 0.1 to 3600".to_owned())
}

/// The bench did not take place.
#[derive(Debug, thiserror::Error)]
enum BenchError {
    #[error("{path}: {error}", path = path.display())]
    File { path: PathBuf, error: std::io::Error },
    #[error("no message in {0}")]
    NoMessage(String),
    #[error("no stage has the name `{0}`")]
    NoStage(String),
    #[error("`{0}` is the name of more than one stage; give them different names to compare in one of them")]
    ManyStages(String),
    #[error("the pipeline has no filters")]
    NoFilters,
    #[error("the configuration has mistakes; they are told above")]
    Config,
    #[error("a measuring thread: {0}")]
    Thread(String),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

pub(super) fn run(args: &Args) -> ExitCode {
    output::start_log();
    match bench(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::fail(&error),
    }
}

fn bench(args: &Args) -> Result<(), BenchError> {
    let letters = messages::read(&args.messages, args.from.as_ref(), args.to.as_ref())?;
    let span = Duration::from_secs_f64(args.seconds);
    let runtime = measure::runtime()?;
    if let [a, b] = args.compare.as_slice() {
        let stage = args.stage.as_deref().unwrap_or_default();
        let compared = runtime.block_on(compare::run(args, stage, [a, b], &letters, span))?;
        return show(&compared, args.json, report::print_comparison);
    }
    let mut app = runtime.block_on(build(load_config(args)?))?;
    if let Some(stage) = &args.stage {
        app.pipeline = measure::only(&app.pipeline, stage).ok_or_else(|| BenchError::NoStage(stage.clone()))?.into();
    }
    let measured = measure::run(&runtime, &app, args.client, &letters, span, &mut Progress::new(span))?;
    if let Some(path) = &args.html {
        let page = html::page(&measured);
        fs::write(path, page).map_err(|error| BenchError::File { path: path.clone(), error })?;
    }
    show(&measured, args.json, report::print)
}

fn load_config(args: &Args) -> Result<Config, BenchError> {
    Config::load(args.config.config.clone()).map_err(told)
}

async fn build(config: Config) -> Result<App, BenchError> {
    App::build(config).await.map_err(told)
}

fn told((source, diagnostics): (Source, Vec<Diagnostic>)) -> BenchError {
    output::print_diagnostics(&source, &diagnostics);
    BenchError::Config
}

fn show<T: serde::Serialize>(result: &T, as_json: bool, print: impl FnOnce(&T)) -> Result<(), BenchError> {
    if as_json {
        println!("{}", serde_json::to_string_pretty(result)?);
    } else {
        print(result);
    }
    Ok(())
}
