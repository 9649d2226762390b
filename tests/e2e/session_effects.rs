//! What session stages do to whole messages, on the wire: more recipients, other ones, fields on top, held, forgotten; and only to those
//! that they decided about.

use crate::{
    client::Client,
    relay::{Relay, wait_until},
    sink::{Delivered, Sink},
};

const LISTS: &str = r#"
[tables]
senders = { type = "inline", rows = { "boss@example.org" = "BCC archive@example.net", "list@example.org" = "PREPEND X-List: yes" } }
recipients = { type = "inline", rows = { "moved@example.net" = "REDIRECT new@example.net", "marked@example.net" = "PREPEND X-Marked: yes", "held@example.net" = "HOLD", "trash@example.net" = "DISCARD" } }
[[session]]
plugin = "access"
config.sender = [{ check_sender_access = "senders" }]
config.recipient = [{ check_recipient_access = "recipients" }]
"#;

/// What arrives of one message.
fn through(client: &mut Client, sink: &Sink, sender: &str, recipients: &[&str]) -> Delivered {
    let before = sink.count();
    let reply = client.send(sender, recipients, b"Subject: x\r\n\r\n").expect("a reply");
    assert!(reply.starts_with("250"), "{reply}");
    wait_until("it is delivered", || sink.count() > before);
    sink.delivered().remove(before)
}

/// The fields above ours, and our own one.
fn first_fields(message: &Delivered) -> Vec<String> {
    let text = String::from_utf8_lossy(&message.data).into_owned();
    let names = text.lines().filter(|line| !line.starts_with(['\t', ' ']));
    let names = names.map(|line| line.split(':').next().unwrap_or_default().to_owned());
    let ours = names.clone().position(|name| name == "Received").expect("our field");
    names.take(ours + 1).collect()
}

fn effects_of_a_session(head: &str) {
    let sink = Sink::start();
    let relay = Relay::start_with_head(head, LISTS, sink.address());
    let mut client = Client::connect(relay.address()).expect("a session");
    let copied = through(&mut client, &sink, "boss@example.org", &["a@example.net"]);
    assert_eq!(copied.recipients, ["a@example.net", "archive@example.net"]);
    let moved = through(&mut client, &sink, "a@example.org", &["a@example.net", "moved@example.net", "b@example.net"]);
    assert_eq!(moved.recipients, ["new@example.net"]);
    let marked = through(&mut client, &sink, "list@example.org", &["marked@example.net"]);
    assert_eq!(first_fields(&marked), ["X-List", "X-Marked", "Received"]);
    // A transaction that was given up leaves nothing behind.
    client.all_accepted(&["MAIL FROM:<boss@example.org>", "RCPT TO:<marked@example.net>", "RSET"]);
    let plain = through(&mut client, &sink, "a@example.org", &["a@example.net"]);
    assert_eq!(
        (first_fields(&plain), plain.recipients),
        (vec!["Received".to_owned()], vec!["a@example.net".to_owned()])
    );
    for recipient in ["held@example.net", "trash@example.net"] {
        let reply =
            client.send("a@example.org", &["a@example.net", recipient], b"Subject: x\r\n\r\n").expect("a reply");
        assert!(reply.starts_with("250"), "{reply}");
    }
    through(&mut client, &sink, "a@example.org", &["last@example.net"]);
    assert_eq!(sink.count(), 5, "what is held or forgotten is not delivered");
    let held = relay.command(&["queue", "list", "--state", "held", "--json"]).stdout;
    assert_eq!(String::from_utf8_lossy(&held).lines().count(), 1, "one message");
}

#[test]
fn effects_reach_the_message_that_they_are_for() {
    effects_of_a_session("");
}

#[test]
fn effects_are_the_same_where_refusals_are_told_at_once() {
    effects_of_a_session("delay-reject = false\n");
}
