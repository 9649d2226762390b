//! Rules of generic(5), by the ids that name them where they are collected.

use mailweir_sdk::{Change, ReversePath, native};

use super::*;

fn filter(config: &str) -> Generic {
    let config = serde_json::from_str(config).expect("a configuration");
    Generic::configure(config).expect("a configuration that works")
}

fn changes(filter: &Generic, message: native::MessageBuilder) -> Vec<Change> {
    let outcome = filter.filter(&message.build()).expect("a result");
    outcome.edits.into_iter().map(|edit| edit.change).collect()
}

fn sender(config: &str, address: &str) -> String {
    match changes(&filter(config), Message::builder().sender(address)).as_slice() {
        [] => address.to_owned(),
        [Change::SetSender(ReversePath::Address(new))] => new.clone(),
        other => panic!("{other:?}"),
    }
}

const ONE: &str =
    r#"{"tables": ["one"], "recipient-delimiter": "+", "origin": "local", "local-domains": ["here.local"]}"#;

#[test]
fn senders_and_recipients_in_envelope_and_header_of_anybody() {
    // Rules O3, trap 11
    native::table("one", &[("her@local", "her@isp.example"), ("@local", "hostmaster@isp.example")]);
    let message = Message::builder()
        .sender("her@local")
        .recipient("him@local")
        .field("From", "Her B. Goode <her@local>")
        .field("Cc", "else@where.example")
        .field("X-From", "her@local");
    let expected = [
        Change::SetSender(ReversePath::Address("her@isp.example".to_owned())),
        Change::ReplaceRecipient(0, "hostmaster@isp.example".to_owned()),
        Change::ReplaceField(0, b" Her B. Goode <her@isp.example>".to_vec()),
    ];
    assert_eq!(changes(&filter(ONE), message), expected);
}

#[test]
fn one_lookup_and_no_more() {
    // Rules 2.4, trap 11
    native::table(
        "one",
        &[("a@local", "b@local"), ("b@local", "c@local"), ("x@local", "y@local"), ("y@local", "x@local")],
    );
    assert_eq!(sender(ONE, "a@local"), "b@local");
    assert_eq!(sender(ONE, "x@local"), "y@local");
}

#[test]
fn extensions_go_unless_they_are_wanted() {
    // Rules M1, M3, trap 9
    native::table("one", &[("her@local", "her@isp.example"), ("swap@local", "@isp.example"), ("@at", "@isp.example")]);
    assert_eq!(sender(ONE, "her+x@local"), "her@isp.example");
    assert_eq!(sender(ONE, "swap+x@local"), "swap@isp.example");
    assert_eq!(sender(ONE, "any+x@at"), "any+x@isp.example");
    let propagate = r#"{"tables": ["one"], "recipient-delimiter": "+", "propagate-extensions": true}"#;
    assert_eq!(sender(propagate, "her+x@local"), "her+x@isp.example");
}

#[test]
fn bare_users_of_local_domains_are_looked_up() {
    // Rules 2.1, L5, trap 8
    native::table("one", &[("joe", "joe@isp.example")]);
    for address in ["joe@local", "joe@here.local", "joe"] {
        assert_eq!(sender(ONE, address), "joe@isp.example", "{address}");
    }
    assert_eq!(sender(ONE, "joe@elsewhere.example"), "joe@elsewhere.example");
}

#[test]
fn addresses_are_looked_up_as_they_stand_and_results_completed() {
    // Rules M2, section 1
    native::table("one", &[("a@host.dom.example", "never"), ("b@host", "@isp"), ("c@host", "joe")]);
    let config = r#"{"tables": ["one"], "domain": "dom.example"}"#;
    assert_eq!(sender(config, "a@host"), "a@host");
    assert_eq!(sender(config, "b@host"), "b@isp.dom.example");
    let Failure(why) = filter(config).filter(&Message::builder().sender("c@host").build()).expect_err("no domain");
    assert!(why.contains("`joe` (key `c@host`) has no domain"), "{why}");
    // Rule 2.1: without a domain. Postfix makes `""@x` of the route.
    native::table("one", &[("ann", "ann@isp.example"), ("joe@local", "joe@isp.example")]);
    let message = Message::builder().field("From", "ann+y, <@x,@y:joe@local>");
    let expected = [Change::ReplaceField(0, b" ann@isp.example, <joe@isp.example>".to_vec())];
    assert_eq!(changes(&filter(ONE), message), expected);
}

#[test]
fn the_null_sender_stays_and_a_failing_table_fails() {
    // Rules O4, L3, trap 20
    native::table("one", &[("", "evil@isp.example")]);
    assert_eq!(changes(&filter(ONE), Message::builder().field("From", "<>")), []);
    let broken = filter(r#"{"tables": ["no such table"]}"#);
    assert!(broken.filter(&Message::builder().sender("a@b").build()).is_err());
}

#[test]
fn tells_which_row() {
    native::table("one", &[("a@local", "b@isp.example")]);
    let message = Message::builder().sender("a@local").recipient("z@isp.example").build();
    let (outcome, notes) = native::explained(|| filter(ONE).filter(&message).expect("a result"));
    let reason = outcome.edits[0].reason.as_deref();
    assert_eq!(reason, Some("a@local: table one: `a@local` is `b@isp.example`"));
    assert_eq!(notes, ["recipient 1 z@isp.example: no row in one for `z@isp.example`, `@isp.example`"]);
}
