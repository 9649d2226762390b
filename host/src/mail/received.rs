//! The trace field that we put on top of every message (RFC 5321 4.4).

use std::{fmt::Write as _, net::IpAddr, time::SystemTime};

use super::{
    date::rfc5322,
    envelope::{Client, Envelope},
};

/// What a client spoke, by its greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HELO.
    Smtp,
    /// EHLO.
    Esmtp,
    /// LHLO (RFC 2033).
    Lmtp,
}

/// What the field tells beside envelope and client.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Where the message came from.
    pub client: &'a Client,
    /// What the client spoke.
    pub protocol: Protocol,
    /// The envelope; a single recipient is named, several are not, because each would see the others.
    pub envelope: &'a Envelope,
    /// Our own name.
    pub hostname: &'a str,
    /// Queue id.
    pub id: &'a str,
    /// When.
    pub time: SystemTime,
}

impl Received<'_> {
    /// Raw value of the field, folded, with the leading blank.
    pub fn value(&self) -> Vec<u8> {
        let mut value = String::with_capacity(200);
        let helo = self.client.helo.as_deref().unwrap_or("unknown");
        let name = self.client.name.as_deref().unwrap_or("unknown");
        write!(value, " from {} ({} [{}])\r\n", printable(helo), printable(name), literal(self.client.peer.ip())).ok();
        if let Some(tls) = &self.client.tls {
            let (version, cipher) = version_and_cipher(tls);
            write!(value, "\t(using {} with cipher {})\r\n", printable(version), printable(cipher)).ok();
        }
        write!(value, "\tby {} (Mailweir) with {} id {}", self.hostname, self.with(), self.id).ok();
        if let [only] = self.envelope.recipients.as_slice() {
            write!(value, "\r\n\tfor <{}>", only.original).ok();
        }
        write!(value, ";\r\n\t{}", rfc5322(self.time)).ok();
        value.into_bytes()
    }

    /// RFC 3848 and RFC 6531 4.3.
    fn with(&self) -> String {
        let base = match (self.protocol, self.envelope.parameters.utf8) {
            (Protocol::Smtp, _) => return "SMTP".to_owned(),
            (Protocol::Esmtp, false) => "ESMTP",
            (Protocol::Esmtp, true) => "UTF8SMTP",
            (Protocol::Lmtp, false) => "LMTP",
            (Protocol::Lmtp, true) => "UTF8LMTP",
        };
        let tls = if self.client.tls.is_some() { "S" } else { "" };
        let login = if self.client.login.is_some() { "A" } else { "" };
        format!("{base}{tls}{login}")
    }
}

/// What `TLSv1.3 TLS13_AES_256_GCM_SHA384` consists of.
pub fn version_and_cipher(tls: &str) -> (&str, &str) {
    tls.split_once(' ').unwrap_or((tls, "unknown"))
}

/// RFC 5321 4.1.3.
fn literal(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("IPv6:{address}"),
    }
}

/// What a client says of itself must not change the field's structure: only characters of names and addresses stay.
fn printable(text: &str) -> String {
    let plain =
        |c: char| if c.is_ascii_graphic() && !"();\\\"<>".contains(c) || c == ' ' || !c.is_ascii() { c } else { '?' };
    text.chars().filter(|c| !c.is_control()).take(255).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::mail::{Address, Recipient, ReversePath, check_field};

    fn client() -> Client {
        Client {
            peer: "192.0.2.7:40000".parse().expect("an address"),
            name: None,
            helo: Some("laptop".to_owned()),
            tls: None,
            login: None,
            trusted: true,
        }
    }

    fn envelope(recipients: &[&str]) -> Envelope {
        let recipient = |text: &&str| Address::parse(text).map(Recipient::new);
        let recipients = recipients.iter().map(recipient).collect::<Result<_, _>>().expect("addresses");
        Envelope::new(ReversePath::Null, recipients)
    }

    fn value(client: &Client, protocol: Protocol, recipients: &[&str]) -> String {
        value_of(client, protocol, &envelope(recipients))
    }

    fn value_of(client: &Client, protocol: Protocol, envelope: &Envelope) -> String {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_600_000);
        let received = Received { client, protocol, envelope, hostname: "relay.example.com", id: "Q1", time };
        assert_eq!(check_field("Received", &received.value()), Ok(()));
        String::from_utf8(received.value()).expect("UTF-8")
    }

    #[test]
    fn tells_the_way() {
        assert_eq!(
            value(&client(), Protocol::Esmtp, &["a@b.example"]),
            " from laptop (unknown [192.0.2.7])\r\n\tby relay.example.com (Mailweir) with ESMTP id Q1\r\n\t\
             for <a@b.example>;\r\n\tWed, 25 Nov 2026 09:46:40 +0000"
        );
    }

    #[test]
    fn names_no_recipient_when_there_are_two() {
        assert!(!value(&client(), Protocol::Esmtp, &["a@b.example", "c@d.example"]).contains("for <"));
    }

    #[test]
    fn names_the_protocol_of_rfc_3848() {
        let mut client = client();
        assert!(value(&client, Protocol::Smtp, &["a@b.example"]).contains(" with SMTP id"));
        client.tls = Some("TLSv1.3 TLS13_AES_256_GCM_SHA384".to_owned());
        assert!(value(&client, Protocol::Esmtp, &["a@b.example"]).contains(" with ESMTPS id"));
        let using = "\r\n\t(using TLSv1.3 with cipher TLS13_AES_256_GCM_SHA384)\r\n\tby ";
        assert!(value(&client, Protocol::Esmtp, &["a@b.example"]).contains(using));
        client.login = Some("joe".to_owned());
        assert!(value(&client, Protocol::Esmtp, &["a@b.example"]).contains(" with ESMTPSA id"));
        let mut envelope = envelope(&["grüße@b.example"]);
        envelope.parameters.utf8 = true;
        assert!(value_of(&client, Protocol::Esmtp, &envelope).contains(" with UTF8SMTPSA id"));
        assert!(value_of(&client, Protocol::Lmtp, &envelope).contains(" with UTF8LMTPSA id"));
        client.login = None;
        assert!(value(&client, Protocol::Lmtp, &["a@b.example"]).contains(" with LMTPS id"));
    }

    #[test]
    fn a_hostile_name_stays_a_name() {
        let mut client = client();
        client.helo = Some("x); by evil\r\nBcc: y <z@w>".to_owned());
        client.peer = "[2001:db8::1]:25".parse().expect("an address");
        assert!(
            value(&client, Protocol::Esmtp, &["a@b.example"])
                .starts_with(" from x?? by evilBcc: y ?z@w? (unknown [IPv6:2001:db8::1])\r\n")
        );
    }
}
