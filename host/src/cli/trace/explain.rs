//! `mailweir explain`: what the filters make of one address, in every place where it can stand, and why.

use std::{net::IpAddr, process::ExitCode, sync::Arc};

use bytes::Bytes;

use super::{
    Ending, Traced,
    follow::{after_session, run_lists},
    print, session,
};
use crate::{
    app::App,
    cli::{ConfigArg, output},
    mail::{Address, Envelope, Message, Recipient, ReversePath},
    pipeline::{Gathered, Mail, Pipeline, Stage},
};

/// Tell what the filters make of an address, and why.
#[derive(clap::Args)]
#[command(
    long_about = "Run all stages on a message that has the address as its sender, its recipient, and in From and To. For each stage: what it \
                  says of the address in each place or makes of it, which table, key or rule says so, or why it stays. What [[session]] \
                  refuses is told, and the other lists are run all the same.",
    after_help = "Example: mailweir explain joe@host7.example.com --stage canonical --client 192.0.2.7"
)]
pub(in crate::cli) struct Args {
    /// The address.
    #[arg(value_parser = super::address)]
    address: Address,
    /// Only the stages of this name.
    #[arg(long, value_name = "NAME")]
    stage: Option<String>,
    /// Address of the client that would bring it.
    #[arg(long, value_name = "IP", default_value_t = output::LOOPBACK)]
    client: IpAddr,
    #[command(flatten)]
    config: ConfigArg,
    /// Write the result as JSON to standard output.
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) fn run(args: &Args) -> ExitCode {
    output::start_log_of_filters();
    let runtime = match output::runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    runtime.block_on(async {
        match output::load(&args.config).await {
            Ok(app) => match pipeline(&app, args.stage.as_deref()) {
                Some(pipeline) => print(&explain(args, &app, &pipeline).await, args.json),
                None => {
                    anstream::eprintln!("no stage has the name `{}`", args.stage.as_deref().unwrap_or_default());
                    ExitCode::FAILURE
                }
            },
            Err((source, diagnostics)) => {
                output::print_diagnostics(&source, &diagnostics);
                ExitCode::FAILURE
            }
        }
    })
}

/// The stages that are wanted; none if no stage has the name.
fn pipeline(app: &App, name: Option<&str>) -> Option<Pipeline> {
    let Some(name) = name else { return Some(Pipeline::clone(&app.pipeline)) };
    let named =
        |stages: &[Stage]| -> Arc<[Stage]> { stages.iter().filter(|stage| &*stage.name == name).cloned().collect() };
    let Pipeline { session, message, delivery } = &*app.pipeline;
    let session: Arc<[_]> = session.iter().filter(|stage| &*stage.name == name).cloned().collect();
    let (message, delivery) = (named(message), named(delivery));
    let found = !session.is_empty() || !message.is_empty() || !delivery.is_empty();
    found.then(|| Pipeline { session, message, delivery })
}

async fn explain(args: &Args, app: &App, pipeline: &Pipeline) -> Traced {
    let address = &args.address;
    let message = Message::parse(Bytes::from(format!("From: {address}\r\nTo: {address}\r\n\r\n")));
    let envelope = Envelope::new(ReversePath::Address(address.clone()), vec![Recipient::new(address.clone())]);
    let client = output::client_at(app, args.client, "localhost");
    let mut mail = Mail { id: "explain".into(), client, envelope, message, explain: true };
    let mut stages = Vec::new();
    let asked = match pipeline.session.is_empty() {
        true => Ok(Gathered::default()),
        false => session::ask(app, &pipeline.session, &mail, &mut stages).await,
    };
    let ending = match asked {
        Ok(gathered) => after_session(pipeline, &mut mail, gathered, &mut stages).await,
        Err(reply) => {
            run_lists(pipeline, &mut mail, None, &mut stages).await;
            Ending::Refused(reply)
        }
    };
    Traced::of(ending, mail, stages)
}
