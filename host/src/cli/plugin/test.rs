//! `mailweir plugin test`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{
    cli::{
        ConfigArg,
        cases::{self, CasesArgs},
        output,
    },
    config::{Config, Plugin},
};

/// Run the tests of a pipeline with a plugin that was just built.
#[derive(clap::Args)]
#[command(
    long_about = "Run each [[test]] of a configuration, as `mailweir test` does, with this plugin in the place of every plugin of the same \
                  file name. So a new build meets the tests of the pipeline before it is installed.",
    after_help = "Example: mailweir plugin test target/my-filter.wasm --config /etc/mailweir/mailweir.toml\n\
                  Exit codes: 0 all tests pass, 1 some don't, or there is none."
)]
pub(super) struct Args {
    /// The plugin.
    plugin: PathBuf,
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    cases: CasesArgs,
}

/// The configuration has no stage whose plugin could be replaced.
#[derive(Debug, thiserror::Error)]
#[error("{config} has no stage with a plugin of the name {plugin}")]
struct NoSuchStage {
    config: String,
    plugin: String,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let mut replaced = 0;
    let code = cases::run(&args.config, &args.cases, |config| replaced = replace(config, &args.plugin));
    if replaced == 0 && code == ExitCode::SUCCESS {
        let plugin = args.plugin.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return output::fail(&NoSuchStage { config: args.config.config.display().to_string(), plugin });
    }
    code
}

/// How many stages have the plugin now.
fn replace(config: &mut Config, plugin: &Path) -> usize {
    let named = |found: &Plugin| matches!(found, Plugin::File(path) if path.file_name() == plugin.file_name());
    let stages = config.stages.iter_mut().filter(|stage| named(&stage.plugin));
    stages.map(|stage| stage.plugin = Plugin::File(plugin.to_owned())).count()
}
