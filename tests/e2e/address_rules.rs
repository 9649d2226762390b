//! Rules about addresses that only a whole relay shows: what bodies keep, what recipients become, what tables of patterns see.

use std::fs;

use crate::{
    client::Client,
    relay::{Relay, wait_until},
    sink::{Delivered, Sink},
};

/// Patterns that would match parts of addresses, if they saw any; and one without a value.
const PATTERNS: &str = "/^joe$/ wrong@isp.example\n/^@/ wrong@isp.example\n/^void@/\n";

const CONFIG: &str = r#"
networks.trusted = ["127.0.0.1"]
[tables]
people = { type = "inline", rows = { "ann@inner.example" = "one@inner.example", "bob@inner.example" = "one@inner.example" } }
patterns = { type = "regexp", path = "patterns" }
outer = { type = "inline", rows = { "one@inner.example" = "one@outer.example", "eve@h.inner.example" = "eve@outer.example" } }
[[message]]
plugin = "canonical"
config = { both = ["people", "patterns"], origin = "inner.example" }
when = { sender = "^[^e]" }
[[message]]
plugin = "masquerade"
config = { domains = ["inner.example"] }
when = { sender = "^[^e]" }
[[delivery]]
plugin = "generic"
config = { tables = ["outer"] }
"#;

fn start(sink: &Sink) -> Relay {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("patterns"), PATTERNS).expect("written");
    let text = format!(
        "hostname = \"relay.example.com\"\nstate-dir = \"state\"\nlisten.smtp.addresses = [\"127.0.0.1:0\"]\n{CONFIG}\
         [[route]]\ndomains = [\"*\"]\nnext-hop = \"smtp://{}\"\n",
        sink.address()
    );
    Relay::with_config(folder, &text)
}

/// What the next hop gets of a message that the client sends with these commands.
fn arrives(relay: &Relay, sink: &Sink, commands: &[&str], message: &str) -> Delivered {
    let before = sink.count();
    let mut client = Client::connect(relay.address()).expect("a session");
    client.all_accepted(commands);
    client.all_accepted(&["DATA"]);
    let reply = client.command(&format!("{message}.")).expect("a reply");
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    wait_until("it is delivered", || sink.count() > before);
    sink.delivered().pop().expect("a message")
}

#[test]
fn bodies_parts_and_other_fields_stay() {
    // Rules O6, O5, trap 14
    let sink = Sink::start();
    let relay = start(&sink);
    let rest = "X-From: ann@inner.example\r\nTo:  ann@elsewhere.example ,\r\n\t(ann@inner.example) b@elsewhere.example\r\n\
                Content-Type: multipart/mixed; boundary=b\r\n\r\nann@inner.example\r\n--b\r\nContent-Type: message/rfc822\r\n\
                From: part@h.inner.example\r\n\r\nFrom: ann@inner.example\r\nTo: x@h.inner.example\r\n\r\ntext\r\n--b--\r\n";
    let complete = "Message-ID: <1@example.org>\r\nDate: Tue, 24 Nov 2026 12:00:00 +0000\r\n";
    let message = format!("{complete}From: ann@inner.example\r\n{rest}");
    let arrived = arrives(&relay, &sink, &["MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>"], &message);
    let data = String::from_utf8(arrived.data).expect("UTF-8");
    assert!(data.ends_with(&format!("\r\nFrom: one@outer.example\r\n{rest}")), "{data}");
}

#[test]
fn recipients_keep_what_the_client_said_of_them() {
    // Rules 2.6, trap 25: two become one, and both are delivered.
    let sink = Sink::start();
    let relay = start(&sink);
    let commands = [
        "MAIL FROM:<a@example.org>",
        "RCPT TO:<ann@inner.example> ORCPT=rfc822;ann+2Bx@first.example",
        "RCPT TO:<bob@inner.example> NOTIFY=NEVER",
    ];
    let arrived = arrives(&relay, &sink, &commands, "Subject: x\r\n\r\n");
    assert_eq!(arrived.recipients, ["one@outer.example", "one@outer.example"]);
    let said = arrived.commands.join("\n");
    assert!(said.contains("RCPT TO:<one@outer.example> ORCPT=rfc822;ann+2Bx@first.example"), "{said}");
    assert!(said.contains("NOTIFY=NEVER") && said.contains("ORCPT=rfc822;bob@inner.example"), "{said}");
    // Rule S5: one that is named twice is one, in whatever case.
    let commands =
        ["MAIL FROM:<a@example.org>", "RCPT TO:<c@example.org>", "RCPT TO:<C@Example.ORG>", "RCPT TO:<c@example.org>"];
    let arrived = arrives(&relay, &sink, &commands, "Subject: x\r\n\r\n");
    assert_eq!(arrived.recipients, ["c@example.org"]);
}

#[test]
fn canonical_and_masquerade_can_be_left_out_and_generic_stays() {
    // Rules O2, O3
    let sink = Sink::start();
    let relay = start(&sink);
    let commands = ["MAIL FROM:<eve@h.inner.example>", "RCPT TO:<ann@inner.example>"];
    let arrived = arrives(&relay, &sink, &commands, "From: eve@h.inner.example\r\nTo: x@h.inner.example\r\n");
    assert_eq!(
        (arrived.sender.as_str(), arrived.recipients),
        ("eve@outer.example", vec!["ann@inner.example".to_owned()])
    );
    let data = String::from_utf8(arrived.data).expect("UTF-8");
    assert!(data.contains("\r\nFrom: eve@outer.example\r\nTo: x@h.inner.example\r\n"), "{data}");
}

#[test]
fn patterns_see_whole_addresses_and_their_values_are_not_empty() {
    // Rules L2, trap 7
    let sink = Sink::start();
    let relay = start(&sink);
    let commands = ["MAIL FROM:<joe@inner.example>", "RCPT TO:<b@example.org>"];
    assert_eq!(arrives(&relay, &sink, &commands, "Subject: x\r\n\r\n").sender, "joe@inner.example");
    // Rules L3, trap 31
    let mut client = Client::connect(relay.address()).expect("a session");
    let reply = client.send("void@inner.example", &["b@example.org"], b"Subject: x\r\n\r\n").expect("a reply");
    assert_eq!(reply, "451 4.3.0 Filter canonical failed, try again later");
    wait_until("the log says why", || relay.log().contains("the value of `void@inner.example` is empty"));
}
