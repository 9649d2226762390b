//! A filter in each of the three lists does its part on a real message.

use crate::{
    client::Client,
    relay::{Relay, wait_until},
    sink::Sink,
};

fn config() -> String {
    let guests = env!("MAILWEIR_GUESTS");
    format!(
        r#"
[networks]
trusted = ["192.0.2.0/24"]

[relay]
domains = ["example.net"]

[[session]]
plugin = "{guests}/greet-check.wasm"
config = {{ refuse = ["relay.example.com"], max-recipients = 3 }}

[[message]]
plugin = "{guests}/tag-external.wasm"

[[delivery]]
plugin = "{guests}/hide-internal.wasm"
config.names = ["lab.example.org"]
"#
    )
}

#[test]
fn each_list_does_its_part() {
    let sink = Sink::start();
    let relay = Relay::start(&config(), sink.address());
    let mut client = Client::connect(relay.address()).expect("a session");
    let message = b"Received: from a.lab.example.org\r\nSubject: hello\r\nX-Sender-IP: 10.0.0.1\r\n\r\nbody\r\n";
    let reply = client.send("a@example.org", &["b@example.net"], message).expect("a reply");
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    wait_until("it is delivered", || sink.count() == 1);
    let data = String::from_utf8(sink.delivered().remove(0).data).expect("UTF-8");
    let (ours, rest) = data.split_once("\r\nSubject:").expect("our Received field, then Subject");
    assert!(ours.starts_with("Received: from client.example.org") && !ours.contains("lab.example.org"), "{data}");
    assert_eq!(rest, " [EXTERNAL] hello\r\nX-External: yes\r\n\r\nbody\r\n");

    // The fourth recipient of the session, in whichever transaction.
    let reply =
        client.send("a@example.org", &["c@example.net", "d@example.net", "e@example.net"], b"").expect("a reply");
    assert_eq!(reply, "452 4.5.3 Too many recipients in this session");
}

#[test]
fn a_refused_greeting_is_told_at_rcpt() {
    let sink = Sink::start();
    let relay = Relay::start(&config(), sink.address());
    let mut client = Client::connect(relay.address()).expect("a session");
    client.all_accepted(&["EHLO relay.example.com", "MAIL FROM:<a@example.org>"]);
    let reply = client.command("RCPT TO:<b@example.net>").expect("a reply");
    assert_eq!(reply, "550 5.7.1 You are not relay.example.com");
    wait_until("the log names the stage", || relay.log().contains("greet-check"));
    // A better greeting makes it good again.
    client.all_accepted(&["EHLO client.example.org"]);
    let reply = client.send("a@example.org", &["b@example.net"], b"Subject: fine\r\n\r\n").expect("a reply");
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
}
