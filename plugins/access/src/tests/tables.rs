//! Lookups and actions: rules 6.1 and 6.2.

use super::*;

const CLIENT: &str = r#"{"client": [{"check_client_access": "t"}]}"#;
const HELO: &str = r#"{"helo": [{"check_helo_access": "t"}]}"#;
const SENDER: &str = r#"{"sender": [{"check_sender_access": "t"}], "recipient-delimiter": "+"}"#;
const RECIPIENT: &str = r#"{"recipient": [{"check_recipient_access": "t"}], "recipient-delimiter": "+"}"#;

#[test]
fn the_most_specific_address_of_a_client_wins() {
    // Rule 6.1
    native::table("t", &[("192.0.2.1", "OK"), ("192.0.2", "REJECT")]);
    assert_eq!(says(CLIENT, &rcpt()), "next");
    native::table("t", &[("192.0.2", "REJECT"), ("192", "OK")]);
    assert_eq!(says(CLIENT, &rcpt()), "554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied");
}

#[test]
fn a_domain_of_a_client_hides_its_address() {
    // Rule 6.1
    native::table("t", &[("example", "550 by domain"), ("192.0.2.1", "OK")]);
    let mut facts = rcpt();
    facts.client.name = Some("mail.client.example".to_owned());
    let reply = "550 5.7.1 <mail.client.example[192.0.2.1]>: Client host rejected: by domain";
    assert_eq!(says(CLIENT, &facts), reply);
    native::table("t", &[("unknown", "450 no name")]);
    assert_eq!(says(CLIENT, &rcpt()), "450 4.7.1 <unknown[192.0.2.1]>: Client host rejected: no name");
}

#[test]
fn helo_is_walked_by_domains() {
    native::table("t", &[("example", "REJECT")]);
    assert_eq!(says(HELO, &rcpt()), "554 5.7.1 <client.example>: Helo command rejected: Access denied");
    let mut facts = rcpt();
    facts.client.helo = Some("192.0.2.1".to_owned());
    native::table("t", &[("1", "REJECT")]);
    assert_eq!(says(HELO, &facts), "next");
}

#[test]
fn a_domain_beats_a_local_part() {
    // Rule trap 16
    native::table("t", &[("joe@", "OK"), ("sender.example", "REJECT")]);
    assert_eq!(says(SENDER, &rcpt()), "554 5.7.1 <joe@sender.example>: Sender address rejected: Access denied");
    native::table("t", &[("joe@", "REJECT by name"), (".example", "OK")]);
    assert_eq!(says(SENDER, &rcpt()), "554 5.7.1 <joe@sender.example>: Sender address rejected: by name");
    // The key without extension also.
    assert_eq!(says(SENDER, &from("joe+x@z.example")), "554 5.7.1 <joe+x@z.example>: Sender address rejected: by name");
}

#[test]
fn the_null_sender_has_one_key() {
    // Rule 6.1
    native::table("t", &[("<>", "550 5.7.2 no bounces"), ("", "OK")]);
    assert_eq!(says(SENDER, &from("")), "550 5.7.2 <>: Sender address rejected: no bounces");
    native::table("t", &[("@", "REJECT")]);
    assert_eq!(says(SENDER, &from("")), "next");
}

#[test]
fn quoted_addresses_are_found_with_and_without_quotes() {
    // Rule L6: replies show them without.
    native::table("t", &[("a b@sender.example", "REJECT")]);
    let reply = "554 5.7.1 <a b@sender.example>: Sender address rejected: Access denied";
    assert_eq!(says(SENDER, &from("\"a b\"@sender.example")), reply);
    native::table("t", &[("\"a b\"@sender.example", "REJECT")]);
    assert_eq!(says(SENDER, &from("\"a b\"@sender.example")), reply);
}

#[test]
fn dunno_ends_the_table_and_not_the_list() {
    // Rule 6.1
    native::table("t", &[("ann@ours.example", "DUNNO"), ("ours.example", "REJECT")]);
    assert_eq!(says(RECIPIENT, &rcpt()), "next");
    let config = r#"{"recipient": [{"check_recipient_access": "t"}, "reject"]}"#;
    assert_eq!(says(config, &rcpt()), "554 5.7.1 <ann@ours.example>: Recipient address rejected: Access denied");
}

#[test]
fn bare_digits_permit_and_other_numbers_are_mistakes() {
    // Rules trap 1, S7
    let config = r#"{"recipient": [{"check_recipient_access": "t"}, "reject"]}"#;
    native::table("t", &[("ours.example", "550")]);
    assert_eq!(says(config, &rcpt()), "next");
    for value in ["399 x", "600 x", "250 x", "55 x", "5500 x"] {
        native::table("t", &[("ours.example", value)]);
        assert_eq!(says(config, &rcpt()), "451 4.3.5 Server configuration error", "{value}");
    }
}

