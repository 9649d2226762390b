//! Lists and moments: rule 6.3.

use super::*;

#[test]
fn the_first_result_ends_a_list_and_never_another() {
    // Rules 6.3, trap 17
    let config = r#"{"client": ["permit"], "sender": ["permit"], "recipient": ["reject"]}"#;
    assert_eq!(says(config, &rcpt()), "554 5.7.1 <ann@ours.example>: Recipient address rejected: Access denied");
    let config = r#"{"client": [{"check_client_access": "t"}]}"#;
    native::table("t", &[("192.0.2.1", "OK")]);
    assert_eq!(says(config, &to("x@elsewhere.example")), "554 5.7.1 <x@elsewhere.example>: Relay access denied");
}

#[test]
fn lists_run_in_postfix_order() {
    // Rule 6.3: client, helo, sender, relay, recipient
    let mut config = serde_json::json!({});
    let mut replies = Vec::new();
    for list in ["recipient", "relay", "sender", "helo", "client"] {
        config[list] = serde_json::json!(["reject"]);
        replies.push(says(&config.to_string(), &rcpt()));
    }
    let recipient = "554 5.7.1 <ann@ours.example>: Recipient address rejected: Access denied";
    let expected = [
        recipient,
        recipient,
        "554 5.7.1 <joe@sender.example>: Sender address rejected: Access denied",
        "554 5.7.1 <client.example>: Helo command rejected: Access denied",
        "554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied",
    ];
    assert_eq!(replies, expected);
}

