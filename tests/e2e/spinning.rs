//! Ten filters, the seventh never comes back: its message is refused in time and by name, and nobody else notices.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::{
    client::Client,
    relay::{Relay, wait_until},
    sink::Sink,
};

fn ten_filters() -> String {
    let guests = env!("MAILWEIR_GUESTS");
    let mut config = String::new();
    for number in 1..=10 {
        let stage = if number == 7 {
            format!(
                "plugin = \"{guests}/misbehave.wasm\"\nname = \"seventh\"\ntimeout = \"2s\"\n\
                 when = {{ header.subject = \"^spin\" }}\nconfig.act = \"spin\"\n"
            )
        } else {
            format!("plugin = \"masquerade\"\nname = \"number-{number}\"\nconfig.domains = [\"d{number}.example\"]\n")
        };
        write!(config, "[[message]]\n{stage}\n").expect("writing to a String");
    }
    config
}

#[test]
fn a_spinning_filter_harms_nobody_else() {
    let sink = Sink::start();
    let relay = Relay::start(&ten_filters(), sink.address());
    let address = relay.address();
    let refused = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&refused);
    let spinner = thread::spawn(move || {
        let mut client = Client::connect(address).expect("a session");
        let reply = client.send("a@example.org", &["b@example.net"], b"Subject: spin\r\n\r\n.\r\n").expect("a reply");
        over.store(true, Ordering::Relaxed);
        reply
    });
    let mut client = Client::connect(address).expect("a session");
    let mut beside = 0;
    while !refused.load(Ordering::Relaxed) {
        let reply = client.send("a@example.org", &["c@example.net"], b"Subject: fine\r\n\r\n.\r\n").expect("a reply");
        assert!(reply.starts_with("250"), "{reply}");
        beside += 1;
    }
    let reply = spinner.join().expect("a reply");
    assert!(reply.starts_with("451 4.3.0"), "{reply}");
    assert!(reply.contains("seventh"), "the reply names the stage: {reply}");
    assert!(beside >= 20, "only {beside} other messages passed in the two seconds of the spinning one");
    wait_until("the log says so", || relay.log().contains("seventh"));
}
