//! Each restriction by itself: section 6, with codes and texts of Postfix.

use super::*;

/// What the one restriction in the recipient list says.
fn one(restriction: &str, facts: &Facts) -> String {
    says(&format!(r#"{{"recipient": ["{restriction}"], "sender-logins": ["logins"]}}"#), facts)
}

fn helo(name: &str) -> Facts {
    let mut facts = rcpt();
    facts.client.helo = Some(name.to_owned());
    facts
}

#[test]
fn greetings() {
    native::zone(&[
        "known.example A 192.0.2.7",
        "mail.example MX 10 mx.example",
        "null.example MX 0 .",
        "broken.example SERVFAIL",
    ]);
    let rejected = |code: &str, name: &str, why: &str| format!("{code} <{name}>: Helo command rejected: {why}");
    for (restriction, name, reply) in [
        ("reject_invalid_helo_hostname", "a..b", "501 5.5.2|Invalid name"),
        ("reject_invalid_helo_hostname", "localhost", ""),
        ("reject_invalid_helo_hostname", "a.example.", ""),
        ("reject_invalid_helo_hostname", "192.0.2.1", ""),
        ("reject_invalid_helo_hostname", "[192.0.2]", "501 5.5.2|invalid ip address"),
        ("reject_invalid_helo_hostname", "[192.0.2.1]", ""),
        ("reject_non_fqdn_helo_hostname", "localhost", "504 5.5.2|need fully-qualified hostname"),
        ("reject_non_fqdn_helo_hostname", "192.0.2.1", "504 5.5.2|need fully-qualified hostname"),
        ("reject_non_fqdn_helo_hostname", "a.example", ""),
        ("reject_non_fqdn_helo_hostname", "[IPv6:::1]", ""),
        ("reject_unknown_helo_hostname", "known.example", ""),
        ("reject_unknown_helo_hostname", "mail.example", ""),
        ("reject_unknown_helo_hostname", "null.example", ""),
        ("reject_unknown_helo_hostname", "missing.example", "450 4.7.1|Host not found"),
        ("reject_unknown_helo_hostname", "broken.example", "450 4.7.1|Host not found"),
    ] {
        let expected = reply.split_once('|').map_or("next".to_owned(), |(code, why)| rejected(code, name, why));
        assert_eq!(one(restriction, &helo(name)), expected, "{restriction} {name}");
    }
    // What can't be known now defers only what would be permitted.
    let config = r#"{"recipient": ["reject_unknown_helo_hostname", "reject"]}"#;
    assert!(says(config, &helo("broken.example")).starts_with("554"));
}

#[test]
fn addresses_without_a_full_domain() {
    for (restriction, facts, class) in [
        ("reject_non_fqdn_sender", from("joe@host"), "<joe@host>: Sender"),
        ("reject_non_fqdn_recipient", to("joe@host"), "<joe@host>: Recipient"),
    ] {
        let mut trusted = facts;
        trusted.client.trusted = true;
        let reply = format!("504 5.5.2 {class} address rejected: need fully-qualified address");
        assert_eq!(one(restriction, &trusted), reply);
    }
    for fine in ["", "joe@a.example", "joe@[192.0.2.1]", "joe@a.example."] {
        assert_eq!(one("reject_non_fqdn_sender", &from(fine)), "next", "{fine}");
    }
}

#[test]
fn domains_that_do_not_exist() {
    native::zone(&[
        "a.example A 192.0.2.7",
        "mx.example MX 10 a.example",
        "null.example MX 0 .",
        "empty.example TXT x",
        "broken.example SERVFAIL",
    ]);
    for (domain, reply) in [
        ("a.example", "next"),
        ("mx.example", "next"),
        ("[192.0.2.1]", "next"),
        ("missing.example", "450 4.1.8 S Domain not found"),
        ("empty.example", "450 4.1.8 S Domain not found"),
        ("broken.example", "450 4.1.8 S Domain not found"),
        ("null.example", "550 5.7.27 S Domain null.example does not accept mail (nullMX)"),
    ] {
        let expected = reply.replace('S', &format!("<joe@{domain}>: Sender address rejected:"));
        assert_eq!(one("reject_unknown_sender_domain", &from(&format!("joe@{domain}"))), expected);
    }
    assert_eq!(one("reject_unknown_sender_domain", &from("")), "next");
    let mut facts = to("x@null.example");
    facts.client.trusted = true;
    let reply =
        "556 5.1.10 <x@null.example>: Recipient address rejected: Domain null.example does not accept mail (nullMX)";
    assert_eq!(one("reject_unknown_recipient_domain", &facts), reply);
    facts.recipient = Some("x@missing.example".to_owned());
    let reply = "450 4.1.2 <x@missing.example>: Recipient address rejected: Domain not found";
    assert_eq!(one("reject_unknown_recipient_domain", &facts), reply);
}

#[test]
fn clients_without_a_name() {
    let no_name = "450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]";
    let no_reverse = "450 4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.1]";
    for (zone, unknown, reverse) in [
        (["192.0.2.1 PTR a.example", "a.example A 192.0.2.1"], "next", "next"),
        (["192.0.2.1 PTR a.example", "a.example A 192.0.2.2"], no_name, "next"),
        (["192.0.2.1 PTR a.example", "a.example SERVFAIL"], no_name, "next"),
        (["192.0.2.1 SERVFAIL", ""], no_name, no_reverse),
        (["", ""], no_name, no_reverse),
    ] {
        native::zone(&zone);
        assert_eq!(one("reject_unknown_client_hostname", &rcpt()), unknown, "{zone:?}");
        assert_eq!(one("reject_unknown_reverse_client_hostname", &rcpt()), reverse, "{zone:?}");
    }
    let config = r#"{"client": ["reject_unknown_client_hostname"], "codes": {"unknown-client-reject-code": 550}}"#;
    assert!(says(config, &rcpt()).starts_with("550 5.7.25"));
    native::zone(&["192.0.2.1 SERVFAIL"]);
    assert!(says(config, &rcpt()).starts_with("450 4.7.25"));
    let mut known = rcpt();
    known.client.name = Some("a.example".to_owned());
    assert_eq!(says(config, &known), "next");
}

#[test]
fn names_that_a_client_only_claims() {
    native::zone(&["192.0.2.1 PTR bad.example"]);
    let config = r#"{"client": [{"check_reverse_client_hostname_access": "t"}]}"#;
    native::table("t", &[("bad.example", "REJECT")]);
    assert_eq!(says(config, &rcpt()), "554 5.7.1 <bad.example>: Unverified Client host rejected: Access denied");
    // Rule 6.1: it is no reason to permit.
    native::table("t", &[("bad.example", "OK")]);
    assert_eq!(says(config, &rcpt()), "451 4.3.5 Server configuration error");
    native::zone(&[]);
    native::table("t", &[("unknown", "REJECT")]);
    assert_eq!(says(config, &rcpt()), "554 5.7.1 <unknown>: Unverified Client host rejected: Access denied");
}

#[test]
fn servers_of_a_name() {
    // Rule 6.1: the name of each server, then its addresses
    native::zone(&[
        "sender.example MX 10 mx.bad.example",
        "mx.bad.example A 198.51.100.7",
        "sender.example A 203.0.113.1",
        "sender.example NS ns.bad.example",
        "client.example A 203.0.113.9",
    ]);
    let says = |check: &str, row: (&str, &str)| {
        native::table("t", &[row]);
        says(&format!(r#"{{"sender": [{{"{check}": "t"}}]}}"#), &rcpt())
    };
    let sender = "554 5.7.1 <joe@sender.example>: Sender address rejected: Access denied";
    assert_eq!(says("check_sender_mx_access", ("bad.example", "REJECT")), sender);
    assert_eq!(says("check_sender_mx_access", ("198.51.100", "REJECT")), sender);
    assert_eq!(says("check_sender_mx_access", ("203.0.113.1", "REJECT")), "next");
    assert_eq!(says("check_sender_ns_access", ("ns.bad.example", "REJECT")), sender);
    assert_eq!(says("check_sender_a_access", ("203.0.113.1", "REJECT")), sender);
    assert_eq!(says("check_sender_a_access", ("sender.example", "REJECT")), "next");
    assert_eq!(says("check_sender_mx_access", ("bad.example", "DUNNO")), "next");
    assert_eq!(says("check_sender_mx_access", ("bad.example", "OK")), "451 4.3.5 Server configuration error");
    // A name without MX is its own; one without NS has those above it.
    let helo = "554 5.7.1 <client.example>: Helo command rejected: Access denied";
    assert_eq!(says("check_helo_mx_access", ("203.0.113.9", "REJECT")), helo);
    assert_eq!(says("check_recipient_mx_access", ("ours.example", "REJECT")), {
        "554 5.7.1 <ann@ours.example>: Recipient address rejected: Access denied"
    });
}

#[test]
fn senders_and_logins() {
    native::table("logins", &[("joe@sender.example", "joe, boss"), ("@team.example", "ann")]);
    let with = |sender: &str, login: Option<&str>| {
        let mut facts = from(sender);
        facts.client.login = login.map(str::to_owned);
        facts
    };
    let not_owned = "553 5.7.1 <joe@sender.example>: Sender address rejected: not owned by user eve";
    let not_in = "553 5.7.1 <joe@sender.example>: Sender address rejected: not logged in";
    for (sender, login, both, authenticated, known, unauthenticated) in [
        ("joe@sender.example", Some("BOSS"), "next", "next", "next", "next"),
        ("joe@sender.example", Some("eve"), not_owned, not_owned, not_owned, "next"),
        ("joe@sender.example", None, not_in, "next", not_in, not_in),
        ("x@free.example", None, "next", "next", "next", "next"),
        ("x@team.example", Some("ann"), "next", "next", "next", "next"),
        ("", Some("eve"), "next", "next", "next", "next"),
    ] {
        let facts = with(sender, login);
        assert_eq!(one("reject_sender_login_mismatch", &facts), both, "{sender} {login:?}");
        assert_eq!(one("reject_authenticated_sender_login_mismatch", &facts), authenticated, "{sender} {login:?}");
        assert_eq!(one("reject_known_sender_login_mismatch", &facts), known, "{sender} {login:?}");
        assert_eq!(one("reject_unauthenticated_sender_login_mismatch", &facts), unauthenticated, "{sender} {login:?}");
    }
    let facts = with("x@free.example", Some("eve"));
    assert!(one("reject_sender_login_mismatch", &facts).ends_with("not owned by user eve"));
    assert_eq!(one("reject_known_sender_login_mismatch", &facts), "next");
    native::table("t", &[("eve", "REJECT")]);
    let config = r#"{"client": [{"check_sasl_access": "t"}]}"#;
    assert_eq!(says(config, &facts), "554 5.7.1 <eve>: SASL login name rejected: Access denied");
}

#[test]
fn recipients_that_are_not_listed() {
    // Rule 6.3: at the end of all lists, unless it was asked for before
    native::table("people", &[("ann@ours.example", "x"), ("bob@ours.example", "x")]);
    let config = r#"{"listed-recipients": ["people"], "recipient-delimiter": "+"}"#;
    assert_eq!(says(config, &to("ann@ours.example")), "next");
    assert_eq!(says(config, &to("bob+x@ours.example")), "next");
    let unknown = "550 5.1.1 <eve@ours.example>: Recipient address rejected: User unknown in relay recipient table";
    assert_eq!(says(config, &to("eve@ours.example")), unknown);
    let mut elsewhere = to("eve@elsewhere.example");
    elsewhere.client.trusted = true;
    assert_eq!(says(config, &elsewhere), "next");
    let config = r#"{"listed-recipients": ["people"], "recipient": ["warn_if_reject", "reject_unlisted_recipient"]}"#;
    assert_eq!(says(config, &to("eve@ours.example")), "next");
}

#[test]
fn bounces_to_many_and_plain_sessions() {
    let several = |sender| Facts { recipients: vec!["bob@ours.example".to_owned()], ..from(sender) };
    let reply = "550 5.5.3 <ann@ours.example>: Recipient address rejected: Multi-recipient bounce";
    assert_eq!(one("reject_multi_recipient_bounce", &several("")), reply);
    assert_eq!(one("reject_multi_recipient_bounce", &several("joe@sender.example")), "next");
    assert_eq!(one("reject_multi_recipient_bounce", &from("")), "next");
    assert_eq!(one("reject_plaintext_session", &rcpt()), "450 4.7.1 Session encryption is required");
    let mut encrypted = rcpt();
    encrypted.client.tls = Some("TLSv1.3 x".to_owned());
    assert_eq!(one("reject_plaintext_session", &encrypted), "next");
}
