//! `mailweir extract`: the stock filter `attachments` as a command, like uudeview, munpack and ripmime.

mod report;
mod unpack;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use self::{report::Extracted, unpack::Unpacker};
use super::{
    message_file::{read_raw, split_mbox},
    output,
};
use crate::{
    files::PublishError,
    sandbox::{LoadError, SandboxError},
};

/// Work that is done sooner needs no progress bar.
const PATIENCE: Duration = Duration::from_secs(2);

/// Save the attachments of messages, however they are encoded.
#[derive(clap::Args)]
#[command(
    long_about = "Save the files in messages into a folder: MIME parts in base64, quoted-printable, 7bit, 8bit and binary, also in messages \
                  within messages, and uuencode, xxencode, BinHex 4.0 and yEnc in texts. Sizes and checksums are looked at where the \
                  encoding has them. The names of files are made safe; none leaves the folder. A file may be a message, an mbox, or just \
                  text. The work is done by the stock filter `attachments` in its sandbox, which is compiled at the first call and kept \
                  in $XDG_CACHE_HOME/mailweir.",
    after_help = "Examples: mailweir extract letter.eml --into attachments\n          \
                  mailweir extract --list archive.mbox\n          \
                  fetchmail … | mailweir extract - --into /srv/scans --existing skip\n\
                  Exit codes: 0 all is well, 1 something is damaged or can't be read or written, 2 the command line is wrong."
)]
pub(super) struct Args {
    /// Messages, mbox files or texts; - for standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The folder for what is found; it is made if it isn't there.
    #[arg(long, short = 'd', value_name = "DIR", default_value = ".", conflicts_with = "list")]
    into: PathBuf,
    /// What happens when there is a file of that name already.
    #[arg(long, value_enum, default_value_t = Existing::Number)]
    existing: Existing,
    /// Only tell what is there; nothing is written.
    #[arg(long, short)]
    list: bool,
    /// Save texts with the line ends of Unix.
    #[arg(long)]
    lf: bool,
    /// Save messages within messages as files instead of looking into them.
    #[arg(long)]
    keep_messages: bool,
    /// Where the compiled filter is kept.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Write the result as JSON to standard output.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Existing {
    /// The new one gets a number: report-2.pdf.
    Number,
    /// The new one takes its place.
    Overwrite,
    /// The new one is not kept.
    Skip,
}

/// Nothing can be extracted.
#[derive(Debug, thiserror::Error)]
enum ExtractError {
    #[error("{path}: {error}", path = path.display())]
    Folder { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error("the filter can't be used: {0}")]
    Load(#[from] LoadError),
    #[error("this build has no filter `attachments`")]
    NoFilter,
    #[error("a runtime: {0}")]
    Runtime(io::Error),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

pub(super) fn run(args: &Args) -> ExitCode {
    output::start_log();
    match extract(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => output::fail(&error),
    }
}

/// Whether all went well.
fn extract(args: &Args) -> Result<bool, ExtractError> {
    if !args.list {
        let failed = |error| ExtractError::Folder { path: args.into.clone(), error };
        fs::create_dir_all(&args.into).map_err(failed)?;
    }
    let unpacker = Unpacker::new(args)?;
    let mut progress = Progress::new(args.files.iter().map(|path| size(path)).sum());
    let mut all = Vec::new();
    let mut well = true;
    for path in &args.files {
        let raw = match read_raw(path) {
            Ok(raw) => raw,
            Err(error) => {
                well = false;
                progress.aside(|| anstream::eprintln!("{}: {error}", path.display()));
                continue;
            }
        };
        for (raw, number) in split_mbox(raw).into_iter().zip(1..) {
            let octets = raw.len() as u64;
            let extracted = Extracted::new(path, number, unpacker.unpack(raw)?);
            well &= extracted.is_well();
            if args.json {
                all.push(extracted);
            } else {
                progress.aside(|| extracted.print(args.list));
            }
            progress.advance(octets);
        }
    }
    progress.finish();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&all)?);
    }
    Ok(well)
}

/// Octets of a file, for the progress bar only.
fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// A bar on standard error where that is a terminal and the work takes long.
struct Progress {
    total: u64,
    done: u64,
    begin: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    fn new(total: u64) -> Self {
        Self { total, done: 0, begin: Instant::now(), bar: None }
    }

    fn advance(&mut self, octets: u64) {
        self.done += octets;
        if self.begin.elapsed() > PATIENCE {
            let bar = self.bar.get_or_insert_with(|| {
                let style = ProgressStyle::with_template("{wide_bar} {percent}% {eta}");
                ProgressBar::new(self.total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
            });
            bar.set_position(self.done);
        }
    }

    /// Print something that the bar must not write over.
    fn aside(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
