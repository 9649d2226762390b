//! `mailweir trace`: a message through all filters, and what each of them did; nothing is sent.

pub(super) mod explain;
mod follow;
mod report;
mod session;
mod text;

use std::{net::IpAddr, path::PathBuf, process::ExitCode};

pub(super) use self::{
    follow::{Ending, Letter, Traced, follow},
    report::StageRecord,
};
use super::{ConfigArg, message_file, output};
use crate::mail::{Address, AddressError, ReversePath};

/// Run a message through the filters without sending it, and tell what each of them does and why.
#[derive(clap::Args)]
#[command(
    long_about = "Run a message through [[session]], [[message]] and [[delivery]] as `serve` would, without sending or keeping it. \
                  For each stage: its verdict, its edits and why, the lines of the message that changed, and its time.",
    after_help = "Example: mailweir trace letter.eml --from joe@host7.example.com --to ann@elsewhere.example --client 192.0.2.7\n\
                  The line ends of the message may be LF; they are made CRLF as a client would."
)]
pub(super) struct Args {
    /// The message; - for standard input.
    message: PathBuf,
    /// The sender; empty for the null sender.
    #[arg(long, value_name = "ADDRESS", value_parser = ReversePath::parse)]
    from: ReversePath,
    /// A recipient; can be given several times.
    #[arg(long, value_name = "ADDRESS", required = true, value_parser = address)]
    to: Vec<Address>,
    /// Address of the client that would bring it.
    #[arg(long, value_name = "IP", default_value_t = output::LOOPBACK)]
    client: IpAddr,
    /// What the client would say with EHLO.
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    helo: String,
    #[command(flatten)]
    config: ConfigArg,
    /// Write the result as JSON to standard output.
    #[arg(long)]
    json: bool,
}

fn address(text: &str) -> Result<Address, AddressError> {
    Address::parse(text)
}

pub(super) fn run(args: &Args) -> ExitCode {
    output::start_log_of_filters();
    let message = match message_file::read(&args.message) {
        Ok(message) => message,
        Err(error) => {
            anstream::eprintln!("{}: {error}", args.message.display());
            return ExitCode::FAILURE;
        }
    };
    let runtime = match output::runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    let traced = runtime.block_on(async {
        match output::load(&args.config).await {
            Ok(app) => {
                let client = output::client_at(&app, args.client, &args.helo);
                let (sender, recipients) = (args.from.clone(), args.to.clone());
                Ok(follow(&app, Letter { client, sender, recipients, message }).await)
            }
            Err((source, diagnostics)) => {
                output::print_diagnostics(&source, &diagnostics);
                Err(ExitCode::FAILURE)
            }
        }
    });
    let traced = match traced {
        Ok(traced) => traced,
        Err(code) => return code,
    };
    print(&traced, args.json)
}

fn print(traced: &Traced, json: bool) -> ExitCode {
    if json {
        match serde_json::to_string_pretty(traced) {
            Ok(json) => println!("{json}"),
            Err(error) => return output::fail(&error),
        }
    } else {
        text::print(traced);
    }
    ExitCode::SUCCESS
}
