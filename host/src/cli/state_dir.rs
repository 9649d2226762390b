//! Which relay a command is about: the state directory.

use std::path::PathBuf;

use super::{ConfigArg, output};
use crate::config::Config;

/// What ends a command.
pub(super) type Failure = Box<dyn std::error::Error>;

/// Which state directory; the same for all commands that look at one.
#[derive(clap::Args)]
pub(super) struct StateDirArg {
    #[command(flatten)]
    config: ConfigArg,
    /// The state directory, instead of the one that the configuration names; the configuration isn't read then.
    #[arg(long, value_name = "FOLDER")]
    state_dir: Option<PathBuf>,
}

impl StateDirArg {
    pub(super) fn path(&self) -> Result<PathBuf, Failure> {
        if let Some(folder) = &self.state_dir {
            return Ok(folder.clone());
        }
        let config = Config::load(self.config.config.clone()).map_err(|(source, diagnostics)| {
            output::print_diagnostics(&source, &diagnostics);
            format!("{} can't be read; --state-dir names the state directory without it", source.path.display())
        })?;
        Ok(config.state_dir)
    }
}