#[test]
fn a_failing_table_defers() {
    // Rule trap 20
    let config = r#"{"recipient": ["warn_if_reject", {"check_recipient_access": "there is none"}]}"#;
    let reply = "451 4.3.5 <ann@ours.example>: Recipient address rejected: Server configuration error";
    assert_eq!(says(config, &rcpt()), reply);
    let config = r#"{"listed-recipients": ["there is none"]}"#;
    assert_eq!(says(config, &rcpt()), "451 4.3.0 <ann@ours.example>: Temporary lookup failure");
}

#[test]
fn values_name_restrictions_and_classes_but_no_tables() {
    // Rules 6.2, trap 19
    let config = r#"{
        "recipient": [{"check_recipient_access": "t"}],
        "classes": {"strict": ["reject_non_fqdn_sender", "reject"], "kind": ["permit"]}
    }"#;
    for (value, reply) in [
        ("strict", "554 5.7.1 <ann@ours.example>: Recipient address rejected: Access denied"),
        ("kind, reject", "next"),
        ("warn_if_reject reject, defer", "450 4.3.2 <ann@ours.example>: Recipient address rejected: Try again later"),
        ("permit_mynetworks", "next"),
        ("rejct", "451 4.3.5 Server configuration error"),
        ("permit_mynetworks, rejct", "451 4.3.5 Server configuration error"),
        ("permit rejct", "next"),
        ("check_sender_access hash:x", "451 4.3.5 Server configuration error"),
        ("hash:x", "451 4.3.5 Server configuration error"),
        ("FILTER smtp:x", "451 4.3.5 Server configuration error"),
    ] {
        native::table("t", &[("ours.example", value)]);
        assert_eq!(says(config, &rcpt()), reply, "{value}");
    }
}

#[test]
fn discard_hold_and_redirect_hit_the_whole_message() {
    // Rule trap 18: DISCARD permits and stops everything after it.
    let config = r#"{
        "client": [{"check_client_access": "t"}], "sender": ["reject"], "listed-recipients": ["none"]
    }"#;
    native::table("none", &[]);
    native::table("t", &[("192.0.2.1", "DISCARD spam")]);
    assert_eq!(says(config, &to("x@elsewhere.example")), "discard <unknown[192.0.2.1]>: Client host spam");
    native::table("t", &[("192.0.2.1", "HOLD")]);
    assert_eq!(says(CLIENT, &rcpt()), "hold <unknown[192.0.2.1]>: Client host triggers HOLD action");
    assert!(says(config, &rcpt()).starts_with("554"), "a hold permits nothing");
    native::table("t", &[("192.0.2.1", "REDIRECT spam@ours.example")]);
    assert_eq!(effects(&filter(CLIENT), &rcpt()), [Effect::Redirect("spam@ours.example".to_owned())]);
}

#[test]
fn effects_come_in_order() {
    // Rule 6.2: BCC accumulates, PREPEND keeps its order.
    let config =
        r#"{"client": [{"check_client_access": "t"}, {"check_helo_access": "u"}, {"check_client_access": "v"}]}"#;
    native::table("t", &[("192.0.2.1", "BCC log@ours.example")]);
    native::table("u", &[("client.example", "PREPEND X-Seen: here")]);
    native::table("v", &[("192.0.2.1", "BCC \"q q\"@ours.example")]);
    let field = mailweir_sdk::NewField { name: "X-Seen".to_owned(), value: b" here".to_vec() };
    let expected = [
        Effect::AddRecipient("log@ours.example".to_owned()),
        Effect::PrependField(field),
        // Rule S11: as it is written, not quoted once more.
        Effect::AddRecipient("\"q q\"@ours.example".to_owned()),
    ];
    assert_eq!(effects(&filter(config), &rcpt()), expected);
    native::table("t", &[("192.0.2.1", "BCC nobody")]);
    native::table("u", &[("client.example", "PREPEND nothing")]);
    assert_eq!(effects(&filter(config), &rcpt()).len(), 1);
}

#[test]
fn prepend_comes_too_late_at_the_end_of_data() {
    let config = r#"{"end-of-data": [{"check_client_access": "t"}]}"#;
    native::table("t", &[("192.0.2.1", "PREPEND X-A: b")]);
    let facts = Facts { phase: Phase::EndOfData, recipient: None, ..rcpt() };
    assert_eq!(effects(&filter(config), &facts), []);
}

#[test]
fn before_mail_nothing_can_happen_to_a_message() {
    // Rule 6.2: HOLD and its like in client and helo lists with delay-reject = false
    native::table("t", &[("192.0.2.1", "HOLD")]);
    let facts = Facts { phase: Phase::Connect, sender: None, recipient: None, ..rcpt() };
    assert_eq!(says(CLIENT, &facts), "next");
}
