//! The line of each event.

use super::*;
use crate::{
    events::{CommandCounts, Delays, LoginRefusal, NextHopTls},
    mail::{Address, Envelope, ReversePath},
    pipeline::Refusal,
    smtp::Mechanism,
    spool::ChangedRecipient,
};

fn client() -> Client {
    Client {
        peer: "192.0.2.7:40000".parse().expect("an address"),
        name: Some("mx.example.org".to_owned()),
        helo: Some("laptop".to_owned()),
        tls: None,
        login: None,
        trusted: false,
    }
}

fn address(text: &str) -> Address {
    Address::parse(text).expect("an address")
}

fn written(event: &Event<'_>) -> Vec<String> {
    let mut all = Vec::new();
    lines(event, &mut |program, line| all.push(format!("{program}: {line}")));
    all
}

#[test]
fn a_session() {
    let client = client();
    assert_eq!(written(&Event::Connected(&client)), ["smtpd: connect from mx.example.org[192.0.2.7]"]);
    let mut commands = CommandCounts::default();
    for (verb, accepted) in
        [(Some(Verb::Ehlo), true), (Some(Verb::Rcpt), true), (Some(Verb::Rcpt), false), (None, false)]
    {
        commands.add(verb, accepted);
    }
    let (error, verb, receiving) = (Some("lost connection"), Some(Verb::Data), Some(17));
    let ended = Disconnected { client: &client, error, verb, receiving, commands: &commands };
    assert_eq!(
        written(&Event::Disconnected(ended)),
        [
            "smtpd: lost connection after DATA (17 bytes) from mx.example.org[192.0.2.7]",
            "smtpd: disconnect from mx.example.org[192.0.2.7] ehlo=1 rcpt=1/2 unknown=0/1 commands=2/4",
        ]
    );
}

#[test]
fn refusals_of_the_protocol_are_left_out() {
    let (client, to) = (Client { name: None, ..client() }, address("b@example.net"));
    let reply = Reply::new(554, EnhancedCode(5, 7, 1), "<b@example.net>: Relay access denied");
    let refusal = Refusal { stage: "access".into(), phase: Phase::EndOfData, reply: reply.clone() };
    let event = |verb, refusal, recipient| {
        let refused = Refused { verb, refusal, recipient, extended: true, ..Refused::connection(&client, &reply) };
        written(&Event::Refused(refused))
    };
    let end = "from unknown[192.0.2.7]: 554 5.7.1 <b@example.net>: Relay access denied;";
    let expected = format!("smtpd: NOQUEUE: reject: RCPT {end} to=<b@example.net> proto=ESMTP helo=<laptop>");
    assert_eq!(event(Some(Verb::Rcpt), None, Some(&to)), [expected]);
    let expected = format!("smtpd: NOQUEUE: reject: END-OF-MESSAGE {end} proto=ESMTP helo=<laptop>");
    assert_eq!(event(Some(Verb::Data), Some(&refusal), None), [expected]);
    assert!(event(Some(Verb::Vrfy), None, None).is_empty());
    let reply = Reply::new(421, EnhancedCode(4, 3, 2), "relay.example Error: too many connections");
    let expected =
        format!("smtpd: NOQUEUE: reject: CONNECT from unknown[192.0.2.7]: {reply}; proto=SMTP helo=<laptop>");
    assert_eq!(written(&Event::Refused(Refused::connection(&client, &reply))), [expected]);
}

#[test]
fn clients_that_do_not_wait() {
    let client = client();
    let event = |awaited, said: &[u8]| written(&Event::TalkedEarly(TalkedEarly { client: &client, awaited, said }));
    assert_eq!(
        event(Awaited::Greeting(Duration::from_millis(70)), b"EHLO me\r\nMAIL FROM:<>\r\n"),
        [r"postscreen: PREGREET 23 after 0.07 from [192.0.2.7]:40000: EHLO me\r\n"]
    );
    let after_data = |said: &[u8]| event(Awaited::Reply(Verb::Data), said);
    let start = "smtpd: improper command pipelining after DATA from mx.example.org[192.0.2.7]:";
    assert_eq!(after_data(b"\x1b \xff"), [format!(r"{start} \x1b \xff")]);
    assert_eq!(after_data(&[b'x'; 1000]), [format!("{start} {}", "x".repeat(100))]);
    assert_eq!(after_data(b"auth PLAIN AGpvZQBzZWNyZXQ=\r\n"), [format!("{start} auth")]);
}

#[test]
fn exchanges_that_fail() {
    let client = client();
    for (reply, expected) in [
        (Reply::new(501, EnhancedCode(5, 5, 2), "Error: bad base64"), "failed: bad base64"),
        (Reply::new(501, EnhancedCode(5, 7, 0), "Authentication aborted"), "aborted"),
        (Reply::new(504, EnhancedCode(5, 5, 4), "Error: unknown"), "failed: Invalid authentication mechanism"),
    ] {
        let (verb, mechanism) = (Some(Verb::Auth), Some("LOGIN"));
        let event = Refused { verb, mechanism, ..Refused::connection(&client, &reply) };
        let expected = format!("smtpd: warning: mx.example.org[192.0.2.7]: SASL LOGIN authentication {expected}");
        assert_eq!(written(&Event::Refused(event)), [expected]);
    }
}

#[test]
fn logins() {
    let client = client();
    let reply = Reply::new(535, EnhancedCode(5, 7, 8), "Error: authentication failed");
    let event = |refusal| {
        let login = Login { client: &client, mechanism: Mechanism::Plain, login: "joe", failures: 1, refusal };
        written(&Event::Login(login))
    };
    assert!(event(None).is_empty());
    assert_eq!(
        event(Some(LoginRefusal { reason: "authentication failed", reply: &reply })),
        [
            "smtpd: warning: mx.example.org[192.0.2.7]: SASL PLAIN authentication failed: authentication failed, sasl_username=joe"
        ]
    );
}

