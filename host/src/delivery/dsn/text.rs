//! The part of a report that people read.

use std::fmt::Write as _;

use super::{Action, Reporter, Told, fields::one_line};
use crate::{mail::rfc5322, spool::Leased};

/// The subject, by the worst that is reported.
pub(super) fn subject(told: &[Told]) -> &'static str {
    match told.iter().map(|one| one.action).min() {
        Some(Action::Failed) | None => "Undelivered mail returned to sender",
        Some(Action::Delayed) => "Delayed mail: no need to send it again",
        Some(Action::Delivered | Action::Relayed) => "Your mail was delivered",
    }
}

pub(super) fn text(reporter: &Reporter<'_>, about: &Leased, told: &[Told]) -> String {
    let mut text = format!("This is the mail system at {}.\r\n", reporter.hostname);
    for action in [Action::Failed, Action::Delayed, Action::Delivered, Action::Relayed] {
        let mut those = told.iter().filter(|one| one.action == action).peekable();
        if those.peek().is_none() {
            continue;
        }
        match action {
            Action::Failed => text.push_str(
                "\r\nYour message could not be delivered to these recipients, and is not tried again:\r\n",
            ),
            Action::Delayed => {
                let until = rfc5322(about.received + reporter.lifetime);
                write!(
                    text,
                    "\r\nYour message could not be delivered to these recipients yet. It is tried again until\r\n{until}; you need not \
                     send it again:\r\n"
                )
                .ok();
            }
            Action::Delivered => text.push_str("\r\nYour message was delivered to these recipients:\r\n"),
            Action::Relayed => text.push_str(
                "\r\nYour message was passed on for these recipients, to a server that does not tell about delivery:\r\n",
            ),
        }
        for Told { recipient, reply, server, .. } in those {
            let address = &recipient.recipient.original;
            let server = server.as_ref().map_or_else(String::new, |server| format!("{server} said: "));
            write!(text, "\r\n<{address}>: {server}{}\r\n", one_line(reply)).ok();
        }
    }
    text
}
