//! Rules of canonical(5), by the ids that name them where they are collected.

use mailweir_sdk::{Change, ReversePath, native};

use super::*;

/// A configuration by JSON, as the relay gives it.
fn filter(config: &str) -> Canonical {
    let config = serde_json::from_str(config).expect("a configuration");
    Canonical::configure(config).expect("a configuration that works")
}

fn sender(filter: &Canonical, address: &str) -> Result<String, Failure> {
    let outcome = filter.filter(&Message::builder().sender(address).build())?;
    Ok(match outcome.edits.into_iter().next().map(|edit| edit.change) {
        Some(Change::SetSender(ReversePath::Address(new))) => new,
        None => address.to_owned(),
        Some(other) => panic!("{other:?}"),
    })
}

fn check(config: &str, pairs: &[(&str, &str)]) {
    let filter = filter(config);
    for (address, expected) in pairs {
        assert_eq!(sender(&filter, address).expect("a result"), *expected, "{address}");
    }
}

const BOTH: &str = r#"{"both": ["one", "two"], "recipient-delimiter": "+", "origin": "origin.example"}"#;

#[test]
fn keys_come_before_tables() {
    // Rules L1, trap 6: `@dom` in the first table loses to `user@dom` in the second.
    native::table("one", &[("@dom.example", "@first.example")]);
    native::table("two", &[("user@dom.example", "found@second.example")]);
    check(BOTH, &[("user@dom.example", "found@second.example"), ("other@dom.example", "other@first.example")]);
}

#[test]
fn keys_are_tried_in_postfix_order() {
    // Rules 2.1, L5, trap 8: `user` only for local domains, and the origin is one.
    native::table("two", &[]);
    let rows = [
        ("u+x@d.example", "full@r.example"),
        ("u@d.example", "bare@r.example"),
        ("u+y", "local-full@r.example"),
        ("u", "local-bare@r.example"),
        ("@d.example", "any@r.example"),
    ];
    native::table("one", &rows);
    check(
        BOTH,
        &[
            ("u+x@d.example", "full@r.example"),
            ("u+z@d.example", "bare+z@r.example"),
            ("v@d.example", "any@r.example"),
            ("u+y@origin.example", "local-full@r.example"),
            ("u+q@origin.example", "local-bare+q@r.example"),
            ("u", "local-bare@r.example"),
            ("u@elsewhere.example", "u@elsewhere.example"),
        ],
    );
}

#[test]
fn extensions_are_propagated() {
    // Rules M1, M3, trap 9
    native::table("two", &[]);
    let rows = [("ext@dom.example", "extension@other.example"), ("swap@dom.example", "@isp.example"), ("@at", "@isp")];
    native::table("one", &rows);
    check(
        BOTH,
        &[
            ("ext+tag@dom.example", "extension+tag@other.example"),
            ("swap+tag@dom.example", "swap+tag@isp.example"),
            ("x+e@at", "x+e@isp"),
        ],
    );
    let without = r#"{"both": ["one"], "recipient-delimiter": "+", "propagate-extensions": false}"#;
    check(without, &[("ext+tag@dom.example", "extension@other.example"), ("swap+tag@dom.example", "swap@isp.example")]);
}

#[test]
fn results_are_looked_up_again_and_circles_fail() {
    // Rules 2.4, trap 10: Postfix would deliver to where it happens to stop.
    native::table("two", &[]);
    let rows = [
        ("a@d.example", "b@d.example"),
        ("b@d.example", "c@d.example"),
        ("self@d.example", "SELF@d.example"),
        ("loop1@d.example", "loop2@d.example"),
        ("loop2@d.example", "loop3@d.example"),
        ("loop3@d.example", "loop1@d.example"),
    ];
    native::table("one", &rows);
    check(BOTH, &[("a@d.example", "c@d.example"), ("self@d.example", "SELF@d.example")]);
    let Failure(why) = sender(&filter(BOTH), "loop1@d.example").expect_err("a circle");
    assert!(why.contains("circle: loop1@d.example -> loop2@d.example"), "{why}");
}

