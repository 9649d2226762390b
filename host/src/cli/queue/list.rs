//! `mailweir queue list`.

use std::{
    io::{self, BufWriter, Write},
    process::ExitCode,
    time::SystemTime,
};

use serde_json::{Value, json};

use super::{Failure, Filters, StateDirArg, age, counted, view};
use crate::{
    mail::rfc3339,
    spool::{Queued, QueuedRecipient, State},
};

/// List what is in the queue.
#[derive(clap::Args)]
#[command(after_help = "Examples: mailweir queue list --domain example.com --older-than 1h\n          \
                  mailweir queue list --state held --json | jq -r .id\n\
                  Exit codes: 0 something was listed, 1 nothing was, or the queue can't be read.")]
pub(super) struct Args {
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    state_dir: StateDirArg,
    /// So many messages at most.
    #[arg(long, short = 'n', value_name = "COUNT")]
    limit: Option<u64>,
    /// Write a JSON object a message.
    #[arg(long)]
    json: bool,
}

/// Written as it is read: a long queue takes no memory.
pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let view = view(&args.state_dir)?;
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let (mut messages, mut recipients, mut octets) = (0, 0, 0);
    let mut written = Ok(());
    let now = SystemTime::now();
    view.visit(&args.filters.selection(), |queued| {
        if args.limit.is_some_and(|limit| messages >= limit) {
            return false;
        }
        messages += 1;
        recipients += queued.recipients.len() as u64;
        octets += queued.size;
        written = if args.json { writeln!(out, "{}", as_json(&queued)) } else { write_text(&mut out, &queued, now) };
        written.is_ok()
    })?;
    // Somebody who has seen enough, such as `head`, closes the pipe.
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    if !args.json {
        let (messages, recipients) = (counted(messages, "message"), counted(recipients, "recipient"));
        anstream::eprintln!("{messages}, {recipients}, {octets} octets");
    }
    Ok(if messages > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write_text(out: &mut impl Write, queued: &Queued, now: SystemTime) -> io::Result<()> {
    let sender = queued.sender.as_deref().unwrap_or_default();
    writeln!(out, "{}  {:>7}  {:>9}  <{sender}>", queued.id, age(queued.received, now), queued.size)?;
    queued.recipients.iter().try_for_each(|recipient| {
        let note = recipient.note.as_deref().map_or_else(String::new, |note| format!("  ({note})"));
        writeln!(out, "    {:<7}  <{}>{}{note}", recipient.state.name(), recipient.address, when(recipient, now))
    })
}

/// How often it was tried, and when it is again.
pub(super) fn when(recipient: &QueuedRecipient, now: SystemTime) -> String {
    let attempts = match recipient.attempts {
        0 => String::new(),
        attempts => format!("  {}", counted(attempts.into(), "attempt")),
    };
    match recipient.state {
        State::Waiting if recipient.due > now => format!("{attempts}, next in {}", age(now, recipient.due)),
        _ => attempts,
    }
}

pub(super) fn as_json(queued: &Queued) -> Value {
    let recipient = |recipient: &QueuedRecipient| {
        json!({
            "address": recipient.address,
            "original": recipient.original,
            "state": recipient.state,
            "attempts": recipient.attempts,
            "due": rfc3339(recipient.due),
            "reason": recipient.note,
        })
    };
    json!({
        "id": queued.id,
        "received": rfc3339(queued.received),
        "sender": queued.sender.as_deref().unwrap_or_default(),
        "size": queued.size,
        "recipients": queued.recipients.iter().map(recipient).collect::<Vec<_>>(),
    })
}
