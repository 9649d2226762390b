//! `mailweir queue show`.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::SystemTime,
};

use serde_json::json;

use super::{Failure, StateDirArg, age, list, view};
use crate::{
    mail::{Message, Ret, rfc3339},
    spool::Details,
};

/// Show everything about one message.
#[derive(clap::Args)]
#[command(
    after_help = "Examples: mailweir queue show 0QFJ4X8M2TZ7K\n          mailweir queue show 0QFJ4X8M2TZ7K --raw > letter.eml\n\
                  Exit codes: 0 it was shown, 1 it is not in the queue, or the queue can't be read."
)]
pub(super) struct Args {
    /// Queue id.
    id: String,
    #[command(flatten)]
    state_dir: StateDirArg,
    /// Write the message itself, octet by octet, and nothing else.
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// Write the result as JSON to standard output.
    #[arg(long)]
    json: bool,
}

/// The envelope, what happened to each recipient, and the header.
pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let view = view(&args.state_dir)?;
    let Some(details) = view.find(&args.id)? else {
        return Err(format!("{} is not in the queue: delivered, returned, deleted, or never here", args.id).into());
    };
    let mut out = io::stdout().lock();
    if args.raw {
        out.write_all(&details.content)?;
    } else if args.json {
        writeln!(out, "{:#}", as_json(&details))?;
    } else {
        write_text(&mut out, &details)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write_text(out: &mut impl Write, details: &Details) -> io::Result<()> {
    let Details { queued, client, parameters, content } = details;
    let now = SystemTime::now();
    writeln!(out, "id         {}", queued.id)?;
    writeln!(out, "received   {}, {} ago", rfc3339(queued.received), age(queued.received, now))?;
    writeln!(out, "client     {}", client.peer)?;
    for (what, value) in
        [("name", &client.name), ("helo", &client.helo), ("tls", &client.tls), ("login", &client.login)]
    {
        if let Some(value) = value {
            writeln!(out, "  {what:<8} {value}")?;
        }
    }
    writeln!(out, "size       {} octets", queued.size)?;
    writeln!(out, "sender     <{}>", queued.sender.as_deref().unwrap_or_default())?;
    write!(out, "body       {}", parameters.body.name())?;
    writeln!(out, "{}", if parameters.utf8 { ", SMTPUTF8" } else { "" })?;
    for (what, value) in [("ret", parameters.ret.map(Ret::name)), ("envid", parameters.envid.as_deref())] {
        if let Some(value) = value {
            writeln!(out, "{what:<10} {value}")?;
        }
    }
    for recipient in &queued.recipients {
        writeln!(out, "recipient  <{}>", recipient.address)?;
        if recipient.original != recipient.address {
            writeln!(out, "  original <{}>", recipient.original)?;
        }
        writeln!(out, "  state    {}{}", recipient.state.name(), list::when(recipient, now))?;
        if let Some(note) = &recipient.note {
            writeln!(out, "  reason   {note}")?;
        }
    }
    writeln!(out)?;
    out.write_all(&Message::parse(content.clone()).header_block())
}

fn as_json(details: &Details) -> serde_json::Value {
    let Details { queued, client, parameters, content } = details;
    let mut shown = list::as_json(queued);
    shown["client"] = json!({
        "address": client.peer.ip(),
        "port": client.peer.port(),
        "name": client.name,
        "helo": client.helo,
        "tls": client.tls,
        "login": client.login,
        "trusted": client.trusted,
    });
    shown["body"] = parameters.body.name().into();
    shown["smtputf8"] = parameters.utf8.into();
    shown["ret"] = parameters.ret.map(Ret::name).into();
    shown["envid"] = parameters.envid.clone().into();
    let header = Message::parse(content.clone()).header_block();
    shown["header"] = String::from_utf8_lossy(&header).into();
    shown
}
