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

/// Each command tells about itself: what stood here would take the place of its long help.
#[derive(Subcommand)]
enum Command {
    Serve(serve::Args),
    Check(check::Args),
    Trace(trace::Args),
    Explain(trace::explain::Args),
    Bench(bench::Args),
    Queue(queue::Args),
    Reload(reload::Args),
    Records(records::Args),
    Test(test::Args),
    Plugin(plugin::Args),
    Extract(extract::Args),
    Passwd(passwd::Args),
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn commands_tell_at_length_what_they_do() {
        let cli = Cli::command();
        for path in
            ["serve", "check", "trace", "explain", "bench", "queue", "records", "test", "plugin new", "table query"]
        {
            let command = path.split(' ').try_fold(&cli, |command, name| command.find_subcommand(name));
            let command = command.unwrap_or_else(|| panic!("there is no `{path}`"));
            let (short, long) = (command.get_about(), command.get_long_about());
            assert!(short.is_some() && long.is_some() && short != long, "{path}: {short:?}, {long:?}");
        }
    }
}
