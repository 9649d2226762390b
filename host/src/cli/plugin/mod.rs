//! `mailweir plugin`: begin a filter, build it, look at it, test it.

mod build;
mod inspect;
mod new;
mod templates;
mod test;

use std::process::ExitCode;

use clap::Subcommand;

/// Begin a filter of your own, build it, look at it, test it.
#[derive(clap::Args)]
#[command(
    after_help = "From nothing to a filter that runs:\n  mailweir plugin new --lang python my-filter\n  cd my-filter\n  mailweir plugin build\n  \
                  mailweir plugin test my-filter.wasm\n  mailweir trace letter.eml --from joe@elsewhere.example --to ann@example.com --client 192.0.2.7"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    New(new::Args),
    Build(build::Args),
    Inspect(inspect::Args),
    Test(test::Args),
}

pub(super) fn run(args: &Args) -> ExitCode {
    match &args.command {
        Command::New(args) => new::run(args),
        Command::Build(args) => build::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Test(args) => test::run(args),
    }
}