#[test]
fn what_becomes_of_a_message() {
    let client = Client { login: Some("joe".to_owned()), ..client() };
    let sender = ReversePath::parse("a@example.org").expect("a path");
    let envelope = Envelope::new(sender.clone(), vec![Recipient::new(address("b@example.net"))]);
    let reply = Reply::new(550, EnhancedCode(5, 7, 1), "no");
    let event = |fate| {
        let received = Received {
            id: "Q1",
            client: &client,
            login_method: Some("PLAIN"),
            sender: &sender,
            envelope: &envelope,
            size: 300,
            message_id: "<x@y>",
            fate,
            elapsed: Duration::ZERO,
            stage: None,
            session_filters: &[],
            filters: &[],
            reply: &reply,
            extended: false,
        };
        written(&Event::Received(received))
    };
    let about = "from=<a@example.org> to=<b@example.net> proto=SMTP helo=<laptop>";
    let from = "END-OF-MESSAGE from mx.example.org[192.0.2.7]:";
    let first = "smtpd: Q1: client=mx.example.org[192.0.2.7], sasl_method=PLAIN, sasl_username=joe";
    for (fate, last) in [
        (Fate::Queued, "qmgr: Q1: from=<a@example.org>, size=300, nrcpt=1 (queue active)".to_owned()),
        (Fate::Held("odd"), format!("cleanup: Q1: hold: {from} odd; {about}")),
        (Fate::Discarded("spam"), format!("cleanup: Q1: discard: {from} spam; {about}")),
        (Fate::Refused, format!("cleanup: Q1: milter-reject: {from} 5.7.1 no; {about}")),
    ] {
        assert_eq!(event(fate), [first.to_owned(), "cleanup: Q1: message-id=<x@y>".to_owned(), last]);
    }
}

#[test]
fn what_becomes_of_a_recipient() {
    let (client, sender) = (client(), ReversePath::Null);
    let recipient = Recipient { original: address("old@example.net"), ..Recipient::new(address("b@example.net")) };
    let later = Reply::plain(450, "later");
    let event = |outcome, server, tried, destination| {
        let delays = Delays { queued: Duration::from_millis(1250), ..Delays::default() };
        let (id, size, filters) = ("Q1", 300, &[][..]);
        let (client, sender, recipient) = (&client, &sender, &recipient);
        written(&Event::Attempted(Attempted {
            id,
            client,
            sender,
            recipient,
            size,
            destination,
            server,
            security: &Security::default(),
            tried,
            delays,
            filters,
            outcome,
        }))
    };
    let to = "Q1: to=<b@example.net>, orig_to=<old@example.net>,";
    let spent = "delay=1.25, delays=1.25/0/0/0,";
    let server = Some("mx[192.0.2.1]:25");
    let deferred = format!(
        "smtp: {to} relay=mx[192.0.2.1]:25, {spent} dsn=4.0.0, status=deferred (host mx[192.0.2.1]:25 said: 450 later)"
    );
    assert_eq!(event(Outcome::Deferred(&later), server, true, "mx"), [deferred.as_str()]);
    let expired = "qmgr: Q1: from=<>, status=expired, returned to sender";
    assert_eq!(event(Outcome::Expired(&later), server, true, "mx"), [deferred.as_str(), expired]);
    let ok = Reply::new(250, EnhancedCode(2, 1, 5), "ok");
    let sent = format!("lmtp: {to} relay=mx[192.0.2.1]:25, {spent} dsn=2.1.5, status=sent (250 2.1.5 ok)");
    assert_eq!(event(Outcome::Delivered(&ok), server, true, "lmtp://mx"), [sent]);
    let postponed = format!("error: {to} relay=none, {spent} dsn=4.0.0, status=deferred (450 later)");
    assert_eq!(event(Outcome::Deferred(&later), None, false, "mx"), [postponed]);
}

#[test]
fn tls_of_both_sides() {
    let client = Client { tls: Some("TLSv1.2 TLS_ECDHE".to_owned()), ..client() };
    assert_eq!(
        written(&Event::Secured(&client)),
        ["smtpd: Anonymous TLS connection established from mx.example.org[192.0.2.7]: TLSv1.2 with cipher TLS_ECDHE"]
    );
    let event = |destination, security: &Security| {
        let result = Ok(security);
        written(&Event::Contacted(Contacted { destination, server: "mx[192.0.2.1]:25", result }))
    };
    let secured = |verified| {
        let tls = NextHopTls { description: "TLSv1.3 TLS13_AES".to_owned(), verified };
        Security { tls: Some(tls), login: None }
    };
    let end = "TLS connection established to mx[192.0.2.1]:25: TLSv1.3 with cipher TLS13_AES";
    assert_eq!(event("smtp://mx", &secured(true)), [format!("smtp: Verified {end}")]);
    assert_eq!(event("lmtp://mx", &secured(false)), [format!("lmtp: Untrusted {end}")]);
    assert!(event("smtp://mx", &Security::default()).is_empty());
}

#[test]
fn what_operators_do() {
    let (id, address, original) = ("Q1".to_owned(), "b@example.net".to_owned(), "b@example.net".to_owned());
    let recipient = ChangedRecipient { id, sender: None, size: 300, address, original, under_way: false };
    let event = |change| written(&Event::Operated(Operated { change, recipient: &recipient, operator: 1000 }));
    assert_eq!(event(Change::Hold), ["postsuper: Q1: to=<b@example.net>, placed on hold by uid 1000"]);
    assert!(event(Change::Flush).is_empty());
}
