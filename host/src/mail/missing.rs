//! Fields that every message has (RFC 5322 3.6) and some are submitted without: Message-ID, Date, From.

use std::time::SystemTime;

use super::{
    date::rfc5322,
    edit::{Change, Edit, Position},
    envelope::Envelope,
    message::Message,
};

/// Whose messages get the fields that they lack (Postfix always_add_missing_headers, local_header_rewrite_clients).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingFields {
    /// Everybody's.
    Always,
    /// Those of clients that are trusted or have proved a name: for others it may hide what is wrong with a message.
    #[default]
    Trusted,
    /// Nobody's.
    Never,
}

/// What completes a message, at the end of its header. One that was sent on (RFC 5322 3.6.6) gets the fields about that, as in
/// Postfix.
pub fn missing_fields(message: &Message, envelope: &Envelope, hostname: &str, id: &str, time: SystemTime) -> Vec<Edit> {
    let resent = message.fields().iter().any(|field| {
        field.name().get(.."Resent-".len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case("Resent-"))
    });
    let prefix = if resent { "Resent-" } else { "" };
    let from = match envelope.sender.as_str() {
        "" => format!("MAILER-DAEMON@{hostname}"),
        sender => sender.to_owned(),
    };
    let fields = [
        ("Message-ID", format!(" <{id}@{hostname}>")),
        ("Date", format!(" {}", rfc5322(time))),
        ("From", format!(" {from}")),
    ];
    let named = fields.map(|(name, value)| (format!("{prefix}{name}"), value));
    let missing = named.into_iter().filter(|(name, _)| !message.fields().iter().any(|field| field.is(name)));
    let insert = |(name, value): (String, String)| Edit {
        change: Change::InsertField { position: Position::Bottom, name, value: value.into_bytes() },
        reason: None,
    };
    missing.map(insert).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::mail::{ReversePath, apply};

    fn completed(raw: &'static str, sender: &str) -> String {
        let mut envelope = Envelope::new(ReversePath::parse(sender).expect("a path"), Vec::new());
        let mut message = Message::parse(Bytes::from(raw));
        let edits = missing_fields(&message, &envelope, "relay.example", "Q1", SystemTime::UNIX_EPOCH);
        apply(&edits, &mut envelope, &mut message).expect("applies");
        String::from_utf8(message.pieces().flat_map(|piece| piece.to_vec()).collect()).expect("UTF-8")
    }

    #[test]
    fn each_field_is_added_that_is_not_there() {
        let (id, date) = ("Message-ID: <Q1@relay.example>\r\n", "Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n");
        for (raw, expected) in [
            ("Subject: x\r\n\r\nb\r\n", format!("Subject: x\r\n{id}{date}From: a@b.example\r\n\r\nb\r\n")),
            ("message-id: y\r\nFROM : z\r\n\r\n", format!("message-id: y\r\nFROM : z\r\n{date}\r\n")),
            ("Date: now\r\nFrom: z\r\nMessage-ID:\r\n\r\n", "Date: now\r\nFrom: z\r\nMessage-ID:\r\n\r\n".to_owned()),
            ("\r\nb\r\n", format!("{id}{date}From: a@b.example\r\n\r\nb\r\n")),
        ] {
            assert_eq!(completed(raw, "a@b.example"), expected, "{raw:?}");
        }
        assert!(completed("\r\n", "").ends_with("From: MAILER-DAEMON@relay.example\r\n\r\n"));
    }

    #[test]
    fn a_message_that_was_sent_on_gets_the_fields_about_that() {
        let raw = "Resent-To: x@y.example\r\nFrom: z\r\nResent-Date: now\r\n\r\n";
        let added = "Resent-Message-ID: <Q1@relay.example>\r\nResent-From: a@b.example\r\n\r\n";
        assert_eq!(
            completed(raw, "a@b.example"),
            format!("{}{added}", raw.trim_end_matches("\r\n").to_owned() + "\r\n")
        );
    }
}
