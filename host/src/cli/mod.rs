//! The command line: one file a command.

mod bench;
mod cases;
mod check;
mod extract;
mod log;
mod message_file;
mod output;
mod passwd;
mod plugin;
mod queue;
mod records;
mod reload;
mod serve;
mod state_dir;
mod table;
mod test;
mod trace;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// An SMTP relay that runs every message through a chain of sandboxed WASM filters.
#[derive(Parser)]
#[command(name = "mailweir", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the relay.
    Serve(serve::Args),
    /// Look for mistakes in a configuration, its tables and its filters' settings, without running anything.
    Check(check::Args),
    /// Run a message through the filters without sending it, and tell what each of them does and why.
    Trace(trace::Args),
    /// Tell what the filters make of an address, and why.
    Explain(trace::explain::Args),
    /// Measure what each filter costs, on your own messages.
    Bench(bench::Args),
    /// Look at the queue and change it.
    Queue(queue::Args),
    /// Let the running relay read its configuration again.
    Reload(reload::Args),
    /// Show what became of messages.
    Records(records::Args),
    /// Run the tests that stand in a configuration.
    Test(test::Args),
    /// Begin a filter of your own, build it, look at it, test it.
    Plugin(plugin::Args),
    /// Save the attachments of messages, however they are encoded.
    Extract(extract::Args),
    /// Make a row for the table of users that may log in.
    Passwd(passwd::Args),
    /// Build, ask and look at lookup tables.
    Table(table::Args),
}

const EXIT_CODES: &str = "Exit codes: 0 all is well, 1 something is wrong and was told, 2 the command line is.";

/// Which configuration; the same for all commands.
#[derive(clap::Args)]
struct ConfigArg {
    /// The configuration file.
    #[arg(long, short, value_name = "FILE", default_value = "mailweir.toml")]
    config: PathBuf,
}

/// Run what the command line says.
pub fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(args) => serve::run(args),
        Command::Check(args) => check::run(&args),
        Command::Trace(args) => trace::run(&args),
        Command::Explain(args) => trace::explain::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Queue(args) => queue::run(&args),
        Command::Reload(args) => reload::run(&args),
        Command::Records(args) => records::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Plugin(args) => plugin::run(&args),
        Command::Extract(args) => extract::run(&args),
        Command::Passwd(args) => passwd::run(&args),
        Command::Table(args) => table::run(&args),
    }
}
