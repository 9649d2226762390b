//! Reports to the sender about what became of recipients (RFC 3461, RFC 3464, RFC 6522, RFC 6533). They have the null sender, so that
//! nothing ever answers them.

mod fields;
#[cfg(test)]
mod tests;
mod text;

use std::{
    fmt::Write as _,
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;

use crate::{
    mail::{Address, Client, Envelope, Message, Recipient, Ret, ReversePath, rfc5322},
    smtp::Reply,
    spool::{Leased, LeasedRecipient, NewMessage},
};

/// What a report says about a recipient (RFC 3464 2.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    /// Given up.
    Failed,
    /// Late; tried again.
    Delayed,
    /// In the mailbox.
    Delivered,
    /// Taken by a server that knows no reports.
    Relayed,
}

/// One recipient of a report.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) recipient: LeasedRecipient,
    pub(super) action: Action,
    /// What was said last.
    pub(super) reply: Reply,
    /// Who said it; none is this relay.
    pub(super) server: Option<Arc<str>>,
}

/// What all reports have in common.
pub(super) struct Reporter<'a> {
    pub(super) hostname: &'a str,
    /// Octets of a message that is returned whole at most (Postfix bounce_size_limit).
    pub(super) size_limit: u64,
    /// How long recipients are tried.
    pub(super) lifetime: Duration,
}

impl Reporter<'_> {
    /// The report about these recipients of a message.
    pub(super) fn report(
        &self,
        id: String,
        to: &Address,
        about: &Leased,
        told: &[Told],
        now: SystemTime,
    ) -> NewMessage {
        let message = self.compose(&id, to, about, told, now);
        NewMessage {
            client: Arc::new(Client {
                peer: (Ipv4Addr::LOCALHOST, 0).into(),
                name: Some(self.hostname.to_owned()),
                helo: Some(self.hostname.to_owned()),
                tls: None,
                login: None,
                trusted: true,
            }),
            envelope: Envelope::new(ReversePath::Null, vec![Recipient::new(to.clone())]),
            message: Message::parse(Bytes::from(message)),
            received: now,
            hold: None,
            files: Vec::new(),
            id,
        }
    }

    fn compose(&self, id: &str, to: &Address, about: &Leased, told: &[Told], now: SystemTime) -> Vec<u8> {
        let Self { hostname, .. } = self;
        let boundary = format!("{id}/{hostname}");
        let original = self.original(about, told);
        let global = about.parameters.utf8
            || told.iter().any(|one| one.recipient.recipient.address.is_international())
            || !about.sender.as_str().is_ascii();
        let text = text::text(self, about, told);
        let fields = fields::fields(self, about, told, now);
        let encoding = if [text.as_bytes(), fields.as_bytes(), &original.octets].into_iter().all(<[u8]>::is_ascii) {
            "7bit"
        } else {
            "8bit"
        };
        let kind = |ascii, utf8| if global { utf8 } else { ascii };
        let mut out = format!(
            "Date: {}\r\nFrom: Mail Delivery System <MAILER-DAEMON@{hostname}>\r\nTo: <{to}>\r\nSubject: {}\r\n\
             Message-ID: <{id}@{hostname}>\r\n",
            rfc5322(now),
            text::subject(told)
        );
        if let Some(field) = about.message.fields().iter().find(|field| field.is("Message-ID")) {
            let id = field.unfolded();
            // What isn't one id could be anything.
            if id.is_ascii() && id.len() < 250 && !id.contains(char::is_whitespace) {
                write!(out, "References: {id}\r\n").ok();
            }
        }
        write!(
            out,
            "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{boundary}\"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n\
             --{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{text}\r\n\
             --{boundary}\r\nContent-Type: message/{}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{fields}\r\n\
             --{boundary}\r\nContent-Type: {}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n",
            kind("delivery-status", "global-delivery-status"),
            match original.is_whole {
                true => kind("message/rfc822", "message/global"),
                false => kind("text/rfc822-headers", "message/global-headers"),
            }
        )
        .ok();
        let mut out = out.into_bytes();
        out.extend_from_slice(&original.octets);
        out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        out
    }

    /// What is returned of the message: all of it only when somebody did not get it, and the sender did not want less (RFC 3461 4.3).
    fn original(&self, about: &Leased, told: &[Told]) -> Original {
        let failed = told.iter().any(|one| one.action == Action::Failed);
        let is_whole = failed && about.parameters.ret != Some(Ret::Hdrs) && about.message.size() <= self.size_limit;
        let octets = match is_whole {
            true => about.message.pieces().fold(Vec::new(), |mut out, piece| {
                out.extend_from_slice(piece);
                out
            }),
            false => about.message.header_block(),
        };
        Original { is_whole, octets }
    }
}

struct Original {
    is_whole: bool,
    octets: Vec<u8>,
}
