//! `mailweir reload`: let a running relay read its configuration again.

use std::process::ExitCode;

use super::{
    output,
    state_dir::{Failure, StateDirArg},
};
use crate::control::{self, Answer, Request};

/// Let the running relay read its configuration again.
#[derive(clap::Args)]
#[command(
    long_about = "Let the running relay read its configuration, tables and filters again. They hold for new sessions and attempts; those \
                  under way end as they began. A broken configuration changes nothing, and what is wrong with it is shown. The relay reads \
                  the file that it was started with; --config here only names its state directory. SIGHUP does the same, and tells the log.",
    after_help = "Example: mailweir reload --config /etc/mailweir/mailweir.toml\n\
                  Exit codes: 0 the new configuration holds, 1 it is broken or no relay runs."
)]
pub(super) struct Args {
    #[command(flatten)]
    state_dir: StateDirArg,
}

pub(super) fn run(args: &Args) -> ExitCode {
    output::start_log();
    reload(args).unwrap_or_else(|error| output::fail(&*error))
}

fn reload(args: &Args) -> Result<ExitCode, Failure> {
    let state_dir = args.state_dir.path()?;
    match control::ask(&state_dir, &Request::Reload)? {
        Some(Answer::Reloaded(warnings)) => {
            warnings.iter().for_each(|warning| anstream::eprintln!("{warning}"));
            println!("reloaded");
            Ok(ExitCode::SUCCESS)
        }
        Some(Answer::Broken(diagnostics)) => {
            diagnostics.iter().for_each(|diagnostic| anstream::eprintln!("{diagnostic}"));
            Err("the configuration is broken, the relay goes on with the old one".into())
        }
        Some(Answer::Failed(why)) => Err(why.into()),
        Some(Answer::Changed(_)) => Err("the relay answered something else".into()),
        None => Err(format!("no relay runs on {}", state_dir.display()).into()),
    }
}