#[test]
fn results_are_read_as_addresses() {
    // Rules M2, M4, trap 12, M5, 2.5: results keep their case.
    native::table("two", &[]);
    let rows = [
        ("many@d.example", "First@R.example, second@r.example"),
        ("short@d.example", "joe"),
        ("named@d.example", "Joe Doe <joe@r.example>"),
        ("none@d.example", "()"),
        ("null@d.example", "<>"),
        ("\"a b\"@d.example", "ab@r.example"),
        ("\"a..b\"@d.example", "x..y@r.example"),
        ("host@d.example", "@host"),
        ("route@d.example", "@x.example:joe@r.example"),
    ];
    native::table("one", &rows);
    check(
        BOTH,
        &[
            ("many@d.example", "First@R.example"),
            ("MANY@D.example", "First@R.example"),
            ("short@d.example", "joe@origin.example"),
            ("named@d.example", "joe@r.example"),
            ("\"a b\"@d.example", "ab@r.example"),
            // Rules L6, H7: keys and results have the quotes that they need, and no others.
            ("a..b@d.example", "\"x..y\"@r.example"),
            ("\"many\"@d.example", "First@R.example"),
            ("host@d.example", "host@host"),
            ("route@d.example", "joe@r.example"),
        ],
    );
    // Rule S6: Postfix takes `<>` for the null sender.
    for address in ["none@d.example", "null@d.example"] {
        let Failure(why) = sender(&filter(BOTH), address).expect_err("no address");
        assert!(why.contains("is no address"), "{why}");
    }
}

