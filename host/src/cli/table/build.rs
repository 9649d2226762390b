//! `mailweir table build`.

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::Failure;
use crate::tables::{self, Built, Compiled};

/// Work that is done sooner needs no progress bar.
const PATIENCE: Duration = Duration::from_secs(2);

/// Compile a text file into one that opens at once, however large it is.
#[derive(clap::Args)]
#[command(
    long_about = "Compile a file in the source format of postmap(1) into one that opens at once. The new file takes the place of the \
                  old one when it is complete; a relay that has the table open goes on with the new one within a second. Lines that \
                  can't be used are told with their numbers, and left out. Postfix can read what is built, and the other way round.",
    after_help = "Example: mailweir table build canonical          makes canonical.cdb, for { type = \"hash\", path = \"canonical\" }"
)]
pub(super) struct Args {
    /// The text file.
    file: PathBuf,
    /// What to make of it: hash is cdb; lmdb takes more than 4 GiB.
    #[arg(long = "type", value_name = "TYPE", default_value = "hash", value_parser = compiled)]
    into: Compiled,
    /// Write the result as JSON to standard output.
    #[arg(long)]
    json: bool,
}

fn compiled(text: &str) -> Result<Compiled, String> {
    match text {
        "hash" | "cdb" => Ok(Compiled::Cdb),
        "lmdb" => Ok(Compiled::Lmdb),
        _ => Err("tables are compiled into hash, cdb or lmdb".to_owned()),
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let begin = Instant::now();
    let mut bar: Option<ProgressBar> = None;
    let mut progress = |done, total| {
        if begin.elapsed() > PATIENCE {
            let bar = bar.get_or_insert_with(|| new_bar(total));
            bar.set_position(done);
        }
    };
    let Built { path, rows, warnings } = tables::build(&args.file, args.into, &mut progress)?;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let file = args.file.display();
    if args.json {
        let warning =
            |one: &tables::Warning| json!({ "file": file.to_string(), "line": one.line, "message": one.message });
        let warnings: Vec<_> = warnings.iter().map(warning).collect();
        println!("{:#}", json!({ "path": path, "rows": rows, "warnings": warnings }));
    } else {
        for warning in &warnings {
            anstream::eprintln!("{file}:{}: warning: {}", warning.line, warning.message);
        }
        println!("{}: {rows} rows, {} warnings", path.display(), warnings.len());
    }
    Ok(ExitCode::SUCCESS)
}

/// On standard error, and only where that is a terminal.
fn new_bar(total: u64) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{wide_bar} {percent}% {eta}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style)
}
