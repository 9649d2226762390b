//! Reports to the sender about recipients that were given up (RFC 3464, RFC 6522).

use std::{fmt::Write as _, net::Ipv4Addr, time::SystemTime};

use bytes::Bytes;

use crate::{
    mail::{Address, Client, Envelope, Message, Recipient, ReversePath, rfc5322},
    smtp::{EnhancedCode, Reply},
    spool::{Leased, LeasedRecipient, NewMessage},
};

/// The report about these recipients, from the null sender so that nothing ever answers it.
pub(super) fn report(
    hostname: &str,
    id: String,
    to: &Address,
    about: &Leased,
    failed: &[(LeasedRecipient, Reply)],
) -> NewMessage {
    let now = SystemTime::now();
    let text = text(hostname, &id, to, about, failed, now);
    NewMessage {
        client: Client {
            peer: (Ipv4Addr::LOCALHOST, 0).into(),
            name: Some(hostname.to_owned()),
            helo: Some(hostname.to_owned()),
            tls: None,
            login: None,
            trusted: true,
        },
        envelope: Envelope::new(ReversePath::Null, vec![Recipient::new(to.clone())]),
        message: Message::parse(Bytes::from(text)),
        received: now,
        hold: None,
        files: Vec::new(),
        id,
    }
}

fn text(
    hostname: &str,
    id: &str,
    to: &Address,
    about: &Leased,
    failed: &[(LeasedRecipient, Reply)],
    now: SystemTime,
) -> Vec<u8> {
    let boundary = format!("{id}/{hostname}");
    let mut out = format!(
        "Date: {}\r\nFrom: Mail Delivery System <MAILER-DAEMON@{hostname}>\r\nTo: {to}\r\n\
         Subject: Undelivered mail returned to sender\r\nMessage-ID: <{id}@{hostname}>\r\nAuto-Submitted: auto-replied\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{boundary}\"\r\n\r\n\
         --{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         This is the mail system at {hostname}.\r\n\r\n\
         Your message could not be delivered to one or more recipients.\r\n\r\n",
        rfc5322(now)
    );
    for (LeasedRecipient { recipient, .. }, reply) in failed {
        write!(out, "<{}>: {}\r\n", recipient.address, one_line(reply)).ok();
    }
    write!(
        out,
        "\r\n--{boundary}\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; {hostname}\r\nX-Mailweir-Queue-ID: {}\r\nArrival-Date: {}\r\n",
        about.id,
        rfc5322(about.received)
    )
    .ok();
    for (LeasedRecipient { recipient, .. }, reply) in failed {
        let status = reply.enhanced.filter(|code| code.0 == 5).unwrap_or(EnhancedCode(5, 0, 0));
        write!(
            out,
            "\r\nFinal-Recipient: rfc822; {}\r\nOriginal-Recipient: rfc822; {}\r\nAction: failed\r\nStatus: {status}\r\n\
             Diagnostic-Code: smtp; {}\r\n",
            recipient.address,
            recipient.original,
            one_line(reply)
        )
        .ok();
    }
    write!(out, "\r\n--{boundary}\r\nContent-Type: text/rfc822-headers\r\n\r\n").ok();
    let mut out = out.into_bytes();
    out.extend_from_slice(&about.message.header_block());
    out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    out
}

/// What the next hop said, on one line, and without octets that would change the report's structure.
fn one_line(reply: &Reply) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    reply.to_string().chars().map(clean).take(900).collect()
}