#[test]
fn bare_words() {
    // Rule S10
    for (word, reply) in [
        ("permit", "next"),
        ("reject", "554 5.7.1 <ann@ours.example>: Recipient address rejected: Access denied"),
        ("defer", "450 4.3.2 <ann@ours.example>: Recipient address rejected: Try again later"),
        ("defer_if_permit", "450 4.7.0 <ann@ours.example>: Recipient address rejected: defer_if_permit requested"),
        ("defer_if_reject", "next"),
        ("PERMIT", "next"),
    ] {
        assert_eq!(says(&format!(r#"{{"recipient": ["{word}"]}}"#), &rcpt()), reply, "{word}");
    }
    let config = r#"{"recipient": ["defer_if_reject", "reject"]}"#;
    let reply = "450 4.7.0 <ann@ours.example>: Recipient address rejected: defer_if_reject requested";
    assert_eq!(says(config, &rcpt()), reply);
    // A deferral stays what it is.
    let config = r#"{"recipient": ["defer_if_reject", "defer"]}"#;
    assert!(says(config, &rcpt()).starts_with("450 4.3.2"));
}

#[test]
fn defer_if_permit_lasts_over_lists_and_defer_if_reject_does_not() {
    // Rule 6.2
    let config = r#"{"client": ["defer_if_permit"], "recipient": ["permit"]}"#;
    let reply = "450 4.7.0 <unknown[192.0.2.1]>: Client host rejected: defer_if_permit requested";
    assert_eq!(says(config, &rcpt()), reply);
    let config = r#"{"client": ["defer_if_reject"], "recipient": ["reject"]}"#;
    assert!(says(config, &rcpt()).starts_with("554"));
    // The first reason is told, and a rejection goes before it.
    let config = r#"{"client": ["defer_if_permit"], "helo": ["defer_if_permit"], "sender": ["reject"]}"#;
    assert!(says(config, &rcpt()).starts_with("554"));
    let config = r#"{"client": ["defer_if_permit"], "helo": ["defer_if_permit"]}"#;
    assert_eq!(says(config, &rcpt()), reply);
    // Rule 6.3: with both of them nothing further can change the answer.
    let config = r#"{"recipient": ["defer_if_reject", "defer_if_permit", "reject"]}"#;
    assert!(says(config, &rcpt()).ends_with("defer_if_permit requested"));
}

#[test]
fn relay_and_recipient_are_one_list_to_defer_if_reject() {
    // Rule 6.2
    let reply = "450 4.7.0 <ann@ours.example>: Recipient address rejected: defer_if_reject requested";
    let config = r#"{"relay": ["defer_if_reject", "reject_unauth_destination"], "recipient": ["reject"]}"#;
    assert_eq!(says(config, &rcpt()), reply);
    // So is what comes behind them.
    let config = r#"{"relay": ["defer_if_reject", "reject_unauth_destination"], "listed-recipients": ["t"]}"#;
    native::table("t", &[]);
    assert_eq!(says(config, &rcpt()), reply);
    let config = r#"{"sender": ["defer_if_reject"], "recipient": ["reject"]}"#;
    assert!(says(config, &rcpt()).starts_with("554"));
}

#[test]
fn warn_if_reject_holds_for_the_next_one() {
    // Rule 6.3
    let config = r#"{"recipient": ["warn_if_reject", "reject", "defer"]}"#;
    assert!(says(config, &rcpt()).starts_with("450 4.3.2"));
    let config = r#"{"recipient": ["warn_if_reject", "defer_if_permit"]}"#;
    assert_eq!(says(config, &rcpt()), "next");
    // With all that the next one calls, and nothing after it.
    let config = r#"{"recipient": ["warn_if_reject", "strict", "defer"], "classes": {"strict": ["reject"]}}"#;
    assert!(says(config, &rcpt()).starts_with("450 4.3.2"));
    let config = r#"{"recipient": ["inner", "reject"], "classes": {"inner": ["warn_if_reject", "reject"]}}"#;
    assert!(says(config, &rcpt()).starts_with("554"));
}

#[test]
fn data_and_the_end_of_data_have_their_own_words() {
    let config = r#"{"data": ["reject"], "end-of-data": ["defer"]}"#;
    let facts = |phase| Facts { phase, recipient: None, ..rcpt() };
    assert_eq!(says(config, &facts(Phase::Data)), "554 5.7.1 <DATA>: Data command rejected: Access denied");
    let reply = "450 4.3.2 <END-OF-MESSAGE>: End-of-data rejected: Try again later";
    assert_eq!(says(config, &facts(Phase::EndOfData)), reply);
    // A single recipient stands for the message, of several none does.
    let config = r#"{"data": [{"check_recipient_access": "t"}]}"#;
    native::table("t", &[("ann@ours.example", "REJECT")]);
    let to = |recipients: &[&str]| Facts {
        recipients: recipients.iter().map(|one| (*one).to_owned()).collect(),
        ..facts(Phase::Data)
    };
    assert!(says(config, &to(&["ann@ours.example"])).starts_with("554"));
    assert_eq!(says(config, &to(&["ann@ours.example", "bob@ours.example"])), "next");
}

/// The notes that a decision leaves, for the next one.
fn notes(filter: &Access, facts: &Facts) -> Vec<Note> {
    let note = |effect| if let Effect::Note(note) = effect { Some(note) } else { None };
    effects(filter, facts).into_iter().filter_map(note).collect()
}

#[test]
fn without_delay_each_list_has_its_moment() {
    // Rule 6.3: smtpd_delay_reject = no. The relay asks at connect, helo and mail, and the lists are not run again at RCPT.
    let config = r#"{"client": [{"check_client_access": "t"}], "helo": ["defer_if_permit"]}"#;
    native::table("t", &[("192.0.2.1", "REJECT")]);
    let connect = Facts { phase: Phase::Connect, sender: None, recipient: None, ..rcpt() };
    assert!(says(config, &connect).starts_with("554"));
    native::table("t", &[]);
    let mut known = notes(&filter(config), &connect);
    assert_eq!(known.len(), 1);
    native::table("t", &[("192.0.2.1", "REJECT")]);
    let at = |phase, notes: &[Note]| Facts { phase, notes: notes.to_vec(), ..rcpt() };
    let helo = at(Phase::Helo, &known);
    assert_eq!(says(config, &helo), "next");
    known.extend(notes(&filter(config), &helo));
    // DEFER_IF_PERMIT is kept for RCPT.
    let reply = "450 4.7.0 <client.example>: Helo command rejected: defer_if_permit requested";
    assert_eq!(says(config, &at(Phase::Rcpt, &known)), reply);
}

#[test]
fn what_is_deferred_is_not_thrown_away() {
    // Rule 6.2: DISCARD permits, and DEFER_IF_PERMIT comes in place of a permission, with delay-reject = false too.
    let config = r#"{"sender": ["defer_if_permit", {"check_sender_access": "t"}], "recipient": ["reject"]}"#;
    let reply = "450 4.7.0 <joe@sender.example>: Sender address rejected: defer_if_permit requested";
    native::table("t", &[("sender.example", "DISCARD")]);
    assert_eq!(says(config, &rcpt()), reply);
    let at = |phase, notes: Vec<Note>| Facts { phase, notes, ..rcpt() };
    let mail = at(Phase::Mail, vec![]);
    assert_eq!(says(config, &mail), "next");
    let known = notes(&filter(config), &mail);
    assert_eq!(says(config, &at(Phase::Rcpt, known)), reply);
    // A note has room for 1,024 octets, a reason may be longer.
    native::table("t", &[("sender.example", &format!("DISCARD {}", "\u{e9}".repeat(1_000)))]);
    assert!(notes(&filter(config), &mail).iter().all(|note| note.value.len() <= 1_024));
    // The next message of the session is another one.
    native::table("t", &[]);
    let known = notes(&filter(config), &mail);
    assert!(says(config, &at(Phase::Rcpt, known)).starts_with("554"));
}

#[test]
fn soft_bounce_makes_every_refusal_a_temporary_one() {
    let config = r#"{"recipient": ["reject"], "soft-bounce": true}"#;
    assert_eq!(says(config, &rcpt()), "454 4.7.1 <ann@ours.example>: Recipient address rejected: Access denied");
}

#[test]
fn the_way_to_the_answer_is_told() {
    let config = r#"{
        "client": ["permit_mynetworks"],
        "recipient": [{"check_sender_access": "none"}, {"check_recipient_access": "t"}],
        "classes": {"strict": ["reject_non_fqdn_sender", "reject"]}
    }"#;
    native::table("none", &[]);
    native::table("t", &[("ours.example", "strict")]);
    let (decision, told) = native::explained(|| filter(config).decide(&rcpt()).expect("a decision"));
    let expected = [
        "client[0] permit_mynetworks: no answer",
        "relay[0] permit_mynetworks: no answer",
        "relay[1] permit_sasl_authenticated: no answer",
        "relay[2] reject_unauth_destination: no answer",
        "recipient[0] check_sender_access none: no row for `joe@sender.example`, `sender.example`, `example`, `joe@`",
        "recipient[1] check_recipient_access t: `ours.example` is `strict`",
        "recipient[1] check_recipient_access t: `ours.example` is `strict` > value[0] strict > strict[0] \
         reject_non_fqdn_sender: no answer",
        "recipient[1] check_recipient_access t: `ours.example` is `strict` > value[0] strict > strict[1] reject: \
         554 5.7.1 <ann@ours.example>: Recipient address rejected: Access denied",
    ];
    assert_eq!(told, expected);
    assert_eq!(decision.reason.as_deref(), told.last().map(String::as_str));
}
