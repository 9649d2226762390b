//! `mailweir test`: a pipeline's own tests.

use std::process::ExitCode;

use super::{
    ConfigArg,
    cases::{self, CasesArgs},
};

/// Run the tests that stand in a configuration.
#[derive(clap::Args)]
#[command(
    long_about = "Run each [[test]] of a configuration: its message goes through the filters as in `trace`, nothing is sent or kept, and \
                  what becomes of it is compared with what the test expects. A filter that fails makes its test fail, unless the test \
                  expects that.",
    after_help = "Example, in mailweir.toml:\n  [[test]]\n  name = \"programs are refused\"\n  message = \"tests/program.eml\"\n  \
                  sender = \"joe@example.com\"\n  recipients = [\"ann@example.com\"]\n  client.address = \"192.0.2.7\"\n  \
                  expect.verdict = \"reject\"\n\nmailweir test --config mailweir.toml programs\n\n\
                  Exit codes: 0 all tests pass, 1 some don't, or there is none."
)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    cases: CasesArgs,
}

pub(super) fn run(args: &Args) -> ExitCode {
    cases::run(&args.config, &args.cases, |_| {})
}
