//! One random message: who sends it to whom, and what its header says.

use std::net::Ipv4Addr;

use crate::random::Random;

/// Addresses that MAIL and RCPT take, here and in Postfix.
const ENVELOPE: [&str; 26] = [
    "joe@one.example",
    "Joe@One.Example",
    "joe+x@one.example",
    "joe+x+y@one.example",
    "joe-x@one.example",
    "joe@host.one.example",
    "joe@Host.One.Example",
    "root@h.sub.one.example",
    "joe@two.example",
    "ann+y@two.example",
    "bob@sub.one.example",
    "joe@origin.example",
    "ann+y@origin.example",
    "joe@local.example",
    "joe+q@local.example",
    "joe@[127.0.0.1]",
    "joe@[192.0.2.1]",
    "joe@host",
    "x@nodot",
    "\"a b\"@one.example",
    "\"joe\"@one.example",
    "\"a@b\"@one.example",
    "a..b@one.example",
    "owner-list@one.example",
    "list-request@one.example",
    "postmaster@one.example",
];

/// Addresses that header fields have beside those.
const HEADER: [&str; 16] = [
    "joe",
    "ann+y",
    "\"a b\"",
    "site.example!user",
    "a!b!user",
    "x%y.example",
    "x%y%z",
    "site!uu@one.example",
    "joe@one.example.",
    "joe@host.",
    "joe@b..",
    "joe (c) @one.example",
    "joe(c)@one.example",
    "joe @ one.example",
    "+foo@one.example",
    "foo+@one.example",
];

/// What stands around an address in a header field; `{}` is the address.
const DRESSES: [&str; 26] = [
    "Joe <{}> <ann@one.example>",
    "{},,",
    ",{}",
    "Joe, Doe <{}>",
    "a@b@one.example, {}",
    "\"x\"{}",
    "team: Joe <{}>, other: ann@one.example;;",
    "{}",
    "{}",
    "<{}>",
    "Joe <{}>",
    "\"Doe, J\\\"oe\" <{}>",
    "Johnny B. Goode <{}>",
    "{} (Joe)",
    "(a (nested) one) {}",
    "(with \\) in it) <{}>",
    "\"J\" (c) <{}>",
    "=?utf-8?q?J=C3=B6?= <{}>",
    "J\u{f6} <{}>",
    "<@x.example,@y.example:{}>",
    "team: {}, ann@two.example;",
    "nobody:;",
    "<>",
    "{} bob@one.example",
    "Joe   Doe   <{}>",
    "<{}>(behind)",
];

const FIELDS: [&str; 20] = [
    "From",
    "Sender",
    "Reply-To",
    "Return-Path",
    "Errors-To",
    "Return-Receipt-To",
    "Disposition-Notification-To",
    "Mail-Followup-To",
    "Resent-From",
    "Resent-Sender",
    "To",
    "Cc",
    "Bcc",
    "Apparently-To",
    "Resent-To",
    "Resent-Cc",
    "Resent-Bcc",
    "Resent-Reply-To",
    "reply-TO",
    "X-From",
];

/// What a client sends.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) client: Ipv4Addr,
    pub(crate) sender: &'static str,
    pub(crate) recipients: Vec<&'static str>,
    /// All that stand in it, envelope and header.
    pub(crate) addresses: Vec<&'static str>,
    /// Names and values, CRLF in between where a value is folded.
    pub(crate) fields: Vec<(&'static str, String)>,
}

fn one(random: &mut Random, of: &[&'static str]) -> &'static str {
    of[random.below(of.len())]
}

fn value(random: &mut Random, addresses: &mut Vec<&'static str>) -> String {
    let mut value = String::from(one(random, &[" ", " ", "", "  ", "\t"]));
    for number in 0..=random.below(3) {
        if number > 0 {
            value.push_str(one(random, &[", ", ",", ",\r\n\t", " ,\r\n  "]));
        }
        let address = if random.percent(30) { one(random, &HEADER) } else { one(random, &ENVELOPE) };
        addresses.push(address);
        value.push_str(&one(random, &DRESSES).replace("{}", address));
    }
    value
}

impl Letter {
    pub(crate) fn random(random: &mut Random) -> Self {
        let mut addresses = Vec::new();
        // Fields that Postfix adds where they are missing.
        let mut fields = vec![
            ("Date", " Tue, 24 Nov 2026 12:00:00 +0000".to_owned()),
            ("Message-Id", " <1@example.org>".to_owned()),
            ("Resent-Date", " Tue, 24 Nov 2026 12:00:00 +0000".to_owned()),
            ("Resent-Message-Id", " <2@example.org>".to_owned()),
            ("Resent-From", value(random, &mut addresses)),
            ("From", value(random, &mut addresses)),
            ("To", value(random, &mut addresses)),
        ];
        for _ in 0..random.below(5) {
            fields.push((one(random, &FIELDS), value(random, &mut addresses)));
        }
        let sender = if random.percent(10) { "" } else { one(random, &ENVELOPE) };
        let recipients: Vec<_> = (0..=random.below(3)).map(|_| one(random, &ENVELOPE)).collect();
        addresses.extend(&recipients);
        let client = Ipv4Addr::new(127, 0, 0, if random.percent(75) { 1 } else { 2 });
        Self { client, sender, recipients, addresses, fields }
    }

    /// As it goes over the wire, with a number by which it is known on the other side.
    pub(crate) fn message(&self, number: usize) -> Vec<u8> {
        let mut text = format!("{NUMBER}: {number}\r\n");
        for (name, value) in &self.fields {
            text.push_str(&format!("{name}:{value}\r\n"));
        }
        (text + "\r\nFrom: joe@one.example\r\n").into_bytes()
    }
}

/// The field with the number.
pub(crate) const NUMBER: &str = "X-Number";
