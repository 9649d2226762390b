//! Rules of masquerade_domains, by the ids that name them where they are collected.

use mailweir_sdk::{Change, ReversePath, native};
use serde_json::{Value, json};

use super::*;

/// By JSON, as the relay gives it.
fn configure(config: &Value) -> Masquerade {
    let config = serde_json::from_value(config.clone()).expect("a configuration");
    Masquerade::configure(config).expect("a configuration that works")
}

fn filter(domains: &[&str], exceptions: &[&str]) -> Masquerade {
    configure(&json!({ "domains": domains, "exceptions": exceptions, "rewrite-clients": ["all"] }))
}

fn changes(filter: &Masquerade, message: native::MessageBuilder) -> Vec<Change> {
    let outcome = filter.filter(&message.build()).expect("it can't fail");
    outcome.edits.into_iter().map(|edit| edit.change).collect()
}

#[test]
fn hides_hosts_in_sender_and_header() {
    let message = Message::builder()
        .sender("joe@host7.example.com")
        .recipient("ann@host8.example.com")
        .field("From", "\"Johnny B. Goode\" <joe@host7.example.com>")
        .field("To", "ann@host8.example.com, bob@elsewhere.example")
        .field("Subject", "joe@host7.example.com")
        .field("Reply-To", "joe@example.com");
    // Rules trap 4, O6, O5: recipients of the envelope, Subject and Reply-To stay.
    let expected = [
        Change::SetSender(ReversePath::Address("joe@example.com".to_owned())),
        Change::ReplaceField(0, b" \"Johnny B. Goode\" <joe@example.com>".to_vec()),
        Change::ReplaceField(1, b" ann@example.com, bob@elsewhere.example".to_vec()),
    ];
    assert_eq!(changes(&filter(&["example.com"], &[]), message), expected);
}

#[test]
fn exceptions_are_compared_with_extension_and_without_case() {
    // Rule trap 32
    let filter = filter(&["corp.example"], &["root"]);
    assert_eq!(changes(&filter, Message::builder().sender("ROOT@h.corp.example")), []);
    let expected = [Change::SetSender(ReversePath::Address("root+x@corp.example".to_owned()))];
    assert_eq!(changes(&filter, Message::builder().sender("root+x@h.corp.example")), expected);
    // A source route is no part of the user.
    let routed = Message::builder()
        .field("From", "<@x.example:root@h.corp.example>")
        .field("To", "<@x.example:a@h.corp.example>");
    assert_eq!(changes(&filter, routed), [Change::ReplaceField(1, b" <a@corp.example>".to_vec())]);
}

#[test]
fn exceptions_are_a_list_in_order() {
    // Rules section 3, 5.5: `!` takes out, the first that fits counts, a table counts by its keys.
    native::table("machines", &[("cron", "anything")]);
    let config =
        json!({ "domains": ["corp.example"], "exceptions": ["!admin", "admin", "root", { "table": "machines" }] });
    let filter = configure(&config);
    let kept = |local: &str| changes(&filter, Message::builder().sender(&format!("{local}@h.corp.example"))).is_empty();
    assert!(kept("root") && kept("Cron") && !kept("admin") && !kept("joe"));
    // A table that can't be asked is no answer.
    let broken = configure(&json!({ "domains": ["corp.example"], "exceptions": [{ "table": "no such table" }] }));
    assert!(broken.filter(&Message::builder().sender("joe@h.corp.example").build()).is_err());
}

#[test]
fn header_fields_of_strangers_stay() {
    // Rules 0.3, trap 3
    let filter = configure(&json!({ "domains": ["corp.example"] }));
    let message = Message::builder().sender("joe@h.corp.example").field("From", "joe@h.corp.example");
    let (outcome, notes) = native::explained(|| filter.filter(&message.clone().build()).expect("it can't fail"));
    assert_eq!(outcome.edits.len(), 1);
    assert_eq!(notes, ["header fields stay: client 192.0.2.1 is none of `rewrite-clients` (trusted, authenticated)"]);
    assert_eq!(changes(&filter, message.client(|client| client.trusted = true)).len(), 2);
}

#[test]
fn the_null_sender_and_addresses_without_domain_stay() {
    let filter = filter(&["corp.example"], &[]);
    assert_eq!(changes(&filter, Message::builder().field("From", "joe").field("To", "<>")), []);
}

#[test]
fn mistakes_have_their_place() {
    let config = json!({ "domains": ["a.example", "*.b"], "exceptions": ["a@b"] });
    let config = serde_json::from_value(config).expect("of the right types");
    let paths: Vec<_> = Masquerade::configure(config).expect_err("mistakes").into_iter().map(|one| one.path).collect();
    assert_eq!(paths, ["domains[1]", "exceptions[0]"]);
}

#[test]
fn tells_why() {
    let filter = filter(&["!lab.example.com", "example.com"], &[]);
    let message = Message::builder()
        .sender("a@x.lab.example.com")
        .recipient("c@h.example.com")
        .field("From", "b@h.example.com")
        .build();
    let (outcome, notes) = native::explained(|| filter.filter(&message).expect("it can't fail"));
    let expected = [
        "sender a@x.lab.example.com: entry `lab.example.com` leaves it alone",
        // Rule trap 4
        "recipient 1 c@h.example.com: `classes` has no envelope-recipient",
    ];
    assert_eq!(notes, expected);
    assert_eq!(outcome.edits[0].reason.as_deref(), Some("b@h.example.com is below `example.com` of `domains`"));
}
