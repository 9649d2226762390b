//! Where no rule matches, what goes in comes out: every octet, plus our Received field.

use std::{fs, path::Path};

use crate::{
    client::Client,
    relay::{Relay, wait_until},
    sink::Sink,
};

/// Both filters run, and neither has anything to do.
const IDLE_FILTERS: &str = r#"
[tables]
canonical = { type = "inline", rows = { "nobody@nowhere.invalid" = "somebody@nowhere.invalid" } }

[[message]]
plugin = "canonical"
config.both = ["canonical"]

[[message]]
plugin = "masquerade"
config.domains = ["nowhere.invalid"]
"#;

/// The corpus with CRLF line ends; messages that aren't mail even then (a bare CR inside) are left out.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus");
    let mut messages = Vec::new();
    for part in ["bounces", "mails"] {
        for entry in fs::read_dir(folder.join(part)).expect("the corpus is there") {
            let path = entry.expect("a file").path();
            let text = fs::read(&path).expect("a readable file");
            let message = with_crlf(&text);
            if !has_bare_cr(&message) {
                messages.push((path.display().to_string(), message));
            }
        }
    }
    messages.sort();
    messages
}

fn with_crlf(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 30);
    for line in text.split_inclusive(|octet| *octet == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn has_bare_cr(message: &[u8]) -> bool {
    message.iter().enumerate().any(|(at, octet)| *octet == b'\r' && message.get(at + 1) != Some(&b'\n'))
}

/// The message without its first field, which must be ours.
fn without_received(data: &[u8]) -> &[u8] {
    assert!(data.starts_with(b"Received: from "), "{}", String::from_utf8_lossy(data));
    let mut at = 0;
    loop {
        let end = at + data[at..].windows(2).position(|pair| pair == b"\r\n").expect("a line end") + 2;
        at = end;
        if !matches!(data.get(at), Some(b' ' | b'\t')) {
            return &data[at..];
        }
    }
}

#[test]
fn real_messages_pass_unchanged() {
    let messages = corpus();
    assert!(messages.len() >= 100, "only {} messages in the corpus", messages.len());
    let sink = Sink::start();
    let relay = Relay::start_with_head("missing-fields = \"never\"\n", IDLE_FILTERS, sink.address());
    let mut client = Client::connect(relay.address()).expect("a session");
    for (number, (name, message)) in messages.iter().enumerate() {
        let recipient = format!("to-{number}@example.net");
        let reply = client.send("from@example.org", &[&recipient], message).expect("a reply");
        assert!(reply.starts_with("250 2.0.0"), "{name}: {reply}");
    }
    wait_until("all are delivered", || sink.count() >= messages.len());
    for delivered in sink.delivered() {
        let recipient = delivered.recipients.first().expect("a recipient");
        let number = recipient.strip_prefix("to-").and_then(|rest| rest.split('@').next()).expect("a number");
        let (name, message) = &messages[number.parse::<usize>().expect("a number")];
        assert_eq!(delivered.sender, "from@example.org", "{name}");
        assert!(without_received(&delivered.data) == message.as_slice(), "{name} came out changed");
    }
}
