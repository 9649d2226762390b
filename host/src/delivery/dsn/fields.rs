//! The part of a report that programs read (RFC 3464 2, RFC 6533 3).

use std::{fmt::Write as _, time::SystemTime};

use super::{Action, Reporter, Told};
use crate::{
    mail::{Address, Recipient, decode_xtext, rfc5322},
    smtp::{EnhancedCode, Reply},
    spool::Leased,
};

/// Characters of a reply that are told at most, so that a line stays below 998 octets (RFC 5322 2.1.1).
const LONGEST_REPLY: usize = 200;

pub(super) fn fields(reporter: &Reporter<'_>, about: &Leased, told: &[Told], now: SystemTime) -> String {
    let mut out = String::new();
    if let Some(envid) = &about.parameters.envid {
        write!(out, "Original-Envelope-Id: {}\r\n", clean(&decode_xtext(envid))).ok();
    }
    write!(
        out,
        "Reporting-MTA: dns; {}\r\nX-Mailweir-Queue-ID: {}\r\nArrival-Date: {}\r\n",
        reporter.hostname,
        about.id,
        rfc5322(about.received)
    )
    .ok();
    for one in told {
        recipient(&mut out, one, about.received + reporter.lifetime, now);
    }
    out
}

fn recipient(out: &mut String, told: &Told, until: SystemTime, now: SystemTime) {
    let Recipient { address, original, orcpt, .. } = &told.recipient.recipient;
    let asked = match orcpt.as_ref().and_then(|orcpt| orcpt.split_once(';')) {
        Some((kind, text)) => format!("{}; {}", clean(kind), clean(&decode_xtext(text))),
        None => typed(original),
    };
    let action = match told.action {
        Action::Failed => "failed",
        Action::Delayed => "delayed",
        Action::Delivered => "delivered",
        Action::Relayed => "relayed",
    };
    write!(
        out,
        "\r\nOriginal-Recipient: {asked}\r\nFinal-Recipient: {}\r\nAction: {action}\r\nStatus: {}\r\n",
        typed(address),
        status(told)
    )
    .ok();
    match &told.server {
        Some(server) => {
            let name = server.split('[').next().unwrap_or_default();
            write!(out, "Remote-MTA: dns; {name}\r\nDiagnostic-Code: smtp; {}\r\n", one_line(&told.reply)).ok()
        }
        None => write!(out, "Diagnostic-Code: X-Mailweir; {}\r\n", one_line(&told.reply)).ok(),
    };
    write!(out, "Last-Attempt-Date: {}\r\n", rfc5322(now)).ok();
    if told.action == Action::Delayed {
        write!(out, "Will-Retry-Until: {}\r\n", rfc5322(until)).ok();
    }
}

/// An address with its type (RFC 3464 2.3.2, RFC 6533 3).
fn typed(address: &Address) -> String {
    format!("{}; {address}", if address.is_international() { "utf-8" } else { "rfc822" })
}

/// The status of a class that fits the action. What was for now, and is given up all the same, took too long (RFC 3463 3.5).
fn status(told: &Told) -> EnhancedCode {
    let class = match told.action {
        Action::Failed if told.reply.code / 100 == 4 => return EnhancedCode(4, 4, 7),
        Action::Failed => 5,
        Action::Delayed => 4,
        Action::Delivered | Action::Relayed => 2,
    };
    told.reply.enhanced.filter(|code| code.0 == class).unwrap_or(EnhancedCode(class, 0, 0))
}

/// What was said, on one line.
pub(super) fn one_line(reply: &Reply) -> String {
    clean(&reply.to_string()).chars().take(LONGEST_REPLY).collect()
}

/// Without characters that would change the report's structure.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
