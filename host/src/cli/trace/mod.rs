//! `mailweir trace`: a message through all filters, and what each of them did; nothing is sent.

pub(super) mod explain;
mod report;
mod session;
mod text;

use std::{
    fs,
    io::{self, Read},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::SystemTime,
};

use bytes::Bytes;
use serde::Serialize;

use self::report::{Recorder, StageRecord, verdict_text};
use super::{ConfigArg, output};
use crate::{
    app::App,
    mail::{self, Address, AddressError, Client, Envelope, Message, Received, Recipient, ReversePath},
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
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
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
    let message = match read_message(args) {
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

fn read_message(args: &Args) -> io::Result<Message> {
    let raw = if args.message.as_os_str() == "-" {
        let mut raw = Vec::new();
        io::stdin().read_to_end(&mut raw)?;
        raw
    } else {
        fs::read(&args.message)?
    };
    let mut crlf = Vec::with_capacity(raw.len() + raw.len() / 32);
    for line in raw.split_inclusive(|octet| *octet == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        crlf.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        crlf.extend_from_slice(b"\r\n");
    }
    Ok(Message::parse(Bytes::from(crlf)))
}

async fn trace(args: &Args, app: &App, message: Message) -> Traced {
    let client = client(app, args.client, &args.helo);
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

/// A client at this address, as the configuration sees it.
fn client(app: &App, address: IpAddr, helo: &str) -> Arc<Client> {
    Arc::new(Client {
        peer: SocketAddr::new(address, 0),
        name: None,
        helo: Some(helo.to_owned()),
        tls: None,
        login: None,
        trusted: app.config.trusted.iter().any(|network| network.contains(address)),
    })
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
