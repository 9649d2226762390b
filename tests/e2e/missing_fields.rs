//! Message-ID, Date and From of messages that come without: whose get them, and that filters see them.

use crate::{
    client::Client,
    relay::{Relay, wait_until},
    sink::Sink,
};

const STRANGERS: &str = "[networks]\ntrusted = [\"192.0.2.0/24\"]\n[relay]\ndomains = [\"example.net\"]\n";
const CANONICAL: &str = "[tables]\npeople = { type = \"inline\", rows = { \"a@example.org\" = \"ann@example.org\" } }\n\
    [[message]]\nplugin = \"canonical\"\nconfig.both = [\"people\"]\n";

/// The names of the fields below ours, as they arrive.
fn fields(head: &str, config: &str, message: &str) -> (Vec<String>, String) {
    let sink = Sink::start();
    let relay = Relay::start_with_head(head, config, sink.address());
    let mut client = Client::connect(relay.address()).expect("a session");
    let reply = client.send("a@example.org", &["b@example.net"], message.as_bytes()).expect("a reply");
    assert!(reply.starts_with("250"), "{reply}");
    wait_until("it is delivered", || sink.count() == 1);
    let data = String::from_utf8_lossy(&sink.delivered()[0].data).into_owned();
    let header = data.lines().take_while(|line| !line.is_empty());
    let names = header.filter(|line| !line.starts_with(['\t', ' '])).skip(1);
    (names.map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect(), data)
}

#[test]
fn fields_are_added_for_whom_the_setting_says() {
    let (bare, all) = ("Subject: x\r\n\r\n", ["Subject", "Message-ID", "Date", "From"]);
    assert_eq!(fields("", "", bare).0, all);
    assert_eq!(fields("", STRANGERS, bare).0, ["Subject"]);
    assert_eq!(fields("missing-fields = \"always\"\n", STRANGERS, bare).0, all);
    assert_eq!(fields("missing-fields = \"never\"\n", "", bare).0, ["Subject"]);
}

#[test]
fn filters_see_the_fields_that_were_added() {
    let (_, data) = fields("", CANONICAL, "Subject: x\r\n\r\n");
    assert!(data.contains("\r\nFrom: ann@example.org\r\n"), "{data}");
}
