//! `mailweir records`: what became of messages.

use std::{
    io::{self, BufWriter, Write},
    process::ExitCode,
    time::{Duration, SystemTime},
};

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{
    output,
    state_dir::{Failure, StateDirArg},
};
use crate::{
    config::parse_duration,
    mail::rfc3339,
    records::{RecordRow, RecordSelection, RecordsView},
};

/// Show what became of messages.
#[derive(clap::Args)]
#[command(
    long_about = "Show what became of messages: a line for each recipient and event, oldest first. A running relay writes them down within \
                  about a second; `[records] keep` says how long they are kept.",
    after_help = "Examples: mailweir records 0QFJ4X8M2TZ7K\n          \
                            mailweir records --recipient jane@example.com --since 2h\n          \
                            mailweir records --event bounced --since 1d --json | jq -r .recipient\n\
                  Exit codes: 0 something was shown, 1 nothing was, or the records can't be read."
)]
pub(super) struct Args {
    /// Queue ids.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Of messages from this address, from @this.domain, or from the null sender, <>.
    #[arg(long, value_name = "ADDRESS")]
    sender: Option<String>,
    /// To this address or to @this.domain, as the client gave it or as filters made it.
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<String>,
    /// Not older than this, such as 90s, 30m, 2h or 5d.
    #[arg(long, value_name = "AGE", value_parser = parse_duration)]
    since: Option<Duration>,
    /// Only these events.
    #[arg(long, value_name = "EVENT")]
    event: Vec<EventArg>,
    /// So many lines at most.
    #[arg(long, short = 'n', value_name = "COUNT")]
    limit: Option<u64>,
    /// Write a JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    state_dir: StateDirArg,
}

#[derive(Clone, Copy, ValueEnum)]
enum EventArg {
    /// It came in and is in the queue.
    Received,
    /// It, or the sender or recipient, was refused.
    Rejected,
    /// It is kept until somebody releases it, as a filter or an operator wants it.
    Held,
    /// It was forgotten, as somebody configured it.
    Discarded,
    /// The next hop took it.
    Delivered,
    /// It is tried again.
    Deferred,
    /// It failed for good.
    Bounced,
    /// It could not be delivered in time.
    Expired,
    /// The sender was sent a report.
    Reported,
    /// An operator released it.
    Released,
    /// An operator let it begin anew.
    Requeued,
    /// An operator deleted it.
    Deleted,
    /// An operator wanted it to be tried at once.
    Flushed,
}

impl Args {
    fn selection(&self) -> RecordSelection {
        let name = |event: &EventArg| event.to_possible_value().map(|value| value.get_name().to_owned());
        RecordSelection {
            ids: self.ids.clone(),
            sender: self.sender.clone(),
            recipient: self.recipient.clone(),
            since: self.since.and_then(|age| SystemTime::now().checked_sub(age)),
            events: self.event.iter().filter_map(name).collect(),
        }
    }
}

pub(super) fn run(args: &Args) -> ExitCode {
    output::start_log();
    show(args).unwrap_or_else(|error| output::fail(&*error))
}

fn show(args: &Args) -> Result<ExitCode, Failure> {
    let view = RecordsView::open(&args.state_dir.path()?)?;
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let (mut shown, mut written) = (0, Ok(()));
    view.visit(&args.selection(), |record| {
        if args.limit.is_some_and(|limit| shown >= limit) {
            return false;
        }
        shown += 1;
        let line = if args.json { as_json(&record).to_string() } else { as_text(&record) };
        written = writeln!(out, "{line}");
        written.is_ok()
    })?;
    // Somebody who has seen enough, such as `head`, closes the pipe.
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(if shown > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
    }
}

fn as_text(record: &RecordRow) -> String {
    let RecordRow { time, event, id, sender, recipient, note, .. } = record;
    let mut line = format!("{}  {id:<13}  {event:<9}  ", rfc3339(*time));
    line += &match event.as_str() {
        "reported" => format!("to <{recipient}> as {note}"),
        _ => format!("<{sender}> -> <{recipient}>"),
    };
    let mut add = |word: &str, value: Option<&str>| {
        if let Some(value) = value {
            line += &format!("  {word} {value}");
        }
    };
    add("was", record.original.as_deref());
    add("from", record.client.as_deref().filter(|_| record.delays.is_none()));
    add("by", record.stage.as_deref());
    add("via", record.server.as_deref());
    add("after", record.delays.map(|delays| seconds(delays.iter().sum())).as_deref());
    if event != "reported" {
        line += &format!("  {note}");
    }
    line
}

fn seconds(time: Duration) -> String {
    format!("{:.2}s", time.as_secs_f64())
}

fn as_json(record: &RecordRow) -> Value {
    let delays = record.delays.map(|[queued, waiting, setup, transfer]| {
        let [queued, waiting, setup, transfer] = [queued, waiting, setup, transfer].map(|delay| delay.as_secs_f64());
        json!({ "queued": queued, "waiting": waiting, "setup": setup, "transfer": transfer })
    });
    let times = |times: &Option<String>| times.as_ref().and_then(|times| serde_json::from_str::<Value>(times).ok());
    json!({
        "time": rfc3339(record.time),
        "event": record.event,
        "id": record.id,
        "client": record.client,
        "sender": record.sender,
        "recipient": record.recipient,
        "original": record.original,
        "size": record.size,
        "delays": delays,
        "destination": record.destination,
        "server": record.server,
        "stage": record.stage,
        "note": record.note,
        "filter-microseconds": times(&record.filters),
        "session-filter-microseconds": times(&record.session_filters),
    })
}