#[test]
fn a_failing_table_fails_the_message() {
    // Rules L3, trap 20: never "not found".
    let filter = filter(r#"{"both": ["there-is-no-such-table"]}"#);
    assert!(sender(&filter, "a@b.example").is_err());
}

#[test]
fn specific_maps_come_first_and_only_in_their_places() {
    // Rules O1, 0.1, 0.2, trap 13: Reply-To is a sender's, Resent-Reply-To a recipient's.
    native::table("s", &[("a@d.example", "s@d.example")]);
    native::table("r", &[("a@d.example", "r@d.example")]);
    native::table("b", &[("s@d.example", "sb@d.example"), ("r@d.example", "rb@d.example")]);
    let filter = filter(r#"{"sender": ["s"], "recipient": ["r"], "both": ["b"]}"#);
    let message = Message::builder()
        .client(|client| client.trusted = true)
        .sender("a@d.example")
        .recipient("a@d.example")
        .field("Reply-To", "a@d.example")
        .field("Resent-Reply-To", "a@d.example")
        .field("X-Other", "a@d.example")
        .field("reply-to", "A B. C <a@d.example>")
        .build();
    let changes: Vec<_> =
        filter.filter(&message).expect("a result").edits.into_iter().map(|edit| edit.change).collect();
    let expected = [
        Change::SetSender(ReversePath::Address("sb@d.example".to_owned())),
        Change::ReplaceRecipient(0, "rb@d.example".to_owned()),
        Change::ReplaceField(0, b" sb@d.example".to_vec()),
        Change::ReplaceField(1, b" rb@d.example".to_vec()),
        Change::ReplaceField(3, b" A B. C <sb@d.example>".to_vec()),
    ];
    assert_eq!(changes, expected);
}

#[test]
fn the_null_sender_stays_null() {
    // Rules O4, S1
    native::table("one", &[("", "evil@d.example")]);
    native::table("two", &[]);
    let outcome = filter(BOTH).filter(&Message::builder().field("From", "<>").build()).expect("a result");
    assert_eq!(outcome.edits, []);
}

#[test]
fn tells_which_row() {
    native::table("one", &[("a@d.example", "b@d.example"), ("b@d.example", "c@d.example")]);
    native::table("two", &[]);
    let message = Message::builder()
        .client(|client| client.trusted = true)
        .sender("a@d.example")
        .recipient("z@d.example")
        .build();
    let (outcome, notes) = native::explained(|| filter(BOTH).filter(&message).expect("a result"));
    let reason =
        "a@d.example: table one: `a@d.example` is `b@d.example`, then table one: `b@d.example` is `c@d.example`";
    assert_eq!(outcome.edits[0].reason.as_deref(), Some(reason));
    assert_eq!(notes, ["recipient 1 z@d.example: no row in one, two for `z@d.example`, `@d.example`"]);
    // Rows that lead back, or say the same; and places that no table is for.
    let config = r#"{"sender": ["one"], "both": ["two"], "both-classes": ["envelope-sender", "header-recipient"]}"#;
    native::table("one", &[("a@d.example", "b@d.example")]);
    native::table("two", &[("b@d.example", "a@d.example"), ("z@d.example", "z@d.example")]);
    let message = Message::builder()
        .client(|client| client.trusted = true)
        .sender("a@d.example")
        .recipient("z@d.example")
        .field("Cc", "z@d.example")
        .build();
    let (_, notes) = native::explained(|| filter(config).filter(&message).expect("a result"));
    let expected = [
        "sender a@d.example: table one: `a@d.example` is `b@d.example`, then table two: `b@d.example` is `a@d.example`",
        "recipient 1 z@d.example: no table is for envelope-recipient",
        "Cc z@d.example: table two: `z@d.example` is `z@d.example`",
    ];
    assert_eq!(notes, expected);
}

#[test]
fn addresses_are_completed_for_the_lookup_and_where_wanted_in_the_message() {
    // Rules section 1, 2.3, M2
    native::table(
        "one",
        &[
            ("joe@host.dom.example", "found"),
            ("swap@host.dom.example", "@isp"),
            ("user@site.dom.example", "bang@r.example"),
        ],
    );
    let keys = r#""both": ["one"], "origin": "origin.example", "domain": "dom.example""#;
    let looked_up = format!("{{{keys}}}");
    let pairs = [
        ("swap@host", "swap@isp.dom.example"),
        ("joe@host", "found@origin.example"),
        ("site!user", "bang@r.example"),
        ("ann@host", "ann@host"),
    ];
    check(&looked_up, &pairs);
    check(
        &format!("{{{keys}, \"complete\": true}}"),
        &[("ann@host", "ann@host.dom.example"), ("joe", "joe@origin.example")],
    );
    check(&format!("{{{keys}, \"swap-bangpath\": false}}"), &[("site!user", "site!user")]);
    check(r#"{"complete": true, "origin": "o.example"}"#, &[("x%y", "x@y"), ("a@b.c.", "a@b.c"), ("\"a\"@b", "a@b")]);
    // Rules H5, section 1: a field keeps quotes that nobody needs, unless its address is completed.
    let filter = filter(r#"{"complete": true, "origin": "o.example", "rewrite-clients": ["all"]}"#);
    let message = Message::builder().field("From", "\"a\"@b.c").field("To", "\"a\"@b.c., <@x,@y:a@b.c>").build();
    let edits = filter.filter(&message).expect("a result").edits;
    let changes: Vec<_> = edits.into_iter().map(|edit| edit.change).collect();
    assert_eq!(changes, [Change::ReplaceField(1, b" a@b.c, <a@b.c>".to_vec())]);
}

#[test]
fn header_fields_of_strangers_stay() {
    // Rules 0.3, trap 3
    native::table("one", &[("a@d.example", "b@d.example")]);
    let message = Message::builder().sender("a@d.example").field("From", "a@d.example");
    let edits = |config: &str| filter(config).filter(&message.clone().build()).expect("a result").edits.len();
    assert_eq!(edits(r#"{"both": ["one"]}"#), 1);
    assert_eq!(edits(r#"{"both": ["one"], "rewrite-clients": ["192.0.2.0/28"]}"#), 2);
}
