//! `mailweir trace`: a message through all filters, and what each of them did; nothing is sent.

pub(super) mod explain;
mod report;
mod session;
mod text;

use std::{net::IpAddr, path::PathBuf, process::ExitCode, sync::Arc, time::SystemTime};

use serde::Serialize;

use self::report::{Recorder, StageRecord, verdict_text};
use super::{ConfigArg, message_file, output};
use crate::{
    app::App,
    mail::{self, Address, AddressError, Envelope, Message, Received, Recipient, ReversePath},
    pipeline::{self, Gathered, Mail, Pipeline, Verdict},
};

/// Run a message through the filters without sending it.
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

/// The whole way of a message.
#[derive(Serialize)]
struct Traced {
    /// `delivered`, or the verdict that ended it.
    verdict: String,
    sender: String,
    recipients: Vec<String>,
    /// In octets, as it would leave.
    size: u64,
    stages: Vec<StageRecord>,
}

impl Traced {
    fn of(verdict: String, mail: &Mail, stages: Vec<StageRecord>) -> Self {
        let recipients = &mail.envelope.recipients;
        Self {
            verdict,
            sender: mail.envelope.sender.to_string(),
            recipients: recipients.iter().map(|recipient| recipient.address.to_string()).collect(),
            size: mail.message.size(),
            stages,
        }
    }

    fn delivered(&self) -> bool {
        self.verdict == DELIVERED
    }
}

const DELIVERED: &str = "would be delivered";

pub(super) fn run(args: &Args) -> ExitCode {
    output::start_log("error", false);
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
            Ok(app) => Ok(trace(args, &app, message).await),
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

async fn trace(args: &Args, app: &App, message: Message) -> Traced {
    let client = output::client_at(app, args.client, &args.helo);
    let recipients = args.to.iter().cloned().map(Recipient::new).collect();
    let envelope = Envelope::new(args.from.clone(), recipients);
    let mut mail = Mail { id: "trace".into(), client, envelope, message, explain: true };
    // Filters see our own trace field, as they will in earnest.
    let received = Received {
        client: &mail.client,
        extended: true,
        envelope: &mail.envelope,
        hostname: &app.config.hostname,
        id: &mail.id,
        time: SystemTime::now(),
    };
    let value = received.value();
    mail.message.prepend_field("Received", &value);
    let mut stages = Vec::new();
    let verdict = match session::ask(app, &mail, &mut stages).await {
        Err(reply) => format!("refused: {reply}"),
        Ok(Gathered { discard: Some(reason), .. }) => verdict_text(&Verdict::Discard(reason)),
        Ok(gathered) => {
            let Mail { envelope, message, .. } = &mut mail;
            match mail::apply(&gathered.edits, envelope, message) {
                Ok(()) => run_lists(&app.pipeline, &mut mail, gathered.redirect, &mut stages).await,
                Err(error) => format!("effects of [[session]] can't be applied: {error}"),
            }
        }
    };
    Traced::of(verdict, &mail, stages)
}

/// `[[message]]`, then `[[delivery]]`; what became of the message in words.
async fn run_lists(
    pipeline: &Pipeline,
    mail: &mut Mail,
    redirect: Option<Address>,
    records: &mut Vec<StageRecord>,
) -> String {
    for (list, stages) in [("message", &pipeline.message), ("delivery", &pipeline.delivery)] {
        let ended = pipeline::run(stages, mail.clone(), &mut Recorder { list, records }).await;
        *mail = Arc::unwrap_or_clone(ended.mail);
        if !matches!(ended.verdict, Verdict::Next | Verdict::Accept) {
            return verdict_text(&ended.verdict);
        }
        if let (Some(address), "message") = (&redirect, list) {
            mail.envelope.recipients = vec![Recipient::new(address.clone())];
        }
    }
    DELIVERED.to_owned()
}
