//! `mailweir plugin build`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitCode, ExitStatus},
};

use super::inspect;
use crate::cli::output;

/// Build the filters of a folder.
#[derive(clap::Args)]
#[command(
    long_about = "Build the filters of a folder by its Makefile, which fetches what the language needs and this machine lacks into the folder \
                  .tools, and look at what comes out.",
    after_help = "Example: mailweir plugin build my-filter"
)]
pub(super) struct Args {
    /// The folder.
    #[arg(default_value = ".")]
    folder: PathBuf,
}

#[derive(Debug, thiserror::Error)]
enum BuildError {
    #[error("{0}: there is no Makefile, so this is no filter's folder")]
    NoMakefile(String),
    #[error("make can't be run: {0}")]
    NoMake(io::Error),
    #[error("the build failed ({0}); what it needs stands in README.md")]
    Failed(ExitStatus),
    #[error("{0}: {1}")]
    Folder(String, io::Error),
    #[error("the build made no plugin")]
    NoPlugin,
    #[error(transparent)]
    Inspect(#[from] inspect::InspectError),
}

pub(super) fn run(args: &Args) -> ExitCode {
    output::start_log();
    match build(&args.folder) {
        Ok(all_load) if all_load => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => output::fail(&error),
    }
}

/// Whether all that was built would load.
fn build(folder: &Path) -> Result<bool, BuildError> {
    if !folder.join("Makefile").exists() {
        return Err(BuildError::NoMakefile(folder.display().to_string()));
    }
    let status = Command::new("make").arg("-C").arg(folder).status().map_err(BuildError::NoMake)?;
    if !status.success() {
        return Err(BuildError::Failed(status));
    }
    let mut all_load = true;
    let plugins = plugins(folder).map_err(|error| BuildError::Folder(folder.display().to_string(), error))?;
    if plugins.is_empty() {
        return Err(BuildError::NoPlugin);
    }
    for path in plugins {
        let inspection = inspect::inspect(&path)?;
        let loads = inspect::loads(&inspection);
        all_load &= loads;
        let told = if loads { "loads" } else { "does not load: see `mailweir plugin inspect`" };
        println!("{}: {} octets, {told}", path.display(), inspection.size);
    }
    Ok(all_load)
}

fn plugins(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut plugins: Vec<_> = paths
        .filter(|path| path.as_ref().map_or(true, |path| path.extension().is_some_and(|it| it == "wasm")))
        .collect::<Result<_, _>>()?;
    plugins.sort();
    Ok(plugins)
}
